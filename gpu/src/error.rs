//! What can go wrong with a device, in sentences.

use std::fmt;

use crate::program::Fault;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a device did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no such device here, or nothing runs on it; the sentence says which.
    Absent(String),
    /// What was asked for is not the name of a device.
    Unknown(String),
    /// The device or its driver failed.
    Failed(String),
    /// There is not enough memory for it.
    OutOfMemory(String),
    /// A row raised this: the user's error, the same on every device.
    Fault(Fault),
    /// The run was asked to stop.
    Cancelled,
    /// The device cannot run this program; the sentence names what is missing.
    Unsupported(String),
    /// A program or its values are not well formed, or generated code does not compile: our error.
    Invalid(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(text)
            | Self::Unknown(text)
            | Self::Failed(text)
            | Self::OutOfMemory(text)
            | Self::Unsupported(text)
            | Self::Invalid(text) => f.write_str(text),
            Self::Fault(fault) => f.write_str(fault.message()),
            Self::Cancelled => f.write_str("the run was cancelled"),
        }
    }
}

impl std::error::Error for Error {}
