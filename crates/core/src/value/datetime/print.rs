//! The ISO text forms.

use std::io::Write as _;

use super::calendar::{Day, USECS_PER_DAY, USECS_PER_SEC, usecs};

pub(super) fn date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MIN => out.extend_from_slice(b"-infinity"),
        i32::MAX => out.extend_from_slice(b"infinity"),
        _ => {
            let day = Day::from_days(days.into());
            push_day(day, out);
            push_era(day, out);
        }
    }
}

pub(super) fn time(of_day: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (of_day / USECS_PER_SEC, of_day % USECS_PER_SEC);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Writing to a vector cannot fail.
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        let _ = write!(out, ".{fraction:06}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// A timestamp, in a zone with its offset east of Greenwich in seconds.
pub(super) fn timestamp(utc: i64, offset: Option<i32>, out: &mut Vec<u8>) {
    match utc {
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        i64::MAX => return out.extend_from_slice(b"infinity"),
        _ => {}
    }
    let local = utc.saturating_add(usecs(offset.unwrap_or(0)));
    let day = Day::from_days(local.div_euclid(USECS_PER_DAY));
    push_day(day, out);
    out.push(b' ');
    time(local.rem_euclid(USECS_PER_DAY), out);
    if let Some(offset) = offset {
        self::offset(offset, out);
    }
    push_era(day, out);
}

fn push_day(day: Day, out: &mut Vec<u8>) {
    let year = if day.year > 0 { day.year } else { 1 - day.year };
    let _ = write!(out, "{year:04}-{:02}-{:02}", day.month, day.day);
}

fn push_era(day: Day, out: &mut Vec<u8>) {
    if day.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// `+hh`, with minutes and seconds only where they are not zero (`EncodeTimezone`).
pub(super) fn offset(offset: i32, out: &mut Vec<u8>) {
    let sign = if offset < 0 { '-' } else { '+' };
    let seconds = offset.unsigned_abs();
    let _ = write!(out, "{sign}{:02}", seconds / 3600);
    if !seconds.is_multiple_of(3600) {
        let _ = write!(out, ":{:02}", seconds / 60 % 60);
    }
    if !seconds.is_multiple_of(60) {
        let _ = write!(out, ":{:02}", seconds % 60);
    }
}
