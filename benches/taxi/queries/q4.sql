-- Rides by passengers, year and miles.
select passenger_count, extract(year from pickup_datetime) as year, round(trip_distance) as distance, count(*) as trips
from trips group by passenger_count, year, distance order by year, trips desc;
