//! Texts of arrays and numbers, right and wrong ones, are read as the server in use reads them: the
//! same value, or the same error.
//!
//! `SEALWIRE_TWIN_SEED` repeats a run, `SEALWIRE_TWIN_COUNT` makes it longer.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test binary uses what it needs")]
#[path = "support/copying.rs"]
mod copying;
#[path = "support/connections.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use copying::{Outcome, Start, copy_from};
use fastrand::Rng;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, ErrorFields, Format, Param, Reply};
use support::{environment, server_version};

/// A type, an element that is one of it, and one that is not.
const TYPES: [(&str, &str, &str); 4] = [
    ("int4", "7", "x"),
    ("int2", "7", "70000"),
    ("text", "7", "x"),
    ("bool", "t", "7"),
];

/// Columns for arrays, and for elements that are compared with those of one.
fn tables() -> Vec<Table> {
    let table = |(ty, _, _): (&str, _, _)| {
        Table::new(
            "public",
            ty,
            [
                Column::randomized("list", &format!("{ty}[]")),
                Column::deterministic("item", ty),
            ],
        )
    };
    TYPES.map(table).into()
}

const NOISE: [&str; 28] = [
    "{",
    "}",
    "{",
    "}",
    "{}",
    ",",
    "\"",
    "\"\"",
    "\\",
    "\\\"",
    " ",
    "\n",
    "NULL",
    "null",
    "é",
    "[",
    "]",
    ":",
    "=",
    "-",
    "+",
    "1",
    "2",
    "0",
    "[1:1]",
    "[1]=",
    "2147483647",
    "99999999999999999999",
];

fn level(rng: &mut Rng, lens: &[usize], elements: [&str; 2], out: &mut String) {
    let Some((len, inner)) = lens.split_first() else {
        out.push_str(match rng.u8(..16) {
            0 => "NULL",
            1 => "\"\"",
            2 | 3 => elements[1],
            _ => elements[0],
        });
        return;
    };
    out.push('{');
    for at in 0..*len {
        if at > 0 {
            out.push(',');
        }
        // Seldom of another depth.
        let cut = usize::from(rng.u8(..24) == 0).min(inner.len());
        level(rng, &inner[cut..], elements, out);
    }
    out.push('}');
}

/// An array, or nearly.
fn array(rng: &mut Rng, elements: [&str; 2]) -> String {
    let dimensions = match rng.u8(..20) {
        0 => rng.usize(6..8),
        _ => rng.usize(1..4),
    };
    let longest = if dimensions > 3 { 2 } else { 4 };
    let lens: Vec<usize> = (0..dimensions)
        .map(|_| rng.usize(..longest).max(usize::from(rng.bool())))
        .collect();
    let mut text = String::new();
    if rng.u8(..4) == 0 {
        for len in &lens {
            let lower = [1, 1, 0, -3, i32::MAX, i32::MIN][rng.usize(..6)];
            let upper = i64::from(lower) + i64::try_from(*len).unwrap() - 1;
            text.push_str(&match rng.bool() {
                true => format!("[{lower}:{upper}]"),
                false => format!("[{len}]"),
            });
        }
        text.push('=');
    }
    level(rng, &lens, elements, &mut text);
    for _ in 0..rng.usize(..3) {
        let at: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let Some(&at) = at.get(rng.usize(..=at.len())) else {
            text.push_str(NOISE[rng.usize(..NOISE.len())]);
            continue;
        };
        if rng.bool() {
            text.insert_str(at, NOISE[rng.usize(..NOISE.len())]);
        } else {
            text.remove(at);
        }
    }
    text
}

/// Whether elements stand at unlike depths.
fn is_uneven(text: &str) -> bool {
    let contents = &text[text.find('{').unwrap_or(0)..];
    let mut depths = BTreeSet::new();
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for c in contents.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth -= 1,
            ',' | ' ' | '\n' if !quoted => continue,
            _ => {}
        }
        if !matches!(c, '{' | '}') {
            depths.insert(depth);
        }
    }
    depths.len() > 1
}

/// What a text came to: what was read of it, or the error.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Rows(Vec<Reply>),
    Failed(ErrorFields),
}

