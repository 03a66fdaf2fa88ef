#!/usr/bin/env python3
"""How fast a whole table leaves the server: Warpwise and PostgreSQL 15, in turn, on the same machine and table.

    cargo build --release
    benches/wire/copy_out.py [--scale 1] [--runs 5] [--require 2.0]

Three ways out of lineitem: psql's COPY in text to /dev/null; a bare reader that counts bytes, over the simple
protocol in text; the same over the extended protocol in binary. PostgreSQL is set up here and filled from
Warpwise's own COPY, so both hold the same rows, and both must send as many rows. The goal is a ratio of 2.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time

import common
from common import message, text

COLUMNS = 16


def psql_copy(server, database):
    """psql's COPY, thrown away; the rows are not counted by psql."""
    started = time.perf_counter()
    subprocess.run(
        ["psql", "-X", "-q", "-c", "copy lineitem to stdout"], check=True, stdout=subprocess.DEVNULL, env=server.environment(database)
    )
    return time.perf_counter() - started, None, None


def count_bytes(connection):
    """Reads up to ReadyForQuery without looking at what comes: the bytes, and the rows by the command tag."""
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    tail = b""
    total = 0
    connection.socket.settimeout(300)
    while True:
        count = connection.socket.recv_into(view)
        if count == 0:
            raise ConnectionError("the server closed the connection")
        total += count
        tail = (tail + bytes(view[max(0, count - 64) : count]))[-64:]
        # ReadyForQuery is the last thing that comes; six bytes of a row may look the same, but then more comes.
        if tail.endswith(b"Z\x00\x00\x00\x05I") and (found := re.search(rb"C\x00\x00\x00.(?:SELECT|COPY) (\d+)\x00Z", tail, re.DOTALL)):
            return total, int(found[1])


def raw_text(server, database):
    """The simple protocol, in text."""
    connection = common.Connection(server, database)
    started = time.perf_counter()
    connection.socket.sendall(message(b"Q", text("select * from lineitem")))
    total, rows = count_bytes(connection)
    took = time.perf_counter() - started
    connection.close()
    return took, total, rows


def raw_binary(server, database):
    """The extended protocol, in binary."""
    connection = common.Connection(server, database)
    started = time.perf_counter()
    bind = b"\0\0" + b"\0\0" + b"\0\0" + b"\0\1\0\1"
    connection.socket.sendall(
        message(b"P", b"\0" + text("select * from lineitem") + b"\0\0")
        + message(b"B", bind)
        + message(b"E", b"\0" + b"\0\0\0\0")
        + message(b"S")
    )
    total, rows = count_bytes(connection)
    took = time.perf_counter() - started
    connection.close()
    return took, total, rows


WAYS = [("psql COPY, text", psql_copy), ("simple protocol, text", raw_text), ("extended protocol, binary", raw_binary)]


def fill(postgres, warpwise):
    """Gives PostgreSQL Warpwise's rows, and leaves them as it likes them."""
    environment = postgres.environment("postgres")
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*psql, "-c", f"create table lineitem ({common.LINEITEM})"], check=True, env=environment)
    source = subprocess.Popen(
        [*psql, "-c", "copy lineitem to stdout with (format csv)"], stdout=subprocess.PIPE, env=warpwise.environment("tpch")
    )
    subprocess.run([*psql, "-c", "copy lineitem from stdin with (format csv)"], check=True, stdin=source.stdout, env=environment)
    if source.wait() != 0:
        raise SystemExit("COPY from Warpwise failed")
    subprocess.run([*psql, "-c", "vacuum (freeze, analyze) lineitem", "-c", "checkpoint"], check=True, env=environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--warpwise", default=common.default_binary(), help="the binary")
    parser.add_argument("--require", type=float, default=0.0, help="fail where a ratio is below this")
    arguments = parser.parse_args()

    warpwise = common.start_warpwise(arguments.warpwise, "--tpch", arguments.scale)
    postgres = common.start_postgres()
    print(f"filling PostgreSQL; {common.machine()}")
    fill(postgres, warpwise)

    peers = [("PostgreSQL", postgres, "postgres"), ("Warpwise", warpwise, "tpch")]
    times = {(way, name): [] for way, _ in WAYS for name, _, _ in peers}
    amounts = {}
    for run in range(arguments.runs + 1):
        for way, measure in WAYS:
            # In turn, and each goes first every other time. The first run only warms.
            for name, server, database in peers if run % 2 else reversed(peers):
                took, total, rows = measure(server, database)
                amounts[way, name] = (total, rows)
                if run > 0:
                    times[way, name].append(took)
    for way, _ in WAYS:
        if amounts[way, "PostgreSQL"][1] != amounts[way, "Warpwise"][1]:
            raise SystemExit(f"{way}: not the same rows: {amounts}")

    print(f"\nlineitem at scale {arguments.scale}, median (fastest to slowest) of {arguments.runs} runs\n")
    print(f"{'':<28}{'PostgreSQL 15':>24}{'Warpwise':>24}{'ratio':>8}")
    lowest = float("inf")
    for way, _ in WAYS:
        cells = []
        medians = []
        for name, _, _ in peers:
            found = times[way, name]
            median = statistics.median(found)
            medians.append(median)
            cells.append(f"{median:.2f} s ({min(found):.2f} to {max(found):.2f})")
        ratio = medians[0] / medians[1]
        lowest = min(lowest, ratio)
        print(f"{way:<28}{cells[0]:>24}{cells[1]:>24}{ratio:>8.2f}")
    for way, _ in WAYS[1:]:
        sizes = [amounts[way, name][0] / 1e6 for name, _, _ in peers]
        print(f"{way}: {sizes[0]:.1f} MB from PostgreSQL, {sizes[1]:.1f} MB from Warpwise, {amounts[way, 'Warpwise'][1]} rows each")
    if lowest < arguments.require:
        print(f"the lowest ratio is {lowest:.2f}, below {arguments.require}")
        sys.exit(1)


if __name__ == "__main__":
    main()
