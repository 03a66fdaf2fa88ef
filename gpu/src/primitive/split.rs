//! A block's rows by the few groups that they belong to: numbers of groups from key columns, and a list for each group.

use super::select::{BLOCK, Level, Mask, SLACK, level};
use crate::program::Type;

/// The most groups that a block is split into.
pub const GROUPS: usize = 32;
/// Rows from one group's list to the next.
pub const STRIDE: usize = BLOCK + SLACK;

/// A key column as the number of a group takes it.
#[derive(Debug, Clone, Copy)]
pub struct Digit {
    /// The values of the block.
    pub values: *const u8,
    /// The bits of the rows that are not NULL; null where the key is never NULL.
    pub validity: *const u8,
    /// The width of a value: `Bool` is [`Width::Bit`].
    pub width: Width,
    /// The least value, of which the low 8 bits matter.
    pub low: u8,
    /// How many values; NULL is number `size`.
    pub size: u8,
    /// How many numbers: `size`, or one more.
    pub count: u8,
    /// What stands for each value of a byte, 256 of them; null where the values stand for themselves.
    pub table: *const u8,
}

/// The width of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// A bit.
    Bit,
    /// 1 byte.
    Byte,
    /// 2 bytes.
    Two,
    /// 4 bytes.
    Four,
    /// 8 bytes.
    Eight,
}

impl Width {
    /// That of a column's values.
    pub fn of(ty: Type) -> Self {
        match ty {
            Type::Bool => Self::Bit,
            Type::I8 | Type::U8 => Self::Byte,
            Type::I16 | Type::U16 => Self::Two,
            Type::I32 | Type::U32 | Type::F32 => Self::Four,
            Type::I64 | Type::F64 | Type::I128 | Type::Text => Self::Eight,
        }
    }
}

#[inline(always)]
unsafe fn fold<const STEP: usize>(digit: &Digit, rows: usize, out: *mut u8, first: bool) {
    for at in 0..rows {
        // SAFETY: the low byte of a value of the block; `out` has room for a block.
        unsafe {
            let value = (*digit.values.add(at * STEP)).wrapping_sub(digit.low);
            let before = if first { 0 } else { *out.add(at) };
            *out.add(at) = before.wrapping_mul(digit.count).wrapping_add(value);
        }
    }
}

#[inline(always)]
unsafe fn fold_slow(digit: &Digit, rows: usize, out: *mut u8, first: bool) {
    for at in 0..rows {
        // SAFETY: as in `fold`; bits come in whole bytes.
        unsafe {
            let value = match digit.width {
                Width::Bit => *digit.values.add(at / 8) >> (at % 8) & 1,
                Width::Byte if digit.table.is_null() => *digit.values.add(at),
                Width::Byte => *digit.table.add(usize::from(*digit.values.add(at))),
                Width::Two => *digit.values.add(at * 2),
                Width::Four => *digit.values.add(at * 4),
                Width::Eight => *digit.values.add(at * 8),
            };
            let there = digit.validity.is_null() || *digit.validity.add(at / 8) >> (at % 8) & 1 == 1;
            let number = if there { value.wrapping_sub(digit.low) } else { digit.size };
            let before = if first { 0 } else { *out.add(at) };
            *out.add(at) = before.wrapping_mul(digit.count).wrapping_add(number);
        }
    }
}

