//! Elements of buffers.

use arrow::buffer::Buffer;

/// Element `row` of a column of fixed width, which has that many.
#[inline(always)]
pub(crate) fn of<T: Copy>(values: &Buffer, row: usize) -> T {
    debug_assert!((row + 1) * size_of::<T>() <= values.len());
    // SAFETY: the caller's columns have so many rows, whose buffers' lengths were looked at, and any bits are a `T`: an integer.
    unsafe { values.as_ptr().cast::<T>().add(row).read_unaligned() }
}

/// Bit `row`.
#[inline(always)]
pub(crate) fn bit(bits: &Buffer, row: usize) -> bool {
    bits[row / 8] >> (row % 8) & 1 == 1
}
