//! Constructs of SQL that are more than one statement or more than one value: prepared statements and
//! cursors of SQL, arrays of encrypted values, documents, row fields, materialised views. Each runs on
//! an encrypted table and on its plain twin, in every protocol and format, under the recording proxy.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "statements/converted.rs"]
mod converted;
#[path = "statements/crossing.rs"]
mod crossing;
#[path = "statements/narrowing.rs"]
mod narrowing;
#[path = "statements/nulls.rs"]
mod nulls;
#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Reply, WireClient};
use support::people;
use tokio::net::TcpStream;

/// How a statement is sent.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Simple,
    Extended(Format),
}

const MODES: [Mode; 3] = [
    Mode::Simple,
    Mode::Extended(Format::Text),
    Mode::Extended(Format::Binary),
];

struct Twins {
    fixture: Fixture,
    proxy: RecordingProxy,
    sealed: WireClient<support::Stream>,
    plain: WireClient<TcpStream>,
}

impl Twins {
    async fn of(tables: impl IntoIterator<Item = Table>) -> Self {
        let fixture = Fixture::new(tables).await;
        let proxy = RecordingProxy::start(fixture.sealed()).await;
        let sealed = support::wire(&fixture.url_through(proxy.port())).await;
        let plain = fixture.plain_wire().await;
        Self {
            fixture,
            proxy,
            sealed,
            plain,
        }
    }

    async fn new() -> Self {
        let mut twins = Self::of(people()).await;
        for sql in [
            "INSERT INTO people (id, email, phone, age, note, born, name) VALUES \
             (1, 'zqxmarker-a', 'zqxmarker-1', 41, 'zqxmarker-n', '1985-02-03', 'ada'), \
             (2, 'zqxmarker-b', NULL, 42, NULL, NULL, 'bob'), \
             (3, 'zqxmarker, \"c\"', 'zqxmarker-1', NULL, '', '2000-01-01', NULL)",
            "INSERT INTO log (id, entry) VALUES (1, 'x'), (2, 'y')",
        ] {
            assert_eq!(twins.step(Mode::Simple, sql).await, None, "{sql}");
        }
        twins
    }

    /// Runs a statement on both; the refusal, if it was refused.
    async fn step(&mut self, mode: Mode, sql: &str) -> Option<String> {
        let mut batch = Batch::new();
        match mode {
            Mode::Simple => {
                batch.query(sql);
            }
            Mode::Extended(format) => {
                batch.parse("", sql, &[]).describe(b'S', "");
                batch.bind("", "", &[], format);
                batch.describe(b'P', "").execute("", 0).sync();
            }
        }
        let replies = self.sealed.exchange(&batch).await;
        let refusal = replies.iter().find_map(|reply| match reply {
            Reply::Error(fields) if fields.is_refusal() => Some(fields.message().to_owned()),
            _ => None,
        });
        if refusal.is_some() {
            return refusal;
        }
        let expected = self.plain.exchange(&batch).await;
        if let Some(difference) = difference(&replies, &expected, &[vec![true]]) {
            panic!("{sql} ({mode:?}): {difference}");
        }
        None
    }

    /// Statements that have to work, in a row.
    async fn works(&mut self, mode: Mode, statements: &[&str]) {
        for sql in statements {
            let refusal = self.step(mode, sql).await;
            assert_eq!(refusal, None, "{sql} ({mode:?})");
        }
    }

    /// A statement that is refused, and leaves things as they were.
    async fn refused(&mut self, mode: Mode, sql: &str, with: &str) {
        let refusal = self.step(mode, sql).await;
        let refusal = refusal.unwrap_or_else(|| panic!("not refused: {sql} ({mode:?})"));
        assert!(refusal.contains(with), "{sql} ({mode:?}): {refusal}");
    }

    fn finish(&self) {
        self.proxy.assert_absent(&["zqxmarker"]);
    }
}

