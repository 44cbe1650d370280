//! `sealwire proxy`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as Group;
use clap::builder::BoolishValueParser;
use sealwire_proxy::{LogLevel, SslMode};

/// Each of these wins over its environment variable, and that over the file.
#[derive(Debug, Group)]
pub(crate) struct Proxy {
    /// Settings, as TOML; the options below win over it
    #[arg(long, value_name = "PATH", env = "SEALWIRE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Address for clients; may be given several times
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        env = "SEALWIRE_LISTEN",
        value_delimiter = ',',
        value_parser = address
    )]
    pub(crate) listen: Vec<SocketAddr>,
    /// Directory for a Unix socket `.s.PGSQL.5432`
    #[arg(long, value_name = "DIRECTORY", env = "SEALWIRE_LISTEN_UNIX")]
    pub(crate) listen_unix: Option<PathBuf>,
    /// PEM file of the certificate for clients
    #[arg(long, value_name = "PATH", env = "SEALWIRE_TLS_CERTIFICATE")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "PATH", env = "SEALWIRE_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// TOML file of SCRAM secrets by role, for clients whose TLS forces authentication to end here
    #[arg(long, value_name = "PATH", env = "SEALWIRE_ROLES")]
    pub(crate) roles: Option<PathBuf>,
    /// Accept clients without TLS on addresses other than loopback
    #[arg(
        long,
        value_name = "yes|no",
        hide_possible_values = true,
        env = "SEALWIRE_ALLOW_PLAINTEXT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) allow_plaintext: Option<bool>,
    /// Address for /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS:PORT", env = "SEALWIRE_HTTP", value_parser = address)]
    pub(crate) http: Option<SocketAddr>,
    /// The server: a host name, an address or the directory of a Unix socket; of several the first
    /// that answers
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        env = "SEALWIRE_SERVER",
        value_delimiter = ',',
        value_parser = server
    )]
    pub(crate) server: Vec<Host>,
    /// TLS with the server: `disable`, `prefer`, `require`, `verify-ca` or `verify-full`, which is
    /// what holds unless another is given
    #[arg(long, value_name = "MODE", env = "SEALWIRE_SSLMODE")]
    pub(crate) sslmode: Option<SslMode>,
    /// PEM file of the authorities that the server's certificate may come from
    #[arg(long, value_name = "PATH", env = "SEALWIRE_SSLROOTCERT")]
    pub(crate) sslrootcert: Option<PathBuf>,
    /// Connections of clients at a time; 500 unless given
    #[arg(
        long,
        value_name = "NUMBER",
        env = "SEALWIRE_MAX_CONNECTIONS",
        value_parser = number
    )]
    pub(crate) max_connections: Option<usize>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`; `info` unless given
    #[arg(long, value_name = "LEVEL", env = "SEALWIRE_LOG")]
    pub(crate) log: Option<LogLevel>,
    /// Check settings, manifests, keys and certificates, and end; nothing is listened on
    #[arg(long)]
    pub(crate) check: bool,
}

/// A server's host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// PostgreSQL's, where none is given.
pub(crate) const PORT: u16 = 5432;

/// Reads an address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "give an IP address and a port, such as `127.0.0.1:6432` or `[::1]:6432`".into()
    })
}

/// Reads how many there may be.
fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "give a whole number above zero".into())
}

/// Reads `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, an address of IPv6 alone, or a directory.
fn server(text: &str) -> Result<Host, String> {
    if text.contains("://") {
        return Err("give host and port, not a URL".into());
    }
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest
            .split_once(']')
            .ok_or("an address in `[` ends with `]`")?;
        match port {
            "" => (address, None),
            _ => (
                address,
                Some(port.strip_prefix(':').ok_or("after `]` comes `:PORT`")?),
            ),
        }
    } else {
        match text.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => (name, Some(port)),
            _ => (text, None),
        }
    };
    if name.is_empty() {
        return Err("the host is missing".into());
    }
    let port = match port {
        None => PORT,
        Some(port) => port
            .parse()
            .map_err(|_| format!("`{port}` is not a port"))?,
    };
    Ok(Host {
        name: name.into(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_in_a_url() {
        for (text, name, port) in [
            ("db.internal", "db.internal", PORT),
            ("db.internal:6432", "db.internal", 6432),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("::1", "::1", PORT),
            ("[::1]", "::1", PORT),
            ("[::1]:6432", "::1", 6432),
            ("/run/postgresql", "/run/postgresql", PORT),
            ("/run/postgresql:5433", "/run/postgresql", 5433),
        ] {
            let host = Host {
                name: name.into(),
                port,
            };
            assert_eq!(server(text), Ok(host), "{text}");
        }
        for text in [
            "",
            ":5432",
            "db:",
            "db:port",
            "db:70000",
            "[::1",
            "[::1]5432",
            "postgresql://db",
        ] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
