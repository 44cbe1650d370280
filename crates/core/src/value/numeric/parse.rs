//! The text form of `numeric`.

use std::io::Write as _;

use zeroize::Zeroizing;

use super::{
    DEC_DIGITS, Numeric, SIGN_NAN, SIGN_NEGATIVE, SIGN_NEGATIVE_INFINITY, SIGN_POSITIVE,
    SIGN_POSITIVE_INFINITY,
};
use crate::types::ScalarType;
use crate::value::ValueError;
use crate::value::int;
use crate::value::wire::is_space;

/// Exponents from which `numeric_in` gives up (`INT_MAX / 2`).
const EXPONENT_LIMIT: i64 = 0x3fff_ffff;

impl Numeric {
    /// Reads what `numeric_in` accepts in PostgreSQL 15, without a modifier. A parameter or
    /// literal is read so even where its column has one, which is applied afterwards.
    pub(in crate::value) fn parse(text: &[u8]) -> Result<Self, ValueError> {
        let syntax = || ValueError::syntax(ScalarType::Numeric);
        let text = skip_space(text);
        let (number, rest) = match special(text) {
            Some((sign, rest)) => (Self::special(sign), rest),
            None => finite(text)?.ok_or_else(syntax)?,
        };
        if !rest.iter().copied().all(is_space) {
            return Err(syntax());
        }
        number.check_limits()?;
        Ok(number)
    }

    /// The same since PostgreSQL 16: underscores stand between digits, an integer can have another
    /// base, and no blanks stand before an exponent.
    pub(in crate::value) fn parse_since_16(text: &[u8]) -> Result<Self, ValueError> {
        let text = skip_space(text);
        let (sign, number) = text.split_at(usize::from(matches!(text, [b'-' | b'+', ..])));
        let (radix, digits) = int::radix(number);
        let mut plain = Zeroizing::new(Vec::with_capacity(text.len() * 2 + 16));
        plain.extend_from_slice(sign);
        if radix == 10 {
            let mut before = 0_u8;
            for (at, &byte) in number.iter().enumerate() {
                let next = number.get(at + 1).is_some_and(u8::is_ascii_digit);
                let is_separator = byte == b'_' && before.is_ascii_digit() && next;
                if matches!(before, b'e' | b'E') && is_space(byte) {
                    return Err(ValueError::syntax(ScalarType::Numeric));
                }
                if !is_separator {
                    plain.push(byte);
                }
                before = byte;
            }
        } else {
            decimal(radix, digits, &mut plain)?;
        }
        Self::parse(&plain)
    }
}

fn skip_space(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
    &text[blanks..]
}

