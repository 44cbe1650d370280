//! Authorities and certificates, and a server in front of PostgreSQL that shows them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sealwire_proxy::{Settings, TlsSettings};
use sealwire_testkit::Postgres;
use sealwire_testkit::fixture::Fixture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::TlsAcceptor;

use crate::support::settings;

/// An authority of a test's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// PEM texts.
pub(crate) struct Issued {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        // One name with two keys would be a forgery rather than a stranger.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("authority {number} of a test");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.sign(CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    pub(crate) fn issue_expired(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        Issued {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Issued {
    /// Writes both files.
    pub(crate) fn write(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, &self.certificate).unwrap();
        std::fs::write(key, &self.key).unwrap();
        std::fs::set_permissions(key, Permissions::from_mode(0o600)).unwrap();
    }

    fn config(&self) -> Arc<ServerConfig> {
        let chain = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Arc::new(config)
    }
}

/// The least settings and a certificate for clients.
pub(crate) fn with_tls(fixture: &Fixture, authority: &Authority) -> Settings {
    let certificate = fixture.directory().join("proxy.crt");
    let key = fixture.directory().join("proxy.key");
    authority.issue("localhost").write(&certificate, &key);
    let mut settings = settings(fixture);
    settings.listen.tls = Some(TlsSettings { certificate, key });
    settings
}

/// A client's TLS that trusts one authority and names the protocol.
pub(crate) fn trusting(authority_pem: &str) -> MakeRustlsConnect {
    let mut config = client_config(authority_pem);
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    MakeRustlsConnect::new(config)
}

pub(crate) fn client_config(authority_pem: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// How a server answers the request for TLS.
#[derive(Clone)]
pub(crate) enum Answer {
    /// With this certificate.
    Tls(Arc<ServerConfig>),
    /// It has none.
    No,
    /// TLS begins without a request.
    Direct(Arc<ServerConfig>),
}

impl Issued {
    pub(crate) fn answer(&self) -> Answer {
        Answer::Tls(self.config())
    }

    pub(crate) fn direct(&self) -> Answer {
        Answer::Direct(self.config())
    }
}

/// A server in front of PostgreSQL that is told how to answer; returns its port.
pub(crate) async fn front(server: &Postgres, answer: Answer) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = (server.host(), server.port());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (upstream, answer) = (upstream.clone(), answer.clone());
            // A client that does not like what it sees is gone.
            tokio::spawn(async move { serve(client, upstream, answer).await.ok() });
        }
    });
    port
}

async fn serve(
    mut client: TcpStream,
    upstream: (String, u16),
    answer: Answer,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    if !matches!(answer, Answer::Direct(_)) {
        let mut request = [0; 8];
        client.read_exact(&mut request).await?;
        assert_eq!(request, [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f], "SSLRequest");
    }
    match answer {
        Answer::No => {
            client.write_all(b"N").await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        }
        Answer::Tls(config) => {
            client.write_all(b"S").await?;
            let mut client = TlsAcceptor::from(config).accept(client).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        }
        Answer::Direct(config) => {
            let mut client = TlsAcceptor::from(config).accept(client).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        }
    }
    Ok(())
}
