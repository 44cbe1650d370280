//! Errors for the client, and the statement that goes to the server in place of a refused one.
//!
//! A refusal must look as if the server had said it: in its place among the responses, with the
//! rest of the batch skipped and the transaction aborted. So the server is made to fail at that
//! place, by a constant that carries nothing of the client's, and its error is replaced. Only the
//! expected error is: in an aborted transaction the server says 25P02, and that stands.

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, BytesMut};
use sealwire_core::value::ValueError;
use sealwire_sql::{Refusal, RefusalKind};

use crate::error::Error;
use crate::message::frame;
use crate::need::Failure;

/// What goes to the server in the place of a statement.
pub(crate) struct Substitute {
    pub(crate) text: &'static [u8],
    /// What it gives there.
    sqlstates: &'static [&'static str],
}

/// Parses, and fails in analysis, which comes after the check for an aborted transaction.
const REFUSED: Substitute = Substitute {
    text: b"SELECT sealwire_refused_this_statement",
    // `undefined_column`
    sqlstates: &["42703"],
};
/// Stands for a text that PostgreSQL's grammar does not accept: neither does it accept this, which
/// it finds out before the check for an aborted transaction.
const UNREADABLE: Substitute = Substitute {
    text: b"sealwire_refused_this_statement",
    // `syntax_error`
    sqlstates: &["42601"],
};
/// No format code of the protocol. The server looks at it after the check for an aborted
/// transaction and before it looks at the value.
pub(crate) const REFUSED_FORMAT: i16 = 2;
/// `invalid_parameter_value`, what [`REFUSED_FORMAT`] gives, and `protocol_violation`, what a wrong
/// number of parameters gives before it.
pub(crate) const REFUSED_BIND_SQLSTATES: &[&str] = &["22023", "08P01"];

/// What ends a copy whose rows cannot be sealed.
pub(crate) const COPY_FAIL_TEXT: &[u8] = b"sealwire ended this copy\0";
/// `query_canceled`: what CopyFail gives.
pub(crate) const COPY_FAIL_SQLSTATES: &[&str] = &["57014"];

/// What the client reads. Never carries a value of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) sqlstate: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) detail: Option<Box<str>>,
    pub(crate) hint: Option<String>,
    /// Character of the statement, from 1.
    pub(crate) position: Option<u32>,
    /// Where in the rows of a COPY.
    pub(crate) context: Option<Box<str>>,
    /// The grammar does not accept the statement.
    pub(crate) unreadable: bool,
}

impl Report {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            sqlstate: Cow::Borrowed(sqlstate),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            unreadable: false,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<Box<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// A refusal of `text`.
    pub(crate) fn refusal(refusal: &Refusal, text: &str) -> Self {
        Self {
            sqlstate: Cow::Borrowed(refusal.sqlstate),
            message: refusal.message.clone(),
            detail: refusal.detail.as_deref().map(Into::into),
            hint: refusal.hint.clone(),
            position: refusal.offset.and_then(|offset| position(text, offset)),
            context: None,
            unreadable: refusal.kind == RefusalKind::Syntax,
        }
    }

    /// A statement prepared earlier is not what it was.
    pub(crate) fn moved() -> Self {
        Self::new(
            "0A000",
            "refusing to run a prepared statement that means something else now",
        )
        .with_detail(
            "the search path, the role or the catalogue has changed since it was prepared, \
             and other columns of it are encrypted",
        )
        .with_hint("prepare it again")
    }

    /// A plain statement is executed behind something by which it may mean something else.
    pub(crate) fn executed_after_change() -> Self {
        Self::new(
            "0A000",
            "refusing to execute a prepared statement with values after a change of names in one text",
        )
        .with_detail("a name in it may mean something protected by then")
        .with_hint("send the two separately")
    }

    /// A FunctionCall of a function that takes cells.
    pub(crate) fn call_of_cells() -> Self {
        Self::new("0A000", "refusing to call a function that takes cells")
            .with_detail("there is no telling under which key to seal a value for it")
            .with_hint("query the table, not the function")
    }

    /// The server describes a statement otherwise than it was planned.
    pub(crate) fn disagrees() -> Self {
        Self::new(
            "42P17",
            "refusing to run a statement that the server describes differently than planned",
        )
        .with_hint("prepare it again; check with `sealwire columns check`")
    }

    /// A number that is none to this server. Where its grammar takes it for a number and a name, as it does
    /// before PostgreSQL 15, it is another number.
    pub(crate) fn number_since_16(text: &str, offset: usize) -> Self {
        let mut report = Self::new("42601", "trailing junk after numeric literal")
            .with_hint("write the number in decimal digits");
        report.position = position(text, offset);
        report.unreadable = true;
        report
    }

    /// A value that does not fit `column`.
    pub(crate) fn value(error: &ValueError, column: &str) -> Self {
        Self::new(error.sqlstate, error.message.clone())
            .with_detail(format!("value for encrypted column `{column}`"))
    }

    /// What goes to the server in the statement's place.
    pub(crate) fn substitute(&self) -> &'static Substitute {
        if self.unreadable {
            &UNREADABLE
        } else {
            &REFUSED
        }
    }

    /// Appends the ErrorResponse.
    pub(crate) fn write(&self, out: &mut BytesMut, severity: &str) -> Result<(), Error> {
        frame(out, b'E', |out| {
            let mut field = |kind: u8, text: &str| {
                out.put_u8(kind);
                // A NUL would end the field; names cannot hold one, so nothing is lost.
                out.extend(text.bytes().filter(|&b| b != 0));
                out.put_u8(0);
            };
            field(b'S', severity);
            field(b'V', severity);
            field(b'C', &self.sqlstate);
            field(b'M', &self.message);
            if let Some(detail) = &self.detail {
                field(b'D', detail);
            }
            if let Some(hint) = &self.hint {
                field(b'H', hint);
            }
            if let Some(position) = self.position {
                field(b'P', &position.to_string());
            }
            if let Some(context) = &self.context {
                field(b'W', context);
            }
            out.put_u8(0);
            Ok(())
        })
    }
}

/// ErrorResponse counts characters, from 1 (protocol, "Error and Notice Message Fields").
fn position(text: &str, offset: usize) -> Option<u32> {
    let before = text.get(..offset)?;
    u32::try_from(before.chars().count() + 1).ok()
}

impl From<&Failure> for Report {
    fn from(failure: &Failure) -> Self {
        Self {
            hint: failure.hint.clone(),
            ..Self::new(failure.sqlstate, failure.message.clone())
        }
    }
}

/// What replaces the server's error.
pub(crate) struct Poison {
    /// The SQLSTATEs that the constant provokes; any other error of the server's stands.
    pub(crate) expected: &'static [&'static str],
    pub(crate) report: Report,
}

impl Poison {
    /// For a statement in whose place [`Report::substitute`] goes out.
    pub(crate) fn text(report: Report) -> Self {
        Self {
            expected: report.substitute().sqlstates,
            report,
        }
    }
}

impl fmt::Debug for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poison")
            .field("expected", &self.expected)
            .field("sqlstate", &self.report.sqlstate)
            .finish_non_exhaustive()
    }
}
