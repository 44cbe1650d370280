//! Parse and Query: texts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sealwire_sql::{
    CheckedPlan, Edit, Naming, Outputs, Param, Plan, Protocol, Refusal, RefusalKind, Verdict,
    may_use_names,
};
use zeroize::Zeroizing;

use super::load::What;
use super::{Session, Wait};
use crate::analysis::{Analysis, Known};
use crate::effect::{self, Effect, Stale};
use crate::error::Error;
use crate::frame::{Head, Step};
use crate::mention;
use crate::message::frontend::{self, Oids, Parse, Target};
use crate::names::{self, declared_oids};
use crate::options::Enforcement;
use crate::poison::{Poison, Report};
use crate::queue::{Change, Entry, Expect, Work};
use crate::seal::{
    Sealer, Stop, UNKNOWN_OID, literal_keys, objection, param_keys, parameter_type, reading,
};
use crate::slots::NAME_LEN_MAX;
use crate::statement::{Check, Kind, Prepared, QueryRun, Statement, Unnamed, Words};

const NO_ANALYSIS: Error = Error::ApiMisuse("a statement came before the policy");

/// What a text turns out to be.
enum Look {
    /// Something has to come first.
    Wait,
    Plain(Effect),
    /// It can name something protected, and does not.
    Untouched(Effect),
    /// Planned before, with these declared types.
    Known(Arc<Prepared>, Effect),
    Planned(CheckedPlan, Effect),
    Refused(Report),
}

/// Whether a text can be analysed.
pub(super) enum Readiness {
    Ready,
    Wait,
    Refused(Report),
}

/// A refusal that is about no place in the text.
fn refused(
    kind: RefusalKind,
    message: impl Into<String>,
    detail: Option<&str>,
    hint: &str,
) -> Report {
    let refusal = Refusal {
        kind,
        sqlstate: kind.sqlstate(),
        message: message.into(),
        detail: detail.map(str::to_owned),
        hint: Some(hint.to_owned()),
        offset: None,
    };
    Report::refusal(&refusal, "")
}

fn session_setting(what: &str) -> Report {
    refused(
        RefusalKind::SessionSetting,
        format!("refusing to run a statement that names an encrypted relation: {what}"),
        Some("the statement could mean something else to the server"),
        "set client_encoding = 'UTF8' and standard_conforming_strings = on",
    )
}

fn folded_name() -> Report {
    refused(
        RefusalKind::UnsupportedConstruct,
        "refusing to run a statement on an encrypted relation with a name that the server may fold \
         to another",
        Some("a server whose encoding is not UTF8 folds letters beyond ASCII as its locale says"),
        "write such names in lower case, or in double quotes",
    )
}

/// Whether a refusal could be another verdict with other rows of the catalogue.
fn rests_on_catalogue(refusal: &Refusal) -> bool {
    !matches!(
        refusal.kind,
        RefusalKind::Syntax
            | RefusalKind::TooComplex
            | RefusalKind::SessionSetting
            | RefusalKind::ResultsOnly
    )
}

/// Whether a text is the same whatever the encoding is, and wherever strings end.
fn is_clear(text: &[u8]) -> bool {
    text.is_ascii() && !text.contains(&b'\\')
}

fn has_literals(plan: &Plan) -> bool {
    plan.edits.iter().any(Edit::is_literal)
}

fn seals_rows(outputs: &Outputs) -> bool {
    matches!(outputs, Outputs::Copy(stream) if stream.sealed().next().is_some())
}

impl Session {
    pub(super) fn analysis(&self) -> Result<&Analysis, Error> {
        self.analysis.as_ref().ok_or(NO_ANALYSIS)
    }

    /// Sees to it that facts and catalogue are what the server will resolve names with.
    pub(super) fn ready_to_analyse(&mut self) -> Result<Readiness, Error> {
        if !self.queue.answered(self.last_risky) {
            self.wait_for(self.last_risky);
            return Ok(Readiness::Wait);
        }
        if let Some(report) = self.load_failure.take() {
            return Ok(Readiness::Refused(report));
        }
        match self.stale_queries() {
            None if self.reported.lagging => self.load_first(vec![What::Facts]),
            None => Ok(Readiness::Ready),
            Some(whats) => self.load_first(whats),
        }
    }

    fn load_first(&mut self, whats: Vec<What>) -> Result<Readiness, Error> {
        self.start_load(whats)?;
        self.client_wait = self.load_seq().map(Wait::Answered);
        Ok(Readiness::Wait)
    }

