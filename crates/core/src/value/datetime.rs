//! `date`, `time`, `timetz`, `timestamp`, `timestamptz`: the binary send form, days or microseconds
//! since 2000-01-01 as a big-endian integer, with the infinities at its ends; of a time of day
//! microseconds since midnight, and the zone behind them.

mod calendar;
mod parse;
mod print;
mod zone;

use zeroize::Zeroizing;

use super::wire::{Parts, WireValue, append};
use super::{Format, Settings, Target, Usage, ValueError};
use crate::types::{DeclaredType, Family, ScalarType};

use self::calendar::{DATE_RANGE, TIMESTAMP_RANGE, USECS_PER_DAY};
use self::zone::Zone;

/// Seconds west or east of Greenwich that a zone stays below (`TZDISP_LIMIT`).
const ZONE_LIMIT: i32 = 16 * 3600;

/// A point in time, or a time of day, in the unit of its type.
#[derive(Clone, Copy)]
enum Moment {
    /// Days since 2000-01-01; the ends of the range are the infinities.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since midnight, and seconds west of Greenwich.
    Timetz(i64, i32),
    /// Microseconds since 2000-01-01 on a local clock; the ends of the range are the infinities.
    Timestamp(i64),
    /// The same in UTC.
    Timestamptz(i64),
}

fn is_infinite(usecs: i64) -> bool {
    usecs == i64::MIN || usecs == i64::MAX
}

/// The infinity of a timestamp for that of a date.
fn infinite_date(days: i32) -> Option<i64> {
    match days {
        i32::MIN => Some(i64::MIN),
        i32::MAX => Some(i64::MAX),
        _ => None,
    }
}

/// The range of the timestamps that are not infinite.
fn check_finite(usecs: i64) -> Result<i64, ValueError> {
    if TIMESTAMP_RANGE.contains(&usecs) {
        Ok(usecs)
    } else {
        Err(ValueError::new("22008", "timestamp out of range"))
    }
}

fn check_timestamp(usecs: i64) -> Result<i64, ValueError> {
    if is_infinite(usecs) {
        Ok(usecs)
    } else {
        check_finite(usecs)
    }
}

/// The range of the dates that are not infinite.
fn check_finite_date(days: i64) -> Result<i32, ValueError> {
    i32::try_from(days)
        .ok()
        .filter(|days| DATE_RANGE.contains(days))
        .ok_or_else(|| ValueError::new("22008", "date out of range"))
}

fn check_date(days: i32) -> Result<i32, ValueError> {
    if infinite_date(days).is_some() {
        Ok(days)
    } else {
        check_finite_date(days.into())
    }
}

fn check_time(usecs: i64) -> Result<i64, ValueError> {
    // 24:00:00 is a time of day.
    if (0..=USECS_PER_DAY).contains(&usecs) {
        Ok(usecs)
    } else {
        Err(ValueError::new("22008", "time out of range"))
    }
}

