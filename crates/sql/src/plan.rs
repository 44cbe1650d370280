//! The verdict on a statement.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use sealwire_core::policy::ColumnId;
use sealwire_core::types::ScalarType;
use sealwire_core::value::Usage;
use zeroize::Zeroizing;

use crate::session::Definition;

/// Which protocol a text came in by. An extended Parse holds one statement and may have
/// parameters; a simple Query may hold several statements and has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Parse.
    Extended,
    /// Query.
    Simple,
}

/// The outcome of an analysis.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Names no protected relation: goes out byte-identical.
    Untouched,
    /// Names one and is understood.
    Planned(CheckedPlan),
    /// Relations whose catalogue rows are needed first (bare names); load them and ask again.
    NeedsRelations(Vec<String>),
    /// Names one and must not go out.
    Refused(Refusal),
}

/// A plan that the checker has passed; only [`crate::analyse`] makes one.
#[derive(Debug)]
pub struct CheckedPlan(pub(crate) Plan);

impl std::ops::Deref for CheckedPlan {
    type Target = Plan;
    fn deref(&self) -> &Plan {
        &self.0
    }
}

/// How every parameter, literal and output column of a text is typed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// `$1` first. A number that the text skips is [`Param::Plain`].
    pub params: Vec<Param>,
    /// Changes to the text, in order, not overlapping.
    pub edits: Vec<Edit>,
    /// One entry per statement of the text (empty ones between semicolons do not count).
    pub statements: Vec<Outputs>,
    /// Object identifiers of the relations that names were resolved to, for noticing later that
    /// the same text means something else.
    pub relations: Vec<u32>,
    /// What statements of the text do to the session's names, by their position in `statements`.
    pub definitions: Vec<(usize, Definition)>,
    /// Prepared statements that the text executes, and whether it depends on such names or on
    /// cursors at all: its plan holds only as long as they mean what they meant.
    pub executes: Vec<String>,
    /// See `executes`.
    pub uses_names: bool,
    /// Places that the client has to give a type.
    pub untyped: Vec<Untyped>,
}

/// A place that nothing in the text gives a type, and PostgreSQL's error there. Only the type that the
/// client declares for one of the parameters averts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untyped {
    /// The numbers of the parameters that stand there.
    pub params: Vec<u32>,
    /// The error.
    pub sqlstate: &'static str,
    /// PostgreSQL's words.
    pub message: String,
    /// And its hint.
    pub hint: &'static str,
}

impl Plan {
    /// The columns that literals of the text are sealed for, and whether as arrays.
    pub fn sealed_literals(&self) -> impl Iterator<Item = (ColumnId, bool)> {
        self.edits.iter().filter_map(|edit| match edit.replacement {
            Replacement::Literal { column, array, .. } => Some((column, array)),
            Replacement::Text(_) => None,
        })
    }
}

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// Goes to the server as the client sent it.
    Plain,
    /// Sealed. Declared to the server as `bytea`, or `bytea[]` for an array.
    Sealed {
        /// The column whose specification it is sealed under.
        column: ColumnId,
        /// Every element of an array is sealed by itself.
        array: bool,
        /// Stored or compared (stored wins when both).
        usage: Usage,
        /// It is compared too where it is stored.
        also_compared: bool,
        /// The type that it is cast to wherever it stands; an element's of an array. The casts are
        /// cut out, so what they convert has to be converted before it is sealed.
        cast: Option<ScalarType>,
    },
}

/// What the rows of one statement hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// The statement names no protected relation: whatever rows it returns pass as they are.
    Untouched,
    /// Its output columns, none when it returns no rows. RowDescription must agree in number.
    Columns(Vec<Output>),
    /// It is a `COPY FROM STDIN` or `COPY TO STDOUT`: its rows are in the stream.
    /// CopyInResponse and CopyOutResponse must agree in number and format.
    Copy(Arc<CopyStream>),
}

/// An output column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The encrypted column whose cells it holds, or `None` for plain.
    pub column: Option<ColumnId>,
    /// The cells are the elements of an array.
    pub array: bool,
    /// They have the type in which values of the column are compared, as `NULLIF` makes a `text` of
    /// a `varchar`.
    pub compared: bool,
    /// What it is called, as far as that is known, where there are cells in the row: a client that
    /// looks for columns by their names must not be shown the one as the other.
    pub name: Option<Arc<str>>,
    /// It has no other name, whatever the server's version.
    pub certain: bool,
}

impl Output {
    /// A column whose values pass as they are.
    pub const PLAIN: Self = Self {
        column: None,
        array: false,
        compared: false,
        name: None,
        certain: false,
    };
}

/// The stream of a COPY between client and server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyStream {
    /// Which way it goes.
    pub direction: CopyDirection,
    /// The relation as PostgreSQL's messages name it, without its schema; empty for a query.
    pub relation: String,
    /// How rows are written. Of no meaning when no column is encrypted.
    pub format: CopyFormat,
    /// The columns in the order of the stream.
    pub columns: Vec<CopyColumn>,
}

impl CopyStream {
    /// Whether a column of it is encrypted.
    pub fn has_cells(&self) -> bool {
        self.columns.iter().any(|column| column.column.is_some())
    }

    /// The encrypted columns that values of the stream are sealed for.
    pub fn sealed(&self) -> impl Iterator<Item = ColumnId> {
        let columns = match self.direction {
            CopyDirection::In => self.columns.as_slice(),
            CopyDirection::Out => &[],
        };
        columns.iter().filter_map(|column| column.column)
    }
}

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// `FROM STDIN`: the client sends rows.
    In,
    /// `TO STDOUT`: the server sends rows.
    Out,
}

