//! Room for connections that are beginning. Whoever is silent gives way to whoever comes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, Semaphore};

use crate::proxy::Held;

/// So many may begin at a time. When there is no room, the oldest of those that have not said yet what
/// they want has to go, as in a queue of half-open connections: silence costs nothing, and would
/// otherwise shut everybody else out.
pub(crate) struct Beginnings {
    room: Arc<Semaphore>,
    gauge: Gauge,
    silent: Mutex<Silent>,
}

/// Those that have said nothing, by age.
#[derive(Default)]
struct Silent {
    next: u64,
    by_age: BTreeMap<u64, Place>,
}

/// The room of a connection that has said nothing is here, so that it can be given to another.
struct Place {
    held: Held,
    taken: Arc<Notify>,
}

/// A connection that has not said yet what it wants.
pub(crate) struct Silence {
    among: Arc<Beginnings>,
    number: u64,
    taken: Arc<Notify>,
}

impl Beginnings {
    pub(crate) fn new(number: usize, gauge: Gauge) -> Self {
        Self {
            room: Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS))),
            gauge,
            silent: Mutex::default(),
        }
    }

    /// Room for a connection that comes: free room, or that of the oldest that is silent. `None` when
    /// nobody is.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Silence> {
        let mut silent = self.silent();
        let held = Held::one_of(&self.room, &self.gauge).or_else(|| {
            let (_, oldest) = silent.by_age.pop_first()?;
            oldest.taken.notify_one();
            Some(oldest.held)
        })?;
        let taken = Arc::new(Notify::new());
        let place = Place {
            held,
            taken: Arc::clone(&taken),
        };
        let number = silent.next;
        silent.next += 1;
        silent.by_age.insert(number, place);
        Some(Silence {
            among: Arc::clone(self),
            number,
            taken,
        })
    }

    /// Nothing that is kept in it can be half changed by a panic.
    fn silent(&self) -> MutexGuard<'_, Silent> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Silence {
    /// Ready when another has taken its room.
    pub(crate) async fn is_over(&self) {
        self.taken.notified().await;
    }

    /// The room of the connection, which has said what it wants. `None` when that comes too late.
    pub(crate) fn break_it(self) -> Option<Held> {
        self.take()
    }

    fn take(&self) -> Option<Held> {
        let place = self.among.silent().by_age.remove(&self.number)?;
        Some(place.held)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl fmt::Debug for Beginnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beginnings")
            .field("room", &self.room.available_permits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::FutureExt;

    use super::*;

    fn beginnings(number: usize) -> Arc<Beginnings> {
        Arc::new(Beginnings::new(number, Gauge::default()))
    }

    fn has_to_go(silence: &Silence) -> bool {
        silence.is_over().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_that_is_silent_gives_its_room_to_one_that_comes() {
        let beginnings = beginnings(3);
        let spoken = beginnings.enter().unwrap();
        let (oldest, other) = (beginnings.enter().unwrap(), beginnings.enter().unwrap());
        let _held = spoken.break_it().unwrap();
        let newcomer = beginnings.enter().unwrap();
        assert!(has_to_go(&oldest) && !has_to_go(&other) && !has_to_go(&newcomer));
        assert_eq!(beginnings.gauge.get(), 3);
        // What it says comes too late, and it has nothing to give back.
        assert!(oldest.break_it().is_none());
        assert_eq!(beginnings.gauge.get(), 3);
        // However many come at once.
        let crowd: Vec<Silence> = (0..10).map(|_| beginnings.enter().unwrap()).collect();
        assert!(has_to_go(&other) && has_to_go(&newcomer));
        assert_eq!(crowd.iter().filter(|it| has_to_go(it)).count(), 8);
        assert_eq!(beginnings.gauge.get(), 3);
    }

    #[test]
    fn nobody_gives_way_who_has_spoken_or_gone() {
        let beginnings = beginnings(2);
        let first = beginnings.enter().unwrap().break_it().unwrap();
        let second = beginnings.enter().unwrap().break_it().unwrap();
        assert!(beginnings.enter().is_none());
        drop(first);
        drop(beginnings.enter().unwrap());
        assert_eq!(beginnings.gauge.get(), 1);
        let _third = beginnings.enter().unwrap().break_it().unwrap();
        assert!(beginnings.enter().is_none());
        drop(second);
        assert!(beginnings.enter().is_some());
    }
}
