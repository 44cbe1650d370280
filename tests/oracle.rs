//! Plans against the server's own analysis: every allowed statement of the corpus and of
//! docs/sql-support.md goes through Sealwire, and what came out of it goes to a server that shows
//! its analysed tree. There every sealed parameter and every cell must meet an encrypted column,
//! and nothing else may.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "oracle/flow.rs"]
mod flow;
#[path = "support/tapped.rs"]
mod tapped;
#[path = "oracle/tree.rs"]
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Reply, WireClient};
use sealwire_testkit::fixture::{Fixture, plain_wire};
use sealwire_testkit::regress::frames::frames;
use sealwire_testkit::{Postgres, Tap};
use tokio::net::TcpStream;

use flow::{Flow, Known, Source};

const CORPUS: &str = include_str!("corpus/s1.jsonl");
const DOCUMENT: &str = include_str!("../docs/sql-support.md");

/// The schema of the corpus.
fn tables() -> Vec<Table> {
    let email = |name| Column::deterministic(name, "text").class("email");
    vec![
        Table::new(
            "public",
            "users",
            [
                Column::plain("id", "int8").constraint("PRIMARY KEY"),
                email("email").constraint("UNIQUE"),
                Column::randomized("ssn", "text"),
                Column::plain("name", "text"),
                Column::deterministic("Phone No", "text").class("phone"),
                Column::plain("avatar", "bytea"),
                Column::plain("org_id", "int8"),
                Column::plain("created_at", "timestamptz").constraint("DEFAULT now()"),
            ],
        ),
        Table::new(
            "public",
            "orders",
            [
                Column::plain("id", "int8").constraint("PRIMARY KEY"),
                Column::plain("user_id", "int8"),
                email("email"),
                Column::randomized("card", "text"),
                Column::deterministic("qty", "int4"),
                Column::plain("total", "numeric"),
                Column::plain("status", "text"),
                Column::plain("items", "jsonb"),
            ],
        ),
        Table::new(
            "public",
            "events",
            [
                Column::plain("id", "int8"),
                Column::randomized("payload", "text"),
                Column::plain("kind", "text"),
            ],
        )
        .suffix("PARTITION BY RANGE (id)"),
    ]
}

const BESIDE: &str = "
CREATE SCHEMA audit;
CREATE TABLE audit.users (id bigint, email text, name text);
CREATE TABLE public.logs (id bigint, email text, body bytea, at timestamptz);
CREATE TABLE public.events_p1 PARTITION OF public.events FOR VALUES FROM (0) TO (1000);
CREATE VIEW public.v_users AS SELECT id, email AS mail, name FROM public.users;
CREATE VIEW public.v_join AS SELECT o.id, o.card, u.email
    FROM public.orders o JOIN public.users u ON u.id = o.user_id;
CREATE FUNCTION public.touch(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.label(public.users) RETURNS text LANGUAGE sql AS 'SELECT $1.name';
";

/// The class of every encrypted column, those of views and partitions too.
const ENCRYPTED: [(&str, &str, &str); 11] = [
    ("public.users", "email", "email"),
    ("public.users", "ssn", "users.ssn"),
    ("public.users", "Phone No", "phone"),
    ("public.orders", "email", "email"),
    ("public.orders", "card", "orders.card"),
    ("public.orders", "qty", "orders.qty"),
    ("public.events", "payload", "events.payload"),
    ("public.events_p1", "payload", "events.payload"),
    ("public.v_users", "mail", "email"),
    ("public.v_join", "email", "email"),
    ("public.v_join", "card", "orders.card"),
];

/// Statements that are not refused.
fn statements() -> BTreeSet<String> {
    let corpus = CORPUS.lines().skip(1).filter_map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let allowed = row["outcome"] == "ok";
        allowed.then(|| row["sql"].as_str().unwrap().to_owned())
    });
    let document = DOCUMENT.lines().filter_map(|line| {
        let (sql, verdict) = line.strip_prefix("| `")?.rsplit_once("` | ")?;
        (!verdict.starts_with("refused") && !verdict.starts_with("untouched"))
            .then(|| sql.replace("\\|", "|"))
    });
    corpus.chain(document).collect()
}

/// What went to the server for a statement: the text, and the parameters declared as cells.
struct Sent {
    text: String,
    declared: Vec<u32>,
}

