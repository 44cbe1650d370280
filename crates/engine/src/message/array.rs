//! Array values of parameters, in both wire formats, and the `bytea[]` that goes to the server.

use bytes::BufMut;
use sealwire_core::types::ScalarType;
use zeroize::Zeroizing;

use super::{Malformed, Reader};
use crate::catalogue::push_hex;

/// PostgreSQL's `MAXDIM`.
const DIMENSIONS_MAX: usize = 6;

/// Length and lower bound of one dimension.
type Dimension = (i32, i32);

/// An array with its elements in order; `None` is NULL.
pub(crate) struct Array {
    dimensions: Vec<Dimension>,
    pub(crate) elements: Vec<Option<Zeroizing<Vec<u8>>>>,
    /// The element type that the binary format names.
    pub(crate) element_oid: Option<u32>,
}

impl Array {
    /// Reads the binary format (`array_recv`).
    pub(crate) fn read_binary(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let count = usize::try_from(reader.i32()?).map_err(|_| Malformed)?;
        if count > DIMENSIONS_MAX || !matches!(reader.i32()?, 0 | 1) {
            return Err(Malformed);
        }
        let element_oid = Some(reader.u32()?);
        let mut dimensions = Vec::with_capacity(count);
        let mut total = usize::from(count > 0);
        for _ in 0..count {
            let dimension = (reader.i32()?, reader.i32()?);
            let len = usize::try_from(dimension.0).map_err(|_| Malformed)?;
            total = total.checked_mul(len).ok_or(Malformed)?;
            dimensions.push(dimension);
        }
        // Every element takes four bytes at least.
        if total > reader.rest().len() / 4 {
            return Err(Malformed);
        }
        let mut elements = Vec::with_capacity(total);
        for _ in 0..total {
            let element = reader.value()?;
            elements.push(element.map(|bytes| Zeroizing::new(bytes.to_vec())));
        }
        reader.end()?;
        Ok(Self {
            dimensions,
            elements,
            element_oid,
        })
    }

    /// Reads the text format (`array_in`) with the delimiter `,`.
    pub(crate) fn read_text(text: &[u8]) -> Result<Self, Malformed> {
        let mut parser = TextParser {
            rest: text.trim_ascii(),
            lengths: Vec::new(),
            elements: Vec::new(),
        };
        let bounds = parser.bounds()?;
        parser.level(0)?;
        if !parser.rest.trim_ascii().is_empty() {
            return Err(Malformed);
        }
        let mut lengths = parser.lengths;
        if parser.elements.is_empty() {
            lengths.clear();
        }
        let mut dimensions = Vec::with_capacity(lengths.len());
        for (at, len) in lengths.iter().enumerate() {
            let len = len.and_then(|len| i32::try_from(len).ok());
            let len = len.ok_or(Malformed)?;
            let lower = match bounds.get(at) {
                Some(&(lower, upper)) if i64::from(upper) - i64::from(lower) + 1 == len.into() => {
                    lower
                }
                None if bounds.is_empty() => 1,
                _ => return Err(Malformed),
            };
            dimensions.push((len, lower));
        }
        if bounds.len() > dimensions.len() && !dimensions.is_empty() {
            return Err(Malformed);
        }
        Ok(Self {
            dimensions,
            elements: parser.elements,
            element_oid: None,
        })
    }

    /// Appends a binary `bytea[]` of the same shape; `cells` are the elements.
    pub(crate) fn write_cells(&self, cells: &[Option<Vec<u8>>], out: &mut Vec<u8>) {
        self.write_binary(ScalarType::Bytea.oid(), cells, out);
    }

    /// Appends the binary format of an array of the same shape (`array_send`).
    pub(crate) fn write_binary(
        &self,
        element_oid: u32,
        elements: &[Option<impl AsRef<[u8]>>],
        out: &mut Vec<u8>,
    ) {
        let int = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        out.put_i32(int(self.dimensions.len()));
        out.put_i32(i32::from(elements.iter().any(Option::is_none)));
        out.put_u32(element_oid);
        for &(len, lower) in &self.dimensions {
            out.put_i32(len);
            out.put_i32(lower);
        }
        for element in elements {
            match element {
                None => out.put_i32(-1),
                Some(element) => {
                    let element = element.as_ref();
                    out.put_i32(int(element.len()));
                    out.put_slice(element);
                }
            }
        }
    }

    /// Appends a `bytea[]` of the same shape as text, to stand between single quotes.
    pub(crate) fn write_cells_text(&self, cells: &[Option<Vec<u8>>], out: &mut String) {
        let hex = |cell: &Vec<u8>| {
            let mut text = String::from("\\x");
            push_hex(&mut text, cell);
            text.into_bytes()
        };
        let cells: Vec<_> = cells.iter().map(|cell| cell.as_ref().map(hex)).collect();
        let mut text = Vec::new();
        self.write_text(&cells, &mut text);
        // Digits and punctuation.
        out.push_str(&String::from_utf8_lossy(&text));
    }

