//! Columns to Arrow's arrays: what a query's last pipeline left becomes a record batch.

use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, BooleanArray, StringViewArray, UInt32Array, make_array, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;

use super::Column;
use super::dictionary::Words;
use super::encoding::Facts;
use super::integers::{Integers, Misfit, Scale};
use super::texts;
use crate::error::{Error, Result};
use crate::program::Type;
use crate::types::{Form, form, limits};

/// What a column means.
#[derive(Debug, Clone)]
pub struct Decode {
    /// The type of Arrow wanted.
    pub logical: DataType,
    /// What a stored integer is multiplied by to be Arrow's: a column's unit, or a power of ten that a sum still lacks.
    pub multiplier: i128,
    /// What the codes of strings mean.
    pub words: Option<Words>,
}

impl Decode {
    /// A column as it was stored.
    pub fn of(facts: &Facts) -> Self {
        Self { logical: facts.logical.clone(), multiplier: facts.unit(), words: facts.words.clone() }
    }

    /// Values that need nothing but their type.
    pub fn plain(logical: DataType) -> Self {
        Self { logical, multiplier: 1, words: None }
    }

    /// The array that a column means. An integer that the type does not hold raises the type's fault. The buffer is
    /// shared where Arrow's would be the same.
    pub fn array(&self, column: &Column) -> Result<ArrayRef> {
        let nulls = column.validity.as_ref().map(|bits| NullBuffer::new(BooleanBuffer::new(bits.clone(), 0, column.rows)));
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let stored = column.ty.ty;
        match form(&self.logical)? {
            Form::Bits if stored == Type::Bool => {
                Ok(Arc::new(BooleanArray::new(BooleanBuffer::new(column.values.clone(), 0, column.rows), nulls)))
            }
            Form::Floats(ty) if stored == ty => self.fixed(aligned(&column.values, ty), column.rows, nulls),
            Form::Integers(ty) if stored.is_integer() => {
                let values = self.integers(column, nulls.as_ref(), ty)?;
                self.fixed(values, column.rows, nulls)
            }
            Form::Strings if stored.is_integer() => self.strings(column, nulls),
            Form::Strings if stored == Type::Text => self.texts(column, nulls),
            Form::Bits | Form::Floats(_) | Form::Integers(_) | Form::Strings => {
                Err(Error::Invalid(format!("a column of {} is no {}", stored.name(), self.logical)))
            }
        }
    }

    fn fixed(&self, values: Buffer, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let data = ArrayData::builder(self.logical.clone()).len(rows).add_buffer(values).nulls(nulls);
        data.build().map(make_array).map_err(|error| Error::Invalid(error.to_string()))
    }

    fn integers(&self, column: &Column, nulls: Option<&NullBuffer>, ty: Type) -> Result<Buffer> {
        let stored = column.ty.ty;
        let values = aligned(&column.values, stored);
        let integers = Integers { ty: stored, values: &values, nulls, rows: column.rows };
        let (low, high, fault) = limits(&self.logical)?;
        if stored.bits() == ty.bits() && self.multiplier == 1 {
            let anything = stored.range().is_some_and(|(least, greatest)| low <= least && greatest <= high);
            let known = column.range.filter(|_| !anything);
            let range = if anything { None } else { known.or_else(|| integers.summary(&[1]).0) };
            return match range {
                Some((least, greatest)) if least < low || greatest > high => Err(Error::Fault(fault)),
                Some(_) | None => Ok(values),
            };
        }
        let mut out = MutableBuffer::from_len_zeroed(column.rows * ty.bytes());
        match integers.convert(Scale::Multiply(self.multiplier), ty, (low, high), &mut out, 0) {
            Ok(_) => Ok(out.into()),
            Err(Misfit) => Err(Error::Fault(fault)),
        }
    }

    fn strings(&self, column: &Column, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let words = self.words.as_ref().ok_or_else(|| Error::Invalid("codes without their dictionary".to_owned()))?;
        if nulls.as_ref().map_or(0, NullBuffer::null_count) == column.rows {
            return Ok(new_null_array(&self.logical, column.rows));
        }
        let codes = self.codes(column, nulls.as_ref(), words.len())?;
        let failed = |error: arrow::error::ArrowError| Error::Invalid(error.to_string());
        if self.logical == DataType::Utf8View {
            // The entries' text is shared; a row takes a view of it.
            let entries = words.views();
            let views: ScalarBuffer<u128> = codes.iter().map(|code| entries.views()[*code as usize]).collect();
            let found = StringViewArray::try_new(views, entries.data_buffers().to_vec(), nulls).map_err(failed)?;
            return Ok(Arc::new(found));
        }
        let codes = UInt32Array::new(codes, nulls);
        let strings = take(&words.values(), &codes, None).map_err(failed)?;
        match &self.logical {
            DataType::Utf8 => Ok(strings),
            other => cast(&strings, other).map_err(failed),
        }
    }

    fn texts(&self, column: &Column, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let bytes = column.bytes.as_ref().ok_or_else(|| Error::Invalid("offsets without their bytes".to_owned()))?;
        let found = texts::array(&column.values, bytes, column.rows, nulls)?;
        match &self.logical {
            DataType::Utf8 => Ok(Arc::new(found)),
            DataType::Utf8View => Ok(Arc::new(StringViewArray::from(&found))),
            other => cast(&found, other).map_err(|error| Error::Invalid(error.to_string())),
        }
    }

    /// The codes in 32 bits, each an entry; 0 where the row is NULL.
    fn codes(&self, column: &Column, nulls: Option<&NullBuffer>, entries: usize) -> Result<ScalarBuffer<u32>> {
        let values = aligned(&column.values, column.ty.ty);
        let integers = Integers { ty: column.ty.ty, values: &values, nulls, rows: column.rows };
        let mut out = MutableBuffer::from_len_zeroed(column.rows * 4);
        match integers.convert(Scale::Multiply(1), Type::U32, (0, entries as i128 - 1), &mut out, 0) {
            Ok(_) => Ok(ScalarBuffer::new(out.into(), 0, column.rows)),
            Err(Misfit) => Err(Error::Invalid(format!("a code past the {entries} entries of its dictionary"))),
        }
    }
}

/// The buffer, copied where it does not begin at a multiple of the type's size: an output's may come from anywhere.
fn aligned(values: &Buffer, ty: Type) -> Buffer {
    // 128 bits are the widest of all.
    let natural = ty.bytes().min(align_of::<i128>());
    if values.as_ptr().align_offset(natural) == 0 { values.clone() } else { Buffer::from(values.as_slice()) }
}
