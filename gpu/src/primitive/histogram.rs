//! Rows counted by many groups: each row's number from its keys, and a count for each number.
//!
//! A key is a column as it is, or what a table or steps make of one (`codegen/cranelift/stepwise.rs`).

use super::select::{BLOCK, Level, Mask, SLACK, level, list};
use super::split::Width;

/// The most numbers of a key.
pub const NUMBERS: u64 = 1 << 16;
/// The most steps of a key of 32 bits: as many numbers as a vector has.
pub const STEPS: usize = 16;

/// A key as the number of a group takes it.
#[derive(Debug, Clone)]
pub struct Digit {
    /// How a value becomes a number.
    pub by: By,
    /// How many numbers; NULL, where the key can be NULL, is the last.
    pub count: u32,
    /// The values of the block.
    pub values: *const u8,
    /// The bits of the rows that are not NULL; null where the key is never NULL.
    pub validity: *const u8,
}

/// How a value becomes a number.
#[derive(Debug, Clone)]
pub enum By {
    /// Less the least value, of which the low 32 bits matter.
    Itself {
        /// The width of a value.
        width: Width,
        /// Whether it has a sign.
        signed: bool,
        /// The least value.
        low: u32,
    },
    /// Values of four bytes, divided and rounded: `⌊(value + before) / divisor⌋ - low`.
    Quotient {
        /// What is added first.
        before: u32,
        /// By what is divided.
        by: Reciprocal,
        /// The least quotient.
        low: u32,
    },
    /// The number of each value of a byte, or of two.
    Table {
        /// [`Width::Byte`] or [`Width::Two`].
        width: Width,
        /// A number for each value of that width.
        numbers: Vec<u16>,
    },
    /// The same of a byte, where each number is one too: vector instructions look it up.
    Bytes(Box<[u8; 256]>),
    /// The number of each value of four bytes from `base` on; those beyond either end have the first's and the last's.
    Range {
        /// Whether they have a sign.
        signed: bool,
        /// The value that the first number is of.
        base: i64,
        /// The numbers.
        numbers: Vec<u16>,
    },
    /// Values of four bytes: the number of the last bound that is not above it.
    Steps {
        /// Whether they have a sign.
        signed: bool,
        /// The bounds behind the first number, ascending; at most one less than [`STEPS`].
        bounds: Vec<i64>,
        /// One more than bounds, filled up.
        numbers: [u32; STEPS],
    },
}

/// A divisor of numbers below 2^31, as a factor and a shift (Granlund and Montgomery, *Division by Invariant Integers using
/// Multiplication*, 1994, theorem 4.2).
#[derive(Debug, Clone, Copy)]
pub struct Reciprocal {
    factor: u32,
    shift: u32,
}

impl Reciprocal {
    /// Numbers that are divided lie below.
    pub const BELOW: i64 = 1 << 31;

    /// That of a divisor from 1 to 2^30.
    pub fn of(divisor: u32) -> Option<Self> {
        if !(1..=1 << 30).contains(&divisor) {
            return None;
        }
        let bits = divisor.next_power_of_two().trailing_zeros();
        let factor = (1u64 << (31 + bits)).div_ceil(divisor.into());
        u32::try_from(factor).ok().map(|factor| Self { factor, shift: 31 + bits })
    }

    fn quotient(self, number: u32) -> u32 {
        ((u64::from(number) * u64::from(self.factor)) >> self.shift) as u32
    }
}

/// Writes the number of every row's group to `out`; one beyond `groups` becomes the last.
///
/// # Safety
///
/// The digits point at `rows` values, at most [`BLOCK`]; `out` has room for [`BLOCK`] numbers.
pub unsafe fn number(digits: &[Digit], rows: usize, groups: usize, out: *mut u32) {
    // SAFETY: as this function's own.
    let out = unsafe { std::slice::from_raw_parts_mut(out, BLOCK) };
    if digits.is_empty() {
        out[..rows].fill(0);
    }
    for (at, digit) in digits.iter().enumerate() {
        #[cfg(target_arch = "x86_64")]
        if level() == Level::Avx512 && digit.validity.is_null() && digit.is_in_vectors() {
            // SAFETY: the processor has these instructions, and the rest is this function's own promise.
            unsafe { fold_avx512(digit, rows, out, at == 0) };
            continue;
        }
        if at == 0 {
            out[..rows].fill(0);
        }
        // SAFETY: as this function's own.
        unsafe { fold(digit, rows, out) };
    }
    let last = (groups - 1) as u32;
    out[..rows].iter_mut().for_each(|number| *number = (*number).min(last));
}

