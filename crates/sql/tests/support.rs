//! `docs/sql-support.md` is a test: every example has the verdict that stands beside it.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/schema.rs"]
mod schema;
#[path = "common/summary.rs"]
mod summary;

use std::path::Path;

/// The rows of two cells whose first is code: statement and verdict.
fn examples(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let row = line.strip_prefix("| `")?.strip_suffix(" |")?;
            let (statement, verdict) = row.rsplit_once("` | ")?;
            Some((statement.replace("\\|", "|"), verdict.to_owned()))
        })
        .collect()
}

#[test]
fn the_documented_verdicts_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql-support.md");
    let examples = examples(&std::fs::read_to_string(path).unwrap());
    assert!(examples.len() > 120, "the document has lost its examples");
    let world = schema::s1();
    let mut failures = String::new();
    for (statement, verdict) in examples {
        let got = summary::summary(&world, &statement);
        if got != verdict {
            failures.push_str(&format!("{statement}\n    {got}, documented: {verdict}\n"));
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}
