//! What the statements of a text have done to names, for the statements behind them.
//!
//! Names are resolved before anything of the text has run. A statement that may hold a value for
//! something protected must not stand behind one that lets a name of it mean something else.

use sealwire_core::catalogue::Relation;

use super::utility;
use crate::ir::{Action, Part, RelationRef, Statement, StatementKind, Table, TypeName, Utility};
use crate::matcher::Matcher;
use crate::parse::ALTER_TYPE;
use crate::relation::{Resolver, Stop};

/// What has changed so far.
#[derive(Debug, Default)]
pub(super) struct Changed<'t> {
    /// The first statement that may have changed what names mean, in words.
    pub(super) by: Option<&'static str>,
    made: Vec<Made<'t>>,
    /// Names that schemas have got.
    schemas: Vec<&'t str>,
    /// A type has cells by now that columns of any relation may be of.
    spreads: bool,
}

/// A relation that a statement has made of protected ones, or given a name.
#[derive(Debug)]
struct Made<'t> {
    name: &'t str,
    /// It may be partitioned by a column of cells.
    by_cells: bool,
}

impl<'t> Changed<'t> {
    /// What stands before a statement and may lead a name of it to something protected, if anything in
    /// the statement may be a value for that.
    pub(super) fn before(
        &self,
        statement: &Statement<'t>,
        has_values: bool,
        matcher: &Matcher,
        resolver: &mut Resolver<'_>,
    ) -> Result<Option<&'static str>, Stop> {
        let Some(what) = self.by else { return Ok(None) };
        let leads = utility::reads(&statement.kind)
            && (self.uses_made(statement)
                || has_values && (self.spreads || uses_made_types(statement, matcher, resolver))
                || self.may_lead(statement, matcher, resolver)?);
        Ok((leads || self.bounds_cells(&statement.kind, resolver)?).then_some(what))
    }

    /// Whether a statement names a relation that the text has made.
    pub(super) fn uses_made(&self, statement: &Statement<'t>) -> bool {
        let mut used = statement.relations.iter();
        used.any(|relation| self.made.iter().any(|made| made.name == relation.name))
    }

    /// Notes the types and functions that a statement makes of such that have to do with cells, and
    /// tells whether it gives a relation columns of them.
    fn name(
        &mut self,
        utility: &'t Utility<'t>,
        matcher: &Matcher,
        resolver: &mut Resolver<'_>,
    ) -> Result<bool, Stop> {
        let is_of = |ty: &TypeName<'t>, resolver: &Resolver<'_>| {
            ty.parts.iter().any(|part| {
                let name = part.text;
                resolver.made_types.iter().any(|made| made == name)
                    || matcher.is_function(name)
                    || matcher.is_type(name)
                    || matcher.is_name(name)
                    || self.made.iter().any(|made| made.name == name)
            })
        };
        let mut of = utility.types.of.iter();
        let holds = of.any(|ty| is_of(ty, resolver));
        let mut columns = false;
        for ty in utility.new_types() {
            columns |= resolver.named_type(ty)?.is_some() || is_of(ty, resolver);
        }
        self.spreads |= columns && utility.what == ALTER_TYPE;
        if holds {
            let makes = utility.types.makes.iter().cloned();
            resolver.made_types.extend(makes);
        }
        Ok(columns)
    }

    /// Notes what a statement makes. `protected`: as its names were read, it names something protected.
    pub(super) fn make(
        &mut self,
        statement: &'t Statement<'t>,
        protected: bool,
        matcher: &Matcher,
        resolver: &mut Resolver<'_>,
    ) -> Result<(), Stop> {
        let StatementKind::Utility(utility) = &statement.kind else {
            return Ok(());
        };
        if let Action::RenameSchema { new } = &utility.action {
            self.schemas.push(new);
        }
        let holds_cells = self.name(utility, matcher, resolver)?;
        if let Action::Define { table, .. } = &utility.action
            && holds_cells
        {
            self.made.push(Made {
                name: table.name.text,
                by_cells: true,
            });
        }
        let uses_made = self.uses_made(statement);
        let leads = self.by.is_some() && self.may_lead(statement, matcher, resolver)?;
        if utility.makes.is_empty() || !(uses_made || leads || protected) {
            return Ok(());
        }
        let by_cells = match &utility.action {
            Action::Rename { table, .. } => self.is_by_cells(table, resolver)?,
            // Of the columns of what the text itself has made, nothing is known.
            _ => uses_made || leads,
        };
        let names = utility.makes.iter();
        self.made.extend(names.map(|name| Made { name, by_cells }));
        Ok(())
    }

    /// Whether a name of a statement may mean something protected by now, in another schema than it
    /// did.
    fn may_lead(
        &self,
        statement: &Statement<'t>,
        matcher: &Matcher,
        resolver: &mut Resolver<'_>,
    ) -> Result<bool, Stop> {
        for RelationRef { schema, name } in &statement.relations {
            let is_moved = schema.is_some_and(|schema| self.schemas.contains(&schema));
            if is_moved && matcher.is_name(name) {
                return Ok(true);
            }
            if schema.is_none() && !resolver.others(None, name)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a statement bounds a partition of what may be partitioned by a column of cells by now.
    fn bounds_cells(
        &self,
        kind: &StatementKind<'t>,
        resolver: &mut Resolver<'_>,
    ) -> Result<bool, Stop> {
        let StatementKind::Utility(utility) = kind else {
            return Ok(false);
        };
        let Action::Define {
            table,
            parts,
            creates,
        } = &utility.action
        else {
            return Ok(false);
        };
        if !parts.iter().any(|part| matches!(part, Part::Bound { .. })) {
            return Ok(false);
        }
        let parents = creates.as_deref();
        for parent in parents.unwrap_or(std::slice::from_ref(table)) {
            if self.is_by_cells(parent, resolver)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a name may mean a relation by now that is partitioned by a column of cells.
    fn is_by_cells(&self, table: &Table<'t>, resolver: &mut Resolver<'_>) -> Result<bool, Stop> {
        let (schema, name) = (table.schema.as_ref().map(|it| it.text), table.name.text);
        let mut made = self.made.iter().filter(|made| made.name == name);
        if made.any(|made| made.by_cells) {
            return Ok(true);
        }
        let mut candidates: Vec<&Relation> = resolver.found(schema, name).into_iter().collect();
        if schema.is_none_or(|schema| self.schemas.contains(&schema)) {
            candidates.extend(resolver.others(schema, name)?);
        }
        for relation in candidates {
            if resolver.cells_in_key(relation)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a statement calls a function that may take or return cells by now.
fn uses_made_types(statement: &Statement<'_>, matcher: &Matcher, resolver: &Resolver<'_>) -> bool {
    let made = &resolver.made_types;
    let is_of_cells =
        |name: &str| made.iter().any(|made| made == name) || matcher.is_function(name);
    // What is not understood has not been read to its end.
    let is_unread = matches!(statement.kind, StatementKind::Unsupported(_));
    let mut calls = statement.calls.iter();
    calls.any(|(function, _)| is_of_cells(function.name)) || is_unread && !made.is_empty()
}
