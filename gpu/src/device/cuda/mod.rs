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
mod texts;

pub use nvrtc::Nvrtc;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use interface::Driver;
use region::{COLUMNS, Columns};

use super::run::Kernel;
use super::{Bandwidth, Device, Kind, Memory, Traffic};
use crate::error::{Error, Result};
use crate::program::Pipeline;

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
    /// How its code is compiled and where that is kept.
    compiler: Compiler,
    /// The most memory that may be taken, 0 for all there is. Clones share it.
    budget: Arc<AtomicU64>,
    /// The driver's context, from the first program on. Clones share it.
    opened: Arc<OnceLock<Result<Opened>>>,
}

/// What a device needs to run programs.
#[derive(Debug, Clone)]
struct Opened {
    driver: Arc<dyn Driver>,
    columns: Arc<Columns>,
}

/// The CUDA compiler, and the folder in which compiled code is kept from run to run.
#[derive(Debug, Clone, Default)]
pub(super) struct Compiler {
    nvrtc: Option<Nvrtc>,
    folder: Option<PathBuf>,
}

/// Asks the driver for its devices; where there are none, why. Their code is compiled by `nvrtc` and kept below
/// `data_folder`.
pub(super) fn find(nvrtc: &Nvrtc, data_folder: &Path) -> Result<Vec<CudaDevice>, String> {
    let mut devices = driver::devices().map_err(|error| error.to_string())?;
    let folder = (!data_folder.as_os_str().is_empty()).then(|| data_folder.join("kernels"));
    for device in &mut devices {
        device.compiler = Compiler { nvrtc: Some(nvrtc.clone()), folder: folder.clone() };
    }
    Ok(devices)
}

impl CudaDevice {
    /// The driver's number of it, from 0.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// The driver's context, made when the first program is compiled.
    fn opened(&self) -> Result<&Opened> {
        let open = || {
            let nvrtc = self.compiler.nvrtc.clone().ok_or_else(|| Error::Absent("there is no CUDA compiler".to_owned()))?;
            let driver = nvidia::open(self.ordinal, &nvrtc, self.compiler.folder.as_deref())?;
            let bytes = self.total.map_or(1 << 30, |total| (total as f64 * COLUMNS) as usize);
            let columns = Columns::new(bytes);
            columns.set_limit(self.budget.load(Ordering::Relaxed));
            Ok(Opened { driver, columns: Arc::new(columns) })
        };
        self.opened.get_or_init(open).as_ref().map_err(Clone::clone)
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

    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        let opened = self.opened()?;
        execution::compile(&opened.driver, &opened.columns, pipeline)
    }

    fn set_memory_budget(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::Relaxed);
        if let Some(Ok(opened)) = self.opened.get() {
            opened.columns.set_limit(bytes);
        }
    }

    fn unused_because(&self) -> Option<&'static str> {
        let compiles = self.compiler.nvrtc.as_ref().is_some_and(|nvrtc| nvrtc.location.is_some());
        (!compiles).then_some("its compiler, NVRTC, is not installed")
    }
}
