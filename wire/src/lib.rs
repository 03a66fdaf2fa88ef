//! PostgreSQL's protocol over an engine.
//!
//! A connection is one task that owns a [`warpwise_engine::Session`] and the socket's sending half, and
//! one that reads frames ahead of it, so that a client that goes away is noticed while its query runs:
//!
//! ```text
//!             server ── accept ──▶ connection ── startup, auth ──▶ a session
//!                                       │
//!   socket ── frames ── inbox ──▶ message ──┬─▶ simple    (Query)
//!                                           ├─▶ extended  (Parse, Bind, Describe, Execute, Close, Sync)
//!                                           └─▶ copy      (CopyData, CopyDone, CopyFail)
//!                                                    │
//!   socket ◀── output ◀── stream ◀── types ◀── record batches
//! ```
//!
//! Reading order: `server`, `connection`, `simple`, `extended`, `stream`. What is deliberately absent: this
//! crate knows message bytes, PostgreSQL's binary formats and five-character SQLSTATEs, and nothing of
//! SQL, catalogs or plans. It never allocates by a number that a client sent: buffers grow as bytes arrive.

mod auth;
mod backend;
mod cancel;
mod connection;
mod copy;
mod encoding;
mod error;
mod extended;
mod frames;
mod inbox;
mod message;
mod output;
mod portal;
mod server;
mod simple;
mod startup;
mod stream;
pub mod types;

pub use auth::{Auth, PasswordFile, scram_verifier};
pub use server::{DEFAULT_MAX_MESSAGE, Server, ServerOptions, serve};
