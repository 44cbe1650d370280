//! The responses that the server still owes, in the order in which it will give them.
//!
//! One entry per message that is answered, the client's and the session's own alike: a plain
//! statement and a planned one share one state machine.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::effect::Effect;
use crate::names::NameChange;
use crate::poison::Poison;
use crate::statement::{Portal, QueryRun, Statement};

/// Which message is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute,
    Close,
    Sync,
    Query,
    FunctionCall,
    /// An error: a message of the extended protocol that cannot be read.
    Malformed,
    /// Nothing: the place in the client's stream where it ends copy-in mode.
    CopyEnd,
}

impl Expect {
    /// Whether an error in its response is followed by ReadyForQuery without a Sync.
    pub(crate) fn ends_itself(self) -> bool {
        matches!(self, Self::Sync | Self::Query | Self::FunctionCall)
    }
}

/// What the session does with the response.
pub(crate) enum Work {
    /// Nothing: the frames pass.
    Plain,
    /// It belongs to a catalogue load of the session's own and goes nowhere.
    Load,
    /// The statement that was sent in place of a refused one: its error is replaced.
    Poison(Box<Poison>),
    /// A description to check and, unless it is the session's own, to rewrite.
    Statement(Arc<Statement>),
    /// Rows to open, or a description to rewrite.
    Portal(Arc<Portal>),
    /// The same for a simple Query.
    Query(QueryRun),
}

/// The change of a name that the response settles.
#[derive(Debug)]
pub(crate) enum Change {
    None,
    Statement(Box<[u8]>),
    Portal(Box<[u8]>),
    /// A Query: the unnamed statement and the unnamed portal.
    Unnamed,
    /// A Sync: statements whose Parse was skipped before it.
    Skipped(Vec<Box<[u8]>>),
}

/// A response that the server owes.
pub(crate) struct Entry {
    /// Rises by one from entry to entry.
    pub(crate) seq: u64,
    pub(crate) expect: Expect,
    pub(crate) work: Work,
    pub(crate) change: Change,
    /// The message was the session's own: its response goes nowhere.
    pub(crate) injected: bool,
    /// An error in answer to it is not the client's either: it ends with a Sync of its own.
    pub(crate) private: bool,
    /// What running it may do to the session's facts.
    pub(crate) effect: Effect,
    /// What its statements do to names once each has completed.
    pub(crate) names: Vec<(usize, NameChange)>,
    /// What must come before the last message of the response has come: ParameterDescription of a
    /// statement; a completion or an error of a Query; a result or an error of a FunctionCall.
    pub(crate) begun: bool,
}

impl Entry {
    pub(crate) fn new(expect: Expect) -> Self {
        Self {
            seq: 0,
            expect,
            work: Work::Plain,
            change: Change::None,
            injected: false,
            private: false,
            effect: Effect::default(),
            names: Vec::new(),
            begun: false,
        }
    }

    /// An entry for a message of the session's own.
    pub(crate) fn injected(expect: Expect, work: Work) -> Self {
        Self {
            work,
            injected: true,
            ..Self::new(expect)
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("seq", &self.seq)
            .field("expect", &self.expect)
            .field("injected", &self.injected)
            .finish_non_exhaustive()
    }
}

/// Entries that an empty queue keeps room for; what a longer pipeline took is given back.
const KEPT_ENTRIES_MAX: usize = 256;

/// The queue of expected responses.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    last_seq: u64,
    /// The server reads copy data for the Execute or Query at the front and the client has not
    /// ended it: a Sync is ignored by the server and owes no response.
    copying_in: bool,
    /// Syncs taken off because the server ignores them in copy-in mode. Whether it had read one
    /// before a copy failed cannot be known, so as many ReadyForQuery may come unexpected.
    ignored_syncs: usize,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that the entries take.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// The number that the next entry will have.
    pub(crate) fn next_seq(&self) -> u64 {
        self.last_seq + 1
    }

    /// Adds an entry; returns its number.
    pub(crate) fn push(&mut self, mut entry: Entry) -> u64 {
        self.last_seq += 1;
        entry.seq = self.last_seq;
        self.entries.push_back(entry);
        self.last_seq
    }

    pub(crate) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// The entry that was added last.
    pub(crate) fn back(&self) -> Option<&Entry> {
        self.entries.back()
    }

    pub(crate) fn back_mut(&mut self) -> Option<&mut Entry> {
        self.entries.back_mut()
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Entry> {
        self.entries.front_mut()
    }

    /// Takes the front off. Ends of copies behind it, which nothing answers, go with it.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front();
        while let Some(next) = self.entries.front()
            && next.expect == Expect::CopyEnd
        {
            self.entries.pop_front();
        }
        if self.entries.is_empty() && self.entries.capacity() > KEPT_ENTRIES_MAX {
            self.entries = VecDeque::new();
        }
        entry
    }

