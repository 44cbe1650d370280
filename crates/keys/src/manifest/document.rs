//! The manifest's document, field by field (`docs/spec/manifest.md`, section 2).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use sealwire_core::policy::{CekIndex, CekSpec, ColumnSpec, Mode, Policy, PolicyError};
use serde::{Deserialize, Serialize};

use super::ManifestError;
use super::column_type::ColumnType;
use super::encoding::{Hex, Wrapped, mode};
use super::name::{TableName, check_identifier};

// Section 2.3: limits on what an untrusted document can make a client allocate.
pub(super) const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;
const MAX_CEKS: usize = 4096;
const MAX_CEK_NAME_BYTES: usize = 63;
/// TOML's integers and PostgreSQL's `bigint` both end here.
pub(super) const MAX_SERIAL: u64 = i64::MAX.unsigned_abs();

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) version: u32,
    pub(super) serial: u64,
    pub(super) mac: Hex<32>,
    pub(super) root: Root,
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    pub(super) ceks: Vec<CekEntry>,
    #[serde(default, rename = "column", skip_serializing_if = "Vec::is_empty")]
    pub(super) columns: Vec<ColumnEntry>,
    #[serde(default, rename = "table", skip_serializing_if = "Vec::is_empty")]
    pub(super) tables: Vec<TableEntry>,
}

/// The root secret under which the manifest is authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Root {
    pub(super) id: Hex<16>,
    pub(super) wrapped: Wrapped,
}

/// A column encryption key in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CekEntry {
    /// Its name.
    pub name: String,
    /// Its versions, ascending.
    #[serde(rename = "version")]
    pub versions: Vec<CekVersion>,
}

/// One version of a column encryption key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CekVersion {
    /// 1..=255, the second header byte of cells.
    pub number: u8,
    /// What it is used for.
    pub state: KeyState,
    pub(super) id: Hex<16>,
    pub(super) kcv: Hex<32>,
    pub(super) wrapped: Wrapped,
}

impl CekVersion {
    /// The key's random identifier, which its wrap is bound to.
    pub fn id(&self) -> &[u8; 16] {
        &self.id.0
    }
}

/// What a key version is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeyState {
    /// New cells are sealed under it; cells are opened under it.
    Active,
    /// Cells are opened under it.
    Live,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Live => "live",
        })
    }
}

/// An encrypted column in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnEntry {
    /// The table.
    pub table: TableName,
    /// The column's name.
    pub column: String,
    /// The type that the client sees.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// The labels of an enumerated type, in the order in which they came to the manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// How it is encrypted.
    #[serde(with = "mode")]
    pub mode: Mode,
    /// The name of its key.
    #[serde(rename = "key")]
    pub cek: String,
    /// The name under which its subkeys are derived.
    pub class: String,
    /// Padding block in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<u16>,
    /// The owner accepts that a deterministic column of few values gives its values away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_frequency_leak: bool,
}

impl ColumnEntry {
    /// A randomized column without padding, in a class of its own; set the fields that shall
    /// differ.
    pub fn new(
        table: TableName,
        column: impl Into<String>,
        ty: ColumnType,
        cek: impl Into<String>,
    ) -> Self {
        let column = column.into();
        Self {
            class: table.column_path(&column),
            table,
            column,
            ty,
            labels: Vec::new(),
            mode: Mode::Randomized,
            cek: cek.into(),
            padding: None,
            accept_frequency_leak: false,
        }
    }

    /// `schema.table.column`, quoted where needed.
    pub fn path(&self) -> String {
        self.table.column_path(&self.column)
    }
}

