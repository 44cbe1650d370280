//! The text forms of intervals: PostgreSQL's own, the SQL standard's, and those of ISO 8601.
//!
//! A text is cut into fields as `ParseDateTime` cuts it, and the fields are read from the last to
//! the first as `DecodeInterval` does, because a unit stands behind its number.

mod fields;
mod iso;

use self::fields::{Field, Kind};
use super::{
    Interval, MONTHS_PER_YEAR, Style, USECS_PER_DAY, USECS_PER_HOUR, USECS_PER_MINUTE,
    USECS_PER_SEC,
};
use crate::types::{IntervalFields, ScalarType};
use crate::value::ValueError;

/// Why a text is no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Not of a known form.
    Format,
    /// A number too large for its field.
    Overflow,
}

type Reading<T> = Result<T, Fault>;

pub(super) fn interval(
    text: &str,
    typmod: IntervalFields,
    style: Style,
) -> Result<Interval, ValueError> {
    let parts = match traditional(text, typmod, style) {
        Err(Fault::Format) => iso::interval(text),
        read => read,
    };
    let parts = parts.map_err(|fault| match fault {
        Fault::Format => ValueError::syntax(ScalarType::Interval),
        Fault::Overflow => ValueError::new("22015", "interval field value out of range"),
    })?;
    let months = i64::from(parts.years) * i64::from(MONTHS_PER_YEAR) + i64::from(parts.months);
    let months = i32::try_from(months);
    Ok(Interval {
        usecs: parts.usecs,
        days: parts.days,
        months: months.map_err(|_| ValueError::new("22008", "interval out of range"))?,
    })
}

/// What a text adds up to (`pg_itm_in`).
#[derive(Default)]
struct Parts {
    years: i32,
    months: i32,
    days: i32,
    usecs: i64,
}

impl Parts {
    fn add_usecs(&mut self, whole: i64, fraction: f64, unit: i64) -> Reading<()> {
        let whole = whole.checked_mul(unit).ok_or(Fault::Overflow)?;
        self.usecs = self.usecs.checked_add(whole).ok_or(Fault::Overflow)?;
        self.add_fraction_of_usecs(fraction, unit)
    }

    /// The fraction of a unit, rounded half towards zero; by way of a double, as the server does.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a fraction of a day is a number of microseconds that a double holds"
    )]
    fn add_fraction_of_usecs(&mut self, fraction: f64, unit: i64) -> Reading<()> {
        let scaled = fraction * unit as f64;
        let mut usecs = scaled as i64;
        let rest = scaled - usecs as f64;
        if rest > 0.5 {
            usecs += 1;
        } else if rest < -0.5 {
            usecs -= 1;
        }
        self.usecs = self.usecs.checked_add(usecs).ok_or(Fault::Overflow)?;
        Ok(())
    }

    /// A number of units of so many days each.
    fn add_days(&mut self, whole: i64, fraction: f64, unit: i32) -> Reading<()> {
        add(&mut self.days, whole, unit)?;
        if unit == 1 {
            return self.add_fraction_of_usecs(fraction, USECS_PER_DAY);
        }
        self.add_fraction_of_days(fraction, unit)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a month is less than 31 days"
    )]
    fn add_fraction_of_days(&mut self, fraction: f64, unit: i32) -> Reading<()> {
        let scaled = fraction * f64::from(unit);
        let days = scaled as i32;
        self.days = self.days.checked_add(days).ok_or(Fault::Overflow)?;
        self.add_fraction_of_usecs(scaled - f64::from(days), USECS_PER_DAY)
    }

    fn add_months(&mut self, whole: i64, fraction: f64) -> Reading<()> {
        add(&mut self.months, whole, 1)?;
        self.add_fraction_of_days(fraction, 30)
    }

    /// A number of units of so many years each.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a millennium is less than 12,000 months"
    )]
    fn add_years(&mut self, whole: i64, fraction: f64, unit: i32) -> Reading<()> {
        add(&mut self.years, whole, unit)?;
        let months = fraction * f64::from(unit) * f64::from(MONTHS_PER_YEAR);
        let months = months.round_ties_even() as i32;
        self.months = self.months.checked_add(months).ok_or(Fault::Overflow)?;
        Ok(())
    }

    fn negate(&mut self) -> Reading<()> {
        let negate = |n: i32| n.checked_neg().ok_or(Fault::Overflow);
        self.years = negate(self.years)?;
        self.months = negate(self.months)?;
        self.days = negate(self.days)?;
        self.usecs = self.usecs.checked_neg().ok_or(Fault::Overflow)?;
        Ok(())
    }
}

