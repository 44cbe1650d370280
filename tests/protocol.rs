//! The protocol as the client and the server know it: what touches nothing encrypted passes byte
//! for byte, what does costs no round trip, and everything around statements works as ever.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{SinkExt, TryStreamExt, pin_mut, stream};
use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::run::Pair;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use support::{code, people};
use tokio::net::TcpStream;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

/// The bytes of every message that names nothing encrypted, in awkward company.
fn pass_through() -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut add = |build: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new();
        build(&mut batch);
        batches.push(batch);
    };
    add(&|b| {
        b.query("SELECT 1; SELECT 'two'::text; /* people's */ SELECT $$three$$");
    });
    add(&|b| {
        b.query("CREATE TEMPORARY TABLE scratch (email text, note bytea)");
    });
    add(&|b| {
        b.query("SELECT c.relname FROM pg_class c WHERE c.relname ~ '^(lo)$' ORDER BY 1");
    });
    add(&|b| {
        b.parse("named", "INSERT INTO scratch VALUES ($1, $2)", &[25, 17])
            .describe(b'S', "named");
        b.bind(
            "",
            "named",
            &[Param::text("x"), Param::binary([0, 1])],
            Format::Binary,
        );
        b.execute("", 0)
            .bind("", "named", &[Param::null(), Param::null()], Format::Text);
        b.execute("", 0).sync();
    });
    add(&|b| {
        b.parse("", "SELECT email, note FROM scratch WHERE email = $1", &[]);
        b.bind("portal", "", &[Param::text("x")], Format::Text)
            .describe(b'P', "portal");
        b.execute("portal", 1)
            .flush()
            .execute("portal", 0)
            .close(b'P', "portal")
            .sync();
    });
    add(&|b| {
        b.parse("", "SELECT broken FROM", &[])
            .bind("", "", &[], Format::Text)
            .execute("", 0)
            .sync();
        b.query("");
        b.parse("", "", &[])
            .bind("", "", &[], Format::Text)
            .execute("", 0)
            .sync();
    });
    add(&|b| {
        b.close(b'S', "named").close(b'S', "never there").sync();
    });
    add(&|b| {
        b.query("BEGIN")
            .query("SAVEPOINT people_1")
            .query("ROLLBACK")
            .query("RESET ALL");
        b.query("SET application_name = 'x'")
            .query("SHOW search_path")
            .query("DISCARD PLANS");
    });
    batches
}

#[tokio::test]
async fn what_names_nothing_encrypted_passes_byte_for_byte() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut client = support::wire(&fixture.url_through(proxy.port())).await;
    let mut plain = fixture.plain_wire().await;
    let sent = |proxy: &RecordingProxy| proxy.recordings()[0].to_server.len();
    for batch in pass_through() {
        let before = sent(&proxy);
        let replies = client.exchange(&batch).await;
        let through = proxy.recordings()[0].to_server[before..].to_vec();
        assert_eq!(
            through.escape_ascii().to_string(),
            batch.bytes().escape_ascii().to_string()
        );
        let expected = plain.exchange(&batch).await;
        assert_eq!(difference(&replies, &expected, &[]), None);
    }
    // Cut anywhere.
    let mut batch = Batch::new();
    batch
        .parse("", "SELECT $1::int4 + 1", &[])
        .bind("", "", &[Param::text("41")], Format::Text);
    batch.execute("", 0).sync();
    let before = sent(&proxy);
    for byte in batch.bytes() {
        client.send_bytes(&[*byte]).await;
    }
    loop {
        if matches!(client.reply().await, Reply::Ready(_)) {
            break;
        }
    }
    assert_eq!(&proxy.recordings()[0].to_server[before..], batch.bytes());
}

/// The tags of the frames that went to the server.
fn tags(bytes: &[u8]) -> String {
    let mut tags = String::new();
    let mut rest = bytes;
    while let [tag, a, b, c, d, ..] = *rest {
        tags.push(char::from(tag));
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        rest = &rest[1 + length..];
    }
    tags
}

async fn usual_work(client: &Client) {
    let insert = client
        .prepare("INSERT INTO people (id, email, note) VALUES ($1, $2, $3)")
        .await
        .unwrap();
    for id in 0..3_i64 {
        client
            .execute(&insert, &[&id, &format!("p{id}"), &"note"])
            .await
            .unwrap();
    }
    let select = client
        .prepare("SELECT id, note FROM people WHERE email = $1")
        .await
        .unwrap();
    client.query_one(&select, &[&"p1"]).await.unwrap();
    client.query("SELECT * FROM people", &[]).await.unwrap();
    client
        .batch_execute("UPDATE people SET note = 'new' WHERE email = 'p2'")
        .await
        .unwrap();
    client.query_one(&select, &[&"p2"]).await.unwrap();
    client.execute("DELETE FROM people", &[]).await.unwrap();
}

