//! `uuid`: its sixteen bytes.

use zeroize::Zeroizing;

use super::wire::{WireValue, append};
use super::{Format, Target, ValueError};
use crate::types::ScalarType;

const LEN: usize = 16;

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if value.ty != ScalarType::Uuid {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    let bytes = match value.format {
        Format::Binary => value.fixed::<LEN>()?,
        Format::Text => {
            parse(value.text()?.as_bytes()).ok_or_else(|| ValueError::syntax(value.ty))?
        }
    };
    append(out, &bytes);
    Ok(())
}

/// 32 hexadecimal digits with an optional hyphen after every fourth, braces around it or not.
fn parse(text: &[u8]) -> Option<[u8; LEN]> {
    let mut rest = match text {
        [b'{', inner @ .., b'}'] => inner,
        _ => text,
    };
    let mut bytes = [0; LEN];
    for (i, byte) in bytes.iter_mut().enumerate() {
        let (&[high, low], after) = rest.split_first_chunk::<2>()?;
        *byte = hex_digit(high)? << 4 | hex_digit(low)?;
        rest = match after {
            [b'-', after @ ..] if i % 2 == 1 && i + 1 < LEN => after,
            _ => after,
        };
    }
    rest.is_empty().then_some(bytes)
}

/// The value of a hexadecimal digit in either case.
pub(super) fn hex_digit(digit: u8) -> Option<u8> {
    Some(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => return None,
    })
}

/// The two lower-case hexadecimal digits of a byte.
pub(super) fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 0xf)]);
}

pub(super) fn render(
    format: Format,
    canonical: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    if canonical.len() != LEN {
        return Err(ValueError::malformed(ScalarType::Uuid));
    }
    match format {
        Format::Binary => out.extend_from_slice(canonical),
        Format::Text => {
            for (i, &byte) in canonical.iter().enumerate() {
                if matches!(i, 4 | 6 | 8 | 10) {
                    out.push(b'-');
                }
                push_hex(byte, out);
            }
        }
    }
    Ok(())
}
