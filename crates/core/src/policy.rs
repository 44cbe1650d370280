//! What is encrypted, how, and under which key: the plain data of a manifest after it has been
//! authenticated. The policy is the authority; the server's catalogue never is.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::types::{DeclaredType, ScalarType};
use crate::value::Target;

/// How a column is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Equal plaintexts give equal cells: `=`, `IN`, joins, UNIQUE and GROUP BY work, and the
    /// server sees which values are equal.
    Deterministic,
    /// Nothing works but storing and reading; the default.
    Randomized,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deterministic => "deterministic",
            Self::Randomized => "randomized",
        })
    }
}

/// Index of a column encryption key in [`Policy::ceks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CekIndex(pub u16);

/// Index of an encrypted column in [`Policy::columns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// One version of one column encryption key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId {
    /// The column encryption key.
    pub cek: CekIndex,
    /// Its version, 1..=255.
    pub version: u8,
}

/// A column encryption key: its name and its versions, without any key bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CekSpec {
    /// The name in the manifest.
    pub name: String,
    /// The version that new cells are sealed under.
    pub active: u8,
    /// Every version that cells may be opened under, the active one included.
    pub live: Vec<u8>,
}

/// An encrypted column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Schema of the table.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Column.
    pub name: String,
    /// The type that the client sees.
    pub ty: DeclaredType,
    /// Deterministic or randomized.
    pub mode: Mode,
    /// The key.
    pub cek: CekIndex,
    /// The name under which the column's subkeys are derived; columns that must join share one.
    pub class: String,
    /// Padding block in bytes (2..=65535): lengths are hidden up to the next multiple.
    pub padding: Option<u16>,
    /// The owner accepts that a deterministic column of few values gives its values away.
    pub accept_frequency_leak: bool,
    /// The enumerated type, where `ty` is one or arrays of one.
    pub enumeration: Option<Arc<EnumType>>,
}

/// An enumerated type of the database, with the labels that the manifest has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumType {
    /// Schema of the type.
    pub schema: String,
    /// Name of the type.
    pub name: String,
    /// The labels, in the order in which they came to the manifest, which cells count by
    /// (`docs/spec/cell-format.md`, section 4.12).
    pub labels: Vec<String>,
    /// The object identifiers of the type and of its arrays as the server names them, or 0. They are
    /// shown to the client and decide nothing.
    pub oids: (u32, u32),
}

impl EnumType {
    /// Whether values of the two have the same bytes.
    fn same(&self, other: &Self) -> bool {
        (&self.schema, &self.name, &self.labels) == (&other.schema, &other.name, &other.labels)
    }
}

impl ColumnSpec {
    /// What the canonical form of the column's values depends on.
    pub fn target(&self) -> Target<'_> {
        Target {
            labels: self.enumeration.as_ref().map_or(&[], |e| &e.labels),
            enum_oid: self.enumeration.as_ref().map_or(0, |e| e.oids.0),
            ..Target::new(self.ty, self.mode)
        }
    }

    /// The object identifier of the column's type as the client sees it.
    pub fn type_oid(&self) -> u32 {
        match self.ty.is_array() {
            true => self.array_oid(),
            false => self.element_oid(),
        }
    }

    /// The object identifier of the scalar type; of an array type that of its elements.
    pub fn element_oid(&self) -> u32 {
        match self.enumeration.as_ref().map(|e| e.oids.0) {
            Some(oid) if oid != 0 => oid,
            _ => self.ty.scalar().oid(),
        }
    }

    /// The object identifier of the arrays of the scalar type.
    pub fn array_oid(&self) -> u32 {
        match self.enumeration.as_ref().map(|e| e.oids.1) {
            Some(oid) if oid != 0 => oid,
            _ => self.ty.scalar().array_oid(),
        }
    }

    /// The name of the type, for messages: as `format_type` prints it, an enumerated type with its
    /// schema.
    pub fn type_name(&self) -> String {
        match &self.enumeration {
            None => self.ty.to_string(),
            Some(e) => {
                let brackets = if self.ty.is_array() { "[]" } else { "" };
                format!("{}.{}{brackets}", e.schema, e.name)
            }
        }
    }

    /// `schema.table.column`, for messages.
    pub fn path(&self) -> String {
        format!("{}.{}.{}", self.schema, self.table, self.name)
    }

    /// Whether a cell of this column may stand where a cell of `other` is expected: the same key,
    /// class, family, numeric scale, mode and padding.
    pub fn same_class(&self, other: &Self) -> bool {
        self.cek == other.cek
            && self.class == other.class
            && self.ty.family() == other.ty.family()
            && self.scale() == other.scale()
            && self.mode == other.mode
            && self.padding == other.padding
            && match (&self.enumeration, &other.enumeration) {
                (None, None) => true,
                (Some(one), Some(other)) => one.same(other),
                _ => false,
            }
    }

    /// The declared scale of a `numeric`. It is part of the canonical form (section 4.4 of the
    /// cell format): 1.1 and 1.10 are equal, their cells at different scales are not.
    fn scale(&self) -> Option<i16> {
        self.ty.numeric_precision_scale().map(|(_, scale)| scale)
    }
}

