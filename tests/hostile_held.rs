//! Functions that take or return cells, and types that hold some, in statements that name no
//! protected relation: no value of the client's reaches the server by them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use support::people;

/// The value that must not be seen.
const MARKER: &str = "zqxmarker-f";

/// What both databases have beside the tables, made without Sealwire.
const SETUP: &str = "
    CREATE TYPE pair AS (a text, b sealwire.deterministic);
    CREATE DOMAIN mail AS sealwire.deterministic;
    CREATE DOMAIN pairs_domain AS pair;
    CREATE TABLE pairs (id int8, x pair, many pair[]);
    CREATE TABLE keyed (id int8 PRIMARY KEY, x pair);
    CREATE TABLE copies (id int8, whole people);
    CREATE TYPE bare AS (a text);
    CREATE TABLE bares (x bare);
    CREATE TABLE plain_pairs (id int8, a text, b text);
    CREATE VIEW shown AS SELECT id, email AS mail, name FROM people;
    CREATE VIEW unshown AS SELECT id, name FROM people;
    CREATE SCHEMA other;
    CREATE FUNCTION all_people() RETURNS SETOF people LANGUAGE sql AS 'SELECT * FROM people';
    CREATE FUNCTION person(int8) RETURNS people LANGUAGE sql AS 'SELECT * FROM people WHERE id = $1';
    CREATE FUNCTION all_shown() RETURNS SETOF shown LANGUAGE sql AS 'SELECT * FROM shown';
    CREATE FUNCTION all_unshown() RETURNS SETOF unshown LANGUAGE sql AS 'SELECT * FROM unshown';
    CREATE FUNCTION other.people_of(int8) RETURNS SETOF people LANGUAGE sql AS 'SELECT * FROM people';
    CREATE FUNCTION mails() RETURNS TABLE (id int8, addr sealwire.deterministic) LANGUAGE sql
        AS 'SELECT id, email FROM people';
    CREATE FUNCTION mails_out(OUT id int8, OUT addr mail) RETURNS SETOF record LANGUAGE sql
        AS 'SELECT id, email::mail FROM people';
    CREATE FUNCTION mail_of(int8) RETURNS sealwire.deterministic LANGUAGE sql
        AS 'SELECT email FROM people WHERE id = $1';
    CREATE FUNCTION list_of() RETURNS mail[] LANGUAGE sql AS 'SELECT array_agg(email::mail) FROM people';
    CREATE FUNCTION all_pairs() RETURNS SETOF pair LANGUAGE sql AS 'SELECT (name, email)::pair FROM people';
    CREATE FUNCTION loose() RETURNS SETOF record LANGUAGE sql AS 'SELECT id, email FROM people';
    CREATE FUNCTION either(int8) RETURNS SETOF people LANGUAGE sql AS 'SELECT * FROM people';
    CREATE FUNCTION either(text) RETURNS SETOF shown LANGUAGE sql AS 'SELECT * FROM shown';
    CREATE FUNCTION same_as(anyelement) RETURNS SETOF anyelement LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION takes(e sealwire.deterministic) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION takes_row(p people) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION takes_pair(n int, p pair) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION takes_many(n int, VARIADIC e mail[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE stores(e mail) LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION state(int, sealwire.deterministic) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE counts (sealwire.deterministic) (sfunc = state, stype = int, initcond = '0');
    CREATE FUNCTION lower(sealwire.deterministic) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
    CREATE FUNCTION harmless(int8) RETURNS SETOF log LANGUAGE sql AS 'SELECT * FROM log';
    CREATE FUNCTION entry(int8) RETURNS text LANGUAGE sql AS 'SELECT entry FROM log WHERE id = $1'";

const ROWS: [&str; 2] = [
    "INSERT INTO people (id, email, phone, age, note, name) VALUES \
     (1, 'zqxmarker-f', '1', 1, 'n', 'n1'), (2, 'b', '2', 2, 'o', 'n2')",
    "INSERT INTO log VALUES (1, 'e1'), (2, 'e2')",
];

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    /// As on the plain twin.
    Same,
    /// It works, and cells come back as they are.
    Works,
}
use Outcome::{Refused, Same, Works};

/// Statements, each in a message of its own; `{m}` is a value.
type Scenario = (Outcome, &'static [&'static str]);

