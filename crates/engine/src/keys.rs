//! The keys that the session holds, the column keys derived from them, and those it waits for.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sealwire_core::cell::ColumnKey;
use sealwire_core::policy::{ColumnId, KeyId, Policy};
use sealwire_core::secret::Cek;

use crate::need::Failure;

/// Keys of one session.
#[derive(Default)]
pub(crate) struct Keys {
    ceks: FxHashMap<KeyId, Arc<Cek>>,
    /// By column; each with its version.
    derived: Vec<Vec<(u8, ColumnKey)>>,
    /// To be asked for.
    wanted: Vec<KeyId>,
    /// Asked for and not answered.
    asked: Vec<KeyId>,
    /// Answered with a failure just now; emptied as soon as those who wait have seen it, so that
    /// the next use asks again.
    failed: Vec<(KeyId, Failure)>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("held", &self.ceks.len())
            .field("wanted", &self.wanted)
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

/// Why a key cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// It is being fetched.
    Awaited,
    /// It could not be had.
    Failed(Failure),
}

impl Keys {
    /// The key of a column under one version. Asks for its column encryption key if need be.
    pub(crate) fn column_key(
        &mut self,
        policy: &Policy,
        column: ColumnId,
        id: KeyId,
    ) -> Result<&ColumnKey, Unavailable> {
        let index = column.0 as usize;
        let at = self
            .derived
            .get(index)
            .and_then(|keys| keys.iter().position(|&(version, _)| version == id.version));
        let at = match at {
            Some(at) => at,
            None => {
                self.require(id)?;
                let cek = self.ceks.get(&id).ok_or(Unavailable::Awaited)?;
                let key = ColumnKey::derive(cek, id.version, policy.column(column));
                if self.derived.len() <= index {
                    self.derived.resize_with(index + 1, Vec::new);
                }
                self.derived[index].push((id.version, key));
                self.derived[index].len() - 1
            }
        };
        Ok(&self.derived[index][at].1)
    }

    /// Asks for a key unless it is held.
    pub(crate) fn require(&mut self, id: KeyId) -> Result<(), Unavailable> {
        if self.ceks.contains_key(&id) {
            return Ok(());
        }
        if let Some((_, failure)) = self.failed.iter().find(|(failed, _)| *failed == id) {
            return Err(Unavailable::Failed(failure.clone()));
        }
        if !self.wanted.contains(&id) && !self.asked.contains(&id) {
            self.wanted.push(id);
        }
        Err(Unavailable::Awaited)
    }

    /// Asks for all of them; a failure counts before a wait.
    pub(crate) fn require_all(&mut self, ids: &[KeyId]) -> Result<(), Unavailable> {
        let mut result = Ok(());
        for &id in ids {
            match self.require(id) {
                Err(Unavailable::Failed(failure)) => return Err(Unavailable::Failed(failure)),
                Err(Unavailable::Awaited) => result = Err(Unavailable::Awaited),
                Ok(()) => {}
            }
        }
        result
    }

    /// Whether none is being fetched.
    pub(crate) fn settled(&self) -> bool {
        self.wanted.is_empty() && self.asked.is_empty()
    }

    /// Whether there is something to fetch that has not been asked for.
    pub(crate) fn has_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// What to fetch next, once; one fetch is out at a time.
    pub(crate) fn poll(&mut self) -> Option<Vec<KeyId>> {
        if self.wanted.is_empty() || !self.asked.is_empty() {
            return None;
        }
        self.asked = std::mem::take(&mut self.wanted);
        Some(self.asked.clone())
    }

    /// Takes the keys asked for. One that was asked for and is not among them has failed.
    pub(crate) fn supply(&mut self, keys: Vec<(KeyId, Arc<Cek>)>) {
        for (id, cek) in keys {
            if self.asked.contains(&id) {
                self.ceks.insert(id, cek);
            }
        }
        self.asked.retain(|id| !self.ceks.contains_key(id));
        self.fail(&Failure {
            sqlstate: "58000",
            message: "a column encryption key was not supplied".into(),
            hint: None,
        });
    }

    /// Whatever was asked for could not be had.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        let asked = std::mem::take(&mut self.asked);
        self.failed
            .extend(asked.into_iter().map(|id| (id, failure.clone())));
    }

    /// Drops failures: the next use asks again.
    pub(crate) fn forget_failures(&mut self) {
        self.failed.clear();
    }

    /// Drops every key.
    pub(crate) fn forget(&mut self) {
        self.ceks.clear();
        self.derived.clear();
    }
}
