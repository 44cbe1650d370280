//! What is logged at the most talkative level: nothing that crossed a connection.

use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply, WireClient};
use tokio::io::AsyncWriteExt;
use tokio_postgres::NoTls;

use crate::bad_input::silent_server;
use crate::support::*;

/// A part of every value, literal and password of this test. It has no meaning in hexadecimal, so
/// its bytes are looked for in that form too.
const MARKER: &str = "mArKeR-7f";

/// Parts of the statements.
const SQL: [&str; 4] = ["INSERT INTO", "SELECT", "email", "pg_sleep"];

async fn exchange(client: &mut WireClient<tokio::net::TcpStream>, batch: &Batch, code: &str) {
    let replies = client.exchange(batch).await;
    let found = replies.iter().find_map(|reply| match reply {
        Reply::Error(error) => Some(error.code()),
        _ => None,
    });
    assert_eq!(found.unwrap_or_default(), code);
}

/// Statements of every kind, with the SQLSTATE of each.
async fn speak(client: &mut WireClient<tokio::net::TcpStream>) {
    let mut batch = Batch::new();
    let insert = "INSERT INTO people (id, email, note) VALUES ($1, $2, $3)";
    let email = Param::text(format!("{MARKER}@example.com"));
    let note = Param::text(format!("a note of {MARKER}"));
    batch.parse("", insert, &[]);
    batch.bind("", "", &[Param::text("1"), email, note], Format::Text);
    batch.execute("", 0).sync();
    exchange(client, &batch, "").await;
    // Again: the server's own words about the constraint show the value.
    exchange(client, &batch, "23505").await;
    for (sql, code) in [
        ("SELECT * FROM people WHERE email = '{}@example.com'", ""),
        (
            "INSERT INTO people (id, email, name) VALUES (2, '{}@b', '{}')",
            "",
        ),
        ("SELECT id FROM people WHERE email LIKE '{}%'", "0A000"),
        ("SELECT id FROM people WHERE email = '{}' AND", "42601"),
        ("SELECT '{}'::int", "22P02"),
        ("SELECT {} FROM people", "42703"),
        ("COPY people (email) TO STDOUT", ""),
    ] {
        let sql = sql.replace("{}", MARKER).replace(
            &format!("SELECT {MARKER} FROM"),
            &format!("SELECT \"{MARKER}\" FROM"),
        );
        exchange(client, Batch::new().query(&sql), code).await;
    }
    let row = format!("9\t{MARKER}@c\n");
    client
        .send(Batch::new().query("COPY people (id, email) FROM STDIN"))
        .await;
    while client.reply().await != Reply::CopyIn {}
    client
        .send(Batch::new().copy_data(row.as_bytes()).copy_done())
        .await;
    while client.reply().await != Reply::Ready('I') {}
}

