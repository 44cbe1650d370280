//! Settings that reach every session, and peers that do not keep up with each other.

use std::time::Duration;

use sealwire_proxy::Settings;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::{Batch, Reply, WireClient};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn a_message_that_has_to_be_held_whole_may_be_so_long() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings_without_password(&fixture);
    settings.limits.message_bytes = 10_000;
    let proxy = Running::start(settings).await;
    let client = proxy.client(&fixture).await;
    let insert = "INSERT INTO people (id, note) VALUES ($1, $2)";
    client
        .execute(insert, &[&1_i64, &"n".repeat(9_000)])
        .await
        .unwrap();
    let error = client
        .execute(insert, &[&2_i64, &"n".repeat(11_000)])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "54000");
    proxy.settle(0.0).await;
    // What is not rewritten is not held.
    let client = proxy.client(&fixture).await;
    let name = "n".repeat(100_000);
    let update = "SELECT length($1::text)";
    let row = client.query_one(update, &[&name]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 100_000);
}

#[tokio::test]
async fn messages_of_all_connections_may_take_so_much_memory() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings_without_password(&fixture);
    settings.limits.message_bytes = 1_000_000;
    settings.limits.memory_bytes = 1_200_000;
    let proxy = Running::start(settings).await;
    let bystander = proxy.client(&fixture).await;
    let held = async || proxy.metrics().await["sealwire_messages_held_bytes"];
    let mut batch = Batch::new();
    batch.query(&format!("SELECT length('{}')", "x".repeat(800_000)));
    let (most, rest) = batch.bytes().split_at(700_000);
    let mut patient = proxy.wire(&fixture).await;
    patient.send_bytes(most).await;
    until("the first part is held", async || held().await > 600_000.0).await;
    let mut greedy = proxy.wire(&fixture).await;
    greedy.send_bytes(most).await;
    match greedy.reply().await {
        Reply::Error(error) => {
            assert_eq!((error.code(), error.get('S')), ("53200", Some("FATAL")));
        }
        other => panic!("{other:?}"),
    }
    drop(greedy);
    // Nobody else has lost anything.
    works(&bystander, 1).await;
    patient.send_bytes(rest).await;
    loop {
        match patient.reply().await {
            Reply::Row(row) => assert_eq!(row[0].as_deref(), Some(&b"800000"[..])),
            Reply::Error(error) => panic!("{error:?}"),
            Reply::Ready(_) => break,
            _ => {}
        }
    }
    until("nothing is held", async || held().await == 0.0).await;
    proxy.settle(2.0).await;
}

/// Each message that waits for its answer is remembered, and takes more room then than on the wire.
#[tokio::test]
async fn answers_that_are_owed_take_memory_too() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings_without_password(&fixture);
    settings.limits.message_bytes = 1_000_000;
    settings.limits.memory_bytes = 3_000_000;
    let proxy = Running::start(settings).await;
    let holder = fixture.sealed().connect().await;
    let lock = "SELECT pg_advisory_lock(1)";
    holder.batch_execute(lock).await.unwrap();
    let mut client = proxy.wire(&fixture).await;
    client.send(Batch::new().query(lock)).await;
    // The server has them in its socket: hardly a byte is held here.
    client.send_bytes(&frame(b'S', b"").repeat(40_000)).await;
    let reply = tokio::time::timeout(PATIENCE, client.reply()).await;
    match reply.expect("it goes on") {
        Reply::Error(error) => assert_eq!(error.code(), "53200"),
        other => panic!("{other:?}"),
    }
    drop(client);
    proxy.settle(0.0).await;
    proxy.counts("sealwire_messages_held_bytes", 0.0).await;
}

#[tokio::test]
async fn values_are_only_opened_where_that_is_configured() {
    let fixture = Fixture::new(people()).await;
    works(&Running::of(&fixture).await.client(&fixture).await, 1).await;
    let mut settings: Settings = settings_without_password(&fixture);
    settings.encryption.results_only = true;
    let proxy = Running::start(settings).await;
    let client = proxy.client(&fixture).await;
    let row = client.query_one("SELECT note FROM people", &[]).await;
    assert_eq!(row.unwrap().get::<_, &str>(0), "a note");
    let insert = "INSERT INTO people (id, note) VALUES (2, $1)";
    let error = client.execute(insert, &[&"x"]).await.unwrap_err();
    assert_eq!(code(&error), "0A000");
}

/// What the only statement of these sessions waits for at the server.
async fn waits_for(fixture: &Fixture, application_name: &str) -> String {
    let admin = fixture.sealed().connect_superuser().await;
    let sql = "SELECT coalesce(wait_event, '') FROM pg_stat_activity \
               WHERE application_name = $1 AND datname = $2 AND state = 'active'";
    let name = fixture.sealed().name();
    let row = admin.query_opt(sql, &[&application_name, &name]).await;
    row.unwrap()
        .map_or_else(|| "nothing".into(), |row| row.get(0))
}

/// A client that has asked for far more than all sockets between hold, and does not read it.
async fn lazy(fixture: &Fixture, proxy: &Running) -> WireClient<TcpStream> {
    let name = [("application_name", "lazy")];
    let stream = proxy.stream().await;
    let mut lazy = WireClient::start(stream, &fixture.sealed().config(), &name)
        .await
        .unwrap();
    let mut batch = Batch::new();
    batch.query("SELECT repeat('x', 10000) FROM generate_series(1, 20000)");
    lazy.send(&batch).await;
    until("the server waits", async || {
        waits_for(fixture, "lazy").await == "ClientWrite"
    })
    .await;
    lazy
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_server_wait_and_nobody_else() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    let bystander = proxy.client(&fixture).await;
    let mut lazy = lazy(&fixture, &proxy).await;
    for id in 1..=20 {
        works(&bystander, id).await;
    }
    until("the server waits still", async || {
        waits_for(&fixture, "lazy").await == "ClientWrite"
    })
    .await;
    // It has lost nothing.
    let mut rows = 0;
    loop {
        match lazy.reply().await {
            Reply::Row(_) => rows += 1,
            Reply::Ready(_) => break,
            Reply::Error(error) => panic!("{error:?}"),
            _ => {}
        }
    }
    assert_eq!(rows, 20_000);
}

#[tokio::test]
async fn a_client_that_does_not_read_why_its_session_has_ended_is_not_waited_for() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    let mut lazy = lazy(&fixture, &proxy).await;
    // A message of no length.
    lazy.send_bytes(b"Q\0\0\0\0").await;
    proxy.settle(0.0).await;
    proxy.have_ended("client_fault", 1.0).await;
}

#[tokio::test]
async fn a_server_that_does_not_read_makes_the_client_wait() {
    const BYTES: usize = 128 << 20;
    let fixture = Fixture::new(people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    let holder = fixture.sealed().connect().await;
    let lock = "SELECT pg_advisory_lock(1)";
    holder.batch_execute(lock).await.unwrap();
    let mut client = proxy.wire(&fixture).await;
    client.send(Batch::new().query(lock)).await;
    let mut stream = client.into_stream();
    let statement = frame(
        b'Q',
        format!("SELECT '{}'\0", "x".repeat(100_000)).as_bytes(),
    );
    let mut sent = 0;
    while sent < BYTES {
        let writing = stream.write_all(&statement);
        // Longer than the proxy takes to read what it wants.
        if tokio::time::timeout(Duration::from_secs(1), writing)
            .await
            .is_err()
        {
            break;
        }
        sent += statement.len();
    }
    assert!(sent < BYTES, "{sent} bytes have been taken in advance");
    drop(stream);
    holder
        .batch_execute("SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    proxy.settle(0.0).await;
}
