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

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::{StringArray, StringViewArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::hash::Hash;
use crate::error::{Error, Result};

/// The most distinct values of a column. Codes take 16 bits at most, and a bitmap over them 8 KiB: a predicate over a
/// column of strings stays in the first cache.
pub const DICTIONARY_LIMIT: usize = 1 << 16;

/// Versions whose derived arrays are kept.
const VERSIONS: usize = 4;

/// What it means for a slot of the index to be free.
const FREE: u32 = u32::MAX;

/// A dictionary, shared by all who encode and decode its column.
pub struct Dictionary {
    limit: usize,
    entries: RwLock<Entries>,
    /// Their number, to be read without the lock.
    len: AtomicU32,
    derived: Mutex<Vec<(u32, Arc<Derived>)>>,
}

/// The entries and an index of them.
pub(super) struct Entries {
    /// Where each begins, and where the last ends.
    offsets: Vec<u32>,
    bytes: Vec<u8>,
    hashes: Vec<Hash>,
    /// Open addressing with linear probing, at most half full: a tag of the hash, and the code or `FREE`.
    slots: Vec<(u32, u32)>,
}

/// What a version's arrays are.
struct Derived {
    strings: StringArray,
    views: StringViewArray,
    ranks: Arc<[u32]>,
    order: Arc<[u32]>,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self::with_limit(DICTIONARY_LIMIT)
    }
}

impl Dictionary {
    /// An empty one of at most `limit` entries.
    pub fn with_limit(limit: usize) -> Self {
        let entries = Entries { offsets: vec![0], bytes: Vec::new(), hashes: Vec::new(), slots: vec![(0, FREE); 64] };
        Self { limit, entries: RwLock::new(entries), len: AtomicU32::new(0), derived: Mutex::new(Vec::new()) }
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
        entries.bytes.len() + entries.hashes.len() * 12 + entries.slots.len() * 8
    }

    /// The entries, to look at.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read()
    }

    /// The code of `text`, which becomes an entry if it is none. Whoever calls holds no guard of [`read`](Self::read).
    pub(super) fn insert(&self, text: &[u8], hash: Hash) -> Result<u32> {
        let mut entries = self.entries.write();
        // Another may have come first.
        if let Some(code) = entries.find(text, hash) {
            return Ok(code);
        }
        let code = entries.hashes.len();
        if code >= self.limit {
            return Err(Error::Unsupported(format!("more than {} distinct values", self.limit)));
        }
        // Arrow's offsets into strings are signed.
        let end = i32::try_from(entries.bytes.len() + text.len());
        let end = end.map_err(|_| Error::Unsupported("more than 2 GiB of distinct values".to_owned()))?;
        entries.bytes.extend_from_slice(text);
        entries.offsets.push(end as u32);
        entries.hashes.push(hash);
        if entries.hashes.len() * 2 > entries.slots.len() {
            entries.grow();
        } else {
            entries.place(hash, code as u32);
        }
        self.len.store(code as u32 + 1, Ordering::Release);
        Ok(code as u32)
    }

    fn derived(&self, len: u32) -> Arc<Derived> {
        let mut kept = self.derived.lock();
        if let Some(at) = kept.iter().position(|(version, _)| *version == len) {
            let found = kept.remove(at);
            let derived = Arc::clone(&found.1);
            kept.push(found);
            return derived;
        }
        let derived = Arc::new(self.entries.read().derive(len as usize));
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
        let mask = self.slots.len() - 1;
        let mut slot = hash.place() & mask;
        loop {
            match self.slots[slot] {
                (_, FREE) => return None,
                (tag, code) if tag == hash.tag() && self.entry(code) == text => return Some(code),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn entry(&self, code: u32) -> &[u8] {
        let at = code as usize;
        &self.bytes[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    fn place(&mut self, hash: Hash, code: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash.place() & mask;
        while self.slots[slot].1 != FREE {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = (hash.tag(), code);
    }

    fn grow(&mut self) {
        self.slots = vec![(0, FREE); self.slots.len() * 2];
        for code in 0..self.hashes.len() {
            self.place(self.hashes[code], code as u32);
        }
    }

    fn derive(&self, len: usize) -> Derived {
        let mut order: Vec<u32> = (0..len as u32).collect();
        order.sort_unstable_by(|a, b| self.entry(*a).cmp(self.entry(*b)));
        let mut ranks = vec![0u32; len];
        for (rank, code) in order.iter().enumerate() {
            ranks[*code as usize] = rank as u32;
        }
        let offsets: Vec<i32> = self.offsets[..=len].iter().map(|offset| *offset as i32).collect();
        let bytes = Buffer::from(&self.bytes[..self.offsets[len] as usize]);
        // Every entry came from an array of strings, but that is far from here: it is checked again.
        let strings = StringArray::new(OffsetBuffer::new(ScalarBuffer::from(offsets)), bytes, None);
        Derived { views: StringViewArray::from(&strings), strings, ranks: ranks.into(), order: order.into() }
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
        self.dictionary.derived(self.len).views.clone()
    }

    /// The rank of each code: its place in the order of bytes, which is collation C.
    pub fn ranks(&self) -> Arc<[u32]> {
        Arc::clone(&self.dictionary.derived(self.len).ranks)
    }

    /// The code of each rank: the inverse of [`ranks`](Self::ranks).
    pub fn order(&self) -> Arc<[u32]> {
        Arc::clone(&self.dictionary.derived(self.len).order)
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dictionary, &other.dictionary) && self.len == other.len
    }
}
