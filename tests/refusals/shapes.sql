-- What devices refuse, and the words in which they do: EXPLAIN must name what is at fault. DataFusion runs it all the same.
--
-- A paragraph that begins with "-- refused:" is a query and the text that its refusal holds; the others set up.

create table refusals_t (id int, k smallint, i int, l bigint, n numeric(20,4), m numeric(12,2), wide numeric(50,5), f float8, g float8, r real, b boolean, d date, tm time, ts timestamp, z timestamptz, e interval, t text, u text, y bytea, a int[], id2 uuid, j json)

insert into refusals_t select g, g % 3, g % 10, g * 1000000007::bigint, g * 1.2345, g / 4.0, g, g * 0.75::float8, (g % 7)::float8, g::real, g % 2 = 0, date '2020-01-01' + g, time '10:00:00', timestamp '2020-01-01' + g * interval '1 hour', timestamptz '2020-01-01 00:00:00+00' + g * interval '1 hour', g * interval '1 day', 'word ' || g % 5, 'word ' || g % 4, '\x01', array[g], '12345678-1234-1234-1234-123456789012', '{"a": 1}' from generate_series(1, 100000) g

create table refusals_other (id int, name text)

insert into refusals_other values (1, 'one'), (2, 'two')

select count(id), count(k), count(i), count(l), count(n), count(m), count(f), count(g), count(r), count(b), count(d), count(ts), count(t), count(u) from refusals_t

create table refusals_plain (id int, s text, p text)

insert into refusals_plain select g, 'text ' || g, 'ext ' || g % 10 from generate_series(1, 70000) g

select count(s), count(p), count(id) from refusals_plain

-- refused: regular expressions
select count(*) from refusals_plain where s ~ 't [0-9]+1$'

-- refused: regular expressions
select count(*) from refusals_plain where regexp_replace(s, '[0-9]', '') = 'text '

-- refused: makes new text
select count(*) from refusals_plain where upper(s) = 'TEXT 7'

-- refused: makes new text
select count(*) from refusals_plain where s || 'x' = 'text 7x'

-- refused: beyond ASCII
select count(*) from refusals_plain where s ilike 'é%'

-- refused: no text known beforehand
select count(*) from refusals_plain where strpos(s, p) = 2

-- refused: no text known beforehand
select count(*) from refusals_plain where s like p

-- refused: no number known beforehand
select count(*) from refusals_plain where left(s, id) = s

-- refused: the cast of text
select count(*) from refusals_plain where substring(s from 6)::int = 7

-- refused: string_agg
select string_agg(t, ',' order by id) from refusals_t where id < 10

-- refused: array_agg
select array_agg(i order by id) from refusals_t where id < 10

-- refused: percentile_cont
select percentile_cont(0.5) within group (order by f) from refusals_t where id < 100

-- refused: function variance_of_sums
select max(v) from (select k, variance(i) as v from refusals_t group by k) x

-- refused: regr_count
select regr_count(f, g) from refusals_t where id < 100

-- refused: function stddev
select stddev(l) from refusals_t where id < 100

-- refused: function median
select median(f) from refusals_t where id < 100

-- refused: function approx_distinct
select k, approx_distinct(i) from refusals_t group by k

-- refused: approx_percentile_cont
select approx_percentile_cont(0.5) within group (order by f) from refusals_t where id < 100

-- refused: string_agg
select k, string_agg(t, ',') from refusals_t where id < 100 group by rollup (k)

-- refused: array_agg
select k, array_agg(distinct i), count(distinct l) from refusals_t where id < 100 group by k

-- refused: an aggregate with a limit
select distinct l from refusals_t where id < 100 limit 500

-- refused: WindowAggExec
select id, sum(i) over (order by id) as running from refusals_t where id < 10

-- refused: type Interval(MonthDayNano) has no device form
select count(*) from refusals_t a join refusals_t b on a.e = b.e where a.id < 100 and b.id < 100

-- refused: makes new text
select count(*) from refusals_t t join refusals_other o on t.id = o.id and t.t || o.name = 'word 1one'

-- refused: PlaceholderRowExec
select count(*) from (select id from refusals_t where id < 5 union all select 3) x

-- refused: type Interval(MonthDayNano) has no device form
select id from refusals_t where id < 10 order by e, id

-- refused: random
select count(*) from refusals_t where random() < 2 and id < 10

-- refused: digits of the quotient
select sum(m * m * m * m / n) from refusals_t where id < 10

-- refused: cast of float
select count(*) from refusals_t where mod(f::numeric, 2) = 0

-- refused: function of numeric
select sum(sqrt(n)) from refusals_t where id < 10

-- refused: function gcd
select sum(gcd(id, i)) from refusals_t where l < 10000000000

-- refused: function width_bucket
select sum(width_bucket(f, 0, g + 1, 3)) from refusals_t where id < 10

-- refused: number of digits that is not constant
select sum(round(n, i)) from refusals_t where id < 10

-- refused: Interval
select max(extract(epoch from e)) from refusals_t where id < 10

-- refused: extract(timezone)
select count(*) from refusals_t where extract(timezone from z) = 0

-- refused: extract(julian)
select count(*) from refusals_t where extract(julian from ts) = 2458850.5

-- refused: LIKE
select count(*) from refusals_t where t like u

-- refused: ||
select count(*) from refusals_t where t || u = 'word 1word 1'

-- refused: Interval
select count(*) from refusals_t where e > interval '5 days'

-- refused: Time64
select count(*) from refusals_t where tm > '09:00:00'

-- refused: Binary
select count(*) from refusals_t where y = '\x01'

-- refused: List
select count(*) from refusals_t where a = array[5]

-- refused: type
select count(*) from refusals_t where id2 = '12345678-1234-1234-1234-123456789012'

-- refused: Decimal256
select sum(wide) from refusals_t where wide > 5

-- refused: IN over more than
select count(*) from refusals_t where f in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34)

-- refused: GlobalLimitExec
select count(*) from (select id from refusals_t where i = 3 limit 5) x

-- refused: field that is not constant
select date_trunc(case when b then 'day' else 'month' end, ts) as day, count(*) from refusals_t where id < 100 group by 1

-- refused: values fit
select sum(n::numeric(5,0)) from refusals_t where id < 10

-- refused: greatest or least of texts
select count(greatest(t, u)) from refusals_t where id < 10

-- refused: function to_char
select to_char(ts, 'YYYY') as year, count(*) from refusals_t where id < 100 group by 1

-- refused: function age
select count(age(ts, d)) from refusals_t where l > 0

-- refused: function md5
select count(*) from refusals_t where md5(t || u) = ''

-- refused: cast of timestamp
select count(*) from refusals_t where ts::text = '2020-01-01 01:00:00'

-- refused: interval as a result
select count(*) from refusals_t where (ts - z::timestamp) is not null

-- refused: interval that is not constant
select count(*) from refusals_t where ts + i * interval '1 day' > timestamp '2021-01-01'

-- refused: first_value
select distinct on (k) k, i, id from refusals_t where id < 100 order by k, i, id

-- refused: makes new text
select count(*) from refusals_t t, refusals_other o where t.t || o.name < 'word 1p' and t.id < 100

-- refused: PlaceholderRowExec
select count(*) from refusals_t t join (select id from refusals_other union all select 7) o on t.id = o.id
