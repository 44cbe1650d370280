//! The session: two byte streams, one queue of expected responses.

mod bind;
mod client;
mod copy;
mod load;
mod login;
mod malformed;
mod naming;
mod parse;
mod result;
mod server;
mod start;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use crate::analysis::Analysis;
use crate::cancel::BackendKey;
use crate::counters::Counters;
use crate::error::Error;
use crate::frame::{BadLength, Head, Inbox, Step};
use crate::keys::Keys;
use crate::message::backend::Sqlstate;
use crate::need::{Failure, Need, Supply};
use crate::open::Scratch;
use crate::options::{Options, PolicySource};
use crate::poison::Report;
use crate::queue::Queue;
use crate::seal;
use crate::settings::Reported;
use crate::slots::Slots;
use crate::startup::{self, ENCRYPTION_REQUEST_LEN, Startup};
use crate::statement::{Portal, Statement, Unnamed};

use load::Load;
pub use login::Login;

/// Unsent bytes in either direction above which the other peer has to wait.
const UNSENT_BYTES_MAX: usize = 1 << 20;
/// Bytes held above which a client has to wait that is not ready for statements, and may be anybody.
const EARLY_BYTES_MAX: usize = 16 << 10;

/// Where the session is.
#[derive(Debug)]
enum Phase {
    /// The client's first frame, which has no tag.
    ExpectStartup,
    /// AuthenticationOk; everything of the authentication passes.
    ExpectAuthentication,
    /// The first ReadyForQuery.
    ExpectReady,
    /// The first ReadyForQuery is withheld while the manifest and the catalogue are read.
    Preparing {
        /// The withheld frame.
        ready: Vec<u8>,
        policy: PolicyState,
    },
    /// Statements.
    Ready,
    /// A CancelRequest: bytes pass.
    Raw,
}

/// The policy, while the session prepares.
#[derive(Debug)]
enum PolicyState {
    /// Known.
    Ready,
    /// This document is to be authenticated.
    Needed(Vec<u8>),
    /// It is being authenticated.
    Awaited,
}

/// What the client's next frame waits for.
#[derive(Debug)]
enum Wait {
    /// The first ReadyForQuery.
    Ready,
    /// Every response up to this number.
    Answered(u64),
    /// Keys.
    Keys,
    /// Room in the queue.
    Room,
    /// That the server reads copy data for this entry, or has answered it.
    Copy(u64),
}

/// Whether the client has been told of an error that the server does not know of, so that what the
/// server answers goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swallow {
    No,
    /// Up to ReadyForQuery of a Sync.
    ToSync,
    /// Up to the next ReadyForQuery.
    ToReady,
}

