//! Running a pipeline: the interface that every device implements.
//!
//! [`Device::compile`](super::Device::compile) gives a [`Kernel`]; [`Kernel::start`] gives an [`Execution`], which
//! holds the sink's state; [`Execution::push`] feeds it chunks, as often as the host likes; [`Execution::finish`]
//! gives the output.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::column::{Chunk, Output};
use crate::error::{Error, Result};
use crate::program::{Pipeline, Values};

/// Compiled code of one pipeline on one device.
pub trait Kernel: fmt::Debug + Send + Sync {
    /// What it was compiled from.
    fn pipeline(&self) -> &Pipeline;

    /// What a person reads of it: CUDA C++, or Cranelift's intermediate code.
    fn text(&self) -> String;

    /// How long compiling took; zero where the code came from a cache.
    fn compile_time(&self) -> Duration;

    /// Begins a run: checks the values, makes the sink's state.
    fn start(self: Arc<Self>, run: Run) -> Result<Box<dyn Execution>>;
}

/// A run under way.
pub trait Execution: Send {
    /// Folds chunks into the state. Blocks until the device has taken them, which on a GPU is before it has read them:
    /// the execution keeps them alive. Looks at the run's cancel flag between launches (morsels, on the CPU).
    fn push(&mut self, chunks: &[Chunk]) -> Result<()>;

    /// Says that of the groups only those matter that are among the first by one of the aggregates. The output then has these,
    /// and maybe others: nobody has to leave out any.
    fn keep_first(&mut self, first: First) {
        let _ = first;
    }

    /// Waits for the device, and takes the output. A fault of any row that was pushed comes here at the latest.
    fn finish(self: Box<Self>) -> Result<(Output, Counters)>;
}

/// What one run is given.
#[derive(Debug, Clone)]
pub struct Run {
    /// The parameters.
    pub values: Values,
    /// At most so many rows will be pushed: what state is sized by.
    pub rows: u64,
    /// When to stop.
    pub cancel: Cancel,
    /// The most threads that the CPU may use; 0 is all.
    pub threads: usize,
}

/// The first groups by an aggregate; those beyond the last that have the same value are as good as it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// Which aggregate of the sink.
    pub aggregate: usize,
    /// Whether the greatest come first.
    pub descending: bool,
    /// How many groups.
    pub count: usize,
}

/// A flag that says stop; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks every run that holds this flag to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// `Err(Cancelled)` once it was asked for.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// What a run cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows pushed.
    pub rows: u64,
    /// Launches of kernels; 0 on the CPU.
    pub launches: u64,
    /// Times that the host waited for the device.
    pub synchronizations: u64,
    /// Bytes of columns that the pipeline declares, over the rows pushed.
    pub bytes: u64,
    /// Bytes copied to the device for this run.
    pub copied_in: u64,
    /// Of those, bytes of columns that passed through, as memory has no room to keep them.
    pub streamed: u64,
    /// Chunks with such a column.
    pub streamed_chunks: u64,
    /// Bytes copied back.
    pub copied_out: u64,
    /// Time on the device: between events on a GPU, within `push` and `finish` on the CPU.
    pub time: Duration,
}

impl Counters {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.launches += other.launches;
        self.synchronizations += other.synchronizations;
        self.bytes += other.bytes;
        self.copied_in += other.copied_in;
        self.copied_out += other.copied_out;
        self.time += other.time;
    }
}
