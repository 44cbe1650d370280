//! PostgreSQL's own regression statements through Sealwire: what the client and the server exchange
//! above the layer and beneath it must be the same bytes.
//!
//! The scripts are PostgreSQL's and not in this repository. `SEALWIRE_REGRESS` names the directory
//! `src/test/regress` of an unpacked source of PostgreSQL; without it a short script of our own
//! runs, `tests/regress/own.sql`. `SEALWIRE_REGRESS_FILES` selects scripts (comma-separated; most
//! need the tables of `test_setup`).
//!
//! A program rather than `#[test]`s, because it says what it ran.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "it reports")]

#[path = "regress/code.rs"]
mod code;
#[path = "regress/exchange.rs"]
mod exchange;
#[path = "regress/report.rs"]
mod report;
#[path = "regress/session.rs"]
mod session;
#[path = "support/tapped.rs"]
mod tapped;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sealwire_testkit::Postgres;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::Format;
use sealwire_testkit::regress::psql::{Psql, Step, Then};
use sealwire_testkit::regress::{schedule, script};

use code::Code;
use exchange::{Change, Exchange, Outcome, rows};
use report::{Report, Verdict};
use session::{Plain, Session};

const NAME: &str = "regress";
const OWN: &str = include_str!("regress/own.sql");

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Simple,
    /// Results in text and in binary, in turn.
    Extended,
}

/// What is protected while the scripts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protected {
    /// A table that no statement names, in a schema that none names.
    Aside,
    /// Tables of the search path, called as the scripts call columns, aliases and functions; and
    /// one that they do name.
    Among,
}

/// Names of protected tables that the scripts have for columns, for aliases of queries and for
/// functions, by the thousands, and never for a relation.
const SHADOWS: [&str; 7] = [
    "relname",
    "ss",
    "ten",
    "unique1",
    "stringu1",
    "generate_series",
    "count",
];
/// Names of protected tables that the scripts name.
const NAMED: [&str; 1] = ["users"];

impl Protected {
    fn tables(self) -> Vec<Table> {
        let table = |schema: &str, name: &str| {
            Table::new(
                schema,
                name,
                [
                    Column::plain("id", "int8").constraint("PRIMARY KEY"),
                    Column::deterministic("f1", "text"),
                    Column::randomized("q1", "text"),
                    Column::plain("name", "text"),
                ],
            )
        };
        match self {
            Self::Aside => vec![table("sealed_aside", "sealed_table")],
            Self::Among => SHADOWS
                .iter()
                .chain(&NAMED)
                .map(|name| table("public", name))
                .collect(),
        }
    }

    /// Whether a text says one of these names.
    fn says(self, names: &[&str], sql: &[u8]) -> bool {
        let text = String::from_utf8_lossy(sql).to_ascii_lowercase();
        let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        self == Self::Among && words.any(|word| names.contains(&word))
    }

    /// What is to be thought of an exchange. `code`: what ran before it.
    async fn verdict(
        self,
        sql: &[u8],
        exchange: &Exchange,
        code: &Code,
        plain: &mut Plain,
    ) -> Verdict {
        if self == Self::Aside {
            return match exchange.outcome {
                Outcome::Same => Verdict::Untouched,
                Outcome::Loaded(_) if code.ran() => Verdict::Expected(
                    "wait for the catalogue, because code before them may have made a view".into(),
                ),
                _ => Verdict::Disturbed,
            };
        }
        let Outcome::Changed(change) = exchange.outcome else {
            return if self.says(&NAMED, sql) {
                Verdict::Expected("say a protected relation's name, and went out unchanged".into())
            } else {
                Verdict::Untouched
            };
        };
        let sqlstate = exchange.error_field(b'C').unwrap_or_default();
        let message = exchange.error_field(b'M').unwrap_or_default();
        if self.says(&NAMED, sql) {
            let what = without_names(&message);
            return Verdict::Expected(match sqlstate.as_str() {
                "" => "say a protected relation's name, and were rewritten".into(),
                _ => format!("say a protected relation's name: {sqlstate} {what}"),
            });
        }
        let says = self.says(&SHADOWS, sql);
        if says && message.contains(" whose code names protected relation ") {
            return Verdict::Expected(format!("say a word in code: {}", without_names(&message)));
        }
        if says
            && message.starts_with("refusing to run a statement that names an encrypted relation: ")
        {
            return Verdict::Expected(format!("say a word that cannot be read: {message}"));
        }
        if says && sqlstate == "42601" && plain.is_syntax_error(sql).await {
            return Verdict::Expected("are syntax errors, here as on the server".into());
        }
        if says && sqlstate == "25P02" && change == Change::ToServer {
            return Verdict::Expected("are in an aborted transaction, as the server says".into());
        }
        Verdict::Disturbed
    }
}

/// A message without the names in backticks.
fn without_names(message: &str) -> String {
    let parts: Vec<&str> = message.split('`').step_by(2).collect();
    parts.join("…")
}

/// Where the scripts are.
struct Source {
    directory: Option<PathBuf>,
    scripts: Vec<String>,
}

