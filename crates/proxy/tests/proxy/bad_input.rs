//! Clients and servers that do what they should not: the one connection ends, and nothing else.

use std::io::Write;
use std::net::TcpStream as StdStream;
use std::time::Duration;

use sealwire_proxy::SslMode;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::{Batch, Reply, WireClient};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::NoTls;

use crate::certificates::{Authority, with_tls};
use crate::support::*;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Bytes that look like nothing, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Says something and nothing more, and takes the answer to its end.
async fn say(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = stream.split();
    let saying = async {
        // The proxy may have had enough before all has been said.
        let _ = writer.write_all(bytes).await;
        let _ = writer.shutdown().await;
    };
    tokio::join!(rest(&mut reader), saying).0
}

#[tokio::test]
async fn what_is_no_startup_message_ends_one_connection() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let bystander = proxy.client(&fixture).await;
    let version_2 = [&[0, 0, 0, 9, 0, 2, 0, 0][..], b"\0"].concat();
    let unterminated = [&[0, 0, 0, 14, 0, 3, 0, 0][..], b"user\0u"].concat();
    let cancel = |len: u8| [&[0, 0, 0, len, 0x04, 0xd2, 0x16, 0x2e][..], &noise(8)].concat();
    let refused = Some("08P01");
    let cases: [(&str, Vec<u8>, Option<&str>); 17] = [
        ("nothing", Vec::new(), None),
        ("one byte", vec![0], None),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            refused,
        ),
        ("zeros", vec![0; 1 << 20], refused),
        ("ones", vec![0xff; 1 << 20], refused),
        ("noise", noise(1 << 20), refused),
        ("a length of its own only", vec![0, 0, 0, 4], None),
        ("a length too short", [0, 0, 0, 4].repeat(2), refused),
        (
            "one byte too long",
            vec![0, 0, 0x27, 0x11, 0, 3, 0, 0],
            refused,
        ),
        ("protocol 2", version_2, refused),
        ("no end of the list", unterminated, refused),
        (
            "half of it",
            startup(0, &[("user", "u")])[..12].to_vec(),
            None,
        ),
        (
            "a long request for TLS",
            vec![0, 0, 0, 9, 0x04, 0xd2, 0x16, 0x2f, 0],
            refused,
        ),
        ("only requests", SSL_REQUEST.repeat(3), refused),
        ("a TLS handshake", vec![0x16, 3, 1, 2, 0, 1, 0, 1], refused),
        ("half a cancel request", cancel(16)[..12].to_vec(), None),
        ("nobody's cancel request", cancel(16), None),
    ];
    let tried = cases.len();
    for (what, bytes, expected) in cases {
        let answer = say(&mut proxy.stream().await, &bytes).await;
        let denials = answer.iter().take_while(|byte| **byte == b'N').count();
        let code = last_error(&answer[denials..], b'C');
        assert_eq!(code.as_deref(), expected, "{what}: {answer:?}");
        proxy.settle(1.0).await;
    }
    works(&bystander, 1).await;
    let metrics = proxy.metrics().await;
    let ended: f64 = metrics
        .iter()
        .filter(|(name, _)| name.starts_with("sealwire_connections_ended_total"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(ended, tried as f64, "{metrics:?}");
}

#[tokio::test]
async fn what_is_no_answer_to_the_server_s_request_ends_one_connection() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let bystander = proxy.client(&fixture).await;
    let parameters = [
        ("user", fixture.sealed().owner()),
        ("database", fixture.sealed().name()),
    ];
    let hello = startup(0, &parameters);
    let (refused, either) = (Some("08P01"), None);
    for (what, bytes, expected) in [
        ("nothing", Vec::new(), either),
        ("a statement", frame(b'Q', b"SELECT 1\0"), refused),
        ("a password in the clear", frame(b'p', b"secret\0"), refused),
        ("an unknown mechanism", frame(b'p', b"X\0\0\0\0\0"), refused),
        ("noise", noise(1 << 16), refused),
        ("a length too short", vec![b'p', 0, 0, 0, 3], refused),
        (
            "a length too long",
            vec![b'p', 0x7f, 0xff, 0xff, 0xff],
            either,
        ),
        (
            "a negative length",
            vec![b'p', 0xff, 0xff, 0xff, 0xff],
            refused,
        ),
        (
            "half a message",
            frame(b'p', &noise(100))[..50].to_vec(),
            either,
        ),
        ("a second startup message", hello.clone(), refused),
    ] {
        let mut stream = proxy.stream().await;
        stream.write_all(&hello).await.unwrap();
        let mut answer = vec![stream.read_u8().await.unwrap()];
        answer.extend(say(&mut stream, &bytes).await);
        let code = last_error(&answer, b'C');
        if expected.is_some() {
            assert_eq!(code.as_deref(), expected, "{what}: {answer:?}");
            assert_eq!(last_error(&answer, b'S').unwrap(), "FATAL", "{what}");
        }
        proxy.settle(1.0).await;
    }
    works(&bystander, 1).await;
    let metrics = proxy.metrics().await;
    let ended = |end: &str| metrics[&format!("sealwire_connections_ended_total{{end=\"{end}\"}}")];
    assert_eq!(
        ended("client_fault") + ended("not_authenticated"),
        10.0,
        "{metrics:?}"
    );
}

