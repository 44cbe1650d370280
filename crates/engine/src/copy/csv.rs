//! Fields of the CSV format (`CopyReadAttributesCSV` and `CopyAttributeOutCSV` of PostgreSQL).

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::{Field, append, bad};
use crate::seal::Stop;

/// Finds the fields of a line. Quotes may begin and end anywhere in a field.
pub(super) fn split(
    line: &[u8],
    delimiter: u8,
    quote: u8,
    escape: u8,
    fields: &mut Vec<Field>,
) -> Result<(), Stop> {
    let mut start = 0;
    let mut at = 0;
    let mut quoted = false;
    while let Some(&byte) = line.get(at) {
        at += 1;
        if byte == delimiter {
            fields.push(Field {
                start,
                end: at - 1,
                quoted,
                foreign: false,
                hanging: false,
            });
            start = at;
            quoted = false;
        } else if byte == quote {
            quoted = true;
            at = after_quote(line, at, quote, escape)
                .ok_or_else(|| bad("unterminated CSV quoted field"))?;
        }
    }
    fields.push(Field {
        start,
        end: line.len(),
        quoted,
        foreign: false,
        hanging: false,
    });
    Ok(())
}

/// Where the quotation that starts before `at` has ended.
fn after_quote(line: &[u8], mut at: usize, quote: u8, escape: u8) -> Option<usize> {
    loop {
        let byte = *line.get(at)?;
        at += 1;
        if byte == escape && escaped(line, at, quote, escape) {
            at += 1;
        } else if byte == quote {
            return Some(at);
        }
    }
}

/// Whether an escape character before `at` escapes anything.
fn escaped(line: &[u8], at: usize, quote: u8, escape: u8) -> bool {
    line.get(at)
        .is_some_and(|&next| next == escape || next == quote)
}

/// Appends the value of a field with a quotation in it.
pub(super) fn decode(raw: &[u8], quote: u8, escape: u8, out: &mut Zeroizing<Vec<u8>>) {
    let mut inside = false;
    let mut at = 0;
    let mut start = 0;
    let mut plain = |from: usize, to: usize| append(out, raw.get(from..to).unwrap_or_default());
    while let Some(&byte) = raw.get(at) {
        at += 1;
        if inside && byte == escape && escaped(raw, at, quote, escape) {
            plain(start, at - 1);
            start = at;
            at += 1;
        } else if byte == quote {
            plain(start, at - 1);
            start = at;
            inside = !inside;
        }
    }
    plain(start, raw.len());
}

/// How a value is written.
pub(super) struct Style<'a> {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) escape: u8,
    pub(super) null: &'a [u8],
    /// Quoted whatever it holds.
    pub(super) forced: bool,
    /// The row has no other field.
    pub(super) single: bool,
}

/// Appends a value as a field.
pub(super) fn write(value: &[u8], style: &Style<'_>, out: &mut BytesMut) {
    let special = |&byte: &u8| {
        byte == style.delimiter || byte == style.quote || matches!(byte, b'\n' | b'\r')
    };
    let quoted = style.forced
        || value == style.null
        // It would be the end marker.
        || style.single && value == b"\\."
        || value.iter().any(special);
    if !quoted {
        out.extend_from_slice(value);
        return;
    }
    out.extend_from_slice(&[style.quote]);
    let mut start = 0;
    for (at, &byte) in value.iter().enumerate() {
        if byte == style.quote || byte == style.escape {
            out.extend_from_slice(&value[start..at]);
            out.extend_from_slice(&[style.escape]);
            start = at;
        }
    }
    out.extend_from_slice(&value[start..]);
    out.extend_from_slice(&[style.quote]);
}
