//! The scalar types and their object identifiers.

use super::Family;

macro_rules! scalar_types {
    ($($variant:ident, $typname:literal, $name:literal, $oid:literal, $array:literal, $len:literal, $family:ident;)*) => {
        /// A scalar type that an encrypted column, or an element of one, can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ScalarType {
            $(#[doc = concat!("`", $name, "`, OID ", stringify!($oid), ".")] $variant,)*
            /// An enumerated type of the database, whose OID is not fixed.
            Enum,
        }

        impl ScalarType {
            /// Every scalar type of PostgreSQL's own, so not the enumerated ones.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The type's name as `format_type` prints it without a modifier.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Enum => "enum" }
            }

            /// The type's object identifier (`pg_type.oid`). That of an enumerated type is the
            /// database's; without it, values are shown as `text`.
            pub const fn oid(self) -> u32 {
                match self { $(Self::$variant => $oid,)* Self::Enum => Self::Text.oid() }
            }

            /// The object identifier of the type's array type (`pg_type.typarray`).
            pub const fn array_oid(self) -> u32 {
                match self { $(Self::$variant => $array,)* Self::Enum => Self::Text.array_oid() }
            }

            /// `pg_type.typlen`: the size in bytes, or -1 for a variable length.
            pub const fn type_len(self) -> i16 {
                match self { $(Self::$variant => $len,)* Self::Enum => 4 }
            }

            /// The family of the cell format.
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* Self::Enum => Family::Enum }
            }

            /// The type with this object identifier.
            pub const fn from_oid(oid: u32) -> Option<Self> {
                match oid { $($oid => Some(Self::$variant),)* _ => None }
            }

            /// The type whose array type has this object identifier.
            pub const fn from_array_oid(oid: u32) -> Option<Self> {
                match oid { $($array => Some(Self::$variant),)* _ => None }
            }

            /// The type of this name in the catalogue (`pg_type.typname`), which is also what
            /// PostgreSQL's grammar makes of the names that the SQL standard has for types.
            pub fn from_typname(name: &str) -> Option<Self> {
                match name { $($typname => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

scalar_types! {
    Int2, "int2", "smallint", 21, 1005, 2, Int;
    Int4, "int4", "integer", 23, 1007, 4, Int;
    Int8, "int8", "bigint", 20, 1016, 8, Int;
    Text, "text", "text", 25, 1009, -1, Text;
    Varchar, "varchar", "character varying", 1043, 1015, -1, Text;
    Bpchar, "bpchar", "character", 1042, 1014, -1, Text;
    Name, "name", "name", 19, 1003, 64, Text;
    Bytea, "bytea", "bytea", 17, 1001, -1, Bytea;
    Bool, "bool", "boolean", 16, 1000, 1, Bool;
    Float4, "float4", "real", 700, 1021, 4, Float4;
    Float8, "float8", "double precision", 701, 1022, 8, Float8;
    Numeric, "numeric", "numeric", 1700, 1231, -1, Numeric;
    Date, "date", "date", 1082, 1182, 4, Date;
    Time, "time", "time without time zone", 1083, 1183, 8, Time;
    Timetz, "timetz", "time with time zone", 1266, 1270, 12, Timetz;
    Timestamp, "timestamp", "timestamp without time zone", 1114, 1115, 8, Timestamp;
    Timestamptz, "timestamptz", "timestamp with time zone", 1184, 1185, 8, Timestamptz;
    Interval, "interval", "interval", 1186, 1187, 16, Interval;
    Uuid, "uuid", "uuid", 2950, 2951, 16, Uuid;
    Json, "json", "json", 114, 199, -1, Json;
    Jsonb, "jsonb", "jsonb", 3802, 3807, -1, Json;
    Inet, "inet", "inet", 869, 1041, -1, Inet;
    Cidr, "cidr", "cidr", 650, 651, -1, Inet;
    Macaddr, "macaddr", "macaddr", 829, 1040, 6, Macaddr;
    Macaddr8, "macaddr8", "macaddr8", 774, 775, 8, Macaddr;
    Money, "money", "money", 790, 791, 8, Money;
    Bit, "bit", "bit", 1560, 1561, -1, Bit;
    Varbit, "varbit", "bit varying", 1562, 1563, -1, Bit;
    Xml, "xml", "xml", 142, 143, -1, Xml;
    Int4range, "int4range", "int4range", 3904, 3905, -1, IntRange;
    Int8range, "int8range", "int8range", 3926, 3927, -1, IntRange;
    Numrange, "numrange", "numrange", 3906, 3907, -1, NumericRange;
    Daterange, "daterange", "daterange", 3912, 3913, -1, DateRange;
    Tsrange, "tsrange", "tsrange", 3908, 3909, -1, TimestampRange;
    Tstzrange, "tstzrange", "tstzrange", 3910, 3911, -1, TimestamptzRange;
}

impl ScalarType {
    /// The type that a bare (unparameterised) name means, in any spelling that PostgreSQL's
    /// grammar or catalogue uses: `int`, `int4`, `integer`, `varchar`, `bpchar`, ...
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "smallint" => Self::Int2,
            "int" | "integer" => Self::Int4,
            "bigint" => Self::Int8,
            "character varying" | "char varying" => Self::Varchar,
            "character" | "char" => Self::Bpchar,
            "boolean" => Self::Bool,
            "real" => Self::Float4,
            "double precision" | "float" => Self::Float8,
            "decimal" | "dec" => Self::Numeric,
            "time without time zone" => Self::Time,
            "time with time zone" => Self::Timetz,
            "timestamp without time zone" => Self::Timestamp,
            "timestamp with time zone" => Self::Timestamptz,
            "bit varying" => Self::Varbit,
            // Quoted, since the unquoted name means a length of 1.
            "\"bit\"" => Self::Bit,
            _ => return Self::from_typname(name),
        })
    }

    /// The type of a range's bounds.
    pub const fn bound_type(self) -> Option<Self> {
        Some(match self {
            Self::Int4range => Self::Int4,
            Self::Int8range => Self::Int8,
            Self::Numrange => Self::Numeric,
            Self::Daterange => Self::Date,
            Self::Tsrange => Self::Timestamp,
            Self::Tstzrange => Self::Timestamptz,
            _ => return None,
        })
    }
}
