//! Strings to codes of a dictionary.
//!
//! Nearly every row of a column with few distinct values repeats one of a few hundred: a small table, owned by the
//! thread, answers those without a look at the dictionary. The dictionary's lock is held to read for some rows at a
//! time, and to write only for a value that no thread has seen.

use arrow::array::{Array, ArrayRef, AsArray, GenericStringArray, MAX_INLINE_VIEW_LEN, OffsetSizeTrait, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use parking_lot::RwLockReadGuard;

use super::dictionary::{Dictionary, Entries};
use super::hash::{Hash, SHORT, short_key};
use crate::error::{Error, Result};

/// Entries of the small table at first.
const RECENT: usize = 512;

/// Entries that it grows to where values are many: with 32 bytes each, a part of a second-level cache.
const RECENT_MOST: usize = 1 << 14;

/// Rows for which the dictionary's lock may be held at a stretch, so that one who adds a value waits microseconds.
const HELD: usize = 1024;

/// A key that no string has: its last byte is none of a length.
const NO_KEY: u128 = u128::MAX;

/// A view that no long string has: it would be one of no bytes.
const NO_VIEW: u128 = 0;

/// Encodes the arrays of one chunk.
pub(super) struct Encoder<'a> {
    dictionary: &'a Dictionary,
    guard: Option<RwLockReadGuard<'a, Entries>>,
    /// Short strings by their key, direct-mapped.
    recent: Vec<(u128, u32)>,
    /// How often the small table did not help since it has its size.
    missed: usize,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(dictionary: &'a Dictionary) -> Self {
        Self { dictionary, guard: None, recent: vec![(NO_KEY, 0); RECENT], missed: 0 }
    }

    /// The codes of an array of strings, any code where a row is NULL; and which rows are.
    pub(super) fn encode(&mut self, array: &ArrayRef) -> Result<(Vec<u32>, Option<NullBuffer>)> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let mut codes = Vec::with_capacity(array.len());
        let encoded = match array.data_type() {
            DataType::Utf8 => self.offsets(array.as_string::<i32>(), nulls.as_ref(), &mut codes),
            DataType::LargeUtf8 => self.offsets(array.as_string::<i64>(), nulls.as_ref(), &mut codes),
            DataType::Utf8View => self.views(array.as_string_view(), nulls.as_ref(), &mut codes),
            DataType::Dictionary(..) => self.translated(array, nulls.as_ref(), &mut codes),
            other => Err(Error::Invalid(format!("an array of {other} for a column of strings"))),
        };
        self.guard = None;
        encoded.map(|()| (codes, nulls))
    }

    fn offsets<O: OffsetSizeTrait>(
        &mut self,
        array: &GenericStringArray<O>,
        nulls: Option<&NullBuffer>,
        codes: &mut Vec<u32>,
    ) -> Result<()> {
        let (data, offsets) = (array.value_data(), array.value_offsets());
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
        Ok(())
    }

    fn views(&mut self, array: &StringViewArray, nulls: Option<&NullBuffer>, codes: &mut Vec<u32>) -> Result<()> {
        // Equal views of one array are equal strings: one read from a file's dictionary has few different views.
        let mut seen = vec![(NO_VIEW, 0u32); RECENT];
        for (row, view) in array.views().iter().enumerate() {
            self.breathe(row);
            let length = *view as u32;
            let code = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                0
            } else if length <= MAX_INLINE_VIEW_LEN {
                // Such a view is the string itself, zeros behind it.
                self.short(*view >> 32 | u128::from(length) << 120)?
            } else {
                let at = Hash::of_key(*view).place() % RECENT;
                if seen[at].0 != *view {
                    seen[at] = (*view, self.text(array.value(row).as_bytes())?);
                }
                seen[at].1
            };
            codes.push(code);
        }
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
        let translation = self.entries(array.values(), &used)?;
        codes.extend(keys.iter().map(|key| translation[*key]));
        Ok(())
    }

    /// The codes of those of some strings that are in use, 0 for the others.
    pub(super) fn entries(&mut self, values: &ArrayRef, used: &[bool]) -> Result<Vec<u32>> {
        let mut codes = vec![0; used.len()];
        for (key, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            self.breathe(key);
            let text = match values.data_type() {
                DataType::Utf8 => values.as_string::<i32>().value(key),
                DataType::LargeUtf8 => values.as_string::<i64>().value(key),
                DataType::Utf8View => values.as_string_view().value(key),
                other => return Err(Error::Invalid(format!("a dictionary of {other} for a column of strings"))),
            };
            codes[key] = self.text(text.as_bytes())?;
        }
        self.guard = None;
        Ok(codes)
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
        let hash = Hash::of_key(key);
        let mut at = hash.place() & (self.recent.len() - 1);
        if self.recent[at].0 != key {
            self.missed += 1;
            if self.missed > 2 * self.recent.len() && self.recent.len() < RECENT_MOST {
                self.recent = vec![(NO_KEY, 0); self.recent.len() * 2];
                self.missed = 0;
                at = hash.place() & (self.recent.len() - 1);
            }
            let bytes = key.to_le_bytes();
            let length = usize::from(bytes[SHORT]);
            self.recent[at] = (key, self.find(&bytes[..length], hash)?);
        }
        Ok(self.recent[at].1)
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
