//! Traps of the lexer: texts that look like something else than the server reads in them.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/check.rs"]
mod check;
#[path = "common/schema.rs"]
mod schema;
#[path = "common/summary.rs"]
mod summary;

use sealwire_core::policy::{Mode, Policy};
use sealwire_sql::{
    Matcher, Protocol, Verdict, analyse, executed_with_values, folded, is_keyword, may_use_names,
    plain_definitions,
};
use summary::summary;

fn check(table: &[(&str, &str)]) {
    let world = schema::s1();
    check::check(&world, table);
}

#[test]
fn comments_operators_and_quotes_are_read_as_the_server_reads_them() {
    check(&[
        // A comment start ends an operator: there is a parameter here.
        (
            "SELECT id FROM users WHERE email <>/*'*/ $1 -- '",
            "seals $1",
        ),
        ("SELECT id FROM users WHERE email =--'\n $1", "seals $1"),
        (
            "SELECT id FROM users WHERE email = /* a /* nested */ ' */ $1",
            "seals $1",
        ),
        ("SELECT id FROM users /* email = 'x' */", "as written"),
        // `<=-` is not an operator: the minus belongs to the number.
        ("SELECT id FROM orders WHERE qty =-17", "seals 1 literal"),
        ("SELECT id FROM orders WHERE qty = - 17", "seals 1 literal"),
        ("SELECT id FROM orders WHERE qty = -(17)", "refused: Cast"),
        // `email = $1 ~~ x` is `email = ($1 ~~ x)`.
        (
            "SELECT id FROM users WHERE email = $1 ~~ name",
            "refused: MixedPlain",
        ),
        (
            "SELECT id FROM users WHERE email = $$a$1$$",
            "seals 1 literal",
        ),
        (
            "SELECT id FROM users WHERE email = $q$ 'x' $1 $q$",
            "seals 1 literal",
        ),
        (
            "SELECT id FROM users WHERE email = 'a\\' OR name = $1 --'",
            "seals 1 literal",
        ),
        (
            "SELECT id FROM users WHERE email = E'a\\' OR name = $1 --'",
            "seals 1 literal",
        ),
        (
            "SELECT id FROM users WHERE email = U&'d!0061t' UESCAPE '!'",
            "seals 1 literal",
        ),
        (
            "SELECT id FROM users WHERE email = 'a'\n\t'b' AND name = 'c'",
            "seals 1 literal",
        ),
        ("SELECT id FROM users WHERE email = N'a'", "refused: Cast"),
        ("SELECT \"ema\"\"il\" FROM users", "refused: Invalid"),
        ("SELECT 1 FROM \"users\" WHERE \"email\"=$1", "seals $1"),
        (
            "SELECT 1 FROM U&\"\\0075sers\" WHERE email = $1",
            "seals $1",
        ),
        (
            "SELECT 1 FROM U&\"!0075sers\" UESCAPE '!' WHERE email = $1",
            "seals $1",
        ),
        ("SELECT 1 FROM USERS WHERE eMaIl = $1", "seals $1"),
        // Only ASCII is folded.
        (
            "SELECT 1 FROM users WHERE \u{212A}ey = $1",
            "refused: Invalid",
        ),
        (
            "SELECT 'é', '🦭', id FROM users WHERE email = 'é' AND name = 'ü'",
            "seals 1 literal",
        ),
    ]);
}

#[test]
fn continued_escape_literals_follow_the_server() {
    // `E'…\'` goes on to the next quote.
    check(&[(
        "SELECT id FROM users WHERE email = E'a\\'b' AND name = $1",
        "seals 1 literal",
    )]);
    // An unterminated one cannot be read and names a protected relation.
    check(&[(
        "SELECT id FROM users WHERE email = E'a\\'",
        "refused: Syntax",
    )]);
}

#[test]
fn what_cannot_be_read_is_refused_only_if_it_names_a_protected_relation() {
    check(&[
        ("SELECT id FROM users WHERE", "refused: Syntax"),
        ("SELECT id FROM users WHERE email = 'x", "refused: Syntax"),
        ("SELECT id FROM superusers WHERE email = 'x", "untouched"),
        ("SELEKT 1", "untouched"),
        ("", "untouched"),
        (" ; ; ", "untouched"),
    ]);
}

