#!/usr/bin/env python3
"""Scans and aggregates on this machine's processor: Warpwise and DuckDB in turn, on the same tables and parameters.

    cargo build --release
    pip install duckdb
    benches/device/compare.py [--scale 1] [--rounds 4] [--runs 5] [--threads N] [--postgres] [--json FILE]

TPC-H's Q1 and Q6 run in process on both sides, from the text to the last row: `warpwise tpch run`, and DuckDB with its
tables in memory, loaded from the same Parquet files. Every run draws other parameters, the same for both, and every answer
is compared. Grouping lineitem by its keys is timed over a connection to `warpwise serve`, with an outer aggregate that leaves
one row, against the same text in DuckDB. A round is a run that warms and `--runs` that count, of one side and then of the
other; each side goes first every other round. `--postgres` adds PostgreSQL 15.

Bytes a row are what Warpwise's columns take for a query. Their share of the memory's bandwidth is taken from the median
time of the whole query, planning included. The goal is no ratio below `--require`.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from sides import add_arguments, bandwidth, cell, check, common, data_folder, in_duckdb, milliseconds  # noqa: E402
from sides import over_the_wire, write_record  # noqa: E402
import copy_out  # noqa: E402

TPCH = {"Q6": 6, "Q1": 1}
GROUPS = {
    "group by l_orderkey": "select count(*), sum(c) from (select l_orderkey, count(*) as c from lineitem group by l_orderkey) t",
    "group by l_orderkey, l_linenumber": "select count(*), sum(c), sum(q) from (select l_orderkey, l_linenumber, count(*) as c,"
    " sum(l_quantity) as q from lineitem group by l_orderkey, l_linenumber) t",
    "group by l_shipdate": "select count(*), sum(c), max(d) from (select l_shipdate, count(*) as c, sum(l_discount) as d"
    " from lineitem group by l_shipdate) t",
    "group by l_shipmode, l_shipinstruct": "select count(*), sum(c), max(p) from (select l_shipmode, l_shipinstruct, count(*) as c,"
    " sum(l_extendedprice) as p from lineitem group by l_shipmode, l_shipinstruct) t",
}
BYTES = {"Q6": 8, "Q1": 11}


class Warpwise:
    """The binary: in process for TPC-H's queries, behind a connection for the others."""

    name = "Warpwise"

    def __init__(self, arguments):
        self.arguments = arguments
        self.limits = ["--threads", str(arguments.threads), "--device", arguments.device]
        server = common.start_warpwise(arguments.warpwise, "--tpch", arguments.scale, *self.limits)
        self.server = server
        self.connection = common.Connection(server, "tpch")
        self.left = []

    def tpch(self, number, seed, runs):
        """The seconds of all runs, and their answers without heads."""
        with tempfile.TemporaryDirectory() as folder:
            times = pathlib.Path(folder) / "times.json"
            command = [str(self.arguments.warpwise), "tpch", "run", "--scale", self.arguments.scale, "--queries", str(number)]
            command += ["--runs", str(runs), "--vary", str(seed), "--answers", folder, "--json", str(times), *self.limits]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            record = json.loads(times.read_text())
            # What a device leaves is part of the answer.
            if record.get("left_to_datafusion"):
                self.left.append(f"q{number}: {record['left_to_datafusion']}")
            answers = []
            for run in range(runs):
                path = pathlib.Path(folder) / (f"q{number}-{run}.csv" if run else f"q{number}.csv")
                with open(path, newline="", encoding="utf-8") as file:
                    answers.append(list(csv.reader(file))[1:])
        return [record["cold_ms"] / 1e3] + [hot / 1e3 for hot in record["hot_ms"]], answers

    def query(self, sql):
        return over_the_wire(self.connection, sql)


