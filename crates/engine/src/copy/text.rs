//! Fields of the text format (`CopyReadAttributesText` and `CopyAttributeOutText` of PostgreSQL).

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::{Field, append, room};

/// Finds the fields of a line.
pub(super) fn split(line: &[u8], delimiter: u8, fields: &mut Vec<Field>) {
    let mut start = 0;
    let mut at = 0;
    let mut foreign = false;
    let mut hanging = false;
    let mut push = |start, end, foreign, hanging| {
        fields.push(Field {
            start,
            end,
            quoted: false,
            foreign,
            hanging,
        });
    };
    while let Some(&byte) = line.get(at) {
        if byte == b'\\' {
            let (byte, len) = escape(&line[at..]);
            // A character that a backslash stands before is verified where it stands.
            let spelt = matches!(line.get(at + 1), Some(b'0'..=b'7' | b'x'));
            foreign |= spelt && byte.is_some_and(|byte| byte == 0 || !byte.is_ascii());
            hanging = byte.is_none();
            at += len;
        } else {
            if byte == delimiter {
                push(start, at, std::mem::take(&mut foreign), false);
                start = at + 1;
            }
            at += 1;
        }
    }
    push(start, line.len(), foreign, hanging);
}

/// The byte that an escape sequence stands for, and the sequence's length.
fn escape(bytes: &[u8]) -> (Option<u8>, usize) {
    let digits = |from: usize, max: usize, radix: u32| {
        let digits = bytes.iter().skip(from).take(max);
        let value = digits.map_while(|&b| char::from(b).to_digit(radix));
        // Larger octal numbers wrap, as in PostgreSQL.
        value.fold((0u32, 0), |(value, len), digit| {
            (value * radix + digit, len + 1)
        })
    };
    let low = |value: u32| u8::try_from(value & 0xff).ok();
    match bytes.get(1) {
        None => (None, 1),
        Some(b'0'..=b'7') => {
            let (value, len) = digits(1, 3, 8);
            (low(value), 1 + len)
        }
        Some(b'x') => match digits(2, 2, 16) {
            (_, 0) => (Some(b'x'), 2),
            (value, len) => (low(value), 2 + len),
        },
        Some(b'b') => (Some(0x08), 2),
        Some(b'f') => (Some(0x0c), 2),
        Some(b'n') => (Some(b'\n'), 2),
        Some(b'r') => (Some(b'\r'), 2),
        Some(b't') => (Some(b'\t'), 2),
        Some(b'v') => (Some(0x0b), 2),
        Some(&other) => (Some(other), 2),
    }
}

/// Appends the value of a field. A backslash at its end stands for nothing.
pub(super) fn decode(raw: &[u8], out: &mut Zeroizing<Vec<u8>>) {
    // No value is longer than the field, so that it grows once.
    room(out, raw.len());
    let mut rest = raw;
    while let Some(ahead) = rest.iter().position(|&b| b == b'\\') {
        append(out, &rest[..ahead]);
        let (byte, len) = escape(&rest[ahead..]);
        out.extend(byte);
        rest = rest.get(ahead + len..).unwrap_or_default();
    }
    append(out, rest);
}

/// Appends a value as a field.
pub(super) fn write(value: &[u8], delimiter: u8, out: &mut BytesMut) {
    let mut start = 0;
    for (at, &byte) in value.iter().enumerate() {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            _ if byte == b'\\' || byte == delimiter => byte,
            _ => continue,
        };
        out.extend_from_slice(&value[start..at]);
        out.extend_from_slice(&[b'\\', letter]);
        start = at + 1;
    }
    out.extend_from_slice(&value[start..]);
}
