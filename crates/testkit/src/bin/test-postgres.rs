//! Starts the PostgreSQL server that tests would get, prints the connection strings of a database
//! on it and keeps it until standard input ends:
//!
//! ```text
//! cargo run -p sealwire-testkit
//! ```

use std::io::{self, Write};

use sealwire_testkit::Postgres;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Postgres::start()?;
    let database = server.create_database().await;
    let mut out = io::stdout();
    writeln!(out, "owner      {}", database.url())?;
    writeln!(out, "superuser  {}", database.superuser_url())?;
    if let Some(directory) = database.socket_dir() {
        writeln!(out, "socket     {}", directory.display())?;
    }
    writeln!(out, "Ends with its standard input (Ctrl-D).")?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
