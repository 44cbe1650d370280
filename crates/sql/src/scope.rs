//! Scopes: which relations and columns a name can mean at a place, as PostgreSQL's
//! `parse_relation.c` decides it.

use std::borrow::Cow;
use std::rc::Rc;

use sealwire_core::policy::ColumnId;

use crate::infer::Named;
use crate::refuse::Path;
use crate::relation::RelationInfo;
use crate::types::{TypeId, Unlisted};

/// What a column of a scope holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holds<'a> {
    /// A plain column, called so in messages.
    Plain(Path<'a>),
    /// An encrypted column.
    Sealed(ColumnId),
    /// A column of cells that the manifest does not list.
    Unlisted(Unlisted<'a>),
    /// A column of a sub-select, CTE or merged join, typed with what it comes from.
    Of(TypeId),
}

/// A column that a name can mean.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn<'a> {
    pub(crate) name: Cow<'a, str>,
    /// How sure its name is; `None` where only the server knows it.
    pub(crate) named: Option<Named>,
    pub(crate) holds: Holds<'a>,
    /// Only the server's catalogue says that the column exists and is plain.
    pub(crate) by_catalogue: bool,
    /// `*` gives it a place that only the server's catalogue vouches for.
    pub(crate) unpinned: bool,
    /// The position in the relation, for the mismatch that the catalogue shows there.
    pub(crate) source: Option<(Rc<RelationInfo<'a>>, usize)>,
}

/// A relation of a scope.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// The alias, or the relation's own name.
    pub(crate) name: Option<&'a str>,
    /// The relation, when it has no alias and may be named with its schema.
    pub(crate) relation: Option<Rc<RelationInfo<'a>>>,
    pub(crate) columns: Rc<Vec<ScopeColumn<'a>>>,
    /// The name may qualify a column.
    pub(crate) relation_visible: bool,
    /// The columns may be named alone.
    pub(crate) columns_visible: bool,
    /// Visible to lateral items only, while the list is being read.
    pub(crate) lateral_only: bool,
    /// A lateral reference to it is allowed.
    pub(crate) lateral_ok: bool,
    /// A function whose columns are not known: any other name may be one.
    pub(crate) open: bool,
    /// `ctid`, `tableoid` and the like can be named.
    pub(crate) has_system_columns: bool,
    /// What messages about the whole row call it.
    pub(crate) row_path: Path<'a>,
}

/// The common table expressions visible at a place.
#[derive(Debug)]
pub(crate) struct Ctes<'s, 'a> {
    pub(crate) parent: Option<&'s Self>,
    pub(crate) list: Vec<CteInfo<'a>>,
}

#[derive(Debug)]
pub(crate) struct CteInfo<'a> {
    pub(crate) name: &'a str,
    /// `None` while its query has not been read.
    pub(crate) columns: Option<Rc<Vec<ScopeColumn<'a>>>>,
}

impl<'a> Ctes<'_, 'a> {
    pub(crate) fn find(&self, name: &str) -> Option<&CteInfo<'a>> {
        let mut level = Some(self);
        while let Some(ctes) = level {
            if let Some(cte) = ctes.list.iter().rev().find(|cte| cte.name == name) {
                return Some(cte);
            }
            level = ctes.parent;
        }
        None
    }
}

/// One query level.
#[derive(Debug)]
pub(crate) struct Scope<'s, 'a> {
    pub(crate) parent: Option<&'s Self>,
    pub(crate) ctes: &'s Ctes<'s, 'a>,
    pub(crate) items: Vec<Item<'a>>,
    /// Items that are visible to lateral items are visible now.
    pub(crate) lateral_active: bool,
}

/// What a single name was found to be.
#[derive(Debug)]
pub(crate) enum Found<'s, 'a> {
    Column(&'s ScopeColumn<'a>),
    /// A column that PostgreSQL gives to every table.
    System,
    /// Possibly a column of a function whose columns are not known.
    Open,
    Ambiguous,
    /// Found in an inner scope by the catalogue alone, while an outer scope has an encrypted
    /// column of this name.
    Shadows(ColumnId),
    Nothing,
}

const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "ctid", "xmin", "cmin", "xmax", "cmax"];

impl<'s, 'a> Scope<'s, 'a> {
    pub(crate) fn new(parent: Option<&'s Self>, ctes: &'s Ctes<'s, 'a>) -> Self {
        Self {
            parent,
            ctes,
            items: Vec::new(),
            lateral_active: false,
        }
    }

    fn reachable(&self, item: &Item<'a>) -> bool {
        !item.lateral_only || self.lateral_active
    }

