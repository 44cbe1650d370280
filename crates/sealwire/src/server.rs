//! The way to a server for clients that speak the protocol themselves: sockets and TLS, without a
//! word of the protocol beyond the request for TLS and, to cancel, that of a client.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::join_all;
use sealwire_engine::BackendKey;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

use crate::connector::{MaybeTls, TlsWish, secure};
use crate::dial::{order, port};
use crate::error::Error;
use crate::relay::Relay;

/// How long a server may take to close the connection of a cancel request, which is how it
/// acknowledges.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// A socket to a server.
#[derive(Debug)]
pub enum ServerSocket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix-domain socket, on which PostgreSQL has no TLS.
    Unix(UnixStream),
}

/// One of a server's hosts, at the address that a connection was opened to: a name may have
/// several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    host: usize,
    /// None for a Unix socket.
    peer: Option<SocketAddr>,
}

/// By what cancel requests name sessions, and where these are.
type Sessions = Mutex<HashMap<BackendKey, Address>>;

fn locked(sessions: &Sessions) -> MutexGuard<'_, HashMap<BackendKey, Address>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cancel requests for a session find their way while this is held.
pub struct Cancellable {
    sessions: Arc<Sessions>,
    key: Option<BackendKey>,
}

impl fmt::Debug for Cancellable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancellable(..)")
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            locked(&self.sessions).remove(key);
        }
    }
}

/// Where a server is and how to get there: the hosts, ports, TLS settings and time limits of a
/// [`tokio_postgres::Config`]. Role, password and database are the client's affair.
#[derive(Clone)]
pub struct Server<T> {
    config: tokio_postgres::Config,
    tls: T,
    wish: TlsWish,
    sessions: Arc<Sessions>,
}

impl<T> fmt::Debug for Server<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("hosts", &self.config.get_hosts())
            .field("ports", &self.config.get_ports())
            .finish_non_exhaustive()
    }
}

