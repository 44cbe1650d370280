//! The cell: one sealed value (`docs/spec/cell-format.md`).

mod derive;
mod header;
mod padding;
pub mod row;
#[doc(hidden)]
pub mod vectors;

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

pub(crate) use derive::LABEL;
pub use derive::{MAX_CLASS_LEN, blind_index, key_check_value, manifest_mac_key};
pub use header::Header;

use crate::aead::{GcmSiv, KEY_LEN, NONCE_LEN, NonceCipher, TAG_LEN};
use crate::policy::{ColumnSpec, Mode};
use crate::secret::Cek;
use derive::Purpose;
use header::HEADER_LEN;

/// The longest value of a deterministic column, in canonical bytes before padding: what the
/// bound on distinct values in section 6 of the specification assumes.
pub const MAX_DETERMINISTIC_LEN: usize = 16 * 1024;

/// The longest cell, in bytes: PostgreSQL's `MaxAllocSize` less the four bytes of a varlena header.
pub const MAX_CELL_LEN: usize = 0x3fff_ffff - 4;

/// The subkey of one column under one key version, with its key schedule.
pub struct ColumnKey {
    /// `None` when the column is outside the format's limits: nothing seals or opens then.
    form: Option<Form>,
    keys: Keys,
}

/// What every cell of a column under one key version has in common.
#[derive(Clone, Copy)]
struct Form {
    header: Header,
    /// Padding block in bytes, 2..=65535.
    block: Option<usize>,
}

impl Form {
    fn new(
        mode: Mode,
        row_bound: bool,
        padding: Option<u16>,
        version: u8,
        class: &str,
    ) -> Option<Self> {
        let header = Header {
            mode,
            row_bound,
            padded: padding.is_some(),
            version,
        };
        let block = padding.map(usize::from);
        let within_limits = header.is_defined()
            && (1..=MAX_CLASS_LEN).contains(&class.len())
            && block.is_none_or(|block| block >= padding::MIN_BLOCK);
        within_limits.then_some(Self { header, block })
    }

    /// Length in bytes of what is encrypted for a value of `len` bytes.
    fn sealed_len(&self, len: usize) -> Option<usize> {
        match self.block {
            Some(block) => padding::padded_len(len, block),
            None => Some(len),
        }
    }
}

/// Boxed, so that moving a [`ColumnKey`] leaves no copy of its key schedule behind.
enum Keys {
    Deterministic(Box<NonceCipher>),
    Randomized(Box<GcmSiv>),
}

impl Keys {
    fn deterministic(okm: &[u8; KEY_LEN + NONCE_LEN], header: [u8; HEADER_LEN]) -> Self {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let mut nonce = [0; NONCE_LEN];
        key.copy_from_slice(&okm[..KEY_LEN]);
        nonce.copy_from_slice(&okm[KEY_LEN..]);
        Self::Deterministic(Box::new(NonceCipher::new(&key, &nonce, &header)))
    }

    fn randomized(key: &[u8; KEY_LEN]) -> Self {
        Self::Randomized(Box::new(GcmSiv::new(key)))
    }
}

/// The plaintext of a cell that authenticated. [`ColumnKey::open`] is its only constructor, so
/// holding one proves that the cell was authentic.
pub struct OpenedCell<'a> {
    bytes: &'a [u8],
}

impl<'a> OpenedCell<'a> {
    /// The canonical plaintext.
    pub fn canonical(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for OpenedCell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedCell(redacted)")
    }
}

/// A cell that did not open. Opaque on purpose: why it did not is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cell failed authentication")]
pub struct CellError;

/// Which step of section 5.5 refused a cell; the vectors tell them apart, callers never do.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// Shorter or longer than any cell of the column, or no multiple of its padding block.
    Length,
    /// Suite, mode or flags are not the column's.
    Header,
    /// The key version is not this key's.
    Version,
    /// The tag does not match.
    Authentication,
    /// Authentic, but the padding is not what section 5.2 prescribes.
    Padding,
}

/// A value that cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Deterministic values are limited to 16 KiB (section 6 of the specification).
    #[error("a deterministic value may have at most {MAX_DETERMINISTIC_LEN} bytes")]
    DeterministicTooLong,
    /// The cell would not fit into a PostgreSQL field (1 GiB).
    #[error("the value is too long for a cell")]
    TooLong,
    /// The column is not one that a checked [`Policy`](crate::policy::Policy) can hold.
    #[error("the column's key version, class or padding is outside the cell format's limits")]
    OutsideFormat,
}

impl ColumnKey {
    /// Derives the subkey of `column` from version `version` of its key.
    ///
    /// A column outside the limits that [`Policy`](crate::policy::Policy) checks gives a key that
    /// seals and opens nothing.
    pub fn derive(cek: &Cek, version: u8, column: &ColumnSpec) -> Self {
        let family = column.ty.family().byte();
        let class = &column.class;
        let form = Form::new(column.mode, false, column.padding, version, class);
        let keys = match column.mode {
            Mode::Deterministic => {
                let header = form.map_or([0; HEADER_LEN], |form| form.header.to_bytes());
                let okm = derive::expand(cek.expose(), Purpose::Deterministic, family, class);
                Keys::deterministic(&okm, header)
            }
            Mode::Randomized => {
                let key = derive::expand(cek.expose(), Purpose::Randomized, family, class);
                Keys::randomized(&key)
            }
        };
        Self { form, keys }
    }

