// pgjdbc: simple and extended queries, server-prepared statements from their first use on and never,
// text and binary transfer, batches with and without rewriting, cursors by fetch size, generated
// keys, updatable results, metadata, COPY, savepoints, notifications, cancelling.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.Callable;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;

public class Suite {
    static final Map<String, String> ENV = System.getenv();
    static final String MARKER = ENV.get("SEALWIRE_MARKER");
    static final String[] COLUMNS = {
        "code", "n4", "n8", "t", "ok", "f8", "amount", "uid", "d", "ts", "tstz", "raw", "doc", "tags", "note"
    };
    static final String INSERT =
        "INSERT INTO items (" + String.join(", ", COLUMNS) + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

    /** Labelled outcomes in their order. Types count: `1` and `'1'` are different answers. */
    final List<String[]> record = new ArrayList<>();
    final Connection connection;

    /** Whether values are written into the statements' texts. */
    final boolean simple;

    Suite(Connection connection, boolean simple) {
        this.connection = connection;
        this.simple = simple;
    }

    void note(String label, Object value) throws SQLException {
        record.add(new String[] {label, form(value)});
    }

    void attempt(String label, Callable<Object> action) throws Exception {
        try {
            note(label, action.call());
        } catch (PSQLException error) {
            var server = error.getServerErrorMessage();
            note(label, Arrays.asList(error.getSQLState(), server == null ? null : server.getConstraint()));
        }
    }

    static String form(Object value) throws SQLException {
        if (value == null) return "null";
        if (value instanceof byte[] bytes) return "bytes " + HexFormat.of().formatHex(bytes);
        if (value instanceof java.sql.Array array) return array.getBaseTypeName() + Arrays.deepToString((Object[]) array.getArray());
        if (value instanceof List<?> list) {
            var parts = new ArrayList<String>();
            for (var part : list) parts.add(form(part));
            return parts.toString();
        }
        return value.getClass().getSimpleName() + " " + value;
    }

    static List<Object> rows(ResultSet results) throws SQLException {
        var meta = results.getMetaData();
        var rows = new ArrayList<Object>();
        var header = new ArrayList<Object>();
        for (int column = 1; column <= meta.getColumnCount(); column++) {
            header.add(List.of(meta.getColumnLabel(column), meta.getColumnTypeName(column), meta.getColumnType(column),
                meta.getPrecision(column), meta.getScale(column), meta.getColumnClassName(column)));
        }
        rows.add(header);
        while (results.next()) {
            var row = new ArrayList<Object>();
            for (int column = 1; column <= meta.getColumnCount(); column++) row.add(results.getObject(column));
            rows.add(row);
        }
        results.close();
        return rows;
    }

    static UUID uid(int number) {
        return UUID.fromString("5e5a3e5e-0000-4000-8000-%012d".formatted(number));
    }

    static String code(int number) {
        return MARKER + "-" + number;
    }

    static PGobject json(String text) throws SQLException {
        var object = new PGobject();
        object.setType("jsonb");
        object.setValue(text);
        return object;
    }

    void bind(PreparedStatement statement, int number) throws SQLException {
        statement.setString(1, code(number));
        statement.setInt(2, number % 3);
        statement.setLong(3, 777712345000L + number);
        statement.setString(4, MARKER + " öffne dich " + number);
        statement.setBoolean(5, number % 2 == 0);
        statement.setDouble(6, number / 7.0);
        statement.setBigDecimal(7, new BigDecimal("1.10").multiply(new BigDecimal(number)));
        statement.setObject(8, uid(number));
        statement.setObject(9, LocalDate.of(2024, 2, 29).plusDays(number));
        statement.setObject(10, LocalDateTime.of(2024, 2, 29, 12, 30, 15, 123456000).plusHours(number));
        statement.setObject(11, OffsetDateTime.of(2024, 2, 29, 12, 30, 15, 5000, ZoneOffset.ofHours(3)).plusHours(number));
        var bytes = (MARKER + "\0" + number).getBytes(StandardCharsets.UTF_8);
        if (simple) {
            // pgjdbc cannot write bytes into the text of a statement.
            statement.setString(12, "\\x" + HexFormat.of().formatHex(bytes));
        } else {
            statement.setBytes(12, bytes);
        }
        statement.setObject(13, json("{\"key\": \"" + MARKER + "\"}"));
        statement.setArray(14, connection.createArrayOf("text", new String[] {MARKER, "a \"quoted\", one\\", null, ""}));
        statement.setString(15, "note " + number);
    }