fn add(sum: &mut i32, number: i64, unit: i32) -> Reading<()> {
    let number = i32::try_from(number).map_err(|_| Fault::Overflow)?;
    let number = number.checked_mul(unit).ok_or(Fault::Overflow)?;
    *sum = sum.checked_add(number).ok_or(Fault::Overflow)?;
    Ok(())
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
    /// A word that names a unit, but none that an interval can be given in.
    Other,
}

// Which units a text has named already, as bits.
const SECOND: u32 = 1;
const ALL_SECONDS: u32 = 0b111;
const MILLISECOND: u32 = 0b10;
const MICROSECOND: u32 = 0b100;
const MINUTE: u32 = 0b1000;
const HOUR: u32 = 0b1_0000;
const TIME: u32 = ALL_SECONDS | MINUTE | HOUR;

impl Unit {
    /// The unit of a word in lower case (`deltatktbl`), of which ten letters count.
    fn from_word(word: &str) -> Option<Self> {
        let word = word.get(..10).unwrap_or(word);
        Some(match word {
            "c" | "cent" | "centuries" | "century" => Self::Century,
            "d" | "day" | "days" => Self::Day,
            "dec" | "decade" | "decades" | "decs" => Self::Decade,
            "h" | "hour" | "hours" | "hr" | "hrs" => Self::Hour,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minute,
            "microsecon" | "us" | "usec" | "useconds" | "usecs" | "usecond" => Self::Microsecond,
            "mil" | "millennia" | "millennium" | "mils" => Self::Millennium,
            "millisecon" | "ms" | "msec" | "msecs" | "mseconds" | "msecond" => Self::Millisecond,
            "mon" | "mons" | "month" | "months" => Self::Month,
            "qtr" | "quarter" | "timezone" | "timezone_h" | "timezone_m" => Self::Other,
            "s" | "sec" | "second" | "seconds" | "secs" => Self::Second,
            "w" | "week" | "weeks" => Self::Week,
            "y" | "year" | "years" | "yr" | "yrs" => Self::Year,
            _ => return None,
        })
    }

    /// What the last number of a text without a unit counts.
    const fn of_last(typmod: IntervalFields) -> Self {
        match typmod {
            IntervalFields::Year => Self::Year,
            IntervalFields::Month => Self::Month,
            IntervalFields::Day => Self::Day,
            IntervalFields::Hour => Self::Hour,
            IntervalFields::Minute => Self::Minute,
            IntervalFields::Second | IntervalFields::MinuteToSecond | IntervalFields::All => {
                Self::Second
            }
        }
    }

    /// Adds a number of the unit; the bits of what it names.
    fn add_to(self, parts: &mut Parts, whole: i64, fraction: f64) -> Reading<u32> {
        let usecs = |parts: &mut Parts, unit, bit| {
            parts.add_usecs(whole, fraction, unit)?;
            Ok(bit)
        };
        match self {
            Self::Microsecond => usecs(parts, 1, MICROSECOND),
            Self::Millisecond => usecs(parts, 1000, MILLISECOND),
            Self::Second if fraction == 0.0 => usecs(parts, USECS_PER_SEC, SECOND),
            Self::Second => usecs(parts, USECS_PER_SEC, ALL_SECONDS),
            Self::Minute => usecs(parts, USECS_PER_MINUTE, MINUTE),
            Self::Hour => usecs(parts, USECS_PER_HOUR, HOUR),
            Self::Day => parts.add_days(whole, fraction, 1).map(|()| 1 << 5),
            Self::Week => parts.add_days(whole, fraction, 7).map(|()| 1 << 6),
            Self::Month => parts.add_months(whole, fraction).map(|()| 1 << 7),
            Self::Year => parts.add_years(whole, fraction, 1).map(|()| 1 << 8),
            Self::Decade => parts.add_years(whole, fraction, 10).map(|()| 1 << 9),
            Self::Century => parts.add_years(whole, fraction, 100).map(|()| 1 << 10),
            Self::Millennium => parts.add_years(whole, fraction, 1000).map(|()| 1 << 11),
            Self::Other => Err(Fault::Format),
        }
    }
}