    /// Appends the text format of an array of the same shape (`array_out`).
    pub(crate) fn write_text(&self, elements: &[Option<impl AsRef<[u8]>>], out: &mut Vec<u8>) {
        if self.dimensions.iter().any(|&(_, lower)| lower != 1) {
            for &(len, lower) in &self.dimensions {
                // The server has checked that a bound fits.
                let upper = i64::from(lower) + i64::from(len) - 1;
                out.extend_from_slice(format!("[{lower}:{upper}]").as_bytes());
            }
            out.push(b'=');
        }
        let mut rest = elements;
        match self.dimensions.is_empty() {
            true => out.extend_from_slice(b"{}"),
            false => self.write_level(0, &mut rest, out),
        }
    }

    fn write_level<E: AsRef<[u8]>>(
        &self,
        depth: usize,
        rest: &mut &[Option<E>],
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        let len = self.dimensions.get(depth).map_or(0, |&(len, _)| len);
        for at in 0..len {
            if at > 0 {
                out.push(b',');
            }
            if depth + 1 < self.dimensions.len() {
                self.write_level(depth + 1, rest, out);
                continue;
            }
            let Some((first, after)) = rest.split_first() else {
                break;
            };
            *rest = after;
            match first {
                None => out.extend_from_slice(b"NULL"),
                Some(element) => write_element(element.as_ref(), out),
            }
        }
        out.push(b'}');
    }
}

/// Writes an element of a text array, quoted where `array_out` quotes it.
fn write_element(element: &[u8], out: &mut Vec<u8>) {
    let special = |b: &u8| {
        matches!(
            b,
            b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c
        )
    };
    let quoted =
        element.is_empty() || element.eq_ignore_ascii_case(b"NULL") || element.iter().any(special);
    if !quoted {
        out.extend_from_slice(element);
        return;
    }
    out.push(b'"');
    for &byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

struct TextParser<'a> {
    rest: &'a [u8],
    /// Length of each dimension, once known.
    lengths: Vec<Option<usize>>,
    elements: Vec<Option<Zeroizing<Vec<u8>>>>,
}