    /// Analyses a text, loading what that takes first.
    pub(super) fn verdict(
        &mut self,
        text: &str,
        protocol: Protocol,
    ) -> Result<Result<Verdict, Readiness>, Error> {
        match self.ready_to_analyse()? {
            Readiness::Ready => {}
            other => return Ok(Err(other)),
        }
        let analysis = self.analysis()?;
        let idle = !self.in_block && !self.batch_open && self.queue.len() == 0;
        let names = match analysis.analyse(text, protocol, &self.names(), idle) {
            Verdict::NeedsRelations(names) => names,
            // Another session may have changed what it rests on.
            Verdict::Refused(refusal) if !self.catalogue_fresh && rests_on_catalogue(&refusal) => {
                return self.load_first(What::all()).map(Err);
            }
            verdict => return Ok(Ok(verdict)),
        };
        if analysis.all_asked(&names) {
            let report = Report::new(
                "XX000",
                "the statement's relations cannot be resolved (please report this)",
            );
            return Ok(Err(Readiness::Refused(report)));
        }
        let what = What::Relations(names);
        self.load_first(vec![what]).map(Err)
    }

    /// Finds out what a text is.
    fn look(
        &mut self,
        bytes: &[u8],
        protocol: Protocol,
        oids: Option<Oids<'_>>,
    ) -> Result<Look, Error> {
        let look = self.look_at(bytes, protocol, oids)?;
        if matches!(look, Look::Refused(_) | Look::Planned(..))
            && let Ok(text) = str::from_utf8(bytes)
        {
            self.note_preparing(text);
        }
        Ok(look)
    }

    fn look_at(
        &mut self,
        bytes: &[u8],
        protocol: Protocol,
        oids: Option<Oids<'_>>,
    ) -> Result<Look, Error> {
        if let Some(effect) = effect::only_ends_transaction(bytes) {
            return Ok(Look::Plain(effect));
        }
        // What a name of SQL means is known only once the statement that gives it is answered.
        if !self.queue.answered(self.last_defining) {
            self.wait_for(self.last_defining);
            return Ok(Look::Wait);
        }
        // A name may become protected only by a statement that mentions a protected one.
        if !self.queue.answered(self.last_renaming) {
            self.wait_for(self.last_renaming);
            return Ok(Look::Wait);
        }
        if self.analysis()?.stale == Stale::Names || self.may_be_read_otherwise(bytes)? {
            match self.ready_to_analyse()? {
                Readiness::Ready => {}
                Readiness::Wait => return Ok(Look::Wait),
                Readiness::Refused(report) => return self.unready(bytes, protocol, report),
            }
        }
        let text = str::from_utf8(bytes);
        if let Ok(text) = text
            && self.may_be_folded(text)?
        {
            return Ok(Look::Refused(folded_name()));
        }
        let analysis = self.analysis()?;
        let (text, mut effect) = match (text, self.reported.unreadable()) {
            (Ok(text), None) => {
                let known = match analysis.known(text) {
                    Some(Known::Plain(effect)) => Some((*effect, true)),
                    Some(Known::Planned(_, effect)) => Some((*effect, false)),
                    None => None,
                };
                match known {
                    Some((effect, plain)) if !(effect.naming.any && self.uses_names(text)) => {
                        if plain {
                            return self.plain_text(text, effect);
                        }
                        (text, effect)
                    }
                    _ => {
                        let mut effect = effect::effect(bytes, true);
                        let analysis = self.analysis.as_mut().ok_or(NO_ANALYSIS)?;
                        let reading = analysis.read(text, &mut effect);
                        let by_name = reading.naming.any && self.uses_names(text);
                        if !by_name && !reading.mentions {
                            let analysis = self.analysis.as_mut().ok_or(NO_ANALYSIS)?;
                            analysis.remember_plain(text, effect);
                            return self.plain_text(text, effect);
                        }
                        (text, effect)
                    }
                }
            }
            (text, unreadable) => {
                let mentions = analysis.may_mention(bytes);
                let mut effect = effect::effect(bytes, true);
                if mention::has_word(bytes, b"execute")
                    && !self.queue.answered(self.last_plain_defining)
                {
                    self.wait_for(self.last_plain_defining);
                    return Ok(Look::Wait);
                }
                return Ok(if mentions || self.may_give_values(bytes)? {
                    let what = match (text, unreadable) {
                        (_, Some(what)) => what,
                        _ => "its text is not valid UTF-8",
                    };
                    Look::Refused(session_setting(what))
                } else {
                    if is_clear(bytes) && text.is_ok_and(may_use_names) {
                        effect.naming = Naming::UNKNOWN;
                    }
                    Look::Plain(effect)
                });
            }
        };
        effect.renames |= effect.risky && !effect.harmless_set;
        match self.ready_to_analyse()? {
            Readiness::Ready => {}
            Readiness::Wait => return Ok(Look::Wait),
            Readiness::Refused(report) => return self.unready(bytes, protocol, report),
        }
        if let Some(look) = self.executes_otherwise(text, effect)? {
            return Ok(look);
        }
        if let (Some(oids), Some(Known::Planned(list, _))) = (oids, self.analysis()?.known(text)) {
            let same = list.iter().find(|known| oids.are(&known.client_oids));
            if let Some(prepared) = same {
                return Ok(Look::Known(prepared.clone(), effect));
            }
        }
        Ok(match self.verdict(text, protocol)? {
            Err(Readiness::Refused(report)) => return self.unready(bytes, protocol, report),
            Err(_) => Look::Wait,
            Ok(Verdict::Untouched) => Look::Untouched(effect),
            Ok(Verdict::Planned(plan)) => match self.refuse_sealing(&plan) {
                Some(report) => Look::Refused(report),
                None => match self.executed_ready(&plan)? {
                    Readiness::Ready => Look::Planned(plan, effect),
                    Readiness::Wait => Look::Wait,
                    Readiness::Refused(report) => Look::Refused(report),
                },
            },
            Ok(Verdict::Refused(refusal)) => Look::Refused(Report::refusal(&refusal, text)),
            Ok(_) => Look::Refused(Report::new("XX000", "unknown verdict on the statement")),
        })
    }

