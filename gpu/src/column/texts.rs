//! Strings as texts: offsets of 32 bits and bytes.
//!
//! Arrow's `Utf8` is that already and is shared. `LargeUtf8` shares its bytes; views and dictionaries are copied.

use arrow::array::{Array, ArrayRef, AsArray, GenericStringArray, OffsetSizeTrait, StringArray};
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::dictionary::Words;
use super::raw::Raw;
use crate::error::{Error, Result};

/// Offsets, and what they lead into.
pub(super) type Texts = (Buffer, Buffer);

/// The texts of an array of strings, and which rows are NULL.
pub(super) fn of_array(array: &ArrayRef) -> Result<(Texts, Option<NullBuffer>)> {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let rows = array.len();
    let texts = match array.data_type() {
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            (array.offsets().inner().inner().clone(), array.values().clone())
        }
        DataType::LargeUtf8 => large(array.as_string::<i64>())?,
        DataType::Utf8View => {
            let array = array.as_string_view();
            copied((0..rows).map(|row| if valid(row) { array.value(row) } else { "" }))?
        }
        DataType::Dictionary(..) => {
            let array = array.as_any_dictionary();
            let keys = if array.values().is_empty() { vec![0; rows] } else { array.normalized_keys() };
            let values = array.values();
            match values.data_type() {
                DataType::Utf8 => entries(values.as_string::<i32>(), &keys, valid)?,
                DataType::LargeUtf8 => entries(values.as_string::<i64>(), &keys, valid)?,
                DataType::Utf8View => {
                    let values = values.as_string_view();
                    copied(keys.iter().enumerate().map(|(row, key)| if valid(row) { values.value(*key) } else { "" }))?
                }
                other => return Err(Error::Invalid(format!("a dictionary of {other} for a column of strings"))),
            }
        }
        other => return Err(Error::Invalid(format!("an array of {other} for a column of strings"))),
    };
    Ok((texts, nulls))
}

fn entries<O: OffsetSizeTrait>(values: &GenericStringArray<O>, keys: &[usize], valid: impl Fn(usize) -> bool) -> Result<Texts> {
    copied(keys.iter().enumerate().map(|(row, key)| if valid(row) { values.value(*key) } else { "" }))
}

fn large(array: &GenericStringArray<i64>) -> Result<Texts> {
    let offsets = array.value_offsets();
    let (begin, end) = (offsets[0], offsets[offsets.len() - 1]);
    let _ = offset((end - begin) as usize)?;
    let rebased: Vec<i32> = offsets.iter().map(|at| (at - begin) as i32).collect();
    let bytes = array.values().slice_with_length(begin as usize, (end - begin) as usize);
    Ok((Buffer::from_vec(rebased), bytes))
}

fn offset(bytes: usize) -> Result<i32> {
    i32::try_from(bytes).map_err(|_| Error::Unsupported("more than 2 GiB of text in one chunk".to_owned()))
}

fn copied<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> Result<Texts> {
    let mut offsets = Vec::with_capacity(texts.len() + 1);
    offsets.push(0);
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(text.as_bytes());
        offsets.push(offset(bytes.len())?);
    }
    Ok((Buffer::from_vec(offsets), Buffer::from_vec(bytes)))
}

/// Whether several pieces are few enough bytes for one chunk.
pub(super) fn check(pieces: &[Raw]) -> Result<()> {
    let bytes = pieces.iter().filter_map(|piece| Some((piece.bytes.as_ref()?, piece.values.typed_data::<i32>())));
    let all: usize = bytes.map(|(_, offsets)| (offsets[offsets.len() - 1] - offsets[0]) as usize).sum();
    offset(all).map(|_| ())
}

/// The texts of some pieces one behind the other, which [`check`] has passed; none where one is no text.
pub(super) fn joined(pieces: &[Raw]) -> Option<Texts> {
    if let [Raw { values, bytes: Some(bytes), .. }] = pieces {
        return Some((values.clone(), bytes.clone()));
    }
    let rows: usize = pieces.iter().map(|piece| piece.rows).sum();
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0i32);
    let mut bytes = MutableBuffer::new(0);
    for piece in pieces {
        let from = piece.bytes.as_ref()?;
        let places = &piece.values.typed_data::<i32>()[..=piece.rows];
        let (begin, end) = (places[0], places[piece.rows]);
        let before = bytes.len() as i32;
        offsets.extend(places[1..].iter().map(|place| place - begin + before));
        bytes.extend_from_slice(&from[begin as usize..end as usize]);
    }
    Some((Buffer::from_vec(offsets), bytes.into()))
}

/// The texts that codes stand for, by row; where a row is NULL, none. None where they are too many bytes, or a code is no
/// entry.
pub(super) fn spelled(codes: &[u32], nulls: Option<&NullBuffer>, words: &Words) -> Option<Texts> {
    let entries = words.values();
    let texts = codes.iter().enumerate().map(|(row, code)| {
        let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
        if valid && (*code as usize) < entries.len() { entries.value(*code as usize) } else { "" }
    });
    let known = |(row, code): (usize, &u32)| (*code as usize) < entries.len() || nulls.is_some_and(|nulls| nulls.is_null(row));
    if !codes.iter().enumerate().all(known) {
        return None;
    }
    copied(texts).ok()
}

/// An array over offsets and bytes, both shared. Err where they are no strings.
pub(super) fn array(offsets: &Buffer, bytes: &Buffer, rows: usize, nulls: Option<NullBuffer>) -> Result<StringArray> {
    if offsets.len() < (rows + 1) * 4 {
        return Err(Error::Invalid("a column of texts without all its offsets".to_owned()));
    }
    let aligned = offsets.as_ptr().align_offset(4) == 0;
    let offsets = if aligned { offsets.clone() } else { Buffer::from(offsets.as_slice()) };
    let offsets = ScalarBuffer::<i32>::new(offsets, 0, rows + 1);
    let ascending = offsets[0] >= 0 && offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ascending {
        return Err(Error::Invalid("a column of texts whose offsets do not ascend".to_owned()));
    }
    StringArray::try_new(OffsetBuffer::new(offsets), bytes.clone(), nulls).map_err(|error| Error::Invalid(error.to_string()))
}
