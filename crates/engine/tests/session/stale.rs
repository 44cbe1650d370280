//! What a name means can change under a session.

use super::pair::{Pair, every_cut};
use super::sealed::{INSERT, SELECT_ALL};
use super::wire::{bind, close, execute, parse, query, sync, tags, text};

const BIND: &str = "alice@example.org";

fn loads(pair: &Pair) -> usize {
    let frames = pair.server.received.iter();
    let is_load = |body: &[u8]| body.starts_with(b"sealwire_catalogue\0");
    frames.filter(|f| f.tag == b'P' && is_load(&f.body)).count()
}

#[test]
fn a_prepared_statement_is_refused_once_its_table_is_another() {
    every_cut(|mut pair| {
        let run = [
            bind("", "i", &[text("1"), text(BIND)], &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        pair.send(&[parse("i", INSERT, &[]), sync()].concat());
        pair.send(&query("SET search_path = audit"));
        pair.take();
        let frames = pair.ask(&run);
        assert_eq!(tags(&frames), "EZ");
        // The analysis says why: only the search path makes the name another table's.
        assert_eq!(frames[0].error_field('C').unwrap(), "42703");
        pair.assert_unseen(&[BIND]);
        pair.send(&query("SET search_path = public"));
        pair.take();
        assert_eq!(pair.tags(&run), "2CZ");
        pair.assert_unseen(&[BIND]);
    });
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_until_it_is_the_protected_table_again() {
    every_cut(|mut pair| {
        pair.send(&query("SET search_path = audit"));
        pair.take();
        let run = [
            parse("i", INSERT, &[]),
            bind("", "i", &[text("1"), text(BIND)], &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        let frames = pair.ask(&run);
        assert_eq!(tags(&frames), "EZ");
        assert_eq!(frames[0].error_field('C').unwrap(), "42703");
        pair.assert_unseen(&[BIND]);
        pair.send(&query("SET search_path = public"));
        pair.take();
        assert_eq!(pair.tags(&run), "12CZ");
        pair.assert_unseen(&[BIND]);
    });
}

/// The change and the statement in one go: the statement waits for the change.
#[test]
fn a_pipelined_change_counts() {
    for change in [
        query("SET search_path = public"),
        [
            parse("", "SET search_path = public", &[]),
            bind("", "", &[], &[]),
            execute("", 0),
        ]
        .concat(),
    ] {
        every_cut(|mut pair| {
            pair.send(&query("SET search_path = audit"));
            pair.take();
            let insert = [
                parse("", INSERT, &[]),
                bind("", "", &[text("1"), text(BIND)], &[]),
                execute("", 0),
                sync(),
            ]
            .concat();
            let expected = if change[0] == b'Q' {
                "CZ12CZ"
            } else {
                "12C12CZ"
            };
            assert_eq!(pair.tags(&[change.clone(), insert].concat()), expected);
            pair.assert_unseen(&[BIND]);
        });
    }
}

#[test]
fn a_set_of_something_else_reloads_nothing() {
    let mut pair = Pair::new(None);
    pair.send(&query("SET application_name = 'x'"));
    pair.send(&query(SELECT_ALL));
    assert_eq!(loads(&pair), 0);
    pair.send(&query("SET search_path = public"));
    pair.send(&query("SELECT 1"));
    assert_eq!(loads(&pair), 0);
    pair.send(&query(SELECT_ALL));
    pair.send(&query(SELECT_ALL));
    assert_eq!(loads(&pair), 1);
}

#[test]
fn the_end_of_a_transaction_undoes_what_was_set_in_it() {
    let mut pair = Pair::new(None);
    pair.send(&query("BEGIN"));
    pair.send(&query("SET search_path = public"));
    pair.send(&query(SELECT_ALL));
    assert_eq!(loads(&pair), 1);
    pair.send(&query("ROLLBACK"));
    pair.send(&query(SELECT_ALL));
    assert_eq!(loads(&pair), 2);
    assert_eq!(pair.fault, None);
}

#[test]
fn a_new_view_over_a_protected_table_is_protected() {
    every_cut(|mut pair| {
        let select = "SELECT id FROM v WHERE mail = $1";
        let script = [
            query("CREATE VIEW v AS SELECT id, email AS mail FROM users"),
            parse("", select, &[]),
            bind("", "", &[text(BIND)], &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        let frames = pair.ask(&script);
        assert_eq!(tags(&frames[..2]), "CZ");
        pair.assert_unseen(&[BIND]);
    });
}

/// The definitions of a transaction that was prepared for it become visible when it is committed.
#[test]
fn a_view_of_a_prepared_transaction_is_protected() {
    every_cut(|mut pair| {
        let select = [
            parse("", "SELECT id FROM v WHERE mail = $1", &[]),
            bind("", "", &[text(BIND)], &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        let commit = [
            parse("c", "COMMIT PREPARED 'x'", &[]),
            bind("", "c", &[], &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        for commit in [query("COMMIT PREPARED 'x'"), commit] {
            pair.send(&[commit, select.clone()].concat());
            assert_eq!(pair.fault, None);
            pair.assert_unseen(&[BIND]);
        }
    });
}

/// Inside the client's batch a Sync of the session's own would commit its implicit transaction.
#[test]
fn a_load_inside_a_batch_ends_in_a_flush() {
    every_cut(|mut pair| {
        pair.send(&query("SET search_path = public"));
        pair.take();
        pair.server.received.clear();
        let batch = [
            parse("p", "SELECT 1", &[]),
            parse("", INSERT, &[]),
            bind("", "", &[text("1"), text(BIND)], &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        assert_eq!(pair.tags(&batch), "112CZ");
        assert_eq!(loads(&pair), 1);
        assert_eq!(tags(&pair.server.received).matches('S').count(), 1);
    });
}

#[test]
fn a_load_that_fails_fails_the_statement_that_needed_it() {
    every_cut(|mut pair| {
        pair.send(&query("SET search_path = public"));
        pair.take();
        pair.server.lies.no_catalogue = true;
        let batch = [
            parse("", INSERT, &[]),
            bind("", "", &[text("1"), text(BIND)], &[]),
        ]
        .concat();
        let frames = pair.ask(&[batch.clone(), sync()].concat());
        assert_eq!(tags(&frames), "EZ");
        assert_eq!(frames[0].error_field('C').unwrap(), "42501");
        // The same with the batch open, where the server's own error is the client's.
        let frames = pair.ask(&[parse("p", "SELECT 1", &[]), batch, sync()].concat());
        assert_eq!(tags(&frames), "1EZ");
        assert_eq!(frames[1].error_field('C').unwrap(), "42501");
        pair.server.lies.no_catalogue = false;
        assert_eq!(pair.tags(&query(SELECT_ALL)), "TCZ");
        pair.assert_unseen(&[BIND]);
    });
}

#[test]
fn in_an_aborted_transaction_the_error_is_the_usual_one_and_rollback_works() {
    every_cut(|mut pair| {
        pair.send(&query("BEGIN"));
        pair.send(&query("SET search_path = public"));
        pair.send(&query("CREATE VIEW v AS SELECT id FROM users"));
        pair.send(&query("SELECT 1/0"));
        pair.take();
        for batch in [
            query(SELECT_ALL),
            [parse("", SELECT_ALL, &[]), sync()].concat(),
        ] {
            let frames = pair.ask(&batch);
            assert_eq!(tags(&frames), "EZ");
            assert_eq!(frames[0].error_field('C').unwrap(), "25P02");
        }
        assert_eq!(pair.tags(&query("ROLLBACK")), "CZ");
        assert_eq!(pair.tags(&query(SELECT_ALL)), "TCZ");
    });
}

/// The server's grammar comes before the transaction's state, so what it does not accept is told
/// without the catalogue.
#[test]
fn in_an_aborted_transaction_a_syntax_error_is_one_though_the_catalogue_cannot_be_read() {
    every_cut(|mut pair| {
        pair.send(&query("SET search_path = public"));
        pair.send(&query("BEGIN"));
        pair.send(&query("SELECT 1/0"));
        pair.take();
        for (text, sqlstate) in [
            ("SELEC email FROM users", "42601"),
            ("PREPARE p AS TRUNCATE users", "42601"),
            (SELECT_ALL, "25P02"),
        ] {
            for batch in [query(text), [parse("", text, &[]), sync()].concat()] {
                let frames = pair.ask(&batch);
                assert_eq!(tags(&frames), "EZ", "{text}");
                assert_eq!(frames[0].error_field('C').unwrap(), sqlstate, "{text}");
            }
        }
        assert_eq!(pair.tags(&query("ROLLBACK")), "CZ");
        assert_eq!(pair.tags(&query(SELECT_ALL)), "TCZ");
    });
}

/// A Query may follow extended messages without a Sync; its error has a ReadyForQuery of its own.
#[test]
fn a_query_inside_a_batch_whose_load_fails_is_answered_in_full() {
    every_cut(|mut pair| {
        pair.send(&query("SET search_path = public"));
        pair.send(&[query("BEGIN"), query("SELECT 1/0")].concat());
        pair.take();
        assert_eq!(
            pair.tags(&[close('S', "x"), query(SELECT_ALL)].concat()),
            "3EZ"
        );
        assert_eq!(
            pair.tags(&[query("ROLLBACK"), query(SELECT_ALL)].concat()),
            "CZTCZ"
        );
    });
}

const SELECT_BY_NAME: &str = "SELECT email, name FROM users WHERE name = $1";
const NAME: &str = "zqxmarker";

fn by_name(describe: bool) -> Vec<u8> {
    let mut batch = parse("", SELECT_BY_NAME, &[]);
    if describe {
        batch.extend(super::wire::describe('S', ""));
    }
    batch.extend([bind("", "", &[text(NAME)], &[]), execute("", 0), sync()].concat());
    batch
}

/// What the session has sent since the last look.
fn sent(pair: &mut Pair) -> String {
    tags(&std::mem::take(&mut pair.server.received))
}

/// The types of parameters in the Parse frames sent since the last look.
fn declared(pair: &mut Pair) -> Vec<Vec<u8>> {
    let frames = std::mem::take(&mut pair.server.received);
    let parses = frames.iter().filter(|frame| frame.tag == b'P');
    parses
        .map(|frame| {
            let end = |from: usize| from + frame.body[from..].iter().position(|&b| b == 0).unwrap();
            frame.body[end(end(0) + 1) + 3..].to_vec()
        })
        .collect()
}

#[test]
fn a_statement_seen_before_is_described_before_its_values_unless_the_client_asks() {
    every_cut(|mut pair| {
        assert_eq!(pair.tags(&by_name(false)), "12CZ");
        // The first time the values wait for the description.
        assert_eq!(sent(&mut pair), "PDHBES");
        assert_eq!(pair.tags(&by_name(false)), "12CZ");
        assert_eq!(sent(&mut pair), "PDBES");
        assert_eq!(pair.tags(&by_name(true)), "1tT2CZ");
        assert_eq!(sent(&mut pair), "PDBES");
        // Once for each Parse.
        let prepare = [parse("s", SELECT_BY_NAME, &[]), sync()].concat();
        let run = [bind("", "s", &[text(NAME)], &[]), execute("", 0), sync()].concat();
        assert_eq!(pair.tags(&prepare), "1Z");
        assert_eq!(pair.tags(&run), "2CZ");
        assert_eq!(pair.tags(&run), "2CZ");
        assert_eq!(sent(&mut pair), "PSDBESBES");
    });
}

#[test]
fn every_parameter_keeps_the_type_that_the_server_gave_it() {
    every_cut(|mut pair| {
        pair.ask(&by_name(true));
        assert_eq!(declared(&mut pair), [[].as_slice()]);
        let frames = pair.ask(&by_name(true));
        assert_eq!(declared(&mut pair), [[0, 0, 0, 25].as_slice()]);
        // The client sees what it has seen before.
        let described = frames.iter().find(|frame| frame.tag == b't').unwrap();
        assert_eq!(described.body, [0, 1, 0, 0, 0, 25]);
        // A type that the client declares is its own.
        pair.ask(&[parse("", SELECT_BY_NAME, &[25]), sync()].concat());
        pair.ask(&[parse("", SELECT_BY_NAME, &[25]), sync()].concat());
        for parse in declared(&mut pair) {
            assert_eq!(parse, [0, 0, 0, 25]);
        }
    });
}

/// Two columns change places behind the session's back: the statement fails before it runs, and
/// the next one is made with what is true now.
#[test]
fn a_plain_parameter_is_not_taken_for_a_cell() {
    for describe in [false, true] {
        every_cut(|mut pair| {
            pair.ask(&by_name(describe));
            pair.server.swapped = true;
            let frames = pair.ask(&by_name(describe));
            assert_eq!(tags(&frames), "EZ");
            assert_eq!(frames[0].error_field('C').unwrap(), "42883");
            // `email`, the encrypted one, is a text now.
            let frames = pair.ask(&by_name(describe));
            assert_eq!(tags(&frames), "EZ");
            assert_eq!(frames[0].error_field('C').unwrap(), "42P17");
            pair.server.swapped = false;
            let expected = if describe { "1tT2CZ" } else { "12CZ" };
            assert_eq!(pair.tags(&by_name(describe)), expected);
        });
    }
}

#[test]
fn rows_of_a_statement_seen_before_wait_for_its_description() {
    every_cut(|mut pair| {
        pair.server.users = vec![(1, None, Some(NAME.as_bytes().to_vec()))];
        assert_eq!(pair.tags(&by_name(false)), "12DCZ");
        pair.server.lies.cells_are_text = true;
        let frames = pair.ask(&by_name(false));
        assert_eq!(tags(&frames), "12EZ");
        assert_eq!(frames[2].error_field('C').unwrap(), "42P17");
        pair.server.lies.cells_are_text = false;
        assert_eq!(pair.tags(&by_name(false)), "12DCZ");
    });
}

/// The catalogue was read before the path led there.
#[test]
fn a_new_search_path_reads_the_catalogue_once() {
    let mut pair = Pair::new(None);
    for (path, expected) in [("audit", 5), ("public", 1), ("audit", 1), ("public", 1)] {
        pair.send(&query(&format!("SET search_path = {path}")));
        pair.server.received.clear();
        pair.send(&query("SELECT id, email FROM public.users"));
        assert_eq!(loads(&pair), expected, "{path}");
    }
}

/// `COMMIT` takes back what `SET LOCAL` did; what is sent behind it waits for that.
#[test]
fn what_follows_the_end_of_a_transaction_waits_for_it() {
    let ends = [
        [query("COMMIT"), Vec::new()],
        [
            [parse("", "COMMIT", &[]), bind("", "", &[], &[])].concat(),
            [execute("", 0), sync()].concat(),
        ],
    ];
    for end in ends {
        every_cut(|mut pair| {
            pair.send(&query("SET search_path = audit"));
            pair.send(&query("BEGIN"));
            pair.send(&query("SET LOCAL search_path = public"));
            let insert = |id| {
                let values = [text(id), text(BIND)];
                [
                    parse("", INSERT, &[]),
                    bind("", "", &values, &[]),
                    execute("", 0),
                    sync(),
                ]
                .concat()
            };
            assert_eq!(pair.tags(&insert("1")), "CZCZCZ12CZ");
            pair.server.local_path = Some(vec!["pg_catalog", "audit"]);
            let frames = pair.ask(&[end.concat(), insert("2")].concat());
            assert_eq!(tags(&frames[frames.len() - 2..]), "EZ");
            let error = &frames[frames.len() - 2];
            assert_eq!(error.error_field('C').unwrap(), "42703");
            pair.assert_unseen(&[BIND]);
        });
    }
}

#[test]
fn a_call_of_a_function_that_may_change_the_path_is_not_trusted() {
    for (kind, call, expected) in [
        ("f", "SELECT go()", 1),
        ("n", "SELECT go()", 4),
        ("f", "SELECT stay()", 0),
    ] {
        let mut pair = Pair::with(Pair::options(), super::model::Model::new(true), None);
        pair.server.functions = Some(format!("{kind}{}", super::model::hex(b"go")).into());
        pair.send(&super::wire::startup(&[("user", "app")]));
        pair.send(&query(call));
        pair.server.received.clear();
        pair.send(&query(SELECT_ALL));
        assert_eq!(loads(&pair), expected, "{kind} {call}");
        assert_eq!(pair.fault, None);
    }
}

/// A refusal that rests on the catalogue is not pronounced on an old one.
#[test]
fn a_refusal_looks_at_the_catalogue_again() {
    every_cut(|mut pair| {
        let select = "SELECT id, nick FROM users WHERE name = $1";
        let prepare = [parse("", select, &[]), sync()].concat();
        pair.server.received.clear();
        let frames = pair.ask(&prepare);
        assert_eq!(tags(&frames), "EZ");
        assert_eq!(frames[0].error_field('C').unwrap(), "42703");
        assert_eq!(loads(&pair), 4, "facts, types, catalogue and functions");
        pair.server.nick = true;
        assert_eq!(pair.tags(&prepare), "1Z");
    });
}
