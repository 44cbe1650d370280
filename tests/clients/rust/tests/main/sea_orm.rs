//! SeaORM: entities with the types that the application sees, over the private socket: active
//! models, filters, relations, upserts, many rows, transactions, paginators, streams.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use futures_util::TryStreamExt;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectOptions, Database, DatabaseConnection,
    DbErr, EntityTrait, IntoActiveModel, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, TransactionTrait,
};
use sealwire_clients::{MARKER, Record, Twins};

mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "items")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub code: String,
        pub n4: Option<i32>,
        pub n8: Option<i64>,
        pub t: Option<String>,
        pub ok: Option<bool>,
        pub f8: Option<f64>,
        #[sea_orm(column_type = "Decimal(Some((12, 2)))")]
        pub amount: Option<Decimal>,
        pub uid: Option<Uuid>,
        pub d: Option<chrono::NaiveDate>,
        pub ts: Option<chrono::NaiveDateTime>,
        pub tstz: Option<chrono::DateTime<chrono::Utc>>,
        pub raw: Option<Vec<u8>>,
        #[sea_orm(column_type = "JsonBinary")]
        pub doc: Option<Json>,
        pub tags: Option<Vec<String>>,
        pub note: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::order::Entity")]
        Order,
    }

    impl Related<super::order::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Order.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod order {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "orders")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub item_code: String,
        pub quantity: Option<i32>,
        pub remark: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::item::Entity",
            from = "Column::ItemCode",
            to = "super::item::Column::Code"
        )]
        Item,
    }

    impl Related<super::item::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Item.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use item::{Column, Entity as Items};
use order::Entity as Orders;

fn day(number: i32) -> DateTime<Utc> {
    let start = Utc.with_ymd_and_hms(2024, 2, 29, 12, 30, 15).unwrap();
    start + chrono::TimeDelta::days(number.into())
}

fn code_of(number: i32) -> String {
    format!("{MARKER}-{number}")
}

fn model(number: i32) -> item::ActiveModel {
    let at: NaiveDateTime = day(number).naive_utc();
    let date: NaiveDate = at.date();
    item::ActiveModel {
        id: ActiveValue::NotSet,
        code: Set(code_of(number)),
        n4: Set(Some(number % 3)),
        n8: Set(Some(777_712_345_000 + i64::from(number))),
        t: Set(Some(format!("{MARKER} {number}"))),
        ok: Set(Some(number % 2 == 0)),
        f8: Set(Some(f64::from(number) / 7.0)),
        amount: Set(Some(rust_decimal::Decimal::new(i64::from(number) * 110, 2))),
        uid: Set(Some(uuid::Uuid::from_u128(
            (0x5e5a_3e5e << 96) | u128::from(number.unsigned_abs()),
        ))),
        d: Set(Some(date)),
        ts: Set(Some(at)),
        tstz: Set(Some(day(number))),
        raw: Set(Some(format!("{MARKER}\0{number}").into_bytes())),
        doc: Set(Some(
            serde_json::json!({ "key": MARKER, "list": [1, null] }),
        )),
        tags: Set(Some(vec![MARKER.to_owned(), String::new()])),
        note: Set((number % 2 == 0).then(|| "note".into())),
    }
}

/// What tells a database's error apart.
fn code(error: &DbErr) -> String {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => "unique".into(),
        Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_)) => "foreign key".into(),
        _ => format!("{error}"),
    }
}

