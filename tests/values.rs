//! Every type, in both modes, in both formats, as parameter and as literal: what is written
//! through Sealwire reads back byte for byte as from a plain table, and the server holds cells.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_core::policy::Mode;
use sealwire_core::types::ScalarType;
use sealwire_keys::ColumnType;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::compare::difference;
use sealwire_testkit::fixture::run::Pair;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply, WireClient};
use tokio::net::TcpStream;

/// A deterministic value may have this many bytes (cell format, section 6).
const DETERMINISTIC_BYTES_MAX: usize = 16 << 10;

struct Case {
    ty: &'static str,
    /// Text forms as a client may send them.
    values: Vec<String>,
}

fn case(ty: &'static str, values: &[&str]) -> Case {
    Case {
        ty,
        values: values.iter().map(|&value| value.to_owned()).collect(),
    }
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("int2", &["0", "1", "-1", "32767", "-32768", " 7 "]),
        case("int4", &["0", "-1", "2147483647", "-2147483648"]),
        case(
            "int8",
            &["0", "-1", "9223372036854775807", "-9223372036854775808"],
        ),
        case("bool", &["t", "false", "yes", "off", "1"]),
        case(
            "float4",
            &[
                "0",
                "1.5",
                "-2.25",
                "3.4028235e38",
                "1.17549435e-38",
                "1e-45",
                "Infinity",
                "-inf",
                "NaN",
                "0.1",
            ],
        ),
        case(
            "float8",
            &[
                "0",
                "0.1",
                "1.7976931348623157e308",
                "5e-324",
                "-Infinity",
                "inf",
                "nan",
                "123456789.123456789",
                "1e15",
                "1e-5",
            ],
        ),
        case(
            "numeric",
            &[
                "0",
                "1",
                "-1",
                "0.1",
                "-0.000000000001",
                "123456789012345678901234567890.12345678901234567891",
                "NaN",
                "1e20",
                "10000",
                "9999.0001",
            ],
        ),
        case(
            "numeric(10,2)",
            &[
                "0",
                "12345678.91",
                "-0.005",
                "99999999.99",
                "1.005",
                "1e3",
                "NaN",
            ],
        ),
        case("numeric(4,0)", &["9999", "-0.4", "1234.5"]),
        case(
            "text",
            &[
                "",
                "a",
                "naïve 😀 ß \u{10FFFF}",
                "O'Brien",
                "back\\slash",
                "trailing  ",
                "\n\t\"",
                "$$ $1 -- /* ;",
                "\\x00",
            ],
        ),
        case("varchar", &["", "x", "  x  "]),
        case(
            "varchar(20)",
            &[
                "",
                "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
                "12345678901234567890   ",
                "a ",
            ],
        ),
        case(
            "char(10)",
            &["", "abc", "abc   ", "1234567890", "abc            ", "ß😀"],
        ),
        case("char", &["x", "", "x "]),
        case("bytea", &["", "\\x00ff10", "abc\\000\\\\", "\\xDEADBEEF"]),
        case(
            "uuid",
            &[
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}",
                "a0eebc999c0b4ef8bb6d6bb9bd380a12",
            ],
        ),
        case(
            "date",
            &[
                "2024-02-29",
                "infinity",
                "-infinity",
                "0044-03-15 BC",
                "4714-11-24 BC",
                "5874897-12-31",
                "epoch",
            ],
        ),
        case(
            "time",
            &[
                "00:00",
                "23:59:59.999999",
                "24:00:00",
                "04:05:06.789",
                "04:05 PM",
            ],
        ),
        case(
            "time(3)",
            &["23:59:59.9999", "00:00:00.0005", "12:34:56.7894"],
        ),
        case(
            "timestamp",
            &[
                "2024-02-29 12:34:56.123456",
                "infinity",
                "-infinity",
                "0044-03-15 12:00:00 BC",
                "4714-11-24 00:00:00 BC",
                "294276-12-31 23:59:59.999999",
                "epoch",
                "1999-01-08T04:05:06",
            ],
        ),
        case(
            "timestamp(0)",
            &["2024-02-29 12:34:56.5", "2024-02-29 12:34:55.499999"],
        ),
        case(
            "timestamptz",
            &[
                "2024-02-29 12:34:56.123456+05:30",
                "infinity",
                "-infinity",
                "0044-03-15 12:00:00Z BC",
                "2024-07-01 12:00 Europe/Berlin",
                "2024-07-01 12:00",
                "2024-03-31 02:30",
                "294276-12-31 00:00:00+00",
            ],
        ),
        case(
            "timestamptz(3)",
            &["2024-02-29 12:34:56.1235+02", "1969-12-31 23:59:59.9995-08"],
        ),
        case(
            "json",
            &[
                "{\"a\": 1,  \"b\":[true,null]}",
                "\"\"",
                "null",
                " 1e5 ",
                "{\"k\":1,\"k\":2}",
                "\"\\u00e9\"",
            ],
        ),
        case(
            "jsonb",
            &[
                "{\"bb\": 1, \"a\": 2,  \"a\": 3, \"\": []}",
                "\"\"",
                "null",
                "1.50",
                "1e5",
                "\"\\u00e9\\n\\ud83d\\ude00\"",
                "[{}, [1, \"x\"], -0.0]",
                "{\"aa\":1,\"b\":{\"z\":null,\"y\":false}}",
            ],
        ),
    ];
    cases.extend(further_cases());
    // The largest that fit each mode; the server's own limits are far above.
    let mebibyte = "0123456789abcdef".repeat(1 << 16);
    for case in &mut cases {
        match case.ty {
            "text" => {
                case.values
                    .push(mebibyte[..DETERMINISTIC_BYTES_MAX].to_owned());
                case.values.push(mebibyte.clone());
            }
            "bytea" => case.values.push(format!("\\x{}", mebibyte.repeat(2))),
            "jsonb" | "json" => case.values.push(format!("{{\"k\": \"{mebibyte}\"}}")),
            _ => {}
        }
    }
    cases
}

