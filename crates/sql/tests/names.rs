//! Names, and what a server could make of them.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/check.rs"]
mod check;
#[path = "common/schema.rs"]
mod schema;
#[path = "common/summary.rs"]
mod summary;

use check::check;
use schema::{relation, relations, s1, world};
use sealwire_core::catalogue::{Catalogue, RelationKind};
use sealwire_core::policy::{Mode, Policy};
use sealwire_sql::{MismatchKind, Protocol, Verdict, analyse, check_relation};
use summary::summary;

#[test]
fn relations_are_asked_for_once_and_together() {
    let mut world = s1();
    world.catalogue = Catalogue::default();
    let sql = "SELECT 1 FROM users u JOIN pg_class c ON true, (SELECT 1 FROM audit.users) s";
    match analyse(sql, Protocol::Extended, &world.context()) {
        Verdict::NeedsRelations(names) => assert_eq!(names, ["users", "pg_class"]),
        other => panic!("{other:?}"),
    }
    // Names that a CTE hides are not asked for.
    let sql = "WITH nowhere AS (SELECT 1) SELECT email FROM users, nowhere";
    match analyse(sql, Protocol::Extended, &world.context()) {
        Verdict::NeedsRelations(names) => assert_eq!(names, ["users"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_protected_name_is_not_led_elsewhere_by_the_search_path() {
    let mut world = s1();
    world.facts.search_path = vec!["pg_catalog".into(), "audit".into(), "public".into()];
    check(
        &world,
        &[
            ("SELECT email FROM users WHERE email = $1", "refused: Name"),
            (
                "INSERT INTO users (id, email) VALUES ($1, $2)",
                "refused: Name",
            ),
            (
                "SELECT email FROM public.users WHERE email = $1",
                "seals $1; opens 1",
            ),
            (
                "SELECT email FROM audit.users WHERE email = $1",
                "untouched",
            ),
            (
                "SELECT email FROM orders WHERE email = $1",
                "seals $1; opens 1",
            ),
        ],
    );
}

#[test]
fn a_temporary_table_does_not_shadow_a_protected_one() {
    let mut list = relations();
    let columns = [("id", "int8"), ("email", "text")];
    list.push(relation(
        200,
        "pg_temp_3",
        "users",
        RelationKind::Table,
        &columns,
    ));
    let mut world = world(schema::policy(true), list);
    world.facts.search_path.insert(0, "pg_temp_3".into());
    check(
        &world,
        &[
            ("SELECT email FROM users WHERE email = $1", "refused: Name"),
            (
                "SELECT email FROM pg_temp.users WHERE email = $1",
                "untouched",
            ),
            (
                "SELECT email FROM public.users WHERE email = $1",
                "seals $1; opens 1",
            ),
        ],
    );
}

#[test]
fn tenants_of_one_shape_may_stand_for_each_other() {
    let column = |schema| (schema, "t", "secret", Mode::Deterministic, "secret", "text");
    let columns = vec![schema::column(column("a")), schema::column(column("b"))];
    let policy = Policy::new(1, vec![schema::cek()], columns, vec![]).unwrap();
    let table = |oid, schema| {
        relation(
            oid,
            schema,
            "t",
            RelationKind::Table,
            &[("id", "int8"), ("secret", "det")],
        )
    };
    let mut world = world(policy, vec![table(1, "a"), table(2, "b")]);
    for schema in ["a", "b"] {
        world.facts.search_path = vec![schema.into()];
        check(
            &world,
            &[("SELECT id FROM t WHERE secret = $1", "seals $1")],
        );
    }
}

#[test]
fn a_column_that_is_plain_by_the_catalogue_does_not_hide_an_encrypted_one() {
    check(
        &s1(),
        &[
            (
                "SELECT 1 FROM users u WHERE EXISTS (SELECT 1 FROM logs WHERE email = $1)",
                "refused: Name",
            ),
            (
                "SELECT 1 FROM users u WHERE EXISTS (SELECT 1 FROM logs l WHERE l.email = $1)",
                "as written",
            ),
            (
                "SELECT 1 FROM users u WHERE EXISTS (SELECT 1 FROM f() WHERE email = $1)",
                "refused: Name",
            ),
            // Whatever the outer query has it from.
            (
                "SELECT 1 FROM (SELECT email FROM users) s \
                 WHERE EXISTS (SELECT 1 FROM logs WHERE email = $1)",
                "refused: Name",
            ),
            (
                "SELECT 1 FROM (SELECT name AS email FROM users) s \
                 WHERE EXISTS (SELECT 1 FROM logs WHERE email = $1)",
                "as written",
            ),
            (
                "SELECT 1 FROM users JOIN orders USING (email) \
                 WHERE EXISTS (SELECT 1 FROM logs WHERE email = 'x')",
                "refused: Name",
            ),
            (
                "WITH w AS (SELECT ssn AS at, id FROM users) \
                 SELECT (SELECT body FROM logs WHERE at = $1 AND logs.id = w.id) FROM w",
                "refused: Name",
            ),
            // Known when the statement has been read.
            (
                "SELECT 1 FROM (SELECT $1 AS email) s, users u, \
                 LATERAL (SELECT id FROM logs WHERE email = $2) l WHERE s.email = u.email",
                "refused: Name",
            ),
            // Decided by the text alone.
            (
                "SELECT 1 FROM users u WHERE EXISTS \
                 (SELECT 1 FROM (SELECT kind AS email FROM events) s WHERE email = $1)",
                "as written",
            ),
            ("SELECT email FROM users, logs", "refused: Invalid"),
        ],
    );
}

#[test]
fn an_encrypted_column_exists_whatever_the_catalogue_says() {
    let mut list = relations();
    list[0]
        .attributes
        .retain(|attribute| attribute.name != "email");
    let hidden = world(schema::policy(true), list);
    check(
        &hidden,
        &[
            (
                "SELECT id FROM users WHERE email = $1",
                "refused: CatalogueMismatch",
            ),
            ("SELECT * FROM users", "refused: CatalogueMismatch"),
            (
                "INSERT INTO users VALUES (1, $1)",
                "refused: CatalogueMismatch",
            ),
            // The outer relation has one of that name, but the inner one does too.
            (
                "SELECT 1 FROM orders o WHERE EXISTS (SELECT 1 FROM users WHERE email = $1)",
                "refused: CatalogueMismatch",
            ),
            ("SELECT name FROM users WHERE ssn IS NULL", "as written"),
        ],
    );
}

#[test]
fn a_column_of_another_type_is_not_used() {
    let mut list = relations();
    let email = list[0]
        .attributes
        .iter_mut()
        .find(|a| a.name == "email")
        .unwrap();
    email.domain = String::new();
    let plain = world(schema::policy(true), list);
    check(
        &plain,
        &[
            ("SELECT email FROM users", "refused: CatalogueMismatch"),
            ("UPDATE users SET email = $1", "refused: CatalogueMismatch"),
            ("SELECT name FROM users", "as written"),
        ],
    );
}

#[test]
fn positional_uses_need_a_pinned_order_that_the_catalogue_keeps() {
    let unpinned = world(schema::policy(false), relations());
    let positional = [
        "INSERT INTO users VALUES ($1, $2)",
        "SELECT x.b FROM users AS x (a, b)",
        "INSERT INTO users (id, email, name, avatar, org_id, ssn) \
         SELECT * FROM (SELECT id, email FROM orders) s, logs",
        "SELECT * FROM users UNION ALL SELECT * FROM users",
        "WITH w (a, b) AS (SELECT * FROM users) SELECT b FROM w",
        "INSERT INTO orders (id, email) SELECT * FROM v_users",
        "INSERT INTO users (id, name, email) SELECT l.*, $1 FROM logs l",
        "SELECT id FROM users WHERE email IN (SELECT * FROM v_mail)",
    ];
    let mut list = relations();
    let mut v_mail = relation(
        300,
        "public",
        "v_mail",
        RelationKind::View,
        &[("email", "det")],
    );
    v_mail.reads = vec![100];
    v_mail.definition = Some("SELECT email FROM users".into());
    list.push(v_mail.clone());
    let unpinned_with_view = world(schema::policy(false), list);
    for sql in positional {
        let verdict = summary(&unpinned_with_view, sql);
        assert!(verdict.starts_with("refused: "), "{sql}: {verdict}");
    }
    check(
        &unpinned,
        &[
            ("SELECT * FROM users", "opens 2, 3, 5"),
            (
                "UPDATE users SET email = $1 RETURNING *",
                "seals $1; opens 2, 3, 5",
            ),
            (
                "WITH w AS (SELECT * FROM users) SELECT email FROM w WHERE email = $1",
                "seals $1; opens 1",
            ),
            (
                "INSERT INTO users (id, name) SELECT id, l.email FROM logs l",
                "as written",
            ),
        ],
    );
    let mut list = relations();
    list[0].attributes.swap(1, 3);
    let swapped = world(schema::policy(true), list);
    check(
        &swapped,
        &[
            (
                "INSERT INTO users VALUES ($1, $2)",
                "refused: CatalogueMismatch",
            ),
            (
                "SELECT x.b FROM users AS x (a, b)",
                "refused: CatalogueMismatch",
            ),
            ("SELECT id FROM users WHERE email = $1", "seals $1"),
        ],
    );
}

#[test]
fn defaults_of_encrypted_columns_are_never_stored() {
    let mut list = relations();
    let email = list[0]
        .attributes
        .iter_mut()
        .find(|a| a.name == "email")
        .unwrap();
    email.has_default = true;
    let defaults = world(schema::policy(true), list);
    check(
        &defaults,
        &[
            ("INSERT INTO users (id) VALUES ($1)", "refused: MixedPlain"),
            ("INSERT INTO users DEFAULT VALUES", "refused: MixedPlain"),
            (
                "INSERT INTO users (id, email) VALUES ($1, DEFAULT)",
                "refused: MixedPlain",
            ),
            ("UPDATE users SET email = DEFAULT", "refused: MixedPlain"),
            (
                "INSERT INTO users (id) SELECT id FROM orders",
                "refused: MixedPlain",
            ),
            ("INSERT INTO users (id, email) VALUES ($1, $2)", "seals $2"),
        ],
    );
}

#[test]
fn another_equality_operator_makes_unqualified_ones_unsafe() {
    let mut world = s1();
    world.facts.foreign_equality_operator = true;
    check(
        &world,
        &[
            (
                "SELECT id FROM users WHERE email = $1",
                "refused: UnsupportedOperator",
            ),
            (
                "SELECT id FROM users WHERE email IN ($1)",
                "refused: UnsupportedOperator",
            ),
            (
                "SELECT id FROM users WHERE email OPERATOR(pg_catalog.=) $1",
                "seals $1",
            ),
            (
                "SELECT id FROM users WHERE email OPERATOR(evil.=) $1",
                "refused: UnsupportedOperator",
            ),
            ("SELECT id FROM users WHERE name = $1", "as written"),
            ("SELECT DISTINCT email FROM users", "opens 1"),
        ],
    );
    check(
        &s1(),
        &[(
            "SELECT id FROM users WHERE email OPERATOR(evil.=) $1",
            "refused: UnsupportedOperator",
        )],
    );
}

#[test]
fn views_are_followed_or_refused() {
    let view = |definition: &str, columns: &[(&str, &str)]| {
        let mut list = relations();
        let mut view = relation(300, "public", "v", RelationKind::View, columns);
        view.reads = vec![100, 101];
        view.definition = Some(definition.into());
        list.push(view);
        world(schema::policy(true), list)
    };
    let two = [("a", "int8"), ("b", "det")];
    for (definition, expected) in [
        ("SELECT id, email FROM users", "opens 2"),
        ("SELECT id, email FROM public.users", "opens 2"),
        // The server prints the casts that it has put in itself.
        (
            "SELECT u.id, u.email FROM users u JOIN orders o ON ((o.email)::bytea = (u.email)::bytea)",
            "opens 2",
        ),
        ("SELECT id, mail FROM v_users", "opens 2"),
        (
            "SELECT id, encode(email, 'hex') FROM users",
            "refused: UnsupportedConstruct",
        ),
        ("SELECT id FROM users", "refused: UnsupportedConstruct"),
        (
            "SELECT id, email FROM users ORDER BY email",
            "refused: UnsupportedConstruct",
        ),
        ("not sql", "refused: UnsupportedConstruct"),
        ("SELECT id, b FROM v", "refused: UnsupportedConstruct"),
    ] {
        check(&view(definition, &two), &[("SELECT a, b FROM v", expected)]);
    }
    // Shows nothing encrypted: like any other relation.
    check(
        &view(
            "SELECT id, name FROM users",
            &[("a", "int8"), ("b", "text")],
        ),
        &[("SELECT a, b FROM v", "untouched")],
    );
    // The catalogue prints names as some search path needed them; the view reads what it reads.
    let mut moved = view("SELECT id, email FROM users", &two);
    moved.facts.search_path = vec!["audit".into()];
    check(
        &moved,
        &[(
            "SELECT a, b FROM public.v WHERE b = $1",
            "seals $1; opens 2",
        )],
    );

    let mut list = relations();
    let mut unknown = relation(300, "public", "v", RelationKind::View, &two);
    unknown.reads = vec![100];
    list.push(unknown);
    check(
        &world(schema::policy(true), list),
        &[("SELECT a FROM v", "refused: UnsupportedConstruct")],
    );
}

#[test]
fn children_inherit_at_any_depth() {
    let mut list = relations();
    let columns = [("kind", "text"), ("payload", "rnd"), ("id", "int8")];
    let mut grandchild = relation(301, "public", "events_p1a", RelationKind::Table, &columns);
    grandchild.parents = vec![105];
    list.push(grandchild);
    check(
        &world(schema::policy(true), list),
        &[
            (
                "INSERT INTO events_p1a (id, payload) VALUES ($1, $2)",
                "seals $2",
            ),
            // Its own order is nowhere pinned.
            (
                "INSERT INTO events_p1a VALUES ($1, $2)",
                "refused: UnsupportedConstruct",
            ),
            ("SELECT * FROM events_p1a", "opens 2"),
        ],
    );
}

#[test]
fn the_catalogue_is_compared_with_the_manifest() {
    let policy = schema::policy(true);
    let users = relations().remove(0);
    assert_eq!(check_relation(&policy, &users), []);
    assert_eq!(
        check_relation(&policy, &relations()[3]),
        [],
        "not protected"
    );

    let kinds = |change: &dyn Fn(&mut sealwire_core::catalogue::Relation)| {
        let mut users = users.clone();
        change(&mut users);
        let mismatches = check_relation(&policy, &users);
        mismatches.into_iter().map(|m| m.kind).collect::<Vec<_>>()
    };
    let expected = "sealwire.deterministic";
    assert_eq!(
        kinds(&|r| r.attributes[1].domain.clear()),
        [MismatchKind::Type { expected }]
    );
    let randomized = "sealwire.randomized";
    assert_eq!(
        kinds(&|r| r.attributes[1].domain = randomized.into()),
        [MismatchKind::Type { expected }]
    );
    assert_eq!(
        kinds(&|r| r.attributes[1].has_default = true),
        [MismatchKind::Default]
    );
    assert_eq!(
        kinds(&|r| r.attributes[1].generated = true),
        [MismatchKind::Generated]
    );
    assert_eq!(kinds(&|r| r.attributes.swap(0, 3)), [MismatchKind::Order]);
    assert_eq!(
        kinds(&|r| drop(r.attributes.remove(1))),
        [MismatchKind::Missing, MismatchKind::Order]
    );
}

#[test]
fn no_refusal_repeats_a_literal() {
    let world = s1();
    for sql in [
        "SELECT id FROM users WHERE email < 'marker'",
        "SELECT id FROM users WHERE email = 'marker' || 'x'",
        "SELECT id FROM users WHERE email = ANY('{marker}'::int[])",
        "SELECT id FROM users WHERE email = 'marker",
        "SELECT id FROM users WHERE email = 'marker' 'x'",
        "SELECT id FROM users WHERE email = 'marker'::int",
        "SELECT id FROM users WHERE email = 'marker' AND nosuch = 1",
        "COPY (SELECT email FROM users WHERE email = 'marker') TO 'file'",
    ] {
        let Verdict::Refused(refusal) = analyse(sql, Protocol::Extended, &world.context()) else {
            panic!("{sql}");
        };
        assert!(
            !format!("{refusal:?} {refusal}").contains("marker"),
            "{sql}: {refusal:?}"
        );
    }
}

/// A table may be called like a type of PostgreSQL's own, which `pg_catalog` has before it.
#[test]
fn a_type_is_not_the_row_of_a_table_of_its_name() {
    let day = ("public", "date", "day", Mode::Deterministic, "day", "date");
    let policy = Policy::new(1, vec![schema::cek()], vec![schema::column(day)], vec![]).unwrap();
    let columns = [("id", "int8"), ("day", "det")];
    let table = relation(1, "public", "date", RelationKind::Table, &columns);
    let mut world = world(policy, vec![table]);
    let typed = [
        (
            "SELECT id FROM date WHERE day = date '2024-02-29'",
            "seals 1 literal",
        ),
        ("SELECT id FROM date WHERE day = $1::date", "seals $1"),
        (
            "SELECT date '2024-02-29', now()::date FROM date",
            "as written",
        ),
        ("SELECT date '2024-02-29'", "untouched"),
        ("SELECT NULL::public.date FROM date", "refused: WholeRow"),
        ("SELECT date FROM date", "refused: WholeRow"),
    ];
    check(&world, &typed);
    // Here the name is the table's row.
    world.facts.search_path = vec!["public".into(), "pg_catalog".into()];
    check(
        &world,
        &[
            ("SELECT NULL::date FROM date", "refused: WholeRow"),
            (
                "SELECT id FROM date WHERE day = date '2024-02-29'",
                "refused: WholeRow",
            ),
            (
                "SELECT id FROM date WHERE day = pg_catalog.date '2024-02-29'",
                "seals 1 literal",
            ),
        ],
    );
}
