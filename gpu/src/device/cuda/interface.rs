//! What the CUDA host code asks of a driver. Two answer: NVIDIA's (`nvidia.rs`), and the emulation
//! (`device/emulated`), which builds the same CUDA C++ with the host's compiler. So everything above this
//! interface — state, launches, room, output — runs in tests where no GPU is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;

use crate::error::Result;

/// A device and its compiler.
pub trait Driver: fmt::Debug + Send + Sync {
    /// Compiles CUDA C++ that includes nothing but what the text itself holds. Caches by source.
    fn compile(&self, source: &str) -> Result<Arc<dyn Module>>;

    /// Reserves device memory, aligned to 256 bytes. `OutOfMemory` where there is none.
    fn allocate(&self, bytes: usize) -> Result<u64>;

    /// Gives memory back, once all streams have passed the work that used it.
    fn free(&self, address: u64);

    /// A new queue of work; what is put in runs in order.
    fn stream(&self) -> Result<Box<dyn Stream>>;

    /// Multiprocessors of the device: what a grid is sized by.
    fn processors(&self) -> u32;
}

/// Compiled kernels.
pub trait Module: fmt::Debug + Send + Sync {
    /// How long compiling took; zero where it came from a cache.
    fn compile_time(&self) -> Duration;

    /// For the driver that made it.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// A queue of work on a device. Nothing here waits unless it says so.
pub trait Stream: Send {
    /// Copies to the device. The buffer is kept until the copy has happened.
    fn copy_in(&mut self, to: u64, from: &Buffer) -> Result<()>;

    /// Copies back, and waits for it: one synchronization.
    fn copy_out(&mut self, from: u64, bytes: usize) -> Result<Vec<u8>>;

    /// Sets bytes.
    fn fill(&mut self, at: u64, byte: u8, bytes: usize) -> Result<()>;

    /// Runs `kernel` of `module` over a grid. Each argument is a 64-bit word: a device address or a number.
    fn launch(&mut self, module: &Arc<dyn Module>, kernel: &str, blocks: u32, threads: u32, arguments: &[u64]) -> Result<()>;

    /// Waits for all of it.
    fn synchronize(&mut self) -> Result<()>;

    /// Time that kernels took on the device since the stream began, as far as `synchronize` has waited for them.
    fn kernel_time(&self) -> Duration;
}
