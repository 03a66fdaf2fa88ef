//! Finding a short text within a long one.
//!
//! Two bytes of the needle, the ones that are likely to be seldom, are looked for at 64 places at once; where both are
//! there, the whole needle is compared. Looking for two at their distance leaves few places in any text of a language.

#[cfg(target_arch = "x86_64")]
use super::select::{Level, level};

/// Places that are looked at together.
const STEP: usize = 64;

/// A text to be found, prepared.
#[derive(Debug, Clone)]
pub struct Finder {
    needle: Vec<u8>,
    /// Whether letters of ASCII match in either case; then those of `needle` are small.
    fold: bool,
    /// Where in the needle the two bytes are that are looked for.
    rare: [usize; 2],
    /// What is set in a byte of the text before it is compared: 32 makes a letter small.
    set: [u8; 2],
}

/// How often a byte is seen in texts, roughly: 0 seldom, 3 often.
fn commonness(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 3,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' | b'0'..=b'9' | b'/' | b'.' | b'-' | 0x80..=0xbf => 2,
        b'f' | b'g' | b'w' | b'y' | b'b' | b'v' | b'k' | b'_' | b',' | 0xc0..=0xf4 => 1,
        _other => 0,
    }
}

/// Whether `text` is `lower` but for the case of ASCII's letters; those of `lower` are small.
#[inline]
pub fn same_folded(text: &[u8], lower: &[u8]) -> bool {
    text.len() == lower.len() && text.iter().zip(lower).all(|(a, b)| a.to_ascii_lowercase() == *b)
}

impl Finder {
    /// Prepares a needle.
    pub fn new(needle: &[u8], ignore_case: bool) -> Self {
        let needle = if ignore_case { needle.to_ascii_lowercase() } else { needle.to_vec() };
        let first = (0..needle.len()).min_by_key(|at| commonness(needle[*at])).unwrap_or(0);
        let others = (0..needle.len()).filter(|at| needle[*at] != needle[first]);
        let second = others.min_by_key(|at| commonness(needle[*at])).unwrap_or(needle.len().saturating_sub(1));
        let rare = [first, second];
        let set = rare.map(|at| if ignore_case && needle.get(at).is_some_and(u8::is_ascii_lowercase) { 0x20 } else { 0 });
        Self { needle, fold: ignore_case, rare, set }
    }

    /// Bytes of the needle.
    pub fn len(&self) -> usize {
        self.needle.len()
    }

    /// Whether the needle is empty: then it is everywhere.
    pub fn is_empty(&self) -> bool {
        self.needle.is_empty()
    }

    /// Where the needle first begins in a text.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        // SAFETY: the text can be read to its end.
        unsafe { self.find_in(text.as_ptr(), 0, text.len(), text.len()) }
    }

    /// Where the needle first begins at `from` or behind it, whole before `end`. Memory may be read up to `readable`.
    ///
    /// # Safety
    ///
    /// `text` points at `readable` bytes; `from <= end <= readable`.
    #[inline]
    pub unsafe fn find_in(&self, text: *const u8, from: usize, end: usize, readable: usize) -> Option<usize> {
        if self.needle.is_empty() {
            return Some(from);
        }
        if end - from < self.needle.len() {
            return None;
        }
        #[cfg(target_arch = "x86_64")]
        if matches!(level(), Level::Avx2 | Level::Avx512) {
            // SAFETY: the processor has these instructions, and the rest is this function's own promise.
            return unsafe { self.find_avx2(text, from, end, readable) };
        }
        // SAFETY: as this function's own.
        unsafe { self.scan(text, from, end, readable, |a, b| portable(a, b, self.wanted(), self.set)) }
    }

    fn wanted(&self) -> [u8; 2] {
        self.rare.map(|at| self.needle[at])
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi2,popcnt")]
    unsafe fn find_avx2(&self, text: *const u8, from: usize, end: usize, readable: usize) -> Option<usize> {
        use std::arch::x86_64::*;
        let [x, y] = self.wanted().map(|byte| _mm256_set1_epi8(byte as i8));
        let [set_x, set_y] = self.set.map(|byte| _mm256_set1_epi8(byte as i8));
        let half = |a: *const u8, b: *const u8| {
            // SAFETY: the scan hands over addresses of 64 bytes that can be read.
            let (a, b) = unsafe { (_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast())) };
            let a = _mm256_cmpeq_epi8(_mm256_or_si256(a, set_x), x);
            let b = _mm256_cmpeq_epi8(_mm256_or_si256(b, set_y), y);
            _mm256_movemask_epi8(_mm256_and_si256(a, b)) as u32
        };
        let both =
            |a: *const u8, b: *const u8| u64::from(half(a, b)) | u64::from(half(a.wrapping_add(32), b.wrapping_add(32))) << 32;
        // SAFETY: as this function's own.
        unsafe { self.scan(text, from, end, readable, both) }
    }

    /// # Safety
    ///
    /// As [`Finder::find_in`]; the text is at least as long as the needle, which is not empty.
    #[inline(always)]
    unsafe fn scan(
        &self,
        text: *const u8,
        from: usize,
        end: usize,
        readable: usize,
        candidates: impl Fn(*const u8, *const u8) -> u64,
    ) -> Option<usize> {
        let [first, second] = self.rare;
        let last = end - self.needle.len();
        let far = first.max(second);
        let mut at = from;
        // SAFETY: every address is below `readable`.
        unsafe {
            while at <= last && at + far + STEP <= readable {
                let mut bits = candidates(text.add(at + first), text.add(at + second));
                while bits != 0 {
                    let place = at + bits.trailing_zeros() as usize;
                    if place > last {
                        return None;
                    }
                    if self.is_at(text.add(place)) {
                        return Some(place);
                    }
                    bits &= bits - 1;
                }
                at += STEP;
            }
            let wanted = self.wanted();
            while at <= last {
                let seen = |at: usize, which: usize| *text.add(at + self.rare[which]) | self.set[which];
                if seen(at, 0) == wanted[0] && seen(at, 1) == wanted[1] && self.is_at(text.add(at)) {
                    return Some(at);
                }
                at += 1;
            }
        }
        None
    }

    /// # Safety
    ///
    /// As many bytes as the needle has can be read there.
    #[inline(always)]
    unsafe fn is_at(&self, place: *const u8) -> bool {
        // SAFETY: as this function's own.
        let found = unsafe { std::slice::from_raw_parts(place, self.needle.len()) };
        if self.fold { same_folded(found, &self.needle) } else { found == self.needle.as_slice() }
    }
}

