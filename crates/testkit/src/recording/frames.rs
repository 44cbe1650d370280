//! Just enough of the protocol to say in which frame a byte is.

use super::Recording;

/// Code of an SSLRequest.
const SSL_REQUEST: u32 = 80_877_103;
/// Code of a GSSENCRequest.
const GSS_REQUEST: u32 = 80_877_104;

/// Name and start of the client frame that an offset is in; the tag of a frame without one is
/// spelt out.
pub(super) fn frame_at(bytes: &[u8], offset: usize) -> Option<(String, usize)> {
    let mut position = 0;
    while let Some((name, end)) = untagged(bytes, position) {
        if offset < end {
            return Some((name.to_owned(), position));
        }
        position = end;
        if name == "StartupMessage" {
            break;
        }
    }
    while let Some(tag) = bytes.get(position) {
        let end = position
            .checked_add(1)?
            .checked_add(length_at(bytes, position + 1)?)?;
        if offset < end {
            return Some((format!("`{}`", char::from(*tag)), position));
        }
        position = end;
    }
    None
}

/// The first frame with a tag: there is none until the client has begun to speak in earnest.
pub(super) fn first_after_startup(bytes: &[u8]) -> Option<u8> {
    let mut position = 0;
    while let Some((name, end)) = untagged(bytes, position) {
        position = end;
        if name == "StartupMessage" {
            return bytes.get(position).copied();
        }
    }
    None
}

/// Whether the server agreed to encryption, after which the recording shows nothing.
pub(super) fn is_encrypted(recording: &Recording) -> bool {
    let mut position = 0;
    for answer in &recording.to_client {
        match untagged(&recording.to_server, position) {
            Some(("SSLRequest" | "GSSENCRequest", end)) => {
                if matches!(answer, b'S' | b'G') {
                    return true;
                }
                position = end;
            }
            // Direct TLS starts with a handshake record instead of a startup message.
            _ => return recording.to_server.first() == Some(&0x16),
        }
    }
    recording.to_server.first() == Some(&0x16)
}

fn untagged(bytes: &[u8], position: usize) -> Option<(&'static str, usize)> {
    let length = length_at(bytes, position)?;
    let code = u32::from_be_bytes(bytes.get(position + 4..position + 8)?.try_into().ok()?);
    let name = match code {
        SSL_REQUEST => "SSLRequest",
        GSS_REQUEST => "GSSENCRequest",
        _ => "StartupMessage",
    };
    Some((name, position.checked_add(length)?))
}

/// A frame's length, which counts itself.
fn length_at(bytes: &[u8], position: usize) -> Option<usize> {
    let field = bytes
        .get(position..position.checked_add(4)?)?
        .try_into()
        .ok()?;
    usize::try_from(u32::from_be_bytes(field))
        .ok()
        .filter(|length| *length >= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSL: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
    const STARTUP: [u8; 9] = [0, 0, 0, 9, 0, 3, 0, 0, 0];

    #[test]
    fn a_byte_is_placed_in_its_frame() {
        let bytes = [&SSL[..], &STARTUP, b"Q\0\0\0\x06a\0", b"X\0\0\0\x04"].concat();
        for (offset, expected) in [
            (7, Some(("SSLRequest".to_owned(), 0))),
            (8, Some(("StartupMessage".to_owned(), 8))),
            (22, Some(("`Q`".to_owned(), 17))),
            (24, Some(("`X`".to_owned(), 24))),
            (29, None),
        ] {
            assert_eq!(frame_at(&bytes, offset), expected, "{offset}");
        }
        assert_eq!(first_after_startup(&bytes), Some(b'Q'));
        assert_eq!(first_after_startup(&SSL), None);
    }

    #[test]
    fn encryption_is_noticed() {
        for (to_server, to_client, encrypted) in [
            ([&SSL[..], &STARTUP].concat(), b"NR".to_vec(), false),
            (
                [&SSL[..], b"\x16\x03\x01"].concat(),
                b"S\x16".to_vec(),
                true,
            ),
            (b"\x16\x03\x01\0".to_vec(), Vec::new(), true),
            // The answer to a startup message may begin with `S` as well.
            (STARTUP.to_vec(), b"S\0\0\0".to_vec(), false),
        ] {
            let recording = Recording {
                to_server,
                to_client,
            };
            assert_eq!(
                is_encrypted(&recording),
                encrypted,
                "{:?}",
                recording.to_server
            );
        }
    }
}
