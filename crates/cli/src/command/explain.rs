//! `sealwire explain`

mod synthetic;

use std::collections::BTreeSet;

use sealwire_core::policy::{ColumnId, Policy};
use sealwire_core::value::Usage;
use sealwire_sql::{
    Context, CopyDirection, CopyStream, Definition, Outputs, Param, Plan, Protocol, Refusal,
    RefusalKind, Replacement, Verdict,
};
use serde::Serialize;

use self::synthetic::Synthetic;
use crate::args::{Explain, Global};
use crate::database::{self, Loader};
use crate::error::Error;
use crate::files;
use crate::output::Output;

/// How often the analysis may ask for further relations: views over views, each round one deeper.
const ROUNDS_MAX: usize = 64;

pub(super) async fn run(global: &Global, args: &Explain, output: &mut Output) -> Result<(), Error> {
    let manifest = files::authenticate(global).await?;
    let policy = manifest.policy();
    let protocol = if args.simple {
        Protocol::Simple
    } else {
        Protocol::Extended
    };
    let text = &args.statement;
    let verdict = match &args.database.url {
        Some(url) => live(policy, text, protocol, url).await?,
        None => {
            let synthetic = Synthetic::new(policy, &args.search_path);
            let context = synthetic.context(policy);
            match sealwire_sql::analyse(text, protocol, &context) {
                Verdict::NeedsRelations(names) => return Err(unknown_relations(&names)),
                Verdict::Refused(refusal) if refusal.kind == RefusalKind::Invalid => {
                    Verdict::Refused(without_database(refusal))
                }
                verdict => verdict,
            }
        }
    };
    match verdict {
        Verdict::Untouched => output.print(&Explained::untouched(text), Explained::text),
        Verdict::Planned(plan) => {
            output.print(&Explained::planned(policy, text, &plan), Explained::text)
        }
        Verdict::Refused(refusal) => {
            output.fault();
            output.print(&Refused::new(text, &refusal), Refused::text)
        }
        Verdict::NeedsRelations(names) => Err(unknown_relations(&names)),
        _ => Err(Error::new("this version cannot explain the verdict")),
    }
}

/// A name may be unknown only because the manifest does not list a table's plain columns.
fn without_database(mut refusal: Refusal) -> Refusal {
    let hint = refusal
        .hint
        .take()
        .map(|hint| hint + "; ")
        .unwrap_or_default();
    refusal.hint = Some(format!(
        "{hint}without `--database URL`, plain columns are known of tables whose order is pinned only"
    ));
    refusal
}

fn unknown_relations(names: &[String]) -> Error {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Error::new(format_args!(
        "the statement names {}, which the manifest does not describe",
        names.join(", ")
    ))
    .hint("give the database with `--database URL`: its catalogue is then looked up")
}

async fn live(
    policy: &Policy,
    text: &str,
    protocol: Protocol,
    url: &str,
) -> Result<Verdict, Error> {
    let client = database::connect(url).await?;
    let mut loader = Loader::new(&client).await?;
    let protected: BTreeSet<String> = policy.tables().iter().map(|t| t.name.clone()).collect();
    loader.load(protected.into_iter().collect()).await?;
    for _ in 0..ROUNDS_MAX {
        let context = Context {
            policy,
            catalogue: &loader.catalogue,
            facts: &loader.facts,
            names: &sealwire_sql::NoNames,
            idle: true,
        };
        match sealwire_sql::analyse(text, protocol, &context) {
            Verdict::NeedsRelations(names) => loader.load(names).await?,
            verdict => return Ok(verdict),
        }
    }
    Err(Error::new(
        "the statement needs ever more relations to be understood",
    ))
}

#[derive(Serialize)]
struct Explained {
    verdict: &'static str,
    parameters: Vec<Typed>,
    literals: Vec<Typed>,
    /// One list per statement; `None` where a statement names nothing encrypted.
    outputs: Vec<Option<Vec<Option<Cells>>>>,
    /// One per statement; `None` where it is no COPY between client and server.
    copies: Vec<Option<Copied>>,
    sent: String,
}

/// The stream of a COPY.
#[derive(Serialize)]
struct Copied {
    direction: &'static str,
    columns: Vec<CopiedColumn>,
}

