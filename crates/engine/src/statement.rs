//! What is remembered of prepared statements, portals and simple queries.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHasher;
use sealwire_core::policy::KeyId;
use sealwire_core::value::Format;
use sealwire_sql::{CheckedPlan, Output, Outputs};
use zeroize::Zeroizing;

use crate::effect::Effect;
use crate::names::declared_oids;
use crate::seal::UNKNOWN_OID;

/// A prepared statement that is more than plain.
pub(crate) struct Statement {
    /// As the client sent it; literals in it are plaintext.
    pub(crate) text: Zeroizing<String>,
    pub(crate) kind: Kind,
    /// What executing it may do to the session's facts.
    pub(crate) effect: Effect,
    /// The session's epoch in which the analysis was last seen to hold, for a plain or a risky one that of
    /// the protected names.
    pub(crate) epoch: AtomicU64,
    /// `text` is a `PREPARE` of SQL, and the plan that of the statement in it.
    pub(crate) by_sql: bool,
    /// The server has been asked to describe it since it was prepared: its description comes
    /// before its rows.
    pub(crate) described: AtomicBool,
}

/// Why a statement is remembered.
pub(crate) enum Kind {
    /// Executing it may change what names mean.
    Risky,
    /// It says no protected name. What is kept are its words, for the day when one becomes a
    /// protected name.
    Plain(Words),
    /// It mentions a protected name, and as names resolve it is none of ours.
    Untouched,
    /// It has a plan.
    Planned(Arc<Prepared>),
    /// It would have had a plan, or was refused, and was never prepared. A client that sends ahead
    /// may still have values for it. The server may still know the name by an earlier meaning.
    Failed(Option<Arc<Statement>>),
}

/// The text of an unnamed statement, which a client may keep while the names in it come to mean something
/// else. Most are prepared anew each time, so nothing is made of it before that.
#[derive(Default)]
pub(crate) struct Unnamed {
    text: Vec<u8>,
    /// It was read as the server read it.
    readable: bool,
    /// The epoch of the protected names in which it was seen to be plain.
    pub(crate) epoch: u64,
}

impl Unnamed {
    /// Longer texts are kept by their words.
    pub(crate) const BYTES_MAX: usize = 16 << 10;

    pub(crate) fn set(&mut self, text: &[u8], readable: bool, epoch: u64) {
        self.readable = readable;
        self.text.clear();
        self.text.extend_from_slice(text);
        self.epoch = epoch;
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The text, if its words can be told.
    pub(crate) fn readable(&self) -> Option<&str> {
        str::from_utf8(&self.text).ok().filter(|_| self.readable)
    }
}

impl fmt::Debug for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unnamed(redacted)")
    }
}

/// Hashes of a text's identifiers and keywords, in order: a session may have many such texts.
pub(crate) struct Words(Option<Box<[u64]>>);

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        let mut hashes = Vec::new();
        // A text that cannot be read is not prepared by the server either.
        sealwire_sql::words(text, |word| hashes.push(Self::hash(word)));
        hashes.sort_unstable();
        hashes.dedup();
        Self(Some(hashes.into()))
    }

    /// Of a text that cannot be read as the server reads it: any.
    pub(crate) fn unknown() -> Self {
        Self(None)
    }

    /// Whether the text may have one of these words.
    pub(crate) fn have_one_of<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> bool {
        let Some(hashes) = &self.0 else { return true };
        names.any(|name| hashes.binary_search(&Self::hash(name)).is_ok())
    }

    fn hash(word: &str) -> u64 {
        BuildHasherDefault::<FxHasher>::default().hash_one(word)
    }
}

impl Statement {
    /// Takes the place of a statement that was to be planned and was never prepared.
    pub(crate) fn failed(before: Option<Arc<Self>>) -> Self {
        // One level is enough: what was never prepared means nothing to the server.
        let before = before.and_then(|before| match &before.kind {
            Kind::Failed(earlier) => earlier.clone(),
            _ => Some(before),
        });
        Self {
            text: Zeroizing::default(),
            kind: Kind::Failed(before),
            effect: Effect::default(),
            epoch: AtomicU64::new(0),
            by_sql: false,
            described: AtomicBool::new(false),
        }
    }

