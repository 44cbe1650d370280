//! The connection: the future that moves bytes, whatever transport is beneath.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, CancelToken};

type PgConnection<S, T> = tokio_postgres::Connection<S, T>;
pub(crate) type CancelFuture =
    Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// Cancels queries of the connection that it came from.
///
/// tokio-postgres' own `cancel_query(NoTls)` does not know the way that a sealing connection took
/// to the server; this does.
#[derive(Clone)]
pub struct Canceller(std::sync::Arc<dyn Fn(CancelToken) -> CancelFuture + Send + Sync>);

impl Canceller {
    pub(crate) fn new(
        cancel: impl Fn(CancelToken) -> CancelFuture + Send + Sync + 'static,
    ) -> Self {
        Self(std::sync::Arc::new(cancel))
    }

    /// Asks the server to cancel what the client of `token` is running.
    ///
    /// # Errors
    /// When the server cannot be reached. That the request came too late is no error.
    pub async fn cancel(&self, token: CancelToken) -> Result<(), tokio_postgres::Error> {
        (self.0)(token).await
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}

trait Drive: Send {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>>;
    fn parameter(&self, name: &str) -> Option<&str>;
}

impl<S, T> Drive for PgConnection<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> {
        Self::poll_message(self, cx)
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        Self::parameter(self, name)
    }
}

/// A connection to the server: spawn it, as one does with tokio-postgres' own.
#[must_use = "a connection does nothing unless polled"]
pub struct Connection {
    inner: Box<dyn Drive>,
    canceller: Canceller,
}

impl Connection {
    pub(crate) fn new<S, T>(inner: PgConnection<S, T>, canceller: Canceller) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self {
            inner: Box::new(inner),
            canceller,
        }
    }

    /// The value of a run-time parameter that the server reported.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.inner.parameter(name)
    }

    /// Something that cancels this connection's queries; take it before the connection is spawned.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Moves bytes and returns the next notice or notification, as
    /// [`tokio_postgres::Connection::poll_message`].
    ///
    /// # Errors
    /// As tokio-postgres' own: `None` and an error are final.
    pub fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> {
        self.inner.poll_message(cx)
    }
}

impl Future for Connection {
    type Output = Result<(), tokio_postgres::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while ready!(self.inner.poll_message(cx)?).is_some() {}
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
