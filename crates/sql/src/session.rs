//! What a session has given names to: prepared statements and cursors, as SQL refers to them.
//!
//! `EXECUTE q('x')` and `FETCH FROM c` name no relation. What their values and rows are is known from
//! the statement that made the name.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::matcher::Word;
use crate::parse::{Lexeme, Tok, Tokens, each_word};
use crate::plan::{CheckedPlan, Outputs};

/// A prepared statement.
#[derive(Clone, Debug)]
pub enum Named {
    /// It was planned; the plan is that of the statement itself, with one entry of outputs.
    Planned(Arc<CheckedPlan>),
    /// It was to be planned, or was refused, and was never prepared: no value must go to whatever
    /// else has the name.
    Failed,
}

/// The prepared statements and cursors that mean something to the analysis, by their names as the
/// server has them. A plain one need not be among them.
pub trait Names: fmt::Debug {
    /// The prepared statement of this name.
    fn prepared(&self, name: &str) -> Option<Named>;
    /// What the rows of the cursor of this name hold.
    fn cursor(&self, name: &str) -> Option<Outputs>;
}

/// No names: a session that has prepared nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn prepared(&self, _name: &str) -> Option<Named> {
        None
    }

    fn cursor(&self, _name: &str) -> Option<Outputs> {
        None
    }
}

/// What a statement of a text does to the session's names once it has run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Definition {
    /// `PREPARE`. `None`: a plain statement.
    Prepare {
        /// The name.
        name: String,
        /// The plan of the statement behind `AS`.
        plan: Option<Arc<CheckedPlan>>,
        /// The whole `PREPARE` in the text, for analysing it anew.
        range: Range<usize>,
    },
    /// `DEALLOCATE`; `None` for `ALL`.
    Deallocate(Option<String>),
    /// `DECLARE … CURSOR`.
    Declare {
        /// The name.
        name: String,
        /// A plan whose one entry of outputs says what its rows hold. `None`: a plain query.
        plan: Option<Arc<CheckedPlan>>,
        /// `WITH HOLD`: it survives the transaction.
        hold: bool,
    },
    /// `CLOSE`; `None` for `ALL`.
    Close(Option<String>),
    /// `DISCARD ALL`: every name goes.
    DiscardAll,
}

/// Words of the statements that use names.
const NAMING_WORDS: [&str; 8] = [
    "execute",
    "fetch",
    "move",
    "close",
    "declare",
    "deallocate",
    "prepare",
    "discard",
];

/// How statements begin that leave what names mean, save for the functions that they call.
const KEEPS_NAMES: [&str; 24] = [
    "select",
    "insert",
    "update",
    "delete",
    "merge",
    "with",
    "values",
    "table",
    "begin",
    "start",
    "savepoint",
    "release",
    "prepare",
    "execute",
    "deallocate",
    "declare",
    "fetch",
    "move",
    "close",
    "show",
    "explain",
    "lock",
    "truncate",
    "copy",
];

/// Whether a text has a word of a statement that uses or changes such names. `false` is a proof that
/// it has no such statement.
pub fn may_use_names(text: &str) -> bool {
    let read = each_word(
        text,
        |word| matches!(word, Word::Keyword(word) if is_naming_word(word)),
    );
    read.unwrap_or_else(|_| has_naming_word(text))
}

/// What a text may do with such names, by its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// It uses or changes one in any way: see [`may_use_names`].
    pub any: bool,
    /// It executes prepared statements: see [`executed_with_values`].
    pub executes: bool,
    /// It gives the names of prepared statements a meaning, or takes it: see [`plain_definitions`].
    pub defines: bool,
}

impl Naming {
    /// Anything.
    pub const UNKNOWN: Self = Self {
        any: true,
        executes: true,
        defines: true,
    };

    pub(crate) fn note(&mut self, keyword: &str) {
        if is_naming_word(keyword) {
            self.any = true;
            self.executes |= keyword == "execute";
            self.defines |= matches!(keyword, "prepare" | "deallocate" | "discard");
        }
    }
}