    /// The same statement with another plan.
    pub(crate) fn replanned(&self, prepared: &Arc<Prepared>) -> Self {
        Self {
            text: self.text.clone(),
            kind: Kind::Planned(Arc::clone(prepared)),
            effect: self.effect,
            epoch: AtomicU64::new(self.epoch.load(Ordering::Relaxed)),
            by_sql: self.by_sql,
            // The server describes it as it was when it was prepared; its portal's rows are
            // those of the new plan.
            described: AtomicBool::new(true),
        }
    }

    /// A statement that SQL has prepared, and that says nothing protected as names resolve now.
    pub(crate) fn plain_by_sql(text: &str, kind: Kind, epoch: u64) -> Self {
        Self {
            text: Zeroizing::new(text.into()),
            kind,
            effect: Effect::default(),
            epoch: AtomicU64::new(epoch),
            by_sql: true,
            described: AtomicBool::new(false),
        }
    }

    /// A statement that SQL has prepared, with its plan.
    pub(crate) fn by_sql(
        text: &str,
        plan: Arc<CheckedPlan>,
        plain_bytea: bool,
        epoch: u64,
    ) -> Self {
        Self {
            text: Zeroizing::new(text.into()),
            kind: Kind::Planned(Arc::new(Prepared::untyped(plan, plain_bytea))),
            effect: Effect::default(),
            epoch: AtomicU64::new(epoch),
            by_sql: true,
            described: AtomicBool::new(false),
        }
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Risky => "Statement(risky)",
            Kind::Plain(_) => "Statement(plain)",
            Kind::Untouched => "Statement(untouched)",
            Kind::Planned(_) => "Statement(planned)",
            Kind::Failed(_) => "Statement(failed)",
        })
    }
}

/// A plan with what the client declared and what was declared to the server.
pub(crate) struct Prepared {
    pub(crate) plan: Arc<CheckedPlan>,
    /// Types that the client declared, 0 where it left one open.
    pub(crate) client_oids: Box<[u32]>,
    /// Types that the server was told before it had described the statement.
    pub(crate) declared_oids: Box<[u32]>,
    /// Those and the ones that it gave the other parameters when it did.
    settled_oids: OnceLock<Box<[u32]>>,
    /// Keys that sealing a set of parameters takes.
    pub(crate) keys: Box<[KeyId]>,
    /// A relation of the plan has a column that is plainly `bytea`.
    pub(crate) plain_bytea: bool,
    check: AtomicU8,
    /// Number of the entry of the last description asked for, 0 before the first.
    pub(crate) describe_seq: AtomicU64,
}

/// What the server's own description of a statement said of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It has not come.
    Open,
    /// It agrees.
    Agrees,
    /// It does not: no value goes out, no row comes in.
    Disagrees,
}

impl Prepared {
    pub(crate) fn new(
        plan: Arc<CheckedPlan>,
        client_oids: Box<[u32]>,
        declared_oids: Box<[u32]>,
        keys: Box<[KeyId]>,
        plain_bytea: bool,
    ) -> Self {
        Self {
            plan,
            client_oids,
            declared_oids,
            settled_oids: OnceLock::new(),
            keys,
            plain_bytea,
            check: AtomicU8::new(0),
            describe_seq: AtomicU64::new(0),
        }
    }

    /// A statement or cursor for which no client declares a type.
    pub(crate) fn untyped(plan: Arc<CheckedPlan>, plain_bytea: bool) -> Self {
        let declared = declared_oids(&plan, &[]);
        let none = Box::default();
        Self::new(plan, none, declared.into(), Box::default(), plain_bytea)
    }

    /// The same declarations with another plan, which the server has not described yet.
    pub(crate) fn replanned(&self, plan: Arc<CheckedPlan>) -> Self {
        Self::new(
            plan,
            self.client_oids.clone(),
            self.declared_oids.clone(),
            self.keys.clone(),
            self.plain_bytea,
        )
    }

