//! `int2`, `int4`, `int8`: eight bytes, big-endian two's complement, whatever the width.

use std::io::Write as _;

use zeroize::Zeroizing;

use super::numeric::{self, Numeric};
use super::wire::{WireValue, append, is_space};
use super::{Format, Target, Usage, ValueError, float};
use crate::types::{DeclaredType, ScalarType};

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let number = match read(value)? {
        Some(number) => number,
        None => match (Other::read(value)?, usage) {
            (Some(Other::Numeric(number)), Usage::Assign) => {
                number.into_rounded_integer(target.ty.scalar())?
            }
            (Some(Other::Float(number)), Usage::Assign) => {
                round_float(number).ok_or_else(|| ValueError::out_of_range(target.ty.scalar()))?
            }
            (Some(Other::Numeric(number)), Usage::Compare | Usage::Choose) => {
                match number.as_integer() {
                    Some(number) => number,
                    None => return number.send_as_no_integer(out),
                }
            }
            (Some(Other::Float(number)), Usage::Compare | Usage::Choose) => {
                return compare_float(target, value.ty, number, out);
            }
            (None, _) => return Err(ValueError::mismatch(target.ty, value.ty)),
        },
    };
    // A compared number keeps its own value: PostgreSQL compares integers of different widths as
    // numbers, and one outside the column's range is simply not stored there.
    if usage == Usage::Assign && !fits(target.ty.scalar(), number) {
        return Err(ValueError::out_of_range(target.ty.scalar()));
    }
    append(out, &number.to_be_bytes());
    Ok(())
}

/// A number that is not of an integer type.
enum Other {
    Numeric(Numeric),
    Float(f64),
}

impl Other {
    fn read(value: WireValue<'_>) -> Result<Option<Self>, ValueError> {
        Ok(match numeric::read(value)? {
            Some(number) => Some(Self::Numeric(number)),
            None => float::read(value)?.map(|number| Self::Float(number.widen())),
        })
    }
}

/// Integers of greater magnitude share their float8 with others.
const FLOAT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// 2^63, the float8 of the greatest int8.
const INT8_BOUND: f64 = 9_223_372_036_854_775_808.0;

/// The cast from the floating-point types: rounded half to even.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range of i64 is checked"
)]
fn round_float(number: f64) -> Option<i64> {
    let rounded = number.round_ties_even();
    (-INT8_BOUND..INT8_BOUND)
        .contains(&rounded)
        .then_some(rounded as i64)
}

/// PostgreSQL compares an integer with a floating-point number as float8.
#[expect(clippy::float_cmp, reason = "a number is an integer or is not")]
fn compare_float(
    target: Target<'_>,
    wire: ScalarType,
    number: f64,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let whole = round_float(number).filter(|_| number.round_ties_even() == number);
    match whole {
        Some(whole) if number.abs() < FLOAT_INTEGER_MAX => append(out, &whole.to_be_bytes()),
        // Several int8 become this number, so that one cell cannot stand for them.
        _ if target.ty.scalar() == ScalarType::Int8
            && number.abs() <= INT8_BOUND
            && number.abs() >= FLOAT_INTEGER_MAX =>
        {
            return Err(ValueError::several_equal(target.ty, wire));
        }
        // A family byte before the number gives a length that no integer has.
        _ => {
            append(out, &[ScalarType::Float8.family().byte()]);
            append(out, &number.to_be_bytes());
        }
    }
    Ok(())
}

/// The number, or `None` where the wire type is not an integer type.
pub(super) fn read(value: WireValue<'_>) -> Result<Option<i64>, ValueError> {
    let binary = value.format == Format::Binary;
    Ok(Some(match value.ty {
        ScalarType::Int2 if binary => i16::from_be_bytes(value.fixed()?).into(),
        ScalarType::Int4 if binary => i32::from_be_bytes(value.fixed()?).into(),
        ScalarType::Int8 if binary => i64::from_be_bytes(value.fixed()?),
        ScalarType::Int2 | ScalarType::Int4 | ScalarType::Int8 => {
            let since_16 = value.settings.is_server_at_least(16);
            parse(value.ty, value.text()?.as_bytes(), since_16)?
        }
        _ => return Ok(None),
    }))
}

