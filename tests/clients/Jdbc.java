import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;

/** The PostgreSQL JDBC driver as an application uses it. Every expectation holds for PostgreSQL 15 as well. */
public class Jdbc {
    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2];
        Properties properties = new Properties();
        properties.setProperty("user", "postgres");
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            metadata(connection);
            types(connection);
            prepared(connection);
            fetchSize(connection);
            transactions(connection);
            errors(connection);
            cancel(connection);
        }
        properties.setProperty("preferQueryMode", "simple");
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            types(connection);
            System.out.println("ok: simple query mode");
        }
    }

    private static void check(Object actual, Object expected, String what) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError(what + ": " + actual + " instead of " + expected);
        }
    }

    private static void metadata(Connection connection) throws SQLException {
        DatabaseMetaData metadata = connection.getMetaData();
        check(metadata.getDatabaseProductName(), "PostgreSQL", "product");
        check(metadata.getDatabaseMajorVersion(), 15, "major version");
        check(connection.isValid(5), true, "isValid");
        check(connection.getSchema(), "public", "schema");
        check(connection.getAutoCommit(), true, "autocommit");
        check(connection.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED, "isolation");
        try (Statement statement = connection.createStatement()) {
            statement.execute("set client_min_messages = warning");
            statement.execute("drop table if exists jdbc_m");
            statement.execute("create table jdbc_m (id int not null, name varchar(20), price numeric(10,2))");
            try (ResultSet rows = statement.executeQuery("select id, name as label, price, count(*) from jdbc_m group by 1, 2, 3")) {
                ResultSetMetaData columns = rows.getMetaData();
                check(columns.getColumnCount(), 4, "column count");
                check(columns.getColumnLabel(2), "label", "label");
                check(columns.getColumnType(1), Types.INTEGER, "type of id");
                check(columns.getColumnType(2), Types.VARCHAR, "type of name");
                check(columns.getPrecision(2), 20, "length of name");
                check(columns.getColumnType(3), Types.NUMERIC, "type of price");
                check(columns.getPrecision(3), 10, "precision of price");
                check(columns.getScale(3), 2, "scale of price");
                check(columns.getColumnTypeName(4), "int8", "type of count");
            }
            statement.execute("drop table jdbc_m");
        }
        System.out.println("ok: metadata");
    }

    private static void types(Connection connection) throws SQLException {
        String sql = "select true, 1::smallint, 2147483647, 9223372036854775807, 1.5::real, 0.1::float8, 123.4500::numeric(10,4),"
            + " 'größe'::text, 'ab'::char(4), '\\x00ff'::bytea, date '2020-02-29', timestamp '1999-12-31 23:59:59.999999',"
            + " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, array[1, 2, null], array['a', 'b c'], null::int, time '12:34:56'";
        // Five executions make it a named statement; from then on values come in binary.
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int run = 0; run < 10; run++) {
                try (ResultSet row = statement.executeQuery()) {
                    check(row.next(), true, "a row");
                    check(row.getBoolean(1), true, "boolean");
                    check(row.getInt(2), 1, "smallint");
                    check(row.getInt(3), Integer.MAX_VALUE, "integer");
                    check(row.getLong(4), Long.MAX_VALUE, "bigint");
                    check(row.getFloat(5), 1.5f, "real");
                    check(row.getDouble(6), 0.1, "float8");
                    check(row.getBigDecimal(7), new BigDecimal("123.4500"), "numeric");
                    check(row.getString(8), "größe", "text");
                    check(row.getString(9), "ab  ", "char");
                    check(row.getBytes(10).length, 2, "bytea");
                    check(row.getDate(11), Date.valueOf("2020-02-29"), "date");
                    check(row.getTimestamp(12), Timestamp.valueOf("1999-12-31 23:59:59.999999"), "timestamp");
                    check(row.getObject(13), UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "uuid");
                    check(((Integer[]) row.getArray(14).getArray())[1], 2, "int array");
                    check(((String[]) row.getArray(15).getArray())[1], "b c", "text array");
                    row.getInt(16);
                    check(row.wasNull(), true, "null");
                    check(row.getString(17), "12:34:56", "time");
                    check(row.next(), false, "a second row");
                }
            }
        }
        System.out.println("ok: types");
    }

    private static void prepared(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("drop table if exists jdbc_p");
            statement.execute("create table jdbc_p (id int, name text, price numeric(10,2), day date, at timestamp, ok boolean, ratio float8)");
        }
        try (PreparedStatement insert = connection.prepareStatement("insert into jdbc_p values (?, ?, ?, ?, ?, ?, ?)")) {
            for (int id = 1; id <= 20; id++) {
                insert.setInt(1, id);
                insert.setString(2, "name " + id);
                insert.setBigDecimal(3, new BigDecimal(id).movePointLeft(1));
                insert.setDate(4, Date.valueOf("2020-01-01"));
                insert.setTimestamp(5, Timestamp.valueOf("2020-01-01 12:00:00.5"));
                insert.setBoolean(6, id % 2 == 0);
                insert.setDouble(7, id / 8.0);
                insert.addBatch();
            }
            check(insert.executeBatch().length, 20, "a batch");
            insert.setInt(1, 99);
            insert.setNull(2, Types.VARCHAR);
            insert.setNull(3, Types.NUMERIC);
            insert.setNull(4, Types.DATE);
            insert.setNull(5, Types.TIMESTAMP);
            insert.setNull(6, Types.BOOLEAN);
            insert.setNull(7, Types.DOUBLE);
            check(insert.executeUpdate(), 1, "an insert of nulls");
        }
        String sql = "select name, price, day, at, ok, ratio from jdbc_p where id = ? and price > ? and day >= ? and at < ? and name like ?";
        try (PreparedStatement select = connection.prepareStatement(sql)) {
            for (int run = 0; run < 10; run++) {
                int id = run + 5;
                select.setInt(1, id);
                select.setBigDecimal(2, new BigDecimal("0.25"));
                select.setDate(3, Date.valueOf("2019-12-31"));
                select.setTimestamp(4, Timestamp.valueOf("2020-01-02 00:00:00"));
                select.setString(5, "name%");
                try (ResultSet row = select.executeQuery()) {
                    check(row.next(), true, "a row of run " + run);
                    check(row.getString("name"), "name " + id, "name");
                    check(row.getBigDecimal("price"), new BigDecimal(id).movePointLeft(1).setScale(2), "price");
                    check(row.getDate("day"), Date.valueOf("2020-01-01"), "day");
                    check(row.getTimestamp("at"), Timestamp.valueOf("2020-01-01 12:00:00.5"), "at");
                    check(row.getBoolean("ok"), id % 2 == 0, "ok");
                    check(row.getDouble("ratio"), id / 8.0, "ratio");
                }
            }
        }
        try (PreparedStatement any = connection.prepareStatement("select count(*) from jdbc_p where id = any(?)")) {
            for (int run = 0; run < 10; run++) {
                any.setArray(1, connection.createArrayOf("int4", new Integer[] {1, 2, 3, 1000}));
                try (ResultSet row = any.executeQuery()) {
                    row.next();
                    check(row.getLong("count"), 3L, "any of an array");
                }
            }
        }
        try (Statement statement = connection.createStatement()) {
            statement.execute("drop table jdbc_p");
        }
        System.out.println("ok: prepared statements");
    }

    private static void fetchSize(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(1000);
            long rows = 0;
            long sum = 0;
            try (ResultSet result = statement.executeQuery("select g, g * 2 from generate_series(1, 25500) g")) {
                while (result.next()) {
                    rows++;
                    sum += result.getLong(2);
                }
            }
            check(rows, 25500L, "rows in pieces");
            check(sum, 25500L * 25501L, "their sum");
            try (ResultSet result = statement.executeQuery("select g from generate_series(1, 25500) g")) {
                check(result.next(), true, "a row of a result that is left");
            }
        }
        connection.commit();
        connection.setAutoCommit(true);
        System.out.println("ok: fetch size");
    }

    private static void transactions(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("drop table if exists jdbc_x");
            statement.execute("create table jdbc_x (a int)");
            connection.setAutoCommit(false);
            statement.executeUpdate("insert into jdbc_x values (1)");
            connection.rollback();
            statement.executeUpdate("insert into jdbc_x values (2)");
            connection.commit();
            connection.setAutoCommit(true);
            try (ResultSet row = statement.executeQuery("select sum(a) from jdbc_x")) {
                row.next();
                check(row.getLong(1), 2L, "what was committed");
            }
            check(statement.execute("select 1; select 2"), true, "several statements");
            check(statement.getMoreResults(), true, "the second result");
            statement.execute("drop table jdbc_x");
        }
        System.out.println("ok: transactions");
    }

    private static void errors(Connection connection) throws SQLException {
        String[][] cases = {
            {"select 1/0", "22012"},
            {"select * from nosuch", "42P01"},
            {"select nosuch from pg_class", "42703"},
            {"selec 1", "42601"},
            {"select 'x'::int", "22P02"},
            {"select 2147483647 + 1", "22003"},
        };
        for (String[] entry : cases) {
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery(entry[0]);
                throw new AssertionError(entry[0] + " did not fail");
            } catch (SQLException error) {
                check(error.getSQLState(), entry[1], entry[0]);
            }
        }
        check(connection.isValid(5), true, "the connection after errors");
        System.out.println("ok: errors");
    }

    private static void cancel(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("create temp table jdbc_c as select g as id from generate_series(1, 100000) g");
            statement.setQueryTimeout(1);
            long started = System.nanoTime();
            try {
                statement.executeQuery("select count(*) from jdbc_c a, jdbc_c b where a.id + b.id < 0");
                throw new AssertionError("the query did not time out");
            } catch (SQLException error) {
                check(error.getSQLState(), "57014", "the timeout");
                check(System.nanoTime() - started < 5_000_000_000L, true, "the timeout came soon");
            }
            statement.setQueryTimeout(0);
            statement.execute("drop table jdbc_c");
        }
        System.out.println("ok: query timeout");
    }
}
