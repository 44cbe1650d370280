//! Pools, ORMs and drivers of Rust, unmodified, on encrypted columns.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod diesel_async;
mod pools;
mod refinery;
mod sea_orm;
mod sqlx;
