//! The four output forms of an interval (`EncodeInterval`).

use std::io::Write as _;

use super::{Interval, MONTHS_PER_YEAR, Style, USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC};

/// An interval in fields; those of the time have one sign, as have years and months.
#[derive(Clone, Copy)]
struct Fields {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    usecs: i64,
}

impl Fields {
    const fn time(self) -> [i64; 4] {
        [self.hours, self.minutes, self.seconds, self.usecs]
    }

    fn has_time(self) -> bool {
        self.time().iter().any(|&field| field != 0)
    }

    fn is_time_negative(self) -> bool {
        self.time().iter().any(|&field| field < 0)
    }

    fn is_zero(self) -> bool {
        self.years == 0 && self.months == 0 && self.days == 0 && !self.has_time()
    }
}

/// Writing to a vector cannot fail.
macro_rules! push {
    ($out:expr, $($argument:tt)*) => {
        let _ = write!($out, $($argument)*);
    };
}

pub(super) fn interval(interval: Interval, style: Style, out: &mut Vec<u8>) {
    let usecs = interval.usecs;
    let fields = Fields {
        years: (interval.months / MONTHS_PER_YEAR).into(),
        months: (interval.months % MONTHS_PER_YEAR).into(),
        days: interval.days.into(),
        hours: usecs / USECS_PER_HOUR,
        minutes: usecs % USECS_PER_HOUR / USECS_PER_MINUTE,
        seconds: usecs % USECS_PER_MINUTE / USECS_PER_SEC,
        usecs: usecs % USECS_PER_SEC,
    };
    match style {
        Style::Postgres => postgres(fields, out),
        Style::PostgresVerbose => verbose(fields, out),
        Style::SqlStandard => sql_standard(fields, out),
        Style::Iso8601 => iso_8601(fields, out),
    }
}

/// Seconds with as many digits of the fraction as there are, without a sign.
fn push_seconds(fields: Fields, width: usize, out: &mut Vec<u8>) {
    push!(out, "{:0width$}", fields.seconds.unsigned_abs());
    if fields.usecs != 0 {
        push!(out, ".{:06}", fields.usecs.unsigned_abs());
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// `1 year 2 mons -3 days +04:05:06`: a positive field has a sign behind a negative one only.
fn postgres(fields: Fields, out: &mut Vec<u8>) {
    let start = out.len();
    let mut after_negative = false;
    let units = [
        (fields.years, "year"),
        (fields.months, "mon"),
        (fields.days, "day"),
    ];
    for (field, unit) in units {
        if field == 0 {
            continue;
        }
        let space = if out.len() > start { " " } else { "" };
        let sign = if after_negative && field > 0 { "+" } else { "" };
        let plural = if field == 1 { "" } else { "s" };
        push!(out, "{space}{sign}{field} {unit}{plural}");
        after_negative = field < 0;
    }
    let is_empty = out.len() == start;
    if is_empty || fields.has_time() {
        let space = if is_empty { "" } else { " " };
        let sign = match fields.is_time_negative() {
            true => "-",
            false if after_negative => "+",
            false => "",
        };
        let (hours, minutes) = (fields.hours.unsigned_abs(), fields.minutes.unsigned_abs());
        push!(out, "{space}{sign}{hours:02}:{minutes:02}:");
        push_seconds(fields, 2, out);
    }
}

/// `@ 1 year 2 mons -3 days 4 hours ago`: signs are relative to the first field's.
fn verbose(fields: Fields, out: &mut Vec<u8>) {
    let mut is_ago = None;
    let units = [
        (fields.years, "year"),
        (fields.months, "mon"),
        (fields.days, "day"),
        (fields.hours, "hour"),
        (fields.minutes, "min"),
    ];
    out.push(b'@');
    for (field, unit) in units {
        if field == 0 {
            continue;
        }
        let shown = match *is_ago.get_or_insert(field < 0) {
            true => -field,
            false => field,
        };
        let plural = if shown == 1 { "" } else { "s" };
        push!(out, " {shown} {unit}{plural}");
    }
    if fields.seconds != 0 || fields.usecs != 0 {
        let is_negative = fields.seconds < 0 || fields.usecs < 0;
        let is_ago = *is_ago.get_or_insert(is_negative);
        out.extend_from_slice(if is_negative == is_ago { b" " } else { b" -" });
        push_seconds(fields, 1, out);
        let is_one = fields.seconds.abs() == 1 && fields.usecs == 0;
        out.extend_from_slice(if is_one { b" sec" } else { b" secs" });
    }
    match is_ago {
        None => out.extend_from_slice(b" 0"),
        Some(true) => out.extend_from_slice(b" ago"),
        Some(false) => {}
    }
}

/// `1-2`, `3 4:05:06`, or with both parts or both signs `+1-2 -3 +4:05:06`.
fn sql_standard(fields: Fields, out: &mut Vec<u8>) {
    if fields.is_zero() {
        return out.push(b'0');
    }
    let all = [
        fields.years,
        fields.months,
        fields.days,
        fields.hours,
        fields.minutes,
        fields.seconds,
        fields.usecs,
    ];
    let has_negative = all.iter().any(|&field| field < 0);
    let has_positive = all.iter().any(|&field| field > 0);
    let has_months = fields.years != 0 || fields.months != 0;
    let has_days_or_time = fields.days != 0 || fields.has_time();
    let (years, months) = (fields.years.unsigned_abs(), fields.months.unsigned_abs());
    let days = fields.days.unsigned_abs();
    let (hours, minutes) = (fields.hours.unsigned_abs(), fields.minutes.unsigned_abs());
    if has_negative && has_positive || has_months && has_days_or_time {
        let sign = |is_negative| if is_negative { '-' } else { '+' };
        let year_sign = sign(fields.years < 0 || fields.months < 0);
        let day_sign = sign(fields.days < 0);
        let time_sign = sign(fields.is_time_negative());
        push!(
            out,
            "{year_sign}{years}-{months} {day_sign}{days} {time_sign}{hours}:{minutes:02}:"
        );
        return push_seconds(fields, 2, out);
    }
    if has_negative {
        out.push(b'-');
    }
    if has_months {
        push!(out, "{years}-{months}");
        return;
    }
    if days != 0 {
        push!(out, "{days} ");
    }
    push!(out, "{hours}:{minutes:02}:");
    push_seconds(fields, 2, out);
}

/// `P1Y2M-3DT4H5M6S`: each field has its own sign.
fn iso_8601(fields: Fields, out: &mut Vec<u8>) {
    if fields.is_zero() {
        return out.extend_from_slice(b"PT0S");
    }
    let push_fields = |fields: &[(i64, char)], out: &mut Vec<u8>| {
        for (field, unit) in fields.iter().filter(|(field, _)| *field != 0) {
            push!(out, "{field}{unit}");
        }
    };
    out.push(b'P');
    let date = [
        (fields.years, 'Y'),
        (fields.months, 'M'),
        (fields.days, 'D'),
    ];
    push_fields(&date, out);
    if fields.has_time() {
        out.push(b'T');
    }
    push_fields(&[(fields.hours, 'H'), (fields.minutes, 'M')], out);
    if fields.seconds != 0 || fields.usecs != 0 {
        if fields.seconds < 0 || fields.usecs < 0 {
            out.push(b'-');
        }
        push_seconds(fields, 1, out);
        out.push(b'S');
    }
}
