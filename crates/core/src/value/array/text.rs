//! The text format of arrays, with the delimiter `,`, as PostgreSQL reads and writes it.

mod reader;

use super::{Array, Dimension, Element};
use crate::value::wire::{is_space, wire_text};
use crate::value::{Settings, ValueError};

impl Array {
    /// Reads the text format (`array_in`) with the delimiter `,`, and turns each element that is
    /// not NULL into another with `element`. Of several faults it is the server's that is found:
    /// PostgreSQL 17 and later convert an element where it stands, the earlier ones when the whole
    /// text is known to be an array.
    ///
    /// # Errors
    /// [`ValueError`] where the text is not an array, or one beyond PostgreSQL's limits; whatever
    /// `element` fails with.
    pub fn read_text<E: From<ValueError>>(
        text: &[u8],
        settings: &Settings,
        element: impl FnMut(&[u8]) -> Result<Element, E>,
    ) -> Result<Self, E> {
        reader::read(wire_text(text, settings)?, settings, element)
    }

    /// Appends the text format (`array_out`).
    pub fn write_text(&self, out: &mut Vec<u8>) {
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
        let mut rest = self.elements.as_slice();
        self.write_level(0, &mut rest, out);
    }

    fn write_level(&self, depth: usize, rest: &mut &[Option<Element>], out: &mut Vec<u8>) {
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
                Some(element) => write_element(element, out),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn server(version: u32) -> Settings {
        Settings {
            server_version: Some(version),
            ..Settings::default()
        }
    }

    fn copy(bytes: &[u8]) -> Result<Element, ValueError> {
        Ok(Element::new(bytes.to_vec()))
    }

    fn read(text: &str) -> Array {
        Array::read_text(text.as_bytes(), &server(15), copy).unwrap()
    }

    /// SQLSTATE and message, or the empty string twice; elements with an `x` are wrong.
    fn fault(text: &str, version: u32) -> (&'static str, String) {
        let element = |bytes: &[u8]| match bytes.contains(&b'x') {
            true => Err(ValueError::new("22007", "wrong element")),
            false => copy(bytes),
        };
        match Array::read_text(text.as_bytes(), &server(version), element) {
            Ok(_) => ("", String::new()),
            Err(error) => (error.sqlstate, error.message),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[Option<&str>], dimensions: &[(i32, i32)]) {
        for version in [16, 17] {
            let array = Array::read_text(text.as_bytes(), &server(version), copy).unwrap();
            let elements = array.elements.iter();
            let elements: Vec<_> = elements
                .map(|e| e.as_ref().map(|bytes| str::from_utf8(bytes).unwrap()))
                .collect();
            assert_eq!(elements, expected, "{text}");
            let found: Vec<_> = array.dimensions.iter().map(|d| (d.len, d.lower)).collect();
            assert_eq!(found, dimensions, "{text}");
        }
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
        check(
            " [2] [-1:-1] = {{a},{\"b\" }}",
            &[Some("a"), Some("b")],
            &[(2, 1), (1, -1)],
        );
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
            "{\"a\"b}",
            "{a\\",
            "{{a},{b,c}}",
            "{a,{b}}",
            "{a{b}}",
            "{{a},b}",
            "{{a}{b}}",
            "{{a},{{b}}}",
            "{{{a}},{b}}",
            "[0:2]={a,b}",
            "[0:1]{a,b}",
            "[:1]={a}",
            "[1:]={a}",
            "[1={a}",
            "[1]={{a}}",
            "[1][1]={a}",
            "{a\"b\"}",
            "[1:1]={}",
        ] {
            for version in [13, 18] {
                let (code, message) = fault(text, version);
                assert_eq!(
                    (code, message.as_str()),
                    ("22P02", "malformed array literal"),
                    "{text}"
                );
            }
        }
    }

    /// What PostgreSQL 13, 15 and 18 answer.
    #[test]
    fn from_17_on_elements_are_converted_where_they_stand() {
        for (text, before, since) in [
            ("{x}", "22007", "22007"),
            ("{{x},a}", "22P02", "22007"),
            ("{x,a", "22P02", "22007"),
            ("{x}y", "22P02", "22007"),
            ("{x", "22P02", "22P02"),
            ("{\"x\"y", "22P02", "22P02"),
            ("{x{", "22P02", "22P02"),
            ("{NULL,{x", "22P02", "22P02"),
            ("[1:2]={x}", "22P02", "22007"),
            ("[1][1]={x}", "22P02", "22007"),
            ("{{a},{{{{{{{x", "54000", "22P02"),
            ("{{{{{{{x", "54000", "54000"),
            // Empty arrays inside of an array.
            ("{{},{}}", "22P02", ""),
            ("{{{}}}", "22P02", ""),
            ("{{},{a}}", "22P02", "22P02"),
            ("{{},x}", "22P02", "22007"),
            ("[1:2][1:1]={{},{}}", "22P02", "22P02"),
            // Numbers that are no bounds.
            ("[1-2:3]={a,b,c}", "", "22P02"),
            ("[+-1:0]={a}", "", "22P02"),
            ("[1:0]={}", "2202E", "2202E"),
            ("[4294967297:1]={a}", "", "54000"),
            ("[99999999999999999999:-1]={a}", "", "54000"),
            ("[0:2147483647]={a}", "22P02", "54000"),
            ("[-2147483648:2147483646]={a}", "22P02", "54000"),
            ("[2147483647:2147483647]={a}", "54000", "54000"),
            ("[1][1][1][1][1][1][1]={a}", "54000", "54000"),
        ] {
            for version in [13, 16] {
                assert_eq!(fault(text, version).0, before, "{text}, {version}");
            }
            for version in [17, 18] {
                assert_eq!(fault(text, version).0, since, "{text}, {version}");
            }
        }
        for (version, words) in [(16, "dimensions (7) exceeds"), (17, "dimensions exceeds")] {
            let (_, message) = fault("{{{{{{{x", version);
            assert!(message.contains(words), "{message}");
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
            array.write_text(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn binary_arrays_round_trip() {
        let array = read("{{a,NULL}}");
        let mut bytes = Vec::new();
        array.write_binary(17, &mut bytes);
        let read = |bytes: &[u8]| Array::read_binary(bytes, |_| Ok(()), copy);
        let back = read(&bytes).unwrap();
        assert_eq!(back.element_oid, Some(17));
        assert_eq!(back.dimensions, array.dimensions);
        assert_eq!(back.elements, array.elements);
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err());
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
            assert!(Array::read_binary(&bytes, |_| Ok(()), copy).is_err());
        }
    }
}
