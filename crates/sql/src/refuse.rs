//! The words of refusals. Names of columns, relations, functions and types may appear; values
//! never do.

use std::fmt;

use sealwire_core::policy::{ColumnId, Mode, Policy};

use crate::plan::{Refusal, RefusalKind};
use crate::types::Site;

/// A name with what it is qualified by, put together only where a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path<'a> {
    Name(&'a str),
    /// `schema.name`.
    Relation(&'a str, &'a str),
    /// `schema.relation.name`.
    Column(&'a str, &'a str, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Relation(schema, name) => write!(f, "{schema}.{name}"),
            Self::Column(schema, relation, name) => write!(f, "{schema}.{relation}.{name}"),
        }
    }
}

/// Why a set of expressions is plain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why<'a> {
    /// It holds a plain column.
    Column(Path<'a>),
    /// It is an argument of this function.
    Argument(&'a str),
    /// It is the result of this function.
    Result(&'a str),
    /// It is an operand of this operator or keyword.
    Operand(&'a str),
    /// It is the result of this operator or keyword.
    OperatorResult(&'a str),
    /// It stands in this clause, which needs a value that the server can read.
    Clause(&'static str),
    /// It is the result of a cast to this type.
    CastResult(&'a str),
    /// It is cast to this type.
    CastOperand(&'a str),
}

impl Why<'_> {
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Column(path) => format!("plain column `{path}`"),
            Self::Argument(name) => format!("an argument of `{name}`"),
            Self::Result(name) => format!("the result of `{name}`"),
            Self::Operand(name) => format!("an operand of `{name}`"),
            Self::OperatorResult(name) => format!("the result of `{name}`"),
            Self::Clause(clause) => format!("a plain value in {clause}"),
            Self::CastResult(ty) => format!("a value cast to `{ty}`"),
            Self::CastOperand(ty) => format!("a value that is cast to `{ty}`"),
        }
    }
}

/// Starts a refusal.
pub(crate) fn refuse(kind: RefusalKind, message: impl Into<String>) -> Refusal {
    Refusal {
        kind,
        sqlstate: kind.sqlstate(),
        message: message.into(),
        detail: None,
        hint: None,
        offset: None,
    }
}

/// An error of PostgreSQL's own, in its words. It has no name of a literal in it.
pub(crate) fn invalid(sqlstate: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        sqlstate,
        ..refuse(RefusalKind::Invalid, message)
    }
}

/// The rest of a refusal, in the order in which it is read.
pub(crate) trait Finish {
    fn detail(self, text: impl Into<String>) -> Self;
    fn hint(self, text: impl Into<String>) -> Self;
    fn at(self, offset: usize) -> Self;
}

impl Finish for Refusal {
    fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }
}

const fn supported(mode: Mode) -> &'static str {
    match mode {
        Mode::Deterministic => {
            "deterministic columns support `=`, `<>`, `IN`, `= ANY` and `IS [NOT] DISTINCT FROM`"
        }
        Mode::Randomized => "randomized columns can be stored, read and tested for NULL only",
    }
}

/// An encrypted value where only a plain one may stand.
pub(crate) fn mixed(
    policy: &Policy,
    column: ColumnId,
    why: Why<'_>,
    param: Option<u32>,
    at: usize,
) -> Refusal {
    let spec = policy.column(column);
    let path = spec.path();
    if let Some(number) = param {
        return refuse(
            RefusalKind::ParameterConflict,
            format!(
                "refusing to use `${number}` for encrypted column `{path}` and as {}",
                why.words()
            ),
        )
        .detail("one parameter is either sealed or sent as it is")
        .hint("pass the value as two parameters")
        .at(at);
    }
    let refusal = match why {
        Why::Argument(name) => refuse(
            RefusalKind::FunctionOfEncrypted,
            format!("refusing to pass encrypted column `{path}` to `{name}`"),
        )
        .detail("the server would compute on a cell, not on the value")
        .hint("select the column and compute in the application"),
        Why::Operand(name) => refuse(
            RefusalKind::UnsupportedOperator,
            format!("refusing to run `{name}` on encrypted column `{path}`"),
        )
        .detail("the server would compute on a cell, not on the value")
        .hint(supported(spec.mode)),
        Why::Clause(clause) => refuse(
            RefusalKind::UnsupportedOperator,
            format!("refusing to use encrypted column `{path}` in {clause}"),
        )
        .detail("the server would see cells, whose order and content say nothing about the values")
        .hint(supported(spec.mode)),
        Why::CastOperand(ty) => refuse(
            RefusalKind::Cast,
            format!("refusing to cast encrypted column `{path}` to `{ty}`"),
        )
        .detail("the server would cast a cell, not the value")
        .hint("select the column without a cast"),
        Why::Column(_) | Why::Result(_) | Why::OperatorResult(_) | Why::CastResult(_) => refuse(
            RefusalKind::MixedPlain,
            format!(
                "refusing to mix encrypted column `{path}` with {}",
                why.words()
            ),
        )
        .detail("a cell and a plain value never match, and one must not be stored as the other")
        .hint(
            "pass the value as a parameter or a literal, or encrypt both columns under one class",
        ),
    };
    refusal.at(at)
}

/// An array that the server puts together, where one cell holds the whole of it.
pub(crate) fn array_built(policy: &Policy, column: ColumnId, at: usize) -> Refusal {
    let path = policy.column(column).path();
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to build an array for encrypted column `{path}` in the statement"),
    )
    .detail("one cell holds the whole array, and the server cannot put one together")
    .hint("pass the array as one parameter, or write it as one literal: `'{a,b}'`")
    .at(at)
}

