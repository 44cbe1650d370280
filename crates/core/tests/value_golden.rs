//! Every value of `tests/vectors/values/*.tsv` must be read, sent and shown as PostgreSQL did when
//! `generate.sh` recorded it there.
//!
//! The columns are the type, one setting or nothing, the text that was assigned, the SQLSTATE, and
//! after a success the hexadecimal send form and the text that the server showed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::Path;

use sealwire_core::policy::Mode;
use sealwire_core::types::{DeclaredType, Family, ScalarType, WireType};
use sealwire_core::value::{
    ByteaOutput, Format, Settings, Target, Usage, ValueError, canonicalise, render,
};
use zeroize::Zeroizing;

struct Row {
    line: usize,
    ty: DeclaredType,
    labels: Vec<String>,
    settings: Settings,
    input: Vec<u8>,
    expected: Result<Value, String>,
}

/// The labels of `mood`, in the order of the manifest and not of the database.
const LABELS: [&str; 6] = ["sad", "ok", "happy", "NULL", "a b", "größe, \"x\""];

/// `mood` is what the generator calls its enumerated type.
fn declared(ty: &str) -> DeclaredType {
    match ty {
        "mood" => DeclaredType::new(ScalarType::Enum),
        "mood[]" => DeclaredType::new(ScalarType::Enum).array(),
        _ => ty.parse().unwrap(),
    }
}

struct Value {
    binary: Vec<u8>,
    text: Vec<u8>,
}

/// Undoes the escapes of COPY's text format.
fn unescape(field: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = field.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next().unwrap() {
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                other => other,
            },
            _ => byte,
        });
    }
    out
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

fn settings(text: &str) -> Settings {
    let mut settings = Settings::default();
    match text.split_once('=') {
        None => assert_eq!(text, ""),
        Some(("IntervalStyle", value)) => settings.interval_style = value.into(),
        Some(("lc_monetary", value)) => settings.lc_monetary = value.into(),
        Some(("TimeZone", value)) => settings.time_zone = value.into(),
        Some(("DateStyle", value)) => settings.date_style = value.into(),
        Some(("extra_float_digits", value)) => settings.extra_float_digits = value.parse().unwrap(),
        Some(("bytea_output", "escape")) => settings.bytea_output = ByteaOutput::Escape,
        Some(("bytea_output", "hex")) => settings.bytea_output = ByteaOutput::Hex,
        Some((name, _)) => panic!("unknown setting {name}"),
    }
    settings
}

fn rows(kind: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors/values")
        .join(kind)
        .with_extension("tsv");
    let text = fs::read_to_string(&path).unwrap();
    let rows: Vec<Row> = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [ty, given, input, sqlstate, binary, shown] = fields[..] else {
                panic!("{kind}.tsv:{}: {} fields", i + 1, fields.len());
            };
            Row {
                line: i + 1,
                ty: declared(ty),
                labels: LABELS.map(str::to_owned).to_vec(),
                settings: settings(given),
                input: unescape(input),
                expected: match sqlstate {
                    "00000" => Ok(Value {
                        binary: unhex(binary),
                        text: unescape(shown),
                    }),
                    _ => Err(sqlstate.to_owned()),
                },
            }
        })
        .collect();
    assert!(!rows.is_empty(), "{kind}.tsv is empty");
    rows
}

