//! Whether a text is well-formed XML content (XML 1.0, fifth edition, production 43).

use std::collections::HashSet;

use super::invalid;
use crate::value::ValueError;

/// Elements that may be open at once; the server's library has the same limit.
const DEPTH_MAX: usize = 256;

type Checked = Result<(), ValueError>;

fn ill_formed() -> ValueError {
    invalid("")
}

/// Production 2.
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Production 4.
fn is_name_start(c: char) -> bool {
    matches!(
        c,
        ':' | '_' | 'A'..='Z' | 'a'..='z'
            | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
            | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}'
            | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
            | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}'
    )
}

/// Production 4a.
pub(super) fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(
            c,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}'
        )
}

struct Checker<'a> {
    rest: &'a str,
    /// Names of the open elements.
    open: Vec<&'a str>,
}

/// Checks what follows the XML declaration.
pub(super) fn content(text: &str) -> Checked {
    if !text.chars().all(is_char) {
        return Err(ill_formed());
    }
    let mut checker = Checker {
        rest: text,
        open: Vec::new(),
    };
    while !checker.rest.is_empty() {
        checker.item()?;
    }
    if checker.open.is_empty() {
        Ok(())
    } else {
        Err(ill_formed())
    }
}

impl<'a> Checker<'a> {
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What precedes the delimiter, which is taken as well.
    fn until(&mut self, delimiter: &str) -> Result<&'a str, ValueError> {
        let (before, rest) = self.rest.split_once(delimiter).ok_or_else(ill_formed)?;
        self.rest = rest;
        Ok(before)
    }

    fn skip_space(&mut self) -> bool {
        let rest = super::skip_space(self.rest);
        let skipped = rest.len() < self.rest.len();
        self.rest = rest;
        skipped
    }

    fn name(&mut self) -> Result<&'a str, ValueError> {
        let len = match self.rest.chars().next() {
            Some(c) if is_name_start(c) => {
                let end = self.rest.find(|c| !is_name_char(c));
                end.unwrap_or(self.rest.len())
            }
            _ => return Err(ill_formed()),
        };
        let (name, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(name)
    }

    /// Text up to the next markup, or one piece of markup.
    fn item(&mut self) -> Checked {
        if self.take("<!--") {
            self.until("--")?;
            return if self.take(">") {
                Ok(())
            } else {
                Err(ill_formed())
            };
        }
        if self.take("<![CDATA[") {
            return self.until("]]>").map(|_| ());
        }
        if self.take("<?") {
            let target = self.name()?;
            let has_space = self.skip_space();
            let data = self.until("?>")?;
            let is_whole = has_space || data.is_empty();
            return if is_whole && !target.eq_ignore_ascii_case("xml") {
                Ok(())
            } else {
                Err(ill_formed())
            };
        }
        let doctype = self.rest.strip_prefix("<!DOCTYPE");
        if doctype.is_some_and(|rest| super::skip_space(rest) != rest) && self.open.is_empty() {
            return Err(ValueError::new(
                "0A000",
                "a document type declaration is not supported in xml of an encrypted column",
            ));
        }
        if self.take("</") {
            let name = self.name()?;
            self.skip_space();
            let closes = self.open.pop() == Some(name) && self.take(">");
            return if closes { Ok(()) } else { Err(ill_formed()) };
        }
        if self.take("<") {
            return self.element();
        }
        let end = self.rest.find('<').unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if text.contains("]]>") {
            return Err(ill_formed());
        }
        references(text)
    }

    /// A start tag or an empty element, behind its `<`.
    fn element(&mut self) -> Checked {
        let name = self.name()?;
        let mut attributes = HashSet::new();
        loop {
            let has_space = self.skip_space();
            if self.take("/>") {
                return Ok(());
            }
            if self.take(">") {
                if self.open.len() >= DEPTH_MAX {
                    return Err(ill_formed());
                }
                self.open.push(name);
                return Ok(());
            }
            if !has_space {
                return Err(ill_formed());
            }
            if !attributes.insert(self.name()?) {
                return Err(ill_formed());
            }
            self.skip_space();
            if !self.take("=") {
                return Err(ill_formed());
            }
            self.skip_space();
            let value = if self.take("\"") {
                self.until("\"")?
            } else if self.take("'") {
                self.until("'")?
            } else {
                return Err(ill_formed());
            };
            if value.contains('<') {
                return Err(ill_formed());
            }
            references(value)?;
        }
    }
}

/// The references of a text or of an attribute's value: to the five predefined entities and to
/// characters.
fn references(text: &str) -> Checked {
    let mut parts = text.split('&');
    parts.next();
    for part in parts {
        let (name, _) = part.split_once(';').ok_or_else(ill_formed)?;
        let is_known = match name.strip_prefix('#') {
            None => ["lt", "gt", "amp", "quot", "apos"].contains(&name),
            Some(number) => {
                let (digits, radix) = match number.strip_prefix('x') {
                    Some(hex) => (hex, 16),
                    None => (number, 10),
                };
                let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
                let code = u32::from_str_radix(digits, radix).ok();
                is_number && code.and_then(char::from_u32).is_some_and(is_char)
            }
        };
        if !is_known {
            return Err(ill_formed());
        }
    }
    Ok(())
}