impl By {
    /// The number of each value of that width, one or two bytes.
    pub fn table(width: Width, numbers: Vec<u16>) -> Self {
        let bytes = || numbers.iter().map(|number| u8::try_from(*number).ok()).collect::<Option<Vec<u8>>>();
        match (width, bytes().and_then(|bytes| Box::<[u8; 256]>::try_from(bytes.into_boxed_slice()).ok())) {
            (Width::Byte, Some(bytes)) => Self::Bytes(bytes),
            (width, _) => Self::Table { width, numbers },
        }
    }
}

impl Digit {
    /// Whether vector instructions make its numbers.
    #[cfg(target_arch = "x86_64")]
    fn is_in_vectors(&self) -> bool {
        match &self.by {
            By::Itself { width, .. } => matches!(width, Width::Byte | Width::Two | Width::Four),
            By::Table { .. } | By::Range { .. } => false,
            By::Bytes(_) | By::Quotient { .. } | By::Steps { .. } => true,
        }
    }
}

/// # Safety
///
/// As [`number`].
unsafe fn fold(digit: &Digit, rows: usize, out: &mut [u32]) {
    #[inline(always)]
    fn add(out: &mut [u32], count: u32, number: impl Fn(usize) -> u32) {
        for (at, out) in out.iter_mut().enumerate() {
            *out = out.wrapping_mul(count).wrapping_add(number(at));
        }
    }
    let (values, count, out) = (digit.values, digit.count, &mut out[..rows]);
    // SAFETY: as this function's own, for every value that is read; bits come in whole bytes.
    let byte = |at: usize| unsafe { *values.add(at) };
    // SAFETY: as above.
    let bit = |at: usize| unsafe { *values.add(at / 8) } >> (at % 8) & 1;
    // SAFETY: as above.
    let two = |at: usize| unsafe { values.cast::<u16>().add(at).read_unaligned() };
    // SAFETY: as above.
    let four = |at: usize| unsafe { values.cast::<u32>().add(at).read_unaligned() };
    // SAFETY: as above.
    let eight = |at: usize| unsafe { values.cast::<u64>().add(at).read_unaligned() };
    // SAFETY: as above.
    let null = |at: usize| !digit.validity.is_null() && unsafe { *digit.validity.add(at / 8) } >> (at % 8) & 1 == 0;
    let whole = |at: usize, signed: bool| if signed { i64::from(four(at) as i32) } else { i64::from(four(at)) };
    let number = |at: usize| match &digit.by {
        By::Itself { width, signed, low } => {
            let value = match (width, signed) {
                (Width::Bit, _) => bit(at).into(),
                (Width::Byte, false) => byte(at).into(),
                (Width::Byte, true) => i32::from(byte(at) as i8) as u32,
                (Width::Two, false) => two(at).into(),
                (Width::Two, true) => i32::from(two(at) as i16) as u32,
                (Width::Four, _) => four(at),
                (Width::Eight, _) => eight(at) as u32,
            };
            value.wrapping_sub(*low)
        }
        By::Quotient { before, by, low } => by.quotient(four(at).wrapping_add(*before)).wrapping_sub(*low),
        By::Bytes(numbers) => numbers[usize::from(byte(at))].into(),
        By::Table { width: Width::Byte, numbers } => numbers[usize::from(byte(at))].into(),
        By::Table { numbers, .. } => numbers[usize::from(two(at))].into(),
        By::Range { signed, base, numbers } => {
            numbers[(whole(at, *signed) - base).clamp(0, numbers.len() as i64 - 1) as usize].into()
        }
        By::Steps { signed, bounds, numbers } => numbers[bounds.iter().filter(|bound| **bound <= whole(at, *signed)).count()],
    };
    match (&digit.by, digit.validity.is_null()) {
        (By::Table { width: Width::Two, numbers }, true) if numbers.len() == 1 << 16 => {
            add(out, count, |at| numbers[usize::from(two(at))].into());
        }
        (By::Range { signed: false, base, numbers }, true) if !numbers.is_empty() => {
            let last = numbers.len() as i64 - 1;
            add(out, count, |at| numbers[(i64::from(four(at)) - base).clamp(0, last) as usize].into());
        }
        (_, true) => add(out, count, number),
        (_, false) => add(out, count, |at| if null(at) { digit.count - 1 } else { number(at) }),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
unsafe fn fold_avx512(digit: &Digit, rows: usize, out: &mut [u32], first: bool) {
    use std::arch::x86_64::*;
    let count = _mm512_set1_epi32(digit.count as i32);
    let values = digit.values;
    // SAFETY: as `number`'s own: only rows that are there are read, and `out` has a whole block.
    unsafe {
        let bytes: &[u8; 256] = if let By::Bytes(bytes) = &digit.by { bytes } else { &[0; 256] };
        let part = |at: usize| _mm512_loadu_si512(bytes[at * 64..].as_ptr().cast());
        let table = [part(0), part(1), part(2), part(3)];
        let steps = match &digit.by {
            By::Steps { numbers, .. } => _mm512_loadu_si512(numbers.as_ptr().cast()),
            By::Itself { .. } | By::Quotient { .. } | By::Table { .. } | By::Bytes(_) | By::Range { .. } => {
                _mm512_setzero_si512()
            }
        };
        for from in (0..rows).step_by(16) {
            let read = u16::MAX >> (16 - (rows - from).min(16));
            let byte = || _mm_maskz_loadu_epi8(read, values.add(from).cast());
            let four = || _mm512_maskz_loadu_epi32(read, values.add(from * 4).cast());
            let number = match &digit.by {
                By::Itself { width, signed, low } => {
                    let value = match (width, signed) {
                        (Width::Byte, false) => _mm512_cvtepu8_epi32(byte()),
                        (Width::Byte, true) => _mm512_cvtepi8_epi32(byte()),
                        (Width::Two, false) => _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(read, values.add(from * 2).cast())),
                        (Width::Two, true) => _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(read, values.add(from * 2).cast())),
                        (_four, _) => four(),
                    };
                    _mm512_sub_epi32(value, _mm512_set1_epi32(*low as i32))
                }
                By::Quotient { before, by, low } => {
                    let value = _mm512_add_epi32(four(), _mm512_set1_epi32(*before as i32));
                    let (factor, shift) = (_mm512_set1_epi64(by.factor.into()), _mm_set_epi64x(0, by.shift.into()));
                    let even = _mm512_srl_epi64(_mm512_mul_epu32(value, factor), shift);
                    let odd = _mm512_srl_epi64(_mm512_mul_epu32(_mm512_srli_epi64(value, 32), factor), shift);
                    let both = _mm512_or_si512(even, _mm512_slli_epi64(odd, 32));
                    _mm512_sub_epi32(both, _mm512_set1_epi32(*low as i32))
                }
                By::Bytes(_) => {
                    let value = _mm512_castsi128_si512(byte());
                    let lower = _mm512_permutex2var_epi8(table[0], value, table[1]);
                    let upper = _mm512_permutex2var_epi8(table[2], value, table[3]);
                    let found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(value), lower, upper);
                    _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))
                }
                By::Steps { signed, bounds, .. } => {
                    let (value, one) = (four(), _mm512_set1_epi32(1));
                    let mut step = _mm512_setzero_si512();
                    for bound in bounds {
                        let bound = _mm512_set1_epi32(*bound as i32);
                        let passed = match signed {
                            true => _mm512_cmpge_epi32_mask(value, bound),
                            false => _mm512_cmpge_epu32_mask(value, bound),
                        };
                        step = _mm512_mask_add_epi32(step, passed, step, one);
                    }
                    _mm512_permutexvar_epi32(step, steps)
                }
                By::Table { .. } | By::Range { .. } => _mm512_setzero_si512(),
            };
            let to: *mut __m512i = out[from..].as_mut_ptr().cast();
            if first {
                _mm512_storeu_si512(to, number);
                continue;
            }
            let before = _mm512_loadu_si512(to);
            _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_mullo_epi32(before, count), number));
        }
    }
}

