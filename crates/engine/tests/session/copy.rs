//! COPY. Of tables that are not protected it passes, and what matters is which Sync is answered; of
//! `users` its rows are sealed and opened, and what the server does not take is not sent.

use sealwire_engine::{Enforcement, Need};

use super::model::Model;
use super::pair::{Pair, Supplies, every_cut, failure};
use super::sealed::{INSERT, SELECT_ALL, check};
use super::wire::{
    bind, cstr, describe, execute, flush, frame, parse, query, startup, sync, tags, text,
};

const FROM: &str = "COPY users (id, email) FROM STDIN";
const TO: &str = "COPY users (id, email) TO STDOUT";
const MARKER: &str = "alice@example.org";

/// Copy data, in one frame.
fn rows(text: &str) -> Vec<u8> {
    frame(b'd', text.as_bytes())
}

fn marked() -> Vec<u8> {
    rows(&format!("1\t{MARKER}\n2\t\\N\n3\tbob\n"))
}

fn data() -> Vec<u8> {
    frame(b'd', b"1\n")
}

fn done() -> Vec<u8> {
    frame(b'c', b"")
}

fn fail() -> Vec<u8> {
    frame(b'f', &cstr("no"))
}

fn copy(text: &str) -> Vec<u8> {
    [parse("", text, &[]), bind("", "", &[], &[]), execute("", 0)].concat()
}

#[test]
fn the_sync_sent_with_execute_is_not_answered() {
    every_cut(|mut pair| {
        let start = [copy("COPY logs FROM STDIN"), sync()].concat();
        assert_eq!(pair.tags(&start), "12G");
        assert_eq!(pair.tags(&[data(), done(), sync()].concat()), "CZ");
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
    });
}

#[test]
fn the_client_may_send_its_data_without_waiting() {
    every_cut(|mut pair| {
        let all = [
            copy("COPY logs FROM STDIN"),
            sync(),
            data(),
            done(),
            sync(),
            query("SELECT 1"),
        ];
        assert_eq!(pair.tags(&all.concat()), "12GCZTDCZ");
    });
}

#[test]
fn a_copy_that_the_client_gives_up_fails() {
    every_cut(|mut pair| {
        assert_eq!(
            pair.tags(&[copy("COPY logs FROM STDIN"), sync()].concat()),
            "12G"
        );
        assert_eq!(pair.tags(&[data(), fail(), sync()].concat()), "EZ");
        assert_eq!(pair.tags(&query("COPY logs FROM STDIN")), "G");
        assert_eq!(pair.tags(&[data(), fail()].concat()), "EZ");
    });
}

/// The trigger fails before the server has read the Sync, so that both Syncs are answered.
#[test]
fn a_copy_that_fails_at_once_answers_the_early_sync_too() {
    every_cut(|mut pair| {
        assert_eq!(
            pair.tags(&[copy("COPY bad FROM STDIN"), sync()].concat()),
            "12GEZ"
        );
        assert_eq!(pair.tags(&[data(), done(), sync()].concat()), "Z");
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
    });
}

/// Once something else has been sent, data may be another COPY's, and those go nowhere.
#[test]
fn data_behind_another_message_are_not_a_failed_copy_s() {
    every_cut(|mut pair| {
        let start = [copy("COPY bad FROM STDIN"), flush()].concat();
        assert_eq!(pair.tags(&start), "12GE");
        let before = pair.server.raw.len();
        pair.send(&[data(), copy("COPY users FROM STDIN")].concat());
        pair.send(&[data(), done()].concat());
        assert_eq!(pair.server.raw[before..], data());
        assert_eq!(pair.tags(&sync()), "Z");
    });
}

/// What a client sends to a COPY that has failed is the server's to discard, byte for byte.
#[test]
fn data_behind_a_failed_copy_go_out_as_they_are() {
    every_cut(|mut pair| {
        let start = [copy("COPY bad FROM STDIN"), flush()].concat();
        assert_eq!(pair.tags(&start), "12GE");
        let behind = [data(), data(), done(), sync()].concat();
        let before = pair.server.raw.len();
        assert_eq!(pair.tags(&behind), "Z");
        assert_eq!(pair.server.raw[before..], behind);
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
    });
}

/// The client has been told of an error, so it will send no data to the COPY behind it.
#[test]
fn a_copy_behind_rows_that_do_not_open_is_given_up() {
    every_cut(|mut pair| {
        let values = [text("1"), text("x")];
        let insert = [
            parse("", INSERT, &[]),
            bind("", "", &values, &[]),
            execute("", 0),
            sync(),
        ];
        pair.send(&insert.concat());
        pair.take();
        pair.server.users[0].1.as_mut().unwrap()[5] ^= 1;
        let select = [
            parse("", SELECT_ALL, &[]),
            bind("", "", &[], &[]),
            execute("", 0),
        ]
        .concat();
        let batch = [select, copy("COPY logs FROM STDIN"), sync()].concat();
        assert_eq!(pair.tags(&batch), "12EZ");
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
    });
}

