//! Test support of Sealwire: a PostgreSQL server for every test binary and a transport that
//! records what crosses it. Unpublished; nothing here is part of a release.
//!
//! ```no_run
//! # async fn example() {
//! let database = sealwire_testkit::Postgres::shared().await.create_database().await;
//! let client = database.connect().await;
//! client.batch_execute("CREATE TABLE t (a int)").await.expect("create");
//! # }
//! ```
//!
//! Failures panic: a test that cannot have its server has failed. Only the choice of a server
//! ([`Postgres::start`]) returns an error, so that an example can print it as a sentence.

mod database;
pub mod fixture;
mod postgres;
mod recording;
pub mod regress;

pub use database::TestDatabase;
pub use postgres::{Certificates, Choice, Postgres, Unavailable};
pub use recording::tap::{Tap, Tapped, Turn};
pub use recording::{Recording, RecordingProxy};
