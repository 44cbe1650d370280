//! Authentication that ends here: the client proves itself to the session, and the session proves
//! itself to the server with what the client has proved ([`crate::scram`]).

use std::fmt;
use std::sync::Arc;

use super::start::{
    AUTHENTICATION_OK, AUTHENTICATION_SASL, AUTHENTICATION_SASL_FINAL, SASL_BYTES_MAX,
};
use super::{Phase, Session};
use crate::error::Error;
use crate::frame::{Head, Step};
use crate::message::{Malformed, Reader, field, frame};
use crate::need::Failure;
use crate::scram::{self, BOUND, Expected, Fault, NONCE_BYTES, PLAIN, Proved, Secret};

/// AuthenticationSASLContinue.
const AUTHENTICATION_SASL_CONTINUE: [u8; 4] = [0, 0, 0, 11];
/// Bytes of a client's message, with the name of a mechanism before it.
const MESSAGE_BYTES_MAX: usize = SASL_BYTES_MAX + 64;

/// What a session needs so that authentication ends there. For one session only: the nonces must
/// not be used twice.
pub struct Login {
    secret: Arc<Secret>,
    end_point: Option<Vec<u8>>,
    nonces: [[u8; NONCE_BYTES]; 2],
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

impl Login {
    /// `end_point` is the hash of the certificate that the client sees (`tls-server-end-point`,
    /// RFC 5929, section 4), where there is one; `nonces` are random bytes.
    pub fn new(
        secret: Arc<Secret>,
        end_point: Option<Vec<u8>>,
        nonces: [[u8; NONCE_BYTES]; 2],
    ) -> Self {
        Self {
            secret,
            end_point,
            nonces,
        }
    }
}

/// How far it has come.
#[derive(Debug)]
pub(super) struct Progress {
    login: Login,
    user: String,
    /// The server wants a proof; otherwise it has let the session in without one.
    server_asks: bool,
    state: State,
}

/// What is expected next.
enum State {
    /// The server's request.
    Request,
    /// The client's choice and client-first.
    ClientFirst,
    ClientFinal(scram::Server),
    ServerFirst(scram::Client, Proved),
    ServerFinal(Expected, Proved),
    /// The server has nothing more to prove. Holds server-final for the client.
    Admission(String),
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "Request",
            Self::ClientFirst => "ClientFirst",
            Self::ClientFinal(_) => "ClientFinal",
            Self::ServerFirst(..) => "ServerFirst",
            Self::ServerFinal(..) => "ServerFinal",
            Self::Admission(_) => "Admission",
        })
    }
}

impl Session {
    /// Ends authentication here; to be called before the first byte comes.
    pub fn terminate_authentication(&mut self, login: Login) {
        self.login = Some(Box::new(Progress {
            login,
            user: String::new(),
            server_asks: false,
            state: State::Request,
        }));
    }

    /// AuthenticationOk has come, and the client has not proved itself: what else the server sends
    /// would only be held.
    pub(super) fn awaits_proof(&self) -> bool {
        self.login.as_ref().is_some_and(|progress| {
            !progress.server_asks
                && matches!(progress.state, State::ClientFirst | State::ClientFinal(_))
        })
    }

    /// The startup message names the role.
    pub(super) fn name_role(&mut self, user: &str) {
        if let Some(progress) = &mut self.login {
            user.clone_into(&mut progress.user);
        }
    }

    /// PasswordMessage, SASLInitialResponse or SASLResponse.
    pub(super) fn client_authenticates(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        if head.len > MESSAGE_BYTES_MAX {
            return Err(Error::ClientMisbehaved("authentication message too long"));
        }
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let Some(mut progress) = self.login.take() else {
            return Ok(Step::Forward(head.len));
        };
        self.asked = false;
        let login = &progress.login;
        match std::mem::replace(&mut progress.state, State::Request) {
            State::ClientFirst => {
                const MALFORMED: Error = Error::ClientMisbehaved("malformed SASLInitialResponse");
                let mut reader = Reader::new(body);
                let mechanism = reader.cstr().map_err(|Malformed| MALFORMED)?;
                let message = reader.value().map_err(|Malformed| MALFORMED)?;
                let begun = scram::Server::begin(
                    &login.secret,
                    mechanism,
                    message.unwrap_or_default(),
                    login.end_point.as_deref(),
                    &login.nonces[0],
                );
                let server = match begun {
                    Ok(server) => server,
                    Err(fault) => return self.client_fails(&progress.user, fault),
                };
                let first = server.first().as_bytes();
                self.request(AUTHENTICATION_SASL_CONTINUE, first)?;
                progress.state = State::ClientFinal(server);
                self.login = Some(progress);
            }
            State::ClientFinal(server) => {
                let proved = match server.finish(&login.secret, body) {
                    Ok(proved) => proved,
                    Err(fault) => return self.client_fails(&progress.user, fault),
                };
                if progress.server_asks {
                    let client = scram::Client::new(&login.nonces[1]);
                    frame(&mut self.to_server, b'p', |out| {
                        out.extend_from_slice(PLAIN.as_bytes());
                        out.extend_from_slice(&[0]);
                        field(out, Some(client.first().as_bytes()))
                    })?;
                    progress.state = State::ServerFirst(client, proved);
                    self.login = Some(progress);
                } else {
                    self.request(AUTHENTICATION_SASL_FINAL, proved.server_final.as_bytes())?;
                    // AuthenticationOk and what is behind it have waited.
                    self.resume_server()?;
                }
            }
            _ => {
                return Err(Error::ClientMisbehaved(
                    "authentication message out of turn",
                ));
            }
        }
        Ok(Step::Took(head.len))
    }

