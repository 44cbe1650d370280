//! Bind: values.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BufMut;
use sealwire_core::value::Format;
use sealwire_sql::{CheckedPlan, Definition, Protocol, Verdict};

use super::parse::Readiness;
use super::{Session, Wait};
use crate::effect::Stale;
use crate::error::Error;
use crate::frame::{HEADER_LEN, Head, Step};
use crate::message::frontend::{self, Bind};
use crate::message::{Malformed, field, frame};
use crate::poison::{Poison, REFUSED_BIND_SQLSTATES, REFUSED_FORMAT, Report};
use crate::queue::{Change, Entry, Expect, Work};
use crate::seal::{Sealer, Stop};
use crate::statement::{Check, Kind, Portal, Prepared, Statement};

/// Whether a prepared statement still means what was planned.
pub(super) enum Standing {
    Same,
    /// Its rows are others now, and nothing else about it is.
    Replanned(Arc<Prepared>),
    /// Nothing about it concerns the session now.
    Plain,
    Wait,
    Refused(Report),
}

impl Session {
    pub(super) fn client_bind(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let here = &rest[HEADER_LEN.min(rest.len())..head.len.min(rest.len())];
        let Some((portal, name)) = frontend::bind_names(here) else {
            return if rest.len() >= head.len {
                Ok(self.malformed(head, Expect::Malformed))
            } else {
                self.whole(head, rest).map(|_| Step::Starved)
            };
        };
        if self.waits_for_meaning(self.statements.unsettled(name)) {
            return Ok(Step::Wait);
        }
        if !name.is_empty() && !self.queue.answered(self.last_plain_defining) {
            return Ok(self.wait_for(self.last_plain_defining));
        }
        if self.statements.may_be_misspelt(name, |statement| {
            !matches!(statement.kind, Kind::Plain(_) | Kind::Risky)
        }) {
            match self.spelt_as_before()? {
                Readiness::Ready => {}
                Readiness::Wait => return Ok(Step::Wait),
                Readiness::Refused(report) => return self.refuse_values(head, rest, report),
            }
        }
        let Some(statement) = self.statements.get(name).cloned() else {
            if name.is_empty() && !self.is_unnamed_plain()? {
                return self.plain_bind(head, rest, portal, Self::unnamed_is_plain_by);
            }
            return Ok(self.forward_bind(head, portal, None));
        };
        let prepared = match &statement.kind {
            Kind::Risky => return Ok(self.forward_bind(head, portal, Some(statement))),
            Kind::Plain(words) => {
                return self.plain_bind(head, rest, portal, |session| {
                    session.is_plain_by(&statement, words)
                });
            }
            Kind::Untouched => None,
            Kind::Failed(_) => {
                let report = Report::new(
                    "26000",
                    "refusing values for a statement that was not prepared",
                );
                return self.refuse_values(head, rest, report);
            }
            Kind::Planned(prepared) => {
                // Whole before anything is decided: a refusal needs the number of parameters.
                if self.whole(head, rest)?.is_none() {
                    return Ok(Step::Starved);
                }
                Some(Arc::clone(prepared))
            }
        };
        let standing = self.standing(&statement)?;
        let (statement, prepared, standing) = match standing {
            Standing::Wait => return Ok(Step::Wait),
            Standing::Plain => return Ok(self.forward_bind(head, portal, Some(statement))),
            Standing::Replanned(anew) => {
                let statement = Arc::new(statement.replanned(&anew));
                (statement, Some(anew), Standing::Same)
            }
            standing => (statement, prepared, standing),
        };
        let Some(prepared) = prepared else {
            return match standing {
                Standing::Refused(report) => self.refuse_values(head, rest, report),
                _ => Ok(self.forward_bind(head, portal, Some(statement))),
            };
        };
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let Ok(bind) = Bind::read(body) else {
            return self.malformed_bind(head, body);
        };
        if let Standing::Refused(report) = standing {
            let required = Some(prepared.param_count());
            return self.refuse_bind(head, &bind, required, report);
        }
        self.planned_bind(head, &bind, &statement, &prepared)
    }

