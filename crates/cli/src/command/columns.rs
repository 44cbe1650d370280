//! `sealwire columns`

mod check;
mod rename;

use sealwire_core::policy::{Mode, PolicyError};
use sealwire_keys::{ColumnEntry, ManifestBuilder, ManifestError, TableName, parse_column_path};
use serde::Serialize;
use tokio_postgres::Client;

pub(super) use self::check::check;
pub(super) use self::rename::rename;
use crate::args::{AddColumn, Global};
use crate::database;
use crate::error::Error;
use crate::files;
use crate::output::{Output, table};

#[derive(Serialize)]
struct Column {
    column: String,
    r#type: String,
    mode: String,
    key: String,
    class: String,
    padding: Option<u16>,
    accept_frequency_leak: bool,
    order_pinned: bool,
}

impl Column {
    fn new(builder: &ManifestBuilder, entry: &ColumnEntry) -> Self {
        Self {
            column: entry.path(),
            r#type: entry.ty.to_string(),
            mode: entry.mode.to_string(),
            key: entry.cek.clone(),
            class: entry.class.clone(),
            padding: entry.padding,
            accept_frequency_leak: entry.accept_frequency_leak,
            order_pinned: builder.tables().iter().any(|t| t.name == entry.table),
        }
    }
}

pub(super) async fn list(global: &Global, output: &mut Output) -> Result<(), Error> {
    let (builder, _) = files::edit(global).await?;
    let columns = builder.columns().iter();
    let columns: Vec<Column> = columns.map(|c| Column::new(&builder, c)).collect();
    output.print(&columns, |columns| {
        if columns.is_empty() {
            return "no encrypted columns yet; add one with `sealwire columns add`".into();
        }
        let rows: Vec<[String; 7]> = columns
            .iter()
            .map(|c| {
                [
                    c.column.clone(),
                    c.r#type.clone(),
                    c.mode.clone(),
                    c.key.clone(),
                    c.class.clone(),
                    c.padding
                        .map_or_else(|| "-".into(), |block| block.to_string()),
                    if c.order_pinned { "yes" } else { "no" }.into(),
                ]
            })
            .collect();
        let heading = [
            "COLUMN", "TYPE", "MODE", "KEY", "CLASS", "PADDING", "PINNED",
        ];
        table(heading, &rows)
    })
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    column: Column,
    serial: u64,
}

pub(super) async fn add(
    global: &Global,
    add: &AddColumn,
    output: &mut Output,
) -> Result<(), Error> {
    let (name, column) = parse_column_path(&add.column)
        .map_err(|error| Error::new(format_args!("`{}`: {error}", add.column)))?;
    let (mut builder, _) = files::edit(global).await?;
    let key = match &add.key {
        Some(key) => key.clone(),
        None => only_key(&builder)?,
    };
    let was_pinned = builder.tables().iter().any(|t| t.name == name);
    let mut entry = ColumnEntry::new(name.clone(), column, add.ty.clone(), key);
    entry.labels = labels(add).await?;
    if add.deterministic {
        entry.mode = Mode::Deterministic;
    }
    if let Some(class) = &add.class {
        entry.class.clone_from(class);
    }
    entry.padding = add.padding;
    entry.accept_frequency_leak = add.accept_frequency_leak;
    builder.add_column(entry.clone()).map_err(|error| {
        let hint = add_hint(&builder, &entry, &error);
        match hint {
            Some(hint) => Error::from(error).hint(hint),
            None => error.into(),
        }
    })?;
    if let Some(url) = &add.database.url {
        let client = database::connect(url).await?;
        pin_table(&client, &mut builder, &name).await?;
    }
    let column = Column::new(&builder, &entry);
    let serial = files::save(global, builder)?;
    output.print(&Added { column, serial }, |added| {
        let Column {
            column,
            r#type,
            mode,
            key,
            ..
        } = &added.column;
        let mut text = format!(
            "added {column}: {type}, {mode}, under key `{key}`; the manifest has serial {}\n",
            added.serial
        );
        if !added.column.order_pinned {
            text += if was_pinned {
                "the table's pinned column order did not have it and was dropped\n"
            } else {
                ""
            };
            text += "next: sealwire sql, then sealwire columns pin --database URL";
        }
        text
    })
}

/// The labels of an enumerated type: those that were given, or those of the database.
async fn labels(add: &AddColumn) -> Result<Vec<String>, Error> {
    let Some((schema, name)) = add.ty.enum_name() else {
        return match add.labels.is_empty() {
            true => Ok(Vec::new()),
            false => Err(
                Error::new(format_args!("`{}` is not an enumerated type", add.ty))
                    .hint("leave out `--label`"),
            ),
        };
    };
    match &add.database.url {
        _ if !add.labels.is_empty() => Ok(add.labels.clone()),
        None => Err(
            Error::new(format_args!("the labels of `{}` are not known", add.ty))
                .hint("give each with `--label`, or read them with `--database URL`"),
        ),
        Some(url) => {
            let client = database::connect(url).await?;
            let labels = database::labels(&client, schema, name).await?;
            if labels.is_empty() {
                return Err(Error::new(format_args!(
                    "the database has no enumerated type `{}`",
                    add.ty
                ))
                .hint("of a domain give the type below it; the labels of a type to come can be given with `--label`"));
            }
            Ok(labels)
        }
    }
}

