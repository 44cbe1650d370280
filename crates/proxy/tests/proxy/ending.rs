//! The proxy's own end: what is under way may finish, what rests is told, nothing new begins.

use std::time::Duration;

use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply, WireClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// Longer than any test waits.
const FOREVER: Duration = Duration::from_secs(3600);

async fn query(client: &mut WireClient<TcpStream>, sql: &str) -> Vec<Reply> {
    client.query(sql).await
}

/// The client is told that the proxy ends, and the connection is closed.
async fn is_told(mut client: WireClient<TcpStream>) {
    match client.reply().await {
        Reply::Error(error) => {
            assert_eq!(error.code(), "57P01");
            assert_eq!(error.get('S'), Some("FATAL"));
            assert!(error.message().contains("shutting down"), "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    let left = rest(&mut client.into_stream()).await;
    assert!(left.is_empty(), "{left:?}");
}

async fn refuses_connections(proxy: &Running) {
    until("no connection is taken", async || {
        TcpStream::connect(proxy.tcp).await.is_err()
    })
    .await;
}

/// A client may send, say goodbye and close without reading an answer. The values of a text that the
/// session sees for the first time wait for its description, and go out all the same.
#[tokio::test]
async fn what_a_client_has_sent_before_it_closes_is_done() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    for (id, reads) in [("1", false), ("2", true)] {
        let mut client = proxy.wire(&fixture).await;
        let mut batch = Batch::new();
        let values = [Param::text(id), Param::text(format!("{id}@example.com"))];
        let insert = format!("INSERT INTO people (id, email) VALUES ($1, $2) -- {id}");
        batch
            .parse("", &insert, &[])
            .bind("", "", &values, Format::Text)
            .execute("", 0)
            .sync();
        client.send(&batch).await;
        client.send_bytes(b"X\0\0\0\x04").await;
        let mut stream = client.into_stream();
        stream.shutdown().await.unwrap();
        if reads {
            let tags: Vec<u8> = frames(&rest(&mut stream).await)
                .into_iter()
                .map(|(tag, _)| tag)
                .collect();
            assert_eq!(tags, *b"12CZ");
        }
    }
    proxy.settle(0.0).await;
    let client = proxy.client(&fixture).await;
    let sql = "SELECT email FROM people ORDER BY id";
    let rows = client.query(sql, &[]).await.unwrap();
    let emails: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(emails, ["1@example.com", "2@example.com"]);
}

#[tokio::test]
async fn a_drain_lets_a_transaction_finish_and_tells_who_rests() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.limits.drain_timeout = FOREVER;
    let proxy = Running::start(settings).await;
    let resting = proxy.wire(&fixture).await;
    let mut busy = proxy.wire(&fixture).await;
    query(&mut busy, "BEGIN").await;
    query(
        &mut busy,
        "INSERT INTO people (id, email) VALUES (1, 'a@example.com')",
    )
    .await;

    proxy.handle.drain();
    is_told(resting).await;
    refuses_connections(&proxy).await;
    assert_eq!(proxy.get("/healthz").await.0, 200);
    let (status, why) = proxy.get("/readyz").await;
    assert_eq!((status, why.as_str()), (503, "stopping\n"));
    // The transaction is served as if nothing had happened, statement by statement.
    let found = query(
        &mut busy,
        "SELECT id FROM people WHERE email = 'a@example.com'",
    )
    .await;
    assert!(
        found.iter().any(|it| matches!(it, Reply::Row(_))),
        "{found:?}"
    );
    let committed = query(&mut busy, "COMMIT").await;
    assert_eq!(committed, [Reply::Complete("COMMIT".into())]);
    is_told(busy).await;
    proxy.finish().await;
    let owner = fixture.sealed().connect().await;
    let count = owner.query_one("SELECT count(*) FROM people", &[]).await;
    assert_eq!(count.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_drain_lets_a_statement_finish() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.limits.drain_timeout = FOREVER;
    let proxy = Running::start(settings).await;
    let holder = fixture.sealed().connect().await;
    holder
        .batch_execute("SELECT pg_advisory_lock(1)")
        .await
        .unwrap();
    let mut busy = proxy.wire(&fixture).await;
    let mut batch = Batch::new();
    batch.query("SELECT pg_advisory_lock(1)");
    busy.send(&batch).await;
    until("the statement waits", async || {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        holder.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    proxy.handle.drain();
    refuses_connections(&proxy).await;
    holder
        .batch_execute("SELECT pg_advisory_unlock(1)")
        .await
        .unwrap();
    let mut rows = 0;
    loop {
        match busy.reply().await {
            Reply::Row(_) => rows += 1,
            Reply::Ready(status) => {
                assert_eq!((rows, status), (1, 'I'));
                break;
            }
            Reply::Error(error) => panic!("{error:?}"),
            _ => {}
        }
    }
    is_told(busy).await;
    proxy.finish().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_who_has_not_begun() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.limits.drain_timeout = FOREVER;
    settings.limits.startup_timeout = FOREVER;
    let proxy = Running::start(settings).await;
    let mut silent = proxy.stream().await;
    let mut authenticating = proxy.stream().await;
    let parameters = [
        ("user", fixture.sealed().owner()),
        ("database", fixture.sealed().name()),
    ];
    authenticating
        .write_all(&startup(0, &parameters))
        .await
        .unwrap();
    assert_eq!(authenticating.read_u8().await.unwrap(), b'R');
    until("both are served", async || proxy.open().await == 3.0).await;
    proxy.handle.drain();
    assert!(rest(&mut silent).await.is_empty());
    let mut told = vec![b'R'];
    told.extend(rest(&mut authenticating).await);
    assert_eq!(last_error(&told, b'C').unwrap(), "57P01");
    proxy.finish().await;
}

#[tokio::test]
async fn a_drain_ends_when_its_time_is_over() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.limits.drain_timeout = Duration::from_millis(200);
    let proxy = Running::start(settings).await;
    let mut busy = proxy.wire(&fixture).await;
    query(&mut busy, "BEGIN").await;
    query(&mut busy, "INSERT INTO people (id) VALUES (1)").await;
    proxy.handle.drain();
    is_told(busy).await;
    proxy.finish().await;
    let owner = fixture.sealed().connect().await;
    until("the transaction is rolled back", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    let count = owner.query_one("SELECT count(*) FROM people", &[]).await;
    assert_eq!(count.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_stop_ends_everything() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.limits.drain_timeout = FOREVER;
    let proxy = Running::start(settings).await;
    let resting = proxy.wire(&fixture).await;
    let mut in_transaction = proxy.wire(&fixture).await;
    query(&mut in_transaction, "BEGIN").await;
    let mut running = proxy.wire(&fixture).await;
    let mut batch = Batch::new();
    batch.query("SELECT pg_sleep(3600)");
    running.send(&batch).await;
    // A stop may follow a drain that takes too long for whoever ordered it.
    proxy.handle.drain();
    refuses_connections(&proxy).await;
    is_told(resting).await;
    proxy.handle.stop();
    is_told(in_transaction).await;
    is_told(running).await;
    proxy.finish().await;
}

#[tokio::test]
async fn a_row_that_is_cut_short_by_the_end_is_not_completed_with_something_else() {
    const BYTES: usize = 64 << 20;
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut client = proxy.wire(&fixture).await;
    let mut batch = Batch::new();
    batch.query(&format!("SELECT repeat('x', {BYTES})"));
    client.send(&batch).await;
    assert!(matches!(client.reply().await, Reply::Columns(_)));
    let mut stream = client.into_stream();
    proxy.handle.stop();
    let row = rest(&mut stream).await;
    assert!(row.len() < BYTES, "the end came after the row");
    // Tag, length, one column, its length; the client may have read a part of them.
    let value = row.iter().skip(11);
    assert!(
        value.clone().all(|byte| *byte == b'x'),
        "{:?}",
        &row[row.len() - 100..]
    );
    proxy.finish().await;
}
