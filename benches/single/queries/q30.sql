-- Days, with conditions within aggregates.
select event_date, count(distinct user_id), sum(case when is_mobile then 1 else 0 end) as mobile,
    avg(case when age >= 30 then load_score end) as older
from hits where sex > 0 and income is not null group by event_date order by event_date;
