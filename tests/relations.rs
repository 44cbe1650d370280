//! What stands between a statement and an encrypted table: views, partitions, inheritance,
//! temporary tables of the same name. Each resolves to the table or is refused; none leads around
//! the encryption.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Reply};
use support::{code, people};

/// Whether a statement has to work or may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Works,
    MayBeRefused,
}
use Promise::{MayBeRefused, Works};

fn tables() -> Vec<Table> {
    let mut tables = people();
    tables.push(
        Table::new(
            "public",
            "events",
            [
                Column::plain("id", "int8"),
                Column::deterministic("email", "text"),
                Column::randomized("payload", "text"),
            ],
        )
        .suffix("PARTITION BY RANGE (id)"),
    );
    tables
}

const AROUND: &str = "
    CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (0) TO (100);
    CREATE TABLE events_rest PARTITION OF events DEFAULT;
    CREATE TABLE special_people (extra text) INHERITS (people);
    CREATE VIEW v_people AS SELECT id, email AS mail, note FROM people WHERE id < 1000;
    CREATE VIEW v_join AS
        SELECT p.id, p.email, e.payload FROM people p JOIN events e ON e.id = p.id;
    CREATE VIEW v_counted AS SELECT email, count(*) AS n FROM people GROUP BY email;
    CREATE MATERIALIZED VIEW m_people AS SELECT id, email, note FROM people WITH DATA;
    CREATE VIEW v_nested AS SELECT mail, id FROM v_people;
    CREATE RULE quiet AS ON INSERT TO log DO ALSO NOTHING;
";

#[tokio::test]
async fn relations_over_an_encrypted_table_resolve_or_are_refused() {
    let fixture = Fixture::new(tables()).await;
    fixture.prepare(AROUND).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut sealed = support::wire(&fixture.url_through(proxy.port())).await;
    let mut plain = fixture.plain_wire().await;
    for (promise, sql) in [
        (
            Works,
            "INSERT INTO people (id, email, note) VALUES (1, 'zqxmarker-a', 'zqxmarker-n'), (2, 'zqxmarker-b', NULL)",
        ),
        (
            Works,
            "INSERT INTO events (id, email, payload) VALUES (1, 'zqxmarker-a', 'zqxmarker-p'), (200, 'zqxmarker-b', 'zqxmarker-q')",
        ),
        (
            Works,
            "INSERT INTO events_low (id, email, payload) VALUES (2, 'zqxmarker-b', 'zqxmarker-r')",
        ),
        (
            Works,
            "SELECT id, payload FROM events WHERE email = 'zqxmarker-b' ORDER BY id",
        ),
        (Works, "SELECT email, payload FROM events_low ORDER BY id"),
        (
            Works,
            "UPDATE events SET id = 300 WHERE email = 'zqxmarker-a'",
        ),
        (
            Works,
            "UPDATE events_rest SET payload = 'zqxmarker-s' WHERE email = 'zqxmarker-a'",
        ),
        (Works, "SELECT id, email, payload FROM events ORDER BY id"),
        (
            Works,
            "DELETE FROM events_rest WHERE email = 'zqxmarker-b' RETURNING payload",
        ),
        (
            MayBeRefused,
            "INSERT INTO special_people (id, email, note, extra) VALUES (9, 'zqxmarker-c', 'zqxmarker-m', 'x')",
        ),
        (
            MayBeRefused,
            "SELECT email, note, extra FROM special_people",
        ),
        (Works, "SELECT id, email FROM people ORDER BY id"),
        (Works, "SELECT id, email FROM ONLY people ORDER BY id"),
        (
            Works,
            "SELECT id, mail, note FROM v_people WHERE mail = 'zqxmarker-a'",
        ),
        (
            MayBeRefused,
            "INSERT INTO v_people (id, mail, note) VALUES (10, 'zqxmarker-d', 'zqxmarker-l')",
        ),
        (
            MayBeRefused,
            "UPDATE v_people SET mail = 'zqxmarker-e' WHERE mail = 'zqxmarker-d'",
        ),
        (
            MayBeRefused,
            "SELECT id, email, payload FROM v_join ORDER BY id",
        ),
        (
            MayBeRefused,
            "SELECT n FROM v_counted WHERE email = 'zqxmarker-a'",
        ),
        (
            MayBeRefused,
            "SELECT mail FROM v_nested WHERE mail = 'zqxmarker-a'",
        ),
        (
            MayBeRefused,
            "SELECT id, email, note FROM m_people WHERE email = 'zqxmarker-a'",
        ),
        (MayBeRefused, "REFRESH MATERIALIZED VIEW m_people"),
        (
            MayBeRefused,
            "SELECT id, email, note FROM m_people ORDER BY id",
        ),
        (
            MayBeRefused,
            "CREATE TEMPORARY TABLE people (id int8, email text)",
        ),
        (
            MayBeRefused,
            "INSERT INTO pg_temp.people (id, email) VALUES (1, 'shown')",
        ),
        (
            Works,
            "SELECT id, note FROM public.people WHERE email = 'zqxmarker-a'",
        ),
        (MayBeRefused, "DROP TABLE pg_temp.people"),
        (
            MayBeRefused,
            "CREATE VIEW v_late AS SELECT id, email FROM people",
        ),
        (
            MayBeRefused,
            "SELECT id FROM v_late WHERE email = 'zqxmarker-a'",
        ),
        (
            Works,
            "EXPLAIN (COSTS OFF) SELECT id FROM people WHERE id = 3",
        ),
    ] {
        for protocol in ["simple", "extended"] {
            let mut batch = Batch::new();
            batch.query("BEGIN");
            if protocol == "simple" {
                batch.query(sql);
            } else {
                batch.parse("", sql, &[]).bind(
                    "",
                    "",
                    &[],
                    sealwire_testkit::fixture::wire::Format::Binary,
                );
                batch.describe(b'P', "").execute("", 0).sync();
            }
            // Kept once, by the second protocol.
            batch.query(if protocol == "simple" {
                "ROLLBACK"
            } else {
                "COMMIT"
            });
            let replies = sealed.exchange(&batch).await;
            let refusal = replies.iter().find_map(|reply| match reply {
                Reply::Error(fields) if fields.is_refusal() => Some(fields.clone()),
                _ => None,
            });
            if let Some(refusal) = refusal {
                assert_eq!(promise, MayBeRefused, "{sql} ({protocol}): {refusal:?}");
                continue;
            }
            let expected = plain.exchange(&batch).await;
            if let Some(difference) = difference(&replies, &expected, &[vec![true], vec![true]]) {
                panic!("{sql} ({protocol}): {difference}");
            }
        }
    }
    proxy.assert_absent(&["zqxmarker"]);
}

