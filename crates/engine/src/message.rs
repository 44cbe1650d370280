//! The messages that the session reads or writes. Every other message passes by its length.

pub(crate) mod array;
pub(crate) mod backend;
pub(crate) mod frontend;
mod reader;
mod writer;

pub(crate) use reader::{Malformed, Reader};
pub(crate) use writer::{field, frame};
