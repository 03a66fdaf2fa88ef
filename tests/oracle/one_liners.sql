-- Overflow, over constants and over columns.
select 2147483647 + 1
select a + 1 from t
select a + 1 from t where id in (1, 3) order by id
select a * 2 from t
select a - 2147483640 from t where id = 5
select b + 1 from t
select b * 2 from t
select -b from t order by id
select s + s from t where id = 2
select s + 1::smallint from t
select s * s from t where id in (1, 5) order by id
select f * 10 from t
select r * 10::real from t
select f * f from t where id = 1
select a + b from t where id = 2
select a + b from t where id = 1
select n * 10 from t where id = 2
select n + u from t order by id
select sum(a), sum(b), sum(s), sum(n), sum(u) from t
select sum(f), sum(r) from t where id in (1, 3, 5)
select -(-2147483648)::int
select abs(a), abs(b), abs(n), abs(f) from t order by id
select 9223372036854775807 * 2
select 100000 * 100000
select 32767::smallint * 2::smallint
select cast(1e10 as int)
select 40000::smallint
select exp(1000::float8)
select power(10::float8, 400)
select 2147483647::int4 + 1::int8
select -2147483648 / -1
select factorial(25)
select (a + 1)::bigint from t where id = 2
select a::bigint + 1 from t where id = 2
-- Division.
select 1 / 0
select a / 0 from t
select a / id from t order by id
select 1.0 / 0
select f / 0 from t
select n / 0 from t
select a % 0 from t
select mod(a, 0) from t
select a / b from t where id = 3
select a / nullif(b, 0) from t order by id
select 7 / 2, -7 / 2, 7 / -2, -7 / -2
select 7 % 3, -7 % 3, 7 % -3, -7 % -3
select 7.0 / 2, 1 / 3.0, 2 / 3.0, 10 / 3.0, 1000000 / 3.0, 1 / 7000.0
select n / 3 from t order by id
select n / n from t where id in (1, 2, 5) order by id
select u / 7 from t order by id
select a / 2.0 from t order by id
select n / a from t where id in (1, 2, 5) order by id
select 1::float8 / 3, 2::float8 / 3, 1e-5::float8 / 3
select f / 3 from t order by id
select r / 3 from t where id in (1, 5) order by id
select 5 / 2.0::real
select 0.00001 / 3, 1e10 / 3, 123456789.123 / 0.00007
select 100 * n / sum(n) over () from t where id in (1, 5) order by id
select sum(n) / count(*), sum(a) / count(*) from t where id in (1, 3, 5)
select sum(n) / sum(a) from t where id in (1, 5)
select div(7, 2), div(-7.5, 2)
-- Averages and other aggregates.
select avg(a), avg(b), avg(s) from t
select avg(n), avg(u) from t
select avg(f), avg(r) from t where id in (1, 3, 5)
select avg(a) from t where id = 4
select avg(id) from t
select avg(n * 2) from t where id in (1, 5)
select count(*), count(a), count(distinct a) from t
select min(a), max(b), min(n), max(f), min(s), max(r) from t
select max(x), min(v), max(c) from w
select min(d), max(ts), min(tz), max(h), min(i) from m
select sum(i), avg(i) from m
select stddev(a), variance(a) from t where id in (1, 3, 5)
select stddev(f), var_pop(f) from t where id in (1, 3, 5)
select stddev_pop(n), var_samp(n) from t where id in (1, 3, 5)
select bool_and(p), bool_or(p), every(p) from w
select string_agg(x, ',' order by id), array_agg(id order by id desc) from w
select sum(case when a > 0 then 1 else 0 end) from t
select sum(a)::int from t where id = 1
select count(*) * 2, sum(a) + 1, avg(a) * 2 from t where id in (1, 5)
-- Labels.
select count(*), sum(a), max(a) from t
select 1, 'x', null, true, 1.5
select a + 1, -a, a from t where id = 1
select a::text, a::bigint, cast(a as numeric), (a)::float8 from t where id = 1
select 1::int, '1'::text, cast('x' as varchar), 1.5::float8::int
select upper(x), length(x), x || 'y', lower(upper(x)) from w where id = 1
select case when true then 1 end, case when true then a else 2 end, coalesce(a, 1), nullif(a, 1), greatest(a, 1), least(a, 1) from t where id = 1
select extract(year from d), date_part('year', d), date_trunc('year', d) from m where id = 1
select substring(x from 1 for 2), position('l' in x), trim(x), overlay(x placing 'z' from 1) from w where id = 1
select a as "A b", b as "count" from t where id = 1
select t.a, t.* from t where id = 3
select id, id from t where id = 1
select a is null, a = 1, a between 1 and 2, a in (1), not true from t where id = 1
select x like 'h%', x ~ 'h' from w where id = 1
select (a), ((a + 1)), (l)[1], l[1:2] from t, o where t.id = 1 and o.id = 1
select "a" from (select a from t where id = 1) q
select * from (select 1, 2) q
select * from (values (1, 'a'), (2, 'b')) q
select current_user is null, session_user is null, current_schema
-- Casts.
select 'abc'::int
select x::int from w
select x::int from w where id = 2
select v::numeric from w where id = 2
select '1.5'::int
select ' 42 '::int, '+5'::int, '-0'::int
select '1e3'::float8, '.5'::float8, 'inf'::float8, '-Infinity'::float8, 'nan'::float8
select '1e400'::float8
select '1_000'::int
select 1.5::int, 2.5::int, -2.5::int, 1.4999::int
select f::int, n::int, u::int from t where id in (1, 5) order by id
select f::int from t where id = 2
select u::bigint from t where id = 2
select b::int from t where id = 2
select a::smallint from t where id = 2
select 2.5::float8::int, 3.5::float8::int, -0.5::float8::int
select f::numeric, r::numeric from t where id in (1, 5) order by id
select f::real from t where id = 1
select f::real from t where id = 2
select n::text, u::text, f::text, r::text from t order by id
select n::numeric(5,1), n::numeric(3,0) from t where id in (1, 5) order by id
select n::numeric(5,1) from t
select 0.1::real::float8, 0.1::float8::real, 16777217::real, 123456789::real
select true::int, 0::boolean, 5::boolean
select 'yes'::boolean, 'off'::boolean, 'T'::boolean, '1'::boolean
select 'maybe'::boolean
select p::text, p::int from w order by id
select 1.5::boolean
select c::text, c || '|', length(c) from w order by id
select x::varchar(2), x::char(3), x::name from w where id = 1
select 'x'::char(3) = 'x', 'x'::char(3) || '|', 'x  '::varchar = 'x'
select a::text || n::text from t where id = 1
select '2020-02-30'::date
select 'x'::date
select '2020-01-01 25:00:00'::timestamp
select 'now'::date is not null, 'epoch'::timestamp, 'infinity'::date
select x::date from w where id = 1
select d::text, ts::text, tz::text, h::text, i::text from m order by id
select ts::date, ts::time, d::timestamp, tz::timestamp, tz::date from m order by id
select d::int from m
select 1::text::int, '1'::text::int + 1
select 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1'::uuid
select g::text, j::text, l::text, k::text from o order by id
select '{1,2}'::int[], '{a,"b c",NULL}'::text[]
select '{1,x}'::int[]
select array[1, 2]::text[], array['1', '2']::int[]
select 12345.678::numeric(6,2)
select 12345.678::numeric(7,2)
select 1::numeric(3,5)
select 1::varchar(0)
select y, encode(y, 'hex'), length(y) from w order by id
-- Numbers as text.
select 0.1::float8 + 0.2::float8, 1e15::float8, 1e16::float8, 123456789012345678::float8, 1e-5::float8, 0.0001::float8
select 1.0::float8, 100::float8, -0.0::float8, 1.5e300::float8
select 1.1::real, 1e7::real, 1234567::real, 12345678::real, 0.00001::real
select f, r from t order by id
select 1e20, 1.0e-10, 123.4500, .5, 5.
select 1.10 + 2.2, 1.10 * 2.2, 1.10 - 2.2, 2.0 * 3, -1.50
select n + 1, n * 2, n - 0.005, n * n from t order by id
select n * 1.5, n * a from t where id in (1, 5) order by id
select 1::numeric, 1.0::numeric, 1.00::numeric(10,5), 1e3::numeric
select round(2.5), round(-2.5), round(0.5), round(1.5), round(2.567, 2), round(1234.567, -2)
select round(n), round(n, 1), trunc(n, 1), ceil(n), floor(n) from t order by id
select round(f), trunc(f), ceil(f), floor(f) from t where id in (1, 3, 5) order by id
select round(2.5::float8), round(1.005::numeric, 2), round(-1.5::float8)
select round(a), ceil(a), sign(a), sign(n) from t where id = 5
select ln(10), ln(10.0), log(100), log(2.0, 8.0), exp(1), exp(1.0)
select power(2, 10), power(2.0, 0.5), 2 ^ 10, 2.0 ^ 3, 2 ^ -1
select sqrt(-1)
select ln(0.0)
select log(-1)
select 0.0 ^ -1
select pi(), degrees(1::float8), radians(180::float8), sin(0::float8), atan2(1::float8, 1::float8)
select greatest(1, 2.5), least(1, 2::bigint), greatest(1::float8, 2.5), greatest('a', 'B')
select mod(7.5, 2), 7.5 % 2, gcd(12, 18), lcm(4, 6)
select a & 3, a | 8, a # 1, ~a, a << 1, a >> 1 from t where id in (1, 5) order by id
-- Dates and times.
select d - date '2020-01-01', d + 1, d - 1, 1 + d from m order by id
select ts - timestamp '2020-01-01', tz - timestamptz '2020-01-01 00:00+00', d - ts from m order by id
select d + interval '1 month', ts + interval '1 day', tz + i, h + interval '1 hour' from m order by id
select d + h from m where id = 1
select date '2020-01-31' + interval '1 month', date '2020-03-31' - interval '1 month'
select i * 2, i / 2, i + interval '1 hour', -i, i * 1.5 from m order by id
select interval '1 year 2 months 3 days 4 hours 5 minutes 6.789 seconds', interval '-1 day', interval '0', interval '1.5 hours', interval '1 week'
select interval '90 minutes', interval '36 hours', interval '14 months', interval '1 day -1 hour', interval '-1 month 1 day'
select extract(year from ts), extract(second from ts), extract(epoch from ts), extract(dow from d), extract(isodow from d), extract(week from d) from m where id = 1
select extract(milliseconds from ts), extract(microseconds from h), extract(hour from h), extract(day from i), extract(epoch from i) from m where id = 1
select extract(quarter from d), extract(century from d), extract(decade from d), extract(millennium from d), extract(julian from d) from m where id = 1
select extract(nosuch from d) from m
select extract(hour from d) from m
select date_part('epoch', tz), date_part('minute', ts) from m where id = 1
select tz, tz at time zone 'Europe/Berlin', ts at time zone 'America/New_York' from m where id = 1
select timestamp '2020-01-01 12:00' at time zone 'nowhere'
select age(ts, timestamp '2019-01-15 01:00'), age(d, date '2019-12-31') from m where id = 1
select to_char(ts, 'YYYY-MM-DD HH24:MI:SS.MS'), to_char(d, 'FMDay, FMMonth DD'), to_char(1234.5, 'FM9,999.00'), to_char(42, '00000') from m where id = 1
select to_date('29/02/2020', 'DD/MM/YYYY'), to_timestamp('2020-01-02 03:04', 'YYYY-MM-DD HH24:MI'), to_timestamp(0)
select make_date(2020, 2, 30)
select make_date(2020, 2, 29), make_time(1, 2, 3.5), make_timestamp(2020, 1, 2, 3, 4, 5)
select d = '2020-02-29', d > '2020-01-01', ts < '2021-01-01' from m order by id
select d = ts, d < tz, ts = tz from m where id = 2
select d + d from m
select d * 2 from m
select timestamp '0044-03-15 BC', date '0001-01-01', timestamp '9999-12-31 23:59:59.999999', date '9999-12-31'
select justify_interval(interval '40 days 30 hours'), interval '1 month' = interval '30 days'
select timestamp '2020-01-01 00:00:00.1234567', time '24:00:00', time '10:00:00.5'
select date 'tomorrow' - date 'today', timestamp 'epoch'
select current_date - current_date, now() - now(), date_trunc('day', now()) <= now()
select generate_series(1, 3)
select g, g * 1.5 from generate_series(1, 3) g
select * from generate_series(timestamp '2020-01-01', '2020-01-02', interval '12 hours')
-- Strings.
select 'a' || 1, 1 || 'a', 'a' || null, 'a' || true, 'a' || 1.5, x || id from w where id = 1
select 1 || 2
select concat('a', 1, null, true, 1.5), concat_ws(',', 'a', null, 1)
select length('größe'), octet_length('größe'), char_length(x), upper(x), reverse(x) from w order by id
select substring('hello', 2, 3), substring('hello' from -1 for 3), substring('hello' from 3), left('hello', -1), right('hello', -1)
select substring('hello' from 2 for -1)
select substring('foobar' from 'o+'), regexp_replace('foobar', 'o', '0', 'g'), split_part('a-b-c', '-', -1), 'foobar' ~ 'o{2}'
select split_part('a-b', '-', 0)
select lpad('5', 3, '0'), rpad('ab', 5), lpad('hello', 2), repeat('ab', 2), repeat('x', -1)
select trim('  x '), trim(leading 'x' from 'xxa'), ltrim('  a'), rtrim('ax', 'x'), btrim('xax', 'x')
select position('l' in 'hello'), strpos('hello', 'x'), replace('aXbX', 'X', '--'), translate('abc', 'ab', 'x'), initcap('hi tHere')
select 'a' < 'B', 'a' < 'b', 'Z' < 'a', 'ä' > 'z', '' < 'a'
select x < v, x = v, c = 'ab' from w order by id
select 'a%b' like 'a\%b', 'a_b' like 'a!_b' escape '!', 'AB' ilike 'a_', 'a' like ''
select 'abc' like 'a\'
select 'abc' similar to 'a(b|c)+', 'abc' ~ '^A', 'abc' ~* '^A', 'abc' !~ 'x'
select 'x' ~ '('
select ascii('ä'), chr(228), md5(''), quote_literal('a''b'), quote_ident('A'), format('%s-%I-%L', 1, 'a b', 'c')
select chr(0)
select chr(-1)
select encode('\x0102'::bytea, 'base64'), decode('AQI=', 'base64'), '\x01'::bytea || '\x02'::bytea
select string_to_array('a,b,,c', ','), array_to_string(array[1, null, 3], ',', '*')
select E'a\tb\\c', 'a\b', e'\u00e4', 'it''s', $q$it's$q$, U&'\00e4'
-- Booleans and nulls.
select true, false, null::boolean, true and null, false and null, true or null, not null::boolean
select p, not p, p is true, p is unknown, p = true from w order by id
select null = null, null is null, 1 is distinct from null, null is not distinct from null
select 1 in (1, null), 2 in (1, null), 2 not in (1, null), 1 = any (array[1, 2]), 3 <> all (array[1, 2])
select a from t where p
select id from t where 1
select id from t where a = 'x'
select id from t where x = 1
select nullif(1, 1), nullif('a', 'b'), nullif(1, 1.0)
-- Arrays, json, uuid.
select array[1, 2, 3], array['a', null], array[1.5, 2], array[true], '{}'::int[], array[array[1, 2], array[3, 4]]
select l, l[1], l[5], array_length(l, 1), cardinality(l), 2 = any(l) from o order by id
select array_length('{}'::int[], 1), array_upper(array[1, 2], 1), array_append(array[1], 2), array[1] || 2, array[1] || array[2]
select array[1, 'x']
select j, j ->> 'a', j -> 'a', json_typeof(j) from o order by id
select '{"a":'::json
select '{"b": 1, "a": [1,2]}'::jsonb, '{"a": {"b": 2}}'::jsonb -> 'a' ->> 'b', '[1,2]'::json -> 1
select g, g = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', min(id) over () from o where id <> 2 order by id
-- Errors and their places.
select nosuch
select nosuch from t
select t.nosuch from t
select q.a from t
select * from nosuch
select nosuch(1)
select upper(1)
select upper('a', 'b')
select sum(x) from w
select 'a'::text + 1
select a + x from t, w
select a from t group by b
select a, sum(b) from t
select a from t where sum(a) > 1
select id from t, w
select a from t order by nosuch
select a from t order by 2
select a from t limit -1
select 1 union select 'x'
select (select id from t)
selec 1
select 1 +
select (1
select 'abc
select * from t t1, t t1
select 1 as "a
select date 'x'
select interval 'x'
select 1::nosuch
select a b c from t
select * from
select 1 where
insert into t (a) values ('x')
insert into t (a) values (99999999999)
insert into t (n) values (123456789.5)
insert into w (v) values ('more than ten')
drop table nosuch
create table t (a int)
execute nosuch
fetch nosuch
show nosuch
set statement_timeout = 'soon'
