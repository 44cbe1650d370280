//! One module per command.

mod columns;
mod explain;
mod init;
mod inspect;
mod keys;
mod manifest;
mod proxy;
mod scram;
mod sql;

pub(crate) use self::proxy::log_usage;
use crate::args::{Args, Columns, Command, Keys, ManifestCommand};
use crate::error::Error;
use crate::output::Output;

pub(crate) async fn run(args: &Args, output: &mut Output) -> Result<(), Error> {
    let global = &args.global;
    match &args.command {
        Command::Init { existing_key } => init::run(global, *existing_key, output).await,
        Command::Keys(Keys::List) => keys::list(global, output).await,
        Command::Keys(Keys::Create { name }) => keys::create(global, name, output).await,
        Command::Keys(Keys::Rewrap { to }) => keys::rewrap(global, to, output).await,
        Command::Columns(Columns::List) => columns::list(global, output).await,
        Command::Columns(Columns::Add(add)) => columns::add(global, add, output).await,
        Command::Columns(Columns::Rename { old, new }) => {
            columns::rename(global, old, new, output).await
        }
        Command::Columns(Columns::Pin { database, table }) => {
            columns::pin(global, &database.url, table, output).await
        }
        Command::Columns(Columns::AddLabel { ty, label }) => {
            columns::change_labels(global, output, |builder| builder.add_label(ty, label)).await
        }
        Command::Columns(Columns::RenameLabel { ty, from, to }) => {
            columns::change_labels(global, output, |builder| builder.rename_label(ty, from, to))
                .await
        }
        Command::Columns(Columns::Check { database }) => {
            columns::check(global, &database.url, output).await
        }
        Command::Sql(sql) => sql::run(global, sql, output).await,
        Command::Manifest(ManifestCommand::Show { database }) => {
            manifest::show(global, database.url.as_deref(), output).await
        }
        Command::Manifest(ManifestCommand::Publish { database, grant }) => {
            manifest::publish(global, &database.url, grant, output).await
        }
        Command::Explain(explain) => explain::run(global, explain, output).await,
        Command::Proxy(args) => proxy::run(global, args, output).await,
        Command::Scram { role } => scram::run(role, output),
        Command::Inspect { cell } => inspect::run(cell, output),
    }
}
