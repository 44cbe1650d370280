//! `sealwire proxy`

use std::fmt::Display;
use std::io;
use std::panic::{self, PanicHookInfo};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealwire_proxy::{LogFormat, LogLevel, LogSettings, ServerSettings, Settings, TlsSettings};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing::{error, info, warn};

use crate::args::{Global, PORT, Proxy};
use crate::error::Error;
use crate::output::Output;

/// Descriptors beside those of each connection: listeners, files, probes, refusals under way.
const OWN_DESCRIPTORS: u64 = 256;

#[derive(Serialize)]
struct Checked {
    listen: Vec<String>,
    server: Vec<String>,
    databases: Vec<String>,
}

/// Why it has not started is the last line of its log, in the log's format.
pub(crate) async fn run(global: &Global, args: &Proxy, output: &mut Output) -> Result<(), Error> {
    let settings = settings(global, args);
    let log_settings = match &settings {
        Ok(settings) => settings.log.clone(),
        Err(_) if global.json => json(),
        Err(_) => LogSettings::default(),
    };
    log(&log_settings);
    let result = match settings {
        Ok(settings) => serve(settings, args, output).await,
        Err(error) => Err(error),
    };
    match result {
        Err(error) if log_settings.format == LogFormat::Json => {
            error.log();
            output.fault();
            Ok(())
        }
        result => result,
    }
}

/// Where nothing but the format is known.
fn json() -> LogSettings {
    LogSettings {
        format: LogFormat::Json,
        ..LogSettings::default()
    }
}

/// The same for a command line that cannot be understood, where that asks for JSON.
pub(crate) fn log_usage(message: impl Display) {
    log(&json());
    Error::new(message)
        .hint("`sealwire proxy --help` lists options and variables")
        .log();
}

async fn serve(settings: Settings, args: &Proxy, output: &mut Output) -> Result<(), Error> {
    panic::set_hook(Box::new(log_place));
    forbid_dumps();
    if args.check {
        sealwire_proxy::check(&settings).await?;
        return output.print(&checked(&settings), |checked| {
            format!(
                "the settings are good\nclients: {}\nserver: {}\ndatabases: {}\n",
                checked.listen.join(", "),
                checked.server.join(", "),
                checked.databases.join(", ")
            )
        });
    }
    let signals = Signals::new()
        .map_err(|error| Error::new(format_args!("cannot receive signals: {error}")))?;
    let about = checked(&settings);
    raise_descriptor_limit(&settings);
    let proxy = sealwire_proxy::Proxy::bind(settings).await?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        server = about.server.join(", "),
        databases = about.databases.join(", "),
        "started"
    );
    for address in proxy.tcp_addresses() {
        info!(%address, "listening for clients");
    }
    if let Some(path) = proxy.unix_path() {
        info!(path = %path.display(), "listening for clients");
    }
    if let Some(address) = proxy.http_address() {
        info!(%address, "listening for probes");
    }
    let handle = proxy.handle();
    let told = tokio::spawn(signals.obey(handle));
    proxy.run().await;
    told.abort();
    info!("stopped");
    Ok(())
}

/// The file's settings, and over them what was given by environment and options.
fn settings(global: &Global, args: &Proxy) -> Result<Settings, Error> {
    let mut settings = match &args.config {
        Some(path) => Settings::read(path)?,
        None => Settings::default(),
    };
    let listen = &mut settings.listen;
    if !args.listen.is_empty() {
        listen.tcp.clone_from(&args.listen);
    }
    if args.listen_unix.is_some() {
        listen.unix.clone_from(&args.listen_unix);
    }
    if args.http.is_some() {
        listen.http = args.http;
    }
    if let Some(allow_plaintext) = args.allow_plaintext {
        listen.allow_plaintext = allow_plaintext;
    }
    let from_file = listen.tls.take();
    let (certificate, key) = from_file.map(|tls| (tls.certificate, tls.key)).unzip();
    listen.tls = match (
        args.tls_certificate.clone().or(certificate),
        args.tls_key.clone().or(key),
    ) {
        (Some(certificate), Some(key)) => Some(TlsSettings { certificate, key }),
        (None, None) => None,
        _ => {
            return Err(Error::new("one of certificate and private key is missing")
                .hint("give both `--tls-certificate` and `--tls-key`, or none"));
        }
    };
    if args.roles.is_some() {
        settings.auth.roles.clone_from(&args.roles);
    }
    let server = &mut settings.server;
    if !args.server.is_empty() {
        server.hosts = args.server.iter().map(|host| host.name.clone()).collect();
        server.ports = args.server.iter().map(|host| host.port).collect();
    }
    if let Some(sslmode) = args.sslmode {
        server.sslmode = sslmode;
    }
    if args.sslrootcert.is_some() {
        server.sslrootcert.clone_from(&args.sslrootcert);
    }
    if let Some(connections) = args.max_connections {
        settings.limits.connections = connections;
    }
    // Without a file the command finds its files where every other command does.
    let defaults = args.config.is_none();
    let encryption = &mut settings.encryption;
    if global.given_manifest.is_some() || defaults {
        let manifest = global.manifest().to_string_lossy();
        // A path, as for every command, or what the file would say.
        let is_setting = manifest == "database" || manifest.starts_with("file:");
        encryption.manifest = Some(if is_setting {
            manifest.into_owned()
        } else {
            format!("file:{manifest}")
        });
    }
    if global.given_master_key.is_some() || defaults {
        encryption.master_key = Some(global.master_key().to_owned());
    }
    if let Some(level) = args.log {
        settings.log.level = level;
    }
    if global.json {
        settings.log.format = LogFormat::Json;
    }
    Ok(settings)
}

