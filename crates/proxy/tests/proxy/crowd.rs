//! A crowd at the door: whoever says nothing shuts nobody out.

use std::time::Duration;

use sealwire_testkit::fixture::Fixture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::certificates::{Authority, trusting, with_tls};
use crate::support::*;

/// Longer than any test waits.
const FOREVER: Duration = Duration::from_secs(3600);

/// Connections that may begin beyond those that may be open.
const BEGINNINGS_EXTRA: usize = 64;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A connection that says so much and nothing more.
async fn says(proxy: &Running, words: &[u8]) -> TcpStream {
    let mut stream = proxy.stream().await;
    stream.write_all(words).await.unwrap();
    if words == SSL_REQUEST {
        assert_eq!(stream.read_u8().await.unwrap(), b'S');
    }
    stream
}

#[tokio::test]
async fn silent_connections_shut_nobody_out() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let mut settings = with_tls(&fixture, &authority);
    settings.limits.connections = 3;
    settings.limits.startup_timeout = FOREVER;
    settings.listen.unix = Some(directory.path().to_owned());
    let log = Log::capture();
    let proxy = Running::start(settings).await;
    let room = 3 + BEGINNINGS_EXTRA;
    let hello = startup(0, &[("user", "u"), ("database", "d")]);
    let silences = [
        &b""[..],
        // Half a startup message, a request without a handshake, and half a handshake.
        &hello[..hello.len() - 1],
        &SSL_REQUEST,
        &[0x16, 3, 1, 2, 0, 1],
    ];
    let mut silent = Vec::new();
    for number in 0..room {
        silent.push(says(&proxy, silences[number % silences.len()]).await);
        if number == 0 {
            // Those behind it may come to their room in another order.
            proxy.settle(1.0).await;
        }
    }
    proxy
        .counts("sealwire_connections_beginning", room as f64)
        .await;
    assert_eq!(proxy.ended("gave_way").await, 0.0);

    let client = proxy.client(&fixture).await;
    works(&client, 1).await;
    proxy.have_ended("gave_way", 1.0).await;
    // The oldest has gone, without a word, and no other.
    assert!(rest(&mut silent[0]).await.is_empty());
    proxy.settle(room as f64).await;
    let said = log.take();
    let line = said.lines().find(|line| line.contains("gives way"));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    let oldest = silent[0].local_addr().unwrap();
    assert!(line.contains("WARN"), "{line}");
    assert!(line.contains(&format!("peer={oldest}")), "{line}");

    // However many come, and whatever way.
    for _ in 0..3 * room {
        silent.push(proxy.stream().await);
    }
    let mut encrypted = through(fixture.sealed(), "localhost", proxy.tcp.port());
    encrypted
        .hostaddr(proxy.tcp.ip())
        .ssl_mode(tokio_postgres::config::SslMode::Require);
    let other = connect(&encrypted, trusting(&authority.pem())).await;
    works(&other.unwrap(), 2).await;
    let socket = proxy.unix.as_ref().unwrap();
    let mut local = UnixStream::connect(socket).await.unwrap();
    local.write_all(&hello).await.unwrap();
    // The server's question: it has been heard.
    assert_eq!(local.read_u8().await.unwrap(), b'R');
    let beginning = proxy.metrics().await["sealwire_connections_beginning"];
    assert!(beginning <= room as f64, "{beginning}");
    works(&client, 3).await;
    // It is not said again of each.
    assert!(!log.take().contains("gives way"));

    drop((silent, client, local));
    proxy.settle(0.0).await;
    let metrics = proxy.metrics().await;
    let ended = |(name, _): &(&String, &f64)| name.starts_with("sealwire_connections_ended_total");
    let ended: f64 = metrics.iter().filter(ended).map(|(_, count)| count).sum();
    assert_eq!(metrics["sealwire_connections_accepted_total"], ended);
    assert!(proxy.ended("too_many").await == 0.0, "{metrics:?}");
}
