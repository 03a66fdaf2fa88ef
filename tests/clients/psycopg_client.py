"""psycopg 3 as an application uses it. Every expectation holds for PostgreSQL 15 as well.

The connection comes from PGHOST, PGPORT, PGUSER and PGDATABASE.
"""

import datetime
import decimal
import threading
import time
import uuid

import psycopg
from psycopg import sql
from psycopg.rows import dict_row, namedtuple_row

connection = psycopg.connect(autocommit=True)
connection.execute("set client_min_messages = warning")
connection.execute("set time zone 'UTC'")


def check(actual, expected, what):
    assert actual == expected, f"{what}: {actual!r} instead of {expected!r}"


def one(query, parameters=None, **options):
    return connection.execute(query, parameters, **options).fetchone()


# Connection information.
assert connection.info.server_version // 10000 == 15, connection.info.server_version
check(connection.info.parameter_status("client_encoding"), "UTF8", "client_encoding")
check(connection.info.parameter_status("standard_conforming_strings"), "on", "standard_conforming_strings")
check(connection.info.transaction_status, psycopg.pq.TransactionStatus.IDLE, "transaction status")

# Values of every type, in text and in binary.
VALUES = [
    ("true", True),
    ("1::smallint", 1),
    ("2147483647", 2147483647),
    ("9223372036854775807", 9223372036854775807),
    ("1.5::real", 1.5),
    ("0.1::float8", 0.1),
    ("123.4500::numeric", decimal.Decimal("123.4500")),
    ("(-0.00012)::numeric", decimal.Decimal("-0.00012")),
    ("12345678901234567890123456789.5", decimal.Decimal("12345678901234567890123456789.5")),
    ("'größe'::text", "größe"),
    ("'abc'::varchar(5)", "abc"),
    ("'ab'::char(4)", "ab  "),
    ("'\\x00ff'::bytea", b"\x00\xff"),
    ("date '2020-02-29'", datetime.date(2020, 2, 29)),
    ("time '12:34:56.789'", datetime.time(12, 34, 56, 789000)),
    ("timestamp '1999-12-31 23:59:59.999999'", datetime.datetime(1999, 12, 31, 23, 59, 59, 999999)),
    ("timestamptz '2020-01-01 12:00+02'", datetime.datetime(2020, 1, 1, 10, tzinfo=datetime.timezone.utc)),
    ("interval '1 day 02:03:04.5'", datetime.timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("'{\"a\": [1, 2]}'::json", {"a": [1, 2]}),
    ("'{\"a\": [1, 2]}'::jsonb", {"a": [1, 2]}),
    ("array[1, 2, null]", [1, 2, None]),
    ("array['a', 'b c', null]", ["a", "b c", None]),
    ("null::int", None),
]
for binary in (False, True):
    for expression, expected in VALUES:
        got = connection.cursor(binary=binary).execute(f"select {expression}").fetchone()[0]
        check(got, expected, f"{expression} (binary={binary})")
print("ok: values")

# The same values as parameters, there and back.
CASTS = {bool: "boolean", int: "bigint", float: "float8", decimal.Decimal: "numeric", str: "text", bytes: "bytea"}
for placeholder in ("%s", "%b", "%t"):
    for value in (True, 7, 40000, 2**40, 0.1, decimal.Decimal("1.50"), "text", b"\x00\x01", None):
        cast = CASTS.get(type(value), "text")
        if cast == "bytea" and placeholder == "%t":
            continue
        check(one(f"select {placeholder}::{cast}", [value])[0], value, f"{value!r} as {placeholder}")
    for value in (
        datetime.date(2020, 2, 29),
        datetime.datetime(2020, 2, 29, 1, 2, 3, 4),
        datetime.datetime(2020, 2, 29, 1, 2, 3, tzinfo=datetime.timezone.utc),
        datetime.time(1, 2, 3),
        datetime.timedelta(days=2, seconds=3),
        uuid.UUID(int=42),
        [1, 2, 3],
    ):
        check(one(f"select {placeholder}", [value])[0], value, f"{value!r} as {placeholder}")
    check(one(f"select {placeholder}::text[]", [["a", None]])[0], ["a", None], f"a list of text as {placeholder}")
check(one("select %(a)s + %(b)s, %(a)s * 2", {"a": 20, "b": 22}), (42, 40), "named parameters")
print("ok: parameters")

# A table.
connection.execute("drop table if exists psycopg_t")
connection.execute("create table psycopg_t (id int, name text, price numeric(10,2), day date)")
with connection.cursor() as cursor:
    cursor.executemany(
        "insert into psycopg_t values (%s, %s, %s, %s)",
        [(number, f"name {number}", decimal.Decimal(number) / 4, datetime.date(2020, 1, 1)) for number in range(1, 11)],
    )
    check(cursor.rowcount, 10, "rowcount of executemany")
check(one("select count(*), sum(price) from psycopg_t"), (10, decimal.Decimal("13.75")), "sums")
check(one("select count(*) from psycopg_t where day >= %s", ["2020-01-01"])[0], 10, "a date given as text")
check(one("select count(*) from psycopg_t where id = any(%s)", [[1, 2, 99]])[0], 2, "any of a list")
check(one("select name from psycopg_t where price > %s order by id limit %s", [1.1, 1])[0], "name 5", "a limit as parameter")
for _ in range(8):
    check(one("select name from psycopg_t where id = %s", [3], prepare=True)[0], "name 3", "a prepared statement")
row = connection.cursor(row_factory=dict_row).execute("select count(*), max(id) as top from psycopg_t").fetchone()
check(row, {"count": 10, "top": 10}, "a row as a dictionary")
row = connection.cursor(row_factory=namedtuple_row).execute("select id, name from psycopg_t where id = 2").fetchone()
check((row.id, row.name), (2, "name 2"), "a row as a named tuple")
query = sql.SQL("select {} from {} where id = {}").format(sql.Identifier("name"), sql.Identifier("psycopg_t"), sql.Literal(4))
check(connection.execute(query).fetchone()[0], "name 4", "composed SQL")
cursor = connection.execute("select id, name, price, day from psycopg_t where false")
check([(column.name, column.type_code) for column in cursor.description], [("id", 23), ("name", 25), ("price", 1700), ("day", 1082)], "description")
check((cursor.description[2].precision, cursor.description[2].scale), (10, 2), "precision and scale")
print("ok: tables")

# Server-side cursors.
with connection.transaction():
    with connection.cursor("psycopg_c") as cursor:
        cursor.itersize = 3
        cursor.execute("select id from psycopg_t where id > %s order by id", [2])
        check(cursor.fetchone()[0], 3, "the first row of a cursor")
        check([row[0] for row in cursor.fetchmany(2)], [4, 5], "two more rows")
        check([row[0] for row in cursor], [6, 7, 8, 9, 10], "the other rows")
with connection.transaction():
    with connection.cursor("psycopg_b", binary=True) as cursor:
        cursor.execute("select g, g / 2.0 from generate_series(1, 10000) g")
        total = sum(row[0] for row in cursor)
check(total, 50005000, "a binary cursor")
print("ok: cursors")

# COPY.
with connection.cursor() as cursor:
    with cursor.copy("copy psycopg_t (id, name, price) from stdin") as copy:
        copy.write_row((100, "tab\there", decimal.Decimal("1.25")))
        copy.write_row((101, None, None))
        copy.write("102\tplain\t3.5\n")
    check(cursor.rowcount, 3, "rowcount of copy")
    with cursor.copy("copy (select id, name, price from psycopg_t where id >= 100 order by id) to stdout") as copy:
        copy.set_types(["int4", "text", "numeric"])
        rows = list(copy.rows())
check(rows, [(100, "tab\there", decimal.Decimal("1.25")), (101, None, None), (102, "plain", decimal.Decimal("3.50"))], "copied rows")
print("ok: copy")

# Transactions and errors.
try:
    with connection.transaction():
        connection.execute("insert into psycopg_t (id) values (200)")
        raise RuntimeError("undo")
except RuntimeError:
    pass
check(one("select count(*) from psycopg_t where id = 200")[0], 0, "a transaction that was undone")
ERRORS = [
    ("select 1/0", psycopg.errors.DivisionByZero),
    ("select * from nosuch", psycopg.errors.UndefinedTable),
    ("select nosuch from psycopg_t", psycopg.errors.UndefinedColumn),
    ("selec 1", psycopg.errors.SyntaxError),
    ("select nosuch(1)", psycopg.errors.UndefinedFunction),
    ("select 'x'::int", psycopg.errors.InvalidTextRepresentation),
    ("select 2147483647 + 1", psycopg.errors.NumericValueOutOfRange),
    ("create table psycopg_t (a int)", psycopg.errors.DuplicateTable),
]
for statement, error in ERRORS:
    try:
        connection.execute(statement)
    except error as raised:
        assert raised.diag.message_primary, statement
    else:
        raise AssertionError(f"{statement} did not fail")
with psycopg.connect() as other:
    try:
        other.execute("select 1/0")
    except psycopg.errors.DivisionByZero:
        pass
    check(other.info.transaction_status, psycopg.pq.TransactionStatus.INERROR, "transaction status after an error")
    try:
        other.execute("select 1")
    except psycopg.errors.InFailedSqlTransaction:
        pass
    else:
        raise AssertionError("a failed transaction went on")
    other.rollback()
    check(other.execute("select 1").fetchone()[0], 1, "after the rollback")
print("ok: errors")

# Pipelines.
with connection.pipeline():
    cursors = [connection.execute("select %s::int * 2", [number]) for number in range(20)]
check([cursor.fetchone()[0] for cursor in cursors], [number * 2 for number in range(20)], "a pipeline")

# Cancel, from another thread.
connection.execute("create temp table psycopg_long as select g as id from generate_series(1, 100000) g")
timer = threading.Timer(0.5, connection.cancel)
timer.start()
started = time.monotonic()
try:
    connection.execute("select count(*) from psycopg_long a, psycopg_long b where a.id + b.id < 0")
except psycopg.errors.QueryCanceled:
    assert time.monotonic() - started < 5, "the cancel took too long"
else:
    raise AssertionError("the query was not cancelled")
timer.join()
connection.execute("drop table psycopg_long")
connection.execute("drop table psycopg_t")
print("ok: pipelines and cancel")
