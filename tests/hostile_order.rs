//! Orders of messages in which the session could lose track of what a name of the protocol means to
//! the server, and take a value for one that goes to something plain.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use support::people;

/// The value that must not be seen.
const MARKER: &str = "zqxmarker-o";
const SELECT: &str = "SELECT id FROM people WHERE email = $1";
const COPY: &str = "COPY people (id, email) FROM STDIN";

fn raw(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &len.to_be_bytes(), body].concat()
}

/// Both twins behind one recording.
struct Twins {
    fixture: Fixture,
    proxy: RecordingProxy,
    pair: support::Sealed,
}

impl Twins {
    async fn new() -> Self {
        let fixture = Fixture::new(people()).await;
        let proxy = RecordingProxy::start(fixture.sealed()).await;
        let mut pair = support::Sealed::new(&fixture, &fixture.url_through(proxy.port())).await;
        pair.both("INSERT INTO people (id, email) VALUES (1, 'zqxmarker-o')")
            .await;
        Self {
            fixture,
            proxy,
            pair,
        }
    }

    /// Another connection, for names of its own.
    async fn again(&mut self) {
        let url = self.fixture.url_through(self.proxy.port());
        self.pair = support::Sealed::new(&self.fixture, &url).await;
    }

    async fn same(&mut self, batch: &Batch, what: &str) -> Vec<Reply> {
        let (mut sealed, mut plain) = self.pair.exchange(batch).await;
        // The twins' owners have names of their own, which `DISCARD ALL` reports.
        let is_owner = |reply: &Reply| matches!(reply, Reply::Setting(name, _) if name == "session_authorization");
        for replies in [&mut sealed, &mut plain] {
            replies.retain(|reply| !is_owner(reply));
        }
        assert_eq!(difference(&sealed, &plain, &[]), None, "{what}");
        sealed
    }

    /// Bytes that are answered by so many ReadyForQuery.
    async fn same_bytes(&mut self, bytes: &[u8], ready: usize, what: &str) {
        let mut all = Vec::new();
        self.pair.sealed.send_bytes(bytes).await;
        self.pair.plain.send_bytes(bytes).await;
        for sealed in [true, false] {
            let mut replies = Vec::new();
            let mut left = ready;
            while left > 0 {
                let reply = match sealed {
                    true => self.pair.sealed.reply().await,
                    false => self.pair.plain.reply().await,
                };
                left -= usize::from(matches!(reply, Reply::Ready(_)));
                replies.push(reply);
            }
            all.push(replies);
        }
        assert_eq!(difference(&all[0], &all[1], &[]), None, "{what}");
    }

    fn unseen(&self) {
        self.proxy.assert_absent(&["zqxmarker"]);
    }
}

fn prepared(name: &str, text: &str) -> Batch {
    let mut batch = Batch::new();
    batch.parse(name, text, &[]).sync();
    batch
}

/// Values for a statement that is thought of as before.
fn values(name: &str) -> Batch {
    let mut batch = Batch::new();
    batch
        .bind("", name, &[Param::text(MARKER)], Format::Text)
        .execute("", 0)
        .sync();
    batch
}

/// A text that is not in the client's encoding fails before PostgreSQL has looked at what it is for: the
/// unnamed statement stays.
#[tokio::test]
async fn a_text_in_no_encoding_leaves_the_unnamed_statement() {
    let mut twins = Twins::new().await;
    let sync = raw(b'S', b"");
    for (what, bytes) in [
        (
            "Parse",
            [raw(b'P', b"\0SELECT '\xff'\0\0\0"), sync.clone()].concat(),
        ),
        ("Query", raw(b'Q', b"SELECT '\xff'\0")),
        (
            "the name in Parse",
            [raw(b'P', b"\xff\0SELECT 1\0\0\0"), sync].concat(),
        ),
    ] {
        twins.same(&prepared("", SELECT), what).await;
        twins.same_bytes(&bytes, 1, what).await;
        twins.same(&values(""), what).await;
        // The same without waiting.
        twins.same(&prepared("", SELECT), what).await;
        let all = [&bytes[..], values("").bytes()].concat();
        twins.same_bytes(&all, 2, what).await;
    }
    // One that fails later takes it along.
    for text in ["SELECT FROM WHERE", "SELECT nothing"] {
        twins.same(&prepared("", SELECT), text).await;
        twins.same(&prepared("", text), text).await;
        twins.same(&values(""), text).await;
        twins.same(&prepared("", SELECT), text).await;
        let mut batch = Batch::new();
        batch.query(text);
        twins.same(&batch, text).await;
        twins.same(&values(""), text).await;
    }
    twins.unseen();
}

