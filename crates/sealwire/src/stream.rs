//! The stream beneath the client: the sealing session between it and the server, driven inside
//! `poll_read` and `poll_write`, without a task, a channel or a lock.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use sealwire_engine::{Error as EngineError, Session};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use crate::encryption::{ColumnEncryption, KeySource, Supplied};

/// Bytes read from the server at once. Larger than tokio-postgres' own 8 KiB, which saves system
/// calls on scans.
const READ_BYTES: usize = 32 << 10;
/// Bytes taken from the client in one `poll_write`.
const WRITE_BYTES_MAX: usize = 64 << 10;

type SupplyFuture = Pin<Box<dyn Future<Output = Supplied> + Send>>;

/// A PostgreSQL connection on which configured columns are sealed and opened in passing.
///
/// It is obtained only through [`crate::connect`], [`crate::Config`] or [`ColumnEncryption`].
pub struct SealedStream<S> {
    inner: S,
    session: Session,
    source: KeySource,
    /// Never locked: the mutex makes the stream `Sync`, as pools ask of it, and only `get_mut` is
    /// used.
    need: Option<Mutex<SupplyFuture>>,
    /// When the first of the session's keys expires; none while it holds none.
    keys_expire_at: Option<Instant>,
    read_buffer: Box<[u8]>,
    server_closed: bool,
    fault: Option<EngineError>,
    /// The writer's, parked while the session takes no client bytes. Both directions are usually
    /// polled from one task, but nothing here relies on it.
    parked_writer: Option<Waker>,
}

impl<S> fmt::Debug for SealedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStream")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl<S> SealedStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(crate) fn new(inner: S, encryption: &ColumnEncryption) -> Self {
        let source = KeySource::new(encryption);
        Self {
            inner,
            session: Session::new(source.session_options()),
            source,
            need: None,
            keys_expire_at: None,
            read_buffer: vec![0; READ_BYTES].into_boxed_slice(),
            server_closed: false,
            fault: None,
            parked_writer: None,
        }
    }

    /// Moves everything that can move without new bytes from either peer.
    fn drive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.fetch(cx);
        if let Some(writer) = self
            .parked_writer
            .take_if(|_| self.fault.is_some() || self.session.wants_client())
        {
            writer.wake();
        }
        self.send(cx)
    }

    /// Starts and drives what the session needs from outside.
    fn fetch(&mut self, cx: &mut Context<'_>) {
        while self.fault.is_none() {
            if self.need.is_none() {
                let Some(need) = self.session.poll_need() else {
                    return;
                };
                self.need = Some(Mutex::new(Box::pin(self.source.clone().satisfy(need))));
            }
            let Some(future) = &mut self.need else { return };
            let future = future.get_mut().unwrap_or_else(PoisonError::into_inner);
            let Poll::Ready(supplied) = future.as_mut().poll(cx) else {
                return;
            };
            self.need = None;
            self.source = supplied.source;
            self.keys_expire_at = match (self.keys_expire_at, supplied.expires_at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let result = self.session.supply(supplied.supply);
            self.note(result);
        }
    }

    /// Drops the session's keys when the time of one is over. Asked before bytes of either peer
    /// are handled, because only then can a key be used.
    fn expire_keys(&mut self) {
        if self.keys_expire_at.is_some_and(|at| at <= Instant::now()) {
            self.keys_expire_at = None;
            self.session.forget_keys();
        }
    }

    /// Keeps the session's fault; the client first gets what the session still has for it.
    fn note(&mut self, result: Result<(), EngineError>) {
        if let Err(error) = result {
            self.fault.get_or_insert(error);
        }
    }

    /// Sends what the session has for the server, as far as the socket takes it.
    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.session.to_server().is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, self.session.to_server()) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => {
                    let _ = self.session.to_server().split_to(sent);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        // A TLS stream keeps records of its own; nothing else would push them out while the
        // client only reads.
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

impl<S> AsyncRead for SealedStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let sent = this.drive(cx);
            let ready = this.session.to_client();
            if !ready.is_empty() {
                let len = ready.len().min(buf.remaining());
                buf.put_slice(&ready.split_to(len));
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = &this.fault {
                return Poll::Ready(Err(io::Error::other(fault.clone())));
            }
            sent?;
            if this.server_closed {
                return Poll::Ready(Ok(()));
            }
            if !this.session.wants_server() {
                // The need that the session waits for has this task's waker.
                return Poll::Pending;
            }
            let mut chunk = ReadBuf::new(&mut this.read_buffer);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            let len = chunk.filled().len();
            if len == 0 {
                this.server_closed = true;
                continue;
            }
            this.expire_keys();
            let result = this.session.handle_server(&this.read_buffer[..len]);
            this.note(result);
        }
    }
}

impl<S> AsyncWrite for SealedStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.session.wants_client() {
            this.drive(cx)?;
        }
        if this.fault.is_some() {
            // Nothing goes to the server any more; the reader is about to learn why.
            return Poll::Ready(Ok(buf.len()));
        }
        if !this.session.wants_client() {
            this.parked_writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = &buf[..buf.len().min(WRITE_BYTES_MAX)];
        this.expire_keys();
        let result = this.session.handle_client(taken);
        this.note(result);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.drive(cx)?;
        if !this.session.to_server().is_empty() && this.fault.is_none() {
            return Poll::Pending;
        }
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl<S> TlsStream for SealedStream<S>
where
    S: TlsStream + Unpin,
{
    /// The binding of the TLS session beneath, so that SCRAM-SHA-256-PLUS works through the layer.
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}
