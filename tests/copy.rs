//! COPY with encrypted columns, end to end: what comes out of an encrypted table is what comes out
//! of its plain twin, and what goes wrong goes wrong as it does there.
//!
//! `SEALWIRE_TWIN_SEED` repeats a run, `SEALWIRE_TWIN_COUNT` makes it longer.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/copying.rs"]
mod copying;
#[path = "support/connections.rs"]
mod support;

use bytes::Bytes;
use copying::{Outcome, Start, copy_from, copy_to};
use fastrand::Rng;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, WireClient};
use support::{environment, people, server_version};
use tokio::net::TcpStream;
use tokio_postgres::Client;

async fn copy_in(client: &Client, sql: &str, data: &[u8]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in(sql).await?;
    pin_mut!(sink);
    sink.send(Bytes::copy_from_slice(data)).await?;
    sink.finish().await
}

async fn copy_out(client: &Client, sql: &str) -> Vec<u8> {
    let out = client.copy_out(sql).await.unwrap();
    let frames: Vec<Bytes> = out.try_collect().await.unwrap();
    frames.concat()
}

#[tokio::test]
async fn rows_go_in_and_come_out() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    let data = b"1\ta@example.com\t42\ta note\\twith a tab\tAda\n2\t\\N\t\\N\t\\N\tBob\n";
    let copied = copy_in(
        &client,
        "COPY people (id, email, age, note, name) FROM STDIN",
        data,
    );
    assert_eq!(copied.await.unwrap(), 2);
    let row = client
        .query_one(
            "SELECT id, note FROM people WHERE email = $1 AND age = $2",
            &[&"a@example.com", &42],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(1), "a note\twith a tab");
    let sql = "COPY (SELECT id, email, age, note, name FROM people ORDER BY id) TO STDOUT";
    let out = copy_out(&client, sql).await;
    assert_eq!(String::from_utf8(out).unwrap().as_bytes(), data);
}

/// One column of each kind that a stream can meet.
fn twin() -> Table {
    Table::new(
        "public",
        "t",
        [
            Column::plain("id", "int4"),
            Column::deterministic("a", "text"),
            Column::plain("b", "text"),
            Column::randomized("c", "bytea"),
            Column::deterministic("d", "int4"),
            Column::randomized("e", "numeric(8,2)"),
            Column::deterministic("f", "varchar(5)"),
            Column::plain("g", "bytea"),
        ],
    )
}

/// The encrypted table and its twin over bare connections.
struct Twins {
    sealed: WireClient<support::Stream>,
    plain: WireClient<TcpStream>,
    _fixture: Fixture,
}

impl Twins {
    async fn new() -> Self {
        let fixture = Fixture::new([twin(), single(), texts()]).await;
        Self {
            sealed: support::wire(&fixture.url()).await,
            plain: fixture.plain_wire().await,
            _fixture: fixture,
        }
    }

    async fn both(&mut self, sql: &str) {
        let mut batch = Batch::new();
        batch.query(sql);
        let (sealed, plain) =
            tokio::join!(self.sealed.exchange(&batch), self.plain.exchange(&batch));
        assert_eq!(sealed, plain, "{sql}");
    }

    async fn from(&mut self, sql: &str, how: Start, pieces: &[&[u8]]) -> (Outcome, Outcome) {
        tokio::join!(
            copy_from(&mut self.sealed, sql, how, pieces),
            copy_from(&mut self.plain, sql, how, pieces)
        )
    }

    async fn to(&mut self, sql: &str, how: Start) -> (Outcome, Outcome) {
        tokio::join!(
            copy_to(&mut self.sealed, sql, how),
            copy_to(&mut self.plain, sql, how)
        )
    }

    /// The tables hold the same, whatever it is.
    async fn compare(&mut self, what: &str) {
        for table in ["t", "s", "u"] {
            let sql = format!("COPY {table} TO STDOUT (FORMAT binary)");
            let (sealed, plain) = self.to(&sql, Start::Simple).await;
            assert_eq!(sealed, plain, "{what}");
        }
    }
}

/// Any text fits its plain columns, so that every error is about the format or an encrypted column.
fn texts() -> Table {
    Table::new(
        "public",
        "u",
        [
            Column::plain("b", "text"),
            Column::deterministic("a", "text"),
            Column::randomized("c", "bytea"),
            Column::plain("g", "text"),
            Column::deterministic("d", "int4"),
            Column::deterministic("f", "varchar(5)"),
        ],
    )
}

/// A table whose only column is encrypted.
fn single() -> Table {
    Table::new("public", "s", [Column::randomized("a", "text")])
}

