create table t (id int, a int, b bigint, s smallint, n numeric(10,2), u numeric, f float8, r real);
insert into t values (1, 1, 10, 5, 1.50, 3.14159, 0.1, 1.5), (2, 2147483647, 9223372036854775807, 32767, 99999999.99, 1e20, 1e308, 3e38), (3, 0, 0, 0, 0, 0, 0, 0), (4, null, null, null, null, null, null, null), (5, -7, -2, -3, -2.25, 0.001, -2.5, -0.5);
create table w (id int, x text, v varchar(10), c char(5), p boolean, y bytea);
insert into w values (1, 'hello', 'World', 'ab', true, '\x01ff'), (2, '42', '3.5', '7', false, ''), (3, null, null, null, null, null), (4, 'größe', 'tab	x', 'x y', true, '\x00');
create table m (id int, d date, ts timestamp, tz timestamptz, h time, i interval);
insert into m values (1, '2020-02-29', '2020-02-29 12:34:56.789', '2020-07-01 00:00:00+02', '23:59:59.5', '1 month 2 days 03:04:05'), (2, '1999-12-31', '1999-12-31 23:59:59', '1999-12-31 23:59:59+00', '00:00', '-1 day'), (3, null, null, null, null, null);
create table o (id int, g uuid, j json, l int[], k text[]);
insert into o values (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{1,2,3}', '{a,b}'), (2, null, null, null, null), (3, '00000000-0000-0000-0000-000000000000', '[1, 2]', '{}', '{NULL,"x y"}');
