//! Statements that are not queries.

use super::{One, Outcome};
use crate::ir::{Action, StatementKind, Utility};
use crate::plan::RefusalKind;
use crate::refuse::{Finish, refuse};
use crate::relation::Stop;

/// The statement, in words, if a name may mean something else after it.
pub(super) fn changes_names(kind: &StatementKind) -> Option<&'static str> {
    match kind {
        StatementKind::Utility(utility) if utility.changes_names => Some(utility.what),
        StatementKind::Unsupported(_) => Some("a statement that is not understood"),
        _ => None,
    }
}

impl<'a> One<'a, '_, '_> {
    pub(super) fn utility(
        &mut self,
        utility: &'a Utility,
        protected: bool,
    ) -> Result<Outcome, Stop> {
        match &utility.action {
            Action::Refused { why, hint } => {
                let mentioned = self
                    .matcher
                    .mentions_between(self.tokens, &self.statement.range);
                if !(protected || mentioned) {
                    return Ok(Outcome::Untouched);
                }
                let mut refusal = refuse(
                    RefusalKind::UnsupportedConstruct,
                    format!("refusing to run {} on a protected relation", utility.what),
                )
                .detail(*why)
                .at(self.statement.range.start);
                refusal.hint = hint.map(str::to_owned);
                Err(refusal.into())
            }
            Action::Code { strings, tokens } => {
                let named = strings.iter().any(|code| self.matcher.in_code(code))
                    || *tokens
                        && self
                            .matcher
                            .mentions_between(self.tokens, &self.statement.range);
                if !named {
                    return Ok(Outcome::Untouched);
                }
                Err(refuse(
                    RefusalKind::UnsupportedConstruct,
                    format!(
                        "refusing to run {} whose code names a protected relation",
                        utility.what
                    ),
                )
                .detail("the server would run the code with values that were never sealed")
                .hint("send the statements of the code one by one")
                .at(self.statement.range.start)
                .into())
            }
            _ => Ok(Outcome::Untouched),
        }
    }
}
