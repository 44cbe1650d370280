//! Round trips through a real PostgreSQL: raw tokio-postgres and Sealwire in process, interleaved
//! in random order inside every round of one run, printed as ratios.
//!
//! `cargo bench -p sealwire --bench round_trip`, with `-- --rounds N` for more rounds. The
//! statistic is the ratio of 5th percentiles, of wall-clock time and of the client process's CPU
//! time; "raw again" is a second raw connection, which shows the noise floor. Every variant gets
//! new connections several times in a run, and the low percentile picks the same case for each:
//! whether the kernel puts the server's process on the client's core decides the wall clock of
//! single look-ups otherwise. This is never a test: it asserts nothing
//! about time.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use cpu_time::ProcessTime;
use futures_util::future::try_join_all;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use rand::seq::SliceRandom;
use sealwire_testkit::{Postgres, TestDatabase};
use tokio_postgres::{Client, NoTls, Statement};

#[path = "support/shop.rs"]
mod shop;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const SCAN_ROWS: i32 = 100_000;
const IN_FLIGHT: i32 = 32;
/// What a program reads of a file at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Rounds of one measurement between two reconnections.
const ROUNDS: usize = 6;
const RECONNECTIONS: usize = 8;

/// One way to the server, with its statements prepared.
struct Variant {
    name: &'static str,
    client: Client,
    table: &'static str,
    by_id: Statement,
    by_email: Statement,
    scan: Statement,
    insert: Statement,
    /// The rows of the table as COPY has them.
    pieces: Vec<Bytes>,
}

