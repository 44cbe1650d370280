//! sqlx: its own protocol code, through the private socket. Queries with binds, prepared and not,
//! rows as structs, streams, transactions, COPY, listeners, batches by arrays.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use futures_util::TryStreamExt;
use rust_decimal::Decimal;
use sealwire_clients::{MARKER, Record, Twins};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolCopyExt, PgPoolOptions};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Executor, Row, SqlStr, Statement};
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(dead_code, reason = "`Debug` shows it")]
struct Item {
    id: i32,
    code: String,
    n4: Option<i32>,
    n8: Option<i64>,
    t: Option<String>,
    ok: Option<bool>,
    f8: Option<f64>,
    amount: Option<Decimal>,
    uid: Option<Uuid>,
    d: Option<NaiveDate>,
    ts: Option<NaiveDateTime>,
    tstz: Option<DateTime<Utc>>,
    raw: Option<Vec<u8>>,
    doc: Option<Value>,
    tags: Option<Vec<Option<String>>>,
    note: Option<String>,
}

fn item(number: i32) -> Item {
    let start = Utc.with_ymd_and_hms(2024, 2, 29, 12, 30, 15).unwrap();
    let at = start + chrono::TimeDelta::hours(number.into());
    Item {
        id: number,
        code: format!("{MARKER}-{number}"),
        n4: Some(number % 3),
        n8: Some(777_712_345_000 + i64::from(number)),
        t: Some(format!("{MARKER} öffne dich {number}")),
        ok: Some(number % 2 == 0),
        f8: Some(f64::from(number) / 7.0),
        amount: Some(Decimal::new(i64::from(number) * 110, 2)),
        uid: Some(Uuid::from_u128(
            0x5e5a_3e5e << 96 | u128::from(number.unsigned_abs()),
        )),
        d: Some(at.date_naive()),
        ts: Some(at.naive_utc()),
        tstz: Some(at),
        raw: Some(format!("{MARKER}\0{number}").into_bytes()),
        doc: Some(json!({ "key": MARKER, "list": [1, null, 1.5] })),
        tags: Some(vec![
            Some(MARKER.to_owned()),
            Some("a \"b\", c\\".into()),
            None,
        ]),
        note: Some("note".into()),
    }
}

const INSERT: &str = "INSERT INTO items (code, n4, n8, t, ok, f8, amount, uid, d, ts, tstz, raw, \
    doc, tags, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
    RETURNING *";

fn insert(
    item: &Item,
) -> sqlx::query::QueryAs<'_, sqlx::Postgres, Item, sqlx::postgres::PgArguments> {
    sqlx::query_as(INSERT)
        .bind(&item.code)
        .bind(item.n4)
        .bind(item.n8)
        .bind(&item.t)
        .bind(item.ok)
        .bind(item.f8)
        .bind(item.amount)
        .bind(item.uid)
        .bind(item.d)
        .bind(item.ts)
        .bind(item.tstz)
        .bind(&item.raw)
        .bind(&item.doc)
        .bind(&item.tags)
        .bind(&item.note)
}

/// What tells a database's error apart.
fn code(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => format!(
            "{:?} {:?} {:?}",
            error.code(),
            error.constraint(),
            error.table()
        ),
        None => panic!("{error}"),
    }
}

async fn queries(record: &mut Record, pool: &PgPool) {
    for number in 0..12 {
        record.attempt("insert", insert(&item(number)).fetch_one(pool).await, code);
    }
    record.attempt("unique", insert(&item(3)).fetch_one(pool).await, code);
    for persistent in [true, false] {
        for number in [3, 4, 3] {
            let found: Vec<Item> = sqlx::query_as("SELECT * FROM items WHERE code = $1")
                .bind(item(number).code)
                .persistent(persistent)
                .fetch_all(pool)
                .await
                .unwrap();
            record.note("by code", found);
        }
    }
    let one = item(5);
    let found: Vec<(i32, Option<String>)> = sqlx::query_as(
        "SELECT id, t FROM items WHERE n4 = $1 AND d IN ($2, $3) AND uid <> $4 AND tstz = ANY($5) ORDER BY id",
    )
    .bind(one.n4)
    .bind(one.d)
    .bind(item(2).d)
    .bind(Uuid::nil())
    .bind(vec![one.tstz.unwrap(), item(2).tstz.unwrap()])
    .fetch_all(pool)
    .await
    .unwrap();
    record.note("by many", found);
    // Many rows by arrays is what sqlx's documentation tells to do.
    let batch = sqlx::query(
        "INSERT INTO items (code, n4) SELECT * FROM UNNEST($1::varchar[], $2::int4[]) RETURNING code, n4",
    )
    .bind(vec!["batch 1", "batch 2"])
    .bind(vec![1, 2])
    .fetch_all(pool)
    .await
    .unwrap();
    let batch: Vec<(String, i32)> = batch.iter().map(|row| (row.get(0), row.get(1))).collect();
    record.note("batch", batch);
    let streamed: Vec<Item> = sqlx::query_as("SELECT * FROM items WHERE n4 <> $1 ORDER BY id")
        .bind(1)
        .fetch(pool)
        .try_collect()
        .await
        .unwrap();
    record.note("stream", streamed);
    let prepared = pool.prepare(SqlStr::from_static(INSERT)).await.unwrap();
    let columns = prepared.columns().iter();
    let columns: Vec<_> = columns
        .map(|it| format!("{} {}", it.name(), it.type_info()))
        .collect();
    record.note(
        "prepared",
        (columns, format!("{:?}", prepared.parameters())),
    );
}

