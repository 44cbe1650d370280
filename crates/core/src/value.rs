//! Canonical values: one byte form per value, from and to both wire formats.

use zeroize::Zeroizing;

use crate::types::{DeclaredType, ScalarType};

/// A wire format code of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0.
    Text,
    /// 1.
    Binary,
}

/// What a parameter or literal is used for. PostgreSQL coerces an assigned value to the column's
/// type modifier and fails where it does not fit; a compared value is not coerced: one that does
/// not fit equals nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// Stored: `INSERT`, `UPDATE`. Type modifiers are enforced.
    Assign,
    /// Compared: `=`, `IN`. A value outside the type's range must still give a cell, one that
    /// equals no stored cell.
    Compare,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            date_style: "ISO, MDY".into(),
            time_zone: "UTC".into(),
            client_encoding: "UTF8".into(),
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
        }
    }
}

/// A value that does not fit its column. Never carries the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// The five characters that PostgreSQL would have used, for example `22003`.
    pub sqlstate: &'static str,
    /// PostgreSQL's words without the value.
    pub message: String,
}

/// Turns one wire value into canonical bytes, appended to `out`.
///
/// `wire` is the type that the client says the bytes have (from its Parse message, or the
/// declared type when it left that open); `ty` is the column's declared type.
///
/// # Errors
/// [`ValueError`] where PostgreSQL would refuse the value for the type, or where the session's
/// settings make the text form ambiguous.
pub fn canonicalise(
    _ty: DeclaredType,
    _wire: ScalarType,
    _format: Format,
    _usage: Usage,
    _input: &[u8],
    _settings: &Settings,
    _out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    unimplemented!()
}

/// Writes canonical bytes as the wire value that PostgreSQL would send for the declared type,
/// appended to `out`.
///
/// # Errors
/// [`ValueError`] where the canonical bytes are not of the type, or the settings rule the text
/// form out.
pub fn render(
    _ty: DeclaredType,
    _format: Format,
    _canonical: &[u8],
    _settings: &Settings,
    _out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    unimplemented!()
}
