//! FROM: tables, sub-selects, functions and joins.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use super::query::figure_name;
use super::{Analyser, Named, OutColumn, Result, Taker, unpinned};
use crate::held::{Called, Returned};
use crate::ir::{Alias, Expr, ExprKind, FromItem, Join, JoinKind, Table, TableFunction};
use crate::plan::{Refusal, RefusalKind};
use crate::refuse::{self, Finish, Path, Why, invalid, refuse};
use crate::relation::RelationInfo;
use crate::scope::{Holds, Item, Scope, ScopeColumn};
use crate::types::{Site, Unlisted};

/// Functions of one output column that is not called after the function, with its name.
const VALUE_FUNCTIONS: [&str; 6] = [
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "json_array_elements",
    "json_array_elements_text",
    "jsonb_path_query",
    "pg_ls_waldir",
];

/// Functions that give one column of a scalar type.
const SCALAR_FUNCTIONS: [&str; 9] = [
    "generate_series",
    "generate_subscripts",
    "regexp_split_to_table",
    "string_to_table",
    "jsonb_object_keys",
    "json_object_keys",
    "now",
    "current_database",
    "random",
];

impl<'a> Analyser<'a, '_, '_> {
    /// Reads a FROM list into a scope.
    pub(super) fn read_from(
        &mut self,
        scope: &mut Scope<'_, 'a>,
        list: &'a [FromItem<'a>],
    ) -> Result<()> {
        for item in list {
            set_lateral(&mut scope.items, true, true);
            let items = self.read_item(scope, item)?;
            scope.items.extend(items);
        }
        set_lateral(&mut scope.items, false, true);
        Ok(())
    }

    pub(super) fn read_item(
        &mut self,
        scope: &mut Scope<'_, 'a>,
        item: &'a FromItem<'a>,
    ) -> Result<Vec<Item<'a>>> {
        match item {
            FromItem::Table(table) => Ok(vec![self.read_table(scope, table)?]),
            FromItem::Subquery {
                query,
                lateral,
                alias,
                at,
            } => {
                let active = std::mem::replace(&mut scope.lateral_active, *lateral);
                let columns = self.detached(|it| it.query(query, Some(scope), scope.ctes));
                scope.lateral_active = active;
                Ok(vec![self.derived(columns?, alias.as_ref(), *at)?])
            }
            FromItem::Function {
                functions,
                ordinality,
                alias,
                at,
            } => {
                let active = std::mem::replace(&mut scope.lateral_active, true);
                let item = self.functions(scope, functions, *ordinality, alias.as_ref(), *at);
                scope.lateral_active = active;
                Ok(vec![item?])
            }
            FromItem::Document {
                what,
                args,
                columns,
                alias,
                at,
            } => {
                let active = std::mem::replace(&mut scope.lateral_active, true);
                let checked = self.plain_all(scope, args, Why::Argument(what));
                scope.lateral_active = active;
                checked?;
                self.account_all(columns);
                let columns = columns.iter().map(|name| OutColumn {
                    name: name.text.into(),
                    ty: self.types.plain(Why::Result(what)),
                    named: Some(Named::Certainly),
                    by_catalogue: false,
                    unpinned: false,
                });
                let columns = columns.collect();
                Ok(vec![self.derived(columns, alias.as_ref(), *at)?])
            }
            FromItem::Join(join) => self.join(scope, join),
            FromItem::Sample { relation, args } => {
                self.plain_all(scope, args, Why::Clause("TABLESAMPLE"))?;
                self.read_item(scope, relation)
            }
        }
    }

    /// Looks the relation of a table reference up and notes its use.
    pub(crate) fn relation(&mut self, table: &'a Table<'a>) -> Result<Rc<RelationInfo<'a>>> {
        self.account_all(&table.schema);
        self.account(&table.name);
        if let Some(alias) = &table.alias {
            self.account(&alias.name);
            self.account_all(&alias.columns);
        }
        let schema = table.schema.as_ref().map(|schema| schema.text);
        let info = self.resolver.resolve(schema, table.name.text, table.at)?;
        self.use_relation(&info);
        Ok(info)
    }

    fn read_table(&mut self, scope: &Scope<'_, 'a>, table: &'a Table<'a>) -> Result<Item<'a>> {
        let cte = match table.schema {
            Some(_) => None,
            None => scope.ctes.find(table.name.text),
        };
        let Some(cte) = cte else {
            let info = self.relation(table)?;
            return self.table_item(&info, table);
        };
        self.account(&table.name);
        let Some(columns) = &cte.columns else {
            let what = "a CTE that refers to itself or to a later one here";
            return Err(refuse::construct(what, Some(table.at)).into());
        };
        let columns: Vec<OutColumn<'a>> = columns
            .iter()
            .map(|column| self.out_column(column, table.at))
            .collect::<Result<_>>()?;
        let mut item = self.derived(columns, table.alias.as_ref(), table.at)?;
        if item.name.is_none() {
            item.name = Some(table.name.text);
        }
        Ok(item)
    }

    /// A relation as an item of a scope, its columns renamed by an alias list.
    pub(crate) fn table_item(
        &mut self,
        info: &Rc<RelationInfo<'a>>,
        table: &'a Table<'a>,
    ) -> Result<Item<'a>> {
        let aliases = table.alias.as_ref().map(|alias| alias.columns.as_slice());
        let aliases = aliases.unwrap_or_default();
        if !aliases.is_empty() && !info.pinned && info.is_encrypted() {
            let what = "a list of column aliases";
            return Err(unpinned(info.path(), info.order_differs, what, table.at).into());
        }
        if aliases.len() > info.columns.len() {
            let name = match &table.alias {
                Some(alias) => alias.name.text,
                None => table.name.text,
            };
            let what = format_args!("table \"{name}\"");
            return Err(too_many_aliases(what, info.columns.len(), aliases.len(), table.at).into());
        }
        Ok(Item {
            name: Some(match &table.alias {
                Some(alias) => alias.name.text,
                None => info.name,
            }),
            relation: table.alias.is_none().then(|| Rc::clone(info)),
            columns: Rc::new(Self::scope_columns(info, aliases)),
            relation_visible: true,
            columns_visible: true,
            lateral_only: false,
            lateral_ok: true,
            open: false,
            has_system_columns: info.has_system_columns,
            row_path: info.path(),
        })
    }

    fn derived(
        &mut self,
        columns: Vec<OutColumn<'a>>,
        alias: Option<&'a Alias<'a>>,
        at: usize,
    ) -> Result<Item<'a>> {
        if let Some(alias) = alias {
            self.account(&alias.name);
        }
        let aliases = alias
            .map(|alias| alias.columns.as_slice())
            .unwrap_or_default();
        let name = alias.map(|alias| alias.name.text);
        let what = format_args!("table \"{}\"", name.unwrap_or_default());
        let columns = self.renamed(what, columns, aliases, at)?;
        Ok(Item {
            row_path: Path::Name(name.unwrap_or("a sub-select")),
            name,
            relation: None,
            columns: Rc::new(columns),
            relation_visible: true,
            columns_visible: true,
            lateral_only: false,
            lateral_ok: true,
            open: false,
            has_system_columns: false,
        })
    }

    fn functions(
        &mut self,
        scope: &Scope<'_, 'a>,
        functions: &'a [TableFunction<'a>],
        ordinality: bool,
        alias: Option<&'a Alias<'a>>,
        at: usize,
    ) -> Result<Item<'a>> {
        let mut columns = Vec::new();
        let mut open = false;
        let only = functions.len() == 1;
        for function in functions {
            match self.function_columns(scope, function, alias, only)? {
                Some(more) => columns.extend(more),
                None => open = true,
            }
        }
        if ordinality {
            columns.push(OutColumn {
                name: "ordinality".into(),
                ty: self.types.plain(Why::Result("ORDINALITY")),
                named: Some(Named::Certainly),
                by_catalogue: false,
                unpinned: false,
            });
        }
        if let Some(alias) = alias {
            self.account(&alias.name);
            self.account_all(&alias.columns);
            // Names for columns that are not known: the first ones are these.
            while open && columns.len() < alias.columns.len() {
                columns.push(self.function_column(""));
            }
        }
        let named = functions
            .first()
            .and_then(|function| match &function.call.kind {
                ExprKind::Call(call) => call.parts.last().copied(),
                _ => None,
            });
        let mut item = self.derived(columns, alias, at)?;
        item.open = open;
        if item.name.is_none() && only {
            item.name = named;
        }
        if item.row_path == Path::Name("a sub-select") {
            item.row_path = Path::Name("a function");
        }
        Ok(item)
    }

    fn function_column(&mut self, name: &'a str) -> OutColumn<'a> {
        OutColumn {
            name: name.into(),
            ty: self.types.plain(Why::Result("a function")),
            named: Some(Named::Probably),
            by_catalogue: false,
            unpinned: false,
        }
    }

    /// The columns of one function in FROM, or `None` when only the server knows them.
    fn function_columns(
        &mut self,
        scope: &Scope<'_, 'a>,
        function: &'a TableFunction<'a>,
        list: Option<&'a Alias<'a>>,
        only: bool,
    ) -> Result<Option<Vec<OutColumn<'a>>>> {
        // Columns of several functions are not called by the alias.
        let alias = list.filter(|_| only);
        let ExprKind::Call(call) = &function.call.kind else {
            let why = Why::Clause("a function in FROM");
            self.plain(scope, &function.call, why)?;
            // `CURRENT_DATE` and the like: one column.
            let name = alias.map_or_else(|| figure_name(&function.call), |a| a.name.text);
            return Ok(Some(vec![self.function_column(name)]));
        };
        let name = call.parts.last().copied().unwrap_or_default();
        let builtin = match call.parts.as_slice() {
            [_] => true,
            [schema, _] => *schema == "pg_catalog",
            _ => false,
        };
        let column_name = alias.map_or(name, |alias| alias.name.text);
        if builtin && name == "unnest" && !call.args.is_empty() && !call.variadic {
            self.account_all(&call.names);
            let mut columns = Vec::with_capacity(call.args.len());
            for arg in &call.args {
                let list = self.value(scope, arg)?;
                let element = self.types.unknown();
                let array = self.types.array(element);
                let site = Site {
                    at: arg.at,
                    param: None,
                };
                self.types.unify(list, array, site)?;
                self.note_bare(Taker::Unnest, list, std::slice::from_ref(arg), arg.at);
                let alone = call.args.len() == 1;
                columns.push(OutColumn {
                    name: if alone { column_name } else { name }.into(),
                    ty: element,
                    named: Some(Named::Probably),
                    by_catalogue: false,
                    // An array of a composite type would give several columns.
                    unpinned: !is_array_expression(arg),
                });
            }
            return Ok(Some(columns));
        }
        self.value(scope, &function.call)?;
        if let Some(names) = &function.columns {
            let mut columns = Vec::with_capacity(names.len());
            for (name, ty) in names {
                self.account(name);
                let ty = self.resolver.named_type(ty)?;
                let path = Path::Relation("", figure_name(&function.call));
                columns.push(self.returned_column(name.text, path, ty));
            }
            return Ok(Some(columns));
        }
        if let Some(called) = self.resolver.called(call)?
            && !matches!(called.returned, Returned::Plain)
        {
            return self
                .returned(called, column_name, list, function.call.at)
                .map(Some);
        }
        if builtin && VALUE_FUNCTIONS.contains(&name) {
            return Ok(Some(vec![self.function_column("value")]));
        }
        if builtin && SCALAR_FUNCTIONS.contains(&name) {
            return Ok(Some(vec![self.function_column(column_name)]));
        }
        Ok(None)
    }

    /// A column of FROM as it is given on.
    pub(super) fn out_column(
        &mut self,
        column: &ScopeColumn<'a>,
        at: usize,
    ) -> Result<OutColumn<'a>> {
        Ok(OutColumn {
            ty: self.reference(column, at)?,
            name: column.name.clone(),
            named: column.named,
            by_catalogue: column.by_catalogue,
            unpinned: column.unpinned,
        })
    }

    /// The columns of a function that returns cells.
    fn returned(
        &mut self,
        called: Called<'a>,
        name: &'a str,
        alias: Option<&'a Alias<'a>>,
        at: usize,
    ) -> Result<Vec<OutColumn<'a>>> {
        let path = called.path;
        match called.returned {
            Returned::Plain => Ok(vec![self.function_column(name)]),
            Returned::Value(ty) => Ok(vec![self.returned_column(name, path, Some(ty))]),
            Returned::Columns(fields) => Ok(fields
                .into_iter()
                .map(|(name, ty)| self.returned_column(name, path, ty))
                .collect()),
            Returned::Rows(relation) => {
                let info = self.resolver.rows_of(relation, at)?;
                self.use_relation(&info);
                if alias.is_some_and(|alias| !alias.columns.is_empty())
                    && !info.pinned
                    && info.is_encrypted()
                {
                    let what = "a list of column aliases";
                    return Err(unpinned(info.path(), info.order_differs, what, at).into());
                }
                let columns = Self::scope_columns(&info, &[]);
                columns
                    .iter()
                    .map(|column| self.out_column(column, at))
                    .collect()
            }
            Returned::Unclear => Err(refuse(
                RefusalKind::UnsupportedConstruct,
                format!("refusing to take `{path}` for a function of plain columns"),
            )
            .detail("functions of that name return cells, and which columns they have is not clear")
            .hint("query the table, not the function")
            .at(at)
            .into()),
        }
    }

    /// A column of a function, of a type that holds cells if one is given.
    fn returned_column(&mut self, name: &'a str, path: Path<'a>, ty: Option<u32>) -> OutColumn<'a> {
        let column = self.function_column(name);
        match ty {
            None => column,
            Some(ty) => OutColumn {
                ty: self.types.unlisted(Unlisted::outside(path, ty)),
                ..column
            },
        }
    }

    fn join(&mut self, scope: &mut Scope<'_, 'a>, join: &'a Join<'a>) -> Result<Vec<Item<'a>>> {
        let mut left = self.read_item(scope, &join.left)?;
        // The right side may refer to the left one laterally, unless rows of it may be missing.
        let lateral_ok = matches!(join.kind, JoinKind::Inner | JoinKind::Left);
        let before = scope.items.len();
        set_lateral(&mut left, true, lateral_ok);
        scope.items.append(&mut left);
        let right = self.read_item(scope, &join.right);
        let mut left = scope.items.split_off(before);
        set_lateral(&mut left, false, true);
        let mut right = right?;

        if join.natural && (has_open(&left) || has_open(&right)) {
            return Err(refuse::construct("NATURAL JOIN with a function like this", None).into());
        }
        self.account_all(&join.using);
        let shared: Vec<Cow<'a, str>> = if join.natural {
            visible_columns(&left)
                .filter(|column| visible_columns(&right).any(|other| other.name == column.name))
                .map(|column| column.name.clone())
                .collect()
        } else {
            join.using.iter().map(|name| name.text.into()).collect()
        };
        let width = visible_columns(&left)
            .chain(visible_columns(&right))
            .count();
        let mut columns = Vec::with_capacity(width);
        for name in &shared {
            columns.push(self.merge_column(name, &left, &right, join.kind)?);
        }
        left.append(&mut right);
        if let Some(on) = &join.on {
            // ON sees the two sides and the outer levels, not the items before the join.
            std::mem::swap(&mut scope.items, &mut left);
            let checked = self.condition(scope, Some(on));
            std::mem::swap(&mut scope.items, &mut left);
            checked?;
        }
        let using_columns = match &join.using_alias {
            Some(_) => columns.clone(),
            None => Vec::new(),
        };
        let rest = visible_columns(&left).filter(|column| !shared.contains(&column.name));
        columns.extend(rest.cloned());
        let open = has_open(&left);
        let has_system_columns = left.iter().any(|item| item.has_system_columns);
        match &join.alias {
            Some(_) => left.clear(),
            None => {
                for item in &mut left {
                    item.columns_visible = false;
                }
            }
        }
        if let Some(name) = &join.using_alias {
            self.account(name);
            left.push(join_item(Some(name.text), using_columns));
            if let Some(item) = left.last_mut() {
                item.columns_visible = false;
            }
        }
        let mut item = join_item(None, columns);
        item.open = open;
        item.relation_visible = false;
        item.has_system_columns = has_system_columns && join.alias.is_none();
        if let Some(alias) = &join.alias {
            item = self.aliased_join(item, alias)?;
        }
        left.push(item);
        Ok(left)
    }

    fn aliased_join(&mut self, mut item: Item<'a>, alias: &'a Alias<'a>) -> Result<Item<'a>> {
        self.account(&alias.name);
        self.account_all(&alias.columns);
        if !alias.columns.is_empty() {
            let sealed = item
                .columns
                .iter()
                .any(|column| !matches!(column.holds, Holds::Plain(_) | Holds::Unlisted(_)));
            if item.open || (sealed && item.columns.iter().any(|column| column.unpinned)) {
                let what = "a list of column aliases";
                return Err(unpinned(Path::Name("the join"), false, what, 0).into());
            }
            let mut columns = item.columns.as_ref().clone();
            for (column, alias) in columns.iter_mut().zip(&alias.columns) {
                column.name = alias.text.into();
            }
            item.columns = Rc::new(columns);
        }
        item.relation_visible = true;
        item.row_path = Path::Name(alias.name.text);
        item.name = Some(alias.name.text);
        Ok(item)
    }

    /// The one column that USING or NATURAL makes of two.
    fn merge_column(
        &mut self,
        name: &str,
        left: &[Item<'a>],
        right: &[Item<'a>],
        kind: JoinKind,
    ) -> Result<ScopeColumn<'a>> {
        let mut of_left = visible_columns(left).filter(|column| column.name == name);
        let mut of_right = visible_columns(right).filter(|column| column.name == name);
        let (Some(left), None, Some(right), None) = (
            of_left.next(),
            of_left.next(),
            of_right.next(),
            of_right.next(),
        ) else {
            if has_open(left) || has_open(right) {
                return Err(
                    refuse::construct("JOIN … USING with a function like this", None).into(),
                );
            }
            return Err(not_joinable(name, left, right).into());
        };
        let a = self.reference(left, 0)?;
        let b = self.reference(right, 0)?;
        let site = Site { at: 0, param: None };
        self.types.equate(a, b, site)?;
        let merged = self.types.unknown();
        for ty in [a, b] {
            self.types.compare(ty, "JOIN USING", false, 0)?;
            self.types.choose(merged, ty, site)?;
        }
        // An outer join of the one kind takes the column of that side, a full join the first that
        // is not null; the type is the same.
        let picked = if kind == JoinKind::Right { right } else { left };
        Ok(ScopeColumn {
            holds: match picked.holds {
                holds @ Holds::Plain(_) => holds,
                _ => Holds::Of(merged),
            },
            ..picked.clone()
        })
    }
}

/// Why a name of USING is not one column on both sides (`transformFromClauseItem`).
fn not_joinable(name: &str, left: &[Item<'_>], right: &[Item<'_>]) -> Refusal {
    let count = |items| visible_columns(items).filter(|c| c.name == name).count();
    let missing = |side| {
        format!("column \"{name}\" specified in USING clause does not exist in {side} table")
    };
    let twice =
        |side| format!("common column name \"{name}\" appears more than once in {side} table");
    match (count(left), count(right)) {
        (0, _) => invalid("42703", missing("left")),
        (1, 0) => invalid("42703", missing("right")),
        (1, _) => invalid("42702", twice("right")),
        _ => invalid("42702", twice("left")),
    }
}

/// An alias list that is longer than the relation (`buildRelationAliases`).
pub(super) fn too_many_aliases(
    what: fmt::Arguments<'_>,
    columns: usize,
    aliases: usize,
    at: usize,
) -> Refusal {
    let words = format!("{what} has {columns} columns available but {aliases} columns specified");
    invalid("42P10", words).at(at)
}

fn join_item<'a>(name: Option<&'a str>, columns: Vec<ScopeColumn<'a>>) -> Item<'a> {
    Item {
        row_path: Path::Name(name.unwrap_or("a join")),
        name,
        relation: None,
        columns: Rc::new(columns),
        relation_visible: true,
        columns_visible: true,
        lateral_only: false,
        lateral_ok: true,
        open: false,
        has_system_columns: false,
    }
}

/// The columns that may be named alone.
fn visible_columns<'i, 'a>(items: &'i [Item<'a>]) -> impl Iterator<Item = &'i ScopeColumn<'a>> {
    items
        .iter()
        .filter(|item| item.columns_visible)
        .flat_map(|item| item.columns.iter())
}

fn has_open(items: &[Item<'_>]) -> bool {
    items.iter().any(|item| item.open && item.columns_visible)
}

fn set_lateral(items: &mut [Item<'_>], only: bool, ok: bool) {
    for item in items {
        item.lateral_only = only;
        item.lateral_ok = ok;
    }
}

/// A parameter, an array constructor, or one of these under a cast: not a column of an unknown
/// array type.
fn is_array_expression(expr: &Expr<'_>) -> bool {
    match &expr.kind {
        ExprKind::Param { .. } | ExprKind::Array(..) | ExprKind::Literal(_) | ExprKind::Null => {
            true
        }
        ExprKind::Cast { arg, .. } => is_array_expression(arg),
        _ => false,
    }
}