    Object ask(String sql, Object... values) throws SQLException {
        try (var statement = connection.prepareStatement(sql)) {
            for (int index = 0; index < values.length; index++) statement.setObject(index + 1, values[index]);
            return statement.execute() ? rows(statement.getResultSet()) : statement.getUpdateCount();
        }
    }

    void insertion() throws Exception {
        try (var statement = connection.createStatement()) {
            statement.execute("TRUNCATE items, orders RESTART IDENTITY");
        }
        try (var statement = connection.prepareStatement(INSERT, Statement.RETURN_GENERATED_KEYS)) {
            for (int number = 0; number < 8; number++) {
                bind(statement, number);
                statement.executeUpdate();
                note("generated keys", rows(statement.getGeneratedKeys()));
            }
        }
        try (var statement = connection.prepareStatement(INSERT)) {
            for (int number = 8; number < 30; number++) {
                bind(statement, number);
                statement.addBatch();
            }
            note("batch", Arrays.toString(statement.executeBatch()));
        }
        try (var statement = connection.prepareStatement(INSERT)) {
            statement.setString(1, "no values");
            for (int index = 2; index <= 15; index++) statement.setObject(index, null);
            note("no values", statement.executeUpdate());
        }
        try (var statement = connection.prepareStatement("INSERT INTO items (code, n4, n8, d, ts, t) VALUES (?, ?, ?, ?, ?, ?)")) {
            statement.setString(1, "legacy types");
            statement.setNull(2, Types.INTEGER);
            statement.setObject(3, "12", Types.BIGINT);
            statement.setDate(4, java.sql.Date.valueOf("2024-02-29"));
            statement.setTimestamp(5, Timestamp.valueOf("2024-02-29 12:30:15.5"));
            statement.setCharacterStream(6, new java.io.StringReader(MARKER + " streamed"));
            note("legacy types", statement.executeUpdate());
        }
        attempt("all", () -> ask("SELECT * FROM items ORDER BY id"));
    }

