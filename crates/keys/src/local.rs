//! A master key that this process holds: its text form and its wraps
//! (`docs/spec/manifest.md`, sections 5 and 6).

use std::fmt;

use async_trait::async_trait;
use data_encoding::BASE64;
use sealwire_core::secret::{KEY_LEN, MasterKey, RandomnessError};
use sealwire_core::wrap::{self, Role};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::provider::{KeyProvider, ProviderError, WrapContext, WrapPurpose};

/// What a key file's one line starts with; the number is the version of the form.
const PREFIX: &str = "sealwire-master-key-1:";
const CHECK_LEN: usize = 4;
const CHECK_LABEL: &[u8] = b"sealwire/v1\0master-key\0";
/// Length of the line without its line feed: 36 bytes are 48 characters of base64, no padding.
pub(crate) const TEXT_LEN: usize = PREFIX.len() + (KEY_LEN + CHECK_LEN) / 3 * 4;

/// Why a text is not a master key. Never carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseKeyError {
    #[error("does not start with `{PREFIX}`")]
    NoPrefix,
    #[error("is cut short, too long or mistyped: its checksum does not fit")]
    Damaged,
}

/// Reads `sealwire-master-key-1:…`, with at most a line end behind it.
pub(crate) fn parse_key(text: &[u8]) -> Result<MasterKey, ParseKeyError> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let encoded = text
        .strip_prefix(PREFIX.as_bytes())
        .ok_or(ParseKeyError::NoPrefix)?;
    if text.len() != TEXT_LEN {
        return Err(ParseKeyError::Damaged);
    }
    let mut decoded = Zeroizing::new([0u8; KEY_LEN + CHECK_LEN]);
    BASE64
        .decode_mut(encoded, &mut *decoded)
        .map_err(|_| ParseKeyError::Damaged)?;
    let (key, check) = decoded
        .split_first_chunk::<KEY_LEN>()
        .ok_or(ParseKeyError::Damaged)?;
    if !bool::from(checksum(key)[..].ct_eq(check)) {
        return Err(ParseKeyError::Damaged);
    }
    Ok(MasterKey::new(key))
}

/// The line of a key file, its line feed included.
pub(crate) fn format_key(key: &MasterKey) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; KEY_LEN + CHECK_LEN]);
    bytes[..KEY_LEN].copy_from_slice(key.expose());
    bytes[KEY_LEN..].copy_from_slice(&checksum(key.expose()));
    // The capacity is reserved so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(TEXT_LEN + 1));
    text.push_str(PREFIX);
    BASE64.encode_append(&*bytes, &mut text);
    text.push('\n');
    text
}

/// Notices a damaged key before it is taken for another key; it lies beside the key and tells
/// nobody anything who cannot read that.
fn checksum(key: &[u8; KEY_LEN]) -> [u8; CHECK_LEN] {
    let digest = Sha256::new()
        .chain_update(CHECK_LABEL)
        .chain_update(key)
        .finalize();
    let mut check = [0; CHECK_LEN];
    check.copy_from_slice(&digest[..CHECK_LEN]);
    check
}

const fn role(purpose: WrapPurpose) -> Role {
    match purpose {
        WrapPurpose::Cek => Role::Cek,
        WrapPurpose::Manifest => Role::ManifestRoot,
    }
}

pub(crate) fn wrap(
    master: &MasterKey,
    context: WrapContext<'_>,
    key: &[u8; KEY_LEN],
) -> Result<Vec<u8>, ProviderError> {
    wrap::seal(master, role(context.purpose), context.key_id, key)
        .map(Vec::from)
        .map_err(|error| ProviderError::Unavailable(error.to_string()))
}

pub(crate) fn unwrap(
    master: &MasterKey,
    context: WrapContext<'_>,
    wrapped: &[u8],
) -> Result<Zeroizing<[u8; KEY_LEN]>, ProviderError> {
    wrap::open(master, role(context.purpose), context.key_id, wrapped)
        .map_err(|_| ProviderError::WrongKey)
}

/// A master key in this process's memory, for tests and for applications that get their key by
/// ways of their own.
pub struct LocalProvider {
    key: MasterKey,
}

impl LocalProvider {
    /// Wraps under this key.
    pub fn new(key: MasterKey) -> Self {
        Self { key }
    }

    /// A new random key, gone with the process.
    ///
    /// # Errors
    /// [`RandomnessError`] when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self, RandomnessError> {
        Ok(Self::new(MasterKey::generate()?))
    }
}

impl fmt::Debug for LocalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalProvider(redacted)")
    }
}

#[async_trait]
impl KeyProvider for LocalProvider {
    fn describe(&self) -> String {
        "a key in memory".to_owned()
    }

    async fn wrap(
        &self,
        context: WrapContext<'_>,
        key: &Zeroizing<[u8; KEY_LEN]>,
    ) -> Result<Vec<u8>, ProviderError> {
        wrap(&self.key, context, key)
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_LEN]>, ProviderError> {
        unwrap(&self.key, context, wrapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (MasterKey, Zeroizing<String>) {
        let mut bytes = [0; KEY_LEN];
        (0x20..).zip(&mut bytes).for_each(|(n, b)| *b = n);
        let key = MasterKey::new(&bytes);
        let text = format_key(&key);
        (key, text)
    }

    #[test]
    fn a_key_survives_its_text() {
        let (key, text) = sample();
        assert_eq!(text.len(), TEXT_LEN + 1);
        let line = text.trim_end();
        for text in [line.to_owned(), format!("{line}\n"), format!("{line}\r\n")] {
            assert_eq!(parse_key(text.as_bytes()).unwrap().expose(), key.expose());
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let (_, text) = sample();
        for len in 0..TEXT_LEN {
            assert!(parse_key(&text.as_bytes()[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let (_, text) = sample();
        for at in 0..TEXT_LEN {
            for flip in [1, 2, 4, 8, 16, 32] {
                let mut text = text.as_bytes().to_vec();
                text[at] ^= flip;
                assert!(parse_key(&text).is_err(), "byte {at} ^ {flip}");
            }
        }
    }

    #[test]
    fn more_text_behind_the_key_is_an_error() {
        let (_, text) = sample();
        for more in ["\n", "A", "AAAA", " "] {
            let text = format!("{}{more}", *text);
            assert!(parse_key(text.as_bytes()).is_err(), "{more:?}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let provider = LocalProvider::new(sample().0);
        assert_eq!(format!("{provider:?}"), "LocalProvider(redacted)");
    }
}
