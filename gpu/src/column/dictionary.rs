//! The dictionary of a column of strings: it only grows, and a code never changes meaning.
//!
//! ```text
//!   code      0       1       2                 offsets  0 4 7 11
//!   entry     RAIL    AIR     SHIP              bytes    RAILAIRSHIP
//!   rank      1       0       2                 of this version, length 3
//! ```
//!
//! A version is a length: [`Words`] is a dictionary seen up to one. What is derived from a version (ranks, arrays of
//! its entries) is made when it is first asked for and kept for the last few versions.
//!
//! Strings are looked up many at a time: the index, the offsets and the bytes of a large dictionary lie in no cache, so all
//! three are fetched for a block of strings before the first is compared.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, StringArray, StringBuilder, StringViewArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use parking_lot::{Mutex, RwLock};

use super::Column;
use super::hash::Hash;
use super::strings::Encoder;
use crate::device::Cancel;
use crate::device::cpu::memory::{Memory, fetch};
use crate::error::{Error, Result};
use crate::program::Table;
use crate::program::values::padded;
use crate::sort::{Key, order};

/// Distinct values that a column of strings may have, however few rows it has. Codes take 16 bits then, and a bitmap over
/// them 8 KiB: a predicate over such a column stays in the first cache.
pub const DICTIONARY_LIMIT: usize = 1 << 16;

/// Rows for each distinct value of a column with more: what is computed for every entry, once a query, is then little beside
/// what is saved for every row.
const ROWS_AN_ENTRY: u64 = 4;

/// The most distinct values of any column.
const MOST: usize = 1 << 22;

/// Versions whose derived arrays are kept.
const VERSIONS: usize = 4;

/// Bytes that are fetched from memory at once.
const LINE: usize = 64;

/// What stands for no code.
const NONE: u32 = u32::MAX;

/// Slots of an index at first.
const SLOTS: usize = 64;

/// A dictionary, shared by all who encode and decode its column.
pub struct Dictionary {
    /// The most entries: it grows with the table.
    limit: AtomicUsize,
    /// Rows whose strings were looked up, or are about to be.
    rows: AtomicU64,
    entries: RwLock<Entries>,
    /// Their number, to be read without the lock.
    len: AtomicU32,
    derived: Mutex<Vec<(u32, Arc<Derived>)>>,
}

/// The entries and an index of them.
pub(super) struct Entries {
    /// Where each begins, and where the last ends.
    offsets: Vec<u32>,
    bytes: Bytes,
    hashes: Vec<Hash>,
    index: Index,
}

/// Open addressing with linear probing, at most half full. A slot is a tag of the hash above a code and 1; 0 is free.
struct Index {
    /// Large pages, where the system has them: a probe of a large index is a miss of the caches, and need not be two.
    memory: Memory,
    mask: usize,
}

/// The entries' bytes, zeros behind them. Whoever derives something from all of them shares them, until they grow again.
struct Bytes {
    held: Held,
    len: usize,
}

enum Held {
    Growing(Memory),
    Shared(Buffer),
}

/// A string that is wanted as a code.
pub(super) struct Wanted<'t> {
    pub(super) text: &'t [u8],
    pub(super) hash: Hash,
}

/// What follows from a version.
struct Derived {
    /// The entries as texts, with room behind the buffers; and as an array that shares them.
    column: Column,
    strings: StringArray,
    views: OnceLock<StringViewArray>,
    ascii: OnceLock<bool>,
    sorted: OnceLock<Sorted>,
}

/// The entries in the order of bytes.
#[derive(Debug, Clone)]
pub struct Sorted {
    /// The place of each code.
    pub ranks: Arc<[u32]>,
    /// The string at each place.
    pub strings: StringArray,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self::with_limit(DICTIONARY_LIMIT)
    }
}

impl Dictionary {
    /// An empty one of at most `limit` entries.
    pub fn with_limit(limit: usize) -> Self {
        let bytes = Bytes { held: Held::Shared(Buffer::default()), len: 0 };
        let entries = Entries { offsets: vec![0], bytes, hashes: Vec::new(), index: Index { memory: Memory::none(), mask: 0 } };
        let (limit, rows) = (AtomicUsize::new(limit), AtomicU64::new(0));
        Self { limit, rows, entries: RwLock::new(entries), len: AtomicU32::new(0), derived: Mutex::new(Vec::new()) }
    }

