//! The order of rows by keys.
//!
//! Rows of which many are left are scattered to parts by the upper bits of their words, from the least to the greatest, until a
//! part is small enough for one thread; a part where all words are equal goes on with the next level. So neither a few values
//! that most rows have nor texts that begin alike leave the work to one thread.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::word::{Field, Level, behind, common, fill, levels, text};
use super::{Key, Order};
use crate::device::Cancel;
use crate::error::{Error, Result};
use crate::parallel::{PART_BITS, Room, Slots, Source, Work};

/// So many rows one thread sorts: their words and numbers fit its second cache.
const ALONE: usize = 1 << 15;
/// Bits of a digit: so many counts fit the first cache with what they count.
const DIGIT: u32 = 8;
/// Words of so many bits are ordered by digits, not by comparing.
const COUNTED: u32 = 24;
/// So many runs of equal rows are sorted within one another; what is still equal then is compared.
const DEEPEST: u32 = 48;
/// So few texts are compared one with the other.
const COMPARED: usize = 6;
/// Texts that are equal for so many bytes are compared as they are: each eight bytes are a call within a call.
const BEHIND: usize = 1024;
/// Rows whose words are made at once: they stay in the first cache.
const BLOCK: usize = 512;

/// Orders rows by keys, on at most so many threads (0: all); the first `most` of them where that is fewer. Rows that the keys
/// do not tell apart keep their order. Keys are columns of equal length, at least one.
///
/// `Unsupported`: more rows than numbers of 32 bits name.
pub fn order(keys: &[Key<'_>], most: usize, threads: usize, cancel: &Cancel) -> Result<Order> {
    let rows = keys.first().map_or(0, |key| key.column.rows);
    if keys.is_empty() || keys.iter().any(|key| key.column.rows != rows || !key.column.is_whole()) {
        return Err(Error::Invalid("rows are ordered by columns of one length, at least one".to_owned()));
    }
    if i32::try_from(rows).is_err() {
        return Err(Error::Unsupported(format!("{rows} rows to be sorted")));
    }
    let work = Work::new(threads, cancel);
    let numbers = work.zeros::<u32>(rows)?;
    let slots = numbers.slots();
    work.each_range(rows, |range| {
        // SAFETY: ranges are apart.
        range.for_each(|row| unsafe { slots.set(row, row as u32) });
        Ok(())
    })?;
    let sorting = Sorting { work: &work, keys, levels: levels(&work, keys)?, numbers: &slots, most };
    sorting.all(0..rows)?;
    Ok(Order { numbers: numbers.into_buffer(), count: rows.min(most), of: rows })
}

/// Rows that are being ordered.
struct Sorting<'a> {
    work: &'a Work<'a>,
    keys: &'a [Key<'a>],
    levels: Vec<Level>,
    /// The rows' numbers: in order from part to part, not yet within one.
    numbers: &'a Slots<'a, u32>,
    /// The places that count.
    most: usize,
}

/// What a thread needs to sort a part.
#[derive(Default)]
struct Own {
    words: Vec<u64>,
    narrow: Vec<u64>,
    other: Vec<u64>,
    wide: Vec<u128>,
    rows: Vec<u32>,
    /// The same for a run of rows that are equal so far.
    inner: Option<Box<Own>>,
    /// How many runs it is within.
    depth: u32,
}

impl Own {
    /// Orders rows by their words, and the words too where they are still wanted.
    fn in_order(&mut self, wanted: bool) {
        let low = self.words.iter().copied().min().unwrap_or(0);
        let high = self.words.iter().copied().max().unwrap_or(0);
        // With the row's number behind it each is different, and rows keep their order.
        if high - low <= u64::from(u32::MAX) {
            self.narrow.clear();
            self.narrow.extend(self.words.iter().zip(&self.rows).map(|(word, row)| (word - low) << 32 | u64::from(*row)));
            let bits = u64::BITS - (high - low).leading_zeros();
            if bits <= COUNTED && self.narrow.len() >= 1 << DIGIT {
                self.by_digits(bits);
            } else {
                self.narrow.sort_unstable();
            }
            self.rows.iter_mut().zip(&self.narrow).for_each(|(row, word)| *row = *word as u32);
            if wanted {
                self.words.iter_mut().zip(&self.narrow).for_each(|(word, sorted)| *word = *sorted >> 32);
            }
        } else {
            self.wide.clear();
            self.wide.extend(self.words.iter().zip(&self.rows).map(|(word, row)| u128::from(*word) << 32 | u128::from(*row)));
            self.wide.sort_unstable();
            self.rows.iter_mut().zip(&self.wide).for_each(|(row, word)| *row = *word as u32);
            if wanted {
                self.words.iter_mut().zip(&self.wide).for_each(|(word, sorted)| *word = (*sorted >> 32) as u64);
            }
        }
    }

