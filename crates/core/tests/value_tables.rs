//! What single values become, type by type: the cases that the specification names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use sealwire_core::policy::Mode;
use sealwire_core::types::{DeclaredType, ScalarType, WireType};
use sealwire_core::value::{
    ByteaOutput, Format, Settings, Target, Usage, ValueError, canonicalise, render, type_of_number,
};
use zeroize::Zeroizing;

fn declared(ty: &str) -> DeclaredType {
    ty.parse().unwrap()
}

fn target(ty: &str) -> Target<'static> {
    Target::new(declared(ty), Mode::Deterministic)
}

/// Canonical bytes of a value that the client says to be of type `wire`.
fn coerce(
    column: &str,
    wire: &str,
    format: Format,
    usage: Usage,
    input: &[u8],
) -> Result<Vec<u8>, ValueError> {
    let mut out = Zeroizing::new(Vec::new());
    let wire = ScalarType::from_name(wire).unwrap();
    let settings = Settings::default();
    canonicalise(
        target(column),
        wire,
        format,
        usage,
        input,
        &settings,
        &mut out,
    )?;
    Ok(out.to_vec())
}

/// Canonical bytes of a text value of the column's own type.
fn assign(column: &str, input: &str) -> Result<Vec<u8>, &'static str> {
    let wire = declared(column).scalar().name();
    coerce(column, wire, Format::Text, Usage::Assign, input.as_bytes())
        .map_err(|error| error.sqlstate)
}

