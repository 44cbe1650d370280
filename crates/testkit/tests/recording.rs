//! The recording proxy changes nothing and misses nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sealwire_testkit::{Postgres, RecordingProxy};
use tokio_postgres::NoTls;

const MARKER: &str = "marker-0b7c41";

fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("no panic");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
    }
}

#[tokio::test]
async fn a_marker_is_found_in_parameters_and_in_texts() {
    let database = Postgres::shared().await.create_database().await;
    let proxy = RecordingProxy::start(&database).await;
    let (client, connection) = proxy.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query("SELECT 1", &[]).await.unwrap();
    proxy.assert_absent(&[MARKER]);

    client.query("SELECT $1::text", &[&MARKER]).await.unwrap();
    let report = panic_of(|| proxy.assert_absent(&["nothing-of-it", MARKER]));
    assert!(
        report.contains("marker 1 as it is: connection 0"),
        "{report}"
    );
    assert!(report.contains("in frame `B`"), "{report}");
    assert!(!report.contains(MARKER), "{report}");

    let hexadecimal: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    let proxy = RecordingProxy::start(&database).await;
    let (client, connection) = tokio_postgres::connect(&proxy.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(&format!("SELECT '\\x{hexadecimal}'::bytea"))
        .await
        .unwrap();
    let report = panic_of(|| proxy.assert_absent(&[MARKER]));
    assert!(report.contains("as hexadecimal"), "{report}");
    assert!(report.contains("in frame `Q`"), "{report}");
}

#[tokio::test]
async fn the_socket_is_recorded_too() {
    let database = Postgres::shared().await.create_database().await;
    let proxy = RecordingProxy::start(&database).await;
    let mut config = tokio_postgres::Config::new();
    config.host_path(proxy.socket_dir()).port(proxy.port());
    config
        .user(database.owner())
        .password(proxy.config().get_password().unwrap());
    config.dbname(database.name());
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let rows = client.query("SELECT $1::text", &[&MARKER]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), MARKER);
    proxy.assert_present(&[MARKER]);
    let recording = &proxy.recordings()[0];
    assert!(
        recording
            .to_client
            .windows(MARKER.len())
            .any(|it| it == MARKER.as_bytes())
    );
}

#[tokio::test]
async fn a_search_that_proves_nothing_fails() {
    let database = Postgres::shared().await.create_database().await;
    let proxy = RecordingProxy::start(&database).await;
    let report = panic_of(|| proxy.assert_absent(&[MARKER]));
    assert!(report.contains("nothing was recorded"), "{report}");
}
