//! Refused statements and values: the server fails in their place, and the client gets the reason.

use super::pair::{Pair, every_cut};
use super::sealed::{INSERT, SELECT_ALL};
use super::wire::{Frame, binary, bind, execute, flush, frame, parse, query, sync, tags, text};
use sealwire_engine::{Enforcement, Error};

const REFUSED: &str = "SELECT id FROM users WHERE email < $1";
const REFUSED_LITERAL: &str = "SELECT id FROM users WHERE email < 'alice@example.org'";

fn error(frames: &[Frame]) -> &Frame {
    frames
        .iter()
        .find(|frame| frame.tag == b'E')
        .expect("an error")
}

#[track_caller]
fn assert_refused(frames: &[Frame]) {
    let error = error(frames);
    assert_eq!(error.error_field('C').unwrap(), "0A000", "{error:?}");
    let message = error.error_field('M').unwrap();
    assert!(message.contains("refusing"), "{message}");
    assert!(error.error_field('H').is_some(), "a hint");
}

#[test]
fn a_refused_parse_fails_in_its_place_and_the_rest_is_skipped() {
    every_cut(|mut pair| {
        let frames = pair.ask(
            &[
                parse("", "SELECT 1", &[]),
                bind("", "", &[], &[]),
                execute("", 0),
                parse("", REFUSED, &[]),
                bind("", "", &[text("alice@example.org")], &[]),
                execute("", 0),
                sync(),
                query("SELECT 1"),
            ]
            .concat(),
        );
        assert_eq!(tags(&frames), "12DCEZTDCZ");
        assert_refused(&frames);
        pair.assert_unseen(&["email", "alice"]);
    });
}

/// A client that sends ahead does not know yet that there is no statement for its values.
#[test]
fn values_for_a_refused_statement_never_reach_the_server() {
    every_cut(|mut pair| {
        let values = bind("", "r", &[text("alice@example.org")], &[]);
        let use_it = [values, execute("", 0), sync()].concat();
        let ahead = [parse("r", REFUSED, &[]), sync(), use_it.clone()].concat();
        assert_eq!(pair.tags(&ahead), "EZEZ");
        assert_eq!(pair.tags(&use_it), "EZ");
        pair.assert_unseen(&["alice"]);
        let plain = [parse("r", "SELECT $1::text", &[]), use_it].concat();
        assert_eq!(pair.tags(&plain), "12DCZ");
    });
}

#[test]
fn values_for_a_statement_that_failed_on_the_server_are_not_sent_either() {
    every_cut(|mut pair| {
        pair.send(&[query("BEGIN"), query("SELECT 1/0")].concat());
        pair.take();
        let use_it = |name| {
            let values = bind("", name, &[text("1"), text("alice@example.org")], &[]);
            [values, execute("", 0), sync()].concat()
        };
        for name in ["i", ""] {
            assert_eq!(
                pair.tags(&[parse(name, INSERT, &[]), sync()].concat()),
                "EZ"
            );
            assert_eq!(pair.tags(&use_it(name)), "EZ");
        }
        pair.assert_unseen(&["alice"]);
    });
}

/// Once the error is known, what the client still sends of the batch must not reach the server:
/// the statement that its values were for was never prepared.
#[test]
fn values_sent_after_the_refusal_are_dropped() {
    every_cut(|mut pair| {
        assert_eq!(pair.tags(&[parse("", REFUSED, &[]), flush()].concat()), "E");
        let rest = [
            bind("", "", &[text("alice@example.org")], &[]),
            execute("", 0),
        ]
        .concat();
        assert_eq!(pair.tags(&rest), "");
        assert_eq!(pair.tags(&sync()), "Z");
        pair.assert_unseen(&["alice"]);
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
    });
}

#[test]
fn a_refused_query_fails_and_the_next_one_runs() {
    every_cut(|mut pair| {
        let frames = pair.ask(&[query(REFUSED_LITERAL), query("SELECT 1")].concat());
        assert_eq!(tags(&frames), "EZTDCZ");
        assert_refused(&frames);
        pair.assert_unseen(&["alice", "email"]);
    });
}

#[test]
fn a_refusal_aborts_a_transaction_and_an_aborted_one_says_so() {
    every_cut(|mut pair| {
        let refused = [parse("r", REFUSED, &[]), sync()].concat();
        assert_eq!(pair.tags(&query("BEGIN")), "CZ");
        let frames = pair.ask(&refused);
        assert_refused(&frames);
        assert_eq!(frames.last().unwrap().body, b"E");
        for batch in [refused.clone(), query(REFUSED_LITERAL), query("SELECT 1")] {
            let frames = pair.ask(&batch);
            assert_eq!(error(&frames).error_field('C').unwrap(), "25P02");
        }
        assert_eq!(pair.tags(&query("ROLLBACK")), "CZ");
        assert_refused(&pair.ask(&refused));
    });
}

