-- The average amount by passengers.
select passenger_count, avg(total_amount) from trips group by passenger_count;
