// node-postgres: simple queries with several statements, parameters, named prepared statements,
// binary results, cursors, pools, transactions, notifications, cancelling.

import pg from "pg";
import Cursor from "pg-cursor";
import { columns, compare, empty, env, marker, overSocket, Record, row, trusting, values } from "./twins.mjs";

const names = columns.join(", ");
const marks = columns.map((_, index) => `$${index + 1}`).join(", ");
const insert = `INSERT INTO items (${names}) VALUES (${marks})`;

const shape = (result) => ({
  command: result.command,
  rowCount: result.rowCount,
  // A table of another database has another OID.
  fields: result.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.dataTypeModifier, f.format, f.columnID]),
  rows: result.rows,
});

/** The answer of one statement. */
const ask = async (client, ...query) => shape(await client.query(...query));

async function insertion(record, client) {
  await client.query("TRUNCATE items, orders RESTART IDENTITY");
  for (let number = 0; number < 20; number++) {
    await record.attempt("insert", ask(client, `${insert} RETURNING *`, values(row(number))));
  }
  await record.attempt("no values", ask(client, `${insert} RETURNING *`, values(empty)));
  const large = { ...row(30), t: `${marker} ${"x".repeat(100_000)}`, raw: Buffer.alloc(100_000, marker) };
  await record.attempt("large values", ask(client, `${insert} RETURNING *`, values(large)));
}

async function simple(record, client) {
  const quoted = client.escapeLiteral(row(3).code);
  await record.attempt("simple", ask(client, `SELECT * FROM items WHERE code = ${quoted}`));
  await record.attempt("literals", ask(client, `INSERT INTO items (code, n4, uid, d, tags, raw) VALUES
    ('${marker} literal', 5, '${row(40).uid}', '2024-02-29', '{a,"b c"}', '\\x00ff') RETURNING *`));
  const several = await client.query(`BEGIN; SAVEPOINT a; SELECT code, n4 FROM items WHERE n4 = 1 ORDER BY id;
    UPDATE items SET t = '${marker}' WHERE code = ${quoted}; SELECT t FROM items WHERE code = ${quoted}; COMMIT`);
  record.note("several statements", several.map(shape));
  const behind = await client.query(`BEGIN; UPDATE items SET n4 = 71 WHERE code = ${quoted}; COMMIT;
    SELECT code, n4 FROM items WHERE code = ${quoted}`);
  record.note("behind COMMIT", behind.map(shape));
  await record.attempt("error among several", client.query(
    `SELECT 1; INSERT INTO items (code) VALUES (${quoted}); INSERT INTO items (code) VALUES ('not reached')`));
  await record.attempt("all undone", ask(client, "SELECT count(*) FROM items WHERE code = 'not reached'"));
}

async function parameters(record, client) {
  for (const binary of [false, true]) {
    for (const column of ["code", "n4", "uid", "d", "tstz"]) {
      const text = `SELECT * FROM items WHERE ${column} = $1 ORDER BY id`;
      await record.attempt(`by ${column}`, ask(client, { text, values: [row(4)[column]], binary }));
      await record.attempt(`by ${column} ANY`, ask(client, {
        text: `SELECT id, ${column} FROM items WHERE ${column} = ANY($1) ORDER BY id`,
        values: [[row(4)[column], row(5)[column]]],
        binary,
      }));
    }
  }
  await record.attempt("as arrays", ask(client, { text: "SELECT id, code, tags FROM items ORDER BY id", rowMode: "array" }));
  const text = "SELECT id, t, doc, raw FROM items WHERE code = $1";
  for (let number = 0; number < 6; number++) {
    await record.attempt("named", ask(client, { name: "by code", text, values: [row(number).code] }));
  }
  await record.attempt("update", ask(client,
    "UPDATE items SET t = $1, doc = $2, ok = $3 WHERE code = $4 RETURNING id, t, doc, ok",
    [`${marker} new`, JSON.stringify([marker]), "yes", row(1).code]));
  await record.attempt("upsert", ask(client,
    `INSERT INTO items (code, n4) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET n4 = EXCLUDED.n4
     RETURNING id, n4`, [row(2).code, "77"]));
  for (const number of [1, 2, 2]) {
    await record.attempt("order", ask(client,
      "INSERT INTO orders (item_code, quantity, remark) VALUES ($1, $2, $3) RETURNING *",
      [row(number).code, number * 10, marker]));
  }
  await record.attempt("join", ask(client,
    `SELECT i.id, i.t, o.quantity, o.remark FROM items i JOIN orders o ON o.item_code = i.code
     WHERE o.quantity = $1 ORDER BY o.id`, [20]));
}

