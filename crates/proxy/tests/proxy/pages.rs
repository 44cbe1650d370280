//! What the proxy says over HTTP.

use std::io::Write;
use std::net::TcpStream as StdStream;

use sealwire_testkit::fixture::Fixture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::NoTls;

use crate::support::*;

#[tokio::test]
async fn alive_and_ready_are_not_the_same() {
    let fixture = Fixture::new(people()).await;
    let middle = Middle::start(fixture.sealed().server()).await;
    let mut settings = settings(&fixture);
    settings.server.ports = vec![middle.port];
    let proxy = Running::start(settings).await;
    assert_eq!(proxy.get("/healthz").await, (200, "alive\n".into()));
    assert_eq!(proxy.get("/readyz").await, (200, "ready\n".into()));
    middle.close();
    until("the server is gone", async || {
        proxy.get("/readyz").await.0 == 503
    })
    .await;
    let (_, why) = proxy.get("/readyz").await;
    assert!(why.contains("server"), "{why}");
    // Who may only probe does not learn where it is.
    assert!(!why.contains("127.0.0.1"), "{why}");
    assert_eq!(proxy.get("/healthz").await.0, 200);
    let error = refused(&proxy.config(fixture.sealed()), NoTls).await;
    assert_eq!(code(&error), "08001");
    proxy.have_ended("no_server", 1.0).await;
}

#[tokio::test]
async fn other_pages_and_methods_are_refused() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let (status, body) = proxy.get("/").await;
    assert_eq!((status, body.contains("/metrics")), (404, true));
    for (request, expected) in [
        (&b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n"[..], "405"),
        (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
        (b"\x16\x03\x01\x02\x00 no HTTP \r\n\r\n", "400"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(proxy.http).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap();
        assert_eq!(status, expected, "{answer}");
    }
}

/// Whoever reaches the address may hold connections to it, and an orchestrator restarts what does not
/// answer.
#[tokio::test]
async fn probes_are_answered_while_others_hold_connections() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut held = Vec::new();
    for number in 0..500 {
        let mut stream = tokio::net::TcpStream::connect(proxy.http).await.unwrap();
        let begun: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
            _ => b"GET /hea",
        };
        stream.write_all(begun).await.unwrap();
        held.push(stream);
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = tokio::time::timeout(PATIENCE, proxy.get(path)).await;
        let (status, body) = answer.expect("no answer");
        assert_eq!(status, 200, "{body}");
    }
    // Who came last has not been sent away, and may go on.
    let mut last = held.pop().unwrap();
    last.write_all(b"Connection: close\r\n\r\n").await.unwrap();
    let answer = String::from_utf8(rest(&mut last).await).unwrap();
    assert!(answer.ends_with("alive\n"), "{answer}");
    // Nothing but connections is given up for it.
    assert!(rest(&mut held.remove(0)).await.is_empty());
    let client = proxy.client(&fixture).await;
    works(&client, 1).await;
}

/// One that has asked is not dropped for those that come behind it before anybody has looked at it.
#[tokio::test]
async fn a_probe_in_the_midst_of_a_crowd_is_answered() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    // The proxy accepts none of these before the test waits: both are on one thread.
    let connect = || StdStream::connect(proxy.http).unwrap();
    let mut probe = connect();
    probe.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let _crowd: Vec<StdStream> = (0..100).map(|_| connect()).collect();
    probe.set_nonblocking(true).unwrap();
    let answer = rest(&mut tokio::net::TcpStream::from_std(probe).unwrap()).await;
    assert!(answer.ends_with(b"alive\n"), "{answer:?}");
}

/// Who may only probe cannot have the server called as often as the proxy.
#[tokio::test]
async fn many_probes_are_one_question_to_the_server() {
    let fixture = Fixture::new(people()).await;
    let middle = Middle::start(fixture.sealed().server()).await;
    let mut settings = settings(&fixture);
    settings.server.ports = vec![middle.port];
    let proxy = Running::start(settings).await;
    let probes = (0..30).map(|_| proxy.get("/readyz"));
    for (status, answer) in futures_util::future::join_all(probes).await {
        assert_eq!(status, 200, "{answer}");
    }
    let asked = middle.count();
    assert!((1..10).contains(&asked), "asked {asked} times");
}

