use proptest::collection::vec;
use proptest::prelude::*;

use super::row::{RowBoundKey, RowKey};
use super::*;
use crate::policy::CekIndex;
use crate::secret::{MasterKey, RootSecret};
use crate::types::{DeclaredType, Family, ScalarType};
use crate::wrap;

fn cek() -> Cek {
    Cek::new(&std::array::from_fn(|i| u8::try_from(i).unwrap()))
}

fn column(mode: Mode, scalar: ScalarType, class: &str, padding: Option<u16>) -> ColumnSpec {
    ColumnSpec {
        schema: "public".into(),
        table: "users".into(),
        name: "column".into(),
        ty: DeclaredType::new(scalar),
        mode,
        cek: CekIndex(0),
        class: class.into(),
        padding,
        accept_frequency_leak: false,
        enumeration: None,
    }
}

fn email() -> ColumnSpec {
    column(
        Mode::Deterministic,
        ScalarType::Text,
        "public.users.email",
        None,
    )
}

fn note(padding: Option<u16>) -> ColumnSpec {
    column(
        Mode::Randomized,
        ScalarType::Text,
        "public.users.note",
        padding,
    )
}

fn sealed(key: &ColumnKey, value: &[u8]) -> Vec<u8> {
    let mut cell = Vec::new();
    key.seal(value, &mut cell).unwrap();
    cell
}

#[test]
fn deterministic_cells_repeat_and_randomized_ones_do_not() {
    for (spec, repeats) in [
        (email(), true),
        (note(None), false),
        (note(Some(16)), false),
    ] {
        let key = ColumnKey::derive(&cek(), 1, &spec);
        let (one, two) = (sealed(&key, b"value"), sealed(&key, b"value"));
        assert_eq!(one == two, repeats);
        let mut scratch = Zeroizing::new(Vec::new());
        for cell in [one, two] {
            let opened = key.open(&cell, &mut scratch).unwrap();
            assert_eq!(opened.canonical(), b"value");
        }
    }
}

#[test]
fn seal_appends_and_leaves_the_rest_alone() {
    let key = ColumnKey::derive(&cek(), 1, &email());
    let mut out = b"before".to_vec();
    key.seal(b"alice@example.com", &mut out).unwrap();
    assert_eq!(&out[..6], b"before");
    assert_eq!(out[6..], sealed(&key, b"alice@example.com"));

    let before = out.clone();
    let too_long = vec![0; MAX_DETERMINISTIC_LEN + 1];
    assert_eq!(
        key.seal(&too_long, &mut out),
        Err(SealError::DeterministicTooLong)
    );
    assert_eq!(out, before);
}

#[test]
fn columns_outside_the_format_seal_and_open_nothing() {
    let long_class = "c".repeat(MAX_CLASS_LEN + 1);
    let good = ColumnKey::derive(&cek(), 1, &email());
    let cell = sealed(&good, b"x");
    for (version, class, padding) in [
        (0, "public.users.email", None),
        (1, "", None),
        (1, long_class.as_str(), None),
        (1, "public.users.email", Some(0)),
        (1, "public.users.email", Some(1)),
    ] {
        let spec = column(Mode::Deterministic, ScalarType::Text, class, padding);
        let key = ColumnKey::derive(&cek(), version, &spec);
        let mut out = Vec::new();
        assert_eq!(key.seal(b"x", &mut out), Err(SealError::OutsideFormat));
        assert!(out.is_empty());
        let mut scratch = Zeroizing::new(Vec::new());
        assert_eq!(key.open(&cell, &mut scratch).unwrap_err(), CellError);
    }
}

#[test]
fn a_refused_cell_leaves_no_plaintext_in_the_scratch_buffer() {
    let key = ColumnKey::derive(&cek(), 1, &email());
    let mut cell = sealed(&key, b"alice@example.com");
    let last = cell.len() - 1;
    cell[last] ^= 1;
    let mut scratch = Zeroizing::new(b"an earlier value".to_vec());
    assert_eq!(key.open(&cell, &mut scratch).unwrap_err(), CellError);
    assert!(scratch.is_empty());
}

