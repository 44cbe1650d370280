//! COPY: whose copy data is whose, and the rows of encrypted columns.
//!
//! A client may send copy data before the server has asked for it, and goes on sending when the
//! server has given the copy up, until it reads of it. Behind a statement that was planned or
//! refused such data never goes out as it is.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use sealwire_core::policy::{ColumnId, KeyId};
use sealwire_core::value::Format;
use sealwire_sql::{CopyDirection, CopyFormat, CopyStream, Outputs};

use super::malformed::format_report;
use super::server::OUT_OF_ORDER;
use super::{Session, Swallow, Wait};
use crate::catalogue::push_hex;
use crate::copy::{Codec, Marker, Transform};
use crate::error::Error;
use crate::frame::{HEADER_LEN, Head, Step};
use crate::message::{Malformed, Reader, frame, frontend};
use crate::open::Opener;
use crate::poison::{COPY_FAIL_SQLSTATES, COPY_FAIL_TEXT, Poison, Report};
use crate::queue::{Expect, Work};
use crate::seal::{Sealer, Stop, copy_keys};
use crate::statement::Check;

const NO_POLICY: Error = Error::ApiMisuse("a COPY came before the policy");

/// What the session knows of copies.
#[derive(Debug, Default)]
pub(super) struct Copying {
    /// The entry that the client's copy data belongs to, if it was planned or refused.
    client: Option<u64>,
    /// The stream at the front of the queue, if it has encrypted columns.
    stream: Option<Stream>,
}

impl Copying {
    /// Bytes of the row that is not whole yet.
    pub(super) fn held_bytes(&self) -> usize {
        let stream = self.stream.as_ref();
        stream.map_or(0, |stream| stream.codec.held_bytes())
    }
}

/// A stream under way.
struct Stream {
    /// Number of its entry.
    seq: u64,
    codec: Codec,
    /// What its rows are sealed under.
    keys: Box<[KeyId]>,
    /// Buffers that outlive a frame.
    cell: Vec<u8>,
    text: String,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("seq", &self.seq)
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

/// What was planned of the statement whose response comes now.
enum Planned {
    /// Nothing: whatever it copies passes.
    Nothing,
    /// No copy.
    NoCopy,
    Copy(Arc<CopyStream>),
}

/// What is left to do with a frame of copy data.
enum Fed {
    /// It has been dealt with.
    Done,
    /// A key is not here yet.
    Wait,
    /// The copy has failed.
    Failed(Report),
}

impl Session {
    /// The client has sent an Execute, a Query or a FunctionCall, which is the last entry now. Where what
    /// it sent before was planned and is not answered, the data that follow may still be for that.
    pub(super) fn note_copy_data(&mut self, planned: bool) {
        let seq = self.queue.next_seq() - 1;
        let waits = |before: &u64| !self.queue.answered(*before);
        let cautious = planned || self.copying.client.as_ref().is_some_and(waits);
        self.copying.client = cautious.then_some(seq);
    }

    /// CopyData, CopyDone or CopyFail of the client.
    pub(super) fn client_copy(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(seq) = self.copying.client else {
            if head.tag != b'd' {
                self.queue.end_copy_in();
            }
            return Ok(Step::Forward(head.len));
        };
        if self.queue.answered(seq) {
            // The server would ignore it.
            return Ok(Step::Drop(head.len));
        }
        if !self.queue.copies_in(seq) {
            self.wait_for_copy(seq);
            return Ok(Step::Wait);
        }
        if self.copying.stream.as_ref().is_none_or(|s| s.seq != seq) {
            if head.tag != b'd' {
                self.queue.end_copy_in();
            }
            return Ok(Step::Forward(head.len));
        }
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        match head.tag {
            b'f' => {
                let report = match Reader::new(body).cstr() {
                    // What a client says here may be about a value.
                    Ok(text) => {
                        let text = String::from_utf8_lossy(text);
                        Report::new("57014", format!("COPY from stdin failed: {text}"))
                    }
                    Err(Malformed) => format_report(),
                };
                self.fail_copy_in(report)?;
            }
            _ => match self.seal_rows((head.tag == b'd').then_some(body))? {
                Fed::Done if head.tag == b'c' => {
                    self.queue.end_copy_in();
                    self.copying.stream = None;
                    frontend::bare(&mut self.to_server, b'c');
                }
                Fed::Done => {}
                Fed::Wait => {
                    self.client_wait = Some(Wait::Keys);
                    return Ok(Step::Wait);
                }
                Fed::Failed(report) => self.fail_copy_in(report)?,
            },
        }
        Ok(Step::Took(head.len))
    }

