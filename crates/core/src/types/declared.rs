//! The declared type of an encrypted column, with its modifier.

use std::fmt;
use std::str::FromStr;

use super::{Family, ScalarType};

/// The type that an encrypted column shows to the client: a scalar type or arrays of one, with the
/// modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeclaredType {
    scalar: ScalarType,
    array: bool,
    typmod: i32,
}

/// `NAMEDATALEN` less the zero byte.
pub(crate) const NAME_BYTES_MAX: usize = 63;
/// `MAX_TIMESTAMP_PRECISION`: what a type without a modifier keeps.
const SECOND_DIGITS_MAX: u8 = 6;
/// The modifier of `interval` that leaves the fields as they are (`INTERVAL_FULL_RANGE`).
const INTERVAL_FULL_RANGE: i32 = 0x7fff;
/// The modifier of `interval` that leaves the fraction as it is (`INTERVAL_FULL_PRECISION`).
const INTERVAL_FULL_PRECISION: i32 = 0xffff;

/// The fields that a modifier of `interval` keeps, and the bits that encode them in a modifier
/// (`INTERVAL_MASK` of `utils/timestamp.h`).
const INTERVAL_FIELDS: [(&str, i32, IntervalFields); 13] = {
    const YEAR: i32 = 1 << 2;
    const MONTH: i32 = 1 << 1;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    use IntervalFields as F;
    [
        ("year", YEAR, F::Year),
        ("month", MONTH, F::Month),
        ("day", DAY, F::Day),
        ("hour", HOUR, F::Hour),
        ("minute", MINUTE, F::Minute),
        ("second", SECOND, F::Second),
        ("year to month", YEAR | MONTH, F::Month),
        ("day to hour", DAY | HOUR, F::Hour),
        ("day to minute", DAY | HOUR | MINUTE, F::Minute),
        ("day to second", DAY | HOUR | MINUTE | SECOND, F::Second),
        ("hour to minute", HOUR | MINUTE, F::Minute),
        ("hour to second", HOUR | MINUTE | SECOND, F::Second),
        ("minute to second", MINUTE | SECOND, F::MinuteToSecond),
    ]
};

/// The last field that `interval` keeps: what is finer is cut off, what is coarser stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntervalFields {
    /// Whole years.
    Year,
    /// Whole months.
    Month,
    /// Whole days.
    Day,
    /// Whole hours.
    Hour,
    /// Whole minutes.
    Minute,
    /// Seconds with their fraction.
    Second,
    /// Seconds; a text of two numbers, `1:02`, means minutes and seconds.
    MinuteToSecond,
    /// No fields are named.
    All,
}

impl DeclaredType {
    /// `pg_attribute.atttypmod` of a type without a modifier.
    pub const NO_TYPMOD: i32 = -1;

    /// A type without a modifier.
    pub const fn new(scalar: ScalarType) -> Self {
        Self {
            scalar,
            array: false,
            typmod: Self::NO_TYPMOD,
        }
    }

    /// `interval` with the modifiers that PostgreSQL's grammar makes of its fields and its precision:
    /// a mask of the fields, `INTERVAL_FULL_RANGE` where none are named, and digits. `None` for what
    /// it makes of nothing.
    pub fn interval(modifiers: &[i32]) -> Option<Self> {
        let (range, digits) = match *modifiers {
            [range] => (range, INTERVAL_FULL_PRECISION),
            [range, digits] if (0..=i32::from(SECOND_DIGITS_MAX)).contains(&digits) => {
                (range, digits)
            }
            _ => return None,
        };
        let known = INTERVAL_FIELDS.iter().any(|(_, mask, _)| *mask == range);
        (known || range == INTERVAL_FULL_RANGE).then_some(Self {
            typmod: range << 16 | digits,
            ..Self::new(ScalarType::Interval)
        })
    }

    /// Arrays of this type, of any number of dimensions; the modifier is that of the elements.
    #[must_use]
    pub const fn array(self) -> Self {
        Self {
            array: true,
            ..self
        }
    }

    /// The type of the elements where this is an array type, otherwise the type itself.
    #[must_use]
    pub const fn element(self) -> Self {
        Self {
            array: false,
            ..self
        }
    }

    /// The scalar type; of an array type that of its elements.
    pub const fn scalar(self) -> ScalarType {
        self.scalar
    }

