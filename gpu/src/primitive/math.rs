//! Functions of floats, with the errors that they raise. The C library computes them.

use crate::program::{Fault, Math, MathPair};

// Of the standard library's own only these lose digits near the end of their domains.
unsafe extern "C" {
    /// The inverse hyperbolic sine.
    pub safe fn asinh(a: f64) -> f64;
    /// The inverse hyperbolic cosine.
    pub safe fn acosh(a: f64) -> f64;
    /// The inverse hyperbolic tangent.
    pub safe fn atanh(a: f64) -> f64;
}

/// A function's value, or its error.
#[inline]
pub fn value(op: Math, a: f64) -> Result<f64, Fault> {
    let inside = |holds: bool, value: f64| if holds { Ok(value) } else { Err(Fault::InputRange) };
    match op {
        Math::Sqrt if a < 0.0 => Err(Fault::SquareRootNegative),
        Math::Sqrt => Ok(a.sqrt()),
        Math::Cbrt => Ok(a.cbrt()),
        Math::Exp => match a.exp() {
            f64::INFINITY if a != f64::INFINITY => Err(Fault::FloatOverflow),
            0.0 if a != f64::NEG_INFINITY => Err(Fault::FloatUnderflow),
            value => Ok(value),
        },
        Math::Ln | Math::Log10 if a == 0.0 => Err(Fault::LogarithmZero),
        Math::Ln | Math::Log10 if a < 0.0 => Err(Fault::LogarithmNegative),
        Math::Ln => Ok(a.ln()),
        Math::Log10 => Ok(a.log10()),
        Math::Sin => inside(!a.is_infinite(), a.sin()),
        Math::Cos => inside(!a.is_infinite(), a.cos()),
        Math::Tan => inside(!a.is_infinite(), a.tan()),
        Math::Cot => inside(!a.is_infinite(), 1.0 / a.tan()),
        Math::Asin => inside(a.is_nan() || a.abs() <= 1.0, a.asin()),
        Math::Acos => inside(a.is_nan() || a.abs() <= 1.0, a.acos()),
        Math::Atan => Ok(a.atan()),
        Math::Sinh => Ok(a.sinh()),
        Math::Cosh => Ok(a.cosh()),
        Math::Tanh => Ok(a.tanh()),
        Math::Asinh => Ok(asinh(a)),
        Math::Acosh => inside(a.is_nan() || a >= 1.0, acosh(a)),
        Math::Atanh => inside(a.is_nan() || a.abs() <= 1.0, atanh(a)),
        Math::Abs => Ok(a.abs()),
        Math::Sign => Ok(if a > 0.0 {
            1.0
        } else if a < 0.0 {
            -1.0
        } else {
            0.0
        }),
        Math::Floor => Ok(a.floor()),
        Math::Ceil => Ok(a.ceil()),
        Math::Round => Ok(a.round_ties_even()),
        Math::Trunc => Ok(a.trunc()),
    }
}

/// The same of two.
#[inline]
pub fn pair(op: MathPair, a: f64, b: f64) -> Result<f64, Fault> {
    match op {
        MathPair::Atan2 => Ok(a.atan2(b)),
        MathPair::Power if a == 0.0 && b < 0.0 => Err(Fault::PowerZeroNegative),
        MathPair::Power if a < 0.0 && b.floor() != b && !b.is_nan() => Err(Fault::PowerComplex),
        MathPair::Power => {
            let value = a.powf(b);
            if !a.is_finite() || !b.is_finite() {
                Ok(value)
            } else if value.is_infinite() {
                Err(Fault::FloatOverflow)
            } else if value == 0.0 && a != 0.0 {
                Err(Fault::FloatUnderflow)
            } else {
                Ok(value)
            }
        }
    }
}

/// Writes a value, and gives the number of the error that there is instead.
fn store(out: *mut f64, found: Result<f64, Fault>) -> u32 {
    // SAFETY: compiled code passes the address of a slot in its frame, which need not be aligned.
    unsafe { out.write_unaligned(found.unwrap_or(0.0)) };
    found.err().map_or(0, |fault| fault as u32)
}