async fn rows(record: &mut Record, database: &DatabaseConnection) -> Result<(), DbErr> {
    for number in 0..4 {
        record.attempt("insert", model(number).insert(database).await, code);
    }
    let many = Items::insert_many((4..12).map(model)).exec_with_returning(database);
    record.attempt("many", many.await, code);
    record.attempt("unique", model(3).insert(database).await, code);
    let found = Items::find()
        .filter(Column::Code.eq(code_of(5)))
        .one(database)
        .await;
    record.attempt("one", found, code);
    let found = Items::find()
        .filter(Column::N4.is_in([0, 2]))
        .filter(Column::Uid.ne(uuid::Uuid::nil()))
        .filter(Column::D.ne(day(6).date_naive()))
        .order_by_asc(Column::Id)
        .all(database)
        .await;
    record.attempt("all", found, code);
    let found = Items::find()
        .filter(Column::Tstz.eq(day(7)))
        .count(database);
    record.attempt("count", found.await, code);
    let groups = Items::find()
        .select_only()
        .column_as(Column::Id.count(), "n")
        .group_by(Column::N4)
        .order_by_asc(Column::Id.count())
        .into_tuple::<i64>()
        .all(database)
        .await;
    record.attempt("groups", groups, code);

    let mut changed = Items::find_by_id(2)
        .one(database)
        .await?
        .unwrap()
        .into_active_model();
    changed.t = Set(Some(format!("{MARKER} new")));
    changed.doc = Set(Some(serde_json::json!([MARKER])));
    changed.n4 = Set(None);
    record.attempt("update", changed.update(database).await, code);
    let upserted = Items::insert(model(2))
        .on_conflict(
            OnConflict::column(Column::Code)
                .update_columns([Column::N4, Column::T])
                .to_owned(),
        )
        .exec_with_returning(database)
        .await;
    record.attempt("upsert", upserted, code);
    let updated = Items::update_many()
        .col_expr(Column::Ok, sea_orm::sea_query::Expr::value(true))
        .filter(Column::N4.eq(1))
        .exec(database)
        .await;
    record.attempt("update many", updated.map(|done| done.rows_affected), code);
    let pages = Items::find().order_by_asc(Column::Id).paginate(database, 5);
    record.attempt("page", pages.fetch_page(1).await, code);
    record.attempt("pages", pages.num_pages().await, code);
    let streamed: Vec<item::Model> = Items::find()
        .order_by_asc(Column::Id)
        .stream(database)
        .await?
        .try_collect()
        .await?;
    record.note("stream", streamed);
    Ok(())
}

async fn relations(record: &mut Record, database: &DatabaseConnection) -> Result<(), DbErr> {
    for number in [1, 2, 2] {
        let order = order::ActiveModel {
            item_code: Set(code_of(number)),
            quantity: Set(Some(number * 10)),
            remark: Set(Some(MARKER.into())),
            ..Default::default()
        };
        record.attempt("order", order.insert(database).await, code);
    }
    let orphan = order::ActiveModel {
        item_code: Set("nothing".into()),
        ..Default::default()
    };
    record.attempt("foreign key", orphan.insert(database).await, code);
    let eager = Orders::find()
        .find_also_related(Items)
        .order_by_asc(order::Column::Id)
        .all(database)
        .await;
    record.attempt("eager", eager, code);
    let many = Items::find()
        .find_with_related(Orders)
        .filter(order::Column::Quantity.eq(20))
        .order_by_asc(Column::Id)
        .order_by_asc(order::Column::Id)
        .all(database)
        .await;
    record.attempt("with related", many, code);
    let order = Orders::find()
        .order_by_asc(order::Column::Id)
        .one(database)
        .await?
        .unwrap();
    record.attempt("lazy", order.find_related(Items).one(database).await, code);
    let transaction = database.begin().await?;
    order.delete(&transaction).await?;
    let inner = transaction.begin().await?;
    record.attempt("in a savepoint", model(3).insert(&inner).await, code);
    inner.rollback().await?;
    record.attempt("count", Orders::find().count(&transaction).await, code);
    transaction.rollback().await?;
    record.attempt("count", Orders::find().count(database).await, code);
    Ok(())
}

async fn scenario(url: &str) -> Record {
    let mut record = Record::default();
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).max_connections(2);
    let database = Database::connect(options).await.unwrap();
    rows(&mut record, &database).await.unwrap();
    relations(&mut record, &database).await.unwrap();
    database.close().await.unwrap();
    record
}

#[tokio::test]
async fn sea_orm() {
    let twins = Twins::new().await;
    let plain = scenario(&twins.plain_url()).await;
    let sealed = scenario(&twins.sealed_url()).await;
    twins.finish(plain, sealed).await;
}
