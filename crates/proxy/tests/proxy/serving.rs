//! The main job, whatever the transport, and what a connection may begin with.

use std::os::unix::fs::PermissionsExt;

use sealwire_proxy::DatabaseSettings;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use tokio::io::AsyncWriteExt;
use tokio_postgres::{Client, NoTls};

use crate::support::*;

/// Everything that an application does with a table, and what the server holds afterwards.
async fn whole_job(fixture: &Fixture, client: &mut Client, id: i64) {
    works(client, id).await;
    let insert = "INSERT INTO people (id, email) VALUES ($1, $2)";

    let transaction = client.transaction().await.unwrap();
    let lost = "lost@example.com";
    transaction
        .execute(insert, &[&(id + 1), &lost])
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    let by_email = "SELECT id FROM people WHERE email = $1";
    assert!(client.query(by_email, &[&lost]).await.unwrap().is_empty());

    let mut transaction = client.transaction().await.unwrap();
    transaction
        .execute(insert, &[&(id + 1), &format!("kept{id}@example.com")])
        .await
        .unwrap();
    let savepoint = transaction.savepoint("s").await.unwrap();
    let refused = savepoint
        .query("SELECT id FROM people WHERE email LIKE 'k%'", &[])
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "0A000");
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let changed = client
        .execute(
            "UPDATE people SET note = $1 WHERE email = $2",
            &[&"changed", &format!("kept{id}@example.com")],
        )
        .await;
    assert_eq!(changed.unwrap(), 1);
    let sql = "SELECT note FROM people WHERE id = $1";
    let row = client.query_one(sql, &[&(id + 1)]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "changed");

    let owner = fixture.sealed().connect().await;
    let sql = "SELECT email::bytea, note::bytea FROM people WHERE id = $1";
    let cells = owner.query_one(sql, &[&(id + 1)]).await.unwrap();
    assert_eq!(cells.get::<_, &[u8]>(0)[..2], [0x11, 1]);
    assert_eq!(cells.get::<_, &[u8]>(1)[..2], [0x12, 1]);
}

#[tokio::test]
async fn the_whole_job_on_tcp() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut client = proxy.client(&fixture).await;
    whole_job(&fixture, &mut client, 1).await;
    drop(client);
    proxy.settle(0.0).await;
    proxy.have_ended("closed", 1.0).await;
}

#[tokio::test]
async fn the_whole_job_on_the_unix_socket() {
    let fixture = Fixture::new(people()).await;
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let mut settings = settings(&fixture);
    settings.listen.unix = Some(directory.path().to_owned());
    settings.listen.unix_port = 6432;
    settings.listen.unix_mode = "0660".into();
    let proxy = Running::start(settings.clone()).await;
    let socket = proxy.unix.clone().unwrap();
    assert_eq!(socket, directory.path().join(".s.PGSQL.6432"));
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    let host = directory.path().to_str().unwrap();
    let config = through(fixture.sealed(), host, 6432);
    let mut client = connect(&config, NoTls).await.unwrap();
    whole_job(&fixture, &mut client, 1).await;
    // Both listeners serve at a time.
    works(&proxy.client(&fixture).await, 10).await;

    // A socket that is listened on is not taken away from its proxy; one that is left over is.
    let error = sealwire_proxy::Proxy::bind(settings.clone())
        .await
        .unwrap_err();
    assert!(error.to_string().contains(".s.PGSQL.6432"), "{error}");
    proxy.handle.drain();
    proxy.finish().await;
    assert!(!socket.exists());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let proxy = Running::start(settings).await;
    works(&connect(&config, NoTls).await.unwrap(), 20).await;
    drop(proxy);
}

