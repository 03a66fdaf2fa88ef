//! A hash table of groups, small enough for a core's cache, and the runs that it is emptied into.
//!
//! The table is places in a row, each with packed keys and state, looked through from a key's home on. The home is the
//! upper bits of the hash, so the table lies in the order of its hashes. When it has grown to [`LARGEST`] and is full,
//! its entries are moved to a [`Spilled`] run, which keeps that order; the same key may be in many runs. At the end the runs
//! of all workers are folded together range by range of hashes, each range small enough for a cache again.
//!
//! Where a table filled up with keys that had hardly come twice, the next rows are not looked for: each becomes an entry of its
//! own ([`Scatter`]). After some time a table is tried again.

use std::ops::Range;

use super::memory::Memory;
use super::scatter::{ENTRY, Scatter};
use super::state::merge;
use crate::codegen::cranelift::group::MIX;
use crate::codegen::cranelift::layout::{KeyLayout, StateLayout};
use crate::error::{Error, Result};
use crate::primitive::string::{LONG, bytes};

/// How entries lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryLayout<'a> {
    pub(super) keys: &'a KeyLayout,
    pub(super) state: &'a StateLayout,
}

impl EntryLayout<'_> {
    pub(super) fn stride(&self) -> usize {
        self.keys.words * 8 + self.state.size
    }
}

/// Bytes up to which a table grows: what a core's second cache holds (measured: 1 to 4 MiB differ by a tenth).
const LARGEST: usize = 2 << 20;
/// Places up to which any table grows: where entries are so large that no cache matters.
const LARGEST_BITS: u32 = 14;
/// Bytes of an entry up to which copying one that is not taken is cheaper than looking first.
const SMALL: usize = 64;
/// Places at first, of entries that are not large.
const FIRST_BITS: u32 = 13;
/// Places at first, of any entries.
const LEAST_BITS: u32 = 11;
/// Ranges of hashes that a run knows.
pub(super) const PART_BITS: u32 = 9;
/// Rows for each key of a full table, at least, for which looking for it is worth it.
const REPEATED: u64 = 2;
/// Rows that are scattered for each row of a table that did not help.
const SCATTERED: u64 = 16;

/// One worker's table.
#[derive(Debug)]
pub(super) struct HashTable {
    memory: Memory,
    pub(super) bits: u32,
    pub(super) taken: u64,
    pub(super) runs: Vec<Spilled>,
    /// Entries that are not in it.
    pub(super) scatter: Scatter,
    /// Rows that it was asked for since it was empty.
    rows: u64,
    /// Rows that are still to be scattered.
    scattering: u64,
}

/// Entries without gaps, in the order of their ranges.
#[derive(Debug)]
pub(super) struct Spilled {
    memory: Memory,
    /// Where each range begins, and where the last one ends: numbers of entries.
    begins: Vec<u32>,
}

impl Spilled {
    /// The entries of some ranges, which lie together: the first, and how many.
    pub(super) fn entries(&self, layout: EntryLayout<'_>, ranges: Range<usize>) -> (*mut u8, usize) {
        let (begin, end) = (self.begins[ranges.start] as usize, self.begins[ranges.end] as usize);
        (self.memory.address().wrapping_add(begin * layout.stride()), end - begin)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.begins.last().map_or(0, |end| *end as usize)
    }
}

impl HashTable {
    pub(super) fn new(layout: EntryLayout<'_>) -> Result<Self> {
        let mut bits = FIRST_BITS;
        while bits > LEAST_BITS && layout.stride() << bits > LARGEST / 4 {
            bits -= 1;
        }
        let memory = Memory::zeros(layout.stride() << bits)?;
        Ok(Self { memory, bits, taken: 0, runs: vec![], scatter: Scatter::default(), rows: 0, scattering: 0 })
    }

    pub(super) fn entries(&self) -> *mut u8 {
        self.memory.address()
    }

    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    fn mask(&self) -> u64 {
        (1 << self.bits) - 1
    }

    /// Where the next block's rows belong: what their hashes are shifted down by, and what a place is to be multiplied with.
    pub(super) fn homes(&self, layout: EntryLayout<'_>) -> (u64, u64) {
        match self.scatters() {
            true => (u64::from(64 - PART_BITS), 1),
            false => (u64::from(64 - self.bits), layout.stride() as u64),
        }
    }

    /// Whether the next block's rows become entries of their own.
    pub(super) fn scatters(&self) -> bool {
        self.scattering > 0
    }

    /// Makes places for rows that are scattered, in place of the numbers of their parts.
    pub(super) fn scatter(&mut self, layout: EntryLayout<'_>, homes: &mut [u64]) -> Result<()> {
        self.scattering = self.scattering.saturating_sub(homes.len() as u64);
        self.scatter.place(layout, 1 << PART_BITS, homes)
    }

    /// Makes room for so many rows, of which each may bring a key: half of the places are the most that are taken.
    pub(super) fn reserve(&mut self, layout: EntryLayout<'_>, more: u64) -> Result<()> {
        if self.scatters() {
            return Ok(());
        }
        self.rows += more;
        self.make_room(layout, more)
    }

