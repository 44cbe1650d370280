//! What holds for every value: one canonical form whatever the format (invariant 8), nothing lost
//! on the way out and back, and no panic, no trace of the value and no output on an error.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use proptest::prelude::*;
use sealwire_core::policy::Mode;
use sealwire_core::types::{DeclaredType, Family, ScalarType, WireType};
use sealwire_core::value::{
    ByteaOutput, Format, Settings, Target, Usage, ValueError, canonicalise, render,
};
use zeroize::Zeroizing;

const MODES: [Mode; 2] = [Mode::Deterministic, Mode::Randomized];
const FORMATS: [Format; 2] = [Format::Text, Format::Binary];

fn coerce(
    target: Target<'_>,
    wire: impl Into<WireType>,
    format: Format,
    usage: Usage,
    input: &[u8],
    settings: &Settings,
) -> Result<Vec<u8>, ValueError> {
    let mut out = Zeroizing::new(b"before".to_vec());
    let result = canonicalise(target, wire, format, usage, input, settings, &mut out);
    assert!(out.starts_with(b"before"));
    match result {
        Ok(()) => Ok(out[6..].to_vec()),
        Err(error) => {
            assert_eq!(**out, *b"before", "an error leaves nothing behind");
            Err(error)
        }
    }
}

fn shown(ty: DeclaredType, format: Format, canonical: &[u8], settings: &Settings) -> Vec<u8> {
    let mut out = Vec::new();
    render(
        Target::new(ty, Mode::Randomized),
        format,
        canonical,
        settings,
        &mut out,
    )
    .unwrap();
    out
}

fn declared(choices: &'static [&'static str]) -> impl Strategy<Value = DeclaredType> {
    prop::sample::select(choices).prop_map(|ty| ty.parse().unwrap())
}

fn settings() -> impl Strategy<Value = Settings> {
    const ZONES: &[&str] = &[
        "UTC",
        "Europe/Paris",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Africa/Monrovia",
        "<+05:45>-05:45",
        "CET-1CEST,M3.5.0,M10.5.0/3",
    ];
    const STYLES: &[&str] = &["ISO, MDY", "ISO, DMY", "ISO, YMD"];
    const OUTPUTS: &[ByteaOutput] = &[ByteaOutput::Hex, ByteaOutput::Escape];
    const INTERVALS: &[&str] = &["postgres", "postgres_verbose", "sql_standard", "iso_8601"];
    let (zones, styles) = (prop::sample::select(ZONES), prop::sample::select(STYLES));
    let (outputs, intervals) = (
        prop::sample::select(OUTPUTS),
        prop::sample::select(INTERVALS),
    );
    (zones, styles, outputs, 1_i8..=3, intervals).prop_map(
        |(zone, style, bytea_output, extra_float_digits, interval_style)| Settings {
            interval_style: interval_style.into(),
            time_zone: zone.into(),
            date_style: style.into(),
            bytea_output,
            extra_float_digits,
            ..Settings::default()
        },
    )
}

/// Whatever the server would send in binary comes back the same in both formats.
fn check_round_trip(ty: DeclaredType, binary: &[u8], settings: &Settings) {
    for mode in MODES {
        let target = Target::new(ty, mode);
        let read =
            |format, input: &[u8]| coerce(target, ty, format, Usage::Assign, input, settings);
        let Ok(canonical) = read(Format::Binary, binary) else {
            return;
        };
        for format in FORMATS {
            let wire = shown(ty, format, &canonical, settings);
            let again = read(format, &wire);
            let text = String::from_utf8_lossy(&wire).into_owned();
            assert_eq!(
                again.as_ref(),
                Ok(&canonical),
                "{ty} {mode} {format:?} {text:?}"
            );
            assert_eq!(shown(ty, format, &canonical, settings), wire);
        }
    }
}

