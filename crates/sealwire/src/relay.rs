//! Two transports with the session between them: the second face, for clients in other processes
//! and languages, and for clients in this one that own their wire code.
//!
//! One future polls both directions. Bytes are read into a buffer that the thread's connections
//! share and handed to the session at once, so that a connection that rests holds no buffer.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use sealwire_engine::{BackendKey, Error as EngineError, Failure};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::encryption::ColumnEncryption;
use crate::memory::{MemoryLimit, Share};
use crate::scram::Login;
use crate::sealing::Sealing;

/// Bytes read at once from either side.
const READ_BYTES: usize = 32 << 10;
/// Room for bytes to write that a connection keeps in each direction; what a larger result took is
/// given back once it is written.
const KEPT_BYTES_MAX: usize = 8 << 10;
/// How long a client may take to read why its session has ended.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

thread_local! {
    /// Holds what one read has brought, while it is handed to a session.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// How a relay ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended {
    /// One of the peers closed its side, and what there was for the other has been delivered.
    Closed,
    /// It was told to stop.
    Stopped,
    /// The session could not go on, and the client has been told why.
    Fault(Fault),
    /// The client's transport failed.
    Client(io::Error),
    /// The server's transport failed.
    Server(io::Error),
}

/// Why a session could not go on. Its text never holds a value.
#[derive(Clone, Debug)]
pub struct Fault(EngineError);

impl Fault {
    /// Whether the session did not begin because manifest, keys or catalogue do not allow it.
    pub fn is_refusal(&self) -> bool {
        matches!(self.0, EngineError::Unusable(_))
    }

