//! Authentication that ends at the session, with another implementation's SCRAM as the client.
//! Against a real server it is tested with the proxy.

use std::sync::Arc;

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::password::scram_sha_256;
use sealwire_engine::{Error, Login, Session};

use super::model::Model;
use super::pair::{CUTS, Pair};
use super::wire::{Frame, cstr, field, frame, frames, query, startup, tags};

const PASSWORD: &[u8] = b"correct horse";
const END_POINT: &[u8] = b"hash of a certificate";
const PLAIN: &str = "SCRAM-SHA-256";
const BOUND: &str = "SCRAM-SHA-256-PLUS";

fn login(end_point: Option<&[u8]>) -> Login {
    let secret = scram_sha_256(PASSWORD).parse().unwrap();
    let end_point = end_point.map(<[u8]>::to_vec);
    Login::new(Arc::new(secret), end_point, [[1; 18], [2; 18]])
}

/// A session before a server that asks for nothing.
fn trusted(end_point: Option<&[u8]>, cut: super::pair::Cut) -> Pair {
    let mut pair = Pair::with(Pair::options(), Model::new(true), cut);
    pair.session.terminate_authentication(login(end_point));
    pair.send(&startup(&[("user", "app")]));
    pair
}

fn initial(mechanism: &str, message: &[u8]) -> Vec<u8> {
    frame(b'p', &[cstr(mechanism), field(Some(message))].concat())
}

/// The body of the one authentication request that there is.
#[track_caller]
fn request(found: &[Frame], code: u8) -> Vec<u8> {
    assert_eq!(tags(found), "R");
    assert_eq!(found[0].body[..4], [0, 0, 0, code]);
    found[0].body[4..].to_vec()
}

#[test]
fn a_client_that_proves_itself_is_let_in_however_its_bytes_are_cut() {
    for &cut in CUTS {
        for (mechanism, binding) in [
            (PLAIN, ChannelBinding::unsupported()),
            (
                BOUND,
                ChannelBinding::tls_server_end_point(END_POINT.to_vec()),
            ),
        ] {
            let mut pair = trusted(Some(END_POINT), cut);
            let offered = request(&pair.take(), 10);
            assert_eq!(offered, [cstr(BOUND), cstr(PLAIN), vec![0]].concat());
            let mut scram = ScramSha256::new(PASSWORD, binding);
            pair.send(&initial(mechanism, scram.message()));
            scram.update(&request(&pair.take(), 11)).unwrap();
            pair.send(&frame(b'p', scram.message()));
            let found = pair.take();
            scram.finish(&request(&found[..1], 12)).unwrap();
            assert_eq!(tags(&found), "RRSSSSSSSKZ", "{:?}", pair.fault);
        }
    }
}

#[test]
fn a_client_that_does_not_is_told_and_sees_nothing_of_the_server() {
    let mut pair = trusted(None, None);
    assert_eq!(request(&pair.take(), 10), [cstr(PLAIN), vec![0]].concat());
    let mut scram = ScramSha256::new(b"wrong", ChannelBinding::unrequested());
    pair.send(&initial(PLAIN, scram.message()));
    scram.update(&request(&pair.take(), 11)).unwrap();
    pair.send(&frame(b'p', scram.message()));
    let found = pair.take();
    assert_eq!(tags(&found), "E");
    assert_eq!(found[0].error_field('C').unwrap(), "28P01");
    assert!(matches!(pair.fault, Some(Error::Unusable(_))));
}

/// Statements before the proof, when it is asked for and before that.
#[test]
fn nothing_passes_before_the_proof() {
    for early in [false, true] {
        let mut pair = Pair::with(Pair::options(), Model::new(true), None);
        pair.session.terminate_authentication(login(None));
        pair.send_only(&startup(&[("user", "app")]));
        if early {
            pair.send(&query("SELECT 1"));
        } else {
            pair.drive();
            request(&pair.take(), 10);
            pair.send(&query("SELECT 1"));
        }
        let found = pair.take();
        assert_eq!(tags(&found), "E", "{early}");
        assert_eq!(found[0].error_field('C').unwrap(), "08P01");
        let received = &pair.server.received;
        assert!(
            received.iter().all(|frame| frame.tag != b'Q'),
            "{received:?}"
        );
    }
}

