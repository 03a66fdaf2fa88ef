-- Your own files as tables: every Parquet, CSV, JSON or Arrow file of a folder, or folder of such files, is one.
--
-- If you have none at hand, make some:
--
--     warpwise tpch generate --scale 0.01 --out shop
--     printf 'segment,discount\nBUILDING,0.10\nMACHINERY,0.05\n' > shop/campaign.csv
--
-- Then ask them, over a connection or in process:
--
--     warpwise serve --data shop
--     psql -h 127.0.0.1 -p 5432 -f examples/own_parquet.sql
--
--     warpwise sql --data shop -f examples/own_parquet.sql

-- What was found.
select table_name from information_schema.tables where table_schema = 'public' order by table_name;

-- A column's type comes from its file.
select column_name, data_type from information_schema.columns where table_name = 'campaign' order by ordinal_position;

-- A CSV file joined with Parquet files.
select c.segment, count(*) as orders, round(sum(o.o_totalprice * c.discount)::numeric, 2) as granted
from campaign c
join customer on c_mktsegment = c.segment
join orders o on o.o_custkey = c_custkey
group by c.segment
order by c.segment;

-- What is found can be kept, in memory.
create temp table best as
select c_name, sum(o_totalprice) as bought
from orders
join customer on c_custkey = o_custkey
group by c_name
order by bought desc
limit 3;

select * from best order by bought desc;
