//! A run's queue of work: a stream, with its costs counted and its uploads remembered.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::buffer::Buffer;

use super::interface::{Driver, Module, Stream};
use super::region::{Columns, Region, Resident};
use crate::codegen::cuda::BLOCK;
use crate::column::{Chunk, Column};
use crate::device::Counters;
use crate::error::{Error, Result};
use crate::program::Type;

/// Blocks that a multiprocessor runs at once: 2,048 threads.
const BLOCKS_PER_PROCESSOR: u32 = 2048 / BLOCK;

/// See the module.
pub struct Queue {
    driver: Arc<dyn Driver>,
    module: Arc<dyn Module>,
    columns: Arc<Columns>,
    stream: Box<dyn Stream>,
    /// Columns that launches under way read.
    held: HashMap<u64, Arc<Resident>>,
    /// Columns that the next launch will read: their addresses are given out already.
    next: HashMap<u64, Arc<Resident>>,
    /// Those of them that this run copied and that will stay, and nobody else may read yet.
    fresh: Vec<u64>,
    /// Columns that references which a sink keeps may lead into.
    pinned: Vec<Arc<Resident>>,
    /// The time at which the run began, by the columns' clock.
    since: u64,
    /// Bytes of columns that pass through: of launches under way, of the next, and of its last chunk.
    passing: [u64; 3],
    /// What the run has cost so far.
    pub counters: Counters,
}

impl Queue {
    /// An empty one.
    pub fn new(driver: &Arc<dyn Driver>, module: &Arc<dyn Module>, columns: &Arc<Columns>) -> Result<Self> {
        Ok(Self {
            driver: Arc::clone(driver),
            module: Arc::clone(module),
            columns: Arc::clone(columns),
            stream: driver.stream()?,
            held: HashMap::new(),
            next: HashMap::new(),
            fresh: Vec::new(),
            pinned: Vec::new(),
            since: columns.now(),
            passing: [0; 3],
            counters: Counters::default(),
        })
    }

    /// Reserves memory. Where there is none, waits for the launches under way and lets go of columns that nobody
    /// reads any more.
    pub fn reserve(&mut self, bytes: usize) -> Result<Region> {
        match self.columns.region(&self.driver, bytes) {
            Err(Error::OutOfMemory(_)) => self.pass()?,
            other => return other,
        }
        // As much as is wanted is often enough; memory in pieces, or a device that others use, may need all.
        self.columns.release(bytes);
        match self.columns.region(&self.driver, bytes) {
            Err(Error::OutOfMemory(_)) => self.columns.release(usize::MAX),
            other => return other,
        }
        self.columns.region(&self.driver, bytes)
    }

    /// Bytes that a sink's state should begin with at most.
    pub fn state_room(&self) -> u64 {
        self.columns.state()
    }

    /// Waits for the launches under way, and lets go of their columns, but for those that references lead into.
    pub fn pass(&mut self) -> Result<()> {
        self.synchronize()?;
        self.held.clear();
        self.passing[0] = 0;
        Ok(())
    }

    /// Reserves memory and sets it to zero.
    pub fn zeros(&mut self, bytes: usize) -> Result<Region> {
        let region = self.reserve(bytes)?;
        self.stream.fill(region.address, 0, region.bytes)?;
        Ok(region)
    }

    /// Sets bytes to zero.
    pub fn clear(&mut self, address: u64, bytes: usize) -> Result<()> {
        self.stream.fill(address, 0, bytes)
    }

    /// Copies a buffer to memory of its own.
    pub fn upload(&mut self, buffer: &Buffer) -> Result<Region> {
        let region = self.reserve(buffer.len())?;
        self.copy_in(&region, buffer)?;
        Ok(region)
    }

    fn copy_in(&mut self, region: &Region, buffer: &Buffer) -> Result<()> {
        if !buffer.is_empty() {
            self.stream.copy_in(region.address, buffer)?;
            self.counters.copied_in += buffer.len() as u64;
        }
        Ok(())
    }

    /// Whether columns of earlier launches that pass through leave too little room for another.
    pub fn is_crowded(&self) -> bool {
        self.passing[0] > self.columns.window() / 2
    }

    /// Whether columns stay because a sink keeps references into them.
    pub fn has_pinned(&self) -> bool {
        !self.pinned.is_empty()
    }

    /// No reference leads into columns any more.
    pub fn unpin(&mut self) {
        self.pinned.clear();
    }

    /// Whether the next launch has as many columns that pass through as it should have, so that one more chunk like its
    /// last would be too much.
    pub fn is_full(&self) -> bool {
        self.passing[1] > 0 && self.passing[1] + self.passing[2] > self.columns.window() / 2
    }

