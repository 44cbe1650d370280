//! Queries of the session's own: manifest, facts, catalogue.
//!
//! They go out as extended messages with names of their own: an unnamed Parse would destroy the
//! client's, and a Sync inside its batch would commit its implicit transaction, so there a Flush
//! takes its place.

use sealwire_core::catalogue::{Held, Relation};

use super::Session;
use crate::analysis::Analysis;
use crate::catalogue::{self, Facts};
use crate::effect::Stale;
use crate::error::Error;
use crate::message::Malformed;
use crate::message::backend::error_field;
use crate::message::frontend::{self, Target};
use crate::poison::Report;
use crate::queue::{Entry, Expect, Work};

const NAME: &[u8] = b"sealwire_catalogue";
/// What a server may send in answer, so that a lying one cannot fill the memory.
const LOADED_BYTES_MAX: usize = 64 << 20;

/// What one query asks.
#[derive(Clone, Debug)]
pub(super) enum What {
    Manifest,
    Facts,
    /// Functions that may change what names mean.
    Functions,
    /// Types that hold cells, and functions of them.
    Held,
    /// The protected tables and everything that depends on them, in place of what is known.
    Everything,
    /// Relations of these names and everything that they depend on, in addition to what is known.
    Relations(Vec<String>),
}

impl What {
    /// Everything but the manifest.
    pub(super) fn all() -> Vec<Self> {
        vec![Self::Facts, Self::Held, Self::Everything, Self::Functions]
    }
}

/// What the server has said.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) document: Option<Vec<u8>>,
    facts: Option<Facts>,
    functions: Option<Vec<(String, Stale)>>,
    held: Option<Held>,
    relations: Vec<Relation>,
    /// Names asked for, and whether the relations take the place of what is known.
    asked: Option<(Vec<String>, bool)>,
}

/// A load under way.
#[derive(Debug)]
pub(super) struct Load {
    whats: Vec<What>,
    /// Index into `whats` of the query whose rows come now; `whats.len()` when all have come.
    at: usize,
    bytes: usize,
    loaded: Loaded,
    failure: Option<Report>,
    /// The last entry of it in the queue.
    last_seq: u64,
    /// It ends in a Sync of its own, so that its error is nobody else's.
    own_sync: bool,
}

impl Session {
    /// Sends the queries. The client's frames wait until they are answered.
    pub(super) fn start_load(&mut self, whats: Vec<What>) -> Result<(), Error> {
        let mut loaded = Loaded::default();
        for what in &whats {
            let parameter = match what {
                What::Manifest | What::Facts | What::Functions | What::Held => None,
                What::Everything => {
                    let names = self.analysis.as_ref().map(|a| a.protected_names());
                    let names = names.unwrap_or_default();
                    let parameter = catalogue::names_parameter(names.iter().map(String::as_str));
                    loaded.asked = Some((names, true));
                    Some(parameter)
                }
                What::Relations(names) => {
                    let parameter = catalogue::names_parameter(names.iter().map(String::as_str));
                    loaded.asked = Some((names.clone(), false));
                    Some(parameter)
                }
            };
            let sql = match what {
                What::Manifest => catalogue::MANIFEST_SQL,
                What::Facts if self.analysis.as_ref().is_some_and(Analysis::has_enums) => {
                    catalogue::FACTS_WITH_ENUMS_SQL
                }
                What::Facts => catalogue::FACTS_SQL,
                What::Functions => catalogue::FUNCTIONS_SQL,
                What::Held => catalogue::HELD_SQL,
                What::Everything => catalogue::DEPENDENTS_SQL,
                What::Relations(_) => catalogue::ANCESTORS_SQL,
            };
            let values: Vec<&[u8]> = parameter.iter().map(String::as_bytes).collect();
            let binary = matches!(what, What::Manifest);
            let out = &mut self.to_server;
            // Closed first: an earlier load may have failed before its own Close.
            Target::Statement(NAME).close(out)?;
            Target::Portal(NAME).close(out)?;
            frontend::parse(out, NAME, sql.as_bytes(), &[])?;
            frontend::bind_text(out, NAME, NAME, &values, binary)?;
            frontend::execute(out, NAME)?;
            Target::Portal(NAME).close(out)?;
            Target::Statement(NAME).close(out)?;
            for expect in [
                Expect::Close,
                Expect::Close,
                Expect::Parse,
                Expect::Bind,
                Expect::Execute,
                Expect::Close,
                Expect::Close,
            ] {
                self.queue.push(Entry::injected(expect, Work::Load));
            }
        }
        let own_sync = !self.batch_open;
        let last_seq = if own_sync {
            frontend::bare(&mut self.to_server, b'S');
            self.queue.push(Entry::injected(Expect::Sync, Work::Load))
        } else {
            frontend::bare(&mut self.to_server, b'H');
            self.queue.next_seq() - 1
        };
        self.load = Some(Load {
            whats,
            at: 0,
            bytes: 0,
            loaded,
            failure: None,
            last_seq,
            own_sync,
        });
        Ok(())
    }

