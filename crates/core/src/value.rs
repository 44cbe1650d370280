//! Canonical values: one byte form per value, from and to both wire formats.
//!
//! A value is read, coerced, sent and shown as PostgreSQL 15 does it, the text of an array, an integer
//! or a `numeric` as the server's own version does it; `tests/vectors/values` holds what the server
//! does. An application can see these differences:
//!
//! - `float4` and `float8`: -0 becomes 0 and every NaN the same NaN.
//! - `numeric` without a scale: a deterministic column drops trailing zeros, `1.10` is read back as
//!   `1.1`. A randomized column keeps them.
//! - `bpchar` without a length: a deterministic column drops trailing blanks.
//! - Dates and times as text: `DateStyle` must be ISO and values are read in the ISO forms and the
//!   all-numeric forms of `DateStyle`'s order; month names, `now` and `today`, Julian days, fields
//!   run together and zone abbreviations other than `Z`, `UTC` and `GMT` are refused.
//! - `timestamptz` as text: the rules of a zone are those of the bundled time zone database, which
//!   can be of another release than the server's. The binary format depends on no zone.
//! - Hexadecimal floating-point text is refused, and JSON that is nested deeper than 512 levels.
//! - Text of any kind is exchanged in UTF-8 only.
//! - Casts for assignment to text from floating-point numbers, times, intervals, JSON and the like, from timestamps to `time`, from `money` to
//!   `numeric`, between `time`, `timetz` and `interval`, and comparisons in which one value would have
//!   to equal several cells (a `timestamptz` with a `timestamp` or `date` column, a floating-point
//!   number with a `numeric` column or, beyond 2^53, with an `int8` column, a `bpchar` with a
//!   `varchar` column, a `name` with a `bpchar` column) are refused: an explicit cast says what is
//!   meant.
//! - `timetz` as text without an offset is read where the session's zone has the same offset always.
//! - `money` as text, and numbers assigned to it, need an `lc_monetary` of `C`, `POSIX` or `en_US`.
//! - `interval` does not know `infinity`, which PostgreSQL 17 added.
//! - `xml` is checked to be well-formed content whatever `xmloption` is, and must have no document
//!   type declaration.
//! - `array_nulls` is taken to be on.
//! - Elements of an array at unlike depths, `{{1},{{2}}}`, are refused; PostgreSQL 16 and earlier
//!   make an array of them that can lack some.

pub mod array;
mod bits;
mod boolean;
mod bytea;
mod coercion;
mod datetime;
mod error;
mod float;
mod int;
mod interval;
mod json;
mod label;
mod macaddr;
mod money;
mod network;
mod numeric;
mod range;
mod text;
mod uuid;
mod wire;
mod xml;

use zeroize::Zeroizing;

use crate::policy::Mode;
use crate::types::{DeclaredType, Family, ScalarType, WireType};

pub use self::coercion::{
    Coercion, Objection, chooses_column, coercion, coercion_of, needs_explicit_cast,
};
pub use self::error::ValueError;
use self::wire::WireValue;

/// A wire format code of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0.
    Text,
    /// 1.
    Binary,
}

/// What a parameter or literal is used for. PostgreSQL coerces an assigned value to the column's
/// type modifier and fails where it does not fit; a compared or chosen value is not coerced: one
/// that does not fit equals nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// Stored: `INSERT`, `UPDATE`. Type modifiers are enforced.
    Assign,
    /// Compared: `=`, `IN`. A value outside the type's range must still give a cell, one that
    /// equals no stored cell.
    Compare,
    /// One of those that a result is chosen of, together with cells: `COALESCE`, `UNION`, a list
    /// behind `IN`. As a compared one, but of the column's own type where that has no equality of its
    /// own: `cidr`, `varchar`.
    Choose,
}

/// `bytea_output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteaOutput {
    /// `\x…`.
    Hex,
    /// Octal escapes.
    Escape,
}

