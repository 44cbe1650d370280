//! Whatever a connection comes to, nothing of it is left: no place, no task of the server's, no
//! file descriptor. Alone in its process, whose descriptors it counts.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "proxy/certificates.rs"]
#[allow(dead_code, reason = "each test binary uses what it needs")]
mod certificates;
#[path = "proxy/support.rs"]
mod support;

use std::time::Duration;

use certificates::{Authority, trusting, with_tls};
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::{Batch, Reply};
use socket2::SockRef;
use support::*;
use tokio::io::AsyncWriteExt;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;

fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}

struct Scene {
    fixture: Fixture,
    middle: Middle,
    proxy: Running,
    /// One that waits for nobody.
    impatient: Running,
    authority: Authority,
}

/// A connection's ends, one after the other.
async fn every_end(scene: &Scene) {
    let Scene {
        fixture,
        middle,
        proxy,
        impatient,
        authority,
    } = scene;
    let plain = proxy.config(fixture.sealed());
    let mut encrypted = through(fixture.sealed(), "localhost", proxy.tcp.port());
    encrypted
        .hostaddr(proxy.tcp.ip())
        .ssl_mode(SslMode::Require);

    // In order, and without a word, and with a reset.
    let client = connect(&plain, NoTls).await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    drop(client);
    drop(proxy.wire(fixture).await);
    let stream = proxy.wire(fixture).await.into_stream();
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);

    // With TLS, and where it fails.
    let client = connect(&encrypted, trusting(&authority.pem())).await;
    client.unwrap().batch_execute("SELECT 1").await.unwrap();
    refused(&encrypted, trusting(&Authority::new().pem())).await;

    // Refused by the server, and by the proxy.
    let mut unknown = plain.clone();
    unknown.user("nobody at all");
    refused(&unknown, NoTls).await;
    let (user, database) = (fixture.sealed().owner(), fixture.sealed().name());
    let replication = [
        ("user", user),
        ("database", database),
        ("replication", "true"),
    ];
    for bytes in [startup(0, &replication), b"GET / HTTP/1.0\r\n".to_vec()] {
        let mut stream = proxy.stream().await;
        stream.write_all(&bytes).await.unwrap();
        rest(&mut stream).await;
    }

    // The client breaks the protocol.
    let mut stream = proxy.wire(fixture).await.into_stream();
    stream.write_all(&frame(b'z', b"")).await.unwrap();
    rest(&mut stream).await;

    // Never begun, and begun too slowly.
    drop(proxy.stream().await);
    rest(&mut impatient.stream().await).await;

    // Gone in the middle of a result, from either side.
    for by_server in [true, false] {
        let mut client = proxy.wire(fixture).await;
        let mut batch = Batch::new();
        batch.query("SELECT repeat('x', 1000) FROM generate_series(1, 100000)");
        client.send(&batch).await;
        assert!(matches!(client.reply().await, Reply::Columns(_)));
        if by_server {
            middle.cut();
            rest(&mut client.into_stream()).await;
        }
    }
    proxy.settle(0.0).await;
    impatient.settle(0.0).await;
}

#[tokio::test]
async fn no_end_of_a_connection_leaves_anything_behind() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let middle = Middle::without_password(fixture.sealed().server()).await;
    let mut settings = with_tls(&fixture, &authority);
    settings.server.ports = vec![middle.port];
    let proxy = Running::start(settings.clone()).await;
    settings.limits.startup_timeout = Duration::from_millis(100);
    let scene = Scene {
        fixture,
        middle,
        proxy,
        impatient: Running::start(settings).await,
        authority,
    };
    // Once for whatever is opened once.
    every_end(&scene).await;
    let before = descriptors();
    for _ in 0..3 {
        every_end(&scene).await;
    }
    until("descriptors are closed", async || descriptors() <= before).await;
    let owner = scene.fixture.sealed().connect().await;
    until("the server's sessions have ended", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    scene.proxy.adds_up(0.0).await;
    let metrics = scene.proxy.metrics().await;
    scene.impatient.have_ended("slow_start", 4.0).await;
    for end in [
        "closed",
        "bad_start",
        "not_authenticated",
        "encryption",
        "client_fault",
        "client_lost",
    ] {
        assert!(scene.proxy.ended(end).await >= 4.0, "{end}: {metrics:?}");
    }
}
