//! What tests of a device share: row-program files, random row programs, and the comparison with the interpreter.
//!
//! A device is right where it gives what [`interpret`](crate::interpret) gives: [`check_file`] asks that of the programs
//! and inputs of a file, [`check_random`] of random ones. Both compare as [`compare`] says.

mod check;
pub mod compare;
mod data;
mod file;
mod generate;
mod known;
mod random;

pub use check::{check_case, check_random, outcomes_of_nodes, run_on};
pub use file::check_file;
pub use generate::generate;
pub use random::Random;

use crate::column::Chunk;
use crate::program::{Pipeline, Values};

/// A pipeline and what it runs over.
#[derive(Debug, Clone)]
pub struct Case {
    /// What runs.
    pub pipeline: Pipeline,
    /// Its parameters.
    pub values: Values,
    /// Its input.
    pub chunks: Vec<Chunk>,
}
