//! The small tree that the analyser works on: what `parse` keeps of PostgreSQL's raw parse tree.

use std::ops::Range;

use crate::plan::LiteralValue;

/// A name as it stands in the text, folded and truncated as PostgreSQL does.
///
/// Every name has its own number, so that the resolver can say which of them it has understood and
/// the tripwire can count what is left.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) id: u32,
}

/// One text.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) statements: Vec<Statement>,
    /// The text of every name, by [`Name::id`].
    pub(crate) names: Vec<Box<str>>,
    /// Numbers of the names that cannot be a column's, wherever they stand.
    pub(crate) settled: Vec<u32>,
}

/// One statement of a text.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    pub(crate) range: Range<usize>,
    /// The names of this statement in [`Script::names`].
    pub(crate) names: Range<usize>,
    /// Every relation name that the statement uses as one, hidden by a CTE or not.
    pub(crate) relations: Vec<RelationRef>,
}

/// A relation name in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelationRef {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

#[derive(Debug)]
pub(crate) enum StatementKind {
    Query(Query),
    Explain(Box<Self>),
    Copy(Copy),
    Utility(Utility),
    Prepare(Box<Prepare>),
    Execute(Execute),
    /// `None` for `ALL`, here and in `Close`.
    Deallocate(Option<String>),
    Declare(Box<Declare>),
    Fetch {
        name: String,
        is_move: bool,
    },
    Close(Option<String>),
    /// A node that the adapter does not know.
    Unsupported(Unsupported),
}

#[derive(Debug)]
pub(crate) struct Prepare {
    pub(crate) name: String,
    pub(crate) types: Vec<TypeName>,
    pub(crate) query: Query,
}

#[derive(Debug)]
pub(crate) struct Execute {
    pub(crate) name: String,
    pub(crate) args: Vec<Expr>,
    /// `CREATE TABLE … AS EXECUTE`.
    pub(crate) stored: bool,
}

#[derive(Debug)]
pub(crate) struct Declare {
    pub(crate) name: String,
    pub(crate) hold: bool,
    pub(crate) query: Query,
}

/// Something that the adapter does not know, in words.
#[derive(Clone, Debug)]
pub(crate) struct Unsupported {
    pub(crate) what: &'static str,
    pub(crate) at: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Query {
    Select(Box<Select>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
}

#[derive(Debug)]
pub(crate) struct With {
    pub(crate) recursive: bool,
    pub(crate) ctes: Vec<Cte>,
}

#[derive(Debug)]
pub(crate) struct Cte {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
    pub(crate) query: Query,
    /// Columns by which `SEARCH` orders or `CYCLE` tells rows apart: they go into row values.
    pub(crate) tracked: Vec<Name>,
    /// Constants of `CYCLE`.
    pub(crate) marks: Vec<Expr>,
    /// Columns that `SEARCH` and `CYCLE` add.
    pub(crate) added: Vec<Name>,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) with: Option<With>,
    pub(crate) body: SelectBody,
    pub(crate) order: Vec<Expr>,
    pub(crate) limits: Vec<Expr>,
    pub(crate) locked: Vec<Name>,
    /// Where the name of the relation stands that `SELECT INTO` creates.
    pub(crate) into: Option<usize>,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum SelectBody {
    Simple(Box<Simple>),
    Values(Vec<Vec<Expr>>),
    SetOperation {
        word: &'static str,
        all: bool,
        left: Box<Select>,
        right: Box<Select>,
    },
}

#[derive(Debug)]
pub(crate) struct Simple {
    pub(crate) distinct: Distinct,
    pub(crate) targets: Vec<Target>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group: Vec<Expr>,
    pub(crate) having: Option<Expr>,
    pub(crate) windows: Vec<Window>,
}

#[derive(Debug)]
pub(crate) enum Distinct {
    No,
    All,
    On(Vec<Expr>),
}

/// An item of a select list or of `RETURNING`.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) alias: Option<Name>,
    pub(crate) expr: Expr,
}

#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) names: Vec<Name>,
    pub(crate) partition: Vec<Expr>,
    pub(crate) order: Vec<Expr>,
    pub(crate) frame: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) schema: Option<Name>,
    pub(crate) name: Name,
    pub(crate) alias: Option<Alias>,
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
}

#[derive(Debug)]
pub(crate) enum FromItem {
    Table(Table),
    Subquery {
        query: Box<Query>,
        lateral: bool,
        alias: Option<Alias>,
        at: usize,
    },
    Function {
        functions: Vec<TableFunction>,
        ordinality: bool,
        alias: Option<Alias>,
        at: usize,
    },
    /// `XMLTABLE` or `JSON_TABLE`: plain values in, plain columns out.
    Document {
        what: &'static str,
        args: Vec<Expr>,
        columns: Vec<Name>,
        alias: Option<Alias>,
        at: usize,
    },
    Join(Box<Join>),
    Sample {
        relation: Box<Self>,
        args: Vec<Expr>,
    },
}

/// A function in `FROM` with its column definition list, if any.
#[derive(Debug)]
pub(crate) struct TableFunction {
    pub(crate) call: Expr,
    pub(crate) columns: Option<Vec<Name>>,
}

