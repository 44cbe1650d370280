//! Manifests that come from the database: found, checked, never older than one seen before.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail as its assertions do"
)]

use std::sync::Arc;

use sealwire::ColumnEncryption;
use sealwire_core::policy::Mode;
use sealwire_keys::{
    ColumnEntry, FileProvider, KeyProvider, LocalProvider, Manifest, ManifestBuilder, TableName,
    create_key_file,
};
use sealwire_testkit::{Postgres, TestDatabase};
use tokio_postgres::{Client, NoTls};

async fn manifest(provider: &dyn KeyProvider) -> Manifest {
    let mut builder = ManifestBuilder::create(provider).await.unwrap();
    builder.add_cek("people", provider).await.unwrap();
    let table = TableName::new("public", "people").unwrap();
    let mut ssn = ColumnEntry::new(table, "ssn", "text".parse().unwrap(), "people");
    ssn.mode = Mode::Deterministic;
    builder.add_column(ssn).unwrap();
    builder.seal().unwrap()
}

async fn newer(manifest: &Manifest, provider: &dyn KeyProvider) -> Manifest {
    let manifest = Manifest::parse(manifest.as_toml()).unwrap();
    manifest.edit(provider).await.unwrap().seal().unwrap()
}

async fn publish(owner: &Client, manifest: &Manifest) {
    owner
        .batch_execute(sealwire_core::ddl::manifest_table_ddl())
        .await
        .unwrap();
    owner
        .execute(
            "INSERT INTO sealwire.manifest (serial, document) VALUES ($1, $2)",
            &[
                &i64::try_from(manifest.serial()).unwrap(),
                &manifest.as_toml(),
            ],
        )
        .await
        .unwrap();
}

async fn people(database: &TestDatabase<'_>) -> Client {
    let owner = database.connect().await;
    owner
        .batch_execute(sealwire_core::ddl::domain_ddl())
        .await
        .unwrap();
    owner
        .batch_execute("CREATE TABLE people (id int, ssn sealwire.deterministic UNIQUE)")
        .await
        .unwrap();
    owner
}

async fn from_database(provider: LocalProvider) -> ColumnEncryption {
    ColumnEncryption::builder()
        .manifest_from_database()
        .provider(Arc::new(provider))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_flag_and_the_master_key_are_all_that_an_application_needs() {
    let database = Postgres::shared().await.create_database().await;
    let owner = people(&database).await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("sealwire.key");
    create_key_file(&key).unwrap();
    publish(&owner, &manifest(&FileProvider::new(&key)).await).await;

    let url = format!(
        "{}?column_encryption=enabled&column_master_key=file:{}",
        database.url(),
        key.display()
    );
    let (client, connection) = sealwire::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .execute(
            "INSERT INTO people (id, ssn) VALUES (1, $1)",
            &[&"078-05-1120"],
        )
        .await
        .unwrap();
    let row = client
        .query_one("SELECT id FROM people WHERE ssn = $1", &[&"078-05-1120"])
        .await;
    assert_eq!(row.unwrap().get::<_, i32>(0), 1);
    let stored = owner
        .query_one("SELECT ssn::bytea FROM people", &[])
        .await
        .unwrap();
    assert_eq!(stored.get::<_, &[u8]>(0)[..2], [0x11, 1]);
}

#[tokio::test]
async fn a_database_without_a_manifest_is_refused() {
    let database = Postgres::shared().await.create_database().await;
    let owner = people(&database).await;
    let encryption = from_database(LocalProvider::generate().unwrap()).await;
    for table_exists in [false, true] {
        if table_exists {
            owner
                .batch_execute(sealwire_core::ddl::manifest_table_ddl())
                .await
                .unwrap();
        }
        let error = encryption
            .connect(&database.config(), NoTls)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("manifest"), "{error}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("sealwire manifest publish")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_manifest_never_goes_back() {
    let database = Postgres::shared().await.create_database().await;
    let owner = people(&database).await;
    let provider = LocalProvider::generate().unwrap();
    let first = manifest(&provider).await;
    let second = newer(&first, &provider).await;
    publish(&owner, &first).await;
    publish(&owner, &second).await;
    let encryption = from_database(provider).await;
    let (_, connection) = encryption.connect(&database.config(), NoTls).await.unwrap();
    drop(connection);

    // The operator takes the newest row away.
    let newest = i64::try_from(second.serial()).unwrap();
    owner
        .execute(
            "DELETE FROM sealwire.manifest WHERE serial = $1",
            &[&newest],
        )
        .await
        .unwrap();
    let error = encryption
        .connect(&database.config(), NoTls)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("older"), "{error}");
}

#[tokio::test]
async fn an_altered_manifest_is_refused() {
    let database = Postgres::shared().await.create_database().await;
    let owner = people(&database).await;
    let provider = LocalProvider::generate().unwrap();
    publish(&owner, &manifest(&provider).await).await;
    // The operator makes the column's neighbour the encrypted one.
    owner
        .execute(
            "UPDATE sealwire.manifest SET document = replace(document, '\"ssn\"', '\"id\"')",
            &[],
        )
        .await
        .unwrap();
    let encryption = from_database(provider).await;
    let error = encryption
        .connect(&database.config(), NoTls)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not authentic"), "{error}");
}

#[tokio::test]
async fn a_manifest_of_another_master_key_is_refused() {
    let database = Postgres::shared().await.create_database().await;
    let owner = people(&database).await;
    publish(&owner, &manifest(&LocalProvider::generate().unwrap()).await).await;
    let encryption = from_database(LocalProvider::generate().unwrap()).await;
    let error = encryption
        .connect(&database.config(), NoTls)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("did not wrap its root secret"),
        "{error}"
    );
}