#[inline(always)]
unsafe fn fold_all(digits: &[Digit], rows: usize, out: *mut u8) {
    for (at, digit) in digits.iter().enumerate() {
        // SAFETY: as this function's own, for every arm.
        unsafe {
            if !digit.validity.is_null() {
                fold_slow(digit, rows, out, at == 0);
                continue;
            }
            match digit.width {
                Width::Bit => fold_slow(digit, rows, out, at == 0),
                Width::Byte if digit.table.is_null() => fold::<1>(digit, rows, out, at == 0),
                Width::Byte => fold_slow(digit, rows, out, at == 0),
                Width::Two => fold::<2>(digit, rows, out, at == 0),
                Width::Four => fold::<4>(digit, rows, out, at == 0),
                Width::Eight => fold::<8>(digit, rows, out, at == 0),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
unsafe fn fold_avx512(digits: &[Digit], rows: usize, out: *mut u8) {
    // SAFETY: as this function's own.
    unsafe {
        match digits {
            [digit] if !digit.table.is_null() && digit.validity.is_null() => look_up(digit, rows, out),
            _ => fold_all(digits, rows, out),
        }
    }
}

/// The one digit of each row, out of a table of 256 bytes that stays in registers.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
unsafe fn look_up(digit: &Digit, rows: usize, out: *mut u8) {
    use std::arch::x86_64::*;
    // SAFETY: as `number`'s own; only the rows that are there are read, and `out` has room for a block.
    unsafe {
        let part = |at: usize| _mm512_loadu_si512(digit.table.add(at * 64).cast());
        let (a, b, c, d) = (part(0), part(1), part(2), part(3));
        let low = _mm512_set1_epi8(digit.low as i8);
        for from in (0..rows).step_by(64) {
            let read = u64::MAX >> (64 - (rows - from).min(64));
            let value = _mm512_maskz_loadu_epi8(read, digit.values.add(from).cast());
            let lower = _mm512_permutex2var_epi8(a, value, b);
            let upper = _mm512_permutex2var_epi8(c, value, d);
            let found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(value), lower, upper);
            _mm512_storeu_si512(out.add(from).cast(), _mm512_sub_epi8(found, low));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn fold_avx2(digits: &[Digit], rows: usize, out: *mut u8) {
    // SAFETY: as this function's own.
    unsafe { fold_all(digits, rows, out) }
}

/// Writes the number of every row's group, a byte each.
///
/// # Safety
///
/// The digits point at `rows` values and bits each, and tables at 256 bytes, at most [`BLOCK`], little endian; `out` has room for a block.
pub unsafe fn number(digits: &[Digit], rows: usize, out: *mut u8) {
    match level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has these instructions, and the rest is this function's own promise.
        Level::Avx512 => unsafe { fold_avx512(digits, rows, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { fold_avx2(digits, rows, out) },
        #[cfg(not(target_arch = "x86_64"))]
        // SAFETY: as above.
        Level::Avx512 | Level::Avx2 => unsafe { fold_all(digits, rows, out) },
        // SAFETY: as above.
        Level::Portable => unsafe { fold_all(digits, rows, out) },
    }
}

/// Lists the rows of the mask by the number of their group: group `g` from `lists + g * STRIDE` on, `counts[g]` of them.
/// Rows of a number past `counts` are left out.
///
/// # Safety
///
/// `numbers` points at [`BLOCK`] bytes, `lists` at room for [`STRIDE`] rows for each of `counts`, at most [`GROUPS`].
pub unsafe fn split(numbers: *const u8, mask: &Mask, lists: *mut u16, counts: &mut [u32]) {
    counts.fill(0);
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 {
        // SAFETY: the processor has these instructions, and the rest is this function's own promise.
        unsafe { split_avx512(numbers, mask, lists, counts) };
        return;
    }
    // SAFETY: as this function's own.
    unsafe { split_portable(numbers, mask, lists, counts) }
}

/// # Safety
///
/// As [`split`].
unsafe fn split_portable(numbers: *const u8, mask: &Mask, lists: *mut u16, counts: &mut [u32]) {
    for (at, word) in mask.iter().enumerate() {
        let mut bits = *word;
        while bits != 0 {
            let row = at * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            // SAFETY: the row is of the block.
            let group = unsafe { *numbers.add(row) };
            if let Some(count) = counts.get_mut(group as usize) {
                // SAFETY: a group has at most BLOCK rows.
                unsafe { lists.add(group as usize * STRIDE + *count as usize).write(row as u16) };
                *count += 1;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt")]
unsafe fn split_avx512(numbers: *const u8, mask: &Mask, lists: *mut u16, counts: &mut [u32]) {
    use std::arch::x86_64::*;
    let step = _mm512_set1_epi16(32);
    let mut low_rows = super::select::iota();
    for (at, word) in mask.iter().enumerate() {
        let high_rows = _mm512_add_epi16(low_rows, step);
        if *word != 0 {
            // SAFETY: `numbers` has a whole block.
            let number = unsafe { _mm512_loadu_si512(numbers.add(at * 64).cast()) };
            for (group, count) in counts.iter_mut().enumerate() {
                let found = _mm512_mask_cmpeq_epi8_mask(*word, number, _mm512_set1_epi8(group as i8));
                if found == 0 {
                    continue;
                }
                let (low, high) = (found as u32, (found >> 32) as u32);
                // SAFETY: a group has at most BLOCK rows, and its list the slack of a vector.
                unsafe {
                    let list = lists.add(group * STRIDE + *count as usize);
                    _mm512_storeu_si512(list.cast(), _mm512_maskz_compress_epi16(low, low_rows));
                    let list = list.add(low.count_ones() as usize);
                    _mm512_storeu_si512(list.cast(), _mm512_maskz_compress_epi16(high, high_rows));
                }
                *count += found.count_ones();
            }
        }
        low_rows = _mm512_add_epi16(high_rows, step);
    }
}

#[cfg(test)]
mod tests {
    use super::super::select::all;
    use super::*;

    #[test]
    fn every_row_comes_to_its_group() {
        let first: Vec<u8> = (0..BLOCK).map(|at| 10 + (at % 3) as u8).collect();
        let second: Vec<u16> = (0..BLOCK).map(|at| 300 + (at * 7 % 2) as u16).collect();
        let valid: Vec<u8> = (0..BLOCK / 8).map(|at| (at * 91) as u8).collect();
        let digits = [
            Digit {
                values: first.as_ptr(),
                validity: std::ptr::null(),
                width: Width::Byte,
                low: 10,
                size: 3,
                count: 3,
                table: std::ptr::null(),
            },
            Digit {
                values: second.as_ptr().cast(),
                validity: valid.as_ptr(),
                width: Width::Two,
                low: (300 & 255) as u8,
                size: 2,
                count: 3,
                table: std::ptr::null(),
            },
        ];
        let mut numbers = [0u8; BLOCK];
        let rows = 1000;
        // SAFETY: the columns have BLOCK rows.
        unsafe { number(&digits, rows, numbers.as_mut_ptr()) };
        let mut mask = all(rows);
        mask[2] &= 0xF0F0_1234_5678_9ABC;
        let mut lists = vec![0u16; 9 * STRIDE];
        let mut counts = [0u32; 9];
        for portable in [false, true] {
            counts.fill(0);
            // SAFETY: nine lists have room.
            unsafe {
                if portable {
                    split_portable(numbers.as_ptr(), &mask, lists.as_mut_ptr(), &mut counts);
                } else {
                    split(numbers.as_ptr(), &mask, lists.as_mut_ptr(), &mut counts);
                }
            }
            for group in 0..9 {
                let expected: Vec<u16> = (0..rows)
                    .filter(|at| mask[at / 64] >> (at % 64) & 1 == 1)
                    .filter(|at| {
                        let second = if valid[at / 8] >> (at % 8) & 1 == 1 { usize::from(second[*at] - 300) } else { 2 };
                        usize::from(first[*at] - 10) * 3 + second == group
                    })
                    .map(|at| at as u16)
                    .collect();
                assert_eq!(&lists[group * STRIDE..][..counts[group] as usize], &expected[..]);
            }
        }
    }

    #[test]
    fn a_table_stands_for_a_byte() {
        let table: Vec<u8> = (0..=255u8).map(|value| value.wrapping_mul(7) % 29 + 3).collect();
        let column: Vec<u8> = (0..BLOCK).map(|at| (at * 37 % 256) as u8).collect();
        let other: Vec<u8> = (0..BLOCK).map(|at| (at % 2) as u8).collect();
        let digit = Digit {
            values: column.as_ptr(),
            validity: std::ptr::null(),
            width: Width::Byte,
            low: 3,
            size: 29,
            count: 29,
            table: table.as_ptr(),
        };
        let second = Digit { values: other.as_ptr(), low: 0, size: 2, count: 2, table: std::ptr::null(), ..digit };
        for rows in [1, 63, 64, 65, 1000, BLOCK] {
            let mut numbers = [0u8; BLOCK];
            // SAFETY: the columns have BLOCK rows, the table 256 bytes.
            unsafe { number(&[digit], rows, numbers.as_mut_ptr()) };
            let alone: Vec<u8> = column[..rows].iter().map(|value| table[usize::from(*value)] - 3).collect();
            assert_eq!(numbers[..rows], alone);
            // SAFETY: as above.
            unsafe { number(&[digit, second], rows, numbers.as_mut_ptr()) };
            let both: Vec<u8> = alone.iter().zip(&other).map(|(a, b)| a.wrapping_mul(2).wrapping_add(*b)).collect();
            assert_eq!(numbers[..rows], both);
        }
    }
}
