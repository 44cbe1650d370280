//! One database of a test server.

use std::fmt::Write;
use std::path::Path;

use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, Error};

use crate::postgres::{Postgres, block_on, connect, with_causes};

/// Password of the owner roles; the servers are private to a test process.
const OWNER_PASSWORD: &str = "sealwire-owner";

/// A database made for one test, with an owner role that is no superuser.
#[derive(Debug)]
pub struct TestDatabase<'server> {
    server: &'server Postgres,
    name: String,
    owner: String,
}

impl<'server> TestDatabase<'server> {
    pub(crate) async fn create(server: &'server Postgres, number: u32) -> Result<Self, String> {
        let name = format!("sealwire_{}_{number}", std::process::id());
        let owner = format!("{name}_owner");
        // Half the work of writing every page to the log, which is the default from 15 on.
        let strategy = match server.major() {
            15.. => "STRATEGY file_copy",
            _ => "",
        };
        let run = async {
            let admin = connect(&server.admin_config()).await?;
            admin
                .batch_execute(&format!(
                    "CREATE ROLE {owner} LOGIN NOSUPERUSER PASSWORD '{OWNER_PASSWORD}'"
                ))
                .await?;
            // An administrator that is no superuser may only give a database to a role of its own.
            admin
                .batch_execute(&format!("GRANT {owner} TO CURRENT_USER"))
                .await?;
            admin
                .batch_execute(&format!(
                    "CREATE DATABASE {name} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0 {strategy}"
                ))
                .await
        };
        run.await.map_err(|error: Error| with_causes(&error))?;
        Ok(Self {
            server,
            name,
            owner,
        })
    }

    /// The server that it is on.
    pub fn server(&self) -> &'server Postgres {
        self.server
    }

    /// Name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the owner role.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Host name or address for TCP.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// Port, for TCP and for the name of the socket.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Directory of the Unix-domain socket, when the kit knows one.
    pub fn socket_dir(&self) -> Option<&Path> {
        self.server.socket_dir()
    }

    /// Connection string of the owner, over TCP. Ends in the path, so `?name=value` can be added.
    pub fn url(&self) -> String {
        url(&self.config())
    }

    /// Connection string of the administrator, over TCP.
    pub fn superuser_url(&self) -> String {
        url(&self.superuser_config())
    }

    /// Connection string of the owner in `key=value` form, over the Unix-domain socket.
    pub fn socket_parameters(&self) -> Option<String> {
        let directory = self.socket_dir()?;
        Some(format!(
            "host='{}' port={} user={} password={OWNER_PASSWORD} dbname={}",
            directory.display(),
            self.port(),
            self.owner,
            self.name
        ))
    }

    /// The owner's connection parameters, over TCP.
    pub fn config(&self) -> Config {
        let mut config = self.superuser_config();
        config.user(&self.owner).password(OWNER_PASSWORD);
        config
    }

    /// The administrator's connection parameters, over TCP.
    pub fn superuser_config(&self) -> Config {
        let mut config = self.server.admin_config();
        config.dbname(&self.name);
        config
    }

    /// A client of the owner.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connect(&self) -> Client {
        Self::client(&self.config()).await
    }

    /// A client of the administrator.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connect_superuser(&self) -> Client {
        Self::client(&self.superuser_config()).await
    }

    async fn client(config: &Config) -> Client {
        connect(config)
            .await
            .unwrap_or_else(|error| panic!("cannot connect: {}", with_causes(&error)))
    }
}

impl Drop for TestDatabase<'_> {
    fn drop(&mut self) {
        // A server of the kit goes away with everything in it.
        if !self.server.outlives_its_databases() {
            return;
        }
        let result = block_on(async {
            let admin = connect(&self.server.admin_config()).await?;
            admin
                .batch_execute(&format!(
                    "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                    self.name
                ))
                .await?;
            admin
                .batch_execute(&format!("DROP ROLE IF EXISTS {}", self.owner))
                .await
        });
        if let Err(error) = result {
            eprintln!(
                "cannot drop database `{}`: {}",
                self.name,
                with_causes(&error)
            );
        }
    }
}

/// The URL form of connection parameters: first host, role, password and database.
pub(crate) fn url(config: &Config) -> String {
    let mut url = String::from("postgresql://");
    url.push_str(&percent_encoded(config.get_user().unwrap_or_default()));
    if let Some(password) = config.get_password() {
        url.push(':');
        url.push_str(&percent_encoded(password));
    }
    url.push('@');
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) if host.contains(':') => {
            url.push('[');
            url.push_str(host);
            url.push(']');
        }
        Some(Host::Tcp(host)) => url.push_str(host),
        Some(Host::Unix(path)) => {
            url.push_str(&percent_encoded(path.as_os_str().as_encoded_bytes()));
        }
        None => url.push_str("localhost"),
    }
    if let Some(port) = config.get_ports().first() {
        let _ = write!(url, ":{port}");
    }
    url.push('/');
    url.push_str(&percent_encoded(config.get_dbname().unwrap_or_default()));
    url
}

fn percent_encoded(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn url_reads_back_as_the_same_parameters() {
        let mut config = Config::new();
        config
            .host("/tmp/a dir")
            .port(5433)
            .user("o:w@ner")
            .password("p/w%")
            .dbname("d?b");
        let again = Config::from_str(&url(&config)).unwrap();
        assert_eq!(again.get_hosts(), config.get_hosts());
        assert_eq!(again.get_ports(), config.get_ports());
        assert_eq!(again.get_user(), config.get_user());
        assert_eq!(again.get_password(), config.get_password());
        assert_eq!(again.get_dbname(), config.get_dbname());
    }
}
