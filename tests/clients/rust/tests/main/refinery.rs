//! refinery: a migration creates the encrypted table, through the layer, and the connection that ran
//! it goes on.

use refinery::{Migration, Runner};
use sealwire_clients::{MARKER, Record, Twins};
use sealwire_testkit::fixture::items;
use sealwire_testkit::fixture::schema::Twin;
use tokio_postgres::{Client, NoTls};

async fn scenario(twins: &Twins, twin: Twin, client: &mut Client) -> Record {
    let mut migrations = Vec::new();
    for (number, table) in twins.fixture.tables().iter().enumerate() {
        let name = format!("V{}__{}", number + 1, table.name);
        migrations.push(Migration::unapplied(&name, &table.ddl(twin)).unwrap());
    }
    let filled =
        format!("INSERT INTO items (code, t) VALUES ('{MARKER}', '{MARKER} by a migration')");
    migrations.push(Migration::unapplied("V3__filled", &filled).unwrap());
    let mut record = Record::default();
    for _ in 0..2 {
        let report = Runner::new(&migrations).run_async(client).await.unwrap();
        let applied = report.applied_migrations().iter();
        record.note("applied", applied.map(Migration::name).collect::<Vec<_>>());
        let row = client
            .query_one("SELECT code, t FROM items WHERE code = $1", &[&MARKER])
            .await
            .unwrap();
        record.note("row", (row.get::<_, String>(0), row.get::<_, String>(1)));
    }
    // A migration that fails leaves nothing behind.
    let broken = "INSERT INTO items (code) VALUES ('left behind'); SELECT FROM nowhere";
    migrations.push(Migration::unapplied("V4__broken", broken).unwrap());
    let failed = Runner::new(&migrations).run_async(client).await;
    record.note("failed", failed.is_err());
    let count = client.query_one("SELECT count(*) FROM items", &[]).await;
    record.note("count", count.unwrap().get::<_, i64>(0));
    record
}

#[tokio::test]
async fn refinery() {
    let twins = Twins::of(items::fixture().await).await;
    twins.fixture.prepare("DROP TABLE orders, items").await;
    let mut plain = twins.fixture.plain().connect().await;
    let (mut sealed, connection) = sealwire::connect(&twins.fixture.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let expected = scenario(&twins, Twin::Plain, &mut plain).await;
    let found = scenario(&twins, Twin::Sealed, &mut sealed).await;
    twins.finish(expected, found).await;
}
