//! Appending messages to a buffer.

use bytes::{BufMut, BytesMut};

use crate::error::Error;

/// A length or count as the protocol's `Int32`.
fn len_i32(len: usize) -> Result<i32, Error> {
    i32::try_from(len).map_err(|_| Error::Limit {
        limit: "rewritten_frame_bytes_max",
        value: i32::MAX.unsigned_abs() as usize,
    })
}

/// Appends one frame; `body` writes what follows the length.
pub(crate) fn frame(
    out: &mut BytesMut,
    tag: u8,
    body: impl FnOnce(&mut BytesMut) -> Result<(), Error>,
) -> Result<(), Error> {
    let start = out.len();
    out.put_u8(tag);
    out.put_i32(0);
    let result = body(out).and_then(|()| len_i32(out.len() - start - 1));
    match result {
        Ok(len) => {
            out[start + 1..start + 5].copy_from_slice(&len.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Appends a value with its length before it, or NULL.
pub(crate) fn field(out: &mut BytesMut, value: Option<&[u8]>) -> Result<(), Error> {
    match value {
        None => out.put_i32(-1),
        Some(bytes) => {
            out.put_i32(len_i32(bytes.len())?);
            out.put_slice(bytes);
        }
    }
    Ok(())
}
