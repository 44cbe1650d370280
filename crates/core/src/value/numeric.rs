//! `numeric`: the binary send form, `u16 ndigits, i16 weight, u16 sign, u16 dscale` and base-10000
//! digits, big-endian, without zero digits at either end.
//!
//! The display scale `dscale` is the declared scale where the column has one. Where it has none, a
//! deterministic column drops trailing zeros, because 1.10 and 1.1 are equal and must give equal
//! bytes: the application then reads `1.1` back. A randomized column keeps the scale as sent.

mod parse;
mod round;

use std::cmp::Ordering;

use zeroize::Zeroizing;

use super::wire::{WireValue, append};
use super::{Format, Target, Usage, ValueError, float, int};
use crate::policy::Mode;
use crate::types::{DeclaredType, ScalarType};

/// Decimal digits per digit of the send form.
const DEC_DIGITS: i32 = 4;
/// Base of the digits of the send form.
const BASE: u16 = 10_000;
/// `NUMERIC_DSCALE_MAX`.
const DSCALE_MAX: i32 = 0x3fff;
/// Bytes before the digits.
const HEADER_LEN: usize = 8;

const SIGN_POSITIVE: u16 = 0x0000;
const SIGN_NEGATIVE: u16 = 0x4000;
const SIGN_NAN: u16 = 0xc000;
const SIGN_POSITIVE_INFINITY: u16 = 0xd000;
const SIGN_NEGATIVE_INFINITY: u16 = 0xf000;

/// The display scale that `numeric_send` shows for the infinities: a bit of their stored header.
const DSCALE_INFINITY: i32 = 0x20;

/// A number, its digits in base 10000.
pub(super) struct Numeric {
    sign: u16,
    /// The power of 10000 of the first digit.
    weight: i32,
    /// Decimal digits shown after the point, 0..=[`DSCALE_MAX`].
    dscale: i32,
    /// Each less than [`BASE`].
    digits: Zeroizing<Vec<u16>>,
}

impl Numeric {
    fn special(sign: u16) -> Self {
        Self {
            sign,
            weight: 0,
            dscale: if sign == SIGN_NAN { 0 } else { DSCALE_INFINITY },
            digits: Zeroizing::new(Vec::new()),
        }
    }

    pub(super) fn from_int(number: i64) -> Self {
        let mut rest = number.unsigned_abs();
        let mut digits = Zeroizing::new(Vec::with_capacity(5));
        while rest != 0 {
            digits.push(u16::try_from(rest % u64::from(BASE)).unwrap_or(0));
            rest /= u64::from(BASE);
        }
        digits.reverse();
        let mut number = Self {
            sign: if number < 0 {
                SIGN_NEGATIVE
            } else {
                SIGN_POSITIVE
            },
            weight: len_i32(&digits) - 1,
            dscale: 0,
            digits,
        };
        number.strip();
        number
    }

