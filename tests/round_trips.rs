//! Round trips: on a warm connection the layer never makes the client wait for the server more
//! often than raw tokio-postgres does, shown by the frames beneath it, turn by turn.
//!
//! A turn is what one side sends until the other takes over, written as the tags of its frames:
//! `>` to the server, `<` from it, `L` and `l` for the layer's own queries and their answers. The number of `>` is the number of waits. Everything runs on one
//! thread, so that what a client sends at once goes out at once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire::ColumnEncryption;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply, WireClient};
use sealwire_testkit::fixture::{Fixture, trap};
use sealwire_testkit::regress::frames::frames;
use sealwire_testkit::{Tap, Turn};
use support::people;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config};

/// A client and what crosses beneath it.
struct Side {
    client: Client,
    tap: Tap,
}

/// Both hand their sockets over to the tap.
fn tapped(mut config: Config) -> Config {
    config
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct);
    config
}

async fn encryption(fixture: &Fixture) -> ColumnEncryption {
    ColumnEncryption::builder()
        .manifest_file(fixture.manifest_path())
        .master_key(format!("file:{}", fixture.key_path().display()))
        .build()
        .await
        .unwrap()
}

async fn sealed(fixture: &Fixture) -> Side {
    let tap = Tap::new();
    let config = tapped(fixture.sealed().config());
    let armed = encryption(fixture).await.arm(&config, tap.clone()).unwrap();
    let (config, connector) = armed.into_parts();
    let (client, connection) = config.connect(connector).await.unwrap();
    tokio::spawn(connection);
    Side { client, tap }
}

async fn raw(fixture: &Fixture) -> Side {
    let tap = Tap::new();
    let config = tapped(fixture.plain().config());
    let (client, connection) = config.connect(tap.clone()).await.unwrap();
    tokio::spawn(connection);
    Side { client, tap }
}

/// The tags of the turns; rows and settings are left out, the number of the one is the test's and
/// that of the other the server's.
fn written(turns: &[Turn]) -> String {
    let mut text = String::new();
    for turn in turns {
        text.push(if turn.to_server { '>' } else { '<' });
        for frame in frames(&turn.bytes).expect("whole frames in each turn") {
            if turn.to_server || !matches!(frame[0], b'D' | b'S') {
                text.push(char::from(frame[0]));
            }
        }
    }
    // Queries of the layer's own, as many as it takes.
    for (query, letter) in [("CCPBECC", "L"), ("3312C33", "l")] {
        text = text.replace(query, letter);
        while text.contains(&letter.repeat(2)) {
            text = text.replace(&letter.repeat(2), letter);
        }
    }
    text
}

/// The turns, once the last of them is a whole answer: a client may have got what it waited for
/// before ReadyForQuery has been read.
async fn answered(tap: &Tap) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    loop {
        for turn in tap.take_turns() {
            match turns.last_mut() {
                Some(last) if last.to_server == turn.to_server => last.bytes.extend(turn.bytes),
                _ => turns.push(turn),
            }
        }
        let last = turns.last().filter(|turn| !turn.to_server);
        let last = last.and_then(|turn| frames(&turn.bytes)?.pop());
        if last.is_some_and(|frame| frame[0] == b'Z') {
            return turns;
        }
        tokio::task::yield_now().await;
    }
}

fn waits(text: &str) -> usize {
    text.matches('>').count()
}

/// What a piece of work looks like beneath both clients, sealed first.
macro_rules! compare {
    ($sealed:expr, $raw:expr, |$client:ident| $work:expr) => {{
        let mut looks = Vec::new();
        for side in [&$sealed, &$raw] {
            let $client = &side.client;
            side.tap.take_turns();
            $work;
            looks.push(written(&answered(&side.tap).await));
        }
        let raw = looks.pop().unwrap();
        (looks.pop().unwrap(), raw)
    }};
}

const INSERT: &str = "INSERT INTO people (id, email, age, note) VALUES ($1, $2, $3, $4)";
const BY_EMAIL: &str = "SELECT id, email, note FROM people WHERE email = $1";
const LOG: &str = "SELECT entry FROM log WHERE id = $1";
const COUNT: &str = "SELECT count(*) FROM people WHERE age = $1 AND id > $2";

const ANN: &str = "ann@example.com";