fn shown_with(column: &str, canonical: &[u8], settings: &Settings) -> String {
    let mut out = Vec::new();
    render(target(column), Format::Text, canonical, settings, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn shown(column: &str, canonical: &[u8]) -> String {
    shown_with(column, canonical, &Settings::default())
}

fn sent(column: &str, canonical: &[u8]) -> Vec<u8> {
    let settings = Settings::default();
    let mut out = Vec::new();
    render(
        target(column),
        Format::Binary,
        canonical,
        &settings,
        &mut out,
    )
    .unwrap();
    out
}

#[test]
fn integers_are_eight_bytes_whatever_their_width() {
    for (column, input, number) in [
        ("int2", "-32768", -32768_i64),
        ("int4", " +42\t", 42),
        ("int4", "-2147483648", -2_147_483_648),
        ("int8", "9223372036854775807", i64::MAX),
        ("int8", "-9223372036854775808", i64::MIN),
        ("int8", "007", 7),
    ] {
        let canonical = assign(column, input).unwrap();
        assert_eq!(canonical, number.to_be_bytes(), "{column} {input}");
        assert_eq!(shown(column, &canonical), number.to_string());
    }
    assert_eq!(sent("int2", &7_i64.to_be_bytes()), [0, 7]);
    assert_eq!(
        sent("int4", &(-2_i64).to_be_bytes()),
        [0xff, 0xff, 0xff, 0xfe]
    );
    assert_eq!(sent("int8", &7_i64.to_be_bytes()), 7_i64.to_be_bytes());
}

#[test]
fn integers_are_refused_as_the_server_refuses_them() {
    for (column, input, sqlstate) in [
        ("int2", "32768", "22003"),
        ("int4", "2147483648", "22003"),
        ("int8", "9223372036854775808", "22003"),
        ("int4", "99999999999x", "22003"),
        ("int4", "", "22P02"),
        ("int4", "-", "22P02"),
        ("int4", "1 2", "22P02"),
        ("int4", "1.0", "22P02"),
        ("int4", "0x10", "22P02"),
        ("int4", "1_000", "22P02"),
        ("int4", "1\0", "22021"),
    ] {
        assert_eq!(assign(column, input), Err(sqlstate), "{column} {input}");
    }
    for (bytes, sqlstate) in [(&[0_u8; 3][..], "08P01"), (&[0; 5], "22P03")] {
        let error = coerce("int4", "int4", Format::Binary, Usage::Assign, bytes).unwrap_err();
        assert_eq!(error.sqlstate, sqlstate);
    }
}

#[test]
fn a_wider_integer_is_checked_when_assigned_and_kept_when_compared() {
    let big = 3_000_000_000_i64.to_be_bytes();
    let error = coerce("int4", "int8", Format::Binary, Usage::Assign, &big).unwrap_err();
    assert_eq!(error.sqlstate, "22003");
    assert_eq!(error.message, "integer out of range");
    assert_eq!(
        coerce("int4", "int8", Format::Binary, Usage::Compare, &big),
        Ok(big.to_vec())
    );
    assert_eq!(
        coerce("int8", "int2", Format::Binary, Usage::Assign, &[0xff, 0xff]),
        Ok((-1_i64).to_be_bytes().to_vec())
    );
}

#[test]
fn a_compared_number_need_not_fit_its_column() {
    let compare = |wire: &str, input: &str| {
        coerce("int2", wire, Format::Text, Usage::Compare, input.as_bytes())
    };
    assert_eq!(
        compare("int4", "70000"),
        Ok(70_000_i64.to_be_bytes().to_vec())
    );
    assert_eq!(
        compare("int8", "-9223372036854775808"),
        Ok(i64::MIN.to_be_bytes().to_vec())
    );
    let huge = compare("numeric", "9223372036854775808").unwrap();
    assert_ne!(huge.len(), 8);
    // A string is read as the column's type, and fails as any other of that type.
    assert_eq!(compare("int2", "70000").unwrap_err().sqlstate, "22003");
    assert_eq!(compare("int2", "70000x").unwrap_err().sqlstate, "22003");
    assert_eq!(compare("int2", "7x").unwrap_err().sqlstate, "22P02");
}

#[test]
fn an_unquoted_number_has_the_least_type_that_holds_it() {
    for (text, ty) in [
        ("0", Some(ScalarType::Int4)),
        ("-2147483648", Some(ScalarType::Int4)),
        ("2147483648", Some(ScalarType::Int8)),
        ("9223372036854775808", Some(ScalarType::Numeric)),
        ("1.0", Some(ScalarType::Numeric)),
        ("-.5e10", Some(ScalarType::Numeric)),
        ("5.", Some(ScalarType::Numeric)),
        ("NaN", None),
        ("inf", None),
        ("'1'", None),
        ("", None),
    ] {
        assert_eq!(type_of_number(text), ty, "{text}");
    }
}

#[test]
fn another_family_is_a_mismatch_that_names_both_types() {
    let error = coerce("varchar(3)", "float8", Format::Text, Usage::Assign, b"1").unwrap_err();
    assert_eq!(error.sqlstate, "42804");
    assert_eq!(
        error.message,
        "column is of type character varying(3) but value is of type double precision"
    );
}

#[test]
fn strings_obey_their_length_in_characters() {
    for (column, input, canonical) in [
        ("text", "", Ok("")),
        ("text", "a  ", Ok("a  ")),
        ("varchar(3)", "äöü", Ok("äöü")),
        ("varchar(3)", "ab    ", Ok("ab ")),
        ("varchar(3)", "äöüß", Err("22001")),
        ("char(3)", "ab  ", Ok("ab")),
        ("char(3)", "abcd", Err("22001")),
        ("char(3)", "abc   ", Ok("abc")),
        ("bpchar", "abc   ", Ok("abc")),
        ("text", "a\0b", Err("22021")),
    ] {
        let canonical = canonical.map(|text: &str| text.as_bytes().to_vec());
        assert_eq!(assign(column, input), canonical, "{column} {input:?}");
    }
    let error = coerce("varchar(3)", "text", Format::Text, Usage::Assign, b"abcd").unwrap_err();
    assert_eq!(
        error.message,
        "value too long for type character varying(3)"
    );
    assert_eq!(shown("char(5)", "äb".as_bytes()), "äb   ");
    assert_eq!(sent("char(3)", b""), b"   ");
}

#[test]
fn strings_are_compared_with_the_blanks_that_count() {
    for (column, wire, input, canonical) in [
        ("text", "text", "a ", Some("a ")),
        ("text", "bpchar", "a ", Some("a")),
        ("varchar(3)", "text", "longer", Some("longer")),
        ("varchar(3)", "bpchar", "a", None),
        ("char(3)", "bpchar", "a     ", Some("a")),
        ("char(3)", "varchar", "a ", Some("a")),
        ("char(3)", "text", "a ", Some("a ")),
    ] {
        let got = coerce(column, wire, Format::Text, Usage::Compare, input.as_bytes());
        let canonical = canonical.map(|text| text.as_bytes().to_vec());
        assert_eq!(got.ok(), canonical, "{column} = {wire} {input:?}");
    }
}

#[test]
fn a_randomized_bpchar_keeps_the_blanks_that_the_application_wrote() {
    let randomized = Target::new(declared("bpchar"), Mode::Randomized);
    let mut out = Zeroizing::new(Vec::new());
    canonicalise(
        randomized,
        ScalarType::Bpchar,
        Format::Text,
        Usage::Assign,
        b"ab  ",
        &Settings::default(),
        &mut out,
    )
    .unwrap();
    assert_eq!(**out, *b"ab  ");
}

#[test]
fn text_is_exchanged_in_utf8_only() {
    let latin1 = Settings {
        client_encoding: "LATIN1".into(),
        ..Settings::default()
    };
    for format in [Format::Text, Format::Binary] {
        let error = coerce("text", "text", format, Usage::Assign, b"\xff").unwrap_err();
        assert_eq!(error.sqlstate, "22021");
        let mut out = Zeroizing::new(Vec::new());
        let error = canonicalise(
            target("text"),
            ScalarType::Text,
            format,
            Usage::Assign,
            b"plain",
            &latin1,
            &mut out,
        )
        .unwrap_err();
        assert_eq!(error.sqlstate, "0A000");
        assert!(out.is_empty());
        let error = render(target("text"), format, b"a", &latin1, &mut Vec::new()).unwrap_err();
        assert_eq!(error.sqlstate, "0A000");
    }
}

#[test]
fn booleans_are_read_from_unique_prefixes() {
    for input in ["t", "TRUE", " tr ", "y", "yes", "on", "1"] {
        assert_eq!(assign("bool", input), Ok(vec![1]), "{input}");
    }
    for input in ["f", "false", "n", "No", "of", "OFF", "0"] {
        assert_eq!(assign("bool", input), Ok(vec![0]), "{input}");
    }
    for input in ["", "o", "2", "truee", "t f", "10"] {
        assert_eq!(assign("bool", input), Err("22P02"), "{input}");
    }
    let two = coerce("bool", "bool", Format::Binary, Usage::Assign, &[2]);
    assert_eq!(two, Ok(vec![1]));
    assert_eq!(shown("bool", &[1]), "t");
    assert_eq!(sent("bool", &[0]), [0]);
}

#[test]
fn bytea_reads_both_text_forms() {
    for (input, bytes) in [
        ("\\x", Ok(&b""[..])),
        ("\\xDEad", Ok(&[0xde, 0xad])),
        ("\\xde ad\n", Ok(&[0xde, 0xad])),
        ("\\xd ead", Err("22023")),
        ("\\xdea", Err("22023")),
        ("\\xg0", Err("22023")),
        ("a\\\\b\\001", Ok(b"a\\b\x01")),
        ("\\400", Err("22P02")),
        ("\\", Err("22P02")),
    ] {
        assert_eq!(assign("bytea", input), bytes.map(<[u8]>::to_vec), "{input}");
    }
    let escape = Settings {
        bytea_output: ByteaOutput::Escape,
        ..Settings::default()
    };
    assert_eq!(shown("bytea", b"a\\\xff"), "\\x615cff");
    assert_eq!(shown_with("bytea", b"a\\\xff", &escape), "a\\\\\\377");
}

#[test]
fn uuids_may_have_braces_and_hyphens() {
    let canonical = 0x_a0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11_u128.to_be_bytes();
    for input in [
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
        "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
    ] {
        assert_eq!(assign("uuid", input), Ok(canonical.to_vec()), "{input}");
    }
    for input in [
        "",
        "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11",
        "a0eebc99-9c0b4ef8-bb6d6bb9-bd380a1",
        "a0eebc99-9c0b4ef8-bb6d6bb9-bd380a111",
        "a0eebc99--9c0b4ef8-bb6d6bb9-bd380a11",
        " a0eebc999c0b4ef8bb6d6bb9bd380a11",
    ] {
        assert_eq!(assign("uuid", input), Err("22P02"), "{input}");
    }
    assert_eq!(
        shown("uuid", &canonical),
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    );
}

#[test]
fn floats_have_one_zero_and_one_nan() {
    assert_eq!(assign("float8", "-0"), Ok(vec![0; 8]));
    assert_eq!(assign("float4", "-0.0e5"), Ok(vec![0; 4]));
    let payload = 0xfff0_0000_0000_0001_u64.to_be_bytes();
    let nan = coerce("float8", "float8", Format::Binary, Usage::Assign, &payload);
    assert_eq!(nan.ok(), assign("float8", "nan").ok());
    assert_eq!(assign("float4", "-nan"), assign("float4", "NaN"));
    for (column, input, sqlstate) in [
        ("float8", "1e400", "22003"),
        ("float8", "1e-400", "22003"),
        ("float4", "1e39", "22003"),
        ("float4", "1e-46", "22003"),
        ("float8", "", "22P02"),
        ("float8", "1e", "22P02"),
        ("float8", ".", "22P02"),
        ("float8", "0x10", "22P02"),
        ("float8", "infinit", "22P02"),
    ] {
        assert_eq!(assign(column, input), Err(sqlstate), "{column} {input}");
    }
}

#[test]
fn floats_print_as_the_server_prints_them() {
    for (column, digits, input, text) in [
        ("float8", 1, "1e20", "1e+20"),
        ("float8", 1, "1e-5", "1e-05"),
        ("float8", 1, "0.0001", "0.0001"),
        ("float8", 1, "123456789012345", "123456789012345"),
        ("float8", 1, "1234567890123456", "1.234567890123456e+15"),
        ("float8", 1, "1e23", "9.999999999999999e+22"),
        ("float8", 1, "-inf", "-Infinity"),
        ("float8", 0, "0.1", "0.1"),
        ("float8", 0, "0.30000000000000004", "0.3"),
        ("float8", -15, "2.5", "2"),
        ("float8", -12, "123456", "1.23e+05"),
        ("float4", 1, "1000000", "1e+06"),
        ("float4", 1, "100000", "100000"),
        ("float4", 1, "16777216", "1.6777216e+07"),
        ("float4", 0, "0.1", "0.1"),
        ("float4", -3, "1234", "1.23e+03"),
    ] {
        let settings = Settings {
            extra_float_digits: digits,
            ..Settings::default()
        };
        let canonical = assign(column, input).unwrap();
        assert_eq!(shown_with(column, &canonical, &settings), text, "{input}");
    }
}

#[test]
fn a_float_that_its_column_cannot_hold_equals_nothing_stored() {
    let tenth = 0.1_f64.to_be_bytes();
    assert_eq!(
        coerce("float4", "float8", Format::Binary, Usage::Compare, &tenth),
        Ok(tenth.to_vec())
    );
    assert_eq!(
        coerce("float4", "float8", Format::Binary, Usage::Assign, &tenth),
        Ok(0.1_f32.to_be_bytes().to_vec())
    );
    let half = 0.5_f64.to_be_bytes();
    assert_eq!(
        coerce("float4", "float8", Format::Binary, Usage::Compare, &half),
        Ok(0.5_f32.to_be_bytes().to_vec())
    );
}

fn text_of(column: &str, input: &str) -> Result<String, &'static str> {
    assign(column, input).map(|canonical| shown(column, &canonical))
}

#[test]
fn numerics_are_rounded_to_their_scale_and_bounded_by_their_precision() {
    for (column, input, text) in [
        ("numeric", "1.10", Ok("1.1")),
        ("numeric", "-0.00", Ok("0")),
        ("numeric", "1e3", Ok("1000")),
        ("numeric", "NaN", Ok("NaN")),
        ("numeric", "-inf", Ok("-Infinity")),
        ("numeric(5,2)", "1.1", Ok("1.10")),
        ("numeric(5,2)", "-1.005", Ok("-1.01")),
        ("numeric(5,2)", "999.995", Err("22003")),
        ("numeric(5,2)", "999.994", Ok("999.99")),
        ("numeric(5,2)", "inf", Err("22003")),
        ("numeric(5,-2)", "1250", Ok("1300")),
        ("numeric(5,-2)", "49.99", Ok("0")),
        ("numeric(2,4)", "0.00996", Err("22003")),
        ("numeric(2,4)", "0.00994", Ok("0.0099")),
        ("numeric", "1e200000", Err("22003")),
        ("numeric", "1.2.3", Err("22P02")),
        ("numeric", "", Err("22P02")),
    ] {
        assert_eq!(
            text_of(column, input),
            text.map(str::to_owned),
            "{column} {input}"
        );
    }
    assert_eq!(
        assign("numeric(10,2)", "-12345.6"),
        Ok([0, 3, 0, 1, 0x40, 0, 0, 2, 0, 1, 0x09, 0x29, 0x17, 0x70].to_vec())
    );
}

#[test]
fn a_randomized_numeric_keeps_its_trailing_zeros() {
    let column = Target::new(declared("numeric"), Mode::Randomized);
    let mut out = Zeroizing::new(Vec::new());
    let settings = Settings::default();
    canonicalise(
        column,
        ScalarType::Numeric,
        Format::Text,
        Usage::Assign,
        b"1.10",
        &settings,
        &mut out,
    )
    .unwrap();
    assert_eq!(shown("numeric", &out), "1.10");
}

#[test]
fn a_compared_numeric_equals_only_what_its_column_can_store() {
    let compare = |column, input: &str| {
        coerce(
            column,
            "numeric",
            Format::Text,
            Usage::Compare,
            input.as_bytes(),
        )
        .unwrap()
    };
    let stored = |column, input| assign(column, input).unwrap();
    assert_eq!(
        compare("numeric(5,2)", "1.5"),
        stored("numeric(5,2)", "1.50")
    );
    assert_eq!(
        compare("numeric(5,-2)", "300"),
        stored("numeric(5,-2)", "300")
    );
    assert_eq!(compare("numeric", "1.500"), stored("numeric", "1.5"));
    assert_ne!(
        compare("numeric(5,2)", "1.555"),
        stored("numeric(5,2)", "1.555")
    );
    assert_ne!(
        compare("numeric(5,-2)", "310"),
        stored("numeric(5,-2)", "310")
    );
    assert_eq!(compare("int4", "7.0"), stored("int4", "7"));
    assert_ne!(compare("int8", "7.5").len(), 8);
    assert_ne!(compare("int8", "NaN").len(), 8);
    assert_ne!(compare("int8", "9223372036854775808").len(), 8);
    assert_eq!(
        compare("int8", "-9223372036854775808"),
        i64::MIN.to_be_bytes()
    );
    assert_eq!(compare("float8", "0.5"), 0.5_f64.to_be_bytes());
}

#[test]
fn jsonb_is_what_the_server_prints() {
    for (input, text) in [
        (
            r#" {"b":[1,2.50,{}],"a" : 1} "#,
            Ok(r#"{"a": 1, "b": [1, 2.50, {}]}"#),
        ),
        (r#"{"aa":1,"b":2,"b":3}"#, Ok(r#"{"b": 3, "aa": 1}"#)),
        (
            r#""\u00e4\n\u001f\/\ud83d\ude04""#,
            Ok("\"ä\\n\\u001f/😄\""),
        ),
        ("1E2", Ok("100")),
        ("-0.0", Ok("0.0")),
        ("[]", Ok("[]")),
        (r#""\u0000""#, Err("22P05")),
        (r#"{"a":"\u0000","a":1}"#, Err("22P05")),
        (r#""\ud83d""#, Err("22P02")),
        (r#""\ude04""#, Err("22P02")),
        ("01", Err("22P02")),
        ("[1,]", Err("22P02")),
        ("", Err("22P02")),
        ("truex", Err("22P02")),
        ("\"\t\"", Err("22P02")),
    ] {
        assert_eq!(text_of("jsonb", input), text.map(str::to_owned), "{input}");
    }
    assert_eq!(
        text_of("json", r#" {"b":1, "a":"\u0000"}"#).as_deref(),
        Ok(r#" {"b":1, "a":"\u0000"}"#)
    );
    assert_eq!(text_of("json", "[").as_deref(), Err(&"22P02"));
    assert_eq!(sent("jsonb", b"1"), b"\x011");
    assert_eq!(
        coerce("jsonb", "jsonb", Format::Binary, Usage::Assign, b"\x01[ ]"),
        Ok(b"[]".to_vec())
    );
    let deep = "[".repeat(100_000);
    assert_eq!(assign("jsonb", &deep), Err("54001"));
}

#[test]
fn dates_and_times_are_read_in_their_iso_forms() {
    for (column, input, text) in [
        ("date", "2024-01-02", Ok("2024-01-02")),
        ("date", "0044-03-15 BC", Ok("0044-03-15 BC")),
        ("date", "infinity", Ok("infinity")),
        ("date", "2023-02-29", Err("22008")),
        ("date", "01/02/2024", Ok("2024-01-02")),
        ("time", "24:00:00", Ok("24:00:00")),
        ("time(0)", "23:59:59.9", Ok("24:00:00")),
        ("time", "25:00", Err("22008")),
        (
            "timestamp",
            "2024-01-02 03:04:05.678",
            Ok("2024-01-02 03:04:05.678"),
        ),
        (
            "timestamp",
            "2024-01-02T03:04:05Z",
            Ok("2024-01-02 03:04:05"),
        ),
        (
            "timestamp(1)",
            "1999-12-31 23:59:59.96",
            Ok("2000-01-01 00:00:00"),
        ),
        (
            "timestamptz",
            "2024-01-02 03:04:05.678+01",
            Ok("2024-01-02 02:04:05.678+00"),
        ),
        (
            "timestamptz",
            "2024-07-02 12:00 Europe/Paris",
            Ok("2024-07-02 10:00:00+00"),
        ),
        ("timestamptz", "2024-01-02 03:04:05+16", Err("22009")),
        // The server stores what it rounds this to, and then cannot read it back.
        ("timestamp(0)", "294276-12-31 23:59:59.999999", Err("22008")),
        ("timestamptz", "now", Err("22007")),
        ("timestamptz", "2024-01-02 03:04 CET", Err("22007")),
        ("date", "January 8, 1999", Err("22007")),
    ] {
        assert_eq!(
            text_of(column, input),
            text.map(str::to_owned),
            "{column} {input}"
        );
    }
}

/// The examples of the cell format's sections 4.5 to 4.14.
#[test]
fn further_families_have_the_form_that_the_specification_gives_them() {
    for (column, input, canonical) in [
        (
            "interval",
            "1 mon 2 days 00:00:03",
            "00000000002dc6c00000000200000001",
        ),
        ("timetz", "00:00:01+01", "00000000000f4240fffff1f0"),
        ("inet", "10.0.0.1/8", "02080a000001"),
        ("cidr", "10/8", "02080a000000"),
        ("macaddr", "08:00:2b:01:02:03", "08002bfffe010203"),
        ("macaddr8", "08:00:2b:01:02:03", "08002bfffe010203"),
        ("money", "$12.34", "00000000000004d2"),
        ("varbit", "101100001", "00000009b080"),
        ("xml", "<?xml version=\"1.0\"?><a/>", "3c612f3e"),
        (
            "int4range",
            "[1,9]",
            "0200000008000000000000000100000008000000000000000a",
        ),
        ("numrange", "[1.50,)", "120000000c000200000000000100011388"),
        ("daterange", "(2000-01-01,2000-01-02)", "01"),
        ("tsrange", "(,)", "18"),
        (
            "tstzrange",
            "(,2000-01-01 00:00:00+00]",
            "0c000000080000000000000000",
        ),
        ("int4[]", "{}", "00"),
        ("text[]", "{a,NULL}", "0100000002000000010000000161ffffffff"),
        ("int4range[]", "{empty}", "0100000001000000010000000101"),
    ] {
        let mut out = Zeroizing::new(Vec::new());
        let wire = WireType::from(declared(column)).literal();
        let input = input.as_bytes();
        let settings = Settings::default();
        let (text, usage) = (Format::Text, Usage::Assign);
        canonicalise(
            target(column),
            wire,
            text,
            usage,
            input,
            &settings,
            &mut out,
        )
        .unwrap();
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, canonical, "{column}");
    }
}

/// Cells count labels by their place in the manifest, and say nothing of their text.
#[test]
fn labels_are_places_in_the_list() {
    let labels = ["sad", "ok"].map(str::to_owned);
    let mood = Target {
        labels: &labels,
        ..Target::new(DeclaredType::new(ScalarType::Enum), Mode::Deterministic)
    };
    let settings = Settings::default();
    let read = |label: &str| {
        let mut out = Zeroizing::new(Vec::new());
        let (text, usage) = (Format::Text, Usage::Compare);
        let ty = ScalarType::Enum;
        canonicalise(mood, ty, text, usage, label.as_bytes(), &settings, &mut out)
            .map(|()| out.to_vec())
            .map_err(|error| error.sqlstate)
    };
    assert_eq!(read("sad"), Ok(vec![0, 0]));
    assert_eq!(read("ok"), Ok(vec![0, 1]));
    assert_eq!(read("angry"), Err("22P02"));
    let shown = |canonical: &[u8]| {
        let mut out = Vec::new();
        render(mood, Format::Binary, canonical, &settings, &mut out)
            .map(|()| out)
            .map_err(|error| error.sqlstate)
    };
    assert_eq!(shown(&[0, 1]), Ok(b"ok".to_vec()));
    assert_eq!(shown(&[0, 2]), Err("XX001"));
}

/// Of locales whose form is not known, `money` is exchanged in binary only.
#[test]
fn money_of_another_locale_has_no_text() {
    let swiss = Settings {
        lc_monetary: "de_CH.UTF-8".into(),
        ..Settings::default()
    };
    let read = |format, input: &[u8]| {
        let mut out = Zeroizing::new(Vec::new());
        let (ty, usage) = (ScalarType::Money, Usage::Assign);
        canonicalise(target("money"), ty, format, usage, input, &swiss, &mut out)
            .map(|()| out.to_vec())
            .map_err(|error| error.sqlstate)
    };
    let binary = 1234_i64.to_be_bytes();
    assert_eq!(read(Format::Text, b"12.34"), Err("0A000"));
    assert_eq!(read(Format::Binary, &binary), Ok(binary.to_vec()));
    let error = render(
        target("money"),
        Format::Text,
        &binary,
        &swiss,
        &mut Vec::new(),
    );
    assert_eq!(error.unwrap_err().sqlstate, "0A000");
}