/// What is behind AuthenticationOk is held until the client has proved itself, which it may never
/// do.
#[test]
fn a_server_that_asks_for_nothing_waits_for_the_proof() {
    let mut pair = trusted(None, None);
    request(&pair.take(), 10);
    assert!(!pair.session.wants_server());
    let mut scram = ScramSha256::new(PASSWORD, ChannelBinding::unrequested());
    pair.send(&initial(PLAIN, scram.message()));
    scram.update(&request(&pair.take(), 11)).unwrap();
    assert!(!pair.session.wants_server());
    pair.send(&frame(b'p', scram.message()));
    assert!(tags(&pair.take()).ends_with('Z'));
    assert!(pair.session.wants_server());
}

/// Messages of the client that are none, or out of turn, and a downgrade.
#[test]
fn a_client_that_breaks_the_protocol_is_told() {
    let scram = ScramSha256::new(PASSWORD, ChannelBinding::unrequested());
    let first = scram.message().to_vec();
    for (bytes, sqlstate) in [
        (frame(b'p', b""), "08P01"),
        (frame(b'p', b"no terminator"), "08P01"),
        (frame(b'p', &cstr(PLAIN)), "08P01"),
        (frame(b'p', &[0; 4096]), "08P01"),
        (initial("SCRAM-SHA-1", &first), "08P01"),
        (initial(BOUND, &first), "08P01"),
        // `y`: it knows bindings and believes that there was none to choose.
        (initial(PLAIN, &first), "28000"),
    ] {
        let mut pair = trusted(Some(END_POINT), None);
        request(&pair.take(), 10);
        pair.send(&bytes);
        let found = pair.take();
        assert_eq!(tags(&found), "E", "{bytes:?}");
        assert_eq!(found[0].error_field('C').unwrap(), sqlstate, "{bytes:?}");
    }
}

/// A session whose server is what a test makes it.
fn alone() -> Session {
    let mut session = Session::new(Pair::options());
    session.terminate_authentication(login(None));
    session.handle_client(&startup(&[("user", "app")])).unwrap();
    session.to_server().clear();
    session
}

fn told(session: &mut Session) -> Vec<Frame> {
    frames(&mut session.to_client().split().to_vec())
}

#[test]
fn a_server_that_asks_for_a_password_in_the_clear_gets_none() {
    for code in [3u8, 5, 7, 9] {
        let mut session = alone();
        let asks = frame(b'R', &[0, 0, 0, code, 1, 2, 3, 4]);
        assert!(matches!(
            session.handle_server(&asks),
            Err(Error::Unusable(_))
        ));
        assert_eq!(told(&mut session)[0].error_field('C').unwrap(), "28000");
        assert_eq!(
            frames(&mut session.to_server().split().to_vec())[0].tag,
            b'X'
        );
    }
}

/// A server that lets the session in halfway through has not proved to be the right one.
#[test]
fn a_server_that_breaks_off_the_exchange_is_not_believed() {
    let sasl = frame(b'R', &[&[0, 0, 0, 10][..], &cstr(PLAIN), &[0]].concat());
    let ok = frame(b'R', &[0; 4]);
    for steps in 0..3 {
        let mut session = alone();
        session.handle_server(&sasl).unwrap();
        request(&told(&mut session), 10);
        let mut scram = ScramSha256::new(PASSWORD, ChannelBinding::unsupported());
        if steps > 0 {
            session
                .handle_client(&initial(PLAIN, scram.message()))
                .unwrap();
            scram.update(&request(&told(&mut session), 11)).unwrap();
        }
        if steps > 1 {
            session
                .handle_client(&frame(b'p', scram.message()))
                .unwrap();
            let sent = frames(&mut session.to_server().split().to_vec());
            assert_eq!(tags(&sent), "p");
            assert!(sent[0].body.starts_with(&cstr(PLAIN)));
        }
        let result = session.handle_server(&ok);
        assert!(matches!(result, Err(Error::ServerMisbehaved(_))), "{steps}");
        let found = told(&mut session);
        assert_eq!(tags(&found), "E", "{steps}");
    }
}
