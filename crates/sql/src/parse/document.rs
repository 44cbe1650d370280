//! SQL/JSON and SQL/XML: constructors, functions and tables. All of them compute on the server, so
//! every value in them must be plain; what matters here is that none is overlooked.

use rupg_sql::nodes as pg;

use super::{Lower, Result, expect_empty, offset, unsupported};
use crate::ir::{Expr, ExprKind, FromItem, Name};

type Args<'e, 't> = &'e mut Vec<Expr<'t>>;

impl<'t> Lower<'t> {
    /// An SQL/JSON or SQL/XML expression, `None` where the node is neither.
    pub(super) fn document(&mut self, node: &'t pg::Node) -> Result<Option<(ExprKind<'t>, i32)>> {
        let mut args = Vec::new();
        let out = &mut args;
        let (what, location) = match node {
            pg::Node::JsonObjectConstructor(n) => {
                let pg::JsonObjectConstructor {
                    exprs,
                    output,
                    absent_on_null: _,
                    unique: _,
                    location,
                } = n.as_ref();
                self.document_list(exprs, out)?;
                self.json_output(output.as_deref())?;
                ("JSON_OBJECT", *location)
            }
            pg::Node::JsonArrayConstructor(n) => {
                let pg::JsonArrayConstructor {
                    exprs,
                    output,
                    absent_on_null: _,
                    location,
                } = n.as_ref();
                self.document_list(exprs, out)?;
                self.json_output(output.as_deref())?;
                ("JSON_ARRAY", *location)
            }
            pg::Node::JsonArrayQueryConstructor(n) => {
                let pg::JsonArrayQueryConstructor {
                    query,
                    output,
                    format: _,
                    absent_on_null: _,
                    location,
                } = n.as_ref();
                let kind = ExprKind::Sublink {
                    kind: crate::ir::Sublink::Scalar,
                    test: None,
                    operator: None,
                    query: Box::new(self.subquery(query.as_ref(), *location)?),
                };
                let at = offset(*location).unwrap_or(0);
                out.push(Expr { kind, at });
                self.json_output(output.as_deref())?;
                ("JSON_ARRAY", *location)
            }
            pg::Node::JsonObjectAgg(n) => {
                let pg::JsonObjectAgg {
                    constructor,
                    arg,
                    absent_on_null: _,
                    unique: _,
                } = n.as_ref();
                if let Some(arg) = arg {
                    self.json_key_value(arg, out)?;
                }
                let location = self.json_aggregate(constructor.as_deref(), out)?;
                ("JSON_OBJECTAGG", location)
            }
            pg::Node::JsonArrayAgg(n) => {
                let pg::JsonArrayAgg {
                    constructor,
                    arg,
                    absent_on_null: _,
                } = n.as_ref();
                self.json_value(arg.as_deref(), out)?;
                let location = self.json_aggregate(constructor.as_deref(), out)?;
                ("JSON_ARRAYAGG", location)
            }
            pg::Node::JsonFuncExpr(n) => {
                let pg::JsonFuncExpr {
                    op: _,
                    column_name,
                    context_item,
                    pathspec,
                    passing,
                    output,
                    on_empty,
                    on_error,
                    wrapper: _,
                    quotes: _,
                    location,
                } = n.as_ref();
                expect_empty(column_name.is_none(), "a tree that is not raw", *location)?;
                self.json_value(context_item.as_deref(), out)?;
                out.extend(self.optional_expr(pathspec.as_ref())?);
                self.json_passing(passing, out)?;
                self.json_output(output.as_deref())?;
                self.json_behavior(on_empty.as_deref(), out)?;
                self.json_behavior(on_error.as_deref(), out)?;
                ("an SQL/JSON query function", *location)
            }
            pg::Node::JsonIsPredicate(n) => {
                let pg::JsonIsPredicate {
                    expr,
                    format: _,
                    item_type: _,
                    unique_keys: _,
                    exprBaseType: _,
                    location,
                } = n.as_ref();
                out.push(self.expr(expr.as_ref())?);
                ("IS JSON", *location)
            }
            pg::Node::JsonParseExpr(n) => {
                self.json_value(n.expr.as_deref(), out)?;
                self.json_output(n.output.as_deref())?;
                ("JSON", n.location)
            }
            pg::Node::JsonScalarExpr(n) => {
                out.push(self.expr(n.expr.as_ref())?);
                self.json_output(n.output.as_deref())?;
                ("JSON_SCALAR", n.location)
            }
            pg::Node::JsonSerializeExpr(n) => {
                self.json_value(n.expr.as_deref(), out)?;
                self.json_output(n.output.as_deref())?;
                ("JSON_SERIALIZE", n.location)
            }
            pg::Node::XmlExpr(n) => {
                let pg::XmlExpr {
                    op: _,
                    name,
                    named_args,
                    arg_names,
                    args,
                    xmloption: _,
                    indent: _,
                    r#type: _,
                    typmod: _,
                    location,
                } = n.as_ref();
                expect_empty(arg_names.is_empty(), "a tree that is not raw", *location)?;
                if let Some(name) = name {
                    self.settled_name(name);
                }
                self.document_list(named_args, out)?;
                self.document_list(args, out)?;
                ("an XML function", *location)
            }
            pg::Node::XmlSerialize(n) => {
                out.push(self.expr(n.expr.as_ref())?);
                if let Some(ty) = &n.typeName {
                    self.type_name(ty)?;
                }
                ("XMLSERIALIZE", n.location)
            }
            _ => return Ok(None),
        };
        Ok(Some((ExprKind::Plain { what, args }, location)))
    }

