//! What the clients do, as pgbench does it.

use std::fmt;

use sealwire_testkit::fixture::Fixture;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket, Statement};

use crate::Result;

const ROWS: i32 = 100_000;
/// Rows sealed in one statement of the set-up.
const BATCH: i32 = 1000;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// A row by its key.
    LookUp,
    /// INSERT, SELECT, UPDATE, SELECT.
    Transaction,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookUp => "point look-up",
            Self::Transaction => "transaction of four statements",
        })
    }
}

fn note(id: i32) -> String {
    format!("note on number {id:06}")
}

/// Fills the tables. The plain one's rows are what the sealed one's are before they are sealed.
pub(crate) async fn fill(fixture: &Fixture) -> Result<()> {
    let config: sealwire::Config = fixture.url().parse()?;
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    for table in ["plain", "sealed"] {
        let sql = format!("INSERT INTO {table} (id, note) VALUES ($1, $2)");
        let insert = client.prepare(&sql).await?;
        for first in (1..=ROWS).step_by(BATCH as usize) {
            client.batch_execute("BEGIN").await?;
            let rows = (first..first + BATCH).map(|id| {
                let (client, insert) = (&client, &insert);
                async move { client.execute(insert, &[&id, &note(id)]).await }
            });
            futures_util::future::try_join_all(rows).await?;
            client.batch_execute("COMMIT").await?;
        }
    }
    client.batch_execute("ANALYZE plain").await?;
    client.batch_execute("ANALYZE sealed").await?;
    Ok(())
}

/// A client with its statements.
pub(crate) struct Session {
    client: Client,
    select: Statement,
    insert: Statement,
    update: Statement,
}

impl Session {
    pub(crate) async fn open<T>(config: &Config, tls: T, table: &str) -> Result<Self>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, connection) = config.connect(tls).await?;
        tokio::spawn(connection);
        let prepare = async |sql: String| client.prepare(&sql).await;
        Ok(Self {
            select: prepare(format!("SELECT note FROM {table} WHERE id = $1")).await?,
            insert: prepare(format!(
                "INSERT INTO {table}_log (id, note) VALUES ($1, $2)"
            ))
            .await?,
            update: prepare(format!("UPDATE {table} SET note = $2 WHERE id = $1")).await?,
            client,
        })
    }

    /// One operation on a row by chance.
    pub(crate) async fn once(&mut self, work: Work) -> Result<()> {
        let id = rand::random_range(1..=ROWS);
        match work {
            Work::LookUp => {
                let row = self.client.query_one(&self.select, &[&id]).await?;
                assert_eq!(row.get::<_, &str>(0), note(id));
            }
            Work::Transaction => {
                let transaction = self.client.transaction().await?;
                let note = note(id);
                transaction.execute(&self.insert, &[&id, &note]).await?;
                transaction.query_one(&self.select, &[&id]).await?;
                transaction.execute(&self.update, &[&id, &note]).await?;
                let row = transaction.query_one(&self.select, &[&id]).await?;
                assert_eq!(row.get::<_, &str>(0), note);
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}
