//! The text format of arrays, with the delimiter `,`, as PostgreSQL 15 reads and writes it.

use zeroize::Zeroizing;

use super::{Array, DIMENSIONS_MAX, Dimension, count, too_many_dimensions};
use crate::value::ValueError;
use crate::value::wire::is_space;

fn malformed() -> ValueError {
    ValueError::new("22P02", "malformed array literal")
}

impl Array {
    /// Reads the text format (`array_in`) with the delimiter `,`.
    ///
    /// # Errors
    /// [`ValueError`] where the text is not an array, or one beyond PostgreSQL's limits.
    pub fn read_text(text: &[u8]) -> Result<Self, ValueError> {
        let mut parser = Parser {
            rest: text,
            lengths: Vec::new(),
            elements: Vec::new(),
        };
        let bounds = parser.bounds()?;
        parser.level(0)?;
        parser.skip_space();
        if !parser.rest.is_empty() {
            return Err(malformed());
        }
        let mut lengths = parser.lengths;
        if parser.elements.is_empty() {
            lengths.clear();
        }
        if !bounds.is_empty() && bounds.len() != lengths.len() {
            return Err(malformed());
        }
        let mut dimensions = Vec::with_capacity(lengths.len());
        for (at, len) in lengths.iter().enumerate() {
            let len = len.and_then(|len| i32::try_from(len).ok());
            let len = len.ok_or_else(malformed)?;
            let lower = match bounds.get(at) {
                Some(&(lower, upper))
                    if i64::from(upper) - i64::from(lower) + 1 == i64::from(len) =>
                {
                    lower
                }
                None => 1,
                Some(_) => return Err(malformed()),
            };
            dimensions.push(Dimension { len, lower });
        }
        count(&dimensions)?;
        Ok(Self {
            dimensions,
            elements: parser.elements,
            element_oid: None,
        })
    }

    /// Appends the text format of an array of the same shape (`array_out`).
    pub fn write_text(&self, elements: &[Option<impl AsRef<[u8]>>], out: &mut Vec<u8>) {
        if self.dimensions.is_empty() {
            out.extend_from_slice(b"{}");
            return;
        }
        if self.dimensions.iter().any(|dimension| dimension.lower != 1) {
            for &Dimension { len, lower } in &self.dimensions {
                let upper = i64::from(lower) + i64::from(len) - 1;
                out.extend_from_slice(format!("[{lower}:{upper}]").as_bytes());
            }
            out.push(b'=');
        }
        let mut rest = elements;
        self.write_level(0, &mut rest, out);
    }

    fn write_level<E: AsRef<[u8]>>(
        &self,
        depth: usize,
        rest: &mut &[Option<E>],
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        let len = self.dimensions.get(depth).map_or(0, |level| level.len);
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
    let special = |&b: &u8| matches!(b, b'"' | b'\\' | b'{' | b'}' | b',') || is_space(b);
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

struct Parser<'a> {
    rest: &'a [u8],
    /// Length of each dimension, once known.
    lengths: Vec<Option<usize>>,
    elements: Vec<Option<Zeroizing<Vec<u8>>>>,
}

impl Parser<'_> {
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

    fn integer(&mut self) -> Result<i32, ValueError> {
        let is_part = |b: &u8| b.is_ascii_digit() || matches!(b, b'+' | b'-');
        let len = self.rest.iter().take_while(|b| is_part(b)).count();
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        let text = str::from_utf8(digits).map_err(|_| malformed())?;
        text.parse().map_err(|_| malformed())
    }

