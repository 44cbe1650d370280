//! Messages of the server: ParameterDescription, RowDescription, ErrorResponse, ParameterStatus.

use bytes::{BufMut, BytesMut};
use sealwire_core::value::Format;

use super::{Malformed, Reader};

/// The object identifiers of a ParameterDescription.
pub(crate) fn parameter_description(body: &[u8]) -> Result<Vec<u32>, Malformed> {
    let mut reader = Reader::new(body);
    let count = reader.count()?;
    let oids = (0..count)
        .map(|_| reader.u32())
        .collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    Ok(oids)
}

/// A column of a RowDescription.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    /// Origin, 0 when the column is computed.
    pub(crate) table_oid: u32,
    /// `attnum` in the origin, 0 when the column is computed.
    pub(crate) attribute: i16,
    pub(crate) type_oid: u32,
    pub(crate) type_len: i16,
    pub(crate) typmod: i32,
    pub(crate) format: i16,
}

impl<'a> Field<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            name: reader.cstr()?,
            table_oid: reader.u32()?,
            attribute: reader.i16()?,
            type_oid: reader.u32()?,
            type_len: reader.i16()?,
            typmod: reader.i32()?,
            format: reader.i16()?,
        })
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.name);
        out.put_u8(0);
        out.put_u32(self.table_oid);
        out.put_i16(self.attribute);
        out.put_u32(self.type_oid);
        out.put_i16(self.type_len);
        out.put_i32(self.typmod);
        out.put_i16(self.format);
    }
}

/// The columns of a RowDescription.
pub(crate) fn row_description(body: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
    let mut reader = Reader::new(body);
    let count = reader.count()?;
    // A column takes 19 bytes at least, so a lying count reserves no more than the body.
    let mut fields = Vec::with_capacity(count.min(body.len() / 19));
    for _ in 0..count {
        fields.push(Field::read(&mut reader)?);
    }
    reader.end()?;
    Ok(fields)
}

/// A format as its code.
pub(crate) fn format_code(format: Format) -> i16 {
    match format {
        Format::Text => 0,
        Format::Binary => 1,
    }
}

/// Bytes of an ErrorResponse in which its SQLSTATE is certain to be: severity, once localised,
/// comes before it and is a single word.
pub(crate) const ERROR_PREFIX_MAX: usize = 256;

/// An error's five letters and digits, as the server has said them.
#[derive(Clone, Copy)]
pub(crate) struct Sqlstate([u8; 5]);

impl Sqlstate {
    /// `None` where it is not what a SQLSTATE can be.
    pub(crate) fn of(field: &[u8]) -> Option<Self> {
        let code: [u8; 5] = field.try_into().ok()?;
        code.iter()
            .all(u8::is_ascii_alphanumeric)
            .then_some(Self(code))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// One field of an ErrorResponse. Works on a prefix of the body as well.
pub(crate) fn error_field(body: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut reader = Reader::new(body);
    loop {
        match reader.u8().ok()? {
            0 => return None,
            kind => {
                let text = reader.cstr().ok()?;
                if kind == wanted {
                    return Some(text);
                }
            }
        }
    }
}

/// Name and value of a ParameterStatus.
pub(crate) fn parameter_status(body: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut reader = Reader::new(body);
    let name = reader.cstr()?;
    let value = reader.cstr()?;
    reader.end()?;
    Ok((name, value))
}

/// The columns of a DataRow; `None` is NULL.
pub(crate) struct Row<'a> {
    reader: Reader<'a>,
    remaining: usize,
}

impl<'a> Row<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let remaining = reader.count()?;
        Ok(Self { reader, remaining })
    }

    /// Number of columns that have not been read.
    pub(crate) fn remaining(&self) -> usize {
        self.remaining
    }

    pub(crate) fn next(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        self.remaining = self.remaining.checked_sub(1).ok_or(Malformed)?;
        self.reader.value()
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.remaining == 0 {
            self.reader.end()
        } else {
            Err(Malformed)
        }
    }
}
