//! Text to statement, and the statements that are not queries.
//!
//! [`parse`] makes syntax trees, in the dialect of [`grammar`]; [`dialect`] brings a query's tree into the form that DataFusion plans as PostgreSQL
//! means it; [`label`] names the columns of a result. One file per kind of statement does the rest, each an `impl Session`.
//!
//! # Adding a statement
//!
//! Give it an arm in `session/execute.rs`, a file here with an `impl Session` that carries it out, and its lines in COMPAT.md.

pub mod copy;
pub mod cursor;
pub mod dialect;
pub mod discard;
pub mod explain;
pub mod grammar;
pub mod insert;
pub mod label;
pub mod parse;
pub mod place;
pub mod position;
pub mod prepare;
pub mod route;
pub mod set;
pub mod table;
pub mod transaction;
pub mod view;
