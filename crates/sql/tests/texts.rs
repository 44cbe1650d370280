//! Texts of several statements, and the limits on texts.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/schema.rs"]
mod schema;

use sealwire_sql::{Context, Outputs, Protocol, RefusalKind, Verdict, analyse};

fn simple(sql: &str) -> Verdict {
    analyse(sql, Protocol::Simple, &schema::s1().context())
}

fn kind(verdict: &Verdict) -> RefusalKind {
    match verdict {
        Verdict::Refused(refusal) => refusal.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_statement_of_a_text_is_analysed() {
    let sql = "BEGIN; SELECT email FROM users WHERE email = 'a';; SELECT 1 FROM logs;
        UPDATE users SET ssn = 'b' RETURNING ssn, id; COMMIT";
    let Verdict::Planned(plan) = simple(sql) else {
        panic!("planned");
    };
    let [begin, select, logs, update, commit] = plan.statements.as_slice() else {
        panic!("five statements: {:?}", plan.statements);
    };
    let untouched = Outputs::Untouched;
    assert_eq!([begin, logs, commit], [&untouched; 3]);
    for (outputs, sealed) in [(select, vec![true]), (update, vec![true, false])] {
        let Outputs::Columns(columns) = outputs else {
            panic!("{outputs:?}");
        };
        let found: Vec<bool> = columns
            .iter()
            .map(|output| output.column.is_some())
            .collect();
        assert_eq!(found, sealed);
    }
    let edited: Vec<&str> = plan
        .edits
        .iter()
        .map(|edit| &sql[edit.range.clone()])
        .collect();
    assert_eq!(edited, ["'a'", "'b'"]);
}

#[test]
fn names_must_not_change_their_meaning_within_a_text() {
    for first in [
        "SET search_path = audit",
        "SET LOCAL role = other",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT set_config('search_path', 'audit', false)",
        "CREATE TABLE audit.t (id int)",
        "DROP TABLE users",
        "ALTER TABLE logs RENAME TO logs2",
        "BEGIN; SET LOCAL datestyle = 'ISO, DMY'; COMMIT",
        "BEGIN; SET LOCAL search_path = audit; INSERT INTO logs (id) VALUES (1); ROLLBACK",
        "DO $$ BEGIN PERFORM 1; END $$",
    ] {
        let verdict = simple(&format!("{first}; SELECT email FROM users"));
        assert_eq!(kind(&verdict), RefusalKind::UnsupportedConstruct, "{first}");
    }
    for first in [
        "SET statement_timeout = 10",
        "BEGIN",
        "SAVEPOINT a",
        "INSERT INTO logs (id) VALUES (1)",
        "CREATE INDEX ON users (name)",
        "LOCK TABLE users",
        "SHOW search_path",
        "ROLLBACK",
        "BEGIN; INSERT INTO logs (id) VALUES (1); COMMIT",
        "SAVEPOINT a; UPDATE users SET email = 'a'; ROLLBACK TO a; COMMIT",
    ] {
        let verdict = simple(&format!("{first}; SELECT email FROM users"));
        assert!(
            matches!(verdict, Verdict::Planned(_)),
            "{first}: {verdict:?}"
        );
    }
    // A transaction that is open may have set something.
    let world = schema::s1();
    for end in ["COMMIT", "END", "ROLLBACK", "ROLLBACK TO a"] {
        let context = Context {
            idle: false,
            ..world.context()
        };
        let sql = format!("{end}; SELECT email FROM users");
        let verdict = analyse(&sql, Protocol::Simple, &context);
        assert_eq!(kind(&verdict), RefusalKind::UnsupportedConstruct, "{end}");
    }
    // The other way round nothing has happened yet.
    let verdict = simple("SELECT email FROM users; SET search_path = audit");
    assert!(matches!(verdict, Verdict::Planned(_)), "{verdict:?}");
    // A migration of definitions only carries no values.
    let verdict = simple("ALTER TABLE users ADD COLUMN nick text; CREATE INDEX ON users (nick)");
    assert!(matches!(verdict, Verdict::Planned(_)), "{verdict:?}");
}

/// Literals are read here, under the settings that the session had when the text came.
#[test]
fn literals_are_not_read_under_settings_of_the_same_text() {
    for set in [
        "SET DateStyle = 'SQL, DMY'",
        "set local intervalstyle to iso_8601",
        "SET TIME ZONE 'UTC'",
        "RESET timezone",
    ] {
        let insert = "INSERT INTO users (id, email) VALUES (1, '02/03/2004')";
        let refused = simple(&format!("{set}; {insert}"));
        assert_eq!(kind(&refused), RefusalKind::UnsupportedConstruct, "{set}");
        for passes in [
            format!("{insert}; {set}"),
            format!("{set}; SELECT email FROM users"),
            format!("{set}; INSERT INTO logs (id, body) VALUES (1, '02/03/2004')"),
        ] {
            let verdict = simple(&passes);
            assert!(
                !matches!(verdict, Verdict::Refused(_)),
                "{passes}: {verdict:?}"
            );
        }
    }
    let other = "SET statement_timeout = 0; INSERT INTO users (id, email) VALUES (1, 'a')";
    assert!(matches!(simple(other), Verdict::Planned(_)));
}

#[test]
fn one_refused_statement_refuses_the_text() {
    let verdict = simple("SELECT email FROM users; SELECT 1 FROM users WHERE email < 'a'");
    assert_eq!(kind(&verdict), RefusalKind::UnsupportedOperator);
}

#[test]
fn parse_takes_one_statement() {
    let world = schema::s1();
    let two = "SELECT 1; SELECT email FROM users";
    let verdict = analyse(two, Protocol::Extended, &world.context());
    assert_eq!(kind(&verdict), RefusalKind::Invalid);
    let one = "SELECT email FROM users;";
    let verdict = analyse(one, Protocol::Extended, &world.context());
    assert!(matches!(verdict, Verdict::Planned(_)), "{verdict:?}");
}

/// Deep or long texts on the stack of a worker thread of the usual runtimes.
#[test]
fn a_thread_of_two_mebibytes_is_enough() {
    let n = 15_000;
    let many = |text: &str, n: usize| text.repeat(n);
    let texts = [
        ("SELECT id FROM users WHERE email = $1".to_owned(), true),
        (
            format!("SELECT {}id FROM users", many("(", n / 2) + &many(")", 0)),
            false,
        ),
        (
            format!(
                "SELECT {}id{} FROM users",
                many("(", 7_000),
                many(")", 7_000)
            ),
            true,
        ),
        (format!("SELECT {}true FROM users", many("NOT ", 900)), true),
        (format!("SELECT {}true FROM users", many("NOT ", n)), false),
        (format!("SELECT {}1 FROM users", many("1 + ", 7_000)), false),
        (format!("SELECT {}1 FROM users", many("1 + ", 900)), true),
        (
            format!(
                "SELECT {}email FROM users{}",
                many("(SELECT ", 300),
                many(")", 300)
            ),
            true,
        ),
        (
            format!(
                "SELECT {}id FROM users{}",
                many("(SELECT ", 4_000),
                many(")", 4_000)
            ),
            false,
        ),
        (
            format!(
                "SELECT id FROM users{}",
                many(" UNION ALL SELECT id FROM users", 450)
            ),
            true,
        ),
        (
            format!(
                "SELECT id FROM users{}",
                many(" UNION ALL SELECT id FROM users", 2_000)
            ),
            false,
        ),
        (
            format!(
                "SELECT {}id{} FROM users",
                many("CASE WHEN true THEN ", 450),
                many(" END", 450)
            ),
            true,
        ),
        (
            format!(
                "SELECT 1 FROM users WHERE email IN ('a'{})",
                many(", 'a'", 7_000)
            ),
            true,
        ),
        (
            format!(
                "SELECT 1 FROM users WHERE email = $1{}",
                many(" OR email = $1", 3_000)
            ),
            true,
        ),
        (
            format!(
                "{}SELECT email FROM users{}",
                many("WITH w AS (", 300),
                many(") SELECT email FROM w", 300)
            ),
            true,
        ),
        (
            format!(
                "{}SELECT email FROM users{}",
                many("SELECT email FROM (", 300),
                many(") s", 300)
            ),
            true,
        ),
        (
            format!(
                "SELECT email FROM users{}{}",
                many(" u WHERE EXISTS (SELECT 1 FROM orders", 200),
                many(")", 200)
            ),
            true,
        ),
        (
            format!(
                "SELECT {}id{} FROM users",
                many("abs(", 900),
                many(")", 900)
            ),
            true,
        ),
        (
            format!("SELECT 1 FROM users{}", many(" CROSS JOIN logs", 450)),
            true,
        ),
        (
            format!(
                "SELECT 1 FROM users WHERE email IN ('a'{})",
                many(", 'a'", 20_000)
            ),
            false,
        ),
    ];
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let world = schema::s1();
            for (sql, allowed) in texts {
                let verdict = analyse(&sql, Protocol::Extended, &world.context());
                let shown = &sql[..sql.len().min(60)];
                match verdict {
                    Verdict::Planned(_) => assert!(allowed, "allowed: {shown}"),
                    Verdict::Refused(refusal) => assert!(!allowed, "{refusal}: {shown}"),
                    other => panic!("{other:?}: {shown}"),
                }
            }
        });
    thread.unwrap().join().unwrap();
}

#[test]
fn long_texts_without_a_protected_name_pass() {
    let sql = format!("SELECT 1{}", " + 1".repeat(50_000));
    assert!(matches!(simple(&sql), Verdict::Untouched));
}
