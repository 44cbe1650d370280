//! The proxy of Sealwire: column encryption for every client that speaks PostgreSQL's protocol.
//!
//! ```text
//!  psql, psycopg, JDBC, node-postgres, ...     one line of the connection string changes
//!        |  PostgreSQL protocol, plaintext: a Unix socket, loopback or TLS
//!  Proxy                                       this crate: listeners, TLS, limits, metrics
//!        |  sealwire::Relay, one for each connection
//!        |  PostgreSQL protocol, cells
//!  PostgreSQL
//! ```
//!
//! A connection of a client is one connection to the server, opened when the client connects:
//! the proxy does not pool. Whoever wants a pool puts one in front of it or behind it.

mod beginnings;
mod cancel;
mod client;
mod error;
mod http;
mod listen;
mod metrics;
mod proxy;
mod roles;
mod secret_file;
mod seldom;
mod settings;
mod threads;
mod tls;

pub use error::Error;
pub use proxy::{Handle, Proxy, check};
pub use settings::{
    AuthSettings, DatabaseSettings, EncryptionSettings, LimitSettings, ListenSettings, LogFormat,
    LogLevel, LogSettings, ServerSettings, Settings, SslMode, SslNegotiation, TlsSettings,
};
