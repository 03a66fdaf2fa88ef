//! NVIDIA's driver.

pub use super::cubin::{KernelUse, Limits};
pub use super::disk_cache::DiskCache;
pub use super::nvrtc::{Compiled, Compiler, Target};