async fn changes(record: &mut Record, pool: &PgPool) {
    let changed = sqlx::query_as::<_, Item>(
        "UPDATE items SET t = $1, doc = $2, tags = $3, n4 = NULL WHERE code = $4 RETURNING *",
    )
    .bind(format!("{MARKER} new"))
    .bind(sqlx::types::Json(vec![MARKER]))
    .bind(Vec::<String>::new())
    .bind(item(1).code)
    .fetch_all(pool)
    .await;
    record.attempt("update", changed, code);
    let upserted = sqlx::query_as::<_, (i32, i32)>(
        "INSERT INTO items (code, n4) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET n4 = EXCLUDED.n4 RETURNING id, n4",
    )
    .bind(item(2).code)
    .bind(77)
    .fetch_all(pool)
    .await;
    record.attempt("upsert", upserted, code);

    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO orders (item_code, quantity, remark) VALUES ($1, $2, $3)")
        .bind(item(2).code)
        .bind(20)
        .bind(MARKER)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let mut savepoint = sqlx::Acquire::begin(&mut *transaction).await.unwrap();
    let failed = sqlx::query("INSERT INTO orders (item_code) VALUES ('nothing')")
        .execute(&mut *savepoint)
        .await;
    record.attempt("foreign key", failed.map(|done| done.rows_affected()), code);
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let dropped = pool.begin().await.unwrap();
    drop(dropped);
    let joined = sqlx::query_as::<_, (Option<String>, Option<i32>, Option<String>)>(
        "SELECT i.t, o.quantity, o.remark FROM items i JOIN orders o ON o.item_code = i.code WHERE o.quantity = $1",
    )
    .bind(20)
    .fetch_all(pool)
    .await;
    record.attempt("join", joined, code);
    for (label, sql) in [
        ("not null", "INSERT INTO items (t) VALUES ('x')"),
        (
            "too long",
            "INSERT INTO items (code) VALUES ('123456789012345678901')",
        ),
        ("syntax", "SELECT FROM WHERE"),
    ] {
        let failed = sqlx::query(sql).execute(pool).await;
        record.attempt(label, failed.map(|done| done.rows_affected()), code);
        let failed = sqlx::raw_sql(sql).execute(pool).await;
        record.attempt(label, failed.map(|done| done.rows_affected()), code);
    }
    let several = format!(
        "BEGIN; UPDATE items SET note = 'x' WHERE code = '{0}'; SELECT t, note FROM items WHERE code = '{0}'; COMMIT",
        item(3).code
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(several))
        .fetch_all(pool)
        .await
        .unwrap();
    let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    record.note("several statements", rows);
}

async fn copying(record: &mut Record, pool: &PgPool) {
    let mut copy = pool
        .copy_in_raw("COPY items (code, n4, t) FROM STDIN (FORMAT csv)")
        .await
        .unwrap();
    let lines = format!("copied 1,7,\"{MARKER}, \"\"quoted\"\"\"\ncopied 2,,\n");
    copy.send(lines.as_bytes()).await.unwrap();
    record.note("copied in", copy.finish().await.unwrap());
    let out = pool
        .copy_out_raw("COPY (SELECT id, code, n4, t, d FROM items ORDER BY id) TO STDOUT")
        .await
        .unwrap();
    let out: Vec<_> = out.try_collect().await.unwrap();
    record.note("copied out", out.concat());
}

async fn listening(record: &mut Record, url: &str, pool: &PgPool) {
    let mut listener = PgListener::connect(url).await.unwrap();
    listener.listen("news").await.unwrap();
    sqlx::query("SELECT pg_notify('news', $1)")
        .bind("hello")
        .execute(pool)
        .await
        .unwrap();
    record.note("notification", listener.recv().await.unwrap().payload());
}

async fn scenario(url: &str) -> Record {
    let mut record = Record::default();
    let options: PgConnectOptions = url.parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_with(options.disable_statement_logging())
        .await
        .unwrap();
    queries(&mut record, &pool).await;
    changes(&mut record, &pool).await;
    copying(&mut record, &pool).await;
    listening(&mut record, url, &pool).await;
    let looks = (0..30).map(|number| {
        let pool = pool.clone();
        async move {
            sqlx::query_scalar::<_, Option<Vec<u8>>>("SELECT raw FROM items WHERE code = $1")
                .bind(item(number % 12).code)
                .fetch_one(&pool)
                .await
                .unwrap()
        }
    });
    record.note("pool", futures_util::future::join_all(looks).await);
    pool.close().await;
    record
}

#[tokio::test]
async fn sqlx() {
    let twins = Twins::new().await;
    let plain = scenario(&twins.plain_url()).await;
    let sealed = scenario(&twins.sealed_url()).await;
    twins.finish(plain, sealed).await;
}