/// A column of it; `cells` is `None` for a plain one.
#[derive(Serialize)]
struct CopiedColumn {
    name: String,
    #[serde(flatten)]
    cells: Option<Cells>,
}

impl Copied {
    fn new(policy: &Policy, stream: &CopyStream) -> Self {
        let columns = stream.columns.iter().map(|column| CopiedColumn {
            name: column.name.clone(),
            cells: column.column.map(|id| Cells::new(policy, id)),
        });
        Self {
            direction: match stream.direction {
                CopyDirection::In => "in",
                CopyDirection::Out => "out",
            },
            columns: columns.collect(),
        }
    }

    fn text(&self, of: &str) -> String {
        let (word, preposition) = match self.direction {
            "in" => ("sealed", "for"),
            _ => ("opened", "from"),
        };
        let mut text = format!("columns of the stream{of}\n");
        for column in &self.columns {
            let what = match &column.cells {
                None => "plain".into(),
                Some(c) => format!(
                    "{}, {word} {preposition} {} ({})",
                    c.r#type, c.column, c.mode
                ),
            };
            text += &format!("  {:<4}  {what}\n", column.name);
        }
        text
    }
}

/// How one parameter or literal is read; `cells` is `None` for a plain one.
#[derive(Serialize)]
struct Typed {
    name: String,
    #[serde(flatten)]
    cells: Option<Cells>,
    array: bool,
    usage: Option<&'static str>,
}

/// Whose cells something is.
#[derive(Serialize)]
struct Cells {
    column: String,
    r#type: String,
    mode: String,
}

impl Cells {
    fn new(policy: &Policy, id: ColumnId) -> Self {
        let spec = policy.column(id);
        Self {
            column: spec.path(),
            r#type: spec.type_name(),
            mode: spec.mode.to_string(),
        }
    }
}

const fn usage_name(usage: Usage) -> &'static str {
    match usage {
        Usage::Assign => "stored",
        Usage::Compare => "compared",
        Usage::Choose => "chosen",
    }
}

impl Explained {
    fn untouched(statement: &str) -> Self {
        Self {
            verdict: "untouched",
            parameters: Vec::new(),
            literals: Vec::new(),
            outputs: Vec::new(),
            copies: Vec::new(),
            sent: statement.to_owned(),
        }
    }

    fn planned(policy: &Policy, statement: &str, plan: &Plan) -> Self {
        // What `PREPARE` and `DECLARE` name is explained as the statement in them.
        let mut outputs: Vec<&Outputs> = plan.statements.iter().collect();
        let mut params: Vec<(&Param, usize)> = plan.params.iter().zip(1..).collect();
        for (at, definition) in &plan.definitions {
            let (Definition::Prepare { plan: inner, .. } | Definition::Declare { plan: inner, .. }) =
                definition
            else {
                continue;
            };
            if let Some(inner) = inner {
                params.extend(inner.params.iter().zip(1..));
                if let (Some(slot), Some(rows)) = (outputs.get_mut(*at), inner.statements.first()) {
                    *slot = rows;
                }
            }
        }
        let parameters = params.into_iter().map(|(param, n)| {
            let name = format!("${n}");
            match *param {
                Param::Plain => Typed {
                    name,
                    cells: None,
                    array: false,
                    usage: None,
                },
                Param::Sealed {
                    column,
                    array,
                    usage,
                    ..
                } => Typed {
                    name,
                    cells: Some(Cells::new(policy, column)),
                    array,
                    usage: Some(usage_name(usage)),
                },
            }
        });
        let mut literals = Vec::new();
        let mut sent = String::new();
        let mut rest = 0;
        for edit in &plan.edits {
            sent.push_str(statement.get(rest..edit.range.start).unwrap_or_default());
            rest = edit.range.end;
            match &edit.replacement {
                Replacement::Text(text) => sent.push_str(text),
                Replacement::Literal {
                    column,
                    usage,
                    array,
                    ..
                } => {
                    let (line, at_column) = line_and_column(statement, edit.range.start);
                    literals.push(Typed {
                        name: format!("{line}:{at_column}"),
                        cells: Some(Cells::new(policy, *column)),
                        array: *array,
                        usage: Some(usage_name(*usage)),
                    });
                    sent.push_str(match array {
                        true => "'{…}'::pg_catalog.bytea[]",
                        false => "'\\x…'::pg_catalog.bytea",
                    });
                }
                _ => sent.push('…'),
            }
        }
        sent.push_str(statement.get(rest..).unwrap_or_default());
        let outputs = outputs.into_iter().map(|outputs| match outputs {
            Outputs::Untouched => None,
            Outputs::Columns(columns) => {
                let cells = columns.iter().map(|output| {
                    let mut cells = Cells::new(policy, output.column?);
                    if output.array {
                        cells.r#type.push_str("[]");
                    }
                    Some(cells)
                });
                Some(cells.collect())
            }
            // Its rows are in the stream.
            Outputs::Copy(_) => Some(Vec::new()),
        });
        let copies = plan.statements.iter().map(|outputs| match outputs {
            Outputs::Copy(stream) => Some(Copied::new(policy, stream)),
            _ => None,
        });
        Self {
            verdict: "planned",
            parameters: parameters.collect(),
            literals,
            outputs: outputs.collect(),
            copies: copies.collect(),
            sent,
        }
    }

