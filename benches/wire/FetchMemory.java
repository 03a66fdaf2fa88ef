import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

/** Reads a result in pieces and prints its number of rows: host, port, database, SQL, fetch size. */
public class FetchMemory {
    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2] + "?user=postgres";
        long rows = 0;
        try (Connection connection = DriverManager.getConnection(url)) {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(Integer.parseInt(arguments[4]));
                try (ResultSet result = statement.executeQuery(arguments[3])) {
                    while (result.next()) {
                        rows++;
                    }
                }
            }
            connection.commit();
        }
        System.out.println(rows);
    }
}
