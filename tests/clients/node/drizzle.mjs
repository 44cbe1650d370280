// Drizzle on node-postgres: its query builder, relational look-ups, upserts, prepared queries,
// nested transactions. Tables as an application declares them, with the types that it sees.

import { and, count, eq, inArray, isNull, ne, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import {
  bigint, boolean, customType, date, doublePrecision, integer, jsonb, numeric, pgTable, text, timestamp, uuid, varchar,
} from "drizzle-orm/pg-core";
import pg from "pg";
import { compare, empty, env, marker, Record, row, trusting } from "./twins.mjs";

const bytea = customType({ dataType: () => "bytea" });

const items = pgTable("items", {
  id: integer().primaryKey().generatedByDefaultAsIdentity(),
  code: varchar({ length: 20 }).notNull().unique(),
  n4: integer(),
  n8: bigint({ mode: "bigint" }),
  t: text(),
  ok: boolean(),
  f8: doublePrecision(),
  amount: numeric({ precision: 12, scale: 2 }),
  uid: uuid(),
  d: date(),
  ts: timestamp(),
  tstz: timestamp({ withTimezone: true }),
  raw: bytea(),
  doc: jsonb(),
  tags: text().array(),
  note: text(),
});

const orders = pgTable("orders", {
  id: integer().primaryKey().generatedByDefaultAsIdentity(),
  itemCode: varchar("item_code", { length: 20 }).notNull().references(() => items.code),
  quantity: integer(),
  remark: text(),
});

async function scenario(options) {
  const record = new Record();
  const pool = new pg.Pool({ ...options, max: 2 });
  const db = drizzle(pool);
  await db.execute(sql`TRUNCATE ${items}, ${orders} RESTART IDENTITY`);

  const inserted = Array.from({ length: 10 }, (_, number) => ({ ...row(number), n8: BigInt(row(number).n8) }));
  await record.attempt("many rows", db.insert(items).values(inserted).returning());
  await record.attempt("defaults", db.insert(items).values({ code: "defaults" }).returning());
  await record.attempt("no values", db.insert(items).values(empty).returning({ id: items.id, tags: items.tags }));
  await record.attempt("upsert", db.insert(items).values({ code: row(1).code, t: `${marker} again` })
    .onConflictDoUpdate({ target: items.code, set: { t: sql`excluded.t`, n4: 41 } }).returning());
  await record.attempt("ignored", db.insert(items).values({ code: row(1).code }).onConflictDoNothing().returning());
  await record.attempt("update", db.update(items).set({ doc: [marker], tags: [marker], ok: false, amount: "7.10" })
    .where(eq(items.uid, row(2).uid)).returning());
  await record.attempt("delete", db.delete(items).where(eq(items.d, row(9).d)).returning({ id: items.id }));

  for (const condition of [
    eq(items.code, row(3).code),
    and(ne(items.n4, 1), isNull(items.doc)),
    inArray(items.uid, [row(3).uid, row(4).uid]),
    eq(items.tstz, row(5).tstz),
    sql`${items.n4} = ANY(${sql.param([0, 2])}::int[])`,
  ]) {
    await record.attempt("select", db.select().from(items).where(condition).orderBy(items.id));
  }
  await record.attempt("groups", db.select({ n: count() }).from(items).groupBy(items.n4).orderBy(count()));
  await record.attempt("distinct", db.selectDistinct({ ok: isNull(items.n4) }).from(items));
  await record.attempt("count", db.$count(items, eq(items.n4, 0)));

  const prepared = db.select().from(items).where(eq(items.code, sql.placeholder("code"))).limit(1).prepare("by_code");
  for (let number = 3; number < 8; number++) {
    await record.attempt("prepared", prepared.execute({ code: row(number).code }));
  }

  await record.attempt("orders", db.insert(orders).values([1, 2, 2].map((number) =>
    ({ itemCode: row(number).code, quantity: number * 10, remark: marker }))).returning());
  const joined = () => db.select({ t: items.t, quantity: orders.quantity, remark: orders.remark })
    .from(orders).innerJoin(items, eq(orders.itemCode, items.code));
  await record.attempt("join", joined().where(eq(orders.quantity, 20)).orderBy(orders.id));
  await record.attempt("left join", db.select().from(items).leftJoin(orders, eq(orders.itemCode, items.code)).orderBy(items.id, orders.id));
  const busy = db.$with("busy").as(db.select({ code: orders.itemCode }).from(orders).groupBy(orders.itemCode));
  await record.attempt("with", db.with(busy).select({ id: items.id, t: items.t }).from(items)
    .innerJoin(busy, eq(busy.code, items.code)).orderBy(items.id));

  await record.attempt("unique", db.insert(items).values({ code: row(3).code }));
  await record.attempt("foreign key", db.insert(orders).values({ itemCode: "nothing" }));
  await record.attempt("too long", db.insert(items).values({ code: "x".repeat(21) }));
  await record.attempt("transaction", db.transaction(async (outer) => {
    await outer.update(items).set({ t: `${marker} outer` }).where(eq(items.code, row(3).code));
    await outer.transaction((inner) => inner.insert(items).values({ code: row(3).code })).catch(() => {});
    return outer.select({ t: items.t }).from(items).where(eq(items.code, row(3).code));
  }, { isolationLevel: "repeatable read" }));
  await pool.end();
  return record;
}

compare({
  plain: await scenario({ connectionString: env.SEALWIRE_PLAIN_URL }),
  "proxy with TLS": await scenario({ connectionString: env.SEALWIRE_PROXY_URL, ssl: trusting }),
});
