//! PREPARE and EXECUTE, DECLARE and FETCH: statements whose values and rows are those of another.

use std::sync::Arc;

use sealwire_core::types::DeclaredType;
use sealwire_core::value::Usage;

use super::{One, Outcome, finish};
use crate::ir::{Declare, Execute, Prepare};
use crate::parse::{Lexeme, Tokens};
use crate::plan::{CheckedPlan, Edit, Outputs, Param, Plan, Refusal, RefusalKind, Replacement};
use crate::refuse::{Finish, Why, refuse};
use crate::relation::Stop;
use crate::scope::{Ctes, Scope};
use crate::session::{Definition, Named, Names};
use crate::splice::suits;
use crate::types::Site;

impl<'a, 'c: 'a> One<'a, 'c, '_> {
    /// `PREPARE`: the statement behind `AS` is planned, and its sealed parameters are declared as the
    /// cells that `EXECUTE` will pass.
    pub(super) fn prepare(
        &mut self,
        prepare: &'a Prepare<'a>,
        protected: bool,
    ) -> Result<Outcome, Stop> {
        let name = prepare.name.clone();
        let range = self.statement.range.clone();
        if !protected {
            self.definition = Some(Definition::Prepare {
                name,
                plan: None,
                range,
            });
            return Ok(Outcome::Untouched);
        }
        let Outcome::Planned {
            outputs,
            params,
            mut edits,
            relations,
            ..
        } = self.query(&prepare.query)?
        else {
            return Ok(Outcome::Untouched);
        };
        let declaration = self.declaration(prepare, &params)?;
        let plan = Plan {
            params,
            statements: vec![outputs],
            relations: relations.clone(),
            ..Plan::default()
        };
        self.definition = Some(Definition::Prepare {
            name,
            plan: Some(Arc::new(CheckedPlan(plan))),
            range,
        });
        edits.extend(declaration);
        edits.sort_by_key(|edit| edit.range.start);
        Ok(Outcome::Planned {
            outputs: Outputs::Columns(Vec::new()),
            params: Vec::new(),
            edits,
            relations,
            untyped: Vec::new(),
        })
    }

    /// The name and the types of `PREPARE`, written anew with `bytea` for what is sealed.
    fn declaration(
        &self,
        prepare: &'a Prepare<'a>,
        params: &[Param],
    ) -> Result<Option<Edit>, Refusal> {
        if !params.iter().any(|p| matches!(p, Param::Sealed { .. })) {
            return Ok(None);
        }
        let unreadable = || {
            refuse(
                RefusalKind::UnsupportedConstruct,
                "refusing to run PREPARE whose parameter types cannot be located",
            )
            .hint("leave the list of types out, or prepare the statement through the protocol")
            .at(self.statement.range.start)
        };
        let (name, written, end) =
            written_types(self.tokens, self.statement.range.start).ok_or_else(unreadable)?;
        if written.len() != prepare.types.len() {
            return Err(unreadable());
        }
        let slice = |range: &std::ops::Range<usize>| self.text.get(range.clone());
        let mut types = Vec::with_capacity(params.len().max(written.len()));
        for at in 0..params.len().max(written.len()) {
            let declared = prepare.types.get(at);
            let ty = match (params.get(at), declared) {
                (Some(&Param::Sealed { column, array, .. }), declared) => {
                    let spec = self.resolver.context.policy.column(column);
                    if let Some(declared) = declared
                        && !is_unknown(declared)
                        && (declared.array != (array || spec.ty.is_array())
                            || !suits(declared, spec))
                    {
                        return Err(misdeclared(at + 1, &spec.path(), spec.ty, declared.at));
                    }
                    if array {
                        "pg_catalog.bytea[]"
                    } else {
                        "pg_catalog.bytea"
                    }
                }
                (_, Some(_)) => written.get(at).and_then(slice).ok_or_else(unreadable)?,
                (_, None) => "unknown",
            };
            types.push(ty);
        }
        let text = self.text.get(name.clone()).ok_or_else(unreadable)?;
        Ok(Some(Edit {
            range: name.start..end,
            replacement: Replacement::Text(format!("{text} ({})", types.join(", "))),
        }))
    }

