//! What is sealed: the value of each literal, how it is read, and what it is used for.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/schema.rs"]
mod schema;

use sealwire_core::catalogue::RelationKind;
use sealwire_core::policy::{Mode, Policy};
use sealwire_core::types::ScalarType;
use sealwire_core::value::Usage;
use sealwire_sql::{
    CheckedPlan, Outputs, Param, Protocol, RefusalKind, Replacement, Verdict, analyse,
};

/// A table `t` with one deterministic column of each type, called after the type.
fn types() -> schema::World {
    let kinds = [
        ("i2", "smallint"),
        ("i8", "bigint"),
        ("f4", "real"),
        ("f8", "double precision"),
        ("num", "numeric(10,2)"),
        ("txt", "text"),
        ("vc", "varchar(5)"),
        ("ch", "char(3)"),
        ("d", "date"),
        ("ts", "timestamp(3)"),
        ("tz", "timestamptz"),
        ("uid", "uuid"),
    ];
    let column = |(name, ty)| schema::column(("public", "t", name, Mode::Deterministic, name, ty));
    let policy = Policy::new(1, vec![schema::cek()], kinds.map(column).to_vec(), vec![]).unwrap();
    let columns: Vec<(&str, &str)> = kinds.iter().map(|(name, _)| (*name, "det")).collect();
    let table = schema::relation(1, "public", "t", RelationKind::Table, &columns);
    schema::world(policy, vec![table])
}

fn plan(world: &schema::World, sql: &str) -> CheckedPlan {
    match analyse(sql, Protocol::Extended, &world.context()) {
        Verdict::Planned(plan) => plan,
        other => panic!("{sql}: {other:?}"),
    }
}

fn literals(world: &schema::World, sql: &str) -> Vec<(String, Option<ScalarType>, Usage)> {
    plan(world, sql)
        .edits
        .iter()
        .filter_map(|edit| match &edit.replacement {
            Replacement::Literal {
                value, wire, usage, ..
            } => Some((value.expose().to_owned(), *wire, *usage)),
            _ => None,
        })
        .collect()
}

#[test]
fn values_are_what_the_grammar_makes_of_them() {
    let world = types();
    for (sql, value) in [
        ("txt = 'a''b'", "a'b"),
        ("txt = E'a\\n\\x41\\u00e9'", "a\nAé"),
        ("txt = $x$a'b$x$", "a'b"),
        ("txt = U&'\\00e9'", "é"),
        ("txt = ''", ""),
        ("txt = 'a'\n'b'", "ab"),
        ("i8 = 17", "17"),
        ("i8 = -17", "-17"),
        ("i8 = 9223372036854775807", "9223372036854775807"),
        ("i8 = -9223372036854775808", "-9223372036854775808"),
        ("i2 = '5'::int2", "5"),
        ("num = -1.50", "-1.50"),
        ("num = 1e3", "1e3"),
        ("d = date '2024-01-01'", "2024-01-01"),
        ("d = '2024-01-01'::date", "2024-01-01"),
        ("d = CAST('2024-01-01' AS date)", "2024-01-01"),
        ("ts = timestamp(3) '2024-01-01 00:00'", "2024-01-01 00:00"),
        (
            "tz = timestamp with time zone '2024-01-01 00:00Z'",
            "2024-01-01 00:00Z",
        ),
        (
            "uid = '00000000-0000-0000-0000-000000000001'",
            "00000000-0000-0000-0000-000000000001",
        ),
    ] {
        let sql = format!("SELECT 1 FROM t WHERE {sql}");
        let [(got, _, usage)] = literals(&world, &sql).try_into().unwrap();
        assert_eq!((got.as_str(), usage), (value, Usage::Compare), "{sql}");
    }
}

