//! Values of one type in columns of another must be assigned, and compared with what is stored, as
//! PostgreSQL did when `tests/vectors/values/generate.sh` recorded it.
//!
//! `assignment.tsv`: column, type of the value, value, SQLSTATE, send form, text. `stored.tsv`:
//! values of each column. `equal.tsv`: column, type of the value, the stored values that equal it,
//! value. `incomparable.tsv`: columns and types that have no `=`. All in the session's zone below.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use sealwire_core::policy::Mode;
use sealwire_core::types::{DeclaredType, Family, ScalarType, WireType};
use sealwire_core::value::{
    Coercion, Format, Settings, Target, Usage, ValueError, canonicalise, coercion, render,
};
use zeroize::Zeroizing;

/// Assignments that PostgreSQL makes and this library leaves to an explicit cast.
const REFUSED_ASSIGNMENTS: &[(Family, Family)] = &[
    (Family::Timestamp, Family::Time),
    (Family::Timestamptz, Family::Time),
    (Family::Money, Family::Numeric),
];

/// Anything is assigned to a string by way of its text form, and most is refused.
fn is_text(family: Family) -> bool {
    family == Family::Text || family == Family::Text.array()
}

/// Comparisons that are refused because one value would have to equal several cells.
const REFUSED_COMPARISONS: &[(Family, Family)] = &[
    (Family::Float4, Family::Numeric),
    (Family::Float8, Family::Numeric),
    (Family::Timestamptz, Family::Timestamp),
    (Family::Timestamptz, Family::Date),
];

fn table<const N: usize>(name: &str) -> Vec<[String; N]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors/values")
        .join(name);
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<_> = text
        .lines()
        .map(|line| {
            let fields: Vec<String> = line
                .split('\t')
                .map(|field| field.replace("\\\\", "\\"))
                .collect();
            fields.try_into().unwrap()
        })
        .collect();
    assert!(rows.len() > 10, "{name} has {} rows", rows.len());
    rows
}

fn settings() -> Settings {
    Settings {
        time_zone: "America/New_York".into(),
        ..Settings::default()
    }
}

/// The type of a value, without the modifier that its name alone would mean.
fn wire_type(name: &str) -> WireType {
    match name.strip_suffix("[]") {
        Some(element) => WireType::array_of(ScalarType::from_name(element).unwrap()),
        None => ScalarType::from_name(name).unwrap().into(),
    }
}

fn from_family(wire: WireType) -> Family {
    let family = wire.scalar().family();
    if wire.is_array() {
        family.array()
    } else {
        family
    }
}

fn canonical(
    ty: &str,
    wire: WireType,
    usage: Usage,
    mode: Mode,
    input: &str,
) -> Result<Vec<u8>, ValueError> {
    let target = Target::new(ty.parse().unwrap(), mode);
    let mut out = Zeroizing::new(Vec::new());
    let input = input.as_bytes();
    canonicalise(
        target,
        wire,
        Format::Text,
        usage,
        input,
        &settings(),
        &mut out,
    )?;
    Ok(out.to_vec())
}

/// A time of day out of a timestamp's text is refused before it is coerced.
fn is_unsupported(error: &ValueError) -> bool {
    error.sqlstate == "22007"
        && error
            .message
            .contains("not supported for encrypted columns")
}

fn family(ty: &str) -> Family {
    ty.parse::<DeclaredType>().unwrap().family()
}

/// What is said of two types must agree with what becomes of a value, here and on the server.
fn check_by_type(ty: &str, wire: WireType, usage: Usage, works: bool, is_missing: bool) {
    let declared: DeclaredType = ty.parse().unwrap();
    if declared.is_array() || wire.is_array() {
        return;
    }
    let coercion = coercion(declared.scalar(), wire.scalar(), usage);
    let has_none = matches!(coercion, Coercion::Missing | Coercion::Ambiguous);
    assert_eq!(
        has_none, is_missing,
        "{ty}, {wire}, {usage:?}: {coercion:?}"
    );
    if works {
        assert_eq!(coercion, Coercion::Done, "{ty}, {wire}, {usage:?}");
    }
}

