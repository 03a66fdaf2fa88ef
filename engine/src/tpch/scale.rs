//! The scale factor: how large the tables are.

use std::fmt;
use std::str::FromStr;

use crate::error::{Condition, Error, Result};

/// A scale factor. At scale 1 lineitem has six million rows.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Scale(f64);

/// Below this, suppliers are too few for the specification's formulas.
const SMALLEST: f64 = 0.001;
/// The largest of the specification's own scale factors.
const LARGEST: f64 = 100_000.0;

impl Scale {
    /// The scale for which there are official answers.
    pub const ONE: Scale = Scale(1.0);

    /// A scale factor between 0.001 and 100000 (`22023` otherwise).
    pub fn new(factor: f64) -> Result<Self> {
        if (SMALLEST..=LARGEST).contains(&factor) {
            return Ok(Self(factor));
        }
        Err(Error::new(Condition::InvalidParameterValue, format!("TPC-H has no scale {factor}"))
            .hint("A scale is a number from 0.001 to 100000; 1 makes about 330 MB of Parquet."))
    }

    /// The number itself.
    pub fn factor(self) -> f64 {
        self.0
    }

    /// How many rows a table of `base` rows at scale 1 has.
    pub fn rows(self, base: u64) -> u64 {
        (base as f64 * self.0) as u64
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let factor = text.trim().parse::<f64>();
        let factor = factor.map_err(|_| {
            Error::new(Condition::InvalidParameterValue, format!("\"{text}\" is not a scale"))
                .hint("A scale is a number from 0.001 to 100000; 1 makes about 330 MB of Parquet.")
        })?;
        Self::new(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_numbers_in_a_range() {
        for (text, shown) in [("1", "1"), ("0.01", "0.01"), (" 10 ", "10"), ("1e3", "1000"), ("1.0", "1")] {
            assert_eq!(text.parse::<Scale>().unwrap().to_string(), shown);
        }
        for text in ["", "0", "-1", "NaN", "inf", "1e9", "one"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
        assert_eq!("0.01".parse::<Scale>().unwrap().rows(150_000), 1500);
    }
}
