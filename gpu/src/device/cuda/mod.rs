//! NVIDIA GPUs, through a driver that is opened at run time: one binary starts everywhere.
//!
//! Everything that touches the driver goes through the gate in `driver.rs`. Reading order: `interface` (what the
//! host code asks of a driver), `nvidia` (NVIDIA's answers), and under it `context`, `device_memory`, `staging`,
//! `stream`; `nvrtc` compiles, `cubin` reads what it made, `disk_cache` keeps it.

mod context;
mod cubin;
mod device_memory;
mod disk_cache;
mod driver;
pub mod execution;
mod groups;
pub mod interface;
mod marks;
pub mod nvidia;
mod nvrtc;
mod output;
mod queue;
pub mod region;
mod rows;
mod staging;
mod stream;

pub use nvrtc::Nvrtc;

use super::{Bandwidth, Device, Kind, Memory, Traffic};
use crate::error::{Error, Result};

/// The largest buffer that a measurement copies.
const BUFFER: usize = 1 << 30;
/// The best of so many copies.
const REPETITIONS: usize = 5;

/// One GPU, as the driver describes it.
#[derive(Debug, Clone)]
pub struct CudaDevice {
    ordinal: usize,
    model: String,
    total: Option<u64>,
    capability: Option<(i32, i32)>,
    processors: Option<i32>,
    driver: String,
}

/// Asks the driver for its devices; where there are none, why.
pub(super) fn find() -> Result<Vec<CudaDevice>, String> {
    driver::devices().map_err(|error| error.to_string())
}

impl CudaDevice {
    /// The driver's number of it, from 0.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// What the driver says of its memory, without waking the device.
    pub fn memory_total(&self) -> Option<u64> {
        self.total
    }
}

impl Device for CudaDevice {
    fn name(&self) -> String {
        format!("cuda:{}", self.ordinal)
    }

    fn kind(&self) -> Kind {
        Kind::Cuda
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn memory(&self) -> Result<Memory> {
        driver::memory(self.ordinal)
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if let Some((major, minor)) = self.capability {
            lines.push(("compute capability", format!("{major}.{minor}")));
        }
        if let Some(processors) = self.processors {
            lines.push(("multiprocessors", processors.to_string()));
        }
        lines.push(("driver", self.driver.clone()));
        lines
    }

    fn measure_bandwidth(&self) -> Result<Bandwidth> {
        let free = usize::try_from(self.memory()?.free).unwrap_or(usize::MAX);
        let bytes = BUFFER.min(free / 4);
        if bytes < 1 << 20 {
            return Err(Error::OutOfMemory(format!("{} has too little free memory to measure", self.name())));
        }
        let seconds = driver::time_copy(self.ordinal, bytes, REPETITIONS)?;
        Ok(Bandwidth { bytes_per_second: 2.0 * bytes as f64 / seconds.max(1e-9), traffic: Traffic::Copy })
    }
}
