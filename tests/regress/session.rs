//! A session through Sealwire, recorded above and beneath.

use std::time::Duration;

use sealwire_testkit::Tap;
use sealwire_testkit::fixture::wire::{Batch, Format, Reply, WireClient};
use sealwire_testkit::fixture::{Fixture, plain_wire};
use sealwire_testkit::regress::frames::{RawClient, setting};
use tokio::net::TcpStream;

use crate::exchange::{Exchange, Sides};
use crate::tapped;

/// As the scripts expect them.
const SETTINGS: [(&str, &str); 4] = [
    ("TimeZone", "America/Los_Angeles"),
    ("datestyle", "Postgres, MDY"),
    ("intervalstyle", "postgres_verbose"),
    ("application_name", "regress"),
];

/// No statement takes longer unless something waits for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// What PostgreSQL itself says to a text.
pub(crate) struct Plain(WireClient<TcpStream>);

impl Plain {
    /// A session without the layer.
    pub(crate) async fn new(fixture: &Fixture) -> Self {
        Self(plain_wire(fixture.sealed()).await)
    }

    /// Whether its grammar rejects a text, or Parse does because it holds several statements.
    pub(crate) async fn is_syntax_error(&mut self, sql: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(sql) else {
            return false;
        };
        let replies = self
            .0
            .exchange(Batch::new().parse("", text, &[]).sync())
            .await;
        replies
            .iter()
            .any(|reply| matches!(reply, Reply::Error(fields) if fields.code() == "42601"))
    }
}

pub(crate) struct Session {
    client: RawClient<tapped::Stream>,
    beneath: Tap,
    /// As the server last reported it.
    pub(crate) standard_strings: bool,
}

impl Session {
    /// A session of the superuser.
    pub(crate) async fn new(fixture: &Fixture) -> Self {
        let config = fixture.sealed().superuser_config();
        let (client, beneath) = tapped::wire(fixture, config, &SETTINGS).await;
        Self {
            client: RawClient::new(client.into_stream()),
            beneath,
            standard_strings: true,
        }
    }

    /// Runs a text: as a simple Query, or with results of a format.
    pub(crate) async fn exchange(
        &mut self,
        sql: &[u8],
        results: Option<Format>,
        data: impl FnMut() -> Vec<u8>,
    ) -> Exchange {
        let run = async {
            match results {
                None => self.client.query(sql, data).await,
                Some(format) => self.client.extended(sql, format, data).await,
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, run).await;
        let (sent, read) = self.client.take();
        let sides = Sides {
            sent,
            read,
            beneath: self.beneath.take(),
        };
        let exchange = Exchange::new(outcome, sides);
        for reply in &exchange.replies {
            if reply[0] == b'S'
                && let Some((b"standard_conforming_strings", value)) = setting(reply)
            {
                self.standard_strings = value == b"on";
            }
        }
        exchange
    }
}
