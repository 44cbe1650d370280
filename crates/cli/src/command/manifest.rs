//! `sealwire manifest`

use data_encoding::HEXLOWER;
use sealwire_core::ddl;
use sealwire_keys::Manifest;
use serde::Serialize;
use tokio_postgres::{Client, Transaction};

use crate::args::Global;
use crate::database;
use crate::error::Error;
use crate::files;
use crate::output::Output;
use crate::quote::identifier;

#[derive(Serialize)]
struct Shown {
    source: String,
    serial: u64,
    root: String,
    authentic: bool,
    keys: usize,
    columns: usize,
    pinned_tables: usize,
}

pub(super) async fn show(
    global: &Global,
    url: Option<&str>,
    output: &mut Output,
) -> Result<(), Error> {
    let (manifest, source) = match url {
        None => (
            files::read(global)?,
            global.manifest().display().to_string(),
        ),
        Some(url) => {
            let client = database::connect(url).await?;
            let newest = newest(&client).await?.ok_or_else(|| {
                Error::new("no manifest is published in the database")
                    .hint("publish one with `sealwire manifest publish`")
            })?;
            let manifest = Manifest::parse(&newest)?;
            (manifest, "database".into())
        }
    };
    let provider = files::provider(global.master_key())?;
    let root = HEXLOWER.encode(manifest.root_id());
    let builder = manifest.edit(&*provider).await?;
    let shown = Shown {
        source,
        serial: builder.serial(),
        root,
        // What does not authenticate is an error before this line.
        authentic: true,
        keys: builder.ceks().len(),
        columns: builder.columns().len(),
        pinned_tables: builder.tables().len(),
    };
    output.print(&shown, |shown| {
        format!(
            "manifest       {}\nserial         {}\nroot           {}\nauthentic      yes, under `{}`\n\
             keys           {}\ncolumns        {}\npinned tables  {}",
            shown.source,
            shown.serial,
            shown.root,
            provider.describe(),
            shown.keys,
            shown.columns,
            shown.pinned_tables
        )
    })
}

async fn newest(client: &Client) -> Result<Option<String>, Error> {
    let table = client
        .query_one(
            "SELECT pg_catalog.to_regclass('sealwire.manifest') IS NOT NULL",
            &[],
        )
        .await?;
    if !table.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client
        .query_opt(
            "SELECT document FROM sealwire.manifest ORDER BY serial DESC LIMIT 1",
            &[],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

#[derive(Serialize)]
struct Published {
    serial: u64,
    already: bool,
    granted_to: Vec<String>,
}

pub(super) async fn publish(
    global: &Global,
    url: &str,
    grant: &[String],
    output: &mut Output,
) -> Result<(), Error> {
    // Published for clients to use: what they would refuse is refused here.
    files::authenticate(global).await?;
    let manifest = files::read(global)?;
    let mut client = database::connect(url).await?;
    let transaction = client.transaction().await?;
    transaction.batch_execute(ddl::manifest_table_ddl()).await?;
    let already = insert(&transaction, &manifest).await?;
    for role in grant {
        let role = identifier(role);
        transaction
            .batch_execute(&format!(
                "GRANT USAGE ON SCHEMA sealwire TO {role}; GRANT SELECT ON sealwire.manifest TO {role}"
            ))
            .await?;
    }
    transaction.commit().await?;
    let published = Published {
        serial: manifest.serial(),
        already,
        granted_to: grant.to_vec(),
    };
    output.print(&published, |published| {
        let mut text = if published.already {
            format!("serial {} is published already\n", published.serial)
        } else {
            format!("published serial {}\n", published.serial)
        };
        for role in &published.granted_to {
            text += &format!("role `{role}` may read published manifests\n");
        }
        text
    })
}

/// Inserts the manifest; true when that very document is there already.
async fn insert(transaction: &Transaction<'_>, manifest: &Manifest) -> Result<bool, Error> {
    let serial = i64::try_from(manifest.serial()).map_err(Error::new)?;
    let row = transaction
        .query_opt(
            "SELECT serial, document = $1 FROM sealwire.manifest WHERE serial >= $2 \
             ORDER BY serial DESC LIMIT 1",
            &[&manifest.as_toml(), &serial],
        )
        .await?;
    match row.map(|row| (row.get::<_, i64>(0), row.get::<_, bool>(1))) {
        None => {
            transaction
                .execute(
                    "INSERT INTO sealwire.manifest (serial, document) VALUES ($1, $2)",
                    &[&serial, &manifest.as_toml()],
                )
                .await?;
            Ok(false)
        }
        Some((found, true)) if found == serial => Ok(true),
        Some((found, _)) if found == serial => Err(Error::new(format_args!(
            "the database has another manifest with serial {serial}"
        ))
        .hint("two copies were changed apart; repeat one's changes on the other")),
        Some((found, _)) => Err(Error::new(format_args!(
            "the database has serial {found}, newer than serial {serial} of the file"
        ))
        .hint("fetch the newest manifest from where it was changed")),
    }
}
