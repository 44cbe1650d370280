//! The session between a scripted client and a model of the server, without a network.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail as its assertions do"
)]

mod copy;
mod counters;
mod ending;
mod hostile;
mod login;
mod model;
mod needs;
mod pair;
mod plain;
mod refusals;
mod sealed;
mod sequences;
mod simple;
mod stale;
mod startup;
mod wire;
