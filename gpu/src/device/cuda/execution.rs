//! A pipeline on a device with a driver: its kernel, and a run of it.
//!
//! A launch covers a range of chunks, as many rows as the sink has room for and at most [`LAUNCH_ROWS`], and as many columns
//! as memory does: columns that it cannot keep pass through, half of them while kernels read the other half. Nothing is
//! waited for in between, but where a sink asks for it (`groups.rs`, `rows.rs`); the first words of the run's memory hold a
//! fault and the sink's counters, and are read at the end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;

use super::groups::Groups;
use super::interface::{Driver, Module};
use super::marks::{Marks, Named};
use super::queue::Queue;
use super::region::{Columns, Region};
use super::rows::Rows;
use crate::codegen::cuda::layout::State;
use crate::codegen::cuda::{COUNT, PIPELINE, Source, generate, to_words};
use crate::column::{Chunk, Output};
use crate::device::{Cancel, Counters, Execution, Kernel, Run};
use crate::error::{Error, Result};
use crate::join::layout::Form;
use crate::program::verify::{output_types, verify};
use crate::program::{Fault, Pipeline, Scalar, Type, ValueType};

/// The most rows of a launch: at 8 bytes a row and a tenth of an H200's bandwidth, about 5 ms; cancel waits so long.
pub const LAUNCH_ROWS: u64 = 1 << 28;

/// Compiles a pipeline for a driver; columns are looked for, and kept, in `columns`.
pub fn compile(driver: &Arc<dyn Driver>, columns: &Arc<Columns>, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
    let types = verify(pipeline)?;
    let source = generate(pipeline).map_err(Error::Invalid)?;
    let module = driver.compile(&source.text)?;
    Ok(Arc::new(CudaKernel {
        driver: Arc::clone(driver),
        columns: Arc::clone(columns),
        output: output_types(&pipeline.sink, &types),
        pipeline: pipeline.clone(),
        source,
        module,
    }))
}

/// A compiled pipeline.
#[derive(Debug)]
pub struct CudaKernel {
    driver: Arc<dyn Driver>,
    columns: Arc<Columns>,
    pub(super) pipeline: Pipeline,
    pub(super) output: Vec<ValueType>,
    pub(super) source: Source,
    module: Arc<dyn Module>,
}

impl Kernel for CudaKernel {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn text(&self) -> String {
        self.source.listing.clone()
    }

    fn compile_time(&self) -> Duration {
        self.module.compile_time()
    }

    fn start(self: Arc<Self>, run: Run) -> Result<Box<dyn Execution>> {
        run.values.check(&self.pipeline).map_err(Error::Invalid)?;
        run.cancel.check()?;
        let mut queue = Queue::new(&self.driver, &self.module, &self.columns)?;
        let words = queue.zeros(256)?;
        let mut arguments = Vec::new();
        let mut tables = Vec::new();
        for (scalar, ty) in run.values.scalars.iter().zip(&self.pipeline.parameters) {
            let mut address = 0;
            if let Scalar::Text(text) = scalar {
                let region = queue.upload(&Buffer::from(text.as_bytes()))?;
                address = region.address;
                tables.push(region);
            }
            arguments.extend(to_words(*ty, scalar, address));
        }
        for table in &run.values.tables {
            for buffer in [Some(&table.values), table.bytes.as_ref(), table.validity.as_ref()].into_iter().flatten() {
                let region = queue.upload(buffer)?;
                arguments.push(region.address);
                tables.push(region);
            }
            arguments.push(table.len as u64);
        }
        for index in &run.values.indexes {
            let mut upload = |buffer: &Buffer| -> Result<u64> {
                let region = queue.upload(buffer)?;
                let address = region.address;
                tables.push(region);
                Ok(address)
            };
            arguments.extend([upload(index.slots())?, u64::from(64 - index.bits()), (1 << index.bits()) - 1]);
            if index.layout().form == Form::Apart {
                arguments.push(upload(index.apart())?);
            }
            for bytes in index.texts() {
                arguments.push(upload(bytes)?);
            }
        }
        let sink = Sink::new(&self, &mut queue, &run)?;
        let columns =
            self.pipeline.columns.iter().zip(&self.source.kept).map(|(column, kept)| (column.nullable, *kept)).collect();
        Ok(Box::new(CudaExecution {
            queue,
            sink,
            words,
            arguments,
            columns,
            kernel: self,
            cancel: run.cancel,
            pushed: 0,
            text_bytes: 0,
            _tables: tables,
        }))
    }
}

