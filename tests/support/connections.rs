//! What the end-to-end tests share: connections through Sealwire.

#![allow(dead_code, reason = "each test binary uses what it needs")]

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealwire::{Config, MaybeTls, SealedStream};
use sealwire_core::policy::Mode;
use sealwire_testkit::Postgres;
use sealwire_testkit::fixture::schema::{Column, Table, quoted};
use sealwire_testkit::fixture::wire::{Batch, Reply, WireClient};
use sealwire_testkit::fixture::{Fixture, trap};
use tokio::net::TcpStream;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The stream that a client without TLS has beneath it.
pub(crate) type Stream = SealedStream<MaybeTls<Socket, NoTlsStream>>;

/// TLS that trusts the test server's own authority.
pub(crate) async fn tls() -> MakeRustlsConnect {
    let server = Postgres::shared().await;
    let pem = server
        .authority_pem()
        .expect("these tests need the kit's own server");
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

/// A number that the environment sets.
pub(crate) fn environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("`{name}={text}` is not a number")),
        Err(_) => default,
    }
}

/// The major version of the server.
pub(crate) fn server_version(client: &WireClient<TcpStream>) -> u32 {
    let mut settings = client.settings().iter();
    let (_, version) = settings.find(|(name, _)| name == "server_version").unwrap();
    let digits = version.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// tokio-postgres' own client, through Sealwire.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = sealwire::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("cannot connect: {error:?}"));
    tokio::spawn(connection);
    client
}

/// A bare protocol connection through Sealwire.
pub(crate) async fn wire(url: &str) -> WireClient<Stream> {
    let armed = url.parse::<Config>().unwrap().arm(NoTls).await.unwrap();
    let (config, connector) = armed.into_parts();
    let stream = trap::stream(&config, connector).await;
    WireClient::start(stream, &config, &[])
        .await
        .unwrap_or_else(|error| panic!("no session: {error:?}"))
}

/// The cells of a column as a client without Sealwire reads them, ordered by the first column.
pub(crate) async fn cells(fixture: &Fixture, table: &str, column: &str) -> Vec<Option<Vec<u8>>> {
    let client = fixture.sealed().connect().await;
    let sql = format!("SELECT {column}::bytea FROM {table} ORDER BY 1");
    let rows = client.query(&sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What the server holds in the encrypted columns: cells of the column's mode or NULL.
pub(crate) async fn assert_only_cells(fixture: &Fixture) {
    let owner = fixture.sealed().connect().await;
    for table in fixture.tables() {
        for column in &table.columns {
            let Some(encryption) = &column.encryption else {
                continue;
            };
            let header: u8 = match encryption.mode {
                Mode::Deterministic => 0x11,
                Mode::Randomized => 0x12,
            };
            let padded = if encryption.padding.is_some() { 8 } else { 0 };
            let sql = format!(
                "SELECT {}::bytea FROM {}",
                quoted(&column.name),
                table.qualified()
            );
            for row in owner.query(&sql, &[]).await.unwrap() {
                if let Some(cell) = row.get::<_, Option<&[u8]>>(0) {
                    assert_eq!(cell[..2], [header | padded, 1], "{sql}");
                }
            }
        }
    }
}

/// The texts of an error and of everything beneath it.
pub(crate) fn everything(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

/// A table of people with a plain table beside it.
pub(crate) fn people() -> Vec<Table> {
    vec![
        Table::new(
            "public",
            "people",
            [
                Column::plain("id", "int8").constraint("PRIMARY KEY"),
                Column::deterministic("email", "text").constraint("UNIQUE"),
                Column::deterministic("phone", "varchar(12)"),
                Column::deterministic("age", "int4"),
                Column::randomized("note", "text"),
                Column::randomized("born", "date"),
                Column::plain("name", "text"),
            ],
        ),
        Table::new(
            "public",
            "log",
            [
                Column::plain("id", "int4").constraint("PRIMARY KEY"),
                Column::plain("entry", "text"),
            ],
        ),
    ]
}

/// The SQLSTATE of a database error.
pub(crate) fn code(error: &tokio_postgres::Error) -> &str {
    match error.code() {
        Some(code) => code.code(),
        None => panic!("not a database error: {}", everything(error)),
    }
}

/// Two bare connections, through Sealwire to the encrypted tables and without it to their twins.
pub(crate) struct Sealed {
    pub(crate) sealed: WireClient<Stream>,
    pub(crate) plain: WireClient<TcpStream>,
}

impl Sealed {
    pub(crate) async fn new(fixture: &Fixture, url: &str) -> Self {
        Self {
            sealed: wire(url).await,
            plain: fixture.plain_wire().await,
        }
    }

    /// The replies of both.
    pub(crate) async fn exchange(&mut self, batch: &Batch) -> (Vec<Reply>, Vec<Reply>) {
        (
            self.sealed.exchange(batch).await,
            self.plain.exchange(batch).await,
        )
    }

    /// Runs a statement on both.
    pub(crate) async fn both(&mut self, sql: &str) {
        let mut batch = Batch::new();
        batch.query(sql);
        self.exchange(&batch).await;
    }
}
