//! One client: its beginning, its relay, its end.

mod beginning;
mod goodbye;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::FutureExt;
use futures_util::stream::{self, StreamExt};
use sealwire::scram::Login;
use sealwire::startup::{self, Startup, StartupMessage};
use sealwire::{Address, Ended, Failure, Relay, Stop};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, error, info, info_span, warn};

use self::beginning::{Beginning, Binding, Late};
pub(crate) use self::goodbye::GOODBYE_TIMEOUT;
use self::goodbye::{Over, close, end_now, end_of, finish, send_away};
use crate::cancel;
use crate::metrics::{End, Phase};
use crate::proxy::{Held, Order, Shared, shutting_down};
use crate::tls::{WithClients, is_direct};

/// The first byte of a TLS handshake; no untyped frame is so long that it begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// Requests for encryption before the startup message: one of each kind.
const REQUESTS_MAX: usize = 2;

/// Why a connection does not begin.
enum BadStart {
    /// The transport failed or ended; there is nobody to tell.
    Gone(io::Error),
    /// The client is told.
    Refused(Failure),
}

impl From<io::Error> for BadStart {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Refused(Failure {
                sqlstate: "08P01",
                message: error.to_string(),
                hint: None,
            }),
            _ => Self::Gone(error),
        }
    }
}

/// The client's first message that matters.
enum First {
    /// A request for TLS, which can be met.
    Tls,
    Message(StartupMessage),
    Cancel,
}

/// A client that has been accepted, and is no runtime's yet.
pub(crate) enum Accepted {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// Hands it to the runtime that asks.
    fn register(self) -> io::Result<Client> {
        Ok(match self {
            Self::Tcp(stream, peer) => Client::Tcp(TcpStream::from_std(stream)?, peer),
            Self::Unix(stream) => Client::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// A client that the runtime drives.
enum Client {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// A session from where statements come to its end.
type Serving<'a> = Pin<Box<dyn Future<Output = Over<'a>> + Send + 'a>>;

/// What has come of a beginning.
type Begun<'a> = Result<Serving<'a>, Over<'a>>;

/// Serves a client, and counts how that has ended.
pub(crate) async fn serve(accepted: Accepted, shared: Arc<Shared>) {
    shared.metrics.accepted();
    let client = match accepted.register() {
        Ok(client) => client,
        Err(error) => {
            warn!(%error, "cannot drive a connection");
            return shared.metrics.ended(End::ClientLost);
        }
    };
    let span = match &client {
        Client::Tcp(_, peer) => info_span!("client", %peer, user = Empty, database = Empty),
        Client::Unix(stream) => {
            let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
            info_span!("client", pid, user = Empty, database = Empty)
        }
    };
    // What a connection shares with others is as whole after a panic as the runtime, which would
    // catch it too, takes it to be.
    let served = AssertUnwindSafe(serve_to_end(client, &shared, span.clone()));
    let over = served.catch_unwind().await.unwrap_or_else(|_| {
        // Not its words: they may be about a value.
        span.in_scope(|| error!("a panic has ended the connection; please report where it was"));
        End::Panicked.into()
    });
    shared.metrics.ended(over.end);
    over.say_goodbye().await;
}

async fn serve_to_end(client: Client, shared: &Arc<Shared>, span: Span) -> Over<'_> {
    // The span is entered each time that what it is about is polled. That would be dear for the
    // messages of a session, which log nothing.
    let beginning = Box::pin(begin_with(client, shared));
    match beginning.instrument(span).await {
        Ok(serving) => serving.await,
        Err(over) => over,
    }
}

async fn begin_with(client: Client, shared: &Arc<Shared>) -> Begun<'_> {
    let Some(silence) = shared.beginnings.enter() else {
        if let Some(connections) = shared.turned_away.happened() {
            warn!(
                connections,
                "too many connections are beginning; closed without a word"
            );
        }
        return Err(End::TooMany.into());
    };
    let mut beginning = Beginning {
        deadline: Instant::now() + shared.settings.limits.startup_timeout,
        binding: None,
        silence: Some(silence),
        room: None,
        shared,
    };
    let begun = match client {
        Client::Tcp(stream, _) => {
            if let Err(error) = set_options(&stream, shared) {
                debug!(%error, "socket options");
            }
            tcp(&mut beginning, stream).await
        }
        Client::Unix(stream) => begin(&mut beginning, stream).await,
    };
    begun.map_err(|over| over.keeping(beginning.room.take()))
}

fn set_options(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let idle = shared.settings.server.keepalives_idle;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))
}

/// A TCP client, which may want TLS.
async fn tcp<'a>(beginning: &mut Beginning<'a>, mut stream: TcpStream) -> Begun<'a> {
    let shared = beginning.shared;
    let mut first = [0];
    let peeked = beginning.wait(stream.peek(&mut first)).await?;
    if !peeked.is_ok_and(|len| len > 0) {
        // A port scan, or a health check of a load balancer.
        return Err(End::BadStart.into());
    }
    let Some(tls) = shared.tls() else {
        return begin(beginning, stream).await;
    };
    let direct = first[0] == TLS_HANDSHAKE;
    if !direct {
        let from = Instant::now();
        let mut buffer = Vec::new();
        match first_message(beginning, &mut stream, &mut buffer, true).await? {
            // Exactly the request has been read, so whatever came behind it in the clear is taken
            // for a part of the handshake, which fails (CVE-2021-23214).
            Ok(First::Tls) => {
                if let Err(error) = stream.write_all(b"S").await {
                    return Err(bad_start(stream, error.into()));
                }
            }
            Ok(First::Message(_)) if !may_be_plain(&stream, shared) => {
                let failure = Failure {
                    sqlstate: "28000",
                    message: "this proxy takes connections with TLS only".into(),
                    hint: Some("add `sslmode=require`, or better `verify-full`".into()),
                };
                return Err(bad_start(stream, BadStart::Refused(failure)));
            }
            first => return begun(beginning, stream, first, &buffer, from).await,
        }
    }
    Box::pin(encrypted(beginning, stream, tls, direct)).await
}

