//! Expressions.

use sealwire_core::types::{DeclaredType, Family, ScalarType};

use super::{Analyser, ArrayUse, BareUse, CastOperand, CastUse, LiteralUse, Result, Taker, Voice};
use crate::ir::{
    CastForm, Expr, ExprKind, Literal, LiteralClass, Operator, Query, Sublink, TypeName,
};
use crate::refuse::{self, Finish, Path, Why, invalid};
use crate::relation::Stop;
use crate::scope::Scope;
use crate::types::{Ground, Site, TypeId, Unlisted};

/// What an expression gives.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Value(TypeId),
    Row(Vec<Self>),
}

/// Whether an expression is a constant, with a cast or without.
fn literal_of(expr: &Expr<'_>) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Cast { arg, .. } => literal_of(arg),
        _ => false,
    }
}

/// The parameter that an expression is, if it is one.
fn param_of(expr: &Expr<'_>) -> Option<u32> {
    match &expr.kind {
        ExprKind::Param { number, .. } => Some(*number),
        ExprKind::Cast { arg, .. } => param_of(arg),
        _ => None,
    }
}

/// Whether an expression is a value of the client's.
fn is_value(expr: &Expr<'_>) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Param { .. } | ExprKind::Null => true,
        ExprKind::Cast { arg, .. } => is_value(arg),
        _ => false,
    }
}

/// Whether an expression is a value of the client's, or an array that the statement puts together.
fn makes_array(expr: &Expr<'_>) -> bool {
    match &expr.kind {
        ExprKind::Array(..) => true,
        ExprKind::Cast { arg, .. } => makes_array(arg),
        _ => is_value(expr),
    }
}

pub(super) fn site(expr: &Expr<'_>) -> Site {
    Site {
        at: expr.at,
        param: param_of(expr),
    }
}

impl<'a> Analyser<'a, '_, '_> {
    /// An expression that must give one value.
    pub(crate) fn value(&mut self, scope: &Scope<'_, 'a>, expr: &'a Expr<'a>) -> Result<TypeId> {
        match self.shape(scope, expr)? {
            Shape::Value(ty) => Ok(ty),
            row @ Shape::Row(_) => {
                // A row value as one column: what is inside cannot be sealed or opened.
                self.plain_shape(&row, Why::Clause("a row value"), site(expr))?;
                Ok(self.types.plain(Why::Clause("a row value")))
            }
        }
    }

    fn plain_shape(&mut self, shape: &Shape, why: Why<'a>, site: Site) -> Result<()> {
        match shape {
            Shape::Value(ty) => self.require_plain(*ty, why, site),
            Shape::Row(fields) => fields
                .iter()
                .try_for_each(|field| self.plain_shape(field, why, site)),
        }
    }

    /// An expression that must be plain.
    pub(crate) fn plain(
        &mut self,
        scope: &Scope<'_, 'a>,
        expr: &'a Expr<'a>,
        why: Why<'a>,
    ) -> Result<()> {
        let shape = self.shape(scope, expr)?;
        self.plain_shape(&shape, why, site(expr))
    }

