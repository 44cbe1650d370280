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

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table, Twin};
use sealwire_testkit::{Certificates, TestDatabase};
use tokio_postgres::Client;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What every text that a program stores in an encrypted column contains.
const MARKER: &str = "sesame";
/// Values of other types that programs store there, as they would stand in a log.
const OTHER_MARKERS: [&str; 3] = ["736573616d65", "5e5a3e5e", "777712345"];
/// Time for the proxy to listen, generous for a loaded machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

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
    let fixture = Fixture::new(tables()).await;
    let sealed = fixture.sealed();
    watch_statements(&fixture).await?;
    let proxy = Proxy::start(Path::new(&sealwire), &fixture)?;
    let direct = format!("{}:{}/", sealed.host(), sealed.port());
    let through_proxy = format!("127.0.0.1:{}/", proxy.port);

    let status = Command::new(program)
        .args(arguments)
        .env("SEALWIRE_BINARY", &sealwire)
        .env("SEALWIRE_MARKER", MARKER)
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
    only_the_plain_twin_has_values(&fixture, &log).await?;
    Ok(ExitCode::SUCCESS)
}

/// The tables of every program: all types that common drivers know, both modes, a key that joins.
fn tables() -> [Table; 2] {
    let code = |name| Column::deterministic(name, "varchar(20)").class("code");
    [
        Table::new(
            "public",
            "items",
            [
                identity(),
                code("code").constraint("NOT NULL UNIQUE"),
                Column::deterministic("n4", "int4"),
                Column::randomized("n8", "int8"),
                Column::randomized("t", "text"),
                Column::randomized("ok", "bool"),
                Column::randomized("f8", "float8"),
                Column::randomized("amount", "numeric(12,2)"),
                Column::deterministic("uid", "uuid"),
                Column::deterministic("d", "date"),
                Column::randomized("ts", "timestamp"),
                Column::deterministic("tstz", "timestamptz"),
                Column::randomized("raw", "bytea"),
                Column::randomized("doc", "jsonb"),
                Column::randomized("tags", "text[]"),
                Column::plain("note", "text"),
            ],
        ),
        Table::new(
            "public",
            "orders",
            [
                identity(),
                code("item_code").constraint("NOT NULL REFERENCES public.items (code)"),
                Column::deterministic("quantity", "int4"),
                Column::randomized("remark", "text"),
            ],
        ),
    ]
}

fn identity() -> Column {
    Column::plain("id", "int").constraint("GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
}

/// Has every statement for the encrypted twin logged, and none for the plain one: they share a log.
async fn watch_statements(fixture: &Fixture) -> Result<()> {
    let administrator = fixture.plain().connect_superuser().await;
    let (sealed, plain) = (fixture.sealed().name(), fixture.plain().name());
    administrator
        .batch_execute(&format!(
            "ALTER DATABASE {sealed} SET log_statement = 'all';
             ALTER DATABASE {plain} SET log_min_messages = 'panic';
             ALTER DATABASE {plain} SET log_min_error_statement = 'panic'"
        ))
        .await?;
    Ok(())
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
    fn start(sealwire: &Path, fixture: &Fixture) -> Result<Self> {
        let directory = fixture.directory();
        let server = fixture.sealed().server();
        let ours = Certificates::make()?;
        let authority = write(directory, "proxy-authority.pem", &ours.authority)?;
        let certificate = write(directory, "proxy.pem", &ours.server)?;
        let key = write(directory, "proxy.key", &ours.server_key)?;
        let to_server = match server.authority_pem() {
            Some(pem) => format!(
                "sslmode = \"verify-full\"\nsslrootcert = \"{}\"",
                write(directory, "server-authority.pem", pem)?.display()
            ),
            None => "sslmode = \"prefer\"".to_owned(),
        };
        // The clients are told before the proxy runs, and a port that somebody else takes in
        // between makes the proxy end with an error, which is seen below.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let config = write(
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
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
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

fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

/// The server's tables and log, and the proxy's log, hold no value; the plain twin does.
async fn only_the_plain_twin_has_values(fixture: &Fixture, proxy_log: &str) -> Result<()> {
    let sealed = fixture.sealed().connect_superuser().await;
    let plain = fixture.plain().connect_superuser().await;
    let mut cells = 0;
    for table in fixture.tables() {
        if !shows(&rows_as_text(&plain, table, Twin::Plain).await?).is_empty() {
            cells += count_cells(&sealed, table).await?;
        }
        let found = shows(&rows_as_text(&sealed, table, Twin::Sealed).await?);
        if !found.is_empty() {
            return Err(format!("the server's table `{}` holds {found:?}", table.name).into());
        }
    }
    if cells == 0 {
        return Err(format!("the program stored no `{MARKER}` in a table with cells").into());
    }
    let found = shows(proxy_log);
    if !found.is_empty() {
        return Err(format!("the proxy's log holds {found:?}").into());
    }
    if let Some(statements) = statements_logged(fixture.sealed(), &sealed).await? {
        let found = shows(&statements);
        if !found.is_empty() {
            let line = statements.lines().find(|line| !shows(line).is_empty());
            return Err(format!("the server's log holds {found:?}, in: {line:?}").into());
        }
    }
    println!("server: {cells} cells, no value");
    Ok(())
}

/// The markers that a text holds.
fn shows(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_lowercase();
    let all = OTHER_MARKERS.into_iter().chain([MARKER]);
    all.filter(|marker| text.contains(marker)).collect()
}

/// All rows: bytes in hexadecimal digits, and cells as text too, as far as they are text.
async fn rows_as_text(client: &Client, table: &Table, twin: Twin) -> Result<String> {
    let name = table.qualified();
    let mut columns = vec!["row_to_json(whole)::text".to_owned()];
    for column in &table.columns {
        if twin == Twin::Sealed && column.encryption.is_some() {
            columns.push(format!("encode({}::bytea, 'escape')", column.name));
        }
    }
    let mut text = String::new();
    let rows = client
        .query(
            &format!("SELECT {} FROM {name} AS whole", columns.join(", ")),
            &[],
        )
        .await?;
    for row in rows {
        for index in 0..row.len() {
            text += row.get::<_, Option<&str>>(index).unwrap_or_default();
            text.push('\n');
        }
    }
    Ok(text)
}

/// How many cells a table holds; an encrypted column of another type than its domain is an error.
async fn count_cells(client: &Client, table: &Table) -> Result<i64> {
    let mut cells = 0;
    for column in table.columns.iter().filter(|it| it.encryption.is_some()) {
        let row = client
            .query_one(
                &format!(
                    "SELECT count({0}), coalesce(bool_and(pg_typeof({0})::text LIKE 'sealwire.%' \
                     AND octet_length({0}::bytea) >= 18), true) FROM {1}",
                    column.name,
                    table.qualified()
                ),
                &[],
            )
            .await?;
        if !row.get::<_, bool>(1) {
            return Err(format!("`{}.{}` holds no cells", table.name, column.name).into());
        }
        cells += row.get::<_, i64>(0);
    }
    Ok(cells)
}

/// The server's log with all statements for the encrypted twin, where the kit can read it; that
/// statements are in it is tried out with one.
async fn statements_logged(
    database: &TestDatabase<'static>,
    client: &Client,
) -> Result<Option<String>> {
    let control = format!("SELECT 'a control with {MARKER}'");
    client.simple_query(&control).await?;
    let Some(log) = database.server().log() else {
        return Ok(None);
    };
    if !log.contains(&control) {
        return Err("the server does not log statements".into());
    }
    Ok(Some(log.replace(&control, "")))
}