fn read(replies: Vec<Reply>) -> Read {
    let mut rows = Vec::new();
    for reply in replies {
        match reply {
            Reply::Error(fields) => return Read::Failed(fields),
            Reply::Row(_) | Reply::Complete(_) => rows.push(reply),
            _ => {}
        }
    }
    Read::Rows(rows)
}

impl From<Outcome> for Read {
    fn from(outcome: Outcome) -> Self {
        match outcome.error {
            Some(error) => Self::Failed(error),
            None => Self::Rows(outcome.tag.map(Reply::Complete).into_iter().collect()),
        }
    }
}

/// The same of both, or errors with the same words; the value is in none of ours.
fn assert_same(sealed: &Read, plain: &Read, version: u32, text: &str, what: &str) {
    let Read::Failed(error) = sealed else {
        assert_eq!(sealed, plain, "{what}");
        return;
    };
    // That this is refused of what the older servers take is documented.
    let is_malformed = error.message() == "malformed array literal";
    if version < 17 && is_uneven(text) && is_malformed {
        return;
    }
    let Read::Failed(plain) = plain else {
        panic!("{what}: {error:?} {plain:?}");
    };
    assert_eq!(error.code(), plain.code(), "{what}: {error:?} {plain:?}");
    let words = plain.message();
    let head = &words[..words.find([':', '"']).unwrap_or(words.len())];
    assert!(
        error.message().starts_with(head),
        "{what}: {error:?} {plain:?}"
    );
}

#[tokio::test]
async fn texts_of_arrays_are_read_as_by_a_plain_table() {
    let fixture = Fixture::new(tables()).await;
    let mut sealed = support::wire(&fixture.url()).await;
    let mut plain = fixture.plain_wire().await;
    let version = server_version(&plain);
    let first = environment("SEALWIRE_TWIN_SEED", 1);
    let count = environment("SEALWIRE_TWIN_COUNT", 400);
    let mut outcomes = BTreeMap::new();
    for seed in first..first + count {
        let mut rng = Rng::with_seed(seed);
        let (ty, right, wrong) = TYPES[rng.usize(..TYPES.len())];
        let text = array(&mut rng, [right, wrong]);
        let literal = format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
        for (stored, extended) in [(true, true), (true, false), (false, true), (false, false)] {
            let place = if extended { "$1" } else { &literal };
            let sql = match stored {
                true => format!("INSERT INTO {ty} (list) VALUES ({place}) RETURNING list"),
                false => format!("SELECT item FROM {ty} WHERE item = ANY({place})"),
            };
            let mut batch = Batch::new();
            match extended {
                true => batch
                    .parse("", &sql, &[])
                    .bind("", "", &[Param::text(text.as_bytes())], Format::Text)
                    .execute("", 0)
                    .sync(),
                false => batch.query(&sql),
            };
            let what = format!("seed {seed}, {sql}: {text:?}");
            let (sealed, plain) = tokio::join!(sealed.exchange(&batch), plain.exchange(&batch));
            assert_same(&read(sealed), &read(plain), version, &text, &what);
        }
        let sql = format!("COPY {ty} (list) FROM STDIN (FORMAT csv, QUOTE '''')");
        let field = format!("'{text}'\n");
        let data = [field.as_bytes()];
        let (sealed, plain) = tokio::join!(
            copy_from(&mut sealed, &sql, Start::Simple, &data),
            copy_from(&mut plain, &sql, Start::Simple, &data)
        );
        *outcomes.entry(plain.code().to_owned()).or_insert(0) += 1;
        let what = format!("seed {seed}, {sql}: {text:?}");
        assert_same(
            &Read::from(sealed),
            &Read::from(plain),
            version,
            &text,
            &what,
        );
    }
    eprintln!("{outcomes:?}");
    for code in ["", "22P02", "22003", "54000", "2202E"] {
        assert!(outcomes.contains_key(code), "no outcome {code:?} was met");
    }
}

/// The numbers, and the texts that are made of these pieces.
const NUMBERS: [&str; 4] = ["int2", "int4", "int8", "numeric"];