    /// Whether values are arrays.
    pub const fn is_array(self) -> bool {
        self.array
    }

    /// The modifier as PostgreSQL encodes it in `atttypmod` and RowDescription, or -1.
    pub const fn typmod(self) -> i32 {
        self.typmod
    }

    /// The object identifier; that of `text` or `text[]` for an enumerated type, whose own is the
    /// database's.
    pub const fn oid(self) -> u32 {
        if self.array {
            self.scalar.array_oid()
        } else {
            self.scalar.oid()
        }
    }

    /// `pg_type.typlen`: the size in bytes, or -1 for a variable length.
    pub const fn type_len(self) -> i16 {
        if self.array {
            -1
        } else {
            self.scalar.type_len()
        }
    }

    /// The family of the cell format.
    pub const fn family(self) -> Family {
        if self.array {
            self.scalar.family().array()
        } else {
            self.scalar.family()
        }
    }

    /// Whether the type has so few values that a deterministic column gives them away to frequency
    /// analysis, so that it needs `accept_frequency_leak`: truth values, labels, bit strings of at
    /// most 8 bits, and arrays of these.
    pub fn is_low_cardinality(self) -> bool {
        match self.scalar {
            ScalarType::Bool | ScalarType::Enum => true,
            ScalarType::Bit | ScalarType::Varbit => self.max_bits().is_some_and(|bits| bits <= 8),
            _ => false,
        }
    }

    /// The limit of `varchar(n)` and `char(n)`, in characters.
    pub fn max_chars(self) -> Option<usize> {
        match self.scalar {
            ScalarType::Varchar | ScalarType::Bpchar => {
                usize::try_from(self.typmod.checked_sub(4)?).ok()
            }
            _ => None,
        }
    }

    /// The length of `bit(n)` and the limit of `bit varying(n)`, in bits.
    pub fn max_bits(self) -> Option<usize> {
        match self.scalar {
            ScalarType::Bit | ScalarType::Varbit => usize::try_from(self.typmod).ok(),
            _ => None,
        }
    }

    /// Precision (1..=1000 digits) and scale (-1000..=1000 digits) of `numeric(p, s)`.
    pub fn numeric_precision_scale(self) -> Option<(u16, i16)> {
        if self.scalar != ScalarType::Numeric || self.typmod < 4 {
            return None;
        }
        let packed = self.typmod - 4;
        // PostgreSQL 15 and later keep the scale in 11 bits, sign-extended (numeric.c,
        // `numeric_typmod_scale`); older releases only ever store 0..=1000 there.
        let precision = u16::try_from((packed >> 16) & 0xffff).ok()?;
        let scale = i16::try_from(((packed & 0x7ff) ^ 1024) - 1024).ok()?;
        Some((precision, scale))
    }

    /// The number of fractional digits of seconds, 0..=6, of `time(p)`, `timestamp(p)` and
    /// `interval(p)`.
    pub fn second_digits(self) -> Option<u8> {
        match self.scalar {
            ScalarType::Time
            | ScalarType::Timetz
            | ScalarType::Timestamp
            | ScalarType::Timestamptz => u8::try_from(self.typmod).ok(),
            ScalarType::Interval if self.typmod >= 0 => {
                let digits = self.typmod & INTERVAL_FULL_PRECISION;
                u8::try_from(digits).ok().filter(|&digits| digits <= 6)
            }
            _ => None,
        }
    }

