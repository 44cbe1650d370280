//! Statements that are not queries.

use std::rc::Rc;

use sealwire_core::policy::{ColumnId, Policy, TableSpec};
use sealwire_core::types::Family;

use super::{One, Outcome, finish};
use crate::infer::Analyser;
use crate::ir::{
    Action, Expr, IndexKey, Kept, Part, Query, RelationRef, Setting, StatementKind, Table,
    TypeName, Utility,
};
use crate::plan::{Outputs, Refusal, RefusalKind};
use crate::refuse::{self, Finish, Why, refuse};
use crate::relation::{RelationColumn, RelationInfo, Stop};
use crate::scope::{Ctes, Scope};
use crate::session::Definition;
use crate::splice;
use crate::types::Ground;

mod rename;

/// The statement, in words, if a name may mean something else after it.
pub(super) fn changes_names(kind: &StatementKind<'_>) -> Option<&'static str> {
    match kind {
        StatementKind::Utility(utility) if utility.changes_names => Some(utility.what),
        StatementKind::Unsupported(_) => Some("a statement that is not understood"),
        _ => None,
    }
}

/// Whether a statement may hold values for the relations that it names, or read theirs.
pub(super) fn reads(kind: &StatementKind<'_>) -> bool {
    let StatementKind::Utility(utility) = kind else {
        return true;
    };
    match &utility.action {
        Action::Define { parts, .. } => parts.iter().any(|part| match part {
            Part::Expr(_) | Part::RowCondition(_) => true,
            Part::Key(key, _) => matches!(key.key, IndexKey::Expr(_)),
            Part::NewColumn { has_default, .. } => *has_default,
            Part::PlainColumn { .. } | Part::AnyColumn(_) | Part::Bound { .. } => false,
        }),
        Action::Harmless | Action::Set(_) | Action::End | Action::DiscardAll => false,
        Action::Rename { .. } | Action::RenameSchema { .. } => false,
        _ => true,
    }
}

/// Whether a statement ends a transaction or a part of one, which takes back what `SET` did in it.
pub(super) fn ends_transaction(kind: &StatementKind<'_>) -> bool {
    matches!(kind, StatementKind::Utility(utility) if matches!(utility.action, Action::End))
}

/// What a statement sets, if it does.
pub(super) fn sets(kind: &StatementKind<'_>) -> Option<Setting> {
    match kind {
        StatementKind::Utility(utility) => match utility.action {
            Action::Set(setting) => Some(setting),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a column of rows, or of a stream, is of a type whose text depends on settings.
pub(super) fn depends_on_settings(outputs: &Outputs, policy: &Policy) -> bool {
    let depends = |column: Option<ColumnId>| {
        column.is_some_and(|column| {
            matches!(
                policy.column(column).ty.scalar().family(),
                Family::Bytea
                    | Family::Float4
                    | Family::Float8
                    | Family::Date
                    | Family::Timetz
                    | Family::Timestamp
                    | Family::Timestamptz
                    | Family::Interval
                    | Family::Money
                    | Family::DateRange
                    | Family::TimestampRange
                    | Family::TimestamptzRange
            )
        })
    };
    match outputs {
        Outputs::Columns(columns) => columns.iter().any(|output| depends(output.column)),
        Outputs::Copy(stream) => stream.columns.iter().any(|column| depends(column.column)),
        _ => false,
    }
}

/// Code that the server would run.
pub(super) fn code(what: &str, at: usize) -> Refusal {
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to run {what} whose code names a protected relation"),
    )
    .detail("the server would run the code with values that were never sealed")
    .hint("send the statements of the code one by one")
    .at(at)
}

/// A statement that goes out as it is.
fn as_it_is(protected: bool) -> Outcome {
    if protected {
        Outcome::Planned {
            outputs: Outputs::Columns(Vec::new()),
            params: Vec::new(),
            edits: Vec::new(),
            relations: Vec::new(),
            untyped: Vec::new(),
        }
    } else {
        Outcome::Untouched
    }
}

impl<'a, 'c: 'a> One<'a, 'c, '_> {
    pub(super) fn utility(
        &mut self,
        utility: &'a Utility<'a>,
        protected: bool,
    ) -> Result<Outcome, Stop> {
        let what = utility.what;
        let start = self.statement.range.start;
        let mentioned = |one: &Self| {
            one.matcher
                .mentions_between(one.tokens, &one.statement.range)
        };
        if let Action::Define { parts, .. } = &utility.action {
            self.check_row_types(parts)?;
        }
        for ty in &utility.types.valued {
            if self.holds_cells(ty)? {
                return Err(constant_of_cells(what, start).into());
            }
        }
        match &utility.action {
            Action::Harmless | Action::Set(_) | Action::End | Action::RenameSchema { .. } => {
                Ok(as_it_is(protected))
            }
            Action::DiscardAll => {
                self.definition = Some(Definition::DiscardAll);
                Ok(as_it_is(protected))
            }
            Action::RefusedOn { why, hint } if protected => {
                Err(on_protected(what, start).detail(*why).hint(*hint).into())
            }
            Action::RefusedOn { .. } => Ok(Outcome::Untouched),
            Action::Refused if protected || mentioned(self) => Err(on_protected(what, start)
                .detail("its effect on encrypted columns is not known to be safe")
                .hint("run it by a role that owns the table, without Sealwire, if it touches no value")
                .into()),
            Action::Refused => Ok(Outcome::Untouched),
            Action::Code { strings, tokens } => {
                let named = strings.iter().any(|code| self.matcher.in_code(code))
                    || *tokens && mentioned(self);
                if !named {
                    return Ok(Outcome::Untouched);
                }
                Err(code(what, start).into())
            }
            Action::Store { target, at, .. } if self.is_listed(target) => Err(refuse(
                RefusalKind::CatalogueMismatch,
                format!("refusing to run {what} under the name of a protected relation"),
            )
            .detail("its columns would not be those that the manifest lists")
            .hint("create the table with `CREATE TABLE`, and fill it with `INSERT`")
            .at(*at)
            .into()),
            Action::Rename { table, renamed } => {
                self.rename(table, renamed)?;
                Ok(as_it_is(protected))
            }
            _ if !protected => Ok(Outcome::Untouched),
            Action::Store { query, kept, .. } => {
                self.stored_query(query, what, *kept == Kept::Rows, true)
            }
            Action::View(query) => self.stored_query(query, what, false, false),
            Action::Call(call) => self.procedure(call),
            Action::Define {
                table,
                parts,
                creates,
            } => self.define(table, parts, creates.as_deref(), what),
        }
    }

    /// Refuses new columns that would hold rows of a protected relation: nothing could be sealed or
    /// opened there.
    fn check_row_types(&mut self, parts: &'a [Part<'a>]) -> Result<(), Stop> {
        let mut types = parts.iter().filter_map(|part| match part {
            Part::NewColumn { ty, .. } => ty.as_ref(),
            _ => None,
        });
        let analyser = self.analyser();
        types.try_for_each(|ty| analyser.check_row_type(ty))
    }

    /// Whether the manifest lists a relation of this name.
    fn is_listed(&self, target: &RelationRef<'a>) -> bool {
        let policy = self.resolver.context.policy;
        match &target.schema {
            Some(schema) => policy.table(schema, target.name).is_some(),
            None => policy.tables_named(target.name).next().is_some(),
        }
    }

    /// `CALL`: a procedure computes on the server, so that its arguments must be plain.
    fn procedure(&mut self, call: &'a Expr<'a>) -> Result<Outcome, Stop> {
        let (text, tokens, script, statement) =
            (self.text, self.tokens, self.script, self.statement);
        let mut analyser = self.analyser();
        let ctes = Ctes {
            parent: None,
            list: Vec::new(),
        };
        let scope = Scope::new(None, &ctes);
        analyser.plain(&scope, call, Why::Clause("a procedure's arguments"))?;
        let mut outcome = finish(text, tokens, script, statement, &mut analyser, Vec::new())?;
        if let Outcome::Planned { outputs, .. } = &mut outcome {
            // The procedure may return a row; what is in it passes as it is.
            *outputs = Outputs::Untouched;
        }
        Ok(outcome)
    }

    /// A query whose rows (`CREATE TABLE AS`), or whose text (`CREATE VIEW`), the server keeps.
    /// `unlisted`: the rows alone are kept, so that nothing says of the new relation's columns that
    /// they are encrypted.
    fn stored_query(
        &mut self,
        query: &'a Query<'a>,
        what: &'static str,
        unlisted: bool,
        params: bool,
    ) -> Result<Outcome, Stop> {
        let (text, tokens, script, statement) =
            (self.text, self.tokens, self.script, self.statement);
        let mut analyser = self.analyser();
        let ctes = Ctes {
            parent: None,
            list: Vec::new(),
        };
        let columns = analyser.query(query, None, &ctes)?;
        for column in &columns {
            if unlisted && analyser.types.ground(column.ty) != Ground::Plain {
                return Err(on_protected(what, statement.range.start)
                    .detail(
                        "the new relation would hold an unprotected copy of an encrypted column",
                    )
                    .hint("leave encrypted columns out of the select list, or create the table first and list it in the manifest")
                    .into());
            }
        }
        if !params && !analyser.params.is_empty() {
            return Err(on_protected(what, statement.range.start)
                .detail("a view cannot have parameters")
                .hint("write the value as a literal")
                .into());
        }
        splice::single_outputs(&mut analyser, &columns, "a view")?;
        finish(text, tokens, script, statement, &mut analyser, Vec::new())
    }

    /// DDL on one relation: what it says about encrypted columns must be harmless.
    fn define(
        &mut self,
        table: &'a Table<'a>,
        parts: &'a [Part<'a>],
        creates: Option<&'a [Table<'a>]>,
        what: &'static str,
    ) -> Result<Outcome, Stop> {
        let (text, tokens, script, statement) =
            (self.text, self.tokens, self.script, self.statement);
        let info = if let Some(parents) = creates {
            self.created(table, parts, parents)?
        } else {
            let schema = table.schema.as_ref().map(|schema| schema.text);
            let is_protected = self.resolver.is_protected(schema, table.name.text)?;
            if !(is_protected || self.touches && has_expressions(parts)) {
                // Only a relation that it refers to is protected.
                return Ok(as_it_is(true));
            }
            let info = self.resolver.resolve(schema, table.name.text, table.at)?;
            match self.new_columns(parts, None)? {
                added if is_protected || added.is_empty() => info,
                added => Rc::new(RelationInfo {
                    columns: info.columns.iter().cloned().chain(added).collect(),
                    opaque: None,
                    ..*info
                }),
            }
        };
        let bound = parts.iter().find_map(|part| match part {
            Part::Bound { at } => Some(*at),
            _ => None,
        });
        if let Some(at) = bound {
            let mut parents = creates
                .map_or(std::slice::from_ref(table), |parents| parents)
                .iter();
            parents.try_for_each(|parent| self.bounded(parent, at))?;
        }
        let mut analyser = self.analyser();
        analyser.account_all(&table.schema);
        analyser.account(&table.name);
        match creates {
            None => analyser.use_relation(&info),
            Some(parents) => {
                for parent in parents {
                    analyser.account_all(&parent.schema);
                    analyser.account(&parent.name);
                }
            }
        }
        let ctes = Ctes {
            parent: None,
            list: Vec::new(),
        };
        let mut scope = Scope::new(None, &ctes);
        scope.items.push(analyser.table_item(&info, table)?);
        for part in parts {
            define_part(&mut analyser, &scope, &info, part, what)?;
        }
        let outcome = finish(text, tokens, script, statement, &mut analyser, Vec::new())?;
        match &outcome {
            Outcome::Planned { params, edits, .. } if params.is_empty() && edits.is_empty() => {
                Ok(outcome)
            }
            _ => Err(on_protected(what, statement.range.start)
                .detail("a sealed literal in a definition would outlive the key it is sealed under")
                .hint("leave values of encrypted columns out of definitions")
                .into()),
        }
    }

    /// A bound with values for a partition of a table: no encrypted column may be in its key.
    fn bounded(&mut self, parent: &'a Table<'a>, at: usize) -> Result<(), Stop> {
        let schema = parent.schema.as_ref().map(|schema| schema.text);
        if !self.resolver.is_protected(schema, parent.name.text)? {
            return Ok(());
        }
        let info = self.resolver.resolve(schema, parent.name.text, parent.at)?;
        let cells = match self.resolver.context.catalogue.by_oid(info.oid) {
            Some(relation) => self.resolver.cells_in_key(relation)?,
            None => None,
        };
        match cells {
            None => Ok(()),
            Some(path) => Err(refuse(
                RefusalKind::UnsupportedConstruct,
                format!("refusing to bound a partition by values of encrypted column `{path}`"),
            )
            .detail("the server compares cells, which say nothing about the order of the values")
            .hint("partition the table by plain columns, or by hash")
            .at(at)
            .into()),
        }
    }

    /// The columns that a statement gives to a relation, which the manifest may list.
    fn new_columns(
        &mut self,
        parts: &'a [Part<'a>],
        spec: Option<&TableSpec>,
    ) -> Result<Vec<RelationColumn<'a>>, Stop> {
        let policy = self.resolver.context.policy;
        let mut columns = Vec::new();
        for part in parts {
            let Part::NewColumn { name, ty, .. } = part else {
                continue;
            };
            let column = spec.and_then(|spec| policy.column_of(spec, name.text));
            let holds_cells = match ty {
                Some(ty) => self.resolver.named_type(ty)?.is_some(),
                None => false,
            };
            columns.push(RelationColumn {
                name: name.text,
                column,
                others: Vec::new(),
                unlisted: column.is_none() && holds_cells,
                ty: 0,
                has_default: false,
                computed: false,
                mismatch: None,
            });
        }
        Ok(columns)
    }

    /// A relation that a statement creates: its own columns and those that it gets from others, and
    /// the policy's say on them.
    fn created(
        &mut self,
        table: &'a Table<'a>,
        parts: &'a [Part<'a>],
        parents: &'a [Table<'a>],
    ) -> Result<Rc<RelationInfo<'a>>, Stop> {
        let mut inherited: Vec<RelationColumn<'a>> = Vec::new();
        for parent in parents {
            let schema = parent.schema.as_ref().map(|schema| schema.text);
            // The columns of a plain one are looked for by their names alone, like those of a relation
            // that is not known yet.
            if self.resolver.is_protected(schema, parent.name.text)? {
                let info = self.resolver.resolve(schema, parent.name.text, parent.at)?;
                inherited.extend(info.columns.iter().cloned());
            }
        }
        let policy = self.resolver.context.policy;
        let name = table.name.text;
        let spec = match &table.schema {
            Some(schema) => policy.table(schema.text, name),
            // Where an unqualified name will be created is the search path's say: take the
            // protected table of that name, if there is one.
            None => policy.tables_named(name).next(),
        };
        let mut columns = self.new_columns(parts, spec)?;
        for column in inherited {
            match columns.iter_mut().find(|own| own.name == column.name) {
                None => columns.push(column),
                // It is merged with the one that it gets.
                Some(own) => {
                    own.column = own.column.or(column.column);
                    own.unlisted |= column.unlisted;
                }
            }
        }
        let schema = match (&table.schema, spec) {
            (Some(schema), _) => schema.text,
            (None, Some(spec)) => &spec.schema,
            (None, None) => "",
        };
        Ok(Rc::new(RelationInfo {
            schema,
            name,
            oid: 0,
            columns,
            pinned: true,
            order_differs: false,
            has_system_columns: true,
            opaque: None,
        }))
    }
}

