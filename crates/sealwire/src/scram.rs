//! Authentication that ends at a relay, for clients whose TLS does: a channel binding of theirs
//! cannot hold on the server's transport (RFC 5802, section 6).

use std::fmt;
use std::sync::Arc;

pub use sealwire_engine::scram::{ParseSecretError, Secret};
use sealwire_engine::{Login as EngineLogin, scram::NONCE_BYTES};

/// How one client is authenticated at the relay, and the relay on its behalf at the server. For
/// [`Relay::with_login`](crate::Relay::with_login).
pub struct Login(pub(crate) EngineLogin);

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Login {
    /// `secret` is what the server keeps of the role's password, the same one. `end_point` is the
    /// hash of the certificate that the client sees (`tls-server-end-point`, RFC 5929, section 4):
    /// with it, a channel binding is offered.
    pub fn new(secret: Arc<Secret>, end_point: Option<Vec<u8>>) -> Self {
        let nonces: [[u8; NONCE_BYTES]; 2] = rand::random();
        Self(EngineLogin::new(secret, end_point, nonces))
    }
}
