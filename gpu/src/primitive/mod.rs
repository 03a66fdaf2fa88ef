//! What compiled code calls besides its own arithmetic: listed here once, each with its signature.
//!
//! # Adding a primitive
//!
//! A variant of [`Primitive`], its line in each of the matches below, and a function in the file of its concept with
//! its tests beside it. Values of 128 bits travel as two halves, low first; a function with more than one result
//! writes the rest through a pointer.

pub mod date;
pub mod histogram;
pub mod integer;
pub mod math;
pub mod member;
pub mod pattern;
pub mod probe;
pub mod search;
pub mod select;
pub mod split;
pub mod string;
pub mod text_select;
pub mod text_table;
pub mod totals;

use crate::program::{Arithmetic, DatePart, Math, MathPair, Type};

/// A function that compiled code calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `(a, b, out) -> whether it overflowed`, of 128 bits.
    Multiply128,
    /// `(a, b, out) -> whether it overflowed`: division in any of its forms, the divisor not 0.
    Divide128(Arithmetic),
    /// `(a) -> f64` of 128 bits.
    ToF64,
    /// `(a) -> f32` of 128 bits.
    ToF32,
    /// `(f64, out) -> whether it does not fit`: to 128 bits, ties to even.
    FromF64,
    /// `(days) -> i32`.
    DatePart(DatePart),
    /// `(days, months, out) -> whether the year leaves the calendar`.
    AddMonths,
    /// `(values, length, value) -> whether it is among them`.
    Member(Type),
    /// `(a, length, b, length) -> -1, 0 or 1`.
    TextCompare,
    /// `(a, length, b, length) -> whether they are the same`.
    TextEqual,
    /// `(text, length) -> how many characters`.
    TextCharacters,
    /// `(pattern, text, length) -> whether it matches`.
    TextMatch,
    /// `(pattern, text, length) -> where the pattern begins, in characters from 1; 0 where it does not`.
    TextPosition,
    /// `(text, length, start, length in characters, out) -> bytes of the part`: its address through the pointer.
    TextSlice,
    /// `(pattern, text, length, sides, out) -> bytes that are left`: their address through the pointer.
    TextTrim,
    /// `(text, length, out) -> the second word of its key`: the first through the pointer.
    TextKey,
    /// `(text, length) -> the first eight bytes as a number of their order`.
    TextPrefix,
    /// `(values, length, value) -> how many of them are not greater`, an i32.
    Place(Type),
    /// `(index, words) -> the number of the key of these words`, an i32; -1 where there is none.
    Probe,
    /// `(f64) -> f64`, or `(f64, out) -> fault` of one that can raise any: a fault's number as an i32, 0 of none.
    Math(Math),
    /// Likewise of two floats.
    MathPair(MathPair),
}

/// What a primitive's argument or result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// 8 bits.
    I8,
    /// 32 bits.
    I32,
    /// 64 bits, addresses too.
    I64,
    /// A float.
    F32,
    /// A float.
    F64,
}

