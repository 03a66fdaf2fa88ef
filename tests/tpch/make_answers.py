#!/usr/bin/env python3
"""Writes answers_0.01/: the answers to the 22 TPC-H queries at scale 0.01.

PostgreSQL 15 is the judge, and DuckDB must agree. The texts are those of queries_0.01/ (the specification's
validation parameters; Q11's fraction is 0.0001 divided by the scale):

    python3 -m venv venv && venv/bin/pip install 'psycopg[binary]' duckdb tpchgen-cli
    PGHOST=… PGPORT=… PGUSER=postgres venv/bin/python tests/tpch/make_answers.py

The database that PGDATABASE names gets, and keeps, the eight tables in a schema of their own.
"""

import argparse
import csv
import decimal
import io
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import psycopg

HERE = pathlib.Path(__file__).parent

TABLES = {
    "region": "r_regionkey bigint, r_name varchar(25), r_comment varchar(152)",
    "nation": "n_nationkey bigint, n_name varchar(25), n_regionkey bigint, n_comment varchar(152)",
    "supplier": "s_suppkey bigint, s_name varchar(25), s_address varchar(40), s_nationkey bigint, s_phone varchar(15),"
    " s_acctbal numeric(15,2), s_comment varchar(101)",
    "customer": "c_custkey bigint, c_name varchar(25), c_address varchar(40), c_nationkey bigint, c_phone varchar(15),"
    " c_acctbal numeric(15,2), c_mktsegment varchar(10), c_comment varchar(117)",
    "part": "p_partkey bigint, p_name varchar(55), p_mfgr varchar(25), p_brand varchar(10), p_type varchar(25), p_size integer,"
    " p_container varchar(10), p_retailprice numeric(15,2), p_comment varchar(23)",
    "partsupp": "ps_partkey bigint, ps_suppkey bigint, ps_availqty integer, ps_supplycost numeric(15,2), ps_comment varchar(199)",
    "orders": "o_orderkey bigint, o_custkey bigint, o_orderstatus char(1), o_totalprice numeric(15,2), o_orderdate date,"
    " o_orderpriority varchar(15), o_clerk varchar(15), o_shippriority integer, o_comment varchar(79)",
    "lineitem": "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer, l_quantity numeric(15,2),"
    " l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1), l_linestatus char(1),"
    " l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct varchar(25), l_shipmode varchar(10), l_comment varchar(44)",
}


def same(left, right):
    """Whether two cells agree: text exactly, numbers to nine digits, since DuckDB divides in floating point."""
    if left == right:
        return True
    try:
        left, right = decimal.Decimal(left), decimal.Decimal(right)
    except decimal.InvalidOperation:
        return False
    return abs(left - right) <= abs(left) * decimal.Decimal("1e-9")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=pathlib.Path, default=HERE / "queries_0.01")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "answers_0.01")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    generator = pathlib.Path(sys.executable).parent / "tpchgen-cli"

    duck = duckdb.connect()
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(autocommit=True) as postgres:
        subprocess.run([generator, "csv", "-s", "0.01", "-o", folder], check=True, stdout=subprocess.DEVNULL)
        postgres.execute("drop schema if exists tpch_answers cascade")
        postgres.execute("create schema tpch_answers")
        postgres.execute("set search_path to tpch_answers")
        for table, columns in TABLES.items():
            postgres.execute(f"create table {table} ({columns})")
            text = (pathlib.Path(folder) / f"{table}.csv").read_text()
            with postgres.cursor() as cursor, cursor.copy(f"copy {table} from stdin (format csv, header)") as copy:
                copy.write(text)
            postgres.execute(f"analyze {table}")
            duck.execute(f"create table {table} ({columns})")
            duck.execute(f"copy {table} from '{folder}/{table}.csv' (format csv, header)")

        for number in range(1, 23):
            query = (arguments.queries / f"q{number}.sql").read_text().rstrip().rstrip(";")
            answer = b""
            with postgres.cursor() as cursor, cursor.copy(f"copy ({query}\n) to stdout (format csv, header)") as copy:
                for block in copy:
                    answer += bytes(block)
            # A line without anything is a row of one NULL.
            rows = [row or [""] for row in csv.reader(io.StringIO(answer.decode()))][1:]
            others = [["" if cell is None else str(cell) for cell in row] for row in duck.execute(query).fetchall()]
            assert len(rows) == len(others), f"q{number}: {len(rows)} rows, DuckDB has {len(others)}"
            for row, other in zip(rows, others):
                for cell, opposite in zip(row, other, strict=True):
                    assert same(cell.rstrip(), opposite.rstrip()), f"q{number}: {row} but DuckDB has {other}"
            (arguments.out / f"q{number}.csv").write_bytes(answer)
            print(f"q{number}: {len(rows)} rows")


if __name__ == "__main__":
    main()
