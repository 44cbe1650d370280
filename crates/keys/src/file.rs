//! `file:/path`: a master key in a file that only its owner may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sealwire_core::secret::{KEY_LEN, MasterKey};
use zeroize::Zeroizing;

use crate::local::{self, TEXT_LEN};
use crate::provider::{KeyProvider, ProviderError, WrapContext};

const INSECURE_OPTION: &str = "allow_insecure_permissions";

/// A key file. It is read anew for every wrap and unwrap, so that the master key is in memory
/// only as long as it is used and a replaced file is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProvider {
    path: PathBuf,
    allow_insecure_permissions: bool,
}

impl FileProvider {
    /// The key file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            allow_insecure_permissions: false,
        }
    }

    /// Accepts a key file that the group or others may read or write, for file systems that know
    /// no permissions. Whoever can read the file can read every encrypted column.
    pub fn danger_allow_insecure_permissions(mut self) -> Self {
        self.allow_insecure_permissions = true;
        self
    }

    /// Reads what stands behind `file:`, a path and perhaps `?allow_insecure_permissions=yes`.
    ///
    /// # Errors
    /// [`ProviderError::Configuration`] on an empty path or another option.
    pub fn from_uri(rest: &str) -> Result<Self, ProviderError> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.is_empty() {
            return Err(ProviderError::Configuration(
                "`file:` needs a path, for example `file:/etc/sealwire/master.key`".into(),
            ));
        }
        let provider = Self::new(path);
        match query.split_once('=').unwrap_or((query, "")) {
            ("", "") | (INSECURE_OPTION, "no") => Ok(provider),
            (INSECURE_OPTION, "yes") => Ok(provider.danger_allow_insecure_permissions()),
            _ => Err(ProviderError::Configuration(format!(
                "`file:` knows no option `{query}`; there is `{INSECURE_OPTION}=yes|no`"
            ))),
        }
    }

    async fn load(&self) -> Result<MasterKey, ProviderError> {
        let this = self.clone();
        // A file may lie on a network mount that hangs: not on a thread that drives other tasks.
        tokio::task::spawn_blocking(move || read_key_file(&this))
            .await
            .unwrap_or_else(|_| {
                Err(ProviderError::Unavailable(
                    "reading the key file was cancelled".into(),
                ))
            })
    }
}

#[async_trait]
impl KeyProvider for FileProvider {
    fn describe(&self) -> String {
        format!("file:{}", self.path.display())
    }

    async fn check(&self) -> Result<(), ProviderError> {
        self.load().await.map(drop)
    }

    async fn wrap(
        &self,
        context: WrapContext<'_>,
        key: &Zeroizing<[u8; KEY_LEN]>,
    ) -> Result<Vec<u8>, ProviderError> {
        local::wrap(&self.load().await?, context, key)
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_LEN]>, ProviderError> {
        local::unwrap(&self.load().await?, context, wrapped)
    }
}

fn read_key_file(file: &FileProvider) -> Result<MasterKey, ProviderError> {
    let path = file.path.display();
    let io_error = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ProviderError::Denied(format!("key file `{path}`: {error}"))
        }
        _ => ProviderError::Unavailable(format!("key file `{path}`: {error}")),
    };
    // Opening a pipe would wait for a writer.
    if !fs::metadata(&file.path).map_err(io_error)?.is_file() {
        return Err(ProviderError::Configuration(format!(
            "key file `{path}` is not a regular file"
        )));
    }
    let opened = fs::File::open(&file.path).map_err(io_error)?;
    if !file.allow_insecure_permissions {
        // Asked of the opened file, so that the answer is about the bytes that are read.
        check_permissions(&file.path, &opened.metadata().map_err(io_error)?)?;
    }
    // One byte more than the longest valid file, so that a longer one is noticed.
    let mut text = Zeroizing::new(Vec::with_capacity(TEXT_LEN + 3));
    opened
        .take(TEXT_LEN as u64 + 3)
        .read_to_end(&mut text)
        .map_err(io_error)?;
    local::parse_key(&text)
        .map_err(|why| ProviderError::Configuration(format!("key file `{path}` {why}")))
}

#[cfg(unix)]
fn check_permissions(path: &Path, metadata: &fs::Metadata) -> Result<(), ProviderError> {
    use std::os::unix::fs::MetadataExt;

    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(ProviderError::Configuration(format!(
        "refusing key file `{path}`: its permissions {mode:04o} let others at it; run `chmod 600 '{path}'`"
    )))
}

#[cfg(not(unix))]
fn check_permissions(_: &Path, _: &fs::Metadata) -> Result<(), ProviderError> {
    Ok(())
}

/// Creates a key file with a new random master key, readable by its owner alone. An existing
/// file is never touched.
///
/// # Errors
/// Whatever the operating system says; [`io::ErrorKind::AlreadyExists`] when there is a file.
pub fn create_key_file(path: &Path) -> io::Result<()> {
    let text = local::format_key(&MasterKey::generate().map_err(io::Error::other)?);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
