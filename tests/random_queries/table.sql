create table random_rows (
    id int not null, si smallint, i int, l bigint, n numeric(10,2), m numeric(20,6), r real, f double precision,
    b boolean, d date, ts timestamp, tz timestamptz, t text, u text, v varchar(12)
);

insert into random_rows
select g,
    case when g % 11 = 0 then null else ((g * 7919) % 601 - 300)::smallint end,
    case when g % 13 = 5 then null else (g * 104729) % 20011 - 10005 end,
    case when g % 17 = 3 then null else (g::bigint * 15485863) % 4000000007 - 2000000000 end,
    case when g % 7 = 2 then null else ((g * 611953) % 2000003 - 1000000)::numeric(10,0) / 100 end,
    case when g % 19 = 4 then null else ((g::bigint * 982451653) % 3000000019)::numeric(20,0) / 1000000 end,
    case when g % 23 = 1 then null else (((g * 31) % 257) - 128)::real / 4 end,
    case when g % 29 = 6 then null else (((g * 9973) % 8191) - 4096)::double precision / 8 end,
    case when g % 5 = 4 then null else g % 3 = 0 end,
    case when g % 31 = 9 then null else date '1992-01-01' + ((g * 37) % 5000)::int end,
    case when g % 37 = 8 then null else timestamp '2001-01-01 00:00:00' + ((g * 7207) % 900001) * interval '1 minute' end,
    case when g % 41 = 7 then null else timestamptz '1999-12-31 22:00:00+00' + ((g * 3571) % 700001) * interval '97 seconds' end,
    case when g % 6 = 1 then null else (array['alpha', 'beta', 'Gamma', 'delta%', 'épsilon', '', 'zeta_9', 'beta beta'])[g % 8 + 1] end,
    case when g % 43 = 2 then null else 'row ' || (g * 6577) % 70001 || ' of the table' end,
    case when g % 9 = 7 then null else chr((97 + g % 26)::int) || (g % 50)::text end
from generate_series(1, ROWS) g;
