//! Round trips through a real PostgreSQL: raw tokio-postgres and Sealwire in process, interleaved
//! in random order inside every round of one run, printed as ratios.
//!
//! `cargo bench -p sealwire --bench round_trip`, with `-- --rounds N` for more rounds. The
//! statistic is the ratio of 20th percentiles; "raw again" is a second raw connection, which shows
//! the noise floor. This is never a test: it asserts nothing about time.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::{TryStreamExt, pin_mut};
use rand::seq::SliceRandom;
use sealwire_testkit::Postgres;
use tokio_postgres::{Client, NoTls, Statement};

#[path = "support/shop.rs"]
mod shop;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const SCAN_ROWS: i32 = 100_000;
const IN_FLIGHT: i32 = 32;
const ROUNDS: usize = 25;

/// One way to the server, with its statements prepared.
struct Variant {
    name: &'static str,
    client: Client,
    table: &'static str,
    by_id: Statement,
    by_email: Statement,
    scan: Statement,
    insert: Statement,
}

impl Variant {
    async fn new(name: &'static str, client: Client, table: &'static str) -> Result<Self> {
        let by_email = format!("SELECT id, email FROM {table} WHERE email = $1");
        let insert = format!("INSERT INTO {table}_sink (id, email, note) VALUES ($1, $2, $3)");
        Ok(Self {
            by_id: client
                .prepare("SELECT id, label FROM untouched WHERE id = $1")
                .await?,
            by_email: client.prepare(&by_email).await?,
            scan: client
                .prepare(&format!("SELECT id, email FROM {table}"))
                .await?,
            insert: client.prepare(&insert).await?,
            name,
            client,
            table,
        })
    }

    async fn run(&self, scenario: Scenario, round: i32) -> Result<()> {
        let operations = scenario.operations();
        match scenario {
            Scenario::Plain => {
                for id in 1..=operations {
                    self.client.query_one(&self.by_id, &[&id]).await?;
                }
            }
            Scenario::PlainInFlight => {
                for batch in 0..operations / IN_FLIGHT {
                    let first = batch * IN_FLIGHT + 1;
                    try_join_all(
                        (first..first + IN_FLIGHT).map(|id| async move {
                            self.client.query_one(&self.by_id, &[&id]).await
                        }),
                    )
                    .await?;
                }
            }
            Scenario::Deterministic => {
                for id in 1..=operations {
                    self.client
                        .query_one(&self.by_email, &[&shop::email(id)])
                        .await?;
                }
            }
            Scenario::DeterministicInFlight => {
                for batch in 0..operations / IN_FLIGHT {
                    let first = batch * IN_FLIGHT + 1;
                    try_join_all((first..first + IN_FLIGHT).map(|id| async move {
                        self.client
                            .query_one(&self.by_email, &[&shop::email(id)])
                            .await
                    }))
                    .await?;
                }
            }
            Scenario::Scan => {
                let no_parameters: [&str; 0] = [];
                let rows = self.client.query_raw(&self.scan, no_parameters).await?;
                pin_mut!(rows);
                let mut seen = 0;
                while let Some(row) = rows.try_next().await? {
                    let email: &str = row.get(1);
                    seen += i32::from(!email.is_empty());
                }
                assert_eq!(seen, SCAN_ROWS, "{}", self.name);
            }
            Scenario::Insert => {
                for at in 0..operations {
                    let id = round * operations + at;
                    self.client
                        .execute(
                            &self.insert,
                            &[&id, &shop::email(id), &"seen twice this year"],
                        )
                        .await?;
                }
                self.client
                    .batch_execute(&format!("TRUNCATE {}_sink", self.table))
                    .await?;
            }
            Scenario::PrepareCold => {
                for at in 0..operations {
                    // A text that no cache has seen: the comment differs every time.
                    let text = format!(
                        "SELECT id, email FROM {} WHERE email = $1 /* {round}.{at} */",
                        self.table
                    );
                    self.client.prepare(&text).await?;
                }
            }
            Scenario::PrepareCached => {
                let text = format!("SELECT id FROM {} WHERE email = $1", self.table);
                for _ in 0..operations {
                    self.client.prepare(&text).await?;
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Scenario {
    Plain,
    PlainInFlight,
    Deterministic,
    DeterministicInFlight,
    Scan,
    Insert,
    PrepareCold,
    PrepareCached,
}

impl Scenario {
    const ALL: [Self; 8] = [
        Self::Plain,
        Self::PlainInFlight,
        Self::Deterministic,
        Self::DeterministicInFlight,
        Self::Scan,
        Self::Insert,
        Self::PrepareCold,
        Self::PrepareCached,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "point SELECT, nothing encrypted",
            Self::PlainInFlight => "the same, 32 in flight",
            Self::Deterministic => "point SELECT by deterministic column",
            Self::DeterministicInFlight => "the same, 32 in flight",
            Self::Scan => "scan of 100 000 rows, one opened column",
            Self::Insert => "INSERT, one deterministic and one randomized",
            Self::PrepareCold => "prepare, statement never seen",
            Self::PrepareCached => "prepare, statement cached",
        }
    }

    /// Operations in one measurement.
    fn operations(self) -> i32 {
        match self {
            Self::Plain | Self::Deterministic => 200,
            Self::PlainInFlight | Self::DeterministicInFlight => 640,
            Self::Scan => 1,
            Self::Insert | Self::PrepareCold | Self::PrepareCached => 100,
        }
    }
}

fn percentile_20(samples: &mut [Duration]) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 5]
}

async fn raw(config: &tokio_postgres::Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let rounds = match arguments.iter().position(|argument| argument == "--rounds") {
        Some(at) => arguments
            .get(at + 1)
            .ok_or("--rounds needs a number")?
            .parse()?,
        None => ROUNDS,
    };
    let server = Postgres::start()?;
    let database = server.create_database().await;
    let encryption = shop::create(&database, SCAN_ROWS).await?;

    let sealed = async || -> Result<Client> {
        let (client, connection) = encryption.connect(&database.config(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    };
    let variants = [
        Variant::new("raw", raw(&database.config()).await?, "plain").await?,
        Variant::new("raw again", raw(&database.config()).await?, "plain").await?,
        Variant::new("sealwire", sealed().await?, "sealed").await?,
    ];
    println!(
        "{:<48}{:>12}{:>12}{:>12}",
        "", "raw", "raw again", "sealwire"
    );
    println!("{:<48}{:>12}{:>12}{:>12}", "", "us/op", "ratio", "ratio");
    for scenario in Scenario::ALL {
        let mut samples = vec![Vec::with_capacity(rounds); variants.len()];
        for round in 0..=rounds {
            let mut order: Vec<usize> = (0..variants.len()).collect();
            order.shuffle(&mut rand::rng());
            for at in order {
                let start = Instant::now();
                variants[at].run(scenario, i32::try_from(round)?).await?;
                // The first round warms caches and is not counted.
                if round > 0 {
                    samples[at].push(start.elapsed());
                }
            }
        }
        let times: Vec<f64> = samples
            .iter_mut()
            .map(|s| percentile_20(s).as_secs_f64() * 1e6)
            .collect();
        let per_operation = match scenario {
            Scenario::Scan => times[0] / f64::from(SCAN_ROWS),
            _ => times[0] / f64::from(scenario.operations()),
        };
        println!(
            "{:<48}{:>12.2}{:>12.2}{:>12.2}",
            scenario.name(),
            per_operation,
            times[1] / times[0],
            times[2] / times[0],
        );
    }
    Ok(())
}
