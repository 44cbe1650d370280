//! The server's catalogue as the session has read it: untrusted rows, kept as plain data.
//!
//! The catalogue may add protection (a partition inherits its parent's), never remove it.

mod held;

use std::collections::HashMap;
use std::sync::Arc;

pub use held::{CellType, Function, Held};

use crate::ddl;
use crate::policy::Mode;

/// `pg_class.relkind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelationKind {
    /// `r`: an ordinary table.
    Table,
    /// `p`: a partitioned table.
    Partitioned,
    /// `v`: a view.
    View,
    /// `m`: a materialised view.
    MaterializedView,
    /// `f`: a foreign table.
    Foreign,
    /// Anything else: a sequence, an index, a composite type.
    Other,
}

impl RelationKind {
    /// The kind for a `relkind` letter.
    pub fn from_relkind(letter: u8) -> Self {
        match letter {
            b'r' => Self::Table,
            b'p' => Self::Partitioned,
            b'v' => Self::View,
            b'm' => Self::MaterializedView,
            b'f' => Self::Foreign,
            _ => Self::Other,
        }
    }
}

/// A column of a relation, dropped ones left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `attnum`, 1 and up.
    pub number: i16,
    /// `attname`.
    pub name: String,
    /// `atttypid`.
    pub type_oid: u32,
    /// `schema.name` of the type when it is a domain, else empty. For a domain over one of the
    /// cells' domains that one's name, and for an array of cells the same followed by `[]`.
    pub domain: String,
    /// The type below the domain, or `type_oid` itself.
    pub base_type_oid: u32,
    /// `atthasdef`, which is also set for generated columns.
    pub has_default: bool,
    /// `attgenerated` or `attidentity` is set.
    pub generated: bool,
}

impl Attribute {
    /// Whether the type says that the column holds cells, or arrays of them.
    pub fn holds_cells(&self) -> bool {
        let name = self.domain.strip_suffix("[]").unwrap_or(&self.domain);
        [Mode::Deterministic, Mode::Randomized]
            .into_iter()
            .any(|mode| name == ddl::domain(mode))
    }
}

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: RelationKind,
    /// Columns in `attnum` order.
    pub attributes: Vec<Attribute>,
    /// `pg_inherits` parents: partitioned table or inheritance, as object identifiers.
    pub parents: Vec<u32>,
    /// Relations that a view's or materialised view's rule reads, as object identifiers.
    pub reads: Vec<u32>,
    /// `pg_get_viewdef(oid)` as printed under the session's search path when it was loaded.
    pub definition: Option<String>,
    /// `pg_get_partkeydef(oid)` of a partitioned table.
    pub partition_key: Option<String>,
}

impl Relation {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }
}

/// What a session resolves names with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// `current_schemas(true)`: the effective search path, `pg_catalog` and the session's
    /// temporary schema included.
    pub search_path: Vec<String>,
    /// `current_user`.
    pub role: String,
    /// An `=` or `<>` operator over `bytea` or a Sealwire domain exists outside `pg_catalog`: an
    /// unqualified operator could then mean something else than equality of cells.
    pub foreign_equality_operator: bool,
}

/// What a relation name means to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution<'c> {
    /// The name has not been asked for yet.
    NotLoaded,
    /// The server has no such relation on this search path.
    Missing,
    /// The relation.
    Found(&'c Relation),
}

/// Catalogue rows, loaded by bare relation name, whatever the schema, so that a changed search
/// path needs no new rows.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    by_name: HashMap<String, Named>,
    by_oid: HashMap<u32, Arc<Relation>>,
    cell_types: HashMap<u32, Vec<CellType>>,
    functions: HashMap<String, Vec<Function>>,
    holders: HashMap<u32, String>,
    state: CatalogueState,
}

/// What a catalogue holds at one time: equal to itself and to no other, so that nothing concluded
/// from the one is taken to follow from the other.
#[derive(Clone, Debug, Default)]
pub struct CatalogueState(Arc<()>);

