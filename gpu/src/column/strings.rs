//! Strings to codes of a dictionary.
//!
//! Nearly every row of a column with few distinct values repeats one of a few hundred: a small table, owned by the
//! thread, answers those without a look at the dictionary. The others of a block of rows are looked up together. The
//! dictionary's lock is held to read for a block, and to write only where it has a value that no thread has seen.

use arrow::array::{Array, ArrayRef, AsArray, GenericStringArray, MAX_INLINE_VIEW_LEN, OffsetSizeTrait, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::dictionary::{Dictionary, Wanted};
use super::hash::{Hash, short_key};
use crate::error::{Error, Result};

/// Entries of the small table at first.
const RECENT: usize = 512;

/// Entries that it grows to where values are many: with 32 bytes each, a part of a second-level cache.
const RECENT_MOST: usize = 1 << 14;

/// Rows whose strings are looked up together: while they are, one who adds a value waits microseconds.
const BLOCK: usize = 4096;

/// A key that no string has: its last byte is none of a length.
const NO_KEY: u128 = u128::MAX;

/// A view that no long string has: it would be one of no bytes.
const NO_VIEW: u128 = 0;

/// Encodes the arrays of one chunk.
pub(super) struct Encoder<'a> {
    dictionary: &'a Dictionary,
    /// Short strings by their key, direct-mapped.
    recent: Vec<(u128, u32)>,
    /// How often the small table did not help since it has its size.
    missed: usize,
}

/// A string, and its key where it is short.
type Keyed<'t> = (Option<u128>, &'t [u8]);