    fn make_room(&mut self, layout: EntryLayout<'_>, more: u64) -> Result<()> {
        let full = |bits: u32, taken: u64| (taken + more) * 2 > 1 << bits;
        if !full(self.bits, self.taken) {
            return Ok(());
        }
        let mut bits = self.bits;
        while full(bits, self.taken) {
            bits += 1;
        }
        // More than asked for while it is cheap: the next time is not far.
        let generous = bits + 1;
        let most = LARGEST.max(layout.stride() << LARGEST_BITS);
        if layout.stride() << generous <= most {
            bits = generous;
        } else if layout.stride() << bits > most && self.taken > 0 {
            let in_vain = self.rows < REPEATED * self.taken && layout.stride() <= ENTRY;
            self.spill(layout)?;
            // SAFETY: the table's own bytes.
            unsafe { std::ptr::write_bytes(self.memory.address(), 0, self.memory.bytes()) };
            let rows = std::mem::replace(&mut self.rows, more);
            if in_vain {
                self.scattering = rows * SCATTERED;
                self.rows = 0;
                return Ok(());
            }
            return self.make_room(layout, more);
        }
        self.grow(layout, bits)
    }

    /// Moves all entries to a larger table. In the order of their hashes, they are read and written in order.
    fn grow(&mut self, layout: EntryLayout<'_>, bits: u32) -> Result<()> {
        let memory = Memory::zeros(layout.stride() << bits)?;
        let (stride, mask) = (layout.stride(), (1u64 << bits) - 1);
        // SAFETY: the places are of these tables, and the larger one has room for all entries.
        unsafe {
            for place in 0..=self.mask() {
                let entry = self.at(stride, place);
                if is_taken(entry) {
                    let mut at = hash(layout.keys, entry) >> (64 - bits);
                    while is_taken(memory.address().add(at as usize * stride)) {
                        at = (at + 1) & mask;
                    }
                    copy_words(entry, memory.address().add(at as usize * stride), stride);
                }
            }
        }
        (self.memory, self.bits) = (memory, bits);
        Ok(())
    }

    /// Moves all entries to a run. The table is of no use after it, until it is cleared.
    pub(super) fn spill(&mut self, layout: EntryLayout<'_>) -> Result<()> {
        if self.taken == 0 {
            return Ok(());
        }
        let stride = layout.stride();
        // One more: what is not taken is copied too, and then written over.
        let memory = Memory::zeros((self.taken as usize + 1) * stride)?;
        let mut begins = Vec::with_capacity((1 << PART_BITS) + 1);
        let width = 1u64 << (self.bits - PART_BITS);
        let mut to = memory.address();
        // SAFETY: the places are of the table, and the run has room for all that are taken.
        unsafe {
            for part in 0..1u64 << PART_BITS {
                begins.push((to.offset_from(memory.address()) as usize / stride) as u32);
                let end = (part + 1) * width;
                let mine = |entry: *const u8| hash(layout.keys, entry) >> (64 - PART_BITS) == part;
                // Its first places may hold entries of the range before it, up to the first that is free.
                let mut place = part * width;
                while place < end && is_taken(self.at(stride, place)) {
                    let entry = self.at(stride, place);
                    copy_words(entry, to, stride);
                    to = to.add(if mine(entry) { stride } else { 0 });
                    place += 1;
                }
                while place < end {
                    let entry = self.at(stride, place);
                    if stride <= SMALL || is_taken(entry) {
                        copy_words(entry, to, stride);
                    }
                    to = to.add(if is_taken(entry) { stride } else { 0 });
                    place += 1;
                }
                // Its own may go on behind its last place, up to the next that is free.
                for beyond in end..end + self.mask() - width {
                    let entry = self.at(stride, beyond & self.mask());
                    if !is_taken(entry) {
                        break;
                    }
                    if mine(entry) {
                        copy_words(entry, to, stride);
                        to = to.add(stride);
                    }
                }
            }
            begins.push((to.offset_from(memory.address()) as usize / stride) as u32);
        }
        self.runs.push(Spilled { memory, begins });
        self.taken = 0;
        Ok(())
    }

    /// A place's address.
    ///
    /// # Safety
    ///
    /// The place is of the table.
    #[inline(always)]
    pub(super) unsafe fn at(&self, stride: usize, place: u64) -> *mut u8 {
        // SAFETY: as this function's own.
        unsafe { self.memory.address().add(place as usize * stride) }
    }
}

/// Folds the entries of a range of hashes, each key once: a table of numbers, small enough for a cache. What is folded
/// stays where it lies; a list says which entries are left.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// The upper half of a slot tells keys apart, the lower is a number in the list and 1.
    slots: Vec<u64>,
}

/// Slots of a folder's table at first.
const SLOTS: usize = 1 << 10;