pub(crate) fn is_naming_word(keyword: &str) -> bool {
    NAMING_WORDS.contains(&keyword)
}

/// Whether such a word stands anywhere in a text that cannot be read.
pub(crate) fn has_naming_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    NAMING_WORDS.iter().any(|word| lower.contains(word))
}

/// Whether a text that [`may_use_names`] refers to one of these, or to all of them.
pub fn uses_names(text: &str, names: &dyn Names) -> bool {
    let is_name = |word: &str| names.prepared(word).is_some() || names.cursor(word).is_some();
    // `CLOSE ALL` and the like concern every name, `FETCH ALL` does not.
    let mut of_all = false;
    let read = each_word(text, |word| match word {
        Word::Name(word) => is_name(word),
        Word::Keyword(word) => {
            let concerns_all = of_all && word == "all";
            of_all = matches!(word, "close" | "deallocate" | "prepare" | "discard");
            concerns_all || is_name(word)
        }
        Word::String(_) => false,
    });
    // What cannot be read here cannot be read by the server either.
    read.unwrap_or(false)
}

/// The names that a text may prepare: each word behind `PREPARE`.
pub fn prepared_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut behind = false;
    // What cannot be read prepares nothing, neither here nor on the server.
    let _ = each_word(text, |word| {
        let (Word::Name(name) | Word::Keyword(name)) = word else {
            behind = false;
            return false;
        };
        if std::mem::take(&mut behind) {
            names.push(name.to_owned());
        } else {
            behind = matches!(word, Word::Keyword("prepare"));
        }
        false
    });
    names
}

/// What the statements of a text do to the names of prepared statements, in order, for a text that has
/// no plan. Each of them completes with a tag of its own kind.
pub fn plain_definitions(text: &str) -> Vec<Definition> {
    let mut definitions = Vec::new();
    let Ok(tokens) = Tokens::new(text) else {
        return definitions;
    };
    let word = |at: usize| tokens.get(at).and_then(Tok::word);
    let keyword = |at: usize, word| tokens.get(at).is_some_and(|tok| tok.is_keyword(word));
    let mut at = 0;
    while let Some(first) = tokens.get(at) {
        let end = tokens.iter().skip(at).position(|tok| tok.is_char(b';'));
        let end = end.map_or(tokens.len(), |count| at + count);
        if keyword(at, "prepare") {
            let is_transaction = keyword(at + 1, "transaction")
                && tokens
                    .get(at + 2)
                    .is_some_and(|tok| tok.lexeme == Lexeme::String);
            let last = tokens
                .get(end.saturating_sub(1))
                .map_or(first.end, |tok| tok.end);
            if let Some(name) = word(at + 1).filter(|_| !is_transaction) {
                definitions.push(Definition::Prepare {
                    name: name.to_owned(),
                    plan: None,
                    range: first.start..last,
                });
            }
        } else if keyword(at, "deallocate") {
            let says_prepare = keyword(at + 1, "prepare") && word(at + 2).is_some();
            let of = at + 1 + usize::from(says_prepare);
            if keyword(of, "all") {
                definitions.push(Definition::Deallocate(None));
            } else if let Some(name) = word(of) {
                definitions.push(Definition::Deallocate(Some(name.to_owned())));
            }
        } else if keyword(at, "discard") && keyword(at + 1, "all") {
            definitions.push(Definition::DiscardAll);
        }
        at = end + 1;
    }
    definitions
}

/// A prepared statement to which a text may give values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// Its name.
    pub name: String,
    /// A statement of the text stands before that may change what names mean.
    pub after_change: bool,
}

/// The prepared statements to which a text may give values: each behind `EXECUTE`, with an opening
/// parenthesis behind its name.
pub fn executed_with_values(text: &str) -> Vec<Executed> {
    let mut executed = Vec::new();
    let Ok(tokens) = Tokens::new(text) else {
        return executed;
    };
    let mut after_change = false;
    let (mut begins, mut changes) = (true, false);
    for (at, token) in tokens.iter().enumerate() {
        if token.is_char(b';') {
            after_change |= std::mem::take(&mut changes);
            begins = true;
            continue;
        }
        let is_open = |at| tokens.get(at).is_some_and(|tok| tok.is_char(b'('));
        if std::mem::take(&mut begins) && !is_open(at) {
            changes = !matches!(token.lexeme, Lexeme::Keyword(word) if KEEPS_NAMES.contains(&word));
        }
        let name = tokens.get(at + 1).and_then(Tok::word);
        if let Some(name) = name.filter(|_| token.is_keyword("execute") && is_open(at + 2)) {
            executed.push(Executed {
                name: name.to_owned(),
                after_change,
            });
        }
    }
    executed
}