/// The messages of a scenario: with literals, and with a parameter that no Describe asks about, the
/// statement being unnamed or not.
fn batches(texts: &[&str]) -> Vec<Batch> {
    let mut simple = Batch::new();
    for text in texts {
        simple.query(&text.replace("{m}", &format!("'{MARKER}'")));
    }
    let mut batches = vec![simple];
    let one = |text: &&str| !text.contains(';');
    if texts.iter().any(|text| text.contains("{m}")) && texts.iter().all(one) {
        for name in ["", "named"] {
            let mut batch = Batch::new();
            for text in texts {
                let values = match text.contains("{m}") {
                    true => vec![Param::text(MARKER)],
                    false => vec![],
                };
                batch.parse(name, &text.replace("{m}", "$1"), &[]);
                if !name.is_empty() {
                    batch.sync();
                }
                batch.bind("", name, &values, Format::Text);
                batch.execute("", 0).close(b'S', name).sync();
            }
            batches.push(batch);
        }
    }
    batches
}

async fn fixture() -> Fixture {
    let fixture = Fixture::new(people()).await;
    let plain = fixture.plain().connect().await;
    let domains = "CREATE SCHEMA IF NOT EXISTS sealwire; \
        CREATE DOMAIN sealwire.deterministic AS text; CREATE DOMAIN sealwire.randomized AS text";
    plain.batch_execute(domains).await.unwrap();
    fixture.prepare(SETUP).await;
    let mut pair = support::Sealed::new(&fixture, &fixture.url()).await;
    for sql in ROWS {
        let mut batch = Batch::new();
        batch.query(sql);
        let (sealed, plain) = pair.exchange(&batch).await;
        assert_eq!(difference(&sealed, &plain, &[]), None, "{sql}");
    }
    let rows = "INSERT INTO pairs SELECT id, ROW(name, email)::pair FROM people; \
        INSERT INTO copies SELECT id, people FROM people; \
        INSERT INTO plain_pairs VALUES (1, 'a', 'b')";
    fixture.prepare(rows).await;
    fixture
}

