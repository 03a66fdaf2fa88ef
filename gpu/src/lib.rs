//! Row programs and columns in, columns out.
//!
//! A [`program::Pipeline`] says what happens to one row; [`Device::compile`] makes a [`Kernel`] of it, which
//! [`Kernel::start`] runs over [`column::Chunk`]s. [`Discovery`] finds the machine's devices, and never fails or panics where
//! a driver is absent, old or broken. A [`DeviceChoice`] is what a person asks for (`--device cuda:0,1`).
//!
//! Reading order: `program`, `interpret` (what a program means), `column`, `device/run`, `codegen`, `device/cpu`,
//! `device/cuda`, `cache`. Of what hosts do: `join`, `sort`.
//!
//! What is deliberately absent: this crate has never heard of SQL, DataFusion or PostgreSQL.

pub mod cache;
mod choice;
pub mod codegen;
pub mod column;
mod device;
mod error;
pub mod interpret;
pub mod join;
pub mod memory;
pub mod parallel;
pub mod primitive;
pub mod program;
pub mod sort;
#[doc(hidden)]
pub mod testing;
pub mod types;

pub use choice::DeviceChoice;
pub use device::{
    Asked, Bandwidth, Cancel, Counters, Cpu, CudaDevice, Device, Discovery, Emulated, Execution, Faults, First, Kernel, Kind,
    Memory, Nvrtc, Run, Traffic, Watched, gibibytes, nvidia,
};
pub use error::{Error, Result};
pub use interpret::Interpreter;
