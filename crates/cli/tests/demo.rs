//! The demo of `docker-compose.yml`, without a daemon: its files do what its containers would.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail as its assertions do"
)]

#[path = "support/running.rs"]
mod running;
#[path = "support/shell.rs"]
mod shell;

use std::path::Path;
use std::process::Command;

use running::Running;
use shell::Stage;

#[tokio::test]
async fn the_demo_seals_what_it_inserts() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/proxy");
    let stage = Stage::new().await;
    let shell = stage.shell();
    let programs = Path::new(env!("CARGO_BIN_EXE_sealwire")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // The second run is that of a second `docker compose up`.
    for _ in 0..2 {
        let status = Command::new("sh")
            .arg(files.join("keys.sh"))
            .current_dir(stage.directory.path())
            .env("PATH", &path)
            .status()
            .unwrap();
        assert!(status.success());
    }

    let schema = std::fs::read_to_string(files.join("schema.sql")).unwrap();
    let (_, schema) = schema.split_once("-- Domains\n").unwrap();
    let domains = shell.ok(&["sql", "--domains-only"]);
    assert!(
        schema.starts_with(domains.trim_end()),
        "the demo's domains are not what `sealwire sql --domains-only` prints"
    );
    stage.owner.batch_execute(schema).await.unwrap();

    let running = Running::start(&shell, &stage.database, &[]);
    let client = running.connect(&stage.database).await.unwrap();
    let seed = std::fs::read_to_string(files.join("seed.sql")).unwrap();
    for _ in 0..2 {
        client.batch_execute(&seed).await.unwrap();
    }
    let read = client
        .query(
            "SELECT diagnosis FROM patients WHERE ssn = $1",
            &[&"219-09-9999"],
        )
        .await
        .unwrap();
    let read: Vec<&str> = read.iter().map(|row| row.get(0)).collect();
    assert_eq!(read, ["hay fever"]);
    let stored = stage
        .owner
        .query("SELECT ssn::bytea, diagnosis::bytea FROM patients", &[])
        .await
        .unwrap();
    assert_eq!(stored.len(), 3);
    for row in stored {
        for column in 0..2 {
            let cell: Vec<u8> = row.get(column);
            let text = String::from_utf8_lossy(&cell);
            assert!(!seed.contains(&*text), "{text} is not a cell");
        }
    }
}