/// Runs scenarios, each in a transaction that is rolled back. The plain twin shows that they do what
/// they seem to.
async fn run(scenarios: &[Scenario]) {
    let fixture = fixture().await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let url = fixture.url_through(proxy.port());
    let mut pair = support::Sealed::new(&fixture, &url).await;
    let mut wrong = Vec::new();
    let mut sent = 0;
    for (expected, texts) in scenarios {
        for (way, batch) in batches(texts).iter().enumerate() {
            pair.both("BEGIN").await;
            let (sealed, plain) = pair.exchange(batch).await;
            let error = |replies: &[Reply]| {
                replies.iter().find_map(|reply| match reply {
                    Reply::Error(error) => Some(error.clone()),
                    _ => None,
                })
            };
            let refused = error(&sealed).is_some_and(|error| error.is_refusal());
            let outcome = match (refused, difference(&sealed, &plain, &[])) {
                (true, _) => Refused,
                (false, None) => Same,
                (false, Some(_)) => Works,
            };
            let recordings = proxy.recordings();
            let leaks = recordings.iter().map(|recording| {
                let text = String::from_utf8_lossy(&recording.to_server).into_owned();
                text.matches(MARKER).count()
            });
            let leaks: usize = leaks.sum();
            if error(&plain).is_some()
                || outcome != *expected
                || outcome == Works && error(&sealed).is_some()
                || leaks > sent
            {
                let leaked = leaks > sent;
                wrong.push(format!(
                    "{way} {texts:?}: {outcome:?}, leaked: {leaked}, {:?}, plain: {:?}",
                    error(&sealed),
                    error(&plain)
                ));
            }
            sent = leaks;
            pair.both("ROLLBACK").await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    proxy.assert_absent(&[MARKER]);
}

#[tokio::test]
async fn rows_of_a_protected_relation_are_its_rows_when_a_function_returns_them() {
    run(&[
        (Same, &["SELECT id FROM all_people() WHERE email = {m}"]),
        (Same, &["SELECT * FROM all_people() WHERE email = {m}"]),
        (Same, &["SELECT email FROM all_people() ORDER BY id"]),
        (Same, &["SELECT p.name FROM all_people() AS p WHERE p.email = {m}"]),
        (Same, &["SELECT id FROM public.all_people() WHERE email IN ({m}, 'b')"]),
        (Same, &["SELECT b FROM all_people() AS f (a, b) WHERE b = {m}"]),
        (Same, &["SELECT f.id FROM ROWS FROM (all_people(), harmless(1)) AS f (id, b, c, d, e, g, h, i, j) WHERE b = {m}"]),
        (Same, &["SELECT id, n FROM all_people() WITH ORDINALITY AS f (id, b, c, d, e, f, g, n) WHERE b = {m}"]),
        (Same, &["SELECT l.id, p.id FROM log l, LATERAL person(l.id) AS p WHERE p.email = {m}"]),
        (Same, &["SELECT p.id FROM all_people() p JOIN people q USING (email) WHERE q.email = {m}"]),
        (Same, &["SELECT id FROM log WHERE id IN (SELECT id FROM all_people() WHERE email = {m})"]),
        (Same, &["WITH w AS (SELECT * FROM all_people()) SELECT id FROM w WHERE email = {m}"]),
        (Same, &["UPDATE people SET name = 'x' FROM all_people() p WHERE p.id = people.id AND p.email = {m}"]),
        (Same, &["INSERT INTO log SELECT id + 70, name FROM all_people() WHERE email <> {m}"]),
        (Same, &["DELETE FROM log USING all_people() p WHERE p.id = log.id AND p.email = {m} RETURNING log.id"]),
        (Same, &["SELECT id FROM all_shown() WHERE mail = {m}"]),
        // The order of a view's columns is the server's word alone.
        (Works, &["SELECT m FROM all_shown() AS f (i, m)"]),
        (Refused, &["SELECT i FROM all_shown() AS f (i, m) WHERE m = {m}"]),
        (Same, &["SELECT count(*) FROM all_people() WHERE id > 1"]),
        (Same, &["EXPLAIN (COSTS OFF, VERBOSE OFF) SELECT id FROM log WHERE entry = 'x'"]),
        (Same, &["PREPARE q AS SELECT id FROM all_people() WHERE email = $1; EXECUTE q ('b')"]),
        (Same, &["DECLARE c CURSOR FOR SELECT id, email FROM all_people() WHERE email = 'b'", "FETCH ALL FROM c"]),
        // What the server would compute on cells.
        (Refused, &["SELECT id FROM all_people() WHERE email LIKE {m}"]),
        (Refused, &["SELECT id FROM all_people() WHERE lower(email::text) = {m}"]),
        (Refused, &["SELECT id FROM all_people() WHERE note = {m}"]),
        (Refused, &["SELECT id FROM all_people() p WHERE (p).email || '' = {m}"]),
        (Refused, &["SELECT id FROM all_people() p WHERE p::text = {m}"]),
    ])
    .await;
}

#[tokio::test]
async fn no_value_meets_other_cells_that_a_function_returns() {
    run(&[
        (Refused, &["SELECT id FROM mails() WHERE addr = {m}"]),
        (Refused, &["SELECT f.a FROM mails() AS f (a, b) WHERE f.b = {m}"]),
        (Refused, &["SELECT id FROM mails_out() WHERE addr = {m}"]),
        (Refused, &["SELECT mail_of(1) = {m}"]),
        (Refused, &["SELECT id FROM log WHERE mail_of(id) = {m}"]),
        (Refused, &["SELECT * FROM mail_of(1) WHERE mail_of = {m}"]),
        (Refused, &["SELECT * FROM mail_of(1) AS m WHERE m = {m}"]),
        (Refused, &["SELECT * FROM mail_of(1) AS f (m) WHERE m IN ({m})"]),
        (Refused, &["SELECT {m} = ANY (list_of())"]),
        (Refused, &["SELECT (list_of())[1] = {m}"]),
        (Refused, &["SELECT id FROM log WHERE coalesce(mail_of(id), {m}) IS NULL"]),
        (Refused, &["SELECT (person(1)).email = {m}"]),
        (Refused, &["SELECT id FROM log WHERE (public.person(id)).email = {m}"]),
        (Refused, &["SELECT a FROM all_pairs() WHERE b = {m}"]),
        (Refused, &["SELECT x FROM all_pairs() AS f (x, y) WHERE y = {m}"]),
        (Refused, &["SELECT id FROM loose() AS f (id int8, email sealwire.deterministic) WHERE email = {m}"]),
        (Refused, &["SELECT * FROM same_as(NULL::people) WHERE email = {m}"]),
        (Refused, &["SELECT * FROM same_as(NULL::shown) WHERE mail = {m}"]),
        (Refused, &["SELECT * FROM same_as(NULL::pair) AS f (a, b) WHERE b = {m}"]),
        (Refused, &["SELECT * FROM same_as(person(1)) WHERE email = {m}"]),
        (Refused, &["SELECT id FROM jsonb_populate_record(NULL::people, '{}') WHERE email = {m}"]),
        (Refused, &["SELECT '(a,zqxmarker-f)'::pair"]),
        (Refused, &["SELECT (ROW('a', {m})::pair).b"]),
        (Refused, &["SELECT id FROM other.people_of(1) WHERE note = {m}"]),
        (Refused, &["SELECT * FROM (SELECT (all_people()).*) s WHERE email = {m}"]),
        (Refused, &["SELECT all_people()::text LIKE {m}"]),
        (Refused, &["SELECT max(mail_of(id)::text) = {m} FROM log"]),
        (Refused, &["SELECT u FROM unnest(list_of()) AS u WHERE u = {m}"]),
        (Refused, &["SELECT count(*) FILTER (WHERE mail_of(id) = {m}) FROM log"]),
        (Refused, &["UPDATE log SET entry = 'x' WHERE mail_of(id) = {m}"]),
        (Refused, &["DELETE FROM log USING mails() m WHERE m.addr = {m}"]),
        (Refused, &["CREATE TEMP TABLE made AS SELECT id FROM mails() WHERE addr = 'zqxmarker-f'"]),
        (Refused, &["CREATE VIEW made AS SELECT id FROM mails() WHERE addr = 'zqxmarker-f'"]),
        (Refused, &["EXPLAIN SELECT id FROM mails() WHERE addr = 'zqxmarker-f'"]),
        (Refused, &["PREPARE q AS SELECT id FROM mails() WHERE addr = $1; EXECUTE q ('zqxmarker-f')"]),
        (Refused, &["DECLARE c CURSOR FOR SELECT id FROM mails() WHERE addr = 'zqxmarker-f'"]),
        (Refused, &["COPY (SELECT id FROM mails() WHERE addr = 'zqxmarker-f') TO STDOUT"]),
        (Refused, &["SELECT CASE mail_of(1) WHEN {m} THEN 1 END"]),
        (Refused, &["SELECT NULLIF(mail_of(1), {m}) IS NULL"]),
        (Refused, &["SELECT mail_of(1) IS NOT DISTINCT FROM {m}"]),
        (Refused, &["SELECT 1 WHERE {m} IN (SELECT addr FROM mails())"]),
        (Refused, &["SELECT addr FROM mails() UNION SELECT {m}"]),
        (Refused, &["SELECT id FROM mails() m NATURAL JOIN (SELECT {m} AS addr) s"]),
        (Refused, &["SELECT m.id FROM mails() m JOIN (VALUES ({m})) v (addr) USING (addr)"]),
        (Refused, &["WITH m AS MATERIALIZED (SELECT * FROM mails()) SELECT id FROM m WHERE addr = {m}"]),
        (Refused, &["SELECT array_position(list_of()::text[], {m})"]),
        (Refused, &["SELECT list_of()::text[] @> ARRAY[{m}]"]),
        (Refused, &["SELECT id FROM log WHERE EXISTS (SELECT FROM mails() WHERE addr = {m})"]),
        (Refused, &["SELECT m.addr = {m} FROM log l LEFT JOIN LATERAL mails() m ON true"]),
        (Refused, &["SELECT count(m) FILTER (WHERE m.addr = {m}) FROM mails() m"]),
        (Refused, &["SELECT m = ROW(1::int8, {m}::sealwire.deterministic) FROM mails() m"]),
        (Refused, &["SELECT count(*) FROM mails() GROUP BY addr HAVING addr = {m}"]),
        (Refused, &["SELECT id FROM mails() ORDER BY addr = {m}"]),
        (Refused, &["SELECT id FROM /* ( */ \"mails\" /* ' */ () WHERE addr = {m}"]),
        (Refused, &["SELECT id FROM U&\"m\\0061ils\"() WHERE addr = {m}"]),
        (Refused, &["SELECT id FROM Public.MAILS() WHERE ADDR = {m}"]),
        // What is plain of it.
        (Same, &["SELECT id FROM mails() WHERE id = 1"]),
        (Same, &["SELECT a FROM all_pairs() WHERE a = 'n1'"]),
        (Same, &["SELECT (person(1)).name = 'n1'"]),
        (Same, &["SELECT id FROM all_unshown() WHERE name = 'n1'"]),
        // And what compares nothing.
        (Works, &["SELECT NULL::people, NULL::pair, NULL::mail"]),
        (Works, &["SELECT * FROM same_as(NULL::people)"]),
        (Works, &["SELECT all_people()"]),
        (Works, &["SELECT (all_people()).*"]),
        (Works, &["SELECT mail_of(id) FROM log"]),
        (Works, &["SELECT mail_of(1)"]),
        (Works, &["SELECT * FROM mails()"]),
        (Works, &["SELECT * FROM all_pairs()"]),
        (Works, &["SELECT list_of()"]),
        (Works, &["SELECT * FROM mails() WHERE id = 2"]),
    ])
    .await;
}

#[tokio::test]
async fn no_value_is_passed_for_cells() {
    run(&[
        (Refused, &["SELECT takes({m})"]),
        (Refused, &["SELECT public.takes(e => {m})"]),
        (Refused, &["SELECT takes({m}::sealwire.deterministic)"]),
        (Refused, &["SELECT takes(CASE WHEN true THEN {m} END)"]),
        (
            Refused,
            &["SELECT takes_row(ROW(1, {m}, NULL, NULL, NULL, NULL, 'n'))"],
        ),
        (Refused, &["SELECT takes_row('(1,zqxmarker-f,,,,,n)')"]),
        (Refused, &["SELECT takes(e := {m})"]),
        (Refused, &["SELECT takes_pair(1, ROW('a', {m}))"]),
        (Refused, &["SELECT takes_pair(1, '(a,zqxmarker-f)')"]),
        (Refused, &["SELECT takes_many(1, 'b', {m})"]),
        (
            Refused,
            &["SELECT takes_many(1, VARIADIC ARRAY[{m}]::mail[])"],
        ),
        (Refused, &["SELECT counts({m})"]),
        (Refused, &["SELECT id FROM log WHERE takes({m}) = id"]),
        (Refused, &["CALL stores({m})"]),
        (
            Refused,
            &["CREATE TEMP TABLE made (n int DEFAULT takes('zqxmarker-f'))"],
        ),
        (
            Refused,
            &["ALTER TABLE log ADD CHECK (takes('zqxmarker-f') > 0)"],
        ),
        (Same, &["SELECT takes(NULL)"]),
        (Same, &["SELECT takes(mail_of(id)) FROM log"]),
        (Same, &["SELECT takes_pair(1, NULL)"]),
        // A function of the server's own, which a constant means.
        (Same, &["SELECT lower('ABC')"]),
    ])
    .await;
}

#[tokio::test]
async fn no_value_goes_to_columns_of_composite_types_with_cells() {
    run(&[
        (
            Refused,
            &["INSERT INTO pairs (id, x) VALUES (9, ROW('a', {m}))"],
        ),
        (
            Refused,
            &["INSERT INTO pairs (id, x) VALUES (9, ('a', {m})::pair)"],
        ),
        (
            Refused,
            &["INSERT INTO pairs (id, x) VALUES (9, '(a,zqxmarker-f)')"],
        ),
        (
            Refused,
            &["INSERT INTO pairs (id, x) VALUES (9, '(a,zqxmarker-f)'::pair)"],
        ),
        (
            Refused,
            &["INSERT INTO pairs (id, x) SELECT 9, '(a,zqxmarker-f)'::pair"],
        ),
        (Refused, &["INSERT INTO pairs (id, x.b) VALUES (9, {m})"]),
        (
            Refused,
            &["INSERT INTO pairs VALUES (9, NULL, ARRAY[ROW('a', {m})::pair])"],
        ),
        (Refused, &["UPDATE pairs SET x.b = {m}"]),
        (Refused, &["UPDATE pairs SET x = ROW('a', {m})"]),
        (Refused, &["UPDATE pairs SET many[1].b = {m}"]),
        (Refused, &["SELECT id FROM pairs WHERE (x).b = {m}"]),
        (Refused, &["SELECT id FROM pairs WHERE (pairs.x).b = {m}"]),
        (Refused, &["SELECT id FROM pairs WHERE (many[1]).b = {m}"]),
        (
            Refused,
            &["SELECT id FROM pairs WHERE x = ROW('a', {m})::pair"],
        ),
        (
            Refused,
            &["SELECT id FROM (SELECT id, (x).* FROM pairs) s WHERE b = {m}"],
        ),
        (
            Refused,
            &["INSERT INTO copies VALUES (9, ROW(1, {m}, NULL, NULL, NULL, NULL, 'n'))"],
        ),
        (Refused, &["UPDATE copies SET whole.email = {m}"]),
        (
            Refused,
            &["SELECT id FROM copies WHERE (whole).email = {m}"],
        ),
        (
            Refused,
            &["ALTER TABLE pairs ADD CHECK ((x).b <> 'zqxmarker-f') NOT VALID"],
        ),
        (
            Refused,
            &["ALTER TABLE pairs ALTER COLUMN x SET DEFAULT '(a,zqxmarker-f)'"],
        ),
        (
            Refused,
            &["CREATE TABLE made (x pair DEFAULT '(a,zqxmarker-f)')"],
        ),
        (
            Refused,
            &["CREATE TABLE made (x pairs_domain, CHECK ((x).b <> 'zqxmarker-f'))"],
        ),
        (
            Refused,
            &["ALTER TABLE log ADD COLUMN x pair DEFAULT '(a,zqxmarker-f)'"],
        ),
        (
            Refused,
            &["ALTER TABLE log ADD COLUMN x mail CHECK (x <> 'zqxmarker-f')"],
        ),
        (Refused, &["INSERT INTO keyed VALUES (1, NULL) ON CONFLICT (id) DO UPDATE SET x = ROW('a', {m})"]),
        (Refused, &["SELECT id FROM pairs ORDER BY (x).b = {m}"]),
        (Refused, &["ALTER TABLE log ALTER COLUMN entry TYPE pair USING ROW('a', 'zqxmarker-f')"]),
        (Refused, &["ALTER TABLE log ALTER COLUMN entry TYPE mail USING 'zqxmarker-f'"]),
        (Same, &["ALTER TABLE log ALTER COLUMN entry TYPE mail USING NULL"]),
        (
            Refused,
            &["CREATE TABLE made (x sealwire.deterministic DEFAULT 'zqxmarker-f')"],
        ),
        // What is plain of it.
        (Same, &["INSERT INTO pairs (id, x) VALUES (9, NULL)"]),
        (Same, &["INSERT INTO pairs (id) VALUES (9) RETURNING id"]),
        (Same, &["SELECT id, (x).a FROM pairs WHERE (x).a = 'n1'"]),
        (Same, &["SELECT (pairs.x).a FROM pairs ORDER BY id"]),
        (Same, &["SELECT (whole).name FROM copies ORDER BY id"]),
        (Same, &["UPDATE pairs SET id = id + 1 WHERE id = 1"]),
        (
            Same,
            &["INSERT INTO plain_pairs VALUES (2, 'pair', 'people')"],
        ),
        (
            Same,
            &[
                "CREATE TABLE made (id int8 DEFAULT 7, x pair)",
                "INSERT INTO made (x) VALUES (NULL)",
            ],
        ),
        (
            Same,
            &["CREATE TABLE made (x pair, y mail CHECK (y IS NOT NULL), n int CHECK (n > 0))"],
        ),
        (
            Same,
            &["ALTER TABLE log ADD COLUMN x pair, ADD COLUMN n int DEFAULT 5"],
        ),
        (Works, &["SELECT id, x FROM pairs ORDER BY id"]),
        (Works, &["SELECT (x).b, (x).* FROM pairs ORDER BY id"]),
        (Works, &["SELECT * FROM pairs WHERE id = 1"]),
        (Works, &["SELECT whole FROM copies"]),
    ])
    .await;
}

#[tokio::test]
async fn no_constant_is_given_to_a_type_with_cells() {
    run(&[
        (Refused, &["CREATE DOMAIN made AS sealwire.deterministic DEFAULT 'zqxmarker-f'"]),
        (Refused, &["CREATE DOMAIN made AS sealwire.deterministic CHECK (value <> 'zqxmarker-f')"]),
        (Refused, &["CREATE DOMAIN made AS mail DEFAULT 'zqxmarker-f'"]),
        (Refused, &["CREATE DOMAIN made AS pair CHECK ((value).b <> 'zqxmarker-f')"]),
        (Refused, &["ALTER DOMAIN mail SET DEFAULT 'zqxmarker-f'"]),
        (Refused, &["ALTER DOMAIN public.mail ADD CHECK (value <> 'zqxmarker-f')"]),
        (Refused, &["ALTER DOMAIN pairs_domain ADD CONSTRAINT c CHECK ((value).b <> 'zqxmarker-f') NOT VALID"]),
        (
            Refused,
            &["CREATE FUNCTION made(e mail DEFAULT 'zqxmarker-f') RETURNS int LANGUAGE sql AS 'SELECT 1'"],
        ),
        (Same, &["CREATE DOMAIN made AS sealwire.deterministic CHECK (value IS NOT NULL)"]),
        (Same, &["CREATE DOMAIN made AS mail NOT NULL"]),
        (Same, &["ALTER DOMAIN mail SET NOT NULL"]),
        (Same, &["ALTER DOMAIN mail DROP DEFAULT"]),
        (Same, &["CREATE DOMAIN made AS text DEFAULT 'mail'"]),
        (Same, &["CREATE DOMAIN made AS text", "ALTER DOMAIN made SET DEFAULT 'pair'"]),
    ])
    .await;
}

/// Within one text, and from one to the next of a session.
#[tokio::test]
async fn what_a_session_makes_is_known_to_its_next_statement() {
    run(&[
        (
            Refused,
            &["CREATE FUNCTION f() RETURNS SETOF people LANGUAGE sql AS 'SELECT * FROM all_people()'; \
               SELECT id FROM f() WHERE email = 'zqxmarker-f'"],
        ),
        (
            Same,
            &[
                "CREATE FUNCTION f() RETURNS SETOF people LANGUAGE sql AS 'SELECT * FROM all_people()'",
                "SELECT id FROM f() WHERE email = {m}",
            ],
        ),
        (
            Refused,
            &[
                "CREATE FUNCTION f() RETURNS TABLE (m mail) LANGUAGE sql AS 'SELECT addr FROM mails_out()'",
                "SELECT * FROM f() WHERE m = {m}",
            ],
        ),
        (
            Refused,
            &["CREATE FUNCTION f() RETURNS TABLE (m mail) LANGUAGE sql AS 'SELECT addr FROM mails_out()'; \
               SELECT * FROM f() WHERE m = 'zqxmarker-f'"],
        ),
        (
            Refused,
            &["ALTER FUNCTION all_people() RENAME TO f; SELECT id FROM f() WHERE email = 'zqxmarker-f'"],
        ),
        (
            Same,
            &["ALTER FUNCTION all_people() RENAME TO f", "SELECT id FROM f() WHERE email = {m}"],
        ),
        (
            Refused,
            &["ALTER FUNCTION mails() SET SCHEMA other; SELECT id FROM other.mails() WHERE addr = 'zqxmarker-f'"],
        ),
        (
            Refused,
            &["ALTER FUNCTION mails() SET SCHEMA other", "SELECT id FROM other.mails() WHERE addr = {m}"],
        ),
        (
            Refused,
            &["SET LOCAL search_path = other, public; SELECT id FROM people_of(1) WHERE email = 'zqxmarker-f'"],
        ),
        (
            Same,
            &["SET LOCAL search_path = other, public", "SELECT id FROM people_of(1) WHERE email = {m}"],
        ),
        (
            Refused,
            &["CREATE TYPE made AS (b sealwire.deterministic); CREATE TABLE t (x made); \
               INSERT INTO t VALUES (ROW('zqxmarker-f'))"],
        ),
        (
            Refused,
            &[
                "CREATE TYPE made AS (b sealwire.deterministic)",
                "CREATE TABLE t (x made)",
                "INSERT INTO t VALUES (ROW({m}))",
            ],
        ),
        (
            Refused,
            &["CREATE DOMAIN made AS mail; ALTER DOMAIN made SET DEFAULT 'zqxmarker-f'"],
        ),
        (
            Refused,
            &["CREATE DOMAIN made AS mail", "ALTER DOMAIN made SET DEFAULT 'zqxmarker-f'"],
        ),
        (
            Refused,
            &["CREATE DOMAIN made AS mail; CREATE TABLE t (x made DEFAULT 'zqxmarker-f')"],
        ),
        (
            Refused,
            &["ALTER TYPE bare ADD ATTRIBUTE b sealwire.deterministic; \
               INSERT INTO bares VALUES (ROW('a', 'zqxmarker-f'))"],
        ),
        (
            Refused,
            &["ALTER TYPE bare ADD ATTRIBUTE b sealwire.deterministic", "INSERT INTO bares VALUES (ROW('a', {m}))"],
        ),
        (
            Refused,
            &["ALTER DOMAIN mail RENAME TO made; CREATE TABLE t (x made DEFAULT 'zqxmarker-f')"],
        ),
        (
            Refused,
            &["CREATE VIEW w AS SELECT * FROM mails(); SELECT id FROM w WHERE addr = 'zqxmarker-f'"],
        ),
        (
            Refused,
            &["CREATE VIEW w AS SELECT * FROM mails()", "SELECT id FROM w WHERE addr = {m}"],
        ),
        (
            Refused,
            &["CREATE TEMP TABLE w AS SELECT * FROM mails()", "SELECT id FROM w WHERE addr = {m}"],
        ),
        (
            Refused,
            &[
                "CREATE FUNCTION pg_temp.f() RETURNS TABLE (m mail) LANGUAGE sql AS 'SELECT addr FROM mails_out()'",
                "SELECT * FROM pg_temp.f() WHERE m = {m}",
            ],
        ),
        // Migrations of what has nothing to do with values.
        (
            Same,
            &["CREATE TYPE made AS (b sealwire.deterministic); CREATE TABLE t (id int8 DEFAULT 1, x made); \
               CREATE FUNCTION f() RETURNS SETOF made LANGUAGE sql AS 'SELECT x FROM t'; \
               CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT g() + 1"],
        ),
    ])
    .await;
}

/// Columns, tables and aliases that are called like such functions and types.
#[tokio::test]
async fn other_things_of_the_same_names_are_not_disturbed() {
    run(&[
        (Same, &["SELECT entry AS mails, id AS takes FROM log WHERE entry = 'e1'"]),
        (Same, &["CREATE TEMP TABLE mails (takes text, pair text)", "INSERT INTO mails (takes, pair) VALUES ('a', 'b')", "SELECT pair FROM mails WHERE takes = 'a'"]),
        (Same, &["SELECT * FROM harmless(1) WHERE entry = 'e1'"]),
        (Same, &["SELECT entry(1) = 'e1'"]),
        (Same, &["SELECT 'all_people()'"]),
        (
            Refused,
            &[
                "CREATE TABLE mails (id int8, takes text)",
                "PREPARE q1 (text) AS SELECT id FROM mails WHERE takes = $1",
                "DROP TABLE mails",
                "CREATE VIEW mails AS SELECT id, email AS takes FROM people",
                "EXECUTE q1 ('zqxmarker-f')",
            ],
        ),
        (
            Same,
            &[
                "PREPARE q (text) AS SELECT entry AS takes FROM log WHERE entry = $1",
                "CREATE TABLE made (m mail)",
                "SELECT count(*) FROM people",
                "EXECUTE q ('e1')",
            ],
        ),
        (Same, &["WITH takes (deterministic) AS (VALUES ('a')) SELECT * FROM takes WHERE deterministic = 'a'"]),
    ])
    .await;
}

/// The protocol's own message for a call.
#[tokio::test]
async fn no_value_is_passed_for_cells_by_a_function_call() {
    let fixture = fixture().await;
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let mut sealed = support::wire(&fixture.url_through(proxy.port())).await;
    let owner = fixture.sealed().connect().await;
    let oid = async |name: &str| {
        let sql = format!("SELECT '{name}'::regprocedure::oid");
        owner.query_one(&sql, &[]).await.unwrap().get::<_, u32>(0)
    };
    let makes = "CREATE FUNCTION made(e mail) RETURNS int LANGUAGE sql AS 'SELECT 1'";
    for (made, name, is_refused) in [
        ("", "takes(sealwire.deterministic)", true),
        ("", "takes_row(people)", true),
        (makes, "made(mail)", true),
        ("", "entry(int8)", false),
        ("", "md5(text)", false),
    ] {
        // Its identifier is known once it is there; the session is told nothing but the text.
        if !made.is_empty() {
            assert!(matches!(sealed.query(made).await[..], [Reply::Complete(_)]));
        }
        let value = match name {
            "entry(int8)" => "1",
            "md5(text)" => "a",
            _ => MARKER,
        };
        let mut batch = Batch::new();
        batch.call(oid(name).await, &[value]);
        batch.query("SELECT 1");
        let replies = sealed.exchange(&batch).await;
        let refused = |reply: &Reply| matches!(reply, Reply::Error(error) if error.is_refusal());
        assert_eq!(
            replies.iter().any(refused),
            is_refused,
            "{name}: {replies:?}"
        );
        let failed = |reply: &Reply| matches!(reply, Reply::Error(error) if !error.is_refusal());
        assert!(!replies.iter().any(failed), "{name}: {replies:?}");
        // The session goes on.
        let complete = |reply: &Reply| matches!(reply, Reply::Complete(_));
        assert!(replies.iter().any(complete), "{name}: {replies:?}");
    }
    proxy.assert_absent(&[MARKER]);
}