/// A table with at least one encrypted column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Schema.
    pub schema: String,
    /// Table name.
    pub name: String,
    /// The names of *all* columns in the server's order, when the manifest pins them: `INSERT`
    /// without a column list and `*` are positional, and the order must not be the server's word
    /// alone. Empty when not pinned yet; then positional uses are refused.
    pub column_order: Vec<String>,
    /// The encrypted columns.
    pub columns: Vec<ColumnId>,
}

/// A policy that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No column is encrypted.
    #[error("the manifest protects nothing: it names no encrypted column")]
    ProtectsNothing,
    /// A column is listed twice.
    #[error("column `{0}` is listed twice")]
    DuplicateColumn(String),
    /// A column names a key that is not there.
    #[error("column `{column}` names the unknown key `{cek}`")]
    UnknownCek {
        /// `schema.table.column`.
        column: String,
        /// The key's name.
        cek: String,
    },
    /// A key's versions are not 1..=255, or its active version is not live.
    #[error("key `{0}` has no live active version between 1 and 255")]
    BadVersions(String),
    /// Two columns share a class but would not give the same cells.
    #[error(
        "columns `{0}` and `{1}` share a class but differ in key, type family, scale, mode or padding"
    )]
    ClassMismatch(String, String),
    /// Deterministic encryption does not suit the type.
    #[error("column `{column}` cannot be deterministic: {why}")]
    NotDeterministic {
        /// `schema.table.column`.
        column: String,
        /// Why, in one clause.
        why: &'static str,
    },
    /// An enumerated type without labels, with too many, or labels of another type.
    #[error(
        "column `{0}` needs between 1 and 65536 labels if its type is an enumerated one, and none otherwise"
    )]
    BadLabels(String),
    /// The padding block is out of range.
    #[error("column `{0}` has a padding block outside 2..=65535 bytes")]
    BadPadding(String),
    /// The class is empty or longer than 65535 bytes.
    #[error("column `{0}` has an empty class or one of more than 65535 bytes")]
    BadClass(String),
    /// The column order of a table without encrypted columns is pinned, or of one twice.
    #[error("the column order of `{0}` is pinned twice, or it has no encrypted column")]
    UselessPin(String),
    /// A pinned column order that cannot be the table's.
    #[error("the pinned column order of `{table}` names `{column}` twice or not at all")]
    BadPin {
        /// `schema.table`.
        table: String,
        /// The column.
        column: String,
    },
}

