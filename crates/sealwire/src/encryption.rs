//! Column encryption as an object: the manifest, the key store and the keys, shared by the
//! connections that are opened with it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealwire_core::policy::{KeyId, Policy};
use sealwire_engine::{Enforcement, Failure, Limits, Need, Options, PolicySource, Supply};
use sealwire_keys::{
    KeyProvider, KeyRing, KeyRingOptions, Manifest, ManifestError, Providers, SeenManifest,
};
use tokio::time::Instant;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Socket};

use crate::config::ManifestSource;
use crate::connection::Connection;
use crate::connector::Armed;
use crate::dial;
use crate::error::Error;
use crate::local::LocalListener;
use crate::server::ServerSocket;
use crate::statistics::{Statistics, Tally};

/// What connections with encrypted columns share: the authenticated manifest, the way to the
/// column master key, and the cache of unwrapped keys.
///
/// Cloning is cheap and shares the cache. Two objects never share one: build one per tenant where
/// tenants must not use each other's keys.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let encryption = sealwire::ColumnEncryption::builder()
///     .manifest_file("sealwire.toml")
///     .master_key("file:/run/secrets/sealwire.key")
///     .build()
///     .await?;
/// let config = "host=db.internal user=app".parse()?;
/// let (client, connection) = encryption.connect(&config, tokio_postgres::NoTls).await?;
/// tokio::spawn(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ColumnEncryption(Arc<Shared>);

struct Shared {
    provider: Arc<dyn KeyProvider>,
    source: ManifestSource,
    enforcement: Enforcement,
    ring_options: KeyRingOptions,
    limits: Limits,
    /// The newest manifest that authenticated. The lock is never held across an await.
    newest: Mutex<Option<Arc<Loaded>>>,
    seen: SeenManifest,
    tally: Tally,
}

/// An authenticated manifest with its keys.
struct Loaded {
    /// As read, to notice that a connection found the same again.
    document: Vec<u8>,
    policy: Arc<Policy>,
    ring: KeyRing,
}

impl fmt::Debug for ColumnEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnEncryption")
            .field("manifest", &self.0.source)
            .field("master_key", &self.0.provider.describe())
            .field("enforcement", &self.0.enforcement)
            .finish_non_exhaustive()
    }
}

impl ColumnEncryption {
    /// A builder: a manifest and a master key are the least that it needs.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens a connection with tokio-postgres' own configuration.
    ///
    /// # Errors
    /// [`Error`] says whether the settings, the manifest, the key store or the server is at fault.
    pub async fn connect<T>(
        &self,
        config: &tokio_postgres::Config,
        tls: T,
    ) -> Result<(Client, Connection), Error>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send + 'static,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        dial::sealed(config, tls, self).await
    }

    /// An armed configuration with the connector that belongs to it, for pools.
    ///
    /// # Errors
    /// When a host is a Unix socket, for which tokio-postgres calls no connector.
    pub fn arm<T>(&self, config: &tokio_postgres::Config, tls: T) -> Result<Armed<T>, Error>
    where
        T: MakeTlsConnect<Socket> + 'static,
    {
        Armed::new(config, tls, self.clone())
    }

    /// A private Unix socket for clients in this process that own their wire code. Hosts, TLS and
    /// time limits are those of `config`; role, password and database go into
    /// [`LocalListener::url`].
    ///
    /// Needs to be called on a tokio runtime, which the listener lives on.
    ///
    /// # Errors
    /// When the configuration cannot be used, or no socket can be had.
    pub fn listen<T>(&self, config: &tokio_postgres::Config, tls: T) -> Result<LocalListener, Error>
    where
        T: MakeTlsConnect<ServerSocket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<ServerSocket>>::Future: Send,
    {
        LocalListener::start(config, tls, self)
    }

    /// What the connections of this object and its clones have done.
    pub fn statistics(&self) -> Statistics {
        self.0.tally.read()
    }

    /// The serial number of the manifest that new connections use, for a log. `None` where each
    /// connection reads it from its database and none has yet.
    pub fn manifest_serial(&self) -> Option<u64> {
        self.newest().map(|newest| newest.policy.serial())
    }

    /// Reads the manifest file again. Connections opened from now on use it; those that are open
    /// keep theirs. A manifest in the database is read over each connection, so there is nothing
    /// to do then.
    ///
    /// # Errors
    /// When the file cannot be read, or holds a manifest that is not authentic or older than the
    /// one in use, which stays in use then.
    pub async fn reload(&self) -> Result<Reloaded, Error> {
        let ManifestSource::File(path) = &self.0.source else {
            return Ok(Reloaded::PerConnection);
        };
        let before = self.newest().map(|newest| newest.policy.serial());
        let serial = self.load(read_manifest(path)?).await?.policy.serial();
        Ok(if before == Some(serial) {
            Reloaded::Unchanged { serial }
        } else {
            Reloaded::Changed { serial }
        })
    }

    /// Asks the key store whether the master key is there: a manifest in the database needs it only
    /// when a connection has read that.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub async fn check_master_key(&self) -> Result<(), Error> {
        self.0.provider.check().await.map_err(Error::key)
    }

    fn newest(&self) -> Option<Arc<Loaded>> {
        self.0
            .newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The manifest of this document, from memory when it is the one seen last.
    async fn load(&self, document: Vec<u8>) -> Result<Arc<Loaded>, Error> {
        let newest = self.newest();
        if let Some(same) = newest.as_ref().filter(|newest| newest.document == document) {
            return Ok(Arc::clone(same));
        }
        let text = std::str::from_utf8(&document)
            .map_err(|_| Error::manifest("the manifest is not UTF-8 text"))?;
        let manifest = Manifest::parse(text).map_err(manifest_error)?;
        let authentic = self
            .0
            .seen
            .authenticate(&manifest, &*self.0.provider)
            .await
            .map_err(manifest_error)?;
        let policy = Arc::clone(authentic.policy());
        let ring = KeyRing::new(
            &authentic,
            Arc::clone(&self.0.provider),
            self.0.ring_options,
        )
        .map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            Error::key(error).with_hint(hint)
        })?;
        let loaded = Arc::new(Loaded {
            document,
            policy,
            ring,
        });
        let mut newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest
            .as_ref()
            .is_none_or(|newest| newest.policy.serial() <= loaded.policy.serial())
        {
            *newest = Some(Arc::clone(&loaded));
        }
        Ok(loaded)
    }
}

