//! Values under a cast to another family of types than the column's, and parameters that the client
//! declares as one: PostgreSQL casts, then coerces the result to the column's type or says that it
//! has no such operator. pgjdbc writes `('7'::int4)` for every `setInt` in its simple mode.

use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};

use crate::{MODES, Mode, Twins};

fn table() -> Table {
    let columns = [
        Column::plain("id", "int4").constraint("PRIMARY KEY"),
        Column::deterministic("amount", "numeric(12,2)"),
        Column::deterministic("big", "int8"),
        Column::deterministic("n", "int4"),
        Column::deterministic("f", "float8"),
        Column::deterministic("code", "varchar(20)"),
        Column::deterministic("t", "text"),
        Column::deterministic("u", "uuid"),
        Column::deterministic("d", "date"),
        Column::deterministic("ts", "timestamp"),
        Column::deterministic("b", "bool"),
        Column::randomized("m", "money"),
        Column::randomized("secret", "text"),
    ];
    Table::new("public", "t", columns)
}

async fn twins() -> Twins {
    let mut twins = Twins::of([table()]).await;
    let row = "INSERT INTO t VALUES (1, 7, 7, 7, 7, '7', '7', \
               '5e5a3e5e-0000-4000-8000-000000000001', '2024-02-29', '2024-02-29', true, '$7', 'x')";
    assert_eq!(twins.step(Mode::Simple, row).await, None);
    twins
}

/// The types that clients declare and casts name, with texts of values of theirs.
const TYPES: [(&str, u32, &[&str]); 14] = [
    ("int2", 21, &["7", "70000"]),
    ("int4", 23, &["7", "8589934592"]),
    ("int8", 20, &["7", "8589934592"]),
    ("float4", 700, &["7", "7.5"]),
    ("float8", 701, &["7", "7.5", "8589934592"]),
    ("numeric", 1700, &["7.00", "7.5", "8589934592"]),
    ("text", 25, &["7", "true"]),
    ("varchar", 1043, &["7"]),
    ("uuid", 2950, &["5e5a3e5e-0000-4000-8000-000000000001", "7"]),
    ("date", 1082, &["2024-02-29"]),
    (
        "timestamp",
        1114,
        &["2024-02-29 00:00:00", "2024-02-29 12:00:00"],
    ),
    ("timestamptz", 1184, &["2024-02-29 00:00:00+00"]),
    ("bool", 16, &["true"]),
    ("bytea", 17, &["\\x37"]),
];

const COLUMNS: [&str; 12] = [
    "amount", "big", "n", "f", "code", "t", "u", "d", "ts", "b", "m", "secret",
];

/// What the server or the layer says of a text.
fn error(replies: &[Reply]) -> Option<(&str, &str)> {
    replies.iter().find_map(|reply| match reply {
        Reply::Error(fields) => Some((fields.code(), fields.message())),
        _ => None,
    })
}

/// Every column meets every type, stored and compared. What is not refused is PostgreSQL's, and what
/// PostgreSQL refuses has its SQLSTATE and, of types, its words.
async fn every_pair(way: impl Fn(&str, &str, u32, &str) -> Batch, least: usize) {
    let mut twins = twins().await;
    let (mut same, mut refused) = (0, Vec::new());
    for column in COLUMNS {
        for (ty, oid, texts) in TYPES {
            for text in texts {
                for sql in [
                    format!("UPDATE t SET {column} = @ WHERE id = 1 RETURNING {column}"),
                    format!("SELECT id FROM t WHERE {column} = @"),
                ] {
                    let randomized = matches!(column, "m" | "secret");
                    if randomized && sql.starts_with("SELECT") {
                        continue;
                    }
                    let batch = |statement: &str| {
                        let mut batch = Batch::new();
                        batch.query(statement);
                        batch
                    };
                    let changes = sql.starts_with("UPDATE");
                    if changes {
                        twins.sealed.exchange(&batch("BEGIN")).await;
                        twins.plain.exchange(&batch("BEGIN")).await;
                    }
                    let messages = way(&sql, ty, oid, text);
                    let replies = twins.sealed.exchange(&messages).await;
                    let expected = twins.plain.exchange(&messages).await;
                    match (error(&replies), error(&expected)) {
                        // A refusal that is not PostgreSQL's stands for something that it does.
                        (Some(("0A000", words)), None) => {
                            assert!(words.starts_with("refusing"), "{sql} {ty} {text}: {words}");
                            refused.push(format!("{column} {ty}"));
                        }
                        (Some(("0A000", _)), Some((code, _)))
                            if code == "42846" || code.starts_with("22") || ty == "bytea" => {}
                        // The types do not fit, and the server stops at the cast or its value.
                        (Some(("42804" | "42883", _)), Some((code, _)))
                            if code == "42846" || code.starts_with("22") => {}
                        (Some((code, words)), Some((_, _)))
                            if code.starts_with("22") && words.contains("not supported") => {}
                        (Some((code, words)), Some((expected, said)))
                            if matches!(expected, "42804" | "42883" | "42846") =>
                        {
                            assert_eq!((code, words), (expected, said), "{sql} {ty} {text}");
                            same += 1;
                        }
                        _ => {
                            let ordered = vec![vec![true]];
                            if let Some(difference) = difference(&replies, &expected, &ordered) {
                                panic!("{sql} ({ty}, {text}): {difference}");
                            }
                            same += 1;
                        }
                    }
                    if changes {
                        twins.sealed.exchange(&batch("ROLLBACK")).await;
                        twins.plain.exchange(&batch("ROLLBACK")).await;
                    }
                }
            }
        }
    }
    twins
        .proxy
        .assert_absent(&["5e5a3e5e-0000-4000", "8589934592"]);
    refused.sort_unstable();
    refused.dedup();
    assert!(same > least, "{same} outcomes, refused {refused:?}");
}

