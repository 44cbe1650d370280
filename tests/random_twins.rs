//! Random schemas with random statements over them: encrypted and plain tables must have the same
//! rows, types, counts, errors and transaction status, and the server must not see a value.
//!
//! `SEALWIRE_TWIN_SEED` starts at another seed, `SEALWIRE_TWIN_COUNT` makes the run longer. A
//! difference is reported with its seed and the fewest statements that show it (with
//! `SEALWIRE_TWIN_NO_SHRINK` at once, with the last one only). With `SEALWIRE_TWIN_GO_ON` the run
//! goes on with the next seed. Seeds that showed a difference once are in
//! `tests/seeds/random_twins.txt` and come first.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "random_twins/harness.rs"]
mod harness;
#[path = "support/connections.rs"]
mod support;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::random::pool::Pool;
use sealwire_testkit::fixture::random::run::{Failure, Runner, Summary};
use sealwire_testkit::fixture::random::shrink;
use sealwire_testkit::fixture::random::step::Step;
use sealwire_testkit::fixture::random::world::World;
use sealwire_testkit::fixture::run::Pair;
use sealwire_testkit::fixture::schema::Twin;
use sealwire_testkit::{Postgres, RecordingProxy};
use tokio::net::TcpStream;

const SEEDS: &str = include_str!("seeds/random_twins.txt");

/// Statements of a run by default.
const DEFAULT_COUNT: usize = 3000;

/// What is made to fail.
const FAULTS: &[&str] = &["value that does not fit", "wrong value"];

/// What has to work, and so has to have worked, as whatever else was drawn.
const CONSTRUCTS: &[&str] = &[
    "*",
    "ANY of ARRAY[…]",
    "ANY of an array literal",
    "ANY of an array parameter",
    "ARRAY of cells",
    "CASE",
    "COALESCE",
    "COPY FROM",
    "COPY FROM in binary",
    "COPY TO",
    "CROSS JOIN",
    "DEFAULT",
    "DELETE",
    "DELETE USING",
    "DISTINCT",
    "DISTINCT ON",
    "EXCLUDED",
    "EXISTS",
    "EXPLAIN",
    "FILTER",
    "FOR UPDATE",
    "FULL JOIN",
    "GROUP BY",
    "GROUPING SETS",
    "HAVING",
    "IN list",
    "IN sub-select",
    "INSERT SELECT",
    "INSERT SELECT unnest",
    "INSERT VALUES",
    "INSERT from WITH VALUES",
    "INSERT into a view",
    "INSERT of several rows",
    "INSERT without a column list",
    "IS DISTINCT FROM",
    "IS NULL",
    "JOIN",
    "JOIN USING",
    "LATERAL",
    "LEFT JOIN",
    "LIMIT",
    "LOCK and ANALYZE",
    "MERGE",
    "NATURAL JOIN",
    "NULLIF",
    "ON CONFLICT",
    "ON CONFLICT of an encrypted column",
    "OPERATOR(pg_catalog.=)",
    "RETURNING",
    "RIGHT JOIN",
    "SET of a row",
    "SET of a sub-select",
    "SQL PREPARE",
    "TABLE",
    "TABLESAMPLE",
    "TRUNCATE",
    "UPDATE",
    "UPDATE FROM",
    "VALUES in FROM",
    "WITH",
    "WITH RECURSIVE",
    "WITH that writes",
    "alias.*",
    "array_agg",
    "binary results",
    "cast of a parameter",
    "column aliases",
    "count of encrypted",
    "cursor",
    "equality",
    "inequality",
    "literal",
    "parameter of another type of the family",
    "parameter used twice",
    "pipeline",
    "portal with a limit",
    "prepared statement used again",
    "reference to an outer query",
    "row comparison",
    "scalar sub-select",
    "set operation",
    "setting",
    "several statements in one text",
    "simple",
    "sub-select in FROM",
    "text results",
    "unnest",
    "value on the left",
    "window function",
];

/// Errors that a run has to have met, or it has not compared what it claims to.
const ERRORS: &[&str] = &["22001", "22003", "22P02", "23502", "23505", "25P02"];

/// Statements per world.
const PER_WORLD: usize = 250;

struct Twins {
    fixture: Fixture,
    proxy: RecordingProxy,
    runner: Runner<support::Stream, TcpStream>,
}

async fn version() -> u32 {
    let admin = Postgres::shared().await.create_database().await;
    let row = admin
        .connect()
        .await
        .query_one("SHOW server_version_num", &[])
        .await
        .unwrap();
    row.get::<_, &str>(0).parse::<u32>().unwrap() / 10_000
}

async fn twins(world: &Arc<World>) -> Twins {
    let fixture = Fixture::new(world.tables.clone()).await;
    for sql in &world.setup {
        fixture.prepare(sql).await;
    }
    let proxy = RecordingProxy::start(fixture.sealed()).await;
    let pair = Pair {
        sealed: support::wire(&fixture.url_through(proxy.port())).await,
        plain: fixture.plain_wire().await,
    };
    Twins {
        fixture,
        proxy,
        runner: Runner::new(pair, Arc::clone(world)),
    }
}

