//! Key derivation: section 3 of the specification.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::{Cek, RootSecret};
use crate::types::Family;

/// Salt of HKDF-Extract and first bytes of every info string and wrap context.
pub(crate) const LABEL: &[u8; 11] = b"sealwire/v1";

/// The longest class, in bytes of UTF-8: its length is 16 bits of the info string.
pub const MAX_CLASS_LEN: usize = u16::MAX as usize;

/// What a derived key is for: the byte `p` of the info string. 4 (search tokens) and 5 (order
/// terms) are reserved.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Purpose {
    Deterministic = 1,
    Randomized = 2,
    BlindIndex = 3,
    KeyCheck = 16,
    ManifestMac = 17,
}

/// `HKDF-Expand(PRK, INFO(purpose, family, class), N)` with `PRK` from `key`.
pub(super) fn expand<const N: usize>(
    key: &[u8; 32],
    purpose: Purpose,
    family: u8,
    class: &str,
) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "RFC 5869 section 2.3: L <= 255 * HashLen") };

    let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(LABEL), key);
    prk.as_mut_slice().zeroize();
    // A class beyond the limit never reaches a cell: `ColumnKey::derive` refuses it.
    let class_len = u16::try_from(class.len()).unwrap_or(u16::MAX).to_be_bytes();
    let info: [&[u8]; 4] = [
        LABEL,
        &[0, purpose as u8, family],
        &class_len,
        class.as_bytes(),
    ];
    let mut okm = Zeroizing::new([0; N]);
    let Ok(()) = hkdf.expand_multi_info(&info, &mut *okm) else {
        unreachable!("the assertion above bounds the length");
    };
    okm
}

/// The key check value of a key: kept in the manifest, compared in constant time after unwrapping.
pub fn key_check_value(cek: &Cek) -> [u8; 32] {
    *expand(cek.expose(), Purpose::KeyCheck, 0, "")
}

/// The key of the manifest's HMAC-SHA-256, from the manifest's root secret.
pub fn manifest_mac_key(root: &RootSecret) -> Zeroizing<[u8; 32]> {
    expand(root.expose(), Purpose::ManifestMac, 0, "")
}

/// The blind index of a value, 32 bytes: `HMAC-SHA-256(K, canonical plaintext)` with `K` of
/// purpose 3. An index of `n` bytes is its first `n`. No column can have one yet; it is here so
/// that the vectors fix its bytes.
pub fn blind_index(cek: &Cek, family: Family, class: &str, canonical: &[u8]) -> [u8; 32] {
    use hmac::{Hmac, KeyInit, Mac};

    let key = expand::<32>(cek.expose(), Purpose::BlindIndex, family.byte(), class);
    // RFC 2104: a key shorter than the block of 64 bytes is filled up with zeros.
    let mut block = Zeroizing::new([0u8; 64]);
    block[..32].copy_from_slice(&*key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(canonical);
    mac.finalize().into_bytes().into()
}
