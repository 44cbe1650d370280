//! The proxy's settings, as a TOML file has them.

mod check;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{self, StrDeserializer};

use crate::error::Error;

/// Everything that a proxy is told. Every part has defaults but the server's host and a place to
/// listen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where clients connect.
    pub listen: ListenSettings,
    /// Whose authentication ends at the proxy.
    pub auth: AuthSettings,
    /// The server behind the proxy.
    pub server: ServerSettings,
    /// Manifest and keys, for every database that has no section of its own.
    pub encryption: EncryptionSettings,
    /// Manifest and keys of single databases.
    pub databases: BTreeMap<String, DatabaseSettings>,
    /// Limits and times.
    pub limits: LimitSettings,
    /// What is logged, for the program around the proxy.
    pub log: LogSettings,
}

/// `[listen]`: where clients connect.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenSettings {
    /// Addresses for TCP.
    pub tcp: Vec<SocketAddr>,
    /// Directory of the Unix socket `.s.PGSQL.PORT`.
    pub unix: Option<PathBuf>,
    /// The port in the socket's name.
    pub unix_port: u16,
    /// Permissions of the socket, octal: who may connect.
    pub unix_mode: String,
    /// Address for health checks and metrics.
    pub http: Option<SocketAddr>,
    /// TLS with clients on TCP.
    pub tls: Option<TlsSettings>,
    /// Accept clients without TLS on addresses other than loopback. Their values cross the network
    /// in the clear.
    pub allow_plaintext: bool,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            tcp: Vec::new(),
            unix: None,
            unix_port: 5432,
            unix_mode: "0600".into(),
            http: None,
            tls: None,
            allow_plaintext: false,
        }
    }
}

/// `[listen.tls]`: TLS with clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file of the certificate and those above it.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// `[auth]`: whose authentication ends at the proxy. That of all others is between client and
/// server, and passes through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// TOML file of SCRAM secrets, by role, for clients with TLS.
    pub roles: Option<PathBuf>,
}

/// `sslmode`, as libpq names it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server has it, unverified.
    Prefer,
    /// TLS, unverified; verified as `verify-ca` when `sslrootcert` is given.
    Require,
    /// TLS, the certificate is from a known authority.
    VerifyCa,
    /// TLS, and the certificate is for the host.
    #[default]
    VerifyFull,
}

impl std::str::FromStr for SslMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text).ok_or_else(|| {
            "use `disable`, `prefer`, `require`, `verify-ca` or `verify-full`".into()
        })
    }
}

/// `sslnegotiation`, as libpq names it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SslNegotiation {
    /// TLS is asked for in PostgreSQL's protocol.
    #[default]
    Postgres,
    /// TLS begins at once (PostgreSQL 17 and later).
    Direct,
}

/// `[server]`: the server behind the proxy.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Host names, addresses or directories of Unix sockets, tried in this order.
    pub hosts: Vec<String>,
    /// One port, or one for each host.
    pub ports: Vec<u16>,
    /// TLS with the server.
    pub sslmode: SslMode,
    /// How TLS begins.
    pub sslnegotiation: SslNegotiation,
    /// PEM file of the authorities that the server's certificate may come from; the system's own
    /// when it is not given.
    pub sslrootcert: Option<PathBuf>,
    /// PEM file of a certificate for the server.
    pub sslcert: Option<PathBuf>,
    /// PEM file of its private key.
    pub sslkey: Option<PathBuf>,
    /// How long connecting to one host may take.
    #[serde(with = "compact::required")]
    pub connect_timeout: Duration,
    /// How long a silent connection lives before TCP asks whether the peer is there.
    #[serde(with = "compact::required")]
    pub keepalives_idle: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            ports: vec![5432],
            sslmode: SslMode::default(),
            sslnegotiation: SslNegotiation::default(),
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            connect_timeout: Duration::from_secs(10),
            keepalives_idle: Duration::from_secs(300),
        }
    }
}

/// `[encryption]`: manifest and keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncryptionSettings {
    /// `database` or `file:PATH`.
    pub manifest: Option<String>,
    /// Where the column master key is: a key store's URI.
    pub master_key: Option<String>,
    /// Open results, but refuse every statement that would need a value sealed.
    pub results_only: bool,
    /// How long an unwrapped key stays in memory; one hour when it is not given.
    #[serde(with = "compact::optional")]
    pub key_ttl: Option<Duration>,
}

