//! What connections have done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealwire_engine::Counters;

/// Numbers since a [`ColumnEncryption`](crate::ColumnEncryption) was built, over all of its
/// connections. Never a value, a text or a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Statement texts that name nothing encrypted. A text counts each time it is prepared, or sent
    /// as a simple query; executions of a prepared statement do not count.
    pub statements_plain: u64,
    /// Statement texts that were planned.
    pub statements_planned: u64,
    /// Statement texts that were refused.
    pub statements_refused: u64,
    /// Cells sealed.
    pub cells_sealed: u64,
    /// Cells opened.
    pub cells_opened: u64,
    /// Cells that did not open.
    pub cells_rejected: u64,
    /// Times that connections asked for keys, however many at a time.
    pub key_requests: u64,
    /// Times that a key could not be had.
    pub key_failures: u64,
    /// How long connections have waited for keys in all.
    pub key_wait: Duration,
}

impl Statistics {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            statements_plain: self.statements_plain + other.statements_plain,
            statements_planned: self.statements_planned + other.statements_planned,
            statements_refused: self.statements_refused + other.statements_refused,
            cells_sealed: self.cells_sealed + other.cells_sealed,
            cells_opened: self.cells_opened + other.cells_opened,
            cells_rejected: self.cells_rejected + other.cells_rejected,
            key_requests: self.key_requests + other.key_requests,
            key_failures: self.key_failures + other.key_failures,
            key_wait: self.key_wait + other.key_wait,
        }
    }
}

/// The same, counting.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    statements_plain: AtomicU64,
    statements_planned: AtomicU64,
    statements_refused: AtomicU64,
    cells_sealed: AtomicU64,
    cells_opened: AtomicU64,
    cells_rejected: AtomicU64,
    key_requests: AtomicU64,
    key_failures: AtomicU64,
    key_wait_micros: AtomicU64,
}

impl Tally {
    pub(crate) fn add(&self, counters: Counters) {
        let pairs = [
            (&self.statements_plain, counters.statements_plain),
            (&self.statements_planned, counters.statements_planned),
            (&self.statements_refused, counters.statements_refused),
            (&self.cells_sealed, counters.cells_sealed),
            (&self.cells_opened, counters.cells_opened),
            (&self.cells_rejected, counters.cells_rejected),
        ];
        for (total, more) in pairs {
            if more > 0 {
                total.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn note_key_request(&self, waited: Duration, failed: bool) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.key_requests.fetch_add(1, Ordering::Relaxed);
        self.key_failures
            .fetch_add(u64::from(failed), Ordering::Relaxed);
        self.key_wait_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            statements_plain: get(&self.statements_plain),
            statements_planned: get(&self.statements_planned),
            statements_refused: get(&self.statements_refused),
            cells_sealed: get(&self.cells_sealed),
            cells_opened: get(&self.cells_opened),
            cells_rejected: get(&self.cells_rejected),
            key_requests: get(&self.key_requests),
            key_failures: get(&self.key_failures),
            key_wait: Duration::from_micros(get(&self.key_wait_micros)),
        }
    }
}
