//! The prepared statements and cursors of the session as SQL refers to them. SQL and the protocol
//! share one space of names for each.

use std::sync::Arc;

use sealwire_core::types::ScalarType;
use sealwire_sql::{Definition, Named, Names, Outputs, Param, Plan, plain_definitions};

use crate::analysis::Analysis;
use crate::slots::Slots;
use crate::statement::{Kind, Portal, Statement, Words};

/// What the session means by its names now.
#[derive(Debug)]
pub(crate) struct SessionNames<'s> {
    pub(crate) statements: &'s Slots<Arc<Statement>>,
    pub(crate) portals: &'s Slots<Arc<Portal>>,
}

impl SessionNames<'_> {
    /// Whether there are none, so that no text can refer to one.
    pub(crate) fn is_empty(&self) -> bool {
        let planned = |name: &[u8], statement: &Arc<Statement>| {
            !name.is_empty() && matches!(statement.kind, Kind::Planned(_) | Kind::Failed(_))
        };
        let cursor =
            |name: &[u8], portal: &Arc<Portal>| !name.is_empty() && portal.prepared().is_some();
        !self.statements.any(planned) && !self.portals.any(cursor)
    }
}

impl Names for SessionNames<'_> {
    fn prepared(&self, name: &str) -> Option<Named> {
        // The unnamed statement of the protocol has no name in SQL.
        if name.is_empty() {
            return None;
        }
        match &self.statements.get(name.as_bytes())?.kind {
            Kind::Planned(prepared) => Some(Named::Planned(Arc::clone(&prepared.plan))),
            Kind::Failed(_) => Some(Named::Failed),
            Kind::Risky | Kind::Plain(_) | Kind::Untouched => None,
        }
    }

    fn cursor(&self, name: &str) -> Option<Outputs> {
        if name.is_empty() {
            return None;
        }
        let portal = self.portals.get(name.as_bytes())?;
        portal.prepared()?.plan.statements.first().cloned()
    }
}

/// What a statement of a text does to the names once it has completed.
#[derive(Debug)]
pub(crate) enum NameChange {
    /// The statement of this name; `None` for one that means nothing to the session.
    Statement(String, Option<Arc<Statement>>),
    NoStatements,
    Cursor(String, Option<Arc<Portal>>),
    NoCursors,
}

/// The changes that a plan's definitions make, each with the position of its statement in `text`.
pub(crate) fn changes(text: &str, plan: &Plan, analysis: &Analysis) -> Vec<(usize, NameChange)> {
    changes_of(text, &plan.definitions, analysis)
}

/// The changes that a text without a plan makes, in the order in which the server says of each that it
/// has been made.
pub(crate) fn plain_changes(text: &str, analysis: &Analysis) -> Vec<(usize, NameChange)> {
    let definitions: Vec<_> = plain_definitions(text).into_iter().enumerate().collect();
    changes_of(text, &definitions, analysis)
}

/// Whether a command with this tag makes one of those.
pub(crate) fn is_plain_change(tag: &[u8]) -> bool {
    matches!(
        tag,
        b"PREPARE" | b"DEALLOCATE" | b"DEALLOCATE ALL" | b"DISCARD ALL"
    )
}

fn changes_of(
    text: &str,
    definitions: &[(usize, Definition)],
    analysis: &Analysis,
) -> Vec<(usize, NameChange)> {
    let epoch = analysis.epoch();
    let mut changes = Vec::with_capacity(definitions.len());
    for (at, definition) in definitions {
        let mut change = |change| changes.push((*at, change));
        match definition {
            Definition::Prepare { name, plan, range } => {
                let text = text.get(range.clone()).unwrap_or_default();
                let prepared = match plan {
                    Some(plan) => {
                        let plain_bytea = analysis.reads_plain_bytea(plan);
                        Statement::by_sql(text, Arc::clone(plan), plain_bytea, epoch)
                    }
                    None if analysis.mentions(text) => {
                        Statement::plain_by_sql(text, Kind::Untouched, epoch)
                    }
                    None => {
                        let kind = Kind::Plain(Words::of(text));
                        Statement::plain_by_sql("", kind, analysis.names_epoch())
                    }
                };
                change(NameChange::Statement(
                    name.clone(),
                    Some(Arc::new(prepared)),
                ));
            }
            Definition::Deallocate(Some(name)) => {
                change(NameChange::Statement(name.clone(), None));
            }
            Definition::Deallocate(None) => change(NameChange::NoStatements),
            Definition::Declare { name, plan, hold } => {
                let portal = plan
                    .as_ref()
                    .map(|plan| Arc::new(Portal::cursor(Arc::clone(plan), *hold, epoch)));
                change(NameChange::Cursor(name.clone(), portal));
            }
            Definition::Close(Some(name)) => change(NameChange::Cursor(name.clone(), None)),
            Definition::Close(None) => change(NameChange::NoCursors),
            Definition::DiscardAll => {
                change(NameChange::NoStatements);
                change(NameChange::NoCursors);
            }
            // A definition that is not known gives no name a meaning.
            _ => {}
        }
    }
    changes
}

/// The types that a plan's parameters are declared with to the server, where the client declares
/// these: `bytea` for a cell, whatever the client says.
pub(crate) fn declared_oids(plan: &Plan, client_oids: &[u32]) -> Vec<u32> {
    let mut declared = client_oids.to_vec();
    for (at, param) in plan.params.iter().enumerate() {
        let &Param::Sealed { array, .. } = param else {
            continue;
        };
        if declared.len() <= at {
            declared.resize(at + 1, 0);
        }
        declared[at] = match array {
            true => ScalarType::Bytea.array_oid(),
            false => ScalarType::Bytea.oid(),
        };
    }
    declared
}
