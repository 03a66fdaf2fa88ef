//! Tests of a column of texts over the rows of a list: those that pass stay listed.

use std::cmp::Ordering;

use super::pattern::{MatchKind, Matcher};
use super::search::same_folded;
use super::select::{BLOCK, Mask, WORDS};
use crate::program::Comparison;

/// The rows of a block of a column of texts.
#[derive(Debug, Clone, Copy)]
pub struct Texts {
    /// The first row's offset; one more than rows are there.
    pub offsets: *const u32,
    /// What they lead into.
    pub bytes: *const u8,
    /// How many bytes can be read there.
    pub readable: usize,
    /// The bits of rows that are not NULL; null where no row is.
    pub validity: *const u8,
}

/// A list of rows: where from, how many, and where those go that pass. Both may be the same.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// The rows, ascending.
    pub from: *const u16,
    /// How many.
    pub count: usize,
    /// Where those that pass go; room for as many.
    pub to: *mut u16,
}

/// Rows of a block, on average, for each of the list's, up to which the whole block is searched at once.
const DENSE: usize = 4;

impl Texts {
    /// Where a row's text begins and ends.
    #[inline(always)]
    unsafe fn span(&self, row: usize) -> (usize, usize) {
        // SAFETY: the row is of the block.
        unsafe { (self.offsets.add(row).read_unaligned() as usize, self.offsets.add(row + 1).read_unaligned() as usize) }
    }

    #[inline(always)]
    unsafe fn text(&self, row: usize) -> &[u8] {
        // SAFETY: the row is of the block.
        unsafe {
            let (begin, end) = self.span(row);
            std::slice::from_raw_parts(self.bytes.add(begin), end - begin)
        }
    }

    /// The first eight bytes of a row's text, the first one lowest; those behind its end are 0.
    #[inline(always)]
    unsafe fn word(&self, row: usize) -> (u64, usize) {
        // SAFETY: the row is of the block, and nothing is read behind what can be.
        unsafe {
            let (begin, end) = self.span(row);
            let length = end - begin;
            if begin + 8 <= self.readable {
                let word = u64::from_le(self.bytes.add(begin).cast::<u64>().read_unaligned());
                return (if length >= 8 { word } else { word & ((1 << (8 * length)) - 1) }, length);
            }
            let text = self.text(row);
            let word = text.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            (word, length)
        }
    }

    #[inline(always)]
    unsafe fn is_valid(&self, row: usize) -> bool {
        // SAFETY: the row is of the block.
        self.validity.is_null() || unsafe { *self.validity.add(row / 8) } >> (row % 8) & 1 == 1
    }

    /// Keeps the rows for which `test` is `wanted` and that are not NULL.
    #[inline(always)]
    unsafe fn keep(&self, list: List, wanted: bool, test: impl Fn(usize) -> bool) -> usize {
        let mut kept = 0;
        // SAFETY: the list's rows are of the block, and there is room for all of them.
        unsafe {
            if self.validity.is_null() {
                for at in 0..list.count {
                    let row = *list.from.add(at);
                    *list.to.add(kept) = row;
                    kept += usize::from(test(row.into()) == wanted);
                }
            } else {
                for at in 0..list.count {
                    let row = *list.from.add(at);
                    *list.to.add(kept) = row;
                    kept += usize::from(self.is_valid(row.into()) && test(row.into()) == wanted);
                }
            }
        }
        kept
    }

