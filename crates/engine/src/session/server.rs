//! The server's messages.

use std::sync::Arc;

use super::{Phase, Session, Swallow};
use crate::effect::{self, Stale};
use crate::error::Error;
use crate::frame::{HEADER_LEN, Head, Step};
use crate::message::Malformed;
use crate::message::backend::{self, ERROR_PREFIX_MAX, Sqlstate};
use crate::queue::{Change, Entry, Expect, Work};
use crate::statement::{Kind, Statement};

/// Longer than any ParameterStatus: settings are names, paths and zones.
const STATUS_BYTES_MAX: usize = 1 << 20;
/// Enough of a command tag to know the command.
const TAG_PREFIX_MAX: usize = 64;

/// Names that stand for statements that were never prepared. More than any client has values on
/// the way for.
const FAILED_NAMES_MAX: usize = 1024;

/// Errors that say that a relation is not what it was: "cached plan must not change result type",
/// an undefined table, column or operator, another type, a type that cannot be determined.
const MOVED_SQLSTATES: &[&[u8]] = &[b"0A000", b"42P01", b"42703", b"42883", b"42804", b"42P18"];

pub(super) const OUT_OF_ORDER: Error = Error::ServerMisbehaved("message that nothing asked for");

/// What has become of a message that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Done.
    Done,
    /// Tried, and failed.
    Failed,
    /// Not looked at: skipped after an earlier error.
    Skipped,
}

impl Session {
    /// One frame of the server, its header complete.
    pub(super) fn server_frame(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        match (&self.phase, head.tag) {
            (Phase::ExpectStartup, _) => {
                return Err(Error::ServerMisbehaved(
                    "message before the startup message",
                ));
            }
            // Asynchronous: between any two messages, whatever is expected.
            (_, b'S') => return self.parameter_status(head, rest),
            (_, b'N' | b'A') => return Ok(Step::Forward(head.len)),
            (Phase::ExpectAuthentication | Phase::ExpectReady, _) => {
                return self.server_frame_at_start(head, rest);
            }
            _ => {}
        }
        match head.tag {
            b'1' => self.complete(Expect::Parse, head),
            b'2' => self.complete(Expect::Bind, head),
            b'3' => self.complete(Expect::Close, head),
            b'I' => self.empty_query(head),
            b's' => self.portal_suspended(head),
            b'C' => self.command_complete(head, rest),
            b'D' => self.data_row(head, rest),
            b't' => self.parameter_description(head, rest),
            b'T' => self.row_description(head, rest),
            b'n' => self.no_data(head),
            b'Z' => self.ready_for_query(head, rest),
            b'E' => self.error_response(head, rest),
            b'G' => self.copy_in_response(head, rest),
            b'H' | b'd' | b'c' => self.copy_out(head, rest),
            b'V' => {
                let front = self.front_of(&[Expect::FunctionCall])?;
                front.begun = true;
                let effect = front.effect;
                if let Some(analysis) = &mut self.analysis {
                    analysis.note_tag(b"", effect);
                }
                Ok(self.outward(false, head.len))
            }
            _ => Err(Error::ServerMisbehaved("unknown message type")),
        }
    }

    /// Where a frame goes: to the client, unless it answers a message of the session's own or the
    /// client has been told of an error already.
    pub(super) fn outward(&self, injected: bool, len: usize) -> Step {
        if injected || self.swallow != Swallow::No {
            Step::Drop(len)
        } else {
            Step::Forward(len)
        }
    }

    /// The front of the queue, which must be one of these and not a statement that had to fail.
    pub(super) fn front_of(&mut self, expects: &[Expect]) -> Result<&mut Entry, Error> {
        let front = self.queue.front_mut().ok_or(OUT_OF_ORDER)?;
        if !expects.contains(&front.expect) {
            return Err(OUT_OF_ORDER);
        }
        if matches!(front.work, Work::Poison(_)) {
            return Err(Error::ServerMisbehaved(
                "a statement that had to fail did not",
            ));
        }
        Ok(front)
    }

    /// Takes the front off the queue.
    pub(super) fn finish_front(&mut self) -> Result<(), Error> {
        if let Some(entry) = self.queue.pop()
            && !matches!(entry.change, Change::None)
        {
            self.settle_change(&entry, Fate::Done);
        }
        self.finish_load()
    }

    fn settle_change(&mut self, entry: &Entry, fate: Fate) {
        let seq = entry.seq;
        match (&entry.change, fate) {
            (Change::None, _) => {}
            (Change::Statement(name), Fate::Done) => self.statements.commit(name, seq),
            (Change::Statement(name), _) if entry.expect == Expect::Parse => {
                self.abandon_parse(name, seq);
            }
            (Change::Statement(name), _) => self.statements.abandon(name, seq),
            (Change::Portal(name), Fate::Done) => self.portals.commit(name, seq),
            (Change::Portal(name), _) => self.portals.abandon(name, seq),
            (Change::Skipped(names), _) => {
                for name in names {
                    self.statements.commit(name, seq);
                    self.note_failed_name(name);
                }
            }
            (Change::Unnamed, Fate::Skipped) => {
                self.statements.abandon(b"", seq);
                self.portals.abandon(b"", seq);
            }
            (Change::Unnamed, _) => {
                self.statements.commit(b"", seq);
                self.portals.commit(b"", seq);
            }
        }
    }

