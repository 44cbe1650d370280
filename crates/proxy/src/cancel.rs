//! Cancel requests: a connection of their own, with nothing but the request in it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::debug;

use crate::proxy::Shared;

/// How long the server may take to close the connection, which is how it acknowledges.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Forwards a request to the server, which knows the key: clients have it from the server.
pub(crate) async fn forward(request: &[u8], shared: &Shared) {
    shared.metrics.cancels.inc();
    let done = async {
        let mut server = shared
            .server
            .dial()
            .await
            .map_err(|error| error.to_string())?;
        let sent = async {
            server.write_all(request).await?;
            server.flush().await?;
            // Its end says that the signal has been sent; libpq waits for it too.
            server.read(&mut [0]).await
        };
        sent.await.map_err(|error| error.to_string())
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, done).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => debug!(%error, "cancel request not delivered"),
        Err(_) => debug!("cancel request not acknowledged"),
    }
}
