//! One statement's exchange, compared above and beneath the layer.

use std::io;

use sealwire_testkit::Recording;
use sealwire_testkit::regress::frames::{column_names, error_field, frames, row_fields};
use tokio::time::error::Elapsed;

/// The name of the layer's own statement and portal.
const OWN_NAME: &[u8] = b"sealwire_catalogue";

/// What was seen above the layer and beneath it.
pub(crate) struct Sides {
    pub(crate) sent: Vec<u8>,
    pub(crate) read: Vec<u8>,
    pub(crate) beneath: Recording,
}

/// How the two sides compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The same bytes.
    Same,
    /// The same bytes behind this many queries of the layer's own.
    Loaded(usize),
    /// Different bytes.
    Changed(Change),
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing came back in time.
    NoAnswer,
    /// What the server wrote or was told cannot be cut into frames.
    Unreadable,
    /// Only what the server was told. What it answered is what the client read.
    ToServer,
    /// What the client read.
    ToClient,
}

pub(crate) struct Exchange {
    /// What the client read, by frames.
    pub(crate) replies: Vec<Vec<u8>>,
    pub(crate) outcome: Outcome,
    /// The connection has ended.
    pub(crate) lost: bool,
    pub(crate) bytes: [usize; 2],
    pub(crate) frames: [usize; 2],
    /// The tags of both sides where they differ.
    pub(crate) tags: String,
}

impl Exchange {
    pub(crate) fn new(run: Result<io::Result<Vec<Vec<u8>>>, Elapsed>, sides: Sides) -> Self {
        let lost = !matches!(run, Ok(Ok(_)));
        let replies = match frames(&sides.read) {
            Some(replies) => replies.into_iter().map(<[u8]>::to_vec).collect(),
            None => Vec::new(),
        };
        let outcome = match run {
            Err(_) => Outcome::Changed(Change::NoAnswer),
            Ok(_) => compare(&sides),
        };
        let tags = match outcome {
            Outcome::Changed(_) | Outcome::Loaded(_) => format!(
                "{} {} above, {} {} beneath",
                tags(&sides.sent),
                tags(&sides.read),
                tags(&sides.beneath.to_server),
                tags(&sides.beneath.to_client)
            ),
            _ => String::new(),
        };
        Self {
            tags,
            outcome,
            lost,
            bytes: [sides.sent.len(), sides.read.len()],
            frames: [
                frames(&sides.sent).map_or(0, |frames| frames.len()),
                replies.len(),
            ],
            replies,
        }
    }

    /// The first error that the client read.
    pub(crate) fn error(&self) -> Option<&[u8]> {
        let mut errors = self.replies.iter().filter(|reply| reply[0] == b'E');
        errors.next().map(Vec::as_slice)
    }

    /// A field of the first error.
    pub(crate) fn error_field(&self, letter: u8) -> Option<String> {
        error_field(self.error()?, letter)
    }
}

/// The first tags of what crossed.
fn tags(bytes: &[u8]) -> String {
    let frames = frames(bytes).unwrap_or_default();
    let tags = frames.iter().take(40).map(|frame| char::from(frame[0]));
    tags.collect()
}

fn compare(sides: &Sides) -> Outcome {
    if sides.sent == sides.beneath.to_server && sides.read == sides.beneath.to_client {
        return Outcome::Same;
    }
    let Some((loads, to_server, to_client)) = without_loads(&sides.beneath) else {
        return Outcome::Changed(Change::Unreadable);
    };
    if sides.read != to_client {
        Outcome::Changed(Change::ToClient)
    } else if sides.sent != to_server || loads == 0 {
        Outcome::Changed(Change::ToServer)
    } else {
        Outcome::Loaded(loads)
    }
}

/// The two directions without the layer's own queries. Those come between the client's messages,
/// each ended by a Sync, and their answers before the answers of what follows.
fn without_loads(beneath: &Recording) -> Option<(usize, Vec<u8>, Vec<u8>)> {
    let mut loads = 0;
    let mut inside = false;
    let mut to_server = Vec::new();
    for frame in frames(&beneath.to_server)? {
        let own = frame
            .windows(OWN_NAME.len())
            .take(8)
            .any(|window| window == OWN_NAME);
        if own && matches!(frame[0], b'P' | b'B' | b'E' | b'C') {
            inside = true;
        } else if inside && frame[0] == b'S' {
            inside = false;
            loads += 1;
        } else {
            to_server.extend_from_slice(frame);
        }
    }
    let mut left = loads;
    let mut to_client = Vec::new();
    for frame in frames(&beneath.to_client)? {
        if left == 0 {
            to_client.extend_from_slice(frame);
        } else if frame[0] == b'Z' {
            left -= 1;
        }
    }
    Some((loads, to_server, to_client))
}

/// The rows of a result, with the names of their columns.
pub(crate) fn rows(replies: &[Vec<u8>]) -> Vec<Vec<(String, Option<Vec<u8>>)>> {
    let mut names = Vec::new();
    let mut rows = Vec::new();
    for reply in replies {
        match reply[0] {
            b'T' => names = column_names(reply).unwrap_or_default(),
            b'D' => {
                let fields = row_fields(reply).unwrap_or_default();
                rows.push(names.iter().cloned().zip(fields).collect());
            }
            _ => {}
        }
    }
    rows
}