/// The forms of `pg_strtoint16/32/64`: blanks, a sign, digits, blanks. Since PostgreSQL 16 the digits
/// can be hexadecimal, octal or binary ones, and underscores stand between them.
fn parse(ty: ScalarType, text: &[u8], since_16: bool) -> Result<i64, ValueError> {
    let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
    let mut rest = &text[blanks..];
    let negative = match rest.first() {
        Some(b'-') => {
            rest = &rest[1..];
            true
        }
        Some(b'+') => {
            rest = &rest[1..];
            false
        }
        _ => false,
    };
    let (radix, mut rest) = if since_16 { radix(rest) } else { (10, rest) };
    let digit = |rest: &[u8]| {
        let first = rest.first().copied();
        first.and_then(|byte| char::from(byte).to_digit(radix))
    };
    // A number that grows too large is told before what follows it is looked at. One more than the
    // largest, which a sign could make fit, is told at the end; since PostgreSQL 16 so is whatever one
    // digit alone makes too large.
    let largest = match ty {
        ScalarType::Int2 => i16::MIN.unsigned_abs().into(),
        ScalarType::Int4 => i32::MIN.unsigned_abs().into(),
        _ => i64::MIN.unsigned_abs(),
    };
    let out_of_range = || ValueError::text_out_of_range(ty);
    let mut number = 0_u64;
    let mut has_digits = false;
    loop {
        if let Some(digit) = digit(rest) {
            let fits = number <= largest / u64::from(radix);
            // Where it fits there is no overflow: the sum is at most `largest` and a digit.
            number = number.wrapping_mul(radix.into()).wrapping_add(digit.into());
            if !fits || !since_16 && number > largest {
                return Err(out_of_range());
            }
            has_digits = true;
        } else if since_16 && rest.first() == Some(&b'_') && (has_digits || radix != 10) {
            if digit(&rest[1..]).is_none() {
                return Err(ValueError::syntax(ty));
            }
        } else {
            break;
        }
        rest = &rest[1..];
    }
    if !has_digits || !rest.iter().copied().all(is_space) {
        return Err(ValueError::syntax(ty));
    }
    match negative {
        true if number <= largest => Ok(0_i64.wrapping_sub_unsigned(number)),
        false if number < largest => i64::try_from(number).map_err(|_| out_of_range()),
        _ => Err(out_of_range()),
    }
}

/// The base that a prefix of digits says, and the digits.
pub(super) const fn radix(text: &[u8]) -> (u32, &[u8]) {
    match text {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits),
        [b'0', b'b' | b'B', digits @ ..] => (2, digits),
        digits => (10, digits),
    }
}

/// The least of `int4` and `int8` that holds the constant.
pub(super) fn type_of(text: &str) -> Option<ScalarType> {
    // What the grammar takes for a number is one, whatever its base.
    let number = parse(ScalarType::Int8, text.as_bytes(), true).ok()?;
    Some(if fits(ScalarType::Int4, number) {
        ScalarType::Int4
    } else {
        ScalarType::Int8
    })
}

fn fits(ty: ScalarType, number: i64) -> bool {
    match ty {
        ScalarType::Int2 => i16::try_from(number).is_ok(),
        ScalarType::Int4 => i32::try_from(number).is_ok(),
        _ => true,
    }
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let malformed = || ValueError::malformed(ty.scalar());
    let bytes = <[u8; 8]>::try_from(canonical).map_err(|_| malformed())?;
    let number = i64::from_be_bytes(bytes);
    match (format, ty.scalar()) {
        (Format::Text, scalar) => {
            if !fits(scalar, number) {
                return Err(malformed());
            }
            // Writing to a vector cannot fail.
            let _ = write!(out, "{number}");
        }
        (Format::Binary, ScalarType::Int2) => {
            let number = i16::try_from(number).map_err(|_| malformed())?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        (Format::Binary, ScalarType::Int4) => {
            let number = i32::try_from(number).map_err(|_| malformed())?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        (Format::Binary, _) => out.extend_from_slice(&bytes),
    }
    Ok(())
}
