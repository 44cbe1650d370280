//! Statements that name nothing protected: the session might as well not be there.

use super::model::Model;
use super::pair::{CUTS, Pair, every_cut};
use super::wire::{
    bind, close, cstr, describe, execute, flush, frame, parse, query, startup, sync, text,
};

const BIG: usize = 200_000;

/// One string of frames of every kind, with an error in the middle of a pipeline.
fn script() -> Vec<u8> {
    [
        query("SELECT 1"),
        parse("", "SELECT $1::text", &[0]),
        bind("", "", &[text(&"x".repeat(BIG))], &[1]),
        describe('P', ""),
        execute("", 0),
        sync(),
        parse("s", "SELECT n FROM generate_series(1, 5) AS g (n)", &[]),
        describe('S', "s"),
        bind("p", "s", &[], &[]),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
        close('P', "p"),
        close('S', "s"),
        close('S', "never"),
        flush(),
        sync(),
        parse("", "SELECT 1/0", &[]),
        bind("", "", &[], &[]),
        execute("", 0),
        parse("", "SELECT 1", &[]),
        query("SELECT 1"),
        sync(),
        query("BEGIN"),
        query("SELECT 1/0; SELECT 1"),
        query("SELECT 1"),
        frame(b'F', &[0; 10]),
        query("ROLLBACK"),
        query("; "),
        parse("", "", &[]),
        bind("", "", &[], &[]),
        execute("", 0),
        sync(),
        query("COPY logs TO STDOUT"),
        frame(b'X', b""),
    ]
    .concat()
}

fn without_session(script: &[u8]) -> Vec<u8> {
    let mut model = Model::new(true);
    model.feed(&startup(&[("user", "app")]));
    model.output.clear();
    model.feed(script);
    model.output
}

#[test]
fn frames_pass_byte_for_byte_however_they_are_cut() {
    let script = script();
    let expected = without_session(&script);
    for &cut in CUTS {
        let mut pair = Pair::new(cut);
        pair.send(&script);
        assert_eq!(pair.fault, None);
        assert!(pair.server.raw == script, "to the server, cut {cut:?}");
        assert!(pair.take_raw() == expected, "to the client, cut {cut:?}");
    }
}

#[test]
fn frames_pass_when_cut_in_two_at_any_byte() {
    // Without the long value: the cuts are many.
    let script: Vec<u8> = [
        parse("s", "SELECT $1::text", &[25]),
        bind("", "s", &[text("x")], &[0]),
        execute("", 0),
        sync(),
        query("SELECT 1/0"),
    ]
    .concat();
    let expected = without_session(&script);
    for at in 0..script.len() {
        let mut pair = Pair::new(None);
        pair.send(&script[..at]);
        pair.send(&script[at..]);
        assert!(pair.server.raw == script, "cut at {at}");
        assert!(pair.take_raw() == expected, "cut at {at}");
    }
}

#[test]
fn one_ready_for_query_per_sync() {
    every_cut(|mut pair| {
        let batch = [
            parse("", "SELECT 1/0", &[]),
            bind("", "", &[], &[]),
            execute("", 0),
        ]
        .concat();
        let two = [
            batch.clone(),
            sync(),
            sync(),
            batch,
            sync(),
            query("SELECT 1"),
        ]
        .concat();
        assert_eq!(pair.tags(&two), "12EZZ12EZTDCZ");
    });
}

#[test]
fn a_parse_that_streams_in_is_not_held_once_the_rest_need_not_be_read() {
    let mut pair = Pair::new(None);
    let long = bind("", "s", &[text(&"x".repeat(BIG))], &[]);
    pair.send_only(&parse("s", "SELECT $1::text", &[]));
    let sent = pair.session.to_server().len();
    pair.send_only(&long[..20_000]);
    assert_eq!(pair.session.to_server().len(), sent + 20_000);
}

#[test]
fn asynchronous_messages_come_between_any_two_frames() {
    every_cut(|mut pair| {
        let notice = frame(b'N', b"SNOTICE\0C00000\0Mx\0\0");
        let notification = frame(b'A', &[&[0, 0, 0, 1][..], &cstr("c"), &cstr("p")].concat());
        pair.server_says(&[notice.clone(), notification.clone()].concat());
        pair.send_only(&[parse("", "SELECT 1", &[]), sync()].concat());
        pair.server_says(&notice);
        assert_eq!(pair.tags(b""), "NAN1Z");
    });
}

#[test]
fn a_terminate_passes_at_once() {
    let mut pair = Pair::new(None);
    pair.send(&frame(b'X', b""));
    assert_eq!(pair.server.raw, frame(b'X', b""));
}