const PIECES: [&str; 26] = [
    "0", "1", "7", "9", "0x", "0X", "0o", "0b", "f", "A", "_", "_", "__", ".", "e", "E", "-", "+",
    " ", "x", "32767", "80000000", "99999999", "0000", "inf", "NaN",
];

#[tokio::test]
async fn texts_of_numbers_are_read_as_by_a_plain_table() {
    let columns = NUMBERS.map(|ty| Column::randomized(ty, ty));
    let fixture = Fixture::new([Table::new("public", "t", columns)]).await;
    let mut sealed = support::wire(&fixture.url()).await;
    let mut plain = fixture.plain_wire().await;
    let version = server_version(&plain);
    let first = environment("SEALWIRE_TWIN_SEED", 1);
    let count = environment("SEALWIRE_TWIN_COUNT", 400);
    let mut outcomes = BTreeMap::new();
    for seed in first..first + count {
        let mut rng = Rng::with_seed(seed);
        let digits = rng.usize(1..7);
        // Most begin as one of another base.
        let from = if rng.bool() { 4..8 } else { 0..PIECES.len() };
        let mut text = PIECES[rng.usize(from)].to_owned();
        for _ in 0..digits {
            let any = if rng.u8(..3) == 0 { PIECES.len() } else { 4 };
            text.push_str(PIECES[rng.usize(..any)]);
            if rng.u8(..4) == 0 {
                text.push('_');
            }
        }
        for ty in NUMBERS {
            let mut batch = Batch::new();
            let sql = format!("INSERT INTO t ({ty}) VALUES ($1) RETURNING {ty}");
            batch
                .parse("", &sql, &[])
                .bind("", "", &[Param::text(text.as_bytes())], Format::Text)
                .execute("", 0)
                .sync()
                .query(&format!(
                    "INSERT INTO t ({ty}) VALUES ('{text}') RETURNING {ty}"
                ));
            let what = format!("seed {seed}, {ty}: {text:?}");
            let (sealed, plain) = tokio::join!(sealed.exchange(&batch), plain.exchange(&batch));
            let (sealed, plain) = (read(sealed), read(plain));
            let outcome = match &plain {
                Read::Failed(error) => error.code().to_owned(),
                Read::Rows(_) if text.contains(['x', 'o', '_']) => "new".to_owned(),
                Read::Rows(_) => String::new(),
            };
            *outcomes.entry(outcome).or_insert(0) += 1;
            assert_same(&sealed, &plain, version, &text, &what);
        }
    }
    // Without quotes the grammar reads them. To PostgreSQL 15 they are an error, and to an older one a
    // number with a name behind it, which is none where a value stands.
    for number in [
        "0x1F",
        "-0x1f",
        "0o17",
        "0b1",
        "1_000",
        "1_000.5",
        "5_0e1_0",
        "0x1F_FFFF_FFFF_FFFF_FFFF",
    ] {
        for ty in NUMBERS {
            let sql = format!("INSERT INTO t ({ty}) VALUES ({number}) RETURNING {ty}");
            let mut batch = Batch::new();
            batch.query(&sql);
            let (written, expected) = tokio::join!(sealed.exchange(&batch), plain.exchange(&batch));
            if version >= 16 {
                assert_same(&read(written), &read(expected), version, number, &sql);
                continue;
            }
            for replies in [written, expected] {
                let read = read(replies);
                let is_syntax = matches!(&read, Read::Failed(error) if error.code() == "42601");
                assert!(is_syntax, "{sql}: {read:?}");
            }
            // Here the name is the column's. Another number than is written must not be sealed.
            let sql = format!("INSERT INTO t ({ty}) SELECT {number} RETURNING {ty}");
            let mut batch = Batch::new();
            batch.query(&sql);
            let read = read(sealed.exchange(&batch).await);
            let is_syntax = matches!(&read, Read::Failed(error) if error.code() == "42601");
            assert!(is_syntax, "{sql}: {read:?}");
        }
    }
    eprintln!("{outcomes:?}");
    for code in ["", "22P02", "22003"] {
        assert!(outcomes.contains_key(code), "no outcome {code:?} was met");
    }
    assert_eq!(outcomes.contains_key("new"), version >= 16);
}
