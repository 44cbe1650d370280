"""psycopg 3: text and binary parameters and results, literals, prepared statements, pipelines,
COPY, server-side cursors, transactions, notifications, cancelling."""

import threading

import psycopg
from psycopg import ClientCursor, RawCursor
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

import rows
import twins
from twins import MARKER, Record, compare, finish

NAMES = ", ".join(rows.COLUMNS)
MARKS = ", ".join(f"%({name})s" for name in rows.COLUMNS)
INSERT = f"INSERT INTO items ({NAMES}) VALUES ({MARKS})"
# What COPY in binary format has to be told: it converts nothing.
TYPES = (
    "varchar int4 int8 text bool float8 numeric uuid date timestamp timestamptz bytea jsonb text[]"
    " text"
).split()


def parameters(row):
    return row | {"doc": None if row["doc"] is None else Jsonb(row["doc"])}


def attempt(record, label, connection, statement, values=None, **options):
    """What a statement answers: its rows, or everything that tells its error apart."""
    try:
        cursor = connection.execute(statement, values, **options)
        answer = [cursor.statusmessage, cursor.fetchall() if cursor.description else None]
    except psycopg.Error as error:
        diag = error.diag
        answer = [
            # Values of encrypted columns are in no message of ours.
            error.sqlstate, diag.severity, diag.message_primary.split(': "')[0],
            diag.constraint_name, diag.table_name,
        ]
    record.note(label, [answer, connection.info.transaction_status.name])


def insertion(record, connection):
    with connection.transaction():
        connection.execute("TRUNCATE items, orders RESTART IDENTITY")
    for number in range(3):
        cursor = connection.execute(INSERT + " RETURNING *", parameters(rows.row(number)))
        record.note("insert, returning", cursor.fetchall())
        record.note("description", [description(column) for column in cursor.description])
    connection.commit()
    many = [parameters(rows.row(number)) for number in range(3, 23)]
    with connection.cursor() as cursor:
        cursor.executemany(INSERT + " RETURNING id, code, tags", many, returning=True)
        for result in cursor.results():
            record.note("executemany", [cursor.rowcount, result.fetchall()])
    for row in rows.extremes():
        cursor = connection.execute(INSERT + " RETURNING *", parameters(row), binary=True)
        record.note("ends of the types", cursor.fetchall())
    connection.commit()


def description(column):
    return [
        column.name, column.type_code, column.internal_size, column.precision, column.scale,
        column.type_display,
    ]


def queries(record, connection, cursor_class):
    """Each look-up with parameters as text and as binary, results as text and as binary."""
    place = cursor_class.__name__
    mark = "$1" if cursor_class is RawCursor else "%s"
    formats = [""] if cursor_class is ClientCursor or cursor_class is RawCursor else ["%s", "%t", "%b"]
    one = rows.row(4)
    for binary in (False, True):
        if binary and cursor_class is ClientCursor:
            continue
        for fmt in formats:
            mark = fmt or mark
            with cursor_class(connection, row_factory=dict_row) as cursor:
                for column in ("code", "n4", "uid", "d", "tstz"):
                    for operator in ("=", "<>", "IS NOT DISTINCT FROM"):
                        cursor.execute(
                            f"SELECT * FROM items WHERE {column} {operator} {mark} ORDER BY id",
                            [one[column]], binary=binary,
                        )
                        record.note(f"{place} {mark} {column} {operator}", cursor.fetchall())
                    cursor.execute(
                        f"SELECT id, {column} FROM items WHERE {column} = ANY({mark}) ORDER BY id",
                        [[one[column], rows.row(5)[column]]], binary=binary,
                    )
                    record.note(f"{place} {mark} {column} ANY", cursor.fetchall())
                cursor.execute(
                    "SELECT n4, count(*), count(DISTINCT code) FROM items GROUP BY n4"
                    " HAVING count(*) > 1 ORDER BY 2, 3", binary=binary,
                )
                record.note(f"{place} groups", sorted(map(str, cursor.fetchall())))


