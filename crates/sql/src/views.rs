//! What the definitions of views come to, kept from one text to the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealwire_core::catalogue::{CatalogueState, SessionFacts};
use sealwire_core::policy::ColumnId;

use crate::Context;
use crate::plan::Output;

/// A column of a view, and the encrypted columns that its cells come from.
pub(crate) type ViewOutput = (Output, Vec<ColumnId>);

/// The outputs of the definition of a view, or `None` when it names nothing protected.
pub(crate) type ViewOutputs = Option<Arc<[ViewOutput]>>;

/// The outputs of the views whose definitions were understood. They are those of one state of the
/// catalogue under one set of facts, and are forgotten with the first question under another: an
/// outdated answer would have values sealed for the wrong column, or not at all.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    state: CatalogueState,
    facts: SessionFacts,
    /// By the object identifier of the view: no more than the catalogue has.
    outputs: BTreeMap<u32, ViewOutputs>,
}

impl Views {
    /// What is kept for a context, everything else being forgotten.
    fn under(&self, context: &Context<'_>) -> MutexGuard<'_, Kept> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.state != *context.catalogue.state() || kept.facts != *context.facts {
            *kept = Kept {
                state: context.catalogue.state().clone(),
                facts: context.facts.clone(),
                outputs: BTreeMap::new(),
            };
        }
        kept
    }

    /// The outputs of a view, if its definition has been read under the same circumstances.
    pub(crate) fn known(&self, context: &Context<'_>, oid: u32) -> Option<ViewOutputs> {
        self.under(context).outputs.get(&oid).cloned()
    }

    /// Keeps what the definition of a view has come to.
    pub(crate) fn keep(&self, context: &Context<'_>, oid: u32, outputs: ViewOutputs) {
        self.under(context).outputs.insert(oid, outputs);
    }
}
