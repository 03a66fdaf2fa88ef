-- Least and greatest of dates and times.
select min(event_date), max(event_date), min(event_time), max(event_time) from hits;