def change(record, connection):
    attempt(
        record, "update", connection,
        "UPDATE items SET t = %s, n4 = %s, doc = %s, ok = %s WHERE code = %s RETURNING id, t, n4, doc",
        [f"{MARKER} new", 41, Jsonb({"a": MARKER}), True, rows.row(1)["code"]],
    )
    attempt(
        record, "update", connection,
        "UPDATE items SET t = %s, n4 = %s, amount = %s WHERE code = %s RETURNING id, t, n4, amount",
        [f"{MARKER} new", 41, 12, rows.row(1)["code"]],
    )
    attempt(
        record, "upsert", connection,
        "INSERT INTO items (code, n4, t) VALUES (%s, %s, %s) ON CONFLICT (code)"
        " DO UPDATE SET n4 = EXCLUDED.n4, t = EXCLUDED.t RETURNING id, code, n4, t",
        [rows.row(2)["code"], -1, None],
    )
    attempt(record, "delete", connection, "DELETE FROM items WHERE uid = %s", [rows.row(9)["uid"]])
    connection.commit()
    for number in (1, 2, 2):
        attempt(
            record, "order", connection,
            "INSERT INTO orders (item_code, quantity, remark) VALUES (%s, %s, %s) RETURNING *",
            [rows.row(number)["code"], number * 10, MARKER],
        )
    attempt(
        record, "join", connection,
        "SELECT i.id, i.t, o.quantity, o.remark FROM items i JOIN orders o ON o.item_code = i.code"
        " WHERE o.quantity IN (%s, %s) ORDER BY o.id", [10, 20],
    )
    connection.commit()


