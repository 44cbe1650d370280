//! Names that get another meaning between their reading and their use: within one text, or in
//! messages that are on their way together. A value for an encrypted column is sealed by what the name
//! means to the server when it gets there, or it is not sent.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};

/// The value that must not be seen; `{m}` is a literal of it.
const MARKER: &str = "zqxmarker";

/// What both databases have beside the table, made without Sealwire: a partition whose own key is an
/// encrypted column, views, and plain relations of the same names in other schemas.
const SETUP: &str = "
    CREATE SCHEMA other;
    CREATE SCHEMA third;
    CREATE TABLE staff_1 PARTITION OF staff FOR VALUES FROM (0) TO (100) PARTITION BY LIST (email);
    CREATE TABLE staff_2 PARTITION OF staff FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
    CREATE TABLE staff_3 PARTITION OF staff FOR VALUES FROM (200) TO (300);
    CREATE TABLE other.staff_4 PARTITION OF staff FOR VALUES FROM (300) TO (400) PARTITION BY LIST (email);
    CREATE TABLE spare (LIKE staff);
    CREATE VIEW mails AS SELECT id, email AS mail FROM staff;
    CREATE TABLE shown (id int8, mail text);
    CREATE TABLE third.staff_4 (id int8, email text, name text) PARTITION BY LIST (email);
    CREATE VIEW other.shown AS SELECT id, email AS mail FROM staff;
    CREATE TABLE log (id int8, entry text)";

fn staff() -> Table {
    Table::new(
        "public",
        "staff",
        [
            Column::plain("id", "int8"),
            Column::deterministic("email", "text"),
            Column::plain("name", "text"),
        ],
    )
    .suffix("PARTITION BY RANGE (id)")
}

/// What becomes of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Same,
}
use Outcome::{Refused, Same};

/// Texts, each a simple Query, that are sent together.
type Scenario = (Outcome, &'static [&'static str]);

fn batch(texts: &[&str], marker: &str) -> Batch {
    let mut batch = Batch::new();
    for text in texts {
        batch.query(&text.replace("{m}", &format!("'{marker}'")));
    }
    batch
}

async fn fixture() -> Fixture {
    let fixture = Fixture::new([staff()]).await;
    fixture.prepare(SETUP).await;
    fixture
}

