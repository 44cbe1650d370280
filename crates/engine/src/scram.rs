//! SCRAM-SHA-256 (RFC 5802, RFC 7677) between a client and a server that have no transport in
//! common: both ends of the exchange, from what the server itself keeps of a role.
//!
//! ```text
//!  client                     Login                          server
//!    <-- mechanisms ------------ | <-- mechanisms -------------
//!    --- client-first ---------> |
//!    <-- server-first ---------- |    salt and iterations of the secret
//!    --- client-final ---------> |    its proof gives the client key
//!                                | --- client-first ---------->
//!                                | <-- server-first -----------    must have the same salt
//!                                | --- client-final ---------->    a proof made with the client key
//!                                | <-- server-final -----------    the server knows the server key
//!    <-- server-final ---------- |
//! ```
//!
//! The secret alone does not open a session on the server: the client key is in the client's proof
//! only, and is forgotten with the exchange.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The mechanism without a channel binding.
pub(crate) const PLAIN: &str = "SCRAM-SHA-256";
/// The mechanism with one.
pub(crate) const BOUND: &str = "SCRAM-SHA-256-PLUS";
/// How a secret begins, as PostgreSQL writes it.
const PREFIX: &str = "SCRAM-SHA-256$";
/// The binding that PostgreSQL knows (RFC 5929, section 4).
const BINDING_NAME: &str = "tls-server-end-point";
/// Bytes of entropy in a nonce: PostgreSQL's `SCRAM_RAW_NONCE_LEN`.
pub const NONCE_BYTES: usize = 18;
/// What is accepted of a salt; PostgreSQL's own have 16 bytes.
const SALT_BYTES_MAX: usize = 1024;

type Key = [u8; 32];

/// What a server keeps of a role's password: enough to check it and to prove to have it, not enough
/// to log in with
/// ([PostgreSQL documentation, 53.8](https://www.postgresql.org/docs/current/catalog-pg-authid.html)).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The text is no secret of SCRAM-SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not of the form `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`")]
pub struct ParseSecretError;

impl FromStr for Secret {
    type Err = ParseSecretError;

    fn from_str(text: &str) -> Result<Self, ParseSecretError> {
        let parsed = || {
            let (parameters, keys) = text.strip_prefix(PREFIX)?.split_once('$')?;
            let (iterations, salt) = parameters.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            let iterations = iterations.parse().ok().filter(|&count| count > 0)?;
            let salt = BASE64.decode(salt.as_bytes()).ok()?;
            if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
                return None;
            }
            Some(Self {
                iterations,
                salt,
                stored_key: key(stored_key)?,
                server_key: key(server_key)?,
            })
        };
        parsed().ok_or(ParseSecretError)
    }
}

fn key(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
    bytes.as_slice().try_into().ok()
}

fn hmac(key: &[u8], message: &[u8]) -> Key {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn xor(mut a: Key, b: &Key) -> Key {
    for (a, b) in a.iter_mut().zip(b) {
        *a ^= b;
    }
    a
}

/// Why an exchange ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The peer's message is malformed, or not allowed here.
    Malformed(&'static str),
    /// The proof or the signature is not of this secret.
    Wrong,
    /// The client believes that no channel binding was offered, and one was.
    Downgraded,
    /// The server has another salt or number of iterations.
    OtherSecret,
}

/// The value of the attribute `name` at the start of `text`, and what follows its comma.
fn attribute<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let rest = text.strip_prefix(name)?.strip_prefix('=')?;
    Some(rest.split_once(',').unwrap_or((rest, "")))
}

