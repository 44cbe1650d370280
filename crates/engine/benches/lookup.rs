//! What a text costs that the session has seen before: Parse in, the same Parse out, ParseComplete
//! back. The look-up of the text and of its plan is a part of it, with the frames and the queue.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]
#![allow(dead_code, reason = "the scripted peers are those of the tests")]

#[path = "../tests/session"]
mod session {
    pub(crate) mod model;
    pub(crate) mod pair;
    pub(crate) mod wire;
}

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use session::pair::Pair;
use session::wire;

const TEXTS: [(&str, &str); 2] = [
    ("plain", "SELECT id FROM logs WHERE id = $1"),
    ("planned", "SELECT id, email FROM users WHERE email = $1"),
];

fn cached(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cached");
    for (name, text) in TEXTS {
        let mut pair = Pair::new(None);
        let parse = wire::parse("", text, &[]);
        let frames = pair.ask(&[parse.clone(), wire::sync()].concat());
        assert_eq!(wire::tags(&frames), "1Z", "{text}");
        let complete = wire::frame(b'1', b"");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let session = &mut pair.session;
                session.handle_client(black_box(&parse)).unwrap();
                session.to_server().clear();
                session.handle_server(black_box(&complete)).unwrap();
                session.to_client().clear();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, cached);
criterion_main!(benches);
