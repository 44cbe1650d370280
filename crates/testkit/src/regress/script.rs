//! Cuts a psql script into statements and backslash commands, as psql reads it
//! ([PostgreSQL documentation, psql](https://www.postgresql.org/docs/15/app-psql.html)).

use std::collections::HashMap;

/// psql's variables.
pub type Variables = HashMap<String, Vec<u8>>;

/// A piece of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A text up to a semicolon at the top level, or up to the end of the script.
    Statement(Vec<u8>),
    /// A backslash command with the rest of its line. The text before it, if it was not ended, is
    /// still in the buffer: [`Script::take_buffer`].
    Command {
        /// Without the backslash.
        name: String,
        /// Untrimmed at its end only where it is the whole line.
        arguments: Vec<u8>,
    },
}

/// A script that is being read.
#[derive(Debug)]
pub struct Script {
    text: Vec<u8>,
    at: usize,
    buffer: Vec<u8>,
    parens: usize,
    /// Open `BEGIN`s and `CASE`s in the body of a routine.
    begins: usize,
    /// The first words of the statement, as far as they tell whether it has a body.
    words: Vec<String>,
}

impl Script {
    /// Reads from the beginning.
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        Self {
            text: text.into(),
            at: 0,
            buffer: Vec::new(),
            parens: 0,
            begins: 0,
            words: Vec::new(),
        }
    }

    /// The next piece. `standard_strings`: the session's `standard_conforming_strings`.
    pub fn next(&mut self, variables: &Variables, standard_strings: bool) -> Option<Piece> {
        while let Some(&byte) = self.text.get(self.at) {
            let rest = &self.text[self.at..];
            match byte {
                b'-' if rest.starts_with(b"--") => {
                    let end = rest.iter().position(|&b| b == b'\n');
                    self.keep(end.unwrap_or(rest.len()));
                }
                b'/' if rest.starts_with(b"/*") => self.keep(comment_len(rest)),
                b'\'' => {
                    let escapes = !standard_strings || self.prefixed_by(b'e');
                    self.keep(quoted_len(rest, b'\'', escapes));
                }
                b'"' => self.keep(quoted_len(rest, b'"', false)),
                b'$' if !self.continues_word() => self.keep(dollar_len(rest)),
                b':' => self.colon(variables),
                b'\\' => {
                    if let Some(piece) = self.backslash() {
                        return Some(piece);
                    }
                }
                b'(' => {
                    self.parens += 1;
                    self.keep(1);
                }
                b')' => {
                    self.parens = self.parens.saturating_sub(1);
                    self.keep(1);
                }
                b';' if self.parens == 0 && self.begins == 0 => {
                    self.at += 1;
                    let text = self.take_buffer();
                    if !is_blank(&text) {
                        return Some(Piece::Statement(text));
                    }
                }
                _ if is_word_start(byte) => self.word(),
                // Space before a statement is none of it.
                _ if byte.is_ascii_whitespace() && self.buffer.is_empty() => self.at += 1,
                _ => self.keep(1),
            }
        }
        let text = self.take_buffer();
        (!is_blank(&text)).then_some(Piece::Statement(text))
    }

    /// The text that no semicolon has ended.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.parens = 0;
        self.begins = 0;
        self.words.clear();
        std::mem::take(&mut self.buffer)
    }

    /// Takes out the lines behind the current one up to a line `\.`: the data of a COPY. The rest
    /// of the current line stays to be read.
    pub fn take_data(&mut self) -> Vec<u8> {
        let line_end = |from: usize, text: &[u8]| {
            text[from..]
                .iter()
                .position(|&b| b == b'\n')
                .map_or(text.len(), |at| from + at + 1)
        };
        let start = line_end(self.at, &self.text);
        let mut end = start;
        let mut data = Vec::new();
        while end < self.text.len() {
            let from = end;
            end = line_end(from, &self.text);
            let line = &self.text[from..end];
            if line.trim_ascii_end() == b"\\." {
                break;
            }
            data.extend_from_slice(line);
        }
        self.text.drain(start..end);
        data
    }

    fn keep(&mut self, len: usize) {
        let end = (self.at + len).min(self.text.len());
        self.buffer.extend_from_slice(&self.text[self.at..end]);
        self.at = end;
    }

    /// Whether a letter stands directly before, as a word of its own.
    fn prefixed_by(&self, letter: u8) -> bool {
        let mut before = self.buffer.iter().rev();
        before
            .next()
            .is_some_and(|b| b.eq_ignore_ascii_case(&letter))
            && !before.next().copied().is_some_and(is_word_part)
    }

    fn continues_word(&self) -> bool {
        self.buffer.last().copied().is_some_and(is_word_part)
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let len = rest.iter().take_while(|&&b| is_word_part(b)).count();
        let word = String::from_utf8_lossy(&rest[..len]).to_ascii_lowercase();
        self.keep(len);
        if self.words.len() < 4 {
            self.words.push(word.clone());
        }
        if self.parens > 0 || !self.may_have_body() {
            return;
        }
        // `BEGIN` opens the body; inside of it, `CASE` and `BEGIN` are ended by an `END` each.
        match word.as_str() {
            "begin" => self.begins += 1,
            "case" if self.begins > 0 => self.begins += 1,
            "end" => self.begins = self.begins.saturating_sub(1),
            _ => {}
        }
    }

    /// `CREATE [OR REPLACE] FUNCTION` and `PROCEDURE`.
    fn may_have_body(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        matches!(
            words.as_slice(),
            ["create", "function" | "procedure", ..]
                | ["create", "or", "replace", "function" | "procedure"]
        )
    }

    fn colon(&mut self, variables: &Variables) {
        let rest = &self.text[self.at..];
        if rest.starts_with(b"::") || rest.starts_with(b":=") {
            self.keep(2);
            return;
        }
        match reference(rest, variables) {
            Some((len, value)) => {
                self.buffer.extend_from_slice(&value);
                self.at += len;
            }
            None => self.keep(1),
        }
    }

    fn backslash(&mut self) -> Option<Piece> {
        let rest = &self.text[self.at + 1..];
        match rest.first() {
            Some(b';') => {
                // Ends a statement without sending it.
                self.buffer.push(b';');
                self.at += 2;
                return None;
            }
            Some(b'\\') => {
                self.at += 2;
                return None;
            }
            _ => {}
        }
        let len = rest
            .iter()
            .take_while(|b| !b.is_ascii_whitespace() && **b != b'\\')
            .count();
        let name = String::from_utf8_lossy(&rest[..len]).into_owned();
        let rest = &rest[len..];
        let line = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let end = if matches!(name.as_str(), "!" | "copy") {
            line
        } else {
            next_command(&rest[..line])
        };
        let arguments = rest[..end].trim_ascii().to_vec();
        self.at += 1 + len + end;
        Some(Piece::Command { name, arguments })
    }
}