    /// Whether everything up to this number has been answered or discarded.
    pub(crate) fn answered(&self, seq: u64) -> bool {
        self.entries.front().is_none_or(|front| front.seq > seq)
    }

    /// Whether a Sync is among the entries.
    pub(crate) fn sync_queued(&self) -> bool {
        self.entries.iter().any(|e| e.expect == Expect::Sync)
    }

    /// The server reads copy data now. It ignores Sync in that mode, and clients send one with
    /// Execute, before the data. Returns how many have been sent in vain while the client has
    /// still to end the copy, or `None` when it has ended it.
    pub(crate) fn begin_copy_in(&mut self) -> Option<usize> {
        let end = self
            .entries
            .iter()
            .position(|entry| entry.expect == Expect::CopyEnd);
        let until = end.unwrap_or(self.entries.len());
        let mut at = 0;
        let mut ignored = 0;
        self.entries.retain(|entry| {
            let here = at;
            at += 1;
            let ignore = here > 0 && here < until && entry.expect == Expect::Sync;
            ignored += usize::from(ignore);
            !(ignore || Some(here) == end)
        });
        self.ignored_syncs = ignored;
        self.copying_in = end.is_none();
        self.copying_in.then_some(ignored)
    }

    /// Whether the server reads copy data that the client has not ended, for this entry.
    pub(crate) fn copies_in(&self, seq: u64) -> bool {
        self.copying_in && self.front().is_some_and(|front| front.seq == seq)
    }

    /// The ignored Syncs will be sent again.
    pub(crate) fn forget_ignored_syncs(&mut self) {
        self.ignored_syncs = 0;
    }

    /// The client has sent CopyDone or CopyFail.
    pub(crate) fn end_copy_in(&mut self) {
        if self.copying_in {
            self.copying_in = false;
        } else if !self.entries.is_empty() {
            self.push(Entry::new(Expect::CopyEnd));
        }
    }

    /// Whether the server ignores a Sync sent now.
    pub(crate) fn ignores_sync(&mut self) -> bool {
        self.ignored_syncs += usize::from(self.copying_in);
        self.copying_in
    }

    /// Whether the server reads copy data and the client has not ended them.
    pub(crate) fn is_copying_in(&self) -> bool {
        self.copying_in
    }

    /// The copy has ended on the server's side.
    pub(crate) fn leave_copy_in(&mut self, failed: bool) {
        self.copying_in = false;
        if !failed {
            self.ignored_syncs = 0;
        }
    }

    /// Whether a ReadyForQuery that no entry expects can be the answer to an ignored Sync.
    pub(crate) fn take_ignored_sync(&mut self) -> bool {
        let some = self.ignored_syncs > 0;
        self.ignored_syncs = self.ignored_syncs.saturating_sub(1);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(expects: &[Expect]) -> Queue {
        let mut queue = Queue::default();
        for &expect in expects {
            queue.push(Entry::new(expect));
        }
        queue
    }

    fn expects(queue: &Queue) -> Vec<Expect> {
        queue.entries.iter().map(|e| e.expect).collect()
    }

    #[test]
    fn copy_in_takes_off_the_sync_sent_with_execute() {
        let mut queue = queue(&[Expect::Execute, Expect::Sync]);
        queue.begin_copy_in();
        assert_eq!(expects(&queue), [Expect::Execute]);
        assert!(queue.ignores_sync());
        queue.end_copy_in();
        assert!(!queue.ignores_sync());
    }

    #[test]
    fn copy_in_that_the_client_has_ended_already_keeps_the_later_sync() {
        let mut queue = queue(&[
            Expect::Execute,
            Expect::Sync,
            Expect::CopyEnd,
            Expect::Sync,
            Expect::Parse,
        ]);
        queue.begin_copy_in();
        assert_eq!(
            expects(&queue),
            [Expect::Execute, Expect::Sync, Expect::Parse]
        );
        assert!(!queue.ignores_sync());
    }

    #[test]
    fn stray_ends_of_copies_vanish_with_the_entry_before_them() {
        let mut queue = queue(&[Expect::Execute, Expect::CopyEnd, Expect::Sync]);
        queue.pop();
        assert_eq!(expects(&queue), [Expect::Sync]);
    }

    #[test]
    fn answered_follows_the_front() {
        let mut queue = queue(&[Expect::Parse, Expect::Sync]);
        assert!(!queue.answered(1));
        queue.pop();
        assert!(queue.answered(1) && !queue.answered(2));
        queue.pop();
        assert!(queue.answered(2));
    }
}
