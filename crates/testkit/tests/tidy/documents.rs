//! What documents owe the reader: links that lead somewhere, and an entry for every error.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use crate::assert_tidy;
use crate::tree::{File, files, root};

/// Enums whose every variant has an entry in docs/errors.md: all whose name ends so, in crates
/// that a user has.
const ERROR_ENUMS: [&str; 2] = ["Error", "RefusalKind"];

/// Words that belong to one machine or network. Written in two parts, so that this file does not
/// say them either.
const LOCAL_WORDS: [&str; 6] = [
    "/work/",
    "/root/",
    concat!("npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("debian", ".org"),
    concat!("static.crates", ".io"),
];

/// The anchors of a document as GitHub makes them, and those that are written out.
fn anchors(text: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for line in prose(text) {
        if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            found.insert(
                heading
                    .chars()
                    .filter(|it| it.is_alphanumeric() || "-_ ".contains(*it))
                    .map(|it| if it == ' ' { '-' } else { it })
                    .collect(),
            );
        }
        for piece in line.split("<a id=\"").skip(1) {
            found.extend(piece.split('"').next().map(str::to_owned));
        }
    }
    found
}

/// The lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return false;
        }
        !fenced
    })
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

fn check_links(file: &File, all: &[File], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut violations = Vec::new();
    for link in links(&file.text) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let directory = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        let path = if target.is_empty() {
            PathBuf::from(&file.path)
        } else {
            normalized(&directory.join(target))
        };
        if !exists(&path) {
            violations.push(format!("{}: `{link}` leads nowhere", file.path));
            continue;
        }
        let document = all.iter().find(|it| Path::new(&it.path) == path);
        if !anchor.is_empty() && document.is_some_and(|it| !anchors(&it.text).contains(anchor)) {
            violations.push(format!("{}: `{link}` has no such heading", file.path));
        }
    }
    violations
}

fn normalized(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut done, part| {
        match part {
            Component::ParentDir => {
                done.pop();
            }
            Component::CurDir => {}
            part => done.push(part),
        }
        done
    })
}

/// The public enums of a source file whose variants are errors, as `Enum::Variant`.
fn error_variants(text: &str) -> Vec<String> {
    let mut variants = Vec::new();
    for (place, _) in text.match_indices("\npub enum ") {
        let rest = &text[place + "\npub enum ".len()..];
        let name: String = rest
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if !ERROR_ENUMS.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let body = rest.split("\n}").next().unwrap_or_default();
        // rustfmt puts variants, and nothing else that begins with a capital, at four spaces.
        for line in body.lines().filter_map(|line| line.strip_prefix("    ")) {
            if line.starts_with(|it: char| it.is_ascii_uppercase()) {
                let variant: String = line
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect();
                variants.push(format!("{name}::{variant}"));
            }
        }
    }
    variants
}

/// Every variant stands in backticks, behind the name of its crate, in docs/errors.md.
fn check_errors(sources: &[File], errors: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for file in sources {
        let mut parts = file.path.split('/');
        let (Some("crates"), Some(krate), Some("src")) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if krate == "testkit" {
            continue;
        }
        for variant in error_variants(&file.text) {
            if !errors.contains(&format!("`{krate}::{variant}`")) {
                violations.push(format!(
                    "{}: docs/errors.md has no entry for `{krate}::{variant}`",
                    file.path
                ));
            }
        }
    }
    violations
}

/// The tests that a document names, in backticks, in the last column of its tables: a name of at
/// least three words. Each must be a function somewhere.
fn check_tests(document: &str, sources: &[File]) -> Vec<String> {
    let cells = prose(document)
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next());
    let names = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|word| {
            word.matches('_').count() >= 2
                && word
                    .chars()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
        });
    names
        .filter(|name| {
            let function = format!("fn {name}(");
            !sources.iter().any(|file| file.text.contains(&function))
        })
        .map(|name| format!("ARCHITECTURE.md: there is no test `{name}`"))
        .collect()
}

fn check_words(file: &File) -> Vec<String> {
    if file.path.starts_with("crates/testkit/tests/tidy/") {
        return Vec::new();
    }
    LOCAL_WORDS
        .iter()
        .filter(|word| file.text.contains(**word))
        .map(|word| format!("{}: `{word}` belongs to one machine or network", file.path))
        .collect()
}

#[test]
fn links_resolve() {
    let documents = files(".md");
    let root = root();
    let violations: Vec<String> = documents
        .iter()
        .flat_map(|file| check_links(file, &documents, |path| root.join(path).exists()))
        .collect();
    assert_tidy(&violations);
}

#[test]
fn every_error_has_an_entry() {
    let errors = files("errors.md");
    let errors = errors
        .iter()
        .find(|it| it.path == "docs/errors.md")
        .expect("docs/errors.md");
    assert_tidy(&check_errors(&files(".rs"), &errors.text));
}

#[test]
fn the_tests_that_check_invariants_exist() {
    let documents = files("ARCHITECTURE.md");
    let sources = files(".rs");
    assert!(
        documents[0]
            .text
            .contains("`the_tests_that_check_invariants_exist`")
    );
    assert_tidy(&check_tests(&documents[0].text, &sources));
}

#[test]
fn no_file_names_a_machine() {
    assert_tidy(&files("").iter().flat_map(check_words).collect::<Vec<_>>());
}

#[test]
fn broken_documents_are_found() {
    let document = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let all = [
        document(
            "docs/a.md",
            "# A `b`: c\n[ok](../README.md#x) [ok](#a-b-c) [no](b.md) [no](#d)",
        ),
        document(
            "README.md",
            "<a id=\"x\"></a>\n```\n[not a link](nowhere)\n```\n[out](https://x)",
        ),
    ];
    let exists = |path: &Path| all.iter().any(|it| Path::new(&it.path) == path);
    let violations: Vec<String> = all
        .iter()
        .flat_map(|file| check_links(file, &all, exists))
        .collect();
    assert_eq!(
        violations,
        [
            "docs/a.md: `b.md` leads nowhere",
            "docs/a.md: `#d` has no such heading"
        ]
    );

    let source = document(
        "crates/keys/src/a.rs",
        "\npub enum KeyError {\n    /// Doc.\n    #[error(\"x\")]\n    Lost(String),\n    Found {\n        a: Inner,\n    },\n}\n",
    );
    assert_eq!(
        check_errors(&[source], "`keys::KeyError::Found`"),
        ["crates/keys/src/a.rs: docs/errors.md has no entry for `keys::KeyError::Lost`"]
    );
    let source = document("a.rs", "fn a_test_of_it() {}");
    assert_eq!(
        check_tests(
            "| `one_to_ignore` | `a_test_of_it`, `b_test_of_it`, `deny.toml` |",
            &[source]
        ),
        ["ARCHITECTURE.md: there is no test `b_test_of_it`"]
    );
    assert_eq!(check_words(&document("a.md", "see /work/shared")).len(), 1);
}
