//! What the README has a newcomer type, as it stands there.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail as its assertions do"
)]

#[path = "support/shell.rs"]
mod shell;

use std::path::Path;

use shell::Stage;

const README: &str = include_str!("../../../README.md");

/// The section's indented lines in order: commands, each alone, and SQL as a whole.
fn blocks(section: &str) -> Vec<String> {
    let (_, section) = README.split_once(&format!("## {section}\n")).unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let mut blocks = Vec::<String>::new();
    for line in section.lines().filter_map(|line| line.strip_prefix("    ")) {
        match blocks.last_mut() {
            Some(statement) if statement.starts_with("CREATE") && !statement.ends_with(';') => {
                statement.push_str(&format!("\n{line}"));
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    blocks
}

#[tokio::test]
async fn the_way_to_an_encrypted_column_is_one() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    let programs = Path::new(env!("CARGO_BIN_EXE_sealwire")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let in_shell = |line: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", line]).current_dir(shell.directory);
        command.env("PATH", &path).env("DATABASE_URL", &shell.url);
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let blocks = blocks("How a column becomes encrypted");
    assert!(blocks.len() >= 7, "{blocks:?}");
    for block in &blocks {
        // psql may not be there, and goes on after an error.
        if let Some((command, _)) = block.split_once(" | psql") {
            stage.owner.batch_execute(&in_shell(command)).await.unwrap();
        } else if block.starts_with("CREATE") {
            stage.owner.batch_execute(block).await.unwrap();
        } else {
            in_shell(block);
        }
    }
    shell.ok(&["columns", "check"]);
    let (_, explain) = README.split_once("`sealwire explain ").unwrap();
    let (explain, _) = explain.split_once('`').unwrap();
    let explained = in_shell(&format!("sealwire explain {explain}"));
    assert!(
        explained.contains("sealed for public.patients.ssn"),
        "{explained}"
    );
}
