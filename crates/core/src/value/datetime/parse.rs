//! The text forms of dates and times: the ISO forms that drivers send and `psql` users type.
//!
//! PostgreSQL reads far more (month names, `now`, `today`, Julian days, fields run together, zone
//! abbreviations that a server-side table defines). What cannot be read with the certainty that
//! the server would read the same is refused.

use super::calendar::{Day, USECS_PER_DAY, USECS_PER_SEC, field_out_of_range};
use super::zone::Zone;
use super::{check_finite, check_finite_date};
use crate::types::ScalarType;
use crate::value::wire::{is_space, trim_spaces};
use crate::value::{Settings, ValueError};

/// Greatest hour of a numeric offset (`MAX_TZDISP_HOUR`).
const OFFSET_HOUR_MAX: i64 = 15;

/// 1970-01-01 in days and microseconds.
const UNIX_EPOCH_DAYS: i32 = -10_957;
const UNIX_EPOCH_USECS: i64 = -10_957 * USECS_PER_DAY;

/// The order in which `DateStyle` expects the fields of an all-numeric date without a long year.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DateOrder {
    Ymd,
    Dmy,
    Mdy,
}

fn unsupported(ty: ScalarType) -> ValueError {
    let mut error = ValueError::syntax(ty);
    error
        .message
        .push_str(", or a spelling that is not supported for encrypted columns");
    error
}

/// The output style must be ISO: in any other, values are shown in forms that depend on more than
/// these settings.
pub(super) fn require_iso(settings: &Settings) -> Result<(), ValueError> {
    date_order(settings).map(|_| ())
}

fn date_order(settings: &Settings) -> Result<DateOrder, ValueError> {
    let mut order = None;
    let mut is_iso = false;
    for word in settings.date_style.split(',').map(str::trim) {
        match word.to_ascii_uppercase().as_str() {
            "ISO" => is_iso = true,
            "YMD" => order = Some(DateOrder::Ymd),
            "DMY" => order = Some(DateOrder::Dmy),
            "MDY" => order = Some(DateOrder::Mdy),
            _ => is_iso = false,
        }
    }
    order.filter(|_| is_iso).ok_or_else(|| {
        ValueError::new(
            "0A000",
            "DateStyle must be ISO to exchange dates as text with an encrypted column",
        )
    })
}

/// What a text says, each part where it is present.
struct Fields {
    day: Option<Day>,
    /// Microseconds since midnight, up to 24:00:00.
    of_day: Option<i64>,
    zone: Option<Zone>,
}

pub(super) fn date(text: &str, settings: &Settings) -> Result<i32, ValueError> {
    let order = date_order(settings)?;
    let text = trim_spaces(text);
    if let Some(special) = special(text) {
        return Ok(match special {
            Special::Infinity => i32::MAX,
            Special::MinusInfinity => i32::MIN,
            Special::Epoch => UNIX_EPOCH_DAYS,
        });
    }
    // The time of day and the zone are read, and ignored.
    let fields = Fields::read(text, Some(order)).ok_or_else(|| unsupported(ScalarType::Date))??;
    let day = fields.day.ok_or_else(|| unsupported(ScalarType::Date))?;
    check_finite_date(day.days())
}

pub(super) fn time(text: &str) -> Result<i64, ValueError> {
    let unsupported = || unsupported(ScalarType::Time);
    let fields = Fields::read(trim_spaces(text), None).ok_or_else(unsupported)??;
    match (fields.of_day, fields.zone) {
        // A zone whose offset depends on the date needs one.
        (_, Some(Zone::Ruled(_))) => Err(unsupported()),
        (Some(of_day), _) => Ok(of_day),
        (None, _) => Err(unsupported()),
    }
}

