//! Parameters that the client declares as strings and the statement casts: PostgreSQL hands them to
//! the input function of the cast's type. JDBC's `setString` with `?::jsonb` is the best known.

use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Param};

use crate::Twins;

/// `text` and `varchar`, as drivers declare strings.
const STRINGS: [u32; 2] = [25, 1043];

#[tokio::test]
async fn strings_under_casts_are_read_as_the_casts_type() {
    let columns = [
        Column::plain("id", "int4").constraint("PRIMARY KEY"),
        Column::deterministic("n", "int4"),
        Column::deterministic("u", "uuid"),
        Column::deterministic("d", "date"),
        Column::deterministic("b", "bytea"),
        Column::randomized("j", "jsonb"),
        Column::deterministic("l", "text[]"),
    ];
    let mut twins = Twins::of([Table::new("public", "t", columns)]).await;
    let uuid = "5e5a3e5e-0000-4000-8000-000000000001";
    let insert = "INSERT INTO t VALUES (1, $1::int, CAST($2 AS uuid), $3::date, $4::bytea, $5::jsonb, \
                  $6::text[]) RETURNING *";
    let values = [
        " 41 ",
        uuid,
        "2024-02-29",
        "\\x00ff",
        r#"{"a": [1]}"#,
        "{a,NULL}",
    ];
    for (sql, values) in [
        (insert, &values[..]),
        ("SELECT id FROM t WHERE n = $1::int", &["41"]),
        ("SELECT id FROM t WHERE n = $1::bigint", &["41"]),
        // It equals nothing, and is no error.
        ("SELECT id FROM t WHERE n = $1::bigint", &["5000000000"]),
        (
            "SELECT id FROM t WHERE u = $1::uuid OR u = CAST($1 AS uuid)",
            &[uuid],
        ),
        ("SELECT id FROM t WHERE n = ANY($1::int[])", &["{40,41}"]),
        ("SELECT id FROM t WHERE l = $1::text[]", &["{a,NULL}"]),
        ("UPDATE t SET n = $1::int RETURNING n", &["5000000000"]),
        ("UPDATE t SET n = $1::int RETURNING n", &["x"]),
        ("UPDATE t SET j = $1::jsonb RETURNING j", &["{"]),
        ("UPDATE t SET d = $1::date RETURNING d", &["2023-02-29"]),
        // Not every use is under a cast, so it stays a string.
        ("UPDATE t SET n = $1 WHERE n = $1::int", &["41"]),
    ] {
        for (oid, format) in STRINGS.into_iter().zip([Format::Text, Format::Binary]) {
            // The first of the two inserts the row, and the second one meets it.
            let sql = sql.replace(
                ") RETURNING *",
                ") ON CONFLICT (id) DO UPDATE SET id = 1 RETURNING *",
            );
            let parameters: Vec<Param> = values
                .iter()
                .map(|&value| match format {
                    Format::Text => Param::text(value),
                    Format::Binary => Param::binary(value),
                })
                .collect();
            let mut batch = Batch::new();
            batch
                .parse("", &sql, &vec![oid; values.len()])
                .describe(b'S', "")
                .bind("", "", &parameters, format)
                .execute("", 0)
                .sync();
            let replies = twins.sealed.exchange(&batch).await;
            let expected = twins.plain.exchange(&batch).await;
            if let Some(difference) = difference(&replies, &expected, &[vec![true]]) {
                panic!("{sql} ({values:?}, {format:?}): {difference}");
            }
        }
    }
}
