//! Devices and how they are found.
//!
//! [`Discovery::find`] asks for names and sizes only, which takes milliseconds; what takes memory and
//! time, such as measuring a device, is done when it is asked for.
//!
//! # Adding a device
//!
//! Implement [`Device`] in a file beside `cpu.rs`, add a variant to [`Kind`] and to
//! [`DeviceChoice`](crate::DeviceChoice), and list it in [`Discovery::devices`].

pub(crate) mod cpu;
mod cuda;
mod emulated;
mod run;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use cpu::Cpu;
pub use cuda::{CudaDevice, Nvrtc, nvidia};
pub use emulated::{Asked, Emulated, Faults, Watched};
pub use run::{Cancel, Counters, Execution, First, Kernel, Run};

use crate::error::{Error, Result};
use crate::program::Pipeline;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// The CUDA code on the processor, for tests.
    Emulated,
}

/// A device's memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What could be had now.
    pub free: u64,
}

/// Which way bytes went while a device's memory was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// They were read.
    Read,
    /// They were copied: each counts twice, once read and once written.
    Copy,
}

/// How fast a device's memory is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bandwidth {
    /// Bytes moved in a second, in the best of several repetitions.
    pub bytes_per_second: f64,
    /// Which way.
    pub traffic: Traffic,
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.bytes_per_second / 1e9;
        match self.traffic {
            Traffic::Read => write!(f, "{rate:.1} GB/s read"),
            Traffic::Copy => write!(f, "{rate:.1} GB/s copy, each byte read and written"),
        }
    }
}

/// Something that can compute.
pub trait Device: fmt::Debug + Send + Sync {
    /// How `--device` names it: `cpu`, `cuda:0`.
    fn name(&self) -> String;

    /// What it is.
    fn kind(&self) -> Kind;

    /// What its maker calls it.
    fn model(&self) -> &str;

    /// Its memory.
    fn memory(&self) -> Result<Memory>;

    /// What else there is to say, as names and values for a person.
    fn describe(&self) -> Vec<(&'static str, String)>;

    /// Measures how fast its memory is: a second or less, and up to a few GiB of memory for that time.
    fn measure_bandwidth(&self) -> Result<Bandwidth>;

    /// Takes at most so many bytes of its memory from now on, for columns, state and output; 0 is as many as it has. What runs
    /// already keeps what it has. Columns that do not fit pass through while a run reads them
    /// ([`Counters::streamed`]). The CPU's memory is not the device's own, so there it changes nothing.
    fn set_memory_budget(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Compiles a verified pipeline, every time anew: `cache::kernels` keeps what was compiled.
    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        let _ = pipeline;
        Err(Error::Absent(format!("{} runs no programs", self.name())))
    }

    /// Does what the first compilation of the process would wait for. That it fails is seen when something is compiled.
    fn warm_up(&self) {}

    /// Why no operator runs on it, where none does.
    fn unused_because(&self) -> Option<&'static str> {
        None
    }
}

/// What the machine has.
#[derive(Debug)]
pub struct Discovery {
    /// The processor.
    pub cpu: Cpu,
    /// The NVIDIA GPUs, or why there are none.
    pub cuda: Result<Vec<CudaDevice>, String>,
    /// The CUDA compiler, where it is and how to get it.
    pub nvrtc: Nvrtc,
}

impl Discovery {
    /// Looks for devices. `data_folder` is where a compiler that was installed for Warpwise alone would be.
    pub fn find(data_folder: &Path) -> Self {
        let nvrtc = Nvrtc::find(data_folder);
        Self { cpu: Cpu::find(), cuda: cuda::find(&nvrtc, data_folder), nvrtc }
    }

    /// Every device found.
    pub fn devices(&self) -> Vec<&dyn Device> {
        let gpus = self.cuda.iter().flatten().map(|device| device as &dyn Device);
        std::iter::once(&self.cpu as &dyn Device).chain(gpus).collect()
    }

    /// All of it in one line: `cpu: 2 cores, AVX-512 · gpu: none`.
    pub fn line(&self) -> String {
        let gpu = match self.cuda.as_deref() {
            Err(_) | Ok([]) => "none".to_owned(),
            Ok(devices) => {
                let each = devices.iter().map(|device| match device.memory_total() {
                    Some(total) => format!("{}, {}{}", device.model(), gibibytes(total), unused(device)),
                    None => format!("{}{}", device.model(), unused(device)),
                });
                each.collect::<Vec<_>>().join("; ")
            }
        };
        format!("cpu: {} · gpu: {gpu}", self.cpu.summary())
    }
}

fn unused(device: &CudaDevice) -> String {
    device.unused_because().map(|why| format!(" (found, not used: {why})")).unwrap_or_default()
}

/// Bytes as a person reads them: `15.6 GiB`, `512 MiB`.
pub fn gibibytes(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    if gib < 1.0 {
        format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
    } else if gib < 100.0 {
        format!("{gib:.1} GiB")
    } else {
        format!("{gib:.0} GiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_never_fails() {
        let found = Discovery::find(Path::new("/nonexistent"));
        assert!(found.line().starts_with("cpu: "), "{}", found.line());
        assert!(found.line().contains(" · gpu: "), "{}", found.line());
        assert_eq!(found.devices()[0].kind(), Kind::Cpu);
        assert!(found.cpu.unused_because().is_none());
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(gibibytes(512 << 20), "512 MiB");
        assert_eq!(gibibytes(1 << 30), "1.0 GiB");
        assert_eq!(gibibytes(141 << 30), "141 GiB");
    }
}
