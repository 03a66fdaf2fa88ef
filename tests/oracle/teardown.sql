drop table t;
drop table w;
drop table m;
drop table o;
