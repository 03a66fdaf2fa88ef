"""What the scripts beside it share: starting servers, their memory, and a bare client."""

import atexit
import os
import pathlib
import pwd
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")

LINEITEM = """
    l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer,
    l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2),
    l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date,
    l_shipinstruct varchar(25), l_shipmode varchar(10), l_comment varchar(44)
"""


def default_binary():
    """The release build, where cargo puts it."""
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return pathlib.Path(target) / "release" / "warpwise"


class Server:
    """A server process: where it listens, which process it is."""

    def __init__(self, host, port, pid=None):
        self.host, self.port, self.pid = host, port, pid

    def environment(self, database):
        """What libpq needs to reach it."""
        found = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return found | {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": database}

    def resident(self):
        """The memory that the process holds now, in bytes."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024


def start_warpwise(binary, *arguments):
    """Starts `warpwise serve` on a free port, and waits until it is ready."""
    command = [str(binary), "serve", "--listen", "127.0.0.1:0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    for line in process.stdout:
        print(f"warpwise: {line.rstrip()}")
        if found := re.match(r"ready.* -p (\d+)", line):
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return Server("127.0.0.1", int(found[1]), process.pid)
    raise SystemExit(f"{' '.join(command)} did not become ready")


def start_postgres(shared_buffers="1GB"):
    """Starts Debian's PostgreSQL 15 with a folder of its own, as the user postgres where we are root."""
    if not (POSTGRES / "postgres").exists():
        raise SystemExit(f"PostgreSQL 15 is not at {POSTGRES}: apt-get install postgresql-15")
    folder = tempfile.mkdtemp(prefix="warpwise-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    user = None
    if os.geteuid() == 0:
        user = "postgres"
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = f"{folder}/data"
    initdb = [POSTGRES / "initdb", "--locale=C", "--encoding=UTF8", "--auth=trust", "--username=postgres", "--no-sync", "-D", data]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)
    settings = ["listen_addresses=127.0.0.1", f"shared_buffers={shared_buffers}", "fsync=off", "max_wal_size=8GB"]
    command = [POSTGRES / "postgres", "-D", data, "-p", str(port), "-k", folder]
    for setting in settings:
        command += ["-c", setting]
    process = subprocess.Popen(command, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(lambda: (process.send_signal(3), process.wait()))
    server = Server("127.0.0.1", port, process.pid)
    for _ in range(600):
        try:
            Connection(server, "postgres").close()
            return server
        except OSError:
            time.sleep(0.1)
    raise SystemExit("PostgreSQL did not become ready")


def message(tag, body=b""):
    """A message to the server."""
    return tag + struct.pack("!i", len(body) + 4) + body


def text(value):
    """A string of the protocol."""
    return value.encode() + b"\0"


class Connection:
    """A connection that knows messages and nothing of what is in them."""

    def __init__(self, server, database):
        self.server = server
        self.socket = socket.create_connection((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = struct.pack("!i", 3 << 16) + text("user") + text("postgres") + text("database") + text(database) + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.input = bytearray()
        self.pid, self.secret = 0, b""
        for tag, body in self.until_ready():
            if tag == b"K":
                self.pid, self.secret = struct.unpack("!i", body[:4])[0], bytes(body[4:])

    def close(self):
        self.socket.close()

    def read(self):
        """The next message: its type and its body."""
        while len(self.input) < 5 or len(self.input) < 1 + struct.unpack_from("!i", self.input, 1)[0]:
            block = self.socket.recv(65536)
            if not block:
                raise ConnectionError("the server closed the connection")
            self.input += block
        length = 1 + struct.unpack_from("!i", self.input, 1)[0]
        tag, body = bytes(self.input[:1]), bytes(self.input[5:length])
        del self.input[:length]
        return tag, body

    def until_ready(self):
        """All messages up to ReadyForQuery; an error raises behind them."""
        messages, failure = [], None
        while True:
            tag, body = self.read()
            if tag == b"E":
                failure = error_text(body)
                if b"SFATAL" in body:
                    raise ConnectionError(failure)
            if tag == b"Z":
                if failure:
                    raise RuntimeError(failure)
                return messages
            messages.append((tag, body))

    def query(self, sql):
        """Runs `sql`; the messages of its answer."""
        self.socket.sendall(message(b"Q", text(sql)))
        return self.until_ready()

    def cancel(self):
        """Asks the server to stop what this connection runs."""
        body = struct.pack("!ii", 80877102, self.pid) + self.secret
        with socket.create_connection((self.server.host, self.server.port)) as other:
            other.sendall(struct.pack("!i", len(body) + 4) + body)
            other.recv(1)


def error_text(body):
    """SQLSTATE and message of an error."""
    fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
    return f"{fields.get(b'C', '?')}: {fields.get(b'M', '?')}"


class Watch:
    """The most memory that a server held while something ran."""

    def __init__(self, server):
        self.server, self.peak, self.done = server, server.resident(), threading.Event()
        self.before = self.peak
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.done.wait(0.02):
            self.peak = max(self.peak, self.server.resident())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    @property
    def growth(self):
        return self.peak - self.before


def machine():
    """One line on what this ran on."""
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{os.cpu_count()} cores, {model[1] if model else 'unknown processor'}"
