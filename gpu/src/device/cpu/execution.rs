//! A run on the processor: morsels that threads take in turn, each into a state of its own, folded together at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::finish::{self, Bits};
use super::kernel::CpuKernel;
use super::memory::Memory;
use super::pool::{Pool, Seat, Turn};
use super::test::Bound;
use super::worker::{Morsel, Shared, Worker};
use crate::codegen::cranelift::SinkCode;
use crate::codegen::cranelift::context::{IndexView, TableView};
use crate::codegen::cranelift::string;
use crate::column::{Chunk, Column, Output};
use crate::device::run::{Cancel, Counters, Execution, First, Run};
use crate::error::{Error, Result};
use crate::primitive::pattern::Pattern;
use crate::program::statement::loops;
use crate::program::values::padded;
use crate::program::{Scalar, Sink, Table, Type, Values};

/// Rows that a thread takes at once. A multiple of 64.
const MORSEL: usize = 16_384;
/// The same where a row may go through many numbers.
const LOOP_MORSEL: usize = 2048;
/// Rows below which other threads would cost more than they bring.
const ALONE: usize = 2 * MORSEL;

/// A run under way.
pub(super) struct CpuExecution {
    kernel: Arc<CpuKernel>,
    pool: Pool,
    turn: Arc<Turn>,
    cancel: Cancel,
    threads: usize,
    parameters: Vec<[u64; 2]>,
    /// Held for the addresses in `tables`.
    values: Values,
    tables: Vec<TableView>,
    indexes: Vec<IndexView>,
    /// Rows that a thread takes at once.
    morsel: usize,
    patterns: Vec<Pattern>,
    /// Columns of texts: what refers to their bytes is kept until the output is made.
    texts: Vec<Arc<Column>>,
    workers: Vec<Worker>,
    bits: Bits,
    morsels: u64,
    counters: Counters,
    first: Option<First>,
    failed: Option<Error>,
}

// SAFETY: the addresses in `tables` and `indexes` are of buffers that `values` holds and nobody writes.
unsafe impl Send for CpuExecution {}

impl CpuExecution {
    pub(super) fn start(kernel: Arc<CpuKernel>, pool: Pool, run: Run) -> Result<Self> {
        run.values.check(&kernel.pipeline).map_err(Error::Invalid)?;
        let values = Values {
            tables: run.values.tables.iter().map(roomy).collect(),
            scalars: run.values.scalars,
            indexes: run.values.indexes,
        };
        let parameters = values.scalars.iter().map(words).collect();
        let tables = values.tables.iter().map(|table| TableView {
            values: table.values.as_ptr(),
            validity: table.validity.as_ref().map_or(std::ptr::null(), |bits| bits.as_ptr()),
            len: table.len as u64,
            bytes: table.bytes.as_ref().map_or(NOTHING.as_ptr(), |bytes| bytes.as_ptr()),
        });
        let tables = tables.collect();
        let indexes = values.indexes.iter().map(|index| IndexView {
            slots: index.slots().as_ptr(),
            shift: u64::from(64 - index.bits()),
            mask: (1 << index.bits()) - 1,
            index: Arc::as_ptr(index),
        });
        let indexes = indexes.collect();
        let marks = match kernel.pipeline.sink {
            Sink::Mark { rows, .. } => match values.scalars[rows.0 as usize] {
                Scalar::Int(rows) => Some((Memory::zeros(rows as usize + 1)?, rows as usize)),
                Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => None,
            },
            Sink::Materialize { .. } | Sink::Bitmap | Sink::Group { .. } | Sink::TopK { .. } => None,
        };
        let morsel = if loops(&kernel.pipeline.body).is_empty() { MORSEL } else { LOOP_MORSEL };
        let patterns = string::bind(&kernel.pipeline, &values);
        let threads = if run.threads == 0 { pool.threads() } else { run.threads.min(pool.threads()) };
        Ok(Self {
            kernel,
            pool,
            turn: Arc::default(),
            cancel: run.cancel,
            threads,
            parameters,
            values,
            tables,
            indexes,
            morsel,
            patterns,
            texts: vec![],
            workers: vec![],
            bits: Bits { bitmaps: vec![], marks },
            morsels: 0,
            counters: Counters::default(),
            first: None,
            failed: None,
        })
    }