impl Moment {
    /// Reads the value as the client's type, or `None` where that is not one of the five.
    fn read(value: WireValue<'_>) -> Result<Option<Self>, ValueError> {
        Ok(Some(match (value.ty, value.format) {
            (ScalarType::Date, Format::Binary) => {
                Self::Date(check_date(i32::from_be_bytes(value.fixed()?))?)
            }
            (ScalarType::Time, Format::Binary) => {
                Self::Time(check_time(i64::from_be_bytes(value.fixed()?))?)
            }
            (ScalarType::Timetz, Format::Binary) => Self::receive_timetz(value.bytes)?,
            (ScalarType::Timestamp, Format::Binary) => {
                Self::Timestamp(check_timestamp(i64::from_be_bytes(value.fixed()?))?)
            }
            (ScalarType::Timestamptz, Format::Binary) => {
                Self::Timestamptz(check_timestamp(i64::from_be_bytes(value.fixed()?))?)
            }
            (ScalarType::Date, Format::Text) => {
                Self::Date(parse::date(value.text()?, value.settings)?)
            }
            (ScalarType::Time, Format::Text) => Self::Time(parse::time(value.text()?)?),
            (ScalarType::Timetz, Format::Text) => {
                let (of_day, east) = parse::timetz(value.text()?, value.settings)?;
                Self::Timetz(of_day, -east)
            }
            (ScalarType::Timestamp, Format::Text) => {
                Self::Timestamp(parse::timestamp(value.text()?, value.settings)?)
            }
            (ScalarType::Timestamptz, Format::Text) => {
                Self::Timestamptz(parse::timestamptz(value.text()?, value.settings)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Reads the binary form of a `timetz`, which is also the canonical one (`timetz_recv`).
    fn receive_timetz(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut parts = Parts::new(bytes);
        let of_day = check_time(i64::from_be_bytes(parts.chunk()?))?;
        let west = parts.i32()?;
        if !(1 - ZONE_LIMIT..ZONE_LIMIT).contains(&west) {
            let message = "time zone displacement out of range";
            return Err(ValueError::new("22009", message));
        }
        parts.end()?;
        Ok(Self::Timetz(of_day, west))
    }

    /// The cast to the column's type, where PostgreSQL has one for the usage. `None` where it has
    /// none, or where a comparison is not one of single values.
    fn coerce(
        self,
        family: Family,
        usage: Usage,
        settings: &Settings,
    ) -> Result<Option<Self>, ValueError> {
        Ok(Some(match (self, family) {
            (Self::Date(_), Family::Date)
            | (Self::Time(_), Family::Time)
            | (Self::Timetz(..), Family::Timetz)
            | (Self::Timestamp(_), Family::Timestamp)
            | (Self::Timestamptz(_), Family::Timestamptz) => self,
            (Self::Date(days), Family::Timestamp) => match midnight(days) {
                Ok(usecs) => Self::Timestamp(usecs),
                // A date after the last timestamp equals none, as four bytes equal no eight.
                Err(_) if usage != Usage::Assign => self,
                Err(error) => return Err(error),
            },
            (Self::Date(days), Family::Timestamptz) => match midnight(days) {
                Ok(usecs) => Self::Timestamptz(to_utc(usecs, settings)?),
                Err(_) if usage != Usage::Assign => self,
                Err(error) => return Err(error),
            },
            (Self::Timestamp(usecs), Family::Timestamptz) => {
                Self::Timestamptz(to_utc(usecs, settings)?)
            }
            (Self::Timestamp(usecs), Family::Date) => match usage {
                // The date is compared as its midnight.
                Usage::Compare | Usage::Choose
                    if !is_infinite(usecs) && usecs.rem_euclid(USECS_PER_DAY) != 0 =>
                {
                    self
                }
                _ => Self::Date(day_of(usecs)?),
            },
            // Compared, these would have to equal every local time that maps to the instant.
            (Self::Timestamptz(_), Family::Timestamp | Family::Date) if usage != Usage::Assign => {
                return Ok(None);
            }
            (Self::Timestamptz(usecs), Family::Timestamp) => {
                Self::Timestamp(to_local(usecs, settings)?)
            }
            (Self::Timestamptz(usecs), Family::Date) => {
                Self::Date(day_of(to_local(usecs, settings)?)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Rounds to the column's fractional digits (`AdjustTimestampForTypmod`).
    fn round(self, digits: u8) -> Result<Self, ValueError> {
        let unit = 10_i64.pow(6 - u32::from(digits.min(6)));
        // Half away from 2000-01-01. No value is near enough to the ends of i64 to overflow.
        let rounded = |usecs: i64| match usecs {
            i64::MIN | i64::MAX => usecs,
            0.. => (usecs + unit / 2) / unit * unit,
            _ => -((-usecs + unit / 2) / unit * unit),
        };
        Ok(match self {
            Self::Date(_) => self,
            Self::Time(usecs) => Self::Time(rounded(usecs)),
            Self::Timetz(usecs, west) => Self::Timetz(rounded(usecs), west),
            Self::Timestamp(usecs) => Self::Timestamp(check_timestamp(rounded(usecs))?),
            Self::Timestamptz(usecs) => Self::Timestamptz(check_timestamp(rounded(usecs))?),
        })
    }
}

/// The first instant of a day, in microseconds (`date2timestamp`).
fn midnight(days: i32) -> Result<i64, ValueError> {
    if let Some(infinity) = infinite_date(days) {
        return Ok(infinity);
    }
    let usecs = i64::from(days).checked_mul(USECS_PER_DAY);
    usecs
        .filter(|usecs| TIMESTAMP_RANGE.contains(usecs))
        .ok_or_else(|| ValueError::new("22008", "date out of range for timestamp"))
}

fn day_of(usecs: i64) -> Result<i32, ValueError> {
    match usecs {
        i64::MIN => Ok(i32::MIN),
        i64::MAX => Ok(i32::MAX),
        _ => check_finite_date(usecs.div_euclid(USECS_PER_DAY)),
    }
}

/// A local time of the session's zone in UTC.
fn to_utc(local: i64, settings: &Settings) -> Result<i64, ValueError> {
    if is_infinite(local) {
        return Ok(local);
    }
    check_finite(Zone::of_session(settings)?.local_to_utc(local))
}

/// A UTC time on the clock of the session's zone.
fn to_local(usecs: i64, settings: &Settings) -> Result<i64, ValueError> {
    if is_infinite(usecs) {
        return Ok(usecs);
    }
    let offset = Zone::of_session(settings)?.offset_at(usecs);
    check_finite(usecs.saturating_add(calendar::usecs(offset)))
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let coerced = match Moment::read(value)? {
        Some(moment) => moment.coerce(target.ty.family(), usage, value.settings)?,
        None => None,
    };
    let Some(moment) = coerced else {
        return Err(ValueError::mismatch(target.ty, value.ty));
    };
    let moment = match (target.ty.second_digits(), usage) {
        (Some(digits), Usage::Assign) => moment.round(digits)?,
        // Compared, a finer value keeps its digits, which no stored value has.
        _ => moment,
    };
    match moment {
        Moment::Date(days) => append(out, &days.to_be_bytes()),
        Moment::Time(usecs) | Moment::Timestamp(usecs) | Moment::Timestamptz(usecs) => {
            append(out, &usecs.to_be_bytes());
        }
        Moment::Timetz(usecs, west) => {
            append(out, &usecs.to_be_bytes());
            append(out, &west.to_be_bytes());
        }
    }
    Ok(())
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let malformed = || ValueError::malformed(ty.scalar());
    let days = || {
        let bytes = <[u8; 4]>::try_from(canonical).map_err(|_| malformed())?;
        check_date(i32::from_be_bytes(bytes)).map_err(|_| malformed())
    };
    let usecs = || {
        let bytes = <[u8; 8]>::try_from(canonical).map_err(|_| malformed())?;
        Ok(i64::from_be_bytes(bytes))
    };
    let timestamp = || check_timestamp(usecs()?).map_err(|_| malformed());
    let moment = match ty.scalar() {
        ScalarType::Date => Moment::Date(days()?),
        ScalarType::Time => Moment::Time(check_time(usecs()?).map_err(|_| malformed())?),
        ScalarType::Timetz => Moment::receive_timetz(canonical).map_err(|_| malformed())?,
        ScalarType::Timestamp => Moment::Timestamp(timestamp()?),
        _ => Moment::Timestamptz(timestamp()?),
    };
    if format == Format::Binary {
        out.extend_from_slice(canonical);
        return Ok(());
    }
    if !matches!(moment, Moment::Time(_) | Moment::Timetz(..)) {
        parse::require_iso(settings)?;
    }
    match moment {
        Moment::Date(days) => print::date(days, out),
        Moment::Time(usecs) => print::time(usecs, out),
        Moment::Timetz(usecs, west) => {
            print::time(usecs, out);
            print::offset(-west, out);
        }
        Moment::Timestamp(usecs) => print::timestamp(usecs, None, out),
        Moment::Timestamptz(usecs) if is_infinite(usecs) => print::timestamp(usecs, None, out),
        Moment::Timestamptz(usecs) => {
            let offset = Zone::of_session(settings)?.offset_at(usecs);
            print::timestamp(usecs, Some(offset), out);
        }
    }
    Ok(())
}
