//! Why something stays with DataFusion: the node or expression, and what is missing for it.

use std::fmt;

/// What a device does not do here. It is no error: DataFusion does it, and EXPLAIN says why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// The expression or node, as it is written in the plan.
    pub what: String,
    /// What is missing; it names the type or function at fault.
    pub missing: String,
    /// Whether it may fall away once the columns are loaded and it shows what lies in them.
    pub by_data: bool,
}

impl Refusal {
    /// Quotes `what`.
    pub fn new(what: impl fmt::Display, missing: impl Into<String>) -> Self {
        Self { what: what.to_string(), missing: missing.into(), by_data: false }
    }

    /// The same where what lies in the columns decides.
    pub fn of_data(self) -> Self {
        Self { by_data: true, ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.missing)
    }
}
