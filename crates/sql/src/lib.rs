//! Statement analysis: SQL text to a checked plan or a refusal.

mod plan;

pub use plan::{
    CheckedPlan, Edit, LiteralValue, Output, Param, Plan, Protocol, Refusal, RefusalKind,
    Replacement, Verdict,
};

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

/// Whether a text can name a protected relation (or, by the catalogue, a view over one, a
/// partition of one): one pass over the tokens, no tree. `false` is a proof that it does not.
pub fn mentions_protected(_text: &str, _context: &Context<'_>) -> bool {
    unimplemented!()
}

/// Whether a text may change what names mean to the session though its command tag does not say
/// so (`set_config`).
pub fn may_change_session(_text: &str) -> bool {
    unimplemented!()
}

/// Analyses one text.
pub fn analyse(_text: &str, _protocol: Protocol, _context: &Context<'_>) -> Verdict {
    unimplemented!()
}