/// The checked policy: which columns are encrypted and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    serial: u64,
    ceks: Vec<CekSpec>,
    columns: Vec<ColumnSpec>,
    tables: Vec<TableSpec>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Policy {
    /// Checks and indexes a policy. `tables` pins the column order of a table where it is known:
    /// `(schema, table, every column in order)`.
    ///
    /// # Errors
    /// [`PolicyError`] names the first contradiction.
    pub fn new(
        serial: u64,
        ceks: Vec<CekSpec>,
        columns: Vec<ColumnSpec>,
        pinned: Vec<(String, String, Vec<String>)>,
    ) -> Result<Self, PolicyError> {
        if columns.is_empty() {
            return Err(PolicyError::ProtectsNothing);
        }
        for cek in &ceks {
            let ok = cek.active != 0 && !cek.live.contains(&0) && cek.live.contains(&cek.active);
            if !ok {
                return Err(PolicyError::BadVersions(cek.name.clone()));
            }
        }
        Self::check_columns(&ceks, &columns)?;
        let mut tables: Vec<TableSpec> = Vec::new();
        let mut by_path: HashMap<(&str, &str), usize> = HashMap::new();
        for (at, column) in (0u32..).zip(&columns) {
            let path = (column.schema.as_str(), column.table.as_str());
            let index = *by_path.entry(path).or_insert_with(|| {
                tables.push(TableSpec {
                    schema: column.schema.clone(),
                    name: column.table.clone(),
                    column_order: Vec::new(),
                    columns: Vec::new(),
                });
                tables.len() - 1
            });
            tables[index].columns.push(ColumnId(at));
        }
        for (schema, name, order) in pinned {
            let index = by_path.get(&(schema.as_str(), name.as_str()));
            match index.map(|&index| &mut tables[index]) {
                Some(table) if table.column_order.is_empty() && !order.is_empty() => {
                    Self::check_order(table, &columns, &order)?;
                    table.column_order = order;
                }
                _ => return Err(PolicyError::UselessPin(format!("{schema}.{name}"))),
            }
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, table) in tables.iter().enumerate() {
            by_name.entry(table.name.clone()).or_default().push(index);
        }
        Ok(Self {
            serial,
            ceks,
            columns,
            tables,
            by_name,
        })
    }

    fn check_columns(ceks: &[CekSpec], columns: &[ColumnSpec]) -> Result<(), PolicyError> {
        let mut paths = HashSet::new();
        let mut classes: HashMap<&str, &ColumnSpec> = HashMap::new();
        for column in columns {
            Self::check_column(ceks, column)?;
            if !paths.insert((&column.schema, &column.table, &column.name)) {
                return Err(PolicyError::DuplicateColumn(column.path()));
            }
            // The first column of a class stands for all of it: `same_class` is an equivalence.
            match classes.entry(&column.class) {
                Entry::Vacant(entry) => {
                    entry.insert(column);
                }
                Entry::Occupied(first) => {
                    let first = first.get();
                    if !first.same_class(column) || column.mode == Mode::Randomized {
                        return Err(PolicyError::ClassMismatch(first.path(), column.path()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks that a pinned order has every encrypted column of the table and none twice.
    fn check_order(
        table: &TableSpec,
        columns: &[ColumnSpec],
        order: &[String],
    ) -> Result<(), PolicyError> {
        let bad = |column: &str| PolicyError::BadPin {
            table: format!("{}.{}", table.schema, table.name),
            column: column.to_owned(),
        };
        let mut names = HashSet::new();
        for name in order {
            if !names.insert(name.as_str()) {
                return Err(bad(name));
            }
        }
        for id in &table.columns {
            let name = columns[id.0 as usize].name.as_str();
            if !names.contains(name) {
                return Err(bad(name));
            }
        }
        Ok(())
    }

    fn check_column(ceks: &[CekSpec], column: &ColumnSpec) -> Result<(), PolicyError> {
        if usize::from(column.cek.0) >= ceks.len() {
            return Err(PolicyError::UnknownCek {
                column: column.path(),
                cek: format!("#{}", column.cek.0),
            });
        }
        if column.class.is_empty() || column.class.len() > usize::from(u16::MAX) {
            return Err(PolicyError::BadClass(column.path()));
        }
        if column.padding.is_some_and(|block| block < 2) {
            return Err(PolicyError::BadPadding(column.path()));
        }
        let labels = column.enumeration.as_ref().map_or(0, |e| e.labels.len());
        let is_enum = column.ty.scalar() == ScalarType::Enum;
        if is_enum != column.enumeration.is_some() || is_enum && !(1..=1 << 16).contains(&labels) {
            return Err(PolicyError::BadLabels(column.path()));
        }
        if column.mode == Mode::Deterministic {
            let family = column.ty.family();
            let why = if !family.has_single_byte_form() {
                Some("equal values of the type have no single byte form")
            } else if column.ty.is_low_cardinality() && !column.accept_frequency_leak {
                Some(
                    "the type has so few values that equality gives them away (set `accept_frequency_leak` to accept that)",
                )
            } else {
                None
            };
            if let Some(why) = why {
                return Err(PolicyError::NotDeterministic {
                    column: column.path(),
                    why,
                });
            }
        }
        Ok(())
    }

    /// Takes what the server calls an enumerated type and its arrays; 0 for what is not known.
    pub fn note_enum_oids(&mut self, oids: impl Fn(&EnumType) -> (u32, u32)) {
        for column in &mut self.columns {
            if let Some(enumeration) = &mut column.enumeration {
                let oids = oids(enumeration);
                Arc::make_mut(enumeration).oids = oids;
            }
        }
    }

    /// The manifest's serial number.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The column encryption keys.
    pub fn ceks(&self) -> &[CekSpec] {
        &self.ceks
    }

    /// One column encryption key.
    ///
    /// # Panics
    /// When the index comes from another policy.
    pub fn cek(&self, index: CekIndex) -> &CekSpec {
        &self.ceks[usize::from(index.0)]
    }

    /// The encrypted columns.
    pub fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    /// One encrypted column.
    ///
    /// # Panics
    /// When the identifier comes from another policy.
    pub fn column(&self, id: ColumnId) -> &ColumnSpec {
        &self.columns[id.0 as usize]
    }

    /// The tables with encrypted columns.
    pub fn tables(&self) -> &[TableSpec] {
        &self.tables
    }

    /// The protected table of this schema and name.
    pub fn table(&self, schema: &str, name: &str) -> Option<&TableSpec> {
        self.tables_named(name).find(|table| table.schema == schema)
    }

    /// The protected tables of this name in any schema.
    pub fn tables_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a TableSpec> {
        self.by_name
            .get(name)
            .into_iter()
            .flatten()
            .map(|&index| &self.tables[index])
    }

    /// The encrypted column of this name in a table.
    pub fn column_of(&self, table: &TableSpec, column: &str) -> Option<ColumnId> {
        table
            .columns
            .iter()
            .copied()
            .find(|&id| self.column(id).name == column)
    }

    /// The key and version that new cells of a column are sealed under.
    pub fn sealing_key(&self, column: ColumnId) -> KeyId {
        let cek = self.column(column).cek;
        KeyId {
            cek,
            version: self.cek(cek).active,
        }
    }

    /// The key that a cell of a column with this version byte is opened under, if that version is
    /// live. Exactly one key is ever tried.
    pub fn opening_key(&self, column: ColumnId, version: u8) -> Option<KeyId> {
        let cek = self.column(column).cek;
        self.cek(cek)
            .live
            .contains(&version)
            .then_some(KeyId { cek, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(table: &str, name: &str, mode: Mode) -> ColumnSpec {
        ColumnSpec {
            schema: "public".into(),
            table: table.into(),
            name: name.into(),
            ty: "text".parse().unwrap(),
            mode,
            cek: CekIndex(0),
            class: format!("public.{table}.{name}"),
            padding: None,
            accept_frequency_leak: false,
            enumeration: None,
        }
    }

    fn policy(columns: Vec<ColumnSpec>, pins: &[(&str, &[&str])]) -> Result<Policy, PolicyError> {
        let ceks = vec![CekSpec {
            name: "main".into(),
            active: 1,
            live: vec![1],
        }];
        let pinned = pins.iter().map(|(table, order)| {
            let order = order.iter().map(ToString::to_string).collect();
            ("public".to_owned(), table.to_string(), order)
        });
        Policy::new(1, ceks, columns, pinned.collect())
    }

    #[test]
    fn a_pinned_order_has_every_encrypted_column_once() {
        let users = || vec![column("users", "email", Mode::Deterministic)];
        let pinned = policy(users(), &[("users", &["id", "email"])]).unwrap();
        let table = pinned.table("public", "users").unwrap();
        assert_eq!(table.column_order, ["id", "email"]);

        let bad = |column: &str| PolicyError::BadPin {
            table: "public.users".into(),
            column: column.into(),
        };
        let useless = |table: &str| PolicyError::UselessPin(format!("public.{table}"));
        for (pins, error) in [
            (&[("users", &["id"] as &[_])][..], bad("email")),
            (&[("users", &["email", "email"])], bad("email")),
            (&[("users", &["id", "email", "id"])], bad("id")),
            (&[("users", &[])], useless("users")),
            (&[("posts", &["id"])], useless("posts")),
            (
                &[("users", &["email"]), ("users", &["email"])],
                useless("users"),
            ),
        ] {
            assert_eq!(policy(users(), pins).unwrap_err(), error);
        }
    }

    #[test]
    fn a_class_is_shared_by_equal_deterministic_columns_only() {
        let shared = |mode: [Mode; 2], change: fn(&mut ColumnSpec)| {
            let mut columns = vec![column("a", "x", mode[0]), column("b", "y", mode[1])];
            columns[1].class = columns[0].class.clone();
            change(&mut columns[1]);
            policy(columns, &[]).map(drop)
        };
        let both = [Mode::Deterministic; 2];
        assert_eq!(shared(both, |_| {}), Ok(()));
        assert_eq!(
            shared(both, |c| c.ty = "varchar(5)".parse().unwrap()),
            Ok(())
        );

        let mismatch = PolicyError::ClassMismatch("public.a.x".into(), "public.b.y".into());
        for result in [
            shared(both, |c| c.ty = "integer".parse().unwrap()),
            shared(both, |c| c.padding = Some(16)),
            shared([Mode::Randomized; 2], |_| {}),
            shared([Mode::Deterministic, Mode::Randomized], |_| {}),
        ] {
            assert_eq!(result, Err(mismatch.clone()));
        }
    }

    #[test]
    fn numerics_of_a_class_have_one_scale() {
        let shared = |types: [&str; 2]| {
            let mut columns = vec![
                column("a", "x", Mode::Deterministic),
                column("b", "y", Mode::Deterministic),
            ];
            columns[1].class = columns[0].class.clone();
            for (column, ty) in columns.iter_mut().zip(types) {
                column.ty = ty.parse().unwrap();
            }
            policy(columns, &[]).map(drop)
        };
        assert_eq!(shared(["numeric(10,2)", "numeric(20,2)"]), Ok(()));
        assert_eq!(shared(["numeric", "numeric"]), Ok(()));
        for types in [
            ["numeric(10,2)", "numeric(10,4)"],
            ["numeric(10,2)", "numeric"],
        ] {
            assert!(shared(types).is_err(), "{types:?}");
        }
    }

    #[test]
    fn a_column_is_listed_once_whatever_dots_its_names_have() {
        let twice = vec![
            column("a", "x", Mode::Randomized),
            column("a", "x", Mode::Randomized),
        ];
        let error = policy(twice, &[]).unwrap_err();
        assert_eq!(error, PolicyError::DuplicateColumn("public.a.x".into()));

        let mut dotted = vec![
            column("a.b", "c", Mode::Randomized),
            column("a", "b.c", Mode::Randomized),
        ];
        dotted[1].class = "another".into();
        assert_eq!(policy(dotted, &[]).unwrap().tables().len(), 2);
    }
}
