//! A private Unix socket in this process, for clients that own their wire code and take nothing
//! but an address: sqlx, diesel, SeaORM, and every other library that opens its own connections.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream;
use sealwire_engine::Failure;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::Config;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

use crate::encryption::ColumnEncryption;
use crate::error::Error;
use crate::relay::Relay;
use crate::server::{Server, ServerSocket};
use crate::startup::{self, Startup};

/// The number in the socket's name: clients derive the name from a port.
const PORT: u16 = 5432;
/// How long the listener rests when nothing can be accepted: for want of file descriptors, perhaps,
/// of which a connection that closes gives back one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that only this process, or others of the same user, can connect to. It lives on the
/// tokio runtime that started it; dropping it ends its connections and removes the socket.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config: sealwire::Config = "host=db.internal user=app password=secret dbname=clinic \
///     column_encryption=enabled column_master_key=file:/run/secrets/sealwire.key".parse()?;
/// let listener = config.listen(tokio_postgres::NoTls).await?;
/// // sqlx::PgPool::connect(&listener.url()).await?
/// # Ok(())
/// # }
/// ```
pub struct LocalListener {
    directory: TempDir,
    config: Config,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for LocalListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalListener")
            .field("directory", &self.directory.path())
            .finish_non_exhaustive()
    }
}

impl LocalListener {
    pub(crate) fn start<T>(
        config: &Config,
        tls: T,
        encryption: &ColumnEncryption,
    ) -> Result<Self, Error>
    where
        T: MakeTlsConnect<ServerSocket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<ServerSocket>>::Future: Send,
    {
        let server = Server::new(config, tls)?;
        let (directory, listener, own) = bind().map_err(|error| {
            Error::connect(
                format!("cannot listen on a private Unix socket: {error}"),
                None,
            )
        })?;
        let accepting = tokio::spawn(accept(listener, own, Arc::new(server), encryption.clone()));
        Ok(Self {
            directory,
            config: config.clone(),
            accepting,
        })
    }

    /// The directory of the socket, of mode 0700: what clients call the host.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The port, which is in the socket's name.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// The connection string for a client in this process, with role, password and database of
    /// the configuration. It holds the password: do not log it.
    pub fn url(&self) -> String {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let user = encode(self.config.get_user().unwrap_or_default());
        let password = self.config.get_password().unwrap_or_default();
        let password =
            percent_encoding::percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
        let database = encode(self.config.get_dbname().unwrap_or_default());
        let host = encode(&self.directory().to_string_lossy());
        format!("postgresql://{user}:{password}@{host}:{PORT}/{database}?sslmode=disable")
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The socket, its directory, and the user that both belong to.
fn bind() -> io::Result<(TempDir, UnixListener, u32)> {
    // Names of sockets have 107 bytes at most, and the temporary directory of some systems uses up
    // half of them; `tempfile` makes the directory before anybody else could.
    let directory = tempfile::Builder::new()
        .prefix("sealwire-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()?;
    let listener = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{PORT}")))?;
    let own = directory.path().metadata()?.uid();
    Ok((directory, listener, own))
}

async fn accept<T>(
    listener: UnixListener,
    own: u32,
    server: Arc<Server<T>>,
    encryption: ColumnEncryption,
) where
    T: MakeTlsConnect<ServerSocket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<ServerSocket>>::Future: Send,
{
    // Its connections end with the listener.
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => client,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        // The directory keeps others out already; a peer that got in all the same is one that the
        // administrator let in, who is not who this socket is for.
        if !client.peer_cred().is_ok_and(|peer| peer.uid() == own) {
            continue;
        }
        connections.spawn(serve(client, Arc::clone(&server), encryption.clone()));
    }
}

async fn serve<T>(mut client: UnixStream, server: Arc<Server<T>>, encryption: ColumnEncryption)
where
    T: MakeTlsConnect<ServerSocket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<ServerSocket>>::Future: Send,
{
    let mut first = Vec::new();
    match first_message(&mut client, &mut first).await {
        Ok(Startup::Cancel(_)) => {
            // Whether it comes in time is not for the client to know, as with the server itself.
            let _ = server.cancel(&first).await;
            let _ = client.shutdown().await;
        }
        Ok(_) => match server.dial().await {
            Ok((stream, address)) => {
                let mut relay = Relay::new(client, stream, &encryption, &first);
                // How it ended is the client's to know, and the client does.
                if relay.start().await.is_ok() {
                    let _cancellable = server.cancellable(&relay, address);
                    let _ = relay.run(stream::pending()).await;
                }
            }
            Err(error) => refuse(client, &error.to_failure()).await,
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let failure = Failure {
                sqlstate: "08P01",
                message: error.to_string(),
                hint: None,
            };
            refuse(client, &failure).await;
        }
        Err(_) => {}
    }
}

/// Reads up to the first message that is not about encryption, which there is none of here.
async fn first_message(client: &mut UnixStream, buffer: &mut Vec<u8>) -> io::Result<Startup> {
    loop {
        match startup::read(client, buffer).await? {
            Startup::Tls | Startup::Gss => client.write_all(b"N").await?,
            first => return Ok(first),
        }
    }
}

/// Says why there is no connection, in place of the server's first answer.
async fn refuse(mut client: UnixStream, why: &Failure) {
    let mut out = BytesMut::new();
    why.write_fatal(&mut out);
    let _ = client.write_all(&out).await;
    let _ = client.shutdown().await;
}
