//! Expressions.

use rupg_sql::nodes as pg;

use super::{Fault, Lexeme, Lower, Result, expect_empty, offset, unsupported};
use crate::ir::{
    Call, CastForm, Expr, ExprKind, Literal, LiteralClass, Operator, Query, RelationRef, Sublink,
    TypeName, Window,
};
use crate::plan::LiteralValue;

/// Fields that only the server's own analysis fills.
macro_rules! unset {
    ($location:expr, $($field:expr),* $(,)?) => {
        $(expect_empty(*$field == 0, "a tree that is not raw", $location)?;)*
    };
}

impl<'t> Lower<'t> {
    pub(super) fn exprs(&mut self, list: &'t pg::List) -> Result<Vec<Expr<'t>>> {
        list.iter().map(|node| self.expr(node.as_ref())).collect()
    }

    pub(super) fn optional_expr(&mut self, node: Option<&'t pg::Node>) -> Result<Option<Expr<'t>>> {
        node.map(|node| self.expr(Some(node))).transpose()
    }

    fn boxed_expr(&mut self, node: Option<&'t pg::Node>) -> Result<Box<Expr<'t>>> {
        self.expr(node).map(Box::new)
    }

    pub(super) fn expr(&mut self, node: Option<&'t pg::Node>) -> Result<Expr<'t>> {
        let Some(node) = node else {
            return Err(unsupported("an expression that is missing", None));
        };
        self.deeper(0, |lower| lower.expr_node(node))
    }

    fn expr_node(&mut self, node: &'t pg::Node) -> Result<Expr<'t>> {
        let (kind, location) = match node {
            pg::Node::ColumnRef(n) => self.column_ref(n)?,
            pg::Node::ParamRef(n) => self.param_ref(n)?,
            pg::Node::A_Const(n) => self.constant(n)?,
            pg::Node::TypeCast(n) => self.cast(n)?,
            pg::Node::A_Expr(n) => self.a_expr(n)?,
            pg::Node::BoolExpr(n) => {
                let pg::BoolExpr {
                    boolop,
                    args,
                    location,
                } = n.as_ref();
                let what = match *boolop {
                    pg::BoolExprType::AND_EXPR => "AND",
                    pg::BoolExprType::OR_EXPR => "OR",
                    _ => "NOT",
                };
                let args = self.exprs(args)?;
                (ExprKind::Bool { what, args }, *location)
            }
            pg::Node::NullTest(n) => {
                let pg::NullTest {
                    arg,
                    nulltesttype: _,
                    argisrow: _,
                    location,
                } = n.as_ref();
                (
                    ExprKind::NullTest(self.boxed_expr(arg.as_ref())?),
                    *location,
                )
            }
            pg::Node::BooleanTest(n) => {
                let pg::BooleanTest {
                    arg,
                    booltesttype: _,
                    location,
                } = n.as_ref();
                let args = vec![self.expr(arg.as_ref())?];
                let what = "IS TRUE";
                (ExprKind::Plain { what, args }, *location)
            }
            pg::Node::FuncCall(n) => self.call(n)?,
            pg::Node::SubLink(n) => self.sublink(n)?,
            pg::Node::CaseExpr(n) => self.case(n)?,
            pg::Node::CoalesceExpr(n) => {
                let pg::CoalesceExpr {
                    coalescetype,
                    coalescecollid,
                    args,
                    location,
                } = n.as_ref();
                unset!(*location, coalescetype, coalescecollid);
                (ExprKind::Coalesce(self.exprs(args)?), *location)
            }
            pg::Node::MinMaxExpr(n) => {
                let pg::MinMaxExpr {
                    minmaxtype,
                    minmaxcollid,
                    inputcollid,
                    op,
                    args,
                    location,
                } = n.as_ref();
                unset!(*location, minmaxtype, minmaxcollid, inputcollid);
                let what = if *op == pg::MinMaxOp::IS_LEAST {
                    "LEAST"
                } else {
                    "GREATEST"
                };
                let args = self.exprs(args)?;
                (ExprKind::Plain { what, args }, *location)
            }
            pg::Node::A_ArrayExpr(n) => {
                let pg::A_ArrayExpr {
                    elements,
                    list_start: _,
                    list_end,
                    location,
                } = n.as_ref();
                let end = offset(*list_end);
                (ExprKind::Array(self.exprs(elements)?, end), *location)
            }
            pg::Node::RowExpr(n) => {
                let pg::RowExpr {
                    args,
                    row_typeid,
                    row_format: _,
                    colnames,
                    location,
                } = n.as_ref();
                unset!(*location, row_typeid);
                expect_empty(colnames.is_empty(), "a row with column names", *location)?;
                (ExprKind::Row(self.exprs(args)?), *location)
            }
            pg::Node::CollateClause(n) => {
                let pg::CollateClause {
                    arg,
                    collname,
                    location,
                } = n.as_ref();
                self.settled_list(collname)?;
                let args = vec![self.expr(arg.as_ref())?];
                let what = "COLLATE";
                (ExprKind::Plain { what, args }, *location)
            }
            pg::Node::A_Indirection(n) => self.indirection(n)?,
            pg::Node::SQLValueFunction(n) => {
                let pg::SQLValueFunction {
                    op: _,
                    r#type: _,
                    typmod: _,
                    location,
                } = n.as_ref();
                let what = "a keyword that is a function";
                let args = Vec::new();
                (ExprKind::Plain { what, args }, *location)
            }
            pg::Node::SetToDefault(n) => {
                let pg::SetToDefault {
                    typeId,
                    typeMod: _,
                    collation,
                    location,
                } = n.as_ref();
                unset!(*location, typeId, collation);
                (ExprKind::Default, *location)
            }
            pg::Node::CurrentOfExpr(n) => {
                let pg::CurrentOfExpr {
                    cvarno,
                    cursor_name,
                    cursor_param,
                } = n.as_ref();
                unset!(-1, cvarno, cursor_param);
                if let Some(name) = cursor_name {
                    self.settled_name(name);
                }
                let what = "CURRENT OF";
                let args = Vec::new();
                (ExprKind::Plain { what, args }, -1)
            }
            pg::Node::GroupingFunc(n) => {
                let pg::GroupingFunc {
                    args,
                    refs,
                    cols,
                    agglevelsup,
                    location,
                } = n.as_ref();
                unset!(*location, agglevelsup);
                let raw = refs.is_empty() && cols.is_empty();
                expect_empty(raw, "a tree that is not raw", *location)?;
                (ExprKind::Grouping(self.exprs(args)?), *location)
            }
            pg::Node::MergeSupportFunc(n) => {
                let what = "merge_action()";
                let args = Vec::new();
                (ExprKind::Plain { what, args }, n.location)
            }
            other => match self.document(other)? {
                Some(document) => document,
                None => {
                    let what = "an expression of a kind that is not known";
                    return Err(unsupported(what, None));
                }
            },
        };
        Ok(Expr {
            kind,
            at: offset(location).unwrap_or(0),
        })
    }

    fn column_ref(&mut self, node: &'t pg::ColumnRef) -> Result<(ExprKind<'t>, i32)> {
        let pg::ColumnRef { fields, location } = node;
        let mut parts = Vec::with_capacity(fields.len());
        let mut star = false;
        for (index, field) in fields.iter().enumerate() {
            match field {
                Some(pg::Node::String(text)) => parts.push(self.name(text)),
                Some(pg::Node::A_Star(_)) if index + 1 == fields.len() => star = true,
                _ => {
                    return Err(unsupported(
                        "a column reference like this",
                        offset(*location),
                    ));
                }
            }
        }
        Ok((ExprKind::Column { parts, star }, *location))
    }

    fn param_ref(&mut self, node: &'t pg::ParamRef) -> Result<(ExprKind<'t>, i32)> {
        let pg::ParamRef { number, location } = node;
        let found = offset(*location).and_then(|at| self.tokens.index_at(at));
        let token = found.and_then(|index| self.tokens.get(index));
        match (u32::try_from(*number), token) {
            (Ok(number @ 1..), Some(token)) if token.lexeme == Lexeme::Param => {
                let range = token.start..token.end;
                Ok((ExprKind::Param { number, range }, *location))
            }
            _ => Err(unsupported("a parameter like this", offset(*location))),
        }
    }

    fn constant(&mut self, node: &'t pg::A_Const) -> Result<(ExprKind<'t>, i32)> {
        let pg::A_Const {
            val,
            isnull,
            location,
        } = node;
        if *isnull {
            return Ok((ExprKind::Null, *location));
        }
        let (class, value) = match val {
            Some(pg::Node::String(text)) => (LiteralClass::String, text.to_string()),
            Some(pg::Node::Integer(value)) => (LiteralClass::Integer, value.to_string()),
            Some(pg::Node::Float(text)) => (LiteralClass::Decimal, text.to_string()),
            Some(pg::Node::Boolean(value)) => {
                let text = if *value { "t" } else { "f" };
                (LiteralClass::Boolean, text.to_owned())
            }
            Some(pg::Node::BitString(text)) => (LiteralClass::Bits, text.to_string()),
            _ => return Err(unsupported("a constant like this", offset(*location))),
        };
        let range = offset(*location).and_then(|at| self.literal_range(at, class));
        let is_number = matches!(class, LiteralClass::Integer | LiteralClass::Decimal);
        let literal = Literal {
            value: LiteralValue::new(value),
            class,
            since_16: is_number && self.is_since_16(range.as_ref()),
            range,
        };
        Ok((ExprKind::Literal(literal), *location))
    }

    /// The tokens of a constant. A sign belongs to a number when it stands directly before it; the
    /// grammar folds signs through parentheses too, which are not followed here.
    fn literal_range(&self, at: usize, class: LiteralClass) -> Option<std::ops::Range<usize>> {
        let index = self.tokens.index_at(at)?;
        let first = self.tokens.get(index)?;
        let last = match class {
            LiteralClass::String if first.lexeme == Lexeme::String => first,
            // `B'101'` and `X'1f'`, which have no lexeme of their own.
            LiteralClass::Bits if first.lexeme == Lexeme::Other => first,
            LiteralClass::Boolean if first.is_keyword("true") || first.is_keyword("false") => first,
            LiteralClass::Integer | LiteralClass::Decimal => {
                let number = if first.is_char(b'-') {
                    self.tokens.get(index + 1)?
                } else {
                    first
                };
                if number.lexeme != Lexeme::Number {
                    return None;
                }
                number
            }
            _ => return None,
        };
        Some(first.start..last.end)
    }

    /// Whether a number is one word from PostgreSQL 16 on only: `0x1f`, `1_000`.
    fn is_since_16(&self, range: Option<&std::ops::Range<usize>>) -> bool {
        let number = range.and_then(|range| self.text.get(range.clone()));
        number.is_some_and(|number| {
            let letters = |c: char| c == '_' || c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E');
            number.contains(letters)
        })
    }

    fn cast(&mut self, node: &'t pg::TypeCast) -> Result<(ExprKind<'t>, i32)> {
        let pg::TypeCast {
            arg,
            typeName,
            location,
        } = node;
        let Some(ty) = typeName else {
            return Err(unsupported("a cast without a type", offset(*location)));
        };
        let form = self.cast_form(arg.as_ref(), ty, *location);
        let arg = self.boxed_expr(arg.as_ref())?;
        let at = offset(*location).unwrap_or(arg.at);
        let ty = self.type_name(ty)?;
        self.types.push(ty.clone());
        let location = i32::try_from(at).unwrap_or(-1);
        Ok((ExprKind::Cast { arg, ty, form }, location))
    }

    fn cast_form(&self, arg: Option<&pg::Node>, ty: &pg::TypeName, location: i32) -> CastForm {
        let known = || {
            let tokens = self.tokens;
            let Some(at) = offset(location) else {
                // `type 'x'` has no location of its own.
                let Some(pg::Node::A_Const(constant)) = arg else {
                    return None;
                };
                let start = offset(ty.location)?;
                let index = tokens.index_at(offset(constant.location)?)?;
                let string = tokens.get(index)?;
                // The fields of an interval stand behind it.
                let after = match tokens.get(tokens.index_at(start)?)? {
                    first if first.is_keyword("interval") => {
                        tokens.after_interval_fields(index + 1)?
                    }
                    _ => index + 1,
                };
                let end = tokens.get(after.checked_sub(1)?)?.end;
                let written = string.lexeme == Lexeme::String
                    && start < string.start
                    && self.reads_as(start..string.start, string.end..end, ty);
                return written.then_some(CastForm::Prefix(start..end));
            };
            let index = tokens.index_at(at)?;
            let token = tokens.get(index)?;
            if token.lexeme == Lexeme::Colons {
                let after = tokens.after_type_name(index + 1)?;
                let (first, last) = (tokens.get(index + 1)?, tokens.get(after.checked_sub(1)?)?);
                return self
                    .reads_as(first.start..last.end, last.end..last.end, ty)
                    .then_some(CastForm::Colons(token.start..last.end));
            }
            if token.is_keyword("cast") && tokens.get(index + 1)?.is_char(b'(') {
                let closing = tokens.closing(index + 1)?;
                let word = tokens.last_at_depth_one(index + 1, closing, "as")?;
                let close = tokens.get(closing)?;
                return Some(CastForm::Function(token.start..close.end, word.start));
            }
            None
        };
        known().unwrap_or(CastForm::Other)
    }

    pub(super) fn type_name(&mut self, node: &'t pg::TypeName) -> Result<TypeName<'t>> {
        let pg::TypeName {
            names,
            typeOid,
            setof,
            pct_type,
            typmods,
            typemod: _,
            arrayBounds,
            location,
        } = node;
        unset!(*location, typeOid);
        let mut odd = *setof || *pct_type;
        let mut modifiers = Vec::new();
        for modifier in typmods {
            match modifier {
                Some(pg::Node::A_Const(constant)) => match constant.val {
                    Some(pg::Node::Integer(value)) => modifiers.push(value),
                    _ => odd = true,
                },
                _ => odd = true,
            }
        }
        Ok(TypeName {
            parts: self.settled_list(names)?,
            modifiers,
            array: !arrayBounds.is_empty(),
            odd,
            at: offset(*location).unwrap_or(0),
        })
    }

    pub(super) fn operator(&mut self, names: &'t pg::List) -> Result<Operator<'t>> {
        let (schema, name) = match names.as_slice() {
            [Some(pg::Node::String(name))] => (None, name),
            [Some(pg::Node::String(schema)), Some(pg::Node::String(name))] => (Some(schema), name),
            _ => return Err(unsupported("an operator name of more than two parts", None)),
        };
        Ok(Operator {
            schema: schema.map(|schema| self.settled_name(schema).text),
            name: self.settled_name(name).text,
        })
    }

    fn a_expr(&mut self, node: &'t pg::A_Expr) -> Result<(ExprKind<'t>, i32)> {
        let pg::A_Expr {
            kind,
            name,
            lexpr,
            rexpr,
            rexpr_list_start: _,
            rexpr_list_end: _,
            location,
        } = node;
        use pg::A_Expr_Kind as Kind;
        let operator = self.operator(name)?;
        let left = lexpr.as_ref();
        let right = rexpr.as_ref();
        let kind = match *kind {
            Kind::AEXPR_OP => ExprKind::Binary {
                operator,
                left: self.optional_expr(left)?.map(Box::new),
                right: self.boxed_expr(right)?,
            },
            Kind::AEXPR_OP_ANY | Kind::AEXPR_OP_ALL => ExprKind::Quantified {
                operator,
                left: self.boxed_expr(left)?,
                array: self.boxed_expr(right)?,
            },
            Kind::AEXPR_DISTINCT | Kind::AEXPR_NOT_DISTINCT => {
                ExprKind::Distinct(self.boxed_expr(left)?, self.boxed_expr(right)?)
            }
            Kind::AEXPR_NULLIF => ExprKind::NullIf(self.boxed_expr(left)?, self.boxed_expr(right)?),
            Kind::AEXPR_IN => {
                let left = self.boxed_expr(left)?;
                let Some(pg::Node::List(list)) = right else {
                    return Err(unsupported("an IN list like this", offset(*location)));
                };
                let list = self.exprs(list)?;
                ExprKind::In {
                    operator,
                    left,
                    list,
                }
            }
            Kind::AEXPR_LIKE | Kind::AEXPR_ILIKE | Kind::AEXPR_SIMILAR => {
                let what = match *kind {
                    Kind::AEXPR_LIKE => "LIKE",
                    Kind::AEXPR_ILIKE => "ILIKE",
                    _ => "SIMILAR TO",
                };
                let args = vec![self.expr(left)?, self.expr(right)?];
                ExprKind::Plain { what, args }
            }
            Kind::AEXPR_BETWEEN
            | Kind::AEXPR_NOT_BETWEEN
            | Kind::AEXPR_BETWEEN_SYM
            | Kind::AEXPR_NOT_BETWEEN_SYM => {
                let mut args = vec![self.expr(left)?];
                let Some(pg::Node::List(list)) = right else {
                    return Err(unsupported("BETWEEN like this", offset(*location)));
                };
                args.extend(self.exprs(list)?);
                let what = "BETWEEN";
                ExprKind::Plain { what, args }
            }
            _ => {
                return Err(unsupported(
                    "an operator expression like this",
                    offset(*location),
                ));
            }
        };
        Ok((kind, *location))
    }

    fn case(&mut self, node: &'t pg::CaseExpr) -> Result<(ExprKind<'t>, i32)> {
        let pg::CaseExpr {
            casetype,
            casecollid,
            arg,
            args,
            defresult,
            location,
        } = node;
        unset!(*location, casetype, casecollid);
        let arg = self.optional_expr(arg.as_ref())?.map(Box::new);
        let mut whens = Vec::with_capacity(args.len());
        for when in args {
            let Some(pg::Node::CaseWhen(when)) = when else {
                return Err(unsupported("CASE like this", offset(*location)));
            };
            let pg::CaseWhen {
                expr,
                result,
                location: _,
            } = when.as_ref();
            whens.push((self.expr(expr.as_ref())?, self.expr(result.as_ref())?));
        }
        let default = self.optional_expr(defresult.as_ref())?.map(Box::new);
        Ok((
            ExprKind::Case {
                arg,
                whens,
                default,
            },
            *location,
        ))
    }

    fn indirection(&mut self, node: &'t pg::A_Indirection) -> Result<(ExprKind<'t>, i32)> {
        let pg::A_Indirection { arg, indirection } = node;
        if let Some(field) = self.row_field(arg.as_ref(), indirection)? {
            return Ok(field);
        }
        let arg = self.expr(arg.as_ref())?;
        let location = i32::try_from(arg.at).unwrap_or(-1);
        let (mut steps, mut subscripts) = (Vec::new(), Vec::new());
        for step in indirection {
            match step {
                Some(pg::Node::A_Indices(indices)) => {
                    let pg::A_Indices {
                        is_slice: _,
                        lidx,
                        uidx,
                    } = indices.as_ref();
                    subscripts.extend(self.optional_expr(lidx.as_ref())?);
                    subscripts.extend(self.optional_expr(uidx.as_ref())?);
                    steps.push(None);
                }
                // A field name is not made a `Name`: if it is that of an encrypted column, it is
                // left unaccounted for and the tripwire refuses.
                Some(pg::Node::String(field)) => steps.push(Some(field.as_ref())),
                _ => return Err(unsupported("expansion of a composite value", None)),
            }
        }
        let base = Box::new(arg);
        let inner = ExprKind::Inner {
            base,
            steps,
            subscripts,
        };
        Ok((inner, location))
    }

    /// `(u).email` and `(u).*`, where `u` may be a relation.
    fn row_field(
        &mut self,
        arg: Option<&'t pg::Node>,
        indirection: &'t pg::List,
    ) -> Result<Option<(ExprKind<'t>, i32)>> {
        let (Some(pg::Node::ColumnRef(column)), [Some(step)]) = (arg, indirection.as_slice())
        else {
            return Ok(None);
        };
        let [Some(pg::Node::String(relation))] = column.fields.as_slice() else {
            return Ok(None);
        };
        let field = match step {
            pg::Node::String(field) => Some(field),
            pg::Node::A_Star(_) => None,
            _ => return Ok(None),
        };
        let relation = self.name(relation);
        let field = field.map(|field| self.name(field));
        Ok(Some((ExprKind::Field { relation, field }, column.location)))
    }

    pub(super) fn call(&mut self, node: &'t pg::FuncCall) -> Result<(ExprKind<'t>, i32)> {
        let pg::FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            ignore_nulls,
            agg_within_group,
            agg_star,
            agg_distinct,
            func_variadic,
            funcformat,
            location,
        } = node;
        expect_empty(*ignore_nulls == 0, "IGNORE NULLS", *location)?;
        let mut parts = Vec::with_capacity(funcname.len());
        for part in funcname {
            match part {
                Some(pg::Node::String(text)) => parts.push(text.as_ref()),
                _ => return Err(unsupported("a function name like this", offset(*location))),
            }
        }
        if let [.., name] = parts.as_slice() {
            let schema = parts.len().checked_sub(2).and_then(|at| parts.get(at));
            let schema = schema.copied();
            self.calls.push((RelationRef { schema, name }, args.len()));
        }
        // The grammar turns `EXTRACT(…)`, `TRIM(…)` and the like into calls of names that do not
        // stand in the text.
        let names = if *funcformat == pg::CoercionForm::COERCE_SQL_SYNTAX {
            Vec::new()
        } else {
            self.name_list(funcname)?
        };
        let mut named_args = false;
        let mut lowered = Vec::with_capacity(args.len());
        for arg in args {
            if let Some(pg::Node::NamedArgExpr(named)) = arg {
                let pg::NamedArgExpr {
                    arg,
                    name,
                    argnumber: _,
                    location: _,
                } = named.as_ref();
                if let Some(name) = name {
                    self.settled_name(name);
                }
                named_args = true;
                lowered.push(self.expr(arg.as_ref())?);
            } else {
                lowered.push(self.expr(arg.as_ref())?);
            }
        }
        let call = Call {
            parts,
            names,
            args: lowered,
            named_args,
            order: self.sort_list(agg_order)?,
            filter: self.optional_expr(agg_filter.as_ref())?,
            over: over
                .as_deref()
                .map(|window| self.window(window))
                .transpose()?,
            star: *agg_star,
            distinct: *agg_distinct,
            variadic: *func_variadic,
            within_group: *agg_within_group,
        };
        Ok((ExprKind::Call(Box::new(call)), *location))
    }

    pub(super) fn sort_list(&mut self, list: &'t pg::List) -> Result<Vec<Expr<'t>>> {
        list.iter()
            .map(|node| {
                let Some(pg::Node::SortBy(sort)) = node else {
                    return Err(unsupported("ORDER BY like this", None));
                };
                let pg::SortBy {
                    node,
                    sortby_dir: _,
                    sortby_nulls: _,
                    useOp,
                    location: _,
                } = sort.as_ref();
                self.settled_list(useOp)?;
                self.expr(node.as_ref())
            })
            .collect()
    }

    pub(super) fn window(&mut self, node: &'t pg::WindowDef) -> Result<Window<'t>> {
        let pg::WindowDef {
            name,
            refname,
            partitionClause,
            orderClause,
            frameOptions: _,
            startOffset,
            endOffset,
            location: _,
        } = node;
        let mut window = Window::default();
        window.names.extend(self.optional_name(name.as_ref()));
        window.names.extend(self.optional_name(refname.as_ref()));
        window.partition = self.exprs(partitionClause)?;
        window.order = self.sort_list(orderClause)?;
        window
            .frame
            .extend(self.optional_expr(startOffset.as_ref())?);
        window.frame.extend(self.optional_expr(endOffset.as_ref())?);
        Ok(window)
    }

    fn sublink(&mut self, node: &'t pg::SubLink) -> Result<(ExprKind<'t>, i32)> {
        let pg::SubLink {
            subLinkType,
            subLinkId,
            testexpr,
            operName,
            subselect,
            location,
        } = node;
        unset!(*location, subLinkId);
        use pg::SubLinkType as Type;
        let kind = match *subLinkType {
            Type::EXISTS_SUBLINK => Sublink::Exists,
            Type::ANY_SUBLINK => Sublink::Any,
            Type::ALL_SUBLINK => Sublink::All,
            Type::ROWCOMPARE_SUBLINK => Sublink::Row,
            Type::EXPR_SUBLINK => Sublink::Scalar,
            Type::ARRAY_SUBLINK => Sublink::Array,
            _ => return Err(unsupported("a sub-select like this", offset(*location))),
        };
        let test = self.optional_expr(testexpr.as_ref())?.map(Box::new);
        let operator = if operName.is_empty() {
            None
        } else {
            Some(self.operator(operName)?)
        };
        let query = Box::new(self.subquery(subselect.as_ref(), *location)?);
        Ok((
            ExprKind::Sublink {
                kind,
                test,
                operator,
                query,
            },
            *location,
        ))
    }

    pub(super) fn subquery(
        &mut self,
        node: Option<&'t pg::Node>,
        location: i32,
    ) -> Result<Query<'t>> {
        match node {
            Some(pg::Node::SelectStmt(select)) => {
                let at = offset(location).unwrap_or(0);
                let select = self.deeper(at, |lower| lower.select(select, at))?;
                Ok(Query::Select(Box::new(select)))
            }
            _ => Err::<Query<'_>, Fault>(unsupported("a sub-select like this", offset(location))),
        }
    }
}