    /// Looks a bare name up as a column (`colNameToVar`).
    pub(crate) fn column(&self, name: &str) -> Found<'_, 'a> {
        let mut level = Some(self);
        while let Some(scope) = level {
            let found = scope.own_column(name);
            let by_catalogue = match &found {
                Found::Nothing => {
                    level = scope.parent;
                    continue;
                }
                Found::Column(column) => column.by_catalogue,
                Found::Open | Found::System => true,
                Found::Ambiguous | Found::Shadows(_) => false,
            };
            if by_catalogue && let Some(outer) = scope.parent.and_then(|p| p.sealed_column(name)) {
                return Found::Shadows(outer);
            }
            return found;
        }
        Found::Nothing
    }

    /// Columns of sub-selects, CTEs and joins of a name that the catalogue alone hides: it says that
    /// a level within theirs has a plain column of the name.
    pub(crate) fn hidden_by_catalogue(&self, name: &str) -> Vec<TypeId> {
        let mut hidden = Vec::new();
        let mut level = Some(self);
        let mut found = false;
        while let Some(scope) = level {
            if found {
                let visible = scope.items.iter().filter(|item| item.columns_visible);
                for column in visible.flat_map(|item| item.columns.iter()) {
                    if column.name == name
                        && let Holds::Of(ty) = column.holds
                    {
                        hidden.push(ty);
                    }
                }
            } else {
                match scope.own_column(name) {
                    Found::Nothing => {}
                    Found::Column(ScopeColumn {
                        by_catalogue: true, ..
                    })
                    | Found::Open
                    | Found::System => found = true,
                    Found::Column(_) | Found::Ambiguous | Found::Shadows(_) => break,
                }
            }
            level = scope.parent;
        }
        hidden
    }

    /// Looks a bare name up in this level only.
    pub(crate) fn own_column(&self, name: &str) -> Found<'_, 'a> {
        let mut found = Found::Nothing;
        let mut open = false;
        for item in &self.items {
            if !item.columns_visible || !self.reachable(item) {
                continue;
            }
            open |= item.open;
            for column in item.columns.iter().filter(|column| column.name == name) {
                if !matches!(found, Found::Nothing) || !item.lateral_ok {
                    return Found::Ambiguous;
                }
                found = Found::Column(column);
            }
        }
        if matches!(found, Found::Nothing) {
            let system = self.items.iter().any(|item| {
                item.columns_visible && self.reachable(item) && item.has_system_columns
            });
            if system && SYSTEM_COLUMNS.contains(&name) {
                return Found::System;
            }
            if open {
                return Found::Open;
            }
        }
        found
    }

    /// An encrypted column of this name in this level or an outer one.
    fn sealed_column(&self, name: &str) -> Option<ColumnId> {
        let mut level = Some(self);
        while let Some(scope) = level {
            for item in scope.items.iter().filter(|item| item.columns_visible) {
                for column in item.columns.iter().filter(|column| column.name == name) {
                    if let Holds::Sealed(id) = column.holds {
                        return Some(id);
                    }
                }
            }
            level = scope.parent;
        }
        None
    }

    /// Looks a relation name up (`refnameNamespaceItem`): the item, or an error in words.
    pub(crate) fn relation(
        &self,
        schema: Option<&str>,
        name: &str,
    ) -> Result<Option<&Item<'a>>, &'static str> {
        let mut level = Some(self);
        while let Some(scope) = level {
            let mut matches = scope.items.iter().filter(|item| {
                let named = match (schema, &item.relation) {
                    (None, _) => item.name == Some(name),
                    (Some(schema), Some(relation)) => {
                        relation.schema == schema && relation.name == name
                    }
                    (Some(_), None) => false,
                };
                named && item.relation_visible && scope.reachable(item)
            });
            if let Some(item) = matches.next() {
                if matches.next().is_some() {
                    return Err("more than one relation here has that name");
                }
                if !item.lateral_ok {
                    return Err("it cannot be referred to from here");
                }
                return Ok(Some(item));
            }
            level = scope.parent;
        }
        Ok(None)
    }
}

impl<'a> Item<'a> {
    /// A column of this relation by name (`scanNSItemForColumn`).
    pub(crate) fn column(&self, name: &str) -> Found<'_, 'a> {
        let mut columns = self.columns.iter().filter(|column| column.name == name);
        match (columns.next(), columns.next()) {
            (Some(_), Some(_)) => Found::Ambiguous,
            (Some(column), None) => Found::Column(column),
            (None, _) if self.has_system_columns && SYSTEM_COLUMNS.contains(&name) => Found::System,
            (None, _) if self.open => Found::Open,
            (None, _) => Found::Nothing,
        }
    }
}