    /// Whether it was the client that broke the protocol.
    pub fn is_client_s(&self) -> bool {
        matches!(self.0, EngineError::ClientMisbehaved(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When a relay is to stop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Stop {
    /// As soon as nothing is under way: no transaction, no statement, no part of a message.
    WhenIdle(Failure),
    /// Now.
    Now(Failure),
}

/// A client's transport and a server's, with the session between them.
pub struct Relay<C, S> {
    client: C,
    server: S,
    sealing: Sealing,
    client_open: bool,
    server_open: bool,
    to_client: Outgoing,
    to_server: Outgoing,
    memory: Option<Share>,
    stop: Option<Failure>,
    stopped: bool,
    /// The session has ended, and the client has not read all that there is for it.
    goodbye: Option<Pin<Box<Sleep>>>,
}

impl<C, S> fmt::Debug for Relay<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("session", &self.sealing)
            .finish_non_exhaustive()
    }
}

impl<C, S> Relay<C, S> {
    /// What cancel requests name the session by, once the server has said it.
    pub(crate) fn backend_key(&self) -> Option<&BackendKey> {
        self.sealing.session().backend_key()
    }
}

impl<C, S> Relay<C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// A relay between a client and a server that have not exchanged a byte, save for what has
    /// been `received` of the client: no more than a startup message.
    pub fn new(client: C, server: S, encryption: &ColumnEncryption, received: &[u8]) -> Self {
        let sealing = Sealing::new(encryption, true);
        Self::over(client, server, sealing, received)
    }

    /// As [`Relay::new`], with authentication ending here.
    pub fn with_login(
        client: C,
        server: S,
        encryption: &ColumnEncryption,
        login: Login,
        received: &[u8],
    ) -> Self {
        let mut sealing = Sealing::new(encryption, true);
        sealing.terminate_authentication(login.0);
        Self::over(client, server, sealing, received)
    }

    fn over(client: C, server: S, mut sealing: Sealing, received: &[u8]) -> Self {
        sealing.take_client(received);
        Self {
            client,
            server,
            sealing,
            client_open: true,
            server_open: true,
            to_client: Outgoing::default(),
            to_server: Outgoing::default(),
            memory: None,
            stop: None,
            stopped: false,
            goodbye: None,
        }
    }

    /// Has what this relay holds count towards a limit of several. The relay that would exceed it
    /// ends, with SQLSTATE 53200.
    #[must_use]
    pub fn with_memory(mut self, limit: &MemoryLimit) -> Self {
        self.memory = Some(limit.share());
        self
    }

    /// Whether the client is authenticated and may send statements.
    pub fn is_ready(&self) -> bool {
        self.sealing.session().is_ready()
    }

    /// Moves bytes until the session is ready for statements. `Err` when it ended before.
    ///
    /// # Errors
    /// How it ended.
    pub async fn start(&mut self) -> Result<(), Ended> {
        poll_fn(|cx| match self.poll_move(cx) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending if self.is_ready() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Moves bytes until one of the peers, or one of `stops`, ends the session.
    pub async fn run(&mut self, stops: impl Stream<Item = Stop>) -> Ended {
        // Not asked at each message, only when it has woken the task.
        let stops = pin!(stops);
        let mut stops = stream::select_all([stops]);
        poll_fn(|cx| {
            while let Poll::Ready(Some(stop)) = stops.poll_next_unpin(cx) {
                match stop {
                    Stop::WhenIdle(why) => self.stop = Some(why),
                    Stop::Now(why) => self.end(why),
                }
            }
            self.poll_move(cx)
        })
        .await
    }

    /// Ends the session now: what follows from [`Relay::run`] tells the client why.
    pub fn end(&mut self, why: Failure) {
        self.stopped = true;
        self.stop = None;
        self.sealing.end(why);
    }

    /// The client's transport, for what comes after the end.
    pub fn into_client(self) -> C {
        self.client
    }

    /// Moves what can be moved. Ready when the relay has ended.
    ///
    /// What a pass reads is written by the next one, so the pass that reads nothing is the last. A
    /// side that has nothing to read is not asked again: its transport wakes the task.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let (mut client_rests, mut server_rests) = (false, false);
        loop {
            self.sealing.fetch(cx);
            self.write_server(cx);
            if let Err(error) = self.write_client(cx) {
                return Poll::Ready(Ended::Client(error));
            }
            if let Some(ended) = self.ended(cx) {
                return ended;
            }
            let mut moved = false;
            if !client_rests {
                match self.read_client(cx) {
                    Ok(Read::Some) => moved = true,
                    Ok(Read::Nothing) => client_rests = true,
                    Ok(Read::Unwanted) => {}
                    Err(error) => return Poll::Ready(Ended::Client(error)),
                }
            }
            if !server_rests {
                match self.read_server(cx) {
                    Ok(Read::Some) => moved = true,
                    Ok(Read::Nothing) => server_rests = true,
                    Ok(Read::Unwanted) => {}
                    Err(error) => return Poll::Ready(Ended::Server(error)),
                }
            }
            if !self.account() {
                continue;
            }
            if let Some(why) = self.stop.take() {
                if self.sealing.session().is_idle() {
                    self.end(why);
                    continue;
                }
                self.stop = Some(why);
            }
            if !moved {
                self.sealing.tell_statistics();
                return Poll::Pending;
            }
        }
    }

    /// Counts what the session holds towards the limit. False when that has ended it.
    fn account(&mut self) -> bool {
        let Some(memory) = &mut self.memory else {
            return true;
        };
        let fits = memory.hold(self.sealing.session().buffered_bytes());
        if fits || self.sealing.fault().is_some() {
            return true;
        }
        self.sealing.end(Failure {
            sqlstate: "53200",
            message: "out of memory for messages".into(),
            hint: Some(
                "send or fetch less at a time, or raise the limit for the messages of all connections"
                    .into(),
            ),
        });
        false
    }

    /// Whether it is over, once what there is has been delivered.
    fn ended(&mut self, cx: &mut Context<'_>) -> Option<Poll<Ended>> {
        let fault = self.sealing.fault().cloned();
        let delivered = self.sealing.for_client().is_empty() && !self.to_client.dirty;
        if !delivered && (fault.is_none() || !self.waited_for_client(cx)) {
            return None;
        }
        if let Some(fault) = fault {
            // The server's part of the goodbye is best effort: its connection is dropped next.
            self.write_server(cx);
            return Some(Poll::Ready(if self.stopped {
                Ended::Stopped
            } else {
                Ended::Fault(Fault(fault))
            }));
        }
        if !self.server_open {
            let _ = Pin::new(&mut self.client).poll_shutdown(cx);
            return Some(Poll::Ready(Ended::Closed));
        }
        None
    }

    /// Whether the client has had the time that it may take for the goodbye.
    fn waited_for_client(&mut self, cx: &mut Context<'_>) -> bool {
        let goodbye = self
            .goodbye
            .get_or_insert_with(|| Box::pin(sleep(GOODBYE_TIMEOUT)));
        goodbye.as_mut().poll(cx).is_ready()
    }

    fn read_client(&mut self, cx: &mut Context<'_>) -> io::Result<Read> {
        if !self.client_open
            || self.sealing.fault().is_some()
            || !self.sealing.session().wants_client()
        {
            return Ok(Read::Unwanted);
        }
        let sealing = &mut self.sealing;
        let read = read(&mut self.client, cx, |bytes| sealing.take_client(bytes))?;
        self.client_open = read != Some(0);
        Ok(Read::of(read))
    }

    fn read_server(&mut self, cx: &mut Context<'_>) -> io::Result<Read> {
        if !self.server_open
            || self.sealing.fault().is_some()
            || !self.sealing.session().wants_server()
        {
            return Ok(Read::Unwanted);
        }
        let sealing = &mut self.sealing;
        let read = read(&mut self.server, cx, |bytes| sealing.take_server(bytes))?;
        self.server_open = read != Some(0);
        Ok(Read::of(read))
    }

    fn write_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        write(
            &mut self.client,
            self.sealing.for_client(),
            &mut self.to_client,
            cx,
        )
    }

    /// A server that takes nothing more may still have said why, so that its failure counts only
    /// once it is found in reading.
    fn write_server(&mut self, cx: &mut Context<'_>) {
        let to_server = self.sealing.for_server();
        if write(&mut self.server, to_server, &mut self.to_server, cx).is_err() {
            to_server.clear();
            self.to_server.dirty = false;
        }
        if !self.client_open
            && !self.sealing.session().holds_messages()
            && self.sealing.for_server().is_empty()
            && !self.to_server.dirty
        {
            // What a server does when its client ends, it does itself.
            let _ = Pin::new(&mut self.server).poll_shutdown(cx);
        }
    }
}

/// What came of an attempt to read.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// Bytes, or the peer's end.
    Some,
    /// Nothing is there; the task is woken when there is.
    Nothing,
    /// The session takes nothing now.
    Unwanted,
}

