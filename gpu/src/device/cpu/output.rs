//! Columns while they are being written: a byte for each `bool` and each validity, packed at the end; a reference of 16 bytes
//! for each text, whose bytes are copied at the end.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::memory::Memory;
use super::pool::Pool;
use crate::column::Column;
use crate::error::{Error, Result};
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
        Ok(Self { ty, rows, values: Memory::zeros(roomy(rows * ty.ty.bytes()))?, validity })
    }

    pub(super) fn writer(&mut self) -> Writer {
        let validity = self.validity.as_ref().map_or(std::ptr::null_mut(), Memory::address);
        Writer { values: self.values.address(), validity, bytes: self.ty.ty.bytes() }
    }

    /// The column, its bits packed and the bytes of its texts copied.
    pub(super) fn finish(self, pool: &Pool, threads: usize) -> Result<Column> {
        if self.ty.ty == Type::Text {
            return self.texts(pool, threads);
        }
        let values = if self.ty.ty == Type::Bool { padded(pack(self.values.read())) } else { self.values.into_buffer() };
        let validity = self.validity.map(|bytes| padded(pack(bytes.read())));
        Ok(Column::new(self.ty, self.rows, values, validity))
    }

    /// In parts: first how long they are, then each part into its place.
    fn texts(self, pool: &Pool, threads: usize) -> Result<Column> {
        let references = Shared(self.values.address().cast::<[u64; 2]>());
        let valid = self.validity.as_ref().map(Memory::read);
        let reference = |row: usize| match valid.is_none_or(|bytes| bytes[row] != 0) {
            // SAFETY: the row is of the column, and nobody writes any more.
            true => unsafe { references.at().add(row).read_unaligned() },
            false => [0, 0],
        };
        let rows = |part: usize| part * PART..self.rows.min((part + 1) * PART);
        let parts = self.rows.div_ceil(PART);
        let sums: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
        pool.parts(threads, parts, |(), part| {
            sums[part].store(rows(part).map(|row| reference(row)[1] as usize).sum(), Ordering::Relaxed);
            Ok(())
        })?;
        let mut total = 0;
        let mut begins = Vec::with_capacity(parts);
        for sum in sums {
            begins.push(total);
            total += sum.into_inner();
        }
        if i32::try_from(total).is_err() {
            return Err(Error::OutOfMemory("more than 2 GiB of text in one column of a result".to_owned()));
        }
        let (bytes, offsets) = (Memory::zeros(roomy(total))?, Memory::zeros(roomy((self.rows + 1) * 4))?);
        let (to, ends) = (Shared(bytes.address()), Shared(offsets.address().cast::<i32>()));
        pool.parts(threads, parts, |(), part| {
            let mut at = begins[part];
            for row in rows(part) {
                let [from, length] = reference(row);
                // SAFETY: the bytes of the text can be read until its column is made, and its place is nobody else's.
                unsafe {
                    if length > 0 {
                        std::ptr::copy_nonoverlapping(from as *const u8, to.at().add(at), length as usize);
                        at += length as usize;
                    }
                    ends.at().add(row + 1).write(at as i32);
                }
            }
            Ok(())
        })?;
        let validity = self.validity.map(|bytes| padded(pack(bytes.read())));
        Ok(Column::texts(self.rows, offsets.into_buffer(), bytes.into_buffer(), validity))
    }
}

/// So many bytes and the zeros behind them that a table has: what a run leaves is read by the next without a copy.
fn roomy(bytes: usize) -> usize {
    (bytes + 1).next_multiple_of(64)
}

/// Texts that a thread copies at once.
const PART: usize = 1 << 16;

/// An address whose elements threads share out.
struct Shared<T>(*mut T);

// SAFETY: threads write elements of their own, and read what nobody writes.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn at(&self) -> *mut T {
        self.0
    }
}

/// Bytes of 0 or 1 as bits.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut bits: Vec<u8> = Vec::with_capacity(eights.len() + 129);
    bits.extend(eights.iter().map(|eight| (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8));
    if !rest.is_empty() {
        bits.push(rest.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << at));
    }
    bits
}
