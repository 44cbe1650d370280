//! Cutting a text into fields (`ParseDateTime`).

use super::{Fault, Reading};
use crate::value::wire::is_space;

/// `MAXDATEFIELDS`.
const FIELDS_MAX: usize = 25;
/// The buffer that the server copies fields into, each with a zero byte.
const BYTES_MAX: usize = 256;

/// What a field looks like; which is not yet what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Date,
    Time,
    /// A sign and digits, with points, colons and hyphens.
    Signed,
    Word,
}

/// A field, its letters in lower case.
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// Words behind which digits start a new field, because dates can have them too.
const DATE_WORDS: [&str; 7] = ["d", "dec", "h", "m", "mon", "s", "y"];

struct Cutter<'a> {
    rest: &'a [u8],
    text: String,
}

impl Cutter<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn peek_is(&self, test: impl Fn(u8) -> bool) -> bool {
        self.peek().is_some_and(test)
    }

    fn take_while(&mut self, test: impl Fn(u8) -> bool) {
        while let Some((&byte, rest)) = self.rest.split_first()
            && test(byte)
        {
            self.text.push(byte.to_ascii_lowercase().into());
            self.rest = rest;
        }
    }

    fn take_one(&mut self) {
        if let Some((&byte, rest)) = self.rest.split_first() {
            self.text.push(byte.to_ascii_lowercase().into());
            self.rest = rest;
        }
    }

    fn skip_space(&mut self) {
        let blanks = self.rest.iter().take_while(|b| is_space(**b)).count();
        self.rest = &self.rest[blanks..];
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

pub(super) fn cut(text: &str) -> Reading<Vec<Field>> {
    let mut cutter = Cutter {
        rest: text.as_bytes(),
        text: String::new(),
    };
    let mut fields = Vec::new();
    let mut bytes = 0;
    loop {
        cutter.skip_space();
        let Some(first) = cutter.peek() else {
            return Ok(fields);
        };
        let kind = match first {
            b'0'..=b'9' => number_or_date(&mut cutter),
            b'.' => {
                cutter.take_one();
                cutter.take_while(is_digit);
                Kind::Number
            }
            b'a'..=b'z' | b'A'..=b'Z' => word_or_date(&mut cutter),
            b'+' | b'-' => signed(&mut cutter)?,
            // Other punctuation is skipped, such as the `@` of the verbose form.
            _ if first.is_ascii_punctuation() => {
                cutter.rest = &cutter.rest[1..];
                continue;
            }
            _ => return Err(Fault::Format),
        };
        let text = std::mem::take(&mut cutter.text);
        bytes += text.len() + 1;
        if fields.len() >= FIELDS_MAX || bytes > BYTES_MAX {
            return Err(Fault::Format);
        }
        fields.push(Field { kind, text });
    }
}

fn number_or_date(cutter: &mut Cutter<'_>) -> Kind {
    cutter.take_while(is_digit);
    match cutter.peek() {
        Some(b':') => {
            cutter.take_while(|byte| is_digit(byte) || matches!(byte, b':' | b'.'));
            Kind::Time
        }
        Some(separator @ (b'-' | b'/' | b'.')) => {
            cutter.take_one();
            if !cutter.peek_is(is_digit) {
                cutter.take_while(|byte| byte.is_ascii_alphanumeric() || byte == separator);
                return Kind::Date;
            }
            cutter.take_while(is_digit);
            if cutter.peek() == Some(separator) {
                cutter.take_while(|byte| is_digit(byte) || byte == separator);
                return Kind::Date;
            }
            if separator == b'.' {
                Kind::Number
            } else {
                Kind::Date
            }
        }
        _ => Kind::Number,
    }
}

fn word_or_date(cutter: &mut Cutter<'_>) -> Kind {
    cutter.take_while(|byte| byte.is_ascii_alphabetic());
    let is_date = match cutter.peek() {
        Some(b'-' | b'/' | b'.') => true,
        Some(b'+' | b'0'..=b'9') => !DATE_WORDS.contains(&cutter.text.as_str()),
        _ => false,
    };
    if !is_date {
        return Kind::Word;
    }
    cutter.take_while(|byte| byte.is_ascii_alphanumeric() || b"+-/_.:".contains(&byte));
    Kind::Date
}

fn signed(cutter: &mut Cutter<'_>) -> Reading<Kind> {
    cutter.take_one();
    cutter.skip_space();
    if cutter.peek_is(|byte| is_digit(byte) || byte == b'.') {
        cutter.take_while(|byte| is_digit(byte) || matches!(byte, b':' | b'.' | b'-'));
        return Ok(Kind::Signed);
    }
    // A word with a sign is no unit.
    Err(Fault::Format)
}
