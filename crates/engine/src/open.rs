//! Opening: the cells of a DataRow.

use bytes::{BufMut, BytesMut};
use sealwire_core::cell::Header;
use sealwire_core::policy::{ColumnId, Policy};
use sealwire_core::value::array::Array;
use sealwire_core::value::{Format, Settings, render};
use sealwire_sql::Output;
use zeroize::Zeroizing;

use crate::catalogue::decode_hex;
use crate::error::Error;
use crate::keys::Keys;
use crate::message::backend::Row;
use crate::message::{Malformed, field, frame};
use crate::poison::Report;
use crate::seal::{ArrayStop, Stop};

const MALFORMED_ROW: Error = Error::ServerMisbehaved("malformed DataRow");

/// Buffers that outlive a row.
#[derive(Default)]
pub(crate) struct Scratch {
    /// A cell decoded from text.
    cell: Vec<u8>,
    /// Its canonical plaintext.
    canonical: Zeroizing<Vec<u8>>,
    /// The plaintext as the client wants it.
    value: Zeroizing<Vec<u8>>,
    /// Cells opened so far.
    pub(crate) opened: u64,
    /// Cells that did not open.
    pub(crate) rejected: u64,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch(redacted)")
    }
}

/// What opening takes.
pub(crate) struct Opener<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) keys: &'a mut Keys,
    pub(crate) settings: &'a Settings,
    pub(crate) scratch: &'a mut Scratch,
}

impl Opener<'_> {
    /// Appends a DataRow with its cells opened. `formats` is what the client wants of each column
    /// (text where it is short); cells come in binary, or in text from a simple Query.
    pub(crate) fn row(
        &mut self,
        body: &[u8],
        outputs: &[Output],
        formats: &[Format],
        cells: Format,
        out: &mut BytesMut,
    ) -> Result<(), Stop> {
        let mut row = Row::read(body).map_err(|Malformed| MALFORMED_ROW)?;
        if row.remaining() != outputs.len() {
            return Err(Stop::Failed(Report::new(
                "08P01",
                format!(
                    "server sent a row of {} columns, {} were planned",
                    row.remaining(),
                    outputs.len()
                ),
            )));
        }
        let mut stop = None;
        let start = out.len();
        frame(out, b'D', |out| {
            out.put_u16(u16::try_from(outputs.len()).unwrap_or(u16::MAX));
            for (at, output) in outputs.iter().enumerate() {
                let value = row.next().map_err(|Malformed| MALFORMED_ROW)?;
                match (output.column, value) {
                    (Some(column), Some(cell)) => {
                        let format = formats.get(at).copied().unwrap_or(Format::Text);
                        let opened = match output.array {
                            false => self.cell(column, cell, cells, format),
                            true => self.array(column, cell, cells, format),
                        };
                        if let Err(reason) = opened {
                            stop = Some(reason);
                            return Ok(());
                        }
                        field(out, Some(&self.scratch.value))?;
                    }
                    _ => field(out, value)?,
                }
            }
            row.end().map_err(|Malformed| MALFORMED_ROW)
        })?;
        if let Some(stop) = stop {
            out.truncate(start);
            return Err(stop);
        }
        Ok(())
    }

    /// Opens the elements of an array of cells, and writes the array of their values into
    /// `scratch.value`.
    fn array(
        &mut self,
        column: ColumnId,
        array: &[u8],
        cells: Format,
        format: Format,
    ) -> Result<(), Stop> {
        let (policy, settings) = (self.policy, self.settings);
        let spec = policy.column(column);
        let open = |cell: &[u8]| {
            self.cell(column, cell, cells, format)?;
            Ok(self.scratch.value.clone())
        };
        let array = match cells {
            Format::Binary => Array::read_binary(array, |_| Ok(()), open),
            Format::Text => Array::read_text(array, settings, open),
        }
        .map_err(|stop: ArrayStop| stop.into_stop(|_| not_a_cell(&spec.path())))?;
        let value = &mut self.scratch.value;
        value.clear();
        match format {
            Format::Binary => array.write_binary(spec.element_oid(), value),
            Format::Text => array.write_text(value),
        }
        Ok(())
    }

    /// The value of one cell in the format that the cell is in.
    pub(crate) fn value(
        &mut self,
        column: ColumnId,
        format: Format,
        cell: &[u8],
    ) -> Result<&[u8], Stop> {
        self.cell(column, cell, format, format)?;
        Ok(&self.scratch.value)
    }

    /// Opens one cell into `scratch.value`.
    fn cell(
        &mut self,
        column: ColumnId,
        cell: &[u8],
        cells: Format,
        format: Format,
    ) -> Result<(), Stop> {
        let result = self.open(column, cell, cells, format);
        match result {
            Ok(()) => self.scratch.opened += 1,
            Err(Stop::Failed(_)) => self.scratch.rejected += 1,
            Err(_) => {}
        }
        result
    }

    fn open(
        &mut self,
        column: ColumnId,
        cell: &[u8],
        cells: Format,
        format: Format,
    ) -> Result<(), Stop> {
        let spec = self.policy.column(column);
        let scratch = &mut *self.scratch;
        let cell = match cells {
            Format::Binary => cell,
            Format::Text => {
                scratch.cell.clear();
                if decode_bytea(cell, &mut scratch.cell).is_err() {
                    return Err(Stop::Failed(not_a_cell(&spec.path())));
                }
                scratch.cell.as_slice()
            }
        };
        let Some(header) = Header::parse(cell) else {
            return Err(Stop::Failed(not_a_cell(&spec.path())));
        };
        // One version byte, one key: no trial decryption.
        let Some(id) = self.policy.opening_key(column, header.version) else {
            return Err(Stop::Failed(unknown_version(&spec.path(), header.version)));
        };
        let key = self.keys.column_key(self.policy, column, id)?;
        let opened = key
            .open(cell, &mut scratch.canonical)
            .map_err(|_| Stop::Failed(rejected(&spec.path(), header.version)))?;
        scratch.value.clear();
        render(
            spec.target(),
            format,
            opened.canonical(),
            self.settings,
            &mut scratch.value,
        )
        .map_err(|error| Stop::Failed(Report::value(&error, &spec.path())))
    }
}

