//! Values as Parquet stores them plainly, and the arrays that they become.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, DictionaryArray, PrimitiveArray, StringArray, make_array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowDictionaryKeyType, DataType};
use parquet::basic::Type as Physical;
use parquet::errors::{ParquetError, Result};
use warpwise_gpu::primitive::select::greatest;

use super::hybrid::Key;

/// How a column's values are stored, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// 32 bits, as they are.
    Word,
    /// 32 bits, of which 16 or 8 count.
    Narrow(u32),
    /// 64 bits, as they are.
    Long,
    /// So many bytes of a decimal, the greatest first, which fit 64 bits.
    Fixed(usize),
    /// The same in 128 bits.
    WideFixed(usize),
    /// Strings.
    Text,
}

impl Stored {
    /// How a physical type stores a type of Arrow; none where it is not read here.
    pub fn of(physical: Physical, length: i32, ty: &DataType) -> Option<Self> {
        let decimal = |digits: u8| match ty {
            DataType::Decimal128(precision, _) => *precision <= digits,
            _ => false,
        };
        match physical {
            Physical::INT32 => match ty {
                DataType::Int32 | DataType::UInt32 | DataType::Date32 | DataType::Time32(_) => Some(Self::Word),
                DataType::Decimal128(..) if decimal(9) => Some(Self::Word),
                DataType::Int16 | DataType::UInt16 => Some(Self::Narrow(16)),
                DataType::Int8 | DataType::UInt8 => Some(Self::Narrow(8)),
                _ => None,
            },
            Physical::INT64 => match ty {
                DataType::Int64 | DataType::Timestamp(..) | DataType::Time64(_) => Some(Self::Long),
                DataType::Decimal128(..) if decimal(18) => Some(Self::Long),
                _ => None,
            },
            Physical::FLOAT => (*ty == DataType::Float32).then_some(Self::Word),
            Physical::DOUBLE => (*ty == DataType::Float64).then_some(Self::Long),
            Physical::BYTE_ARRAY => ty.is_string().then_some(Self::Text),
            Physical::FIXED_LEN_BYTE_ARRAY => match usize::try_from(length) {
                Ok(length @ 1..=8) if decimal(18) => Some(Self::Fixed(length)),
                Ok(length @ 1..=16) if decimal(38) => Some(Self::WideFixed(length)),
                _ => None,
            },
            Physical::BOOLEAN | Physical::INT96 => None,
        }
    }

    /// No values yet.
    pub fn empty(self) -> Values {
        self.with_room(0)
    }

    /// No values yet, with room for so many.
    pub fn with_room(self, rows: usize) -> Values {
        match self {
            Self::Word => Values::Words(Vec::with_capacity(rows)),
            Self::Narrow(bits) => Values::Narrow(bits, Vec::with_capacity(rows)),
            Self::Long => Values::Longs(Vec::with_capacity(rows)),
            Self::Fixed(length) => Values::Fixed(length, Vec::with_capacity(rows)),
            Self::WideFixed(length) => Values::Wide(length, Vec::with_capacity(rows)),
            Self::Text => {
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                Values::Text { ends, bytes: Vec::new() }
            }
        }
    }
}