/// Only a socket that nobody listens on is a proxy's that was killed.
#[tokio::test]
async fn what_is_no_socket_is_not_taken_for_one_that_is_left_over() {
    let fixture = Fixture::new(people()).await;
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let path = directory.path().join(".s.PGSQL.5432");
    std::fs::write(&path, "mine").unwrap();
    let mut settings = settings(&fixture);
    settings.listen.unix = Some(directory.path().to_owned());
    let error = sealwire_proxy::Proxy::bind(settings).await.unwrap_err();
    assert!(error.to_string().contains(".s.PGSQL.5432"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn a_place_that_is_taken_is_told_with_the_next_step() {
    let fixture = Fixture::new(people()).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for for_probes in [false, true] {
        let mut settings = settings(&fixture);
        if for_probes {
            settings.listen.http = Some(address);
        } else {
            settings.listen.tcp = vec![address];
        }
        let error = sealwire_proxy::Proxy::bind(settings).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let port = address.port().to_string();
        assert!(error.hint().unwrap().contains(&port), "{error:?}");
    }
    // An address that is set aside for documentation is nobody's.
    let mut settings = settings(&fixture);
    settings.listen.tcp = vec!["[2001:db8::1]:0".parse().unwrap()];
    settings.listen.allow_plaintext = true;
    let error = sealwire_proxy::Proxy::bind(settings).await.unwrap_err();
    assert!(error.hint().is_some(), "{error}");
}

#[tokio::test]
async fn databases_have_manifests_of_their_own() {
    let (one, other) = (Fixture::new(people()).await, Fixture::new(people()).await);
    let mut settings = settings(&one);
    for fixture in [&one, &other] {
        settings.databases.insert(
            fixture.sealed().name().to_owned(),
            DatabaseSettings {
                manifest: Some(format!("file:{}", fixture.manifest_path().display())),
                master_key: Some(format!("file:{}", fixture.key_path().display())),
            },
        );
    }
    settings.encryption.manifest = None;
    settings.encryption.master_key = None;
    let proxy = Running::start(settings).await;
    for fixture in [&one, &other] {
        works(&proxy.client(fixture).await, 1).await;
    }
    // The plain twin is a database of the server's that the proxy has no manifest for.
    let error = refused(&proxy.config(one.plain()), NoTls).await;
    assert_eq!(code(&error), "3D000");
    let said = everything(&error);
    assert!(said.contains(one.plain().name()), "{said}");
    proxy.have_ended("bad_start", 1.0).await;
}

#[tokio::test]
async fn a_manifest_that_the_database_holds_is_read_over_each_connection() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.encryption.manifest = None;
    let proxy = Running::start(settings).await;
    let config = proxy.config(fixture.sealed());
    let error = refused(&config, NoTls).await;
    assert!(
        everything(&error).contains("no manifest"),
        "{}",
        everything(&error)
    );
    proxy.have_ended("encryption", 1.0).await;
    let owner = fixture.sealed().connect().await;
    let document = std::fs::read_to_string(fixture.manifest_path()).unwrap();
    owner
        .batch_execute(
            "CREATE TABLE sealwire.manifest (serial int8 PRIMARY KEY, document text NOT NULL)",
        )
        .await
        .unwrap();
    let publish = "INSERT INTO sealwire.manifest (serial, document) VALUES (1, $1)";
    owner.execute(publish, &[&document]).await.unwrap();
    works(&connect(&config, NoTls).await.unwrap(), 1).await;
}

#[tokio::test]
async fn text_parameters_and_cursors_pass_as_the_protocol_has_them() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut sealed = proxy.wire(&fixture).await;
    let mut plain = fixture.plain_wire().await;
    let insert = "INSERT INTO people (id, email, note) VALUES ($1, $2, $3)";
    let mut batch = Batch::new();
    batch.parse("i", insert, &[]);
    for id in ["1", "2", "3"] {
        let email = Param::text(format!("{id}@example.com"));
        batch.bind(
            "",
            "i",
            &[Param::text(id), email, Param::null()],
            Format::Text,
        );
        batch.execute("", 0);
    }
    batch.parse("s", "SELECT id, email, note FROM people ORDER BY id", &[]);
    batch.bind("p", "s", &[], Format::Text);
    batch.describe(b'P', "p").execute("p", 2).execute("p", 2);
    batch.sync();
    batch.query("COPY people (id, email) TO STDOUT");
    let (sealed, plain) = (sealed.exchange(&batch).await, plain.exchange(&batch).await);
    assert_eq!(sealed, plain);
    let rows = sealed.iter().filter(|it| matches!(it, Reply::Row(_)));
    assert_eq!(rows.count(), 3);
}

#[tokio::test]
async fn a_statement_is_cancelled() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let client = proxy.client(&fixture).await;
    cancels(&fixture, &client).await;
    works(&client, 1).await;
    assert_eq!(proxy.metrics().await["sealwire_cancel_requests_total"], 1.0);
    drop(client);
    proxy.settle(0.0).await;
}

