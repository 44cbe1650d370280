//! Statements on protected relations: what a client sees of sealed columns is what it would see of
//! plain ones, and the server sees cells.

use super::model::Model;
use super::pair::{CUTS, Pair, every_cut};
use super::wire::{
    Value, binary, bind, close, describe, execute, flush, frames, null, parse, query, startup,
    sync, tags, text,
};

pub(crate) const INSERT: &str = "INSERT INTO users (id, email) VALUES ($1, $2)";
pub(crate) const INSERT_RETURNING: &str =
    "INSERT INTO users (id, email) VALUES ($1, $2) RETURNING email";
pub(crate) const SELECT_ALL: &str = "SELECT id, email FROM users";
pub(crate) const SELECT_BY_EMAIL: &str = "SELECT id, email FROM users WHERE email = $1";

const MARKER: &str = "alice@example.org";

/// Runs the steps through the session against the encrypted table and without it against the
/// plain one; every step must look the same to the client.
#[track_caller]
pub(crate) fn check(steps: &[Vec<u8>]) {
    for &cut in CUTS {
        let mut pair = Pair::new(cut);
        let mut twin = Model::new(false);
        twin.feed(&startup(&[("user", "app")]));
        twin.output.clear();
        for (at, step) in steps.iter().enumerate() {
            let seen = pair.ask(step);
            twin.feed(step);
            let expected = frames(&mut twin.output);
            assert_eq!(pair.fault, None, "step {at}, cut {cut:?}");
            assert_eq!(seen, expected, "step {at}, cut {cut:?}");
        }
        pair.assert_unseen(&[MARKER]);
        // What is stored must be cells; an empty table would prove nothing.
        let stored: Vec<_> = pair
            .server
            .users
            .iter()
            .filter_map(|u| u.1.as_ref())
            .collect();
        assert!(stored.iter().all(|cell| cell[0] == 0x11), "{stored:?}");
    }
}

fn insert(id: &str, email: Value) -> Vec<u8> {
    [
        bind("", "i", &[text(id), email], &[]),
        execute("", 0),
        sync(),
    ]
    .concat()
}

fn with_rows() -> Vec<Vec<u8>> {
    vec![
        [parse("i", INSERT, &[]), describe('S', "i"), sync()].concat(),
        insert("1", text(MARKER)),
        insert("2", binary(b"bob@example.org")),
        insert("3", null()),
        insert("4", text("")),
    ]
}

#[test]
fn prepared_statements_look_like_those_on_a_plain_table() {
    let mut steps = with_rows();
    steps.push([parse("q", SELECT_BY_EMAIL, &[]), describe('S', "q"), sync()].concat());
    for value in [
        text(MARKER),
        binary(b"bob@example.org"),
        null(),
        text(""),
        text("nobody"),
    ] {
        for formats in [&[][..], &[0], &[1], &[0, 1], &[1, 0]] {
            let bind = bind("", "q", std::slice::from_ref(&value), formats);
            steps.push([bind, describe('P', ""), execute("", 0), sync()].concat());
        }
    }
    steps.push([close('S', "q"), close('S', "i"), sync()].concat());
    check(&steps);
}

#[test]
fn unnamed_statements_need_no_describe_and_no_pause() {
    let mut steps = with_rows();
    for _ in 0..2 {
        steps.push(
            [
                parse("", SELECT_BY_EMAIL, &[]),
                bind("", "", &[text(MARKER)], &[]),
                execute("", 0),
                parse("", SELECT_ALL, &[]),
                bind("", "", &[], &[1]),
                describe('P', ""),
                execute("", 0),
                sync(),
                query("SELECT 1"),
            ]
            .concat(),
        );
    }
    check(&steps);
}

#[test]
fn types_that_the_client_declares_are_shown_to_it_and_not_to_the_server() {
    for oids in [&[23, 25][..], &[0, 25], &[23], &[23, 0]] {
        check(&[
            [
                parse("", INSERT_RETURNING, oids),
                describe('S', ""),
                flush(),
            ]
            .concat(),
            [
                bind("", "", &[text("1"), text(MARKER)], &[]),
                describe('P', ""),
                execute("", 0),
                sync(),
            ]
            .concat(),
        ]);
    }
    let mut pair = Pair::new(None);
    pair.send(&[parse("", INSERT, &[0, 1043]), sync()].concat());
    let parse = &pair.server.received[0];
    assert!(
        parse.body.ends_with(&[0, 2, 0, 0, 0, 0, 0, 0, 0, 17]),
        "{parse:?}"
    );
}

#[test]
fn portals_with_row_limits_open_every_part() {
    let mut steps = with_rows();
    steps.push(
        [
            query("BEGIN"),
            parse("q", SELECT_ALL, &[]),
            bind("c", "q", &[], &[0, 1]),
            execute("c", 2),
            sync(),
        ]
        .concat(),
    );
    steps.push([execute("c", 1), flush()].concat());
    steps.push([close('S', "q"), execute("c", 0), close('P', "c"), sync()].concat());
    steps.push([execute("c", 0), sync(), query("COMMIT")].concat());
    check(&steps);
}