/// Where counts lie: words, so many copies of each number's side by side.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// The first.
    pub first: *mut u64,
    /// Copies of each, 1, 2 or 4: rows one behind the other take turns, so that none waits for the one before.
    pub lanes: usize,
}

/// Counts the rows of a mask by their numbers; without a mask, all.
///
/// # Safety
///
/// `numbers` has a number for each of `rows`, at most [`BLOCK`], and the counts one for each number.
pub unsafe fn count(numbers: *const u32, rows: usize, mask: Option<&Mask>, counts: Counts) {
    // SAFETY: as this function's own, for all of them.
    unsafe {
        match counts.lanes {
            1 => count_in::<1>(numbers, rows, mask, counts.first),
            2 => count_in::<2>(numbers, rows, mask, counts.first),
            _four => count_in::<4>(numbers, rows, mask, counts.first),
        }
    }
}

/// # Safety
///
/// As [`count`], with so many copies of each count.
unsafe fn count_in<const LANES: usize>(numbers: *const u32, rows: usize, mask: Option<&Mask>, first: *mut u64) {
    // SAFETY: as this function's own.
    let add = |row: usize| unsafe {
        let place = *numbers.add(row) as usize * LANES + row % LANES;
        *first.add(place) += 1;
    };
    match mask {
        None => (0..rows).for_each(add),
        Some(mask) => {
            let mut kept = [0u16; BLOCK + SLACK];
            // SAFETY: the list has room for a block.
            let count = unsafe { list(mask, kept.as_mut_ptr()) };
            kept[..count].iter().for_each(|row| add((*row).into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::select::all;
    use super::*;

    #[test]
    fn every_row_is_counted_in_its_group() {
        let bytes: Vec<u8> = (0..BLOCK).map(|at| (at * 37 % 7) as u8 + 3).collect();
        let twos: Vec<u16> = (0..BLOCK).map(|at| (at * 7919 % 60_000) as u16).collect();
        let fours: Vec<u32> = (0..BLOCK).map(|at| (at as u32).wrapping_mul(0x9e37_79b9)).collect();
        let valid: Vec<u8> = (0..BLOCK / 8).map(|at| (at * 91) as u8).collect();
        let bounds = |signed: bool| -> Vec<i64> {
            let low = if signed { i64::from(i32::MIN) } else { 0 };
            (1..16).map(|at| low + at * 0x0fff_ffff).collect()
        };
        let numbers: [u32; STEPS] = std::array::from_fn(|at| (at as u32 * 5) % 11);
        let table: Vec<u16> = (0..=u16::MAX).map(|value| value / 7_000).collect();
        let digit = |by: By, count: u32, values: *const u8, null: bool| {
            let validity = if null { valid.as_ptr() } else { std::ptr::null() };
            Digit { by, count, values, validity }
        };
        let (byte, two, four) = (bytes.as_ptr(), twos.as_ptr().cast(), fours.as_ptr().cast());
        let small: Vec<u32> = fours.iter().map(|four| four >> 2).collect();
        let quarter = small.as_ptr().cast();
        let itself = |width: Width, low: u32| By::Itself { width, signed: false, low };
        let signed = |width: Width, low: u32| By::Itself { width, signed: true, low };
        let quotient = |before: u32, by: u32, low: u32| By::Quotient { before, by: Reciprocal::of(by).unwrap(), low };
        let cases: Vec<Vec<Digit>> = vec![
            vec![digit(itself(Width::Byte, 3), 7, byte, false)],
            vec![digit(signed(Width::Byte, 0), 7, two, false)],
            vec![digit(itself(Width::Two, 0), 60_000, two, false)],
            vec![digit(signed(Width::Two, 7), 60_000, two, false)],
            vec![digit(itself(Width::Four, 5), 65_535, four, false)],
            vec![digit(quotient(50, 100, 2), 65_535, quarter, false), digit(quotient(0, 1, 0), 3, quarter, true)],
            vec![digit(quotient(0, 86_400, 0), 65_535, quarter, false), digit(quotient(0, 7, 0), 3, quarter, false)],
            vec![digit(itself(Width::Byte, 3), 8, byte, true), digit(itself(Width::Bit, 0), 2, byte, false)],
            vec![
                digit(itself(Width::Byte, 3), 7, byte, false),
                digit(By::Steps { signed: false, bounds: bounds(false), numbers }, 11, four, false),
                digit(By::Table { width: Width::Two, numbers: table.clone() }, 10, two, false),
            ],
            vec![digit(By::Range { signed: false, base: 1 << 20, numbers: table.clone() }, 10, four, false)],
            vec![digit(By::Range { signed: true, base: -(1 << 30), numbers: table.clone() }, 11, four, true)],
            vec![
                digit(By::Steps { signed: true, bounds: bounds(true), numbers }, 11, four, false),
                digit(By::table(Width::Byte, (0..256).map(|at| at / 3).collect()), 90, byte, false),
                digit(By::Table { width: Width::Byte, numbers: (0..256).map(|at| at * 5).collect() }, 2000, two, false),
                digit(itself(Width::Two, 9), 100, two, true),
            ],
        ];
        let of_bytes = |values: *const u8, at: usize| if values == byte { bytes[at] } else { twos[at / 2].to_le_bytes()[at % 2] };
        let of_fours = |values: *const u8, at: usize| if values == four { fours[at] } else { small[at] };
        let number_of = |digits: &[Digit], row: usize| {
            digits.iter().fold(0u32, |number, digit| {
                let null = !digit.validity.is_null() && valid[row / 8] >> (row % 8) & 1 == 0;
                let whole = |signed: bool| {
                    let value = of_fours(digit.values, row);
                    if signed { i64::from(value as i32) } else { value.into() }
                };
                let its = match &digit.by {
                    _ if null => digit.count - 1,
                    By::Itself { width: Width::Bit, .. } => (bytes[row / 8] >> (row % 8) & 1).into(),
                    By::Itself { width: Width::Byte, signed, low } => {
                        let value = of_bytes(digit.values, row);
                        let value = if *signed { i32::from(value as i8) as u32 } else { value.into() };
                        value.wrapping_sub(*low)
                    }
                    By::Itself { width: Width::Two, signed, low } => {
                        let value = if *signed { i32::from(twos[row] as i16) as u32 } else { twos[row].into() };
                        value.wrapping_sub(*low)
                    }
                    By::Itself { low, .. } => fours[row].wrapping_sub(*low),
                    By::Quotient { before, by, low } => {
                        let divisor = [1, 7, 100, 86_400].into_iter().find(|of| {
                            Reciprocal::of(*of).unwrap().factor == by.factor && Reciprocal::of(*of).unwrap().shift == by.shift
                        });
                        ((small[row] + before) / divisor.unwrap()).wrapping_sub(*low)
                    }
                    By::Bytes(numbers) => numbers[usize::from(of_bytes(digit.values, row))].into(),
                    By::Table { width: Width::Byte, numbers } => numbers[usize::from(of_bytes(digit.values, row))].into(),
                    By::Table { numbers, .. } => numbers[usize::from(twos[row])].into(),
                    By::Range { signed, base, numbers } => {
                        numbers[(whole(*signed) - base).clamp(0, numbers.len() as i64 - 1) as usize].into()
                    }
                    By::Steps { signed, bounds, numbers } => {
                        numbers[bounds.iter().filter(|bound| **bound <= whole(*signed)).count()]
                    }
                };
                number.wrapping_mul(digit.count).wrapping_add(its)
            })
        };
        for digits in &cases {
            for (rows, groups) in [(BLOCK, 65_536), (1000, 65_536), (33, 50), (1, 1)] {
                let mut found = vec![0u32; BLOCK];
                // SAFETY: the columns have a block of rows, and so has `found`.
                unsafe { number(digits, rows, groups, found.as_mut_ptr()) };
                let expected: Vec<u32> = (0..rows).map(|row| number_of(digits, row).min((groups - 1) as u32)).collect();
                assert_eq!(found[..rows], expected, "{digits:?}");
                for (mask, lanes) in [(None, 1), (None, 4), (Some(all(rows)), 2), (Some([0x1234_5678_9abc_def1; 16]), 4)] {
                    let mask = mask.map(|mask: Mask| std::array::from_fn(|at| mask[at] & all(rows)[at]));
                    let mut counts = vec![0u64; groups * lanes];
                    let into = Counts { first: counts.as_mut_ptr(), lanes };
                    // SAFETY: there is a count for each number.
                    unsafe { count(found.as_ptr(), rows, mask.as_ref(), into) };
                    let mut wanted = vec![0u64; groups];
                    let passes = |row: usize| mask.is_none_or(|mask: Mask| mask[row / 64] >> (row % 64) & 1 == 1);
                    (0..rows).filter(|row| passes(*row)).for_each(|row| wanted[expected[row] as usize] += 1);
                    let sums: Vec<u64> = counts.chunks(lanes).map(|lanes| lanes.iter().sum()).collect();
                    assert_eq!(sums, wanted);
                }
            }
        }
    }

    #[test]
    fn reciprocals_divide() {
        assert!(Reciprocal::of(0).is_none() && Reciprocal::of((1 << 30) + 1).is_none());
        let most = Reciprocal::BELOW as u32 - 1;
        for divisor in [1, 2, 3, 7, 10, 100, 641, 86_400, 1_000_003, (1 << 29) + 1, (1 << 30) - 1, 1 << 30] {
            let by = Reciprocal::of(divisor).unwrap();
            let near = (1..=most / divisor)
                .step_by((most / divisor / 1000).max(1) as usize)
                .flat_map(|of| [of * divisor - 1, of * divisor]);
            for number in near.chain([0, most]) {
                assert_eq!(by.quotient(number), number / divisor, "{number} / {divisor}");
            }
        }
    }
}
