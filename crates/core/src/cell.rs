//! The cell: one sealed value (`docs/spec/cell-format.md`).

use crate::policy::{ColumnSpec, Mode};
use crate::secret::Cek;

/// The subkey of one column under one key version, with its key schedule.
pub struct ColumnKey {
    _private: (),
}

/// The plaintext of a cell that authenticated. [`ColumnKey::open`] is its only constructor, so
/// holding one proves that the cell was authentic.
pub struct OpenedCell<'a> {
    _bytes: &'a [u8],
}

impl<'a> OpenedCell<'a> {
    /// The canonical plaintext.
    pub fn canonical(&self) -> &'a [u8] {
        self._bytes
    }
}

/// A cell that did not open. Opaque on purpose: why it did not is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cell failed authentication")]
pub struct CellError;

/// A value that cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Deterministic values are limited to 16 KiB (section 6 of the specification).
    #[error("a deterministic value may have at most 16384 bytes")]
    DeterministicTooLong,
    /// The cell would not fit into a PostgreSQL field (1 GiB).
    #[error("the value is too long for a cell")]
    TooLong,
}

impl ColumnKey {
    /// Derives the subkey of `column` from version `version` of its key.
    pub fn derive(_cek: &Cek, _version: u8, _column: &ColumnSpec) -> Self {
        unimplemented!()
    }

    /// Appends the cell of `canonical` to `out`.
    ///
    /// # Errors
    /// [`SealError`] when the value is too long.
    pub fn seal(&self, _canonical: &[u8], _out: &mut Vec<u8>) -> Result<(), SealError> {
        unimplemented!()
    }

    /// Opens a cell, using `scratch` for the plaintext (the caller keeps it zeroizing).
    ///
    /// # Errors
    /// [`CellError`], always the same.
    pub fn open<'a>(
        &self,
        _cell: &[u8],
        _scratch: &'a mut zeroize::Zeroizing<Vec<u8>>,
    ) -> Result<OpenedCell<'a>, CellError> {
        unimplemented!()
    }
}

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
    /// Reads the header of something that has the shape of a cell: suite 1, a known mode, a
    /// version, and at least the length of an empty cell of that mode.
    pub fn parse(_cell: &[u8]) -> Option<Self> {
        unimplemented!()
    }
}

/// The key check value of a key (section 3 of the specification).
pub fn key_check_value(_cek: &Cek) -> [u8; 32] {
    unimplemented!()
}
