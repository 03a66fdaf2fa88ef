//! `bench`: generated tables, and queries over them, timed.

mod all;
mod duckdb;
mod page;
pub mod queries;
mod record;
mod suite;
mod taxi;

use warpwise_engine::dataset::{Hits, Taxi, places, taxi::READ_BY_QUERIES};

use crate::cli::{BenchSingle, BenchTaxi};
use crate::failure::Failure;
use suite::Suite;

pub use all::run as all;
pub use suite::with_device;

/// `bench taxi`.
pub fn taxi(arguments: &BenchTaxi) -> Result<(), Failure> {
    let dataset = Taxi::new(arguments.generated.seed, arguments.rows);
    let columns = places(&dataset, if arguments.all_columns { &[] } else { &READ_BY_QUERIES })?;
    let text = |text: &'static str, run: u64| match arguments.vary {
        Some(seed) => taxi::varied(text, seed.wrapping_add(run)),
        None => text.to_owned(),
    };
    Suite { name: "taxi", dataset: &dataset, columns, queries: queries::TAXI, text: &text }.run(&arguments.generated)
}

/// `bench single`.
pub fn single(arguments: &BenchSingle) -> Result<(), Failure> {
    let dataset = Hits::new(arguments.generated.seed, arguments.rows);
    let columns = places(&dataset, &[])?;
    let text = |text: &'static str, _: u64| text.to_owned();
    Suite { name: "single", dataset: &dataset, columns, queries: queries::SINGLE, text: &text }.run(&arguments.generated)
}
