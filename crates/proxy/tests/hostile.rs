//! Random clients, each with a seed of its own: bytes that mean nothing, messages in any order, every
//! way to go away. Whatever they do, the others are served and nothing is left of them.
//!
//! `SEALWIRE_HOSTILE_SEED` and `SEALWIRE_HOSTILE_COUNT` choose others and more of them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "proxy/certificates.rs"]
#[allow(dead_code, reason = "each test binary uses what it needs")]
mod certificates;
#[path = "proxy/support.rs"]
mod support;

use std::time::Duration;

use certificates::{Authority, with_tls};
use futures_util::stream::{self, StreamExt};
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::wire::WireClient;
use socket2::SockRef;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];
/// Clients at a time.
const AT_A_TIME: usize = 16;
/// How long a client looks for an answer that may not come.
const GLANCE: Duration = Duration::from_millis(20);

/// Chooses, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds are to be strangers.
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit
    }

    fn one_in(&mut self, number: usize) -> bool {
        self.below(number) == 0
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let len = self.below(limit + 1);
        (0..len).map(|_| self.next().to_le_bytes()[4]).collect()
    }
}

/// Something where a startup message belongs.
fn beginning(chance: &mut Chance, user: &str, database: &str) -> Vec<u8> {
    let parameters = [
        ("user", user),
        ("database", database),
        ("options", "-c work_mem=1MB"),
        ("replication", "database"),
        ("_pq_.unknown", "1"),
        ("client_encoding", "LATIN1"),
        ("", "nothing"),
    ];
    let count = chance.below(parameters.len() + 1);
    let mut bytes = match chance.below(6) {
        0 => return chance.bytes(300),
        1 => SSL_REQUEST.to_vec(),
        2 => GSS_REQUEST.to_vec(),
        3 => [&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e][..], &chance.bytes(8)].concat(),
        4 => startup(
            u16::try_from(chance.below(4)).unwrap(),
            &parameters[..count],
        ),
        _ => startup(0, &parameters[..2]),
    };
    if chance.one_in(3) && !bytes.is_empty() {
        let at = chance.below(bytes.len());
        bytes[at] = chance.next().to_le_bytes()[3];
    }
    bytes
}

/// One of a client's messages, good or not.
fn message(chance: &mut Chance) -> Vec<u8> {
    let statements: &[&[u8]] = &[
        b"SELECT 1",
        b"INSERT INTO people (id, email, note) VALUES ($1, $2, $3)",
        b"SELECT email, note FROM people WHERE email = $1",
        b"BEGIN",
        b"ROLLBACK",
        b"COPY people (id, email) FROM STDIN",
        b"COPY people TO STDOUT",
        b"SELECT repeat('x', 1000) FROM generate_series(1, 1000)",
        b"SELECT FROM people WHERE note LIKE 'a%'",
        b"SELEKT",
        b"",
    ];
    let sql = *chance.one_of(statements);
    let names: &[&[u8]] = &[b"", b"a", b"b"];
    let name = *chance.one_of(names);
    let mut body = match chance.below(8) {
        0 => return frame(*chance.one_of(b"PBDECHSQFdcfpX\0\xff"), &chance.bytes(200)),
        1 => return frame(b'Q', &[sql, b"\0"].concat()),
        2 => return frame(b'S', b""),
        3 => (b'P', [name, b"\0", sql, b"\0\0\0"].concat()),
        4 => {
            let values = b"\0\x03\0\0\0\x011\0\0\0\x05a@b.c\xff\xff\xff\xff\0\0";
            (b'B', [name, b"\0", name, b"\0\0\0", values].concat())
        }
        5 => (
            *chance.one_of(b"DC"),
            [*chance.one_of(b"SP")]
                .iter()
                .chain(name)
                .chain(b"\0")
                .copied()
                .collect(),
        ),
        6 => (b'E', [name, b"\0\0\0\0\0"].concat()),
        _ => (*chance.one_of(b"dcfH"), b"1\ta@b.c\n".to_vec()),
    };
    if chance.one_in(5) && !body.1.is_empty() {
        let at = chance.below(body.1.len());
        body.1[at] = chance.next().to_le_bytes()[3];
    }
    let mut bytes = frame(body.0, &body.1);
    if chance.one_in(20) {
        bytes.truncate(chance.below(bytes.len()));
    }
    bytes
}

/// Reads what is there, or not.
async fn glance(stream: &mut TcpStream) {
    let mut buffer = [0; 512];
    let _ = tokio::time::timeout(GLANCE, stream.read(&mut buffer)).await;
}

/// What one client does from beginning to end.
async fn one(seed: u64, proxy: &Running, fixture: &Fixture) {
    let mut chance = Chance::new(seed);
    let (user, database) = (fixture.sealed().owner(), fixture.sealed().name());
    let is_session = chance.one_in(2);
    let mut stream = if is_session {
        let mut config = fixture.sealed().config();
        config.password("");
        let client = WireClient::start(proxy.stream().await, &config, &[]).await;
        client
            .unwrap_or_else(|error| panic!("{error:?}"))
            .into_stream()
    } else {
        proxy.stream().await
    };
    for _ in 0..chance.below(12) {
        let bytes = match is_session {
            true => message(&mut chance),
            false if chance.one_in(3) => message(&mut chance),
            false => beginning(&mut chance, user, database),
        };
        // The proxy may have had enough.
        let writing = tokio::time::timeout(GLANCE, stream.write_all(&bytes)).await;
        if !matches!(writing, Ok(Ok(()))) {
            break;
        }
        if chance.one_in(4) {
            glance(&mut stream).await;
        }
    }
    match chance.below(4) {
        0 => SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap(),
        1 => {
            let _ = stream.shutdown().await;
            glance(&mut stream).await;
        }
        2 => glance(&mut stream).await,
        _ => {}
    }
}

fn number(variable: &str, unless_given: u64) -> u64 {
    std::env::var(variable).map_or(unless_given, |text| text.parse().unwrap())
}

fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_harmed_by_random_clients() {
    let fixture = Fixture::new(people()).await;
    let server = settings_without_password(&fixture).server;
    let mut settings = with_tls(&fixture, &Authority::new());
    settings.server = server;
    let proxy = Running::start(settings).await;
    let bystander = proxy.client(&fixture).await;
    works(&bystander, 1).await;
    let before = descriptors();

    let first = number("SEALWIRE_HOSTILE_SEED", 0);
    let count = number("SEALWIRE_HOSTILE_COUNT", 600);
    let clients = stream::iter(first..first + count).map(|seed| one(seed, &proxy, &fixture));
    let mut clients = std::pin::pin!(clients.buffer_unordered(AT_A_TIME));
    let mut id = 1000;
    while clients.next().await.is_some() {
        id += 1;
        if id % 20 == 0 {
            // The random ones insert rows too, though none of this number.
            works(&bystander, id).await;
        }
    }
    proxy.settle(1.0).await;
    until("descriptors are closed", async || descriptors() <= before).await;
    works(&bystander, id + 1000).await;
    proxy.adds_up(1.0).await;
    proxy.counts("sealwire_messages_held_bytes", 0.0).await;
    let metrics = proxy.metrics().await;
    // Each part of the generator has reached its part of the proxy.
    for end in ["bad_start", "client_fault", "closed", "not_authenticated"] {
        assert!(proxy.ended(end).await > 0.0, "{end}: {metrics:?}");
    }
}
