//! The small tree that the analyser works on: what `parse` keeps of PostgreSQL's raw parse tree,
//! which its names are borrowed from.

use std::ops::Range;

use crate::plan::LiteralValue;

/// A name as it stands in the text, folded and truncated as PostgreSQL does.
///
/// Every name has its own number, so that the resolver can say which of them it has understood and
/// the tripwire can count what is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'t> {
    pub(crate) text: &'t str,
    pub(crate) id: u32,
}

/// One text.
#[derive(Debug)]
pub(crate) struct Script<'t> {
    pub(crate) statements: Vec<Statement<'t>>,
    /// The text of every name, by [`Name::id`].
    pub(crate) names: Vec<&'t str>,
    /// Numbers of the names that cannot be a column's, wherever they stand.
    pub(crate) settled: Vec<u32>,
}

/// One statement of a text.
#[derive(Debug)]
pub(crate) struct Statement<'t> {
    pub(crate) kind: StatementKind<'t>,
    pub(crate) range: Range<usize>,
    /// The names of this statement in [`Script::names`].
    pub(crate) names: Range<usize>,
    /// Every relation name that the statement uses as one, hidden by a CTE or not.
    pub(crate) relations: Vec<RelationRef<'t>>,
    /// The name of every function that the statement calls by its name, and how many arguments it
    /// has.
    pub(crate) calls: Vec<(RelationRef<'t>, usize)>,
    /// The types of casts, and of column definition lists of functions in FROM.
    pub(crate) types: Vec<TypeName<'t>>,
}

/// A name in a statement: of a relation, or of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RelationRef<'t> {
    pub(crate) schema: Option<&'t str>,
    pub(crate) name: &'t str,
}

