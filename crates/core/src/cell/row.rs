//! Row binding: section 5.3 of the specification. A row-bound cell opens in its own row only.
//!
//! No [`ColumnSpec`](crate::policy::ColumnSpec) can ask for it yet; the format and its vectors
//! have it from the start.

use std::fmt;

use zeroize::Zeroizing;

use super::{CellError, ColumnKey, Form, Keys, OpenedCell, SealError, derive, random_nonce};
use crate::policy::Mode;
use crate::secret::Cek;
use crate::types::Family;

/// The row that a cell is bound to: `ROW`, the canonical bytes of its primary key.
///
/// Primary keys are no secrets of the format (the server sees them), but they are values of the
/// application all the same: `Debug` does not show them.
pub struct RowKey(Vec<u8>);

impl RowKey {
    /// Encodes the canonical bytes of the primary key's columns, in the key's order. `None` when
    /// there is no column, or more columns or longer ones than 65535.
    pub fn new(columns: &[&[u8]]) -> Option<Self> {
        let count = u16::try_from(columns.len()).ok().filter(|&n| n != 0)?;
        let mut row = count.to_be_bytes().to_vec();
        for column in columns {
            row.extend(u16::try_from(column.len()).ok()?.to_be_bytes());
            row.extend_from_slice(column);
        }
        Some(Self(row))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowKey(redacted)")
    }
}

/// The subkey of a randomized, row-bound column under one key version.
#[derive(Debug)]
pub struct RowBoundKey(pub(super) ColumnKey);

impl RowBoundKey {
    /// Derives the subkey, the same as the column's without row binding: the header keeps the two
    /// apart.
    pub fn derive(
        cek: &Cek,
        version: u8,
        family: Family,
        class: &str,
        padding: Option<u16>,
    ) -> Self {
        let form = Form::new(Mode::Randomized, true, padding, version, class);
        let keys = Keys::randomized(&derive::expand(
            cek.expose(),
            derive::Purpose::Randomized,
            family.byte(),
            class,
        ));
        Self(ColumnKey { form, keys })
    }

    /// Appends the cell of `canonical` in `row` to `out`.
    ///
    /// # Errors
    /// [`SealError`] when the value is too long.
    pub fn seal(&self, canonical: &[u8], row: &RowKey, out: &mut Vec<u8>) -> Result<(), SealError> {
        self.0
            .seal_with(canonical, &random_nonce(), row.as_bytes(), out)
    }

    /// Opens a cell that was sealed for `row`.
    ///
    /// # Errors
    /// [`CellError`], always the same.
    pub fn open<'a>(
        &self,
        cell: &[u8],
        row: &RowKey,
        scratch: &'a mut Zeroizing<Vec<u8>>,
    ) -> Result<OpenedCell<'a>, CellError> {
        self.0
            .open_with(cell, row.as_bytes(), scratch)
            .map_err(|_| CellError)
    }
}