const TEXTS: [&str; 24] = [
    "",
    "a",
    "\\N",
    "\\.",
    "null",
    "NULL",
    "\"",
    "\"\"",
    "'",
    "a,b",
    "a;b",
    "a\tb",
    "a|b",
    "x\ny",
    "x\r\ny",
    "\r",
    "\u{8}\u{b}\u{c}",
    "\\",
    "a\\b",
    "\\x41",
    "ä€😀",
    " ",
    "\u{1}",
    "end\\",
];

fn text(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..rng.usize(1..3) {
        text.push_str(TEXTS[rng.usize(..TEXTS.len())]);
    }
    text
}

fn literal(text: Option<&str>) -> String {
    match text {
        None => "NULL".into(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

/// A row of the twin table as a list of literals.
fn row(rng: &mut Rng, id: usize) -> String {
    let or_null = |rng: &mut Rng, text: String| literal((rng.u8(..5) > 0).then_some(&text));
    let bytes: String = (0..rng.usize(..4))
        .map(|_| format!("{:02x}", rng.u8(..)))
        .collect();
    let (a, b) = (text(rng), text(rng));
    let f: String = text(rng).chars().take(5).collect();
    let values = [
        or_null(rng, a),
        or_null(rng, b),
        or_null(rng, format!("\\x{bytes}")),
        or_null(rng, rng.clone().i32(..).to_string()),
        or_null(rng, format!("{}.5", rng.clone().i16(..))),
        or_null(rng, f),
        or_null(rng, format!("\\x{bytes}")),
    ];
    format!("({id}, {})", values.join(", "))
}

/// Options of COPY, for one direction each.
struct Options {
    to: String,
    from: String,
}

fn quoted(c: char) -> String {
    match c {
        '\'' => "''''".into(),
        '\t' => "E'\\t'".into(),
        c => format!("'{c}'"),
    }
}

fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.usize(..list.len())]
}

fn columns(rng: &mut Rng, all: &[&str]) -> String {
    let mut list: Vec<&str> = all.iter().copied().filter(|_| rng.bool()).collect();
    if list.is_empty() {
        list.push("a");
    }
    list.join(", ")
}

/// Random options for these columns that a server of this version takes.
fn options(rng: &mut Rng, version: u32, all: &[&str]) -> Options {
    let mut both: Vec<String> = Vec::new();
    let (mut to, mut from) = (Vec::new(), Vec::new());
    match rng.u8(..10) {
        0 => both.push("FORMAT binary".into()),
        1..=4 => {
            if rng.bool() {
                both.push("FORMAT text".into());
            }
            if rng.bool() {
                let delimiter = pick(rng, &['|', ',', ' ', 'X', 'A', '"', '\'', '\t']);
                both.push(format!("DELIMITER {}", quoted(delimiter)));
            }
            if rng.bool() {
                both.push(format!(
                    "NULL '{}'",
                    pick(rng, &["", "null", "\\N", "NULL", "a"])
                ));
            }
            if version >= 15 && rng.bool() {
                header(rng, &mut to, &mut from, version);
            }
        }
        _ => {
            both.push("FORMAT csv".into());
            let quote = pick(rng, &['"', '"', '\'', '%', '1', 'x', 'a']);
            if quote != '"' || rng.bool() {
                both.push(format!("QUOTE {}", quoted(quote)));
            }
            if rng.bool() {
                let escape = pick(rng, &['"', '\\', '\\', '!', '0', 'x', quote]);
                both.push(format!("ESCAPE {}", quoted(escape)));
            }
            if rng.bool() {
                let list: Vec<char> = [',', ';', '\t', '|', ' ', '\\', '2', 'f', 'x', 'b']
                    .into_iter()
                    .filter(|c| *c != quote)
                    .collect();
                let delimiter = pick(rng, &list);
                both.push(format!("DELIMITER {}", quoted(delimiter)));
                // The delimiter must not be in the NULL string.
                let null = pick(rng, &["", "null", "\\N", "nil"]);
                if !null.contains([delimiter, quote]) {
                    both.push(format!("NULL '{null}'"));
                }
            }
            if rng.bool() {
                let list = if rng.bool() {
                    "*".into()
                } else {
                    format!("({})", columns(rng, all))
                };
                to.push(format!("FORCE_QUOTE {list}"));
            }
            if rng.u8(..3) == 0 {
                from.push(format!("FORCE_NULL ({})", columns(rng, all)));
            }
            if rng.u8(..3) == 0 && !both.iter().any(|option| option.starts_with("NULL")) {
                // Text only: an empty string is no number.
                let texts: Vec<&str> = all
                    .iter()
                    .copied()
                    .filter(|c| ["a", "b"].contains(c))
                    .collect();
                from.push(format!("FORCE_NOT_NULL ({})", texts.join(", ")));
            }
            if rng.bool() {
                header(rng, &mut to, &mut from, version);
            }
        }
    }
    if rng.u8(..4) == 0 {
        both.push("ENCODING 'utf-8'".into());
    }
    if rng.u8(..6) == 0 {
        from.push("FREEZE false".into());
    }
    rng.shuffle(&mut both);
    let list = |mut own: Vec<String>| {
        own.splice(0..0, both.iter().cloned());
        match own.is_empty() {
            true => String::new(),
            false => format!(" ({})", own.join(", ")),
        }
    };
    Options {
        to: list(to),
        from: list(from),
    }
}

fn header(rng: &mut Rng, to: &mut Vec<String>, from: &mut Vec<String>, version: u32) {
    to.push(pick(rng, &["HEADER", "HEADER true", "HEADER 1", "HEADER on"]).into());
    let matches = version >= 15 && rng.bool();
    from.push(if matches { "HEADER match" } else { "HEADER" }.into());
}

/// Cuts data anywhere, into pieces that may be empty.
fn pieces<'d>(rng: &mut Rng, mut data: &'d [u8]) -> Vec<&'d [u8]> {
    let longest = pick(rng, &[1, 3, 20, 200, 10_000]);
    let mut pieces = Vec::new();
    while !data.is_empty() {
        let (piece, rest) = data.split_at(rng.usize(..=longest).min(data.len()));
        pieces.push(piece);
        data = rest;
    }
    pieces
}

