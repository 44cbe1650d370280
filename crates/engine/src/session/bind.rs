//! Bind: values.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BufMut;
use sealwire_sql::{Protocol, Verdict};

use super::parse::Readiness;
use super::{Session, Wait};
use crate::error::Error;
use crate::frame::{HEADER_LEN, Head, Step};
use crate::message::frontend::{self, Bind};
use crate::message::{Malformed, field, frame};
use crate::poison::{Poison, REFUSED_BIND_SQLSTATES, REFUSED_FORMAT, Report};
use crate::queue::{Change, Entry, Expect, Work};
use crate::seal::{Sealer, Stop};
use crate::statement::{Check, Kind, Portal, Prepared, Statement};

/// Whether a prepared statement still means what was planned.
enum Standing {
    Same,
    Wait,
    Refused(Report),
}

impl Session {
    pub(super) fn client_bind(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let here = &rest[HEADER_LEN.min(rest.len())..head.len.min(rest.len())];
        let Some((portal, name)) = frontend::bind_names(here) else {
            return if rest.len() >= head.len {
                Err(Error::ClientMisbehaved("malformed Bind"))
            } else {
                self.whole(head, rest).map(|_| Step::Starved)
            };
        };
        if self.waits_for_meaning(self.statements.unsettled(name)) {
            return Ok(Step::Wait);
        }
        let Some(statement) = self.statements.get(name).cloned() else {
            return Ok(self.forward_bind(head, portal, None));
        };
        let prepared = match &statement.kind {
            Kind::Risky => return Ok(self.forward_bind(head, portal, Some(statement))),
            Kind::Untouched => None,
            Kind::Failed(_) => {
                let Some(body) = self.whole(head, rest)? else {
                    return Ok(Step::Starved);
                };
                let report = Report::new(
                    "26000",
                    "refusing values for a statement that was not prepared",
                );
                return self.refuse_bind(head, &read(body)?, None, report);
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
        if matches!(standing, Standing::Wait) {
            return Ok(Step::Wait);
        }
        let Some(prepared) = prepared else {
            return match standing {
                Standing::Refused(report) => match self.whole(head, rest)? {
                    None => Ok(Step::Starved),
                    Some(body) => self.refuse_bind(head, &read(body)?, None, report),
                },
                _ => Ok(self.forward_bind(head, portal, Some(statement))),
            };
        };
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let bind = read(body)?;
        if let Standing::Refused(report) = standing {
            let required = Some(prepared.param_count());
            return self.refuse_bind(head, &bind, required, report);
        }
        self.planned_bind(head, &bind, &statement, &prepared)
    }

    /// Whether a statement prepared earlier means what it meant then.
    fn standing(&mut self, statement: &Arc<Statement>) -> Result<Standing, Error> {
        match self.ready_to_analyse()? {
            Readiness::Ready => {}
            Readiness::Wait => return Ok(Standing::Wait),
            Readiness::Refused(report) => return Ok(Standing::Refused(report)),
        }
        let epoch = self.analysis()?.epoch();
        if statement.epoch.load(Ordering::Relaxed) == epoch {
            return Ok(Standing::Same);
        }
        let verdict = match self.verdict(&statement.text, Protocol::Extended)? {
            Ok(verdict) => verdict,
            Err(Readiness::Refused(report)) => return Ok(Standing::Refused(report)),
            Err(_) => return Ok(Standing::Wait),
        };
        let same = match (&statement.kind, &verdict) {
            (Kind::Untouched, Verdict::Untouched) => true,
            (Kind::Planned(prepared), Verdict::Planned(plan)) => {
                let before = &prepared.plan;
                before.params == plan.params
                    && before.statements == plan.statements
                    && before.relations == plan.relations
            }
            (_, Verdict::Refused(refusal)) => {
                return Ok(Standing::Refused(Report::refusal(refusal, &statement.text)));
            }
            _ => false,
        };
        if same {
            statement.epoch.store(epoch, Ordering::Relaxed);
            return Ok(Standing::Same);
        }
        Ok(Standing::Refused(
            Report::new(
                "0A000",
                "refusing to run a prepared statement that means something else now",
            )
            .with_detail(
                "the search path, the role or the catalogue has changed since it was prepared, \
                 and other columns of it are encrypted",
            )
            .with_hint("prepare it again"),
        ))
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
        match prepared.check() {
            Check::Agrees => {}
            Check::Disagrees => {
                let report = Report::new(
                    "42P17",
                    "refusing to run a statement that the server describes differently than planned",
                )
                .with_hint("prepare it again; check with `sealwire columns check`");
                return self.refuse_bind(head, bind, Some(required), report);
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
        if !bind.formats.fit(bind.count()) || !(codes.fit(columns) || prepared.outputs().is_none())
        {
            let report = Report::new("08P01", "bind message has format codes that do not fit")
                .with_detail(format!("{required} parameters, {columns} result columns"));
            return self.refuse_bind(head, bind, Some(required), report);
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
        self.expect_bind(
            bind.portal,
            Some(Arc::clone(statement)),
            formats,
            Work::Plain,
        );
        Ok(Step::Took(head.len))
    }

    /// Sends a Bind as it is.
    fn forward_bind(
        &mut self,
        head: Head,
        portal: &[u8],
        statement: Option<Arc<Statement>>,
    ) -> Step {
        let statement = statement.filter(|statement| statement.effect.risky);
        self.expect_bind(portal, statement, Box::default(), Work::Plain);
        Step::Forward(head.len)
    }

    fn expect_bind(
        &mut self,
        name: &[u8],
        statement: Option<Arc<Statement>>,
        formats: Box<[sealwire_core::value::Format]>,
        work: Work,
    ) {
        let portal = statement.map(|statement| Arc::new(Portal { statement, formats }));
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
        // Whatever the portal was, the transaction that it belongs to fails.
        self.expect_bind(bind.portal, None, Box::default(), work);
        self.skipping = true;
        Ok(Step::Took(head.len))
    }
}

fn read(body: &[u8]) -> Result<Bind<'_>, Error> {
    Bind::read(body).map_err(|Malformed| Error::ClientMisbehaved("malformed Bind"))
}