/// Where a further backslash command begins on a line.
fn next_command(line: &[u8]) -> usize {
    let mut quote = None;
    for (at, &byte) in line.iter().enumerate() {
        match (quote, byte) {
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'\\') => return at,
            _ => {}
        }
    }
    line.len()
}

/// A reference to a variable at the start of a text: its length and what it stands for.
pub(super) fn reference(text: &[u8], variables: &Variables) -> Option<(usize, Vec<u8>)> {
    let word = |text: &[u8]| {
        let len = text
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80)
            .count();
        (len > 0).then(|| String::from_utf8_lossy(&text[..len]).into_owned())
    };
    let rest = text.strip_prefix(b":")?;
    if let Some(inside) = rest.strip_prefix(b"{?") {
        let name = word(inside)?;
        let len = 3 + name.len();
        let known = if variables.contains_key(&name) {
            "TRUE"
        } else {
            "FALSE"
        };
        return (text.get(len) == Some(&b'}')).then(|| (len + 1, known.into()));
    }
    if let Some(&quote @ (b'\'' | b'"')) = rest.first() {
        let name = word(&rest[1..])?;
        let len = 2 + name.len();
        if text.get(len) != Some(&quote) {
            return None;
        }
        let value = variables.get(&name)?;
        let mut quoted = vec![quote];
        for &byte in value {
            if byte == quote {
                quoted.push(quote);
            }
            quoted.push(byte);
        }
        quoted.push(quote);
        return Some((len + 1, quoted));
    }
    let name = word(rest)?;
    let value = variables.get(&name)?;
    Some((1 + name.len(), value.clone()))
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Whether a text has nothing but space and comments.
pub(super) fn is_blank(text: &[u8]) -> bool {
    without_comments(text).is_empty()
}