#[test]
fn assignments_across_types() {
    let mut differences = Vec::new();
    for [ty, wire, input, sqlstate, binary, shown] in table("assignment.tsv") {
        let from = wire_type(&wire);
        let got = canonical(&ty, from, Usage::Assign, Mode::Randomized, &input);
        let got = got.map(|canonical| {
            [Format::Text, Format::Binary].map(|format| {
                let mut out = Vec::new();
                let declared = ty.parse().unwrap();
                let target = Target::new(declared, Mode::Randomized);
                render(target, format, &canonical, &settings(), &mut out).unwrap();
                out
            })
        });
        check_by_type(&ty, from, Usage::Assign, got.is_ok(), sqlstate == "42804");
        let agrees = match &got {
            Ok([text, sent]) => {
                let hex: String = sent.iter().map(|byte| format!("{byte:02x}")).collect();
                sqlstate == "00000" && *text == shown.as_bytes() && hex == binary
            }
            Err(error) if is_unsupported(error) => true,
            Err(error) if error.sqlstate == "42804" && sqlstate != "42804" => {
                REFUSED_ASSIGNMENTS.contains(&(from_family(from), family(&ty)))
                    || is_text(family(&ty)) && !is_text(from_family(from))
            }
            Err(error) => error.sqlstate == sqlstate,
        };
        if !agrees {
            let wanted = format!("{sqlstate} {binary} {shown:?}");
            differences.push(format!(
                "{ty} := {wire} {input:?}: {got:02x?}, not {wanted}"
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn comparisons_across_types() {
    let mut stored: HashMap<String, Vec<String>> = HashMap::new();
    for [ty, value] in table("stored.tsv") {
        stored.entry(ty).or_default().push(value);
    }
    let equal: HashSet<[String; 4]> = table("equal.tsv").into_iter().collect();
    let incomparable: HashSet<[String; 2]> = table("incomparable.tsv").into_iter().collect();

    let (mut compared, mut met) = (0, 0);
    let mut differences = Vec::new();
    for [ty, wire, probe, ..] in table::<6>("assignment.tsv") {
        let from = wire_type(&wire);
        if !family(&ty).has_single_byte_form() {
            continue;
        }
        let declared: DeclaredType = ty.parse().unwrap();
        let is_missing = incomparable.contains(&[ty.clone(), wire.clone()]);
        let works = canonical(&ty, from, Usage::Compare, Mode::Deterministic, &probe).is_ok();
        check_by_type(&ty, from, Usage::Compare, works, is_missing);
        let key = match canonical(&ty, from, Usage::Compare, Mode::Deterministic, &probe) {
            Ok(key) => key,
            Err(error) if is_unsupported(&error) => continue,
            Err(error) => {
                // Beyond 2^53 several int8 are one float8.
                let is_large = matches!(from_family(from), Family::Float4 | Family::Float8)
                    && declared.scalar() == ScalarType::Int8
                    && probe.parse::<f64>().unwrap().abs() >= 9_007_199_254_740_992.0;
                let sqlstate = if is_large { "0A000" } else { "42804" };
                assert_eq!(error.sqlstate, sqlstate, "{ty} = {wire} {probe:?}");
                let is_listed = is_large
                    || REFUSED_COMPARISONS.contains(&(from_family(from), declared.family()))
                    || [
                        (ScalarType::Varchar, ScalarType::Bpchar),
                        (ScalarType::Bpchar, ScalarType::Name),
                    ]
                    .contains(&(declared.scalar(), from.scalar()))
                    || incomparable.contains(&[ty.clone(), wire.clone()]);
                assert!(is_listed, "{ty} = {wire} {probe:?} is refused");
                continue;
            }
        };
        if incomparable.contains(&[ty.clone(), wire.clone()]) {
            differences.push(format!("{ty} = {wire} has no operator"));
        }
        for value in &stored[&ty] {
            let (own, mode) = (WireType::from(declared).literal(), Mode::Deterministic);
            let cell = match canonical(&ty, own, Usage::Assign, mode, value) {
                Err(error) if is_unsupported(&error) => continue,
                cell => cell.unwrap(),
            };
            let row = [ty.clone(), wire.clone(), value.clone(), probe.clone()];
            let expected = equal.contains(&row);
            compared += 1;
            met += usize::from(expected);
            if (cell == key) != expected {
                differences.push(format!("{row:?} should be {expected}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(
        compared > 20_000 && met > 1000,
        "{compared} compared, {met} equal"
    );
}
