#!/usr/bin/env python3
"""Queries over one generated table: Warpwise and DuckDB in turn, on the same Parquet files.

    cargo build --release
    pip install duckdb
    benches/single/compare.py [--suite single|taxi] [--rows 10M] [--rounds 3] [--runs 3] [--cold] [--json FILE]

The suite `single` is thirty queries over page views with 40 columns (`benches/single/queries`), `taxi` the four queries over
rides (`benches/taxi/queries`). `warpwise bench SUITE --rows N --out DIR` writes the table, once. Warpwise serves that folder,
and its columns are in memory after the first run; DuckDB makes a table in memory of it. A round is a run that warms and
`--runs` that count, of one side and then of the other, each first in every other round. Every answer is compared.

With `--cold` every run is a fresh server, and a fresh DuckDB that reads the files: the files are in the page cache, nothing
else is anywhere. `--queries q01,q15` runs some alone; one that fails is shown, and counts as missed.
"""

import argparse
import contextlib
import io
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import sides  # noqa: E402
from sides import common  # noqa: E402

ROWS = {"single": "10M", "taxi": "20M"}
TABLES = {"single": "hits", "taxi": "trips"}


def texts(suite, only):
    """The queries by name, without comments and semicolons."""
    found = {}
    for path in sorted((HERE.parent / suite / "queries").glob("*.sql")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("--")]
        if not only or path.stem in only:
            found[path.stem] = "\n".join(lines).strip().rstrip(";")
    return found


def is_ordered(text):
    """Whether an answer has one order: with ORDER BY ties may come in any, so a LIMIT says that there are none."""
    return "limit" in text


class Hot:
    """Warpwise behind a connection, its columns in memory after the first run."""

    name = "Warpwise"

    def __init__(self, arguments, folder):
        limits = ["--threads", str(arguments.threads), "--device", arguments.device]
        self.server = common.start_warpwise(arguments.warpwise, "--data", str(folder), *limits)
        self.connection = common.Connection(self.server, "postgres")

    def query(self, sql):
        return sides.over_the_wire(self.connection, sql)

    def left(self, sql):
        """What EXPLAIN says that the device does not do."""
        lines = [row[0] for row in sides.over_the_wire(self.connection, f"explain {sql}")[1]]
        place = next((at for at, line in enumerate(lines) if line.startswith("Not on ")), None)
        if place is not None:
            return "; ".join(line.strip() for line in lines[place + 1 :])
        return "" if any("DeviceExec" in line for line in lines) else "no part is on a device"


class Fresh:
    """A server that is started for each query."""

    name = "Warpwise"

    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder

    def query(self, sql):
        limits = ["--threads", str(self.arguments.threads), "--device", self.arguments.device]
        with contextlib.redirect_stdout(io.StringIO()):
            server = common.start_warpwise(self.arguments.warpwise, "--data", str(self.folder), *limits)
        connection = common.Connection(server, "postgres")
        try:
            return sides.over_the_wire(connection, sql)
        finally:
            connection.close()
            os.kill(server.pid, 15)
            os.waitpid(server.pid, 0)

    def left(self, _):
        return ""


class DuckDB:
    """DuckDB: a table in memory, or views over the files, anew for each query."""

    def __init__(self, arguments, folder, table):
        import duckdb

        self.name = f"DuckDB {duckdb.__version__}"
        self.connect = lambda: duckdb.connect(config={"threads": arguments.threads})
        files = f"read_parquet('{folder}/{table}/*.parquet')"
        self.view = f"create view {table} as select * from {files}"
        self.cold = arguments.cold
        self.connection = self.connect()
        if not self.cold:
            self.connection.execute(f"create table {table} as select * from {files}")
        self.rows = self.connection.execute(f"select count(*) from {files}").fetchone()[0]

    def query(self, sql):
        if not self.cold:
            return sides.in_duckdb(self.connection, sql)
        with self.connect() as connection:
            connection.execute(self.view)
            return sides.in_duckdb(connection, sql)


def generate(arguments):
    """The folder with the table, written where it is not there yet."""
    folder = pathlib.Path(arguments.data) if arguments.data else sides.data_folder() / "bench" / f"{arguments.suite}-{arguments.rows}"
    if not (folder / TABLES[arguments.suite]).exists():
        command = [str(arguments.warpwise), "bench", arguments.suite, "--rows", arguments.rows, "--out", str(folder)]
        subprocess.run(command, check=True)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=sorted(ROWS), default="single")
    parser.add_argument("--rows", help="rows of the table, as 10M")
    parser.add_argument("--data", help="a folder that has it, or gets it")
    parser.add_argument("--queries", type=lambda text: text.split(","), help="some alone, as q01,q15")
    parser.add_argument("--cold", action="store_true", help="a fresh process for every run")
    parser.add_argument("--require-mean", type=float, default=0.0, help="fail where the geometric mean of the ratios is below this")
    sides.add_arguments(parser, rounds=3, runs=3)
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or ROWS[arguments.suite]

    folder = generate(arguments)
    warpwise = Fresh(arguments, folder) if arguments.cold else Hot(arguments, folder)
    duck = DuckDB(arguments, folder, TABLES[arguments.suite])
    both = [warpwise, duck]

    kind = "cold" if arguments.cold else "hot"
    print(f"\n{common.machine()}; {arguments.threads} threads; device {arguments.device}")
    count = arguments.rounds * arguments.runs
    print(f"{TABLES[arguments.suite]}, {duck.rows} rows, {kind}; median ms (fastest to slowest) of {count} runs\n")
    print(f"{'':<6}" + "".join(f"{side.name:>30}" for side in both) + f"{'ratio':>8}")
    queries, ratios, missed = {}, {}, []
    for name, text in texts(arguments.suite, arguments.queries).items():
        times = {side.name: [] for side in both}
        try:
            sides.alternate(both, text, arguments.rounds, arguments.runs, times, is_ordered(text))
        except (RuntimeError, SystemExit) as failure:
            print(f"{name:<6}FAILED: {failure}", flush=True)
            missed.append(name)
            queries[name] = {"failed": str(failure)}
            continue
        medians = [statistics.median(times[side.name]) for side in both]
        ratios[name] = medians[1] / medians[0]
        left = warpwise.left(text)
        line = f"{name:<6}" + "".join(f"{sides.cell(times[side.name]):>30}" for side in both) + f"{ratios[name]:>8.2f}"
        print(line + (f"  left: {left[:100]}" if left else ""), flush=True)
        found = {side.name: sides.milliseconds(times[side.name]) for side in both}
        queries[name] = {"ms": found, "ratio": round(ratios[name], 3), "left_to_datafusion": left}
    if ratios:
        mean, lowest = sides.geometric_mean(ratios.values()), min(ratios.values())
        total = [sum(statistics.median(query["ms"][side.name]) for query in queries.values() if "ms" in query) for side in both]
        print(f"\ngeometric mean of the ratios {mean:.2f}, lowest {lowest:.2f}; {sum(r < 1 for r in ratios.values())} of {len(ratios)} slower")
        print(f"sums of the medians: {total[0]:.0f} ms and {total[1]:.0f} ms; all these answers agree")
        if arguments.json:
            more = {"suite": arguments.suite, "rows": duck.rows, "kind": kind, "geometric_mean": round(mean, 3)}
            sides.write_record(arguments.json, arguments, **more, lowest=round(lowest, 3), queries=queries)
        if mean < arguments.require_mean:
            missed.append(f"the geometric mean is below {arguments.require_mean}")
        if lowest < arguments.require:
            missed.append(f"a ratio is below {arguments.require}")
    if missed:
        print(f"missed: {', '.join(missed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
