//! One text, from tokens to verdict.

mod changed;
mod copy;
#[cfg(test)]
mod mutation;
#[cfg(test)]
#[path = "../tests/common/schema.rs"]
mod schema;
mod session;
mod utility;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Context;
use crate::infer::{Analyser, Voice};
use crate::ir::{Action, Query, Script, Setting, Statement, StatementKind, TypeName, Unsupported};
use crate::matcher::Matcher;
use crate::parse::{self, DEPTH_MAX, Fault, Lexeme, Tokens};
use crate::plan::{
    CheckedPlan, CopyStream, Edit, Output, Outputs, Param, Plan, Protocol, Refusal, RefusalKind,
    Untyped, Verdict,
};
use crate::refuse::{self, Finish, refuse};
use crate::relation::{Resolver, Stop};
use crate::scope::Ctes;
use crate::session::{Definition, Local, may_use_names, uses_names};
use crate::splice;
use crate::views::ViewOutputs;
use changed::Changed;

/// Tokens that a text may have. The parser needs stack in proportion to them: the measured worst
/// case of 16,000 is 4 MiB in a build without optimisation.
const TOKENS_MAX: usize = 16_000;

/// Tokens that are analysed on the caller's stack.
const TOKENS_ON_STACK_MAX: usize = 4_000;

/// Levels of nesting that are analysed on the caller's stack.
const DEPTH_ON_STACK_MAX: usize = 64;

/// The stack of the thread for everything else.
const THREAD_STACK_BYTES: usize = 64 << 20;

/// What one statement came to.
#[derive(Debug)]
enum Outcome {
    Untouched,
    Planned {
        outputs: Outputs,
        params: Vec<Param>,
        edits: Vec<Edit>,
        relations: Vec<u32>,
        untyped: Vec<Untyped>,
    },
    Copy {
        stream: Arc<CopyStream>,
        edits: Vec<Edit>,
        relations: Vec<u32>,
    },
}

impl Outcome {
    /// Whether nothing is sealed and nothing opened.
    fn is_plain(&self) -> bool {
        match self {
            Self::Untouched => true,
            Self::Planned {
                outputs: Outputs::Columns(columns),
                params,
                edits,
                ..
            } => {
                let is_sealed = |param: &Param| matches!(param, Param::Sealed { .. });
                edits.is_empty()
                    && !params.iter().any(is_sealed)
                    && columns.iter().all(|column| column.column.is_none())
            }
            Self::Planned { .. } | Self::Copy { .. } => false,
        }
    }
}

/// Analyses one text.
pub(crate) fn text(
    text: &str,
    protocol: Protocol,
    context: &Context<'_>,
    matcher: &Matcher,
) -> Verdict {
    let mentions = matcher.mentions(text);
    let by_name = || may_use_names(text) && uses_names(text, context.names);
    if !mentions && !by_name() {
        return Verdict::Untouched;
    }
    let verdict = match Tokens::new(text) {
        Ok(tokens) if tokens.len() > TOKENS_MAX => Err(too_complex("tokens", TOKENS_MAX).into()),
        Ok(tokens) => on_a_stack(tokens.len(), |depth_max| {
            let mut resolver = Resolver::new(*context, &matcher.views, depth_max);
            script(text, &tokens, protocol, matcher, &mut resolver)
        }),
        Err((words, at)) => Err(syntax(words, at).into()),
    };
    match verdict {
        Ok(verdict) => verdict,
        // The server's grammar is no larger than this one: what cannot be read uses no name.
        Err(Stop::Refused(refusal)) if !mentions && refusal.kind == RefusalKind::Syntax => {
            Verdict::Untouched
        }
        Err(Stop::Needs(names)) => Verdict::NeedsRelations(names),
        Err(Stop::TooDeep { at }) => Verdict::Refused(too_complex("levels", DEPTH_MAX).at(at)),
        Err(Stop::Refused(mut refusal)) => {
            if let Some(name) = matcher.first_in(text) {
                let which = format!("protected relation `{name}`");
                refusal.message = refusal.message.replace("a protected relation", &which);
            }
            Verdict::Refused(*refusal)
        }
    }
}