    /// A text that names nothing protected.
    fn plain_text(&mut self, text: &str, effect: Effect) -> Result<Look, Error> {
        let otherwise = self.executes_otherwise(text, effect)?;
        Ok(otherwise.unwrap_or(Look::Plain(effect)))
    }

    /// What there is to do about a text first, or instead, that gives values to plain statements.
    fn executes_otherwise(&mut self, text: &str, effect: Effect) -> Result<Option<Look>, Error> {
        if !effect.naming.executes {
            return Ok(None);
        }
        Ok(match self.executed_plain(text, effect)? {
            Readiness::Ready => None,
            Readiness::Wait => Some(Look::Wait),
            Readiness::Refused(report) => Some(Look::Refused(report)),
        })
    }

    /// Whether a text could have a protected name where none seems to be: a setting by which texts
    /// are read may have changed without the session knowing yet, and strings may end elsewhere
    /// under another one. Neither matters to plain ASCII without backslashes.
    fn may_be_read_otherwise(&self, bytes: &[u8]) -> Result<bool, Error> {
        let doubtful = self.reported.lagging || !self.queue.answered(self.last_risky);
        Ok(doubtful
            && (!is_clear(bytes) || self.reported.unreadable().is_some())
            && self.analysis()?.may_mention(bytes))
    }

    /// Whether a text has a name that may be another, and a protected one or a prepared statement's
    /// is among them, to a server that folds more letters than ASCII's.
    pub(super) fn may_be_folded(&self, text: &str) -> Result<bool, Error> {
        if !self.reported.folds_letters() {
            return Ok(false);
        }
        let Some(folded) = sealwire_sql::folded(text) else {
            return Ok(false);
        };
        Ok(self.analysis()?.mentions_folded(text, &folded) || self.uses_names(&folded))
    }

    /// Whether the words of a text are here what they are to the server.
    fn is_readable(&self, bytes: &[u8]) -> bool {
        is_clear(bytes)
            || self.reported.unreadable().is_none()
                && !(self.reported.folds_letters()
                    && str::from_utf8(bytes).is_ok_and(|text| sealwire_sql::folded(text).is_some()))
    }

    /// A text for which the server does not tell what names mean, in an aborted transaction for
    /// example. What its grammar does not accept it finds out before that.
    fn unready(&self, bytes: &[u8], protocol: Protocol, report: Report) -> Result<Look, Error> {
        let analysis = self.analysis()?;
        let syntax = str::from_utf8(bytes).ok().and_then(|text| {
            match analysis.analyse(text, protocol, &self.names(), false) {
                Verdict::Refused(refusal) if refusal.kind == RefusalKind::Syntax => {
                    Some(Report::refusal(&refusal, text))
                }
                _ => None,
            }
        });
        Ok(Look::Refused(syntax.unwrap_or(report)))
    }