/// Where the sink's words are in the run's memory.
#[derive(Debug, Clone, Copy)]
pub struct Words(u64);

impl Words {
    /// The first fault's number.
    pub const FAULT: usize = 0;
    /// What the sink counts.
    pub const COUNT: usize = 8;
    /// All of them.
    pub const BYTES: usize = 16;

    /// The fault's address.
    pub fn fault(self) -> u64 {
        self.0 + Self::FAULT as u64
    }

    /// The counter's address.
    pub fn count(self) -> u64 {
        self.0 + Self::COUNT as u64
    }

    /// Reads them, which waits; a fault is an error.
    pub fn read(self, queue: &mut Queue) -> Result<u64> {
        let bytes = queue.copy_out(self.0, Self::BYTES)?;
        let word = |at: usize| bytes[at..at + 8].iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
        match word(Self::FAULT) as u32 {
            0 => Ok(word(Self::COUNT)),
            code => {
                Err(Fault::from_code(code).map_or_else(|| Error::Failed(format!("a kernel left fault {code}")), Error::Fault))
            }
        }
    }
}

/// A sink's state on the device.
#[derive(Debug)]
enum Sink {
    Groups(Groups),
    Rows(Rows),
    Marks(Marks),
    Named(Named),
}

impl Sink {
    fn new(kernel: &Arc<CudaKernel>, queue: &mut Queue, run: &Run) -> Result<Self> {
        let rows = run.rows;
        Ok(match &kernel.source.state {
            State::Groups { place, cells } => Self::Groups(Groups::new(queue, place.clone(), cells.clone(), rows)?),
            State::Rows { columns } => Self::Rows(Rows::new(&kernel.pipeline, columns.clone(), rows)),
            State::Bitmap => Self::Marks(Marks::default()),
            State::Marked => Self::Named(Named::new(queue, &kernel.pipeline, &run.values)?),
        })
    }
}

/// A run.
struct CudaExecution {
    kernel: Arc<CudaKernel>,
    queue: Queue,
    sink: Sink,
    words: Region,
    arguments: Vec<u64>,
    /// For each column whether it can be NULL, and whether the sink keeps references into it.
    columns: Vec<(bool, bool)>,
    cancel: Cancel,
    pushed: u64,
    /// Bytes of the texts of columns that were pushed.
    text_bytes: u64,
    _tables: Vec<Region>,
}

impl fmt::Debug for CudaExecution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaExecution").field("sink", &self.sink).field("pushed", &self.pushed).finish_non_exhaustive()
    }
}

