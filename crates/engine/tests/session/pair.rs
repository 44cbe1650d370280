//! A scripted client, the session and the model of the server, with the bytes between them cut as
//! a test wants.

use std::sync::Arc;

use sealwire_core::policy::{CekIndex, CekSpec, ColumnSpec, KeyId, Mode, Policy};
use sealwire_core::secret::Cek;
use sealwire_engine::{Error, Failure, Need, Options, PolicySource, Session, Supply};

use super::model::Model;
use super::wire::{self, Frame};

pub(crate) fn policy() -> Policy {
    let column = ColumnSpec {
        schema: "public".into(),
        table: "users".into(),
        name: "email".into(),
        ty: "text".parse().unwrap(),
        mode: Mode::Deterministic,
        cek: CekIndex(0),
        class: "email".into(),
        padding: None,
        accept_frequency_leak: false,
        enumeration: None,
    };
    let cek = CekSpec {
        name: "k".into(),
        active: 1,
        live: vec![1, 2],
    };
    Policy::new(1, vec![cek], vec![column], vec![]).unwrap()
}

pub(crate) fn cek(id: KeyId) -> Arc<Cek> {
    Arc::new(Cek::new(&[id.version; 32]))
}

/// How needs are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supplies {
    AtOnce,
    /// They stay open until the test meets them.
    ByHand,
    Failing,
}

/// How bytes are cut: at every `n`th, or not at all.
pub(crate) type Cut = Option<usize>;

pub(crate) const CUTS: &[Cut] = &[None, Some(1), Some(2), Some(7)];

/// Client, session and server.
pub(crate) struct Pair {
    pub(crate) session: Session,
    pub(crate) server: Model,
    cut: Cut,
    pub(crate) supplies: Supplies,
    pub(crate) needs: Vec<Need>,
    /// What the client has received and not looked at.
    received: Vec<u8>,
    pub(crate) fault: Option<Error>,
}

pub(crate) fn failure() -> Failure {
    Failure {
        sqlstate: "58030",
        message: "key store did not answer".into(),
        hint: Some("try again".into()),
    }
}

impl Pair {
    /// Not started.
    pub(crate) fn with(options: Options, server: Model, cut: Cut) -> Self {
        Self {
            session: Session::new(options),
            server,
            cut,
            supplies: Supplies::AtOnce,
            needs: Vec::new(),
            received: Vec::new(),
            fault: None,
        }
    }

    pub(crate) fn options() -> Options {
        Options::new(PolicySource::Ready(Arc::new(policy())))
    }

    /// Started, with what the client has received so far thrown away.
    pub(crate) fn new(cut: Cut) -> Self {
        let mut pair = Self::with(Self::options(), Model::new(true), cut);
        pair.send(&wire::startup(&[("user", "app")]));
        let frames = pair.take();
        assert_eq!(frames.last().map(|f| f.tag), Some(b'Z'), "{:?}", pair.fault);
        pair.server.received.clear();
        pair.server.raw.clear();
        pair
    }

    /// Sends without letting anything else happen.
    pub(crate) fn send_only(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.cut.unwrap_or(bytes.len().max(1))) {
            let result = self.session.handle_client(piece);
            self.note(result);
        }
    }

    /// Sends and lets everything happen that can.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.send_only(bytes);
        self.drive();
    }

    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.fault.get_or_insert(error);
        }
    }

    pub(crate) fn drive(&mut self) {
        loop {
            let mut moved = false;
            while let Some(need) = self.session.poll_need() {
                moved = true;
                self.needs.push(need.clone());
                match (self.supplies, need) {
                    (Supplies::ByHand, _) => break,
                    (Supplies::Failing, _) => self.supply(Supply::Failed(failure())),
                    (_, Need::Keys(ids)) => self.supply_keys(&ids),
                    (_, need) => panic!("{need:?}"),
                }
            }
            let bytes = self.session.to_server().split();
            if !bytes.is_empty() {
                moved = true;
                self.server.feed(&bytes);
            }
            if self.session.wants_server() && !self.server.output.is_empty() {
                moved = true;
                let n = self.cut.unwrap_or(usize::MAX).min(self.server.output.len());
                let piece: Vec<u8> = self.server.output.drain(..n).collect();
                let result = self.session.handle_server(&piece);
                self.note(result);
            }
            let bytes = self.session.to_client().split();
            moved |= !bytes.is_empty();
            self.received.extend_from_slice(&bytes);
            if !moved {
                return;
            }
        }
    }

    pub(crate) fn supply(&mut self, supply: Supply) {
        let result = self.session.supply(supply);
        self.note(result);
    }

    pub(crate) fn supply_keys(&mut self, ids: &[KeyId]) {
        self.supply(Supply::Keys(ids.iter().map(|&id| (id, cek(id))).collect()));
    }

    /// Bytes straight from the server, whatever the model thinks.
    pub(crate) fn server_says(&mut self, bytes: &[u8]) {
        let result = self.session.handle_server(bytes);
        self.note(result);
        let bytes = self.session.to_client().split();
        self.received.extend_from_slice(&bytes);
    }

    /// The frames that the client has received since the last call.
    pub(crate) fn take(&mut self) -> Vec<Frame> {
        let frames = wire::frames(&mut self.received);
        assert!(
            self.received.is_empty(),
            "a frame for the client is incomplete"
        );
        frames
    }

    /// Raw bytes that the client has received.
    pub(crate) fn take_raw(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Sends, and returns what comes back.
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.send(bytes);
        self.take()
    }

    /// The tags of what comes back.
    pub(crate) fn tags(&mut self, bytes: &[u8]) -> String {
        let frames = self.ask(bytes);
        assert_eq!(self.fault, None);
        wire::tags(&frames)
    }

    /// No plaintext of these has gone to the server since the session started.
    pub(crate) fn assert_unseen(&self, markers: &[&str]) {
        for marker in markers {
            let found = self
                .server
                .raw
                .windows(marker.len())
                .any(|window| window == marker.as_bytes());
            assert!(!found, "{marker} reached the server");
        }
    }
}

/// Runs a test with every cut.
pub(crate) fn every_cut(test: impl Fn(Pair)) {
    for &cut in CUTS {
        test(Pair::new(cut));
    }
}
