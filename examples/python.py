"""Warpwise from Python, with psycopg 3.

    warpwise serve --tpch 1
    pip install 'psycopg[binary]'
    python examples/python.py

Another server is named as for any client of PostgreSQL: PGHOST, PGPORT, PGUSER, PGDATABASE.
"""

import datetime
import os

import psycopg

DEFAULTS = {"PGHOST": "127.0.0.1", "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": "tpch"}
for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)

with psycopg.connect() as connection:
    # Parameters are sent apart from the text; the plan is kept for the next execution.
    question = """
        select l_returnflag, count(*) as items, sum(l_extendedprice * (1 - l_discount)) as revenue
        from lineitem
        where l_shipdate <= %s
        group by l_returnflag
        order by l_returnflag
    """
    for day in (datetime.date(1995, 6, 17), datetime.date(1998, 9, 2)):
        print(f"shipped until {day}:")
        for flag, items, revenue in connection.execute(question, [day]):
            print(f"  {flag}: {items} items for {revenue}")

    # A server-side cursor reads a large result in pieces.
    with connection.cursor("every_order") as cursor:
        cursor.itersize = 1000
        cursor.execute("select o_totalprice from orders")
        total = sum(price for (price,) in cursor)
    print(f"all orders together: {total}")

    # COPY both ways.
    with connection.cursor() as cursor:
        cursor.execute("create temp table rates (segment text, rate numeric(4,2))")
        with cursor.copy("copy rates from stdin") as copy:
            copy.write_row(("BUILDING", "0.10"))
            copy.write_row(("MACHINERY", "0.05"))
        with cursor.copy("copy (select * from rates order by segment) to stdout with (format csv, header)") as copy:
            print("".join(bytes(block).decode() for block in copy), end="")