def frameworks(record, connection):
    """Statements as ORMs write them: Django's (with parameters, and with its default, literals),
    ActiveRecord's, Prisma's, Hibernate's."""
    codes = [f"{MARKER}-orm-{number}" for number in range(3)]
    numbers = [7, None, 9]
    for cursor_class in (psycopg.Cursor, ClientCursor):
        connection.cursor_factory = cursor_class
        place = cursor_class.__name__
        for label, statement, values in [
            ("Django bulk_create",
             'INSERT INTO "items" ("code", "n4") SELECT * FROM UNNEST((%s)::varchar(20)[], (%s)::integer[])'
             ' RETURNING "items"."id", "items"."code"', [codes, numbers]),
            ("Django bulk_create, older",
             'INSERT INTO "items" ("code", "n4", "d") VALUES (%s, %s, %s), (%s, %s, %s) RETURNING "items"."id"',
             ["older 1", 1, rows.row(1)["d"], "older 2", None, None]),
            ("Django bulk_update",
             'UPDATE "items" SET "t" = (CASE WHEN ("items"."id" = %s) THEN %s WHEN ("items"."id" = %s) THEN %s'
             ' ELSE NULL END)::text, "n4" = (CASE WHEN ("items"."id" = %s) THEN %s WHEN ("items"."id" = %s)'
             ' THEN %s ELSE NULL END)::integer WHERE "items"."id" IN (%s, %s)',
             [5, f"{MARKER} bulk", 6, None, 5, 51, 6, 61, 5, 6]),
            ("Django bulk_update to nothing",
             'UPDATE "items" SET "amount" = (CASE WHEN ("items"."id" = %s) THEN %s ELSE NULL END)::numeric(12, 2)'
             ' WHERE "items"."id" IN (%s)', [6, None, 6]),
            ("Django bulk_update", 'SELECT id, t, n4, amount FROM items WHERE id IN (5, 6) ORDER BY id', None),
            ("Django exists", 'SELECT 1 AS "a" FROM "items" WHERE "items"."code" = %s LIMIT 1', [codes[0]]),
            ("Django in a subquery",
             'SELECT "items"."id" FROM "items" WHERE "items"."code" IN (SELECT U0."item_code" FROM "orders" U0'
             ' WHERE U0."quantity" = %s) ORDER BY "items"."id"', [20]),
            ("Django annotate",
             'SELECT "items"."n4", COUNT("items"."id") AS "n" FROM "items" WHERE NOT ("items"."n4" IS NULL)'
             ' GROUP BY "items"."n4" ORDER BY 2, MIN("items"."id")', None),
            ("ActiveRecord exists?", 'SELECT 1 AS one FROM "items" WHERE "items"."code" = %s LIMIT %s', [codes[0], 1]),
            ("ActiveRecord find_by",
             'SELECT "items".* FROM "items" WHERE "items"."uid" = %s AND "items"."n4" = %s ORDER BY "items"."id"'
             ' ASC LIMIT %s', [rows.row(4)["uid"], 1, 1]),
            ("ActiveRecord upsert_all",
             'INSERT INTO "items" ("code","n4") VALUES (%s, %s), (%s, %s) ON CONFLICT ("code") DO UPDATE SET'
             ' "n4"=excluded."n4" RETURNING "id"', [codes[0], 70, codes[1], 80]),
            ("Prisma findFirst",
             'SELECT "public"."items"."id", "public"."items"."code", "public"."items"."t" FROM "public"."items"'
             ' WHERE ("public"."items"."code" = %s AND 1=1) LIMIT %s OFFSET %s', [codes[0], 1, 0]),
            ("Prisma aggregate",
             'SELECT COUNT(*) AS "_count$_all" FROM (SELECT "public"."items"."id" FROM "public"."items"'
             ' WHERE "public"."items"."n4" IN (%s,%s) OFFSET %s) AS "sub"', [70, 80, 0]),
            ("Hibernate",
             'select i1_0.id,i1_0.code,i1_0.doc from items i1_0 left join orders o1_0 on i1_0.code=o1_0.item_code'
             ' where i1_0.code=%s and (o1_0.quantity is null or o1_0.quantity<>%s) order by i1_0.id'
             ' offset %s rows fetch first %s rows only', [codes[1], 3, 0, 10]),
            ("Hibernate for update", 'select i1_0.t from items i1_0 where i1_0.code=%s for no key update', [codes[2]]),
        ]:
            attempt(record, f"{label}, {place}", connection, statement, values)
        connection.rollback()
    connection.cursor_factory = psycopg.Cursor


def errors(record, connection):
    """An error aborts the transaction and names its cause, as without encryption."""
    for label, statement, values in [
        ("unique", "INSERT INTO items (code) VALUES (%s)", [rows.row(3)["code"]]),
        ("not null", "INSERT INTO items (t) VALUES (%s)", [MARKER]),
        ("foreign key", "INSERT INTO orders (item_code) VALUES (%s)", ["nothing"]),
        ("too long", "INSERT INTO items (code) VALUES (%s)", ["x" * 21]),
        ("out of range", "UPDATE items SET n4 = %s", [2**31]),
        ("numeric overflow", "UPDATE items SET amount = %s", [10**10]),
        ("not a number", "SELECT * FROM items WHERE n4 = %s", ["x"]),
        ("not a uuid", "SELECT * FROM items WHERE uid = %s", ["x"]),
        ("no such date", "SELECT * FROM items WHERE d = %s", ["2023-02-29"]),
        ("no such column", "SELECT nothing FROM items", None),
        ("no such table", "SELECT * FROM nothing", None),
        ("syntax", "SELECT FROM WHERE", None),
    ]:
        attempt(record, label, connection, statement, values)
        attempt(record, f"after {label}", connection, "SELECT count(*) FROM items")
        connection.rollback()
    with connection.transaction():
        attempt(record, "in a transaction", connection, "UPDATE items SET n4 = 5 WHERE id = 1")
        try:
            with connection.transaction():
                connection.execute("INSERT INTO items (code) VALUES (%s)", [rows.row(3)["code"]])
        except psycopg.errors.UniqueViolation:
            record.note("savepoint", "rolled back")
        attempt(record, "goes on", connection, "SELECT id, n4, code FROM items WHERE id = 1")