/// Runs an analysis on the caller's stack if that is enough, else on a thread with a large one.
///
/// A caller may be a worker thread with a stack of 2 MiB. Without optimisation the parser alone
/// needs more than that for any statement: its one function for all actions of the grammar has a
/// frame of some 2 MiB then.
fn on_a_stack(
    tokens: usize,
    analysis: impl Fn(usize) -> Result<Verdict, Stop> + Sync,
) -> Result<Verdict, Stop> {
    if !cfg!(debug_assertions) && tokens <= TOKENS_ON_STACK_MAX {
        match analysis(DEPTH_ON_STACK_MAX) {
            Err(Stop::TooDeep { .. }) => {}
            verdict => return verdict,
        }
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("sealwire-analyse".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn_scoped(scope, || analysis(DEPTH_MAX));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(refuse(
                RefusalKind::TooComplex,
                "refusing to run a statement for whose analysis there is no thread",
            )
            .hint("try again when the system has resources for a thread")
            .into()),
        }
    })
}

/// What the server will say of a text that its grammar does not accept.
fn syntax(words: impl Into<String>, at: Option<usize>) -> Refusal {
    let mut refusal = refuse(RefusalKind::Syntax, words);
    refusal.offset = at;
    refusal
}

fn too_complex(what: &str, limit: usize) -> Refusal {
    refuse(
        RefusalKind::TooComplex,
        format!("refusing to run a statement of more than {limit} {what} on a protected relation"),
    )
    .hint("split the statement, or pass lists as array parameters")
}

fn fault(fault: Fault) -> Stop {
    match fault {
        Fault::Syntax { words, at } => syntax(words, at).into(),
        Fault::TooDeep { at } => Stop::TooDeep { at },
        Fault::Unsupported(Unsupported { what, at }) => refuse::construct(what, at).into(),
    }
}

fn script(
    text: &str,
    tokens: &Tokens<'_>,
    protocol: Protocol,
    matcher: &Matcher,
    resolver: &mut Resolver<'_>,
) -> Result<Verdict, Stop> {
    let tree = parse::parse(text, tokens).map_err(fault)?;
    let script = parse::lower(text, tokens, &tree, resolver.depth_max).map_err(fault)?;
    if protocol == Protocol::Extended && script.statements.len() > 1 {
        let words = "cannot insert multiple commands into a prepared statement";
        return Err(refuse::invalid("42601", words).into());
    }
    load(&script, resolver)?;
    let mut plan = Plan::default();
    let mut touched = false;
    let mut changed = Changed::default();
    let (idle, mut set) = (resolver.context.idle, None::<Setting>);
    let mut names = Local::new(resolver.context.names);
    for (at, statement) in script.statements.iter().enumerate() {
        let mut one = One {
            text,
            tokens,
            script: &script,
            statement,
            matcher,
            resolver: &mut *resolver,
            names: &names,
            definition: None,
            executes: Vec::new(),
            uses_cursor: false,
            touches: false,
        };
        let outcome = one.outcome();
        let has_values = one.has_values();
        let One {
            definition,
            executes,
            uses_cursor,
            touches,
            ..
        } = one;
        if let Some(what) = changed.before(statement, has_values, matcher, resolver)? {
            return Err(after_renaming(what, statement.range.start).into());
        }
        let outcome = outcome?;
        let protected = touches || !matches!(outcome, Outcome::Untouched);
        changed.make(statement, protected, matcher, resolver)?;
        plan.uses_names |= uses_cursor || !executes.is_empty();
        plan.executes.extend(executes);
        if let Some(definition) = definition {
            let concerns = names.concerns(&definition);
            touched |= concerns;
            // What is prepared as plain may mean something else by the time it is executed.
            if concerns || matches!(definition, Definition::Prepare { .. }) {
                names.apply(&definition);
                plan.definitions.push((at, definition));
            }
        }
        let (outputs, params, edits, relations) = match outcome {
            Outcome::Untouched => (Outputs::Untouched, Vec::new(), Vec::new(), Vec::new()),
            Outcome::Planned {
                outputs,
                params,
                edits,
                relations,
                untyped,
            } => {
                plan.untyped.extend(untyped);
                (outputs, params, edits, relations)
            }
            Outcome::Copy {
                stream,
                edits,
                relations,
            } => (Outputs::Copy(stream), Vec::new(), edits, relations),
        };
        let policy = resolver.context.policy;
        let before = set.unwrap_or_default();
        let seals = before.reads_otherwise && edits.iter().any(Edit::is_literal);
        let writes = before.writes_otherwise && utility::depends_on_settings(&outputs, policy);
        if seals || writes {
            let what = match seals {
                true => "seal literals",
                false => "exchange values of this type",
            };
            return Err(refuse(
                RefusalKind::UnsupportedConstruct,
                format!("refusing to {what} after `SET` in one text"),
            )
            .detail("the setting may change how they are read or written")
            .hint("send the two separately")
            .at(statement.range.start)
            .into());
        }
        let passes = outputs == Outputs::Untouched && params.is_empty() && edits.is_empty();
        match outputs {
            Outputs::Untouched if passes && relations.is_empty() => {
                plan.statements.push(Outputs::Untouched);
            }
            outputs => {
                let returns_none = outputs == Outputs::Columns(Vec::new());
                let carries_values = !(params.is_empty() && edits.is_empty() && returns_none)
                    || matches!(
                        statement.kind,
                        StatementKind::Query(_)
                            | StatementKind::Copy(_)
                            | StatementKind::Prepare(_)
                            | StatementKind::Execute(_)
                            | StatementKind::Declare(_)
                    );
                if let Some(what) = changed.by
                    && carries_values
                {
                    return Err(after_renaming(what, statement.range.start).into());
                }
                touched = true;
                plan.statements.push(outputs);
                plan.params = params;
                plan.edits.extend(edits);
                plan.relations.extend(relations);
            }
        }
        if let Some(setting) = utility::sets(&statement.kind) {
            let set = set.get_or_insert_default();
            set.reads_otherwise |= setting.reads_otherwise;
            set.writes_otherwise |= setting.writes_otherwise;
        }
        // What began in this text and set nothing has nothing to take back.
        let takes_back = !utility::ends_transaction(&statement.kind) || !idle || set.is_some();
        if let Some(what) = utility::changes_names(&statement.kind).filter(|_| takes_back) {
            changed.by.get_or_insert(what);
        } else if parse::calls_set_config(tokens, &statement.range) {
            changed.by.get_or_insert("`set_config`");
        }
    }
    if !touched {
        return Ok(Verdict::Untouched);
    }
    plan.relations.sort_unstable();
    plan.relations.dedup();
    Ok(Verdict::Planned(CheckedPlan(plan)))
}

