//! deadpool-postgres and bb8-postgres on armed tokio-postgres configurations, with what their
//! recycling sends to a connection that comes back.

use bb8_postgres::PostgresConnectionManager;
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use futures_util::future::join_all;
use sealwire_clients::{MARKER, Record, Twins};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, Row, Socket};

fn code(error: &tokio_postgres::Error) -> String {
    format!("{:?}", error.code())
}

fn shown(row: &Row) -> (String, Option<i32>, Option<String>) {
    (row.get(0), row.get(1), row.get(2))
}

/// One user of a pool, who leaves a changed session behind.
async fn work(client: &mut Client, number: i32) -> Record {
    let mut record = Record::default();
    let path = client.query_one("SHOW search_path", &[]).await;
    record.attempt("search path", path.map(|row| row.get::<_, String>(0)), code);
    let name = format!("{MARKER}-{number}");
    let inserted = client
        .query_one(
            "INSERT INTO public.items (code, n4, t) VALUES ($1, $2, $3) RETURNING code, n4, t",
            &[&name, &number, &MARKER],
        )
        .await;
    record.attempt("insert", inserted.map(|row| shown(&row)), code);
    let transaction = client.transaction().await.unwrap();
    let failed = transaction
        .execute("INSERT INTO public.items (code) VALUES ($1)", &[&name])
        .await;
    record.attempt("unique", failed, code);
    drop(transaction);
    let found = client
        .query(
            "SELECT code, n4, t FROM public.items WHERE n4 = $1",
            &[&number],
        )
        .await;
    let found = found.map(|rows| rows.iter().map(shown).collect::<Vec<_>>());
    record.attempt("select", found, code);
    client
        .batch_execute("SET search_path = pg_catalog")
        .await
        .unwrap();
    record
}

async fn deadpool<T>(config: Config, tls: T) -> Record
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let mut record = Record::default();
    for recycling_method in [
        RecyclingMethod::Fast,
        RecyclingMethod::Verified,
        RecyclingMethod::Clean,
        RecyclingMethod::Custom("DISCARD ALL".into()),
    ] {
        let settings = ManagerConfig { recycling_method };
        let manager = Manager::from_config(config.clone(), tls.clone(), settings);
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(1)
            .build()
            .unwrap();
        for number in 0..3 {
            let mut client = pool.get().await.unwrap();
            record.note("deadpool", work(&mut client, number).await);
            let cached = client
                .prepare_cached("SELECT t FROM public.items WHERE code = $1")
                .await;
            let cached = client
                .query_one(&cached.unwrap(), &[&format!("{MARKER}-0")])
                .await;
            record.attempt("cached", cached.map(|row| row.get::<_, String>(0)), code);
        }
        let client = pool.get().await.unwrap();
        client
            .batch_execute("DELETE FROM public.items WHERE id > 0")
            .await
            .unwrap();
    }
    record
}

async fn bb8<T>(config: Config, tls: T) -> Record
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let manager = PostgresConnectionManager::new(config, tls);
    let pool = bb8::Pool::builder().max_size(3).build(manager).await;
    let pool = pool.unwrap();
    let users = (10..30).map(|number| {
        let pool = pool.clone();
        async move {
            let mut client = pool.get().await.unwrap();
            client.batch_execute("RESET search_path").await.unwrap();
            work(&mut client, number).await
        }
    });
    let mut record = Record::default();
    record.note("bb8", join_all(users).await);
    record
}

#[tokio::test]
async fn pools() {
    let twins = Twins::new().await;
    let plain: Config = twins.plain_url().parse().unwrap();
    let config: sealwire::Config = twins.fixture.url().parse().unwrap();
    let (sealed, connector) = config.arm(NoTls).await.unwrap().into_parts();
    let mut expected = Record::default();
    let mut found = Record::default();
    expected.note("deadpool", deadpool(plain.clone(), NoTls).await);
    found.note(
        "deadpool",
        deadpool(sealed.clone(), connector.clone()).await,
    );
    expected.note("bb8", bb8(plain, NoTls).await);
    found.note("bb8", bb8(sealed, connector).await);
    twins.finish(expected, found).await;
}