/// Microseconds since midnight, and seconds east of Greenwich.
pub(super) fn timetz(text: &str, settings: &Settings) -> Result<(i64, i32), ValueError> {
    let unsupported = || unsupported(ScalarType::Timetz);
    let fields = Fields::read(trim_spaces(text), None).ok_or_else(unsupported)??;
    let of_day = fields.of_day.ok_or_else(unsupported)?;
    let zone = match fields.zone {
        Some(zone) => zone,
        None => Zone::of_session(settings)?,
    };
    match zone {
        Zone::Fixed(east) => Ok((of_day, east)),
        // What its offset is today, only a clock could tell.
        Zone::Ruled(_) => Err(unsupported()),
    }
}

pub(super) fn timestamp(text: &str, settings: &Settings) -> Result<i64, ValueError> {
    // The zone is read, and ignored.
    match local_timestamp(text, ScalarType::Timestamp, settings)? {
        Local::Finite(local, _) => check_finite(local),
        Local::Infinite(infinity) => Ok(infinity),
    }
}

pub(super) fn timestamptz(text: &str, settings: &Settings) -> Result<i64, ValueError> {
    let (local, zone) = match local_timestamp(text, ScalarType::Timestamptz, settings)? {
        Local::Finite(local, Some(zone)) => (local, zone),
        Local::Finite(local, None) => (local, Zone::of_session(settings)?),
        Local::Infinite(infinity) => return Ok(infinity),
    };
    check_finite(zone.local_to_utc(local))
}

/// What a timestamp's text says.
enum Local {
    /// A local time, not checked against the range of the type, and its zone.
    Finite(i64, Option<Zone>),
    Infinite(i64),
}

fn local_timestamp(text: &str, ty: ScalarType, settings: &Settings) -> Result<Local, ValueError> {
    let order = date_order(settings)?;
    let text = trim_spaces(text);
    if let Some(special) = special(text) {
        return Ok(match special {
            Special::Infinity => Local::Infinite(i64::MAX),
            Special::MinusInfinity => Local::Infinite(i64::MIN),
            Special::Epoch => Local::Finite(UNIX_EPOCH_USECS, Some(Zone::Fixed(0))),
        });
    }
    let fields = Fields::read(text, Some(order)).ok_or_else(|| unsupported(ty))??;
    let day = fields.day.ok_or_else(|| unsupported(ty))?;
    let local = day
        .days()
        .checked_mul(USECS_PER_DAY)
        .and_then(|usecs| usecs.checked_add(fields.of_day.unwrap_or(0)))
        .ok_or_else(|| ValueError::new("22008", "timestamp out of range"))?;
    Ok(Local::Finite(local, fields.zone))
}

enum Special {
    Infinity,
    MinusInfinity,
    Epoch,
}

fn special(text: &str) -> Option<Special> {
    if text.eq_ignore_ascii_case("infinity") {
        Some(Special::Infinity)
    } else if text.eq_ignore_ascii_case("-infinity") {
        Some(Special::MinusInfinity)
    } else if text.eq_ignore_ascii_case("epoch") {
        Some(Special::Epoch)
    } else {
        None
    }
}

/// A reader of the remaining text. Its methods take what they recognise and leave the rest.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn digits(&mut self) -> &'a str {
        let end = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits
    }

    /// One or two digits.
    fn short_number(&mut self) -> Option<i64> {
        let digits = self.digits();
        (1..=2)
            .contains(&digits.len())
            .then(|| digits.parse().ok())?
    }

    fn take(&mut self, expected: char) -> bool {
        match self.0.strip_prefix(expected) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let matches = self
            .0
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
            && !self.0[word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric());
        if matches {
            self.0 = &self.0[word.len()..];
        }
        matches
    }

    fn blanks(&mut self) -> bool {
        let end = self.0.bytes().take_while(|byte| is_space(*byte)).count();
        self.0 = &self.0[end..];
        end > 0
    }
}

type Reading<T> = Option<Result<T, ValueError>>;

