-- Distinct numbers of many values.
select count(distinct user_id) from hits;
