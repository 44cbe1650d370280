//! Arbitrary sequences of client messages. With the session between them, client and server must
//! see what they see without it: plain statements against the same server, protected ones against
//! a server on which the table is plain.

use std::collections::HashMap;

use proptest::prelude::*;

use super::model::Model;
use super::pair::Pair;
use super::sealed::{INSERT, INSERT_RETURNING, SELECT_ALL, SELECT_BY_EMAIL};
use super::wire::{
    Frame, Value, bind, close, cstr, describe, execute, flush, frame, frames, null, parse, query,
    startup, sync, text,
};

/// One message, or the end of what is sent without waiting.
#[derive(Clone, Debug)]
enum Step {
    Parse(&'static str, &'static str),
    Bind(&'static str, &'static str, usize, u8),
    Describe(char, &'static str),
    Execute(&'static str, i32),
    Close(char, &'static str),
    Query(&'static str),
    Sync,
    Flush,
    FunctionCall,
    CopyEnd(bool),
    /// A whole COPY FROM STDIN: whether it fails at once, whether a Sync goes before the data, and
    /// whether the client gives up.
    CopyIn(bool, bool, bool),
    Wait,
}

const PLAIN: &[&str] = &[
    "SELECT 1",
    "SELECT 1/0",
    "SELECT $1::text",
    "SELECT n FROM generate_series(1, 5) AS g (n)",
    "SELECT nonsense",
    "",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET application_name = 'x'",
];

const PROTECTED: &[&str] = &[
    SELECT_ALL,
    SELECT_BY_EMAIL,
    INSERT,
    INSERT_RETURNING,
    "SELECT email, name FROM users WHERE name = $1",
    "SELECT id FROM users WHERE id = $1",
    "SELECT 1",
    "SELECT 1/0",
    "SELECT $1::text",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET search_path = public",
];

const QUERIES: &[&str] = &[
    "SELECT 1",
    "SELECT 1; SELECT 1/0; SELECT 1",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "",
    "COPY logs TO STDOUT",
];

const PROTECTED_QUERIES: &[&str] = &[
    SELECT_ALL,
    "SELECT 1; SELECT id, email FROM users; SELECT 1/0",
    "SELECT id, email FROM users WHERE email = 'a'",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET search_path = public",
];

fn step(
    texts: &'static [&'static str],
    queries: &'static [&'static str],
) -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(vec!["", "", "s", "t"]);
    let portal = || prop::sample::select(vec!["", "", "p", "q"]);
    prop_oneof![
        5 => (name(), prop::sample::select(texts)).prop_map(|(n, t)| Step::Parse(n, t)),
        6 => (portal(), name(), 0..4usize, any::<u8>()).prop_map(|(p, n, c, v)| Step::Bind(p, n, c, v)),
        1 => name().prop_map(|n| Step::Describe('S', n)),
        1 => portal().prop_map(|p| Step::Describe('P', p)),
        5 => (portal(), 0..3i32).prop_map(|(p, n)| Step::Execute(p, n)),
        1 => name().prop_map(|n| Step::Close('S', n)),
        1 => portal().prop_map(|p| Step::Close('P', p)),
        2 => prop::sample::select(queries).prop_map(Step::Query),
        4 => Just(Step::Sync),
        1 => Just(Step::Flush),
        1 => Just(Step::FunctionCall),
        1 => any::<bool>().prop_map(Step::CopyEnd),
        2 => any::<(bool, bool, bool)>().prop_map(|(a, b, c)| Step::CopyIn(a, b, c)),
        4 => Just(Step::Wait),
    ]
}

const SECRET: &str = "secret";

/// Values in text format, which both variants of the server take. One for the encrypted column of
/// the statement that the client means is secret.
fn values(meaning: Option<&str>, count: usize, seed: u8) -> Vec<Value> {
    let secret = match meaning {
        Some(INSERT | INSERT_RETURNING) => Some(1),
        Some(SELECT_BY_EMAIL) => Some(0),
        _ => None,
    };
    let values = ["1", "2", "a", "b"].map(text);
    (0..count)
        .map(|at| match usize::from(seed).wrapping_add(at) % 5 {
            4 => null(),
            n if secret == Some(at) => text(&format!("{SECRET}{n}")),
            n if at == 0 && count > 1 => text(if n % 2 == 0 { "1" } else { "2" }),
            n => values[n].clone(),
        })
        .collect()
}

/// What a client that never looks at an answer believes that its names mean.
type Beliefs = HashMap<&'static str, &'static str>;

fn bytes(step: &Step, beliefs: &mut Beliefs) -> Vec<u8> {
    match step {
        Step::Parse(name, text) => {
            beliefs.insert(name, text);
        }
        Step::Close('S', name) => {
            beliefs.remove(name);
        }
        Step::Query(_) | Step::CopyIn(..) => {
            beliefs.remove("");
        }
        _ => {}
    }
    match step {
        Step::Parse(name, text) => parse(name, text, &[]),
        Step::Bind(portal, name, count, seed) => {
            let values = values(beliefs.get(name).copied(), *count, *seed);
            bind(portal, name, &values, &[])
        }
        Step::Describe(kind, name) => describe(*kind, name),
        Step::Execute(portal, max) => execute(portal, *max),
        Step::Close(kind, name) => close(*kind, name),
        Step::Query(text) => query(text),
        Step::Sync => sync(),
        Step::Flush => flush(),
        Step::FunctionCall => frame(b'F', &[0; 10]),
        Step::CopyIn(bad, early_sync, gives_up) => [
            parse(
                "",
                if *bad {
                    "COPY bad FROM STDIN"
                } else {
                    "COPY logs FROM STDIN"
                },
                &[],
            ),
            bind("", "", &[], &[]),
            execute("", 0),
            if *early_sync { sync() } else { vec![] },
            frame(b'd', b"1\n"),
            if *gives_up {
                frame(b'f', &cstr("no"))
            } else {
                frame(b'c', b"")
            },
            sync(),
            close('S', ""),
            sync(),
        ]
        .concat(),
        Step::CopyEnd(true) => frame(b'c', b""),
        Step::CopyEnd(false) => frame(b'f', &cstr("no")),
        Step::Wait => Vec::new(),
    }
}

/// Answers with the session and without it.
fn both(
    steps: &[Step],
    twin_encrypted: bool,
    cut: Option<usize>,
) -> (Vec<Frame>, Vec<Frame>, Pair) {
    let mut pair = Pair::new(cut);
    let mut twin = Model::new(twin_encrypted);
    twin.feed(&startup(&[("user", "app")]));
    twin.output.clear();
    let mut seen = Vec::new();
    let mut beliefs = Beliefs::new();
    for step in steps {
        let bytes = bytes(step, &mut beliefs);
        twin.feed(&bytes);
        if matches!(step, Step::Wait) {
            pair.drive();
            seen.extend(pair.take());
        } else {
            pair.send_only(&bytes);
        }
    }
    let end = [sync(), query("ROLLBACK"), sync()].concat();
    twin.feed(&end);
    pair.send(&end);
    seen.extend(pair.take());
    (seen, frames(&mut twin.output), pair)
}

/// Errors by SQLSTATE alone: the session words some of the server's own its own way.
fn loosely(frames: &[Frame]) -> Vec<Frame> {
    let loose = |frame: &Frame| match frame.tag {
        b'E' => Frame {
            tag: b'E',
            body: frame.error_field('C').unwrap().into_bytes(),
        },
        _ => frame.clone(),
    };
    frames.iter().map(loose).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn plain_sequences_are_as_without_the_session(
        steps in prop::collection::vec(step(PLAIN, QUERIES), 1..40),
        cut in prop::sample::select(vec![None, Some(1), Some(5)]),
    ) {
        let (seen, expected, pair) = both(&steps, true, cut);
        prop_assert_eq!(&pair.fault, &None);
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn protected_sequences_are_as_on_a_plain_table(
        steps in prop::collection::vec(step(PROTECTED, PROTECTED_QUERIES), 1..40),
        cut in prop::sample::select(vec![None, Some(1), Some(5)]),
    ) {
        let (seen, expected, pair) = both(&steps, false, cut);
        prop_assert_eq!(&pair.fault, &None);
        // A client that sends ahead across a Sync uses a name before it knows that giving it a new
        // meaning has failed. The session refuses then; up to there nothing may differ.
        let (left, right) = (loosely(&seen), loosely(&expected));
        let differs = left.iter().zip(&right).position(|(a, b)| a != b);
        match differs {
            None => prop_assert_eq!(left.len(), right.len()),
            Some(at) => {
                let refused = seen[at].tag == b'E'
                    && seen[at].error_field('M').unwrap().starts_with("refusing");
                // In an aborted transaction the session cannot read the catalogue, and says so
                // before anything else that is wrong with a Bind.
                let aborted = left[at].body == b"25P02" && expected[at].tag == b'E';
                prop_assert!(
                    refused || aborted,
                    "{:?} {:?}", &seen[at], &expected[at]
                );
            }
        }
        // Whatever failed on the way, and however little the client has looked.
        pair.assert_unseen(&[SECRET]);
        for user in &pair.server.users {
            prop_assert!(user.1.as_ref().is_none_or(|cell| cell[0] == 0x11));
        }
    }
}
