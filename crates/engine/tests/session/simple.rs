//! Simple queries.

use super::model::Model;
use super::pair::{CUTS, Pair};
use super::sealed::{INSERT, SELECT_ALL};
use super::wire::{bind, execute, frames, parse, query, startup, sync, text};

#[track_caller]
fn check(steps: &[Vec<u8>]) {
    for &cut in CUTS {
        let mut pair = Pair::new(cut);
        let mut twin = Model::new(false);
        twin.feed(&startup(&[("user", "app")]));
        twin.output.clear();
        let insert = |id: &str, email: &str| {
            let values = [text(id), text(email)];
            [
                parse("", INSERT, &[]),
                bind("", "", &values, &[]),
                execute("", 0),
                sync(),
            ]
            .concat()
        };
        let rows = [
            insert("1", "alice@example.org"),
            insert("2", "bob"),
            insert("3", "bob"),
        ];
        for (at, step) in rows.iter().chain(steps).enumerate() {
            twin.feed(step);
            assert_eq!(
                pair.ask(step),
                frames(&mut twin.output),
                "step {at}, cut {cut:?}"
            );
            assert_eq!(pair.fault, None);
        }
        pair.assert_unseen(&["alice@example.org"]);
    }
}

#[test]
fn rows_are_opened_into_text() {
    check(&[
        query(SELECT_ALL),
        query("SELECT id, email FROM public.users;"),
    ]);
}

#[test]
fn literals_are_sealed_in_place() {
    check(&[
        query("SELECT id, email FROM users WHERE email = 'alice@example.org'"),
        query("SELECT id, email FROM users WHERE email = 'bob'; SELECT 1"),
    ]);
}

#[test]
fn the_end_of_a_transaction_that_was_open_before_is_not_passed() {
    let text = query("COMMIT; SELECT id, email FROM users WHERE email = 'alice@example.org'");
    for (before, refused) in [(&[][..], false), (&[query("BEGIN")][..], true)] {
        let mut pair = Pair::new(None);
        for message in before {
            pair.ask(message);
        }
        let frames = pair.ask(&text);
        let code = frames.iter().find(|frame| frame.tag == b'E');
        let code = code.map(|frame| frame.error_field('C').unwrap());
        assert_eq!(code.as_deref() == Some("0A000"), refused, "{code:?}");
        pair.assert_unseen(&["alice@example.org"]);
    }
    // In one go, before the answer to BEGIN is here.
    let mut pair = Pair::new(None);
    let frames = pair.ask(&[query("BEGIN"), text].concat());
    let refused = frames.iter().find(|frame| frame.tag == b'E').unwrap();
    assert_eq!(refused.error_field('C').unwrap(), "0A000");
    pair.assert_unseen(&["alice@example.org"]);
}

#[test]
fn every_statement_of_a_text_has_its_own_columns() {
    check(&[query(
        "SELECT 1; SELECT id, email FROM users; SELECT 1; SELECT id, email FROM users WHERE email = 'bob'",
    )]);
}

#[test]
fn an_error_ends_the_text_and_nothing_else() {
    check(&[
        query("SELECT id, email FROM users; SELECT 1/0; SELECT id, email FROM users"),
        query("BEGIN"),
        query("SELECT 1/0"),
        query(SELECT_ALL),
        query("ROLLBACK"),
        [query(SELECT_ALL), query("SELECT 1"), query(SELECT_ALL)].concat(),
    ]);
}

#[test]
fn a_literal_in_a_parse_is_sealed() {
    let statement = "SELECT id, email FROM users WHERE email = 'alice@example.org'";
    check(&[
        [
            parse("", statement, &[]),
            bind("", "", &[], &[]),
            execute("", 0),
            sync(),
        ]
        .concat(),
        [parse("s", statement, &[]), sync()].concat(),
        [bind("", "s", &[], &[1]), execute("", 0), sync()].concat(),
    ]);
}
