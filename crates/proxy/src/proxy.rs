//! The proxy: its listeners, what its connections share, and its end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use sealwire::scram::Secret;
use sealwire::{
    ColumnEncryption, Failure, Limits, ManifestSource, MemoryLimit, Reloaded, Server, Statistics,
};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::instrument::WithSubscriber;
use tracing::{error, info, warn};

use crate::beginnings::Beginnings;
use crate::client;
use crate::error::Error;
use crate::http;
use crate::listen::{Listener, hint_for_accept, listen, listen_unix, pause_after_failed_accept};
use crate::metrics::Metrics;
use crate::roles::Roles;
use crate::seldom::Seldom;
use crate::settings::{EncryptionSettings, ServerSettings, Settings, SslMode, SslNegotiation};
use crate::threads::Threads;
use crate::tls::{self, WithClients};

/// Connections that may be beginning beyond those that there is a place for: to cancel a statement,
/// or to be told that there are too many. When all of these are taken too, one that has not said yet what
/// it wants gives way to one that comes.
const BEGINNINGS_EXTRA: usize = 64;

/// How long probes are told what the last one found.
const REACHED_AGE_MAX: Duration = Duration::from_secs(1);

/// What connections are to do. A later order overrides an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Go on.
    Serve,
    /// End as soon as nothing is under way.
    Drain,
    /// End.
    Stop,
}

/// What every connection needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) server: Server<MakeRustlsConnect>,
    default: Option<ColumnEncryption>,
    databases: HashMap<String, ColumnEncryption>,
    /// Read again with the manifest.
    tls: Option<Mutex<WithClients>>,
    roles: Mutex<Roles>,
    pub(crate) metrics: Metrics,
    /// What a probe was told last.
    said_ready: AtomicBool,
    /// When the server was called for a probe, and what came of it.
    reached: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
    pub(crate) turned_away: Seldom,
    pub(crate) gave_way: Seldom,
    pub(crate) memory: MemoryLimit,
    pub(crate) order: watch::Receiver<Order>,
    places: Arc<Semaphore>,
    pub(crate) beginnings: Arc<Beginnings>,
}

impl Shared {
    /// Manifest and keys of a database.
    pub(crate) fn encryption(&self, database: &str) -> Option<&ColumnEncryption> {
        self.databases.get(database).or(self.default.as_ref())
    }

    /// TLS with a client that connects now.
    pub(crate) fn tls(&self) -> Option<WithClients> {
        let tls = self.tls.as_ref()?;
        Some(locked(tls).clone())
    }

    /// The secret of a role whose authentication ends here.
    pub(crate) fn secret(&self, role: &str) -> Option<Arc<Secret>> {
        locked(&self.roles).secret(role)
    }

    /// A place for a session.
    pub(crate) fn place(self: &Arc<Self>) -> Option<Held> {
        Held::one_of(&self.places, &self.metrics.connections)
    }

    /// Whether a client that connects now can be served. The log says when that changes: while it
    /// is not ready no client may come, whose failure would say why.
    pub(crate) async fn readiness(&self) -> Result<(), String> {
        let (ready, why) = match self.is_ready().await {
            Ok(()) => (Ok(()), None),
            Err((answer, why)) => (Err(answer), why),
        };
        if self.said_ready.swap(ready.is_ok(), Ordering::Relaxed) != ready.is_ok() {
            match &ready {
                Ok(()) => info!("ready again"),
                Err(answer) => warn!(reason = answer, error = why, "not ready"),
            }
        }
        ready
    }

    /// What a probe is told, and what the log is told besides.
    async fn is_ready(&self) -> Result<(), (String, Option<String>)> {
        if *self.order.borrow() != Order::Serve {
            return Err(("stopping".into(), None));
        }
        if self.places.available_permits() == 0 {
            return Err(("no connection is free".into(), None));
        }
        // The address is nobody's business who may only probe.
        let failed = |why| ("the server cannot be reached".into(), Some(why));
        self.reaches_server().await.map_err(failed)
    }

