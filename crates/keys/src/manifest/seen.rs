//! What a client remembers of the manifests that one source gave it.

use std::sync::{Mutex, PoisonError};

use super::{AuthenticManifest, Manifest, ManifestError};
use crate::provider::KeyProvider;

/// The root and the highest serial number seen of one source of manifests, a file or a database:
/// whoever controls the source can then put neither an older manifest in place nor one of
/// another purpose that the same master key made. Kept in memory, it protects as long as the
/// process runs.
#[derive(Debug, Default)]
pub struct SeenManifest {
    seen: Mutex<Option<([u8; 16], u64)>>,
}

impl SeenManifest {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The highest serial number seen, 0 at first.
    pub fn serial(&self) -> u64 {
        self.lock().map_or(0, |(_, serial)| serial)
    }

    /// [`Manifest::authenticate`] with what was seen, which then includes this manifest.
    ///
    /// # Errors
    /// As there, and [`ManifestError::OtherRoot`].
    pub async fn authenticate(
        &self,
        manifest: &Manifest,
        provider: &dyn KeyProvider,
    ) -> Result<AuthenticManifest, ManifestError> {
        let authentic = manifest.authenticate(provider, self.serial()).await?;
        let (root, serial) = (*authentic.root_id(), authentic.serial());
        let mut seen = self.lock();
        // Another connection may have seen a newer one in the meantime.
        if let Some((seen_root, seen_serial)) = *seen {
            if root != seen_root {
                return Err(ManifestError::OtherRoot);
            }
            if serial < seen_serial {
                return Err(ManifestError::Older {
                    found: serial,
                    seen: seen_serial,
                });
            }
        }
        *seen = Some((root, serial));
        drop(seen);
        Ok(authentic)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<([u8; 16], u64)>> {
        // The value is replaced as a whole: a panic elsewhere cannot leave half of it.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
