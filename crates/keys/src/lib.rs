//! Key providers, the key ring and the manifest.
//!
//! A *column master key* stays in a key store, behind a [`KeyProvider`]. It wraps *column
//! encryption keys*, which the [`Manifest`] carries together with the list of encrypted columns.
//! The manifest comes from a file or from the untrusted database, so nothing of it is used before
//! [`Manifest::authenticate`] has checked its MAC: only an [`AuthenticManifest`] gives out a
//! policy, and only from one can a [`KeyRing`] be made, which unwraps keys on demand and keeps
//! them for a limited time.
//!
//! ```
//! # use std::sync::Arc;
//! # use sealwire_keys::{ColumnEntry, KeyRing, KeyRingOptions, LocalProvider, ManifestBuilder};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = Arc::new(LocalProvider::generate()?);
//!
//! let mut builder = ManifestBuilder::create(&*provider).await?;
//! builder.add_cek("main", &*provider).await?;
//! builder.add_column(ColumnEntry::new("public.users".parse()?, "email", "text".parse()?, "main"))?;
//! let manifest = builder.seal()?;
//!
//! let authentic = manifest.authenticate(&*provider, 0).await?;
//! assert_eq!(authentic.policy().columns().len(), 1);
//! let ring = KeyRing::new(&authentic, provider, KeyRingOptions::default())?;
//! let key = authentic.policy().columns()[0].cek;
//! let lease = ring.key(sealwire_core::policy::KeyId { cek: key, version: 1 }).await?;
//! # drop(lease);
//! # Ok(())
//! # }
//! ```

mod env;
mod file;
mod local;
mod manifest;
mod provider;
mod ring;

pub use env::EnvProvider;
pub use file::{FileProvider, create_key_file};
pub use local::LocalProvider;
pub use manifest::{
    AuthenticManifest, CekEntry, CekVersion, ColumnEntry, ColumnType, KeyState, Manifest,
    ManifestBuilder, ManifestError, NameError, SeenManifest, TableEntry, TableName,
    parse_column_path,
};
pub use provider::{
    KeyProvider, OpenError, ProviderError, ProviderFactory, Providers, WrapContext, WrapPurpose,
};
pub use ring::{KeyError, KeyRing, KeyRingOptions, Lease};