#[test]
fn a_bare_number_meets_an_integer_column_as_its_own_type() {
    let world = types();
    for (sql, wire) in [
        ("SELECT 1 FROM t WHERE i2 = 1", Some(ScalarType::Int4)),
        ("SELECT 1 FROM t WHERE i2 = -70000", Some(ScalarType::Int4)),
        (
            "SELECT 1 FROM t WHERE i2 = 2147483648",
            Some(ScalarType::Int8),
        ),
        (
            "SELECT 1 FROM t WHERE i8 = 9223372036854775808",
            Some(ScalarType::Numeric),
        ),
        ("UPDATE t SET i2 = 1", Some(ScalarType::Int4)),
        ("SELECT 1 FROM t WHERE i2 = '1'", None),
        ("SELECT 1 FROM t WHERE i2 = 1::int2", None),
        (
            "SELECT 1 FROM t WHERE i2 = '70000'::int8",
            Some(ScalarType::Int8),
        ),
        (
            "SELECT 1 FROM t WHERE i2 = CAST(1 AS int)",
            Some(ScalarType::Int4),
        ),
        ("SELECT 1 FROM t WHERE num = 1", None),
    ] {
        let [(_, got, _)] = literals(&world, sql).try_into().unwrap();
        assert_eq!(got, wire, "{sql}");
    }
}

#[test]
fn a_bare_number_meets_a_real_column_as_double_precision() {
    let world = types();
    for (sql, wire) in [
        ("SELECT 1 FROM t WHERE f4 = 0.1", Some(ScalarType::Float8)),
        ("SELECT 1 FROM t WHERE f4 = 1", Some(ScalarType::Float8)),
        ("SELECT 1 FROM t WHERE f4 = 0.1::real", None),
        // As one of several it becomes what the column is.
        ("SELECT coalesce(f4, 0.1) FROM t", None),
        ("SELECT 1 FROM t WHERE f4 = CAST(0.1 AS real)", None),
        ("SELECT 1 FROM t WHERE f4 = '0.1'", None),
        ("SELECT 1 FROM t WHERE f8 = 0.1", None),
        ("UPDATE t SET f4 = 0.1", None),
    ] {
        let [(_, got, _)] = literals(&world, sql).try_into().unwrap();
        assert_eq!(got, wire, "{sql}");
    }
}

#[test]
fn every_output_has_the_type_that_the_server_would_give_it() {
    let kinds = [("i2", "int2"), ("i4", "int4"), ("i8", "int8")];
    let strings = [("vc", "varchar(5)"), ("txt", "text"), ("nm", "name")];
    let networks = [("net", "inet"), ("cdr", "cidr")];
    let column = |class| {
        move |(name, ty)| schema::column(("public", "t", name, Mode::Deterministic, class, ty))
    };
    let columns = kinds.map(column("n")).into_iter();
    let columns = columns.chain(strings.map(column("s")));
    let columns = columns.chain(networks.map(column("w"))).collect();
    let policy = Policy::new(1, vec![schema::cek()], columns, vec![]).unwrap();
    let names = ["i2", "i4", "i8", "vc", "txt", "nm", "net", "cdr"].map(|name| (name, "det"));
    let table = schema::relation(1, "public", "t", RelationKind::Table, &names);
    let world = schema::world(policy, vec![table]);
    for (sql, shown) in [
        // What is compared keeps the type of its own.
        (
            "SELECT s.i2 FROM (SELECT i2 FROM t) s JOIN t ON s.i2 = t.i8",
            "i2",
        ),
        (
            "SELECT s.i8 FROM (SELECT i8 FROM t) s JOIN t ON t.i2 = s.i8",
            "i8",
        ),
        (
            "SELECT s.i8 FROM (SELECT i8 FROM t) s WHERE s.i8 IN (SELECT i4 FROM t)",
            "i8",
        ),
        (
            "SELECT s.i4 FROM (SELECT i4 FROM t) s, t WHERE coalesce(s.i4, t.i8) = $1",
            "i4",
        ),
        // What is one of several has the type that the others are cast to.
        ("SELECT coalesce(i2, i8, i4) FROM t", "i8"),
        ("SELECT coalesce(vc, txt) FROM t", "vc"),
        ("SELECT coalesce(txt, vc) FROM t", "txt"),
        ("SELECT coalesce(vc, nm) FROM t", "nm"),
        ("SELECT coalesce(nm, txt) FROM t", "nm"),
        ("SELECT coalesce(cdr, net) FROM t", "net"),
        ("SELECT CASE WHEN true THEN vc ELSE txt END FROM t", "txt"),
        (
            "SELECT CASE WHEN true THEN txt WHEN false THEN vc END FROM t",
            "txt",
        ),
        ("SELECT i4 FROM t UNION SELECT i2 FROM t", "i4"),
        ("SELECT i2 FROM t UNION ALL SELECT i4 FROM t", "i4"),
        (
            "SELECT a FROM (SELECT i2 AS a FROM t) x FULL JOIN (SELECT i8 AS a FROM t) y USING (a)",
            "i8",
        ),
    ] {
        let plan = plan(&world, sql);
        let [Outputs::Columns(outputs)] = plan.statements.as_slice() else {
            panic!("{sql}");
        };
        let column = outputs[0].column.unwrap();
        assert_eq!(world.policy.column(column).name, shown, "{sql}");
    }
}