    /// In results-only mode nothing is sealed.
    fn refuse_sealing(&self, plan: &Plan) -> Option<Report> {
        let seals = has_literals(plan)
            || plan
                .params
                .iter()
                .any(|param| matches!(param, Param::Sealed { .. }))
            || plan.statements.iter().any(seals_rows);
        if self.options.enforcement == Enforcement::Enabled || !seals {
            return None;
        }
        Some(refused(
            RefusalKind::ResultsOnly,
            "refusing to seal a value: column encryption is on for results only",
            None,
            "connect with `column_encryption=enabled`",
        ))
    }

    pub(super) fn client_parse(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let Ok(parse) = Parse::read(body) else {
            return Ok(self.malformed(head, Expect::Malformed));
        };
        let (prepared, effect) =
            match self.look(parse.text, Protocol::Extended, Some(parse.oids))? {
                Look::Wait => return Ok(Step::Wait),
                Look::Refused(report) => return self.refuse_parse(head, &parse, report),
                Look::Plain(effect) => {
                    let kind = match effect {
                        // The name may come to mean something before it is used again.
                        Effect { naming, .. } if naming.any => Some(Kind::Untouched),
                        Effect { risky: true, .. } | Effect { ends: true, .. } => Some(Kind::Risky),
                        _ if parse.name.is_empty() && parse.text.len() <= Unnamed::BYTES_MAX => {
                            let readable = self.is_readable(parse.text);
                            let epoch = self.analysis()?.names_epoch();
                            self.unnamed.set(parse.text, readable, epoch);
                            None
                        }
                        _ => Some(Kind::Plain(match str::from_utf8(parse.text) {
                            Ok(text) if self.is_readable(parse.text) => Words::of(text),
                            _ => Words::unknown(),
                        })),
                    };
                    return Ok(self.forward_parse(head, &parse, kind, effect));
                }
                Look::Untouched(effect) => {
                    let kind = Some(Kind::Untouched);
                    return Ok(self.forward_parse(head, &parse, kind, effect));
                }
                Look::Known(prepared, effect) => (prepared, effect),
                Look::Planned(plan, effect) => match self.prepare_plan(plan, &parse, effect)? {
                    Ok(prepared) => (prepared, effect),
                    Err(report) => return self.refuse_parse(head, &parse, report),
                },
            };
        self.planned_parse(head, rest, &parse, prepared, effect)
    }

    /// Works out what is declared to the server.
    fn prepare_plan(
        &mut self,
        plan: CheckedPlan,
        parse: &Parse<'_>,
        effect: Effect,
    ) -> Result<Result<Arc<Prepared>, Report>, Error> {
        let client_oids: Vec<u32> = parse.oids.iter().collect();
        let analysis = self.analysis.as_mut().ok_or(NO_ANALYSIS)?;
        let policy = Arc::clone(analysis.policy());
        for (at, param) in plan.params.iter().enumerate() {
            let &Param::Sealed {
                column,
                array,
                usage,
                cast,
                ..
            } = param
            else {
                continue;
            };
            let spec = policy.column(column);
            let client_oid = client_oids.get(at).copied().unwrap_or(0);
            let declared = parameter_type(spec, usage);
            let reading = reading(client_oid, array, declared, cast);
            if let Some(report) = objection(at + 1, spec, usage, array, reading) {
                return Ok(Err(report));
            }
        }
        for place in &plan.untyped {
            let is_open = |number: &u32| {
                let at = usize::try_from(*number).unwrap_or(usize::MAX) - 1;
                matches!(client_oids.get(at), None | Some(&(0 | UNKNOWN_OID)))
            };
            if place.params.iter().all(is_open) {
                let report = Report::new(place.sqlstate, place.message.clone());
                return Ok(Err(report.with_hint(place.hint)));
            }
        }
        // Whatever the client declared: a parameter that the analysis missed then fails in Parse,
        // before a value is sent.
        let declared = declared_oids(&plan, &client_oids);
        let keys = param_keys(&plan, &policy);
        // Asked for now so that they are there at Bind; a failure counts only there.
        let _ = self.keys.require_all(&keys);
        let plain_bytea = analysis.reads_plain_bytea(&plan);
        let keep = !has_literals(&plan) && !plan.uses_names && plan.definitions.is_empty();
        let prepared = Arc::new(Prepared::new(
            Arc::new(plan),
            client_oids.into(),
            declared.into(),
            keys,
            plain_bytea,
        ));
        if let (true, Ok(text)) = (keep, str::from_utf8(parse.text)) {
            analysis.remember_plan(text, Arc::clone(&prepared), effect);
        }
        Ok(Ok(prepared))
    }

