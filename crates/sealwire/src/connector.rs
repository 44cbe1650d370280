//! The connector: what tokio-postgres calls for its "TLS" stream, and where the layer sits.
//!
//! tokio-postgres hands the raw socket to the connector without a word to the server when
//! `sslmode=require` and `sslnegotiation=direct`. So an armed configuration always says that, and
//! the connector does what the user really asked for (`sslmode`, `sslnegotiation`) before it puts
//! the sealing stream on top. A connector exists only together with its armed configuration.

use std::any::TypeId;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{NoTls, Socket};

use crate::encryption::ColumnEncryption;
use crate::error::Error;
use crate::stream::SealedStream;

/// SSLRequest: length 8, code 80877103
/// ([PostgreSQL documentation, 53.7](https://www.postgresql.org/docs/current/protocol-message-formats.html)).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// What the user asked of TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsWish {
    mode: SslMode,
    negotiation: SslNegotiation,
    /// The client brought a TLS implementation at all (not `NoTls`).
    available: bool,
    /// Hosts are given by address only, so there is no name to verify a certificate against.
    nameless: bool,
}

impl TlsWish {
    pub(crate) fn of<T: 'static>(config: &tokio_postgres::Config) -> Result<Self, Error> {
        let mode = config.get_ssl_mode();
        if !matches!(mode, SslMode::Disable | SslMode::Prefer | SslMode::Require) {
            return Err(Error::config(
                "this sslmode is not known to Sealwire",
                Some("use `disable`, `prefer` or `require`".into()),
            ));
        }
        let negotiation = config.get_ssl_negotiation();
        if mode == SslMode::Prefer && negotiation == SslNegotiation::Direct {
            return Err(Error::config(
                "weak sslmode `prefer` may not be used with sslnegotiation=direct",
                Some("use `sslmode=require`".into()),
            ));
        }
        Ok(Self {
            mode,
            negotiation,
            available: TypeId::of::<T>() != TypeId::of::<NoTls>(),
            nameless: config.get_hosts().is_empty(),
        })
    }

    /// Makes the connector for one host, if TLS is to be tried.
    pub(crate) fn connector<S, T>(
        self,
        tls: &mut T,
        domain: &str,
    ) -> Result<Option<T::TlsConnect>, BoxError>
    where
        T: MakeTlsConnect<S>,
    {
        if !self.available || self.mode == SslMode::Disable {
            return Ok(None);
        }
        let domain = if self.nameless { "" } else { domain };
        tls.make_tls_connect(domain).map(Some).map_err(Into::into)
    }
}

/// A tokio-postgres configuration and the connector that belongs to it.
///
/// Pools take the two apart with [`Armed::into_parts`]. The configuration says `sslmode=require`
/// and `sslnegotiation=direct` whatever the user asked for; the connector does what the user asked
/// for.
#[derive(Clone)]
pub struct Armed<T> {
    config: tokio_postgres::Config,
    connector: Connector<T>,
}

impl<T> fmt::Debug for Armed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<T> Armed<T>
where
    T: MakeTlsConnect<Socket> + 'static,
{
    pub(crate) fn new(
        config: &tokio_postgres::Config,
        tls: T,
        encryption: ColumnEncryption,
    ) -> Result<Self, Error> {
        if config
            .get_hosts()
            .iter()
            .any(|host| !matches!(host, Host::Tcp(_)))
        {
            return Err(Error::config(
                "a pool cannot be given a Unix socket: tokio-postgres offers no place for the layer there",
                Some("use a TCP host, or open connections with `ColumnEncryption::connect`".into()),
            ));
        }
        let wish = TlsWish::of::<T>(config)?;
        let mut armed = config.clone();
        armed
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        if wish.nameless {
            // Without a host name tokio-postgres does not call a connector at all.
            for address in config.get_hostaddrs() {
                armed.host(address.to_string());
            }
        }
        Ok(Self {
            config: armed,
            connector: Connector {
                tls,
                wish,
                encryption,
            },
        })
    }

    /// The armed configuration.
    pub fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    /// The two parts, for a pool's manager (`deadpool_postgres::Manager::from_config`,
    /// `bb8_postgres::PostgresConnectionManager::new`, ...). Keep them together: with another
    /// configuration the connector may never be called, and nothing would be sealed.
    pub fn into_parts(self) -> (tokio_postgres::Config, Connector<T>) {
        (self.config, self.connector)
    }
}

