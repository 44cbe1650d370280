//! COPY with encrypted columns among everything else that a session does: clients of their own
//! kind, errors in the middle, ends that come early, and what the server gets to see of it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/copying.rs"]
#[allow(dead_code, reason = "each test binary uses what it needs")]
mod copying;
#[path = "support/connections.rs"]
mod support;

use bytes::Bytes;
use copying::{Outcome, Start, copy_from, copy_to, frame, replies, start};
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::values::{TEXT_MARKER, markers};
use sealwire_testkit::fixture::wire::{Batch, Reply, WireClient};
use support::{code, everything, people};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::Type;

fn secret(tail: &str) -> String {
    format!("{TEXT_MARKER}-{tail}")
}

/// Every test talks to its server through a recorder, and ends with a search in what it recorded.
struct Recorded {
    fixture: Fixture,
    proxy: RecordingProxy,
}

impl Recorded {
    async fn new() -> Self {
        let fixture = Fixture::new(people()).await;
        let proxy = RecordingProxy::start(fixture.sealed()).await;
        Self { fixture, proxy }
    }

    fn url(&self) -> String {
        self.fixture.url_through(self.proxy.port())
    }

    async fn wire(&self) -> WireClient<support::Stream> {
        support::wire(&self.url()).await
    }

    fn assert_unseen(&self) {
        self.proxy.assert_absent(&markers());
    }
}

async fn status<S>(client: &mut WireClient<S>) -> char
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut batch = Batch::new();
    match client.exchange(batch.query("SELECT 1")).await.pop() {
        Some(Reply::Ready(status)) => status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tokio_postgres_copies_in_binary_and_in_text() {
    let recorded = Recorded::new().await;
    let client = support::connect(&recorded.url()).await;
    let sink = client
        .copy_in("COPY people (id, email, age, born, name) FROM STDIN BINARY")
        .await
        .unwrap();
    let types = [Type::INT8, Type::TEXT, Type::INT4, Type::DATE, Type::TEXT];
    let writer = BinaryCopyInWriter::new(sink, &types);
    pin_mut!(writer);
    for id in 0..5000_i64 {
        let email = secret(&id.to_string());
        let age = (id % 3 > 0).then_some(i32::try_from(id).unwrap());
        let none: Option<&str> = None;
        writer
            .as_mut()
            .write(&[&id, &email, &age, &Nothing, &none])
            .await
            .unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), 5000);

    let out = client
        .copy_out("COPY (SELECT id, email, age FROM people ORDER BY id) TO STDOUT (FORMAT binary)")
        .await
        .unwrap();
    let rows = BinaryCopyOutStream::new(out, &[Type::INT8, Type::TEXT, Type::INT4]);
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!(rows.len(), 5000);
    for (row, id) in rows.iter().zip(0..) {
        assert_eq!(row.get::<i64>(0), id);
        assert_eq!(row.get::<&str>(1), secret(&id.to_string()));
        let age = (id % 3 > 0).then_some(i32::try_from(id).unwrap());
        assert_eq!(row.get::<Option<i32>>(2), age);
    }

    // What was copied is what a parameter finds.
    let found = client
        .query_one("SELECT id FROM people WHERE email = $1", &[&secret("4711")])
        .await
        .unwrap();
    assert_eq!(found.get::<_, i64>(0), 4711);
    recorded.assert_unseen();
}

/// NULL of any type.
#[derive(Debug)]
struct Nothing;

