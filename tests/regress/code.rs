//! Code on the server that may have defined something, so that the layer has to look.

use std::collections::BTreeSet;

use sealwire_testkit::regress::script::without_comments;

/// The words with which code defines something.
const DEFINING: [&str; 3] = ["create", "alter", "drop"];

/// What the texts of a run have said of code.
#[derive(Debug, Default)]
pub(crate) struct Code {
    /// Functions whose code has one of the words.
    functions: BTreeSet<String>,
    /// Code has run since the layer looked last.
    ran: bool,
    /// It has run since the transaction began, whose end may undo what it did.
    ran_in_transaction: bool,
}

impl Code {
    pub(crate) fn ran(&self) -> bool {
        self.ran
    }

    /// The layer has looked.
    pub(crate) fn forget(&mut self) {
        self.ran = false;
    }

    /// Takes a text that has been sent.
    pub(crate) fn note(&mut self, sql: &[u8]) {
        let text = String::from_utf8_lossy(without_comments(sql)).to_lowercase();
        let words: Vec<&str> = text
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        // A definition that says `sealwire` may be one with a cells' type. The tests' database is
        // called so, too.
        let says_type = text.contains("sealwire");
        let runs = says_type
            || words
                .iter()
                .any(|word| matches!(*word, "do" | "call") || self.functions.contains(*word));
        self.ran |= runs;
        self.ran_in_transaction |= runs;
        if matches!(
            words.first(),
            Some(&("commit" | "end" | "rollback" | "abort"))
        ) {
            self.ran |= self.ran_in_transaction;
            self.ran_in_transaction = words.contains(&"to");
        }
        let routine = words
            .iter()
            .position(|word| matches!(*word, "function" | "procedure"));
        if let Some(at) = routine
            && words[..at].contains(&"create")
            && words[at..].iter().any(|word| DEFINING.contains(word))
        {
            // The name may have a schema before it.
            self.functions.extend(
                words
                    .iter()
                    .skip(at + 1)
                    .take(2)
                    .map(|word| (*word).to_owned()),
            );
        }
    }
}