#[test]
fn edits_stand_at_the_right_bytes_of_multibyte_text() {
    let world = schema::s1();
    let sql = "SELECT 'ß→', id FROM users WHERE name = 'é' AND email = 'ü' -- ñ";
    let Verdict::Planned(plan) = analyse(sql, Protocol::Extended, &world.context()) else {
        panic!("planned");
    };
    let ranges: Vec<&str> = plan
        .edits
        .iter()
        .map(|edit| &sql[edit.range.clone()])
        .collect();
    assert_eq!(ranges, ["'ü'"]);
}

#[test]
fn a_word_that_may_be_an_encrypted_column_must_be_understood() {
    check(&[
        (
            "SELECT id FROM users u WHERE email(u) = $1",
            "refused: WholeRow",
        ),
        // No whole row, but the name of an encrypted column as a function.
        (
            "SELECT email(id) FROM users",
            "refused: UnsupportedConstruct",
        ),
        ("SELECT public.email(id) FROM users", "as written"),
        (
            "SELECT (f(id)).email FROM users",
            "refused: UnsupportedConstruct",
        ),
        ("SELECT f(email => id) FROM users", "as written"),
        // A function may return rows of the relation.
        (
            "SELECT f.id FROM users u JOIN f() ON f.id = u.id WHERE f.email = 'x'",
            "refused: UnsupportedConstruct",
        ),
        (
            "SELECT u.id FROM users u, f() WHERE ssn IS NULL OR f.ssn = 'x'",
            "refused: UnsupportedConstruct",
        ),
        (
            "SELECT u.id FROM users u, f() AS f (id, email) WHERE f.email = 'x'",
            "as written",
        ),
        (
            "SELECT u.id FROM users u, f() WHERE f.name = 'x'",
            "as written",
        ),
        (
            "SELECT id AS email, email AS id FROM users ORDER BY email",
            "opens 2",
        ),
        ("SELECT 1 AS email FROM users", "as written"),
        ("SELECT 'email' FROM users", "as written"),
        (
            "SELECT id FROM users WINDOW email AS (ORDER BY id)",
            "as written",
        ),
    ]);
}

#[test]
fn a_column_called_like_a_new_keyword_is_caught() {
    let spec = (
        "public",
        "logs",
        "system_user",
        Mode::Deterministic,
        "su",
        "text",
    );
    let day = ("public", "logs", "day", Mode::Deterministic, "day", "text");
    let columns = vec![schema::column(spec), schema::column(day)];
    let policy = Policy::new(1, vec![schema::cek()], columns, vec![]).unwrap();
    let columns = [
        ("id", "int8"),
        ("system_user", "det"),
        ("day", "det"),
        ("at", "text"),
    ];
    let table = sealwire_core::catalogue::RelationKind::Table;
    let world = schema::world(
        policy,
        vec![schema::relation(1, "public", "logs", table, &columns)],
    );
    // A column to PostgreSQL 15, a function to 16: the grammar of the one must not decide.
    let unquoted = "SELECT id FROM logs WHERE system_user = $1";
    assert_eq!(summary(&world, unquoted), "refused: UnsupportedConstruct");
    let quoted = "SELECT id FROM logs WHERE \"system_user\" = $1";
    assert_eq!(summary(&world, quoted), "seals $1");
    let field = "SELECT extract(day FROM at) FROM logs WHERE day = $1";
    assert_eq!(summary(&world, field), "seals $1");
    assert!(is_keyword("system_user") && is_keyword("SELECT"));
    assert!(!is_keyword("email") && !is_keyword("name") && !is_keyword("key"));
}

#[test]
fn a_column_called_like_a_reserved_keyword_does_not_forbid_the_keyword() {
    let spec = ("public", "t", "order", Mode::Deterministic, "o", "text");
    let policy = Policy::new(1, vec![schema::cek()], vec![schema::column(spec)], vec![]).unwrap();
    let table = sealwire_core::catalogue::RelationKind::Table;
    let columns = [("id", "int8"), ("order", "det")];
    let world = schema::world(
        policy,
        vec![schema::relation(1, "public", "t", table, &columns)],
    );
    let keyword = "SELECT \"order\" FROM t WHERE t.order = $1 ORDER BY id";
    assert_eq!(summary(&world, keyword), "seals $1; opens 1");
    // A label takes nothing away from a word that is not understood.
    let field = "SELECT (f(id)).order, 1 AS order FROM t ORDER BY id";
    assert_eq!(summary(&world, field), "refused: UnsupportedConstruct");
}