/// Two columns that are not encrypted alike.
pub(crate) fn two_classes(
    policy: &Policy,
    left: ColumnId,
    right: ColumnId,
    param: Option<u32>,
    at: usize,
) -> Refusal {
    let (left, right) = (policy.column(left).path(), policy.column(right).path());
    let refusal = match param {
        Some(number) => refuse(
            RefusalKind::ParameterConflict,
            format!("refusing to use `${number}` for encrypted columns `{left}` and `{right}`"),
        )
        .hint("pass the value as two parameters"),
        None => refuse(
            RefusalKind::MixedClasses,
            format!("refusing to mix encrypted columns `{left}` and `{right}`"),
        )
        .hint("columns that are compared or copied need one class"),
    };
    refusal
        .detail("they differ in key, class, type family, mode or padding")
        .at(at)
}

/// Cells copied to a column whose type not every value of theirs has.
pub(crate) fn narrowing(policy: &Policy, from: ColumnId, to: ColumnId, at: usize) -> Refusal {
    let (from, to) = (policy.column(from), policy.column(to));
    refuse(
        RefusalKind::Narrowing,
        format!(
            "refusing to copy encrypted column `{}` into `{}`",
            from.path(),
            to.path()
        ),
    )
    .detail(format!(
        "`{}` would have to be converted to `{}`, and the server sees cells only",
        from.type_name(),
        to.type_name()
    ))
    .hint("copy the values through the application, which passes them as parameters")
    .at(at)
}

/// One parameter or literal for columns whose types convert it differently.
pub(crate) fn stored_twice(
    policy: &Policy,
    column: ColumnId,
    other: ColumnId,
    site: Site,
) -> Refusal {
    let (column, other) = (policy.column(column), policy.column(other));
    let columns = format!(
        "encrypted columns `{}` and `{}`",
        column.path(),
        other.path()
    );
    let detail = format!(
        "one value cannot be sealed both as `{}` and as `{}`",
        column.type_name(),
        other.type_name()
    );
    let refusal = match site.param {
        Some(number) => refuse(
            RefusalKind::ParameterConflict,
            format!("refusing to use `${number}` for {columns}"),
        )
        .hint("pass the value as two parameters"),
        None => refuse(
            RefusalKind::Narrowing,
            format!("refusing to store one literal in {columns}"),
        )
        .hint("write the literal once for each column"),
    };
    refusal.detail(detail).at(site.at)
}

