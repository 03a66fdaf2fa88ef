create table random_more as
select id as xid, si as xsi, i as xi, l as xl, n as xn, m as xm, r as xr, f as xf, b as xb, d as xd, ts as xts, t as xt,
    case when id % 4 = 0 then upper(u) else u end as xu, v as xv
from random_rows where id % 7 = 3;

insert into random_more (xid, xsi, xi, xt, xv, xb) values (100001, 7, 12345, 'nowhere else', 'beta', true),
    (100002, -300, null, 'beta', null, null), (100002, -300, 77, 'beta', 'beta', false), (5, null, 0, '', '', true);

create table random_few (zk int, zt text, zv bigint);

insert into random_few select g, case when g < 8 then (array['alpha', 'beta', 'Gamma', 'delta%', 'épsilon', '', 'zeta_9', 'others'])[g + 1] end, g * 1000003::bigint
from generate_series(0, 60) g;