    fn document_list(&mut self, list: &'t pg::List, out: Args<'_, 't>) -> Result<()> {
        for node in list {
            match node {
                None => {}
                Some(pg::Node::JsonKeyValue(pair)) => self.json_key_value(pair, out)?,
                Some(pg::Node::JsonValueExpr(value)) => self.json_value(Some(value), out)?,
                // `AS name` of an XML attribute or element.
                Some(pg::Node::ResTarget(target)) => {
                    if let Some(name) = &target.name {
                        self.settled_name(name);
                    }
                    out.push(self.expr(target.val.as_ref())?);
                }
                node => out.push(self.expr(node.as_ref())?),
            }
        }
        Ok(())
    }

    fn json_key_value(&mut self, pair: &'t pg::JsonKeyValue, out: Args<'_, 't>) -> Result<()> {
        out.extend(self.optional_expr(pair.key.as_ref())?);
        self.json_value(pair.value.as_deref(), out)
    }

    fn json_value(
        &mut self,
        value: Option<&'t pg::JsonValueExpr>,
        out: Args<'_, 't>,
    ) -> Result<()> {
        let Some(pg::JsonValueExpr {
            raw_expr,
            formatted_expr,
            format: _,
        }) = value
        else {
            return Ok(());
        };
        out.extend(self.optional_expr(raw_expr.as_ref())?);
        out.extend(self.optional_expr(formatted_expr.as_ref())?);
        Ok(())
    }

    fn json_passing(&mut self, list: &'t pg::List, out: Args<'_, 't>) -> Result<()> {
        for node in list {
            let Some(pg::Node::JsonArgument(argument)) = node else {
                return Err(unsupported("PASSING like this", None));
            };
            if let Some(name) = &argument.name {
                self.settled_name(name);
            }
            self.json_value(argument.val.as_deref(), out)?;
        }
        Ok(())
    }

    fn json_behavior(
        &mut self,
        behavior: Option<&'t pg::JsonBehavior>,
        out: Args<'_, 't>,
    ) -> Result<()> {
        if let Some(behavior) = behavior {
            out.extend(self.optional_expr(behavior.expr.as_ref())?);
        }
        Ok(())
    }

    fn json_output(&mut self, output: Option<&'t pg::JsonOutput>) -> Result<()> {
        if let Some(ty) = output.and_then(|output| output.typeName.as_deref()) {
            self.type_name(ty)?;
        }
        Ok(())
    }

    fn json_aggregate(
        &mut self,
        constructor: Option<&'t pg::JsonAggConstructor>,
        out: Args<'_, 't>,
    ) -> Result<i32> {
        let Some(pg::JsonAggConstructor {
            output,
            agg_filter,
            agg_order,
            over,
            location,
        }) = constructor
        else {
            return Err(unsupported("an SQL/JSON aggregate like this", None));
        };
        self.json_output(output.as_deref())?;
        out.extend(self.optional_expr(agg_filter.as_ref())?);
        out.extend(self.sort_list(agg_order)?);
        if let Some(window) = over {
            let window = self.window(window)?;
            // Names of windows are no columns.
            self.settled.extend(window.names.iter().map(|name| name.id));
            out.extend(window.partition);
            out.extend(window.order);
            out.extend(window.frame);
        }
        Ok(*location)
    }

