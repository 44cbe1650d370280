//! Cancel requests: a connection of their own, with nothing but the request in it.

use tracing::debug;

use crate::proxy::Shared;

/// Forwards a request to the server, which knows the key: clients have it from the server.
pub(crate) async fn forward(request: &[u8], shared: &Shared) {
    shared.metrics.cancels.inc();
    if let Err(error) = shared.server.cancel(request).await {
        debug!(error = error.to_string(), "cancel request not delivered");
    }
}
