//! Materialize and top-k on the host: a segment of device memory that kernels append rows to, drained when it is full.
//!
//! Room is certain: a launch gets as many rows as the segment has places left. A top-k's launches begin small and grow: each
//! is drained, the first `limit` rows of all so far are kept, and the last of them is the threshold of the next.

use std::cmp::Ordering;

use super::execution::{CudaKernel, Words};
use super::output::ColumnBuilder;
use super::queue::Queue;
use super::region::Region;
use crate::codegen::cuda::layout::Stored;
use crate::column::Output;
use crate::error::{Error, Result};
use crate::program::{Order, Pipeline, Sink, Statement, Type};

/// The most bytes of a segment.
const SEGMENT: u64 = 1 << 30;
/// Rows of a top-k's first launch.
const FIRST: u64 = 1 << 18;
/// How much larger each launch of a top-k is than the one before.
const GROWTH: u64 = 8;

/// The rows of a run.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<Stored>,
    /// At most so many rows come.
    most: u64,
    /// Rows that one row of the source can become: how often the body emits.
    fan_out: u64,
    segment: Option<Segment>,
    /// What was drained, column by column: values at their width (`Bool` a byte), and a byte that says NULL.
    drained: Vec<(Vec<u8>, Vec<u8>)>,
    count: usize,
    top: Option<Top>,
}

#[derive(Debug)]
struct Segment {
    memory: Region,
    capacity: u64,
    /// Rows that may have been appended.
    pushed: u64,
}

#[derive(Debug)]
struct Top {
    order: Vec<Order>,
    limit: usize,
    threshold: u64,
    launch: u64,
}

impl Rows {
    /// None yet.
    pub fn new(pipeline: &Pipeline, columns: Vec<Stored>, most: u64) -> Self {
        let top = match &pipeline.sink {
            Sink::TopK { order, limit, .. } => Some(Top {
                order: order.clone(),
                limit: usize::try_from(*limit).unwrap_or(usize::MAX),
                threshold: u64::MAX,
                launch: FIRST,
            }),
            Sink::Materialize { .. } | Sink::Bitmap | Sink::Group { .. } => None,
        };
        let drained = columns.iter().map(|_| (Vec::new(), Vec::new())).collect();
        Self { columns, most, fan_out: emits(&pipeline.body), segment: None, drained, count: 0, top }
    }

    /// Rows that may be pushed: at least `least`, of `left` that are still to come.
    pub fn room(&mut self, queue: &mut Queue, words: Words, least: u64, left: u64) -> Result<u64> {
        let fan_out = self.fan_out.max(1);
        let free = |rows: &Self| rows.segment.as_ref().map_or(0, |segment| (segment.capacity - segment.pushed) / fan_out);
        if free(self) < least {
            self.drain(queue, words)?;
        }
        if free(self) < least {
            self.segment = None;
            let row: u64 = self.columns.iter().map(|column| column.ty.bytes() as u64 + u64::from(column.nullable)).sum();
            let least = least * fan_out;
            let wanted = (self.most.max(left) * fan_out).min(SEGMENT.min(queue.state_room()) / row.max(1)).max(least);
            self.segment = Some(self.reserve(queue, wanted, least)?);
        }
        Ok(free(self).min(self.top.as_ref().map_or(u64::MAX, |top| top.launch)))
    }

