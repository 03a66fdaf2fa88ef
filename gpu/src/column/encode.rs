//! Arrow's arrays to columns.
//!
//! Two steps: a [`Prepared`] chunk says what its values are ([`Summary`]), and once it is known what the column's other
//! chunks hold, [`Prepared::encode`] stores it. An encoding that does not hold a value is [`Broken`]: whoever chose it
//! relied on a claim, and chooses again. [`recode`] brings a stored chunk to a wider encoding without its source.

use arrow::array::{ArrayRef, BooleanBufferBuilder};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow::datatypes::DataType;

use super::Column;
use super::dictionary::{Dictionary, Words};
use super::encoding::{Encoding, Present, Summary};
use super::integers::{Integers, Misfit, Scale, hull};
use super::raw::Raw;
use super::strings::Encoder;
use super::texts;
use crate::error::Result;
use crate::program::{Type, ValueType};
use crate::types::units;

/// The encoding chosen does not hold a value of the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl From<Misfit> for Broken {
    fn from(Misfit: Misfit) -> Self {
        Self
    }
}

/// A chunk of a column on its way, still in Arrow's buffers; strings may be codes already.
#[derive(Debug)]
pub struct Prepared {
    rows: usize,
    nulls: usize,
    pieces: Vec<Raw>,
}

impl Prepared {
    /// The rows of some arrays in order, at most a chunk's. Strings that the dictionary lacks become entries; one that
    /// would pass its limit is refused (`Unsupported`). Without a dictionary strings become texts.
    pub fn new(logical: &DataType, arrays: &[ArrayRef], dictionary: Option<&Dictionary>) -> Result<Self> {
        let mut strings = dictionary.map(Encoder::new);
        let pieces = arrays.iter().map(|array| Raw::new(logical, array, strings.as_mut())).collect::<Result<Vec<_>>>()?;
        texts::check(&pieces)?;
        let rows = pieces.iter().map(|piece| piece.rows).sum();
        Ok(Self { rows, nulls: pieces.iter().map(Raw::null_count).sum(), pieces })
    }

    /// Which integers there are in it as it was stored, where their lowest byte tells them apart.
    pub fn present(&self, stored: &Column) -> Option<Present> {
        if stored.ty.ty.bits() != 8 {
            return None;
        }
        let each = self.pieces.iter().map(|piece| piece.integers().present());
        each.reduce(|a, b| std::array::from_fn(|at| a[at] | b[at]))
    }

    /// How many of its rows are NULL.
    pub fn nulls(&self) -> usize {
        self.nulls
    }

    /// What its values are.
    pub fn summary(&self, logical: &DataType) -> Summary {
        let units = units(logical);
        let empty = Summary { rows: self.rows, nulls: self.nulls, ..Summary::empty(logical) };
        self.pieces.iter().fold(empty, |sum, piece| {
            let (range, unit, present) = match piece.value_type() {
                Type::Bool => (bits_range(piece), 1, None),
                Type::F32 | Type::F64 | Type::Text => (None, 1, None),
                Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::U8 | Type::U16 | Type::U32 => {
                    let integers = piece.integers();
                    let (range, unit) = integers.summary(&units);
                    let near = range.is_none_or(|(low, high)| high - low < 256);
                    (range, unit, near.then(|| integers.present()))
                }
            };
            Summary {
                range: hull(sum.range, range),
                present: sum.present.zip(present).map(|(a, b)| std::array::from_fn(|at| a[at] | b[at])),
                unit: sum.unit.min(unit),
                text: sum.text || piece.ty == Type::Text,
                ascii: sum.ascii && piece.is_ascii(),
                ..sum
            }
        })
    }

    /// Stores it. Arrow's buffers are shared wherever the encoding is Arrow's and the chunk lies in one array; bits that
    /// do not begin at a byte are copied.
    pub fn encode(&self, encoding: Encoding) -> Result<Column, Broken> {
        let (values, range) = match encoding {
            Encoding::Bits => self.bits()?,
            Encoding::Plain(ty) => (self.plain(ty)?, None),
            Encoding::Narrow { ty, unit } => self.narrow(ty, unit)?,
            Encoding::Dictionary { ty } => self.narrow(ty, 1)?,
            Encoding::Text => {
                let (offsets, bytes) = texts::joined(&self.pieces).ok_or(Broken)?;
                return Ok(Column::texts(self.rows, offsets, bytes, self.validity()));
            }
        };
        let validity = self.validity();
        let ty = ValueType { ty: encoding.ty(), nullable: validity.is_some() };
        let mut column = Column::new(ty, self.rows, values, validity);
        column.range = range;
        Ok(column)
    }

    fn bits(&self) -> Result<(Buffer, Option<(i128, i128)>), Broken> {
        if self.pieces.iter().any(|piece| piece.ty != Type::Bool) {
            return Err(Broken);
        }
        let range = self.pieces.iter().fold(None, |range, piece| hull(range, bits_range(piece)));
        let values = match self.pieces.as_slice() {
            [one] => one.values.clone(),
            several => {
                let mut bits = BooleanBufferBuilder::new(self.rows);
                several.iter().for_each(|piece| bits.append_buffer(&BooleanBuffer::new(piece.values.clone(), 0, piece.rows)));
                bits.finish().into_inner()
            }
        };
        Ok((values, range))
    }