fn is_nonce(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The side that checks a client.
#[derive(Debug)]
pub(crate) struct Server {
    /// `c=` of client-final that fits what the client has chosen.
    binding: String,
    client_first_bare: String,
    nonce: String,
    server_first: String,
}

/// What a client has proved to have.
pub(crate) struct Proved {
    pub(crate) client_key: Zeroizing<Key>,
    /// server-final: what proves to the client that this side knows the secret.
    pub(crate) server_final: String,
}

impl Server {
    /// Reads client-first, and answers it with [`Server::first`]. `end_point` is the binding that
    /// was offered, if one was.
    pub(crate) fn begin(
        secret: &Secret,
        mechanism: &[u8],
        client_first: &[u8],
        end_point: Option<&[u8]>,
        nonce: &[u8; NONCE_BYTES],
    ) -> Result<Self, Fault> {
        const MALFORMED: Fault = Fault::Malformed("malformed client-first-message of SCRAM");
        let text = std::str::from_utf8(client_first).map_err(|_| MALFORMED)?;
        let (flag, rest) = text.split_once(',').ok_or(MALFORMED)?;
        let (authorization, bare) = rest.split_once(',').ok_or(MALFORMED)?;
        if !authorization.is_empty() {
            return Err(Fault::Malformed("SCRAM with an authorization identity"));
        }
        let header = format!("{flag},,");
        let binding = match (mechanism, flag, end_point) {
            (b"SCRAM-SHA-256", "n", _) | (b"SCRAM-SHA-256", "y", None) => header.into_bytes(),
            (b"SCRAM-SHA-256", "y", Some(_)) => return Err(Fault::Downgraded),
            (b"SCRAM-SHA-256-PLUS", _, Some(end_point))
                if flag.strip_prefix("p=") == Some(BINDING_NAME) =>
            {
                [header.as_bytes(), end_point].concat()
            }
            _ => {
                return Err(Fault::Malformed(
                    "SCRAM with a channel binding that was not offered",
                ));
            }
        };
        // PostgreSQL takes the role from the startup message and ignores the name here.
        let (_, rest) = attribute(bare, "n").ok_or(MALFORMED)?;
        let (client_nonce, _) = attribute(rest, "r").ok_or(MALFORMED)?;
        if !is_nonce(client_nonce) {
            return Err(MALFORMED);
        }
        let nonce = format!("{client_nonce}{}", BASE64.encode(nonce));
        let server_first = format!(
            "r={nonce},s={},i={}",
            BASE64.encode(&secret.salt),
            secret.iterations
        );
        Ok(Self {
            binding: BASE64.encode(&binding),
            client_first_bare: bare.to_owned(),
            nonce,
            server_first,
        })
    }

    /// server-first.
    pub(crate) fn first(&self) -> &str {
        &self.server_first
    }

    /// Reads client-final.
    pub(crate) fn finish(self, secret: &Secret, client_final: &[u8]) -> Result<Proved, Fault> {
        const MALFORMED: Fault = Fault::Malformed("malformed client-final-message of SCRAM");
        let text = std::str::from_utf8(client_final).map_err(|_| MALFORMED)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(MALFORMED)?;
        let proof = Zeroizing::new(key(proof).ok_or(MALFORMED)?);
        let (binding, rest) = attribute(without_proof, "c").ok_or(MALFORMED)?;
        let (nonce, _) = attribute(rest, "r").ok_or(MALFORMED)?;
        if binding != self.binding || nonce != self.nonce {
            return Err(Fault::Wrong);
        }
        let message = format!(
            "{},{},{without_proof}",
            self.client_first_bare, self.server_first
        );
        let signature = hmac(&secret.stored_key, message.as_bytes());
        let client_key = Zeroizing::new(xor(*proof, &signature));
        let stored_key: Key = Sha256::digest(*client_key).into();
        if !bool::from(stored_key.ct_eq(&secret.stored_key)) {
            return Err(Fault::Wrong);
        }
        let signature = hmac(&secret.server_key, message.as_bytes());
        Ok(Proved {
            client_key,
            server_final: format!("v={}", BASE64.encode(&signature)),
        })
    }
}

/// The side that proves itself to the server, without a channel binding.
#[derive(Debug)]
pub(crate) struct Client {
    nonce: String,
}

/// What the server's last message has to be.
#[derive(Debug)]
pub(crate) struct Expected(Key);

impl Client {
    pub(crate) fn new(nonce: &[u8; NONCE_BYTES]) -> Self {
        Self {
            nonce: BASE64.encode(nonce),
        }
    }

    fn first_bare(&self) -> String {
        // The role is in the startup message.
        format!("n=,r={}", self.nonce)
    }

    /// client-first.
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    /// Reads server-first; gives client-final.
    pub(crate) fn answer(
        &self,
        secret: &Secret,
        client_key: &Key,
        server_first: &[u8],
    ) -> Result<(String, Expected), Fault> {
        const MALFORMED: Fault = Fault::Malformed("malformed server-first-message of SCRAM");
        let server_first = std::str::from_utf8(server_first).map_err(|_| MALFORMED)?;
        let (nonce, rest) = attribute(server_first, "r").ok_or(MALFORMED)?;
        let (salt, rest) = attribute(rest, "s").ok_or(MALFORMED)?;
        let (iterations, _) = attribute(rest, "i").ok_or(MALFORMED)?;
        if !is_nonce(nonce) || nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(MALFORMED);
        }
        if salt != BASE64.encode(&secret.salt) || iterations != secret.iterations.to_string() {
            return Err(Fault::OtherSecret);
        }
        let without_proof = format!("c={},r={nonce}", BASE64.encode(b"n,,"));
        let message = format!("{},{server_first},{without_proof}", self.first_bare());
        let signature = hmac(&secret.stored_key, message.as_bytes());
        let proof = Zeroizing::new(xor(*client_key, &signature));
        let text = format!("{without_proof},p={}", BASE64.encode(&*proof));
        Ok((text, Expected(hmac(&secret.server_key, message.as_bytes()))))
    }
}