/// What `$1` is used for, which says its type where a comparison has no operator for the column's
/// own.
#[test]
fn a_parameter_is_typed_by_a_comparison_or_by_what_is_chosen_with_it() {
    let world = types();
    for (sql, usage) in [
        ("SELECT 1 FROM t WHERE vc = $1", Usage::Compare),
        ("SELECT 1 FROM t WHERE vc = ANY ($1)", Usage::Compare),
        (
            "SELECT 1 FROM t WHERE vc = ANY (ARRAY[$1, 'a'])",
            Usage::Compare,
        ),
        (
            "SELECT 1 FROM t WHERE vc = ANY (ARRAY[$1, vc])",
            Usage::Choose,
        ),
        ("SELECT 1 FROM t WHERE ARRAY[vc] = $1", Usage::Choose),
        ("SELECT 1 FROM t WHERE (vc, d) = ($1, d)", Usage::Compare),
        (
            "SELECT 1 FROM t WHERE vc IS DISTINCT FROM $1",
            Usage::Compare,
        ),
        ("SELECT nullif(vc, $1) FROM t", Usage::Compare),
        ("SELECT coalesce(vc, $1) FROM t", Usage::Choose),
        (
            "SELECT 1 FROM t WHERE coalesce(vc, $1) = 'a'",
            Usage::Choose,
        ),
        (
            "SELECT 1 FROM t WHERE coalesce(vc, 'a') = $1",
            Usage::Compare,
        ),
        (
            "SELECT 1 FROM t WHERE vc = coalesce($1, 'a')",
            Usage::Compare,
        ),
        (
            "SELECT CASE WHEN true THEN $1 ELSE vc END FROM t",
            Usage::Choose,
        ),
        (
            "SELECT 1 FROM t WHERE CASE vc WHEN $1 THEN true END",
            Usage::Compare,
        ),
        ("SELECT vc FROM t UNION SELECT $1", Usage::Choose),
        ("SELECT lag(vc, 1, $1) OVER () FROM t", Usage::Choose),
        // One value is compared; of several there is one type.
        ("SELECT 1 FROM t WHERE vc IN ($1)", Usage::Compare),
        ("SELECT 1 FROM t WHERE vc IN ($1, vc)", Usage::Compare),
        ("SELECT 1 FROM t WHERE vc IN ($1, 'a')", Usage::Choose),
        (
            "SELECT 1 FROM t WHERE vc IN ($1, NULL::text, vc)",
            Usage::Choose,
        ),
        // A cast to the column's own type says which.
        ("SELECT 1 FROM t WHERE vc = $1::varchar", Usage::Choose),
        ("SELECT 1 FROM t WHERE vc = $1::text", Usage::Compare),
        (
            "SELECT 1 FROM t WHERE vc = ANY ($1::varchar[])",
            Usage::Choose,
        ),
        // The first use decides.
        (
            "SELECT 1 FROM t WHERE vc = $1 AND coalesce(vc, $1) = 'a'",
            Usage::Compare,
        ),
        (
            "SELECT 1 FROM t WHERE coalesce(vc, $1) = 'a' AND vc = $1",
            Usage::Choose,
        ),
        (
            "INSERT INTO t (vc) SELECT $1 UNION SELECT vc FROM t",
            Usage::Assign,
        ),
    ] {
        let plan = plan(&world, sql);
        let [Param::Sealed { usage: got, .. }] = plan.params.as_slice() else {
            panic!("{sql}");
        };
        assert_eq!(*got, usage, "{sql}");
    }
}

