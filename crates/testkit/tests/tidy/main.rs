//! The house's rules that a text search can check. Each check is a function from texts to a list
//! of violations, shown to find one and then run over the repository.

mod documents;
mod manifests;
mod sources;
mod tree;

/// Fails with all violations, one a line.
fn assert_tidy(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}
