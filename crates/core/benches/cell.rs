//! What one cell costs, beside the same cell made with the published `aes-gcm-siv` crate, which
//! derives its subkeys from the nonce anew for every cell. Ends with a table of ratios.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run stops")]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use criterion::{BenchmarkId, Criterion, Throughput};
use sealwire_core::cell::ColumnKey;
use sealwire_core::policy::{CekIndex, ColumnSpec, Mode};
use sealwire_core::secret::Cek;
use sealwire_core::types::{DeclaredType, ScalarType};
use zeroize::Zeroizing;

const SIZES: [usize; 6] = [8, 16, 64, 256, 1024, 16 * 1024];
const MODES: [Mode; 2] = [Mode::Deterministic, Mode::Randomized];

/// Shortest time of an iteration in nanoseconds, by operation, size and implementation.
type Times = RefCell<BTreeMap<(String, usize, &'static str), f64>>;

fn column_key(mode: Mode) -> ColumnKey {
    let spec = ColumnSpec {
        schema: "public".into(),
        table: "t".into(),
        name: "c".into(),
        ty: DeclaredType::new(ScalarType::Bytea),
        mode,
        cek: CekIndex(0),
        class: "public.t.c".into(),
        padding: None,
        accept_frequency_leak: false,
        enumeration: None,
    };
    ColumnKey::derive(&Cek::new(&[7; 32]), 1, &spec)
}

/// The same layout by the shortest way through the published crate.
struct Published {
    cipher: Aes256GcmSiv,
    mode: Mode,
}

impl Published {
    const HEADER: [u8; 2] = [0x11, 1];
    const CONSTANT_NONCE: [u8; 12] = [9; 12];

    fn new(mode: Mode) -> Self {
        let cipher = Aes256GcmSiv::new(&[7; 32].into());
        Self { cipher, mode }
    }

    fn seal(&self, value: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&Self::HEADER);
        let mut nonce = Self::CONSTANT_NONCE;
        if self.mode == Mode::Randomized {
            rand::Rng::fill_bytes(&mut rand::rng(), &mut nonce);
            out.extend_from_slice(&nonce);
        }
        let start = out.len();
        out.extend_from_slice(value);
        let buffer = out[start..].as_mut().into();
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), &Self::HEADER, buffer)
            .unwrap();
        out.extend_from_slice(&tag);
    }

    fn open(&self, cell: &[u8], scratch: &mut Vec<u8>) {
        let (nonce, rest) = match self.mode {
            Mode::Deterministic => (Self::CONSTANT_NONCE.into(), &cell[2..]),
            Mode::Randomized => (Nonce::try_from(&cell[2..14]).unwrap(), &cell[14..]),
        };
        let (sealed, tag) = rest.split_at(rest.len() - 16);
        scratch.clear();
        scratch.extend_from_slice(sealed);
        let buffer = scratch.as_mut_slice().into();
        self.cipher
            .decrypt_inout_detached(&nonce, &Self::HEADER, buffer, &Tag::try_from(tag).unwrap())
            .unwrap();
    }
}

fn bench(
    criterion: &mut Criterion,
    times: &Times,
    operation: &str,
    size: usize,
    runs: &mut [(&'static str, &mut dyn FnMut())],
) {
    let mut group = criterion.benchmark_group(operation);
    group.throughput(Throughput::Bytes(size as u64));
    for (implementation, run) in runs {
        let id = BenchmarkId::new(*implementation, size);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| {
                let start = Instant::now();
                for _ in 0..iterations {
                    run();
                }
                let elapsed = start.elapsed();
                let each = elapsed.as_secs_f64() * 1e9 / iterations as f64;
                times
                    .borrow_mut()
                    .entry((operation.to_owned(), size, implementation))
                    .and_modify(|best| *best = best.min(each))
                    .or_insert(each);
                elapsed
            });
        });
    }
    group.finish();
}

fn seal_and_open(criterion: &mut Criterion, times: &Times) {
    for mode in MODES {
        let (key, published) = (column_key(mode), Published::new(mode));
        for size in SIZES {
            let value = vec![0x5a; size];
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            bench(
                criterion,
                times,
                &format!("seal {mode}"),
                size,
                &mut [
                    ("sealwire", &mut || {
                        ours.clear();
                        key.seal(black_box(&value), &mut ours).unwrap();
                        black_box(&ours);
                    }),
                    ("published", &mut || {
                        theirs.clear();
                        published.seal(black_box(&value), &mut theirs);
                        black_box(&theirs);
                    }),
                ],
            );

            let (mut our_scratch, mut their_scratch) = (Zeroizing::new(Vec::new()), Vec::new());
            ours.clear();
            key.seal(&value, &mut ours).unwrap();
            theirs.clear();
            published.seal(&value, &mut theirs);
            bench(
                criterion,
                times,
                &format!("open {mode}"),
                size,
                &mut [
                    ("sealwire", &mut || {
                        let opened = key.open(black_box(&ours), &mut our_scratch).unwrap();
                        black_box(opened.canonical());
                    }),
                    ("published", &mut || {
                        published.open(black_box(&theirs), &mut their_scratch);
                        black_box(&their_scratch);
                    }),
                ],
            );
        }
    }
}

fn derive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("derive");
    for mode in MODES {
        group.bench_function(mode.to_string(), |bencher| {
            bencher.iter(|| column_key(black_box(mode)));
        });
    }
    group.finish();
}

fn print_ratios(times: &Times) {
    println!("\nbest time of one cell in ns, and its ratio to the published crate's");
    println!(
        "{:<22}{:>8}{:>12}{:>12}{:>8}",
        "", "bytes", "sealwire", "published", "ratio"
    );
    for ((operation, size, implementation), ours) in &*times.borrow() {
        let published = (operation.clone(), *size, "published");
        if *implementation == "sealwire"
            && let Some(theirs) = times.borrow().get(&published)
        {
            let ratio = ours / theirs;
            println!("{operation:<22}{size:>8}{ours:>12.0}{theirs:>12.0}{ratio:>8.2}");
        }
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let times = Times::default();
    seal_and_open(&mut criterion, &times);
    derive(&mut criterion);
    criterion.final_summary();
    print_ratios(&times);
}