fn after_renaming(what: &str, at: usize) -> Refusal {
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to run a protected statement after {what} in one text"),
    )
    .detail("names may mean something else by then")
    .hint("send the two separately")
    .at(at)
}

/// Asks for every relation of a text at once.
fn load(script: &Script<'_>, resolver: &mut Resolver<'_>) -> Result<(), Stop> {
    let mut needs = Vec::new();
    for relation in script.statements.iter().flat_map(|s| &s.relations) {
        let is_loaded = resolver.is_loaded(relation.schema, relation.name);
        if !is_loaded && !needs.contains(&relation.name) {
            needs.push(relation.name);
        }
    }
    if needs.is_empty() {
        Ok(())
    } else {
        Err(Stop::Needs(needs.into_iter().map(str::to_owned).collect()))
    }
}

/// The outputs of the definition of a view, or `None` when it names nothing protected.
pub(crate) fn view(definition: &str, resolver: &mut Resolver<'_>) -> Result<ViewOutputs, Stop> {
    let tokens = Tokens::new(definition).map_err(|(words, at)| Stop::from(syntax(words, at)))?;
    if tokens.len() > TOKENS_MAX {
        return Err(too_complex("tokens", TOKENS_MAX).into());
    }
    let tree = parse::parse(definition, &tokens).map_err(fault)?;
    let script = parse::lower(definition, &tokens, &tree, resolver.depth_max).map_err(fault)?;
    let [statement] = script.statements.as_slice() else {
        return Err(refuse::construct("a view like this", None).into());
    };
    let StatementKind::Query(query @ Query::Select(_)) = &statement.kind else {
        return Err(refuse::construct("a view like this", None).into());
    };
    let mut protected = false;
    for relation in &statement.relations {
        protected |= resolver.is_protected(relation.schema, relation.name)?;
    }
    if !protected {
        return Ok(None);
    }
    let mut analyser = Analyser::new(resolver, Voice::Server, script.names.len(), &script.settled);
    let ctes = Ctes {
        parent: None,
        list: Vec::new(),
    };
    let columns = analyser.query(query, None, &ctes)?;
    let outputs = splice::single_outputs(&mut analyser, &columns, "a view")?;
    let origins = analyser
        .types
        .origins(columns.iter().map(|column| column.ty));
    Ok(Some(outputs.into_iter().zip(origins).collect()))
}

/// One statement of a text.
struct One<'a, 'c: 'a, 'r> {
    text: &'a str,
    tokens: &'a Tokens<'a>,
    script: &'a Script<'a>,
    statement: &'a Statement<'a>,
    matcher: &'a Matcher,
    resolver: &'r mut Resolver<'c>,
    /// Prepared statements and cursors as the statements before leave them.
    names: &'r Local<'c>,
    definition: Option<Definition>,
    executes: Vec<String>,
    uses_cursor: bool,
    /// It names no protected relation, but a function or a type that has to do with cells.
    touches: bool,
}

