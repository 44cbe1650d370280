//! Rust clients on Sealwire in process: what their tests share.
//!
//! A test runs one scenario against the plain twin and against the encrypted one, and compares what
//! it has recorded. Clients that bring their own wire code reach the layer through its private
//! socket ([`sealwire::LocalListener`]); those on tokio-postgres through an armed configuration.

use std::fmt::Debug;

use sealwire::{Config, LocalListener};
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::items;
pub use sealwire_testkit::fixture::items::MARKER;
use tokio_postgres::NoTls;

/// Labelled outcomes in their order.
#[derive(Debug, Default, PartialEq)]
pub struct Record(Vec<(String, String)>);

impl Record {
    /// Notes a value.
    pub fn note(&mut self, label: &str, value: impl Debug) {
        self.0.push((label.to_owned(), format!("{value:?}")));
    }

    /// Notes a value, or what an error says of itself by `code`.
    pub fn attempt<T: Debug, E>(
        &mut self,
        label: &str,
        result: Result<T, E>,
        code: impl FnOnce(&E) -> String,
    ) {
        match result {
            Ok(value) => self.note(label, value),
            Err(error) => self.note(label, code(&error)),
        }
    }
}

/// Twin databases and the layer before the encrypted one.
pub struct Twins {
    pub fixture: Fixture,
    listener: LocalListener,
}

impl Twins {
    pub async fn new() -> Self {
        Self::of(items::fixture().await).await
    }

    pub async fn of(fixture: Fixture) -> Self {
        let config: Config = fixture.url().parse().expect("a connection string");
        let listener = config.listen(NoTls).await.expect("a private socket");
        Self { fixture, listener }
    }

    /// The plain twin, directly.
    pub fn plain_url(&self) -> String {
        self.fixture.plain().url()
    }

    /// The encrypted twin, through the layer's private socket.
    pub fn sealed_url(&self) -> String {
        self.listener.url()
    }

    /// Compares the records, and looks at what an operator of the server could read.
    pub async fn finish(self, plain: Record, sealed: Record) {
        assert!(!plain.0.is_empty(), "nothing was compared");
        for (index, (plain, sealed)) in plain.0.iter().zip(&sealed.0).enumerate() {
            assert_eq!(plain, sealed, "entry {index}");
        }
        assert_eq!(plain.0.len(), sealed.0.len());
        items::only_the_plain_twin_has_values(&self.fixture, "")
            .await
            .expect("no value on the server's side");
        // The test runner's own words may stand at the line's beginning.
        println!("\nchecks: {}", plain.0.len());
    }
}
