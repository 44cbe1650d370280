//! What analysis costs: the mention test that every statement pays, and the analysis that a text
//! pays once per session.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

#[path = "../tests/common/schema.rs"]
mod schema;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sealwire_sql::{Matcher, Protocol, analyse_with};

const UNTOUCHED: &str = "SELECT l.id, l.body, l.at FROM logs l \
    WHERE l.at > $1 AND l.email LIKE $2 ORDER BY l.at DESC LIMIT 50";
const POINT: &str = "SELECT id, email, name FROM users WHERE email = $1";
const INSERT: &str =
    "INSERT INTO users (id, email, ssn, name) VALUES ($1, $2, $3, $4) RETURNING id";
const JOIN: &str = "SELECT u.id, u.email, o.total, o.card, v.mail, e.payload, l.body \
    FROM users u JOIN orders o ON o.email = u.email JOIN v_users v ON v.mail = u.email \
    LEFT JOIN events e ON e.id = o.id LEFT JOIN logs l ON l.id = u.id \
    WHERE u.email = $1 AND o.status = $2 AND o.qty IN (1, 2, 3) ORDER BY o.total LIMIT $3";

fn mention(criterion: &mut Criterion) {
    let world = schema::s1();
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    let mut group = criterion.benchmark_group("mention");
    for (name, sql) in [
        ("untouched", UNTOUCHED),
        ("point", POINT),
        ("join", JOIN),
        ("begin", "BEGIN"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| matcher.mentions(black_box(sql)))
        });
    }
    group.bench_function("build", |bencher| {
        bencher.iter(|| Matcher::new(black_box(&world.policy), &world.catalogue));
    });
    group.finish();
}

fn cold(criterion: &mut Criterion) {
    let world = schema::s1();
    let matcher = Matcher::new(&world.policy, &world.catalogue);
    let mut group = criterion.benchmark_group("analyse");
    for (name, sql) in [("point", POINT), ("insert", INSERT), ("join5", JOIN)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let context = world.context();
                analyse_with(&matcher, black_box(sql), Protocol::Extended, &context)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, mention, cold);
criterion_main!(benches);
