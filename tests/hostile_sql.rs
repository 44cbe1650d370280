//! Statements that try to carry a plaintext past the analysis, or a cell past the opening: every
//! one of them either does what it does on the plain twin or is refused, and whatever it does, the
//! marker that it carries is never sent.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "hostile_sql/grammar.rs"]
mod grammar;
#[path = "support/connections.rs"]
mod support;
#[path = "support/tapped.rs"]
mod tapped;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use sealwire_testkit::fixture::{Fixture, plain_wire};
use support::people;

/// The value that must not be seen. As a literal it stands for `{m}`, quoted.
const MARKER: &str = "zqxmarker-h";

/// `{m}` is a quoted literal in the simple protocol and `$1` in the extended one.
const STATEMENTS: &[&str] = &[
    // Where comparisons hide.
    "SELECT id FROM people WHERE email = {m}",
    "SELECT id FROM people WHERE {m} = email",
    "SELECT id FROM people WHERE ((email)) = (({m}))",
    "SELECT id FROM people WHERE email OPERATOR(pg_catalog.=) {m}",
    "SELECT id FROM people WHERE email <>/*'*/ {m} -- '",
    "SELECT id FROM people WHERE email={m}AND id>0",
    "SELECT id FROM people WHERE email=CAST({m}AS text)AND id>0",
    "SELECT id FROM people WHERE(email)IN({m},{m})AND id>0 OR{m}=phone",
    "SELECT CASE email WHEN{m}THEN 1 ELSE 2 END FROM people",
    "SELECT id FROM people WHERE email IN ({m})",
    "SELECT id FROM people WHERE email NOT IN ({m}, {m})",
    "SELECT id FROM people WHERE email = ANY (ARRAY[{m}])",
    "SELECT id FROM people WHERE email = ANY ((ARRAY[{m}, NULL]))",
    "SELECT id FROM people WHERE email = SOME (SELECT {m})",
    "SELECT id FROM people WHERE email <> ALL (VALUES ({m}))",
    "SELECT id FROM people WHERE (email, id) = ({m}, 1)",
    "SELECT id FROM people WHERE (id, email) IN ((1, {m}), (2, {m}))",
    "SELECT id FROM people WHERE ROW(email) = ROW({m})",
    "SELECT id FROM people WHERE (email, phone) = (SELECT {m}, phone)",
    "SELECT id FROM people WHERE email IS DISTINCT FROM {m}",
    "SELECT id FROM people WHERE NOT (email IS NOT DISTINCT FROM {m})",
    "SELECT id FROM people WHERE NULLIF(email, {m}) IS NULL",
    "SELECT id FROM people WHERE CASE email WHEN {m} THEN true ELSE false END",
    "SELECT id FROM people WHERE CASE WHEN email = {m} THEN 1 ELSE 2 END = 1",
    "SELECT id FROM people WHERE COALESCE(email, {m}) = {m}",
    "SELECT id FROM people WHERE email = COALESCE(NULL, {m})",
    "SELECT id FROM people WHERE email = (SELECT {m})",
    "SELECT id FROM people WHERE email = (CASE WHEN id > 0 THEN {m} ELSE email END)",
    "SELECT id FROM people WHERE EXISTS (SELECT 1 WHERE email = {m})",
    "SELECT id FROM people WHERE email BETWEEN {m} AND {m}",
    "SELECT id FROM people WHERE email >= {m}",
    "SELECT id FROM people WHERE email LIKE {m}",
    "SELECT id FROM people WHERE email ILIKE {m}",
    "SELECT id FROM people WHERE email SIMILAR TO {m}",
    "SELECT id FROM people WHERE email ~ {m}",
    "SELECT id FROM people WHERE email || '' = {m}",
    "SELECT id FROM people WHERE email = {m} || ''",
    "SELECT id FROM people WHERE lower(email) = lower({m})",
    "SELECT id FROM people WHERE email(people) = {m}",
    "SELECT id FROM people p WHERE p.email = {m} AND p.note = {m}",
    "SELECT id FROM people WHERE position({m} IN email) > 0",
    "SELECT id FROM people WHERE email COLLATE \"C\" = {m}",
    "SELECT id FROM people WHERE email = {m} COLLATE \"C\"",
    "SELECT id FROM people WHERE note = {m}",
    "SELECT id FROM people WHERE note IS NOT DISTINCT FROM {m}",
    "SELECT id FROM people WHERE num_nulls(email, {m}) = 0",
    "SELECT id FROM people WHERE row_to_json(people)::text LIKE {m}",
    "SELECT id FROM people WHERE people::text = {m}",
    "SELECT id FROM people WHERE email = {m} OR email = name || {m}",
    // Casts.
    "SELECT id FROM people WHERE email = {m}::text",
    "SELECT id FROM people WHERE email = {m}::varchar",
    "SELECT id FROM people WHERE email = CAST({m} AS text)",
    "SELECT id FROM people WHERE email = CAST(CAST({m} AS text) AS varchar)",
    "SELECT id FROM people WHERE email = ({m}::text)::text",
    "SELECT id FROM people WHERE email = {m}::varchar(5)",
    "SELECT id FROM people WHERE email = {m}::name",
    "SELECT id FROM people WHERE email = {m}::bytea",
    "SELECT id FROM people WHERE email::text = {m}",
    "SELECT id FROM people WHERE email = {m}::sealwire.deterministic",
    "SELECT id FROM people WHERE email = ({m} COLLATE \"C\")::text",
    // Names.
    "SELECT id FROM people AS p (email, id) WHERE id = {m}",
    "SELECT p.b FROM people AS p (a, b) WHERE p.b = {m}",
    "SELECT s.x FROM (SELECT email, id FROM people) AS s (x, y) WHERE s.x = {m}",
    "SELECT x FROM (SELECT email AS x FROM people) s WHERE x = {m}",
    "SELECT \"email\" FROM \"people\" WHERE \"people\".\"email\" = {m}",
    "SELECT U&\"em\\0061il\" FROM U&\"p\\0065ople\" WHERE U&\"em\\0061il\" = {m}",
    "SELECT EMAIL FROM PUBLIC.PEOPLE WHERE Public.People.Email = {m}",
    "WITH p AS (SELECT * FROM people) SELECT id FROM p WHERE email = {m}",
    "WITH people AS (SELECT * FROM people) SELECT id FROM people WHERE email = {m}",
    "WITH p (a, b) AS (SELECT id, email FROM people) SELECT a FROM p WHERE b = {m}",
    "WITH RECURSIVE r AS (SELECT id, email FROM people WHERE email = {m} UNION ALL \
     SELECT p.id, p.email FROM people p JOIN r ON p.id = r.id + 1) SELECT id FROM r",
    "WITH v (e) AS (VALUES ({m})) SELECT id FROM people JOIN v ON v.e = people.email",
    "SELECT p.id FROM people p JOIN (VALUES ({m})) AS v (e) ON v.e = p.email",
    "SELECT id FROM people NATURAL JOIN (SELECT {m} AS email) s",
    "SELECT id FROM people JOIN (SELECT {m} AS email) s USING (email)",
    "SELECT p.id FROM people p, LATERAL (SELECT p.email AS e) s WHERE s.e = {m}",
    "SELECT p.id FROM people p LEFT JOIN log ON log.entry = p.name WHERE p.email = {m}",
    "SELECT (SELECT q.id FROM people q WHERE q.email = p.email AND q.email = {m}) FROM people p",
    "SELECT id FROM people WHERE email IN (SELECT email FROM people WHERE phone = {m})",
    "SELECT id FROM (people p JOIN log l USING (id)) AS j WHERE email = {m}",
    // Set operations, grouping, windows.
    "SELECT email FROM people UNION SELECT {m}",
    "SELECT id, email FROM people UNION ALL SELECT 9, {m}",
    "SELECT {m} AS e EXCEPT SELECT email FROM people",
    "SELECT email FROM people INTERSECT (SELECT {m} UNION SELECT {m})",
    "SELECT note FROM people UNION ALL SELECT {m}",
    "SELECT note FROM people UNION SELECT {m}",
    "SELECT email, count(*) FROM people GROUP BY email HAVING email = {m}",
    "SELECT count(*) FILTER (WHERE email = {m}) FROM people",
    "SELECT email, count(*) FROM people GROUP BY GROUPING SETS ((email), ()) HAVING email = {m}",
    "SELECT DISTINCT ON (email) id FROM people WHERE email <> {m} ORDER BY email",
    "SELECT lag(email) OVER (ORDER BY id) FROM people WHERE email <> {m}",
    "SELECT max(email) FROM people WHERE email = {m}",
    "SELECT string_agg(email, {m}) FROM people",
    "SELECT array_agg(email) FROM people WHERE email = {m}",
    "SELECT ARRAY[email, {m}] FROM people",
    "SELECT id FROM people ORDER BY email = {m}, id",
    "SELECT coalesce(email, {m}) FROM people",
    "SELECT greatest(email, {m}) FROM people",
    "SELECT concat(email, {m}) FROM people",
    "SELECT format('%s', email), {m} = email FROM people",
    "SELECT json_build_object('e', email, 'm', {m}) FROM people WHERE email = {m}",
    // Writing.
    "INSERT INTO people (id, email) VALUES (50, {m}) RETURNING id, email",
    "INSERT INTO people (email, id) VALUES ({m}, 50), (NULL, 51) RETURNING *",
    "INSERT INTO people VALUES (50, {m}, NULL, NULL, NULL, NULL, 'n') RETURNING email",
    "INSERT INTO people (id, email, note) SELECT 50, {m}, {m}",
    "INSERT INTO people (id, note) SELECT id + 50, {m} FROM people",
    "INSERT INTO people (id, email) SELECT 50, e FROM (VALUES ({m})) AS v (e)",
    "INSERT INTO people (id, email) SELECT 50, {m} UNION ALL SELECT 51, NULL",
    "INSERT INTO people (id, email) TABLE (SELECT 50, {m})",
    "INSERT INTO people (id, email) VALUES (50, upper({m}))",
    "INSERT INTO people (id, email) VALUES (50, {m} || 'x')",
    "INSERT INTO people (id, email) VALUES (50, (SELECT {m}))",
    "INSERT INTO people (id, email) VALUES (50, CASE WHEN true THEN {m} END)",
    "INSERT INTO people (id, email) SELECT * FROM unnest(ARRAY[50], ARRAY[{m}])",
    "INSERT INTO people SELECT * FROM json_populate_record(NULL::people, json_build_object('id', 50, 'email', {m}))",
    "INSERT INTO people (id, email) VALUES (1, {m}) ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email RETURNING email",
    "INSERT INTO people (id, email) VALUES (1, NULL) ON CONFLICT (id) DO UPDATE SET email = {m} WHERE people.email <> {m}",
    "INSERT INTO people AS p (id, email) VALUES (1, {m}) ON CONFLICT (email) DO NOTHING",
    "INSERT INTO people (id, note) VALUES (50, {m}) ON CONFLICT (note) DO NOTHING",
    "INSERT INTO log (id, entry) SELECT 50, email FROM people WHERE email = {m}",
    "UPDATE people SET email = {m} WHERE id = 1 RETURNING email",
    "UPDATE people SET (email, note) = ({m}, {m}) WHERE id = 1 RETURNING *",
    "UPDATE people SET (email, note) = ROW({m}, {m}) WHERE id = 1",
    "UPDATE people SET (note, name) = (SELECT {m}, 'plain') WHERE id = 1",
    "UPDATE people SET email = COALESCE({m}, email) WHERE id = 1",
    "UPDATE people SET email = phone, note = {m}",
    "UPDATE people SET name = email WHERE email = {m}",
    "UPDATE people SET note = replace(note, 'a', {m})",
    "UPDATE people p SET note = s.n FROM (VALUES (1, {m})) AS s (i, n) WHERE p.id = s.i RETURNING p.note",
    "UPDATE people SET email = DEFAULT, note = {m} WHERE id = 1",
    "DELETE FROM people WHERE email = {m} RETURNING *",
    "DELETE FROM people p USING (SELECT {m} AS e) s WHERE p.email = s.e",
    "WITH d AS (DELETE FROM people WHERE email = {m} RETURNING email, id) SELECT * FROM d",
    "WITH i AS (INSERT INTO people (id, email) VALUES (50, {m}) RETURNING email) SELECT email FROM i",
    "MERGE INTO people p USING (SELECT 50 AS i, {m} AS e) s ON p.id = s.i WHEN NOT MATCHED THEN INSERT (id, email) VALUES (s.i, s.e)",
    // Everything else that could carry the value.
    "EXPLAIN (COSTS OFF) SELECT id FROM people WHERE id = 1 AND email = {m}",
    "EXPLAIN ANALYZE INSERT INTO people (id, email) VALUES (50, lower({m}))",
    "SELECT id INTO TEMP copied FROM people WHERE email = {m}",
    "CREATE TEMP TABLE copied AS SELECT email FROM people WHERE email = {m}",
    "CREATE VIEW v_hostile AS SELECT id FROM people WHERE email = {m}",
    "CREATE INDEX ON people (id) WHERE email = {m}",
    "ALTER TABLE people ADD CONSTRAINT c CHECK (email <> {m})",
    "ALTER TABLE people ALTER COLUMN email SET DEFAULT {m}",
    "CREATE RULE r AS ON INSERT TO log DO ALSO UPDATE people SET email = {m}",
    "DECLARE c CURSOR FOR SELECT id FROM people WHERE email = {m}",
    "PREPARE p AS SELECT id FROM people WHERE email = {m}",
    "COPY (SELECT id FROM people WHERE email = {m}) TO STDOUT",
    "SELECT id FROM people WHERE email = {m} FOR UPDATE",
    "SELECT id FROM people TABLESAMPLE SYSTEM (100) WHERE email = {m}",
    "SELECT * FROM people WHERE email = {m} ???",
    "SELECT * FROM people WHERE email = {m} AND nosuch = 1",
    "SELECT * FROM people WHERE nosuch.email = {m}",
    "SELECT id FROM people, log WHERE id = 1 AND email = {m}",
];