    fn planned_parse(
        &mut self,
        head: Head,
        rest: &[u8],
        parse: &Parse<'_>,
        prepared: Arc<Prepared>,
        effect: Effect,
    ) -> Result<Step, Error> {
        if parse.name.len() >= NAME_LEN_MAX {
            // The server cuts names, and where depends on how it was built.
            let report = Report::new(
                "42622",
                "refusing a statement name of 63 bytes or more for an encrypted relation",
            );
            return self.refuse_parse(head, parse, report);
        }
        let Ok(text) = str::from_utf8(parse.text) else {
            return Err(Error::ClientMisbehaved("text is not UTF-8"));
        };
        let plan = Arc::clone(&prepared.plan);
        let edited = match self.edit(text, &plan)? {
            Ok(edited) => edited,
            Err(Stop::Awaited) => {
                self.client_wait = Some(Wait::Keys);
                return Ok(Step::Wait);
            }
            Err(Stop::Failed(report)) => return self.refuse_parse(head, parse, report),
            Err(Stop::Fault(error)) => return Err(error),
        };
        match edited {
            None if prepared.types_to_declare() == &*prepared.client_oids => {
                self.to_server.extend_from_slice(&rest[..head.len]);
            }
            edited => {
                let text = edited.as_deref().unwrap_or(text);
                let oids = prepared.types_to_declare();
                frontend::parse(&mut self.to_server, parse.name, text.as_bytes(), oids)?;
            }
        }
        self.counters.statements_planned += 1;
        let statement = self.statement(text, Kind::Planned(Arc::clone(&prepared)), effect);
        let seq = self.queue.next_seq();
        self.statements
            .set(parse.name, seq, Some(Arc::clone(&statement)));
        self.expect(Entry {
            work: Work::Statement(Arc::clone(&statement)),
            change: Change::Statement(parse.name.into()),
            ..Entry::new(Expect::Parse)
        });
        if prepared.check() == Check::Open {
            self.ask_description(parse.name, &statement, &prepared)?;
        }
        Ok(Step::Took(head.len))
    }

