//! `bytea`: the bytes.

use zeroize::Zeroizing;

use super::wire::{WireValue, append};
use super::{ByteaOutput, Format, Settings, Target, ValueError};
use crate::types::ScalarType;

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if value.ty != ScalarType::Bytea {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    match value.format {
        Format::Binary => append(out, value.bytes),
        Format::Text => append(out, &parse(value.text()?.as_bytes())?),
    }
    Ok(())
}

/// Reads either text form of `bytea`.
fn parse(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    match text {
        [b'\\', b'x', hex @ ..] => parse_hex(hex),
        _ => parse_escape(text),
    }
}

/// Pairs of hexadecimal digits; blanks may stand between pairs, not within one.
fn parse_hex(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let invalid_digit = || ValueError::new("22023", "invalid hexadecimal digit");
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if matches!(first, b' ' | b'\n' | b'\t' | b'\r') {
            continue;
        }
        let high = super::uuid::hex_digit(first).ok_or_else(invalid_digit)?;
        let Some((&second, after)) = rest.split_first() else {
            return Err(ValueError::new(
                "22023",
                "invalid hexadecimal data: odd number of digits",
            ));
        };
        rest = after;
        let low = super::uuid::hex_digit(second).ok_or_else(invalid_digit)?;
        bytes.push(high << 4 | low);
    }
    Ok(bytes)
}

/// Bytes as they are, `\\` for a backslash and `\ooo` for the byte of that octal number.
fn parse_escape(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    loop {
        let (byte, after) = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', after @ ..] => (b'\\', after),
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] => ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), after),
            [b'\\', ..] => return Err(ValueError::syntax(ScalarType::Bytea)),
            [byte, after @ ..] => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
}

pub(super) fn render(
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    match (format, settings.bytea_output) {
        (Format::Binary, _) => out.extend_from_slice(canonical),
        (Format::Text, ByteaOutput::Hex) => {
            out.reserve(2 + 2 * canonical.len());
            out.extend_from_slice(b"\\x");
            for &byte in canonical {
                super::uuid::push_hex(byte, out);
            }
        }
        (Format::Text, ByteaOutput::Escape) => {
            for &byte in canonical {
                match byte {
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    0x20..=0x7e => out.push(byte),
                    _ => out.extend_from_slice(&[
                        b'\\',
                        b'0' + (byte >> 6),
                        b'0' + (byte >> 3 & 7),
                        b'0' + (byte & 7),
                    ]),
                }
            }
        }
    }
    Ok(())
}
