//! A connection until it is ready for statements, and how long it may take.

use std::sync::Arc;

use sealwire::Failure;
use tokio::time::{Instant, sleep_until};
use tracing::info;

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
    pub(super) _held: Held,
}

/// Why a beginning is not waited for any longer.
pub(super) enum Late {
    /// It has taken longer than clients may.
    Slow,
    /// The proxy ends.
    Stopping,
}

impl Late {
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Slow => Failure {
                sqlstate: "57014",
                message: "canceling authentication due to timeout".into(),
                hint: None,
            },
            Self::Stopping => shutting_down(),
        }
    }
}

impl Beginning<'_> {
    /// Waits for a part of the beginning.
    pub(super) async fn wait<T>(&self, part: impl Future<Output = T>) -> Result<T, Late> {
        let mut order = self.shared.order.clone();
        tokio::select! {
            biased;
            done = part => Ok(done),
            () = sleep_until(self.deadline) => Err(Late::Slow),
            _ = order.wait_for(|order| *order != Order::Serve) => Err(Late::Stopping),
        }
    }

    /// Counts an end that comes before there is a session.
    pub(super) fn late(&self, why: &Late) {
        self.shared.metrics.ended(match why {
            Late::Slow => {
                info!("took too long to begin");
                End::SlowStart
            }
            Late::Stopping => End::Stopped,
        });
    }
}
