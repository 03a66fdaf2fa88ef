//! TPC-H: its tables, its data, its 22 queries, and its answers.
//!
//! [`generate`](generate::generate) writes the eight tables of [`schema`] as Parquet; [`queries`] gives the 22
//! texts with the specification's validation parameters, or with others drawn from a seed ([`parameters`]);
//! [`verify`] holds rows against the official answers at scale 1.
//!
//! Data, texts and answers come from the crate `tpchgen`, which follows the TPC's own tools byte for byte.
//! What is deliberately absent: nothing here runs a query or knows DataFusion.

pub mod generate;
pub mod manifest;
pub mod parameters;
pub mod queries;
mod random;
pub mod scale;
pub mod schema;
pub mod verify;

pub use generate::{Generated, Progress, generate};
pub use manifest::{Manifest, is_complete};
pub use queries::Query;
pub use scale::Scale;
