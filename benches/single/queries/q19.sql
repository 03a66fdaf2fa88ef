-- The first rows by a string.
select search_phrase, watch_id from hits where search_phrase <> '' order by search_phrase, watch_id limit 10;
