//! A connection string with our keys in it.

use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Socket};

use crate::connection::Connection;
use crate::connection_string::{ENCRYPTION, MANIFEST, MASTER_KEY, Split, split};
use crate::connector::Armed;
use crate::dial;
use crate::encryption::ColumnEncryption;
use crate::error::Error;
use crate::local::LocalListener;
use crate::server::ServerSocket;

/// `column_encryption=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// Parameters are sealed, results are opened.
    Enabled,
    /// Results are opened; a statement that would need a value sealed is refused.
    ResultsOnly,
    /// tokio-postgres as it is: encrypted columns read as raw cells.
    Disabled,
}

/// Where the manifest is: `column_encryption_manifest=`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestSource {
    /// `database`: the newest row of `sealwire.manifest`, read over each connection.
    Database,
    /// `file:PATH`.
    File(PathBuf),
}

impl FromStr for ManifestSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Self::File(path.into())),
            _ if text == "database" => Ok(Self::Database),
            _ => Err(Error::config(
                format!("`{MANIFEST}` cannot be `{text}`"),
                Some("use `database` or `file:PATH`".into()),
            )),
        }
    }
}

/// A connection string, with or without column encryption.
///
/// ```
/// let config: sealwire::Config = "host=db.internal user=app dbname=clinic sslmode=require \
///     column_encryption=enabled column_master_key=file:/run/secrets/sealwire.key"
///     .parse()?;
/// assert_eq!(config.setting(), sealwire::Setting::Enabled);
/// # Ok::<(), sealwire::Error>(())
/// ```
///
/// | key | values |
/// |---|---|
/// | `column_encryption` | `enabled`, `results_only`, `disabled` (the default) |
/// | `column_encryption_manifest` | `database` (the default), `file:PATH` |
/// | `column_master_key` | a key store's URI, for example `file:/run/secrets/sealwire.key` or `env:SEALWIRE_KEY` |
///
/// Every other key goes to [`tokio_postgres::Config`] untouched.
#[derive(Clone, Debug)]
pub struct Config {
    postgres: tokio_postgres::Config,
    setting: Setting,
    manifest: ManifestSource,
    master_key: Option<String>,
}

impl FromStr for Config {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Split {
            rest,
            encryption,
            manifest,
            master_key,
        } = split(text)?;
        let setting = match encryption.as_deref() {
            Some("enabled") => Setting::Enabled,
            Some("results_only") => Setting::ResultsOnly,
            Some("disabled") => Setting::Disabled,
            Some(other) => {
                return Err(Error::config(
                    format!("`{ENCRYPTION}` cannot be `{other}`"),
                    Some("use `enabled`, `results_only` or `disabled`".into()),
                ));
            }
            None => {
                // A forgotten flag must not turn encryption off in silence.
                let orphan = [(MANIFEST, &manifest), (MASTER_KEY, &master_key)]
                    .into_iter()
                    .find(|(_, value)| value.is_some());
                if let Some((key, _)) = orphan {
                    return Err(Error::config(
                        format!("`{key}` is given without `{ENCRYPTION}`"),
                        Some(format!(
                            "add `{ENCRYPTION}=enabled`, or `{ENCRYPTION}=disabled` to leave it off"
                        )),
                    ));
                }
                Setting::Disabled
            }
        };
        if setting != Setting::Disabled && master_key.is_none() {
            return Err(Error::config(
                format!("`{ENCRYPTION}` is on, but `{MASTER_KEY}` is missing"),
                Some(format!(
                    "say where the column master key is, for example `{MASTER_KEY}=file:/path/to/key`"
                )),
            ));
        }
        let manifest = manifest
            .as_deref()
            .map_or(Ok(ManifestSource::Database), str::parse)?;
        Ok(Self {
            postgres: rest.parse()?,
            setting,
            manifest,
            master_key,
        })
    }
}

impl Config {
    /// What tokio-postgres was given.
    pub fn postgres(&self) -> &tokio_postgres::Config {
        &self.postgres
    }

    /// What tokio-postgres was given, to change it.
    pub fn postgres_mut(&mut self) -> &mut tokio_postgres::Config {
        &mut self.postgres
    }

