//! Twin databases: the same tables once encrypted and once plain, the same statements for both,
//! and what tells their outcomes apart.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a test fails, here as in the test itself"
)]

pub mod compare;
pub mod items;
pub mod random;
pub mod run;
pub mod schema;
pub mod trap;
pub mod values;
pub mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sealwire_core::ddl;
use sealwire_keys::{
    ColumnEntry, ColumnType, FileProvider, KeyProvider, Manifest, ManifestBuilder, TableName,
    create_key_file,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{Postgres, TestDatabase};
use schema::{Table, Twin};
use wire::WireClient;

/// Twin tables in two databases, with a key and a manifest for the encrypted ones.
///
/// Names, constraints and everything else are equal on both sides, so that one statement fits
/// both and even messages that name a constraint must be equal.
#[derive(Debug)]
pub struct Fixture {
    sealed: TestDatabase<'static>,
    plain: TestDatabase<'static>,
    tables: Vec<Table>,
    directory: TempDir,
}

impl Fixture {
    /// Two new databases with these tables.
    pub async fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        Self::on(Postgres::shared().await, tables).await
    }

    /// Two new databases of another server.
    pub async fn on(server: &'static Postgres, tables: impl IntoIterator<Item = Table>) -> Self {
        let tables: Vec<Table> = tables.into_iter().collect();
        let fixture = Self {
            sealed: server.create_database().await,
            plain: server.create_database().await,
            tables,
            directory: tempfile::tempdir().expect("a directory"),
        };
        create_key_file(&fixture.key_path()).expect("a key file");
        let manifest = fixture.seal_manifest(|_| {}).await;
        manifest
            .write_new(&fixture.manifest_path())
            .expect("the manifest");
        let sealed = fixture.sealed.connect().await;
        sealed
            .batch_execute(ddl::domain_ddl())
            .await
            .expect("the domains");
        let plain = fixture.plain.connect().await;
        let types = enum_types(&fixture.tables);
        for database in [&sealed, &plain] {
            database.batch_execute(&types).await.expect("the types");
        }
        for table in &fixture.tables {
            sealed
                .batch_execute(&table.ddl(Twin::Sealed))
                .await
                .expect("the encrypted table");
            plain
                .batch_execute(&table.ddl(Twin::Plain))
                .await
                .expect("the plain table");
        }
        fixture
    }

    /// A manifest for the fixture's tables, with changes.
    pub async fn seal_manifest(&self, change: impl FnOnce(&mut Vec<ColumnEntry>)) -> Manifest {
        let builder = self.manifest_builder(&self.provider(), change).await;
        builder.seal().expect("a manifest")
    }

    /// A new manifest for the fixture's tables under a master key, not sealed yet.
    pub async fn manifest_builder(
        &self,
        provider: &dyn KeyProvider,
        change: impl FnOnce(&mut Vec<ColumnEntry>),
    ) -> ManifestBuilder {
        let mut builder = ManifestBuilder::create(provider).await.expect("a manifest");
        let mut columns = Vec::new();
        for table in &self.tables {
            let name = TableName::new(&table.schema, &table.name).expect("a table name");
            for column in &table.columns {
                let Some(encryption) = &column.encryption else {
                    continue;
                };
                if !builder.ceks().iter().any(|cek| cek.name == encryption.key) {
                    builder
                        .add_cek(&encryption.key, provider)
                        .await
                        .expect("a key");
                }
                let ty: ColumnType = column.ty.parse().expect("a type");
                let low_cardinality = ty.declared().is_low_cardinality();
                let mut entry = ColumnEntry::new(name.clone(), &column.name, ty, &encryption.key);
                entry.mode = encryption.mode;
                entry.padding = encryption.padding;
                entry.accept_frequency_leak = low_cardinality;
                entry.labels = encryption.labels.clone();
                if let Some(class) = &encryption.class {
                    entry.class.clone_from(class);
                }
                columns.push(entry);
            }
        }
        change(&mut columns);
        let protected: Vec<TableName> = columns.iter().map(|column| column.table.clone()).collect();
        for column in columns {
            builder.add_column(column).expect("a column");
        }
        for table in &self.tables {
            let name = TableName::new(&table.schema, &table.name).expect("a table name");
            if protected.contains(&name) {
                let order = table
                    .columns
                    .iter()
                    .map(|column| column.name.clone())
                    .collect();
                builder.pin_columns(&name, order).expect("the column order");
            }
        }
        builder
    }

    /// Runs statements in both databases, as their owner and without the layer.
    pub async fn prepare(&self, sql: &str) {
        for database in [&self.sealed, &self.plain] {
            let owner = database.connect().await;
            owner
                .batch_execute(sql)
                .await
                .expect("a statement of the test's own");
        }
    }

    /// Waits until the statement of a server process is in `pg_sleep`. A request to cancel it that
    /// comes earlier cancels nothing, and another behind that would cancel what comes next.
    pub async fn until_it_sleeps(&self, pid: i32) {
        let admin = self.sealed.connect_superuser().await;
        let sql = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
        let waiting = async {
            while admin.query(sql, &[&pid]).await.expect("rows").is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let slept = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        slept.expect("the statement does not sleep");
    }

    /// The database with encrypted columns.
    pub fn sealed(&self) -> &TestDatabase<'static> {
        &self.sealed
    }

    /// Its plain twin.
    pub fn plain(&self) -> &TestDatabase<'static> {
        &self.plain
    }

    /// The tables.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// A directory that goes with the fixture.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The file of the master key.
    pub fn key_path(&self) -> PathBuf {
        self.directory.path().join("master.key")
    }

    /// The file of the manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.directory.path().join("sealwire.toml")
    }

    /// The master key.
    pub fn provider(&self) -> FileProvider {
        FileProvider::new(self.key_path())
    }

    /// The connection string of the encrypted database with encryption switched on.
    pub fn url(&self) -> String {
        self.with_encryption(&self.sealed.url())
    }

    /// The same, to reach the server through a proxy on this machine.
    pub fn url_through(&self, port: u16) -> String {
        let direct = format!("{}:{}/", self.sealed.host(), self.sealed.port());
        self.url()
            .replacen(&direct, &format!("127.0.0.1:{port}/"), 1)
    }

    /// A URL with our three parameters added.
    pub fn with_encryption(&self, url: &str) -> String {
        let first = if url.contains('?') { '&' } else { '?' };
        format!(
            "{url}{first}column_encryption=enabled&column_encryption_manifest=file:{}&column_master_key=file:{}",
            self.manifest_path().display(),
            self.key_path().display(),
        )
    }

    /// Our three parameters in `key=value` form.
    pub fn parameters(&self) -> String {
        format!(
            "column_encryption=enabled column_encryption_manifest='file:{}' column_master_key='file:{}'",
            self.manifest_path().display(),
            self.key_path().display(),
        )
    }

    /// A bare protocol connection to the plain twin.
    pub async fn plain_wire(&self) -> WireClient<TcpStream> {
        plain_wire(&self.plain).await
    }
}

/// The statements that create the enumerated types, each label before those that the manifest
/// lists before it: the two orders must not depend on each other.
fn enum_types(tables: &[Table]) -> String {
    let mut sql = String::new();
    let mut seen = Vec::new();
    for column in tables.iter().flat_map(|table| &table.columns) {
        let labels = column.encryption.as_ref().map_or(&[][..], |e| &e.labels);
        let name = column.ty.trim_end_matches("[]");
        if labels.is_empty() || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let labels = labels.iter().rev();
        let labels: Vec<_> = labels
            .map(|label| format!("'{}'", label.replace('\'', "''")))
            .collect();
        sql += &format!("CREATE TYPE {name} AS ENUM ({});\n", labels.join(", "));
    }
    sql
}

/// A bare protocol connection without the layer.
pub async fn plain_wire(database: &TestDatabase<'_>) -> WireClient<TcpStream> {
    let stream = TcpStream::connect((database.host(), database.port()))
        .await
        .expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    WireClient::start(stream, &database.config(), &[])
        .await
        .expect("a session")
}