/// Runs one seed; a reproduction where the twins differ.
async fn run(seed: u64, version: u32, count: usize) -> Result<Summary, String> {
    let world = Arc::new(World::new(seed, version));
    let mut twins = twins(&world).await;
    let pool = Arc::new(Pool::load(&world, &mut twins.runner.pair.plain).await);
    match twins.runner.run(seed, Arc::clone(&pool), count).await {
        Ok(summary) => {
            let markers = pool.markers();
            let search = || twins.proxy.assert_absent(markers);
            if std::panic::catch_unwind(AssertUnwindSafe(search)).is_err() {
                return Err(format!("seed {seed}: {}", leak(&twins.proxy, markers)));
            }
            support::assert_only_cells(&twins.fixture).await;
            Ok(summary)
        }
        Err(failure) => Err(reproduction(seed, &world, *failure).await),
    }
}

/// What was sent before a marker, as far as it went out as it is.
fn leak(proxy: &RecordingProxy, markers: &[Vec<u8>]) -> String {
    let mut text = "the server was sent plaintext".to_owned();
    for recording in proxy.recordings() {
        for marker in markers {
            let sent = &recording.to_server;
            let found = sent
                .windows(marker.len())
                .position(|window| window == marker);
            if let Some(at) = found {
                let around = &sent[at.saturating_sub(1500)..at + marker.len()];
                text.push_str(&format!(":\n{}", around.escape_ascii()));
            }
        }
    }
    text
}

/// The fewest steps that show the difference, as SQL.
async fn reproduction(seed: u64, world: &Arc<World>, failure: Failure) -> String {
    let sent = failure.steps.len();
    let differs = async |steps: &[Step]| twins(world).await.runner.replay(steps).await.err();
    let (steps, difference) = if std::env::var_os("SEALWIRE_TWIN_NO_SHRINK").is_some() {
        (failure.steps[sent - 1..].to_vec(), None)
    } else {
        shrink::steps(failure.steps, differs).await
    };
    let mut text = format!("seed {seed}, step {sent}: {}\n", failure.difference);
    for table in &world.tables {
        text.push_str(&table.ddl(Twin::Plain));
        for column in &table.columns {
            if let Some(encryption) = &column.encryption {
                text.push_str(&format!("  -- {} {encryption:?}\n", column.name));
            }
        }
    }
    for sql in &world.setup {
        text.push_str(&format!("{sql};\n"));
    }
    for step in &steps {
        text.push_str(&step.text);
    }
    text.push_str(&difference.unwrap_or_else(|| "which came once only".into()));
    text
}

fn kept_seeds() -> Vec<u64> {
    SEEDS
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn random_encrypted_and_plain_tables_do_not_differ() {
    let version = version().await;
    let default = u64::try_from(DEFAULT_COUNT).unwrap();
    let count = usize::try_from(support::environment("SEALWIRE_TWIN_COUNT", default)).unwrap();
    let first = support::environment("SEALWIRE_TWIN_SEED", 1);
    // Who asks for a seed wants that one.
    let kept = match std::env::var_os("SEALWIRE_TWIN_SEED") {
        Some(_) => Vec::new(),
        None => kept_seeds(),
    };
    let seeds = kept.into_iter().chain(first..);
    let go_on = std::env::var_os("SEALWIRE_TWIN_GO_ON").is_some();
    let mut all = Summary::default();
    let mut failed = Vec::new();
    for seed in seeds {
        match run(seed, version, PER_WORLD.min(count)).await {
            Ok(summary) => {
                eprintln!("seed {seed}: {} statements", summary.statements);
                all.add(&summary);
            }
            Err(difference) if go_on => {
                eprintln!("{difference}\n=====");
                failed.push(seed);
                all.statements += PER_WORLD;
            }
            Err(difference) => panic!("{difference}"),
        }
        if all.statements >= count {
            break;
        }
    }
    eprintln!("{}", all.table());
    assert!(failed.is_empty(), "seeds with a difference: {failed:?}");
    if all.statements >= DEFAULT_COUNT {
        assert_worth(&all, version);
    }
}

/// A run that was refused all the time, or that met no errors, has tested nothing.
fn assert_worth(summary: &Summary, version: u32) {
    let drawn = summary.constructs.keys().copied();
    let all: BTreeSet<&str> = CONSTRUCTS.iter().copied().chain(drawn).collect();
    let missing: Vec<&str> = all
        .into_iter()
        .filter(|construct| !FAULTS.contains(construct))
        .filter(|construct| version >= 15 || *construct != "MERGE")
        .filter(|construct| {
            summary
                .constructs
                .get(construct)
                .is_none_or(|c| c.passed == 0)
        })
        .collect();
    assert!(
        missing.is_empty(),
        "constructs that never passed: {missing:?}"
    );
    for reason in [
        "range",
        "LIKE",
        "function",
        "mixing",
        "randomized comparison",
        "whole row",
    ] {
        let refused = summary
            .refusable
            .get(reason)
            .map_or(0, |count| count.refused);
        assert!(refused > 0, "`{reason}` was never refused");
    }
    for code in ERRORS {
        assert!(
            summary.errors.contains_key(*code),
            "no error {code} was met"
        );
    }
    assert!(
        summary.rows > summary.statements,
        "hardly any row was compared"
    );
}
