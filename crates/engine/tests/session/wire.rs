//! Messages as bytes, written out independently of the crate under test.

use std::fmt;

pub(crate) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend(body);
    out
}

pub(crate) fn cstr(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

pub(crate) fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = (3i32 << 16).to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend([cstr(name), cstr(value)].concat());
    }
    body.push(0);
    let len = i32::try_from(body.len() + 4).unwrap();
    [len.to_be_bytes().to_vec(), body].concat()
}

pub(crate) fn parse(name: &str, text: &str, oids: &[u32]) -> Vec<u8> {
    let mut body = [cstr(name), cstr(text)].concat();
    body.extend(u16::try_from(oids.len()).unwrap().to_be_bytes());
    oids.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    frame(b'P', &body)
}

/// A parameter with its format.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) binary: bool,
    pub(crate) bytes: Option<Vec<u8>>,
}

pub(crate) fn text(value: &str) -> Value {
    Value {
        binary: false,
        bytes: Some(value.into()),
    }
}

pub(crate) fn binary(value: &[u8]) -> Value {
    Value {
        binary: true,
        bytes: Some(value.into()),
    }
}

pub(crate) fn null() -> Value {
    Value {
        binary: false,
        bytes: None,
    }
}

pub(crate) fn bind(portal: &str, name: &str, values: &[Value], results: &[i16]) -> Vec<u8> {
    let mut body = [cstr(portal), cstr(name)].concat();
    let count = u16::try_from(values.len()).unwrap();
    body.extend(count.to_be_bytes());
    for value in values {
        body.extend(i16::from(value.binary).to_be_bytes());
    }
    body.extend(count.to_be_bytes());
    values
        .iter()
        .for_each(|value| body.extend(field(value.bytes.as_deref())));
    body.extend(u16::try_from(results.len()).unwrap().to_be_bytes());
    results
        .iter()
        .for_each(|code| body.extend(code.to_be_bytes()));
    frame(b'B', &body)
}

pub(crate) fn field(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        None => (-1i32).to_be_bytes().to_vec(),
        Some(bytes) => {
            let len = i32::try_from(bytes.len()).unwrap();
            [&len.to_be_bytes()[..], bytes].concat()
        }
    }
}

pub(crate) fn describe(kind: char, name: &str) -> Vec<u8> {
    frame(b'D', &[vec![kind as u8], cstr(name)].concat())
}

pub(crate) fn close(kind: char, name: &str) -> Vec<u8> {
    frame(b'C', &[vec![kind as u8], cstr(name)].concat())
}

pub(crate) fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    frame(
        b'E',
        &[cstr(portal), max_rows.to_be_bytes().to_vec()].concat(),
    )
}

pub(crate) fn sync() -> Vec<u8> {
    frame(b'S', b"")
}

pub(crate) fn flush() -> Vec<u8> {
    frame(b'H', b"")
}

pub(crate) fn query(text: &str) -> Vec<u8> {
    frame(b'Q', &cstr(text))
}

pub(crate) fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    values.iter().for_each(|value| body.extend(field(*value)));
    frame(b'D', &body)
}

pub(crate) fn error(sqlstate: &str, message: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, text) in [
        (b'S', "ERROR"),
        (b'V', "ERROR"),
        (b'C', sqlstate),
        (b'M', message),
    ] {
        body.push(kind);
        body.extend(cstr(text));
    }
    body.push(0);
    frame(b'E', &body)
}

/// A frame taken apart for looking at.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tag: u8,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", char::from(self.tag), self.body.escape_ascii())
    }
}

impl Frame {
    /// The text of one field of an ErrorResponse.
    pub(crate) fn error_field(&self, wanted: char) -> Option<String> {
        assert_eq!(self.tag, b'E', "{self:?}");
        self.body
            .split(|&b| b == 0)
            .find(|field| field.first() == Some(&(wanted as u8)))
            .map(|field| String::from_utf8(field[1..].to_vec()).unwrap())
    }

    /// The values of a DataRow.
    pub(crate) fn values(&self) -> Vec<Option<Vec<u8>>> {
        assert_eq!(self.tag, b'D', "{self:?}");
        let mut rest = &self.body[2..];
        let mut values = Vec::new();
        while let Some((len, after)) = rest.split_first_chunk() {
            match usize::try_from(i32::from_be_bytes(*len)) {
                Err(_) => {
                    values.push(None);
                    rest = after;
                }
                Ok(len) => {
                    values.push(Some(after[..len].to_vec()));
                    rest = &after[len..];
                }
            }
        }
        values
    }
}

/// Takes complete frames off the front.
pub(crate) fn frames(bytes: &mut Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    while bytes.len() >= 5 {
        let len = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize + 1;
        if bytes.len() < len {
            break;
        }
        let frame: Vec<u8> = bytes.drain(..len).collect();
        frames.push(Frame {
            tag: frame[0],
            body: frame[5..].to_vec(),
        });
    }
    frames
}

/// The tags in order.
pub(crate) fn tags(frames: &[Frame]) -> String {
    frames.iter().map(|frame| char::from(frame.tag)).collect()
}
