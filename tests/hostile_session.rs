//! Sequences of messages that leave the session behind what the server knows: settings, relations and
//! names that have changed while what depends on them is on its way already. A value is never read
//! otherwise than the server would read it, and never sent in the clear.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use support::people;

/// The value that must not be seen.
const MARKER: &str = "zqxmarker-s";

/// Statements of one batch, each with the value of its `$1` if it has one. The first word of each
/// says how it is sent: `Q` as a simple query, `X` by the extended protocol without a Sync.
type Step<'s> = (char, &'s str, &'s [&'s str]);

fn batch(steps: &[Step<'_>]) -> Batch {
    let mut batch = Batch::new();
    let mut open = false;
    for (how, sql, values) in steps {
        if *how == 'Q' {
            batch.query(sql);
            continue;
        }
        let values: Vec<Param> = values.iter().map(|value| Param::text(*value)).collect();
        batch
            .parse("", sql, &[])
            .bind("", "", &values, Format::Text)
            .execute("", 0);
        open = true;
    }
    if open {
        batch.sync();
    }
    batch
}

fn is_refused(replies: &[Reply]) -> bool {
    replies
        .iter()
        .any(|reply| matches!(reply, Reply::Error(error) if error.is_refusal()))
}

/// Values that settings decide the reading and the writing of.
fn moments() -> Table {
    Table::new(
        "public",
        "moments",
        [
            Column::plain("id", "int4"),
            Column::deterministic("born", "date"),
            Column::randomized("at", "timestamptz"),
            Column::randomized("mark", "bytea"),
        ],
    )
}

/// The server says which settings have changed with ReadyForQuery only. Until then values are read,
/// and rows written, as the settings are, not as they were.
#[tokio::test]
async fn settings_that_are_not_reported_yet_count() {
    const READ: Step<'_> = ('X', "SELECT born, at FROM moments WHERE id = 1", &[]);
    const WRITE: Step<'_> = (
        'X',
        "INSERT INTO moments (id, born, at) VALUES (1, $1, '2020-03-01 00:00')",
        &["02/01/2020"],
    );
    const DMY: Step<'_> = ('X', "SET DateStyle = 'ISO, DMY'", &[]);
    const TOKYO: Step<'_> = (
        'X',
        "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
        &[],
    );
    let fixture = Fixture::new([moments()]).await;
    let scenarios: &[&[&[Step<'_>]]] = &[
        &[&[DMY, TOKYO, WRITE, READ]],
        &[&[DMY, WRITE], &[TOKYO, READ]],
        &[&[
            ('X', "DO $$ BEGIN SET DateStyle = 'ISO, DMY'; END $$", &[]),
            WRITE,
        ]],
        &[&[('Q', "BEGIN", &[]), DMY, ('X', "ROLLBACK", &[]), WRITE]],
        &[
            &[('Q', "BEGIN", &[])],
            &[DMY],
            &[('X', "ROLLBACK", &[]), WRITE],
        ],
        &[&[
            ('X', "BEGIN", &[]),
            ('X', "SET LOCAL TIME ZONE 'Asia/Tokyo'", &[]),
            READ,
            ('X', "COMMIT", &[]),
            WRITE,
        ]],
        // Simple queries, sent ahead.
        &[&[
            ('Q', "BEGIN; SET LOCAL DateStyle = 'ISO, DMY'", &[]),
            ('Q', "COMMIT", &[]),
            (
                'Q',
                "INSERT INTO moments (id, born, at) VALUES (1, '02/01/2020', NULL)",
                &[],
            ),
        ]],
        &[
            &[('Q', "BEGIN; SET LOCAL DateStyle = 'ISO, DMY'", &[])],
            &[
                ('Q', "ROLLBACK", &[]),
                (
                    'Q',
                    "INSERT INTO moments (id, born, at) VALUES (1, '02/01/2020', NULL)",
                    &[],
                ),
            ],
        ],
    ];
    for (at, scenario) in scenarios.iter().enumerate() {
        let mut pair = support::Sealed::new(&fixture, &fixture.url()).await;
        for steps in *scenario {
            let (sealed, plain) = pair.exchange(&batch(steps)).await;
            let difference = difference(&sealed, &plain, &[]);
            assert_eq!(difference, None, "scenario {at}: {steps:?}");
        }
        let look = batch(&[
            ('Q', "RESET ALL", &[]),
            ('Q', "SELECT count(*) FROM moments", &[]),
            ('Q', "SELECT born, at FROM moments", &[]),
            ('Q', "DELETE FROM moments", &[]),
        ]);
        let (sealed, plain) = pair.exchange(&look).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "scenario {at}");
        assert!(
            plain
                .iter()
                .any(|reply| matches!(reply, Reply::Complete(tag) if tag == "DELETE 1")),
            "scenario {at} wrote nothing: {plain:?}"
        );
    }
}