impl Row {
    fn target(&self, mode: Mode) -> Target<'_> {
        Target {
            labels: &self.labels,
            enum_oid: self.enum_oid(),
            ..Target::new(self.ty, mode)
        }
    }

    /// The identifier that the server gave to `mood`, which an array of it names.
    fn enum_oid(&self) -> u32 {
        match &self.expected {
            Ok(value) if self.ty.family() == Family::Enum.array() => {
                u32::from_be_bytes(value.binary[8..12].try_into().unwrap())
            }
            _ => 0,
        }
    }

    /// Whether what is shown is read as the same value. The server, too, does not read back the
    /// least numbers of an interval in every style; floats of few digits are other numbers, and xml
    /// loses its first line each time that it is read.
    fn rereads(&self, value: &Value) -> bool {
        self.settings.extra_float_digits > 0
            && !(self.ty.family() == Family::Interval && value.binary.contains(&0x80))
            && !(self.ty.family() == Family::Xml && value.text.starts_with(b"\n"))
    }

    fn canonical(&self, mode: Mode, format: Format, input: &[u8]) -> Result<Vec<u8>, ValueError> {
        let target = self.target(mode);
        // Recorded as literals.
        let wire = WireType::from(self.ty).literal();
        let mut out = Zeroizing::new(Vec::new());
        canonicalise(
            target,
            wire,
            format,
            Usage::Assign,
            input,
            &self.settings,
            &mut out,
        )?;
        Ok(out.to_vec())
    }

    fn rendered(&self, format: Format, canonical: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let target = self.target(Mode::Randomized);
        render(target, format, canonical, &self.settings, &mut out).unwrap();
        out
    }

    /// What differs from the server's answer, if anything does.
    fn difference(&self) -> Option<String> {
        let got = self.canonical(Mode::Randomized, Format::Text, &self.input);
        let (canonical, expected) = match (got, &self.expected) {
            (Ok(canonical), Ok(expected)) => (canonical, expected),
            (Err(got), Err(expected)) if got.sqlstate == expected => return None,
            // A form that is refused unread has only one SQLSTATE.
            (Err(got), Err(_)) if is_unsupported(&got) => return None,
            (Err(got), Err(expected)) => {
                return Some(format!("refused with {}, not {expected}", got.sqlstate));
            }
            (Err(got), Ok(_)) => return Some(format!("refused: {}", got.sqlstate)),
            (Ok(canonical), Err(expected)) => {
                return Some(format!("gave {canonical:02x?}, not {expected}"));
            }
        };
        let shown = self.rendered(Format::Text, &canonical);
        if shown != expected.text {
            return Some(format!(
                "shown as {:?}, not {:?}",
                String::from_utf8_lossy(&shown),
                String::from_utf8_lossy(&expected.text)
            ));
        }
        let sent = self.rendered(Format::Binary, &canonical);
        if sent != expected.binary {
            return Some(format!("sent as {sent:02x?}, not {:02x?}", expected.binary));
        }
        for mode in [Mode::Randomized, Mode::Deterministic] {
            let forms = [
                self.canonical(mode, Format::Text, &self.input),
                self.canonical(mode, Format::Text, &expected.text),
                self.canonical(mode, Format::Binary, &expected.binary),
            ];
            let is_line = self.ty.family() == Family::Xml && !self.rereads(expected);
            if forms[0] != forms[2] && !is_line {
                return Some(format!(
                    "{mode}: text and binary give other bytes: {forms:02x?}"
                ));
            }
            if forms[0] != forms[1] && self.rereads(expected) {
                return Some(format!(
                    "{mode}: what was shown gives other bytes: {forms:02x?}"
                ));
            }
        }
        None
    }
}

fn is_unsupported(error: &ValueError) -> bool {
    error.sqlstate == "22007"
        && error
            .message
            .contains("spelling that is not supported for encrypted columns")
}

fn check(kind: &str, at_least: usize) {
    let rows = rows(kind);
    assert!(rows.len() >= at_least, "{kind}.tsv has {} rows", rows.len());
    let differences: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let difference = row.difference()?;
            let input = String::from_utf8_lossy(&row.input).into_owned();
            Some(format!(
                "{kind}.tsv:{}: {} {input:?} {difference}",
                row.line, row.ty
            ))
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} values differ from PostgreSQL:\n{}",
        differences.len(),
        rows.len(),
        differences[..differences.len().min(50)].join("\n")
    );
}

#[test]
fn integers() {
    check("int", 3000);
}

#[test]
fn booleans() {
    check("bool", 400);
}

#[test]
fn uuids() {
    check("uuid", 1500);
}

#[test]
fn byte_strings() {
    check("bytea", 2500);
}

#[test]
fn character_strings() {
    check("text", 3000);
}

#[test]
fn floating_point_numbers() {
    check("float", 10_000);
}

#[test]
fn numerics() {
    check("numeric", 5000);
}

#[test]
fn json_documents() {
    check("json", 3000);
}

#[test]
fn dates() {
    check("date", 3500);
}

#[test]
fn times_of_day() {
    check("time", 2500);
}

#[test]
fn timestamps() {
    check("timestamp", 2500);
}

#[test]
fn timestamps_with_time_zone() {
    check("timestamptz", 5000);
}

#[test]
fn times_of_day_with_time_zone() {
    check("timetz", 2000);
}

#[test]
fn intervals() {
    check("interval", 6000);
}

#[test]
fn network_addresses() {
    check("network", 3000);
}

#[test]
fn hardware_addresses() {
    check("macaddr", 2000);
}

#[test]
fn amounts_of_money() {
    check("money", 2000);
}

#[test]
fn bit_strings() {
    check("bit", 1500);
}

#[test]
fn names() {
    check("name", 300);
}

#[test]
fn xml_content() {
    check("xml", 600);
}

#[test]
fn labels() {
    check("enum", 20);
}

#[test]
fn ranges() {
    check("range", 4000);
}

#[test]
fn arrays() {
    check("array", 3000);
}

/// The spellings that the server reads in more ways than are followed here.
#[test]
fn what_cannot_be_followed_is_refused() {
    for row in rows("refused") {
        let error = row
            .canonical(Mode::Randomized, Format::Text, &row.input)
            .unwrap_err();
        let is_float = matches!(row.ty.scalar(), ScalarType::Float4 | ScalarType::Float8);
        assert!(
            is_unsupported(&error) || (is_float && error.sqlstate == "22P02"),
            "refused.tsv:{}: {error}",
            row.line
        );
    }
}