#[tokio::test]
async fn a_warm_connection_needs_no_more_frames_than_without_the_layer() {
    let fixture = Fixture::new(people()).await;
    let mut shapes = Vec::new();
    for url in [None, Some(&fixture)] {
        let database = if url.is_some() {
            fixture.sealed()
        } else {
            fixture.plain()
        };
        let proxy = RecordingProxy::start(database).await;
        let url = match url {
            Some(fixture) => fixture.url_through(proxy.port()),
            None => proxy.url(),
        };
        let client = support::connect(&url).await;
        usual_work(&client).await;
        let warm = proxy.recordings()[0].to_server.len();
        usual_work(&client).await;
        // Statements are closed when they are dropped, behind what was sent before.
        client.batch_execute("").await.unwrap();
        shapes.push(tags(&proxy.recordings()[0].to_server[warm..]));
    }
    assert_eq!(shapes[1], shapes[0]);
}

async fn pair(fixture: &Fixture) -> Pair<support::Stream, TcpStream> {
    Pair {
        sealed: support::wire(&fixture.url()).await,
        plain: fixture.plain_wire().await,
    }
}

async fn same(pair: &mut Pair<support::Stream, TcpStream>, batch: &Batch) {
    let (sealed, plain) = pair.both(batch).await;
    if let Some(difference) = difference(&sealed, &plain, &[]) {
        panic!("{difference}");
    }
}

/// Batches over encrypted tables whose order and grouping is all that is special about them.
#[tokio::test]
async fn pipelines_portals_and_errors_keep_their_order() {
    let fixture = Fixture::new(people()).await;
    let mut pair = pair(&fixture).await;
    let row = |id: i32, email: &str| {
        [
            Param::text(id.to_string()),
            Param::text(email),
            Param::text(format!("note {id}")),
        ]
    };
    let insert = "INSERT INTO people (id, email, note) VALUES ($1, $2, $3) RETURNING email, id";

    // One statement bound many times, described by nobody, in one go.
    let mut batch = Batch::new();
    batch.parse("ins", insert, &[]);
    for id in 1..=5 {
        batch
            .bind("", "ins", &row(id, &format!("e{id}")), Format::Binary)
            .execute("", 0);
    }
    batch.sync();
    same(&mut pair, &batch).await;

    // A duplicate in the middle takes what is behind it in its batch along, and what is before.
    let mut batch = Batch::new();
    for (id, email) in [(6, "e6"), (7, "e1"), (8, "e8")] {
        batch
            .bind("", "ins", &row(id, email), Format::Text)
            .execute("", 0);
    }
    batch
        .sync()
        .bind("", "ins", &row(9, "e9"), Format::Text)
        .describe(b'P', "")
        .execute("", 0)
        .sync();
    batch.query("SELECT id, email, note FROM people ORDER BY id");
    same(&mut pair, &batch).await;

    // A value that does not fit fails in its place.
    let mut batch = Batch::new();
    batch
        .parse("", "SELECT count(*) FROM people", &[])
        .bind("", "", &[], Format::Text)
        .execute("", 0);
    batch.parse("", "UPDATE people SET phone = $1 WHERE id = 1", &[]);
    batch
        .bind("", "", &[Param::text("longer than twelve")], Format::Text)
        .execute("", 0);
    batch.parse("", "SELECT email FROM people", &[]).sync();
    batch.query("SELECT count(*) FROM people");
    same(&mut pair, &batch).await;

    // Rows a few at a time, two portals taking turns.
    let mut batch = Batch::new();
    batch
        .query("BEGIN")
        .parse("sel", "SELECT id, note, email FROM people ORDER BY id", &[]);
    batch
        .bind("p1", "sel", &[], Format::Text)
        .bind("p2", "sel", &[], Format::Binary);
    batch
        .execute("p1", 2)
        .execute("p2", 1)
        .execute("p1", 2)
        .describe(b'P', "p2");
    batch
        .execute("p2", 0)
        .execute("p1", 0)
        .execute("p1", 1)
        .sync();
    batch.close(b'P', "p1").query("COMMIT");
    batch
        .bind("p2", "sel", &[], Format::Text)
        .execute("p2", 1)
        .sync()
        .execute("p2", 1)
        .sync();
    same(&mut pair, &batch).await;

    // A name taken twice, a statement closed while it is in use, an empty statement.
    let mut batch = Batch::new();
    batch.parse("sel", "SELECT 1", &[]).sync();
    batch
        .bind("", "sel", &[], Format::Text)
        .close(b'S', "sel")
        .execute("", 2)
        .sync();
    batch
        .bind("", "sel", &[], Format::Text)
        .execute("", 0)
        .sync();
    batch
        .parse("", "-- people", &[])
        .bind("", "", &[], Format::Text)
        .execute("", 0)
        .sync();
    same(&mut pair, &batch).await;

    // Many statements in one Query; an error ends it and undoes it.
    let mut batch = Batch::new();
    batch.query(
        "INSERT INTO people (id, email) VALUES (20, 'x'); SELECT id, email FROM people WHERE email = 'x'; \
         SELECT 1; UPDATE people SET note = 'n' WHERE email IN ('x', 'y')",
    );
    batch.query("INSERT INTO people (id, email) VALUES (21, 'z'); INSERT INTO people (id, email) VALUES (21, 'w'); SELECT 3");
    batch.query("SELECT id, email, note FROM people ORDER BY id");
    same(&mut pair, &batch).await;
}

