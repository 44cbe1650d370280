//! One client: its beginning, its relay, its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sealwire::scram::Login;
use sealwire::startup::{self, Startup, StartupMessage};
use sealwire::{Ended, Failure, Relay, Stop};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::cancel;
use crate::metrics::{End, Phase};
use crate::proxy::{Admission, Order, Shared, admit, shutting_down};
use crate::tls::{WithClients, is_direct};

/// How long a client may take to read why it is sent away.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client that is one too many may take to begin.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);
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

/// The client's transport is TLS, which ends here; with the hash by which an authentication is
/// bound to it, where there is one.
struct Binding(Option<Vec<u8>>);

/// Serves a client on TCP.
pub(crate) async fn tcp(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let span = info_span!("client", %peer);
    async move {
        if let Err(error) = set_options(&stream, &shared) {
            debug!(%error, "socket options");
        }
        admitted(stream, &shared, async |stream| {
            serve_tcp(stream, &shared).await
        })
        .await;
    }
    .instrument(span)
    .await;
}

/// Serves a client on the Unix socket.
pub(crate) async fn unix(stream: UnixStream, shared: Arc<Shared>) {
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let span = info_span!("client", pid);
    async move {
        admitted(stream, &shared, async |stream| {
            begin(stream, None, deadline(&shared), &shared).await;
        })
        .await;
    }
    .instrument(span)
    .await;
}

/// Serves a client if there is a place for it, which is held until it ends.
async fn admitted<C>(client: C, shared: &Arc<Shared>, serve: impl AsyncFnOnce(C))
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    match admit(shared) {
        Admission::Place(place) => {
            serve(client).await;
            drop(place);
        }
        Admission::Refusal(permit) => {
            refuse_one_too_many(client, shared).await;
            drop(permit);
        }
        Admission::Nothing => {}
    }
}

/// When a client that connects now has to be authenticated.
fn deadline(shared: &Shared) -> Instant {
    Instant::now() + shared.settings.limits.startup_timeout
}

fn set_options(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let idle = shared.settings.server.keepalives_idle;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))
}

/// A TCP client, which may want TLS.
async fn serve_tcp(mut stream: TcpStream, shared: &Arc<Shared>) {
    let deadline = deadline(shared);
    let mut first = [0];
    match timeout_at(deadline, stream.peek(&mut first)).await {
        Err(_) => return slow(shared),
        // A port scan, or a health check of a load balancer.
        Ok(Err(_) | Ok(0)) => return shared.metrics.ended(End::BadStart),
        Ok(Ok(_)) => {}
    }
    let Some(tls) = shared.tls() else {
        return begin(stream, None, deadline, shared).await;
    };
    let direct = first[0] == TLS_HANDSHAKE;
    if !direct {
        let from = Instant::now();
        let mut buffer = Vec::new();
        let first = first_message(&mut stream, &mut buffer, true);
        match timeout_at(deadline, first).await {
            // Exactly the request has been read, so whatever came behind it in the clear is taken
            // for a part of the handshake, which fails (CVE-2021-23214).
            Ok(Ok(First::Tls)) => {
                if let Err(error) = stream.write_all(b"S").await {
                    return bad_start(stream, error.into(), shared).await;
                }
            }
            Ok(Ok(First::Message(_))) if !may_be_plain(&stream, shared) => {
                let failure = Failure {
                    sqlstate: "28000",
                    message: "this proxy takes connections with TLS only".into(),
                    hint: Some("add `sslmode=require`, or better `verify-full`".into()),
                };
                return bad_start(stream, BadStart::Refused(failure), shared).await;
            }
            first => {
                return begun(stream, None, first, &buffer, from, deadline, shared).await;
            }
        }
    }
    Box::pin(encrypted(stream, tls, deadline, direct, shared)).await;
}

/// Whether the network between may carry values in the clear.
fn may_be_plain(stream: &TcpStream, shared: &Shared) -> bool {
    let is_local = || stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
    shared.settings.listen.allow_plaintext || is_local()
}

