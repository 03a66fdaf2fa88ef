//! Arithmetic, casts: what they give, and what they raise.

use super::expr::Stop;
use crate::program::{Arithmetic, Bits, Fault, Scalar, Type};

type Result<T> = std::result::Result<T, Stop>;

/// What a result that does not fit is: a fault, or a promise of the host that does not hold.
fn out_of_range<T>(fault: Option<Fault>) -> Result<T> {
    Err(fault.map_or(Stop::Promise("a result that was proved to fit its type does not"), Stop::Fault))
}

fn fitting(value: Option<i128>, ty: Type, fault: Option<Fault>) -> Result<Scalar> {
    match value.map(Scalar::Int) {
        Some(value) if value.is_of(ty) => Ok(value),
        Some(_) | None => out_of_range(fault),
    }
}

/// `a op b` of two values of type `ty`.
pub(super) fn arithmetic(op: Arithmetic, a: Scalar, b: Scalar, ty: Type, fault: Option<Fault>) -> Result<Scalar> {
    match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => fitting(integers(op, a, b)?, ty, fault),
        (Scalar::F32(a), Scalar::F32(b)) => {
            let value = match op {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
                Arithmetic::Remainder | Arithmetic::FloorDivide | Arithmetic::FloorRemainder | Arithmetic::RoundDivide => {
                    return Err(Stop::Promise("whole division of floats"));
                }
            };
            float_faults(op, a.into(), b.into(), value.into(), fault)?;
            Ok(Scalar::F32(value))
        }
        (Scalar::F64(a), Scalar::F64(b)) => {
            let value = match op {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
                Arithmetic::Remainder | Arithmetic::FloorDivide | Arithmetic::FloorRemainder | Arithmetic::RoundDivide => {
                    return Err(Stop::Promise("whole division of floats"));
                }
            };
            float_faults(op, a, b, value, fault)?;
            Ok(Scalar::F64(value))
        }
        (Scalar::Bool(_) | Scalar::Int(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_), _) => {
            Err(Stop::Promise("operands of two types"))
        }
    }
}

/// The exact result; `None` where it passes 128 bits.
fn integers(op: Arithmetic, a: i128, b: i128) -> Result<Option<i128>> {
    match op {
        Arithmetic::Add => return Ok(a.checked_add(b)),
        Arithmetic::Subtract => return Ok(a.checked_sub(b)),
        Arithmetic::Multiply => return Ok(a.checked_mul(b)),
        Arithmetic::Divide
        | Arithmetic::Remainder
        | Arithmetic::FloorDivide
        | Arithmetic::FloorRemainder
        | Arithmetic::RoundDivide => {}
    }
    if b == 0 {
        return Err(Stop::Fault(Fault::DivisionByZero));
    }
    // Towards zero, and with the dividend's sign. `MIN % -1` is 0, though `MIN / -1` does not fit.
    let (quotient, remainder) = (a.checked_div(b), a.wrapping_rem(b));
    let signs_differ = (a < 0) != (b < 0);
    let floors_lower = remainder != 0 && signs_differ;
    Ok(match op {
        Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply | Arithmetic::Divide => quotient,
        Arithmetic::Remainder => Some(remainder),
        Arithmetic::FloorDivide => quotient.map(|quotient| if floors_lower { quotient - 1 } else { quotient }),
        Arithmetic::FloorRemainder => Some(if floors_lower { remainder + b } else { remainder }),
        Arithmetic::RoundDivide => {
            // |remainder| >= |b| / 2, written so that nothing overflows.
            let away = remainder.unsigned_abs() >= b.unsigned_abs() - remainder.unsigned_abs();
            let step = if signs_differ { -1 } else { 1 };
            quotient.map(|quotient| if away { quotient + step } else { quotient })
        }
    })
}

/// PostgreSQL's checks of a float result, where the node has a fault.
fn float_faults(op: Arithmetic, a: f64, b: f64, value: f64, fault: Option<Fault>) -> Result<()> {
    if fault.is_none() {
        return Ok(());
    }
    let divides = op == Arithmetic::Divide;
    if divides && b == 0.0 && !a.is_nan() {
        return Err(Stop::Fault(Fault::DivisionByZero));
    }
    if value.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(Stop::Fault(Fault::FloatOverflow));
    }
    let vanished = match op {
        Arithmetic::Multiply => a != 0.0 && b != 0.0,
        Arithmetic::Divide => a != 0.0 && b.is_finite(),
        Arithmetic::Add
        | Arithmetic::Subtract
        | Arithmetic::Remainder
        | Arithmetic::FloorDivide
        | Arithmetic::FloorRemainder
        | Arithmetic::RoundDivide => false,
    };
    if value == 0.0 && vanished { Err(Stop::Fault(Fault::FloatUnderflow)) } else { Ok(()) }
}