/// Within one text not even the server's own word can be waited for.
#[tokio::test]
async fn settings_do_not_change_within_a_text() {
    let fixture = Fixture::new([moments()]).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url()).await;
    pair.both("INSERT INTO moments VALUES (1, '2020-01-02', '2020-03-01 00:00Z', '\\x01')")
        .await;
    for (set, statement) in [
        (
            "DateStyle = 'ISO, DMY'",
            "COPY moments (id, born) FROM STDIN",
        ),
        ("DateStyle = 'German'", "SELECT id, born FROM moments"),
        (
            "TimeZone = 'Asia/Tokyo'",
            "COPY (SELECT at FROM moments) TO STDOUT",
        ),
        (
            "TimeZone = 'Asia/Tokyo'",
            "SELECT array_agg(at) FROM moments",
        ),
        ("bytea_output = 'escape'", "SELECT mark FROM moments"),
    ] {
        let text = format!("SET {set}; {statement}");
        let mut batch = Batch::new();
        batch.query(&text);
        let (sealed, _) = {
            // The plain twin would wait for the data of a COPY.
            let mut batch = batch.clone();
            if statement.contains("STDIN") {
                batch.copy_done();
            }
            pair.exchange(&batch).await
        };
        assert!(is_refused(&sealed), "{text}: {sealed:?}");
        pair.both("RESET ALL").await;
    }
    for text in [
        "SET TimeZone = 'Asia/Tokyo'; SELECT id, born IS NULL FROM moments",
        "SET application_name = 'x'; SELECT born, at, mark FROM moments",
        "SET TimeZone = 'Asia/Tokyo'",
        "SELECT at FROM moments",
    ] {
        let (sealed, plain) = pair.exchange(&batch(&[('Q', text, &[])])).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "{text}");
    }
}

/// A text in which a protected name seems to be a part of a string, and is none under settings that
/// are on their way.
#[tokio::test]
async fn a_text_that_will_be_read_otherwise_is_not_taken_for_plain() {
    // With backslashes the string ends after `' || '`; a byte of `あ` and the backslash are one
    // character of GBK.
    const BACKSLASH: &str = r"SELECT '\' || ' , id FROM people WHERE email = $$zqxmarker-s$$ --'";
    const BACKSLASH_PARAMETER: &str = r"SELECT '\' || ' , id FROM people WHERE email = $1 --'";
    const CHARACTER: &str = r"SELECT E'あ\', id FROM people WHERE email = $$zqxmarker-s$$ --'";
    const OFF: &str = "SET standard_conforming_strings = off";
    let scenarios: &[&[Step<'_>]] = &[
        &[('Q', OFF, &[]), ('Q', BACKSLASH, &[])],
        &[('X', OFF, &[]), ('X', BACKSLASH, &[])],
        &[('X', OFF, &[]), ('X', BACKSLASH_PARAMETER, &[MARKER])],
        &[
            (
                'Q',
                "SELECT set_config('standard_conforming_strings', 'off', false)",
                &[],
            ),
            ('Q', BACKSLASH, &[]),
        ],
        &[
            (
                'Q',
                "DO $$ BEGIN EXECUTE 'SET standard_conforming_' || 'strings = off'; END $$",
                &[],
            ),
            ('Q', BACKSLASH, &[]),
        ],
        &[
            ('Q', "SET client_encoding = GBK", &[]),
            ('Q', CHARACTER, &[]),
        ],
        &[('X', "SET NAMES 'GBK'", &[]), ('X', CHARACTER, &[])],
    ];
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    for steps in scenarios {
        let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
        let (sealed, _) = pair.exchange(&batch(steps)).await;
        assert!(is_refused(&sealed), "{steps:?}: {sealed:?}");
        // What names nothing protected passes as before.
        pair.both("RESET ALL").await;
        let plainly = batch(&[('Q', r"SELECT E'\x61', '\'", &[])]);
        let (sealed, plain) = pair.exchange(&plainly).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "{steps:?}");
    }
    proxy.assert_absent(&["zqxmarker"]);
}