    /// `column_encryption`.
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// Reads the manifest and reaches the key store: the part that connections can share.
    /// `None` when the setting is disabled.
    ///
    /// # Errors
    /// When the manifest or the master key cannot be had, or do not belong together.
    pub async fn column_encryption(&self) -> Result<Option<ColumnEncryption>, Error> {
        let Some(master_key) = self
            .master_key
            .as_deref()
            .filter(|_| self.setting != Setting::Disabled)
        else {
            return Ok(None);
        };
        let builder = ColumnEncryption::builder()
            .manifest(self.manifest.clone())
            .master_key(master_key)
            .results_only(self.setting == Setting::ResultsOnly);
        builder.build().await.map(Some)
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`Error`] says whether the settings, the manifest, the key store or the server is at fault.
    pub async fn connect<T>(&self, tls: T) -> Result<(Client, Connection), Error>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send + 'static,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        match self.column_encryption().await? {
            Some(encryption) => encryption.connect(&self.postgres, tls).await,
            None => dial::plain(&self.postgres, tls).await,
        }
    }

    /// A private Unix socket for clients in this process that own their wire code; see
    /// [`LocalListener`].
    ///
    /// # Errors
    /// When encryption is disabled (give the client the server's own address then), and as
    /// [`Config::column_encryption`] and [`ColumnEncryption::listen`].
    pub async fn listen<T>(&self, tls: T) -> Result<LocalListener, Error>
    where
        T: MakeTlsConnect<ServerSocket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<ServerSocket>>::Future: Send,
    {
        self.enabled().await?.listen(&self.postgres, tls)
    }

    /// The configuration with its connector, for a pool.
    ///
    /// # Errors
    /// When encryption is disabled (give the pool tokio-postgres' own configuration then), and as
    /// [`Config::column_encryption`] and [`ColumnEncryption::arm`].
    pub async fn arm<T>(&self, tls: T) -> Result<Armed<T>, Error>
    where
        T: MakeTlsConnect<Socket> + 'static,
    {
        self.enabled().await?.arm(&self.postgres, tls)
    }

    async fn enabled(&self) -> Result<ColumnEncryption, Error> {
        self.column_encryption().await?.ok_or_else(|| {
            Error::config(
                "column encryption is disabled, so there is nothing to put beneath a client",
                Some(format!(
                    "add `{ENCRYPTION}=enabled` to the connection string"
                )),
            )
        })
    }
}

/// Connects by a connection string and returns tokio-postgres' own client.
///
/// With `column_encryption=enabled` in the string, the columns that the manifest names are sealed
/// and opened in passing; without it this is [`tokio_postgres::connect`]. Each call reads the
/// manifest and reaches the key store anew: for many connections build a [`ColumnEncryption`] or
/// use [`Config::arm`] with a pool.
///
/// # Errors
/// [`Error`] says whether the settings, the manifest, the key store or the server is at fault.
pub async fn connect<T>(config: &str, tls: T) -> Result<(Client, Connection), Error>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    config.parse::<Config>()?.connect(tls).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, String) {
        let error = text.parse::<Config>().unwrap_err();
        (
            error.to_string(),
            error.hint().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn without_the_flag_encryption_is_off_and_nothing_is_taken() {
        let config: Config = "host=a,b port=1,2 user=u sslmode=require".parse().unwrap();
        assert_eq!(config.setting(), Setting::Disabled);
        assert_eq!(config.postgres().get_hosts().len(), 2);
    }

    #[test]
    fn a_forgotten_flag_is_an_error() {
        let (message, hint) = error("host=a column_master_key=env:K");
        assert_eq!(
            message,
            "`column_master_key` is given without `column_encryption`"
        );
        assert!(hint.contains("column_encryption=enabled"), "{hint}");
    }

    #[test]
    fn wrong_values_list_the_right_ones() {
        let (message, hint) = error("host=a column_encryption=on column_master_key=env:K");
        assert_eq!(message, "`column_encryption` cannot be `on`");
        assert_eq!(hint, "use `enabled`, `results_only` or `disabled`");
        let (_, hint) = error(
            "host=a column_encryption=enabled column_master_key=env:K column_encryption_manifest=m.toml",
        );
        assert_eq!(hint, "use `database` or `file:PATH`");
        let (message, _) = error("host=a column_encryption=enabled");
        assert!(
            message.contains("`column_master_key` is missing"),
            "{message}"
        );
    }

    #[test]
    fn a_typo_in_postgresql_s_own_keys_is_tokio_postgres_s_error() {
        let (message, _) = error("hots=a");
        assert!(message.contains("hots"), "{message}");
    }
}