impl Source {
    fn find() -> Self {
        let Some(directory) = std::env::var_os("SEALWIRE_REGRESS") else {
            println!(
                "{NAME}: only tests/regress/own.sql; SEALWIRE_REGRESS=DIR runs PostgreSQL's own \
                 scripts, DIR being src/test/regress of its source"
            );
            return Self {
                directory: None,
                scripts: vec!["own".into()],
            };
        };
        let directory = PathBuf::from(directory);
        let mut scripts = schedule(&directory)
            .unwrap_or_else(|error| panic!("SEALWIRE_REGRESS={}: {error}", directory.display()));
        if let Ok(selected) = std::env::var("SEALWIRE_REGRESS_FILES") {
            let selected: Vec<&str> = selected.split(',').collect();
            scripts.retain(|name| selected.contains(&name.as_str()));
        }
        assert!(!scripts.is_empty(), "no script is selected");
        Self {
            directory: Some(directory),
            scripts,
        }
    }

    fn text(&self, name: &str) -> Vec<u8> {
        match &self.directory {
            None => OWN.into(),
            Some(directory) => {
                script(directory, name).unwrap_or_else(|error| panic!("script `{name}`: {error}"))
            }
        }
    }

    /// What the scripts ask of their environment.
    fn environment(&self, output: &Path) -> BTreeMap<String, String> {
        let source = self.directory.as_deref().unwrap_or(output);
        [
            ("PG_ABS_SRCDIR", source),
            ("PG_ABS_BUILDDIR", output),
            ("PG_LIBDIR", output),
        ]
        .into_iter()
        .map(|(name, path)| (name.to_owned(), path.display().to_string()))
        .chain([("PG_DLSUFFIX".to_owned(), ".so".to_owned())])
        .collect()
    }
}

/// Runs every script in one database.
async fn run(
    source: &Source,
    server: &'static Postgres,
    protected: Protected,
    protocol: Protocol,
) -> Report {
    let fixture = Fixture::on(server, protected.tables()).await;
    let output = tempfile::tempdir().unwrap();
    // The server writes there, as another user.
    for path in [output.path().to_owned(), output.path().join("results")] {
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let mut plain = Plain::new(&fixture).await;
    let mut report = Report::default();
    let mut code = Code::default();
    for name in &source.scripts {
        let mut psql = Psql::new(source.text(name), source.environment(output.path()));
        psql.set("DBNAME", fixture.sealed().name().as_bytes());
        psql.set("USER", b"postgres");
        let mut session = Session::new(&fixture).await;
        report.begin_script(name);
        let mut number = 0;
        while let Some(step) = psql.next(session.standard_strings) {
            match step {
                Step::Reconnect => session = Session::new(&fixture).await,
                Step::Run { sql, then } => {
                    number += 1;
                    let results = match (protocol, &then) {
                        (Protocol::Simple, _) => None,
                        (Protocol::Extended, Then::Nothing) if number % 2 == 0 => {
                            Some(Format::Binary)
                        }
                        (Protocol::Extended, _) => Some(Format::Text),
                    };
                    let exchange = session.exchange(&sql, results, || psql.take_data()).await;
                    follow(&mut psql, &then, &exchange);
                    let verdict = protected.verdict(&sql, &exchange, &code, &mut plain).await;
                    if matches!(exchange.outcome, Outcome::Loaded(_)) {
                        code.forget();
                    }
                    code.note(&sql);
                    report.add(&sql, &exchange, verdict);
                    if exchange.lost {
                        session = Session::new(&fixture).await;
                    }
                }
            }
        }
        report.left_out(psql.left_out());
    }
    report
}

/// Does what psql does with a result.
fn follow(psql: &mut Psql, then: &Then, exchange: &Exchange) {
    match then {
        Then::Nothing => {}
        Then::Set(prefix) => {
            if let [row] = rows(&exchange.replies).as_slice() {
                psql.set_row(prefix, row);
            }
        }
        Then::Execute => {
            for row in rows(&exchange.replies) {
                for (_, value) in row {
                    psql.push(value.unwrap_or_default());
                }
            }
        }
    }
}

/// What cargo passes on for tests with a harness: names to select, flags.
fn is_selected() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("{NAME}: test");
        return false;
    }
    let mut names = arguments.iter().filter(|name| !name.starts_with('-'));
    arguments.iter().all(|argument| argument.starts_with('-'))
        || names.any(|name| NAME.contains(name.as_str()))
}

/// Runs every script in either protocol; whether all was good.
fn run_both(source: &Source, server: &'static Postgres, protected: Protected) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut good = true;
    for protocol in [Protocol::Simple, Protocol::Extended] {
        let report = runtime.block_on(run(source, server, protected, protocol));
        println!("{NAME}: {protocol:?} protocol, protected tables {protected:?}\n{report}");
        good &= report.is_good();
    }
    good
}

/// A server that lives as long as the process.
fn start_server() -> &'static Postgres {
    Box::leak(Box::new(
        Postgres::start().unwrap_or_else(|error| panic!("{error}")),
    ))
}

fn main() -> ExitCode {
    if !is_selected() {
        return ExitCode::SUCCESS;
    }
    let source = Source::find();
    let server = start_server();
    let all = [Protected::Aside, Protected::Among];
    let good = if source.directory.is_some() {
        // The scripts create roles, so those that run at a time need servers of their own.
        std::thread::scope(|scope| {
            let aside = scope.spawn(|| run_both(&source, server, all[0]));
            let among = run_both(&source, start_server(), all[1]);
            aside.join().unwrap() && among
        })
    } else {
        all.map(|protected| run_both(&source, server, protected)) == [true, true]
    };
    println!("{NAME}: {}", if good { "ok" } else { "FAILED" });
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