/// Code that runs on the server can make a relation with cells under a name that no text has said.
/// A block has semicolons of its own, and may stand among other statements.
#[tokio::test]
async fn what_code_makes_is_known_before_the_next_text() {
    const LOOK: Step<'_> = ('Q', "SELECT id FROM made WHERE email = 'zqxmarker-s'", &[]);
    const BLOCK: &str =
        "DO $$ BEGIN EXECUTE 'CREATE VIEW made AS SELECT id, email FROM peo' || 'ple'; END $$";
    let scenarios: &[&[&[Step<'_>]]] = &[
        &[&[('Q', BLOCK, &[]), LOOK]],
        &[&[('X', BLOCK, &[])], &[LOOK]],
        &[&[('Q', "DO $$ BEGIN PERFORM make(); END $$", &[])], &[LOOK]],
        &[&[('Q', "BEGIN; CALL make_it(); COMMIT", &[]), LOOK]],
    ];
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    for database in [fixture.sealed(), fixture.plain()] {
        let owner = database.connect().await;
        owner
            .batch_execute(
                "CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                     EXECUTE 'CREATE VIEW made AS SELECT id, email FROM people';
                 END $$;
                 CREATE PROCEDURE make_it() LANGUAGE plpgsql AS $$ BEGIN PERFORM make(); END $$",
            )
            .await
            .unwrap();
    }
    for scenario in scenarios {
        let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
        pair.both("INSERT INTO people (id, email) VALUES (1, 'zqxmarker-s')")
            .await;
        for steps in *scenario {
            let (sealed, plain) = pair.exchange(&batch(steps)).await;
            assert_eq!(difference(&sealed, &plain, &[]), None, "{steps:?}");
        }
        pair.both("DELETE FROM people").await;
        pair.both("DROP VIEW made").await;
    }
    proxy.assert_absent(&["zqxmarker"]);
}

/// `SET` finds a setting by any spelling of its name.
#[tokio::test]
async fn a_search_path_is_noticed_however_it_is_spelt() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    for sql in [
        "CREATE VIEW shown AS SELECT id, email FROM people",
        "CREATE SCHEMA other; CREATE TABLE other.shown (id int8, email text)",
        "INSERT INTO people (id, email) VALUES (1, 'zqxmarker-s')",
    ] {
        pair.both(sql).await;
    }
    for set in [
        r#"SET U&"search_path" = {}"#,
        r#"SET LOCAL U&"search\005fpath" = {}"#,
        r#"SET "search_path" = {}"#,
        "SET /* x */ Search_Path TO {}",
        "SELECT pg_catalog.set_config('search_' || 'path', '{}', false)",
    ] {
        pair.both("BEGIN").await;
        for (path, value) in [("other", "elsewhere"), ("public", MARKER)] {
            let look = batch(&[
                ('Q', &*set.replace("{}", path), &[]),
                ('X', "SELECT id FROM shown WHERE email = $1", &[value]),
            ]);
            let (sealed, plain) = pair.exchange(&look).await;
            assert_eq!(difference(&sealed, &plain, &[]), None, "{set}");
            assert!(
                !plain.iter().any(|reply| matches!(reply, Reply::Error(_))),
                "{set}"
            );
        }
        pair.both("ROLLBACK").await;
    }
    proxy.assert_absent(&["zqxmarker"]);
}

/// A statement that was plain when it was prepared, and says a name that the session itself has
/// given to something protected since.
#[tokio::test]
async fn a_plain_statement_gets_no_value_once_its_name_is_protected() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    let prepare = |batch: &mut Batch, name: &str| {
        batch
            .parse(name, "SELECT id FROM turned WHERE email = $1", &[])
            .sync();
    };
    let run = |batch: &mut Batch, value: &str| {
        batch
            .bind("", "turned", &[Param::text(value)], Format::Text)
            .execute("", 0)
            .bind("", "other", &[Param::text(value)], Format::Text)
            .execute("", 0)
            .sync();
    };
    pair.both("INSERT INTO people (id, email) VALUES (1, 'zqxmarker-s')")
        .await;
    for (make, remake, drop) in [
        (
            "CREATE TABLE turned (id int8, email text)",
            "CREATE VIEW turned AS SELECT id, email FROM people",
            "DROP VIEW turned",
        ),
        (
            "CREATE VIEW turned AS SELECT 1 AS id, 'a'::text AS email",
            "CREATE TABLE turned () INHERITS (people)",
            "DROP TABLE turned",
        ),
        (
            "CREATE TABLE turned (id int8, email text)",
            "DO $$ BEGIN EXECUTE 'CREATE VIEW turned AS SELECT id, email FROM peo' || 'ple'; END $$",
            "DROP VIEW turned",
        ),
    ] {
        let is_view = make.contains("VIEW");
        pair.both(make).await;
        let mut first = Batch::new();
        prepare(&mut first, "turned");
        first.parse("other", "SELECT $1::text", &[]).sync();
        run(&mut first, "harmless");
        let (sealed, plain) = pair.exchange(&first).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "{make}");

        // The definition and the values go out together.
        let mut changed = Batch::new();
        changed.query(if is_view {
            "DROP VIEW turned"
        } else {
            "DROP TABLE turned"
        });
        changed.query(remake);
        changed
            .bind("", "turned", &[Param::text(MARKER)], Format::Text)
            .execute("", 0)
            .sync();
        let (sealed, _) = pair.exchange(&changed).await;
        assert!(
            sealed
                .iter()
                .any(|reply| matches!(reply, Reply::Error(error) if error.code() == "0A000")),
            "{remake}: {sealed:?}"
        );

        // Prepared again it does what it does, and the other has never stopped.
        let mut again = Batch::new();
        again.close(b'S', "turned");
        prepare(&mut again, "turned");
        again
            .bind("", "turned", &[Param::text(MARKER)], Format::Text)
            .execute("", 0)
            .bind("", "other", &[Param::text("harmless")], Format::Text)
            .execute("", 0)
            .close(b'S', "turned")
            .close(b'S', "other")
            .sync();
        let (sealed, plain) = pair.exchange(&again).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "{remake}");
        pair.both(drop).await;
    }
    proxy.assert_absent(&["zqxmarker"]);
}

