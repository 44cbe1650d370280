//! Inference: walks the tree, resolves names and collects what every expression must be.

mod call;
mod column;
mod expr;
mod from;
mod modify;
mod query;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use sealwire_core::policy::ColumnId;

pub(crate) use self::column::hides;
pub(crate) use self::expr::literal_fits;
pub(crate) use self::modify::unknown_target;
use crate::ir::{CastForm, Literal, Name, TypeName};
use crate::plan::{Refusal, RefusalKind};
use crate::refuse::{Finish, Path, Why, refuse};
use crate::relation::{RelationColumn, RelationInfo, Resolver, Stop};
use crate::scope::{Holds, ScopeColumn};
use crate::types::{Site, TypeId, Types, Unlisted};

pub(crate) type Result<T> = std::result::Result<T, Stop>;

/// Whose text is analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The client's.
    Client,
    /// The server's: the definition of a view. It prints the casts that it has added itself, and
    /// its literals are stored already.
    Server,
}

/// A literal and the type of its place.
#[derive(Debug)]
pub(crate) struct LiteralUse<'a> {
    pub(crate) literal: &'a Literal,
    pub(crate) ty: TypeId,
    pub(crate) at: usize,
}

/// What takes values that may say no type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taker {
    /// `unnest(…)`.
    Unnest,
    /// `x = ANY (ARRAY[…])`.
    Any,
}

/// Parameters and constants of which none says a type.
#[derive(Debug)]
pub(crate) struct BareUse {
    pub(crate) taker: Taker,
    /// The argument of `unnest`, and what the elements of an array are compared with.
    pub(crate) ty: TypeId,
    pub(crate) params: Vec<u32>,
    pub(crate) at: usize,
}

/// A cast that must be cut out if its operand is sealed.
#[derive(Debug)]
pub(crate) struct CastUse<'a> {
    pub(crate) ty: TypeId,
    pub(crate) target: &'a TypeName<'a>,
    pub(crate) form: &'a CastForm,
    pub(crate) operand: CastOperand<'a>,
    /// The name that an output column has of the cast.
    pub(crate) label: Option<&'a str>,
    pub(crate) at: usize,
}

/// A comparison that may be of arrays, at least one of them a value or put together in the statement.
#[derive(Debug)]
pub(crate) struct ArrayUse {
    pub(crate) ty: TypeId,
    pub(crate) what: &'static str,
    /// Both are.
    pub(crate) both: bool,
    /// The last bracket of each that is put together.
    pub(crate) ends: Vec<usize>,
    pub(crate) at: usize,
}

/// A column of a recursive query.
#[derive(Debug)]
pub(crate) struct RecursiveArm {
    /// In the arm that the query begins with.
    pub(crate) first: TypeId,
    pub(crate) result: TypeId,
    pub(crate) at: usize,
}

/// What stands in a cast that can be cut out.
#[derive(Clone, Debug)]
pub(crate) enum CastOperand<'a> {
    Param {
        number: u32,
        range: Range<usize>,
    },
    Literal(&'a Literal),
    Null,
    Array,
    /// Anything else that yields parameters and constants only.
    Values,
}

/// Columns that are matched by position, some of them in an order that only the server vouches
/// for: fine as long as none is sealed.
#[derive(Debug)]
pub(crate) struct PositionalUse {
    pub(crate) types: Vec<TypeId>,
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

/// How sure the name of a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Every server calls it so.
    Certainly,
    /// It may have another name than that, which is no column's.
    Probably,
}

/// An output column of a query.
#[derive(Clone, Debug)]
pub(crate) struct OutColumn<'a> {
    pub(crate) name: Cow<'a, str>,
    /// How sure its name is; `None` where only the server knows it.
    pub(crate) named: Option<Named>,
    pub(crate) ty: TypeId,
    pub(crate) by_catalogue: bool,
    pub(crate) unpinned: bool,
}