impl tokio_postgres::types::ToSql for Nothing {
    fn to_sql(
        &self,
        _: &Type,
        _: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(tokio_postgres::types::IsNull::Yes)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Errors of the server and of the layer, each beside the plain twin: the same SQLSTATE and place,
/// and in a transaction the same end.
#[tokio::test]
async fn errors_in_the_middle_are_those_of_a_plain_table() {
    let recorded = Recorded::new().await;
    let mut sealed = recorded.wire().await;
    let mut plain = recorded.fixture.plain_wire().await;
    let m = TEXT_MARKER;
    let many: String = (10..400).map(|id| format!("{id}\t{m}-{id}\t1\n")).collect();
    let cases = [
        ("22P02", format!("1\t{m}\t{m}\n")),
        ("22003", format!("1\t{m}\t1\n2\t\\N\t99999999999\n")),
        ("22P02", format!("1\t{m}\t1\nx\t\\N\t1\n")),
        ("22P04", format!("1\t{m}\t1\n2\t{m}-2\n")),
        ("22P04", format!("1\t{m}\t1\t{m}\n")),
        ("23505", format!("1\t{m}\t1\n2\t{m}\t1\n")),
        ("23505", format!("1\t{m}\t1\n1\t{m}-2\t1\n")),
        // The server's error is the first, however much follows it.
        ("22P02", format!("x\t{m}\t1\n{many}3\t{m}\t{m}\n")),
        ("22P02", format!("{many}3\t{m}\t{m}\n")),
        ("23505", format!("1\t{m}\t1\n1\t{m}\t1\n{many}")),
        ("23502", format!("\\N\t{m}\t1\n{many}")),
    ];
    let sql = "COPY people (id, email, age) FROM STDIN";
    for (expected, data) in &cases {
        for how in [Start::Simple, Start::Extended] {
            for open in [false, true] {
                for size in [7, 8192, usize::MAX] {
                    let pieces: Vec<&[u8]> = data.as_bytes().chunks(size.min(data.len())).collect();
                    if open {
                        sealed.query("BEGIN").await;
                        plain.query("BEGIN").await;
                    }
                    let (ours, theirs) = tokio::join!(
                        copy_from(&mut sealed, sql, how, &pieces),
                        copy_from(&mut plain, sql, how, &pieces)
                    );
                    assert_eq!(ours.code(), *expected, "{ours:?}");
                    assert_eq!(theirs.code(), *expected, "{theirs:?}");
                    assert_eq!(ours.status, theirs.status);
                    assert_eq!(place(&ours), place(&theirs), "{ours:?} {theirs:?}");
                    let shown = format!("{ours:?}");
                    assert!(!shown.contains(m), "{shown}");
                    if open {
                        assert_eq!(status(&mut sealed).await, 'E');
                        sealed.query("ROLLBACK").await;
                        plain.query("ROLLBACK").await;
                    }
                    assert_eq!(status(&mut sealed).await, 'I');
                }
            }
        }
    }
    let rows = sealed.query("SELECT count(*) FROM people").await;
    assert!(
        rows.contains(&Reply::Row(vec![Some(Bytes::from_static(b"0"))])),
        "{rows:?}"
    );
    recorded.assert_unseen();
}

/// Line and column of an error, without the value that PostgreSQL adds.
fn place(outcome: &Outcome) -> String {
    let context = outcome.error.as_ref().and_then(|error| error.get('W'));
    let context = context.unwrap_or_default();
    // Line numbers of constraint violations depend on how rows are batched; both have one.
    let end = context.find(':').unwrap_or(context.len());
    context[..end].to_owned()
}

#[tokio::test]
async fn a_copy_can_be_given_up() {
    let recorded = Recorded::new().await;
    let client = support::connect(&recorded.url()).await;
    let sql = "COPY people (id, email) FROM STDIN";
    {
        let sink = client.copy_in(sql).await.unwrap();
        pin_mut!(sink);
        let row = format!("1\t{}\n2\t{TEXT_MARKER}", secret("x"));
        sink.send(Bytes::from(row)).await.unwrap();
        // Dropped: tokio-postgres sends CopyFail.
    }
    let count = client.query_one("SELECT count(*) FROM people", &[]).await;
    assert_eq!(count.unwrap().get::<_, i64>(0), 0);

    // With words, which may be about a value.
    let mut sealed = recorded.wire().await;
    let mut plain = recorded.fixture.plain_wire().await;
    for how in [Start::Simple, Start::Extended] {
        let mut fail = frame(b'd', format!("1\t{}\n", secret("y")).as_bytes());
        fail.extend(frame(
            b'f',
            format!("cannot read {}\0", secret("z")).as_bytes(),
        ));
        if how == Start::Extended {
            fail.extend(frame(b'S', b""));
        }
        let ours = abandon(&mut sealed, sql, how, &fail).await;
        let theirs = abandon(&mut plain, sql, how, &fail).await;
        let fields = |outcome: &Outcome| {
            let error = outcome.error.clone().unwrap();
            ['S', 'C', 'M', 'W'].map(|field| error.get(field).map(str::to_owned))
        };
        assert_eq!(fields(&ours), fields(&theirs));
        assert_eq!(ours.code(), "57014");
    }
    recorded.assert_unseen();
}

async fn abandon<S>(client: &mut WireClient<S>, sql: &str, how: Start, end: &[u8]) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut outcome = Outcome::default();
    client.send(&start(sql, how)).await;
    assert!(replies(client, &mut outcome).await);
    client.send_bytes(end).await;
    assert!(!replies(client, &mut outcome).await);
    outcome
}

#[tokio::test]
async fn a_copy_can_be_cancelled() {
    let recorded = Recorded::new().await;
    recorded
        .fixture
        .prepare(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
               $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$; \
             CREATE TRIGGER wait BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION wait()",
        )
        .await;
    let mut client = recorded.wire().await;
    // The key is there afterwards, so that the row goes out with nobody reading replies.
    client
        .query("SELECT id FROM people WHERE email = 'x'")
        .await;
    let mut outcome = Outcome::default();
    let sql = "COPY people (id, email) FROM STDIN";
    client.send(&start(sql, Start::Extended)).await;
    assert!(replies(&mut client, &mut outcome).await);
    let row = frame(b'd', format!("1\t{}\n", secret("x")).as_bytes());
    client.send_bytes(&row).await;
    let owner = recorded.fixture.sealed().connect().await;
    let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity \
                  WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while owner.query_one(cancel, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    // The client does not know yet.
    let more = [row, frame(b'c', b""), frame(b'S', b"")].concat();
    client.send_bytes(&more).await;
    assert!(!replies(&mut client, &mut outcome).await);
    assert_eq!(outcome.code(), "57014", "{outcome:?}");
    assert!(outcome.error.unwrap().message().contains("user request"));
    assert_eq!(status(&mut client).await, 'I');
    recorded.assert_unseen();
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let recorded = Recorded::new().await;
    let mut client = recorded.wire().await;
    let mut outcome = Outcome::default();
    let sql = "COPY people (id, email) FROM STDIN";
    client.send(&start(sql, Start::Simple)).await;
    assert!(replies(&mut client, &mut outcome).await);
    let row = format!("1\t{}\n2\t{}", secret("x"), secret("y"));
    client.send_bytes(&frame(b'd', row.as_bytes())).await;
    drop(client);
    let owner = recorded.fixture.sealed().connect().await;
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY people%'";
    while owner.query_one(gone, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::task::yield_now().await;
    }
    let count = owner.query_one("SELECT count(*) FROM people", &[]).await;
    assert_eq!(count.unwrap().get::<_, i64>(0), 0);
    recorded.assert_unseen();
}

/// COPY between other statements of one Query, and two of them behind each other.
#[tokio::test]
async fn a_query_may_hold_copies_and_other_statements() {
    let recorded = Recorded::new().await;
    let mut sealed = recorded.wire().await;
    let mut plain = recorded.fixture.plain_wire().await;
    let sql = "INSERT INTO log (id, entry) VALUES (1, 'x'); COPY people (id, email) FROM STDIN; \
               SELECT id, email FROM people ORDER BY id; COPY log (id, entry) FROM STDIN CSV; \
               COPY people (email, id) TO STDOUT; COPY people (id, note) FROM STDIN (FORMAT csv); \
               SELECT note FROM people ORDER BY id; COPY log TO STDOUT";
    let m = TEXT_MARKER;
    let all = [
        format!("1\t{m}\n2\t\\N\n"),
        "2,plain\n".to_owned(),
        format!("3,\"{m}\"\n"),
    ];
    let ahead: Vec<u8> = all
        .iter()
        .flat_map(|data| [frame(b'd', data.as_bytes()), frame(b'c', b"")].concat())
        .collect();
    let mut batch = Batch::new();
    batch.query("TRUNCATE people, log").query(sql);
    let ours = exchange(&mut sealed, &batch, &ahead).await;
    let theirs = exchange(&mut plain, &batch, &ahead).await;
    assert_eq!(ours, theirs);
    let copied = |reply: &&Reply| matches!(reply, Reply::CopyData(_));
    assert_eq!(ours.iter().filter(copied).count(), 4);

    // An error in the first undoes everything, and data for the others goes nowhere.
    let wrong = [
        frame(b'd', format!("1\t{m}\t{m}\n").as_bytes()),
        frame(b'c', b""),
        ahead,
    ]
    .concat();
    let ours = exchange(&mut sealed, &batch, &wrong).await;
    let error = ours.iter().find_map(|reply| match reply {
        Reply::Error(error) => Some(error.code().to_owned()),
        _ => None,
    });
    assert_eq!(error.as_deref(), Some("22P04"));
    assert_eq!(status(&mut sealed).await, 'I');
    recorded.assert_unseen();
}

/// Sends two Queries with copy data right behind, and takes the replies up to the second end.
async fn exchange<S>(client: &mut WireClient<S>, batch: &Batch, data: &[u8]) -> Vec<Reply>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    client.send(batch).await;
    client.send_bytes(data).await;
    let mut all = Vec::new();
    let mut ready = 0;
    while ready < 2 {
        let mut reply = client.reply().await;
        if let Reply::Columns(fields) = &mut reply {
            // The tables differ in number between the databases, not in name.
            fields.iter_mut().for_each(|field| field.of_table = false);
        }
        ready += usize::from(matches!(reply, Reply::Ready(_)));
        all.push(reply);
    }
    all
}

/// Relations that are not plain tables: the columns are those of the relation that is named.
#[tokio::test]
async fn partitions_views_and_generated_columns_resolve() {
    let recorded = Recorded::new().await;
    let fixture = &recorded.fixture;
    fixture
        .prepare(
            "ALTER TABLE people ADD COLUMN twice int8 GENERATED ALWAYS AS (id * 2) STORED; \
             CREATE VIEW addresses AS SELECT id, email AS address FROM people; \
             CREATE FUNCTION store() RETURNS trigger LANGUAGE plpgsql AS $$ \
               BEGIN INSERT INTO people (id, email) VALUES (NEW.id, NEW.address); RETURN NEW; END $$; \
             CREATE TRIGGER store INSTEAD OF INSERT ON addresses FOR EACH ROW EXECUTE FUNCTION store(); \
             CREATE TABLE child () INHERITS (people)",
        )
        .await;
    let mut sealed = recorded.wire().await;
    let mut plain = fixture.plain_wire().await;
    let m = TEXT_MARKER;
    for (sql, data) in [
        (
            "COPY addresses (id, address) FROM STDIN",
            format!("1\t{m}\n"),
        ),
        (
            "COPY child (id, note, email) FROM STDIN",
            format!("2\t{m}\t{m}\n"),
        ),
        (
            "COPY people (email, id) FROM STDIN WHERE id > 3",
            format!("{m}-3\t3\n{m}-4\t4\n"),
        ),
    ] {
        let pieces = [data.as_bytes()];
        let ours = copy_from(&mut sealed, sql, Start::Extended, &pieces).await;
        let theirs = copy_from(&mut plain, sql, Start::Extended, &pieces).await;
        assert_eq!(ours, theirs, "{sql}");
        assert!(ours.error.is_none(), "{sql}: {ours:?}");
    }
    for sql in [
        "COPY people TO STDOUT",
        "COPY child TO STDOUT (FORMAT csv, HEADER)",
        "COPY (SELECT * FROM addresses ORDER BY id) TO STDOUT (FORMAT binary)",
        "COPY (UPDATE people SET note = 'x' RETURNING id, note) TO STDOUT",
        "COPY addresses TO STDOUT",
        "COPY people (twice) FROM STDIN",
        "COPY people (id, email, id) TO STDOUT",
        "COPY people (id, email) TO STDOUT (DELIMITER 'ab')",
        "COPY people (id, email) TO STDOUT (FORMAT csv, FORCE_NULL (email))",
        "COPY people (id, email) TO STDOUT (FORMAT csv, FORCE_QUOTE (note))",
        "COPY people (id, email) TO STDOUT (FORMAT csv, FORMAT csv)",
        "COPY people (id, email) TO STDOUT (FORMAT binary, NULL 'x')",
        "COPY people (id, email) FROM STDIN (FORMAT csv, QUOTE ',')",
    ] {
        let mut outcomes = Vec::new();
        for how in [Start::Simple, Start::Extended] {
            let ours = copy_to(&mut sealed, sql, how).await;
            let theirs = copy_to(&mut plain, sql, how).await;
            assert_eq!(ours.code(), theirs.code(), "{sql}: {ours:?} {theirs:?}");
            assert_eq!(ours.frames, theirs.frames, "{sql}");
            outcomes.push(ours);
        }
        assert_eq!(outcomes[0], outcomes[1], "{sql}");
    }
    recorded.assert_unseen();
}

#[tokio::test]
async fn a_marker_for_defaults_is_of_no_use_to_an_encrypted_column() {
    let recorded = Recorded::new().await;
    let mut sealed = recorded.wire().await;
    let mut plain = recorded.fixture.plain_wire().await;
    recorded
        .fixture
        .prepare("ALTER TABLE people ALTER COLUMN name SET DEFAULT 'nobody'")
        .await;
    let sql = "COPY people (id, email, name) FROM STDIN (DEFAULT '\\D')";
    let m = TEXT_MARKER;
    for data in [
        format!("1\t{m}\t\\D\n2\t\\\\D\t\\D\n"),
        format!("3\t{m}-3\tx\n4\t\\D\tx\n"),
    ] {
        let pieces = [data.as_bytes()];
        let ours = copy_from(&mut sealed, sql, Start::Simple, &pieces).await;
        let theirs = copy_from(&mut plain, sql, Start::Simple, &pieces).await;
        assert_eq!(ours.code(), theirs.code(), "{ours:?} {theirs:?}");
        assert_eq!(ours.tag, theirs.tag);
        let message = |outcome: &Outcome| outcome.error.as_ref().map(|e| e.message().to_owned());
        assert_eq!(message(&ours), message(&theirs));
    }
    let sql = "COPY people TO STDOUT";
    let ours = copy_to(&mut sealed, sql, Start::Simple).await;
    assert_eq!(ours, copy_to(&mut plain, sql, Start::Simple).await);
    recorded.assert_unseen();
}

/// The texts of errors that the layer makes carry no value, and the manifest's refusals come first.
#[tokio::test]
async fn results_only_opens_and_does_not_seal() {
    let recorded = Recorded::new().await;
    let writer = support::connect(&recorded.url()).await;
    let insert = "INSERT INTO people (id, email) VALUES (1, $1)";
    writer.execute(insert, &[&secret("x")]).await.unwrap();
    let url = recorded.url().replace(
        "column_encryption=enabled",
        "column_encryption=results_only",
    );
    let client = support::connect(&url).await;
    let sql = "COPY people (id, email) FROM STDIN";
    let Err(error) = client.copy_in::<_, Bytes>(sql).await else {
        panic!("a COPY was begun");
    };
    assert_eq!(code(&error), "0A000", "{}", everything(&error));
    let out = client
        .copy_out("COPY people (email) TO STDOUT")
        .await
        .unwrap();
    let frames: Vec<Bytes> = out.try_collect().await.unwrap();
    assert_eq!(frames.concat(), format!("{}\n", secret("x")).as_bytes());
    recorded.assert_unseen();
}
