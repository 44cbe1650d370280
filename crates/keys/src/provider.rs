//! The one extension point: a key store that holds a column master key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::env::EnvProvider;
use crate::file::FileProvider;

/// What a wrapped key belongs to; a provider binds it to the wrap as associated data or
/// encryption context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrapContext<'a> {
    /// Random identifier of the key, 16 bytes, as in the manifest.
    pub key_id: &'a [u8; 16],
    /// Which kind of key it is.
    pub purpose: WrapPurpose,
}

impl<'a> WrapContext<'a> {
    /// The context of a column encryption key.
    pub const fn cek(key_id: &'a [u8; 16]) -> Self {
        Self {
            key_id,
            purpose: WrapPurpose::Cek,
        }
    }

    /// The context of a manifest's root secret.
    pub const fn manifest(key_id: &'a [u8; 16]) -> Self {
        Self {
            key_id,
            purpose: WrapPurpose::Manifest,
        }
    }
}

/// Which kind of key a wrap holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrapPurpose {
    /// A column encryption key.
    Cek,
    /// The root secret that authenticates a manifest.
    Manifest,
}

impl WrapPurpose {
    /// The purpose as key stores see it in an encryption context: `cek` or `manifest`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cek => "cek",
            Self::Manifest => "manifest",
        }
    }
}

/// A key store that holds a column master key.
///
/// # Contract
///
/// - The master key never leaves the store; `wrap` and `unwrap` are done by it, or by this object
///   with a key that only this object holds.
/// - A wrap is *authentic*: whoever cannot use the master key cannot make one. A store that wraps
///   with a public key (RSA) must sign what it wraps and check the signature in `unwrap`;
///   otherwise anyone could make a manifest of their own.
/// - A wrap is bound to its [`WrapContext`]: unwrapping under another context fails with
///   [`ProviderError::WrongKey`].
/// - Both calls may be cancelled at any await point by dropping the future, and may be made again.
///   They need not limit their own time: [`crate::KeyRing`] does.
/// - Errors carry no key bytes, wrapped or not, and no credentials of the store.
#[async_trait]
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// Where the master key is, for messages: a URI without secrets.
    fn describe(&self) -> String;

    /// Whether the master key is there, as far as that can be told without something to unwrap.
    /// Nothing is asked unless a provider does it.
    async fn check(&self) -> Result<(), ProviderError> {
        Ok(())
    }

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
    /// The store answered something that is not an answer.
    #[error("key store gave a malformed answer: {0}")]
    Malformed(String),
    /// The wrapped key is not what this store wrapped for this context.
    #[error("the wrapped key does not belong to this master key")]
    WrongKey,
    /// The provider's configuration is wrong.
    #[error("{0}")]
    Configuration(String),
}

/// Makes a provider from the part of a master key URI behind `scheme:`.
pub type ProviderFactory =
    Arc<dyn Fn(&str) -> Result<Arc<dyn KeyProvider>, ProviderError> + Send + Sync>;

/// The key stores that a master key URI can name, by scheme.
///
/// ```
/// # use sealwire_keys::Providers;
/// let providers = Providers::default();
/// let error = providers.open("vault:transit/app").unwrap_err();
/// assert_eq!(error.to_string(), "no key store is registered for `vault:`");
/// assert_eq!(error.hint().as_deref(), Some("registered are `env:` and `file:`"));
/// ```
#[derive(Clone)]
pub struct Providers {
    by_scheme: BTreeMap<String, ProviderFactory>,
}

impl Default for Providers {
    /// `file:` and `env:`.
    fn default() -> Self {
        let mut providers = Self::empty();
        providers.register("file", |rest| Ok(Arc::new(FileProvider::from_uri(rest)?)));
        providers.register("env", |rest| Ok(Arc::new(EnvProvider::new(rest)?)));
        providers
    }
}

impl Providers {
    /// No key store at all.
    pub fn empty() -> Self {
        Self {
            by_scheme: BTreeMap::new(),
        }
    }

    /// Registers a key store under a scheme, in place of an earlier one of the same scheme.
    pub fn register(
        &mut self,
        scheme: impl Into<String>,
        factory: impl Fn(&str) -> Result<Arc<dyn KeyProvider>, ProviderError> + Send + Sync + 'static,
    ) -> &mut Self {
        self.by_scheme.insert(scheme.into(), Arc::new(factory));
        self
    }

    /// The provider that a master key URI names, for example `file:/etc/sealwire/master.key`.
    ///
    /// # Errors
    /// [`OpenError`] when the URI has no scheme, the scheme is not registered, or the provider
    /// does not accept the rest of it.
    pub fn open(&self, uri: &str) -> Result<Arc<dyn KeyProvider>, OpenError> {
        let registered = || self.by_scheme.keys().cloned().collect();
        let (scheme, rest) = uri.split_once(':').ok_or_else(|| OpenError::NoScheme {
            registered: registered(),
        })?;
        let factory = self
            .by_scheme
            .get(scheme)
            .ok_or_else(|| OpenError::UnknownScheme {
                scheme: scheme.to_owned(),
                registered: registered(),
            })?;
        factory(rest).map_err(OpenError::Provider)
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_scheme.keys()).finish()
    }
}

/// A master key URI that cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no `scheme:` in front. The text is left out: it may be the key itself.
    #[error("the master key must be given as a URI such as `file:/path`")]
    NoScheme {
        /// The schemes that would work.
        registered: Vec<String>,
    },
    /// Nobody registered the scheme.
    #[error("no key store is registered for `{scheme}:`")]
    UnknownScheme {
        /// The scheme asked for.
        scheme: String,
        /// The schemes that would work.
        registered: Vec<String>,
    },
    /// The provider does not accept the URI.
    #[error(transparent)]
    Provider(ProviderError),
}

impl OpenError {
    /// What would work.
    pub fn hint(&self) -> Option<String> {
        let registered = match self {
            Self::NoScheme { registered } | Self::UnknownScheme { registered, .. } => registered,
            Self::Provider(_) => return None,
        };
        let quoted: Vec<String> = registered.iter().map(|s| format!("`{s}:`")).collect();
        Some(match quoted.as_slice() {
            [] => "no key store is registered at all".to_owned(),
            [only] => format!("registered is {only}"),
            [head @ .., last] => format!("registered are {} and {last}", head.join(", ")),
        })
    }
}
