//! The library's error.

use std::error::Error as StdError;
use std::fmt;

use sealwire_engine::Failure;

/// Why a connection with column encryption could not be set up.
///
/// Errors of statements do not come this way: they are ordinary database errors with a SQLSTATE,
/// a message and a hint, as [`tokio_postgres::Error`] shows them.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Config,
    Manifest,
    Key,
    Connect,
}

impl Error {
    fn new(
        kind: Kind,
        message: impl Into<String>,
        hint: Option<String>,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hint,
            source,
        }))
    }

    pub(crate) fn config(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::new(Kind::Config, message, hint, None)
    }

    pub(crate) fn manifest(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::new(Kind::Manifest, source.to_string(), None, Some(source))
    }

    pub(crate) fn key(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::new(
            Kind::Key,
            format!("column master key: {source}"),
            None,
            Some(source),
        )
    }

    pub(crate) fn connect(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::new(Kind::Connect, message, hint, None)
    }

    pub(crate) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = hint;
        self
    }

    /// The same for a client that waits for its server's first answer.
    pub fn to_failure(&self) -> Failure {
        Failure {
            sqlstate: match self.0.kind {
                // config_file_error
                Kind::Config | Kind::Manifest => "F0000",
                // io_error: something outside the database could not be reached.
                Kind::Key => "58030",
                // sqlclient_unable_to_establish_sqlconnection
                Kind::Connect => "08001",
            },
            message: self.0.message.clone(),
            hint: self.0.hint.clone(),
        }
    }

    /// What to do next, where there is something to do.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the connection string or the builder's settings are wrong.
    pub fn is_config(&self) -> bool {
        self.0.kind == Kind::Config
    }

    /// Whether the manifest is missing, not authentic, too old or protects nothing.
    pub fn is_manifest(&self) -> bool {
        self.0.kind == Kind::Manifest
    }

    /// Whether the column master key could not be used.
    pub fn is_key(&self) -> bool {
        self.0.kind == Kind::Key
    }

    /// The client's own error, when connecting failed there.
    pub fn as_postgres(&self) -> Option<&tokio_postgres::Error> {
        self.0.source.as_ref()?.downcast_ref()
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let (message, hint) = match error.as_db_error() {
            Some(db) => (db.message().to_owned(), db.hint().map(str::to_owned)),
            None => {
                // tokio-postgres leaves its cause to `source()`; alone it says too little.
                let cause = StdError::source(&error).map(|cause| format!(": {cause}"));
                (format!("{error}{}", cause.unwrap_or_default()), None)
            }
        };
        Self::new(Kind::Connect, message, hint, Some(Box::new(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    /// The message and the hint: this is what `fn main() -> Result<(), sealwire::Error>` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
