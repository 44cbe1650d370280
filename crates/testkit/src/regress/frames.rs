//! Messages of the protocol as they are, whatever is in them: scripts hold bytes of many encodings.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::script::without_comments;
use crate::fixture::wire::Format;

/// The frames in a recording, each with its tag and length. `None` when it does not end with one.
pub fn frames(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) = bytes.split_at_checked(frame_len(bytes)?)?;
        frames.push(frame);
        bytes = rest;
    }
    Some(frames)
}

fn frame_len(bytes: &[u8]) -> Option<usize> {
    let field = bytes.get(1..5)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(field))
        .ok()?
        .checked_add(1)
}

fn frame(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.push(tag);
    out.extend_from_slice(
        &u32::try_from(len + 4)
            .expect("a short message")
            .to_be_bytes(),
    );
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A client that sends and reads whole frames.
#[derive(Debug)]
pub struct RawClient<S> {
    stream: S,
    input: Vec<u8>,
    /// What has been sent and read since the last call of [`RawClient::take`].
    sent: Vec<u8>,
    read: Vec<u8>,
}

impl<S> RawClient<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Goes on with a session that has been started.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
            sent: Vec::new(),
            read: Vec::new(),
        }
    }

    /// Takes what was sent and what was read.
    pub fn take(&mut self) -> (Vec<u8>, Vec<u8>) {
        (
            std::mem::take(&mut self.sent),
            std::mem::take(&mut self.read),
        )
    }

    /// Runs a text as a simple Query. `data` gives what a COPY reads.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn query(
        &mut self,
        sql: &[u8],
        mut data: impl FnMut() -> Vec<u8>,
    ) -> io::Result<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        frame(&mut out, b'Q', &[sql, b"\0"]);
        self.send(&out).await?;
        let mut replies = Vec::new();
        loop {
            let reply = self.frame().await?;
            match reply[0] {
                b'G' => self.copy(&data(), false).await?,
                b'Z' => {
                    replies.push(reply);
                    return Ok(replies);
                }
                _ => {}
            }
            replies.push(reply);
        }
    }

    /// Runs a text with the extended protocol: Parse, Describe, Bind, Describe, Execute, Sync.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn extended(
        &mut self,
        sql: &[u8],
        results: Format,
        mut data: impl FnMut() -> Vec<u8>,
    ) -> io::Result<Vec<Vec<u8>>> {
        let format: &[u8] = match results {
            Format::Text => b"\0\0",
            Format::Binary => b"\0\x01",
        };
        let mut out = Vec::new();
        frame(&mut out, b'P', &[b"\0", sql, b"\0\0\0"]);
        frame(&mut out, b'D', &[b"S\0"]);
        frame(&mut out, b'B', &[b"\0\0\0\0\0\0\0\x01", format]);
        frame(&mut out, b'D', &[b"P\0"]);
        frame(&mut out, b'E', &[b"\0\0\0\0\0"]);
        // A server that reads copy data ignores a Sync unless the copy has failed already, so how
        // many answers come would depend on the moment; a Flush has none.
        let first = without_comments(sql).get(..4);
        let may_copy = first.is_some_and(|word| word.eq_ignore_ascii_case(b"copy"));
        frame(&mut out, if may_copy { b'H' } else { b'S' }, &[]);
        self.send(&out).await?;
        let mut owed = may_copy;
        let mut replies = Vec::new();
        loop {
            let reply = self.frame().await?;
            match reply[0] {
                b'G' => {
                    self.copy(&data(), true).await?;
                    owed = false;
                }
                b'C' | b'E' if owed => {
                    let mut out = Vec::new();
                    frame(&mut out, b'S', &[]);
                    self.send(&out).await?;
                    owed = false;
                }
                b'Z' => {
                    replies.push(reply);
                    return Ok(replies);
                }
                _ => {}
            }
            replies.push(reply);
        }
    }

    async fn copy(&mut self, data: &[u8], sync: bool) -> io::Result<()> {
        let mut out = Vec::new();
        for line in data.split_inclusive(|&b| b == b'\n') {
            frame(&mut out, b'd', &[line]);
        }
        frame(&mut out, b'c', &[]);
        if sync {
            frame(&mut out, b'S', &[]);
        }
        self.send(&out).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sent.extend_from_slice(bytes);
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    async fn frame(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(len) = frame_len(&self.input)
                && self.input.len() >= len
            {
                let rest = self.input.split_off(len);
                return Ok(std::mem::replace(&mut self.input, rest));
            }
            let before = self.input.len();
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.read.extend_from_slice(&self.input[before..]);
        }
    }
}

/// A field of an ErrorResponse, by its letter.
pub fn error_field(frame: &[u8], letter: u8) -> Option<String> {
    let fields = frame.get(5..)?.split(|&b| b == 0);
    let mut found = fields.filter_map(|field| field.split_first());
    let (_, text) = found.find(|(kind, _)| **kind == letter)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The names in a RowDescription.
pub fn column_names(frame: &[u8]) -> Option<Vec<String>> {
    let mut rest = frame.get(7..)?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|&b| b == 0)?;
        names.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        rest = rest.get(end + 1 + 18..)?;
    }
    Some(names)
}

/// The fields of a DataRow.
pub fn row_fields(frame: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut rest = frame.get(7..)?;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let len = i32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        rest = &rest[4..];
        match usize::try_from(len) {
            Ok(len) => {
                fields.push(Some(rest.get(..len)?.to_vec()));
                rest = &rest[len..];
            }
            Err(_) => fields.push(None),
        }
    }
    Some(fields)
}

/// The name and value of a ParameterStatus.
pub fn setting(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = frame.get(5..)?.split(|&b| b == 0);
    Some((parts.next()?, parts.next()?))
}
