-- A word within addresses, then groups.
select search_phrase, min(url), count(*) as c from hits where url like '%google%' and search_phrase <> ''
group by search_phrase order by c desc, search_phrase limit 10;
