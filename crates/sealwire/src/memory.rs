//! The memory that messages take on several relays together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that each relay may hold beside the limit: what one read brings in either direction, so that
/// traffic of short messages does not touch what relays share.
const FREE_BYTES: usize = 64 << 10;

/// A limit for the messages that relays hold at a time, all of them together, in bytes: messages that
/// have to be whole before they can be rewritten, that wait for keys or the catalogue, or that a peer
/// does not take.
#[derive(Clone, Debug)]
pub struct MemoryLimit(Arc<Account>);

#[derive(Debug)]
struct Account {
    max: usize,
    used: AtomicUsize,
}

impl MemoryLimit {
    /// A limit of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Account {
            max: bytes,
            used: AtomicUsize::new(0),
        }))
    }

    /// Bytes that relays hold now, without the 64 KiB that each may hold anyway.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// The share of one relay, nothing to begin with.
    pub(crate) fn share(&self) -> Share {
        Share {
            limit: self.clone(),
            taken: 0,
        }
    }
}

/// What one relay takes of a limit.
#[derive(Debug)]
pub(crate) struct Share {
    limit: MemoryLimit,
    taken: usize,
}

impl Share {
    /// The relay holds so many bytes now. False when it has grown and that is more than there is.
    #[must_use]
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let Account { max, used } = &*self.limit.0;
        let (before, now) = (self.taken, bytes.saturating_sub(FREE_BYTES));
        self.taken = now;
        // A sum that nothing else is derived from needs no order between threads.
        if now > before {
            let more = now - before;
            used.fetch_add(more, Ordering::Relaxed) + more <= *max
        } else {
            if now < before {
                used.fetch_sub(before - now, Ordering::Relaxed);
            }
            true
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.limit.0.used.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let limit = MemoryLimit::new(100);
        let (mut one, mut other) = (limit.share(), limit.share());
        assert!(one.hold(FREE_BYTES) && other.hold(FREE_BYTES));
        assert_eq!(limit.used(), 0);
        assert!(one.hold(FREE_BYTES + 60) && other.hold(FREE_BYTES + 40));
        assert_eq!(limit.used(), 100);
        assert!(!one.hold(FREE_BYTES + 61));
        // Whoever shrinks is never too large, whatever the others hold.
        assert!(other.hold(FREE_BYTES + 39) && one.hold(FREE_BYTES + 60));
        drop(one);
        assert_eq!(limit.used(), 39);
        assert!(other.hold(0));
        assert_eq!(limit.used(), 0);
    }
}