/// A Query that is empty, or fails before it is looked at, leaves the unnamed portal.
#[tokio::test]
async fn a_query_without_a_statement_leaves_the_unnamed_portal() {
    let mut twins = Twins::new().await;
    for text in ["", " ; ", "-- nothing"] {
        for together in [false, true] {
            let mut first = Batch::new();
            first.query("BEGIN");
            first
                .parse("", COPY, &[])
                .bind("", "", &[], Format::Text)
                .sync();
            let mut empty = Batch::new();
            empty.query(text);
            let mut copy = Batch::new();
            copy.execute("", 0)
                .copy_data(b"7\tzqxmarker-o\n")
                .copy_done()
                .sync()
                .query("ROLLBACK");
            twins.same(&first, text).await;
            if together {
                empty.append(&copy);
            } else {
                twins.same(&empty, text).await;
                empty = copy;
            }
            let replies = twins.same(&empty, text).await;
            assert!(
                replies.iter().any(|reply| matches!(reply, Reply::CopyIn)),
                "{text}: {replies:?}"
            );
        }
    }
    twins.unseen();
}

/// The unnamed statement is none that `DEALLOCATE ALL` knows of.
#[tokio::test]
async fn names_are_gone_as_far_as_the_server_lets_them_go() {
    let mut twins = Twins::new().await;
    for all in ["DEALLOCATE ALL", "DISCARD ALL", "DEALLOCATE PREPARE ALL"] {
        let mut batch = Batch::new();
        batch
            .parse("all", all, &[])
            .parse("named", SELECT, &[])
            .parse("", SELECT, &[])
            .sync()
            .bind("all", "all", &[], Format::Text)
            .execute("all", 0)
            .sync();
        twins.same(&batch, all).await;
        twins.same(&values(""), all).await;
        let mut gone = Batch::new();
        gone.bind("", "named", &[Param::text("harmless")], Format::Text)
            .sync();
        let replies = twins.same(&gone, all).await;
        assert!(
            matches!(&replies[0], Reply::Error(error) if error.code() == "26000"),
            "{all}: {replies:?}"
        );
    }
    twins.unseen();
}

/// Data that come when the client has asked for something else meanwhile.
#[tokio::test]
async fn copy_data_do_not_follow_another_statement() {
    let mut twins = Twins::new().await;
    let data = raw(b'd', b"7\tzqxmarker-o\n");
    let mut simple = Batch::new();
    simple.query(COPY);
    let mut other = Batch::new();
    other.query("SELECT 1");
    let mut extended = Batch::new();
    extended
        .parse("", COPY, &[])
        .bind("", "", &[], Format::Text)
        .execute("", 0);
    let mut other_extended = Batch::new();
    other_extended
        .parse("", "SELECT 1", &[])
        .bind("", "", &[], Format::Text)
        .execute("", 0);
    let mut call = Batch::new();
    call.call(1, &[]);
    for (first, second) in [
        (&simple, &other),
        (&simple, &call),
        (&extended, &other_extended),
        (&extended, &other),
    ] {
        twins.again().await;
        let bytes = [first.bytes(), second.bytes(), &data, &data].concat();
        twins.pair.sealed.send_bytes(&bytes).await;
        // What becomes of it is for the server to say, which may end the connection.
        loop {
            match twins.pair.sealed.reply().await {
                Reply::Error(_) => break,
                Reply::CopyIn | Reply::ParseComplete | Reply::BindComplete => {}
                other => panic!("{other:?}"),
            }
        }
    }
    twins.unseen();
}

