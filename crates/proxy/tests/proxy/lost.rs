//! A server that goes without a word: the client reads what a client of PostgreSQL knows that by,
//! and the end is not counted as one in order.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sealwire_testkit::Postgres;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::{Batch, Reply, WireClient};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_postgres::NoTls;

use crate::support::*;

/// How the server's side goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    Not,
    Closed,
    Reset,
}

/// Stands before the server, whose sessions all go when it is told so.
async fn gate(server: &Postgres, order: watch::Receiver<Gone>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let directory = server.socket_dir().expect("the kit's own server");
    let socket = directory.join(format!(".s.PGSQL.{}", server.port()));
    tokio::spawn(async move {
        while let Ok((mut proxy, _)) = listener.accept().await {
            let (socket, mut order) = (socket.clone(), order.clone());
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut proxy, &mut server) => {}
                    how = order.wait_for(|how| *how != Gone::Not) => {
                        if *how.unwrap() == Gone::Reset {
                            SockRef::from(&proxy).set_linger(Some(Duration::ZERO)).unwrap();
                        }
                    }
                }
            });
        }
    });
    port
}

/// The client is told in libpq's words, and the connection is closed.
async fn is_told(mut client: WireClient<TcpStream>, words: &str) {
    match client.reply().await {
        Reply::Error(error) => {
            assert_eq!((error.code(), error.get('S')), ("08006", Some("FATAL")));
            assert!(error.message().starts_with(words), "{error:?}");
            assert!(error.get('H').is_some(), "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    let left = rest(&mut client.into_stream()).await;
    assert!(left.is_empty(), "{left:?}");
}

/// Runs a statement that does not end by itself.
async fn run_on(client: &mut WireClient<TcpStream>, fixture: &Fixture) {
    let mut batch = Batch::new();
    batch.query("SELECT pg_sleep(3600)");
    client.send(&batch).await;
    let owner = fixture.sealed().connect_superuser().await;
    until("the statement runs", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                   AND datname = current_database()";
        owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_without_a_word_is_lost() {
    let fixture = Fixture::new(people()).await;
    let log = Log::capture();
    let (order, gone) = watch::channel(Gone::Not);
    let mut settings = settings(&fixture);
    settings.server.ports = vec![gate(fixture.sealed().server(), gone).await];
    let proxy = Running::start(settings).await;
    let mut lost = 0.0;
    for (how, words) in [
        (Gone::Closed, "server closed the connection unexpectedly"),
        (Gone::Reset, "could not receive data from server: "),
    ] {
        let mut config = fixture.sealed().config();
        config.password("");
        let client = async || {
            let stream = proxy.stream().await;
            WireClient::start(stream, &config, &[]).await.unwrap()
        };
        let resting = client().await;
        let mut busy = client().await;
        run_on(&mut busy, &fixture).await;
        order.send_replace(how);
        is_told(resting, words).await;
        is_told(busy, words).await;
        lost += 2.0;
        proxy.have_ended("server_lost", lost).await;
        proxy.settle(0.0).await;
        let text = log.take();
        let lines = text
            .lines()
            .filter(|line| line.contains("server lost error"));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].contains("WARN") && lines[0].contains("peer="),
            "{text}"
        );
        order.send_replace(Gone::Not);
        // The server does not notice, because it sleeps.
        let admin = fixture.sealed().connect_superuser().await;
        let sql = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
                   WHERE wait_event = 'PgSleep' AND datname = current_database()";
        admin.query_one(sql, &[]).await.unwrap();
    }
    assert_eq!(proxy.ended("closed").await, 0.0);
}

/// Its process is killed, and PostgreSQL ends all others with it, not one of them with an error.
#[tokio::test]
async fn a_server_whose_process_is_killed_is_lost() {
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    // The fixture keeps it for as long as the process lives.
    let fixture = Fixture::on(Box::leak(Box::new(server)), people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    let victim = proxy.client(&fixture).await;
    let sql = "SELECT pg_backend_pid()";
    let pid: i32 = victim.query_one(sql, &[]).await.unwrap().get(0);
    let mut other = proxy.wire(&fixture).await;
    assert!(fixture.sealed().socket_dir().is_some(), "another's process");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    // The server may find the time to warn it.
    let mut reply = other.reply().await;
    if matches!(&reply, Reply::Notice(it) if it.code() == "57P02") {
        reply = other.reply().await;
    }
    let words = "server closed the connection unexpectedly";
    assert!(
        matches!(&reply, Reply::Error(it) if it.code() == "08006" && it.message() == words),
        "{reply:?}"
    );
    assert!(rest(&mut other.into_stream()).await.is_empty());
    until("the client knows", async || victim.is_closed()).await;
    proxy.have_ended("server_lost", 2.0).await;
    proxy.settle(0.0).await;
}

#[tokio::test]
async fn a_server_that_is_lost_before_it_has_said_anything_is_told_of_too() {
    let fixture = Fixture::new(people()).await;
    let mut settings = settings(&fixture);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    settings.server.ports = vec![listener.local_addr().unwrap().port()];
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The startup message, so that nothing is left unread.
            let len = stream.read_u32().await.unwrap() as usize;
            stream.read_exact(&mut vec![0; len - 4]).await.unwrap();
        }
    });
    let proxy = Running::start(settings).await;
    let error = refused(&proxy.config(fixture.sealed()), NoTls).await;
    assert_eq!(code(&error), "08006");
    proxy.have_ended("server_lost", 1.0).await;
    proxy.settle(0.0).await;
}

/// The server's end may be seen before that of the client, which has asked for it.
#[tokio::test]
async fn an_end_that_the_client_has_asked_for_is_in_order() {
    const TIMES: usize = 20;
    let fixture = Fixture::new(people()).await;
    let proxy = Running::start(settings_without_password(&fixture)).await;
    for _ in 0..TIMES {
        let mut stream = proxy.wire(&fixture).await.into_stream();
        stream.write_all(&frame(b'X', b"")).await.unwrap();
        // It closes only when the server has.
        let said = rest(&mut stream).await;
        assert!(said.is_empty(), "{said:?}");
    }
    proxy.settle(0.0).await;
    proxy.have_ended("closed", TIMES as f64).await;
}

#[tokio::test]
async fn a_row_that_is_cut_short_with_the_server_is_not_completed_with_something_else() {
    const BYTES: usize = 64 << 20;
    let fixture = Fixture::new(people()).await;
    let (order, gone) = watch::channel(Gone::Not);
    let mut settings = settings(&fixture);
    settings.server.ports = vec![gate(fixture.sealed().server(), gone).await];
    let proxy = Running::start(settings).await;
    let mut config = fixture.sealed().config();
    config.password("");
    let stream = proxy.stream().await;
    let mut client = WireClient::start(stream, &config, &[]).await.unwrap();
    let mut batch = Batch::new();
    batch.query(&format!("SELECT repeat('x', {BYTES})"));
    client.send(&batch).await;
    assert!(matches!(client.reply().await, Reply::Columns(_)));
    let mut stream = client.into_stream();
    order.send_replace(Gone::Closed);
    let row = rest(&mut stream).await;
    assert!(row.len() < BYTES, "the end came after the row");
    // Tag, length, one column, its length; the client may have read a part of them.
    assert!(row.iter().skip(11).all(|byte| *byte == b'x'));
    proxy.have_ended("server_lost", 1.0).await;
}
