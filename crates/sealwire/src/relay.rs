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

use bytes::{Buf, BytesMut};
use futures_util::stream::{Stream, StreamExt};
use sealwire_engine::{BackendKey, Error as EngineError, Failure};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::encryption::ColumnEncryption;
use crate::memory::{MemoryLimit, Share};
use crate::scram::Login;
use crate::sealing::Sealing;
use crate::wake::Bell;

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
    /// One of the peers closed its side in order, and what there was for the other has been delivered.
    Closed,
    /// It was told to stop.
    Stopped,
    /// The session could not go on, and the client has been told why.
    Fault(Fault),
    /// The client's transport failed.
    Client(io::Error),
    /// The server's transport failed, or ended although neither peer had said so. The client has been
    /// told.
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
    client: Side<C>,
    server: Side<S>,
    sealing: Sealing,
    memory: Option<Share>,
    stop: Option<Failure>,
    stopped: bool,
    /// How the server was lost, until the client knows.
    lost: Option<io::Error>,
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
            client: Side::new(client),
            server: Side::new(server),
            sealing,
            memory: None,
            stop: None,
            stopped: false,
            lost: None,
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

    /// The SQLSTATE of the error with which the server has ended the session, if it has said why.
    pub fn fatal(&self) -> Option<&str> {
        self.sealing.session().fatal()
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
        let mut stops = pin!(stops.fuse());
        let mut bell = Bell::default();
        poll_fn(|cx| {
            if bell.has_rung(cx) {
                let cx = &mut Context::from_waker(bell.waker(cx));
                while let Poll::Ready(Some(stop)) = stops.as_mut().poll_next(cx) {
                    match stop {
                        Stop::WhenIdle(why) => self.stop = Some(why),
                        Stop::Now(why) => self.end(why),
                    }
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
        self.client.transport
    }

    /// Moves what can be moved. Ready when the relay has ended.
    ///
    /// What a pass reads is written by the next one, so the pass that reads nothing is the last. A
    /// side that has nothing to read is not asked again before its transport has woken the task.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.client.listen(cx);
        self.server.listen(cx);
        loop {
            self.sealing.fetch(cx);
            self.write_server(cx);
            if let Err(error) = self.client.write(self.sealing.for_client(), cx) {
                return Poll::Ready(Ended::Client(error));
            }
            if let Some(ended) = self.ended(cx) {
                return ended;
            }
            let mut moved = false;
            let sealing = &mut self.sealing;
            if self.client.may_read() && sealing.session().wants_client() {
                match self.client.read(cx, |bytes| sealing.take_client(bytes)) {
                    Ok(read) => moved = read,
                    Err(error) => return Poll::Ready(Ended::Client(error)),
                }
            }
            if self.server.may_read() && sealing.session().wants_server() {
                match self.server.read(cx, |bytes| sealing.take_server(bytes)) {
                    Ok(read) => {
                        moved |= read;
                        if !self.server.open && self.client.open {
                            self.lose_server(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                    Err(error) => {
                        moved = true;
                        self.lose_server(error);
                    }
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

    /// The server is gone. Unless that was to come, the client is told so in the words that libpq has
    /// for it, by which programs know that they should connect again.
    fn lose_server(&mut self, error: io::Error) {
        self.server.open = false;
        if self.sealing.session().may_end() || self.sealing.fault().is_some() {
            return;
        }
        self.sealing.end(Failure {
            sqlstate: "08006",
            message: match error.kind() {
                io::ErrorKind::UnexpectedEof => "server closed the connection unexpectedly".into(),
                _ => format!("could not receive data from server: {error}"),
            },
            hint: Some("the server's log says why, unless the network to it has failed".into()),
        });
        self.lost = Some(error);
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
        if self.server.open && self.sealing.fault().is_none() {
            return None;
        }
        let fault = self.sealing.fault().cloned();
        let delivered = self.sealing.for_client().is_empty() && !self.client.dirty;
        if !delivered && (fault.is_none() || !self.waited_for_client(cx)) {
            return None;
        }
        let Some(fault) = fault else {
            self.client.shut_down(cx);
            return Some(Poll::Ready(Ended::Closed));
        };
        // The server's part of the goodbye is best effort: its connection is dropped next.
        self.write_server(cx);
        Some(Poll::Ready(match self.lost.take() {
            Some(error) => Ended::Server(error),
            None if self.stopped => Ended::Stopped,
            None => Ended::Fault(Fault(fault)),
        }))
    }

    /// Whether the client has had the time that it may take for the goodbye.
    fn waited_for_client(&mut self, cx: &mut Context<'_>) -> bool {
        let goodbye = self
            .goodbye
            .get_or_insert_with(|| Box::pin(sleep(GOODBYE_TIMEOUT)));
        goodbye.as_mut().poll(cx).is_ready()
    }

    /// A server that takes nothing more may still have said why, so that its failure counts only
    /// once it is found in reading.
    fn write_server(&mut self, cx: &mut Context<'_>) {
        let to_server = self.sealing.for_server();
        if self.server.write(to_server, cx).is_err() {
            to_server.clear();
            self.server.dirty = false;
        }
        if !self.client.open
            && !self.sealing.session().holds_messages()
            && self.sealing.for_server().is_empty()
            && !self.server.dirty
        {
            // What a server does when its client ends, it does itself.
            self.server.shut_down(cx);
        }
    }
}

/// A peer's transport.
struct Side<T> {
    transport: T,
    /// The peer may send more.
    open: bool,
    /// There was nothing to read when it was last asked, and it has not woken the task since.
    rests: bool,
    /// Bytes have been written that the transport may still hold.
    dirty: bool,
    /// There has been more to write than a resting connection keeps room for.
    burst: bool,
    bell: Bell,
}

impl<T> Side<T> {
    fn new(transport: T) -> Self {
        Self {
            transport,
            open: true,
            rests: false,
            dirty: false,
            burst: false,
            bell: Bell::default(),
        }
    }

    /// Whether there may be something to read.
    fn may_read(&self) -> bool {
        self.open && !self.rests
    }
}

impl<T> Side<T>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Finds out whether the transport has woken the task.
    fn listen(&mut self, cx: &Context<'_>) {
        if self.bell.has_rung(cx) {
            self.rests = false;
        }
    }

    /// Reads once and hands the bytes on. False when nothing is there; the peer's end is something.
    fn read(&mut self, cx: &Context<'_>, take: impl FnOnce(&[u8])) -> io::Result<bool> {
        let cx = &mut Context::from_waker(self.bell.waker(cx));
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.transport).poll_read(cx, &mut buffer) {
                Poll::Pending => self.rests = true,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) => match buffer.filled() {
                    [] => self.open = false,
                    bytes => take(bytes),
                },
            }
            Ok(!self.rests)
        })
    }

    /// Writes what the transport takes.
    fn write(&mut self, bytes: &mut BytesMut, cx: &Context<'_>) -> io::Result<()> {
        if bytes.is_empty() && !self.dirty {
            return Ok(());
        }
        self.write_now(bytes, cx)
    }

    fn write_now(&mut self, bytes: &mut BytesMut, cx: &Context<'_>) -> io::Result<()> {
        let cx = &mut Context::from_waker(self.bell.waker(cx));
        self.burst |= bytes.len() > KEPT_BYTES_MAX;
        while !bytes.is_empty() {
            match Pin::new(&mut self.transport).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => {
                    bytes.advance(sent);
                    self.dirty = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        if self.burst {
            // What is written leaves its room behind.
            *bytes = BytesMut::new();
            self.burst = false;
        }
        if self.dirty {
            match Pin::new(&mut self.transport).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.dirty = false,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Tells the peer that nothing more comes, without waiting for it.
    fn shut_down(&mut self, cx: &Context<'_>) {
        let cx = &mut Context::from_waker(self.bell.waker(cx));
        let _ = Pin::new(&mut self.transport).poll_shutdown(cx);
    }
}

#[cfg(test)]
mod tests;
