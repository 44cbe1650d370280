//! `sealwire columns rename`

use sealwire_keys::{TableName, parse_column_path};
use serde::Serialize;

use crate::args::Global;
use crate::error::Error;
use crate::files;
use crate::output::Output;

#[derive(Serialize)]
struct Renamed {
    old: String,
    new: String,
    statement: String,
    serial: u64,
}

pub(crate) async fn rename(
    global: &Global,
    old: &str,
    new: &str,
    output: &mut Output,
) -> Result<(), Error> {
    let (mut builder, _) = files::edit(global).await?;
    let statement = match (parse_column_path(old), parse_column_path(new)) {
        (Ok((table, column)), Ok((other, name))) => {
            if table != other {
                return Err(
                    Error::new("a column keeps its table when it is renamed").hint(format_args!(
                        "to rename the table: sealwire columns rename {table} {other}"
                    )),
                );
            }
            builder.rename_column(&table, &column, &name)?;
            let (column, name) = (quoted(&column), quoted(&name));
            format!("ALTER TABLE {table} RENAME COLUMN {column} TO {name}")
        }
        _ => {
            let table = |text: &str| {
                text.parse::<TableName>().map_err(|error| {
                    Error::new(format_args!("`{text}`: {error}")).hint(
                        "two columns as `schema.table.column`, or two tables as `schema.table`",
                    )
                })
            };
            let (from, to) = (table(old)?, table(new)?);
            builder.rename_table(&from, &to)?;
            let mut steps = Vec::new();
            let name = quoted(to.name());
            if from.name() != to.name() {
                steps.push(format!("ALTER TABLE {from} RENAME TO {name}"));
            }
            if from.schema() != to.schema() {
                let schema = quoted(from.schema());
                let target = quoted(to.schema());
                steps.push(format!("ALTER TABLE {schema}.{name} SET SCHEMA {target}"));
            }
            steps.join("; ")
        }
    };
    let serial = files::save(global, builder)?;
    let renamed = Renamed {
        old: old.to_owned(),
        new: new.to_owned(),
        statement,
        serial,
    };
    output.print(&renamed, |renamed| {
        format!(
            "renamed {} to {}; the manifest has serial {}\nnext: {}",
            renamed.old, renamed.new, renamed.serial, renamed.statement
        )
    })
}

fn quoted(name: &str) -> String {
    crate::quote::identifier(name)
}
