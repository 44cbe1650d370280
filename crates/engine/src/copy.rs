//! The rows of a COPY stream, rewritten as they pass.
//!
//! Frames of CopyData may cut a row anywhere (protocol, "COPY Operations"), so a row is collected
//! until it is whole; then its encrypted fields are replaced and everything else goes on byte for
//! byte. Rows and fields are told apart exactly as PostgreSQL tells them apart: a field that the
//! server counted differently would be a value in the wrong column.

mod binary;
mod csv;
mod lines;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use sealwire_core::policy::ColumnId;
use sealwire_sql::{CopyDirection, CopyFormat, CopyStream, CopyText};
use zeroize::Zeroizing;

use crate::poison::Report;
use crate::seal::Stop;

use binary::Binary;
use lines::Lines;

/// `bad_copy_file_format`.
const BAD_FORMAT: &str = "22P04";

/// What is done to the values of encrypted columns.
pub(crate) trait Transform {
    /// What takes the place of a value, both as they are when nothing is escaped or quoted.
    fn value(&mut self, column: ColumnId, value: &[u8]) -> Result<&[u8], Stop>;
}

/// A failure of the data.
fn bad(message: impl Into<String>) -> Stop {
    Stop::Failed(Report::new(BAD_FORMAT, message))
}

/// How an end marker `\.` inside the data is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// In text, what stands before it in its line is the last row; alone on its line it ends CSV
    /// data too (PostgreSQL 17 and earlier).
    Loose,
    /// In text it must be alone on its line, and in CSV data it is a value (PostgreSQL 18 and
    /// later).
    Alone,
}

/// One stream.
pub(crate) struct Codec {
    stream: Arc<CopyStream>,
    rows: Rows,
    /// The part of a row that has come.
    held: Zeroizing<Vec<u8>>,
    row_bytes_max: usize,
    /// The end marker has come: what follows goes nowhere.
    ended: bool,
    scratch: Scratch,
}

/// Where in the stream the reader is.
enum Rows {
    Lines(Lines),
    Binary(Binary),
}

/// Buffers that outlive a row.
#[derive(Default)]
struct Scratch {
    fields: Vec<Field>,
    value: Zeroizing<Vec<u8>>,
}

/// Where in a line a field is, as it stands there.
#[derive(Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    /// A part of it was quoted.
    quoted: bool,
    /// An escape sequence in it stands for a byte that is not ASCII.
    foreign: bool,
    /// It ends in a backslash that nothing follows, which is no part of its content.
    hanging: bool,
}

impl Field {
    /// What is compared with the NULL string: the content before anything is unescaped.
    fn content<'l>(&self, raw: &'l [u8]) -> &'l [u8] {
        &raw[..raw.len() - usize::from(self.hanging)]
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("stream", &self.stream)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Codec {
    pub(crate) fn new(stream: Arc<CopyStream>, marker: Marker, row_bytes_max: usize) -> Self {
        let rows = match &stream.format {
            CopyFormat::Binary => Rows::Binary(Binary::default()),
            CopyFormat::Text(_) | CopyFormat::Csv { .. } => {
                Rows::Lines(Lines::new(stream.direction, marker))
            }
        };
        Self {
            stream,
            rows,
            held: Zeroizing::default(),
            row_bytes_max,
            ended: false,
            scratch: Scratch::default(),
        }
    }

    pub(crate) fn stream(&self) -> &CopyStream {
        &self.stream
    }

    /// Bytes of the row that is not whole yet.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Where the stream is, in the words of PostgreSQL's error context, which has none for the header
    /// of the binary format.
    pub(crate) fn context(&self) -> Option<String> {
        let line = match &self.rows {
            Rows::Lines(lines) => Some(lines.line()),
            Rows::Binary(binary) => binary.line(),
        };
        line.map(|line| format!("COPY {}, line {line}", self.stream.relation))
    }

    /// Takes more of the stream and appends every row that is whole. When it fails, the rows before
    /// the one that failed have been appended; when it waits for a key, nothing has happened.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        transform: &mut dyn Transform,
        out: &mut BytesMut,
    ) -> Result<(), Stop> {
        self.run(bytes, false, transform, out)
    }

    /// The stream has ended: what is left is its last row.
    pub(crate) fn finish(
        &mut self,
        transform: &mut dyn Transform,
        out: &mut BytesMut,
    ) -> Result<(), Stop> {
        self.run(&[], true, transform, out)
    }

    fn run(
        &mut self,
        bytes: &[u8],
        at_end: bool,
        transform: &mut dyn Transform,
        out: &mut BytesMut,
    ) -> Result<(), Stop> {
        if self.ended {
            return Ok(());
        }
        let start = out.len();
        let held_before = self.held.len();
        let mut held = std::mem::take(&mut self.held);
        let input = if held.is_empty() {
            bytes
        } else {
            append(&mut held, bytes);
            held.as_slice()
        };
        let mut work = Work {
            stream: &self.stream,
            scratch: &mut self.scratch,
            transform,
            out,
        };
        let before = match &self.rows {
            Rows::Lines(lines) => Rows::Lines(*lines),
            Rows::Binary(binary) => Rows::Binary(*binary),
        };
        let outcome = match &mut self.rows {
            Rows::Lines(lines) => lines.run(input, at_end, &mut work),
            Rows::Binary(binary) => binary.run(input, at_end, self.row_bytes_max, &mut work),
        };
        match outcome {
            Ok(Taken {
                bytes: taken,
                ended,
            }) => {
                self.ended = ended;
                if ended || taken == input.len() {
                    return Ok(());
                }
                let rest = input.len() - taken;
                if rest > self.row_bytes_max {
                    return Err(self.in_context(too_long(self.row_bytes_max)));
                }
                if held.is_empty() {
                    append(&mut self.held, &bytes[taken..]);
                } else {
                    held.drain(..taken);
                    self.held = held;
                }
                Ok(())
            }
            Err(Stop::Awaited) => {
                out.truncate(start);
                self.rows = before;
                held.truncate(held_before);
                self.held = held;
                Err(Stop::Awaited)
            }
            Err(Stop::Failed(report)) => Err(self.in_context(report)),
            Err(fault) => Err(fault),
        }
    }

    /// Adds where the stream is, unless the column has been added already.
    fn in_context(&self, mut report: Report) -> Stop {
        let column = report.context.take().unwrap_or_default();
        if self.stream.direction == CopyDirection::In {
            let place = self.context();
            report.context = place.map(|place| format!("{place}{column}").into());
        }
        Stop::Failed(report)
    }
}