#[derive(Debug)]
pub(crate) enum StatementKind<'t> {
    Query(Query<'t>),
    Explain(Box<Self>),
    Copy(Copy<'t>),
    Utility(Utility<'t>),
    Prepare(Box<Prepare<'t>>),
    Execute(Execute<'t>),
    /// `None` for `ALL`, here and in `Close`.
    Deallocate(Option<String>),
    Declare(Box<Declare<'t>>),
    Fetch {
        name: String,
        is_move: bool,
    },
    Close(Option<String>),
    /// A node that the adapter does not know.
    Unsupported(Unsupported),
}

#[derive(Debug)]
pub(crate) struct Prepare<'t> {
    pub(crate) name: String,
    pub(crate) types: Vec<TypeName<'t>>,
    pub(crate) query: Query<'t>,
}

#[derive(Debug)]
pub(crate) struct Execute<'t> {
    pub(crate) name: String,
    pub(crate) args: Vec<Expr<'t>>,
    /// `CREATE TABLE … AS EXECUTE`.
    pub(crate) stored: bool,
}

#[derive(Debug)]
pub(crate) struct Declare<'t> {
    pub(crate) name: String,
    pub(crate) hold: bool,
    pub(crate) query: Query<'t>,
}

/// Something that the adapter does not know, in words.
#[derive(Clone, Debug)]
pub(crate) struct Unsupported {
    pub(crate) what: &'static str,
    pub(crate) at: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Query<'t> {
    Select(Box<Select<'t>>),
    Insert(Box<Insert<'t>>),
    Update(Box<Update<'t>>),
    Delete(Box<Delete<'t>>),
    Merge(Box<Merge<'t>>),
}

#[derive(Debug)]
pub(crate) struct With<'t> {
    pub(crate) recursive: bool,
    pub(crate) ctes: Vec<Cte<'t>>,
}

#[derive(Debug)]
pub(crate) struct Cte<'t> {
    pub(crate) name: Name<'t>,
    pub(crate) columns: Vec<Name<'t>>,
    pub(crate) query: Query<'t>,
    /// Columns by which `SEARCH` orders or `CYCLE` tells rows apart: they go into row values.
    pub(crate) tracked: Vec<Name<'t>>,
    /// Constants of `CYCLE`.
    pub(crate) marks: Vec<Expr<'t>>,
    /// Columns that `SEARCH` and `CYCLE` add.
    pub(crate) added: Vec<Name<'t>>,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) struct Select<'t> {
    pub(crate) with: Option<With<'t>>,
    pub(crate) body: SelectBody<'t>,
    pub(crate) order: Vec<Expr<'t>>,
    pub(crate) limits: Vec<Expr<'t>>,
    pub(crate) locked: Vec<Name<'t>>,
    /// Where the name of the relation stands that `SELECT INTO` creates.
    pub(crate) into: Option<usize>,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum SelectBody<'t> {
    Simple(Box<Simple<'t>>),
    Values(Vec<Vec<Expr<'t>>>),
    SetOperation {
        word: &'static str,
        all: bool,
        left: Box<Select<'t>>,
        right: Box<Select<'t>>,
    },
}

#[derive(Debug)]
pub(crate) struct Simple<'t> {
    pub(crate) distinct: Distinct<'t>,
    pub(crate) targets: Vec<Target<'t>>,
    pub(crate) from: Vec<FromItem<'t>>,
    pub(crate) filter: Option<Expr<'t>>,
    pub(crate) group: Vec<Expr<'t>>,
    pub(crate) having: Option<Expr<'t>>,
    pub(crate) windows: Vec<Window<'t>>,
}

#[derive(Debug)]
pub(crate) enum Distinct<'t> {
    No,
    All,
    On(Vec<Expr<'t>>),
}

/// An item of a select list or of `RETURNING`.
#[derive(Debug)]
pub(crate) struct Target<'t> {
    pub(crate) alias: Option<Name<'t>>,
    pub(crate) expr: Expr<'t>,
}

#[derive(Debug, Default)]
pub(crate) struct Window<'t> {
    pub(crate) names: Vec<Name<'t>>,
    pub(crate) partition: Vec<Expr<'t>>,
    pub(crate) order: Vec<Expr<'t>>,
    pub(crate) frame: Vec<Expr<'t>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table<'t> {
    pub(crate) schema: Option<Name<'t>>,
    pub(crate) name: Name<'t>,
    pub(crate) alias: Option<Alias<'t>>,
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Alias<'t> {
    pub(crate) name: Name<'t>,
    pub(crate) columns: Vec<Name<'t>>,
}

#[derive(Debug)]
pub(crate) enum FromItem<'t> {
    Table(Table<'t>),
    Subquery {
        query: Box<Query<'t>>,
        lateral: bool,
        alias: Option<Alias<'t>>,
        at: usize,
    },
    Function {
        functions: Vec<TableFunction<'t>>,
        ordinality: bool,
        alias: Option<Alias<'t>>,
        at: usize,
    },
    /// `XMLTABLE` or `JSON_TABLE`: plain values in, plain columns out.
    Document {
        what: &'static str,
        args: Vec<Expr<'t>>,
        columns: Vec<Name<'t>>,
        alias: Option<Alias<'t>>,
        at: usize,
    },
    Join(Box<Join<'t>>),
    Sample {
        relation: Box<Self>,
        args: Vec<Expr<'t>>,
    },
}

/// A function in `FROM` with its column definition list, if any.
#[derive(Debug)]
pub(crate) struct TableFunction<'t> {
    pub(crate) call: Expr<'t>,
    pub(crate) columns: Option<Vec<(Name<'t>, TypeName<'t>)>>,
}

#[derive(Debug)]
pub(crate) struct Join<'t> {
    pub(crate) kind: JoinKind,
    pub(crate) natural: bool,
    pub(crate) left: FromItem<'t>,
    pub(crate) right: FromItem<'t>,
    pub(crate) using: Vec<Name<'t>>,
    pub(crate) using_alias: Option<Name<'t>>,
    pub(crate) on: Option<Expr<'t>>,
    pub(crate) alias: Option<Alias<'t>>,
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
pub(crate) struct TargetColumn<'t> {
    pub(crate) name: Name<'t>,
    /// `a[1] = …` or `a.f = …`.
    pub(crate) inner: bool,
    /// The subscripts of such a target.
    pub(crate) subscripts: Vec<Expr<'t>>,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) struct Insert<'t> {
    pub(crate) with: Option<With<'t>>,
    pub(crate) target: Table<'t>,
    pub(crate) columns: Vec<TargetColumn<'t>>,
    /// `None` for `DEFAULT VALUES`.
    pub(crate) source: Option<Box<Select<'t>>>,
    pub(crate) conflict: Option<Conflict<'t>>,
    pub(crate) returning: Vec<Target<'t>>,
}

#[derive(Debug)]
pub(crate) struct Conflict<'t> {
    pub(crate) arbiters: Vec<IndexPart<'t>>,
    pub(crate) arbiter_filter: Option<Expr<'t>>,
    pub(crate) sets: Vec<Set<'t>>,
    pub(crate) filter: Option<Expr<'t>>,
}

/// An element of an index or of a conflict target.
#[derive(Debug)]
pub(crate) struct IndexPart<'t> {
    pub(crate) key: IndexKey<'t>,
    /// It names a collation, an operator class or its options.
    pub(crate) qualified: bool,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum IndexKey<'t> {
    Column(Name<'t>),
    Expr(Expr<'t>),
}

#[derive(Debug)]
pub(crate) enum Set<'t> {
    One(TargetColumn<'t>, Expr<'t>),
    Many(Vec<TargetColumn<'t>>, Expr<'t>),
}

#[derive(Debug)]
pub(crate) struct Update<'t> {
    pub(crate) with: Option<With<'t>>,
    pub(crate) target: Table<'t>,
    pub(crate) sets: Vec<Set<'t>>,
    pub(crate) from: Vec<FromItem<'t>>,
    pub(crate) filter: Option<Expr<'t>>,
    pub(crate) returning: Vec<Target<'t>>,
}

#[derive(Debug)]
pub(crate) struct Delete<'t> {
    pub(crate) with: Option<With<'t>>,
    pub(crate) target: Table<'t>,
    pub(crate) using: Vec<FromItem<'t>>,
    pub(crate) filter: Option<Expr<'t>>,
    pub(crate) returning: Vec<Target<'t>>,
}

#[derive(Debug)]
pub(crate) struct Merge<'t> {
    pub(crate) with: Option<With<'t>>,
    pub(crate) target: Table<'t>,
    pub(crate) source: FromItem<'t>,
    pub(crate) on: Expr<'t>,
    pub(crate) whens: Vec<When<'t>>,
    pub(crate) returning: Vec<Target<'t>>,
}

#[derive(Debug)]
pub(crate) struct When<'t> {
    pub(crate) matched: Matched,
    pub(crate) condition: Option<Expr<'t>>,
    pub(crate) action: MergeAction<'t>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    Both,
    SourceOnly,
    TargetOnly,
}

#[derive(Debug)]
pub(crate) enum MergeAction<'t> {
    Nothing,
    Delete,
    Update(Vec<Set<'t>>),
    Insert {
        columns: Vec<TargetColumn<'t>>,
        /// `None` for `DEFAULT VALUES`.
        values: Option<Vec<Expr<'t>>>,
    },
}

#[derive(Debug)]
pub(crate) struct Copy<'t> {
    pub(crate) target: CopyTarget<'t>,
    pub(crate) from: bool,
    /// Whose data it is when it is not the client's: a file or a program of the server's.
    pub(crate) server_side: Option<&'static str>,
    pub(crate) options: Vec<CopyOption<'t>>,
    pub(crate) filter: Option<Expr<'t>>,
    pub(crate) at: usize,
}

