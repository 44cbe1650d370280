//! Types of the database's own that hold cells, and functions that take or return some.

use std::rc::Rc;

use sealwire_core::catalogue::{Function, Relation};
use sealwire_core::types::ScalarType;

use crate::ir::{Call, RelationRef, TypeName};
use crate::refuse::{Finish, Path, invalid};
use crate::relation::{RelationInfo, Resolver, Stop};

/// `pg_type.oid` of `record`.
const RECORD: u32 = 2249;

/// A column of a composite value, and the type that it has if that holds cells.
pub(crate) type Field<'c> = (&'c str, Option<u32>);

/// What a call gives.
#[derive(Clone, Debug)]
pub(crate) enum Returned<'c> {
    /// Nothing with cells in it.
    Plain,
    /// One value of this type.
    Value(u32),
    /// Rows of the relation with this identifier.
    Rows(u32),
    /// Rows of these columns.
    Columns(Vec<Field<'c>>),
    /// One of several, or not known.
    Unclear,
}

impl Returned<'_> {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain, Self::Plain) | (Self::Unclear, Self::Unclear) => true,
            (Self::Value(one), Self::Value(other)) | (Self::Rows(one), Self::Rows(other)) => {
                one == other
            }
            (Self::Columns(one), Self::Columns(other)) => one == other,
            _ => false,
        }
    }
}

/// A call of a function that takes or returns cells, as far as its name and the number of its
/// arguments tell.
#[derive(Debug)]
pub(crate) struct Called<'c> {
    pub(crate) path: Path<'c>,
    pub(crate) returned: Returned<'c>,
    /// Which arguments take cells.
    takes: Vec<bool>,
    /// So do the ones behind these.
    takes_more: bool,
}

impl Called<'_> {
    /// Whether an argument takes cells. Under a name it may be any.
    pub(crate) fn takes(&self, at: usize, named: bool) -> bool {
        if named {
            return self.takes_more || self.takes.contains(&true);
        }
        self.takes.get(at).copied().unwrap_or(self.takes_more)
    }
}

