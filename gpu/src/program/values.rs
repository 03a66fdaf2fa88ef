//! What differs between two runs of one pipeline.

use std::sync::Arc;

use arrow::buffer::Buffer;

use super::scalar::{Scalar, Type, ValueType};
use super::{Pipeline, Sink, TableType};
use crate::column::Column;
use crate::join::Index;

/// The most rows that are marked: numbers of 32 bits name them.
const MOST_MARKS: i128 = 1 << 31;

/// An array that a run brings along: a bitmap over a dictionary's codes, ranks, the members of a list.
#[derive(Debug, Clone)]
pub struct Table {
    /// What it holds.
    pub ty: TableType,
    /// How many elements.
    pub len: usize,
    /// The elements, little endian, `Bool` packed a bit each. Behind them lies at least one element of zeros, and zeros up to a
    /// multiple of 64 bytes. Of texts, `len + 1` offsets into `bytes`, 32 bits each.
    pub values: Buffer,
    /// The bytes of texts, padded the same; there if the elements are texts.
    pub bytes: Option<Buffer>,
    /// A bit for each element that is not NULL, padded the same; there if `ty.nullable`.
    pub validity: Option<Buffer>,
}

/// The parameters of one run.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// One for each of [`Pipeline::parameters`].
    pub scalars: Vec<Scalar>,
    /// One for each of [`Pipeline::tables`].
    pub tables: Vec<Arc<Table>>,
    /// One for each of [`Pipeline::indexes`].
    pub indexes: Vec<Arc<Index>>,
}

impl Values {
    /// Says what does not fit the pipeline.
    pub fn check(&self, pipeline: &Pipeline) -> Result<(), String> {
        let found = [self.scalars.len(), self.tables.len(), self.indexes.len()];
        let wanted = [pipeline.parameters.len(), pipeline.tables.len(), pipeline.indexes.len()];
        if found != wanted {
            return Err(format!("{found:?} scalars, tables and indexes for {wanted:?} parameters"));
        }
        for (at, (index, ty)) in self.indexes.iter().zip(&pipeline.indexes).enumerate() {
            if *index.keys() != ty.keys {
                return Err(format!("index {at} is of {:?}, not of {:?}", index.keys(), ty.keys));
            }
        }
        if let Sink::Mark { rows, .. } = pipeline.sink
            && !matches!(self.scalars[rows.0 as usize], Scalar::Int(0..=MOST_MARKS))
        {
            return Err(format!("{:?} rows to be marked", self.scalars[rows.0 as usize]));
        }
        for (at, (scalar, ty)) in self.scalars.iter().zip(&pipeline.parameters).enumerate() {
            if !scalar.is_of(*ty) {
                return Err(format!("parameter {at} is {scalar:?}, which is not of type {}", ty.name()));
            }
        }
        for (at, (table, ty)) in self.tables.iter().zip(&pipeline.tables).enumerate() {
            let bytes = |ty: Type| match ty {
                Type::Text => (table.len + 1) * 4,
                ty => (table.len * ty.bits() as usize).div_ceil(8),
            };
            let short = table.values.len() < bytes(ty.element)
                || table.validity.as_ref().is_some_and(|v| v.len() < bytes(Type::Bool))
                || table.validity.is_some() != ty.nullable
                || table.bytes.is_some() != (ty.element == Type::Text)
                || table.bytes.as_ref().is_some_and(|bytes| !are_offsets(&table.values, table.len, bytes.len()));
            if table.ty != *ty || short {
                return Err(format!("table {at} is {:?} of {} elements, which is not {ty:?}", table.ty, table.len));
            }
        }
        Ok(())
    }
}

impl Table {
    /// A table of bits.
    pub fn bits(bits: impl ExactSizeIterator<Item = bool>) -> Self {
        let len = bits.len();
        let mut bytes = vec![0u8; len.div_ceil(8)];
        for (at, bit) in bits.enumerate() {
            bytes[at / 8] |= u8::from(bit) << (at % 8);
        }
        Self { ty: TableType { element: Type::Bool, nullable: false }, len, values: padded(bytes), bytes: None, validity: None }
    }

    /// A table of numbers of 32 bits: codes, ranks.
    pub fn words(words: &[u32]) -> Self {
        let bytes = laid_out(words.iter().map(|word| word.to_le_bytes()), words.len());
        let ty = TableType { element: Type::U32, nullable: false };
        Self { ty, len: words.len(), values: padded(bytes), bytes: None, validity: None }
    }