/// Whether the network between may carry values in the clear.
fn may_be_plain(stream: &TcpStream, shared: &Shared) -> bool {
    let peer = stream.peer_addr();
    // A listener for both families sees IPv4's loopback as `::ffff:127.0.0.1`.
    let is_local = || peer.is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    shared.settings.listen.allow_plaintext || is_local()
}

async fn encrypted<'a>(
    beginning: &mut Beginning<'a>,
    stream: TcpStream,
    tls: WithClients,
    direct: bool,
) -> Begun<'a> {
    let accepting = TlsAcceptor::from(tls.config).accept(stream);
    let stream = beginning.wait(accepting).await?.map_err(|error| {
        info!(error = error.to_string(), "TLS handshake failed");
        End::BadStart
    })?;
    if direct && let Err(error) = is_direct(stream.get_ref().1.alpn_protocol()) {
        return Err(bad_start(stream, error.into()));
    }
    beginning.binding = Some(Binding(tls.end_point));
    begin(beginning, stream).await
}

/// A client whose transport is as secure as it will be.
async fn begin<'a, C>(beginning: &mut Beginning<'a>, mut client: C) -> Begun<'a>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'a,
{
    let from = Instant::now();
    let mut buffer = Vec::new();
    let first = first_message(beginning, &mut client, &mut buffer, false).await?;
    begun(beginning, client, first, &buffer, from).await
}

/// A client whose first message has been read, `from` when it was waited for.
async fn begun<'a, C>(
    beginning: &mut Beginning<'a>,
    client: C,
    first: Result<First, BadStart>,
    buffer: &[u8],
    from: Instant,
) -> Begun<'a>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'a,
{
    let shared = beginning.shared;
    match first {
        Err(error) => Err(bad_start(client, error)),
        // It was not offered.
        Ok(First::Tls) => Err(bad_start(client, too_many_requests())),
        Ok(First::Cancel) => {
            cancel::forward(buffer, shared).await;
            Err(Over::with(End::Closed, close(client)))
        }
        Ok(First::Message(message)) => {
            shared.metrics.phase(Phase::Startup, from.elapsed());
            session(beginning, client, buffer, &message).await
        }
    }
}

/// Reads up to the first message that is not about encryption, or to the request for TLS where
/// that can be met.
async fn first_message<C>(
    beginning: &mut Beginning<'_>,
    client: &mut C,
    buffer: &mut Vec<u8>,
    has_tls: bool,
) -> Result<Result<First, BadStart>, Late>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let first = read_first_message(client, buffer, has_tls);
    let first = beginning.wait(first).await?;
    if !matches!(first, Ok(First::Tls)) {
        beginning.has_spoken()?;
    }
    Ok(first)
}

async fn read_first_message<C>(
    client: &mut C,
    buffer: &mut Vec<u8>,
    has_tls: bool,
) -> Result<First, BadStart>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..=REQUESTS_MAX {
        match startup::read(client, buffer).await? {
            Startup::Tls if has_tls => return Ok(First::Tls),
            Startup::Tls | Startup::Gss => {
                client.write_all(b"N").await?;
                client.flush().await?;
            }
            Startup::Cancel(_) => return Ok(First::Cancel),
            Startup::Message(message) => return Ok(First::Message(message)),
            _ => break,
        }
    }
    Err(too_many_requests())
}

fn too_many_requests() -> BadStart {
    BadStart::Refused(Failure {
        sqlstate: "08P01",
        message: "too many requests for encryption before the startup message".into(),
        hint: None,
    })
}

