//! The client's messages.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::malformed::check_tag;
use super::parse::Readiness;
use super::{Session, Wait};
use crate::analysis::Analysis;
use crate::effect::{self, Effect, Stale};
use crate::error::Error;
use crate::frame::{HEADER_LEN, Head, Step};
use crate::message::frontend::{self, Parse, Target};
use crate::names;
use crate::poison::Report;
use crate::queue::{Change, Entry, Expect, Work};
use crate::statement::{Kind, Portal, Statement};

impl Session {
    /// One frame of the client, its header complete.
    pub(super) fn client_frame(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        check_tag(head)?;
        if std::mem::take(&mut self.load_broke_batch) && head.tag == b'Q' {
            // The error that the client has got is this Query's, but it came of an extended message
            // of the session's own: the server skips the Query and wants a Sync. Its
            // ReadyForQuery is the one that the client waits for.
            frontend::bare(&mut self.to_server, b'S');
            self.end_batch();
            return Ok(Step::Drop(head.len));
        }
        if self.skipping && self.stray_copy && matches!(head.tag, b'd' | b'c' | b'f') {
            // The server discards it. It was for a statement that is none of ours, and goes out as
            // it would have before the error came.
            self.stray_copy = head.tag == b'd';
            return Ok(Step::Forward(head.len));
        }
        if self.skipping && !matches!(head.tag, b'S' | b'X') {
            // The server would skip it; what it would skip must not carry a plaintext there either.
            // Data behind it are not that COPY's.
            self.stray_copy = false;
            if head.tag == b'P' {
                let Some(body) = self.whole(head, rest)? else {
                    return Ok(Step::Starved);
                };
                self.skip_parse(body)?;
            }
            return Ok(Step::Drop(head.len));
        }
        if matches!(head.tag, b'P' | b'B' | b'D' | b'E' | b'C')
            && !self.queue.answered(self.last_defining)
        {
            return Ok(self.wait_for(self.last_defining));
        }
        if self.queue.len() >= self.options.limits.expected_responses_max {
            if self.batch_open {
                frontend::bare(&mut self.to_server, b'H');
            }
            self.client_wait = Some(Wait::Room);
            return Ok(Step::Wait);
        }
        match head.tag {
            b'P' => self.client_parse(head, rest),
            b'B' => self.client_bind(head, rest),
            b'D' => self.client_describe(head, rest),
            b'E' => self.client_execute(head, rest),
            b'C' => self.client_close(head, rest),
            b'Q' => self.client_query(head, rest),
            b'S' => {
                if head.len != HEADER_LEN {
                    return self.malformed_bare(head);
                }
                if !self.queue.ignores_sync() {
                    self.end_batch();
                }
                Ok(Step::Forward(head.len))
            }
            b'F' => self.client_call(head, rest),
            b'd' | b'c' | b'f' => self.client_copy(head, rest),
            b'H' if head.len != HEADER_LEN => self.malformed_bare(head),
            _ => Ok(Step::Forward(head.len)),
        }
    }

    /// FunctionCall: its values go out as they are, unless the function takes cells.
    fn client_call(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let seen = head.len.min(HEADER_LEN + 4);
        let Some(function) = rest.get(HEADER_LEN..seen) else {
            return Ok(Step::Starved);
        };
        if let Some(oid) = effect::made_function(function) {
            match self.names_ready()? {
                Readiness::Ready if !self.analysis()?.takes_cells(oid) => {}
                Readiness::Wait => return Ok(Step::Wait),
                readiness => {
                    if self.whole(head, rest)?.is_none() {
                        return Ok(Step::Starved);
                    }
                    let report = match readiness {
                        Readiness::Refused(report) => report,
                        _ => Report::call_of_cells(),
                    };
                    return Ok(self.malformed_with(head, Expect::FunctionCall, report));
                }
            }
        }
        let effect = effect::of_call(function);
        self.note_effect(effect);
        self.queue.push(Entry {
            effect,
            ..Entry::new(Expect::FunctionCall)
        });
        self.note_copy_data(false);
        Ok(Step::Forward(head.len))
    }

