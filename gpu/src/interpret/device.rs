//! The interpreter as a device, so that whatever tests a device runs on it too.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Machine;
use crate::column::{Chunk, Output};
use crate::device::{Bandwidth, Cancel, Counters, Device, Execution, Kernel, Kind, Memory, Run};
use crate::error::{Error, Result};
use crate::program::Pipeline;
use crate::program::verify::verify;

/// The interpreter. It is no device that a person can choose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interpreter;

impl Device for Interpreter {
    fn name(&self) -> String {
        "interpreter".to_owned()
    }

    /// It runs on the processor.
    fn kind(&self) -> Kind {
        Kind::Cpu
    }

    fn model(&self) -> &'static str {
        "the specification"
    }

    fn memory(&self) -> Result<Memory> {
        Err(Error::Absent("the interpreter has no memory of its own".to_owned()))
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn measure_bandwidth(&self) -> Result<Bandwidth> {
        Err(Error::Absent("the interpreter has no memory of its own".to_owned()))
    }

    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        verify(pipeline)?;
        Ok(Arc::new(Interpreted { pipeline: Arc::new(pipeline.clone()) }))
    }

    fn unused_because(&self) -> Option<&'static str> {
        Some("it is what the others are compared with")
    }
}

#[derive(Debug)]
struct Interpreted {
    pipeline: Arc<Pipeline>,
}

impl Kernel for Interpreted {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn text(&self) -> String {
        self.pipeline.to_string()
    }

    fn compile_time(&self) -> Duration {
        Duration::ZERO
    }

    fn start(self: Arc<Self>, run: Run) -> Result<Box<dyn Execution>> {
        let machine = Machine::new(Arc::clone(&self.pipeline), &run.values)?;
        Ok(Box::new(Interpretation { machine, cancel: run.cancel, counters: Counters::default() }))
    }
}

struct Interpretation {
    machine: Machine,
    cancel: Cancel,
    counters: Counters,
}

impl fmt::Debug for Interpretation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpretation").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Execution for Interpretation {
    fn push(&mut self, chunks: &[Chunk]) -> Result<()> {
        let began = Instant::now();
        for chunk in chunks {
            self.cancel.check()?;
            self.machine.push(chunk)?;
            self.counters.rows += chunk.rows as u64;
        }
        self.counters.time += began.elapsed();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(Output, Counters)> {
        let began = Instant::now();
        let mut counters = self.counters;
        counters.bytes = (counters.rows as f64 * self.machine.pipeline.bytes_per_row()) as u64;
        let output = self.machine.finish()?.output()?;
        counters.time += began.elapsed();
        Ok((output, counters))
    }
}
