//! Names of columns, whole rows and fields.

use super::{Analyser, Result};
use crate::ir::{Expr, ExprKind, Name};
use crate::plan::{Refusal, RefusalKind};
use crate::refuse::{self, Finish, Path, Why, invalid, refuse};
use crate::scope::{Found, Item, Scope};
use crate::types::{Site, TypeId, Unlisted};

impl<'a> Analyser<'a, '_, '_> {
    pub(super) fn column(
        &mut self,
        scope: &Scope<'_, 'a>,
        parts: &'a [Name<'a>],
        star: bool,
        at: usize,
    ) -> Result<TypeId> {
        if star {
            return Err(refuse::construct("`*` in this place", Some(at)).into());
        }
        self.account_all(parts);
        let (qualifier, name) = match parts {
            [name] => {
                return match scope.column(name.text) {
                    Found::Nothing => self.whole_row(scope, None, name, at),
                    found => {
                        let hidden = scope.hidden_by_catalogue(name.text);
                        let hidden = hidden.into_iter().map(|ty| (ty, name.text, at));
                        self.hidden.extend(hidden);
                        self.found(found, name, at)
                    }
                };
            }
            [relation, name] => ((None, relation), name),
            [schema, relation, name] | [_, schema, relation, name] => {
                ((Some(schema.text), relation), name)
            }
            _ => return Err(unknown_name(parts, at).into()),
        };
        let (schema, relation) = qualifier;
        match scope.relation(schema, relation.text) {
            Ok(Some(item)) => match item.column(name.text) {
                Found::Nothing => Err(attribute_notation(item, name, at).into()),
                found => self.found(found, name, at),
            },
            Ok(None) => match parts {
                // `schema.relation` as a whole row.
                [schema, relation] => self.whole_row(scope, Some(schema), relation, at),
                _ => Err(unknown_name(parts, at).into()),
            },
            Err(why) => Err(unknown_name(parts, at).detail(why).into()),
        }
    }

    pub(super) fn found(
        &mut self,
        found: Found<'_, 'a>,
        name: &'a Name<'a>,
        at: usize,
    ) -> Result<TypeId> {
        match found {
            Found::Column(column) => self.reference(column, at),
            Found::Open => {
                self.open.push((name.text, at));
                Ok(self.types.plain(Why::Column(Path::Name(name.text))))
            }
            Found::System => Ok(self.types.plain(Why::Column(Path::Name(name.text)))),
            Found::Ambiguous => {
                let words = format!("column reference \"{}\" is ambiguous", name.text);
                Err(invalid("42702", words).at(at).into())
            }
            Found::Shadows(outer) => Err(hides(name.text, &self.path_of(outer), at).into()),
            Found::Nothing => Err(unknown_name(std::slice::from_ref(name), at).into()),
        }
    }

    /// A name that is no column may be a relation: its row as one value.
    fn whole_row(
        &mut self,
        scope: &Scope<'_, 'a>,
        schema: Option<&'a Name<'a>>,
        relation: &'a Name<'a>,
        at: usize,
    ) -> Result<TypeId> {
        let found = scope.relation(schema.map(|schema| schema.text), relation.text);
        let Ok(Some(item)) = found else {
            return Err(unknown_name(std::slice::from_ref(relation), at).into());
        };
        for column in item.columns.iter() {
            let ty = self.reference(column, at)?;
            let site = Site { at, param: None };
            let why = Why::Clause("a whole row");
            if self.types.require_plain(ty, why, site).is_err() {
                return Err(refuse::whole_row(item.row_path, at).into());
            }
        }
        Ok(self.types.plain(Why::Column(Path::Name(relation.text))))
    }

    /// `(relation).field` is the column `relation.field`. Where the name is a column, it is one of a
    /// composite type, which cannot be encrypted.
    pub(super) fn field(
        &mut self,
        scope: &Scope<'_, 'a>,
        relation: &'a Name<'a>,
        field: Option<&'a Name<'a>>,
        at: usize,
    ) -> Result<TypeId> {
        let found = scope.column(relation.text);
        let Some(field) = field else {
            return Err(refuse::construct("expansion of a composite value", Some(at)).into());
        };
        self.account(relation);
        if !matches!(found, Found::Nothing) {
            // The field's name is left to the tripwire: only a relation's columns are known here.
            let ty = self.found(found, relation, at)?;
            if let Some(unlisted) = self.types.as_unlisted(ty) {
                return self.part(unlisted, Some(field.text));
            }
            let what = "a field selection";
            let site = Site { at, param: None };
            self.require_plain(ty, Why::Operand(what), site)?;
            return Ok(self.types.plain(Why::OperatorResult(what)));
        }
        match scope.relation(None, relation.text) {
            Ok(Some(item)) => match item.column(field.text) {
                Found::Nothing => Err(attribute_notation(item, field, at).into()),
                found => {
                    self.account(field);
                    self.found(found, field, at)
                }
            },
            _ => Err(unknown_name(std::slice::from_ref(relation), at).into()),
        }
    }

    /// A field of a composite value that holds cells, or an element of an array of such.
    pub(super) fn part(&mut self, of: Unlisted<'a>, field: Option<&'a str>) -> Result<TypeId> {
        let fields = match field {
            Some(_) => self.resolver.fields_of(of.ty)?,
            None => None,
        };
        let Some((fields, name)) = fields.zip(field) else {
            return Ok(self.types.unlisted(Unlisted { ty: 0, ..of }));
        };
        Ok(match fields.into_iter().find(|field| field.0 == name) {
            Some((_, Some(ty))) => self.types.unlisted(Unlisted { ty, ..of }),
            Some((_, None)) => self.types.plain(Why::Column(Path::Name(name))),
            None => self.types.unlisted(Unlisted { ty: 0, ..of }),
        })
    }

    /// Whether an expression is a relation's row and nothing else; its names are accounted for then.
    pub(super) fn is_row(&mut self, scope: &Scope<'_, 'a>, expr: &'a Expr<'a>) -> bool {
        let ExprKind::Column { parts, star } = &expr.kind else {
            return false;
        };
        let relation = match parts.as_slice() {
            [name] if *star || matches!(scope.column(name.text), Found::Nothing) => {
                scope.relation(None, name.text)
            }
            _ => return false,
        };
        let is_row = matches!(relation, Ok(Some(_)));
        if is_row {
            self.account_all(parts);
        }
        is_row
    }
}

