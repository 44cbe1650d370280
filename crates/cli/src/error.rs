//! What the user reads when something fails.

use std::fmt::Display;
use std::io::{self, Write};

use sealwire_keys::{ManifestError, OpenError};

/// An error and, where there is one, the next step.
#[derive(Debug)]
pub(crate) struct Error {
    message: String,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Prints to standard error. A closed standard error leaves nobody to tell.
    pub(crate) fn report(&self) {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "error: {}", self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(stderr, "hint: {hint}");
        }
    }

    /// The last line of a log, for a program that has one and has not started.
    pub(crate) fn log(&self) {
        let hint = self.hint.as_deref();
        tracing::error!(error = self.message, hint, "not started");
    }
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        let hint = error.hint();
        let converted = Self::new(error);
        match hint {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    }
}

impl From<sealwire_proxy::Error> for Error {
    fn from(error: sealwire_proxy::Error) -> Self {
        let converted = Self::new(&error);
        match error.hint() {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let hint = error.hint();
        let converted = Self::new(error);
        match hint {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => {
                let converted = Self::new(format_args!("the database says: {}", db.message()));
                match db.hint() {
                    Some(hint) => converted.hint(hint),
                    None => converted,
                }
            }
            None => {
                let mut message = error.to_string();
                if let Some(cause) = std::error::Error::source(&error) {
                    message = format!("{message}: {cause}");
                }
                Self::new(format_args!("database: {message}"))
            }
        }
    }
}
