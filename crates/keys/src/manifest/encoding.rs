//! How single values stand in the document: one spelling per value, so that an altered byte is
//! either an error or another value under the MAC.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MAX_WRAPPED_BYTES: usize = 4096;

/// `N` bytes, lower-case hexadecimal in the document.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| {
                let digits = 2 * N;
                D::Error::custom(format_args!(
                    "expected {digits} lower-case hexadecimal digits"
                ))
            })
    }
}

/// A wrapped key, base64 in the document. It is no secret, but nobody needs it in a log.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wrapped(Vec<u8>);

impl Wrapped {
    pub(super) fn new(bytes: Vec<u8>) -> Option<Self> {
        let fits = (1..=MAX_WRAPPED_BYTES).contains(&bytes.len());
        fits.then_some(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapped({} bytes)", self.0.len())
    }
}

impl Serialize for Wrapped {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Wrapped {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64.decode(text.as_bytes()).ok();
        bytes.and_then(Self::new).ok_or_else(|| {
            D::Error::custom(format_args!(
                "expected base64 of 1 to {MAX_WRAPPED_BYTES} bytes"
            ))
        })
    }
}

/// `Mode` by its name.
pub(super) mod mode {
    use sealwire_core::policy::Mode;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        mode: &Mode,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(mode)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Mode, D::Error> {
        match String::deserialize(from)?.as_str() {
            "deterministic" => Ok(Mode::Deterministic),
            "randomized" => Ok(Mode::Randomized),
            _ => Err(D::Error::custom("expected `deterministic` or `randomized`")),
        }
    }
}
