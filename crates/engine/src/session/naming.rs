//! Prepared statements and cursors of SQL: what texts refer to, and what has become of the names.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sealwire_sql::{Plan, executed_with_values, prepared_names, uses_names};

use super::Session;
use super::bind::Standing;
use super::parse::Readiness;
use crate::effect::Effect;
use crate::error::Error;
use crate::mention;
use crate::message::frontend::{self, Target};
use crate::names::{self, NameChange, SessionNames};
use crate::poison::Report;
use crate::queue::{Entry, Expect, Work};
use crate::statement::{Check, Kind, Statement, Words};

impl Session {
    pub(super) fn names(&self) -> SessionNames<'_> {
        SessionNames {
            statements: &self.statements,
            portals: &self.portals,
        }
    }

    /// Whether the bytes of a name are those that it had when it was given: planned statements are only
    /// had in UTF-8.
    pub(super) fn spelt_as_before(&mut self) -> Result<Readiness, Error> {
        if self.reported.lagging || !self.queue.answered(self.last_risky) {
            match self.ready_to_analyse()? {
                Readiness::Ready => {}
                other => return Ok(other),
            }
        }
        Ok(match self.reported.is_utf8() {
            true => Readiness::Ready,
            false => Readiness::Refused(
                Report::new(
                    "0A000",
                    "refusing to take a name that may have been given under another encoding",
                )
                .with_hint("set client_encoding = 'UTF8', or use a name in ASCII"),
            ),
        })
    }

    /// Whether a text refers to a name that means something to the session.
    pub(super) fn uses_names(&self, text: &str) -> bool {
        let names = self.names();
        !names.is_empty() && uses_names(text, &names)
    }

    /// Notes that the next entry gives names a meaning.
    pub(super) fn note_defining(&mut self, entry: &Entry) {
        if entry.names.is_empty() {
            return;
        }
        let seq = self.queue.next_seq();
        match entry.work {
            Work::Plain => self.last_plain_defining = seq,
            _ => self.last_defining = seq,
        }
    }

    /// What a text without a plan does to names.
    pub(super) fn plain_changes(
        &self,
        text: &str,
        effect: Effect,
    ) -> Result<Vec<(usize, NameChange)>, Error> {
        Ok(match effect.naming.defines {
            true => names::plain_changes(text, self.analysis()?),
            false => Vec::new(),
        })
    }

    /// Whether the plain statements to which a text gives values are plain still: a word of one may
    /// have become the name of something protected since it was prepared, or may become one in the same
    /// text.
    pub(super) fn executed_plain(
        &mut self,
        text: &str,
        effect: Effect,
    ) -> Result<Readiness, Error> {
        if !self.queue.answered(self.last_plain_defining) {
            self.wait_for(self.last_plain_defining);
            return Ok(Readiness::Wait);
        }
        if self.statements.is_empty() && !text.contains(';') {
            return Ok(Readiness::Ready);
        }
        for executed in executed_with_values(text) {
            let statement = self.statements.get(executed.name.as_bytes()).cloned();
            let kind = statement.as_ref().map(|statement| &statement.kind);
            let changes = executed.after_change || effect.calls;
            // A statement that mentions a protected name may be led to it by the search path; any other,
            // one that the text itself prepares too, only by a name that the text gives.
            let may_turn = match kind {
                Some(Kind::Untouched) => changes,
                Some(Kind::Plain(_)) | None => changes && self.analysis()?.mentions(text),
                Some(Kind::Risky | Kind::Planned(_) | Kind::Failed(_)) => false,
            };
            if may_turn {
                return Ok(Readiness::Refused(Report::executed_after_change()));
            }
            let Some(statement) = statement else { continue };
            match &statement.kind {
                Kind::Plain(words) if self.is_plain_by(&statement, words)? => {}
                Kind::Plain(_) => return Ok(Readiness::Refused(Report::moved())),
                Kind::Untouched => match self.standing(&statement)? {
                    Standing::Same => {}
                    Standing::Replanned(_) | Standing::Plain => {
                        return Ok(Readiness::Refused(Report::moved()));
                    }
                    Standing::Wait => return Ok(Readiness::Wait),
                    Standing::Refused(report) => return Ok(Readiness::Refused(report)),
                },
                Kind::Risky | Kind::Planned(_) | Kind::Failed(_) => {}
            }
        }
        Ok(Readiness::Ready)
    }

    /// Whether a text that cannot be read as the server reads it may have values for a prepared
    /// statement that is not plain.
    pub(super) fn may_give_values(&self, text: &[u8]) -> Result<bool, Error> {
        if self.statements.is_empty() || !mention::has_word(text, b"execute") {
            return Ok(false);
        }
        let analysis = self.analysis()?;
        Ok(self.statements.any(|name, statement| {
            let is_plain = match &statement.kind {
                Kind::Plain(words) => {
                    let epoch = statement.epoch.load(Ordering::Relaxed);
                    !analysis.mentions_by(words, epoch)
                }
                Kind::Risky => true,
                Kind::Untouched | Kind::Planned(_) | Kind::Failed(_) => false,
            };
            let may_name = |name: &str| mention::may_name(text, name);
            !is_plain && !name.is_empty() && str::from_utf8(name).map_or(true, may_name)
        }))
    }

    /// Whether no word of a statement is a protected name.
    pub(super) fn is_plain_by(&self, statement: &Statement, words: &Words) -> Result<bool, Error> {
        let analysis = self.analysis()?;
        let epoch = analysis.names_epoch();
        let before = statement.epoch.load(Ordering::Relaxed);
        if before != epoch {
            if analysis.mentions_by(words, before) {
                return Ok(false);
            }
            statement.epoch.store(epoch, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// A statement of the entry at the front has completed that has no plan.
    pub(super) fn note_plain_names(&mut self, tag: &[u8]) {
        if !names::is_plain_change(tag) {
            return;
        }
        let next = |front: &Entry| front.names.first().map(|(of, _)| *of);
        if let Some(at) = self.queue.front().and_then(next) {
            self.note_names(at);
        }
    }

    /// The statement at this position of the entry at the front has completed.
    pub(super) fn note_names(&mut self, at: usize) {
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        if front.names.is_empty() {
            return;
        }
        for (_, change) in front.names.extract_if(.., |(of, _)| *of == at) {
            match change {
                NameChange::Statement(name, statement) => {
                    self.statements.define(name.as_bytes(), statement);
                }
                // Those of SQL: the unnamed statement is the protocol's alone.
                NameChange::NoStatements => {
                    self.statements.forget_confirmed(|name, _| name.is_empty());
                }
                NameChange::Cursor(name, portal) => self.portals.define(name.as_bytes(), portal),
                NameChange::NoCursors => self.portals.forget_confirmed(|_, _| false),
            }
        }
    }

    /// Until the server says that it has prepared them, the names that a text prepares get no
    /// values: it may be refused, or fail, or be skipped, and `EXECUTE` may follow all the same.
    pub(super) fn note_preparing(&mut self, text: &str) {
        for name in prepared_names(text) {
            let name = name.as_bytes();
            let before = self.statements.get(name).cloned();
            // Whoever prepares the same again does not mean anything else by the name.
            if before.as_ref().is_some_and(|before| *before.text == *text) {
                continue;
            }
            let failed = Arc::new(Statement::failed(before));
            self.statements.define(name, Some(failed));
            self.note_failed_name(name);
        }
    }

    /// Asks the server to describe what the last entry prepares, so that its parameters are checked
    /// before `EXECUTE` has values for them. Outside of the client's batch the descriptions end with
    /// a Sync of their own: should the statement fail, their error is nobody's.
    pub(super) fn describe_prepared(&mut self) -> Result<(), Error> {
        let Some(entry) = self.queue.back() else {
            return Ok(());
        };
        // What the text leaves behind: the server would answer with an error, and abort a
        // transaction, if it were asked for a name that is gone by the end of it.
        let mut prepared: Vec<(String, Arc<Statement>)> = Vec::new();
        for (_, change) in &entry.names {
            match change {
                NameChange::Statement(name, statement) => {
                    prepared.retain(|(other, _)| other != name);
                    prepared.extend(statement.iter().map(|it| (name.clone(), Arc::clone(it))));
                }
                NameChange::NoStatements => prepared.clear(),
                NameChange::Cursor(..) | NameChange::NoCursors => {}
            }
        }
        prepared.retain(|(_, statement)| matches!(statement.kind, Kind::Planned(_)));
        if prepared.is_empty() {
            return Ok(());
        }
        let private = !self.batch_open;
        for (name, statement) in &prepared {
            self.describe_by_name(name, statement, private)?;
        }
        if private {
            self.private_sync();
        }
        Ok(())
    }

    fn describe_by_name(
        &mut self,
        name: &str,
        statement: &Arc<Statement>,
        private: bool,
    ) -> Result<(), Error> {
        Target::Statement(name.as_bytes()).describe(&mut self.to_server)?;
        let work = Work::Statement(Arc::clone(statement));
        let seq = self.queue.push(Entry {
            private,
            ..Entry::injected(Expect::DescribeStatement, work)
        });
        if let Kind::Planned(prepared) = &statement.kind {
            prepared.describe_seq.store(seq, Ordering::Relaxed);
        }
        Ok(())
    }

    fn private_sync(&mut self) {
        frontend::bare(&mut self.to_server, b'S');
        self.queue.push(Entry {
            private: true,
            ..Entry::injected(Expect::Sync, Work::Plain)
        });
    }

    /// Whether the prepared statements that a text executes mean what was planned, and have been
    /// described by the server as planned.
    pub(super) fn executed_ready(&mut self, plan: &Plan) -> Result<Readiness, Error> {
        for name in &plan.executes {
            // A name that the text itself prepares has been planned with it just now.
            let Some(statement) = self.statements.get(name.as_bytes()).cloned() else {
                continue;
            };
            match self.standing(&statement)? {
                Standing::Same => {}
                Standing::Replanned(_) | Standing::Plain => {
                    return Ok(Readiness::Refused(Report::moved()));
                }
                Standing::Wait => return Ok(Readiness::Wait),
                Standing::Refused(report) => return Ok(Readiness::Refused(report)),
            }
            let Kind::Planned(prepared) = &statement.kind else {
                continue;
            };
            match prepared.check() {
                Check::Agrees => continue,
                Check::Disagrees => return Ok(Readiness::Refused(Report::disagrees())),
                Check::Open => {}
            }
            let asked = prepared.describe_seq.load(Ordering::Relaxed);
            if !self.queue.answered(asked) {
                self.wait_for(asked);
                return Ok(Readiness::Wait);
            }
            if self
                .described_in_vain
                .take()
                .is_some_and(|seq| seq == asked)
            {
                // In an aborted transaction the server describes nothing; it says so itself of what
                // is sent in place of the statement.
                let report = Report::new(
                    "0A000",
                    "refusing to execute a prepared statement that the server does not describe",
                )
                .with_hint("prepare the statement again");
                return Ok(Readiness::Refused(report));
            }
            let private = !self.batch_open;
            self.describe_by_name(name, &statement, private)?;
            if private {
                self.private_sync();
            }
            let seq = prepared.describe_seq.load(Ordering::Relaxed);
            self.described_in_vain = Some(seq);
            self.wait_for(seq);
            return Ok(Readiness::Wait);
        }
        self.described_in_vain = None;
        Ok(Readiness::Ready)
    }
}