/// A text without the space and the comments in front of it.
pub fn without_comments(text: &[u8]) -> &[u8] {
    let mut rest = text.trim_ascii_start();
    loop {
        let len = if rest.starts_with(b"--") {
            rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            comment_len(rest)
        } else {
            return rest;
        };
        rest = rest[len..].trim_ascii_start();
    }
}

fn comment_len(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn quoted_len(text: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote => {
                if text.get(at + 1) != Some(&quote) {
                    return at + 1;
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a dollar-quoted string, or of the dollar sign that begins none.
fn dollar_len(text: &[u8]) -> usize {
    let tag = text[1..]
        .iter()
        .position(|&b| !(is_word_part(b) && b != b'$'))
        .map_or(text.len(), |at| at + 1);
    let opens = text.get(tag) == Some(&b'$') && !text[1..].first().is_some_and(u8::is_ascii_digit);
    if !opens {
        return 1;
    }
    let delimiter = &text[..=tag];
    text[delimiter.len()..]
        .windows(delimiter.len())
        .position(|window| window == delimiter)
        .map_or(text.len(), |at| at + 2 * delimiter.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        let mut variables = Variables::new();
        variables.insert("v".into(), b"it's".to_vec());
        let mut script = Script::new(text);
        let mut found = Vec::new();
        while let Some(piece) = script.next(&variables, true) {
            found.push(match piece {
                Piece::Statement(text) => String::from_utf8(text).unwrap(),
                Piece::Command { name, arguments } => {
                    let buffer = String::from_utf8(script.take_buffer()).unwrap();
                    let arguments = String::from_utf8(arguments).unwrap();
                    format!("{buffer}|{name}|{arguments}")
                }
            });
        }
        found
    }

    #[test]
    fn semicolons_end_statements_at_the_top_level_only() {
        for (text, expected) in [
            ("SELECT 1; SELECT 2", vec!["SELECT 1", "SELECT 2"]),
            (
                "SELECT ';', E'\\';', \";\" -- ;\n;",
                vec!["SELECT ';', E'\\';', \";\" -- ;\n"],
            ),
            ("SELECT 'a\\'; SELECT 2;", vec!["SELECT 'a\\'", "SELECT 2"]),
            (
                "/* ; /* ; */ ; */ SELECT $$;$$, $a$;$$;$a$;",
                vec!["/* ; /* ; */ ; */ SELECT $$;$$, $a$;$$;$a$"],
            ),
            ("DO INSTEAD (a; b);", vec!["DO INSTEAD (a; b)"]),
            (
                "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; c; END; BEGIN; END;",
                vec![
                    "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; c; END",
                    "BEGIN",
                    "END",
                ],
            ),
            ("a \\; b;", vec!["a ; b"]),
            (";; -- nothing\n;", vec![]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn variables_are_replaced_outside_of_strings() {
        for (text, expected) in [
            (
                "SELECT :v, :'v', :\"v\", ':v', a::v, x[1:w];",
                "SELECT it's, 'it''s', \"it's\", ':v', a::v, x[1:w]",
            ),
            ("SELECT :{?v}, :{?w};", "SELECT TRUE, FALSE"),
        ] {
            assert_eq!(pieces(text), [expected], "{text}");
        }
    }

    #[test]
    fn commands_leave_the_buffer() {
        assert_eq!(
            pieces("SELECT 1 AS x \\gset p_\n\\pset null '\\N'\nSELECT 2 \\gset \\echo :x\n"),
            [
                "SELECT 1 AS x |gset|p_",
                "|pset|null '\\N'",
                "SELECT 2 |gset|",
                "|echo|:x"
            ]
        );
    }

    #[test]
    fn data_are_the_lines_behind() {
        let mut script = Script::new("COPY t FROM stdin; SELECT 1;\n1\\t;\n\\.\nSELECT 2;");
        let next = |script: &mut Script| script.next(&Variables::new(), true);
        let statement = |text: &str| Some(Piece::Statement(text.into()));
        assert_eq!(next(&mut script), statement("COPY t FROM stdin"));
        assert_eq!(script.take_data(), b"1\\t;\n");
        assert_eq!(next(&mut script), statement("SELECT 1"));
        assert_eq!(next(&mut script), statement("SELECT 2"));
        assert_eq!(next(&mut script), None);
    }
}