#[test]
fn the_matcher_reads_names_and_code_but_not_data() {
    let world = schema::s1();
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    for sql in [
        "SELECT * FROM users",
        "select * from \"users\"",
        "SELECT * FROM U&\"user\\0073\"",
        "TABLE v_join",
        "INSERT INTO events_p1 VALUES (1)",
        "DO $$ BEGIN DELETE FROM Users; END $$",
        "DO 'BEGIN DELETE FROM us'\n'ers; END'",
        "DO E'BEGIN DELETE FROM us\\x65rs; END'",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'TABLE \"users\"'",
        "SELECT 'unterminated users",
        "SELECT query_to_xml('TABLE users', true, false, '')",
        "SELECT * FROM PG_CATALOG.TS_STAT($$SELECT vector FROM v_join$$)",
        // As SQL spells it, in code and in the strings of code.
        "DO $$ BEGIN DELETE FROM U&\"us\\0065rs\"; END $$",
        "DO $a$ BEGIN EXECUTE E'DELETE FROM us\\x65rs'; END $a$",
        "DO $a$ BEGIN EXECUTE $b$ DELETE FROM U&\"us!0065rs\" UESCAPE '!' $b$; END $a$",
    ] {
        assert!(matcher.mentions(sql), "{sql}");
    }
    for sql in [
        "SELECT 'users', $$users$$ FROM logs -- users /* users */",
        "SELECT * FROM superusers JOIN users_old USING (id)",
        "SELECT * FROM \"Users\"",
        "DO $$ BEGIN DELETE FROM superusers; END $$",
        "DO $a$ BEGIN EXECUTE E'DELETE FROM superus\\x65rs' || $b$ '' $b$; END $a$",
        "SELECT 'users', query_to_xmlattributes('TABLE users', true, false, '')",
        "SELECT 'users', query_to_xml('TABLE logs', true, false, '')",
        "SELECT 'unterminated",
        "BEGIN",
        "",
    ] {
        assert!(!matcher.mentions(sql), "{sql}");
    }
}

#[test]
fn a_name_with_a_quote_in_it_is_found_in_code() {
    let spec = ("public", "a\"b'c", "e", Mode::Deterministic, "e", "text");
    let policy = Policy::new(1, vec![schema::cek()], vec![schema::column(spec)], vec![]).unwrap();
    let world = schema::world(policy, vec![]);
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    for (sql, mentions) in [
        ("TABLE \"a\"\"b'c\"", true),
        ("DO $$ BEGIN TRUNCATE \"a\"\"b'c\"; END $$", true),
        ("DO 'BEGIN TRUNCATE \"a\"\"b''c\"; END'", true),
        ("DO $$ BEGIN EXECUTE 'TRUNCATE \"a\"\"b''c\"'; END $$", true),
        ("DO $$ BEGIN TRUNCATE \"a\"\"b\"; END $$", false),
    ] {
        assert_eq!(matcher.mentions(sql), mentions, "{sql}");
    }
}

/// What PostgreSQL makes of these names in a database of LATIN1 with a German locale, and of LATIN5 with
/// the Turkish one.
#[test]
fn letters_that_some_servers_fold_are_found() {
    let spec = |table| ("public", table, "e", Mode::Deterministic, "e", "text");
    let columns = ["ärzte", "ilk"].map(|table| schema::column(spec(table)));
    let policy = Policy::new(1, vec![schema::cek()], columns.into(), vec![]).unwrap();
    let world = schema::world(policy, vec![]);
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    for (sql, found) in [
        ("SELECT * FROM ÄRZTE", true),
        ("SELECT * FROM Ärzte", true),
        ("SELECT * FROM İLK", true),
        ("DO $$ BEGIN DELETE FROM ÄRZTE; END $$", true),
        ("SELECT query_to_xml('TABLE ÄRZTE', true, false, '')", true),
        ("SELECT Ä FROM ärzte", true),
        ("SELECT Ä FROM ilk WHERE e = 'x", true),
        ("SELECT * FROM ärzte", false),
        ("SELECT * FROM ilk WHERE e = 'Ä' -- Ä", false),
        ("SELECT \"Ä\" FROM ärzte", false),
        ("SELECT U&\"\\00c4Ä\" FROM ärzte", false),
        ("SELECT 'ÄRZTE', $$ÄRZTE$$ FROM Ö", false),
        ("SELECT Ä FROM Ö", false),
    ] {
        let mentions = folded(sql).is_some_and(|folded| matcher.mentions_folded(sql, &folded));
        assert_eq!(mentions, found, "{sql}");
    }
}

