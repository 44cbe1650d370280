//! TLS with clients and with the server.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::warn;
use x509_cert::der::Decode;
use x509_cert::{Certificate, Version};

use crate::error::Error;
use crate::secret_file;
use crate::settings::{ServerSettings, SslMode, TlsSettings};

/// The protocol's name in TLS, which direct TLS demands
/// ([PostgreSQL documentation, 53.2.12](https://www.postgresql.org/docs/current/protocol-flow.html)).
pub(crate) const ALPN: &[u8] = b"postgresql";

/// TLS with clients.
#[derive(Clone, Debug)]
pub(crate) struct WithClients {
    pub(crate) config: Arc<ServerConfig>,
    /// By which clients bind their authentication to the certificate.
    pub(crate) end_point: Option<Vec<u8>>,
}

/// Reads certificate and key.
pub(crate) fn with_clients(settings: &TlsSettings) -> Result<WithClients, Error> {
    let chain = certificates(&settings.certificate)?;
    let shown = settings.certificate.display();
    let first = chain.first().and_then(|it| Certificate::from_der(it).ok());
    if let Some(certificate) = &first {
        warn_of_expiry(&settings.certificate, certificate);
    }
    let end_point = chain.first().zip(first.as_ref());
    let end_point = end_point.and_then(|(der, parsed)| end_point_of(der, parsed));
    let key = private_key(&settings.key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(format_args!("TLS: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match (error, &first) {
            (rustls::Error::InconsistentKeys(_), _) => Error::new(format_args!(
                "certificate `{shown}` and private key `{}` do not go together",
                settings.key.display()
            ))
            .with_hint("give the key that the certificate was requested with"),
            (_, Some(certificate)) if certificate.tbs_certificate.version != Version::V3 => {
                Error::new(format_args!(
                    "certificate `{shown}` is not of X.509 version 3"
                ))
                .with_hint(
                    "request one with extensions: clients look for the host in `subjectAltName`",
                )
            }
            (error, _) => Error::new(format_args!(
                "certificate `{shown}` cannot be used: {error}"
            )),
        })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(WithClients {
        config: Arc::new(config),
        end_point,
    })
}

/// Clients that verify turn away from a certificate that is out of date, and the log would show
/// that they do only. The proxy serves all others.
fn warn_of_expiry(path: &Path, certificate: &Certificate) {
    let validity = &certificate.tbs_certificate.validity;
    let now = UnixTime::now().as_secs();
    if validity.not_after.to_unix_duration().as_secs() < now {
        warn!(
            path = %path.display(), since = %validity.not_after,
            hint = "put a renewed one in its place and send SIGHUP",
            "the certificate for clients has expired"
        );
    } else if validity.not_before.to_unix_duration().as_secs() > now {
        warn!(
            path = %path.display(), until = %validity.not_before,
            hint = "look at this machine's clock, or wait",
            "the certificate for clients is not valid yet"
        );
    }
}

/// The hash of a certificate by which a client binds its authentication to it
/// (`tls-server-end-point`, RFC 5929, section 4.1). None where the certificate's signature has no
/// hash of its own.
fn end_point_of(certificate: &CertificateDer<'_>, parsed: &Certificate) -> Option<Vec<u8>> {
    let hash: fn(&[u8]) -> Vec<u8> = match parsed.signature_algorithm.oid.to_string().as_str() {
        // sha256WithRSAEncryption, ecdsa-with-SHA256; and with MD5 and SHA-1, which it replaces.
        "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2"
        | "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1" => |der| Sha256::digest(der).to_vec(),
        // sha384WithRSAEncryption, ecdsa-with-SHA384
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => |der| Sha384::digest(der).to_vec(),
        // sha512WithRSAEncryption, ecdsa-with-SHA512
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => |der| Sha512::digest(der).to_vec(),
        _ => return None,
    };
    Some(hash(certificate))
}

/// TLS with the server, verified as `sslmode` says.
pub(crate) fn with_server(settings: &ServerSettings) -> Result<MakeRustlsConnect, Error> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(format_args!("TLS: {error}")))?
        .dangerous();
    let verifier: Arc<dyn ServerCertVerifier> = match settings.sslmode {
        SslMode::VerifyFull => known(settings, provider)?,
        SslMode::Disable | SslMode::Prefer => Arc::new(Lenient {
            provider,
            known: None,
        }),
        SslMode::Require | SslMode::VerifyCa => {
            // libpq's `require` is `verify-ca` where it is told an authority.
            let verifies = settings.sslmode == SslMode::VerifyCa || settings.sslrootcert.is_some();
            let known = verifies.then(|| known(settings, Arc::clone(&provider)));
            Arc::new(Lenient {
                known: known.transpose()?,
                provider,
            })
        }
    };
    let builder = builder.with_custom_certificate_verifier(verifier);
    let mut config = match (&settings.sslcert, &settings.sslkey) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|error| {
                Error::new(format_args!(
                    "`sslcert` and `sslkey` do not go together: {error}"
                ))
            })?,
        _ => {
            return Err(Error::new("one of `sslcert` and `sslkey` is missing")
                .with_hint("give both, or none"));
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn known(
    settings: &ServerSettings,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    let from = match &settings.sslrootcert {
        Some(path) => {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| Error::new(format_args!("`{}`: {error}", path.display())))?;
            }
            path.display().to_string()
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            "the system's certificate store".to_owned()
        }
    };
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| {
            Error::new(format_args!(
                "no authority to verify the server with in {from}: {error}"
            ))
            .with_hint("name a PEM file with `sslrootcert`")
        })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |error: &dyn fmt::Display| {
        Error::new(format_args!(
            "cannot read certificate `{}`: {error}",
            path.display()
        ))
        .with_hint(
            "name a PEM file, in which a certificate begins with `-----BEGIN CERTIFICATE-----`",
        )
    };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| match error {
            pem::Error::Io(error) => Error::at(path, "read certificate", &error),
            error => failed(&error),
        })?;
    if found.is_empty() {
        return Err(failed(&"there is none in it"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = secret_file::read(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
        Error::new(format_args!(
            "cannot read private key `{}`: {error}",
            path.display()
        ))
    })
}

/// Whether the client has asked for PostgreSQL by name, as direct TLS demands.
pub(crate) fn is_direct(protocol: Option<&[u8]>) -> io::Result<()> {
    match protocol {
        Some(ALPN) => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "direct TLS without the protocol's name (ALPN)",
        )),
    }
}

/// Verifies less than `verify-full` does.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    /// `verify-ca`: a certificate of a known authority, whatever its name. `None` is `require`:
    /// encryption against listeners, none against impostors.
    known: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(known) = &self.known else {
            return Ok(ServerCertVerified::assertion());
        };
        // The name is looked at last, so an error about it means that all else is well.
        match known.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
