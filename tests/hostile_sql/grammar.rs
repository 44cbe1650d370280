//! A statement for every production of the grammar in which a constant can reach an encrypted
//! column. The texts are in a corpus, with places for the constants in them.

use std::fmt::Write;

use sealwire_testkit::Tap;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, ErrorFields, Format, Param, Reply};
use sealwire_testkit::fixture::{Fixture, plain_wire};

use crate::support::people;
use crate::tapped;

/// What is set up in both databases without the layer, and the statements, with an empty line
/// between two.
const CORPUS: &str = include_str!("../corpus/hostile.sql");

/// What ends the first part.
const STATEMENTS: &str = "-- The statements.\n";

/// The places in a statement, what stands there as a literal, and the value of the parameter. The
/// first value is in the table, the second is not; `{M}` is for the inside of a literal.
const PLACES: [(&str, &str, Option<&str>); 6] = [
    ("{m}", "'zqxmarker-g'", Some("zqxmarker-g")),
    ("{w}", "'zqxmarker-w'", Some("zqxmarker-w")),
    ("{n}", "731905201", Some("731905201")),
    ("{d}", "'1873-04-11'", Some("1873-04-11")),
    (
        "{u}",
        "'5ea1ed00-c0de-4000-8000-000000000001'",
        Some("5ea1ed00-c0de-4000-8000-000000000001"),
    ),
    ("{M}", "zqxmarker-g", None),
];

const ROWS: [&str; 3] = [
    "INSERT INTO people (id, email, phone, age, note, born, name) \
     VALUES (1, 'zqxmarker-g', '1', 731905201, 'zqxmarker-g', '1873-04-11', 'n1'), \
     (2, 'b', '2', 2, 'b', '2001-01-01', 'n2'), (3, NULL, NULL, NULL, NULL, NULL, 'n3')",
    "INSERT INTO orders (id, person, mail, card, qty, status) \
     VALUES (1, 1, 'zqxmarker-g', 'c', 731905201, 's'), (2, 2, 'x', 'd', 4, 's')",
    "INSERT INTO log VALUES (1, 'e1'), (2, 'zqx')",
];

fn tables() -> Vec<Table> {
    let mut tables = people();
    let email = "public.people.email";
    let mut add = |name: &str, columns: Vec<Column>, suffix: &str| {
        tables.push(Table::new("public", name, columns).suffix(suffix));
    };
    let orders = vec![
        Column::plain("id", "int8").constraint("PRIMARY KEY"),
        Column::plain("person", "int8"),
        Column::deterministic("mail", "text").class(email),
        Column::randomized("card", "text"),
        Column::deterministic("qty", "int8").class("public.people.age"),
        Column::plain("status", "text"),
        Column::plain("doc", "jsonb"),
    ];
    add("orders", orders, "");
    let typed = vec![
        Column::plain("id", "int8").constraint("PRIMARY KEY"),
        Column::deterministic("num", "numeric(12,2)"),
        Column::deterministic("day", "date"),
        Column::deterministic("at", "timestamptz"),
        Column::deterministic("uid", "uuid"),
        Column::deterministic("net", "cidr"),
        Column::deterministic("tags", "text[]"),
        Column::deterministic("ages", "int4[]"),
        Column::deterministic("pad", "char(16)"),
        Column::randomized("doc", "jsonb"),
        Column::deterministic("span", "daterange"),
        Column::randomized("secrets", "text[]"),
    ];
    add("typed", typed, "");
    let events = vec![
        Column::plain("id", "int8"),
        Column::deterministic("actor", "text").class(email),
        Column::randomized("payload", "text"),
    ];
    add("events", events, "PARTITION BY RANGE (id)");
    tables
}

/// What prepares the databases, and the statements.
fn corpus() -> (&'static str, Vec<String>) {
    let (setup, statements) = CORPUS.split_once(STATEMENTS).unwrap();
    let statements = statements.split("\n\n").map(|piece| {
        let lines = piece.lines().filter(|line| !line.starts_with("--"));
        lines.collect::<Vec<_>>().join("\n")
    });
    (setup, statements.filter(|it| !it.is_empty()).collect())
}

