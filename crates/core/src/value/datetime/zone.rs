//! Time zones: the session's `TimeZone`, and IANA names within values.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use super::calendar::{Day, EPOCH_UNIX_SECS, USECS_PER_DAY, USECS_PER_SEC, usecs};
use crate::value::{Settings, ValueError};

/// The calendar, weekdays included, repeats after 400 years, and so do the rules of every zone
/// once its history has ended.
const CYCLE_DAYS: i64 = 146_097;

/// A day early in year 9500, after which instants are moved back by whole cycles, because the
/// zone library ends with year 9999 and PostgreSQL with 294276.
const LAST_DIRECT_DAY: i64 = 2_740_000;

/// A zone that local times are read and shown in.
pub(super) enum Zone {
    /// Seconds east of Greenwich.
    Fixed(i32),
    /// A zone with a history or rules.
    Ruled(TimeZone),
}

impl Zone {
    /// The session's zone, as `SHOW TimeZone` names it.
    pub(super) fn of_session(settings: &Settings) -> Result<Self, ValueError> {
        let name = settings.time_zone.as_str();
        Self::named(name)
            .or_else(|| fixed_posix(name).map(Self::Fixed))
            .or_else(|| TimeZone::posix(name).ok().map(Self::Ruled))
            .ok_or_else(|| {
                ValueError::new(
                    "0A000",
                    format!("TimeZone \"{name}\" is not supported with encrypted columns"),
                )
            })
    }

    /// The zone of an IANA name, in any case of letters.
    pub(super) fn named(name: &str) -> Option<Self> {
        const UTC: [&str; 4] = ["UTC", "Etc/UTC", "GMT", "Etc/GMT"];
        if UTC.iter().any(|utc| utc.eq_ignore_ascii_case(name)) {
            return Some(Self::Fixed(0));
        }
        // Never a database of the system: this crate reads no files.
        TimeZoneDatabase::bundled().get(name).ok().map(Self::Ruled)
    }

    /// Seconds east of Greenwich at an instant, which is a finite timestamp.
    pub(super) fn offset_at(&self, utc: i64) -> i32 {
        let zone = match self {
            Self::Fixed(offset) => return *offset,
            Self::Ruled(zone) => zone,
        };
        let seconds = within_cycle(utc).div_euclid(USECS_PER_SEC) + EPOCH_UNIX_SECS;
        match Timestamp::from_second(seconds) {
            Ok(instant) => zone.to_offset(instant).seconds(),
            // Not reached: every finite timestamp is now within the library's range.
            Err(_) => 0,
        }
    }

    /// The instant of a local time: one that a clock skips is read with the offset before the gap,
    /// one that a clock shows twice with the offset after (`DetermineTimeZoneOffset`).
    pub(super) fn local_to_utc(&self, local: i64) -> i64 {
        let offset = match self {
            Self::Fixed(offset) => *offset,
            Self::Ruled(zone) => civil(within_cycle(local))
                .map_or(Offset::UTC, |local| {
                    match zone.to_ambiguous_timestamp(local).offset() {
                        AmbiguousOffset::Unambiguous { offset } => offset,
                        AmbiguousOffset::Gap { before, .. } => before,
                        AmbiguousOffset::Fold { after, .. } => after,
                    }
                })
                .seconds(),
        };
        local.saturating_sub(usecs(offset))
    }
}

fn within_cycle(usecs: i64) -> i64 {
    let beyond = usecs.div_euclid(USECS_PER_DAY) - LAST_DIRECT_DAY;
    if beyond < 0 {
        return usecs;
    }
    usecs - (beyond / CYCLE_DAYS + 1) * CYCLE_DAYS * USECS_PER_DAY
}

fn civil(local: i64) -> Option<DateTime> {
    let day = Day::from_days(local.div_euclid(USECS_PER_DAY));
    let seconds = local.rem_euclid(USECS_PER_DAY) / USECS_PER_SEC;
    DateTime::new(
        i16::try_from(day.year).ok()?,
        i8::try_from(day.month).ok()?,
        i8::try_from(day.day).ok()?,
        i8::try_from(seconds / 3600).ok()?,
        i8::try_from(seconds / 60 % 60).ok()?,
        i8::try_from(seconds % 60).ok()?,
        0,
    )
    .ok()
}

/// A POSIX zone without daylight saving time whose name is in angle brackets, which is how
/// PostgreSQL shows the zone of `SET TIME ZONE -5`: `<-05>+05`. POSIX counts hours west.
fn fixed_posix(name: &str) -> Option<i32> {
    let (_, offset) = name.strip_prefix('<')?.split_once('>')?;
    let (sign, digits) = match offset.as_bytes().first()? {
        b'-' => (1, &offset[1..]),
        b'+' => (-1, &offset[1..]),
        _ => (-1, offset),
    };
    let mut seconds = 0;
    let mut unit = 3600;
    for field in digits.split(':') {
        let is_number = (1..=3).contains(&field.len()) && field.bytes().all(|b| b.is_ascii_digit());
        if !is_number || unit == 0 {
            return None;
        }
        seconds += unit * field.parse::<i32>().ok()?;
        unit /= 60;
    }
    // POSIX allows up to a week.
    (seconds <= 167 * 3600 + 3599).then_some(sign * seconds)
}
