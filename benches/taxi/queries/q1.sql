-- Rides by kind of cab.
select cab_type, count(*) from trips group by cab_type;
