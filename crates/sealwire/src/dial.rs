//! Opening connections: TCP through tokio-postgres' own connecting code, Unix sockets through
//! [`tokio_postgres::Config::connect_raw`], several hosts in the order that libpq knows.

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;

use tokio::net::UnixStream;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Client, NoTls, SimpleQueryMessage, Socket};

use crate::connection::{Canceller, Connection};
use crate::connector::Armed;
use crate::encryption::ColumnEncryption;
use crate::error::Error;
use crate::stream::SealedStream;

/// PostgreSQL's port where none is given.
const DEFAULT_PORT: u16 = 5432;

/// Connects as tokio-postgres does, without the layer.
pub(crate) async fn plain<T>(
    config: &tokio_postgres::Config,
    tls: T,
) -> Result<(Client, Connection), Error>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection) = config.connect(tls.clone()).await?;
    let canceller = Canceller::new(move |token: CancelToken| {
        let tls = tls.clone();
        Box::pin(async move { token.cancel_query(tls).await })
    });
    Ok((client, Connection::new(connection, canceller)))
}

/// Connects with the layer beneath the client.
pub(crate) async fn sealed<T>(
    config: &tokio_postgres::Config,
    tls: T,
    encryption: &ColumnEncryption,
) -> Result<(Client, Connection), Error>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    if config
        .get_hosts()
        .iter()
        .all(|host| matches!(host, Host::Tcp(_)))
    {
        return tcp(config, tls, encryption).await;
    }
    // tokio-postgres calls no connector for a Unix socket, so with one among the hosts each host
    // is tried by itself.
    let hosts = config.get_hosts().len();
    let ports = config.get_ports();
    if !config.get_hostaddrs().is_empty() {
        return Err(Error::config(
            "`hostaddr` cannot be combined with a Unix socket",
            None,
        ));
    }
    if ports.len() > 1 && ports.len() != hosts {
        return Err(Error::config("invalid number of ports", None));
    }
    let mut failure = None;
    for at in order(config, hosts) {
        let port = port(config, at);
        let mut one = without_hosts(config);
        one.port(port);
        let attempt = match &config.get_hosts()[at] {
            Host::Tcp(host) => {
                one.host(host);
                tcp(&one, tls.clone(), encryption).await
            }
            Host::Unix(directory) => unix(&one, directory, port, encryption).await,
        };
        match attempt {
            Ok(connected) => return Ok(connected),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::config("both host and hostaddr are missing", None)))
}

/// In which order `count` hosts are tried.
pub(crate) fn order(config: &tokio_postgres::Config, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        rand::seq::SliceRandom::shuffle(order.as_mut_slice(), &mut rand::rng());
    }
    order
}

/// The port of the host at this place.
pub(crate) fn port(config: &tokio_postgres::Config, at: usize) -> u16 {
    let ports = config.get_ports();
    ports
        .get(at)
        .or(ports.first())
        .copied()
        .unwrap_or(DEFAULT_PORT)
}

async fn tcp<T>(
    config: &tokio_postgres::Config,
    tls: T,
    encryption: &ColumnEncryption,
) -> Result<(Client, Connection), Error>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (config, connector) = Armed::new(config, tls, encryption.clone())?.into_parts();
    let (client, connection) = config.connect(connector.clone()).await?;
    let canceller = Canceller::new(move |token: CancelToken| {
        let connector = connector.clone();
        Box::pin(async move { token.cancel_query(connector).await })
    });
    Ok((client, Connection::new(connection, canceller)))
}

