//! The first rows of an order: a buffer of rows that may be among them, cut back when it is full.

use std::cmp::Ordering;
use std::ops::Range;

use super::memory::Memory;
use crate::codegen::cranelift::layout::RowLayout;
use crate::error::Result;
use crate::primitive::string::bytes;

/// One worker's buffer.
#[derive(Debug)]
pub(super) struct TopRows {
    memory: Memory,
    room: usize,
    pub(super) taken: usize,
    limit: usize,
    /// The first two words of the worst row that is kept, once there are enough; one, where a row has no more.
    pub(super) threshold: [u64; 2],
    /// Rows past twice the limit before the buffer is cut back: few at first, since the threshold spares all that follows.
    slack: usize,
}

/// The slack at first, and at most.
const SLACK: Range<usize> = 1_024..16_384;

impl TopRows {
    pub(super) fn new(limit: u64) -> Result<Self> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX / 4).min(usize::MAX / 4);
        Ok(Self { memory: Memory::zeros(0)?, room: 0, taken: 0, limit, threshold: [u64::MAX; 2], slack: SLACK.start })
    }

    pub(super) fn rows(&self) -> *mut u8 {
        self.memory.address()
    }

    /// Makes room for so many rows more.
    pub(super) fn reserve(&mut self, layout: &RowLayout, more: usize) -> Result<()> {
        if self.taken >= self.limit.saturating_mul(2).saturating_add(self.slack) {
            self.cut(layout)?;
            self.slack = (self.slack * 2).min(SLACK.end);
        }
        if self.taken + more > self.room {
            let room = (self.taken + more).max(self.room * 2).max(2 * self.slack);
            self.move_to(layout, room, (0..self.taken).collect::<Vec<_>>().as_slice())?;
        }
        Ok(())
    }

    /// Keeps the first rows only.
    pub(super) fn cut(&mut self, layout: &RowLayout) -> Result<()> {
        if self.taken <= self.limit {
            return Ok(());
        }
        let mut order: Vec<usize> = (0..self.taken).collect();
        if self.limit > 0 {
            let worst = self.limit - 1;
            order.select_nth_unstable_by(worst, |a, b| compare(layout, self.words(layout, *a), self.words(layout, *b)));
            let words = self.words(layout, order[worst]);
            self.threshold = [words[0], words.get(1).copied().unwrap_or(u64::MAX)];
        }
        order.truncate(self.limit);
        let room = self.room;
        self.move_to(layout, room, &order)
    }

    /// All rows of several buffers in order, at most `limit`.
    pub(super) fn first<'a>(buffers: &[&'a Self], layout: &RowLayout, limit: u64) -> Vec<*const u8> {
        let mut rows: Vec<(&'a Self, usize)> =
            buffers.iter().flat_map(|buffer| (0..buffer.taken).map(move |row| (*buffer, row))).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let order = |a: &(&Self, usize), b: &(&Self, usize)| compare(layout, a.0.words(layout, a.1), b.0.words(layout, b.1));
        if limit < rows.len() {
            if limit > 0 {
                rows.select_nth_unstable_by(limit - 1, order);
            }
            rows.truncate(limit);
        }
        rows.sort_unstable_by(order);
        rows.into_iter().map(|(buffer, row)| buffer.row(layout, row)).collect()
    }

    fn row(&self, layout: &RowLayout, row: usize) -> *const u8 {
        debug_assert!(row < self.taken);
        // SAFETY: the row is of the buffer.
        unsafe { self.memory.address().add(row * layout.stride) }
    }

    fn words(&self, layout: &RowLayout, row: usize) -> &[u64] {
        // SAFETY: a row begins with its words, at a multiple of 8; nothing is written while they are read.
        unsafe { std::slice::from_raw_parts(self.row(layout, row).cast(), layout.words) }
    }

    fn move_to(&mut self, layout: &RowLayout, room: usize, rows: &[usize]) -> Result<()> {
        let memory = Memory::zeros(room * layout.stride)?;
        for (to, from) in rows.iter().enumerate() {
            // SAFETY: both rows are of their buffers.
            unsafe {
                let to = memory.address().add(to * layout.stride);
                std::ptr::copy_nonoverlapping(self.row(layout, *from), to, layout.stride);
            }
        }
        (self.memory, self.room, self.taken) = (memory, room, rows.len());
        Ok(())
    }
}

/// The order of two rows by their words. Texts whose begins are the same are compared whole.
#[inline]
fn compare(layout: &RowLayout, a: &[u64], b: &[u64]) -> Ordering {
    let mut from = 0;
    for (word, descending) in &layout.texts {
        let begins = a[from..*word].cmp(&b[from..*word]);
        if begins.is_ne() {
            return begins;
        }
        // SAFETY: a row's texts can be read for as long as the run lasts.
        let text = |row: &[u64]| unsafe { bytes(row[*word] as *const u8, row[*word + 1]) };
        let texts = text(a).cmp(text(b));
        if texts.is_ne() {
            return if *descending { texts.reverse() } else { texts };
        }
        from = word + 2;
    }
    a[from..].cmp(&b[from..])
}