/// An option of COPY, in whichever spelling it was written.
#[derive(Debug)]
pub(crate) struct CopyOption<'t> {
    pub(crate) name: String,
    pub(crate) value: CopyValue<'t>,
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum CopyValue<'t> {
    Nothing,
    /// A string or a word.
    Text(String),
    Number(String),
    /// `*`.
    All,
    Columns(Vec<Name<'t>>),
}

#[derive(Debug)]
pub(crate) enum CopyTarget<'t> {
    Table {
        table: Table<'t>,
        columns: Vec<Name<'t>>,
    },
    Query(Query<'t>),
}

/// A statement that is not a query.
#[derive(Debug)]
pub(crate) struct Utility<'t> {
    /// In words, as the statement begins: `CREATE INDEX`.
    pub(crate) what: &'static str,
    pub(crate) action: Action<'t>,
    /// Whether a name may mean something else afterwards: DDL, `SET`, the end of a transaction.
    pub(crate) changes_names: bool,
    /// Names of relations that show, or are parts of, the others that it names afterwards.
    pub(crate) makes: Vec<String>,
    /// What it says of types and functions.
    pub(crate) types: Types<'t>,
}

/// What a statement says of types and functions.
#[derive(Debug, Default)]
pub(crate) struct Types<'t> {
    /// Types and functions that it makes others of, or gives a name.
    pub(crate) of: Vec<TypeName<'t>>,
    /// Names of the types and functions that it makes of these.
    pub(crate) makes: Vec<String>,
    /// Types that it has a constant for.
    pub(crate) valued: Vec<TypeName<'t>>,
}