impl Execution for CudaExecution {
    fn push(&mut self, chunks: &[Chunk]) -> Result<()> {
        chunks.iter().try_for_each(|chunk| self.check(chunk))?;
        self.queue.touch(chunks);
        let mut rest = chunks;
        while !rest.is_empty() {
            self.cancel.check()?;
            let counted = if self.kernel.source.counts { self.count(rest)? } else { vec![] };
            let mut known = match counted.len() {
                0 => rest.len(),
                counted => counted,
            };
            // How many rows of a chunk reach the sink at most.
            let emitted = |at: usize, chunk: &Chunk| counted.get(at).copied().unwrap_or(chunk.rows as u64);
            let mut first = 0;
            while known > 0 {
                self.cancel.check()?;
                let words = Words(self.words.address);
                let left = rest.iter().take(known).enumerate().map(|(at, chunk)| emitted(first + at, chunk)).sum();
                let least = emitted(first, &rest[0]);
                let room = match &mut self.sink {
                    Sink::Groups(groups) => groups.room(&mut self.queue, words, least, left)?,
                    Sink::Rows(rows) => rows.room(&mut self.queue, words, least, left)?,
                    Sink::Marks(_) | Sink::Named(_) => u64::MAX,
                };
                let (mut rows, mut filled) = (0, 0);
                let fits = |(at, chunk): &(usize, &Chunk)| {
                    rows += chunk.rows as u64;
                    filled += emitted(first + at, chunk);
                    filled <= room.max(least) && rows <= LAUNCH_ROWS
                };
                let count = rest.iter().take(known).enumerate().take_while(fits).count().max(1);
                let taken = self.launch(&rest[..count], |at, chunk| emitted(first + at, chunk))?;
                rest = &rest[taken..];
                (known, first) = (known - taken, first + taken);
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(Output, Counters)> {
        self.cancel.check()?;
        let words = Words(self.words.address);
        let kernel = Arc::clone(&self.kernel);
        let output = match self.sink {
            Sink::Groups(groups) => groups.finish(&mut self.queue, words, &kernel)?,
            Sink::Rows(rows) => rows.finish(&mut self.queue, words, &kernel)?,
            Sink::Marks(marks) => marks.finish(&mut self.queue, words)?,
            Sink::Named(named) => named.finish(&mut self.queue, words)?,
        };
        self.queue.counters.rows = self.pushed;
        self.queue.counters.bytes = (kernel.pipeline.bytes_per_row() * self.pushed as f64) as u64 + self.text_bytes;
        Ok((output, self.queue.finish()))
    }
}

impl CudaExecution {
    fn check(&self, chunk: &Chunk) -> Result<()> {
        let columns = &self.kernel.pipeline.columns;
        let fits = chunk.columns.len() == columns.len()
            && chunk.columns.iter().zip(columns).all(|(column, wanted)| {
                column.rows == chunk.rows
                    && column.ty.ty == wanted.ty
                    && column.bytes.is_some() == (wanted.ty == Type::Text)
                    && (wanted.nullable || column.validity.is_none())
            });
        if fits && u32::try_from(chunk.rows).is_ok_and(|rows| rows < 1 << 31) {
            Ok(())
        } else {
            Err(Error::Invalid("the chunk's columns are not those that the pipeline declares".to_owned()))
        }
    }

    /// Makes an end of references into columns, so that those can go.
    fn unpin(&mut self) -> Result<()> {
        match &mut self.sink {
            Sink::Groups(groups) => groups.keep_texts(&mut self.queue),
            Sink::Rows(rows) => rows.drain(&mut self.queue, Words(self.words.address)),
            Sink::Marks(_) | Sink::Named(_) => Ok(()),
        }
    }

    /// How many rows of the first chunks, as many as memory has room for, reach the sink; waits for it.
    fn count(&mut self, chunks: &[Chunk]) -> Result<Vec<u64>> {
        let (table, count) = self.table(chunks)?;
        let chunks = &chunks[..count];
        if chunks.iter().all(|chunk| chunk.rows == 0) {
            return Ok(vec![0; count]);
        }
        let (tiles, stride) = self.tiles(chunks);
        let table = self.queue.upload(&Buffer::from_vec(table))?;
        let counts = self.queue.zeros(count * 8)?;
        let mut arguments = vec![table.address, tiles, stride, Words(self.words.address).fault()];
        arguments.extend(&self.arguments);
        arguments.push(counts.address);
        self.queue.launch(COUNT, tiles, &arguments)?;
        let bytes = self.queue.copy_out(counts.address, count * 8)?;
        let (counts, _) = bytes.as_chunks::<8>();
        Ok(counts.iter().map(|count| u64::from_le_bytes(*count)).collect())
    }

    /// How many tiles a launch over these chunks has, and how many lie between the beginnings of two.
    fn tiles(&self, chunks: &[Chunk]) -> (u64, u64) {
        let tile = self.kernel.source.tile();
        let stride = chunks.iter().map(|chunk| (chunk.rows as u64).div_ceil(tile)).max().unwrap_or(1);
        (stride * chunks.len() as u64, stride)
    }

    /// The chunk table of these chunks, or of the first of them, as many as memory has room for; how many.
    fn table(&mut self, chunks: &[Chunk]) -> Result<(Vec<u64>, usize)> {
        let width = self.kernel.source.chunk_words;
        let (mut table, mut count, mut unpinned) = (Vec::with_capacity(chunks.len() * width), 0, false);
        if self.queue.is_crowded() {
            self.unpin()?;
            self.queue.pass()?;
        }
        while count < chunks.len() && !(count > 0 && self.queue.is_full()) {
            match self.queue.resident(&chunks[count], &self.columns, &mut table) {
                Ok(()) => count += 1,
                Err(Error::OutOfMemory(_)) if count > 0 => break,
                Err(Error::OutOfMemory(_)) if self.queue.has_pinned() && !unpinned => {
                    self.unpin()?;
                    self.queue.pass()?;
                    table.clear();
                    unpinned = true;
                }
                Err(error) => return Err(error),
            }
        }
        table.truncate(count * width);
        Ok((table, count))
    }

    /// One launch over these chunks, or over the first of them, as many as memory has room for; how many. Of each is said how
    /// many rows reach the sink at most.
    fn launch(&mut self, chunks: &[Chunk], emitted: impl Fn(usize, &Chunk) -> u64) -> Result<usize> {
        if chunks.iter().all(|chunk| chunk.rows == 0) {
            // Nothing to run, but the bits of no rows have their place.
            if let Sink::Marks(marks) = &mut self.sink {
                marks.begin(&mut self.queue, chunks)?;
            }
            return Ok(chunks.len());
        }
        let width = self.kernel.source.chunk_words;
        let (mut table, count) = self.table(chunks)?;
        let chunks = &chunks[..count];
        if let Sink::Marks(marks) = &mut self.sink {
            for (line, bitmap) in table.chunks_exact_mut(width).zip(marks.begin(&mut self.queue, chunks)?) {
                line[1] = bitmap;
            }
        }
        let rows: u64 = chunks.iter().map(|chunk| chunk.rows as u64).sum();
        self.pushed += rows;
        let texts = chunks.iter().flat_map(|chunk| &chunk.columns).map(|column| column.text_span());
        self.text_bytes += texts.map(|(begin, end)| (end - begin) as u64).sum::<u64>();
        if rows == 0 {
            return Ok(count);
        }
        let filled = chunks.iter().enumerate().map(|(at, chunk)| emitted(at, chunk)).sum();
        let (tiles, stride) = self.tiles(chunks);
        let table = self.queue.upload(&Buffer::from_vec(table))?;
        let words = Words(self.words.address);
        let mut arguments = vec![table.address, tiles, stride, words.fault()];
        arguments.extend(&self.arguments);
        match &self.sink {
            Sink::Groups(groups) => arguments.extend(groups.arguments(words)),
            Sink::Rows(rows) => arguments.extend(rows.arguments(words)),
            Sink::Marks(_) => {}
            Sink::Named(named) => arguments.extend(named.arguments()),
        }
        self.queue.launch(PIPELINE, tiles, &arguments)?;
        match &mut self.sink {
            Sink::Groups(groups) => groups.launched(filled),
            Sink::Rows(kept) => kept.launched(&mut self.queue, words, filled)?,
            Sink::Marks(_) | Sink::Named(_) => {}
        }
        Ok(count)
    }
}
