-- Groups of a string of few values.
select mobile_phone_model, count(*) as c from hits where mobile_phone_model <> ''
group by mobile_phone_model order by c desc, mobile_phone_model limit 10;
