//! What can be wrong with a manifest.

use sealwire_core::policy::PolicyError;
use sealwire_core::secret::RandomnessError;

use crate::provider::ProviderError;

/// A manifest that cannot be used. Never carries key bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Longer than any manifest may be.
    #[error("manifest is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Not TOML, or not the fields of a manifest.
    #[error("manifest is malformed at line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was expected.
        message: String,
    },
    /// Written for another version of the format.
    #[error("manifest has version {0}, this program reads version 1")]
    UnsupportedVersion(String),
    /// Fields that contradict each other or break a limit.
    #[error("manifest is invalid: {0}")]
    Invalid(String),
    /// A key cannot have this name.
    #[error("`{0}` cannot be the name of a key")]
    KeyName(String),
    /// A new key would have the name of another.
    #[error("there is a key `{0}` already")]
    KeyExists(String),
    /// What is to be renamed is not in the manifest.
    #[error("the manifest does not list `{0}`")]
    NotListed(String),
    /// The MAC does not fit the fields.
    #[error("manifest is not authentic: its MAC does not fit its contents")]
    NotAuthentic,
    /// The master key did not wrap the root secret.
    #[error("manifest is not authentic: `{store}` did not wrap its root secret")]
    ForeignRoot {
        /// The key store.
        store: String,
    },
    /// Another root secret than the source's earlier manifests had.
    #[error("manifest has another root than the one seen before")]
    OtherRoot,
    /// A serial number that has already been surpassed.
    #[error("manifest has serial {found}, older than serial {seen} seen before")]
    Older {
        /// The manifest's.
        found: u64,
        /// The highest seen.
        seen: u64,
    },
    /// The key store failed.
    #[error("manifest cannot be authenticated with `{store}`: {source}")]
    Store {
        /// The key store.
        store: String,
        /// How it failed.
        source: ProviderError,
    },
    /// The key store failed to wrap a new key.
    #[error("`{store}` cannot wrap a new key: {source}")]
    Wrap {
        /// The key store.
        store: String,
        /// How it failed.
        source: ProviderError,
    },
    /// The policy contradicts itself.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The operating system's random generator failed.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The manifest file cannot be read or written.
    #[error("cannot {action} manifest `{path}`: {reason}")]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: String,
        /// What the operating system says.
        reason: String,
    },
}

impl ManifestError {
    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self::Syntax {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: error.message().to_owned(),
        }
    }

    /// What would help.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::TooLong { .. } | Self::Wrap { .. } | Self::Store { .. } => return None,
            Self::Policy(PolicyError::ProtectsNothing) => {
                "add a column with `sealwire columns add schema.table.column --type TYPE`"
            }
            Self::Policy(_) | Self::Randomness(_) | Self::File { .. } => return None,
            Self::Syntax { .. } | Self::Invalid(_) => {
                "manifests are written by `sealwire`; restore the file from version control"
            }
            Self::KeyName(_) => "a name has 1 to 63 of `A-Z a-z 0-9 _ - .`",
            Self::KeyExists(_) => "choose another name; `sealwire keys list` shows the keys",
            Self::NotListed(_) => "`sealwire columns list` shows what it lists",
            Self::UnsupportedVersion(_) => "update Sealwire on this machine",
            Self::NotAuthentic => {
                "it was altered, by hand perhaps; restore it and make the change with `sealwire`"
            }
            Self::ForeignRoot { .. } => {
                "either the master key is not the one that `sealwire init` used, or the manifest was altered"
            }
            Self::OtherRoot => "if the manifest was made anew on purpose, restart the application",
            Self::Older { .. } => {
                "publish the newest manifest again; an old one put back may be an attack"
            }
        })
    }
}
