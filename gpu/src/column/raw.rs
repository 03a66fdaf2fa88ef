//! Arrow's arrays as buffers: what an encoder reads.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::DataType;

use super::CHUNK_ROWS;
use super::coded::{Entries, Keys, keys};
use super::integers::Integers;
use super::strings::Encoder;
use super::texts;
use crate::error::{Error, Result};
use crate::program::Type;
use crate::types::{Form, accepts, form};

/// The rows of an array, or of a part of one.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    /// Arrow's physical type, or that of codes; where there are entries, that of the keys.
    pub(super) ty: Type,
    /// The values, from the first row on; bits from bit 0.
    pub(super) values: Buffer,
    /// The bytes of texts, into which the values lead then.
    pub(super) bytes: Option<Buffer>,
    /// Which are NULL; none where no row is.
    pub(super) nulls: Option<NullBuffer>,
    /// How many.
    pub(super) rows: usize,
    /// What the values are keys of, where they came with a dictionary of their own.
    pub(super) entries: Option<Entries>,
}

impl Raw {
    /// An array of a column declared as `logical`; strings become codes, by the encoder, or without it texts.
    pub(super) fn new(logical: &DataType, array: &ArrayRef, strings: Option<&mut Encoder<'_>>) -> Result<Self> {
        if !accepts(logical, array.data_type()) {
            return Err(Error::Invalid(format!("an array of {} for a column of {logical}", array.data_type())));
        }
        let rows = array.len();
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        let fixed = |ty: Type| {
            let data = array.to_data();
            let values = data.buffers()[0].slice_with_length(data.offset() * ty.bytes(), rows * ty.bytes());
            Self { ty, values, bytes: None, nulls: nulls.clone(), rows, entries: None }
        };
        if let Some(keys) = keys(array) {
            let entries = match (form(keys.entries.data_type())?, strings) {
                (Form::Bits, _) => return Self::new(logical, &keys.unpacked(array)?, None),
                (Form::Floats(ty) | Form::Integers(ty), _) => Entries::fixed(ty, &keys.entries),
                (Form::Strings, Some(encoder)) => Entries::codes(keys.translated(encoder)?),
                (Form::Strings, None) => return Self::texts(array),
            };
            let Keys { ty, values, nulls, .. } = keys;
            return Ok(Self { ty, values, bytes: None, nulls, rows, entries: Some(entries) });
        }
        Ok(match form(array.data_type())? {
            Form::Bits => {
                Self { ty: Type::Bool, values: array.as_boolean().values().sliced(), bytes: None, nulls, rows, entries: None }
            }
            Form::Floats(ty) | Form::Integers(ty) => fixed(ty),
            Form::Strings => match strings {
                Some(encoder) => {
                    let (codes, nulls) = encoder.encode(array)?;
                    Self { ty: Type::U32, values: Buffer::from_vec(codes), bytes: None, nulls, rows, entries: None }
                }
                None => Self::texts(array)?,
            },
        })
    }

    /// The texts of an array of strings.
    fn texts(array: &ArrayRef) -> Result<Self> {
        let ((offsets, bytes), nulls) = texts::of_array(array)?;
        Ok(Self { ty: Type::Text, values: offsets, bytes: Some(bytes), nulls, rows: array.len(), entries: None })
    }

    /// Whether it is texts, and every byte of them is ASCII.
    pub(super) fn is_ascii(&self) -> bool {
        let Some(bytes) = &self.bytes else { return false };
        let offsets = self.values.typed_data::<i32>();
        bytes[offsets[0] as usize..offsets[self.rows] as usize].is_ascii()
    }

    /// How many rows are NULL.
    pub(super) fn null_count(&self) -> usize {
        self.nulls.as_ref().map_or(0, NullBuffer::null_count)
    }

    /// The keys of a piece that has entries.
    pub(super) fn keys(&self) -> Integers<'_> {
        Integers { ty: self.ty, values: &self.values, nulls: self.nulls.as_ref(), rows: self.rows }
    }

    /// The type of its values, or of the entries that they are keys of.
    pub(super) fn value_type(&self) -> Type {
        self.entries.as_ref().map_or(self.ty, |entries| entries.ty)
    }

    /// Its values as integers, or the entries that they are keys of. It must hold such.
    pub(super) fn integers(&self) -> Integers<'_> {
        if let Some(entries) = &self.entries {
            return entries.integers();
        }
        Integers { ty: self.ty, values: &self.values, nulls: self.nulls.as_ref(), rows: self.rows }
    }
}

/// The arrays of a segment's column cut into chunks, each a few arrays in order. The cuts depend on the number of rows
/// alone, so they are the same for all columns of a segment.
pub fn chunks(arrays: &[ArrayRef]) -> Vec<Vec<ArrayRef>> {
    let mut chunks = Vec::new();
    let mut open: Vec<ArrayRef> = Vec::new();
    let mut filled = 0;
    for array in arrays {
        let mut at = 0;
        while at < array.len() {
            let take = (CHUNK_ROWS - filled).min(array.len() - at);
            open.push(array.slice(at, take));
            at += take;
            filled += take;
            if filled == CHUNK_ROWS {
                chunks.push(std::mem::take(&mut open));
                filled = 0;
            }
        }
    }
    if !open.is_empty() {
        chunks.push(open);
    }
    chunks
}