    pub(super) fn plain_all(
        &mut self,
        scope: &Scope<'_, 'a>,
        exprs: &'a [Expr<'a>],
        why: Why<'a>,
    ) -> Result<()> {
        exprs
            .iter()
            .try_for_each(|expr| self.plain(scope, expr, why))
    }

    /// A condition: `WHERE`, `ON`, `HAVING`, `FILTER`, `WHEN`.
    pub(super) fn condition(
        &mut self,
        scope: &Scope<'_, 'a>,
        expr: Option<&'a Expr<'a>>,
    ) -> Result<()> {
        match expr {
            Some(expr) => self.plain(scope, expr, Why::Clause("a condition")),
            None => Ok(()),
        }
    }

    pub(super) fn same(&mut self, a: TypeId, b: TypeId, site: Site) -> Result<()> {
        Ok(self.types.unify(a, b, site)?)
    }

    /// Expressions of which one is the result.
    fn same_all(&mut self, scope: &Scope<'_, 'a>, exprs: &[&'a Expr<'a>]) -> Result<TypeId> {
        let result = self.types.unknown();
        let nothing = exprs.iter().all(|expr| matches!(expr.kind, ExprKind::Null));
        for expr in exprs {
            let ty = match nothing {
                true => self.detached(|it| it.value(scope, expr))?,
                false => self.value(scope, expr)?,
            };
            self.types.choose(result, ty, site(expr))?;
        }
        Ok(result)
    }

    /// Two shapes that are compared for equality.
    pub(super) fn equal(
        &mut self,
        left: &Shape,
        right: &Shape,
        what: &'static str,
        qualified: bool,
        site: Site,
    ) -> Result<()> {
        match (left, right) {
            (Shape::Value(a), Shape::Value(b)) => {
                self.types.equate(*a, *b, site)?;
                self.types.compare(*a, what, qualified, site.at)?;
                Ok(self.types.compare(*b, what, qualified, site.at)?)
            }
            (Shape::Row(a), Shape::Row(b)) if a.len() == b.len() => a
                .iter()
                .zip(b)
                .try_for_each(|(a, b)| self.equal(a, b, what, qualified, site)),
            _ => {
                let why = Why::Operand(what);
                self.plain_shape(left, why, site)?;
                self.plain_shape(right, why, site)
            }
        }
    }

    fn operator_result(&mut self, what: &'a str) -> Shape {
        Shape::Value(self.types.plain(Why::OperatorResult(what)))
    }

    pub(super) fn shape(&mut self, scope: &Scope<'_, 'a>, expr: &'a Expr<'a>) -> Result<Shape> {
        let ty = match &expr.kind {
            ExprKind::Param { number, .. } => self.param(*number),
            ExprKind::Null => {
                let ty = self.types.unknown();
                if self.detached {
                    self.nulls.push((ty, expr.at));
                }
                ty
            }
            ExprKind::Default => {
                return Err(refuse::construct("DEFAULT in this place", Some(expr.at)).into());
            }
            ExprKind::Literal(literal) => {
                let ty = self.types.unknown();
                self.literals.push(LiteralUse {
                    literal,
                    ty,
                    at: expr.at,
                });
                ty
            }
            ExprKind::Column { parts, star } => self.column(scope, parts, *star, expr.at)?,
            ExprKind::Field { relation, field } => {
                self.field(scope, relation, field.as_ref(), expr.at)?
            }
            ExprKind::Cast { arg, ty, form } => self.cast(scope, arg, ty, form, expr.at)?,
            ExprKind::Binary {
                operator,
                left,
                right,
            } => return self.binary(scope, operator, left.as_deref(), right, expr.at),
            ExprKind::Distinct(left, right) => {
                self.equal_exprs(scope, left, right, "IS DISTINCT FROM")?;
                return Ok(self.operator_result("IS DISTINCT FROM"));
            }
            ExprKind::NullIf(left, right) => {
                let shape = self.equal_exprs(scope, left, right, "NULLIF")?;
                let Shape::Value(ty) = shape else {
                    return Ok(shape);
                };
                let Ground::Sealed(sealed) = self.types.ground(ty) else {
                    return Ok(shape);
                };
                // PostgreSQL compares a `cidr` as `inet`, and that is what the result is then.
                let spec = self.resolver.context.policy.column(sealed.column);
                if spec.ty == DeclaredType::new(ScalarType::Cidr) {
                    let what = "NULLIF, which makes an `inet` of a `cidr`,";
                    return Err(refuse::construct(what, Some(expr.at)).into());
                }
                // The result is the left side; what it is compared with goes nowhere, and is not
                // coerced to the column that the result is stored in.
                if param_of(left).is_some() || literal_of(left) {
                    return Ok(shape);
                }
                return Ok(Shape::Value(self.types.some_of(ty, sealed.column)));
            }
            ExprKind::In {
                operator,
                left,
                list,
            } => {
                return self.in_list(scope, operator, left, list);
            }
            ExprKind::Quantified {
                operator,
                left,
                array,
            } => return self.quantified(scope, operator, left, array, expr.at),
            ExprKind::Sublink {
                kind,
                test,
                operator,
                query,
            } => {
                let test = test.as_deref();
                return self.sublink(scope, *kind, test, operator.as_ref(), query, expr.at);
            }
            ExprKind::Bool { what, args } => {
                self.plain_all(scope, args, Why::Clause("a condition"))?;
                return Ok(self.operator_result(what));
            }
            ExprKind::NullTest(arg) => {
                // A cell is NULL where its value is, so that a row of them can be tested as well.
                if !self.is_row(scope, arg) {
                    self.shape(scope, arg)?;
                }
                return Ok(self.operator_result("IS NULL"));
            }
            ExprKind::Case {
                arg,
                whens,
                default,
            } => self.case(scope, arg.as_deref(), whens, default.as_deref())?,
            ExprKind::Coalesce(args) => {
                let args: Vec<&Expr<'a>> = args.iter().collect();
                self.same_all(scope, &args)?
            }
            ExprKind::Array(elements, _) => {
                let elements: Vec<&Expr<'a>> = elements.iter().collect();
                let element = self.same_all(scope, &elements)?;
                self.types.array(element)
            }
            ExprKind::Row(fields) => {
                let fields = fields
                    .iter()
                    .map(|field| self.shape(scope, field))
                    .collect::<Result<_>>()?;
                return Ok(Shape::Row(fields));
            }
            ExprKind::Call(call) => self.call(scope, call, expr.at)?,
            ExprKind::Inner {
                base,
                steps,
                subscripts,
            } => {
                let what = "a subscript or field selection";
                self.plain_all(scope, subscripts, Why::Operand(what))?;
                let mut ty = self.value(scope, base)?;
                for step in steps {
                    let Some(unlisted) = self.types.as_unlisted(ty) else {
                        break;
                    };
                    ty = self.part(unlisted, *step)?;
                }
                if self.types.as_unlisted(ty).is_some() {
                    ty
                } else {
                    self.require_plain(ty, Why::Operand(what), site(base))?;
                    return Ok(self.operator_result(what));
                }
            }
            ExprKind::Plain { what, args } => {
                self.plain_all(scope, args, Why::Operand(what))?;
                return Ok(self.operator_result(what));
            }
            ExprKind::Grouping(args) => {
                for arg in args {
                    self.shape(scope, arg)?;
                }
                return Ok(self.operator_result("GROUPING"));
            }
        };
        Ok(Shape::Value(ty))
    }

    fn param(&mut self, number: u32) -> TypeId {
        *self.param_uses.entry(number).or_default() += 1;
        if let Some(ty) = self.params.get(&number) {
            return *ty;
        }
        let ty = self.types.unknown();
        self.params.insert(number, ty);
        ty
    }

    fn equal_exprs(
        &mut self,
        scope: &Scope<'_, 'a>,
        left: &'a Expr<'a>,
        right: &'a Expr<'a>,
        what: &'static str,
    ) -> Result<Shape> {
        let a = self.shape(scope, left)?;
        let b = self.shape(scope, right)?;
        self.equal(&a, &b, what, false, either(left, right))?;
        self.note_arrays([left, right], &a, what, right.at);
        Ok(a)
    }

    /// Notes a comparison whose operands may be arrays, one of them put together in the statement.
    fn note_arrays(
        &mut self,
        operands: [&Expr<'a>; 2],
        shape: &Shape,
        what: &'static str,
        at: usize,
    ) {
        let ty = match shape {
            Shape::Value(ty) => ty,
            Shape::Row(shapes) => {
                if let [ExprKind::Row(left), ExprKind::Row(right)] = operands.map(|it| &it.kind) {
                    for ((left, right), shape) in left.iter().zip(right).zip(shapes) {
                        self.note_arrays([left, right], shape, what, at);
                    }
                }
                return;
            }
        };
        let made = operands.map(makes_array);
        if made.contains(&true) {
            let ends = operands.iter().filter_map(|operand| match &operand.kind {
                ExprKind::Array(_, end) => *end,
                _ => None,
            });
            self.arrays.push(ArrayUse {
                ty: *ty,
                what,
                both: made == [true, true],
                ends: ends.collect(),
                at,
            });
        }
    }

    fn binary(
        &mut self,
        scope: &Scope<'_, 'a>,
        operator: &'a Operator<'a>,
        left: Option<&'a Expr<'a>>,
        right: &'a Expr<'a>,
        at: usize,
    ) -> Result<Shape> {
        // `(a, b) = (SELECT …)` is a row comparison, not one with a single value
        // (`transformAExprOp`).
        if let Some(left) = left
            && let ExprKind::Row(_) = &left.kind
            && let ExprKind::Sublink {
                kind: Sublink::Scalar,
                query,
                ..
            } = &right.kind
        {
            let kind = Sublink::Row;
            return self.sublink(scope, kind, Some(left), Some(operator), query, at);
        }
        match left {
            Some(left) if operator.is_equality() => {
                let a = self.shape(scope, left)?;
                let b = self.shape(scope, right)?;
                let mut site = either(left, right);
                site.at = at;
                let what = equality_word(operator, "=");
                self.equal(&a, &b, what, operator.schema.is_some(), site)?;
                self.note_arrays([left, right], &a, what, at);
            }
            _ => {
                let why = Why::Operand(operator.name);
                if let Some(left) = left {
                    self.plain(scope, left, why)?;
                }
                self.plain(scope, right, why)?;
            }
        }
        Ok(self.operator_result(operator.name))
    }

    /// `x IN (…)`. PostgreSQL makes an array of the values of a list, and so one type of theirs and
    /// that of `x`, where there are several (`transformAExprIn`).
    fn in_list(
        &mut self,
        scope: &Scope<'_, 'a>,
        operator: &'a Operator<'a>,
        left: &'a Expr<'a>,
        list: &'a [Expr<'a>],
    ) -> Result<Shape> {
        let shape = self.shape(scope, left)?;
        let what = equality_word(operator, "IN");
        let values = list.iter().filter(|item| is_value(item)).count();
        let mut common = None;
        if let Shape::Value(ty) = shape
            && values > 1
        {
            let ty_of_all = self.types.unknown();
            self.types.choose(ty_of_all, ty, site(left))?;
            common = Some(ty_of_all);
        }
        for item in list {
            let other = self.shape(scope, item)?;
            let site = either(left, item);
            if let (Some(common), Shape::Value(ty)) = (common, &other)
                && is_value(item)
            {
                self.types.choose(common, *ty, site)?;
            }
            self.equal(&shape, &other, what, false, site)?;
            self.note_arrays([left, item], &shape, what, site.at);
        }
        Ok(self.operator_result("IN"))
    }

    fn quantified(
        &mut self,
        scope: &Scope<'_, 'a>,
        operator: &'a Operator<'a>,
        left: &'a Expr<'a>,
        array: &'a Expr<'a>,
        at: usize,
    ) -> Result<Shape> {
        if operator.is_equality() {
            let element = self.value(scope, left)?;
            let list = self.value(scope, array)?;
            let site = Site {
                at,
                ..either(left, array)
            };
            // Elements are compared with the value; they do not become what it is.
            let of_list = self.types.unknown();
            self.types.equate(element, of_list, site)?;
            let of_list = self.types.array(of_list);
            self.types.equate(list, of_list, site)?;
            let qualified = operator.schema.is_some();
            let what = equality_word(operator, "ANY");
            self.types.compare(element, what, qualified, at)?;
            if let ExprKind::Array(elements, _) = &array.kind {
                self.note_bare(Taker::Any, element, elements, at);
            }
        } else {
            let why = Why::Operand(operator.name);
            self.plain(scope, left, why)?;
            self.plain(scope, array, why)?;
        }
        Ok(self.operator_result(operator.name))
    }

    /// Notes values that all leave their type open.
    pub(super) fn note_bare(&mut self, taker: Taker, ty: TypeId, values: &[Expr<'_>], at: usize) {
        let mut params = Vec::new();
        for value in values {
            match &value.kind {
                ExprKind::Param { number, .. } => params.push(*number),
                ExprKind::Literal(literal) if literal.class == LiteralClass::String => {}
                ExprKind::Null => {}
                _ => return,
            }
        }
        if !values.is_empty() {
            self.bare.push(BareUse {
                taker,
                ty,
                params,
                at,
            });
        }
    }

    fn sublink(
        &mut self,
        scope: &Scope<'_, 'a>,
        kind: Sublink,
        test: Option<&'a Expr<'a>>,
        operator: Option<&'a Operator<'a>>,
        query: &'a Query<'a>,
        at: usize,
    ) -> Result<Shape> {
        let test = match test {
            Some(test) => Some((self.shape(scope, test)?, test)),
            None => None,
        };
        let columns = self.detached(|it| it.query(query, Some(scope), scope.ctes))?;
        let one = |columns: &[super::OutColumn<'a>]| match columns {
            [column] => Ok(column.ty),
            _ => Err(Stop::from(
                invalid("42601", "subquery must return only one column").at(at),
            )),
        };
        match (kind, test) {
            (Sublink::Exists, _) => Ok(self.operator_result("EXISTS")),
            (Sublink::Scalar, _) => Ok(Shape::Value(one(&columns)?)),
            (Sublink::Array, _) => {
                let element = one(&columns)?;
                Ok(Shape::Value(self.types.array(element)))
            }
            (Sublink::Any | Sublink::All | Sublink::Row, Some((left, test))) => {
                self.take_by_position(&columns, &[], "a comparison with a sub-select", at);
                let right = match columns.as_slice() {
                    [column] => Shape::Value(column.ty),
                    columns => Shape::Row(
                        columns
                            .iter()
                            .map(|column| Shape::Value(column.ty))
                            .collect(),
                    ),
                };
                // `(a, b) IN (SELECT x, y …)`, but also `ROW(a) IN (SELECT x …)`.
                let left = match left {
                    Shape::Row(mut fields) if fields.len() == 1 => fields.remove(0),
                    left => left,
                };
                let site = Site {
                    at,
                    param: param_of(test),
                };
                let is_equality = operator.is_none_or(Operator::is_equality);
                if is_equality {
                    let qualified = operator.is_some_and(|operator| operator.schema.is_some());
                    let what = operator.map_or("IN", |operator| equality_word(operator, "="));
                    self.equal(&left, &right, what, qualified, site)?;
                } else {
                    let why = Why::Operand(operator.map_or("", |operator| operator.name));
                    self.plain_shape(&left, why, site)?;
                    self.plain_shape(&right, why, site)?;
                }
                Ok(self.operator_result("a comparison"))
            }
            (_, None) => Err(refuse::construct("a sub-select like this", Some(at)).into()),
        }
    }

    fn case(
        &mut self,
        scope: &Scope<'_, 'a>,
        arg: Option<&'a Expr<'a>>,
        whens: &'a [(Expr<'a>, Expr<'a>)],
        default: Option<&'a Expr<'a>>,
    ) -> Result<TypeId> {
        let arg = match arg {
            Some(arg) => Some((self.shape(scope, arg)?, arg)),
            None => None,
        };
        for (when, _) in whens {
            match &arg {
                Some((shape, arg)) => {
                    let other = self.shape(scope, when)?;
                    self.equal(shape, &other, "CASE", false, either(arg, when))?;
                    self.note_arrays([arg, when], shape, "CASE", when.at);
                }
                None => self.condition(scope, Some(when))?,
            }
        }
        let mut types = Vec::with_capacity(whens.len() + 1);
        let results = || whens.iter().map(|(_, result)| result).chain(default);
        let nothing = results().all(|expr| matches!(expr.kind, ExprKind::Null));
        for expr in results() {
            let ty = match nothing {
                true => self.detached(|it| it.value(scope, expr))?,
                false => self.value(scope, expr)?,
            };
            types.push((ty, site(expr)));
        }
        // What stands behind ELSE says the type first (`transformCaseExpr`).
        if default.is_some() {
            types.rotate_right(1);
        }
        let result = self.types.unknown();
        for (ty, site) in types {
            self.types.choose(result, ty, site)?;
        }
        Ok(result)
    }

    /// A cast round a parameter or a constant passes the type of its place through, and is cut out
    /// if that turns out to be sealed; so does one round what yields nothing else, as columns of
    /// `VALUES` and a `CASE` of parameters do. Any other cast is a computation.
    fn cast(
        &mut self,
        scope: &Scope<'_, 'a>,
        arg: &'a Expr<'a>,
        target: &'a TypeName<'a>,
        form: &'a CastForm,
        at: usize,
    ) -> Result<TypeId> {
        let operand = match &arg.kind {
            ExprKind::Param { number, range } => Some(CastOperand::Param {
                number: *number,
                range: range.clone(),
            }),
            ExprKind::Literal(literal) => Some(CastOperand::Literal(literal)),
            ExprKind::Null => Some(CastOperand::Null),
            ExprKind::Array(..) => Some(CastOperand::Array),
            _ => None,
        };
        self.check_row_type(target)?;
        let name = target.parts.last().map_or("", |part| part.text);
        if self.voice == Voice::Client
            && let Some(oid @ 1..) = self.resolver.named_type(target)?
        {
            let ty = if target.array { 0 } else { oid };
            let cells = Unlisted::outside(Path::Name(name), ty);
            let shape = self.shape(scope, arg)?;
            self.given_to(&shape, cells, Why::CastOperand(name), site(arg))?;
            return Ok(self.types.unlisted(cells));
        }
        if let Some(operand) = operand {
            let nulls = self.nulls.len();
            let ty = self.value(scope, arg)?;
            // With its cast it has a type.
            self.nulls.truncate(nulls);
            if let Some(scalar) = ScalarType::from_typname(name) {
                self.types.name(ty, scalar);
            }
            self.casts.push(CastUse {
                ty,
                target,
                form,
                operand,
                label: None,
                at,
            });
            return Ok(ty);
        }
        if self.voice == Voice::Server && is_cell_type(target) {
            // The server prints `(email)::bytea = …` where it has looked below the domain.
            return self.value(scope, arg);
        }
        let shape = self.shape(scope, arg)?;
        if let (CastForm::Colons(_) | CastForm::Function(..), Voice::Client, Shape::Value(ty)) =
            (form, self.voice, &shape)
            && self.types.is_open(*ty)
        {
            self.casts.push(CastUse {
                ty: *ty,
                target,
                form,
                operand: CastOperand::Values,
                label: None,
                at,
            });
            return Ok(*ty);
        }
        self.plain_shape(&shape, Why::CastOperand(name), site(arg))?;
        Ok(self.types.plain(Why::CastResult(name)))
    }

    /// Refuses the row type of a protected relation as the type of a value.
    pub(crate) fn check_row_type(&self, target: &TypeName<'a>) -> Result<()> {
        let name = match target.parts.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema.text), name),
            _ => return Ok(()),
        };
        let (schema, name) = (name.0, name.1.text);
        let policy = self.resolver.context.policy;
        let protected = match schema {
            Some(schema) => policy.table(schema, name).is_some(),
            None => policy.tables_named(name).next().is_some() && !self.is_builtin_type(name),
        };
        if protected {
            let path = schema.map_or(Path::Name(name), |schema| Path::Relation(schema, name));
            return Err(refuse::whole_row(path, target.at).into());
        }
        Ok(())
    }

    /// Whether an unqualified type name is one of PostgreSQL's own, which a table of that name hides
    /// only where the search path has its schema before `pg_catalog`.
    fn is_builtin_type(&self, name: &str) -> bool {
        let context = &self.resolver.context;
        let hides = |schema: &String| context.policy.table(schema, name).is_some();
        ScalarType::from_typname(name).is_some()
            && context
                .facts
                .search_path
                .iter()
                .take_while(|schema| *schema != "pg_catalog")
                .all(|schema| !hides(schema))
            && context.facts.search_path.iter().any(|s| s == "pg_catalog")
    }

    pub(super) fn window(
        &mut self,
        scope: &Scope<'_, 'a>,
        window: &'a crate::ir::Window<'a>,
    ) -> Result<()> {
        self.account_all(&window.names);
        for expr in &window.partition {
            let ty = self.value(scope, expr)?;
            self.types.compare(ty, "PARTITION BY", true, expr.at)?;
        }
        self.plain_all(scope, &window.order, Why::Clause("ORDER BY"))?;
        self.plain_all(scope, &window.frame, Why::Clause("a window frame"))
    }
}

