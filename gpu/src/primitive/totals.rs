//! Counts and sums of a block's rows for each of a few groups, all rows at once: without a list of each group's rows, and without
//! a state that a row finds as the row before has just left it.

use super::select::Mask;
use super::split::GROUPS;

/// Integers nearer to 0 than this are small: of a block every sixteenth is summed in 32 bits.
pub const SMALL: i128 = 1 << 24;

/// Integers of a block that are summed.
#[derive(Debug, Clone, Copy)]
pub struct Summed {
    /// The values of the block.
    pub values: *const u8,
    /// How they are stored.
    pub width: Width,
    /// Whether all are nearer to 0 than [`SMALL`].
    pub small: bool,
}

/// How integers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 8 bits with a sign.
    I8,
    /// 8 bits.
    U8,
    /// 16 bits with a sign.
    I16,
    /// 16 bits.
    U16,
    /// 32 bits with a sign.
    I32,
    /// 32 bits.
    U32,
}

impl Width {
    /// Whether all values are small.
    pub fn is_narrow(self) -> bool {
        !matches!(self, Self::I32 | Self::U32)
    }
}

/// Adds to each of the groups how many rows of the mask it has. Rows of a number past `counts` are left out.
///
/// # Safety
///
/// The processor has the instructions of [`Level::Avx512`](super::select::Level); `numbers` points at a block of bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub unsafe fn counts(numbers: *const u8, mask: &Mask, counts: &mut [u64]) {
    use std::arch::x86_64::*;
    for (at, word) in mask.iter().enumerate().filter(|(_, word)| **word != 0) {
        // SAFETY: `numbers` has a whole block.
        let number = unsafe { _mm512_loadu_si512(numbers.add(at * 64).cast()) };
        for (group, count) in counts.iter_mut().enumerate() {
            let found = _mm512_mask_cmpeq_epi8_mask(*word, number, _mm512_set1_epi8(group as i8));
            *count += u64::from(found.count_ones());
        }
    }
}

/// Adds to each of the groups the values of its rows, of `rows` rows of which those of the mask count; a sum that 64 bits do not
/// hold wraps. Rows of a number past `sums` are left out. Where `counts` are wanted too, rows are counted on the way.
///
/// # Safety
///
/// As [`counts`]; there are `rows` values; of `sums` there are at most [`GROUPS`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub unsafe fn sums(
    numbers: *const u8,
    mask: &Mask,
    rows: usize,
    of: Summed,
    sums: &mut [i64],
    counts: Option<&mut [u64; GROUPS]>,
) {
    use std::arch::x86_64::*;
    let mut parts = [_mm512_setzero_si512(); GROUPS];
    let mut counted = [0u32; GROUPS];
    let groups = sums.len().min(GROUPS);
    for (at, word) in mask.iter().enumerate().filter(|(_, word)| **word != 0) {
        // SAFETY: `numbers` has a whole block; of values those alone are read that are there.
        let (number, values) = unsafe {
            let number = _mm512_loadu_si512(numbers.add(at * 64).cast());
            (number, sixty_four(of, at * 64, rows))
        };
        let found = |group: usize| _mm512_mask_cmpeq_epi8_mask(*word, number, _mm512_set1_epi8(group as i8));
        if of.small {
            for (group, (part, count)) in parts.iter_mut().zip(&mut counted).enumerate().take(groups) {
                let found = found(group);
                *count += found.count_ones();
                for (at, values) in values.iter().enumerate() {
                    *part = _mm512_mask_add_epi32(*part, (found >> (at * 16)) as u16, *part, *values);
                }
            }
            continue;
        }
        let unsigned = of.width == Width::U32;
        let halves = values.map(|values| {
            let (low, high) = (_mm512_castsi512_si256(values), _mm512_extracti64x4_epi64::<1>(values));
            match unsigned {
                true => [_mm512_cvtepu32_epi64(low), _mm512_cvtepu32_epi64(high)],
                false => [_mm512_cvtepi32_epi64(low), _mm512_cvtepi32_epi64(high)],
            }
        });
        for (group, (part, count)) in parts.iter_mut().zip(&mut counted).enumerate().take(groups) {
            let found = found(group);
            *count += found.count_ones();
            for (at, values) in halves.iter().flatten().enumerate() {
                *part = _mm512_mask_add_epi64(*part, (found >> (at * 8)) as u8, *part, *values);
            }
        }
    }
    if let Some(counts) = counts {
        counts.iter_mut().zip(counted).for_each(|(count, more)| *count += u64::from(more));
    }
    for (sum, part) in sums.iter_mut().zip(parts) {
        let part = match of.small {
            true => {
                let (low, high) = (_mm512_castsi512_si256(part), _mm512_extracti64x4_epi64::<1>(part));
                _mm512_add_epi64(_mm512_cvtepi32_epi64(low), _mm512_cvtepi32_epi64(high))
            }
            false => part,
        };
        *sum = sum.wrapping_add(_mm512_reduce_add_epi64(part));
    }
}

