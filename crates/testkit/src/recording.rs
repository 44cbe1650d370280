//! A forwarder that keeps every byte, for showing what a server was told and what it was not.

mod frames;
mod marker;
pub(crate) mod tap;

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_postgres::Config;

use crate::database::{TestDatabase, url};
use marker::Form;

/// Listens on TCP and on a Unix-domain socket, forwards every connection to one server and records
/// both directions. Lives on the runtime that started it.
///
/// ```no_run
/// # use sealwire_testkit::{Postgres, RecordingProxy};
/// # async fn example() {
/// let database = Postgres::shared().await.create_database().await;
/// let proxy = RecordingProxy::start(&database).await;
/// // … connect to `proxy.url()` and work with marked values …
/// proxy.assert_absent(&["marker-5e4f1c"]);
/// # }
/// ```
#[derive(Debug)]
pub struct RecordingProxy {
    port: u16,
    directory: tempfile::TempDir,
    database: Config,
    connections: Arc<Mutex<Vec<Arc<Mutex<Recording>>>>>,
    listeners: [JoinHandle<()>; 2],
}

/// What crossed one connection.
#[derive(Clone, Default)]
pub struct Recording {
    /// From the client.
    pub to_server: Vec<u8>,
    /// From the server.
    pub to_client: Vec<u8>,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("to_server_bytes", &self.to_server.len())
            .field("to_client_bytes", &self.to_client.len())
            .finish()
    }
}

/// The server behind the proxy.
#[derive(Clone, Debug)]
enum Upstream {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl RecordingProxy {
    /// A proxy in front of a database, reached by the parameters of [`RecordingProxy::config`].
    ///
    /// # Panics
    /// When no socket can be had.
    pub async fn start(database: &TestDatabase<'_>) -> Self {
        Self::start_for(database)
            .await
            .expect("sockets for the recording proxy")
    }

    async fn start_for(database: &TestDatabase<'_>) -> io::Result<Self> {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = tcp.local_addr()?.port();
        let directory = tempfile::Builder::new()
            .prefix("sealwire-")
            .tempdir_in("/tmp")?;
        let unix = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{port}")))?;
        let tcp_upstream = Upstream::Tcp(database.host(), database.port());
        let unix_upstream = database.socket_dir().map_or_else(
            || tcp_upstream.clone(),
            |directory| Upstream::Unix(directory.join(format!(".s.PGSQL.{}", database.port()))),
        );
        let connections = Arc::<Mutex<Vec<Arc<Mutex<Recording>>>>>::default();
        let tcp_connections = Arc::clone(&connections);
        let unix_connections = Arc::clone(&connections);
        let listeners = [
            tokio::spawn(async move {
                while let Ok((client, _)) = tcp.accept().await {
                    let _ = client.set_nodelay(true);
                    forward(client, tcp_upstream.clone(), &tcp_connections);
                }
            }),
            tokio::spawn(async move {
                while let Ok((client, _)) = unix.accept().await {
                    forward(client, unix_upstream.clone(), &unix_connections);
                }
            }),
        ];
        Ok(Self {
            port,
            directory,
            database: database.config(),
            connections,
            listeners,
        })
    }

    /// Address for TCP.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Port, for TCP and for the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Directory of the Unix-domain socket.
    pub fn socket_dir(&self) -> &Path {
        self.directory.path()
    }

    /// The owner's connection parameters, through the proxy.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host(self.host()).port(self.port);
        config.user(self.database.get_user().unwrap_or_default());
        config.password(self.database.get_password().unwrap_or_default());
        config.dbname(self.database.get_dbname().unwrap_or_default());
        config
    }

    /// The owner's connection string, through the proxy.
    pub fn url(&self) -> String {
        url(&self.config())
    }

    /// What has crossed so far, one entry per connection in the order of their start.
    pub fn recordings(&self) -> Vec<Recording> {
        lock(&self.connections)
            .iter()
            .map(|recording| lock(recording).clone())
            .collect()
    }

