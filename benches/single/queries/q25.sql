-- Groups of expressions.
select client_ip - 1 as before, client_ip % 256 as host, count(*) as c from hits
group by before, host order by c desc, before limit 10;
