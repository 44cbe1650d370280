//! The command against a live database: from nothing to an encrypted column that an application
//! uses, and what `columns check` says when manifest and database part.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail as its assertions do"
)]

#[path = "support/shell.rs"]
mod shell;

use shell::Stage;
use tokio_postgres::NoTls;

#[tokio::test]
async fn from_nothing_to_an_encrypted_column() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    shell.ok(&["init"]);
    shell.ok(&["keys", "create", "clinic"]);
    let add = ["columns", "add", "public.patients.ssn", "--type", "text"];
    shell.ok(&[&add[..], &["--key", "clinic", "--deterministic"]].concat());
    stage
        .owner
        .batch_execute("CREATE TABLE patients (id int, name text)")
        .await
        .unwrap();
    stage
        .owner
        .batch_execute(&shell.ok(&["sql"]))
        .await
        .unwrap();

    assert!(shell.ok(&["columns", "check"]).contains("not pinned"));
    assert!(shell.ok(&["columns", "pin"]).contains("id, name, ssn"));
    let agreed: serde_json::Value =
        serde_json::from_str(&shell.ok(&["columns", "check", "--json"])).unwrap();
    assert_eq!(agreed["problems"], serde_json::json!([]));
    assert_eq!(agreed["unpinned_tables"], serde_json::json!([]));
    shell.ok(&["manifest", "publish"]);

    let explained = shell.ok(&[
        "explain",
        "SELECT p.*, now() FROM patients p WHERE ssn = $1",
    ]);
    assert!(
        explained.contains("sealed for public.patients.ssn"),
        "{explained}"
    );

    let copied = shell.ok(&["explain", "COPY patients FROM STDIN (FORMAT csv)"]);
    assert!(
        copied.contains("columns of the stream\n  id    plain\n")
            && copied.contains("text, sealed for public.patients.ssn (deterministic)"),
        "{copied}"
    );
    let copied = shell.ok(&[
        "explain",
        "--json",
        "COPY (SELECT ssn FROM patients) TO STDOUT",
    ]);
    let copied: serde_json::Value = serde_json::from_str(&copied).unwrap();
    let copy = &copied["copies"][0];
    assert_eq!(copy["direction"], "out");
    assert_eq!(copy["columns"][0]["column"], "public.patients.ssn");

    let application = format!(
        "{}?column_encryption=enabled&column_master_key=file:{}",
        stage.database.url(),
        stage.directory.path().join("sealwire.key").display()
    );
    let (client, connection) = sealwire::connect(&application, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .execute(
            "INSERT INTO patients VALUES (1, 'Ada', $1)",
            &[&"078-05-1120"],
        )
        .await
        .unwrap();
    let stored = stage
        .owner
        .query_one("SELECT ssn::bytea FROM patients", &[])
        .await
        .unwrap();
    let header = shell.ok(&["inspect", &hex(stored.get(0))]);
    assert!(header.contains("deterministic"), "{header}");
}

#[tokio::test]
async fn a_column_that_parts_from_the_manifest_is_named() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    shell.ok(&["init"]);
    shell.ok(&["keys", "create", "clinic"]);
    shell.ok(&[
        "columns",
        "add",
        "public.patients.ssn",
        "--type",
        "text",
        "--key",
        "clinic",
    ]);
    stage
        .owner
        .batch_execute(&shell.ok(&["sql", "--create"]))
        .await
        .unwrap();
    shell.ok(&["columns", "check"]);
    for (harm, repair, word) in [
        (
            "ALTER TABLE patients RENAME ssn TO old",
            "ALTER TABLE patients RENAME old TO ssn",
            "does not exist",
        ),
        (
            "ALTER TABLE patients ALTER ssn TYPE bytea",
            "ALTER TABLE patients ALTER ssn TYPE sealwire.randomized",
            "sealwire.randomized",
        ),
    ] {
        stage.owner.batch_execute(harm).await.unwrap();
        let said = shell.fails(&["columns", "check"]);
        assert!(
            said.contains("public.patients.ssn") && said.contains(word),
            "{said}"
        );
        assert!(said.contains("hint"), "{said}");
        stage.owner.batch_execute(repair).await.unwrap();
        shell.ok(&["columns", "check"]);
    }
}

/// The manifest first, then the database: cells stay readable, and a session with the new manifest
/// may rename.
#[tokio::test]
async fn a_column_and_its_table_are_renamed_without_losing_a_cell() {
    let stage = Stage::new().await;
    let shell = stage.shell();
    shell.ok(&["init"]);
    shell.ok(&["keys", "create", "clinic"]);
    shell.ok(&["columns", "add", "public.patients.ssn", "--type", "text"]);
    stage
        .owner
        .batch_execute(&shell.ok(&["sql", "--create"]))
        .await
        .unwrap();
    let application = format!(
        "{}?column_encryption=enabled&column_master_key=file:{key}&column_encryption_manifest=file:{manifest}",
        stage.database.url(),
        key = stage.directory.path().join("sealwire.key").display(),
        manifest = stage.directory.path().join("sealwire.toml").display(),
    );
    let connect = || async {
        let (client, connection) = sealwire::connect(&application, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let old = connect().await;
    old.execute("INSERT INTO patients (ssn) VALUES ($1)", &[&"078-05-1120"])
        .await
        .unwrap();
    let said = shell.ok(&[
        "columns",
        "rename",
        "public.patients.ssn",
        "public.patients.\"Tax\"",
    ]);
    let statement = "ALTER TABLE public.patients RENAME COLUMN ssn TO \"Tax\"";
    assert!(said.contains(statement), "{said}");
    // The session with the old manifest knows better.
    let error = old.batch_execute(statement).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P17");

    let new = connect().await;
    new.batch_execute(statement).await.unwrap();
    let row = new
        .query_one("SELECT \"Tax\" FROM patients", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "078-05-1120");
    shell.ok(&["columns", "check"]);

    let said = shell.ok(&["columns", "rename", "public.patients", "app.people"]);
    let statement = "ALTER TABLE public.patients RENAME TO people; \
                     ALTER TABLE public.people SET SCHEMA app";
    assert!(said.contains(statement), "{said}");
    stage
        .owner
        .batch_execute("CREATE SCHEMA app")
        .await
        .unwrap();
    let error = new
        .batch_execute("ALTER TABLE public.patients SET SCHEMA app")
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P17");
    let new = connect().await;
    for statement in statement.split("; ") {
        new.batch_execute(statement).await.unwrap();
    }
    let row = new
        .query_one("SELECT \"Tax\" FROM app.people", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "078-05-1120");
    shell.ok(&["columns", "check"]);

    // A copy of the cells that nobody lists.
    stage
        .owner
        .batch_execute("CREATE TABLE archive (LIKE app.people)")
        .await
        .unwrap();
    let said = shell.fails(&["columns", "check"]);
    assert!(said.contains("`public.archive.Tax` holds cells"), "{said}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
