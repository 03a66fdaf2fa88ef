//! `tpch`: data, query texts, and runs.

mod record;
mod run;

use std::path::Path;

use warpwise_engine::tpch::{Query, Scale, queries};

use crate::cli::{TpchGenerate, TpchQueries};
use crate::data;
use crate::failure::Failure;
use crate::output::say;

pub use run::run;

/// Generates the tables into a folder, or finds them there.
pub fn generate(arguments: &TpchGenerate) -> Result<(), Failure> {
    Ok(say(&data::generate(arguments.scale, &arguments.out, data::threads(arguments.threads))?)?)
}

/// Writes the 22 texts.
pub fn queries(arguments: &TpchQueries) -> Result<(), Failure> {
    make_folder(&arguments.out)?;
    for number in 1..=queries::COUNT {
        let query = text(number, arguments.vary, arguments.scale)?;
        let path = arguments.out.join(format!("{}.sql", query.name()));
        std::fs::write(&path, query.file()).map_err(|error| Failure::of_file("write", &path, &error))?;
    }
    let parameters =
        arguments.vary.map_or_else(|| "validation parameters".to_owned(), |seed| format!("parameters of seed {seed}"));
    Ok(say(&format!("{} queries with {parameters} in {}", queries::COUNT, arguments.out.display()))?)
}

/// A query with validation parameters, or with those of a seed.
fn text(number: u8, seed: Option<u64>, scale: Scale) -> Result<Query, Failure> {
    let query = match seed {
        Some(seed) => queries::varied(number, seed, scale),
        None => queries::validation(number, scale),
    };
    query.ok_or_else(|| Failure::new(format!("there is no query {number}")))
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::of_file("make folder", folder, &error))
}
