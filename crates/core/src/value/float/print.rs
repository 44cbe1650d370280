//! The text forms of floating-point numbers: PostgreSQL's shortest form, which is also exact, and
//! `%g` with a fixed number of digits where `extra_float_digits` asks for less.

use std::fmt::{self, LowerExp, Write as _};
use std::str::FromStr;

use zeroize::Zeroizing;

/// `DBL_DIG` and `FLT_DIG`: the decimal digits that every number of the type can hold.
const FLOAT8_DIGITS: i8 = 15;
const FLOAT4_DIGITS: i8 = 6;

/// `DBL_DECIMAL_DIG`: the decimal digits that tell any two numbers apart.
const FLOAT8_DIGITS_MAX: usize = 17;

/// Decimal exponents from which the shortest form turns scientific (`d2s.c`, `f2s.c`).
const FLOAT8_SCIENTIFIC_FROM: i32 = 15;
const FLOAT4_SCIENTIFIC_FROM: i32 = 6;

pub(super) fn float8(number: f64, extra_float_digits: i8, out: &mut Vec<u8>) {
    if let Some(name) = name_of(number) {
        out.extend_from_slice(name);
    } else if extra_float_digits > 0 {
        shortest(number).print(FLOAT8_SCIENTIFIC_FROM, out);
    } else {
        general(number, FLOAT8_DIGITS + extra_float_digits, out);
    }
}

pub(super) fn float4(number: f32, extra_float_digits: i8, out: &mut Vec<u8>) {
    if let Some(name) = name_of(number.into()) {
        out.extend_from_slice(name);
    } else if extra_float_digits > 0 {
        shortest(number).print(FLOAT4_SCIENTIFIC_FROM, out);
    } else {
        general(number, FLOAT4_DIGITS + extra_float_digits, out);
    }
}

fn name_of(number: f64) -> Option<&'static [u8]> {
    if number.is_nan() {
        Some(b"NaN")
    } else if number == f64::INFINITY {
        Some(b"Infinity")
    } else if number == f64::NEG_INFINITY {
        Some(b"-Infinity")
    } else {
        None
    }
}

/// `%.*g` with at least one digit.
fn general<F: LowerExp>(number: F, precision: i8, out: &mut Vec<u8>) {
    let precision = i32::from(precision.max(1));
    let decimals = usize::try_from(precision - 1).unwrap_or(0);
    let mut decimal = Decimal::new(format_args!("{number:.decimals$e}"));
    let significant = decimal.digits.trim_end_matches('0').len();
    decimal.digits.truncate(significant);
    decimal.print(precision, out);
}

/// Formats into a buffer that is wiped, and long enough for any number that is printed here.
fn formatted(arguments: fmt::Arguments<'_>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(48));
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
    text
}

/// A decimal number `d.ddd * 10^exponent`.
struct Decimal {
    negative: bool,
    /// At least one digit, unless the number is zero; no point.
    digits: Zeroizing<String>,
    exponent: i32,
}

impl Decimal {
    /// From what Rust's `{:e}` writes: `-d.ddde-x`.
    fn new(arguments: fmt::Arguments<'_>) -> Self {
        let text = formatted(arguments);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mut digits = Zeroizing::new(String::with_capacity(mantissa.len()));
        digits.extend(mantissa.chars().filter(char::is_ascii_digit));
        Self {
            negative: mantissa.starts_with('-'),
            digits,
            exponent: exponent.parse().unwrap_or(0),
        }
    }

    /// The digits as one integer; there are at most 17.
    fn integer(&self) -> u64 {
        self.digits.parse().unwrap_or(0)
    }

    /// The decimal exponent of the last digit.
    fn last_exponent(&self) -> i32 {
        self.exponent + 1 - i32::try_from(self.digits.len()).unwrap_or(0)
    }

    fn value<F: FromStr>(&self) -> Option<F> {
        let sign = if self.negative { "-" } else { "" };
        let (digits, exponent) = (self.digits.as_str(), self.last_exponent());
        formatted(format_args!("{sign}{digits}e{exponent}"))
            .parse()
            .ok()
    }

    /// Whether the decimal is exactly halfway between `number` and one of its neighbours.
    fn is_midpoint_beside<F: Float>(&self, number: F) -> bool {
        let (mantissa, exponent) = number.decompose();
        if mantissa == 0 {
            return false;
        }
        let is = |m, j| equal(self.integer(), self.last_exponent(), m, j);
        is(2 * mantissa + 1, exponent - 1) || is(2 * mantissa - 1, exponent - 1)
    }

