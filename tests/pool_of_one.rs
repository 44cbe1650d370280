//! One connection is all that there is: whatever goes wrong with a query, the next one on the same
//! connection works.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use std::time::Duration;

use deadpool_postgres::{Manager, Object, Pool};
use futures_util::{StreamExt, pin_mut};
use sealwire::Config;
use sealwire_testkit::fixture::Fixture;
use support::{code, everything, people};
use tokio_postgres::{Client, NoTls};

async fn pool(fixture: &Fixture) -> Pool {
    let config: Config = fixture.url().parse().unwrap();
    let (config, connector) = config.arm(NoTls).await.unwrap().into_parts();
    Pool::builder(Manager::new(config, connector))
        .max_size(1)
        .build()
        .unwrap()
}

async fn fill(client: &Client, rows: i64) {
    for id in 1..=rows {
        client
            .execute(
                "INSERT INTO people (id, email, note, name) VALUES ($1, $2, $3, 'n')",
                &[
                    &id,
                    &format!("p{id}@example.com"),
                    &format!("zqxmarker note {id}"),
                ],
            )
            .await
            .unwrap();
    }
}

async fn backend(client: &Object) -> i32 {
    client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0)
}

/// Ways to harm a stored cell, each on row 2 only.
const TAMPERINGS: [(&str, &str); 8] = [
    (
        "a flipped bit",
        "note = set_byte(note, octet_length(note) - 1, get_byte(note, octet_length(note) - 1) # 1)",
    ),
    (
        "a flipped nonce",
        "note = set_byte(note, 5, get_byte(note, 5) # 128)",
    ),
    (
        "a truncated cell",
        "note = substr(note, 1, octet_length(note) - 1)::bytea",
    ),
    ("a lengthened cell", "note = note || '\\x00'::bytea"),
    (
        "the cell of another column",
        "note = (SELECT born FROM people WHERE id = 1)",
    ),
    (
        "garbage behind a header",
        "note = '\\x1201'::bytea || decode(repeat('5a', 40), 'hex')",
    ),
    ("another key version", "note = set_byte(note, 1, 2)"),
    (
        "plaintext",
        "note = convert_to('zqxmarker in the clear, and long enough', 'UTF8')",
    ),
];

#[tokio::test]
async fn a_tampered_cell_fails_twice_and_opens_once_repaired() {
    let fixture = Fixture::new(people()).await;
    let pool = pool(&fixture).await;
    let owner = fixture.sealed().connect().await;
    // The domains keep most harm out; an attacker who owns the server drops their checks.
    owner
        .batch_execute(
            "ALTER DOMAIN sealwire.randomized DROP CONSTRAINT randomized_cell; \
             ALTER DOMAIN sealwire.deterministic DROP CONSTRAINT deterministic_cell",
        )
        .await
        .unwrap();
    let first = {
        let client = pool.get().await.unwrap();
        fill(&client, 3).await;
        client
            .execute("UPDATE people SET born = '1873-04-19' WHERE id = 1", &[])
            .await
            .unwrap();
        backend(&client).await
    };
    owner
        .batch_execute("CREATE TABLE kept AS SELECT id, note::bytea FROM people")
        .await
        .unwrap();

    for (what, tampering) in TAMPERINGS {
        let harmed = owner
            .execute(&format!("UPDATE people SET {tampering} WHERE id = 2"), &[])
            .await
            .unwrap();
        assert_eq!(harmed, 1, "{what}");
        for _ in 0..2 {
            let client = pool.get().await.unwrap();
            let error = client
                .query("SELECT id, note FROM people ORDER BY id", &[])
                .await
                .expect_err(what);
            assert_eq!(code(&error), "XX001", "{what}: {}", everything(&error));
            let db = error.as_db_error().unwrap();
            assert!(db.message().contains("people.note"), "{what}: {db:?}");
            assert!(
                !everything(&error).contains("zqxmarker"),
                "{what}: {error:?}"
            );
            // The same connection, other columns and other rows.
            let rows = client
                .query("SELECT id, email FROM people", &[])
                .await
                .unwrap();
            assert_eq!(rows.len(), 3);
            let one = client
                .query_one("SELECT note FROM people WHERE id = $1", &[&3_i64])
                .await;
            assert_eq!(one.unwrap().get::<_, &str>(0), "zqxmarker note 3");
        }
        owner
            .batch_execute("UPDATE people p SET note = k.note FROM kept k WHERE k.id = p.id")
            .await
            .unwrap();
        let client = pool.get().await.unwrap();
        let rows = client
            .query("SELECT note FROM people ORDER BY id", &[])
            .await
            .unwrap();
        assert_eq!(rows[1].get::<_, &str>(0), "zqxmarker note 2", "{what}");
        assert_eq!(
            backend(&client).await,
            first,
            "{what}: the connection was replaced"
        );
    }
}