/// The further families of the cell format, and arrays.
fn further_cases() -> Vec<Case> {
    vec![
        case(
            "interval",
            &[
                "1 year 2 mons -3 days 04:05:06.789",
                "PT36H",
                "@ 1 day ago",
                "1-2 3 4:05:06",
                "0",
                "1.5",
            ],
        ),
        case("interval(0)", &["1.5 secs", "-00:00:00.5"]),
        case(
            "interval day to second(2)",
            &["1 mon 1 day 0.005", "2 1:02:03"],
        ),
        case("interval year to month", &["1-2", "3 years 40 days"]),
        case(
            "timetz",
            &["12:34:56.789+05:30", "24:00Z", "00:00-15:59:59"],
        ),
        case("timetz(0)", &["12:34:56.5+01", "23:59:59.9-08"]),
        case(
            "inet",
            &[
                "10.0.0.1",
                "10.0.0.1/8",
                "::1",
                "2001:db8::1/32",
                "::ffff:1.2.3.4",
                "0.0.0.0/0",
            ],
        ),
        case("cidr", &["10/8", "192.168.1.0/24", "::/0", "2001:db8::/32"]),
        case("macaddr", &["08:00:2b:01:02:03", "08002b-0102ff"]),
        case("macaddr8", &["08:00:2b:01:02:03:04:05", "0800.2b01.0203"]),
        case(
            "money",
            &["$1,234.56", "-0.015", "92233720368547758.07", "(12)"],
        ),
        case("bit(5)", &["10101", "00000"]),
        case("bit varying", &["", "1", "x1f", "101010101010101"]),
        case("bit varying(9)", &["101", "111111111"]),
        case("name", &["", "pg_class", "größe"]),
        case(
            "xml",
            &[
                "",
                "<a b=\"c\">x &amp; y</a>",
                "<?xml version=\"1.0\" standalone=\"yes\"?><a/>",
                "<a/>b<!-- c -->",
            ],
        ),
        case("int4range", &["empty", "[1,5]", "(,3)", "[7,]", "(1,2)"]),
        case("int8range", &["[-9000000000,9000000000)", "(,)"]),
        case("numrange", &["[1.5,2.25]", "(0,)", "[1,1]", "(-1e20,NaN]"]),
        case(
            "daterange",
            &["[2024-01-01,2024-01-31]", "[-infinity,2024-01-01)", "empty"],
        ),
        case(
            "tsrange",
            &[
                "[2024-01-01 12:00,\"2024-01-02 00:00:00.5\")",
                "(,infinity]",
            ],
        ),
        case(
            "tstzrange",
            &[
                "[2024-01-01 12:00+05:30,)",
                "(2024-01-01 00:00Z,2024-06-01 00:00Z)",
            ],
        ),
        case(
            "text[]",
            &[
                "{}",
                "{a,NULL,\"NULL\",\"\"}",
                "{{\"x y\",\"q\\\"\"},{ü,\"a,b\"}}",
                "[0:1]={a,b}",
            ],
        ),
        case("int4[]", &["{}", "{1,-1,NULL}", "[-1:0][2:2]={{1},{2}}"]),
        case("int8[]", &["{9223372036854775807}"]),
        case("varchar(3)[]", &["{abc,\"ab   \",NULL}"]),
        case("numeric(6,2)[]", &["{1.005,2,NaN}"]),
        case("float8[]", &["{0.1,Infinity,NULL}"]),
        case("bool[]", &["{t,f,NULL}"]),
        case("uuid[]", &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"]),
        case(
            "timestamptz[]",
            &["{\"2024-02-29 12:34:56.5+05:30\",infinity}"],
        ),
        case("jsonb[]", &["{\"{\\\"b\\\": 1, \\\"a\\\": 2}\",NULL}"]),
        case("bytea[]", &["{\"\\\\x00ff\",\"\\\\\\\\\"}"]),
        case("inet[]", &["{10.0.0.1,::1}"]),
        case("interval[]", &["{\"1 day\",02:03:04}"]),
        case("public.mood", &["sad", "a b", "größe, \"x\"", "NULL"]),
        case("numrange[]", &["{\"[1,2.5)\",empty,NULL}"]),
    ]
}

fn modes(ty: &str) -> &'static [Mode] {
    let ty: ColumnType = ty.parse().unwrap();
    if ty.declared().family().has_single_byte_form() {
        &[Mode::Deterministic, Mode::Randomized]
    } else {
        &[Mode::Randomized]
    }
}

