//! The database that `--database` names, read as it is: nothing is sealed or opened here.

mod catalogue;

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

pub(crate) use self::catalogue::{Loader, column_checks, labels, table, unlisted_cells};
use crate::error::Error;

/// A connection to the database.
pub(crate) async fn connect(url: &str) -> Result<Client, Error> {
    // The application's own string works: its `column_encryption` settings are set aside.
    let config: sealwire::Config = url.parse().map_err(|error: sealwire::Error| {
        let hint = error.hint().map(str::to_owned);
        let converted = Error::new(error);
        match hint {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    })?;
    let mut config = config.postgres().clone();
    if config.get_application_name().is_none() {
        config.application_name("sealwire");
    }
    let (client, connection) = config.connect(tls()?).await.map_err(connect_error)?;
    // The task ends with the client; what ends the connection early shows in the client's calls.
    tokio::spawn(connection);
    Ok(client)
}

/// TLS with the certificate authorities that this machine trusts, or `SSL_CERT_FILE` names.
fn tls() -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    // Certificates that cannot be read are not trusted; a connection that needs one says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::new)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn connect_error(error: tokio_postgres::Error) -> Error {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let io = inner.downcast_ref::<std::io::Error>();
        let nested = io.and_then(std::io::Error::get_ref);
        if nested.is_some_and(|e| e.is::<rustls::Error>()) {
            return Error::new(format_args!("the database's certificate is not accepted: {inner}"))
                .hint("name its authority with `SSL_CERT_FILE=ca.pem`, or connect with `sslmode=disable` on a network that you trust");
        }
        cause = inner.source();
    }
    error.into()
}
