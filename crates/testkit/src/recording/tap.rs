//! A recording stream in the place of the socket: what a client, or a layer beneath it, wrote to
//! the server and read from it, and in which turns.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

use super::{Recording, lock};

/// What one side did until the other took over.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    /// Whether these bytes went to the server.
    pub to_server: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("to_server", &self.to_server)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Puts a recording stream between a tokio-postgres client and its socket.
///
/// It is a connector for a configuration with `sslmode=require` and `sslnegotiation=direct`, with
/// which tokio-postgres hands its socket over without a word to the server; nothing is encrypted.
/// Sealwire does the same with the connector that it is given, so that what is recorded then is
/// what the layer said to the server.
#[derive(Clone, Debug, Default)]
pub struct Tap {
    turns: Arc<Mutex<Vec<Turn>>>,
}

impl Tap {
    /// A tap with nothing recorded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what has been recorded since the last call, by turns.
    pub fn take_turns(&self) -> Vec<Turn> {
        std::mem::take(&mut lock(&self.turns))
    }

    /// Takes what has been recorded since the last call, by direction.
    pub fn take(&self) -> Recording {
        let mut recording = Recording::default();
        for turn in self.take_turns() {
            if turn.to_server {
                recording.to_server.extend_from_slice(&turn.bytes);
            } else {
                recording.to_client.extend_from_slice(&turn.bytes);
            }
        }
        recording
    }

    fn note(&self, to_server: bool, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut turns = lock(&self.turns);
        match turns.last_mut() {
            Some(last) if last.to_server == to_server => last.bytes.extend_from_slice(bytes),
            _ => turns.push(Turn {
                to_server,
                bytes: bytes.to_vec(),
            }),
        }
    }
}

impl MakeTlsConnect<Socket> for Tap {
    type Stream = Tapped<Socket>;
    type TlsConnect = Self;
    type Error = Infallible;

    fn make_tls_connect(&mut self, _domain: &str) -> Result<Self, Infallible> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for Tap {
    type Stream = Tapped<Socket>;
    type Error = Infallible;
    type Future = Ready<Result<Tapped<Socket>, Infallible>>;

    fn connect(self, inner: Socket) -> Self::Future {
        ready(Ok(Tapped { inner, tap: self }))
    }
}

/// A stream with a [`Tap`] on it.
#[derive(Debug)]
pub struct Tapped<S> {
    inner: S,
    tap: Tap,
}

impl<S> AsyncRead for Tapped<S>
where
    S: AsyncRead + Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        this.tap.note(false, &buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S> AsyncWrite for Tapped<S>
where
    S: AsyncWrite + Unpin,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.tap.note(true, &buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl<S> TlsStream for Tapped<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
