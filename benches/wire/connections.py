#!/usr/bin/env python3
"""Many connections for a minute: no error, no growth, and a cancel in the midst.

    cargo build --release
    benches/wire/connections.py [--connections 200] [--seconds 60] [--scale 1]

Each connection repeats TPC-H's query 6 and a point query, and every answer must be the same as the first. It
fails where an answer is wrong or an error, where the server's memory at the end is more than that after ten
seconds plus 5 % and 50 MB, or where a cancel half way takes more than 200 ms.
"""

import argparse
import selectors
import statistics
import struct
import sys
import threading
import time

import common
from common import message, text

Q6 = """select sum(l_extendedprice * l_discount) as revenue from lineitem
where l_shipdate >= date '1994-01-01' and l_shipdate < date '1994-01-01' + interval '1' year
and l_discount between 0.06 - 0.01 and 0.06 + 0.01 and l_quantity < 24"""
POINT = "select o_orderkey, o_totalprice, o_orderdate from orders where o_orderkey = 7"
QUERIES = [message(b"Q", text(Q6)), message(b"Q", text(POINT))]
LONG = "select count(*) from lineitem a, lineitem b where a.l_orderkey + b.l_orderkey < 0"
MIB = 1 << 20


class Client:
    """A connection in the loop: what it waits for, and what came so far."""

    def __init__(self, server, number):
        self.connection = common.Connection(server, "tpch")
        self.connection.socket.setblocking(False)
        self.turn = number % 2
        self.input = bytearray()
        self.sent = 0.0

    def send(self):
        self.input.clear()
        self.sent = time.perf_counter()
        self.connection.socket.sendall(QUERIES[self.turn])

    def complete(self):
        """The rows of a whole answer, or nothing while it is not whole."""
        rows, place = [], 0
        while len(self.input) >= place + 5:
            tag, length = self.input[place : place + 1], struct.unpack_from("!i", self.input, place + 1)[0]
            if len(self.input) < place + 1 + length:
                return None
            body = bytes(self.input[place + 5 : place + 1 + length])
            if tag == b"E":
                raise RuntimeError(common.error_text(body))
            if tag == b"D":
                rows.append(body)
            if tag == b"Z":
                return rows
            place += 1 + length
        return None


def cancel_in_the_midst(server, outcome):
    """Starts a long query, cancels it, and notes how long the answer took."""
    try:
        connection = common.Connection(server, "tpch")
        started = threading.Timer(1.0, lambda: (outcome.__setitem__("sent", time.perf_counter()), connection.cancel()))
        started.start()
        try:
            connection.query(LONG)
            outcome["problem"] = "the query was not cancelled"
        except RuntimeError as error:
            outcome["answered"] = time.perf_counter()
            if not str(error).startswith("57014"):
                outcome["problem"] = str(error)
        if connection.query("select 1")[1][1][-1:] != b"1":
            outcome["problem"] = "the connection was not usable after the cancel"
    except (OSError, RuntimeError) as error:
        outcome["problem"] = str(error)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--warpwise", default=common.default_binary(), help="the binary")
    arguments = parser.parse_args()

    most = str(arguments.connections + 10)
    server = common.start_warpwise(arguments.warpwise, "--tpch", arguments.scale, "--max-connections", most)
    first = common.Connection(server, "tpch")
    expected = [[body for tag, body in first.query(sql) if tag == b"D"] for sql in (Q6, POINT)]

    selector = selectors.DefaultSelector()
    clients = [Client(server, number) for number in range(arguments.connections)]
    for client in clients:
        selector.register(client.connection.socket, selectors.EVENT_READ, client)
        client.send()

    problems, latencies, cancel = [], ([], []), {}
    began = time.perf_counter()
    early, midst = None, None
    waiting = len(clients)
    while waiting:
        now = time.perf_counter() - began
        if early is None and now >= min(10.0, arguments.seconds / 6):
            early = server.resident()
        if midst is None and now >= arguments.seconds / 2:
            midst = threading.Thread(target=cancel_in_the_midst, args=(server, cancel))
            midst.start()
        if now > arguments.seconds + 120:
            problems.append(f"{waiting} connections had no answer two minutes after the end")
            break
        for key, _ in selector.select(timeout=0.1):
            client = key.data
            try:
                block = client.connection.socket.recv(65536)
                if not block:
                    raise ConnectionError("the server closed the connection")
                client.input += block
                rows = client.complete()
            except (OSError, RuntimeError) as error:
                problems.append(str(error))
                selector.unregister(client.connection.socket)
                waiting -= 1
                continue
            if rows is None:
                continue
            if rows != expected[client.turn]:
                problems.append(f"a wrong answer: {rows}")
            latencies[client.turn].append(time.perf_counter() - client.sent)
            client.turn = 1 - client.turn
            if time.perf_counter() - began < arguments.seconds:
                client.send()
            else:
                selector.unregister(client.connection.socket)
                waiting -= 1
    took = time.perf_counter() - began
    late = server.resident()
    if midst is not None:
        midst.join()

    print(f"\n{arguments.connections} connections, {took:.0f} s, scale {arguments.scale}; {common.machine()}")
    for name, found in zip(("query 6", "point query"), latencies):
        if found:
            found.sort()
            high = found[min(len(found) - 1, int(len(found) * 0.99))]
            print(f"{name}: {len(found)} answers, {len(found) / took:.1f} per second, median {statistics.median(found):.3f} s, 99 % {high:.3f} s")
    allowed = early * 1.05 + 50 * MIB
    print(f"memory: {early / MIB:.0f} MiB after ten seconds, {late / MIB:.0f} MiB at the end, {allowed / MIB:.0f} MiB allowed")
    if late > allowed:
        problems.append("the server grew")
    latency = cancel.get("answered", 0) - cancel.get("sent", 0)
    print(f"cancel in the midst: answered after {latency * 1000:.0f} ms")
    if "problem" in cancel or "answered" not in cancel:
        problems.append(f"the cancel: {cancel.get('problem', 'no answer')}")
    elif latency > 0.2:
        problems.append("the cancel took more than 200 ms")
    for problem in sorted(set(problems)):
        print(f"FAILED: {problem} ({problems.count(problem)} times)")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
