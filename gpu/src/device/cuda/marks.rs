//! The sinks of bits on the host: those of each chunk in device memory, put together at the end; and those of another
//! source's rows.

use super::execution::Words;
use super::queue::Queue;
use super::region::Region;
use crate::column::{Chunk, Column, Output};
use crate::error::Result;
use crate::program::values::padded;
use crate::program::{Pipeline, Scalar, Sink, Type, ValueType, Values};

/// The bits of all launches.
#[derive(Debug, Default)]
pub struct Marks {
    /// Each launch's memory, with the rows of its chunks.
    launches: Vec<(Region, Vec<usize>)>,
}

/// Bytes of a chunk's bits: whole 64-bit words.
fn bytes(rows: usize) -> usize {
    rows.div_ceil(64) * 8
}

impl Marks {
    /// Makes room for the chunks of a launch; the addresses of their bits.
    pub fn begin(&mut self, queue: &mut Queue, chunks: &[Chunk]) -> Result<Vec<u64>> {
        let rows: Vec<usize> = chunks.iter().map(|chunk| chunk.rows).collect();
        let region = queue.zeros(rows.iter().map(|rows| bytes(*rows)).sum())?;
        let mut at = region.address;
        let addresses = rows.iter().map(|rows| {
            let address = at;
            at += bytes(*rows) as u64;
            address
        });
        let addresses = addresses.collect();
        self.launches.push((region, rows));
        Ok(addresses)
    }

    /// All bits, in the order of the rows.
    pub fn finish(self, queue: &mut Queue, words: Words) -> Result<Output> {
        words.read(queue)?;
        let mut bits: Vec<u8> = Vec::new();
        let mut total = 0;
        for (region, chunks) in self.launches {
            let all = queue.copy_out(region.address, chunks.iter().map(|rows| bytes(*rows)).sum())?;
            let mut at = 0;
            for rows in chunks {
                append(&mut bits, total, &all[at..at + bytes(rows)], rows);
                total += rows;
                at += bytes(rows);
            }
        }
        let column = Column::new(ValueType::of(Type::Bool), total, padded(bits), None);
        Ok(Output { rows: total, columns: vec![column] })
    }
}

/// The bits of rows that were named.
#[derive(Debug)]
pub struct Named {
    memory: Region,
    rows: usize,
}

impl Named {
    /// None marked yet.
    pub fn new(queue: &mut Queue, pipeline: &Pipeline, values: &Values) -> Result<Self> {
        let rows = match pipeline.sink {
            Sink::Mark { rows, .. } => match values.scalars[rows.0 as usize] {
                Scalar::Int(rows) => usize::try_from(rows).unwrap_or(0),
                Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => 0,
            },
            Sink::Materialize { .. } | Sink::Bitmap | Sink::Group { .. } | Sink::TopK { .. } => 0,
        };
        Ok(Self { memory: queue.zeros(bytes(rows))?, rows })
    }

    /// The sink's words of a launch.
    pub fn arguments(&self) -> [u64; 2] {
        [self.memory.address, self.rows as u64]
    }

    /// All bits.
    pub fn finish(self, queue: &mut Queue, words: Words) -> Result<Output> {
        words.read(queue)?;
        let mut bits = queue.copy_out(self.memory.address, bytes(self.rows))?;
        bits.truncate(self.rows.div_ceil(8));
        let column = Column::new(ValueType::of(Type::Bool), self.rows, padded(bits), None);
        Ok(Output { rows: self.rows, columns: vec![column] })
    }
}

/// Puts `rows` bits behind the first `length` of `bits`; those behind them are zero on both sides.
fn append(bits: &mut Vec<u8>, length: usize, more: &[u8], rows: usize) {
    let shift = length % 8;
    bits.resize((length + rows).div_ceil(8), 0);
    for (at, byte) in more.iter().take(rows.div_ceil(8)).enumerate() {
        let to = length / 8 + at;
        bits[to] |= byte << shift;
        if shift > 0 && to + 1 < bits.len() {
            bits[to + 1] |= byte >> (8 - shift);
        }
    }
}
