//! Statement analysis: SQL text to a checked plan or a refusal.

mod plan;
mod relation;

pub use plan::{
    CheckedPlan, Edit, LiteralValue, Output, Outputs, Param, Plan, Protocol, Refusal, RefusalKind,
    Replacement, Verdict,
};
pub use relation::{Mismatch, MismatchKind, check_relation};

use sealwire_core::catalogue::{Catalogue, SessionFacts};
use sealwire_core::policy::Policy;

/// What names are resolved against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The authority.
    pub policy: &'a Policy,
    /// The server's rows.
    pub catalogue: &'a Catalogue,
    /// The session's search path and role.
    pub facts: &'a SessionFacts,
}

/// The names of the protected relations and of everything that the catalogue says depends on one
/// (partitions and children, views and materialised views, transitively). Build it once per policy
/// and state of the catalogue.
#[derive(Clone, Debug)]
pub struct Matcher {}

impl Matcher {
    /// Collects the names.
    pub fn new(_policy: &Policy, _catalogue: &Catalogue) -> Self {
        unimplemented!()
    }

    /// Whether a text can name one of them: one pass over the tokens, no tree. `false` is a proof
    /// that it does not, and the text may go out without [`analyse`].
    pub fn mentions(&self, _text: &str) -> bool {
        unimplemented!()
    }
}

/// [`Matcher::mentions`] with a matcher built for this one text.
pub fn mentions_protected(text: &str, context: &Context<'_>) -> bool {
    Matcher::new(context.policy, context.catalogue).mentions(text)
}

/// Whether a text may change what names mean to the session though its command tag does not say
/// so (`set_config`).
pub fn may_change_session(_text: &str) -> bool {
    unimplemented!()
}

/// Whether PostgreSQL's grammar, in any version from 13 on, treats a word as more than a name when
/// it is not quoted. No encrypted column or protected table should be called by such a word.
pub fn is_keyword(_name: &str) -> bool {
    unimplemented!()
}

/// Analyses one text.
pub fn analyse(_text: &str, _protocol: Protocol, _context: &Context<'_>) -> Verdict {
    unimplemented!()
}
