//! The type of a column in a manifest: one of PostgreSQL's own, or an enumerated type of the database.

use std::fmt;
use std::str::FromStr;

use sealwire_core::policy::EnumType;
use sealwire_core::types::{DeclaredType, ParseTypeError, ScalarType};
use serde::{Deserialize, Serialize};

use super::name::TableName;

/// The type that a client sees of an encrypted column.
///
/// An enumerated type stands with its schema, `public.mood`, quoted as a table's name is; `[]` behind
/// it means arrays of it. Names of PostgreSQL's own types have no point in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ColumnType {
    declared: DeclaredType,
    /// The name of the enumerated type, where `declared` is one or arrays of one.
    name: Option<TableName>,
}

impl ColumnType {
    /// The declared type.
    pub const fn declared(&self) -> DeclaredType {
        self.declared
    }

    /// Whether it is an enumerated type or arrays of one.
    pub const fn is_enum(&self) -> bool {
        self.name.is_some()
    }

    /// Schema and name of the enumerated type.
    pub fn enum_name(&self) -> Option<(&str, &str)> {
        let name = self.name.as_ref()?;
        Some((name.schema(), name.name()))
    }

    /// The enumerated type with its labels.
    pub(super) fn enumeration(&self, labels: &[String]) -> Option<EnumType> {
        let (schema, name) = self.enum_name()?;
        Some(EnumType {
            schema: schema.into(),
            name: name.into(),
            labels: labels.to_vec(),
            oids: (0, 0),
        })
    }
}

impl From<DeclaredType> for ColumnType {
    fn from(declared: DeclaredType) -> Self {
        Self {
            declared,
            name: None,
        }
    }
}

impl FromStr for ColumnType {
    type Err = ParseTypeError;

    fn from_str(text: &str) -> Result<Self, ParseTypeError> {
        let unknown = match text.parse::<DeclaredType>() {
            Ok(declared) => return Ok(declared.into()),
            Err(error) => error,
        };
        let (name, declared) = match text.strip_suffix("[]") {
            Some(element) => (element, DeclaredType::new(ScalarType::Enum).array()),
            None => (text, DeclaredType::new(ScalarType::Enum)),
        };
        let name = name.parse().map_err(|_| unknown)?;
        Ok(Self {
            declared,
            name: Some(name),
        })
    }
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let ty: Self = text
            .parse()
            .map_err(|error: ParseTypeError| error.to_string())?;
        // One spelling per type, so that the bytes under the MAC are the bytes of the document.
        if ty.to_string() == text {
            Ok(ty)
        } else {
            Err(format!("must be spelled `{ty}`"))
        }
    }
}

impl From<ColumnType> for String {
    fn from(ty: ColumnType) -> Self {
        ty.to_string()
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => self.declared.fmt(f),
            Some(name) if self.declared.is_array() => write!(f, "{name}[]"),
            Some(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_either_kind_are_read() {
        for (given, printed, is_enum) in [
            ("int4[]", "integer[]", false),
            ("public.mood", "public.mood", true),
            ("public.\"Mood\"[]", "public.\"Mood\"[]", true),
        ] {
            let ty: ColumnType = given.parse().unwrap();
            assert_eq!((ty.to_string().as_str(), ty.is_enum()), (printed, is_enum));
        }
        for bad in ["mood", "a.b.c", "public.", "public.mood(3)", ""] {
            assert!(bad.parse::<ColumnType>().is_err(), "{bad}");
        }
    }
}