    /// Types to declare. Once the server has said what type each parameter has, all are declared: if
    /// the same text has come to mean something else to it since, it fails before any value is
    /// looked at.
    pub(crate) fn types_to_declare(&self) -> &[u32] {
        self.settled_oids.get().unwrap_or(&self.declared_oids)
    }

    /// Takes the types of a description that agrees with the plan.
    pub(crate) fn settle_types(&self, oids: &[u32]) {
        let settle = || {
            let declared = |at: usize| self.declared_oids.get(at).copied().unwrap_or(0);
            let own = |(at, &oid): (usize, &u32)| match declared(at) {
                0 | UNKNOWN_OID => oid,
                declared => declared,
            };
            oids.iter().enumerate().map(own).collect()
        };
        self.settled_oids.get_or_init(settle);
    }

    pub(crate) fn check(&self) -> Check {
        match self.check.load(Ordering::Relaxed) {
            0 => Check::Open,
            1 => Check::Agrees,
            _ => Check::Disagrees,
        }
    }

    /// A disagreement is never taken back.
    pub(crate) fn set_check(&self, agrees: bool) {
        if self.check() != Check::Disagrees {
            self.check
                .store(if agrees { 1 } else { 2 }, Ordering::Relaxed);
        }
    }

    /// Number of parameters that the server should count: PostgreSQL takes the larger of those
    /// declared and those in the text.
    pub(crate) fn param_count(&self) -> usize {
        self.plan.params.len().max(self.declared_oids.len())
    }

    /// The output columns, `None` when rows pass as they are.
    pub(crate) fn outputs(&self) -> Option<&[Output]> {
        match self.plan.statements.first() {
            Some(Outputs::Columns(columns)) => Some(columns),
            // Its rows are in the stream.
            Some(Outputs::Copy(_)) => Some(&[]),
            _ => None,
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("check", &self.check())
            .finish_non_exhaustive()
    }
}

/// A portal of a remembered statement.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) statement: Arc<Statement>,
    /// The format in which the client wants each output column; empty unless the plan has some.
    pub(crate) formats: Box<[Format]>,
    /// The format in which the server sends cells.
    pub(crate) cells: Format,
    /// It survives its transaction.
    pub(crate) hold: bool,
}

impl Portal {
    /// A cursor that SQL has declared: the protocol can execute it too, and gets text.
    pub(crate) fn cursor(plan: Arc<CheckedPlan>, hold: bool, epoch: u64) -> Self {
        Self {
            statement: Arc::new(Statement::by_sql("", plan, false, epoch)),
            formats: Box::default(),
            cells: Format::Text,
            hold,
        }
    }

    pub(crate) fn prepared(&self) -> Option<&Arc<Prepared>> {
        match &self.statement.kind {
            Kind::Planned(prepared) => Some(prepared),
            _ => None,
        }
    }
}

/// Whether any of the columns holds cells.
pub(crate) fn has_cells(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| output.column.is_some())
}

/// A simple Query that the server works on.
#[derive(Clone)]
pub(crate) struct QueryRun {
    pub(crate) plan: Arc<CheckedPlan>,
    /// The statement of the text whose responses come now.
    pub(crate) at: usize,
    /// Its rows are in binary format: `FETCH` from a binary cursor.
    pub(crate) binary: bool,
}

impl QueryRun {
    /// The output columns of the current statement, `None` when its rows pass as they are.
    pub(crate) fn outputs(&self) -> Option<&[Output]> {
        match self.plan.statements.get(self.at) {
            Some(Outputs::Columns(columns)) => Some(columns),
            Some(Outputs::Copy(_)) => Some(&[]),
            Some(Outputs::Untouched) => None,
            // More results than statements: nothing is known of them, so no column may be a cell's.
            None => Some(&[]),
        }
    }
}

impl fmt::Debug for QueryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryRun")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
