//! SELECT, INSERT, UPDATE, DELETE, MERGE and what they are made of.

use rupg_sql::nodes as pg;

use super::{Lower, Result, expect_empty, offset, unsupported};
use crate::ir::{
    Conflict, Cte, Delete, Distinct, Expr, FromItem, IndexKey, IndexPart, Insert, Join, JoinKind,
    Matched, Merge, MergeAction, Query, Select, SelectBody, Set, Simple, TableFunction, Target,
    TargetColumn, TypeName, Update, When, With,
};

impl<'t> Lower<'t> {
    /// A statement that a CTE may hold.
    pub(super) fn query(&mut self, node: &'t pg::Node) -> Result<Query<'t>> {
        self.deeper(0, |lower| {
            let ctes = lower.ctes.len();
            let query = match node {
                pg::Node::SelectStmt(n) => lower.select(n, 0).map(Box::new).map(Query::Select),
                pg::Node::InsertStmt(n) => lower.insert(n).map(Box::new).map(Query::Insert),
                pg::Node::UpdateStmt(n) => lower.update(n).map(Box::new).map(Query::Update),
                pg::Node::DeleteStmt(n) => lower.delete(n).map(Box::new).map(Query::Delete),
                pg::Node::MergeStmt(n) => lower.merge(n).map(Box::new).map(Query::Merge),
                _ => Err(unsupported("a query of a kind that is not known", None)),
            };
            lower.ctes.truncate(ctes);
            query
        })
    }

    fn with(&mut self, node: Option<&'t pg::WithClause>) -> Result<Option<With<'t>>> {
        let Some(pg::WithClause {
            ctes: list,
            recursive,
            location: _,
        }) = node
        else {
            return Ok(None);
        };
        let mut nodes = Vec::with_capacity(list.len());
        for node in list {
            match node {
                Some(pg::Node::CommonTableExpr(node)) => nodes.push(node.as_ref()),
                _ => return Err(unsupported("WITH like this", None)),
            }
        }
        if *recursive {
            let names = nodes.iter().filter_map(|node| node.ctename.as_ref());
            self.ctes.extend(names.map(AsRef::as_ref));
        }
        let mut ctes = Vec::with_capacity(nodes.len());
        for node in nodes {
            let pg::CommonTableExpr {
                ctename,
                aliascolnames,
                ctematerialized: _,
                ctequery,
                search_clause,
                cycle_clause,
                location,
                cterecursive: _,
                cterefcount: _,
                ctecolnames,
                ctecoltypes,
                ctecoltypmods,
                ctecolcollations,
            } = node;
            let raw = ctecolnames.is_empty()
                && ctecoltypes.is_empty()
                && ctecoltypmods.is_empty()
                && ctecolcollations.is_empty();
            expect_empty(raw, "a tree that is not raw", *location)?;
            let (Some(ctename), Some(ctequery)) = (ctename, ctequery) else {
                return Err(unsupported("WITH like this", offset(*location)));
            };
            let mut cte = Cte {
                name: self.name(ctename),
                columns: self.name_list(aliascolnames)?,
                query: self.query(ctequery)?,
                tracked: Vec::new(),
                marks: Vec::new(),
                added: Vec::new(),
                at: offset(*location).unwrap_or(0),
            };
            if let Some(search) = search_clause {
                cte.tracked.extend(self.name_list(&search.search_col_list)?);
                let added = self.optional_name(search.search_seq_column.as_ref());
                cte.added.extend(added);
            }
            if let Some(cycle) = cycle_clause {
                cte.tracked.extend(self.name_list(&cycle.cycle_col_list)?);
                for mark in [&cycle.cycle_mark_value, &cycle.cycle_mark_default] {
                    cte.marks.extend(self.optional_expr(mark.as_ref())?);
                }
                for added in [&cycle.cycle_mark_column, &cycle.cycle_path_column] {
                    cte.added.extend(self.optional_name(added.as_ref()));
                }
            }
            ctes.push(cte);
            if !*recursive {
                self.ctes.push(ctename);
            }
        }
        Ok(Some(With {
            recursive: *recursive,
            ctes,
        }))
    }

    pub(super) fn select(&mut self, node: &'t pg::SelectStmt, at: usize) -> Result<Select<'t>> {
        let ctes = self.ctes.len();
        let select = self.select_in_scope(node, at);
        self.ctes.truncate(ctes);
        select
    }

    fn select_in_scope(&mut self, node: &'t pg::SelectStmt, at: usize) -> Result<Select<'t>> {
        let pg::SelectStmt {
            distinctClause,
            intoClause,
            targetList,
            fromClause,
            whereClause,
            groupClause,
            groupDistinct: _,
            havingClause,
            windowClause,
            valuesLists,
            sortClause,
            limitOffset,
            limitCount,
            limitOption: _,
            lockingClause,
            withClause,
            op,
            all,
            larg,
            rarg,
        } = node;
        let with = self.with(withClause.as_deref())?;
        let word = match *op {
            pg::SetOperation::SETOP_NONE => None,
            pg::SetOperation::SETOP_UNION => Some("UNION"),
            pg::SetOperation::SETOP_INTERSECT => Some("INTERSECT"),
            pg::SetOperation::SETOP_EXCEPT => Some("EXCEPT"),
            _ => return Err(unsupported("a set operation like this", Some(at))),
        };
        let bare = distinctClause.is_empty()
            && targetList.is_empty()
            && fromClause.is_empty()
            && whereClause.is_none()
            && groupClause.is_empty()
            && havingClause.is_none()
            && windowClause.is_empty();
        let body = if let Some(word) = word {
            let (Some(larg), Some(rarg)) = (larg, rarg) else {
                return Err(unsupported("a set operation like this", Some(at)));
            };
            if !bare || !valuesLists.is_empty() || intoClause.is_some() {
                return Err(unsupported("a set operation like this", Some(at)));
            }
            SelectBody::SetOperation {
                word,
                all: *all,
                left: Box::new(self.deeper(at, |lower| lower.select(larg, at))?),
                right: Box::new(self.deeper(at, |lower| lower.select(rarg, at))?),
            }
        } else if !valuesLists.is_empty() {
            if !bare {
                return Err(unsupported("VALUES like this", Some(at)));
            }
            let mut rows = Vec::with_capacity(valuesLists.len());
            for row in valuesLists {
                let Some(pg::Node::List(row)) = row else {
                    return Err(unsupported("VALUES like this", Some(at)));
                };
                rows.push(self.exprs(row)?);
            }
            SelectBody::Values(rows)
        } else {
            if larg.is_some() || rarg.is_some() {
                return Err(unsupported("SELECT like this", Some(at)));
            }
            let from = self.sources(fromClause)?;
            SelectBody::Simple(Box::new(Simple {
                distinct: self.distinct(distinctClause)?,
                targets: self.targets(targetList)?,
                from,
                filter: self.optional_expr(whereClause.as_ref())?,
                group: self.group_list(groupClause)?,
                having: self.optional_expr(havingClause.as_ref())?,
                windows: windowClause
                    .iter()
                    .map(|window| match window {
                        Some(pg::Node::WindowDef(window)) => self.window(window),
                        _ => Err(unsupported("WINDOW like this", Some(at))),
                    })
                    .collect::<Result<_>>()?,
            }))
        };
        let order = self.sort_list(sortClause)?;
        let mut limits = Vec::new();
        limits.extend(self.optional_expr(limitOffset.as_ref())?);
        limits.extend(self.optional_expr(limitCount.as_ref())?);
        let mut locked = Vec::new();
        for clause in lockingClause {
            let Some(pg::Node::LockingClause(clause)) = clause else {
                return Err(unsupported("a locking clause like this", Some(at)));
            };
            let pg::LockingClause {
                lockedRels,
                strength: _,
                waitPolicy: _,
            } = clause.as_ref();
            for relation in lockedRels {
                // These are aliases of the FROM list, not relation names to look up.
                match relation {
                    Some(pg::Node::RangeVar(range_var)) => match range_var.relname.as_ref() {
                        Some(name) => locked.push(self.settled_name(name)),
                        None => return Err(unsupported("a locking clause like this", Some(at))),
                    },
                    _ => return Err(unsupported("a locking clause like this", Some(at))),
                }
            }
        }
        let into = match intoClause.as_deref() {
            Some(into) => Some(self.new_relation(Some(into))?.1),
            None => None,
        };
        Ok(Select {
            with,
            body,
            order,
            limits,
            locked,
            into,
            at,
        })
    }

    fn distinct(&mut self, list: &'t pg::List) -> Result<Distinct<'t>> {
        // `DISTINCT` alone is a list of one null pointer.
        match list.as_slice() {
            [] => Ok(Distinct::No),
            [None] => Ok(Distinct::All),
            _ => Ok(Distinct::On(self.exprs(list)?)),
        }
    }

    fn targets(&mut self, list: &'t pg::List) -> Result<Vec<Target<'t>>> {
        list.iter()
            .map(|node| {
                let Some(pg::Node::ResTarget(target)) = node else {
                    return Err(unsupported("a select list like this", None));
                };
                let pg::ResTarget {
                    name,
                    indirection,
                    val,
                    location,
                } = target.as_ref();
                expect_empty(indirection.is_empty(), "a select list like this", *location)?;
                Ok(Target {
                    alias: self.optional_name(name.as_ref()),
                    expr: self.expr(val.as_ref())?,
                })
            })
            .collect()
    }

    fn group_list(&mut self, list: &'t pg::List) -> Result<Vec<Expr<'t>>> {
        let mut items = Vec::with_capacity(list.len());
        for node in list {
            if let Some(pg::Node::GroupingSet(set)) = node {
                let pg::GroupingSet {
                    kind: _,
                    content,
                    location,
                } = set.as_ref();
                let at = offset(*location).unwrap_or(0);
                items.extend(self.deeper(at, |lower| lower.group_list(content))?);
            } else {
                items.push(self.expr(node.as_ref())?);
            }
        }
        Ok(items)
    }

    fn sources(&mut self, list: &'t pg::List) -> Result<Vec<FromItem<'t>>> {
        list.iter().map(|node| self.source(node.as_ref())).collect()
    }

    fn source(&mut self, node: Option<&'t pg::Node>) -> Result<FromItem<'t>> {
        let Some(node) = node else {
            return Err(unsupported("FROM like this", None));
        };
        self.deeper(0, |lower| match node {
            pg::Node::RangeVar(table) => Ok(FromItem::Table(lower.table(Some(table))?)),
            pg::Node::RangeSubselect(n) => {
                let pg::RangeSubselect {
                    lateral,
                    subquery,
                    alias,
                } = n.as_ref();
                Ok(FromItem::Subquery {
                    query: Box::new(lower.subquery(subquery.as_ref(), -1)?),
                    lateral: *lateral,
                    alias: lower.boxed_alias(alias.as_deref())?,
                    at: 0,
                })
            }
            pg::Node::RangeFunction(n) => lower.range_function(n),
            pg::Node::JoinExpr(n) => lower.join(n),
            pg::Node::RangeTableSample(n) => {
                let pg::RangeTableSample {
                    relation,
                    method,
                    args,
                    repeatable,
                    location: _,
                } = n.as_ref();
                lower.settled_list(method)?;
                let mut args = lower.exprs(args)?;
                args.extend(lower.optional_expr(repeatable.as_ref())?);
                Ok(FromItem::Sample {
                    relation: Box::new(lower.source(relation.as_ref())?),
                    args,
                })
            }
            pg::Node::RangeTableFunc(n) => lower.xml_table(n),
            pg::Node::JsonTable(n) => lower.json_table(n),
            _ => Err(unsupported("a FROM item of a kind that is not known", None)),
        })
    }

    fn range_function(&mut self, node: &'t pg::RangeFunction) -> Result<FromItem<'t>> {
        let pg::RangeFunction {
            // A function in FROM may always refer to what stands before it.
            lateral: _,
            ordinality,
            is_rowsfrom: _,
            functions,
            alias,
            coldeflist,
        } = node;
        let mut list = Vec::with_capacity(functions.len());
        for pair in functions {
            let Some(pg::Node::List(pair)) = pair else {
                return Err(unsupported("a function in FROM like this", None));
            };
            let (call, columns) = match pair.as_slice() {
                [call] => (call, None),
                [call, columns] => (call, columns.as_ref()),
                _ => return Err(unsupported("a function in FROM like this", None)),
            };
            let columns = match columns {
                None => None,
                Some(pg::Node::List(list)) if list.is_empty() => None,
                Some(pg::Node::List(list)) => Some(self.column_definitions(list)?),
                Some(_) => return Err(unsupported("a function in FROM like this", None)),
            };
            list.push(TableFunction {
                call: self.expr(call.as_ref())?,
                columns,
            });
        }
        if !coldeflist.is_empty() {
            let columns = self.column_definitions(coldeflist)?;
            match list.as_mut_slice() {
                [function] if function.columns.is_none() => function.columns = Some(columns),
                _ => return Err(unsupported("a function in FROM like this", None)),
            }
        }
        let at = list.first().map_or(0, |function| function.call.at);
        Ok(FromItem::Function {
            functions: list,
            ordinality: *ordinality,
            alias: self.boxed_alias(alias.as_deref())?,
            at,
        })
    }

    fn column_definitions(
        &mut self,
        list: &'t pg::List,
    ) -> Result<Vec<(crate::ir::Name<'t>, TypeName<'t>)>> {
        list.iter()
            .map(|node| {
                let Some(pg::Node::ColumnDef(column)) = node else {
                    return Err(unsupported("a column definition list like this", None));
                };
                let (Some(name), Some(ty)) = (&column.colname, &column.typeName) else {
                    return Err(unsupported("a column definition list like this", None));
                };
                let ty = self.type_name(ty)?;
                self.types.push(ty.clone());
                Ok((self.name(name), ty))
            })
            .collect()
    }

    fn join(&mut self, node: &'t pg::JoinExpr) -> Result<FromItem<'t>> {
        let pg::JoinExpr {
            jointype,
            isNatural,
            larg,
            rarg,
            usingClause,
            join_using_alias,
            quals,
            alias,
            rtindex: _,
        } = node;
        let kind = match *jointype {
            pg::JoinType::JOIN_INNER => JoinKind::Inner,
            pg::JoinType::JOIN_LEFT => JoinKind::Left,
            pg::JoinType::JOIN_RIGHT => JoinKind::Right,
            pg::JoinType::JOIN_FULL => JoinKind::Full,
            _ => return Err(unsupported("a join like this", None)),
        };
        let left = self.source(larg.as_ref())?;
        let right = self.source(rarg.as_ref())?;
        let using_alias = self.boxed_alias(join_using_alias.as_deref())?;
        Ok(FromItem::Join(Box::new(Join {
            kind,
            natural: *isNatural,
            left,
            right,
            using: self.name_list(usingClause)?,
            using_alias: using_alias.map(|alias| alias.name),
            on: self.optional_expr(quals.as_ref())?,
            alias: self.boxed_alias(alias.as_deref())?,
        })))
    }

    fn target_column(&mut self, node: Option<&'t pg::Node>) -> Result<TargetColumn<'t>> {
        let Some(pg::Node::ResTarget(target)) = node else {
            return Err(unsupported("a target column like this", None));
        };
        let pg::ResTarget {
            name,
            indirection,
            val: _,
            location,
        } = target.as_ref();
        let Some(name) = name else {
            return Err(unsupported("a target column like this", offset(*location)));
        };
        let name = self.name(name);
        let mut subscripts = Vec::new();
        for step in indirection {
            if let Some(pg::Node::A_Indices(indices)) = step {
                subscripts.extend(self.optional_expr(indices.lidx.as_ref())?);
                subscripts.extend(self.optional_expr(indices.uidx.as_ref())?);
            }
        }
        Ok(TargetColumn {
            name,
            inner: !indirection.is_empty(),
            subscripts,
            at: offset(*location).unwrap_or(0),
        })
    }

    fn insert_columns(&mut self, list: &'t pg::List) -> Result<Vec<TargetColumn<'t>>> {
        list.iter()
            .map(|node| self.target_column(node.as_ref()))
            .collect()
    }

    fn sets(&mut self, list: &'t pg::List) -> Result<Vec<Set<'t>>> {
        let mut sets: Vec<Set<'t>> = Vec::with_capacity(list.len());
        for node in list {
            let column = self.target_column(node.as_ref())?;
            let Some(pg::Node::ResTarget(target)) = node else {
                return Err(unsupported("SET like this", Some(column.at)));
            };
            match &target.val {
                Some(pg::Node::MultiAssignRef(multi)) => {
                    let pg::MultiAssignRef {
                        source,
                        colno,
                        ncolumns: _,
                    } = multi.as_ref();
                    // Every column of the list carries the whole source; it is read once.
                    if *colno == 1 {
                        let source = self.expr(source.as_ref())?;
                        sets.push(Set::Many(vec![column], source));
                    } else if let Some(Set::Many(columns, _)) = sets.last_mut() {
                        columns.push(column);
                    } else {
                        return Err(unsupported("SET like this", Some(column.at)));
                    }
                }
                value => {
                    let value = self.expr(value.as_ref())?;
                    sets.push(Set::One(column, value));
                }
            }
        }
        Ok(sets)
    }

    fn returning(&mut self, node: Option<&'t pg::ReturningClause>) -> Result<Vec<Target<'t>>> {
        let Some(pg::ReturningClause { options, exprs }) = node else {
            return Ok(Vec::new());
        };
        expect_empty(options.is_empty(), "RETURNING WITH", -1)?;
        self.targets(exprs)
    }

    fn insert(&mut self, node: &'t pg::InsertStmt) -> Result<Insert<'t>> {
        let pg::InsertStmt {
            relation,
            cols,
            selectStmt,
            onConflictClause,
            returningClause,
            withClause,
            r#override: _,
        } = node;
        let with = self.with(withClause.as_deref())?;
        let target = self.target_table(relation.as_deref())?;
        let columns = self.insert_columns(cols)?;
        let source = match selectStmt {
            None => None,
            Some(pg::Node::SelectStmt(select)) => Some(Box::new(self.select(select, target.at)?)),
            Some(_) => return Err(unsupported("INSERT like this", Some(target.at))),
        };
        Ok(Insert {
            with,
            target,
            columns,
            source,
            conflict: onConflictClause
                .as_deref()
                .map(|conflict| self.conflict(conflict))
                .transpose()?,
            returning: self.returning(returningClause.as_deref())?,
        })
    }

    /// The target of a statement that writes. A CTE of that name does not hide it.
    pub(super) fn target_table(
        &mut self,
        relation: Option<&'t pg::RangeVar>,
    ) -> Result<crate::ir::Table<'t>> {
        let ctes = std::mem::take(&mut self.ctes);
        let table = self.table(relation);
        self.ctes = ctes;
        table
    }

    fn conflict(&mut self, node: &'t pg::OnConflictClause) -> Result<Conflict<'t>> {
        let pg::OnConflictClause {
            action,
            infer,
            lockStrength: _,
            targetList,
            whereClause,
            location,
        } = node;
        let known = matches!(
            *action,
            pg::OnConflictAction::ONCONFLICT_NOTHING | pg::OnConflictAction::ONCONFLICT_UPDATE
        );
        expect_empty(known, "ON CONFLICT DO SELECT", *location)?;
        let mut arbiters = Vec::new();
        let mut arbiter_filter = None;
        if let Some(infer) = infer {
            let pg::InferClause {
                indexElems,
                whereClause,
                conname,
                location: _,
            } = infer.as_ref();
            if let Some(constraint) = conname {
                self.settled_name(constraint);
            }
            arbiters = self.index_parts(indexElems)?;
            arbiter_filter = self.optional_expr(whereClause.as_ref())?;
        }
        Ok(Conflict {
            arbiters,
            arbiter_filter,
            sets: self.sets(targetList)?,
            filter: self.optional_expr(whereClause.as_ref())?,
        })
    }

    pub(super) fn index_parts(
        &mut self,
        list: &'t [Option<pg::Node>],
    ) -> Result<Vec<IndexPart<'t>>> {
        list.iter()
            .map(|node| {
                let Some(pg::Node::IndexElem(elem)) = node else {
                    return Err(unsupported("an index element like this", None));
                };
                let pg::IndexElem {
                    name,
                    expr,
                    indexcolname,
                    collation,
                    opclass,
                    opclassopts,
                    ordering: _,
                    nulls_ordering: _,
                    location,
                } = elem.as_ref();
                expect_empty(indexcolname.is_none(), "a tree that is not raw", *location)?;
                self.settled_list(collation)?;
                self.settled_list(opclass)?;
                let key = match (name, expr) {
                    (Some(name), None) => IndexKey::Column(self.name(name)),
                    (None, Some(expr)) => IndexKey::Expr(self.expr(Some(expr))?),
                    _ => return Err(unsupported("an index element like this", None)),
                };
                Ok(IndexPart {
                    key,
                    qualified: !collation.is_empty()
                        || !opclass.is_empty()
                        || !opclassopts.is_empty(),
                    at: offset(*location).unwrap_or(0),
                })
            })
            .collect()
    }

    fn update(&mut self, node: &'t pg::UpdateStmt) -> Result<Update<'t>> {
        let pg::UpdateStmt {
            relation,
            targetList,
            whereClause,
            fromClause,
            returningClause,
            withClause,
        } = node;
        Ok(Update {
            with: self.with(withClause.as_deref())?,
            target: self.target_table(relation.as_deref())?,
            sets: self.sets(targetList)?,
            from: self.sources(fromClause)?,
            filter: self.optional_expr(whereClause.as_ref())?,
            returning: self.returning(returningClause.as_deref())?,
        })
    }

    fn delete(&mut self, node: &'t pg::DeleteStmt) -> Result<Delete<'t>> {
        let pg::DeleteStmt {
            relation,
            usingClause,
            whereClause,
            returningClause,
            withClause,
        } = node;
        Ok(Delete {
            with: self.with(withClause.as_deref())?,
            target: self.target_table(relation.as_deref())?,
            using: self.sources(usingClause)?,
            filter: self.optional_expr(whereClause.as_ref())?,
            returning: self.returning(returningClause.as_deref())?,
        })
    }

    fn merge(&mut self, node: &'t pg::MergeStmt) -> Result<Merge<'t>> {
        let pg::MergeStmt {
            relation,
            sourceRelation,
            joinCondition,
            mergeWhenClauses,
            returningClause,
            withClause,
        } = node;
        let with = self.with(withClause.as_deref())?;
        let target = self.target_table(relation.as_deref())?;
        let source = self.source(sourceRelation.as_ref())?;
        let on = self.expr(joinCondition.as_ref())?;
        let mut whens = Vec::with_capacity(mergeWhenClauses.len());
        for clause in mergeWhenClauses {
            let Some(pg::Node::MergeWhenClause(clause)) = clause else {
                return Err(unsupported("MERGE like this", Some(target.at)));
            };
            whens.push(self.when(clause)?);
        }
        Ok(Merge {
            with,
            target,
            source,
            on,
            whens,
            returning: self.returning(returningClause.as_deref())?,
        })
    }

    fn when(&mut self, node: &'t pg::MergeWhenClause) -> Result<When<'t>> {
        let pg::MergeWhenClause {
            matchKind,
            commandType,
            r#override: _,
            condition,
            targetList,
            values,
        } = node;
        let matched = match *matchKind {
            pg::MergeMatchKind::MERGE_WHEN_MATCHED => Matched::Both,
            pg::MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE => Matched::TargetOnly,
            pg::MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_TARGET => Matched::SourceOnly,
            _ => return Err(unsupported("MERGE like this", None)),
        };
        let action = match *commandType {
            pg::CmdType::CMD_NOTHING => MergeAction::Nothing,
            pg::CmdType::CMD_DELETE => MergeAction::Delete,
            pg::CmdType::CMD_UPDATE => MergeAction::Update(self.sets(targetList)?),
            pg::CmdType::CMD_INSERT => MergeAction::Insert {
                columns: self.insert_columns(targetList)?,
                values: if values.is_empty() {
                    None
                } else {
                    Some(self.exprs(values)?)
                },
            },
            _ => return Err(unsupported("MERGE like this", None)),
        };
        Ok(When {
            matched,
            condition: self.optional_expr(condition.as_ref())?,
            action,
        })
    }
}