#[tokio::test]
async fn literals_under_casts() {
    let way = |sql: &str, ty: &str, _, text: &str| {
        let mut batch = Batch::new();
        batch.query(&sql.replace('@', &format!("('{text}'::{ty})")));
        batch
    };
    every_pair(way, 350).await;
}

/// Parse, with everything else of one execution.
fn execution(sql: &str, oid: u32, text: &str) -> Batch {
    let mut batch = Batch::new();
    batch.parse("", sql, &[oid]).describe(b'S', "");
    batch.bind("", "", &[Param::text(text)], Format::Text);
    batch.execute("", 0).sync();
    batch
}

#[tokio::test]
async fn parameters_under_casts() {
    let way = |sql: &str, ty: &str, _, text: &str| {
        execution(&sql.replace('@', &format!("$1::{ty}")), 0, text)
    };
    every_pair(way, 350).await;
}

#[tokio::test]
async fn declared_parameters() {
    let way = |sql: &str, _: &str, oid, text: &str| execution(&sql.replace('@', "$1"), oid, text);
    every_pair(way, 350).await;
}

#[tokio::test]
async fn integers_under_casts() {
    let way = |sql: &str, ty: &str, _, text: &str| {
        execution(&sql.replace('@', &format!("CAST($1 AS {ty})")), 23, text)
    };
    every_pair(way, 200).await;
}

#[tokio::test]
async fn both_spellings_of_a_cast_are_cut_out() {
    let mut twins = twins().await;
    for mode in MODES {
        twins
            .works(
                mode,
                &[
                    "BEGIN",
                    "INSERT INTO t (id, t, n) SELECT i, CAST(e AS text), CAST(k AS int4) FROM (VALUES (2, 'zqxmarker-a', 7), \
                     (3, NULL, NULL)) AS v (i, e, k) RETURNING t, n",
                    "UPDATE t SET t = CAST(CASE WHEN id = 1 THEN 'zqxmarker-b' WHEN id = 2 THEN CAST('zqxmarker-c' AS \
                     varchar) ELSE NULL END AS text), n = CAST((CASE WHEN id = 1 THEN NULL END) AS int4) RETURNING id, t, n",
                    "SELECT id FROM t WHERE t = CAST(CASE WHEN id > 1 THEN 'zqxmarker-c' END AS text) ORDER BY id",
                    "ROLLBACK",
                    "SELECT id FROM t WHERE n = 7.5 OR big = 7.0 OR amount IN ('7'::int4, '8'::int8)",
                    "SELECT id FROM t WHERE t = 7",
                ],
            )
            .await;
    }
    twins.finish();
}

