//! Names of prepared statements and portals, in two orders at once.
//!
//! What a name means when the client uses it is decided in the order in which the client sends;
//! whether that came true is known in the order in which the server answers. A slot therefore keeps
//! the confirmed meaning and the changes that are still on their way. A change that the server
//! discards is taken out, whatever came after it; so no undo can restore something that never was.
//!
//! Only names that mean something to the session have a slot, a plain statement only if it has a name.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

/// PostgreSQL keeps 63 bytes of a statement's or portal's name (`NAMEDATALEN - 1`).
pub(crate) const NAME_LEN_MAX: usize = 63;

/// Names and what they mean.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    by_name: FxHashMap<Box<[u8]>, Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    confirmed: Option<T>,
    /// In the order sent; the last one is what the client means.
    pending: VecDeque<(u64, Option<T>)>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            by_name: FxHashMap::default(),
        }
    }
}

fn key(name: &[u8]) -> &[u8] {
    &name[..name.len().min(NAME_LEN_MAX)]
}

impl<T> Slots<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// What the client means by a name now; `None` is something plain, or nothing.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&T> {
        if self.by_name.is_empty() {
            return None;
        }
        let slot = self.by_name.get(key(name))?;
        match slot.pending.back() {
            Some((_, meaning)) => meaning.as_ref(),
            None => slot.confirmed.as_ref(),
        }
    }

    /// Whether a name that is not known may be one of these in another encoding, in which it has other
    /// bytes.
    pub(crate) fn may_be_misspelt(&self, name: &[u8], test: impl Fn(&T) -> bool) -> bool {
        !name.is_ascii()
            && self.get(name).is_none()
            && self.any(|other, meaning| !other.is_ascii() && test(meaning))
    }

    /// The number of the message that gave a name what the client means by it now, while that has
    /// not come true.
    pub(crate) fn unsettled(&self, name: &[u8]) -> Option<u64> {
        if self.by_name.is_empty() {
            return None;
        }
        let slot = self.by_name.get(key(name))?;
        slot.pending.back().map(|&(seq, _)| seq)
    }

    /// Notes that the message `seq` gives a name a meaning. Returns whether there is anything to
    /// settle when its answer comes.
    pub(crate) fn set(&mut self, name: &[u8], seq: u64, meaning: Option<T>) -> bool {
        match self.by_name.get_mut(key(name)) {
            Some(slot) => slot.pending.push_back((seq, meaning)),
            None if meaning.is_none() => return false,
            None => {
                let slot = Slot {
                    confirmed: None,
                    pending: VecDeque::from([(seq, meaning)]),
                };
                self.by_name.insert(key(name).into(), slot);
            }
        }
        true
    }

    fn settle(&mut self, name: &[u8], change: impl FnOnce(&mut Slot<T>)) {
        if let Some(slot) = self.by_name.get_mut(key(name)) {
            change(slot);
            if slot.confirmed.is_none() && slot.pending.iter().all(|(_, to)| to.is_none()) {
                // Nothing left but changes to nothing; settling those later is a no-op.
                self.by_name.remove(key(name));
            }
        }
    }

    /// The server did what the message `seq` asked.
    pub(crate) fn commit(&mut self, name: &[u8], seq: u64) {
        self.settle(name, |slot| {
            if let Some(at) = slot.pending.iter().position(|&(s, _)| s == seq) {
                slot.confirmed = slot.pending.remove(at).and_then(|(_, meaning)| meaning);
            }
        });
    }

    /// The server did not do what the message `seq` asked: the name keeps its earlier meaning.
    pub(crate) fn abandon(&mut self, name: &[u8], seq: u64) {
        self.abandon_with(name, seq, |confirmed, _| confirmed);
    }

    /// The same, with the meaning that is left decided from the earlier one and the one given up.
    pub(crate) fn abandon_with(
        &mut self,
        name: &[u8],
        seq: u64,
        left: impl FnOnce(Option<T>, Option<T>) -> Option<T>,
    ) {
        self.settle(name, |slot| {
            if let Some(at) = slot.pending.iter().position(|&(s, _)| s == seq) {
                let given_up = slot.pending.remove(at).and_then(|(_, meaning)| meaning);
                slot.confirmed = left(slot.confirmed.take(), given_up);
            }
        });
    }

    /// Drops the confirmed meaning of a name if it satisfies `test`.
    pub(crate) fn forget_if(&mut self, name: &[u8], test: impl FnOnce(&T) -> bool) {
        self.settle(name, |slot| {
            if slot.confirmed.as_ref().is_some_and(test) {
                slot.confirmed = None;
            }
        });
    }

    /// Everything confirmed is gone unless it satisfies `stays`; what is on its way stays.
    pub(crate) fn forget_confirmed(&mut self, stays: impl Fn(&[u8], &T) -> bool) {
        self.by_name.retain(|name, slot| {
            if !slot.confirmed.as_ref().is_some_and(|it| stays(name, it)) {
                slot.confirmed = None;
            }
            slot.confirmed.is_some() || !slot.pending.is_empty()
        });
    }

    /// The server has given a name a meaning, in answer to a message that is no pending change.
    pub(crate) fn define(&mut self, name: &[u8], meaning: Option<T>) {
        if meaning.is_some() && !self.by_name.contains_key(key(name)) {
            let slot = Slot {
                confirmed: None,
                pending: VecDeque::new(),
            };
            self.by_name.insert(key(name).into(), slot);
        }
        self.settle(name, |slot| slot.confirmed = meaning);
    }

    /// Whether a name has, or may get, a meaning like this.
    pub(crate) fn any(&self, test: impl Fn(&[u8], &T) -> bool) -> bool {
        self.by_name.iter().any(|(name, slot)| {
            let pending = slot
                .pending
                .iter()
                .filter_map(|(_, meaning)| meaning.as_ref());
            let mut meanings = slot.confirmed.iter().chain(pending);
            meanings.any(|meaning| test(name, meaning))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discarded_change_leaves_the_confirmed_meaning() {
        let mut slots = Slots::default();
        assert!(slots.set(b"s", 1, Some('a')));
        slots.commit(b"s", 1);
        slots.set(b"s", 2, None);
        assert_eq!(slots.get(b"s"), None);
        slots.abandon(b"s", 2);
        assert_eq!(slots.get(b"s"), Some(&'a'));
    }

    #[test]
    fn two_discarded_changes_do_not_restore_one_another() {
        let mut slots = Slots::default();
        slots.set(b"s", 1, Some('p'));
        slots.commit(b"s", 1);
        // Both fail as duplicates, in separate batches.
        slots.set(b"s", 2, Some('a'));
        slots.set(b"s", 3, Some('b'));
        slots.abandon(b"s", 2);
        assert_eq!(slots.get(b"s"), Some(&'b'));
        slots.abandon(b"s", 3);
        assert_eq!(slots.get(b"s"), Some(&'p'));
    }

    #[test]
    fn a_failed_unnamed_parse_destroys_what_it_would_have_replaced() {
        let mut slots = Slots::default();
        slots.set(b"", 1, Some('a'));
        slots.commit(b"", 1);
        slots.set(b"", 2, Some('b'));
        slots.abandon_with(b"", 2, |_, _| None);
        assert_eq!(slots.get(b""), None);
    }

    #[test]
    fn names_count_up_to_63_bytes_as_on_the_server() {
        let mut slots = Slots::default();
        slots.set(&[b'x'; 70], 1, Some('a'));
        assert_eq!(slots.get(&[b'x'; 64]), Some(&'a'));
        assert_eq!(slots.get(&[b'x'; 62]), None);
    }

    #[test]
    fn portals_end_with_the_transaction_but_pipelined_ones_do_not() {
        let mut slots = Slots::default();
        slots.set(b"p", 1, Some('a'));
        slots.set(b"q", 2, Some('b'));
        slots.commit(b"p", 1);
        slots.forget_confirmed(|_, _| false);
        assert_eq!(slots.get(b"p"), None);
        assert_eq!(slots.get(b"q"), Some(&'b'));
    }

    #[test]
    fn what_sql_defines_counts_at_once() {
        let mut slots = Slots::default();
        slots.define(b"p", Some('a'));
        slots.define(b"h", Some('h'));
        assert_eq!(slots.get(b"p"), Some(&'a'));
        slots.set(b"p", 1, Some('b'));
        slots.forget_confirmed(|_, meaning| *meaning == 'h');
        assert_eq!(slots.get(b"h"), Some(&'h'));
        assert_eq!(slots.get(b"p"), Some(&'b'));
        slots.abandon(b"p", 1);
        slots.define(b"h", None);
        assert!(slots.by_name.is_empty());
    }

    #[test]
    fn plain_names_take_no_room() {
        let mut slots: Slots<char> = Slots::default();
        assert!(!slots.set(b"s", 1, None));
        slots.set(b"s", 2, Some('a'));
        slots.abandon(b"s", 2);
        assert!(slots.by_name.is_empty());
    }
}
