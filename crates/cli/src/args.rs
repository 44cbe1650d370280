//! The command line.

mod proxy;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args as Group, CommandFactory, FromArgMatches, Parser, Subcommand};
use sealwire_core::types::ParseTypeError;
use sealwire_keys::{ColumnType, TableName};

pub(crate) use proxy::{PORT, Proxy};

/// Always Encrypted for PostgreSQL: keys, encrypted columns, the manifest that lists them, the proxy
#[derive(Debug, Parser)]
#[command(
    name = "sealwire",
    version,
    arg_required_else_help = true,
    after_help = "\
From nothing to an encrypted column:
  sealwire init
  sealwire keys create main
  sealwire columns add public.users.email --type text --deterministic
  sealwire sql --create | psql \"$DATABASE_URL\"
  sealwire columns pin --database \"$DATABASE_URL\"

The application then connects with
  column_encryption=enabled column_encryption_manifest=file:sealwire.toml
  column_master_key=file:sealwire.key
in its connection string."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// What this process was started with. When that cannot be understood, it ends here.
    pub(crate) fn from_command_line() -> Self {
        let mut command = without_empty_variables(Self::command());
        let matches = command.try_get_matches_from_mut(std::env::args_os());
        let args = matches.and_then(|matches| {
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
        });
        args.unwrap_or_else(|error| {
            if error.use_stderr() && is_log_json(std::env::args_os()) {
                crate::command::log_usage(first_paragraph(&error.to_string()));
                std::process::exit(error.exit_code());
            }
            error.exit()
        })
    }
}

/// Whether a command line that is not understood is that of a proxy whose log is JSON.
fn is_log_json(args: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<OsString> = args.skip(1).collect();
    let has = |word: &str| words.iter().any(|it| it == word);
    has("proxy") && has("--json")
}

/// What is wrong, without the usage that follows it.
fn first_paragraph(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let first = text.split("\n\n").next().unwrap_or(text);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A variable that is empty is one that is not set: units and compose files have no other way to take
/// back what stands in an image or in another file.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| {
        let variable = arg.get_env().and_then(std::env::var_os);
        variable.is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|arg| match is_empty(&arg) {
            true => arg.env(None),
            false => arg,
        })
        .mut_subcommands(without_empty_variables)
}

#[derive(Debug, Group)]
pub(crate) struct Global {
    /// The manifest; `sealwire.toml` unless given
    #[arg(
        long = "manifest",
        global = true,
        help_heading = "For every command",
        value_name = "PATH",
        env = "SEALWIRE_MANIFEST"
    )]
    pub(crate) given_manifest: Option<PathBuf>,
    /// Where the column master key is: `file:PATH` or `env:NAME`; `file:sealwire.key` unless given
    #[arg(
        long = "master-key",
        global = true,
        help_heading = "For every command",
        value_name = "URI",
        env = "SEALWIRE_MASTER_KEY",
        hide_env_values = true
    )]
    pub(crate) given_master_key: Option<String>,
    /// Print JSON
    #[arg(long, global = true, help_heading = "For every command")]
    pub(crate) json: bool,
}

impl Global {
    pub(crate) fn manifest(&self) -> &Path {
        let given = self.given_manifest.as_deref();
        given.unwrap_or(Path::new("sealwire.toml"))
    }

