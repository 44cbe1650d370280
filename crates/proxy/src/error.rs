//! Why a proxy cannot start or cannot take new settings.

use std::fmt;
use std::io;
use std::path::Path;

/// An error and, where there is one, the next step.
#[derive(Debug)]
pub struct Error {
    message: String,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            hint: None,
        }
    }

    /// A file that cannot be read, or another thing at a path.
    pub(crate) fn at(path: &Path, what: &str, error: &io::Error) -> Self {
        let failed = Self::new(format_args!("cannot {what} `{}`: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::NotFound => failed.with_hint(
                "correct the path; one without `/` before it begins where the proxy was started",
            ),
            io::ErrorKind::PermissionDenied => {
                failed.with_hint("give the user that the proxy runs as the permission")
            }
            _ => failed,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what the error is about.
    pub(crate) fn of(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// What to do next, where there is something to do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<sealwire::Error> for Error {
    fn from(error: sealwire::Error) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}