    /// Sees to it that the protected names, and the functions that take cells, are known. As for a text:
    /// a name may become protected only by what mentions a protected one.
    pub(super) fn names_ready(&mut self) -> Result<Readiness, Error> {
        if !self.queue.answered(self.last_renaming) {
            self.wait_for(self.last_renaming);
            return Ok(Readiness::Wait);
        }
        match self.analysis()?.stale {
            Stale::Names => self.ready_to_analyse(),
            _ => Ok(Readiness::Ready),
        }
    }

    /// The client's Sync goes out.
    pub(super) fn end_batch(&mut self) {
        let seq = self.queue.next_seq();
        if !self.in_block {
            // The end of an implicit transaction.
            self.note_effect(Effect {
                ends: true,
                ..Effect::default()
            });
        }
        let names = std::mem::take(&mut self.skipped_names);
        for name in &names {
            let before = self.statements.get(name).cloned();
            let failed = Arc::new(Statement::failed(before));
            self.statements.set(name, seq, Some(failed));
        }
        self.last_sync = self.queue.push(Entry {
            change: if names.is_empty() {
                Change::None
            } else {
                Change::Skipped(names)
            },
            ..Entry::new(Expect::Sync)
        });
        self.batch_open = false;
        self.skipping = false;
        self.stray_copy = false;
    }

    /// A Parse is dropped. A client that sends ahead does not know, and may have values for the
    /// statement behind its Sync.
    fn skip_parse(&mut self, body: &[u8]) -> Result<(), Error> {
        let Ok(parse) = Parse::read(body) else {
            return Ok(());
        };
        let analysis = self.analysis()?;
        let mentions = match str::from_utf8(parse.text) {
            Ok(text) if self.reported.unreadable().is_none() => {
                analysis.mentions(text) || self.may_be_folded(text)?
            }
            _ => analysis.may_mention(parse.text),
        };
        let same = |statement: &Arc<Statement>| statement.text.as_bytes() == parse.text;
        if !mentions || self.statements.get(parse.name).is_some_and(same) {
            return Ok(());
        }
        let max = self.options.limits.expected_responses_max;
        if self.skipped_names.len() >= max {
            return Err(Error::Limit {
                limit: "expected_responses_max",
                value: max,
            });
        }
        self.skipped_names.push(parse.name.into());
        Ok(())
    }

    /// Adds an entry of the client's extended protocol.
    pub(super) fn expect(&mut self, entry: Entry) -> u64 {
        self.batch_open = true;
        self.note_effect(entry.effect);
        self.note_defining(&entry);
        self.queue.push(entry)
    }

    /// Notes what the next entry may do.
    pub(super) fn note_effect(&mut self, effect: Effect) {
        // What was set for the transaction only is undone by its end.
        let undoes = |session: &Self| {
            session
                .analysis
                .as_ref()
                .is_some_and(Analysis::ends_with_transaction)
        };
        if effect.risky || effect.ends && (undoes(self) || self.reported.changed_in_transaction) {
            self.last_risky = self.queue.next_seq();
        }
        if effect.renames {
            self.last_renaming = self.queue.next_seq();
        }
    }

    /// Whether the message that gave a name its meaning is still unanswered and in an earlier batch, or a
    /// batch of its own.
    /// In the same batch its failure skips whatever uses the name; from an earlier one it does not,
    /// and the name would mean something else to the server. Then the client waits.
    pub(super) fn waits_for_meaning(&mut self, seq: Option<u64>) -> bool {
        match seq {
            Some(seq) if seq < self.last_sync || seq == self.last_query => {
                self.wait_for(seq);
                true
            }
            _ => false,
        }
    }

    /// Lets the client wait until everything up to this entry is answered.
    pub(super) fn wait_for(&mut self, seq: u64) -> Step {
        if self.batch_open {
            frontend::bare(&mut self.to_server, b'H');
        }
        self.client_wait = Some(Wait::Answered(seq));
        Step::Wait
    }

