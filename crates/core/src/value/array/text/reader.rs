//! Reading the text format. PostgreSQL 17 reads it another way than the versions before: it
//! converts elements on the way, takes empty arrays inside of an array, and knows more numbers
//! that are no bounds.

use zeroize::Zeroizing;

use super::super::{
    Array, DIMENSIONS_MAX, Dimension, ELEMENTS_MAX, Element, count, too_many_elements,
};
use crate::value::wire::is_space;
use crate::value::{Settings, ValueError};

fn malformed() -> ValueError {
    ValueError::new("22P02", "malformed array literal")
}

pub(super) fn read<E: From<ValueError>>(
    text: &str,
    settings: &Settings,
    mut element: impl FnMut(&[u8]) -> Result<Element, E>,
) -> Result<Array, E> {
    let mut reader = Reader {
        rest: text.as_bytes(),
        since_17: settings.is_server_at_least(17),
    };
    let declared = reader.bounds()?;
    if reader.rest.first() != Some(&b'{') {
        return Err(malformed().into());
    }
    if reader.since_17 {
        return reader.convert(&declared, element);
    }
    let mut array = reader.scan(&declared)?;
    for value in array.elements.iter_mut().flatten() {
        *value = element(value)?;
    }
    Ok(array)
}

/// What stands between the braces, and they themselves.
enum Token {
    Open,
    Close,
    Delimiter,
    Element(Option<Element>),
}

/// What the token before was, to `ArrayCount`.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Open,
    Element,
    Close,
    /// A delimiter that an element stands before.
    ElementDelimiter,
    /// A delimiter that a closing brace stands before.
    LevelDelimiter,
}