    /// Whether the server takes a connection, or took one a moment ago. Probes at a time wait for one
    /// answer: whoever may only probe cannot have the server called as often.
    async fn reaches_server(&self) -> Result<(), String> {
        let mut reached = self.reached.lock().await;
        if let Some((at, answer)) = &*reached
            && at.elapsed() < REACHED_AGE_MAX
        {
            return answer.clone();
        }
        let dialled = self.server.dial().await;
        let answer = dialled.map(drop).map_err(|error| error.to_string());
        *reached = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn reload(&self) -> Result<(), Error> {
        let mut failure = None;
        for (name, encryption) in self.named() {
            match encryption.reload().await {
                Ok(Reloaded::Changed { serial }) => {
                    info!(
                        database = name,
                        serial, "manifest loaded; open connections keep theirs"
                    );
                }
                Ok(Reloaded::Unchanged { serial }) => {
                    info!(database = name, serial, "manifest is the one in use");
                }
                Ok(_) => {}
                Err(error) => {
                    error!(database = name, %error, "manifest not loaded, the one in use stays");
                    failure = Some(Error::from(error));
                }
            }
        }
        if let (Some(current), Some(settings)) = (&self.tls, &self.settings.listen.tls) {
            match tls::with_clients(settings) {
                Ok(new) => *locked(current) = new,
                Err(error) => {
                    error!(%error, "certificate not loaded, the one in use stays");
                    failure = Some(error);
                }
            }
        }
        match roles(&self.settings) {
            Ok(new) => *locked(&self.roles) = new,
            Err(error) => {
                error!(%error, "list of roles not loaded, the one in use stays");
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn named(&self) -> impl Iterator<Item = (&str, &ColumnEncryption)> {
        named(self.default.as_ref(), &self.databases)
    }
}

/// Those of single databases by their names, that of all others by `*`.
fn named<'a>(
    default: Option<&'a ColumnEncryption>,
    databases: &'a HashMap<String, ColumnEncryption>,
) -> impl Iterator<Item = (&'a str, &'a ColumnEncryption)> {
    let default = default.map(|encryption| ("*", encryption));
    let single = databases.iter();
    let single = single.map(|(name, encryption)| (name.as_str(), encryption));
    default.into_iter().chain(single)
}

/// What the settings name, read and opened, but for the listeners.
struct Parts {
    server: Server<MakeRustlsConnect>,
    default: Option<ColumnEncryption>,
    databases: HashMap<String, ColumnEncryption>,
    tls: Option<WithClients>,
    roles: Roles,
}

impl Parts {
    async fn load(settings: &Settings) -> Result<Self, Error> {
        settings.check()?;
        let server = server(&settings.server)?;
        let limits = limits(settings);
        let for_all = &settings.encryption;
        let default = match (&for_all.manifest, &for_all.master_key) {
            (None, None) if !settings.databases.is_empty() => None,
            _ => Some(encryption(for_all, limits).await?),
        };
        let mut databases = HashMap::new();
        for (name, own) in &settings.databases {
            let mut merged = for_all.clone();
            if own.manifest.is_some() {
                merged.manifest.clone_from(&own.manifest);
            }
            if own.master_key.is_some() {
                merged.master_key.clone_from(&own.master_key);
            }
            let loaded = encryption(&merged, limits).await;
            let loaded = loaded.map_err(|error| error.of(format_args!("database `{name}`")))?;
            databases.insert(name.clone(), loaded);
        }
        let tls = settings.listen.tls.as_ref().map(tls::with_clients);
        Ok(Self {
            server,
            default,
            databases,
            tls: tls.transpose()?,
            roles: roles(settings)?,
        })
    }
}

/// Whether a proxy could start with these settings: reads the manifests and certificates that they
/// name and has the master key unwrap what is in them. Nothing is listened on and no server is
/// asked, so a manifest that comes from the database is not looked at.
///
/// # Errors
/// The first thing that would keep it from starting.
pub async fn check(settings: &Settings) -> Result<(), Error> {
    Parts::load(settings).await.map(drop)
}

/// A proxy that listens. Nothing is accepted before [`Proxy::run`].
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    tcp: Vec<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    http: Option<TcpListener>,
    threads: Arc<Threads>,
    order: Arc<watch::Sender<Order>>,
}

/// Tells a proxy what to do while it runs.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    order: Arc<watch::Sender<Order>>,
}

impl Handle {
    /// Reads the manifests and the certificate again. Open connections keep what they have; whatever
    /// cannot be loaded leaves what is in use.
    ///
    /// # Errors
    /// The last thing that could not be loaded; each is logged too.
    pub async fn reload(&self) -> Result<(), Error> {
        self.shared.metrics.reloads.inc();
        let shared = Arc::clone(&self.shared);
        let reload = async move { shared.reload().await }.with_current_subscriber();
        let runtime = tokio::runtime::Handle::current();
        // Files may lie on a file system that hangs: not on a thread that drives connections.
        let result = tokio::task::spawn_blocking(move || runtime.block_on(reload))
            .await
            .unwrap_or_else(|_| Err(Error::new("the reload was cut off")));
        if result.is_err() {
            self.shared.metrics.failed_reloads.inc();
        }
        result
    }

    /// Accepts nothing more and ends each connection as soon as nothing is under way on it, or when
    /// `drain_timeout` is over; [`Proxy::run`] returns then.
    pub fn drain(&self) {
        self.order.send_if_modified(|order| {
            let serves = *order == Order::Serve;
            if serves {
                *order = Order::Drain;
            }
            serves
        });
    }