    void queries() throws Exception {
        var look = Map.of("code", code(4), "n4", 1, "uid", uid(4), "d", LocalDate.of(2024, 3, 4));
        for (var column : List.of("code", "n4", "uid", "d")) {
            // Server-prepared from the fifth time on by default, and binary from then on.
            for (int turn = 0; turn < 7; turn++) {
                attempt("by " + column, () -> ask("SELECT * FROM items WHERE " + column + " = ? ORDER BY id", look.get(column)));
            }
            attempt("IN " + column, () -> ask("SELECT id FROM items WHERE " + column + " IN (?, ?) ORDER BY id", look.get(column), look.get(column)));
        }
        attempt("ANY", () -> ask("SELECT id, code FROM items WHERE code = ANY (?) ORDER BY id",
            connection.createArrayOf("varchar", new String[] {code(1), code(2)})));
        attempt("tstz", () -> ask("SELECT id, tstz FROM items WHERE tstz = ?",
            OffsetDateTime.of(2024, 2, 29, 12, 30, 15, 5000, ZoneOffset.ofHours(3))));
        attempt("update", () -> ask("UPDATE items SET t = ?, doc = ?::jsonb, ok = ?, amount = ? WHERE code = ? RETURNING id, t, doc, ok, amount",
            MARKER + " new", "[\"" + MARKER + "\"]", true, new BigDecimal(7), code(1)));
        attempt("strings under casts", () -> ask("UPDATE items SET uid = ?::uuid, d = CAST(? AS date), n4 = ?::int, tags = ?::text[], f8 = ?::float8"
            + " WHERE code = ? RETURNING uid, d, n4, tags, f8", uid(60).toString(), "2024-05-06", " 61 ", "{" + MARKER + ",NULL}", "1e3", code(6)));
        attempt("found by them", () -> ask("SELECT id FROM items WHERE uid = ?::uuid AND n4 = ANY (?::int[]) AND d = ?::date", uid(60).toString(), "{60,61}", "2024-05-06"));
        attempt("wide", () -> ask("SELECT id FROM items WHERE n4 = ?::bigint", "5000000000"));
        attempt("not a number", () -> ask("SELECT id FROM items WHERE n4 = ?::int", "x"));
        attempt("not JSON", () -> ask("UPDATE items SET doc = ?::jsonb WHERE id = 1", "{"));
        attempt("upsert", () -> ask("INSERT INTO items (code, n4) VALUES (?, ?) ON CONFLICT (code) DO UPDATE SET n4 = EXCLUDED.n4 RETURNING id, n4",
            code(2), 77));
        for (int number : new int[] {1, 2, 2}) {
            attempt("order", () -> ask("INSERT INTO orders (item_code, quantity, remark) VALUES (?, ?, ?) RETURNING *", code(number), number * 10, MARKER));
        }
        attempt("join", () -> ask("SELECT i.id, i.t, o.quantity FROM items i JOIN orders o ON o.item_code = i.code WHERE o.quantity = ? ORDER BY o.id", 20));
        try (var statement = connection.createStatement()) {
            statement.setEscapeProcessing(true);
            note("simple", rows(statement.executeQuery("SELECT id, t, {fn now()} IS NOT NULL AS now FROM items WHERE code = '" + code(3) + "'")));
            boolean more = statement.execute("SELECT code FROM items WHERE n4 = 1 ORDER BY id; UPDATE items SET note = 'x' WHERE n4 = 1; SELECT t FROM items WHERE id = 3");
            for (int turn = 0; turn < 3; turn++) {
                note("several", more ? rows(statement.getResultSet()) : statement.getUpdateCount());
                more = statement.getMoreResults();
            }
        }
    }

    void errors() throws Exception {
        connection.setAutoCommit(false);
        for (var error : List.of(
            List.of("unique", "INSERT INTO items (code) VALUES (?)", code(3)),
            List.of("not null", "INSERT INTO items (t) VALUES (?)", MARKER),
            List.of("foreign key", "INSERT INTO orders (item_code) VALUES (?)", "nothing"),
            List.of("too long", "INSERT INTO items (code) VALUES (?)", "x".repeat(21)),
            List.of("wrong type", "UPDATE items SET n4 = ?", "1"),
            List.of("out of range", "UPDATE items SET n4 = ?", 1L << 40),
            List.of("no such column", "SELECT nothing FROM items WHERE code = ?", "x"),
            List.of("syntax", "SELECT FROM WHERE ?", "x"))) {
            attempt((String) error.get(0), () -> ask((String) error.get(1), error.get(2)));
            attempt("after " + error.get(0), () -> ask("SELECT count(*) FROM items"));
            connection.rollback();
        }
        attempt("in a transaction", () -> ask("UPDATE items SET n4 = 5 WHERE id = 1"));
        var savepoint = connection.setSavepoint();
        attempt("in a savepoint", () -> ask("INSERT INTO items (code) VALUES (?)", code(3)));
        connection.rollback(savepoint);
        attempt("goes on", () -> ask("SELECT id, n4 FROM items WHERE id = 1"));
        try (var statement = connection.prepareStatement("INSERT INTO items (code) VALUES (?)")) {
            for (var value : List.of("batch 1", code(3), "batch 2")) {
                statement.setString(1, value);
                statement.addBatch();
            }
            statement.executeBatch();
            note("batch", "no error");
        } catch (BatchUpdateException error) {
            note("batch", error.getSQLState());
        }
        connection.rollback();
        connection.setAutoCommit(true);
        attempt("unchanged", () -> ask("SELECT count(*) FROM items"));
    }