    /// A segment for `wanted` rows, or for fewer where memory is short, but for `least`.
    fn reserve(&self, queue: &mut Queue, mut wanted: u64, least: u64) -> Result<Segment> {
        loop {
            match queue.reserve(self.places(0, wanted).1 as usize) {
                Ok(memory) => return Ok(Segment { memory, capacity: wanted, pushed: 0 }),
                Err(Error::OutOfMemory(_)) if wanted / 2 > least => wanted /= 2,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where each column's values and NULL bytes begin, and the end of all.
    fn places(&self, address: u64, capacity: u64) -> (Vec<(u64, Option<u64>)>, u64) {
        let mut at = address;
        let mut take = |bytes: u64| {
            let begin = at;
            at += bytes.next_multiple_of(256);
            begin
        };
        let places = self.columns.iter().map(|column| {
            let values = take(capacity * column.ty.bytes() as u64);
            (values, column.nullable.then(|| take(capacity)))
        });
        (places.collect(), at)
    }

    /// The sink's words of a launch.
    pub fn arguments(&self, words: Words) -> Vec<u64> {
        let mut all: Vec<u64> = self.top.iter().map(|top| top.threshold).collect();
        all.push(words.count());
        if let Some(segment) = &self.segment {
            for (values, nulls) in self.places(segment.memory.address, segment.capacity).0 {
                all.push(values);
                all.extend(nulls);
            }
        }
        all
    }

    /// So many rows were pushed.
    pub fn launched(&mut self, queue: &mut Queue, words: Words, rows: u64) -> Result<()> {
        if let Some(segment) = &mut self.segment {
            segment.pushed += rows * self.fan_out.max(1);
        }
        if self.top.is_some() {
            self.drain(queue, words)?;
            if let Some(top) = &mut self.top {
                top.launch = top.launch.saturating_mul(GROWTH);
            }
        }
        Ok(())
    }

    /// Takes all rows of the segment, which is empty then.
    fn drain(&mut self, queue: &mut Queue, words: Words) -> Result<()> {
        let Some(segment) = &self.segment else { return Ok(()) };
        if segment.pushed == 0 {
            return Ok(());
        }
        let count = words.read(queue)? as usize;
        let places = self.places(segment.memory.address, segment.capacity).0;
        for ((column, (values, nulls)), drained) in self.columns.iter().zip(places).zip(&mut self.drained) {
            drained.0.extend(queue.copy_out(values, count * column.ty.bytes())?);
            if let Some(nulls) = nulls {
                drained.1.extend(queue.copy_out(nulls, count)?);
            }
        }
        queue.clear(words.count(), 8)?;
        if let Some(segment) = &mut self.segment {
            segment.pushed = 0;
        }
        self.count += count;
        self.prune();
        Ok(())
    }

    /// Of a top-k, keeps the first rows of those drained, in order.
    fn prune(&mut self) {
        let Some(top) = &self.top else { return };
        let mut rows: Vec<usize> = (0..self.count).collect();
        rows.sort_by(|a, b| {
            let each = top.order.iter().enumerate().map(|(at, order)| compare(self.value(at, *a), self.value(at, *b), order));
            each.fold(Ordering::Equal, Ordering::then)
        });
        rows.truncate(top.limit);
        let threshold = match (rows.last(), top.order.first()) {
            _ if rows.len() < top.limit => u64::MAX,
            (Some(last), Some(order)) => code(self.value(0, *last), order, self.columns[0].nullable),
            (None, _) | (_, None) => u64::MAX,
        };
        for (column, drained) in self.columns.iter().zip(&mut self.drained) {
            let width = column.ty.bytes();
            drained.0 = rows.iter().flat_map(|row| drained.0[row * width..(row + 1) * width].to_vec()).collect();
            if column.nullable {
                drained.1 = rows.iter().map(|row| drained.1[*row]).collect();
            }
        }
        self.count = rows.len();
        if let Some(top) = &mut self.top {
            top.threshold = threshold;
        }
    }

    /// A drained value by its type and bits.
    fn value(&self, column: usize, row: usize) -> (Type, Option<u128>) {
        let stored = self.columns[column];
        let width = stored.ty.bytes();
        let (values, nulls) = &self.drained[column];
        let null = stored.nullable && nulls[row] != 0;
        let bits = values[row * width..(row + 1) * width].iter().rev().fold(0u128, |all, byte| all << 8 | u128::from(*byte));
        (stored.ty, (!null).then_some(bits))
    }

    /// All rows.
    pub fn finish(mut self, queue: &mut Queue, words: Words, kernel: &CudaKernel) -> Result<Output> {
        words.read(queue)?;
        self.drain(queue, words)?;
        let skipped = self.columns.len() - kernel.output.len();
        let columns = (skipped..self.columns.len()).map(|at| {
            let mut builder = ColumnBuilder::new(self.columns[at]);
            (0..self.count).for_each(|row| builder.push(self.value(at, row).1));
            builder.finish()
        });
        Ok(Output { rows: self.count, columns: columns.collect() })
    }
}

/// How often a body emits a row at most.
fn emits(block: &[Statement]) -> u64 {
    let each = block.iter().map(|statement| match statement {
        Statement::Emit => 1,
        Statement::Stage => 0,
        Statement::If { then, .. } => emits(then),
    });
    each.sum()
}

/// A value's bits as a number whose order is the type's.
fn ordered(ty: Type, bits: u128) -> u128 {
    match ty {
        Type::Bool | Type::U8 | Type::U16 | Type::U32 => bits,
        Type::I8 => (bits as u8 as i8 as i128 as u128) ^ 1 << 127,
        Type::I16 => (bits as u16 as i16 as i128 as u128) ^ 1 << 127,
        Type::I32 => (bits as u32 as i32 as i128 as u128) ^ 1 << 127,
        Type::I64 => (bits as u64 as i64 as i128 as u128) ^ 1 << 127,
        Type::I128 => bits ^ 1 << 127,
        Type::Text => bits,
        Type::F32 => {
            let value = f32::from_bits(bits as u32);
            let bits = if value == 0.0 { 0 } else { value.to_bits() };
            let code = if value.is_nan() {
                u32::MAX
            } else if bits >> 31 == 1 {
                !bits
            } else {
                bits | 1 << 31
            };
            code.into()
        }
        Type::F64 => {
            let value = f64::from_bits(bits as u64);
            let bits = if value == 0.0 { 0 } else { value.to_bits() };
            let code = if value.is_nan() {
                u64::MAX
            } else if bits >> 63 == 1 {
                !bits
            } else {
                bits | 1 << 63
            };
            code.into()
        }
    }
}

fn compare(a: (Type, Option<u128>), b: (Type, Option<u128>), order: &Order) -> Ordering {
    match (a.1, b.1) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => {
            if order.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (Some(_), None) => {
            if order.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (Some(x), Some(y)) => {
            let found = ordered(a.0, x).cmp(&ordered(b.0, y));
            if order.descending { found.reverse() } else { found }
        }
    }
}

/// The code that a kernel gives the value of a first key: `order.cuh`, `top_k.cuh`.
fn code((ty, bits): (Type, Option<u128>), order: &Order, nullable: bool) -> u64 {
    let Some(bits) = bits else { return if order.nulls_first { 0 } else { u64::MAX } };
    let full = ordered(ty, bits);
    let code = match ty {
        Type::Bool | Type::U8 | Type::U16 | Type::U32 | Type::F32 | Type::F64 | Type::Text => full as u64,
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 => {
            let value = (full ^ 1 << 127) as i128;
            value.clamp(i64::MIN.into(), i64::MAX.into()) as u64 ^ 1 << 63
        }
    };
    let code = if order.descending { !code } else { code };
    if nullable { (code >> 2) + (1 << 62) } else { code }
}