/// A column of an inner query that only the catalogue knows of, where an outer one has an encrypted
/// column of that name.
pub(crate) fn hides(name: &str, outer: &str, at: usize) -> Refusal {
    refuse(
        RefusalKind::Name,
        format!("refusing to take `{name}` for a plain column here"),
    )
    .detail(format!(
        "only the server's catalogue says that it is not the encrypted `{outer}`"
    ))
    .hint("qualify the column with its relation")
    .at(at)
}

/// A name that is no column: it does not exist, or its relation is none of the statement's
/// (`transformColumnRef`).
fn unknown_name(parts: &[Name<'_>], at: usize) -> Refusal {
    let path: Vec<&str> = parts.iter().map(|part| part.text).collect();
    let refusal = match path.as_slice() {
        [name] => invalid("42703", format!("column \"{name}\" does not exist")),
        [relation, ..] => {
            let relation = path.get(path.len() - 2).unwrap_or(relation);
            missing_relation(relation)
        }
        [] => invalid("42703", "column does not exist"),
    };
    refusal.at(at)
}

/// A relation that qualifies a name and is not in FROM.
pub(super) fn missing_relation(name: &str) -> Refusal {
    invalid(
        "42P01",
        format!("missing FROM-clause entry for table \"{name}\""),
    )
}

/// `u.label` where `u` has no such column: the server would then look for a function of that name.
fn attribute_notation(item: &Item<'_>, name: &Name<'_>, at: usize) -> Refusal {
    let relation = item.name.map_or(item.row_path, Path::Name);
    invalid(
        "42703",
        format!("column {relation}.{} does not exist", name.text),
    )
    .detail("a function of that name is not called on a whole row with encrypted columns")
    .at(at)
}
