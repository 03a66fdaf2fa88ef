"""SQLAlchemy's connection, a query and a little reflection. Every expectation holds for PostgreSQL 15 as well."""

import os

import sqlalchemy
from sqlalchemy import text

host, port = os.environ["PGHOST"], os.environ["PGPORT"]
user, database = os.environ["PGUSER"], os.environ["PGDATABASE"]
engine = sqlalchemy.create_engine(f"postgresql+psycopg://{user}@{host}:{port}/{database}")

with engine.begin() as connection:
    connection.execute(text("set client_min_messages = warning"))
    connection.execute(text("drop table if exists sqlalchemy_t"))
    connection.execute(text("create table sqlalchemy_t (id int not null, name varchar(20), price numeric(10,2))"))
    connection.execute(text("insert into sqlalchemy_t values (:id, :name, :price)"), [{"id": 1, "name": "one", "price": 1.5}, {"id": 2, "name": None, "price": 2.25}])

with engine.connect() as connection:
    assert connection.dialect.server_version_info[0] == 15, connection.dialect.server_version_info
    rows = connection.execute(text("select id, name, price from sqlalchemy_t where id <= :top order by id"), {"top": 2}).all()
    assert [(row.id, row.name, str(row.price)) for row in rows] == [(1, "one", "1.50"), (2, None, "2.25")], rows
    assert connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(text("sqlalchemy_t"))).scalar() == 2
    try:
        connection.execute(text("select * from nosuch"))
    except sqlalchemy.exc.ProgrammingError as error:
        assert "does not exist" in str(error)
    else:
        raise AssertionError("a table that is not there was read")

with engine.connect() as connection:
    streamed = connection.execution_options(stream_results=True, yield_per=100).execute(text("select g from generate_series(1, 1000) g"))
    assert sum(row[0] for row in streamed) == 500500

inspector = sqlalchemy.inspect(engine)
assert inspector.has_table("sqlalchemy_t") and not inspector.has_table("nosuch")
assert "sqlalchemy_t" in inspector.get_table_names()

with engine.begin() as connection:
    connection.execute(text("drop table sqlalchemy_t"))
engine.dispose()
print("ok: sqlalchemy")
