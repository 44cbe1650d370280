//! How a connection ends: what that counts as, and how the client hears of it.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream;
use sealwire::{Ended, Failure, Relay};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::metrics::End;
use crate::proxy::Held;

/// How long a client may take to read why it is sent away.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that has ended, but for what the client is still to hear. It is counted before that:
/// nobody else waits for it.
pub(super) struct Over<'a> {
    pub(super) end: End,
    goodbye: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    /// What it takes of a limited number meanwhile.
    room: Option<Held>,
}

impl<'a> Over<'a> {
    pub(super) fn with(end: End, goodbye: impl Future<Output = ()> + Send + 'a) -> Self {
        Self {
            end,
            goodbye: Some(Box::pin(goodbye)),
            room: None,
        }
    }

    /// Keeps its room until the goodbye is over.
    pub(super) fn keeping(self, room: Option<Held>) -> Self {
        Self { room, ..self }
    }

    pub(super) async fn say_goodbye(self) {
        if let Some(goodbye) = self.goodbye {
            goodbye.await;
        }
        drop(self.room);
    }
}

/// Without a word.
impl From<End> for Over<'_> {
    fn from(end: End) -> Self {
        Self {
            end,
            goodbye: None,
            room: None,
        }
    }
}

/// Ends a session and tells the client why.
pub(super) async fn end_now<C, S>(relay: &mut Relay<C, S>, why: Failure)
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    relay.end(why);
    let _ = timeout(GOODBYE_TIMEOUT, relay.run(stream::pending())).await;
}

/// What is left once a session is over: it is between the proxy and the client.
pub(super) fn finish<'a, C, S>(relay: Relay<C, S>, end: End, place: Held) -> Over<'a>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'a,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sqlstate = relay.fatal();
    match end {
        End::Closed if sqlstate.is_some() => {
            info!(sqlstate, "the server has ended the connection");
        }
        // A beginning that was too slow has been told of.
        End::Closed | End::Stopped | End::ClientLost | End::SlowStart => {
            debug!(reason = %end, "connection ended");
        }
        _ => info!(reason = %end, sqlstate, "connection ended"),
    }
    let client = relay.into_client();
    Over::with(end, async move {
        drop(place);
        if end != End::ClientLost {
            linger(client).await;
        }
    })
}

pub(super) fn end_of(ended: &Ended) -> End {
    match ended {
        Ended::Closed => End::Closed,
        Ended::Stopped => End::Stopped,
        Ended::Fault(fault) => {
            info!(fault = fault.to_string(), "session ended");
            if fault.is_client_s() {
                End::ClientFault
            } else {
                End::ServerFault
            }
        }
        Ended::Client(error) => {
            debug!(error = error.to_string(), "client lost");
            End::ClientLost
        }
        Ended::Server(error) => {
            warn!(error = error.to_string(), "server lost");
            End::ServerLost
        }
        _ => End::ServerFault,
    }
}

/// Tells a client why there is no session.
pub(super) async fn send_away<C>(mut client: C, why: Failure)
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

/// Closes as PostgreSQL does: libpq takes an end without TLS's own goodbye for a failure, and waits
/// for the end of a cancel request.
pub(super) async fn close<C>(mut client: C)
where
    C: AsyncWrite + Unpin,
{
    let _ = timeout(GOODBYE_TIMEOUT, client.shutdown()).await;
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