    /// Reads the binary form, as `numeric_recv` does before it applies a modifier.
    pub(super) fn receive(bytes: &[u8]) -> Result<Self, ValueError> {
        let invalid = |what| {
            ValueError::new(
                "22P03",
                format!("invalid {what} in external \"numeric\" value"),
            )
        };
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ValueError::truncated());
        };
        let [n0, n1, w0, w1, s0, s1, d0, d1] = *header;
        let (ndigits, sign) = (u16::from_be_bytes([n0, n1]), u16::from_be_bytes([s0, s1]));
        let weight = i32::from(i16::from_be_bytes([w0, w1]));
        let dscale = i32::from(u16::from_be_bytes([d0, d1]));
        if !matches!(
            sign,
            SIGN_POSITIVE
                | SIGN_NEGATIVE
                | SIGN_NAN
                | SIGN_POSITIVE_INFINITY
                | SIGN_NEGATIVE_INFINITY
        ) {
            return Err(invalid("sign"));
        }
        if dscale > DSCALE_MAX {
            return Err(invalid("scale"));
        }
        let expected = usize::from(ndigits) * 2;
        if rest.len() < expected {
            return Err(ValueError::truncated());
        }
        if rest.len() > expected {
            return Err(ValueError::binary_format());
        }
        let mut digits = Zeroizing::new(Vec::with_capacity(usize::from(ndigits)));
        for pair in rest.chunks_exact(2) {
            let digit = u16::from_be_bytes([pair[0], pair[1]]);
            if digit >= BASE {
                return Err(invalid("digit"));
            }
            digits.push(digit);
        }
        if !matches!(sign, SIGN_POSITIVE | SIGN_NEGATIVE) {
            return Ok(Self::special(sign));
        }
        let mut number = Self {
            sign,
            weight,
            dscale,
            digits,
        };
        number.truncate();
        number.strip();
        Ok(number)
    }

    /// Appends the send form. The number is stripped and within the type's limits.
    fn send(&self, out: &mut Zeroizing<Vec<u8>>) -> Result<(), ValueError> {
        let overflow = |_| ValueError::new("22003", "value overflows numeric format");
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER_LEN + 2 * self.digits.len()));
        let ndigits = u16::try_from(self.digits.len()).map_err(overflow)?;
        bytes.extend_from_slice(&ndigits.to_be_bytes());
        bytes.extend_from_slice(&i16::try_from(self.weight).map_err(overflow)?.to_be_bytes());
        bytes.extend_from_slice(&self.sign.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(self.dscale).map_err(overflow)?.to_be_bytes());
        for digit in self.digits.iter() {
            bytes.extend_from_slice(&digit.to_be_bytes());
        }
        append(out, &bytes);
        Ok(())
    }

    /// `make_result`'s check: what the stored form cannot express.
    fn check_limits(&self) -> Result<(), ValueError> {
        if i16::try_from(self.weight).is_err() || !(0..=DSCALE_MAX).contains(&self.dscale) {
            return Err(ValueError::new("22003", "value overflows numeric format"));
        }
        Ok(())
    }

    fn is_finite(&self) -> bool {
        matches!(self.sign, SIGN_POSITIVE | SIGN_NEGATIVE)
    }

    /// Appends what `numeric_out` prints.
    pub(super) fn print(&self, out: &mut Vec<u8>) {
        match self.sign {
            SIGN_NAN => return out.extend_from_slice(b"NaN"),
            SIGN_POSITIVE_INFINITY => return out.extend_from_slice(b"Infinity"),
            SIGN_NEGATIVE_INFINITY => return out.extend_from_slice(b"-Infinity"),
            SIGN_NEGATIVE => out.push(b'-'),
            _ => {}
        }
        let digit = |power: i32| {
            usize::try_from(self.weight - power)
                .ok()
                .and_then(|index| self.digits.get(index))
                .copied()
                .unwrap_or(0)
        };
        let whole_from = out.len();
        for power in (0..=self.weight.max(0)).rev() {
            push_four(digit(power), out);
        }
        let zeros = out[whole_from..].iter().take_while(|&&c| c == b'0').count();
        let shown = out.len() - whole_from;
        out.drain(whole_from..whole_from + zeros.min(shown - 1));
        if let Ok(dscale) = usize::try_from(self.dscale)
            && dscale > 0
        {
            out.push(b'.');
            let end = out.len() + dscale;
            let mut power = -1;
            while out.len() < end {
                push_four(digit(power), out);
                power -= 1;
            }
            out.truncate(end);
        }
    }

    /// The text form in a buffer of its own.
    pub(super) fn to_text(&self) -> Zeroizing<Vec<u8>> {
        let whole = usize::try_from(self.weight.max(0) + 1).unwrap_or(0) * 4;
        let fraction = usize::try_from(self.dscale).unwrap_or(0) + 4;
        // Room for everything, so that no copy is left behind by a reallocation.
        let mut text = Zeroizing::new(Vec::with_capacity(whole + fraction + 2));
        self.print(&mut text);
        text
    }

    /// The integer that the number is, where it is one that `int8` holds.
    pub(super) fn as_integer(&self) -> Option<i64> {
        if !self.is_finite() || self.min_scale() > 0 || self.weight > 4 {
            return None;
        }
        // At most five digits of base 10000, so at most 20 decimal ones.
        let mut number = 0_i128;
        for index in 0..=self.weight {
            let index = usize::try_from(index).ok()?;
            let digit = self.digits.get(index).copied().unwrap_or(0);
            number = number * i128::from(BASE) + i128::from(digit);
        }
        let negative = self.sign == SIGN_NEGATIVE;
        i64::try_from(if negative { -number } else { number }).ok()
    }

    /// The order of `numeric`, in which NaN equals itself and is greater than everything else.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let rank = |number: &Self| match number.sign {
            SIGN_NEGATIVE_INFINITY => -1,
            SIGN_POSITIVE_INFINITY => 1,
            SIGN_NAN => 2,
            _ => 0,
        };
        let is_negative = |number: &Self| number.sign == SIGN_NEGATIVE;
        let ranks = rank(self).cmp(&rank(other));
        if ranks != Ordering::Equal || !self.is_finite() {
            return ranks;
        }
        match (is_negative(self), is_negative(other)) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_magnitudes(other),
            (true, true) => other.compare_magnitudes(self),
        }
    }

    fn compare_magnitudes(&self, other: &Self) -> Ordering {
        // Zero has no digits, and the weight of a number below one is negative.
        let weight = |number: &Self| (!number.digits.is_empty()).then_some(number.weight);
        weight(self)
            .cmp(&weight(other))
            .then_with(|| self.digits.cmp(&other.digits))
    }

    fn require_finite(&self, ty: ScalarType) -> Result<(), ValueError> {
        if self.is_finite() {
            return Ok(());
        }
        let what = if self.sign == SIGN_NAN {
            "NaN"
        } else {
            "infinity"
        };
        let message = format!("cannot convert {what} to {}", ty.name());
        Err(ValueError::new("0A000", message))
    }

    /// The number times the power of ten, rounded half away from zero, where `int8` holds it.
    pub(super) fn into_scaled_integer(mut self, power: u32) -> Result<i64, ValueError> {
        let ty = ScalarType::Int8;
        self.require_finite(ty)?;
        let scale = i32::try_from(power).map_err(|_| ValueError::out_of_range(ty))?;
        if self.weight > 4 {
            return Err(ValueError::out_of_range(ty));
        }
        self.round(scale);
        let text = self.to_text();
        let digits = text.iter().filter(|&&byte| byte != b'.').copied();
        let digits = Zeroizing::new(digits.collect::<Vec<u8>>());
        str::from_utf8(&digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| ValueError::out_of_range(ty))
    }

    /// The cast to the integer types: rounded half away from zero.
    pub(super) fn into_rounded_integer(mut self, ty: ScalarType) -> Result<i64, ValueError> {
        self.require_finite(ty)?;
        self.round(0);
        self.strip();
        self.as_integer()
            .ok_or_else(|| ValueError::out_of_range(ty))
    }

    /// Appends a form whose length no integer has, for a number that is compared with integers.
    pub(super) fn send_as_no_integer(
        &self,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), ValueError> {
        // The send form has an even length, which the family byte makes odd.
        let mut bytes = Zeroizing::new(vec![ScalarType::Numeric.family().byte()]);
        self.send(&mut bytes)?;
        append(out, &bytes);
        Ok(())
    }
}

