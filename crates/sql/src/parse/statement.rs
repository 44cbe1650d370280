//! Statements that are not queries.

use rupg_sql::nodes as pg;

use super::{Lower, Result};
use crate::ir::{Action, Copy, CopyTarget, StatementKind, Utility};

impl Lower<'_> {
    pub(super) fn statement(&mut self, node: &pg::Node) -> Result<StatementKind> {
        match node {
            pg::Node::SelectStmt(_)
            | pg::Node::InsertStmt(_)
            | pg::Node::UpdateStmt(_)
            | pg::Node::DeleteStmt(_)
            | pg::Node::MergeStmt(_) => Ok(StatementKind::Query(self.query(node)?)),
            pg::Node::ExplainStmt(explain) => {
                let pg::ExplainStmt { query, options } = explain.as_ref();
                for option in options {
                    if let Some(pg::Node::DefElem(option)) = option
                        && let Some(name) = &option.defname
                    {
                        self.settled_name(name);
                    }
                }
                match query {
                    Some(node) => Ok(StatementKind::Explain(Box::new(self.statement(node)?))),
                    None => Err(super::unsupported("EXPLAIN like this", None)),
                }
            }
            pg::Node::CopyStmt(copy) => self.copy(copy),
            pg::Node::DoStmt(block) => {
                let strings = code_strings(&block.args);
                Ok(code("DO", strings, false))
            }
            pg::Node::CreateFunctionStmt(function) => {
                // A body in SQL (`BEGIN ATOMIC`) is made of tokens, which the mention test reads.
                let strings = code_strings(&function.options);
                Ok(code(
                    "CREATE FUNCTION",
                    strings,
                    function.sql_body.is_some(),
                ))
            }
            _ => Ok(StatementKind::Utility(Utility {
                what: "this statement",
                action: Action::Refused {
                    why: "statements of this kind are not supported on protected relations",
                    hint: None,
                },
                changes_names: true,
            })),
        }
    }

    fn copy(&mut self, node: &pg::CopyStmt) -> Result<StatementKind> {
        let pg::CopyStmt {
            relation,
            query,
            attlist,
            is_from: _,
            is_program: _,
            filename: _,
            options: _,
            whereClause,
        } = node;
        let target = match (relation, query) {
            (Some(relation), None) => CopyTarget::Table {
                table: self.target_table(Some(relation))?,
                columns: self.name_list(attlist)?,
            },
            (None, Some(query)) => CopyTarget::Query(self.query(query)?),
            _ => return Err(super::unsupported("COPY like this", None)),
        };
        let at = match &target {
            CopyTarget::Table { table, .. } => table.at,
            CopyTarget::Query(_) => 0,
        };
        Ok(StatementKind::Copy(Copy {
            target,
            filter: self.optional_expr(whereClause.as_ref())?,
            at,
        }))
    }
}

fn code(what: &'static str, strings: Vec<String>, tokens: bool) -> StatementKind {
    StatementKind::Utility(Utility {
        what,
        action: Action::Code { strings, tokens },
        changes_names: true,
    })
}

/// Every string among the options of `DO` and `CREATE FUNCTION`.
fn code_strings(list: &pg::List) -> Vec<String> {
    let mut strings = Vec::new();
    let mut open: Vec<&pg::Node> = list.iter().flatten().collect();
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
