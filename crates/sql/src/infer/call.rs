//! Calls of functions.

use super::expr::{Shape, either, site};
use super::{Analyser, Result, Taker};
use crate::held::{Called, Returned};
use crate::ir::{Call, Expr, ExprKind};
use crate::refuse::Why;
use crate::scope::Scope;
use crate::types::{Ground, Site, TypeId, Unlisted};

impl<'a> Analyser<'a, '_, '_> {
    pub(super) fn call(
        &mut self,
        scope: &Scope<'_, 'a>,
        call: &'a Call<'a>,
        at: usize,
    ) -> Result<TypeId> {
        let name = call.parts.last().copied().unwrap_or_default();
        let schema = match call.parts.as_slice() {
            [_] => None,
            [schema, _] => Some(*schema),
            _ => Some(""),
        };
        let single = call.args.len() == 1
            && !call.star
            && !call.distinct
            && !call.variadic
            && !call.named_args
            && call.over.is_none()
            && call.filter.is_none()
            && call.order.is_empty();
        // A call of one argument by a bare name may be a column reference (`email(u)`): its name
        // is left to the tripwire.
        if !(schema.is_none() && single) {
            self.account_all(&call.names);
        }
        self.condition(scope, call.filter.as_ref())?;
        self.plain_all(scope, &call.order, Why::Clause("ORDER BY"))?;
        if let Some(window) = &call.over {
            self.window(scope, window)?;
        }
        if let Some(called) = self.resolver.called(call)? {
            return self.call_of_cells(scope, call, &called);
        }
        let builtin = schema.is_none_or(|schema| schema == "pg_catalog");
        let usual = builtin && !call.variadic && !call.named_args && !call.within_group;
        let result = || Why::Result(name);
        match (name, call.args.as_slice()) {
            ("count", [arg]) if usual && !call.distinct && self.is_row(scope, arg) => {
                Ok(self.types.plain(result()))
            }
            ("count", [arg]) if usual => {
                let ty = self.value(scope, arg)?;
                if call.distinct {
                    self.types.compare(ty, "count(DISTINCT)", true, at)?;
                }
                Ok(self.types.plain(result()))
            }
            ("array_agg", [arg]) if usual => {
                let ty = self.value(scope, arg)?;
                if call.distinct {
                    self.types.compare(ty, "array_agg(DISTINCT)", true, at)?;
                }
                Ok(self.types.array(ty))
            }
            ("any_value", [arg]) if usual => self.value(scope, arg),
            // These look at what is NULL, never at a value. A constant among them is not expected to
            // be one of an encrypted column, but might be.
            ("num_nulls" | "num_nonnulls", args) if usual && args.iter().all(is_column) => {
                for arg in args {
                    self.value(scope, arg)?;
                }
                Ok(self.types.plain(result()))
            }
            // And these at the shape of an array.
            (
                "cardinality" | "array_ndims" | "array_dims" | "array_length" | "array_lower"
                | "array_upper",
                [arg, rest @ ..],
            ) if usual && single_or_dimension(rest) => {
                let ty = self.value(scope, arg)?;
                let element = self.types.unknown();
                let list = self.types.array(element);
                self.same(ty, list, site(arg))?;
                self.plain_all(scope, rest, Why::Argument(name))?;
                Ok(self.types.plain(result()))
            }
            ("first_value" | "last_value", [arg]) if usual && call.over.is_some() => {
                self.value(scope, arg)
            }
            ("nth_value" | "lag" | "lead", [arg, rest @ ..])
                if usual && call.over.is_some() && rest.len() <= 2 =>
            {
                let ty = self.value(scope, arg)?;
                if let Some(offset) = rest.first() {
                    self.plain(scope, offset, Why::Argument(name))?;
                }
                if let Some(default) = rest.get(1) {
                    let other = self.value(scope, default)?;
                    self.same(ty, other, either(arg, default))?;
                }
                Ok(ty)
            }
            ("unnest", [arg]) if usual && single => {
                let ty = self.value(scope, arg)?;
                let element = self.types.unknown();
                let list = self.types.array(element);
                self.same(ty, list, site(arg))?;
                self.note_bare(Taker::Unnest, ty, std::slice::from_ref(arg), arg.at);
                Ok(element)
            }
            _ => {
                self.plain_all(scope, &call.args, Why::Argument(name))?;
                Ok(self.types.plain(result()))
            }
        }
    }

    /// A call of a function of the database's own that takes or returns cells: no value of the
    /// client's may meet them.
    fn call_of_cells(
        &mut self,
        scope: &Scope<'_, 'a>,
        call: &'a Call<'a>,
        called: &Called<'a>,
    ) -> Result<TypeId> {
        let name = call.parts.last().copied().unwrap_or_default();
        let cells = |ty| Unlisted::outside(called.path, ty);
        for (at, arg) in call.args.iter().enumerate() {
            if called.takes(at, call.named_args) {
                let shape = self.shape(scope, arg)?;
                self.given_to(&shape, cells(0), Why::Argument(name), site(arg))?;
            } else {
                self.plain(scope, arg, Why::Argument(name))?;
            }
        }
        Ok(match called.returned {
            Returned::Plain => self.types.plain(Why::Result(name)),
            Returned::Value(ty) => self.types.unlisted(cells(ty)),
            Returned::Rows(relation) => {
                let ty = self.resolver.row_type(relation);
                self.types.unlisted(cells(ty))
            }
            Returned::Columns(_) | Returned::Unclear => self.types.unlisted(cells(0)),
        })
    }

    /// A value for what takes cells.
    pub(super) fn given_to(
        &mut self,
        shape: &Shape,
        cells: Unlisted<'a>,
        why: Why<'a>,
        site: Site,
    ) -> Result<()> {
        match shape {
            Shape::Row(fields) => fields
                .iter()
                .try_for_each(|field| self.given_to(field, cells, why, site)),
            Shape::Value(ty) => match self.types.ground(*ty) {
                Ground::Sealed(_) | Ground::Array(_) | Ground::Deep => {
                    self.require_plain(*ty, why, site)
                }
                Ground::Plain | Ground::Unlisted => {
                    let cells = self.types.unlisted(cells);
                    self.same(*ty, cells, site)
                }
            },
        }
    }
}

const fn is_column(expr: &Expr<'_>) -> bool {
    matches!(
        expr.kind,
        ExprKind::Column { star: false, .. } | ExprKind::Field { .. }
    )
}

/// The arguments of a function of an array behind the array: none, or a dimension.
const fn single_or_dimension(rest: &[Expr<'_>]) -> bool {
    rest.len() <= 1
}