/// Appends an integer of another base as decimal digits. The caller has made room for two bytes for
/// each of the text's, and 16.
fn decimal(radix: u32, text: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<(), ValueError> {
    let syntax = || ValueError::syntax(ScalarType::Numeric);
    let digit = |at: usize| {
        let byte = text.get(at).copied();
        byte.and_then(|byte| char::from(byte).to_digit(radix))
    };
    // Base 10^9, the lowest digit first; each takes more than seven of another base.
    let mut number = Zeroizing::new(Vec::with_capacity(text.len() / 7 + 2));
    number.push(0_u32);
    let mut at = 0;
    loop {
        if let Some(digit) = digit(at) {
            let mut carry = u64::from(digit);
            for part in number.iter_mut() {
                carry += u64::from(*part) * u64::from(radix);
                *part = u32::try_from(carry % 1_000_000_000).unwrap_or(0);
                carry /= 1_000_000_000;
            }
            if carry > 0 {
                number.push(u32::try_from(carry).unwrap_or(0));
            }
        } else if text.get(at) != Some(&b'_') {
            break;
        } else if digit(at + 1).is_none() {
            return Err(syntax());
        }
        at += 1;
    }
    if at == 0 || !text[at..].iter().copied().all(is_space) {
        return Err(syntax());
    }
    for part in number.iter().rev() {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{part:09}");
    }
    Ok(())
}

fn special(text: &[u8]) -> Option<(u16, &[u8])> {
    // The longer names first, because the shorter ones are their prefixes.
    const NAMES: [(&[u8], u16); 7] = [
        (b"nan", SIGN_NAN),
        (b"infinity", SIGN_POSITIVE_INFINITY),
        (b"+infinity", SIGN_POSITIVE_INFINITY),
        (b"-infinity", SIGN_NEGATIVE_INFINITY),
        (b"inf", SIGN_POSITIVE_INFINITY),
        (b"+inf", SIGN_POSITIVE_INFINITY),
        (b"-inf", SIGN_NEGATIVE_INFINITY),
    ];
    NAMES.iter().find_map(|&(name, sign)| {
        let (start, rest) = text.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some((sign, rest))
    })
}

/// Sign, digits with at most one point, exponent; and what follows. `None` where there is no number.
fn finite(text: &[u8]) -> Result<Option<(Numeric, &[u8])>, ValueError> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (SIGN_NEGATIVE, rest),
        [b'+', rest @ ..] => (SIGN_POSITIVE, rest),
        _ => (SIGN_POSITIVE, text),
    };
    let mantissa_len = rest
        .iter()
        .scan(false, |seen_point, byte| match byte {
            b'0'..=b'9' => Some(()),
            b'.' if !*seen_point => {
                *seen_point = true;
                Some(())
            }
            _ => None,
        })
        .count();
    let (mantissa, rest) = rest.split_at(mantissa_len);
    let whole = mantissa.iter().take_while(|byte| **byte != b'.').count();
    let count = mantissa.iter().filter(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return Ok(None);
    }
    let (exponent, rest) = match rest {
        [b'e' | b'E', rest @ ..] => match exponent(rest)? {
            Some(found) => found,
            None => return Ok(None),
        },
        // A second point is an error, not the end of the number.
        [b'.', ..] => return Ok(None),
        _ => (0, rest),
    };
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let number = assemble(
        sign,
        mantissa.iter().filter(|byte| byte.is_ascii_digit()),
        length(count),
        length(whole).saturating_add(exponent),
        length(count - whole).saturating_sub(exponent).max(0),
    );
    Ok(Some((number?, rest)))
}

/// The exponent by the rules of C's `strtol`, which skips blanks before it.
fn exponent(text: &[u8]) -> Result<Option<(i64, &[u8])>, ValueError> {
    let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
    let (negative, rest) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return Ok(None);
    }
    let (digits, rest) = rest.split_at(digits);
    let magnitude = digits.iter().fold(0_i64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    if magnitude >= EXPONENT_LIMIT {
        return Err(ValueError::new("22003", "value overflows numeric format"));
    }
    Ok(Some((if negative { -magnitude } else { magnitude }, rest)))
}

/// Packs decimal digits, of which `point` stand before the decimal point, into base 10000.
fn assemble<'a>(
    sign: u16,
    decimals: impl Iterator<Item = &'a u8>,
    count: i64,
    point: i64,
    dscale: i64,
) -> Result<Numeric, ValueError> {
    let overflow = |_| ValueError::new("22003", "value overflows numeric format");
    let per_digit = i64::from(DEC_DIGITS);
    // Zeros in front, so that the decimal point falls between two digits of base 10000.
    let weight = (point + per_digit - 1).div_euclid(per_digit) - 1;
    let offset = (weight + 1) * per_digit - point;
    let capacity = usize::try_from((count + offset) / per_digit + 1).map_err(overflow)?;
    let mut digits = Zeroizing::new(Vec::with_capacity(capacity));
    let (mut digit, mut filled) = (0_u16, offset);
    for decimal in decimals {
        digit = digit * 10 + u16::from(decimal - b'0');
        filled += 1;
        if filled == per_digit {
            digits.push(digit);
            (digit, filled) = (0, 0);
        }
    }
    if filled > 0 {
        let missing = u32::try_from(per_digit - filled).map_err(overflow)?;
        digits.push(digit * 10_u16.pow(missing));
    }
    let mut number = Numeric {
        sign,
        weight: i32::try_from(weight).map_err(overflow)?,
        dscale: i32::try_from(dscale).map_err(overflow)?,
        digits,
    };
    number.strip();
    Ok(number)
}