    /// Orders words of so many bits digit by digit, the least significant first: rows with equal words keep their order.
    fn by_digits(&mut self, bits: u32) {
        self.other.resize(self.narrow.len(), 0);
        for from in (0..bits).step_by(DIGIT as usize) {
            let digit = |word: u64| (word >> (32 + from)) as usize & ((1 << DIGIT) - 1);
            let mut places = [0u32; 1 << DIGIT];
            self.narrow.iter().for_each(|word| places[digit(*word)] += 1);
            let mut next = 0;
            for place in &mut places {
                next += std::mem::replace(place, next);
            }
            for word in &self.narrow {
                let place = &mut places[digit(*word)];
                self.other[*place as usize] = *word;
                *place += 1;
            }
            std::mem::swap(&mut self.narrow, &mut self.other);
        }
    }

    /// Has every run of rows that are the same sorted, of those that begin before `most`.
    fn each_run(&mut self, most: usize, same: impl Fn(&[u32], usize, usize) -> bool, mut sort: impl FnMut(&mut Self, usize)) {
        let mut inner = self.inner.take().unwrap_or_default();
        inner.depth = self.depth + 1;
        let mut begin = 0;
        while begin < self.rows.len().min(most) {
            let mut end = begin + 1;
            while end < self.rows.len() && same(&self.rows, begin, end) {
                end += 1;
            }
            if end - begin > 1 {
                inner.rows.clear();
                inner.rows.extend_from_slice(&self.rows[begin..end]);
                sort(&mut inner, begin);
                self.rows[begin..end].copy_from_slice(&inner.rows);
            }
            begin = end;
        }
        self.inner = Some(inner);
    }
}

/// Words and rows as they were scattered.
struct Scattered<'a> {
    words: &'a [u64],
    numbers: &'a Slots<'a, u32>,
    from: usize,
    low: u64,
    shift: u32,
}

impl Source for Scattered<'_> {
    fn each(&self, range: Range<usize>, mut put: impl FnMut(usize, u64, u32)) {
        for at in range {
            let word = self.words[at];
            put(((word - self.low) >> self.shift) as usize, word, self.numbers.get(self.from + at));
        }
    }
}

