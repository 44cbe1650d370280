//! Names of tables and columns as the manifest and the command line write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// PostgreSQL's `NAMEDATALEN` less its terminating zero.
const MAX_IDENTIFIER_BYTES: usize = 63;

/// A schema-qualified table, `public.users`. A part that PostgreSQL would not read back as it
/// stands is double-quoted: `public."Users"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    schema: String,
    name: String,
}

impl TableName {
    /// The table of these names, taken as they are.
    ///
    /// # Errors
    /// [`NameError`] when one cannot be an identifier of PostgreSQL.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Result<Self, NameError> {
        let (schema, name) = (schema.into(), name.into());
        check_identifier(&schema)?;
        check_identifier(&name)?;
        Ok(Self { schema, name })
    }

    /// The schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The table's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `schema.table.column`, quoted where needed.
    pub(crate) fn column_path(&self, column: &str) -> String {
        format!("{self}.{}", Quoted(column))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", Quoted(&self.schema), Quoted(&self.name))
    }
}

impl FromStr for TableName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match <[String; 2]>::try_from(split(text)?) {
            Ok([schema, name]) => Ok(Self { schema, name }),
            Err(_) => Err(NameError::Parts("schema.table")),
        }
    }
}

impl TryFrom<String> for TableName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let name: Self = text.parse()?;
        // One spelling per table, so that the bytes under the MAC are the bytes of the document.
        if name.to_string() == text {
            Ok(name)
        } else {
            Err(NameError::Spelling(name.to_string()))
        }
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

/// Splits `schema.table.column`.
///
/// # Errors
/// [`NameError`] when there are not three identifiers.
pub fn parse_column_path(text: &str) -> Result<(TableName, String), NameError> {
    match <[String; 3]>::try_from(split(text)?) {
        Ok([schema, name, column]) => Ok((TableName { schema, name }, column)),
        Err(_) => Err(NameError::Parts("schema.table.column")),
    }
}

/// A name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Too few or too many parts.
    #[error("expected `{0}`")]
    Parts(&'static str),
    /// Something between the dots is not an identifier.
    #[error("`{0}` is not an identifier")]
    NotIdentifier(String),
    /// PostgreSQL would fold the unquoted name to lower case: ambiguous here.
    #[error("`{0}` is ambiguous: write it in lower case, or as `\"{0}\"` to keep its capitals")]
    Folds(String),
    /// A closing quote is missing.
    #[error("a double quote is not closed")]
    OpenQuote,
    /// Longer than 63 bytes.
    #[error("`{0}` is longer than the 63 bytes of a PostgreSQL identifier")]
    TooLong(String),
    /// The manifest spells a name otherwise than it must.
    #[error("must be spelled `{0}`")]
    Spelling(String),
}

pub(super) fn check_identifier(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.contains('\0') {
        return Err(NameError::NotIdentifier(name.to_owned()));
    }
    if name.len() > MAX_IDENTIFIER_BYTES {
        return Err(NameError::TooLong(name.to_owned()));
    }
    Ok(())
}

fn split(text: &str) -> Result<Vec<String>, NameError> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => bare_part(rest)?,
        };
        check_identifier(&part)?;
        parts.push(part);
        if after.is_empty() {
            return Ok(parts);
        }
        rest = after
            .strip_prefix('.')
            .ok_or_else(|| NameError::NotIdentifier(text.to_owned()))?;
    }
}

fn quoted_part(mut rest: &str) -> Result<(String, &str), NameError> {
    let mut part = String::new();
    loop {
        let (before, after) = rest.split_once('"').ok_or(NameError::OpenQuote)?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Ok((part, after)),
        }
    }
}

fn bare_part(text: &str) -> Result<(String, &str), NameError> {
    let (part, after) = text.split_at(text.find('.').unwrap_or(text.len()));
    if is_bare(part) {
        Ok((part.to_owned(), after))
    } else if is_bare(&part.to_ascii_lowercase()) {
        Err(NameError::Folds(part.to_owned()))
    } else {
        Err(NameError::NotIdentifier(part.to_owned()))
    }
}

/// Whether the name stands for itself without quotes (`scan.l`, `ident_start` and `ident_cont`,
/// less the capitals that would fold).
fn is_bare(name: &str) -> bool {
    let start = |c: char| c.is_ascii_lowercase() || c == '_' || !c.is_ascii();
    name.starts_with(start)
        && name
            .chars()
            .all(|c| start(c) || c.is_ascii_digit() || c == '$')
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) {
            f.write_str(self.0)
        } else {
            write!(f, "\"{}\"", self.0.replace('"', "\"\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_postgresql_reads_them_and_print_as_they_read() {
        for (text, schema, name) in [
            ("public.users", "public", "users"),
            ("public.\"Users\"", "public", "Users"),
            ("\"a.b\".\"c\"\"d\"", "a.b", "c\"d"),
            ("_x.y$1", "_x", "y$1"),
            ("données.été", "données", "été"),
        ] {
            let parsed: TableName = text.parse().unwrap();
            assert_eq!((parsed.schema(), parsed.name()), (schema, name));
            assert_eq!(parsed.to_string(), text);
        }
        let (table, column) = parse_column_path("public.users.\"E-mail\"").unwrap();
        assert_eq!(table.column_path(&column), "public.users.\"E-mail\"");
    }

    #[test]
    fn what_is_no_name_is_said() {
        for (text, message) in [
            ("users", "expected `schema.table`"),
            ("a.b.c", "expected `schema.table`"),
            ("", "`` is not an identifier"),
            ("a.", "`` is not an identifier"),
            ("a.1b", "`1b` is not an identifier"),
            ("a.b c", "`b c` is not an identifier"),
            ("a.\"b", "a double quote is not closed"),
            ("a.\"\"", "`` is not an identifier"),
            ("\"a\"b.c", "`\"a\"b.c` is not an identifier"),
            (
                "public.Users",
                "`Users` is ambiguous: write it in lower case, or as `\"Users\"` to keep its capitals",
            ),
        ] {
            let error = text.parse::<TableName>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
        assert!(TableName::new("public", "x".repeat(64)).is_err());
        assert!(TableName::new("public", "x\0").is_err());
    }
}
