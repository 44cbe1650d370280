//! Every way to a server: both forms of the connection string, every transport, several hosts,
//! cancelling, and the settings that switch encryption off or half on.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use std::time::Duration;

use sealwire::{Canceller, Connection};
use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use support::{code, everything, people, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio_postgres::{Client, NoTls};

async fn open(connected: Result<(Client, Connection), sealwire::Error>) -> (Client, Canceller) {
    let (client, connection) = connected.unwrap_or_else(|error| panic!("{error:?}"));
    let canceller = connection.canceller();
    tokio::spawn(connection);
    (client, canceller)
}

/// Seals, opens and finds a value; says whether the session has TLS.
async fn works(client: &Client, id: i64) -> bool {
    let email = format!("person{id}@example.com");
    client
        .execute(
            "INSERT INTO people (id, email, note) VALUES ($1, $2, 'a note')",
            &[&id, &email],
        )
        .await
        .unwrap();
    let row = client
        .query_one("SELECT note FROM people WHERE email = $1", &[&email])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "a note");
    let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    client.query_one(ssl, &[]).await.unwrap().get(0)
}

/// A running statement ends when it is cancelled, and the session goes on.
async fn cancels(fixture: &Fixture, client: &Client, canceller: &Canceller) {
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await;
    let pid = pid.unwrap().get(0);
    let cancelling = async {
        fixture.until_it_sleeps(pid).await;
        canceller.cancel(client.cancel_token()).await.unwrap();
    };
    let sleep = client.batch_execute("SELECT pg_sleep(120)");
    let (slept, ()) = tokio::join!(sleep, cancelling);
    assert_eq!(code(&slept.unwrap_err()), "57014");
    client
        .query_one("SELECT count(*) FROM people WHERE note IS NULL", &[])
        .await
        .unwrap();
}

fn key_value(fixture: &Fixture, more: &str) -> String {
    let database = fixture.sealed();
    let config = database.config();
    format!(
        "user={} password={} dbname={} {} {more}",
        database.owner(),
        String::from_utf8_lossy(config.get_password().unwrap()),
        database.name(),
        fixture.parameters(),
    )
}

