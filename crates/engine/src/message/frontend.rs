//! Messages of the client: Parse, Bind, Describe, Execute, Close and Query.

use bytes::{BufMut, BytesMut};
use sealwire_core::value::Format;

use super::{Malformed, Reader, field, frame};
use crate::error::Error;

/// Parse.
pub(crate) struct Parse<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) text: &'a [u8],
    /// Declared types of the first parameters; 0 leaves one open.
    pub(crate) oids: Oids<'a>,
}

/// A list of object identifiers as it stands in a message.
#[derive(Clone, Copy)]
pub(crate) struct Oids<'a>(&'a [u8]);

impl<'a> Oids<'a> {
    /// Whether the list is this one.
    pub(crate) fn are(self, oids: &[u32]) -> bool {
        self.iter().eq(oids.iter().copied())
    }

    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.0
            .chunks_exact(4)
            .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }
}

impl<'a> Parse<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let name = reader.cstr()?;
        let text = reader.cstr()?;
        let count = reader.count()?;
        let oids = Oids(reader.bytes(count * 4)?);
        reader.end()?;
        Ok(Self { name, text, oids })
    }
}

/// Appends a Parse.
pub(crate) fn parse(
    out: &mut BytesMut,
    name: &[u8],
    text: &[u8],
    oids: &[u32],
) -> Result<(), Error> {
    frame(out, b'P', |out| {
        out.put_slice(name);
        out.put_u8(0);
        out.put_slice(text);
        out.put_u8(0);
        let count = u16::try_from(oids.len())
            .map_err(|_| Error::ClientMisbehaved("too many parameters in Parse"))?;
        out.put_u16(count);
        oids.iter().for_each(|&oid| out.put_u32(oid));
        Ok(())
    })
}

/// Format codes as they stand in Bind: none (all text), one for all, or one each.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a>(&'a [u8]);

impl<'a> Codes<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = reader.count()?;
        reader.bytes(count * 2).map(Self)
    }

    pub(crate) fn len(self) -> usize {
        self.0.len() / 2
    }

    fn code(self, at: usize) -> i16 {
        let at = if self.len() == 1 { 0 } else { at };
        self.0
            .get(at * 2..at * 2 + 2)
            .map_or(0, |b| i16::from_be_bytes([b[0], b[1]]))
    }

    /// Whether the codes can stand for `count` values (PostgreSQL's rule in Bind) and each is 0 or 1.
    pub(crate) fn fit(self, count: usize) -> bool {
        let len = self.len();
        (len <= 1 || len == count) && self.are_known()
    }

    /// Whether each is 0 or 1. Anything else is none, and may be a part of a value.
    fn are_known(self) -> bool {
        (0..self.len()).all(|at| matches!(self.code(at), 0 | 1))
    }

    /// The format of one of the values that [`Codes::fit`].
    pub(crate) fn format(self, at: usize) -> Format {
        if self.code(at) == 1 {
            Format::Binary
        } else {
            Format::Text
        }
    }

    /// The codes as they stood, with their count.
    pub(crate) fn write(self, out: &mut BytesMut) {
        // At most 65535 codes were read, so the count fits.
        out.put_u16(u16::try_from(self.len()).unwrap_or(u16::MAX));
        out.put_slice(self.0);
    }
}

/// Bind.
pub(crate) struct Bind<'a> {
    pub(crate) portal: &'a [u8],
    pub(crate) statement: &'a [u8],
    pub(crate) formats: Codes<'a>,
    count: usize,
    values: &'a [u8],
    pub(crate) result_formats: Codes<'a>,
}

impl<'a> Bind<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let portal = reader.cstr()?;
        let statement = reader.cstr()?;
        let formats = Codes::read(&mut reader)?;
        let count = reader.count()?;
        let values = reader.rest();
        for _ in 0..count {
            reader.value()?;
        }
        let values = &values[..values.len() - reader.rest().len()];
        let result_formats = Codes::read(&mut reader)?;
        reader.end()?;
        Ok(Self {
            portal,
            statement,
            formats,
            count,
            values,
            result_formats,
        })
    }

    /// Number of parameters.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The parameters; `None` is NULL.
    pub(crate) fn values(&self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut reader = Reader::new(self.values);
        // `read` has walked the same bytes, so no value is malformed here.
        (0..self.count).map_while(move |_| reader.value().ok())
    }
}

