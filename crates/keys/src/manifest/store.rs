//! The manifest as a file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::document::MAX_DOCUMENT_BYTES;
use super::{Manifest, ManifestError};

impl Manifest {
    /// Reads a manifest file.
    ///
    /// # Errors
    /// [`ManifestError`] when the file cannot be read or is not a manifest.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let failed = |error: io::Error| ManifestError::File {
            action: "read",
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut text = String::new();
        File::open(path)
            .and_then(|file| {
                // One byte more than allowed, for `parse` to notice.
                file.take(MAX_DOCUMENT_BYTES as u64 + 1)
                    .read_to_string(&mut text)
            })
            .map_err(failed)?;
        Self::parse(&text)
    }

    /// Writes a manifest file, replacing an earlier one in one step: a reader sees the old one or
    /// the new one, and so does whoever comes after a crash.
    ///
    /// # Errors
    /// [`ManifestError::File`].
    pub fn write(&self, path: &Path) -> Result<(), ManifestError> {
        self.store(path, |file, target| {
            file.persist(target).map_err(|e| e.error)
        })
    }

    /// Writes a manifest file where none is yet.
    ///
    /// # Errors
    /// [`ManifestError::File`], also when there is a file.
    pub fn write_new(&self, path: &Path) -> Result<(), ManifestError> {
        self.store(path, |file, target| {
            file.persist_noclobber(target).map_err(|e| e.error)
        })
    }

    fn store(
        &self,
        path: &Path,
        persist: impl FnOnce(tempfile::NamedTempFile, &Path) -> io::Result<File>,
    ) -> Result<(), ManifestError> {
        let write = || {
            // The file that a symbolic link names is replaced, not the link.
            let target = match path.canonicalize() {
                Ok(target) => target,
                Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_path_buf(),
                Err(error) => return Err(error),
            };
            let dir = match target.parent() {
                Some(dir) if !dir.as_os_str().is_empty() => dir.to_path_buf(),
                _ => PathBuf::from("."),
            };
            let mut builder = tempfile::Builder::new();
            builder.prefix(".sealwire-manifest-");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                // It holds no secret; whoever runs the application reads it.
                builder.permissions(std::fs::Permissions::from_mode(0o644));
            }
            let mut file = builder.tempfile_in(&dir)?;
            file.write_all(self.as_toml().as_bytes())?;
            file.as_file().sync_all()?;
            persist(file, &target)?;
            // The rename itself is on disk only when the directory is.
            #[cfg(unix)]
            File::open(&dir)?.sync_all()?;
            Ok(())
        };
        write().map_err(|error: io::Error| ManifestError::File {
            action: "write",
            path: path.display().to_string(),
            reason: error.to_string(),
        })
    }
}