/// Runs scenarios, each in a transaction that is rolled back. The plain twin shows that they do what
/// they seem to.
async fn run(scenarios: &[Scenario]) {
    let fixture = fixture().await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut wrong = Vec::new();
    for (at, (expected, texts)) in scenarios.iter().enumerate() {
        let marker = format!("{MARKER}-{at}-s");
        let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
        pair.both("BEGIN").await;
        let (sealed, plain) = pair.exchange(&batch(texts, &marker)).await;
        let failed = |reply: &Reply| matches!(reply, Reply::Error(_));
        assert!(!plain.iter().any(failed), "{texts:?}: {plain:?}");
        let refused = |reply: &Reply| matches!(reply, Reply::Error(error) if error.is_refusal());
        let outcome = match sealed.iter().any(refused) {
            true => Refused,
            false => Same,
        };
        let seen = proxy
            .recordings()
            .iter()
            .any(|recording| String::from_utf8_lossy(&recording.to_server).contains(&marker));
        let differs = match outcome {
            Same => difference(&sealed, &plain, &[]),
            Refused => None,
        };
        if outcome != *expected || seen || differs.is_some() {
            wrong.push(format!("{texts:?}: {outcome:?}, seen: {seen}, {differs:?}"));
        }
        pair.both("ROLLBACK").await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    proxy.assert_absent(&[MARKER]);
}

/// The partition key of a relation goes with it, whatever it is called by then.
#[tokio::test]
async fn a_bound_is_refused_under_a_name_that_the_text_has_given() {
    run(&[
        (
            Refused,
            &["ALTER TABLE staff_1 RENAME TO p; CREATE TABLE q PARTITION OF p FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff_1 RENAME TO p", "CREATE TABLE q PARTITION OF p FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff_1 RENAME TO o; ALTER TABLE o RENAME TO p; \
               CREATE TABLE q PARTITION OF p FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff_1 RENAME TO p; ALTER TABLE p ATTACH PARTITION spare FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff_1 RENAME TO p; ALTER TABLE spare RENAME TO s; \
               ALTER TABLE p ATTACH PARTITION s FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff_1 SET SCHEMA third; CREATE TABLE q PARTITION OF third.staff_1 FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE log RENAME TO staff_9; ALTER TABLE staff_1 RENAME TO log; \
               CREATE TABLE q PARTITION OF log FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["DROP TABLE log; ALTER TABLE staff_1 RENAME TO log; \
               CREATE TABLE q PARTITION OF log FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff_3 RENAME TO p; CREATE TABLE q (LIKE p) PARTITION BY LIST (email); \
               CREATE TABLE r PARTITION OF q FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff RENAME COLUMN name TO called; CREATE TABLE q PARTITION OF staff_1 FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["ALTER SCHEMA other RENAME TO moved; CREATE TABLE q PARTITION OF moved.staff_4 FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["SET LOCAL search_path = other; CREATE TABLE q PARTITION OF staff_4 FOR VALUES IN ({m})"],
        ),
        (
            Refused,
            &["SET LOCAL search_path = third; SET LOCAL search_path = other; \
               CREATE TABLE q PARTITION OF staff_4 FOR VALUES IN ({m})"],
        ),
        // Keys that are plain.
        (
            Same,
            &["ALTER TABLE staff_2 RENAME TO p; CREATE TABLE q PARTITION OF p FOR VALUES FROM (100) TO (120)"],
        ),
        (
            Same,
            &["ALTER TABLE staff_2 SET SCHEMA third; CREATE TABLE q PARTITION OF third.staff_2 FOR VALUES FROM (100) TO (120)"],
        ),
        (
            Same,
            &["CREATE TABLE p PARTITION OF staff FOR VALUES FROM (500) TO (600) PARTITION BY LIST (name); \
               CREATE TABLE q PARTITION OF p FOR VALUES IN ('a', 'b'); \
               ALTER TABLE log ADD COLUMN more text"],
        ),
        (
            Same,
            &["ALTER TABLE staff_1 RENAME TO p; CREATE TABLE q PARTITION OF p DEFAULT"],
        ),
    ])
    .await;
}

/// The same for values of statements.
#[tokio::test]
async fn a_value_is_refused_under_a_name_that_the_text_has_given() {
    run(&[
        (Refused, &["ALTER VIEW mails RENAME TO v; SELECT id FROM v WHERE mail = {m}"]),
        (Same, &["ALTER VIEW mails RENAME TO v", "SELECT id FROM v WHERE mail = {m}"]),
        (Refused, &["ALTER TABLE staff_3 SET SCHEMA other; INSERT INTO other.staff_3 VALUES (200, {m})"]),
        (Same, &["ALTER TABLE staff_3 SET SCHEMA other", "INSERT INTO other.staff_3 (id, email) VALUES (200, {m})"]),
        (Refused, &["ALTER VIEW mails RENAME COLUMN mail TO m; SELECT id FROM mails WHERE m = {m}"]),
        (Same, &["ALTER VIEW mails RENAME COLUMN mail TO m", "SELECT id FROM mails WHERE m = {m}"]),
        (
            Refused,
            &["DROP TABLE shown; ALTER VIEW mails RENAME TO shown; SELECT id FROM shown WHERE mail = {m}"],
        ),
        (
            Same,
            &["DROP TABLE shown", "ALTER VIEW mails RENAME TO shown", "SELECT id FROM shown WHERE mail = {m}"],
        ),
        (
            Refused,
            &["DROP TABLE shown; CREATE VIEW shown AS SELECT id, email AS mail FROM staff; \
               SELECT id FROM shown WHERE mail = {m}"],
        ),
        (
            Refused,
            &["CREATE VIEW v AS SELECT id, email FROM staff_3; INSERT INTO v VALUES (200, {m})"],
        ),
        (
            Refused,
            &["ALTER TABLE staff_3 RENAME TO s; CREATE VIEW v AS SELECT id, email FROM s; INSERT INTO v VALUES (200, {m})"],
        ),
        (
            Refused,
            &["SET LOCAL search_path = other; SELECT id FROM shown WHERE mail = {m}"],
        ),
        (
            Same,
            &["SET LOCAL search_path = other", "SELECT id FROM shown WHERE mail = {m}"],
        ),
        (
            Refused,
            &["SELECT set_config('search_path', 'other', true); SELECT id FROM shown WHERE mail = {m}"],
        ),
        (
            Refused,
            &["DROP TABLE public.shown; SET LOCAL search_path = public, other; SELECT id FROM shown WHERE mail = {m}"],
        ),
        (
            Refused,
            &["ALTER SCHEMA other RENAME TO moved; SELECT id FROM moved.shown WHERE mail = {m}"],
        ),
        (
            Same,
            &["ALTER SCHEMA other RENAME TO moved", "SELECT id FROM moved.shown WHERE mail = {m}"],
        ),
        // Other names are as plain as before.
        (Same, &["SET LOCAL search_path = public; INSERT INTO log VALUES (1, 'mails')"]),
        (Same, &["ALTER VIEW mails RENAME TO v; INSERT INTO log VALUES (1, 'mails')"]),
        (Same, &["ALTER SCHEMA other RENAME TO moved; INSERT INTO log VALUES (1, 'shown')"]),
    ])
    .await;
}

/// The same for values that `EXECUTE` brings to a statement that was prepared as plain.
#[tokio::test]
async fn an_executed_value_is_refused_behind_a_change_of_names() {
    run(&[
        (
            Refused,
            &["PREPARE p (text) AS SELECT id FROM shown WHERE mail = $1; \
               SET LOCAL search_path = other; EXECUTE p ({m})"],
        ),
        (
            Refused,
            &[
                "PREPARE p (text) AS SELECT id FROM shown WHERE mail = $1",
                "SET LOCAL search_path = other; EXECUTE p ({m})",
            ],
        ),
        (
            Refused,
            &[
                "CREATE TABLE t (id int8, mail text)",
                "PREPARE p (text) AS SELECT id FROM t WHERE mail = $1",
                "DROP TABLE t; ALTER VIEW mails RENAME TO t; EXECUTE p ({m})",
            ],
        ),
        (
            Refused,
            &[
                "CREATE TABLE t (id int8, mail text)",
                "PREPARE p (text) AS SELECT id FROM t WHERE mail = $1; \
               DROP TABLE t; ALTER VIEW mails RENAME TO t; EXECUTE p ({m})",
            ],
        ),
        (
            Same,
            &[
                "PREPARE p (text) AS INSERT INTO log VALUES (1, $1)",
                "SET LOCAL search_path = public; EXECUTE p ('mails')",
            ],
        ),
        (
            Same,
            &["PREPARE p (text) AS INSERT INTO log VALUES (1, $1); \
                  CREATE TABLE t (id int8); EXECUTE p ('a')"],
        ),
        (
            Same,
            &[
                "PREPARE p (text) AS SELECT id FROM shown WHERE mail = $1",
                "SELECT 1 FROM log; EXECUTE p ('a'); EXECUTE p ('b')",
            ],
        ),
        (
            Same,
            &[
                "PREPARE p (text) AS SELECT id FROM shown WHERE mail = $1",
                "CREATE TABLE t AS EXECUTE p ('a')",
                "EXPLAIN (COSTS OFF) EXECUTE p ('a')",
            ],
        ),
        (
            Refused,
            &[
                "PREPARE p (text, text) AS SELECT id, $1 FROM shown WHERE mail = $2",
                "EXECUTE p (set_config('search_path', 'other', true), {m})",
            ],
        ),
    ])
    .await;
}

/// A definition that was prepared when the name in it was a plain one's.
#[tokio::test]
async fn a_prepared_definition_is_read_as_it_is_executed() {
    let fixture = fixture().await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    for together in [false, true] {
        let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
        let mut prepare = Batch::new();
        prepare.query("BEGIN");
        prepare.query("CREATE VIEW made AS SELECT id, entry AS mail FROM log");
        prepare
            .parse("define", "ALTER VIEW made RENAME TO turned", &[])
            .sync();
        let mut change = Batch::new();
        change.query("DROP VIEW made");
        change.query("CREATE VIEW made AS SELECT id, email AS mail FROM staff");
        // Which is known by now.
        change.query("SELECT count(mail) FROM made");
        let mut define = Batch::new();
        define
            .bind("", "define", &[], Format::Text)
            .execute("", 0)
            .sync();
        let mut look = Batch::new();
        look.query("SELECT id FROM turned WHERE mail = 'zqxmarker-p'");
        look.parse("", "SELECT id FROM turned WHERE mail = $1", &[])
            .bind("", "", &[Param::text("zqxmarker-p")], Format::Text)
            .execute("", 0)
            .sync();
        let steps = [prepare, change, define, look];
        let steps = match together {
            false => steps.to_vec(),
            true => {
                let mut all = Batch::new();
                steps.iter().for_each(|step| {
                    all.append(step);
                });
                vec![all]
            }
        };
        for step in steps {
            let (sealed, plain) = pair.exchange(&step).await;
            let failed = |reply: &Reply| matches!(reply, Reply::Error(_));
            assert!(!plain.iter().any(failed), "{plain:?}");
            assert_eq!(difference(&sealed, &plain, &[]), None, "{together}");
        }
    }
    proxy.assert_absent(&[MARKER]);
}

/// A text that was plain, with a name that another session has made a protected one and that another
/// text has made known since.
#[tokio::test]
async fn a_text_is_not_plain_for_ever() {
    let fixture = fixture().await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    let look = |value: &str| {
        let mut batch = Batch::new();
        batch
            .parse("", "SELECT id FROM late WHERE mail = $1", &[])
            .bind("", "", &[Param::text(value)], Format::Text)
            .execute("", 0)
            .sync();
        batch
    };
    let (sealed, plain) = pair.exchange(&look("harmless")).await;
    assert_eq!(difference(&sealed, &plain, &[]), None);
    fixture
        .prepare("CREATE VIEW late AS SELECT id, email AS mail FROM staff")
        .await;
    pair.both("SELECT count(*) FROM staff JOIN late USING (id)")
        .await;
    let (sealed, plain) = pair.exchange(&look("zqxmarker-l")).await;
    assert_eq!(difference(&sealed, &plain, &[]), None);
    proxy.assert_absent(&[MARKER]);
}
