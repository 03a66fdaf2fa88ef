//! Functions of floats, statement by statement as PostgreSQL's float.c has them.

use super::expr::Stop;
use crate::primitive::math::{acosh, asinh, atanh};
use crate::program::{Fault, Math, MathPair, Scalar};

/// A float of 64 bits, which the verifier has seen to.
pub(super) fn float(value: Scalar) -> Result<f64, Stop> {
    match value {
        Scalar::F64(value) => Ok(value),
        Scalar::Bool(_) | Scalar::Int(_) | Scalar::F32(_) | Scalar::Text(_) => {
            Err(Stop::Promise("a function of floats of something else"))
        }
    }
}

fn unless(bad: bool, fault: Fault) -> Result<(), Stop> {
    if bad { Err(Stop::Fault(fault)) } else { Ok(()) }
}

/// A function of one float.
pub(super) fn function(op: Math, a: f64) -> Result<f64, Stop> {
    match op {
        Math::Sqrt => unless(a < 0.0, Fault::SquareRootNegative)?,
        Math::Ln | Math::Log10 => {
            unless(a == 0.0, Fault::LogarithmZero)?;
            unless(a < 0.0, Fault::LogarithmNegative)?;
        }
        Math::Sin | Math::Cos | Math::Tan | Math::Cot => unless(a.is_infinite(), Fault::InputRange)?,
        Math::Asin | Math::Acos | Math::Atanh => unless(!(-1.0..=1.0).contains(&a) && !a.is_nan(), Fault::InputRange)?,
        Math::Acosh => unless(a < 1.0, Fault::InputRange)?,
        Math::Cbrt
        | Math::Exp
        | Math::Atan
        | Math::Sinh
        | Math::Cosh
        | Math::Tanh
        | Math::Asinh
        | Math::Abs
        | Math::Sign
        | Math::Floor
        | Math::Ceil
        | Math::Round
        | Math::Trunc => {}
    }
    let value = match op {
        Math::Sqrt => a.sqrt(),
        Math::Cbrt => a.cbrt(),
        Math::Exp => a.exp(),
        Math::Ln => a.ln(),
        Math::Log10 => a.log10(),
        Math::Sin => a.sin(),
        Math::Cos => a.cos(),
        Math::Tan => a.tan(),
        Math::Cot => 1.0 / a.tan(),
        Math::Asin => a.asin(),
        Math::Acos => a.acos(),
        Math::Atan => a.atan(),
        Math::Sinh => a.sinh(),
        Math::Cosh => a.cosh(),
        Math::Tanh => a.tanh(),
        Math::Asinh => asinh(a),
        Math::Acosh => acosh(a),
        Math::Atanh => atanh(a),
        Math::Abs => a.abs(),
        Math::Sign => f64::from(i8::from(a > 0.0) - i8::from(a < 0.0)),
        Math::Floor => a.floor(),
        Math::Ceil => a.ceil(),
        Math::Round => a.round_ties_even(),
        Math::Trunc => a.trunc(),
    };
    if op == Math::Exp {
        unless(value.is_infinite() && a.is_finite(), Fault::FloatOverflow)?;
        unless(value == 0.0 && a.is_finite(), Fault::FloatUnderflow)?;
    }
    Ok(value)
}

/// A function of two.
pub(super) fn of_two(op: MathPair, a: f64, b: f64) -> Result<f64, Stop> {
    match op {
        MathPair::Atan2 => Ok(a.atan2(b)),
        MathPair::Power => {
            if !a.is_nan() && !b.is_nan() {
                unless(a == 0.0 && b < 0.0, Fault::PowerZeroNegative)?;
                unless(a < 0.0 && b.floor() != b, Fault::PowerComplex)?;
            }
            let value = a.powf(b);
            if a.is_finite() && b.is_finite() {
                unless(value.is_infinite(), Fault::FloatOverflow)?;
                unless(value == 0.0 && a != 0.0, Fault::FloatUnderflow)?;
            }
            Ok(value)
        }
    }
}
