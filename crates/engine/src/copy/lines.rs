//! Lines: where a row of the text and CSV formats ends (`CopyReadLineText` of PostgreSQL).

use sealwire_sql::{CopyDirection, CopyFormat, CopyHeader};

use super::{BAD_FORMAT, Marker, Mismatch, Taken, Work, bad, text_options, verify};
use crate::poison::Report;
use crate::seal::Stop;

/// How lines end; the first one decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Unknown,
    Newline,
    Return,
    Both,
}

/// The reader of lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    direction: CopyDirection,
    marker: Marker,
    ending: Ending,
    /// The number of the line that is being read, those inside of quoted fields counted.
    number: u64,
    /// It is the first, however many there are in it.
    first: bool,
    /// Where in the current line reading goes on.
    at: usize,
    quoted: bool,
    /// The character before was the escape character, inside of quotes.
    escaped: bool,
}

/// What a look for the end of a line gives.
enum Found {
    /// More of it is needed.
    Nothing,
    /// Its content ends here, and the next line starts there.
    Line { content: usize, next: usize },
    /// The same, with the end marker in place of the line's end.
    Marker { content: usize, next: usize },
}

impl Lines {
    pub(super) fn new(direction: CopyDirection, marker: Marker) -> Self {
        Self {
            direction,
            marker,
            ending: match direction {
                CopyDirection::In => Ending::Unknown,
                // The server ends lines with a newline on all platforms.
                CopyDirection::Out => Ending::Newline,
            },
            number: 1,
            first: true,
            at: 0,
            quoted: false,
            escaped: false,
        }
    }

    /// The number of the line that is being read.
    pub(super) fn line(&self) -> u64 {
        self.number
    }

    /// Rewrites the lines of `input` that are whole.
    pub(super) fn run(
        &mut self,
        input: &[u8],
        at_end: bool,
        work: &mut Work<'_>,
    ) -> Result<Taken, Stop> {
        let mut start = 0;
        loop {
            let rest = &input[start..];
            let is_header = self.is_header(work);
            let found = match &work.stream.format {
                CopyFormat::Csv { quote, escape, .. } => {
                    // Where they are the same, each one toggles.
                    let escape = (escape != quote).then_some(*escape);
                    self.look_csv(rest, at_end, *quote, escape)?
                }
                _ => self.look_text(rest, at_end)?,
            };
            let (content, next, marked) = match found {
                Found::Line { content, next } => (content, next, false),
                Found::Marker { content, next } => (content, next, true),
                Found::Nothing if at_end && !rest.is_empty() => (rest.len(), rest.len(), false),
                Found::Nothing => {
                    return Ok(Taken {
                        bytes: start,
                        ended: at_end,
                    });
                }
            };
            let line = &rest[..content];
            if is_header {
                self.header(line, work)?;
            } else if !(marked && line.is_empty()) {
                work.line(line)?;
            }
            work.out.extend_from_slice(&rest[content..next]);
            if marked {
                return Ok(Taken {
                    bytes: input.len(),
                    ended: true,
                });
            }
            start += next;
            self.number += 1;
            self.first = false;
            self.at = 0;
            self.quoted = false;
            self.escaped = false;
        }
    }

    fn is_header(&self, work: &Work<'_>) -> bool {
        let header = text_options(work.stream).map(|text| text.header);
        self.first && header.is_some_and(|header| header != CopyHeader::No)
    }

    /// The first line where it is no row. The server does not look at it unless it must match, and
    /// it may be a row after all, of a file without a header.
    fn header(&self, line: &[u8], work: &mut Work<'_>) -> Result<(), Stop> {
        if self.direction == CopyDirection::Out {
            work.out.extend_from_slice(line);
            return Ok(());
        }
        verify(line)?;
        let must_match = text_options(work.stream).map(|text| text.header);
        match work.names_columns(line) {
            Ok(()) => work.out.extend_from_slice(line),
            Err(_) if must_match != Some(CopyHeader::Match) => {}
            Err(Mismatch::Number(count)) => {
                return Err(bad(format!(
                    "wrong number of fields in header line: got {count}, expected {}",
                    work.stream.columns.len()
                )));
            }
            Err(Mismatch::Name(at)) => {
                let column = work.stream.columns.get(at);
                let name = column
                    .map(|column| column.name.as_str())
                    .unwrap_or_default();
                return Err(bad(format!(
                    "column name mismatch in header line field {}: expected \"{name}\"",
                    at + 1
                )));
            }
        }
        Ok(())
    }

    /// The end of a line of the text format: a backslash hides whatever follows it.
    fn look_text(&mut self, line: &[u8], at_end: bool) -> Result<Found, Stop> {
        loop {
            let from = line.get(self.at..).unwrap_or_default();
            let ahead = from.iter().position(|b| matches!(b, b'\n' | b'\r' | b'\\'));
            let Some(ahead) = ahead else {
                self.at = line.len();
                return Ok(Found::Nothing);
            };
            self.at += ahead;
            if line[self.at] != b'\\' {
                return self.line_end(line, at_end, false);
            }
            match line.get(self.at + 1) {
                None => return Ok(Found::Nothing),
                Some(b'.') if self.direction == CopyDirection::In => {
                    return self.text_marker(line, at_end);
                }
                Some(_) => self.at += 2,
            }
        }
    }