/// A session on a stream, over a server that asks for no password.
async fn session(proxy: &Running, fixture: &Fixture, name: &str) -> TcpStream {
    let mut config = fixture.sealed().config();
    config.password("");
    WireClient::start(proxy.stream().await, &config, &[("application_name", name)])
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
        .into_stream()
}

#[tokio::test]
async fn what_is_no_message_ends_one_session() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    let bystander = proxy.client(&fixture).await;
    let sealed_bind = [
        frame(
            b'P',
            b"\0INSERT INTO people (id, email) VALUES (1, $1)\0\0\0",
        ),
        frame(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xffx"),
    ];
    let cases: [(&str, Vec<u8>, Option<&str>); 15] = [
        ("nothing", Vec::new(), None),
        ("noise", noise(1 << 16), Some("08P01")),
        ("an unknown message", frame(b'z', b""), Some("08P01")),
        ("a length too short", vec![b'Q', 0, 0, 0, 3], Some("08P01")),
        (
            "a negative length",
            vec![b'Q', 0x80, 0, 0, 0],
            Some("08P01"),
        ),
        (
            "a statement of 2 GiB",
            vec![b'Q', 0x7f, 0xff, 0xff, 0xff],
            Some("54000"),
        ),
        (
            "a Bind of 2 GiB",
            [&sealed_bind[0][..], &[b'B', 0x7f, 0xff, 0xff, 0xff]].concat(),
            Some("54000"),
        ),
        (
            "a value that is not there",
            sealed_bind.concat(),
            Some("08P01"),
        ),
        (
            "a statement without an end",
            frame(b'Q', b"SELECT 1"),
            Some("08P01"),
        ),
        (
            "a Parse without an end",
            frame(b'P', b"s\0SELECT"),
            Some("08P01"),
        ),
        (
            "a Sync with something in it",
            frame(b'S', b"x"),
            Some("08P01"),
        ),
        (
            "half a message",
            frame(b'Q', &noise(100))[..50].to_vec(),
            None,
        ),
        ("stray COPY data", frame(b'd', b"1\t2\n"), None),
        ("a password again", frame(b'p', b"secret\0"), Some("08P01")),
        (
            "something behind the end",
            [frame(b'X', b""), noise(100)].concat(),
            Some("08P01"),
        ),
    ];
    // PostgreSQL goes on behind a message whose frame is whole.
    let goes_on = [
        "a value that is not there",
        "a statement without an end",
        "a Parse without an end",
        "a Sync with something in it",
    ];
    for (what, bytes, expected) in cases {
        let mut stream = session(&proxy, &fixture, "bad input").await;
        let answer = say(&mut stream, &bytes).await;
        let answer = answer.strip_suffix(b"Z\0\0\0\x05I").unwrap_or(&answer);
        let code = last_error(answer, b'C');
        assert_eq!(code.as_deref(), expected, "{what}: {answer:?}");
        if expected.is_some() {
            let severity = if goes_on.contains(&what) {
                "ERROR"
            } else {
                "FATAL"
            };
            assert_eq!(last_error(answer, b'S').unwrap(), severity, "{what}");
        }
        proxy.settle(1.0).await;
        works(&bystander, 1).await;
        bystander.execute("DELETE FROM people", &[]).await.unwrap();
    }
    until("the server's sessions have ended", async || {
        backends(&fixture, "bad input").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_the_server_s_to_refuse() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let mut config = proxy.config(fixture.sealed());
    config.password("wrong");
    assert_eq!(code(&refused(&config, NoTls).await), "28P01");
    let mut config = proxy.config(fixture.sealed());
    config.user("nobody at all");
    assert_eq!(code(&refused(&config, NoTls).await), "28P01");
    let mut config = proxy.config(fixture.sealed());
    config.dbname("not_there");
    assert_eq!(code(&refused(&config, NoTls).await), "3D000");
    proxy.settle(0.0).await;
    proxy.have_ended("not_authenticated", 3.0).await;
}

#[tokio::test]
async fn who_takes_too_long_to_begin_is_sent_away() {
    let fixture = Fixture::new(people()).await;
    let authority = Authority::new();
    let mut settings = with_tls(&fixture, &authority);
    settings.limits.startup_timeout = Duration::from_secs(3);
    let proxy = Running::start(settings).await;
    // It has to begin in time too, and is given several chances on a loaded machine.
    let mut bystander = None;
    until("the bystander has begun in time", async || {
        bystander = connect(&proxy.config(fixture.sealed()), NoTls).await.ok();
        bystander.is_some()
    })
    .await;
    let bystander = bystander.unwrap();
    proxy.settle(1.0).await;
    let before = proxy.ended("slow_start").await;
    let hello = startup(
        0,
        &[
            ("user", fixture.sealed().owner()),
            ("database", fixture.sealed().name()),
        ],
    );

    let silent = async { rest(&mut proxy.stream().await).await };
    let trickling = async {
        let stream = proxy.stream().await;
        let (mut reader, mut writer) = stream.into_split();
        let trickle = async {
            for byte in hello.chunks(1) {
                let _ = writer.write_all(byte).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = rest(&mut reader) => answer,
            () = trickle => unreachable!(),
        }
    };
    let no_handshake = async {
        let mut stream = proxy.stream().await;
        stream.write_all(&SSL_REQUEST).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'S');
        rest(&mut stream).await
    };
    let half_a_handshake = async {
        let mut stream = proxy.stream().await;
        stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        rest(&mut stream).await
    };
    let no_password = async {
        let mut stream = proxy.stream().await;
        stream.write_all(&hello).await.unwrap();
        rest(&mut stream).await
    };
    let (silent, trickling, no_handshake, half, no_password) = tokio::join!(
        silent,
        trickling,
        no_handshake,
        half_a_handshake,
        no_password
    );
    for answer in [silent, trickling, no_handshake, half] {
        assert!(answer.is_empty(), "{answer:?}");
    }
    assert_eq!(last_error(&no_password, b'C').unwrap(), "57014");
    proxy.have_ended("slow_start", before + 5.0).await;
    proxy.settle(1.0).await;
    works(&bystander, 1).await;
}

/// A server that takes connections and says nothing.
pub(crate) async fn silent_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_long() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    settings.server.ports = vec![silent_server().await];
    settings.limits.startup_timeout = Duration::from_millis(300);
    let proxy = Running::start(settings.clone()).await;
    let hello = startup(
        0,
        &[
            ("user", fixture.sealed().owner()),
            ("database", fixture.sealed().name()),
        ],
    );
    // It is all there when the time begins: the proxy accepts nothing before the test waits.
    let mut stream = StdStream::connect(proxy.tcp).unwrap();
    stream.write_all(&hello).unwrap();
    stream.set_nonblocking(true).unwrap();
    let answer = rest(&mut TcpStream::from_std(stream).unwrap()).await;
    assert_eq!(last_error(&answer, b'C').unwrap(), "57014");
    proxy.have_ended("slow_start", 1.0).await;
    proxy.settle(0.0).await;

    // It is asked for TLS while the proxy connects to it, which has a limit of its own.
    settings.server.sslmode = SslMode::Require;
    settings.server.connect_timeout = Duration::from_millis(300);
    settings.limits.startup_timeout = Duration::from_secs(3600);
    let log = Log::capture();
    let proxy = Running::start(settings).await;
    let error = refused(&proxy.config(fixture.sealed()), NoTls).await;
    assert_eq!(code(&error), "08001");
    let log = log.take();
    assert!(log.contains("timed out"), "{log}");
    proxy.settle(0.0).await;
}

#[tokio::test]
async fn a_server_that_is_gone_in_the_middle_of_a_result_ends_one_session() {
    let fixture = Fixture::new(people()).await;
    let middle = Middle::start(fixture.sealed().server()).await;
    let mut settings = settings(&fixture);
    settings.server.ports = vec![middle.port];
    let proxy = Running::start(settings).await;
    let mut client = proxy.wire(&fixture).await;
    let mut batch = Batch::new();
    batch.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)");
    client.send(&batch).await;
    for _ in 0..10 {
        client.reply().await;
    }
    proxy.settle(1.0).await;
    middle.cut();
    let left = rest(&mut client.into_stream()).await;
    assert!(left.len() < 100_000_000, "it has not been cut");
    proxy.settle(0.0).await;
    // Whoever comes next is served.
    let client = proxy.client(&fixture).await;
    works(&client, 1).await;
    middle.cut();
    assert!(client.query("SELECT 1", &[]).await.is_err());
    proxy.settle(0.0).await;
    let (status, why) = proxy.get("/readyz").await;
    assert_eq!(status, 200, "{why}");
}

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Closed,
    Reset,
}