fn fits(ty: &str, mode: Mode, value: &str) -> bool {
    let bytes = if ty == "bytea" {
        value.len() / 2
    } else {
        value.len()
    };
    mode == Mode::Randomized || bytes <= DETERMINISTIC_BYTES_MAX
}

fn table(ty: &str, mode: Mode) -> String {
    let mode = if mode == Mode::Deterministic {
        "det"
    } else {
        "rnd"
    };
    let name: String = ty
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    format!("{name}_{mode}")
}

/// The labels of `mood`, in the order of the manifest, which the databases do not have.
const MOODS: [&str; 5] = ["sad", "ok", "a b", "größe, \"x\"", "NULL"];

fn column(ty: &str, mode: Mode) -> Column {
    let column = Column::encrypted("v", ty, mode);
    if ty.starts_with("public.mood") {
        column.labels(&MOODS)
    } else {
        column
    }
}

async fn fixture() -> Fixture {
    let tables = cases().into_iter().flat_map(|case| {
        modes(case.ty).iter().map(move |&mode| {
            Table::new(
                "public",
                &table(case.ty, mode),
                [Column::plain("id", "int4"), column(case.ty, mode)],
            )
        })
    });
    Fixture::new(tables.collect::<Vec<_>>()).await
}

/// The ways in which a client can hand a value over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    TextParameter,
    BinaryParameter,
    TypedParameter,
    ExtendedLiteral,
    SimpleLiteral,
}

const WAYS: [Way; 5] = [
    Way::TextParameter,
    Way::BinaryParameter,
    Way::TypedParameter,
    Way::ExtendedLiteral,
    Way::SimpleLiteral,
];

/// A value in the forms that the ways need. The binary one comes from the server itself.
struct Value {
    text: String,
    binary: Option<Vec<u8>>,
    ty: String,
    oid: u32,
}

