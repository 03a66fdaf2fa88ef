-- Many sums of one column.
select sum(resolution_width + 0), sum(resolution_width + 2), sum(resolution_width + 4), sum(resolution_width + 6), sum(resolution_width + 8), sum(resolution_width + 10), sum(resolution_width + 12), sum(resolution_width + 14), sum(resolution_width + 16), sum(resolution_width + 18), sum(resolution_width + 20), sum(resolution_width + 22), sum(resolution_width + 24), sum(resolution_width + 26), sum(resolution_width + 28)
from hits;
