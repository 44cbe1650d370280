//! PostgreSQL's own regression scripts, as psql would run them.
//!
//! The scripts are PostgreSQL's and not in this repository; they are read from wherever its source
//! has been unpacked.

pub mod frames;
pub mod psql;
pub mod script;

use std::fs;
use std::io;
use std::path::Path;

/// The names of the scripts in the order of `parallel_schedule`.
///
/// # Errors
/// When the directory is not PostgreSQL's `src/test/regress`.
pub fn schedule(directory: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(directory.join("parallel_schedule"))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("test:"));
    Ok(lines
        .flat_map(str::split_ascii_whitespace)
        .map(str::to_owned)
        .collect())
}

/// The text of a script.
///
/// # Errors
/// When there is none of that name.
pub fn script(directory: &Path, name: &str) -> io::Result<Vec<u8>> {
    fs::read(directory.join("sql").join(format!("{name}.sql")))
}
