-- One counter's pages in two weeks.
select url, count(*) as views from hits
where counter_id = 62 and event_date between date '2013-07-08' and date '2013-07-21' and is_refresh = 0 and url <> ''
group by url order by views desc, url limit 10;
