//! A hash table of groups: places in a row, each with packed keys and state, looked through from a key's home on.
//!
//! The home is the upper bits of a hash, so a table lies in the order of its hashes: growing and merging read and write
//! memory in order, and a range of places is a range of hashes. The lowest bits of the first two integer keys choose
//! among neighbouring places instead of being hashed, so that keys that are near in the input are near in memory; where
//! keys turn out to share those bits, the table is arranged anew without that.

use super::memory::Memory;
use crate::codegen::cranelift::group::MIX;
use crate::codegen::cranelift::layout::{KeyLayout, StateLayout};
use crate::error::Result;

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

/// A key's hash: what becomes the upper bits of its home, and the bits that choose among neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hash {
    pub(super) mixed: u64,
    low: u64,
    low_mask: u64,
}

impl Hash {
    /// The home in a table of `1 << bits` places that begins behind the first `above` bits of the hash.
    #[inline(always)]
    pub(super) fn home(self, bits: u32, above: u32) -> u64 {
        // Two shifts: 64 at once would be none.
        let place = (self.mixed << above) >> 1 >> (63 - bits);
        (place & !self.low_mask) | self.low
    }
}

/// Low bits of a key that are not hashed.
const LOCAL: u64 = 7;
/// Looks in vain for each row that show that keys share their lowest bits.
const TOO_MANY: u64 = 3;
/// Looks in vain that say nothing yet.
const ENOUGH: u64 = 4096;
/// Places at first.
const FIRST_BITS: u32 = 13;

/// One table.
#[derive(Debug)]
pub(super) struct HashTable {
    memory: Memory,
    pub(super) bits: u32,
    pub(super) taken: u64,
    /// The first bits of the hash, which all its keys share.
    above: u32,
    /// [`LOCAL`], or 0.
    pub(super) local: u64,
}

impl HashTable {
    pub(super) fn new(layout: EntryLayout<'_>) -> Result<Self> {
        Self::with(layout, FIRST_BITS, 0, LOCAL)
    }

    pub(super) fn with(layout: EntryLayout<'_>, bits: u32, above: u32, local: u64) -> Result<Self> {
        let memory = Memory::zeros(layout.stride() << bits)?;
        let local = if layout.keys.local.is_empty() { 0 } else { local };
        Ok(Self { memory, bits, taken: 0, above, local })
    }

    pub(super) fn entries(&self) -> *mut u8 {
        self.memory.address()
    }

    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    pub(super) fn mask(&self) -> u64 {
        (1 << self.bits) - 1
    }

    /// Makes room for so many keys more: three quarters of the places are the most that are taken.
    pub(super) fn reserve(&mut self, layout: EntryLayout<'_>, more: u64) -> Result<()> {
        let wanted = self.taken + more;
        if wanted * 4 <= 3 << self.bits {
            return Ok(());
        }
        let mut bits = self.bits + 2;
        while wanted * 4 > 3 << bits {
            bits += 1;
        }
        if bits >= 22 && wanted * 4 <= 3 << (bits - 1) && bits - 1 > self.bits {
            // A large table only doubles.
            bits -= 1;
        }
        self.arrange(layout, bits, self.local)
    }

    /// Hashes all bits of the keys where too many looks were in vain.
    pub(super) fn adapt(&mut self, layout: EntryLayout<'_>, rows: u64, collisions: u64) -> Result<()> {
        if self.local == 0 || collisions < rows * TOO_MANY + ENOUGH {
            return Ok(());
        }
        self.arrange(layout, self.bits, 0)
    }

