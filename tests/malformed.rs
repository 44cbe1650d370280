//! Messages that cannot be read although their frames are whole: PostgreSQL answers an error in its
//! turn, skips to the next Sync and keeps the connection. So it is here, byte for byte the same messages
//! to both, and nothing of what could not be read goes on to the server.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use std::fmt::Write;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply, WireClient};
use support::people;
use tokio::io::{AsyncRead, AsyncWrite};

const SELECT: &str = "SELECT id, email FROM people WHERE email = $1";
const INSERT: &str = "INSERT INTO log (id, entry) VALUES ($1, $2)";

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &len.to_be_bytes(), body].concat()
}

/// A message and what is wrong with it.
type Bad = (u8, &'static [u8]);

/// Messages of the extended protocol.
const EXTENDED: &[Bad] = &[
    // Describe and Close: no such kind, no name, no end of the name, more than the name.
    (b'D', b"X\0"),
    (b'D', b"Xsealed\0"),
    (b'D', b""),
    (b'D', b"S"),
    (b'D', b"Ssealed"),
    (b'D', b"Ssealed\0more"),
    (b'D', b"Xsealed\0more"),
    (b'C', b"X\0"),
    (b'C', b"\0\0"),
    (b'C', b""),
    (b'C', b"P"),
    (b'C', b"Pportal"),
    (b'C', b"Ssealed\0\0"),
    // Parse: no end of a text, no count, too few types, too many bytes.
    (b'P', b""),
    (b'P', b"name"),
    (b'P', b"name\0"),
    (b'P', b"\0SELECT id FROM people WHERE email = 'zqxmarker'"),
    (b'P', b"\0SELECT id FROM people WHERE email = 'zqxmarker'\0"),
    (
        b'P',
        b"\0SELECT id FROM people WHERE email = 'zqxmarker'\0\0",
    ),
    (
        b'P',
        b"\0SELECT id FROM people WHERE email = $1\0\0\x02\0\0\0\x19",
    ),
    (
        b'P',
        b"\0SELECT id FROM people WHERE email = 'zqxmarker'\0\0\0\0",
    ),
    (b'P', b"sealed\0SELECT 1\0\0\x01\0\0\0\x19more"),
    // Execute.
    (b'E', b""),
    (b'E', b"portal"),
    (b'E', b"\0\0\0"),
    (b'E', b"\0\0\0\0\0\0"),
    // Bind: names, formats, values, formats of results.
    (b'B', b""),
    (b'B', b"portal"),
    (b'B', b"\0sealed"),
    (b'B', b"\0sealed\0"),
    (b'B', b"\0sealed\0\0"),
    (b'B', b"\0sealed\0\0\x03\0\0"),
    (b'B', b"\0sealed\0\0\0\0\x01"),
    (b'B', b"\0sealed\0\0\0\0\x01\0\0\0\x20zqxmarker"),
    (b'B', b"\0sealed\0\0\0\0\x01\xff\xff\xff\xfezqxmarker\0\0"),
    (b'B', b"\0sealed\0\0\0\0\x01\0\0\0\x09zqxmarker"),
    (b'B', b"\0sealed\0\0\0\0\x01\0\0\0\x09zqxmarker\0"),
    (b'B', b"\0sealed\0\0\0\0\x01\0\0\0\x09zqxmarker\0\x02\0\0"),
    (b'B', b"\0sealed\0\0\0\0\x01\0\0\0\x09zqxmarker\0\0more"),
    (b'B', b"\0sealed\0\0\0\0\x02\0\0\0\x09zqxmarker\0\0"),
    (b'B', b"\0columns\0\0\0\0"),
    (b'B', b"\0columns\0\0\0\0\0\0\0more"),
    (b'B', b"\0plain\0\0\0\0\x02\0\0\0\x01"),
    (b'B', b"\0plain\0\0\0\0\x02\0\0\0\x011\0\0\0\x01x\0\0more"),
    (b'B', b"\0nowhere\0\0\0\0\x02"),
    // Flush.
    (b'H', b"x"),
];

/// Messages that are not skipped.
const SIMPLE: &[Bad] = &[
    (b'Q', b""),
    (b'Q', b"SELECT 1"),
    (b'Q', b"SELECT id FROM people WHERE email = 'zqxmarker'"),
    (b'Q', b"SELECT id FROM people WHERE email = 'zqxmarker'\0\0"),
    (b'S', b"x"),
    (b'F', b""),
    (b'F', b"\0\0"),
    (b'F', b"\0\0\x08\xac\0\0\0\x01"),
];

/// What is prepared before.
fn prepared() -> Batch {
    let mut batch = Batch::new();
    batch
        .parse("sealed", SELECT, &[])
        .parse("columns", "SELECT email FROM people", &[])
        .parse("plain", INSERT, &[])
        .parse("", SELECT, &[])
        .sync();
    batch
}

/// Sends bytes and reads until a query behind them has been answered.
async fn answers<S>(client: &mut WireClient<S>, bytes: &[u8]) -> Vec<Reply>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut end = Batch::new();
    end.query("SELECT 'the end'");
    client.send_bytes(&[bytes, end.bytes()].concat()).await;
    let mut replies = Vec::new();
    let mut ended = false;
    loop {
        let reply = client.reply().await;
        ended |= matches!(&reply, Reply::Row(values) if values[0].as_deref() == Some(b"the end"));
        let ready = matches!(reply, Reply::Ready(_));
        replies.push(reply);
        if ready && ended {
            return replies;
        }
    }
}

