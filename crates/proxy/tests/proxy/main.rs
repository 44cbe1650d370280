//! The proxy between clients and a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_input;
mod cancel;
mod certificates;
mod client_tls;
mod crowd;
mod ending;
mod limits;
mod logs;
mod lost;
mod pages;
mod panics;
mod reload;
mod roles;
mod server_tls;
mod serving;
mod support;
