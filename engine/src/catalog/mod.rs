//! What exists: databases, schemas, relations.
//!
//! A database's contents are one immutable [`State`] behind a pointer. A statement reads the state that its
//! transaction took; a writer changes a private copy (copying is cheap: it shares every relation), and commit
//! merges that copy into the newest state, relation by relation ([`merge`]). Readers never wait and
//! never see half of a transaction.
//!
//! `pg_catalog` and `information_schema` describe a state to clients and are evaluated row by row, without
//! DataFusion: see `evaluate`.

pub mod database;
pub mod environment;
pub mod files;
pub mod information_schema;
pub mod lineage;
pub mod merge;
pub mod pg_catalog;
pub mod provider;
pub mod relation;
pub mod state;

pub use database::Database;
pub use relation::{Column, Relation, RelationKind, Segment};
pub use state::{Name, State};
