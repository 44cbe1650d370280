//! AES-256-GCM-SIV (RFC 8452) on the `aes` and `polyval` crates.
//!
//! It differs from the published `aes-gcm-siv` crate in one thing: the subkeys of a nonce can be
//! kept ([`NonceCipher`]). RFC 8452 derives two subkeys from every nonce, which is most of the
//! work of a short message; a deterministic column has one nonce and pays for it once. The bytes
//! are the same, which the tests show against that crate, Wycheproof and the RFC's vectors.
//!
//! Message lengths are the caller's business: cells are at most 1 GiB, RFC 8452 section 6 allows
//! 64 GiB.

use aes::Aes256Enc;
use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
    KeyInit, ParBlocks,
};
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
        let mut tag = self.unencrypted_tag(hash, buffer);
        self.cipher.encrypt_with_backend(SealVisit {
            tag: &mut tag,
            buffer,
        });
        tag.into()
    }

    fn open(&self, hash: Polyval, buffer: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), AeadError> {
        let mut expected = Block::default();
        self.cipher.encrypt_with_backend(OpenVisit {
            subkeys: self,
            hash,
            tag: tag.into(),
            buffer,
            expected: &mut expected,
        });
        if expected.ct_eq(tag).into() {
            Ok(())
        } else {
            // RFC 8452 section 9: unauthenticated plaintext is never released.
            buffer.zeroize();
            Err(AeadError)
        }
    }

    /// RFC 8452 section 4: POLYVAL over the padded associated data, the padded plaintext and both
    /// lengths, with the nonce added and the top bit cleared. Encrypted, it is the tag.
    fn unencrypted_tag(&self, mut hash: Polyval, plaintext: &[u8]) -> Block {
        let mut lengths = Block::default();
        lengths[..8].copy_from_slice(&self.aad_bits.to_le_bytes());
        lengths[8..].copy_from_slice(&bits(plaintext).to_le_bytes());

        hash.update_padded(plaintext);
        hash.update(&[lengths]);
        let mut tag = hash.finalize();
        for (byte, nonce) in tag.iter_mut().zip(&self.nonce) {
            *byte ^= nonce;
        }
        tag[BLOCK_LEN - 1] &= 0x7f;
        tag
    }
}

type Block = Array<u8, U16>;

/// Everything that the block cipher does to seal a message, in one visit: its wide backends
/// prepare their round keys anew at every visit, which costs more than a short message.
struct SealVisit<'a> {
    /// Unencrypted before, encrypted after.
    tag: &'a mut Block,
    buffer: &'a mut [u8],
}

impl BlockSizeUser for SealVisit<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for SealVisit<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        backend.encrypt_block(self.tag.into());
        apply_keystream(backend, self.tag, self.buffer);
    }
}

/// The same for opening.
struct OpenVisit<'a> {
    subkeys: &'a Subkeys,
    hash: Polyval,
    tag: &'a Block,
    buffer: &'a mut [u8],
    /// The tag that the message should have.
    expected: &'a mut Block,
}

impl BlockSizeUser for OpenVisit<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for OpenVisit<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        apply_keystream(backend, self.tag, self.buffer);
        *self.expected = self.subkeys.unencrypted_tag(self.hash, self.buffer);
        backend.encrypt_block(self.expected.into());
    }
}

/// RFC 8452 section 4, `AES_CTR`: the first counter block is the tag with its top bit set, and its
/// first 32 bits count, little-endian, wrapping round.
#[inline(always)]
fn apply_keystream<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    tag: &Block,
    buffer: &mut [u8],
) {
    let [c0, c1, c2, c3, ..] = tag.0;
    let mut counter = u32::from_le_bytes([c0, c1, c2, c3]);
    let rest = (u128::from_le_bytes(tag.0) | 1 << 127) & !u128::from(u32::MAX);
    let mut next = || {
        let block = rest | u128::from(counter);
        counter = counter.wrapping_add(1);
        Array(block.to_le_bytes())
    };

    let mut wide = buffer.chunks_exact_mut(BLOCK_LEN * B::ParBlocksSize::USIZE);
    for chunk in &mut wide {
        let mut keystream = ParBlocks::<B>::default();
        keystream.iter_mut().for_each(|block| *block = next());
        backend.encrypt_par_blocks((&mut keystream).into());
        xor(chunk, keystream.as_flattened());
    }
    // Several at a time, so that the processor can overlap them.
    let mut narrow = wide.into_remainder().chunks_exact_mut(4 * BLOCK_LEN);
    for chunk in &mut narrow {
        let mut keystream = [next(), next(), next(), next()];
        for block in &mut keystream {
            backend.encrypt_block(block.into());
        }
        xor(chunk, Array::slice_as_flattened(&keystream));
    }
    for chunk in narrow.into_remainder().chunks_mut(BLOCK_LEN) {
        let mut keystream = next();
        backend.encrypt_block((&mut keystream).into());
        xor(chunk, &keystream);
    }
}

#[inline(always)]
fn xor(data: &mut [u8], keystream: &[u8]) {
    for (byte, key) in data.iter_mut().zip(keystream) {
        *byte ^= key;
    }
}

/// The length of `bytes` in bits. A slice has at most 2^63 bytes, cells far fewer.
fn bits(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).wrapping_mul(8)
}

#[cfg(test)]
mod tests;
