//! Load over time: what a proxy needs must not grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sealwire_testkit::fixture::Fixture;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_postgres::{Config, NoTls};

use crate::Result;
use crate::middle::Middle;
use crate::work::{Session, Work};

const IDLE: usize = 500;
const BUSY: usize = 100;
/// Operations of a busy connection before it is closed and opened again.
const OPERATIONS: u32 = 200;
/// What of the time goes by before the measure of growth is taken.
const WARM_UP: f64 = 0.25;
const SAMPLES: u32 = 20;
/// Growth from there to the end that is taken for noise of the allocator: bytes, and a part.
const NOISE_BYTES: u64 = 8 << 20;
const NOISE_DIVISOR: u64 = 10;

/// 500 resting connections and 100 busy ones, which are opened anew all the time. Fails when memory
/// or file descriptors grow.
pub(crate) async fn run(fixture: &Fixture, length: Duration) -> Result<()> {
    let proxy = Middle::sealwire(fixture, None).await?;
    let config = proxy.config(fixture);
    let empty = proxy.memory()?;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(Session::open(&config, NoTls, "sealed").await?);
    }
    let resting = proxy.memory()?;
    println!(
        "{IDLE} resting connections, three prepared statements each: {} KiB each",
        (resting.saturating_sub(empty)) / IDLE as u64 / 1024
    );

    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let all_work = Arc::new(Barrier::new(BUSY + 1));
    let mut busy = JoinSet::new();
    for _ in 0..BUSY {
        let (config, all_work) = (config.clone(), Arc::clone(&all_work));
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        busy.spawn(async move {
            let first = Session::open(&config, NoTls, "sealed").await?;
            all_work.wait().await;
            work(first, config, stop, done).await
        });
    }
    // On a slow machine those that begin late would look like growth.
    tokio::select! {
        _ = all_work.wait() => {}
        Some(ended) = busy.join_next() => {
            ended??;
            return Err("a client ended before its time".into());
        }
    }
    let started = Instant::now();
    let mut settled = None;
    let mut last = (0, 0);
    println!(
        "{:>8}{:>14}{:>14}{:>14}",
        "s", "operations", "memory MiB", "descriptors"
    );
    for sample in 1..=SAMPLES {
        let until = started + length * sample / SAMPLES;
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            Some(ended) = busy.join_next() => {
                ended??;
                return Err("a client ended before its time".into());
            }
        }
        last = (proxy.memory()?, proxy.descriptors()?);
        println!(
            "{:>8}{:>14}{:>14.1}{:>14}",
            started.elapsed().as_secs(),
            done.load(Ordering::Relaxed),
            last.0 as f64 / f64::from(1 << 20),
            last.1
        );
        if settled.is_none() && started.elapsed() >= length.mul_f64(WARM_UP) {
            settled = Some(last);
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = busy.join_next().await {
        ended??;
    }
    for session in &mut idle {
        session.once(Work::LookUp).await?;
    }
    let settled = settled.ok_or("too short")?;
    let allowed = settled.0 + NOISE_BYTES + settled.0 / NOISE_DIVISOR;
    if last.0 > allowed || last.1 > settled.1 + BUSY * 2 {
        return Err(format!("it grows: {settled:?} bytes and descriptors, then {last:?}").into());
    }
    println!("it does not grow");
    Ok(())
}

async fn work(
    mut session: Session,
    config: Config,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Result<()> {
    loop {
        for number in 0..OPERATIONS {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let work = if number % 4 == 0 {
                Work::Transaction
            } else {
                Work::LookUp
            };
            session.once(work).await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        drop(session);
        session = Session::open(&config, NoTls, "sealed").await?;
    }
}
