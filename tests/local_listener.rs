//! The private socket of `listen()`: clients that own their wire code and take nothing but an
//! address. tokio-postgres stands for them here, unmodified and told nothing but the URL.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use sealwire::{Config, LocalListener};
use sealwire_testkit::fixture::Fixture;
use support::{assert_only_cells, cells, code, everything, people, tls};
use tokio::net::TcpSocket;
use tokio_postgres::{AsyncMessage, Client, NoTls};

async fn listen(text: &str) -> LocalListener {
    text.parse::<Config>()
        .unwrap()
        .listen(NoTls)
        .await
        .unwrap_or_else(|error| panic!("cannot listen: {error:?}"))
}

async fn try_client(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn client(listener: &LocalListener) -> Client {
    try_client(&listener.url())
        .await
        .unwrap_or_else(|error| panic!("cannot connect: {}", everything(&error)))
}

async fn refused(url: &str) -> tokio_postgres::Error {
    match try_client(url).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

/// Seals, opens and finds a value.
async fn works(client: &Client, id: i64) {
    let email = format!("person{id}@example.com");
    client
        .execute(
            "INSERT INTO people (id, email, note) VALUES ($1, $2, 'a note')",
            &[&id, &email],
        )
        .await
        .unwrap();
    let sql = "SELECT id, note FROM people WHERE email = $1";
    let row = client.query_one(sql, &[&email]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (id, "a note"));
}

/// Waits until the server lists so many sessions of the fixture's owner: one that is closed is
/// listed for a moment longer.
async fn until_sessions(fixture: &Fixture, count: i64) {
    let admin = fixture.sealed().connect_superuser().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    let owner = fixture.sealed().owner();
    let waiting = async {
        while admin
            .query_one(sql, &[&owner])
            .await
            .unwrap()
            .get::<_, i64>(0)
            != count
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let listed = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    listed.unwrap_or_else(|_| panic!("the server's sessions are not {count}"));
}

#[tokio::test]
async fn values_are_sealed_opened_and_found_and_the_server_holds_cells() {
    let fixture = Fixture::new(people()).await;
    let listener = listen(&fixture.url()).await;
    let client = client(&listener).await;
    for id in 1..=3 {
        works(&client, id).await;
    }
    let age = client
        .execute("UPDATE people SET age = 30, phone = $1", &[&"0123"])
        .await;
    assert_eq!(age.unwrap(), 3);
    let rows = client
        .query("SELECT email, age, phone FROM people ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1].get::<_, &str>(0), "person2@example.com");
    assert_eq!(rows[1].get::<_, i32>(1), 30);
    assert_eq!(rows[1].get::<_, &str>(2), "0123");

    assert_only_cells(&fixture).await;
    assert_eq!(cells(&fixture, "people", "email").await.len(), 3);
    let plain = fixture.sealed().connect().await;
    let sql = "SELECT id FROM people WHERE email = 'person1@example.com'";
    let found = plain.query(sql, &[]).await.unwrap();
    assert!(found.is_empty(), "the value is there as it is");
}

#[tokio::test]
async fn transactions_are_the_server_s() {
    let fixture = Fixture::new(people()).await;
    let listener = listen(&fixture.url()).await;
    let mut client = client(&listener).await;
    let count = "SELECT count(*) FROM people";

    let transaction = client.transaction().await.unwrap();
    let insert = "INSERT INTO people (id, email) VALUES ($1, $2)";
    transaction
        .execute(insert, &[&1_i64, &"a@example.com"])
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    let row = client.query_one(count, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);

    // A refused statement aborts the transaction as any failed one does, and the session goes on.
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute(insert, &[&1_i64, &"a@example.com"])
        .await
        .unwrap();
    let error = transaction
        .query("SELECT id FROM people WHERE email LIKE 'a%'", &[])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "0A000");
    let error = transaction.query(count, &[]).await.unwrap_err();
    assert_eq!(code(&error), "25P02");
    transaction.rollback().await.unwrap();

    let mut transaction = client.transaction().await.unwrap();
    transaction
        .execute(insert, &[&1_i64, &"a@example.com"])
        .await
        .unwrap();
    let savepoint = transaction.savepoint("s").await.unwrap();
    // A deterministic column keeps its unique constraint.
    let error = savepoint.execute(insert, &[&2_i64, &"a@example.com"]).await;
    assert_eq!(code(&error.unwrap_err()), "23505");
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let row = client.query_one(count, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn copy_goes_both_ways() {
    let fixture = Fixture::new(people()).await;
    let listener = listen(&fixture.url()).await;
    let client = client(&listener).await;
    let sink = client
        .copy_in("COPY people (id, email, note) FROM STDIN")
        .await
        .unwrap();
    let mut sink = pin!(sink);
    let lines = "1\tada@example.com\tfirst\n2\tbob@example.com\t\\N\n";
    sink.send(Bytes::from_static(lines.as_bytes()))
        .await
        .unwrap();
    assert_eq!(sink.finish().await.unwrap(), 2);
    assert_only_cells(&fixture).await;

    let stream = client
        .copy_out("COPY people (id, email, note) TO STDOUT")
        .await
        .unwrap();
    let copied: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(copied.concat(), lines.as_bytes());
    works(&client, 3).await;
}

#[tokio::test]
async fn notifications_arrive_while_nothing_is_asked() {
    let fixture = Fixture::new(people()).await;
    let listener = listen(&fixture.url()).await;
    let (listening, mut connection) = tokio_postgres::connect(&listener.url(), NoTls)
        .await
        .unwrap();
    let (sender, mut received) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = sender.send(notification.payload().to_owned()).await;
            }
        }
    });
    listening
        .batch_execute("LISTEN people_changed")
        .await
        .unwrap();
    let other = client(&listener).await;
    other
        .batch_execute("NOTIFY people_changed, 'somebody new'")
        .await
        .unwrap();
    assert_eq!(received.recv().await.unwrap(), "somebody new");
}

#[tokio::test]
async fn a_statement_is_cancelled_over_the_same_socket() {
    let fixture = Fixture::new(people()).await;
    let listener = listen(&fixture.url()).await;
    let client = client(&listener).await;
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await;
    let pid = pid.unwrap().get(0);
    let token = client.cancel_token();
    let cancelling = async {
        fixture.until_it_sleeps(pid).await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let sleep = client.batch_execute("SELECT pg_sleep(120)");
    let (slept, ()) = tokio::join!(sleep, cancelling);
    assert_eq!(code(&slept.unwrap_err()), "57014");
    works(&client, 1).await;
}

#[tokio::test]
async fn a_cancel_request_goes_to_the_host_of_its_session() {
    let fixture = Fixture::new(people()).await;
    // A host that does not answer before the session is open, and takes requests then.
    let first = tempfile::tempdir().unwrap();
    let mut config: Config = fixture.url().parse().unwrap();
    let second = fixture.sealed();
    let mut postgres = tokio_postgres::Config::new();
    postgres
        .host_path(first.path())
        .host(second.host())
        .port(second.port())
        .ssl_mode(tokio_postgres::config::SslMode::Disable)
        .user(second.owner())
        .password(config.postgres().get_password().unwrap())
        .dbname(second.name());
    *config.postgres_mut() = postgres;
    let listener = config.listen(NoTls).await.unwrap();
    let client = client(&listener).await;
    let path = format!(".s.PGSQL.{}", second.port());
    let wrong = tokio::net::UnixListener::bind(first.path().join(path)).unwrap();

    let pid: i32 = client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let token = client.cancel_token();
    let cancelling = async {
        fixture.until_it_sleeps(pid).await;
        tokio::select! {
            result = token.cancel_query(NoTls) => result.unwrap(),
            _ = wrong.accept() => panic!("the request has come to another host"),
        }
    };
    let sleep = client.batch_execute("SELECT pg_sleep(120)");
    let (error, ()) = tokio::join!(sleep, cancelling);
    assert_eq!(code(&error.unwrap_err()), "57014");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_said_to_the_client() {
    let fixture = Fixture::new(people()).await;
    // Nobody listens on it, and nobody can while it is held.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let listener = listen(&fixture.url_through(port)).await;
    // With a request for TLS before the startup message, and without one.
    for sslmode in ["disable", "prefer"] {
        let url = listener.url().replace("disable", sslmode);
        let error = refused(&url).await;
        let said = error.as_db_error().expect("the reason as the server's");
        assert_eq!((said.severity(), said.code().code()), ("FATAL", "08001"));
        assert!(
            said.message().contains(&format!("127.0.0.1:{port}")),
            "{said}"
        );
        assert!(said.message().contains("refused"), "{said}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_the_server_s_to_refuse() {
    let fixture = Fixture::new(people()).await;
    let listener = listen(&fixture.url().replacen(":sealwire", ":wrong", 1)).await;
    let error = refused(&listener.url()).await;
    assert_eq!(code(&error), "28P01");
}

#[tokio::test]
async fn role_and_password_survive_whatever_is_in_them() {
    let fixture = Fixture::new(people()).await;
    let admin = fixture.sealed().connect_superuser().await;
    // Roles belong to the whole server.
    let role = format!("{}: a/b@c?d=%20&", fixture.sealed().name());
    admin
        .batch_execute(&format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'p:w/@%?ä' IN ROLE {}",
            fixture.sealed().owner()
        ))
        .await
        .unwrap();
    let mut config: Config = fixture.url().parse().unwrap();
    config.postgres_mut().user(&role).password("p:w/@%?ä");
    let listener = config.listen(NoTls).await.unwrap();
    let client = client(&listener).await;
    let row = client.query_one("SELECT current_user::text", &[]).await;
    assert_eq!(row.unwrap().get::<_, &str>(0), role);
    works(&client, 1).await;
    assert!(!format!("{listener:?}").contains("p:w"), "{listener:?}");
}

#[tokio::test]
async fn nothing_is_left_when_a_listener_is_dropped() {
    let fixture = Fixture::new(people()).await;
    let listener = listen(&fixture.url()).await;
    let directory = listener.directory().to_owned();
    let mode = directory.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    let socket = directory.join(format!(".s.PGSQL.{}", listener.port()));
    assert!(socket.exists());

    let client = client(&listener).await;
    works(&client, 1).await;
    until_sessions(&fixture, 1).await;
    let url = listener.url();
    drop(listener);
    assert!(!directory.exists());
    assert!(client.query("SELECT 1", &[]).await.is_err());
    assert!(client.is_closed());
    assert!(refused(&url).await.as_db_error().is_none());
    // The server's session ends too: a connection that is dropped is closed.
    until_sessions(&fixture, 0).await;
}

#[tokio::test]
async fn two_listeners_do_not_know_each_other() {
    let (one, other) = (Fixture::new(people()).await, Fixture::new(people()).await);
    let first = listen(&one.url()).await;
    let second = listen(&other.url()).await;
    let (at_first, at_second) = (client(&first).await, client(&second).await);
    works(&at_first, 1).await;
    works(&at_second, 1).await;
    // Their keys differ, and so do the cells of one value.
    assert_ne!(
        cells(&one, "people", "email").await,
        cells(&other, "people", "email").await
    );
    drop(first);
    assert!(at_first.query("SELECT 1", &[]).await.is_err());
    works(&at_second, 2).await;
    works(&client(&second).await, 3).await;
}

#[tokio::test]
async fn the_server_is_reached_with_tls_where_that_is_configured() {
    let fixture = Fixture::new(people()).await;
    let tls = tls().await;
    let url = fixture.url().replace("127.0.0.1", "localhost");
    let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for (id, sslmode, encrypted) in [(1, "require", true), (2, "disable", false)] {
        let config: Config = format!("{url}&sslmode={sslmode}").parse().unwrap();
        let listener = config.listen(tls.clone()).await.unwrap();
        let client = client(&listener).await;
        let row = client.query_one(ssl, &[]).await.unwrap();
        assert_eq!(row.get::<_, bool>(0), encrypted, "{sslmode}");
        works(&client, id).await;
    }
    let config: Config = format!("{url}&sslmode=require").parse().unwrap();
    let listener = config.listen(NoTls).await.unwrap();
    let error = refused(&listener.url()).await;
    assert_eq!(code(&error), "08001");
    assert!(everything(&error).contains("TLS"), "{}", everything(&error));
}