async fn value(client: &mut WireClient<TcpStream>, ty: &str, text: &str) -> Value {
    // Without the modifier: the column applies it, not the cast.
    let column: ColumnType = ty.parse().unwrap();
    let declared = column.declared();
    let brackets = if declared.is_array() { "[]" } else { "" };
    let bare = match declared.scalar() {
        ScalarType::Bpchar => "bpchar".into(),
        ScalarType::Enum => ty.to_owned(),
        ScalarType::Bit => "\"bit\"".into(),
        scalar => format!("{}{brackets}", scalar.name()),
    };
    let mut batch = Batch::new();
    batch.parse("", &format!("SELECT $1::{bare}"), &[]).bind(
        "",
        "",
        &[Param::text(text)],
        Format::Binary,
    );
    let replies = client
        .exchange(batch.describe(b'P', "").execute("", 0).sync())
        .await;
    let mut oid = 0;
    let mut binary = None;
    for reply in replies {
        match reply {
            Reply::Columns(fields) => oid = fields[0].type_oid,
            Reply::Row(values) => binary = values[0].as_ref().map(|bytes| bytes.to_vec()),
            Reply::Error(fields) => panic!("{ty} {text:.40}: {fields:?}"),
            _ => {}
        }
    }
    Value {
        text: text.to_owned(),
        binary,
        ty: bare,
        oid,
    }
}

impl Value {
    /// The messages of a statement with the value at `{}`.
    fn batch(&self, way: Way, sql: &str, results: Format) -> Batch {
        let mut batch = Batch::new();
        let literal = format!("'{}'", self.text.replace('\'', "''"));
        let with = |value: &str| sql.replace("{}", value);
        let (text, params, types) = match way {
            Way::TextParameter => (with("$1"), vec![Param::text(self.text.clone())], vec![]),
            Way::BinaryParameter => {
                let binary = self.binary.clone().expect("a value");
                (with("$1"), vec![Param::binary(binary)], vec![])
            }
            Way::TypedParameter => {
                let cast = format!("$1::{}", self.ty);
                (
                    with(&cast),
                    vec![Param::text(self.text.clone())],
                    vec![self.oid],
                )
            }
            Way::ExtendedLiteral => (with(&literal), vec![], vec![]),
            Way::SimpleLiteral => {
                batch.query(&with(&literal));
                return batch;
            }
        };
        batch
            .parse("", &text, &types)
            .bind("", "", &params, results);
        batch.describe(b'P', "").execute("", 0).sync();
        batch
    }
}

async fn same(
    pair: &mut Pair<support::Stream, TcpStream>,
    batch: &Batch,
    what: &str,
) -> Vec<Reply> {
    let (sealed, plain) = pair.both(batch).await;
    if let Some(difference) = difference(&sealed, &plain, &[vec![true]]) {
        panic!("{what}: {difference:.3000}");
    }
    sealed
}

/// Writes every value in every way, looks each up where that works, reads all in both formats.
async fn round_trip(fixture: &Fixture, settings: &[&str]) {
    let mut pair = Pair {
        sealed: support::wire(&fixture.url()).await,
        plain: fixture.plain_wire().await,
    };
    let mut oracle = fixture.plain_wire().await;
    for setting in settings {
        same(&mut pair, Batch::new().query(setting), setting).await;
        oracle.query(setting).await;
    }
    for case in cases() {
        for &mode in modes(case.ty) {
            let table = table(case.ty, mode);
            let what = |step: &str, value: &str| format!("{} {mode}, {step} {value:.60}", case.ty);
            let mut id = 0;
            let mut written = Vec::new();
            for text in case.values.iter().filter(|text| fits(case.ty, mode, text)) {
                let value = value(&mut oracle, case.ty, text).await;
                for way in WAYS {
                    id += 1;
                    let sql = format!("INSERT INTO {table} VALUES ({id}, {{}}) RETURNING v, id");
                    let batch = value.batch(way, &sql, Format::Binary);
                    same(&mut pair, &batch, &what(&format!("{way:?}"), text)).await;
                }
                if mode == Mode::Deterministic {
                    for way in WAYS {
                        let sql = format!("SELECT id FROM {table} WHERE v = {{}} ORDER BY id");
                        let batch = value.batch(way, &sql, Format::Text);
                        let replies =
                            same(&mut pair, &batch, &what(&format!("= {way:?}"), text)).await;
                        let found = replies
                            .iter()
                            .filter(|r| matches!(r, Reply::Row(_)))
                            .count();
                        let modified = case.ty.contains('(') && !case.ty.starts_with("char")
                            || case.ty == "cidr";
                        assert!(
                            found >= WAYS.len() || modified,
                            "{}: {found} rows",
                            what(&format!("= {way:?}"), text)
                        );
                    }
                }
                written.push(id);
            }
            id += 1;
            let null = format!("INSERT INTO {table} VALUES ({id}, NULL)");
            same(&mut pair, Batch::new().query(&null), &what("NULL", "")).await;
            let mut batch = Batch::new();
            batch.parse(
                "",
                &format!("INSERT INTO {table} (id, v) VALUES ({id}, $1)"),
                &[],
            );
            batch
                .bind("", "", &[Param::null()], Format::Text)
                .execute("", 0)
                .sync();
            same(&mut pair, &batch, &what("NULL parameter", "")).await;

            let all = format!("SELECT id, v, v AS again FROM {table} ORDER BY id");
            same(&mut pair, Batch::new().query(&all), &what("simple", "read")).await;
            for format in [Format::Text, Format::Binary] {
                let mut batch = Batch::new();
                batch.parse("", &all, &[]).bind("", "", &[], format);
                batch.describe(b'P', "").execute("", 0).sync();
                same(&mut pair, &batch, &what("read", &format!("{format:?}"))).await;
            }
            check_cells(fixture, &table, mode, &written).await;
        }
    }
}