    /// Makes room for what a column of so many rows may have.
    pub fn expect(&self, rows: u64) {
        let most = usize::try_from(rows / ROWS_AN_ENTRY).map_or(MOST, |most| most.min(MOST));
        self.limit.fetch_max(most, Ordering::Relaxed);
    }

    /// It as it is now.
    pub fn words(self: &Arc<Self>) -> Words {
        Words { len: self.len.load(Ordering::Acquire), dictionary: Arc::clone(self) }
    }

    /// The code of a string that has one.
    pub fn code_of(&self, text: &str) -> Option<u32> {
        self.entries.read().find(text.as_bytes(), Hash::of(text.as_bytes()))
    }

    /// Bytes that it takes, without what is derived from it.
    pub fn bytes(&self) -> usize {
        let entries = self.entries.read();
        entries.bytes.read().len() + entries.hashes.len() * 12 + entries.index.memory.bytes()
    }

    /// The codes of an array of strings, which become entries: any where a row is NULL. `Unsupported` where they are too many.
    pub fn encode(&self, array: &ArrayRef) -> Result<Vec<u32>> {
        Ok(Encoder::new(self).encode(array)?.0)
    }

    /// Takes note that the strings of so many rows are about to be looked up.
    pub(super) fn see(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The codes of strings, in their order. One that is no entry becomes one; `Unsupported` where that are too many.
    pub(super) fn codes(&self, wanted: &[Wanted<'_>], codes: &mut Vec<u32>) -> Result<()> {
        self.entries.read().find_all(wanted, codes);
        if codes.iter().all(|code| *code != NONE) {
            return Ok(());
        }
        let mut entries = self.entries.write();
        for (code, Wanted { text, hash }) in codes.iter_mut().zip(wanted).filter(|(code, _)| **code == NONE) {
            // Another may have come first, or the same string before in this block.
            *code = match entries.find(text, *hash) {
                Some(code) => code,
                None => self.insert(&mut entries, text, *hash)?,
            };
        }
        Ok(())
    }

    fn insert(&self, entries: &mut Entries, text: &[u8], hash: Hash) -> Result<u32> {
        let (code, limit) = (entries.hashes.len(), self.limit.load(Ordering::Relaxed));
        if code >= limit || (code >= DICTIONARY_LIMIT && code.is_power_of_two() && !self.will_hold(code, limit)) {
            return Err(Error::Unsupported(format!("more than {limit} distinct values")));
        }
        // Arrow's offsets into strings are signed.
        let end = i32::try_from(entries.bytes.len + text.len());
        let end = end.map_err(|_| Error::Unsupported("more than 2 GiB of distinct values".to_owned()))?;
        // At most half of the slots are taken.
        if (entries.hashes.len() + 1) * 2 > entries.index.mask {
            entries.index = Index::of(&entries.hashes)?;
        }
        entries.bytes.push(text)?;
        entries.offsets.push(end as u32);
        entries.hashes.push(hash);
        entries.index.place(hash, code as u32);
        self.len.store(code as u32 + 1, Ordering::Release);
        Ok(code as u32)
    }

    /// Whether so many entries, after the rows so far, may be all but `limit`: of `d` values that are equally likely,
    /// `d (1 - e^(-n / d))` are met in `n` rows, and where they are not equally likely, fewer. What will not fit in the end
    /// is better known early.
    fn will_hold(&self, entries: usize, limit: usize) -> bool {
        let (rows, limit) = (self.rows.load(Ordering::Relaxed) as f64, limit as f64);
        entries as f64 <= limit * -(-rows / limit).exp_m1()
    }

    fn derived(&self, len: u32) -> Arc<Derived> {
        let mut kept = self.derived.lock();
        if let Some(at) = kept.iter().position(|(version, _)| *version == len) {
            let found = kept.remove(at);
            let derived = Arc::clone(&found.1);
            kept.push(found);
            return derived;
        }
        let derived = Arc::new(self.entries.write().derive(len as usize));
        if kept.len() == VERSIONS {
            kept.remove(0);
        }
        kept.push((len, Arc::clone(&derived)));
        derived
    }
}

impl Entries {
    /// The code of a string that has one.
    pub(super) fn find(&self, text: &[u8], hash: Hash) -> Option<u32> {
        self.index.candidates(hash).find(|code| self.entry(*code) == text)
    }

    /// The codes of strings, `NONE` where one is no entry.
    fn find_all(&self, wanted: &[Wanted<'_>], codes: &mut Vec<u32>) {
        codes.clear();
        wanted.iter().for_each(|Wanted { hash, .. }| self.index.fetch(*hash));
        // The first that may be it.
        codes.extend(wanted.iter().map(|Wanted { hash, .. }| self.index.candidates(*hash).next().unwrap_or(NONE)));
        let bytes = self.bytes.read();
        let found = || codes.iter().filter(|code| **code != NONE).map(|code| *code as usize);
        found().for_each(|code| fetch((&raw const self.offsets[code]).cast()));
        for code in found() {
            let (begin, end) = (self.offsets[code] as usize, self.offsets[code + 1] as usize);
            let bytes = &bytes[begin..end];
            bytes.chunks(LINE).for_each(|line| fetch(line.as_ptr()));
        }
        for (code, Wanted { text, hash }) in codes.iter_mut().zip(wanted) {
            if *code != NONE && self.entry(*code) != *text {
                *code = self.find(text, *hash).unwrap_or(NONE);
            }
        }
    }

    fn entry(&self, code: u32) -> &[u8] {
        let at = code as usize;
        &self.bytes.read()[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    fn derive(&mut self, len: usize) -> Derived {
        let end = self.offsets[len] as usize;
        let bytes = if len == self.hashes.len() { self.bytes.shared() } else { padded(self.bytes.read()[..end].to_vec()) };
        let offsets = Table::words(&self.offsets[..=len]).values;
        let ends = OffsetBuffer::new(ScalarBuffer::<i32>::new(offsets.clone(), 0, len + 1));
        // SAFETY: every entry is a whole string, and each ends where the next one begins.
        let strings = unsafe { StringArray::new_unchecked(ends, bytes.slice_with_length(0, end), None) };
        let column = Column::texts(len, offsets, bytes, None);
        Derived { column, strings, views: OnceLock::new(), ascii: OnceLock::new(), sorted: OnceLock::new() }
    }
}

impl Index {
    /// An index of entries with these hashes, by their order.
    fn of(hashes: &[Hash]) -> Result<Self> {
        let slots = (hashes.len() * 4).next_power_of_two().max(SLOTS);
        let mut index = Self { memory: Memory::zeros(slots * 8)?, mask: slots - 1 };
        hashes.iter().enumerate().for_each(|(code, hash)| index.place(*hash, code as u32));
        Ok(index)
    }

    #[inline]
    fn slots(&self) -> *mut u64 {
        self.memory.address().cast()
    }

    /// The codes that a string with this hash may have.
    #[inline]
    fn candidates(&self, hash: Hash) -> impl Iterator<Item = u32> {
        let mut slot = hash.place();
        std::iter::from_fn(move || {
            loop {
                if self.mask == 0 {
                    return None;
                }
                // SAFETY: there are as many slots as the mask says, and one is free.
                let found = unsafe { self.slots().add(slot & self.mask).read() };
                if found == 0 {
                    return None;
                }
                slot = slot.wrapping_add(1);
                if (found >> 32) as u32 == hash.tag() {
                    return Some(found as u32 - 1);
                }
            }
        })
    }

    /// Asks for the memory where a string with this hash is looked for first.
    #[inline]
    fn fetch(&self, hash: Hash) {
        fetch(self.slots().wrapping_add(hash.place() & self.mask).cast());
    }

    fn place(&mut self, hash: Hash, code: u32) {
        let mut slot = hash.place() & self.mask;
        // SAFETY: there are as many slots as the mask says, of which a half is free, and this one is borrowed alone.
        unsafe {
            while self.slots().add(slot).read() != 0 {
                slot = (slot + 1) & self.mask;
            }
            self.slots().add(slot).write(u64::from(hash.tag()) << 32 | u64::from(code + 1));
        }
    }
}

impl Bytes {
    fn read(&self) -> &[u8] {
        match &self.held {
            Held::Growing(memory) => &memory.read()[..self.len],
            Held::Shared(bytes) => &bytes[..self.len],
        }
    }

    /// All of them, to be shared.
    fn shared(&mut self) -> Buffer {
        if let Held::Growing(_) = self.held
            && let Held::Growing(memory) = std::mem::replace(&mut self.held, Held::Shared(Buffer::default()))
        {
            let bytes = memory.into_buffer();
            self.held = Held::Shared(bytes.slice_with_length(0, (self.len + 1).next_multiple_of(LINE)));
        }
        match &self.held {
            Held::Growing(memory) => Buffer::from_slice_ref(memory.read()),
            Held::Shared(bytes) => bytes.clone(),
        }
    }

    /// Adds bytes; those that others share stay as they are.
    fn push(&mut self, text: &[u8]) -> Result<()> {
        let end = self.len + text.len();
        let full = match &self.held {
            Held::Growing(memory) => end + LINE > memory.bytes(),
            Held::Shared(_) => true,
        };
        if full {
            let larger = Memory::zeros((end + LINE).next_power_of_two().max(1 << 10))?;
            // SAFETY: it is larger than what there is so far.
            unsafe { larger.address().copy_from_nonoverlapping(self.read().as_ptr(), self.len) };
            self.held = Held::Growing(larger);
        }
        if let Held::Growing(memory) = &self.held {
            // SAFETY: there is room, and who adds has the dictionary alone.
            unsafe { memory.address().add(self.len).copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        }
        self.len = end;
        Ok(())
    }
}

impl Derived {
    fn sorted(&self, threads: usize) -> &Sorted {
        self.sorted.get_or_init(|| {
            let key = Key { column: &self.column, ranks: None, descending: false, nulls_first: false };
            let found = order(&[key], usize::MAX, threads, &Cancel::default());
            let order: Vec<u32> = match &found {
                Ok(order) => order.rows().to_vec(),
                // Memory for it could not be had: the entries alone suffice.
                Err(_) => {
                    let mut order: Vec<u32> = (0..self.strings.len() as u32).collect();
                    order.sort_unstable_by_key(|code| self.strings.value(*code as usize));
                    order
                }
            };
            let mut ranks = vec![0u32; order.len()];
            for (rank, code) in order.iter().enumerate() {
                ranks[*code as usize] = rank as u32;
            }
            let mut strings = StringBuilder::with_capacity(order.len(), self.strings.value_data().len());
            order.iter().for_each(|code| strings.append_value(self.strings.value(*code as usize)));
            Sorted { ranks: ranks.into(), strings: strings.finish() }
        })
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary of {}", self.len.load(Ordering::Relaxed))
    }
}

/// A dictionary at one version.
#[derive(Debug, Clone)]
pub struct Words {
    dictionary: Arc<Dictionary>,
    len: u32,
}

impl Words {
    /// The whole dictionary, which may have grown since.
    pub fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// How many entries: the version. Every code below it is one.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The code of a string that is an entry of this version.
    pub fn code_of(&self, text: &str) -> Option<u32> {
        self.dictionary.code_of(text).filter(|code| *code < self.len)
    }

    /// The entries by code: to evaluate a function over, and to decode with.
    pub fn values(&self) -> StringArray {
        self.dictionary.derived(self.len).strings.clone()
    }

    /// The entries by code, as views.
    pub fn views(&self) -> StringViewArray {
        let derived = self.dictionary.derived(self.len);
        derived.views.get_or_init(|| StringViewArray::from(&derived.strings)).clone()
    }

    /// The entries by code, as a column of texts: one and the same each time.
    pub fn column(&self) -> Column {
        self.dictionary.derived(self.len).column.clone()
    }

    /// Whether all of them are ASCII.
    pub fn is_ascii(&self) -> bool {
        let derived = self.dictionary.derived(self.len);
        *derived.ascii.get_or_init(|| derived.column.is_ascii())
    }

    /// The entries in the order of bytes, which is collation C; found out when first asked for, on at most so many threads
    /// (0: all).
    pub fn sorted(&self, threads: usize) -> Sorted {
        self.dictionary.derived(self.len).sorted(threads).clone()
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dictionary, &other.dictionary) && self.len == other.len
    }
}
