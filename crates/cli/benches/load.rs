//! Load on `sealwire proxy`: beside a direct connection and pgbouncer, and over time.
//!
//! ```text
//! cargo bench -p sealwire-cli --bench load                     latency and CPU, interleaved in one run
//! cargo bench -p sealwire-cli --bench load -- --rounds 20      the same, longer
//! cargo bench -p sealwire-cli --bench load -- --soak 1800      half an hour: does it grow?
//! ```
//!
//! Each way to the server gets its turn in random order in every round; latencies are pooled and
//! compared as ratios to the direct way. CPU is that of the process in the middle, for each
//! operation. pgbouncer, which has one thread, runs in session mode with prepared statements, and is
//! left out where it is not installed. Nothing is asserted about time.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "load/middle.rs"]
mod middle;
#[path = "load/soak.rs"]
mod soak;
#[path = "load/work.rs"]
mod work;

use std::time::{Duration, Instant};

use middle::Middle;
use rand::seq::SliceRandom;
use sealwire_testkit::Postgres;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table};
use tokio::task::JoinSet;
use tokio_postgres::{Config, NoTls};
use work::{Session, Work};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const ROUNDS: usize = 8;
/// How long one way works in a round.
const SLICE: Duration = Duration::from_millis(500);
/// What the soak opens, busy ones twice: on a slow machine those that are closed have not ended when
/// others come in their place.
const SERVER_CONNECTIONS: u32 = 750;
const CONNECTIONS: [usize; 3] = [1, 10, 50];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let server = Postgres::start_for(SERVER_CONNECTIONS)?;
    // The fixture keeps it for as long as the process lives.
    let fixture = Fixture::on(Box::leak(Box::new(server)), tables()).await;
    work::fill(&fixture).await?;
    if let Some(seconds) = option(&arguments, "--soak")? {
        return soak::run(&fixture, Duration::from_secs(seconds)).await;
    }
    let rounds = option(&arguments, "--rounds")?.unwrap_or(ROUNDS as u64);
    compare(&fixture, rounds).await
}

/// The number behind an option.
fn option(arguments: &[String], name: &str) -> Result<Option<u64>> {
    let Some(at) = arguments.iter().position(|argument| argument == name) else {
        return Ok(None);
    };
    let number = arguments.get(at + 1).and_then(|it| it.parse().ok());
    Ok(Some(number.ok_or(format!("{name} needs a number"))?))
}

/// Each table twice: with one column sealed, and without.
fn tables() -> Vec<Table> {
    let table = |name: &str, key: &str, note: Column| {
        Table::new(
            "public",
            name,
            [Column::plain("id", "int4").constraint(key), note],
        )
    };
    vec![
        table("plain", "PRIMARY KEY", Column::plain("note", "text")),
        table("sealed", "PRIMARY KEY", Column::randomized("note", "text")),
        table("plain_log", "NOT NULL", Column::plain("note", "text")),
        table("sealed_log", "NOT NULL", Column::randomized("note", "text")),
    ]
}

/// One way to the server.
struct Way {
    name: &'static str,
    config: Config,
    table: &'static str,
    /// The process in the middle.
    middle: Option<usize>,
    latencies: Vec<u32>,
    cpu: Duration,
    sessions: Vec<Session>,
}

impl Way {
    /// Lets every session work for a slice of time.
    async fn work(&mut self, work: Work, middles: &[Middle], counts: bool) -> Result<()> {
        let middle = self.middle.map(|at| &middles[at]);
        let before = middle.map(Middle::cpu).transpose()?;
        let end = Instant::now() + SLICE;
        let mut running = JoinSet::new();
        for mut session in self.sessions.drain(..) {
            running.spawn(async move {
                let mut latencies = Vec::new();
                while Instant::now() < end {
                    let start = Instant::now();
                    session.once(work).await?;
                    latencies.push(u32::try_from(start.elapsed().as_micros())?);
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((session, latencies))
            });
        }
        while let Some(done) = running.join_next().await {
            let (session, latencies) = done??;
            self.sessions.push(session);
            if counts {
                self.latencies.extend(latencies);
            }
        }
        if let (Some(middle), Some(before), true) = (middle, before, counts) {
            self.cpu += middle.cpu()?.saturating_sub(before);
        }
        Ok(())
    }

    /// Percentile in microseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        f64::from(self.latencies[at])
    }

    fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }
}

async fn compare(fixture: &Fixture, rounds: u64) -> Result<()> {
    let direct = fixture.sealed().config();
    let mut middles = vec![
        Middle::sealwire(fixture, None).await?,
        Middle::sealwire(fixture, Some(1)).await?,
    ];
    match Middle::pgbouncer(fixture).await? {
        Some(pgbouncer) => middles.push(pgbouncer),
        None => println!("pgbouncer is not installed and left out"),
    }
    let way = |name, table, middle: Option<usize>| Way {
        name,
        config: middle.map_or(direct.clone(), |at| middles[at].config(fixture)),
        table,
        middle,
        latencies: Vec::new(),
        cpu: Duration::ZERO,
        sessions: Vec::new(),
    };
    for connections in CONNECTIONS {
        for work in [Work::LookUp, Work::Transaction] {
            let mut ways = vec![
                way("direct", "plain", None),
                way("proxy, nothing sealed", "plain", Some(0)),
                way("proxy, one column sealed", "sealed", Some(0)),
                way("proxy of one thread", "plain", Some(1)),
            ];
            if middles.len() > 2 {
                ways.push(way("pgbouncer", "plain", Some(2)));
            }
            for way in &mut ways {
                for _ in 0..connections {
                    let session = Session::open(&way.config, NoTls, way.table).await?;
                    way.sessions.push(session);
                }
            }
            // The first round warms caches and is not counted.
            for round in 0..=rounds {
                ways.shuffle(&mut rand::rng());
                for way in &mut ways {
                    way.work(work, &middles, round > 0).await?;
                }
            }
            print(&mut ways, work, connections);
        }
    }
    Ok(())
}

fn print(ways: &mut [Way], work: Work, connections: usize) {
    for way in ways.iter_mut() {
        way.latencies.sort_unstable();
    }
    ways.sort_by_key(|way| way.name);
    let find = |name: &str| ways.iter().find(|way| way.name == name);
    let Some(direct) = find("direct") else { return };
    println!("\n{work}, {connections} at a time");
    println!(
        "{:<28}{:>9}{:>9}{:>12}{:>12}{:>16}",
        "", "p50 us", "p99 us", "p50 ratio", "p99 ratio", "its CPU us/op"
    );
    for way in ways.iter() {
        println!(
            "{:<28}{:>9.0}{:>9.0}{:>12.2}{:>12.2}{:>16.1}",
            way.name,
            way.percentile(50),
            way.percentile(99),
            way.percentile(50) / direct.percentile(50),
            way.percentile(99) / direct.percentile(99),
            way.cpu_each(),
        );
    }
    let pairs = [
        ("proxy, nothing sealed", "pgbouncer"),
        ("proxy of one thread", "pgbouncer"),
        ("proxy, one column sealed", "proxy, nothing sealed"),
    ];
    for (one, other) in pairs {
        if let (Some(one), Some(other)) = (find(one), find(other)) {
            println!(
                "  {} to {}: p50 {:.2}, p99 {:.2}, CPU {:.2}",
                one.name,
                other.name,
                one.percentile(50) / other.percentile(50),
                one.percentile(99) / other.percentile(99),
                one.cpu_each() / other.cpu_each()
            );
        }
    }
}
