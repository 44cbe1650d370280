//! How a session is set up.

use std::sync::Arc;

use sealwire_core::policy::Policy;

/// Where the session's policy comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PolicySource {
    /// Known before the connection.
    Ready(Arc<Policy>),
    /// Read from `sealwire.manifest` over the connection, then authenticated outside
    /// ([`Need::Policy`](crate::Need::Policy)).
    Database,
}

/// What the session does with statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enforcement {
    /// Seal parameters and literals, open results.
    Enabled,
    /// Open results; refuse every statement that would need a value sealed.
    ResultsOnly,
}

/// Limits, all in bytes unless said.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// A frame that must be held whole to be rewritten.
    pub rewritten_frame_bytes_max: usize,
    /// Client bytes held back while the session waits for something.
    pub held_client_bytes_max: usize,
    /// A row of a COPY that must be held whole to be rewritten.
    pub copied_row_bytes_max: usize,
    /// Responses that the server still owes.
    pub expected_responses_max: usize,
    /// Texts whose analysis is kept per session.
    pub cached_plans_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rewritten_frame_bytes_max: 256 << 20,
            held_client_bytes_max: 64 << 20,
            copied_row_bytes_max: 256 << 20,
            expected_responses_max: 1 << 20,
            cached_plans_max: 512,
        }
    }
}

/// How a session is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The policy.
    pub policy: PolicySource,
    /// Enabled or results only.
    pub enforcement: Enforcement,
    /// Limits.
    pub limits: Limits,
    /// The client's transport is not the server's, so that a channel binding (RFC 5802, section 6)
    /// cannot hold: mechanisms with one are taken out of what the server offers. libpq ends a
    /// connection without TLS that offers one.
    pub unbind_channel: bool,
}

impl Options {
    /// Enabled, with default limits.
    pub fn new(policy: PolicySource) -> Self {
        Self {
            policy,
            enforcement: Enforcement::Enabled,
            limits: Limits::default(),
            unbind_channel: false,
        }
    }
}
