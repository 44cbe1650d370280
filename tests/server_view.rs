//! What the server's operator sees: nothing. Every value that this test writes carries a marker,
//! and the marker is looked for in all bytes that went to the server, in its log, in its statistics
//! views, in the stored rows and in the texts of errors.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::values::{DATE_MARKER, NUMBER_MARKER, TEXT_MARKER, markers};
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use sealwire_testkit::{Postgres, RecordingProxy};
use support::{code, everything, people};
use tokio_postgres::Client;

/// The secret number of this test.
fn number() -> i32 {
    format!("{NUMBER_MARKER}1").parse().unwrap()
}

fn secret(tail: &str) -> String {
    format!("{TEXT_MARKER}-{tail}")
}

/// Statements by parameters, literals and both protocols, right ones and wrong ones.
async fn work(client: &Client, errors: &mut String) {
    let insert = "INSERT INTO people (id, email, phone, age, note) VALUES ($1, $2, $3, $4, $5)";
    let mut fail = |what: &str, error: tokio_postgres::Error, expected: &str| {
        assert_eq!(code(&error), expected, "{what}: {}", everything(&error));
        errors.push_str(&everything(&error));
    };
    let phone = secret("1");
    for id in 1..=5_i64 {
        let (email, note) = (secret(&format!("{id}@example.com")), secret("note"));
        client
            .execute(insert, &[&id, &email, &phone, &number(), &note])
            .await
            .unwrap();
    }
    let found = client
        .query(
            "SELECT * FROM people WHERE email = ANY($1) OR age = $2",
            &[&vec![secret("1@example.com")], &number()],
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 5);
    client
        .batch_execute(&format!(
            "BEGIN; /* a comment */ UPDATE people SET note = 'it''s {m}', born = '{d}1', age = {n} \
             WHERE email IN ('{m}-1@example.com', E'{m}-2\\x40example.com', $${m}-3@example.com$$); \
             INSERT INTO people (id, email) VALUES (6, U&'{m}-6\\0040example.com'); \
             SELECT id, note FROM people WHERE email IS NOT DISTINCT FROM text '{m}-1@example.com'; COMMIT",
            m = TEXT_MARKER,
            n = number(),
            d = DATE_MARKER,
        ))
        .await
        .unwrap();
    client
        .query(
            "WITH w (id, e) AS (SELECT 7::int8, $1) INSERT INTO people (id, email) SELECT id, e FROM w \
             ON CONFLICT (email) DO UPDATE SET email = EXCLUDED.email RETURNING email",
            &[&secret("7@example.com")],
        )
        .await
        .unwrap();
    client
        .execute(
            "UPDATE people SET email = COALESCE($1, email) WHERE id = 7",
            &[&secret("8@example.com")],
        )
        .await
        .unwrap();

    // The server's own errors, whose DETAIL shows values.
    let duplicate = secret("1@example.com");
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&9_i64, &duplicate, &phone, &number(), &duplicate];
    fail(
        "duplicate",
        client.execute(insert, &values).await.unwrap_err(),
        "23505",
    );
    let sql = format!("INSERT INTO people (id, email) VALUES (9, '{duplicate}')");
    fail(
        "duplicate",
        client.batch_execute(&sql).await.unwrap_err(),
        "23505",
    );
    let sql = format!(
        "INSERT INTO people (id, email) VALUES (1, '{}')",
        secret("new")
    );
    fail(
        "same key",
        client.batch_execute(&sql).await.unwrap_err(),
        "23505",
    );
    // The layer's errors about values.
    let long = secret("much too long");
    let sql = "UPDATE people SET phone = $1";
    fail(
        "too long",
        client.execute(sql, &[&long]).await.unwrap_err(),
        "22001",
    );
    let sql = format!("UPDATE people SET phone = '{long}'");
    fail(
        "too long",
        client.batch_execute(&sql).await.unwrap_err(),
        "22001",
    );
    let sql = format!("UPDATE people SET age = '{TEXT_MARKER}'");
    fail(
        "no number",
        client.batch_execute(&sql).await.unwrap_err(),
        "22P02",
    );
    let sql = format!("UPDATE people SET age = {}999", number());
    fail(
        "out of range",
        client.batch_execute(&sql).await.unwrap_err(),
        "22003",
    );
}

