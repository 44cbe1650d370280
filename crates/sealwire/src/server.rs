//! The way to a server for clients that speak the protocol themselves: sockets and TLS, without a
//! word of the protocol beyond the request for TLS.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

use crate::connector::{MaybeTls, TlsWish, secure};
use crate::dial::{order, port};
use crate::error::Error;

/// A socket to a server.
#[derive(Debug)]
pub enum ServerSocket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix-domain socket, on which PostgreSQL has no TLS.
    Unix(UnixStream),
}

/// Where a server is and how to get there: the hosts, ports, TLS settings and time limits of a
/// [`tokio_postgres::Config`]. Role, password and database are the client's affair.
#[derive(Clone)]
pub struct Server<T> {
    config: tokio_postgres::Config,
    tls: T,
    wish: TlsWish,
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
        })
    }

    /// Opens a connection to the first host that takes one.
    ///
    /// # Errors
    /// When none does; the error is that of the last host.
    pub async fn dial(&self) -> Result<MaybeTls<ServerSocket, T::Stream>, Error> {
        let config = &self.config;
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let mut failure = None;
        for at in order(config, count) {
            let one = self.dial_one(at);
            let attempt = match config.get_connect_timeout() {
                Some(&limit) => tokio::time::timeout(limit, one).await.unwrap_or_else(|_| {
                    Err(Error::connect(
                        format!("connecting to {} timed out", self.name(at)),
                        None,
                    ))
                }),
                None => one.await,
            };
            match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Error::config("no host is configured", None)))
    }

    async fn dial_one(&self, at: usize) -> Result<MaybeTls<ServerSocket, T::Stream>, Error> {
        let failed = |error: &dyn fmt::Display| {
            Error::connect(
                format!("cannot connect to {}: {error}", self.name(at)),
                None,
            )
        };
        let config = &self.config;
        let host = config.get_hosts().get(at);
        let port = port(config, at);
        let socket = match (config.get_hostaddrs().get(at), host) {
            (None, Some(Host::Unix(directory))) => {
                let path = directory.join(format!(".s.PGSQL.{port}"));
                let stream = UnixStream::connect(&path).await;
                return stream
                    .map(|stream| MaybeTls::Raw(ServerSocket::Unix(stream)))
                    .map_err(|error| failed(&error));
            }
            (Some(&address), _) => TcpStream::connect((address, port)).await,
            (None, Some(Host::Tcp(host))) => TcpStream::connect((host.as_str(), port)).await,
            (None, None) => Err(io::ErrorKind::NotFound.into()),
        };
        let socket = socket.map_err(|error| failed(&error))?;
        self.set_options(&socket).map_err(|error| failed(&error))?;
        let domain = match host {
            Some(Host::Tcp(host)) => host.as_str(),
            _ => "",
        };
        let tls = self.wish.connector(&mut self.tls.clone(), domain);
        let tls = tls.map_err(|error| failed(&error))?;
        secure(ServerSocket::Tcp(socket), tls, self.wish)
            .await
            .map_err(|error| failed(&error))
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
