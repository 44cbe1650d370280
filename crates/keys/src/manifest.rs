//! The manifest: which columns are encrypted, how, and under which wrapped keys
//! (`docs/spec/manifest.md`).

mod builder;
mod canonical;
mod column_type;
mod document;
mod encoding;
mod error;
mod name;
mod seen;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealwire_core::policy::{CekIndex, KeyId, Policy};
use sealwire_core::secret::RootSecret;

pub use self::builder::ManifestBuilder;
pub use self::column_type::ColumnType;
use self::document::Document;
pub use self::document::{CekEntry, CekVersion, ColumnEntry, KeyState, TableEntry};
pub use self::error::ManifestError;
pub use self::name::{NameError, TableName, parse_column_path};
pub use self::seen::SeenManifest;
use crate::provider::{KeyProvider, ProviderError, WrapContext};

/// How long a key store may take over the root secret.
const ROOT_TIMEOUT: Duration = Duration::from_secs(10);

/// A well-formed manifest that nobody has authenticated yet: it may come from the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    document: Document,
    text: String,
}

impl Manifest {
    /// Reads a document. Fields that this version does not know are errors: they might have
    /// restricted something.
    ///
    /// # Errors
    /// [`ManifestError`] when the text is not a version 1 manifest.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        Ok(Self {
            document: Document::parse(text)?,
            text: text.to_owned(),
        })
    }

    /// The document as it was read or sealed.
    pub fn as_toml(&self) -> &str {
        &self.text
    }

    /// The serial number that the document claims.
    pub fn serial(&self) -> u64 {
        self.document.serial
    }

    /// The identifier of the root secret that the document claims.
    pub fn root_id(&self) -> &[u8; 16] {
        &self.document.root.id.0
    }

    /// Checks that the holder of the master key made this document, and the policy that it states.
    /// `min_serial` is the highest serial number seen so far, 0 at first; [`SeenManifest`] keeps
    /// it.
    ///
    /// # Errors
    /// [`ManifestError`] when the document is not authentic, is older than `min_serial`, protects
    /// nothing or contradicts itself, or when the key store did not answer within ten seconds.
    pub async fn authenticate(
        &self,
        provider: &dyn KeyProvider,
        min_serial: u64,
    ) -> Result<AuthenticManifest, ManifestError> {
        self.verify(provider).await?;
        if self.serial() < min_serial {
            return Err(ManifestError::Older {
                found: self.serial(),
                seen: min_serial,
            });
        }
        let policy = self.document.policy()?;
        let mut wrapped = HashMap::new();
        for (cek, entry) in (0u16..).map(CekIndex).zip(&self.document.ceks) {
            for version in &entry.versions {
                let id = KeyId {
                    cek,
                    version: version.number,
                };
                let key = WrappedCek {
                    name: entry.name.clone(),
                    version: version.clone(),
                };
                wrapped.insert(id, Arc::new(key));
            }
        }
        Ok(AuthenticManifest {
            root_id: *self.root_id(),
            policy: Arc::new(policy),
            wrapped: Arc::new(wrapped),
        })
    }

    /// Opens the document for changes. Only an authentic one can be changed: sealing another one
    /// anew would make a forgery authentic.
    ///
    /// # Errors
    /// [`ManifestError`] when the document is not authentic.
    pub async fn edit(self, provider: &dyn KeyProvider) -> Result<ManifestBuilder, ManifestError> {
        let root = self.verify(provider).await?;
        Ok(ManifestBuilder::from_parts(self.document, root))
    }

    async fn verify(&self, provider: &dyn KeyProvider) -> Result<RootSecret, ManifestError> {
        let root = &self.document.root;
        let context = WrapContext::manifest(&root.id.0);
        let unwrap = provider.unwrap(context, root.wrapped.as_bytes());
        let secret = match tokio::time::timeout(ROOT_TIMEOUT, unwrap).await {
            Ok(Ok(secret)) => RootSecret::new(&secret),
            Ok(Err(ProviderError::WrongKey)) => {
                return Err(ManifestError::ForeignRoot {
                    store: provider.describe(),
                });
            }
            Ok(Err(source)) => {
                return Err(ManifestError::Store {
                    store: provider.describe(),
                    source,
                });
            }
            Err(_) => {
                let after = ROOT_TIMEOUT.as_millis();
                return Err(ManifestError::Store {
                    store: provider.describe(),
                    source: ProviderError::Unavailable(format!("no answer in {after} ms")),
                });
            }
        };
        if canonical::verify(&self.document, &secret) {
            Ok(secret)
        } else {
            Err(ManifestError::NotAuthentic)
        }
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.document.fmt(f)
    }
}

/// A manifest that authenticated: [`Manifest::authenticate`] is its only constructor, so holding
/// one proves that the policy is the one that the holder of the master key stated.
#[derive(Clone, Debug)]
pub struct AuthenticManifest {
    root_id: [u8; 16],
    policy: Arc<Policy>,
    wrapped: Arc<HashMap<KeyId, Arc<WrappedCek>>>,
}

/// A wrapped key of an authentic manifest.
#[derive(Debug)]
pub(crate) struct WrappedCek {
    pub(crate) name: String,
    version: CekVersion,
}

impl WrappedCek {
    pub(crate) fn number(&self) -> u8 {
        self.version.number
    }

    pub(crate) fn context(&self) -> WrapContext<'_> {
        WrapContext::cek(&self.version.id.0)
    }

    pub(crate) fn wrapped(&self) -> &[u8] {
        self.version.wrapped.as_bytes()
    }

    pub(crate) fn key_check_value(&self) -> &[u8; 32] {
        &self.version.kcv.0
    }
}

impl AuthenticManifest {
    /// What is encrypted, how, and under which key.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The serial number.
    pub fn serial(&self) -> u64 {
        self.policy.serial()
    }

    /// The identifier of the root secret.
    pub fn root_id(&self) -> &[u8; 16] {
        &self.root_id
    }

    pub(crate) fn wrapped(&self) -> &Arc<HashMap<KeyId, Arc<WrappedCek>>> {
        &self.wrapped
    }
}

#[cfg(test)]
mod tests;
