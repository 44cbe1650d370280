//! What the proxy's tests share: a proxy in this process in front of the test server, clients of
//! it, what it says over HTTP and in its log, and servers that misbehave.

#![allow(dead_code, reason = "each test binary uses what it needs")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use sealwire_proxy::{Handle, Proxy, Settings, SslMode};
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::WireClient;
use sealwire_testkit::{Postgres, TestDatabase};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket};
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

/// Longer than anything takes on a loaded machine, and the end of a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy that runs.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) tcp: SocketAddr,
    pub(crate) unix: Option<PathBuf>,
    pub(crate) http: SocketAddr,
    task: JoinHandle<()>,
}

/// The least that serves a fixture: clients on a loopback port, the server on its own.
pub(crate) fn settings(fixture: &Fixture) -> Settings {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let mut settings = Settings::default();
    settings.listen.tcp = vec![loopback];
    settings.listen.http = Some(loopback);
    settings.server.hosts = vec![fixture.sealed().host()];
    settings.server.ports = vec![fixture.sealed().port()];
    settings.server.sslmode = SslMode::Disable;
    settings.encryption.manifest = Some(format!("file:{}", fixture.manifest_path().display()));
    settings.encryption.master_key = Some(format!("file:{}", fixture.key_path().display()));
    settings
}

impl Running {
    pub(crate) async fn start(settings: Settings) -> Self {
        let proxy = Proxy::bind(settings)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", error.hint()));
        Self {
            handle: proxy.handle(),
            tcp: proxy.tcp_addresses()[0],
            unix: proxy.unix_path().map(ToOwned::to_owned),
            http: proxy.http_address().unwrap(),
            task: tokio::spawn(proxy.run()),
        }
    }

    /// In front of a fixture with the least settings.
    pub(crate) async fn of(fixture: &Fixture) -> Self {
        Self::start(settings(fixture)).await
    }

    /// A database's connection parameters, through the proxy.
    pub(crate) fn config(&self, database: &TestDatabase<'_>) -> Config {
        through(database, "127.0.0.1", self.tcp.port())
    }

    pub(crate) async fn client(&self, fixture: &Fixture) -> Client {
        connect(&self.config(fixture.sealed()), NoTls)
            .await
            .unwrap_or_else(|error| panic!("{}", everything(&error)))
    }

    pub(crate) async fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) async fn wire(&self, fixture: &Fixture) -> WireClient<TcpStream> {
        WireClient::start(self.stream().await, &fixture.sealed().config(), &[])
            .await
            .unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Status and body of one of the proxy's pages.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).await.unwrap()
    }

    pub(crate) async fn try_get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.http).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok((status, body.to_owned()))
    }

    /// The samples of `/metrics` by name and labels.
    pub(crate) async fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        samples(&text)
    }

    /// How many connections have ended so.
    pub(crate) async fn ended(&self, how: &str) -> f64 {
        let name = format!("sealwire_connections_ended_total{{end=\"{how}\"}}");
        self.metrics().await.get(&name).copied().unwrap_or_default()
    }

    /// Waits until so many connections have ended so.
    pub(crate) async fn have_ended(&self, how: &str, count: f64) {
        until(how, async || self.ended(how).await == count).await;
    }

    /// Waits until a metric has a value: connections are counted on threads of their own.
    pub(crate) async fn counts(&self, name: &str, value: f64) {
        until(name, async || self.metrics().await[name] == value).await;
    }

    /// How many connections there are, those that are beginning included. For a moment after its
    /// client was told that it is ready, a session counts as both.
    pub(crate) async fn open(&self) -> f64 {
        let metrics = self.metrics().await;
        metrics["sealwire_connections"] + metrics["sealwire_connections_beginning"]
    }

    /// Waits until there are so many connections.
    pub(crate) async fn settle(&self, left: f64) {
        until("connections are as many as they should be", async || {
            self.open().await == left
        })
        .await;
    }

    /// Waits until every connection that was accepted is one of those that are open, or has ended
    /// and is counted so. One that its client closed at once may be accepted after all others.
    pub(crate) async fn adds_up(&self, open: f64) {
        until("every connection is counted", async || {
            let metrics = self.metrics().await;
            let ended = metrics
                .iter()
                .filter(|(name, _)| name.starts_with("sealwire_connections_ended_total"));
            let ended: f64 = ended.map(|(_, count)| count).sum();
            metrics["sealwire_connections_accepted_total"] == ended + open
        })
        .await;
    }

    /// Waits for the end of `Proxy::run`.
    pub(crate) async fn finish(self) {
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("the proxy does not end")
            .unwrap();
    }
}

