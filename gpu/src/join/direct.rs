//! Groups by one key of integers in a small domain: the key less the least is the place in a table.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::{Form, Grouped, Order, Wants};
use crate::column::Column;
use crate::column::element::{bit, of};
use crate::error::Result;
use crate::parallel::{PART_BITS, Source, Work, range_of, valid};
use crate::program::{Table, TableType, Type};

/// The most values of a domain that is its own index, for each row.
const SPREAD: usize = 4;
/// The same where there is a bit for each value.
const BIT_SPREAD: usize = 32;
/// Up to here a domain is small in any case.
const SMALL: usize = 1 << 16;
/// No domain beyond this is.
const LARGEST: i128 = 1 << 28;
/// Places of the domain that one thread orders at once: their counts fit its second cache.
const SPAN: usize = 1 << 16;

/// A key whose values a thread reads as places.
#[derive(Clone, Copy)]
struct Places<'a> {
    key: &'a Column,
    low: i128,
}

/// Runs an expression with `$place` as a function from a row to its place, made for the key's type.
macro_rules! with_place {
    ($places:expr, $place:ident => $body:expr) => {{
        let places: Places<'_> = $places;
        let values = &places.key.values;
        macro_rules! with {
            ($T:ty) => {{
                let low = places.low as $T;
                let $place = |row: usize| of::<$T>(values, row).wrapping_sub(low) as usize;
                $body
            }};
        }
        match places.key.ty.ty {
            Type::I8 => {
                let low = places.low;
                let $place = |row: usize| (i128::from(of::<i8>(values, row)) - low) as usize;
                $body
            }
            Type::I16 => {
                let low = places.low;
                let $place = |row: usize| (i128::from(of::<i16>(values, row)) - low) as usize;
                $body
            }
            // Of these widths the difference, which fits the domain, is right without a sign.
            Type::U8 => with!(u8),
            Type::U16 => with!(u16),
            Type::I32 | Type::U32 => with!(u32),
            Type::I64 => with!(u64),
            Type::I128 => with!(u128),
            Type::Bool | Type::F32 | Type::F64 | Type::Text => {
                let low = places.low as usize;
                let $place = |row: usize| usize::from(bit(values, row)) - low;
                $body
            }
        }
    }};
}

/// The groups, where the key's domain is small enough; `rows` of them are not NULL.
pub(super) fn group(work: &Work<'_>, key: &Column, rows: usize, wants: Wants) -> Result<Option<Grouped>> {
    let (low, high) = if rows == 0 { (0, 0) } else { range(work, key)? };
    let Some(domain) = high.checked_sub(low).and_then(|size| size.checked_add(1)) else { return Ok(None) };
    let spread = match wants {
        Wants::Existence => BIT_SPREAD,
        Wants::Rows => SPREAD,
    };
    if domain > LARGEST || domain > rows.saturating_mul(spread).max(SMALL) as i128 {
        return Ok(None);
    }
    let domain = domain as usize;
    let places = Places { key, low };
    let has_null = rows < key.rows;
    let done = |groups, longest, numbers, bits, order| {
        let form = Form::Direct { low, high, numbers, bits };
        Ok(Some(Grouped { rows, groups, longest, has_null, form, order }))
    };
    if wants == Wants::Existence {
        let (bits, groups) = exists(work, places, domain)?;
        return done(groups, u32::from(groups > 0), None, bits, None);
    }
    if let Some((numbers, bits, groups)) = unique(work, places, domain, rows)? {
        return done(groups, u32::from(groups > 0), Some(numbers), bits, None);
    }
    let ordered = if is_ordered(work, places)? { in_order(work, places, domain)? } else { sorted(work, places, domain, rows)? };
    let (bits, groups) = bits_of_starts(work, &ordered.starts, domain)?;
    done(groups, ordered.longest, None, bits, Some(ordered.order))
}

/// The least and the greatest key of those that are not NULL; there is one.
fn range(work: &Work<'_>, key: &Column) -> Result<(i128, i128)> {
    match key.range {
        Some(known) => Ok(known),
        None => range_of(work, key),
    }
}

/// A bit for each key, and how many keys there are.
fn exists(work: &Work<'_>, places: Places<'_>, domain: usize) -> Result<(Arc<Table>, usize)> {
    // A byte each first: threads may set it without reading.
    let bytes = work.zeros::<AtomicU8>(domain)?;
    let set: &[AtomicU8] = bytes.get();
    work.each_range(places.key.rows, |range| {
        with_place!(places, place => valid(places.key, range, |row| set[place(row)].store(1, Ordering::Relaxed)));
        Ok(())
    })?;
    let bytes: &[u8] = bytes.read();
    pack(work, domain, |range, out| out.copy_from_slice(&bytes[range]))
}