/// Statements that are refused, each with a value that must not go out with the refusal.
async fn refusals(client: &Client, errors: &mut String) {
    let m = TEXT_MARKER;
    for sql in [
        format!("SELECT id FROM people WHERE email < '{m}'"),
        format!("SELECT id FROM people WHERE email LIKE '{m}%'"),
        format!("SELECT id FROM people WHERE lower(email) = '{m}'"),
        format!("SELECT id FROM people WHERE note = '{m}'"),
        format!("SELECT id FROM people WHERE email::text = '{m}'"),
        format!("UPDATE people SET email = '{m}' || name"),
        format!("UPDATE people SET email = upper('{m}')"),
        format!("INSERT INTO people (id, email) VALUES (99, upper('{m}'))"),
        format!("INSERT INTO people (id, email) SELECT 99, concat('{m}', entry) FROM log"),
        format!("DO $$ BEGIN UPDATE people SET email = '{m}'; END $$"),
        format!("PREPARE p AS INSERT INTO people (id, email) VALUES (99, upper('{m}'))"),
        format!("CREATE TABLE t AS SELECT * FROM people WHERE email = '{m}' || ''"),
        format!("ALTER TABLE people ALTER COLUMN note SET DEFAULT '{m}'"),
        format!("SELECT email FROM people WHERE email = '{m}' ???"),
        format!("SELECT email FROM people WHERE email = '{m}"),
        format!(
            "SELECT id FROM people WHERE email = CASE WHEN name = '{m}' THEN email || '{m}' END"
        ),
        format!("COPY people (id, email) FROM PROGRAM 'echo {m}'"),
        format!("EXPLAIN ANALYZE UPDATE people SET email = lower('{m}')"),
        format!("SELECT 1; UPDATE people SET email = reverse('{m}'); SELECT 2"),
    ] {
        let error = client.batch_execute(&sql).await.expect_err(&sql);
        assert!(
            ["0A000", "42601"].contains(&code(&error)),
            "{sql}: {}",
            everything(&error)
        );
        errors.push_str(&everything(&error));
    }
    let value = secret("param");
    for sql in [
        "SELECT id FROM people WHERE email < $1",
        "SELECT id FROM people WHERE email LIKE $1",
        "SELECT id FROM people WHERE note = $1",
        "SELECT id FROM people WHERE email = upper($1)",
        "UPDATE people SET email = $1 || name",
        "SELECT id FROM people WHERE email = $1 OR name = $1",
        "SELECT id FROM people WHERE email = $1::bytea",
    ] {
        let error = client
            .query_typed(sql, &[(&value, tokio_postgres::types::Type::TEXT)])
            .await
            .expect_err(sql);
        assert_eq!(code(&error), "0A000", "{sql}: {}", everything(&error));
        errors.push_str(&everything(&error));
    }
}