fn checked(settings: &Settings) -> Checked {
    let listen = &settings.listen;
    let tcp = listen.tcp.iter().map(ToString::to_string);
    let unix = listen.unix.iter().map(|path| path.display().to_string());
    let named = settings.databases.keys().cloned();
    let for_all = &settings.encryption;
    let any = for_all.manifest.is_some() || for_all.master_key.is_some();
    Checked {
        listen: tcp.chain(unix).collect(),
        server: servers(&settings.server),
        databases: named.chain(any.then(|| "*".to_owned())).collect(),
    }
}

/// Each host with its port, as `--server` takes them.
fn servers(settings: &ServerSettings) -> Vec<String> {
    let ports = &settings.ports;
    let hosts = settings.hosts.iter().enumerate();
    let with_ports = hosts.map(|(at, host)| {
        // One port is for all hosts.
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
        match host.contains(':') && !host.starts_with('/') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        }
    });
    with_ports.collect()
}

/// Events go to standard error. Only this project's: other crates' may hold what a client has
/// sent, and they come over `log`, which is not connected.
fn log(settings: &LogSettings) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    };
    let events = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        // It would say so on standard error, and panic when that fails too.
        .log_internal_errors(false)
        .with_target(false);
    match settings.format {
        LogFormat::Json => events.json().flatten_event(true).init(),
        _ => events.init(),
    }
}

/// What a panic says may be about a value: only where it was is logged.
fn log_place(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    error!(
        place,
        "panicked, which is a fault of Sealwire: please report it"
    );
}

/// Keys and values are in the memory of this process: no dump of it goes to a disk, and no other
/// process of the same user looks into it.
fn forbid_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let forbidden = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let forbidden = forbidden.and_then(|()| {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A program that takes dumps from the kernel is not bound by the limit.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
    });
    if let Err(error) = forbidden {
        warn!(%error, "if this process crashes, its memory may be written to a disk");
    }
}

/// Two descriptors for each connection are more than many systems allow at first, and up to the
/// hard limit a process may help itself. A cancel request that is nobody's goes to every host.
fn raise_descriptor_limit(settings: &Settings) {
    let limit = getrlimit(Resource::Nofile);
    let each = settings.server.hosts.len().saturating_add(1);
    let needed = u64::try_from(settings.limits.connections.saturating_mul(each))
        .unwrap_or(u64::MAX)
        .saturating_add(OWN_DESCRIPTORS);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
    let raised = Rlimit { current, ..limit };
    if setrlimit(Resource::Nofile, raised).is_err() || current < Some(needed) {
        warn!(
            needed,
            hint = "raise the limit of open files (`LimitNOFILE=`, `ulimit -Hn`), or lower `connections`",
            "not enough file descriptors for so many connections"
        );
    }
}

/// What the operator sends.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn obey(self, proxy: sealwire_proxy::Handle) {
        let Self {
            mut terminate,
            mut interrupt,
            mut hang_up,
        } = self;
        let reloading = proxy.clone();
        // On its own: files may lie on a file system that hangs, and the end does not wait for that.
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                // What could not be loaded is logged, and what is in use stays.
                match reloading.reload().await {
                    Ok(()) => info!("reloaded"),
                    Err(error) => {
                        error!(%error, hint = error.hint(), "reload is not complete");
                    }
                }
            }
        });
        let mut drains = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if drains {
                proxy.stop();
            } else {
                proxy.drain();
                drains = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_by_its_place_and_not_by_its_words() {
        let text = Text::default();
        let writer = text.clone();
        let events = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_place));
        let panicked = tracing::subscriber::with_default(events.finish(), || {
            panic::catch_unwind(|| panic!("of {}", "078-05-1120"))
        });
        panic::set_hook(before);
        assert!(panicked.is_err());
        let text = String::from_utf8(text.0.lock().unwrap().clone()).unwrap();
        assert!(
            text.contains("ERROR") && text.contains("please report"),
            "{text}"
        );
        assert!(text.contains(concat!(file!(), ":")), "{text}");
        assert!(!text.contains("078-05"), "{text}");
    }
}
