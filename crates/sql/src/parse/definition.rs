//! Definitions of types and functions, and new names for these.

use rupg_sql::nodes as pg;

use super::statement::{about, code_strings};
use super::{Lower, Result, unsupported};
use crate::ir::{Action, StatementKind, TypeName, Types};

impl<'t> Lower<'t> {
    /// A statement about types or functions, if it is one that can bring cells or values to them.
    pub(super) fn definition(&mut self, node: &'t pg::Node) -> Result<Option<StatementKind<'t>>> {
        Ok(Some(match node {
            pg::Node::CreateDomainStmt(n) => {
                let base = self.optional_type(n.typeName.as_deref())?;
                let types = Types {
                    makes: last_name(&n.domainname).into_iter().collect(),
                    valued: match n.constraints.iter().flatten().any(has_value) {
                        true => base.clone(),
                        false => Vec::new(),
                    },
                    of: base,
                };
                about("CREATE DOMAIN", Action::Harmless, true, types)
            }
            pg::Node::AlterDomainStmt(n) => {
                let mut types = Types::default();
                if let Some(def) = &n.def
                    && may_have_value(def)
                {
                    types.valued = self.named_type(&n.typeName)?;
                }
                about("ALTER DOMAIN", Action::Refused, true, types)
            }
            pg::Node::CompositeTypeStmt(n) => {
                let name = n.typevar.as_ref().and_then(|it| it.relname.as_ref());
                let mut of = Vec::new();
                for column in &n.coldeflist {
                    if let Some(pg::Node::ColumnDef(column)) = column {
                        of.extend(self.optional_type(column.typeName.as_deref())?);
                    }
                }
                let types = Types {
                    of,
                    makes: name.map(ToString::to_string).into_iter().collect(),
                    valued: Vec::new(),
                };
                about("CREATE TYPE", Action::Harmless, true, types)
            }
            pg::Node::CreateFunctionStmt(n) => {
                let mut strings = code_strings(&n.options);
                strings.extend(n.parameters.iter().flatten().filter_map(defaulted_type));
                let mut types = Types {
                    of: self.optional_type(n.returnType.as_deref())?,
                    makes: last_name(&n.funcname).into_iter().collect(),
                    valued: Vec::new(),
                };
                for parameter in &n.parameters {
                    if let Some(pg::Node::FunctionParameter(parameter)) = parameter {
                        let ty = self.optional_type(parameter.argType.as_deref())?;
                        if parameter.defexpr.is_some() {
                            types.valued.extend(ty.iter().cloned());
                        }
                        types.of.extend(ty);
                    }
                }
                // A body in SQL (`BEGIN ATOMIC`) is tokens.
                let action = Action::Code {
                    strings,
                    tokens: n.sql_body.is_some(),
                };
                about("CREATE FUNCTION", action, true, types)
            }
            pg::Node::RenameStmt(n) if n.relation.is_none() => {
                let (Some(object), Some(new)) = (&n.object, &n.newname) else {
                    return Ok(None);
                };
                let types = Types {
                    of: match object {
                        pg::Node::ObjectWithArgs(function) => self.named_type(&function.objname)?,
                        pg::Node::List(name) => self.named_type(name)?,
                        _ => return Ok(None),
                    },
                    makes: vec![new.to_string()],
                    valued: Vec::new(),
                };
                about("ALTER … RENAME", Action::Harmless, true, types)
            }
            _ => return Ok(None),
        }))
    }

    fn optional_type(&mut self, ty: Option<&'t pg::TypeName>) -> Result<Vec<TypeName<'t>>> {
        let ty = ty.map(|ty| self.type_name(ty)).transpose()?;
        Ok(ty.into_iter().collect())
    }

    /// A type, or a function, that is called by its name alone.
    fn named_type(&mut self, name: &'t pg::List) -> Result<Vec<TypeName<'t>>> {
        if name.is_empty() {
            return Err(unsupported("a name that is not one", None));
        }
        Ok(vec![TypeName {
            parts: self.settled_list(name)?,
            modifiers: Vec::new(),
            array: false,
            odd: false,
            at: 0,
        }])
    }
}

fn last_name(name: &pg::List) -> Option<String> {
    match name.last() {
        Some(Some(pg::Node::String(name))) => Some(name.to_string()),
        _ => None,
    }
}

/// Whether a constraint of a domain is one with an expression: a default or a check.
fn has_value(node: &pg::Node) -> bool {
    match node {
        pg::Node::Constraint(constraint) => {
            constraint.raw_expr.as_ref().is_some_and(may_have_value)
        }
        _ => true,
    }
}

/// Whether there may be a constant in an expression: nothing but a test for NULL has none for sure.
pub(super) fn may_have_value(node: &pg::Node) -> bool {
    match node {
        pg::Node::Constraint(_) => has_value(node),
        pg::Node::NullTest(test) => test.arg.as_ref().is_some_and(may_have_value),
        pg::Node::TypeCast(cast) => cast.arg.as_ref().is_some_and(may_have_value),
        pg::Node::ColumnRef(_) => false,
        pg::Node::A_Const(constant) => !constant.isnull,
        _ => true,
    }
}

/// The type of a parameter of a function that has a default: where it is the row of a relation, a
/// value for each of its columns.
fn defaulted_type(parameter: &pg::Node) -> Option<String> {
    let pg::Node::FunctionParameter(parameter) = parameter else {
        return None;
    };
    parameter.defexpr.as_ref()?;
    let names = parameter.argType.as_ref()?.names.iter();
    let names = names.filter_map(|name| match name {
        Some(pg::Node::String(name)) => Some(name.as_ref()),
        _ => None,
    });
    Some(names.collect::<Vec<_>>().join(" "))
}