/// Whether an unquoted number of a statement is a `numeric`; its named values need quotes.
pub(super) fn is_constant(text: &str) -> bool {
    let (radix, digits) = int::radix(text.strip_prefix('-').unwrap_or(text).as_bytes());
    let is_digits = text.ends_with(|c: char| c.is_ascii_digit() || c == '.')
        || radix != 10 && digits.iter().all(|&b| b.is_ascii_hexdigit() || b == b'_');
    is_digits && Numeric::parse_since_16(text.as_bytes()).is_ok()
}

fn len_i32(digits: &[u16]) -> i32 {
    i32::try_from(digits.len()).unwrap_or(i32::MAX)
}

fn push_four(digit: u16, out: &mut Vec<u8>) {
    for power in [1000, 100, 10, 1] {
        out.push(b'0' + u8::try_from(digit / power % 10).unwrap_or(0));
    }
}

/// The number, or `None` where the wire type is neither `numeric` nor an integer type.
pub(super) fn read(value: WireValue<'_>) -> Result<Option<Numeric>, ValueError> {
    Ok(match (value.ty, value.format) {
        (ScalarType::Numeric, Format::Text) => {
            let text = value.text()?.as_bytes();
            Some(match value.settings.is_server_at_least(16) {
                true => Numeric::parse_since_16(text)?,
                false => Numeric::parse(text)?,
            })
        }
        (ScalarType::Numeric, Format::Binary) => Some(Numeric::receive(value.bytes)?),
        _ => int::read(value)?.map(Numeric::from_int),
    })
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let mut number = match (read(value)?, usage) {
        (Some(number), _) => number,
        (None, Usage::Assign) => match float::read(value)? {
            Some(number) => Numeric::parse(&number.significant_digits())?,
            None => return Err(ValueError::mismatch(target.ty, value.ty)),
        },
        // Compared as float8, a number would have to equal every numeric that becomes it.
        (None, Usage::Compare | Usage::Choose) => {
            return Err(ValueError::mismatch(target.ty, value.ty));
        }
    };
    match (target.ty.numeric_precision_scale(), usage) {
        (Some((precision, scale)), Usage::Assign) => {
            number.apply_typmod(precision.into(), scale.into())?;
        }
        // A number that needs more digits than the scale has keeps them, and so equals none that
        // was stored at that scale.
        (Some((_, scale)), Usage::Compare | Usage::Choose) => number.rescale_exactly(scale.into()),
        (None, _) if target.mode == Mode::Deterministic => number.drop_trailing_zeros(),
        (None, _) => {}
    }
    number.send(out)
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let number = Numeric::receive(canonical).map_err(|_| ValueError::malformed(ty.scalar()))?;
    match format {
        Format::Text => number.print(out),
        Format::Binary => out.extend_from_slice(canonical),
    }
    Ok(())
}
