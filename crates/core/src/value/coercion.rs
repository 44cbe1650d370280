//! Which values of one type PostgreSQL stores in a column of another, or compares with it
//! (`pg_cast`, `pg_operator`), and which of those are done here.

use super::Usage;
use crate::policy::ColumnSpec;
use crate::types::{Family, ScalarType, WireType};

/// What becomes of a value of one type at a column of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coercion {
    /// [`canonicalise`](super::canonicalise) does what PostgreSQL does.
    Done,
    /// PostgreSQL would do it; here it is refused.
    Refused,
    /// PostgreSQL has two operators for it, and takes neither.
    Ambiguous,
    /// PostgreSQL has no such cast or operator.
    Missing,
}

/// What PostgreSQL says where it does not take a value of one type at a column of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The five characters.
    pub sqlstate: &'static str,
    /// PostgreSQL's words.
    pub message: String,
    /// And its hint.
    pub hint: &'static str,
}

impl Coercion {
    /// PostgreSQL's own error, where it has one. A comparison is taken for one by `=` with the column
    /// on the left.
    pub fn objection(self, column: &ColumnSpec, wire: WireType, usage: Usage) -> Option<Objection> {
        let own = match &column.enumeration {
            Some(_) => column.type_name(),
            None => WireType::from(column.ty).to_string(),
        };
        let (sqlstate, message, hint) = match (self, usage) {
            (Self::Done | Self::Refused, _) => return None,
            (Self::Ambiguous, _) => (
                "42725",
                format!("operator is not unique: {own} = {wire}"),
                "Could not choose a best candidate operator. You might need to add explicit type casts.",
            ),
            (Self::Missing, Usage::Assign) => (
                "42804",
                format!(
                    "column \"{}\" is of type {own} but expression is of type {wire}",
                    column.name
                ),
                "You will need to rewrite or cast the expression.",
            ),
            (Self::Missing, Usage::Compare) => (
                "42883",
                format!("operator does not exist: {own} = {wire}"),
                "No operator matches the given name and argument types. You might need to add explicit type casts.",
            ),
            (Self::Missing, Usage::Choose) => (
                "42804",
                format!("types {own} and {wire} cannot be matched"),
                "You will need to rewrite or cast the expression.",
            ),
        };
        Some(Objection {
            sqlstate,
            message,
            hint,
        })
    }
}

/// The coercion of values of the type `wire` to those of the type `column`, by type alone.
pub fn coercion(column: ScalarType, wire: ScalarType, usage: Usage) -> Coercion {
    match usage {
        _ if column == wire => Coercion::Done,
        Usage::Assign => assignment(column, wire),
        Usage::Compare | Usage::Choose => comparison(column, wire),
    }
}

/// The same of arrays too, of which only those of one type are compared.
pub fn coercion_of(column: WireType, wire: WireType, usage: Usage) -> Coercion {
    match (column.is_array(), wire.is_array(), usage) {
        (false, false, _) => coercion(column.scalar(), wire.scalar(), usage),
        // Of their elements, which `canonicalise` looks at.
        (true, true, Usage::Assign) => Coercion::Done,
        (true, true, _) if column.scalar() == wire.scalar() => Coercion::Done,
        (false, true, Usage::Assign) if column.scalar().family() == Family::Text => {
            Coercion::Refused
        }
        _ => Coercion::Missing,
    }
}

/// Whether PostgreSQL gives a choice between values of the two types the column's.
pub fn chooses_column(column: ScalarType, wire: ScalarType) -> bool {
    use Family as F;
    match (column.family(), wire.family()) {
        (F::Numeric, F::Int)
        | (F::Float4, F::Int | F::Numeric)
        | (F::Float8, F::Int | F::Numeric | F::Float4)
        | (F::Timestamp, F::Date)
        | (F::Timestamptz, F::Date | F::Timestamp) => true,
        _ => column == wire,
    }
}

/// Whether PostgreSQL casts the type `from` to `to` where a statement says so, but not by itself. An
/// assignment does what is left.
pub fn needs_explicit_cast(from: ScalarType, to: ScalarType) -> bool {
    use ScalarType as T;
    match (from, to) {
        // By way of their input functions.
        (from, _) if from.family() == Family::Text => true,
        (T::Int4, T::Bool) | (T::Bool, T::Int4) => true,
        (T::Int4 | T::Int8, T::Bit) | (T::Bit, T::Int4 | T::Int8) => true,
        (T::Jsonb, to) => to == T::Bool || is_number(to.family()),
        // PostgreSQL 18 has added these.
        (from, T::Bytea) => from.family() == Family::Int,
        (T::Bytea, to) => to.family() == Family::Int,
        _ => false,
    }
}

pub(super) const fn is_number(family: Family) -> bool {
    matches!(
        family,
        Family::Int | Family::Float4 | Family::Float8 | Family::Numeric
    )
}

/// Whether values of a family are stored in a column of strings by way of their text form, as far as
/// that form is the one that the client sees of them.
pub(super) const fn prints(family: Family) -> bool {
    matches!(
        family,
        Family::Int | Family::Numeric | Family::Bool | Family::Uuid | Family::Date
    )
}

fn assignment(column: ScalarType, wire: ScalarType) -> Coercion {
    use Family as F;
    match (wire.family(), column.family()) {
        (F::Text, F::Text)
        | (F::Json, F::Json)
        | (F::Inet, F::Inet)
        | (F::Macaddr, F::Macaddr)
        | (F::Bit, F::Bit)
        | (F::Date, F::Timestamp | F::Timestamptz)
        | (F::Timestamp, F::Date | F::Timestamptz)
        | (F::Timestamptz, F::Date | F::Timestamp) => Coercion::Done,
        (from, F::Text) if prints(from) => Coercion::Done,
        (_, F::Text) => Coercion::Refused,
        (from, to) if is_number(from) && is_number(to) => Coercion::Done,
        (F::Int, F::Money) if wire == ScalarType::Int2 => Coercion::Missing,
        (F::Int | F::Numeric, F::Money) => Coercion::Done,
        (F::Money, F::Numeric)
        | (F::Timestamp | F::Timestamptz | F::Timetz | F::Interval, F::Time)
        | (F::Timestamptz | F::Time, F::Timetz)
        | (F::Time, F::Interval) => Coercion::Refused,
        _ => Coercion::Missing,
    }
}

fn comparison(column: ScalarType, wire: ScalarType) -> Coercion {
    use Family as F;
    use ScalarType as T;
    match (column.family(), wire.family()) {
        (F::Text, F::Text) => match (column, wire) {
            (T::Varchar, T::Bpchar) | (T::Bpchar, T::Name) => Coercion::Refused,
            _ => Coercion::Done,
        },
        (F::Numeric, F::Float4 | F::Float8)
        | (F::Date | F::Timestamp, F::Timestamptz)
        | (F::Time, F::Timetz | F::Interval)
        | (F::Timetz | F::Interval, F::Time) => Coercion::Refused,
        (F::Inet, F::Inet)
        | (F::Bit, F::Bit)
        | (F::Timestamptz, F::Date | F::Timestamp)
        | (F::Timestamp, F::Date)
        | (F::Date, F::Timestamp) => Coercion::Done,
        // Each of the two is cast to the other.
        (F::Macaddr, F::Macaddr) => Coercion::Ambiguous,
        (to, from) if is_number(to) && is_number(from) => Coercion::Done,
        _ => Coercion::Missing,
    }
}