#[test]
fn errors_in_a_pipeline_come_in_their_place() {
    let mut steps = with_rows();
    steps.push(
        [
            insert("1", text("duplicate")),
            parse("", SELECT_ALL, &[]),
            bind("", "", &[], &[]),
            execute("", 0),
            bind("", "missing", &[text("x")], &[]),
            execute("", 0),
            sync(),
            insert("5", text("x")),
        ]
        .concat(),
    );
    steps.push(query("BEGIN"));
    steps.push(insert("1", text("duplicate")));
    steps.push(insert("6", text("ignored")));
    steps.push([parse("", SELECT_ALL, &[]), sync(), query("ROLLBACK")].concat());
    steps.push(query(SELECT_ALL));
    check(&steps);
}

#[test]
fn a_failed_parse_restores_what_a_name_meant() {
    check(&[
        [parse("s", INSERT, &[]), sync()].concat(),
        // Fails as a duplicate; `s` stays the INSERT, whose parameter is sealed.
        [parse("s", "SELECT $1::text", &[]), sync()].concat(),
        [
            bind("", "s", &[text("1"), text(MARKER)], &[]),
            execute("", 0),
            sync(),
        ]
        .concat(),
        // The same in one go, with the Bind sent before the failure is known.
        [
            parse("s", "SELECT $1::text", &[]),
            sync(),
            bind("", "s", &[text("2"), text(MARKER)], &[]),
            execute("", 0),
            sync(),
        ]
        .concat(),
        [parse("", INSERT, &[]), sync()].concat(),
        [parse("", "SELECT nonsense", &[]), sync()].concat(),
        [
            bind("", "", &[text("3"), text("x")], &[]),
            execute("", 0),
            sync(),
        ]
        .concat(),
        [query(SELECT_ALL), query(SELECT_ALL)].concat(),
    ]);
}

#[test]
fn a_query_destroys_the_unnamed_statement() {
    check(&[
        [parse("", INSERT, &[]), sync()].concat(),
        [
            query("SELECT 1"),
            bind("", "", &[text("1"), text("x")], &[]),
            sync(),
            query(SELECT_ALL),
        ]
        .concat(),
    ]);
}

#[test]
fn elements_of_an_array_are_sealed_one_by_one() {
    const ANY: &str = "SELECT id FROM users WHERE email = ANY($1)";
    let mut steps = with_rows();
    steps.push([parse("a", ANY, &[]), describe('S', "a"), sync()].concat());
    let array = text("{alice@example.org,bob@example.org,nobody}");
    steps.push([bind("", "a", &[array], &[]), execute("", 0), sync()].concat());
    let mut elements: Vec<u8> = [1, 0, 25, 2, 1]
        .iter()
        .flat_map(|n: &i32| n.to_be_bytes())
        .collect();
    for element in [MARKER, "x"] {
        elements.extend(super::wire::field(Some(element.as_bytes())));
    }
    let array = binary(&elements);
    check(&steps);

    let mut pair = Pair::new(None);
    for step in &steps {
        pair.send(step);
    }
    pair.take();
    assert_eq!(
        pair.tags(&[bind("", "a", &[array], &[]), execute("", 0), sync()].concat()),
        "2DCZ"
    );
    pair.assert_unseen(&[MARKER]);
}

#[test]
fn a_plain_statement_on_a_protected_table_passes_but_for_its_types() {
    every_cut(|mut pair| {
        let script = |oids: &[u32], described: bool| {
            let asked = if described {
                describe('S', "")
            } else {
                Vec::new()
            };
            [
                parse("", "SELECT id FROM users WHERE id = $1", oids),
                asked,
                bind("", "", &[text("1")], &[]),
                execute("", 0),
                sync(),
            ]
            .concat()
        };
        pair.send(&script(&[], false));
        assert_eq!(pair.fault, None);
        let frames = &pair.server.received;
        assert_eq!(tags(frames), "PDHBES");
        pair.server.raw.clear();
        // What the server has said of the parameter is declared, and the statement described, if
        // the client does not do so itself.
        pair.send(&script(&[], false));
        assert!(pair.server.raw == script(&[23], true));
        pair.server.raw.clear();
        pair.send(&script(&[23], true));
        pair.send(&script(&[23], true));
        assert!(pair.server.raw.ends_with(&script(&[23], true)));
    });
}

#[test]
fn a_warm_statement_costs_no_round_trip() {
    let mut pair = Pair::new(None);
    let batch = [
        parse("", SELECT_BY_EMAIL, &[]),
        bind("", "", &[text(MARKER)], &[]),
        execute("", 0),
        sync(),
    ]
    .concat();
    pair.send(&batch);
    pair.server.received.clear();
    pair.send_only(&batch);
    let mut sent = pair.session.to_server().to_vec();
    assert_eq!(tags(&frames(&mut sent)), "PDBES");
}

#[test]
fn equal_values_give_equal_cells_in_text_and_binary() {
    let mut pair = Pair::new(None);
    for step in with_rows() {
        pair.send(&step);
    }
    pair.send(&insert("5", binary(MARKER.as_bytes())));
    let users = &pair.server.users;
    assert_eq!(users[0].1, users[4].1);
    assert_ne!(users[0].1, users[1].1);
}
