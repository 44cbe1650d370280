//! What holds for every value: one canonical form whatever the format (invariant 8), nothing lost
//! on the way out and back, and no panic, no trace of the value and no output on an error.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use proptest::prelude::*;
use sealwire_core::policy::Mode;
use sealwire_core::types::{DeclaredType, Family, ScalarType};
use sealwire_core::value::{
    ByteaOutput, Format, Settings, Target, Usage, ValueError, canonicalise, render,
};
use zeroize::Zeroizing;

const MODES: [Mode; 2] = [Mode::Deterministic, Mode::Randomized];
const FORMATS: [Format; 2] = [Format::Text, Format::Binary];

fn coerce(
    target: Target,
    wire: ScalarType,
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
    render(ty, format, canonical, settings, &mut out).unwrap();
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
    let (zones, styles) = (prop::sample::select(ZONES), prop::sample::select(STYLES));
    (zones, styles, prop::sample::select(OUTPUTS), 1_i8..=3).prop_map(
        |(zone, style, bytea_output, extra_float_digits)| Settings {
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
        let target = Target { ty, mode };
        let read = |format, input: &[u8]| {
            coerce(target, ty.scalar(), format, Usage::Assign, input, settings)
        };
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
];

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
    fn documents(text in json()) {
        check_round_trip("json".parse().unwrap(), text.as_bytes(), &Settings::default());
        let binary = [b"\x01", text.as_bytes()].concat();
        check_round_trip("jsonb".parse().unwrap(), &binary, &Settings::default());
        let jsonb = Target { ty: "jsonb".parse().unwrap(), mode: Mode::Randomized };
        let read = |format, input: &[u8]| {
            coerce(jsonb, ScalarType::Jsonb, format, Usage::Assign, input, &Settings::default())
        };
        prop_assert_eq!(read(Format::Text, text.as_bytes()), read(Format::Binary, &binary));
        prop_assert!(read(Format::Text, text.as_bytes()).is_ok(), "{}", text);
    }

    /// Equal values of a deterministic column have equal bytes however many zeros they end in.
    #[test]
    fn trailing_zeros_do_not_matter(whole: i32, zeros in 0_usize..20) {
        let numeric = Target { ty: "numeric".parse().unwrap(), mode: Mode::Deterministic };
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
            let target = Target { ty: ty.parse().unwrap(), mode: Mode::Deterministic };
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
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_bytes_panic(
        ty in declared(EVERY_TYPE),
        wire in prop::sample::select(ScalarType::ALL),
        own: bool,
        input in any_input(),
        settings in prop_oneof![settings(), any_settings()],
    ) {
        let wire = if own { ty.scalar() } else { wire };
        for mode in MODES {
            for format in FORMATS {
                for usage in [Usage::Assign, Usage::Compare] {
                    let target = Target { ty, mode };
                    let _ = coerce(target, wire, format, usage, &input, &settings);
                }
                let mut out = b"before".to_vec();
                if render(ty, format, &input, &settings, &mut out).is_err() {
                    prop_assert_eq!(&out, b"before");
                }
            }
        }
    }

    /// No error says anything of the value: the message is the same for any other value.
    #[test]
    fn errors_do_not_show_the_value(ty in declared(EVERY_TYPE), input in "[qxz]{9,12}") {
        if ty.family() == Family::Text && ty.max_chars().is_none() || ty.family() == Family::Bytea {
            return Ok(());
        }
        let target = Target { ty, mode: Mode::Deterministic };
        let settings = Settings::default();
        let error = coerce(target, ty.scalar(), Format::Text, Usage::Assign, input.as_bytes(), &settings);
        let error = error.unwrap_err();
        let shown = format!("{error} {error:?}");
        prop_assert!(!shown.contains(&input[..3]), "{}", shown);
    }
}