    fn wait_for_copy(&mut self, seq: u64) {
        if self.batch_open {
            frontend::bare(&mut self.to_server, b'H');
        }
        self.client_wait = Some(Wait::Copy(seq));
    }

    /// Sends the rows of a frame, or of the end of the data, sealed.
    fn seal_rows(&mut self, body: Option<&[u8]>) -> Result<Fed, Error> {
        let policy = Arc::clone(self.analysis()?.policy());
        let Some(stream) = &mut self.copying.stream else {
            return Err(NO_POLICY);
        };
        if let Err(unavailable) = self.keys.require_all(&stream.keys) {
            return fed(Err(unavailable.into()));
        }
        let mut sealing = Sealing {
            format: wire_format(stream.codec.stream()),
            sealer: Sealer {
                policy: &policy,
                keys: &mut self.keys,
                settings: &self.reported.settings,
                scratch: &mut self.seal_scratch,
            },
            cell: &mut stream.cell,
            text: &mut stream.text,
        };
        feed(&mut stream.codec, body, &mut sealing, &mut self.to_server)
    }

    /// Ends the copy on the server, whose error the client gets replaced by this one. What the
    /// client still sends goes nowhere.
    fn fail_copy_in(&mut self, mut report: Report) -> Result<(), Error> {
        if let Some(stream) = self.copying.stream.take()
            && report.context.is_none()
        {
            report.context = stream.codec.context().map(String::into_boxed_str);
        }
        self.expect_copy_failure(report);
        self.queue.end_copy_in();
        copy_fail(&mut self.to_server)
    }

    fn expect_copy_failure(&mut self, report: Report) {
        if let Some(front) = self.queue.front_mut() {
            front.work = Work::Poison(Box::new(Poison {
                expected: COPY_FAIL_SQLSTATES,
                report,
            }));
        }
    }

    /// Ends a copy that the client knows nothing of: it has been told of an error before.
    pub(super) fn send_copy_fail(&mut self) -> Result<(), Error> {
        let Some(syncs) = self.abort_copy.take() else {
            return Ok(());
        };
        copy_fail(&mut self.to_server)?;
        self.queue.end_copy_in();
        self.queue.forget_ignored_syncs();
        // The server ignored these in copy-in mode; the client expects their answers.
        for _ in 0..syncs {
            frontend::bare(&mut self.to_server, b'S');
            self.queue.push(crate::queue::Entry::new(Expect::Sync));
        }
        Ok(())
    }

    /// CopyInResponse.
    pub(super) fn copy_in_response(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let front = self.front_of(&[Expect::Execute, Expect::Query])?;
        let (injected, seq) = (front.injected, front.seq);
        if injected {
            return Err(OUT_OF_ORDER);
        }
        let planned = self.planned_copy();
        let refusal = match &planned {
            Planned::Nothing => None,
            Planned::NoCopy => Some(unplanned()),
            Planned::Copy(stream) => match self.whole(head, rest)? {
                None => return Ok(Step::Starved),
                Some(body) => self.check_copy(stream, CopyDirection::In, body)?,
            },
        };
        let in_vain = self.queue.begin_copy_in();
        if self.swallow != Swallow::No {
            // The client will not send data to a statement that it believes skipped.
            self.abort_copy = in_vain;
            return Ok(Step::Drop(head.len));
        }
        if let Some(report) = refusal {
            // Whatever the client has sent for it waits.
            self.doubt_catalogue();
            self.expect_copy_failure(report);
            self.abort_copy = in_vain;
            return Ok(Step::Drop(head.len));
        }
        if let Planned::Copy(stream) = planned
            && stream.has_cells()
        {
            let stream = self.begin_stream(seq, stream)?;
            // Asked for now so that they are there with the first row; a failure counts only there.
            let _ = self.keys.require_all(&stream.keys);
            self.copying.stream = Some(stream);
        } else {
            self.copying.stream = None;
        }
        Ok(Step::Forward(head.len))
    }

