//! Columns as devices read them, and what pipelines leave.
//!
//! A [`Column`] is one column of one chunk at its physical type; a [`Chunk`] is a run of rows, with a column for
//! each of the columns that a pipeline declares. Buffers are Arrow's: the plain encoding shares them.

mod coded;
mod decode;
mod dictionary;
pub(crate) mod element;
mod encode;
mod encoding;
mod hash;
mod integers;
mod raw;
mod strings;
mod texts;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::buffer::Buffer;

use crate::program::{Type, ValueType};

pub use decode::Decode;
pub use dictionary::{DICTIONARY_LIMIT, Dictionary, Sorted, Words};
pub use encode::{Broken, Prepared, recode, spell};
pub use encoding::{Encoding, Facts, Present, Summary};
pub(crate) use hash::hash_of_long;
pub(crate) use integers::hull;
pub use raw::chunks;

/// The most rows of a chunk. A multiple of 64, so that slices of bits begin at a byte.
pub const CHUNK_ROWS: usize = 1 << 18;

/// One column of one chunk. Never changes.
#[derive(Debug, Clone)]
pub struct Column {
    /// Names it for good in this process: device caches use it as a key.
    pub key: u64,
    /// What it holds; nullable exactly where `validity` is there.
    pub ty: ValueType,
    /// How many rows.
    pub rows: usize,
    /// The values, little endian, `Bool` packed a bit each, lowest first, from bit 0. Exactly `rows` of them may be read;
    /// aligned to the type's size. What stands at a row that is NULL is any value of the type. Of texts: `rows + 1` offsets
    /// of 32 bits into `bytes`, ascending; the first need not be 0.
    pub values: Buffer,
    /// The bytes of texts; there exactly where they are texts. What lies in front of the first offset and behind the last is
    /// not the column's.
    pub bytes: Option<Buffer>,
    /// A bit for each row, set where it is not NULL, from bit 0.
    pub validity: Option<Buffer>,
    /// The least and the greatest stored value, of integer and `bool` columns with a value that is not NULL.
    pub range: Option<(i128, i128)>,
}

impl Column {
    /// A column with a key of its own.
    pub fn new(ty: ValueType, rows: usize, values: Buffer, validity: Option<Buffer>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let key = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { key, ty, rows, values, bytes: None, validity, range: None }
    }

    /// A column of texts: offsets, and the bytes that they lead into.
    pub fn texts(rows: usize, offsets: Buffer, bytes: Buffer, validity: Option<Buffer>) -> Self {
        let ty = ValueType { ty: Type::Text, nullable: validity.is_some() };
        Self { bytes: Some(bytes), ..Self::new(ty, rows, offsets, validity) }
    }

    /// Where the bytes of a column of texts begin and end; nothing of another column.
    pub fn text_span(&self) -> (usize, usize) {
        match self.bytes {
            Some(_) if self.values.len() >= (self.rows + 1) * 4 => {
                let offset = |at: usize| self.values[at * 4..].first_chunk().map_or(0, |word| i32::from_le_bytes(*word) as usize);
                (offset(0), offset(self.rows))
            }
            _ => (0, 0),
        }
    }

    /// Whether every byte of a column of texts is ASCII; it has as many characters as bytes then. False of another column.
    pub fn is_ascii(&self) -> bool {
        let (begin, end) = self.text_span();
        self.bytes.as_ref().is_some_and(|bytes| bytes[begin..end].is_ascii())
    }

    /// Whether its buffers hold as many rows as it says. It looks at their lengths alone.
    pub(crate) fn is_whole(&self) -> bool {
        let is_text = self.ty.ty == Type::Text;
        let offsets = usize::from(is_text && self.rows > 0);
        self.values.len() >= ((self.rows + offsets) * self.ty.ty.stored_bits() as usize).div_ceil(8)
            && self.validity.as_ref().is_none_or(|bits| bits.len() >= self.rows.div_ceil(8))
            && self.bytes.is_some() == is_text
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        let (begin, end) = self.text_span();
        self.values.len() + (end - begin) + self.validity.as_ref().map_or(0, Buffer::len)
    }
}

/// A run of at most [`CHUNK_ROWS`] rows.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// How many rows.
    pub rows: usize,
    /// One for each of the pipeline's columns, each of the same type; where the pipeline's is nullable, the chunk's
    /// need not be, never the other way round.
    pub columns: Vec<Arc<Column>>,
}

/// What a sink leaves: columns of equal length, any number of rows.
#[derive(Debug, Clone)]
pub struct Output {
    /// How many rows.
    pub rows: usize,
    /// The columns, as the sink says.
    pub columns: Vec<Column>,
}
