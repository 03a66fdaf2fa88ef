-- Groups of a number and a string.
select search_engine_id, search_phrase, count(*) as c from hits where search_phrase <> ''
group by search_engine_id, search_phrase order by c desc, search_engine_id, search_phrase limit 10;