/// A bit for each place that a key takes, where keys mostly ascend: what lies in one word is collected before it is written.
pub(super) fn bits(work: &Work<'_>, key: &Column, low: i128, domain: usize) -> Result<Arc<Table>> {
    let words = domain.div_ceil(64);
    let memory = work.zeros::<AtomicU64>(words + 8)?;
    let set: &[AtomicU64] = memory.get();
    let places = Places { key, low };
    work.each_range(key.rows, |range| {
        let (mut at, mut collected) = (0, 0);
        with_place!(places, place => valid(key, range, |row| {
            let place = place(row);
            if place / 64 != at {
                if collected != 0 {
                    set[at].fetch_or(collected, Ordering::Relaxed);
                }
                (at, collected) = (place / 64, 0);
            }
            collected |= 1 << (place % 64);
        }));
        if collected != 0 {
            set[at].fetch_or(collected, Ordering::Relaxed);
        }
        Ok(())
    })?;
    let ty = TableType { element: Type::Bool, nullable: false };
    Ok(Arc::new(Table { ty, len: domain, values: memory.into_buffer(), bytes: None, validity: None }))
}

/// Bits of so many places, and how many are set. `fill` writes a byte of 0 or 1 for each of a run of places.
fn pack(work: &Work<'_>, domain: usize, fill: impl Fn(Range<usize>, &mut [u8]) + Sync) -> Result<(Arc<Table>, usize)> {
    let words = domain.div_ceil(64);
    let memory = work.zeros::<u64>(words + 8)?;
    let (bits, groups) = (memory.slots(), AtomicUsize::new(0));
    work.each_range(words, |range| {
        let mut found = 0;
        for word in range {
            let mut bytes = [0u8; 64];
            let all = (word * 64)..domain.min(word * 64 + 64);
            let count = all.len();
            fill(all, &mut bytes[..count]);
            let (eights, _) = bytes.as_chunks::<8>();
            // Eight bytes become eight bits, by a product that moves each to its place.
            let byte = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            let packed = eights.iter().enumerate().fold(0, |packed, (at, eight)| packed | byte(eight) << (8 * at));
            found += packed.count_ones() as usize;
            // SAFETY: a word is one thread's.
            unsafe { bits.set(word, packed) };
        }
        groups.fetch_add(found, Ordering::Relaxed);
        Ok(())
    })?;
    let ty = TableType { element: Type::Bool, nullable: false };
    let table = Table { ty, len: domain, values: memory.into_buffer(), bytes: None, validity: None };
    Ok((Arc::new(table), groups.into_inner()))
}

/// The numbers of keys, their bits, and how many there are.
type Unique = (Arc<Table>, Arc<Table>, usize);

/// The row of each key and 1, a bit for each, and how many there are; `None` where a key has several rows.
fn unique(work: &Work<'_>, places: Places<'_>, domain: usize, rows: usize) -> Result<Option<Unique>> {
    if rows > domain {
        return Ok(None);
    }
    let memory = work.zeros::<AtomicU32>(domain)?;
    let (numbers, twice): (&[AtomicU32], _) = (memory.get(), AtomicBool::new(false));
    work.each_range(places.key.rows, |range| {
        if twice.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Another thread may set the same place meanwhile: the count below sees that.
        let mut again = false;
        with_place!(places, place => valid(places.key, range, |row| {
            let number = &numbers[place(row)];
            again |= number.load(Ordering::Relaxed) != 0;
            number.store(row as u32 + 1, Ordering::Relaxed);
        }));
        twice.fetch_or(again, Ordering::Relaxed);
        Ok(())
    })?;
    if twice.into_inner() {
        return Ok(None);
    }
    let filled: &[u32] = memory.read();
    let (bits, groups) = pack(work, domain, |range, out| {
        out.iter_mut().zip(&filled[range]).for_each(|(out, number)| *out = u8::from(*number != 0));
    })?;
    Ok((groups == rows).then(|| (integers(memory.into_buffer(), domain), bits, groups)))
}

pub(super) fn integers(values: arrow::buffer::Buffer, len: usize) -> Arc<Table> {
    let ty = TableType { element: Type::I32, nullable: false };
    Arc::new(Table { ty, len, values, bytes: None, validity: None })
}

/// Rows in the order of their groups.
struct Ordered {
    order: Order,
    starts: Arc<Table>,
    longest: u32,
}

/// Whether the keys ascend already, none of them NULL.
fn is_ordered(work: &Work<'_>, places: Places<'_>) -> Result<bool> {
    if places.key.validity.is_some() {
        return Ok(false);
    }
    let disorder = AtomicBool::new(false);
    work.each_range(places.key.rows, |range| {
        // Each range looks at the row in front of it too.
        let first = range.start.saturating_sub(1);
        if disorder.load(Ordering::Relaxed) {
            return Ok(());
        }
        let falls = with_place!(places, place => (first + 1..range.end).any(|row| place(row - 1) > place(row)));
        disorder.fetch_or(falls, Ordering::Relaxed);
        Ok(())
    })?;
    Ok(!disorder.into_inner())
}