    fn client_fails(&mut self, user: &str, fault: Fault) -> Result<Step, Error> {
        let (sqlstate, message) = match fault {
            Fault::Malformed(what) => return Err(Error::ClientMisbehaved(what)),
            Fault::Downgraded => (
                "28000",
                "the client believes that no channel binding was offered, and one was".to_owned(),
            ),
            Fault::Wrong | Fault::OtherSecret => (
                "28P01",
                format!("password authentication failed for user \"{user}\""),
            ),
        };
        self.fail_start(Failure {
            sqlstate,
            message,
            hint: None,
        })?;
        Ok(Step::Took(0))
    }

    /// Sends an authentication request to the client.
    fn request(&mut self, code: [u8; 4], data: &[u8]) -> Result<(), Error> {
        self.note_request(code)?;
        frame(&mut self.to_client, b'R', |out| {
            out.extend_from_slice(&code);
            out.extend_from_slice(data);
            Ok(())
        })
    }

    /// An authentication request of the server, while authentication ends here.
    pub(super) fn server_authenticates(&mut self, head: Head, rest: &[u8]) -> Result<Step, Error> {
        const MALFORMED: Error = Error::ServerMisbehaved("malformed authentication request");
        if head.len > MESSAGE_BYTES_MAX {
            return Err(MALFORMED);
        }
        let Some(body) = self.whole(head, rest)? else {
            return Ok(Step::Starved);
        };
        let (code, data) = body.split_first_chunk::<4>().ok_or(MALFORMED)?;
        let Some(mut progress) = self.login.take() else {
            return Ok(Step::Forward(head.len));
        };
        let step = match (
            *code,
            std::mem::replace(&mut progress.state, State::Request),
        ) {
            (AUTHENTICATION_OK, State::Request) => {
                self.ask_client(&mut progress)?;
                Step::Wait
            }
            // More of what follows AuthenticationOk has come, and the client has not proved itself.
            (AUTHENTICATION_OK, state @ (State::ClientFirst | State::ClientFinal(_)))
                if !progress.server_asks =>
            {
                progress.state = state;
                Step::Wait
            }
            (AUTHENTICATION_SASL, State::Request) => {
                if !data
                    .split(|&byte| byte == 0)
                    .any(|name| name == PLAIN.as_bytes())
                {
                    return self.cannot_answer(&progress.user);
                }
                progress.server_asks = true;
                self.ask_client(&mut progress)?;
                Step::Took(head.len)
            }
            (AUTHENTICATION_SASL_CONTINUE, State::ServerFirst(client, proved)) => {
                let secret = &progress.login.secret;
                match client.answer(secret, &proved.client_key, data) {
                    Ok((text, expected)) => {
                        frame(&mut self.to_server, b'p', |out| {
                            out.extend_from_slice(text.as_bytes());
                            Ok(())
                        })?;
                        progress.state = State::ServerFinal(expected, proved);
                    }
                    Err(Fault::OtherSecret) => {
                        self.fail_start(Failure {
                            sqlstate: "28P01",
                            message: format!(
                                "password authentication failed for user \"{}\": the server has \
                                 another SCRAM secret than the proxy",
                                progress.user
                            ),
                            hint: Some(
                                "give the proxy the secret anew: each `ALTER ROLE … PASSWORD` \
                                 makes another one"
                                    .into(),
                            ),
                        })?;
                    }
                    Err(_) => {
                        return Err(Error::ServerMisbehaved("malformed server-first of SCRAM"));
                    }
                }
                Step::Took(head.len)
            }
            (AUTHENTICATION_SASL_FINAL, State::ServerFinal(expected, proved)) => {
                if expected.check(data).is_err() {
                    return Err(Error::ServerMisbehaved(
                        "the server does not know the role's SCRAM secret",
                    ));
                }
                progress.state = State::Admission(proved.server_final);
                Step::Took(head.len)
            }
            (AUTHENTICATION_OK, State::Admission(server_final)) => {
                self.request(AUTHENTICATION_SASL_FINAL, server_final.as_bytes())?;
                self.phase = Phase::ExpectReady;
                return Ok(Step::Forward(head.len));
            }
            (_, State::Request) => return self.cannot_answer(&progress.user),
            _ => {
                return Err(Error::ServerMisbehaved(
                    "authentication request out of turn",
                ));
            }
        };
        self.login = Some(progress);
        Ok(step)
    }

    fn ask_client(&mut self, progress: &mut Progress) -> Result<(), Error> {
        let mut mechanisms = Vec::new();
        if progress.login.end_point.is_some() {
            mechanisms.extend_from_slice(BOUND.as_bytes());
            mechanisms.push(0);
        }
        mechanisms.extend_from_slice(PLAIN.as_bytes());
        mechanisms.extend_from_slice(&[0, 0]);
        progress.state = State::ClientFirst;
        self.request(AUTHENTICATION_SASL, &mechanisms)
    }

    fn cannot_answer(&mut self, user: &str) -> Result<Step, Error> {
        self.fail_start(Failure {
            sqlstate: "28000",
            message: format!(
                "the server asks for the password of user \"{user}\" in a way other than \
                 SCRAM-SHA-256, which cannot be answered with a SCRAM secret"
            ),
            hint: Some(
                "use `scram-sha-256` in the server's `pg_hba.conf`, or take the role out of the \
                 proxy's list"
                    .into(),
            ),
        })?;
        Ok(Step::Took(0))
    }
}