impl Folder {
    /// Folds runs of entries whose hashes share their first `above` bits: each given as its first entry, and how many.
    /// Writes those that are left to `list`, and says how many they are.
    ///
    /// # Safety
    ///
    /// Entries of the layout lie there, which are the caller's own; the list has room for all of them.
    pub(super) unsafe fn fold(
        &mut self,
        layout: EntryLayout<'_>,
        runs: &[(*mut u8, usize)],
        above: u32,
        list: *mut *const u8,
    ) -> Result<usize> {
        self.slots.clear();
        self.slots.resize(SLOTS, 0);
        let (stride, words) = (layout.stride(), layout.keys.words * 8);
        let mut left = 0usize;
        for (from, count) in runs {
            for at in 0..*count {
                // As many keys as entries there need not be: the table grows with them.
                if left * 2 >= self.slots.len() {
                    // SAFETY: the list has so many entries.
                    unsafe { self.grow(layout, above, std::slice::from_raw_parts(list, left)) };
                }
                let mask = self.slots.len() - 1;
                let bits = self.slots.len().trailing_zeros();
                // SAFETY: as this function's own; a slot's number is one of the list.
                unsafe {
                    let entry = from.add(at * stride);
                    let hash = hash(layout.keys, entry);
                    let tag = hash << 32;
                    let mut slot = ((hash << above) >> (64 - bits)) as usize;
                    loop {
                        let found = *self.slots.get_unchecked(slot);
                        if found == 0 {
                            *list.add(left) = entry;
                            left += 1;
                            *self.slots.get_unchecked_mut(slot) = tag | left as u64;
                            break;
                        }
                        if found >> 32 == tag >> 32 {
                            let other = (*list.add((found as u32) as usize - 1)).cast_mut();
                            if same_keys(layout.keys, entry, other) {
                                merge(layout.state, other.add(words), entry.add(words)).map_err(Error::Fault)?;
                                break;
                            }
                        }
                        slot = (slot + 1) & mask;
                    }
                }
            }
        }
        Ok(left)
    }

    /// Four times as many slots, for the entries so far.
    ///
    /// # Safety
    ///
    /// Entries of the layout lie at the addresses.
    unsafe fn grow(&mut self, layout: EntryLayout<'_>, above: u32, list: &[*const u8]) {
        let bits = self.slots.len().trailing_zeros() + 2;
        let mask = (1usize << bits) - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, 0);
        for (at, entry) in list.iter().enumerate() {
            // SAFETY: as this function's own.
            let hash = unsafe { hash(layout.keys, *entry) };
            let mut slot = ((hash << above) >> (64 - bits)) as usize;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = hash << 32 | (at as u64 + 1);
        }
    }
}

/// # Safety
///
/// An entry lies there.
#[inline(always)]
unsafe fn is_taken(entry: *const u8) -> bool {
    // SAFETY: an entry begins with a word of keys.
    unsafe { entry.cast::<u64>().read() != 0 }
}

/// # Safety
///
/// So many words lie at both.
#[inline(always)]
unsafe fn same_words(a: *const u8, b: *const u8, words: usize) -> bool {
    // SAFETY: as this function's own.
    (0..words).all(|at| unsafe { a.cast::<u64>().add(at).read() == b.cast::<u64>().add(at).read() })
}

/// # Safety
///
/// Entries of the layout lie at both, and what their keys refer to can be read.
#[inline(always)]
unsafe fn same_keys(keys: &KeyLayout, a: *const u8, b: *const u8) -> bool {
    if keys.addresses.is_empty() {
        // SAFETY: as this function's own.
        return unsafe { same_words(a, b, keys.words) };
    }
    // SAFETY: as this function's own.
    let word = |entry: *const u8, at: usize| unsafe { entry.cast::<u64>().add(at).read() };
    let plain = (0..keys.words).filter(|at| !keys.addresses.contains(at)).all(|at| word(a, at) == word(b, at));
    plain
        && keys.addresses.iter().all(|at| {
            let (first, second, length) = (word(a, *at), word(b, *at), word(a, at - 1) & !LONG);
            // SAFETY: as this function's own.
            first == second || unsafe { bytes(first as *const u8, length) == bytes(second as *const u8, length) }
        })
}

/// # Safety
///
/// So many bytes, a multiple of 8, lie at `from` and have room at `to`.
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, bytes: usize) {
    for at in 0..bytes / 8 {
        // SAFETY: as this function's own.
        unsafe { to.cast::<u64>().add(at).write(from.cast::<u64>().add(at).read()) };
    }
}

/// The hash that compiled code computes too (`codegen/cranelift/group.rs`).
///
/// # Safety
///
/// Packed keys lie at `words`.
#[inline(always)]
unsafe fn hash(keys: &KeyLayout, words: *const u8) -> u64 {
    let mut mixed = 0u64;
    for at in 0..keys.words {
        if !keys.addresses.is_empty() && keys.addresses.contains(&at) {
            continue;
        }
        // SAFETY: as this function's own.
        mixed = (mixed ^ unsafe { words.cast::<u64>().add(at).read() }).wrapping_mul(MIX[0]);
        mixed ^= mixed >> 32;
    }
    mixed.wrapping_mul(MIX[1])
}