#[tokio::test]
async fn nothing_that_crosses_a_connection_is_logged() {
    let fixture = Fixture::new(people()).await;
    let log = Log::capture();
    let middle = Middle::start(fixture.sealed().server()).await;
    let mut settings = settings(&fixture);
    settings.server.ports = vec![middle.port];
    let proxy = Running::start(settings).await;

    let mut client = proxy.wire(&fixture).await;
    speak(&mut client).await;
    let mut stream = client.into_stream();
    // A message that is none, with a value in it.
    let broken = [b'P', b'z'].map(|tag| frame(tag, MARKER.as_bytes()));
    stream.write_all(&broken.concat()).await.unwrap();
    rest(&mut stream).await;

    let mut config = fixture.sealed().config();
    config.password(MARKER);
    let error = WireClient::start(proxy.stream().await, &config, &[]).await;
    assert_eq!(error.unwrap_err().code(), "28P01");
    let mut stream = proxy.stream().await;
    stream.write_all(MARKER.repeat(9).as_bytes()).await.unwrap();
    rest(&mut stream).await;
    let mut stream = proxy.stream().await;
    let parameters = [("user", "u"), ("database", "d"), ("options", MARKER)];
    let password = frame(b'p', MARKER.as_bytes());
    let all = [startup(0, &parameters), password].concat();
    stream.write_all(&all).await.unwrap();
    rest(&mut stream).await;

    // The server goes in the middle of a statement, and then does not come back.
    let mut client = proxy.wire(&fixture).await;
    let sql = format!("SELECT '{MARKER}', pg_sleep(60)");
    client.send(Batch::new().query(&sql)).await;
    until("the statement runs", async || {
        let owner = fixture.sealed().connect_superuser().await;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                   AND datname = current_database()";
        owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    middle.cut();
    rest(&mut client.into_stream()).await;
    std::fs::write(fixture.manifest_path(), MARKER).unwrap();
    proxy.handle.reload().await.unwrap_err();
    proxy.handle.drain();
    proxy.finish().await;

    let text = log.take();
    // What is to be there is: the search would find what is not to be.
    for word in [
        "connected",
        "client broke the protocol",
        "manifest not loaded",
        "waiting for those that are open",
        fixture.sealed().name(),
    ] {
        assert!(text.contains(word), "`{word}` is not in {text}");
    }
    let hexadecimal: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    let decimal = format!("{:?}", MARKER.as_bytes());
    let decimal = decimal.trim_matches(['[', ']']);
    for forbidden in [MARKER, &hexadecimal, decimal].into_iter().chain(SQL) {
        let line = text.lines().find(|line| line.contains(forbidden));
        assert_eq!(line, None, "`{forbidden}` is logged");
    }
}

/// The messages of a session are not in its span, its end is.
#[tokio::test]
async fn every_line_about_a_connection_names_its_client() {
    let fixture = Fixture::new(people()).await;
    let log = Log::capture();
    let proxy = Running::start(settings(&fixture)).await;
    drop(proxy.wire(&fixture).await);
    let mut stream = proxy.wire(&fixture).await.into_stream();
    stream.write_all(&frame(b'!', b"")).await.unwrap();
    rest(&mut stream).await;
    proxy.settle(0.0).await;
    let text = log.take();
    for (words, times) in [
        ("connected", 2),
        ("connection ended reason=", 2),
        ("session ended fault=", 1),
    ] {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(lines.len(), times, "{text}");
        for line in lines {
            assert!(line.contains("client{peer=127.0.0.1:"), "{line}");
        }
    }
}

/// The server's words are in the reason why there is no session.
#[tokio::test]
async fn nobody_s_words_begin_a_line_of_the_log() {
    let fixture = Fixture::new(people()).await;
    let admin = fixture.sealed().connect_superuser().await;
    admin
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS sealwire;
             GRANT USAGE ON SCHEMA sealwire TO PUBLIC;
             CREATE FUNCTION sealwire.lie() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION E'true\\nFORGED \\x1b[2J line'; END $$;
             CREATE VIEW sealwire.manifest AS SELECT sealwire.lie() AS document, 1 AS serial;
             GRANT SELECT ON sealwire.manifest TO PUBLIC;",
        )
        .await
        .unwrap();
    let log = Log::capture();
    let mut settings = settings(&fixture);
    settings.encryption.manifest = Some("database".into());
    let proxy = Running::start(settings).await;
    let error = refused(&proxy.config(fixture.sealed()), NoTls).await;
    assert_eq!(code(&error), "42P01");
    proxy.settle(0.0).await;
    let text = log.take();
    assert!(text.contains("FORGED"), "{text}");
    assert!(text.contains("no session"), "{text}");
    assert!(
        !text.lines().any(|line| line.starts_with("FORGED")),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

/// The line of the log with these words.
#[track_caller]
fn line(log: &str, words: &str) -> String {
    let mut lines = log.lines().filter(|line| line.contains(words));
    let line = lines
        .next()
        .unwrap_or_else(|| panic!("no `{words}` in {log}"));
    line.to_owned()
}

#[tokio::test]
async fn who_is_not_served_and_why_is_logged() {
    let fixture = Fixture::new(people()).await;
    let log = Log::capture();
    let proxy = Running::of(&fixture).await;
    let database = fixture.sealed().name();

    let mut config = proxy.config(fixture.sealed());
    config.password("wrong");
    refused(&config, NoTls).await;
    // Its line comes before that of the next, which another thread may write.
    proxy.have_ended("not_authenticated", 1.0).await;
    config.user("nobody\nat all").dbname("x".repeat(4000));
    refused(&config, NoTls).await;
    proxy.have_ended("not_authenticated", 2.0).await;
    let text = log.take();
    let said = line(&text, "connection ended reason=not authenticated");
    let (user, database_field) = (
        format!("user=\"{}\"", fixture.sealed().owner()),
        format!("database=\"{database}\""),
    );
    for word in [
        "peer=127.0.0.1",
        &user,
        &database_field,
        "sqlstate=\"28P01\"",
    ] {
        assert!(said.contains(word), "`{word}` is not in {said}");
    }
    // A name is no line of its own, and not longer than a name.
    assert!(text.contains(r#"user="nobody\nat all""#), "{text}");
    assert!(!text.contains(&"x".repeat(100)));

    // The server says why it ends a session that has begun.
    let client = proxy.client(&fixture).await;
    let sql = "SELECT pg_backend_pid()";
    let pid: i32 = client.query_one(sql, &[]).await.unwrap().get(0);
    let admin = fixture.sealed().connect_superuser().await;
    let sql = "SELECT pg_terminate_backend($1)";
    admin.query_one(sql, &[&pid]).await.unwrap();
    proxy.settle(0.0).await;
    let said = line(&log.take(), "the server has ended the connection");
    for word in [&user, "sqlstate=\"57P01\""] {
        assert!(said.contains(word), "`{word}` is not in {said}");
    }
}

#[tokio::test]
async fn each_host_that_does_not_answer_is_logged() {
    let fixture = Fixture::new(people()).await;
    let log = Log::capture();
    let mut settings = settings(&fixture);
    let [(_first, one), (_second, other)] = [dead_port(), dead_port()];
    let ports = [one, other];
    settings.server.hosts = vec!["127.0.0.1".into(), "127.0.0.1".into()];
    settings.server.ports = ports.to_vec();
    let proxy = Running::start(settings).await;
    refused(&proxy.config(fixture.sealed()), NoTls).await;
    let said = line(&log.take(), "cannot reach the server");
    for port in ports {
        assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
    }
}

/// While it is not ready no client may come, so that a probe is all that there is.
#[tokio::test]
async fn a_probe_s_answer_is_logged_when_it_changes() {
    let fixture = Fixture::new(people()).await;
    let middle = Middle::start(fixture.sealed().server()).await;
    let log = Log::capture();
    let mut settings = settings(&fixture);
    settings.server.ports = vec![middle.port];
    settings.limits.connections = 1;
    let proxy = Running::start(settings).await;
    assert_eq!(proxy.get("/readyz").await.0, 200);
    let client = proxy.client(&fixture).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/readyz").await.0, 503);
    }
    drop(client);
    proxy.settle(0.0).await;
    assert_eq!(proxy.get("/readyz").await.0, 200);
    let text = log.take();
    assert_eq!(text.matches("not ready").count(), 1, "{text}");
    assert!(line(&text, "not ready").contains("no connection is free"));
    assert_eq!(text.matches("ready again").count(), 1, "{text}");

    middle.close();
    until("the server is gone", async || {
        proxy.get("/readyz").await.0 == 503
    })
    .await;
    let said = line(&log.take(), "not ready");
    let address = format!("127.0.0.1:{}", middle.port);
    assert!(said.contains(&address), "{said}");
}

#[tokio::test]
async fn connections_that_are_closed_without_a_word_are_logged() {
    let fixture = Fixture::new(people()).await;
    let log = Log::capture();
    let mut settings = settings(&fixture);
    settings.limits.connections = 1;
    settings.server.ports = vec![silent_server().await];
    let proxy = Running::start(settings).await;
    // Each has said what it wants, and waits for the server.
    let cancels = async || {
        let mut stream = proxy.stream().await;
        let request = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 1, 0, 0, 0, 2];
        stream.write_all(&request).await.unwrap();
        stream
    };
    let mut waiting = Vec::new();
    while proxy.ended("too_many").await == 0.0 {
        waiting.push(cancels().await);
    }
    // The thread that says it may be slower than another that says nothing.
    let mut text = String::new();
    until("it is said", async || {
        text.push_str(&log.take());
        text.contains("closed without a word")
    })
    .await;
    let said = line(&text, "closed without a word");
    assert!(said.contains("WARN") && said.contains("peer="), "{said}");
    // It is not said again of each, though once more when a while has gone by.
    let before = proxy.ended("too_many").await;
    while proxy.ended("too_many").await < before + 8.0 {
        waiting.push(cancels().await);
    }
    let more = log.take();
    assert!(more.matches("closed without a word").count() < 8, "{more}");
}
