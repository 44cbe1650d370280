//! `sealwire keys`

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::args::Global;
use crate::error::Error;
use crate::files;
use crate::output::{Output, table};

#[derive(Serialize)]
struct Key {
    name: String,
    columns: usize,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    number: u8,
    state: String,
    id: String,
}

pub(crate) async fn list(global: &Global, output: &mut Output) -> Result<(), Error> {
    let (builder, _) = files::edit(global).await?;
    let keys: Vec<Key> = builder
        .ceks()
        .iter()
        .map(|cek| Key {
            name: cek.name.clone(),
            columns: builder
                .columns()
                .iter()
                .filter(|c| c.cek == cek.name)
                .count(),
            versions: cek
                .versions
                .iter()
                .map(|version| Version {
                    number: version.number,
                    state: version.state.to_string(),
                    id: HEXLOWER.encode(version.id()),
                })
                .collect(),
        })
        .collect();
    output.print(&keys, |keys| {
        if keys.is_empty() {
            return "no keys yet; create one with `sealwire keys create NAME`".into();
        }
        let rows: Vec<[String; 5]> = keys
            .iter()
            .flat_map(|key| {
                key.versions.iter().map(|version| {
                    [
                        key.name.clone(),
                        version.number.to_string(),
                        version.state.clone(),
                        version.id.clone(),
                        key.columns.to_string(),
                    ]
                })
            })
            .collect();
        table(["KEY", "VERSION", "STATE", "ID", "COLUMNS"], &rows)
    })
}

#[derive(Serialize)]
struct Created<'a> {
    key: &'a str,
    version: u8,
    serial: u64,
}

pub(crate) async fn create(global: &Global, name: &str, output: &mut Output) -> Result<(), Error> {
    let (mut builder, provider) = files::edit(global).await?;
    builder.add_cek(name, &*provider).await?;
    let serial = files::save(global, builder)?;
    let created = Created {
        key: name,
        version: 1,
        serial,
    };
    output.print(&created, |created| {
        format!(
            "created key `{}` version {}; the manifest has serial {}",
            created.key, created.version, created.serial
        )
    })
}

#[derive(Serialize)]
struct Rewrapped<'a> {
    keys: usize,
    from: &'a str,
    to: &'a str,
    serial: u64,
}

pub(crate) async fn rewrap(global: &Global, to: &str, output: &mut Output) -> Result<(), Error> {
    let (mut builder, from) = files::edit(global).await?;
    let new = files::provider(to)?;
    builder.rewrap(&*from, &*new).await?;
    let keys = builder.ceks().iter().map(|cek| cek.versions.len()).sum();
    let serial = files::save(global, builder)?;
    let rewrapped = Rewrapped {
        keys,
        from: &from.describe(),
        to: &new.describe(),
        serial,
    };
    output.print(&rewrapped, |done| {
        format!(
            "wrapped {} key versions and the root secret under `{}`; the manifest has serial {}",
            done.keys, done.to, done.serial
        )
    })
}