fn go(stream: TcpStream, how: Gone) {
    if let Gone::Reset = how {
        let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        linger.unwrap();
    }
    drop(stream);
}

#[tokio::test]
async fn a_client_that_is_gone_takes_its_server_session_with_it() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    let bystander = proxy.client(&fixture).await;
    works(&bystander, 1).await;
    let copy_in = "COPY people (id, email) FROM STDIN";
    let copy_out = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT";
    for how in [Gone::Closed, Gone::Reset] {
        for sql in [copy_in, copy_out, "BEGIN; DELETE FROM people"] {
            let stream = session(&proxy, &fixture, "soon gone").await;
            let mut client = stream;
            let query = frame(b'Q', format!("{sql}\0").as_bytes());
            client.write_all(&query).await.unwrap();
            client.read_u8().await.unwrap();
            if sql == copy_in {
                let rows = frame(b'd', b"8\tlost@example.com\n9\tlost too@exa");
                client.write_all(&rows).await.unwrap();
            }
            assert_eq!(backends(&fixture, "soon gone").await, 1, "{how:?} {sql}");
            go(client, how);
            until("the server's session has ended", async || {
                backends(&fixture, "soon gone").await == 0
            })
            .await;
            proxy.settle(1.0).await;
        }
    }
    let rows = bystander.query("SELECT email FROM people", &[]).await;
    assert_eq!(rows.unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_that_the_server_ends_says_why() {
    let fixture = Fixture::new(people()).await;
    let proxy = Running::of(&fixture).await;
    let name = [("application_name", "soon ended")];
    let config = fixture.sealed().config();
    let mut client = WireClient::start(proxy.stream().await, &config, &name)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));
    let admin = fixture.sealed().connect_superuser().await;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = $1 AND application_name = 'soon ended'";
    let name = fixture.sealed().name();
    assert_eq!(admin.query(sql, &[&name]).await.unwrap().len(), 1);
    let Reply::Error(error) = client.reply().await else {
        panic!("no reason");
    };
    assert_eq!(error.code(), "57P01");
    assert!(rest(&mut client.into_stream()).await.is_empty());
    proxy.settle(0.0).await;
    proxy.have_ended("closed", 1.0).await;
}