/// Makes sealing connections; `MakeTlsConnect` to tokio-postgres.
///
/// `client.cancel_token().cancel_query(connector.clone())` cancels a query.
#[derive(Clone)]
pub struct Connector<T> {
    tls: T,
    wish: TlsWish,
    encryption: ColumnEncryption,
}

impl<T> fmt::Debug for Connector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("tls", &self.wish)
            .finish_non_exhaustive()
    }
}

impl<T> MakeTlsConnect<Socket> for Connector<T>
where
    T: MakeTlsConnect<Socket>,
    T::TlsConnect: Send + 'static,
    T::Stream: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    type Stream = SealedStream<MaybeTls<Socket, T::Stream>>;
    type TlsConnect = Handshake<T::TlsConnect>;
    type Error = BoxError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, BoxError> {
        let tls = self.wish.connector(&mut self.tls, domain)?;
        Ok(Handshake {
            tls,
            wish: self.wish,
            encryption: self.encryption.clone(),
        })
    }
}

/// One connection's way from the raw socket to the sealing stream.
pub struct Handshake<C> {
    tls: Option<C>,
    wish: TlsWish,
    encryption: ColumnEncryption,
}

impl<C> fmt::Debug for Handshake<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("tls", &self.wish)
            .finish_non_exhaustive()
    }
}

impl<C> TlsConnect<Socket> for Handshake<C>
where
    C: TlsConnect<Socket> + Send + 'static,
    C::Stream: Send + 'static,
    C::Future: Send,
{
    type Stream = SealedStream<MaybeTls<Socket, C::Stream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, BoxError>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let stream = secure(socket, self.tls, self.wish).await?;
            Ok(SealedStream::new(stream, &self.encryption))
        })
    }
}

/// Does with the socket what the user's `sslmode` and `sslnegotiation` say, as tokio-postgres
/// itself would.
pub(crate) async fn secure<S, C>(
    mut socket: S,
    tls: Option<C>,
    wish: TlsWish,
) -> Result<MaybeTls<S, C::Stream>, BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: TlsConnect<S>,
{
    let Some(tls) = tls else {
        if wish.mode == SslMode::Require {
            return Err("TLS is required, but no TLS implementation was given (`NoTls`)".into());
        }
        return Ok(MaybeTls::Raw(socket));
    };
    if wish.negotiation == SslNegotiation::Postgres {
        socket.write_all(&SSL_REQUEST).await?;
        socket.flush().await?;
        // Exactly one byte: anything that came behind it in the clear stays in the socket and is
        // read by the TLS handshake, which rejects it (CVE-2021-23222).
        let answer = socket.read_u8().await?;
        match answer {
            b'S' => {}
            b'N' if wish.mode == SslMode::Prefer => return Ok(MaybeTls::Raw(socket)),
            b'N' => return Err("server does not support TLS".into()),
            _ => return Err("server did not answer the request for TLS with `S` or `N`".into()),
        }
    }
    if wish.nameless {
        return Err("no hostname provided for TLS handshake (add `host` beside `hostaddr`)".into());
    }
    tls.connect(socket)
        .await
        .map(MaybeTls::Tls)
        .map_err(Into::into)
}

/// A socket with or without TLS on it.
#[derive(Debug)]
pub enum MaybeTls<S, T> {
    /// As it is.
    Raw(S),
    /// With TLS.
    Tls(T),
}

impl<S, T> AsyncRead for MaybeTls<S, T>
where
    S: AsyncRead + Unpin,
    T: AsyncRead + Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Raw(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl<S, T> AsyncWrite for MaybeTls<S, T>
where
    S: AsyncWrite + Unpin,
    T: AsyncWrite + Unpin,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Raw(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Raw(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Raw(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl<S, T> TlsStream for MaybeTls<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: TlsStream + Unpin,
{
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Self::Raw(_) => ChannelBinding::none(),
            Self::Tls(stream) => stream.channel_binding(),
        }
    }
}
