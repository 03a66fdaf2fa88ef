#!/usr/bin/env python3
"""TPC-H's 22 queries on this machine's processor: Warpwise and DuckDB in turn, on the same tables and parameters.

    cargo build --release
    pip install duckdb
    benches/tpch/compare.py [--scale 1] [--queries 1,6] [--rounds 3] [--runs 4] [--threads N] [--json FILE]

Both sides run in process, from the text to the last row: `warpwise tpch run`, and DuckDB with its tables in memory, loaded from
the same Parquet files. Every run draws other parameters, the same for both, and every answer is compared. A round is a run that
warms and `--runs` that count of each query, of one side and then of the other; each side goes first every other round.

The goals: DuckDB's times over Warpwise's have a geometric mean of `--mean`, and none is below `--require`.

`--cold` instead counts the first run of every query in a fresh process on either side, reading Parquet files that are in the
page cache, and compares the sums over all queries. `--client` instead asks a server through psycopg, beside the runs in
process: what a client waits for above the query itself.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from sides import add_arguments, cell, check, common, data_folder, geometric_mean, in_duckdb, milliseconds, write_record  # noqa: E402

# A fresh process of DuckDB over Parquet files: each query once.
FRESH = r"""
import duckdb, json, sys, time
texts, views, threads = json.load(sys.stdin)
connection = duckdb.connect(config={"threads": threads})
for view in views:
    connection.execute(view)
found = []
for text in texts:
    began = time.perf_counter()
    rows = connection.execute(text).fetchall()
    found.append([time.perf_counter() - began, [["" if v is None else str(v) for v in row] for row in rows]])
json.dump(found, sys.stdout)
"""

TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]


def peak_kib(pid):
    """The most memory that a process has held. What its parent's accounts say of it may be the parent's own."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) if found else 0


def files(data, table):
    """The Parquet files of a table."""
    path = data / f"{table}.parquet"
    return path if path.exists() else data / table / "*.parquet"