#[test]
fn strings_of_strings_are_not_read_for_ever() {
    let world = schema::s1();
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    let nested = |levels: usize| {
        let tag = |at| format!("${}$", "t".repeat(at));
        let tags: String = (1..=levels).map(tag).collect();
        let ends: String = (1..=levels).rev().map(tag).collect();
        format!("DO {tags} SELECT 1 {ends}")
    };
    assert!(!matcher.mentions(&nested(5)));
    assert!(matcher.mentions(&nested(200)));
}

#[test]
fn one_reading_tells_what_the_single_tests_tell() {
    let world = schema::s1();
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    let mut seen = std::collections::HashSet::new();
    let mut check = |sql: &str| {
        let reading = matcher.read(sql, |_| ());
        assert_eq!(reading.mentions, matcher.mentions(sql), "{sql}");
        assert_eq!(reading.naming.any, may_use_names(sql), "{sql}");
        // No is a proof.
        let executes = !executed_with_values(sql).is_empty();
        assert!(reading.naming.executes || !executes, "{sql}");
        let defines = !plain_definitions(sql).is_empty();
        assert!(reading.naming.defines || !defines, "{sql}");
        seen.insert((reading.mentions, reading.naming.any, reading.unreadable));
    };
    let corpus = include_str!("../../../tests/corpus/s1.jsonl").lines();
    let corpus = corpus.skip(1).map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["sql"].as_str().unwrap().to_owned()
    });
    let more = [
        "DO 'DELETE FROM users'",
        "SELECT 'users'; DO 'BEGIN END'",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'TABLE users'",
        "PREPARE p AS SELECT id FROM users",
        "DEALLOCATE ALL",
        "SELECT \"execute\", 'fetch' FROM logs",
        "PREPARE p (text) AS SELECT $1; EXECUTE p ('a'); DEALLOCATE PREPARE p; DISCARD ALL",
        "EXECUTE p('a",
        "EXECUTE users('a",
    ];
    // Cut off anywhere, most of them cannot be read to the end.
    for sql in corpus.chain(more.map(str::to_owned)) {
        for (end, _) in sql.char_indices().rev().step_by(7) {
            check(&sql[..end]);
        }
        check(&sql);
    }
    for mentions in [false, true] {
        for names in [false, true] {
            for unreadable in [false, true] {
                let kind = (mentions, names, unreadable);
                assert!(seen.contains(&kind), "{kind:?}");
            }
        }
    }
}

#[test]
fn a_word_is_found_however_it_is_spelt() {
    let world = schema::s1();
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    let may_change_session = |sql: &str| {
        let mut found = false;
        let reading = matcher.read(sql, |word| found |= word == "set_config");
        found || reading.unreadable
    };
    for sql in [
        "SELECT set_config('search_path', 'audit', false)",
        "SELECT pg_catalog.SET_CONFIG($1, $2, true)",
        "SELECT \"set_config\"('a', 'b', true)",
        "SELECT U&\"set\\005fconfig\"('a', 'b', true)",
        "SELECT set_config('a",
    ] {
        assert!(may_change_session(sql), "{sql}");
    }
    for sql in ["SELECT 'set_config'", "SELECT set_config2(1)", "SELECT 1"] {
        assert!(!may_change_session(sql), "{sql}");
    }
}

/// Most texts with a naming word only move cursors.
#[test]
fn naming_words_are_told_apart() {
    let world = schema::s1();
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    for (sql, executes, defines) in [
        ("FETCH 10 FROM c", false, false),
        (
            "DECLARE c CURSOR FOR SELECT 1; MOVE 1 IN c; CLOSE c",
            false,
            false,
        ),
        ("EXECUTE q", true, false),
        ("EXPLAIN ANALYZE Execute q('a')", true, false),
        ("PREPARE q AS SELECT 1", false, true),
        ("DEALLOCATE q", false, true),
        ("DISCARD ALL", false, true),
        ("EXECUTE q('a", true, true),
    ] {
        let naming = matcher.read(sql, |_| ()).naming;
        assert!(naming.any, "{sql}");
        assert_eq!(
            (naming.executes, naming.defines),
            (executes, defines),
            "{sql}"
        );
    }
}