/// PostgreSQL's forms and the SQL standard's (`DecodeInterval`).
fn traditional(text: &str, typmod: IntervalFields, style: Style) -> Reading<Parts> {
    let fields = fields::cut(text)?;
    // `-1 2:03` is negative as a whole by the standard, unless there is another sign.
    let signs = fields
        .iter()
        .filter(|field| field.text.starts_with(['+', '-']))
        .count();
    let all_negative = style == Style::SqlStandard
        && signs == 1
        && fields
            .first()
            .is_some_and(|field| field.text.starts_with('-'));
    let mut parts = Parts::default();
    let mut unit: Option<Unit> = None;
    let mut is_ago = false;
    let mut seen = 0;
    for field in fields.iter().rev() {
        let named = match field.kind {
            Kind::Word if field.text == "ago" => {
                is_ago = true;
                unit = Some(Unit::Other);
                continue;
            }
            Kind::Word => {
                unit = Some(Unit::from_word(&field.text).ok_or(Fault::Format)?);
                continue;
            }
            Kind::Time => {
                parts.usecs = clock(&field.text, typmod)?;
                if all_negative && parts.usecs > 0 {
                    parts.usecs = -parts.usecs;
                }
                unit = Some(Unit::Day);
                TIME
            }
            Kind::Signed if field.text.contains(':') && signed_clock(field, typmod).is_some() => {
                parts.usecs = signed_clock(field, typmod).ok_or(Fault::Format)?;
                if all_negative && parts.usecs > 0 {
                    parts.usecs = -parts.usecs;
                }
                unit = Some(Unit::Day);
                TIME
            }
            Kind::Signed | Kind::Date | Kind::Number => {
                let counted = unit.unwrap_or(Unit::of_last(typmod));
                let number = number(&field.text)?;
                let counted = if number.is_year_month {
                    Unit::Month
                } else {
                    counted
                };
                let (mut whole, mut fraction) = (number.whole, number.fraction);
                if all_negative {
                    whole = if whole > 0 { -whole } else { whole };
                    fraction = if fraction > 0.0 { -fraction } else { fraction };
                }
                let named = counted.add_to(&mut parts, whole, fraction)?;
                // A number before the hours counts days.
                unit = Some(if counted == Unit::Hour {
                    Unit::Day
                } else {
                    counted
                });
                named
            }
        };
        if named & seen != 0 {
            return Err(Fault::Format);
        }
        seen |= named;
    }
    if seen == 0 {
        return Err(Fault::Format);
    }
    if is_ago {
        parts.negate()?;
    }
    Ok(parts)
}

fn signed_clock(field: &Field, typmod: IntervalFields) -> Option<i64> {
    let (sign, rest) = field.text.split_at_checked(1)?;
    let usecs = clock(rest, typmod).ok()?;
    if sign == "-" {
        usecs.checked_neg()
    } else {
        Some(usecs)
    }
}

/// A number as C's `strtol` takes it from the start of a text: without digits it is 0, and nothing
/// is taken.
fn leading_integer(text: &str) -> Reading<(i64, &str)> {
    let digits_at = usize::from(text.starts_with(['+', '-']));
    let digits = text
        .bytes()
        .skip(digits_at)
        .take_while(u8::is_ascii_digit)
        .count();
    if digits == 0 {
        return Ok((0, text));
    }
    let (number, rest) = text.split_at(digits_at + digits);
    Ok((number.parse().map_err(|_| Fault::Overflow)?, rest))
}

