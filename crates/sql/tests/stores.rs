//! Which column's type a stored value has: that of every column that it is stored in, or the
//! statement is refused.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/schema.rs"]
mod schema;

use schema::{World, cek, column, relation, world};
use sealwire_core::catalogue::RelationKind::{Table, View};
use sealwire_core::policy::{Mode, Policy};
use sealwire_core::value::Usage;
use sealwire_sql::{Output, Outputs, Param, Protocol, Refusal, RefusalKind, Verdict, analyse};

/// Two tables of a class `n`, and a view that chooses between columns of it.
fn numbers() -> World {
    let det = |table, name, ty| column(("public", table, name, Mode::Deterministic, "n", ty));
    let columns = vec![
        det("a", "big", "int8"),
        det("a", "small", "int4"),
        det("b", "big", "int8"),
        det("b", "small", "int4"),
        det("b", "tiny", "int2"),
    ];
    let policy = Policy::new(1, vec![cek()], columns, vec![]).unwrap();
    let a = [("id", "int8"), ("big", "det"), ("small", "det")];
    let b = [a[0], a[1], a[2], ("tiny", "det")];
    let shown = [("x", "det"), ("y", "det"), ("z", "det")];
    let mut v = relation(12, "public", "v", View, &shown);
    v.reads = vec![10];
    v.definition = Some(
        " SELECT COALESCE(a.small, a.big) AS x,\n    a.small AS y,\n    \
         ( SELECT NULLIF(COALESCE(a.small, a.big), a.small) AS \"nullif\") AS z\n   FROM a;"
            .into(),
    );
    let relations = vec![
        relation(10, "public", "a", Table, &a),
        relation(11, "public", "b", Table, &b),
        v,
    ];
    world(policy, relations)
}

fn verdict(sql: &str) -> Verdict {
    analyse(sql, Protocol::Extended, &numbers().context())
}

