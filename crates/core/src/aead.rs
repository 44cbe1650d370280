//! AES-256-GCM-SIV (RFC 8452) on the `aes`, `ctr` and `polyval` crates.
//!
//! It differs from the published `aes-gcm-siv` crate in one thing: the subkeys of a nonce can be
//! kept ([`NonceCipher`]). RFC 8452 derives two subkeys from every nonce, which is most of the
//! work of a short message; a deterministic column has one nonce and pays for it once. The bytes
//! are the same, which the tests show against that crate, Wycheproof and the RFC's vectors.
//!
//! Message lengths are the caller's business: cells are at most 1 GiB, RFC 8452 section 6 allows
//! 64 GiB.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use ctr::{CtrCore, flavors};
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Length in bytes of a key.
pub(crate) const KEY_LEN: usize = 32;
/// Length in bytes of a nonce.
pub(crate) const NONCE_LEN: usize = 12;
/// Length in bytes of an authentication tag.
pub(crate) const TAG_LEN: usize = 16;

const BLOCK_LEN: usize = 16;

/// A message that is not authentic. Opaque on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AeadError;

/// The key-generating key of RFC 8452: seals each message under a nonce of its own.
pub(crate) struct GcmSiv {
    key_generating_key: Aes256Enc,
}

impl GcmSiv {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self {
            key_generating_key: Aes256Enc::new(key.into()),
        }
    }

    /// Encrypts `buffer` in place and returns the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> [u8; TAG_LEN] {
        let (subkeys, hash) = self.subkeys(nonce, aad);
        subkeys.seal(hash, buffer)
    }

    /// Decrypts `buffer` in place, or wipes it.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), AeadError> {
        let (subkeys, hash) = self.subkeys(nonce, aad);
        subkeys.open(hash, buffer, tag)
    }

    /// RFC 8452 section 4, `derive_keys`: six blocks of a little-endian counter and the nonce, of
    /// each encryption the first half; two halves are the authentication key, four the encryption
    /// key. The associated data is absorbed at once.
    fn subkeys(&self, nonce: &[u8; NONCE_LEN], aad: &[u8]) -> (Subkeys, Polyval) {
        let mut blocks = Zeroizing::new([[0u8; BLOCK_LEN]; 6]);
        for (counter, block) in (0u8..).zip(blocks.iter_mut()) {
            block[0] = counter;
            block[4..].copy_from_slice(nonce);
        }
        self.key_generating_key
            .encrypt_blocks(Array::cast_slice_from_core_mut(&mut blocks[..]));

        let mut derived = Zeroizing::new([0u8; 48]);
        for (half, block) in derived.chunks_exact_mut(8).zip(blocks.iter()) {
            half.copy_from_slice(&block[..8]);
        }
        let mut authentication_key = polyval::Key::default();
        authentication_key.copy_from_slice(&derived[..16]);
        let mut encryption_key = aes::cipher::Key::<Aes256Enc>::default();
        encryption_key.copy_from_slice(&derived[16..]);

        let mut hash = Polyval::new(&authentication_key);
        hash.update_padded(aad);
        let subkeys = Subkeys {
            cipher: Aes256Enc::new(&encryption_key),
            nonce: *nonce,
            aad_bits: bits(aad),
        };
        authentication_key.as_mut_slice().zeroize();
        encryption_key.as_mut_slice().zeroize();
        (subkeys, hash)
    }
}

/// AES-256-GCM-SIV under one nonce and one associated data, both fixed for good.
///
/// RFC 8452 permits a repeated nonce: all it gives away is which messages are equal.
pub(crate) struct NonceCipher {
    subkeys: Subkeys,
    /// POLYVAL after the associated data.
    hash: Polyval,
}

impl NonceCipher {
    pub(crate) fn new(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN], aad: &[u8]) -> Self {
        let (subkeys, hash) = GcmSiv::new(key).subkeys(nonce, aad);
        Self { subkeys, hash }
    }

    /// Encrypts `buffer` in place and returns the tag.
    pub(crate) fn seal(&self, buffer: &mut [u8]) -> [u8; TAG_LEN] {
        self.subkeys.seal(self.hash.clone(), buffer)
    }

    /// Decrypts `buffer` in place, or wipes it.
    pub(crate) fn open(&self, buffer: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), AeadError> {
        self.subkeys.open(self.hash.clone(), buffer, tag)
    }
}

/// What RFC 8452 derives from a key and a nonce, less the authentication key, which lives in the
/// POLYVAL state.
struct Subkeys {
    cipher: Aes256Enc,
    nonce: [u8; NONCE_LEN],
    aad_bits: u64,
}

impl Subkeys {
    fn seal(&self, hash: Polyval, buffer: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self.tag(hash, buffer);
        self.apply_keystream(&tag, buffer);
        tag
    }

    fn open(&self, hash: Polyval, buffer: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), AeadError> {
        self.apply_keystream(tag, buffer);
        let expected = self.tag(hash, buffer);
        if expected.ct_eq(tag).into() {
            Ok(())
        } else {
            // RFC 8452 section 9: unauthenticated plaintext is never released.
            buffer.zeroize();
            Err(AeadError)
        }
    }

    /// RFC 8452 section 4: POLYVAL over the padded associated data, the padded plaintext and both
    /// lengths, with the nonce added and the top bit cleared, encrypted.
    fn tag(&self, mut hash: Polyval, plaintext: &[u8]) -> [u8; TAG_LEN] {
        let mut lengths = polyval::Block::default();
        lengths[..8].copy_from_slice(&self.aad_bits.to_le_bytes());
        lengths[8..].copy_from_slice(&bits(plaintext).to_le_bytes());

        hash.update_padded(plaintext);
        hash.update(&[lengths]);
        let mut tag = hash.finalize();
        for (byte, nonce) in tag.iter_mut().zip(&self.nonce) {
            *byte ^= nonce;
        }
        tag[BLOCK_LEN - 1] &= 0x7f;
        self.cipher.encrypt_block(&mut tag);
        tag.into()
    }

    /// RFC 8452 section 4, `AES_CTR`: the first counter block is the tag with its top bit set, and
    /// its first 32 bits count, little-endian, wrapping round.
    fn apply_keystream(&self, tag: &[u8; TAG_LEN], buffer: &mut [u8]) {
        let mut counter_block = *tag;
        counter_block[BLOCK_LEN - 1] |= 0x80;
        CtrCore::<_, flavors::Ctr32LE>::inner_iv_init(&self.cipher, &counter_block.into())
            .apply_keystream_partial(buffer.into());
    }
}

/// The length of `bytes` in bits. A slice has at most 2^63 bytes, cells far fewer.
fn bits(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).wrapping_mul(8)
}

#[cfg(test)]
mod tests;
