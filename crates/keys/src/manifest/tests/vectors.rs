//! Runs `tests/vectors/manifest`, which another implementation wrote from the specification.

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use sealwire_core::secret::MasterKey;
use serde::Deserialize;

use super::super::*;
use crate::{KeyError, KeyRing, KeyRingOptions, LocalProvider, local};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    expect: String,
    #[expect(dead_code, reason = "for readers")]
    comment: String,
    master_key: Bytes,
    manifest: String,
    #[serde(default)]
    min_serial: u64,
    root_secret: Option<Bytes>,
    canonical: Option<Bytes>,
    #[serde(default)]
    keys: Vec<Bytes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MasterKeyVector {
    expect: String,
    #[expect(dead_code, reason = "for readers")]
    comment: String,
    line: String,
    key: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Bytes(Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = data_encoding::DecodeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        HEXLOWER.decode(text.as_bytes()).map(Self)
    }
}

/// The vector files whose names start, or do not start, with `master_key_`.
fn files(master_keys: bool) -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/manifest");
    let files = fs::read_dir(dir).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    let mut files: Vec<_> = files
        .filter(|(name, _)| name.starts_with("master_key_") == master_keys)
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_manifest_vector_ends_where_it_says() {
    let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
    for (name, text) in files(false) {
        let vector: Vector = toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let outcome = run(&vector).await;
        assert_eq!(outcome, vector.expect, "{name}");
        assert!(name.starts_with(&outcome.replace('-', "_")), "{name}");
        *outcomes.entry(vector.expect).or_default() += 1;
    }
    // A vector per outcome at least, so that a lost directory is noticed.
    assert_eq!(outcomes.len(), 9, "{outcomes:?}");
}

async fn run(vector: &Vector) -> &'static str {
    let key = vector.master_key.0.as_slice().try_into().unwrap();
    let provider = Arc::new(LocalProvider::new(MasterKey::new(key)));
    let manifest = match Manifest::parse(&vector.manifest) {
        Ok(manifest) => manifest,
        Err(
            ManifestError::Syntax { .. } | ManifestError::Invalid(_) | ManifestError::KeyName(_),
        ) => return "malformed",
        Err(ManifestError::UnsupportedVersion(_)) => return "version",
        Err(other) => panic!("{other:?}"),
    };
    let authentic = match manifest.authenticate(&*provider, vector.min_serial).await {
        Ok(authentic) => authentic,
        Err(ManifestError::ForeignRoot { .. }) => return "foreign-root",
        Err(ManifestError::NotAuthentic) => return "not-authentic",
        Err(ManifestError::Older { .. }) => return "older",
        Err(ManifestError::Policy(_)) => return "policy",
        Err(other) => panic!("{other:?}"),
    };
    if let Some(canonical) = &vector.canonical {
        assert_eq!(canonical::encode(&manifest.document), canonical.0);
    }
    if let Some(secret) = &vector.root_secret {
        let root = manifest.verify(&*provider).await.unwrap();
        assert_eq!(root.expose().as_slice(), secret.0);
    }
    let ring = KeyRing::new(&authentic, provider, KeyRingOptions::default()).unwrap();
    let first = KeyId {
        cek: CekIndex(0),
        version: 1,
    };
    match ring.key(first).await {
        Ok(_) => {}
        Err(KeyError::Unavailable {
            failure: ProviderError::WrongKey,
            ..
        }) => return "key",
        Err(KeyError::Mismatch { .. }) => return "key-check-value",
        Err(other) => panic!("{other:?}"),
    }
    let mut ids: Vec<KeyId> = authentic.wrapped().keys().copied().collect();
    ids.sort();
    for (id, key) in ids.into_iter().zip(&vector.keys) {
        assert_eq!(ring.key(id).await.unwrap().cek.expose().as_slice(), key.0);
    }
    "accepted"
}

#[test]
fn every_master_key_vector_ends_where_it_says() {
    let files = files(true);
    assert!(files.len() >= 2, "the vectors are missing");
    for (name, text) in files {
        let vector: MasterKeyVector = toml::from_str(&text).unwrap();
        match (local::parse_key(vector.line.as_bytes()), vector.key) {
            (Ok(key), Some(expected)) => {
                assert_eq!(vector.expect, "accepted", "{name}");
                assert_eq!(key.expose().as_slice(), expected.0);
                assert_eq!(local::format_key(&key).trim_end(), vector.line);
            }
            (Err(_), None) => assert_eq!(vector.expect, "damaged", "{name}"),
            _ => panic!("{name}"),
        }
    }
}
