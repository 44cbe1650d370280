//! What psql does with a script: variables, conditions and the commands that send a query.

use std::collections::{BTreeMap, VecDeque};

use super::script::{Piece, Script, Variables, is_blank, reference};

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A text for the server.
    Run {
        /// The text.
        sql: Vec<u8>,
        /// What becomes of its result.
        then: Then,
    },
    /// A new connection in place of the present one.
    Reconnect,
}

/// What becomes of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// The columns of its one row are variables, with this prefix: [`Psql::set_row`].
    Set(String),
    /// Its fields are statements: [`Psql::push`].
    Execute,
}

/// Commands that send nothing to the server.
const SILENT: &[&str] = &[
    "a",
    "C",
    "echo",
    "errverbose",
    "f",
    "H",
    "p",
    "pset",
    "qecho",
    "r",
    "setenv",
    "t",
    "T",
    "timing",
    "unset",
    "warn",
    "x",
];

/// A branch of `\if`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    Taken,
    /// None has been taken so far.
    Open,
    /// One has been taken before, or the whole is within a branch that is not.
    Closed,
}

/// A script on its way through psql.
#[derive(Debug)]
pub struct Psql {
    script: Script,
    variables: Variables,
    environment: BTreeMap<String, String>,
    branches: Vec<Branch>,
    queue: VecDeque<Step>,
    last: Vec<u8>,
    left_out: BTreeMap<String, usize>,
}