fn numeric_binary() -> impl Strategy<Value = Vec<u8>> {
    let digit = prop_oneof![0_u16..10_000, Just(0), Just(9999), Just(5000)];
    let sign = prop::sample::select(&[0_u16, 0x4000, 0xc000, 0xd000, 0xf000]);
    (
        -300_i16..300,
        sign,
        0_u16..1500,
        prop::collection::vec(digit, 0..12),
    )
        .prop_map(|(weight, sign, dscale, digits)| {
            let mut bytes = Vec::new();
            bytes.extend(u16::try_from(digits.len()).unwrap().to_be_bytes());
            bytes.extend(weight.to_be_bytes());
            bytes.extend(sign.to_be_bytes());
            bytes.extend(dscale.to_be_bytes());
            bytes.extend(digits.iter().flat_map(|digit| digit.to_be_bytes()));
            bytes
        })
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        "\"([^\"\\\\\\x00-\\x1f]|\\\\[nrtbf/\"\\\\]|\\\\u00[2-9a-f][0-9a-f])*\"",
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = "\"[a-cA-C]{0,2}\"";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|elements| format!("[ {}]", elements.join(" ,"))),
            prop::collection::vec((name, inner), 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect();
                format!("{{{}}}", members.join(",\n"))
            }),
        ]
    })
}

const EVERY_TYPE: &[&str] = &[
    "int2",
    "int4",
    "int8",
    "text",
    "varchar",
    "varchar(4)",
    "char(4)",
    "bpchar",
    "bytea",
    "bool",
    "float4",
    "float8",
    "numeric",
    "numeric(8,3)",
    "numeric(4,-2)",
    "date",
    "time",
    "time(2)",
    "timestamp",
    "timestamp(3)",
    "timestamptz",
    "timestamptz(0)",
    "uuid",
    "json",
    "jsonb",
    "name",
    "interval",
    "interval year to month",
    "interval second(2)",
    "timetz",
    "timetz(1)",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "money",
    "bit(5)",
    "varbit",
    "varbit(9)",
    "xml",
    "int4range",
    "int8range",
    "numrange",
    "daterange",
    "tsrange",
    "tstzrange",
    "int4[]",
    "varchar(3)[]",
    "numeric(8,3)[]",
    "timestamptz(0)[]",
    "interval day[]",
    "xml[]",
    "inet[]",
    "numrange[]",
];

/// The binary form of an array, whatever its elements' forms are.
fn array_binary(element_oid: u32, elements: &[Option<Vec<u8>>], lower: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let len = i32::try_from(elements.len()).unwrap();
    let has_null = i32::from(elements.contains(&None));
    bytes.extend(
        [i32::from(len > 0), has_null]
            .iter()
            .flat_map(|n| n.to_be_bytes()),
    );
    bytes.extend(element_oid.to_be_bytes());
    if len > 0 {
        bytes.extend([len, lower].iter().flat_map(|n| n.to_be_bytes()));
    }
    for element in elements {
        let len = element
            .as_ref()
            .map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap());
        bytes.extend(len.to_be_bytes());
        bytes.extend(element.iter().flatten());
    }
    bytes
}

