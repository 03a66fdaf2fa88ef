//! Few groups: a block's rows are numbered by group, and then listed by group, or counted and summed up for all groups at once.

use super::{Shared, State, Way, Worker};
use crate::codegen::cranelift::context::{ColumnView, RowLoop};
use crate::codegen::cranelift::{Digits, SinkCode, Total};
use crate::error::Result;
use crate::primitive::select::{self, BLOCK, Mask, SLACK};
use crate::primitive::split::{self, Digit, GROUPS, STRIDE, Width};
use crate::primitive::totals::{self, Summed};
use crate::program::{Key, ValueType};

/// Room for the lists of a split block.
#[derive(Debug)]
pub(in crate::device::cpu) struct Lists {
    numbers: Vec<u8>,
    rows: Vec<u16>,
    digits: Vec<Digit>,
    /// For each key what stands for every byte, where it is looked up by one.
    tables: Vec<Option<Box<[u8; 256]>>>,
}

impl Lists {
    /// Room for the lists of so many groups.
    pub(super) fn new(groups: usize) -> Self {
        Self { numbers: vec![0; BLOCK], rows: vec![0; STRIDE * groups], digits: vec![], tables: vec![] }
    }

    /// The list of a group.
    pub(super) fn of(&self, group: usize) -> *const u16 {
        self.rows[group * STRIDE..].as_ptr()
    }

    /// Points the digits at the keys' values in a block.
    fn point(&mut self, shared: &Shared<'_>, views: &[ColumnView]) {
        self.digits.clear();
        let SinkCode::Dense { keys, .. } = &shared.code.sink else { return };
        if self.tables.is_empty() {
            self.tables = keys.iter().map(|(key, ty, _)| byte_table(shared, key, *ty)).collect();
        }
        for ((key, ty, count), table) in keys.iter().zip(&self.tables) {
            let (Some(digits), Some(domain)) = (Digits::of(shared.pipeline, key, *ty), key.domain) else { continue };
            let view = views[digits.column as usize];
            self.digits.push(Digit {
                values: view.values,
                validity: if digits.ty.nullable { view.validity } else { std::ptr::null() },
                width: Width::of(digits.ty.ty),
                low: domain.low as u8,
                size: domain.size as u8,
                count: *count as u8,
                table: table.as_ref().map_or(std::ptr::null(), |table| table.as_ptr()),
            });
        }
    }
}

/// What stands for every byte, where a key is looked up by one; what the table has no entry for is never looked up.
fn byte_table(shared: &Shared<'_>, key: &Key, ty: ValueType) -> Option<Box<[u8; 256]>> {
    let table = &shared.values.tables[Digits::of(shared.pipeline, key, ty)?.table?.0 as usize];
    let mut entries = Box::new([0; 256]);
    let known = table.len.min(256).min(table.values.len());
    entries[..known].copy_from_slice(&table.values[..known]);
    Some(entries)
}

impl Worker {
    /// Lists the block's rows by group, and says how many each has.
    ///
    /// # Safety
    ///
    /// As [`Worker::sink`].
    pub(super) unsafe fn split(
        &mut self,
        way: Way<'_>,
        number: Option<RowLoop>,
        mask: Option<&Mask>,
        list: *const u16,
        count: usize,
    ) -> Result<[u32; GROUPS]> {
        let mut counts = [0; GROUPS];
        // SAFETY: as this function's own.
        let mask = unsafe { self.number(way, number, mask, list, count)? };
        let State::States { split: Some(lists), .. } = &mut self.state else { return Ok(counts) };
        let groups = lists.rows.len() / STRIDE;
        // SAFETY: there are a list and a count for each group, and a number for each row of the mask.
        unsafe { split::split(lists.numbers.as_ptr(), &mask, lists.rows.as_mut_ptr(), &mut counts[..groups]) };
        Ok(counts)
    }

    /// Numbers the block's rows by group, and says which rows count.
    ///
    /// # Safety
    ///
    /// As [`Worker::sink`].
    pub(super) unsafe fn number(
        &mut self,
        way: Way<'_>,
        number: Option<RowLoop>,
        mask: Option<&Mask>,
        list: *const u16,
        count: usize,
    ) -> Result<Mask> {
        let Way { shared, rows, .. } = way;
        let mask = mask.copied().unwrap_or_else(|| select::all(rows));
        let State::States { split: Some(lists), .. } = &mut self.state else { return Ok(mask) };
        let numbers = lists.numbers.as_mut_ptr();
        match number {
            Some(number) => {
                // The rows to number are the mask's.
                let (mut list, mut count) = (list, count);
                let mut own;
                if way.chain.is_empty() {
                    own = [0u16; BLOCK + SLACK];
                    // SAFETY: the list has room for a block.
                    count = unsafe { select::list(&mask, own.as_mut_ptr()) };
                    list = own.as_ptr();
                }
                self.call(number, list, count, numbers)?;
            }
            None => {
                lists.point(shared, &self.views);
                // SAFETY: the views point at so many rows, and tables have an entry for every byte.
                unsafe { split::number(&lists.digits, rows, numbers) };
            }
        }
        Ok(mask)
    }

    /// Adds to the states of groups what the block's rows of the mask, which have their numbers, count and sum up to.
    pub(super) fn totals(&self, way: Way<'_>, mask: &Mask, totals: &[Total]) {
        #[cfg(target_arch = "x86_64")]
        {
            let SinkCode::Dense { state, groups, lanes, .. } = &way.shared.code.sink else { return };
            let State::States { memory, split: Some(lists), .. } = &self.state else { return };
            let numbers = lists.numbers.as_ptr();
            let mut counts = [0u64; GROUPS];
            let add = |group: usize, offset: usize, more: u64| {
                // SAFETY: the group has a state, whose slots are words there.
                unsafe {
                    let slot = memory.address().add(group * *lanes * state.size + offset).cast::<u64>();
                    slot.write_unaligned(slot.read_unaligned().wrapping_add(more));
                }
            };
            let mut wanted = Some(&mut counts);
            for (slot, total) in state.slots.iter().zip(totals) {
                let Total::Sum { column, width } = total else { continue };
                let mut sums = [0i64; GROUPS];
                let small = width.is_narrow() || self.small[*column as usize];
                let of = Summed { values: self.views[*column as usize].values, width: *width, small };
                // SAFETY: the instructions are there, a number for each row of the mask, and the view points at so many rows.
                unsafe { totals::sums(numbers, mask, way.rows, of, &mut sums[..*groups], wanted.take()) };
                sums[..*groups].iter().enumerate().for_each(|(group, sum)| add(group, slot.offset, *sum as u64));
            }
            if let Some(counts) = wanted {
                // SAFETY: as above.
                unsafe { totals::counts(numbers, mask, &mut counts[..*groups]) };
            }
            let counts = &counts[..*groups];
            for (slot, _) in state.slots.iter().zip(totals).filter(|(_, total)| **total == Total::Rows) {
                counts.iter().enumerate().for_each(|(group, count)| add(group, slot.offset, *count));
            }
            if let Some(offset) = state.occupied {
                for group in counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(group, _)| group) {
                    // SAFETY: the group has a state, with a byte there.
                    unsafe { memory.address().add(group * *lanes * state.size + offset).write(1) };
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (way, mask, totals);
    }
}

/// Whether vector instructions count and sum up the rows of few groups.
pub(super) fn totals_are_there() -> bool {
    cfg!(target_arch = "x86_64") && select::level() == select::Level::Avx512
}