/// One protocol session between a client and a server.
///
/// Methods come in four groups: getters ([`Session::wants_client`], [`Session::wants_server`]);
/// `handle_*`, bytes in; commands ([`Session::supply`], [`Session::forget_keys`]); and actions out
/// ([`Session::poll_need`], [`Session::to_server`], [`Session::to_client`]). After any call that
/// brings something in, take all three actions until none has anything more.
pub struct Session {
    options: Options,
    phase: Phase,
    fault: Option<Error>,
    to_server: BytesMut,
    to_client: BytesMut,
    /// While authentication ends here.
    login: Option<Box<login::Progress>>,
    /// Mechanisms with a channel binding have been kept from the client, which has not answered.
    unbound: bool,
    /// The client has been asked to authenticate, and has not answered yet.
    asked: bool,
    backend_key: Option<BackendKey>,
    fatal: Option<Sqlstate>,
    /// The client has ended the session.
    terminated: bool,
    /// Client bytes that wait.
    client: Inbox,
    /// Server bytes that wait.
    server: Inbox,
    /// Why the client's next frame waits, if it does.
    client_wait: Option<Wait>,
    /// The server's next frame waits for keys.
    server_waits: bool,
    queue: Queue,
    statements: Slots<Arc<Statement>>,
    /// The unnamed statement that was prepared last, if it was plain and so is not among them.
    unnamed: Unnamed,
    portals: Slots<Arc<Portal>>,
    /// Names whose Parse has been dropped while `skipping`.
    skipped_names: Vec<Box<[u8]>>,
    /// Names in `statements` that stand for failures, oldest first.
    failed_names: VecDeque<Box<[u8]>>,
    /// The server has said last that it is in a transaction block.
    in_block: bool,
    /// Extended messages have gone out since the last Sync.
    batch_open: bool,
    /// Messages up to the client's next Sync are discarded: the server discards them, or will once
    /// it comes to the statement that fails in place of a refused one, or would if it knew of the
    /// error that the client has got. They may hold values for a statement that was refused.
    skipping: bool,
    /// While `skipping`: the COPY of a plain statement has failed, and the client may not know yet.
    stray_copy: bool,
    /// A load of the session's own has failed inside the client's batch, and the frame that waited
    /// for it has not been looked at again.
    load_broke_batch: bool,
    swallow: Swallow,
    /// CopyFail has to be sent at the next boundary between client frames, with this many Syncs.
    abort_copy: Option<usize>,
    copying: copy::Copying,
    /// Number of the entry of the client's last Sync.
    last_sync: u64,
    /// Number of the last Query that was to take the unnamed statement or portal along: one that is empty or
    /// cannot be read does not.
    last_query: u64,
    /// Number of the last entry that may change facts, and of the last that may protect names.
    last_risky: u64,
    last_renaming: u64,
    /// Number of the last entry that gives names of SQL a meaning.
    last_defining: u64,
    /// The same for texts without a plan.
    last_plain_defining: u64,
    /// Number of the description that the client's frame has waited for already, if it has.
    described_in_vain: Option<u64>,
    analysis: Option<Analysis>,
    keys: Keys,
    load: Option<Load>,
    /// The whole catalogue has been read for the client's frame at hand.
    catalogue_fresh: bool,
    /// Why the last load gave nothing; for the frame that waited for it.
    load_failure: Option<Report>,
    reported: Reported,
    counters: Counters,
    scratch: Scratch,
    seal_scratch: seal::Scratch,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("phase", &PhaseName(&self.phase))
            .field("fault", &self.fault)
            .field("to_server_bytes", &self.to_server.len())
            .field("to_client_bytes", &self.to_client.len())
            .field("held_client_bytes", &self.client.len())
            .field("held_server_bytes", &self.server.len())
            .field("expected_responses", &self.queue.len())
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

struct PhaseName<'a>(&'a Phase);

impl fmt::Debug for PhaseName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Phase::ExpectStartup => "ExpectStartup",
            Phase::ExpectAuthentication => "ExpectAuthentication",
            Phase::ExpectReady => "ExpectReady",
            Phase::Preparing { .. } => "Preparing",
            Phase::Ready => "Ready",
            Phase::Raw => "Raw",
        })
    }
}

impl Session {
    /// A session whose first client bytes are the startup message.
    pub fn new(options: Options) -> Self {
        let analysis = match &options.policy {
            PolicySource::Ready(policy) => Some(Analysis::new(
                Arc::clone(policy),
                options.limits.cached_plans_max,
            )),
            PolicySource::Database => None,
        };
        Self {
            options,
            phase: Phase::ExpectStartup,
            fault: None,
            login: None,
            unbound: false,
            asked: false,
            backend_key: None,
            fatal: None,
            terminated: false,
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            client: Inbox::default(),
            server: Inbox::default(),
            client_wait: None,
            server_waits: false,
            queue: Queue::default(),
            statements: Slots::default(),
            unnamed: Unnamed::default(),
            portals: Slots::default(),
            skipped_names: Vec::new(),
            failed_names: VecDeque::new(),
            in_block: false,
            batch_open: false,
            skipping: false,
            stray_copy: false,
            load_broke_batch: false,
            swallow: Swallow::No,
            abort_copy: None,
            copying: copy::Copying::default(),
            last_sync: 0,
            last_query: 0,
            last_risky: 0,
            last_renaming: 0,
            last_defining: 0,
            last_plain_defining: 0,
            described_in_vain: None,
            analysis,
            keys: Keys::default(),
            load: None,
            catalogue_fresh: false,
            load_failure: None,
            reported: Reported::default(),
            counters: Counters::default(),
            scratch: Scratch::default(),
            seal_scratch: seal::Scratch::default(),
        }
    }

