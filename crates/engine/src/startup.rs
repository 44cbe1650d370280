//! The client's first, untyped frames
//! ([PostgreSQL documentation, 53.7](https://www.postgresql.org/docs/current/protocol-message-formats.html)).

use crate::error::Error;
use crate::message::Reader;

const SSL_REQUEST: i32 = 80_877_103;
const GSSENC_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;
/// Bytes of the longest untyped frame, PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`.
pub const STARTUP_BYTES_MAX: usize = 10_000;

/// An untyped frame.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Startup {
    /// So many bytes are needed before it can be read.
    Starved(usize),
    /// SSLRequest, of eight bytes.
    Tls,
    /// GSSENCRequest, of eight bytes.
    Gss,
    /// CancelRequest of so many bytes: the connection carries nothing else.
    Cancel(usize),
    /// StartupMessage.
    Message(StartupMessage),
}

/// What a StartupMessage says, as far as it matters before the server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartupMessage {
    /// Bytes of the frame.
    pub len: usize,
    /// A `replication` parameter asks for the replication protocol.
    pub replication: bool,
    /// The role; empty when there is none, which the server refuses.
    pub user: String,
    /// The database; by default it has the role's name.
    pub database: String,
}

/// Bytes of SSLRequest and GSSENCRequest.
pub(crate) const ENCRYPTION_REQUEST_LEN: usize = 8;

/// Reads the frame at the start of `bytes`.
///
/// # Errors
/// [`Error::ClientMisbehaved`] when it is none.
pub fn read(bytes: &[u8]) -> Result<Startup, Error> {
    const BAD: Error = Error::ClientMisbehaved("malformed startup message");
    let mut reader = Reader::new(bytes);
    let (Ok(len), Ok(code)) = (reader.i32(), reader.i32()) else {
        return Ok(Startup::Starved(ENCRYPTION_REQUEST_LEN));
    };
    let len = usize::try_from(len).map_err(|_| BAD)?;
    if !(8..=STARTUP_BYTES_MAX).contains(&len) {
        return Err(BAD);
    }
    match code {
        SSL_REQUEST if len == ENCRYPTION_REQUEST_LEN => return Ok(Startup::Tls),
        GSSENC_REQUEST if len == ENCRYPTION_REQUEST_LEN => return Ok(Startup::Gss),
        // Keys have 4 to 256 bytes since protocol 3.2, so the length says nothing.
        CANCEL_REQUEST => return Ok(Startup::Cancel(len)),
        _ => {}
    }
    // Any minor version: the server negotiates (NegotiateProtocolVersion).
    if code >> 16 != 3 {
        return Err(Error::ClientMisbehaved("protocol version is not 3"));
    }
    if bytes.len() < len {
        return Ok(Startup::Starved(len));
    }
    let mut reader = Reader::new(&bytes[8..len]);
    let mut message = StartupMessage {
        len,
        replication: false,
        user: String::new(),
        database: String::new(),
    };
    loop {
        let name = reader.cstr().map_err(|_| BAD)?;
        if name.is_empty() {
            break;
        }
        let value = reader.cstr().map_err(|_| BAD)?;
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"replication" => message.replication |= !is_false(value),
            b"user" => message.user = text(),
            b"database" => message.database = text(),
            _ => {}
        }
    }
    reader.end().map_err(|_| BAD)?;
    if message.database.is_empty() {
        message.database.clone_from(&message.user);
    }
    Ok(Startup::Message(message))
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
        let Ok(Startup::Message(read_message)) = read(&bytes) else {
            panic!("{parameters:?} is a message");
        };
        assert_eq!(read_message.replication, replication);
        assert_eq!(read_message.len, bytes.len());
        for cut in 0..bytes.len() {
            let needed = if cut < 8 { 8 } else { bytes.len() };
            assert_eq!(read(&bytes[..cut]), Ok(Startup::Starved(needed)));
        }
    }

    #[test]
    fn the_database_has_the_role_s_name_unless_it_is_given() {
        let names = |parameters: &[u8]| match read(&message(parameters)) {
            Ok(Startup::Message(message)) => (message.user, message.database),
            other => panic!("{other:?}"),
        };
        let pair = |user: &str, database: &str| (user.to_owned(), database.to_owned());
        assert_eq!(names(b"user\0ada\0\0"), pair("ada", "ada"));
        assert_eq!(names(b"database\0d\0user\0ada\0\0"), pair("ada", "d"));
    }

    #[test]
    fn requests_before_the_message_are_told_apart() {
        let request = |code: i32, len: i32| [len.to_be_bytes(), code.to_be_bytes()].concat();
        assert_eq!(read(&request(SSL_REQUEST, 8)), Ok(Startup::Tls));
        assert_eq!(read(&request(GSSENC_REQUEST, 8)), Ok(Startup::Gss));
        assert_eq!(read(&request(CANCEL_REQUEST, 16)), Ok(Startup::Cancel(16)));
        assert!(read(&request(SSL_REQUEST, 9)).is_err());
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
