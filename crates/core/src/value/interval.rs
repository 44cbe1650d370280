//! `interval`: microseconds, days and months, which PostgreSQL keeps apart.

mod parse;
mod print;

use zeroize::Zeroizing;

use super::wire::{Parts, WireValue, append};
use super::{Format, Settings, Target, Usage, ValueError};
use crate::types::{DeclaredType, IntervalFields, ScalarType};

const USECS_PER_SEC: i64 = 1_000_000;
const USECS_PER_MINUTE: i64 = 60 * USECS_PER_SEC;
const USECS_PER_HOUR: i64 = 60 * USECS_PER_MINUTE;
const USECS_PER_DAY: i64 = 24 * USECS_PER_HOUR;
const MONTHS_PER_YEAR: i32 = 12;

/// The parts of an interval; the binary form has them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    usecs: i64,
    days: i32,
    months: i32,
}

/// The output forms, `IntervalStyle`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Postgres,
    PostgresVerbose,
    SqlStandard,
    Iso8601,
}

impl Style {
    fn of(settings: &Settings) -> Result<Self, ValueError> {
        Ok(match settings.interval_style.as_str() {
            "postgres" => Self::Postgres,
            "postgres_verbose" => Self::PostgresVerbose,
            "sql_standard" => Self::SqlStandard,
            "iso_8601" => Self::Iso8601,
            _ => {
                return Err(ValueError::new(
                    "0A000",
                    "IntervalStyle is not one that is supported with encrypted columns",
                ));
            }
        })
    }
}

impl Interval {
    /// Reads the binary form, which is also the canonical one.
    fn receive(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut parts = Parts::new(bytes);
        let interval = Self {
            usecs: i64::from_be_bytes(parts.chunk()?),
            days: parts.i32()?,
            months: parts.i32()?,
        };
        parts.end()?;
        Ok(interval)
    }

    /// Cuts off the fields that the type does not have and rounds the fraction
    /// (`AdjustIntervalForTypmod`).
    fn apply_typmod(&mut self, ty: DeclaredType) -> Result<(), ValueError> {
        match ty.interval_fields() {
            IntervalFields::Year => {
                self.months -= self.months % MONTHS_PER_YEAR;
                (self.days, self.usecs) = (0, 0);
            }
            IntervalFields::Month => (self.days, self.usecs) = (0, 0),
            IntervalFields::Day => self.usecs = 0,
            IntervalFields::Hour => self.usecs -= self.usecs % USECS_PER_HOUR,
            IntervalFields::Minute => self.usecs -= self.usecs % USECS_PER_MINUTE,
            IntervalFields::Second | IntervalFields::MinuteToSecond | IntervalFields::All => {}
        }
        if let Some(digits) = ty.second_digits() {
            let unit = 10_i64.pow(6 - u32::from(digits.min(6)));
            // Half away from zero.
            let half = if self.usecs < 0 {
                -(unit / 2)
            } else {
                unit / 2
            };
            let raised = self.usecs.checked_add(half);
            let raised = raised.ok_or_else(|| ValueError::new("22008", "interval out of range"))?;
            self.usecs = raised - raised % unit;
        }
        Ok(())
    }
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if value.ty != ScalarType::Interval {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    let mut interval = match value.format {
        Format::Binary => Interval::receive(value.bytes)?,
        Format::Text => {
            // What a number without a unit means is up to the fields of the type, if the text is
            // read with them.
            let fields = match (value.reads_modifier, usage) {
                (true, Usage::Assign) => target.ty.interval_fields(),
                _ => IntervalFields::All,
            };
            parse::interval(value.text()?, fields, Style::of(value.settings)?)?
        }
    };
    if usage == Usage::Assign {
        interval.apply_typmod(target.ty)?;
    }
    append(out, &interval.usecs.to_be_bytes());
    append(out, &interval.days.to_be_bytes());
    append(out, &interval.months.to_be_bytes());
    Ok(())
}

pub(super) fn render(
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let interval =
        Interval::receive(canonical).map_err(|_| ValueError::malformed(ScalarType::Interval))?;
    match format {
        Format::Binary => out.extend_from_slice(canonical),
        Format::Text => print::interval(interval, Style::of(settings)?, out),
    }
    Ok(())
}