/// `[databases.NAME]`: manifest and keys of one database. What is not given is as in `[encryption]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `database` or `file:PATH`.
    pub manifest: Option<String>,
    /// Where the column master key is: a key store's URI.
    pub master_key: Option<String>,
}

/// `[limits]`: limits and times.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Threads that drive connections; one for each CPU that the process may use when it is not
    /// given.
    pub threads: Option<NonZeroUsize>,
    /// Connections of clients at a time.
    pub connections: usize,
    /// How long a client may take from connecting until it is authenticated.
    #[serde(with = "compact::required")]
    pub startup_timeout: Duration,
    /// How long connections may go on with what they are doing when the proxy is told to stop.
    #[serde(with = "compact::required")]
    pub drain_timeout: Duration,
    /// Bytes of the longest message that has to be held whole to be rewritten.
    pub message_bytes: usize,
    /// Bytes of a client's messages that are held back while a connection waits for keys or for
    /// the catalogue.
    pub held_bytes: usize,
    /// Bytes of messages that all connections hold at a time.
    pub memory_bytes: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            threads: None,
            connections: 500,
            startup_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
            message_bytes: 64 << 20,
            held_bytes: 16 << 20,
            memory_bytes: 1 << 30,
        }
    }
}

/// `[log]`: what is logged. The proxy itself only emits `tracing` events.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// From which level on.
    pub level: LogLevel,
    /// How lines look.
    pub format: LogFormat,
}

/// `level` in `[log]`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LogLevel {
    /// What keeps the proxy from doing what it was told.
    Error,
    /// What an operator should look at.
    Warn,
    /// Start, end, reloads, and connections that did not end well.
    #[default]
    Info,
    /// Every connection.
    Debug,
    /// Everything.
    Trace,
}

impl std::str::FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text).ok_or_else(|| "use `error`, `warn`, `info`, `debug` or `trace`".into())
    }
}

/// `format` in `[log]`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LogFormat {
    /// A line of text for each event.
    #[default]
    Text,
    /// A JSON object on a line for each event.
    Json,
}

/// What a file would call so.
fn named<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let name: StrDeserializer<'_, value::Error> = text.into_deserializer();
    T::deserialize(name).ok()
}

/// What is set on this line.
fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    (!key.is_empty() && key.chars().all(is_bare)).then_some(key)
}

