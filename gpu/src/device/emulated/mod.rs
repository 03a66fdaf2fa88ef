//! The CUDA C++ itself, built by the host's C++ compiler and run: what tests use where no GPU is.
//!
//! Everything above [`Driver`](super::cuda::interface::Driver) is the code that a GPU runs too. `shim.hpp` gives the text
//! CUDA's words, `build.rs` compiles it. There are two devices: [`Emulated`] runs a block's threads as fibres
//! (`fibres.hpp`), quickly and in the same order every time, and fails where a test asks it to (`driver.rs`); [`Watched`] runs
//! them as threads (`threads.hpp`) in a process that ThreadSanitizer watches (`watched.rs`, `watch.cpp`).

mod build;
mod driver;
mod watched;

use std::sync::Arc;

use driver::Host;
pub use driver::{Asked, Faults};
pub use watched::Watched;

use super::cuda::execution::compile;
use super::cuda::interface::Driver;
use super::cuda::region::Columns;
use super::{Bandwidth, Cpu, Device, Kernel, Kind, Memory};
use crate::error::{Error, Result};
use crate::program::Pipeline;

/// Bytes of columns that stay "on the device" between runs.
const COLUMNS: usize = 1 << 30;

/// The emulated device.
#[derive(Debug)]
pub struct Emulated {
    host: Arc<Host>,
    columns: Arc<Columns>,
}

impl Default for Emulated {
    fn default() -> Self {
        Self::new(Faults::default(), COLUMNS)
    }
}

impl Emulated {
    /// A device that fails where `faults` say, and keeps at most `columns` bytes of columns.
    pub fn new(faults: Faults, columns: usize) -> Self {
        Self { host: Arc::new(Host::new(faults)), columns: Arc::new(Columns::new(columns)) }
    }

    /// From now on fails as told, counted anew.
    pub fn fail(&self, faults: Faults) {
        self.host.fail(faults);
    }

    /// What was asked of the driver since it was told how to fail.
    pub fn asked(&self) -> Asked {
        self.host.asked()
    }

    /// The most bytes of memory that were taken at a time.
    pub fn peak(&self) -> usize {
        self.host.peak()
    }

    /// Allocations that were not given back. Kept columns are given back first.
    pub fn outstanding(&self) -> usize {
        self.columns.release(usize::MAX);
        self.host.outstanding()
    }
}

impl Device for Emulated {
    fn name(&self) -> String {
        "emulated".to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Emulated
    }

    fn model(&self) -> &str {
        "CUDA C++ built by the host's compiler"
    }

    fn memory(&self) -> Result<Memory> {
        Cpu::find().memory()
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        vec![("compiler", build::compiler())]
    }

    fn measure_bandwidth(&self) -> Result<Bandwidth> {
        Err(Error::Absent("the emulated device has no memory of its own".to_owned()))
    }

    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        let driver: Arc<dyn Driver> = Arc::clone(&self.host) as Arc<dyn Driver>;
        compile(&driver, &self.columns, pipeline)
    }

    fn set_memory_budget(&self, bytes: u64) {
        self.columns.set_limit(bytes);
    }

    fn unused_because(&self) -> Option<&'static str> {
        Some("it is for tests")
    }
}