#[tokio::test]
async fn arrays_of_encrypted_values_are_opened_and_array_literals_are_sealed() {
    let mut twins = Twins::new().await;
    for mode in MODES {
        twins
            .works(
                mode,
                &[
                    "SELECT array_agg(email ORDER BY id) FROM people",
                    "SELECT ARRAY(SELECT note FROM people ORDER BY id)",
                    "SELECT ARRAY(SELECT born FROM people WHERE id > 100)",
                    "SELECT ARRAY[[1,2],[3,4]], array_agg(age ORDER BY id) FROM people",
                    "SELECT phone, array_agg(id ORDER BY id), array_agg(note ORDER BY id) \
                     FROM people GROUP BY phone ORDER BY min(id)",
                    "SELECT array_agg(DISTINCT phone) FROM people WHERE phone IS NOT NULL",
                    "SELECT array_agg(born ORDER BY id) FROM people",
                    "SELECT cardinality(array_agg(email)), array_length(array_agg(note), 1), \
                     num_nulls(max(id), 1) FROM people",
                    "SELECT num_nulls(email, phone, note), num_nonnulls(age, id) FROM people ORDER BY id",
                    "SELECT id FROM people WHERE email = ANY('{zqxmarker-a,\"zqxmarker, \\\"c\\\"\"}') ORDER BY id",
                    "SELECT id FROM people WHERE email = ANY('{zqxmarker-b,NULL}'::text[]) ORDER BY id",
                    "SELECT id FROM people WHERE age = ANY('{42,43}') ORDER BY id",
                    "SELECT id FROM people WHERE email <> ALL(ARRAY['zqxmarker-b','zqxmarker-x']) ORDER BY id",
                    "SELECT id FROM people WHERE email = ANY(ARRAY(SELECT email FROM people WHERE id < 3)) ORDER BY id",
                    "SELECT id FROM people WHERE email = ANY('{}') ORDER BY id",
                    "SELECT id, x FROM people, unnest('{zqxmarker-a,zqxmarker-q}'::text[]) AS x WHERE email = x",
                    "SELECT u FROM (SELECT array_agg(email ORDER BY id) AS l FROM people) s, unnest(s.l) AS u",
                    "SELECT age FROM people WHERE age = ANY('{42,zqxmarker}')",
                    "SELECT age FROM people WHERE age = ANY('{42')",
                ],
            )
            .await;
        twins
            .refused(
                mode,
                "SELECT ARRAY[ARRAY[email]] FROM people",
                "array of arrays",
            )
            .await;
    }
    twins.finish();
}

