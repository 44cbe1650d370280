//! The text form of `numeric`.

use zeroize::Zeroizing;

use super::{
    DEC_DIGITS, Numeric, SIGN_NAN, SIGN_NEGATIVE, SIGN_NEGATIVE_INFINITY, SIGN_POSITIVE,
    SIGN_POSITIVE_INFINITY,
};
use crate::types::ScalarType;
use crate::value::ValueError;
use crate::value::wire::is_space;

/// Exponents from which `numeric_in` gives up (`INT_MAX / 2`).
const EXPONENT_LIMIT: i64 = 0x3fff_ffff;

impl Numeric {
    /// Reads what `numeric_in` accepts in PostgreSQL 15, without a modifier. A parameter or
    /// literal is read so even where its column has one, which is applied afterwards.
    pub(in crate::value) fn parse(text: &[u8]) -> Result<Self, ValueError> {
        let syntax = || ValueError::syntax(ScalarType::Numeric);
        let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
        let text = &text[blanks..];
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
