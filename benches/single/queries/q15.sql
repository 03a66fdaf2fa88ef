-- A word within addresses.
select count(*) from hits where url like '%google%';
