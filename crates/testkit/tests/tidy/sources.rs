//! What source files may not say.

use crate::assert_tidy;
use crate::tree::{File, files};

/// Longest file that needs no reason.
const LINES_MAX: usize = 1000;

/// What a longer file says in its module documentation, followed by the reason.
const LENGTH_REASON: &str = "//! Longer than 1000 lines because ";

/// Crates without I/O, clocks and environment.
const PURE: [&str; 3] = ["crates/core/src/", "crates/sql/src/", "crates/engine/src/"];
const IMPURE: [&str; 10] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::std",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
];

/// Where one of these may stand nevertheless: the analysis runs on a thread of its own when the
/// caller's stack may be too small for the parser, and is waited for at once.
const EXCUSED: [(&str, &str); 1] = [("crates/sql/src/analyse.rs", "std::thread")];

/// Channels without a limit.
const UNBOUNDED: [&str; 4] = [
    "unbounded_channel",
    "mpsc::channel()",
    "channel::unbounded",
    "mpsc::unbounded",
];

fn check(file: &File) -> Vec<String> {
    let path = &file.path;
    let mut violations = Vec::new();
    let lines = file.text.lines().count();
    let excused = file
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .any(|line| line.starts_with(LENGTH_REASON));
    if lines > LINES_MAX && !excused {
        violations.push(format!(
            "{path}: has {lines} lines; split it, or say `{LENGTH_REASON}…` in its module documentation"
        ));
    }
    let is_test =
        path.contains("/tests/") || path.starts_with("tests/") || path.ends_with("/tests.rs");
    let is_tidy = path.starts_with("crates/testkit/tests/tidy/");
    for (number, line) in code(&file.text, !is_test).filter(|_| !is_tidy) {
        let mut violation = |text: String| violations.push(format!("{path}:{number}: {text}"));
        if !is_test && PURE.iter().any(|start| path.starts_with(start)) {
            for &word in IMPURE.iter().filter(|word| line.contains(**word)) {
                if EXCUSED.contains(&(path.as_str(), word)) {
                    continue;
                }
                violation(format!("`{word}` in a crate that does no I/O"));
            }
        }
        if !is_test && let Some(word) = UNBOUNDED.iter().find(|word| line.contains(**word)) {
            violation(format!("`{word}` has no limit"));
        }
        if line.contains("rupg") && !path.starts_with("crates/sql/src/parse") {
            violation("only `crates/sql/src/parse*` names the parser crate".to_owned());
        }
    }
    if path.ends_with("/secret.rs") {
        for (place, _) in file.text.match_indices("derive(") {
            let list = file.text[place..].split(')').next().unwrap_or_default();
            // An error that lives beside the secrets is none.
            if list.contains("Debug") && !list.contains("thiserror::Error") {
                let number = file.text[..place].lines().count();
                violations.push(format!(
                    "{path}:{number}: a secret's `Debug` is written by hand"
                ));
            }
        }
    }
    violations
}

/// The lines that are code, without the inline tests at the end when asked.
fn code(text: &str, without_tests: bool) -> impl Iterator<Item = (usize, &str)> {
    let end = text
        .find("#[cfg(test)]\nmod tests {")
        .filter(|_| without_tests)
        .unwrap_or(text.len());
    text[..end]
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn sources_keep_the_rules() {
    let violations: Vec<String> = files(".rs").iter().flat_map(check).collect();
    assert_tidy(&violations);
}

#[test]
fn broken_rules_are_found() {
    let long = "x\n".repeat(LINES_MAX + 1);
    for (path, text, expected) in [
        ("crates/cli/src/a.rs", long.as_str(), "1001 lines"),
        (
            "crates/core/src/a.rs",
            "use std::fs;",
            "a crate that does no I/O",
        ),
        (
            "crates/sql/src/a/b.rs",
            "let t = Instant::now();",
            "a crate that does no I/O",
        ),
        (
            "crates/sealwire/src/a.rs",
            "tokio::sync::mpsc::unbounded_channel()",
            "no limit",
        ),
        (
            "crates/sql/src/names.rs",
            "use rupg_sql::x;",
            "names the parser crate",
        ),
        (
            "crates/core/src/secret.rs",
            "#[derive(\n    Clone,\n    Debug,\n)]",
            "written by hand",
        ),
    ] {
        let violations = check(&File {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        assert!(
            violations.len() == 1 && violations[0].contains(expected),
            "{violations:?}"
        );
    }
    for (path, text) in [
        ("crates/core/tests/vectors.rs", "use std::fs;"),
        (
            "crates/core/src/a.rs",
            "// std::fs\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}",
        ),
        ("crates/sql/src/parse.rs", "use rupg_sql::x;"),
    ] {
        let violations = check(&File {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        assert_eq!(violations, Vec::<String>::new());
    }
}