    /// Values for a statement that said no protected name when it was prepared. `is_plain`: it says none
    /// now.
    fn plain_bind(
        &mut self,
        head: Head,
        rest: &[u8],
        portal: &[u8],
        is_plain: impl FnOnce(&mut Self) -> Result<bool, Error>,
    ) -> Result<Step, Error> {
        match self.names_ready()? {
            Readiness::Ready => {}
            Readiness::Wait => return Ok(Step::Wait),
            Readiness::Refused(report) => return self.refuse_values(head, rest, report),
        }
        if !is_plain(self)? {
            return self.refuse_values(head, rest, Report::moved());
        }
        Ok(self.forward_bind(head, portal, None))
    }

    /// Whether the unnamed statement, which was plain, has been seen to be so under the names that are
    /// protected now.
    fn is_unnamed_plain(&self) -> Result<bool, Error> {
        let analysis = self.analysis()?;
        Ok(self.unnamed.epoch == analysis.names_epoch()
            && analysis.stale < Stale::Names
            && self.queue.answered(self.last_renaming)
            || self.unnamed.text().is_empty())
    }

    fn unnamed_is_plain_by(&mut self) -> Result<bool, Error> {
        let analysis = self.analysis()?;
        let epoch = analysis.names_epoch();
        let mentions = match self.unnamed.readable() {
            Some(text) => analysis.mentions(text),
            None => analysis.may_mention(self.unnamed.text()),
        };
        if !mentions {
            self.unnamed.epoch = epoch;
        }
        Ok(!mentions)
    }

    /// Whether a statement that was plain can have become nothing else: it says no name that is
    /// protected now, or that SQL has given a meaning since. Nothing has to be asked for that.
    fn is_plain_still(&self, statement: &Statement) -> Result<bool, Error> {
        let analysis = self.analysis()?;
        Ok(matches!(statement.kind, Kind::Untouched)
            && analysis.stale < Stale::Names
            && self.queue.answered(self.last_renaming)
            && self.queue.answered(self.last_defining)
            && !analysis.mentions(&statement.text)
            && !(statement.effect.naming.any && self.uses_names(&statement.text)))
    }

    /// Whether a statement prepared earlier means what it meant then.
    pub(super) fn standing(&mut self, statement: &Arc<Statement>) -> Result<Standing, Error> {
        if self.is_plain_still(statement)? {
            return Ok(Standing::Same);
        }
        match self.ready_to_analyse()? {
            Readiness::Ready => {}
            Readiness::Wait => return Ok(Standing::Wait),
            Readiness::Refused(report) => return Ok(Standing::Refused(report)),
        }
        let epoch = self.analysis()?.epoch();
        // Names of SQL change their meaning without an epoch of their own.
        let by_names = match &statement.kind {
            Kind::Planned(prepared) => prepared.plan.uses_names,
            Kind::Untouched => statement.effect.naming.any && self.uses_names(&statement.text),
            _ => false,
        };
        if !by_names && statement.epoch.load(Ordering::Relaxed) == epoch {
            return Ok(Standing::Same);
        }
        if statement.text.is_empty() {
            // A cursor of SQL: it has its rows already.
            return Ok(Standing::Same);
        }
        let protocol = match statement.by_sql {
            true => Protocol::Simple,
            false => Protocol::Extended,
        };
        let verdict = match self.verdict(&statement.text, protocol)? {
            Ok(verdict) => verdict,
            Err(Readiness::Refused(report)) => return Ok(Standing::Refused(report)),
            Err(_) => return Ok(Standing::Wait),
        };
        let verdict = match verdict {
            Verdict::Refused(refusal) => {
                return Ok(Standing::Refused(Report::refusal(
                    &refusal,
                    &statement.text,
                )));
            }
            Verdict::Planned(plan) if statement.by_sql => prepared_by(plan),
            Verdict::Planned(plan) => {
                match self.executed_ready(&plan)? {
                    Readiness::Ready => {}
                    Readiness::Wait => return Ok(Standing::Wait),
                    Readiness::Refused(report) => return Ok(Standing::Refused(report)),
                }
                Some(Arc::new(plan))
            }
            _ => None,
        };
        let Kind::Planned(prepared) = &statement.kind else {
            // It was none of ours, and still is or has become.
            return Ok(match verdict {
                None => Standing::Same,
                Some(plan) if plan.params.is_empty() && plan.edits.is_empty() => {
                    let plain_bytea = self.analysis()?.reads_plain_bytea(&plan);
                    Standing::Replanned(Arc::new(Prepared::untyped(plan, plain_bytea)))
                }
                Some(_) => Standing::Refused(Report::moved()),
            });
        };
        let before = &prepared.plan;
        let Some(plan) = verdict else {
            // What was a cursor or a prepared statement of ours is none now.
            return Ok(match before.uses_names && before.edits.is_empty() {
                true => Standing::Plain,
                false => Standing::Refused(Report::moved()),
            });
        };
        // Another table under the same name is the server's business, which reads the text anew, as
        // long as the same columns of the manifest are in the same places.
        let same_values =
            before.params == plan.params && before.sealed_literals().eq(plan.sealed_literals());
        if same_values && before.statements == plan.statements {
            statement.epoch.store(epoch, Ordering::Relaxed);
            return Ok(Standing::Same);
        }
        let rows_only = plan.params.is_empty() && plan.sealed_literals().next().is_none();
        if before.uses_names && plan.uses_names && rows_only {
            // `FETCH` from another cursor of the same name.
            let anew = prepared.replanned(plan);
            return Ok(Standing::Replanned(Arc::new(anew)));
        }
        Ok(Standing::Refused(Report::moved()))
    }