    /** Values of other types than the column's. In simple mode they are written with a cast, ('7'::int4). */
    void otherTypes() throws Exception {
        for (var column : new String[] {"amount", "n4", "t"}) {
            attempt("int in " + column, () -> {
                try (var statement = connection.prepareStatement("UPDATE items SET " + column + " = ? WHERE code = ?")) {
                    statement.setInt(1, 7);
                    statement.setString(2, code(3));
                    return statement.executeUpdate();
                }
            });
            attempt("decimal in " + column, () -> {
                try (var statement = connection.prepareStatement("UPDATE items SET " + column + " = ? WHERE code = ?")) {
                    statement.setBigDecimal(1, new BigDecimal("7.00"));
                    statement.setString(2, code(4));
                    return statement.executeUpdate();
                }
            });
            attempt("read " + column, () -> ask("SELECT " + column + " FROM items WHERE code IN ('" + code(3) + "', '" + code(4) + "') ORDER BY id"));
        }
        attempt("int = n4", () -> {
            try (var statement = connection.prepareStatement("SELECT id FROM items WHERE n4 = ? ORDER BY id")) {
                statement.setBigDecimal(1, new BigDecimal("7"));
                return rows(statement.executeQuery());
            }
        });
    }

    void cursors() throws Exception {
        connection.setAutoCommit(false);
        try (var statement = connection.prepareStatement("SELECT * FROM items WHERE n4 <> ? ORDER BY id")) {
            statement.setFetchSize(3);
            for (int turn = 0; turn < 6; turn++) {
                statement.setInt(1, 1);
                note("fetch size", rows(statement.executeQuery()));
            }
        }
        connection.commit();
        connection.setAutoCommit(true);
        // pgjdbc asks the catalogue for the primary key, and writes the row's change itself.
        try (var statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            var results = statement.executeQuery("SELECT id, t, n4 FROM items WHERE n4 = 0 ORDER BY id");
            results.absolute(2);
            results.updateString("t", MARKER + " updated");
            results.updateRow();
            note("updatable", results.getString("t"));
        }
        attempt("updated", () -> ask("SELECT id, t FROM items WHERE n4 = 0 ORDER BY id"));
    }

    void copying() throws Exception {
        CopyManager copying = connection.unwrap(PGConnection.class).getCopyAPI();
        var lines = code(50) + "\t5\t" + MARKER + "\\ttab\n" + code(51) + "\t\\N\t\\N\n";
        note("copied in", copying.copyIn("COPY items (code, n4, t) FROM STDIN", new ByteArrayInputStream(lines.getBytes(StandardCharsets.UTF_8))));
        for (var format : List.of("text", "csv", "binary")) {
            var out = new ByteArrayOutputStream();
            note(format, copying.copyOut("COPY (SELECT code, n4, t, raw, tags FROM items ORDER BY id) TO STDOUT (FORMAT " + format + ")", out));
            note(format, out.toByteArray());
        }
    }

    void metadata() throws Exception {
        var meta = connection.getMetaData();
        note("product", List.of(meta.getDatabaseProductName(), meta.getDatabaseMajorVersion()));
        var names = new ArrayList<String>();
        // The catalogue's types are the domains, which is what they are.
        for (var columns = meta.getColumns(null, "public", "items", null); columns.next();) names.add(columns.getString("COLUMN_NAME"));
        note("columns", names.toString());
        var keys = meta.getImportedKeys(null, "public", "orders");
        note("foreign key", keys.next() ? keys.getString("PKCOLUMN_NAME") : null);
        try (var statement = connection.prepareStatement("INSERT INTO items (code, n4, tags) VALUES (?, ?, ?)")) {
            // pgjdbc has nothing to describe in simple mode.
            var parameters = simple ? null : statement.getParameterMetaData();
            for (int index = 1; !simple && index <= 3; index++) note("parameter", List.of(parameters.getParameterTypeName(index), parameters.getParameterType(index)));
        }
        note("valid", connection.isValid(30));
    }

