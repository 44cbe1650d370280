//! Runs a program of another client, whatever its language, between two databases: the plain twin
//! directly, and the encrypted twin through the proxy.
//!
//! ```text
//! client-suite PATH-OF-SEALWIRE PROGRAM [ARGUMENT...]
//! ```
//!
//! The program finds its connection strings in the environment (`tests/clients/README.md` lists
//! them) and compares what the twins answer. What it cannot judge itself is judged here once it
//! has ended: that its marker reached the plain twin, and nothing of the server's or the proxy's
//! that an operator could read.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use sealwire_testkit::Certificates;
use sealwire_testkit::fixture::{Fixture, items};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Time for the proxy to listen, generous for a loaded machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts that are tried when another process takes the free port first.
const START_ATTEMPTS: u32 = 5;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("client-suite: {error}");
            if let Some(cause) = error.source() {
                eprintln!("client-suite: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(sealwire), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err("usage: client-suite PATH-OF-SEALWIRE PROGRAM [ARGUMENT...]".into());
    };
    let fixture = items::fixture().await;
    let sealed = fixture.sealed();
    let proxy = Proxy::start(
        Path::new(&sealwire),
        &fixture,
        &owner_secret(&fixture).await?,
    )?;
    let direct = format!("{}:{}/", sealed.host(), sealed.port());
    let through_proxy = format!("127.0.0.1:{}/", proxy.port);

    let status = Command::new(program)
        .args(arguments)
        .env("SEALWIRE_BINARY", &sealwire)
        .env("SEALWIRE_MARKER", items::MARKER)
        .env("SEALWIRE_PLAIN_URL", fixture.plain().url())
        .env("SEALWIRE_DIRECT_URL", sealed.url())
        .env(
            "SEALWIRE_PROXY_URL",
            sealed.url().replace(&direct, &through_proxy),
        )
        .env("SEALWIRE_PROXY_PORT", proxy.port.to_string())
        .env("SEALWIRE_PROXY_SOCKETS", fixture.directory())
        .env("SEALWIRE_PROXY_CA", proxy.authority.as_os_str())
        .env("SEALWIRE_PROXY_CONFIG", proxy.config.as_os_str())
        .env("SEALWIRE_MANIFEST", fixture.manifest_path())
        .env("SEALWIRE_KEY", fixture.key_path())
        .env("SEALWIRE_SCRATCH", fixture.directory())
        .status()?;
    if !status.success() {
        eprintln!("client-suite: the program ended with {status}; the proxy's log:");
        eprintln!("{}", proxy.log());
        return Ok(ExitCode::FAILURE);
    }
    // The log of a proxy that is still running may be incomplete.
    let log = proxy.stop();
    let cells = items::only_the_plain_twin_has_values(&fixture, &log).await?;
    writeln!(io::stdout(), "server: {cells} cells, no value")?;
    Ok(ExitCode::SUCCESS)
}

/// The line of the owner's SCRAM secret: the proxy needs it for clients with TLS.
async fn owner_secret(fixture: &Fixture) -> Result<String> {
    let administrator = fixture.sealed().connect_superuser().await;
    let owner = fixture.sealed().owner();
    let row = administrator
        .query_one(
            "SELECT rolpassword FROM pg_authid WHERE rolname = $1",
            &[&owner],
        )
        .await?;
    Ok(format!("{owner} = \"{}\"\n", row.get::<_, &str>(0)))
}

/// A running `sealwire proxy`, ended with this.
struct Proxy {
    child: Child,
    port: u16,
    authority: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

impl Proxy {
    /// Another process may take the port that is chosen for it.
    fn start(sealwire: &Path, fixture: &Fixture, roles: &str) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(sealwire, fixture, roles) {
                Err(error)
                    if attempt < START_ATTEMPTS && error.to_string().contains("cannot listen") =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn start_once(sealwire: &Path, fixture: &Fixture, roles: &str) -> Result<Self> {
        let directory = fixture.directory();
        let server = fixture.sealed().server();
        let ours = Certificates::make()?;
        let authority = write_file(directory, "proxy-authority.pem", &ours.authority)?;
        let certificate = write_file(directory, "proxy.pem", &ours.server)?;
        let key = write_secret(directory, "proxy.key", &ours.server_key)?;
        let roles = write_secret(directory, "roles.toml", roles)?;
        let to_server = match server.authority_pem() {
            Some(pem) => format!(
                "sslmode = \"verify-full\"\nsslrootcert = \"{}\"",
                write_file(directory, "server-authority.pem", pem)?.display()
            ),
            None => "sslmode = \"prefer\"".to_owned(),
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let config = write_file(
            directory,
            "proxy.toml",
            &format!(
                "[listen]\n\
                 tcp = [\"127.0.0.1:{port}\"]\n\
                 unix = \"{sockets}\"\n\
                 unix_port = {port}\n\
                 [listen.tls]\n\
                 certificate = \"{certificate}\"\n\
                 key = \"{key}\"\n\
                 [auth]\n\
                 roles = \"{roles}\"\n\
                 [server]\n\
                 hosts = [\"{host}\"]\n\
                 ports = [{server_port}]\n\
                 {to_server}\n\
                 [encryption]\n\
                 manifest = \"file:{manifest}\"\n\
                 master_key = \"file:{master_key}\"\n",
                sockets = directory.display(),
                certificate = certificate.display(),
                key = key.display(),
                roles = roles.display(),
                host = server.host(),
                server_port = server.port(),
                manifest = fixture.manifest_path().display(),
                master_key = fixture.key_path().display(),
            ),
        )?;
        let log = directory.join("proxy.log");
        let output = File::create(&log)?;
        let child = Command::new(sealwire)
            .args(["proxy", "--config"])
            .arg(&config)
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C goes to the program; the proxy is ended by this process afterwards.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start `{}`: {error}", sealwire.display()))?;
        let mut proxy = Self {
            child,
            port,
            authority,
            config,
            log,
        };
        proxy.wait_until_it_listens()?;
        Ok(proxy)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        // Who answers at the port could be another process.
        while !self.log().contains("listening for clients") {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the proxy ended with {status}:\n{}", self.log()).into());
            }
            if Instant::now() > deadline {
                return Err(format!("the proxy does not listen:\n{}", self.log()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it and returns all that it has logged.
    fn stop(mut self) -> String {
        self.end();
        self.log()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

fn write_file(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

/// The same, for the user alone.
fn write_secret(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = write_file(directory, name, text)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(path)
}