#[tokio::test]
async fn prepared_statements_of_sql_seal_their_arguments_and_open_their_rows() {
    let mut twins = Twins::new().await;
    for mode in MODES {
        twins
            .works(
                mode,
                &[
                    "PREPARE find AS SELECT id, email, note FROM people WHERE email = $1 ORDER BY id",
                    "EXECUTE find('zqxmarker-a')",
                    "EXECUTE find('zqxmarker-b'::text)",
                    "EXECUTE find(NULL)",
                    "EXPLAIN (COSTS OFF) EXECUTE find(NULL)",
                    "PREPARE find AS SELECT 1",
                    "PREPARE add (int8, text, pg_catalog.varchar, date) AS INSERT INTO people (id, email, phone, born) \
                     VALUES ($1, $2, $3, $4) RETURNING email, born",
                    "EXECUTE add(100, 'zqxmarker-p', E'zqx\\x6darker', '2001-02-03')",
                    "EXECUTE add(101, 'zqxmarker-p', NULL, '2001-02-03')",
                    "EXECUTE add(102, 'zqxmarker-r', 'zqxmarker too long', NULL)",
                    "EXECUTE add(103, 'zqxmarker-s', NULL, 'zqxmarker')",
                    "EXECUTE add(104)",
                    "EXECUTE add(40 + 65, 'zqxmarker-t', NULL, NULL)",
                    "SELECT id, email, phone, born FROM people WHERE id >= 100 ORDER BY id",
                    "PREPARE many (text[]) AS SELECT id FROM people WHERE email = ANY($1) ORDER BY id",
                    "EXECUTE many('{zqxmarker-a,zqxmarker-b}')",
                    "EXECUTE many(ARRAY['zqxmarker-b', NULL])",
                    "PREPARE counted (int4) AS SELECT count(*) FROM people WHERE id > $1",
                    "EXECUTE counted(2)",
                    "EXECUTE counted(1 + 1)",
                    "SELECT name FROM pg_prepared_statements WHERE name = 'find'",
                    "DEALLOCATE find",
                    "EXECUTE find('x')",
                    "PREPARE find (text) AS SELECT entry FROM log WHERE entry = $1",
                    "EXECUTE find('x')",
                    "DEALLOCATE PREPARE add",
                    "DEALLOCATE ALL",
                    "EXECUTE many('{x}')",
                    "DELETE FROM people WHERE id >= 100",
                ],
            )
            .await;
        twins
            .works(
                mode,
                &["PREPARE q AS SELECT email FROM people WHERE email = $1"],
            )
            .await;
        for (sql, with) in [
            ("EXECUTE q(lower('A'))", "mix encrypted column"),
            (
                "EXECUTE q((SELECT name FROM people LIMIT 1))",
                "mix encrypted column",
            ),
            (
                "CREATE TABLE copied AS EXECUTE q('zqxmarker')",
                "CREATE TABLE AS EXECUTE",
            ),
            (
                "PREPARE bad (int) AS SELECT 1 FROM people WHERE email = $1",
                "PREPARE with another type",
            ),
            (
                "PREPARE bad AS SELECT 1 FROM people WHERE email < $1",
                "`<`",
            ),
        ] {
            twins.refused(mode, sql, with).await;
        }
        // The refused one was not prepared.
        twins
            .refused(mode, "EXECUTE bad('zqxmarker-a')", "was not prepared")
            .await;
        twins.works(mode, &["EXECUTE q('zqxmarker-a')"]).await;
        // A name that is gone by the end of its text leaves a transaction as it is.
        if let Mode::Simple = mode {
            let within = "PREPARE once AS SELECT email FROM people WHERE id = $1; EXECUTE once(1); \
                          DEALLOCATE once; PREPARE once AS SELECT note FROM people; DEALLOCATE ALL";
            twins
                .works(
                    mode,
                    &[
                        "BEGIN",
                        within,
                        "SELECT email FROM people ORDER BY id",
                        "COMMIT",
                    ],
                )
                .await;
        }
        // It reports settings that differ from database to database, the owner for one.
        twins.sealed.query("DISCARD ALL").await;
        twins.plain.query("DISCARD ALL").await;
        twins.works(mode, &["EXECUTE q('x')"]).await;
    }
    twins.finish();
}

#[tokio::test]
async fn one_text_may_prepare_and_execute() {
    let mut twins = Twins::new().await;
    twins
        .works(
            Mode::Simple,
            &[
                "PREPARE q AS SELECT id, email FROM people WHERE email = $1; EXECUTE q('zqxmarker-a'); DEALLOCATE q",
                "BEGIN; DECLARE c CURSOR FOR SELECT email FROM people ORDER BY id; FETCH 2 FROM c; SELECT 1; FETCH c; CLOSE c; COMMIT",
                "SELECT entry FROM log ORDER BY id; SELECT email FROM people ORDER BY id; SELECT count(*) FROM log",
            ],
        )
        .await;
    // A failure in the middle leaves what has run: a prepared statement is no part of a transaction.
    twins
        .works(
            Mode::Simple,
            &[
                "PREPARE kept AS SELECT id FROM people WHERE email = $1; SELECT 1/0",
                "EXECUTE kept('zqxmarker-a')",
                "SELECT 1/0; PREPARE never AS SELECT id FROM people WHERE email = $1",
                "BEGIN; PREPARE inside AS SELECT id FROM people WHERE phone = $1; ROLLBACK",
                "EXECUTE inside('zqxmarker-1')",
            ],
        )
        .await;
    // What has failed to be prepared gets no values, nor what was refused.
    twins
        .refused(
            Mode::Simple,
            "PREPARE sorted AS SELECT id FROM people WHERE email < $1",
            "refusing to run `<`",
        )
        .await;
    twins
        .refused(
            Mode::Simple,
            "EXECUTE sorted('zqxmarker-a')",
            "was not prepared",
        )
        .await;
    for mode in MODES {
        twins
            .refused(mode, "EXECUTE never('zqxmarker-a')", "was not prepared")
            .await;
    }
    twins
        .works(
            Mode::Simple,
            &[
                "BEGIN",
                "SELECT 1/0",
                "PREPARE late AS SELECT id FROM people WHERE email = $1",
                "EXECUTE late('zqxmarker-a')",
                "ROLLBACK",
                "PREPARE late AS SELECT id FROM people WHERE email = $1",
                "EXECUTE late('zqxmarker-a')",
                "PREPARE late AS SELECT id FROM people WHERE email = $1",
                "EXECUTE late('zqxmarker-a')",
                "PREPARE taken AS SELECT id, $1::text AS shown FROM people",
                "PREPARE taken AS SELECT id FROM people WHERE email = $1",
            ],
        )
        .await;
    // The name has its earlier meaning still, in which the value would be plain.
    twins
        .refused(
            Mode::Simple,
            "EXECUTE taken('zqxmarker-a')",
            "was not prepared",
        )
        .await;
    twins.finish();
}

