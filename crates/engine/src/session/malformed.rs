//! Messages of the client that cannot be read although their frames are whole.
//!
//! PostgreSQL answers an error in its turn, skips to Sync where the message is of the extended protocol,
//! and goes on. What could not be read may hold values, so that something goes out in its place that is
//! malformed as well.

use bytes::BufMut;

use super::{Session, Wait};
use crate::error::Error;
use crate::frame::{Head, Step};
use crate::message::{frame, frontend};
use crate::poison::{Poison, Report};
use crate::queue::{Entry, Expect, Work};

/// `protocol_violation`.
const SQLSTATE: &str = "08P01";

/// Messages of a client that has begun a session.
const TAGS: &[u8] = b"QPBDECSHFXdcf";

/// A message of a type that there is not: nobody knows what else the client means.
pub(super) fn check_tag(head: Head) -> Result<(), Error> {
    match TAGS.contains(&head.tag) {
        true => Ok(()),
        false => Err(Error::ClientMisbehaved("unknown message type")),
    }
}

pub(super) fn format_report() -> Report {
    Report::new(SQLSTATE, "invalid message format")
}

fn poison(report: Report) -> Work {
    Work::Poison(Box::new(Poison {
        expected: &[SQLSTATE],
        report,
    }))
}

impl Session {
    /// A message that names something and asks for an answer: without a body it is malformed too.
    pub(super) fn malformed(&mut self, head: Head, expect: Expect) -> Step {
        self.malformed_with(head, expect, format_report())
    }

    /// Describe or Close of neither a statement nor a portal.
    pub(super) fn malformed_target(&mut self, head: Head, body: &[u8]) -> Step {
        let report = match (body, head.tag) {
            ([kind, name @ .., 0], tag) if !name.contains(&0) => {
                let what = if tag == b'C' { "CLOSE" } else { "DESCRIBE" };
                Report::new(SQLSTATE, format!("invalid {what} message subtype {kind}"))
            }
            _ => format_report(),
        };
        self.malformed_with(head, Expect::Malformed, report)
    }

    /// The same with another reason.
    pub(super) fn malformed_with(&mut self, head: Head, expect: Expect, report: Report) -> Step {
        frontend::bare(&mut self.to_server, head.tag);
        self.expect_malformed(expect, report);
        Step::Took(head.len)
    }

    fn expect_malformed(&mut self, expect: Expect, report: Report) {
        let entry = Entry {
            work: poison(report),
            ..Entry::new(expect)
        };
        if expect.ends_itself() {
            self.queue.push(entry);
        } else {
            self.expect(entry);
            self.skipping = true;
        }
    }

    /// A Bind of which the statement's name can be read. The server looks at the number of values, and at
    /// the state of the transaction, before it finds that there are none.
    pub(super) fn malformed_bind(&mut self, head: Head, body: &[u8]) -> Result<Step, Error> {
        let Some((portal, before_values)) = frontend::bind_before_values(body) else {
            return Ok(self.malformed(head, Expect::Malformed));
        };
        frame(&mut self.to_server, b'B', |out| {
            out.put_slice(before_values);
            Ok(())
        })?;
        self.expect_refused_bind(portal, poison(format_report()));
        Ok(Step::Took(head.len))
    }

    /// Flush or Sync with a body.
    pub(super) fn malformed_bare(&mut self, head: Head) -> Result<Step, Error> {
        // The server takes no notice of them while it reads copy data, and what is asked of it may yet
        // turn out to be a copy.
        let copies = self.queue.is_copying_in();
        if let Some(front) = self.queue.front().filter(|_| !copies) {
            if self.batch_open {
                frontend::bare(&mut self.to_server, b'H');
            }
            self.client_wait = Some(Wait::Copy(front.seq));
            return Ok(Step::Wait);
        }
        if head.tag == b'H' && (copies || self.skipping) {
            return Ok(Step::Drop(head.len));
        }
        frame(&mut self.to_server, head.tag, |out| {
            out.put_u8(0);
            Ok(())
        })?;
        if head.tag == b'H' {
            self.expect_malformed(Expect::Malformed, format_report());
        } else if !self.queue.ignores_sync() {
            self.end_batch();
            if let Some(sync) = self.queue.back_mut() {
                sync.work = poison(format_report());
            }
        }
        // Its body may be still to come.
        Ok(Step::Drop(head.len))
    }
}