    fn run(&mut self, chunks: &[Chunk]) -> Result<()> {
        let Self { kernel, pool, turn, cancel, parameters, values, tables, indexes, .. } = self;
        let Self { patterns, texts, workers, bits, .. } = self;
        let shared = Shared {
            pipeline: &kernel.pipeline,
            code: &kernel.code,
            test: kernel.code.test.as_ref().map(|test| Bound::of(test, values)),
            parameters,
            tables,
            indexes,
            marks: bits.marks.as_ref().map_or((std::ptr::null_mut(), 0), |(bytes, rows)| (bytes.address(), *rows as u64)),
            cancel,
            patterns,
            values,
        };
        let keeps = kernel.code.sink.keeps_texts();
        let mut morsels = vec![];
        for (at, chunk) in chunks.iter().enumerate() {
            check(&kernel.pipeline, chunk)?;
            if keeps {
                texts.extend(chunk.columns.iter().filter(|column| column.ty.ty == Type::Text).cloned());
            }
            for begin in (0..chunk.rows).step_by(self.morsel) {
                let rows = self.morsel.min(chunk.rows - begin);
                morsels.push(Morsel { number: self.morsels + morsels.len() as u64, chunk: at, begin, rows });
            }
        }
        if let SinkCode::TopK { near: Some(near), .. } = &kernel.code.sink {
            // What is likely to be among the first comes first, so that the rest need not be looked at.
            morsels.sort_by_key(|morsel| match chunks[morsel.chunk].columns[near.column as usize].range {
                Some((least, _)) if !near.descending => least,
                Some((_, greatest)) => greatest.saturating_neg(),
                None => i128::MIN,
            });
        }
        self.morsels += morsels.len() as u64;
        let first_bitmap = bits.bitmaps.len();
        if matches!(kernel.code.sink, SinkCode::Bitmap) {
            bits.bitmaps.extend(chunks.iter().map(|chunk| (chunk.rows, vec![0; chunk.rows.div_ceil(64) + 1])));
        }
        let bitmaps: Vec<Words> = if matches!(kernel.code.sink, SinkCode::Bitmap) {
            bits.bitmaps[first_bitmap..].iter_mut().map(|(_, words)| Words(words.as_mut_ptr())).collect()
        } else {
            chunks.iter().map(|_| Words(std::ptr::null_mut())).collect()
        };
        let rows: usize = chunks.iter().map(|chunk| chunk.rows).sum();
        let threads = if rows <= 2 * self.morsel { 1 } else { self.threads.min(morsels.len()) }.max(1);
        while workers.len() < threads {
            workers.push(Worker::new(&shared)?);
        }
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let drain = |worker: &mut Worker, seat: &Seat<'_>| -> Result<()> {
            while !stop.load(Ordering::Relaxed) {
                cancel.check()?;
                let Some(morsel) = morsels.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let bitmap = bitmaps[morsel.chunk].begin(morsel.begin);
                let began = Instant::now();
                let done = worker.run(&shared, &chunks[morsel.chunk], *morsel, bitmap);
                done.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                if !seat.goes_on(began.elapsed()) {
                    break;
                }
            }
            Ok(())
        };
        pool.each_in_turn(turn, &mut workers[..threads], drain)
    }
}

impl Execution for CpuExecution {
    fn push(&mut self, chunks: &[Chunk]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let began = Instant::now();
        let done = self.run(chunks);
        self.counters.time += began.elapsed();
        for chunk in chunks {
            self.counters.rows += chunk.rows as u64;
            self.counters.bytes += chunk.columns.iter().map(|column| column.bytes() as u64).sum::<u64>();
        }
        done.inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn keep_first(&mut self, first: First) {
        self.first = Some(first);
    }

    fn finish(mut self: Box<Self>) -> Result<(Output, Counters)> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.cancel.check()?;
        let began = Instant::now();
        if self.workers.is_empty() {
            // No input: the sink is as it begins.
            self.run(&[])?;
        }
        let threads = if self.counters.rows <= ALONE as u64 { 1 } else { self.threads };
        let output = finish::output(&self.kernel.code, self.workers, self.bits, self.first, &self.pool, threads)?;
        self.counters.time += began.elapsed();
        Ok((output, self.counters))
    }
}

/// A chunk's bits, of which threads write words of their own.
struct Words(*mut u64);

// SAFETY: a morsel's words are written by the thread that has the morsel.
unsafe impl Sync for Words {}

impl Words {
    fn begin(&self, row: usize) -> *mut u64 {
        self.0.wrapping_add(row / 64)
    }
}

/// Says what does not fit: compiled code trusts what passes here.
fn check(pipeline: &crate::program::Pipeline, chunk: &Chunk) -> Result<()> {
    if chunk.columns.len() != pipeline.columns.len() {
        let (has, wants) = (chunk.columns.len(), pipeline.columns.len());
        return Err(Error::Invalid(format!("a chunk of {has} columns for a pipeline of {wants}")));
    }
    for (at, (column, wanted)) in chunk.columns.iter().zip(&pipeline.columns).enumerate() {
        let offsets = usize::from(wanted.ty == Type::Text && chunk.rows > 0);
        let bytes = ((chunk.rows + offsets) * wanted.ty.stored_bits() as usize).div_ceil(8);
        let fits = column.ty.ty == wanted.ty
            && (wanted.nullable || column.validity.is_none())
            && column.values.len() >= bytes
            && holds_texts(column)
            && column.validity.as_ref().is_none_or(|bits| bits.len() >= chunk.rows.div_ceil(8));
        if !fits {
            return Err(Error::Invalid(format!("column {at} of a chunk of {} rows does not fit the pipeline", chunk.rows)));
        }
    }
    Ok(())
}

/// Whether the offsets of texts lead into their bytes, the first and the last of them.
fn holds_texts(column: &Column) -> bool {
    let (begin, end) = column.text_span();
    match &column.bytes {
        Some(bytes) => column.ty.ty == Type::Text && begin <= end && end <= bytes.len(),
        None => column.ty.ty != Type::Text,
    }
}

/// What texts lead into where there is nothing: an address that is not null.
static NOTHING: [u8; 64] = [0; 64];

/// The table with the padding that compiled code counts on.
fn roomy(table: &Arc<Table>) -> Arc<Table> {
    let short = |buffer: &arrow::buffer::Buffer| buffer.len() < 64;
    if !short(&table.values) && !table.validity.as_ref().is_some_and(short) {
        return table.clone();
    }
    let again = |buffer: &arrow::buffer::Buffer| padded(buffer.as_slice().to_vec());
    Arc::new(Table {
        ty: table.ty,
        len: table.len,
        values: again(&table.values),
        bytes: table.bytes.clone(),
        validity: table.validity.as_ref().map(again),
    })
}

/// A parameter as compiled code loads it.
fn words(scalar: &Scalar) -> [u64; 2] {
    match scalar {
        Scalar::Bool(value) => [(*value).into(), 0],
        Scalar::Int(value) => [*value as u64, (value >> 64) as u64],
        Scalar::F32(value) => [value.to_bits().into(), 0],
        Scalar::F64(value) => [value.to_bits(), 0],
        Scalar::Text(text) => [text.as_ptr() as u64, text.len() as u64],
    }
}