impl Read {
    fn of(read: Option<usize>) -> Self {
        match read {
            Some(_) => Self::Some,
            None => Self::Nothing,
        }
    }
}

/// One direction of writing.
#[derive(Debug, Default)]
struct Outgoing {
    /// Bytes have been written that the transport may still hold.
    dirty: bool,
    /// There has been more to write than a resting connection keeps room for.
    burst: bool,
}

/// Reads once and hands the bytes on. `None`: nothing is there yet; `Some(0)`: the peer has closed.
fn read(
    from: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]),
) -> io::Result<Option<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(from).poll_read(cx, &mut buffer) {
            Poll::Pending => Ok(None),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled();
                if !bytes.is_empty() {
                    take(bytes);
                }
                Ok(Some(bytes.len()))
            }
        }
    })
}

/// Writes what the transport takes.
fn write(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &mut bytes::BytesMut,
    outgoing: &mut Outgoing,
    cx: &mut Context<'_>,
) -> io::Result<()> {
    outgoing.burst |= bytes.len() > KEPT_BYTES_MAX;
    while !bytes.is_empty() {
        match Pin::new(&mut *to).poll_write(cx, bytes) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(sent)) => {
                bytes::Buf::advance(bytes, sent);
                outgoing.dirty = true;
            }
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Ok(()),
        }
    }
    if outgoing.burst {
        // What is written leaves its room behind.
        *bytes = bytes::BytesMut::new();
        outgoing.burst = false;
    }
    if outgoing.dirty {
        match Pin::new(to).poll_flush(cx) {
            Poll::Ready(Ok(())) => outgoing.dirty = false,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => {}
        }
    }
    Ok(())
}