/// What the server holds: cells of the column's mode, the deterministic ones equal for one value
/// however it was handed over, the randomized ones never equal.
async fn check_cells(fixture: &Fixture, table: &str, mode: Mode, written: &[i32]) {
    let client = fixture.sealed().connect().await;
    let sql = format!("SELECT id, v::bytea FROM {table} ORDER BY id");
    let rows = client.query(&sql, &[]).await.unwrap();
    let cells: Vec<(i32, Option<Vec<u8>>)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (header, overhead) = match mode {
        Mode::Deterministic => (0x11, 18),
        Mode::Randomized => (0x12, 30),
    };
    for (id, cell) in &cells {
        let Some(cell) = cell else {
            assert!(
                *id > *written.last().unwrap(),
                "{table} {id}: a value became NULL"
            );
            continue;
        };
        assert!(cell.len() >= overhead, "{table} {id}: {} bytes", cell.len());
        assert_eq!(
            cell[..2],
            [header, 1],
            "{table} {id}: not the header of its mode"
        );
    }
    let values: Vec<&Vec<u8>> = cells.iter().filter_map(|(_, cell)| cell.as_ref()).collect();
    assert_eq!(values.len(), written.len() * WAYS.len());
    match mode {
        Mode::Deterministic => {
            for of_one_value in values.chunks(WAYS.len()) {
                let first = of_one_value[0];
                assert!(
                    of_one_value.iter().all(|cell| *cell == first),
                    "{table}: unequal cells"
                );
            }
        }
        Mode::Randomized => {
            let mut distinct = values.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), values.len(), "{table}: two equal cells");
        }
    }
}

#[tokio::test]
async fn every_value_reads_back_as_from_a_plain_table() {
    round_trip(&fixture().await, &[]).await;
}

#[tokio::test]
async fn other_settings_of_the_session_are_followed() {
    let settings = [
        "SET TIME ZONE 'Asia/Kolkata'",
        "SET extra_float_digits = 0",
        "SET bytea_output = 'escape'",
        "SET DateStyle = 'ISO, DMY'",
    ];
    round_trip(&fixture().await, &settings).await;
}

