//! TLS with clients, asked for or begun at once, and the network that must not see a value.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use sealwire_proxy::SslMode;
use sealwire_testkit::fixture::Fixture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::config::{ChannelBinding, SslMode as ClientSslMode, SslNegotiation};
use tokio_postgres::{Config, NoTls};
use tokio_rustls::TlsConnector;

use crate::certificates::{Authority, client_config, trusting, with_tls};
use crate::support::*;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(crate) fn wanting_tls(proxy: &Running, fixture: &Fixture) -> Config {
    let mut config = through(fixture.sealed(), "localhost", proxy.tcp.port());
    config.hostaddr(proxy.tcp.ip());
    config.ssl_mode(ClientSslMode::Require);
    config
}

#[tokio::test]
async fn tls_is_asked_for_or_begun_at_once() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let proxy = Running::start(with_tls(&fixture, &authority)).await;
    let tls = trusting(&authority.pem());
    for (id, negotiation) in [(1, SslNegotiation::Postgres), (2, SslNegotiation::Direct)] {
        let mut config = wanting_tls(&proxy, &fixture);
        config.ssl_negotiation(negotiation);
        let client = connect(&config, tls.clone()).await.unwrap();
        works(&client, id).await;
        client
            .cancel_token()
            .cancel_query(tls.clone())
            .await
            .unwrap();
    }
    proxy.counts("sealwire_cancel_requests_total", 2.0).await;
    // Who does not trust the certificate goes away, and that is all.
    let stranger = trusting(&Authority::new().pem());
    let error = refused(&wanting_tls(&proxy, &fixture), stranger).await;
    assert!(
        everything(&error).contains("UnknownIssuer"),
        "{}",
        everything(&error)
    );
    proxy.settle(0.0).await;
    proxy.have_ended("bad_start", 1.0).await;
    // The machine itself may do without.
    works(&proxy.client(&fixture).await, 3).await;
}

#[tokio::test]
async fn tls_on_both_sides_binds_authentication_to_neither() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let mut settings = with_tls(&fixture, &authority);
    settings.server.sslmode = SslMode::Require;
    let proxy = Running::start(settings).await;
    let tls = trusting(&authority.pem());
    let mut config = wanting_tls(&proxy, &fixture);
    config.channel_binding(ChannelBinding::Disable);
    let client = connect(&config, tls.clone()).await.unwrap();
    assert!(server_has_tls(&client).await);
    works(&client, 1).await;
    // A client without TLS sees no mechanism that it could not use.
    works(&proxy.client(&fixture).await, 2).await;

    // One that could bind says so, and the server would take the proxy for an attack.
    config.channel_binding(ChannelBinding::Prefer);
    let error = refused(&config, tls.clone()).await;
    assert_eq!(code(&error), "28000");
    let hint = error.as_db_error().unwrap().hint().unwrap_or_default();
    assert!(
        hint.contains("channel_binding=disable"),
        "{}",
        everything(&error)
    );
    config.channel_binding(ChannelBinding::Require);
    let error = refused(&config, tls).await;
    assert!(
        everything(&error).contains("channel binding"),
        "{}",
        everything(&error)
    );
    drop(client);
    proxy.settle(0.0).await;
}

#[tokio::test]
async fn a_proxy_without_a_certificate_says_so() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let authority = Authority::new();
    let tls = trusting(&authority.pem());
    let mut config = wanting_tls(&proxy, &fixture);
    let error = refused(&config, tls.clone()).await;
    assert!(
        everything(&error).contains("does not support TLS"),
        "{}",
        everything(&error)
    );
    config.ssl_mode(ClientSslMode::Prefer);
    works(&connect(&config, tls.clone()).await.unwrap(), 1).await;
    // TLS that begins at once is no startup message.
    config.ssl_mode(ClientSslMode::Require);
    config.ssl_negotiation(SslNegotiation::Direct);
    refused(&config, tls).await;
    proxy.settle(0.0).await;
}

/// An address of this machine's that is not its loopback.
fn outward() -> SocketAddr {
    // Connecting a datagram socket sends nothing: it only picks the way.
    let pick = |any: &str, peer: &str| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(peer).ok()?;
        socket.local_addr().ok()
    };
    let mut address = pick("0.0.0.0:0", "192.0.2.1:9")
        .or_else(|| pick("[::]:0", "[2001:db8::1]:9"))
        .expect("this test needs an address beside the loopback");
    address.set_port(0);
    address
}

#[tokio::test]
async fn the_network_sees_no_plaintext_unless_that_is_said() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let mut settings = with_tls(&fixture, &authority);
    settings.listen.tcp = vec![outward()];
    let proxy = Running::start(settings.clone()).await;
    let host = proxy.tcp.ip().to_string();
    let plain = through(fixture.sealed(), &host, proxy.tcp.port());
    let error = refused(&plain, NoTls).await;
    assert_eq!(code(&error), "28000");
    let hint = error.as_db_error().unwrap().hint().unwrap_or_default();
    assert!(hint.contains("sslmode"), "{hint}");
    let tls = trusting(&authority.pem());
    let client = connect(&wanting_tls(&proxy, &fixture), tls).await.unwrap();
    works(&client, 1).await;

    settings.listen.allow_plaintext = true;
    let proxy = Running::start(settings.clone()).await;
    let plain = through(fixture.sealed(), &host, proxy.tcp.port());
    works(&connect(&plain, NoTls).await.unwrap(), 2).await;

    settings.listen.allow_plaintext = false;
    settings.listen.tls = None;
    let error = sealwire_proxy::Proxy::bind(settings).await.unwrap_err();
    assert!(error.to_string().contains("without TLS"), "{error}");
}

