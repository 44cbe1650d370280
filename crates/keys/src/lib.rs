//! Key providers, the key ring and the manifest.

use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

/// What a wrapped key belongs to; a provider binds it to the wrap as associated data or
/// encryption context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrapContext<'a> {
    /// Random identifier of the key, 16 bytes, as in the manifest.
    pub key_id: &'a [u8; 16],
    /// `cek` or `manifest`: which purpose the key has.
    pub purpose: &'static str,
}

/// A key store that holds a column master key: the one extension point.
#[async_trait]
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// Where the master key is, for messages: a URI without secrets.
    fn describe(&self) -> String;

    /// Wraps 32 key bytes under the master key.
    async fn wrap(
        &self,
        context: WrapContext<'_>,
        key: &Zeroizing<[u8; 32]>,
    ) -> Result<Vec<u8>, ProviderError>;

    /// Unwraps what [`KeyProvider::wrap`] returned for the same context.
    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, ProviderError>;
}

/// A key store that could not do it. Never carries key bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The store cannot be reached or did not answer in time.
    #[error("key store did not answer: {0}")]
    Unavailable(String),
    /// The store refused.
    #[error("key store refused: {0}")]
    Denied(String),
    /// The wrapped key is not what this store wrapped for this context.
    #[error("the wrapped key does not belong to this master key")]
    WrongKey,
    /// The provider's configuration is wrong.
    #[error("{0}")]
    Configuration(String),
}