    /// `[1:2][0:3]=` before the braces.
    fn bounds(&mut self) -> Result<Vec<(i32, i32)>, ValueError> {
        let mut bounds = Vec::new();
        self.skip_space();
        while self.take(b'[') {
            if bounds.len() >= DIMENSIONS_MAX {
                return Err(too_many_dimensions());
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
            bounds.push((lower, upper));
            self.skip_space();
        }
        if !bounds.is_empty() {
            if !self.take(b'=') {
                return Err(malformed());
            }
            self.skip_space();
        }
        Ok(bounds)
    }

    /// One pair of braces; recursion ends at `DIMENSIONS_MAX`.
    fn level(&mut self, depth: usize) -> Result<(), ValueError> {
        if !self.take(b'{') {
            return Err(malformed());
        }
        if depth >= DIMENSIONS_MAX {
            return Err(too_many_dimensions());
        }
        if self.lengths.len() == depth {
            // The first element has settled how many levels there are.
            if !self.elements.is_empty() {
                return Err(malformed());
            }
            self.lengths.push(None);
        }
        self.skip_space();
        if self.take(b'}') {
            // Only the outermost braces may have nothing between them.
            self.lengths[depth] = Some(0);
            return if depth == 0 { Ok(()) } else { Err(malformed()) };
        }
        let mut count = 0;
        loop {
            self.skip_space();
            if self.rest.first() == Some(&b'{') {
                self.level(depth + 1)?;
            } else {
                // An element must stand at the deepest level only.
                if self.lengths.len() != depth + 1 {
                    return Err(malformed());
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
                return Err(malformed());
            }
        }
        match self.lengths[depth] {
            Some(len) if len != count => Err(malformed()),
            _ => {
                self.lengths[depth] = Some(count);
                Ok(())
            }
        }
    }

    /// The bytes that the next element takes at most.
    fn element_len(&self) -> usize {
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
        text.iter().position(ends).unwrap_or(text.len())
    }

    fn element(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, ValueError> {
        // Room for everything, so that no copy is left behind by a reallocation.
        let mut out = Zeroizing::new(Vec::with_capacity(self.element_len()));
        if self.take(b'"') {
            loop {
                let (&byte, rest) = self.rest.split_first().ok_or_else(malformed)?;
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
                b'{' | b'"' => return Err(malformed()),
                b'\\' => {
                    self.rest = rest;
                    out.push(self.escaped()?);
                    quoted = true;
                    end = out.len();
                }
                _ => {
                    self.rest = rest;
                    out.push(byte);
                    if !is_space(byte) {
                        end = out.len();
                    }
                }
            }
        }
        out.truncate(end);
        if out.is_empty() {
            return Err(malformed());
        }
        let null = !quoted && out.eq_ignore_ascii_case(b"NULL");
        Ok((!null).then_some(out))
    }

    fn escaped(&mut self) -> Result<u8, ValueError> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(malformed)?;
        self.rest = rest;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Array {
        Array::read_text(text.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &[Option<&str>], dimensions: &[(i32, i32)]) {
        let array = read(text);
        let elements = array.elements.iter();
        let elements: Vec<_> = elements
            .map(|e| e.as_ref().map(|bytes| str::from_utf8(bytes).unwrap()))
            .collect();
        assert_eq!(elements, expected, "{text}");
        let found: Vec<_> = array.dimensions.iter().map(|d| (d.len, d.lower)).collect();
        assert_eq!(found, dimensions, "{text}");
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
            "{{}}",
            "[1:1]={}",
            "[1:0]={}",
        ] {
            assert!(Array::read_text(text.as_bytes()).is_err(), "{text}");
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
            let array = read(text);
            let mut out = Vec::new();
            array.write_text(&array.elements, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn binary_arrays_round_trip() {
        let array = read("{{a,NULL}}");
        let mut bytes = Vec::new();
        array.write_binary(17, &[Some(vec![1, 2]), None], &mut bytes);
        let back = Array::read_binary(&bytes).unwrap();
        assert_eq!(back.element_oid, Some(17));
        assert_eq!(back.dimensions, array.dimensions);
        assert_eq!(back.elements.len(), 2);
        assert!(back.elements[1].is_none());
        for cut in 0..bytes.len() {
            assert!(Array::read_binary(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn lying_dimensions_reserve_nothing() {
        for numbers in [
            [2, 0, 25, i32::MAX, 1, i32::MAX, 1],
            [2, 0, 25, 1000, 1, 100_000, 1],
            [2, 0, 25, 1, i32::MAX, 1, 1],
        ] {
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            assert!(Array::read_binary(&bytes).is_err());
        }
    }
}