impl PartialEq for CatalogueState {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for CatalogueState {}

/// The relations of one name.
#[derive(Clone, Debug, Default)]
struct Named {
    relations: Vec<Arc<Relation>>,
    /// There are no others.
    asked: bool,
}

impl Catalogue {
    /// Records that every relation of these names in any schema is among the rows inserted so far
    /// or does not exist.
    pub fn mark_asked(&mut self, names: impl IntoIterator<Item = String>) {
        self.state = CatalogueState::default();
        for name in names {
            self.by_name.entry(name).or_default().asked = true;
        }
    }

    /// Adds or replaces a relation.
    pub fn insert(&mut self, relation: Relation) {
        self.state = CatalogueState::default();
        let relation = Arc::new(relation);
        if let Some(old) = self.by_oid.insert(relation.oid, Arc::clone(&relation))
            && let Some(named) = self.by_name.get_mut(&old.name)
        {
            named.relations.retain(|other| other.oid != old.oid);
        }
        let named = self.by_name.entry(relation.name.clone()).or_default();
        named.relations.push(relation);
    }

    /// Takes the types that hold cells, and the functions of these.
    pub fn hold(&mut self, held: Held) {
        self.state = CatalogueState::default();
        self.cell_types.clear();
        for ty in held.types {
            self.cell_types.entry(ty.oid).or_default().push(ty);
        }
        self.functions.clear();
        for function in held.functions {
            let of_name = self.functions.entry(function.name.clone()).or_default();
            of_name.push(function);
        }
        self.holders = held.relations;
    }

    /// What is known of a type that holds cells, more than once where it does through several views.
    pub fn cell_type(&self, oid: u32) -> &[CellType] {
        self.cell_types.get(&oid).map_or(&[], Vec::as_slice)
    }

    /// Every type that holds cells, or may.
    pub fn cell_types(&self) -> impl Iterator<Item = &CellType> {
        self.cell_types.values().flatten()
    }

    /// The functions of a name under which one takes or returns cells.
    pub fn functions(&self, name: &str) -> &[Function] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of functions that take or return cells.
    pub fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// Whether a function may have an argument of a type that holds cells.
    pub fn takes_cells(&self, function: u32) -> bool {
        let mut functions = self.functions.values().flatten();
        let of_cells = |ty: &u32| !self.cell_type(*ty).is_empty();
        functions.any(|it| it.oid == function && it.arguments.iter().any(of_cells))
    }

    /// Relations with a column of a type that holds cells, and views over these, by object identifier.
    pub fn holders(&self) -> &HashMap<u32, String> {
        &self.holders
    }

    /// What it holds now.
    pub fn state(&self) -> &CatalogueState {
        &self.state
    }

    /// The relation with this object identifier.
    pub fn by_oid(&self, oid: u32) -> Option<&Arc<Relation>> {
        self.by_oid.get(&oid)
    }

    /// Every loaded relation.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.by_oid.values()
    }

    /// Resolves a name as `RangeVarGetRelid` does: the schema named, or the first schema of the
    /// search path that has it.
    pub fn resolve(
        &self,
        facts: &SessionFacts,
        schema: Option<&str>,
        name: &str,
    ) -> Resolution<'_> {
        let Some(named) = self.by_name.get(name).filter(|named| named.asked) else {
            return Resolution::NotLoaded;
        };
        let in_schema = |schema: &str| named.relations.iter().find(|r| r.schema == schema);
        let found = match schema {
            Some("pg_temp") => facts
                .search_path
                .iter()
                .find(|s| s.starts_with("pg_temp_"))
                .and_then(|s| in_schema(s)),
            Some(schema) => in_schema(schema),
            None => facts
                .search_path
                .iter()
                .find_map(|schema| in_schema(schema)),
        };
        found.map_or(Resolution::Missing, |relation| Resolution::Found(relation))
    }
}