impl Psql {
    /// Reads a script. `environment`: what `\getenv` finds.
    pub fn new(text: impl Into<Vec<u8>>, environment: BTreeMap<String, String>) -> Self {
        let mut variables = Variables::new();
        for name in ["HIDE_TABLEAM", "HIDE_TOAST_COMPRESSION"] {
            variables.insert(name.to_owned(), b"on".to_vec());
        }
        Self {
            script: Script::new(text),
            variables,
            environment,
            branches: Vec::new(),
            queue: VecDeque::new(),
            last: Vec::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.variables.insert(name.to_owned(), value.to_vec());
    }

    /// What was left out so far: how often, by command.
    pub fn left_out(&self) -> &BTreeMap<String, usize> {
        &self.left_out
    }

    /// The data behind a COPY that the server has begun to read.
    pub fn take_data(&mut self) -> Vec<u8> {
        self.script.take_data()
    }

    /// Puts a text in front of what is left.
    pub fn push(&mut self, sql: Vec<u8>) {
        let then = Then::Nothing;
        self.queue.push_back(Step::Run { sql, then });
    }

    /// Sets variables of a row; NULL unsets.
    pub fn set_row(&mut self, prefix: &str, row: &[(String, Option<Vec<u8>>)]) {
        for (name, value) in row {
            let name = format!("{prefix}{name}");
            match value {
                Some(value) => self.variables.insert(name, value.clone()),
                None => self.variables.remove(&name),
            };
        }
    }

    /// The next thing to do.
    pub fn next(&mut self, standard_strings: bool) -> Option<Step> {
        loop {
            if let Some(step) = self.queue.pop_front() {
                return Some(step);
            }
            match self.script.next(&self.variables, standard_strings)? {
                Piece::Statement(sql) if self.active() => {
                    self.last.clone_from(&sql);
                    self.push(sql);
                }
                Piece::Statement(_) => {}
                Piece::Command { name, arguments } => {
                    if self.condition(&name, &arguments) || !self.active() {
                        continue;
                    }
                    if matches!(name.as_str(), "q" | "quit") {
                        return None;
                    }
                    self.command(&name, &arguments);
                }
            }
        }
    }

    fn active(&self) -> bool {
        self.branches.iter().all(|branch| *branch == Branch::Taken)
    }

    /// Deals with `\if` and its family; returns whether it was one of them.
    fn condition(&mut self, name: &str, arguments: &[u8]) -> bool {
        let holds = || {
            let word = self.words(arguments).concat().to_ascii_lowercase();
            matches!(
                word.as_slice(),
                b"t" | b"true" | b"on" | b"1" | b"y" | b"yes"
            )
        };
        let branch = |holds| if holds { Branch::Taken } else { Branch::Open };
        match name {
            "if" if self.active() => {
                let branch = branch(holds());
                self.branches.push(branch);
            }
            "if" => self.branches.push(Branch::Closed),
            "elif" | "else" => {
                let holds = name == "else" || holds();
                if let Some(last) = self.branches.last_mut() {
                    *last = match last {
                        Branch::Open => branch(holds),
                        Branch::Taken | Branch::Closed => Branch::Closed,
                    };
                }
            }
            "endif" => {
                self.branches.pop();
            }
            _ => return false,
        }
        true
    }

    fn command(&mut self, name: &str, arguments: &[u8]) {
        match name {
            "g" | "gx" | "gset" | "gexec" | "crosstabview" | "watch" => {
                let mut sql = self.script.take_buffer();
                if is_blank(&sql) {
                    sql.clone_from(&self.last);
                }
                self.last.clone_from(&sql);
                let then = match name {
                    "gset" => Then::Set(String::from_utf8_lossy(arguments).into_owned()),
                    "gexec" => Then::Execute,
                    _ => Then::Nothing,
                };
                self.queue.push_back(Step::Run { sql, then });
            }
            "gdesc" => {
                self.last = self.script.take_buffer();
                self.leave_out(name);
            }
            "r" => {
                self.script.take_buffer();
            }
            "set" => {
                let words = self.words(arguments);
                if let Some((name, values)) = words.split_first() {
                    let name = String::from_utf8_lossy(name).into_owned();
                    self.variables.insert(name, values.concat());
                }
            }
            "unset" => {
                self.variables
                    .remove(String::from_utf8_lossy(arguments).as_ref());
            }
            "getenv" => {
                let words = self.words(arguments);
                if let [name, from] = words.as_slice()
                    && let Some(value) = self.environment.get(&*String::from_utf8_lossy(from))
                {
                    let name = String::from_utf8_lossy(name).into_owned();
                    self.variables.insert(name, value.clone().into_bytes());
                }
            }
            "encoding" => {
                if let Some(encoding) = self.words(arguments).first() {
                    self.push([b"SET client_encoding TO '", encoding.as_slice(), b"'"].concat());
                }
            }
            "copy" => {
                let lower = String::from_utf8_lossy(arguments).to_ascii_lowercase();
                let words: Vec<&str> = lower.split_ascii_whitespace().collect();
                let from_here = words.windows(2).any(|pair| pair == ["from", "stdin"])
                    || words.windows(2).any(|pair| pair == ["to", "stdout"]);
                if from_here {
                    self.push([b"COPY ", arguments].concat());
                } else {
                    self.leave_out(name);
                }
            }
            "c" | "connect" => {
                let words = self.words(arguments);
                let same = |word: Option<&Vec<u8>>| {
                    word.is_none_or(|word| word == b"-" || word == b"regression")
                };
                if !same(words.first()) {
                    self.leave_out("c DATABASE");
                    return;
                }
                self.queue.push_back(Step::Reconnect);
                if let Some(role) = words.get(1).filter(|role| *role != b"-") {
                    self.push([b"SET SESSION AUTHORIZATION ", role.as_slice()].concat());
                }
            }
            _ if SILENT.contains(&name) => {}
            _ if name.starts_with('d') => self.leave_out("d…"),
            _ => self.leave_out(name),
        }
    }

    fn leave_out(&mut self, name: &str) {
        *self.left_out.entry(format!("\\{name}")).or_default() += 1;
    }

    /// The words of arguments: quotes taken off, variables replaced.
    fn words(&self, arguments: &[u8]) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        let mut word: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(&byte) = arguments.get(at) {
            if byte.is_ascii_whitespace() {
                words.extend(word.take());
                at += 1;
                continue;
            }
            let word = word.get_or_insert_default();
            if byte == b'\'' {
                at += 1;
                while let Some(&byte) = arguments.get(at) {
                    at += 1;
                    match byte {
                        b'\'' if arguments.get(at) == Some(&b'\'') => {
                            word.push(b'\'');
                            at += 1;
                        }
                        b'\'' => break,
                        b'\\' => {
                            word.push(match arguments.get(at) {
                                Some(b'n') => b'\n',
                                Some(b't') => b'\t',
                                Some(&other) => other,
                                None => b'\\',
                            });
                            at += 1;
                        }
                        byte => word.push(byte),
                    }
                }
            } else if let Some((len, value)) = reference(&arguments[at..], &self.variables) {
                word.extend_from_slice(&value);
                at += len;
            } else {
                word.push(byte);
                at += 1;
            }
        }
        words.extend(word);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        let environment = BTreeMap::from([("DIR".to_owned(), "/d".to_owned())]);
        let mut psql = Psql::new(script, environment);
        let mut found = Vec::new();
        while let Some(step) = psql.next(true) {
            found.push(match step {
                Step::Run { sql, then } => {
                    if let Then::Set(prefix) = &then {
                        psql.set_row(prefix, &[("x".into(), Some(b"7".to_vec()))]);
                    }
                    String::from_utf8(sql).unwrap().trim().to_owned()
                }
                Step::Reconnect => "reconnect".into(),
            });
        }
        for (name, count) in psql.left_out() {
            found.push(format!("{name} {count}"));
        }
        found
    }

    #[test]
    fn variables_are_set_and_used() {
        assert_eq!(
            texts("\\getenv dir DIR\n\\set file :dir '/a b'\nCOPY t FROM :'file';"),
            ["COPY t FROM '/d/a b'"]
        );
        assert_eq!(
            texts("SELECT 7 AS x \\gset p_\nSELECT :p_x;"),
            ["SELECT 7 AS x", "SELECT 7"]
        );
    }

    #[test]
    fn branches_that_are_not_taken_are_read_over() {
        assert_eq!(
            texts(
                "\\set on 1\n\\if :on\nA;\n\\if 0\nB;\n\\else\nC;\n\\endif\n\\elif 1\nD;\n\\else\nE; \
                 \\quit\n\\endif\nF;"
            ),
            ["A", "C", "F"]
        );
    }

    #[test]
    fn commands_without_a_statement_are_counted() {
        assert_eq!(
            texts("\\d t\n\\d+ u\n\\pset null x\n\\c -\n\\c - me\n\\c other\n"),
            [
                "reconnect",
                "reconnect",
                "SET SESSION AUTHORIZATION me",
                "\\c DATABASE 1",
                "\\d… 2"
            ]
        );
    }
}
