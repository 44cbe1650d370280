//! The client's messages.

use super::{Session, Wait};
use crate::effect::Effect;
use crate::error::Error;
use crate::frame::{Head, Step};
use crate::message::frontend::{self, Target};
use crate::message::{Malformed, frame};
use crate::queue::{Change, Entry, Expect, Work};
use crate::statement::Kind;

impl Session {
    /// One frame of the client, its header complete.
    pub(super) fn client_frame(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        if self.skipping && !matches!(head.tag, b'S' | b'X') {
            // The server would skip it; what it would skip must not carry a plaintext there either.
            return Ok(Step::Drop(head.len));
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
                if head.len != 5 {
                    return Err(Error::ClientMisbehaved("malformed Sync"));
                }
                if !self.queue.ignores_sync() {
                    self.queue.push(Entry::new(Expect::Sync));
                    self.batch_open = false;
                    self.skipping = false;
                }
                Ok(Step::Forward(head.len))
            }
            b'F' => {
                self.queue.push(Entry::new(Expect::FunctionCall));
                Ok(Step::Forward(head.len))
            }
            b'c' | b'f' => {
                self.queue.end_copy_in();
                Ok(Step::Forward(head.len))
            }
            b'd' | b'H' | b'X' => Ok(Step::Forward(head.len)),
            _ => Err(Error::ClientMisbehaved("unknown message type")),
        }
    }

    /// Adds an entry of the client's extended protocol.
    pub(super) fn expect(&mut self, entry: Entry) -> u64 {
        self.batch_open = true;
        self.note_effect(entry.effect);
        self.queue.push(entry)
    }

    /// Notes what the next entry may do.
    pub(super) fn note_effect(&mut self, effect: Effect) {
        if effect.risky {
            self.last_risky = self.queue.next_seq();
        }
        if effect.renames {
            self.last_renaming = self.queue.next_seq();
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
        let target = Target::read(body)
            .map_err(|Malformed| Error::ClientMisbehaved("malformed Describe"))?;
        let entry = match target {
            Target::Statement(name) => Entry {
                work: match self.statements.get(name) {
                    Some(statement) if matches!(statement.kind, Kind::Planned(_)) => {
                        Work::Statement(statement.clone())
                    }
                    _ => Work::Plain,
                },
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

    fn client_execute(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let name = frontend::execute_portal(body)
            .map_err(|Malformed| Error::ClientMisbehaved("malformed Execute"))?;
        let mut entry = Entry::new(Expect::Execute);
        if let Some(portal) = self.portals.get(name) {
            entry.effect = portal.statement.effect;
            if portal.prepared().is_some() {
                entry.work = Work::Portal(portal.clone());
            }
        }
        self.expect(entry);
        Ok(Step::Forward(head.len))
    }

    fn client_close(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let target =
            Target::read(body).map_err(|Malformed| Error::ClientMisbehaved("malformed Close"))?;
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

    /// Ends a copy that the client knows nothing of: it has been told of an error before.
    pub(super) fn send_copy_fail(&mut self) -> Result<(), Error> {
        let Some(syncs) = self.abort_copy.take() else {
            return Ok(());
        };
        frame(&mut self.to_server, b'f', |out| {
            out.extend_from_slice(b"an earlier statement failed\0");
            Ok(())
        })?;
        self.queue.end_copy_in();
        self.queue.forget_ignored_syncs();
        // The server ignored these in copy-in mode; the client expects their answers.
        for _ in 0..syncs {
            frontend::bare(&mut self.to_server, b'S');
            self.queue.push(Entry::new(Expect::Sync));
        }
        Ok(())
    }
}
