//! Faults that end a session.

use crate::need::Failure;

/// A fault that ends the session. It sticks: every later call returns the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client broke the protocol.
    #[error("client broke the protocol: {0}")]
    ClientMisbehaved(&'static str),
    /// The server broke the protocol.
    #[error("server broke the protocol: {0}")]
    ServerMisbehaved(&'static str),
    /// A named limit was reached.
    #[error("limit `{limit}` of {value} reached")]
    Limit {
        /// Name of the field of [`Limits`](crate::Limits).
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// The session cannot go on with this server or configuration (text is for the application).
    #[error("{}", .0.message)]
    Unusable(Failure),
    /// The caller supplied what was not asked for.
    #[error("api misuse: {0}")]
    ApiMisuse(&'static str),
}