/// The session settings that text forms depend on. Fields are what the server reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `DateStyle` as reported, for example `ISO, MDY`.
    pub date_style: String,
    /// `TimeZone` as reported.
    pub time_zone: String,
    /// `client_encoding` as reported.
    pub client_encoding: String,
    /// `bytea_output`; not reported by the server, read at connect and after `SET`.
    pub bytea_output: ByteaOutput,
    /// `extra_float_digits`, -15..=3; not reported by the server.
    pub extra_float_digits: i8,
    /// `IntervalStyle` as reported.
    pub interval_style: String,
    /// `lc_monetary`; not reported by the server.
    pub lc_monetary: String,
    /// The major version of the server, `None` where it is not understood.
    pub server_version: Option<u32>,
}

impl Settings {
    /// Whether the server is of this major version or a later one, as one is of which nothing is known.
    pub fn is_server_at_least(&self, major: u32) -> bool {
        self.server_version.is_none_or(|version| version >= major)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            date_style: "ISO, MDY".into(),
            time_zone: "UTC".into(),
            client_encoding: "UTF8".into(),
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
            interval_style: "postgres".into(),
            lc_monetary: "C".into(),
            server_version: Some(15),
        }
    }
}

/// The column that a value is for, as far as its canonical form depends on it.
///
/// The mode matters where PostgreSQL keeps something that equality ignores: the trailing zeros of
/// a `numeric` without a scale and the trailing blanks of a `bpchar` without a length. A
/// randomized column keeps them as sent, so that the application reads back what it wrote; a
/// deterministic column drops them, because equal values must give equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target<'a> {
    /// The column's declared type.
    pub ty: DeclaredType,
    /// The column's mode.
    pub mode: Mode,
    /// The labels of an enumerated type, in the manifest's order; otherwise none.
    pub labels: &'a [String],
    /// The object identifier of the enumerated type in the database, where it is known; otherwise 0.
    pub enum_oid: u32,
}

impl Target<'_> {
    /// A column of a type of PostgreSQL's own.
    pub const fn new(ty: DeclaredType, mode: Mode) -> Self {
        Self {
            ty,
            mode,
            labels: &[],
            enum_oid: 0,
        }
    }

    /// The object identifier of the type, of an array type that of its elements.
    const fn element_oid(self) -> u32 {
        match self.ty.scalar() {
            ScalarType::Enum if self.enum_oid != 0 => self.enum_oid,
            scalar => scalar.oid(),
        }
    }
}

/// Turns one wire value into canonical bytes, appended to `out`.
///
/// `wire` is the type that the client says the bytes have (from its Parse message, or the
/// declared type when it left that open, as for an untyped literal). The bytes are read as that
/// type and then coerced to the column's, as PostgreSQL would for an assignment or a comparison.
///
/// # Errors
/// [`ValueError`] where PostgreSQL would refuse the value for the type, where it would coerce it
/// in a way that has no counterpart here, or where the session's settings make the text form
/// ambiguous. On an error nothing is appended.
pub fn canonicalise(
    target: Target<'_>,
    wire: impl Into<WireType>,
    format: Format,
    usage: Usage,
    input: &[u8],
    settings: &Settings,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let wire = wire.into();
    let value = WireValue {
        ty: wire.scalar(),
        format,
        bytes: input,
        settings,
        reads_modifier: wire.reads_modifier(),
    };
    match (target.ty.is_array(), wire.is_array()) {
        (false, false) => canonicalise_scalar(target, value, usage, out),
        (true, true) => array::canonicalise(target, value, usage, out),
        _ => Err(ValueError::mismatch(target.ty, wire)),
    }
}

/// Casts a value to another type, as `x::type` does where the cast is one that an assignment would
/// make, and appends its binary form.
///
/// # Errors
/// [`ValueError`] as of [`canonicalise`].
pub fn cast(
    to: ScalarType,
    from: ScalarType,
    format: Format,
    input: &[u8],
    settings: &Settings,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    // Whatever equality ignores is kept.
    let target = Target::new(DeclaredType::new(to), Mode::Randomized);
    let mut canonical = Zeroizing::new(Vec::new());
    canonicalise(
        target,
        from,
        format,
        Usage::Assign,
        input,
        settings,
        &mut canonical,
    )?;
    out.reserve(canonical.len() + 16);
    render(target, Format::Binary, &canonical, settings, out)
}

