//! The proxy between clients and a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod serving;
mod support;
