//! What a name means changes: by the search path, by temporary tables, by DDL of this session and
//! of others. A statement is planned again or refused; it is never sealed for the wrong column, and
//! nothing goes out in the clear.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use support::{code, everything, people};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// A session through Sealwire whose every byte is recorded, and the owner's, without Sealwire.
struct World {
    fixture: Fixture,
    proxy: RecordingProxy,
    client: Client,
    owner: Client,
}

impl World {
    async fn new() -> Self {
        let fixture = Fixture::new(people()).await;
        let proxy = RecordingProxy::start(fixture.sealed()).await;
        let client = support::connect(&fixture.url_through(proxy.port())).await;
        let owner = fixture.sealed().connect().await;
        Self {
            fixture,
            proxy,
            client,
            owner,
        }
    }

    async fn another(&self) -> Client {
        support::connect(&self.fixture.url_through(self.proxy.port())).await
    }

    async fn fill(&self) {
        self.client
            .batch_execute(
                "INSERT INTO people (id, email, phone, note, name) VALUES \
                 (1, 'zqxmarker-1', '555-1', 'zqxmarker-n', 'ann'), \
                 (2, 'zqxmarker-2', '555-2', NULL, 'bob')",
            )
            .await
            .unwrap();
    }

    fn assert_secret(&self) {
        self.proxy.assert_absent(&["zqxmarker"]);
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, sqlstate: &str) -> String {
    let error = result.expect_err("refused");
    assert_eq!(code(&error), sqlstate, "{}", everything(&error));
    assert!(!everything(&error).contains("zqxmarker"), "{error:?}");
    error.as_db_error().unwrap().message().to_owned()
}

/// The values of the first column.
async fn column(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {}", everything(&error)));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

/// Cells that the manifest does not list: a copy by `LIKE`, a domain over the cells' domain, an
/// array, a view over them, another schema. The session finds them at its start.
#[tokio::test]
async fn no_value_is_sent_to_cells_that_the_manifest_does_not_list() {
    let world = World::new().await;
    world.fill().await;
    world
        .owner
        .batch_execute(
            "CREATE TABLE archive (LIKE people); \
             INSERT INTO archive SELECT * FROM people; \
             CREATE SCHEMA other; \
             CREATE DOMAIN other.mail AS sealwire.deterministic; \
             CREATE TABLE other.vault (id int, secret other.mail, more sealwire.randomized[]); \
             CREATE VIEW v_archive AS SELECT id, email AS mail FROM archive",
        )
        .await
        .unwrap();
    let client = world.another().await;
    for sql in [
        "SELECT id FROM archive WHERE email = 'zqxmarker-1'",
        "UPDATE archive SET note = 'zqxmarker-1'",
        "INSERT INTO other.vault (id, secret) VALUES (1, 'zqxmarker-1')",
        "INSERT INTO other.vault (id, more) VALUES (1, ARRAY['zqxmarker-1'])",
        "SELECT 1 FROM v_archive WHERE mail = 'zqxmarker-1'",
        "SELECT 1 FROM archive WHERE convert_from(email, 'UTF8') LIKE 'zqxmarker%'",
    ] {
        let message = refused(client.simple_query(sql).await, "42P17");
        assert!(message.contains("refusing to"), "{message}");
    }
    let message = refused(
        client
            .query("SELECT id FROM archive WHERE email = $1", &[&"zqxmarker-1"])
            .await,
        "42P17",
    );
    assert!(message.contains("`public.archive.email`"), "{message}");
    // As they are, and to and fro within the table.
    assert_eq!(
        column(&client, "SELECT email FROM archive ORDER BY id").await,
        column(&world.owner, "SELECT email FROM archive ORDER BY id").await,
    );
    client
        .batch_execute(
            "UPDATE archive SET email = email, name = 'x'; \
             INSERT INTO archive (id, email) VALUES (3, NULL)",
        )
        .await
        .unwrap();
    assert_eq!(
        column(&client, "SELECT count(email) FROM archive").await,
        ["2"]
    );
    world.assert_secret();
}
