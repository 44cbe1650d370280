//! Statement analysis: SQL text to a checked plan or a refusal.

mod analyse;
mod held;
mod infer;
mod ir;
mod matcher;
mod parse;
mod plan;
mod refuse;
mod relation;
mod scope;
mod session;
mod splice;
mod types;
mod views;

#[cfg(test)]
extern crate self as sealwire_sql;

pub use matcher::{Matcher, Reading, folded};

pub use plan::{
    CheckedPlan, CopyColumn, CopyDirection, CopyFormat, CopyHeader, CopyStream, CopyText, Edit,
    LiteralValue, Output, Outputs, Param, Plan, Protocol, Refusal, RefusalKind, Replacement,
    Untyped, Verdict,
};
pub use relation::{Mismatch, MismatchKind, check_relation};
pub use session::{
    Definition, Executed, Named, Names, Naming, NoNames, executed_with_values, may_use_names,
    plain_definitions, prepared_names, uses_names,
};

use sealwire_core::catalogue::{Catalogue, SessionFacts};
use sealwire_core::policy::Policy;

use matcher::Word;

/// What names are resolved against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The authority.
    pub policy: &'a Policy,
    /// The server's rows.
    pub catalogue: &'a Catalogue,
    /// The session's search path and role.
    pub facts: &'a SessionFacts,
    /// The session's prepared statements and cursors.
    pub names: &'a (dyn Names + Sync),
    /// No transaction is open as the text starts: what a `COMMIT` in it takes back stands in it.
    pub idle: bool,
}

/// [`Matcher::mentions`] with a matcher built for this one text.
pub fn mentions_protected(text: &str, context: &Context<'_>) -> bool {
    Matcher::new(context.policy, context.catalogue).mentions(text)
}

/// Whether PostgreSQL's grammar, in any version from 13 on, treats a word as more than a name when
/// it is not quoted. No encrypted column or protected table should be called by such a word.
pub fn is_keyword(name: &str) -> bool {
    parse::is_keyword(name)
}

/// Shows each identifier and keyword of a text, folded and unescaped as PostgreSQL does, up to where
/// the text cannot be read.
pub fn words(text: &str, mut each: impl FnMut(&str)) {
    let _ = parse::each_word(text, |word| {
        if let Word::Name(word) | Word::Keyword(word) = word {
            each(word);
        }
        false
    });
}

/// Analyses one text, with a matcher built for it.
pub fn analyse(text: &str, protocol: Protocol, context: &Context<'_>) -> Verdict {
    let matcher = Matcher::new(context.policy, context.catalogue);
    analyse::text(text, protocol, context, &matcher)
}

/// [`analyse`] with the matcher of this policy and this state of the catalogue.
pub fn analyse_with(
    matcher: &Matcher,
    text: &str,
    protocol: Protocol,
    context: &Context<'_>,
) -> Verdict {
    analyse::text(text, protocol, context, matcher)
}
