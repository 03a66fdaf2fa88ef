#!/usr/bin/env python3
"""First queries over Parquet files: a fresh process each time, Warpwise and DuckDB in turn, the files in the page cache.

    cargo build --release
    pip install duckdb
    benches/cold/compare.py [--scale 1] [--rounds 5] [--threads N] [--taxi FOLDER] [--json FILE]

Each run is a process of its own, which runs one query once: TPC-H's Q1 and Q6 with its validation parameters, and with
`--taxi` the queries of benches/taxi over a folder that `warpwise bench taxi` wrote. Counted is the time from the query's
text to its last row, planning, reading and decoding included; starting the process is not. DuckDB reads the same files
through read_parquet. Every answer is compared.

`load` brings all columns of lineitem into columns of Warpwise (a query takes the least value of each), and a table in
memory of DuckDB's (CREATE TABLE AS); beside the time stands the memory that the process then holds. `off` is Warpwise
without a device: DataFusion's operators on the same files.

The goals: the sum of the queries at most DuckDB's, none over 1.3 times; the load at most 1.5 times, memory at most
DuckDB's; no first run over 1.5 times that of `off`. `--require` fails where one is missed.
"""

import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from sides import check, common  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TPCH = {"Q1": 1, "Q6": 6}
# All columns of lineitem, each read and none computed with.
COLUMNS = re.findall(r"l_\w+", common.LINEITEM)
LOAD = "select " + ", ".join(f"min({column})" for column in COLUMNS) + " from lineitem where l_orderkey > 0"

DUCK = r"""
import duckdb, json, pathlib, resource, sys, time
text, views, threads = json.load(sys.stdin)
connection = duckdb.connect(config={"threads": threads})
for view in views:
    connection.execute(view)
began = time.perf_counter()
rows = connection.execute(text).fetchall()
took = time.perf_counter() - began
held = [line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")][0].split()[1]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
json.dump([took, [["" if v is None else str(v) for v in row] for row in rows], int(held) * 1024, peak * 1024], sys.stdout)
"""


class Warpwise:
    """`warpwise sql`, a process for each query."""

    def __init__(self, arguments, device):
        self.arguments, self.device = arguments, device
        self.name = "Warpwise" if device != "off" else "Warpwise without a device"

    def run(self, text, source):
        command = [str(self.arguments.warpwise), "sql", *source, "--threads", str(self.arguments.threads)]
        command += ["--device", self.device, "--csv"]
        script = f"\\timing on\n{text.strip().rstrip(';')};\n"
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        output, errors = process.communicate(script)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{errors}")
        took = re.search(r"Time: ([\d.]+) ms", output + errors)
        lines = [line for line in output.splitlines() if not line.startswith(("Time:", "Timing"))]
        rows = list(csv.reader(io.StringIO("\n".join(lines))))[1:]
        return float(took[1]) / 1e3, rows

    def held(self, text):
        """The seconds of a query in a server, and the memory that the server holds before and after it."""
        server = common.start_warpwise(
            self.arguments.warpwise, "--tpch", self.arguments.scale, "--threads", str(self.arguments.threads), "--device", self.device
        )
        connection = common.Connection(server, "tpch")
        before = server.resident()
        import time

        began = time.perf_counter()
        connection.query(text)
        took = time.perf_counter() - began
        after = server.resident()
        connection.close()
        os.kill(server.pid, 9)
        return took, before, after


class DuckDB:
    """DuckDB in Python, a process for each query."""

    def __init__(self, arguments):
        import duckdb

        self.arguments, self.name = arguments, f"DuckDB {duckdb.__version__}"

    def run(self, text, views):
        given = json.dumps([text, views, self.arguments.threads])
        output = subprocess.run([sys.executable, "-c", DUCK], input=given, check=True, capture_output=True, text=True).stdout
        return json.loads(output)


def view(name, path):
    path = path if path.is_file() else path / "*.parquet"
    return f"create view {name} as select * from read_parquet('{path}')"


