//! TLS with the server: every `sslmode`, and every certificate that must not be taken.

use sealwire_proxy::{Settings, SslMode, SslNegotiation};
use sealwire_testkit::fixture::Fixture;
use tokio_postgres::NoTls;

use crate::certificates::{Answer, Authority, front};
use crate::support::*;

const MODES: [SslMode; 5] = [
    SslMode::Disable,
    SslMode::Prefer,
    SslMode::Require,
    SslMode::VerifyCa,
    SslMode::VerifyFull,
];

#[tokio::test]
async fn every_sslmode_reaches_the_server() {
    let fixture = Fixture::new(people()).await;
    let pem = fixture.sealed().server().authority_pem();
    let authority = fixture.directory().join("authority.pem");
    std::fs::write(&authority, pem.expect("the kit's own server")).unwrap();
    let mut id = 0;
    for (mode, host) in MODES.map(|mode| (mode, "localhost")).into_iter().chain([
        // The certificate is for the address too.
        (SslMode::VerifyFull, "127.0.0.1"),
    ]) {
        let mut settings = settings(&fixture);
        settings.server.hosts = vec![host.into()];
        settings.server.sslmode = mode;
        settings.server.sslrootcert = Some(authority.clone());
        let proxy = Running::start(settings).await;
        let client = proxy.client(&fixture).await;
        let encrypted = server_has_tls(&client).await;
        assert_eq!(encrypted, mode != SslMode::Disable, "{mode:?}");
        id += 1;
        works(&client, id).await;
        assert_eq!(proxy.get("/readyz").await.0, 200, "{mode:?}");
    }
}

#[tokio::test]
async fn a_unix_socket_to_the_server_needs_no_tls() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings_without_password(&fixture);
    settings.server.sslmode = SslMode::VerifyFull;
    let proxy = Running::start(settings).await;
    works(&proxy.client(&fixture).await, 1).await;
}

/// Whether the session begins. If it does not, the log says why, and the client only that the
/// server cannot be reached.
async fn begins(fixture: &Fixture, settings: Settings, why_not: &str) -> bool {
    let log = Log::capture();
    let port = settings.server.ports[0];
    let proxy = Running::start(settings).await;
    let Err(error) = connect(&proxy.config(fixture.sealed()), NoTls).await else {
        return true;
    };
    assert_eq!(code(&error), "08001");
    let said = everything(&error);
    assert!(!said.contains(&port.to_string()), "{said}");
    let log = log.take();
    let line = log.lines().find(|line| line.contains("WARN")).unwrap();
    assert!(line.contains("cannot reach the server"), "{line}");
    assert!(line.contains(&format!("localhost:{port}")), "{line}");
    assert!(line.contains(why_not), "`{why_not}` is not in {line}");
    proxy.have_ended("no_server", 1.0).await;
    let (status, why) = proxy.get("/readyz").await;
    assert_eq!((status, why.contains("cannot be reached")), (503, true));
    false
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_refused_and_the_log_says_why() {
    let fixture = Fixture::new(people()).await;
    let (known, unknown) = (Authority::new(), Authority::new());
    let authority = fixture.directory().join("authority.pem");
    std::fs::write(&authority, known.pem()).unwrap();
    for (issued, words, full, ca) in [
        (known.issue("localhost"), "", true, true),
        (
            known.issue("db.example.com"),
            "not valid for name",
            false,
            true,
        ),
        (known.issue_expired("localhost"), "expired", false, false),
        (unknown.issue("localhost"), "UnknownIssuer", false, false),
    ] {
        let port = front(fixture.sealed().server(), issued.answer()).await;
        for mode in MODES {
            for root in [None, Some(authority.clone())] {
                let verifies = match mode {
                    // There is nothing to ask TLS of this server for.
                    SslMode::Disable => continue,
                    SslMode::Prefer => None,
                    SslMode::Require => root.as_ref().map(|_| ca),
                    // The system's authorities do not know the test's.
                    SslMode::VerifyCa => Some(ca && root.is_some()),
                    _ => Some(full && root.is_some()),
                };
                if root.is_none() && verifies.is_some() {
                    continue;
                }
                let mut settings = settings(&fixture);
                settings.server.hosts = vec!["localhost".into()];
                settings.server.ports = vec![port];
                settings.server.sslmode = mode;
                settings.server.sslrootcert = root;
                let expected = verifies.unwrap_or(true);
                let begun = begins(&fixture, settings, words).await;
                assert_eq!(begun, expected, "{mode:?} {words}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_taken_by_prefer_only() {
    let fixture = Fixture::new(people()).await;
    let port = front(fixture.sealed().server(), Answer::No).await;
    for mode in [SslMode::Prefer, SslMode::Require] {
        let mut settings = settings(&fixture);
        settings.server.hosts = vec!["localhost".into()];
        settings.server.ports = vec![port];
        settings.server.sslmode = mode;
        let begun = begins(&fixture, settings, "does not support TLS").await;
        assert_eq!(begun, mode == SslMode::Prefer);
    }
}

#[tokio::test]
async fn tls_begins_without_a_request_where_that_is_configured() {
    let fixture = Fixture::new(people()).await;
    let known = Authority::new();
    let authority = fixture.directory().join("authority.pem");
    std::fs::write(&authority, known.pem()).unwrap();
    let answer = known.issue("localhost").direct();
    let mut settings = settings(&fixture);
    settings.server.hosts = vec!["localhost".into()];
    settings.server.ports = vec![front(fixture.sealed().server(), answer).await];
    settings.server.sslmode = SslMode::VerifyFull;
    settings.server.sslnegotiation = SslNegotiation::Direct;
    settings.server.sslrootcert = Some(authority);
    let proxy = Running::start(settings).await;
    works(&proxy.client(&fixture).await, 1).await;
}

#[tokio::test]
async fn settings_that_cannot_verify_anything_do_not_start() {
    let fixture = Fixture::new(people()).await;
    let empty = fixture.directory().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (certificate, words) in [
        ("not-there.pem", "not-there.pem"),
        ("empty.pem", "there is none in it"),
    ] {
        let mut settings = settings(&fixture);
        settings.server.sslmode = SslMode::VerifyFull;
        settings.server.sslrootcert = Some(fixture.directory().join(certificate));
        let error = sealwire_proxy::Proxy::bind(settings).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