/// The messages for a statement, with its values as literals, and as parameters where they are
/// nothing else.
fn batches(statement: &str) -> Vec<(String, Batch)> {
    let (mut literals, mut params) = (statement.to_owned(), statement.to_owned());
    let mut values = Vec::new();
    for (place, literal, value) in PLACES {
        literals = literals.replace(place, literal);
        if let Some(value) = value.filter(|_| params.contains(place)) {
            values.push(Param::text(value));
            params = params.replace(place, &format!("${}", values.len()));
        }
    }
    let mut batch = Batch::new();
    batch.query(&literals);
    let mut batches = vec![(literals, batch)];
    if !values.is_empty() && !params.contains('{') {
        let mut batch = Batch::new();
        batch.parse("", &params, &[]);
        batch.bind("", "", &values, Format::Text);
        batch.describe(b'P', "").execute("", 0).sync();
        batches.push((params, batch));
    }
    batches
}

/// Whether a value has gone to the server since the last question.
fn has_leaked(beneath: &Tap) -> bool {
    let sent = beneath.take().to_server;
    let number = 731_905_201_i32.to_be_bytes();
    let needles: [&[u8]; 6] = [
        b"zqxmarker",
        b"7a71786d61726b6572",
        b"731905201",
        b"1873-04-11",
        b"5ea1ed00-c0de",
        &number,
    ];
    let is_sent = |needle: &&[u8]| sent.windows(needle.len()).any(|it| it == *needle);
    needles.iter().any(is_sent)
}

fn error(replies: &[Reply]) -> Option<&ErrorFields> {
    replies.iter().find_map(|reply| match reply {
        Reply::Error(fields) => Some(fields),
        _ => None,
    })
}

/// Whether a text may have changed a row.
fn writes(text: &str) -> bool {
    let words = ["INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"];
    words.iter().any(|word| text.contains(word))
}

#[tokio::test]
async fn no_production_of_the_grammar_carries_a_constant_past_the_analysis() {
    let fixture = Fixture::new(tables()).await;
    let (setup, statements) = corpus();
    fixture.prepare(setup).await;
    let (mut sealed, beneath) = tapped::wire(&fixture, fixture.sealed().config(), &[]).await;
    let mut plain = plain_wire(fixture.plain()).await;
    for sql in ROWS {
        for replies in [sealed.query(sql).await, plain.query(sql).await] {
            assert_eq!(error(&replies), None, "{sql}");
        }
    }
    assert!(!has_leaked(&beneath));
    let owner = fixture.sealed().connect_superuser().await;
    let version = owner.query_one("SHOW server_version_num", &[]).await;
    let version: String = version.unwrap().get(0);
    let (mut worked, mut refused, mut failed) = (0, 0, 0);
    let mut faults = String::new();
    for (text, batch) in statements.iter().flat_map(|it| batches(it)) {
        // To PostgreSQL 13 a cell and a sealed default are of two types there (docs/sql-support.md).
        let has_default = text.contains("lag(email, 1") || text.contains("lead(note, 1");
        if has_default && version.starts_with("13") {
            continue;
        }
        sealed.query("BEGIN").await;
        plain.query("BEGIN").await;
        let ours = sealed.exchange(&batch).await;
        let theirs = plain.exchange(&batch).await;
        if has_leaked(&beneath) {
            let _ = writeln!(faults, "the server was sent a value: {text}");
        }
        match (error(&ours), error(&theirs)) {
            (Some(fields), _) if fields.is_refusal() => {
                let is_ours = ["0A000", "42P17"].contains(&fields.code());
                assert!(is_ours, "{text}: {fields:?}");
                refused += 1;
            }
            (Some(_), Some(_)) => failed += 1,
            // The texts of plans have cells in them, and other types.
            (None, None) if text.contains("EXPLAIN") => worked += 1,
            _ => {
                worked += 1;
                let mut found = difference(&ours, &theirs, &[vec![false; 4]]);
                for table in fixture.tables().iter().filter(|_| writes(&text)) {
                    let sql = format!("SELECT * FROM {} ORDER BY id", table.qualified());
                    let stored = [sealed.query(&sql).await, plain.query(&sql).await];
                    found = found.or_else(|| difference(&stored[0], &stored[1], &[vec![true]]));
                }
                if let Some(found) = found {
                    let _ = writeln!(faults, "{text}: {found:.1500}");
                }
            }
        }
        for replies in [
            sealed.query("ROLLBACK").await,
            plain.query("ROLLBACK").await,
        ] {
            assert_eq!(error(&replies), None, "{text}");
        }
    }
    assert_eq!(faults, "");
    eprintln!("{worked} worked, {refused} were refused, {failed} failed on both sides");
    assert!(worked > 300 && refused > 300, "{worked}, {refused}");
}