    /// Whether client bytes are welcome: false while too much is held or unsent.
    pub fn wants_client(&self) -> bool {
        let held_max = match self.client_wait {
            Some(Wait::Ready) => EARLY_BYTES_MAX.min(self.options.limits.held_client_bytes_max),
            _ => self.options.limits.held_client_bytes_max,
        };
        self.fault.is_none()
            && self.to_server.len() < UNSENT_BYTES_MAX
            && (self.client_wait.is_none() || self.client.len() < held_max)
    }

    /// Whether server bytes are welcome: false while the session waits for keys to open what the
    /// server has sent, or for a client that has to prove itself first, and while too much is
    /// undelivered.
    pub fn wants_server(&self) -> bool {
        self.fault.is_none()
            && !self.server_waits
            && !self.awaits_proof()
            && self.to_client.len() < UNSENT_BYTES_MAX
    }

    /// Whether the session has begun: the client is authenticated, the manifest and the catalogue
    /// agree, and statements are welcome.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready)
    }

    /// What cancel requests name the session by, once the server has said it.
    pub fn backend_key(&self) -> Option<&BackendKey> {
        self.backend_key.as_ref()
    }

    /// The SQLSTATE of the error with which the server has ended the connection, if it has said why.
    pub fn fatal(&self) -> Option<&str> {
        self.fatal.as_ref().map(Sqlstate::as_str)
    }

    /// Whether the server may end the connection now: it has said why, the client has asked for it, or
    /// it was for a cancel request.
    pub fn may_end(&self) -> bool {
        self.terminated || self.fatal.is_some() || matches!(self.phase, Phase::Raw)
    }

    /// Whether nothing is under way between the peers: no transaction, no response owed, no part of
    /// a message. A session can be ended here without an application losing work.
    pub fn is_idle(&self) -> bool {
        self.is_ready()
            && !self.in_block
            && !self.batch_open
            && self.queue.len() == 0
            && self.load.is_none()
            && self.client.is_empty()
            && self.client.passing.remaining == 0
            && self.server.passing.remaining == 0
            && self.to_client.is_empty()
            && self.to_server.is_empty()
    }

    /// Whether messages of the client wait here for something that is to come. A client that has closed
    /// its side has sent them all the same, so the server is not to be told of that before they have
    /// gone out.
    pub fn holds_messages(&self) -> bool {
        self.fault.is_none() && self.client_wait.is_some() && !self.client.is_empty()
    }

    /// Bytes of messages that are in the session: that are not whole yet, that wait, that are to be
    /// sent, and what is remembered of those whose answer is owed.
    pub fn buffered_bytes(&self) -> usize {
        self.client.len()
            + self.server.len()
            + self.to_client.len()
            + self.to_server.len()
            + self.copying.held_bytes()
            + self.queue.bytes()
    }

    /// What the session has done so far.
    pub fn counters(&self) -> Counters {
        Counters {
            cells_sealed: self.seal_scratch.sealed,
            cells_opened: self.scratch.opened,
            cells_rejected: self.scratch.rejected,
            ..self.counters
        }
    }

    /// Ends the session: the client is told why and the server that it is over, each of them only
    /// between two messages. One that has a part of a message finds the connection closed.
    ///
    /// # Errors
    /// Always: [`Error::Unusable`] for this reason, or the fault that the session has had before.
    pub fn end(&mut self, why: Failure) -> Result<(), Error> {
        self.attempt(|session| session.fail_start(why))
    }

    /// Bytes from the client, cut anywhere.
    ///
    /// # Errors
    /// [`Error`], which sticks.
    pub fn handle_client(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.attempt(|session| session.take_client(bytes))
    }

    /// Bytes from the server, cut anywhere.
    ///
    /// # Errors
    /// [`Error`], which sticks.
    pub fn handle_server(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.attempt(|session| {
            session.take_server(bytes)?;
            session.settle()
        })
    }

    /// False when [`Session::poll_need`] has nothing, and cheap to ask.
    pub fn has_need(&self) -> bool {
        !self.is_ready() || self.keys.has_wanted()
    }

    /// The next thing to fetch, once; another only after the answer. The session goes on as far as
    /// it can without it.
    pub fn poll_need(&mut self) -> Option<Need> {
        if self.fault.is_some() {
            return None;
        }
        if let Phase::Preparing { policy, .. } = &mut self.phase
            && let PolicyState::Needed(document) = policy
        {
            let document = std::mem::take(document);
            *policy = PolicyState::Awaited;
            return Some(Need::Policy { document });
        }
        self.keys.poll().map(Need::Keys)
    }

    /// Answers the need last returned by [`Session::poll_need`].
    ///
    /// # Errors
    /// [`Error`], which sticks.
    pub fn supply(&mut self, supply: Supply) -> Result<(), Error> {
        self.attempt(|session| {
            let awaits_policy = matches!(
                session.phase,
                Phase::Preparing {
                    policy: PolicyState::Awaited,
                    ..
                }
            );
            match supply {
                Supply::Policy(policy) if awaits_policy => {
                    let texts_max = session.options.limits.cached_plans_max;
                    session.analysis = Some(Analysis::new(policy, texts_max));
                    session.load_at_start()?;
                }
                Supply::Failed(failure) if awaits_policy => {
                    return session.fail_start(failure);
                }
                Supply::Policy(_) => {
                    return Err(Error::ApiMisuse(
                        "a policy was supplied that was not needed",
                    ));
                }
                Supply::Keys(keys) => session.keys.supply(keys),
                Supply::Failed(failure) => session.keys.fail(&failure),
            }
            let result = session.settle();
            session.keys.forget_failures();
            result
        })
    }

    /// Drops every key and derived subkey; they are needed again at next use.
    pub fn forget_keys(&mut self) {
        self.keys.forget();
    }

    /// Bytes for the server; the caller takes off what it has sent.
    pub fn to_server(&mut self) -> &mut BytesMut {
        &mut self.to_server
    }

    /// Bytes for the client; the caller takes off what it has delivered.
    pub fn to_client(&mut self) -> &mut BytesMut {
        &mut self.to_client
    }

    /// Runs one step unless the session has failed; a failure sticks and drops what waits.
    fn attempt(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let result = step(self);
        if let Err(fault) = &result {
            self.tell_client(fault)?;
            self.fault = Some(fault.clone());
            self.client.clear();
            self.server.clear();
            self.keys.forget();
        }
        result
    }

    /// The client's last message, where one can be had between two others.
    fn tell_client(&mut self, fault: &Error) -> Result<(), Error> {
        let sqlstate = match fault {
            Error::ClientMisbehaved(_) | Error::ServerMisbehaved(_) => "08P01",
            Error::Limit { .. } => "54000",
            Error::ApiMisuse(_) => "XX000",
            // It has been told.
            Error::Unusable(_) => return Ok(()),
        };
        if !self.may_tell_client() {
            return Ok(());
        }
        Report::new(sqlstate, fault.to_string()).write(&mut self.to_client, "FATAL")
    }

    /// Whether a message of the session's own would be read as one.
    fn may_tell_client(&self) -> bool {
        !self.server.is_inside_frame() && !matches!(self.phase, Phase::Raw)
    }

    fn take_client(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.client.is_empty() {
            let used = self.run_client(bytes)?;
            self.client.hold(&bytes[used..]);
        } else {
            let held_max = self.options.limits.held_client_bytes_max;
            if self.client_wait.is_some() && self.client.len() > held_max {
                return Err(Error::Limit {
                    limit: "held_client_bytes_max",
                    value: held_max,
                });
            }
            self.client.hold(bytes);
            self.resume_client()?;
        }
        Ok(())
    }

    fn resume_client(&mut self) -> Result<(), Error> {
        let held = self.client.take();
        let used = self.run_client(&held)?;
        self.client.put_back(held, used);
        Ok(())
    }

    fn take_server(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.server.is_empty() {
            let used = self.run_server(bytes)?;
            self.server.hold(&bytes[used..]);
        } else {
            // One frame that is collected, and what the caller brought although it was unwelcome.
            let held_max = self.options.limits.rewritten_frame_bytes_max;
            if self.server.len() > held_max.saturating_add(UNSENT_BYTES_MAX) {
                return Err(Error::Limit {
                    limit: "rewritten_frame_bytes_max",
                    value: held_max,
                });
            }
            self.server.hold(bytes);
            self.resume_server()?;
        }
        Ok(())
    }

    fn resume_server(&mut self) -> Result<(), Error> {
        let held = self.server.take();
        let used = self.run_server(&held)?;
        self.server.put_back(held, used);
        Ok(())
    }

    /// Lets both sides go on as far as what has happened allows.
    fn settle(&mut self) -> Result<(), Error> {
        loop {
            let mut moved = false;
            if self.server_waits && self.keys.settled() {
                self.server_waits = false;
                self.resume_server()?;
                moved = true;
            }
            if self.abort_copy.is_some() && self.client.passing.remaining == 0 {
                self.send_copy_fail()?;
            }
            if self
                .client_wait
                .as_ref()
                .is_some_and(|wait| self.over(wait))
            {
                self.client_wait = None;
                self.resume_client()?;
                moved = true;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    fn over(&self, wait: &Wait) -> bool {
        match wait {
            Wait::Ready => matches!(self.phase, Phase::Ready),
            Wait::Answered(seq) => self.queue.answered(*seq),
            Wait::Keys => self.keys.settled(),
            Wait::Room => self.queue.len() < self.options.limits.expected_responses_max,
            Wait::Copy(seq) => self.queue.answered(*seq) || self.queue.copies_in(*seq),
        }
    }

    /// Deals with client frames; returns how many bytes of `input` are used up.
    fn run_client(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            if matches!(self.phase, Phase::Raw) {
                self.to_server.extend_from_slice(rest);
                return Ok(input.len());
            }
            let remaining = self.client.passing.remaining;
            if remaining > 0 {
                let now = remaining.min(rest.len());
                if !self.client.passing.dropped {
                    self.to_server.extend_from_slice(&rest[..now]);
                }
                self.client.passing.remaining -= now;
                at += now;
                continue;
            }
            if self.abort_copy.is_some() {
                self.send_copy_fail()?;
            }
            if self.client_wait.is_some() {
                break;
            }
            match self.client_step(rest)? {
                Step::Took(used) => at += used,
                Step::Forward(len) => {
                    let now = self.client.pass(len, rest.len(), false);
                    self.to_server.extend_from_slice(&rest[..now]);
                    at += now;
                }
                Step::Drop(len) => at += self.client.pass(len, rest.len(), true),
                Step::Starved | Step::Wait => break,
            }
        }
        Ok(at)
    }

    fn client_step(&mut self, rest: &[u8]) -> Result<Step, Error> {
        if matches!(self.phase, Phase::ExpectStartup) {
            return self.startup(rest);
        }
        let head = Head::read(rest).map_err(|BadLength| {
            Error::ClientMisbehaved("message length below four or above 2^31 - 1")
        })?;
        let Some(head) = head else {
            return Ok(Step::Starved);
        };
        match (&self.phase, head.tag) {
            (Phase::Ready, tag) => {
                let step = self.client_frame(head, rest)?;
                if !matches!(step, Step::Starved | Step::Wait) {
                    self.catalogue_fresh = false;
                    self.terminated |= tag == b'X';
                }
                Ok(step)
            }
            (Phase::ExpectAuthentication, b'p') if self.login.is_some() => {
                self.client_authenticates(head, rest)
            }
            // Authentication is between the peers. Terminate needs no session.
            (Phase::ExpectAuthentication, b'p') if self.unbound => self.check_unbound(head, rest),
            (Phase::ExpectAuthentication, b'p') => {
                self.asked = false;
                Ok(Step::Forward(head.len))
            }
            (_, b'X') => {
                self.terminated = true;
                Ok(Step::Forward(head.len))
            }
            (Phase::ExpectAuthentication, _) if self.asked => Err(start::NO_ANSWER),
            _ => {
                self.client_wait = Some(Wait::Ready);
                Ok(Step::Wait)
            }
        }
    }

    fn startup(&mut self, rest: &[u8]) -> Result<Step, Error> {
        match startup::read(rest)? {
            Startup::Starved(_) => Ok(Step::Starved),
            // Encryption of the transport is below or above this session, never part of it.
            Startup::Tls | Startup::Gss => {
                self.to_client.extend_from_slice(b"N");
                Ok(Step::Took(ENCRYPTION_REQUEST_LEN))
            }
            Startup::Cancel(_) => {
                self.phase = Phase::Raw;
                Ok(Step::Took(0))
            }
            Startup::Message(message) if message.replication => {
                self.fail_start(Failure {
                    sqlstate: "0A000",
                    message: "refusing a replication connection: the replication protocol carries \
                              rows that cannot be opened"
                        .into(),
                    hint: Some("connect to the server directly for replication".into()),
                })?;
                Ok(Step::Took(0))
            }
            Startup::Message(message) => {
                self.name_role(&message.user);
                self.phase = Phase::ExpectAuthentication;
                Ok(Step::Forward(message.len))
            }
        }
    }

    /// Deals with server frames; returns how many bytes of `input` are used up.
    fn run_server(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            if matches!(self.phase, Phase::Raw) {
                self.to_client.extend_from_slice(rest);
                return Ok(input.len());
            }
            let remaining = self.server.passing.remaining;
            if remaining > 0 {
                let now = remaining.min(rest.len());
                if !self.server.passing.dropped {
                    self.to_client.extend_from_slice(&rest[..now]);
                }
                self.server.passing.remaining -= now;
                at += now;
                continue;
            }
            if self.server_waits {
                break;
            }
            let head = Head::read(rest).map_err(|BadLength| {
                Error::ServerMisbehaved("message length below four or above 2^31 - 1")
            })?;
            let Some(head) = head else { break };
            match self.server_frame(head, rest)? {
                Step::Took(used) => at += used,
                Step::Forward(len) => {
                    let now = self.server.pass(len, rest.len(), false);
                    self.to_client.extend_from_slice(&rest[..now]);
                    at += now;
                }
                Step::Drop(len) => at += self.server.pass(len, rest.len(), true),
                Step::Starved | Step::Wait => break,
            }
        }
        Ok(at)
    }

    /// The body of a frame that is to be read whole, or `None` while it is incomplete.
    fn whole<'a>(&self, head: Head, rest: &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        let max = self.options.limits.rewritten_frame_bytes_max;
        if head.len > max {
            return Err(Error::Limit {
                limit: "rewritten_frame_bytes_max",
                value: max,
            });
        }
        Ok(rest.get(crate::frame::HEADER_LEN..head.len))
    }
}