    /// Panics when a marker was sent to the server in any form that a search finds: as it is, in
    /// hexadecimal, in base64 at any alignment, in UTF-16. The panic names connection, form,
    /// offset and frame, not the marker.
    ///
    /// # Panics
    /// Also when the search would prove nothing: nothing was recorded, a connection was encrypted
    /// by TLS, or a marker is so short that it may turn up by chance.
    pub fn assert_absent<M: AsRef<[u8]>>(&self, markers: &[M]) {
        let recordings = self.recordings();
        assert!(
            recordings
                .iter()
                .any(|recording| frames::first_after_startup(&recording.to_server).is_some()),
            "nothing was recorded: the connection under test does not go through the proxy"
        );
        let mut report = String::new();
        for (index, marker) in markers.iter().enumerate() {
            for (connection, recording) in recordings.iter().enumerate() {
                assert!(
                    !frames::is_encrypted(recording),
                    "connection {connection} is encrypted by TLS: connect with `sslmode=disable`"
                );
                for (form, offset) in marker::occurrences(&recording.to_server, marker.as_ref()) {
                    describe(
                        &mut report,
                        index,
                        connection,
                        form,
                        offset,
                        &recording.to_server,
                    );
                }
            }
        }
        assert!(
            report.is_empty(),
            "the server was sent plaintext:\n{report}"
        );
    }

    /// Panics when a marker was not sent to the server as it is: shows that a search would find it.
    ///
    /// # Panics
    /// See above.
    pub fn assert_present<M: AsRef<[u8]>>(&self, markers: &[M]) {
        let recordings = self.recordings();
        for (index, marker) in markers.iter().enumerate() {
            let found = recordings.iter().any(|it| {
                marker::occurrences(&it.to_server, marker.as_ref())
                    .next()
                    .is_some()
            });
            assert!(found, "marker {index} was not sent to the server");
        }
    }
}

impl Drop for RecordingProxy {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

fn describe(
    report: &mut String,
    marker: usize,
    connection: usize,
    form: Form,
    offset: usize,
    bytes: &[u8],
) {
    let _ = write!(
        report,
        "marker {marker} as {form}: connection {connection}, byte {offset}"
    );
    if let Some((tag, start)) = frames::frame_at(bytes, offset) {
        let _ = write!(report, ", in frame {tag} at its byte {}", offset - start);
    }
    report.push('\n');
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn forward(
    client: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    upstream: Upstream,
    connections: &Mutex<Vec<Arc<Mutex<Recording>>>>,
) {
    let recording = Arc::<Mutex<Recording>>::default();
    lock(connections).push(Arc::clone(&recording));
    tokio::spawn(async move {
        // An upstream that cannot be reached looks to the client like a server that hung up.
        match upstream {
            Upstream::Tcp(host, port) => {
                if let Ok(server) = TcpStream::connect((host, port)).await {
                    let _ = server.set_nodelay(true);
                    both_ways(client, server, recording).await;
                }
            }
            Upstream::Unix(path) => {
                if let Ok(server) = UnixStream::connect(path).await {
                    both_ways(client, server, recording).await;
                }
            }
        }
    });
}

async fn both_ways(
    client: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    recording: Arc<Mutex<Recording>>,
) {
    let (client_reader, client_writer) = tokio::io::split(client);
    let (server_reader, server_writer) = tokio::io::split(server);
    let sent = Arc::clone(&recording);
    let _ = tokio::join!(
        copy(client_reader, server_writer, move |bytes| {
            lock(&sent).to_server.extend_from_slice(bytes);
        }),
        copy(server_reader, client_writer, move |bytes| {
            lock(&recording).to_client.extend_from_slice(bytes);
        }),
    );
}

/// Records before it forwards, so that what the server has seen is always in the recording.
async fn copy(
    reader: impl AsyncRead,
    writer: impl AsyncWrite,
    mut record: impl FnMut(&[u8]),
) -> io::Result<()> {
    let (mut reader, mut writer) = (std::pin::pin!(reader), std::pin::pin!(writer));
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = reader.read(&mut buffer).await?;
        if length == 0 {
            return writer.shutdown().await;
        }
        record(&buffer[..length]);
        writer.write_all(&buffer[..length]).await?;
    }
}