/// What one connection needs from outside: fixed to one manifest once that is known.
#[derive(Clone)]
pub(crate) struct KeySource {
    encryption: ColumnEncryption,
    loaded: Option<Arc<Loaded>>,
}

/// The answer to a need.
pub(crate) struct Supplied {
    pub(crate) supply: Supply,
    /// When the first of the supplied keys expires.
    pub(crate) expires_at: Option<Instant>,
    pub(crate) source: KeySource,
}

impl KeySource {
    pub(crate) fn new(encryption: &ColumnEncryption) -> Self {
        let loaded = match encryption.0.source {
            ManifestSource::Database => None,
            ManifestSource::File(_) => encryption.newest(),
        };
        Self {
            encryption: encryption.clone(),
            loaded,
        }
    }

    pub(crate) fn session_options(&self) -> Options {
        let policy = self.loaded.as_ref().map_or(PolicySource::Database, |l| {
            PolicySource::Ready(Arc::clone(&l.policy))
        });
        let mut options = Options::new(policy);
        options.enforcement = self.encryption.0.enforcement;
        options.limits = self.encryption.0.limits;
        options
    }

    pub(crate) fn statistics(&self) -> &Tally {
        &self.encryption.0.tally
    }

    /// Fetches what the session asked for.
    pub(crate) async fn satisfy(mut self, need: Need) -> Supplied {
        let result = match need {
            Need::Policy { document } => match self.encryption.load(document).await {
                Ok(loaded) => {
                    let policy = Arc::clone(&loaded.policy);
                    self.loaded = Some(loaded);
                    Ok((Supply::Policy(policy), None))
                }
                Err(error) => Err(Failure {
                    // config_file_error: the connection cannot be used with this manifest.
                    sqlstate: "F0000",
                    message: error.to_string(),
                    hint: error.hint().map(str::to_owned),
                }),
            },
            Need::Keys(ids) => {
                let from = Instant::now();
                let keys = self.keys(&ids).await;
                self.statistics()
                    .note_key_request(from.elapsed(), keys.is_err());
                keys
            }
            _ => Err(Failure {
                sqlstate: "XX000",
                message: "the session asked for something unknown (please report this)".into(),
                hint: None,
            }),
        };
        let (supply, expires_at) = result.unwrap_or_else(|failure| (Supply::Failed(failure), None));
        Supplied {
            supply,
            expires_at,
            source: self,
        }
    }

    async fn keys(&self, ids: &[KeyId]) -> Result<(Supply, Option<Instant>), Failure> {
        let Some(loaded) = &self.loaded else {
            return Err(Failure {
                sqlstate: "XX000",
                message: "keys were asked for before the manifest (please report this)".into(),
                hint: None,
            });
        };
        let mut keys = Vec::with_capacity(ids.len());
        let mut expires_at: Option<Instant> = None;
        for &id in ids {
            let lease = loaded.ring.key(id).await.map_err(|error| Failure {
                // io_error: something outside the database could not be reached.
                sqlstate: "58030",
                message: error.to_string(),
                hint: error.hint().map(str::to_owned),
            })?;
            expires_at = Some(expires_at.map_or(lease.expires_at, |at| at.min(lease.expires_at)));
            keys.push((id, lease.cek));
        }
        Ok((Supply::Keys(keys), expires_at))
    }
}