    /// Whether `number` is exactly halfway between the decimal, whose last digit is odd, and one of
    /// the decimals beside it.
    fn is_rounded_to_odd<F: Float>(&self, number: F) -> bool {
        let digits = self.integer();
        if digits.is_multiple_of(2) {
            return false;
        }
        let (mantissa, exponent) = number.decompose();
        let is = |twice| equal(twice, self.last_exponent(), mantissa, exponent + 1);
        is(2 * digits - 1) || is(2 * digits + 1)
    }

    /// As C's `%g` lays out the digits, scientific below 10^-4 and from 10^`scientific_from`.
    fn print(&self, scientific_from: i32, out: &mut Vec<u8>) {
        let digits = match self.digits.as_bytes() {
            [] => b"0",
            digits => digits,
        };
        let zeros = |count| std::iter::repeat_n(b'0', count);
        if self.negative {
            out.push(b'-');
        }
        if self.exponent < -4 || self.exponent >= scientific_from {
            push_with_point(digits, 1, out);
            out.push(b'e');
            out.push(if self.exponent < 0 { b'-' } else { b'+' });
            let exponent = self.exponent.unsigned_abs();
            out.extend_from_slice(formatted(format_args!("{exponent:02}")).as_bytes());
        } else if let Ok(exponent) = usize::try_from(self.exponent) {
            let whole = exponent + 1;
            push_with_point(digits, whole.min(digits.len()), out);
            out.extend(zeros(whole.saturating_sub(digits.len())));
        } else {
            out.extend_from_slice(b"0.");
            out.extend(zeros(usize::try_from(-self.exponent - 1).unwrap_or(0)));
            out.extend_from_slice(digits);
        }
    }
}

/// Digits with a point after `whole` of them, unless none follows.
fn push_with_point(digits: &[u8], whole: usize, out: &mut Vec<u8>) {
    let (whole, fraction) = digits.split_at(whole);
    out.extend_from_slice(whole);
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

/// What the two floating-point types have in common here.
trait Float: Copy + PartialEq + LowerExp + FromStr {
    /// The magnitude as `mantissa * 2^exponent`, the mantissa with the hidden bit.
    fn decompose(self) -> (u64, i32);
}

impl Float for f64 {
    fn decompose(self) -> (u64, i32) {
        let bits = self.to_bits();
        let biased = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
        let fraction = bits & ((1 << 52) - 1);
        match biased {
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, biased - 1075),
        }
    }
}

impl Float for f32 {
    fn decompose(self) -> (u64, i32) {
        let bits = u64::from(self.to_bits());
        let biased = i32::try_from(bits >> 23 & 0xff).unwrap_or(0);
        let fraction = bits & ((1 << 23) - 1);
        match biased {
            0 => (fraction, -149),
            _ => (fraction | 1 << 23, biased - 150),
        }
    }
}

/// The shortest digits that lie strictly between the midpoints to the neighbouring numbers.
///
/// Rust's shortest digits may lie *on* a midpoint, where reading rounds to the even mantissa.
/// PostgreSQL's never do (`STRICTLY_SHORTEST` is 0 in its copy of Ryu), so that the number nearest
/// to 1e23 prints as `9.999999999999999e+22`. Of two decimals that are equally near to the number,
/// Rust takes the greater and PostgreSQL the one with the even last digit.
fn shortest<F: Float>(number: F) -> Decimal {
    let decimal = Decimal::new(format_args!("{number:e}"));
    if !decimal.is_midpoint_beside(number) && !decimal.is_rounded_to_odd(number) {
        return decimal;
    }
    for decimals in decimal.digits.len() - 1..FLOAT8_DIGITS_MAX {
        // Rounded half to even.
        let nearest = Decimal::new(format_args!("{number:.decimals$e}"));
        if nearest.value::<F>() == Some(number) && !nearest.is_midpoint_beside(number) {
            return nearest;
        }
    }
    decimal
}

/// Whether `d * 10^k` equals `m * 2^j`, exactly.
fn equal(d: u64, k: i32, m: u64, j: i32) -> bool {
    // 10^k is 5^k * 2^k. A larger power of five divides neither side.
    let Some(fives) = (k.unsigned_abs() <= 27).then(|| 5_u128.pow(k.unsigned_abs())) else {
        return false;
    };
    let (left, right) = match k >= 0 {
        true => (u128::from(d) * fives, u128::from(m)),
        false => (u128::from(d), u128::from(m) * fives),
    };
    let odd = |number: u128| number >> number.trailing_zeros().min(127);
    let twos =
        |number: u128, exponent: i32| i64::from(number.trailing_zeros()) + i64::from(exponent);
    odd(left) == odd(right) && twos(left, k) == twos(right, j)
}