#[tokio::test]
async fn copy_on_plain_tables_passes() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    let sink = client
        .copy_in("COPY log (id, entry) FROM STDIN")
        .await
        .unwrap();
    pin_mut!(sink);
    let lines = (0..5000).map(|id| Ok(bytes::Bytes::from(format!("{id}\tpeople {id}\n"))));
    sink.send_all(&mut stream::iter(lines)).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 5000);

    let out = client
        .copy_out("COPY (SELECT * FROM log ORDER BY id) TO STDOUT")
        .await
        .unwrap();
    let text: Vec<bytes::Bytes> = out.try_collect().await.unwrap();
    let text = text.concat();
    assert!(text.starts_with(b"0\tpeople 0\n1\tpeople 1\n"));
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 5000);

    // One that fails, and one that its sender gives up.
    let sink = client
        .copy_in("COPY log (id, entry) FROM STDIN")
        .await
        .unwrap();
    pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"not a number\tx\n"))
        .await
        .unwrap();
    assert_eq!(code(&sink.finish().await.unwrap_err()), "22P02");
    let sink = client
        .copy_in::<_, bytes::Bytes>("COPY log (id, entry) FROM STDIN")
        .await
        .unwrap();
    drop(sink);
    client
        .execute("INSERT INTO people (id, note) VALUES (1, 'x')", &[])
        .await
        .unwrap();
    let row = client
        .query_one("SELECT (SELECT count(*) FROM log), note FROM people", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (5000, "x"));
}

#[tokio::test]
async fn notifications_and_notices_arrive_between_sealed_statements() {
    let fixture = Fixture::new(people()).await;
    let (client, mut connection) = sealwire::connect(&fixture.url(), NoTls).await.unwrap();
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            let text = match message {
                AsyncMessage::Notification(it) => format!("{} {}", it.channel(), it.payload()),
                AsyncMessage::Notice(notice) => notice.message().to_owned(),
                _ => "?".into(),
            };
            let _ = sender.send(text);
        }
    });
    client.batch_execute("LISTEN news").await.unwrap();
    client
        .execute("INSERT INTO people (id, note) VALUES (1, 'x')", &[])
        .await
        .unwrap();
    let other = fixture.sealed().connect().await;
    other.batch_execute("NOTIFY news, 'people'").await.unwrap();
    assert_eq!(received.recv().await.as_deref(), Some("news people"));
    let row = client
        .query_one("SELECT note FROM people", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "x");
    client
        .batch_execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
        .await
        .unwrap();
    assert_eq!(received.recv().await.as_deref(), Some("heard"));
}

#[tokio::test]
async fn prepared_in_sql_and_simple_queries_on_plain_tables_pass() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    client
        .batch_execute(
            "PREPARE p (int) AS INSERT INTO log VALUES ($1, 'x'); EXECUTE p(1); EXECUTE p(2)",
        )
        .await
        .unwrap();
    client
        .batch_execute("DEALLOCATE p; BEGIN; DECLARE c CURSOR FOR SELECT * FROM log")
        .await
        .unwrap();
    let fetched = client.simple_query("FETCH ALL FROM c").await.unwrap();
    let rows = fetched
        .iter()
        .filter(|m| matches!(m, SimpleQueryMessage::Row(_)))
        .count();
    assert_eq!(rows, 2);
    client.batch_execute("COMMIT").await.unwrap();

    let messages = client
        .simple_query("SELECT 1 AS n; INSERT INTO people (id, email) VALUES (1, 'x'); SELECT email AS n FROM people")
        .await
        .unwrap();
    let values: Vec<&str> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get("n"),
            _ => None,
        })
        .collect();
    assert_eq!(values, ["1", "x"]);
}