#[tokio::test]
async fn rows_before_the_tampered_one_arrive_and_nothing_behind_it() {
    let fixture = Fixture::new(people()).await;
    let pool = pool(&fixture).await;
    let client = pool.get().await.unwrap();
    fill(&client, 300).await;
    let owner = fixture.sealed().connect().await;
    owner
        .batch_execute(
            "UPDATE people SET note = set_byte(note, 30, get_byte(note, 30) # 1) WHERE id = 250",
        )
        .await
        .unwrap();
    for _ in 0..2 {
        let rows = client
            .query_raw(
                "SELECT id, note FROM people ORDER BY id",
                std::iter::empty::<i32>(),
            )
            .await
            .unwrap();
        pin_mut!(rows);
        let mut seen = 0;
        let error = loop {
            match rows.next().await.expect("an error before the end") {
                Ok(row) => {
                    seen += 1;
                    assert_eq!(row.get::<_, String>(1), format!("zqxmarker note {seen}"));
                }
                Err(error) => break error,
            }
        };
        assert_eq!(seen, 249);
        assert_eq!(code(&error), "XX001");
        assert!(rows.next().await.is_none());
    }
    let count = client
        .query_one("SELECT count(note) FROM people", &[])
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 300);
}

#[tokio::test]
async fn a_stream_of_rows_dropped_early_leaves_nothing_behind() {
    let fixture = Fixture::new(people()).await;
    let pool = pool(&fixture).await;
    {
        let client = pool.get().await.unwrap();
        fill(&client, 300).await;
    }
    for taken in [0, 1, 7, 299] {
        let client = pool.get().await.unwrap();
        let rows = client
            .query_raw(
                "SELECT id, note, email FROM people ORDER BY id",
                std::iter::empty::<i32>(),
            )
            .await
            .unwrap();
        {
            pin_mut!(rows);
            for _ in 0..taken {
                rows.next().await.unwrap().unwrap();
            }
        }
        let row = client
            .query_one(
                "SELECT id FROM people WHERE email = $1",
                &[&"p17@example.com"],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 17);
        drop(client);
        // A future dropped before its first poll and one dropped in the middle.
        let client = pool.get().await.unwrap();
        drop(client.query("SELECT note FROM people", &[]));
        let slow = client.query("SELECT note FROM people", &[]);
        let _ = tokio::time::timeout(Duration::ZERO, slow).await;
    }
    let client = pool.get().await.unwrap();
    assert_eq!(
        client
            .query("SELECT * FROM people", &[])
            .await
            .unwrap()
            .len(),
        300
    );
}