#[tokio::test]
async fn the_machine_itself_is_known_on_a_listener_for_both_families() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let mut settings = with_tls(&fixture, &authority);
    settings.listen.tcp = vec!["[::]:0".parse().unwrap()];
    let proxy = Running::start(settings).await;
    for (id, host) in [(1, "127.0.0.1"), (2, "::1")] {
        let plain = through(fixture.sealed(), host, proxy.tcp.port());
        works(&connect(&plain, NoTls).await.unwrap(), id).await;
    }
}

#[tokio::test]
async fn a_handshake_takes_nothing_that_came_in_the_clear() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let proxy = Running::start(with_tls(&fixture, &authority)).await;
    // A startup message behind the request is what somebody in between would put there
    // (CVE-2021-23214).
    let mut stream = proxy.stream().await;
    let hello = startup(0, &[("user", "u")]);
    stream
        .write_all(&[&SSL_REQUEST[..], &hello].concat())
        .await
        .unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    let answer = rest(&mut stream).await;
    // A TLS alert, if anything.
    assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    proxy.settle(0.0).await;
    proxy.have_ended("bad_start", 1.0).await;
}

#[tokio::test]
async fn tls_that_begins_at_once_must_name_the_protocol() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let proxy = Running::start(with_tls(&fixture, &authority)).await;
    let connector = TlsConnector::from(Arc::new(client_config(&authority.pem())));
    let stream = TcpStream::connect(proxy.tcp).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(last_error(&answer, b'C').unwrap(), "08P01");
    let message = last_error(&answer, b'M').unwrap();
    assert!(message.contains("ALPN"), "{message}");
    proxy.settle(0.0).await;
}

#[tokio::test]
async fn requests_for_encryption_are_answered_once_each() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut stream = proxy.stream().await;
    let gss_request = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];
    for request in [gss_request, SSL_REQUEST] {
        stream.write_all(&request).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
    }
    let mut patient = stream;
    let hello = startup(
        0,
        &[
            ("user", fixture.sealed().owner()),
            ("database", fixture.sealed().name()),
        ],
    );
    patient.write_all(&hello).await.unwrap();
    assert_eq!(patient.read_u8().await.unwrap(), b'R');
    drop(patient);

    let mut insisting = proxy.stream().await;
    insisting.write_all(&SSL_REQUEST.repeat(20)).await.unwrap();
    let answer = rest(&mut insisting).await;
    let said = answer.iter().take_while(|byte| **byte == b'N').count();
    assert!(said < 4, "{answer:?}");
    assert_eq!(last_error(&answer[said..], b'C').unwrap(), "08P01");
    proxy.settle(0.0).await;
}

/// A certificate out of date is no reason to end what works for clients that do not verify.
#[tokio::test]
async fn an_expired_certificate_is_told_of_and_shown() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let settings = with_tls(&fixture, &authority);
    let log = Log::capture();
    sealwire_proxy::check(&settings).await.unwrap();
    assert!(!log.take().contains("expired"));
    let files = settings.listen.tls.clone().unwrap();
    let issued = authority.issue_expired("localhost");
    issued.write(&files.certificate, &files.key);
    sealwire_proxy::check(&settings).await.unwrap();
    let said = log.take();
    assert!(said.contains("has expired"), "{said}");
    assert!(
        said.contains("2002-01-01") && said.contains("proxy.crt"),
        "{said}"
    );

    let proxy = Running::start(settings).await;
    let mut config = through(fixture.sealed(), "localhost", proxy.tcp.port());
    config
        .hostaddr(proxy.tcp.ip())
        .ssl_mode(ClientSslMode::Require);
    let error = refused(&config, trusting(&authority.pem())).await;
    assert!(
        everything(&error).contains("expired"),
        "{}",
        everything(&error)
    );
    proxy.have_ended("bad_start", 1.0).await;
}

#[tokio::test]
async fn certificate_and_key_that_do_not_serve_are_told_apart() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let settings = with_tls(&fixture, &authority);
    let files = settings.listen.tls.clone().unwrap();
    let (certificate, key) = (&files.certificate, &files.key);
    authority
        .issue("localhost")
        .write(&fixture.directory().join("other.crt"), key);
    let error = sealwire_proxy::check(&settings).await.unwrap_err();
    assert!(error.to_string().contains("do not go together"), "{error}");
    assert!(error.hint().is_some());

    authority.issue("localhost").write(certificate, key);
    sealwire_proxy::check(&settings).await.unwrap();
    std::fs::write(certificate, "no PEM").unwrap();
    let error = sealwire_proxy::check(&settings).await.unwrap_err();
    assert!(error.to_string().contains("there is none in it"), "{error}");
}