fn how(rng: &mut Rng) -> Start {
    pick(rng, &[Start::Simple, Start::Extended])
}

/// What a real server prints of a plain table is read into the encrypted one and comes out again,
/// byte for byte and frame for frame, whatever the options.
#[tokio::test]
async fn what_a_plain_table_prints_goes_through_an_encrypted_one() {
    let seed = environment("SEALWIRE_TWIN_SEED", 1);
    let count = environment("SEALWIRE_TWIN_COUNT", 120);
    let mut twins = Twins::new().await;
    let version = server_version(&twins.plain);
    for seed in seed..seed + count {
        let mut rng = Rng::with_seed(seed);
        let rows: Vec<String> = (1..=rng.usize(1..12)).map(|id| row(&mut rng, id)).collect();
        let output = pick(&mut rng, &["hex", "escape"]);
        twins
            .both(&format!("SET bytea_output = {output}; TRUNCATE t, s"))
            .await;
        twins
            .both(&format!("INSERT INTO t VALUES {}", rows.join(", ")))
            .await;
        let options = options(
            &mut rng,
            version,
            &["a", "b", "c", "d", "e", "f", "g", "id"],
        );
        let what = format!(
            "seed {seed}, {output}, TO{} FROM{}",
            options.to, options.from
        );
        for source in [
            "t",
            "(SELECT * FROM t ORDER BY id)",
            "t (a)",
            "t (f, b, a, c)",
        ] {
            let sql = format!("COPY {source} TO STDOUT{}", options.to);
            let (sealed, plain) = twins.to(&sql, how(&mut rng)).await;
            assert_eq!(sealed, plain, "{what}: {source}");
        }
        let sql = format!("COPY t TO STDOUT{}", options.to);
        let (_, printed) = twins.to(&sql, Start::Simple).await;
        twins.both("TRUNCATE t").await;
        let sql = format!("COPY t FROM STDIN{}", options.from);
        let data = printed.data();
        let pieces = pieces(&mut rng, &data);
        let (sealed, plain) = twins.from(&sql, how(&mut rng), &pieces).await;
        same_outcome(&sealed, &plain, &what);
        twins.compare(&what).await;
    }
}

/// The same, or errors that tell the same. Values are in no error of ours.
fn same_outcome(sealed: &Outcome, plain: &Outcome, what: &str) {
    assert_eq!(sealed.tag, plain.tag, "{what}: {sealed:?} {plain:?}");
    assert_eq!(sealed.status, plain.status, "{what}");
    // The server notices a wrong byte before it has read the line, and counts fewer lines then.
    if plain.code() == "22021" && sealed.error.is_some() {
        return;
    }
    // A field that would be larger than any that is collected.
    if sealed.code() == "54000" && plain.error.is_some() {
        return;
    }
    assert_eq!(sealed.code(), plain.code(), "{what}: {sealed:?} {plain:?}");
    let (Some(sealed), Some(plain)) = (&sealed.error, &plain.error) else {
        return;
    };
    let place = |context: Option<&str>| {
        let words = context.unwrap_or_default();
        let end = words.find([':', '"']).unwrap_or(words.len());
        words[..end].to_owned()
    };
    let (sealed_at, plain_at) = (place(sealed.get('W')), place(plain.get('W')));
    // Ours may know the column where PostgreSQL knows the line.
    assert!(
        sealed_at.starts_with(&plain_at),
        "{what}: {sealed:?} {plain:?}"
    );
}