impl Primitive {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Probe, Self::Multiply128, Self::ToF64, Self::ToF32, Self::FromF64, Self::AddMonths];
        all.extend([Self::TextCompare, Self::TextEqual, Self::TextCharacters, Self::TextMatch, Self::TextPosition]);
        all.extend([Self::TextSlice, Self::TextTrim, Self::TextKey, Self::TextPrefix]);
        all.extend(Arithmetic::ALL.into_iter().map(Self::Divide128));
        all.extend(DatePart::ALL.into_iter().map(Self::DatePart));
        all.extend(Type::ALL.into_iter().map(Self::Member));
        all.extend([Type::I32, Type::I64].map(Self::Place));
        all.extend(Math::ALL.into_iter().map(Self::Math));
        all.extend(MathPair::ALL.into_iter().map(Self::MathPair));
        all
    }

    /// Its name in the text of compiled code.
    pub fn name(self) -> String {
        match self {
            Self::Multiply128 => "multiply_i128".to_owned(),
            Self::Divide128(op) => format!("{}_i128", op.name()),
            Self::ToF64 => "i128_to_f64".to_owned(),
            Self::ToF32 => "i128_to_f32".to_owned(),
            Self::FromF64 => "f64_to_i128".to_owned(),
            Self::DatePart(part) => format!("date_{}", part.name()),
            Self::AddMonths => "add_months".to_owned(),
            Self::Member(ty) => format!("member_{}", ty.name()),
            Self::TextCompare => "text_compare".to_owned(),
            Self::TextEqual => "text_equal".to_owned(),
            Self::TextCharacters => "text_characters".to_owned(),
            Self::TextMatch => "text_match".to_owned(),
            Self::TextPosition => "text_position".to_owned(),
            Self::TextSlice => "text_slice".to_owned(),
            Self::TextTrim => "text_trim".to_owned(),
            Self::TextKey => "text_key".to_owned(),
            Self::TextPrefix => "text_prefix".to_owned(),
            Self::Place(ty) => format!("place_{}", ty.name()),
            Self::Probe => "probe".to_owned(),
            Self::Math(op) => format!("math_{}", op.name()),
            Self::MathPair(op) => format!("math_{}", op.name()),
        }
    }

    /// Its arguments and its result.
    pub fn signature(self) -> (&'static [Register], Register) {
        use Register::{F32, F64, I8, I32, I64};
        match self {
            Self::Multiply128 | Self::Divide128(_) => (&[I64, I64, I64, I64, I64], I8),
            Self::ToF64 => (&[I64, I64], F64),
            Self::ToF32 => (&[I64, I64], F32),
            Self::FromF64 => (&[F64, I64], I8),
            Self::DatePart(_) => (&[I32], I32),
            Self::AddMonths => (&[I32, I32, I64], I8),
            Self::Member(Type::I128) => (&[I64, I64, I64, I64], I8),
            Self::Member(Type::Text) => (&[I64, I64, I64, I64, I64], I8),
            Self::Member(_) => (&[I64, I64, I64], I8),
            Self::TextCompare => (&[I64, I64, I64, I64], I32),
            Self::TextEqual => (&[I64, I64, I64, I64], I8),
            Self::TextCharacters => (&[I64, I64], I32),
            Self::TextMatch => (&[I64, I64, I64], I8),
            Self::TextPosition => (&[I64, I64, I64], I32),
            Self::TextSlice | Self::TextTrim => (&[I64, I64, I64, I64, I64], I64),
            Self::TextKey => (&[I64, I64, I64], I64),
            Self::TextPrefix => (&[I64, I64], I64),
            Self::Place(_) => (&[I64, I64, I64], I32),
            Self::Probe => (&[I64, I64], I32),
            Self::Math(op) if op.faults().is_empty() => (&[F64], F64),
            Self::Math(_) => (&[F64, I64], I32),
            Self::MathPair(op) if op.faults().is_empty() => (&[F64, F64], F64),
            Self::MathPair(_) => (&[F64, F64, I64], I32),
        }
    }

    /// Where it is.
    pub fn address(self) -> *const u8 {
        match self {
            Self::Multiply128 => integer::multiply as *const u8,
            Self::Divide128(op) => integer::divide(op),
            Self::ToF64 => integer::to_f64 as *const u8,
            Self::ToF32 => integer::to_f32 as *const u8,
            Self::FromF64 => integer::from_f64 as *const u8,
            Self::DatePart(part) => date::part(part),
            Self::AddMonths => date::add_months as *const u8,
            Self::Member(ty) => member::address(ty),
            Self::TextCompare => string::compare as *const u8,
            Self::TextEqual => string::equal as *const u8,
            Self::TextCharacters => string::characters as *const u8,
            Self::TextMatch => string::matches as *const u8,
            Self::TextPosition => string::position as *const u8,
            Self::TextSlice => string::slice as *const u8,
            Self::TextTrim => string::trim as *const u8,
            Self::TextKey => string::key as *const u8,
            Self::TextPrefix => string::prefix as *const u8,
            Self::Place(ty) => member::place(ty),
            Self::Probe => probe::probe as *const u8,
            Self::Math(op) => math::address(op),
            Self::MathPair(op) => math::pair_address(op),
        }
    }
}
