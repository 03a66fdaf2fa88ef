"""Runs queries in DuckDB, its tables in memory, for `warpwise bench all`. Reads a JSON object, writes a JSON object a line."""

import json
import sys
import time

import duckdb

work = json.load(sys.stdin)
connection = duckdb.connect(config={"threads": work["threads"]})
for table, files in work["tables"].items():
    connection.execute(f"create table {table} as select * from read_parquet({files!r})")
for name, text in work["queries"]:
    times = []
    for _ in range(work["runs"]):
        began = time.perf_counter()
        rows = connection.execute(text).fetchall()
        times.append(round((time.perf_counter() - began) * 1e3, 3))
    hot = sorted(times[1:])
    found = {"suite": work["suite"], "query": name, "device": f"DuckDB {duckdb.__version__}", "cold_ms": times[0], "hot_ms": times[1:]}
    found |= {"hot_median_ms": hot[len(hot) // 2] if hot else None, "rows": len(rows)}
    print(json.dumps(found), flush=True)