#[test]
fn the_position_counts_characters_from_one() {
    let mut pair = Pair::new(None);
    let frames = pair.ask(&query("SELECT /* é */ id FROM users WHERE email < 'x'"));
    let position: usize = error(&frames).error_field('P').unwrap().parse().unwrap();
    assert!((1..=47).contains(&position), "{position}");
}

#[test]
fn a_value_that_does_not_fit_fails_its_bind() {
    every_cut(|mut pair| {
        let bad = binary(b"alice\xff");
        let batch = |value| {
            [
                parse("", INSERT, &[]),
                bind("", "", &[text("1"), value], &[]),
                execute("", 0),
                sync(),
            ]
            .concat()
        };
        let frames = pair.ask(&batch(bad.clone()));
        assert_eq!(tags(&frames), "1EZ");
        assert_eq!(error(&frames).error_field('C').unwrap(), "22021");
        let detail = error(&frames).error_field('D').unwrap();
        assert_eq!(detail, "value for encrypted column `public.users.email`");
        assert!(pair.server.users.is_empty());

        pair.send(&query("BEGIN"));
        pair.send(&batch(bad.clone()));
        pair.take();
        let frames = pair.ask(&[bind("", "", &[text("1"), bad], &[]), sync()].concat());
        assert_eq!(error(&frames).error_field('C').unwrap(), "25P02");
        pair.send(&query("ROLLBACK"));
        pair.take();
        assert_eq!(pair.tags(&batch(text("ok"))), "12CZ");
        pair.assert_unseen(&["alice"]);
    });
}

#[test]
fn in_an_aborted_transaction_a_bad_value_gets_the_usual_error() {
    let mut pair = Pair::new(None);
    pair.send(
        &[
            parse("i", INSERT, &[]),
            sync(),
            query("BEGIN"),
            query("SELECT 1/0"),
        ]
        .concat(),
    );
    pair.take();
    let values = [text("1"), binary(b"\xff")];
    let frames = pair.ask(&[bind("", "i", &values, &[]), sync()].concat());
    assert_eq!(error(&frames).error_field('C').unwrap(), "25P02");
}

#[test]
fn a_wrong_number_of_parameters_is_the_servers_kind_of_error() {
    let mut pair = Pair::new(None);
    pair.send(&[parse("i", INSERT, &[]), sync()].concat());
    pair.take();
    for values in [
        &[][..],
        &[text("alice")],
        &[text("1"), text("alice"), text("bob")],
    ] {
        let frames = pair.ask(&[bind("", "i", values, &[]), execute("", 0), sync()].concat());
        assert_eq!(tags(&frames), "EZ");
        assert_eq!(error(&frames).error_field('C').unwrap(), "08P01");
    }
    pair.assert_unseen(&["alice", "bob"]);
}

#[test]
fn a_declared_type_that_no_encrypted_column_takes_is_refused() {
    let mut pair = Pair::new(None);
    // 600 is `point`.
    let frames = pair.ask(&[parse("", INSERT, &[0, 600]), sync()].concat());
    assert_eq!(error(&frames).error_field('C').unwrap(), "0A000");
}

#[test]
fn results_only_reads_and_does_not_seal() {
    let mut options = Pair::options();
    options.enforcement = Enforcement::ResultsOnly;
    let mut pair = Pair::with(options, super::model::Model::new(true), None);
    pair.send(&super::wire::startup(&[]));
    pair.take();
    assert_refused(&pair.ask(&[parse("", INSERT, &[]), sync()].concat()));
    assert_refused(&pair.ask(&query("SELECT id, email FROM users WHERE email = 'alice'")));
    assert_eq!(pair.tags(&query(SELECT_ALL)), "TCZ");
    pair.assert_unseen(&["alice"]);
}