impl Expected {
    /// Reads server-final.
    pub(crate) fn check(&self, server_final: &[u8]) -> Result<(), Fault> {
        let given = std::str::from_utf8(server_final)
            .ok()
            .and_then(|text| attribute(text, "v"))
            .and_then(|(signature, _)| key(signature))
            .ok_or(Fault::Malformed("malformed server-final-message of SCRAM"))?;
        match bool::from(given.ct_eq(&self.0)) {
            true => Ok(()),
            false => Err(Fault::Wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`.
    const CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    /// The keys of these, as PostgreSQL would write them.
    const SECRET: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn secret() -> Secret {
        SECRET.parse().unwrap()
    }

    fn rfc_server() -> Server {
        Server {
            binding: "biws".into(),
            client_first_bare: "n=user,r=rOprNGfwEbeRWgbNEkqO".into(),
            nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
            server_first: SERVER_FIRST.into(),
        }
    }

    #[test]
    fn the_rfcs_exchange_is_accepted_and_answered() {
        let proved = rfc_server().finish(&secret(), CLIENT_FINAL).unwrap();
        assert_eq!(proved.server_final, SERVER_FINAL);
        let begun = Server::begin(&secret(), PLAIN.as_bytes(), CLIENT_FIRST, None, &[0; 18]);
        let begun = begun.unwrap();
        assert_eq!(begun.client_first_bare, rfc_server().client_first_bare);
        assert_eq!(begun.binding, rfc_server().binding);
    }

    #[test]
    fn a_proof_that_differs_in_a_bit_is_wrong() {
        let text = String::from_utf8(CLIENT_FINAL.to_vec()).unwrap();
        for (from, to) in [
            ("p=d", "p=e"),
            ("AndVQ=", "AndVw="),
            ("biws", "eSws"),
            ("$k0", "$k1"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            let result = rfc_server().finish(&secret(), changed.as_bytes());
            assert_eq!(result.err(), Some(Fault::Wrong), "{changed}");
        }
    }

    /// Both ends against each other, with and without a channel binding.
    #[test]
    fn what_the_client_proves_is_enough_for_the_server() {
        let proved = rfc_server().finish(&secret(), CLIENT_FINAL).unwrap();
        let client = Client::new(&[1; 18]);
        let server = Server::begin(
            &secret(),
            PLAIN.as_bytes(),
            client.first().as_bytes(),
            Some(b"offered"),
            &[2; 18],
        )
        .unwrap();
        let (last, expected) = client
            .answer(&secret(), &proved.client_key, server.first().as_bytes())
            .unwrap();
        let again = server.finish(&secret(), last.as_bytes()).unwrap();
        assert_eq!(*again.client_key, *proved.client_key);
        expected.check(again.server_final.as_bytes()).unwrap();
        let other = SERVER_FINAL.as_bytes();
        assert_eq!(expected.check(other), Err(Fault::Wrong));
    }

    #[test]
    fn bindings_are_as_offered() {
        let begin = |mechanism: &str, first: &str, offered: Option<&[u8]>| {
            Server::begin(
                &secret(),
                mechanism.as_bytes(),
                first.as_bytes(),
                offered,
                &[0; 18],
            )
            .map(|server| server.binding)
        };
        let bound = "p=tls-server-end-point,,n=,r=abc";
        let expected = BASE64.encode(b"p=tls-server-end-point,,hash");
        assert_eq!(begin(BOUND, bound, Some(b"hash")), Ok(expected));
        assert_eq!(
            begin(PLAIN, "y,,n=,r=abc", Some(b"hash")),
            Err(Fault::Downgraded)
        );
        assert!(begin(PLAIN, "y,,n=,r=abc", None).is_ok());
        for (mechanism, first, offered) in [
            (BOUND, bound, None),
            (BOUND, "p=tls-unique,,n=,r=abc", Some(&b"hash"[..])),
            (BOUND, "n,,n=,r=abc", Some(b"hash")),
            (PLAIN, bound, Some(b"hash")),
            ("SCRAM-SHA-1", "n,,n=,r=abc", None),
            (PLAIN, "n,a=root,n=,r=abc", None),
            (PLAIN, "n,,m=ext,n=,r=abc", None),
            (PLAIN, "n,,n=,r=", None),
            (PLAIN, "n,,n=", None),
            (PLAIN, "n", None),
            (PLAIN, "", None),
        ] {
            let result = begin(mechanism, first, offered);
            assert!(
                matches!(result, Err(Fault::Malformed(_))),
                "{mechanism} {first}"
            );
        }
    }

    #[test]
    fn a_server_with_another_secret_gets_no_proof() {
        let client = Client::new(&[1; 18]);
        let nonce = BASE64.encode(&[1; 18]);
        let answer = |first: &str| client.answer(&secret(), &[0; 32], first.as_bytes()).err();
        let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
        assert_eq!(answer(&format!("r={nonce}x,s={salt},i=4096")), None);
        for first in [
            format!("r={nonce}x,s={salt},i=1"),
            format!("r={nonce}x,s=AAAA,i=4096"),
        ] {
            assert_eq!(answer(&first), Some(Fault::OtherSecret), "{first}");
        }
        for first in [
            format!("r={nonce},s={salt},i=4096"),
            format!("r=x{nonce},s={salt},i=4096"),
            format!("r={nonce}x,s={salt}"),
            "e=other-error".into(),
            String::new(),
        ] {
            assert!(
                matches!(answer(&first), Some(Fault::Malformed(_))),
                "{first}"
            );
        }
    }

    #[test]
    fn secrets_are_as_postgresql_writes_them() {
        for text in [
            "",
            "md5d41d8cd98f00b204e9800998ecf8427e",
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA",
            "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        ] {
            assert_eq!(
                text.parse::<Secret>().err(),
                Some(ParseSecretError),
                "{text}"
            );
        }
        assert_eq!(format!("{:?}", secret()), "Secret(..)");
    }
}
