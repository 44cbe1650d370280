//! `sealwire sql`

use sealwire_core::ddl;
use sealwire_keys::{ColumnEntry, TableName};
use serde::Serialize;

use crate::args::{Global, Sql};
use crate::error::Error;
use crate::files;
use crate::output::Output;
use crate::quote::identifier;

#[derive(Serialize)]
struct Script {
    sql: String,
}

pub(super) async fn run(global: &Global, args: &Sql, output: &mut Output) -> Result<(), Error> {
    let mut sql = ddl::domain_ddl().to_owned();
    if args.domains_only {
        return output.print(&Script { sql }, |script| script.sql.clone());
    }
    let (builder, _) = files::edit(global).await?;
    if args.manifest_table {
        sql.push('\n');
        sql.push_str(ddl::manifest_table_ddl());
    }
    let tables = tables(builder.columns());
    if let Some(unknown) = args
        .table
        .iter()
        .find(|name| tables.iter().all(|(table, _)| table != name))
    {
        return Err(
            Error::new(format_args!("table `{unknown}` has no encrypted column"))
                .hint("see `sealwire columns list`"),
        );
    }
    for (table, columns) in tables {
        if !args.table.is_empty() && !args.table.contains(table) {
            continue;
        }
        sql.push('\n');
        if args.create {
            push_create(&mut sql, table, &columns);
        } else {
            push_alter(&mut sql, table, &columns);
        }
    }
    output.print(&Script { sql }, |script| script.sql.clone())
}

/// The columns by table, in the manifest's order.
fn tables(columns: &[ColumnEntry]) -> Vec<(&TableName, Vec<&ColumnEntry>)> {
    let mut tables: Vec<(&TableName, Vec<&ColumnEntry>)> = Vec::new();
    for column in columns {
        match tables.iter_mut().find(|(table, _)| *table == &column.table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((&column.table, vec![column])),
        }
    }
    tables
}

fn qualified(table: &TableName) -> String {
    format!(
        "{}.{}",
        identifier(table.schema()),
        identifier(table.name())
    )
}

/// `name domain`, and what the client sees for a comment.
fn definition(column: &ColumnEntry) -> (String, String) {
    let name = identifier(&column.column);
    let definition = format!("{name} {}", ddl::domain(column.mode));
    (definition, format!("-- {}, key {}", column.ty, column.cek))
}

fn push_alter(sql: &mut String, table: &TableName, columns: &[&ColumnEntry]) {
    let table = qualified(table);
    for column in columns {
        let (definition, comment) = definition(column);
        sql.push_str(&format!(
            "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {definition}; {comment}\n"
        ));
    }
}

fn push_create(sql: &mut String, table: &TableName, columns: &[&ColumnEntry]) {
    sql.push_str(&format!("CREATE TABLE {} (\n", qualified(table)));
    for (at, column) in columns.iter().enumerate() {
        let (definition, comment) = definition(column);
        let comma = if at + 1 < columns.len() { "," } else { "" };
        sql.push_str(&format!("    {definition}{comma} {comment}\n"));
    }
    sql.push_str(");\n");
}
