"""asyncpg: prepared statements in binary format, its look-ups of types, executemany, COPY, cursors,
transactions, the pool with its reset, notifications, time limits."""

import asyncio
import io
import json
import ssl

import asyncpg

import rows
import twins
from twins import MARKER, Record, compare, finish

NAMES = ", ".join(rows.COLUMNS)
MARKS = ", ".join(f"${number + 1}" for number in range(len(rows.COLUMNS)))
INSERT = f"INSERT INTO items ({NAMES}) VALUES ({MARKS})"


def values(row):
    return [row[name] for name in rows.COLUMNS]


async def attempt(record, label, connection, statement, *arguments):
    """What a statement answers: its rows, or everything that tells its error apart."""
    try:
        answer = [list(row.items()) for row in await connection.fetch(statement, *arguments)]
    except asyncpg.PostgresError as error:
        # asyncpg has errors of its own, from the types that the server has described.
        message = (error.message or str(error)).split(': "')[0]
        answer = [error.sqlstate, message, error.constraint_name, error.table_name]
    record.note(label, [answer, connection.is_in_transaction()])


async def session(connection):
    """What frameworks do with a new connection: asyncpg looks the type up in the catalogue."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        # COPY takes binary values only, and a jsonb in binary begins with its version.
        format="binary",
        encoder=lambda value: b"\x01" + json.dumps(value).encode(),
        decoder=lambda value: json.loads(value[1:]),
    )


async def insertion(record, connection):
    await connection.execute("TRUNCATE items, orders RESTART IDENTITY")
    for number in range(3):
        await attempt(record, "insert", connection, INSERT + " RETURNING *", *values(rows.row(number)))
    await connection.executemany(INSERT, [values(rows.row(number)) for number in range(3, 23)])
    many = [values(rows.row(number))[:2] for number in range(23, 26)]
    inserted = await connection.fetchmany(
        "INSERT INTO items (code, n4) VALUES ($1, $2) RETURNING id, code, n4", many
    )
    record.note("executemany", [list(row.items()) for row in inserted])
    for row in rows.extremes():
        await attempt(record, "ends of the types", connection, INSERT + " RETURNING *", *values(row))
    record.note("status", await connection.execute("UPDATE items SET note = 'x' WHERE n4 = 1"))


async def queries(record, connection):
    one, other = rows.row(4), rows.row(5)
    for column in ("code", "n4", "uid", "d", "tstz"):
        for condition in (f"{column} = $1", f"{column} <> $1", f"{column} IS DISTINCT FROM $1"):
            await attempt(
                record, condition, connection,
                f"SELECT * FROM items WHERE {condition} ORDER BY id", one[column],
            )
        await attempt(
            record, f"{column} ANY", connection,
            f"SELECT id, {column} FROM items WHERE {column} = ANY($1) ORDER BY id",
            [one[column], other[column], None],
        )
        await attempt(
            record, f"{column} IN", connection,
            f"SELECT id, {column} FROM items WHERE {column} IN ($1, $2) ORDER BY id",
            one[column], other[column],
        )
    statement = await connection.prepare(
        "UPDATE items SET t = $1, doc = $2, ok = $3 WHERE code = $4 RETURNING id, t, doc, ok, tags"
    )
    record.note("parameters", [type.name for type in statement.get_parameters()])
    record.note("attributes", [[a.name, a.type.name, a.type.oid] for a in statement.get_attributes()])
    for number in range(6):
        found = await statement.fetchrow(f"{MARKER} {number}", [MARKER], True, rows.row(number)["code"])
        record.note("prepared", list(found.items()))
    record.note("status", statement.get_statusmsg())
    explained = await connection.fetchval("EXPLAIN SELECT t FROM items WHERE code = $1", one["code"])
    record.note("plan", "items" in explained)


async def orders(record, connection):
    for number in (1, 2, 2):
        await attempt(
            record, "order", connection,
            "INSERT INTO orders (item_code, quantity, remark) VALUES ($1, $2, $3) RETURNING *",
            rows.row(number)["code"], number * 10, MARKER,
        )
    await attempt(
        record, "join", connection,
        "SELECT i.id, i.t, o.quantity, o.remark FROM items i JOIN orders o ON o.item_code = i.code"
        " WHERE o.quantity = $1 ORDER BY o.id", 20,
    )
    await attempt(
        record, "upsert", connection,
        "INSERT INTO items (code, n4) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE"
        " SET n4 = EXCLUDED.n4 RETURNING id, n4, t", rows.row(2)["code"], 77,
    )


async def errors(record, connection):
    for label, statement, *arguments in [
        ("unique", "INSERT INTO items (code) VALUES ($1)", rows.row(3)["code"]),
        ("not null", "INSERT INTO items (t) VALUES ($1)", MARKER),
        ("foreign key", "INSERT INTO orders (item_code) VALUES ($1)", "nothing"),
        ("too long", "INSERT INTO items (code) VALUES ($1)", "x" * 21),
        ("numeric overflow", "UPDATE items SET amount = $1", 10**10),
        ("wrong type", "UPDATE items SET n4 = $1", "x"),
        ("out of range", "UPDATE items SET n4 = $1", 2**31),
        ("no such column", "SELECT nothing FROM items"),
        ("syntax", "SELECT FROM WHERE"),
    ]:
        await attempt(record, label, connection, statement, *arguments)
        transaction = connection.transaction()
        await transaction.start()
        await attempt(record, f"{label} in a transaction", connection, statement, *arguments)
        await attempt(record, f"after {label}", connection, "SELECT count(*) FROM items")
        await transaction.rollback()
    async with connection.transaction(isolation="serializable"):
        await connection.execute("UPDATE items SET n4 = 5 WHERE id = 1")
        try:
            async with connection.transaction():
                await connection.execute("INSERT INTO items (code) VALUES ($1)", rows.row(3)["code"])
        except asyncpg.UniqueViolationError:
            record.note("savepoint", "rolled back")
        await attempt(record, "goes on", connection, "SELECT id, n4, code FROM items WHERE id = 1")


async def cursors(record, connection):
    async with connection.transaction():
        seen = []
        async for row in connection.cursor(
            "SELECT id, code, doc, tags FROM items WHERE n4 <> $1 ORDER BY id", 1, prefetch=3
        ):
            seen.append(list(row.items()))
        record.note("cursor", seen)
        cursor = await connection.cursor("SELECT id, t, amount FROM items ORDER BY id")
        record.note("fetched", [list(row.items()) for row in await cursor.fetch(4)])
        record.note("skipped", await cursor.forward(3))
        record.note("fetched", [list(row.items()) for row in await cursor.fetch(4)])


async def copying(record, connection):
    copied = [values(rows.row(number)) for number in range(100, 104)]
    record.note(
        "records", await connection.copy_records_to_table("items", records=copied, columns=rows.COLUMNS)
    )
    for source in ("csv", "text", "binary"):
        out = io.BytesIO()
        columns = ["code", "n4", "t", "tags", "d"]
        status = await connection.copy_from_table("items", output=out, columns=columns, format=source)
        # A table's rows come in no order of their own.
        parts = out.getvalue() if source == "binary" else out.getvalue().split(b"\n")
        record.note(f"{source} out", [status, sorted(parts)])
        out = io.BytesIO()
        await connection.copy_from_query(
            "SELECT code, n4, raw FROM items WHERE n4 = $1 ORDER BY id", 2, output=out, format=source
        )
        record.note(f"{source} query", out.getvalue())
    lines = f'copied 1,7,"{MARKER} ""quoted"""\ncopied 2,,{MARKER}\n'.encode()
    record.note(
        "csv in",
        await connection.copy_to_table(
            "items", source=io.BytesIO(lines), columns=["code", "n4", "t"], format="csv"
        ),
    )
    await attempt(record, "copied", connection, "SELECT * FROM items WHERE id > 25 ORDER BY id")
    try:
        await connection.copy_records_to_table("items", records=[(rows.row(1)["code"],)], columns=["code"])
    except asyncpg.PostgresError as error:
        record.note("error in COPY", [error.sqlstate, error.constraint_name])