/// The column order of a table with encrypted columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TableEntry {
    /// The table.
    pub name: TableName,
    /// Every column in the server's order.
    pub columns: Vec<String>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Probe {
            version: Option<toml::Value>,
        }

        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(ManifestError::TooLong {
                limit: MAX_DOCUMENT_BYTES,
            });
        }
        // The version comes first: a later one may have fields that would be unknown here.
        let probe: Probe = toml::from_str(text).map_err(|e| ManifestError::syntax(text, &e))?;
        if let Some(version) = probe.version
            && version.as_integer() != Some(1)
        {
            return Err(ManifestError::UnsupportedVersion(version.to_string()));
        }
        let document: Self = toml::from_str(text).map_err(|e| ManifestError::syntax(text, &e))?;
        document.check()?;
        Ok(document)
    }

    /// What the types alone do not say. What columns, classes and modes must fulfil is the
    /// policy's to check.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        let invalid = |reason: String| Err(ManifestError::Invalid(reason));
        if self.serial > MAX_SERIAL {
            return invalid("the serial number is out of range".into());
        }
        if self.ceks.len() > MAX_CEKS {
            return invalid(format!("more than {MAX_CEKS} keys"));
        }
        let mut names = HashSet::new();
        let mut ids = HashSet::from([&self.root.id]);
        for cek in &self.ceks {
            check_cek_name(&cek.name)?;
            if !names.insert(cek.name.as_str()) {
                return invalid(format!("key `{}` is listed twice", cek.name));
            }
            let numbers = || cek.versions.iter().map(|version| version.number);
            if numbers().next() == Some(0) || !numbers().is_sorted_by(|a, b| a < b) {
                return invalid(format!("key `{}`: versions must ascend from 1", cek.name));
            }
            let active = cek.versions.iter().filter(|v| v.state == KeyState::Active);
            if active.count() != 1 {
                return invalid(format!(
                    "key `{}` needs exactly one active version",
                    cek.name
                ));
            }
            for version in &cek.versions {
                if !ids.insert(&version.id) {
                    return invalid(format!(
                        "key `{}` version {} has the identifier of another key",
                        cek.name, version.number
                    ));
                }
            }
        }
        let in_table = |table: &TableName, column: &str| {
            check_identifier(column)
                .map_err(|error| ManifestError::Invalid(format!("table `{table}`: {error}")))
        };
        for column in &self.columns {
            in_table(&column.table, &column.column)?;
            let path = column.path();
            let mut labels = HashSet::new();
            for label in &column.labels {
                check_identifier(label).map_err(|error| {
                    ManifestError::Invalid(format!("label of column `{path}`: {error}"))
                })?;
                if !labels.insert(label.as_str()) {
                    return invalid(format!("column `{path}` lists label `{label}` twice"));
                }
            }
            if column.ty.is_enum() == labels.is_empty() {
                return invalid(format!(
                    "column `{path}` must have labels if its type is an enumerated one, and only then"
                ));
            }
        }
        let mut tables = HashSet::new();
        for table in &self.tables {
            if !tables.insert(&table.name) {
                return invalid(format!("table `{}` is pinned twice", table.name));
            }
            for column in &table.columns {
                in_table(&table.name, column)?;
            }
        }
        Ok(())
    }

    /// The policy that the document states. Whether the document is authentic is not asked here.
    pub(super) fn policy(&self) -> Result<Policy, PolicyError> {
        let ceks = self.ceks.iter().map(CekEntry::spec).collect();
        let by_name: HashMap<&str, CekIndex> = (0u16..)
            .zip(&self.ceks)
            .map(|(at, cek)| (cek.name.as_str(), CekIndex(at)))
            .collect();
        let columns = self
            .columns
            .iter()
            .map(|column| {
                let cek = by_name.get(column.cek.as_str()).copied();
                Ok(ColumnSpec {
                    schema: column.table.schema().to_owned(),
                    table: column.table.name().to_owned(),
                    name: column.column.clone(),
                    ty: column.ty.declared(),
                    mode: column.mode,
                    cek: cek.ok_or_else(|| PolicyError::UnknownCek {
                        column: column.path(),
                        cek: column.cek.clone(),
                    })?,
                    class: column.class.clone(),
                    padding: column.padding,
                    accept_frequency_leak: column.accept_frequency_leak,
                    enumeration: column.ty.enumeration(&column.labels).map(Arc::new),
                })
            })
            .collect::<Result<_, PolicyError>>()?;
        let pinned = self
            .tables
            .iter()
            .map(|table| {
                let (schema, name) = (table.name.schema(), table.name.name());
                (schema.to_owned(), name.to_owned(), table.columns.clone())
            })
            .collect();
        Policy::new(self.serial, ceks, columns, pinned)
    }
}

impl CekEntry {
    fn spec(&self) -> CekSpec {
        let active = self.versions.iter().find(|v| v.state == KeyState::Active);
        CekSpec {
            name: self.name.clone(),
            // No active version is the policy's error to report: 0 is never live.
            active: active.map_or(0, |version| version.number),
            live: self.versions.iter().map(|v| v.number).collect(),
        }
    }
}

/// A key's name stands in errors and on command lines.
pub(super) fn check_cek_name(name: &str) -> Result<(), ManifestError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > MAX_CEK_NAME_BYTES || !name.chars().all(allowed) {
        return Err(ManifestError::KeyName(name.to_owned()));
    }
    Ok(())
}