    fn planned_bind(
        &mut self,
        head: Head,
        bind: &Bind<'_>,
        statement: &Arc<Statement>,
        prepared: &Arc<Prepared>,
    ) -> Result<Step, Error> {
        let required = prepared.param_count();
        if bind.count() != required {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement requires {required}",
                bind.count()
            );
            return self.refuse_bind(head, bind, Some(required), Report::new("08P01", message));
        }
        let prepares = |(_, definition): &(usize, Definition)| {
            matches!(definition, Definition::Prepare { .. })
        };
        if bind.count() > 0 && prepared.plan.definitions.iter().any(prepares) {
            // The server takes values for `$1` of the statement behind `AS`, and forgets them.
            let report = Report::new(
                "0A000",
                "refusing to take values for the parameters of PREPARE",
            )
            .with_hint("give them to EXECUTE");
            return self.refuse_bind(head, bind, Some(required), report);
        }
        match prepared.check() {
            Check::Agrees => {}
            Check::Disagrees => {
                return self.refuse_bind(head, bind, Some(required), Report::disagrees());
            }
            // Without a parameter no value can leak, and its rows come after the description.
            Check::Open if required == 0 => {}
            Check::Open => {
                let seq = prepared.describe_seq.load(Ordering::Relaxed);
                if self.queue.answered(seq) {
                    self.ask_description(bind.statement, statement, prepared)?;
                }
                let seq = prepared.describe_seq.load(Ordering::Relaxed);
                return Ok(self.wait_for(seq));
            }
        }
        let columns = prepared.outputs().map_or(0, <[_]>::len);
        let codes = bind.result_formats;
        // PostgreSQL does not count them either where there are no rows.
        let fits = columns == 0 || codes.fit(columns);
        if !bind.formats.fit(bind.count()) || !fits {
            let report = Report::new("08P01", "bind message has format codes that do not fit")
                .with_detail(format!("{required} parameters, {columns} result columns"));
            return self.refuse_bind(head, bind, Some(required), report);
        }
        if !statement.described.load(Ordering::Relaxed) {
            // The plan has been found right before, of a statement with the same text. The answer
            // comes before the rows do, and costs no round trip.
            self.ask_description(bind.statement, statement, prepared)?;
        }
        let policy = Arc::clone(self.analysis()?.policy());
        let start = self.to_server.len();
        let result = match self.keys.require_all(&prepared.keys) {
            Err(unavailable) => Err(unavailable.into()),
            Ok(()) => Sealer {
                policy: &policy,
                keys: &mut self.keys,
                settings: &self.reported.settings,
                scratch: &mut self.seal_scratch,
            }
            .bind(bind, prepared, &mut self.to_server),
        };
        match result {
            Ok(()) => {}
            Err(stop) => {
                self.to_server.truncate(start);
                return match stop {
                    Stop::Awaited => {
                        self.client_wait = Some(Wait::Keys);
                        Ok(Step::Wait)
                    }
                    Stop::Failed(report) => self.refuse_bind(head, bind, Some(required), report),
                    Stop::Fault(error) => Err(error),
                };
            }
        }
        let formats = (0..columns).map(|at| codes.format(at)).collect();
        // Its error may say that the catalogue has moved: the server analyses the text anew here.
        let work = Work::Statement(Arc::clone(statement));
        self.expect_bind(bind.portal, Some(Arc::clone(statement)), formats, work);
        Ok(Step::Took(head.len))
    }

    /// Sends a Bind as it is.
    fn forward_bind(
        &mut self,
        head: Head,
        portal: &[u8],
        statement: Option<Arc<Statement>>,
    ) -> Step {
        // What executing the portal does is told by the statement.
        let statement = statement.filter(|statement| {
            let effect = statement.effect;
            let names = effect.naming.any && matches!(statement.kind, Kind::Untouched);
            effect.risky || effect.ends || names
        });
        self.expect_bind(portal, statement, Box::default(), Work::Plain);
        Step::Forward(head.len)
    }

    fn expect_bind(
        &mut self,
        name: &[u8],
        statement: Option<Arc<Statement>>,
        formats: Box<[Format]>,
        work: Work,
    ) {
        let portal = statement.map(|statement| {
            Arc::new(Portal {
                statement,
                formats,
                cells: Format::Binary,
                hold: false,
            })
        });
        let seq = self.queue.next_seq();
        let mut entry = Entry {
            work,
            ..Entry::new(Expect::Bind)
        };
        if self.portals.set(name, seq, portal) {
            entry.change = Change::Portal(name.into());
        }
        self.expect(entry);
    }

    /// Refuses a Bind of which nothing is known but its bytes.
    fn refuse_values(&mut self, head: Head, rest: &[u8], report: Report) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        match Bind::read(body) {
            Ok(bind) => self.refuse_bind(head, &bind, None, report),
            Err(Malformed) => self.malformed_bind(head, body),
        }
    }

    /// Sends, in place of a Bind, one that fails: with a format code that there is not, or, where
    /// there are no parameters to have one, with a parameter too many. The statement's name stays,
    /// because a pooler between here and the server may look at it. `required` is the number of
    /// parameters that the statement has, when it is known.
    fn refuse_bind(
        &mut self,
        head: Head,
        bind: &Bind<'_>,
        required: Option<usize>,
        report: Report,
    ) -> Result<Step, Error> {
        let count = bind.count();
        let sent = if count == 0 && required.unwrap_or(0) == 0 {
            1
        } else {
            count
        };
        frame(&mut self.to_server, b'B', |out| {
            out.put_slice(bind.portal);
            out.put_u8(0);
            out.put_slice(bind.statement);
            out.put_u8(0);
            out.put_u16(1);
            out.put_i16(REFUSED_FORMAT);
            out.put_u16(u16::try_from(sent).unwrap_or(u16::MAX));
            for _ in 0..sent {
                field(out, None)?;
            }
            out.put_u16(0);
            Ok(())
        })?;
        let work = Work::Poison(Box::new(Poison {
            expected: REFUSED_BIND_SQLSTATES,
            report,
        }));
        self.expect_refused_bind(bind.portal, work);
        Ok(Step::Took(head.len))
    }

    /// A Bind that fails has gone out.
    pub(super) fn expect_refused_bind(&mut self, portal: &[u8], work: Work) {
        // Whatever the portal was, the transaction that it belongs to fails.
        self.expect_bind(portal, None, Box::default(), work);
        self.skipping = true;
    }
}

/// The plan of the statement that a `PREPARE` of SQL prepares.
fn prepared_by(plan: CheckedPlan) -> Option<Arc<CheckedPlan>> {
    plan.definitions
        .iter()
        .find_map(|(_, definition)| match definition {
            Definition::Prepare { plan, .. } => plan.clone(),
            _ => None,
        })
}
