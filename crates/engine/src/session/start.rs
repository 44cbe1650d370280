//! Between the server's first ReadyForQuery and the client's: manifest, catalogue, checks.

use super::load::{Loaded, What};
use super::{Phase, PolicyState, Session};
use crate::cancel::BackendKey;
use crate::error::Error;
use crate::frame::{HEADER_LEN, Head, Step};
use crate::message::backend::{self, Sqlstate};
use crate::message::{Malformed, Reader, frame, frontend};
use crate::need::Failure;
use crate::options::PolicySource;
use crate::poison::Report;

/// AuthenticationOk.
pub(super) const AUTHENTICATION_OK: [u8; 4] = [0; 4];
/// AuthenticationSASLFinal, which like AuthenticationOk asks for nothing.
pub(super) const AUTHENTICATION_SASL_FINAL: [u8; 4] = [0, 0, 0, 12];
/// Bytes of the longest SASLInitialResponse that is looked at: what PostgreSQL accepts of SCRAM
/// (`PG_MAX_SASL_MESSAGE_LENGTH`). A longer one is the server's to refuse.
pub(super) const SASL_BYTES_MAX: usize = 1024;
/// AuthenticationSASL: a list of mechanisms.
pub(super) const AUTHENTICATION_SASL: [u8; 4] = [0, 0, 0, 10];

/// The client says something else when it is asked to authenticate.
pub(super) const NO_ANSWER: Error =
    Error::ClientMisbehaved("a message that does not answer the request to authenticate");

impl Session {
    /// A server frame before the client may send statements.
    pub(super) fn server_frame_at_start(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        match head.tag {
            b'R' => {
                let code = rest.get(5..9).and_then(|code| code.try_into().ok());
                let Some(code): Option<[u8; 4]> = code else {
                    return if head.len < 9 {
                        Err(Error::ServerMisbehaved("malformed authentication request"))
                    } else {
                        Ok(Step::Starved)
                    };
                };
                if self.login.is_some() {
                    return self.server_authenticates(head, rest);
                }
                if code == AUTHENTICATION_OK && matches!(self.phase, Phase::ExpectAuthentication) {
                    self.phase = Phase::ExpectReady;
                }
                self.note_request(code)?;
                if code == AUTHENTICATION_SASL && self.options.unbind_channel {
                    return self.unbind(head, rest);
                }
                Ok(Step::Forward(head.len))
            }
            b'Z' if matches!(self.phase, Phase::ExpectReady) => {
                let Some(ready) = rest.get(..head.len) else {
                    return Ok(Step::Starved);
                };
                if head.len != 6 {
                    return Err(Error::ServerMisbehaved("malformed ReadyForQuery"));
                }
                self.prepare(ready.to_vec())?;
                Ok(Step::Took(head.len))
            }
            b'K' if BackendKey::fits(head.len.saturating_sub(HEADER_LEN)) => {
                let Some(body) = self.whole(head, rest)? else {
                    return Ok(Step::Starved);
                };
                self.backend_key = BackendKey::of_body(body);
                Ok(Step::Forward(head.len))
            }
            b'E' => {
                let needed = head.len.min(HEADER_LEN + backend::ERROR_PREFIX_MAX);
                let Some(prefix) = rest.get(HEADER_LEN..needed) else {
                    return Ok(Step::Starved);
                };
                let sqlstate = backend::error_field(prefix, b'C');
                self.fatal = sqlstate.and_then(Sqlstate::of);
                Ok(Step::Forward(head.len))
            }
            b'K' | b'v' => Ok(Step::Forward(head.len)),
            _ => Err(Error::ServerMisbehaved(
                "unexpected message before ReadyForQuery",
            )),
        }
    }

    /// The client is sent an authentication request.
    pub(super) fn note_request(&mut self, code: [u8; 4]) -> Result<(), Error> {
        self.asked = ![AUTHENTICATION_OK, AUTHENTICATION_SASL_FINAL].contains(&code);
        if self.asked && self.client_wait.is_some() {
            // An answer could only come behind the message that waits for it.
            return Err(NO_ANSWER);
        }
        Ok(())
    }

    /// Takes the mechanisms with a channel binding out of AuthenticationSASL.
    fn unbind(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        const MALFORMED: Error = Error::ServerMisbehaved("malformed AuthenticationSASL");
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let mut reader = Reader::new(&body[AUTHENTICATION_SASL.len()..]);
        let mut kept = AUTHENTICATION_SASL.to_vec();
        loop {
            let mechanism = reader.cstr().map_err(|Malformed| MALFORMED)?;
            if mechanism.ends_with(b"-PLUS") {
                self.unbound = true;
            } else {
                kept.extend_from_slice(mechanism);
                kept.push(0);
            }
            if mechanism.is_empty() {
                break;
            }
        }
        frame(&mut self.to_client, b'R', |out| {
            out.extend_from_slice(&kept);
            Ok(())
        })?;
        Ok(Step::Took(head.len))
    }