#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) natural: bool,
    pub(crate) left: FromItem,
    pub(crate) right: FromItem,
    pub(crate) using: Vec<Name>,
    pub(crate) using_alias: Option<Name>,
    pub(crate) on: Option<Expr>,
    pub(crate) alias: Option<Alias>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// A column that is written to.
#[derive(Debug)]
pub(crate) struct TargetColumn {
    pub(crate) name: Name,
    /// `a[1] = …` or `a.f = …`.
    pub(crate) inner: bool,
    /// The subscripts of such a target.
    pub(crate) subscripts: Vec<Expr>,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) with: Option<With>,
    pub(crate) target: Table,
    pub(crate) columns: Vec<TargetColumn>,
    /// `None` for `DEFAULT VALUES`.
    pub(crate) source: Option<Box<Select>>,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) returning: Vec<Target>,
}

#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) arbiters: Vec<IndexPart>,
    pub(crate) arbiter_filter: Option<Expr>,
    pub(crate) sets: Vec<Set>,
    pub(crate) filter: Option<Expr>,
}

/// An element of an index or of a conflict target.
#[derive(Debug)]
pub(crate) struct IndexPart {
    pub(crate) key: IndexKey,
    /// It names a collation, an operator class or its options.
    pub(crate) qualified: bool,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum IndexKey {
    Column(Name),
    Expr(Expr),
}

#[derive(Debug)]
pub(crate) enum Set {
    One(TargetColumn, Expr),
    Many(Vec<TargetColumn>, Expr),
}

#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) with: Option<With>,
    pub(crate) target: Table,
    pub(crate) sets: Vec<Set>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) returning: Vec<Target>,
}

#[derive(Debug)]
pub(crate) struct Delete {
    pub(crate) with: Option<With>,
    pub(crate) target: Table,
    pub(crate) using: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) returning: Vec<Target>,
}

#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) with: Option<With>,
    pub(crate) target: Table,
    pub(crate) source: FromItem,
    pub(crate) on: Expr,
    pub(crate) whens: Vec<When>,
    pub(crate) returning: Vec<Target>,
}

#[derive(Debug)]
pub(crate) struct When {
    pub(crate) matched: Matched,
    pub(crate) condition: Option<Expr>,
    pub(crate) action: MergeAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    Both,
    SourceOnly,
    TargetOnly,
}

#[derive(Debug)]
pub(crate) enum MergeAction {
    Nothing,
    Delete,
    Update(Vec<Set>),
    Insert {
        columns: Vec<TargetColumn>,
        /// `None` for `DEFAULT VALUES`.
        values: Option<Vec<Expr>>,
    },
}

#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) target: CopyTarget,
    pub(crate) from: bool,
    /// Whose data it is when it is not the client's: a file or a program of the server's.
    pub(crate) server_side: Option<&'static str>,
    pub(crate) options: Vec<CopyOption>,
    pub(crate) filter: Option<Expr>,
    pub(crate) at: usize,
}

/// An option of COPY, in whichever spelling it was written.
#[derive(Debug)]
pub(crate) struct CopyOption {
    pub(crate) name: String,
    pub(crate) value: CopyValue,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum CopyValue {
    Nothing,
    /// A string or a word.
    Text(String),
    Number(String),
    /// `*`.
    All,
    Columns(Vec<Name>),
}

#[derive(Debug)]
pub(crate) enum CopyTarget {
    Table { table: Table, columns: Vec<Name> },
    Query(Query),
}

/// A statement that is not a query.
#[derive(Debug)]
pub(crate) struct Utility {
    /// In words, as the statement begins: `CREATE INDEX`.
    pub(crate) what: &'static str,
    pub(crate) action: Action,
    /// Whether a name may mean something else afterwards: DDL, `SET`, the end of a transaction.
    pub(crate) changes_names: bool,
    /// Names of relations that show, or are parts of, the others that it names afterwards.
    pub(crate) makes: Vec<String>,
}

/// What a utility statement does, as far as protection is concerned.
#[derive(Debug)]
pub(crate) enum Action {
    /// Names no relation, or touches no value of those that it names.
    Harmless,
    /// Gives a setting a value: harmless, but for what it sets.
    Set {
        /// Literals of some types may be read otherwise afterwards.
        reads_otherwise: bool,
    },
    /// Ends a transaction, or a part of one.
    End,
    /// Every prepared statement and cursor goes.
    DiscardAll,
    /// Not supported when a relation that it names is protected.
    RefusedOn {
        why: &'static str,
        hint: &'static str,
    },
    /// Not supported when it mentions a protected relation in any way.
    Refused,
    /// Carries code in strings, and in its tokens too if so marked.
    Code { strings: Vec<String>, tokens: bool },
    /// Defines a relation, or parts of one that may concern its encrypted columns.
    Define {
        table: Table,
        parts: Vec<Part>,
        /// It is new, and gets the columns of these relations.
        creates: Option<Vec<Table>>,
    },
    /// Stores the result of a query on the server in a new relation.
    Store {
        query: Query,
        target: RelationRef,
        kept: Kept,
        at: usize,
    },
    /// Stores a query on the server.
    View(Query),
    /// Gives a relation, or a column of it, another name.
    Rename { table: Table, renamed: Renamed },
    /// Runs a procedure with these arguments.
    Call(Expr),
}

/// What a new relation keeps of the query that fills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Its rows alone.
    Rows,
    /// The query, too: what its columns are can be read from its definition.
    Definition,
}

