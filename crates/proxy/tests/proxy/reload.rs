//! Manifest and certificate read again while connections are open.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use sealwire_keys::{ColumnEntry, Manifest, TableName};
use sealwire_proxy::TlsSettings;
use sealwire_testkit::fixture::Fixture;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls};

use crate::certificates::{Authority, trusting, with_tls};
use crate::support::*;

/// Writes a newer manifest, with a column that the one in use does not have.
async fn add_column(fixture: &Fixture, table: &str, column: &str) {
    let provider = fixture.provider();
    let text = std::fs::read_to_string(fixture.manifest_path()).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    let mut builder = manifest.edit(&provider).await.unwrap();
    let table = TableName::new("public", table).unwrap();
    let ty = "text".parse().unwrap();
    let entry = ColumnEntry::new(table, column, ty, "main");
    builder.add_column(entry).unwrap();
    let newer = builder.seal().unwrap();
    std::fs::write(fixture.manifest_path(), newer.as_toml()).unwrap();
}

async fn insert_card(client: &Client, id: i32) -> Result<u64, tokio_postgres::Error> {
    let sql = format!("INSERT INTO cards (id, number) VALUES ({id}, '5105 1051 0510 5100')");
    client.execute(&sql, &[]).await
}

#[tokio::test]
async fn new_connections_use_the_new_manifest_and_open_ones_keep_theirs() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let before = proxy.client(&fixture).await;
    works(&before, 1).await;
    let owner = fixture.sealed().connect().await;
    owner
        .batch_execute("CREATE TABLE cards (id int PRIMARY KEY, number sealwire.randomized)")
        .await
        .unwrap();
    add_column(&fixture, "cards", "number").await;
    // Nothing is read before it is said.
    let error = insert_card(&proxy.client(&fixture).await, 1).await;
    assert!(error.is_err(), "the manifest has been read by itself");
    proxy.handle.reload().await.unwrap();

    let after = proxy.client(&fixture).await;
    insert_card(&after, 2).await.unwrap();
    let read = "SELECT number FROM cards WHERE id = 2";
    let row = after.query_one(read, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "5105 1051 0510 5100");
    let cell = owner
        .query_one("SELECT number::bytea FROM cards", &[])
        .await
        .unwrap();
    assert_eq!(cell.get::<_, &[u8]>(0)[..2], [0x12, 1]);
    works(&after, 2).await;
    // A connection that was open does not know the column, and may not fill it with plaintext.
    assert!(insert_card(&before, 3).await.is_err());
    works(&before, 3).await;

    let metrics = proxy.metrics().await;
    assert_eq!(metrics["sealwire_reloads_total"], 1.0);
    assert_eq!(metrics["sealwire_reloads_failed_total"], 0.0);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_used_leaves_the_old_one() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let first = std::fs::read_to_string(fixture.manifest_path()).unwrap();
    let owner = fixture.sealed().connect().await;
    owner
        .batch_execute("CREATE TABLE cards (id int PRIMARY KEY, number sealwire.randomized)")
        .await
        .unwrap();
    add_column(&fixture, "cards", "number").await;
    proxy.handle.reload().await.unwrap();
    let second = std::fs::read_to_string(fixture.manifest_path()).unwrap();
    let altered = second.replacen("serial = ", "serial = 1", 1);
    assert_ne!(altered, second);
    for (id, document, words) in [
        (1, "not a manifest", "malformed"),
        (2, &altered, "not authentic"),
        // Authentic, but older than the one in use.
        (3, &first, "older"),
    ] {
        std::fs::write(fixture.manifest_path(), document).unwrap();
        let log = Log::capture();
        let error = proxy.handle.reload().await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        let log = log.take();
        assert!(log.contains("the one in use stays"), "{log}");
        assert!(log.contains(words), "{log}");
        let client = proxy.client(&fixture).await;
        insert_card(&client, id).await.unwrap();
    }
    std::fs::remove_file(fixture.manifest_path()).unwrap();
    proxy.handle.reload().await.unwrap_err();
    let client = proxy.client(&fixture).await;
    works(&client, 1).await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics["sealwire_reloads_total"], 5.0);
    assert_eq!(metrics["sealwire_reloads_failed_total"], 4.0);
    // Once it is right again, it is taken again.
    std::fs::write(fixture.manifest_path(), &second).unwrap();
    proxy.handle.reload().await.unwrap();
}

#[tokio::test]
async fn files_of_secrets_are_not_for_everybody() {
    let fixture = Fixture::new(people()).await;
    let mut settings = with_tls(&fixture, &Authority::new());
    let roles = fixture.directory().join("roles.toml");
    std::fs::write(&roles, "").unwrap();
    let key = settings.listen.tls.as_ref().unwrap().key.clone();
    settings.auth.roles = Some(roles.clone());
    for file in [&roles, &key] {
        for (mode, is_taken) in [(0o604, false), (0o602, false), (0o640, true), (0o400, true)] {
            std::fs::set_permissions(&roles, Permissions::from_mode(0o600)).unwrap();
            std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
            let checked = sealwire_proxy::check(&settings).await;
            assert_eq!(checked.is_ok(), is_taken, "{mode:o}: {checked:?}");
            if let Err(error) = checked {
                let name = file.display().to_string();
                assert!(error.to_string().contains(&name), "{error}");
                assert!(error.hint().unwrap().contains("chmod 0600"), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_without_a_restart() {
    let fixture = Fixture::new(people()).await;
    let (certificate, key) = (
        fixture.directory().join("proxy.crt"),
        fixture.directory().join("proxy.key"),
    );
    let (old, new) = (Authority::new(), Authority::new());
    old.issue("localhost").write(&certificate, &key);
    let mut settings = settings(&fixture);
    settings.listen.tls = Some(TlsSettings {
        certificate: certificate.clone(),
        key: key.clone(),
    });
    let proxy = Running::start(settings).await;
    let mut config = through(fixture.sealed(), "localhost", proxy.tcp.port());
    config.hostaddr(proxy.tcp.ip()).ssl_mode(SslMode::Require);
    let before = connect(&config, trusting(&old.pem())).await.unwrap();

    // A file that is half written is not taken.
    std::fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    let error = proxy.handle.reload().await.unwrap_err();
    assert!(error.to_string().contains("proxy.crt"), "{error}");
    let other = new.issue("localhost");
    // Nor is a key without its certificate.
    other.write(&fixture.directory().join("unused.crt"), &key);
    old.issue("localhost")
        .write(&certificate, &fixture.directory().join("unused.key"));
    let error = proxy.handle.reload().await.unwrap_err();
    assert!(error.to_string().contains("do not go together"), "{error}");
    works(&connect(&config, trusting(&old.pem())).await.unwrap(), 1).await;

    other.write(&certificate, &key);
    proxy.handle.reload().await.unwrap();
    works(&connect(&config, trusting(&new.pem())).await.unwrap(), 2).await;
    let error = refused(&config, trusting(&old.pem())).await;
    assert!(
        everything(&error).contains("UnknownIssuer"),
        "{}",
        everything(&error)
    );
    works(&before, 3).await;
    works(
        &connect(&proxy.config(fixture.sealed()), NoTls)
            .await
            .unwrap(),
        4,
    )
    .await;
}
