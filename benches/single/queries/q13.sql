-- Groups of a user, a minute and a string.
select user_id, extract(minute from event_time) as m, search_phrase, count(*) as c from hits
group by user_id, m, search_phrase order by c desc, user_id, m, search_phrase limit 10;