impl<T> Server<T>
where
    T: MakeTlsConnect<ServerSocket> + Clone + 'static,
    <T::TlsConnect as TlsConnect<ServerSocket>>::Future: Send,
{
    /// A server reached as the configuration says.
    ///
    /// # Errors
    /// When hosts, ports and TLS settings do not go together, or when the configuration asks for
    /// something that only an open session shows (`target_session_attrs`).
    pub fn new(config: &tokio_postgres::Config, tls: T) -> Result<Self, Error> {
        let (hosts, addresses, ports) = (
            config.get_hosts().len(),
            config.get_hostaddrs().len(),
            config.get_ports().len(),
        );
        if hosts == 0 && addresses == 0 {
            return Err(Error::config(
                "no host is configured",
                Some("add `host=...`".into()),
            ));
        }
        if hosts > 0 && addresses > 0 && hosts != addresses {
            return Err(Error::config(
                format!("{hosts} hosts and {addresses} addresses (`hostaddr`)"),
                Some("give as many of one as of the other".into()),
            ));
        }
        if ports > 1 && ports != hosts.max(addresses) {
            return Err(Error::config(
                format!("{ports} ports for {} hosts", hosts.max(addresses)),
                Some("give one port, or one for each host".into()),
            ));
        }
        if config.get_target_session_attrs() != TargetSessionAttrs::Any {
            return Err(Error::config(
                "`target_session_attrs` cannot be kept here: only the client's own session shows \
                 what a server is",
                Some("leave it out, or list the one host that is meant".into()),
            ));
        }
        Ok(Self {
            wish: TlsWish::of::<T>(config)?,
            config: config.clone(),
            tls,
            sessions: Arc::default(),
        })
    }

    /// Opens a connection to the first host that takes one, and says which it was.
    ///
    /// # Errors
    /// When none does; the error says of each host why.
    pub async fn dial(&self) -> Result<(MaybeTls<ServerSocket, T::Stream>, Address), Error> {
        let mut failures = Vec::new();
        for at in order(&self.config, self.count()) {
            match self.dial_in_time(at, None).await {
                Ok(dialled) => return Ok(dialled),
                Err(error) => failures.push(error),
            }
        }
        Err(match failures.len() {
            0 => Error::config("no host is configured", None),
            1 => failures.remove(0),
            _ => {
                let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
                Error::connect(failures.join("; "), None)
            }
        })
    }

    /// Lets cancel requests for a session find the address that it was opened to. To be called
    /// when the relay is ready, which is when the server has said what they will name.
    pub fn cancellable<C, S>(&self, relay: &Relay<C, S>, address: Address) -> Cancellable {
        let key = relay.backend_key().cloned();
        if let Some(key) = &key {
            locked(&self.sessions).insert(key.clone(), address);
        }
        Cancellable {
            sessions: Arc::clone(&self.sessions),
            key,
        }
    }

    /// Delivers a client's whole CancelRequest: to the address of its session, or, when that is not
    /// one of this process, to every host, because it may have come another way. A server ignores
    /// what does not name a session of its own.
    ///
    /// # Errors
    /// When no host has taken it; the error is that of the last one.
    pub async fn cancel(&self, request: &[u8]) -> Result<(), Error> {
        let known = BackendKey::of_request(request)
            .and_then(|key| locked(&self.sessions).get(&key).copied());
        if let Some(Address { host, peer }) = known {
            return self.cancel_at(host, peer, request).await;
        }
        let all = (0..self.count()).map(|host| self.cancel_at(host, None, request));
        let results = join_all(all).await;
        results.into_iter().reduce(Result::or).unwrap_or(Ok(()))
    }

    async fn cancel_at(
        &self,
        host: usize,
        peer: Option<SocketAddr>,
        request: &[u8],
    ) -> Result<(), Error> {
        let failed = |why: &dyn fmt::Display| {
            Error::connect(
                format!("cannot send a cancel request to {}: {why}", self.name(host)),
                None,
            )
        };
        let (mut server, _) = self.dial_in_time(host, peer).await?;
        let delivered = async {
            server.write_all(request).await?;
            server.flush().await?;
            // Its end says that the signal has been sent; libpq waits for it too.
            server.read(&mut [0]).await
        };
        match tokio::time::timeout(CANCEL_TIMEOUT, delivered).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&"not acknowledged in time")),
        }
    }

    fn count(&self) -> usize {
        let config = &self.config;
        config.get_hosts().len().max(config.get_hostaddrs().len())
    }

    async fn dial_in_time(
        &self,
        at: usize,
        peer: Option<SocketAddr>,
    ) -> Result<(MaybeTls<ServerSocket, T::Stream>, Address), Error> {
        let one = self.dial_one(at, peer);
        match self.config.get_connect_timeout() {
            Some(&limit) => tokio::time::timeout(limit, one).await.unwrap_or_else(|_| {
                Err(Error::connect(
                    format!("connecting to {} timed out", self.name(at)),
                    None,
                ))
            }),
            None => one.await,
        }
    }

    /// Opens a connection to a host, at this address of its if one is given.
    async fn dial_one(
        &self,
        at: usize,
        peer: Option<SocketAddr>,
    ) -> Result<(MaybeTls<ServerSocket, T::Stream>, Address), Error> {
        let failed = |error: &dyn fmt::Display| {
            Error::connect(
                format!("cannot connect to {}: {error}", self.name(at)),
                None,
            )
        };
        let config = &self.config;
        let host = config.get_hosts().get(at);
        let port = port(config, at);
        let socket = match (peer, config.get_hostaddrs().get(at), host) {
            (None, None, Some(Host::Unix(directory))) => {
                let path = directory.join(format!(".s.PGSQL.{port}"));
                let stream = UnixStream::connect(&path).await;
                let stream = stream.map_err(|error| failed(&error))?;
                let address = Address {
                    host: at,
                    peer: None,
                };
                return Ok((MaybeTls::Raw(ServerSocket::Unix(stream)), address));
            }
            (Some(peer), ..) => TcpStream::connect(peer).await,
            (None, Some(&address), _) => TcpStream::connect((address, port)).await,
            (None, None, Some(Host::Tcp(host))) => TcpStream::connect((host.as_str(), port)).await,
            (None, None, None) => Err(io::ErrorKind::NotFound.into()),
        };
        let socket = socket.map_err(|error| failed(&error))?;
        let address = Address {
            host: at,
            peer: socket.peer_addr().ok(),
        };
        self.set_options(&socket).map_err(|error| failed(&error))?;
        let domain = match host {
            Some(Host::Tcp(host)) => host.as_str(),
            _ => "",
        };
        let tls = self.wish.connector(&mut self.tls.clone(), domain);
        let tls = tls.map_err(|error| failed(&error))?;
        let stream = secure(ServerSocket::Tcp(socket), tls, self.wish).await;
        Ok((stream.map_err(|error| failed(&error))?, address))
    }

    /// The host for people.
    fn name(&self, at: usize) -> String {
        let port = port(&self.config, at);
        match self.config.get_hosts().get(at) {
            Some(Host::Tcp(host)) => format!("`{host}:{port}`"),
            Some(Host::Unix(directory)) => format!("`{}`", socket_path(directory, port)),
            None => match self.config.get_hostaddrs().get(at) {
                Some(address) => format!("`{address}` port {port}"),
                None => format!("port {port}"),
            },
        }
    }

    fn set_options(&self, socket: &TcpStream) -> io::Result<()> {
        let config = &self.config;
        socket.set_nodelay(true)?;
        let socket = SockRef::from(socket);
        if config.get_keepalives() {
            let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
            if let Some(interval) = config.get_keepalives_interval() {
                keepalive = keepalive.with_interval(interval);
            }
            if let Some(retries) = config.get_keepalives_retries() {
                keepalive = keepalive.with_retries(retries);
            }
            socket.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(target_os = "linux")]
        if let Some(&timeout) = config.get_tcp_user_timeout() {
            socket.set_tcp_user_timeout(Some(timeout))?;
        }
        Ok(())
    }
}

fn socket_path(directory: &Path, port: u16) -> String {
    format!("{}/.s.PGSQL.{port}", directory.display())
}

impl AsyncRead for ServerSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ServerSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
