//! The binary format (PostgreSQL documentation, COPY, "Binary Format").

use bytes::BufMut;

use super::{Taken, Work, bad, too_long};
use crate::message::{Malformed, Reader, field};
use crate::seal::Stop;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags and length of the extension.
const HEADER_LEN: usize = SIGNATURE.len() + 8;
/// The data has object identifiers, which no supported server knows.
const HAS_OIDS: u32 = 1 << 16;
/// A reader that does not know one of these must give up.
const CRITICAL: u32 = 0xffff << 16;

/// The reader of tuples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Binary {
    header_done: bool,
    trailer_seen: bool,
    done: u64,
}

const CUT_SHORT: &str = "unexpected EOF in COPY data";

/// What a look for a tuple gives.
enum Found {
    Nothing,
    /// It is so many bytes long.
    Tuple(usize),
    Trailer,
}

impl Binary {
    /// The number of the tuple that is being read, `None` before the first.
    pub(super) fn line(&self) -> Option<u64> {
        self.header_done.then(|| self.done + 1)
    }

    /// Rewrites the tuples of `input` that are whole.
    pub(super) fn run(
        &mut self,
        input: &[u8],
        at_end: bool,
        row_bytes_max: usize,
        work: &mut Work<'_>,
    ) -> Result<Taken, Stop> {
        let mut start = 0;
        if !self.header_done {
            match header(input, row_bytes_max)? {
                None if at_end => return Err(short_header(input)),
                None => {
                    return Ok(Taken {
                        bytes: 0,
                        ended: false,
                    });
                }
                Some(len) => {
                    // The server skips an extension, whatever it holds.
                    work.out.put_slice(&input[..HEADER_LEN - 4]);
                    work.out.put_u32(0);
                    self.header_done = true;
                    start = len;
                }
            }
        }
        loop {
            let rest = &input[start..];
            if self.trailer_seen {
                if rest.is_empty() {
                    return Ok(Taken {
                        bytes: start,
                        ended: false,
                    });
                }
                return Err(bad("received copy data after EOF marker"));
            }
            match tuple(rest, work.stream.columns.len(), row_bytes_max)? {
                Found::Nothing => {
                    // PostgreSQL takes the end of the data in a tuple's count for an end.
                    if at_end && rest.len() >= 2 {
                        work.row(|work| write(rest, work))?;
                    }
                    return Ok(Taken {
                        bytes: start,
                        ended: at_end,
                    });
                }
                Found::Trailer => {
                    work.out.put_slice(&rest[..2]);
                    self.trailer_seen = true;
                    start += 2;
                }
                Found::Tuple(len) => {
                    work.row(|work| write(&rest[..len], work))?;
                    start += len;
                    self.done += 1;
                }
            }
        }
    }
}

/// The length of the header with its extension, or `None` while it is incomplete.
fn header(input: &[u8], len_max: usize) -> Result<Option<usize>, Stop> {
    let here = input.len().min(SIGNATURE.len());
    if input[..here] != SIGNATURE[..here] {
        return Err(bad("COPY file signature not recognized"));
    }
    let mut reader = Reader::new(&input[here..]);
    let (Ok(flags), Ok(extension)) = (reader.u32(), reader.i32()) else {
        return Ok(None);
    };
    if flags & HAS_OIDS != 0 {
        return Err(bad("invalid COPY file header (WITH OIDS)"));
    }
    if flags & CRITICAL != 0 {
        return Err(bad("unrecognized critical flags in COPY file header"));
    }
    let Ok(extension) = usize::try_from(extension) else {
        return Err(bad("invalid COPY file header (missing length)"));
    };
    if extension > len_max {
        return Err(Stop::Failed(too_long(len_max)));
    }
    let len = HEADER_LEN + extension;
    Ok((input.len() >= len).then_some(len))
}

fn short_header(input: &[u8]) -> Stop {
    bad(match input.len().saturating_sub(SIGNATURE.len()) {
        0 if input.len() < SIGNATURE.len() => "COPY file signature not recognized",
        0..4 => "invalid COPY file header (missing flags)",
        4..8 => "invalid COPY file header (missing length)",
        _ => "invalid COPY file header (wrong length)",
    })
}

/// Looks for the end of the tuple at the front.
fn tuple(input: &[u8], columns: usize, len_max: usize) -> Result<Found, Stop> {
    let mut reader = Reader::new(input);
    let Ok(count) = reader.i16() else {
        return Ok(Found::Nothing);
    };
    if count == -1 {
        return Ok(Found::Trailer);
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(bad(format!(
            "row field count is {count}, expected {columns}"
        )));
    }
    for _ in 0..columns {
        let Ok(len) = reader.i32() else {
            return Ok(Found::Nothing);
        };
        let Ok(len) = usize::try_from(len) else {
            if len == -1 {
                continue;
            }
            // Its fields are read in order, up to this one.
            return Ok(Found::Tuple(input.len()));
        };
        if len > len_max {
            return Err(Stop::Failed(too_long(len_max)));
        }
        if reader.bytes(len).is_err() {
            return Ok(Found::Nothing);
        }
    }
    Ok(Found::Tuple(input.len() - reader.rest().len()))
}

/// Appends a tuple. Fails where a field of it is not there.
fn write(tuple: &[u8], work: &mut Work<'_>) -> Result<(), Stop> {
    let mut reader = Reader::new(tuple);
    let count = reader.i16().map_err(|Malformed| bad(CUT_SHORT))?;
    work.out.put_i16(count);
    for column in &work.stream.columns {
        let named = |stop| match stop {
            Stop::Failed(mut report) => {
                report.context = Some(format!(", column {}", column.name).into());
                Stop::Failed(report)
            }
            stop => stop,
        };
        let value = value(&mut reader).map_err(named)?;
        match (column.column, value) {
            (Some(id), Some(value)) => {
                let value = work.transform.value(id, value).map_err(named)?;
                field(work.out, Some(value))?;
            }
            _ => field(work.out, value)?,
        }
    }
    Ok(())
}

fn value<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Stop> {
    match reader.i32() {
        Ok(-1) => Ok(None),
        Ok(..-1) => Err(bad("invalid field size")),
        Ok(len) => match usize::try_from(len).map(|len| reader.bytes(len)) {
            Ok(Ok(value)) => Ok(Some(value)),
            _ => Err(bad(CUT_SHORT)),
        },
        Err(Malformed) => Err(bad(CUT_SHORT)),
    }
}