const HINT: &str = "the row was altered, or written without this layer, or the key was replaced";

fn rejected(path: &str, version: u8) -> Report {
    Report::new(
        "XX001",
        format!("stored value of `{path}` failed authentication under key version {version}"),
    )
    .with_hint(HINT)
}

fn not_a_cell(path: &str) -> Report {
    Report::new(
        "XX001",
        format!("stored value of `{path}` is not a sealed cell"),
    )
    .with_hint(HINT)
}

fn unknown_version(path: &str, version: u8) -> Report {
    Report::new(
        "XX001",
        format!(
            "stored value of `{path}` names key version {version}, which the manifest does not list"
        ),
    )
    .with_hint("the row was altered, or this client's manifest is older than the row")
}

/// Decodes `bytea` in text format, whichever `bytea_output` it was printed under: only the hex
/// form starts with `\x`, because the escape form doubles a backslash.
fn decode_bytea(text: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    if let Some(hex) = text.strip_prefix(b"\\x") {
        return decode_hex(hex, out);
    }
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'\\', [b'\\', after @ ..]) => {
                out.push(b'\\');
                after
            }
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            (b'\\', _) => return Err(Malformed),
            _ => {
                out.push(byte);
                after
            }
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytea_text_is_read_in_both_forms() {
        for text in [&b"\\x115c00ff41"[..], b"\\021\\\\\\000\\377A"] {
            let mut out = Vec::new();
            decode_bytea(text, &mut out).unwrap_or_else(|_| panic!());
            assert_eq!(out, [0x11, b'\\', 0, 0xff, b'A']);
        }
        for text in [&b"\\x1"[..], b"\\x0g", b"\\", b"\\4", b"\\400"] {
            assert!(decode_bytea(text, &mut Vec::new()).is_err());
        }
    }
}
