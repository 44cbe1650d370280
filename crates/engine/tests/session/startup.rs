//! Up to the first ReadyForQuery.

use std::sync::Arc;

use sealwire_engine::{Error, Need, Options, PolicySource, Supply};

use super::model::Model;
use super::pair::{CUTS, Cut, Pair, Supplies, failure, policy};
use super::wire::{Frame, frame, query, startup, tags};

fn database() -> Options {
    Options::new(PolicySource::Database)
}

fn connect(options: Options, model: Model, cut: Cut) -> (Pair, Vec<Frame>) {
    let mut pair = Pair::with(options, model, cut);
    pair.supplies = Supplies::ByHand;
    pair.send(&startup(&[("user", "app")]));
    let frames = pair.take();
    (pair, frames)
}

#[track_caller]
fn assert_unusable(pair: &mut Pair, frames: &[Frame], words: &str) {
    let last = frames.last().unwrap();
    assert_eq!(last.error_field('S').unwrap(), "FATAL");
    let message = last.error_field('M').unwrap();
    assert!(message.contains(words), "{message}");
    assert!(matches!(&pair.fault, Some(Error::Unusable(f)) if f.message == message));
    assert_eq!(pair.server.received.last().map(|f| f.tag), Some(b'X'));
    assert!(pair.session.handle_client(&query("SELECT 1")).is_err());
}

#[test]
fn the_client_sees_the_servers_start_and_nothing_of_the_sessions_own() {
    for &cut in CUTS {
        let (_, frames) = connect(Pair::options(), Model::new(true), cut);
        assert_eq!(tags(&frames), "RSSSSSSSKZ");
    }
}

#[test]
fn encryption_requests_are_answered_here() {
    let mut pair = Pair::with(Pair::options(), Model::new(true), Some(1));
    for code in [80_877_103i32, 80_877_104] {
        pair.send(&[8i32.to_be_bytes(), code.to_be_bytes()].concat());
        assert_eq!(pair.take_raw(), b"N");
    }
    pair.send(&startup(&[]));
    assert_eq!(tags(&pair.take()), "RSSSSSSSKZ");
}

#[test]
fn a_cancel_request_passes_whatever_its_length() {
    for len in [4, 256] {
        let mut pair = Pair::with(Pair::options(), Model::new(true), None);
        let request: Vec<u8> = [
            i32::to_be_bytes(12 + len).to_vec(),
            80_877_102i32.to_be_bytes().to_vec(),
            vec![7; 4 + usize::try_from(len).unwrap()],
        ]
        .concat();
        for byte in &request {
            pair.send_only(&[*byte]);
        }
        assert_eq!(pair.session.to_server()[..], request);
    }
}

#[test]
fn replication_is_refused_with_a_message() {
    let mut pair = Pair::with(Pair::options(), Model::new(true), None);
    pair.send(&startup(&[("user", "app"), ("replication", "database")]));
    let frames = pair.take();
    assert!(frames[0].error_field('M').unwrap().contains("replication"));
    assert!(pair.server.raw.is_empty());
}

#[test]
fn any_minor_version_passes() {
    let mut message = startup(&[]);
    message[6..8].copy_from_slice(&9999u16.to_be_bytes());
    let mut pair = Pair::with(Pair::options(), Model::new(true), None);
    pair.send(&message);
    assert!(pair.server.raw.starts_with(&message));
}

#[test]
fn what_the_client_sends_too_early_waits() {
    for &cut in CUTS {
        let mut pair = Pair::with(Pair::options(), Model::new(true), cut);
        pair.send_only(&[startup(&[]), query("SELECT 1")].concat());
        assert_eq!(pair.session.to_server().len(), startup(&[]).len());
        pair.drive();
        assert_eq!(tags(&pair.take()), "RSSSSSSSKZTDCZ");
    }
}

#[test]
fn an_answer_to_authentication_is_not_waited_for_behind_something_else() {
    let request = frame(b'R', b"\0\0\0\x05salt");
    for early in [true, false] {
        let mut pair = Pair::with(Pair::options(), Model::new(true), None);
        pair.send_only(&startup(&[]));
        if early {
            pair.send_only(&query("SELECT 1"));
            pair.server_says(&request);
        } else {
            pair.server_says(&request);
            pair.send_only(&query("SELECT 1"));
        }
        assert!(matches!(pair.fault, Some(Error::ClientMisbehaved(_))));
    }
    // Behind the answer it may wait for the session, as long as nothing more is asked.
    let mut pair = Pair::with(Pair::options(), Model::new(true), None);
    pair.send_only(&startup(&[]));
    pair.server_says(&request);
    pair.send_only(&[frame(b'p', b"md5\0"), query("SELECT 1")].concat());
    assert_eq!(pair.fault, None);
    pair.server_says(&frame(b'R', b"\0\0\0\x0cv=x"));
    pair.server_says(&frame(b'R', b"\0\0\0\0"));
    assert_eq!(pair.fault, None);
    pair.send_only(&query("SELECT 2"));
    assert_eq!(pair.fault, None);
}

