#!/usr/bin/env python3
"""How much the server grows while drivers read all of lineitem in pieces of 1,000 rows.

    cargo build --release
    benches/wire/fetch_memory.py [--scale 1] [--jdbc /usr/share/java/postgresql.jar]

psycopg with a server-side cursor, and JDBC with a fetch size. It fails where the server grows by 200 MB or more.
Needs psycopg 3 in this Python, and a JDK.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import psycopg

import common

MB = 1_000_000
LIMIT = 200 * MB
SQL = "select * from lineitem"


def with_psycopg(server, binary):
    """Reads everything through a server-side cursor."""
    rows = 0
    with psycopg.connect(host=server.host, port=server.port, user="postgres", dbname="tpch") as connection:
        with connection.cursor("lineitem_cursor", binary=binary) as cursor:
            cursor.execute(SQL)
            while block := cursor.fetchmany(1000):
                rows += len(block)
    return rows


def with_jdbc(server, jar):
    """Reads everything through a portal with a fetch size."""
    program = pathlib.Path(__file__).parent / "FetchMemory.java"
    command = ["java", "-cp", jar, program, server.host, str(server.port), "tpch", SQL, "1000"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--jdbc", default="/usr/share/java/postgresql.jar")
    parser.add_argument("--warpwise", default=common.default_binary(), help="the binary")
    arguments = parser.parse_args()

    failed = False
    ways = [
        ("psycopg, server-side cursor, text", lambda server: with_psycopg(server, False)),
        ("psycopg, server-side cursor, binary", lambda server: with_psycopg(server, True)),
        ("JDBC, fetch size 1000", lambda server: with_jdbc(server, arguments.jdbc)),
    ]
    for name, read in ways:
        # A fresh server each time, so that none profits from what another left; a small query is behind it.
        server = common.start_warpwise(arguments.warpwise, "--tpch", arguments.scale)
        connection = common.Connection(server, "tpch")
        expected = int(connection.query("select count(*) from lineitem")[1][1][6:])
        started = time.perf_counter()
        with common.Watch(server) as watch:
            rows = read(server)
        took = time.perf_counter() - started
        connection.close()
        print(f"{name}: {rows} rows in {took:.1f} s, the server grew from {watch.before / MB:.0f} MB by {watch.growth / MB:.0f} MB")
        if rows != expected:
            print(f"FAILED: {rows} rows instead of {expected}")
            failed = True
        if watch.growth >= LIMIT:
            print(f"FAILED: the server grew by {LIMIT / MB:.0f} MB or more")
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