/// A few kilobytes, once: not worth a thread.
fn read_manifest(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        Error::manifest(format!(
            "cannot read manifest `{}`: {error}",
            path.display()
        ))
        .with_hint(Some(
            "create one with `sealwire init`, or correct the path".into(),
        ))
    })
}

fn manifest_error(error: ManifestError) -> Error {
    let hint = error.hint().map(str::to_owned);
    Error::manifest(error).with_hint(hint)
}

/// What [`ColumnEncryption::reload`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reloaded {
    /// The manifest in use.
    Unchanged {
        /// Its serial number.
        serial: u64,
    },
    /// Another manifest, which is in use from now on.
    Changed {
        /// Its serial number.
        serial: u64,
    },
    /// The manifest is in the database.
    PerConnection,
}

/// Settings of a [`ColumnEncryption`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    manifest: Option<ManifestSource>,
    master_key: Option<String>,
    provider: Option<Arc<dyn KeyProvider>>,
    providers: Providers,
    enforcement: Enforcement,
    ring_options: KeyRingOptions,
    limits: Limits,
    min_serial: u64,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            manifest: None,
            master_key: None,
            provider: None,
            providers: Providers::default(),
            enforcement: Enforcement::Enabled,
            ring_options: KeyRingOptions::default(),
            limits: Limits::default(),
            min_serial: 0,
        }
    }
}

impl Builder {
    /// Where the manifest is.
    pub fn manifest(mut self, source: ManifestSource) -> Self {
        self.manifest = Some(source);
        self
    }

    /// The manifest is this file, read once by [`Builder::build`].
    pub fn manifest_file(self, path: impl AsRef<Path>) -> Self {
        self.manifest(ManifestSource::File(path.as_ref().to_owned()))
    }

    /// The manifest is the newest row of `sealwire.manifest`, read over each connection.
    pub fn manifest_from_database(self) -> Self {
        self.manifest(ManifestSource::Database)
    }

    /// Where the column master key is: a URI of one of the [`Builder::providers`], for example
    /// `file:/run/secrets/sealwire.key` or `env:SEALWIRE_KEY`.
    pub fn master_key(mut self, uri: impl Into<String>) -> Self {
        self.master_key = Some(uri.into());
        self
    }

    /// The column master key is behind this provider, instead of a URI.
    pub fn provider(mut self, provider: Arc<dyn KeyProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The providers that [`Builder::master_key`] knows; `file` and `env` by default.
    pub fn providers(mut self, providers: Providers) -> Self {
        self.providers = providers;
        self
    }

    /// Opens results, but refuses every statement that would need a value sealed.
    pub fn results_only(mut self, results_only: bool) -> Self {
        self.enforcement = if results_only {
            Enforcement::ResultsOnly
        } else {
            Enforcement::Enabled
        };
        self
    }

    /// How long an unwrapped key stays in memory before the key store is asked again.
    pub fn key_ttl(mut self, ttl: Duration) -> Self {
        self.ring_options.ttl = ttl;
        self
    }

    /// How many unwrapped keys stay in memory at most.
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.ring_options.max_keys = max_keys;
        self
    }

    /// How long the key store may take to answer.
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.ring_options.fetch_timeout = timeout;
        self
    }

    /// What one connection may hold in memory; see [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Refuses manifests with a lower serial number, for an application that remembers the highest
    /// one across its own restarts. Within one [`ColumnEncryption`] a manifest never goes back.
    pub fn min_serial(mut self, serial: u64) -> Self {
        self.min_serial = serial;
        self
    }

    /// Opens the key store and, for a manifest in a file, reads and authenticates that.
    ///
    /// # Errors
    /// When a setting is missing or the manifest is missing, not authentic, too old or protects
    /// nothing, and when the master key cannot be used.
    pub async fn build(self) -> Result<ColumnEncryption, Error> {
        let source = self.manifest.ok_or_else(|| {
            Error::config(
                "no manifest is configured",
                Some("call `manifest_file` or `manifest_from_database`".into()),
            )
        })?;
        let provider = match (self.provider, self.master_key) {
            (Some(provider), None) => provider,
            (None, Some(uri)) => self.providers.open(&uri).map_err(|error| {
                let hint = error.hint();
                Error::key(error).with_hint(hint)
            })?,
            (None, None) => {
                return Err(Error::config(
                    "no column master key is configured",
                    Some("call `master_key` with a URI, or `provider`".into()),
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Error::config(
                    "both `master_key` and `provider` are configured",
                    Some("keep one of them".into()),
                ));
            }
        };
        let encryption = ColumnEncryption(Arc::new(Shared {
            provider,
            source,
            enforcement: self.enforcement,
            ring_options: self.ring_options,
            limits: self.limits,
            newest: Mutex::new(None),
            seen: SeenManifest::starting_at(self.min_serial),
            tally: Tally::default(),
        }));
        if let ManifestSource::File(path) = &encryption.0.source {
            encryption.load(read_manifest(path)?).await?;
        }
        Ok(encryption)
    }
}
