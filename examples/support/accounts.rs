//! What the examples need before their story begins: a PostgreSQL, a key, a manifest and a table
//! `accounts` whose `iban` is encrypted.

use std::error::Error;
use std::path::PathBuf;

use sealwire_core::policy::Mode;
use sealwire_keys::{
    ColumnEntry, FileProvider, KeyProvider, ManifestBuilder, TableName, create_key_file,
};
use sealwire_testkit::Postgres;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// The setting of an example.
#[allow(dead_code, reason = "each example uses what its story needs")]
pub(crate) struct Setting {
    /// Connection string with `column_encryption=enabled`.
    pub(crate) url: String,
    /// The same without our keys.
    pub(crate) plain_url: String,
    pub(crate) manifest: PathBuf,
    directory: TempDir,
}

#[allow(dead_code, reason = "each example uses what its story needs")]
impl Setting {
    /// A client without Sealwire, as the database operator has it.
    pub(crate) async fn operator(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.plain_url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// The setting with a master key in a file.
#[allow(dead_code, reason = "each example uses what its story needs")]
pub(crate) async fn set_up() -> Result<Setting, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let key = directory.path().join("sealwire.key");
    create_key_file(&key)?;
    let mut setting = set_up_with(&FileProvider::new(&key), directory).await?;
    setting.url = format!(
        "{}?column_encryption=enabled&column_encryption_manifest=file:{}&column_master_key=file:{}",
        setting.plain_url,
        setting.manifest.display(),
        key.display(),
    );
    Ok(setting)
}

/// The setting with a master key of the example's own.
pub(crate) async fn set_up_with(
    master: &dyn KeyProvider,
    directory: TempDir,
) -> Result<Setting, Box<dyn Error>> {
    let database = Postgres::shared().await.create_database().await;
    let manifest = directory.path().join("sealwire.toml");
    let mut builder = ManifestBuilder::create(master).await?;
    builder.add_cek("bank", master).await?;
    let accounts = TableName::new("public", "accounts")?;
    let mut iban = ColumnEntry::new(accounts, "iban", "text".parse()?, "bank");
    iban.mode = Mode::Deterministic;
    builder.add_column(iban)?;
    builder.seal()?.write_new(&manifest)?;
    let owner = database.connect().await;
    owner
        .batch_execute(sealwire_core::ddl::domain_ddl())
        .await?;
    owner
        .batch_execute(
            "CREATE TABLE accounts (iban sealwire.deterministic PRIMARY KEY, balance bigint)",
        )
        .await?;
    let plain_url = database.url();
    // The server goes with the process; the database need not be dropped before.
    std::mem::forget(database);
    Ok(Setting {
        url: String::new(),
        plain_url,
        manifest,
        directory,
    })
}
