//! PostgreSQL binaries on this machine.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Installation, MAJOR_MIN, Unavailable};

/// Directories where packages put versioned servers; `*` stands for one path component.
const USUAL_PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// The server on the `PATH`, else the one that `pg_config` names, else the newest in the usual
/// places.
pub(super) fn find() -> Result<Installation, Unavailable> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&path).collect();
    candidates.extend(pg_config_bindir());
    if let Some(found) = candidates
        .iter()
        .find_map(|directory| installation(directory))
    {
        return Ok(found);
    }
    USUAL_PLACES
        .iter()
        .flat_map(|pattern| expand(Path::new(pattern)))
        .filter_map(|directory| installation(&directory))
        .max_by_key(|found| found.major)
        .ok_or_else(|| {
            Unavailable(format!(
                "no PostgreSQL {MAJOR_MIN} or newer with `initdb` and `postgres` was found on this \
                 machine"
            ))
        })
}

fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(text.trim_end()))
}

/// The installation whose `postgres` is reached through this directory. Links are followed,
/// because a server finds its libraries and templates from where its file really is. A wrapper
/// script is passed over: it may want another user, or arguments of its own.
pub(super) fn installation(directory: &Path) -> Option<Installation> {
    let server = fs::canonicalize(directory.join("postgres")).ok()?;
    let bindir = server.parent()?.to_owned();
    if is_script(&server) || is_script(&fs::canonicalize(bindir.join("initdb")).ok()?) {
        return None;
    }
    let output = Command::new(&server).arg("--version").output().ok()?;
    let major = major_of(&String::from_utf8(output.stdout).ok()?)?;
    (major >= MAJOR_MIN).then_some(Installation { bindir, major })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let rest = version.split_once("(PostgreSQL) ")?.1;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn is_script(file: &Path) -> bool {
    let mut start = [0_u8; 2];
    match fs::File::open(file).and_then(|mut file| file.read_exact(&mut start)) {
        Ok(()) => &start == b"#!",
        Err(_) => true,
    }
}

/// The directories that match a pattern in which `*` stands inside one component.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        let Some((head, tail)) = text.split_once('*') else {
            for path in &mut found {
                path.push(component);
            }
            continue;
        };
        found = found
            .iter()
            .filter_map(|path| fs::read_dir(path).ok())
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.len() >= head.len() + tail.len()
                    && name.starts_with(head)
                    && name.ends_with(tail)
            })
            .map(|entry| entry.path())
            .collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_is_read_from_every_form() {
        for (text, major) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("psql: nothing\n", None),
        ] {
            assert_eq!(major_of(text), major, "{text}");
        }
    }

    #[test]
    fn a_wrapper_script_is_no_installation() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["postgres", "initdb"] {
            fs::write(directory.path().join(name), "#!/bin/sh\n").unwrap();
        }
        assert!(installation(directory.path()).is_none());
    }

    #[test]
    fn a_pattern_matches_inside_one_component() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["pgsql-15/bin", "pgsql-16/bin", "other/bin"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        let mut found = expand(&directory.path().join("pgsql-*/bin"));
        found.sort();
        assert_eq!(
            found,
            [
                directory.path().join("pgsql-15/bin"),
                directory.path().join("pgsql-16/bin")
            ]
        );
    }
}
