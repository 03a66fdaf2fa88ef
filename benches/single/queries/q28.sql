-- Hours of a day, with NULL among the values.
select extract(hour from event_time) as h, count(*), count(dns_timing), avg(fetch_timing), max(send_timing) from hits
group by extract(hour from event_time) order by h;
