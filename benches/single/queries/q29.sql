-- Two small keys, exact and floating sums.
select country, is_mobile, count(*) as c, sum(price), avg(age), min(price), max(load_score), sum(load_score) from hits
group by country, is_mobile order by country, is_mobile;
