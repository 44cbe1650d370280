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
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    root: Option<[u8; 16]>,
    serial: u64,
}

impl SeenManifest {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// As if a manifest with this serial number, of any root, had been seen: for applications that
    /// remember the highest one across their own restarts.
    pub fn starting_at(serial: u64) -> Self {
        Self {
            seen: Mutex::new(Seen { root: None, serial }),
        }
    }

    /// The highest serial number seen, 0 at first.
    pub fn serial(&self) -> u64 {
        self.lock().serial
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
        if seen.root.is_some_and(|seen_root| seen_root != root) {
            return Err(ManifestError::OtherRoot);
        }
        if serial < seen.serial {
            return Err(ManifestError::Older {
                found: serial,
                seen: seen.serial,
            });
        }
        *seen = Seen {
            root: Some(root),
            serial,
        };
        drop(seen);
        Ok(authentic)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // The value is replaced as a whole: a panic elsewhere cannot leave half of it.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