/// The places, of 64, where both bytes are.
#[inline(always)]
fn portable(a: *const u8, b: *const u8, wanted: [u8; 2], set: [u8; 2]) -> u64 {
    // SAFETY: the scan hands over addresses of 64 bytes that can be read.
    let (a, b) = unsafe { (a.cast::<[u8; 64]>().read_unaligned(), b.cast::<[u8; 64]>().read_unaligned()) };
    let mut both = [0u8; 64];
    for (at, both) in both.iter_mut().enumerate() {
        *both = u8::from(a[at] | set[0] == wanted[0]) & u8::from(b[at] | set[1] == wanted[1]);
    }
    let mut bits = 0;
    for (at, eight) in both.as_chunks::<8>().0.iter().enumerate() {
        bits |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (at * 8);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of few letters, so that needles are nearly there often.
    fn text(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed * 2 + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 60) as usize
        };
        (0..length).map(|_| b"abABaab bAb\xc3\xa9aba"[next()]).collect()
    }

    #[test]
    fn what_is_there_is_found_and_nothing_else() {
        for (length, seed) in (0..140).chain([200, 1000, 5000]).zip(0..) {
            let text = text(length, seed);
            for needle in ["a", "ab", "aab", "b b", "aBA", "\u{e9}a", "abababab", "bAb", "zz", "abAB", "aaaaaaaaaaaaaaaaaaaa"] {
                let needle = needle.as_bytes();
                let windows = || text.windows(needle.len());
                let finder = Finder::new(needle, false);
                assert_eq!(finder.find(&text), windows().position(|window| window == needle));
                let folded = Finder::new(needle, true);
                assert_eq!(folded.find(&text), windows().position(|window| window.eq_ignore_ascii_case(needle)));
                // A part in the middle, with memory behind it.
                let (from, end) = (length / 4, length / 2 + length / 4);
                // SAFETY: the text can be read to its end.
                let found = unsafe { finder.find_in(text.as_ptr(), from, end, length) };
                let part = text[from..end].windows(needle.len()).position(|window| window == needle);
                assert_eq!(found, part.map(|at| at + from));
            }
        }
        assert_eq!(Finder::new(b"", false).find(b"abc"), Some(0));
        assert_eq!(Finder::new(b"", true).find(b""), Some(0));
    }

    #[test]
    fn the_portable_places_are_the_others() {
        let text = text(300, 5);
        for set in [0, 0x20] {
            for at in 0..200 {
                let (a, b) = (text[at..].as_ptr(), text[at + 3..].as_ptr());
                let found = portable(a, b, [b'a', b'b'], [set, 0]);
                for place in 0..64 {
                    let both = text[at + place] | set == b'a' && text[at + 3 + place] == b'b';
                    assert_eq!(found >> place & 1 == 1, both);
                }
            }
        }
    }
}