/// Values on their way into an array.
#[derive(Debug)]
pub enum Values {
    /// 32 bits each.
    Words(Vec<i32>),
    /// 32 bits each, of which so many count.
    Narrow(u32, Vec<i32>),
    /// 64 bits each.
    Longs(Vec<i64>),
    /// Decimals of so many bytes each.
    Fixed(usize, Vec<i64>),
    /// Decimals of so many bytes each, with more digits.
    Wide(usize, Vec<i128>),
    /// Strings: where each ends, a zero before, and their bytes.
    Text {
        /// The ends.
        ends: Vec<i32>,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl Values {
    /// How many.
    pub fn rows(&self) -> usize {
        match self {
            Self::Words(values) | Self::Narrow(_, values) => values.len(),
            Self::Longs(values) | Self::Fixed(_, values) => values.len(),
            Self::Wide(_, values) => values.len(),
            Self::Text { ends, .. } => ends.len() - 1,
        }
    }

    /// Appends the first `count` values of a page; none where the page has fewer, or they do not fit.
    pub fn plain(&mut self, data: &[u8], count: usize) -> Option<()> {
        let of = |width: usize| data.get(..count.checked_mul(width)?);
        match self {
            Self::Words(out) | Self::Narrow(_, out) => {
                out.extend(of(4)?.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes)));
            }
            Self::Longs(out) => out.extend(of(8)?.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes))),
            Self::Fixed(width, out) => {
                let width = *width;
                out.extend(of(width)?.chunks_exact(width).map(|bytes| big_endian(bytes) as i64));
            }
            Self::Wide(width, out) => {
                let width = *width;
                out.extend(of(width)?.chunks_exact(width).map(big_endian));
            }
            Self::Text { ends, bytes } => {
                // Each takes four bytes at least.
                if count > data.len() / 4 {
                    return None;
                }
                let mut rest = data;
                bytes.reserve(data.len().saturating_sub(count.saturating_mul(4)));
                ends.reserve(count);
                for _ in 0..count {
                    let (length, behind) = rest.split_first_chunk::<4>()?;
                    let (text, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                    bytes.extend_from_slice(text);
                    ends.push(i32::try_from(bytes.len()).ok()?);
                    rest = behind;
                }
            }
        }
        Some(())
    }

    /// Moves the values from row `from` on to the rows that are valid.
    pub fn spread(&mut self, from: usize, valid: &[u8]) {
        match self {
            Self::Words(values) | Self::Narrow(_, values) => spread(values, from, valid),
            Self::Longs(values) | Self::Fixed(_, values) => spread(values, from, valid),
            Self::Wide(_, values) => spread(values, from, valid),
            Self::Text { ends, .. } => {
                let packed = ends.split_off(from + 1);
                let mut packed = packed.into_iter();
                let mut end = ends[from];
                for level in valid {
                    if *level != 0 {
                        end = packed.next().unwrap_or(end);
                    }
                    ends.push(end);
                }
            }
        }
    }

    /// The array of a column of this type; decimals come no wider than they are stored.
    pub fn finish(self, ty: &DataType, nulls: Option<NullBuffer>) -> Result<Option<ArrayRef>> {
        let (ty, rows, buffer) = match (self, ty) {
            (Self::Words(values), DataType::Decimal128(p, s)) => {
                (DataType::Decimal32(*p, *s), values.len(), Buffer::from_vec(values))
            }
            (Self::Words(values), _) => (ty.clone(), values.len(), Buffer::from_vec(values)),
            (Self::Narrow(16, values), _) => (ty.clone(), values.len(), cut(values, |value| value as i16)),
            (Self::Narrow(_, values), _) => (ty.clone(), values.len(), cut(values, |value| value as i8)),
            (Self::Longs(values) | Self::Fixed(_, values), DataType::Decimal128(p, s)) => {
                (DataType::Decimal64(*p, *s), values.len(), Buffer::from_vec(values))
            }
            (Self::Longs(values) | Self::Fixed(_, values), _) => (ty.clone(), values.len(), Buffer::from_vec(values)),
            (Self::Wide(_, values), _) => (ty.clone(), values.len(), Buffer::from_vec(values)),
            (Self::Text { ends, bytes }, _) => {
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                return Ok(Some(Arc::new(StringArray::try_new(ends, Buffer::from_vec(bytes), nulls)?)));
            }
        };
        let data: ArrayData = ArrayData::builder(ty).len(rows).add_buffer(buffer).nulls(nulls).build()?;
        Ok(Some(make_array(data)))
    }
}

fn cut<T: arrow::datatypes::ArrowNativeType>(values: Vec<i32>, to: impl Fn(i32) -> T) -> Buffer {
    Buffer::from_vec(values.into_iter().map(to).collect::<Vec<T>>())
}

fn big_endian(bytes: &[u8]) -> i128 {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |value, byte| value << 8 | i128::from(*byte))
}

/// Moves the values from row `from` on, of which there are as many as valid rows, to those rows.
pub fn spread<T: Copy + Default>(values: &mut Vec<T>, from: usize, valid: &[u8]) {
    let mut packed = values.len();
    values.resize(from + valid.len(), T::default());
    for (row, level) in valid.iter().enumerate().rev() {
        // What is moved comes from the same row or one before it.
        values[from + row] = if *level != 0 {
            packed -= 1;
            values[packed]
        } else {
            T::default()
        };
    }
}

/// An array of keys and their entries.
pub fn keyed<K: ArrowDictionaryKeyType>(keys: Vec<K::Native>, nulls: Option<NullBuffer>, entries: &ArrayRef) -> Result<ArrayRef>
where
    K::Native: Key + Ord,
{
    // Where a row is NULL its key is 0, which an empty dictionary has no entry of; then no row has a value.
    let most = greatest(&keys).number();
    let empty = entries.is_empty() && nulls.as_ref().is_some_and(|nulls| nulls.null_count() == keys.len());
    if !keys.is_empty() && most >= entries.len() && !empty {
        return Err(ParquetError::General("a key that the dictionary has no entry of".to_owned()));
    }
    let keys = PrimitiveArray::<K>::try_new(ScalarBuffer::from(keys), nulls)?;
    if empty {
        return Ok(Arc::new(DictionaryArray::<K>::try_new(keys, Arc::clone(entries))?));
    }
    // SAFETY: every key is below the number of entries, as was just seen.
    Ok(Arc::new(unsafe { DictionaryArray::<K>::new_unchecked(keys, Arc::clone(entries)) }))
}
