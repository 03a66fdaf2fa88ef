//! Materialize and top-k on the host: a segment of device memory that kernels append rows to, drained when it is full.
//!
//! Room is certain: a launch gets as many rows as the segment has places left. A top-k's launches begin small and grow: each
//! is drained, the first `limit` rows of all so far are kept, and the last of them is the threshold of the next.

use std::cmp::Ordering;

use super::execution::{CudaKernel, Words};
use super::output::ColumnBuilder;
use super::queue::Queue;
use super::region::Region;
use super::texts::Texts;
use crate::codegen::cuda::layout::Stored;
use crate::column::Output;
use crate::error::{Error, Result};
use crate::program::statement::loops;
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
    /// Rows that one row pushed can become: how often the body emits, but for those that are counted ahead.
    fan_out: u64,
    segment: Option<Segment>,
    /// What was drained, column by column.
    drained: Vec<Drained>,
    count: usize,
    top: Option<Top>,
}

/// A column's rows on the host.
#[derive(Debug, Default)]
struct Drained {
    /// Values at their width (`Bool` a byte), but of texts.
    values: Vec<u8>,
    texts: Texts,
    /// A byte that says NULL, where one can be.
    nulls: Vec<u8>,
}

/// A drained value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Null,
    /// By its type and bits.
    Bits(Type, u128),
    Text(&'a [u8]),
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
            Sink::Materialize { .. } | Sink::Bitmap | Sink::Mark { .. } | Sink::Group { .. } => None,
        };
        let drained = columns.iter().map(|_| Drained::default()).collect();
        let counted = loops(&pipeline.body).iter().any(|head| head.kind.repeats());
        let fan_out = if counted { 1 } else { emits(&pipeline.body) };
        Self { columns, most, fan_out, segment: None, drained, count: 0, top }
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

    /// Takes all rows of the segment, which is empty then; no reference leads into columns any more.
    pub fn drain(&mut self, queue: &mut Queue, words: Words) -> Result<()> {
        let Some(segment) = &self.segment else { return Ok(()) };
        if segment.pushed == 0 {
            return Ok(());
        }
        let count = words.read(queue)? as usize;
        let places = self.places(segment.memory.address, segment.capacity).0;
        for ((column, (values, nulls)), drained) in self.columns.iter().zip(places).zip(&mut self.drained) {
            let nulls = nulls.map(|nulls| queue.copy_out(nulls, count)).transpose()?;
            let values = queue.copy_out(values, count * column.ty.bytes())?;
            if column.ty == Type::Text {
                let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
                let each = values.chunks_exact(16).enumerate().map(|(row, reference)| {
                    let null = nulls.as_ref().is_some_and(|nulls| nulls[row] != 0);
                    (!null).then(|| (word(&reference[..8]), word(&reference[8..])))
                });
                drained.texts.read(queue, &each.collect::<Vec<_>>())?;
            } else {
                drained.values.extend(values);
            }
            drained.nulls.extend(nulls.into_iter().flatten());
        }
        queue.unpin();
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
            if column.ty == Type::Text {
                let mut texts = Texts::default();
                rows.iter().for_each(|row| texts.push(drained.texts.get(*row)));
                drained.texts = texts;
            } else {
                let width = column.ty.bytes();
                drained.values = rows.iter().flat_map(|row| drained.values[row * width..(row + 1) * width].to_vec()).collect();
            }
            if column.nullable {
                drained.nulls = rows.iter().map(|row| drained.nulls[*row]).collect();
            }
        }
        self.count = rows.len();
        if let Some(top) = &mut self.top {
            top.threshold = threshold;
        }
    }

    fn value(&self, column: usize, row: usize) -> Value<'_> {
        let stored = self.columns[column];
        let drained = &self.drained[column];
        if stored.nullable && drained.nulls[row] != 0 {
            return Value::Null;
        }
        if stored.ty == Type::Text {
            return Value::Text(drained.texts.get(row));
        }
        let width = stored.ty.bytes();
        let bytes = drained.values[row * width..(row + 1) * width].iter();
        Value::Bits(stored.ty, bytes.rev().fold(0u128, |all, byte| all << 8 | u128::from(*byte)))
    }

    /// All rows.
    pub fn finish(mut self, queue: &mut Queue, words: Words, kernel: &CudaKernel) -> Result<Output> {
        words.read(queue)?;
        self.drain(queue, words)?;
        let skipped = self.columns.len() - kernel.output.len();
        let mut columns = Vec::with_capacity(kernel.output.len());
        for at in skipped..self.columns.len() {
            let mut builder = ColumnBuilder::new(self.columns[at]);
            for row in 0..self.count {
                builder.push(match self.value(at, row) {
                    Value::Null => None,
                    Value::Bits(_, bits) => Some(bits),
                    // Its bytes are here already.
                    Value::Text(_) => Some(0),
                });
            }
            columns.push(builder.finish_with(std::mem::take(&mut self.drained[at].texts))?);
        }
        Ok(Output { rows: self.count, columns })
    }
}

/// How often a body emits a row at most.
fn emits(block: &[Statement]) -> u64 {
    let each = block.iter().map(|statement| match statement {
        Statement::Emit => 1,
        Statement::Stage => 0,
        Statement::If { then, .. } | Statement::Loop { then, .. } => emits(then),
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
        // Texts are not bits.
        Type::Text => 0,
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

fn compare(a: Value<'_>, b: Value<'_>, order: &Order) -> Ordering {
    let found = match (a, b) {
        (Value::Null, Value::Null) => return Ordering::Equal,
        (Value::Null, _) => return if order.nulls_first { Ordering::Less } else { Ordering::Greater },
        (_, Value::Null) => return if order.nulls_first { Ordering::Greater } else { Ordering::Less },
        (Value::Text(x), Value::Text(y)) => x.cmp(y),
        (Value::Bits(ty, x), Value::Bits(_, y)) => ordered(ty, x).cmp(&ordered(ty, y)),
        // The values of a column are all of one kind.
        (Value::Text(_), Value::Bits(..)) | (Value::Bits(..), Value::Text(_)) => Ordering::Equal,
    };
    if order.descending { found.reverse() } else { found }
}

/// The code that a kernel gives the value of a first key: `order.cuh`, `text_state.cuh`, `top_k.cuh`.
fn code(value: Value<'_>, order: &Order, nullable: bool) -> u64 {
    let code = match value {
        Value::Null => return if order.nulls_first { 0 } else { u64::MAX },
        Value::Text(text) => text.iter().chain(std::iter::repeat(&0)).take(8).fold(0, |all, byte| all << 8 | u64::from(*byte)),
        Value::Bits(ty, bits) => {
            let full = ordered(ty, bits);
            match ty {
                Type::Bool | Type::U8 | Type::U16 | Type::U32 | Type::F32 | Type::F64 | Type::Text => full as u64,
                Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 => {
                    let value = (full ^ 1 << 127) as i128;
                    value.clamp(i64::MIN.into(), i64::MAX.into()) as u64 ^ 1 << 63
                }
            }
        }
    };
    let code = if order.descending { !code } else { code };
    if nullable { (code >> 2) + (1 << 62) } else { code }
}