/// A running statement ends when it is cancelled over another connection.
async fn cancels(fixture: &Fixture, client: &Client) {
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await;
    let pid = pid.unwrap().get(0);
    let token = client.cancel_token();
    let cancelling = async {
        fixture.until_it_sleeps(pid).await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let sleep = client.batch_execute("SELECT pg_sleep(120)");
    let (slept, ()) = tokio::join!(sleep, cancelling);
    assert_eq!(code(&slept.unwrap_err()), "57014");
}

#[tokio::test]
async fn one_too_many_is_told_so_and_a_cancel_request_passes() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.limits.connections = 2;
    let proxy = Running::start(settings).await;
    let config = proxy.config(fixture.sealed());
    let (first, second) = (proxy.client(&fixture).await, proxy.client(&fixture).await);
    let error = refused(&config, NoTls).await;
    assert_eq!(code(&error), "53300");
    let (status, why) = proxy.get("/readyz").await;
    assert_eq!(status, 503, "{why}");
    cancels(&fixture, &first).await;
    drop(second);
    proxy.settle(1.0).await;
    works(&connect(&config, NoTls).await.unwrap(), 1).await;
    works(&first, 2).await;
    proxy.have_ended("too_many", 1.0).await;
}

#[tokio::test]
async fn the_replication_protocol_is_refused_with_a_message() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut stream = proxy.stream().await;
    let (user, database) = (fixture.sealed().owner(), fixture.sealed().name());
    let parameters = [
        ("user", user),
        ("database", database),
        ("replication", "database"),
    ];
    stream.write_all(&startup(0, &parameters)).await.unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(last_error(&answer, b'S').unwrap(), "FATAL");
    assert_eq!(last_error(&answer, b'C').unwrap(), "0A000");
    let message = last_error(&answer, b'M').unwrap();
    assert!(message.contains("replication"), "{message}");
    proxy.have_ended("encryption", 1.0).await;
    proxy.settle(0.0).await;
}

/// The tags up to the first ReadyForQuery.
async fn greeting(
    mut stream: impl tokio::io::AsyncRead + AsyncWriteExt + Unpin,
    hello: &[u8],
) -> Vec<(u8, Vec<u8>)> {
    use tokio::io::AsyncReadExt;
    stream.write_all(hello).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(&frame(b'Z', b"I")) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{bytes:?}");
    }
    let mut frames = frames(&bytes);
    for (tag, body) in &mut frames {
        if *tag == b'K' {
            // Number and key of the server's process.
            body.clear();
        }
    }
    frames
}

#[tokio::test]
async fn newer_protocol_versions_are_the_server_s_to_negotiate() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    let (user, database) = (fixture.sealed().owner(), fixture.sealed().name());
    let parameters = [
        ("user", user),
        ("database", database),
        ("_pq_.not_there", "1"),
    ];
    for minor in [0, 2, 9999] {
        let hello = startup(minor, &parameters);
        let through = greeting(proxy.stream().await, &hello).await;
        let direct = greeting(server_socket(fixture.sealed().server()).await, &hello).await;
        assert_eq!(through, direct, "3.{minor}");
        let negotiated = through.iter().any(|(tag, _)| *tag == b'v');
        assert!(negotiated, "3.{minor}: the server was not asked");
    }
    proxy.settle(0.0).await;
}
