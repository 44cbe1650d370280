//! A connection until it is ready for statements, and how long it may take.

use std::sync::Arc;

use sealwire::Failure;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use super::goodbye::Over;
use crate::metrics::End;
use crate::proxy::{Order, Shared, shutting_down};

/// The client's transport is TLS, which ends here; with the hash by which an authentication is
/// bound to it, where there is one.
pub(super) struct Binding(pub(super) Option<Vec<u8>>);

/// A connection until it is ready for statements.
pub(super) struct Beginning<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) deadline: Instant,
    pub(super) binding: Option<Binding>,
}

/// Why a beginning is not waited for any longer.
pub(super) enum Late {
    /// It has taken longer than clients may.
    Slow,
    /// The proxy ends.
    Stopping,
}

impl Late {
    pub(super) fn end(&self) -> End {
        match self {
            Self::Slow => End::SlowStart,
            Self::Stopping => End::Stopped,
        }
    }

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
        tokio::select! {
            biased;
            done = part => Ok(done),
            () = sleep_until(self.deadline) => {
                info!("took too long to begin");
                Err(Late::Slow)
            }
            _ = order.wait_for(|order| *order != Order::Serve) => Err(Late::Stopping),
        }
    }
}
