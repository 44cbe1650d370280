//! COPY over a bare connection, every frame as it came.

use bytes::Bytes;
use sealwire_testkit::fixture::wire::{Batch, ErrorFields, Reply, WireClient};
use tokio::io::{AsyncRead, AsyncWrite};

/// By which protocol a COPY is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Simple,
    /// Parse, Bind, Execute and a Sync before the data, and one behind it.
    Extended,
}

/// What a COPY came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// CopyData, frame by frame.
    pub(crate) frames: Vec<Bytes>,
    pub(crate) tag: Option<String>,
    pub(crate) error: Option<ErrorFields>,
    /// The last transaction status.
    pub(crate) status: char,
}

impl Outcome {
    pub(crate) fn code(&self) -> &str {
        self.error
            .as_ref()
            .map(ErrorFields::code)
            .unwrap_or_default()
    }

    pub(crate) fn data(&self) -> Vec<u8> {
        self.frames.concat()
    }
}

pub(crate) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &len, body].concat()
}

/// The messages that start a COPY.
pub(crate) fn start(sql: &str, how: Start) -> Batch {
    let mut batch = Batch::new();
    match how {
        Start::Simple => batch.query(sql),
        Start::Extended => batch
            .parse("", sql, &[])
            .bind("", "", &[], sealwire_testkit::fixture::wire::Format::Text)
            .execute("", 0)
            .sync(),
    };
    batch
}

/// Takes replies up to ReadyForQuery, or up to CopyInResponse, which is said.
pub(crate) async fn replies<S>(client: &mut WireClient<S>, outcome: &mut Outcome) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match client.reply().await {
            Reply::CopyIn => return true,
            Reply::CopyData(data) => outcome.frames.push(data),
            Reply::Complete(tag) => outcome.tag = Some(tag),
            Reply::Error(error) => outcome.error = Some(error),
            Reply::Ready(status) => {
                outcome.status = status;
                return false;
            }
            _ => {}
        }
    }
}

/// `COPY … TO STDOUT`.
pub(crate) async fn copy_to<S>(client: &mut WireClient<S>, sql: &str, how: Start) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut outcome = Outcome::default();
    client.send(&start(sql, how)).await;
    assert!(!replies(client, &mut outcome).await, "{sql} wants data");
    outcome
}

/// `COPY … FROM STDIN` with data in these pieces.
pub(crate) async fn copy_from<S>(
    client: &mut WireClient<S>,
    sql: &str,
    how: Start,
    pieces: &[&[u8]],
) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut outcome = Outcome::default();
    client.send(&start(sql, how)).await;
    if replies(client, &mut outcome).await {
        let mut bytes: Vec<u8> = pieces.iter().flat_map(|piece| frame(b'd', piece)).collect();
        bytes.extend(frame(b'c', b""));
        if how == Start::Extended {
            bytes.extend(frame(b'S', b""));
        }
        client.send_bytes(&bytes).await;
        assert!(
            !replies(client, &mut outcome).await,
            "{sql} wants data twice"
        );
    }
    outcome
}
