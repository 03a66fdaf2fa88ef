//! The tables that a command asks for: generated, found, or somebody's files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use warpwise_engine::tpch::{self, Scale};
use warpwise_engine::{Engine, Options};
use warpwise_gpu::Discovery;

use crate::cli::{Device, Resources};
use crate::failure::Failure;
use crate::output::{grouped, seconds};
use crate::paths;
use crate::progress::Meter;

/// Looks for devices, and refuses a choice that cannot be honoured.
pub fn discover(device: &Device) -> Result<Discovery, Failure> {
    let found = Discovery::find(&paths::data_folder().unwrap_or_default());
    device.choice.check(&found)?;
    Ok(found)
}

/// Starts an engine.
pub fn start(device: &Device, resources: &Resources) -> Result<Engine, Failure> {
    Ok(Engine::start(Options {
        memory_limit: resources.memory,
        threads: resources.threads.map(std::num::NonZero::get),
        device: device.choice.clone(),
        settings: resources.settings.clone(),
        data_folder: paths::data_folder().unwrap_or_default(),
        emulated: None,
    })?)
}

/// How many threads generate where nobody says.
pub fn threads(asked: Option<std::num::NonZeroUsize>) -> usize {
    asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, std::num::NonZero::get)
}

/// Generates TPC-H into a folder, or finds it there; one line says which.
pub fn generate(scale: Scale, folder: &Path, threads: usize) -> Result<String, Failure> {
    let began = Instant::now();
    let meter = Meter::new(format!("tpch scale {scale}"));
    let made = tpch::generate(scale, folder, threads, &|progress| meter.show(progress));
    meter.finish();
    let made = made?;
    let place = folder.display();
    if made.found {
        return Ok(format!("tpch scale {scale}: found in {place}"));
    }
    let (rows, megabytes) = (grouped(made.manifest.rows()), made.manifest.bytes().div_ceil(1_000_000));
    let time = seconds(began.elapsed());
    Ok(format!("tpch scale {scale}: {rows} rows, {} MB, generated in {time} into {place}", grouped(megabytes)))
}

/// TPC-H at a scale, in its place below the user's data folder; with the line that says so.
pub fn tpch(scale: Scale, threads: usize) -> Result<(PathBuf, String), Failure> {
    let folder = paths::tpch_folder(scale)?;
    let line = generate(scale, &folder, threads)?;
    Ok((folder, line))
}

/// Makes tables of a folder's files; one line says which.
pub fn load(engine: &Engine, folder: &Path) -> Result<String, Failure> {
    let tables = engine.load_folder(folder)?;
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let count = if names.len() == 1 { "1 table".to_owned() } else { format!("{} tables", names.len()) };
    Ok(format!("data: {count} from {}: {}", folder.display(), names.join(", ")))
}
