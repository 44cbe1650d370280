//! What may happen often is logged seldom: a crowd at the door is not to fill the disk too.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing more is said.
const SILENCE: Duration = Duration::from_secs(10);

/// Counts what is not said.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    since: u64,
}

impl Seldom {
    /// It has happened. How often since that was said last, where it is to be said again.
    pub(crate) fn happened(&self) -> Option<u64> {
        self.happened_at(Instant::now())
    }

    fn happened_at(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.since += 1;
        if said.last.is_some_and(|last| now < last + SILENCE) {
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_said_at_once_and_then_seldom() {
        let seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.happened_at(start), Some(1));
        for _ in 0..5 {
            assert_eq!(seldom.happened_at(start + SILENCE / 2), None);
        }
        assert_eq!(seldom.happened_at(start + SILENCE), Some(6));
        assert_eq!(seldom.happened_at(start + SILENCE), None);
    }
}