async def introspection(record, connection):
    """Types that asyncpg does not know are read from the catalogue, in one large statement."""
    await connection.execute("DROP TYPE IF EXISTS mood, pair; CREATE TYPE mood AS ENUM ('sad', 'ok')")
    await connection.execute("CREATE TYPE pair AS (a int, b mood[])")
    await attempt(record, "enum", connection, "SELECT $1::mood, $2::mood[]", "sad", ["ok", "sad"])
    await attempt(record, "composite", connection, "SELECT ROW(1, ARRAY['ok'])::pair")
    await attempt(record, "range", connection, "SELECT int4range(1, 5), '{[1,2)}'::int4multirange")
    await connection.reload_schema_state()
    await attempt(record, "again", connection, "SELECT $1::mood, code FROM items WHERE id = 2", "ok")


async def pool(record, options):
    async with asyncpg.create_pool(**options, min_size=1, max_size=2, init=session) as connections:
        async def reader(number):
            async with connections.acquire() as connection:
                await connection.execute("SET search_path = public, pg_catalog")
                return await connection.fetchval(
                    "SELECT doc FROM items WHERE code = $1", rows.row(number)["code"]
                )
        record.note("pool", await asyncio.gather(*(reader(number % 20) for number in range(40))))
        record.note("reset", await connections.fetchval("SHOW search_path"))


async def notifications(record, connection, options):
    heard = asyncio.get_running_loop().create_future()
    await connection.add_listener("news", lambda *news: heard.set_result(news[2:]))
    other = await asyncpg.connect(**options)
    await other.execute("SELECT pg_notify('news', 'hello')")
    record.note("notification", await asyncio.wait_for(heard, 60))
    await connection.remove_listener("news", lambda *_: None)
    await other.close()


async def limits(record, connection):
    """asyncpg cancels what takes too long, over a connection of its own."""
    try:
        await connection.execute("SELECT pg_sleep(60)", timeout=0.3)
    except asyncio.TimeoutError:
        record.note("time limit", "cancelled")
    await attempt(record, "usable", connection, "SELECT code FROM items WHERE id = 1")


async def scenario(**options):
    record = Record()
    connection = await asyncpg.connect(**options)
    await session(connection)
    for step in (insertion, queries, orders, errors, cursors, copying, introspection, limits):
        await step(record, connection)
    await notifications(record, connection, options)
    await connection.reset()
    await connection.close()
    await pool(record, options)
    return record


async def main():
    trusting = ssl.create_default_context(cafile=twins.PROXY_CA)
    records = {
        "plain": await scenario(dsn=twins.PLAIN),
        "proxy with TLS": await scenario(dsn=twins.PROXY, ssl=trusting),
        "proxy's socket": await scenario(
            dsn=twins.PROXY, host=twins.SOCKETS, port=int(twins.PROXY_PORT)
        ),
    }
    # Without prepared statements that stay, as behind a pool that hands out server connections.
    record = await scenario(dsn=twins.PROXY, statement_cache_size=0)
    records["no statement cache"] = record
    finish(compare(records))


asyncio.run(main())
