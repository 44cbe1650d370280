//! `sealwire init`

use std::path::Path;

use sealwire_keys::{ManifestBuilder, create_key_file};
use serde::Serialize;

use crate::args::Global;
use crate::error::Error;
use crate::files;
use crate::output::Output;

#[derive(Serialize)]
struct Created<'a> {
    master_key: &'a str,
    created_key_file: Option<&'a Path>,
    manifest: &'a Path,
    serial: u64,
}

pub(crate) async fn run(
    global: &Global,
    existing_key: bool,
    output: &mut Output,
) -> Result<(), Error> {
    let path = global.manifest();
    // Before anything is created: half an `init` would be in the way of the next.
    if path.symlink_metadata().is_ok() {
        return Err(
            Error::new(format_args!("manifest `{}` already exists", path.display()))
                .hint("it may be the only copy of its keys; name another one with `--manifest`"),
        );
    }
    let key_file = match global.master_key().strip_prefix("file:") {
        _ if existing_key => None,
        Some(rest) => Some(Path::new(rest.split('?').next().unwrap_or(rest))),
        None => {
            return Err(Error::new(format_args!(
                "only a key file can be created, and the master key is given as another kind"
            ))
            .hint("if the key exists, add `--existing-key`; else give `--master-key file:PATH`"));
        }
    };
    let provider = files::provider(global.master_key())?;
    if let Some(key_file) = key_file {
        create_key_file(key_file).map_err(|error| {
            let shown = key_file.display();
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Error::new(format_args!("key file `{shown}` already exists"))
                    .hint("to use it, add `--existing-key`; for a new one, name another path with `--master-key file:PATH`")
            } else {
                Error::new(format_args!("cannot create key file `{shown}`: {error}"))
            }
        })?;
    }
    let manifest = ManifestBuilder::create(&*provider).await?.seal()?;
    manifest.write_new(path)?;
    let created = Created {
        master_key: global.master_key(),
        created_key_file: key_file,
        manifest: path,
        serial: manifest.serial(),
    };
    output.print(&created, |created| {
        let mut text = String::new();
        if let Some(key) = created.created_key_file {
            let key = key.display();
            text += &format!(
                "created master key `{key}`: keep it secret, backed up, and out of version control\n"
            );
        }
        text + &format!("created manifest `{}`\n", created.manifest.display())
            + "next: sealwire keys create NAME"
    })
}