fn leading_int4(text: &str) -> Reading<(i64, &str)> {
    let (number, rest) = leading_integer(text)?;
    let number = i32::try_from(number).map_err(|_| Fault::Overflow)?;
    Ok((number.into(), rest))
}

/// A point and digits, and nothing behind them (`ParseFraction`).
fn fraction(text: &str) -> Reading<f64> {
    match text {
        "." => Ok(0.0),
        _ if text[1..].bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| Fault::Format)
        }
        _ => Err(Fault::Format),
    }
}

struct Number {
    whole: i64,
    fraction: f64,
    /// The number is one of months, given as `years-months`.
    is_year_month: bool,
}

fn number(text: &str) -> Reading<Number> {
    let is_negative = text.starts_with('-');
    let (whole, rest) = leading_integer(text)?;
    if let Some(rest) = rest.strip_prefix('-') {
        let (months, rest) = leading_int4(rest)?;
        if !(0..MONTHS_PER_YEAR.into()).contains(&months) {
            return Err(Fault::Overflow);
        }
        if !rest.is_empty() {
            return Err(Fault::Format);
        }
        let months = if is_negative { -months } else { months };
        let whole = whole
            .checked_mul(MONTHS_PER_YEAR.into())
            .and_then(|years| years.checked_add(months))
            .ok_or(Fault::Overflow)?;
        return Ok(Number {
            whole,
            fraction: 0.0,
            is_year_month: true,
        });
    }
    let fraction = match rest.bytes().next() {
        None => 0.0,
        Some(b'.') if is_negative => -fraction(rest)?,
        Some(b'.') => fraction(rest)?,
        Some(_) => return Err(Fault::Format),
    };
    Ok(Number {
        whole,
        fraction,
        is_year_month: false,
    })
}

/// `hh:mm`, `hh:mm:ss`, `mm:ss.f` (`DecodeTimeForInterval`), in microseconds.
fn clock(text: &str, typmod: IntervalFields) -> Reading<i64> {
    let (mut hours, rest) = leading_integer(text)?;
    let rest = rest.strip_prefix(':').ok_or(Fault::Format)?;
    let (mut minutes, rest) = leading_int4(rest)?;
    let mut seconds = 0;
    let mut usecs = 0;
    let is_short =
        rest.starts_with('.') || rest.is_empty() && typmod == IntervalFields::MinuteToSecond;
    if is_short {
        usecs = fraction_of_second(rest)?;
        // The hours are minutes then, which have the range of an int4.
        let first = i32::try_from(hours).map_err(|_| Fault::Overflow)?;
        (hours, minutes, seconds) = (0, first.into(), minutes);
    } else if let Some(rest) = rest.strip_prefix(':') {
        let (number, rest) = leading_int4(rest)?;
        seconds = number;
        usecs = fraction_of_second(rest)?;
    } else if !rest.is_empty() {
        return Err(Fault::Format);
    }
    if hours < 0 || !(0..60).contains(&minutes) || !(0..=60).contains(&seconds) {
        return Err(Fault::Overflow);
    }
    let rest = minutes * USECS_PER_MINUTE + seconds * USECS_PER_SEC + usecs;
    hours
        .checked_mul(USECS_PER_HOUR)
        .and_then(|hours| hours.checked_add(rest))
        .ok_or(Fault::Overflow)
}

/// Nothing, or a point and digits, in microseconds (`ParseFractionalSecond`).
#[expect(
    clippy::cast_possible_truncation,
    reason = "a fraction of a second is less than a million microseconds"
)]
fn fraction_of_second(text: &str) -> Reading<i64> {
    match text.bytes().next() {
        None => Ok(0),
        Some(b'.') => Ok((fraction(text)? * 1e6).round_ties_even() as i64),
        Some(_) => Err(Fault::Format),
    }
}
