//! SELECT, VALUES, set operations and WITH.

use std::fmt;
use std::rc::Rc;

use super::expr::Shape;
use super::from::too_many_aliases;
use super::{Analyser, Named, OutColumn, RecursiveArm, Result};
use crate::ir::{
    Cte, Distinct, Expr, ExprKind, Literal, LiteralClass, Query, Select, SelectBody, Simple,
    Target, With,
};
use crate::plan::RefusalKind;
use crate::refuse::{self, Finish, Path, Why, invalid, refuse};
use crate::relation::Stop;
use crate::scope::{CteInfo, Ctes, Found, Holds, Item, Scope, ScopeColumn};
use crate::types::Site;

/// A common table expression that its own query refers to.
pub(super) struct Recursion<'a> {
    name: &'a str,
    aliases: &'a [crate::ir::Name<'a>],
}

impl<'a> Analyser<'a, '_, '_> {
    /// The output columns of a query, or of the `RETURNING` list of one that writes.
    pub(crate) fn query(
        &mut self,
        query: &'a Query<'a>,
        parent: Option<&Scope<'_, 'a>>,
        ctes: &Ctes<'_, 'a>,
    ) -> Result<Vec<OutColumn<'a>>> {
        match query {
            Query::Select(select) => self.select(select, parent, ctes, None),
            Query::Insert(insert) => self.insert(insert, ctes),
            Query::Update(update) => self.update(update, ctes),
            Query::Delete(delete) => self.delete(delete, ctes),
            Query::Merge(merge) => self.merge(merge, ctes),
        }
    }

    /// Reads a WITH clause into `ctes`.
    pub(super) fn with(
        &mut self,
        with: Option<&'a With<'a>>,
        parent: Option<&Scope<'_, 'a>>,
        ctes: &mut Ctes<'_, 'a>,
    ) -> Result<()> {
        let Some(with) = with else { return Ok(()) };
        if with.recursive {
            // Every name is visible to every query; one that is not read yet must not be taken for
            // a table.
            ctes.list.extend(with.ctes.iter().map(|cte| CteInfo {
                name: cte.name.text,
                columns: None,
            }));
        }
        for cte in &with.ctes {
            self.account(&cte.name);
            self.account_all(&cte.columns);
            let columns = match &cte.query {
                Query::Select(select) if with.recursive => {
                    let recursion = Recursion {
                        name: cte.name.text,
                        aliases: &cte.columns,
                    };
                    self.detached(|it| it.select(select, parent, ctes, Some(&recursion)))?
                }
                query => self.detached(|it| it.query(query, parent, ctes))?,
            };
            let what = format_args!("WITH query \"{}\"", cte.name.text);
            let mut columns = self.renamed(what, columns, &cte.columns, cte.at)?;
            self.tracking(cte, parent, ctes, &mut columns)?;
            let columns = Rc::new(columns);
            if with.recursive {
                let slot = ctes.list.iter_mut().find(|slot| slot.name == cte.name.text);
                if let Some(slot) = slot {
                    slot.columns = Some(columns);
                }
            } else {
                ctes.list.push(CteInfo {
                    name: cte.name.text,
                    columns: Some(columns),
                });
            }
        }
        Ok(())
    }

    /// `SEARCH` and `CYCLE`: they put columns into row values, which must not hold cells, and add
    /// columns of their own.
    fn tracking(
        &mut self,
        cte: &'a Cte<'a>,
        parent: Option<&Scope<'_, 'a>>,
        ctes: &Ctes<'_, 'a>,
        columns: &mut Vec<ScopeColumn<'a>>,
    ) -> Result<()> {
        self.account_all(&cte.tracked);
        self.account_all(&cte.added);
        for name in &cte.tracked {
            let tracked = columns.iter().find(|column| column.name == name.text);
            if let Some(column) = tracked.cloned() {
                let ty = self.reference(&column, cte.at)?;
                let site = Site {
                    at: cte.at,
                    param: None,
                };
                self.require_plain(ty, Why::Clause("SEARCH or CYCLE"), site)?;
            }
        }
        let scope = Scope::new(parent, ctes);
        self.plain_all(&scope, &cte.marks, Why::Clause("SEARCH or CYCLE"))?;
        columns.extend(cte.added.iter().map(|name| ScopeColumn {
            name: name.text.into(),
            holds: Holds::Plain(Path::Name(name.text)),
            named: Some(Named::Certainly),
            by_catalogue: false,
            unpinned: false,
            source: None,
        }));
        Ok(())
    }

    /// Output columns as columns of a scope, under other names where an alias list gives them.
    pub(super) fn renamed(
        &mut self,
        what: fmt::Arguments<'_>,
        columns: Vec<OutColumn<'a>>,
        aliases: &'a [crate::ir::Name<'a>],
        at: usize,
    ) -> Result<Vec<ScopeColumn<'a>>> {
        self.account_all(aliases);
        if aliases.len() > columns.len() {
            return Err(too_many_aliases(what, columns.len(), aliases.len(), at).into());
        }
        if !aliases.is_empty() {
            self.take_by_position(&columns, &[], "a list of column aliases", at);
        }
        let mut renamed = Vec::with_capacity(columns.len());
        for (index, column) in columns.into_iter().enumerate() {
            let alias = aliases.get(index);
            renamed.push(ScopeColumn {
                named: match alias {
                    Some(_) => Some(Named::Certainly),
                    None => column.named,
                },
                by_catalogue: column.by_catalogue && alias.is_none(),
                name: alias.map_or(column.name, |alias| alias.text.into()),
                holds: Holds::Of(column.ty),
                unpinned: column.unpinned,
                source: None,
            });
        }
        Ok(renamed)
    }

    pub(super) fn select(
        &mut self,
        select: &'a Select<'a>,
        parent: Option<&Scope<'_, 'a>>,
        outer: &Ctes<'_, 'a>,
        recursion: Option<&Recursion<'a>>,
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut ctes = Ctes {
            parent: Some(outer),
            list: Vec::new(),
        };
        self.with(select.with.as_ref(), parent, &mut ctes)?;
        self.account_all(&select.locked);
        let mut scope = Scope::new(parent, &ctes);
        if select.into.is_some() {
            return Err(refuse::construct("SELECT INTO in this place", select.into).into());
        }
        let columns = match &select.body {
            SelectBody::Simple(simple) => {
                let columns = self.simple(simple, &mut scope)?;
                self.order_by(&scope, &select.order, &columns, Some(&simple.targets))?;
                columns
            }
            SelectBody::Values(rows) => {
                let columns = self.values(rows, &scope, select.at)?;
                self.order_by(&scope, &select.order, &columns, None)?;
                columns
            }
            SelectBody::SetOperation {
                word,
                all,
                left,
                right,
            } => {
                let columns =
                    self.set_operation(word, *all, left, right, parent, &ctes, recursion)?;
                self.order_by(&scope, &select.order, &columns, None)?;
                columns
            }
        };
        self.plain_all(&scope, &select.limits, Why::Clause("LIMIT"))?;
        Ok(columns)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one syntax node")]
    fn set_operation(
        &mut self,
        word: &'static str,
        all: bool,
        left: &'a Select<'a>,
        right: &'a Select<'a>,
        parent: Option<&Scope<'_, 'a>>,
        ctes: &Ctes<'_, 'a>,
        recursion: Option<&Recursion<'a>>,
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut columns = self.select(left, parent, ctes, None)?;
        let others = match recursion {
            Some(recursion) if word == "UNION" => {
                // The recursive arm sees the columns of the other arm under the name of the CTE.
                let what = format_args!("WITH query \"{}\"", recursion.name);
                let own = self.renamed(what, columns.clone(), recursion.aliases, left.at)?;
                let ctes = Ctes {
                    parent: Some(ctes),
                    list: vec![CteInfo {
                        name: recursion.name,
                        columns: Some(Rc::new(own)),
                    }],
                };
                self.select(right, parent, &ctes, None)?
            }
            _ => self.select(right, parent, ctes, None)?,
        };
        if columns.len() != others.len() {
            let words = format!("each {word} query must have the same number of columns");
            return Err(invalid("42601", words).at(right.at).into());
        }
        let types: Vec<_> = others.iter().map(|column| column.ty).collect();
        self.take_by_position(&columns, &types, word, right.at);
        let types: Vec<_> = columns.iter().map(|column| column.ty).collect();
        self.take_by_position(&others, &types, word, right.at);
        for (column, other) in columns.iter_mut().zip(&others) {
            let site = Site {
                at: right.at,
                param: None,
            };
            let result = self.types.unknown();
            self.types.choose(result, column.ty, site)?;
            self.types.choose(result, other.ty, site)?;
            if recursion.is_some() {
                let (first, at) = (column.ty, right.at);
                self.recursive_arms.push(RecursiveArm { first, result, at });
            }
            column.ty = result;
            if !(all && word == "UNION") {
                self.types.compare(column.ty, word, true, right.at)?;
            }
            column.unpinned |= other.unpinned;
        }
        Ok(columns)
    }

    fn values(
        &mut self,
        rows: &'a [Vec<Expr<'a>>],
        scope: &Scope<'_, 'a>,
        at: usize,
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut columns: Vec<OutColumn<'a>> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if index > 0 && row.len() != columns.len() {
                return Err(uneven_values(at));
            }
            for (position, expr) in row.iter().enumerate() {
                let ty = self.detached(|it| it.value(scope, expr))?;
                match columns.get(position) {
                    Some(column) if index > 0 => {
                        let site = Site {
                            at: expr.at,
                            param: None,
                        };
                        self.types.unify(ty, column.ty, site)?;
                    }
                    _ => columns.push(OutColumn {
                        name: format!("column{}", position + 1).into(),
                        ty,
                        named: Some(Named::Certainly),
                        by_catalogue: false,
                        unpinned: false,
                    }),
                }
            }
        }
        Ok(columns)
    }

    fn simple(
        &mut self,
        simple: &'a Simple<'a>,
        scope: &mut Scope<'_, 'a>,
    ) -> Result<Vec<OutColumn<'a>>> {
        self.read_from(scope, &simple.from)?;
        let columns = self.targets(scope, &simple.targets)?;
        self.condition(scope, simple.filter.as_ref())?;
        self.condition(scope, simple.having.as_ref())?;
        for item in &simple.group {
            self.group_by(scope, item, &columns, &simple.targets)?;
        }
        for window in &simple.windows {
            self.window(scope, window)?;
        }
        match &simple.distinct {
            Distinct::No => {}
            Distinct::All => {
                for column in &columns {
                    let at = simple.targets.first().map_or(0, |target| target.expr.at);
                    self.types.compare(column.ty, "DISTINCT", true, at)?;
                }
            }
            Distinct::On(exprs) => {
                for expr in exprs {
                    let ty =
                        match self.output(expr, &columns, Some(&simple.targets), "DISTINCT ON")? {
                            Some(ty) => ty,
                            None => self.value(scope, expr)?,
                        };
                    self.types.compare(ty, "DISTINCT ON", true, expr.at)?;
                }
            }
        }
        Ok(columns)
    }

    /// A select list, or a RETURNING list, with `*` expanded.
    pub(super) fn targets(
        &mut self,
        scope: &Scope<'_, 'a>,
        targets: &'a [Target<'a>],
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut columns = Vec::with_capacity(targets.len());
        for target in targets {
            if let Some(alias) = &target.alias {
                self.account(alias);
            }
            if let ExprKind::Column { parts, star: true } = &target.expr.kind {
                self.star(scope, parts, target.expr.at, &mut columns)?;
                continue;
            }
            if let ExprKind::Field {
                relation,
                field: None,
            } = &target.expr.kind
            {
                let at = target.expr.at;
                let found = scope.column(relation.text);
                if !matches!(found, Found::Nothing) {
                    if let Some(fields) = self.expanded(found, relation, at)? {
                        columns.extend(fields);
                        continue;
                    }
                    let what = "expansion of a composite value";
                    return Err(refuse::construct(what, Some(at)).into());
                }
                self.star(scope, std::slice::from_ref(relation), at, &mut columns)?;
                continue;
            }
            let ty = self.value(scope, &target.expr)?;
            let name = match &target.alias {
                Some(alias) => alias.text,
                None => figure_name(&target.expr),
            };
            if let (None, ExprKind::Cast { .. }) = (&target.alias, &target.expr.kind)
                && let Some(cast) = self.casts.last_mut()
                && cast.at == target.expr.at
            {
                cast.label = Some(name);
            }
            columns.push(OutColumn {
                name: name.into(),
                ty,
                named: match target.alias {
                    Some(_) => Some(Named::Certainly),
                    None => naming(&target.expr),
                },
                by_catalogue: false,
                unpinned: false,
            });
        }
        Ok(columns)
    }

    /// `(column).*` of a composite type that holds cells.
    fn expanded(
        &mut self,
        found: Found<'_, 'a>,
        name: &'a crate::ir::Name<'a>,
        at: usize,
    ) -> Result<Option<Vec<OutColumn<'a>>>> {
        let ty = self.found(found, name, at)?;
        let Some(unlisted) = self.types.as_unlisted(ty) else {
            return Ok(None);
        };
        let Some(fields) = self.resolver.fields_of(unlisted.ty)? else {
            return Ok(None);
        };
        self.account(name);
        let field = |(name, _): (&'a str, _)| {
            Ok(OutColumn {
                name: name.into(),
                ty: self.part(unlisted, Some(name))?,
                named: Some(Named::Probably),
                by_catalogue: true,
                unpinned: true,
            })
        };
        fields
            .into_iter()
            .map(field)
            .collect::<Result<_>>()
            .map(Some)
    }

    fn star(
        &mut self,
        scope: &Scope<'_, 'a>,
        parts: &'a [crate::ir::Name<'a>],
        at: usize,
        columns: &mut Vec<OutColumn<'a>>,
    ) -> Result<()> {
        self.account_all(parts);
        let items: Vec<&Item<'a>> = match parts {
            [] => scope
                .items
                .iter()
                .filter(|item| item.columns_visible)
                .collect(),
            [relation] => scope
                .relation(None, relation.text)
                .ok()
                .flatten()
                .into_iter()
                .collect(),
            [schema, relation] | [_, schema, relation] => scope
                .relation(Some(schema.text), relation.text)
                .ok()
                .flatten()
                .into_iter()
                .collect(),
            _ => Vec::new(),
        };
        if items.is_empty() {
            let refusal = match parts.last() {
                Some(relation) => super::column::missing_relation(relation.text),
                None => invalid("42601", "SELECT * with no tables specified is not valid"),
            };
            return Err(refusal.at(at).into());
        }
        for item in items {
            if item.open {
                return Err(refuse(
                    RefusalKind::UnsupportedConstruct,
                    "refusing to expand `*` over a function whose columns are not known",
                )
                .hint("name the columns, or give the function a column definition list")
                .at(at)
                .into());
            }
            for column in item.columns.iter() {
                columns.push(self.out_column(column, at)?);
            }
        }
        Ok(())
    }

    /// The output column that an ORDER BY or DISTINCT ON item names, by the rules of SQL-92: a
    /// bare name is an output column before it is one of FROM, an integer is a position.
    fn output(
        &mut self,
        expr: &'a Expr<'a>,
        columns: &[OutColumn<'a>],
        targets: Option<&'a [Target<'a>]>,
        clause: &'static str,
    ) -> Result<Option<crate::types::TypeId>> {
        if let ExprKind::Column { parts, star: false } = &expr.kind
            && let [name] = parts.as_slice()
        {
            let mut matches = columns.iter().filter(|column| column.name == name.text);
            let Some(first) = matches.next() else {
                return Ok(None);
            };
            // Several output columns of one name are fine for the server when they are the same
            // expression; only equal references are taken for that here.
            if matches.next().is_some() && !same_references(targets, name.text) {
                let words = format!("{clause} \"{}\" is ambiguous", name.text);
                return Err(invalid("42702", words).at(expr.at).into());
            }
            self.account(name);
            return Ok(Some(first.ty));
        }
        Ok(self.ordinal(expr, columns, clause)?.map(|column| column.ty))
    }

    fn ordinal<'o>(
        &mut self,
        expr: &Expr<'a>,
        columns: &'o [OutColumn<'a>],
        clause: &'static str,
    ) -> Result<Option<&'o OutColumn<'a>>> {
        let ExprKind::Literal(Literal {
            class: LiteralClass::Integer,
            value,
            ..
        }) = &expr.kind
        else {
            return Ok(None);
        };
        let position = value.expose().parse::<usize>().ok();
        match position
            .and_then(|n| n.checked_sub(1))
            .and_then(|n| columns.get(n))
        {
            Some(column) => Ok(Some(column)),
            None => {
                let written = value.expose();
                // A position is no value: nothing encrypted is ordered or grouped by a number.
                let words = format!("{clause} position {written} is not in select list");
                Err(invalid("42P10", words).at(expr.at).into())
            }
        }
    }

    fn order_by(
        &mut self,
        scope: &Scope<'_, 'a>,
        order: &'a [Expr<'a>],
        columns: &[OutColumn<'a>],
        targets: Option<&'a [Target<'a>]>,
    ) -> Result<()> {
        for expr in order {
            match self.output(expr, columns, targets, "ORDER BY")? {
                Some(ty) => {
                    let site = Site {
                        at: expr.at,
                        param: None,
                    };
                    self.require_plain(ty, Why::Clause("ORDER BY"), site)?;
                }
                None => self.plain(scope, expr, Why::Clause("ORDER BY"))?,
            }
        }
        Ok(())
    }

    /// GROUP BY takes a bare name for a column of FROM first, then for an output column.
    fn group_by(
        &mut self,
        scope: &Scope<'_, 'a>,
        expr: &'a Expr<'a>,
        columns: &[OutColumn<'a>],
        targets: &'a [Target<'a>],
    ) -> Result<()> {
        let by_output = match &expr.kind {
            ExprKind::Column { parts, star: false } => match parts.as_slice() {
                [name] => matches!(scope.own_column(name.text), Found::Nothing | Found::Open),
                _ => false,
            },
            _ => true,
        };
        if by_output && let Some(ty) = self.output(expr, columns, Some(targets), "GROUP BY")? {
            return Ok(self.types.compare(ty, "GROUP BY", true, expr.at)?);
        }
        let shape = self.shape(scope, expr)?;
        self.compare_shape(&shape, "GROUP BY", expr.at)
    }

    fn compare_shape(&mut self, shape: &Shape, what: &'static str, at: usize) -> Result<()> {
        match shape {
            Shape::Value(ty) => Ok(self.types.compare(*ty, what, true, at)?),
            Shape::Row(fields) => fields
                .iter()
                .try_for_each(|field| self.compare_shape(field, what, at)),
        }
    }
}

