//! The two header bytes: section 5.1 of the specification.

use crate::aead::{NONCE_LEN, TAG_LEN};
use crate::policy::Mode;

/// High nibble of the first byte: suite 1, AES-256-GCM-SIV with HKDF-SHA-256.
const SUITE: u8 = 0x10;
const SUITE_MASK: u8 = 0xf0;
const MODE_MASK: u8 = 0x03;
const MODE_DETERMINISTIC: u8 = 1;
const MODE_RANDOMIZED: u8 = 2;
const ROW_BOUND: u8 = 0x04;
const PADDED: u8 = 0x08;

/// Length in bytes of the header.
pub(super) const HEADER_LEN: usize = 2;

/// What a cell's two header bytes say, unauthenticated; for `inspect` and for choosing the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Deterministic or randomized.
    pub mode: Mode,
    /// Row-bound flag.
    pub row_bound: bool,
    /// Padded flag.
    pub padded: bool,
    /// Key version, 1..=255.
    pub version: u8,
}

impl Header {
    /// Reads the header of something that has the shape of a cell: suite 1, a known mode, flags
    /// that go with it, a version, and at least the length of an empty cell of that form.
    pub fn parse(cell: &[u8]) -> Option<Self> {
        let &[first, version, ..] = cell else {
            return None;
        };
        if first & SUITE_MASK != SUITE {
            return None;
        }
        let header = Self {
            mode: match first & MODE_MASK {
                MODE_DETERMINISTIC => Mode::Deterministic,
                MODE_RANDOMIZED => Mode::Randomized,
                _ => return None,
            },
            row_bound: first & ROW_BOUND != 0,
            padded: first & PADDED != 0,
            version,
        };
        (header.is_defined() && cell.len() >= header.min_cell_len()).then_some(header)
    }

    /// The bytes.
    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mode = match self.mode {
            Mode::Deterministic => MODE_DETERMINISTIC,
            Mode::Randomized => MODE_RANDOMIZED,
        };
        let row_bound = if self.row_bound { ROW_BOUND } else { 0 };
        let padded = if self.padded { PADDED } else { 0 };
        [SUITE | mode | row_bound | padded, self.version]
    }

    /// Whether the format defines such cells: version 0 is reserved, and only randomized cells
    /// can be bound to a row.
    pub(super) fn is_defined(self) -> bool {
        self.version != 0 && !(self.row_bound && self.mode == Mode::Deterministic)
    }

    /// Length in bytes of everything but the ciphertext.
    pub(super) fn overhead(self) -> usize {
        match self.mode {
            Mode::Deterministic => HEADER_LEN + TAG_LEN,
            Mode::Randomized => HEADER_LEN + NONCE_LEN + TAG_LEN,
        }
    }

    /// Length in bytes of the shortest cell: an empty value, padded to the smallest block.
    fn min_cell_len(self) -> usize {
        let smallest_block = super::padding::MIN_BLOCK;
        self.overhead() + if self.padded { smallest_block } else { 0 }
    }
}
