//! Wrapping keys under a local master key: section 7 of the specification.

use zeroize::Zeroizing;

use crate::aead::{GcmSiv, NONCE_LEN, TAG_LEN};
use crate::cell::LABEL;
use crate::secret::{KEY_LEN, MasterKey, RandomnessError, fill_from_os};

/// First byte of a wrapped key.
const FORMAT: u8 = 1;

/// Length in bytes of a key's identifier.
pub const KEY_ID_LEN: usize = 16;

/// Length in bytes of a wrapped key.
pub const WRAPPED_LEN: usize = 1 + NONCE_LEN + KEY_LEN + TAG_LEN;

/// What the wrapped key is. It enters the associated data, so that one can never be put in the
/// place of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A column encryption key.
    Cek,
    /// The root secret of a manifest.
    ManifestRoot,
}

impl Role {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Cek => b"wrap",
            Self::ManifestRoot => b"wrap-manifest",
        }
    }
}

/// A wrapped key that did not unwrap: another master key, role or identifier, or altered bytes.
/// Opaque on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wrapped key failed authentication")]
pub struct WrapError;

/// Wraps `key`, whose identifier is `key_id`, under `master`.
///
/// # Errors
/// [`RandomnessError`] when the operating system has no random bytes for the nonce.
pub fn seal(
    master: &MasterKey,
    role: Role,
    key_id: &[u8; KEY_ID_LEN],
    key: &[u8; KEY_LEN],
) -> Result<[u8; WRAPPED_LEN], RandomnessError> {
    let mut nonce = [0; NONCE_LEN];
    fill_from_os(&mut nonce)?;
    Ok(seal_with_nonce(master, role, key_id, key, &nonce))
}

/// [`seal`] under a chosen nonce, for the vectors.
#[doc(hidden)]
pub fn seal_with_nonce(
    master: &MasterKey,
    role: Role,
    key_id: &[u8; KEY_ID_LEN],
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
) -> [u8; WRAPPED_LEN] {
    let mut buffer = Zeroizing::new(*key);
    let tag = GcmSiv::new(master.expose()).seal(nonce, &context(role, key_id), &mut *buffer);
    let mut wrapped = [FORMAT; WRAPPED_LEN];
    let (wrapped_nonce, rest) = wrapped[1..].split_at_mut(NONCE_LEN);
    wrapped_nonce.copy_from_slice(nonce);
    rest[..KEY_LEN].copy_from_slice(&*buffer);
    rest[KEY_LEN..].copy_from_slice(&tag);
    wrapped
}

/// Unwraps what [`seal`] returned for the same role and identifier.
///
/// # Errors
/// [`WrapError`], always the same.
pub fn open(
    master: &MasterKey,
    role: Role,
    key_id: &[u8; KEY_ID_LEN],
    wrapped: &[u8],
) -> Result<Zeroizing<[u8; KEY_LEN]>, WrapError> {
    let wrapped: &[u8; WRAPPED_LEN] = wrapped.try_into().map_err(|_| WrapError)?;
    let (&[format], rest) = wrapped.split_first_chunk().ok_or(WrapError)?;
    let (nonce, rest) = rest.split_first_chunk().ok_or(WrapError)?;
    let (sealed, tag) = rest.split_first_chunk::<KEY_LEN>().ok_or(WrapError)?;
    let tag = tag.try_into().map_err(|_| WrapError)?;
    if format != FORMAT {
        return Err(WrapError);
    }
    let mut key = Zeroizing::new(*sealed);
    GcmSiv::new(master.expose())
        .open(nonce, &context(role, key_id), &mut *key, tag)
        .map_err(|_| WrapError)?;
    Ok(key)
}

/// `LABEL || 00 || role || 00 || key identifier`.
fn context(role: Role, key_id: &[u8; KEY_ID_LEN]) -> Vec<u8> {
    [LABEL.as_slice(), &[0], role.label(), &[0], key_id].concat()
}