    /// The number of the entry that ends the load under way.
    pub(super) fn load_seq(&self) -> Option<u64> {
        self.load.as_ref().map(|load| load.last_seq)
    }

    /// A row for the load.
    pub(super) fn load_row(&mut self, body: &[u8]) -> Result<(), Error> {
        let malformed =
            |Malformed| Error::ServerMisbehaved("malformed row in answer to a catalogue query");
        let Some(load) = &mut self.load else {
            return Err(Error::ServerMisbehaved("row for no query"));
        };
        load.bytes += body.len();
        if load.bytes > LOADED_BYTES_MAX {
            return Err(Error::ServerMisbehaved("catalogue of more than 64 MiB"));
        }
        match load.whats.get(load.at) {
            Some(What::Manifest) => {
                load.loaded.document = Some(catalogue::document(body).map_err(malformed)?);
            }
            Some(What::Facts) => {
                load.loaded.facts = Some(catalogue::facts(body).map_err(malformed)?);
            }
            Some(What::Functions) => {
                load.loaded.functions = Some(catalogue::functions(body).map_err(malformed)?);
            }
            Some(What::Held) => {
                load.loaded.held = Some(catalogue::held(body).map_err(malformed)?);
            }
            Some(What::Everything | What::Relations(_)) => {
                let relation = catalogue::relation(body).map_err(malformed)?;
                load.loaded.relations.push(relation);
            }
            None => {
                return Err(Error::ServerMisbehaved(
                    "row after the last catalogue query",
                ));
            }
        }
        Ok(())
    }

    /// A query of the load has been answered in full.
    pub(super) fn load_command_complete(&mut self) {
        if let Some(load) = &mut self.load {
            load.at += 1;
        }
    }

    /// An error in answer to the load. Returns whether it is the client's to see: inside its batch
    /// the server skips to its Sync now, as after an error of the client's own.
    pub(super) fn load_error(&mut self, body: &[u8]) -> bool {
        let text =
            |kind| error_field(body, kind).map(|text| String::from_utf8_lossy(text).into_owned());
        let Some(load) = &mut self.load else {
            return true;
        };
        if load.own_sync {
            let mut report = Report::new("58000", text(b'M').unwrap_or_default());
            if let Some(sqlstate) = text(b'C') {
                report.sqlstate = sqlstate.into();
            }
            load.failure = Some(report);
        } else {
            self.load_broke_batch = true;
        }
        !load.own_sync
    }

    /// Ends the load if its last entry has left the queue.
    pub(super) fn finish_load(&mut self) -> Result<(), Error> {
        let over = |load: &Load| self.queue.answered(load.last_seq);
        if !self.load.as_ref().is_some_and(over) {
            return Ok(());
        }
        let Some(load) = self.load.take() else {
            return Ok(());
        };
        let outcome = match load.failure {
            Some(report) => Err(report),
            None if load.at == load.whats.len() => Ok(load.loaded),
            // An error before it in the same batch: the server skipped it, and the frame that
            // waited for it is skipped too.
            None => return Ok(()),
        };
        if matches!(self.phase, super::Phase::Preparing { .. }) {
            return self.finish_load_at_start(outcome);
        }
        match outcome {
            Ok(loaded) => self.apply(loaded),
            Err(report) => self.load_failure = Some(report),
        }
        Ok(())
    }

    /// Takes what the server has said.
    pub(super) fn apply(&mut self, loaded: Loaded) {
        let Some(analysis) = &mut self.analysis else {
            return;
        };
        if let Some(facts) = loaded.facts {
            self.reported.note_read(facts.settings);
            analysis.note_enum_oids(&facts.enum_oids);
            analysis.note_facts(facts.session);
        }
        if let Some(functions) = loaded.functions {
            analysis.note_functions(functions);
        }
        if let Some((asked, anew)) = loaded.asked {
            analysis.note_relations(loaded.relations, asked, anew, loaded.held);
            self.catalogue_fresh |= anew && matches!(self.phase, super::Phase::Ready);
        }
    }

    /// What has to be read again before a text can be analysed.
    pub(super) fn stale_queries(&self) -> Option<Vec<What>> {
        match self.analysis.as_ref()?.stale {
            Stale::Nothing => None,
            Stale::Facts => Some(vec![What::Facts]),
            Stale::Catalogue | Stale::Names => Some(What::all()),
        }
    }
}
