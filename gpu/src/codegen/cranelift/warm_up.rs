//! What the first compilation of a process would wait for, done ahead of it.
//!
//! The first pipeline that a process compiles takes twice the time of the second: Cranelift's tables for the processor are
//! built, and its code comes into memory page by page. Two small pipelines go that way first, on a thread of their own.

use std::sync::OnceLock;

use super::Code;
use crate::error::{Error, Result};
use crate::program::text::parse;
use crate::program::verify::verify;

/// A filter and few groups, with the arithmetic of decimals and of floats.
const FEW_GROUPS: &str = "\
pipeline
  column 0 i32 nullable
  column 1 i64 nullable
  column 2 u16
  column 3 f64
  parameter 0 i32
  parameter 1 i32
  parameter 2 i64
  %0 = column 0
  %1 = column 1
  %2 = column 2
  %3 = column 3
  %4 = in_range %0 0 1
  %5 = parameter 2
  %6 = add %1 %5
  %7 = less %6 %5
  %8 = and %4 %7
  %9 = constant i64 100
  %10 = subtract %9 %6
  %11 = cast i128 %10
  %12 = cast i128 %1
  %13 = multiply %11 %12 ! numeric_range
  %14 = multiply %3 %3
  body
    if %4
      stage
      if %8
        emit
  group dense
    key %2 domain 0 4
    sum i128 %13 ! numeric_range
    sum f64 %14
    sum i128 %10
    min %0
    count %1
    count
";

/// A hash table.
const MANY_GROUPS: &str = "\
pipeline
  column 0 i64 nullable
  column 1 i64
  %0 = column 0
  %1 = column 1
  body
    emit
  group hash
    key %0
    sum i128 %1
    max %1
    count
";

/// Compiles both, once a process; who comes later waits until that is done.
///
/// # Errors
/// Where no code can be generated for this processor.
pub fn warm_up() -> Result<()> {
    static DONE: OnceLock<Result<()>> = OnceLock::new();
    let compile = || {
        [FEW_GROUPS, MANY_GROUPS].iter().try_for_each(|text| {
            let pipeline = parse(text).map_err(|error| Error::Invalid(error.to_string()))?;
            verify(&pipeline)?;
            Code::compile(&pipeline).map(drop)
        })
    };
    DONE.get_or_init(compile).clone()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pipelines_compile() {
        assert_eq!(super::warm_up(), Ok(()));
    }
}
