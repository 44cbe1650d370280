//! What a session says that it has done.

use sealwire_engine::{Counters, Need};

use super::pair::{CUTS, Pair, Supplies};
use super::sealed::{INSERT, SELECT_ALL, SELECT_BY_EMAIL};
use super::wire::{bind, execute, parse, query, sync, text};

#[track_caller]
fn check(pair: &Pair, statements: [u64; 3], cells: [u64; 3]) {
    let now = pair.session.counters();
    let [plain, planned, refused] = statements;
    let [sealed, opened, rejected] = cells;
    let mut expected = Counters::default();
    expected.statements_plain = plain;
    expected.statements_planned = planned;
    expected.statements_refused = refused;
    expected.cells_sealed = sealed;
    expected.cells_opened = opened;
    expected.cells_rejected = rejected;
    assert_eq!(now, expected);
}

#[test]
fn texts_count_when_they_are_prepared_and_cells_when_they_are_made() {
    for &cut in CUTS {
        let mut pair = Pair::new(cut);
        check(&pair, [0; 3], [0; 3]);
        let insert = |id: &str, email: &str| {
            [bind("", "i", &[text(id), text(email)], &[]), execute("", 0)].concat()
        };
        let batch = [
            parse("i", INSERT, &[]),
            insert("1", "a@example.org"),
            insert("2", "b@example.org"),
            sync(),
        ];
        pair.ask(&batch.concat());
        check(&pair, [0, 1, 0], [2, 0, 0]);
        pair.ask(&query("SELECT 1"));
        pair.ask(&[parse("", "SELECT 2", &[]), sync()].concat());
        check(&pair, [2, 1, 0], [2, 0, 0]);
        pair.ask(&query("SELECT id FROM users WHERE email LIKE 'a%'"));
        let refused = "SELECT id FROM users WHERE email > $1";
        pair.ask(&[parse("", refused, &[]), sync()].concat());
        // A name that the server might cut is refused although the text is planned.
        pair.ask(&[parse(&"n".repeat(70), SELECT_ALL, &[]), sync()].concat());
        check(&pair, [2, 1, 3], [2, 0, 0]);
        assert_eq!(pair.fault, None);
    }
}

#[test]
fn a_text_that_waits_for_its_key_counts_once() {
    let literal = "INSERT INTO users (id, email) VALUES (1, 'a@example.org')";
    for statement in [
        query(literal),
        [parse("", literal, &[]), sync()].concat(),
        [parse("", SELECT_BY_EMAIL, &[]), sync()].concat(),
    ] {
        let mut pair = Pair::new(None);
        pair.supplies = Supplies::ByHand;
        pair.send(&statement);
        let Some(Need::Keys(ids)) = pair.needs.first().cloned() else {
            panic!("{:?}", pair.needs);
        };
        pair.supply_keys(&ids);
        pair.drive();
        let counters = pair.session.counters();
        assert_eq!(counters.statements_planned, 1);
        assert_eq!(pair.fault, None);
    }
}
