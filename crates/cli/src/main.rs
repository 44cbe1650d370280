//! The `sealwire` command.

mod args;
mod command;
mod database;
mod error;
mod files;
mod output;
mod quote;

use std::process::ExitCode;

use crate::args::Args;
use crate::error::Error;
use crate::output::Output;

fn main() -> ExitCode {
    let args = Args::from_command_line();
    let mut output = Output::new(args.global.json);
    match run(&args, &mut output).and_then(|()| output.finish()) {
        Ok(code) => code,
        Err(error) => {
            error.report();
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, output: &mut Output) -> Result<(), Error> {
    // The proxy drives its connections on threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("cannot start: {error}")))?;
    let result = runtime.block_on(command::run(args, output));
    // A file that cannot be read to its end would keep the process.
    runtime.shutdown_background();
    result
}
