//! PostgreSQL's grammar, and the adapter from its raw tree to ours. This file and its children are
//! the only ones that name the parser crate.
//!
//! The adapter takes every node apart field by field: a node kind, or a field with something in
//! it, that it does not know makes the statement [`Unsupported`], never a smaller statement.

mod definition;
mod document;
mod expr;
mod query;
mod session;
mod statement;
mod tokens;

use std::ops::Range;

use rupg_sql::nodes as pg;

pub(crate) use self::statement::ALTER_TYPE;
pub(crate) use self::tokens::{Lexeme, Tok, Tokens, calls_set_config, each_word, has_folded_name};
use crate::ir::{Name, RelationRef, Script, Statement, StatementKind, TypeName, Unsupported};

/// Levels of nesting that a statement may have in all.
pub(crate) const DEPTH_MAX: usize = 1_000;

/// Why there is no tree.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The grammar does not accept the text, from this offset on.
    Syntax {
        /// The server's words, without a constant that they would repeat.
        words: String,
        at: Option<usize>,
    },
    /// Nested deeper than the given limit.
    TooDeep { at: usize },
    /// A node that the adapter does not know.
    Unsupported(Unsupported),
}

type Result<T> = std::result::Result<T, Fault>;

/// Whether the grammar treats a word as more than a name when it is not quoted.
pub(crate) fn is_keyword(word: &str) -> bool {
    rupg_sql::keyword(word)
        .is_some_and(|keyword| keyword.category != rupg_sql::Category::Unreserved)
}

/// The grammar's own tree of a text, which [`lower`] takes names from.
#[derive(Debug)]
pub(crate) struct Tree(pg::List);

/// Parses a text whose tokens are known.
pub(crate) fn parse(text: &str, tokens: &Tokens<'_>) -> Result<Tree> {
    let (list, _notices) = rupg_sql::parse(text).map_err(|error| {
        let at = error.location;
        let constant = at
            .and_then(|at| tokens.index_at(at))
            .and_then(|index| tokens.get(index))
            .is_some_and(|token| matches!(token.lexeme, Lexeme::String | Lexeme::Number));
        let words = match constant {
            true => "syntax error at or near a constant".to_owned(),
            false => error.message,
        };
        Fault::Syntax { words, at }
    })?;
    Ok(Tree(list))
}

/// Makes our own tree of the grammar's.
pub(crate) fn lower<'t>(
    text: &'t str,
    tokens: &'t Tokens<'t>,
    tree: &'t Tree,
    depth_max: usize,
) -> Result<Script<'t>> {
    let mut lower = Lower {
        text,
        tokens,
        names: Vec::new(),
        settled: Vec::new(),
        relations: Vec::new(),
        calls: Vec::new(),
        types: Vec::new(),
        ctes: Vec::new(),
        depth: 0,
        depth_max,
    };
    let mut statements = Vec::new();
    for node in &tree.0 {
        let Some(pg::Node::RawStmt(raw)) = node else {
            return Err(unsupported("an unknown statement", None));
        };
        let pg::RawStmt {
            stmt,
            stmt_location,
            stmt_len,
        } = raw.as_ref();
        let start = usize::try_from(*stmt_location).unwrap_or(0);
        // A length of zero means the rest of the text.
        let end = match usize::try_from(*stmt_len) {
            Ok(0) | Err(_) => text.len(),
            Ok(len) => start.saturating_add(len).min(text.len()),
        };
        let Some(node) = stmt else { continue };
        lower.ctes.clear();
        lower.depth = 0;
        let first_name = lower.names.len();
        let kind = match lower.statement(node) {
            Ok(kind) => kind,
            Err(Fault::Unsupported(unsupported)) => StatementKind::Unsupported(unsupported),
            Err(fault) => return Err(fault),
        };
        statements.push(Statement {
            kind,
            range: start..end,
            names: first_name..lower.names.len(),
            relations: std::mem::take(&mut lower.relations),
            calls: std::mem::take(&mut lower.calls),
            types: std::mem::take(&mut lower.types),
        });
    }
    Ok(Script {
        statements,
        names: lower.names,
        settled: lower.settled,
    })
}

