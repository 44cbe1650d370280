//! A pool: deadpool-postgres over connections that seal and open, all sharing one key cache.
//!
//! `cargo run --example pool`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use deadpool_postgres::{Manager, Pool};
use futures_util::future::try_join_all;
use sealwire::Config;
use tokio_postgres::NoTls;

#[path = "support/accounts.rs"]
mod accounts;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = accounts::set_up().await?;

    // The manifest is read and the key store is reached once, here; the pool's connections share
    // what was learnt. The two parts belong together: see `sealwire::Armed`.
    let (config, connector) = setting
        .url
        .parse::<Config>()?
        .arm(NoTls)
        .await?
        .into_parts();
    let pool = Pool::builder(Manager::new(config, connector))
        .max_size(4)
        .build()?;

    try_join_all((0..40).map(|number: i64| {
        let pool = pool.clone();
        async move {
            let client = pool.get().await?;
            let insert = client
                .prepare_cached("INSERT INTO accounts (iban, balance) VALUES ($1, $2)")
                .await?;
            client
                .execute(&insert, &[&format!("DE{number:020}"), &(number * 100)])
                .await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        }
    }))
    .await?;

    let client = pool.get().await?;
    let row = client
        .query_one(
            "SELECT balance FROM accounts WHERE iban = $1",
            &[&"DE00000000000000000007"],
        )
        .await?;
    println!("balance of DE...07: {}", row.get::<_, i64>(0));
    let status = pool.status();
    println!(
        "{} of at most {} connections were opened",
        status.size, status.max_size
    );
    Ok(())
}
