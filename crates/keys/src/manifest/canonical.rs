//! The bytes under the manifest's MAC (`docs/spec/manifest.md`, section 3).

use hmac::{Hmac, KeyInit, Mac};
use sealwire_core::cell;
use sealwire_core::policy::Mode;
use sealwire_core::secret::RootSecret;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::document::{CekEntry, ColumnEntry, Document, KeyState, TableEntry};
use super::encoding::Hex;

const LABEL: &[u8] = b"sealwire/v1\0manifest\0";

/// The MAC that the document must carry.
pub(super) fn mac(document: &Document, root: &RootSecret) -> Hex<32> {
    Hex(keyed(document, root).finalize().into_bytes().into())
}

/// Whether the document carries its MAC; the comparison takes the same time whatever differs.
pub(super) fn verify(document: &Document, root: &RootSecret) -> bool {
    keyed(document, root).verify_slice(&document.mac.0).is_ok()
}

fn keyed(document: &Document, root: &RootSecret) -> Hmac<Sha256> {
    let key = cell::manifest_mac_key(root);
    // A shorter key is padded with zeros to one block (RFC 2104, section 2); done here, it needs
    // no constructor that could fail.
    let mut block = Zeroizing::new([0u8; 64]);
    block[..key.len()].copy_from_slice(&*key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(&encode(document));
    mac
}

/// Every field except `mac`, in the order of the specification; every variable length is counted.
pub(super) fn encode(document: &Document) -> Vec<u8> {
    let mut out = Encoder(LABEL.to_vec());
    out.0.extend(document.version.to_be_bytes());
    out.0.extend(document.serial.to_be_bytes());
    out.0.extend(document.root.id.0);
    out.bytes(document.root.wrapped.as_bytes());
    out.list(&document.ceks, Encoder::cek);
    out.list(&document.columns, Encoder::column);
    out.list(&document.tables, Encoder::table);
    out.0
}

struct Encoder(Vec<u8>);

impl Encoder {
    /// A count is 64 bits wide, so that no length can be cut off.
    fn count(&mut self, n: usize) {
        self.0.extend((n as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn list<T>(&mut self, items: &[T], item: impl Fn(&mut Self, &T)) {
        self.count(items.len());
        for each in items {
            item(self, each);
        }
    }

    fn cek(&mut self, cek: &CekEntry) {
        self.bytes(cek.name.as_bytes());
        self.list(&cek.versions, |out, version| {
            out.0.push(version.number);
            out.0.push(match version.state {
                KeyState::Active => 1,
                KeyState::Live => 2,
            });
            out.0.extend(version.id.0);
            out.0.extend(version.kcv.0);
            out.bytes(version.wrapped.as_bytes());
        });
    }

    fn column(&mut self, column: &ColumnEntry) {
        self.bytes(column.table.to_string().as_bytes());
        self.bytes(column.column.as_bytes());
        self.bytes(column.ty.to_string().as_bytes());
        self.0.push(match column.mode {
            Mode::Deterministic => 1,
            Mode::Randomized => 2,
        });
        self.bytes(column.cek.as_bytes());
        self.bytes(column.class.as_bytes());
        self.0.extend(column.padding.unwrap_or(0).to_be_bytes());
        self.0.push(u8::from(column.accept_frequency_leak));
        // The type's own bytes, before these, say whether they are there.
        if column.ty.is_enum() {
            self.list(&column.labels, |out, label| out.bytes(label.as_bytes()));
        }
    }

    fn table(&mut self, table: &TableEntry) {
        self.bytes(table.name.to_string().as_bytes());
        self.list(&table.columns, |out, column| out.bytes(column.as_bytes()));
    }
}
