//! Keys that have to be fetched while messages arrive.

use std::sync::Arc;

use sealwire_core::policy::{CekIndex, KeyId};
use sealwire_engine::{Error, Need, Supply};

use super::pair::{Pair, Supplies, cek, every_cut, failure};
use super::sealed::{INSERT, SELECT_ALL};
use super::wire::{bind, execute, parse, query, sync, tags, text};

const KEY: KeyId = KeyId {
    cek: CekIndex(0),
    version: 1,
};

fn insert(id: &str) -> Vec<u8> {
    let values = [text(id), text("alice@example.org")];
    [
        parse("", INSERT, &[]),
        bind("", "", &values, &[]),
        execute("", 0),
        sync(),
    ]
    .concat()
}

#[test]
fn a_bind_waits_for_its_key_and_everything_behind_it_waits_too() {
    every_cut(|mut pair| {
        pair.supplies = Supplies::ByHand;
        pair.send(&query("SELECT 1"));
        pair.send(&[insert("1"), query("SELECT 1")].concat());
        pair.send(&query("SELECT 1"));
        assert_eq!(tags(&pair.take()), "TDCZ1");
        assert_eq!(pair.needs, [Need::Keys(vec![KEY])]);
        assert_eq!(pair.session.poll_need(), None);
        pair.supply_keys(&[KEY]);
        pair.drive();
        assert_eq!(tags(&pair.take()), "2CZTDCZTDCZ");
        pair.assert_unseen(&["alice"]);
    });
}

#[test]
fn a_key_that_cannot_be_had_fails_the_statement_and_is_asked_for_again() {
    every_cut(|mut pair| {
        pair.supplies = Supplies::Failing;
        for _ in 0..2 {
            let frames = pair.ask(&insert("1"));
            assert_eq!(tags(&frames), "1EZ");
            assert_eq!(frames[1].error_field('C').unwrap(), failure().sqlstate);
            assert_eq!(frames[1].error_field('M').unwrap(), failure().message);
        }
        assert!(pair.needs.len() >= 2);
        pair.supplies = Supplies::AtOnce;
        assert_eq!(pair.tags(&insert("1")), "12CZ");
        pair.assert_unseen(&["alice"]);
    });
}

#[test]
fn keys_that_were_not_supplied_count_as_failed() {
    let mut pair = Pair::new(None);
    pair.supplies = Supplies::ByHand;
    pair.send(&insert("1"));
    pair.take();
    pair.supply(Supply::Keys(vec![]));
    pair.drive();
    assert_eq!(tags(&pair.take()), "EZ");
}

#[test]
fn rows_wait_for_their_key_and_nothing_overtakes_them() {
    every_cut(|mut pair| {
        assert_eq!(pair.tags(&insert("1")), "12CZ");
        pair.session.forget_keys();
        pair.supplies = Supplies::ByHand;
        pair.needs.clear();
        pair.send(&[query("SELECT 1"), query(SELECT_ALL), query("SELECT 1")].concat());
        assert_eq!(tags(&pair.take()), "TDCZT");
        assert!(!pair.session.wants_server());
        assert_eq!(pair.needs, [Need::Keys(vec![KEY])]);
        pair.supply_keys(&[KEY]);
        pair.drive();
        let frames = pair.take();
        assert_eq!(tags(&frames), "DCZTDCZ");
        assert_eq!(
            frames[0].values()[1].as_deref(),
            Some(&b"alice@example.org"[..])
        );
    });
}

#[test]
fn rows_whose_key_cannot_be_had_end_in_an_error_and_the_connection_goes_on() {
    every_cut(|mut pair| {
        assert_eq!(pair.tags(&insert("1")), "12CZ");
        pair.session.forget_keys();
        pair.supplies = Supplies::Failing;
        let select = [
            parse("", SELECT_ALL, &[]),
            bind("", "", &[], &[]),
            execute("", 0),
        ]
        .concat();
        let batch = [select.clone(), select.clone(), sync()].concat();
        assert_eq!(pair.tags(&batch), "12EZ");
        assert_eq!(pair.tags(&query(SELECT_ALL)), "TEZ");
        pair.supplies = Supplies::AtOnce;
        assert_eq!(pair.tags(&[select, sync()].concat()), "12DCZ");
    });
}

