//! The tables of the benchmarks: twins of the same rows, one in the clear, one encrypted.

use std::sync::Arc;

use sealwire::ColumnEncryption;
use sealwire_core::policy::Mode;
use sealwire_keys::{ColumnEntry, LocalProvider, ManifestBuilder, TableName};
use sealwire_testkit::TestDatabase;
use tokio_postgres::NoTls;

use crate::Result;

/// The value of the deterministic column of row `id`.
pub(crate) fn email(id: i32) -> String {
    format!("customer{id:06}@example.com")
}

/// Creates the tables and fills the twins with `rows` rows.
pub(crate) async fn create(database: &TestDatabase<'_>, rows: i32) -> Result<ColumnEncryption> {
    let owner = database.connect().await;
    owner
        .batch_execute(sealwire_core::ddl::domain_ddl())
        .await?;
    owner
        .batch_execute(
            "CREATE TABLE untouched (id int PRIMARY KEY, label text);
             CREATE TABLE plain (id int PRIMARY KEY, email text UNIQUE, note text);
             CREATE TABLE plain_sink (id int, email text, note text);
             CREATE TABLE sealed (id int PRIMARY KEY, email sealwire.deterministic UNIQUE,
                                  note sealwire.randomized);
             CREATE TABLE sealed_sink (id int, email sealwire.deterministic,
                                       note sealwire.randomized);
             INSERT INTO untouched SELECT id, 'label ' || id FROM generate_series(1, 1000) id",
        )
        .await?;

    let provider = LocalProvider::generate()?;
    let mut builder = ManifestBuilder::create(&provider).await?;
    builder.add_cek("shop", &provider).await?;
    for table in ["sealed", "sealed_sink"] {
        let table = TableName::new("public", table)?;
        let mut email = ColumnEntry::new(table.clone(), "email", "text".parse()?, "shop");
        email.mode = Mode::Deterministic;
        email.class = "email".into();
        builder.add_column(email)?;
        builder.add_column(ColumnEntry::new(table, "note", "text".parse()?, "shop"))?;
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sealwire.toml");
    builder.seal()?.write(&path)?;
    let encryption = ColumnEncryption::builder()
        .manifest_file(&path)
        .provider(Arc::new(provider))
        .build()
        .await?;

    let (sealed, connection) = encryption.connect(&database.config(), NoTls).await?;
    tokio::spawn(connection);
    for (client, table) in [(&owner, "plain"), (&sealed, "sealed")] {
        let insert = client
            .prepare(&format!("INSERT INTO {table} (id, email) VALUES ($1, $2)"))
            .await?;
        client.batch_execute("BEGIN").await?;
        for first in (1..=rows).step_by(1000) {
            let chunk = first..=rows.min(first + 999);
            futures_util::future::try_join_all(chunk.map(|id| {
                let insert = &insert;
                async move { client.execute(insert, &[&id, &email(id)]).await }
            }))
            .await?;
        }
        client.batch_execute("COMMIT").await?;
    }
    owner.batch_execute("VACUUM ANALYZE plain").await?;
    owner.batch_execute("VACUUM ANALYZE sealed").await?;
    Ok(encryption)
}