#[tokio::test]
async fn one_text_may_end_its_transaction_and_go_on() {
    let mut twins = Twins::new().await;
    twins
        .works(
            Mode::Simple,
            &[
                "BEGIN; UPDATE people SET note = 'zqxmarker-c' WHERE id = 1; COMMIT; \
                 SELECT note FROM people WHERE email = 'zqxmarker-a'",
                "UPDATE people SET note = 'zqxmarker-d' WHERE id = 1; ROLLBACK; SELECT note FROM people ORDER BY id; \
                 BEGIN; UPDATE people SET age = 43 WHERE email = 'zqxmarker-b'; END; SELECT age FROM people ORDER BY id",
            ],
        )
        .await;
    // What was set before in the transaction is taken back by its end, and then the names, or the
    // date, would be others.
    for before in [
        "BEGIN; SET LOCAL search_path = pg_catalog, public",
        "BEGIN; SET LOCAL datestyle = 'ISO, DMY'",
        "BEGIN",
    ] {
        twins.works(Mode::Simple, &[before]).await;
        twins
            .refused(
                Mode::Simple,
                "COMMIT; INSERT INTO people (id, email, born) VALUES (9, 'zqxmarker-9', '02/03/2004')",
                "after the end of a transaction",
            )
            .await;
        twins.plain.query("SELECT 1/0").await;
        twins.works(Mode::Simple, &["ROLLBACK"]).await;
    }
    twins
        .refused(
            Mode::Simple,
            "BEGIN; SET LOCAL datestyle = 'ISO, DMY'; COMMIT; UPDATE people SET born = '02/03/2004'",
            "after `SET` in one text",
        )
        .await;
    twins.finish();
}

#[tokio::test]
async fn cursors_show_opened_rows() {
    let mut twins = Twins::new().await;
    for mode in MODES {
        twins
            .works(
                mode,
                &[
                    "BEGIN",
                    "DECLARE c SCROLL CURSOR FOR SELECT id, email, note FROM people ORDER BY id",
                    "FETCH c",
                    "FETCH 2 FROM c",
                    "FETCH BACKWARD 1 FROM c",
                    "MOVE FIRST IN c",
                    "FETCH ALL FROM c",
                    "DECLARE d CURSOR FOR SELECT id, note FROM people WHERE email = 'zqxmarker-a' FOR UPDATE",
                    "FETCH d",
                    "UPDATE people SET note = 'zqxmarker-new' WHERE CURRENT OF d RETURNING note",
                    "DECLARE e BINARY CURSOR FOR SELECT id, born, email FROM people ORDER BY id",
                    "FETCH ALL FROM e",
                    "CLOSE c",
                    "DECLARE c CURSOR FOR SELECT entry FROM log ORDER BY id",
                    "FETCH ALL FROM c",
                    "CLOSE ALL",
                    "SAVEPOINT s",
                    "FETCH c",
                    "ROLLBACK TO s",
                    "DECLARE h CURSOR WITH HOLD FOR SELECT email FROM people ORDER BY id",
                    "COMMIT",
                    "FETCH 2 FROM h",
                    "FETCH e",
                    "CLOSE h",
                    "BEGIN",
                    "DECLARE c CURSOR FOR SELECT email FROM people ORDER BY id",
                    "ROLLBACK",
                    "BEGIN",
                    "DECLARE c CURSOR FOR SELECT entry FROM log ORDER BY id",
                    "FETCH ALL FROM c",
                    "COMMIT",
                ],
            )
            .await;
        twins
            .refused(
                mode,
                "DECLARE c CURSOR FOR SELECT email FROM people ORDER BY email",
                "ORDER BY",
            )
            .await;
    }
    twins.finish();
}