/// Walks the raw tree of one text.
struct Lower<'t> {
    text: &'t str,
    tokens: &'t Tokens<'t>,
    names: Vec<&'t str>,
    settled: Vec<u32>,
    relations: Vec<RelationRef<'t>>,
    calls: Vec<(RelationRef<'t>, usize)>,
    types: Vec<TypeName<'t>>,
    /// Names of the common table expressions in scope, innermost last.
    ctes: Vec<&'t str>,
    depth: usize,
    depth_max: usize,
}

fn unsupported(what: &'static str, at: Option<usize>) -> Fault {
    Fault::Unsupported(Unsupported { what, at })
}

/// A location of the raw tree: a byte offset, or -1 for unknown.
fn offset(location: i32) -> Option<usize> {
    usize::try_from(location).ok()
}

/// Refuses when a field that should be empty is not.
fn expect_empty(is_empty: bool, what: &'static str, location: i32) -> Result<()> {
    if is_empty {
        Ok(())
    } else {
        Err(unsupported(what, offset(location)))
    }
}

impl<'t> Lower<'t> {
    fn name(&mut self, text: &'t str) -> Name<'t> {
        // A text has far fewer names than 2^32.
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(text);
        Name { text, id }
    }

    /// A name that cannot be a column reference whatever it is called: of a type, an operator, a
    /// collation.
    fn settled_name(&mut self, text: &'t str) -> Name<'t> {
        let name = self.name(text);
        self.settled.push(name.id);
        name
    }

    fn settled_list(&mut self, list: &'t pg::List) -> Result<Vec<Name<'t>>> {
        let names = self.name_list(list)?;
        self.settled.extend(names.iter().map(|name| name.id));
        Ok(names)
    }

    fn optional_name(&mut self, text: Option<&'t pg::Str>) -> Option<Name<'t>> {
        text.map(|text| self.name(text))
    }

    /// A list of `String` nodes.
    fn name_list(&mut self, list: &'t pg::List) -> Result<Vec<Name<'t>>> {
        list.iter()
            .map(|node| match node {
                Some(pg::Node::String(text)) => Ok(self.name(text)),
                _ => Err(unsupported("a name that is not one", None)),
            })
            .collect()
    }

    /// Runs `inner` one level deeper.
    fn deeper<T>(&mut self, at: usize, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > self.depth_max {
            return Err(Fault::TooDeep { at });
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn boxed_alias(
        &mut self,
        alias: Option<&'t pg::Alias>,
    ) -> Result<Option<crate::ir::Alias<'t>>> {
        let Some(pg::Alias {
            aliasname,
            colnames,
        }) = alias
        else {
            return Ok(None);
        };
        let Some(aliasname) = aliasname else {
            return Err(unsupported("an alias without a name", None));
        };
        Ok(Some(crate::ir::Alias {
            name: self.name(aliasname),
            columns: self.name_list(colnames)?,
        }))
    }

    fn table(&mut self, relation: Option<&'t pg::RangeVar>) -> Result<crate::ir::Table<'t>> {
        let Some(pg::RangeVar {
            catalogname,
            schemaname,
            relname,
            inh: _,
            relpersistence: _,
            alias,
            location,
        }) = relation
        else {
            return Err(unsupported("a statement without its relation", None));
        };
        let Some(relname) = relname else {
            return Err(unsupported("a relation without a name", offset(*location)));
        };
        if let Some(catalog) = catalogname {
            // The server accepts only its own database's name here.
            self.settled_name(catalog);
        }
        let at = offset(*location).unwrap_or(0);
        let schema = self.optional_name(schemaname.as_ref());
        if schema.is_some() || !self.ctes.contains(&relname.as_ref()) {
            self.relations.push(RelationRef {
                schema: schema.map(|name| name.text),
                name: relname,
            });
        }
        Ok(crate::ir::Table {
            schema,
            name: self.name(relname),
            alias: self.boxed_alias(alias.as_deref())?,
            at,
        })
    }

    /// Whether two pieces of the text, one behind the other, read as exactly this type name.
    fn reads_as(&self, piece: Range<usize>, behind: Range<usize>, ty: &pg::TypeName) -> bool {
        use rupg_sql::nodes::Equal;
        let (Some(piece), Some(behind)) = (self.text.get(piece), self.text.get(behind)) else {
            return false;
        };
        rupg_sql::parse_type_name(&format!("{piece} {behind}")).is_ok_and(|read| read.equal(ty))
    }
}
