//! Statements that are not queries.

use rupg_sql::nodes as pg;

use super::definition::may_have_value;
use super::tokens::Tok;
use super::{Lower, Result, offset, unsupported};
use crate::ir::{
    Action, Copy, CopyOption, CopyTarget, CopyValue, Expr, IndexKey, IndexPart, Kept, Part, Query,
    RelationRef, Renamed, Setting, StatementKind, TypeName, Types, Utility,
};

/// In words, a statement that changes the attributes of a composite type.
pub(crate) const ALTER_TYPE: &str = "ALTER TYPE";

/// Settings that decide what a text or a name in it means.
const NAMING_SETTINGS: [&str; 6] = [
    "search_path",
    "role",
    "session_authorization",
    "standard_conforming_strings",
    "client_encoding",
    "backslash_quote",
];

/// Settings under which literals are read: dates, intervals, times of a zone, money.
const READING_SETTINGS: [&str; 5] = [
    "datestyle",
    "intervalstyle",
    "timezone",
    "timezone_abbreviations",
    "lc_monetary",
];

/// Settings under which values are written, beside those.
const WRITING_SETTINGS: [&str; 2] = ["bytea_output", "extra_float_digits"];

fn utility<'t>(what: &'static str, action: Action<'t>, changes_names: bool) -> StatementKind<'t> {
    about(what, action, changes_names, Types::default())
}

/// The same, for a statement about types or functions.
pub(super) fn about<'t>(
    what: &'static str,
    action: Action<'t>,
    changes_names: bool,
    types: Types<'t>,
) -> StatementKind<'t> {
    StatementKind::Utility(Utility {
        what,
        action,
        changes_names,
        makes: Vec::new(),
        types,
    })
}

/// The same, for a statement that changes what the names of these relations mean.
fn making<'t>(what: &'static str, action: Action<'t>, makes: Vec<String>) -> StatementKind<'t> {
    StatementKind::Utility(Utility {
        what,
        action,
        changes_names: true,
        makes,
        types: Types::default(),
    })
}

