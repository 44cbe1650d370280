//! The proleptic Gregorian calendar around PostgreSQL's epoch.

use std::ops::Range;

use crate::value::ValueError;

pub(super) const USECS_PER_SEC: i64 = 1_000_000;
pub(super) const USECS_PER_DAY: i64 = 86_400 * USECS_PER_SEC;

/// Seconds from 1970-01-01 to 2000-01-01.
pub(super) const EPOCH_UNIX_SECS: i64 = 946_684_800;

/// Days from 0000-03-01 to 2000-01-01.
const EPOCH_FROM_MARCH_0: i64 = 730_425;

/// 4714-11-24 BC to 294276-12-31 AD: `MIN_TIMESTAMP` and `END_TIMESTAMP`.
pub(super) const TIMESTAMP_RANGE: Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// 4714-11-24 BC to 5874897-12-31 AD.
pub(super) const DATE_RANGE: Range<i32> = -2_451_545..2_145_031_949;

/// A day; year 0 is 1 BC.
#[derive(Clone, Copy)]
pub(super) struct Day {
    pub(super) year: i64,
    /// 1..=12
    pub(super) month: u8,
    /// 1..=31
    pub(super) day: u8,
}

/// Seconds as microseconds.
pub(super) fn usecs(seconds: i32) -> i64 {
    i64::from(seconds) * USECS_PER_SEC
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// The fields of a day are not on the calendar.
pub(super) fn field_out_of_range() -> ValueError {
    ValueError::new("22008", "date/time field value out of range")
}

impl Day {
    /// Checks the fields against the calendar (`ValidateDate`).
    pub(super) fn new(year: i64, month: u32, day: u32) -> Result<Self, ValueError> {
        let days = match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(field_out_of_range()),
        };
        if !(1..=days).contains(&day) {
            return Err(field_out_of_range());
        }
        let narrow = |field: u32| u8::try_from(field).map_err(|_| field_out_of_range());
        Ok(Self {
            year,
            month: narrow(month)?,
            day: narrow(day)?,
        })
    }

    /// Days since 2000-01-01. Years are counted from March, so that the leap day comes last.
    pub(super) fn days(self) -> i64 {
        let month = i64::from(self.month);
        let (year, month) = if month > 2 {
            (self.year, month - 3)
        } else {
            (self.year - 1, month + 9)
        };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let before_month = (153 * month + 2) / 5;
        365 * year + leap_days + before_month + i64::from(self.day) - 1 - EPOCH_FROM_MARCH_0
    }

    /// The inverse of [`Day::days`].
    pub(super) fn from_days(days: i64) -> Self {
        const DAYS_PER_ERA: i64 = 146_097;
        let days = days + EPOCH_FROM_MARCH_0;
        let (era, day) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 {
            (year, month + 3)
        } else {
            (year + 1, month - 9)
        };
        Self {
            year: era * 400 + year,
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for (days, year, month, day) in [
            (0, 2000, 1, 1),
            (59, 2000, 2, 29),
            (-1, 1999, 12, 31),
            (-2_451_545, -4713, 11, 24),
            (2_145_031_948, 5_874_897, 12, 31),
            (-730_119, 1, 1, 1),
        ] {
            let date = Day::from_days(days);
            assert_eq!((date.year, date.month, date.day), (year, month, day));
            assert_eq!(date.days(), days);
        }
        for days in (-2_451_545..2_145_031_949).step_by(9_973) {
            assert_eq!(Day::from_days(days).days(), days);
        }
    }
}
