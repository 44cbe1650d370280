//! Statements about prepared statements and cursors.

use rupg_sql::nodes as pg;

use super::{Lower, Result, offset, unsupported};
use crate::ir::{Declare, Execute, Prepare, StatementKind};

/// `CURSOR_OPT_HOLD` of `parsenodes.h`.
const CURSOR_HOLD: i32 = 0x0020;

impl<'t> Lower<'t> {
    /// `None` where the node is none of them.
    pub(super) fn session_statement(
        &mut self,
        node: &'t pg::Node,
    ) -> Result<Option<StatementKind<'t>>> {
        Ok(Some(match node {
            pg::Node::PrepareStmt(n) => {
                let pg::PrepareStmt {
                    name,
                    argtypes,
                    query,
                } = n.as_ref();
                let (Some(name), Some(query)) = (name, query) else {
                    return Err(unsupported("PREPARE like this", None));
                };
                self.settled_name(name);
                let mut types = Vec::with_capacity(argtypes.len());
                for ty in argtypes {
                    let Some(pg::Node::TypeName(ty)) = ty else {
                        return Err(unsupported("PREPARE like this", None));
                    };
                    types.push(self.type_name(ty)?);
                }
                StatementKind::Prepare(Box::new(Prepare {
                    name: name.to_string(),
                    types,
                    query: self.query(query)?,
                }))
            }
            pg::Node::ExecuteStmt(n) => StatementKind::Execute(self.execute(n)?),
            pg::Node::DeallocateStmt(n) => {
                StatementKind::Deallocate(n.name.as_ref().map(ToString::to_string))
            }
            pg::Node::DeclareCursorStmt(n) => {
                let pg::DeclareCursorStmt {
                    portalname,
                    options,
                    query,
                } = n.as_ref();
                let (Some(name), Some(query)) = (portalname, query) else {
                    return Err(unsupported("DECLARE like this", None));
                };
                self.settled_name(name);
                StatementKind::Declare(Box::new(Declare {
                    name: name.to_string(),
                    hold: options & CURSOR_HOLD != 0,
                    query: self.query(query)?,
                }))
            }
            pg::Node::FetchStmt(n) => {
                let Some(name) = &n.portalname else {
                    return Err(unsupported("FETCH like this", offset(n.location)));
                };
                self.settled_name(name);
                StatementKind::Fetch {
                    name: name.to_string(),
                    is_move: n.ismove,
                }
            }
            pg::Node::ClosePortalStmt(n) => {
                StatementKind::Close(n.portalname.as_ref().map(ToString::to_string))
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn execute(&mut self, node: &'t pg::ExecuteStmt) -> Result<Execute<'t>> {
        let pg::ExecuteStmt { name, params } = node;
        let Some(name) = name else {
            return Err(unsupported("EXECUTE like this", None));
        };
        self.settled_name(name);
        Ok(Execute {
            name: name.to_string(),
            args: self.exprs(params)?,
            stored: false,
        })
    }
}
