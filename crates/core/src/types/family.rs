//! The type families of the cell format.

/// The type family `f` of the cell format (`docs/spec/cell-format.md`, section 4).
///
/// Values of one family share one canonical form, so an `int4` equals an `int8` of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Family {
    /// `int2`, `int4`, `int8`.
    Int,
    /// `text`, `varchar(n)`, `char(n)`, `name`.
    Text,
    /// `bytea`.
    Bytea,
    /// `bool`.
    Bool,
    /// `float4`.
    Float4,
    /// `float8`.
    Float8,
    /// `numeric`.
    Numeric,
    /// `date`.
    Date,
    /// `time` without time zone.
    Time,
    /// `timestamp` without time zone.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
    /// `uuid`.
    Uuid,
    /// `json` and `jsonb`.
    Json,
    /// `interval`.
    Interval,
    /// `timetz`.
    Timetz,
    /// `inet` and `cidr`.
    Inet,
    /// `macaddr` and `macaddr8`.
    Macaddr,
    /// `money`.
    Money,
    /// `bit(n)` and `bit varying(n)`.
    Bit,
    /// `xml`.
    Xml,
    /// An enumerated type of the database.
    Enum,
    /// `int4range` and `int8range`.
    IntRange,
    /// `numrange`.
    NumericRange,
    /// `daterange`.
    DateRange,
    /// `tsrange`.
    TimestampRange,
    /// `tstzrange`.
    TimestamptzRange,
    /// Arrays of a family.
    Array(ElementFamily),
}

/// The family of an array's elements, which are no arrays themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementFamily(u8);

/// What section 4 adds to the number of a family for the ranges and the arrays of it.
const RANGE: u8 = 64;
const ARRAY: u8 = 128;

impl Family {
    /// Every family but the arrays.
    pub(crate) const SCALARS: [Self; 26] = [
        Self::Int,
        Self::Text,
        Self::Bytea,
        Self::Bool,
        Self::Float4,
        Self::Float8,
        Self::Numeric,
        Self::Date,
        Self::Time,
        Self::Timestamp,
        Self::Timestamptz,
        Self::Uuid,
        Self::Json,
        Self::Interval,
        Self::Timetz,
        Self::Inet,
        Self::Macaddr,
        Self::Money,
        Self::Bit,
        Self::Xml,
        Self::Enum,
        Self::IntRange,
        Self::NumericRange,
        Self::DateRange,
        Self::TimestampRange,
        Self::TimestamptzRange,
    ];

    /// The byte `f` that enters HKDF's info string.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Int => 1,
            Self::Text => 2,
            Self::Bytea => 3,
            Self::Bool => 4,
            Self::Float4 => 5,
            Self::Float8 => 6,
            Self::Numeric => 7,
            Self::Date => 8,
            Self::Time => 9,
            Self::Timestamp => 10,
            Self::Timestamptz => 11,
            Self::Uuid => 12,
            Self::Json => 13,
            Self::Interval => 14,
            Self::Timetz => 15,
            Self::Inet => 16,
            Self::Macaddr => 17,
            Self::Money => 18,
            Self::Bit => 19,
            Self::Xml => 20,
            Self::Enum => 21,
            Self::IntRange => RANGE + Self::Int.byte(),
            Self::NumericRange => RANGE + Self::Numeric.byte(),
            Self::DateRange => RANGE + Self::Date.byte(),
            Self::TimestampRange => RANGE + Self::Timestamp.byte(),
            Self::TimestamptzRange => RANGE + Self::Timestamptz.byte(),
            Self::Array(element) => ARRAY + element.0,
        }
    }

    /// The family of number `f`, or `None` where the cell format has none of it.
    pub fn from_byte(f: u8) -> Option<Self> {
        let family = |byte| Self::SCALARS.into_iter().find(|f| f.byte() == byte);
        match f.checked_sub(ARRAY) {
            Some(element) => family(element).map(Self::array),
            None => family(f),
        }
    }

    /// The family of the arrays of this one; arrays of arrays are arrays of more dimensions.
    #[must_use]
    pub const fn array(self) -> Self {
        match self {
            Self::Array(_) => self,
            _ => Self::Array(ElementFamily(self.byte())),
        }
    }

    /// Whether equality of two values of the family is equality of their canonical bytes, so that
    /// a deterministic column makes sense.
    pub const fn has_single_byte_form(self) -> bool {
        match self {
            // 1 month equals 30 days, and is shown as what it is; xml has no equality at all.
            Self::Json | Self::Interval | Self::Xml => false,
            Self::Array(element) => {
                let f = element.0;
                f != Self::Json.byte() && f != Self::Interval.byte() && f != Self::Xml.byte()
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        for (family, f) in [
            (Family::Json, 13),
            (Family::Enum, 21),
            (Family::IntRange, 65),
            (Family::TimestamptzRange, 75),
            (Family::Text.array(), 130),
            (Family::IntRange.array(), 193),
        ] {
            assert_eq!(family.byte(), f);
        }
    }

    #[test]
    fn no_number_is_given_twice() {
        let mut seen = 0;
        for f in 0..=u8::MAX {
            if let Some(family) = Family::from_byte(f) {
                assert_eq!(family.byte(), f);
                seen += 1;
            }
        }
        assert_eq!(seen, 2 * Family::SCALARS.len());
    }

    #[test]
    fn arrays_are_as_deterministic_as_their_elements() {
        for family in Family::SCALARS {
            let array = family.array();
            assert_eq!(array.has_single_byte_form(), family.has_single_byte_form());
        }
    }
}