impl<'c> Resolver<'c> {
    /// Whether a type holds cells.
    pub(crate) fn type_holds(&mut self, oid: u32) -> Result<bool, Stop> {
        let catalogue = self.context.catalogue;
        for ty in catalogue.cell_type(oid) {
            let holds = match (ty.view, catalogue.by_oid(ty.view)) {
                (0, _) => true,
                (_, Some(view)) => self.describe(view)?.is_protected(),
                // What is not known may.
                (_, None) => true,
            };
            if holds {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The type of this name that holds cells. A name that is one of PostgreSQL's own types means
    /// another only where the search path has its schema first.
    pub(crate) fn named_type(&mut self, ty: &TypeName<'_>) -> Result<Option<u32>, Stop> {
        let (schema, name) = match ty.parts.as_slice() {
            [name] => (None, name.text),
            [.., schema, name] => (Some(schema.text), name.text),
            [] => return Ok(None),
        };
        let path = &self.context.facts.search_path;
        let is_hidden = |of: &str| {
            let place = |schema: &str| path.iter().position(|it| it == schema);
            ScalarType::from_typname(name).is_some()
                && place("pg_catalog").is_some_and(|own| place(of).is_none_or(|at| at > own))
        };
        let catalogue = self.context.catalogue;
        let found: Vec<u32> = catalogue
            .cell_types()
            .filter(|ty| {
                ty.name == name
                    && match schema {
                        Some(schema) => ty.schema == schema,
                        None => !is_hidden(&ty.schema),
                    }
            })
            .map(|ty| ty.oid)
            .collect();
        for oid in found {
            if self.type_holds(oid)? {
                return Ok(Some(oid));
            }
        }
        let is_domain = matches!(name, "deterministic" | "randomized");
        let holds = is_domain && schema.is_none_or(|schema| schema == "sealwire")
            || self.made_types.iter().any(|made| made == name);
        Ok(holds.then_some(0))
    }

    /// Whether a call of this name, with so many arguments, may be of a function that takes or returns
    /// cells.
    pub(crate) fn calls_of(&mut self, call: &RelationRef<'_>, args: usize) -> Result<bool, Stop> {
        let (overloads, is_text) = self.overloads(call.schema, call.name, args);
        for function in overloads {
            if !matches!(self.returned(function)?, Returned::Plain) {
                return Ok(true);
            }
            for &ty in function.arguments.iter().filter(|_| !is_text) {
                if self.type_holds(ty)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The functions that a name can mean in a call with so many arguments, and whether a constant
    /// that is the only one is taken for a text because one of them takes a text
    /// (`func_select_candidate`).
    fn overloads(
        &self,
        schema: Option<&str>,
        name: &str,
        args: usize,
    ) -> (Vec<&'c Function>, bool) {
        let path = &self.context.facts.search_path;
        let can_be = |function: &&Function| {
            let found = match schema {
                Some("pg_temp") => function.schema.starts_with("pg_temp_"),
                Some(schema) => function.schema == schema,
                None => path.contains(&function.schema),
            };
            // Further arguments may have defaults.
            found && (function.variadic || function.arguments.len() >= args)
        };
        let functions = self.context.catalogue.functions(name).iter();
        let overloads: Vec<&Function> = functions.filter(can_be).collect();
        let takes_text = |it: &&Function| match it.arguments.as_slice() {
            [only] => ScalarType::from_oid(*only) == Some(ScalarType::Text),
            _ => false,
        };
        let is_text = args == 1 && overloads.iter().any(takes_text);
        (overloads, is_text)
    }

    /// What a call is, if it may be of a function that takes or returns cells.
    pub(crate) fn called(&mut self, call: &Call<'_>) -> Result<Option<Called<'c>>, Stop> {
        let (schema, name) = match call.parts.as_slice() {
            [name] => (None, *name),
            [.., schema, name] => (Some(*schema), *name),
            [] => return Ok(None),
        };
        let count = call.args.len();
        let (overloads, is_text) = self.overloads(schema, name, count);
        let (mut takes, mut takes_more) = (vec![false; count], false);
        let mut returned: Option<Returned<'c>> = None;
        let mut path = None;
        for function in overloads {
            let own = self.returned(function)?;
            let mut holds = !matches!(own, Returned::Plain);
            for (at, &ty) in function.arguments.iter().enumerate() {
                if !is_text && self.type_holds(ty)? {
                    holds = true;
                    match takes.get_mut(at) {
                        Some(takes) => *takes = true,
                        None if call.named_args => takes_more = true,
                        None => {}
                    }
                    takes_more |= function.variadic && at + 1 == function.arguments.len();
                }
            }
            if takes_more {
                let last = function.arguments.len().saturating_sub(1);
                takes.iter_mut().skip(last).for_each(|it| *it = true);
            }
            if holds {
                path.get_or_insert(Path::Relation(&function.schema, &function.name));
            }
            returned = Some(match returned {
                None => own,
                Some(before) if before.is(&own) => before,
                Some(_) => Returned::Unclear,
            });
        }
        Ok(path.map(|path| Called {
            path,
            returned: returned.unwrap_or(Returned::Plain),
            takes,
            takes_more,
        }))
    }

    fn returned(&mut self, function: &'c Function) -> Result<Returned<'c>, Stop> {
        if function.returns == RECORD {
            let columns = self.fields(&function.columns)?;
            return Ok(match columns.iter().any(|column| column.1.is_some()) {
                true => Returned::Columns(columns),
                false => Returned::Plain,
            });
        }
        if !self.type_holds(function.returns)? {
            return Ok(Returned::Plain);
        }
        let catalogue = self.context.catalogue;
        let Some(ty) = catalogue.cell_type(function.returns).first() else {
            return Ok(Returned::Unclear);
        };
        if ty.row_of == 0 {
            // An `OUT` parameter gives the column its name.
            return Ok(match function.columns.as_slice() {
                [(name, _)] if !name.is_empty() => {
                    Returned::Columns(vec![(name.as_str(), Some(ty.oid))])
                }
                _ => Returned::Value(ty.oid),
            });
        }
        if !ty.columns.is_empty() {
            return Ok(Returned::Columns(self.fields(&ty.columns)?));
        }
        match self.row_of(ty.row_of)? {
            Some(relation) => Ok(Returned::Rows(relation.oid)),
            None => Ok(Returned::Unclear),
        }
    }

    fn fields(&mut self, columns: &'c [(String, u32)]) -> Result<Vec<Field<'c>>, Stop> {
        let field = |(name, ty): &'c (String, u32)| {
            let holds = self.type_holds(*ty)?;
            Ok((name.as_str(), holds.then_some(*ty)))
        };
        columns.iter().map(field).collect()
    }

    /// The relation whose row a type is, which may not have been asked for yet.
    fn row_of(&self, oid: u32) -> Result<Option<&'c Relation>, Stop> {
        let catalogue = self.context.catalogue;
        if let Some(relation) = catalogue.by_oid(oid) {
            return Ok(Some(relation));
        }
        match catalogue.holders().get(&oid) {
            Some(name) if !self.is_loaded(None, name) => Err(Stop::Needs(vec![name.clone()])),
            _ => Ok(None),
        }
    }

    /// The relation whose rows a call gives.
    pub(crate) fn rows_of(&mut self, oid: u32, at: usize) -> Result<Rc<RelationInfo<'c>>, Stop> {
        match self.row_of(oid)? {
            Some(relation) => self.described_for_use(relation, at),
            // It was there when the call was looked up.
            None => Err(invalid("42P01", "relation does not exist").at(at).into()),
        }
    }

    /// The row type of a relation, or zero.
    pub(crate) fn row_type(&self, relation: u32) -> u32 {
        let mut types = self.context.catalogue.cell_types();
        types
            .find(|ty| ty.row_of == relation)
            .map_or(0, |ty| ty.oid)
    }

    /// The columns of a type that is composite and holds cells.
    pub(crate) fn fields_of(&mut self, oid: u32) -> Result<Option<Vec<Field<'c>>>, Stop> {
        let catalogue = self.context.catalogue;
        let Some(ty) = catalogue.cell_type(oid).first() else {
            return Ok(None);
        };
        if !ty.columns.is_empty() {
            return self.fields(&ty.columns).map(Some);
        }
        if ty.row_of == 0 {
            return Ok(None);
        }
        let Some(relation) = self.row_of(ty.row_of)? else {
            return Ok(None);
        };
        let info = self.describe(relation)?;
        if info.opaque.is_some() {
            return Ok(None);
        }
        let columns = info.columns.iter().map(|column| {
            let holds = column.column.is_some() || column.unlisted;
            let attribute = relation.attribute(column.name);
            let ty = attribute.map_or(0, |attribute| attribute.type_oid);
            (column.name, holds.then_some(ty))
        });
        Ok(Some(columns.collect()))
    }
}
