//! The door for known-answer tests: a chosen nonce, and which layer refused a cell. Not for
//! applications, which must never learn why a cell did not open.

use zeroize::Zeroizing;

use super::row::{RowBoundKey, RowKey};
use super::{ColumnKey, OpenedCell, SealError};

pub use super::Layer;
/// Length in bytes of a nonce.
pub const NONCE_LEN: usize = crate::aead::NONCE_LEN;

/// [`ColumnKey::seal`] under a chosen nonce; a deterministic column ignores it.
///
/// # Errors
/// [`SealError`] when the value is too long.
pub fn seal(
    key: &ColumnKey,
    canonical: &[u8],
    nonce: &[u8; NONCE_LEN],
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    key.seal_with(canonical, nonce, &[], out)
}

/// [`RowBoundKey::seal`] under a chosen nonce.
///
/// # Errors
/// [`SealError`] when the value is too long.
pub fn seal_in_row(
    key: &RowBoundKey,
    canonical: &[u8],
    nonce: &[u8; NONCE_LEN],
    row: &RowKey,
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    key.0.seal_with(canonical, nonce, row.as_bytes(), out)
}

/// [`ColumnKey::open`], telling which layer refused.
///
/// # Errors
/// The [`Layer`].
pub fn open<'a>(
    key: &ColumnKey,
    cell: &[u8],
    scratch: &'a mut Zeroizing<Vec<u8>>,
) -> Result<OpenedCell<'a>, Layer> {
    key.open_with(cell, &[], scratch)
}

/// [`RowBoundKey::open`], telling which layer refused.
///
/// # Errors
/// The [`Layer`].
pub fn open_in_row<'a>(
    key: &RowBoundKey,
    cell: &[u8],
    row: &RowKey,
    scratch: &'a mut Zeroizing<Vec<u8>>,
) -> Result<OpenedCell<'a>, Layer> {
    key.0.open_with(cell, row.as_bytes(), scratch)
}
