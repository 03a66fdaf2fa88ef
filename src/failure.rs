//! What went wrong, and how it is said.

use std::io;

use crate::output;

/// Why a command does not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A sentence, and what to do.
    Said {
        /// What went wrong.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The reasons were printed already, or nobody reads any more.
    Silent,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(what: impl Into<String>) -> Self {
        Self::Said { what: what.into(), hint: None }
    }

    /// Adds what to do.
    pub fn hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Said { what, .. } => Self::Said { what, hint: Some(text.into()) },
            Self::Silent => Self::Silent,
        }
    }

    /// A failure to read or write `what`.
    pub fn of_file(what: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(format!("could not {what} \"{}\": {error}", path.display()))
    }

    /// Prints it to standard error.
    pub fn report(&self) {
        if let Self::Said { what, hint } = self {
            output::note(&format!("warpwise: {what}"));
            if let Some(hint) = hint {
                output::note(&format!("hint: {hint}"));
            }
        }
    }
}

impl From<warpwise_engine::Error> for Failure {
    fn from(error: warpwise_engine::Error) -> Self {
        let what = match error.detail {
            Some(detail) => format!("{} ({detail})", error.message),
            None => error.message,
        };
        Self::Said { what, hint: error.hint }
    }
}

impl From<warpwise_gpu::Error> for Failure {
    fn from(error: warpwise_gpu::Error) -> Self {
        Self::new(error.to_string()).hint("warpwise devices shows what this machine has; --device off always works")
    }
}

/// A failure to write to standard output. Where its reader has gone, there is nobody to tell.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Silent
        } else {
            Self::new(format!("could not write the output: {error}"))
        }
    }
}