    fn text(&self) -> String {
        if self.verdict == "untouched" {
            return "names nothing encrypted: goes to the server byte for byte".into();
        }
        let mut text = String::new();
        let mut list = |heading: &str, items: &[Typed]| {
            if !items.is_empty() {
                text += &format!("{heading}\n");
            }
            for item in items {
                let what = match &item.cells {
                    None => "plain".into(),
                    Some(cells) => format!(
                        "{}{}, sealed for {} ({}), {}",
                        cells.r#type,
                        if item.array { "[]" } else { "" },
                        cells.column,
                        cells.mode,
                        item.usage.unwrap_or_default()
                    ),
                };
                text += &format!("  {:<4}  {what}\n", item.name);
            }
        };
        list("parameters", &self.parameters);
        list("literals, by line and column", &self.literals);
        for (at, outputs) in self.outputs.iter().enumerate() {
            let of = if self.outputs.len() > 1 {
                format!(" of statement {}", at + 1)
            } else {
                String::new()
            };
            if let Some(Some(copied)) = self.copies.get(at) {
                text += &copied.text(&of);
                continue;
            }
            match outputs {
                None => text += &format!("output columns{of}: passed as they are\n"),
                Some(columns) if columns.is_empty() => {}
                Some(columns) => {
                    text += &format!("output columns{of}\n");
                    for (cells, n) in columns.iter().zip(1..) {
                        let what = match cells {
                            None => "plain".into(),
                            Some(c) => {
                                format!("{}, opened from {} ({})", c.r#type, c.column, c.mode)
                            }
                        };
                        text += &format!("  {n:<4}  {what}\n");
                    }
                }
            }
        }
        text + "sent to the server\n" + &indent(&self.sent)
    }
}

/// The statement itself is left out: it may hold what must not go into a ticket.
#[derive(Serialize)]
struct Refused<'a> {
    verdict: &'static str,
    kind: String,
    sqlstate: &'static str,
    message: &'a str,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
}

impl<'a> Refused<'a> {
    fn new(statement: &str, refusal: &'a Refusal) -> Self {
        let at = refusal
            .offset
            .map(|offset| line_and_column(statement, offset));
        Self {
            verdict: "refused",
            kind: kind(refusal.kind),
            sqlstate: refusal.sqlstate,
            message: &refusal.message,
            detail: refusal.detail.as_deref(),
            hint: refusal.hint.as_deref(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("refused: {} (SQLSTATE {})\n", self.message, self.sqlstate);
        if let Some(detail) = self.detail {
            text += &format!("detail: {detail}\n");
        }
        if let Some(hint) = self.hint {
            text += &format!("hint: {hint}\n");
        }
        if let (Some(line), Some(column)) = (self.line, self.column) {
            text += &format!("at: line {line}, column {column}\n");
        }
        text + &format!("see docs/errors.md, `{}`", self.kind)
    }
}

/// The entry of `docs/errors.md`: `UnsupportedOperator` is `unsupported-operator`.
fn kind(kind: RefusalKind) -> String {
    let mut out = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[start..].chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
