//! The group sinks on the host: the state of few groups, the hash table of many, and what becomes of both.
//!
//! A hash table is at most half full when a launch ends: what is known to be in it, and a group for each row pushed since
//! then, must fit. Where it does not, the host reads the count of groups, and moves the table to a larger one if the
//! answer leaves too little room. Where the keys have few possible values the table holds them all, and nothing is waited for.

use super::execution::{CudaKernel, Words};
use super::output::groups_output;
use super::queue::Queue;
use super::region::Region;
use crate::codegen::cuda::layout::{Cells, Place};
use crate::codegen::cuda::{BLOCK, GATHER, GROW, KEEP, MEASURE};
use crate::column::Output;
use crate::error::Result;
use crate::program::ValueType;

/// The least slots of a hash table.
const FEWEST: u64 = 1 << 10;
/// The most slots that a hash table begins with: half as many rows go before the host asks how many groups there are.
const BEGIN: u64 = 1 << 23;

/// The groups of a run.
#[derive(Debug)]
pub struct Groups {
    place: Place,
    cells: Cells,
    /// The state, or the slots.
    memory: Region,
    /// Slots of a hash table, a power of two; the groups of a state.
    capacity: u64,
    /// Groups that there can be.
    limit: u64,
    /// Groups that were there when the host last asked.
    known: u64,
    /// Rows pushed since.
    since: u64,
    /// Bytes of texts that groups refer to and that lie in no column.
    texts: Option<Region>,
}

/// 64-bit words of a group.
fn width(place: &Place, cells: &Cells) -> usize {
    (place.head() + cells.words) as usize
}

/// How many combinations of keys there can be, as far as their types say.
fn limit(keys: &[ValueType]) -> u64 {
    keys.iter().fold(1u64, |all, key| {
        let values = 1u64.checked_shl(key.ty.bits()).unwrap_or(u64::MAX);
        all.saturating_mul(values.saturating_add(u64::from(key.nullable)))
    })
}

impl Groups {
    /// Room for a run of at most `rows` rows.
    pub fn new(queue: &mut Queue, place: Place, cells: Cells, rows: u64) -> Result<Self> {
        let limit = match &place {
            Place::Single => 1,
            Place::Dense { groups, .. } => u64::from(*groups),
            Place::Packed { keys } => limit(&keys.iter().map(|key| key.0).collect::<Vec<_>>()),
            Place::Wide { keys, .. } => limit(keys),
        };
        let capacity = match &place {
            Place::Single | Place::Dense { .. } => limit,
            Place::Packed { .. } | Place::Wide { .. } => {
                let wanted = limit.min(rows).min(BEGIN).saturating_mul(2).next_power_of_two();
                let wide = queue.state_room() / (width(&place, &cells) as u64 * 8).max(1);
                let most = if wide < BEGIN { (wide / 2 + 1).next_power_of_two() } else { BEGIN };
                wanted.min(most).clamp(FEWEST, BEGIN)
            }
        };
        let memory = queue.zeros(capacity as usize * width(&place, &cells) * 8)?;
        Ok(Self { place, cells, memory, capacity, limit, known: 0, since: 0, texts: None })
    }

    fn hashed(&self) -> bool {
        matches!(self.place, Place::Packed { .. } | Place::Wide { .. })
    }

    /// Rows that may be pushed: at least `least`, of `left` that are still to come.
    pub fn room(&mut self, queue: &mut Queue, words: Words, least: u64, left: u64) -> Result<u64> {
        if !self.hashed() || self.capacity / 2 >= self.limit {
            return Ok(u64::MAX);
        }
        let free = |groups: &Self| (groups.capacity / 2).saturating_sub(groups.known + groups.since);
        // Half of the room is worth a launch; less is worth asking.
        let enough = (self.capacity / 4).max(least).min(left);
        if free(self) < enough {
            self.known = words.read(queue)?;
            self.since = 0;
        }
        if free(self) < enough {
            // Room for as many groups again, and for a chunk.
            let groups = self.known * 2 + enough;
            self.grow(queue, (groups * 2).next_power_of_two().max(self.capacity * 2))?;
        }
        Ok(free(self))
    }

    fn grow(&mut self, queue: &mut Queue, capacity: u64) -> Result<()> {
        let larger = queue.zeros(capacity as usize * width(&self.place, &self.cells) * 8)?;
        let arguments = [self.memory.address, self.capacity, larger.address, capacity - 1];
        queue.launch(GROW, self.capacity.div_ceil(u64::from(BLOCK)), &arguments)?;
        self.memory = larger;
        self.capacity = capacity;
        Ok(())
    }

    /// The sink's words of a launch.
    pub fn arguments(&self, words: Words) -> Vec<u64> {
        if self.hashed() { vec![self.memory.address, self.capacity - 1, words.count()] } else { vec![self.memory.address] }
    }

    /// So many rows were pushed.
    pub fn launched(&mut self, rows: u64) {
        self.since += rows;
    }

    /// Copies the texts that groups refer to, so that their columns may go.
    pub fn keep_texts(&mut self, queue: &mut Queue) -> Result<()> {
        if !queue.has_pinned() {
            return Ok(());
        }
        let tiles = self.capacity.div_ceil(u64::from(BLOCK));
        let count = queue.zeros(16)?;
        queue.launch(MEASURE, tiles, &[self.memory.address, self.capacity, count.address])?;
        let bytes = queue.copy_out(count.address, 8)?;
        let bytes = bytes.iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
        let texts = queue.reserve(bytes as usize)?;
        queue.launch(KEEP, tiles, &[self.memory.address, self.capacity, texts.address, count.address + 8])?;
        self.texts = Some(texts);
        queue.unpin();
        Ok(())
    }

    /// Reads the groups.
    pub fn finish(self, queue: &mut Queue, words: Words, kernel: &CudaKernel) -> Result<Output> {
        let width = width(&self.place, &self.cells);
        let count = words.read(queue)?;
        let bytes = if self.hashed() {
            // One more word, behind the list, counts while it is made.
            let list = queue.zeros((count as usize * width + 1) * 8)?;
            let counter = list.address + (count as usize * width * 8) as u64;
            let arguments = [self.memory.address, self.capacity, list.address, counter];
            queue.launch(GATHER, self.capacity.div_ceil(u64::from(BLOCK)), &arguments)?;
            queue.copy_out(list.address, count as usize * width * 8)?
        } else {
            queue.copy_out(self.memory.address, self.capacity as usize * width * 8)?
        };
        let words: Vec<u64> =
            bytes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))).collect();
        groups_output(&kernel.pipeline.sink, &kernel.output, &self.place, &self.cells, &words, queue)
    }
}
