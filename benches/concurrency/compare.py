#!/usr/bin/env python3
"""Many sessions at once: eight that run TPC-H's Q1 and Q6 without pause, and one that asks short questions beside them.

    cargo build --release
    pip install duckdb
    benches/concurrency/compare.py [--scale 1] [--sessions 8] [--seconds 20] [--threads N] [--json FILE]

Warpwise is a server with a connection for each session; DuckDB is in process, its tables in memory, with a cursor and a
thread for each. Counted are the queries that all sessions finish in the time, and for Warpwise how long the short ones
take: a row of orders by its key, and an aggregate over nation. The sides take turns, and each warms first.

The goals: 1.5 times DuckDB's throughput, and 99 of 100 short queries within 50 ms. `--require` fails where one is missed.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import common  # noqa: E402

SHORT = [
    lambda draw: f"select o_orderkey, o_totalprice, o_orderdate from orders where o_orderkey = {draw.choice(KEYS)}",
    lambda draw: f"select count(*), max(n_name) from nation where n_regionkey = {draw.randrange(5)}",
]
# Keys of orders at every scale: eight of each thirty-two numbers are taken.
KEYS = [block * 32 + at for block in range(400) for at in range(1, 8)]


class Load:
    """Sessions that run queries until they are told to stop."""

    def __init__(self, connect, texts, sessions):
        self.stop, self.counts, self.failures = threading.Event(), [0] * sessions, []
        self.threads = [threading.Thread(target=self.session, args=(at, connect, texts)) for at in range(sessions)]
        for thread in self.threads:
            thread.start()

    def session(self, at, connect, texts):
        try:
            query = connect()
            for text in itertools.islice(itertools.cycle(texts), at, None):
                if self.stop.is_set():
                    return
                query(text)
                self.counts[at] += 1
        except Exception as error:  # A session that fails must not be taken for a fast one.
            self.failures.append(error)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise SystemExit(f"a session failed: {self.failures[0]}")


def texts(arguments, numbers=(1, 6), variants=4):
    """Q1 and Q6 in turn, with several parameters."""
    found = []
    for seed in range(variants):
        with tempfile.TemporaryDirectory() as folder:
            command = [str(arguments.warpwise), "tpch", "queries", "--vary", str(seed + 1), "--scale", arguments.scale]
            subprocess.run([*command, "--out", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            found += [(pathlib.Path(folder) / f"q{number}.sql").read_text() for number in numbers]
    return found


class Warpwise:
    name = "Warpwise"

    def __init__(self, arguments):
        limits = ["--threads", str(arguments.threads), "--device", arguments.device]
        self.server = common.start_warpwise(arguments.warpwise, "--tpch", arguments.scale, *limits)

    def connect(self):
        return common.Connection(self.server, "tpch").query


class DuckDB:
    def __init__(self, arguments):
        import duckdb

        self.name = f"DuckDB {duckdb.__version__}"
        self.connection = duckdb.connect(config={"threads": arguments.threads})
        home = os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local/share"
        data = pathlib.Path(home) / "warpwise" / "tpch" / f"sf{arguments.scale}"
        for table in ("lineitem", "orders", "nation"):
            path = data / f"{table}.parquet"
            path = path if path.exists() else data / table / "*.parquet"
            self.connection.execute(f"create table {table} as select * from read_parquet('{path}')")

    def connect(self):
        cursor = self.connection.cursor()
        return lambda text: cursor.execute(text).fetchall()


def percentile(found, share):
    return sorted(found)[min(len(found) - 1, int(len(found) * share))]


def run(side, long, arguments):
    """The long queries finished in a second, and the seconds of each short one."""
    query = side.connect()
    draw = random.Random(1)
    for text in long + [short(draw) for short in SHORT]:
        query(text)
    load = Load(side.connect, long, arguments.sessions)
    time.sleep(1)
    before, began, short = sum(load.counts), time.perf_counter(), []
    while (now := time.perf_counter()) - began < arguments.seconds:
        text = SHORT[len(short) % len(SHORT)](draw)
        query(text)
        short.append(time.perf_counter() - now)
        time.sleep(0.01)
    took = time.perf_counter() - began
    done = sum(load.counts) - before
    load.end()
    return done / took, short


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20, help="of each side, in each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each side")
    parser.add_argument("--device", default="cpu", help="Warpwise's device")
    parser.add_argument("--warpwise", default=common.default_binary(), help="the binary")
    parser.add_argument("--require", action="store_true", help="fail where a goal is missed")
    parser.add_argument("--json", help="write the figures to this file")
    arguments = parser.parse_args()

    long = texts(arguments)
    sides = [Warpwise(arguments), DuckDB(arguments)]
    rates, shorts = {side.name: [] for side in sides}, {side.name: [] for side in sides}
    for turn in range(arguments.rounds):
        for side in sides if turn % 2 else reversed(sides):
            rate, short = run(side, long, arguments)
            rates[side.name].append(rate)
            shorts[side.name] += short

    print(f"\n{common.machine()}; {arguments.threads} threads; {arguments.sessions} sessions; scale {arguments.scale}\n")
    record = {}
    for side in sides:
        rate, found = statistics.median(rates[side.name]), shorts[side.name]
        cells = [percentile(found, share) * 1e3 for share in (0.5, 0.99)] + [max(found) * 1e3]
        line = "short ones: half within {:.1f} ms, 99 of 100 within {:.1f} ms, all within {:.1f} ms".format(*cells)
        print(f"{side.name:<16}{rate:>8.1f} queries/s; {len(found)} {line}")
        record[side.name] = {"queries_per_second": rate, "short_ms": {"p50": cells[0], "p99": cells[1], "max": cells[2]}}
    ours, theirs = (record[side.name] for side in sides)
    ratio, p99 = ours["queries_per_second"] / theirs["queries_per_second"], ours["short_ms"]["p99"]
    print(f"\n{ratio:.2f} times DuckDB's throughput; derived from TPC-H, not comparable with published results")
    if arguments.json:
        head = {"date": datetime.date.today().isoformat(), "machine": common.machine(), "threads": arguments.threads}
        head |= {"sessions": arguments.sessions, "scale": arguments.scale, "sides": record, "ratio": ratio}
        pathlib.Path(arguments.json).write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
    missed = ([f"throughput is {ratio:.2f}, below 1.5"] if ratio < 1.5 else []) + ([f"p99 is {p99:.1f} ms"] if p99 > 50 else [])
    for goal in missed:
        print(f"missed: {goal}")
    if arguments.require and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
