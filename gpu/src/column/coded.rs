//! Values that come as keys of a dictionary of their own, as Parquet files have them.
//!
//! Such a piece is encoded entry by entry, and its rows by a look into the entries at their final width: what is tested,
//! divided or hashed is done once for each entry instead of once for each row.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::integers::{Integers, look_up};
use super::strings::Encoder;
use crate::error::{Error, Result};
use crate::program::Type;

/// What keys stand for; none is NULL.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    /// Their type.
    pub(super) ty: Type,
    values: Buffer,
    count: usize,
}

/// An array's keys and its entries.
pub(super) struct Keys {
    /// The unsigned type of the keys.
    pub(super) ty: Type,
    /// The keys; any where a row is NULL.
    pub(super) values: Buffer,
    /// Which rows are NULL; none where no row is.
    pub(super) nulls: Option<NullBuffer>,
    /// What the keys stand for.
    pub(super) entries: ArrayRef,
    rows: usize,
}

/// The keys of an array that has a dictionary, where they are of a type that is looked up directly.
pub(super) fn keys(array: &ArrayRef) -> Option<Keys> {
    let DataType::Dictionary(key, _) = array.data_type() else { return None };
    // A key that is valid is not negative, so its bytes are the same without a sign.
    let ty = match key.as_ref() {
        DataType::UInt8 | DataType::Int8 => Type::U8,
        DataType::UInt16 | DataType::Int16 => Type::U16,
        DataType::UInt32 | DataType::Int32 => Type::U32,
        _ => return None,
    };
    let entries = array.as_any_dictionary().values();
    if entries.null_count() > 0 {
        return None;
    }
    let data = array.as_any_dictionary().keys().to_data();
    let values = data.buffers()[0].slice_with_length(data.offset() * ty.bytes(), array.len() * ty.bytes());
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
    Some(Keys { ty, values, nulls, entries: entries.clone(), rows: array.len() })
}

impl Keys {
    /// The array without its dictionary.
    pub(super) fn unpacked(&self, array: &ArrayRef) -> Result<ArrayRef> {
        cast(array, self.entries.data_type()).map_err(|error| Error::Invalid(error.to_string()))
    }

    /// The codes of a column's dictionary for each entry in use; for others, any.
    pub(super) fn translated(&self, encoder: &mut Encoder<'_>) -> Result<Vec<u32>> {
        let mut used = vec![false; self.entries.len()];
        let mut mark = |row: usize, key: usize| {
            if self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                used[key] = true;
            }
        };
        match self.ty {
            Type::U8 => {
                let mut seen = [false; 256];
                match &self.nulls {
                    None => self.values.iter().for_each(|key| seen[usize::from(*key)] = true),
                    Some(nulls) => nulls.valid_indices().for_each(|row| seen[usize::from(self.values[row])] = true),
                }
                used.iter_mut().zip(seen).for_each(|(used, seen)| *used = seen);
            }
            Type::U16 => self.values.typed_data::<u16>().iter().enumerate().for_each(|(row, key)| mark(row, usize::from(*key))),
            _ => self.values.typed_data::<u32>()[..self.rows].iter().enumerate().for_each(|(row, key)| mark(row, *key as usize)),
        }
        encoder.entries(&self.entries, &used, self.rows)
    }
}

impl Entries {
    /// Entries of a fixed width.
    pub(super) fn fixed(ty: Type, entries: &ArrayRef) -> Self {
        let data = entries.to_data();
        let values = data.buffers()[0].slice_with_length(data.offset() * ty.bytes(), entries.len() * ty.bytes());
        Self { ty, values, count: entries.len() }
    }

    /// Codes.
    pub(super) fn codes(codes: Vec<u32>) -> Self {
        Self { ty: Type::U32, count: codes.len(), values: Buffer::from_vec(codes) }
    }

    /// The entries as integers. They must be such.
    pub(super) fn integers(&self) -> Integers<'_> {
        Integers { ty: self.ty, values: &self.values, nulls: None, rows: self.count }
    }

    /// Writes the entries of keys into `out` from row `at` on: as they are, or those that `narrowed` holds in their place.
    pub(super) fn write(&self, keys: &Integers<'_>, narrowed: Option<(Type, &Buffer)>, out: &mut MutableBuffer, at: usize) {
        // Floats are bits here.
        let (ty, values) = narrowed.unwrap_or_else(|| (if self.ty.bytes() == 4 { Type::I32 } else { Type::I64 }, &self.values));
        look_up(keys, ty, values, self.count, out, at);
    }
}