    void limits() throws Exception {
        try (var statement = connection.createStatement()) {
            // Cancelled by a connection of the driver's own, after a second, which is its least.
            statement.setQueryTimeout(1);
            attempt("time limit", () -> statement.execute("SELECT pg_sleep(60)"));
        }
    }

    void end() throws Exception {
        attempt("usable", () -> ask("SELECT code FROM items WHERE id = 1"));
        try (var statement = connection.createStatement()) {
            statement.execute("LISTEN news");
            statement.execute("NOTIFY news, 'hello'");
        }
        var heard = connection.unwrap(PGConnection.class).getNotifications(60_000);
        note("notification", heard[0].getParameter());
        try (var statement = connection.createStatement()) {
            statement.execute("DISCARD ALL");
        }
    }

    static List<String[]> scenario(String url, Map<String, String> options) throws Exception {
        var place = URI.create(url);
        var user = place.getUserInfo().split(":");
        var properties = new Properties();
        properties.put("user", user[0]);
        properties.put("password", user[1]);
        properties.putAll(options);
        var target = "jdbc:postgresql://localhost:" + place.getPort() + place.getPath();
        try (var connection = DriverManager.getConnection(target, properties)) {
            var suite = new Suite(connection, "simple".equals(options.get("preferQueryMode")));
            suite.insertion();
            suite.queries();
            suite.errors();
            suite.otherTypes();
            suite.cursors();
            suite.copying();
            suite.metadata();
            if (options.keySet().stream().allMatch(key -> key.startsWith("ssl"))) suite.limits();
            suite.end();
            return suite.record;
        }
    }

    public static void main(String[] arguments) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("Asia/Kathmandu"));
        var plain = ENV.get("SEALWIRE_PLAIN_URL");
        var proxy = ENV.get("SEALWIRE_PROXY_URL");
        var ways = List.of(
            Map.of("sslmode", "disable"),
            Map.of("sslmode", "disable", "prepareThreshold", "1", "binaryTransfer", "true"),
            Map.of("sslmode", "disable", "prepareThreshold", "-1"),
            Map.of("sslmode", "disable", "prepareThreshold", "0", "binaryTransfer", "false"),
            Map.of("sslmode", "disable", "preferQueryMode", "simple"),
            Map.of("sslmode", "disable", "reWriteBatchedInserts", "true", "autosave", "always"),
            Map.of("sslmode", "disable", "preferQueryMode", "extendedCacheEverything"));
        int checks = 0, differences = 0;
        for (var way : ways) {
            var secured = new HashMap<>(way);
            secured.put("sslmode", "verify-full");
            secured.put("sslrootcert", ENV.get("SEALWIRE_PROXY_CA"));
            var expected = scenario(plain, way);
            // TLS makes no difference to how statements are sent.
            for (var options : way == ways.get(0) ? List.of(way, secured) : List.of(way)) {
                var found = scenario(proxy, options);
                if (found.size() != expected.size()) throw new AssertionError(options + ": " + expected.size() + " entries, " + found.size());
                for (int index = 0; index < expected.size(); index++) {
                    checks++;
                    if (!Arrays.equals(expected.get(index), found.get(index))) {
                        differences++;
                        System.err.println(options + ": " + Arrays.toString(expected.get(index)) + "\n  proxy: " + Arrays.toString(found.get(index)));
                    }
                }
            }
        }
        if (differences > 0 || checks == 0) System.exit(1);
        System.out.println("checks: " + checks);
    }
}
