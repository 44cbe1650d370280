//! `sealwire columns check`

use sealwire_core::catalogue::RelationKind;
use sealwire_core::policy::Policy;
use sealwire_keys::TableName;
use sealwire_sql::MismatchKind;
use serde::Serialize;

use crate::args::Global;
use crate::database;
use crate::error::Error;
use crate::files;
use crate::output::Output;

#[derive(Serialize)]
struct Report {
    columns: usize,
    problems: Vec<Problem>,
    unpinned_tables: Vec<String>,
}

#[derive(Serialize)]
struct Problem {
    problem: String,
    hint: Option<String>,
}

pub(crate) async fn check(global: &Global, url: &str, output: &mut Output) -> Result<(), Error> {
    let manifest = files::authenticate(global).await?;
    let policy = manifest.policy();
    let client = database::connect(url).await?;
    let mut problems = Vec::new();
    let mut unpinned_tables = Vec::new();
    for spec in policy.tables() {
        let name = TableName::new(&*spec.schema, &*spec.name).map_err(Error::new)?;
        let Some(relation) = database::table(&client, &name).await? else {
            problems.push(Problem {
                problem: format!("table `{name}` does not exist"),
                hint: Some("run what `sealwire sql` prints".into()),
            });
            continue;
        };
        if !matches!(
            relation.kind,
            RelationKind::Table | RelationKind::Partitioned
        ) {
            problems.push(Problem {
                problem: format!("`{name}` is not a table"),
                hint: Some("list the columns of the tables below it instead".into()),
            });
        }
        if spec.column_order.is_empty() {
            unpinned_tables.push(name.to_string());
        }
        for mismatch in sealwire_sql::check_relation(policy, &relation) {
            problems.push(Problem {
                problem: mismatch.to_string(),
                hint: hint(&mismatch.kind, &mismatch.path),
            });
        }
    }
    problems.extend(constraints(policy, &client).await?);
    for path in database::unlisted_cells(&client, policy).await? {
        problems.push(Problem {
            problem: format!("column `{path}` holds cells, and the manifest does not list it"),
            hint: Some(
                "list it with `sealwire columns add` or `sealwire columns rename`; no value is sent to it meanwhile"
                    .into(),
            ),
        });
    }
    if !problems.is_empty() {
        output.fault();
    }
    let report = Report {
        columns: policy.columns().len(),
        problems,
        unpinned_tables,
    };
    output.print(&report, |report| {
        let mut text = String::new();
        for problem in &report.problems {
            text += &format!("problem: {}\n", problem.problem);
            if let Some(hint) = &problem.hint {
                text += &format!("  hint: {hint}\n");
            }
        }
        for table in &report.unpinned_tables {
            text += &format!(
                "note: the column order of `{table}` is not pinned; positional statements are refused until `sealwire columns pin`\n"
            );
        }
        text + &match (report.columns, report.problems.len()) {
            (1, 0) => "1 encrypted column checked: the manifest and the database agree".into(),
            (n, 0) => format!("{n} encrypted columns checked: the manifest and the database agree"),
            (n, 1) => format!("{n} encrypted columns checked: 1 problem"),
            (n, problems) => format!("{n} encrypted columns checked: {problems} problems"),
        }
    })
}

/// A CHECK on the table would be evaluated by the server, on cells.
async fn constraints(
    policy: &Policy,
    client: &tokio_postgres::Client,
) -> Result<Vec<Problem>, Error> {
    let tables: Vec<String> = policy.tables().iter().map(|t| t.name.clone()).collect();
    let mut problems = Vec::new();
    for check in database::column_checks(client, &tables).await? {
        let encrypted = policy
            .table(&check.schema, &check.table)
            .and_then(|table| policy.column_of(table, &check.column));
        if let Some(id) = encrypted {
            problems.push(Problem {
                problem: format!(
                    "column `{}` is under the CHECK constraint `{}`",
                    policy.column(id).path(),
                    check.constraint
                ),
                hint: Some(
                    "the server would check cells, not values; drop it and check in the application"
                        .into(),
                ),
            });
        }
    }
    Ok(problems)
}

fn hint(kind: &MismatchKind, path: &str) -> Option<String> {
    Some(match kind {
        MismatchKind::Missing => "run what `sealwire sql` prints".into(),
        MismatchKind::Type { expected } => format!(
            "declare it as `{expected}`; a column that holds plain values has to be migrated first"
        ),
        MismatchKind::Default => "drop the default: the server would store its plaintext".into(),
        MismatchKind::Generated => "an encrypted column cannot be computed by the server".into(),
        MismatchKind::Order => format!(
            "if the table was changed on purpose, run `sealwire columns pin --table {path}`"
        ),
        _ => return None,
    })
}
