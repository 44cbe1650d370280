//! A private PostgreSQL cluster in a temporary directory.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::Config;

use super::Unavailable;
use super::certificate::Certificates;

/// The script that runs the server and outlives this process for as long as cleaning up takes.
const WATCH: &str = include_str!("watch.sh");

/// Time for initdb and start, generous for a loaded machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Starts that are tried when another process takes the free port first.
const START_ATTEMPTS: u32 = 5;

/// Longest path of a Unix-domain socket that PostgreSQL accepts on every system.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Password of the role `postgres`. The server listens on the loopback address only and lives as
/// long as one test process.
const PASSWORD: &str = "sealwire-tests";

/// Without `fsync` and friends a cluster costs about a second; it never has to survive a crash.
/// What autovacuum does in the background would come to one of two twins sooner than to the other.
const SETTINGS: [&str; 8] = [
    "autovacuum=off",
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=32MB",
    "ssl=on",
    "password_encryption=scram-sha-256",
];

/// Socket connections are protected by the mode of the directory; TCP asks for a password, so that
/// SCRAM and channel binding are exercised.
const HBA: &str = "\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
";

/// A running cluster. Dropping it stops the server and removes the directory.
#[derive(Debug)]
pub(crate) struct Cluster {
    root: PathBuf,
    port: u16,
    authority_pem: String,
    /// Holds the pipe that keeps the server alive as its standard input.
    watcher: Child,
}

/// The user that the server runs as when the tests run as root, which PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Makes and starts a cluster with the binaries of a directory.
    pub(super) fn start(bindir: &Path, connections: u32) -> Result<Self, Unavailable> {
        let mut attempt = 1;
        loop {
            match Self::start_once(bindir, connections) {
                Err(StartError::PortTaken) if attempt < START_ATTEMPTS => attempt += 1,
                Err(error) => {
                    return Err(Unavailable(format!(
                        "a private cluster with {} did not start: {error}",
                        bindir.join("postgres").display()
                    )));
                }
                Ok(cluster) => return Ok(cluster),
            }
        }
    }

    fn start_once(bindir: &Path, connections: u32) -> Result<Self, StartError> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let certificates =
            Certificates::make().map_err(|error| StartError::Failed(error.to_string()))?;
        let root = temporary_directory()?;
        // From here on the watcher removes the directory; until it runs, this guard does.
        let guard = RemoveOnDrop(Some(root.clone()));
        let owner = owner_for(&root)?;
        for (name, text) in [
            ("password", PASSWORD),
            ("hba", HBA),
            ("server.crt", &certificates.server),
            ("server.key", &certificates.server_key),
        ] {
            let file = root.join(name);
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            give(&file, owner)?;
        }
        give(&root, owner)?;

        let mut command = Command::new("sh");
        command
            .args(["-c", WATCH, "sh"])
            .arg(&root)
            .arg(bindir)
            .arg(port.to_string());
        command.args(SETTINGS);
        command.arg(format!("max_connections={connections}"));
        for (setting, file) in [
            ("hba_file", "hba"),
            ("ssl_cert_file", "server.crt"),
            ("ssl_key_file", "server.key"),
        ] {
            command.arg(format!("{setting}={}", root.join(file).display()));
        }
        // Its own process group keeps Ctrl-C, which goes to the whole group, from ending it
        // before it has cleaned up.
        command.current_dir("/").process_group(0).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(owner) = owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        let watcher = command.spawn()?;
        guard.keep();
        let mut cluster = Self {
            root,
            port,
            authority_pem: certificates.authority,
            watcher,
        };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn wait_until_ready(&mut self) -> Result<(), StartError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // The eighth line of the file is the server's status (pidfile.h).
            let ready =
                fs::read_to_string(self.root.join("data/postmaster.pid")).is_ok_and(|text| {
                    text.lines()
                        .nth(7)
                        .is_some_and(|line| line.trim() == "ready")
                });
            if ready {
                return Ok(());
            }
            let over = Instant::now() > deadline;
            if over || self.root.join("ended").exists() || self.watcher.try_wait()?.is_some() {
                let log = self.log();
                if log.contains("Address already in use") {
                    return Err(StartError::PortTaken);
                }
                let reason = if over { "it took too long" } else { "it ended" };
                return Err(StartError::Failed(format!("{reason}; its log:\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The cluster's directory, which holds the socket too.
    pub(crate) fn directory(&self) -> &Path {
        &self.root
    }

    pub(super) fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    pub(super) fn log(&self) -> String {
        let bytes = fs::read(self.root.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The superuser's connection parameters.
    pub(super) fn admin(&self) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("postgres")
            .password(PASSWORD)
            .dbname("postgres");
        config
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

#[derive(Debug)]
enum StartError {
    PortTaken,
    Failed(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PortTaken => f.write_str("other programs keep taking the free ports"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

struct RemoveOnDrop(Option<PathBuf>);

impl RemoveOnDrop {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if let Some(directory) = self.0.take() {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// A new directory of mode 0700, short enough for a socket.
fn temporary_directory() -> io::Result<PathBuf> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("sealwire-");
    let directory = builder.tempdir()?;
    let socket_length = directory.path().join(".s.PGSQL.65535").as_os_str().len();
    if socket_length <= SOCKET_PATH_BYTES_MAX {
        return Ok(directory.keep());
    }
    Ok(builder.tempdir_in("/tmp")?.keep())
}

/// Whom the server has to run as: nobody else, or an unprivileged user when we are root.
fn owner_for(created: &Path) -> io::Result<Option<Owner>> {
    // A file that we made belongs to our effective user.
    if fs::metadata(created)?.uid() != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| passwd_entry(&passwd, name))
        .map(Some)
        .ok_or_else(|| {
            io::Error::other(
                "PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor \
                 `nobody` to run it as",
            )
        })
}

fn passwd_entry(passwd: &str, name: &str) -> Option<Owner> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(Owner { uid, gid })
    })
}

fn give(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some(owner) => chown(path, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unprivileged_user_is_never_root() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533:n:/:/bin/false\nroot2:x:0:5:::\n";
        let owner = passwd_entry(passwd, "nobody").unwrap();
        assert_eq!((owner.uid, owner.gid), (65534, 65533));
        assert!(passwd_entry(passwd, "root2").is_none());
        assert!(passwd_entry(passwd, "postgres").is_none());
    }
}