impl Variant {
    async fn new(name: &'static str, client: Client, table: &'static str) -> Result<Self> {
        let by_email = format!("SELECT id, email FROM {table} WHERE email = $1");
        let insert = format!("INSERT INTO {table}_sink (id, email, note) VALUES ($1, $2, $3)");
        let lines = (1..=SCAN_ROWS).map(|id| format!("{id}\t{}\n", shop::email(id)));
        let lines = Bytes::from(lines.collect::<String>());
        let pieces = (0..lines.len()).step_by(PIECE_BYTES);
        let pieces = pieces.map(|at| lines.slice(at..lines.len().min(at + PIECE_BYTES)));
        Ok(Self {
            pieces: pieces.collect(),
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
                    .batch_execute(&format!("DELETE FROM {}_sink", self.table))
                    .await?;
            }
            Scenario::CopyIn => {
                let sql = format!("COPY {}_sink (id, email) FROM STDIN", self.table);
                let sink = self.client.copy_in(&sql).await?;
                pin_mut!(sink);
                // As a file is read: rows and pieces do not align.
                for piece in &self.pieces {
                    sink.feed(piece.clone()).await?;
                }
                assert_eq!(i32::try_from(sink.finish().await?)?, SCAN_ROWS);
                self.client
                    .batch_execute(&format!("TRUNCATE {}_sink", self.table))
                    .await?;
            }
            Scenario::CopyOut => {
                let sql = format!("COPY {} (id, email) TO STDOUT", self.table);
                let rows = self.client.copy_out(&sql).await?;
                pin_mut!(rows);
                let mut bytes = 0;
                while let Some(row) = rows.try_next().await? {
                    bytes += row.len();
                }
                let expected: usize = self.pieces.iter().map(Bytes::len).sum();
                assert_eq!(bytes, expected, "{}", self.name);
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
    CopyIn,
    CopyOut,
}

impl Scenario {
    const ALL: [Self; 10] = [
        Self::Plain,
        Self::PlainInFlight,
        Self::Deterministic,
        Self::DeterministicInFlight,
        Self::Scan,
        Self::Insert,
        Self::PrepareCold,
        Self::PrepareCached,
        Self::CopyIn,
        Self::CopyOut,
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
            Self::CopyIn => "COPY FROM of 100 000 rows, one sealed column",
            Self::CopyOut => "COPY TO of 100 000 rows, one opened column",
        }
    }

    /// Operations in one measurement.
    fn operations(self) -> i32 {
        match self {
            Self::Plain | Self::Deterministic => 200,
            Self::PlainInFlight | Self::DeterministicInFlight => 640,
            Self::Scan | Self::CopyIn | Self::CopyOut => 1,
            Self::Insert | Self::PrepareCold | Self::PrepareCached => 100,
        }
    }
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
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        return count(&database, arguments.get(at + 1..).unwrap_or_default()).await;
    }
    let encryption = shop::create(&database, SCAN_ROWS).await?;

    let mut samples = vec![[const { Samples::new() }; 3]; Scenario::ALL.len()];
    for epoch in 0..RECONNECTIONS {
        let (sealed, connection) = encryption.connect(&database.config(), NoTls).await?;
        tokio::spawn(connection);
        let variants = [
            Variant::new("raw", raw(&database.config()).await?, "plain").await?,
            Variant::new("raw again", raw(&database.config()).await?, "plain").await?,
            Variant::new("sealwire", sealed, "sealed").await?,
        ];
        for (scenario, samples) in Scenario::ALL.into_iter().zip(&mut samples) {
            for round in 0..=rounds {
                let number = i32::try_from(epoch * (rounds + 1) + round)?;
                let mut order = [0, 1, 2];
                order.shuffle(&mut rand::rng());
                for at in order {
                    let (start, cpu) = (Instant::now(), ProcessTime::now());
                    variants[at].run(scenario, number).await?;
                    // The first round warms caches and is not counted.
                    if round > 0 {
                        samples[at].wall.push(start.elapsed());
                        samples[at].cpu.push(cpu.elapsed());
                    }
                }
            }
        }
    }

    println!(
        "{:<44}{:>10}{:>20}{:>20}",
        "", "raw", "raw again", "sealwire"
    );
    println!(
        "{:<44}{:>10}{:>20}{:>20}",
        "", "us/op", "wall    cpu", "wall    cpu"
    );
    for (scenario, samples) in Scenario::ALL.into_iter().zip(&mut samples) {
        let [raw, again, sealed] = samples.each_mut().map(Samples::percentiles_5);
        let operations = match scenario {
            Scenario::Scan | Scenario::CopyIn | Scenario::CopyOut => SCAN_ROWS,
            _ => scenario.operations(),
        };
        println!(
            "{:<44}{:>10.2}{:>14.2}{:>6.2}{:>14.2}{:>6.2}",
            scenario.name(),
            raw.0 / f64::from(operations),
            again.0 / raw.0,
            again.1 / raw.1,
            sealed.0 / raw.0,
            sealed.1 / raw.1,
        );
    }
    Ok(())
}

/// `--count raw|sealwire SCENARIO BATCHES`: runs one scenario of [`Scenario::ALL`] (by its number)
/// a given number of times and nothing else, for callgrind. The difference between two runs of
/// different length is the cost of the scenario without the set-up.
async fn count(database: &TestDatabase<'_>, arguments: &[String]) -> Result<()> {
    let [variant, scenario, batches, ..] = arguments else {
        return Err(
            "--count needs raw|sealwire, the scenario's number and the number of batches".into(),
        );
    };
    let scenario = *Scenario::ALL
        .get(scenario.parse::<usize>()?)
        .ok_or("there is no such scenario")?;
    let encryption = shop::create(database, 1000).await?;
    let variant = if variant == "raw" {
        Variant::new("raw", raw(&database.config()).await?, "plain").await?
    } else {
        let (sealed, connection) = encryption.connect(&database.config(), NoTls).await?;
        tokio::spawn(connection);
        Variant::new("sealwire", sealed, "sealed").await?
    };
    for batch in 0..batches.parse()? {
        variant.run(scenario, batch).await?;
    }
    Ok(())
}

/// What one variant took for one scenario, a sample for each round.
#[derive(Clone)]
struct Samples {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Samples {
    const fn new() -> Self {
        Self {
            wall: Vec::new(),
            cpu: Vec::new(),
        }
    }

    /// Wall clock and CPU, in microseconds.
    fn percentiles_5(&mut self) -> (f64, f64) {
        let of = |samples: &mut Vec<Duration>| {
            samples.sort_unstable();
            samples[samples.len() / 20].as_secs_f64() * 1e6
        };
        (of(&mut self.wall), of(&mut self.cpu))
    }
}