def queries(arguments):
    """Every query: its name, its text, where Warpwise finds its tables, and DuckDB's views of them."""
    home = os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local/share"
    data = pathlib.Path(home) / "warpwise" / "tpch" / f"sf{arguments.scale}"
    single = data / "lineitem.parquet"
    lineitem = view("lineitem", single if single.exists() else data / "lineitem")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        command = [str(arguments.warpwise), "tpch", "queries", "--scale", arguments.scale, "--out", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name, number in TPCH.items():
            text = (pathlib.Path(folder) / f"q{number}.sql").read_text()
            found.append((name, text, ["--tpch", arguments.scale], [lineitem]))
    if arguments.taxi:
        folder = pathlib.Path(arguments.taxi).resolve()
        views = [view(path.stem, path) for path in sorted(folder.iterdir()) if path.is_dir() or path.suffix == ".parquet"]
        for path in sorted((ROOT / "benches" / "taxi" / "queries").glob("*.sql")):
            found.append((path.stem, path.read_text(), ["--data", str(folder)], views))
    return found, lineitem


def milliseconds(found):
    return f"{statistics.median(found) * 1e3:.0f} ({min(found) * 1e3:.0f} to {max(found) * 1e3:.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each side")
    parser.add_argument("--device", default="cpu", help="Warpwise's device")
    parser.add_argument("--taxi", help="a folder of Parquet files that `warpwise bench taxi` wrote")
    parser.add_argument("--no-load", action="store_true", help="leave out the load of all columns")
    parser.add_argument("--warpwise", default=common.default_binary(), help="the binary")
    parser.add_argument("--require", action="store_true", help="fail where a goal is missed")
    parser.add_argument("--json", help="write all times to this file")
    arguments = parser.parse_args()

    texts, lineitem = queries(arguments)
    device, off, duck = Warpwise(arguments, arguments.device), Warpwise(arguments, "off"), DuckDB(arguments)
    times = {(name, side.name): [] for name, *_ in texts for side in (device, off, duck)}
    for turn in range(arguments.rounds + 1):
        for name, text, source, views in texts:
            answers = {}
            sides = [device, off, duck] if turn % 2 else [duck, off, device]
            for side in sides:
                took, rows, *_ = side.run(text, views if side is duck else source)
                answers[side.name] = rows
                # The first round only brings the files into the page cache.
                if turn > 0:
                    times[name, side.name].append(took)
            ordered = "limit" in text.lower()
            check(f"{name} on Warpwise and {duck.name}", answers[duck.name], answers[device.name], ordered)
            check(f"{name} with and without a device", answers[off.name], answers[device.name], ordered)

    print(f"\n{common.machine()}; {arguments.threads} threads; device {arguments.device}")
    print(f"first query of a fresh process, median ms (fastest to slowest) of {arguments.rounds}\n")
    print(f"{'':<12}" + "".join(f"{side.name:>26}" for side in (device, off, duck)) + f"{'of DuckDB':>11}{'of off':>8}")
    sums, worst, slowest, record = {device.name: 0.0, duck.name: 0.0}, 0.0, 0.0, {}
    for name, *_ in texts:
        medians = {side.name: statistics.median(times[name, side.name]) for side in (device, off, duck)}
        for side in (device, duck):
            sums[side.name] += medians[side.name]
        ratio, first = medians[device.name] / medians[duck.name], medians[device.name] / medians[off.name]
        worst, slowest = max(worst, ratio), max(slowest, first)
        cells = "".join(f"{milliseconds(times[name, side.name]):>26}" for side in (device, off, duck))
        print(f"{name:<12}{cells}{ratio:>11.2f}{first:>8.2f}")
        record[name] = {side.name: [round(took * 1e3, 1) for took in times[name, side.name]] for side in (device, off, duck)}
    total = sums[device.name] / sums[duck.name]
    print(f"{'sum':<12}{sums[device.name] * 1e3:>26.0f}{'':>26}{sums[duck.name] * 1e3:>26.0f}{total:>11.2f}")
    missed = [f"the sum is {total:.2f} of DuckDB's"] if total > 1 else []
    missed += [f"a query takes {worst:.2f} of DuckDB's time"] if worst > 1.3 else []
    missed += [f"a first run takes {slowest:.2f} of the time without a device"] if slowest > 1.5 else []

    if not arguments.no_load:
        loads = {device.name: [], duck.name: []}
        memory = {device.name: [], duck.name: []}
        for _ in range(arguments.rounds):
            took, _, after = device.held(LOAD)
            loads[device.name].append(took)
            memory[device.name].append(after)
            took, _, held, _ = duck.run("create table lineitem_held as select * from lineitem", [lineitem])
            loads[duck.name].append(took)
            memory[duck.name].append(held)
        ratio = statistics.median(loads[device.name]) / statistics.median(loads[duck.name])
        space = statistics.median(memory[device.name]) / statistics.median(memory[duck.name])
        for side in (device, duck):
            held = statistics.median(memory[side.name]) / 1e6
            print(f"load of lineitem, {side.name}: {milliseconds(loads[side.name])} ms, then {held:.0f} MB in memory")
        print(f"load: {ratio:.2f} of DuckDB's time, {space:.2f} of its memory")
        record["load"] = {"seconds": loads, "resident": memory}
        missed += [f"the load takes {ratio:.2f} of DuckDB's time"] if ratio > 1.5 else []
        missed += [f"the load leaves {space:.2f} of DuckDB's memory"] if space > 1 else []

    print("\nall answers agree; derived from TPC-H, not comparable with published results")
    for goal in missed:
        print(f"missed: {goal}")
    if arguments.json:
        head = {"date": datetime.date.today().isoformat(), "machine": common.machine(), "threads": arguments.threads}
        head |= {"device": arguments.device, "scale": arguments.scale, "queries": record}
        pathlib.Path(arguments.json).write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
    if arguments.require and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