/// Sixty-four values from one on, 32 bits each; zeros behind the last row.
///
/// # Safety
///
/// As [`sums`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
unsafe fn sixty_four(of: Summed, from: usize, rows: usize) -> [std::arch::x86_64::__m512i; 4] {
    use std::arch::x86_64::*;
    let mut values = [_mm512_setzero_si512(); 4];
    for (at, values) in values.iter_mut().enumerate() {
        let from = from + at * 16;
        let there = rows.saturating_sub(from).min(16);
        let read = ((1u32 << there) - 1) as u16;
        // SAFETY: only the rows that are there are read.
        *values = unsafe {
            match of.width {
                Width::I8 => _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(read, of.values.add(from).cast())),
                Width::U8 => _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(read, of.values.add(from).cast())),
                Width::I16 => _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(read, of.values.add(from * 2).cast())),
                Width::U16 => _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(read, of.values.add(from * 2).cast())),
                Width::I32 | Width::U32 => _mm512_maskz_loadu_epi32(read, of.values.add(from * 4).cast()),
            }
        };
    }
    values
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::select::{BLOCK, Level, all, level};
    use super::*;
    use crate::testing::Random;

    fn value(bytes: &[u8], width: Width, at: usize) -> i64 {
        let two = || [bytes[at * 2], bytes[at * 2 + 1]];
        let four = || [bytes[at * 4], bytes[at * 4 + 1], bytes[at * 4 + 2], bytes[at * 4 + 3]];
        match width {
            Width::I8 => (bytes[at] as i8).into(),
            Width::U8 => bytes[at].into(),
            Width::I16 => i16::from_le_bytes(two()).into(),
            Width::U16 => u16::from_le_bytes(two()).into(),
            Width::I32 => i32::from_le_bytes(four()).into(),
            Width::U32 => u32::from_le_bytes(four()).into(),
        }
    }

    #[test]
    fn every_group_has_its_rows() {
        if level() != Level::Avx512 {
            return;
        }
        let mut random = Random::new(3);
        for round in 0..300 {
            let rows = random.pick(&[1, 15, 16, 17, 63, 64, 65, 1000, BLOCK]);
            let groups = 1 + random.below(GROUPS);
            let numbers: Vec<u8> = (0..BLOCK).map(|_| random.below(groups + 2) as u8).collect();
            let mut mask = all(rows);
            if random.percent(70) {
                mask.iter_mut().for_each(|word| *word &= random.bits());
            }
            let width = random.pick(&[Width::I8, Width::U8, Width::I16, Width::U16, Width::I32, Width::U32]);
            let bytes = match width {
                Width::I8 | Width::U8 => 1,
                Width::I16 | Width::U16 => 2,
                Width::I32 | Width::U32 => 4,
            };
            // No byte behind the last row may be read: it is on no page, or another's.
            let mut values: Vec<u8> = (0..rows * bytes).map(|_| random.bits() as u8).collect();
            let small = bytes < 4 || round % 2 == 0;
            if bytes == 4 && small {
                let sign = if width == Width::I32 { 0xff } else { 0 };
                values.chunks_exact_mut(4).for_each(|value| value[3] = if random.percent(50) { sign } else { 0 });
            }
            let mut expected = (vec![0u64; groups], vec![5i64; groups]);
            for row in (0..rows).filter(|row| mask[row / 64] >> (row % 64) & 1 == 1) {
                let group = numbers[row] as usize;
                if group < groups {
                    expected.0[group] += 1;
                    expected.1[group] += value(&values, width, row);
                }
            }
            let mut found = (vec![0u64; groups], vec![5i64; groups]);
            // SAFETY: the processor has the instructions, and there are so many rows.
            unsafe {
                counts(numbers.as_ptr(), &mask, &mut found.0);
                let mut also = [0; GROUPS];
                let of = Summed { values: values.as_ptr(), width, small };
                sums(numbers.as_ptr(), &mask, rows, of, &mut found.1, Some(&mut also));
                assert_eq!(also[..groups], found.0);
            }
            assert_eq!(found, expected, "{rows} rows, {groups} groups, {width:?}, small: {small}");
        }
    }
}
