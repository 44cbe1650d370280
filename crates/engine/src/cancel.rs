//! What a cancel request names a session by
//! ([PostgreSQL documentation, 53.2.9](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS)).

use std::fmt;
use std::ops::RangeInclusive;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a process number and a secret key: of four bytes, or up to 256 since protocol 3.2.
const BYTES: RangeInclusive<usize> = 8..=260;
/// Bytes of a CancelRequest before them.
const REQUEST_HEADER_LEN: usize = 8;

/// A server process and the secret key that goes with it. Whoever has it can cancel what the
/// session does.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct BackendKey(Box<[u8]>);

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackendKey(..)")
    }
}

impl BackendKey {
    /// Whether a body can be one.
    pub(crate) fn fits(bytes: usize) -> bool {
        BYTES.contains(&bytes)
    }

    /// The body of BackendKeyData. `None` where it has a length that there is not.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        Self::fits(body.len()).then(|| Self(body.into()))
    }

    /// What a whole CancelRequest names. `None` where it has a length that there is not.
    pub fn of_request(request: &[u8]) -> Option<Self> {
        Self::of_body(request.get(REQUEST_HEADER_LEN..)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_what_the_server_has_said() {
        for (len, is_key) in [(7, false), (8, true), (36, true), (260, true), (261, false)] {
            let body = vec![7; len];
            let request = [&[0; REQUEST_HEADER_LEN], &body[..]].concat();
            let key = BackendKey::of_body(&body);
            assert_eq!(key.is_some(), is_key, "{len}");
            assert_eq!(BackendKey::of_request(&request), key);
        }
        assert_eq!(BackendKey::of_request(&[0; 4]), None);
    }

    #[test]
    fn it_is_not_shown() {
        let key = BackendKey::of_body(&[77; 8]);
        assert_eq!(format!("{key:?}"), "Some(BackendKey(..))");
    }
}