fn define_part<'a>(
    analyser: &mut Analyser<'a, '_, '_>,
    scope: &Scope<'_, 'a>,
    info: &Rc<RelationInfo<'a>>,
    part: &'a Part<'a>,
    what: &'static str,
) -> Result<(), Stop> {
    let policy = analyser.resolver.context.policy;
    let sealed = |name: &str| {
        let column = info.columns.iter().find(|column| column.name == name);
        column.and_then(|column| column.column)
    };
    let unlisted = |name: &str| {
        let column = info.columns.iter().find(|column| column.name == name);
        column.is_some_and(|column| column.unlisted)
    };
    match part {
        Part::Expr(expr) => analyser.plain(scope, expr, Why::Clause("a definition")),
        Part::RowCondition(expr) => {
            let mut rows = Scope::new(None, scope.ctes);
            for item in &scope.items {
                for name in ["old", "new"] {
                    let mut item = item.clone();
                    item.name = Some(name);
                    item.relation = None;
                    rows.items.push(item);
                }
            }
            analyser.plain(&rows, expr, Why::Clause("a trigger's condition"))
        }
        // The relation that it is a partition of has been asked.
        Part::Bound { .. } => Ok(()),
        Part::AnyColumn(name) => {
            analyser.account(name);
            Ok(())
        }
        Part::Key(key, method) => {
            let by_equality = method
                .as_deref()
                .is_none_or(|method| matches!(method, "btree" | "hash"));
            if let IndexKey::Column(name) = &key.key {
                match sealed(name.text) {
                    Some(id) if !by_equality => {
                        let path = policy.column(id).path();
                        return Err(refuse(
                            RefusalKind::UnsupportedConstruct,
                            format!("refusing to index encrypted column `{path}` by this method"),
                        )
                        .detail("the index would order or split cells, which say nothing about the values")
                        .hint("use a btree or hash index")
                        .at(key.at)
                        .into());
                    }
                    Some(_) => {}
                    // A column that is not known yet is the server's to complain of.
                    None => {
                        analyser.account(name);
                        return Ok(());
                    }
                }
            }
            analyser.index_part(scope, info, key, "an index or constraint")
        }
        Part::PlainColumn {
            name,
            what: gets,
            at,
        } => {
            analyser.account(name);
            match sealed(name.text) {
                None if unlisted(name.text) => {
                    let path = info.column_path(name.text);
                    Err(refuse::unlisted_value(path, *at).into())
                }
                None => Ok(()),
                Some(id) => Err(refuse(
                    RefusalKind::UnsupportedConstruct,
                    format!(
                        "refusing to give encrypted column `{}` {gets}",
                        policy.column(id).path()
                    ),
                )
                .detail("the server would write or rewrite the column without its key")
                .hint("`sealwire columns` changes how a column is encrypted")
                .at(*at)
                .into()),
            }
        }
        Part::NewColumn {
            name,
            ty,
            has_default,
            at,
        } => {
            analyser.account(name);
            let spec = sealed(name.text).map(|id| policy.column(id));
            let Some(spec) = spec else {
                let holds_cells = match ty {
                    Some(ty) => analyser.resolver.named_type(ty)?.is_some(),
                    None => false,
                };
                if *has_default && holds_cells {
                    let path = info.column_path(name.text);
                    return Err(refuse::unlisted_value(path, *at).into());
                }
                return Ok(());
            };
            let expected = sealwire_core::ddl::domain(spec.mode);
            // Without a type it is a partition's, which has its parent's.
            let is_domain = ty.as_ref().is_none_or(|ty| is_type(ty, expected));
            if is_domain && !has_default {
                return Ok(());
            }
            Err(refuse(
                RefusalKind::CatalogueMismatch,
                format!(
                    "refusing to run {what} with encrypted column `{}` like this",
                    spec.path()
                ),
            )
            .detail(format!(
                "it must be of type `{expected}`, without a default"
            ))
            .hint(format!(
                "`sealwire sql` prints the definition of `{}`",
                spec.path()
            ))
            .at(*at)
            .into())
        }
    }
}

/// Whether there is an expression among the parts of a definition.
fn has_expressions(parts: &[Part<'_>]) -> bool {
    parts.iter().any(|part| match part {
        Part::Expr(_) | Part::RowCondition(_) => true,
        Part::Key(key, _) => matches!(key.key, IndexKey::Expr(_)),
        _ => false,
    })
}

/// A constant that the server would store, or compare, as a cell.
fn constant_of_cells(what: &str, at: usize) -> Refusal {
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to run {what} with a constant for a type that holds cells"),
    )
    .detail("there is no telling under which key to seal the constant")
    .hint("leave defaults and checks with constants out")
    .at(at)
}

fn is_type(ty: &TypeName<'_>, path: &str) -> bool {
    let parts: Vec<&str> = ty.parts.iter().map(|part| part.text).collect();
    !ty.array && !ty.odd && ty.modifiers.is_empty() && parts.join(".") == path
}

fn on_protected(what: &str, at: usize) -> Refusal {
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to run {what} on a protected relation"),
    )
    .at(at)
}
