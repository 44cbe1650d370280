//! PostgreSQL's types as Sealwire knows them: object identifiers, type modifiers and the
//! families of the cell format.

use std::fmt;
use std::str::FromStr;

/// The type family `f` of the cell format (`docs/spec/cell-format.md`, section 4).
///
/// Values of one family share one canonical form, so an `int4` equals an `int8` of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Family {
    /// `int2`, `int4`, `int8`.
    Int = 1,
    /// `text`, `varchar(n)`, `char(n)`, `name`.
    Text = 2,
    /// `bytea`.
    Bytea = 3,
    /// `bool`.
    Bool = 4,
    /// `float4`.
    Float4 = 5,
    /// `float8`.
    Float8 = 6,
    /// `numeric`.
    Numeric = 7,
    /// `date`.
    Date = 8,
    /// `time` without time zone.
    Time = 9,
    /// `timestamp` without time zone.
    Timestamp = 10,
    /// `timestamptz`.
    Timestamptz = 11,
    /// `uuid`.
    Uuid = 12,
    /// `json` and `jsonb`.
    Json = 13,
}

impl Family {
    /// The byte `f` that enters HKDF's info string.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Whether equality of two values of the family is equality of their canonical bytes, so that
    /// a deterministic column makes sense.
    pub const fn has_single_byte_form(self) -> bool {
        !matches!(self, Self::Json)
    }

    /// Whether a type of the family has so few values that a deterministic column gives them away
    /// to frequency analysis, so that it needs `accept_frequency_leak`.
    pub const fn is_low_cardinality(self) -> bool {
        matches!(self, Self::Bool)
    }
}