/// A request has no end unless it is given one.
#[tokio::test]
async fn a_request_that_does_not_end_is_not_kept() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut stream = tokio::net::TcpStream::connect(proxy.http).await.unwrap();
    let head = format!(
        "GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(64 << 10)
    );
    // It may have had enough before all has been said.
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let statements = |verdict: &str| format!("sealwire_statements_total{{verdict=\"{verdict}\"}}");
    let cells = |done: &str| format!("sealwire_cells_total{{done=\"{done}\"}}");
    let (planned, plain, refused) = (
        statements("planned"),
        statements("plain"),
        statements("refused"),
    );
    for name in [&planned, &plain, &refused] {
        proxy.counts(name, 0.0).await;
    }
    // What has not happened yet is counted too: an alert is about the first time.
    for end in ["server_lost", "server_fault", "encryption", "slow_start"] {
        let name = format!("sealwire_connections_ended_total{{end=\"{end}\"}}");
        assert_eq!(proxy.metrics().await[&name], 0.0);
    }
    let client = proxy.client(&fixture).await;
    proxy.counts("sealwire_connections", 1.0).await;
    proxy
        .counts("sealwire_connections_accepted_total", 1.0)
        .await;
    proxy.counts("sealwire_connections_limit", 500.0).await;

    // Each seals an address and a note, looks the address up and reads the note.
    for id in 1..=4 {
        works(&client, id).await;
    }
    proxy.counts(&planned, 8.0).await;
    proxy.counts(&cells("sealed"), 12.0).await;
    proxy.counts(&cells("opened"), 4.0).await;
    let rows = client.query("SELECT email, note FROM people", &[]).await;
    assert_eq!(rows.unwrap().len(), 4);
    proxy.counts(&cells("opened"), 12.0).await;
    proxy.counts(&planned, 9.0).await;

    client.batch_execute("SELECT 1").await.unwrap();
    proxy.counts(&plain, 1.0).await;
    let sql = "SELECT id FROM people WHERE email LIKE 'marker-in-a-statement%'";
    assert_eq!(code(&client.query(sql, &[]).await.unwrap_err()), "0A000");
    proxy.counts(&refused, 1.0).await;
    proxy.counts(&cells("rejected"), 0.0).await;
    proxy.counts(&cells("sealed"), 12.0).await;

    // A cell that was moved to another column does not open.
    let owner = fixture.sealed().connect().await;
    owner
        .batch_execute("UPDATE people SET note = overlay(note::bytea PLACING '\\x00'::bytea FROM octet_length(note::bytea))")
        .await
        .unwrap();
    client
        .query("SELECT note FROM people", &[])
        .await
        .unwrap_err();
    proxy.counts(&cells("rejected"), 1.0).await;

    proxy.counts("sealwire_key_requests_total", 1.0).await;
    proxy.counts("sealwire_key_failures_total", 0.0).await;
    for phase in ["startup", "dial", "session"] {
        let name = format!("sealwire_connection_phase_seconds_count{{phase=\"{phase}\"}}");
        proxy.counts(&name, 1.0).await;
    }
    drop(client);
    proxy.settle(0.0).await;
    proxy.have_ended("closed", 1.0).await;

    let (_, text) = proxy.get("/metrics").await;
    for word in [
        "person1",
        "a note",
        "marker-in",
        "SELECT",
        "people",
        "127.0.0.1",
    ] {
        assert!(!text.contains(word), "`{word}` is in {text}");
    }
    // The handle says the same.
    let done = proxy.handle.statistics().done;
    assert_eq!((done.cells_sealed, done.statements_planned), (12, 10));
}