    /// `XMLTABLE` in FROM.
    pub(super) fn xml_table(&mut self, node: &'t pg::RangeTableFunc) -> Result<FromItem<'t>> {
        let pg::RangeTableFunc {
            lateral: _,
            docexpr,
            rowexpr,
            namespaces,
            columns,
            alias,
            location,
        } = node;
        let mut args = Vec::new();
        args.extend(self.optional_expr(docexpr.as_ref())?);
        args.extend(self.optional_expr(rowexpr.as_ref())?);
        self.document_list(namespaces, &mut args)?;
        let mut names = Vec::new();
        for column in columns {
            let Some(pg::Node::RangeTableFuncCol(column)) = column else {
                return Err(unsupported("XMLTABLE like this", offset(*location)));
            };
            if let Some(ty) = &column.typeName {
                self.type_name(ty)?;
            }
            args.extend(self.optional_expr(column.colexpr.as_ref())?);
            args.extend(self.optional_expr(column.coldefexpr.as_ref())?);
            match &column.colname {
                Some(name) => names.push(self.name(name)),
                None => return Err(unsupported("XMLTABLE like this", offset(*location))),
            }
        }
        Ok(FromItem::Document {
            what: "XMLTABLE",
            args,
            columns: names,
            alias: self.boxed_alias(alias.as_deref())?,
            at: offset(*location).unwrap_or(0),
        })
    }

    /// `JSON_TABLE` in FROM.
    pub(super) fn json_table(&mut self, node: &'t pg::JsonTable) -> Result<FromItem<'t>> {
        let pg::JsonTable {
            context_item,
            pathspec,
            passing,
            columns,
            on_error,
            alias,
            lateral: _,
            location,
        } = node;
        let mut args = Vec::new();
        self.json_value(context_item.as_deref(), &mut args)?;
        self.json_path(pathspec.as_deref(), &mut args)?;
        self.json_passing(passing, &mut args)?;
        self.json_behavior(on_error.as_deref(), &mut args)?;
        let mut names = Vec::new();
        self.json_columns(columns, &mut args, &mut names)?;
        Ok(FromItem::Document {
            what: "JSON_TABLE",
            args,
            columns: names,
            alias: self.boxed_alias(alias.as_deref())?,
            at: offset(*location).unwrap_or(0),
        })
    }

    fn json_path(
        &mut self,
        path: Option<&'t pg::JsonTablePathSpec>,
        out: Args<'_, 't>,
    ) -> Result<()> {
        if let Some(path) = path {
            if let Some(name) = &path.name {
                self.settled_name(name);
            }
            out.extend(self.optional_expr(path.string.as_ref())?);
        }
        Ok(())
    }

    /// The columns in the order in which `*` gives them: nested ones stand in their place.
    fn json_columns(
        &mut self,
        list: &'t pg::List,
        args: Args<'_, 't>,
        names: &mut Vec<Name<'t>>,
    ) -> Result<()> {
        for node in list {
            let Some(pg::Node::JsonTableColumn(column)) = node else {
                return Err(unsupported("JSON_TABLE like this", None));
            };
            let pg::JsonTableColumn {
                coltype: _,
                name,
                typeName,
                pathspec,
                format: _,
                wrapper: _,
                quotes: _,
                columns,
                on_empty,
                on_error,
                location,
            } = column.as_ref();
            if let Some(ty) = typeName {
                self.type_name(ty)?;
            }
            self.json_path(pathspec.as_deref(), args)?;
            self.json_behavior(on_empty.as_deref(), args)?;
            self.json_behavior(on_error.as_deref(), args)?;
            if columns.is_empty() {
                match name {
                    Some(name) => names.push(self.name(name)),
                    None => return Err(unsupported("JSON_TABLE like this", offset(*location))),
                }
            } else {
                let at = offset(*location).unwrap_or(0);
                self.deeper(at, |lower| lower.json_columns(columns, args, names))?;
            }
        }
        Ok(())
    }
}
