"""What scripts share that run queries in Warpwise and in others, in turn: answers compared, times shown."""

import datetime
import json
import math
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "wire"))
import common  # noqa: E402


def number(text):
    """A value as a number, where it is one. Both ways of writing a truth value are one."""
    try:
        return float({"t": "1", "f": "0", "True": "1", "False": "0"}.get(text, text))
    except ValueError:
        return None


def same(left, right):
    """Text exactly; numbers to nine digits, since quotients are rounded in more than one way."""
    if left == right:
        return True
    left, right = number(left), number(right)
    return left is not None and right is not None and abs(left - right) <= 1e-9 * max(abs(left), abs(right))


def check(name, expected, actual, ordered=True):
    """Fails where two answers differ."""
    if not ordered:
        expected, actual = sorted(expected, key=sort_key), sorted(actual, key=sort_key)
    rows = len(expected) == len(actual) and all(len(a) == len(b) and all(map(same, a, b)) for a, b in zip(expected, actual))
    if not rows:
        different = [(a, b) for a, b in zip(expected, actual) if not all(map(same, a, b))]
        raise SystemExit(f"{name}: the answers differ, {len(expected)} and {len(actual)} rows:\n{different[:3]}")


def sort_key(row):
    """Numbers by their first digits, so that the last ones do not change the order."""
    found = [(value, number(value)) for value in row]
    return [f"{value[1]:.6e}" if value[1] is not None else value[0] for value in found]


def as_text(rows):
    return [["" if value is None else str(value) for value in row] for row in rows]


def over_the_wire(connection, sql):
    """The seconds of a query, and its rows in text."""
    began = time.perf_counter()
    messages = connection.query(sql)
    took = time.perf_counter() - began
    return took, [values(body) for tag, body in messages if tag == b"D"]


def values(body):
    """The values of a DataRow in text."""
    (count,), place, found = struct.unpack_from("!h", body), 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, place)
        place += 4
        found.append("" if length < 0 else body[place : place + length].decode())
        place += max(length, 0)
    return found


def in_duckdb(connection, sql):
    """The seconds of a query in DuckDB, and its rows in text."""
    began = time.perf_counter()
    rows = connection.execute(sql).fetchall()
    return time.perf_counter() - began, as_text(rows)


def bandwidth(binary, device):
    """The bytes a second of the device that is measured, or None."""
    output = subprocess.run([str(binary), "devices", "--json"], check=True, capture_output=True, text=True).stdout
    for found in json.loads(output)["devices"]:
        if found["name"] == device:
            return found["bytes_per_second"]
    return None


def data_folder():
    """Where Warpwise keeps what it generates."""
    home = os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local/share"
    return pathlib.Path(home) / "warpwise"


def alternate(sides, query, rounds, runs, times, ordered):
    """Runs a query on every side in turn, `times` taking what counts; the answers of the sides are compared."""
    for turn in range(rounds):
        order = sides if turn % 2 else list(reversed(sides))
        answers = {}
        for run in range(runs + 1):
            for side in order:
                took, answers[side.name] = side.query(query)
                if run > 0:
                    times[side.name].append(took)
        for side in sides[1:]:
            check(f"{sides[0].name} and {side.name}, {query}", answers[sides[0].name], answers[side.name], ordered)


def cell(found):
    """Median, fastest and slowest in milliseconds."""
    return f"{statistics.median(found) * 1e3:.1f} ({min(found) * 1e3:.1f} to {max(found) * 1e3:.1f})"


def milliseconds(found):
    return [round(took * 1e3, 3) for took in found]


def geometric_mean(ratios):
    return math.exp(statistics.mean(map(math.log, ratios)))


def write_record(path, arguments, **more):
    """One JSON object on what was measured where."""
    record = {"date": datetime.date.today().isoformat(), "machine": common.machine()}
    record |= {"device": arguments.device, "threads": arguments.threads, **more}
    pathlib.Path(path).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def add_arguments(parser, rounds, runs):
    """What all of these scripts take."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--runs", type=int, default=runs, help="runs that count, in each round")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each side")
    parser.add_argument("--device", default="cpu", help="Warpwise's device")
    parser.add_argument("--warpwise", default=common.default_binary(), help="the binary")
    parser.add_argument("--require", type=float, default=0.0, help="fail where DuckDB's time over Warpwise's is below this")
    parser.add_argument("--json", help="write all times to this file")