    /// Whether every value of this type is one of the other, and stays what it is when PostgreSQL
    /// assigns it: neither out of range, nor cut, rounded or padded. The types are of one family; of
    /// one that a deterministic column cannot have, only a type itself fits.
    pub fn fits(self, other: Self) -> bool {
        use ScalarType as T;
        if self == other {
            return true;
        }
        if self.array != other.array {
            return false;
        }
        let within = |own: Option<usize>, limit: Option<usize>| match limit {
            None => true,
            Some(limit) => own.is_some_and(|own| own <= limit),
        };
        match (self.scalar, other.scalar) {
            (T::Int2 | T::Int4 | T::Int8, T::Int2 | T::Int4 | T::Int8) => {
                self.scalar.type_len() <= other.scalar.type_len()
            }
            // Blanks at the end are lost in a `char(n)`.
            (T::Text | T::Varchar | T::Name, T::Bpchar) => false,
            (T::Text | T::Varchar | T::Bpchar | T::Name, T::Text | T::Varchar | T::Bpchar) => {
                let own = match self.scalar {
                    T::Name => Some(NAME_BYTES_MAX),
                    _ => self.max_chars(),
                };
                within(own, other.max_chars())
            }
            (T::Text | T::Varchar | T::Bpchar, T::Name) => {
                let bytes = self.max_chars().map(|chars| 4 * chars);
                within(bytes, Some(NAME_BYTES_MAX))
            }
            (T::Numeric, T::Numeric) => {
                match (
                    self.numeric_precision_scale(),
                    other.numeric_precision_scale(),
                ) {
                    (Some((own, scale)), Some((limit, other))) => scale == other && own <= limit,
                    _ => false,
                }
            }
            (T::Time, T::Time)
            | (T::Timetz, T::Timetz)
            | (T::Timestamp, T::Timestamp)
            | (T::Timestamptz, T::Timestamptz) => {
                let digits = |ty: Self| ty.second_digits().unwrap_or(SECOND_DIGITS_MAX);
                digits(self) <= digits(other)
            }
            (T::Bit | T::Varbit, T::Varbit) => within(self.max_bits(), other.max_bits()),
            (T::Bit | T::Varbit, T::Bit) => other.max_bits().is_none(),
            (T::Cidr, T::Inet) | (T::Macaddr, T::Macaddr8) => true,
            _ => false,
        }
    }

    /// The fields that an `interval` keeps.
    pub fn interval_fields(self) -> IntervalFields {
        self.named_fields()
            .map_or(IntervalFields::All, |(_, fields)| fields)
    }

    fn named_fields(self) -> Option<(&'static str, IntervalFields)> {
        if self.scalar != ScalarType::Interval || self.typmod < 0 {
            return None;
        }
        let range = (self.typmod >> 16) & INTERVAL_FULL_RANGE;
        INTERVAL_FIELDS
            .iter()
            .find(|(_, mask, _)| *mask == range)
            .map(|&(name, _, fields)| (name, fields))
    }
}

/// A type name that no encrypted column can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTypeError {
    /// The name is not one of the types of the cell format.
    #[error("`{0}` is not a type that an encrypted column can have")]
    UnknownType(String),
    /// The modifier in parentheses is malformed or out of PostgreSQL's range.
    #[error("`{0}` has a modifier that PostgreSQL does not accept")]
    BadModifier(String),
}

/// The text without the brackets of an array type; PostgreSQL ignores numbers within them and
/// keeps no number of dimensions. `None` where there are no brackets.
fn strip_brackets(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(before) = rest.strip_suffix(']') {
        let before = before.trim_end_matches(|c: char| c.is_ascii_digit());
        rest = before.strip_suffix('[')?.trim_end();
    }
    (rest.len() < text.len()).then_some(rest)
}

impl FromStr for DeclaredType {
    type Err = ParseTypeError;

    /// Parses what `format_type` prints and the usual short spellings, without regard to case:
    /// `text`, `varchar(20)`, `numeric(10,2)[]`, `timestamp(3) with time zone`.
    ///
    /// The name of an enumerated type is none of these: it says nothing without its labels.
    fn from_str(text: &str) -> Result<Self, ParseTypeError> {
        let lower = text.trim().to_ascii_lowercase();
        match strip_brackets(&lower) {
            Some(element) => Ok(parse_scalar(text, element)?.array()),
            None => parse_scalar(text, &lower),
        }
    }
}

