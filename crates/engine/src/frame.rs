//! Framing of protocol 3: a tag, a length that counts itself, a body.
//!
//! Frames that need no change are never collected: they stream through by the number of bytes that
//! remain of them.

use bytes::{Buf, BytesMut};

/// Bytes of a tag and a length.
pub(crate) const HEADER_LEN: usize = 5;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Type of the message.
    pub(crate) tag: u8,
    /// Bytes of the whole frame, `5 <= len`.
    pub(crate) len: usize,
}

/// A length below the four bytes that it takes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength;

impl Head {
    /// Reads a header, or `None` while it is incomplete.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, BadLength> {
        let &[tag, a, b, c, d, ..] = bytes else {
            return Ok(None);
        };
        let len = u32::from_be_bytes([a, b, c, d]);
        // PostgreSQL's lengths are signed; 4 is an empty body.
        if len < 4 || i32::try_from(len).is_err() {
            return Err(BadLength);
        }
        let len = usize::try_from(len).map_err(|_| BadLength)? + 1;
        Ok(Some(Self { tag, len }))
    }
}

/// What becomes of the frame at the front of an [`Inbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is dealt with: so many bytes are used up.
    Took(usize),
    /// It goes to the other peer as it is: so many bytes, whether they are here yet or not.
    Forward(usize),
    /// It goes nowhere: so many bytes, whether they are here yet or not.
    Drop(usize),
    /// More of it is needed first.
    Starved,
    /// It has to wait for something else; it will be looked at afresh then.
    Wait,
}

/// The frame of which a part has been passed on or dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passing {
    /// Bytes of it that have not arrived; 0 between frames.
    pub(crate) remaining: usize,
    /// Whether it goes nowhere.
    pub(crate) dropped: bool,
}

/// Bytes of one peer that could not be dealt with yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Starts at a frame boundary.
    held: BytesMut,
    /// When this is not 0, `held` is empty.
    pub(crate) passing: Passing,
}

impl Inbox {
    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Adds bytes behind those that wait.
    pub(crate) fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Takes everything out; [`Inbox::put_back`] returns what is left.
    pub(crate) fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.held)
    }

    /// Returns what [`Inbox::take`] gave, less `used` bytes.
    pub(crate) fn put_back(&mut self, mut bytes: BytesMut, used: usize) {
        bytes.advance(used.min(bytes.len()));
        if !bytes.is_empty() {
            self.held = bytes;
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.held = BytesMut::new();
        self.passing = Passing::default();
    }

    /// Starts to pass or drop a frame of `len` bytes of which `here` are at hand; returns how many
    /// bytes of those belong to it.
    pub(crate) fn pass(&mut self, len: usize, here: usize, dropped: bool) -> usize {
        let now = len.min(here);
        self.passing = Passing {
            remaining: len - now,
            dropped,
        };
        now
    }

    /// Whether a part of a frame has gone out, so that whatever went out next would be read as more
    /// of it.
    pub(crate) fn is_inside_frame(&self) -> bool {
        self.passing.remaining > 0 && !self.passing.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_once_five_bytes_are_there() {
        assert_eq!(Head::read(b"Q\0\0\0"), Ok(None));
        let head = Head::read(b"Q\0\0\0\x04").unwrap();
        assert_eq!(head, Some(Head { tag: b'Q', len: 5 }));
    }

    #[test]
    fn lengths_below_four_and_negative_ones_are_refused() {
        assert_eq!(Head::read(b"Q\0\0\0\x03"), Err(BadLength));
        assert_eq!(Head::read(b"Q\xff\xff\xff\xff"), Err(BadLength));
    }
}