impl Fields {
    /// `None` where the text is not of a known form, an error where the form is known and the
    /// fields are out of range. A date is expected where its order is given.
    fn read(text: &str, order: Option<DateOrder>) -> Reading<Self> {
        let mut reader = Reader(text);
        let date = match order {
            Some(order) => Some(DateFields::read(&mut reader, order)?),
            None => None,
        };
        let mut of_day = None;
        if date.is_none() || starts_time(&mut reader) {
            of_day = Some(read_time(&mut reader)?);
        }
        let spaced = reader.blanks();
        let zone = read_zone(&mut reader, of_day.is_some(), spaced)?;
        reader.blanks();
        let mut before_christ = false;
        if date.is_some() {
            before_christ = reader.take_word("BC");
            let _ = before_christ || reader.take_word("AD");
        }
        if !reader.0.is_empty() {
            return None;
        }
        let checked = || {
            Ok(Self {
                day: date.map(|date| date.day(before_christ)).transpose()?,
                of_day: of_day.transpose()?,
                zone: zone.transpose()?,
            })
        };
        Some(checked())
    }
}

/// Whether a time of day follows the date: after a `T`, or after blanks and with a digit.
fn starts_time(reader: &mut Reader<'_>) -> bool {
    if reader.take('T') || reader.take('t') {
        return true;
    }
    let before = reader.0;
    let spaced = reader.blanks();
    let starts = spaced && reader.0.starts_with(|c: char| c.is_ascii_digit());
    if !starts {
        reader.0 = before;
    }
    starts
}

/// The three numbers of a date, in the roles that PostgreSQL gives them.
struct DateFields {
    year: i64,
    month: i64,
    day: i64,
    is_short_year: bool,
}

impl DateFields {
    fn read(reader: &mut Reader<'_>, order: DateOrder) -> Option<Self> {
        let first = reader.digits();
        let separator = ['-', '/', '.'].into_iter().find(|&c| reader.take(c))?;
        let second = reader.digits();
        if !reader.take(separator) {
            return None;
        }
        let third = reader.digits();
        // A first field of three or more digits is a year whatever the order (`DecodeNumber`).
        let (year, month, day) = match order {
            _ if first.len() >= 3 => (first, second, third),
            DateOrder::Ymd => (first, second, third),
            DateOrder::Dmy => (third, second, first),
            DateOrder::Mdy => (third, first, second),
        };
        // Three digits can be a day of the year; more are a number that is out of range.
        let short = |field: &str| match field.len() {
            1 | 2 | 4..=9 => field.parse().ok(),
            _ => None,
        };
        if !(1..=9).contains(&year.len()) {
            return None;
        }
        Some(Self {
            year: year.parse().ok()?,
            month: short(month)?,
            day: short(day)?,
            is_short_year: year.len() <= 2,
        })
    }

    fn day(&self, before_christ: bool) -> Result<Day, ValueError> {
        let year = match self.year {
            // There is no year zero in either era.
            0 if before_christ || !self.is_short_year => return Err(field_out_of_range()),
            year if before_christ => 1 - year,
            year @ 0..70 if self.is_short_year => year + 2000,
            year @ 70..100 if self.is_short_year => year + 1900,
            year => year,
        };
        let narrow = |field| u32::try_from(field).map_err(|_| field_out_of_range());
        Day::new(year, narrow(self.month)?, narrow(self.day)?)
    }
}