#[test]
fn texts_that_cannot_be_read_as_the_server_reads_them_are_refused() {
    for (name, value) in [
        ("client_encoding", "LATIN1"),
        ("standard_conforming_strings", "off"),
    ] {
        let mut model = super::model::Model::new(true);
        let parameters = model.parameters.iter_mut();
        parameters
            .filter(|p| p.0 == name)
            .for_each(|p| p.1 = value.into());
        let mut pair = Pair::with(Pair::options(), model, None);
        pair.send(&super::wire::startup(&[]));
        pair.take();
        let frames = pair.ask(&query(SELECT_ALL));
        assert_refused(&frames);
        assert!(error(&frames).error_field('M').unwrap().contains(name));
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
        // Names that are not protected pass, however they are written.
        for text in [
            "SELECT 1 AS users_id",
            "SELECT 1 AS U&\"d\\0061t\\+000061\"",
        ] {
            let before = pair.server.raw.len();
            pair.send(&query(text));
            pair.take();
            assert_eq!(pair.server.raw[before..], query(text), "{text}");
        }
        for text in ["SELECT U&\"\\0075sers\"", "SELECT '\\' users"] {
            assert_refused(&pair.ask(&query(text)));
        }
    }
    let mut pair = Pair::new(None);
    let text = [b"SELECT id, email FROM users -- \xff".as_slice(), b"\0"].concat();
    assert_refused(&pair.ask(&frame(b'Q', &text)));
}

/// A server with an encoding of single bytes folds `É` to `é` or does not, as its locale says.
#[test]
fn names_that_only_some_servers_fold_are_refused_beside_protected_ones() {
    let (touches, plain) = ("SELECT 1 AS É FROM users", "SELECT 1 AS É");
    for (encoding, refused) in [
        (Some("LATIN1"), true),
        (Some("SQL_ASCII"), true),
        (None, true),
        (Some("EUC_KR"), false),
        (Some("UTF8"), false),
    ] {
        let mut model = super::model::Model::new(true);
        model.parameters.retain(|p| p.0 != "server_encoding");
        if let Some(encoding) = encoding {
            let parameter = ("server_encoding", encoding.into());
            model.parameters.push(parameter);
        }
        let mut pair = Pair::with(Pair::options(), model, None);
        pair.send(&super::wire::startup(&[]));
        pair.take();
        let frames = pair.ask(&query(touches));
        if refused {
            assert_refused(&frames);
            pair.assert_unseen(&["É"]);
        } else {
            // The model does not know the column.
            assert_eq!(error(&frames).error_field('C').unwrap(), "42703");
        }
        let before = pair.server.raw.len();
        pair.send(&query(plain));
        pair.take();
        assert_eq!(pair.server.raw[before..], query(plain), "{encoding:?}");
    }
}

/// What nobody knows the meaning of ends the session, where everything else is skipped too.
#[test]
fn an_unknown_message_is_not_skipped() {
    every_cut(|mut pair| {
        assert_eq!(pair.tags(&[parse("", REFUSED, &[]), flush()].concat()), "E");
        let frames = pair.ask(&[frame(b'y', b"alice"), sync()].concat());
        assert_eq!(error(&frames).error_field('S').unwrap(), "FATAL");
        assert!(matches!(pair.fault, Some(Error::ClientMisbehaved(_))));
        pair.assert_unseen(&["alice"]);
    });
}

/// A server to which a message is no more readable than to the session has to say so.
/// What goes out in its place does not depend on how it comes: nobody says that it comes whole.
#[test]
fn a_body_that_should_not_be_there_may_come_in_parts() {
    for tag in [b'H', b'S'] {
        let bad = frame(tag, b"alice");
        let goes_out = |cut: usize| {
            let mut pair = Pair::new(None);
            pair.send_only(&bad[..cut]);
            pair.send_only(&bad[cut..]);
            pair.send_only(&frame(b'S', b""));
            assert_eq!(pair.fault, None, "cut at {cut}");
            pair.session.to_server().split()
        };
        let whole = goes_out(bad.len());
        assert!(!whole.windows(5).any(|part| part == b"alice"));
        for cut in 1..bad.len() {
            assert_eq!(goes_out(cut), whole, "cut at {cut}");
        }
    }
}

#[test]
fn a_malformed_message_that_works_ends_the_session() {
    for (bad, answer) in [
        (frame(b'P', b"alice"), frame(b'1', b"")),
        (frame(b'B', b"alice"), frame(b'2', b"")),
        (frame(b'C', b"X\0"), frame(b'3', b"")),
        (frame(b'Q', b"alice"), frame(b'C', b"SELECT 1\0")),
    ] {
        let mut pair = Pair::new(None);
        pair.send_only(&bad);
        pair.server_says(&answer);
        assert!(matches!(pair.fault, Some(Error::ServerMisbehaved(_))));
    }
}
