//! Descriptions and rows.

use std::sync::Arc;

use sealwire_core::value::Format;
use sealwire_sql::Output;

use super::{Session, Swallow};
use crate::check;
use crate::effect::Stale;
use crate::error::Error;
use crate::frame::{HEADER_LEN, Head, Step};
use crate::message::Malformed;
use crate::message::backend;
use crate::open::Opener;
use crate::poison::Report;
use crate::queue::{Entry, Expect, Work};
use crate::seal::Stop;
use crate::statement::{Check, Kind, Portal, Prepared, QueryRun, Statement, has_cells};

const MALFORMED_DESCRIPTION: Error = Error::ServerMisbehaved("malformed description");

impl Session {
    /// The client gets this error in place of what the server sent, and nothing more until
    /// ReadyForQuery. The server does not know: what the client sent behind it runs.
    pub(super) fn fail_response(&mut self, report: &Report) -> Result<(), Error> {
        report.write(&mut self.to_client, "ERROR")?;
        let extended = self
            .queue
            .front()
            .is_some_and(|front| !front.expect.ends_itself());
        self.swallow = if extended {
            // What the client has not sent yet is skipped, as after any error.
            self.skipping |= !self.queue.sync_queued();
            Swallow::ToSync
        } else {
            Swallow::ToReady
        };
        Ok(())
    }

    /// The plan and the server disagree: the catalogue is read anew before the next plan.
    pub(super) fn doubt_catalogue(&mut self) {
        if let Some(analysis) = &mut self.analysis {
            analysis.doubt(Stale::Catalogue);
        }
    }

    pub(super) fn parameter_description(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let front = self.front_of(&[Expect::DescribeStatement])?;
        if front.begun {
            return Err(Error::ServerMisbehaved("two ParameterDescriptions"));
        }
        let injected = front.injected;
        let Work::Statement(statement) = &front.work else {
            return self.plain_parameter_description(head, rest, injected);
        };
        let statement = Arc::clone(statement);
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        if let Some(front) = self.queue.front_mut() {
            front.begun = true;
        }
        let Kind::Planned(prepared) = &statement.kind else {
            return Ok(self.outward(injected, head.len));
        };
        let oids =
            backend::parameter_description(body).map_err(|Malformed| MALFORMED_DESCRIPTION)?;
        let analysis = self.analysis()?;
        if let Err(report) = check::parameters(prepared, &oids, analysis) {
            prepared.set_check(false);
            self.doubt_catalogue();
            if !injected && self.swallow == Swallow::No {
                self.fail_response(&report)?;
            }
        } else {
            prepared.settle_types(&oids);
            if !injected && self.swallow == Swallow::No {
                let policy = Arc::clone(analysis.policy());
                check::write_parameters(prepared, &oids, &policy, &mut self.to_client)?;
            }
        }
        Ok(Step::Took(head.len))
    }