/// Reads `lower`; errors show `text`.
fn parse_scalar(text: &str, lower: &str) -> Result<DeclaredType, ParseTypeError> {
    let bad = || ParseTypeError::BadModifier(text.to_owned());
    let (name, modifier) = match lower.split_once('(') {
        None => (lower.split_whitespace().collect::<Vec<_>>().join(" "), None),
        Some((before, rest)) => {
            let (modifier, after) = rest.split_once(')').ok_or_else(bad)?;
            let name = [before, after].join(" ");
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            let numbers = modifier
                .split(',')
                .map(|part| part.trim().parse::<i32>().map_err(|_| bad()))
                .collect::<Result<Vec<_>, _>>()?;
            (name, Some(numbers))
        }
    };
    if let Some(fields) = name.strip_prefix("interval ") {
        return parse_interval(text, fields, modifier.as_deref());
    }
    let scalar =
        ScalarType::from_name(&name).ok_or_else(|| ParseTypeError::UnknownType(text.to_owned()))?;
    let typmod = match (scalar, modifier.as_deref()) {
        // The SQL standard's `char` is `char(1)`; the catalogue's `bpchar` has no limit.
        (ScalarType::Bpchar, None) if name != "bpchar" => 1 + 4,
        (ScalarType::Bit, None) if name == "bit" => 1,
        (_, None) => DeclaredType::NO_TYPMOD,
        (ScalarType::Varchar | ScalarType::Bpchar, Some(&[n])) if (1..=10_485_760).contains(&n) => {
            n + 4
        }
        // `MaxAttrSize` in bits.
        (ScalarType::Bit | ScalarType::Varbit, Some(&[n])) if (1..=83_886_080).contains(&n) => n,
        (ScalarType::Numeric, Some(&[p])) if (1..=1000).contains(&p) => (p << 16) + 4,
        (ScalarType::Numeric, Some(&[p, s]))
            if (1..=1000).contains(&p) && (-1000..=1000).contains(&s) =>
        {
            ((p << 16) | (s & 0x7ff)) + 4
        }
        (
            ScalarType::Time | ScalarType::Timetz | ScalarType::Timestamp | ScalarType::Timestamptz,
            Some(&[p]),
        ) if (0..=6).contains(&p) => p,
        (ScalarType::Interval, Some(&[p])) if (0..=6).contains(&p) => INTERVAL_FULL_RANGE << 16 | p,
        _ => return Err(bad()),
    };
    Ok(DeclaredType {
        scalar,
        array: false,
        typmod,
    })
}

/// Reads the fields of `interval day to second(3)`.
fn parse_interval(
    text: &str,
    fields: &str,
    modifier: Option<&[i32]>,
) -> Result<DeclaredType, ParseTypeError> {
    let found = INTERVAL_FIELDS.iter().find(|(name, ..)| *name == fields);
    let Some(&(_, range, kept)) = found else {
        return Err(ParseTypeError::UnknownType(text.to_owned()));
    };
    let precision = match modifier {
        None => INTERVAL_FULL_PRECISION,
        Some(&[p]) if (0..=6).contains(&p) && kept >= IntervalFields::Second => p,
        Some(_) => return Err(ParseTypeError::BadModifier(text.to_owned())),
    };
    Ok(DeclaredType {
        scalar: ScalarType::Interval,
        array: false,
        typmod: range << 16 | precision,
    })
}

impl fmt::Display for DeclaredType {
    /// As PostgreSQL's `format_type(oid, typmod)` prints it; an enumerated type as `enum`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_element(f)?;
        f.write_str(if self.array { "[]" } else { "" })
    }
}

