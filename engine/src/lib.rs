//! SQL in, record batches out.
//!
//! An [`Engine`] is what a process has one of; a [`Session`] is one client's. A session parses a text into
//! [`Statement`]s, prepares each ([`Prepared`]: parameters and columns are known then), and executes it to an [`Outcome`],
//! usually [`Rows`]. This crate alone knows DataFusion; it knows nothing of sockets or message bytes.
//!
//! Reading order: `session/execute.rs` (a statement's way), `sql/` (statements), `plan/` (queries), `catalog/` (what there
//! is to query), `evaluate/` (queries over system catalogs).

pub mod catalog;
pub mod copy;
pub mod dataset;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod exec;
pub mod function;
pub mod offload;
pub mod plan;
pub mod session;
pub mod settings;
pub mod sql;

pub mod tpch;
pub mod types;

pub use engine::{Engine, LoadedTable, Options};
pub use error::{Condition, Error, Result};
pub use session::cancel::CancelHandle;
pub use session::execute::{Outcome, Prepared, Source};
pub use session::rows::{Column, Rows, Tag};
pub use session::transaction::TransactionStatus;
pub use session::{Notice, Session, SessionOptions, Severity};
pub use sql::copy::CopyIn;
pub use sql::parse::Statement;