/// The order of keys that ascend.
fn in_order(work: &Work<'_>, places: Places<'_>, domain: usize) -> Result<Ordered> {
    let memory = work.zeros::<i32>(domain + 1)?;
    let (starts, rows, longest) = (memory.slots(), places.key.rows, AtomicU32::new(0));
    work.each_range(rows, |range| {
        with_place!(places, place => {
            let mut most = 0;
            // The place behind that of the row in front: from there to its own, groups begin at a row.
            let mut next = if range.start == 0 { 0 } else { place(range.start - 1) + 1 };
            for row in range.clone() {
                let own = place(row);
                if own < next {
                    continue;
                }
                for at in next..=own {
                    // SAFETY: a place is that of one row, the first of its group or of one behind it.
                    unsafe { starts.set(at, row as i32) };
                }
                next = own + 1;
                // Only where a group begins it is looked for where it ends.
                let end = (row + 1..rows).find(|other| place(*other) != own).unwrap_or(rows);
                most = most.max((end - row) as u32);
            }
            if range.end == rows {
                for at in next..=domain {
                    // SAFETY: the last range is one thread's.
                    unsafe { starts.set(at, rows as i32) };
                }
            }
            longest.fetch_max(most, Ordering::Relaxed);
        });
        Ok(())
    })?;
    let starts = integers(memory.into_buffer(), domain + 1);
    Ok(Ordered { order: Order { starts: Arc::clone(&starts), rows: None }, starts, longest: longest.into_inner() })
}

/// Rows by the spans of the domain that their keys lie in.
struct Spans<'a> {
    places: Places<'a>,
    shift: u32,
}

impl Source for Spans<'_> {
    fn each(&self, range: Range<usize>, mut put: impl FnMut(usize, u64, u32)) {
        let shift = self.shift;
        with_place!(self.places, place => valid(self.places.key, range, |row| {
            let place = place(row);
            put(place >> shift, place as u64, row as u32);
        }));
    }
}

/// The order of any keys: parted by spans of the domain, each span then sorted by counting.
fn sorted(work: &Work<'_>, places: Places<'_>, domain: usize, count: usize) -> Result<Ordered> {
    // As few parts as keep each span near the processor: a scatter to many parts is slow itself.
    let shift = SPAN.trailing_zeros().max((usize::BITS - domain.leading_zeros()).saturating_sub(PART_BITS));
    let parts = ((domain - 1) >> shift) + 1;
    let parted = work.part(places.key.rows, parts, count, &Spans { places, shift })?;
    let (starts_of, rows_of) = (work.zeros::<i32>(domain + 1)?, work.zeros::<i32>(count)?);
    let (starts, rows, longest) = (starts_of.slots(), rows_of.slots(), AtomicU32::new(0));
    work.each_part(parts, |counts: &mut Vec<u32>, part| {
        let (first, items) = parted.part(part);
        let span = (part << shift)..domain.min((part + 1) << shift);
        counts.clear();
        counts.resize(span.len(), 0);
        for (place, _) in items.clone() {
            counts[place as usize - span.start] += 1;
        }
        let (mut at, mut most) = (first as u32, 0);
        for (offset, count) in counts.iter_mut().enumerate() {
            // SAFETY: the places of a part are one thread's.
            unsafe { starts.set(span.start + offset, at as i32) };
            most = most.max(*count);
            at += std::mem::replace(count, at);
        }
        for (place, row) in items {
            let next = &mut counts[place as usize - span.start];
            // SAFETY: the rows of a part lie together, and are one thread's.
            unsafe { rows.set(*next as usize, row as i32) };
            *next += 1;
        }
        longest.fetch_max(most, Ordering::Relaxed);
        Ok(())
    })?;
    // SAFETY: nobody else writes any more.
    unsafe { starts.set(domain, count as i32) };
    let starts = integers(starts_of.into_buffer(), domain + 1);
    let order = Order { starts: Arc::clone(&starts), rows: Some(integers(rows_of.into_buffer(), count)) };
    Ok(Ordered { order, starts, longest: longest.into_inner() })
}

/// Which groups have rows, and how many.
fn bits_of_starts(work: &Work<'_>, starts: &Table, domain: usize) -> Result<(Arc<Table>, usize)> {
    let starts = &starts.values.typed_data::<i32>()[..=domain];
    pack(work, domain, |range, out| {
        let ends = &starts[range.start + 1..=range.end];
        out.iter_mut().zip(&starts[range]).zip(ends).for_each(|((out, begin), end)| *out = u8::from(begin != end));
    })
}