#[derive(Serialize)]
struct Relabelled {
    serial: u64,
}

/// Changes the labels of an enumerated type.
pub(super) async fn change_labels(
    global: &Global,
    output: &mut Output,
    change: impl FnOnce(&mut ManifestBuilder) -> Result<(), ManifestError>,
) -> Result<(), Error> {
    let (mut builder, _) = files::edit(global).await?;
    change(&mut builder)?;
    let serial = files::save(global, builder)?;
    output.print(&Relabelled { serial }, |done| {
        format!("changed; the manifest has serial {}", done.serial)
    })
}

fn only_key(builder: &ManifestBuilder) -> Result<String, Error> {
    match builder.ceks() {
        [only] => Ok(only.name.clone()),
        [] => Err(Error::new("the manifest has no key yet")
            .hint("create one with `sealwire keys create NAME`")),
        several => {
            let names: Vec<String> = several.iter().map(|k| format!("`{}`", k.name)).collect();
            Err(
                Error::new("the manifest has several keys: say which with `--key`")
                    .hint(format_args!("there are {}", names.join(", "))),
            )
        }
    }
}

fn add_hint(
    builder: &ManifestBuilder,
    entry: &ColumnEntry,
    error: &ManifestError,
) -> Option<String> {
    let ManifestError::Policy(error) = error else {
        return None;
    };
    Some(match error {
        PolicyError::UnknownCek { cek, .. } => {
            format!("create it with `sealwire keys create {cek}`, or see `sealwire keys list`")
        }
        PolicyError::DuplicateColumn(_) => {
            "it is encrypted already: see `sealwire columns list`".into()
        }
        PolicyError::ClassMismatch(..) if entry.mode == Mode::Randomized => {
            "each randomized column has a class of its own: leave out `--class`, or add `--deterministic`"
                .into()
        }
        PolicyError::ClassMismatch(..) => {
            let other = builder.columns().iter().find(|c| c.class == entry.class)?;
            let padding = other.padding.map_or_else(|| "none".into(), |n| n.to_string());
            format!(
                "`{}` is {}, {}, under key `{}`, padding {padding}",
                other.path(),
                other.ty,
                other.mode,
                other.cek
            )
        }
        PolicyError::NotDeterministic { .. }
            if entry.ty.declared().family().has_single_byte_form() =>
        {
            "leave out `--deterministic`, or add `--accept-frequency-leak`".into()
        }
        PolicyError::NotDeterministic { .. } => "leave out `--deterministic`".into(),
        _ => return None,
    })
}

#[derive(Serialize)]
struct Pinned {
    tables: Vec<PinnedTable>,
    serial: u64,
}

#[derive(Serialize)]
struct PinnedTable {
    table: String,
    columns: Vec<String>,
}

pub(super) async fn pin(
    global: &Global,
    url: &str,
    only: &[TableName],
    output: &mut Output,
) -> Result<(), Error> {
    let (mut builder, _) = files::edit(global).await?;
    let mut tables: Vec<TableName> = Vec::new();
    for column in builder.columns() {
        if !tables.contains(&column.table) && (only.is_empty() || only.contains(&column.table)) {
            tables.push(column.table.clone());
        }
    }
    if let Some(unknown) = only.iter().find(|name| !tables.contains(name)) {
        return Err(
            Error::new(format_args!("table `{unknown}` has no encrypted column"))
                .hint("see `sealwire columns list`"),
        );
    }
    if tables.is_empty() {
        return Err(
            Error::new("the manifest has no encrypted column to pin a table for")
                .hint("add one with `sealwire columns add`"),
        );
    }
    let client = database::connect(url).await?;
    let before = builder.tables().to_vec();
    for name in &tables {
        pin_table(&client, &mut builder, name).await?;
    }
    let pinned = builder.tables().iter().filter(|t| tables.contains(&t.name));
    let pinned = pinned
        .map(|table| PinnedTable {
            table: table.name.to_string(),
            columns: table.columns.clone(),
        })
        .collect();
    // Pinning what is pinned already is no change to publish and deploy.
    let serial = if builder.tables() == before {
        builder.serial()
    } else {
        files::save(global, builder)?
    };
    output.print(
        &Pinned {
            tables: pinned,
            serial,
        },
        |done| {
            let mut text = String::new();
            for table in &done.tables {
                text += &format!("{}: {}\n", table.table, table.columns.join(", "));
            }
            text + &format!("pinned; the manifest has serial {}", done.serial)
        },
    )
}

async fn pin_table(
    client: &Client,
    builder: &mut ManifestBuilder,
    name: &TableName,
) -> Result<(), Error> {
    let relation = database::table(client, name).await?.ok_or_else(|| {
        Error::new(format_args!("the database has no table `{name}`"))
            .hint("`sealwire sql` prints what creates its encrypted columns")
    })?;
    let columns: Vec<String> = relation.attributes.into_iter().map(|a| a.name).collect();
    let missing = builder
        .columns()
        .iter()
        .find(|column| column.table == *name && !columns.contains(&column.column));
    if let Some(missing) = missing {
        return Err(Error::new(format_args!(
            "the database has no column `{}`",
            missing.path()
        ))
        .hint("run what `sealwire sql` prints first"));
    }
    Ok(builder.pin_columns(name, columns)?)
}