/// How the rows of a COPY are written (PostgreSQL documentation, COPY, "File Formats").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// `FORMAT text`.
    Text(CopyText),
    /// `FORMAT csv`.
    Csv {
        /// What it shares with the text format.
        text: CopyText,
        /// `QUOTE`.
        quote: u8,
        /// `ESCAPE`.
        escape: u8,
    },
    /// `FORMAT binary`.
    Binary,
}

/// The options of the formats that have lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyText {
    /// `DELIMITER`.
    pub delimiter: u8,
    /// `NULL`.
    pub null: String,
    /// `DEFAULT` (PostgreSQL 16).
    pub default: Option<String>,
    /// `HEADER`.
    pub header: CopyHeader,
    /// `ENCODING 'UTF8'` is said, so that `client_encoding` does not matter.
    pub says_utf8: bool,
}

/// `HEADER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyHeader {
    /// No header line.
    No,
    /// The first line is not a row.
    Yes,
    /// The same, and it must name the columns (PostgreSQL 15).
    Match,
}

/// A column of a COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyColumn {
    /// Its name.
    pub name: String,
    /// The encrypted column whose values it holds, or `None` for plain.
    pub column: Option<ColumnId>,
    /// `FORCE_QUOTE`.
    pub force_quote: bool,
    /// `FORCE_NOT_NULL`.
    pub force_not_null: bool,
    /// `FORCE_NULL`.
    pub force_null: bool,
}

/// A change to the text.
#[derive(Debug)]
pub struct Edit {
    /// Byte range of the original text.
    pub range: Range<usize>,
    /// What takes its place.
    pub replacement: Replacement,
}

impl Edit {
    /// Whether it seals a literal.
    pub fn is_literal(&self) -> bool {
        matches!(self.replacement, Replacement::Literal { .. })
    }
}

/// What takes the place of a piece of text.
#[derive(Debug)]
#[non_exhaustive]
pub enum Replacement {
    /// Fixed text, for example nothing for a cut `::text`.
    Text(String),
    /// A literal to seal; the engine writes the cell as `'\x…'::pg_catalog.bytea`, and an array of
    /// cells as `'{…}'::pg_catalog.bytea[]`.
    Literal {
        /// The literal's value in PostgreSQL's text format.
        value: LiteralValue,
        /// The type that the text is read as, where that is not the column's own.
        wire: Option<ScalarType>,
        /// The column whose specification it is sealed under.
        column: ColumnId,
        /// Stored or compared (stored wins when both).
        usage: Usage,
        /// It is compared too where it is stored.
        also_compared: bool,
        /// The literal is an array, and its elements are sealed one by one.
        array: bool,
        /// It is a number that a server before PostgreSQL 16 takes for something else: `0x1f`, `1_000`.
        since_16: bool,
    },
}

/// The plaintext of a literal.
pub struct LiteralValue(Zeroizing<String>);

impl LiteralValue {
    /// Takes a literal's text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The plaintext.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LiteralValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiteralValue(redacted)")
    }
}

/// Why a statement does not go out. Never carries a literal's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, one per entry of `docs/errors.md`.
    pub kind: RefusalKind,
    /// The five characters that the client sees, for example `0A000`.
    pub sqlstate: &'static str,
    /// What was refused and where: ``refusing to run `<` on encrypted column `public.users.email` ``.
    pub message: String,
    /// Why, in one clause.
    pub detail: Option<String>,
    /// What would work.
    pub hint: Option<String>,
    /// Byte offset into the text.
    pub offset: Option<usize>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// The kinds of refusal; each has a SQLSTATE and an entry in `docs/errors.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The text names a protected relation and PostgreSQL's grammar does not accept it.
    Syntax,
    /// A limit of the analyser: depth, number of tokens.
    TooComplex,
    /// A construct that is not supported on protected relations.
    UnsupportedConstruct,
    /// An operator other than equality on an encrypted value.
    UnsupportedOperator,
    /// A comparison, grouping or the like of a randomized column.
    RandomizedComparison,
    /// An encrypted value as argument of a function.
    FunctionOfEncrypted,
    /// Encrypted against plain.
    MixedPlain,
    /// Encrypted against encrypted of another class.
    MixedClasses,
    /// Cells copied to a column of a narrower type.
    Narrowing,
    /// One `$n` in two roles.
    ParameterConflict,
    /// A cast that is not to the declared type.
    Cast,
    /// A whole row of a protected relation.
    WholeRow,
    /// Name resolution: no such column, ambiguous, or shadowed in a way that only the server's
    /// catalogue vouches for.
    Name,
    /// The manifest and the catalogue disagree about a relation.
    CatalogueMismatch,
    /// A session setting under which texts cannot be read (client_encoding,
    /// standard_conforming_strings).
    SessionSetting,
    /// Writes are off (`column_encryption=results_only`).
    ResultsOnly,
    /// A prepared statement that was to be planned and was never prepared.
    NotPrepared,
    /// The server would not take the statement on plain columns either; SQLSTATE and words are
    /// PostgreSQL's.
    Invalid,
}

impl RefusalKind {
    /// The SQLSTATE of a refusal of this kind that has none of its own.
    pub const fn sqlstate(self) -> &'static str {
        match self {
            Self::Syntax => "42601",
            Self::TooComplex => "54001",
            Self::Name => "42703",
            Self::CatalogueMismatch => "42P17",
            Self::NotPrepared => "26000",
            _ => "0A000",
        }
    }
}