/// Whole batches around a malformed message.
fn surroundings(bad: Bad, skips: bool) -> Vec<(&'static str, Vec<u8>)> {
    let bad = frame(bad.0, bad.1);
    let around = |before: &dyn Fn(&mut Batch), after: &dyn Fn(&mut Batch)| {
        let (mut first, mut last) = (Batch::new(), Batch::new());
        before(&mut first);
        after(&mut last);
        [first.bytes(), &bad, last.bytes()].concat()
    };
    let run = |batch: &mut Batch| {
        batch
            .bind("", "sealed", &[Param::text("a")], Format::Text)
            .describe(b'P', "")
            .execute("", 0);
    };
    let text = |batch: &mut Batch| {
        batch
            .parse("", "UPDATE people SET note = $1 WHERE email = $2", &[])
            .bind("", "", &[Param::text("n"), Param::text("a")], Format::Text)
            .execute("", 0);
    };
    vec![
        (
            "alone",
            around(&|_| {}, &|batch| {
                batch.sync();
            }),
        ),
        (
            "between",
            around(&run, &|batch| {
                run(batch);
                text(batch);
                batch.sync();
                run(batch);
                batch.sync();
            }),
        ),
        (
            "behind what is not known yet",
            around(&text, &|batch| {
                batch.sync();
                run(batch);
                batch.sync();
            }),
        ),
        (
            "before a Parse",
            around(&|_| {}, &|batch| {
                batch.parse("", "SELECT 1", &[]).sync();
                // For the statement that there was before, if this is skipped.
                let value = if skips { "zqxmarker" } else { "a" };
                batch
                    .bind("", "", &[Param::text(value)], Format::Text)
                    .execute("", 0)
                    .sync();
            }),
        ),
        (
            "in a transaction",
            around(
                &|batch| {
                    batch.query("BEGIN");
                    run(batch);
                },
                &|batch| {
                    batch.sync().query("SELECT 1").query("ROLLBACK");
                },
            ),
        ),
        (
            "in an aborted transaction",
            around(
                &|batch| {
                    batch.query("BEGIN").query("SELECT 1/0");
                },
                &|batch| {
                    batch.sync().query("ROLLBACK");
                },
            ),
        ),
        (
            "where all is skipped",
            around(
                &|batch| {
                    batch.parse("", "SELECT nowhere", &[]);
                },
                &|batch| {
                    batch.sync();
                    run(batch);
                    batch.sync();
                },
            ),
        ),
    ]
}

async fn compare(list: &[Bad], skips: bool) {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    pair.both("INSERT INTO people (id, email) VALUES (1, 'a')")
        .await;
    let mut wrong = String::new();
    for &(tag, body) in list {
        for (name, bytes) in surroundings((tag, body), skips) {
            pair.exchange(&prepared()).await;
            let plain = answers(&mut pair.plain, &bytes).await;
            let sealed = answers(&mut pair.sealed, &bytes).await;
            if let Some(difference) = difference(&sealed, &plain, &[]) {
                let (tag, body) = (char::from(tag), body.escape_ascii());
                writeln!(wrong, "{tag} {body} {name}: {difference}").unwrap();
            }
            pair.both("DEALLOCATE ALL").await;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    proxy.assert_absent(&["zqxmarker"]);
}

#[tokio::test]
async fn malformed_messages_of_the_extended_protocol_are_skipped_to_sync() {
    compare(EXTENDED, true).await;
}

#[tokio::test]
async fn malformed_messages_of_the_simple_protocol_are_answered() {
    compare(SIMPLE, false).await;
}

/// While the server reads copy data it ignores Flush and Sync, whatever is in them.
#[tokio::test]
async fn malformed_messages_do_not_disturb_a_copy() {
    let fixture = Fixture::new(people()).await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
    let flush = frame(b'H', b"x");
    let sync = frame(b'S', b"x");
    let batch = |build: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new();
        build(&mut batch);
        batch.bytes().to_vec()
    };
    for (copy, reason) in [
        ("COPY people (id, email) FROM STDIN", "no end: zqxmarker"),
        ("COPY log (id, entry) FROM STDIN", "no end"),
    ] {
        let fail = frame(b'f', reason.as_bytes());
        let simple = batch(&|batch| {
            batch.query(copy);
        });
        let extended = batch(&|batch| {
            batch
                .parse("", copy, &[])
                .bind("", "", &[], Format::Text)
                .execute("", 0);
        });
        let synced = batch(&|batch| {
            batch.sync();
        });
        let data = batch(&|batch| {
            batch.copy_data(b"7\tharmless\n");
        });
        let done = batch(&|batch| {
            batch.copy_done();
        });
        let select = batch(&|batch| {
            batch.query("SELECT count(*) FROM people");
            batch.query("DELETE FROM people");
            batch.query("DELETE FROM log");
        });
        for parts in [
            &[&simple, &flush, &data, &sync, &done][..],
            &[&simple, &data, &fail],
            &[&extended, &flush, &data, &flush, &sync, &done, &synced],
            &[&extended, &synced, &flush, &sync, &data, &done, &synced],
            &[&extended, &data, &fail, &synced],
        ] {
            let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            bytes.extend_from_slice(&select);
            let plain = answers(&mut pair.plain, &bytes).await;
            let sealed = answers(&mut pair.sealed, &bytes).await;
            let shown = bytes.escape_ascii();
            assert_eq!(difference(&sealed, &plain, &[]), None, "{shown}");
        }
    }
    proxy.assert_absent(&["zqxmarker"]);
}