impl Sorting<'_> {
    fn all(&self, rows: Range<usize>) -> Result<()> {
        let mut left = vec![(rows, 0)];
        while let Some((range, level)) = left.pop() {
            if range.start >= self.most || range.len() < 2 || level == self.levels.len() {
                continue;
            }
            if range.len() <= ALONE {
                self.work.each_part(1, |own: &mut Own, _| {
                    own.rows.clear();
                    own.rows.extend(range.clone().map(|at| self.numbers.get(at)));
                    self.alone(own, level, range.start);
                    self.put(range.start, &own.rows);
                    Ok(())
                })?;
                continue;
            }
            match &self.levels[level] {
                Level::Word(fields) => {
                    let small = |own: &mut Own, from| self.by_words(own, level, from);
                    if !self.parted(range.clone(), fields, level, &mut left, small)? {
                        left.push((range, level + 1));
                    }
                }
                Level::Text { key, .. } => {
                    let column = self.keys[*key].column;
                    let rows: Vec<u32> = range.clone().map(|at| self.numbers.get(at)).collect();
                    let skip = common(self.work, column, Some(&rows))?;
                    let ends = |row: &u32| text(column, *row as usize).len() == skip;
                    if self.is_null(*key, rows[0]) || rows.iter().all(ends) {
                        left.push((range, level + 1));
                        continue;
                    }
                    // Of texts whose next bytes are equal, too, those behind tell.
                    let small = |own: &mut Own, from| self.by_bytes(own, *key, skip, level, from);
                    if !self.parted(range.clone(), &behind(*key, skip), level, &mut left, small)? {
                        // They differ in zeros at their ends alone.
                        self.work.each_part(1, |own: &mut Own, _| {
                            own.rows.clone_from(&rows);
                            self.alone(own, level, range.start);
                            self.put(range.start, &own.rows);
                            Ok(())
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_null(&self, key: usize, row: u32) -> bool {
        let bits = self.keys[key].column.validity.as_ref();
        bits.is_some_and(|bits| !crate::column::element::bit(bits, row as usize))
    }

    fn put(&self, from: usize, rows: &[u32]) {
        // SAFETY: the places of a part are one thread's.
        rows.iter().enumerate().for_each(|(at, row)| unsafe { self.numbers.set(from + at, *row) });
    }

    /// Scatters rows to parts by their words; small parts are sorted, others go to `left` with the same level. False where all
    /// words are equal. What `small` is given has its words.
    fn parted(
        &self,
        range: Range<usize>,
        fields: &[Field],
        level: usize,
        left: &mut Vec<(Range<usize>, usize)>,
        small: impl Fn(&mut Own, usize) + Sync,
    ) -> Result<bool> {
        let count = range.len();
        let words: Room<u64> = self.work.zeros(count)?;
        let slots = words.slots();
        let (low, high) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
        self.work.each_range(count, |some| {
            let mut block = [0u64; BLOCK];
            let (mut least, mut most) = (u64::MAX, 0);
            for from in some.clone().step_by(BLOCK) {
                let to = some.end.min(from + BLOCK);
                let words = &mut block[..to - from];
                let rows = (from..to).map(|at| self.numbers.get(range.start + at) as usize);
                fill(fields, self.keys, rows, words);
                for (at, word) in words.iter().enumerate() {
                    (least, most) = (least.min(*word), most.max(*word));
                    // SAFETY: ranges are apart.
                    unsafe { slots.set(from + at, *word) };
                }
            }
            low.fetch_min(least, Ordering::Relaxed);
            high.fetch_max(most, Ordering::Relaxed);
            Ok(())
        })?;
        let (low, high) = (low.into_inner(), high.into_inner());
        if low == high {
            return Ok(false);
        }
        let shift = (u64::BITS - (high - low).leading_zeros()).saturating_sub(PART_BITS);
        let parts = ((high - low) >> shift) as usize + 1;
        let source = Scattered { words: words.get(), numbers: self.numbers, from: range.start, low, shift };
        let parted = self.work.part(count, parts, count, &source)?;
        drop(words);
        let one = |part: usize| {
            let (begin, rows) = parted.part(part);
            (range.start + begin, rows)
        };
        self.work.each_part(parts, |own: &mut Own, part| {
            let (from, rows) = one(part);
            let count = rows.size_hint().0;
            if count > ALONE || from >= self.most {
                // SAFETY: the places of a part are one thread's.
                rows.enumerate().for_each(|(at, (_, row))| unsafe { self.numbers.set(from + at, row) });
                return Ok(());
            }
            own.rows.clear();
            own.words.clear();
            for (word, row) in rows {
                own.words.push(word);
                own.rows.push(row);
            }
            small(own, from);
            self.put(from, &own.rows);
            Ok(())
        })?;
        for part in 0..parts {
            let (from, rows) = one(part);
            let count = rows.size_hint().0;
            if count > ALONE {
                left.push((from..from + count, level));
            }
        }
        Ok(true)
    }

    /// Sorts rows by comparing them two by two from a level on: where calls would stand too deep within one another.
    fn compared(&self, own: &mut Own, level: usize) {
        let word = |fields: &[Field], row: u32| {
            let mut word = [0];
            fill(fields, self.keys, std::iter::once(row as usize), &mut word);
            word[0]
        };
        let by = |level: &Level, a: u32, b: u32| match level {
            Level::Word(fields) => word(fields, a).cmp(&word(fields, b)),
            Level::Text { key, .. } if self.is_null(*key, a) => std::cmp::Ordering::Equal,
            Level::Text { key, .. } => {
                let key = &self.keys[*key];
                let order = text(key.column, a as usize).cmp(text(key.column, b as usize));
                if key.descending { order.reverse() } else { order }
            }
        };
        let levels = self.levels.get(level..).unwrap_or(&[]);
        own.rows.sort_unstable_by(|a, b| {
            let told = levels.iter().map(|level| by(level, *a, *b)).find(|order| order.is_ne());
            told.unwrap_or_else(|| a.cmp(b))
        });
    }

    /// Sorts a part's rows, which stand at `from`, from a level on.
    fn alone(&self, own: &mut Own, level: usize, from: usize) {
        if own.depth > DEEPEST {
            return self.compared(own, level);
        }
        match self.levels.get(level) {
            None => {}
            Some(Level::Word(fields)) => {
                own.words.resize(own.rows.len(), 0);
                fill(fields, self.keys, own.rows.iter().map(|row| *row as usize), &mut own.words);
                self.by_words(own, level, from);
            }
            // What stands where there is no text means nothing; rows have one all or none, of which the word before told.
            Some(Level::Text { key, .. }) if own.rows.first().is_some_and(|row| self.is_null(*key, *row)) => {
                self.alone(own, level + 1, from);
            }
            Some(Level::Text { key, skip }) => self.by_text(own, *key, *skip, level, from),
        }
    }

    /// The same by the texts of a key whose first `skip` bytes are equal, eight bytes at a time: so a text is looked up once for
    /// all that it is compared with.
    fn by_text(&self, own: &mut Own, at: usize, skip: usize, level: usize, from: usize) {
        if own.depth > DEEPEST {
            return self.compared(own, level);
        }
        let key = &self.keys[at];
        let of = |row: u32| text(key.column, row as usize);
        let longest = own.rows.iter().map(|row| of(*row).len()).max().unwrap_or(0);
        if own.rows.len() <= COMPARED || longest <= skip || skip > BEHIND {
            let turned = |order: std::cmp::Ordering| if key.descending { order.reverse() } else { order };
            own.rows.sort_unstable_by(|a, b| turned(of(*a).cmp(of(*b))).then(a.cmp(b)));
            return self.runs(own, level, from, |rows, a, b| of(rows[a]) == of(rows[b]));
        }
        own.words.resize(own.rows.len(), 0);
        fill(&behind(at, skip), self.keys, own.rows.iter().map(|row| *row as usize), &mut own.words);
        self.by_bytes(own, at, skip, level, from);
    }

    /// The same, where the words are there: the eight bytes behind those that are equal.
    fn by_bytes(&self, own: &mut Own, at: usize, skip: usize, level: usize, from: usize) {
        own.in_order(true);
        let words = std::mem::take(&mut own.words);
        own.each_run(
            self.most.saturating_sub(from),
            |_, a, b| words[a] == words[b],
            |inner, begin| self.by_text(inner, at, skip + 8, level, from + begin),
        );
        own.words = words;
    }

    /// The same, of rows whose words at that level are there.
    fn by_words(&self, own: &mut Own, level: usize, from: usize) {
        let is_last = level + 1 == self.levels.len();
        own.in_order(!is_last);
        if !is_last {
            let words = std::mem::take(&mut own.words);
            self.runs(own, level, from, |_, a, b| words[a] == words[b]);
            own.words = words;
        }
    }

    /// Sorts rows that a level did not tell apart by the next.
    fn runs(&self, own: &mut Own, level: usize, from: usize, same: impl Fn(&[u32], usize, usize) -> bool) {
        if level + 1 == self.levels.len() {
            return;
        }
        own.each_run(self.most.saturating_sub(from), same, |inner, begin| self.alone(inner, level + 1, from + begin));
    }
}
