//! A column's values in an order.

use std::ops::Range;

use arrow::buffer::Buffer;

use super::Order;
use crate::column::Column;
use crate::column::element::{bit, of};
use crate::device::Cancel;
use crate::error::{Error, Result};
use crate::parallel::{Room, Work};
use crate::program::Type;

/// The values of a column at the rows of an order, on at most so many threads (0: all).
///
/// `Unsupported`: texts of more bytes than offsets of 32 bits reach. `Invalid`: the order is of other rows.
pub fn gather(column: &Column, order: &Order, threads: usize, cancel: &Cancel) -> Result<Column> {
    if column.rows != order.of || !column.is_whole() {
        return Err(Error::Invalid("a column in an order of other rows".to_owned()));
    }
    let work = Work::new(threads, cancel);
    let rows = order.rows();
    let validity = column.validity.as_ref().map(|bits| packed(&work, bits, rows)).transpose()?;
    let values = match column.ty.ty {
        Type::Text => return texts(&work, column, rows, validity),
        Type::Bool => packed(&work, &column.values, rows)?,
        Type::I8 | Type::U8 => fixed::<u8>(&work, &column.values, rows)?,
        Type::I16 | Type::U16 => fixed::<u16>(&work, &column.values, rows)?,
        Type::I32 | Type::U32 | Type::F32 => fixed::<u32>(&work, &column.values, rows)?,
        Type::I64 | Type::F64 => fixed::<u64>(&work, &column.values, rows)?,
        Type::I128 => fixed::<u128>(&work, &column.values, rows)?,
    };
    let mut gathered = Column::new(column.ty, rows.len(), values, validity);
    // Of some of the rows the least may be another.
    gathered.range = column.range.filter(|_| rows.len() == column.rows);
    Ok(gathered)
}

fn fixed<T: Copy + Send>(work: &Work<'_>, values: &Buffer, rows: &[u32]) -> Result<Buffer> {
    let room: Room<T> = work.zeros(rows.len())?;
    let slots = room.slots();
    work.each_range(rows.len(), |range| {
        for (at, row) in range.clone().zip(&rows[range]) {
            // SAFETY: ranges are apart.
            unsafe { slots.set(at, of::<T>(values, *row as usize)) };
        }
        Ok(())
    })?;
    Ok(room.into_buffer())
}

fn packed(work: &Work<'_>, bits: &Buffer, rows: &[u32]) -> Result<Buffer> {
    let room: Room<u64> = work.zeros(rows.len().div_ceil(64))?;
    let slots = room.slots();
    work.each_range(rows.len(), |range| {
        for (at, some) in rows[range.clone()].chunks(64).enumerate() {
            let word = some.iter().enumerate().fold(0, |word, (at, row)| word | u64::from(bit(bits, *row as usize)) << at);
            // SAFETY: ranges begin at multiples of 64 and are apart.
            unsafe { slots.set(range.start / 64 + at, word) };
        }
        Ok(())
    })?;
    Ok(room.into_buffer())
}

fn texts(work: &Work<'_>, column: &Column, rows: &[u32], validity: Option<Buffer>) -> Result<Column> {
    let Some(bytes) = &column.bytes else { return Err(Error::Invalid("texts without bytes".to_owned())) };
    let span = |row: u32| {
        let at = |row: usize| of::<i32>(&column.values, row) as usize;
        at(row as usize)..at(row as usize + 1)
    };
    // Where a range's bytes begin is known when those before it are counted.
    const RANGE: usize = 1 << 14;
    let ranges = rows.len().div_ceil(RANGE);
    let range = |at: usize| -> Range<usize> { at * RANGE..rows.len().min((at + 1) * RANGE) };
    let sums = work.zeros::<u64>(ranges)?;
    let slots = sums.slots();
    work.each_part(ranges, |(), at| {
        let sum = rows[range(at)].iter().map(|row| span(*row).len() as u64).sum();
        // SAFETY: a range's sum is one thread's.
        unsafe { slots.set(at, sum) };
        Ok(())
    })?;
    let mut begins = Vec::with_capacity(ranges);
    let mut all = 0;
    for sum in sums.get() {
        begins.push(all as usize);
        all += sum;
    }
    if i32::try_from(all).is_err() {
        return Err(Error::Unsupported("more than 2 GiB of text in one column".to_owned()));
    }
    let (offsets, gathered) = (work.zeros::<i32>(rows.len() + 1)?, work.zeros::<u8>(all as usize)?);
    let (to_offsets, to_bytes) = (offsets.slots(), gathered.slots());
    work.each_part(ranges, |(), part| {
        let mut end = begins[part];
        for at in range(part) {
            let text = &bytes[span(rows[at])];
            // SAFETY: a range's offsets and bytes are one thread's.
            unsafe {
                to_bytes.copy(end, text);
                end += text.len();
                to_offsets.set(at + 1, end as i32);
            }
        }
        Ok(())
    })?;
    Ok(Column::texts(rows.len(), offsets.into_buffer(), gathered.into_buffer(), validity))
}