/// One parameter has one cell. Where a value is coerced to be stored and not to be compared, that
/// would equal what the value does not.
#[tokio::test]
async fn what_would_be_stored_as_another_value_is_not_compared_as_that() {
    let mut twins = twins().await;
    let blanks = format!("7{}", " ".repeat(20));
    for (column, oid, text, refused) in [
        ("n", 1700, "7", false),
        ("n", 1700, "6.6", true),
        ("n", 0, "7", false),
        ("big", 701, "6.6", true),
        ("amount", 0, "7.00", false),
        ("amount", 0, "7.001", true),
        ("code", 0, "7", false),
        ("code", 0, blanks.as_str(), true),
    ] {
        let sql = format!("UPDATE t SET {column} = $1 WHERE {column} = $1 RETURNING {column}");
        let mut batch = Batch::new();
        batch
            .parse("", &sql, &[oid])
            .bind("", "", &[Param::text(text)], Format::Text)
            .execute("", 0)
            .sync();
        let replies = twins.sealed.exchange(&batch).await;
        let expected = twins.plain.exchange(&batch).await;
        if refused {
            let (code, words) = error(&replies).unwrap_or_default();
            assert_eq!(code, "0A000", "{sql} {text}: {replies:?}");
            assert!(words.contains("as another one"), "{sql} {text}: {words}");
            assert!(error(&expected).is_none(), "{sql} {text}: {expected:?}");
        } else if let Some(difference) = difference(&replies, &expected, &[vec![true]]) {
            panic!("{sql} ({text}): {difference}");
        }
    }
    let prepare = "PREPARE q AS UPDATE t SET code = $1 WHERE code = $1";
    assert_eq!(twins.step(Mode::Simple, prepare).await, None);
    let execute = Batch::new()
        .query(&format!("EXECUTE q('{blanks}')"))
        .clone();
    let replies = twins.sealed.exchange(&execute).await;
    assert_eq!(error(&replies).unwrap_or_default().0, "0A000");
    assert_eq!(twins.step(Mode::Simple, "EXECUTE q('7')").await, None);
}

/// What no type is said of, neither in the text nor by the client, has PostgreSQL's type there, or is
/// its error.
#[tokio::test]
async fn what_says_no_type_has_none_of_the_column() {
    let mut twins = twins().await;
    let mut errors = 0;
    for (sql, oids, params) in [
        (
            "SELECT id FROM t WHERE n = ANY (ARRAY['7', $1])",
            &[0][..],
            &["7"][..],
        ),
        (
            "SELECT id FROM t WHERE n = ANY (ARRAY['7', $1])",
            &[705],
            &["7"],
        ),
        (
            "SELECT id FROM t WHERE n = ANY (ARRAY['7', $1])",
            &[23],
            &["7"],
        ),
        (
            "SELECT id FROM t WHERE n = ANY (ARRAY[7, $1])",
            &[0],
            &["7"],
        ),
        (
            "SELECT id FROM t WHERE n <> ALL (ARRAY[$2, $1])",
            &[0, 0],
            &["7", "8"],
        ),
        (
            "SELECT id FROM t WHERE n <> ALL (ARRAY[$2, $1])",
            &[0, 23],
            &["7", "8"],
        ),
        (
            "SELECT id FROM t WHERE u = ANY (ARRAY[NULL, NULL])",
            &[],
            &[],
        ),
        (
            "SELECT id FROM t WHERE d = ANY (ARRAY['2024-02-29'])",
            &[],
            &[],
        ),
        ("SELECT id FROM t WHERE d = ANY ('{2024-02-29}')", &[], &[]),
        (
            "SELECT id FROM t WHERE t = ANY (ARRAY['7', $1])",
            &[0],
            &["7"],
        ),
        (
            "SELECT id FROM t WHERE code = ANY (ARRAY['7', $1])",
            &[0],
            &["7"],
        ),
        (
            "SELECT id FROM t WHERE n = $1 AND n = ANY (ARRAY[$1])",
            &[0],
            &["7"],
        ),
        (
            "SELECT id FROM t WHERE n IN (SELECT unnest($1))",
            &[0],
            &["{7}"],
        ),
        (
            "SELECT id FROM t WHERE n IN (SELECT unnest($1))",
            &[1007],
            &["{7}"],
        ),
        (
            "SELECT id FROM t JOIN unnest($1) u (v) ON n = v",
            &[0],
            &["{7}"],
        ),
        (
            "SELECT id FROM t JOIN unnest($1::int4[]) u (v) ON n = v",
            &[0],
            &["{7}"],
        ),
        (
            "SELECT id FROM t JOIN unnest('{7}') u (v) ON n = v",
            &[],
            &[],
        ),
    ] {
        let params: Vec<Param> = params.iter().map(|&text| Param::text(text)).collect();
        let mut batch = Batch::new();
        batch
            .parse("", sql, oids)
            .bind("", "", &params, Format::Text)
            .execute("", 0)
            .sync();
        let replies = twins.sealed.exchange(&batch).await;
        let expected = twins.plain.exchange(&batch).await;
        if let Some(difference) = difference(&replies, &expected, &[vec![true]]) {
            panic!("{sql} {oids:?}: {difference}");
        }
        if let (Some(error), Some(expected)) = (error(&replies), error(&expected)) {
            // `<>` and `ALL` are told as `=`, in the column's words.
            assert_eq!(
                error.1.replace(" = ", " <> "),
                expected.1.replace(" = ", " <> "),
                "{sql}"
            );
            errors += 1;
        }
    }
    assert_eq!(errors, 8);
}