#[tokio::test]
async fn a_warm_connection_waits_no_more_often_than_a_raw_one() {
    let fixture = Fixture::new(people()).await;
    let (sealed, raw) = (sealed(&fixture).await, raw(&fixture).await);

    // Text by text, what preparing costs: the client's own round trip carries everything.
    let mut statements = Vec::new();
    for sql in [INSERT, BY_EMAIL, LOG, COUNT] {
        let (ours, theirs) = compare!(sealed, raw, |client| {
            statements.push(client.prepare(sql).await.unwrap());
        });
        // The layer asks for a description of its own, and the client's comes behind it.
        let injected = if sql == LOG { ">PDS<1tTZ" } else { ">PDDS<1" };
        assert!(ours.starts_with(injected), "{sql}: {ours}");
        assert_eq!(waits(&ours), waits(&theirs), "{sql}: {ours} {theirs}");
        assert_eq!(waits(&ours), 1, "{sql}: {ours}");
    }
    // In turn of the sides; each statement belongs to its client.
    let of = |client: &Client, at: usize| {
        let ours = std::ptr::eq(client, &raw.client);
        statements[2 * at + usize::from(ours)].clone()
    };

    // First executions fetch nothing: the key came while the statement was prepared.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        let insert = of(client, 0);
        client
            .execute(&insert, &[&1_i64, &ANN, &41_i32, &"first"])
            .await
            .unwrap();
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours, ">BES<2CZ");

    // A prepared statement again.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        let by_email = of(client, 1);
        let row = client.query_one(&by_email, &[&ANN]).await.unwrap();
        assert_eq!(row.get::<_, &str>(1), ANN);
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours, ">BES<2CZ");

    // Nothing protected.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        let log = of(client, 2);
        client.query(&log, &[&1_i32]).await.unwrap();
    });
    assert_eq!(ours, theirs);

    // A transaction of four statements, BEGIN and COMMIT beside.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        let (insert, by_email, log, count) =
            (of(client, 0), of(client, 1), of(client, 2), of(client, 3));
        client.batch_execute("BEGIN").await.unwrap();
        client
            .execute(&insert, &[&2_i64, &"bob@example.com", &42_i32, &"x"])
            .await
            .unwrap();
        client.query(&by_email, &[&ANN]).await.unwrap();
        client.query(&log, &[&1_i32]).await.unwrap();
        client.query(&count, &[&42_i32, &0_i64]).await.unwrap();
        client.batch_execute("COMMIT").await.unwrap();
    });
    assert_eq!(ours, theirs);
    assert_eq!(waits(&ours), 6, "{ours}");

    // Many at once.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        let (by_email, log, count) = (of(client, 1), of(client, 2), of(client, 3));
        let (a, b, c, d) = tokio::join!(
            client.query(&by_email, &[&ANN]),
            client.query(&log, &[&1_i32]),
            client.query(&count, &[&41_i32, &0_i64]),
            client.query(&by_email, &[&"nobody"]),
        );
        assert_eq!([a, b, c, d].map(|rows| rows.unwrap().len()), [1, 0, 1, 0]);
    });
    assert!(ours.starts_with(">BESBESBESBES<"), "{ours}");
    assert_eq!(ours, theirs);

    // Simple queries: a text with literals, several statements in one, one that is not ours.
    for sql in [
        "SELECT id, note FROM people WHERE email = 'ann@example.com'",
        "UPDATE people SET note = 'second' WHERE email = 'ann@example.com'; SELECT note FROM people WHERE id = 1",
        "SELECT count(*) FROM log",
    ] {
        let (ours, theirs) = compare!(sealed, raw, |client| {
            client.simple_query(sql).await.unwrap();
        });
        assert_eq!(ours, theirs, "{sql}");
        assert_eq!(waits(&ours), 1, "{ours}");
    }

    // What cannot be read is refused at once; another refusal reads the catalogue first, in case
    // somebody else has changed it.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        client
            .simple_query("SELECT FROM people WHERE")
            .await
            .unwrap_err();
    });
    assert_eq!(ours, theirs);
    let (ours, theirs) = compare!(sealed, raw, |client| {
        client
            .simple_query("SELECT lower(email), nowhere FROM people")
            .await
            .unwrap_err();
    });
    assert_eq!(theirs, ">Q<EZ");
    assert_eq!(ours, ">LS<lZ>Q<EZ");
}

/// Parse, Bind, Execute and Sync at once, which tokio-postgres does for `query_typed`: known texts
/// cost nothing more. The first time that a connection sends a text together with values, the
/// values wait for the server's description of the statement: a parameter that the analysis takes
/// for a plain one, and the server does not, must not have gone out by then.
#[tokio::test]
async fn values_wait_for_a_description_once_for_each_text() {
    let fixture = Fixture::new(people()).await;
    let (sealed, raw) = (sealed(&fixture).await, raw(&fixture).await);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&41_i32, &0_i64];
    let typed = [(values[0], Type::INT4), (values[1], Type::INT8)];

    let (first, theirs) = compare!(sealed, raw, |client| {
        client.query_typed(COUNT, &typed).await.unwrap();
    });
    assert_eq!(theirs, ">PBDES<12tTCZ");
    // The layer's Describe and its Flush, and the rest when the description has come.
    assert_eq!(first, ">PDH<1tT>BDES<2tTCZ");

    let (again, theirs) = compare!(sealed, raw, |client| {
        client.query_typed(COUNT, &typed).await.unwrap();
    });
    // Known, and described again, so that a change that somebody else has made is seen; nothing
    // waits for that.
    assert_eq!(again, ">PDBDES<1tT2tTCZ");
    assert_eq!(waits(&again), waits(&theirs));

    // Without a parameter there is nothing to wait with.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        let sql = "SELECT email FROM people WHERE id = 1";
        client.query_typed(sql, &[]).await.unwrap();
    });
    assert_eq!(ours, ">PDBDES<1tT2tTCZ");
    assert_eq!(waits(&ours), waits(&theirs));

    // Nor for what names nothing protected.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        client
            .query_typed(LOG, &[(&1_i32, Type::INT4)])
            .await
            .unwrap();
    });
    assert_eq!(ours, theirs);
}