    /// `EXECUTE`: an argument for a sealed parameter is a literal, and is sealed where it stands.
    pub(super) fn execute(&mut self, execute: &'a Execute<'a>) -> Result<Outcome, Stop> {
        let (text, tokens, script, statement) =
            (self.text, self.tokens, self.script, self.statement);
        let start = statement.range.start;
        let plan = match self.names.prepared(&execute.name) {
            None => return Ok(Outcome::Untouched),
            Some(Named::Planned(plan)) => plan,
            Some(Named::Failed) => {
                return Err(refuse(
                    RefusalKind::NotPrepared,
                    format!(
                        "refusing to execute `{}`, which was not prepared",
                        execute.name
                    ),
                )
                .detail("its values would go to whatever else has that name")
                .hint("prepare the statement again")
                .at(start)
                .into());
            }
        };
        self.executes.push(execute.name.clone());
        let mut analyser = self.analyser();
        analyser.arguments = true;
        let ctes = Ctes {
            parent: None,
            list: Vec::new(),
        };
        let scope = Scope::new(None, &ctes);
        for (at, arg) in execute.args.iter().enumerate() {
            let site = Site {
                at: arg.at,
                param: None,
            };
            match plan.params.get(at) {
                Some(&Param::Sealed {
                    column,
                    array,
                    usage,
                    also_compared,
                    ..
                }) => {
                    let ty = analyser.value(&scope, arg)?;
                    let mut cells = match usage {
                        Usage::Compare => analyser.types.operand(column),
                        Usage::Assign | Usage::Choose => analyser.types.sealed(column),
                    };
                    if usage == Usage::Assign {
                        analyser.types.assign(cells, column, arg.at);
                    }
                    if also_compared {
                        analyser.types.compare(cells, "EXECUTE", true, arg.at)?;
                    }
                    if array {
                        cells = analyser.types.array(cells);
                    }
                    analyser.types.unify(ty, cells, site)?;
                }
                _ => analyser.plain(&scope, arg, Why::Argument("EXECUTE"))?,
            }
        }
        if !analyser.params.is_empty() {
            return Err(refuse(
                RefusalKind::UnsupportedConstruct,
                "refusing to run EXECUTE with parameters of the protocol",
            )
            .detail("the server does not type them when it parses the statement")
            .hint("write the values as literals, or bind the prepared statement itself")
            .at(start)
            .into());
        }
        let outputs = match plan.statements.first() {
            Some(outputs) => outputs.clone(),
            None => Outputs::Columns(Vec::new()),
        };
        let mut outcome = finish(text, tokens, script, statement, &mut analyser, Vec::new())?;
        let sealed =
            matches!(&outputs, Outputs::Columns(list) if list.iter().any(|o| o.column.is_some()));
        if execute.stored && sealed {
            return Err(refuse(
                RefusalKind::UnsupportedConstruct,
                "refusing to run CREATE TABLE AS EXECUTE on a protected relation",
            )
            .detail("the new relation would hold an unprotected copy of an encrypted column")
            .hint("leave encrypted columns out of the select list")
            .at(start)
            .into());
        }
        if let Outcome::Planned {
            outputs: slot,
            relations,
            ..
        } = &mut outcome
        {
            relations.clone_from(&plan.relations);
            *slot = match execute.stored {
                true => Outputs::Columns(Vec::new()),
                false => outputs,
            };
        }
        Ok(outcome)
    }

    /// `DECLARE`: its query is planned, and `FETCH` will show what it says.
    pub(super) fn declare(
        &mut self,
        declare: &'a Declare<'a>,
        protected: bool,
    ) -> Result<Outcome, Stop> {
        let mut outcome = match protected {
            true => self.query(&declare.query)?,
            false => Outcome::Untouched,
        };
        let plan = match &mut outcome {
            Outcome::Untouched | Outcome::Copy { .. } => None,
            Outcome::Planned {
                outputs, relations, ..
            } => {
                // The statement itself returns nothing.
                let rows = std::mem::replace(outputs, Outputs::Columns(Vec::new()));
                Some(Arc::new(CheckedPlan(Plan {
                    statements: vec![rows],
                    relations: relations.clone(),
                    ..Plan::default()
                })))
            }
        };
        self.definition = Some(Definition::Declare {
            name: declare.name.clone(),
            plan,
            hold: declare.hold,
        });
        Ok(outcome)
    }

    pub(super) fn fetch(&mut self, name: &str, is_move: bool) -> Outcome {
        match self.names.cursor(name) {
            None | Some(Outputs::Untouched) => Outcome::Untouched,
            Some(outputs) => {
                self.uses_cursor = true;
                Outcome::Planned {
                    outputs: match is_move {
                        true => Outputs::Columns(Vec::new()),
                        false => outputs,
                    },
                    params: Vec::new(),
                    edits: Vec::new(),
                    relations: Vec::new(),
                    untyped: Vec::new(),
                }
            }
        }
    }
}

fn is_unknown(ty: &crate::ir::TypeName<'_>) -> bool {
    let last = ty.parts.last().map(|part| part.text);
    !ty.array && !ty.odd && ty.modifiers.is_empty() && last == Some("unknown")
}

fn misdeclared(number: usize, path: &str, ty: DeclaredType, at: usize) -> Refusal {
    refuse(
        RefusalKind::Cast,
        format!("refusing to run PREPARE with another type for parameter ${number} than encrypted column `{path}` has"),
    )
    .detail(format!("the column's type is `{ty}`"))
    .hint("declare the column's own type, or none")
    .at(at)
}

type Range = std::ops::Range<usize>;

/// Where the name of a `PREPARE` stands, each of its types, and where name and types end.
fn written_types(tokens: &Tokens<'_>, start: usize) -> Option<(Range, Vec<Range>, usize)> {
    let first = tokens.iter().position(|token| token.start >= start)?;
    if !tokens.get(first)?.is_keyword("prepare") {
        return None;
    }
    let name = tokens.get(first + 1)?;
    let mut list = Vec::new();
    let mut at = first + 2;
    let mut end = name.end;
    if tokens.get(at)?.is_char(b'(') {
        loop {
            let after = tokens.after_type_name(at + 1)?;
            let (first, last) = (tokens.get(at + 1)?, tokens.get(after.checked_sub(1)?)?);
            list.push(first.start..last.end);
            at = after;
            match tokens.get(at)?.lexeme {
                Lexeme::Char(b',') => {}
                Lexeme::Char(b')') => break,
                _ => return None,
            }
        }
        end = tokens.get(at)?.end;
        at += 1;
    }
    tokens
        .get(at)?
        .is_keyword("as")
        .then_some((name.start..name.end, list, end))
}
