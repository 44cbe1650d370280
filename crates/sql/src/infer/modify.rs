//! INSERT, UPDATE, DELETE and MERGE.

use std::rc::Rc;

use sealwire_core::policy::ColumnId;

use super::{Analyser, OutColumn, Result, mismatched, unpinned};
use crate::ir::{
    Conflict, Delete, Expr, ExprKind, IndexKey, IndexPart, Insert, Matched, Merge, MergeAction,
    Select, SelectBody, Set, Sublink, Table, TargetColumn, Update,
};
use crate::plan::{Refusal, RefusalKind};
use crate::refuse::{self, Finish, Path, Why, invalid, refuse};
use crate::relation::{RelationInfo, Stop};
use crate::scope::{Ctes, Item, Scope};
use crate::types::{Site, TypeId, Unlisted};

/// A column that a statement writes.
#[derive(Clone, Debug)]
struct Written<'a> {
    name: &'a str,
    path: Path<'a>,
    column: Option<ColumnId>,
    /// The relation, where the column holds cells that the manifest does not list.
    unlisted: Option<u32>,
    has_default: bool,
}

impl<'a> Analyser<'a, '_, '_> {
    fn target(&mut self, table: &'a Table<'a>) -> Result<(Rc<RelationInfo<'a>>, Item<'a>)> {
        let info = self.relation(table)?;
        let item = self.table_item(&info, table)?;
        Ok((info, item))
    }

