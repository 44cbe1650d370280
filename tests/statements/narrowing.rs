//! Cells that are copied to a column of another type of their class. PostgreSQL converts a value when
//! it is assigned; a cell stays what it is. So a copy passes exactly if the conversion does nothing.

use sealwire_core::ddl::domain;
use sealwire_core::policy::Mode as Encryption;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};

use crate::support::Sealed;

/// Types of one class, and values at which they differ.
struct Class {
    types: &'static [&'static str],
    values: &'static [&'static str],
}

const CLASSES: [Class; 12] = [
    Class {
        types: &["int2", "int4", "int8"],
        values: &["7", "-32769", "2147483648"],
    },
    Class {
        types: &[
            "text",
            "varchar",
            "varchar(5)",
            "varchar(12)",
            "varchar(16)",
            "varchar(63)",
            "char(3)",
            "char(5)",
            "bpchar",
            "name",
        ],
        values: &[
            "abc",
            "a ",
            "abcde",
            "abcd  ",
            "abcdefghijkl",
            "\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\
             \u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}",
            "0123456789012345678901234567890123456789012345678901234567890123456789",
            "012345678901234567890123456789012345678901234567890123456789012",
        ],
    },
    Class {
        types: &["numeric(4,2)", "numeric(6,2)", "numeric(12,2)"],
        values: &["1.5", "1234.5", "12345678.25"],
    },
    Class {
        types: &["time", "time(0)", "time(3)", "time(6)"],
        values: &["04:05:06", "04:05:06.125", "04:05:06.123456"],
    },
    Class {
        types: &["timetz(1)", "timetz"],
        values: &["04:05:06.5+02", "04:05:06.25+02"],
    },
    Class {
        types: &["timestamp(0)", "timestamp(2)", "timestamp"],
        values: &[
            "2024-02-29 01:02:03",
            "2024-02-29 01:02:03.25",
            "2024-02-29 01:02:03.123456",
        ],
    },
    Class {
        types: &["timestamptz(0)", "timestamptz"],
        values: &["2024-02-29 01:02:03+00", "2024-02-29 01:02:03.25+00"],
    },
    Class {
        types: &["bit(9)", "bit(12)", "varbit(9)", "varbit(12)", "varbit"],
        values: &["101010101", "101010101010", "1", "1010101010101"],
    },
    Class {
        types: &["inet", "cidr"],
        values: &["10.0.0.0/8", "10.1.2.3/8", "10.1.2.3"],
    },
    Class {
        types: &["macaddr", "macaddr8"],
        values: &["08:00:2b:01:02:03", "08:00:2b:01:02:03:04:05"],
    },
    Class {
        types: &["int4range", "int8range"],
        values: &["[1,5)"],
    },
    Class {
        types: &["varchar(3)[]", "varchar(5)[]", "text[]"],
        values: &["{abc}", "{a,NULL,abcde}", "{{abcdefg}}"],
    },
];

fn table(index: usize, class: &Class) -> Table {
    let columns = class.types.iter().enumerate().map(|(at, ty)| {
        Column::deterministic(&format!("c{at}"), ty).class(&format!("class {index}"))
    });
    Table::new(
        "public",
        &format!("t{index}"),
        std::iter::once(Column::plain("id", "int8")).chain(columns),
    )
}

fn query(sql: &str) -> Batch {
    let mut batch = Batch::new();
    batch.query(sql);
    batch
}

fn error(replies: &[Reply]) -> Option<(&str, &str)> {
    replies.iter().find_map(|reply| match reply {
        Reply::Error(fields) => Some((fields.code(), fields.message())),
        _ => None,
    })
}