    fn client_describe(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let Ok(target) = Target::read(body) else {
            return Ok(self.malformed_target(head, body));
        };
        let unsettled = match target {
            Target::Statement(name) => self.statements.unsettled(name),
            Target::Portal(name) => self.portals.unsettled(name),
        };
        if self.waits_for_meaning(unsettled) {
            return Ok(Step::Wait);
        }
        let entry = match target {
            Target::Statement(name) => Entry {
                work: self.describe_work(name),
                ..Entry::new(Expect::DescribeStatement)
            },
            Target::Portal(name) => Entry {
                work: match self.portals.get(name) {
                    Some(portal) if portal.prepared().is_some() => Work::Portal(portal.clone()),
                    _ => Work::Plain,
                },
                ..Entry::new(Expect::DescribePortal)
            },
        };
        self.expect(entry);
        Ok(Step::Forward(head.len))
    }

    fn describe_work(&self, name: &[u8]) -> Work {
        let statement = match self.statements.get(name) {
            Some(statement) => match &statement.kind {
                Kind::Failed(before) => before.as_ref(),
                _ => Some(statement),
            },
            None => None,
        };
        match statement {
            Some(statement) if matches!(statement.kind, Kind::Planned(_)) => {
                statement.described.store(true, Ordering::Relaxed);
                Work::Statement(statement.clone())
            }
            _ => Work::Plain,
        }
    }

    fn client_execute(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let Ok(name) = frontend::execute_portal(body) else {
            return Ok(self.malformed(head, Expect::Malformed));
        };
        if self.waits_for_meaning(self.portals.unsettled(name)) {
            return Ok(Step::Wait);
        }
        let is_planned = |portal: &Arc<Portal>| portal.prepared().is_some();
        if self.portals.may_be_misspelt(name, is_planned) {
            match self.spelt_as_before()? {
                Readiness::Ready => {}
                Readiness::Wait => return Ok(Step::Wait),
                Readiness::Refused(report) => {
                    return Ok(self.malformed_with(head, Expect::Malformed, report));
                }
            }
        }
        let mut entry = Entry::new(Expect::Execute);
        let mut names = Vec::new();
        if let Some(portal) = self.portals.get(name) {
            entry.effect = portal.statement.effect;
            entry.effect.renames |= self.may_rename(&portal.statement)?;
            if let Some(prepared) = portal.prepared() {
                if !prepared.plan.definitions.is_empty() {
                    names =
                        names::changes(&portal.statement.text, &prepared.plan, self.analysis()?);
                }
                entry.work = Work::Portal(portal.clone());
            } else if !portal.statement.by_sql {
                names = self.plain_changes(&portal.statement.text, entry.effect)?;
            }
        }
        let planned = matches!(entry.work, Work::Portal(_));
        let forward = names.is_empty() || !planned;
        entry.names = names;
        self.expect(entry);
        self.note_copy_data(planned);
        if forward {
            return Ok(Step::Forward(head.len));
        }
        self.to_server.extend_from_slice(&rest[..head.len]);
        self.describe_prepared()?;
        Ok(Step::Took(head.len))
    }

    /// Whether a statement that was prepared when no name of it was protected may now give something
    /// protected another name.
    fn may_rename(&self, statement: &Statement) -> Result<bool, Error> {
        let Effect {
            risky,
            harmless_set,
            ..
        } = statement.effect;
        if !risky || harmless_set {
            return Ok(false);
        }
        let analysis = self.analysis()?;
        let known = analysis.stale < Stale::Names && self.queue.answered(self.last_renaming);
        Ok(!known
            || match statement.kind {
                Kind::Risky => statement.epoch.load(Ordering::Relaxed) != analysis.names_epoch(),
                _ => analysis.mentions(&statement.text),
            })
    }

    fn client_close(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let Ok(target) = Target::read(body) else {
            return Ok(self.malformed_target(head, body));
        };
        let seq = self.queue.next_seq();
        let mut entry = Entry::new(Expect::Close);
        match target {
            Target::Statement(name) => {
                if self.statements.set(name, seq, None) {
                    entry.change = Change::Statement(name.into());
                }
            }
            Target::Portal(name) => {
                if self.portals.set(name, seq, None) {
                    entry.change = Change::Portal(name.into());
                }
            }
        }
        self.expect(entry);
        Ok(Step::Forward(head.len))
    }
}