    /// A statement was not prepared. Where it was to be planned, or was refused, the name now stands
    /// for that failure: a client that sends ahead may have values for it on the way, and whatever
    /// else the name means to the server must not get them.
    fn abandon_parse(&mut self, name: &[u8], seq: u64) {
        let mut marked = false;
        self.statements.abandon_with(name, seq, |before, given_up| {
            // A failed Parse of the unnamed statement has destroyed the old one, unless it failed before
            // the server knew what it was for: a text that is none in the client's encoding. Values
            // are sealed for what may be there.
            let Some(given_up) = given_up else {
                return before;
            };
            let same = |before: &Arc<Statement>| before.text == given_up.text;
            match given_up.kind {
                Kind::Planned(_) if before.as_ref().is_some_and(same) => before,
                Kind::Planned(_) | Kind::Failed(_) => {
                    marked = true;
                    Some(Arc::new(Statement::failed(before)))
                }
                _ => before,
            }
        });
        if marked {
            self.note_failed_name(name);
        }
    }

    /// Keeps the number of names that stand for failures within bounds.
    pub(super) fn note_failed_name(&mut self, name: &[u8]) {
        if name.is_empty() {
            return;
        }
        self.failed_names.push_back(name.into());
        if self.failed_names.len() > FAILED_NAMES_MAX
            && let Some(oldest) = self.failed_names.pop_front()
        {
            let is_failed = |s: &Arc<Statement>| matches!(s.kind, Kind::Failed(_));
            self.statements.forget_if(&oldest, is_failed);
        }
    }

    /// ParseComplete, BindComplete, CloseComplete.
    fn complete(&mut self, expect: Expect, head: Head) -> Result<Step, Error> {
        if head.len != HEADER_LEN {
            return Err(Error::ServerMisbehaved("malformed completion"));
        }
        let injected = self.front_of(&[expect])?.injected;
        self.finish_front()?;
        Ok(self.outward(injected, head.len))
    }

    fn empty_query(&mut self, head: Head) -> Result<Step, Error> {
        let front = self.front_of(&[Expect::Execute, Expect::Query])?;
        front.begun = true;
        let (expect, injected, seq) = (front.expect, front.injected, front.seq);
        if expect == Expect::Execute {
            self.finish_front()?;
        } else {
            // No statement has taken the place of the unnamed portal.
            self.portals.abandon(b"", seq);
        }
        Ok(self.outward(injected, head.len))
    }

    fn portal_suspended(&mut self, head: Head) -> Result<Step, Error> {
        let injected = self.front_of(&[Expect::Execute])?.injected;
        self.finish_front()?;
        Ok(self.outward(injected, head.len))
    }

    fn command_complete(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let here = rest.len().min(head.len);
        if here < head.len.min(HEADER_LEN + TAG_PREFIX_MAX) {
            return Ok(Step::Starved);
        }
        let tag = &rest[HEADER_LEN..here];
        let tag = &tag[..tag.iter().position(|&b| b == 0).unwrap_or(tag.len())];
        let front = self.front_of(&[Expect::Execute, Expect::Query])?;
        let (expect, injected, effect) = (front.expect, front.injected, front.effect);
        let is_load = matches!(front.work, Work::Load);
        front.begun = true;
        match &mut front.work {
            Work::Query(run) => {
                run.at += 1;
                run.binary = false;
                let at = run.at - 1;
                self.note_names(at);
            }
            Work::Plain => self.note_plain_names(tag),
            _ => self.note_names(0),
        }
        if is_load {
            self.load_command_complete();
        } else if let Some(analysis) = &mut self.analysis {
            analysis.note_tag(tag, effect);
        }
        self.queue.leave_copy_in(false);
        if expect == Expect::Execute {
            let ends = effect::undoes(tag) && self.reported.changed_in_transaction;
            self.reported.lagging |= effect.reported || ends;
            self.finish_front()?;
        }
        Ok(self.outward(injected, head.len))
    }

    fn ready_for_query(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        const MALFORMED: Error = Error::ServerMisbehaved("malformed ReadyForQuery");
        if head.len != HEADER_LEN + 1 {
            return Err(MALFORMED);
        }
        let Some(&status) = rest.get(HEADER_LEN) else {
            return Ok(Step::Starved);
        };
        if !matches!(status, b'I' | b'T' | b'E') {
            return Err(MALFORMED);
        }
        let Some(front) = self.queue.front() else {
            return self.answer_to_ignored_sync(head);
        };
        let (expect, injected) = (front.expect, front.injected);
        let may_end = match expect {
            Expect::Sync => true,
            Expect::Query | Expect::FunctionCall => front.begun,
            _ => false,
        };
        if !may_end {
            return self.answer_to_ignored_sync(head);
        }
        self.in_block = status != b'I';
        self.reported.note_ready(status == b'I');
        if status == b'I' {
            // Portals end with their transaction, save those bound behind this point.
            self.portals.forget_confirmed(|_, portal| portal.hold);
            if let Some(analysis) = &mut self.analysis {
                analysis.note_transaction_end();
            }
        }
        self.queue.leave_copy_in(true);
        let step = self.outward(injected, head.len);
        let step = match (self.swallow, expect) {
            (Swallow::ToSync, Expect::Sync) | (Swallow::ToReady, _) if !injected => {
                self.swallow = Swallow::No;
                Step::Forward(head.len)
            }
            _ => step,
        };
        self.finish_front()?;
        Ok(step)
    }

