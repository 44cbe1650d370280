//! Standard output, as text for people or as JSON for programs.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::error::Error;

/// Collects what a command prints, so that a failing command prints nothing to standard output.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    text: String,
    found_fault: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            text: String::new(),
            found_fault: false,
        }
    }

    /// Prints a value as JSON, or else what `text` makes of it.
    pub(crate) fn print<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Error> {
        let printed = if self.json {
            serde_json::to_string_pretty(value).map_err(Error::new)?
        } else {
            text(value)
        };
        self.text.push_str(printed.trim_end_matches('\n'));
        if !printed.is_empty() {
            self.text.push('\n');
        }
        Ok(())
    }

    /// The command did its work, and its finding is a fault: exit code 1.
    pub(crate) fn fault(&mut self) {
        self.found_fault = true;
    }

    /// Writes everything out.
    pub(crate) fn finish(self) -> Result<ExitCode, Error> {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(self.text.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            // Whoever closed the pipe has read enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::new(
                format_args!("cannot write to standard output: {error}"),
            )),
            _ if self.found_fault => Ok(ExitCode::FAILURE),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Lines of cells in aligned columns under a heading.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in std::iter::once(&heading.map(str::to_owned)).chain(rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_characters_and_lines_end_without_blanks() {
        let rows = [
            ["été".to_owned(), "1".to_owned()],
            ["z".to_owned(), String::new()],
        ];
        assert_eq!(table(["A", "B"], &rows), "A    B\nété  1\nz\n");
    }
}