/// Literals in every spelling of the grammar; simple protocol only.
const SPELLINGS: &[&str] = &[
    "'zqxmarker-h'",
    "E'zqx\\x6darker-h'",
    "E'zqxmarker-h\\t'",
    "U&'zqx\\006darker-h'",
    "U&'zqx!006darker-h' UESCAPE '!'",
    "$$zqxmarker-h$$",
    "$a$zqxmarker-h$a$",
    "'zqx'\n'marker-h'",
    "text 'zqxmarker-h'",
    "'zqxmarker-h'::text",
    "('zqxmarker-h')",
    "N'zqxmarker-h'",
];

async fn seed(exchange: &mut support::Sealed) {
    for (id, email, note) in [
        (1, "zqxmarker-h", "a"),
        (2, "zqxmarker-i", "b"),
        (3, "zqxmarker-j", "c"),
    ] {
        let sql = format!(
            "INSERT INTO people (id, email, phone, age, note, name) \
             VALUES ({id}, '{email}', '{id}', {id}, '{note}', 'name {id}')"
        );
        exchange.both(&sql).await;
    }
}

#[tokio::test]
async fn no_statement_carries_a_plaintext_past_the_analysis() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    seed(&mut pair).await;
    let (mut worked, mut refused) = (0, 0);
    let quoted = format!("'{MARKER}'");
    let mut run: Vec<Batch> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for statement in STATEMENTS {
        let simple = statement.replace("{m}", &quoted);
        let mut batch = Batch::new();
        batch.query(&simple);
        run.push(batch);
        texts.push(simple);

        let extended = statement.replace("{m}", "$1");
        // Two words before PostgreSQL 15, and junk behind a parameter since: our grammar is newer.
        if extended.contains("$1A") {
            continue;
        }
        for (format, value) in [
            (Format::Text, Param::text(MARKER)),
            (Format::Binary, Param::binary(MARKER)),
        ] {
            let mut batch = Batch::new();
            batch
                .parse("", &extended, &[])
                .bind("", "", std::slice::from_ref(&value), format);
            batch.describe(b'P', "").execute("", 0).sync();
            run.push(batch);
            texts.push(extended.clone());
        }
    }
    for spelling in SPELLINGS {
        for sql in [
            "SELECT id FROM people WHERE email = {m}",
            "UPDATE people SET note = {m}, email = {m} WHERE id = 2",
            "INSERT INTO people (id, email) VALUES (50, {m}) ON CONFLICT DO NOTHING",
        ] {
            let sql = sql.replace("{m}", spelling);
            let mut batch = Batch::new();
            batch.query(&sql);
            run.push(batch);
            texts.push(sql);
        }
    }
    for (batch, text) in run.iter().zip(&texts) {
        pair.both("BEGIN").await;
        let (sealed, plain) = pair.exchange(batch).await;
        let refusal = sealed
            .iter()
            .any(|r| matches!(r, Reply::Error(e) if e.is_refusal()));
        let plain_fails = plain.iter().any(|r| matches!(r, Reply::Error(_)));
        // What plain PostgreSQL refuses too may be refused in other words.
        let sealed_fails = sealed.iter().any(|r| matches!(r, Reply::Error(_)));
        if refusal || (plain_fails && sealed_fails) {
            refused += 1;
        } else if text.starts_with("EXPLAIN") {
            // Plans differ in the names of types.
            worked += 1;
        } else {
            worked += 1;
            if let Some(difference) = difference(&sealed, &plain, &[vec![false]]) {
                panic!("{text}: {difference:.2500}");
            }
        }
        pair.both("ROLLBACK").await;
    }
    // Nothing that was refused or rolled back has left a trace, and the connection goes on.
    let mut all = Batch::new();
    all.query("SELECT * FROM people ORDER BY id");
    let (sealed, plain) = pair.exchange(&all).await;
    assert_eq!(difference(&sealed, &plain, &[vec![true]]), None);
    eprintln!("{worked} statements worked, {refused} were refused");
    assert!(
        worked > 150 && refused > 100,
        "{worked} worked, {refused} refused"
    );
    proxy.assert_absent(&["zqxmarker"]);
}