    /// A statement that was taken for plain. A parameter whose type is a cells' domain says otherwise:
    /// another session has made a partition or a child of a protected table, or a column of cells.
    fn plain_parameter_description(
        &mut self,
        head: Head,
        rest: &[u8],
        injected: bool,
    ) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let oids = body.get(2..).unwrap_or_default().as_chunks::<4>().0;
        let analysis = self.analysis()?;
        let is_cell = |oid: &[u8; 4]| analysis.is_cell_domain(u32::from_be_bytes(*oid));
        let cell = oids.iter().position(is_cell);
        if let Some(front) = self.queue.front_mut() {
            front.begun = true;
        }
        let Some(at) = cell else {
            return Ok(self.outward(injected, head.len));
        };
        if let Some(analysis) = &mut self.analysis {
            analysis.doubt(Stale::Names);
        }
        if injected || self.swallow != Swallow::No {
            return Ok(Step::Drop(head.len));
        }
        let report = Report::new(
            "42P17",
            format!(
                "refusing to go on: parameter ${} is for a column of cells that was not known of",
                at + 1
            ),
        )
        .with_hint("prepare the statement again: the catalogue is read anew first");
        self.fail_response(&report)?;
        Ok(Step::Drop(head.len))
    }

    pub(super) fn row_description(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let front = self.front_of(&[
            Expect::DescribeStatement,
            Expect::DescribePortal,
            Expect::Query,
        ])?;
        if front.expect == Expect::DescribeStatement && !front.begun {
            return Err(Error::ServerMisbehaved("RowDescription without parameters"));
        }
        let (expect, injected) = (front.expect, front.injected);
        let planned = match &front.work {
            Work::Plain | Work::Load | Work::Poison(_) => None,
            Work::Statement(statement) => Some(Described::Statement(Arc::clone(statement))),
            Work::Portal(portal) => Some(Described::Portal(Arc::clone(portal))),
            Work::Query(run) => run.outputs().map(|_| Described::Query(run.clone())),
        };
        let Some(planned) = planned else {
            if expect != Expect::Query {
                self.finish_front()?;
            }
            return Ok(self.outward(injected, head.len));
        };
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let agrees = self.describe_columns(&planned, Some(body), injected)?;
        if expect == Expect::DescribeStatement && agrees {
            planned.note_agreement();
        }
        if expect != Expect::Query {
            self.finish_front()?;
        }
        Ok(Step::Took(head.len))
    }

    pub(super) fn no_data(&mut self, head: Head) -> Result<Step, Error> {
        let front = self.front_of(&[Expect::DescribeStatement, Expect::DescribePortal])?;
        if front.expect == Expect::DescribeStatement && !front.begun {
            return Err(Error::ServerMisbehaved("NoData without parameters"));
        }
        let (expect, injected) = (front.expect, front.injected);
        let planned = match &front.work {
            Work::Statement(statement) => Described::Statement(Arc::clone(statement)),
            Work::Portal(portal) => Described::Portal(Arc::clone(portal)),
            _ => {
                self.finish_front()?;
                return Ok(self.outward(injected, head.len));
            }
        };
        let agrees = self.describe_columns(&planned, None, injected)?;
        if expect == Expect::DescribeStatement && agrees {
            planned.note_agreement();
        }
        // Decided before the front goes: a disagreement has just begun to swallow.
        let step = if agrees {
            self.outward(injected, head.len)
        } else {
            Step::Drop(head.len)
        };
        self.finish_front()?;
        Ok(step)
    }

    /// Checks a RowDescription, or NoData, and writes the client's. Returns whether it agrees.
    fn describe_columns(
        &mut self,
        planned: &Described,
        body: Option<&[u8]>,
        injected: bool,
    ) -> Result<bool, Error> {
        let fields = body
            .map(backend::row_description)
            .transpose()
            .map_err(|Malformed| MALFORMED_DESCRIPTION)?
            .unwrap_or_default();
        let quiet = injected || self.swallow != Swallow::No;
        let analysis = self.analysis()?;
        let policy = Arc::clone(analysis.policy());
        let Some(outputs) = planned.outputs() else {
            if !quiet && body.is_some() {
                check::write_columns(&[], &fields, None, &policy, &mut self.to_client)?;
            }
            return Ok(true);
        };
        let unknown_origin = !check::origins_known(&fields, analysis);
        if let Err(report) = check::columns(outputs, &fields, analysis) {
            planned.note_disagreement();
            self.doubt_catalogue();
            if !quiet {
                self.fail_response(&report)?;
            }
            return Ok(false);
        }
        let mut formats = planned.formats().map(<[Format]>::to_vec);
        if planned.is_query() && fields.iter().any(|field| field.format != 0) {
            // `FETCH` from a binary cursor is all that gives a simple Query binary rows.
            formats = Some(vec![Format::Binary; fields.len()]);
            if let Some(Entry {
                work: Work::Query(run),
                ..
            }) = self.queue.front_mut()
            {
                run.binary = true;
            }
        }
        if unknown_origin {
            // Another session has made a table, or a column of one.
            self.doubt_catalogue();
        }
        if !quiet && body.is_some() {
            let formats = formats.as_deref();
            check::write_columns(outputs, &fields, formats, &policy, &mut self.to_client)?;
        }
        Ok(true)
    }

    pub(super) fn data_row(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let front = self.front_of(&[Expect::Execute, Expect::Query])?;
        let planned = match &front.work {
            Work::Load => {
                return match self.whole(head, rest)? {
                    None => Ok(Step::Starved),
                    Some(body) => self.load_row(body).map(|()| Step::Took(head.len)),
                };
            }
            Work::Portal(portal) => Described::Portal(Arc::clone(portal)),
            Work::Query(run) => match run.outputs() {
                Some(outputs) if outputs.is_empty() || has_cells(outputs) => {
                    Described::Query(run.clone())
                }
                _ => return Ok(self.outward(false, head.len)),
            },
            _ => return Ok(self.outward(false, head.len)),
        };
        if self.swallow != Swallow::No {
            return Ok(Step::Drop(head.len));
        }
        if planned.disagrees() {
            let report = Report::new(
                "42P17",
                "refusing the rows of a statement that the server describes differently than planned",
            );
            self.fail_response(&report)?;
            return Ok(Step::Drop(head.len));
        }
        if !planned.is_query() && planned.outputs().is_some_and(<[_]>::is_empty) {
            let report = Report::new(
                "42P17",
                "refusing the rows of a statement that was planned to have none",
            );
            self.fail_response(&report)?;
            return Ok(Step::Drop(head.len));
        }
        let outputs = match planned.outputs() {
            Some(outputs) if planned.is_query() || has_cells(outputs) => outputs,
            _ => return Ok(Step::Forward(head.len)),
        };
        if self.whole(head, rest)?.is_none() {
            return Ok(Step::Starved);
        }
        self.open_row(head, &rest[HEADER_LEN..head.len], &planned, outputs)
    }

    fn open_row(
        &mut self,
        head: Head,
        body: &[u8],
        planned: &Described,
        outputs: &[Output],
    ) -> Result<Step, Error> {
        let analysis = self.analysis.as_ref();
        let Some(policy) = analysis.map(|analysis| Arc::clone(analysis.policy())) else {
            return Err(Error::ApiMisuse("a row came before the policy"));
        };
        let mut opener = Opener {
            policy: &policy,
            keys: &mut self.keys,
            settings: &self.reported.settings,
            scratch: &mut self.scratch,
        };
        let cells = planned.cells();
        let all_binary;
        let formats = match planned.formats() {
            Some(formats) => formats,
            None if cells == Format::Binary => {
                all_binary = vec![Format::Binary; outputs.len()];
                &all_binary
            }
            None => &[],
        };
        match opener.row(body, outputs, formats, cells, &mut self.to_client) {
            Ok(()) => Ok(Step::Took(head.len)),
            Err(Stop::Awaited) => {
                self.server_waits = true;
                Ok(Step::Wait)
            }
            Err(Stop::Failed(report)) => {
                // Cells that do not open may mean that columns have moved.
                self.doubt_catalogue();
                self.fail_response(&report)?;
                Ok(Step::Took(head.len))
            }
            Err(Stop::Fault(error)) => Err(error),
        }
    }
}

