-- Distinct strings of many values.
select count(distinct search_phrase) from hits;
