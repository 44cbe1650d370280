//! The client's first, untyped frames.

use crate::error::Error;
use crate::message::Reader;

const SSL_REQUEST: i32 = 80_877_103;
const GSSENC_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;
/// PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`.
const STARTUP_BYTES_MAX: usize = 10_000;

/// An untyped frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Startup {
    /// More bytes are needed.
    Starved,
    /// SSLRequest or GSSENCRequest of so many bytes: answered here, because encryption of the
    /// transport is below or above this session, never part of it.
    Encryption(usize),
    /// CancelRequest: the connection carries nothing else.
    Cancel,
    /// StartupMessage of so many bytes.
    Message {
        len: usize,
        /// A `replication` parameter asks for the replication protocol.
        replication: bool,
    },
}

/// Reads the frame at the start of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Startup, Error> {
    const BAD: Error = Error::ClientMisbehaved("malformed startup message");
    let mut reader = Reader::new(bytes);
    let (Ok(len), Ok(code)) = (reader.i32(), reader.i32()) else {
        return Ok(Startup::Starved);
    };
    let len = usize::try_from(len).map_err(|_| BAD)?;
    if !(8..=STARTUP_BYTES_MAX).contains(&len) {
        return Err(BAD);
    }
    match code {
        SSL_REQUEST | GSSENC_REQUEST if len == 8 => return Ok(Startup::Encryption(len)),
        // Keys have 4 to 256 bytes since protocol 3.2, so the length says nothing.
        CANCEL_REQUEST => return Ok(Startup::Cancel),
        _ => {}
    }
    // Any minor version: the server negotiates (NegotiateProtocolVersion).
    if code >> 16 != 3 {
        return Err(Error::ClientMisbehaved("protocol version is not 3"));
    }
    if bytes.len() < len {
        return Ok(Startup::Starved);
    }
    let mut reader = Reader::new(&bytes[8..len]);
    let mut replication = false;
    loop {
        let name = reader.cstr().map_err(|_| BAD)?;
        if name.is_empty() {
            break;
        }
        let value = reader.cstr().map_err(|_| BAD)?;
        replication |= name == b"replication" && !is_false(value);
    }
    reader.end().map_err(|_| BAD)?;
    Ok(Startup::Message { len, replication })
}

/// PostgreSQL's `parse_bool`: any prefix of `false` and `no`, `of`, `off`, `0`.
fn is_false(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    let prefix = |word: &[u8], least: usize| value.len() >= least && word.starts_with(&value);
    prefix(b"false", 1) || prefix(b"no", 1) || prefix(b"off", 2) || value == b"0"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(parameters: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let len = i32::try_from(8 + parameters.len()).unwrap();
        bytes.extend(len.to_be_bytes());
        bytes.extend((3i32 << 16).to_be_bytes());
        bytes.extend(parameters);
        bytes
    }

    #[track_caller]
    fn check(parameters: &[u8], replication: bool) {
        let bytes = message(parameters);
        let expected = Startup::Message {
            len: bytes.len(),
            replication,
        };
        assert_eq!(read(&bytes), Ok(expected));
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(Startup::Starved));
        }
    }

    #[test]
    fn replication_is_seen_in_every_spelling() {
        check(b"user\0u\0\0", false);
        check(b"user\0u\0replication\0false\0\0", false);
        check(b"replication\0OFF\0\0", false);
        check(b"replication\0o\0\0", true);
        check(b"replication\0database\0\0", true);
        check(b"replication\x001\0\0", true);
    }

    #[test]
    fn malformed_ones_are_refused() {
        for bytes in [
            &message(b"user\0u\0")[..],
            &message(b"user\0u\0\0x"),
            &[0, 0, 0, 7, 0, 3, 0, 0],
            &[0, 1, 0, 0, 0, 3, 0, 0],
            &[0, 0, 0, 9, 0, 2, 0, 0, 0],
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