impl<'t> Utility<'t> {
    /// The types of the columns that it adds to a relation.
    pub(crate) fn new_types(&self) -> impl Iterator<Item = &TypeName<'t>> {
        let parts = match &self.action {
            Action::Define { parts, .. } => parts.as_slice(),
            _ => &[],
        };
        parts.iter().filter_map(|part| match part {
            Part::NewColumn { ty, .. } => ty.as_ref(),
            _ => None,
        })
    }
}

/// What a utility statement does, as far as protection is concerned.
#[derive(Debug)]
pub(crate) enum Action<'t> {
    /// Names no relation, or touches no value of those that it names.
    Harmless,
    /// Gives a setting a value: harmless, but for what it sets.
    Set(Setting),
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
        table: Table<'t>,
        parts: Vec<Part<'t>>,
        /// It is new, and gets the columns of these relations.
        creates: Option<Vec<Table<'t>>>,
    },
    /// Stores the result of a query on the server in a new relation.
    Store {
        query: Query<'t>,
        target: RelationRef<'t>,
        kept: Kept,
        at: usize,
    },
    /// Stores a query on the server.
    View(Query<'t>),
    /// Gives a relation, or a column of it, another name.
    Rename { table: Table<'t>, renamed: Renamed },
    /// Gives a schema this name, and everything in it another path.
    RenameSchema { new: String },
    /// Runs a procedure with these arguments.
    Call(Expr<'t>),
}

/// A setting, as far as values depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Literals of some types may be read otherwise afterwards.
    pub(crate) reads_otherwise: bool,
    /// Values of some types may be written otherwise afterwards.
    pub(crate) writes_otherwise: bool,
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
pub(crate) enum Part<'t> {
    /// An expression over the relation's columns, which must not touch an encrypted one.
    Expr(Expr<'t>),
    /// A key: of an index by this access method, or of a constraint.
    Key(IndexPart<'t>, Option<String>),
    /// A column that must not be encrypted for this to be done to it.
    PlainColumn {
        name: Name<'t>,
        what: &'static str,
        at: usize,
    },
    /// A column to which anything may happen.
    AnyColumn(Name<'t>),
    /// The condition of a trigger, over the rows `old` and `new`.
    RowCondition(Expr<'t>),
    /// Values that bound a partition of the relation, or of the one that it is a partition of.
    Bound { at: usize },
    /// A new column.
    NewColumn {
        name: Name<'t>,
        ty: Option<TypeName<'t>>,
        has_default: bool,
        at: usize,
    },
}

#[derive(Debug)]
pub(crate) struct Expr<'t> {
    pub(crate) kind: ExprKind<'t>,
    /// Byte offset, for messages.
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum ExprKind<'t> {
    Param {
        number: u32,
        range: Range<usize>,
    },
    Null,
    Default,
    Literal(Literal),
    Column {
        parts: Vec<Name<'t>>,
        star: bool,
    },
    /// `(relation).field`, or `(relation).*`: the name may also be a column of a composite type.
    Field {
        relation: Name<'t>,
        field: Option<Name<'t>>,
    },
    Cast {
        arg: Box<Expr<'t>>,
        ty: TypeName<'t>,
        form: CastForm,
    },
    Binary {
        operator: Operator<'t>,
        left: Option<Box<Expr<'t>>>,
        right: Box<Expr<'t>>,
    },
    /// `IS [NOT] DISTINCT FROM`.
    Distinct(Box<Expr<'t>>, Box<Expr<'t>>),
    NullIf(Box<Expr<'t>>, Box<Expr<'t>>),
    In {
        operator: Operator<'t>,
        left: Box<Expr<'t>>,
        list: Vec<Expr<'t>>,
    },
    /// `op ANY (array)`, `op ALL (array)`.
    Quantified {
        operator: Operator<'t>,
        left: Box<Expr<'t>>,
        array: Box<Expr<'t>>,
    },
    Sublink {
        kind: Sublink,
        test: Option<Box<Expr<'t>>>,
        operator: Option<Operator<'t>>,
        query: Box<Query<'t>>,
    },
    /// `AND`, `OR` and `NOT`.
    Bool {
        what: &'static str,
        args: Vec<Expr<'t>>,
    },
    NullTest(Box<Expr<'t>>),
    Case {
        arg: Option<Box<Expr<'t>>>,
        whens: Vec<(Expr<'t>, Expr<'t>)>,
        default: Option<Box<Expr<'t>>>,
    },
    Coalesce(Vec<Expr<'t>>),
    /// `ARRAY[…]`, and where its last bracket stands.
    Array(Vec<Expr<'t>>, Option<usize>),
    Row(Vec<Expr<'t>>),
    Call(Box<Call<'t>>),
    /// `(composite).field`, `(array)[1]`: a field's name, or nothing for a subscript, in order.
    Inner {
        base: Box<Expr<'t>>,
        steps: Vec<Option<&'t str>>,
        subscripts: Vec<Expr<'t>>,
    },
    /// Takes plain values and gives one.
    Plain {
        what: &'static str,
        args: Vec<Expr<'t>>,
    },
    /// `GROUPING(…)`: says which columns are grouped, not what they hold.
    Grouping(Vec<Expr<'t>>),
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator<'t> {
    pub(crate) schema: Option<&'t str>,
    pub(crate) name: &'t str,
}

impl Operator<'_> {
    /// Whether it is equality or its negation, as far as the name goes.
    pub(crate) fn is_equality(&self) -> bool {
        matches!(self.name, "=" | "<>") && self.schema.is_none_or(|schema| schema == "pg_catalog")
    }
}

#[derive(Debug)]
pub(crate) struct Call<'t> {
    /// Schema (if named) and name.
    pub(crate) parts: Vec<&'t str>,
    /// The tokens of the name, none when the grammar made the call up (`EXTRACT`, `TRIM`).
    pub(crate) names: Vec<Name<'t>>,
    pub(crate) args: Vec<Expr<'t>>,
    pub(crate) named_args: bool,
    pub(crate) order: Vec<Expr<'t>>,
    pub(crate) filter: Option<Expr<'t>>,
    pub(crate) over: Option<Window<'t>>,
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) variadic: bool,
    pub(crate) within_group: bool,
}

#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) value: LiteralValue,
    pub(crate) class: LiteralClass,
    /// It is no single token to a server before PostgreSQL 16.
    pub(crate) since_16: bool,
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
pub(crate) struct TypeName<'t> {
    /// Schema (if any) and name; the grammar writes `integer` as `pg_catalog.int4`.
    pub(crate) parts: Vec<Name<'t>>,
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