/// A cell that does not open: one error, the rest of the batch skipped, twice, then success.
#[test]
fn a_tampered_cell_is_one_error() {
    every_cut(|mut pair| {
        pair.send(&insert("1"));
        pair.send(&insert("2"));
        pair.send(&insert("3"));
        pair.take();
        let good = pair.server.users[1].1.clone();
        let last = pair.server.users[1].1.as_mut().unwrap().last_mut().unwrap();
        *last ^= 1;
        let select = [
            parse("", SELECT_ALL, &[]),
            bind("", "", &[], &[1]),
            execute("", 0),
        ]
        .concat();
        for _ in 0..2 {
            let frames =
                pair.ask(&[select.clone(), select.clone(), sync(), query("SELECT 1")].concat());
            assert_eq!(tags(&frames), "12DEZTDCZ");
            assert_eq!(frames[3].error_field('C').unwrap(), "XX001");
            assert_eq!(
                frames[3].error_field('M').unwrap(),
                "stored value of `public.users.email` failed authentication under key version 1"
            );
            assert_eq!(tags(&pair.ask(&query(SELECT_ALL))), "TDEZ");
        }
        pair.server.users[1].1 = Some(b"alice@example.org".to_vec());
        assert_eq!(pair.tags(&query(SELECT_ALL)), "TDEZ");
        pair.server.users[1].1 = Some([&[0x11, 9][..], &[0; 30]].concat());
        let frames = pair.ask(&query(SELECT_ALL));
        assert!(
            frames[2]
                .error_field('M')
                .unwrap()
                .contains("key version 9")
        );
        pair.server.users[1].1 = good;
        assert_eq!(pair.tags(&[select, sync()].concat()), "12DDDCZ");
    });
}

#[test]
fn what_a_client_still_sends_of_a_batch_whose_rows_failed_is_skipped() {
    every_cut(|mut pair| {
        pair.send(&insert("1"));
        pair.take();
        pair.server.users[0].1.as_mut().unwrap()[5] ^= 1;
        let select = [
            parse("", SELECT_ALL, &[]),
            bind("", "", &[], &[]),
            execute("", 0),
        ]
        .concat();
        assert_eq!(
            pair.tags(&[select.clone(), super::wire::flush()].concat()),
            "12E"
        );
        pair.server.received.clear();
        assert_eq!(pair.tags(&select), "");
        assert!(pair.server.received.is_empty());
        assert_eq!(pair.tags(&sync()), "Z");
    });
}

#[test]
fn forgetting_keys_in_the_middle_asks_again() {
    let mut pair = Pair::new(None);
    pair.send(&insert("1"));
    pair.session.forget_keys();
    pair.needs.clear();
    pair.take();
    assert_eq!(pair.tags(&query(SELECT_ALL)), "TDCZ");
    assert_eq!(pair.needs.len(), 1);
}

#[test]
fn an_old_key_version_opens_and_the_active_one_seals() {
    let mut pair = Pair::new(None);
    let policy = super::pair::policy();
    let id = KeyId { version: 2, ..KEY };
    let column = &policy.columns()[0];
    let key = sealwire_core::cell::ColumnKey::derive(&cek(id), 2, column);
    let mut cell = Vec::new();
    key.seal(b"old", &mut cell).unwrap();
    pair.server.users.push((9, Some(cell), None));
    let frames = pair.ask(&query(SELECT_ALL));
    assert_eq!(frames[1].values()[1].as_deref(), Some(&b"old"[..]));
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let mut pair = Pair::new(None);
    pair.supply(Supply::Policy(Arc::new(super::pair::policy())));
    assert!(
        matches!(pair.fault, Some(Error::ApiMisuse(_))),
        "{:?}",
        pair.fault
    );
}

#[test]
fn held_client_bytes_have_a_limit() {
    let mut options = Pair::options();
    options.limits.held_client_bytes_max = 1000;
    let mut pair = Pair::with(options, super::model::Model::new(true), None);
    pair.send(&super::wire::startup(&[]));
    pair.supplies = Supplies::ByHand;
    pair.send(&insert("1"));
    while pair.session.wants_client() {
        pair.send(&query("SELECT 1"));
    }
    pair.send(&query(&"x".repeat(1000)));
    pair.send(&query("SELECT 1"));
    let limit = Error::Limit {
        limit: "held_client_bytes_max",
        value: 1000,
    };
    assert_eq!(pair.fault, Some(limit.clone()));
    assert_eq!(pair.session.handle_server(b""), Err(limit));
}