async function errors(record, client) {
  const cases = [
    ["unique", "INSERT INTO items (code) VALUES ($1)", [row(3).code]],
    ["not null", "INSERT INTO items (t) VALUES ($1)", [marker]],
    ["foreign key", "INSERT INTO orders (item_code) VALUES ($1)", ["nothing"]],
    ["too long", "INSERT INTO items (code) VALUES ($1)", ["x".repeat(21)]],
    ["out of range", "UPDATE items SET n4 = $1", [2 ** 31]],
    ["numeric overflow", "UPDATE items SET amount = $1", [10 ** 10]],
    ["not a number", "SELECT * FROM items WHERE n4 = $1", ["x"]],
    ["not JSON", "UPDATE items SET doc = $1", ["{"]],
    ["no such column", "SELECT nothing FROM items", []],
    ["syntax", "SELECT FROM WHERE", []],
  ];
  for (const [label, text, values] of cases) {
    await record.attempt(label, ask(client, text, values));
    await client.query("BEGIN");
    await record.attempt(`${label} in a transaction`, ask(client, text, values));
    await record.attempt(`after ${label}`, ask(client, "SELECT count(*) FROM items"));
    await client.query("ROLLBACK");
  }
  await client.query("BEGIN ISOLATION LEVEL SERIALIZABLE");
  await client.query("SAVEPOINT before");
  await record.attempt("in a savepoint", ask(client, cases[0][1], cases[0][2]));
  await client.query("ROLLBACK TO before");
  await record.attempt("goes on", ask(client, "SELECT id, code FROM items WHERE id = 1"));
  await client.query("COMMIT");
}

async function cursors(record, client) {
  const cursor = client.query(new Cursor("SELECT id, code, t, tags FROM items WHERE n4 <> $1 ORDER BY id", [1]));
  for (const size of [1, 5, 100, 1]) {
    record.note("cursor", await cursor.read(size));
  }
  await cursor.close();
  const abandoned = client.query(new Cursor("SELECT * FROM items ORDER BY id"));
  record.note("abandoned", await abandoned.read(2));
  await abandoned.close();
  await record.attempt("after it", ask(client, "SELECT code FROM items WHERE id = 1"));
}

async function pool(record, options) {
  const pool = new pg.Pool({ ...options, max: 3 });
  const numbers = Array.from({ length: 40 }, (_, index) => index % 20);
  const found = await Promise.all(numbers.map((number) =>
    pool.query("SELECT doc, t FROM items WHERE code = $1", [row(number).code])));
  record.note("pool", found.map((result) => result.rows));
  await pool.end();
}

async function notifications(record, client, options) {
  const heard = new Promise((resolve) => client.once("notification", ({ channel, payload }) => resolve([channel, payload])));
  await client.query("LISTEN news");
  const other = new pg.Client(options);
  await other.connect();
  await other.query("SELECT pg_notify($1, $2)", ["news", "hello"]);
  await other.end();
  record.note("notification", await heard);
}

async function cancelling(record, client, options) {
  const other = new pg.Client(options);
  await other.connect();
  const sleeping = record.attempt("cancelled", client.query("SELECT pg_sleep(60)"));
  // Until the statement is seen to run there is nothing to cancel.
  const cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%' AND state = 'active'";
  while ((await other.query(cancel, [client.processID])).rowCount === 0);
  await sleeping;
  await other.end();
  await record.attempt("usable", ask(client, "SELECT code FROM items WHERE id = 1"));
  // The error takes the setting back, which would end other statements too on a loaded machine.
  await record.attempt("time limit", client.query("SET statement_timeout = 100; SELECT pg_sleep(60)"));
  await record.attempt("no time limit", ask(client, "SHOW statement_timeout"));
  await client.query("RESET ALL");
  await client.query("DISCARD ALL");
  await record.attempt("after DISCARD ALL", ask(client, "SELECT t FROM items WHERE code = $1", [row(1).code]));
}

async function scenario(options) {
  const record = new Record();
  const client = new pg.Client(options);
  await client.connect();
  for (const step of [insertion, simple, parameters, errors, cursors]) {
    await step(record, client);
  }
  await notifications(record, client, options);
  await cancelling(record, client, options);
  await client.end();
  await pool(record, options);
  return record;
}

compare({
  plain: await scenario({ connectionString: env.SEALWIRE_PLAIN_URL }),
  "proxy with TLS": await scenario({ connectionString: env.SEALWIRE_PROXY_URL, ssl: trusting }),
  "proxy's socket": await scenario(overSocket()),
});
