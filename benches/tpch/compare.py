#!/usr/bin/env python3
"""TPC-H's 22 queries on this machine's processor: Warpwise and DuckDB in turn, on the same tables and parameters.

    cargo build --release
    pip install duckdb
    benches/tpch/compare.py [--scale 1] [--queries 1,6] [--rounds 3] [--runs 4] [--threads N] [--json FILE]

Both sides run in process, from the text to the last row: `warpwise tpch run`, and DuckDB with its tables in memory, loaded from
the same Parquet files. Every run draws other parameters, the same for both, and every answer is compared. A round is a run that
warms and `--runs` that count of each query, of one side and then of the other; each side goes first every other round.

The goals: DuckDB's times over Warpwise's have a geometric mean of `--mean`, and none is below `--require`.
"""

import argparse
import csv
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from sides import add_arguments, cell, check, common, data_folder, geometric_mean, in_duckdb, milliseconds, write_record  # noqa: E402

TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]


class Warpwise:
    """`warpwise tpch run`: one process a round."""

    name = "Warpwise"

    def __init__(self, arguments):
        self.arguments = arguments
        self.left = {}
        self.cold = {}
        self.peak = 0

    def round(self, numbers, seed):
        """For each query the seconds of all runs and their answers, without heads."""
        runs = self.arguments.runs + 1
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            command = [str(self.arguments.warpwise), "tpch", "run", "--scale", self.arguments.scale, "--device", self.arguments.device]
            command += ["--queries", ",".join(map(str, numbers)), "--runs", str(runs), "--vary", str(seed)]
            command += ["--threads", str(self.arguments.threads), "--answers", str(folder), "--json", str(folder / "times.json")]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            self.peak = max(self.peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
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
            path = data / f"{table}.parquet"
            path = path if path.exists() else data / table / "*.parquet"
            self.connection.execute(f"create table {table} as select * from read_parquet('{path}')")

    def round(self, numbers, seed):
        texts = []
        for run in range(self.arguments.runs + 1):
            with tempfile.TemporaryDirectory() as folder:
                command = [str(self.arguments.warpwise), "tpch", "queries", "--vary", str(seed + run), "--scale", self.arguments.scale]
                subprocess.run([*command, "--out", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                texts.append({number: (pathlib.Path(folder) / f"q{number}.sql").read_text() for number in numbers})
        found = {}
        for number in numbers:
            results = [in_duckdb(self.connection, text[number]) for text in texts]
            found[number] = ([took for took, _ in results], [rows for _, rows in results])
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", default=",".join(map(str, range(1, 23))), help="which, by number (all)")
    parser.add_argument("--mean", type=float, default=0.0, help="fail where the geometric mean is below this")
    add_arguments(parser, rounds=3, runs=4)
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.queries.split(",")]

    warpwise, duck = Warpwise(arguments), DuckDB(arguments, data_folder() / "tpch" / f"sf{arguments.scale}")
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
    ratios, queries = [], {}
    for number in numbers:
        medians = [statistics.median(times[number, side.name]) for side in (warpwise, duck)]
        ratios.append(medians[1] / medians[0])
        cells = "".join(f"{cell(times[number, side.name]):>30}" for side in (warpwise, duck))
        print(f"{f'Q{number}':<6}{cells}{ratios[-1]:>8.2f}")
        queries[f"q{number}"] = {
            "ms": {side.name: milliseconds(times[number, side.name]) for side in (warpwise, duck)},
            "ratio": round(ratios[-1], 3),
            "left_to_datafusion": warpwise.left.get(number, []),
        }
    mean, lowest = geometric_mean(ratios), min(ratios)
    print(f"\ngeometric mean {mean:.2f}, lowest {lowest:.2f}; all answers agree")
    print(f"peak memory of Warpwise's process: {warpwise.peak / 1024:.0f} MiB")
    print("derived from TPC-H, not comparable with published results")
    for number, left in sorted(warpwise.left.items()):
        print(f"left to DataFusion in Q{number}: {left}")
    if arguments.json:
        note = "derived from TPC-H, not comparable with published results"
        more = {"scale": arguments.scale, "kind": "hot", "note": note, "geometric_mean": round(mean, 3), "lowest": round(lowest, 3)}
        write_record(arguments.json, arguments, **more, peak_kib=warpwise.peak, queries=queries)
    if lowest < arguments.require or mean < arguments.mean:
        sys.exit(1)


if __name__ == "__main__":
    main()