async fn encrypted(
    stream: TcpStream,
    tls: WithClients,
    deadline: Instant,
    direct: bool,
    shared: &Arc<Shared>,
) {
    let accepted = timeout_at(deadline, TlsAcceptor::from(tls.config).accept(stream)).await;
    let stream = match accepted {
        Err(_) => return slow(shared),
        Ok(Err(error)) => {
            info!(%error, "TLS handshake failed");
            return shared.metrics.ended(End::BadStart);
        }
        Ok(Ok(stream)) => stream,
    };
    if direct && let Err(error) = is_direct(stream.get_ref().1.alpn_protocol()) {
        return bad_start(stream, error.into(), shared).await;
    }
    let binding = Binding(tls.end_point);
    begin(stream, Some(binding), deadline, shared).await;
}

/// A client whose transport is as secure as it will be.
async fn begin<C>(mut client: C, binding: Option<Binding>, deadline: Instant, shared: &Arc<Shared>)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let from = Instant::now();
    let mut buffer = Vec::new();
    let first = timeout_at(deadline, first_message(&mut client, &mut buffer, false)).await;
    begun(client, binding, first, &buffer, from, deadline, shared).await;
}

/// A client whose first message has been read, `from` when it was waited for.
async fn begun<C>(
    client: C,
    binding: Option<Binding>,
    first: Result<Result<First, BadStart>, Elapsed>,
    buffer: &[u8],
    from: Instant,
    deadline: Instant,
    shared: &Arc<Shared>,
) where
    C: AsyncRead + AsyncWrite + Unpin,
{
    match first {
        Err(_) => slow(shared),
        Ok(Err(error)) => bad_start(client, error, shared).await,
        // It was not offered.
        Ok(Ok(First::Tls)) => bad_start(client, too_many_requests(), shared).await,
        Ok(Ok(First::Cancel)) => {
            cancel::forward(buffer, shared).await;
            shared.metrics.ended(End::Closed);
        }
        Ok(Ok(First::Message(message))) => {
            shared.metrics.phase(Phase::Startup, from.elapsed());
            session(client, binding, buffer, &message, deadline, shared).await;
        }
    }
}

/// Reads up to the first message that is not about encryption, or to the request for TLS where
/// that can be met.
async fn first_message<C>(
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

/// From the startup message to the end.
async fn session<C>(
    client: C,
    binding: Option<Binding>,
    startup: &[u8],
    message: &StartupMessage,
    deadline: Instant,
    shared: &Arc<Shared>,
) where
    C: AsyncRead + AsyncWrite + Unpin,
{
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
        return bad_start(client, BadStart::Refused(failure), shared).await;
    };
    let from = Instant::now();
    let server = match timeout_at(deadline, shared.server.dial()).await {
        Err(_) => return slow(shared),
        Ok(Err(error)) => {
            // Where the server is stands in the log, not in what any client can read.
            warn!(%error, "cannot reach the server");
            shared.metrics.ended(End::NoServer);
            let failure = Failure {
                sqlstate: "08001",
                message: "the Sealwire proxy cannot reach the server".into(),
                hint: Some("the proxy's log says why".into()),
            };
            return send_away(client, &failure).await;
        }
        Ok(Ok(server)) => server,
    };
    shared.metrics.phase(Phase::Dial, from.elapsed());
    let from = Instant::now();
    let login = binding.and_then(|binding| {
        let secret = shared.secret(&message.user)?;
        Some(Login::new(secret, binding.0))
    });
    let mut relay = match login {
        Some(login) => Relay::with_login(client, server, encryption, login, startup),
        None => Relay::new(client, server, encryption, startup),
    };
    let end = match timeout_at(deadline, relay.start()).await {
        Ok(Ok(())) => {
            shared.metrics.phase(Phase::Session, from.elapsed());
            debug!(
                user = message.user,
                database = message.database,
                "connected"
            );
            serve_statements(&mut relay, shared).await
        }
        Ok(Err(Ended::Closed)) => End::NotAuthenticated,
        Ok(Err(Ended::Fault(fault))) if fault.is_refusal() => {
            warn!(%fault, "no session");
            End::Encryption
        }
        Ok(Err(ended)) => end_of(&ended),
        Err(_) => {
            relay.end(Failure {
                sqlstate: "57014",
                message: "canceling authentication due to timeout".into(),
                hint: None,
            });
            let _ = timeout(GOODBYE_TIMEOUT, relay.run(std::future::pending())).await;
            End::SlowStart
        }
    };
    shared.metrics.ended(end);
    match end {
        End::Closed | End::Stopped | End::ClientLost => debug!(reason = %end, "connection ended"),
        _ => info!(reason = %end, "connection ended"),
    }
    if !matches!(end, End::Closed | End::ClientLost) {
        linger(relay.into_client()).await;
    }
}

