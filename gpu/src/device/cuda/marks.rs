//! The bitmap sink on the host: bits of each chunk in device memory, put together at the end.

use super::execution::Words;
use super::queue::Queue;
use super::region::Region;
use crate::column::{Chunk, Column, Output};
use crate::error::Result;
use crate::program::values::padded;
use crate::program::{Type, ValueType};

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
