//! `sealwire proxy`, running.

#![allow(dead_code, reason = "not every test tells it to end")]

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sealwire_testkit::TestDatabase;
use serde_json::Value;
use tokio_postgres::{Client, Config, NoTls};

use crate::shell::Shell;

/// A running proxy. One that a failed test leaves behind is killed.
pub(crate) struct Running {
    child: Child,
    log: Option<Lines<BufReader<ChildStderr>>>,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts it before the server of `database`, with these options too.
    pub(crate) fn start(shell: &Shell<'_>, database: &TestDatabase<'_>, options: &[&str]) -> Self {
        let config: Config = database.url().parse().unwrap();
        let host = match &config.get_hosts()[0] {
            tokio_postgres::config::Host::Tcp(host) => host.clone(),
            tokio_postgres::config::Host::Unix(directory) => directory.display().to_string(),
        };
        let server = format!("{host}:{}", config.get_ports()[0]);
        let mut child = shell
            .command(&["proxy", "--listen", "127.0.0.1:0", "--server", &server])
            .args(["--sslmode", "disable", "--json", "--log", "debug"])
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Self {
            child,
            log: Some(log),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let line = running.wait_for("manifest loaded");
        assert!(line["serial"].is_u64(), "{line}");
        let line = running.wait_for("started");
        assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(line["server"], server);
        let line = running.wait_for("listening for clients");
        running.address = line["address"].as_str().unwrap().parse().unwrap();
        running
    }

    /// The next event with this message; those before it are read over.
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        let mut seen = Vec::new();
        for line in self.log.iter_mut().flatten() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if line["message"] == message {
                return line;
            }
            seen.push(line);
        }
        panic!("the log ends without `{message}`: {seen:#?}");
    }

    /// Nobody reads the log any longer, so that every further line of it fails.
    pub(crate) fn end_of_log(&mut self) {
        self.log = None;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) async fn connect(
        &self,
        database: &TestDatabase<'_>,
    ) -> Result<Client, tokio_postgres::Error> {
        let server: Config = database.url().parse().unwrap();
        let mut config = Config::new();
        config
            .host(self.address.ip().to_string())
            .port(self.address.port())
            .dbname(server.get_dbname().unwrap())
            .user(server.get_user().unwrap());
        if let Some(password) = server.get_password() {
            config.password(password);
        }
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}
