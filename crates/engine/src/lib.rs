//! The sans-io protocol session of Sealwire: bytes in from both peers, bytes out to both, and a
//! `Need` where something must be fetched from outside. No sockets, no tasks, no clock.
//!
//! Methods come in four groups: getters; `handle_*` (events in); commands (`supply`,
//! `forget_keys`); `poll_*` (actions out).

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use sealwire_core::policy::{KeyId, Policy};
use sealwire_core::secret::Cek;

/// Where the session's policy comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PolicySource {
    /// Known before the connection.
    Ready(Arc<Policy>),
    /// Read from `sealwire.manifest` over the connection, then authenticated outside
    /// ([`Need::Policy`]).
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
    /// Client bytes held back while a need is open.
    pub held_client_bytes_max: usize,
    /// Responses that the server still owes.
    pub expected_responses_max: usize,
    /// Plans kept per session.
    pub cached_plans_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rewritten_frame_bytes_max: 256 << 20,
            held_client_bytes_max: 64 << 20,
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
}

impl Options {
    /// Enabled, with default limits.
    pub fn new(policy: PolicySource) -> Self {
        Self {
            policy,
            enforcement: Enforcement::Enabled,
            limits: Limits::default(),
        }
    }
}

/// Something that the session waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        /// Name of the field of [`Limits`].
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// The session cannot go on with this server or configuration (text is for the application).
    #[error("{}", .0.message)]
    Unusable(Failure),
}

/// One protocol session between a client and a server.
#[derive(Debug)]
pub struct Session {
    to_server: BytesMut,
    to_client: BytesMut,
}

impl Session {
    /// A session whose first client bytes are the startup message.
    pub fn new(_options: Options) -> Self {
        unimplemented!()
    }

    /// Whether client bytes are welcome: false while too much is held or unsent.
    pub fn wants_client(&self) -> bool {
        unimplemented!()
    }

    /// Whether server bytes are welcome.
    pub fn wants_server(&self) -> bool {
        unimplemented!()
    }

    /// Bytes from the client, cut anywhere.
    ///
    /// # Errors
    /// [`Error`], which sticks.
    pub fn handle_client(&mut self, _bytes: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Bytes from the server, cut anywhere.
    ///
    /// # Errors
    /// [`Error`], which sticks.
    pub fn handle_server(&mut self, _bytes: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }

    /// The next thing to fetch, once. The session goes on as far as it can without it.
    pub fn poll_need(&mut self) -> Option<Need> {
        unimplemented!()
    }

    /// Answers the need last returned by [`Session::poll_need`].
    ///
    /// # Errors
    /// [`Error`], which sticks.
    pub fn supply(&mut self, _supply: Supply) -> Result<(), Error> {
        unimplemented!()
    }

    /// Drops every key and derived subkey; they are needed again at next use.
    pub fn forget_keys(&mut self) {
        unimplemented!()
    }

    /// Bytes for the server; the caller takes off what it has sent.
    pub fn to_server(&mut self) -> &mut BytesMut {
        &mut self.to_server
    }

    /// Bytes for the client; the caller takes off what it has delivered.
    pub fn to_client(&mut self) -> &mut BytesMut {
        &mut self.to_client
    }
}
