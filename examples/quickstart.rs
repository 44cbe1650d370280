//! The main job on a real PostgreSQL: what the application sees beside what the server holds, a
//! look-up by an encrypted column with its index, a refused query, and a tampered cell.
//!
//! `cargo run --example quickstart` finds or fetches a PostgreSQL by itself and says which.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use sealwire_core::policy::Mode;
use sealwire_keys::{ColumnEntry, FileProvider, ManifestBuilder, TableName, create_key_file};
use sealwire_testkit::Postgres;
use tokio_postgres::{Client, NoTls};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Postgres::start()?;
    let database = server.create_database().await;
    // The database operator: a plain client, which sees what the server holds.
    let operator = database.connect().await;

    heading("1. Once: a key, a manifest, a table (the `sealwire` command does the same)");
    let directory = tempfile::tempdir()?;
    let key = directory.path().join("sealwire.key");
    let manifest = directory.path().join("sealwire.toml");
    create_key_file(&key)?;
    let master = FileProvider::new(&key);
    let mut builder = ManifestBuilder::create(&master).await?;
    builder.add_cek("clinic", &master).await?;
    let patients = TableName::new("public", "patients")?;
    let mut ssn = ColumnEntry::new(patients.clone(), "ssn", "text".parse()?, "clinic");
    ssn.mode = Mode::Deterministic;
    builder.add_column(ssn)?;
    builder.add_column(ColumnEntry::new(
        patients,
        "diagnosis",
        "text".parse()?,
        "clinic",
    ))?;
    builder.seal()?.write_new(&manifest)?;

    let table = "CREATE TABLE patients (
    id        int PRIMARY KEY,
    name      text,
    ssn       sealwire.deterministic UNIQUE,  -- text to the application; = and UNIQUE work
    diagnosis sealwire.randomized             -- text to the application; stored and read
)";
    println!("{table};");
    operator
        .batch_execute(sealwire_core::ddl::domain_ddl())
        .await?;
    operator.batch_execute(table).await?;

    heading("2. The application: its own tokio-postgres client, one flag in the connection string");
    let string = format!(
        "{}?column_encryption=enabled&column_encryption_manifest=file:{}&column_master_key=file:{}",
        database.url(),
        manifest.display(),
        key.display(),
    );
    println!("postgres://...?column_encryption=enabled");
    println!("             &column_encryption_manifest=file:sealwire.toml");
    println!("             &column_master_key=file:sealwire.key\n");
    let (application, connection) = sealwire::connect(&string, NoTls).await?;
    tokio::spawn(connection);

    let insert = "INSERT INTO patients (id, name, ssn, diagnosis) VALUES ($1, $2, $3, $4)";
    for (id, name, ssn, diagnosis) in [
        (1, "Ada Lovelace", "078-05-1120", "migraine"),
        (2, "Alan Turing", "219-09-9999", "hay fever"),
        (3, "Grace Hopper", "457-55-5462", "migraine"),
    ] {
        application
            .execute(insert, &[&id, &name, &ssn, &diagnosis])
            .await?;
    }
    show(
        &application,
        "SELECT id, name, ssn, diagnosis FROM patients ORDER BY id",
        &[],
    )
    .await?;

    heading("3. The server, its administrators, its backups: the same rows");
    show(
        &operator,
        "SELECT id, name, left(ssn::bytea::text, 24) || '...' AS ssn,
                left(diagnosis::bytea::text, 24) || '...' AS diagnosis
         FROM patients ORDER BY id",
        &[],
    )
    .await?;

    heading("4. Look-up by the deterministic column: the server compares cells, by index");
    application
        .batch_execute("SET enable_seqscan = off")
        .await?;
    let by_ssn = "SELECT name, diagnosis FROM patients WHERE ssn = $1";
    println!("{by_ssn}   -- $1 = 219-09-9999");
    show(&application, by_ssn, &[&"219-09-9999"]).await?;
    for row in application
        .query(&format!("EXPLAIN (COSTS OFF) {by_ssn}"), &[&"219-09-9999"])
        .await?
    {
        let line: &str = row.get(0);
        println!("{}", line.chars().take(76).collect::<String>());
    }

    heading("5. What cannot work is refused before anything is sent");
    let refused = "SELECT name FROM patients WHERE diagnosis LIKE $1";
    println!("{refused}");
    report(application.query(refused, &[&"%fever%"]).await);

    heading("6. A cell that somebody changed is caught, and the connection lives on");
    operator
        .batch_execute(
            "UPDATE patients SET diagnosis = set_byte(diagnosis, 20, get_byte(diagnosis, 20) # 1)
             WHERE id = 2",
        )
        .await?;
    println!("SELECT diagnosis FROM patients WHERE id = 2");
    report(
        application
            .query("SELECT diagnosis FROM patients WHERE id = 2", &[])
            .await,
    );
    show(
        &application,
        "SELECT id, diagnosis FROM patients WHERE id = 1",
        &[],
    )
    .await
}

fn heading(text: &str) {
    println!("\n{text}\n");
}

/// Prints a result that holds integers and text, as a table.
async fn show(
    client: &Client,
    sql: &str,
    parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<(), Box<dyn Error>> {
    let rows = client.query(sql, parameters).await?;
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let mut table: Vec<Vec<String>> = vec![
        first
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect(),
    ];
    for row in &rows {
        let cells =
            row.columns()
                .iter()
                .enumerate()
                .map(|(at, column)| match column.type_().name() {
                    "int4" => row.get::<_, i32>(at).to_string(),
                    _ => row.get(at),
                });
        table.push(cells.collect());
    }
    for line in &table {
        for (at, cell) in line.iter().enumerate() {
            let width = table.iter().map(|line| line[at].len()).max().unwrap_or(0);
            print!("{cell:<width$}  ");
        }
        println!();
    }
    Ok(())
}

fn report<T>(result: Result<T, tokio_postgres::Error>) {
    match result
        .err()
        .as_ref()
        .and_then(tokio_postgres::Error::as_db_error)
    {
        Some(error) => {
            println!(
                "{}: {} (SQLSTATE {})",
                error.severity(),
                error.message(),
                error.code().code()
            );
            for (name, text) in [("DETAIL", error.detail()), ("HINT", error.hint())] {
                if let Some(text) = text {
                    println!("{name}:  {text}");
                }
            }
        }
        None => println!("unexpectedly not refused"),
    }
}