impl TextParser<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
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

    fn integer(&mut self) -> Result<i32, Malformed> {
        let is_part = |b: &u8| b.is_ascii_digit() || matches!(b, b'+' | b'-');
        let len = self.rest.iter().take_while(|b| is_part(b)).count();
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        let text = str::from_utf8(digits).map_err(|_| Malformed)?;
        text.parse().map_err(|_| Malformed)
    }

    /// `[1:2][0:3]=` before the braces.
    fn bounds(&mut self) -> Result<Vec<(i32, i32)>, Malformed> {
        let mut bounds = Vec::new();
        while self.take(b'[') {
            let first = self.integer()?;
            bounds.push(if self.take(b':') {
                (first, self.integer()?)
            } else {
                (1, first)
            });
            if !self.take(b']') || bounds.len() > DIMENSIONS_MAX {
                return Err(Malformed);
            }
            self.skip_space();
        }
        if !bounds.is_empty() {
            if !self.take(b'=') {
                return Err(Malformed);
            }
            self.skip_space();
        }
        Ok(bounds)
    }

    /// One pair of braces; recursion ends at `DIMENSIONS_MAX`.
    fn level(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth >= DIMENSIONS_MAX || !self.take(b'{') {
            return Err(Malformed);
        }
        if self.lengths.len() == depth {
            // The first element has settled how many levels there are.
            if !self.elements.is_empty() {
                return Err(Malformed);
            }
            self.lengths.push(None);
        }
        let mut count = 0;
        self.skip_space();
        if !self.take(b'}') {
            loop {
                self.skip_space();
                if self.rest.first() == Some(&b'{') {
                    self.level(depth + 1)?;
                } else {
                    // An element must stand at the deepest level only.
                    if self.lengths.len() != depth + 1 {
                        return Err(Malformed);
                    }
                    let element = self.element()?;
                    self.elements.push(element);
                }
                count += 1;
                self.skip_space();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(Malformed);
                }
            }
        }
        match self.lengths[depth] {
            Some(len) if len != count => Err(Malformed),
            _ => {
                self.lengths[depth] = Some(count);
                Ok(())
            }
        }
    }

    fn element(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Malformed> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.rest.len().min(64)));
        if self.take(b'"') {
            loop {
                let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
                self.rest = rest;
                match byte {
                    b'"' => return Ok(Some(out)),
                    b'\\' => out.push(self.escaped()?),
                    _ => out.push(byte),
                }
            }
        }
        let mut quoted = false;
        // Length without trailing unescaped space.
        let mut end = 0;
        while let Some((&byte, rest)) = self.rest.split_first() {
            match byte {
                b',' | b'}' => break,
                b'{' | b'"' => return Err(Malformed),
                b'\\' => {
                    self.rest = rest;
                    out.push(self.escaped()?);
                    quoted = true;
                    end = out.len();
                }
                _ => {
                    self.rest = rest;
                    out.push(byte);
                    if !byte.is_ascii_whitespace() {
                        end = out.len();
                    }
                }
            }
        }
        out.truncate(end);
        if out.is_empty() {
            return Err(Malformed);
        }
        let null = !quoted && out.eq_ignore_ascii_case(b"NULL");
        Ok((!null).then_some(out))
    }

    fn escaped(&mut self) -> Result<u8, Malformed> {
        let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Vec<Option<String>> {
        let array = Array::read_text(text.as_bytes()).unwrap_or_else(|_| panic!("{text}"));
        let string = |bytes: &Zeroizing<Vec<u8>>| String::from_utf8(bytes.to_vec()).unwrap();
        array
            .elements
            .iter()
            .map(|e| e.as_ref().map(string))
            .collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[Option<&str>], dimensions: &[Dimension]) {
        let expected: Vec<_> = expected.iter().map(|e| e.map(str::to_owned)).collect();
        assert_eq!(elements(text), expected, "{text}");
        let array = Array::read_text(text.as_bytes()).ok();
        assert_eq!(array.map(|a| a.dimensions).as_deref(), Some(dimensions));
    }

    #[test]
    fn text_arrays_read_as_the_server_reads_them() {
        check("{}", &[], &[]);
        check(" { a , b } ", &[Some("a"), Some("b")], &[(2, 1)]);
        check(
            r#"{NULL,"NULL",null,nUl\l}"#,
            &[None, Some("NULL"), None, Some("nUll")],
            &[(4, 1)],
        );
        check(
            r#"{"a,b","c\"d","",x\,y,é}"#,
            &[Some("a,b"), Some("c\"d"), Some(""), Some("x,y"), Some("é")],
            &[(5, 1)],
        );
        check(
            "{{a,b},{c,d}}",
            &[Some("a"), Some("b"), Some("c"), Some("d")],
            &[(2, 1), (2, 1)],
        );
        check("[0:1]={a,b}", &[Some("a"), Some("b")], &[(2, 0)]);
    }

    #[test]
    fn malformed_text_arrays_are_refused() {
        for text in [
            "",
            "a",
            "{",
            "{a",
            "{a,}",
            "{,a}",
            "{a}b",
            "{\"a",
            "{a\\",
            "{{a},{b,c}}",
            "{a,{b}}",
            "{{a},b}",
            "[0:2]={a,b}",
            "[0:1]{a,b}",
            "{{{{{{{a}}}}}}}",
            "{a\"b\"}",
        ] {
            assert!(Array::read_text(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn binary_arrays_round_trip_into_cells() {
        let array = Array::read_text(b"{{a,NULL}}").ok().unwrap();
        let mut bytes = Vec::new();
        array.write_cells(&[Some(vec![1, 2]), None], &mut bytes);
        let back = Array::read_binary(&bytes).ok().unwrap();
        assert_eq!(back.element_oid, Some(17));
        assert_eq!(back.dimensions, [(1, 1), (2, 1)]);
        assert_eq!(back.elements.len(), 2);
        assert!(back.elements[1].is_none());
        for cut in 0..bytes.len() {
            assert!(Array::read_binary(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn text_arrays_are_written_as_the_server_writes_them() {
        for text in [
            "{}",
            "{a,b}",
            r#"{NULL,"NULL","","a b","c\"d","e\\\\f",é,"{g}","h,i"}"#,
            "{{a,b},{c,d}}",
            "[0:1]={a,b}",
            "[2:2][-1:0]={{a,b}}",
        ] {
            let array = Array::read_text(text.as_bytes()).ok().unwrap();
            let mut out = Vec::new();
            array.write_text(&array.elements, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
        let array = Array::read_text(b"{a,NULL}").ok().unwrap();
        let mut out = String::new();
        array.write_cells_text(&[Some(vec![0x11, 0xab]), None], &mut out);
        assert_eq!(out, r#"{"\\x11ab",NULL}"#);
    }

    #[test]
    fn lying_dimensions_reserve_nothing() {
        let mut bytes = Vec::new();
        for number in [2, 0, 25, i32::MAX, 1, i32::MAX, 1] {
            bytes.put_i32(number);
        }
        assert!(Array::read_binary(&bytes).is_err());
    }
}