/// From the startup message to where statements come.
async fn session<'a, C>(
    beginning: &mut Beginning<'a>,
    client: C,
    startup: &[u8],
    message: &StartupMessage,
) -> Begun<'a>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'a,
{
    let shared = beginning.shared;
    Span::current()
        .record("user", name_of(&message.user))
        .record("database", name_of(&message.database));
    let Some(place) = shared.place() else {
        warn!("too many connections");
        let failure = Failure {
            sqlstate: "53300",
            message: "sorry, too many clients already".into(),
            hint: Some("`connections` in `[limits]` of the Sealwire proxy is reached".into()),
        };
        return Err(Over::with(End::TooMany, send_away(client, failure)));
    };
    let Some(encryption) = shared.encryption(&message.database) else {
        let failure = Failure {
            sqlstate: "3D000",
            message: format!(
                "database \"{}\" is not one of this proxy's",
                message.database
            ),
            hint: Some(
                "add a section `[databases.NAME]`, or a manifest for all in `[encryption]`".into(),
            ),
        };
        return Err(bad_start(client, BadStart::Refused(failure)));
    };
    let from = Instant::now();
    let (server, address) = match beginning.wait(shared.server.dial()).await {
        Ok(Ok(dialled)) => dialled,
        Ok(Err(error)) => {
            // Where the server is stands in the log, not in what any client can read.
            warn!(error = error.to_string(), "cannot reach the server");
            let failure = Failure {
                sqlstate: "08001",
                message: "the Sealwire proxy cannot reach the server".into(),
                hint: Some("the proxy's log says why".into()),
            };
            return Err(Over::with(End::NoServer, send_away(client, failure)));
        }
        Err(late) => return Err(Over::with(late.end(), send_away(client, late.failure()))),
    };
    shared.metrics.phase(Phase::Dial, from.elapsed());
    let from = Instant::now();
    let login = beginning.binding.take().and_then(|binding| {
        let secret = shared.secret(&message.user)?;
        Some(Login::new(secret, binding.0))
    });
    let relay = match login {
        Some(login) => Relay::with_login(client, server, encryption, login, startup),
        None => Relay::new(client, server, encryption, startup),
    };
    let mut relay = relay.with_memory(&shared.memory);
    let end = match beginning.wait(relay.start()).await {
        Ok(Ok(())) => {
            shared.metrics.phase(Phase::Session, from.elapsed());
            debug!("connected");
            let serving = serve_statements(relay, address, place, shared, Span::current());
            return Ok(Box::pin(serving));
        }
        Ok(Err(Ended::Closed)) => End::NotAuthenticated,
        Ok(Err(Ended::Fault(fault))) if fault.is_refusal() => {
            // As a text, which is escaped: a peer's words do not begin a line of the log.
            warn!(fault = fault.to_string(), "no session");
            End::Encryption
        }
        Ok(Err(ended)) => end_of(&ended),
        Err(late) => {
            end_now(&mut relay, late.failure()).await;
            late.end()
        }
    };
    Err(finish(relay, end, place))
}

/// As much of a name as a server would look at, for the log.
fn name_of(text: &str) -> &str {
    const NAME_LEN_MAX: usize = 63;
    let end = text.char_indices().nth(NAME_LEN_MAX);
    end.map_or(text, |(at, _)| &text[..at])
}

/// Serves statements until the session ends, and logs in the span how it has.
async fn serve_statements<'a, C, S>(
    mut relay: Relay<C, S>,
    address: Address,
    place: Held,
    shared: &'a Shared,
    span: Span,
) -> Over<'a>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'a,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let cancellable = shared.server.cancellable(&relay, address);
    // Whoever gives the last order waits no longer for a goodbye than it may take.
    let stops = stream::unfold((shared.order.clone(), Order::Serve), next_order);
    let stops = stops.map(|order| match order {
        Order::Stop => Stop::Now(shutting_down()),
        _ => Stop::WhenIdle(shutting_down()),
    });
    let ended = relay.run(stops).await;
    drop(cancellable);
    span.in_scope(|| finish(relay, end_of(&ended), place))
}

/// What is ordered after the `last` order.
async fn next_order(
    (mut order, last): (watch::Receiver<Order>, Order),
) -> Option<(Order, (watch::Receiver<Order>, Order))> {
    let next = *order.wait_for(|order| *order > last).await.ok()?;
    Some((next, (order, next)))
}

fn bad_start<'a, C>(client: C, why: BadStart) -> Over<'a>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'a,
{
    match why {
        BadStart::Gone(error) => {
            debug!(error = error.to_string(), "gone before it began");
            End::BadStart.into()
        }
        BadStart::Refused(failure) => {
            info!(reason = failure.message, "not served");
            Over::with(End::BadStart, send_away(client, failure))
        }
    }
}

impl fmt::Debug for BadStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(error) => error.fmt(f),
            Self::Refused(failure) => f.write_str(&failure.message),
        }
    }
}
