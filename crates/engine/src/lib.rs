//! The sans-io protocol session of Sealwire: bytes in from both peers, bytes out to both, and a
//! [`Need`] where something must be fetched from outside. No sockets, no tasks, no clock.
//!
//! ```text
//!   client ── handle_client ──►┌─────────┐── to_server ──► server
//!          ◄── to_client ──────│ Session │◄── handle_server ──
//!                              └─────────┘
//!                 poll_need ──►  keys, policy  ──► supply
//! ```
//!
//! The session reads the handful of messages that it may have to rewrite and forwards every other
//! frame by its length. What the server owes is kept in one queue; statements and portals are kept
//! in the order in which the client sends and settled in the order in which the server answers.

mod analysis;
mod cancel;
mod catalogue;
mod check;
mod copy;
mod counters;
mod effect;
mod error;
mod frame;
mod keys;
mod mention;
mod message;
mod names;
mod need;
mod open;
mod options;
mod poison;
mod queue;
pub mod scram;
mod seal;
mod session;
mod settings;
mod slots;
pub mod startup;
mod statement;

pub use cancel::BackendKey;
pub use counters::Counters;
pub use error::Error;
pub use need::{Failure, Need, Supply};
pub use options::{Enforcement, Limits, Options, PolicySource};
pub use session::{Login, Session};