/// What the cell format says it does not keep: the sign of a zero, the payload of a NaN, and, in
/// deterministic columns without a declared scale, trailing zeros.
#[tokio::test]
async fn one_canonical_form_per_value_is_what_reads_back() {
    let fixture = fixture().await;
    let mut sealed = support::wire(&fixture.url()).await;
    for (table, given, read) in [
        ("float8_det", "-0.0", "0"),
        ("float8_rnd", "-0.0", "0"),
        ("float4_det", "-0.0", "0"),
        ("numeric_det", "1.5000", "1.5"),
        ("numeric_rnd", "1.5000", "1.5000"),
        ("numeric_10_2__det", "1.5", "1.50"),
        ("numeric_det", "100", "100"),
    ] {
        let insert = format!("INSERT INTO {table} VALUES (1, '{given}') RETURNING v");
        let replies = sealed.query(&insert).await;
        let row = replies.iter().find_map(|reply| match reply {
            Reply::Row(values) => Some(values[0].clone().unwrap()),
            _ => None,
        });
        assert_eq!(
            row.as_deref(),
            Some(read.as_bytes()),
            "{table} {given}: {replies:?}"
        );
    }
    let nan = Param::binary(0x7ff0_0000_0000_0bad_u64.to_be_bytes());
    let mut batch = Batch::new();
    batch.parse("", "INSERT INTO float8_det VALUES (2, $1) RETURNING v", &[]);
    batch
        .bind("", "", &[nan], Format::Binary)
        .execute("", 0)
        .sync();
    let replies = sealed.exchange(&batch).await;
    let canonical = f64::NAN.to_be_bytes();
    assert!(
        replies.iter().any(
            |reply| matches!(reply, Reply::Row(values) if values[0].as_deref() == Some(&canonical))
        ),
        "{replies:?}"
    );
}

