//! A connection until it is ready for statements, and how long it may take.

use std::future::pending;
use std::sync::Arc;

use sealwire::Failure;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::goodbye::Over;
use crate::beginnings::Silence;
use crate::metrics::End;
use crate::proxy::{Held, Order, Shared, shutting_down};

/// The client's transport is TLS, which ends here; with the hash by which an authentication is
/// bound to it, where there is one.
pub(super) struct Binding(pub(super) Option<Vec<u8>>);

/// A connection until it is ready for statements.
pub(super) struct Beginning<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) deadline: Instant,
    pub(super) binding: Option<Binding>,
    /// Until it has said what it wants.
    pub(super) silence: Option<Silence>,
    /// From then on.
    pub(super) room: Option<Held>,
}

/// Why a beginning is not waited for any longer.
pub(super) enum Late {
    /// It has taken longer than clients may.
    Slow,
    /// It has said nothing, and another needs its room.
    Silent,
    /// The proxy ends.
    Stopping,
}

impl Late {
    pub(super) fn end(&self) -> End {
        match self {
            Self::Slow => End::SlowStart,
            Self::Silent => End::GaveWay,
            Self::Stopping => End::Stopped,
        }
    }

    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Slow | Self::Silent => Failure {
                sqlstate: "57014",
                message: "canceling authentication due to timeout".into(),
                hint: None,
            },
            Self::Stopping => shutting_down(),
        }
    }
}

/// An end that comes before there is anything to tell a client in.
impl From<Late> for Over<'_> {
    fn from(late: Late) -> Self {
        late.end().into()
    }
}

impl Beginning<'_> {
    /// Waits for a part of the beginning.
    pub(super) async fn wait<T>(&self, part: impl Future<Output = T>) -> Result<T, Late> {
        let mut order = self.shared.order.clone();
        let room_is_needed = async {
            match &self.silence {
                Some(silence) => silence.is_over().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            done = part => Ok(done),
            () = sleep_until(self.deadline) => {
                info!("took too long to begin");
                Err(Late::Slow)
            }
            () = room_is_needed => Err(self.gave_way()),
            _ = order.wait_for(|order| *order != Order::Serve) => Err(Late::Stopping),
        }
    }

    /// It has said what it wants, and keeps its room.
    pub(super) fn has_spoken(&mut self) -> Result<(), Late> {
        if let Some(silence) = self.silence.take() {
            self.room = silence.break_it();
        }
        match self.room {
            Some(_) => Ok(()),
            None => Err(self.gave_way()),
        }
    }

    fn gave_way(&self) -> Late {
        if let Some(connections) = self.shared.gave_way.happened() {
            warn!(
                connections,
                "all room for connections that begin is taken; the oldest that says nothing gives way"
            );
        }
        Late::Silent
    }
}