    /// A Sync that was sent before copy data was either ignored or, when the copy failed at once,
    /// not; only the server knows.
    fn answer_to_ignored_sync(&mut self, head: Head) -> Result<Step, Error> {
        if self.queue.take_ignored_sync() {
            Ok(self.outward(false, head.len))
        } else {
            Err(OUT_OF_ORDER)
        }
    }

    fn error_response(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let is_load = |entry: &Entry| matches!(entry.work, Work::Load);
        let loads = self.queue.front().is_some_and(is_load);
        let needed = if loads {
            head.len
        } else {
            head.len.min(HEADER_LEN + ERROR_PREFIX_MAX)
        };
        let here = rest.len().min(head.len);
        if here < needed {
            return if loads {
                self.whole(head, rest).map(|_| Step::Starved)
            } else {
                Ok(Step::Starved)
            };
        }
        let body = &rest[HEADER_LEN..here];
        let sqlstate = backend::error_field(body, b'C').unwrap_or_default();
        let Some(front) = self.queue.front() else {
            // FATAL may come at any time.
            self.fatal = Sqlstate::of(sqlstate);
            return Ok(self.outward(false, head.len));
        };
        if matches!(backend::error_field(body, b'V'), Some(b"FATAL" | b"PANIC")) {
            // The connection ends; the client should know why, whatever else it knows.
            self.fatal = Sqlstate::of(sqlstate);
            return Ok(Step::Forward(head.len));
        }
        let ends_itself = front.expect.ends_itself();
        let plain_copy = self.queue.is_copying_in() && matches!(front.work, Work::Plain);
        let mut step = self.outward(front.private, head.len);
        match &front.work {
            Work::Load => {
                if !self.load_error(body) {
                    step = Step::Drop(head.len);
                }
            }
            Work::Poison(poison) => {
                let expected = poison
                    .expected
                    .iter()
                    .any(|code| code.as_bytes() == sqlstate);
                if expected && self.swallow == Swallow::No {
                    poison.report.write(&mut self.to_client, "ERROR")?;
                    step = Step::Drop(head.len);
                }
            }
            Work::Statement(_) | Work::Portal(_) | Work::Query(_) => {
                // A type that was declared may be gone ("cache lookup failed for type").
                let moved = MOVED_SQLSTATES.contains(&sqlstate)
                    || front.expect == Expect::Parse
                        && matches!(sqlstate, [b'4', b'2', ..] | [b'X', b'X', ..]);
                if let (true, Some(analysis)) = (moved, &mut self.analysis) {
                    analysis.doubt(Stale::Catalogue);
                }
            }
            Work::Plain => {}
        }
        if ends_itself {
            // ReadyForQuery follows by itself.
            let begun = self.queue.front_mut().map(|front| {
                let before = std::mem::replace(&mut front.begun, true);
                (front.expect, before, front.seq)
            });
            if let Some((Expect::Query, false, seq)) = begun {
                // It may have failed before the server looked at it, and may not.
                self.statements.abandon(b"", seq);
                self.portals.abandon(b"", seq);
            }
            self.queue.leave_copy_in(true);
        } else {
            self.fail_front()?;
            self.stray_copy = self.skipping && plain_copy;
        }
        Ok(step)
    }

    /// The message at the front has failed: the server discards everything up to the next Sync.
    pub(super) fn fail_front(&mut self) -> Result<(), Error> {
        if let Some(entry) = self.queue.pop() {
            self.settle_change(&entry, Fate::Failed);
        }
        self.queue.leave_copy_in(true);
        loop {
            match self.queue.front() {
                Some(front) if front.expect == Expect::Sync => break,
                Some(_) => {
                    if let Some(entry) = self.queue.pop() {
                        self.settle_change(&entry, Fate::Skipped);
                    }
                }
                None => {
                    self.skipping = true;
                    break;
                }
            }
        }
        self.finish_load()
    }

    fn parameter_status(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        const MALFORMED: Error = Error::ServerMisbehaved("malformed ParameterStatus");
        if head.len > STATUS_BYTES_MAX {
            return Err(MALFORMED);
        }
        let Some(body) = rest.get(HEADER_LEN..head.len) else {
            return Ok(Step::Starved);
        };
        let (name, value) = backend::parameter_status(body).map_err(|Malformed| MALFORMED)?;
        let doubtful = self.reported.note(name, value);
        if let (true, Some(analysis)) = (doubtful, &mut self.analysis) {
            analysis.doubt(Stale::Facts);
        }
        Ok(Step::Forward(head.len))
    }
}
