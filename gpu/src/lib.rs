//! Devices: what this machine can compute on.
//!
//! A [`Device`] says what it is, how much memory it has and how fast that memory is; [`Discovery`] finds
//! all of them, and never fails or panics where a driver is absent, old or broken. A [`DeviceChoice`] is
//! what a person asks for (`--device cuda:0,1`).
//!
//! Reading order: `choice`, `device`, `device/cpu`, `device/cuda`.
//!
//! What is deliberately absent: this crate has never heard of SQL. In this release it runs no program
//! either: every operator runs in DataFusion on the CPU, and [`Device::unused_because`] says so.

pub mod cache;
mod choice;
pub mod codegen;
pub mod column;
mod device;
mod error;
pub mod interpret;
pub mod memory;
pub mod primitive;
pub mod program;
#[doc(hidden)]
pub mod testing;
pub mod types;

pub use choice::DeviceChoice;
pub use device::{
    Asked, Bandwidth, Cancel, Counters, Cpu, CudaDevice, Device, Discovery, Emulated, Execution, Faults, Kernel, Kind, Memory,
    Nvrtc, Run, Traffic, Watched, gibibytes, nvidia,
};
pub use error::{Error, Result};
pub use interpret::Interpreter;
