//! Tests of a block of a column against values of the run, as bit masks; masks to lists of rows.
//!
//! The widest vector instructions that the processor has are chosen at run time. Every form reads exactly the rows
//! it is told to.

use std::sync::atomic::{AtomicU8, Ordering};

/// The most rows of a block. A multiple of 64.
pub const BLOCK: usize = 1024;
/// Words of a mask.
pub const WORDS: usize = BLOCK / 64;
/// A bit for each row of a block, lowest first.
pub type Mask = [u64; WORDS];
/// A list of rows has room for so many more than it holds, so that a vector can be stored whole.
pub const SLACK: usize = 32;

/// Which instructions are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Whatever the compiler was told to assume.
    Portable = 1,
    /// AVX2.
    Avx2,
    /// AVX-512 with BW, VL and VBMI2.
    Avx512,
}

impl Level {
    /// What this processor has.
    pub fn of_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vbmi2")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("popcnt")
            {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("popcnt") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }
}

/// The level in use; 0 until somebody asks.
static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level in use: the processor's, unless [`use_at_most`] lowered it. Never above the processor's.
#[inline]
pub fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => use_at_most(Level::Avx512),
    }
}

/// Uses no wider instructions than these from now on, in the whole process; says which ones are.
pub fn use_at_most(most: Level) -> Level {
    let level = most.min(Level::of_processor());
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

/// A value that can be compared with bounds, in the order of `Expr::Compare`.
pub trait Element: Copy {
    /// `low <= self <= high`.
    fn within(self, low: Self, high: Self) -> bool;
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Element for $ty {
            #[inline(always)]
            fn within(self, low: Self, high: Self) -> bool {
                (low <= self) & (self <= high)
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128, u8, u16, u32);

macro_rules! floats {
    ($($ty:ty),*) => {$(
        impl Element for $ty {
            #[inline(always)]
            fn within(self, low: Self, high: Self) -> bool {
                // NaN is the greatest, and equal to itself.
                let above = (self >= low) | self.is_nan();
                let below = (self <= high) | high.is_nan();
                above & below
            }
        }
    )*};
}

floats!(f32, f64);

/// Eight bytes of 0 or 1 as eight bits.
#[inline(always)]
fn gather(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Asks `test` about every row.
#[inline(always)]
fn fill(rows: usize, out: &mut Mask, test: impl Fn(usize) -> bool) {
    for (word, out) in out.iter_mut().enumerate().take(rows.div_ceil(64)) {
        let begin = word * 64;
        let mut bytes = [0u8; 64];
        if begin + 64 <= rows {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = test(begin + at).into();
            }
        } else {
            for (at, byte) in bytes.iter_mut().enumerate().take(rows - begin) {
                *byte = test(begin + at).into();
            }
        }
        let mut bits = 0;
        for (at, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
            bits |= gather(*eight) << (at * 8);
        }
        *out = bits;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2,popcnt")]
fn fill_avx2(rows: usize, out: &mut Mask, test: impl Fn(usize) -> bool) {
    fill(rows, out, test);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")]
fn fill_avx512(rows: usize, out: &mut Mask, test: impl Fn(usize) -> bool) {
    fill(rows, out, test);
}

/// The mask of the rows for which `test` holds. It should be small, and must be pure.
#[inline]
pub fn test(rows: usize, out: &mut Mask, test: impl Fn(usize) -> bool) {
    match level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has these instructions.
        Level::Avx512 => unsafe { fill_avx512(rows, out, test) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has these instructions.
        Level::Avx2 => unsafe { fill_avx2(rows, out, test) },
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx512 | Level::Avx2 => fill(rows, out, test),
        Level::Portable => fill(rows, out, test),
    }
}

/// The greatest of some unsigned values; 0 of none.
pub fn greatest<T: Copy + Ord + Default>(values: &[T]) -> T {
    match level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has these instructions.
        Level::Avx512 | Level::Avx2 => unsafe { greatest_avx2(values) },
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx512 | Level::Avx2 => greatest_of(values),
        Level::Portable => greatest_of(values),
    }
}

#[inline(always)]
fn greatest_of<T: Copy + Ord + Default>(values: &[T]) -> T {
    let mut most = [T::default(); 64];
    let (blocks, rest) = values.as_chunks::<64>();
    for block in blocks {
        for (most, value) in most.iter_mut().zip(block) {
            *most = if *value > *most { *value } else { *most };
        }
    }
    let all = most.iter().chain(rest);
    let mut most = T::default();
    for value in all {
        most = most.max(*value);
    }
    most
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn greatest_avx2<T: Copy + Ord + Default>(values: &[T]) -> T {
    greatest_of(values)
}

/// The mask of the rows whose value lies within the bounds.
///
/// # Safety
///
/// `values` points at `rows` values, at most [`BLOCK`].
pub unsafe fn range<T: Element + Lanes>(values: *const T, rows: usize, low: T, high: T, out: &mut Mask) {
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 && T::WIDE {
        // SAFETY: the processor has these instructions, and the rest is this function's own promise.
        unsafe { T::range(values, rows, low, high, out) };
        return;
    }
    // SAFETY: `at` is less than `rows`.
    test(rows, out, |at| unsafe { values.add(at).read_unaligned() }.within(low, high));
}

/// What can be compared as lanes of a 512-bit vector.
pub trait Lanes: Sized {
    /// Whether it can.
    const WIDE: bool;

    /// As [`range`], with AVX-512.
    ///
    /// # Safety
    ///
    /// As [`range`]'s; the processor has AVX-512.
    unsafe fn range(values: *const Self, rows: usize, low: Self, high: Self, out: &mut Mask) {
        let _ = (values, rows, low, high, out);
    }
}

impl Lanes for i128 {
    const WIDE: bool = false;
}

#[cfg(not(target_arch = "x86_64"))]
mod lanes {
    macro_rules! narrow {
        ($($ty:ty),*) => {$(
            impl super::Lanes for $ty {
                const WIDE: bool = false;
            }
        )*};
    }
    narrow!(i8, i16, i32, i64, u8, u16, u32, f32, f64);
}

#[cfg(target_arch = "x86_64")]
mod lanes {
    use std::arch::x86_64::*;

    use super::{Lanes, Mask};

    macro_rules! wide {
        ($($ty:ty, $lanes:literal, $splat:ident as $bits:ty, $ge:ident, $le:ident, $load:ident;)*) => {$(
            impl Lanes for $ty {
                const WIDE: bool = true;

                #[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi2")]
                unsafe fn range(values: *const Self, rows: usize, low: Self, high: Self, out: &mut Mask) {
                    let (low, high) = ($splat(low as $bits), $splat(high as $bits));
                    for (word, out) in out.iter_mut().enumerate().take(rows.div_ceil(64)) {
                        let left = (rows - word * 64).min(64);
                        let mut bits = 0u64;
                        for part in 0..64 / $lanes {
                            let begin = part * $lanes;
                            if begin >= left {
                                break;
                            }
                            let live = left - begin;
                            let keep = if live >= $lanes { u64::MAX >> (64 - $lanes) } else { (1u64 << live) - 1 };
                            // SAFETY: lanes that the mask leaves out are not read.
                            let value = unsafe { $load(keep as _, values.add(word * 64 + begin).cast()) };
                            let found = $ge(value, low) & $le(value, high);
                            bits |= (u64::from(found) & keep) << begin;
                        }
                        *out = bits;
                    }
                }
            }
        )*};
    }

    wide! {
        u8, 64, _mm512_set1_epi8 as i8, _mm512_cmpge_epu8_mask, _mm512_cmple_epu8_mask, _mm512_maskz_loadu_epi8;
        i8, 64, _mm512_set1_epi8 as i8, _mm512_cmpge_epi8_mask, _mm512_cmple_epi8_mask, _mm512_maskz_loadu_epi8;
        u16, 32, _mm512_set1_epi16 as i16, _mm512_cmpge_epu16_mask, _mm512_cmple_epu16_mask, _mm512_maskz_loadu_epi16;
        i16, 32, _mm512_set1_epi16 as i16, _mm512_cmpge_epi16_mask, _mm512_cmple_epi16_mask, _mm512_maskz_loadu_epi16;
        u32, 16, _mm512_set1_epi32 as i32, _mm512_cmpge_epu32_mask, _mm512_cmple_epu32_mask, _mm512_maskz_loadu_epi32;
        i32, 16, _mm512_set1_epi32 as i32, _mm512_cmpge_epi32_mask, _mm512_cmple_epi32_mask, _mm512_maskz_loadu_epi32;
        i64, 8, _mm512_set1_epi64 as i64, _mm512_cmpge_epi64_mask, _mm512_cmple_epi64_mask, _mm512_maskz_loadu_epi64;
    }

    // Floats have an order of their own, which the general form knows.
    impl Lanes for f32 {
        const WIDE: bool = false;
    }
    impl Lanes for f64 {
        const WIDE: bool = false;
    }
}

/// Bits by number, from a least one on.
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a> {
    /// The bits, eight a byte, lowest first.
    pub bytes: &'a [u8],
    /// How many of them count.
    pub length: u64,
    /// The number of the first.
    pub low: i64,
}

/// As many rows of a word are asked about one by one.
const SCATTERED: u32 = 6;

impl Bits<'_> {
    /// The bit of a number; false of those that have none. There is a byte at least.
    #[inline(always)]
    fn of(&self, value: i64) -> bool {
        let place = value.wrapping_sub(self.low) as u64;
        let inside = place < self.length;
        let place = if inside { place } else { 0 };
        // SAFETY: it is less than the length, of which the bytes hold a bit each, or the first.
        inside & (unsafe { *self.bytes.get_unchecked((place / 8) as usize) } >> (place % 8) & 1 == 1)
    }

    /// The mask of the rows whose number's bit is set, as far as they are in another one.
    ///
    /// # Safety
    ///
    /// `values` points at `rows` values, at most [`BLOCK`].
    pub unsafe fn test<T: Number>(&self, values: *const T, rows: usize, within: &Mask, out: &mut Mask) {
        let length = self.length.min(self.bytes.len() as u64 * 8);
        let bits = Self { length, ..*self };
        if length == 0 {
            out[..rows.div_ceil(64)].fill(0);
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if level() == Level::Avx512 && T::GATHERS && bits.is_near::<T>() {
            // SAFETY: the processor has these instructions; places fit, and words of 32 bits lie in the bytes.
            unsafe { bits.test_avx512(values, rows, within, out) };
            return;
        }
        // SAFETY: `at` is less than `rows`.
        test(rows, out, |at| bits.of(unsafe { values.add(at).read_unaligned() }.number()));
    }

    /// Whether places can be computed in 32 bits, and read as words of 32.
    fn is_near<T: Number>(&self) -> bool {
        let (least, greatest) = T::RANGE;
        let last = self.low.checked_add_unsigned(self.length);
        self.length <= 1 << 31
            && least <= self.low
            && last.is_some_and(|last| last - 1 <= greatest)
            && (self.length as usize).div_ceil(32) * 4 <= self.bytes.len()
    }

    /// # Safety
    ///
    /// As [`Self::test`]; the processor has AVX-512, and the bits are near.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")]
    unsafe fn test_avx512<T: Number>(&self, values: *const T, rows: usize, within: &Mask, out: &mut Mask) {
        use std::arch::x86_64::*;
        let (low, length) = (_mm512_set1_epi32(self.low as i32), _mm512_set1_epi32(self.length as i32));
        let (five, ones) = (_mm512_set1_epi32(31), _mm512_set1_epi32(1));
        for (word, out) in out.iter_mut().enumerate().take(rows.div_ceil(64)) {
            let (begin, mut wanted) = (word * 64, within[word]);
            let mut found = 0;
            if wanted.count_ones() <= SCATTERED {
                while wanted != 0 {
                    let at = wanted.trailing_zeros() as usize;
                    // SAFETY: rows of the mask are less than `rows`.
                    found |= u64::from(self.of(unsafe { values.add(begin + at).read_unaligned() }.number())) << at;
                    wanted &= wanted - 1;
                }
                *out = found;
                continue;
            }
            for part in 0..4 {
                let live = (rows - begin).saturating_sub(part * 16).min(16);
                let keep = (wanted >> (part * 16)) as u16 & ((1u32 << live) - 1) as u16;
                if keep == 0 {
                    continue;
                }
                // SAFETY: lanes that the mask leaves out are not read.
                let value = unsafe { T::load(values.add(begin + part * 16), ((1u32 << live) - 1) as u16) };
                let place = _mm512_sub_epi32(value, low);
                let inside = _mm512_mask_cmplt_epu32_mask(keep, place, length);
                // SAFETY: a place that is less than the length lies in a whole word of the bytes.
                let bits = unsafe {
                    _mm512_mask_i32gather_epi32::<4>(
                        _mm512_setzero_si512(),
                        inside,
                        _mm512_srli_epi32::<5>(place),
                        self.bytes.as_ptr().cast(),
                    )
                };
                let bits = _mm512_srlv_epi32(bits, _mm512_and_si512(place, five));
                found |= u64::from(_mm512_mask_test_epi32_mask(inside, bits, ones)) << (part * 16);
            }
            *out = found;
        }
    }
}

/// An integer whose bit can be looked up.
pub trait Number: Copy {
    /// The least and the greatest.
    const RANGE: (i64, i64) = (0, 0);
    /// Whether sixteen of them can be loaded as lanes of 32 bits.
    const GATHERS: bool = false;

    /// It, or its lowest 64 bits.
    fn number(self) -> i64;

    /// Sixteen of them; those that the mask leaves out are not read.
    ///
    /// # Safety
    ///
    /// `values` points at what the mask names; the processor has AVX-512.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load(values: *const Self, mask: u16) -> std::arch::x86_64::__m512i {
        let _ = (values, mask);
        unreachable!("such numbers are not gathered")
    }
}

macro_rules! numbers {
    ($($ty:ty $(, $load:ident, $widen:ident)?;)*) => {$(
        impl Number for $ty {
            $(
                const RANGE: (i64, i64) = (<$ty>::MIN as i64, <$ty>::MAX as i64);
                const GATHERS: bool = true;

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
                unsafe fn load(values: *const Self, mask: u16) -> std::arch::x86_64::__m512i {
                    use std::arch::x86_64::*;
                    // SAFETY: as this function's own.
                    $widen(unsafe { $load(mask, values.cast()) })
                }
            )?

            #[inline(always)]
            fn number(self) -> i64 {
                self as i64
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
use std::convert::identity;

numbers! {
    u8, _mm_maskz_loadu_epi8, _mm512_cvtepu8_epi32;
    i8, _mm_maskz_loadu_epi8, _mm512_cvtepi8_epi32;
    u16, _mm256_maskz_loadu_epi16, _mm512_cvtepu16_epi32;
    i16, _mm256_maskz_loadu_epi16, _mm512_cvtepi16_epi32;
    u32, _mm512_maskz_loadu_epi32, identity;
    i32, _mm512_maskz_loadu_epi32, identity;
    i64;
    i128;
}

/// Keeps of a mask the rows whose bit is set, and says whether any is left.
///
/// # Safety
///
/// `bits` points at one bit for each of `rows` rows, in whole bytes.
pub unsafe fn keep(mask: &mut Mask, rows: usize, bits: *const u8, flip: bool) {
    for (at, word) in mask.iter_mut().enumerate().take(rows.div_ceil(64)) {
        // SAFETY: whole bytes up to the last row are there.
        let found = unsafe { word_of(bits, at, rows) };
        *word &= if flip { !found } else { found };
    }
}

/// The bits of 64 rows; those past `rows` are 0.
///
/// # Safety
///
/// As [`keep`]'s.
pub unsafe fn word_of(bits: *const u8, at: usize, rows: usize) -> u64 {
    let left = rows - at * 64;
    if left >= 64 {
        // SAFETY: 64 rows are 8 whole bytes.
        return u64::from_le(unsafe { bits.add(at * 8).cast::<u64>().read_unaligned() });
    }
    let mut bytes = [0u8; 8];
    for (place, byte) in bytes.iter_mut().enumerate().take(left.div_ceil(8)) {
        // SAFETY: the byte holds a bit of a row.
        *byte = unsafe { *bits.add(at * 8 + place) };
    }
    u64::from_le_bytes(bytes) & ((1u64 << left) - 1)
}

/// A mask of the first `rows` rows.
pub fn all(rows: usize) -> Mask {
    let mut mask = [0; WORDS];
    for (at, word) in mask.iter_mut().enumerate() {
        let left = rows.saturating_sub(at * 64);
        *word = if left >= 64 { u64::MAX } else { (1u64 << left) - 1 };
    }
    mask
}

/// How many rows a mask has.
pub fn count(mask: &Mask) -> usize {
    mask.iter().map(|word| word.count_ones() as usize).sum()
}

/// Lists the rows of a mask, and says how many.
///
/// # Safety
///
/// `out` has room for [`BLOCK`] + [`SLACK`] rows.
pub unsafe fn list(mask: &Mask, out: *mut u16) -> usize {
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 {
        // SAFETY: the processor has these instructions, and the rest is this function's own promise.
        return unsafe { list_avx512(mask, out) };
    }
    // SAFETY: as this function's own.
    unsafe { list_portable(mask, out) }
}

/// # Safety
///
/// As [`list`].
unsafe fn list_portable(mask: &Mask, out: *mut u16) -> usize {
    let mut count = 0;
    for (at, word) in mask.iter().enumerate() {
        let mut bits = *word;
        while bits != 0 {
            // SAFETY: a mask has at most BLOCK rows.
            unsafe { out.add(count).write((at * 64) as u16 + bits.trailing_zeros() as u16) };
            count += 1;
            bits &= bits - 1;
        }
    }
    count
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt")]
unsafe fn list_avx512(mask: &Mask, out: *mut u16) -> usize {
    use std::arch::x86_64::*;
    let step = _mm512_set1_epi16(32);
    let mut rows = iota();
    let mut count = 0;
    for word in mask {
        for half in [*word as u32, (*word >> 32) as u32] {
            // SAFETY: 32 rows from `count` on lie in the list and its slack.
            unsafe { _mm512_storeu_si512(out.add(count).cast(), _mm512_maskz_compress_epi16(half, rows)) };
            count += half.count_ones() as usize;
            rows = _mm512_add_epi16(rows, step);
        }
    }
    count
}

/// 0, 1, 2 … 31.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
pub(super) fn iota() -> std::arch::x86_64::__m512i {
    let mut rows = [0u16; 32];
    for (at, row) in rows.iter_mut().enumerate() {
        *row = at as u16;
    }
    // SAFETY: the array is 64 bytes.
    unsafe { std::arch::x86_64::_mm512_loadu_si512(rows.as_ptr().cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_is_found_wherever_it_is() {
        for rows in [0, 1, 63, 64, 65, 1000] {
            for at in (0..rows).step_by(7) {
                let mut values: Vec<u16> = (0..rows).map(|row| (row % 251) as u16).collect();
                values[at] = 60_000;
                assert_eq!(greatest(&values), 60_000);
            }
        }
        assert_eq!(greatest::<u8>(&[]), 0);
        assert_eq!(greatest(&[3u32, 255, 7]), 255);
    }

    fn check<T: Element + Lanes + std::fmt::Debug>(values: &[T], low: T, high: T) {
        for rows in [0, 1, 7, 63, 64, 65, 500, values.len()] {
            let mut mask = [0; WORDS];
            // SAFETY: `rows` is at most the length.
            unsafe { range(values.as_ptr(), rows, low, high, &mut mask) };
            let mut portable = [0; WORDS];
            fill(rows, &mut portable, |at| values[at].within(low, high));
            assert_eq!(mask, portable, "{rows} rows in {low:?} to {high:?}");
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("popcnt") {
                // SAFETY: the processor has these instructions.
                unsafe { fill_avx2(rows, &mut portable, |at| values[at].within(low, high)) };
                assert_eq!(mask, portable, "AVX2: {rows} rows in {low:?} to {high:?}");
            }
            let mut listed = [0u16; BLOCK + SLACK];
            // SAFETY: the list has room for a block.
            let found = unsafe { list(&mask, listed.as_mut_ptr()) };
            let expected: Vec<u16> = (0..rows).filter(|at| values[*at].within(low, high)).map(|at| at as u16).collect();
            assert_eq!(&listed[..found], &expected[..]);
            // SAFETY: as above.
            let found = unsafe { list_portable(&mask, listed.as_mut_ptr()) };
            assert_eq!(&listed[..found], &expected[..]);
            assert_eq!(count(&mask), found);
        }
    }

    #[test]
    fn ranges_are_the_same_in_every_form() {
        let mixed = |at: usize| (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 13;
        let of = |at: usize| mixed(at) as i64;
        check(&(0..BLOCK).map(|at| of(at) as u8).collect::<Vec<_>>(), 20, 200);
        check(&(0..BLOCK).map(|at| of(at) as i8).collect::<Vec<_>>(), -20, 100);
        check(&(0..BLOCK).map(|at| of(at) as u16).collect::<Vec<_>>(), 2000, 65_535);
        check(&(0..BLOCK).map(|at| of(at) as i16).collect::<Vec<_>>(), -2000, 20_000);
        check(&(0..BLOCK).map(|at| of(at) as u32).collect::<Vec<_>>(), 1 << 20, 3 << 30);
        check(&(0..BLOCK).map(|at| of(at) as i32).collect::<Vec<_>>(), -(1 << 20), 1 << 30);
        check(&(0..BLOCK).map(of).collect::<Vec<_>>(), 1 << 40, 1 << 49);
        check(&(0..BLOCK).map(|at| i128::from(of(at))).collect::<Vec<_>>(), 1 << 40, 1 << 49);
        check(&(0..BLOCK).map(|at| if at % 9 == 0 { f64::NAN } else { of(at) as f64 }).collect::<Vec<_>>(), 5.0, f64::NAN);
        check(&(0..BLOCK).map(|at| if at % 9 == 0 { -0.0 } else { of(at) as f32 }).collect::<Vec<_>>(), 0.0, 1e12);
    }

    fn check_bits<T: Number + std::fmt::Debug>(values: &[T], low: i64, length: u64) {
        let bytes: Vec<u8> = (0..length.div_ceil(512) * 64).map(|at| (at * 151 + 7) as u8).collect();
        let bits = Bits { bytes: &bytes, length, low };
        let within = |every: usize| {
            let mut mask = [0; WORDS];
            (0..values.len()).filter(|at| at % every == 0).for_each(|at| mask[at / 64] |= 1 << (at % 64));
            mask
        };
        for rows in [1, 7, 16, 63, 64, 65, 500, values.len()] {
            for within in [all(rows), within(3), within(40)] {
                let within: Mask = std::array::from_fn(|at| within[at] & all(rows)[at]);
                let mut mask = [0; WORDS];
                // SAFETY: `rows` is at most the length.
                unsafe { bits.test(values.as_ptr(), rows, &within, &mut mask) };
                for (at, value) in values.iter().enumerate().filter(|(at, _)| within[at / 64] >> (at % 64) & 1 == 1) {
                    let place = i128::from(value.number()) - i128::from(low);
                    let expected = (0..i128::from(length)).contains(&place) && bytes[place as usize / 8] >> (place % 8) & 1 == 1;
                    assert_eq!(mask[at / 64] >> (at % 64) & 1 == 1, expected, "{value:?} from {low}, {length} bits");
                }
            }
        }
    }

    #[test]
    fn bits_are_looked_up_by_number() {
        let mixed = |at: usize| ((at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 13) as i64;
        for (low, length) in [(0, 256), (3, 100), (-5, 77), (-128, 1 << 16), (1 << 20, 1 << 22), (i64::from(i32::MAX) - 9, 10)] {
            check_bits(&(0..BLOCK).map(|at| mixed(at) as u8).collect::<Vec<_>>(), low, length);
            check_bits(&(0..BLOCK).map(|at| mixed(at) as i8).collect::<Vec<_>>(), low, length);
            check_bits(&(0..BLOCK).map(|at| mixed(at) as u16).collect::<Vec<_>>(), low, length);
            check_bits(&(0..BLOCK).map(|at| mixed(at) as i16).collect::<Vec<_>>(), low, length);
            let near = |at: usize| if at.is_multiple_of(7) { mixed(at) } else { low.wrapping_add(mixed(at) % length as i64) };
            check_bits(&(0..BLOCK).map(|at| near(at) as u32).collect::<Vec<_>>(), low, length);
            check_bits(&(0..BLOCK).map(|at| near(at) as i32).collect::<Vec<_>>(), low, length);
            check_bits(&(0..BLOCK).map(near).collect::<Vec<_>>(), low, length);
            check_bits(&[i32::MIN, i32::MAX, -1, 0, 1], low, length);
            check_bits(&[i64::MIN, i64::MAX, -1, 0, 1], low, length);
            check_bits(&[u32::MAX, 0, 1 << 31], low, length);
        }
    }

    #[test]
    fn bits_are_kept() {
        let bits: Vec<u8> = (0..128).map(|at| (at * 37) as u8).collect();
        for rows in [1, 8, 63, 64, 100, 1024] {
            let mut mask = all(rows);
            // SAFETY: there are 1,024 bits.
            unsafe { keep(&mut mask, rows, bits.as_ptr(), false) };
            for at in 0..BLOCK {
                let expected = at < rows && bits[at / 8] >> (at % 8) & 1 == 1;
                assert_eq!(mask[at / 64] >> (at % 64) & 1 == 1, expected, "{at} of {rows}");
            }
        }
    }
}