    /// CopyOutResponse, CopyData or CopyDone of the server.
    pub(super) fn copy_out(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let front = self.front_of(&[Expect::Execute, Expect::Query])?;
        let (injected, seq) = (front.injected, front.seq);
        if injected || self.swallow != Swallow::No {
            return Ok(Step::Drop(head.len));
        }
        if head.tag == b'H' {
            return self.copy_out_response(head, rest, seq);
        }
        let opens = self.copying.stream.as_ref().is_some_and(|stream| {
            stream.seq == seq && stream.codec.stream().direction == CopyDirection::Out
        });
        if !opens {
            return match self.planned_copy() {
                Planned::Nothing => Ok(Step::Forward(head.len)),
                Planned::Copy(stream) if !stream.has_cells() => Ok(Step::Forward(head.len)),
                _ => Err(OUT_OF_ORDER),
            };
        }
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        match self.open_rows((head.tag == b'd').then_some(body))? {
            Fed::Done if head.tag == b'c' => {
                self.copying.stream = None;
                Ok(Step::Forward(head.len))
            }
            Fed::Done => Ok(Step::Took(head.len)),
            Fed::Wait => {
                self.server_waits = true;
                Ok(Step::Wait)
            }
            Fed::Failed(report) => {
                self.copying.stream = None;
                // Cells that do not open may mean that columns have moved.
                self.doubt_catalogue();
                self.fail_response(&report)?;
                Ok(Step::Took(head.len))
            }
        }
    }

    fn copy_out_response(&mut self, head: Head, rest: &[u8], seq: u64) -> Result<Step, Error> {
        let planned = self.planned_copy();
        let refusal = match &planned {
            Planned::Nothing => None,
            Planned::NoCopy => Some(unplanned()),
            Planned::Copy(stream) => match self.whole(head, rest)? {
                None => return Ok(Step::Starved),
                Some(body) => self.check_copy(stream, CopyDirection::Out, body)?,
            },
        };
        if let Some(report) = refusal {
            self.doubt_catalogue();
            self.fail_response(&report)?;
            return Ok(Step::Drop(head.len));
        }
        self.copying.stream = match planned {
            Planned::Copy(stream) if stream.has_cells() => Some(self.begin_stream(seq, stream)?),
            _ => None,
        };
        Ok(Step::Forward(head.len))
    }

    /// Delivers the rows of a frame, or of the end of the data, opened.
    fn open_rows(&mut self, body: Option<&[u8]>) -> Result<Fed, Error> {
        let policy = Arc::clone(self.analysis()?.policy());
        let Some(stream) = &mut self.copying.stream else {
            return Err(NO_POLICY);
        };
        let mut opening = Opening {
            format: wire_format(stream.codec.stream()),
            opener: Opener {
                policy: &policy,
                keys: &mut self.keys,
                settings: &self.reported.settings,
                scratch: &mut self.scratch,
            },
        };
        feed(&mut stream.codec, body, &mut opening, &mut self.to_client)
    }

    fn begin_stream(&self, seq: u64, stream: Arc<CopyStream>) -> Result<Stream, Error> {
        let row_bytes_max = self.options.limits.copied_row_bytes_max;
        // Taken for a value, the marker is sealed or fails; it never ends the data unnoticed.
        let marker = match self.reported.settings.is_server_at_least(18) {
            false => Marker::Loose,
            true => Marker::Alone,
        };
        Ok(Stream {
            seq,
            keys: copy_keys(&stream, self.analysis()?.policy()),
            codec: Codec::new(stream, marker, row_bytes_max),
            cell: Vec::new(),
            text: String::new(),
        })
    }

    /// What was planned of the statement at the front of the queue.
    fn planned_copy(&self) -> Planned {
        let Some(front) = self.queue.front() else {
            return Planned::Nothing;
        };
        let outputs = match &front.work {
            Work::Portal(portal) => match portal.prepared() {
                Some(prepared) if prepared.check() == Check::Disagrees => return Planned::NoCopy,
                Some(prepared) => prepared.plan.statements.first(),
                None => return Planned::Nothing,
            },
            Work::Query(run) => run.plan.statements.get(run.at),
            _ => return Planned::Nothing,
        };
        match outputs {
            Some(Outputs::Copy(stream)) => Planned::Copy(Arc::clone(stream)),
            Some(Outputs::Untouched) => Planned::Nothing,
            _ => Planned::NoCopy,
        }
    }