/// A row of `u` or `s`.
fn texts_row(rng: &mut Rng, table: &str) -> String {
    let all = [
        text(rng),
        text(rng),
        "\\x00ff".into(),
        text(rng),
        "42".into(),
        text(rng).chars().take(5).collect(),
    ];
    let values = all
        .iter()
        .map(|text| literal((rng.u8(..5) > 0).then_some(text)));
    let values: Vec<String> = values.collect();
    match table {
        "s" => format!("({})", values[0]),
        _ => format!("({})", values.join(", ")),
    }
}

/// Pieces that mean something to a reader of COPY.
const NOISE: [&[u8]; 40] = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\t",
    b",",
    b"|",
    b"\"",
    b"\"\"",
    b"'",
    b"\\",
    b"\\\\",
    b"\\.",
    b"\\.\n",
    b"\n\\.\n",
    b"\r\n\\.\r\n",
    b"\n\\.",
    b"\\N",
    b"\\n",
    b"\\x41",
    b"\\x4",
    b"\\xz",
    b"\\101",
    b"\\7",
    b"\\777",
    b"\\q",
    b"\\b\\f\\v",
    b"\\\n",
    b"a",
    b"1",
    b"",
    b"null",
    b"\\xc3\\xa4",
    b"\\xc3",
    b"\\0",
    b"\xc3",
    b"\0",
    b"\xff\xff",
    b"\\\r",
    b"\n\n",
    b"!",
];

/// Changes data a little.
fn spoil(rng: &mut Rng, data: &mut Vec<u8>) {
    if rng.u8(..4) == 0 {
        let ending: &[u8] = pick(rng, &[&b"\r\n"[..], b"\r"]);
        let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
        *data = lines.join(ending);
    }
    for _ in 0..rng.usize(..3) {
        let at = rng.usize(..=data.len());
        match rng.u8(..6) {
            0 if at < data.len() => drop(data.remove(at)),
            1 => data.truncate(at),
            2 if at < data.len() => data[at] = rng.u8(..),
            _ => {
                let noise = pick(rng, &NOISE);
                data.splice(at..at, noise.iter().copied());
            }
        }
    }
}

/// Data with something wrong in it, or written in another way than the server does, is taken or
/// refused as a plain table does it, and at the same place.
#[tokio::test]
async fn spoilt_data_is_taken_or_refused_as_by_a_plain_table() {
    let seed = environment("SEALWIRE_TWIN_SEED", 1);
    let count = environment("SEALWIRE_TWIN_COUNT", 300);
    let mut twins = Twins::new().await;
    let version = server_version(&twins.plain);
    let mut errors = std::collections::BTreeMap::new();
    for seed in seed..seed + count {
        let mut rng = Rng::with_seed(seed);
        let (table, all): (_, &[&str]) = match rng.u8(..4) {
            0 => ("s", &["a"]),
            _ => ("u", &["b", "a", "c", "g", "d", "f"]),
        };
        let rows: Vec<String> = (0..rng.usize(1..6))
            .map(|_| texts_row(&mut rng, table))
            .collect();
        twins.both("TRUNCATE u, s").await;
        twins
            .both(&format!("INSERT INTO {table} VALUES {}", rows.join(", ")))
            .await;
        let options = options(&mut rng, version, all);
        let printed = format!("COPY {table} TO STDOUT{}", options.to);
        let printed = copy_to(&mut twins.plain, &printed, Start::Simple).await;
        assert!(printed.error.is_none(), "seed {seed}: {printed:?}");
        let mut data = printed.data();
        spoil(&mut rng, &mut data);
        let sql = format!("COPY {table} FROM STDIN{}", options.from);
        let what = format!("seed {seed}, {sql}: {:?}", data.escape_ascii().to_string());
        let pieces = pieces(&mut rng, &data);
        let (sealed, plain) = twins.from(&sql, how(&mut rng), &pieces).await;
        *errors.entry(plain.code().to_owned()).or_insert(0) += 1;
        same_outcome(&sealed, &plain, &what);
        twins.compare(&what).await;
    }
    eprintln!("{errors:?}");
    for code in ["", "22P04", "22021", "22P02", "22001"] {
        assert!(errors.contains_key(code), "no outcome {code:?} was met");
    }
}