/// What a description or a row belongs to.
enum Described {
    Statement(Arc<Statement>),
    Portal(Arc<Portal>),
    Query(QueryRun),
}

impl Described {
    fn prepared(&self) -> Option<&Prepared> {
        match self {
            Self::Statement(statement) => match &statement.kind {
                Kind::Planned(prepared) => Some(prepared),
                _ => None,
            },
            Self::Portal(portal) => portal.prepared().map(|prepared| &**prepared),
            Self::Query(_) => None,
        }
    }

    fn outputs(&self) -> Option<&[Output]> {
        match self {
            Self::Query(run) => run.outputs(),
            _ => self.prepared().and_then(|prepared| prepared.outputs()),
        }
    }

    fn formats(&self) -> Option<&[Format]> {
        match self {
            Self::Portal(portal) => Some(&portal.formats),
            _ => None,
        }
    }

    /// The format in which the server sends cells.
    fn cells(&self) -> Format {
        match self {
            Self::Query(run) if run.binary => Format::Binary,
            Self::Query(_) => Format::Text,
            Self::Portal(portal) => portal.cells,
            Self::Statement(_) => Format::Binary,
        }
    }

    fn is_query(&self) -> bool {
        matches!(self, Self::Query(_))
    }

    fn disagrees(&self) -> bool {
        self.prepared()
            .is_some_and(|prepared| prepared.check() == Check::Disagrees)
    }

    fn note_agreement(&self) {
        if let Some(prepared) = self.prepared() {
            prepared.set_check(true);
        }
    }

    fn note_disagreement(&self) {
        if let Some(prepared) = self.prepared() {
            prepared.set_check(false);
        }
    }
}