#[test]
fn copy_out_passes() {
    let mut pair = Pair::new(None);
    let frames = pair.ask(&[copy("COPY logs TO STDOUT"), sync()].concat());
    assert_eq!(tags(&frames), "12HdcCZ");
}

#[test]
fn sealed_rows_go_in_and_out_by_either_protocol() {
    check(&[
        [copy(FROM), sync()].concat(),
        [marked(), done(), sync()].concat(),
        [copy(TO), sync()].concat(),
        query(FROM),
        // Rows and frames do not align.
        [
            rows("4\t"),
            rows(MARKER),
            rows("\n5"),
            rows("\t"),
            rows(""),
            rows("x"),
            done(),
        ]
        .concat(),
        query(TO),
        [
            parse("s", TO, &[]),
            describe('S', "s"),
            bind("", "s", &[], &[1]),
            sync(),
        ]
        .concat(),
        [execute("", 0), sync()].concat(),
        query("BEGIN"),
        query(&format!("SELECT 1; {TO}")),
        query("COMMIT"),
    ]);
}

#[test]
fn data_that_is_sent_ahead_waits_for_the_server_to_want_it() {
    check(&[
        [
            copy(FROM),
            sync(),
            marked(),
            done(),
            sync(),
            query("SELECT 1"),
        ]
        .concat(),
        [copy(FROM), marked(), done(), sync()].concat(),
        [query(FROM), marked(), done(), query(TO)].concat(),
    ]);
}

#[test]
fn a_copy_that_the_client_gives_up_fails_with_the_client_s_words() {
    let reason = frame(b'f', &cstr(&format!("no more than {MARKER}")));
    every_cut(|mut pair| {
        pair.send(&[copy(FROM), sync(), marked()].concat());
        assert_eq!(tags(&pair.take()), "12G");
        for (start, end) in [(vec![], sync()), (query(FROM), vec![])] {
            pair.send(&start);
            pair.take();
            let frames = pair.ask(&[reason.clone(), end].concat());
            assert_eq!(tags(&frames), "EZ");
            assert_eq!(frames[0].error_field('C').unwrap(), "57014");
            let message = format!("COPY from stdin failed: no more than {MARKER}");
            assert_eq!(frames[0].error_field('M').unwrap(), message);
        }
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
        assert!(pair.server.users.is_empty());
        pair.assert_unseen(&[MARKER]);
    });
}

/// The row before it goes out, so that what the server has against that one comes first.
#[test]
fn a_row_that_fails_ends_the_copy_and_the_rest_goes_nowhere() {
    let wrong = [
        // Data that is more than one error, and more after the first.
        rows(&format!("1\tok\n2\t{MARKER}\t{MARKER}\n3\t{MARKER}\n")),
        rows(&format!("4\t{MARKER}\n5")),
        rows(MARKER),
    ]
    .concat();
    for how in ["simple", "extended", "ahead"] {
        every_cut(|mut pair| {
            assert_eq!(pair.tags(&query("BEGIN")), "CZ");
            let steps = match how {
                "simple" => vec![query(FROM), [wrong.clone(), done()].concat()],
                "extended" => vec![
                    [copy(FROM), sync()].concat(),
                    [wrong.clone(), done(), sync()].concat(),
                ],
                _ => vec![[copy(FROM), sync(), wrong.clone(), done(), sync()].concat()],
            };
            let mut frames = Vec::new();
            for step in steps {
                frames.extend(pair.ask(&step));
            }
            let expected = if how == "simple" { "GEZ" } else { "12GEZ" };
            assert_eq!(tags(&frames), expected, "{how}");
            let error = &frames[frames.len() - 2];
            assert_eq!(error.error_field('C').unwrap(), "22P04");
            assert_eq!(error.error_field('W').unwrap(), "COPY users, line 2");
            let frames = pair.ask(&query("SELECT 1"));
            assert_eq!(frames[0].error_field('C').unwrap(), "25P02");
            assert_eq!(pair.tags(&query("ROLLBACK")), "CZ");
            let sent: Vec<_> = pair
                .server
                .received
                .iter()
                .filter(|f| f.tag == b'd')
                .collect();
            assert!(
                sent.len() == 1 && sent[0].body.starts_with(b"1\t\\\\x11"),
                "{sent:?}"
            );
            pair.assert_unseen(&[MARKER]);
        });
    }
}

#[test]
fn rows_wait_for_their_key_and_everything_behind_them_waits_too() {
    every_cut(|mut pair| {
        pair.supplies = Supplies::ByHand;
        pair.send(
            &[
                copy(FROM),
                sync(),
                marked(),
                done(),
                sync(),
                query("SELECT 1"),
            ]
            .concat(),
        );
        assert_eq!(tags(&pair.take()), "12G");
        let [Need::Keys(ids)] = pair.needs.as_slice() else {
            panic!("{:?}", pair.needs);
        };
        let ids = ids.clone();
        assert!(pair.server.received.iter().all(|frame| frame.tag != b'd'));
        pair.supply_keys(&ids);
        pair.drive();
        assert_eq!(tags(&pair.take()), "CZTDCZ");
        // Coming back they wait for the key that their cells name.
        pair.session.forget_keys();
        pair.send(&[copy(TO), sync(), query("SELECT 1")].concat());
        assert_eq!(tags(&pair.take()), "12H");
        pair.supply_keys(&ids);
        pair.drive();
        assert_eq!(tags(&pair.take()), "dddcCZTDCZ");
        pair.assert_unseen(&[MARKER]);
    });
}

