//! Running what was offloaded.
//!
//! [`devices`] knows the machine's devices, the columns they hold and the code compiled for them; [`inputs`] brings a table's
//! columns to them, `parquet` and [`prune`] those of files; [`device_exec`] is the one node of a plan that runs stages; [`run`]
//! runs them on one device, [`build`] groups the build sides of their joins, [`whole`] keeps those that are a table as it stands,
//! `parts` runs joins that are no step of one program, `stream` runs part by part where columns are too many, `union` lays rows below others, [`shared`] keeps what a plan needs
//! twice; [`report`] says what
//! that took, [`explain`] tells a person. [`table_scan`] is how a plan's scans say which table they read; [`pieces`] keeps joins that stay with
//! DataFusion from holding a thread.

mod branches;
pub mod build;
pub mod device_exec;
pub mod devices;
pub mod explain;
pub mod inputs;
mod parquet;
mod parts;
pub mod pieces;
pub mod prune;
pub mod report;
pub mod run;
pub mod shared;
mod stream;
pub mod table_scan;
#[cfg(test)]
mod tests;
mod union;
pub mod whole;
