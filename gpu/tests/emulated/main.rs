//! The CUDA C++ of hand-made programs, built by the host's compiler and run, against plain Rust.

mod faults;
mod goldens;
mod programs;
mod run;
mod streaming;