#[tokio::test]
async fn a_copy_passes_exactly_where_postgresql_converts_nothing() {
    let tables = CLASSES.iter().enumerate();
    let fixture = Fixture::new(tables.map(|(index, class)| table(index, class))).await;
    let mut twins = Sealed::new(&fixture, &fixture.url()).await;
    let mut seen = [0; 2];
    for (index, class) in CLASSES.iter().enumerate() {
        // Every value in every column that takes it.
        let mut id = 0;
        for at in 0..class.types.len() {
            for value in class.values {
                id += 1;
                let sql = format!("INSERT INTO t{index} (id, c{at}) VALUES ({id}, '{value}')");
                let (sealed, plain) = twins.exchange(&query(&sql)).await;
                assert_eq!(difference(&sealed, &plain, &[]), None, "{sql}");
            }
        }
        for (from, source) in class.types.iter().enumerate() {
            for (to, target) in class.types.iter().enumerate() {
                let pair = format!("{source} to {target}");
                let copy = format!(
                    "INSERT INTO t{index} (id, c{to}) SELECT id + 1000, c{from} FROM t{index} \
                     WHERE c{from} IS NOT NULL AND id < 1000"
                );
                // Casts to text show every change, but for the two forms of an address.
                let equal = match source.starts_with("macaddr") {
                    true => format!("n.c{to}::macaddr8 = o.c{from}::macaddr8"),
                    false => format!("n.c{to}::text = o.c{from}::text"),
                };
                let changed = format!(
                    "SELECT n.id FROM t{index} o JOIN t{index} n ON n.id = o.id + 1000 WHERE NOT {equal}"
                );
                twins.both("BEGIN").await;
                let (sealed, plain) = twins.exchange(&query(&copy)).await;
                let converts = match error(&plain) {
                    Some(_) => true,
                    None => {
                        let owner = &mut twins.plain;
                        let replies = owner.exchange(&query(&changed)).await;
                        assert_eq!(error(&replies), None, "{changed}");
                        replies.iter().any(|reply| matches!(reply, Reply::Row(_)))
                    }
                };
                seen[usize::from(converts)] += 1;
                match error(&sealed) {
                    None => {
                        assert!(!converts, "{pair}: passed");
                        // A deterministic `bpchar` column shows no blanks at the end, ever.
                        if *target == "bpchar" {
                            twins.both("ROLLBACK").await;
                            continue;
                        }
                        let shown = format!("SELECT id, c{to} FROM t{index} ORDER BY id");
                        let (sealed, plain) = twins.exchange(&query(&shown)).await;
                        assert_eq!(difference(&sealed, &plain, &[vec![true]]), None, "{pair}");
                    }
                    Some((code, message)) => {
                        assert!(converts, "{pair}: {message}");
                        assert_eq!(code, "0A000", "{pair}");
                        let words = format!(
                            "refusing to copy encrypted column `public.t{index}.c{from}` into \
                             `public.t{index}.c{to}`"
                        );
                        assert!(message.contains(&words), "{pair}: {message}");
                    }
                }
                twins.both("ROLLBACK").await;
            }
        }
    }
    assert!(seen.iter().all(|&n| n > 50), "{seen:?}");
}

/// Ways from the column `{from}` into the column `{to}` of one table, whose types are an `int8` and an
/// `int4`.
const WAYS: [&str; 19] = [
    "INSERT INTO n (id, {to}) SELECT id + 10, {from} FROM n",
    "INSERT INTO n (id, {to}) SELECT id + 10, x FROM (SELECT id, {from} AS x FROM n LIMIT 9) s",
    "INSERT INTO n (id, {to}) SELECT 10, {to} FROM n UNION ALL SELECT 11, {from} FROM n",
    "INSERT INTO n (id, {to}) SELECT 10, {from} FROM n EXCEPT SELECT 11, {to} FROM n",
    "INSERT INTO n (id, {to}) VALUES (10, (SELECT {from} FROM n WHERE id = 1))",
    "INSERT INTO n (id, {to}) SELECT 10, x FROM n, LATERAL (VALUES ({from})) v (x)",
    "INSERT INTO n (id, {to}) SELECT 10, x FROM (SELECT array_agg({from}) AS l FROM n) s, unnest(l) x",
    "INSERT INTO n (id, {to}) SELECT 10, x FROM v",
    "INSERT INTO n (id, {from}) VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET {to} = n.{from}",
    "INSERT INTO n (id, {from}) VALUES (1, {value}) ON CONFLICT (id) DO UPDATE SET {to} = EXCLUDED.{from}",
    "UPDATE n SET {to} = {from}",
    "UPDATE n SET {to} = coalesce({to}, {from}), {from} = {from}",
    "UPDATE n SET {to} = CASE WHEN id > 0 THEN {from} ELSE {to} END",
    "UPDATE n SET {to} = nullif(coalesce({from}, {to}), 3)",
    "UPDATE n SET ({to}, id) = (SELECT o.{from}, o.id FROM n o WHERE o.id = n.id)",
    "UPDATE n SET {to} = o.l FROM (SELECT id, lag({from}, 0) OVER (ORDER BY id) AS l FROM n) o WHERE o.id = n.id",
    "WITH gone AS (DELETE FROM n RETURNING {from}) INSERT INTO n (id, {to}) SELECT 10, {from} FROM gone",
    "WITH RECURSIVE r AS (SELECT id, {from} AS x FROM n UNION ALL SELECT r.id + 1, x FROM r WHERE id < 3) \
     INSERT INTO n (id, {to}) SELECT id + 10, x FROM r",
    "PREPARE p AS UPDATE n SET {to} = {from}; EXECUTE p; DEALLOCATE p",
];

