-- The first rows by time.
select event_time, search_phrase, watch_id from hits where search_phrase <> '' order by event_time, watch_id limit 10;