    /// Keeps the rows whose text matches, or does not.
    ///
    /// # Safety
    ///
    /// The block has the list's rows; a list has room where it says so.
    pub unsafe fn matching(&self, matcher: &Matcher, wanted: bool, list: List) -> usize {
        // SAFETY: as this function's own, for all that follows.
        unsafe {
            match &matcher.kind {
                MatchKind::Exact(text) if !matcher.fold => self.equal(text, wanted, list),
                MatchKind::Prefix(begin) if !matcher.fold && begin.len() <= 8 => {
                    let mask = if begin.len() == 8 { u64::MAX } else { (1 << (8 * begin.len())) - 1 };
                    let first = word_of(begin);
                    self.keep(list, wanted, |row| {
                        let (word, length) = self.word(row);
                        (word & mask == first) & (length >= begin.len())
                    })
                }
                MatchKind::Prefix(begin) if !matcher.fold => {
                    let first = word_of(begin);
                    self.keep(list, wanted, |row| self.word(row).0 == first && self.text(row).starts_with(begin))
                }
                MatchKind::Prefix(begin) => self
                    .keep(list, wanted, |row| self.text(row).get(..begin.len()).is_some_and(|found| same_folded(found, begin))),
                MatchKind::Suffix(end) if !matcher.fold => self.keep(list, wanted, |row| self.text(row).ends_with(end)),
                MatchKind::Exact(_) | MatchKind::Suffix(_) => self.keep(list, wanted, |row| self.holds(matcher, row)),
                MatchKind::Contains(_) | MatchKind::Parts(_) => {
                    let last = if list.count == 0 { 0 } else { usize::from(*list.from.add(list.count - 1)) + 1 };
                    if list.count * DENSE >= last && last <= BLOCK {
                        let mut mask = [0; WORDS];
                        if self.search(matcher, last, &mut mask) {
                            return self.keep(list, wanted, |row| mask[row / 64] >> (row % 64) & 1 == 1);
                        }
                    }
                    self.keep(list, wanted, |row| self.holds(matcher, row))
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn holds(&self, matcher: &Matcher, row: usize) -> bool {
        // SAFETY: the row is of the block.
        unsafe {
            let (begin, end) = self.span(row);
            matcher.holds(self.bytes.add(begin), end - begin, self.readable - begin)
        }
    }

    /// Marks the first `rows` rows that match, by looking through their bytes as if they were one text. False where the
    /// match has nothing that is looked for first.
    unsafe fn search(&self, matcher: &Matcher, rows: usize, mask: &mut Mask) -> bool {
        let Some(finder) = matcher.finder() else { return false };
        let alone = matches!(matcher.kind, MatchKind::Contains(_));
        // SAFETY: the rows are of the block.
        unsafe {
            let (mut at, end) = (self.span(0).0, self.span(rows - 1).1);
            let mut row = 0;
            while let Some(place) = finder.find_in(self.bytes, at, end, self.readable) {
                while self.span(row).1 <= place {
                    row += 1;
                }
                let (begin, behind) = self.span(row);
                if place + finder.len() > behind {
                    // It goes on in the next row's text, and is in neither.
                    at = place + 1;
                    continue;
                }
                let found = alone || matcher.holds(self.bytes.add(begin), behind - begin, self.readable - begin);
                mask[row / 64] |= u64::from(found) << (row % 64);
                at = behind;
            }
        }
        true
    }

    unsafe fn equal(&self, text: &[u8], wanted: bool, list: List) -> usize {
        let first = word_of(text);
        // SAFETY: the rows are of the block.
        unsafe {
            if text.is_empty() {
                // The bytes lie elsewhere, and none of them matters.
                return self.keep(list, wanted, |row| {
                    let (begin, end) = self.span(row);
                    begin == end
                });
            }
            if text.len() <= 8 {
                return self.keep(list, wanted, |row| {
                    let (word, length) = self.word(row);
                    (word == first) & (length == text.len())
                });
            }
            self.keep(list, wanted, |row| {
                let (word, length) = self.word(row);
                (word == first) & (length == text.len()) && self.text(row) == text
            })
        }
    }

    /// Keeps the rows whose text compares so with another.
    ///
    /// # Safety
    ///
    /// As [`Texts::matching`].
    pub unsafe fn comparing(&self, op: Comparison, text: &[u8], wanted: bool, list: List) -> usize {
        let first = word_of(text).swap_bytes();
        let order = |row: usize| {
            // SAFETY: the row is of the block.
            unsafe {
                let (word, _) = self.word(row);
                word.swap_bytes().cmp(&first).then_with(|| self.text(row).cmp(text))
            }
        };
        // SAFETY: as this function's own.
        unsafe {
            match op {
                Comparison::Equal => self.equal(text, wanted, list),
                Comparison::NotEqual => self.equal(text, !wanted, list),
                Comparison::Less => self.keep(list, wanted, |row| order(row) == Ordering::Less),
                Comparison::LessOrEqual => self.keep(list, wanted, |row| order(row) != Ordering::Greater),
                Comparison::Greater => self.keep(list, wanted, |row| order(row) == Ordering::Greater),
                Comparison::GreaterOrEqual => self.keep(list, wanted, |row| order(row) != Ordering::Less),
            }
        }
    }
}

/// The first eight bytes, the first one lowest.
fn word_of(text: &[u8]) -> u64 {
    text.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::MatchOp;

    #[test]
    fn lists_keep_what_one_row_after_another_would() {
        let words =
            ["", "a", "ab", "abc", "bca", "abcabcabc", "aabc", "é日", "ABC", "the longer one: abcdefgh", "abcdefgh", "abcdefghi"];
        let texts: Vec<&str> = (0..1000).map(|row| words[row * row * 7 % words.len()]).collect();
        for behind in [0, 100] {
            let mut offsets = vec![3u32];
            let mut bytes = b"xab".to_vec();
            for text in &texts {
                bytes.extend_from_slice(text.as_bytes());
                offsets.push(bytes.len() as u32);
            }
            bytes.extend(vec![b'c'; behind]);
            let validity: Vec<u8> = (0..125u8).map(|byte| byte.wrapping_mul(37)).collect();
            for nullable in [false, true] {
                let block = Texts {
                    offsets: offsets.as_ptr(),
                    bytes: bytes.as_ptr(),
                    readable: bytes.len(),
                    validity: if nullable { validity.as_ptr() } else { std::ptr::null() },
                };
                for step in [1, 3, 50] {
                    let rows: Vec<u16> = (0..1000).step_by(step).collect();
                    let check = |name: &str, wanted: bool, run: &dyn Fn(List) -> usize, holds: &dyn Fn(&str) -> bool| {
                        let mut to = vec![0u16; rows.len() + 1];
                        let kept = run(List { from: rows.as_ptr(), count: rows.len(), to: to.as_mut_ptr() });
                        let valid = |row: usize| !nullable || validity[row / 8] >> (row % 8) & 1 == 1;
                        let passes = |row: &u16| valid((*row).into()) && holds(texts[usize::from(*row)]) == wanted;
                        let expected: Vec<u16> = rows.iter().copied().filter(passes).collect();
                        assert_eq!(to[..kept], expected, "{name} {wanted}");
                    };
                    for wanted in [true, false] {
                        for pattern in ["", "a", "abc", "abcdefgh", "abcdefghi", "bc", "é", "one: abcdefgh", "日"] {
                            for op in [MatchOp::Prefix, MatchOp::Suffix, MatchOp::Contains] {
                                for fold in [false, true] {
                                    let matcher = Matcher::new(op, pattern, fold);
                                    let lower = |text: &str| if fold { text.to_ascii_lowercase() } else { text.to_owned() };
                                    // SAFETY: the block has the rows.
                                    check(pattern, wanted, &|list| unsafe { block.matching(&matcher, wanted, list) }, &|text| {
                                        match op {
                                            MatchOp::Prefix => lower(text).starts_with(&lower(pattern)),
                                            MatchOp::Suffix => lower(text).ends_with(&lower(pattern)),
                                            MatchOp::Contains | MatchOp::Like => lower(text).contains(&lower(pattern)),
                                        }
                                    });
                                }
                            }
                            for op in Comparison::ALL {
                                // SAFETY: the block has the rows.
                                check(
                                    pattern,
                                    wanted,
                                    &|list| unsafe { block.comparing(op, pattern.as_bytes(), wanted, list) },
                                    &|text| {
                                        let order = text.as_bytes().cmp(pattern.as_bytes());
                                        match op {
                                            Comparison::Equal => order.is_eq(),
                                            Comparison::NotEqual => order.is_ne(),
                                            Comparison::Less => order.is_lt(),
                                            Comparison::LessOrEqual => order.is_le(),
                                            Comparison::Greater => order.is_gt(),
                                            Comparison::GreaterOrEqual => order.is_ge(),
                                        }
                                    },
                                );
                            }
                        }
                        for (pattern, fold) in
                            [("%a%b%c", false), ("%bc%a%", false), ("_b%", false), ("abc", true), ("%Bc_%", true)]
                        {
                            let matcher = Matcher::new(MatchOp::Like, pattern, fold);
                            let one = |text: &str| {
                                // SAFETY: the text can be read to its end.
                                unsafe { matcher.holds(text.as_ptr(), text.len(), text.len()) }
                            };
                            // SAFETY: the block has the rows.
                            check(pattern, wanted, &|list| unsafe { block.matching(&matcher, wanted, list) }, &one);
                        }
                    }
                }
            }
        }
    }
}
