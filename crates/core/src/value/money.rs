//! `money`: the amount in the smallest unit of `lc_monetary`'s currency.
//!
//! What the text form looks like is up to the C library's locale `lc_monetary`. Two decimal digits,
//! a point, commas and a dollar sign in front are what it is in the locales that are known here;
//! in any other the text form is refused. The binary form depends on no locale.

use zeroize::Zeroizing;

use super::wire::{WireValue, append, is_space};
use super::{Format, Settings, Target, Usage, ValueError, int, numeric};
use crate::types::ScalarType;

/// Decimal digits behind the point (`frac_digits`).
const DIGITS: u32 = 2;
const UNIT: i64 = 10_i64.pow(DIGITS);

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let overflow = || ValueError::out_of_range(ScalarType::Int8);
    let amount = match (value.ty, value.format) {
        (ScalarType::Money, Format::Binary) => i64::from_be_bytes(value.fixed()?),
        (ScalarType::Money, Format::Text) => {
            require_locale(value.settings)?;
            parse(value.text()?.as_bytes())?
        }
        // Numbers are assigned to money, but not compared with it.
        (ScalarType::Int4 | ScalarType::Int8, _) if usage == Usage::Assign => {
            require_locale(value.settings)?;
            let number = int::read(value)?.ok_or_else(overflow)?;
            number.checked_mul(UNIT).ok_or_else(overflow)?
        }
        (ScalarType::Numeric, _) if usage == Usage::Assign => {
            require_locale(value.settings)?;
            let number = numeric::read(value)?.ok_or_else(overflow)?;
            number.into_scaled_integer(DIGITS)?
        }
        _ => return Err(ValueError::mismatch(target.ty, value.ty)),
    };
    append(out, &amount.to_be_bytes());
    Ok(())
}

/// Whether the locale is one of those whose form is known.
fn require_locale(settings: &Settings) -> Result<(), ValueError> {
    let (name, encoding) = match settings.lc_monetary.split_once('.') {
        Some((name, encoding)) => (name, encoding),
        None => (settings.lc_monetary.as_str(), "UTF-8"),
    };
    let is_utf8 = ["UTF-8", "utf8", "UTF8", "utf-8"].contains(&encoding);
    if is_utf8 && ["C", "POSIX", "en_US"].contains(&name) {
        return Ok(());
    }
    Err(ValueError::new(
        "0A000",
        "lc_monetary must be C or en_US to exchange money as text with an encrypted column, or the format must be binary",
    ))
}

struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn take(&mut self, byte: u8) -> bool {
        match self.0.strip_prefix(&[byte]) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn blanks(&mut self) {
        let count = self.0.iter().take_while(|b| is_space(**b)).count();
        self.0 = &self.0[count..];
    }

    fn currency(&mut self) {
        self.blanks();
        self.take(b'$');
        self.blanks();
    }
}

/// Reads what `cash_in` reads: signs, parentheses and dollars on either side, commas anywhere.
fn parse(bytes: &[u8]) -> Result<i64, ValueError> {
    let overflow = || ValueError::text_out_of_range(ScalarType::Money);
    let mut text = Text(bytes);
    text.currency();
    let mut negative = text.take(b'-') || text.take(b'(');
    if !negative {
        text.take(b'+');
    }
    text.currency();
    // Accumulated as a negative number, whose range is the larger one.
    let mut amount = 0_i64;
    let mut fraction = None;
    while let Some((&byte, rest)) = text.0.split_first() {
        match byte {
            b'0'..=b'9' if fraction.is_none_or(|digits| digits < DIGITS) => {
                amount = amount
                    .checked_mul(10)
                    .and_then(|amount| amount.checked_sub(i64::from(byte - b'0')))
                    .ok_or_else(overflow)?;
                fraction = fraction.map(|digits| digits + 1);
            }
            b'.' if fraction.is_none() => fraction = Some(0),
            b',' => {}
            _ => break,
        }
        text.0 = rest;
    }
    if matches!(text.0.first(), Some(b'5'..=b'9')) {
        amount = amount.checked_sub(1).ok_or_else(overflow)?;
    }
    for _ in fraction.unwrap_or(0)..DIGITS {
        amount = amount.checked_mul(10).ok_or_else(overflow)?;
    }
    let digits = text.0.iter().take_while(|b| b.is_ascii_digit()).count();
    for &byte in &text.0[digits..] {
        match byte {
            b'-' => negative = true,
            b')' | b'+' | b'$' => {}
            _ if is_space(byte) => {}
            _ => return Err(ValueError::syntax(ScalarType::Money)),
        }
    }
    if negative {
        Ok(amount)
    } else {
        amount.checked_neg().ok_or_else(overflow)
    }
}

pub(super) fn render(
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let bytes = <[u8; 8]>::try_from(canonical);
    let bytes = bytes.map_err(|_| ValueError::malformed(ScalarType::Money))?;
    if format == Format::Binary {
        out.extend_from_slice(&bytes);
        return Ok(());
    }
    require_locale(settings)?;
    let amount = i64::from_be_bytes(bytes);
    out.extend_from_slice(if amount < 0 { b"-$" } else { b"$" });
    let digits = format!("{:03}", amount.unsigned_abs());
    let digits = Zeroizing::new(digits.into_bytes());
    let whole = digits.len() - DIGITS as usize;
    for (at, &digit) in digits.iter().enumerate() {
        if at == whole {
            out.push(b'.');
        } else if at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            out.push(b',');
        }
        out.push(digit);
    }
    Ok(())
}