impl DeclaredType {
    fn fmt_element(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scalar, self.typmod) {
            (ScalarType::Bpchar, Self::NO_TYPMOD) => return f.write_str("bpchar"),
            (ScalarType::Bit, Self::NO_TYPMOD) => return f.write_str("\"bit\""),
            _ => {}
        }
        let name = self.scalar.name();
        if let Some(n) = self.max_chars().or_else(|| self.max_bits()) {
            return write!(f, "{name}({n})");
        }
        if let Some((precision, scale)) = self.numeric_precision_scale() {
            return write!(f, "{name}({precision},{scale})");
        }
        if self.scalar == ScalarType::Interval {
            f.write_str(name)?;
            if let Some((fields, _)) = self.named_fields() {
                write!(f, " {fields}")?;
            }
            return match self.second_digits() {
                Some(digits) => write!(f, "({digits})"),
                None => Ok(()),
            };
        }
        match (self.second_digits(), name.split_once(' ')) {
            (Some(digits), Some((first, rest))) => write!(f, "{first}({digits}) {rest}"),
            _ => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_as_format_type_prints_them() {
        for (given, printed) in [
            ("INT", "integer"),
            ("int8", "bigint"),
            ("varchar(20)", "character varying(20)"),
            ("varchar", "character varying"),
            ("char", "character(1)"),
            ("bpchar", "bpchar"),
            ("numeric( 10 , 2 )", "numeric(10,2)"),
            ("numeric(5)", "numeric(5,0)"),
            ("numeric(5,-2)", "numeric(5,-2)"),
            ("timestamp(3) with time zone", "timestamp(3) with time zone"),
            ("timestamptz(0)", "timestamp(0) with time zone"),
            ("time", "time without time zone"),
            ("timetz(2)", "time(2) with time zone"),
            ("bit", "bit(1)"),
            ("\"bit\"", "\"bit\""),
            ("bit(12)", "bit(12)"),
            ("varbit", "bit varying"),
            ("bit varying(5)", "bit varying(5)"),
            ("interval", "interval"),
            ("interval(3)", "interval(3)"),
            ("interval year to month", "interval year to month"),
            ("interval day to second ( 2 )", "interval day to second(2)"),
            ("text[]", "text[]"),
            ("int4 [3] [4]", "integer[]"),
            ("numeric(10,2)[]", "numeric(10,2)[]"),
            ("timestamptz(3)[]", "timestamp(3) with time zone[]"),
            ("interval second(0)[]", "interval second(0)[]"),
            ("name", "name"),
            ("tstzrange[]", "tstzrange[]"),
        ] {
            let ty: DeclaredType = given.parse().unwrap();
            assert_eq!(ty.to_string(), printed);
            assert_eq!(printed.parse::<DeclaredType>().unwrap(), ty, "{printed}");
        }
    }

    #[test]
    fn a_type_fits_where_assignment_changes_no_value() {
        let fits = |own: &str, other: &str| {
            let parse = |ty: &str| ty.parse::<DeclaredType>().unwrap();
            parse(own).fits(parse(other))
        };
        // Each fits in those behind it and in no other.
        for list in [
            ["int2", "int4", "int8"],
            ["varchar(3)", "varchar(5)", "varchar"],
            ["char(3)", "char(5)", "text"],
            ["char(3)", "varchar(5)", "text"],
            ["numeric(4,2)", "numeric(5,2)", "numeric(9,2)"],
            ["timestamp(0)", "timestamp(3)", "timestamp"],
            ["bit(3)", "varbit(3)", "varbit(5)"],
            ["varchar(15)", "name", "varchar(63)"],
            ["int2[]", "int4[]", "int8[]"],
        ] {
            for (at, own) in list.iter().enumerate() {
                for (behind, other) in list.iter().enumerate() {
                    assert_eq!(fits(own, other), at <= behind, "{own} to {other}");
                }
            }
        }
        assert!(fits("text", "varchar") && fits("varchar", "text"));
        assert!(fits("time", "time(6)") && fits("time(6)", "time"));
        for [own, other] in [
            ["bit(3)", "bit(4)"],
            ["varchar(3)", "char(3)"],
            ["name", "bpchar"],
            ["numeric(4,2)", "numeric(6,3)"],
            ["int4range", "int8range"],
            ["int4", "int4[]"],
            ["inet", "cidr"],
            ["macaddr8", "macaddr"],
            ["int4", "text"],
        ] {
            assert!(!fits(own, other), "{own} to {other}");
        }
    }

    #[test]
    fn unknown_names_and_modifiers_are_errors() {
        for bad in [
            "point",
            "text(3)",
            "varchar(0)",
            "numeric(0)",
            "numeric(1,2,3)",
            "varchar(",
            "int(4)",
            "[]",
            "text]",
            "text[",
            "text[a]",
            "bit(0)",
            "bit(83886081)",
            "interval(7)",
            "interval day(3)",
            "interval month to day",
            "inet(3)",
        ] {
            assert!(bad.parse::<DeclaredType>().is_err(), "{bad}");
        }
    }

    #[test]
    fn modifiers_are_encoded_as_the_catalogue_has_them() {
        // `select atttypmod` of PostgreSQL 15.
        for (ty, typmod) in [
            ("interval year to month", 458_751),
            ("interval(3)", 2_147_418_115),
            ("interval second(0)", 268_435_456),
            ("bit(5)", 5),
            ("timetz(1)", 1),
        ] {
            let ty: DeclaredType = ty.parse().unwrap();
            assert_eq!(ty.typmod(), typmod, "{ty}");
        }
    }

    #[test]
    fn few_values_are_few() {
        for (ty, few) in [
            ("bool", true),
            ("bit", true),
            ("bit(8)", true),
            ("bit(9)", false),
            ("varbit(3)", true),
            ("varbit", false),
            ("bool[]", true),
            ("int2", false),
        ] {
            let ty: DeclaredType = ty.parse().unwrap();
            assert_eq!(ty.is_low_cardinality(), few, "{ty}");
        }
    }
}