#[test]
fn open_does_not_allocate_once_warm() {
    let key = ColumnKey::derive(&cek(), 1, &note(None));
    let (long, short) = (sealed(&key, &[7; 1000]), sealed(&key, b"short"));
    let mut scratch = Zeroizing::new(Vec::new());
    key.open(&long, &mut scratch).unwrap();
    let (at, capacity) = (scratch.as_ptr(), scratch.capacity());
    for cell in [&short, &long, &short] {
        key.open(cell, &mut scratch).unwrap();
        assert_eq!((scratch.as_ptr(), scratch.capacity()), (at, capacity));
    }
}

#[test]
fn every_padded_length_opens_to_its_value() {
    for block in [2, 3, 16, 17] {
        let key = ColumnKey::derive(&cek(), 1, &note(Some(block)));
        let mut scratch = Zeroizing::new(Vec::new());
        for len in 0..50 {
            // Values that end like padding are the interesting ones.
            for filler in [0x00, 0x80, 0xff] {
                let value = vec![filler; len];
                let cell = sealed(&key, &value);
                assert_eq!((cell.len() - 30) % usize::from(block), 0);
                assert!(cell.len() - 30 > len && cell.len() - 30 <= len + usize::from(block));
                let opened = key.open(&cell, &mut scratch).unwrap();
                assert_eq!(opened.canonical(), value);
            }
        }
    }
}

#[test]
fn row_bound_cells_open_in_their_row_only() {
    let key = RowBoundKey::derive(&cek(), 2, Family::Text, "public.users.note", Some(16));
    let row = |id: i64| RowKey::new(&[&id.to_be_bytes()]).unwrap();
    let mut cell = Vec::new();
    key.seal(b"private", &row(7), &mut cell).unwrap();
    let mut scratch = Zeroizing::new(Vec::new());
    let opened = key.open(&cell, &row(7), &mut scratch).unwrap();
    assert_eq!(opened.canonical(), b"private");
    assert!(key.open(&cell, &row(8), &mut scratch).is_err());
    let unbound = ColumnKey::derive(&cek(), 2, &note(Some(16)));
    assert!(unbound.open(&cell, &mut scratch).is_err());
}

#[test]
fn row_keys_are_bounded() {
    assert!(RowKey::new(&[]).is_none());
    assert!(RowKey::new(&[&[0; 65_536]]).is_none());
    assert!(RowKey::new(&vec![b"".as_slice(); 65_536]).is_none());
    // Lengths keep ("ab", "") and ("a", "b") apart.
    let one = RowKey::new(&[b"ab", b""]).unwrap();
    let two = RowKey::new(&[b"a", b"b"]).unwrap();
    assert_ne!(one.as_bytes(), two.as_bytes());
}

#[test]
fn wrapped_keys_open_for_their_master_role_and_identifier_only() {
    let (master, other) = (MasterKey::new(&[1; 32]), MasterKey::new(&[2; 32]));
    let (id, key) = ([3; 16], [4; 32]);
    let wrapped = wrap::seal(&master, wrap::Role::Cek, &id, &key).unwrap();
    assert_eq!(
        *wrap::open(&master, wrap::Role::Cek, &id, &wrapped).unwrap(),
        key
    );
    let refused = [
        wrap::open(&other, wrap::Role::Cek, &id, &wrapped),
        wrap::open(&master, wrap::Role::ManifestRoot, &id, &wrapped),
        wrap::open(&master, wrap::Role::Cek, &[5; 16], &wrapped),
        wrap::open(&master, wrap::Role::Cek, &id, &wrapped[..60]),
        wrap::open(
            &master,
            wrap::Role::Cek,
            &id,
            &[&wrapped[..], &[0]].concat(),
        ),
        wrap::open(&master, wrap::Role::Cek, &id, &[]),
    ];
    assert!(refused.iter().all(Result::is_err));
    for at in 0..wrapped.len() {
        let mut altered = wrapped;
        altered[at] ^= 0x10;
        assert!(wrap::open(&master, wrap::Role::Cek, &id, &altered).is_err());
    }
}