/// [`canonicalise`] for the type itself, or for an element of an array type.
fn canonicalise_scalar(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    match target.ty.family() {
        Family::Int => int::canonicalise(target, value, usage, out),
        Family::Text => text::canonicalise(target, value, usage, out),
        Family::Bytea => bytea::canonicalise(target, value, out),
        Family::Bool => boolean::canonicalise(target, value, out),
        Family::Float4 | Family::Float8 => float::canonicalise(target, value, usage, out),
        Family::Uuid => uuid::canonicalise(target, value, out),
        Family::Numeric => numeric::canonicalise(target, value, usage, out),
        Family::Date | Family::Time | Family::Timetz | Family::Timestamp | Family::Timestamptz => {
            datetime::canonicalise(target, value, usage, out)
        }
        Family::Json => json::canonicalise(target, value, out),
        Family::Interval => interval::canonicalise(target, value, usage, out),
        Family::Inet => network::canonicalise(target, value, usage, out),
        Family::Macaddr => macaddr::canonicalise(target, value, usage, out),
        Family::Money => money::canonicalise(target, value, usage, out),
        Family::Bit => bits::canonicalise(target, value, usage, out),
        Family::Xml => xml::canonicalise(target, value, out),
        Family::Enum => label::canonicalise(target, value, out),
        Family::IntRange
        | Family::NumericRange
        | Family::DateRange
        | Family::TimestampRange
        | Family::TimestamptzRange => range::canonicalise(target, value, out),
        // An array type has no elements that are arrays.
        Family::Array(_) => Err(ValueError::mismatch(target.ty, value.ty)),
    }
}

/// The type that PostgreSQL gives to an unquoted number in a statement, sign included: the least of
/// `integer`, `bigint` and `numeric` that holds it. `None` where the text is not such a number.
///
/// A quoted literal has no type of its own and is read as the column's; a number has this one, and
/// is coerced: `1.5` is rounded in an `integer` column and equals nothing there, while `'1.5'` is
/// an error.
pub fn type_of_number(text: &str) -> Option<ScalarType> {
    int::type_of(text).or_else(|| numeric::is_constant(text).then_some(ScalarType::Numeric))
}

/// Writes canonical bytes as the wire value that PostgreSQL would send for the declared type,
/// appended to `out`.
///
/// # Errors
/// [`ValueError`] where the canonical bytes are not of the type, or the settings rule the text
/// form out. On an error nothing is appended.
pub fn render(
    target: Target<'_>,
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let ty = target.ty;
    match ty.family() {
        Family::Int => int::render(ty, format, canonical, out),
        Family::Text => text::render(ty, canonical, settings, out),
        Family::Bytea => bytea::render(format, canonical, settings, out),
        Family::Bool => boolean::render(format, canonical, out),
        Family::Float4 | Family::Float8 => float::render(ty, format, canonical, settings, out),
        Family::Uuid => uuid::render(format, canonical, out),
        Family::Numeric => numeric::render(ty, format, canonical, out),
        Family::Date | Family::Time | Family::Timetz | Family::Timestamp | Family::Timestamptz => {
            datetime::render(ty, format, canonical, settings, out)
        }
        Family::Json => json::render(ty, format, canonical, settings, out),
        Family::Interval => interval::render(format, canonical, settings, out),
        Family::Inet => network::render(ty, format, canonical, out),
        Family::Macaddr => macaddr::render(ty, format, canonical, out),
        Family::Money => money::render(format, canonical, settings, out),
        Family::Bit => bits::render(ty, format, canonical, out),
        Family::Xml => xml::render(canonical, settings, out),
        Family::Enum => label::render(target, canonical, settings, out),
        Family::IntRange
        | Family::NumericRange
        | Family::DateRange
        | Family::TimestampRange
        | Family::TimestamptzRange => range::render(ty, format, canonical, settings, out),
        Family::Array(_) => array::render(target, format, canonical, settings, out),
    }
}
