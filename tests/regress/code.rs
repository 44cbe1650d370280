//! Code on the server that may have defined something, so that the layer has to look.

use std::collections::BTreeSet;

/// The words with which code defines something.
const DEFINING: [&str; 3] = ["create", "alter", "drop"];

/// What the texts of a run have said of code.
#[derive(Debug, Default)]
pub(crate) struct Code {
    /// Functions whose code has one of the words.
    functions: BTreeSet<String>,
    /// Code has run since the layer looked last.
    ran: bool,
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
        let text = String::from_utf8_lossy(sql).to_lowercase();
        let words: Vec<&str> = text
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        self.ran |= words
            .iter()
            .any(|word| matches!(*word, "do" | "call") || self.functions.contains(*word));
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