/// `a op b` of the bits of two values of type `ty`, 32 or 64 of them.
pub(super) fn bits(op: Bits, a: Scalar, b: Scalar, ty: Type) -> Result<Scalar> {
    let (Scalar::Int(a), Scalar::Int(b)) = (a, b) else { return Err(Stop::Promise("bits of no integers")) };
    let width = i128::from(ty.bits());
    let exact = match op {
        Bits::And => a & b,
        Bits::Or => a | b,
        Bits::Xor => a ^ b,
        Bits::ShiftLeft => a << b.rem_euclid(width),
        Bits::ShiftRight => a >> b.rem_euclid(width),
    };
    // What was shifted out is gone; the highest bit that stays is the sign.
    Ok(Scalar::Int(if width == 32 { (exact as i32).into() } else { (exact as i64).into() }))
}

/// `-a`.
pub(super) fn negate(a: Scalar, ty: Type, fault: Option<Fault>) -> Result<Scalar> {
    match a {
        Scalar::Int(a) => fitting(a.checked_neg(), ty, fault),
        Scalar::F32(a) => Ok(Scalar::F32(-a)),
        Scalar::F64(a) => Ok(Scalar::F64(-a)),
        Scalar::Bool(_) | Scalar::Text(_) => Err(Stop::Promise("negate of no number")),
    }
}

/// `a`, of type `from`, as a `to`.
pub(super) fn cast(a: Scalar, from: Type, to: Type, fault: Option<Fault>) -> Result<Scalar> {
    if from == to {
        return Ok(a);
    }
    match (a, to) {
        (Scalar::Bool(a), _) => Ok(Scalar::Int(a.into())),
        (Scalar::Int(a), Type::F32) => Ok(Scalar::F32(a as f32)),
        (Scalar::Int(a), Type::F64) => Ok(Scalar::F64(a as f64)),
        (Scalar::Int(a), _) => fitting(Some(a), to, fault),
        (Scalar::F32(a), Type::F64) => Ok(Scalar::F64(a.into())),
        (Scalar::F32(a), _) => float_to_integer(a.into(), to, fault),
        (Scalar::F64(a), Type::F32) => {
            let value = a as f32;
            if fault.is_some() && value.is_infinite() && a.is_finite() {
                return Err(Stop::Fault(Fault::FloatOverflow));
            }
            if fault.is_some() && value == 0.0 && a != 0.0 {
                return Err(Stop::Fault(Fault::FloatUnderflow));
            }
            Ok(Scalar::F32(value))
        }
        (Scalar::F64(a), _) => float_to_integer(a, to, fault),
        (Scalar::Text(_), _) => Err(Stop::Promise("a cast of text")),
    }
}

fn float_to_integer(a: f64, to: Type, fault: Option<Fault>) -> Result<Scalar> {
    let rounded = a.round_ties_even();
    // Both ends are powers of two, which floats hold. `as` saturates, so what lies outside must not get there.
    let limit = 2f64.powi(127);
    let fits = -limit <= rounded && rounded < limit;
    fitting(fits.then_some(rounded as i128), to, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(op: Arithmetic, a: i128, b: i128) -> Option<i128> {
        integers(op, a, b).unwrap_or_else(|_| panic!("{op:?} {a} {b}"))
    }

    #[test]
    fn divisions_keep_their_laws() {
        let values = [i128::MIN, i128::MIN + 1, -7, -4, -3, -2, -1, 1, 2, 3, 4, 7, i128::MAX - 1, i128::MAX];
        for a in values.into_iter().chain([0]) {
            for b in values {
                let remainder = of(Arithmetic::Remainder, a, b).unwrap();
                let floor_remainder = of(Arithmetic::FloorRemainder, a, b).unwrap();
                assert!(remainder == 0 || (remainder < 0) == (a < 0));
                assert!(floor_remainder == 0 || (floor_remainder < 0) == (b < 0));
                assert!(remainder.unsigned_abs() < b.unsigned_abs() && floor_remainder.unsigned_abs() < b.unsigned_abs());
                if (a, b) == (i128::MIN, -1) {
                    assert_eq!(of(Arithmetic::Divide, a, b), None);
                    assert_eq!(of(Arithmetic::FloorDivide, a, b), None);
                    assert_eq!(of(Arithmetic::RoundDivide, a, b), None);
                    continue;
                }
                assert_eq!(of(Arithmetic::Divide, a, b).unwrap() * b + remainder, a);
                assert_eq!((of(Arithmetic::FloorDivide, a, b).unwrap().wrapping_mul(b)).wrapping_add(floor_remainder), a);
            }
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        for (a, b, wanted) in
            [(5, 2, 3), (-5, 2, -3), (5, -2, -3), (-5, -2, 3), (4, 3, 1), (-4, 3, -1), (5, 3, 2), (-5, 3, -2), (1, 4, 0)]
        {
            assert_eq!(of(Arithmetic::RoundDivide, a, b), Some(wanted), "{a} / {b}");
        }
        assert_eq!(of(Arithmetic::RoundDivide, i128::MAX, 2), Some(1 << 126));
        assert_eq!(of(Arithmetic::RoundDivide, i128::MIN, i128::MAX), Some(-1));
        assert_eq!(of(Arithmetic::RoundDivide, i128::MAX, i128::MIN), Some(-1));
    }
}
