//! Whether settings can work together, before anything is opened.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Settings;
use crate::error::Error;

/// Bytes of messages below which hardly a statement could be sent.
const MESSAGE_BYTES_MIN: usize = 4096;
/// What TCP can be told, in whole seconds.
const KEEPALIVES_IDLE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(9 * 3600);

impl Settings {
    /// Whether what is there can work, before anything is opened.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), Error> {
        let listen = &self.listen;
        if listen.tcp.is_empty() && listen.unix.is_none() {
            return Err(Error::new("no place to listen for clients").with_hint(
                "give an address (`--listen 127.0.0.1:6432`) or a directory (`--listen-unix /run/sealwire`)",
            ));
        }
        if listen.tls.is_none()
            && !listen.allow_plaintext
            && let Some(open) = listen
                .tcp
                .iter()
                .find(|address| !address.ip().is_loopback())
        {
            return Err(Error::new(format_args!(
                    "refusing to listen on {open} without TLS: values would cross the network in the clear"
                ))
                .with_hint(
                    "give a certificate (`--tls-certificate`, or `[listen.tls]`), or allow it where the network is trusted (`--allow-plaintext`)",
                ));
        }
        self.unix_mode()?;
        if self.server.hosts.is_empty() {
            return Err(Error::new("no server is configured")
                .with_hint("give its host (`--server db.internal`, or `hosts` in `[server]`)"));
        }
        for host in &self.server.hosts {
            let is_address = host
                .split('%')
                .next()
                .is_some_and(|it| it.parse::<IpAddr>().is_ok());
            if host.is_empty() || !host.starts_with('/') && !is_address && host.contains([':', '['])
            {
                return Err(
                    Error::new(format_args!("`hosts` in `[server]` cannot have `{host}`"))
                        .with_hint("write the name or the address alone, and its port in `ports`"),
                );
            }
        }
        if self.server.ports.contains(&0) {
            return Err(Error::new("`ports` in `[server]` cannot have 0")
                .with_hint("write the port that the server listens on"));
        }
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), Error> {
        let (server, limits) = (&self.server, &self.limits);
        if limits.connections == 0 {
            return Err(Error::new("`connections` in `[limits]` must be above zero")
                .with_hint("write how many clients may be connected at a time"));
        }
        for (name, time) in [
            (
                "`startup_timeout` in `[limits]`",
                Some(limits.startup_timeout),
            ),
            (
                "`connect_timeout` in `[server]`",
                Some(server.connect_timeout),
            ),
            ("`key_ttl` in `[encryption]`", self.encryption.key_ttl),
        ] {
            if time.is_some_and(|time| time.is_zero()) {
                return Err(
                    Error::new(format_args!("{name} must be above zero")).with_hint(
                        "nothing can be done in no time; write a longer one, such as \"1m\"",
                    ),
                );
            }
        }
        if !KEEPALIVES_IDLE.contains(&server.keepalives_idle) {
            return Err(
                Error::new("`keepalives_idle` in `[server]` cannot be set on a socket")
                    .with_hint("write 1s to 9h"),
            );
        }
        for (name, bytes) in [
            ("message_bytes", limits.message_bytes),
            ("held_bytes", limits.held_bytes),
        ] {
            if bytes < MESSAGE_BYTES_MIN {
                return Err(Error::new(format_args!(
                    "`{name}` in `[limits]` must be {MESSAGE_BYTES_MIN} at least"
                ))
                .with_hint("it is a number of bytes: 67108864 are 64 MiB"));
            }
        }
        if self.limits.memory_bytes < self.limits.message_bytes {
            return Err(Error::new(
                "`memory_bytes` in `[limits]` is for all messages, and below `message_bytes`, which is for one",
            )
            .with_hint("raise `memory_bytes`, or lower `message_bytes`"));
        }
        Ok(())
    }

    /// Permissions of the Unix socket.
    pub(crate) fn unix_mode(&self) -> Result<u32, Error> {
        u32::from_str_radix(&self.listen.unix_mode, 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .ok_or_else(|| {
                Error::new(format_args!(
                    "`unix_mode` cannot be `{}`",
                    self.listen.unix_mode
                ))
                .with_hint("use octal digits, for example \"0660\"")
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
    fn what_could_not_serve_anybody_is_refused() {
        for (text, name) in [
            ("startup_timeout = \"0s\"", "`startup_timeout`"),
            ("message_bytes = 64", "`message_bytes`"),
            ("held_bytes = 0", "`held_bytes`"),
            ("[server]\nconnect_timeout = \"0s\"", "`connect_timeout`"),
            ("[server]\nkeepalives_idle = \"500ms\"", "`keepalives_idle`"),
            ("[server]\nkeepalives_idle = \"24h\"", "`keepalives_idle`"),
            ("[server]\nports = [0]", "`ports`"),
            ("[encryption]\nkey_ttl = \"0s\"", "`key_ttl`"),
        ] {
            let mut settings = settings(&format!("[limits]\n{text}"));
            settings.listen.tcp = vec!["[::1]:6432".parse().unwrap()];
            settings.server.hosts = vec!["db".into()];
            let error = settings.check().unwrap_err();
            assert!(error.to_string().contains(name), "{text}: {error}");
            assert!(error.hint().is_some(), "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_without_its_port() {
        let checked = |host: &str| {
            let mut settings = settings("[listen]\ntcp = [\"[::1]:6432\"]");
            settings.server.hosts = vec![host.into()];
            settings.check()
        };
        for host in [
            "db",
            "db.internal",
            "10.0.0.1",
            "::1",
            "fe80::1%eth0",
            "/run/a:b",
        ] {
            checked(host).unwrap();
        }
        for host in [
            "",
            "db:5432",
            "10.0.0.1:5432",
            "[::1]",
            "[::1]:5432",
            "postgresql://db",
        ] {
            let error = checked(host).unwrap_err();
            assert!(error.to_string().contains("`hosts`"), "{host}: {error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("`ports`")));
        }
    }

    #[test]
    fn all_messages_together_may_take_what_one_may() {
        let settings = |memory: usize| {
            settings(&format!(
                "[listen]\ntcp = [\"[::1]:6432\"]\n[server]\nhosts = [\"db\"]\n\
                 [limits]\nmessage_bytes = 5000\nmemory_bytes = {memory}"
            ))
        };
        settings(5000).check().unwrap();
        let error = settings(4999).check().unwrap_err();
        assert!(error.to_string().contains("`memory_bytes`"), "{error}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn plaintext_leaves_the_machine_only_when_that_is_said() {
        let mut settings =
            settings("[listen]\ntcp = [\"0.0.0.0:6432\"]\n[server]\nhosts = [\"db\"]");
        let error = settings.check().unwrap_err();
        assert!(error.to_string().contains("without TLS"), "{error}");
        settings.listen.allow_plaintext = true;
        settings.check().unwrap();
        settings.listen.allow_plaintext = false;
        settings.listen.tcp = vec!["[::1]:6432".parse().unwrap()];
        settings.check().unwrap();
    }
}
