//! One value as it came over the wire, and the checks that all types share.

use zeroize::Zeroizing;

use super::{Format, Settings, ValueError};
use crate::types::ScalarType;

/// A value of a Bind message or a literal, not yet read.
#[derive(Clone, Copy)]
pub(super) struct WireValue<'a> {
    /// The type that the client says the bytes have.
    pub(super) ty: ScalarType,
    pub(super) format: Format,
    pub(super) bytes: &'a [u8],
    pub(super) settings: &'a Settings,
    /// The value is read with the column's modifier at hand, as literals and fields of COPY are.
    pub(super) reads_modifier: bool,
}

impl<'a> WireValue<'a> {
    /// The bytes of a text-format value.
    pub(super) fn text(&self) -> Result<&'a str, ValueError> {
        wire_text(self.bytes, self.settings)
    }

    /// The bytes of a binary value of a type of `N` bytes.
    pub(super) fn fixed<const N: usize>(&self) -> Result<[u8; N], ValueError> {
        match self.bytes.first_chunk::<N>() {
            None => Err(ValueError::truncated()),
            Some(bytes) if self.bytes.len() == N => Ok(*bytes),
            Some(_) => Err(ValueError::binary_format()),
        }
    }
}

/// The bytes of a text-format value, which the server would transcode before the type's input
/// function sees them. ASCII is the same in every client encoding that PostgreSQL knows.
pub(super) fn wire_text<'a>(bytes: &'a [u8], settings: &Settings) -> Result<&'a str, ValueError> {
    if !bytes.is_ascii() {
        require_utf8(settings)?;
    }
    valid_text(bytes)
}

/// PostgreSQL's text: UTF-8 without the zero byte.
pub(super) fn valid_text(bytes: &[u8]) -> Result<&str, ValueError> {
    if bytes.contains(&0) {
        return Err(ValueError::encoding());
    }
    str::from_utf8(bytes).map_err(|_| ValueError::encoding())
}

/// Text-bearing types are exchanged in UTF-8 only: the server transcodes text but not cells, so in
/// any other encoding the same text would give another cell.
pub(super) fn require_utf8(settings: &Settings) -> Result<(), ValueError> {
    // "UNICODE" is PostgreSQL's old alias, which `SET` reports as "UTF8"; a hyphen and case do not
    // matter to the server either.
    let is_utf8 = ["UTF8", "UTF-8", "UNICODE"]
        .iter()
        .any(|name| settings.client_encoding.eq_ignore_ascii_case(name));
    if is_utf8 {
        Ok(())
    } else {
        Err(ValueError::client_encoding())
    }
}

/// C's `isspace` in the "C" locale, by which PostgreSQL's input functions skip blanks.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The text without leading and trailing blanks.
pub(super) fn trim_spaces(text: &str) -> &str {
    text.trim_matches(|c: char| u8::try_from(c).is_ok_and(is_space))
}

/// Appends to `out` without leaving a copy of it behind where it must grow.
pub(super) fn append(out: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let len = out.len().saturating_add(bytes.len());
    if len > out.capacity() {
        let mut grown = Zeroizing::new(Vec::with_capacity(len.max(out.capacity() * 2)));
        grown.extend_from_slice(out);
        *out = grown;
    }
    out.extend_from_slice(bytes);
}

/// A reader of a binary form of several parts.
pub(super) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], ValueError> {
        let (chunk, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(ValueError::truncated)?;
        self.0 = rest;
        Ok(*chunk)
    }

    pub(super) fn i32(&mut self) -> Result<i32, ValueError> {
        self.chunk().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ValueError> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], ValueError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(ValueError::truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// What has not been read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Demands that everything has been read.
    pub(super) fn end(self) -> Result<(), ValueError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ValueError::binary_format())
        }
    }
}