async fn serve_statements<C, S>(relay: &mut Relay<C, S>, shared: &Shared) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut order = shared.order.clone();
    let when_idle = async {
        let _ = order.wait_for(|order| *order != Order::Serve).await;
        Stop::WhenIdle(shutting_down())
    };
    let mut order = shared.order.clone();
    let now = async {
        let _ = order.wait_for(|order| *order == Order::Stop).await;
    };
    let ended = tokio::select! {
        ended = relay.run(when_idle) => Some(ended),
        () = now => None,
    };
    match ended {
        Some(ended) => end_of(&ended),
        None => {
            relay.end(shutting_down());
            let _ = timeout(GOODBYE_TIMEOUT, relay.run(std::future::pending())).await;
            End::Stopped
        }
    }
}

fn end_of(ended: &Ended) -> End {
    match ended {
        Ended::Closed => End::Closed,
        Ended::Stopped => End::Stopped,
        Ended::Fault(fault) => {
            info!(%fault, "session ended");
            if fault.is_client_s() {
                End::ClientFault
            } else {
                End::ServerFault
            }
        }
        Ended::Client(error) => {
            debug!(%error, "client lost");
            End::ClientLost
        }
        Ended::Server(error) => {
            info!(%error, "server lost");
            End::ServerLost
        }
        _ => End::ServerFault,
    }
}

fn slow(shared: &Shared) {
    info!("took too long to begin");
    shared.metrics.ended(End::SlowStart);
}

async fn bad_start<C>(client: C, why: BadStart, shared: &Shared)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    shared.metrics.ended(End::BadStart);
    match why {
        BadStart::Gone(error) => debug!(%error, "gone before it began"),
        BadStart::Refused(failure) => {
            info!(reason = failure.message, "not served");
            send_away(client, &failure).await;
        }
    }
}

async fn refuse_one_too_many<C>(mut client: C, shared: &Shared)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    match timeout(
        REFUSAL_TIMEOUT,
        first_message(&mut client, &mut buffer, false),
    )
    .await
    {
        // A statement may have to be cancelled to get below the limit again.
        Ok(Ok(First::Cancel)) => cancel::forward(&buffer, shared).await,
        Ok(Ok(First::Message(_))) => {
            warn!("too many connections");
            let failure = Failure {
                sqlstate: "53300",
                message: "sorry, too many clients already".into(),
                hint: Some("`connections` in `[limits]` of the Sealwire proxy is reached".into()),
            };
            send_away(client, &failure).await;
        }
        _ => {}
    }
}

/// Tells a client why there is no session.
async fn send_away<C>(mut client: C, why: &Failure)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let mut out = BytesMut::new();
    why.write_fatal(&mut out);
    let said = async {
        client.write_all(&out).await?;
        client.flush().await
    };
    if let Ok(Ok(())) = timeout(GOODBYE_TIMEOUT, said).await {
        linger(client).await;
    }
}

/// Closes so that the client can read what it was told last: a socket that is closed with unread
/// bytes in it is reset, and takes with it what the peer has not read.
async fn linger<C>(mut client: C)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    /// More than a client sends ahead before it looks at an answer.
    const UNREAD_BYTES_MAX: usize = 1 << 20;
    let drained = async {
        client.shutdown().await?;
        let (mut sink, mut left) = ([0; 4096], UNREAD_BYTES_MAX);
        loop {
            let read = client.read(&mut sink).await?;
            if read == 0 || read > left {
                return Ok::<_, io::Error>(());
            }
            left -= read;
        }
    };
    let _ = timeout(Duration::from_secs(1), drained).await;
}

impl fmt::Debug for BadStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(error) => error.fmt(f),
            Self::Refused(failure) => f.write_str(&failure.message),
        }
    }
}
