//! `env:NAME`: a master key in an environment variable.

use std::env::{self, VarError};

use async_trait::async_trait;
use sealwire_core::secret::{KEY_LEN, MasterKey};
use zeroize::Zeroizing;

use crate::local;
use crate::provider::{KeyProvider, ProviderError, WrapContext};

/// An environment variable that holds a master key in the text form of a key file.
///
/// The environment is readable by whoever may look at the process (`/proc/PID/environ`) and is
/// handed to child processes; a file or a key store is the better place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvProvider {
    name: String,
}

impl EnvProvider {
    /// The variable of this name.
    ///
    /// # Errors
    /// [`ProviderError::Configuration`] when it cannot be the name of a variable.
    pub fn new(name: &str) -> Result<Self, ProviderError> {
        let letter = |c: char| c == '_' || c.is_ascii_alphabetic();
        // The text is not repeated when it is no name: it may be the key, put in the wrong place.
        if !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
            return Err(ProviderError::Configuration(
                "`env:` needs the name of a variable, for example `env:SEALWIRE_KEY`".into(),
            ));
        }
        Ok(Self { name: name.into() })
    }

    fn load(&self) -> Result<MasterKey, ProviderError> {
        let name = &self.name;
        let text = match env::var(name) {
            Ok(text) => Zeroizing::new(text),
            Err(VarError::NotPresent) => {
                return Err(ProviderError::Configuration(format!(
                    "environment variable `{name}` is not set"
                )));
            }
            Err(VarError::NotUnicode(_)) => Zeroizing::new(String::new()),
        };
        local::parse_key(text.as_bytes()).map_err(|why| {
            ProviderError::Configuration(format!("environment variable `{name}` {why}"))
        })
    }
}

#[async_trait]
impl KeyProvider for EnvProvider {
    fn describe(&self) -> String {
        format!("env:{}", self.name)
    }

    async fn check(&self) -> Result<(), ProviderError> {
        self.load().map(drop)
    }

    async fn wrap(
        &self,
        context: WrapContext<'_>,
        key: &Zeroizing<[u8; KEY_LEN]>,
    ) -> Result<Vec<u8>, ProviderError> {
        local::wrap(&self.load()?, context, key)
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_LEN]>, ProviderError> {
        local::unwrap(&self.load()?, context, wrapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_refused_without_repeating_it() {
        for bad in ["", "9A", "A B", "A=B", "sealwire-master-key-1:AAAA"] {
            let error = EnvProvider::new(bad).unwrap_err().to_string();
            assert!(error.contains("`env:` needs the name"), "{error}");
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }

    #[tokio::test]
    async fn an_unset_variable_is_named() {
        let provider = EnvProvider::new("SEALWIRE_TEST_UNSET_VARIABLE").unwrap();
        let error = provider
            .unwrap(WrapContext::cek(&[0; 16]), &[])
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable `SEALWIRE_TEST_UNSET_VARIABLE` is not set"
        );
    }

    #[tokio::test]
    async fn a_variable_that_holds_something_else_is_named_and_not_shown() {
        // `PATH` is set wherever tests run; changing the environment would need unsafe code.
        let provider = EnvProvider::new("PATH").unwrap();
        let error = provider
            .unwrap(WrapContext::cek(&[0; 16]), &[])
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "environment variable `PATH` does not start with `sealwire-master-key-1:`"
        );
    }
}
