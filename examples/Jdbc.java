import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;

/**
 * Warpwise from Java, with PostgreSQL's JDBC driver.
 *
 * <pre>
 * warpwise serve --tpch 1
 * java -cp postgresql.jar examples/Jdbc.java 127.0.0.1 5432 tpch
 * </pre>
 */
public class Jdbc {
    public static void main(String[] arguments) throws Exception {
        String host = arguments.length > 0 ? arguments[0] : "127.0.0.1";
        String port = arguments.length > 1 ? arguments[1] : "5432";
        String database = arguments.length > 2 ? arguments[2] : "tpch";
        String url = "jdbc:postgresql://" + host + ":" + port + "/" + database + "?user=postgres";
        try (Connection connection = DriverManager.getConnection(url)) {
            String question = "select o_orderpriority, count(*) as orders from orders"
                + " where o_orderdate >= ? and o_orderdate < ? group by o_orderpriority order by o_orderpriority";
            try (PreparedStatement statement = connection.prepareStatement(question)) {
                for (int year = 1995; year <= 1997; year++) {
                    statement.setDate(1, Date.valueOf(year + "-01-01"));
                    statement.setDate(2, Date.valueOf((year + 1) + "-01-01"));
                    try (ResultSet rows = statement.executeQuery()) {
                        System.out.println(year + ":");
                        while (rows.next()) {
                            System.out.println("  " + rows.getString("o_orderpriority") + ": " + rows.getLong("orders"));
                        }
                    }
                }
            }

            // Within a transaction, a fetch size makes the driver read a large result in pieces.
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(1000);
                BigDecimal total = BigDecimal.ZERO;
                try (ResultSet rows = statement.executeQuery("select o_totalprice from orders")) {
                    while (rows.next()) {
                        total = total.add(rows.getBigDecimal(1));
                    }
                }
                System.out.println("all orders together: " + total);
            }
            connection.commit();
        }
    }
}
