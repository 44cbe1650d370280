//! diesel-async: its DSL on `table!` with the types that the application sees. Over the private
//! socket with a pool, and on a client of `sealwire::connect`.

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use sealwire_clients::{MARKER, Record, Twins};
use tokio_postgres::NoTls;
use uuid::Uuid;

diesel::table! {
    items (id) {
        id -> Int4,
        code -> Varchar,
        n4 -> Nullable<Int4>,
        n8 -> Nullable<Int8>,
        t -> Nullable<Text>,
        ok -> Nullable<Bool>,
        f8 -> Nullable<Float8>,
        amount -> Nullable<Numeric>,
        uid -> Nullable<Uuid>,
        d -> Nullable<Date>,
        ts -> Nullable<Timestamp>,
        tstz -> Nullable<Timestamptz>,
        raw -> Nullable<Bytea>,
        doc -> Nullable<Jsonb>,
        tags -> Nullable<Array<Nullable<Text>>>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    orders (id) {
        id -> Int4,
        item_code -> Varchar,
        quantity -> Nullable<Int4>,
        remark -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(items, orders);

#[derive(AsChangeset, Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = items, check_for_backend(diesel::pg::Pg))]
struct Item {
    code: String,
    n4: Option<i32>,
    n8: Option<i64>,
    t: Option<String>,
    ok: Option<bool>,
    f8: Option<f64>,
    amount: Option<BigDecimal>,
    uid: Option<Uuid>,
    d: Option<NaiveDate>,
    ts: Option<NaiveDateTime>,
    tstz: Option<DateTime<Utc>>,
    raw: Option<Vec<u8>>,
    doc: Option<serde_json::Value>,
    tags: Option<Vec<Option<String>>>,
    note: Option<String>,
}

fn item(number: i32) -> Item {
    let start = Utc.with_ymd_and_hms(2024, 2, 29, 12, 30, 15).unwrap();
    let at = start + chrono::TimeDelta::hours(number.into());
    Item {
        code: format!("{MARKER}-{number}"),
        n4: Some(number % 3),
        n8: Some(777_712_345_000 + i64::from(number)),
        t: Some(format!("{MARKER} {number}")),
        ok: Some(number % 2 == 0),
        f8: Some(f64::from(number) / 7.0),
        amount: Some(BigDecimal::new((number * 110).into(), 2)),
        uid: Some(Uuid::from_u128(
            (0x5e5a_3e5e << 96) | u128::from(number.unsigned_abs()),
        )),
        d: Some(at.date_naive()),
        ts: Some(at.naive_utc()),
        tstz: Some(at),
        raw: Some(format!("{MARKER}\0{number}").into_bytes()),
        doc: Some(serde_json::json!({ "key": MARKER, "list": [1, null] })),
        tags: Some(vec![Some(MARKER.into()), None, Some(String::new())]),
        note: (number % 2 == 0).then(|| "note".into()),
    }
}

/// What tells a database's error apart.
fn code(error: &Error) -> String {
    match error {
        Error::DatabaseError(kind, information) => {
            // Values of encrypted columns are in no message of ours.
            let named = information.constraint_name();
            match kind {
                DatabaseErrorKind::Unknown => format!("{} {named:?}", information.message()),
                kind => format!("{kind:?} {named:?}"),
            }
        }
        error => panic!("{error}"),
    }
}

async fn scenario(connection: &mut AsyncPgConnection) -> Record {
    let mut record = Record::default();
    let connection = &mut *connection;
    let one = diesel::insert_into(items::table).values(item(0));
    let one = one
        .returning(Item::as_returning())
        .get_result(connection)
        .await;
    record.attempt("insert", one, code);
    let many: Vec<Item> = (1..12).map(item).collect();
    let many = diesel::insert_into(items::table).values(many);
    let many = many
        .returning((items::id, items::tags))
        .get_results::<(i32, Option<Vec<Option<String>>>)>(connection);
    record.attempt("many", many.await, code);
    let unique = diesel::insert_into(items::table).values(item(3));
    record.attempt("unique", unique.execute(connection).await, code);
    for _ in 0..2 {
        let found = items::table
            .filter(items::code.eq(item(4).code))
            .or_filter(items::uid.eq(item(5).uid))
            .or_filter(items::d.eq_any([item(6).d.unwrap()]))
            .select(Item::as_select())
            .order(items::id)
            .load(connection)
            .await;
        record.attempt("filters", found, code);
    }
    let found = items::table.filter(
        items::n4
            .is_distinct_from(Some(1))
            .and(items::tstz.ne(item(6).tstz)),
    );
    let found = found
        .select((items::id, items::doc, items::amount))
        .order(items::id);
    let found = found
        .load::<(i32, Option<serde_json::Value>, Option<BigDecimal>)>(connection)
        .await;
    record.attempt("select", found, code);
    let groups = items::table
        .group_by(items::n4)
        .select((diesel::dsl::count_star(), items::n4.is_null()));
    let groups = groups
        .order(diesel::dsl::count_star())
        .load::<(i64, bool)>(connection)
        .await;
    record.attempt("groups", groups, code);
    let updated = diesel::update(items::table.filter(items::code.eq(item(1).code))).set((
        items::t.eq(format!("{MARKER} new")),
        items::n4.eq(None::<i32>),
        items::ok.eq(true),
    ));
    let updated = updated
        .returning(Item::as_returning())
        .get_results(connection)
        .await;
    record.attempt("update", updated, code);
    let upserted = diesel::insert_into(items::table)
        .values(item(2))
        .on_conflict(items::code)
        .do_update()
        .set((
            items::n4.eq(77),
            items::t.eq(diesel::upsert::excluded(items::t)),
        ));
    let upserted = upserted
        .returning((items::id, items::n4))
        .get_results::<(i32, Option<i32>)>(connection);
    record.attempt("upsert", upserted.await, code);
    let ordered = diesel::insert_into(orders::table).values((
        orders::item_code.eq(item(2).code),
        orders::quantity.eq(20),
        orders::remark.eq(MARKER),
    ));
    record.attempt("order", ordered.execute(connection).await, code);
    let joined = orders::table
        .inner_join(items::table.on(items::code.eq(orders::item_code)))
        .filter(orders::quantity.eq(20))
        .select((items::t, orders::remark));
    let joined = joined
        .load::<(Option<String>, Option<String>)>(connection)
        .await;
    record.attempt("join", joined, code);
    let outer = connection
        .transaction(async |connection| {
            diesel::update(items::table.filter(items::code.eq(item(3).code)))
                .set(items::n4.eq(41))
                .execute(connection)
                .await?;
            let inner = connection
                .transaction(async |connection| {
                    let again = diesel::insert_into(items::table).values(item(3));
                    again.execute(connection).await
                })
                .await;
            assert!(matches!(inner, Err(Error::DatabaseError(..))));
            let found = items::table.filter(items::code.eq(item(3).code));
            let found = found.select(items::n4);
            found.first::<Option<i32>>(connection).await
        })
        .await;
    record.attempt("transaction", outer, code);
    let deleted = diesel::delete(items::table.filter(items::d.eq(item(11).d)));
    record.attempt("delete", deleted.execute(connection).await, code);
    let raw = diesel::sql_query("SELECT count(*) AS n FROM items WHERE code = $1")
        .bind::<diesel::sql_types::Text, _>(item(7).code);
    record.attempt("raw", raw.execute(connection).await, code);
    record
}

#[tokio::test]
async fn diesel_async_over_the_private_socket() {
    let twins = Twins::new().await;
    let mut plain = AsyncPgConnection::establish(&twins.plain_url())
        .await
        .unwrap();
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(twins.sealed_url());
    let pool = Pool::builder(manager).max_size(1).build().unwrap();
    let expected = scenario(&mut plain).await;
    let found = scenario(&mut pool.get().await.unwrap()).await;
    twins.finish(expected, found).await;
}

#[tokio::test]
async fn diesel_async_on_a_client() {
    let twins = Twins::new().await;
    let mut plain = AsyncPgConnection::establish(&twins.plain_url())
        .await
        .unwrap();
    let (client, connection) = sealwire::connect(&twins.fixture.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut sealed = AsyncPgConnection::try_from(client).await.unwrap();
    let expected = scenario(&mut plain).await;
    let found = scenario(&mut sealed).await;
    twins.finish(expected, found).await;
}