/// A table that was made without Sealwire may be partitioned by an encrypted column. The bounds of its
/// partitions would be values of that.
#[tokio::test]
async fn partitions_are_not_bounded_by_values_of_encrypted_columns() {
    const COLUMNS: &str = "id int8, email sealwire.deterministic, phone sealwire.deterministic, \
        age sealwire.deterministic, note sealwire.randomized, born sealwire.randomized, name text";
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut direct = plain_wire(fixture.sealed()).await;
    for (key, bounds, is_refused) in [
        ("LIST (email)", &["IN ('zqxmarker-s')"][..], true),
        ("LIST ((email::bytea))", &["IN ('zqxmarker-s')"], true),
        (
            "RANGE (id, email)",
            &[
                "FROM (1, 'zqxmarker-s') TO (2, 'zqxmarker-s')",
                "FROM (1, MINVALUE) TO (2, 'zqxmarker-s')",
            ],
            true,
        ),
        ("LIST (email)", &["IN (NULL)"], false),
        ("RANGE (email)", &["FROM (MINVALUE) TO (MAXVALUE)"], false),
        ("HASH (email)", &["WITH (MODULUS 2, REMAINDER 0)"], false),
        ("LIST (name)", &["IN ('harmless', 'more')"], false),
        ("RANGE (id)", &["FROM (1) TO ('2')"], false),
        (
            "RANGE (name, (id + 1))",
            &["FROM ('2024-01-01', MINVALUE) TO ('2025-01-01', 7)"],
            false,
        ),
    ] {
        direct.query("DROP TABLE people").await;
        let sql = format!("CREATE TABLE people ({COLUMNS}) PARTITION BY {key}");
        let made = direct.query(&sql).await;
        assert!(matches!(made[..], [Reply::Complete(_)]), "{made:?}");
        let mut client = support::wire(&fixture.url_through(proxy.port())).await;
        for bound in bounds {
            let attached = "CREATE TABLE part (LIKE people)";
            let made = client.query(attached).await;
            assert!(matches!(made[..], [Reply::Complete(_)]), "{made:?}");
            for sql in [
                format!("CREATE TABLE people_part PARTITION OF people FOR VALUES {bound}"),
                "DROP TABLE IF EXISTS people_part".to_owned(),
                format!("ALTER TABLE people ATTACH PARTITION part FOR VALUES {bound}"),
                "DROP TABLE part".to_owned(),
            ] {
                let refused = client.query(&sql).await.iter().any(|reply| match reply {
                    Reply::Error(error) => {
                        assert!(error.is_refusal(), "{key}: {sql}: {error:?}");
                        true
                    }
                    _ => false,
                });
                assert_eq!(refused, is_refused && sql.contains(bound), "{key}: {sql}");
            }
        }
    }
    proxy.assert_absent(&["zqxmarker"]);
}
