//! Many connections at a time, most of them at rest. A smoke test: nothing here is measured.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "proxy/support.rs"]
mod support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealwire_testkit::Postgres;
use sealwire_testkit::fixture::Fixture;
use support::*;
use tokio::task::JoinSet;
use tokio_postgres::Client;

const IDLE: usize = 500;
const BUSY: usize = 100;
/// Each seals two values and looks one up.
const ROUNDS: usize = 50;
/// Descriptors of one connection in this process: the client's and both of the proxy's.
const DESCRIPTORS_EACH: u64 = 3;

/// Raises the limit of descriptors as far as a process may by itself.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .unwrap();
    let needed = (IDLE + BUSY) as u64 * DESCRIPTORS_EACH + 100;
    assert!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "this test needs {needed} descriptors (`ulimit -Hn`)"
    );
}

async fn open(proxy: &Running, fixture: &Fixture, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    while clients.len() < count {
        // The server starts a process for each, a few at a time.
        let some = (count - clients.len()).min(20);
        let opened = (0..some).map(|_| proxy.client(fixture));
        clients.extend(futures_util::future::join_all(opened).await);
    }
    clients
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_are_served_beside_more_that_rest() {
    raise_descriptor_limit();
    let connections = u32::try_from(IDLE + BUSY + 20).unwrap();
    let server = Postgres::start_for(connections).unwrap_or_else(|error| panic!("{error}"));
    // The fixture keeps it for as long as the process lives.
    let fixture = Fixture::on(Box::leak(Box::new(server)), people()).await;
    let mut settings = settings_without_password(&fixture);
    settings.limits.connections = IDLE + BUSY;
    let proxy = Running::start(settings).await;

    let idle = open(&proxy, &fixture, IDLE).await;
    let busy = open(&proxy, &fixture, BUSY).await;
    proxy.settle((IDLE + BUSY) as f64).await;
    let mut tasks = JoinSet::new();
    for (number, client) in busy.into_iter().enumerate() {
        tasks.spawn(async move {
            let insert = "INSERT INTO people (id, email, note) VALUES ($1, $2, $3)";
            let insert = client.prepare(insert).await.unwrap();
            let find = "SELECT id, note FROM people WHERE email = $1";
            let find = client.prepare(find).await.unwrap();
            for round in 0..ROUNDS {
                let id = i64::try_from(number * ROUNDS + round).unwrap();
                let (email, note) = (format!("{id}@example.com"), format!("note {id}"));
                client
                    .execute(&insert, &[&id, &email, &note])
                    .await
                    .unwrap();
                let row = client.query_one(&find, &[&email]).await.unwrap();
                assert_eq!((row.get(0), row.get::<_, String>(1)), (id, note));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    proxy.settle(IDLE as f64).await;
    // Those that have rested all the while are as good as new.
    for client in &idle {
        client.batch_execute("SELECT 1").await.unwrap();
    }
    let done = proxy.handle.statistics().done;
    let each = (BUSY * ROUNDS) as u64;
    assert_eq!((done.cells_sealed, done.cells_opened), (3 * each, each));
    assert_eq!(done.cells_rejected, 0);
    proxy.handle.drain();
    proxy.finish().await;
    let owner = fixture.sealed().connect().await;
    let count = owner.query_one("SELECT count(*) FROM people", &[]).await;
    assert_eq!(count.unwrap().get::<_, i64>(0), each.cast_signed());
}
