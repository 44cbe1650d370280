//! COPY of tables that are not protected passes; what matters is which Sync is answered.

use super::pair::{Pair, every_cut};
use super::sealed::{INSERT, SELECT_ALL};
use super::wire::{bind, cstr, execute, flush, frame, parse, query, sync, tags, text};

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