/// A plain statement without a name that is kept over definitions of the session's own.
#[tokio::test]
async fn the_unnamed_statement_is_not_plain_for_ever() {
    let mut twins = Twins::new().await;
    twins
        .pair
        .both("CREATE TABLE turned (id int8, email text)")
        .await;
    let turn = |definitions: &[&str]| {
        let mut batch = Batch::new();
        for text in definitions {
            batch
                .parse("define", text, &[])
                .bind("define", "define", &[], Format::Text)
                .execute("define", 0)
                .close(b'P', "define")
                .close(b'S', "define");
        }
        batch.sync();
        batch
    };
    let look = "SELECT id FROM turned WHERE email = $1";
    twins.same(&prepared("", look), "prepared").await;
    let mut harmless = Batch::new();
    harmless
        .bind("", "", &[Param::text("harmless")], Format::Text)
        .execute("", 0)
        .sync();
    twins.same(&harmless, "plain").await;
    let other = turn(&["CREATE TABLE unrelated (id int8)", "DROP TABLE unrelated"]);
    twins.same(&other, "others").await;
    twins.same(&harmless, "plain still").await;
    let changed = turn(&[
        "DROP TABLE turned",
        "CREATE VIEW turned AS SELECT id, email FROM people",
    ]);
    let (sealed, plain) = twins.pair.exchange(&changed).await;
    assert_eq!(difference(&sealed, &plain, &[]), None);
    let (sealed, _) = twins.pair.exchange(&values("")).await;
    let refused = |reply: &Reply| matches!(reply, Reply::Error(error) if error.is_refusal());
    assert!(sealed.iter().any(refused), "{sealed:?}");
    twins.same(&prepared("", look), "prepared again").await;
    twins.same(&values(""), "protected").await;
    twins.unseen();
}

/// A plain statement whose text is in another encoding, so that nobody here can tell its words.
#[tokio::test]
async fn a_statement_in_another_encoding_is_not_plain_for_ever() {
    let mut twins = Twins::new().await;
    for sql in [
        "CREATE TABLE turned (id int8, email text, name text)",
        "SET client_encoding = 'LATIN1'",
    ] {
        twins.pair.both(sql).await;
    }
    let text = b"q\0SELECT id FROM turned WHERE email = $1 AND name <> '\xe9'\0\0\0";
    let bytes = [raw(b'P', text), raw(b'S', b"")].concat();
    twins.same_bytes(&bytes, 1, "prepared").await;
    let mut harmless = Batch::new();
    harmless
        .bind("", "q", &[Param::text("harmless")], Format::Text)
        .execute("", 0)
        .sync();
    twins.same(&harmless, "plain").await;
    let mut turned = Batch::new();
    turned
        .query("SET client_encoding = 'UTF8'")
        .query("DROP TABLE turned")
        .query("CREATE VIEW turned AS SELECT id, email, name FROM people")
        .query("SET client_encoding = 'LATIN1'");
    twins.same(&turned, "turned").await;
    let (sealed, _) = twins.pair.exchange(&values("q")).await;
    let refused = |reply: &Reply| matches!(reply, Reply::Error(error) if error.is_refusal());
    assert!(sealed.iter().any(refused), "{sealed:?}");
    twins.unseen();
}

