//! Functions of floats: which there are, and which errors each can raise.

use super::fault::Fault;

/// A function of one `F64`, with PostgreSQL's errors.
///
/// NaN gives NaN and raises nothing, but for `Sign`, which gives 0. An infinite result of a finite operand raises
/// `FloatOverflow`, and a result of zero where the exact one is not raises `FloatUnderflow`; `Cot`, `Sinh`, `Cosh`,
/// `Tan` and `Atanh` may give an infinity all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Math {
    /// The square root; raises `SquareRootNegative`.
    Sqrt,
    /// The cube root.
    Cbrt,
    /// `e^a`.
    Exp,
    /// The natural logarithm; raises `LogarithmZero` and `LogarithmNegative`.
    Ln,
    /// The logarithm to base 10, likewise.
    Log10,
    /// The sine of radians; an infinity raises `InputRange`.
    Sin,
    /// The cosine, likewise.
    Cos,
    /// The tangent, likewise.
    Tan,
    /// The cotangent, likewise.
    Cot,
    /// The inverse sine; raises `InputRange` outside of -1 to 1.
    Asin,
    /// The inverse cosine, likewise.
    Acos,
    /// The inverse tangent.
    Atan,
    /// The hyperbolic sine.
    Sinh,
    /// The hyperbolic cosine.
    Cosh,
    /// The hyperbolic tangent.
    Tanh,
    /// The inverse hyperbolic sine.
    Asinh,
    /// The inverse hyperbolic cosine; raises `InputRange` below 1.
    Acosh,
    /// The inverse hyperbolic tangent; raises `InputRange` outside of -1 to 1.
    Atanh,
    /// The magnitude.
    Abs,
    /// -1, 0 or 1.
    Sign,
    /// The greatest whole number that is not greater.
    Floor,
    /// The least whole number that is not less.
    Ceil,
    /// The nearest whole number, ties to even.
    Round,
    /// The nearest whole number towards zero.
    Trunc,
}

impl Math {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Sqrt,
        Self::Cbrt,
        Self::Exp,
        Self::Ln,
        Self::Log10,
        Self::Sin,
        Self::Cos,
        Self::Tan,
        Self::Cot,
        Self::Asin,
        Self::Acos,
        Self::Atan,
        Self::Sinh,
        Self::Cosh,
        Self::Tanh,
        Self::Asinh,
        Self::Acosh,
        Self::Atanh,
        Self::Abs,
        Self::Sign,
        Self::Floor,
        Self::Ceil,
        Self::Round,
        Self::Trunc,
    ];

    /// Its name in the text form, and in PostgreSQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqrt => "sqrt",
            Self::Cbrt => "cbrt",
            Self::Exp => "exp",
            Self::Ln => "ln",
            Self::Log10 => "log10",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tan => "tan",
            Self::Cot => "cot",
            Self::Asin => "asin",
            Self::Acos => "acos",
            Self::Atan => "atan",
            Self::Sinh => "sinh",
            Self::Cosh => "cosh",
            Self::Tanh => "tanh",
            Self::Asinh => "asinh",
            Self::Acosh => "acosh",
            Self::Atanh => "atanh",
            Self::Abs => "abs",
            Self::Sign => "sign",
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::Round => "round",
            Self::Trunc => "trunc",
        }
    }

    /// The errors that it can raise.
    pub fn faults(self) -> &'static [Fault] {
        match self {
            Self::Sqrt => &[Fault::SquareRootNegative],
            Self::Exp => &[Fault::FloatOverflow, Fault::FloatUnderflow],
            Self::Ln | Self::Log10 => &[Fault::LogarithmZero, Fault::LogarithmNegative],
            Self::Sin | Self::Cos | Self::Tan | Self::Cot => &[Fault::InputRange],
            Self::Asin | Self::Acos | Self::Acosh | Self::Atanh => &[Fault::InputRange],
            Self::Cbrt
            | Self::Atan
            | Self::Sinh
            | Self::Cosh
            | Self::Tanh
            | Self::Asinh
            | Self::Abs
            | Self::Sign
            | Self::Floor
            | Self::Ceil
            | Self::Round
            | Self::Trunc => &[],
        }
    }

    /// Whether every device gives the same bits: the result is rounded to the nearest, or exact.
    pub fn is_exact(self) -> bool {
        match self {
            Self::Sqrt | Self::Abs | Self::Sign | Self::Floor | Self::Ceil | Self::Round | Self::Trunc => true,
            Self::Cbrt
            | Self::Exp
            | Self::Ln
            | Self::Log10
            | Self::Sin
            | Self::Cos
            | Self::Tan
            | Self::Cot
            | Self::Asin
            | Self::Acos
            | Self::Atan
            | Self::Sinh
            | Self::Cosh
            | Self::Tanh
            | Self::Asinh
            | Self::Acosh
            | Self::Atanh => false,
        }
    }
}

/// A function of two `F64`, with PostgreSQL's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MathPair {
    /// `a` to the power `b`. NaN to the power 0, and 1 to any power, are 1. Raises `PowerZeroNegative` for a negative
    /// power of zero, `PowerComplex` for a power that is not whole of a negative number, and, of finite operands,
    /// `FloatOverflow` for an infinite result and `FloatUnderflow` for one of zero where `a` is not.
    Power,
    /// The angle of the point `(b, a)`, in radians; raises nothing.
    Atan2,
}

impl MathPair {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Power, Self::Atan2];

    /// Its name in the text form, and in PostgreSQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Atan2 => "atan2",
        }
    }

    /// The errors that it can raise.
    pub fn faults(self) -> &'static [Fault] {
        match self {
            Self::Power => &[Fault::PowerZeroNegative, Fault::PowerComplex, Fault::FloatOverflow, Fault::FloatUnderflow],
            Self::Atan2 => &[],
        }
    }
}
