//! `sealwire proxy` as an operator runs it: started, told by signals, read by its log.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail as its assertions do"
)]

#[path = "support/running.rs"]
mod running;
#[path = "support/shell.rs"]
mod shell;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use running::Running;
use rustix::process::Signal;
use serde_json::Value;
use shell::{Shell, Stage};
use tokio_postgres::{Client, NoTls};

/// A database with `patients.ssn` encrypted, its manifest and key in the shell's directory.
async fn prepare(shell: &Shell<'_>, owner: &Client) {
    shell.ok(&["init"]);
    shell.ok(&["keys", "create", "clinic"]);
    shell.ok(&["columns", "add", "public.patients.ssn", "--type", "text"]);
    owner
        .batch_execute("CREATE TABLE patients (id int PRIMARY KEY, note text)")
        .await
        .unwrap();
    owner.batch_execute(&shell.ok(&["sql"])).await.unwrap();
}

const SSN: &str = "078-05-1120";

#[tokio::test]
async fn a_client_that_knows_nothing_of_it_is_served() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let mut running = Running::start(&shell, &stage.database, &[]);

    let client = running.connect(&stage.database).await.unwrap();
    client
        .execute("INSERT INTO patients (id, ssn) VALUES (1, $1)", &[&SSN])
        .await
        .unwrap();
    let read = client
        .query_one("SELECT ssn FROM patients", &[])
        .await
        .unwrap();
    assert_eq!(read.get::<_, &str>(0), SSN);
    let stored: Vec<u8> = stage
        .owner
        .query_one("SELECT ssn::bytea FROM patients", &[])
        .await
        .unwrap()
        .get(0);
    assert!(!stored.windows(SSN.len()).any(|part| part == SSN.as_bytes()));

    running.signal(Signal::TERM);
    running.wait_for("stopped");
    assert!(running.end().success());
}

#[tokio::test]
async fn a_transaction_may_finish_when_it_is_told_to_end() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let mut running = Running::start(&shell, &stage.database, &[]);
    let mut busy = running.connect(&stage.database).await.unwrap();
    let idle = running.connect(&stage.database).await.unwrap();
    let transaction = busy.transaction().await.unwrap();
    transaction
        .execute("INSERT INTO patients (id, ssn) VALUES (1, $1)", &[&SSN])
        .await
        .unwrap();

    running.signal(Signal::TERM);
    running.wait_for("no new connections; waiting for those that are open");
    assert!(running.connect(&stage.database).await.is_err());
    // It may be served once more before it hears of it.
    let gone = loop {
        if let Err(error) = idle.simple_query("SELECT 1").await {
            break error;
        }
    };
    assert!(gone.is_closed() || gone.code().is_some_and(|code| code.code() == "57P01"));
    transaction.commit().await.unwrap();
    assert!(running.end().success());
    let rows = stage
        .owner
        .query("SELECT FROM patients", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn a_second_signal_ends_what_is_under_way() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let mut running = Running::start(&shell, &stage.database, &[]);
    let mut busy = running.connect(&stage.database).await.unwrap();
    let transaction = busy.transaction().await.unwrap();
    transaction
        .execute("INSERT INTO patients (id, ssn) VALUES (1, $1)", &[&SSN])
        .await
        .unwrap();

    running.signal(Signal::INT);
    running.wait_for("no new connections; waiting for those that are open");
    running.signal(Signal::INT);
    running.wait_for("stopped");
    assert!(running.end().success());
    let error = transaction.commit().await.unwrap_err();
    assert!(error.is_closed() || error.code().is_some_and(|code| code.code() == "57P01"));
}

#[tokio::test]
async fn a_changed_manifest_is_for_the_connections_that_come() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let mut running = Running::start(&shell, &stage.database, &[]);
    shell.ok(&[
        "columns",
        "add",
        "public.patients.diagnosis",
        "--type",
        "text",
    ]);
    stage
        .owner
        .batch_execute(&shell.ok(&["sql"]))
        .await
        .unwrap();

    running.signal(Signal::HUP);
    running.wait_for("manifest loaded; open connections keep theirs");
    running.wait_for("reloaded");
    let client = running.connect(&stage.database).await.unwrap();
    client
        .execute(
            "INSERT INTO patients (id, diagnosis) VALUES (1, $1)",
            &[&"migraine"],
        )
        .await
        .unwrap();
    let stored = stage
        .owner
        .query_one("SELECT get_byte(diagnosis, 0) FROM patients", &[])
        .await
        .unwrap();
    assert_ne!(stored.get::<_, i32>(0), i32::from(b'm'));

    // What cannot be used changes nothing.
    std::fs::write(
        stage.directory.path().join("sealwire.toml"),
        "not a manifest",
    )
    .unwrap();
    running.signal(Signal::HUP);
    running.wait_for("manifest not loaded, the one in use stays");
    let client = running.connect(&stage.database).await.unwrap();
    let read = client
        .query_one("SELECT diagnosis FROM patients", &[])
        .await
        .unwrap();
    assert_eq!(read.get::<_, &str>(0), "migraine");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn its_memory_is_not_dumped() {
    use std::os::unix::fs::MetadataExt;

    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let running = Running::start(&shell, &stage.database, &[]);
    let about = Path::new("/proc").join(running.pid().to_string());
    let limits = std::fs::read_to_string(about.join("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    // Whoever it runs as: what is in it is root's to look at.
    assert_eq!(about.join("environ").metadata().unwrap().uid(), 0);
}

/// Clients hold all descriptors that the process may have.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_goes_on_when_descriptors_have_run_out() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    const DESCRIPTORS: u64 = 40;
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let mut running = Running::start(&shell, &stage.database, &[]);
    let process = Pid::from_raw(running.pid().cast_signed());
    let limit = Rlimit {
        current: Some(DESCRIPTORS),
        maximum: Some(DESCRIPTORS),
    };
    prlimit(process, Resource::Nofile, limit).unwrap();
    let connect = |_| std::net::TcpStream::connect(running.address()).unwrap();
    let held: Vec<_> = (0..DESCRIPTORS + 20).map(connect).collect();
    let line = running.wait_for("cannot accept a connection");
    assert_eq!(
        (&line["level"], &line["times"]),
        (&"WARN".into(), &1.into())
    );
    let hint = line["hint"].as_str().unwrap();
    assert!(hint.contains("LimitNOFILE"), "{hint}");
    // The next line is ten seconds later, and counts attempts, between which it rests.
    let line = running.wait_for("cannot accept a connection");
    let times = line["times"].as_u64().unwrap();
    assert!((2..1000).contains(&times), "{times} attempts");
    drop(held);
    let client = running.connect(&stage.database).await.unwrap();
    client.simple_query("SELECT 1").await.unwrap();
    running.signal(Signal::TERM);
    running.wait_for("stopped");
    assert!(running.end().success());
}

/// The disk is full, or whoever read the log has gone.
#[tokio::test]
async fn a_log_that_cannot_be_written_ends_nothing() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let mut running = Running::start(&shell, &stage.database, &[]);
    let client = running.connect(&stage.database).await.unwrap();
    running.end_of_log();

    // Each says something.
    client.simple_query("SELECT 1").await.unwrap();
    running.signal(Signal::HUP);
    let second = running.connect(&stage.database).await.unwrap();
    second.simple_query("SELECT 1").await.unwrap();
    drop((client, second));
    running.connect(&stage.database).await.unwrap();
    running.signal(Signal::TERM);
    assert!(running.end().success());
}