/// The same through the client that applications keep, with its own conversions.
#[tokio::test]
async fn tokio_postgres_s_own_types_round_trip() {
    let fixture = fixture().await;
    let client = support::connect(&fixture.url()).await;

    macro_rules! round_trip {
        ($table:literal, $ty:ty, $value:expr) => {{
            let value: $ty = $value;
            let insert = client
                .prepare(concat!("INSERT INTO ", $table, " VALUES ($1, $2)"))
                .await
                .unwrap();
            client.execute(&insert, &[&1, &value]).await.unwrap();
            client.execute(&insert, &[&2, &None::<$ty>]).await.unwrap();
            let rows = client
                .query(concat!("SELECT v FROM ", $table, " ORDER BY id"), &[])
                .await
                .unwrap();
            assert_eq!(rows[0].get::<_, $ty>("v"), value, $table);
            assert_eq!(rows[1].get::<_, Option<$ty>>(0), None, $table);
        }};
    }
    round_trip!("int2_det", i16, i16::MIN);
    round_trip!("int4_det", i32, -5);
    round_trip!("int8_rnd", i64, i64::MAX);
    round_trip!("bool_det", bool, true);
    round_trip!("float4_rnd", f32, 1.5);
    round_trip!("float8_det", f64, f64::INFINITY);
    round_trip!("text_det", String, "zażółć 😀".into());
    round_trip!("varchar_20__rnd", String, "x".into());
    round_trip!("bytea_det", Vec<u8>, vec![0, 1, 255]);

    let found = client
        .query(
            "SELECT id FROM text_det WHERE v = ANY($1)",
            &[&vec!["zażółć 😀", "other"]],
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

/// Whether one of the further families, whose binary forms are made of parts.
fn has_parts(ty: &str) -> bool {
    further_cases().iter().any(|case| case.ty == ty)
}

/// Whether an array has a NaN with something behind it: of a `float8` it is not kept, of a `numeric`
/// it means other things to other releases.
fn has_odd_nan(ty: &str, array: &[u8]) -> bool {
    match ty {
        "float8[]" => {
            let mut elements = array.windows(12).filter(|w| w.starts_with(&[0, 0, 0, 8]));
            elements.any(|element| {
                let number = f64::from_be_bytes(element[4..].try_into().unwrap());
                number.is_nan() && number.to_bits() != f64::NAN.to_bits()
            })
        }
        "numeric(6,2)[]" => {
            let mut numbers = array.windows(8).filter(|w| w[4..6] == [0xc0, 0]);
            numbers.any(|number| number != [0, 0, 0, 0, 0xc0, 0, 0, 0])
        }
        _ => false,
    }
}

/// Bytes that are nearly a value's binary form are taken or refused as the server takes or refuses
/// them, with the same SQLSTATE, and what is taken reads back the same.
#[tokio::test]
async fn malformed_binary_values_fare_as_in_a_plain_table() {
    let fixture = fixture().await;
    let mut pair = Pair {
        sealed: support::wire(&fixture.url()).await,
        plain: fixture.plain_wire().await,
    };
    let mut oracle = fixture.plain_wire().await;
    let (mut taken, mut refused) = (0, 0);
    for case in cases().iter().filter(|case| has_parts(case.ty)) {
        let table = table(case.ty, Mode::Randomized);
        let sql = format!("INSERT INTO {table} VALUES (1, $1) RETURNING v");
        for text in &case.values {
            let value = value(&mut oracle, case.ty, text).await;
            let binary = value.binary.expect("a value");
            for change in 0..16_usize {
                let mut bytes = binary.clone();
                let at = (change * 7 + text.len()) % bytes.len().max(1);
                match change % 4 {
                    0 => bytes.truncate(at),
                    // Releases differ in which other element types they let pass.
                    _ if case.ty.ends_with("[]") && at < 12 => continue,
                    1 => bytes.insert(at.min(bytes.len()), u8::try_from(change * 11).unwrap()),
                    // An element type of the plain database's own is none of the other's.
                    _ if case.ty.starts_with("public.") => continue,
                    2 if !bytes.is_empty() => bytes[at] ^= 1 << (change % 8),
                    _ if !bytes.is_empty() => bytes[at] = u8::try_from(change * 17 % 256).unwrap(),
                    _ => continue,
                }
                if has_odd_nan(case.ty, &bytes) {
                    continue;
                }
                let mut batch = Batch::new();
                batch.parse("", &sql, &[]);
                batch
                    .bind("", "", &[Param::binary(bytes.clone())], Format::Binary)
                    .execute("", 0)
                    .sync();
                let what = format!("{} {bytes:02x?}", case.ty);
                let (sealed, plain) = pair.both(&batch).await;
                let mut replies = plain.iter();
                match replies.any(|reply| matches!(reply, Reply::Error(_))) {
                    true => refused += 1,
                    false => taken += 1,
                }
                if let Some(difference) = difference(&sealed, &plain, &[vec![true]]) {
                    panic!("{what}: {difference:.3000}");
                }
            }
        }
    }
    assert!(
        taken > 200 && refused > 200,
        "{taken} taken, {refused} refused"
    );
}

/// Texts that are wrong for their type and modifier, as literals and as parameters.
#[tokio::test]
async fn wrong_texts_fail_as_in_a_plain_table() {
    let fixture = fixture().await;
    let mut pair = Pair {
        sealed: support::wire(&fixture.url()).await,
        plain: fixture.plain_wire().await,
    };
    for (ty, text) in [
        ("bit(5)", "101"),
        ("bit(5)", "101012"),
        ("bit varying(9)", "1010101010"),
        ("public.mood", "angry"),
        ("inet", "10.0.0.256"),
        ("cidr", "10.0.0.1/8"),
        ("macaddr", "08:00:2b:01:02"),
        ("macaddr", "08:00:2b:01:02:100"),
        ("macaddr8", "x"),
        ("money", "1x"),
        ("money", "99999999999999999999"),
        ("interval", "1 fortnight"),
        ("interval", "99999999999 days"),
        ("interval day to second(2)", "x"),
        ("timetz", "25:00+00"),
        ("xml", "<a>"),
        ("int4range", "[5,1]"),
        ("int4range", "[1,2147483647]"),
        ("int4range", "[1;2]"),
        ("daterange", "[2024-02-30,]"),
        ("numrange", "[x,]"),
        ("text[]", "{a,{b}}"),
        ("text[]", "[1:3]={a,b}"),
        ("int4[]", "{1,x}"),
        ("varchar(3)[]", "{abcd}"),
        ("numeric(6,2)[]", "{10000}"),
    ] {
        let table = table(ty, Mode::Randomized);
        let literal = format!("INSERT INTO {table} VALUES (1, '{text}')");
        same(&mut pair, Batch::new().query(&literal), &literal).await;
        let mut batch = Batch::new();
        batch.parse("", &format!("INSERT INTO {table} VALUES (1, $1)"), &[]);
        batch
            .bind("", "", &[Param::text(text)], Format::Text)
            .execute("", 0)
            .sync();
        let replies = same(&mut pair, &batch, &format!("{ty} {text}")).await;
        let failed = replies.iter().any(|reply| matches!(reply, Reply::Error(_)));
        assert!(failed, "{ty} {text}: {replies:?}");
    }
    for literal in [
        "INSERT INTO money_rnd VALUES (1, 12.345), (2, 7), (3, -1e3)",
        "INSERT INTO bit_5__rnd VALUES (1, B'10101')",
        "INSERT INTO bit_5__rnd VALUES (1, B'1010')",
        "INSERT INTO bit_varying_rnd VALUES (1, X'1f')",
        "INSERT INTO interval_year_to_month_rnd VALUES (1, '5'), (2, interval '5')",
        "INSERT INTO interval_year_to_month_rnd VALUES (3, '5'::interval year to month), \
         (4, interval '7' year to month), (5, CAST('1-2' AS interval year to month)), (6, '3 days'::interval)",
        "INSERT INTO interval_day_to_second_2__rnd VALUES (1, interval '1 2:03:04.567' day to second (2))",
        "PREPARE span AS INSERT INTO interval_year_to_month_rnd VALUES (7, $1::interval year to month)",
        "EXECUTE span('5'); EXECUTE span('1 year 5 days'); EXECUTE span(interval '5' year to month)",
        "SELECT v FROM interval_day_to_second_2__rnd",
        "SELECT v FROM interval_year_to_month_rnd ORDER BY id",
        "SELECT v FROM money_rnd",
        "SELECT v FROM bit_varying_rnd",
    ] {
        same(&mut pair, Batch::new().query(literal), literal).await;
    }
}

/// The first value of the first row.
async fn first(client: &tokio_postgres::Client, sql: &str) -> Option<String> {
    let messages = client.simple_query(sql).await.unwrap();
    messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// A client sees an enumerated type by the database's own name for it, and `text` where the
/// database has no such type; a label that is renamed in the manifest is renamed in every cell.
#[tokio::test]
async fn an_enumerated_type_is_the_databases_own_to_the_client() {
    let fixture = fixture().await;
    let client = support::connect(&fixture.url()).await;
    let insert = "INSERT INTO public_mood_det VALUES (1, 'ok'), (2, 'sad'), (3, 'ok')";
    client.batch_execute(insert).await.unwrap();
    let lookup = "SELECT v FROM public_mood_det WHERE v = $1";
    let described = client.prepare(lookup).await.unwrap();
    assert_eq!(described.params()[0].name(), "mood");
    assert_eq!(described.columns()[0].type_().name(), "mood");
    let many = "SELECT id FROM public_mood_det WHERE v = ANY ($1)";
    let described = client.prepare(many).await.unwrap();
    assert_eq!(described.params()[0].name(), "_mood");
    let count = "SELECT count(*) FROM public_mood_det WHERE v = 'ok'::mood";
    assert_eq!(first(&client, count).await.as_deref(), Some("2"));
    let any = "SELECT count(*) FROM public_mood_det WHERE v = ANY ('{ok,sad}')";
    assert_eq!(first(&client, any).await.as_deref(), Some("3"));

    let provider = fixture.provider();
    let manifest = sealwire_keys::Manifest::read(&fixture.manifest_path()).unwrap();
    let mut builder = manifest.edit(&provider).await.unwrap();
    let mood = "public.mood".parse().unwrap();
    builder.rename_label(&mood, "ok", "fine").unwrap();
    builder.add_label(&mood, "happy").unwrap();
    let manifest = builder.seal().unwrap();
    manifest.write(&fixture.manifest_path()).unwrap();
    fixture.prepare("DROP TYPE public.mood CASCADE").await;

    let client = support::connect(&fixture.url()).await;
    let described = client.prepare(lookup).await.unwrap();
    assert_eq!(described.params()[0].name(), "text");
    let read = "SELECT v FROM public_mood_det WHERE id = 1";
    assert_eq!(first(&client, read).await.as_deref(), Some("fine"));
    let error = client
        .simple_query("INSERT INTO public_mood_det VALUES (4, 'ok')")
        .await;
    assert_eq!(support::code(&error.unwrap_err()), "22P02");
    let insert = "INSERT INTO public_mood_det VALUES (4, 'happy')";
    client.batch_execute(insert).await.unwrap();
}
