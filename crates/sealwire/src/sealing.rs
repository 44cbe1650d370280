//! The sealing session with its way to the keys: what every stream and relay drives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::BytesMut;
use sealwire_engine::{Counters, Error as EngineError, Failure, Login, Session};
use tokio::time::Instant;

use crate::encryption::{ColumnEncryption, KeySource, Supplied};

type SupplyFuture = Pin<Box<dyn Future<Output = Supplied> + Send>>;

/// What a connection seals and opens with.
pub(crate) struct Sealing {
    session: Session,
    source: KeySource,
    /// Never locked: the mutex makes the stream `Sync`, as pools ask of it, and only `get_mut` is
    /// used.
    need: Option<Mutex<SupplyFuture>>,
    /// When the first of the session's keys expires; none while it holds none.
    keys_expire_at: Option<Instant>,
    fault: Option<EngineError>,
    /// What the statistics have been told.
    told: Counters,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl Sealing {
    /// `unbind_channel`: the client has a transport of its own.
    pub(crate) fn new(encryption: &ColumnEncryption, unbind_channel: bool) -> Self {
        let source = KeySource::new(encryption);
        let mut options = source.session_options();
        options.unbind_channel = unbind_channel;
        Self {
            session: Session::new(options),
            source,
            need: None,
            keys_expire_at: None,
            fault: None,
            told: Counters::default(),
        }
    }

    /// Ends authentication here; to be called before the first byte comes.
    pub(crate) fn terminate_authentication(&mut self, login: Login) {
        self.session.terminate_authentication(login);
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn fault(&self) -> Option<&EngineError> {
        self.fault.as_ref()
    }

    pub(crate) fn for_server(&mut self) -> &mut BytesMut {
        self.session.to_server()
    }

    pub(crate) fn for_client(&mut self) -> &mut BytesMut {
        self.session.to_client()
    }

    /// Bytes of the client.
    pub(crate) fn take_client(&mut self, bytes: &[u8]) {
        self.expire_keys();
        let result = self.session.handle_client(bytes);
        self.note(result);
    }

    /// Bytes of the server.
    pub(crate) fn take_server(&mut self, bytes: &[u8]) {
        self.expire_keys();
        let result = self.session.handle_server(bytes);
        self.note(result);
    }

    /// Ends the session between two messages.
    pub(crate) fn end(&mut self, why: Failure) {
        let result = self.session.end(why);
        self.note(result);
    }

    /// Starts and drives what the session needs from outside.
    pub(crate) fn fetch(&mut self, cx: &mut Context<'_>) {
        if self.need.is_some() || self.session.has_need() {
            self.fetch_now(cx);
        }
    }

    fn fetch_now(&mut self, cx: &mut Context<'_>) {
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

    /// Tells the statistics what has been done since they were told last.
    pub(crate) fn tell_statistics(&mut self) {
        let now = self.session.counters();
        if now != self.told {
            self.source.statistics().add(now.since(self.told));
            self.told = now;
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
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.tell_statistics();
    }
}