/// `NULLIF` compares, and so makes a `text` of a `varchar`; what is chosen with it is one as well.
#[test]
fn an_output_is_of_the_type_of_comparisons_where_it_was_compared() {
    let world = types();
    for (sql, compared) in [
        ("SELECT nullif(vc, 'a') FROM t", true),
        ("SELECT coalesce(nullif(vc, 'a'), vc) FROM t", true),
        (
            "SELECT s.a FROM (SELECT nullif(vc, 'a') AS a FROM t) s",
            true,
        ),
        ("SELECT coalesce(vc, nullif(vc, 'a')) FROM t", false),
        ("SELECT vc FROM t WHERE nullif(vc, 'a') = 'b'", false),
        ("SELECT coalesce(vc, $1::text) FROM t", false),
        (
            "SELECT u FROM unnest($1::varchar[]) u (u) JOIN t ON u.u = t.vc",
            false,
        ),
        (
            "SELECT u FROM unnest($1::text[]) u (u) JOIN t ON u.u = t.vc",
            true,
        ),
        (
            "SELECT ARRAY[u, 'a'] FROM unnest($1::varchar[]) u (u) JOIN t ON u.u = t.vc",
            false,
        ),
    ] {
        let plan = plan(&world, sql);
        let [Outputs::Columns(outputs)] = plan.statements.as_slice() else {
            panic!("{sql}");
        };
        assert_eq!(outputs[0].compared, compared, "{sql}");
    }
}

