//! The tokens of a text with their extents.

use std::borrow::Cow;

use rupg_sql::{Value, token};

use crate::matcher::{Word, is_folded};

/// What a token is, as far as the analyser asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lexeme<'t> {
    /// An identifier, folded, unescaped and truncated as PostgreSQL does.
    Ident(Cow<'t, str>),
    /// A keyword, in lower case.
    Keyword(&'static str),
    /// Any form of string constant.
    String,
    /// An integer or decimal constant.
    Number,
    /// `$n`.
    Param,
    /// A token of one ASCII character.
    Char(u8),
    /// `::`.
    Colons,
    /// Everything else.
    Other,
}

/// A token.
#[derive(Clone, Debug)]
pub(crate) struct Tok<'t> {
    pub(crate) lexeme: Lexeme<'t>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Tok<'_> {
    /// The text of an identifier or keyword.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.lexeme {
            Lexeme::Ident(text) => Some(text),
            Lexeme::Keyword(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_keyword(&self, word: &str) -> bool {
        matches!(self.lexeme, Lexeme::Keyword(keyword) if keyword == word)
    }

    pub(crate) fn is_char(&self, c: u8) -> bool {
        self.lexeme == Lexeme::Char(c)
    }
}

/// The tokens of one text, in order.
#[derive(Debug)]
pub(crate) struct Tokens<'t>(Vec<Tok<'t>>);

/// Reserved keywords that no supported version takes for a name without quotes, except after a dot
/// and after `AS`. Some can label a column without `AS`; a label is no reference either.
const RESERVED: [&str; 39] = [
    "all",
    "and",
    "array",
    "as",
    "asc",
    "case",
    "create",
    "default",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "fetch",
    "for",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "intersect",
    "into",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "returning",
    "select",
    "then",
    "to",
    "union",
    "using",
    "when",
    "where",
    "window",
    "with",
];

impl<'t> Tokens<'t> {
    /// Reads a text to its end, or says where it cannot be read, and why in the server's words.
    pub(crate) fn new(text: &'t str) -> Result<Self, (String, Option<usize>)> {
        let mut tokens = rupg_sql::Tokens::new(text);
        let mut list = Vec::with_capacity(text.len() / 4);
        loop {
            let token = tokens.next_token().map_err(|error| {
                // What is near may be a constant.
                let near = error.message.find(" at or near");
                let words = error.message.get(..near.unwrap_or(error.message.len()));
                (words.unwrap_or_default().to_owned(), error.location)
            })?;
            let lexeme = match (token.kind, token.value) {
                (0, _) => return Ok(Self(list)),
                (token::IDENT, Value::Text(word)) => Lexeme::Ident(word),
                (_, Value::Keyword(keyword)) => Lexeme::Keyword(keyword.name),
                (token::SCONST, _) => Lexeme::String,
                (token::ICONST | token::FCONST, _) => Lexeme::Number,
                (token::PARAM, _) => Lexeme::Param,
                (token::TYPECAST, _) => Lexeme::Colons,
                _ => match text.as_bytes().get(token.start..token.end) {
                    Some(&[c]) if rupg_sql::character(c) == Some(token.kind) => Lexeme::Char(c),
                    _ => Lexeme::Other,
                },
            };
            list.push(Tok {
                lexeme,
                start: token.start,
                end: token.end,
            });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Tok<'t>> {
        self.0.iter()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Tok<'t>> {
        self.0.get(index)
    }

    /// The index of the token that starts at a byte offset.
    pub(crate) fn index_at(&self, start: usize) -> Option<usize> {
        self.0.binary_search_by_key(&start, |tok| tok.start).ok()
    }

    /// Whether a word is a part of the grammar here whatever columns are called: `ORDER` and `FROM`,
    /// `key` of `FOR NO KEY UPDATE`, the field of `EXTRACT(day FROM …)`, `time zone`.
    pub(crate) fn is_grammar_word(&self, index: usize) -> bool {
        let keyword = |back: usize, words: &[&str]| {
            index
                .checked_sub(back)
                .and_then(|index| self.get(index))
                .is_some_and(|token| words.iter().any(|word| token.is_keyword(word)))
        };
        let opened = index
            .checked_sub(1)
            .and_then(|index| self.get(index))
            .is_some_and(|token| token.is_char(b'('));
        let names = index
            .checked_sub(1)
            .and_then(|index| self.get(index))
            .is_some_and(|token| token.is_char(b'.') || token.is_keyword("as"));
        (keyword(0, &RESERVED) && !names)
            || (opened && keyword(2, &["extract"]))
            || (keyword(0, &["key"]) && keyword(1, &["no", "for"]))
            || (keyword(0, &["zone"]) && keyword(1, &["time"]))
            || (keyword(0, &["time"]) && keyword(1, &["at", "with", "without"]))
    }

    /// The index of the `)` that closes the `(` at an index.
    pub(crate) fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (index, tok) in self.0.iter().enumerate().skip(open) {
            match tok.lexeme {
                Lexeme::Char(b'(') => depth += 1,
                Lexeme::Char(b')') => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The last such keyword between two parentheses, but not between others in them.
    pub(crate) fn last_at_depth_one(
        &self,
        open: usize,
        close: usize,
        word: &str,
    ) -> Option<&Tok<'t>> {
        let mut depth = 0usize;
        let mut found = None;
        for tok in self.0.get(open..close)? {
            match tok.lexeme {
                Lexeme::Char(b'(') => depth += 1,
                Lexeme::Char(b')') => depth = depth.checked_sub(1)?,
                _ if depth == 1 && tok.is_keyword(word) => found = Some(tok),
                _ => {}
            }
        }
        found
    }

    /// The index after the fields of an interval at an index, `day to second (3)`; the index itself
    /// where there are none.
    pub(crate) fn after_interval_fields(&self, start: usize) -> Option<usize> {
        const FIELDS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];
        let field = |at: usize| {
            self.get(at)
                .is_some_and(|tok| FIELDS.iter().any(|field| tok.is_keyword(field)))
        };
        if !field(start) {
            return Some(start);
        }
        let mut last = start;
        if self.get(start + 1).is_some_and(|tok| tok.is_keyword("to")) && field(start + 2) {
            last = start + 2;
        }
        let seconds = self.get(last).is_some_and(|tok| tok.is_keyword("second"));
        if seconds && self.get(last + 1).is_some_and(|tok| tok.is_char(b'(')) {
            return Some(self.closing(last + 1)? + 1);
        }
        Some(last + 1)
    }

    /// The index after the type name that starts at an index, as far as tokens tell; the caller
    /// checks what was found against the tree.
    pub(crate) fn after_type_name(&self, start: usize) -> Option<usize> {
        let keyword = |index: usize, words: &[&str]| {
            self.get(index)
                .is_some_and(|tok| words.iter().any(|word| tok.is_keyword(word)))
        };
        let char_at = |index: usize, c: u8| self.get(index).is_some_and(|tok| tok.is_char(c));
        let mut at = start;
        self.get(at)?.word()?;
        if keyword(at, &["double", "national"]) {
            at += 1;
        }
        if keyword(at, &["interval"]) {
            at = self.after_interval_fields(at + 1)?;
        } else {
            at += 1;
        }
        if keyword(at, &["varying"]) {
            at += 1;
        }
        while char_at(at, b'.') {
            at += 2;
        }
        if char_at(at, b'(') {
            at = self.closing(at)? + 1;
        }
        if keyword(at, &["with", "without"]) && keyword(at + 1, &["time"]) {
            at += 3;
        }
        if keyword(at, &["array"]) {
            at += 1;
        }
        while char_at(at, b'[') {
            at += 1;
            if !char_at(at, b']') {
                at += 1;
            }
            at += 1;
        }
        Some(at)
    }
}

/// Runs a test over the words and strings of a text until it says yes. Fails where the text cannot
/// be read.
pub(crate) fn each_word(
    text: &str,
    mut test: impl FnMut(Word<'_>) -> bool,
) -> Result<bool, Option<usize>> {
    let mut tokens = rupg_sql::Tokens::new(text);
    loop {
        let token = tokens.next_token().map_err(|error| error.location)?;
        let hit = match (token.kind, &token.value) {
            (0, _) => return Ok(false),
            (token::IDENT, Value::Text(text)) => test(Word::Name(text)),
            (token::SCONST, Value::Text(text)) => test(Word::String(text)),
            (_, Value::Keyword(keyword)) => test(Word::Keyword(keyword.name)),
            _ => false,
        };
        if hit {
            return Ok(true);
        }
    }
}

/// Whether a text has a name without quotes with letters that are not ASCII and that a server may
/// fold, as far as it can be read; what cannot be read may have one.
pub(crate) fn has_folded_name(text: &str) -> bool {
    let mut tokens = rupg_sql::Tokens::new(text);
    loop {
        let Ok(token) = tokens.next_token() else {
            return true;
        };
        match token.kind {
            0 => return false,
            token::IDENT => {
                let written = text.get(token.start..token.end).unwrap_or_default();
                if !written.ends_with('"') && written.chars().any(is_folded) {
                    return true;
                }
            }
            _ => {}
        }
    }
}

/// Whether a statement calls `set_config`.
pub(crate) fn calls_set_config(tokens: &Tokens<'_>, range: &std::ops::Range<usize>) -> bool {
    tokens
        .iter()
        .filter(|token| range.contains(&token.start))
        .any(|token| matches!(&token.lexeme, Lexeme::Ident(word) if word == "set_config"))
}