fn fill(way: &str, [from, to, value]: [&str; 3]) -> String {
    way.replace("{from}", from)
        .replace("{to}", to)
        .replace("{value}", value)
}

#[tokio::test]
async fn a_narrower_column_takes_no_cells_of_a_wider_one_on_any_way() {
    let column = |name, ty| Column::deterministic(name, ty).class("number");
    let id = Column::plain("id", "int8").constraint("PRIMARY KEY");
    let n = Table::new(
        "public",
        "n",
        [id, column("big", "int8"), column("small", "int4")],
    );
    let fixture = Fixture::new([n]).await;
    fixture
        .prepare("CREATE VIEW v AS SELECT id, big, small, coalesce(small, big) AS x FROM n")
        .await;
    let owner = fixture.sealed().connect().await;
    let kind: String = owner
        .query_one("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'v'::regclass AND attname = 'x'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(kind, domain(Encryption::Deterministic));
    let mut twins = Sealed::new(&fixture, &fixture.url()).await;
    twins
        .both("INSERT INTO n (id, big, small) VALUES (1, 1099511627776, NULL)")
        .await;
    let rows = query("SELECT * FROM n ORDER BY id");
    for way in WAYS {
        let narrows = fill(way, ["big", "small", "1099511627776"]);
        let (sealed, plain) = twins.exchange(&query(&narrows)).await;
        let (code, message) = error(&sealed).unwrap_or_else(|| panic!("{narrows}: passed"));
        assert_eq!(code, "0A000", "{narrows}: {message}");
        assert!(message.contains("refusing to copy"), "{narrows}: {message}");
        assert_eq!(error(&plain).map(|it| it.0), Some("22003"), "{narrows}");
        // Nothing is stored, and what was prepared is gone.
        let (sealed, plain) = twins.exchange(&rows).await;
        assert_eq!(
            difference(&sealed, &plain, &[vec![true]]),
            None,
            "{narrows}"
        );
        twins.both("DEALLOCATE ALL").await;

        // The other way round, every value fits; `v.x` may be either.
        let widens = fill(way, ["small", "big", "5"]);
        twins.both("BEGIN; UPDATE n SET big = 5, small = 4").await;
        for batch in [&query(&widens), &rows] {
            let (sealed, plain) = twins.exchange(batch).await;
            assert_eq!(error(&plain), None, "{widens}");
            assert_eq!(difference(&sealed, &plain, &[vec![true]]), None, "{widens}");
        }
        twins.both("ROLLBACK").await;
    }
}

#[tokio::test]
async fn a_value_that_is_compared_with_the_one_and_stored_in_the_other_passes() {
    let column = |name, ty| Column::deterministic(name, ty).class("word");
    let id = Column::plain("id", "int8");
    let columns = [id, column("long", "text"), column("short", "varchar(3)")];
    let fixture = Fixture::new([Table::new("public", "w", columns)]).await;
    let mut twins = Sealed::new(&fixture, &fixture.url()).await;
    twins
        .both("INSERT INTO w VALUES (1, 'abc', 'x'), (2, 'abcd', 'y')")
        .await;
    for value in ["abc", "abcd"] {
        for sql in [
            "UPDATE w SET short = $1 WHERE long = $1",
            "UPDATE w SET short = $1 FROM (SELECT long FROM w) o WHERE o.long = w.long AND w.long = $1",
            "WITH v AS (SELECT $1 AS e) UPDATE w SET short = coalesce(v.e, w.short) FROM v WHERE v.e = w.long",
        ] {
            let mut batch = Batch::new();
            batch.parse("", sql, &[]);
            batch.bind("", "", &[Param::text(value)], Format::Text);
            batch.execute("", 0).sync();
            let (sealed, plain) = twins.exchange(&batch).await;
            assert_eq!(difference(&sealed, &plain, &[]), None, "{sql}");
        }
    }
}