async fn unix(
    config: &tokio_postgres::Config,
    directory: &Path,
    port: u16,
    encryption: &ColumnEncryption,
) -> Result<(Client, Connection), Error> {
    if config.get_ssl_mode() == SslMode::Require {
        return Err(Error::config(
            "sslmode=require, but PostgreSQL has no TLS on Unix sockets",
            Some("use `sslmode=prefer` or a TCP host".into()),
        ));
    }
    let path = directory.join(format!(".s.PGSQL.{port}"));
    let mut config = config.clone();
    config.ssl_mode(SslMode::Disable);
    let connecting = async {
        let socket = open(path.clone()).await?;
        let stream = SealedStream::new(socket, encryption);
        config.connect_raw(stream, NoTls).await.map_err(Error::from)
    };
    let (client, mut connection) = match config.get_connect_timeout() {
        Some(&limit) => tokio::time::timeout(limit, connecting)
            .await
            .map_err(|_| {
                Error::connect(
                    format!("connecting to `{}` timed out", path.display()),
                    None,
                )
            })??,
        None => connecting.await?,
    };
    check_session_attributes(&config, &client, &mut connection).await?;
    let canceller = Canceller::new(move |token: CancelToken| {
        let path = path.clone();
        Box::pin(async move {
            // A dead end cannot be turned into tokio-postgres' error type from outside; a closed
            // stream gives the same words.
            match UnixStream::connect(path).await {
                Ok(socket) => token.cancel_query_raw(socket, NoTls).await,
                Err(_) => token.cancel_query_raw(tokio::io::duplex(1).0, NoTls).await,
            }
        })
    });
    Ok((client, Connection::new(connection, canceller)))
}

async fn open(path: PathBuf) -> Result<UnixStream, Error> {
    UnixStream::connect(&path).await.map_err(|error| {
        Error::connect(
            format!(
                "error connecting to server at `{}`: {error}",
                path.display()
            ),
            None,
        )
    })
}

/// `target_session_attrs`, which tokio-postgres checks only on connections that it opened itself.
async fn check_session_attributes<C>(
    config: &tokio_postgres::Config,
    client: &Client,
    connection: &mut C,
) -> Result<(), Error>
where
    C: Future<Output = Result<(), tokio_postgres::Error>> + Unpin,
{
    let wanted = config.get_target_session_attrs();
    if wanted == TargetSessionAttrs::Any {
        return Ok(());
    }
    let mut show = pin!(client.simple_query("SHOW transaction_read_only"));
    let messages = poll_fn(|cx| {
        if let Poll::Ready(ended) = std::pin::Pin::new(&mut *connection).poll(cx) {
            let closed = || Error::connect("connection closed", None);
            return Poll::Ready(Err(ended.map_or_else(Error::from, |()| closed())));
        }
        show.as_mut().poll(cx).map_err(Error::from)
    })
    .await?;
    let read_only = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    match (wanted, read_only) {
        (TargetSessionAttrs::ReadWrite, Some("on")) => {
            Err(Error::connect("database does not allow writes", None))
        }
        (TargetSessionAttrs::ReadOnly, Some("off")) => {
            Err(Error::connect("database is not read only", None))
        }
        (_, Some(_)) => Ok(()),
        (_, None) => Err(Error::connect(
            "unexpected answer to `SHOW transaction_read_only`",
            None,
        )),
    }
}

/// The same configuration with neither hosts nor ports: tokio-postgres has no way to take one out.
fn without_hosts(from: &tokio_postgres::Config) -> tokio_postgres::Config {
    let mut to = tokio_postgres::Config::new();
    if let Some(user) = from.get_user() {
        to.user(user);
    }
    if let Some(password) = from.get_password() {
        to.password(password);
    }
    if let Some(dbname) = from.get_dbname() {
        to.dbname(dbname);
    }
    if let Some(options) = from.get_options() {
        to.options(options);
    }
    if let Some(name) = from.get_application_name() {
        to.application_name(name);
    }
    if let Some(&timeout) = from.get_connect_timeout() {
        to.connect_timeout(timeout);
    }
    if let Some(&timeout) = from.get_tcp_user_timeout() {
        to.tcp_user_timeout(timeout);
    }
    if let Some(interval) = from.get_keepalives_interval() {
        to.keepalives_interval(interval);
    }
    if let Some(retries) = from.get_keepalives_retries() {
        to.keepalives_retries(retries);
    }
    to.keepalives(from.get_keepalives())
        .keepalives_idle(from.get_keepalives_idle())
        .ssl_mode(from.get_ssl_mode())
        .ssl_negotiation(from.get_ssl_negotiation())
        .target_session_attrs(from.get_target_session_attrs())
        .channel_binding(from.get_channel_binding());
    to
}
