//! What a generator of programs knows of a node's values, so that it gives a node no fault only where none can be.

use crate::program::{Arithmetic, Scalar, Type};

/// What is known of the values of a node that are not NULL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Known {
    /// Nothing: it is a `bool`.
    Bool,
    /// Nothing: it is a text.
    Text,
    /// They lie between these, both included, and perhaps none is 0.
    Int { low: i128, high: i128, nonzero: bool },
    /// The numbers among them are not negative and at most this, if at all; and whether there are NaNs or infinities.
    Float { greatest: Option<f64>, special: bool },
}

/// The largest of the floats whose sums are compared: sums of it are finite and lose nothing that counts.
pub(super) const MODEST: f64 = 1e30;

impl Known {
    pub(super) fn int(low: i128, high: i128) -> Self {
        Self::Int { low, high, nonzero: low > 0 || high < 0 }
    }

    /// Any value of a type.
    pub(super) fn any(ty: Type) -> Self {
        match ty.range() {
            Some((low, high)) => Self::int(low, high),
            None if ty == Type::Bool => Self::Bool,
            None if ty == Type::Text => Self::Text,
            None => Self::Float { greatest: None, special: true },
        }
    }

    /// One value.
    pub(super) fn one(value: &Scalar) -> Self {
        match value {
            Scalar::Bool(_) => Self::Bool,
            Scalar::Int(value) => Self::int(*value, *value),
            Scalar::F32(value) => Self::float((*value).into()),
            Scalar::F64(value) => Self::float(*value),
            Scalar::Text(_) => Self::Text,
        }
    }

    fn float(value: f64) -> Self {
        let greatest = if value.is_nan() { Some(0.0) } else { Some(value).filter(|value| (0.0..=MODEST).contains(value)) };
        Self::Float { greatest, special: !value.is_finite() }
    }

    /// A value of either.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Int { low, high, nonzero }, Self::Int { low: low_b, high: high_b, nonzero: nonzero_b }) => {
                Self::Int { low: low.min(low_b), high: high.max(high_b), nonzero: nonzero && nonzero_b }
            }
            (Self::Float { greatest, special }, Self::Float { greatest: greatest_b, special: special_b }) => {
                let greatest = greatest.zip(greatest_b).map(|(a, b)| a.max(b));
                Self::Float { greatest, special: special || special_b }
            }
            (known @ (Self::Bool | Self::Text | Self::Int { .. } | Self::Float { .. }), _) => known,
        }
    }

    pub(super) fn range(self) -> Option<(i128, i128)> {
        match self {
            Self::Int { low, high, .. } => Some((low, high)),
            Self::Bool | Self::Text | Self::Float { .. } => None,
        }
    }

    /// Whether sums of it come out the same in any order, within the tolerance.
    pub(super) fn is_modest(self) -> bool {
        matches!(self, Self::Float { greatest: Some(_), .. })
    }
}

/// What is known of `a op b`, and whether it may raise a fault, an operand being a `ty`.
pub(super) fn arithmetic(op: Arithmetic, a: Known, b: Known, ty: Type) -> (Known, bool) {
    match (a, b) {
        (Known::Int { low, high, .. }, Known::Int { low: low_b, high: high_b, nonzero }) => {
            let range = int_range(op, (low, high), (low_b, high_b));
            let least = ty.range().map_or(i128::MIN, |(least, _)| least);
            let divides = !matches!(op, Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply);
            let quotient = matches!(op, Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::RoundDivide);
            let no_negative = quotient && low == least && low_b <= -1 && -1 <= high_b;
            let fits = range.is_some_and(|(low, high)| Scalar::Int(low).is_of(ty) && Scalar::Int(high).is_of(ty));
            let may_raise = !fits || no_negative || (divides && !nonzero);
            let all = Known::any(ty);
            (range.filter(|_| fits).map_or(all, |(low, high)| Known::int(low, high)), may_raise)
        }
        (Known::Float { greatest, special }, Known::Float { greatest: greatest_b, special: special_b }) => {
            let both = greatest.zip(greatest_b);
            let greatest = match op {
                Arithmetic::Add => both.map(|(a, b)| a + b),
                Arithmetic::Multiply => both.map(|(a, b)| a * b),
                Arithmetic::Subtract
                | Arithmetic::Divide
                | Arithmetic::Remainder
                | Arithmetic::FloorDivide
                | Arithmetic::FloorRemainder
                | Arithmetic::RoundDivide => None,
            };
            let greatest = greatest.filter(|greatest| *greatest <= MODEST);
            let divides = op == Arithmetic::Divide;
            // A product of small numbers may vanish.
            let may_raise = greatest.is_none() || op == Arithmetic::Multiply;
            (Known::Float { greatest, special: special || special_b || greatest.is_none() || divides }, may_raise)
        }
        (Known::Bool | Known::Text | Known::Int { .. } | Known::Float { .. }, _) => (Known::any(ty), true),
    }
}

/// Bounds of a result; `None` where they pass 128 bits.
fn int_range(op: Arithmetic, (low, high): (i128, i128), (low_b, high_b): (i128, i128)) -> Option<(i128, i128)> {
    // No quotient is larger than its dividend, rounding included; no remainder is than its divisor.
    let reach =
        |low: i128, high: i128| (low.min(high.checked_neg().unwrap_or(low)), high.max(low.checked_neg().unwrap_or(i128::MAX)));
    match op {
        Arithmetic::Add => Some((low.checked_add(low_b)?, high.checked_add(high_b)?)),
        Arithmetic::Subtract => Some((low.checked_sub(high_b)?, high.checked_sub(low_b)?)),
        Arithmetic::Multiply => {
            let corners =
                [low.checked_mul(low_b)?, low.checked_mul(high_b)?, high.checked_mul(low_b)?, high.checked_mul(high_b)?];
            Some((corners.into_iter().min()?, corners.into_iter().max()?))
        }
        Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::RoundDivide if low >= 0 && low_b >= 0 => Some((0, high)),
        Arithmetic::Divide | Arithmetic::RoundDivide => Some(reach(low, high)),
        // -1 / 2 is -1: a dividend that is not 0 stays one at most in magnitude, and 0 stays 0.
        Arithmetic::FloorDivide => Some(reach(low, high)),
        Arithmetic::Remainder => Some((if low < 0 { low } else { 0 }, high.max(0))),
        Arithmetic::FloorRemainder => Some((if low_b < 0 { low_b } else { 0 }, high_b.max(0))),
    }
}
