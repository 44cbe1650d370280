//! What meets what in an analysed query of the server's: which columns, parameters and constants
//! can be one value, and which are compared, stored and handed to functions.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{Node, Value};

/// `=` and `<>` of `bytea`, and of arrays.
const EQUALITIES: [i64; 4] = [1955, 1956, 1070, 1071];
/// `unnest(anyarray)`.
const UNNEST: i64 = 2331;
/// `cardinality`, `array_length`, `array_ndims`, `array_dims`, `array_lower`, `array_upper`, which
/// look at an array and not at its elements; `num_nulls`, `num_nonnulls`.
const BLIND_FUNCTIONS: [i64; 8] = [3179, 2176, 748, 747, 2091, 2092, 438, 440];
/// `count(any)`.
const COUNT: i64 = 2147;
/// `lag`, `lead`, `first_value`, `last_value`, `nth_value`: they give back what they were given.
const PASSING_WINDOW: std::ops::RangeInclusive<i64> = 3106..=3114;
const BYTEA: i64 = 17;
const BYTEA_ARRAY: i64 = 1001;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Column(i64, i64),
    /// A parameter, from 1.
    Param(i64),
    /// A cell in the text, at this byte.
    Cell(i64),
    /// Any other constant.
    Constant,
    /// What a function, an operator or a cast makes.
    Computed,
}

/// What is known of the statement.
pub(crate) struct Known<'k> {
    /// The class of every encrypted column, by relation and number.
    pub(crate) classes: &'k BTreeMap<(i64, i64), String>,
    /// Parameters that go out sealed.
    pub(crate) params: BTreeSet<i64>,
    /// Aggregates that give back what they take without looking at it: `array_agg`, `any_value`.
    pub(crate) collectors: &'k BTreeSet<i64>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What is wrong.
    pub(crate) faults: Vec<String>,
    /// Everything sealed that met an encrypted column, with that column's class.
    pub(crate) met: BTreeMap<Source, String>,
    /// Every cell in the text.
    pub(crate) cells: BTreeSet<Source>,
}

/// A query and those around it.
struct Scope<'t, 's> {
    query: &'t Node,
    parent: Option<&'s Self>,
}

/// What stands for something else inside of an expression.
#[derive(Clone, Copy, Default)]
struct Inside<'t> {
    /// The subquery whose outputs the test of an `IN` names.
    subselect: Option<&'t Node>,
    /// What `CASE` compares.
    case: Option<&'t Node>,
}

/// Sealed things that meet, and the class of the columns among them.
struct Group {
    sources: Sources,
    class: Option<String>,
}

pub(crate) struct Flow<'k> {
    known: Known<'k>,
    groups: Vec<Group>,
    pub(crate) findings: Findings,
}

type Sources = BTreeSet<Source>;

/// Deeper than any statement of the tests; ends the recursion of recursive queries.
const DEPTH_MAX: usize = 60;

impl<'k> Flow<'k> {
    pub(crate) fn new(known: Known<'k>) -> Self {
        Self {
            known,
            groups: Vec::new(),
            findings: Findings::default(),
        }
    }

    pub(crate) fn query(&mut self, query: &Node) {
        let scope = Scope {
            query,
            parent: None,
        };
        self.check(&scope, Inside::default(), query);
        self.join_groups();
    }

    /// A parameter or cell has the class of all that it meets, and so does what that meets.
    fn join_groups(&mut self) {
        let mut classes: BTreeMap<Source, String> = BTreeMap::new();
        loop {
            let before = classes.len();
            for group in &self.groups {
                let known = group.sources.iter().find_map(|source| classes.get(source));
                let Some(class) = group.class.clone().or_else(|| known.cloned()) else {
                    continue;
                };
                for source in group.sources.iter() {
                    let other = classes
                        .entry(source.clone())
                        .or_insert_with(|| class.clone());
                    if *other != class {
                        let fault =
                            format!("{source:?} meets columns of classes {class} and {other}");
                        self.findings.faults.push(fault);
                    }
                }
            }
            if classes.len() == before {
                break;
            }
        }
        self.findings.met = classes;
    }

    fn is_blind(&self, aggregate: i64) -> bool {
        aggregate == COUNT || self.known.collectors.contains(&aggregate)
    }

    fn class(&self, source: &Source) -> Option<&str> {
        match source {
            Source::Column(relation, column) => self
                .known
                .classes
                .get(&(*relation, *column))
                .map(String::as_str),
            _ => None,
        }
    }

    fn is_sealed(&self, source: &Source) -> bool {
        match source {
            Source::Column(..) => self.class(source).is_some(),
            Source::Param(number) => self.known.params.contains(number),
            Source::Cell(_) => true,
            Source::Constant | Source::Computed => false,
        }
    }

