//! The stream beneath the client: the sealing session between it and the server, driven inside
//! `poll_read` and `poll_write`, without a task, a channel or a lock.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use crate::encryption::ColumnEncryption;
use crate::sealing::Sealing;

/// Bytes read from the server at once. Larger than tokio-postgres' own 8 KiB, which saves system
/// calls on scans.
const READ_BYTES: usize = 32 << 10;
/// Bytes taken from the client in one `poll_write`.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// A PostgreSQL connection on which configured columns are sealed and opened in passing.
///
/// It is obtained only through [`crate::connect`], [`crate::Config`] or [`ColumnEncryption`].
pub struct SealedStream<S> {
    inner: S,
    sealing: Sealing,
    read_buffer: Box<[u8]>,
    server_closed: bool,
    /// The writer's, parked while the session takes no client bytes. Both directions are usually
    /// polled from one task, but nothing here relies on it.
    parked_writer: Option<Waker>,
}

impl<S> fmt::Debug for SealedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStream")
            .field("session", &self.sealing)
            .finish_non_exhaustive()
    }
}

impl<S> SealedStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(crate) fn new(inner: S, encryption: &ColumnEncryption) -> Self {
        Self {
            inner,
            sealing: Sealing::new(encryption, false),
            read_buffer: vec![0; READ_BYTES].into_boxed_slice(),
            server_closed: false,
            parked_writer: None,
        }
    }

    /// Moves everything that can move without new bytes from either peer.
    fn drive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.sealing.fetch(cx);
        if let Some(writer) = self
            .parked_writer
            .take_if(|_| self.sealing.fault().is_some() || self.sealing.session().wants_client())
        {
            writer.wake();
        }
        self.send(cx)
    }

    /// Sends what the session has for the server, as far as the socket takes it.
    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.sealing.for_server().is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, self.sealing.for_server()) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => {
                    let _ = self.sealing.for_server().split_to(sent);
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
            let ready = this.sealing.for_client();
            if !ready.is_empty() {
                let len = ready.len().min(buf.remaining());
                buf.put_slice(&ready.split_to(len));
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = this.sealing.fault() {
                return Poll::Ready(Err(io::Error::other(fault.clone())));
            }
            sent?;
            if this.server_closed {
                return Poll::Ready(Ok(()));
            }
            if !this.sealing.session().wants_server() {
                // The need that the session waits for has this task's waker.
                return Poll::Pending;
            }
            let mut chunk = ReadBuf::new(&mut this.read_buffer);
            let read = Pin::new(&mut this.inner).poll_read(cx, &mut chunk);
            if read.is_pending() {
                this.sealing.tell_statistics();
            }
            ready!(read)?;
            let len = chunk.filled().len();
            if len == 0 {
                this.server_closed = true;
                continue;
            }
            this.sealing.take_server(&this.read_buffer[..len]);
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
        if !this.sealing.session().wants_client() {
            this.drive(cx)?;
        }
        if this.sealing.fault().is_some() {
            // Nothing goes to the server any more; the reader is about to learn why.
            return Poll::Ready(Ok(buf.len()));
        }
        if !this.sealing.session().wants_client() {
            this.parked_writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = &buf[..buf.len().min(WRITE_BYTES_MAX)];
        this.sealing.take_client(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.drive(cx)?;
        if !this.sealing.for_server().is_empty() && this.sealing.fault().is_none() {
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
