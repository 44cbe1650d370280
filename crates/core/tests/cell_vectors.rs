//! Runs `tests/vectors/cell`: what an independent implementation wrote from the specification
//! must come out byte for byte, and every faulty cell must be refused by the layer that the file
//! names.

#![expect(
    clippy::unwrap_used,
    reason = "a vector that lacks a field fails the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sealwire_core::cell::row::{RowBoundKey, RowKey};
use sealwire_core::cell::vectors::{self, Layer, NONCE_LEN};
use sealwire_core::cell::{
    CellError, ColumnKey, Header, SealError, blind_index, key_check_value, manifest_mac_key,
};
use sealwire_core::policy::{CekIndex, ColumnSpec, Mode};
use sealwire_core::secret::{Cek, MasterKey, RootSecret};
use sealwire_core::types::{DeclaredType, Family, ScalarType};
use sealwire_core::wrap;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// Bytes written in hexadecimal, in one line or several.
#[derive(Clone, Debug)]
struct Hex(Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        pairs
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
    }
}

impl Hex {
    fn array<const N: usize>(&self) -> [u8; N] {
        self.0.as_slice().try_into().unwrap()
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Vector {
    Cell(CellVector),
    Wrap(WrapVector),
    Derivation(DerivationVector),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellVector {
    expect: String,
    #[serde(rename = "comment")]
    _comment: String,
    key: Hex,
    version: u8,
    mode: String,
    family: u8,
    class: String,
    block: Option<u16>,
    row: Option<Vec<Hex>>,
    nonce: Option<Hex>,
    plaintext: Option<Hex>,
    plaintext_repeat: Option<usize>,
    cell: Option<Hex>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrapVector {
    expect: String,
    #[serde(rename = "comment")]
    _comment: String,
    master: Hex,
    role: String,
    key_id: Hex,
    nonce: Option<Hex>,
    key: Option<Hex>,
    wrapped: Hex,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DerivationVector {
    expect: String,
    #[serde(rename = "comment")]
    _comment: String,
    key: Hex,
    family: u8,
    class: String,
    #[serde(rename = "prk")]
    _prk: Hex,
    #[serde(rename = "deterministic_info")]
    _info: Hex,
    #[serde(rename = "deterministic_okm")]
    _okm: Hex,
    key_check_value: Hex,
    manifest_mac_key: Hex,
    plaintext: Hex,
    blind_index: Hex,
}

/// A column's key, bound to a row or not.
enum Key {
    Column(ColumnKey),
    RowBound(RowBoundKey, RowKey),
}

impl Key {
    fn of(vector: &CellVector) -> Self {
        let cek = Cek::new(&vector.key.array());
        let (ty, family) = family(vector.family);
        let mode = match vector.mode.as_str() {
            "deterministic" => Mode::Deterministic,
            "randomized" => Mode::Randomized,
            other => panic!("unknown mode {other}"),
        };
        if let Some(row) = &vector.row {
            assert_eq!(mode, Mode::Randomized);
            let columns: Vec<&[u8]> = row.iter().map(|hex| hex.0.as_slice()).collect();
            let key =
                RowBoundKey::derive(&cek, vector.version, family, &vector.class, vector.block);
            return Self::RowBound(key, RowKey::new(&columns).unwrap());
        }
        let spec = ColumnSpec {
            schema: "public".into(),
            table: "t".into(),
            name: "c".into(),
            ty,
            mode,
            cek: CekIndex(0),
            class: vector.class.clone(),
            padding: vector.block,
            accept_frequency_leak: false,
            enumeration: None,
        };
        Self::Column(ColumnKey::derive(&cek, vector.version, &spec))
    }

    fn seal(&self, value: &[u8], nonce: &[u8; NONCE_LEN]) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::new();
        match self {
            Self::Column(key) => vectors::seal(key, value, nonce, &mut out)?,
            Self::RowBound(key, row) => vectors::seal_in_row(key, value, nonce, row, &mut out)?,
        }
        Ok(out)
    }

    fn open(&self, cell: &[u8]) -> Result<Vec<u8>, Layer> {
        let mut scratch = Zeroizing::new(Vec::new());
        match self {
            Self::Column(key) => vectors::open(key, cell, &mut scratch),
            Self::RowBound(key, row) => vectors::open_in_row(key, cell, row, &mut scratch),
        }
        .map(|opened| opened.canonical().to_vec())
    }

    /// What callers get to see.
    fn open_opaquely(&self, cell: &[u8]) -> Result<Vec<u8>, CellError> {
        let mut scratch = Zeroizing::new(b"an earlier value".to_vec());
        let opened = match self {
            Self::Column(key) => key.open(cell, &mut scratch),
            Self::RowBound(key, row) => key.open(cell, row, &mut scratch),
        }
        .map(|opened| opened.canonical().to_vec());
        assert!(opened.is_ok() || scratch.is_empty());
        opened
    }
}

fn family(byte: u8) -> (DeclaredType, Family) {
    let scalars = ScalarType::ALL.iter().copied().chain([ScalarType::Enum]);
    let mut types = scalars
        .map(DeclaredType::new)
        .flat_map(|ty| [ty, ty.array()]);
    let ty = types.find(|ty| ty.family().byte() == byte).unwrap();
    (ty, ty.family())
}

fn plaintext(vector: &CellVector) -> Vec<u8> {
    let unit = &vector.plaintext.as_ref().unwrap().0;
    unit.repeat(vector.plaintext_repeat.unwrap_or(1))
}

fn check_accepted_cell(vector: &CellVector) {
    let key = Key::of(vector);
    let (cell, value) = (&vector.cell.as_ref().unwrap().0, plaintext(vector));
    let nonce = vector.nonce.as_ref().map_or([0; NONCE_LEN], Hex::array);
    assert_eq!(key.seal(&value, &nonce).as_ref(), Ok(cell));
    assert_eq!(key.open(cell).as_ref(), Ok(&value));
    assert_eq!(key.open_opaquely(cell).as_ref(), Ok(&value));

    let header = Header::parse(cell).unwrap();
    assert_eq!(header.mode.to_string(), vector.mode);
    assert_eq!(header.version, vector.version);
    assert_eq!(header.padded, vector.block.is_some());
    assert_eq!(header.row_bound, vector.row.is_some());

    // No other cell than this one opens: every bit and every length counts.
    if cell.len() <= 256 {
        for bit in 0..cell.len() * 8 {
            let mut altered = cell.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&altered).is_err(), "bit {bit} does not count");
        }
        for len in 0..cell.len() {
            assert!(key.open(&cell[..len]).is_err(), "opens after {len} bytes");
        }
    }
}

fn check_refused_cell(vector: &CellVector) {
    let layer = match vector.expect.as_str() {
        "length" => Layer::Length,
        "header" => Layer::Header,
        "version" => Layer::Version,
        "authentication" => Layer::Authentication,
        "padding" => Layer::Padding,
        other => panic!("unknown layer {other}"),
    };
    let key = Key::of(vector);
    let cell = &vector.cell.as_ref().unwrap().0;
    assert_eq!(key.open(cell), Err(layer));
    assert_eq!(key.open_opaquely(cell), Err(CellError));
}

fn check_refused_value(vector: &CellVector) {
    let sealed = Key::of(vector).seal(&plaintext(vector), &[0; NONCE_LEN]);
    assert_eq!(sealed, Err(SealError::DeterministicTooLong));
}

fn check_wrap(vector: &WrapVector) {
    let master = MasterKey::new(&vector.master.array());
    let role = match vector.role.as_str() {
        "cek" => wrap::Role::Cek,
        "manifest-root" => wrap::Role::ManifestRoot,
        other => panic!("unknown role {other}"),
    };
    let id = vector.key_id.array();
    let opened = wrap::open(&master, role, &id, &vector.wrapped.0);
    if vector.expect == "unwrap" {
        assert_eq!(opened.unwrap_err(), wrap::WrapError);
        return;
    }
    assert_eq!(vector.expect, "ok");
    let key = vector.key.as_ref().unwrap().array();
    let nonce = vector.nonce.as_ref().unwrap().array();
    assert_eq!(*opened.unwrap(), key);
    let wrapped = wrap::seal_with_nonce(&master, role, &id, &key, &nonce);
    assert_eq!(wrapped.as_slice(), vector.wrapped.0);
}

fn check_derivation(vector: &DerivationVector) {
    assert_eq!(vector.expect, "ok");
    let cek = Cek::new(&vector.key.array());
    assert_eq!(key_check_value(&cek), vector.key_check_value.array());
    let root = RootSecret::new(&vector.key.array());
    assert_eq!(*manifest_mac_key(&root), vector.manifest_mac_key.array());
    let (_, family) = family(vector.family);
    let index = blind_index(&cek, family, &vector.class, &vector.plaintext.0);
    assert_eq!(index, vector.blind_index.array());
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/cell")
}

#[test]
fn every_vector_does_what_it_says() {
    let mut ran: BTreeMap<String, usize> = BTreeMap::new();
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let vector: Vector =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The test harness shows this when an assertion below fails.
        eprintln!("vector {name}");
        let expect = match &vector {
            Vector::Cell(cell) => {
                match cell.expect.as_str() {
                    "ok" => check_accepted_cell(cell),
                    "value" => check_refused_value(cell),
                    _ => check_refused_cell(cell),
                }
                &cell.expect
            }
            Vector::Wrap(wrap) => {
                check_wrap(wrap);
                &wrap.expect
            }
            Vector::Derivation(derivation) => {
                check_derivation(derivation);
                &derivation.expect
            }
        };
        assert!(
            name.starts_with(&format!("{expect}_")),
            "{name} is not named by its fault"
        );
        *ran.entry(expect.clone()).or_default() += 1;
    }
    // A directory that was not found, moved or emptied must not pass.
    for (expect, at_least) in [
        ("ok", 35),
        ("length", 14),
        ("header", 15),
        ("version", 3),
        ("authentication", 25),
        ("padding", 5),
        ("value", 2),
        ("unwrap", 12),
    ] {
        let count = ran.get(expect).copied().unwrap_or_default();
        assert!(count >= at_least, "only {count} vectors expect `{expect}`");
    }
}

#[test]
fn the_specification_shows_the_bytes_of_the_vectors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let specification = fs::read_to_string(root.join("docs/spec/cell-format.md")).unwrap();
    // Its examples are divided by blanks.
    let specification: String = specification.split_whitespace().collect();
    for (name, fields) in [
        ("ok_det_text", &["cell"][..]),
        ("ok_det_empty", &["cell"]),
        ("ok_det_padded_block_24", &["cell"]),
        ("ok_rnd_int", &["cell"]),
        ("ok_row_padded_empty", &["cell"]),
        ("ok_wrap_cek", &["wrapped"]),
        ("ok_wrap_manifest_root", &["wrapped"]),
        (
            "ok_derivation",
            &[
                "prk",
                "deterministic_info",
                "key_check_value",
                "manifest_mac_key",
            ],
        ),
    ] {
        let text = fs::read_to_string(directory().join(name).with_extension("toml")).unwrap();
        let vector: toml::Table = text.parse().unwrap();
        for field in fields {
            let bytes = vector[*field].as_str().unwrap();
            assert!(specification.contains(bytes), "{field} of {name}");
        }
    }
}