/// A manifest may lie on a file system that hangs.
#[tokio::test]
async fn a_reload_that_hangs_does_not_keep_it_from_ending() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let mut running = Running::start(&shell, &stage.database, &[]);
    let manifest = stage.directory.path().join("sealwire.toml");
    std::fs::remove_file(&manifest).unwrap();
    let made = Command::new("mkfifo").arg(&manifest).status().unwrap();
    assert!(made.success());

    running.signal(Signal::HUP);
    // It can be opened once the proxy reads it, and nothing comes while it is held.
    let held = File::options().write(true).open(&manifest).unwrap();
    let (end, ended) = mpsc::channel();
    let patience = thread::spawn(move || {
        let in_time = ended.recv_timeout(Duration::from_secs(120)).is_ok();
        drop(held);
        in_time
    });
    running.signal(Signal::TERM);
    running.wait_for("stopped");
    assert!(running.end().success());
    let _ = end.send(());
    assert!(patience.join().unwrap(), "it ended with the reload only");
}

#[tokio::test]
async fn options_win_over_the_environment_and_that_over_the_file() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    prepare(&shell, &stage.owner).await;
    let file = "\
[listen]
tcp = [\"127.0.0.1:1\"]
[server]
hosts = [\"file.invalid\"]
sslmode = \"require\"
[encryption]
manifest = \"file:sealwire.toml\"
master_key = \"file:sealwire.key\"
";
    std::fs::write(stage.directory.path().join("proxy.toml"), file).unwrap();
    let check = |environment: &[(&str, &str)], options: &[&str]| -> Value {
        let output = shell
            .command(&["proxy", "--config", "proxy.toml", "--check", "--json"])
            .args(options)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(check(&[], &[])["server"][0], "file.invalid:5432");
    let environment = [("SEALWIRE_SERVER", "a.invalid,b.invalid:1")];
    let checked = check(&environment, &[]);
    assert_eq!(
        checked["server"],
        serde_json::json!(["a.invalid:5432", "b.invalid:1"])
    );
    let checked = check(&environment, &["--server", "c.invalid"]);
    assert_eq!(checked["server"], serde_json::json!(["c.invalid:5432"]));
    assert_eq!(checked["listen"], serde_json::json!(["127.0.0.1:1"]));
    let checked = check(&[], &["--listen", "127.0.0.1:2"]);
    assert_eq!(checked["listen"], serde_json::json!(["127.0.0.1:2"]));
    // The file's manifest is used, and another one only when it is asked for.
    let said = shell.fails(&[
        "proxy",
        "--config",
        "proxy.toml",
        "--check",
        "--manifest",
        "other.toml",
    ]);
    assert!(said.contains("other.toml"), "{said}");
}

/// The secret that the command makes is one that the server takes for the password.
#[tokio::test]
async fn a_secret_that_is_made_here_is_the_servers_too() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    let make = |role: &str, input: &[u8]| {
        let mut child = shell
            .command(&["scram", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = make(stage.database.owner(), "pa\u{df}wort\n".as_bytes());
    let said = String::from_utf8(output.stdout).unwrap();
    let statement = said.lines().nth(1).unwrap();
    stage.owner.batch_execute(statement).await.unwrap();
    let mut config = stage.database.config();
    config.password("pa\u{df}wort");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.simple_query("SELECT 1").await.unwrap();
    let list: BTreeMap<String, String> = toml::from_str(said.lines().last().unwrap()).unwrap();
    let secret = &list[stage.database.owner()];
    assert!(statement.contains(secret), "{said}");

    let output = make("app", b"\n");
    assert!(!output.status.success() && output.stdout.is_empty());
}