/// `hh:mm[:ss[.fraction]]`, with AM or PM or without.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a fraction of a second is less than a million microseconds"
)]
fn read_time(reader: &mut Reader<'_>) -> Reading<i64> {
    let mut hour = reader.short_number()?;
    if !reader.take(':') {
        return None;
    }
    let minute = reader.short_number()?;
    let (mut second, mut fraction) = (0, 0);
    if reader.take(':') {
        second = reader.short_number()?;
        let point = reader.0;
        if reader.take('.') {
            let digits = reader.digits();
            if !digits.is_empty() {
                // The server, too, rounds by way of a double (`ParseFractionalSecond`).
                let part: f64 = point[..=digits.len()].parse().ok()?;
                fraction = (part * 1e6).round_ties_even() as i64;
            }
        }
    }
    let of_day = |hour: i64| ((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + fraction;
    if minute > 59 || second > 60 || of_day(hour) > USECS_PER_DAY {
        return Some(Err(field_out_of_range()));
    }
    let before = reader.0;
    reader.blanks();
    let is_pm = reader.take_word("PM");
    if is_pm || reader.take_word("AM") {
        if hour > 12 {
            return Some(Err(field_out_of_range()));
        }
        hour = hour % 12 + if is_pm { 12 } else { 0 };
    } else {
        reader.0 = before;
    }
    Some(Ok(of_day(hour)))
}

/// `Z`, a numeric offset or an IANA name; `Some(None)` where there is none.
#[expect(
    clippy::option_option,
    reason = "no zone is not the same as an unreadable one"
)]
fn read_zone(
    reader: &mut Reader<'_>,
    after_time: bool,
    spaced: bool,
) -> Option<Option<Result<Zone, ValueError>>> {
    match reader.0.bytes().next() {
        // Directly after a date, a hyphen would continue it.
        Some(b'-') if !after_time && !spaced => None,
        Some(b'+' | b'-') => Some(Some(read_offset(reader)?)),
        Some(byte) if byte.is_ascii_alphabetic() => read_zone_name(reader),
        _ => Some(None),
    }
}

/// `+h`, `+hh`, `+hmm`, `+hhmm`, `+hh:mm` or `+hh:mm:ss`, east of Greenwich.
fn read_offset(reader: &mut Reader<'_>) -> Reading<Zone> {
    let is_west = reader.take('-');
    if !is_west {
        reader.take('+');
    }
    let digits = reader.digits();
    let number: i64 = (1..=4)
        .contains(&digits.len())
        .then(|| digits.parse().ok())??;
    let (mut hour, mut minute, mut second) = (number, 0, 0);
    if reader.take(':') {
        if digits.len() > 2 {
            return None;
        }
        minute = reader.short_number()?;
        if reader.take(':') {
            second = reader.short_number()?;
        }
    } else if digits.len() > 2 {
        (hour, minute) = (number / 100, number % 100);
    }
    if hour > OFFSET_HOUR_MAX || minute > 59 || second > 59 {
        let message = "time zone displacement out of range";
        return Some(Err(ValueError::new("22009", message)));
    }
    let seconds = i32::try_from((hour * 60 + minute) * 60 + second).ok()?;
    Some(Ok(Zone::Fixed(if is_west { -seconds } else { seconds })))
}

#[expect(
    clippy::option_option,
    reason = "no zone is not the same as an unreadable one"
)]
fn read_zone_name(reader: &mut Reader<'_>) -> Option<Option<Result<Zone, ValueError>>> {
    let end = reader
        .0
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"/_".contains(byte))
        .count();
    let (name, rest) = reader.0.split_at(end);
    let zone = if ["Z", "UTC", "GMT"]
        .iter()
        .any(|utc| utc.eq_ignore_ascii_case(name))
    {
        Zone::Fixed(0)
    } else if ["BC", "AD"]
        .iter()
        .any(|era| era.eq_ignore_ascii_case(name))
    {
        return Some(None);
    } else if name.contains('/') {
        // Names without a slash may be abbreviations, which the server looks up first in a table
        // of its own: its CET has no summer time.
        match Zone::named(name) {
            Some(zone) => zone,
            None => {
                reader.0 = rest;
                let error = ValueError::new("22023", "time zone not recognized");
                return Some(Some(Err(error)));
            }
        }
    } else {
        return None;
    };
    reader.0 = rest;
    Some(Some(Ok(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_from_greenwich_eastwards() {
        for (text, seconds) in [
            ("+01", 3600),
            ("-5", -18_000),
            ("+0530", 19_800),
            ("-03:30", -12_600),
            ("+00:00:17", 17),
        ] {
            let mut reader = Reader(text);
            let Some(Ok(Zone::Fixed(offset))) = read_offset(&mut reader) else {
                panic!("{text}");
            };
            assert_eq!((offset, reader.0), (seconds, ""), "{text}");
        }
    }
}
