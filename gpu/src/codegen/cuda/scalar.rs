//! Types and single values as CUDA C++ writes them.

use crate::program::{Scalar, Type};

/// The type's name. `Bool` is a register's `bool`.
pub fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::I8 => "i8",
        Type::I16 => "i16",
        Type::I32 => "i32",
        Type::I64 => "i64",
        Type::I128 => "i128",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Text => "text",
    }
}

/// The type of a value in a column of rows that a kernel writes: a byte for a `bool`.
pub fn stored_name(ty: Type) -> &'static str {
    if ty == Type::Bool { "u8" } else { type_name(ty) }
}

/// A value of the type; none is the 0 that stands under a NULL.
pub fn literal(ty: Type, value: Option<&Scalar>) -> String {
    let value = match (ty, value) {
        // A text that is not NULL is never structure.
        (Type::Text, _) => return "no_text()".to_owned(),
        (_, None) => &Scalar::Int(0),
        (_, Some(value)) => value,
    };
    match *value {
        Scalar::Text(_) => "no_text()".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => match (ty, i32::try_from(value)) {
            (_, Ok(small)) if small != i32::MIN => format!("({}){small}", type_name(ty)),
            (Type::I128, _) => format!("(i128)((u128){:#x}ull << 64 | {:#x}ull)", (value >> 64) as u64, value as u64),
            _ => format!("({}){:#x}ull", type_name(ty), value as u64),
        },
        Scalar::F32(value) => format!("f32_of({:#x}u)", value.to_bits()),
        Scalar::F64(value) => format!("f64_of({:#x}ull)", value.to_bits()),
    }
}

/// A parameter of the type from the launch's words `w…`.
pub fn from_words(ty: Type, word: usize) -> String {
    match ty {
        Type::Bool => format!("w{word} != 0"),
        Type::F32 => format!("f32_of((u32)w{word})"),
        Type::F64 => format!("f64_of(w{word})"),
        Type::I128 => format!("(i128)((u128)w{} << 64 | w{word})", word + 1),
        Type::Text => format!("text_of(w{word}, w{})", word + 1),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::U8 | Type::U16 | Type::U32 => {
            format!("({})w{word}", type_name(ty))
        }
    }
}

/// How many words a parameter takes.
pub fn words(ty: Type) -> usize {
    if matches!(ty, Type::I128 | Type::Text) { 2 } else { 1 }
}

/// A parameter's words. Those of a text are where its bytes are, `address`, and how many.
pub fn to_words(ty: Type, value: &Scalar, address: u64) -> Vec<u64> {
    match *value {
        Scalar::Bool(value) => vec![value.into()],
        Scalar::Int(value) if ty == Type::I128 => vec![value as u64, (value >> 64) as u64],
        Scalar::Int(value) => vec![value as u64],
        Scalar::F32(value) => vec![value.to_bits().into()],
        Scalar::F64(value) => vec![value.to_bits()],
        Scalar::Text(ref value) => vec![address, value.len() as u64],
    }
}