/// Columns of one class whose cells would compare, but not PostgreSQL's values.
#[test]
fn what_the_server_has_no_operator_for_is_refused_as_by_the_server() {
    let kinds = [
        ("r", "r4", "int4range"),
        ("r", "r8", "int8range"),
        ("a", "a4", "int4[]"),
        ("a", "a8", "int8[]"),
        ("m", "m6", "macaddr"),
        ("m", "m8", "macaddr8"),
        ("c", "net", "cidr"),
        ("d", "nets", "cidr[]"),
        ("b", "fixed", "bit(9)"),
        ("b", "vary", "bit varying"),
    ];
    let columns = kinds.map(|(class, name, ty)| {
        schema::column(("public", "t", name, Mode::Deterministic, class, ty))
    });
    let policy = Policy::new(1, vec![schema::cek()], columns.to_vec(), vec![]).unwrap();
    let names = kinds.map(|(_, name, _)| (name, "det"));
    let table = schema::relation(1, "public", "t", RelationKind::Table, &names);
    let world = schema::world(policy, vec![table]);
    for (sql, sqlstate) in [
        ("SELECT 1 FROM t WHERE r4 = r8", Some("42883")),
        (
            "SELECT 1 FROM t WHERE r8 IN (SELECT r4 FROM t)",
            Some("42883"),
        ),
        ("SELECT 1 FROM t WHERE r4 = r4", None),
        ("SELECT coalesce(r4, r8) FROM t", Some("42846")),
        ("SELECT r8 FROM t UNION ALL SELECT r4 FROM t", Some("42846")),
        ("SELECT 1 FROM t WHERE a4 = a8", Some("42883")),
        ("SELECT coalesce(a4, a8) FROM t", None),
        ("SELECT 1 FROM t WHERE m6 <> m8", Some("42725")),
        ("SELECT coalesce(m6, m8) FROM t", None),
        ("SELECT 1 FROM t WHERE fixed = vary", None),
        // It would be an `inet`.
        ("SELECT nullif(net, '10/8') FROM t", Some("0A000")),
        ("SELECT nullif(nets, '{10/8}') FROM t", None),
    ] {
        let got = match analyse(sql, Protocol::Extended, &world.context()) {
            Verdict::Planned(_) => None,
            Verdict::Refused(refusal) => Some(refusal.sqlstate),
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(got, sqlstate, "{sql}");
    }
}

#[test]
fn a_cast_of_null_still_says_that_it_is_no_text() {
    let world = types();
    for (sql, text) in [
        (
            "VALUES (NULL::text) UNION SELECT txt FROM t",
            "::pg_catalog.bytea",
        ),
        (
            "SELECT CAST(NULL AS text) AS x UNION SELECT txt FROM t",
            "NULL::pg_catalog.bytea",
        ),
    ] {
        let plan = plan(&world, sql);
        let [edit] = plan.edits.as_slice() else {
            panic!("{sql}");
        };
        assert!(
            matches!(&edit.replacement, Replacement::Text(new) if new == text),
            "{sql}"
        );
    }
}

/// Where the server would name an output column after a cast that is cut out.
#[test]
fn a_column_keeps_the_name_that_its_cast_gives_it() {
    let world = types();
    for (sql, text) in [
        ("UPDATE t SET txt = $1 RETURNING $1::text", " AS \"text\""),
        (
            "UPDATE t SET txt = $1 RETURNING CAST($1 AS text)",
            "$1 AS \"text\"",
        ),
        (
            "SELECT ($1)::varchar UNION SELECT txt FROM t",
            " AS \"varchar\"",
        ),
        (
            "SELECT NULL::text UNION SELECT txt FROM t",
            "::pg_catalog.bytea AS \"text\"",
        ),
        (
            "SELECT ($1::varchar)::text UNION SELECT txt FROM t",
            "::pg_catalog.bytea AS \"text\"",
        ),
        ("SELECT $1::text AS x UNION SELECT txt FROM t", ""),
        ("SELECT $1::text = txt FROM t", ""),
        ("SELECT coalesce(txt, $1::text) FROM t", ""),
        ("INSERT INTO t (txt) VALUES ($1::text)", ""),
    ] {
        let plan = plan(&world, sql);
        let Some(edit) = plan.edits.last() else {
            panic!("{sql}");
        };
        assert!(
            matches!(&edit.replacement, Replacement::Text(new) if new == text),
            "{sql}: {edit:?}"
        );
    }
}

#[test]
fn casts_that_narrow_or_are_not_coerced_are_refused() {
    let world = types();
    for (condition, allowed) in [
        ("i2 = $1::int8", true),
        ("i8 = $1::smallint", true),
        ("txt = $1::varchar", true),
        ("vc = $1::text", true),
        ("vc = $1::varchar(5)", true),
        ("vc = $1::varchar(4)", false),
        ("vc = $1::varchar(6)", false),
        ("txt = $1::char(3)", false),
        ("ch = $1::char(3)", true),
        ("ch = $1::text", false),
        ("txt = $1::\"char\"", false),
        ("txt = $1::name", false),
        ("txt = $1::public.text", false),
        ("num = $1::numeric", true),
        ("num = $1::numeric(10,2)", true),
        ("num = $1::numeric(10,3)", false),
        ("i8 = $1::numeric", true),
        ("f4 = $1::float8", true),
        ("f8 = $1::double precision", true),
        ("f8 = $1::float", true),
        ("d = $1::timestamp", true),
        ("ts = $1::timestamp(3)", true),
        ("ts = $1::timestamp(3) without time zone", true),
        ("ts = $1::timestamp(2)", false),
        ("tz = $1::timestamp with time zone", true),
        ("tz = $1::timestamp", true),
        ("uid = $1::uuid", true),
        ("uid = $1::text", false),
        ("num = $1::float8", false),
        ("txt = $1::int4", false),
        ("coalesce(i8, $1::numeric) = 1", false),
        ("txt = $1::text[]", false),
        ("txt = ANY($1::text[])", true),
        ("txt = ANY($1::text ARRAY)", true),
        ("txt = ANY($1::text)", false),
    ] {
        let sql = format!("SELECT 1 FROM t WHERE {condition}");
        match analyse(&sql, Protocol::Extended, &world.context()) {
            Verdict::Planned(plan) => {
                assert!(allowed, "allowed: {condition}");
                let [edit] = plan.edits.as_slice() else {
                    panic!("{condition}: {:?}", plan.edits);
                };
                let rest = [&sql[..edit.range.start], &sql[edit.range.end..]].concat();
                assert!(!rest.contains("::") && rest.contains("$1"), "{rest}");
            }
            Verdict::Refused(_) => assert!(!allowed, "refused: {condition}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn storing_wins_over_comparing() {
    let world = schema::s1();
    let usage = |sql: &str, index: usize| match plan(&world, sql).params[index] {
        Param::Sealed { usage, column, .. } => (usage, world.policy.column(column).path()),
        Param::Plain => panic!("{sql}"),
    };
    let users = || "public.users.email".to_owned();
    let orders = || "public.orders.email".to_owned();
    for (sql, index, expected) in [
        (
            "SELECT 1 FROM users WHERE email = $1",
            0,
            (Usage::Compare, users()),
        ),
        (
            "UPDATE users SET email = $1 WHERE email = $2",
            0,
            (Usage::Assign, users()),
        ),
        (
            "UPDATE users SET email = $1 WHERE email = $2",
            1,
            (Usage::Compare, users()),
        ),
        (
            "UPDATE users SET email = $1 WHERE email = $1",
            0,
            (Usage::Assign, users()),
        ),
        (
            "UPDATE users SET email = coalesce($1, email)",
            0,
            (Usage::Assign, users()),
        ),
        // Compared with the one column, stored in the other: the stored one says what fits.
        (
            "UPDATE users u SET email = $1 FROM orders o WHERE o.email = $1",
            0,
            (Usage::Assign, users()),
        ),
        (
            "WITH w (e) AS (VALUES ($1)) INSERT INTO orders (id, email) SELECT 1, e FROM w",
            0,
            (Usage::Assign, orders()),
        ),
        (
            "INSERT INTO users (id, email) SELECT * FROM unnest($1::bigint[], $2::text[])",
            1,
            (Usage::Assign, users()),
        ),
    ] {
        assert_eq!(usage(sql, index), expected, "{sql}");
    }
}

/// The reason and the hint of a refusal.
fn refused(world: &schema::World, sql: &str) -> (RefusalKind, String) {
    match analyse(sql, Protocol::Extended, &world.context()) {
        Verdict::Refused(refusal) => (refusal.kind, refusal.hint.unwrap_or_default()),
        other => panic!("{sql}: {other:?}"),
    }
}

/// A table `t` of an interval with fields, one without, and arrays.
fn spans() -> schema::World {
    let kinds = [
        ("days", "interval day"),
        ("secs", "interval second(3)"),
        ("any", "interval"),
        ("tags", "text[]"),
    ];
    let column = |(name, ty)| schema::column(("public", "t", name, Mode::Randomized, name, ty));
    let policy = Policy::new(1, vec![schema::cek()], kinds.map(column).to_vec(), vec![]).unwrap();
    let columns = kinds.map(|(name, _)| (name, "rnd"));
    let table = schema::relation(1, "public", "t", RelationKind::Table, &columns);
    schema::world(policy, vec![table])
}

#[test]
fn a_cast_to_an_interval_may_name_the_columns_own_fields() {
    let world = spans();
    for (sql, wire) in [
        ("UPDATE t SET days = '1'::interval day", None),
        ("UPDATE t SET days = interval '1' day", None),
        ("UPDATE t SET days = '1'", None),
        (
            "UPDATE t SET days = '1'::interval",
            Some(ScalarType::Interval),
        ),
        ("UPDATE t SET secs = interval '1' second (3)", None),
        (
            "UPDATE t SET \"any\" = interval '1'",
            Some(ScalarType::Interval),
        ),
    ] {
        let [(_, got, usage)] = literals(&world, sql).try_into().unwrap();
        assert_eq!((got, usage), (wire, Usage::Assign), "{sql}");
    }
    for sql in [
        "UPDATE t SET days = '1'::interval hour",
        "UPDATE t SET \"any\" = interval '1' day",
        "UPDATE t SET secs = interval '1' second (2)",
        "UPDATE t SET secs = interval '1' second",
    ] {
        let (kind, hint) = refused(&world, sql);
        assert_eq!(kind, RefusalKind::Cast, "{sql}");
        assert!(hint.contains("cast to `interval"), "{sql}: {hint}");
    }
}

#[test]
fn an_array_for_one_cell_is_not_put_together_by_the_server() {
    let world = spans();
    for sql in [
        "UPDATE t SET tags = ARRAY['a', 'b']",
        "UPDATE t SET tags = ARRAY[$1, $2]::text[]",
        "INSERT INTO t (tags) VALUES (ARRAY['a'])",
        "INSERT INTO t (tags) SELECT array_agg(x) FROM unnest($1::text[]) x",
    ] {
        let (kind, hint) = refused(&world, sql);
        assert_eq!(kind, RefusalKind::UnsupportedConstruct, "{sql}");
        assert!(hint.contains("one parameter"), "{sql}: {hint}");
    }
    assert_eq!(literals(&world, "UPDATE t SET tags = '{a,b}'").len(), 1);
}
