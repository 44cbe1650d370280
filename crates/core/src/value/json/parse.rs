//! JSON's grammar (RFC 8259) as PostgreSQL's lexer reads it. Nothing is copied: the tree borrows
//! numbers and the insides of strings, escapes included, from the text.

use crate::types::ScalarType;
use crate::value::ValueError;

/// Nesting that is read, in levels. PostgreSQL's limit depends on its stack; this one is far below.
const DEPTH_MAX: usize = 512;

/// A JSON value.
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    /// Between the quotes.
    String(&'a str),
    Array(Vec<Self>),
    /// Names as they stand between their quotes, in the text's order, duplicates included.
    Object(Vec<(&'a str, Self)>),
}

/// Malformed JSON, for `json` and `jsonb` alike.
pub(super) fn syntax() -> ValueError {
    ValueError::syntax(ScalarType::Json)
}

/// Reads one value and nothing else.
pub(super) fn document(text: &str) -> Result<Node<'_>, ValueError> {
    let mut parser = Parser { rest: text };
    let node = parser.value(0)?;
    parser.blanks();
    if parser.rest.is_empty() {
        Ok(node)
    } else {
        Err(syntax())
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes a token after blanks, if it is next.
    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, ValueError> {
        if depth > DEPTH_MAX {
            return Err(ValueError::new("54001", "stack depth limit exceeded"));
        }
        self.blanks();
        match self.rest.bytes().next() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Node::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(Node::Number(self.number()?)),
            _ if self.take("null") => Ok(Node::Null),
            _ if self.take("true") => Ok(Node::Bool(true)),
            _ if self.take("false") => Ok(Node::Bool(false)),
            _ => Err(syntax()),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node<'a>, ValueError> {
        let mut elements = Vec::new();
        if self.take("[") && self.take("]") {
            return Ok(Node::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.take("]") {
                return Ok(Node::Array(elements));
            }
            if !self.take(",") {
                return Err(syntax());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, ValueError> {
        let mut members = Vec::new();
        if self.take("{") && self.take("}") {
            return Ok(Node::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            if !self.take(":") {
                return Err(syntax());
            }
            members.push((name, self.value(depth + 1)?));
            if self.take("}") {
                return Ok(Node::Object(members));
            }
            if !self.take(",") {
                return Err(syntax());
            }
        }
    }

    /// A string, of which the form of the escapes is checked but not their meaning: `json` keeps
    /// escapes that `jsonb` cannot express.
    fn string(&mut self) -> Result<&'a str, ValueError> {
        let text = self.rest.strip_prefix('"').ok_or_else(syntax)?;
        let bytes = text.as_bytes();
        let mut at = 0;
        loop {
            at += match bytes.get(at..) {
                Some([b'"', ..]) => break,
                Some([b'\\', b'u', hex @ ..]) => {
                    let digits = hex.first_chunk::<4>().ok_or_else(syntax)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return Err(syntax());
                    }
                    6
                }
                Some(
                    [
                        b'\\',
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                        ..,
                    ],
                ) => 2,
                Some([0x20..=0x5b | 0x5d..=0xff, ..]) => 1,
                // A control character, another escape, or the end of the text.
                _ => return Err(syntax()),
            };
        }
        self.rest = &text[at + 1..];
        Ok(&text[..at])
    }

    fn number(&mut self) -> Result<&'a str, ValueError> {
        let bytes = self.rest.as_bytes();
        let digits_from = |at: usize| {
            bytes[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let mut end = usize::from(bytes.first() == Some(&b'-'));
        end += match (bytes.get(end), digits_from(end)) {
            (_, 0) => return Err(syntax()),
            (Some(b'0'), 2..) => return Err(syntax()),
            (_, digits) => digits,
        };
        if bytes.get(end) == Some(&b'.') {
            let digits = digits_from(end + 1);
            if digits == 0 {
                return Err(syntax());
            }
            end += 1 + digits;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let digits = digits_from(end + 1 + sign);
            if digits == 0 {
                return Err(syntax());
            }
            end += 1 + sign + digits;
        }
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(number)
    }
}