    /// Compares a CopyInResponse or CopyOutResponse with the plan.
    fn check_copy(
        &self,
        stream: &CopyStream,
        direction: CopyDirection,
        body: &[u8],
    ) -> Result<Option<Report>, Error> {
        const MALFORMED: Error = Error::ServerMisbehaved("malformed start of a COPY");
        let mut reader = Reader::new(body);
        let binary = reader.u8().map_err(|Malformed| MALFORMED)?;
        let count = reader.count().map_err(|Malformed| MALFORMED)?;
        reader.bytes(count * 2).map_err(|Malformed| MALFORMED)?;
        reader.end().map_err(|Malformed| MALFORMED)?;
        if count != stream.columns.len() || direction != stream.direction {
            return Ok(Some(unplanned().with_detail(format!(
                "{count} columns, {} were planned",
                stream.columns.len()
            ))));
        }
        if !stream.has_cells() {
            return Ok(None);
        }
        let says_utf8 = match &stream.format {
            CopyFormat::Text(text) | CopyFormat::Csv { text, .. } => {
                if binary != 0 {
                    return Ok(Some(unplanned()));
                }
                text.says_utf8
            }
            CopyFormat::Binary => {
                if binary != 1 {
                    return Ok(Some(unplanned()));
                }
                true
            }
        };
        let encoding = &self.reported.settings.client_encoding;
        if !says_utf8 && !encoding.eq_ignore_ascii_case("UTF8") {
            return Ok(Some(
                Report::new(
                    "0A000",
                    "refusing to copy encrypted columns: client_encoding must be UTF8",
                )
                .with_hint("set client_encoding = 'UTF8'"),
            ));
        }
        Ok(None)
    }
}

/// Sends on the rows of a frame, or of the end of the data, as one frame; none where there is nothing
/// to say.
fn feed(
    codec: &mut Codec,
    body: Option<&[u8]>,
    transform: &mut dyn Transform,
    out: &mut BytesMut,
) -> Result<Fed, Error> {
    let start = out.len();
    let mut result = Ok(());
    frame(out, b'd', |out| {
        result = match body {
            Some(body) => codec.feed(body, transform, out),
            None => codec.finish(transform, out),
        };
        Ok(())
    })?;
    if out.len() == start + HEADER_LEN {
        out.truncate(start);
    }
    fed(result)
}

fn fed(result: Result<(), Stop>) -> Result<Fed, Error> {
    match result {
        Ok(()) => Ok(Fed::Done),
        Err(Stop::Awaited) => Ok(Fed::Wait),
        Err(Stop::Failed(report)) => Ok(Fed::Failed(report)),
        Err(Stop::Fault(error)) => Err(error),
    }
}

fn copy_fail(out: &mut BytesMut) -> Result<(), Error> {
    frame(out, b'f', |out| {
        out.extend_from_slice(COPY_FAIL_TEXT);
        Ok(())
    })
}

fn unplanned() -> Report {
    Report::new(
        "42P17",
        "refusing a COPY that the server describes differently than planned",
    )
    .with_hint(
        "the manifest or the catalogue may have changed; check them with `sealwire columns check`",
    )
}

fn wire_format(stream: &CopyStream) -> Format {
    match stream.format {
        CopyFormat::Binary => Format::Binary,
        CopyFormat::Text(_) | CopyFormat::Csv { .. } => Format::Text,
    }
}

/// Plaintext to cells.
struct Sealing<'a> {
    format: Format,
    sealer: Sealer<'a>,
    cell: &'a mut Vec<u8>,
    text: &'a mut String,
}

impl Transform for Sealing<'_> {
    fn value(&mut self, column: ColumnId, value: &[u8]) -> Result<&[u8], Stop> {
        self.cell.clear();
        self.sealer.stored(column, self.format, value, self.cell)?;
        match self.format {
            Format::Binary => Ok(self.cell),
            Format::Text => {
                self.text.clear();
                self.text.push_str("\\x");
                push_hex(self.text, self.cell);
                Ok(self.text.as_bytes())
            }
        }
    }
}

/// Cells to plaintext.
struct Opening<'a> {
    format: Format,
    opener: Opener<'a>,
}

impl Transform for Opening<'_> {
    fn value(&mut self, column: ColumnId, value: &[u8]) -> Result<&[u8], Stop> {
        self.opener.value(column, self.format, value)
    }
}
