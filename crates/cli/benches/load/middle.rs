//! Processes in the middle: the proxy and pgbouncer.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use sealwire_testkit::fixture::Fixture;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_postgres::Config;

use crate::Result;

const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Ticks of the CPU times in `/proc`, which is 100 on every architecture of Linux.
const TICKS: u32 = 100;
/// `nobody`, since pgbouncer does not run as root.
const NOBODY: u32 = 65534;

/// A process that is killed when it is dropped.
pub(crate) struct Middle {
    child: Child,
    pub(crate) port: u16,
    _directory: TempDir,
}

impl Drop for Middle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Middle {
    /// The proxy with so many threads, or with as many as it would have.
    pub(crate) async fn sealwire(fixture: &Fixture, threads: Option<usize>) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let settings = directory.path().join("proxy.toml");
        let threads = threads.map(|number| format!("threads = {number}\n"));
        fs::write(
            &settings,
            format!("[limits]\n{}", threads.unwrap_or_default()),
        )?;
        let port = free_port()?;
        let server = fixture.sealed();
        let log = File::create(directory.path().join("log"))?;
        let child = Command::new(env!("CARGO_BIN_EXE_sealwire"))
            .args(["proxy", "--sslmode", "disable", "--max-connections", "1000"])
            .arg("--config")
            .arg(settings)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--server", &format!("{}:{}", server.host(), server.port())])
            .arg("--manifest")
            .arg(fixture.manifest_path())
            .args([
                "--master-key",
                &format!("file:{}", fixture.key_path().display()),
            ])
            .stderr(log)
            .spawn()?;
        Self::wait(child, port, directory).await
    }

    /// None when it is not installed.
    pub(crate) async fn pgbouncer(fixture: &Fixture) -> Result<Option<Self>> {
        let installed = [
            "/usr/sbin/pgbouncer",
            "/usr/bin/pgbouncer",
            "/usr/local/bin/pgbouncer",
        ];
        let Some(program) = installed
            .iter()
            .find(|path| fs::exists(path).unwrap_or(false))
        else {
            return Ok(None);
        };
        let directory = tempfile::tempdir()?;
        let port = free_port()?;
        let server = fixture.sealed();
        let config = server.config();
        let password = config.get_password().unwrap_or_default();
        let users = directory.path().join("users.txt");
        let user = config.get_user().unwrap_or_default();
        let password = String::from_utf8_lossy(password);
        fs::write(&users, format!("\"{user}\" \"{password}\"\n"))?;
        let settings = directory.path().join("pgbouncer.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
                 pool_mode = session\nmax_client_conn = 1000\ndefault_pool_size = 500\n\
                 server_tls_sslmode = disable\nlog_connections = 0\nlog_disconnections = 0\n",
                server.host(),
                server.port(),
                users.display()
            ),
        )?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let log = File::create(directory.path().join("log"))?;
        let mut command = Command::new(program);
        command.arg("--quiet").arg(&settings).stderr(log);
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn()?;
        Self::wait(child, port, directory).await.map(Some)
    }

    async fn wait(child: Child, port: u16, directory: TempDir) -> Result<Self> {
        let middle = Self {
            child,
            port,
            _directory: directory,
        };
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_err()
        {
            if started.elapsed() > START_TIMEOUT {
                let log = fs::read_to_string(middle._directory.path().join("log"))?;
                return Err(format!("a process in the middle does not listen: {log}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(middle)
    }

    /// Connection parameters of the fixture's encrypted database through it.
    pub(crate) fn config(&self, fixture: &Fixture) -> Config {
        let direct = fixture.sealed().config();
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .dbname(direct.get_dbname().unwrap_or_default())
            .user(direct.get_user().unwrap_or_default())
            .password(direct.get_password().unwrap_or_default());
        config
    }

    /// CPU time that it has used (proc_pid_stat(5), fields 14 and 15).
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks.
        let (_, fields) = stat.rsplit_once(") ").ok_or("unreadable /proc/PID/stat")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks: u32 = fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
        Ok(Duration::from_secs(1) * ticks / TICKS)
    }

    /// Memory that it has in use, in bytes (`RssAnon` of proc_pid_status(5)).
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kilobytes
            .ok_or("no RssAnon in /proc/PID/status")?
            .parse::<u64>()?
            * 1024)
    }

    /// File descriptors that it has open.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