/// The names at the start of a Bind, once they are complete: portal and statement.
pub(crate) fn bind_names(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(body);
    Some((reader.cstr().ok()?, reader.cstr().ok()?))
}

/// The portal of a Bind, and the bytes of it that stand before the first value: names, formats and the
/// number of values. `None` where those are not what they should be.
pub(crate) fn bind_before_values(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(body);
    let portal = reader.cstr().ok()?;
    reader.cstr().ok()?;
    let codes = Codes::read(&mut reader).ok()?;
    if !codes.are_known() {
        return None;
    }
    reader.count().ok()?;
    let len = body.len() - reader.rest().len();
    Some((portal, body.get(..len)?))
}

/// What a Describe or Close is about.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    Statement(&'a [u8]),
    Portal(&'a [u8]),
}

impl<'a> Target<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        let name = reader.cstr()?;
        reader.end()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => Err(Malformed),
        }
    }

    fn write(self, out: &mut BytesMut, tag: u8) -> Result<(), Error> {
        frame(out, tag, |out| {
            let (kind, name) = match self {
                Self::Statement(name) => (b'S', name),
                Self::Portal(name) => (b'P', name),
            };
            out.put_u8(kind);
            out.put_slice(name);
            out.put_u8(0);
            Ok(())
        })
    }

    /// Appends a Describe.
    pub(crate) fn describe(self, out: &mut BytesMut) -> Result<(), Error> {
        self.write(out, b'D')
    }

    /// Appends a Close.
    pub(crate) fn close(self, out: &mut BytesMut) -> Result<(), Error> {
        self.write(out, b'C')
    }
}

/// The portal that an Execute names.
pub(crate) fn execute_portal(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(body);
    let portal = reader.cstr()?;
    reader.i32()?;
    reader.end()?;
    Ok(portal)
}

/// The text of a Query.
pub(crate) fn query_text(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(body);
    let text = reader.cstr()?;
    reader.end()?;
    Ok(text)
}

/// Appends a Query.
pub(crate) fn query(out: &mut BytesMut, text: &[u8]) -> Result<(), Error> {
    frame(out, b'Q', |out| {
        out.put_slice(text);
        out.put_u8(0);
        Ok(())
    })
}

/// Appends a Bind whose parameters and results are all in text format.
pub(crate) fn bind_text(
    out: &mut BytesMut,
    portal: &[u8],
    statement: &[u8],
    values: &[&[u8]],
    binary_results: bool,
) -> Result<(), Error> {
    frame(out, b'B', |out| {
        out.put_slice(portal);
        out.put_u8(0);
        out.put_slice(statement);
        out.put_u8(0);
        out.put_u16(0);
        let count = u16::try_from(values.len())
            .map_err(|_| Error::ClientMisbehaved("too many parameters in Bind"))?;
        out.put_u16(count);
        for value in values {
            field(out, Some(value))?;
        }
        out.put_u16(1);
        out.put_u16(u16::from(binary_results));
        Ok(())
    })
}

/// Appends an Execute without a row limit.
pub(crate) fn execute(out: &mut BytesMut, portal: &[u8]) -> Result<(), Error> {
    frame(out, b'E', |out| {
        out.put_slice(portal);
        out.put_u8(0);
        out.put_i32(0);
        Ok(())
    })
}

/// Appends a message without a body: Sync, Flush, Terminate.
pub(crate) fn bare(out: &mut BytesMut, tag: u8) {
    out.put_u8(tag);
    out.put_i32(4);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_value_is_not_before_the_values() {
        let body = b"p\0s\0\0\x02\0\0\0\x01\0\x01\0\0\0\x05va";
        let before = bind_before_values(body);
        assert_eq!(before, Some((&b"p"[..], &body[..body.len() - 6])));
        // A count of formats that is too large takes the values for formats.
        assert_eq!(
            bind_before_values(b"p\0s\0\0\x04\0\0\0\x01\0\x01va\0\x01"),
            None
        );
        assert_eq!(bind_before_values(b"p\0s\0\0\x02\0\0"), None);
    }
}