    /// A table of integers of type `element`, each truncated to its width; `None` is NULL.
    pub fn integers(element: Type, nullable: bool, values: impl ExactSizeIterator<Item = Option<i128>>) -> Self {
        let len = values.len();
        let mut validity = vec![0u8; if nullable { len.div_ceil(8) } else { 0 }];
        let numbers = values.enumerate().map(|(at, value)| {
            if nullable {
                validity[at / 8] |= u8::from(value.is_some()) << (at % 8);
            }
            value.unwrap_or(0)
        });
        let bytes = match element.bytes() {
            1 => numbers.map(|number| number as u8).collect(),
            2 => laid_out(numbers.map(|number| (number as u16).to_le_bytes()), len),
            4 => laid_out(numbers.map(|number| (number as u32).to_le_bytes()), len),
            8 => laid_out(numbers.map(|number| (number as u64).to_le_bytes()), len),
            _sixteen => laid_out(numbers.map(i128::to_le_bytes), len),
        };
        let validity = nullable.then(|| padded(validity));
        Self { ty: TableType { element, nullable }, len, values: padded(bytes), bytes: None, validity }
    }

    /// A table of texts, of at most 2 GiB together; `None` is NULL.
    pub fn texts<'a>(nullable: bool, values: impl ExactSizeIterator<Item = Option<&'a str>>) -> Self {
        let len = values.len();
        let mut offsets = vec![0u8; 4];
        let mut bytes = Vec::new();
        let mut validity = vec![0u8; len.div_ceil(8)];
        for (at, value) in values.enumerate() {
            bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
            offsets.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            validity[at / 8] |= u8::from(value.is_some()) << (at % 8);
        }
        let ty = TableType { element: Type::Text, nullable };
        let validity = nullable.then(|| padded(validity));
        Self { ty, len, values: padded(offsets), bytes: Some(padded(bytes)), validity }
    }
}

impl Table {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        let of = |buffer: &Option<Buffer>| buffer.as_ref().map_or(0, Buffer::len);
        self.values.len() + of(&self.bytes) + of(&self.validity)
    }

    /// A column's values as a table: where its buffers have room behind them, as those have that a run leaves, they are shared.
    pub fn of_column(column: &Column) -> Self {
        let ValueType { ty: element, nullable } = column.ty;
        let bytes = match element {
            Type::Text => (column.rows + 1) * 4,
            ty => (column.rows * ty.bits() as usize).div_ceil(8),
        };
        // A buffer that is a part of an allocation may end with it, or have something else behind it.
        let shared = |buffer: &Buffer, used: usize| {
            let room = buffer.get(used..(used + 1).next_multiple_of(64));
            if room.is_some_and(|room| room.iter().all(|byte| *byte == 0)) {
                buffer.clone()
            } else {
                padded(buffer.as_slice()[..used.min(buffer.len())].to_vec())
            }
        };
        let bits = |buffer: &Buffer| {
            let (used, rest) = (column.rows.div_ceil(8), column.rows % 8);
            if rest > 0 && buffer[used - 1] >> rest != 0 {
                let mut cut = buffer[..used].to_vec();
                cut[used - 1] &= (1 << rest) - 1;
                padded(cut)
            } else {
                shared(buffer, used)
            }
        };
        let (_, end) = column.text_span();
        let values = match element {
            Type::Text if column.rows == 0 => padded(vec![0; 4]),
            Type::Bool => bits(&column.values),
            _ => shared(&column.values, bytes),
        };
        Self {
            ty: TableType { element, nullable },
            len: column.rows,
            values,
            bytes: column.bytes.as_ref().map(|bytes| shared(bytes, end)),
            validity: column.validity.as_ref().map(bits),
        }
    }

    /// The same with NULLs where `valid` is false.
    pub fn with_validity(mut self, valid: impl ExactSizeIterator<Item = bool>) -> Self {
        let bits = Self::bits(valid);
        self.ty.nullable = true;
        self.validity = Some(bits.values);
        self
    }
}

/// Whether a buffer begins with `len + 1` offsets of 32 bits, ascending, into so many bytes.
fn are_offsets(values: &Buffer, len: usize, bytes: usize) -> bool {
    let (words, _) = values.as_chunks::<4>();
    let mut offsets = words.iter().take(len + 1).map(|word| i32::from_le_bytes(*word));
    let mut before = 0;
    offsets.all(|offset| std::mem::replace(&mut before, offset) <= offset)
        && usize::try_from(before).is_ok_and(|end| end <= bytes)
}

/// So many elements one after another, with room behind them.
fn laid_out<const BYTES: usize>(elements: impl Iterator<Item = [u8; BYTES]>, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((count * BYTES + 1).next_multiple_of(64));
    elements.for_each(|element| bytes.extend_from_slice(&element));
    bytes
}

/// The bytes with zeros behind them, so that a vector load at any element stays inside.
pub fn padded(mut bytes: Vec<u8>) -> Buffer {
    let length = (bytes.len() + 1).next_multiple_of(64);
    bytes.resize(length, 0);
    Buffer::from_vec(bytes)
}
