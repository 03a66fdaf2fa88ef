-- Groups of a small number.
select adv_engine_id, count(*) as c from hits where adv_engine_id <> 0 group by adv_engine_id order by c desc, adv_engine_id;
