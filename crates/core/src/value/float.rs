//! `float4` and `float8`: IEEE 754, big-endian, with one zero and one NaN.

mod print;

use zeroize::Zeroizing;

use super::wire::{WireValue, append, trim_spaces};
use super::{Format, Settings, Target, Usage, ValueError, int, numeric};
use crate::types::{DeclaredType, ScalarType};

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let Some(number) = read_any(target, value, usage)? else {
        return Err(ValueError::mismatch(target.ty, value.ty));
    };
    match (target.ty.scalar(), usage) {
        (ScalarType::Float4, Usage::Assign) => append(out, &bits4(number.narrow()?)),
        (ScalarType::Float4, Usage::Compare | Usage::Choose) => match number.as_float4_exactly() {
            Some(exact) => append(out, &bits4(exact)),
            // Eight bytes equal no stored four: PostgreSQL compares the two as float8.
            None => append(out, &bits8(number.widen())),
        },
        _ => append(out, &bits8(number.widen())),
    }
    Ok(())
}

/// What the wire types carry. Each narrows and widens by its own single rounding.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Float4(f32),
    Float8(f64),
}

impl Number {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the casts from the integer types round, as PostgreSQL's do"
    )]
    pub(super) fn widen(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float4(number) => number.into(),
            Self::Float8(number) => number,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the casts to float4 round, as PostgreSQL's do"
    )]
    fn narrow(self) -> Result<f32, ValueError> {
        match self {
            Self::Int(number) => Ok(number as f32),
            Self::Float4(number) => Ok(number),
            Self::Float8(number) => {
                let narrowed = number as f32;
                if narrowed.is_infinite() && number.is_finite() {
                    return Err(ValueError::new("22003", "value out of range: overflow"));
                }
                if narrowed == 0.0 && number != 0.0 {
                    return Err(ValueError::new("22003", "value out of range: underflow"));
                }
                Ok(narrowed)
            }
        }
    }

    /// The text by which the number is cast to `numeric`: the digits that its type always holds.
    pub(super) fn significant_digits(self) -> Zeroizing<Vec<u8>> {
        // Longer than any number of 15 digits with sign, point and exponent.
        let mut text = Zeroizing::new(Vec::with_capacity(32));
        match self {
            Self::Float4(number) => print::float4(number, 0, &mut text),
            other => print::float8(other.widen(), 0, &mut text),
        }
        text
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::float_cmp,
        reason = "the comparison finds out whether the cast lost anything"
    )]
    fn as_float4_exactly(self) -> Option<f32> {
        let wide = self.widen();
        let narrow = wide as f32;
        (f64::from(narrow) == wide || wide.is_nan()).then_some(narrow)
    }
}

/// The number, or `None` where the wire type is not a floating-point type.
pub(super) fn read(value: WireValue<'_>) -> Result<Option<Number>, ValueError> {
    Ok(Some(match (value.ty, value.format) {
        (ScalarType::Float4, Format::Binary) => Number::Float4(f32::from_be_bytes(value.fixed()?)),
        (ScalarType::Float8, Format::Binary) => Number::Float8(f64::from_be_bytes(value.fixed()?)),
        (ScalarType::Float4, Format::Text) => Number::Float4(parse4(trim_spaces(value.text()?))?),
        (ScalarType::Float8, Format::Text) => Number::Float8(parse8(trim_spaces(value.text()?))?),
        _ => return Ok(None),
    }))
}

/// The same for a number of any type that PostgreSQL turns into a floating-point one.
fn read_any(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
) -> Result<Option<Number>, ValueError> {
    if let Some(number) = read(value)? {
        return Ok(Some(number));
    }
    if let Some(number) = int::read(value)? {
        return Ok(Some(Number::Int(number)));
    }
    // The casts of numeric go through its text form. A comparison is one of float8 even where the
    // column is a float4.
    let Some(number) = numeric::read(value)? else {
        return Ok(None);
    };
    let text = number.to_text();
    let text = str::from_utf8(&text).map_err(|_| ValueError::binary_format())?;
    Ok(Some(match (target.ty.scalar(), usage) {
        (ScalarType::Float4, Usage::Assign) => Number::Float4(parse4(text)?),
        _ => Number::Float8(parse8(text)?),
    }))
}

fn parse4(text: &str) -> Result<f32, ValueError> {
    let number: f32 = parse(ScalarType::Float4, text)?;
    if is_out_of_range(text, number == 0.0, number.is_infinite()) {
        return Err(ValueError::text_out_of_range(ScalarType::Float4));
    }
    Ok(number)
}

fn parse8(text: &str) -> Result<f64, ValueError> {
    let number: f64 = parse(ScalarType::Float8, text)?;
    if is_out_of_range(text, number == 0.0, number.is_infinite()) {
        return Err(ValueError::text_out_of_range(ScalarType::Float8));
    }
    Ok(number)
}

/// The decimal and named forms of `strtod`. Its hexadecimal forms, which PostgreSQL accepts on
/// some platforms by accident, are refused.
fn parse<F: std::str::FromStr>(ty: ScalarType, text: &str) -> Result<F, ValueError> {
    if !is_decimal(text) && !is_named(text) {
        return Err(ValueError::syntax(ty));
    }
    text.parse().map_err(|_| ValueError::syntax(ty))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_named(text: &str) -> bool {
    ["nan", "inf", "infinity"]
        .iter()
        .any(|name| unsigned(text).eq_ignore_ascii_case(name))
}

fn is_decimal(text: &str) -> bool {
    let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned(text).split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (unsigned(text), None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    !(whole.is_empty() && fraction.is_empty())
        && all_digits(whole)
        && all_digits(fraction)
        && exponent.is_none_or(|digits| !digits.is_empty() && all_digits(digits))
}

/// Whether `strtod` would have set `ERANGE`: a number became infinite, or a number other than zero
/// became zero. Subnormal results are accepted.
fn is_out_of_range(text: &str, is_zero: bool, is_infinite: bool) -> bool {
    if is_named(text) {
        return false;
    }
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    is_infinite || (is_zero && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')))
}

/// One bit pattern per value: PostgreSQL holds the two zeros equal, and all NaNs.
fn bits8(number: f64) -> [u8; 8] {
    if number.is_nan() {
        0x7ff8_0000_0000_0000_u64.to_be_bytes()
    } else if number == 0.0 {
        [0; 8]
    } else {
        number.to_be_bytes()
    }
}

fn bits4(number: f32) -> [u8; 4] {
    if number.is_nan() {
        0x7fc0_0000_u32.to_be_bytes()
    } else if number == 0.0 {
        [0; 4]
    } else {
        number.to_be_bytes()
    }
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let malformed = |_| ValueError::malformed(ty.scalar());
    if ty.scalar() == ScalarType::Float4 {
        let bytes = <[u8; 4]>::try_from(canonical).map_err(malformed)?;
        match format {
            Format::Binary => out.extend_from_slice(&bytes),
            Format::Text => {
                print::float4(f32::from_be_bytes(bytes), settings.extra_float_digits, out);
            }
        }
    } else {
        let bytes = <[u8; 8]>::try_from(canonical).map_err(malformed)?;
        match format {
            Format::Binary => out.extend_from_slice(&bytes),
            Format::Text => {
                print::float8(f64::from_be_bytes(bytes), settings.extra_float_digits, out);
            }
        }
    }
    Ok(())
}
