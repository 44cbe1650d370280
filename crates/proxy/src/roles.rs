//! Roles whose authentication ends at the proxy.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sealwire::scram::{ParseSecretError, Secret};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret_file;

/// What the server keeps of the passwords of roles.
#[derive(Debug, Default)]
pub(crate) struct Roles(HashMap<String, Arc<Secret>>);

impl Roles {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let text = secret_file::read(path)?;
        // The error's own words would show the line, which holds a secret.
        let table: HashMap<String, String> = toml::from_str(&text).map_err(|_| {
            Error::new(format_args!("`{shown}` is not a list of roles"))
                .with_hint("write a line `role = \"SCRAM-SHA-256$...\"` for each role")
        })?;
        let mut roles = HashMap::new();
        for (role, secret) in table {
            let secret = Zeroizing::new(secret);
            let secret = secret.parse().map_err(|error: ParseSecretError| {
                Error::new(format_args!(
                    "`{shown}`: the secret of role `{role}` is {error}"
                ))
                .with_hint(
                    "take it from `rolpassword` of `pg_authid`, or make one with `sealwire scram`",
                )
            })?;
            roles.insert(role, Arc::new(secret));
        }
        Ok(Self(roles))
    }

    pub(crate) fn secret(&self, role: &str) -> Option<Arc<Secret>> {
        self.0.get(role).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECRET: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn read(text: &str) -> Result<Roles, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roles.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Roles::read(&path)
    }

    #[test]
    fn roles_are_listed_with_their_secrets() {
        let list = format!("app = \"{SECRET}\"\n\"O'Brien\" = \"{SECRET}\"");
        let roles = read(&list).unwrap();
        assert!(roles.secret("app").is_some() && roles.secret("O'Brien").is_some());
        assert!(roles.secret("App").is_none());
        assert!(!format!("{roles:?}").contains("W22Z"));
    }

    #[test]
    fn errors_do_not_repeat_secrets() {
        for (text, words) in [
            ("app = \"hunter2\"", "role `app`"),
            ("app = hunter2", "not a list of roles"),
            ("[app]\nhunter2 = 1", "not a list of roles"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