def prepared(record, connection):
    """Beyond the threshold psycopg prepares by itself; with `prepare=True` at once."""
    for number in range(8):
        attempt(
            record, "prepared by itself", connection,
            "SELECT id, t, amount FROM items WHERE code = %s", [rows.row(number)["code"]],
        )
        attempt(
            record, "prepared", connection, "SELECT id, raw, tags FROM items WHERE uid = %b",
            [rows.row(number)["uid"]], prepare=True, binary=number % 2 == 0,
        )
    connection.execute("DEALLOCATE ALL")
    attempt(
        record, "prepared again", connection, "SELECT id, t, amount FROM items WHERE code = %s",
        [rows.row(3)["code"]], prepare=True,
    )
    connection.commit()


def pipelines(record, connection):
    with connection.pipeline() as pipeline:
        cursors = [
            connection.execute("SELECT id, t, doc FROM items WHERE code = %s", [rows.row(n)["code"]])
            for n in range(10)
        ]
        connection.execute("INSERT INTO items (code) VALUES (%s)", ["in a pipeline"])
        pipeline.sync()
        late = connection.execute("SELECT t, ok FROM items WHERE code = %s", ["in a pipeline"])
        for cursor in cursors:
            record.note("pipeline", cursor.fetchall())
        record.note("pipeline", late.fetchall())
    connection.rollback()
    answers = []
    try:
        with connection.pipeline():
            first = connection.execute("SELECT count(*) FROM items")
            connection.execute("INSERT INTO items (code) VALUES (%s)", [rows.row(3)["code"]])
            connection.execute("SELECT t FROM items WHERE id = 1")
            answers.append(first.fetchall())
    except psycopg.Error as error:
        answers.append(error.sqlstate)
    record.note("error in a pipeline", [answers, connection.info.transaction_status.name])
    connection.rollback()