    pub(crate) fn master_key(&self) -> &str {
        let given = self.given_master_key.as_deref();
        given.unwrap_or("file:sealwire.key")
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a master key file and a manifest
    ///
    /// The key file is created with permissions 0600 at the path of `--master-key`; a master key of
    /// another kind must exist already. Neither file is ever overwritten.
    #[command(after_help = "\
Examples:
  sealwire init
  sealwire init --master-key file:/etc/sealwire/master.key
  sealwire init --existing-key --master-key env:SEALWIRE_KEY")]
    Init {
        /// Use the key that `--master-key` names instead of creating a key file
        #[arg(long)]
        existing_key: bool,
    },
    /// List, create or rewrap column encryption keys
    #[command(subcommand)]
    Keys(Keys),
    /// List, add, rename, pin or check encrypted columns
    #[command(subcommand)]
    Columns(Columns),
    /// Print the DDL of the encrypted columns
    ///
    /// Prints the schema `sealwire` with its two domains, then the columns. Running it again
    /// changes nothing.
    #[command(after_help = "\
Examples:
  sealwire sql | psql \"$DATABASE_URL\"
  sealwire sql --domains-only
  sealwire sql --create --table public.users")]
    Sql(Sql),
    /// Show or publish the manifest
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Show what happens to a statement
    ///
    /// Shows how each parameter, literal and output column is read and what goes to the server,
    /// or why the statement is refused. Without `--database`, tables are what the manifest pins;
    /// nothing is sent anywhere in either case but look-ups in the catalogue.
    #[command(after_help = "\
Examples:
  sealwire explain 'SELECT id FROM users WHERE email = $1'
  sealwire explain --database \"$DATABASE_URL\" 'SELECT * FROM users JOIN orders USING (email)'

The exit code is 1 when the statement is refused.")]
    Explain(Explain),
    /// Serve clients of every language: seal what they send, open what they read
    ///
    /// Listens for clients of PostgreSQL and connects each to the server, with the encrypted columns
    /// of the manifest in between. Clients change host and port, nothing else: role, password and
    /// database are the server's.
    ///
    /// SIGTERM or SIGINT: no new connections, each open one ends when its transaction has; a second
    /// one ends all at once. SIGHUP: manifests, the certificate and the list of roles are read again.
    #[command(after_help = "\
Examples:
  sealwire proxy --listen 127.0.0.1:6432 --server db.internal --sslrootcert ca.pem
  sealwire proxy --config /etc/sealwire/proxy.toml
  sealwire proxy --config /etc/sealwire/proxy.toml --check

Then, with any client:
  psql \"host=127.0.0.1 port=6432 user=app dbname=clinic\"

Without `--config`, manifest and master key are `sealwire.toml` and `file:sealwire.key` as for every
command; `--manifest database` takes the newest one that was published in the database.
Settings of the file, metrics and logs: docs/proxy.md.")]
    Proxy(Box<Proxy>),
    /// Make a SCRAM secret of a role's password, for the server and for the proxy
    ///
    /// Only for clients that connect to the proxy with TLS, which forces authentication to end there
    /// (docs/proxy.md). The password is the first line of standard input, or asked for. Where
    /// `pg_authid` can be read, its `rolpassword` is such a secret already.
    #[command(after_help = "\
Example:
  sealwire scram app")]
    Scram {
        /// The role
        role: String,
    },
    /// Show the header of a cell
    #[command(after_help = "\
Example:
  sealwire inspect '\\x1101b26fa8011fec32e184cc86fe42fa2578'")]
    Inspect {
        /// The cell in hexadecimal, with or without `\x`
        #[arg(value_name = "HEX")]
        cell: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the column encryption keys
    List,
    /// Create a column encryption key, wrapped by the master key
    #[command(after_help = "\
Example:
  sealwire keys create main")]
    Create {
        /// Name of the key
        name: String,
    },
    /// Wrap every key anew under another master key; no cell changes
    #[command(after_help = "\
Example:
  sealwire keys rewrap --to file:/etc/sealwire/master-2.key

Deploy the manifest together with the new master key.")]
    Rewrap {
        /// Where the new master key is
        #[arg(long, value_name = "URI")]
        to: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Columns {
    /// List the encrypted columns
    List,
    /// Add an encrypted column to the manifest
    #[command(after_help = "\
Examples:
  sealwire columns add public.users.email --type text --deterministic
  sealwire columns add public.users.salary --type 'numeric(10,2)' --padding 16
  sealwire columns add public.users.mood --type public.mood --label sad --label ok
  sealwire columns add public.orders.email --type text --deterministic --class public.users.email

Columns that are joined or compared with each other need the same key, class and type family.
Class, key, mode and padding are part of every cell: choose them before the first value is stored.")]
    Add(AddColumn),
    /// Give an encrypted column, or a table with encrypted columns, another name in the manifest
    ///
    /// Its class stays, and so its cells stay readable. Do this before the database changes: a
    /// session with the old manifest refuses the statement that renames, one with the new manifest
    /// lets it pass.
    #[command(after_help = "\
Examples:
  sealwire columns rename public.users.email public.users.mail
  sealwire columns rename public.users public.people")]
    Rename {
        /// The name in the manifest
        #[arg(value_name = "SCHEMA.TABLE[.COLUMN]")]
        old: String,
        /// The name that it gets
        #[arg(value_name = "SCHEMA.TABLE[.COLUMN]")]
        new: String,
    },
    /// Pin the column order of the tables with encrypted columns
    ///
    /// `INSERT` without a column list and `SELECT *` are positional; they are refused until the
    /// manifest has the order of the table's columns.
    #[command(after_help = "\
Example:
  sealwire columns pin --database \"$DATABASE_URL\"")]
    Pin {
        #[command(flatten)]
        database: RequiredDatabase,
        /// Only this table
        #[arg(long, value_name = "SCHEMA.TABLE")]
        table: Vec<TableName>,
    },
    /// Add a label to an enumerated type, after `ALTER TYPE ... ADD VALUE` or before
    ///
    /// It comes last in the manifest whatever its place in the database: cells count labels by their
    /// place in the manifest.
    #[command(after_help = "\
Example:
  sealwire columns add-label public.mood elated")]
    AddLabel {
        /// The enumerated type
        #[arg(value_name = "SCHEMA.TYPE", value_parser = column_type)]
        ty: ColumnType,
        /// The new label
        label: String,
    },
    /// Rename a label of an enumerated type, together with `ALTER TYPE ... RENAME VALUE`
    #[command(after_help = "\
Example:
  sealwire columns rename-label public.mood ok fine")]
    RenameLabel {
        /// The enumerated type
        #[arg(value_name = "SCHEMA.TYPE", value_parser = column_type)]
        ty: ColumnType,
        /// The label
        from: String,
        /// What it is called from now on
        to: String,
    },
    /// Compare the manifest with the database
    #[command(after_help = "\
Example:
  sealwire columns check --database \"$DATABASE_URL\"

The exit code is 1 when something does not fit.")]
    Check {
        #[command(flatten)]
        database: RequiredDatabase,
    },
}

#[derive(Debug, Group)]
pub(crate) struct AddColumn {
    /// The column; capitals need double quotes, as in SQL
    #[arg(value_name = "SCHEMA.TABLE.COLUMN")]
    pub(crate) column: String,
    /// The type that the application sees: `text`, `numeric(10,2)[]`, `schema.enum`; of a domain that below it
    #[arg(long = "type", value_name = "TYPE", value_parser = column_type)]
    pub(crate) ty: ColumnType,
    /// A label of the enumerated type; without any they are read from the database
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
    /// Equal values give equal cells: `=`, joins and UNIQUE work, and the server sees equality
    #[arg(long, conflicts_with = "randomized")]
    pub(crate) deterministic: bool,
    /// Nothing but storing and reading works (the default)
    #[arg(long)]
    pub(crate) randomized: bool,
    /// Column encryption key; needed when there is more than one
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// Class, shared by columns that are compared with each other; the column's own by default
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// Hide lengths up to the next multiple of so many bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(2..))]
    pub(crate) padding: Option<u16>,
    /// Accept that a deterministic column of few values gives its values away
    #[arg(long)]
    pub(crate) accept_frequency_leak: bool,
    #[command(flatten)]
    pub(crate) database: OptionalDatabase,
}

#[derive(Debug, Group)]
pub(crate) struct Sql {
    /// Only the schema and the domains
    #[arg(long, conflicts_with_all = ["create", "table", "manifest_table"])]
    pub(crate) domains_only: bool,
    /// Print `CREATE TABLE` with the encrypted columns instead of `ALTER TABLE`
    #[arg(long)]
    pub(crate) create: bool,
    /// Only the columns of this table
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(crate) table: Vec<TableName>,
    /// Also the table that `manifest publish` writes to
    #[arg(long)]
    pub(crate) manifest_table: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ManifestCommand {
    /// Show what the manifest is, once it has authenticated
    #[command(after_help = "\
Examples:
  sealwire manifest show
  sealwire manifest show --database \"$DATABASE_URL\"")]
    Show {
        #[command(flatten)]
        database: OptionalDatabase,
    },
    /// Publish the manifest in the database, for `column_encryption_manifest=database`
    ///
    /// Adds a row to `sealwire.manifest`, which is created where it is missing. Applications read
    /// the row with the highest serial.
    #[command(after_help = "\
Example:
  sealwire manifest publish --database \"$DATABASE_URL\" --grant app")]
    Publish {
        #[command(flatten)]
        database: RequiredDatabase,
        /// Allow this role to read the published manifests
        #[arg(long, value_name = "ROLE")]
        grant: Vec<String>,
    },
}

