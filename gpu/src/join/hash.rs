//! Groups by any keys: an [`Index`], built part by part of the hash.
//!
//! Rows are scattered to parts by the upper bits of their hashes; a part's slots lie together and near the processor while it
//! is built. The few keys whose slots would lie behind their part's last go in one by one when all parts are done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use arrow::buffer::Buffer;
use parking_lot::Mutex;

use super::index::{Index, bits_of, bytes_of};
use super::layout::{Form as SlotForm, Layout};
use super::words::{Packed, pack};
use super::{Form, Grouped, Order, Wants, direct};
use crate::column::Column;
use crate::column::element::bit;
use crate::error::Result;
use crate::parallel::{PART_BITS, Parted, Room, Slots, Source, Work};
use crate::program::Type;

/// Keys of a part, on average: their slots fit the second cache.
const PART: usize = 1 << 14;

/// Rows whose keys are packed at once: they stay in the first cache.
const PACKED: usize = 512;

/// An index in the making.
struct Build<'a> {
    work: &'a Work<'a>,
    keys: &'a [&'a Column],
    layout: Layout,
    /// There are `1 << bits` slots.
    bits: u32,
    /// There are `1 << part_bits` parts.
    part_bits: u32,
    /// Where keys lie apart: the words of each row.
    rows: Option<Room<u64>>,
}

/// What building left.
struct Built {
    slots: Room<u64>,
    /// Where keys lie apart: the words of each number.
    entries: Option<Room<u64>>,
    groups: usize,
    longest: u32,
    order: Option<Order>,
}

/// A key that belongs behind its part's last slot: its hash, and what its slot holds.
type Late = (u64, [u64; 2]);

/// The groups; `rows` have no NULL among their keys.
pub(super) fn group(work: &Work<'_>, keys: &[&Column], rows: usize, wants: Wants) -> Result<Grouped> {
    let types: Vec<Type> = keys.iter().map(|key| key.ty.ty).collect();
    let layout = Layout::of(&types);
    let bits = bits_of(rows);
    let part_bits = ((rows / PART).max(1).next_power_of_two().trailing_zeros()).min(PART_BITS).min(bits);
    let apart = layout.form == SlotForm::Apart;
    let all = keys[0].rows;
    let room = if apart { Some(work.zeros::<u64>(all * layout.words)?) } else { None };
    let build = Build { work, keys, layout, bits, part_bits, rows: room };
    let parted = build.scatter(rows)?;
    let built = match build.unique(&parted, wants)? {
        Some(built) => built,
        None => build.grouped(&parted, rows)?,
    };
    let Build { layout, rows: words, .. } = build;
    let mut index = Index::new(&types, layout, bits, built.slots.into_buffer());
    index.len = built.groups;
    if let Some(entries) = built.entries.or(words) {
        index.entries = entries.into_buffer();
    }
    let nothing = || Buffer::from_vec(vec![0u64; 8]);
    let texts = keys.iter().filter(|key| key.ty.ty == Type::Text);
    index.texts = texts.map(|key| key.bytes.clone().unwrap_or_else(nothing)).collect();
    let form = Form::Hash { index: Arc::new(index) };
    let (groups, longest, order) = (built.groups, built.longest, built.order);
    Ok(Grouped { rows, groups, longest, has_null: rows < all, form, order })
}

impl Source for Build<'_> {
    fn each(&self, range: std::ops::Range<usize>, mut put: impl FnMut(usize, u64, u32)) {
        let (apart, width) = (self.layout.form == SlotForm::Apart, self.layout.words);
        let words = self.rows.as_ref().map(Room::slots);
        let nullable = self.keys.iter().any(|key| key.validity.is_some());
        let shift = 64 - self.part_bits;
        let mut packed = Packed::default();
        for first in range.clone().step_by(PACKED) {
            let rows = first..range.end.min(first + PACKED);
            pack(self.keys, &self.layout, rows.clone(), &mut packed);
            for (at, row) in rows.enumerate() {
                if nullable && self.keys.iter().any(|key| key.validity.as_ref().is_some_and(|bits| !bit(bits, row))) {
                    continue;
                }
                let hash = packed.hashes[at];
                if let Some(words) = &words {
                    // Twice, and the same both times.
                    for word in 0..width {
                        // SAFETY: a row's words are one thread's.
                        unsafe { words.set(row * width + word, packed.words[at * width + word]) };
                    }
                }
                let part = if shift == 64 { 0 } else { (hash >> shift) as usize };
                put(part, if apart { hash } else { packed.words[at] }, row as u32);
            }
        }
    }
}