#[test]
fn debug_shows_no_secret() {
    // Bytes whose decimal and hexadecimal forms appear nowhere else.
    let bytes = [0xb7; 32];
    let leaks = |text: String| text.contains("183") || text.to_lowercase().contains("b7");
    let cek = Cek::new(&bytes);
    assert!(!leaks(format!("{cek:?}")));
    assert!(!leaks(format!("{:?}", RootSecret::new(&bytes))));
    assert!(!leaks(format!("{:?}", MasterKey::new(&bytes))));
    assert!(!leaks(format!("{:?}", RowKey::new(&[&bytes]).unwrap())));
    for spec in [email(), note(None)] {
        let key = ColumnKey::derive(&cek, 1, &spec);
        let debug = format!("{key:?} {key:#?}");
        assert!(!leaks(debug.clone()), "{debug}");
        assert!(
            debug.starts_with("ColumnKey { header: Some(Header { mode:"),
            "{debug}"
        );
        let mut scratch = Zeroizing::new(Vec::new());
        let cell = sealed(&key, &bytes);
        let opened = key.open(&cell, &mut scratch).unwrap();
        assert_eq!(
            format!("{opened:?} {opened:#?}"),
            "OpenedCell(redacted) OpenedCell(redacted)"
        );
    }
    let row_bound = RowBoundKey::derive(&cek, 1, Family::Text, "class", None);
    assert!(!leaks(format!("{row_bound:?}")));
}

#[test]
fn generated_secrets_differ() {
    let (one, two) = (Cek::generate().unwrap(), Cek::generate().unwrap());
    assert_ne!(one.expose(), two.expose());
    assert_ne!(one.expose(), &[0; 32]);
}

/// One key of every form that a column can have.
fn keys() -> Vec<ColumnKey> {
    let mut keys = Vec::new();
    for mode in [Mode::Deterministic, Mode::Randomized] {
        for padding in [None, Some(2), Some(16), Some(999)] {
            let spec = column(mode, ScalarType::Text, "class", padding);
            keys.push(ColumnKey::derive(&cek(), 1, &spec));
        }
    }
    keys.push(RowBoundKey::derive(&cek(), 1, Family::Text, "class", None).0);
    keys
}

/// Bytes that get past the header more often than chance allows.
fn hostile_cell() -> impl Strategy<Value = Vec<u8>> {
    let header = prop::sample::select(&[0x11, 0x12, 0x16, 0x19, 0x1a, 0x1e, 0x13, 0x15, 0x00][..]);
    prop_oneof![
        vec(any::<u8>(), 0..100),
        (header, 0..=2u8, vec(any::<u8>(), 0..100)).prop_map(|(header, version, rest)| [
            &[header, version],
            rest.as_slice()
        ]
        .concat()),
    ]
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(cell in hostile_cell()) {
        let mut scratch = Zeroizing::new(Vec::new());
        for key in keys() {
            prop_assert_eq!(key.open(&cell, &mut scratch).unwrap_err(), CellError);
            prop_assert!(scratch.is_empty());
        }
        if let Some(header) = Header::parse(&cell) {
            prop_assert_eq!(header.to_bytes(), [cell[0], cell[1]]);
            prop_assert!(header.version != 0 && cell.len() >= 18);
        }
        let _ = wrap::open(&MasterKey::new(&[0; 32]), wrap::Role::Cek, &[0; 16], &cell);
    }

    #[test]
    fn a_header_parses_exactly_when_some_column_has_such_cells(first: u8, version: u8) {
        // An empty value in the smallest padding block has 32 bytes in the longest form.
        let mut cell = [0; 32];
        cell[..2].copy_from_slice(&[first, version]);
        let defined = [0x11, 0x12, 0x16, 0x19, 0x1a, 0x1e].contains(&first) && version != 0;
        prop_assert_eq!(Header::parse(&cell).is_some(), defined);
    }

    #[test]
    fn what_is_sealed_opens(value in vec(any::<u8>(), 0..200)) {
        let mut scratch = Zeroizing::new(Vec::new());
        for key in keys() {
            let cell = sealed(&key, &value);
            prop_assert!(Header::parse(&cell).is_some());
            prop_assert_eq!(key.open(&cell, &mut scratch).unwrap().canonical(), &value);
        }
    }
}
