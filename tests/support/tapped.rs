//! A session through Sealwire that is recorded beneath it.

use sealwire::{ColumnEncryption, MaybeTls, SealedStream};
use sealwire_testkit::fixture::wire::WireClient;
use sealwire_testkit::fixture::{Fixture, trap};
use sealwire_testkit::{Tap, Tapped};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{Config, Socket};

/// The stream of such a session.
pub(crate) type Stream = SealedStream<MaybeTls<Socket, Tapped<Socket>>>;

/// A bare protocol connection, and what crosses between the layer and the server.
pub(crate) async fn wire(
    fixture: &Fixture,
    mut config: Config,
    settings: &[(&str, &str)],
) -> (WireClient<Stream>, Tap) {
    // Both make the layer hand its socket to the connector at once, which is the tap here.
    config
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct);
    let encryption = ColumnEncryption::builder()
        .manifest_file(fixture.manifest_path())
        .master_key(format!("file:{}", fixture.key_path().display()))
        .build()
        .await
        .unwrap();
    let beneath = Tap::new();
    let armed = encryption.arm(&config, beneath.clone()).unwrap();
    let (config, connector) = armed.into_parts();
    let stream = trap::stream(&config, connector).await;
    let client = WireClient::start(stream, &config, settings)
        .await
        .unwrap_or_else(|error| panic!("no session: {error:?}"));
    let started = beneath.take();
    assert!(
        !started.to_server.is_empty(),
        "nothing is recorded beneath the layer"
    );
    (client, beneath)
}