async fn fingerprint(fixture: &Fixture) -> String {
    let owner = fixture.sealed().connect().await;
    let sql = "SELECT coalesce(string_agg(md5(p::text), ',' ORDER BY id), '') FROM people p";
    owner.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn no_plaintext_is_anywhere_on_the_server_s_side() {
    let fixture = Fixture::new(people()).await;
    let admin = fixture.sealed().connect_superuser().await;
    let name = fixture.sealed().name();
    for setting in [
        "log_statement = 'all'",
        "log_min_error_statement = 'debug5'",
        "log_error_verbosity = 'verbose'",
        "log_parameter_max_length_on_error = -1",
        "log_duration = on",
    ] {
        admin
            .batch_execute(&format!("ALTER DATABASE {name} SET {setting}"))
            .await
            .unwrap();
    }
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let client = support::connect(&fixture.url_through(proxy.port())).await;
    let mut errors = String::new();
    work(&client, &mut errors).await;
    let before = fingerprint(&fixture).await;
    refusals(&client, &mut errors).await;
    assert_eq!(
        fingerprint(&fixture).await,
        before,
        "a refused statement stored something"
    );

    // The text format of parameters, which tokio-postgres does not use.
    let mut wire = support::wire(&fixture.url_through(proxy.port())).await;
    let mut batch = Batch::new();
    batch.parse("", "UPDATE people SET born = $2 WHERE age = $1", &[]);
    let params = [
        Param::text(number().to_string()),
        Param::text(format!("{DATE_MARKER}2")),
    ];
    batch
        .bind("", "", &params, Format::Text)
        .execute("", 0)
        .sync();
    let replies = wire.exchange(&batch).await;
    assert!(
        !replies.iter().any(|reply| matches!(reply, Reply::Error(_))),
        "{replies:?}"
    );

    // What the operator can ask for while the session lives.
    let mut seen = String::new();
    for sql in [
        "SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE datname = $1",
        "SELECT string_agg(statement, ' ') FROM pg_prepared_statements WHERE $1 <> ''",
    ] {
        let row = admin.query_one(sql, &[&name]).await.unwrap();
        seen.push_str(row.get::<_, Option<&str>>(0).unwrap_or_default());
    }
    assert!(
        seen.contains("people"),
        "pg_stat_activity does not show the statements: {seen}"
    );
    let owner = fixture.sealed().connect().await;
    let rows = owner
        .query("SELECT p::text FROM people p", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 7);
    for row in rows {
        seen.push_str(row.get(0));
    }
    // The log of a server that is not the kit's own cannot be read from here.
    if let Some(log) = Postgres::shared().await.log() {
        assert!(
            log.contains("INSERT INTO people"),
            "the log does not show the statements"
        );
        seen.push_str(&log);
    }
    let markers = markers();
    proxy.assert_absent(&markers);
    for marker in [TEXT_MARKER, NUMBER_MARKER, DATE_MARKER] {
        let hex: String = marker.bytes().map(|byte| format!("{byte:02x}")).collect();
        for (place, text) in [("the server", &seen), ("an error", &errors)] {
            assert!(!text.contains(marker), "`{marker}` is in {place}");
            assert!(!text.contains(&hex), "`{marker}` is in {place}, in hex");
        }
    }

    // And all of it reads back.
    let row = client
        .query_one("SELECT email, note FROM people WHERE id = 1", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), secret("1@example.com"));
    assert_eq!(row.get::<_, String>(1), format!("it's {TEXT_MARKER}"));
}

/// The search itself: without the layer the same kinds of values are found in the same places.
/// They are others than above, because the tests share a log.
#[tokio::test]
async fn without_the_layer_the_same_search_finds_the_values() {
    let (text, number, date) = ("uncovered-text", 648_201_937_i32, "1777-05-23");
    let fixture = Fixture::new(people()).await;
    let admin = fixture.plain().connect_superuser().await;
    let name = fixture.plain().name();
    let log_all = format!("ALTER DATABASE {name} SET log_statement = 'all'");
    admin.batch_execute(&log_all).await.unwrap();
    let proxy = RecordingProxy::start(fixture.plain()).await;
    let client = support::connect(&proxy.url()).await;
    let insert = "INSERT INTO people (id, email, age) VALUES (1, $1, $2)";
    client.execute(insert, &[&text, &number]).await.unwrap();
    let literals = format!("UPDATE people SET note = '{text}', age = {number}, born = '{date}'");
    client.batch_execute(&literals).await.unwrap();
    proxy.assert_present(&[text, &number.to_string(), date]);
    proxy.assert_present(&[[[0, 0, 0, 4], number.to_be_bytes()].concat()]);
    if let Some(log) = Postgres::shared().await.log() {
        assert!(log.contains(text) && log.contains(date));
    }
}