#[tokio::test]
async fn a_query_cancelled_in_the_middle_ends_alone() {
    let fixture = Fixture::new(people()).await;
    let config: Config = fixture.url().parse().unwrap();
    let (config, connector) = config.arm(NoTls).await.unwrap().into_parts();
    let pool = Pool::builder(Manager::new(config, connector.clone()))
        .max_size(1)
        .build()
        .unwrap();
    let client = pool.get().await.unwrap();
    fill(&client, 3).await;
    let owner = fixture.sealed().connect().await;
    for _ in 0..2 {
        owner
            .batch_execute("BEGIN; LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        let pid = backend(&client).await;
        let blocked = client.query(
            "SELECT note FROM people WHERE email = $1",
            &[&"p1@example.com"],
        );
        let cancel = async {
            // Once it waits for the lock it is certainly running.
            let waits = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted";
            while owner
                .query_one(waits, &[&pid])
                .await
                .unwrap()
                .get::<_, i64>(0)
                == 0
            {
                tokio::task::yield_now().await;
            }
            let token = client.cancel_token();
            token.cancel_query(connector.clone()).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(blocked, cancel);
        assert_eq!(code(&outcome.unwrap_err()), "57014");
        owner.batch_execute("ROLLBACK").await.unwrap();
        let row = client
            .query_one(
                "SELECT note FROM people WHERE email = $1",
                &[&"p1@example.com"],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, &str>(0), "zqxmarker note 1");
    }
}

/// What a client sees of one failure after another in a transaction, as words.
async fn transaction_story(client: &mut Client) -> Vec<String> {
    let mut story = Vec::new();
    let mut tell = |step: &str, outcome: Result<u64, tokio_postgres::Error>| {
        let outcome = match outcome {
            Ok(count) => count.to_string(),
            Err(error) => code(&error).to_owned(),
        };
        story.push(format!("{step}: {outcome}"));
    };
    let insert = "INSERT INTO people (id, email, phone, age) VALUES ($1, $2, $3, $4)";
    let mut outer = client.transaction().await.unwrap();
    tell(
        "insert",
        outer.execute(insert, &[&1_i64, &"a", &"1", &1]).await,
    );
    let inner = outer.savepoint("s").await.unwrap();
    tell(
        "duplicate",
        inner.execute(insert, &[&2_i64, &"a", &"1", &1]).await,
    );
    tell(
        "aborted",
        inner.execute(insert, &[&3_i64, &"b", &"1", &1]).await,
    );
    tell(
        "select",
        inner
            .query("SELECT * FROM people", &[])
            .await
            .map(|rows| rows.len() as u64),
    );
    inner.rollback().await.unwrap();
    tell(
        "recovered",
        outer.execute(insert, &[&4_i64, &"c", &"1", &1]).await,
    );
    let inner = outer.savepoint("s").await.unwrap();
    tell(
        "too long",
        inner
            .execute(insert, &[&5_i64, &"d", &"1234567890123", &1])
            .await,
    );
    tell(
        "aborted",
        inner.execute(insert, &[&5_i64, &"d", &"1", &1]).await,
    );
    drop(inner);
    tell(
        "after drop",
        outer.execute(insert, &[&6_i64, &"e", &"1", &1]).await,
    );
    let inner = outer.savepoint("s").await.unwrap();
    tell("syntax", inner.execute("SELEC note FROM people", &[]).await);
    tell("aborted", inner.execute("SELECT 1", &[]).await);
    inner.rollback().await.unwrap();
    tell(
        "select",
        outer
            .query("SELECT * FROM people", &[])
            .await
            .map(|rows| rows.len() as u64),
    );
    tell("commit", outer.commit().await.map(|()| 0));

    let aborted = client.transaction().await.unwrap();
    tell(
        "duplicate",
        aborted.execute(insert, &[&1_i64, &"z", &"1", &1]).await,
    );
    // COMMIT of an aborted transaction is a rollback, without an error.
    tell("commit", aborted.commit().await.map(|()| 0));
    tell(
        "rows",
        client
            .query("SELECT email FROM people", &[])
            .await
            .map(|rows| rows.len() as u64),
    );
    story
}

#[tokio::test]
async fn errors_inside_a_transaction_are_those_of_a_plain_table() {
    let fixture = Fixture::new(people()).await;
    let pool = pool(&fixture).await;
    let mut client = pool.get().await.unwrap();
    let sealed = transaction_story(&mut client).await;
    let mut plain = fixture.plain().connect().await;
    assert_eq!(sealed, transaction_story(&mut plain).await);
}

/// A refusal and a cell that does not open, inside a transaction: the client may recover with a
/// savepoint, and what it did before is kept or lost as it decides.
#[tokio::test]
async fn refusals_and_tampered_cells_inside_a_transaction_are_recovered_by_savepoints() {
    let fixture = Fixture::new(people()).await;
    let pool = pool(&fixture).await;
    let mut client = pool.get().await.unwrap();
    fill(&client, 2).await;
    let owner = fixture.sealed().connect().await;
    owner
        .batch_execute(
            "UPDATE people SET note = set_byte(note, 30, get_byte(note, 30) # 1) WHERE id = 2",
        )
        .await
        .unwrap();

    let mut outer = client.transaction().await.unwrap();
    outer
        .execute("UPDATE people SET name = 'kept' WHERE id = 1", &[])
        .await
        .unwrap();
    let inner = outer.savepoint("s").await.unwrap();
    let refused = inner
        .query("SELECT id FROM people WHERE email < $1", &[&"x"])
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "0A000");
    let aborted = inner.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(
        code(&aborted),
        "25P02",
        "a refusal aborts the transaction as any error does"
    );
    inner.rollback().await.unwrap();

    let inner = outer.savepoint("s").await.unwrap();
    let tampered = inner
        .query("SELECT note FROM people ORDER BY id", &[])
        .await
        .unwrap_err();
    assert_eq!(code(&tampered), "XX001");
    inner.rollback().await.unwrap();
    let row = outer
        .query_one("SELECT note FROM people WHERE id = 1", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "zqxmarker note 1");
    outer.commit().await.unwrap();
    let row = client
        .query_one("SELECT name FROM people WHERE id = 1", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "kept");
}