    /// Asks the server to describe a statement to the session.
    pub(super) fn ask_description(
        &mut self,
        name: &[u8],
        statement: &Arc<Statement>,
        prepared: &Prepared,
    ) -> Result<(), Error> {
        Target::Statement(name).describe(&mut self.to_server)?;
        let work = Work::Statement(Arc::clone(statement));
        let seq = self.expect(Entry::injected(Expect::DescribeStatement, work));
        prepared.describe_seq.store(seq, Ordering::Relaxed);
        statement.described.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The text with its edits, `None` when it has none.
    fn edit(&mut self, text: &str, plan: &Plan) -> Result<Result<Option<String>, Stop>, Error> {
        if plan.edits.is_empty() {
            return Ok(Ok(None));
        }
        let policy = Arc::clone(self.analysis()?.policy());
        let keys = literal_keys(plan, &policy);
        if let Err(unavailable) = self.keys.require_all(&keys) {
            return Ok(Err(unavailable.into()));
        }
        let mut sealer = Sealer {
            policy: &policy,
            keys: &mut self.keys,
            settings: &self.reported.settings,
            scratch: &mut self.seal_scratch,
        };
        Ok(sealer.text(text, plan).map(Some))
    }

    fn statement(&self, text: &str, kind: Kind, effect: Effect) -> Arc<Statement> {
        let keeps_text = !matches!(kind, Kind::Risky | Kind::Plain(_));
        let epoch = match kind {
            Kind::Plain(_) | Kind::Risky => Analysis::names_epoch,
            _ => Analysis::epoch,
        };
        Arc::new(Statement {
            text: Zeroizing::new(if keeps_text {
                text.into()
            } else {
                String::new()
            }),
            kind,
            effect,
            epoch: AtomicU64::new(self.analysis.as_ref().map_or(0, epoch)),
            by_sql: false,
            described: AtomicBool::new(false),
        })
    }

    /// Sends a Parse as it is.
    fn forward_parse(
        &mut self,
        head: Head,
        parse: &Parse<'_>,
        kind: Option<Kind>,
        effect: Effect,
    ) -> Step {
        self.counters.statements_plain += 1;
        let statement = kind.map(|kind| {
            // A text that is not UTF-8 is never kept: it is neither planned nor untouched.
            self.statement(str::from_utf8(parse.text).unwrap_or_default(), kind, effect)
        });
        let seq = self.queue.next_seq();
        let mut entry = Entry::new(Expect::Parse);
        if self.statements.set(parse.name, seq, statement) {
            entry.change = Change::Statement(parse.name.into());
        }
        self.expect(entry);
        Step::Forward(head.len)
    }

    /// Sends, in place of a Parse, one that fails.
    fn refuse_parse(
        &mut self,
        head: Head,
        parse: &Parse<'_>,
        report: Report,
    ) -> Result<Step, Error> {
        self.counters.statements_refused += 1;
        frontend::parse(
            &mut self.to_server,
            parse.name,
            report.substitute().text,
            &[],
        )?;
        let seq = self.queue.next_seq();
        let entry = Entry {
            work: poison(report),
            change: Change::Statement(parse.name.into()),
            ..Entry::new(Expect::Parse)
        };
        self.statements
            .set(parse.name, seq, Some(Arc::new(Statement::failed(None))));
        self.expect(entry);
        self.skipping = true;
        Ok(Step::Took(head.len))
    }

    pub(super) fn client_query(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let Ok(bytes) = frontend::query_text(body) else {
            return Ok(self.malformed(head, Expect::Query));
        };
        let refused = |report: Report| {
            let text = report.substitute().text.to_vec();
            (poison(report), Effect::default(), Some(text))
        };
        let mut names = Vec::new();
        let (work, effect, text) = match self.look(bytes, Protocol::Simple, None)? {
            Look::Wait => return Ok(Step::Wait),
            Look::Refused(report) => refused(report),
            Look::Plain(effect) | Look::Untouched(effect) => {
                let text = str::from_utf8(bytes).unwrap_or_default();
                names = self.plain_changes(text, effect)?;
                (Work::Plain, effect, None)
            }
            // Only texts with declared types are looked up.
            Look::Known(..) => return Err(Error::ApiMisuse("a Query was looked up as a Parse")),
            Look::Planned(plan, effect) => {
                let text = str::from_utf8(bytes).unwrap_or_default();
                match self.edit(text, &plan)? {
                    Ok(edited) => {
                        names = names::changes(text, &plan, self.analysis()?);
                        let text = edited.map(String::into_bytes);
                        let run = QueryRun {
                            plan: Arc::new(plan),
                            at: 0,
                            binary: false,
                        };
                        (Work::Query(run), effect, text)
                    }
                    Err(Stop::Awaited) => {
                        self.client_wait = Some(Wait::Keys);
                        return Ok(Step::Wait);
                    }
                    Err(Stop::Failed(report)) => refused(report),
                    Err(Stop::Fault(error)) => return Err(error),
                }
            }
        };
        match work {
            Work::Plain => self.counters.statements_plain += 1,
            Work::Poison(_) => self.counters.statements_refused += 1,
            _ => self.counters.statements_planned += 1,
        }
        // A Query destroys the unnamed statement and the unnamed portal.
        let seq = self.queue.next_seq();
        let statement = self.statements.set(b"", seq, None);
        let portal = self.portals.set(b"", seq, None);
        if statement || portal {
            self.last_query = seq;
        }
        self.note_effect(effect);
        let planned = !matches!(work, Work::Plain);
        let defines = planned && !names.is_empty();
        let entry = Entry {
            work,
            effect,
            names,
            change: if statement || portal {
                Change::Unnamed
            } else {
                Change::None
            },
            ..Entry::new(Expect::Query)
        };
        self.note_defining(&entry);
        self.queue.push(entry);
        self.note_copy_data(planned);
        match text {
            None if !defines => return Ok(Step::Forward(head.len)),
            None => self.to_server.extend_from_slice(&rest[..head.len]),
            Some(text) => frontend::query(&mut self.to_server, &text)?,
        }
        if defines {
            self.describe_prepared()?;
        }
        Ok(Step::Took(head.len))
    }
}

fn poison(report: Report) -> Work {
    Work::Poison(Box::new(Poison::text(report)))
}
