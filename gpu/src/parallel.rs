//! Work on rows in parallel: ranges of them, parts of them, and memory that threads share out.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::buffer::Buffer;
use arrow::datatypes::ArrowNativeType;
use parking_lot::Mutex;

use crate::column::Column;
use crate::column::element::{bit, of};
use crate::device::Cancel;
use crate::device::cpu::memory::Memory;
use crate::device::cpu::pool::Pool;
use crate::error::Result;
use crate::program::Type;

/// Rows that a thread takes at once; a multiple of 64.
const RANGE: usize = 1 << 15;
/// The most parts that rows are scattered to at once: a line of the first cache for each.
pub(crate) const PART_BITS: u32 = 9;

/// Who works, and until when.
pub(crate) struct Work<'a> {
    pool: Pool,
    threads: usize,
    cancel: &'a Cancel,
}

impl<'a> Work<'a> {
    /// On at most so many threads of the processor; 0 is all.
    pub(crate) fn new(threads: usize, cancel: &'a Cancel) -> Self {
        let pool = Pool::of_machine();
        let threads = if threads == 0 { pool.threads() } else { threads.min(pool.threads()) };
        Self { pool, threads, cancel }
    }

    /// Does the work on ranges of so many, which begin at multiples of 64.
    pub(crate) fn each_range(&self, count: usize, work: impl Fn(Range<usize>) -> Result<()> + Sync) -> Result<()> {
        self.each_part(count.div_ceil(RANGE), |(), at| work(at * RANGE..count.min((at + 1) * RANGE)))
    }

    /// Does the work on each of so many parts, with something of the thread's own.
    pub(crate) fn each_part<T: Default + Send>(
        &self,
        parts: usize,
        work: impl Fn(&mut T, usize) -> Result<()> + Sync,
    ) -> Result<()> {
        self.cancel.check()?;
        // Other threads would cost more than they bring to a single part.
        self.pool.parts(self.threads, parts, |own, part| {
            self.cancel.check()?;
            work(own, part)
        })
    }

    /// Memory for so many, zeros at first, and some behind them.
    pub(crate) fn zeros<T>(&self, count: usize) -> Result<Room<T>> {
        Ok(Room { memory: Memory::touched((count * size_of::<T>() + 1).next_multiple_of(64))?, count, of: PhantomData })
    }

    /// Scatters `count` of so many rows to parts, in order within each.
    pub(crate) fn part(&self, rows: usize, parts: usize, count: usize, source: &impl Source) -> Result<Parted> {
        // Large pieces: each has counts of its own for every part.
        let pieces = (rows / (RANGE * 2)).clamp(1, self.threads * 4);
        let piece = rows.div_ceil(pieces).next_multiple_of(64).max(64);
        let range = |at: usize| (at * piece).min(rows)..((at + 1) * piece).min(rows);
        let counts = self.zeros::<u32>(pieces * parts)?;
        let slots = counts.slots();
        self.each_part(pieces, |own: &mut Vec<u32>, at| {
            own.clear();
            own.resize(parts, 0);
            source.each(range(at), |part, _, _| own[part] += 1);
            // SAFETY: a piece's counts are one thread's.
            own.iter().enumerate().for_each(|(part, count)| unsafe { slots.set(at * parts + part, *count) });
            Ok(())
        })?;
        let mut begins = Vec::with_capacity(parts + 1);
        let mut next = 0;
        for part in 0..parts {
            begins.push(next as usize);
            for at in 0..pieces {
                let count = slots.get(at * parts + part);
                // SAFETY: nobody else writes now.
                unsafe { slots.set(at * parts + part, next) };
                next += count;
            }
        }
        begins.push(next as usize);
        let (words, numbers) = (self.zeros::<u64>(count)?, self.zeros::<u32>(count)?);
        let (to_words, to_numbers) = (words.slots(), numbers.slots());
        self.each_part(pieces, |own: &mut Vec<u32>, at| {
            own.clear();
            own.extend((0..parts).map(|part| slots.get(at * parts + part)));
            source.each(range(at), |part, word, number| {
                let place = own[part] as usize;
                own[part] += 1;
                // SAFETY: the places of a piece and part were counted, and are one thread's.
                unsafe {
                    to_words.set(place, word);
                    to_numbers.set(place, number);
                }
            });
            Ok(())
        })?;
        Ok(Parted { words, numbers, begins })
    }
}

/// Does something for each of so many parts, on at most so many threads of the processor (0: all), and gives what comes of each,
/// in order; the first failure in no order.
pub fn map<T: Send>(threads: usize, parts: usize, task: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let cancel = Cancel::default();
    let done: Vec<Mutex<Option<T>>> = (0..parts).map(|_| Mutex::new(None)).collect();
    Work::new(threads, &cancel).each_part(parts, |(), at| {
        *done[at].lock() = Some(task(at)?);
        Ok(())
    })?;
    Ok(done.into_iter().filter_map(Mutex::into_inner).collect())
}

/// Hands over those rows of a range whose key is not NULL.
#[inline(always)]
pub(crate) fn valid(key: &Column, range: Range<usize>, mut each: impl FnMut(usize)) {
    let Some(bits) = &key.validity else { return range.for_each(each) };
    // Word by word: a branch for each bit would often be taken wrongly.
    for begin in (range.start / 64 * 64..range.end).step_by(64) {
        let bytes = &bits[begin / 8..range.end.min(begin + 64).div_ceil(8)];
        let mut word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        word &= u64::MAX << range.start.saturating_sub(begin);
        word &= u64::MAX >> (64 - (range.end - begin).min(64));
        while word != 0 {
            each(begin + word.trailing_zeros() as usize);
            word &= word - 1;
        }
    }
}

