-- A group for every row.
select watch_id, client_ip, count(*) as c, sum(is_refresh), avg(resolution_width) from hits
group by watch_id, client_ip order by c desc, watch_id, client_ip limit 10;