/// The server takes values for the parameters of the statement behind `PREPARE … AS`, where the client
/// declares them, and does nothing with them.
#[tokio::test]
async fn prepare_takes_no_values() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    let mut batch = Batch::new();
    batch
        .parse(
            "",
            "PREPARE q AS SELECT id FROM people WHERE email = $1",
            &[25],
        )
        .bind("", "", &[Param::text(MARKER)], Format::Text)
        .execute("", 0)
        .sync();
    let (sealed, _) = pair.exchange(&batch).await;
    assert!(is_refused(&sealed), "{sealed:?}");
    let mut batch = Batch::new();
    batch
        .parse(
            "",
            "PREPARE q AS SELECT id FROM people WHERE email = $1",
            &[],
        )
        .bind("", "", &[], Format::Text)
        .execute("", 0)
        .sync();
    batch.query("EXECUTE q('zqxmarker-s')");
    let (sealed, plain) = pair.exchange(&batch).await;
    // The refused batch has left nothing behind, and the plain twin's has.
    assert!(
        !sealed.iter().any(|reply| matches!(reply, Reply::Error(_))),
        "{sealed:?}"
    );
    assert!(plain.iter().any(|reply| matches!(reply, Reply::Error(_))));
    proxy.assert_absent(&["zqxmarker"]);
}

/// Format codes for rows that a statement does not return are nobody's business.
#[tokio::test]
async fn result_formats_of_no_columns_are_not_counted() {
    let fixture = Fixture::new(people()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url()).await;
    let mut batch = Batch::new();
    batch
        .parse("", "UPDATE people SET email = $1 WHERE email = $2", &[])
        .bind_formats("", "", &[Param::text("a"), Param::text("b")], &[1, 0, 1])
        .execute("", 0)
        .sync();
    let (sealed, plain) = pair.exchange(&batch).await;
    assert_eq!(difference(&sealed, &plain, &[]), None);
}