#[tokio::test]
async fn two_hundred_futures_in_flight_each_get_their_own_answer() {
    let fixture = Fixture::new(people()).await;
    let client = Arc::new(support::connect(&fixture.url()).await);
    client
        .batch_execute("INSERT INTO log SELECT n, 'entry ' || n FROM generate_series(0, 199) n")
        .await
        .unwrap();
    let prepared = client
        .prepare("SELECT note FROM people WHERE email = $1")
        .await
        .unwrap();
    join_all((0..200_i64).map(|n| {
        let client = Arc::clone(&client);
        async move {
            client
                .execute(
                    "INSERT INTO people (id, email, note) VALUES ($1, $2, $3)",
                    &[&n, &format!("p{n}"), &format!("note {n}")],
                )
                .await
                .unwrap();
        }
    }))
    .await;
    join_all((0..200_i32).map(|n| {
        let (client, prepared) = (Arc::clone(&client), prepared.clone());
        async move {
            let email = format!("p{n}");
            match n % 7 {
                0 => {
                    let row = client.query_one(&prepared, &[&email]).await.unwrap();
                    assert_eq!(row.get::<_, String>(0), format!("note {n}"));
                }
                1 => {
                    let sql = "SELECT entry FROM log WHERE id = $1";
                    let row = client.query_one(sql, &[&n]).await.unwrap();
                    assert_eq!(row.get::<_, String>(0), format!("entry {n}"));
                }
                2 => {
                    let error = client
                        .query("SELECT nothing FROM log", &[])
                        .await
                        .unwrap_err();
                    assert_eq!(code(&error), "42703");
                }
                3 => {
                    let sql = "SELECT id FROM people WHERE email < $1";
                    let error = client.query(sql, &[&email]).await.unwrap_err();
                    assert_eq!(code(&error), "0A000");
                }
                4 => {
                    let sql = "INSERT INTO people (id, email) VALUES (1000, $1)";
                    let error = client.execute(sql, &[&email]).await.unwrap_err();
                    assert_eq!(code(&error), "23505");
                }
                5 => {
                    let sql = format!("SELECT note FROM people WHERE email = 'p{n}'");
                    let messages = client.simple_query(&sql).await.unwrap();
                    let found = messages.iter().find_map(|message| match message {
                        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                        _ => None,
                    });
                    assert_eq!(found, Some(format!("note {n}")));
                }
                _ => {
                    let sql = "SELECT note FROM people WHERE email = $1";
                    let rows = client
                        .query_typed(sql, &[(&email, Type::TEXT)])
                        .await
                        .unwrap();
                    assert_eq!(rows[0].get::<_, String>(0), format!("note {n}"));
                }
            }
        }
    }))
    .await;
}

/// The same text means another table under another search path, also to a statement prepared
/// before: what was decided once is never used for the other.
#[tokio::test]
async fn a_verdict_belongs_to_its_search_path() {
    let fixture = Fixture::new(people()).await;
    let owner = fixture.sealed().connect().await;
    owner
        .batch_execute(
            "CREATE SCHEMA archive; CREATE TABLE archive.people (id int8, email text, note text)",
        )
        .await
        .unwrap();
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let client = support::connect(&fixture.url_through(proxy.port())).await;
    let insert = "INSERT INTO people (id, email) VALUES ($1, $2)";
    let prepared = client.prepare(insert).await.unwrap();
    client
        .execute(&prepared, &[&1_i64, &"zqxmarker-sealed"])
        .await
        .unwrap();

    client
        .batch_execute("SET search_path = archive, public")
        .await
        .unwrap();
    // The bare name leads away from the protected table by the server's word alone: refused, and
    // for the statement prepared before too.
    for refused in [
        client.execute(insert, &[&2_i64, &"zqxmarker-stray"]).await,
        client
            .execute(&prepared, &[&2_i64, &"zqxmarker-stray"])
            .await,
    ] {
        assert_eq!(refused.unwrap_err().code().unwrap().code(), "42703");
    }
    // With its schema the other table is as plain as it ever was.
    let archived = client
        .prepare("INSERT INTO archive.people (id, email) VALUES ($1, $2) RETURNING id")
        .await
        .unwrap();
    client
        .query(&archived, &[&2_i64, &"shown-in-the-archive"])
        .await
        .unwrap();
    let row = client
        .query_one("SELECT email FROM archive.people", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "shown-in-the-archive");

    client
        .batch_execute("SET search_path = public")
        .await
        .unwrap();
    client
        .query(&archived, &[&3_i64, &"shown-in-the-archive"])
        .await
        .unwrap();
    client
        .execute(&prepared, &[&4_i64, &"zqxmarker-again"])
        .await
        .unwrap();
    client
        .execute(insert, &[&5_i64, &"zqxmarker-text"])
        .await
        .unwrap();
    let rows = client
        .query("SELECT id, email FROM people ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    proxy.assert_absent(&["zqxmarker"]);
    proxy.assert_present(&["shown-in-the-archive"]);
    for cell in support::cells(&fixture, "public.people", "email").await {
        assert_eq!(cell.unwrap()[..2], [0x11, 1]);
    }
}