struct Reader<'a> {
    rest: &'a [u8],
    since_17: bool,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        let blanks = self.rest.iter().take_while(|b| is_space(**b)).count();
        self.rest = &self.rest[blanks..];
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn too_many_dimensions(&self) -> ValueError {
        let message = match self.since_17 {
            true => "number of array dimensions exceeds the maximum allowed (6)",
            false => "number of array dimensions (7) exceeds the maximum allowed (6)",
        };
        ValueError::new("54000", message)
    }

    /// `[1:2][0:3]=` before the braces.
    fn bounds(&mut self) -> Result<Vec<Dimension>, ValueError> {
        let mut dimensions = Vec::new();
        self.skip_space();
        while self.take(b'[') {
            if dimensions.len() >= DIMENSIONS_MAX {
                return Err(self.too_many_dimensions());
            }
            let first = self.integer()?;
            let (lower, upper) = if self.take(b':') {
                (first, self.integer()?)
            } else {
                (1, first)
            };
            if !self.take(b']') {
                return Err(malformed());
            }
            if upper < lower {
                let message = "upper bound cannot be less than lower bound";
                return Err(ValueError::new("2202E", message));
            }
            let len = i64::from(upper) - i64::from(lower) + 1;
            let len = match i32::try_from(len) {
                _ if self.since_17 && upper == i32::MAX => {
                    return Err(ValueError::new("54000", "array upper bound is too large"));
                }
                Err(_) if self.since_17 => return Err(too_many_elements()),
                // No array is so long, so that it will not match.
                Err(_) => i32::MAX,
                Ok(len) => len,
            };
            dimensions.push(Dimension { len, lower });
            self.skip_space();
        }
        if !dimensions.is_empty() {
            if !self.take(b'=') {
                return Err(malformed());
            }
            self.skip_space();
        }
        Ok(dimensions)
    }

    fn integer(&mut self) -> Result<i32, ValueError> {
        let signs = usize::from(matches!(self.rest.first(), Some(b'+' | b'-')));
        let digits = self.rest[signs..].iter().take_while(|b| b.is_ascii_digit());
        let digits = digits.count();
        let (number, mut after) = self.rest.split_at(signs + digits);
        if self.since_17 && digits == 0 {
            return Err(malformed());
        }
        // `strtol`, which ends at the largest numbers.
        let is_negative = number.first() == Some(&b'-');
        let mut value: i64 = 0;
        for digit in &number[signs..] {
            let digit = i64::from(digit - b'0');
            let digit = if is_negative { -digit } else { digit };
            value = value.saturating_mul(10).saturating_add(digit);
        }
        if !self.since_17 {
            // `atoi` of whatever looks like a part of a number.
            let is_part = |b: &&u8| b.is_ascii_digit() || matches!(b, b'+' | b'-');
            let more = after.iter().take_while(is_part).count();
            after = &after[more..];
            if number.len() + more == 0 {
                return Err(malformed());
            }
            self.rest = after;
            let [_, _, _, _, low @ ..] = value.to_be_bytes();
            return Ok(i32::from_be_bytes(low));
        }
        self.rest = after;
        i32::try_from(value)
            .map_err(|_| ValueError::new("54000", "array bound is out of integer range"))
    }

    /// The braces as PostgreSQL 17 and later read them (`ReadArrayStr`).
    fn convert<E: From<ValueError>>(
        mut self,
        declared: &[Dimension],
        mut element: impl FnMut(&[u8]) -> Result<Element, E>,
    ) -> Result<Array, E> {
        // The length of each dimension, once one of its levels has been closed.
        let mut lengths: Vec<Option<i32>> = declared.iter().map(|d| Some(d.len)).collect();
        // How many dimensions there are is settled by the first element at the latest.
        let mut is_settled = !declared.is_empty();
        // What is in each of the levels that are open.
        let mut counts: Vec<i32> = Vec::new();
        let mut is_after_item = false;
        let mut elements = Vec::new();
        loop {
            match self.token()? {
                Token::Open if is_after_item => return Err(malformed().into()),
                Token::Open => {
                    if counts.len() >= DIMENSIONS_MAX {
                        return Err(self.too_many_dimensions().into());
                    }
                    counts.push(0);
                    if counts.len() > lengths.len() {
                        if is_settled {
                            return Err(malformed().into());
                        }
                        lengths.push(None);
                    }
                }
                Token::Close => {
                    let count = counts.pop().ok_or_else(malformed)?;
                    if count > 0 && !is_after_item {
                        return Err(malformed().into());
                    }
                    let length = lengths.get_mut(counts.len()).ok_or_else(malformed)?;
                    if *length.get_or_insert(count) != count {
                        return Err(malformed().into());
                    }
                    is_after_item = true;
                    match counts.last_mut() {
                        Some(outer) => *outer += 1,
                        None => break,
                    }
                }
                Token::Delimiter if is_after_item => is_after_item = false,
                Token::Element(bytes) if !is_after_item => {
                    if elements.len() >= ELEMENTS_MAX {
                        return Err(too_many_elements().into());
                    }
                    elements.push(bytes.map(|bytes| element(&bytes)).transpose()?);
                    is_settled = true;
                    is_after_item = true;
                    let is_deepest = counts.len() == lengths.len();
                    let count = counts.last_mut().filter(|_| is_deepest);
                    *count.ok_or_else(malformed)? += 1;
                }
                Token::Delimiter | Token::Element(_) => return Err(malformed().into()),
            }
        }
        self.end()?;
        Ok(array(elements, declared, &lengths)?)
    }

    /// The braces as PostgreSQL 16 and earlier look them through (`ArrayCount`). What they make of
    /// elements at unlike depths, an array with parts of it lost, is refused.
    fn scan(mut self, declared: &[Dimension]) -> Result<Array, ValueError> {
        let mut lengths: Vec<Option<i32>> = Vec::new();
        let mut counts: Vec<i32> = Vec::new();
        let mut before = Before::Nothing;
        let mut depths = None;
        let mut is_even = true;
        let mut elements = Vec::new();
        loop {
            before = match (self.token()?, before) {
                (Token::Open, Before::Nothing | Before::Open | Before::LevelDelimiter) => {
                    if counts.len() >= DIMENSIONS_MAX {
                        return Err(self.too_many_dimensions());
                    }
                    counts.push(1);
                    if counts.len() > lengths.len() {
                        lengths.push(None);
                    }
                    Before::Open
                }
                (Token::Element(bytes), Before::Open | Before::ElementDelimiter) => {
                    is_even &= *depths.get_or_insert(counts.len()) == counts.len();
                    elements.push(bytes);
                    Before::Element
                }
                (Token::Delimiter, Before::Element | Before::Close) => {
                    if let Some(count) = counts.last_mut() {
                        *count += 1;
                    }
                    match before {
                        Before::Element => Before::ElementDelimiter,
                        _ => Before::LevelDelimiter,
                    }
                }
                (Token::Close, Before::Open) if counts.len() > 1 => return Err(malformed()),
                (Token::Close, Before::Open | Before::Element | Before::Close) => {
                    let count = counts.pop().ok_or_else(malformed)?;
                    let length = lengths.get_mut(counts.len()).ok_or_else(malformed)?;
                    if *length.get_or_insert(count) != count {
                        return Err(malformed());
                    }
                    if counts.is_empty() {
                        break;
                    }
                    Before::Close
                }
                _ => return Err(malformed()),
            };
        }
        self.end()?;
        if elements.is_empty() {
            lengths.clear();
        }
        let specified = declared.iter().map(|dimension| Some(dimension.len));
        if !is_even || !declared.is_empty() && !specified.eq(lengths.iter().copied()) {
            return Err(malformed());
        }
        let array = array(elements, declared, &lengths)?;
        count(&array.dimensions)?;
        Ok(array)
    }

    /// Only blanks may follow the last brace.
    fn end(mut self) -> Result<(), ValueError> {
        self.skip_space();
        match self.rest {
            [] => Ok(()),
            _ => Err(malformed()),
        }
    }

    fn token(&mut self) -> Result<Token, ValueError> {
        self.skip_space();
        let (&first, rest) = self.rest.split_first().ok_or_else(malformed)?;
        let token = match first {
            b'{' => Token::Open,
            b'}' => Token::Close,
            b',' => Token::Delimiter,
            b'"' => return self.quoted().map(|element| Token::Element(Some(element))),
            _ => return self.unquoted().map(Token::Element),
        };
        self.rest = rest;
        Ok(token)
    }

    /// A buffer with room for an element, so that no copy is left behind by a reallocation.
    fn buffer(&self) -> Element {
        let is_quoted = self.rest.first() == Some(&b'"');
        let mut is_escaped = false;
        let ends = |&byte: &u8| {
            let ends = match byte {
                _ if is_escaped => false,
                b'"' => true,
                b',' | b'}' => !is_quoted,
                _ => false,
            };
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        };
        let text = &self.rest[usize::from(is_quoted)..];
        let len = text.iter().position(ends).unwrap_or(text.len());
        Zeroizing::new(Vec::with_capacity(len))
    }

    fn quoted(&mut self) -> Result<Element, ValueError> {
        let mut out = self.buffer();
        self.take(b'"');
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' => out.push(self.byte()?),
                byte => out.push(byte),
            }
        }
        self.skip_space();
        match self.rest.first() {
            Some(b',' | b'}' | b'{') => Ok(out),
            _ => Err(malformed()),
        }
    }

    fn unquoted(&mut self) -> Result<Option<Element>, ValueError> {
        let mut out = self.buffer();
        let mut is_escaped = false;
        // Length without trailing unescaped space.
        let mut end = 0;
        loop {
            match self.rest.first() {
                Some(b',' | b'}') => break,
                Some(b'{' | b'"') | None => return Err(malformed()),
                Some(_) => {}
            }
            match self.byte()? {
                b'\\' => {
                    out.push(self.byte()?);
                    is_escaped = true;
                    end = out.len();
                }
                byte => {
                    out.push(byte);
                    if !is_space(byte) {
                        end = out.len();
                    }
                }
            }
        }
        out.truncate(end);
        let is_null = !is_escaped && out.eq_ignore_ascii_case(b"NULL");
        Ok((!is_null).then_some(out))
    }

    fn byte(&mut self) -> Result<u8, ValueError> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(malformed)?;
        self.rest = rest;
        Ok(byte)
    }
}

fn array(
    elements: Vec<Option<Element>>,
    declared: &[Dimension],
    lengths: &[Option<i32>],
) -> Result<Array, ValueError> {
    let mut dimensions = Vec::new();
    if !elements.is_empty() {
        for (at, len) in lengths.iter().enumerate() {
            dimensions.push(Dimension {
                len: len.ok_or_else(malformed)?,
                lower: declared.get(at).map_or(1, |dimension| dimension.lower),
            });
        }
    }
    Ok(Array {
        dimensions,
        elements,
        element_oid: None,
    })
}
