//! Columns while they are being written: a byte for each `bool` and each validity, packed at the end.

use super::memory::Memory;
use crate::column::Column;
use crate::error::Result;
use crate::program::{Type, ValueType, values::padded};

/// A column with a place for every row. Threads write disjoint rows through [`Writer`].
#[derive(Debug)]
pub(super) struct Written {
    ty: ValueType,
    rows: usize,
    values: Memory,
    validity: Option<Memory>,
}

/// Where a column is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer {
    pub(super) values: *mut u8,
    /// Null where the column has no NULLs.
    pub(super) validity: *mut u8,
    pub(super) bytes: usize,
}

// SAFETY: threads write through it to rows of their own.
unsafe impl Send for Writer {}
// SAFETY: as above.
unsafe impl Sync for Writer {}

impl Writer {
    /// Writes a row's value, given as the bytes of the type.
    ///
    /// # Safety
    ///
    /// The row is of the column, and nobody else's; `value` points at the type's bytes.
    #[inline(always)]
    pub(super) unsafe fn copy(&self, row: usize, value: *const u8) {
        // SAFETY: as this function's own. The widths are named so that each is one move.
        unsafe {
            let to = self.values.add(row * self.bytes);
            match self.bytes {
                1 => to.write(value.read()),
                2 => to.cast::<u16>().write_unaligned(value.cast::<u16>().read_unaligned()),
                4 => to.cast::<u32>().write_unaligned(value.cast::<u32>().read_unaligned()),
                8 => to.cast::<u64>().write_unaligned(value.cast::<u64>().read_unaligned()),
                bytes => std::ptr::copy_nonoverlapping(value, to, bytes),
            }
        }
    }

    /// Says whether a row's value is there.
    ///
    /// # Safety
    ///
    /// As [`Writer::copy`].
    #[inline(always)]
    pub(super) unsafe fn set_valid(&self, row: usize, valid: bool) {
        if !self.validity.is_null() {
            // SAFETY: as this function's own.
            unsafe { self.validity.add(row).write(valid.into()) };
        }
    }
}

impl Written {
    pub(super) fn new(ty: ValueType, rows: usize) -> Result<Self> {
        let validity = if ty.nullable { Some(Memory::zeros(rows)?) } else { None };
        Ok(Self { ty, rows, values: Memory::zeros(rows * ty.ty.bytes())?, validity })
    }

    pub(super) fn writer(&mut self) -> Writer {
        let validity = self.validity.as_ref().map_or(std::ptr::null_mut(), Memory::address);
        Writer { values: self.values.address(), validity, bytes: self.ty.ty.bytes() }
    }

    /// The column, its bits packed.
    pub(super) fn finish(self) -> Column {
        let values = if self.ty.ty == Type::Bool { padded(pack(self.values.read())) } else { self.values.into_buffer() };
        let validity = self.validity.map(|bytes| padded(pack(bytes.read())));
        Column::new(self.ty, self.rows, values, validity)
    }
}

/// Bytes of 0 or 1 as bits.
fn pack(bytes: &[u8]) -> Vec<u8> {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut bits: Vec<u8> = Vec::with_capacity(eights.len() + 129);
    bits.extend(eights.iter().map(|eight| (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8));
    if !rest.is_empty() {
        bits.push(rest.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << at));
    }
    bits
}