    /// A newline or carriage return at `self.at` that is not part of a value.
    fn line_end(&mut self, line: &[u8], at_end: bool, csv: bool) -> Result<Found, Stop> {
        let content = self.at;
        let unlike = |what: &str, hint: &str| {
            let place = if csv { "unquoted" } else { "literal" };
            let hint = match csv {
                true => format!("Use quoted CSV field to represent {what}."),
                false => format!("Use \"{hint}\" to represent {what}."),
            };
            let report = Report::new(BAD_FORMAT, format!("{place} {what} found in data"));
            Stop::Failed(report.with_hint(hint))
        };
        let one = Found::Line {
            content,
            next: content + 1,
        };
        if line[content] == b'\n' {
            return match self.ending {
                Ending::Unknown | Ending::Newline => {
                    self.ending = Ending::Newline;
                    Ok(one)
                }
                Ending::Return | Ending::Both => Err(unlike("newline", "\\n")),
            };
        }
        match self.ending {
            Ending::Newline => Err(unlike("carriage return", "\\r")),
            Ending::Return => Ok(one),
            Ending::Unknown | Ending::Both => match line.get(content + 1) {
                None if !at_end => Ok(Found::Nothing),
                Some(b'\n') => {
                    self.ending = Ending::Both;
                    Ok(Found::Line {
                        content,
                        next: content + 2,
                    })
                }
                _ if self.ending == Ending::Both => Err(unlike("carriage return", "\\r")),
                _ => {
                    self.ending = Ending::Return;
                    Ok(one)
                }
            },
        }
    }

    /// `\.` at `self.at` in the text format, where it can be nothing but the end.
    fn text_marker(&self, line: &[u8], at_end: bool) -> Result<Found, Stop> {
        let corrupt = || {
            bad(match self.marker {
                Marker::Loose => "end-of-copy marker corrupt",
                Marker::Alone => "end-of-copy marker is not alone on its line",
            })
        };
        let unlike = || bad("end-of-copy marker does not match previous newline style");
        let mut next = self.at + 2;
        if self.ending == Ending::Both {
            match line.get(next) {
                None if !at_end => return Ok(Found::Nothing),
                Some(b'\n') => return Err(unlike()),
                Some(b'\r') => next += 1,
                _ => return Err(corrupt()),
            }
        }
        let fits = match line.get(next) {
            None if !at_end => return Ok(Found::Nothing),
            Some(b'\n') => self.ending != Ending::Return,
            Some(b'\r') => matches!(self.ending, Ending::Unknown | Ending::Return),
            _ => return Err(corrupt()),
        };
        if !fits {
            return Err(unlike());
        }
        if self.marker == Marker::Alone && self.at > 0 {
            return Err(corrupt());
        }
        Ok(Found::Marker {
            content: self.at,
            next: next + 1,
        })
    }

    /// The end of a line of the CSV format: inside of quotes nothing ends it.
    fn look_csv(
        &mut self,
        line: &[u8],
        at_end: bool,
        quote: u8,
        escape: Option<u8>,
    ) -> Result<Found, Stop> {
        while let Some(&byte) = line.get(self.at) {
            if self.at == 0
                && byte == b'\\'
                && self.direction == CopyDirection::In
                && self.marker == Marker::Loose
            {
                match self.csv_marker(line, at_end)? {
                    Ahead::Unknown => return Ok(Found::Nothing),
                    Ahead::Value => {}
                    Ahead::Marker(next) => return Ok(Found::Marker { content: 0, next }),
                }
            }
            if self.quoted && Some(byte) == escape {
                self.escaped = !self.escaped;
            }
            if byte == quote && !self.escaped {
                self.quoted = !self.quoted;
            }
            if Some(byte) != escape {
                self.escaped = false;
            }
            if matches!(byte, b'\n' | b'\r') {
                if !self.quoted {
                    return self.line_end(line, at_end, true);
                }
                let counted = match self.ending {
                    Ending::Newline => b'\n',
                    _ => b'\r',
                };
                self.number += u64::from(byte == counted);
            }
            self.at += 1;
        }
        Ok(Found::Nothing)
    }

    /// `\` at the start of a CSV line: the end marker, if nothing but a line's end follows it.
    fn csv_marker(&self, line: &[u8], at_end: bool) -> Result<Ahead, Stop> {
        match line.get(1) {
            None if !at_end => return Ok(Ahead::Unknown),
            Some(b'.') => {}
            _ => return Ok(Ahead::Value),
        }
        let mut next = 2;
        if self.ending == Ending::Both {
            match line.get(next) {
                None if !at_end => return Ok(Ahead::Unknown),
                Some(b'\r') => next += 1,
                _ => return Ok(Ahead::Value),
            }
        }
        let fits = match line.get(next) {
            None if !at_end => return Ok(Ahead::Unknown),
            Some(b'\n') => self.ending != Ending::Return,
            Some(b'\r') => matches!(self.ending, Ending::Unknown | Ending::Return),
            _ => return Ok(Ahead::Value),
        };
        if fits {
            Ok(Ahead::Marker(next + 1))
        } else {
            Err(bad(
                "end-of-copy marker does not match previous newline style",
            ))
        }
    }
}

/// What a backslash at the start of a line is.
enum Ahead {
    Unknown,
    Value,
    /// The end marker; its line ends here.
    Marker(usize),
}
