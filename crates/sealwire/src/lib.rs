//! Always Encrypted for PostgreSQL: column encryption beneath an unmodified
//! [`tokio_postgres::Client`].
//!
//! ```text
//!  application with tokio-postgres          knows nothing
//!        |  PostgreSQL protocol, plaintext (in process)
//!  SealedStream                             seals parameters, opens results
//!        |  PostgreSQL protocol, cells
//!  PostgreSQL                               never sees a value or a key
//! ```
//!
//! The application changes its connection string:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, connection) = sealwire::connect(
//!     "host=db.internal user=app dbname=clinic \
//!      column_encryption=enabled \
//!      column_encryption_manifest=file:sealwire.toml \
//!      column_master_key=file:/run/secrets/sealwire.key",
//!     tokio_postgres::NoTls,
//! )
//! .await?;
//! tokio::spawn(connection);
//!
//! client.execute("INSERT INTO patients (name, ssn) VALUES ($1, $2)", &[&"Ada", &"078-05-1120"]).await?;
//! let row = client.query_one("SELECT name FROM patients WHERE ssn = $1", &[&"078-05-1120"]).await?;
//! assert_eq!(row.get::<_, &str>(0), "Ada");
//! # Ok(())
//! # }
//! ```
//!
//! Which columns are encrypted, how, and under which keys stands in the *manifest*, an
//! authenticated document that the `sealwire` command writes.
//!
//! | for | use |
//! |---|---|
//! | one connection | [`connect`], [`Config`] |
//! | many connections that share keys | [`ColumnEncryption`] |
//! | a pool (deadpool-postgres, bb8, ...) | [`ColumnEncryption::arm`], [`Config::arm`] |
//! | sqlx, SeaORM, diesel and others that own their wire code | [`ColumnEncryption::listen`], [`Config::listen`] |
//! | a proxy | [`Server`], [`Relay`] |
//! | a key store of one's own | [`KeyProvider`] with [`Builder::provider`] or [`Builder::providers`] |
//! | cancelling a query | [`Connection::canceller`], or the [`Connector`] as the `tls` of tokio-postgres' own cancel token |
//!
//! A statement that names a table with encrypted columns either does what it would do on plain
//! columns or is refused with a reason and a hint; every other statement passes byte for byte.
//! tokio-postgres itself logs parameters at level Debug: keep that level off for it.

mod config;
mod connection;
mod connection_string;
mod connector;
mod dial;
mod encryption;
mod error;
mod local;
mod memory;
mod relay;
pub mod scram;
mod sealing;
mod server;
pub mod startup;
mod statistics;
mod stream;
mod wake;

pub use config::{Config, ManifestSource, Setting, connect};
pub use connection::{Canceller, Connection};
pub use connector::{Armed, Connector, Handshake, MaybeTls};
pub use encryption::{Builder, ColumnEncryption, Reloaded};
pub use error::Error;
pub use local::LocalListener;
pub use memory::MemoryLimit;
pub use relay::{Ended, Fault, Relay, Stop};
pub use sealwire_engine::{Counters, Failure, Limits};
pub use sealwire_keys::{KeyProvider, ProviderError, Providers, WrapContext};
pub use server::{Address, Cancellable, Server, ServerSocket};
pub use statistics::Statistics;
pub use stream::SealedStream;
