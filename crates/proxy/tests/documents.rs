//! What clients of the proxy can read is in the list of errors.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

/// What stands in quotes behind a field's name.
fn quoted<'a>(text: &'a str, field: &str) -> Vec<&'a str> {
    let values = text.split(field).skip(1);
    values.filter_map(|it| it.split('"').next()).collect()
}

/// The files beneath a directory.
fn add_sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => add_sources(&path, files),
            false => files.push(path),
        }
    }
}

#[test]
fn every_failure_of_the_proxy_s_own_has_an_entry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let errors = std::fs::read_to_string(root.join("../../docs/errors.md")).unwrap();
    let (_, section) = errors.split_once("\n## The proxy\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut found = 0;
    let mut files = vec![root.join("../sealwire/src/relay.rs")];
    add_sources(&root.join("src"), &mut files);
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let codes = quoted(&source, "sqlstate: \"");
        let messages = quoted(&source, "message: \"");
        found += codes.len();
        for words in codes.into_iter().chain(messages) {
            assert!(section.contains(words), "`{words}` of {file:?}");
        }
    }
    assert!(found >= 8, "{found}");
}