    fn plain(&self, ty: Type) -> Result<Buffer, Broken> {
        if self.pieces.iter().any(|piece| piece.value_type() != ty) {
            return Err(Broken);
        }
        if self.pieces.iter().any(|piece| piece.entries.is_some()) {
            let mut values = MutableBuffer::from_len_zeroed(self.rows * ty.bytes());
            let mut at = 0;
            for piece in &self.pieces {
                match &piece.entries {
                    Some(entries) => entries.write(&piece.keys(), None, &mut values, at),
                    None => values[at * ty.bytes()..][..piece.values.len()].copy_from_slice(&piece.values),
                }
                at += piece.rows;
            }
            return Ok(values.into());
        }
        Ok(match self.pieces.as_slice() {
            [one] => one.values.clone(),
            several => {
                let mut values = MutableBuffer::with_capacity(self.rows * ty.bytes());
                several.iter().for_each(|piece| values.extend_from_slice(piece.values.as_slice()));
                values.into()
            }
        })
    }

    fn narrow(&self, ty: Type, unit: i128) -> Result<(Buffer, Option<(i128, i128)>), Broken> {
        if self.pieces.iter().any(|piece| !piece.value_type().is_integer()) {
            return Err(Broken);
        }
        let allowed = ty.range().ok_or(Broken)?;
        if let [one] = self.pieces.as_slice()
            && one.ty.bits() == ty.bits()
            && unit == 1
            && one.entries.is_none()
        {
            // The same width: the bytes are the same, signed or not, once the values are known to fit.
            let (range, _) = one.integers().summary(&[1]);
            let fits = range.is_none_or(|(low, high)| allowed.0 <= low && high <= allowed.1);
            return if fits { Ok((one.values.clone(), range)) } else { Err(Broken) };
        }
        let mut out = MutableBuffer::from_len_zeroed(self.rows * ty.bytes());
        let (mut range, mut at) = (None, 0);
        for piece in &self.pieces {
            let found = match &piece.entries {
                Some(entries) => {
                    let all = entries.integers();
                    let mut narrowed = MutableBuffer::from_len_zeroed(all.rows * ty.bytes());
                    let range = all.convert(Scale::Divide(unit), ty, allowed, &mut narrowed, 0)?;
                    entries.write(&piece.keys(), Some((ty, &narrowed.into())), &mut out, at);
                    range.filter(|_| piece.null_count() < piece.rows)
                }
                None => piece.integers().convert(Scale::Divide(unit), ty, allowed, &mut out, at)?,
            };
            range = hull(range, found);
            at += piece.rows;
        }
        Ok((out.into(), range))
    }

    /// A bit for each row, where some row is NULL.
    fn validity(&self) -> Option<Buffer> {
        if self.nulls == 0 {
            return None;
        }
        Some(match self.pieces.as_slice() {
            [Raw { nulls: Some(nulls), .. }] => nulls.inner().sliced(),
            several => {
                let mut bits = BooleanBufferBuilder::new(self.rows);
                for piece in several {
                    match &piece.nulls {
                        Some(nulls) => bits.append_buffer(nulls.inner()),
                        None => bits.append_n(piece.rows, true),
                    }
                }
                bits.finish().into_inner()
            }
        })
    }
}

/// A column of one encoding in another of the same column: wider, and of a unit that divides the first.
pub fn recode(column: &Column, from: Encoding, to: Encoding) -> Result<Column, Broken> {
    let (ty, scale) = match (from, to) {
        _ if from == to => return Ok(column.clone()),
        (Encoding::Narrow { unit: from, .. }, Encoding::Narrow { ty, unit: to }) if from % to == 0 => {
            (ty, Scale::Multiply(from / to))
        }
        (Encoding::Narrow { unit: from, .. }, Encoding::Narrow { ty, unit: to }) if to % from == 0 => {
            (ty, Scale::Divide(to / from))
        }
        (Encoding::Dictionary { .. }, Encoding::Dictionary { ty }) => (ty, Scale::Multiply(1)),
        (Encoding::Bits | Encoding::Plain(_) | Encoding::Narrow { .. } | Encoding::Dictionary { .. } | Encoding::Text, _) => {
            return Err(Broken);
        }
    };
    let nulls = column.validity.as_ref().map(|bits| NullBuffer::new(BooleanBuffer::new(bits.clone(), 0, column.rows)));
    let integers = Integers { ty: column.ty.ty, values: &column.values, nulls: nulls.as_ref(), rows: column.rows };
    let mut out = MutableBuffer::from_len_zeroed(column.rows * ty.bytes());
    let range = integers.convert(scale, ty, ty.range().ok_or(Broken)?, &mut out, 0)?;
    let ty = ValueType { ty, nullable: column.ty.nullable };
    let mut found = Column::new(ty, column.rows, out.into(), column.validity.clone());
    found.range = range;
    Ok(found)
}

/// A column of codes as texts.
pub fn spell(column: &Column, words: &Words) -> Result<Column, Broken> {
    let nulls = column.validity.as_ref().map(|bits| NullBuffer::new(BooleanBuffer::new(bits.clone(), 0, column.rows)));
    let integers = Integers { ty: column.ty.ty, values: &column.values, nulls: nulls.as_ref(), rows: column.rows };
    let mut codes = MutableBuffer::from_len_zeroed(column.rows * 4);
    integers.convert(Scale::Multiply(1), Type::U32, (0, u32::MAX.into()), &mut codes, 0)?;
    let (offsets, bytes) = texts::spelled(codes.typed_data::<u32>(), nulls.as_ref(), words).ok_or(Broken)?;
    Ok(Column::texts(column.rows, offsets, bytes, column.validity.clone()))
}

/// The least and the greatest bit of a row that is not NULL.
fn bits_range(piece: &Raw) -> Option<(i128, i128)> {
    let bits = BooleanBuffer::new(piece.values.clone(), 0, piece.rows);
    let (valid, set) = match &piece.nulls {
        Some(nulls) => (piece.rows - nulls.null_count(), (&bits & nulls.inner()).count_set_bits()),
        None => (piece.rows, bits.count_set_bits()),
    };
    (valid > 0).then(|| (i128::from(set == valid), i128::from(set > 0)))
}
