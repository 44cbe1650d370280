//! The manifest file and the key store that the command line names.

use std::sync::Arc;

use sealwire_keys::{
    AuthenticManifest, KeyProvider, Manifest, ManifestBuilder, ManifestError, Providers,
};

use crate::args::Global;
use crate::error::Error;

pub(crate) fn provider(uri: &str) -> Result<Arc<dyn KeyProvider>, Error> {
    Ok(Providers::default().open(uri)?)
}

pub(crate) fn read(global: &Global) -> Result<Manifest, Error> {
    Manifest::read(global.manifest()).map_err(|error| match &error {
        ManifestError::File { .. } if !global.manifest().exists() => Error::new(format_args!(
            "there is no manifest `{}`",
            global.manifest().display()
        ))
        .hint("create one with `sealwire init`, or name it with `--manifest`"),
        _ => error.into(),
    })
}

/// The manifest, authenticated, with at least one column.
pub(crate) async fn authenticate(global: &Global) -> Result<AuthenticManifest, Error> {
    let provider = provider(global.master_key())?;
    Ok(read(global)?.authenticate(&*provider, 0).await?)
}

/// The manifest, authenticated, to look at or to change.
pub(crate) async fn edit(
    global: &Global,
) -> Result<(ManifestBuilder, Arc<dyn KeyProvider>), Error> {
    let provider = provider(global.master_key())?;
    let builder = read(global)?.edit(&*provider).await?;
    Ok((builder, provider))
}

/// Seals and writes a changed manifest.
pub(crate) fn save(global: &Global, builder: ManifestBuilder) -> Result<u64, Error> {
    let manifest = builder.seal()?;
    manifest.write(global.manifest())?;
    Ok(manifest.serial())
}