def copying(record, connection):
    for binary in (False, True):
        options = "(FORMAT binary)" if binary else ""
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY items ({NAMES}) FROM STDIN {options}") as copy:
                copy.set_types(TYPES)
                for number in (100, 101):
                    row = parameters(rows.row(number + 10 * binary))
                    copy.write_row([row[name] for name in rows.COLUMNS])
            record.note("copied in", cursor.rowcount)
            for source in (
                f"items ({NAMES})", "(SELECT id, code, n4, tags FROM items ORDER BY id)",
            ):
                with cursor.copy(f"COPY {source} TO STDOUT {options}") as copy:
                    if source.startswith("items"):
                        copy.set_types(TYPES)
                    else:
                        copy.set_types(["int4", "varchar", "int4", "text[]"])
                    record.note("copied out", sorted(map(str, copy.rows())))
    with connection.cursor() as cursor:
        with cursor.copy("COPY items (code, t) FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(f'code,t\ncsv,"{MARKER} ""quoted""\nline"\n')
        with cursor.copy("COPY items (code, t, ok, d) TO STDOUT (FORMAT csv)") as copy:
            record.note("csv", sorted(b"".join(copy).split(b"\n")))
        try:
            with cursor.copy("COPY items (code, n4) FROM STDIN") as copy:
                copy.write("copy error\tnot a number\n")
        except psycopg.Error as error:
            record.note("error in COPY", error.sqlstate)
    connection.rollback()


def server_cursors(record, connection):
    for binary in (False, True):
        with connection.cursor(name="reading", binary=binary, scrollable=True) as cursor:
            cursor.execute("SELECT * FROM items WHERE n4 = %s ORDER BY id", [1])
            record.note("declared", [description(column) for column in cursor.description])
            record.note("fetched", [cursor.fetchone(), cursor.fetchmany(2)])
            cursor.scroll(-1)
            record.note("scrolled", cursor.fetchone())
            record.note("rest", list(cursor))
    with connection.cursor(name="held", withhold=True) as cursor:
        cursor.execute("SELECT id, code, t FROM items ORDER BY id")
        cursor.itersize = 5
        connection.commit()
        record.note("held", list(cursor))
    connection.commit()
    with connection.cursor() as cursor:
        streamed = cursor.stream("SELECT id, amount, raw FROM items WHERE n4 = %s ORDER BY id", [2])
        record.note("streamed", list(streamed))
    connection.rollback()


def notifications(record, url):
    with psycopg.connect(url, autocommit=True) as listening:
        listening.execute("LISTEN news")
        with psycopg.connect(url, autocommit=True) as talking:
            talking.execute("NOTIFY news, 'hello'")
        for news in listening.notifies(timeout=60, stop_after=1):
            record.note("notification", [news.channel, news.payload])


def cancelling(record, url):
    sleeps = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    with (
        psycopg.connect(url, autocommit=True) as connection,
        psycopg.connect(url, autocommit=True) as watching,
    ):
        def cancel():
            # Until the statement runs there is nothing to cancel.
            while not watching.execute(sleeps, [connection.info.backend_pid]).fetchall():
                pass
            connection.cancel_safe()
        canceller = threading.Thread(target=cancel)
        canceller.start()
        attempt(record, "cancelled", connection, "SELECT pg_sleep(60)")
        canceller.join()
        attempt(record, "usable", connection, "SELECT code FROM items WHERE id = 1")


def session(record, connection):
    """What pools and frameworks do by themselves."""
    info = connection.info
    record.note("server", [info.server_version, info.encoding, info.parameter_status("DateStyle")])
    record.note("type", str(psycopg.types.TypeInfo.fetch(connection, "uuid")))
    connection.commit()
    connection.autocommit = True
    for statement in ("RESET ALL", "DISCARD ALL", "SET TIME ZONE 'Asia/Kathmandu'"):
        attempt(record, statement, connection, statement)
    connection.autocommit = False
    attempt(record, "time zone", connection, "SELECT tstz, ts, d FROM items WHERE id = 2")
    connection.rollback()
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    connection.read_only = True
    attempt(record, "read only", connection, "INSERT INTO items (code) VALUES ('ro')")
    connection.rollback()
    connection.read_only = None
    connection.isolation_level = None


def scenario(url):
    record = Record()
    with psycopg.connect(url) as connection:
        insertion(record, connection)
        for cursor_class in (psycopg.Cursor, ClientCursor, RawCursor):
            queries(record, connection, cursor_class)
        connection.commit()
        change(record, connection)
        frameworks(record, connection)
        errors(record, connection)
        prepared(record, connection)
        pipelines(record, connection)
        copying(record, connection)
        server_cursors(record, connection)
        session(record, connection)
    notifications(record, url)
    cancelling(record, url)
    return record


def refusals():
    """What the layer has to refuse, it refuses as a server would, and the connection goes on."""
    record = Record()
    with psycopg.connect(twins.PROXY) as connection:
        attempt(record, "LIKE", connection, "SELECT id FROM items WHERE t LIKE %s", ["x%"])
        connection.rollback()
        attempt(record, "after it", connection, "SELECT count(t) > 0 FROM items")
    refused, after = (text for _, text in record.entries)
    assert "0A000" in refused and "INERROR" in refused, refused
    assert "bool True" in after, after
    return 2


def main():
    records = {
        "plain": scenario(twins.PLAIN),
        "proxy with TLS": scenario(twins.with_libpq_tls(twins.PROXY)),
        "proxy's socket": scenario(twins.over_socket(twins.PROXY)),
    }
    finish(compare(records) + refusals())


main()