    /// SASLInitialResponse of a client that was not offered a channel binding. One that could have
    /// bound says so (RFC 5802, section 7: the flag `y`), which a server that did offer it has to
    /// take for an attack. It would not say what to do.
    pub(super) fn check_unbound(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        if head.len > SASL_BYTES_MAX {
            self.asked = false;
            return Ok(Step::Forward(head.len));
        }
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        self.unbound = false;
        self.asked = false;
        let mut reader = Reader::new(body);
        let could_bind = reader.cstr().is_ok()
            && matches!(reader.value(), Ok(Some(response)) if response.starts_with(b"y"));
        if could_bind {
            self.fail_start(Failure {
                sqlstate: "28000",
                message: "refusing SCRAM that could have bound to the client's TLS, which is not \
                          the server's"
                    .into(),
                hint: Some(
                    "add `channel_binding=disable` to the client's connection string, or give the \
                     proxy the role's SCRAM secret"
                        .into(),
                ),
            })?;
        }
        Ok(Step::Forward(head.len))
    }

    fn prepare(&mut self, ready: Vec<u8>) -> Result<(), Error> {
        if !self.reported.integer_datetimes() {
            return self.fail_start(Failure {
                sqlstate: "0A000",
                message: "refusing a server with floating-point timestamps".into(),
                hint: None,
            });
        }
        self.phase = Phase::Preparing {
            ready,
            policy: PolicyState::Ready,
        };
        match self.options.policy {
            PolicySource::Database => self.start_load(vec![What::Manifest]),
            PolicySource::Ready(_) => self.load_at_start(),
        }
    }

    /// Reads facts and catalogue for a policy that is known.
    pub(super) fn load_at_start(&mut self) -> Result<(), Error> {
        if let Phase::Preparing { policy, .. } = &mut self.phase {
            *policy = PolicyState::Ready;
        }
        self.start_load(What::all())
    }

    /// What the server said at start has come.
    pub(super) fn finish_load_at_start(
        &mut self,
        loaded: Result<Loaded, Report>,
    ) -> Result<(), Error> {
        let Phase::Preparing { policy, .. } = &mut self.phase else {
            return Ok(());
        };
        let reads_manifest = self.analysis.is_none();
        match loaded {
            Err(report) => {
                let what = if reads_manifest {
                    "no manifest: `sealwire.manifest` cannot be read"
                } else {
                    "the server's catalogue cannot be read"
                };
                let hint = reads_manifest.then(|| {
                    "publish the manifest with `sealwire manifest publish`, or give it with \
                     `column_encryption_manifest=file:PATH`"
                        .into()
                });
                self.fail_start(Failure {
                    sqlstate: if reads_manifest { "42P01" } else { "58000" },
                    message: format!("{what}: {}", report.message),
                    hint,
                })
            }
            Ok(loaded) if reads_manifest => match loaded.document {
                Some(document) => {
                    *policy = PolicyState::Needed(document);
                    Ok(())
                }
                None => self.fail_start(Failure {
                    sqlstate: "02000",
                    message: "no manifest: the table `sealwire.manifest` is empty".into(),
                    hint: Some("publish the manifest with `sealwire manifest publish`".into()),
                }),
            },
            Ok(loaded) => {
                self.apply(loaded);
                self.check_and_release()
            }
        }
    }

    /// The catalogue has come: if it agrees with the policy, the client may send statements.
    fn check_and_release(&mut self) -> Result<(), Error> {
        let mismatches = self
            .analysis
            .as_ref()
            .map(crate::analysis::Analysis::mismatches)
            .unwrap_or_default();
        if let Some(first) = mismatches.first() {
            let others = match mismatches.len() {
                1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            return self.fail_start(Failure {
                sqlstate: "42P17",
                message: format!("the manifest and the database disagree: {first}{others}"),
                hint: Some("see `sealwire columns check`".into()),
            });
        }
        if let Phase::Preparing { ready, .. } = std::mem::replace(&mut self.phase, Phase::Ready) {
            self.to_client.extend_from_slice(&ready);
        }
        Ok(())
    }

    /// Tells the client why there is no session, and the server that there is none.
    pub(super) fn fail_start(&mut self, failure: Failure) -> Result<(), Error> {
        if self.may_tell_client() {
            Report::from(&failure).write(&mut self.to_client, "FATAL")?;
        }
        if !matches!(self.phase, Phase::ExpectStartup | Phase::Raw)
            && !self.client.is_inside_frame()
        {
            frontend::bare(&mut self.to_server, b'X');
        }
        Err(Error::Unusable(failure))
    }
}