/// The names as a text leaves them behind, statement by statement.
#[derive(Debug)]
pub(crate) struct Local<'n> {
    before: &'n (dyn Names + Sync),
    prepared: HashMap<String, Option<Named>>,
    cursors: HashMap<String, Option<Outputs>>,
    /// Nothing is left of the names before.
    prepared_cleared: bool,
    cursors_cleared: bool,
}

impl<'n> Local<'n> {
    pub(crate) fn new(before: &'n (dyn Names + Sync)) -> Self {
        Self {
            before,
            prepared: HashMap::new(),
            cursors: HashMap::new(),
            prepared_cleared: false,
            cursors_cleared: false,
        }
    }

    /// Whether a definition concerns the analysis: it gives a name a plan, or takes a meaning away. A
    /// plain statement under a name that means nothing is nobody's business.
    pub(crate) fn concerns(&self, definition: &Definition) -> bool {
        match definition {
            Definition::Prepare { plan: Some(_), .. }
            | Definition::Declare { plan: Some(_), .. } => true,
            Definition::Prepare { name, .. } | Definition::Deallocate(Some(name)) => {
                self.prepared(name).is_some()
            }
            Definition::Declare { name, .. } | Definition::Close(Some(name)) => {
                self.cursor(name).is_some()
            }
            Definition::Deallocate(None) | Definition::Close(None) | Definition::DiscardAll => true,
        }
    }

    /// Notes what a statement has done.
    pub(crate) fn apply(&mut self, definition: &Definition) {
        match definition {
            Definition::Prepare { name, plan, .. } => {
                let plan = plan.clone().map(Named::Planned);
                self.prepared.insert(name.clone(), plan);
            }
            Definition::Deallocate(Some(name)) => {
                self.prepared.insert(name.clone(), None);
            }
            Definition::Deallocate(None) => self.clear_prepared(),
            Definition::Declare { name, plan, .. } => {
                let outputs = plan.as_ref().and_then(|plan| plan.statements.first());
                self.cursors.insert(name.clone(), outputs.cloned());
            }
            Definition::Close(Some(name)) => {
                self.cursors.insert(name.clone(), None);
            }
            Definition::Close(None) => self.clear_cursors(),
            Definition::DiscardAll => {
                self.clear_prepared();
                self.clear_cursors();
            }
        }
    }

    fn clear_prepared(&mut self) {
        self.prepared.clear();
        self.prepared_cleared = true;
    }

    fn clear_cursors(&mut self) {
        self.cursors.clear();
        self.cursors_cleared = true;
    }
}

impl Names for Local<'_> {
    fn prepared(&self, name: &str) -> Option<Named> {
        match self.prepared.get(name) {
            Some(named) => named.clone(),
            None if self.prepared_cleared => None,
            None => self.before.prepared(name),
        }
    }

    fn cursor(&self, name: &str) -> Option<Outputs> {
        match self.cursors.get(name) {
            Some(outputs) => outputs.clone(),
            None if self.cursors_cleared => None,
            None => self.before.cursor(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::prepared_names;

    #[test]
    fn prepared_names_are_found_wherever_they_stand() {
        let text = "SELECT 'prepare x'; PREPARE q AS SELECT 1; prepare \"Q 2\" (int) AS SELECT $1";
        assert_eq!(prepared_names(text), ["q", "Q 2"]);
        assert_eq!(prepared_names("PREPARE"), Vec::<String>::new());
        assert_eq!(prepared_names("PREPARE prepare AS SELECT 1"), ["prepare"]);
    }
}
