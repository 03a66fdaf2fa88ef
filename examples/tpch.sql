-- A first look at TPC-H.
--
--     warpwise serve --tpch 1
--     psql -h 127.0.0.1 -p 5432 -d tpch -f examples/tpch.sql
--
-- or, without a server: warpwise sql --tpch 1 -f examples/tpch.sql
--
-- What is shown is derived from TPC-H and not comparable with published TPC-H results.

-- How much there is.
select count(*) as orders, min(o_orderdate) as first, max(o_orderdate) as last from orders;

-- Revenue by ship mode and year.
select extract(year from l_shipdate) as year, l_shipmode, sum(l_extendedprice * (1 - l_discount)) as revenue
from lineitem
where l_shipmode in ('AIR', 'RAIL')
group by 1, 2
order by 1, 2;

-- The nations that buy most, with their share.
select n_name, sum(o_totalprice) as bought, round(100 * sum(o_totalprice) / sum(sum(o_totalprice)) over (), 2) as percent
from orders
join customer on c_custkey = o_custkey
join nation on n_nationkey = c_nationkey
group by n_name
order by bought desc, n_name
limit 5;

-- Each customer segment's largest order.
with ranked as (
  select c_mktsegment, o_orderkey, o_totalprice, row_number() over (partition by c_mktsegment order by o_totalprice desc, o_orderkey) as place
  from orders
  join customer on c_custkey = o_custkey
)
select c_mktsegment, o_orderkey, o_totalprice from ranked where place = 1 order by c_mktsegment;

-- TPC-H's query 6.
select sum(l_extendedprice * l_discount) as revenue
from lineitem
where l_shipdate >= date '1994-01-01' and l_shipdate < date '1994-01-01' + interval '1' year
  and l_discount between 0.06 - 0.01 and 0.06 + 0.01 and l_quantity < 24;
