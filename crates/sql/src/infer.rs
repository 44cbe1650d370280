//! Inference: walks the tree, resolves names and collects what every expression must be.

mod expr;
mod from;
mod modify;
mod query;

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use sealwire_core::policy::ColumnId;

pub(crate) use self::expr::literal_fits;
pub(crate) use self::modify::unknown_target;
use crate::ir::{CastForm, Literal, Name, TypeName};
use crate::plan::{Refusal, RefusalKind};
use crate::refuse::{Finish, Why, refuse};
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
    pub(crate) target: &'a TypeName,
    pub(crate) form: &'a CastForm,
    pub(crate) operand: CastOperand<'a>,
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
    Array {
        empty: bool,
    },
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

/// An output column of a query.
#[derive(Clone, Debug)]
pub(crate) struct OutColumn {
    pub(crate) name: String,
    pub(crate) ty: TypeId,
    pub(crate) by_catalogue: bool,
    pub(crate) unpinned: bool,
}

/// The state of the analysis of one statement.
#[derive(Debug)]
pub(crate) struct Analyser<'a, 'c, 'r> {
    pub(crate) resolver: &'r mut Resolver<'c>,
    pub(crate) types: Types<'c>,
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
    pub(crate) positional: Vec<PositionalUse>,
    pub(crate) bare: Vec<BareUse>,
    /// Names of the text that the resolver has understood, by [`Name::id`].
    pub(crate) accounted: Vec<bool>,
    /// Names of the encrypted columns of the relations that the statement uses.
    pub(crate) sealed_names: HashSet<String>,
    pub(crate) relations: Vec<u32>,
}

impl<'a, 'c, 'r> Analyser<'a, 'c, 'r> {
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
            positional: Vec::new(),
            bare: Vec::new(),
            accounted,
            sealed_names: HashSet::new(),
            relations: Vec::new(),
        }
    }

    pub(crate) fn account(&mut self, name: &Name) {
        if let Some(slot) = self.accounted.get_mut(name.id as usize) {
            *slot = true;
        }
    }

    pub(crate) fn account_all<'n>(&mut self, names: impl IntoIterator<Item = &'n Name>) {
        for name in names {
            self.account(name);
        }
    }

    /// Notes that a statement uses a relation.
    pub(crate) fn use_relation(&mut self, info: &RelationInfo) {
        if !self.relations.contains(&info.oid) {
            self.relations.push(info.oid);
        }
        let holds_cells = |column: &&RelationColumn| column.column.is_some() || column.unlisted;
        for column in info.columns.iter().filter(holds_cells) {
            self.sealed_names.insert(column.name.clone());
        }
    }

    /// The columns of a relation as a scope has them.
    pub(crate) fn scope_columns(info: &Rc<RelationInfo>) -> Vec<ScopeColumn> {
        info.columns
            .iter()
            .enumerate()
            .map(|(position, column)| ScopeColumn {
                name: column.name.clone(),
                holds: match column.column {
                    Some(id) => Holds::Sealed(id),
                    None if column.unlisted => Holds::Unlisted,
                    None => Holds::Plain,
                },
                by_catalogue: column.column.is_none() && !info.pinned,
                unpinned: !info.pinned,
                source: Some((Rc::clone(info), position)),
            })
            .collect()
    }

    /// The type of one reference to a column.
    pub(crate) fn reference(&mut self, column: &ScopeColumn, at: usize) -> Result<TypeId> {
        let own = match &column.source {
            Some((info, position)) => info.columns.get(*position),
            None => None,
        };
        if let Some(mismatch) = own.and_then(|own| own.mismatch.as_ref()) {
            return Err(mismatched(mismatch, at).into());
        }
        Ok(match column.holds {
            Holds::Plain => self.types.plain(Why::Column(column.label())),
            Holds::Unlisted => self.types.unlisted(Unlisted {
                relation: column.source.as_ref().map_or(0, |(info, _)| info.oid),
                path: column.label().into(),
            }),
            Holds::Sealed(id) => {
                let others = own.map_or(&[] as &[_], |own| &own.others);
                self.types.cells(id, others)
            }
            Holds::Of(ty) => ty,
        })
    }

    pub(crate) fn require_plain(&mut self, ty: TypeId, why: Why, site: Site) -> Result<()> {
        Ok(self.types.require_plain(ty, why, site)?)
    }

    /// Says whether columns that a list takes by position stand where only the server says.
    pub(crate) fn take_by_position(
        &mut self,
        columns: &[OutColumn],
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

impl ScopeColumn {
    /// A name for messages.
    pub(crate) fn label(&self) -> String {
        match &self.source {
            Some((info, _)) => format!("{}.{}", info.path, self.name),
            None => self.name.clone(),
        }
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
pub(crate) fn unpinned(path: &str, order_differs: bool, what: &str, at: usize) -> Refusal {
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