macro_rules! functions {
    (plain: $($name:ident $op:ident),*; checked: $($checked:ident $checked_op:ident),*) => {
        $(extern "C" fn $name(a: f64) -> f64 {
            value(Math::$op, a).unwrap_or(0.0)
        })*
        $(extern "C" fn $checked(a: f64, out: *mut f64) -> u32 {
            store(out, value(Math::$checked_op, a))
        })*

        /// Where a function is.
        pub(super) fn address(op: Math) -> *const u8 {
            match op {
                $(Math::$op => $name as *const u8,)*
                $(Math::$checked_op => $checked as *const u8,)*
            }
        }
    };
}

functions!(
    plain: cbrt Cbrt, atan Atan, sinh Sinh, cosh Cosh, tanh Tanh, inverse_sinh Asinh, abs Abs, sign Sign, floor Floor, ceil Ceil,
        round Round, trunc Trunc;
    checked: sqrt Sqrt, exp Exp, ln Ln, log10 Log10, sin Sin, cos Cos, tan Tan, cot Cot, asin Asin, acos Acos,
        inverse_cosh Acosh, inverse_tanh Atanh
);

extern "C" fn atan2(a: f64, b: f64) -> f64 {
    a.atan2(b)
}

extern "C" fn power(a: f64, b: f64, out: *mut f64) -> u32 {
    store(out, pair(MathPair::Power, a, b))
}

/// Where a function of two is.
pub(super) fn pair_address(op: MathPair) -> *const u8 {
    match op {
        MathPair::Power => power as *const u8,
        MathPair::Atan2 => atan2 as *const u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_end_where_postgresqls_do() {
        assert_eq!(value(Math::Ln, 0.0), Err(Fault::LogarithmZero));
        assert_eq!(value(Math::Log10, -1.0), Err(Fault::LogarithmNegative));
        assert_eq!(value(Math::Sqrt, -1e-300), Err(Fault::SquareRootNegative));
        assert_eq!(value(Math::Exp, 1000.0), Err(Fault::FloatOverflow));
        assert_eq!(value(Math::Exp, -1000.0), Err(Fault::FloatUnderflow));
        assert_eq!(value(Math::Exp, f64::NEG_INFINITY), Ok(0.0));
        assert_eq!(value(Math::Asin, 1.5), Err(Fault::InputRange));
        assert_eq!(value(Math::Sin, f64::INFINITY), Err(Fault::InputRange));
        assert_eq!(value(Math::Atanh, 1.0), Ok(f64::INFINITY));
        assert_eq!(value(Math::Sign, f64::NAN), Ok(0.0));
        assert!(Math::ALL.iter().all(|op| *op == Math::Sign || value(*op, f64::NAN).is_ok_and(f64::is_nan)));
    }

    #[test]
    fn powers_are_postgresqls() {
        let power = |a, b| pair(MathPair::Power, a, b);
        assert_eq!(power(f64::NAN, 0.0), Ok(1.0));
        assert_eq!(power(1.0, f64::NAN), Ok(1.0));
        assert_eq!(power(0.0, -1.0), Err(Fault::PowerZeroNegative));
        assert_eq!(power(0.0, f64::NEG_INFINITY), Err(Fault::PowerZeroNegative));
        assert_eq!(power(-2.0, 0.5), Err(Fault::PowerComplex));
        assert_eq!(power(-2.0, 3.0), Ok(-8.0));
        assert_eq!(power(f64::NEG_INFINITY, 3.0), Ok(f64::NEG_INFINITY));
        assert_eq!(power(1e300, 2.0), Err(Fault::FloatOverflow));
        assert_eq!(power(1e-300, 2.0), Err(Fault::FloatUnderflow));
        assert_eq!(power(-1.0, f64::INFINITY), Ok(1.0));
    }
}
