//! The servers of the kit do what other tests rely on, and leave nothing behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sealwire_testkit::{Choice, Postgres};

#[tokio::test]
async fn owner_is_no_superuser_and_owns_its_database() {
    let database = Postgres::shared().await.create_database().await;
    let client = database.connect().await;
    let row = client
        .query_one(
            "SELECT current_user::text, rolsuper, current_database()::text
             FROM pg_roles WHERE rolname = current_user",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), database.owner());
    assert!(!row.get::<_, bool>(1));
    assert_eq!(row.get::<_, &str>(2), database.name());
    client
        .batch_execute("CREATE SCHEMA s; CREATE TABLE s.t (a int)")
        .await
        .unwrap();
}

#[tokio::test]
async fn databases_do_not_see_each_other() {
    let server = Postgres::shared().await;
    let (first, second) = tokio::join!(server.create_database(), server.create_database());
    first
        .connect()
        .await
        .batch_execute("CREATE TABLE t (a int)")
        .await
        .unwrap();
    let error = second
        .connect()
        .await
        .batch_execute("TABLE t")
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01");
}

#[tokio::test]
async fn connection_strings_work() {
    let database = Postgres::shared().await.create_database().await;
    for text in [
        Some(database.url()),
        Some(database.superuser_url()),
        database.socket_parameters(),
    ]
    .into_iter()
    .flatten()
    {
        let (client, connection) = tokio_postgres::connect(&text, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let row = client
            .query_one("SELECT current_database()::text", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, &str>(0), database.name());
    }
}

#[test]
fn a_killed_process_leaves_no_server() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_test-postgres"))
        .env("SEALWIRE_TEST_POSTGRES", private_cluster().1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let directory = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(PathBuf::from(line.strip_prefix("socket ")?.trim())))
        .expect("the child says where its cluster is");
    assert!(directory.join("data/postmaster.pid").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_removed(&directory);
}

#[test]
fn a_dropped_server_is_removed() {
    let (server, _) = private_cluster();
    let directory = server.socket_dir().unwrap().to_owned();
    drop(server);
    assert!(
        !directory.exists(),
        "{} is still there",
        directory.display()
    );
}

#[tokio::test]
async fn tcp_asks_for_the_password_and_offers_tls() {
    let (server, _) = private_cluster();
    let mut config = server.admin_config();
    let error = config
        .password("wrong")
        .connect(tokio_postgres::NoTls)
        .await
        .err()
        .unwrap();
    assert_eq!(error.code().unwrap().code(), "28P01");

    let mut stream = std::net::TcpStream::connect((server.host(), server.port())).unwrap();
    stream
        .write_all(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f])
        .unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"S");
    assert!(
        server
            .authority_pem()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE")
    );
}

/// A private cluster and the setting that forces one of its kind, whichever server the other
/// tests use.
fn private_cluster() -> (Postgres, &'static str) {
    match Postgres::start_as(&Choice::Local) {
        Ok(server) => (server, "local"),
        Err(_) => (
            Postgres::start_as(&Choice::Relocatable(None)).expect("relocatable binaries"),
            "relocatable",
        ),
    }
}

fn assert_removed(directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while directory.exists() {
        assert!(
            Instant::now() < deadline,
            "{} is still there",
            directory.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