/// Waits for a condition that comes true by itself.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("waited in vain until {what}");
    }
}

/// The samples of an OpenMetrics text, which is read strictly.
pub(crate) fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.strip_suffix("# EOF\n").expect("the end of the text");
    let mut samples = BTreeMap::new();
    for line in lines.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let kind = comment.split(' ').next().unwrap();
            assert!(["HELP", "TYPE", "UNIT"].contains(&kind), "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let bare = name.split('{').next().unwrap();
        assert!(
            bare.starts_with("sealwire_")
                && bare.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{line}"
        );
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(samples.insert(name.to_owned(), value).is_none(), "{line}");
    }
    samples
}

pub(crate) fn through(database: &TestDatabase<'_>, host: &str, port: u16) -> Config {
    let direct = database.config();
    let mut config = Config::new();
    config
        .host(host)
        .port(port)
        .user(direct.get_user().unwrap())
        .password(direct.get_password().unwrap())
        .dbname(direct.get_dbname().unwrap());
    config
}

pub(crate) async fn connect<T>(config: &Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The error of a connection that is not to be.
pub(crate) async fn refused<T>(config: &Config, tls: T) -> tokio_postgres::Error
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    match connect(config, tls).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

/// The texts of an error and of everything beneath it.
pub(crate) fn everything(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// The SQLSTATE of a database error.
#[track_caller]
pub(crate) fn code(error: &tokio_postgres::Error) -> &str {
    match error.code() {
        Some(code) => code.code(),
        None => panic!("not a database error: {}", everything(error)),
    }
}

/// A table with a column of each mode.
pub(crate) fn people() -> Vec<Table> {
    vec![Table::new(
        "public",
        "people",
        [
            Column::plain("id", "int8").constraint("PRIMARY KEY"),
            Column::deterministic("email", "text").constraint("UNIQUE"),
            Column::randomized("note", "text"),
            Column::plain("name", "text"),
        ],
    )]
}

/// Seals, opens and finds a value.
pub(crate) async fn works(client: &Client, id: i64) {
    let email = format!("person{id}@example.com");
    let insert = "INSERT INTO people (id, email, note) VALUES ($1, $2, 'a note')";
    client.execute(insert, &[&id, &email]).await.unwrap();
    let sql = "SELECT id, note FROM people WHERE email = $1";
    let row = client.query_one(sql, &[&email]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (id, "a note"));
}

/// Whether the server's side of a client's session is encrypted by TLS.
pub(crate) async fn server_has_tls(client: &Client) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// The number of the fixture's sessions at the server that have this name.
pub(crate) async fn backends(fixture: &Fixture, application_name: &str) -> i64 {
    let admin = fixture.sealed().connect_superuser().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = $2";
    let name = fixture.sealed().name();
    let row = admin.query_one(sql, &[&application_name, &name]).await;
    row.unwrap().get(0)
}

/// A startup message of a protocol version.
pub(crate) fn startup(minor: u16, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = vec![0, 3];
    body.extend(minor.to_be_bytes());
    for (name, value) in parameters {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    let len = u32::try_from(body.len() + 4).unwrap();
    [&len.to_be_bytes()[..], &body].concat()
}

/// A message with a tag.
pub(crate) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &len.to_be_bytes(), body].concat()
}

/// What the peer sends until it closes, in whatever way it does.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection is not closed")
        .ok();
    bytes
}

