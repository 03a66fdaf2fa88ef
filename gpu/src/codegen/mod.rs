//! Code generators: a row program in, code of a target out. One folder per target, the same file names in each.
//!
//! [`analysis`] says what both may know of a program before they write a line of it.

pub mod analysis;
pub mod cranelift;
pub mod cuda;
