//! A key provider of one's own: the column master key stays in a key store that only this program
//! knows how to ask.
//!
//! The store here is a stand-in behind an asynchronous call, as a network service would be. What a
//! provider must do is wrap and unwrap 32 bytes under the master key and bind the context that it
//! is given, so that a wrapped key cannot pass for another.
//!
//! `cargo run --example key_provider`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use sealwire::{ColumnEncryption, KeyProvider, ProviderError, WrapContext};
use sealwire_keys::LocalProvider;
use tokio_postgres::NoTls;
use zeroize::Zeroizing;

#[path = "support/accounts.rs"]
mod accounts;

/// The company's own key service, seen through its client.
#[derive(Debug)]
struct CompanyKeyService {
    master: LocalProvider,
    calls: AtomicU32,
}

#[async_trait]
impl KeyProvider for CompanyKeyService {
    fn describe(&self) -> String {
        "company-keys:clinic/production".into()
    }

    async fn wrap(
        &self,
        context: WrapContext<'_>,
        key: &Zeroizing<[u8; 32]>,
    ) -> Result<Vec<u8>, ProviderError> {
        self.master.wrap(context, key).await
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, ProviderError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.master.unwrap(context, wrapped).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = Arc::new(CompanyKeyService {
        master: LocalProvider::generate()?,
        calls: AtomicU32::new(0),
    });
    let setting = accounts::set_up_with(&*service, tempfile::tempdir()?).await?;

    let encryption = ColumnEncryption::builder()
        .manifest_file(&setting.manifest)
        .provider(Arc::clone(&service) as Arc<dyn KeyProvider>)
        .build()
        .await?;
    let config = setting.plain_url.parse()?;
    for number in 0..3_i64 {
        let (client, connection) = encryption.connect(&config, NoTls).await?;
        tokio::spawn(connection);
        client
            .execute(
                "INSERT INTO accounts (iban, balance) VALUES ($1, $2)",
                &[&format!("account {number}"), &number],
            )
            .await?;
        let row = client
            .query_one("SELECT iban FROM accounts WHERE balance = $1", &[&number])
            .await?;
        println!(
            "connection {number} wrote and read `{}`",
            row.get::<_, &str>(0)
        );
    }
    // One for the manifest's root secret, one for the key; the other connections shared them.
    println!(
        "the key service was asked {} times",
        service.calls.load(Ordering::Relaxed)
    );
    Ok(())
}
