//! Which crate may name which.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::tree::{File, files};

/// The import table of ARCHITECTURE.md: a crate's directory and the crates of ours that it may
/// name outside its tests. The kit may name any.
const IMPORTS: [(&str, &[&str]); 7] = [
    ("core", &[]),
    ("keys", &["core"]),
    ("sql", &["core"]),
    ("engine", &["core", "sql"]),
    ("sealwire", &["core", "keys", "engine"]),
    ("proxy", &["sealwire"]),
    (
        "cli",
        &["core", "keys", "sql", "engine", "sealwire", "proxy"],
    ),
];

/// Crates that do no I/O name none of these; a look at what a dependency brings in is review.
const PURE: [&str; 3] = ["core", "sql", "engine"];
const IMPURE_DEPENDENCIES: [&str; 12] = [
    "async-io",
    "async-std",
    "futures",
    "hyper",
    "mio",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tokio-postgres",
    "ureq",
];

/// The parser of PostgreSQL's grammar is a dependency of one crate.
const PARSER: &str = "rupg-sql";

fn check(file: &File) -> Vec<String> {
    let path = &file.path;
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let Some(name) = path
        .strip_prefix("crates/")
        .and_then(|it| it.strip_suffix("/Cargo.toml"))
    else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    let inherits = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool);
    if inherits != Some(true) {
        violations.push(format!("{path}: needs `[lints] workspace = true`"));
    }
    if name == "testkit" {
        if manifest["package"]
            .get("publish")
            .and_then(toml::Value::as_bool)
            != Some(false)
        {
            violations.push(format!("{path}: the kit is not for publishing"));
        }
        return violations;
    }
    let Some((_, allowed)) = IMPORTS.iter().find(|(krate, _)| *krate == name) else {
        violations.push(format!(
            "{path}: the crate is in neither the import table of ARCHITECTURE.md nor this one"
        ));
        return violations;
    };
    for dependency in dependencies(&manifest) {
        let ours = match dependency.as_str() {
            "sealwire" => Some("sealwire"),
            other => other.strip_prefix("sealwire-"),
        };
        if let Some(ours) = ours
            && !allowed.contains(&ours)
        {
            violations.push(format!("{path}: `{name}` may not import `{ours}`"));
        }
        if PURE.contains(&name) && IMPURE_DEPENDENCIES.contains(&dependency.as_str()) {
            violations.push(format!(
                "{path}: `{name}` does no I/O and may not use `{dependency}`"
            ));
        }
        if dependency == PARSER && name != "sql" {
            violations.push(format!("{path}: only `sql` may use `{PARSER}`"));
        }
    }
    violations
}

/// Normal and build dependencies, those for single platforms included.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let mut tables = vec![manifest];
    if let Some(toml::Value::Table(targets)) = manifest.get("target") {
        tables.extend(targets.values().filter_map(toml::Value::as_table));
    }
    tables
        .iter()
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .flatten()
        .filter_map(toml::Value::as_table)
        .flat_map(toml::Table::iter)
        .map(|(name, value)| {
            // `x = { package = "y" }` names y.
            value
                .get("package")
                .and_then(toml::Value::as_str)
                .unwrap_or(name)
                .to_owned()
        })
        .collect()
}

/// The table in ARCHITECTURE.md says the same: rows of ``| `crates/NAME` | … | imports | … |``.
fn check_table(text: &str) -> Vec<String> {
    IMPORTS
        .iter()
        .filter_map(|(name, allowed)| {
            let row = format!("| `crates/{name}` |");
            let Some(line) = text.lines().find(|line| line.starts_with(&row)) else {
                return Some(format!("ARCHITECTURE.md: no row for `crates/{name}`"));
            };
            let cell = line.split('|').nth(3).unwrap_or_default().trim();
            let expected = if allowed.is_empty() {
                "nothing".to_owned()
            } else {
                allowed.join(", ")
            };
            (cell != expected).then(|| {
                format!(
                    "ARCHITECTURE.md: `crates/{name}` imports {expected}, the table says {cell}"
                )
            })
        })
        .collect()
}

#[test]
fn crates_import_what_the_table_allows() {
    let violations: Vec<String> = files("Cargo.toml").iter().flat_map(check).collect();
    assert_tidy(&violations);
}

#[test]
fn the_table_in_the_document_is_the_same() {
    let files = files("ARCHITECTURE.md");
    assert_tidy(
        &files
            .iter()
            .flat_map(|file| check_table(&file.text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_forbidden_import_is_found() {
    for (path, dependencies, expected) in [
        (
            "crates/core/Cargo.toml",
            "[dependencies]\nsealwire-sql = {}",
            "may not import `sql`",
        ),
        (
            "crates/engine/Cargo.toml",
            "[dependencies]\ntokio = {}",
            "may not use `tokio`",
        ),
        (
            "crates/engine/Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\nx = { package = \"sealwire-keys\" }",
            "may not import `keys`",
        ),
        (
            "crates/cli/Cargo.toml",
            "[dependencies]\nrupg-sql = {}",
            "only `sql`",
        ),
        ("crates/new/Cargo.toml", "", "neither"),
    ] {
        let file = File {
            path: path.to_owned(),
            text: format!("[lints]\nworkspace = true\n{dependencies}"),
        };
        let violations = check(&file);
        assert!(
            violations.len() == 1 && violations[0].contains(expected),
            "{violations:?}"
        );
    }
    let file = File {
        path: "crates/core/Cargo.toml".to_owned(),
        text: "[dev-dependencies]\nsealwire-testkit = {}".to_owned(),
    };
    assert_eq!(
        check(&file),
        ["crates/core/Cargo.toml: needs `[lints] workspace = true`"]
    );
}