/// Rows that are scattered to parts.
pub(crate) trait Source: Sync {
    /// Hands over the part, the word and the number of the rows of a range, which begins at a multiple of 64. It is asked
    /// twice, and must say the same.
    fn each(&self, range: Range<usize>, put: impl FnMut(usize, u64, u32));
}

/// Rows that were scattered to parts: a word and a number of each.
pub(crate) struct Parted {
    words: Room<u64>,
    numbers: Room<u32>,
    begins: Vec<usize>,
}

impl Parted {
    /// The rows of a part, and how many are in those before it.
    pub(crate) fn part(&self, part: usize) -> (usize, impl Iterator<Item = (u64, u32)> + Clone) {
        let range = self.begins[part]..self.begins[part + 1];
        let (words, numbers) = (&self.words.get()[range.clone()], &self.numbers.get()[range.clone()]);
        (range.start, words.iter().copied().zip(numbers.iter().copied()))
    }
}

/// Memory of a number of elements.
pub(crate) struct Room<T> {
    memory: Memory,
    count: usize,
    of: PhantomData<T>,
}

impl<T> std::fmt::Debug for Room<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<T> Room<T> {
    /// All of it, when nobody writes to it but through `T` itself.
    pub(crate) fn get(&self) -> &[T] {
        // SAFETY: there are so many, zeros at least, and the address is a multiple of 64.
        unsafe { std::slice::from_raw_parts(self.memory.address().cast(), self.count) }
    }

    /// All of it as plain elements of that width, when nobody writes any more.
    pub(crate) fn read<P: ArrowNativeType>(&self) -> &[P] {
        const { assert!(size_of::<P>() == size_of::<T>()) };
        // SAFETY: any bits are a `P`, and there are so many.
        unsafe { std::slice::from_raw_parts(self.memory.address().cast(), self.count) }
    }

    /// Its elements, for threads to share out.
    pub(crate) fn slots(&self) -> Slots<'_, T> {
        Slots { address: self.memory.address().cast(), count: self.count, of: PhantomData }
    }

    /// The same bytes as Arrow holds them, with zeros behind them to a multiple of 64.
    pub(crate) fn into_buffer(self) -> Buffer {
        self.memory.into_buffer()
    }
}

/// The elements of some memory, each written by one thread at most.
pub(crate) struct Slots<'a, T> {
    address: *mut T,
    count: usize,
    of: PhantomData<&'a [T]>,
}

// SAFETY: who writes vouches for it that nobody else uses that element meanwhile.
unsafe impl<T: Send> Sync for Slots<'_, T> {}

impl<T: Copy> Slots<'_, T> {
    /// Writes an element.
    ///
    /// # Safety
    ///
    /// Nobody else uses it meanwhile, and the memory is no buffer's.
    #[inline(always)]
    pub(crate) unsafe fn set(&self, at: usize, value: T) {
        assert!(at < self.count, "an element behind the end");
        // SAFETY: as this function's own.
        unsafe { self.address.add(at).write(value) };
    }

    /// Writes elements one behind the other.
    ///
    /// # Safety
    ///
    /// As [`set`](Self::set), of each of them.
    #[inline(always)]
    pub(crate) unsafe fn copy(&self, at: usize, values: &[T]) {
        assert!(at <= self.count && values.len() <= self.count - at, "elements behind the end");
        // SAFETY: as this function's own; what is borrowed is other memory.
        unsafe { self.address.add(at).copy_from_nonoverlapping(values.as_ptr(), values.len()) };
    }

    /// Reads an element, which nobody writes meanwhile.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> T {
        assert!(at < self.count, "an element behind the end");
        // SAFETY: it is there; who writes has vouched for the rest.
        unsafe { self.address.add(at).read() }
    }
}

/// The least and the greatest value of a column of integers or `bool`, of those that are not NULL; there is one.
pub(crate) fn range_of(work: &Work<'_>, key: &Column) -> Result<(i128, i128)> {
    let ranges = key.rows.div_ceil(RANGE);
    let found = parking_lot::Mutex::new((i128::MAX, i128::MIN));
    let next = AtomicUsize::new(0);
    work.each_part(ranges.min(work.threads), |(), _| {
        let (mut low, mut high) = (i128::MAX, i128::MIN);
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= ranges {
                break;
            }
            let range = at * RANGE..key.rows.min((at + 1) * RANGE);
            macro_rules! with {
                ($T:ty) => {{
                    let (mut least, mut most) = (<$T>::MAX, <$T>::MIN);
                    valid(key, range, |row| {
                        let value = of::<$T>(&key.values, row);
                        (least, most) = (least.min(value), most.max(value));
                    });
                    if least <= most {
                        (low, high) = (low.min(least as i128), high.max(most as i128));
                    }
                }};
            }
            match key.ty.ty {
                Type::I8 => with!(i8),
                Type::I16 => with!(i16),
                Type::I32 => with!(i32),
                Type::I64 => with!(i64),
                Type::I128 => with!(i128),
                Type::U8 => with!(u8),
                Type::U16 => with!(u16),
                Type::U32 => with!(u32),
                Type::Bool | Type::F32 | Type::F64 | Type::Text => valid(key, range, |row| {
                    let value = i128::from(bit(&key.values, row));
                    (low, high) = (low.min(value), high.max(value));
                }),
            }
        }
        let mut all = found.lock();
        *all = (all.0.min(low), all.1.max(high));
        Ok(())
    })?;
    Ok(found.into_inner())
}