/// A client that prepares `FETCH` once may use it for one cursor after another of the same name.
#[tokio::test]
async fn a_prepared_fetch_follows_its_cursor() {
    let mut twins = Twins::new().await;
    let mut prepare = Batch::new();
    prepare.query("BEGIN");
    prepare.query("DECLARE c CURSOR FOR SELECT email, id FROM people ORDER BY id");
    prepare.parse("f", "FETCH 1 FROM c", &[]).sync();
    let mut fetch = Batch::new();
    fetch.bind("", "f", &[], Format::Binary);
    fetch.describe(b'P', "").execute("", 0).sync();
    let mut batch = Batch::new();
    batch.append(&prepare).append(&fetch).append(&fetch);
    for (declare, rows) in [
        ("SELECT entry FROM log ORDER BY id", 2),
        ("SELECT note, born FROM people ORDER BY id", 3),
        ("SELECT id, age FROM people ORDER BY id", 3),
    ] {
        batch.query("CLOSE c");
        batch.query(&format!("DECLARE c CURSOR FOR {declare}"));
        for _ in 0..rows {
            batch.append(&fetch);
        }
    }
    batch.query("COMMIT");
    let sealed = twins.sealed.exchange(&batch).await;
    let plain = twins.plain.exchange(&batch).await;
    let ordered = vec![vec![true]; 64];
    assert_eq!(difference(&sealed, &plain, &ordered), None);
    let rows = sealed.iter().filter(|r| matches!(r, Reply::Row(_))).count();
    assert_eq!(rows, 10);
    twins.finish();
}

/// SQL and the protocol share their names: each executes what the other has prepared.
#[tokio::test]
async fn names_of_the_protocol_and_of_sql_are_the_same() {
    let mut twins = Twins::new().await;
    let param = |value: &str| sealwire_testkit::fixture::wire::Param::text(value);
    let mut batch = Batch::new();
    batch
        .parse("s", "SELECT id, email FROM people WHERE email = $1", &[])
        .sync();
    batch.query("EXECUTE s('zqxmarker-a')");
    batch.query("PREPARE t AS SELECT id, note FROM people WHERE email = $1");
    for format in [Format::Text, Format::Binary] {
        batch.describe(b'S', "t");
        batch.bind("p", "t", &[param("zqxmarker-a")], format);
        batch.describe(b'P', "p").execute("p", 0).sync();
    }
    batch.close(b'S', "t").sync();
    batch.query("EXECUTE t('nobody')");
    batch.query("BEGIN");
    batch
        .bind("p", "s", &[param("zqxmarker-b")], Format::Binary)
        .sync();
    batch.query("FETCH ALL FROM p");
    batch.query("DECLARE c CURSOR FOR SELECT email, born FROM people ORDER BY id");
    batch.describe(b'P', "c").execute("c", 2).sync();
    batch.query("COMMIT");
    let sealed = twins.sealed.exchange(&batch).await;
    let plain = twins.plain.exchange(&batch).await;
    let ordered = vec![vec![true]; 64];
    assert_eq!(difference(&sealed, &plain, &ordered), None);
    twins.finish();
}

