//! A session that is ended from outside, wherever it is.

use sealwire_engine::{Error, Failure};

use super::pair::{CUTS, Pair};
use super::wire::{frame, frames, query, row, tags};

fn shutting_down() -> Failure {
    Failure {
        sqlstate: "57P01",
        message: "terminating connection".into(),
        hint: None,
    }
}

#[test]
fn between_messages_both_peers_are_told() {
    for &cut in CUTS {
        let mut pair = Pair::new(cut);
        assert!(pair.session.is_idle());
        let error = pair.session.end(shutting_down()).unwrap_err();
        assert!(matches!(error, Error::Unusable(_)));
        assert_eq!(pair.session.to_server()[..], frame(b'X', b""));
        let mut told = pair.session.to_client().to_vec();
        let told = frames(&mut told);
        assert_eq!(tags(&told), "E");
        assert_eq!(told[0].error_field('S').unwrap(), "FATAL");
        assert_eq!(told[0].error_field('C').unwrap(), "57P01");
        // Whatever comes now is too late.
        assert_eq!(pair.session.handle_client(&query("SELECT 1")), Err(error));
    }
}

#[test]
fn a_message_that_is_under_way_to_the_client_is_not_completed_with_another() {
    let value = vec![b'v'; 1 << 20];
    let whole = row(&[Some(&value)]);
    for missing in [1, 5, 100, whole.len() - 6] {
        let mut pair = Pair::new(None);
        pair.send_only(&query("SELECT * FROM log"));
        pair.session.to_server().clear();
        let begun = &whole[..whole.len() - missing];
        pair.server_says(begun);
        assert!(!pair.session.is_idle());
        let passed = pair.take_raw();
        assert_eq!(passed, begun, "{missing}");
        pair.session.end(shutting_down()).unwrap_err();
        assert!(pair.session.to_client().is_empty(), "{missing}");
        assert_eq!(pair.session.to_server()[..], frame(b'X', b""));
    }
}

#[test]
fn a_message_that_is_under_way_to_the_server_is_not_completed_with_another() {
    // FunctionCall passes as it comes, however long it is, from the function's identifier on.
    let call = frame(b'F', &[b'a'; 4096]);
    for missing in [1, 5, 100, call.len() - 9] {
        let mut pair = Pair::new(None);
        let begun = &call[..call.len() - missing];
        pair.send_only(begun);
        assert_eq!(pair.session.to_server()[..], *begun, "{missing}");
        pair.session.to_server().clear();
        assert!(!pair.session.is_idle());
        pair.session.end(shutting_down()).unwrap_err();
        assert!(pair.session.to_server().is_empty(), "{missing}");
        let mut told = pair.session.to_client().to_vec();
        assert_eq!(tags(&frames(&mut told)), "E");
    }
}
