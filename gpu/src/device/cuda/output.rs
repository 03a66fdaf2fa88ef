//! From words of device memory to columns.

use arrow::buffer::Buffer;

use super::queue::Queue;
use super::texts::Texts;
use crate::codegen::cuda::layout::{CellKind, Cells, Place, Seen};
use crate::column::{Column, Output};
use crate::error::{Error, Result};
use crate::program::sink::deviations_of;
use crate::program::values::padded;
use crate::program::{AggregateOp, BitOp, Domain, Sink, Type, ValueType};

/// A column under construction: values at their width (`Bool` a bit), or references to texts; and which are NULL.
#[derive(Debug)]
pub struct ColumnBuilder {
    ty: ValueType,
    rows: usize,
    values: Vec<u8>,
    references: Vec<Option<(u64, u64)>>,
    validity: Vec<u8>,
}

impl ColumnBuilder {
    /// An empty one.
    pub fn new(ty: ValueType) -> Self {
        Self { ty, rows: 0, values: Vec::new(), references: Vec::new(), validity: Vec::new() }
    }

    /// Adds a value by its bits; none is NULL. Of a text, the address, and above it the length.
    pub fn push(&mut self, bits: Option<u128>) {
        let value = bits.unwrap_or(0);
        let at = self.rows;
        if at.is_multiple_of(8) {
            self.validity.push(0);
        }
        self.validity[at / 8] |= u8::from(bits.is_some()) << (at % 8);
        if self.ty.ty == Type::Text {
            self.references.push(bits.map(|bits| (bits as u64, (bits >> 64) as u64)));
        } else if self.ty.ty == Type::Bool {
            if at.is_multiple_of(8) {
                self.values.push(0);
            }
            self.values[at / 8] |= u8::from(value & 1 == 1) << (at % 8);
        } else {
            self.values.extend_from_slice(&value.to_le_bytes()[..self.ty.ty.bytes()]);
        }
        self.rows += 1;
    }

    /// Which rows are not NULL, where one can be.
    fn validity(&mut self) -> Option<Buffer> {
        self.ty.nullable.then(|| padded(std::mem::take(&mut self.validity)))
    }

    /// The column; texts are read from the device.
    pub fn finish(self, queue: &mut Queue) -> Result<Column> {
        let mut texts = Texts::default();
        texts.read(queue, &self.references)?;
        self.finish_with(texts)
    }

    /// The column, with these texts if it is one of texts.
    pub fn finish_with(mut self, texts: Texts) -> Result<Column> {
        let validity = self.validity();
        if self.ty.ty == Type::Text {
            return texts.column(validity);
        }
        Ok(Column::new(self.ty, self.rows, padded(self.values), validity))
    }
}

/// The value behind an order code, by its bits.
fn from_order_code(ty: Type, code: u64) -> u128 {
    match ty {
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => u128::from(code ^ 1 << 63),
        Type::Bool | Type::U8 | Type::U16 | Type::U32 => code.into(),
        // Wide values and texts have cells of their own.
        Type::I128 | Type::Text => code.into(),
        Type::F32 => match code as u32 {
            u32::MAX => f32::NAN.to_bits().into(),
            code if code >> 31 == 1 => u128::from(code & !(1 << 31)),
            code => u128::from(!code),
        },
        Type::F64 => match code {
            u64::MAX => f64::NAN.to_bits().into(),
            code if code >> 63 == 1 => u128::from(code & !(1 << 63)),
            code => u128::from(!code),
        },
    }
}

