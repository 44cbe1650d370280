//! The key ring: column encryption keys unwrapped on demand and kept for a limited time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use sealwire_core::cell;
use sealwire_core::policy::KeyId;
use sealwire_core::secret::Cek;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::manifest::{AuthenticManifest, WrappedCek};
use crate::provider::{KeyProvider, ProviderError};

/// How long and how many keys a [`KeyRing`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRingOptions {
    /// How long an unwrapped key is used before the key store is asked again: how long a revoked
    /// master key still works. One hour by default.
    pub ttl: Duration,
    /// How many unwrapped keys are kept; the least recently used one goes first. 1024 by default.
    pub max_keys: usize,
    /// How long the key store may take over one key. Ten seconds by default.
    pub fetch_timeout: Duration,
}

impl Default for KeyRingOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60 * 60),
            max_keys: 1024,
            fetch_timeout: Duration::from_secs(10),
        }
    }
}

/// An unwrapped key and how long it may be used.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The key. It is wiped from memory with its last reference.
    pub cek: Arc<Cek>,
    /// When to ask the ring again.
    pub expires_at: Instant,
}

/// The unwrapped keys of one manifest under one key store.
///
/// A ring belongs to those who may use the key store's master key. Connections of different
/// tenants need rings of their own: a ring gives every key that it has to whoever asks.
///
/// Clones share the keys.
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Inner>,
}

struct Inner {
    provider: Arc<dyn KeyProvider>,
    options: KeyRingOptions,
    wrapped: Arc<HashMap<KeyId, Arc<WrappedCek>>>,
    state: Mutex<State>,
}

type FetchResult = Result<Lease, KeyError>;
type Fetch = BoxFuture<'static, FetchResult>;

/// Never locked across an await point.
#[derive(Default)]
struct State {
    /// invariant: at most `max_keys` entries.
    kept: HashMap<KeyId, Kept>,
    /// Fetches that somebody waits for. Weak, so that a fetch ends with its last waiter: nobody
    /// would drive it, and its timeout would strike whoever came next.
    in_flight: HashMap<KeyId, WeakShared<Fetch>>,
    /// Counts uses, for `Kept::last_used`.
    clock: u64,
}

struct Kept {
    lease: Lease,
    last_used: u64,
}

impl KeyRing {
    /// A ring of the manifest's keys, none of which is unwrapped yet.
    ///
    /// # Errors
    /// [`KeyError::Options`] when the options would keep nothing.
    pub fn new(
        manifest: &AuthenticManifest,
        provider: Arc<dyn KeyProvider>,
        options: KeyRingOptions,
    ) -> Result<Self, KeyError> {
        if options.ttl.is_zero() || options.max_keys == 0 || options.fetch_timeout.is_zero() {
            return Err(KeyError::Options);
        }
        Ok(Self {
            shared: Arc::new(Inner {
                provider,
                options,
                wrapped: Arc::clone(manifest.wrapped()),
                state: Mutex::default(),
            }),
        })
    }

    /// The key, from memory or from the key store. However many ask at the same time, the store
    /// is asked once; whoever stops waiting does not disturb the others; a failure is told to
    /// those who waited and then forgotten.
    ///
    /// # Errors
    /// [`KeyError`] when the manifest has no such key, or the store did not give it.
    pub async fn key(&self, id: KeyId) -> Result<Lease, KeyError> {
        let fetch = {
            let mut state = self.shared.lock();
            match state.kept(id) {
                Some(lease) => return Ok(lease),
                None => self.join_fetch(&mut state, id)?,
            }
        };
        fetch.await
    }

    /// Forgets, and so wipes, every key whose time is over. [`KeyRing::key`] does it too; call
    /// this on a timer where keys must not outlive their time in an idle process.
    pub fn purge_expired(&self) {
        self.shared.lock().drop_expired();
    }

