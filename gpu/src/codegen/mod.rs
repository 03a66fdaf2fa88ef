//! Code generators: one folder per target, the same file names in each.

pub mod cuda;