/// What gets another name.
#[derive(Debug)]
pub(crate) enum Renamed {
    /// A relation.
    Relation { new: String },
    /// A column of it.
    Column { old: String, new: String },
    /// It moves to another schema.
    Schema { new: String },
}

/// A part of a definition.
#[derive(Debug)]
pub(crate) enum Part {
    /// An expression over the relation's columns, which must not touch an encrypted one.
    Expr(Expr),
    /// A key: of an index by this access method, or of a constraint.
    Key(IndexPart, Option<String>),
    /// A column that must not be encrypted for this to be done to it.
    PlainColumn {
        name: Name,
        what: &'static str,
        at: usize,
    },
    /// A column to which anything may happen.
    AnyColumn(Name),
    /// The condition of a trigger, over the rows `old` and `new`.
    RowCondition(Expr),
    /// A new column.
    NewColumn {
        name: Name,
        ty: Option<TypeName>,
        has_default: bool,
        at: usize,
    },
}

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    /// Byte offset, for messages.
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Param {
        number: u32,
        range: Range<usize>,
    },
    Null,
    Default,
    Literal(Literal),
    Column {
        parts: Vec<Name>,
        star: bool,
    },
    /// `(relation).field`, or `(relation).*`: the name may also be a column of a composite type.
    Field {
        relation: Name,
        field: Option<Name>,
    },
    Cast {
        arg: Box<Expr>,
        ty: TypeName,
        form: CastForm,
    },
    Binary {
        operator: Operator,
        left: Option<Box<Expr>>,
        right: Box<Expr>,
    },
    /// `IS [NOT] DISTINCT FROM`.
    Distinct(Box<Expr>, Box<Expr>),
    NullIf(Box<Expr>, Box<Expr>),
    In {
        operator: Operator,
        left: Box<Expr>,
        list: Vec<Expr>,
    },
    /// `op ANY (array)`, `op ALL (array)`.
    Quantified {
        operator: Operator,
        left: Box<Expr>,
        array: Box<Expr>,
    },
    Sublink {
        kind: Sublink,
        test: Option<Box<Expr>>,
        operator: Option<Operator>,
        query: Box<Query>,
    },
    /// `AND`, `OR` and `NOT`.
    Bool {
        what: &'static str,
        args: Vec<Expr>,
    },
    NullTest(Box<Expr>),
    Case {
        arg: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        default: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    Array(Vec<Expr>),
    Row(Vec<Expr>),
    Call(Box<Call>),
    /// Takes plain values and gives one.
    Plain {
        what: &'static str,
        args: Vec<Expr>,
    },
    /// `GROUPING(…)`: says which columns are grouped, not what they hold.
    Grouping(Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sublink {
    Exists,
    Any,
    All,
    Row,
    Scalar,
    Array,
}

/// An operator name.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Operator {
    /// Whether it is equality or its negation, as far as the name goes.
    pub(crate) fn is_equality(&self) -> bool {
        matches!(self.name.as_str(), "=" | "<>")
            && self
                .schema
                .as_deref()
                .is_none_or(|schema| schema == "pg_catalog")
    }
}

#[derive(Debug)]
pub(crate) struct Call {
    /// Schema (if named) and name.
    pub(crate) parts: Vec<String>,
    /// The tokens of the name, none when the grammar made the call up (`EXTRACT`, `TRIM`).
    pub(crate) names: Vec<Name>,
    pub(crate) args: Vec<Expr>,
    pub(crate) named_args: bool,
    pub(crate) order: Vec<Expr>,
    pub(crate) filter: Option<Expr>,
    pub(crate) over: Option<Window>,
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) variadic: bool,
    pub(crate) within_group: bool,
}

#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) value: LiteralValue,
    pub(crate) class: LiteralClass,
    /// The tokens that make it up; `None` when they are not one simple run.
    pub(crate) range: Option<Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiteralClass {
    String,
    Integer,
    Decimal,
    Boolean,
    Bits,
}

#[derive(Clone, Debug)]
pub(crate) struct TypeName {
    /// Schema (if any) and name; the grammar writes `integer` as `pg_catalog.int4`.
    pub(crate) parts: Vec<Name>,
    pub(crate) modifiers: Vec<i32>,
    pub(crate) array: bool,
    /// `SETOF`, `%TYPE`, or modifiers that are not numbers.
    pub(crate) odd: bool,
    pub(crate) at: usize,
}

/// How a cast is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CastForm {
    /// `x::type`: the range from `::` to the type's last token.
    Colons(Range<usize>),
    /// `CAST(x AS type)`: the whole range, and where `AS` starts.
    Function(Range<usize>, usize),
    /// `type 'x'`: the whole range.
    Prefix(Range<usize>),
    /// Anything else: never cut out.
    Other,
}