/// The binary form of a range, whatever its bounds' forms are.
fn range_binary(flags: u8, bounds: &[&[u8]; 2]) -> Vec<u8> {
    let mut bytes = vec![flags];
    for (bound, infinite) in bounds.iter().zip([0x08, 0x10]) {
        if flags & (1 | infinite) == 0 {
            bytes.extend(u32::try_from(bound.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(bound);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn integers(number: i64, ty in declared(&["int2", "int4", "int8"]), settings in settings()) {
        let wide = number.to_be_bytes();
        let len = usize::try_from(ty.scalar().type_len()).unwrap();
        check_round_trip(ty, &wide[8 - len..], &settings);
    }

    #[test]
    fn floats(bits: u64, ty in declared(&["float4", "float8"]), settings in settings()) {
        let bytes = bits.to_be_bytes();
        let len = usize::try_from(ty.scalar().type_len()).unwrap();
        check_round_trip(ty, &bytes[..len], &settings);
    }

    #[test]
    fn floats_beside_powers_of_two(exponent in 1_u64..2046, step in 0_u64..9, settings in settings()) {
        let number = (exponent << 52) - 4 + step;
        check_round_trip("float8".parse().unwrap(), &number.to_be_bytes(), &settings);
        let number = (u32::try_from(exponent % 253 + 1).unwrap() << 23) - 4 + u32::try_from(step).unwrap();
        check_round_trip("float4".parse().unwrap(), &number.to_be_bytes(), &settings);
    }

    #[test]
    fn numerics(
        binary in numeric_binary(),
        ty in declared(&["numeric", "numeric(20,4)", "numeric(30,-5)", "numeric(1000,600)", "numeric(3,7)"]),
    ) {
        check_round_trip(ty, &binary, &Settings::default());
    }

    #[test]
    fn strings(text: String, ty in declared(&["text", "varchar(40)", "char(40)", "bpchar"])) {
        check_round_trip(ty, text.as_bytes(), &Settings::default());
    }

    #[test]
    fn byte_strings(bytes: Vec<u8>, settings in settings()) {
        check_round_trip("bytea".parse().unwrap(), &bytes, &settings);
    }

    #[test]
    fn uuids(bytes: [u8; 16]) {
        check_round_trip("uuid".parse().unwrap(), &bytes, &Settings::default());
    }

    #[test]
    fn dates(days in prop_oneof![any::<i32>(), -3_000_000..3_000_000_i32], settings in settings()) {
        check_round_trip("date".parse().unwrap(), &days.to_be_bytes(), &settings);
    }

    #[test]
    fn times(usecs in 0..=86_400_000_000_i64, ty in declared(&["time", "time(0)", "time(4)"])) {
        check_round_trip(ty, &usecs.to_be_bytes(), &Settings::default());
    }

    #[test]
    fn timestamps(
        usecs in prop_oneof![any::<i64>(), -4_000_000_000_000_000..4_000_000_000_000_000_i64],
        ty in declared(&["timestamp", "timestamp(2)", "timestamptz", "timestamptz(0)"]),
        settings in settings(),
    ) {
        check_round_trip(ty, &usecs.to_be_bytes(), &settings);
    }

    #[test]
    fn intervals(
        usecs in prop_oneof![-i64::MAX..=i64::MAX, -99_999_999..99_999_999_i64],
        days in prop_oneof![Just(0), -i32::MAX..=i32::MAX, -40..40],
        months in prop_oneof![Just(0), -i32::MAX..=i32::MAX, -40..40],
        ty in declared(&["interval", "interval year", "interval day to hour", "interval minute", "interval second(2)"]),
        settings in settings(),
    ) {
        let binary = [&usecs.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()].concat();
        check_round_trip(ty, &binary, &settings);
    }

    #[test]
    fn times_with_zone(
        usecs in 0..=86_400_000_000_i64,
        west in prop_oneof![-57_599..57_600_i32, (-60..60_i32).prop_map(|quarters| quarters * 900)],
        ty in declared(&["timetz", "timetz(0)", "timetz(4)"]),
    ) {
        let binary = [&usecs.to_be_bytes()[..], &west.to_be_bytes()].concat();
        check_round_trip(ty, &binary, &Settings::default());
    }

    #[test]
    fn network_addresses(
        words in prop::array::uniform8(prop_oneof![Just(0), Just(0xffff), any::<u16>()]),
        bits in 0..=128_u8,
        ty in declared(&["inet", "cidr"]),
    ) {
        let address: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        check_round_trip(ty, &[&[3, bits, 0, 16], &address[..]].concat(), &Settings::default());
        check_round_trip(ty, &[&[2, bits % 33, 0, 4], &address[..4]].concat(), &Settings::default());
    }

    #[test]
    fn hardware_addresses_and_money(bytes: [u8; 8]) {
        for ty in ["macaddr8", "money"] {
            check_round_trip(ty.parse().unwrap(), &bytes, &Settings::default());
        }
        check_round_trip("macaddr".parse().unwrap(), &bytes[..6], &Settings::default());
    }

    #[test]
    fn bit_strings(bytes: Vec<u8>, spare in 0..8_usize, ty in declared(&["varbit", "varbit(40)"])) {
        let bits = (bytes.len() * 8).saturating_sub(spare);
        let bits = u32::try_from(bits).unwrap();
        check_round_trip(ty, &[&bits.to_be_bytes()[..], &bytes].concat(), &Settings::default());
    }

    #[test]
    fn ranges(flags in 0..32_u8, numbers: [i64; 2], near: bool, settings in settings()) {
        let [lower, upper] = if near { numbers.map(|n| n % 4) } else { numbers };
        let wide = [lower.to_be_bytes(), upper.to_be_bytes()];
        let narrow = wide.map(|bytes| [bytes[4], bytes[5], bytes[6], bytes[7]]);
        for ty in ["int8range", "tsrange", "tstzrange"] {
            check_round_trip(ty.parse().unwrap(), &range_binary(flags, &[&wide[0], &wide[1]]), &settings);
        }
        for ty in ["int4range", "daterange"] {
            check_round_trip(ty.parse().unwrap(), &range_binary(flags, &[&narrow[0], &narrow[1]]), &settings);
        }
    }

    #[test]
    fn ranges_of_numbers(flags in 0..32_u8, lower in numeric_binary(), upper in numeric_binary()) {
        let binary = range_binary(flags, &[&lower, &upper]);
        check_round_trip("numrange".parse().unwrap(), &binary, &Settings::default());
    }

    #[test]
    fn arrays(
        texts in prop::collection::vec(prop::option::of(any::<String>()), 0..5),
        numbers in prop::collection::vec(prop::option::of(any::<i32>()), 0..5),
        lower in -3..3_i32,
        settings in settings(),
    ) {
        let texts: Vec<_> = texts.into_iter().map(|t| t.map(String::into_bytes)).collect();
        for (ty, oid) in [("text[]", 25), ("varchar(40)[]", 1043), ("char(40)[]", 1042)] {
            check_round_trip(ty.parse().unwrap(), &array_binary(oid, &texts, lower), &settings);
        }
        let numbers: Vec<_> = numbers.iter().map(|n| n.map(|n| n.to_be_bytes().to_vec())).collect();
        for (ty, oid) in [("int4[]", 23), ("date[]", 1082)] {
            check_round_trip(ty.parse().unwrap(), &array_binary(oid, &numbers, lower), &settings);
        }
    }

    #[test]
    fn documents(text in json()) {
        check_round_trip("json".parse().unwrap(), text.as_bytes(), &Settings::default());
        let binary = [b"\x01", text.as_bytes()].concat();
        check_round_trip("jsonb".parse().unwrap(), &binary, &Settings::default());
        let jsonb = Target::new("jsonb".parse().unwrap(), Mode::Randomized);
        let read = |format, input: &[u8]| {
            coerce(jsonb, ScalarType::Jsonb, format, Usage::Assign, input, &Settings::default())
        };
        prop_assert_eq!(read(Format::Text, text.as_bytes()), read(Format::Binary, &binary));
        prop_assert!(read(Format::Text, text.as_bytes()).is_ok(), "{}", text);
    }

    /// Equal values of a deterministic column have equal bytes however many zeros they end in.
    #[test]
    fn trailing_zeros_do_not_matter(whole: i32, zeros in 0_usize..20) {
        let numeric = Target::new("numeric".parse().unwrap(), Mode::Deterministic);
        let read = |text: String| {
            let settings = Settings::default();
            coerce(numeric, ScalarType::Numeric, Format::Text, Usage::Compare, text.as_bytes(), &settings)
        };
        prop_assert_eq!(read(whole.to_string()), read(format!("{whole}.{}", "0".repeat(zeros))));
    }

    /// A value that is compared with a column never fails for its size alone.
    #[test]
    fn a_compared_value_need_not_fit(number: i64, text in "[a-z]{0,12}") {
        let compare = |ty: &str, wire, format, input: &[u8]| {
            let target = Target::new(ty.parse().unwrap(), Mode::Deterministic);
            coerce(target, wire, format, Usage::Compare, input, &Settings::default()).unwrap()
        };
        for ty in ["int2", "int4", "int8"] {
            let bytes = number.to_be_bytes();
            prop_assert_eq!(compare(ty, ScalarType::Int8, Format::Binary, &bytes), bytes);
        }
        for ty in ["varchar(2)", "char(2)", "text"] {
            prop_assert_eq!(compare(ty, ScalarType::Text, Format::Text, text.as_bytes()), text.as_bytes());
        }
    }
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let words = prop_oneof![
        Just("ISO, MDY".to_owned()),
        Just("SQL, DMY".to_owned()),
        Just("UTC".to_owned()),
        Just("UTF8".to_owned()),
        Just("<+05>-05".to_owned()),
        "[<>+:,A-Z0-9/ -]{0,12}",
    ];
    (words.clone(), words.clone(), words, any::<i8>()).prop_map(
        |(date_style, time_zone, client_encoding, extra_float_digits)| Settings {
            date_style,
            time_zone,
            client_encoding,
            bytea_output: ByteaOutput::Escape,
            extra_float_digits,
            ..Settings::default()
        },
    )
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        prop::collection::vec(any::<u8>(), 8),
        numeric_binary(),
        "[-+.:/ eETZ0-9]{0,24}".prop_map(String::into_bytes),
        "[0-9]{1,9}-[0-9]{1,2}-[0-9]{1,2}[T ][0-9:.]{0,12}[-+ZBCa-z/ 0-9]{0,8}"
            .prop_map(String::into_bytes),
        "[\\[\\]{}\",:\\\\u0-9a-f ]{0,24}".prop_map(String::into_bytes),
        "\\\\x[0-9a-fx ]{0,12}".prop_map(String::into_bytes),
        "[\\[\\](){}\",=0-9a:\\\\ ]{0,24}".prop_map(String::into_bytes),
        "[-+@P0-9T:.]{0,8}( ?[dhmosyeagr]{0,4}[-+0-9.:]{0,4}){0,3}".prop_map(String::into_bytes),
        "[<>/&;!?ax'\"= -]{0,24}".prop_map(String::into_bytes),
        (
            0..2_u8,
            prop::collection::vec(
                prop_oneof![Just(0_u8), Just(1), Just(4), any::<u8>()],
                0..40
            )
        )
            .prop_map(|(_, bytes)| bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_bytes_panic(
        ty in declared(EVERY_TYPE),
        wire in prop::sample::select(ScalarType::ALL),
        array: bool,
        own: bool,
        input in any_input(),
        settings in prop_oneof![settings(), any_settings()],
    ) {
        let wire = match (own, array) {
            (true, _) => WireType::from(ty),
            (false, true) => WireType::array_of(wire),
            (false, false) => WireType::from(wire),
        };
        for mode in MODES {
            for format in FORMATS {
                for usage in [Usage::Assign, Usage::Compare] {
                    let target = Target::new(ty, mode);
                    let _ = coerce(target, wire, format, usage, &input, &settings);
                }
                let mut out = b"before".to_vec();
                if render(Target::new(ty, Mode::Randomized), format, &input, &settings, &mut out).is_err() {
                    prop_assert_eq!(&out, b"before");
                }
            }
        }
    }

    /// No error says anything of the value: the message is the same for any other value.
    #[test]
    fn errors_do_not_show_the_value(ty in declared(EVERY_TYPE), input in "[qxz]{9,12}") {
        // What takes any text.
        let any = matches!(ty.family(), Family::Text | Family::Bytea | Family::Xml);
        if any && ty.max_chars().is_none() {
            return Ok(());
        }
        let target = Target::new(ty, Mode::Deterministic);
        let settings = Settings::default();
        let error = coerce(target, ty, Format::Text, Usage::Assign, input.as_bytes(), &settings);
        let error = error.unwrap_err();
        let shown = format!("{error} {error:?}");
        prop_assert!(!shown.contains(&input[..3]), "{}", shown);
    }
}
