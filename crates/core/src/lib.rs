//! Cells, canonical values and column specifications of Sealwire.
//!
//! This crate is pure: no I/O, no clock, no async, no SQL and no protocol messages.

mod aead;
pub mod catalogue;
pub mod cell;
pub mod ddl;
pub mod policy;
pub mod secret;
pub mod types;
pub mod value;
pub mod wrap;
