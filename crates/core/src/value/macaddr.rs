//! `macaddr` and `macaddr8`: the eight bytes of the longer, which PostgreSQL makes of a shorter one
//! by `ff fe` in the middle.

use zeroize::Zeroizing;

use super::uuid::{hex_digit, push_hex};
use super::wire::{WireValue, append, is_space};
use super::{Format, Target, Usage, ValueError};
use crate::types::{DeclaredType, ScalarType};

const fn widen([a, b, c, d, e, f]: [u8; 6]) -> [u8; 8] {
    [a, b, c, 0xff, 0xfe, d, e, f]
}

fn narrow(address: [u8; 8]) -> Option<[u8; 6]> {
    match address {
        [a, b, c, 0xff, 0xfe, d, e, f] => Some([a, b, c, d, e, f]),
        _ => None,
    }
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let address = match (value.ty, value.format) {
        (ScalarType::Macaddr, Format::Text) => widen(parse_short(value.text()?.as_bytes())?),
        (ScalarType::Macaddr, Format::Binary) => widen(value.fixed()?),
        (ScalarType::Macaddr8, Format::Text) => parse_long(value.text()?.as_bytes())
            .ok_or_else(|| ValueError::syntax(ScalarType::Macaddr8))?,
        (ScalarType::Macaddr8, Format::Binary) if value.bytes.len() == 6 => widen(value.fixed()?),
        (ScalarType::Macaddr8, Format::Binary) => value.fixed()?,
        _ => return Err(ValueError::mismatch(target.ty, value.ty)),
    };
    // The two types have no operator for each other, though each is cast to the other.
    if usage != Usage::Assign && value.ty != target.ty.scalar() {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    if target.ty.scalar() == ScalarType::Macaddr && narrow(address).is_none() {
        return Err(ValueError::new(
            "22003",
            "macaddr8 data out of range to convert to macaddr",
        ));
    }
    append(out, &address);
    Ok(())
}

/// What stands between the octets, and whether an octet has two digits at most; in the order in
/// which `macaddr_in` tries them.
const SHORT_FORMS: [(&[u8; 5], bool); 7] = [
    (b":::::", false),
    (b"-----", false),
    (b"..:..", true),
    (b"..-..", true),
    (b".+.+.", true),
    (b".-.-.", true),
    (b".....", true),
];

/// Reads the forms of `macaddr_in`, which leaves them to C's `sscanf`.
fn parse_short(text: &[u8]) -> Result<[u8; 6], ValueError> {
    for (separators, is_narrow) in SHORT_FORMS {
        let Some(octets) = scan(text, separators, is_narrow) else {
            continue;
        };
        let mut address = [0; 6];
        for (byte, octet) in address.iter_mut().zip(octets) {
            *byte = u8::try_from(octet).map_err(|_| {
                ValueError::new("22003", "invalid octet value in \"macaddr\" value")
            })?;
        }
        return Ok(address);
    }
    Err(ValueError::syntax(ScalarType::Macaddr))
}

/// Six numbers with separators between them (`.` is none, `+` is a point), and blanks behind.
fn scan(text: &[u8], separators: &[u8; 5], is_narrow: bool) -> Option<[i64; 6]> {
    let mut rest = text;
    let mut octets = [0; 6];
    for (at, octet) in octets.iter_mut().enumerate() {
        if let Some(&separator) = at.checked_sub(1).and_then(|at| separators.get(at)) {
            let expected = match separator {
                b'.' => None,
                b'+' => Some(b'.'),
                _ => Some(separator),
            };
            if let Some(expected) = expected {
                rest = rest.strip_prefix(&[expected])?;
            }
        }
        *octet = scan_hex(&mut rest, is_narrow.then_some(2))?;
    }
    rest.iter().copied().all(is_space).then_some(octets)
}

/// `%x` or `%2x` of `sscanf`: blanks, a sign, digits.
fn scan_hex(rest: &mut &[u8], width: Option<usize>) -> Option<i64> {
    let blanks = rest.iter().take_while(|b| is_space(**b)).count();
    let text = &rest[blanks..];
    let field = &text[..width.unwrap_or(text.len()).min(text.len())];
    let (negative, digits) = match field {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, field),
    };
    let digits = match digits {
        [b'0', b'x' | b'X', hex @ ..] if hex.first().is_some_and(u8::is_ascii_hexdigit) => hex,
        _ => digits,
    };
    let count = digits.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    if count == 0 {
        return None;
    }
    let number = digits[..count].iter().fold(0_i64, |number, &digit| {
        let digit = i64::from(hex_digit(digit).unwrap_or(0));
        // More than 32 bits are out of range whatever they are.
        (number << 4 | digit).min(1 << 40)
    });
    let used = field.len() - digits.len() + count;
    *rest = &text[used..];
    Some(if negative { -number } else { number })
}

/// Reads the forms of `macaddr8_in`: six or eight pairs of digits, the same separator wherever
/// there is one.
fn parse_long(text: &[u8]) -> Option<[u8; 8]> {
    let blanks = text.iter().take_while(|b| is_space(**b)).count();
    let mut rest = &text[blanks..];
    let mut octets = Vec::with_capacity(8);
    let mut separator = None;
    while let [high, low, after @ ..] = rest {
        if octets.len() == 8 {
            return None;
        }
        octets.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
        rest = after;
        if let [found @ (b':' | b'-' | b'.'), after @ ..] = rest {
            if *separator.get_or_insert(*found) != *found {
                return None;
            }
            rest = after;
        }
        if matches!(octets.len(), 6 | 8) && rest.first().is_some_and(|b| is_space(*b)) {
            if !rest.iter().copied().all(is_space) {
                return None;
            }
            rest = &[];
        }
    }
    // The server, too, overlooks a single character at the end.
    match octets.len() {
        6 => octets.try_into().ok().map(widen),
        _ => octets.try_into().ok(),
    }
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let malformed = || ValueError::malformed(ty.scalar());
    let long = <[u8; 8]>::try_from(canonical).map_err(|_| malformed())?;
    let short;
    let address: &[u8] = if ty.scalar() == ScalarType::Macaddr {
        short = narrow(long).ok_or_else(malformed)?;
        &short
    } else {
        &long
    };
    match format {
        Format::Binary => out.extend_from_slice(address),
        Format::Text => {
            for (at, &byte) in address.iter().enumerate() {
                if at > 0 {
                    out.push(b':');
                }
                push_hex(byte, out);
            }
        }
    }
    Ok(())
}
