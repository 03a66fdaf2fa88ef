-- Minutes of two days.
select date_trunc('minute', event_time) as m, count(*) as c from hits
where event_date between date '2013-07-14' and date '2013-07-15' and is_refresh = 0
group by date_trunc('minute', event_time) order by m limit 10 offset 1000;