    /// Columns that are on the device and that a run is about to read do not give way to its others.
    pub fn touch(&self, chunks: &[Chunk]) {
        chunks.iter().flat_map(|chunk| &chunk.columns).for_each(|column| drop(self.columns.get(column.key)));
    }

    /// Makes sure that the columns of a chunk are on the device, and writes its line of the chunk table. The word of its
    /// bitmap is 0. For each column is said whether it can be NULL, and whether the sink keeps references into it.
    pub fn resident(&mut self, chunk: &Chunk, columns: &[(bool, bool)], line: &mut Vec<u64>) -> Result<()> {
        line.extend([chunk.rows as u64, 0]);
        let before = self.passing[1];
        for (column, (nullable, kept)) in chunk.columns.iter().zip(columns) {
            let found = self.column(column)?;
            line.push(found.values.address);
            // The offsets count from a place in front of the first byte.
            line.extend(found.bytes.as_ref().map(|(region, begin)| region.address.wrapping_sub(*begin)));
            if *nullable {
                line.push(found.validity.as_ref().map_or(0, |region| region.address));
            }
            if *kept {
                self.pinned.push(found);
            }
        }
        self.passing[2] = self.passing[1] - before;
        self.counters.streamed_chunks += u64::from(self.passing[2] > 0);
        Ok(())
    }

    fn column(&mut self, column: &Column) -> Result<Arc<Resident>> {
        let found = self.next.get(&column.key).or_else(|| self.held.get(&column.key)).map(Arc::clone);
        if let Some(found) = found.or_else(|| self.columns.get(column.key)) {
            self.next.insert(column.key, Arc::clone(&found));
            return Ok(found);
        }
        let part = |buffer: &Buffer, bits: usize| buffer.slice_with_length(0, bits.div_ceil(8));
        let offsets = usize::from(column.ty.ty == Type::Text);
        let values = part(&column.values, (column.rows + offsets) * column.ty.ty.stored_bits() as usize);
        let (begin, end) = column.text_span();
        let bytes = column.bytes.as_ref().map(|bytes| bytes.slice_with_length(begin, end - begin));
        let validity = column.validity.as_ref().map(|validity| part(validity, column.rows));
        let parts = [Some(&values), bytes.as_ref(), validity.as_ref()];
        let share = self.columns.admit(parts.iter().flatten().map(|part| part.len()), self.since);
        let before = self.counters.copied_in;
        let values = self.upload(&values)?;
        let bytes = bytes.map(|bytes| self.upload(&bytes).map(|region| (region, begin as u64))).transpose()?;
        let validity = validity.map(|validity| self.upload(&validity)).transpose()?;
        let stays = share.is_some();
        let made = Arc::new(Resident { values, bytes, validity, _share: share });
        if stays {
            self.fresh.push(column.key);
        } else {
            self.passing[1] += made.size() as u64;
            self.counters.streamed += self.counters.copied_in - before;
        }
        self.next.insert(column.key, Arc::clone(&made));
        Ok(made)
    }

    /// Runs a kernel, over at most as many blocks as the device has at once.
    pub fn launch(&mut self, kernel: &str, tiles: u64, arguments: &[u64]) -> Result<()> {
        let most = u64::from(self.driver.processors() * BLOCKS_PER_PROCESSOR);
        let blocks = tiles.clamp(1, most) as u32;
        self.stream.launch(&self.module, kernel, blocks, BLOCK, arguments)?;
        self.held.extend(self.next.drain());
        self.passing = [self.passing[0] + self.passing[1], 0, 0];
        self.counters.launches += 1;
        Ok(())
    }

    /// Waits until everything has happened. Then other runs may read what this one copied.
    pub fn synchronize(&mut self) -> Result<()> {
        self.stream.synchronize()?;
        self.waited();
        Ok(())
    }

    /// Copies back, which waits too.
    pub fn copy_out(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let copied = self.stream.copy_out(address, bytes)?;
        self.counters.copied_out += bytes as u64;
        self.waited();
        Ok(copied)
    }

    fn waited(&mut self) {
        self.counters.synchronizations += 1;
        for key in self.fresh.drain(..) {
            if let Some(column) = self.next.get(&key).or_else(|| self.held.get(&key)) {
                self.columns.put(key, column);
            }
        }
    }

    /// The costs, complete.
    pub fn finish(&mut self) -> Counters {
        self.counters.time = self.stream.kernel_time();
        self.counters
    }
}

impl Drop for Queue {
    /// A run that ends early leaves launches under way, which read what is about to be given back.
    fn drop(&mut self) {
        let _ = self.stream.synchronize();
        self.held.clear();
        self.next.clear();
        self.pinned.clear();
        self.columns.trim();
    }
}
