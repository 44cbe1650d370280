//! An existing tokio-postgres program that changed one line.
//!
//! Everything below `main` was written for plain tokio-postgres and names nothing of Sealwire: it
//! takes `tokio_postgres::Client` and `Transaction`, as it always did.
//!
//! `cargo run --example existing_program`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use tokio_postgres::{Client, Error, NoTls};

#[path = "support/accounts.rs"]
mod accounts;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = accounts::set_up().await?;

    // Before: let (client, connection) = tokio_postgres::connect(&setting.url, NoTls).await?;
    let (mut client, connection) = sealwire::connect(&setting.url, NoTls).await?;
    tokio::spawn(connection);

    open_account(&mut client, "DE89 3704 0044 0532 0130 00", 10_000).await?;
    open_account(&mut client, "GB29 NWBK 6016 1331 9268 19", 250).await?;
    transfer(
        &mut client,
        "DE89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        750,
    )
    .await?;
    for (iban, balance) in balances(&client).await? {
        println!("{iban}: {balance}");
    }

    println!("\nWhat the server holds:");
    for row in setting
        .operator()
        .await?
        .query("SELECT iban::bytea FROM accounts", &[])
        .await?
    {
        let cell: &[u8] = row.get(0);
        println!(
            "{}...",
            cell.iter()
                .take(24)
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
        );
    }
    Ok(())
}

async fn open_account(client: &mut Client, iban: &str, balance: i64) -> Result<(), Error> {
    client
        .execute(
            "INSERT INTO accounts (iban, balance) VALUES ($1, $2)",
            &[&iban, &balance],
        )
        .await?;
    Ok(())
}

async fn transfer(client: &mut Client, from: &str, to: &str, amount: i64) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let update = transaction
        .prepare("UPDATE accounts SET balance = balance + $2 WHERE iban = $1")
        .await?;
    transaction.execute(&update, &[&from, &-amount]).await?;
    transaction.execute(&update, &[&to, &amount]).await?;
    transaction.commit().await
}

async fn balances(client: &Client) -> Result<Vec<(String, i64)>, Error> {
    let rows = client
        .query(
            "SELECT iban, balance FROM accounts ORDER BY balance DESC",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