impl<'a, 'c: 'a> One<'a, 'c, '_> {
    fn outcome(&mut self) -> Result<Outcome, Stop> {
        let mut protected = false;
        for relation in &self.statement.relations {
            protected |= self.resolver.is_protected(relation.schema, relation.name)?;
        }
        let range = &self.statement.range;
        if self
            .matcher
            .runs_code_between(self.text, self.tokens, range)
        {
            return Err(utility::code("a function", range.start).into());
        }
        if protected || !self.touches_cells()? {
            return self.kind(&self.statement.kind, protected);
        }
        self.touches = true;
        match self.kind(&self.statement.kind, true) {
            Err(Stop::Refused(_)) if !self.has_values() => {
                (self.definition, self.uses_cursor) = (None, false);
                self.executes.clear();
                self.kind(&self.statement.kind, false)
            }
            // Nothing of it needs a look at the answers.
            Ok(outcome) if outcome.is_plain() && self.is_alone() => Ok(Outcome::Untouched),
            outcome => outcome,
        }
    }

    /// Whether a statement gives no name to anything that could be used behind it.
    fn is_alone(&self) -> bool {
        match &self.statement.kind {
            StatementKind::Query(_) => true,
            StatementKind::Utility(utility) => matches!(utility.action, Action::Define { .. }),
            _ => false,
        }
    }