/// An error of deserializing with what an operator would call the types of this program. What is
/// not known here stays as it is.
fn in_words(message: &str) -> String {
    const DURATION: &str = "expected a duration in hours, minutes and seconds, such as \"1m 30s\"";
    const NAMES: [(&str, &str); 5] = [
        ("expected usize", "expected a whole number"),
        (
            "expected a nonzero usize",
            "expected a whole number above zero",
        ),
        ("expected u16", "expected a port, 0 to 65535"),
        ("expected a sequence", "expected a list"),
        ("expected an unsigned duration string", DURATION),
    ];
    if message.starts_with("failed to parse input in the \"friendly\"") {
        return DURATION.into();
    }
    if message == "invalid socket address syntax" {
        return "expected an IP address and a port, such as `127.0.0.1:6432` or `[::1]:6432`"
            .into();
    }
    if let Some((found, _)) = message.split_once("expected struct ") {
        return format!("{found}expected a section");
    }
    for (name, words) in NAMES {
        if let Some(found) = message.strip_suffix(name) {
            return format!("{found}{words}");
        }
    }
    message.into()
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or has a key or a value that is not known.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|error| Error::at(path, "read", &error))?;
        toml::from_str(&text).map_err(|error| {
            // It shows the line, and a line may hold a secret only where a key store's URI does.
            let start = error.span().map_or(0, |span| span.start);
            let (before, _) = text.split_at_checked(start).unwrap_or((&text, ""));
            let line = before.matches('\n').count() + 1;
            let key = text.lines().nth(line - 1).and_then(key_of);
            let key = key.map_or_else(String::new, |key| format!(", `{key}`"));
            Error::new(format_args!(
                "`{}`, line {line}{key}: {}",
                path.display(),
                in_words(error.message())
            ))
            .with_hint(
                "docs/proxy.md explains the settings, and examples/proxy/proxy.toml shows each",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn tls_with_the_server_is_verified_unless_said_otherwise() {
        assert_eq!(Settings::default().server.sslmode, SslMode::VerifyFull);
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        let settings =
            settings("[limits]\nstartup_timeout = \"1m 30s\"\n[encryption]\nkey_ttl = \"2h\"");
        assert_eq!(settings.limits.startup_timeout, Duration::from_secs(90));
        assert_eq!(settings.encryption.key_ttl, Some(Duration::from_secs(7200)));
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        let error = toml::from_str::<Settings>("[listen]\ntpc = []").unwrap_err();
        assert!(error.message().contains("tpc"), "{error}");
    }

    #[test]
    fn an_error_names_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proxy.toml");
        std::fs::write(&path, "# A comment.\n[server]\nhost = \"db\"\n").unwrap();
        let error = Settings::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("`host`"),
            "{error}"
        );
    }

    fn read(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proxy.toml");
        std::fs::write(&path, text).unwrap();
        let error = Settings::read(&path).unwrap_err().to_string();
        error.split_once("proxy.toml`, ").unwrap().1.to_owned()
    }

    /// What the settings are for, not how this program keeps them.
    #[test]
    fn a_value_of_the_wrong_kind_is_told_in_words() {
        for (text, said) in [
            (
                "[limits]\nconnections = \"many\"",
                "line 2, `connections`: invalid type: string \"many\", expected a whole number",
            ),
            (
                "[limits]\nconnections = -1",
                "line 2, `connections`: invalid value: integer `-1`, expected a whole number",
            ),
            (
                "[limits]\nthreads = 0",
                "line 2, `threads`: invalid value: integer `0`, expected a whole number above zero",
            ),
            (
                "[limits]\nstartup_timeout = 5",
                "line 2, `startup_timeout`: invalid type: integer `5`, expected a duration in hours, minutes and seconds, such as \"1m 30s\"",
            ),
            (
                "[limits]\nstartup_timeout = \"5\"",
                "line 2, `startup_timeout`: expected a duration in hours, minutes and seconds, such as \"1m 30s\"",
            ),
            (
                "[listen]\n\ntcp = \"127.0.0.1:6432\"",
                "line 3, `tcp`: invalid type: string \"127.0.0.1:6432\", expected a list",
            ),
            (
                "[listen]\ntcp = [\"localhost:6432\"]",
                "line 2, `tcp`: expected an IP address and a port, such as `127.0.0.1:6432` or `[::1]:6432`",
            ),
            (
                "[server]\nports = [99999]",
                "line 2, `ports`: invalid value: integer `99999`, expected a port, 0 to 65535",
            ),
            (
                "listen = 5",
                "line 1, `listen`: invalid type: integer `5`, expected a section",
            ),
            (
                "[encryption]\nmaster_key = [\"file:a.key\"]",
                "line 2, `master_key`: invalid type: sequence, expected a string",
            ),
            (
                "[listen.tls]\nkey = \"a.key\"",
                "line 1: missing field `certificate`",
            ),
        ] {
            assert_eq!(read(text), said, "{text}");
        }
    }

    /// The example is the list of all settings, and what it says of them is true.
    #[test]
    fn the_example_shows_what_holds_unless_it_is_given() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/proxy/proxy.toml"
        );
        let mut example = Settings::read(Path::new(path)).unwrap();
        example.check().unwrap();
        assert_eq!(example.encryption.key_ttl, Some(Duration::from_secs(3600)));
        // What has to be given.
        example.listen.tcp.clear();
        example.server.hosts.clear();
        example.encryption = EncryptionSettings::default();
        assert_eq!(format!("{example:?}"), format!("{:?}", Settings::default()));

        // What is commented out is understood too.
        let text = std::fs::read_to_string(path).unwrap();
        let all: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.contains(" = ") => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let all = settings(&all);
        assert!(all.listen.tls.is_some() && all.server.sslkey.is_some());
        assert!(all.databases.contains_key("clinic"));
    }
}