    /// Ends everything now.
    pub fn stop(&self) {
        self.order.send_replace(Order::Stop);
    }

    /// What the connections have done.
    pub fn statistics(&self) -> Statistics {
        sum(self.shared.named().map(|(_, encryption)| encryption))
    }
}

impl Proxy {
    /// Checks the settings, reads manifests and certificates, and opens the listeners.
    ///
    /// # Errors
    /// Whatever keeps the proxy from serving, with the next step where there is one. That the
    /// server is not there yet does not.
    pub async fn bind(settings: Settings) -> Result<Self, Error> {
        let parts = Parts::load(&settings).await?;
        let mut tcp = Vec::new();
        for &address in &settings.listen.tcp {
            tcp.push(listen(address).await?);
        }
        let unix = listen_unix(&settings)?;
        let http = match settings.listen.http {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let threads = threads(&settings)?;
        for (name, encryption) in named(parts.default.as_ref(), &parts.databases) {
            if let Some(serial) = encryption.manifest_serial() {
                info!(database = name, serial, "manifest loaded");
            }
        }
        let (sender, order) = watch::channel(Order::Serve);
        let Parts {
            server,
            default,
            databases,
            tls,
            roles,
        } = parts;
        let counted: Vec<ColumnEncryption> =
            default.iter().chain(databases.values()).cloned().collect();
        let places = settings.limits.connections.min(Semaphore::MAX_PERMITS);
        let memory = MemoryLimit::new(settings.limits.memory_bytes);
        let metrics = Metrics::new(move || sum(counted.iter()), memory.clone(), places);
        let beginnings = Beginnings::new(places + BEGINNINGS_EXTRA, metrics.beginning.clone());
        Ok(Self {
            shared: Arc::new(Shared {
                server,
                default,
                databases,
                tls: tls.map(Mutex::new),
                roles: Mutex::new(roles),
                metrics,
                said_ready: AtomicBool::new(true),
                reached: tokio::sync::Mutex::default(),
                turned_away: Seldom::default(),
                gave_way: Seldom::default(),
                memory,
                order,
                places: Arc::new(Semaphore::new(places)),
                beginnings: Arc::new(beginnings),
                settings,
            }),
            tcp,
            unix,
            http,
            threads: Arc::new(threads),
            order: Arc::new(sender),
        })
    }

    /// A handle to tell the proxy what to do while it runs.
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
            order: Arc::clone(&self.order),
        }
    }

    /// Addresses for clients, with the ports that the system chose where none was given.
    pub fn tcp_addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.tcp.iter().filter_map(|it| it.local_addr().ok());
        addresses.collect()
    }

    /// Address for health checks and metrics.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref()?.local_addr().ok()
    }

    /// Path of the Unix socket.
    pub fn unix_path(&self) -> Option<&std::path::Path> {
        self.unix.as_ref().map(|(_, path)| path.as_path())
    }

    /// Serves until it is told to end, and its connections have ended.
    pub async fn run(self) {
        let mut accepting = JoinSet::new();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let (unix, socket_path) = self.unix.unzip();
        let tcp = self.tcp.into_iter().map(Listener::Tcp);
        for listener in tcp.chain(unix.map(Listener::Unix)) {
            let (shared, connections) = (Arc::clone(&self.shared), Arc::clone(&connections));
            let threads = Arc::clone(&self.threads);
            accepting.spawn(async move {
                let failures = Seldom::default();
                loop {
                    match listener.accept().await {
                        Ok(accepted) => {
                            let mut connections = locked(&connections);
                            // Those that have ended leave their place in the set.
                            while connections.try_join_next().is_some() {}
                            let serve = client::serve(accepted, Arc::clone(&shared));
                            threads.spawn(&mut connections, serve);
                        }
                        Err(error) => {
                            if let Some(times) = failures.happened() {
                                warn!(
                                    times,
                                    %error,
                                    hint = hint_for_accept(&error),
                                    "cannot accept a connection"
                                );
                            }
                            pause_after_failed_accept().await;
                        }
                    }
                }
            });
        }
        // Probes are answered to the end: a proxy that drains says that it is not ready.
        let http = self
            .http
            .map(|listener| tokio::spawn(http::serve(listener, Arc::clone(&self.shared))));
        let mut order = self.shared.order.clone();
        // It fails only when there is no handle left, and then nobody can end the proxy.
        let told = order.wait_for(|order| *order != Order::Serve).await;
        drop(told);
        // Before nobody listens on it: a proxy that starts then would make one of its own there.
        if let Some(path) = socket_path {
            let _ = std::fs::remove_file(path);
        }
        accepting.shutdown().await;
        let mut connections = std::mem::take(&mut *locked(&connections));
        let limit = self.shared.settings.limits.drain_timeout;
        info!(
            connections = self.shared.metrics.connections.get(),
            "no new connections; waiting for those that are open"
        );
        let ended = async { while connections.join_next().await.is_some() {} };
        let stopped = async {
            let _ = order.wait_for(|order| *order == Order::Stop).await;
        };
        let drained = tokio::select! {
            () = ended => true,
            () = tokio::time::sleep(limit) => false,
            () = stopped => false,
        };
        if !drained {
            self.order.send_replace(Order::Stop);
            let goodbye = async { while connections.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(client::GOODBYE_TIMEOUT, goodbye).await;
            connections.shutdown().await;
        }
        if let Some(http) = http {
            http.abort();
        }
    }
}