/// Named statements, portals and several batches, by hand and through the layer only: the client
/// side says what goes out at once.
#[tokio::test]
async fn batches_of_the_bare_protocol_go_out_in_one_piece() {
    let fixture = Fixture::new(people()).await;
    let tap = Tap::new();
    let config = tapped(fixture.sealed().config());
    let armed = encryption(&fixture)
        .await
        .arm(&config, tap.clone())
        .unwrap();
    let (config, connector) = armed.into_parts();
    let stream = trap::stream(&config, connector).await;
    let mut client = WireClient::start(stream, &config, &[]).await.unwrap();

    let mut prepare = Batch::new();
    prepare
        .parse("s", INSERT, &[])
        .parse("t", BY_EMAIL, &[])
        .sync();
    tap.take_turns();
    client.exchange(&prepare).await;
    assert_eq!(written(&tap.take_turns()), ">PDPDS<1tn1tTZ");

    let mut batch = Batch::new();
    for id in 1..=3 {
        let row = [
            Param::text(id.to_string()),
            Param::text(format!("{id}@example.com")),
            Param::text("7"),
            Param::null(),
        ];
        batch.bind("", "s", &row, Format::Text).execute("", 0);
    }
    let by_email = [Param::text("2@example.com")];
    batch
        .bind("p", "t", &by_email, Format::Text)
        .describe(b'P', "p");
    batch.execute("p", 0).close(b'P', "p").sync();
    let replies = client.exchange(&batch).await;
    let row = replies.iter().find_map(|reply| match reply {
        Reply::Row(row) => row[1].clone(),
        _ => None,
    });
    assert_eq!(row.as_deref(), Some(b"2@example.com".as_slice()));
    assert_eq!(written(&tap.take_turns()), ">BEBEBEBDECS<2C2C2C2TC3Z");
}

/// What is loaded, and when: the facts and the catalogue of the protected tables at the start; the
/// relations that a statement names beside them, once; everything again after a definition, and
/// only when a protected name comes up.
#[tokio::test]
async fn what_a_cold_connection_asks() {
    let fixture = Fixture::new(people()).await;
    let (sealed, raw) = (sealed(&fixture).await, raw(&fixture).await);
    let start = |side: &Side| waits(&written_from_start(&side.tap.take_turns()));
    assert_eq!(
        start(&sealed),
        start(&raw) + 1,
        "one round trip for all that is loaded"
    );

    let join = "SELECT p.email FROM people p JOIN log l ON l.id = p.id";
    let (ours, theirs) = compare!(sealed, raw, |client| client
        .simple_query(join)
        .await
        .unwrap());
    assert_eq!(ours, ">LS<lZ>Q<TCZ", "the relation `log`");
    assert_eq!(theirs, ">Q<TCZ");
    let (ours, theirs) = compare!(sealed, raw, |client| client
        .simple_query(join)
        .await
        .unwrap());
    assert_eq!(ours, theirs);

    // A definition costs nothing by itself, and nothing for statements that name nothing protected.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        client
            .batch_execute("CREATE TABLE side (a int)")
            .await
            .unwrap();
        client
            .batch_execute("SET search_path = public")
            .await
            .unwrap();
        client.simple_query("SELECT a FROM side").await.unwrap();
    });
    assert_eq!(ours, theirs);
    let by_id = "SELECT email FROM people WHERE id = 1";
    let (ours, _) = compare!(sealed, raw, |client| client
        .simple_query(by_id)
        .await
        .unwrap());
    assert_eq!(ours, ">LS<lZ>Q<TCZ");
    let (ours, theirs) = compare!(sealed, raw, |client| client
        .simple_query(by_id)
        .await
        .unwrap());
    assert_eq!(ours, theirs);

    // A setting that names depend on: the facts alone.
    let (ours, _) = compare!(sealed, raw, |client| {
        client
            .batch_execute("SET search_path = public, pg_temp")
            .await
            .unwrap();
        client.simple_query(by_id).await.unwrap();
    });
    assert_eq!(ours, ">Q<CZ>LS<lZ>Q<TCZ");
    // Any other setting: nothing.
    let (ours, theirs) = compare!(sealed, raw, |client| {
        client
            .batch_execute("SET statement_timeout = 0")
            .await
            .unwrap();
        client.simple_query(by_id).await.unwrap();
    });
    assert_eq!(ours, theirs);
}

/// The turns from the startup message, which has no tag.
fn written_from_start(turns: &[Turn]) -> String {
    turns
        .iter()
        .map(|turn| if turn.to_server { '>' } else { '<' })
        .collect()
}
