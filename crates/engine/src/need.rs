//! What a session asks from outside, and the answers.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use sealwire_core::policy::{KeyId, Policy};
use sealwire_core::secret::Cek;

use crate::poison::Report;

/// Something that the session waits for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Authenticate this manifest document, found in the database, and supply its policy.
    Policy {
        /// The document as stored.
        document: Vec<u8>,
    },
    /// Keys.
    Keys(Vec<KeyId>),
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy { document } => f
                .debug_struct("Policy")
                .field("document_bytes", &document.len())
                .finish(),
            Self::Keys(keys) => f.debug_tuple("Keys").field(keys).finish(),
        }
    }
}

/// The answer to a [`Need`].
#[non_exhaustive]
pub enum Supply {
    /// The policy of an authenticated manifest.
    Policy(Arc<Policy>),
    /// The keys asked for.
    Keys(Vec<(KeyId, Arc<Cek>)>),
    /// It could not be had; the statement (or the connection, for a policy) fails with this.
    Failed(Failure),
}

impl fmt::Debug for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(_) => f.write_str("Policy"),
            Self::Keys(keys) => f
                .debug_list()
                .entries(keys.iter().map(|(id, _)| id))
                .finish(),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// Why something could not be supplied, in words for the application; never a value or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// SQLSTATE for the client, for example `58030`.
    pub sqlstate: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// Appends the ErrorResponse that ends a connection for this reason.
    pub fn write_fatal(&self, out: &mut BytesMut) {
        // The one error is a frame of more than 2^31 bytes.
        let _ = Report::from(self).write(out, "FATAL");
    }
}