#[derive(Debug, Group)]
pub(crate) struct Explain {
    /// The statement
    #[arg(value_name = "SQL")]
    pub(crate) statement: String,
    /// Read it as a simple query: several statements, no parameters
    #[arg(long)]
    pub(crate) simple: bool,
    /// Schemas in which unqualified names are looked up, without `--database`
    #[arg(
        long,
        value_name = "SCHEMA",
        value_delimiter = ',',
        default_value = "public",
        conflicts_with = "url"
    )]
    pub(crate) search_path: Vec<String>,
    #[command(flatten)]
    pub(crate) database: OptionalDatabase,
}

#[derive(Debug, Group)]
pub(crate) struct OptionalDatabase {
    /// Connection string of the database; one with `column_encryption` settings works too
    #[arg(long = "database", value_name = "URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Group)]
pub(crate) struct RequiredDatabase {
    /// Connection string of the database; one with `column_encryption` settings works too
    #[arg(
        long = "database",
        value_name = "URL",
        env = "SEALWIRE_DATABASE",
        hide_env_values = true
    )]
    pub(crate) url: String,
}

/// Says what else can stand there when a name is not known.
fn column_type(text: &str) -> Result<ColumnType, String> {
    text.parse().map_err(|error: ParseTypeError| match error {
        ParseTypeError::UnknownType(_) => {
            format!("{error}; of a domain give the type below it, and an enumerated type as `schema.name`")
        }
        _ => error.to_string(),
    })
}