/// The site of an operation on two expressions, for messages.
pub(super) fn either(left: &Expr<'_>, right: &Expr<'_>) -> Site {
    Site {
        at: right.at,
        param: param_of(left).or_else(|| param_of(right)),
    }
}

/// The word under which a comparison is reported.
fn equality_word(operator: &Operator<'_>, otherwise: &'static str) -> &'static str {
    match operator.name {
        "=" if otherwise == "IN" => "IN",
        "<>" if otherwise == "IN" => "NOT IN",
        "<>" => "<>",
        _ => "=",
    }
}

/// `bytea` or one of the domains.
fn is_cell_type(target: &TypeName<'_>) -> bool {
    let parts: Vec<&str> = target.parts.iter().map(|part| part.text).collect();
    !target.odd
        && target.modifiers.is_empty()
        && matches!(
            parts.as_slice(),
            ["bytea"]
                | ["pg_catalog", "bytea"]
                | ["sealwire" | "", "deterministic" | "randomized"]
                | ["deterministic" | "randomized"]
        )
}

/// Whether a constant can be a value of a type family, as the server's own literal rules have it.
pub(crate) fn literal_fits(literal: &Literal, family: Family) -> bool {
    let is_number = matches!(
        family,
        Family::Int | Family::Numeric | Family::Float4 | Family::Float8 | Family::Money
    );
    match literal.class {
        LiteralClass::String => true,
        LiteralClass::Integer => is_number,
        // An integer too long for 32 bits comes as a decimal; a fraction would have to be rounded.
        LiteralClass::Decimal => {
            let digits = literal.value.expose().trim_start_matches('-');
            is_number && (family != Family::Int || digits.bytes().all(|b| b.is_ascii_digit()))
        }
        LiteralClass::Boolean => family == Family::Bool,
        LiteralClass::Bits => family == Family::Bit,
    }
}