#[test]
fn without_a_key_a_copy_fails() {
    every_cut(|mut pair| {
        pair.supplies = Supplies::Failing;
        let frames = pair.ask(&[copy(FROM), sync(), marked(), done(), sync()].concat());
        assert_eq!(tags(&frames), "12GEZ");
        assert_eq!(frames[3].error_field('C').unwrap(), failure().sqlstate);
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
        pair.assert_unseen(&[MARKER]);
    });
}

#[test]
fn a_row_that_does_not_open_ends_a_copy() {
    every_cut(|mut pair| {
        pair.send(&[copy(FROM), sync(), marked(), done(), sync()].concat());
        pair.take();
        pair.server.users[2].1.as_mut().unwrap()[5] ^= 1;
        for (step, expected) in [
            ([copy(TO), sync()].concat(), "12HddEZ"),
            (query(&format!("{TO}; SELECT 1")), "HddEZ"),
        ] {
            let frames = pair.ask(&step);
            assert_eq!(tags(&frames), expected);
            assert_eq!(frames[frames.len() - 2].error_field('C').unwrap(), "XX001");
        }
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
    });
}

#[test]
fn a_copy_of_another_shape_than_planned_does_not_begin() {
    every_cut(|mut pair| {
        pair.server.lies.extra_copy_column = true;
        for (step, expected) in [
            ([copy(FROM), sync()].concat(), "12EZ"),
            (
                [copy(FROM), sync(), marked(), done(), sync()].concat(),
                "12EZZ",
            ),
            (query(FROM), "EZ"),
            ([query(FROM), marked(), done()].concat(), "EZ"),
            ([copy(TO), sync()].concat(), "12EZ"),
            (query(TO), "EZ"),
        ] {
            let frames = pair.ask(&step);
            assert_eq!(tags(&frames), expected);
            let error = frames.iter().find(|frame| frame.tag == b'E').unwrap();
            assert_eq!(error.error_field('C').unwrap(), "42P17");
        }
        assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
        pair.assert_unseen(&[MARKER]);
    });
}

/// The client does not read, and sends its rows behind a statement that is refused or fails.
#[test]
fn data_for_a_copy_that_there_is_not_goes_nowhere() {
    let refused = "COPY users (id, email) FROM STDIN (ON_ERROR ignore)";
    every_cut(|mut pair| {
        let data = [marked(), done()].concat();
        assert_eq!(pair.tags(&[query(refused), data.clone()].concat()), "EZ");
        assert_eq!(
            pair.tags(&[copy(refused), sync(), data.clone(), sync()].concat()),
            "EZZ"
        );
        // The server has given it up already.
        assert_eq!(pair.tags(&query("BEGIN")), "CZ");
        assert_eq!(pair.tags(&query("SELECT 1/0")), "EZ");
        assert_eq!(pair.tags(&[query(FROM), data.clone()].concat()), "EZ");
        assert_eq!(pair.tags(&query("ROLLBACK")), "CZ");
        assert_eq!(pair.tags(&[query(SELECT_ALL), data].concat()), "TCZ");
        pair.assert_unseen(&[MARKER]);
    });
}

#[test]
fn results_only_opens_what_a_copy_returns_and_seals_nothing() {
    let mut options = Pair::options();
    options.enforcement = Enforcement::ResultsOnly;
    let mut pair = Pair::with(options, Model::new(true), None);
    pair.send(&startup(&[("user", "app")]));
    pair.take();
    let frames = pair.ask(&[query(FROM), marked(), done()].concat());
    assert_eq!(tags(&frames), "EZ");
    assert_eq!(frames[0].error_field('C').unwrap(), "0A000");
    assert_eq!(pair.tags(&query(TO)), "HcCZ");
    pair.assert_unseen(&[MARKER]);
}

#[test]
fn a_row_has_a_limit() {
    let mut options = Pair::options();
    options.limits.copied_row_bytes_max = 100;
    let mut pair = Pair::with(options, Model::new(true), Some(7));
    pair.send(&startup(&[("user", "app")]));
    pair.take();
    pair.send(&query(FROM));
    let long = format!("1\t{}", "x".repeat(60));
    let frames = pair.ask(&[rows(&long), rows(&long), done()].concat());
    assert_eq!(tags(&frames), "GEZ");
    assert_eq!(frames[1].error_field('C').unwrap(), "54000");
    assert_eq!(pair.tags(&query("SELECT 1")), "TDCZ");
}