/// Whether all targets of a name are the same column reference.
fn same_references(targets: Option<&[Target<'_>]>, name: &str) -> bool {
    let Some(targets) = targets else { return false };
    let mut references = targets
        .iter()
        .filter(|target| match &target.alias {
            Some(alias) => alias.text == name,
            None => figure_name(&target.expr) == name,
        })
        .map(|target| match &target.expr.kind {
            ExprKind::Column { parts, star: false } => {
                Some(parts.iter().map(|part| part.text).collect::<Vec<_>>())
            }
            _ => None,
        });
    let Some(Some(first)) = references.next() else {
        return false;
    };
    references.all(|other| other.as_ref() == Some(&first))
}

fn uneven_values(at: usize) -> Stop {
    let words = "VALUES lists must all be the same length";
    invalid("42601", words).at(at).into()
}

/// The name of an output column without an alias (`FigureColname`).
pub(super) fn figure_name<'a>(expr: &'a Expr<'_>) -> &'a str {
    named(expr).map_or("?column?", |(name, _)| name)
}

/// Whether every server gives an output column without an alias the name of [`figure_name`].
fn naming(expr: &Expr<'_>) -> Option<Named> {
    let is_certain = match &expr.kind {
        ExprKind::Column { .. }
        | ExprKind::Field { .. }
        | ExprKind::Coalesce(_)
        | ExprKind::NullIf(..)
        | ExprKind::Array(..) => true,
        // The grammar has names of its own for `EXTRACT(…)` and the like.
        ExprKind::Call(call) => !call.names.is_empty(),
        // It takes the name of its column, which may be that of a `*`.
        ExprKind::Sublink { .. } if named(expr).is_none() => return None,
        _ => false,
    };
    Some(match is_certain {
        true => Named::Certainly,
        false => Named::Probably,
    })
}

/// How sure the server is of a name: that of a cast or of `CASE` gives way to another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

fn named<'a>(expr: &'a Expr<'_>) -> Option<(&'a str, Strength)> {
    use Strength::{Strong, Weak};
    let name = match &expr.kind {
        ExprKind::Column { parts, star: false } => parts.last()?.text,
        ExprKind::Field { field, .. } => field.as_ref()?.text,
        ExprKind::Call(call) => call.parts.last()?,
        ExprKind::Cast { arg, ty, .. } => {
            return match named(arg) {
                Some((name, Strong)) => Some((name, Strong)),
                _ => Some((ty.parts.last()?.text, Weak)),
            };
        }
        ExprKind::Case { default, .. } => {
            return match default.as_deref().and_then(named) {
                Some((name, Strong)) => Some((name, Strong)),
                _ => Some(("case", Weak)),
            };
        }
        ExprKind::Sublink { kind, query, .. } => match kind {
            crate::ir::Sublink::Exists => "exists",
            crate::ir::Sublink::Array => "array",
            crate::ir::Sublink::Scalar => {
                let Query::Select(select) = query.as_ref() else {
                    return None;
                };
                // A set operation has the names of its first query.
                let mut body = &select.body;
                while let SelectBody::SetOperation { left, .. } = body {
                    body = &left.body;
                }
                let SelectBody::Simple(simple) = body else {
                    return Some(("column1", Strong));
                };
                let target = simple.targets.first()?;
                match &target.alias {
                    Some(alias) => alias.text,
                    None => return named(&target.expr),
                }
            }
            _ => return None,
        },
        ExprKind::Coalesce(_) => "coalesce",
        ExprKind::NullIf(..) => "nullif",
        ExprKind::Array(..) => "array",
        ExprKind::Row(_) => "row",
        ExprKind::Grouping(_) => "grouping",
        ExprKind::Plain {
            what: "GREATEST", ..
        } => "greatest",
        ExprKind::Plain { what: "LEAST", .. } => "least",
        ExprKind::Plain {
            what: "COLLATE",
            args,
        } => return args.first().and_then(named),
        ExprKind::Literal(Literal {
            class: LiteralClass::Boolean,
            ..
        }) => return Some(("bool", Weak)),
        _ => return None,
    };
    Some((name, Strong))
}