fn wide(low: u64, high: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// The keys of the group in slot `at`, whose words these are.
fn keys(place: &Place, at: u32, words: &[u64]) -> Vec<Option<u128>> {
    match place {
        Place::Single => vec![],
        Place::Dense { keys, .. } => {
            let mut rest = at;
            let mut found: Vec<Option<u128>> = Vec::new();
            for (_, Domain { low, size }, numbers) in keys.iter().rev() {
                let number = rest % numbers;
                rest /= numbers;
                found.push((number < *size).then(|| (i128::from(*low) + i128::from(number)) as u128));
            }
            found.reverse();
            found
        }
        Place::Packed { keys } => keys
            .iter()
            .map(|(ty, first)| {
                let bits = ty.ty.bits();
                let null = ty.nullable && words[0] >> (first + bits) & 1 == 1;
                (!null).then(|| u128::from(words[0] >> first & (u64::MAX >> (64 - bits))))
            })
            .collect(),
        Place::Wide { keys, .. } => {
            let flags = keys.iter().any(|key| key.nullable);
            let nulls = if flags { words[1] } else { 0 };
            let mut at = if flags { 2 } else { 1 };
            let each = keys.iter().enumerate().map(|(number, ty)| {
                let (value, used) = if matches!(ty.ty, Type::I128 | Type::Text) {
                    (wide(words[at], words[at + 1]), 2)
                } else {
                    (u128::from(words[at]), 1)
                };
                at += used;
                let null = ty.nullable && nulls >> number & 1 == 1;
                (!null).then_some(value)
            });
            each.collect()
        }
    }
}

/// The columns that a group sink leaves. `words` are those of all groups, one after the other; of a dense group also those
/// that no row came to.
pub fn groups_output(
    sink: &Sink,
    types: &[ValueType],
    place: &Place,
    cells: &Cells,
    words: &[u64],
    queue: &mut Queue,
) -> Result<Output> {
    let Sink::Group { keys: sink_keys, aggregates, .. } = sink else {
        return Err(Error::Invalid("the state of a group for another sink".to_owned()));
    };
    let head = place.head() as usize;
    let width = head + cells.words as usize;
    let mut columns: Vec<ColumnBuilder> = types.iter().map(|ty| ColumnBuilder::new(*ty)).collect();
    let mut rows = 0;
    for (at, slot) in words.chunks_exact(width.max(1)).enumerate() {
        let state = &slot[head..];
        let present = cells.rows.is_none_or(|rows| state[cells.cells[rows].offset as usize] > 0);
        if !present && *place != Place::Single {
            continue;
        }
        rows += 1;
        for (column, key) in columns.iter_mut().zip(keys(place, at as u32, slot)) {
            column.push(key);
        }
        for ((aggregate, (cell, seen)), column) in aggregates.iter().zip(&cells.aggregates).zip(&mut columns[sink_keys.len()..]) {
            let seen = match seen {
                Seen::Always => true,
                Seen::Group => present,
                Seen::Cell(cell) => state[cells.cells[*cell].offset as usize] > 0,
            };
            let cell = cells.cells[*cell];
            let at = cell.offset as usize;
            if !seen {
                column.push(None);
                continue;
            }
            if let AggregateOp::Deviations { with } = aggregate.op {
                let inputs = 1 + usize::from(with.is_some());
                let value = |word: usize| f64::from_bits(state[at + word]);
                let sum = deviations_of(state[at], value(1 + inputs), value(2 * inputs), value(1 + 2 * inputs), inputs == 1);
                column.push(Some(sum.map_err(Error::Fault)?.to_bits().into()));
                continue;
            }
            column.push(match cell.kind {
                CellKind::Bits(BitOp::And) => Some((!state[at]).into()),
                CellKind::Bits(BitOp::Or | BitOp::Xor) | CellKind::Shift => Some(state[at].into()),
                CellKind::Count | CellKind::Sum | CellKind::Float | CellKind::Seen => Some(state[at].into()),
                CellKind::Wide { .. } => Some(total(aggregate.op, wide(state[at], state[at + 1]) as i128)?),
                CellKind::Extreme { most } => {
                    let code = if most { state[at] } else { !state[at] };
                    Some(from_order_code(column.ty.ty, code))
                }
                CellKind::ExtremeWide { most } => {
                    let code = wide(state[at + 2], state[at + 1]);
                    Some((if most { code } else { !code }) ^ 1 << 127)
                }
                CellKind::ExtremeText { .. } => Some(wide(state[at + 1], state[at + 2])),
                CellKind::Distinct(domain) => distinct(aggregate.op, domain, &state[at..at + cell.kind.words() as usize]),
            });
        }
    }
    let columns = columns.into_iter().map(|column| column.finish(queue)).collect::<Result<Vec<_>>>()?;
    Ok(Output { rows, columns })
}

/// A 128-bit sum as its type wants it.
fn total(op: AggregateOp, sum: i128) -> Result<u128> {
    match op {
        AggregateOp::Sum { ty: Type::I64, fault: Some(fault) } if i64::try_from(sum).is_err() => Err(Error::Fault(fault)),
        AggregateOp::Sum { .. }
        | AggregateOp::Count
        | AggregateOp::Min
        | AggregateOp::Max
        | AggregateOp::CountDistinct(_)
        | AggregateOp::SumDistinct(_)
        | AggregateOp::Bits(_)
        | AggregateOp::Deviations { .. } => Ok(sum as u128),
    }
}

/// What a set of values is for the aggregate that wanted it.
fn distinct(op: AggregateOp, domain: Domain, bits: &[u64]) -> Option<u128> {
    let count: u32 = bits.iter().map(|word| word.count_ones()).sum();
    match op {
        AggregateOp::SumDistinct(_) => {
            let places = (0..u64::from(domain.size)).filter(|at| bits[(at / 64) as usize] >> (at % 64) & 1 == 1);
            let sum: i128 = places.map(|at| i128::from(domain.low) + i128::from(at)).sum();
            (count > 0).then_some(sum as u128)
        }
        AggregateOp::CountDistinct(_)
        | AggregateOp::Count
        | AggregateOp::Sum { .. }
        | AggregateOp::Min
        | AggregateOp::Max
        | AggregateOp::Bits(_)
        | AggregateOp::Deviations { .. } => Some(count.into()),
    }
}
