//! Operations on the bits of integers.

/// What `Expr::Bits` computes, of two `I32` or two `I64` in two's complement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bits {
    /// `a & b`.
    And,
    /// `a | b`.
    Or,
    /// `a # b`, exclusive.
    Xor,
    /// `a << b`; of `b` only the bits count that a place in the type takes.
    ShiftLeft,
    /// `a >> b` with the sign kept, likewise.
    ShiftRight,
}

impl Bits {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::And, Self::Or, Self::Xor, Self::ShiftLeft, Self::ShiftRight];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::And => "bit_and",
            Self::Or => "bit_or",
            Self::Xor => "bit_xor",
            Self::ShiftLeft => "shift_left",
            Self::ShiftRight => "shift_right",
        }
    }
}
