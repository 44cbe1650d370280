//! COPY with encrypted columns, end to end: what comes out of an encrypted table is what comes out
//! of its plain twin, and what goes wrong goes wrong as it does there.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use sealwire_testkit::fixture::Fixture;
use support::people;
use tokio_postgres::Client;

async fn copy_in(client: &Client, sql: &str, data: &[u8]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in(sql).await?;
    pin_mut!(sink);
    sink.send(Bytes::copy_from_slice(data)).await?;
    sink.finish().await
}

async fn copy_out(client: &Client, sql: &str) -> Vec<u8> {
    let out = client.copy_out(sql).await.unwrap();
    let frames: Vec<Bytes> = out.try_collect().await.unwrap();
    frames.concat()
}

#[tokio::test]
async fn rows_go_in_and_come_out() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    let data = b"1\ta@example.com\t42\ta note\\twith a tab\tAda\n2\t\\N\t\\N\t\\N\tBob\n";
    let copied = copy_in(
        &client,
        "COPY people (id, email, age, note, name) FROM STDIN",
        data,
    );
    assert_eq!(copied.await.unwrap(), 2);
    let row = client
        .query_one(
            "SELECT id, note FROM people WHERE email = $1 AND age = $2",
            &[&"a@example.com", &42],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(1), "a note\twith a tab");
    let sql = "COPY (SELECT id, email, age, note, name FROM people ORDER BY id) TO STDOUT";
    let out = copy_out(&client, sql).await;
    assert_eq!(String::from_utf8(out).unwrap().as_bytes(), data);
}