fn too_long(row_bytes_max: usize) -> Report {
    Report::new(
        "54000",
        format!("refusing to copy a row of more than {row_bytes_max} bytes with encrypted columns"),
    )
    .with_hint("raise `copied_row_bytes_max`, or check that the format of the data is right")
}

/// How far a reader has come.
struct Taken {
    /// Bytes that are dealt with.
    bytes: usize,
    /// Nothing that follows counts.
    ended: bool,
}

/// What a reader works with.
struct Work<'a> {
    stream: &'a CopyStream,
    scratch: &'a mut Scratch,
    transform: &'a mut dyn Transform,
    out: &'a mut BytesMut,
}

impl Work<'_> {
    /// Runs `write`, and takes back what it has written if it fails.
    fn row(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        let start = self.out.len();
        let result = write(self);
        if result.is_err() {
            self.out.truncate(start);
        }
        result
    }

    /// One line of a row, without its end.
    fn line(&mut self, line: &[u8]) -> Result<(), Stop> {
        // PostgreSQL verifies what it reads before it looks for fields.
        verify(line)?;
        let mut fields = std::mem::take(&mut self.scratch.fields);
        fields.clear();
        let result = self
            .split(line, &mut fields)
            .and_then(|()| self.verify_escapes(line, &fields))
            .and_then(|()| self.row(|work| work.fields(line, &fields)));
        self.scratch.fields = fields;
        result
    }

    fn split(&self, line: &[u8], fields: &mut Vec<Field>) -> Result<(), Stop> {
        match &self.stream.format {
            CopyFormat::Csv {
                text,
                quote,
                escape,
            } => csv::split(line, text.delimiter, *quote, *escape, fields),
            CopyFormat::Text(text) => {
                text::split(line, text.delimiter, fields);
                Ok(())
            }
            CopyFormat::Binary => Ok(()),
        }
    }

    /// Verifies what escape sequences spell, as PostgreSQL does before it reads any value.
    fn verify_escapes(&mut self, line: &[u8], fields: &[Field]) -> Result<(), Stop> {
        let options = text_options(self.stream);
        for field in fields.iter().filter(|field| field.foreign) {
            let raw = &line[field.start..field.end];
            if !options.is_some_and(|text| is_null(text, field, raw)) {
                self.scratch.value.clear();
                self.decode(field, raw);
                verify(&self.scratch.value)?;
            }
        }
        Ok(())
    }

    /// Whether a line names the columns of the stream.
    fn names_columns(&mut self, line: &[u8]) -> Result<(), Mismatch> {
        let mut fields = Vec::new();
        if self.split(line, &mut fields).is_err() || fields.len() != self.stream.columns.len() {
            return Err(Mismatch::Number(fields.len()));
        }
        for (at, (field, column)) in fields.iter().zip(&self.stream.columns).enumerate() {
            let raw = &line[field.start..field.end];
            let null = text_options(self.stream).is_some_and(|text| is_null(text, field, raw));
            self.scratch.value.clear();
            self.decode(field, raw);
            if null || *self.scratch.value != *column.name.as_bytes() {
                return Err(Mismatch::Name(at));
            }
        }
        Ok(())
    }

    /// The value of a field into `scratch.value`.
    fn decode(&mut self, field: &Field, raw: &[u8]) {
        let value = &mut self.scratch.value;
        match &self.stream.format {
            CopyFormat::Csv { quote, escape, .. } if field.quoted => {
                csv::decode(raw, *quote, *escape, value);
            }
            CopyFormat::Text(_) => text::decode(raw, value),
            _ => append(value, raw),
        }
    }

    fn fields(&mut self, line: &[u8], fields: &[Field]) -> Result<(), Stop> {
        let columns = &self.stream.columns;
        let Some(text) = text_options(self.stream) else {
            return Ok(());
        };
        if fields.len() > columns.len() {
            return Err(bad("extra data after last expected column"));
        }
        for (at, column) in columns.iter().enumerate() {
            let Some(field) = fields.get(at) else {
                return Err(bad(format!("missing data for column \"{}\"", column.name)));
            };
            let raw = &line[field.start..field.end];
            if at > 0 {
                self.out.extend_from_slice(&[text.delimiter]);
            }
            let Some(id) = column.column else {
                self.out.extend_from_slice(raw);
                continue;
            };
            let named = |stop| match stop {
                Stop::Failed(mut report) => {
                    report.context = Some(format!(", column {}", column.name).into());
                    Stop::Failed(report)
                }
                stop => stop,
            };
            self.scratch.value.clear();
            if is_null(text, field, raw) {
                if !column.force_not_null {
                    self.out.extend_from_slice(raw);
                    continue;
                }
                append(&mut self.scratch.value, text.null.as_bytes());
            } else if text
                .default
                .as_ref()
                .is_some_and(|default| default.as_bytes() == field.content(raw))
            {
                let report = Report::new(BAD_FORMAT, "unexpected default marker in COPY data")
                    .with_detail(format!("Column \"{}\" has no default value.", column.name));
                return Err(named(Stop::Failed(report)));
            } else {
                self.decode(field, raw);
                if column.force_null && *self.scratch.value == *text.null.as_bytes() {
                    self.out.extend_from_slice(raw);
                    continue;
                }
            }
            let value = self
                .transform
                .value(id, &self.scratch.value)
                .map_err(named)?;
            match &self.stream.format {
                CopyFormat::Csv {
                    text,
                    quote,
                    escape,
                } => {
                    let style = csv::Style {
                        delimiter: text.delimiter,
                        quote: *quote,
                        escape: *escape,
                        null: text.null.as_bytes(),
                        forced: column.force_quote,
                        single: columns.len() == 1,
                    };
                    csv::write(value, &style, self.out);
                }
                _ => text::write(value, text.delimiter, self.out),
            }
        }
        Ok(())
    }
}