#[test]
fn little_is_held_of_a_client_that_may_be_anybody() {
    let mut pair = Pair::with(Pair::options(), Model::new(true), None);
    pair.send_only(&startup(&[]));
    let statement = query(&format!("SELECT '{}'", "x".repeat(1000)));
    let mut sent = 0;
    while pair.session.wants_client() {
        assert!(sent < 100, "it is never enough");
        pair.send_only(&statement);
        sent += 1;
    }
    assert!(sent > 10, "a pipeline may begin with the startup message");
    assert_eq!(pair.fault, None);
    // What was held is sent once the session is ready, and more is welcome.
    pair.drive();
    assert!(pair.session.wants_client());
    let frames = pair.take();
    let ready = frames.iter().filter(|frame| frame.tag == b'Z');
    assert_eq!(ready.count(), 1 + sent);
}

#[test]
fn a_manifest_in_the_database_is_read_and_authenticated_first() {
    for &cut in CUTS {
        let mut model = Model::new(true);
        model.manifest = Some(Some(b"document".to_vec()));
        let (mut pair, frames) = connect(database(), model, cut);
        assert_eq!(tags(&frames), "RSSSSSSSK");
        assert_eq!(
            pair.needs,
            [Need::Policy {
                document: b"document".to_vec()
            }]
        );
        pair.supply(Supply::Policy(Arc::new(policy())));
        pair.drive();
        assert_eq!(tags(&pair.take()), "Z");
        assert_eq!(pair.tags(&query("SELECT id, email FROM users")), "TCZ");
    }
}

#[test]
fn no_manifest_no_session() {
    for (manifest, words) in [
        (None, "no manifest: `sealwire.manifest` cannot be read"),
        (
            Some(None),
            "no manifest: the table `sealwire.manifest` is empty",
        ),
    ] {
        for &cut in CUTS {
            let mut model = Model::new(true);
            model.manifest = manifest.clone();
            let (mut pair, frames) = connect(database(), model, cut);
            assert_unusable(&mut pair, &frames, words);
        }
    }
}

#[test]
fn a_manifest_that_is_not_authentic_ends_the_session() {
    let mut model = Model::new(true);
    model.manifest = Some(Some(b"altered".to_vec()));
    let (mut pair, _) = connect(database(), model, None);
    pair.supply(Supply::Failed(failure()));
    pair.drive();
    let frames = pair.take();
    assert_unusable(&mut pair, &frames, &failure().message);
}

#[test]
fn a_catalogue_that_cannot_be_read_ends_the_session() {
    let mut model = Model::new(true);
    model.lies.no_catalogue = true;
    let (mut pair, frames) = connect(Pair::options(), model, None);
    assert_unusable(&mut pair, &frames, "permission denied");
}

#[test]
fn a_table_that_disagrees_with_the_manifest_is_named() {
    let mut model = Model::new(true);
    model.lies.catalogue_lacks_domain = true;
    let (mut pair, frames) = connect(Pair::options(), model, None);
    assert_unusable(&mut pair, &frames, "public.users.email");
}