class Texts:
    """A side that runs texts: those of TPC-H with the parameters that `warpwise tpch queries` draws."""

    def __init__(self, arguments):
        self.arguments = arguments

    def tpch(self, number, seed, runs):
        times, answers = [], []
        for run in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                command = [str(self.arguments.warpwise), "tpch", "queries", "--vary", str(seed + run), "--scale", self.arguments.scale]
                subprocess.run([*command, "--out", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                text = (pathlib.Path(folder) / f"q{number}.sql").read_text()
            took, rows = self.query(text)
            times.append(took)
            answers.append(rows)
        return times, answers


class DuckDB(Texts):
    """DuckDB with its tables in memory."""

    def __init__(self, arguments, data):
        super().__init__(arguments)
        import duckdb

        self.name = f"DuckDB {duckdb.__version__}"
        self.connection = duckdb.connect(config={"threads": arguments.threads})
        path = data / "lineitem.parquet"
        path = path if path.exists() else data / "lineitem" / "*.parquet"
        self.connection.execute(f"create table lineitem as select * from read_parquet('{path}')")
        self.rows = self.connection.execute("select count(*) from lineitem").fetchone()[0]

    def query(self, sql):
        return in_duckdb(self.connection, sql)


class PostgreSQL(Texts):
    """Debian's PostgreSQL 15, filled from Warpwise."""

    name = "PostgreSQL 15"

    def __init__(self, arguments, warpwise):
        super().__init__(arguments)
        server = common.start_postgres()
        copy_out.fill(server, warpwise.server)
        self.connection = common.Connection(server, "postgres")
        workers = max(arguments.threads - 1, 0)
        self.connection.query(f"set max_parallel_workers_per_gather = {workers}; set work_mem = '1GB'; set jit = off")

    def query(self, sql):
        return over_the_wire(self.connection, sql)


def measure(arguments, sides):
    """The seconds of every query on every side, warming runs left out."""
    times = {(query, side.name): [] for query in [*TPCH, *GROUPS] for side in sides}
    for turn in range(arguments.rounds):
        order = sides if turn % 2 else list(reversed(sides))
        for query, number in TPCH.items():
            answers = {}
            for side in order:
                found, answers[side.name] = side.tpch(number, arguments.seed + 100 * turn, arguments.runs + 1)
                times[query, side.name] += found[1:]
            for side in sides[1:]:
                for expected, actual in zip(answers[sides[0].name], answers[side.name]):
                    check(f"{query} on {sides[0].name} and {side.name}", expected, actual)
        for query, text in GROUPS.items():
            answers = {}
            for run in range(arguments.runs + 1):
                # These take long enough to alternate run by run.
                for side in order:
                    took, answers[side.name] = side.query(text)
                    if run > 0:
                        times[query, side.name].append(took)
            for side in sides[1:]:
                check(f"{query} on {sides[0].name} and {side.name}", answers[sides[0].name], answers[side.name])
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="measure PostgreSQL 15 too")
    add_arguments(parser, rounds=4, runs=5)
    arguments = parser.parse_args()

    peak = bandwidth(arguments.warpwise, arguments.device)
    warpwise = Warpwise(arguments)
    duck = DuckDB(arguments, data_folder() / "tpch" / f"sf{arguments.scale}")
    sides = [warpwise, duck]
    if arguments.postgres:
        sides.append(PostgreSQL(arguments, warpwise))
    times = measure(arguments, sides)

    count = arguments.rounds * arguments.runs
    speed = f"; memory {peak / 1e9:.1f} GB/s" if peak else ""
    print(f"\n{common.machine()}{speed}; {arguments.threads} threads; device {arguments.device}")
    print(f"lineitem at scale {arguments.scale}, {duck.rows} rows; median ms (fastest to slowest) of {count} runs\n")
    print(f"{'':<38}" + "".join(f"{side.name:>30}" for side in sides) + f"{'ratio':>8}{'GB/s':>8}{'of peak':>9}")
    lowest, queries = float("inf"), {}
    for query in [*TPCH, *GROUPS]:
        medians = {side.name: statistics.median(times[query, side.name]) for side in sides}
        cells = [cell(times[query, side.name]) for side in sides]
        ratio = medians[duck.name] / medians[warpwise.name]
        lowest = min(lowest, ratio)
        line = f"{query:<38}" + "".join(f"{shown:>30}" for shown in cells) + f"{ratio:>8.2f}"
        rate = BYTES[query] * duck.rows / medians[warpwise.name] if query in BYTES else None
        if rate:
            line += f"{rate / 1e9:>8.1f}" + (f"{rate / peak:>9.0%}" if peak else "")
        print(line)
        found = {side.name: milliseconds(times[query, side.name]) for side in sides}
        queries[query] = {"ms": found, "ratio": round(ratio, 3), "bytes_per_second": rate and round(rate)}
    print("\nall answers agree; derived from TPC-H, not comparable with published results")
    for left in sorted(set(warpwise.left)):
        print(f"left to DataFusion: {left}")
    if arguments.json:
        note = "derived from TPC-H, not comparable with published results"
        more = {"bandwidth": peak, "scale": arguments.scale, "rows": duck.rows, "note": note, "queries": queries}
        write_record(arguments.json, arguments, **more)
    if lowest < arguments.require:
        print(f"the lowest ratio is {lowest:.2f}, below {arguments.require}")
        sys.exit(1)


if __name__ == "__main__":
    main()