    /// Appends the cell of `canonical` to `out`.
    ///
    /// # Errors
    /// [`SealError`] when the value is too long; `out` is then as it was.
    pub fn seal(&self, canonical: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        match self.keys {
            Keys::Deterministic(_) => self.seal_with(canonical, &[0; NONCE_LEN], &[], out),
            Keys::Randomized(_) => self.seal_with(canonical, &random_nonce(), &[], out),
        }
    }

    /// Opens a cell, using `scratch` for the plaintext (the caller keeps it zeroizing).
    ///
    /// # Errors
    /// [`CellError`], always the same; `scratch` is then empty.
    pub fn open<'a>(
        &self,
        cell: &[u8],
        scratch: &'a mut Zeroizing<Vec<u8>>,
    ) -> Result<OpenedCell<'a>, CellError> {
        self.open_with(cell, &[], scratch).map_err(|_| CellError)
    }

    /// Section 5.4. `nonce` is used by randomized columns only; `row` is `ROW`, empty unless the
    /// column is row-bound.
    fn seal_with(
        &self,
        canonical: &[u8],
        nonce: &[u8; NONCE_LEN],
        row: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let form = self.form.ok_or(SealError::OutsideFormat)?;
        let deterministic = form.header.mode == Mode::Deterministic;
        if deterministic && canonical.len() > MAX_DETERMINISTIC_LEN {
            return Err(SealError::DeterministicTooLong);
        }
        let sealed_len = form
            .sealed_len(canonical.len())
            .filter(|&len| len <= MAX_CELL_LEN - form.header.overhead())
            .ok_or(SealError::TooLong)?;

        // Reserved before the plaintext is in, so that growing leaves no copy of it behind.
        out.reserve(form.header.overhead() + sealed_len);
        let header = form.header.to_bytes();
        out.extend_from_slice(&header);
        if !deterministic {
            out.extend_from_slice(nonce);
        }
        let start = out.len();
        out.extend_from_slice(canonical);
        if form.block.is_some() {
            padding::pad(out, sealed_len - canonical.len());
        }
        let tag = match &self.keys {
            Keys::Deterministic(cipher) => cipher.seal(&mut out[start..]),
            Keys::Randomized(cipher) if row.is_empty() => {
                cipher.seal(nonce, &header, &mut out[start..])
            }
            Keys::Randomized(cipher) => {
                cipher.seal(nonce, &[&header, row].concat(), &mut out[start..])
            }
        };
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Section 5.5: the steps in their order, each naming its layer.
    fn open_with<'a>(
        &self,
        cell: &[u8],
        row: &[u8],
        scratch: &'a mut Zeroizing<Vec<u8>>,
    ) -> Result<OpenedCell<'a>, Layer> {
        scratch.clear();
        let form = self.form.ok_or(Layer::Header)?;
        let (&header, rest) = cell
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(Layer::Length)?;
        let [expected_form, expected_version] = form.header.to_bytes();
        if header[0] != expected_form {
            return Err(Layer::Header);
        }
        if header[1] != expected_version {
            return Err(Layer::Version);
        }
        let (nonce, rest) = match form.header.mode {
            Mode::Deterministic => (&[0; NONCE_LEN], rest),
            Mode::Randomized => rest.split_first_chunk().ok_or(Layer::Length)?,
        };
        let (sealed, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(Layer::Length)?;
        if !self.is_possible_len(form, sealed.len()) || cell.len() > MAX_CELL_LEN {
            return Err(Layer::Length);
        }

        // A buffer that is too small is replaced, not grown: growing would free the values of
        // earlier cells unwiped.
        if scratch.capacity() < sealed.len() {
            *scratch = Zeroizing::new(Vec::with_capacity(sealed.len().next_power_of_two()));
        }
        scratch.extend_from_slice(sealed);
        let opened = match &self.keys {
            Keys::Deterministic(cipher) => cipher.open(scratch, tag),
            Keys::Randomized(cipher) if row.is_empty() => cipher.open(nonce, &header, scratch, tag),
            Keys::Randomized(cipher) => cipher.open(nonce, &[&header, row].concat(), scratch, tag),
        };
        if opened.is_err() {
            // The cipher has wiped it.
            scratch.clear();
            return Err(Layer::Authentication);
        }
        let len = match form.block {
            None => sealed.len(),
            Some(block) => match padding::unpad(scratch, block) {
                Some(len) => len,
                None => {
                    scratch.as_mut_slice().zeroize();
                    scratch.clear();
                    return Err(Layer::Padding);
                }
            },
        };
        Ok(OpenedCell {
            bytes: &scratch[..len],
        })
    }

    /// Whether a cell of this column can have `len` bytes of ciphertext.
    fn is_possible_len(&self, form: Form, len: usize) -> bool {
        let whole_blocks = form
            .block
            .is_none_or(|block| len != 0 && len.is_multiple_of(block));
        let longest = match form.header.mode {
            Mode::Deterministic => form.sealed_len(MAX_DETERMINISTIC_LEN),
            Mode::Randomized => Some(MAX_CELL_LEN),
        };
        whole_blocks && longest.is_some_and(|longest| len <= longest)
    }
}

impl fmt::Debug for ColumnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnKey")
            .field("header", &self.form.map(|form| form.header))
            .finish_non_exhaustive()
    }
}

/// A nonce from the thread's buffered generator. It is not reseeded after a fork or in a restored
/// snapshot of a virtual machine; a nonce that repeats gives away only whether two cells hold the
/// same value (section 6 of the specification).
fn random_nonce() -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut nonce);
    nonce
}

#[cfg(test)]
mod tests;