/// Deterministic columns keep their index: the plan of a look-up uses it.
#[tokio::test]
async fn a_look_up_by_a_deterministic_column_uses_its_index() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    let insert = client
        .prepare("INSERT INTO people (id, email) VALUES ($1, $2)")
        .await
        .unwrap();
    for id in 0..500_i64 {
        client
            .execute(&insert, &[&id, &format!("p{id}@example.com")])
            .await
            .unwrap();
    }
    client.batch_execute("ANALYZE people").await.unwrap();
    let plan = client
        .query(
            "EXPLAIN SELECT id FROM people WHERE email = $1",
            &[&"p77@example.com"],
        )
        .await
        .unwrap();
    let plan: Vec<&str> = plan.iter().map(|row| row.get(0)).collect();
    assert!(
        plan.join("\n")
            .contains("Index Scan using people_email_key"),
        "{plan:?}"
    );
    let analysed = client
        .query(
            "EXPLAIN ANALYZE SELECT id FROM people WHERE email = $1",
            &[&"p77@example.com"],
        )
        .await
        .unwrap();
    assert!(!analysed.is_empty());
}

/// An application that handles cells itself is told so, instead of sealing them twice.
#[tokio::test]
async fn a_sealed_cell_is_no_value_to_seal() {
    let tables = [Table::new(
        "public",
        "files",
        [
            Column::plain("id", "int4"),
            Column::deterministic("body", "bytea"),
        ],
    )];
    let fixture = Fixture::new(tables).await;
    let client = support::connect(&fixture.url()).await;
    let insert = "INSERT INTO files (id, body) VALUES ($1, $2)";
    client
        .execute(insert, &[&1, &&b"a body"[..]])
        .await
        .unwrap();
    let cell = support::cells(&fixture, "files", "body")
        .await
        .remove(0)
        .unwrap();
    let error = client.execute(insert, &[&2, &cell]).await.unwrap_err();
    assert_eq!(code(&error), "22023");
    // Bytes that only look like one are a value.
    let mut alike = cell.clone();
    alike[20] ^= 1;
    client.execute(insert, &[&3, &alike]).await.unwrap();
    let rows = client
        .query("SELECT body FROM files ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(rows[0].get::<_, &[u8]>(0), b"a body");
    assert_eq!(rows[1].get::<_, &[u8]>(0), alike);
}