/// The same for a statement that SQL has prepared, however it came by its name: `EXECUTE` brings the
/// values in its text.
#[tokio::test]
async fn a_plain_statement_of_sql_gets_no_value_once_its_name_is_protected() {
    const PREPARE: &str = "PREPARE turning (text) AS SELECT id FROM turned WHERE email = $1";
    const EXECUTE: &str = "EXECUTE turning('zqxmarker-s')";
    let table = "CREATE TABLE turned (id int8, email text)";
    let view = "CREATE VIEW turned AS SELECT id, email FROM people";
    let other = "CREATE SCHEMA other; CREATE VIEW other.turned AS SELECT id, email FROM people";
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    pair.both("INSERT INTO people (id, email) VALUES (1, 'zqxmarker-s')")
        .await;
    let turn = ["DROP TABLE turned", view];
    for (name, make, how, change, undo) in [
        (
            "a view in place of a table",
            &[table][..],
            'Q',
            &turn[..],
            &["DROP VIEW turned"][..],
        ),
        (
            "prepared by the protocol",
            &[table],
            'X',
            &turn,
            &["DROP VIEW turned"],
        ),
        (
            "a new name",
            &[
                table,
                "CREATE VIEW people_too AS SELECT id, email FROM people",
            ],
            'Q',
            &[
                "DROP TABLE turned",
                "ALTER VIEW people_too RENAME TO turned",
            ],
            &["DROP VIEW turned"],
        ),
        (
            "the search path",
            &[table, other],
            'Q',
            &["SET search_path = other, public"],
            &[
                "RESET search_path",
                "DROP SCHEMA other CASCADE",
                "DROP TABLE turned",
            ],
        ),
    ] {
        for sql in make {
            pair.both(sql).await;
        }
        let prepare = batch(&[
            (how, PREPARE, &[]),
            (how, "PREPARE other (text) AS SELECT $1", &[]),
            ('Q', "PREPARE valueless AS SELECT id FROM turned", &[]),
            ('Q', "EXECUTE turning('harmless')", &[]),
            ('X', "EXECUTE other('harmless')", &[]),
        ]);
        let (sealed, plain) = pair.exchange(&prepare).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "{name}");

        // The definition and the values go out together.
        let mut steps: Vec<Step<'_>> = change.iter().map(|sql| ('Q', *sql, &[][..])).collect();
        steps.push(('Q', EXECUTE, &[]));
        let (sealed, _) = pair.exchange(&batch(&steps)).await;
        assert!(
            sealed
                .iter()
                .any(|reply| matches!(reply, Reply::Error(error) if error.code() == "0A000")),
            "{name}: {sealed:?}"
        );
        let (sealed, _) = pair.exchange(&batch(&[('X', EXECUTE, &[])])).await;
        assert!(is_refused(&sealed), "{name}: {sealed:?}");
        let mut bound = Batch::new();
        bound
            .bind("", "turning", &[Param::text(MARKER)], Format::Text)
            .execute("", 0)
            .sync();
        let (sealed, _) = pair.exchange(&bound).await;
        assert!(is_refused(&sealed), "{name}: {sealed:?}");
        let explained = format!("EXPLAIN ANALYZE {EXECUTE}");
        let (sealed, _) = pair.exchange(&batch(&[('Q', &explained, &[])])).await;
        assert!(is_refused(&sealed), "{name}: {sealed:?}");

        // Without values, or without the name, nothing is refused; prepared again it works.
        let again = batch(&[
            ('Q', "EXECUTE valueless", &[]),
            ('Q', "EXECUTE other('harmless')", &[]),
            ('Q', "DEALLOCATE turning", &[]),
            ('Q', PREPARE, &[]),
            ('Q', EXECUTE, &[]),
            ('Q', "DEALLOCATE ALL", &[]),
        ]);
        let (sealed, plain) = pair.exchange(&again).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "{name}");
        for sql in undo {
            pair.both(sql).await;
        }
    }
    proxy.assert_absent(&["zqxmarker"]);
}