/// Strings of a block that the small table does not know.
#[derive(Default)]
struct Block<'t> {
    wanted: Vec<Wanted<'t>>,
    /// The row and the key of each.
    rows: Vec<(usize, u128)>,
    found: Vec<u32>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(dictionary: &'a Dictionary) -> Self {
        Self { dictionary, recent: vec![(NO_KEY, 0); RECENT], missed: 0 }
    }

    /// The codes of an array of strings, any code where a row is NULL; and which rows are.
    pub(super) fn encode(&mut self, array: &ArrayRef) -> Result<(Vec<u32>, Option<NullBuffer>)> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let codes = match array.data_type() {
            DataType::Utf8 => self.offsets(array.as_string::<i32>(), valid),
            DataType::LargeUtf8 => self.offsets(array.as_string::<i64>(), valid),
            DataType::Utf8View => self.views(array.as_string_view(), valid),
            DataType::Dictionary(..) => self.translated(array, valid),
            other => Err(Error::Invalid(format!("an array of {other} for a column of strings"))),
        };
        Ok((codes?, nulls))
    }

    fn offsets<O: OffsetSizeTrait>(&mut self, array: &GenericStringArray<O>, valid: impl Fn(usize) -> bool) -> Result<Vec<u32>> {
        let (data, offsets) = (array.value_data(), array.value_offsets());
        self.rows(array.len(), array.len(), |row| {
            let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
            valid(row).then(|| (short_key(data, start, end - start), &data[start..end]))
        })
    }

    fn views(&mut self, array: &StringViewArray, valid: impl Fn(usize) -> bool) -> Result<Vec<u32>> {
        // Equal views of one array are equal strings: one read from a file's dictionary has few different views.
        let views = array.views();
        let mut seen = vec![(NO_VIEW, 0); RECENT];
        let mut first: Vec<u32> = (0..array.len() as u32).collect();
        let long = |row: usize| views[row] as u32 > MAX_INLINE_VIEW_LEN && valid(row);
        for (row, view) in views.iter().enumerate().filter(|(row, _)| long(*row)) {
            let at = Hash::of_key(*view).place() % RECENT;
            if seen[at].0 != *view {
                seen[at] = (*view, row as u32);
            }
            first[row] = seen[at].1;
        }
        let mut codes = self.rows(array.len(), array.len(), |row| {
            if first[row] as usize != row || !valid(row) {
                return None;
            }
            // A short view is the string itself, zeros behind it.
            let view = views[row];
            let length = view as u32;
            let key = (length <= MAX_INLINE_VIEW_LEN).then(|| view >> 32 | u128::from(length) << 120);
            Some((key, array.value(row).as_bytes()))
        })?;
        for row in 0..codes.len() {
            codes[row] = codes[first[row] as usize];
        }
        Ok(codes)
    }

    /// The codes of an array with a dictionary of its own: each of its entries in use is looked up once.
    fn translated(&mut self, array: &ArrayRef, valid: impl Fn(usize) -> bool) -> Result<Vec<u32>> {
        let array = array.as_any_dictionary();
        if array.values().is_empty() {
            return Ok(vec![0; array.len()]);
        }
        let keys = array.normalized_keys();
        let mut used = vec![false; array.values().len()];
        for (row, key) in keys.iter().enumerate() {
            used[*key] |= valid(row);
        }
        let translation = self.entries(array.values(), &used, array.len())?;
        Ok(keys.iter().map(|key| translation[*key]).collect())
    }

    /// The codes of those of some strings that are in use in so many rows, 0 for the others.
    pub(super) fn entries(&mut self, values: &ArrayRef, used: &[bool], rows: usize) -> Result<Vec<u32>> {
        let text = |at: usize| match values.data_type() {
            DataType::Utf8 => Ok(values.as_string::<i32>().value(at)),
            DataType::LargeUtf8 => Ok(values.as_string::<i64>().value(at)),
            DataType::Utf8View => Ok(values.as_string_view().value(at)),
            other => Err(Error::Invalid(format!("a dictionary of {other} for a column of strings"))),
        };
        if !used.is_empty() {
            text(0)?;
        }
        self.rows(used.len(), rows, |at| {
            let text = used[at].then(|| text(at).unwrap_or_default().as_bytes())?;
            Some((short_key(text, 0, text.len()), text))
        })
    }

    /// The codes of strings that stand for so many rows; 0 where there is none.
    fn rows<'t>(&mut self, count: usize, rows: usize, string: impl Fn(usize) -> Option<Keyed<'t>>) -> Result<Vec<u32>> {
        let mut codes = vec![0; count];
        let mut block = Block::default();
        for begin in (0..count).step_by(BLOCK) {
            let end = count.min(begin + BLOCK);
            self.dictionary.see((rows * end / count - rows * begin / count) as u64);
            for (row, code) in codes.iter_mut().enumerate().take(end).skip(begin) {
                match string(row) {
                    None => {}
                    Some((None, text)) => block.push(row, NO_KEY, Wanted { text, hash: Hash::of_long(text) }),
                    Some((Some(key), text)) => {
                        let hash = Hash::of_key(key);
                        match self.recent[hash.place() & (self.recent.len() - 1)] {
                            (known, its) if known == key => *code = its,
                            _ => block.push(row, key, Wanted { text, hash }),
                        }
                    }
                }
            }
            self.look_up(&mut block, &mut codes)?;
        }
        Ok(codes)
    }

    /// Looks up a block's strings, and empties it.
    fn look_up(&mut self, block: &mut Block<'_>, codes: &mut [u32]) -> Result<()> {
        if block.wanted.is_empty() {
            return Ok(());
        }
        self.dictionary.codes(&block.wanted, &mut block.found)?;
        for (((row, key), code), Wanted { hash, .. }) in block.rows.iter().zip(&block.found).zip(&block.wanted) {
            codes[*row] = *code;
            if *key != NO_KEY {
                let place = hash.place() & (self.recent.len() - 1);
                self.recent[place] = (*key, *code);
                self.missed += 1;
            }
        }
        block.wanted.clear();
        block.rows.clear();
        if self.missed > 2 * self.recent.len() && self.recent.len() < RECENT_MOST {
            self.recent = vec![(NO_KEY, 0); self.recent.len() * 2];
            self.missed = 0;
        }
        Ok(())
    }
}

impl<'t> Block<'t> {
    fn push(&mut self, row: usize, key: u128, wanted: Wanted<'t>) {
        self.rows.push((row, key));
        self.wanted.push(wanted);
    }
}