    /// Joins the fetch that is under way, or starts one. Whoever waits drives it, all of them
    /// together: no task is spawned, so the ring works on any runtime and leaves nothing running.
    fn join_fetch(&self, state: &mut State, id: KeyId) -> Result<Shared<Fetch>, KeyError> {
        let wrapped = self
            .shared
            .wrapped
            .get(&id)
            .ok_or(KeyError::NotInManifest {
                version: id.version,
            })?;
        if let Some(fetch) = state.in_flight.get(&id).and_then(WeakShared::upgrade) {
            return Ok(fetch);
        }
        let shared = Arc::clone(&self.shared);
        let wrapped = Arc::clone(wrapped);
        let fetch: Fetch = Box::pin(async move {
            let result = shared.fetch(&wrapped).await;
            let mut state = shared.lock();
            state.in_flight.remove(&id);
            if let Ok(lease) = &result {
                state.keep(id, lease.clone(), shared.options.max_keys);
            }
            drop(state);
            result
        });
        let fetch = fetch.shared();
        if let Some(weak) = fetch.downgrade() {
            state.in_flight.insert(id, weak);
        }
        Ok(fetch)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("provider", &self.shared.provider.describe())
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Inner {
    async fn fetch(&self, wrapped: &WrappedCek) -> FetchResult {
        let unwrap = self.provider.unwrap(wrapped.context(), wrapped.wrapped());
        let limit = self.options.fetch_timeout;
        let failed = |failure| KeyError::Unavailable {
            key: wrapped.name.clone(),
            version: wrapped.number(),
            store: self.provider.describe(),
            failure,
        };
        let bytes = tokio::time::timeout(limit, unwrap)
            .await
            .map_err(|_| {
                let after = limit.as_millis();
                failed(ProviderError::Unavailable(format!(
                    "no answer in {after} ms"
                )))
            })?
            .map_err(failed)?;
        let cek = Cek::new(&bytes);
        let check = cell::key_check_value(&cek);
        if !bool::from(check.ct_eq(wrapped.key_check_value())) {
            return Err(KeyError::Mismatch {
                key: wrapped.name.clone(),
                version: wrapped.number(),
                store: self.provider.describe(),
            });
        }
        Ok(Lease {
            cek: Arc::new(cek),
            expires_at: Instant::now() + self.options.ttl,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn kept(&mut self, id: KeyId) -> Option<Lease> {
        let kept = self.kept.get_mut(&id)?;
        if kept.lease.expires_at <= Instant::now() {
            self.drop_expired();
            return None;
        }
        self.clock += 1;
        kept.last_used = self.clock;
        Some(kept.lease.clone())
    }

    fn keep(&mut self, id: KeyId, lease: Lease, max_keys: usize) {
        self.drop_expired();
        self.clock += 1;
        let last_used = self.clock;
        self.kept.insert(id, Kept { lease, last_used });
        while self.kept.len() > max_keys {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.last_used);
            let Some((&oldest, _)) = oldest else { break };
            self.kept.remove(&oldest);
        }
    }

    fn drop_expired(&mut self) {
        let now = Instant::now();
        self.kept.retain(|_, kept| now < kept.lease.expires_at);
    }
}

/// A key that cannot be had. Never carries key bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The manifest has no such key version.
    #[error("the manifest has no key version {version} for this column")]
    NotInManifest {
        /// The version asked for.
        version: u8,
    },
    /// The key store did not give the key.
    #[error("key `{key}` version {version} is not available from `{store}`: {failure}")]
    Unavailable {
        /// The key's name.
        key: String,
        /// Its version.
        version: u8,
        /// The key store.
        store: String,
        /// How it failed.
        failure: ProviderError,
    },
    /// What the key store gave is not the key that the manifest means.
    #[error(
        "`{store}` gave another key than `{key}` version {version}: its key check value differs"
    )]
    Mismatch {
        /// The key's name.
        key: String,
        /// Its version.
        version: u8,
        /// The key store.
        store: String,
    },
    /// The ring's options would keep nothing.
    #[error("a key ring needs a time to live, a size and a fetch timeout above zero")]
    Options,
}

impl KeyError {
    /// What would help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotInManifest { .. } => {
                Some("the cell was written under a newer manifest; load the newest one")
            }
            Self::Unavailable {
                failure: ProviderError::WrongKey,
                ..
            }
            | Self::Mismatch { .. } => Some(
                "the wrapped key was swapped, or the master key is not the one that wrapped it",
            ),
            Self::Unavailable { .. } => {
                Some("the next use asks the key store again; nothing was sent to the server")
            }
            Self::Options => None,
        }
    }
}

#[cfg(test)]
mod tests;
