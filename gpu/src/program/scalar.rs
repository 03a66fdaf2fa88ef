//! The types that a register can hold, and single values of them.

use std::sync::Arc;

/// The type of a value in a register or of an element of a column.
///
/// The unsigned and the 8 and 16-bit types are for storage, comparison, lookup and casts; arithmetic takes
/// `I32`, `I64`, `I128`, `F32` and `F64` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// True or false; a bit in a column.
    Bool,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Signed, 128 bits; in memory little endian, 16 bytes.
    I128,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// UTF-8, ordered byte by byte and then by length. A column has offsets and bytes; a register has a reference, 64 bits of
    /// address and 64 of length, into a column, a table or a parameter.
    Text,
}

impl Type {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::I128,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::F32,
        Self::F64,
        Self::Text,
    ];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::I128 => "i128",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Text => "text",
        }
    }

    /// Bits that an element takes in a column; of a text, those of a reference to it.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bool => 1,
            Self::I8 | Self::U8 => 8,
            Self::I16 | Self::U16 => 16,
            Self::I32 | Self::U32 | Self::F32 => 32,
            Self::I64 | Self::F64 => 64,
            Self::I128 | Self::Text => 128,
        }
    }

    /// Bits that an element takes in the values of a column or table; of a text, those of an offset.
    pub fn stored_bits(self) -> u32 {
        if self == Self::Text { 32 } else { self.bits() }
    }

    /// Whole bytes of an element: 1 for `Bool`, which in registers, tables of state and rows takes a byte.
    pub fn bytes(self) -> usize {
        (self.bits() as usize).div_ceil(8)
    }

    /// Whether it is an integer of any width or sign.
    pub fn is_integer(self) -> bool {
        self.range().is_some()
    }

    /// Whether it is a floating-point number.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Whether arithmetic takes it.
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Self::I32 | Self::I64 | Self::I128 | Self::F32 | Self::F64)
    }

    /// The least and the greatest value of an integer type.
    pub fn range(self) -> Option<(i128, i128)> {
        Some(match self {
            Self::I8 => (i8::MIN.into(), i8::MAX.into()),
            Self::I16 => (i16::MIN.into(), i16::MAX.into()),
            Self::I32 => (i32::MIN.into(), i32::MAX.into()),
            Self::I64 => (i64::MIN.into(), i64::MAX.into()),
            Self::I128 => (i128::MIN, i128::MAX),
            Self::U8 => (0, u8::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::Bool | Self::F32 | Self::F64 | Self::Text => return None,
        })
    }

    /// The narrowest of the integer types that holds every value from `low` to `high`; unsigned where all are.
    pub fn narrowest(low: i128, high: i128) -> Self {
        let all = [Self::U8, Self::I8, Self::U16, Self::I16, Self::U32, Self::I32, Self::I64];
        let fits = |t: &Self| t.range().is_some_and(|(least, greatest)| least <= low && high <= greatest);
        all.into_iter().find(fits).unwrap_or(Self::I128)
    }
}

/// The type of a node or column: what it holds, and whether it can be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueType {
    /// What it holds where it is not NULL.
    pub ty: Type,
    /// Whether it can be NULL. Where it cannot, no code for it exists.
    pub nullable: bool,
}

impl ValueType {
    /// One that is never NULL.
    pub fn of(ty: Type) -> Self {
        Self { ty, nullable: false }
    }

    /// One that may be NULL.
    pub fn nullable(ty: Type) -> Self {
        Self { ty, nullable: true }
    }
}

/// A value that is not NULL. Floats compare and hash by their bits, so that structure is comparable.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// For `Bool`.
    Bool(bool),
    /// For the integer types.
    Int(i128),
    /// For `F32`.
    F32(f32),
    /// For `F64`.
    F64(f64),
    /// For `Text`: a value of a run, never structure.
    Text(Arc<str>),
}

impl Scalar {
    /// Whether it is a value of `ty`.
    pub fn is_of(&self, ty: Type) -> bool {
        match self {
            Self::Bool(_) => ty == Type::Bool,
            Self::Int(value) => ty.range().is_some_and(|(low, high)| low <= *value && *value <= high),
            Self::F32(_) => ty == Type::F32,
            Self::F64(_) => ty == Type::F64,
            Self::Text(_) => ty == Type::Text,
        }
    }

    fn bits(&self) -> (u8, u128, &str) {
        match self {
            Self::Bool(value) => (0, (*value).into(), ""),
            Self::Int(value) => (1, *value as u128, ""),
            Self::F32(value) => (2, value.to_bits().into(), ""),
            Self::F64(value) => (3, value.to_bits().into(), ""),
            Self::Text(value) => (4, 0, value),
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Scalar {}

impl std::hash::Hash for Scalar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}
