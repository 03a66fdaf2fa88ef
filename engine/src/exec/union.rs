//! The rows of several chains, stored in one way.

use arrow::buffer::Buffer;
use warpwise_gpu::column::{Column, Output};
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{Type, ValueType};
use warpwise_gpu::{Error, Result};

use super::branches::{stored, together};
use super::run::Held;
use crate::offload::lower::Made;
use crate::offload::plan::{Branch, Take};
use crate::offload::union::{Change, aligned};
use crate::offload::words::Words;

/// The rows of all, one below the other; within so many bytes, where they are twice.
pub fn united(parts: &[Held], most: u64) -> Result<Held> {
    let bytes: usize = parts.iter().flat_map(|held| &held.output.columns).map(Column::bytes).sum();
    if bytes as u64 > most / 2 {
        return Err(Error::Unsupported("rows of a union, which are more than there is memory for twice".to_owned()));
    }
    let parts = parts.iter().map(stored).collect::<Result<Vec<_>>>()?;
    let leaves: Vec<_> = parts.iter().map(|held| &held.leaves).collect();
    let alignment = aligned(&leaves).map_err(|refusal| Error::Unsupported(refusal.to_string()))?;
    let mut changed = Vec::new();
    for (held, changes) in parts.iter().zip(&alignment.changes) {
        let mut columns = Vec::new();
        for ((made, change), (_, ty, _)) in held.leaves.made.iter().zip(changes).zip(&alignment.columns) {
            let Made::Column { at, .. } = made else { return Err(Error::Invalid("a column that is not computed".to_owned())) };
            columns.push(become_of(&held.output.columns[*at], change, ty.ty)?);
        }
        changed.push(Held { output: Output { rows: held.output.rows, columns }, leaves: alignment.leaves(), present: None });
    }
    let all = Branch { stages: Vec::new(), columns: (0..alignment.columns.len()).map(Take::Column).collect() };
    let parts: Vec<(&Held, &Branch)> = changed.iter().map(|held| (held, &all)).collect();
    Ok(Held { leaves: alignment.leaves(), ..together(&parts)? })
}

/// A column with its values changed, in another type.
fn become_of(column: &Column, change: &Change, ty: Type) -> Result<Column> {
    let of = ValueType { ty, nullable: column.validity.is_some() };
    let values = match change {
        Change::Times(1) if column.ty.ty == ty => return Ok(column.clone()),
        Change::Times(_) if column.ty.ty == Type::F32 && ty == Type::F64 => {
            let wide = column.values.typed_data::<f32>()[..column.rows].iter().flat_map(|value| f64::from(*value).to_le_bytes());
            padded(wide.collect())
        }
        Change::Times(by) => integers(column, ty, |value| value.checked_mul(*by))?,
        // What stands at a row that is NULL is any code.
        Change::Codes(codes) => integers(column, ty, |code| {
            Some(usize::try_from(code).ok().and_then(|at| codes.get(at)).map_or(0, |code| (*code).into()))
        })?,
        Change::Spelled(words) => return spelled(column, words),
    };
    Ok(Column::new(of, column.rows, values, column.validity.clone()))
}

/// Integers as others, in another type. What does not fit is refused, but at a row that is NULL.
fn integers(column: &Column, ty: Type, change: impl Fn(i128) -> Option<i128>) -> Result<Buffer> {
    let mut bytes = Vec::with_capacity(column.rows * ty.bytes() + 64);
    let values = &column.values;
    let null = |row: usize| column.validity.as_ref().is_some_and(|bits| bits[row / 8] >> (row % 8) & 1 == 0);
    let mut fits = true;
    macro_rules! to {
        ($From:ty, $To:ty) => {
            values.typed_data::<$From>()[..column.rows].iter().enumerate().for_each(|(row, value)| {
                let changed = change(i128::from(*value)).and_then(|value| <$To>::try_from(value).ok());
                fits &= changed.is_some() || null(row);
                bytes.extend_from_slice(&changed.unwrap_or(0).to_le_bytes());
            })
        };
    }
    macro_rules! from {
        ($From:ty) => {
            match ty {
                Type::I8 => to!($From, i8),
                Type::I16 => to!($From, i16),
                Type::I32 => to!($From, i32),
                Type::I64 => to!($From, i64),
                Type::I128 => to!($From, i128),
                Type::U8 => to!($From, u8),
                Type::U16 => to!($From, u16),
                Type::U32 => to!($From, u32),
                Type::Bool | Type::F32 | Type::F64 | Type::Text => return Err(other(column, ty)),
            }
        };
    }
    match column.ty.ty {
        Type::I8 => from!(i8),
        Type::I16 => from!(i16),
        Type::I32 => from!(i32),
        Type::I64 => from!(i64),
        Type::I128 => from!(i128),
        Type::U8 => from!(u8),
        Type::U16 => from!(u16),
        Type::U32 => from!(u32),
        Type::Bool | Type::F32 | Type::F64 | Type::Text => return Err(other(column, ty)),
    }
    if !fits {
        return Err(Error::Unsupported("numbers that no one scale holds".to_owned()));
    }
    Ok(padded(bytes))
}

fn other(column: &Column, ty: Type) -> Error {
    Error::Unsupported(format!("{} beside {}", column.ty.ty.name(), ty.name()))
}

/// What codes stand for.
fn spelled(column: &Column, words: &Words) -> Result<Column> {
    let codes = integers(column, Type::U32, Some)?;
    let valid = |row: usize| column.validity.as_ref().is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1);
    let (mut offsets, mut bytes) = (Vec::with_capacity(column.rows + 1), Vec::new());
    offsets.push(0);
    for (row, code) in codes.typed_data::<u32>()[..column.rows].iter().enumerate() {
        if valid(row) {
            bytes.extend_from_slice(words.values().value(*code as usize).as_bytes());
        }
        let end = i32::try_from(bytes.len());
        offsets.push(end.map_err(|_| Error::Unsupported("more than 2 GiB of text in one column".to_owned()))?);
    }
    Ok(Column::texts(column.rows, Buffer::from_vec(offsets), padded(bytes), column.validity.clone()))
}