fn refusal(sql: &str) -> Refusal {
    match verdict(sql) {
        Verdict::Refused(refusal) => refusal,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn cells_of_a_wider_column_are_not_copied() {
    for (sql, from, to) in [
        (
            "INSERT INTO b (small) SELECT big FROM a",
            "a.big",
            "b.small",
        ),
        (
            "INSERT INTO b (tiny) SELECT small FROM a",
            "a.small",
            "b.tiny",
        ),
        ("UPDATE a SET small = big", "a.big", "a.small"),
        ("UPDATE a SET (id, small) = (1, big)", "a.big", "a.small"),
        (
            "MERGE INTO b USING a ON a.id = b.id WHEN MATCHED THEN UPDATE SET small = a.big",
            "a.big",
            "b.small",
        ),
        (
            "MERGE INTO b USING a ON a.id = b.id WHEN NOT MATCHED THEN INSERT (small) VALUES (a.big)",
            "a.big",
            "b.small",
        ),
        // A choice has the cells of each branch.
        (
            "INSERT INTO b (tiny) SELECT coalesce(b.tiny, a.small) FROM a, b",
            "a.small",
            "b.tiny",
        ),
        (
            "INSERT INTO b (small) SELECT x FROM (SELECT any_value(CASE WHEN id > 1 THEN small ELSE big END) AS x FROM a) s",
            "a.big",
            "b.small",
        ),
        ("INSERT INTO b (small) SELECT x FROM v", "a.big", "b.small"),
        ("INSERT INTO b (small) SELECT z FROM v", "a.big", "b.small"),
        ("INSERT INTO b (tiny) SELECT y FROM v", "a.small", "b.tiny"),
        // The same cells in a wide column, and then in a narrow one.
        (
            "WITH w AS (SELECT id, big FROM a) INSERT INTO b (big, small) SELECT big, big FROM w",
            "a.big",
            "b.small",
        ),
    ] {
        let refusal = refusal(sql);
        assert_eq!(refusal.kind, RefusalKind::Narrowing, "{sql}: {refusal}");
        assert_eq!(
            refusal.message,
            format!("refusing to copy encrypted column `public.{from}` into `public.{to}`"),
            "{sql}"
        );
        assert!(refusal.detail.is_some() && refusal.hint.is_some(), "{sql}");
    }
}

#[test]
fn cells_of_the_same_type_or_a_narrower_one_are_copied() {
    for sql in [
        "INSERT INTO b (big, small, tiny) SELECT big, small, NULL FROM a",
        "INSERT INTO b (big) SELECT small FROM a",
        "INSERT INTO b (big) SELECT x FROM v",
        "INSERT INTO b (small, big) SELECT y, y FROM v",
        "UPDATE b SET big = coalesce(tiny, small), small = tiny WHERE big = small",
        "UPDATE b SET small = a.small FROM a WHERE a.big = b.small",
    ] {
        assert!(matches!(verdict(sql), Verdict::Planned(_)), "{sql}");
    }
}

#[test]
fn a_value_is_sealed_for_the_column_that_it_is_stored_in() {
    for (sql, stored) in [
        ("UPDATE b SET small = $1 WHERE big = $1", "public.b.small"),
        ("UPDATE b SET big = $1 WHERE tiny = $1", "public.b.big"),
        (
            "WITH v AS (SELECT $1 AS e) UPDATE b SET tiny = coalesce(v.e, b.tiny) FROM v JOIN a ON v.e = a.big",
            "public.b.tiny",
        ),
        ("INSERT INTO b (tiny, big) VALUES ($1, $1)", "public.b.tiny"),
    ] {
        let Verdict::Planned(plan) = verdict(sql) else {
            panic!("{sql}");
        };
        let [Param::Sealed { column, usage, .. }] = plan.params.as_slice() else {
            panic!("{sql}: {:?}", plan.params);
        };
        let policy = numbers().policy;
        assert_eq!(policy.column(*column).path(), stored, "{sql}");
        assert_eq!(*usage, Usage::Assign, "{sql}");
    }
}

#[test]
fn a_value_is_not_stored_as_two_types() {
    for sql in [
        "INSERT INTO b (big, tiny) VALUES ($1, $1)",
        "INSERT INTO b (big, tiny) SELECT x, x FROM unnest($1::int8[]) x",
        "WITH w AS (SELECT $1 AS x) INSERT INTO b (big, small) SELECT x, coalesce(x, small) FROM w, a",
    ] {
        let refusal = refusal(sql);
        assert_eq!(
            refusal.kind,
            RefusalKind::ParameterConflict,
            "{sql}: {refusal}"
        );
        assert!(
            refusal.message.contains("`$1` for encrypted columns"),
            "{refusal}"
        );
    }
    let sql = "WITH w AS (SELECT '7' AS x) INSERT INTO b (big, small) SELECT x, x FROM w";
    assert_eq!(refusal(sql).kind, RefusalKind::Narrowing, "{sql}");
}

#[test]
fn a_column_is_shown_with_its_own_type_wherever_it_is_stored() {
    let sql = "WITH w AS (SELECT small FROM a), i AS (INSERT INTO b (big) SELECT small FROM w) \
               SELECT small FROM w";
    let Verdict::Planned(plan) = verdict(sql) else {
        panic!("{sql}");
    };
    let [Outputs::Columns(outputs)] = plan.statements.as_slice() else {
        panic!("{sql}");
    };
    let [
        Output {
            column: Some(column),
            ..
        },
    ] = outputs.as_slice()
    else {
        panic!("{sql}");
    };
    assert_eq!(numbers().policy.column(*column).path(), "public.a.small");
}

#[test]
fn a_result_of_logic_is_named_by_its_own_keyword() {
    for (value, keyword) in [
        ("NOT $1", "NOT"),
        ("id > 1 AND id < 9", "AND"),
        ("id < 1 OR id > 9", "OR"),
    ] {
        let refusal = refusal(&format!("UPDATE a SET small = {value}"));
        assert_eq!(refusal.kind, RefusalKind::MixedPlain, "{refusal}");
        let result = format!("the result of `{keyword}`");
        assert!(refusal.message.contains(&result), "{refusal}");
    }
}