    fn written(
        &mut self,
        info: &RelationInfo<'a>,
        column: &'a TargetColumn<'a>,
    ) -> Result<Written<'a>> {
        self.account(&column.name);
        let name = column.name.text;
        let Some(found) = info.columns.iter().find(|own| own.name == name) else {
            return Err(unknown_target(name, info, column.at).into());
        };
        if let Some(mismatch) = &found.mismatch {
            return Err(mismatched(mismatch, column.at).into());
        }
        if column.inner
            && let Some(id) = found.column
        {
            return Err(refuse(
                RefusalKind::UnsupportedConstruct,
                format!(
                    "refusing to write a part of encrypted column `{}`",
                    self.path_of(id)
                ),
            )
            .hint("write the whole column")
            .at(column.at)
            .into());
        }
        Ok(Written {
            name,
            path: info.column_path(name),
            column: found.column,
            unlisted: found.unlisted.then_some(info.oid),
            has_default: found.has_default,
        })
    }

    /// The columns that a list of targets names, or all of them in order when there is no list.
    fn insert_targets(
        &mut self,
        scope: &Scope<'_, 'a>,
        info: &RelationInfo<'a>,
        list: &'a [TargetColumn<'a>],
        positional: bool,
        at: usize,
    ) -> Result<Vec<Written<'a>>> {
        if !list.is_empty() {
            return list
                .iter()
                .map(|column| {
                    self.plain_all(scope, &column.subscripts, Why::Clause("a subscript"))?;
                    self.written(info, column)
                })
                .collect();
        }
        if positional && info.is_encrypted() && !info.pinned {
            let what = "INSERT without a column list";
            return Err(unpinned(info.path(), info.order_differs, what, at).into());
        }
        info.columns
            .iter()
            .map(|column| match &column.mismatch {
                Some(mismatch) => Err(mismatched(mismatch, at).into()),
                None => Ok(Written {
                    name: column.name,
                    path: info.column_path(column.name),
                    column: column.column,
                    unlisted: column.unlisted.then_some(info.oid),
                    has_default: column.has_default,
                }),
            })
            .collect()
    }

    /// A value stored in a column.
    fn assign(&mut self, target: &Written<'a>, ty: TypeId, site: Site) -> Result<()> {
        if let Some(relation) = target.unlisted {
            let path = target.path;
            let column = self.types.unlisted(Unlisted {
                relation,
                path,
                ty: 0,
            });
            return Ok(self.types.unify(ty, column, site)?);
        }
        match target.column {
            Some(id) => {
                let column = self.types.sealed(id);
                self.types.unify(ty, column, site)?;
                self.types.assign(ty, id, site.at);
                Ok(())
            }
            None => self.require_plain(ty, Why::Column(target.path), site),
        }
    }

    fn assign_expr(
        &mut self,
        scope: &Scope<'_, 'a>,
        target: &Written<'a>,
        expr: &'a Expr<'a>,
    ) -> Result<()> {
        if matches!(expr.kind, ExprKind::Default) {
            return self.assign_default(target, expr.at);
        }
        let ty = self.value(scope, expr)?;
        let param = match &expr.kind {
            ExprKind::Param { number, .. } => Some(*number),
            _ => None,
        };
        self.assign(target, ty, Site { at: expr.at, param })
    }

    /// `DEFAULT`, said or left out: the server would write a plaintext default.
    fn assign_default(&self, target: &Written<'a>, at: usize) -> Result<()> {
        match target.column {
            Some(id) if target.has_default => Err(self.stored_default(id, at).into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn stored_default(&self, id: ColumnId, at: usize) -> Refusal {
        refuse(
            RefusalKind::MixedPlain,
            format!(
                "refusing to store the default of encrypted column `{}`",
                self.path_of(id)
            ),
        )
        .detail("the server would write it in the clear")
        .hint("drop the default, or give the value in the statement")
        .at(at)
    }

    /// Columns that an INSERT leaves out.
    fn check_omitted(
        &self,
        info: &RelationInfo<'a>,
        targets: &[Written<'a>],
        at: usize,
    ) -> Result<()> {
        for column in &info.columns {
            if targets.iter().any(|target| target.name == column.name) {
                continue;
            }
            let omitted = Written {
                name: column.name,
                path: info.column_path(column.name),
                column: column.column,
                unlisted: None,
                has_default: column.has_default,
            };
            self.assign_default(&omitted, at)?;
        }
        Ok(())
    }

    pub(super) fn insert(
        &mut self,
        insert: &'a Insert<'a>,
        outer: &Ctes<'_, 'a>,
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut ctes = Ctes {
            parent: Some(outer),
            list: Vec::new(),
        };
        self.with(insert.with.as_ref(), None, &mut ctes)?;
        let at = insert.target.at;
        let (info, item) = self.target(&insert.target)?;
        let empty = Scope::new(None, &ctes);
        let positional = insert.source.is_some();
        let targets = self.insert_targets(&empty, &info, &insert.columns, positional, at)?;
        match &insert.source {
            None => self.check_omitted(&info, &[], at)?,
            Some(select) => self.insert_source(select, &targets, &info, insert, &ctes)?,
        }
        let mut scope = Scope::new(None, &ctes);
        scope.items.push(item.clone());
        if let Some(conflict) = &insert.conflict {
            self.conflict(conflict, &info, &item, &mut scope)?;
        }
        self.returning(scope, &item, &insert.returning)
    }

    fn insert_source(
        &mut self,
        select: &'a Select<'a>,
        targets: &[Written<'a>],
        info: &RelationInfo<'a>,
        insert: &'a Insert<'a>,
        ctes: &Ctes<'_, 'a>,
    ) -> Result<()> {
        let at = insert.target.at;
        let bare = select.with.is_none() && select.order.is_empty() && select.limits.is_empty();
        if let SelectBody::Values(rows) = &select.body
            && bare
        {
            let scope = Scope::new(None, ctes);
            let mut width = 0;
            for row in rows {
                width = width.max(row.len());
                if row.len() > targets.len() {
                    return Err(too_many_values(at));
                }
                for (target, expr) in targets.iter().zip(row) {
                    self.assign_expr(&scope, target, expr)?;
                }
            }
            return self.check_omitted(info, targets.get(..width).unwrap_or(targets), at);
        }
        let query_columns = self.select(select, None, ctes, None)?;
        if query_columns.len() > targets.len() {
            return Err(too_many_values(at));
        }
        let mut stored = Vec::with_capacity(query_columns.len());
        for (target, column) in targets.iter().zip(&query_columns) {
            let site = Site {
                at: select.at,
                param: None,
            };
            self.assign(target, column.ty, site)?;
            stored.push(column.ty);
        }
        // A target beyond the end of the list would be filled after all if the server's relations
        // had more columns than its catalogue says.
        let beyond = targets.iter().skip(query_columns.len());
        for id in beyond.filter_map(|target| target.column) {
            stored.push(self.types.sealed(id));
        }
        self.take_by_position(&query_columns, &stored, "INSERT … SELECT", at);
        self.check_omitted(
            info,
            targets.get(..query_columns.len()).unwrap_or(targets),
            at,
        )
    }

    fn conflict(
        &mut self,
        conflict: &'a Conflict<'a>,
        info: &Rc<RelationInfo<'a>>,
        target: &Item<'a>,
        scope: &mut Scope<'_, 'a>,
    ) -> Result<()> {
        for part in &conflict.arbiters {
            self.index_part(scope, info, part, "ON CONFLICT")?;
        }
        self.condition(scope, conflict.arbiter_filter.as_ref())?;
        let mut excluded = target.clone();
        excluded.columns = Rc::new(Self::scope_columns(info, &[]));
        excluded.name = Some("excluded");
        excluded.relation = None;
        scope.items.push(excluded);
        self.sets(scope, info, &conflict.sets)?;
        self.condition(scope, conflict.filter.as_ref())?;
        scope.items.pop();
        Ok(())
    }

    /// A key of an index or of a conflict target: a deterministic column by itself, or plain.
    pub(crate) fn index_part(
        &mut self,
        scope: &Scope<'_, 'a>,
        info: &RelationInfo<'a>,
        part: &'a IndexPart<'a>,
        what: &'static str,
    ) -> Result<()> {
        let name = match &part.key {
            IndexKey::Expr(expr) => return self.plain(scope, expr, Why::Clause("an index")),
            IndexKey::Column(name) => name,
        };
        self.account(name);
        let Some(column) = info.columns.iter().find(|own| own.name == name.text) else {
            let words = format!("column \"{}\" does not exist", name.text);
            return Err(invalid("42703", words).at(part.at).into());
        };
        let Some(id) = column.column else {
            return Ok(());
        };
        if part.qualified {
            return Err(refuse::construct(
                "an index with an operator class on an encrypted column",
                Some(part.at),
            )
            .into());
        }
        let ty = self.types.sealed(id);
        Ok(self.types.compare(ty, what, true, part.at)?)
    }

    fn sets(
        &mut self,
        scope: &Scope<'_, 'a>,
        info: &RelationInfo<'a>,
        sets: &'a [Set<'a>],
    ) -> Result<()> {
        for set in sets {
            match set {
                Set::One(column, value) => {
                    self.plain_all(scope, &column.subscripts, Why::Clause("a subscript"))?;
                    let target = self.written(info, column)?;
                    self.assign_expr(scope, &target, value)?;
                }
                Set::Many(columns, source) => {
                    let targets = columns
                        .iter()
                        .map(|column| {
                            self.plain_all(scope, &column.subscripts, Why::Clause("a subscript"))?;
                            self.written(info, column)
                        })
                        .collect::<Result<Vec<_>>>()?;
                    self.set_many(scope, &targets, source)?;
                }
            }
        }
        Ok(())
    }

    /// `SET (a, b) = ROW (…)` or `= (SELECT …)`.
    fn set_many(
        &mut self,
        scope: &Scope<'_, 'a>,
        targets: &[Written<'a>],
        source: &'a Expr<'a>,
    ) -> Result<()> {
        let mismatch = || -> Stop {
            let words = "number of columns does not match number of values";
            invalid("42601", words).at(source.at).into()
        };
        match &source.kind {
            ExprKind::Row(fields) => {
                if fields.len() != targets.len() {
                    return Err(mismatch());
                }
                for (target, field) in targets.iter().zip(fields) {
                    self.assign_expr(scope, target, field)?;
                }
                Ok(())
            }
            ExprKind::Sublink {
                kind: Sublink::Scalar,
                query,
                ..
            } => {
                let columns = self.detached(|it| it.query(query, Some(scope), scope.ctes))?;
                if columns.len() != targets.len() {
                    return Err(mismatch());
                }
                let types: Vec<_> = columns.iter().map(|column| column.ty).collect();
                for (target, column) in targets.iter().zip(&columns) {
                    let site = Site {
                        at: source.at,
                        param: None,
                    };
                    self.assign(target, column.ty, site)?;
                }
                self.take_by_position(&columns, &types, "SET", source.at);
                Ok(())
            }
            _ => match targets {
                [target] => self.assign_expr(scope, target, source),
                _ => Err(refuse::construct("SET from one value", Some(source.at)).into()),
            },
        }
    }

    pub(super) fn update(
        &mut self,
        update: &'a Update<'a>,
        outer: &Ctes<'_, 'a>,
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut ctes = Ctes {
            parent: Some(outer),
            list: Vec::new(),
        };
        self.with(update.with.as_ref(), None, &mut ctes)?;
        let (info, target) = self.target(&update.target)?;
        let mut scope = Scope::new(None, &ctes);
        self.read_beside(&mut scope, target.clone(), &update.from)?;
        self.sets(&scope, &info, &update.sets)?;
        self.condition(&scope, update.filter.as_ref())?;
        self.returning(scope, &target, &update.returning)
    }

    /// The FROM list of an UPDATE or the USING list of a DELETE: the target is in scope beside it,
    /// but a lateral item of the list does not see it.
    fn read_beside(
        &mut self,
        scope: &mut Scope<'_, 'a>,
        target: Item<'a>,
        list: &'a [crate::ir::FromItem<'a>],
    ) -> Result<()> {
        self.read_from(scope, list)?;
        scope.items.insert(0, target);
        Ok(())
    }

    pub(super) fn delete(
        &mut self,
        delete: &'a Delete<'a>,
        outer: &Ctes<'_, 'a>,
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut ctes = Ctes {
            parent: Some(outer),
            list: Vec::new(),
        };
        self.with(delete.with.as_ref(), None, &mut ctes)?;
        let (_, target) = self.target(&delete.target)?;
        let mut scope = Scope::new(None, &ctes);
        self.read_beside(&mut scope, target.clone(), &delete.using)?;
        self.condition(&scope, delete.filter.as_ref())?;
        self.returning(scope, &target, &delete.returning)
    }

    /// The columns of a RETURNING list. From PostgreSQL 18 on `old` and `new` name the row before
    /// and after, unless something else has that name; an older server refuses them.
    fn returning(
        &mut self,
        mut scope: Scope<'_, 'a>,
        target: &Item<'a>,
        list: &'a [crate::ir::Target<'a>],
    ) -> Result<Vec<OutColumn<'a>>> {
        for name in ["old", "new"] {
            if scope.items.iter().all(|item| item.name != Some(name)) {
                let mut version = target.clone();
                version.name = Some(name);
                version.relation = None;
                version.columns_visible = false;
                scope.items.push(version);
            }
        }
        self.targets(&scope, list)
    }

    pub(super) fn merge(
        &mut self,
        merge: &'a Merge<'a>,
        outer: &Ctes<'_, 'a>,
    ) -> Result<Vec<OutColumn<'a>>> {
        let mut ctes = Ctes {
            parent: Some(outer),
            list: Vec::new(),
        };
        self.with(merge.with.as_ref(), None, &mut ctes)?;
        let (info, target) = self.target(&merge.target)?;
        let mut source_scope = Scope::new(None, &ctes);
        let source = self.read_item(&mut source_scope, &merge.source)?;
        let scope_of = |matched: Matched| {
            let mut scope = Scope::new(None, &ctes);
            if matched != Matched::SourceOnly {
                scope.items.push(target.clone());
            }
            if matched != Matched::TargetOnly {
                scope.items.extend(source.iter().cloned());
            }
            scope
        };
        let both = scope_of(Matched::Both);
        self.condition(&both, Some(&merge.on))?;
        for when in &merge.whens {
            let scope = scope_of(when.matched);
            self.condition(&scope, when.condition.as_ref())?;
            match &when.action {
                MergeAction::Nothing | MergeAction::Delete => {}
                MergeAction::Update(sets) => self.sets(&scope, &info, sets)?,
                MergeAction::Insert { columns, values } => {
                    let at = merge.target.at;
                    let positional = values.is_some();
                    let targets = self.insert_targets(&scope, &info, columns, positional, at)?;
                    let values = values.as_deref().unwrap_or_default();
                    if values.len() > targets.len() {
                        return Err(too_many_values(at));
                    }
                    for (target, value) in targets.iter().zip(values) {
                        self.assign_expr(&scope, target, value)?;
                    }
                    let given = targets.get(..values.len()).unwrap_or(&targets);
                    self.check_omitted(&info, given, at)?;
                }
            }
        }
        // RETURNING of MERGE lists the source's columns before the target's.
        let mut returning = Scope::new(None, &ctes);
        returning.items.extend(source.iter().cloned());
        returning.items.push(target.clone());
        self.returning(returning, &target, &merge.returning)
    }
}

fn too_many_values(at: usize) -> Stop {
    let words = "INSERT has more expressions than target columns";
    invalid("42601", words).at(at).into()
}

/// A column that a statement writes to, and that its relation does not have.
pub(crate) fn unknown_target(name: &str, info: &RelationInfo<'_>, at: usize) -> Refusal {
    let words = format!(
        "column \"{name}\" of relation \"{}\" does not exist",
        info.name
    );
    invalid("42703", words).at(at)
}
