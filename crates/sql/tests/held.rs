//! Functions that take or return cells, and types that hold some.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/check.rs"]
mod check;
#[path = "common/schema.rs"]
mod schema;
#[path = "common/summary.rs"]
mod summary;

use check::check;
use schema::s1;
use sealwire_core::catalogue::Function;
use sealwire_sql::{Protocol, Verdict, analyse, mentions_protected};

#[test]
fn rows_of_one_relation_are_that_relation_s() {
    check(
        &s1(),
        &[
            ("SELECT id FROM all_users() WHERE email = $1", "seals $1"),
            ("SELECT * FROM all_users()", "opens 2, 3, 5"),
            (
                "SELECT b FROM all_users() AS f (a, b) WHERE b = 'x'",
                "seals 1 literal; opens 1",
            ),
            (
                "SELECT mail FROM found_users('x') WHERE mail = $1",
                "seals $1; opens 1",
            ),
            // The server's word alone does not say which column of a view is the second one.
            (
                "SELECT a FROM found_users('x') AS f (a, b) WHERE b = $1",
                "refused: UnsupportedConstruct",
            ),
            ("SELECT id FROM all_users() WHERE id = $1", "untouched"),
            (
                "SELECT id FROM all_users() WHERE ssn = $1",
                "refused: RandomizedComparison",
            ),
            (
                "SELECT id FROM all_users() WHERE email > $1",
                "refused: UnsupportedOperator",
            ),
        ],
    );
}

#[test]
fn functions_of_one_name_are_told_by_the_number_of_their_arguments() {
    check(
        &s1(),
        &[
            // Rows of two relations.
            (
                "SELECT id FROM either($1) AS f WHERE f.id = 1",
                "refused: UnsupportedConstruct",
            ),
            ("SELECT either($1) = 'x'", "refused: FunctionOfEncrypted"),
            // A text, which takes two.
            ("SELECT either(1, 2) = 'x'", "untouched"),
            ("SELECT * FROM either(1, 2) WHERE either = 'x'", "untouched"),
            // Nothing is compared, and nothing is known better.
            ("SELECT either(id) FROM logs", "untouched"),
        ],
    );
}

/// One that takes a text beside one that takes cells.
#[test]
fn a_constant_is_a_text_where_it_can_be() {
    let mut world = s1();
    let mut held = schema::held();
    held.functions.push(Function {
        name: "is_known".into(),
        schema: "pg_catalog".into(),
        arguments: vec![25],
        returns: 16,
        ..Function::default()
    });
    check(
        &world,
        &[("SELECT is_known('x')", "refused: FunctionOfEncrypted")],
    );
    world.catalogue.hold(held);
    check(
        &world,
        &[
            ("SELECT is_known('x')", "untouched"),
            (
                "SELECT public.is_known('x')",
                "refused: FunctionOfEncrypted",
            ),
            ("SELECT pg_catalog.is_known('x')", "untouched"),
        ],
    );
}

#[test]
fn a_function_that_the_search_path_does_not_lead_to_is_another() {
    let mut world = s1();
    world.facts.search_path = vec!["pg_catalog".into(), "audit".into()];
    check(
        &world,
        &[
            ("SELECT mail_of(1) = 'x'", "untouched"),
            (
                "SELECT public.mail_of(1) = 'x'",
                "refused: FunctionOfEncrypted",
            ),
        ],
    );
    let by_path = "SET search_path = public; SELECT mail_of(1) = 'x'";
    check(&world, &[(by_path, "refused: UnsupportedConstruct")]);
}

/// A composite type with a cell in it that is called like one of PostgreSQL's own.
#[test]
fn a_type_of_the_server_s_own_name_is_the_server_s() {
    let mut world = s1();
    let mut held = schema::held();
    held.types[3].name = "uuid".into();
    world.catalogue.hold(held);
    let own = "CREATE TABLE t (u uuid DEFAULT '5ea1ed00-c0de-4000-8000-000000000001')";
    check(&world, &[(own, "untouched")]);
    let other = own.replace("uuid", "public.uuid");
    check(&world, &[(&other, "refused: CatalogueMismatch")]);
    world.facts.search_path = vec!["public".into(), "pg_catalog".into()];
    check(&world, &[(own, "refused: CatalogueMismatch")]);
}

/// The catalogue has not been asked for the relation whose rows a function returns.
#[test]
fn the_relation_of_rows_is_asked_for() {
    let mut world = s1();
    let mut held = schema::held();
    held.types[1].row_of = 900;
    held.relations.insert(900, "unheard".into());
    world.catalogue.hold(held.clone());
    let sql = "SELECT id FROM all_users() WHERE email = $1";
    let verdict = analyse(sql, Protocol::Extended, &world.context());
    assert!(matches!(&verdict, Verdict::NeedsRelations(names) if names == &["unheard"]));
    // It is not there.
    world.catalogue.mark_asked(["unheard".into()]);
    check(&world, &[(sql, "refused: UnsupportedConstruct")]);
}

/// Rows of a view of which nothing is known may have cells.
#[test]
fn what_is_not_known_holds_cells() {
    let mut world = s1();
    let mut held = schema::held();
    (held.types[2].view, held.types[2].row_of) = (901, 901);
    world.catalogue.hold(held);
    let sql = "SELECT id FROM found_users('x') WHERE mail = $1";
    check(&world, &[(sql, "refused: UnsupportedConstruct")]);
}

/// Words that are such functions' and types' names elsewhere.
#[test]
fn words_alone_disturb_nothing() {
    let long = format!("SELECT 1 AS mails{}", ", 1".repeat(20_000));
    let deep = format!(
        "SELECT {}1{} AS contact",
        "(".repeat(2_000),
        ")".repeat(2_000)
    );
    let mut world = s1();
    world.catalogue.mark_asked(["mails".into()]);
    check(
        &world,
        &[
            (
                "SELECT mails, mail_of FROM logs WHERE contacts = 'x'",
                "untouched",
            ),
            ("SELECT mails mails mails", "untouched"),
            ("SELECT mails('x') mails mails", "refused: Syntax"),
            ("INSERT INTO mails (contact) VALUES ('x')", "untouched"),
            (
                "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT mails()'",
                "untouched",
            ),
            (
                "SELECT deterministic FROM logs WHERE randomized = 'x'",
                "untouched",
            ),
            (&long, "untouched"),
        ],
    );
    // Not every server's lexer is this one's.
    let unread = "SELECT id FROM mails() WHERE id=1AND addr = 'x'";
    check(&world, &[(unread, "refused: Syntax")]);
    let collation = "CREATE COLLATION c (provider = icu, deterministic = false)";
    assert!(!mentions_protected(collation, &s1().context()));
    let more = format!("{collation}; CREATE DOMAIN d AS deterministic DEFAULT 'x'");
    check(&world, &[(&more, "refused: UnsupportedConstruct")]);
    assert!(!mentions_protected(&long, &s1().context()));
    assert!(mentions_protected(&deep, &s1().context()));
    assert!(!mentions_protected("SELECT 'mails()'", &s1().context()));
}