def queries(arguments, numbers, seed):
    """The texts of the queries with the parameters of a seed, by number."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(arguments.warpwise), "tpch", "queries", "--vary", str(seed), "--scale", arguments.scale]
        subprocess.run([*command, "--out", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return {number: (pathlib.Path(folder) / f"q{number}.sql").read_text() for number in numbers}


class Warpwise:
    """`warpwise tpch run`: one process a round."""

    name = "Warpwise"

    def __init__(self, arguments):
        self.arguments = arguments
        self.left = {}
        self.cold = {}
        self.peak = 0

    def round(self, numbers, seed, runs=None):
        """For each query the seconds of all runs and their answers, without heads."""
        runs = self.arguments.runs + 1 if runs is None else runs
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            command = [str(self.arguments.warpwise), "tpch", "run", "--scale", self.arguments.scale, "--device", self.arguments.device]
            command += ["--queries", ",".join(map(str, numbers)), "--runs", str(runs), "--vary", str(seed)]
            command += ["--threads", str(self.arguments.threads), "--answers", str(folder), "--json", str(folder / "times.json")]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while process.poll() is None:
                self.peak = max(self.peak, peak_kib(process.pid))
                time.sleep(0.05)
            if process.returncode != 0:
                raise SystemExit(f"{' '.join(command)} failed")
            records = [json.loads(line) for line in (folder / "times.json").read_text().splitlines() if line.strip()]
            for number, record in zip(numbers, records):
                self.cold.setdefault(number, []).append(record["cold_ms"] / 1e3)
                if record.get("left_to_datafusion"):
                    self.left[number] = record["left_to_datafusion"]
                answers = []
                for run in range(runs):
                    path = folder / (f"q{number}-{run}.csv" if run else f"q{number}.csv")
                    with open(path, newline="", encoding="utf-8") as file:
                        answers.append(list(csv.reader(file))[1:])
                found[number] = ([record["cold_ms"] / 1e3] + [hot / 1e3 for hot in record["hot_ms"]], answers)
        return found


class DuckDB:
    """DuckDB with its tables in memory, and the texts that `warpwise tpch queries` writes."""

    def __init__(self, arguments, data):
        import duckdb

        self.arguments = arguments
        self.name = f"DuckDB {duckdb.__version__}"
        self.connection = duckdb.connect(config={"threads": arguments.threads})
        for table in TABLES:
            self.connection.execute(f"create table {table} as select * from read_parquet('{files(data, table)}')")

    def round(self, numbers, seed):
        texts = [queries(self.arguments, numbers, seed + run) for run in range(self.arguments.runs + 1)]
        found = {}
        for number in numbers:
            results = [in_duckdb(self.connection, text[number]) for text in texts]
            found[number] = ([took for took, _ in results], [rows for _, rows in results])
        return found


def cold(arguments, numbers, data):
    """The sums of first runs in fresh processes."""
    warpwise, sums = Warpwise(arguments), {"Warpwise": [], "DuckDB": []}
    views = [f"create view {table} as select * from read_parquet('{files(data, table)}')" for table in TABLES]
    each = {number: ([], []) for number in numbers}
    for turn in range(arguments.rounds + 1):
        seed = arguments.seed + 100 * turn
        texts = queries(arguments, numbers, seed)
        mine = warpwise.round(numbers, seed, runs=1)
        given = json.dumps([[texts[number] for number in numbers], views, arguments.threads])
        process = subprocess.run([sys.executable, "-c", FRESH], input=given, check=True, stdout=subprocess.PIPE, text=True)
        theirs = json.loads(process.stdout)
        for number, (_, rows) in zip(numbers, theirs):
            check(f"Q{number}", rows, mine[number][1][0], ordered=False)
        if turn == 0:
            # It brought the files into the page cache.
            continue
        sums["Warpwise"].append(sum(mine[number][0][0] for number in numbers))
        sums["DuckDB"].append(sum(took for took, _ in theirs))
        for number, (took, _) in zip(numbers, theirs):
            each[number][0].append(mine[number][0][0])
            each[number][1].append(took)
    print(f"\n{common.machine()}; {arguments.threads} threads; device {arguments.device}; scale {arguments.scale}")
    print(f"sum over {len(numbers)} queries of first runs in a fresh process, ms: median (fastest to slowest) of {arguments.rounds} rounds\n")
    for name, found in sums.items():
        print(f"{name:<10}{cell(found):>30}")
    for number, (mine, theirs) in each.items():
        print(f"{f'Q{number}':<6}{cell(mine):>30}{cell(theirs):>30}")
    ratio = statistics.median(sums["DuckDB"]) / statistics.median(sums["Warpwise"])
    print(f"\nratio of the sums {ratio:.2f}; all answers agree")
    return ratio, {name: milliseconds(found) for name, found in sums.items()}


def client(arguments, numbers):
    """What a client waits for above the query itself, in milliseconds, by query."""
    import psycopg

    inside = Warpwise(arguments)
    runs, more = arguments.runs + 1, {}
    options = ["--tpch", arguments.scale, "--device", arguments.device, "--threads", str(arguments.threads)]
    server = common.start_warpwise(arguments.warpwise, *options)
    connection = psycopg.connect(host=server.host, port=server.port, user="postgres", dbname="postgres", autocommit=True)
    found = {number: ([], []) for number in numbers}
    for turn in range(arguments.rounds):
        seed = arguments.seed + 100 * turn
        texts = [queries(arguments, numbers, seed + run) for run in range(runs)]
        mine = inside.round(numbers, seed)
        for number in numbers:
            for run, text in enumerate(texts):
                began = time.perf_counter()
                rows = connection.execute(text[number]).fetchall()
                took = time.perf_counter() - began
                if run > 0:
                    found[number][0].append(took)
                    found[number][1].append(mine[number][0][run])
            more[number] = len(rows)
    print(f"\n{common.machine()}; {arguments.threads} threads; device {arguments.device}; scale {arguments.scale}")
    print(f"median ms (fastest to slowest) of {arguments.rounds * arguments.runs} runs, each with parameters of its own\n")
    print(f"{'':<6}{'psycopg':>30}{'in process':>30}{'more':>8}{'rows':>8}")
    record = {}
    for number, (outside, within) in found.items():
        above = (statistics.median(outside) - statistics.median(within)) * 1e3
        record[f"q{number}"] = {"psycopg_ms": milliseconds(outside), "in_process_ms": milliseconds(within), "more_ms": round(above, 3), "rows": more[number]}
        print(f"{f'Q{number}':<6}{cell(outside):>30}{cell(within):>30}{above:>8.2f}{more[number]:>8}")
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", default=",".join(map(str, range(1, 23))), help="which, by number (all)")
    parser.add_argument("--mean", type=float, default=0.0, help="fail where the geometric mean is below this")
    parser.add_argument("--cold", action="store_true", help="first runs in fresh processes, over Parquet files")
    parser.add_argument("--client", action="store_true", help="through psycopg, beside the runs in process")
    add_arguments(parser, rounds=3, runs=4)
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.queries.split(",")]
    data = data_folder() / "tpch" / f"sf{arguments.scale}"
    note = "derived from TPC-H, not comparable with published results"
    if arguments.cold:
        ratio, sums = cold(arguments, numbers, data)
        if arguments.json:
            write_record(arguments.json, arguments, scale=arguments.scale, kind="cold", note=note, ratio=round(ratio, 3), ms=sums)
        sys.exit(1 if ratio < arguments.require else 0)
    if arguments.client:
        record = client(arguments, numbers)
        if arguments.json:
            write_record(arguments.json, arguments, scale=arguments.scale, kind="client", note=note, queries=record)
        return

    warpwise, duck = Warpwise(arguments), DuckDB(arguments, data)
    times = {(number, side.name): [] for number in numbers for side in (warpwise, duck)}
    for turn in range(arguments.rounds):
        found = {}
        for side in [warpwise, duck] if turn % 2 else [duck, warpwise]:
            found[side.name] = side.round(numbers, arguments.seed + 100 * turn)
        for number in numbers:
            for side in (warpwise, duck):
                times[number, side.name] += found[side.name][number][0][1:]
            for mine, theirs in zip(found[warpwise.name][number][1], found[duck.name][number][1]):
                # Rows that the order holds equal come in any order.
                check(f"Q{number}", theirs, mine, ordered=False)

    count = arguments.rounds * arguments.runs
    print(f"\n{common.machine()}; {arguments.threads} threads; device {arguments.device}; scale {arguments.scale}")
    print(f"median ms (fastest to slowest) of {count} runs, each with parameters of its own\n")
    print(f"{'':<6}{warpwise.name:>30}{duck.name:>30}{'ratio':>8}")
    ratios, results = [], {}
    for number in numbers:
        medians = [statistics.median(times[number, side.name]) for side in (warpwise, duck)]
        ratios.append(medians[1] / medians[0])
        cells = "".join(f"{cell(times[number, side.name]):>30}" for side in (warpwise, duck))
        print(f"{f'Q{number}':<6}{cells}{ratios[-1]:>8.2f}")
        results[f"q{number}"] = {
            "ms": {side.name: milliseconds(times[number, side.name]) for side in (warpwise, duck)},
            "ratio": round(ratios[-1], 3),
            "left_to_datafusion": warpwise.left.get(number, []),
        }
    mean, lowest = geometric_mean(ratios), min(ratios)
    print(f"\ngeometric mean {mean:.2f}, lowest {lowest:.2f}; all answers agree")
    of_duck = peak_kib("self")
    print(f"peak memory: Warpwise's process {warpwise.peak / 1024:.0f} MiB, DuckDB's with this script {of_duck / 1024:.0f} MiB")
    print("derived from TPC-H, not comparable with published results")
    for number, left in sorted(warpwise.left.items()):
        print(f"left to DataFusion in Q{number}: {left}")
    if arguments.json:
        more = {"scale": arguments.scale, "kind": "hot", "note": note, "geometric_mean": round(mean, 3), "lowest": round(lowest, 3)}
        write_record(arguments.json, arguments, **more, peak_kib=warpwise.peak, duckdb_peak_kib=of_duck, queries=results)
    if lowest < arguments.require or mean < arguments.mean:
        sys.exit(1)


if __name__ == "__main__":
    main()
