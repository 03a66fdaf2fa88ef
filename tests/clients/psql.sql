-- What psql itself sends, with what it shows: byte for byte as PostgreSQL 15 answers it.
set client_min_messages = warning;
create table psql_t (id integer not null, name varchar(20), price numeric(10,2), at timestamp, flags int[]);
create view psql_v as select id, name from psql_t where price > 1;
insert into psql_t values (1, 'one', 1.5, '2020-01-02 03:04:05', '{1,2}'), (2, null, 22.25, null, null), (3, 'größe', -3, '1999-12-31', '{}');

\d
\dt
\dv
\d psql_t
\d psql_v
\dt nosuch*
\d nosuch
\dn
\df
\du nosuch
\di

select * from psql_t order by id;
\x on
select * from psql_t where id = 1;
\x off
\pset null '(null)'
select id, name from psql_t order by id;
\pset format csv
select * from psql_t order by id;
\pset format aligned
\pset null ''

select id, price * 2 as double from psql_t \gdesc
select 1, 'x'::varchar(3), null, now() \gdesc
select count(*) as n from psql_t \gset
\echo :n

\set FETCH_COUNT 2
select id, name from psql_t order by id;
\set FETCH_COUNT 0

\copy psql_t to stdout
\copy (select id, name from psql_t order by id) to stdout with (format csv, header)
\copy psql_t (id, name) from stdin csv
4,"four, quoted"
5,
\.
select id, name, name is null as missing from psql_t where id > 3 order by id;

copy psql_t (id) from stdin;
six
\.
select 1/0;
select nosuch from psql_t;
select * from
  nosuch;

begin;
select 1/0;
select 1;
rollback;
select 'after' as state;


drop view psql_v;
drop table psql_t;
