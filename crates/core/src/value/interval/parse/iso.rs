//! The forms of ISO 8601: `P1Y2M3DT4H5M6S`, `P0001-02-03T04:05:06`, `P00010203T040506`.

use super::{Fault, Parts, Reading};
use super::{USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC};

/// Numbers above this are refused, so that a double holds the whole part of all others.
const NUMBER_MAX: f64 = 1e15;

/// A number with the text that it was read from.
struct Number<'a> {
    text: &'a str,
    whole: i64,
    fraction: f64,
}

impl Number<'_> {
    /// The digits at the start of the text, without its sign.
    fn digits(&self) -> usize {
        let text = self.text.strip_prefix('-').unwrap_or(self.text);
        text.bytes().take_while(u8::is_ascii_digit).count()
    }
}

/// What C's `strtod` takes from the start of a decimal text; a point or an exponent stay where they
/// have no digits.
fn float_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let start = usize::from(text.starts_with('-'));
    let whole = digits(start);
    let mut len = start + whole;
    let mut fraction = 0;
    if bytes.get(len) == Some(&b'.') {
        fraction = digits(len + 1);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(bytes.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    len
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the number is less than 2^50"
)]
fn number<'a>(rest: &mut &'a str) -> Reading<Number<'a>> {
    let (text, after) = rest.split_at(float_len(rest));
    let number: f64 = text.parse().map_err(|_| Fault::Format)?;
    // Beyond the range of a double is not the same fault as beyond what is read.
    if number.is_infinite() {
        return Err(Fault::Format);
    }
    if !(-NUMBER_MAX..=NUMBER_MAX).contains(&number) {
        return Err(Fault::Overflow);
    }
    *rest = after;
    let whole = number.trunc() as i64;
    Ok(Number {
        text,
        whole,
        fraction: number - whole as f64,
    })
}

fn unit(rest: &mut &str) -> Option<char> {
    let mut chars = rest.chars();
    let unit = chars.next();
    *rest = chars.as_str();
    unit
}

pub(super) fn interval(text: &str) -> Reading<Parts> {
    let mut rest = text.strip_prefix('P').ok_or(Fault::Format)?;
    if rest.is_empty() {
        return Err(Fault::Format);
    }
    let mut parts = Parts::default();
    let mut in_time = false;
    let mut has_field = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (in_time, has_field, rest) = (true, false, after);
            continue;
        }
        let number = number(&mut rest)?;
        let unit = unit(&mut rest);
        let (whole, fraction) = (number.whole, number.fraction);
        match (in_time, unit) {
            (false, Some('Y')) => parts.add_years(whole, fraction, 1)?,
            (false, Some('M')) => parts.add_months(whole, fraction)?,
            (false, Some('W')) => parts.add_days(whole, fraction, 7)?,
            (false, Some('D')) => parts.add_days(whole, fraction, 1)?,
            (false, None | Some('T')) if number.digits() == 8 && !has_field => {
                parts.add_years(whole / 10_000, 0.0, 1)?;
                parts.add_months(whole / 100 % 100, 0.0)?;
                parts.add_days(whole % 100, fraction, 1)?;
                (in_time, has_field) = (true, false);
                continue;
            }
            (false, None | Some('T' | '-')) if !has_field => {
                parts.add_years(whole, fraction, 1)?;
                if unit == Some('-') {
                    extended_date(&mut parts, &mut rest)?;
                }
                (in_time, has_field) = (true, false);
                continue;
            }
            (true, Some('H')) => parts.add_usecs(whole, fraction, USECS_PER_HOUR)?,
            (true, Some('M')) => parts.add_usecs(whole, fraction, USECS_PER_MINUTE)?,
            (true, Some('S')) => parts.add_usecs(whole, fraction, USECS_PER_SEC)?,
            (true, None) if number.digits() == 6 && !has_field => {
                parts.add_usecs(whole / 10_000, 0.0, USECS_PER_HOUR)?;
                parts.add_usecs(whole / 100 % 100, 0.0, USECS_PER_MINUTE)?;
                parts.add_usecs(whole % 100, 0.0, USECS_PER_SEC)?;
                parts.add_fraction_of_usecs(fraction, 1)?;
                return Ok(parts);
            }
            (true, None | Some(':')) if !has_field => {
                parts.add_usecs(whole, fraction, USECS_PER_HOUR)?;
                if unit == Some(':') {
                    extended_time(&mut parts, &mut rest)?;
                }
                return Ok(parts);
            }
            _ => return Err(Fault::Format),
        }
        has_field = true;
    }
    Ok(parts)
}

/// What follows `years-`: months, or months and days, up to the end or the `T`.
fn extended_date(parts: &mut Parts, rest: &mut &str) -> Reading<()> {
    let months = number(rest)?;
    parts.add_months(months.whole, months.fraction)?;
    match unit(rest) {
        None | Some('T') => return Ok(()),
        Some('-') => {}
        Some(_) => return Err(Fault::Format),
    }
    let days = number(rest)?;
    parts.add_days(days.whole, days.fraction, 1)?;
    match unit(rest) {
        None | Some('T') => Ok(()),
        Some(_) => Err(Fault::Format),
    }
}

/// What follows `hours:`: minutes, or minutes and seconds, up to the end.
fn extended_time(parts: &mut Parts, rest: &mut &str) -> Reading<()> {
    let minutes = number(rest)?;
    parts.add_usecs(minutes.whole, minutes.fraction, USECS_PER_MINUTE)?;
    match unit(rest) {
        None => return Ok(()),
        Some(':') => {}
        Some(_) => return Err(Fault::Format),
    }
    let seconds = number(rest)?;
    parts.add_usecs(seconds.whole, seconds.fraction, USECS_PER_SEC)?;
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Fault::Format)
    }
}