    /// These meet: all of them are sealed, for one class, or none is. Returns whether any is.
    fn meet(&mut self, sources: &Sources, whereabouts: &str) -> bool {
        let sealed: Vec<Source> = sources
            .iter()
            .filter(|source| self.is_sealed(source))
            .cloned()
            .collect();
        if sealed.is_empty() {
            return false;
        }
        let classes: BTreeSet<&str> = sources.iter().filter_map(|s| self.class(s)).collect();
        let class = classes.first().map(|class| (*class).to_owned());
        let fault = (sealed.len() < sources.len() || classes.len() > 1)
            .then(|| format!("{whereabouts}: {sources:?} meet, of classes {classes:?}"));
        self.findings.faults.extend(fault);
        self.groups.push(Group {
            sources: sealed.into_iter().collect(),
            class,
        });
        true
    }

    /// These go where nothing sealed may go.
    fn plain(&mut self, sources: &Sources, whereabouts: &str) {
        if sources.iter().any(|source| self.is_sealed(source)) {
            let fault = format!("{whereabouts} of {sources:?}");
            self.findings.faults.push(fault);
        }
    }

    /// Checks a node and everything beneath.
    fn check<'t>(&mut self, scope: &Scope<'t, '_>, inside: Inside<'t>, node: &'t Node) {
        let of = |flow: &Self, nodes: &mut dyn Iterator<Item = &'t Node>| {
            let mut sources = Sources::new();
            for node in nodes {
                flow.sources(scope, inside, node, 0, &mut sources);
            }
            sources
        };
        let whereabouts = format!("{} at {}", node.tag, node.atom("location").unwrap_or("?"));
        match node.tag.as_str() {
            "OPEXPR" | "DISTINCTEXPR" | "NULLIFEXPR" | "SCALARARRAYOPEXPR" => {
                let sources = of(self, &mut node.nodes("args"));
                if self.meet(&sources, &whereabouts) && !EQUALITIES.contains(&node.number("opno")) {
                    let fault = format!("{whereabouts}: operator {}", node.number("opno"));
                    self.findings.faults.push(fault);
                }
            }
            "COALESCE" | "COALESCEEXPR" => {
                let sources = of(self, &mut node.nodes("args"));
                self.meet(&sources, &whereabouts);
            }
            "ARRAY" | "ARRAYEXPR" => {
                let sources = of(self, &mut node.nodes("elements"));
                self.meet(&sources, &whereabouts);
            }
            "CASE" | "CASEEXPR" => {
                let sources = of(self, &mut std::iter::once(node));
                self.meet(&sources, &whereabouts);
            }
            "FUNCEXPR"
                if node.number("funcid") == UNNEST
                    || BLIND_FUNCTIONS.contains(&node.number("funcid")) => {}
            "AGGREF" if self.is_blind(node.number("aggfnoid")) => {}
            "WINDOWFUNC"
                if PASSING_WINDOW.contains(&node.number("winfnoid"))
                    || self.is_blind(node.number("winfnoid")) => {}
            "FUNCEXPR" | "AGGREF" | "WINDOWFUNC" | "MINMAX" | "MINMAXEXPR" | "ROW" | "ROWEXPR" => {
                // The arguments of an aggregate are target entries.
                let args = node.nodes("args");
                let mut args = args.map(|arg| {
                    arg.node("expr")
                        .filter(|_| arg.tag == "TARGETENTRY")
                        .unwrap_or(arg)
                });
                let sources = of(self, &mut args);
                self.plain(&sources, &whereabouts);
            }
            "COERCEVIAIO" | "FIELDSELECT" | "BOOLEANTEST" => {
                let sources = of(self, &mut node.node("arg").into_iter());
                self.plain(&sources, &whereabouts);
            }
            "ROWCOMPARE" | "ROWCOMPAREEXPR" => {
                let sources = of(self, &mut node.nodes("largs").chain(node.nodes("rargs")));
                self.plain(&sources, &whereabouts);
            }
            "SETOPERATIONSTMT" => {
                for column in 1..=scope.query.list("targetList").len() {
                    let mut sources = Sources::new();
                    self.operands(scope, node, column, 0, &mut sources);
                    self.meet(&sources, &whereabouts);
                }
            }
            "QUERY" => {
                self.check_stores(scope, inside, node);
            }
            "CONST" => {
                self.findings.cells.extend(
                    of(self, &mut std::iter::once(node))
                        .into_iter()
                        .filter(|source| matches!(source, Source::Cell(_))),
                );
            }
            _ => {}
        }
        let inside = match node.tag.as_str() {
            "CASE" | "CASEEXPR" => Inside {
                case: node.node("arg"),
                ..inside
            },
            "SUBLINK" => Inside {
                subselect: node.node("subselect"),
                ..inside
            },
            _ => inside,
        };
        for child in node.children() {
            if child.tag == "QUERY" {
                let scope = Scope {
                    query: child,
                    parent: Some(scope),
                };
                self.check(&scope, Inside::default(), child);
            } else {
                self.check(scope, inside, child);
            }
        }
    }

    /// What a query stores: each value meets the column that it goes to.
    fn check_stores<'t>(&mut self, scope: &Scope<'t, '_>, inside: Inside<'t>, query: &'t Node) {
        let target = query.number("resultRelation");
        if target == 0 {
            return;
        }
        // 2 is UPDATE and 3 INSERT (`CmdType`); in a MERGE (5) the actions say.
        let own = matches!(query.number("commandType"), 2 | 3);
        let mut entries: Vec<&Node> = Vec::new();
        if own {
            entries.extend(query.nodes("targetList"));
        }
        for action in query.nodes("mergeActionList") {
            entries.extend(action.nodes("targetList"));
        }
        if let Some(conflict) = query.node("onConflict") {
            entries.extend(conflict.nodes("onConflictSet"));
        }
        let relation = rte(query, target).number("relid");
        for entry in entries
            .into_iter()
            .filter(|e| e.atom("resjunk") != Some("true"))
        {
            let mut sources = Sources::from([Source::Column(relation, entry.number("resno"))]);
            if let Some(expr) = entry.node("expr") {
                self.sources(scope, inside, expr, 0, &mut sources);
            }
            self.meet(&sources, "a stored value");
        }
    }

    /// The sources of a column of a set operation's operands.
    fn operands<'t>(
        &self,
        scope: &Scope<'t, '_>,
        operation: &'t Node,
        column: usize,
        depth: usize,
        sources: &mut Sources,
    ) {
        for side in ["larg", "rarg"] {
            let Some(side) = operation.node(side) else {
                continue;
            };
            if side.tag == "SETOPERATIONSTMT" {
                self.operands(scope, side, column, depth, sources);
            } else if let Some(query) = rte(scope.query, side.number("rtindex")).node("subquery") {
                self.output(scope, query, column, depth, sources);
            }
        }
    }

    /// The sources of an output column, from 1.
    fn output<'t>(
        &self,
        parent: &Scope<'t, '_>,
        query: &'t Node,
        column: usize,
        depth: usize,
        sources: &mut Sources,
    ) {
        if depth > DEPTH_MAX {
            return;
        }
        let scope = Scope {
            query,
            parent: Some(parent),
        };
        if let Some(operation) = query.node("setOperations") {
            return self.operands(&scope, operation, column, depth + 1, sources);
        }
        let list = match query.number("commandType") {
            1 => "targetList",
            _ => "returningList",
        };
        let expr = query
            .list(list)
            .get(column - 1)
            .and_then(Value::node)
            .and_then(|entry| entry.node("expr"));
        if let Some(expr) = expr {
            self.sources(&scope, Inside::default(), expr, depth + 1, sources);
        }
    }

    /// What an expression's value can be.
    fn sources<'t>(
        &self,
        scope: &Scope<'t, '_>,
        inside: Inside<'t>,
        node: &'t Node,
        depth: usize,
        sources: &mut Sources,
    ) {
        let mut all = |nodes: &mut dyn Iterator<Item = &'t Node>| {
            for node in nodes {
                self.sources(scope, inside, node, depth + 1, sources);
            }
        };
        if depth > DEPTH_MAX {
            return;
        }
        match node.tag.as_str() {
            "VAR" => self.variable(scope, node, depth, sources),
            "PARAM" => match (node.number("paramkind"), node.number("paramid")) {
                (0, number) => {
                    sources.insert(Source::Param(number));
                }
                (2, column) => {
                    if let Some(query) = inside.subselect {
                        self.output(scope, query, index(column), depth, sources);
                    }
                }
                (3, number) => {
                    let links = scope
                        .query
                        .nodes("targetList")
                        .filter_map(|e| e.node("expr"));
                    let mut links = links.filter(|e| e.tag == "SUBLINK");
                    let link = links.find(|link| link.number("subLinkId") == number >> 16);
                    if let Some(query) = link.and_then(|link| link.node("subselect")) {
                        self.output(scope, query, index(number & 0xffff), depth, sources);
                    }
                }
                _ => {}
            },
            "CONST" => match node.atom("constisnull") {
                Some("true") => {}
                _ if is_cell(node) => {
                    sources.insert(Source::Cell(node.number("location")));
                }
                _ => {
                    sources.insert(Source::Constant);
                }
            },
            "RELABELTYPE" | "COERCETODOMAIN" | "ARRAYCOERCEEXPR" | "COLLATEEXPR" => {
                all(&mut node.node("arg").into_iter());
            }
            "COALESCE" | "COALESCEEXPR" => all(&mut node.nodes("args")),
            "NULLIFEXPR" => all(&mut node.nodes("args").take(1)),
            "ARRAY" | "ARRAYEXPR" => all(&mut node.nodes("elements")),
            "CASE" | "CASEEXPR" => {
                all(&mut node.nodes("args").filter_map(|when| when.node("result")));
                all(&mut node.node("defresult").into_iter());
            }
            "CASETESTEXPR" => all(&mut inside.case.into_iter()),
            // EXPR_SUBLINK and ARRAY_SUBLINK.
            "SUBLINK" if matches!(node.number("subLinkType"), 4 | 6) => {
                if let Some(query) = node.node("subselect") {
                    self.output(scope, query, 1, depth, sources);
                }
            }
            "FUNCEXPR" if node.number("funcid") == UNNEST => all(&mut node.nodes("args")),
            "WINDOWFUNC" if PASSING_WINDOW.contains(&node.number("winfnoid")) => {
                let value = |at: &usize| *at != 1;
                let args = node.nodes("args").enumerate();
                all(&mut args.filter(|(at, _)| value(at)).map(|(_, arg)| arg));
            }
            "AGGREF" if self.known.collectors.contains(&node.number("aggfnoid")) => {
                all(&mut node.nodes("args").filter_map(|entry| entry.node("expr")));
            }
            // `DEFAULT` is the column's own.
            "SETTODEFAULT" => {}
            _ => {
                sources.insert(Source::Computed);
            }
        }
    }

    fn variable<'t>(
        &self,
        scope: &Scope<'t, '_>,
        node: &Node,
        depth: usize,
        sources: &mut Sources,
    ) {
        let mut scope = scope;
        for _ in 0..node.number("varlevelsup") {
            scope = scope.parent.expect("an outer query");
        }
        let column = node.number("varattno");
        let rte = rte(scope.query, node.number("varno"));
        let mut of = |expr: Option<&'t Value>| {
            if let Some(expr) = expr.and_then(Value::node) {
                self.sources(scope, Inside::default(), expr, depth + 1, sources);
            }
        };
        // A system column or a whole row.
        if column <= 0 {
            let relation = rte
                .atom("relid")
                .map_or(0, |relid| relid.parse().unwrap_or(0));
            let source = match column {
                0 => Source::Column(relation, 0),
                _ => Source::Computed,
            };
            sources.insert(source);
            return;
        }
        match rte.number("rtekind") {
            0 => {
                sources.insert(Source::Column(rte.number("relid"), column));
            }
            1 => {
                if let Some(query) = rte.node("subquery") {
                    self.output(scope, query, index(column), depth, sources);
                }
            }
            2 => of(rte.list("joinaliasvars").get(index(column) - 1)),
            3 => {
                let function = rte.list("functions").get(index(column) - 1);
                let expr = function.and_then(Value::node);
                match expr.and_then(|function| function.node("funcexpr")) {
                    Some(expr) if expr.tag == "FUNCEXPR" && expr.number("funcid") == UNNEST => {
                        self.sources(scope, Inside::default(), expr, depth + 1, sources);
                    }
                    _ => {
                        sources.insert(Source::Computed);
                    }
                }
            }
            5 => {
                for row in rte.list("values_lists") {
                    of(row.list().get(index(column) - 1));
                }
            }
            6 => {
                for _ in 0..rte.number("ctelevelsup") {
                    scope = scope.parent.expect("an outer query");
                }
                let name = rte.atom("ctename");
                let mut ctes = scope.query.nodes("cteList");
                let cte = ctes.find(|cte| cte.atom("ctename") == name);
                if let Some(query) = cte.and_then(|cte| cte.node("ctequery")) {
                    self.output(scope, query, index(column), depth, sources);
                }
            }
            // What PostgreSQL 18 groups by.
            _ if !rte.list("groupexprs").is_empty() => {
                of(rte.list("groupexprs").get(index(column) - 1));
            }
            _ => {
                sources.insert(Source::Computed);
            }
        }
    }
}

fn rte(query: &Node, number: i64) -> &Node {
    let entry = query.list("rtable").get(index(number) - 1);
    entry.and_then(Value::node).expect("a range table entry")
}

fn index(number: i64) -> usize {
    usize::try_from(number).expect("no negative number")
}

/// Whether a constant is a cell, or an array of them: `bytea` with a cell's header, behind the four
/// bytes of its length.
fn is_cell(node: &Node) -> bool {
    let bytes: Vec<&str> = node
        .values("constvalue")
        .iter()
        .filter_map(|value| match value {
            Value::Atom(atom) => Some(atom.as_str()),
            _ => None,
        })
        .collect();
    match node.number("consttype") {
        // `LENGTH [ l l l l header version …`.
        BYTEA => {
            bytes.len() > 2 + 4 + 18
                && matches!(bytes[6], "17" | "18" | "25" | "26")
                && bytes[7] == "1"
        }
        BYTEA_ARRAY => true,
        _ => false,
    }
}