    /// Moves all entries to a table of another size.
    pub(super) fn arrange(&mut self, layout: EntryLayout<'_>, bits: u32, local: u64) -> Result<()> {
        let mut larger = Self::with(layout, bits, self.above, local)?;
        let stride = layout.stride();
        // SAFETY: the places are of these tables, and the larger one has room for all entries.
        unsafe {
            // From behind the first free place on, an entry never passes one that belongs before it.
            let free = (0..=self.mask()).find(|at| !is_taken(self.at(stride, *at))).unwrap_or(0);
            for step in 1..=self.mask() {
                let entry = self.at(stride, (free + step) & self.mask());
                if is_taken(entry) {
                    let home = hash(layout.keys, larger.local, entry).home(bits, self.above);
                    let mut at = home;
                    while is_taken(larger.at(stride, at)) {
                        at = (at + 1) & larger.mask();
                    }
                    copy_words(entry, larger.at(stride, at), stride);
                }
            }
        }
        larger.taken = self.taken;
        *self = larger;
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

    /// The entry with the keys at `words`, and whether it was there; where not, its keys are written and its state is
    /// still zeros.
    ///
    /// # Safety
    ///
    /// There is room for one more key; packed keys lie at `words`.
    pub(super) unsafe fn find(&mut self, layout: EntryLayout<'_>, words: *const u8, hash: Hash) -> (*mut u8, bool) {
        let stride = layout.stride();
        let mut at = hash.home(self.bits, self.above);
        loop {
            // SAFETY: the place is of the table, and its keys lie at its beginning.
            unsafe {
                let entry = self.at(stride, at);
                if same_words(entry, words, layout.keys.words) {
                    return (entry, true);
                }
                if !is_taken(entry) {
                    copy_words(words, entry, layout.keys.words * 8);
                    self.taken += 1;
                    return (entry, false);
                }
            }
            at = (at + 1) & self.mask();
        }
    }

    /// Hands every entry of a range of hashes to `each`: the range is number `part` of `1 << parts_bits`.
    pub(super) fn visit(
        &self,
        layout: EntryLayout<'_>,
        part: u64,
        part_bits: u32,
        mut each: impl FnMut(*const u8, Hash) -> Result<()>,
    ) -> Result<()> {
        let stride = layout.stride();
        let width = 1u64 << (self.bits - part_bits);
        let begin = part * width;
        // Entries of the range before it may lie in its first places, and its own behind its last.
        let mut in_range = true;
        for step in 0..=self.mask() {
            if step == width {
                in_range = false;
            }
            let place = (begin + step) & self.mask();
            // SAFETY: the place is of the table.
            let entry = unsafe { self.at(stride, place) };
            // SAFETY: an entry's keys lie at its beginning.
            if !unsafe { is_taken(entry) } {
                if in_range {
                    continue;
                }
                break;
            }
            // SAFETY: as above.
            let hash = unsafe { hash(layout.keys, self.local, entry) };
            if hash.home(self.bits, self.above) / width == part {
                each(entry, hash)?;
            }
        }
        Ok(())
    }
}

/// # Safety
///
/// An entry lies there.
#[inline(always)]
pub(super) unsafe fn is_taken(entry: *const u8) -> bool {
    // SAFETY: an entry begins with a word of keys.
    unsafe { entry.cast::<u64>().read() != 0 }
}

/// # Safety
///
/// So many words lie at both.
#[inline(always)]
unsafe fn same_words(a: *const u8, b: *const u8, words: usize) -> bool {
    // SAFETY: as this function's own.
    (0..words).all(|at| unsafe { a.cast::<u64>().add(at).read_unaligned() == b.cast::<u64>().add(at).read_unaligned() })
}

/// # Safety
///
/// So many bytes, a multiple of 8, lie at `from` and have room at `to`.
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, bytes: usize) {
    for at in 0..bytes / 8 {
        // SAFETY: as this function's own.
        unsafe { to.cast::<u64>().add(at).write(from.cast::<u64>().add(at).read_unaligned()) };
    }
}

/// The hash that compiled code computes too (`codegen/cranelift/group.rs`).
///
/// # Safety
///
/// Packed keys lie at `words`.
#[inline(always)]
pub(super) unsafe fn hash(keys: &KeyLayout, local: u64, words: *const u8) -> Hash {
    let mut mixed = 0u64;
    for at in 0..keys.words {
        // SAFETY: as this function's own.
        let mut word = unsafe { words.cast::<u64>().add(at).read_unaligned() };
        for (place, shift) in &keys.local {
            if *place == at {
                word &= !(local << shift);
            }
        }
        mixed = (mixed ^ word).wrapping_mul(MIX[0]);
        mixed ^= mixed >> 32;
    }
    let (mut low, mut low_mask) = (0u64, 0u64);
    for (place, shift) in &keys.local {
        // SAFETY: as this function's own.
        let word = unsafe { words.cast::<u64>().add(*place).read_unaligned() };
        low = low << 3 | (word >> shift & local);
        low_mask = low_mask << 3 | local;
    }
    Hash { mixed: mixed.wrapping_mul(MIX[1]), low, low_mask }
}
