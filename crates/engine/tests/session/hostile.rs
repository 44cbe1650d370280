//! A server that lies or breaks the protocol: an error, never a leak and never a panic.

use proptest::prelude::*;
use sealwire_engine::Error;

use super::model::{Lies, Model};
use super::pair::{Pair, every_cut};
use super::sealed::{INSERT, INSERT_RETURNING, SELECT_ALL, SELECT_BY_EMAIL};
use super::wire::{
    bind, cstr, describe, error, execute, frame, parse, query, row, sync, tags, text,
};

const MARKER: &str = "alice@example.org";

/// A Bind that follows a description which disagrees with the plan.
#[track_caller]
fn check(lies: Lies, statement: &str, values: &[super::wire::Value]) {
    every_cut(|mut pair| {
        pair.server.lies = lies;
        let batch = [
            parse("", statement, &[]),
            bind("", "", values, &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        let frames = pair.ask(&batch);
        assert_eq!(pair.fault, None);
        assert_eq!(tags(&frames), "1EZ", "{lies:?}");
        assert_eq!(frames[1].error_field('C').unwrap(), "42P17");
        pair.assert_unseen(&[MARKER]);
        // Once it tells the truth again, a new Parse is enough.
        pair.server.lies = Lies::default();
        let frames = pair.ask(&batch);
        assert_eq!(frames.last().unwrap().tag, b'Z');
        assert!(!tags(&frames).contains('E'), "{frames:?}");
    });
}

#[test]
fn descriptions_that_disagree_stop_the_value() {
    let lies = Lies::default;
    let insert = [text("1"), text(MARKER)];
    check(
        Lies {
            extra_parameter: true,
            ..lies()
        },
        INSERT,
        &insert,
    );
    check(
        Lies {
            plain_parameter_is_bytea: true,
            ..lies()
        },
        INSERT,
        &insert,
    );
    let by_email = [text(MARKER)];
    check(
        Lies {
            extra_column: true,
            ..lies()
        },
        SELECT_BY_EMAIL,
        &by_email,
    );
    check(
        Lies {
            cells_are_text: true,
            ..lies()
        },
        SELECT_BY_EMAIL,
        &by_email,
    );
    check(
        Lies {
            origin_is_email: true,
            ..lies()
        },
        SELECT_BY_EMAIL,
        &by_email,
    );
    let by_id = "SELECT id FROM users WHERE id = $1";
    check(
        Lies {
            plain_parameter_is_bytea: true,
            ..lies()
        },
        by_id,
        &[text("1")],
    );
    check(
        Lies {
            origin_is_email: true,
            ..lies()
        },
        by_id,
        &[text("1")],
    );
}

#[test]
fn a_describe_of_the_clients_own_that_disagrees_is_an_error() {
    every_cut(|mut pair| {
        pair.server.lies.extra_column = true;
        let batch = [parse("", SELECT_ALL, &[]), describe('S', ""), sync()].concat();
        assert_eq!(pair.tags(&batch), "1tEZ");
        pair.server.lies = Lies {
            plain_parameter_is_bytea: true,
            ..Lies::default()
        };
        let batch = [parse("", INSERT, &[]), describe('S', ""), sync()].concat();
        assert_eq!(pair.tags(&batch), "1EZ");
        pair.server.lies = Lies::default();
        assert_eq!(pair.tags(&batch), "1tnZ");
    });
}

fn store_row(pair: &mut Pair) {
    let insert = [
        parse("", INSERT, &[]),
        bind("", "", &[text("1"), text("x")], &[]),
    ]
    .concat();
    pair.send(&[insert, execute("", 0), sync()].concat());
    pair.take();
}

#[test]
fn rows_that_disagree_are_an_error() {
    every_cut(|mut pair| {
        store_row(&mut pair);
        pair.server.lies.short_rows = true;
        assert_eq!(pair.tags(&query(SELECT_ALL)), "TEZ");
        let batch = [
            parse("", SELECT_ALL, &[]),
            bind("", "", &[], &[]),
            execute("", 0),
            sync(),
        ];
        assert_eq!(pair.tags(&batch.concat()), "12EZ");
    });
}

/// A client that looks for columns by their names must not take the one for the other.
#[test]
fn a_column_is_not_shown_under_the_name_of_another() {
    every_cut(|mut pair| {
        store_row(&mut pair);
        let batch = |described: &[u8]| {
            let first = [parse("", SELECT_ALL, &[]), bind("", "", &[], &[])].concat();
            [&first, described, &execute("", 0), &sync()].concat()
        };
        for names in [["email", "id"], ["email", "email"], ["id", "mail"]] {
            pair.server.lies.names = Some(names);
            assert_eq!(pair.tags(&query(SELECT_ALL)), "EZ", "{names:?}");
            let described = describe('P', "");
            assert_eq!(pair.tags(&batch(&described)), "12EZ", "{names:?}");
            let statement = [parse("", SELECT_ALL, &[]), describe('S', ""), sync()].concat();
            assert_eq!(pair.tags(&statement), "1tEZ", "{names:?}");
        }
        // A plain column may have got another name.
        pair.server.lies.names = Some(["number", "email"]);
        let frames = pair.ask(&query(SELECT_ALL));
        assert_eq!(tags(&frames), "TDCZ");
        assert_eq!(frames[1].values()[1].as_deref(), Some(&b"x"[..]));
    });
}

#[track_caller]
fn assert_fault(sent: &[u8], answers: &[u8]) {
    let mut pair = Pair::new(None);
    pair.send_only(sent);
    pair.server_says(answers);
    assert!(
        matches!(pair.fault, Some(Error::ServerMisbehaved(_))),
        "{:?}",
        pair.fault
    );
    assert_eq!(
        pair.session.handle_client(b"x"),
        Err(pair.fault.clone().unwrap())
    );
}

#[test]
fn a_broken_protocol_ends_the_session() {
    let refused = query("SELECT id FROM users WHERE email < 'x'");
    let select = [
        parse("", SELECT_ALL, &[]),
        bind("", "", &[], &[]),
        execute("", 0),
        sync(),
    ]
    .concat();
    let mut columns = vec![0, 2];
    for (name, oid) in [("id", 23u32), ("email", 17)] {
        columns.extend(
            [
                cstr(name),
                vec![0; 6],
                oid.to_be_bytes().to_vec(),
                vec![0; 8],
            ]
            .concat(),
        );
    }
    let described = [
        frame(b'1', b""),
        frame(b't', &[0, 0]),
        frame(b'T', &columns),
        frame(b'2', b""),
    ]
    .concat();
    for (sent, answers) in [
        // Nothing was asked.
        (vec![], frame(b'1', b"")),
        (vec![], frame(b'D', &[0, 0])),
        (vec![], frame(b'Z', b"I")),
        (vec![], frame(b'W', b"")),
        (vec![], vec![b'Z', 0, 0, 0, 3]),
        (vec![], vec![b'Z', 0xff, 0xff, 0xff, 0xff]),
        (sync(), frame(b'Z', b"X")),
        (sync(), frame(b'Z', b"II")),
        (sync(), frame(b'C', b"SELECT\0")),
        (parse("", "SELECT 1", &[]), frame(b'2', b"")),
        (parse("", "SELECT 1", &[]), frame(b'1', b"x")),
        // A refused statement runs.
        (refused.clone(), frame(b'T', &[0, 0])),
        (refused, frame(b'C', b"SELECT 1\0")),
        // Lengths and counts inside a row.
        (
            select.clone(),
            [described.clone(), frame(b'D', b"\0\x02\0\0\0\x05x")].concat(),
        ),
        (
            select.clone(),
            [described.clone(), frame(b'D', b"")].concat(),
        ),
        (
            select.clone(),
            [frame(b'1', b""), frame(b't', b"\0\x09\0\0")].concat(),
        ),
        (
            select,
            [
                frame(b'1', b""),
                frame(b't', &[0, 0]),
                frame(b'T', b"\xff\xffid\0"),
            ]
            .concat(),
        ),
    ] {
        assert_fault(&sent, &answers);
    }
}

#[test]
fn catalogue_rows_that_make_no_sense_end_the_session() {
    for body in [
        row(&[]),
        row(&[Some(b"1".as_slice()); 8]),
        row(&[Some(b"1"), Some(b"zz"), None, None, None, None, None, None]),
        frame(b'D', b"\xff\xff"),
    ] {
        let mut pair = Pair::new(None);
        pair.send(&query("SET search_path = public"));
        pair.send_only(&query(SELECT_ALL));
        let answers = [
            frame(b'3', b""),
            frame(b'3', b""),
            frame(b'1', b""),
            frame(b'2', b""),
        ];
        pair.server_says(&answers.concat());
        assert_eq!(pair.fault, None);
        pair.server_says(&body);
        assert!(
            matches!(pair.fault, Some(Error::ServerMisbehaved(_))),
            "{:?}",
            pair.fault
        );
    }
}

#[test]
fn a_frame_that_would_have_to_be_held_has_a_limit() {
    let mut options = Pair::options();
    options.limits.rewritten_frame_bytes_max = 4000;
    let start = || {
        let mut pair = Pair::with(options.clone(), Model::new(true), None);
        pair.send(&super::wire::startup(&[]));
        pair.take();
        pair
    };
    let limit = Some(Error::Limit {
        limit: "rewritten_frame_bytes_max",
        value: 4000,
    });
    let mut pair = start();
    pair.send(&query(&format!("SELECT '{}'", "x".repeat(4000))));
    assert_eq!(pair.fault, limit);
    let mut pair = start();
    pair.send(&[parse("", SELECT_ALL, &[]), sync()].concat());
    pair.send_only(&[bind("", "", &[], &[]), execute("", 0)].concat());
    pair.server_says(&[&frame(b'2', b"")[..], b"D", &5000i32.to_be_bytes()].concat());
    assert_eq!(pair.fault, limit);
    // What need not be held has none.
    let mut pair = start();
    let long = [
        parse("", "SELECT $1::text", &[]),
        bind("", "", &[text(&"x".repeat(5000))], &[]),
    ];
    assert_eq!(
        pair.tags(&[long.concat(), execute("", 0), sync()].concat()),
        "12DCZ"
    );
}

#[test]
fn owed_responses_have_a_limit_that_makes_the_client_wait() {
    let mut options = Pair::options();
    options.limits.expected_responses_max = 8;
    let mut pair = Pair::with(options, Model::new(true), None);
    pair.send(&super::wire::startup(&[]));
    pair.take();
    let parses: Vec<u8> = (0..50).flat_map(|_| parse("", "SELECT 1", &[])).collect();
    pair.send(&[parses, sync()].concat());
    assert_eq!(pair.fault, None);
    assert_eq!(tags(&pair.take()), "1".repeat(50) + "Z");
}

fn any_server_frame() -> impl Strategy<Value = Vec<u8>> {
    let tag = prop::sample::select(b"123ACDEGHIKNRSTVWZcdnstv\0p".to_vec());
    let body = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![0, 2, 0, 0, 0, 1, b'1', 0, 0, 0, 2, 0x11, 1]),
        1 => Just(b"I".to_vec()),
        1 => Just(vec![0, 0]),
        1 => Just(b"SELECT 1\0".to_vec()),
    ];
    prop_oneof![
        8 => (tag, body).prop_map(|(tag, body)| frame(tag, &body)),
        1 => Just(error("42703", "x")),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Whatever the server says, in whatever order: no panic, no plaintext, and a fault sticks.
    #[test]
    fn arbitrary_servers_are_survived(
        frames in prop::collection::vec(any_server_frame(), 1..30),
        asked in 0..4usize,
    ) {
        let mut pair = Pair::new(None);
        let batch = [
            parse("", INSERT_RETURNING, &[]),
            describe('S', ""),
            bind("p", "", &[text("1"), text(MARKER)], &[]),
            execute("p", 0),
            sync(),
        ];
        for _ in 0..asked {
            pair.send_only(&batch.concat());
            pair.send_only(&query(SELECT_ALL));
        }
        for frame in frames {
            pair.server_says(&frame);
            while let Some(sealwire_engine::Need::Keys(ids)) = pair.session.poll_need() {
                pair.supply_keys(&ids);
            }
            let sent = pair.session.to_server().split();
            prop_assert!(!sent.windows(MARKER.len()).any(|w| w == MARKER.as_bytes()));
        }
        if let Some(fault) = pair.fault.clone() {
            prop_assert_eq!(pair.session.handle_server(b""), Err(fault));
        }
    }
}
