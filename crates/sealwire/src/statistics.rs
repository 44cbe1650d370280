//! What connections have done, in numbers.

use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealwire_engine::Counters;

/// Numbers since a [`ColumnEncryption`](crate::ColumnEncryption) was built, over all of its
/// connections. Never a value, a text or a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Statements and cells.
    pub done: Counters,
    /// Times that connections asked for keys, however many at a time.
    pub key_requests: u64,
    /// Times that a key could not be had.
    pub key_failures: u64,
    /// How long connections have waited for keys in all.
    pub key_wait: Duration,
}

impl AddAssign for Statistics {
    fn add_assign(&mut self, more: Self) {
        self.done += more.done;
        self.key_requests += more.key_requests;
        self.key_failures += more.key_failures;
        self.key_wait += more.key_wait;
    }
}

/// The same, counting.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Statistics>);

impl Tally {
    pub(crate) fn add(&self, counters: Counters) {
        self.lock().done += counters;
    }

    pub(crate) fn note_key_request(&self, waited: Duration, failed: bool) {
        let mut statistics = self.lock();
        statistics.key_requests += 1;
        statistics.key_failures += u64::from(failed);
        statistics.key_wait += waited;
    }

    pub(crate) fn read(&self) -> Statistics {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Statistics> {
        // Sums: nothing in between could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