/// A port on which nobody listens, and nobody can while this is held.
fn dead_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[tokio::test]
async fn both_forms_of_the_string_and_every_sslmode() {
    let fixture = Fixture::new(people()).await;
    let port = fixture.sealed().port();
    let tls = tls().await;

    let (client, _) = open(sealwire::connect(&fixture.url(), NoTls).await).await;
    assert!(!works(&client, 1).await);
    for (id, sslmode, encrypted) in [
        (2, "disable", false),
        (3, "prefer", true),
        (4, "require", true),
    ] {
        let text = key_value(
            &fixture,
            &format!("host=localhost port={port} sslmode={sslmode}"),
        );
        let (client, canceller) = open(sealwire::connect(&text, tls.clone()).await).await;
        assert_eq!(works(&client, id).await, encrypted, "sslmode={sslmode}");
        cancels(&fixture, &client, &canceller).await;
        let url = format!(
            "{}&sslmode={sslmode}",
            fixture.url().replace("127.0.0.1", "localhost")
        );
        let (client, _) = open(sealwire::connect(&url, tls.clone()).await).await;
        assert_eq!(
            works(&client, id + 10).await,
            encrypted,
            "{sslmode} in a URL"
        );
    }
    let text = key_value(
        &fixture,
        &format!("host=localhost port={port} sslmode=prefer"),
    );
    let (client, _) = open(sealwire::connect(&text, NoTls).await).await;
    assert!(
        !works(&client, 20).await,
        "without a TLS implementation `prefer` is plain"
    );
    let text = key_value(
        &fixture,
        &format!("host=localhost port={port} sslmode=require"),
    );
    let error = sealwire::connect(&text, NoTls).await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn scram_binds_to_the_channel_beneath_the_layer() {
    let fixture = Fixture::new(people()).await;
    let port = fixture.sealed().port();
    let required = key_value(
        &fixture,
        &format!("host=localhost port={port} sslmode=require channel_binding=require"),
    );
    let (client, canceller) = open(sealwire::connect(&required, tls().await).await).await;
    assert!(works(&client, 1).await);
    cancels(&fixture, &client, &canceller).await;
    let impossible = key_value(
        &fixture,
        &format!("host=localhost port={port} sslmode=disable channel_binding=require"),
    );
    let error = sealwire::connect(&impossible, tls().await)
        .await
        .unwrap_err();
    assert!(everything(&error).contains("channel binding"), "{error}");
    let wrong = required.replace("password=", "password=wrong-");
    let error = sealwire::connect(&wrong, tls().await).await.unwrap_err();
    assert_eq!(error.as_postgres().map(code), Some("28P01"), "{error}");
}

/// A server that answers `N` to the request for TLS.
async fn without_tls(host: String, port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect((host.as_str(), port)).await.unwrap();
            tokio::spawn(async move {
                let mut first = [0; 8];
                client.read_exact(&mut first).await.unwrap();
                if first == [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f] {
                    client.write_all(b"N").await.unwrap();
                } else {
                    server.write_all(&first).await.unwrap();
                }
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    own
}

#[tokio::test]
async fn a_server_without_tls_is_used_or_refused_as_sslmode_says() {
    let fixture = Fixture::new(people()).await;
    let port = without_tls(fixture.sealed().host(), fixture.sealed().port()).await;
    let text = |mode: &str| {
        key_value(
            &fixture,
            &format!("host=localhost port={port} sslmode={mode}"),
        )
    };
    let (client, _) = open(sealwire::connect(&text("prefer"), tls().await).await).await;
    assert!(!works(&client, 1).await);
    let error = sealwire::connect(&text("require"), tls().await)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("does not support TLS"),
        "{error}"
    );
}

#[tokio::test]
async fn a_unix_socket_is_a_way_like_any_other() {
    let fixture = Fixture::new(people()).await;
    let parameters = fixture
        .sealed()
        .socket_parameters()
        .expect("a socket of the kit's own server");
    let text = format!("{parameters} {}", fixture.parameters());
    let (client, canceller) = open(sealwire::connect(&text, tls().await).await).await;
    assert!(!works(&client, 1).await);
    cancels(&fixture, &client, &canceller).await;

    let directory = fixture.sealed().socket_dir().unwrap();
    let encoded = directory.display().to_string().replace('/', "%2F");
    let url = fixture.url().replacen("127.0.0.1", &encoded, 1);
    let (client, _) = open(sealwire::connect(&url, NoTls).await).await;
    works(&client, 2).await;
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_is_dead() {
    let fixture = Fixture::new(people()).await;
    let ((_held, dead), port) = (dead_port(), fixture.sealed().port());
    let text = key_value(
        &fixture,
        &format!("host=localhost,127.0.0.1 port={dead},{port} connect_timeout=5"),
    );
    let (client, canceller) = open(sealwire::connect(&text, NoTls).await).await;
    works(&client, 1).await;
    cancels(&fixture, &client, &canceller).await;

    let socket = fixture.sealed().socket_dir().unwrap().display();
    for (id, hosts) in [
        (2, format!("host=/nowhere/at/all,127.0.0.1 port={port}")),
        (3, format!("host=127.0.0.1,{socket} port={dead},{port}")),
        (4, format!("hostaddr=127.0.0.1 port={port}")),
        (
            5,
            format!("host=127.0.0.1,127.0.0.1 port={dead},{port} load_balance_hosts=random"),
        ),
    ] {
        let text = key_value(&fixture, &hosts);
        let (client, _) = open(sealwire::connect(&text, NoTls).await).await;
        works(&client, id).await;
    }
    let text = key_value(&fixture, &format!("host=127.0.0.1 port={dead}"));
    let error = sealwire::connect(&text, NoTls).await.unwrap_err();
    assert!(
        everything(&error).contains("refused"),
        "{}",
        everything(&error)
    );
}

#[tokio::test]
async fn target_session_attrs_are_asked_for_on_every_transport() {
    let fixture = Fixture::new(people()).await;
    let socket = fixture.sealed().socket_dir().unwrap().display().to_string();
    let port = fixture.sealed().port();
    let admin = fixture.sealed().connect_superuser().await;
    for (read_only, right, wrong) in [
        ("off", "read-write", "read-only"),
        ("on", "read-only", "read-write"),
    ] {
        let set = format!(
            "ALTER DATABASE {} SET default_transaction_read_only = {read_only}",
            fixture.sealed().name()
        );
        admin.batch_execute(&set).await.unwrap();
        for host in ["127.0.0.1", &socket] {
            let text = |attrs: &str| {
                key_value(
                    &fixture,
                    &format!("host={host} port={port} target_session_attrs={attrs}"),
                )
            };
            let (client, _) = open(sealwire::connect(&text(right), NoTls).await).await;
            client.query("SELECT note FROM people", &[]).await.unwrap();
            assert!(
                sealwire::connect(&text(wrong), NoTls).await.is_err(),
                "{host} {wrong}"
            );
        }
    }
}

#[tokio::test]
async fn connecting_ends_when_its_time_is_over() {
    let fixture = Fixture::new(people()).await;
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    // Accepts and never answers.
    let _silent = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
    let text = key_value(
        &fixture,
        &format!(
            "host={} port=5432 connect_timeout=1",
            directory.path().display()
        ),
    );
    let connecting = sealwire::connect(&text, NoTls);
    let outcome = tokio::time::timeout(Duration::from_secs(60), connecting).await;
    let error = outcome.expect("connect_timeout was not kept").unwrap_err();
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[tokio::test]
async fn disabled_is_tokio_postgres_as_it_is() {
    let fixture = Fixture::new(people()).await;
    let (client, _) = open(sealwire::connect(&fixture.url(), NoTls).await).await;
    works(&client, 1).await;

    let disabled = fixture
        .url()
        .replace("column_encryption=enabled", "column_encryption=disabled");
    for url in [disabled, fixture.sealed().url()] {
        let (client, canceller) = open(sealwire::connect(&url, NoTls).await).await;
        let row = client
            .query_one("SELECT email::bytea, note::bytea FROM people", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, &[u8]>(0)[..2], [0x11, 1]);
        assert_eq!(row.get::<_, &[u8]>(1)[..2], [0x12, 1]);
        for write in [
            "INSERT INTO people (id, email) VALUES (9, 'in the clear and long enough')",
            "INSERT INTO people (id, note) VALUES (9, 'in the clear and long enough for it')",
            "UPDATE people SET email = 'short'",
        ] {
            let error = client.batch_execute(write).await.unwrap_err();
            assert_eq!(code(&error), "23514", "{write}");
        }
        cancels(&fixture, &client, &canceller).await;
    }
}

#[tokio::test]
async fn results_only_opens_and_seals_nothing() {
    let fixture = Fixture::new(people()).await;
    let (client, _) = open(sealwire::connect(&fixture.url(), NoTls).await).await;
    works(&client, 1).await;

    let url = fixture.url().replace(
        "column_encryption=enabled",
        "column_encryption=results_only",
    );
    let (client, _) = open(sealwire::connect(&url, NoTls).await).await;
    let row = client
        .query_one("SELECT email, note FROM people WHERE id = $1", &[&1_i64])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "person1@example.com");
    assert_eq!(row.get::<_, &str>(1), "a note");
    client
        .execute("UPDATE people SET name = $1 WHERE id = 1", &[&"plain"])
        .await
        .unwrap();
    client
        .execute("UPDATE people SET note = NULL WHERE id = 2", &[])
        .await
        .unwrap();
    let value: &(dyn tokio_postgres::types::ToSql + Sync) = &"person1@example.com";
    for (sql, params) in [
        ("SELECT id FROM people WHERE email = $1", &[value][..]),
        ("UPDATE people SET note = $1", &[value][..]),
        (
            "INSERT INTO people (id, email) VALUES (7, 'literal@example.com')",
            &[][..],
        ),
    ] {
        let error = client.query(sql, params).await.unwrap_err();
        assert_eq!(code(&error), "0A000", "{sql}");
        let db = error.as_db_error().unwrap();
        assert!(
            db.hint()
                .is_some_and(|hint| hint.contains("column_encryption=enabled")),
            "{db:?}"
        );
    }
    assert_eq!(
        client
            .query("SELECT id FROM people", &[])
            .await
            .unwrap()
            .len(),
        1
    );
}

/// What a session asks the server at its start is cheap by the planner's estimate: above
/// `jit_above_cost` every new connection would cost the server a compilation.
#[tokio::test]
async fn the_server_compiles_nothing_for_a_new_session() {
    let fixture = Fixture::new(people()).await;
    let owner = fixture.sealed().connect().await;
    for setting in [
        "jit = on",
        "debug_print_plan = on",
        "debug_pretty_print = off",
        "client_min_messages = log",
    ] {
        let name = fixture.sealed().name();
        let sql = format!("ALTER DATABASE {name} SET {setting}");
        owner.batch_execute(&sql).await.unwrap();
    }
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let url = fixture.url_through(proxy.port());
    let (client, _) = open(sealwire::connect(&url, NoTls).await).await;
    works(&client, 1).await;
    // The plans come as notices, which name the compiler's work in each.
    let recordings = proxy.recordings();
    let said = String::from_utf8_lossy(&recordings[0].to_client);
    let flags: Vec<&str> = said
        .split(":jitFlags ")
        .skip(1)
        .map(|rest| rest.split(' ').next().unwrap_or_default())
        .collect();
    // Facts, relations and functions at the start, and the test's own statements.
    assert!(flags.len() >= 5, "{flags:?}");
    assert!(flags.iter().all(|flags| *flags == "0"), "{flags:?}");
}
