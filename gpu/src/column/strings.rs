//! Strings to codes of a dictionary.
//!
//! Nearly every row of a column with few distinct values repeats one of a few hundred: a small table, owned by the
//! thread, answers those without a look at the dictionary. The dictionary's lock is held to read for some rows at a
//! time, and to write only for a value that no thread has seen.

use arrow::array::{Array, ArrayRef, AsArray, GenericStringArray, OffsetSizeTrait, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use parking_lot::RwLockReadGuard;

use super::dictionary::{Dictionary, Entries};
use super::hash::{Hash, SHORT, short_key};
use crate::error::{Error, Result};

/// Entries of the small table: with 32 bytes each, half of a first-level cache or so.
const RECENT: usize = 512;

/// Rows for which the dictionary's lock may be held at a stretch, so that one who adds a value waits microseconds.
const HELD: usize = 1024;

/// A key that no string has: its last byte is none of a length.
const NO_KEY: u128 = u128::MAX;

/// A code that no value has.
const NO_CODE: u32 = u32::MAX;

/// The codes of an array of strings, appended to `codes`, 0 where a row is NULL; and which rows are.
pub(super) fn encode(dictionary: &Dictionary, array: &ArrayRef, codes: &mut Vec<u32>) -> Result<Option<NullBuffer>> {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let mut encoder = Encoder::new(dictionary);
    match array.data_type() {
        DataType::Utf8 => encoder.offsets(array.as_string::<i32>(), nulls.as_ref(), codes)?,
        DataType::LargeUtf8 => encoder.offsets(array.as_string::<i64>(), nulls.as_ref(), codes)?,
        DataType::Utf8View => encoder.views(array.as_string_view(), nulls.as_ref(), codes)?,
        DataType::Dictionary(..) => encoder.translated(array, nulls.as_ref(), codes)?,
        other => return Err(Error::Invalid(format!("an array of {other} for a column of strings"))),
    }
    Ok(nulls)
}

struct Encoder<'a> {
    dictionary: &'a Dictionary,
    guard: Option<RwLockReadGuard<'a, Entries>>,
    recent: Vec<(u128, u32)>,
    previous: (u128, u32),
}

impl<'a> Encoder<'a> {
    fn new(dictionary: &'a Dictionary) -> Self {
        Self { dictionary, guard: None, recent: vec![(NO_KEY, 0); RECENT], previous: (NO_KEY, 0) }
    }

    fn offsets<O: OffsetSizeTrait>(
        &mut self,
        array: &GenericStringArray<O>,
        nulls: Option<&NullBuffer>,
        codes: &mut Vec<u32>,
    ) -> Result<()> {
        let (data, offsets) = (array.value_data(), array.value_offsets());
        codes.reserve(array.len());
        for (row, pair) in offsets.windows(2).enumerate() {
            self.breathe(row);
            let code = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                0
            } else {
                let (start, end) = (pair[0].as_usize(), pair[1].as_usize());
                match short_key(data, start, end - start) {
                    Some(key) => self.short(key)?,
                    None => self.long(&data[start..end])?,
                }
            };
            codes.push(code);
        }
        self.guard = None;
        Ok(())
    }

    fn views(&mut self, array: &StringViewArray, nulls: Option<&NullBuffer>, codes: &mut Vec<u32>) -> Result<()> {
        codes.reserve(array.len());
        // Equal views of one array are equal strings; of most columns most rows are equal to one not far before.
        let mut seen = vec![(0u128, NO_CODE); RECENT];
        for (row, view) in array.views().iter().enumerate() {
            self.breathe(row);
            let code = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                0
            } else {
                let at = Hash::of_key(*view).place() % RECENT;
                match seen[at] {
                    (same, code) if same == *view && code != NO_CODE => code,
                    _ => {
                        let text = array.value(row).as_bytes();
                        let code = self.text(text)?;
                        seen[at] = (*view, code);
                        code
                    }
                }
            };
            codes.push(code);
        }
        self.guard = None;
        Ok(())
    }

    /// The codes of an array with a dictionary of its own: each of its entries in use is looked up once.
    fn translated(&mut self, array: &ArrayRef, nulls: Option<&NullBuffer>, codes: &mut Vec<u32>) -> Result<()> {
        let array = array.as_any_dictionary();
        if array.values().is_empty() {
            codes.resize(codes.len() + array.len(), 0);
            return Ok(());
        }
        let keys = array.normalized_keys();
        let mut used = vec![false; array.values().len()];
        for (row, key) in keys.iter().enumerate() {
            used[*key] |= nulls.is_none_or(|nulls| nulls.is_valid(row));
        }
        let mut translation = vec![0; used.len()];
        let values = array.values();
        for (key, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            let text = match values.data_type() {
                DataType::Utf8 => values.as_string::<i32>().value(key),
                DataType::LargeUtf8 => values.as_string::<i64>().value(key),
                DataType::Utf8View => values.as_string_view().value(key),
                other => return Err(Error::Invalid(format!("a dictionary of {other} for a column of strings"))),
            };
            translation[key] = self.text(text.as_bytes())?;
        }
        self.guard = None;
        codes.extend(keys.iter().map(|key| translation[*key]));
        Ok(())
    }

    /// Lets others have the lock now and then.
    #[inline]
    fn breathe(&mut self, row: usize) {
        if row.is_multiple_of(HELD) {
            self.guard = None;
        }
    }

    fn text(&mut self, text: &[u8]) -> Result<u32> {
        match short_key(text, 0, text.len()) {
            Some(key) => self.short(key),
            None => self.long(text),
        }
    }

    #[inline]
    fn short(&mut self, key: u128) -> Result<u32> {
        if key == self.previous.0 {
            return Ok(self.previous.1);
        }
        let hash = Hash::of_key(key);
        let at = hash.place() % RECENT;
        if self.recent[at].0 != key {
            let bytes = key.to_le_bytes();
            let length = usize::from(bytes[SHORT]);
            self.recent[at] = (key, self.find(&bytes[..length], hash)?);
        }
        self.previous = self.recent[at];
        Ok(self.previous.1)
    }

    fn long(&mut self, text: &[u8]) -> Result<u32> {
        self.find(text, Hash::of_long(text))
    }

    fn find(&mut self, text: &[u8], hash: Hash) -> Result<u32> {
        let dictionary = self.dictionary;
        if let Some(code) = self.guard.get_or_insert_with(|| dictionary.read()).find(text, hash) {
            return Ok(code);
        }
        // Whoever waits to write while this thread reads would wait for ever.
        self.guard = None;
        dictionary.insert(text, hash)
    }
}