    /// Whether a statement on plain relations has to do with cells all the same: by a function that
    /// takes or returns some, or a type that holds some.
    fn touches_cells(&mut self) -> Result<bool, Stop> {
        for (function, args) in &self.statement.calls {
            if self.matcher.is_function(function.name) && self.resolver.calls_of(function, *args)? {
                return Ok(true);
            }
        }
        let mut types: Vec<&TypeName<'a>> = self.statement.types.iter().collect();
        match &self.statement.kind {
            StatementKind::Utility(utility) => types.extend(utility.new_types()),
            // What stands behind that which is not understood has not been read.
            StatementKind::Unsupported(_) => {
                let range = &self.statement.range;
                return Ok(self.matcher.touches_between(self.tokens, range));
            }
            _ => {}
        }
        for ty in types {
            if self.holds_cells(ty)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a type holds cells, that of a relation's column (`%TYPE`) and its row among them.
    fn holds_cells(&mut self, ty: &TypeName<'a>) -> Result<bool, Stop> {
        let of_relation = ty.parts.iter().any(|part| self.matcher.is_name(part.text));
        Ok(ty.odd && of_relation || self.resolver.named_type(ty)?.is_some())
    }

    /// Whether a statement has a constant or a parameter in it.
    fn has_values(&self) -> bool {
        let range = &self.statement.range;
        let mut tokens = self.tokens.iter().filter(|it| range.contains(&it.start));
        tokens.any(|token| match token.lexeme {
            Lexeme::String | Lexeme::Number | Lexeme::Param => true,
            // Strings of bits, which have no lexeme of their own.
            Lexeme::Other => {
                matches!(self.text.get(token.start..token.end), Some(text) if text.contains('\''))
            }
            _ => token.is_keyword("true") || token.is_keyword("false"),
        })
    }

    fn kind(&mut self, kind: &'a StatementKind<'a>, protected: bool) -> Result<Outcome, Stop> {
        match kind {
            StatementKind::Unsupported(Unsupported { what, at }) => {
                let mentioned = self
                    .matcher
                    .mentions_between(self.tokens, &self.statement.range);
                if protected || mentioned {
                    return Err(refuse::construct(what, *at).into());
                }
                Ok(Outcome::Untouched)
            }
            StatementKind::Utility(utility) => self.utility(utility, protected),
            StatementKind::Prepare(prepare) => self.prepare(prepare, protected),
            StatementKind::Execute(execute) => self.execute(execute),
            StatementKind::Declare(declare) => self.declare(declare, protected),
            StatementKind::Fetch { name, is_move } => Ok(self.fetch(name, *is_move)),
            StatementKind::Deallocate(name) => {
                self.definition = Some(Definition::Deallocate(name.clone()));
                Ok(Outcome::Untouched)
            }
            StatementKind::Close(name) => {
                self.definition = Some(Definition::Close(name.clone()));
                Ok(Outcome::Untouched)
            }
            StatementKind::Query(_) | StatementKind::Copy(_) if !protected => {
                Ok(Outcome::Untouched)
            }
            StatementKind::Query(query) => self.query(query),
            StatementKind::Explain(inner) => match self.explained(inner, protected)? {
                outcome @ (Outcome::Untouched | Outcome::Copy { .. }) => Ok(outcome),
                Outcome::Planned {
                    outputs: _,
                    params,
                    edits,
                    relations,
                    untyped,
                } => Ok(Outcome::Planned {
                    // One column of text, JSON or XML.
                    outputs: Outputs::Columns(vec![Output::PLAIN]),
                    params,
                    edits,
                    relations,
                    untyped,
                }),
            },
            StatementKind::Copy(copy) => self.copy(copy),
        }
    }

    /// What `EXPLAIN` is about: it does not define the names that the statement would.
    fn explained(&mut self, kind: &'a StatementKind<'a>, protected: bool) -> Result<Outcome, Stop> {
        let outcome = self.kind(kind, protected);
        self.definition = None;
        outcome
    }

    fn analyser(&mut self) -> Analyser<'a, 'c, '_> {
        Analyser::new(
            self.resolver,
            Voice::Client,
            self.script.names.len(),
            &self.script.settled,
        )
    }

    fn query(&mut self, query: &'a Query<'a>) -> Result<Outcome, Stop> {
        let (text, tokens, script, statement) =
            (self.text, self.tokens, self.script, self.statement);
        let mut analyser = self.analyser();
        analyser.prepares = matches!(statement.kind, StatementKind::Prepare(_));
        let ctes = Ctes {
            parent: None,
            list: Vec::new(),
        };
        let columns = analyser.query(query, None, &ctes)?;
        let outputs = splice::outputs(&mut analyser, &columns)?;
        finish(text, tokens, script, statement, &mut analyser, outputs)
    }
}

/// Grounds a statement and looks for names that the resolver has not seen.
fn finish(
    text: &str,
    tokens: &Tokens<'_>,
    script: &Script<'_>,
    statement: &Statement<'_>,
    analyser: &mut Analyser<'_, '_, '_>,
    outputs: Vec<Output>,
) -> Result<Outcome, Stop> {
    let grounded = splice::ground(text, analyser)?;
    tripwire(tokens, script, statement, analyser)?;
    Ok(Outcome::Planned {
        outputs: Outputs::Columns(outputs),
        params: grounded.params,
        edits: grounded.edits,
        relations: std::mem::take(&mut analyser.relations),
        untyped: grounded.untyped,
    })
}

/// The lexical tripwire: every word that is the name of an encrypted column must have been
/// understood as some name by the resolver. It catches what the resolver does not know of, for
/// example a word that is a column to an older server and a function to the newer grammar.
fn tripwire(
    tokens: &Tokens<'_>,
    script: &Script<'_>,
    statement: &Statement<'_>,
    analyser: &Analyser<'_, '_, '_>,
) -> Result<(), Refusal> {
    let is_sealed = |name: &str| analyser.sealed_names.binary_search(&name).is_ok();
    if let Some((name, at)) = analyser.open.iter().find(|(name, _)| is_sealed(name)) {
        return Err(refuse(
            RefusalKind::UnsupportedConstruct,
            format!("refusing to take column `{name}` of a function for a plain one"),
        )
        .detail("an encrypted column has that name, and the function may return rows with it")
        .hint("if the function's columns are plain, list their names: `FROM f() AS f (a, b)`")
        .at(*at));
    }
    let mut unaccounted: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (index, token) in tokens.iter().enumerate() {
        if !statement.range.contains(&token.start) {
            continue;
        }
        let Some(word) = token.word() else { continue };
        if is_sealed(word) && !tokens.is_grammar_word(index) {
            let (count, at) = unaccounted.entry(word).or_default();
            *count += 1;
            *at = token.start;
        }
    }
    for index in statement.names.clone() {
        let (Some(name), Some(true)) = (script.names.get(index), analyser.accounted.get(index))
        else {
            continue;
        };
        if let Some((count, _)) = unaccounted.get_mut(name) {
            *count = count.saturating_sub(1);
        }
    }
    match unaccounted.into_iter().find(|(_, (count, _))| *count > 0) {
        None => Ok(()),
        Some((word, (_, at))) => Err(refuse(
            RefusalKind::UnsupportedConstruct,
            format!("refusing to run a statement in which the use of `{word}` is not understood"),
        )
        .detail("an encrypted column has that name, and this may be a reference to it")
        .hint("write column references as `relation.column`, and quote names that are keywords")
        .at(at)),
    }
}