#[test]
fn authentication_passes_untouched() {
    let mut pair = Pair::with(Pair::options(), Model::new(true), None);
    pair.send_only(&startup(&[]));
    pair.session.to_server().clear();
    let sasl = frame(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
    pair.server_says(&sasl);
    assert_eq!(pair.take_raw(), sasl);
    let response = frame(b'p', b"SCRAM-SHA-256\0\0\0\0\x01n");
    pair.send_only(&response);
    assert_eq!(pair.session.to_server()[..], response);
    let fatal = frame(b'E', b"SFATAL\0C28P01\0Mno\0\0");
    pair.server_says(&fatal);
    assert_eq!(pair.take_raw(), fatal);
    assert_eq!(pair.fault, None);
}

fn unbinding() -> Options {
    let mut options = Pair::options();
    options.unbind_channel = true;
    options
}

#[test]
fn mechanisms_with_a_channel_binding_are_taken_out_and_nothing_else() {
    let sasl = |names: &[&str]| {
        let names: String = names.iter().map(|name| format!("{name}\0")).collect();
        frame(b'R', format!("\0\0\0\x0a{names}\0").as_bytes())
    };
    for &cut in CUTS {
        for (offered, left) in [
            (
                &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"][..],
                &["SCRAM-SHA-256"][..],
            ),
            (&["SCRAM-SHA-256"], &["SCRAM-SHA-256"]),
            (
                &["OAUTHBEARER", "SCRAM-SHA-512-PLUS", "PLUS-X"],
                &["OAUTHBEARER", "PLUS-X"],
            ),
        ] {
            let offer = sasl(offered);
            for (options, expected) in [(unbinding(), left), (Pair::options(), offered)] {
                let mut pair = Pair::with(options, Model::new(true), cut);
                pair.send_only(&startup(&[]));
                for piece in offer.chunks(cut.unwrap_or(offer.len())) {
                    pair.server_says(piece);
                }
                assert_eq!(pair.take_raw(), sasl(expected), "{offered:?}");
                pair.session.to_server().clear();
                // Neither the choice nor what follows is changed.
                let choice = frame(b'p', b"SCRAM-SHA-256\0\0\0\0\x05n,,n=");
                let proof = frame(b'p', b"c=eSws,r=x,p=y");
                pair.send_only(&choice);
                let go_on = frame(b'R', b"\0\0\0\x0br=x,s=y,i=4096");
                pair.server_says(&go_on);
                assert_eq!(pair.take_raw(), go_on);
                pair.send_only(&proof);
                assert_eq!(pair.session.to_server()[..], [choice, proof].concat());
                assert_eq!(pair.fault, None);
            }
        }
    }
    // Other requests pass as they are, and a list without an end is the server's fault.
    let mut pair = Pair::with(unbinding(), Model::new(true), None);
    pair.send_only(&startup(&[]));
    let md5 = frame(b'R', b"\0\0\0\x05salt");
    pair.server_says(&md5);
    assert_eq!(pair.take_raw(), md5);
    pair.server_says(&frame(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0"));
    assert!(matches!(pair.fault, Some(Error::ServerMisbehaved(_))));
}

#[test]
fn a_client_that_could_have_bound_is_told_what_to_do() {
    let offer = frame(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let choice = frame(b'p', b"SCRAM-SHA-256\0\0\0\0\x05y,,n=");
    for &cut in CUTS {
        let mut pair = Pair::with(unbinding(), Model::new(true), cut);
        pair.send_only(&startup(&[]));
        pair.session.to_server().clear();
        pair.server_says(&offer);
        pair.take_raw();
        pair.send_only(&choice);
        assert!(matches!(pair.fault, Some(Error::Unusable(_))));
        assert_eq!(pair.session.to_server()[..], frame(b'X', b""));
        let told = pair.session.to_client().split();
        assert!(told.windows(23).any(|it| it == b"channel_binding=disable"));
    }
    // What no server would take is not collected to be looked at.
    let mut pair = Pair::with(unbinding(), Model::new(true), None);
    pair.send_only(&startup(&[]));
    pair.session.to_server().clear();
    pair.server_says(&offer);
    let begun = &frame(b'p', &[b'y'; 1 << 20])[..1000];
    pair.send_only(begun);
    assert_eq!(pair.session.to_server()[..], *begun);
    // It is right where the server has not offered a binding.
    let mut pair = Pair::with(unbinding(), Model::new(true), None);
    pair.send_only(&startup(&[]));
    pair.session.to_server().clear();
    pair.server_says(&frame(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"));
    pair.send_only(&choice);
    assert_eq!(pair.session.to_server()[..], choice);
}

#[test]
fn debug_shows_no_payload() {
    let mut pair = Pair::new(None);
    pair.supplies = Supplies::ByHand;
    let values = [
        super::wire::text("1"),
        super::wire::text("alice@example.org"),
    ];
    pair.send(
        &[
            super::wire::parse("", super::sealed::INSERT, &[]),
            super::wire::bind("", "", &values, &[]),
            query("SELECT id, email FROM users WHERE email = 'alice'"),
        ]
        .concat(),
    );
    let debug = format!("{:?} {:#?}", pair.session, pair.session);
    assert!(
        !debug.contains("alice") && !debug.contains("INSERT"),
        "{debug}"
    );
    let need = Need::Policy {
        document: b"secret".to_vec(),
    };
    assert!(!format!("{need:?}").contains("115"), "{need:?}");
}