/// One name has other bytes in another encoding.
#[tokio::test]
async fn a_name_is_found_in_another_encoding() {
    const NAME: &str = "größe";
    const LATIN: &[u8] = b"gr\xf6\xdfe";
    let mut twins = Twins::new().await;
    let mut batch = Batch::new();
    batch.query("BEGIN");
    batch.parse(NAME, SELECT, &[]);
    batch.parse("copy", COPY, &[]);
    batch.bind(NAME, "copy", &[], Format::Text).sync();
    batch.query("SET client_encoding = 'LATIN1'");
    batch.query("SAVEPOINT a");
    twins.same(&batch, "prepared").await;
    let bind = |value: &[u8]| {
        let len = u32::try_from(value.len()).unwrap().to_be_bytes();
        let body = [b"\0", LATIN, b"\0\0\0\0\x01", &len, value, b"\0\0"].concat();
        raw(b'B', &body)
    };
    let sync = raw(b'S', b"");
    let execute = raw(b'E', &[LATIN, b"\0\0\0\0\0"].concat());
    let unnamed = raw(b'E', b"\0\0\0\0\0");
    let data = [raw(b'd', b"7\tzqxmarker-o\n"), raw(b'c', b"")].concat();
    for bytes in [
        [bind(MARKER.as_bytes()), unnamed, sync.clone()].concat(),
        [execute, data, sync].concat(),
    ] {
        twins.pair.sealed.send_bytes(&bytes).await;
        let mut replies = Vec::new();
        while !matches!(replies.last(), Some(Reply::Ready(_))) {
            replies.push(twins.pair.sealed.reply().await);
        }
        let refused = |reply: &Reply| matches!(reply, Reply::Error(error) if error.is_refusal());
        assert!(replies.iter().any(refused), "{replies:?}");
        let mut back = Batch::new();
        back.query("ROLLBACK TO a");
        twins.pair.sealed.exchange(&back).await;
    }
    // In the encoding that they were given in they are what they were.
    let mut batch = Batch::new();
    batch.query("SET client_encoding = 'UTF8'");
    batch.append(&values(NAME)).query("ROLLBACK");
    twins.same(&batch, "found again").await;
    twins.unseen();
}

/// A function may set how texts are read and values written, which the server says only once it is done.
#[tokio::test]
async fn what_a_function_sets_counts_for_what_is_on_its_way() {
    // With backslashes the string ends after `' || '`.
    const BACKSLASH: &str = r"SELECT '\' || ' , id FROM people WHERE email = $$zqxmarker-o$$ --'";
    const BORN: &str = "INSERT INTO people (id, born) VALUES (7, '02/01/2020') RETURNING born";
    let mut twins = Twins::new().await;
    twins
        .fixture
        .prepare(
            "CREATE FUNCTION strings() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                 SET standard_conforming_strings = off; RETURN 1; END $$;
             CREATE FUNCTION encoded() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                 SET NAMES 'GBK'; RETURN 1; END $$;
             CREATE FUNCTION dated() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                 SET DateStyle = 'ISO, DMY'; RETURN 1; END $$;
             CREATE FUNCTION zoned() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                 SET LOCAL TIME ZONE 'Asia/Tokyo'; RETURN 1; END $$",
        )
        .await;
    for (call, text, is_refused) in [
        ("SELECT strings()", BACKSLASH, true),
        (
            "SELECT encoded()",
            r"SELECT E'あ\', id FROM people WHERE email = $$zqxmarker-o$$ --'",
            true,
        ),
        ("SELECT dated()", BORN, false),
    ] {
        twins.again().await;
        let mut batch = Batch::new();
        batch.query(call).query(text);
        let (sealed, plain) = twins.pair.exchange(&batch).await;
        let refused = |reply: &Reply| matches!(reply, Reply::Error(error) if error.is_refusal());
        assert_eq!(sealed.iter().any(refused), is_refused, "{call}: {sealed:?}");
        if !is_refused {
            assert_eq!(difference(&sealed, &plain, &[]), None, "{call}");
        }
    }
    twins.unseen();
}

/// What the session asks the server is read by it in one way, whatever is set.
#[tokio::test]
async fn functions_are_known_whatever_strings_mean() {
    let mut twins = Twins::new().await;
    twins
        .fixture
        .prepare(
            "CREATE FUNCTION make() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                 EXECUTE 'CREATE VIEW turned AS SELECT id, email FROM peo' || 'ple'; RETURN 1; END $$",
        )
        .await;
    twins.again().await;
    let mut batch = Batch::new();
    batch
        .query("SET standard_conforming_strings = off")
        .query("DO $$ BEGIN END $$")
        .query("SELECT 1")
        .query("SET standard_conforming_strings = on")
        .query("SELECT 2");
    twins.same(&batch, "set").await;
    let mut batch = Batch::new();
    batch
        .query("SELECT make()")
        .query("SELECT id FROM turned WHERE email = 'zqxmarker-o'");
    twins.same(&batch, "made").await;
    twins.unseen();
}
