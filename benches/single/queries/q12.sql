-- Groups of a number of many values.
select user_id, count(*) as c from hits group by user_id order by c desc, user_id limit 10;