/// The state of the analysis of one statement.
#[derive(Debug)]
pub(crate) struct Analyser<'a, 'c: 'a, 'r> {
    pub(crate) resolver: &'r mut Resolver<'c>,
    pub(crate) types: Types<'a>,
    pub(crate) voice: Voice,
    /// Literals are arguments of `EXECUTE`: of the parameter's type, which has no modifier.
    pub(crate) arguments: bool,
    /// The statement is that of `PREPARE`, whose parameters `EXECUTE` types.
    pub(crate) prepares: bool,
    pub(crate) params: BTreeMap<u32, TypeId>,
    /// How many times each parameter stands in the statement.
    pub(crate) param_uses: BTreeMap<u32, usize>,
    pub(crate) literals: Vec<LiteralUse<'a>>,
    pub(crate) casts: Vec<CastUse<'a>>,
    /// Each `NULL` for which the server may find no other type than `text`, and where it stands.
    pub(crate) nulls: Vec<(TypeId, usize)>,
    /// The expression at hand is one whose type the server settles before it looks at what the value
    /// is for: in a sub-select, `VALUES`, or a `CASE` of nothing but `NULL`.
    detached: bool,
    pub(crate) positional: Vec<PositionalUse>,
    pub(crate) bare: Vec<BareUse>,
    /// Columns that are hidden from a name by a plain one which only the catalogue knows of: fine as
    /// long as none is sealed.
    pub(crate) hidden: Vec<(TypeId, &'a str, usize)>,
    /// Columns of functions that only the server knows.
    pub(crate) open: Vec<(&'a str, usize)>,
    pub(crate) arrays: Vec<ArrayUse>,
    pub(crate) recursive_arms: Vec<RecursiveArm>,
    /// Names of the text that the resolver has understood, by [`Name::id`].
    pub(crate) accounted: Vec<bool>,
    /// Names of the encrypted columns of the relations that the statement uses, sorted.
    pub(crate) sealed_names: Vec<&'a str>,
    pub(crate) relations: Vec<u32>,
}

impl<'a, 'c: 'a, 'r> Analyser<'a, 'c, 'r> {
    pub(crate) fn new(
        resolver: &'r mut Resolver<'c>,
        voice: Voice,
        names: usize,
        settled: &[u32],
    ) -> Self {
        let mut accounted = vec![false; names];
        for &id in settled {
            if let Some(slot) = accounted.get_mut(id as usize) {
                *slot = true;
            }
        }
        let types = Types::new(
            resolver.context.policy,
            resolver.context.facts.foreign_equality_operator && voice == Voice::Client,
        );
        Self {
            resolver,
            types,
            voice,
            arguments: false,
            prepares: false,
            params: BTreeMap::new(),
            param_uses: BTreeMap::new(),
            literals: Vec::new(),
            casts: Vec::new(),
            nulls: Vec::new(),
            detached: false,
            positional: Vec::new(),
            bare: Vec::new(),
            hidden: Vec::new(),
            open: Vec::new(),
            arrays: Vec::new(),
            recursive_arms: Vec::new(),
            accounted,
            sealed_names: Vec::new(),
            relations: Vec::new(),
        }
    }

    /// Reads something whose type the server settles by itself.
    fn detached<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.detached, true);
        let result = read(self);
        self.detached = before;
        result
    }

    pub(crate) fn account(&mut self, name: &Name<'_>) {
        if let Some(slot) = self.accounted.get_mut(name.id as usize) {
            *slot = true;
        }
    }

    pub(crate) fn account_all<'n>(&mut self, names: impl IntoIterator<Item = &'n Name<'n>>) {
        for name in names {
            self.account(name);
        }
    }

    /// Notes that a statement uses a relation.
    pub(crate) fn use_relation(&mut self, info: &RelationInfo<'a>) {
        if !self.relations.contains(&info.oid) {
            self.relations.push(info.oid);
        }
        let holds_cells = |column: &&RelationColumn<'a>| column.column.is_some() || column.unlisted;
        for column in info.columns.iter().filter(holds_cells) {
            if let Err(at) = self.sealed_names.binary_search(&column.name) {
                self.sealed_names.insert(at, column.name);
            }
        }
    }

    /// The columns of a relation as a scope has them, the first of them under other names where an
    /// alias list gives them.
    pub(crate) fn scope_columns(
        info: &Rc<RelationInfo<'a>>,
        aliases: &'a [Name<'a>],
    ) -> Vec<ScopeColumn<'a>> {
        let mut aliases = aliases.iter().map(|alias| alias.text);
        info.columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let name = aliases.next().unwrap_or(column.name);
                let path = info.column_path(name);
                ScopeColumn {
                    name: name.into(),
                    holds: match column.column {
                        Some(id) => Holds::Sealed(id),
                        None if column.unlisted => Holds::Unlisted(Unlisted {
                            relation: info.oid,
                            path,
                            ty: column.ty,
                        }),
                        None => Holds::Plain(path),
                    },
                    named: Some(Named::Certainly),
                    by_catalogue: column.column.is_none() && !info.pinned,
                    unpinned: !info.pinned,
                    source: Some((Rc::clone(info), position)),
                }
            })
            .collect()
    }

    /// The type of one reference to a column.
    pub(crate) fn reference(&mut self, column: &ScopeColumn<'a>, at: usize) -> Result<TypeId> {
        let own = match &column.source {
            Some((info, position)) => info.columns.get(*position),
            None => None,
        };
        if let Some(mismatch) = own.and_then(|own| own.mismatch.as_ref()) {
            return Err(mismatched(mismatch, at).into());
        }
        Ok(match column.holds {
            Holds::Plain(path) => self.types.plain(Why::Column(path)),
            Holds::Unlisted(unlisted) => self.types.unlisted(unlisted),
            Holds::Sealed(id) => {
                let others = own.map_or(&[] as &[_], |own| &own.others);
                self.types.cells(id, others)
            }
            Holds::Of(ty) => ty,
        })
    }

    pub(crate) fn require_plain(&mut self, ty: TypeId, why: Why<'a>, site: Site) -> Result<()> {
        Ok(self.types.require_plain(ty, why, site)?)
    }

    /// Says whether columns that a list takes by position stand where only the server says.
    pub(crate) fn take_by_position(
        &mut self,
        columns: &[OutColumn<'a>],
        others: &[TypeId],
        what: &'static str,
        at: usize,
    ) {
        if columns.iter().any(|column| column.unpinned) {
            let types = columns.iter().map(|column| column.ty);
            self.positional.push(PositionalUse {
                types: types.chain(others.iter().copied()).collect(),
                what,
                at,
            });
        }
    }

    pub(crate) fn path_of(&self, column: ColumnId) -> String {
        self.resolver.context.policy.column(column).path()
    }
}

pub(crate) fn mismatched(mismatch: &crate::Mismatch, at: usize) -> Refusal {
    refuse(
        RefusalKind::CatalogueMismatch,
        format!("refusing to use `{}`: {mismatch}", mismatch.path),
    )
    .detail("the manifest and the server's catalogue disagree")
    .hint("run `sealwire columns check`")
    .at(at)
}

/// The order of a relation's columns is not known for sure.
pub(crate) fn unpinned(path: Path<'_>, order_differs: bool, what: &str, at: usize) -> Refusal {
    if order_differs {
        return refuse(
            RefusalKind::CatalogueMismatch,
            format!("refusing to match the columns of `{path}` by position in {what}"),
        )
        .detail("the server lists other names, or in another order, than the manifest pins")
        .hint("name the columns, or pin the order again with `sealwire columns pin`")
        .at(at);
    }
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to match the columns of `{path}` by position in {what}"),
    )
    .detail("their order is not pinned in the manifest, and the server's word is not enough")
    .hint("name the columns, or run `sealwire columns pin`")
    .at(at)
}
