//! Rows whose keys hardly repeat, each an entry of its own: to look for its like among those before it would be in vain. They are
//! scattered by hash to parts, and each part is folded at the end, when it is small enough for a core's cache.

use std::ops::Range;

use super::hash_table::EntryLayout;
use super::memory::Memory;
use crate::error::Result;

/// Bytes of a piece of a part.
const PIECE: usize = 16 << 10;
/// Bytes of a block, which pieces are cut from: a mapping of large pages.
const BLOCK: usize = 4 << 20;
/// Bytes of an entry up to which a row is worth one.
pub(super) const ENTRY: usize = 128;

/// One worker's entries, by part.
#[derive(Debug, Default)]
pub(super) struct Scatter {
    parts: Vec<Part>,
    blocks: Vec<Memory>,
    /// Bytes of the last block that pieces have.
    cut: usize,
    /// How many entries there are.
    len: usize,
}

/// The entries of a part.
#[derive(Debug, Clone, Default)]
struct Part {
    /// Where the next one goes, and where its piece ends: addresses.
    next: usize,
    end: usize,
    /// Where its pieces begin; all but the last are full.
    pieces: Vec<usize>,
}

/// Entries that a piece has room for.
fn room(layout: EntryLayout<'_>) -> usize {
    PIECE / layout.stride()
}

impl Scatter {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes a place for an entry in each of some parts, of so many: addresses of zeros, in the place of the parts' numbers.
    pub(super) fn place(&mut self, layout: EntryLayout<'_>, parts: usize, homes: &mut [u64]) -> Result<()> {
        self.parts.resize(parts, Part::default());
        let stride = layout.stride();
        for home in homes.iter_mut() {
            let part = *home as usize;
            if self.parts[part].next == self.parts[part].end {
                self.refill(layout, part)?;
            }
            let part = &mut self.parts[part];
            *home = part.next as u64;
            part.next += stride;
        }
        self.len += homes.len();
        Ok(())
    }

    #[cold]
    fn refill(&mut self, layout: EntryLayout<'_>, part: usize) -> Result<()> {
        if self.blocks.is_empty() || self.cut + PIECE > BLOCK {
            self.blocks.push(Memory::zeros(BLOCK)?);
            self.cut = 0;
        }
        let Some(block) = self.blocks.last() else { return Ok(()) };
        let begin = block.address() as usize + self.cut;
        self.cut += PIECE;
        let part = &mut self.parts[part];
        part.pieces.push(begin);
        (part.next, part.end) = (begin, begin + room(layout) * layout.stride());
        Ok(())
    }

    /// The entries of some parts, piece by piece: the first, and how many.
    pub(super) fn entries(&self, layout: EntryLayout<'_>, parts: Range<usize>) -> impl Iterator<Item = (*mut u8, usize)> {
        let parts = self.parts.get(parts).unwrap_or_default();
        parts.iter().flat_map(move |part| {
            let last = part.pieces.last().map_or(0, |last| (part.next - last) / layout.stride());
            let count = part.pieces.len();
            let pieces = part.pieces.iter().enumerate();
            pieces.map(move |(at, piece)| (*piece as *mut u8, if at + 1 == count { last } else { room(layout) }))
        })
    }
}