/// Why a line is not the header of the stream.
enum Mismatch {
    Number(usize),
    Name(usize),
}

fn verify(text: &[u8]) -> Result<(), Stop> {
    if text.contains(&0) || str::from_utf8(text).is_err() {
        let message = "invalid byte sequence for encoding \"UTF8\"";
        return Err(Stop::Failed(Report::new("22021", message)));
    }
    Ok(())
}

fn text_options(stream: &CopyStream) -> Option<&CopyText> {
    match &stream.format {
        CopyFormat::Text(text) | CopyFormat::Csv { text, .. } => Some(text),
        CopyFormat::Binary => None,
    }
}

/// The NULL string counts as it stands, before anything is unescaped, and unquoted only.
fn is_null(text: &CopyText, field: &Field, raw: &[u8]) -> bool {
    !field.quoted && field.content(raw) == text.null.as_bytes()
}

/// Makes room for so many bytes without leaving a copy of what is there behind.
fn room(out: &mut Zeroizing<Vec<u8>>, more: usize) {
    let len = out.len().saturating_add(more);
    if len > out.capacity() {
        let mut grown = Zeroizing::new(Vec::with_capacity(len.max(out.capacity() * 2)));
        grown.extend_from_slice(out);
        *out = grown;
    }
}

fn append(out: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    room(out, bytes.len());
    out.extend_from_slice(bytes);
}