/// Frames of the server, without their lengths.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [tag, a, b, c, d, ..] = *bytes {
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(body) = bytes.get(5..=len) else {
            break;
        };
        frames.push((tag, body.to_vec()));
        bytes = &bytes[len + 1..];
    }
    frames
}

/// A field of the ErrorResponse that is the last of these frames.
pub(crate) fn last_error(bytes: &[u8], field: u8) -> Option<String> {
    let (tag, body) = frames(bytes).pop()?;
    let fields = body.split(|byte| *byte == 0);
    let mut values = fields.filter_map(|it| Some((*it.first()?, &it[1..])));
    let (_, value) = values.find(|(letter, _)| tag == b'E' && *letter == field)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The server's own Unix socket, which asks nobody for a password.
pub(crate) async fn server_socket(server: &Postgres) -> UnixStream {
    let directory = server.socket_dir().expect("the kit's own server");
    let path = directory.join(format!(".s.PGSQL.{}", server.port()));
    UnixStream::connect(path).await.unwrap()
}

/// Settings in which the server is reached by that socket.
pub(crate) fn settings_without_password(fixture: &Fixture) -> Settings {
    let mut settings = settings(fixture);
    let server = fixture.sealed().server();
    let directory = server.socket_dir().expect("the kit's own server");
    settings.server.hosts = vec![directory.display().to_string()];
    settings
}

/// Stands between the proxy and the server, and can be cut.
pub(crate) struct Middle {
    pub(crate) port: u16,
    listener: JoinHandle<()>,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    _port_holder: TcpSocket,
}

/// A socket that has its address together with others of this user.
fn reusable_socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

/// A port on which nobody listens, and nobody can while the socket is held.
pub(crate) fn dead_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

impl Middle {
    pub(crate) async fn start(server: &Postgres) -> Self {
        Self::to(server, None).await
    }

    /// By the server's own socket, so that nobody is asked for a password.
    pub(crate) async fn without_password(server: &Postgres) -> Self {
        let directory = server.socket_dir().expect("the kit's own server");
        let socket = directory.join(format!(".s.PGSQL.{}", server.port()));
        Self::to(server, Some(socket)).await
    }

    async fn to(server: &Postgres, socket: Option<PathBuf>) -> Self {
        let listening = reusable_socket("127.0.0.1:0".parse().unwrap());
        let local = listening.local_addr().unwrap();
        // Nobody else gets the port when nobody listens on it any longer.
        let port_holder = reusable_socket(local);
        let listener = listening.listen(64).unwrap();
        let address = (server.host(), server.port());
        let connections = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let all = Arc::clone(&connections);
        let listener = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (address, socket) = (address.clone(), socket.clone());
                let handle = tasks.spawn(async move {
                    let _ = match socket {
                        Some(socket) => {
                            let mut server = UnixStream::connect(socket).await.unwrap();
                            copy_bidirectional(&mut client, &mut server).await
                        }
                        None => {
                            let mut server = TcpStream::connect(address).await.unwrap();
                            copy_bidirectional(&mut client, &mut server).await
                        }
                    };
                });
                all.lock().unwrap().push(handle);
                while tasks.try_join_next().is_some() {}
            }
        });
        Self {
            port: local.port(),
            listener,
            connections,
            _port_holder: port_holder,
        }
    }

    /// How many connections have come, since they were cut.
    pub(crate) fn count(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// Ends every connection without a word.
    pub(crate) fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// Takes no more connections and ends those that are open.
    pub(crate) fn close(&self) {
        self.listener.abort();
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.close();
    }
}

/// What is logged on this thread while it is held.
pub(crate) struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn capture() -> Self {
        // While a process has one subscriber only, whoever comes to an event first decides for all
        // whether it is wanted: another test's thread, which has none.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(NoSubscriber::default()));
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .finish();
        Self {
            text,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// What has been logged since the last call.
    pub(crate) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.text.lock().unwrap());
        String::from_utf8(bytes).unwrap()
    }
}