#[tokio::test]
async fn documents_rows_and_stored_queries_work_beside_encrypted_columns() {
    let mut twins = Twins::new().await;
    for mode in MODES {
        twins
            .works(
                mode,
                &[
                    "SELECT (p).email, (p).id FROM people p WHERE (p).email = 'zqxmarker-a'",
                    "SELECT (p).* FROM people p ORDER BY id",
                    "SELECT p.id, q.id IS NULL, q IS NULL, count(q) OVER () FROM people p \
                     LEFT JOIN people q ON q.email = p.email AND p.id < 3 ORDER BY p.id",
                    "SELECT xmlelement(name email, id), xmlforest(name, id) FROM people ORDER BY id",
                    "SELECT p.id, x.k FROM people p, XMLTABLE('/r' PASSING xmlelement(name r, p.name) \
                     COLUMNS k text PATH '.') x WHERE p.email = 'zqxmarker-a'",
                    "WITH RECURSIVE r AS (SELECT id, email FROM people WHERE id = 1 UNION ALL \
                     SELECT p.id, p.email FROM people p JOIN r ON p.id = r.id + 1) \
                     SELECT id, email FROM r ORDER BY id",
                    "SELECT id, name INTO kept FROM people WHERE email = 'zqxmarker-a'",
                    "SELECT id, name FROM kept",
                    "DROP TABLE kept",
                    "CREATE MATERIALIZED VIEW m AS SELECT id, email, note FROM people",
                    "SELECT id, email, note FROM m WHERE email = 'zqxmarker-b'",
                    "CREATE INDEX ON m (email)",
                    "REFRESH MATERIALIZED VIEW m",
                    "SELECT email FROM m ORDER BY id",
                    "DROP MATERIALIZED VIEW m",
                    "CREATE PROCEDURE noop(n int8) LANGUAGE sql AS 'SELECT 1'",
                    "CALL noop((SELECT max(id) FROM people WHERE email = 'zqxmarker-a'))",
                    "DROP PROCEDURE noop",
                    "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
                    "CREATE TRIGGER t BEFORE UPDATE ON people FOR EACH ROW \
                     WHEN (old.name IS DISTINCT FROM new.name) EXECUTE FUNCTION keep()",
                    "UPDATE people SET name = 'eve', note = 'zqxmarker-e' WHERE id = 2 RETURNING note",
                    "DROP TRIGGER t ON people",
                    "DROP FUNCTION keep()",
                ],
            )
            .await;
        for (sql, with) in [
            ("SELECT email INTO kept FROM people", "SELECT INTO"),
            ("CREATE TABLE people AS SELECT 1 AS id", "under the name of"),
            ("SELECT xmlforest(email) FROM people", "an XML function"),
            ("SELECT p FROM people p", "whole row"),
        ] {
            twins.refused(mode, sql, with).await;
        }
    }
    let _ = &twins.fixture;
    twins.finish();
}

/// A table that is called like a type: the type is meant where a type stands.
#[tokio::test]
async fn a_table_called_like_a_type_leaves_the_type_its_name() {
    let columns = [
        Column::plain("id", "int8").constraint("PRIMARY KEY"),
        Column::deterministic("day", "date"),
        Column::plain("seen", "date"),
    ];
    let mut twins = Twins::of([Table::new("public", "date", columns)]).await;
    for mode in MODES {
        twins
            .works(
                mode,
                &[
                    "INSERT INTO date (id, day, seen) VALUES (1, date '2024-02-29', date '2024-03-01')",
                    "SELECT id, day FROM date WHERE day = date '2024-02-29' AND seen > date '2024-01-01'",
                    "SELECT id, '2024-02-29'::date - seen FROM date WHERE day = '2024-02-29'::date",
                    "SELECT CAST(id::text || '-1-1' AS date), day FROM date WHERE id > 1000",
                    "DELETE FROM date WHERE seen = CAST('2024-03-01' AS date)",
                ],
            )
            .await;
        twins
            .refused(mode, "SELECT date FROM date", "whole row")
            .await;
    }
}

#[tokio::test]
async fn what_is_no_sql_is_told_in_an_aborted_transaction_too() {
    let mut twins = Twins::new().await;
    for mode in MODES {
        for first in ["SELECT 1", "SELECT 1 / 0"] {
            for text in [
                "SELEC id FROM people",
                "SELECT id FROM people WHERE email = 'zqxmarker-a' AND",
                "PREPARE x AS TRUNCATE people",
                "SELECT id FROM people",
            ] {
                twins
                    .works(mode, &["BEGIN", first, text, "SELECT 1", "ROLLBACK"])
                    .await;
            }
        }
    }
    twins.finish();
}