impl<'t> Lower<'t> {
    pub(super) fn statement(&mut self, node: &'t pg::Node) -> Result<StatementKind<'t>> {
        if let Some(kind) = self.session_statement(node)? {
            return Ok(kind);
        }
        Ok(match node {
            pg::Node::SelectStmt(n) if n.intoClause.is_some() => {
                let into = n.intoClause.as_deref();
                let (target, at) = self.new_relation(into)?;
                let mut query = self.query(node)?;
                if let Query::Select(select) = &mut query {
                    select.into = None;
                }
                let kept = Kept::Rows;
                let action = Action::Store {
                    query,
                    target,
                    kept,
                    at,
                };
                utility("SELECT INTO", action, true)
            }
            pg::Node::SelectStmt(_)
            | pg::Node::InsertStmt(_)
            | pg::Node::UpdateStmt(_)
            | pg::Node::DeleteStmt(_)
            | pg::Node::MergeStmt(_) => StatementKind::Query(self.query(node)?),
            pg::Node::ExplainStmt(n) => {
                let pg::ExplainStmt { query, options } = n.as_ref();
                for option in options {
                    if let Some(pg::Node::DefElem(option)) = option
                        && let Some(name) = &option.defname
                    {
                        self.settled_name(name);
                    }
                }
                let Some(node) = query else {
                    return Err(unsupported("EXPLAIN like this", None));
                };
                StatementKind::Explain(Box::new(self.statement(node)?))
            }
            pg::Node::CopyStmt(n) => self.copy(n)?,

            pg::Node::TransactionStmt(n) => {
                use pg::TransactionStmtKind as Kind;
                let goes_on = matches!(
                    n.kind,
                    Kind::TRANS_STMT_BEGIN
                        | Kind::TRANS_STMT_START
                        | Kind::TRANS_STMT_SAVEPOINT
                        | Kind::TRANS_STMT_RELEASE
                );
                // The end of a transaction, or of a part of one, takes back what `SET` did in it.
                let action = if goes_on { Action::Harmless } else { Action::End };
                utility("the end of a transaction", action, !goes_on)
            }
            pg::Node::VariableSetStmt(n) => {
                let name = n.name.as_deref().unwrap_or_default().to_ascii_lowercase();
                let changes = n.kind == pg::VariableSetKind::VAR_RESET_ALL
                    || NAMING_SETTINGS.contains(&name.as_str());
                let reads_otherwise = READING_SETTINGS.contains(&name.as_str());
                let setting = Setting {
                    reads_otherwise,
                    writes_otherwise: reads_otherwise || WRITING_SETTINGS.contains(&name.as_str()),
                };
                utility("SET", Action::Set(setting), changes)
            }
            pg::Node::DiscardStmt(n) => {
                let all = n.target == pg::DiscardMode::DISCARD_ALL;
                let action = if all {
                    Action::DiscardAll
                } else {
                    Action::Harmless
                };
                utility("DISCARD", action, true)
            }
            pg::Node::VariableShowStmt(_)
            | pg::Node::ListenStmt(_)
            | pg::Node::NotifyStmt(_)
            | pg::Node::UnlistenStmt(_)
            | pg::Node::CheckPointStmt(_)
            | pg::Node::ConstraintsSetStmt(_) => utility("this", Action::Harmless, false),
            pg::Node::LoadStmt(_)
            | pg::Node::CreateRoleStmt(_)
            | pg::Node::AlterRoleStmt(_)
            | pg::Node::AlterRoleSetStmt(_)
            | pg::Node::DropRoleStmt(_)
            | pg::Node::GrantRoleStmt(_)
            | pg::Node::CreateSeqStmt(_)
            | pg::Node::AlterSeqStmt(_)
            | pg::Node::CreatedbStmt(_)
            | pg::Node::DropdbStmt(_)
            | pg::Node::AlterDatabaseStmt(_)
            | pg::Node::AlterDatabaseSetStmt(_)
            | pg::Node::CreateExtensionStmt(_)
            | pg::Node::CreateEnumStmt(_)
            | pg::Node::AlterEnumStmt(_)
            | pg::Node::CreateRangeStmt(_)
            // Aggregates, operators, base types, collations, text search.
            | pg::Node::DefineStmt(_)
            | pg::Node::AlterDefaultPrivilegesStmt(_)
            | pg::Node::ReassignOwnedStmt(_)
            | pg::Node::DropOwnedStmt(_) => utility("a definition", Action::Harmless, true),
            pg::Node::CreatePublicationStmt(n) => self.publication(&n.pubobjects)?,
            pg::Node::AlterPublicationStmt(n) => self.publication(&n.pubobjects)?,
            pg::Node::CreateSchemaStmt(n) if n.schemaElts.is_empty() => {
                utility("CREATE SCHEMA", Action::Harmless, true)
            }
            _ => return self.relation_statement(node),
        })
    }

    /// Statements on relations that are not queries.
    fn relation_statement(&mut self, node: &'t pg::Node) -> Result<StatementKind<'t>> {
        if let Some(kind) = self.definition(node)? {
            return Ok(kind);
        }
        Ok(match node {
            pg::Node::TruncateStmt(n) => {
                self.named_relations(&n.relations)?;
                utility("TRUNCATE", Action::Harmless, false)
            }
            pg::Node::LockStmt(n) => {
                self.named_relations(&n.relations)?;
                utility("LOCK", Action::Harmless, false)
            }
            pg::Node::VacuumStmt(n) => {
                for relation in &n.rels {
                    if let Some(pg::Node::VacuumRelation(relation)) = relation
                        && relation.relation.is_some()
                    {
                        self.target_table(relation.relation.as_deref())?;
                    }
                }
                utility("VACUUM", Action::Harmless, false)
            }
            pg::Node::GrantStmt(n) => {
                if n.objtype == pg::ObjectType::OBJECT_TABLE {
                    self.named_relations(&n.objects)?;
                }
                utility("GRANT", Action::Harmless, false)
            }
            pg::Node::ReindexStmt(_) => utility("REINDEX", Action::Harmless, false),
            pg::Node::RepackStmt(_) => utility("CLUSTER", Action::Harmless, false),
            pg::Node::CommentStmt(_) => utility("COMMENT", Action::Harmless, false),
            pg::Node::SecLabelStmt(_) => utility("SECURITY LABEL", Action::Harmless, false),
            pg::Node::RefreshMatViewStmt(n) => {
                self.target_table(n.relation.as_deref())?;
                utility("REFRESH MATERIALIZED VIEW", Action::Harmless, false)
            }
            // Dropping tells the server nothing, whatever is dropped.
            pg::Node::DropStmt(_) => utility("DROP", Action::Harmless, true),
            pg::Node::RenameStmt(n) => {
                let table = match &n.relation {
                    Some(relation) => Some(self.target_table(Some(relation))?),
                    None => None,
                };
                use pg::ObjectType as Type;
                if let (Type::OBJECT_SCHEMA, Some(new)) = (n.renameType, &n.newname) {
                    let new = new.to_string();
                    return Ok(utility(
                        "ALTER SCHEMA … RENAME",
                        Action::RenameSchema { new },
                        true,
                    ));
                }
                let names = (&n.subname, &n.newname);
                let renamed = match (n.renameType, names) {
                    (Type::OBJECT_COLUMN, (Some(old), Some(new))) => Some(Renamed::Column {
                        old: old.to_string(),
                        new: new.to_string(),
                    }),
                    (
                        Type::OBJECT_TABLE
                        | Type::OBJECT_FOREIGN_TABLE
                        | Type::OBJECT_VIEW
                        | Type::OBJECT_MATVIEW,
                        (_, Some(new)),
                    ) => Some(Renamed::Relation {
                        new: new.to_string(),
                    }),
                    _ => None,
                };
                rename("ALTER … RENAME", table, renamed)
            }
            pg::Node::AlterObjectSchemaStmt(n) => {
                let table = match &n.relation {
                    Some(relation) => Some(self.target_table(Some(relation))?),
                    None => None,
                };
                let schema = n.newschema.as_ref();
                let renamed = schema.map(|new| Renamed::Schema {
                    new: new.to_string(),
                });
                rename("ALTER … SET SCHEMA", table, renamed)
            }
            pg::Node::AlterOwnerStmt(_) => utility("ALTER … OWNER", Action::Harmless, false),
            pg::Node::DoStmt(n) => {
                let strings = code_strings(&n.args);
                code("DO", strings, false)
            }
            pg::Node::CreateTableAsStmt(n) => {
                let Some(query) = &n.query else {
                    return Err(unsupported("CREATE TABLE AS like this", None));
                };
                if let pg::Node::ExecuteStmt(execute) = query {
                    self.new_relation(n.into.as_deref())?;
                    let mut execute = self.execute(execute)?;
                    execute.stored = true;
                    return Ok(StatementKind::Execute(execute));
                }
                let (target, at) = self.new_relation(n.into.as_deref())?;
                let query = self.query(query)?;
                let (what, kept) = match n.objtype {
                    pg::ObjectType::OBJECT_MATVIEW => {
                        ("CREATE MATERIALIZED VIEW", Kept::Definition)
                    }
                    _ => ("CREATE TABLE AS", Kept::Rows),
                };
                let makes = vec![target.name.to_string()];
                let action = Action::Store {
                    query,
                    target,
                    kept,
                    at,
                };
                making(what, action, makes)
            }
            pg::Node::CallStmt(n) => {
                let Some(call) = n.funccall.as_deref() else {
                    return Err(unsupported("CALL like this", None));
                };
                let (kind, location) = self.call(call)?;
                let at = offset(location).unwrap_or(0);
                utility("CALL", Action::Call(Expr { kind, at }), true)
            }
            pg::Node::ViewStmt(n) => {
                let Some(query) = &n.query else {
                    return Err(unsupported("CREATE VIEW like this", None));
                };
                let mut makes = Vec::new();
                if let Some(name) = n.view.as_ref().and_then(|view| view.relname.as_ref()) {
                    self.settled_name(name);
                    makes.push(name.to_string());
                }
                self.settled_list(&n.aliases)?;
                let query = self.query(query)?;
                making("CREATE VIEW", Action::View(query), makes)
            }
            pg::Node::IndexStmt(n) => self.index(n)?,
            pg::Node::AlterTableStmt(n) => self.alter_table(n)?,
            pg::Node::CreateStmt(n) => self.create_table(n)?,
            pg::Node::CreatePolicyStmt(n) => {
                let table = self.target_table(n.table.as_deref())?;
                let mut parts = Vec::new();
                for expr in [&n.qual, &n.with_check].into_iter().flatten() {
                    parts.push(Part::Expr(self.expr(Some(expr))?));
                }
                define("CREATE POLICY", table, parts)
            }
            pg::Node::CreateTrigStmt(n) => {
                let table = self.target_table(n.relation.as_deref())?;
                let mut parts = Vec::new();
                for column in self.name_list(&n.columns)? {
                    parts.push(Part::AnyColumn(column));
                }
                if let Some(condition) = &n.whenClause {
                    parts.push(Part::RowCondition(self.expr(Some(condition))?));
                }
                define("CREATE TRIGGER", table, parts)
            }
            pg::Node::RuleStmt(n) => {
                self.target_table(n.relation.as_deref())?;
                self.optional_expr(n.whereClause.as_ref())?;
                for action in n.actions.iter().flatten() {
                    if !matches!(action, pg::Node::NotifyStmt(_)) {
                        self.query(action)?;
                    }
                }
                let action = Action::RefusedOn {
                    why: "the server would run other statements than those that were analysed",
                    hint: "write the statements of the rule where they are needed",
                };
                utility("CREATE RULE", action, true)
            }
            _ => utility("a statement of this kind", Action::Refused, true),
        })
    }

    /// The relation that a statement creates from a query.
    pub(super) fn new_relation(
        &mut self,
        into: Option<&'t pg::IntoClause>,
    ) -> Result<(RelationRef<'t>, usize)> {
        let relation = into.and_then(|into| into.rel.as_deref());
        let (Some(into), Some(relation)) = (into, relation) else {
            return Err(unsupported("a new relation without a name", None));
        };
        let Some(name) = &relation.relname else {
            return Err(unsupported("a new relation without a name", None));
        };
        self.settled_name(name);
        if let Some(schema) = &relation.schemaname {
            self.settled_name(schema);
        }
        self.settled_list(&into.colNames)?;
        let target = RelationRef {
            schema: relation.schemaname.as_deref(),
            name,
        };
        Ok((target, offset(relation.location).unwrap_or(0)))
    }

    fn named_relations(&mut self, list: &'t pg::List) -> Result<Vec<crate::ir::Table<'t>>> {
        list.iter()
            .map(|node| match node {
                Some(pg::Node::RangeVar(relation)) => self.target_table(Some(relation)),
                _ => Err(unsupported("a list of relations like this", None)),
            })
            .collect()
    }

    /// A publication is harmless but for the conditions on rows that it may have.
    fn publication(&mut self, objects: &'t pg::List) -> Result<StatementKind<'t>> {
        let mut filtered = Vec::new();
        for object in objects.iter().flatten() {
            let pg::Node::PublicationObjSpec(object) = object else {
                return Err(unsupported("a publication like this", None));
            };
            let Some(published) = &object.pubtable else {
                continue;
            };
            if let Some(condition) = &published.whereClause {
                let table = self.target_table(published.relation.as_deref())?;
                let mut parts = vec![Part::Expr(self.expr(Some(condition))?)];
                let columns = self.name_list(&published.columns)?;
                parts.extend(columns.into_iter().map(Part::AnyColumn));
                filtered.push((table, parts));
            }
        }
        const WHAT: &str = "a publication";
        if filtered.len() > 1 {
            let action = Action::RefusedOn {
                why: "it publishes several relations on conditions",
                hint: "add them to the publication one by one",
            };
            return Ok(utility(WHAT, action, true));
        }
        Ok(match filtered.pop() {
            Some((table, parts)) => define(WHAT, table, parts),
            None => utility(WHAT, Action::Harmless, true),
        })
    }

    fn copy(&mut self, node: &'t pg::CopyStmt) -> Result<StatementKind<'t>> {
        let pg::CopyStmt {
            relation,
            query,
            attlist,
            is_from,
            is_program,
            filename,
            options,
            whereClause,
        } = node;
        let target = match (relation, query) {
            (Some(relation), None) => CopyTarget::Table {
                table: self.target_table(Some(relation))?,
                columns: self.name_list(attlist)?,
            },
            (None, Some(query)) => CopyTarget::Query(self.query(query)?),
            _ => return Err(unsupported("COPY like this", None)),
        };
        let at = match &target {
            CopyTarget::Table { table, .. } => table.at,
            CopyTarget::Query(_) => 0,
        };
        Ok(StatementKind::Copy(Copy {
            target,
            from: *is_from,
            server_side: match (is_program, filename) {
                (true, _) => Some("a program on the server"),
                (false, Some(_)) => Some("a file of the server"),
                (false, None) => None,
            },
            options: self.copy_options(options)?,
            filter: self.optional_expr(whereClause.as_ref())?,
            at,
        }))
    }

    fn copy_options(&mut self, list: &'t pg::List) -> Result<Vec<CopyOption<'t>>> {
        let odd = |location| unsupported("an option of COPY like this", offset(location));
        let mut options = Vec::new();
        for node in list {
            let Some(pg::Node::DefElem(option)) = node else {
                return Err(odd(-1));
            };
            let pg::DefElem {
                defnamespace: None,
                defname: Some(name),
                arg,
                defaction: _,
                location,
            } = option.as_ref()
            else {
                return Err(odd(option.location));
            };
            let value = match arg {
                None => CopyValue::Nothing,
                Some(pg::Node::String(text)) => CopyValue::Text(text.to_string()),
                Some(pg::Node::Boolean(yes)) => CopyValue::Text(yes.to_string()),
                Some(pg::Node::Integer(number)) => CopyValue::Number(number.to_string()),
                Some(pg::Node::Float(number)) => CopyValue::Number(number.to_string()),
                Some(pg::Node::A_Star(_)) => CopyValue::All,
                Some(pg::Node::List(names)) => CopyValue::Columns(self.name_list(names)?),
                Some(_) => return Err(odd(*location)),
            };
            let at = offset(*location).unwrap_or(0);
            // The word of an option is no column, whatever columns are called. In the old spelling
            // the option's name need not be a word of the text.
            let token = self.tokens.index_at(at).and_then(|at| self.tokens.get(at));
            if token.and_then(Tok::word) == Some(name) {
                self.settled_name(name);
            }
            options.push(CopyOption {
                name: name.to_string(),
                value,
                at,
            });
        }
        Ok(options)
    }

    fn index(&mut self, node: &'t pg::IndexStmt) -> Result<StatementKind<'t>> {
        let table = self.target_table(node.relation.as_deref())?;
        if !node.excludeOpNames.is_empty() {
            return Err(unsupported("an index of a constraint", Some(table.at)));
        }
        let method = node.accessMethod.as_deref().map(str::to_owned);
        let mut parts: Vec<Part<'t>> = self
            .index_parts(&node.indexParams)?
            .into_iter()
            .map(|part| Part::Key(part, method.clone()))
            .collect();
        for part in self.index_parts(&node.indexIncludingParams)? {
            parts.push(match part.key {
                IndexKey::Column(name) => Part::AnyColumn(name),
                IndexKey::Expr(expr) => Part::Expr(expr),
            });
        }
        if let Some(filter) = &node.whereClause {
            parts.push(Part::Expr(self.expr(Some(filter))?));
        }
        Ok(define("CREATE INDEX", table, parts))
    }

    fn alter_table(&mut self, node: &'t pg::AlterTableStmt) -> Result<StatementKind<'t>> {
        let table = self.target_table(node.relation.as_deref())?;
        let (mut parts, mut makes, mut valued) = (Vec::new(), Vec::new(), Vec::new());
        for command in &node.cmds {
            let Some(pg::Node::AlterTableCmd(command)) = command else {
                return Err(unsupported("ALTER TABLE like this", Some(table.at)));
            };
            if let Some(pg::Node::PartitionCmd(partition)) = &command.def {
                let partition = partition.name.as_ref().and_then(|it| it.relname.as_ref());
                makes.extend(partition.map(ToString::to_string));
            }
            if command.subtype == pg::AlterTableType::AT_AddInherit {
                makes.push(table.name.text.to_string());
            }
            self.alter_command(command, table.at, &mut parts)?;
            // A column gets values of another type from an expression.
            if command.subtype == pg::AlterTableType::AT_AlterColumnType
                && let Some(pg::Node::ColumnDef(column)) = &command.def
                && column.raw_default.as_ref().is_some_and(may_have_value)
                && let Some(ty) = &column.typeName
            {
                valued.push(self.type_name(ty)?);
            }
        }
        let action = Action::Define {
            table,
            parts,
            creates: None,
        };
        let what = match node.objtype {
            pg::ObjectType::OBJECT_TYPE => ALTER_TYPE,
            _ => "ALTER TABLE",
        };
        let types = Types {
            valued,
            ..Types::default()
        };
        Ok(StatementKind::Utility(Utility {
            what,
            action,
            changes_names: true,
            makes,
            types,
        }))
    }

    fn alter_command(
        &mut self,
        command: &'t pg::AlterTableCmd,
        at: usize,
        parts: &mut Vec<Part<'t>>,
    ) -> Result<()> {
        use pg::AlterTableType as Type;
        let plain_column = |lower: &mut Self, what: &'static str| {
            let name = lower.optional_name(command.name.as_ref());
            name.map(|name| Part::PlainColumn { name, what, at })
        };
        match command.subtype {
            Type::AT_AddColumn => match &command.def {
                Some(pg::Node::ColumnDef(column)) => self.column_definition(column, parts)?,
                _ => return Err(unsupported("ADD COLUMN like this", Some(at))),
            },
            Type::AT_ColumnDefault => {
                if let Some(default) = &command.def {
                    parts.extend(plain_column(self, "a default"));
                    parts.push(Part::Expr(self.expr(Some(default))?));
                }
            }
            Type::AT_AlterColumnType => {
                parts.extend(plain_column(self, "another type"));
                if let Some(pg::Node::ColumnDef(column)) = &command.def
                    && let Some(using) = &column.raw_default
                {
                    parts.push(Part::Expr(self.expr(Some(using))?));
                }
            }
            Type::AT_AddIdentity | Type::AT_SetIdentity => {
                parts.extend(plain_column(self, "an identity"));
            }
            Type::AT_SetExpression => {
                parts.extend(plain_column(self, "a generation expression"));
                parts.push(Part::Expr(self.expr(command.def.as_ref())?));
            }
            Type::AT_AddConstraint => match &command.def {
                Some(pg::Node::Constraint(constraint)) => {
                    self.constraint(constraint, None, parts)?;
                }
                _ => return Err(unsupported("ADD CONSTRAINT like this", Some(at))),
            },
            Type::AT_DropColumn
            | Type::AT_DropNotNull
            | Type::AT_SetNotNull
            | Type::AT_DropExpression
            | Type::AT_DropIdentity
            | Type::AT_SetStatistics
            | Type::AT_SetOptions
            | Type::AT_ResetOptions
            | Type::AT_SetStorage
            | Type::AT_SetCompression => {
                let name = self.optional_name(command.name.as_ref());
                parts.extend(name.map(Part::AnyColumn));
            }
            Type::AT_AttachPartition
            | Type::AT_DetachPartition
            | Type::AT_DetachPartitionFinalize => {
                if let Some(pg::Node::PartitionCmd(partition)) = &command.def {
                    self.target_table(partition.name.as_deref())?;
                    parts.extend(partition.bound.as_deref().and_then(|it| bound(it, at)));
                }
            }
            Type::AT_AddInherit | Type::AT_DropInherit => {
                if let Some(pg::Node::RangeVar(parent)) = &command.def {
                    self.target_table(Some(parent))?;
                }
            }
            Type::AT_ValidateConstraint
            | Type::AT_AlterConstraint
            | Type::AT_DropConstraint
            | Type::AT_ChangeOwner
            | Type::AT_ClusterOn
            | Type::AT_DropCluster
            | Type::AT_SetLogged
            | Type::AT_SetUnLogged
            | Type::AT_SetAccessMethod
            | Type::AT_SetTableSpace
            | Type::AT_SetRelOptions
            | Type::AT_ResetRelOptions
            | Type::AT_EnableTrig
            | Type::AT_EnableAlwaysTrig
            | Type::AT_EnableReplicaTrig
            | Type::AT_DisableTrig
            | Type::AT_EnableTrigAll
            | Type::AT_DisableTrigAll
            | Type::AT_EnableTrigUser
            | Type::AT_DisableTrigUser
            | Type::AT_ReplicaIdentity
            | Type::AT_EnableRowSecurity
            | Type::AT_DisableRowSecurity
            | Type::AT_ForceRowSecurity
            | Type::AT_NoForceRowSecurity => {}
            _ => return Err(unsupported("ALTER TABLE like this", Some(at))),
        }
        Ok(())
    }

    fn create_table(&mut self, node: &'t pg::CreateStmt) -> Result<StatementKind<'t>> {
        let table = self.target_table(node.relation.as_deref())?;
        let mut parents = self.named_relations(&node.inhRelations)?;
        let mut parts = Vec::new();
        for element in node.tableElts.iter().chain(&node.constraints) {
            match element {
                Some(pg::Node::ColumnDef(column)) => self.column_definition(column, &mut parts)?,
                Some(pg::Node::Constraint(constraint)) => {
                    self.constraint(constraint, None, &mut parts)?;
                }
                Some(pg::Node::TableLikeClause(like)) => {
                    parents.push(self.target_table(like.relation.as_deref())?);
                }
                _ => return Err(unsupported("CREATE TABLE like this", Some(table.at))),
            }
        }
        if let Some(partition) = &node.partspec {
            for element in &partition.partParams {
                let Some(pg::Node::PartitionElem(element)) = element else {
                    return Err(unsupported("PARTITION BY like this", Some(table.at)));
                };
                if let Some(name) = &element.name {
                    let name = self.name(name);
                    let at = offset(element.location).unwrap_or(table.at);
                    let what = "a partition key";
                    parts.push(Part::PlainColumn { name, what, at });
                }
                if let Some(expr) = &element.expr {
                    parts.push(Part::Expr(self.expr(Some(expr))?));
                }
            }
        }
        parts.extend(node.partbound.as_deref().and_then(|it| bound(it, table.at)));
        // Of its own columns the policy says which are encrypted.
        let makes = match parents.is_empty() {
            true => Vec::new(),
            false => vec![table.name.text.to_string()],
        };
        let action = Action::Define {
            table,
            parts,
            creates: Some(parents),
        };
        Ok(making("CREATE TABLE", action, makes))
    }

    fn column_definition(
        &mut self,
        node: &'t pg::ColumnDef,
        parts: &mut Vec<Part<'t>>,
    ) -> Result<()> {
        let Some(colname) = &node.colname else {
            return Err(unsupported(
                "a column without a name",
                offset(node.location),
            ));
        };
        let at = offset(node.location).unwrap_or(0);
        let name = self.name(colname);
        let ty: Option<TypeName<'t>> = match &node.typeName {
            Some(ty) => Some(self.type_name(ty)?),
            None => None,
        };
        let mut has_default = node.raw_default.is_some();
        if let Some(default) = &node.raw_default {
            parts.push(Part::Expr(self.expr(Some(default))?));
        }
        for constraint in &node.constraints {
            let Some(pg::Node::Constraint(constraint)) = constraint else {
                return Err(unsupported("a column constraint like this", Some(at)));
            };
            has_default |= matches!(
                constraint.contype,
                pg::ConstrType::CONSTR_DEFAULT
                    | pg::ConstrType::CONSTR_IDENTITY
                    | pg::ConstrType::CONSTR_GENERATED
            );
            self.constraint(constraint, Some(&name), parts)?;
        }
        parts.push(Part::NewColumn {
            name,
            ty,
            has_default,
            at,
        });
        Ok(())
    }

    /// A constraint of a table, or of one column.
    fn constraint(
        &mut self,
        node: &'t pg::Constraint,
        column: Option<&crate::ir::Name<'t>>,
        parts: &mut Vec<Part<'t>>,
    ) -> Result<()> {
        use pg::ConstrType as Type;
        let at = offset(node.location).unwrap_or(0);
        match node.contype {
            Type::CONSTR_NULL
            | Type::CONSTR_NOTNULL
            | Type::CONSTR_ATTR_DEFERRABLE
            | Type::CONSTR_ATTR_NOT_DEFERRABLE
            | Type::CONSTR_ATTR_DEFERRED
            | Type::CONSTR_ATTR_IMMEDIATE
            | Type::CONSTR_ATTR_ENFORCED
            | Type::CONSTR_ATTR_NOT_ENFORCED
            | Type::CONSTR_IDENTITY => {
                for key in self.name_list(&node.keys)? {
                    parts.push(Part::AnyColumn(key));
                }
            }
            Type::CONSTR_DEFAULT | Type::CONSTR_GENERATED | Type::CONSTR_CHECK => {
                parts.push(Part::Expr(self.expr(node.raw_expr.as_ref())?));
            }
            Type::CONSTR_PRIMARY | Type::CONSTR_UNIQUE | Type::CONSTR_FOREIGN => {
                let mut keys = self.name_list(&node.keys)?;
                keys.extend(self.name_list(&node.fk_attrs)?);
                keys.extend(column.cloned());
                for name in keys {
                    let key = IndexKey::Column(name);
                    let qualified = false;
                    parts.push(Part::Key(IndexPart { key, qualified, at }, None));
                }
                for name in self.name_list(&node.including)? {
                    parts.push(Part::AnyColumn(name));
                }
                if node.pktable.is_some() {
                    self.target_table(node.pktable.as_deref())?;
                    self.settled_list(&node.pk_attrs)?;
                }
            }
            Type::CONSTR_EXCLUSION => {
                for pair in &node.exclusions {
                    let unknown = || unsupported("an exclusion constraint like this", Some(at));
                    let Some(pg::Node::List(pair)) = pair else {
                        return Err(unknown());
                    };
                    let element = pair.get(..1).ok_or_else(unknown)?;
                    for part in self.index_parts(element)? {
                        parts.push(match part.key {
                            IndexKey::Column(name) => Part::PlainColumn {
                                name,
                                what: "an exclusion constraint",
                                at,
                            },
                            IndexKey::Expr(expr) => Part::Expr(expr),
                        });
                    }
                    if let Some(Some(pg::Node::List(operator))) = pair.get(1) {
                        self.settled_list(operator)?;
                    }
                }
                if let Some(filter) = &node.where_clause {
                    parts.push(Part::Expr(self.expr(Some(filter))?));
                }
            }
            _ => return Err(unsupported("a constraint like this", Some(at))),
        }
        Ok(())
    }
}

fn define<'t>(
    what: &'static str,
    table: crate::ir::Table<'t>,
    parts: Vec<Part<'t>>,
) -> StatementKind<'t> {
    let action = Action::Define {
        table,
        parts,
        creates: None,
    };
    utility(what, action, false)
}

fn rename<'t>(
    what: &'static str,
    table: Option<crate::ir::Table<'t>>,
    renamed: Option<Renamed>,
) -> StatementKind<'t> {
    let (Some(table), Some(renamed)) = (table, renamed) else {
        return utility(what, Action::Harmless, true);
    };
    let makes = vec![match &renamed {
        Renamed::Relation { new } => new.clone(),
        Renamed::Column { .. } | Renamed::Schema { .. } => table.name.text.to_string(),
    }];
    making(what, Action::Rename { table, renamed }, makes)
}

fn code(what: &'static str, strings: Vec<String>, tokens: bool) -> StatementKind<'static> {
    utility(what, Action::Code { strings, tokens }, true)
}

/// Every string among the options of `DO` and `CREATE FUNCTION`.
pub(super) fn code_strings(list: &'_ pg::List) -> Vec<String> {
    let mut strings = Vec::new();
    let mut open: Vec<&'_ pg::Node> = list.iter().flatten().collect();
    while let Some(node) = open.pop() {
        match node {
            pg::Node::DefElem(option) => open.extend(&option.arg),
            pg::Node::List(list) => open.extend(list.iter().flatten()),
            pg::Node::String(text) => strings.push(text.to_string()),
            _ => {}
        }
    }
    strings
}

/// The bound of a partition, if there are values in it: `MINVALUE` and `MAXVALUE` are names to the
/// grammar.
fn bound<'t>(node: &pg::PartitionBoundSpec, at: usize) -> Option<Part<'t>> {
    let lists = [&node.listdatums, &node.lowerdatums, &node.upperdatums];
    let has_values = lists.into_iter().flatten().any(|datum| match datum {
        Some(pg::Node::A_Const(constant)) => !constant.isnull,
        Some(pg::Node::ColumnRef(_)) => false,
        _ => true,
    });
    has_values.then(|| Part::Bound {
        at: offset(node.location).unwrap_or(at),
    })
}