impl Build<'_> {
    /// The rows by parts of their hashes: of each its key, or where keys lie apart its hash, and its number.
    fn scatter(&self, count: usize) -> Result<Parted> {
        self.work.part(self.keys[0].rows, 1 << self.part_bits, count, self)
    }

    fn slots(&self) -> Result<Room<u64>> {
        self.work.zeros::<u64>(self.layout.form.words() << self.bits)
    }

    /// The hash of a scattered row.
    #[inline(always)]
    fn hash(&self, word: u64) -> u64 {
        match self.layout.form {
            SlotForm::Narrow | SlotForm::Wide => super::layout::hash_end(super::layout::hash_word(0, word)),
            SlotForm::Apart => word,
        }
    }

    /// What a slot holds of a key, given as it was scattered, and its number.
    #[inline(always)]
    fn slot(&self, word: u64, number: u32) -> [u64; 2] {
        let number = u64::from(number) + 1;
        match self.layout.form {
            SlotForm::Narrow => [word | number << 32, 0],
            SlotForm::Wide => [word, number],
            SlotForm::Apart => [u64::from(word as u32) | number << 32, 0],
        }
    }

    /// The number in a slot, where it holds the key of a row; else whether it holds any.
    #[inline(always)]
    fn look(&self, slots: &Slots<'_, u64>, at: usize, word: u64, row: u32, entry: impl Fn(u32) -> u32) -> Found {
        let number = match self.layout.form {
            SlotForm::Narrow => match slots.get(at) {
                slot if slot >> 32 == 0 => return Found::Empty,
                slot if slot as u32 == word as u32 => (slot >> 32) as u32,
                _ => return Found::Other,
            },
            SlotForm::Wide => match (slots.get(2 * at), slots.get(2 * at + 1)) {
                (_, 0) => return Found::Empty,
                (key, number) if key == word => number as u32,
                _ => return Found::Other,
            },
            SlotForm::Apart => match slots.get(at) {
                slot if slot >> 32 == 0 => return Found::Empty,
                slot if slot as u32 == word as u32 && self.same(entry((slot >> 32) as u32 - 1), row) => (slot >> 32) as u32,
                _ => return Found::Other,
            },
        };
        Found::Same(number - 1)
    }

    /// Whether two rows have the same keys, which lie apart.
    fn same(&self, a: u32, b: u32) -> bool {
        let Some(rows) = &self.rows else { return false };
        let words: Slots<'_, u64> = rows.slots();
        let word = |row: u32, at: usize| words.get(row as usize * self.layout.words + at);
        let text =
            |at: usize| self.layout.fields.iter().zip(self.keys).find(|(field, _)| field.word == at && field.text.is_some());
        (0..self.layout.words).all(|at| match text(at).and_then(|(_, key)| key.bytes.as_ref()) {
            Some(bytes) => bytes_of(bytes, word(a, at)) == bytes_of(bytes, word(b, at)),
            None => word(a, at) == word(b, at),
        })
    }

    /// # Safety
    ///
    /// The slot is nobody else's.
    #[inline(always)]
    unsafe fn set(&self, slots: &Slots<'_, u64>, at: usize, held: [u64; 2]) {
        let width = self.layout.form.words();
        for (offset, word) in held.into_iter().take(width).enumerate() {
            // SAFETY: as this function's own.
            unsafe { slots.set(at * width + offset, word) };
        }
    }

    /// The slots of a part.
    fn span(&self, part: usize) -> std::ops::Range<usize> {
        let width = self.bits - self.part_bits;
        part << width..(part + 1) << width
    }

    /// An index from keys to rows; `None` where a key has several rows and all of them are wanted.
    fn unique(&self, parted: &Parted, wants: Wants) -> Result<Option<Built>> {
        let slots_of = self.slots()?;
        let slots = slots_of.slots();
        let (twice, groups, late) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::<Late>::new()));
        self.work.each_part(1 << self.part_bits, |(), part| {
            let (span, mut found) = (self.span(part), 0);
            // Those behind the span, each key once: seldom any.
            let mut behind: Vec<(u64, u32)> = Vec::new();
            for (word, row) in parted.part(part).1 {
                let mut at = (self.hash(word) >> (64 - self.bits)) as usize;
                loop {
                    if at == span.end {
                        match behind.iter().any(|(other, first)| self.same_key((*other, *first), (word, row))) {
                            true if wants == Wants::Rows => twice.store(true, Ordering::Relaxed),
                            true => {}
                            false => behind.push((word, row)),
                        }
                        break;
                    }
                    match self.look(&slots, at, word, row, |number| number) {
                        Found::Empty => {
                            found += 1;
                            // SAFETY: a part's slots are one thread's.
                            unsafe { self.set(&slots, at, self.slot(word, row)) };
                            break;
                        }
                        Found::Same(_) => {
                            if wants == Wants::Rows {
                                twice.store(true, Ordering::Relaxed);
                            }
                            break;
                        }
                        Found::Other => at += 1,
                    }
                }
                if twice.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            groups.fetch_add(found + behind.len(), Ordering::Relaxed);
            late.lock().extend(behind.into_iter().map(|(word, row)| (self.hash(word), self.slot(word, row))));
            Ok(())
        })?;
        if twice.into_inner() {
            return Ok(None);
        }
        self.settle(&slots, late.into_inner());
        let groups = groups.into_inner();
        Ok(Some(Built { slots: slots_of, entries: None, groups, longest: u32::from(groups > 0), order: None }))
    }

    /// Whether two scattered rows have the same key.
    fn same_key(&self, (a, a_row): (u64, u32), (b, b_row): (u64, u32)) -> bool {
        a == b && (self.layout.form != SlotForm::Apart || self.same(a_row, b_row))
    }

    /// Puts keys that belong behind their parts where there is room.
    fn settle(&self, slots: &Slots<'_, u64>, mut late: Vec<Late>) {
        // In an order that does not depend on which thread was first.
        late.sort_unstable();
        let mask = (1usize << self.bits) - 1;
        for (hash, held) in late {
            let width = self.layout.form.words();
            let number = |at: usize| match self.layout.form {
                SlotForm::Narrow | SlotForm::Apart => slots.get(at) >> 32,
                SlotForm::Wide => slots.get(at * width + 1),
            };
            let mut at = (hash >> (64 - self.bits)) as usize;
            while number(at) != 0 {
                at = (at + 1) & mask;
            }
            // SAFETY: all parts are done.
            unsafe { self.set(slots, at, held) };
        }
    }

    /// An index from keys to groups. The groups of a part are numbered from its first row on, so that no part waits for the
    /// number of groups of those before it; between parts there are numbers without a group.
    fn grouped(&self, parted: &Parted, count: usize) -> Result<Built> {
        let (slots_of, starts_of, rows_of) = (self.slots()?, self.work.zeros::<i32>(count + 1)?, self.work.zeros::<i32>(count)?);
        let width = self.layout.words;
        let apart = self.layout.form == SlotForm::Apart;
        let entries_of = if apart { Some(self.work.zeros::<u64>(count.max(1) * width)?) } else { None };
        let (slots, starts, rows) = (slots_of.slots(), starts_of.slots(), rows_of.slots());
        let entries = entries_of.as_ref().map(Room::slots);
        let (groups, longest, late) = (AtomicUsize::new(0), AtomicU32::new(0), Mutex::new(Vec::<Late>::new()));
        self.work.each_part(1 << self.part_bits, |own: &mut Part, part| {
            let (first, items) = parted.part(part);
            let span = self.span(part);
            let Part { numbers, counts, leaders } = own;
            numbers.clear();
            counts.clear();
            leaders.clear();
            let mut behind: Vec<(u64, u32, u32)> = Vec::new();
            for (word, row) in items.clone() {
                let mut at = (self.hash(word) >> (64 - self.bits)) as usize;
                let group = loop {
                    if at == span.end {
                        let known = behind.iter().find(|(other, leader, _)| self.same_key((*other, *leader), (word, row)));
                        break match known {
                            Some((_, _, group)) => *group,
                            None => {
                                let group = counts.len() as u32;
                                behind.push((word, row, group));
                                counts.push(0);
                                leaders.push(row);
                                group
                            }
                        };
                    }
                    match self.look(&slots, at, word, row, |number| leaders[number as usize - first]) {
                        Found::Empty => {
                            let group = counts.len() as u32;
                            // SAFETY: a part's slots are one thread's.
                            unsafe { self.set(&slots, at, self.slot(word, first as u32 + group)) };
                            counts.push(0);
                            leaders.push(row);
                            break group;
                        }
                        Found::Same(number) => break number - first as u32,
                        Found::Other => at += 1,
                    }
                };
                counts[group as usize] += 1;
                numbers.push(group);
            }
            let (mut at, mut most) = (first as u32, 0);
            for (group, count) in counts.iter_mut().enumerate() {
                // SAFETY: the numbers of a part are one thread's, and so are the places of its rows.
                unsafe { starts.set(first + group, at as i32) };
                most = most.max(*count);
                at += std::mem::replace(count, at);
            }
            // Behind the last group no number has any.
            for number in first + counts.len()..first + numbers.len() {
                // SAFETY: as above.
                unsafe { starts.set(number, at as i32) };
            }
            for (group, (_, row)) in numbers.iter().zip(items) {
                let next = &mut counts[*group as usize];
                // SAFETY: as above.
                unsafe { rows.set(*next as usize, row as i32) };
                *next += 1;
            }
            if let (Some(entries), Some(words)) = (&entries, &self.rows) {
                let words = words.slots();
                for (group, leader) in leaders.iter().enumerate() {
                    for at in 0..width {
                        // SAFETY: as above.
                        unsafe { entries.set((first + group) * width + at, words.get(*leader as usize * width + at)) };
                    }
                }
            }
            groups.fetch_add(leaders.len(), Ordering::Relaxed);
            longest.fetch_max(most, Ordering::Relaxed);
            let of = |(word, _, group): (u64, u32, u32)| (self.hash(word), self.slot(word, first as u32 + group));
            late.lock().extend(behind.into_iter().map(of));
            Ok(())
        })?;
        self.settle(&slots, late.into_inner());
        // SAFETY: nobody else writes any more.
        unsafe { starts.set(count, count as i32) };
        let order = Order {
            starts: direct::integers(starts_of.into_buffer(), count + 1),
            rows: Some(direct::integers(rows_of.into_buffer(), count)),
        };
        let (groups, longest) = (groups.into_inner(), longest.into_inner());
        Ok(Built { slots: slots_of, entries: entries_of, groups, longest, order: Some(order) })
    }
}

/// What a thread has while it groups a part.
#[derive(Default)]
struct Part {
    /// The group of each row.
    numbers: Vec<u32>,
    /// How many rows each group has, then where the next of them goes.
    counts: Vec<u32>,
    /// The first row of each.
    leaders: Vec<u32>,
}

/// What a slot is to a key.
enum Found {
    /// Free.
    Empty,
    /// The key's own, with this number.
    Same(u32),
    /// Another key's.
    Other,
}
