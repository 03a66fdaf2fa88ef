-- Rides by passengers and year.
select passenger_count, extract(year from pickup_datetime) as year, count(*)
from trips group by passenger_count, year;