/// A comparison of cells that are different each time.
pub(crate) fn randomized(policy: &Policy, column: ColumnId, what: &str, at: usize) -> Refusal {
    let path = policy.column(column).path();
    let message = match what {
        "=" | "<>" => format!("refusing to compare randomized column `{path}`"),
        _ => format!("refusing to use randomized column `{path}` in {what}"),
    };
    refuse(RefusalKind::RandomizedComparison, message)
        .detail("equal values have different cells, so nothing would ever match")
        .hint("use another column, or encrypt this one deterministically")
        .at(at)
}

/// An unqualified equality that may not be PostgreSQL's own.
pub(crate) fn foreign_operator(
    policy: &Policy,
    column: ColumnId,
    what: &str,
    at: usize,
) -> Refusal {
    let path = policy.column(column).path();
    refuse(
        RefusalKind::UnsupportedOperator,
        format!("refusing to compare encrypted column `{path}` by an unqualified `{what}`"),
    )
    .detail("an operator of that name outside `pg_catalog` exists for cells")
    .hint("write `OPERATOR(pg_catalog.=)`, or drop the other operator")
    .at(at)
}

/// A value for a column of cells that nobody knows the key of.
pub(crate) fn unlisted_value(path: Path<'_>, at: usize) -> Refusal {
    refuse(
        RefusalKind::CatalogueMismatch,
        format!(
            "refusing to send a value to `{path}`: its type says that it holds cells, and the \
             manifest does not list it"
        ),
    )
    .detail("there is no telling under which key to seal the value")
    .hint("see `sealwire columns check`; list the column with `sealwire columns add`")
    .at(at)
}

/// Such a column with anything else than another one of its relation.
pub(crate) fn unlisted_mixed(path: Path<'_>, with: &str, at: usize) -> Refusal {
    refuse(
        RefusalKind::CatalogueMismatch,
        format!("refusing to mix `{path}` with {with}"),
    )
    .detail("its type says that it holds cells, and the manifest does not list it")
    .hint("see `sealwire columns check`; list the column with `sealwire columns add`")
    .at(at)
}

/// A value for what a function takes or returns, or for a type, with cells in it.
pub(crate) fn outside_value(path: Path<'_>, at: usize) -> Refusal {
    outside(
        format!("refusing to send a value to `{path}`: it is a function or a type with cells"),
        at,
    )
}

/// The same with anything else than more of it.
pub(crate) fn outside_mixed(path: Path<'_>, with: &str, at: usize) -> Refusal {
    outside(format!("refusing to mix cells of `{path}` with {with}"), at)
}

fn outside(message: String, at: usize) -> Refusal {
    refuse(RefusalKind::FunctionOfEncrypted, message)
        .detail("there is no telling under which key to seal a value for it")
        .hint("query the table, not the function, and make types of plain columns only")
        .at(at)
}

/// A whole row that holds cells.
pub(crate) fn whole_row(path: Path<'_>, at: usize) -> Refusal {
    refuse(
        RefusalKind::WholeRow,
        format!("refusing to use a whole row of `{path}`"),
    )
    .detail("it has encrypted columns, and cells inside a row value are not opened")
    .hint("name the columns")
    .at(at)
}

/// A construct that is not supported here.
pub(crate) fn construct(what: &str, at: Option<usize>) -> Refusal {
    let mut refusal = refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to run {what} on a protected relation"),
    )
    .detail("its effect on encrypted columns is not known to be safe")
    .hint("leave the relation out of it; docs/sql-support.md lists what works");
    refusal.offset = at;
    refusal
}