macro_rules! scalar_types {
    ($($variant:ident, $name:literal, $oid:literal, $array:literal, $len:literal, $family:ident;)*) => {
        /// A scalar type that an encrypted column can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ScalarType {
            $(#[doc = concat!("`", $name, "`, OID ", stringify!($oid), ".")] $variant,)*
        }

        impl ScalarType {
            /// Every scalar type, in the order of their object identifiers' families.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The type's name as `format_type` prints it without a modifier.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type's object identifier (`pg_type.oid`).
            pub const fn oid(self) -> u32 {
                match self { $(Self::$variant => $oid,)* }
            }

            /// The object identifier of the type's array type (`pg_type.typarray`).
            pub const fn array_oid(self) -> u32 {
                match self { $(Self::$variant => $array,)* }
            }

            /// `pg_type.typlen`: the size in bytes, or -1 for a variable length.
            pub const fn type_len(self) -> i16 {
                match self { $(Self::$variant => $len,)* }
            }

            /// The family of the cell format.
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            /// The type with this object identifier.
            pub const fn from_oid(oid: u32) -> Option<Self> {
                match oid { $($oid => Some(Self::$variant),)* _ => None }
            }

            /// The type whose array type has this object identifier.
            pub const fn from_array_oid(oid: u32) -> Option<Self> {
                match oid { $($array => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

scalar_types! {
    Int2, "smallint", 21, 1005, 2, Int;
    Int4, "integer", 23, 1007, 4, Int;
    Int8, "bigint", 20, 1016, 8, Int;
    Text, "text", 25, 1009, -1, Text;
    Varchar, "character varying", 1043, 1015, -1, Text;
    Bpchar, "character", 1042, 1014, -1, Text;
    Bytea, "bytea", 17, 1001, -1, Bytea;
    Bool, "boolean", 16, 1000, 1, Bool;
    Float4, "real", 700, 1021, 4, Float4;
    Float8, "double precision", 701, 1022, 8, Float8;
    Numeric, "numeric", 1700, 1231, -1, Numeric;
    Date, "date", 1082, 1182, 4, Date;
    Time, "time without time zone", 1083, 1183, 8, Time;
    Timestamp, "timestamp without time zone", 1114, 1115, 8, Timestamp;
    Timestamptz, "timestamp with time zone", 1184, 1185, 8, Timestamptz;
    Uuid, "uuid", 2950, 2951, 16, Uuid;
    Json, "json", 114, 199, -1, Json;
    Jsonb, "jsonb", 3802, 3807, -1, Json;
}

impl ScalarType {
    /// The type that a bare (unparameterised) name means, in any spelling that PostgreSQL's
    /// grammar or catalogue uses: `int`, `int4`, `integer`, `varchar`, `bpchar`, ...
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "int2" | "smallint" => Self::Int2,
            "int4" | "int" | "integer" => Self::Int4,
            "int8" | "bigint" => Self::Int8,
            "text" => Self::Text,
            "varchar" | "character varying" | "char varying" => Self::Varchar,
            "bpchar" | "character" | "char" => Self::Bpchar,
            "bytea" => Self::Bytea,
            "bool" | "boolean" => Self::Bool,
            "float4" | "real" => Self::Float4,
            "float8" | "double precision" | "float" => Self::Float8,
            "numeric" | "decimal" | "dec" => Self::Numeric,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timestamp" | "timestamp without time zone" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::Timestamptz,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            _ => return None,
        })
    }
}

/// The type that an encrypted column shows to the client: a scalar type with its modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeclaredType {
    scalar: ScalarType,
    typmod: i32,
}

impl DeclaredType {
    /// `pg_attribute.atttypmod` of a type without a modifier.
    pub const NO_TYPMOD: i32 = -1;

    /// A type without a modifier.
    pub const fn new(scalar: ScalarType) -> Self {
        Self {
            scalar,
            typmod: Self::NO_TYPMOD,
        }
    }

    /// The scalar type.
    pub const fn scalar(self) -> ScalarType {
        self.scalar
    }

    /// The modifier as PostgreSQL encodes it in `atttypmod` and RowDescription, or -1.
    pub const fn typmod(self) -> i32 {
        self.typmod
    }

    /// The family of the cell format.
    pub const fn family(self) -> Family {
        self.scalar.family()
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

    /// The number of fractional digits of seconds, 0..=6, of `time(p)` and `timestamp(p)`.
    pub fn second_digits(self) -> Option<u8> {
        match self.scalar {
            ScalarType::Time | ScalarType::Timestamp | ScalarType::Timestamptz => {
                u8::try_from(self.typmod).ok()
            }
            _ => None,
        }
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

impl FromStr for DeclaredType {
    type Err = ParseTypeError;

    /// Parses what `format_type` prints and the usual short spellings, without regard to case:
    /// `text`, `varchar(20)`, `numeric(10,2)`, `timestamp(3) with time zone`.
    fn from_str(text: &str) -> Result<Self, ParseTypeError> {
        let bad = || ParseTypeError::BadModifier(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
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
        let scalar = ScalarType::from_name(&name)
            .ok_or_else(|| ParseTypeError::UnknownType(text.to_owned()))?;
        let typmod = match (scalar, modifier.as_deref()) {
            // The SQL standard's `char` is `char(1)`; the catalogue's `bpchar` has no limit.
            (ScalarType::Bpchar, None) if name != "bpchar" => 1 + 4,
            (_, None) => Self::NO_TYPMOD,
            (ScalarType::Varchar | ScalarType::Bpchar, Some(&[n]))
                if (1..=10_485_760).contains(&n) =>
            {
                n + 4
            }
            (ScalarType::Numeric, Some(&[p])) if (1..=1000).contains(&p) => (p << 16) + 4,
            (ScalarType::Numeric, Some(&[p, s]))
                if (1..=1000).contains(&p) && (-1000..=1000).contains(&s) =>
            {
                ((p << 16) | (s & 0x7ff)) + 4
            }
            (ScalarType::Time | ScalarType::Timestamp | ScalarType::Timestamptz, Some(&[p]))
                if (0..=6).contains(&p) =>
            {
                p
            }
            _ => return Err(bad()),
        };
        Ok(Self { scalar, typmod })
    }
}

impl fmt::Display for DeclaredType {
    /// As PostgreSQL's `format_type(oid, typmod)` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scalar == ScalarType::Bpchar && self.typmod == Self::NO_TYPMOD {
            return f.write_str("bpchar");
        }
        let name = self.scalar.name();
        if let Some(n) = self.max_chars() {
            return write!(f, "{name}({n})");
        }
        if let Some((precision, scale)) = self.numeric_precision_scale() {
            return write!(f, "{name}({precision},{scale})");
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
        ] {
            let ty: DeclaredType = given.parse().unwrap();
            assert_eq!(ty.to_string(), printed);
            assert_eq!(printed.parse::<DeclaredType>().unwrap(), ty, "{printed}");
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
        ] {
            assert!(bad.parse::<DeclaredType>().is_err(), "{bad}");
        }
    }
}
