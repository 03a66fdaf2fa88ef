-- What the self-test asks beside the queries of the benchmarks: every type, operator and aggregate of a single table.

select count(*), count(age), count(income), sum(age), min(age), max(age), avg(age) from hits

select count(*) from hits where age is null and income is not null

select count(*) from hits where age between 20 and 30 or age is null

select count(*) from hits where not (age < 30)

select sex, count(*), min(price), max(price), sum(price), avg(price) from hits group by sex order by sex

select os, user_agent, count(*) from hits group by os, user_agent order by os, user_agent

select flash_major, count(*), sum(user_agent_major) from hits group by flash_major order by flash_major

select is_mobile, count(*), min(load_score), max(load_score) from hits group by is_mobile order by is_mobile

select country, count(*) from hits where country in ('US', 'DE', 'JP') group by country order by country

select country, count(*) from hits where country not in ('US', 'DE') group by country order by country

select count(*) from hits where user_agent_minor like 'D%'

select count(*) from hits where mobile_phone_model like '%Phone%' or mobile_phone_model like 'Nexus _'

select count(*) from hits where mobile_phone_model <> '' and mobile_phone_model < 'M'

select mobile_phone_model, max(event_time) from hits where is_mobile group by mobile_phone_model order by mobile_phone_model

select event_date, count(*) from hits where event_date > date '2013-07-20' group by event_date order by event_date

select count(*) from hits where event_time >= timestamp '2013-07-10 12:00:00' and event_time < timestamp '2013-07-10 13:30:00'

select extract(day from event_date) as d, count(*) from hits group by extract(day from event_date) order by d

select extract(dow from event_date) as d, extract(week from event_date) as w, count(*) from hits group by 1, 2 order by 1, 2

select extract(hour from event_time) as h, sum(send_timing) from hits where send_timing > 100 group by 1 order by 1

select date_trunc('hour', event_time) as h, count(*) from hits where event_date = date '2013-07-04' group by 1 order by 1

select case when send_timing < 10 then 'low' when send_timing < 1000 then 'middle' else 'high' end as kind, count(*) from hits group by 1 order by 1

select coalesce(dns_timing, -1) as t, count(*) from hits where coalesce(dns_timing, -1) < 20 group by 1 order by 1

select nullif(sex, 0) as s, count(*) from hits group by 1 order by 1

select resolution_width / 100 as w, resolution_height % 10 as h, count(*) from hits group by 1, 2 order by 1, 2

select sum(send_timing * 2 - coalesce(fetch_timing, 0)), sum(-send_timing) from hits

select sum(load_score), avg(load_score), sum(load_score * 2 + 1) from hits where load_score < 1000

select min(watch_id), max(watch_id), min(client_ip), max(client_ip), min(url_hash), max(url_hash) from hits

select sum(price * 2), sum(price + 0.5), avg(price - 1.25) from hits

select count(distinct region_id), count(distinct country), count(distinct os) from hits

select counter_id, count(*) as c from hits group by counter_id having count(*) > 100 order by c desc, counter_id limit 20

select counter_id, sum(send_timing) as s from hits group by counter_id order by s desc, counter_id limit 5

select watch_id, event_time from hits order by watch_id limit 20

select watch_id, age from hits order by age desc nulls last, watch_id limit 20

select watch_id, country, load_score from hits where country = 'FR' order by load_score desc, watch_id limit 15 offset 5

select distinct country, is_mobile from hits order by country, is_mobile

select count(*), sum(c), max(c) from (select user_id, count(*) as c from hits group by user_id) t

select sum(watch_id * watch_id) from hits

select sum(send_timing / (os - os)) from hits

select vendor_id, payment_type, count(*), sum(total_amount), avg(tip_amount) from trips group by vendor_id, payment_type order by vendor_id, payment_type

select store_and_fwd_flag, rate_code_id, count(*) from trips group by store_and_fwd_flag, rate_code_id order by 1, 2

select trip_type, count(*), count(ehail_fee), sum(ehail_fee) from trips group by trip_type order by trip_type

select count(*) from trips where trip_distance > 10 and total_amount < 60 and tip_amount = 0

select sum(fare_amount + extra + mta_tax + tip_amount + tolls_amount + improvement_surcharge - total_amount) from trips

select extract(year from pickup_datetime) as y, extract(month from pickup_datetime) as m, count(*), avg(trip_distance) from trips group by 1, 2 order by 1, 2

select extract(hour from pickup_datetime) as h, avg(total_amount), max(tip_amount) from trips where passenger_count between 1 and 6 group by 1 order by 1

select pickup_boroname, dropoff_boroname, count(*), avg(fare_amount) from trips group by 1, 2 order by 1, 2

select pickup_ntaname, count(*) as c from trips where pickup_ntacode like 'MN%' group by pickup_ntaname order by c desc, pickup_ntaname limit 10

select min(pickup_longitude), max(pickup_longitude), min(dropoff_latitude), max(dropoff_latitude) from trips where pickup_longitude <> 0

select round(trip_distance) as d, floor(total_amount / 10) as t, count(*) from trips where trip_distance < 20 group by 1, 2 order by 1, 2

select max_temperature - min_temperature as span, count(*) from trips where snowfall > 0 group by 1 order by 1

select trip_id, total_amount from trips where cab_type = 'green' order by total_amount desc, trip_id limit 10

select count(*) from trips where dropoff_datetime - pickup_datetime > interval '1 hour'
