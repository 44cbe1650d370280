//! What is wrong with a value, in PostgreSQL's words and never with the value.

use crate::types::{DeclaredType, ScalarType, WireType};

/// A value that does not fit its column. Never carries the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// The five characters that PostgreSQL would have used, for example `22003`.
    pub sqlstate: &'static str,
    /// PostgreSQL's words without the value.
    pub message: String,
}

impl ValueError {
    pub(super) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
        }
    }

    /// The text is not one of the type's input forms.
    pub(super) fn syntax(ty: ScalarType) -> Self {
        let sqlstate = match ty {
            ScalarType::Date
            | ScalarType::Time
            | ScalarType::Timetz
            | ScalarType::Timestamp
            | ScalarType::Timestamptz
            | ScalarType::Interval => "22007",
            _ => "22P02",
        };
        Self::new(
            sqlstate,
            format!("invalid input syntax for type {}", input_name(ty)),
        )
    }

    /// The text is a number that the type cannot hold.
    pub(super) fn text_out_of_range(ty: ScalarType) -> Self {
        Self::new(
            "22003",
            format!("value is out of range for type {}", input_name(ty)),
        )
    }

    /// A value of another type does not fit into the column's type.
    pub(super) fn out_of_range(ty: ScalarType) -> Self {
        Self::new("22003", format!("{} out of range", input_name(ty)))
    }

    /// A character string exceeds the length of its column.
    pub(super) fn too_long(ty: DeclaredType) -> Self {
        Self::new("22001", format!("value too long for type {ty}"))
    }

    /// The client's type has no coercion to the column's.
    pub(super) fn mismatch(column: DeclaredType, wire: impl Into<WireType>) -> Self {
        let wire = wire.into();
        let message = format!("column is of type {column} but value is of type {wire}");
        Self::new("42804", message)
    }

    /// PostgreSQL would hold the value equal to several of the column's.
    pub(super) fn several_equal(column: DeclaredType, wire: ScalarType) -> Self {
        let wire = wire.name();
        let message = format!(
            "refusing to compare a column of type {column} with a value of type {wire} that several of its values equal"
        );
        Self::new("0A000", message)
    }

    /// A binary value has too few bytes.
    pub(super) fn truncated() -> Self {
        Self::new("08P01", "insufficient data left in message")
    }

    /// A binary value has too many bytes or breaks its type's form.
    pub(super) fn binary_format() -> Self {
        Self::new("22P03", "incorrect binary data format")
    }

    /// The bytes are not text in the session's encoding.
    pub(super) fn encoding() -> Self {
        Self::new("22021", "invalid byte sequence for encoding \"UTF8\"")
    }

    /// The session's `client_encoding` would make the server transcode what it must not see.
    pub(super) fn client_encoding() -> Self {
        Self::new(
            "0A000",
            "client_encoding must be UTF8 to exchange text with an encrypted column",
        )
    }

    /// An opened cell does not hold a canonical value of the column's type.
    pub(super) fn malformed(ty: ScalarType) -> Self {
        Self::new(
            "XX001",
            format!(
                "the opened cell does not hold a value of type {}",
                ty.name()
            ),
        )
    }
}

/// The name that PostgreSQL's input functions use in messages, which is shorter than
/// `format_type`'s for the types without time zone.
fn input_name(ty: ScalarType) -> &'static str {
    match ty {
        ScalarType::Time => "time",
        ScalarType::Timestamp => "timestamp",
        _ => ty.name(),
    }
}
