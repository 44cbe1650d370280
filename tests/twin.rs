//! Twin tables: the same random statements over encrypted and plain columns must have the same
//! rows, types, counts, errors and transaction status.
//!
//! `SEALWIRE_TWIN_SEED` repeats a run, `SEALWIRE_TWIN_COUNT` makes it longer. A difference is
//! reported with its seed and the statements that showed it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::fixture::run::{Pair, Summary};
use sealwire_testkit::fixture::schema::Twin;
use sealwire_testkit::fixture::twins;
use sealwire_testkit::fixture::values::markers;
use sealwire_testkit::fixture::wire::WireClient;
use sealwire_testkit::fixture::{Fixture, plain_wire};
use sealwire_testkit::{Postgres, RecordingProxy};
use tokio::net::TcpStream;

fn environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("`{name}={text}` is not a number")),
        Err(_) => default,
    }
}

/// Errors that a run has to have met, or it has not compared what it claims to.
const EXPECTED_ERRORS: [&str; 5] = ["22001", "22P02", "23502", "23505", "25P02"];

fn assert_worth(summary: &Summary) {
    eprintln!("{summary:?}");
    assert!(
        summary.rows > summary.statements,
        "hardly any row was compared"
    );
    for code in EXPECTED_ERRORS {
        assert!(summary.errors.contains_key(code), "no error {code} was met");
    }
}

async fn plain_twin(sabotage: &str) -> WireClient<TcpStream> {
    let database = Postgres::shared().await.create_database().await;
    let owner = database.connect().await;
    for table in twins::tables() {
        owner.batch_execute(&table.ddl(Twin::Plain)).await.unwrap();
    }
    owner.batch_execute(sabotage).await.unwrap();
    plain_wire(&database).await
}

/// The harness itself: two plain databases do not differ, so a difference means something.
#[tokio::test]
async fn two_plain_databases_do_not_differ() {
    let mut pair = Pair {
        sealed: plain_twin("").await,
        plain: plain_twin("").await,
    };
    let seed = environment("SEALWIRE_TWIN_SEED", 1);
    let summary = pair
        .run(seed, 3000)
        .await
        .unwrap_or_else(|difference| panic!("{difference}"));
    assert_worth(&summary);
    for table in twins::tables() {
        pair.compare_table(&table.qualified()).await.unwrap();
    }
}

/// The harness itself: whatever is wrong with one side, it is found.
#[tokio::test]
async fn a_sabotaged_database_differs() {
    let trigger = |body: &str| {
        format!(
            "CREATE FUNCTION public.sabotage() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN {body}; RETURN NEW; END $$; \
             CREATE TRIGGER sabotage BEFORE INSERT OR UPDATE ON public.orders \
             FOR EACH ROW EXECUTE FUNCTION public.sabotage()"
        )
    };
    for sabotage in [
        "ALTER TABLE public.users DROP CONSTRAINT users_email_key".to_owned(),
        "ALTER TABLE public.orders ALTER COLUMN qty DROP NOT NULL".to_owned(),
        "ALTER TABLE public.users ALTER COLUMN \"Phone No\" TYPE varchar(40)".to_owned(),
        "ALTER TABLE public.users ALTER COLUMN age TYPE int8".to_owned(),
        "ALTER TABLE public.users RENAME CONSTRAINT users_pkey TO users_key".to_owned(),
        trigger("NEW.card := NEW.card || ' '"),
        trigger("NEW.email := lower(NEW.email)"),
        trigger("IF NEW.id % 5 = 2 THEN RETURN NULL; END IF"),
        trigger("IF NEW.id % 5 = 2 THEN RAISE SQLSTATE '22003'; END IF"),
    ] {
        let mut pair = Pair {
            sealed: plain_twin(&sabotage).await,
            plain: plain_twin("").await,
        };
        let found = pair.run(1, 3000).await;
        assert!(found.is_err(), "not found: {sabotage}");
    }
}

#[tokio::test]
async fn encrypted_and_plain_columns_do_not_differ() {
    let first = environment("SEALWIRE_TWIN_SEED", 1);
    let count = environment("SEALWIRE_TWIN_COUNT", 3000);
    let mut rows = 0;
    let mut left = usize::try_from(count).unwrap();
    for seed in first.. {
        let fixture = Fixture::new(twins::tables()).await;
        let proxy = RecordingProxy::start(fixture.sealed()).await;
        let mut pair = Pair {
            sealed: support::wire(&fixture.url_through(proxy.port())).await,
            plain: fixture.plain_wire().await,
        };
        let part = left.min(1500);
        let summary = pair
            .run(seed, part)
            .await
            .unwrap_or_else(|difference| panic!("{difference}"));
        eprintln!("seed {seed}: {summary:?}");
        assert!(
            summary.refused > 0,
            "nothing was refused that is of a kind to be refused"
        );
        for table in fixture.tables() {
            rows += pair
                .compare_table(&table.qualified())
                .await
                .unwrap_or_else(|d| panic!("{d}"));
        }
        proxy.assert_absent(&markers());
        support::assert_only_cells(&fixture).await;
        left -= part;
        if left == 0 {
            break;
        }
    }
    assert!(rows > 100, "the tables are nearly empty at the end");
}