fn sent(tap: &Tap) -> Option<Sent> {
    let sent = tap.take().to_server;
    let parses = frames(&sent)?.into_iter().filter(|frame| frame[0] == b'P');
    // The layer's own queries have names.
    let mut parses = parses.filter_map(|frame| frame[5..].strip_prefix(b"\0"));
    let body = parses.next_back()?;
    let end = body.iter().position(|&b| b == 0)?;
    let oids = body[end + 1 + 2..].chunks_exact(4);
    Some(Sent {
        text: String::from_utf8(body[..end].to_vec()).ok()?,
        declared: oids
            .map(|oid| u32::from_be_bytes(oid.try_into().unwrap()))
            .collect(),
    })
}

/// The statement that an EXPLAIN explains: the server shows no tree of it within.
fn explained(text: &str) -> &str {
    let Some(mut rest) = text.strip_prefix("EXPLAIN ") else {
        return text;
    };
    if rest.starts_with('(') {
        rest = rest.split_once(')').map_or(rest, |(_, rest)| rest);
    }
    for word in ["ANALYZE ", "VERBOSE "] {
        rest = rest.trim_start();
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest
}

/// The server's analysed tree of a text, or its error.
async fn analysed(
    server: &mut WireClient<TcpStream>,
    sent: &Sent,
) -> Result<Option<tree::Node>, String> {
    let mut batch = Batch::new();
    batch
        .parse("", explained(&sent.text), &sent.declared)
        .sync();
    let mut found = None;
    for reply in server.exchange(&batch).await {
        match reply {
            Reply::Error(fields) => return Err(format!("{} {}", fields.code(), fields.message())),
            Reply::Notice(fields) if fields.message().starts_with("parse tree") => {
                found = tree::read(fields.get('D').unwrap_or_default());
            }
            _ => {}
        }
    }
    Ok(found)
}

async fn classes(fixture: &Fixture) -> BTreeMap<(i64, i64), String> {
    let owner = fixture.sealed().connect().await;
    let mut classes = BTreeMap::new();
    for (relation, column, class) in ENCRYPTED {
        let row = owner
            .query_one(
                "SELECT attrelid::int8, attnum::int8 FROM pg_attribute \
                 WHERE attrelid = $1::text::regclass AND attname = $2::text",
                &[&relation, &column],
            )
            .await
            .unwrap();
        classes.insert((row.get(0), row.get(1)), class.to_owned());
        // The whole row, in which nothing could be opened.
        classes.insert((row.get(0), 0), format!("the row of {relation}"));
    }
    classes
}

/// `any_value` is there from PostgreSQL 16 on.
async fn collectors(fixture: &Fixture) -> BTreeSet<i64> {
    let owner = fixture.sealed().connect().await;
    let sql = "SELECT oid::int8 FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace \
               AND prokind = 'a' AND proname IN ('array_agg', 'any_value')";
    let rows = owner.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn sealed_values_meet_encrypted_columns_in_the_server_s_own_analysis() {
    let fixture = Fixture::new(tables()).await;
    fixture.prepare(BESIDE).await;
    let classes = classes(&fixture).await;
    let collectors = collectors(&fixture).await;
    let (mut client, tap) = tapped::wire(&fixture, fixture.sealed().config(), &[]).await;
    let mut server = plain_wire(fixture.sealed()).await;
    server
        .query("SET debug_print_parse = on; SET debug_pretty_print = off; SET client_min_messages = log")
        .await;

    let (mut params, mut cells, mut trees) = (0, 0, 0);
    let mut without = Vec::new();
    for sql in statements() {
        tap.take();
        let mut batch = Batch::new();
        batch.parse("", &sql, &[]).describe(b'S', "").sync();
        let replies = client.exchange(&batch).await;
        let sent = sent(&tap).unwrap_or_else(|| panic!("nothing was sent: {sql}"));
        let tree = match analysed(&mut server, &sent).await {
            Ok(Some(tree)) => tree,
            Ok(None) => {
                without.push(format!("no tree: {sql}"));
                continue;
            }
            Err(error) => {
                without.push(format!("{error}: {sql}"));
                continue;
            }
        };
        let refused = replies.iter().any(|reply| matches!(reply, Reply::Error(_)));
        assert!(!refused, "{sql}: {replies:?}");
        let sealed: BTreeSet<i64> = (1..)
            .zip(&sent.declared)
            .filter(|(_, oid)| [17, 1001].contains(*oid))
            .map(|(number, _)| number)
            .collect();
        let told = replies.iter().find_map(|reply| match reply {
            Reply::Parameters(types) => Some(types.clone()),
            _ => None,
        });
        let told = told.unwrap_or_default();
        let mut flow = Flow::new(Known {
            classes: &classes,
            params: sealed.clone(),
            collectors: &collectors,
        });
        flow.query(&tree);
        let found = flow.findings;
        assert_eq!(found.faults, Vec::<String>::new(), "{sql}\n{}", sent.text);
        if tree.atom("utilityStmt") != Some("<>") {
            without.push(format!("a utility: {sql}"));
            continue;
        }
        trees += 1;
        params += sealed.len();
        cells += found.cells.len();
        for number in sealed {
            let class = found.met.get(&Source::Param(number));
            let class =
                class.unwrap_or_else(|| panic!("{sql}: ${number} meets no encrypted column"));
            // The client is told the type of the cast that the parameter stands in, or the column's:
            // `text` or `integer`, or an array of it.
            let at = usize::try_from(number - 1).unwrap();
            let expected = match (class.as_str(), sent.declared[at]) {
                (_, 17) if cast_of(&sql, number).is_some() => cast_of(&sql, number).unwrap(),
                ("orders.qty", 17) => 23,
                ("orders.qty", _) => 1007,
                (_, 17) => 25,
                _ => 1009,
            };
            assert_eq!(told[at], expected, "{sql}: ${number}");
        }
        for cell in found.cells {
            assert!(
                found.met.contains_key(&cell),
                "{sql}: {cell:?} meets no encrypted column"
            );
        }
    }
    eprintln!(
        "{trees} trees, {params} sealed parameters, {cells} cells; without a tree:\n{}",
        without.join("\n")
    );
    if Postgres::shared().await.major() >= 15 {
        assert!(
            trees > 110 && params > 80 && cells > 15,
            "hardly anything was looked at"
        );
    }
}

/// The object identifier of the type that a statement casts a parameter to.
fn cast_of(sql: &str, number: i64) -> Option<u32> {
    [
        ("varchar", 1043),
        ("text", 25),
        ("bigint", 20),
        ("numeric", 1700),
        ("float8", 701),
    ]
    .into_iter()
    .find(|(name, _)| {
        [
            format!("${number}::{name}"),
            format!("CAST(${number} AS {name})"),
        ]
        .iter()
        .any(|cast| sql.contains(cast))
    })
    .map(|(_, oid)| oid)
}

/// The oracle itself: in the trees of statements that were not rewritten it finds what is wrong.
#[tokio::test]
async fn the_oracle_finds_values_that_are_not_sealed() {
    let fixture = Fixture::new(tables()).await;
    fixture.prepare(BESIDE).await;
    let classes = classes(&fixture).await;
    let collectors = collectors(&fixture).await;
    let mut server = plain_wire(fixture.sealed()).await;
    server
        .query("SET debug_print_parse = on; SET debug_pretty_print = off; SET client_min_messages = log")
        .await;
    for (sql, sealed) in [
        ("SELECT id FROM users WHERE email = $1", vec![]),
        ("SELECT id FROM users WHERE email = '\\x00'", vec![]),
        ("SELECT id FROM users WHERE name = $1", vec![1]),
        ("SELECT id FROM users WHERE email = \"Phone No\"", vec![]),
        ("SELECT id FROM users WHERE email < $1", vec![1]),
        ("SELECT length(email) FROM users", vec![]),
        ("SELECT users FROM users WHERE users = NULL", vec![]),
        (
            "INSERT INTO users (id, email) VALUES (1, $1), (2, $2)",
            vec![1],
        ),
        ("UPDATE users SET email = ssn", vec![]),
        (
            "UPDATE users SET avatar = (SELECT email FROM orders LIMIT 1)",
            vec![],
        ),
        (
            "SELECT email FROM users UNION SELECT body FROM logs",
            vec![],
        ),
        (
            "SELECT 1 FROM users WHERE email IN (SELECT body FROM logs)",
            vec![],
        ),
        (
            "SELECT 1 FROM users JOIN (SELECT body AS email FROM logs) l USING (email)",
            vec![],
        ),
        ("SELECT CASE email WHEN $1 THEN 1 END FROM users", vec![]),
        ("SELECT COALESCE(mail, $1) FROM v_users", vec![]),
        (
            "WITH w AS (SELECT $1 AS x) SELECT 1 FROM users, w WHERE email = x",
            vec![],
        ),
    ] {
        let sent = Sent {
            text: sql.to_owned(),
            // The server is to find the type where it is not the one of cells.
            declared: match sql.contains("name = ") {
                true => vec![],
                false => vec![17; sql.matches('$').count()],
            },
        };
        let tree = analysed(&mut server, &sent)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .unwrap_or_else(|| panic!("{sql}: no tree"));
        let mut flow = Flow::new(Known {
            classes: &classes,
            params: sealed.into_iter().collect(),
            collectors: &collectors,
        });
        flow.query(&tree);
        assert!(!flow.findings.faults.is_empty(), "{sql}");
    }
}
