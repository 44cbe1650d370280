//! Where clients and probes connect.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::client::Accepted;
use crate::error::Error;
use crate::settings::Settings;

/// How long the listeners rest when nothing can be accepted, for want of file descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Clients that may wait on the Unix socket to be accepted, as on TCP.
const UNIX_BACKLOG: i32 = 1024;

/// A listener for clients.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(crate) async fn accept(&self) -> std::io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Accepted::Tcp(stream.into_std()?, peer)
            }
            Self::Unix(listener) => Accepted::Unix(listener.accept().await?.0.into_std()?),
        })
    }
}

/// Rests after a failure that would come again at once.
pub(crate) async fn pause_after_failed_accept() {
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// What to do when no connection can be accepted.
pub(crate) fn hint_for_accept(error: &std::io::Error) -> Option<&'static str> {
    /// Too many open files: of this process, and of all.
    const DESCRIPTORS: [i32; 2] = [24, 23];
    let code = error.raw_os_error()?;
    DESCRIPTORS.contains(&code).then_some(
        "raise the limit of open files (`LimitNOFILE=`, `ulimit -Hn`), or lower `connections`",
    )
}

pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        let failed = Error::new(format_args!("cannot listen on {address}: {error}"));
        match error.kind() {
            ErrorKind::AddrInUse => failed.with_hint(format!(
                "end what listens there (`ss -ltnp 'sport = :{}'` shows it), or choose another port",
                address.port()
            )),
            ErrorKind::AddrNotAvailable => {
                failed.with_hint("choose an address of this machine, or 0.0.0.0 or [::] for all")
            }
            ErrorKind::PermissionDenied => {
                failed.with_hint("choose a port from 1024 on: those below need a privilege")
            }
            _ => failed,
        }
    })
}

pub(crate) fn listen_unix(settings: &Settings) -> Result<Option<(UnixListener, PathBuf)>, Error> {
    let Some(directory) = &settings.listen.unix else {
        return Ok(None);
    };
    let path = directory.join(format!(".s.PGSQL.{}", settings.listen.unix_port));
    let failed = |error: &std::io::Error| {
        let failed = Error::at(&path, "listen on", error);
        match error.kind() {
            ErrorKind::NotFound => failed.with_hint("create the directory, or correct its path"),
            ErrorKind::AddrInUse => failed
                .with_hint("end what listens there, or choose another `unix_port` in `[listen]`"),
            _ => failed,
        }
    };
    // What a proxy that was killed has left is a socket that refuses. Anything else is somebody's, one
    // that this user may not connect to as well.
    match std::os::unix::net::UnixStream::connect(&path) {
        Ok(_) => return Err(failed(&ErrorKind::AddrInUse.into())),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && is_socket(&path) => {
            let _ = std::fs::remove_file(&path);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    let mode = Permissions::from_mode(settings.unix_mode()?);
    let listener = listen_with(&path, mode).map_err(|error| failed(&error))?;
    Ok(Some((listener, path)))
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// Nobody can connect before the socket has its permissions: nothing listens until then.
fn listen_with(path: &Path, mode: Permissions) -> std::io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    std::fs::set_permissions(path, mode)?;
    socket.listen(UNIX_BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}