/// What a name of SQL means is what the last `PREPARE` that worked made of it.
#[tokio::test]
async fn names_of_sql_are_plain_as_long_as_their_statements_are() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    pair.both("CREATE TABLE turned (id int8, email text)").await;
    pair.both("CREATE SCHEMA other; CREATE TABLE other.people (id int8, email text)")
        .await;
    // A failed `PREPARE` leaves the one before; another name may be prepared behind it or before it.
    let prepare = batch(&[
        (
            'Q',
            "PREPARE a (text) AS SELECT 1; PREPARE b (text) AS SELECT id FROM turned WHERE email = $1",
            &[],
        ),
        (
            'Q',
            "PREPARE c (text) AS SELECT id FROM turned WHERE email = $1; DEALLOCATE c; PREPARE c (text) AS SELECT $1",
            &[],
        ),
        ('Q', "PREPARE b (text) AS SELECT 2", &[]),
        (
            'Q',
            "PREPARE d (text) AS SELECT id FROM other.people WHERE email = $1",
            &[],
        ),
    ]);
    let (sealed, plain) = pair.exchange(&prepare).await;
    assert_eq!(difference(&sealed, &plain, &[]), None);
    pair.both("DROP TABLE turned").await;
    pair.both("CREATE VIEW turned AS SELECT id, email FROM people")
        .await;
    let plain_still = batch(&[
        ('Q', "EXECUTE a('harmless')", &[]),
        ('Q', "EXECUTE c('harmless')", &[]),
        ('Q', "EXECUTE d('harmless')", &[]),
    ]);
    let (sealed, plain) = pair.exchange(&plain_still).await;
    assert_eq!(difference(&sealed, &plain, &[]), None);
    let (sealed, _) = pair
        .exchange(&batch(&[('Q', "EXECUTE b('zqxmarker-s')", &[])]))
        .await;
    assert!(is_refused(&sealed), "{sealed:?}");
    proxy.assert_absent(&["zqxmarker"]);
}

/// `EXECUTE` is noticed in a text of another encoding, too.
#[tokio::test]
async fn execute_gets_no_value_under_another_encoding() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    for sql in [
        "PREPARE q AS SELECT id FROM people WHERE email = $1",
        "PREPARE other (text) AS SELECT $1",
        "SET client_encoding = 'LATIN1'",
        "EXECUTE other('harmless')",
    ] {
        pair.both(sql).await;
    }
    for text in ["EXECUTE q('zqxmarker-s')", "EXECUTE q('zqxmarker-\\s')"] {
        let (sealed, _) = pair.exchange(&batch(&[('Q', text, &[])])).await;
        assert!(is_refused(&sealed), "{sealed:?}");
    }
    proxy.assert_absent(&["zqxmarker"]);
}

/// A call by the identifier of a function that someone has made may define what the next text names.
#[tokio::test]
async fn what_a_called_function_makes_is_known_before_the_next_text() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    pair.both(
        "CREATE FUNCTION make() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
         EXECUTE 'CREATE VIEW turned AS SELECT id, email FROM peo' || 'ple'; RETURN 1; END $$",
    )
    .await;
    let mut found = Batch::new();
    found.query("SELECT oid FROM pg_proc WHERE proname = 'make'");
    let mut calls = Vec::new();
    let (sealed, plain) = pair.exchange(&found).await;
    for replies in [sealed, plain] {
        let oid = replies.iter().find_map(|reply| match reply {
            Reply::Row(values) => values[0].clone(),
            _ => None,
        });
        let oid = String::from_utf8(oid.unwrap().to_vec()).unwrap();
        let mut batch = Batch::new();
        batch.call(oid.parse().unwrap(), &[]);
        batch.query("SELECT id FROM turned WHERE email = 'zqxmarker-s'");
        calls.push(batch);
    }
    pair.both("INSERT INTO people (id, email) VALUES (1, 'zqxmarker-s')")
        .await;
    let sealed = pair.sealed.exchange(&calls[0]).await;
    let plain = pair.plain.exchange(&calls[1]).await;
    assert!(matches!(plain[0], Reply::FunctionResult(_)), "{plain:?}");
    assert_eq!(difference(&sealed, &plain, &[]), None);
    proxy.assert_absent(&["zqxmarker"]);
}
