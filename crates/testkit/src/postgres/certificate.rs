//! A certificate for a test server, PostgreSQL's or the proxy's, signed by an authority made for it.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate for `localhost` and `127.0.0.1` with all that belongs to it, as PEM texts.
pub struct Certificates {
    /// The authority's certificate, which clients trust.
    pub authority: String,
    /// The server's certificate.
    pub server: String,
    /// The server's private key.
    pub server_key: String,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("authority", &self.authority)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// Makes an authority and a certificate of it.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn make() -> Result<Self, Error> {
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, "Sealwire test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let mut server =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        server
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &authority)?;
        Ok(Self {
            authority: authority.pem(),
            server: certificate.pem(),
            server_key: key.serialize_pem(),
        })
    }
}