/// Nothing that is kept in these can be half changed by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of a limited number, counted while it is held. It is dropped in this order: once the count
/// has fallen there is a place.
pub(crate) struct Held {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

/// One more in a gauge.
struct Counted(Gauge);

impl Held {
    pub(crate) fn one_of(all: &Arc<Semaphore>, gauge: &Gauge) -> Option<Self> {
        let permit = Arc::clone(all).try_acquire_owned().ok()?;
        gauge.inc();
        Some(Self {
            _permit: permit,
            _counted: Counted(gauge.clone()),
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Why clients are told that the proxy ends: what a server says that shuts down.
pub(crate) fn shutting_down() -> Failure {
    Failure {
        sqlstate: "57P01",
        message: "terminating connection: the Sealwire proxy is shutting down".into(),
        hint: None,
    }
}

fn threads(settings: &Settings) -> Result<Threads, Error> {
    let number = settings
        .limits
        .threads
        .map_or_else(available_parallelism, Ok);
    number
        .and_then(|number| Threads::start(number.get()))
        .map_err(|error| Error::new(format_args!("cannot start threads: {error}")))
}

fn roles(settings: &Settings) -> Result<Roles, Error> {
    let path = settings.auth.roles.as_deref();
    path.map_or_else(|| Ok(Roles::default()), Roles::read)
}

fn sum<'a>(encryptions: impl Iterator<Item = &'a ColumnEncryption>) -> Statistics {
    let mut sum = Statistics::default();
    for encryption in encryptions {
        sum += encryption.statistics();
    }
    sum
}

fn limits(settings: &Settings) -> Limits {
    let mut limits = Limits::default();
    limits.rewritten_frame_bytes_max = settings.limits.message_bytes;
    limits.copied_row_bytes_max = settings.limits.message_bytes;
    limits.held_client_bytes_max = settings.limits.held_bytes;
    limits
}

async fn encryption(
    settings: &EncryptionSettings,
    limits: Limits,
) -> Result<ColumnEncryption, Error> {
    let manifest = settings.manifest.as_deref().unwrap_or("database");
    let source: ManifestSource = manifest.parse().map_err(|_| {
        Error::new(format_args!("`manifest` cannot be `{manifest}`"))
            .with_hint("use `database` or `file:PATH`")
    })?;
    let master_key = settings.master_key.as_deref().ok_or_else(|| {
        Error::new("no column master key is configured")
            .with_hint("say where it is (`--master-key`, or `master_key` in `[encryption]`)")
    })?;
    let mut builder = ColumnEncryption::builder()
        .manifest(source)
        .master_key(master_key)
        .results_only(settings.results_only)
        .limits(limits);
    if let Some(ttl) = settings.key_ttl {
        builder = builder.key_ttl(ttl);
    }
    let encryption = builder.build().await?;
    encryption.check_master_key().await?;
    Ok(encryption)
}

fn server(settings: &ServerSettings) -> Result<Server<MakeRustlsConnect>, Error> {
    let mut config = tokio_postgres::Config::new();
    for host in &settings.hosts {
        config.host(host);
    }
    for &port in &settings.ports {
        config.port(port);
    }
    config
        .ssl_mode(match settings.sslmode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                tokio_postgres::config::SslMode::Require
            }
        })
        .ssl_negotiation(match settings.sslnegotiation {
            SslNegotiation::Postgres => tokio_postgres::config::SslNegotiation::Postgres,
            SslNegotiation::Direct => tokio_postgres::config::SslNegotiation::Direct,
        })
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(settings.keepalives_idle);
    Ok(Server::new(&config, tls::with_server(settings)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_place_once_the_count_has_fallen() {
        let places = Arc::new(Semaphore::new(1));
        let gauge = Gauge::default();
        for _ in 0..200 {
            let held = Held::one_of(&places, &gauge).unwrap();
            assert_eq!(gauge.get(), 1);
            std::thread::scope(|scope| {
                scope.spawn(move || drop(held));
                while gauge.get() > 0 {
                    std::hint::spin_loop();
                }
                assert_eq!(places.available_permits(), 1);
            });
        }
    }
}
