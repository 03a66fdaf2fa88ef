//! A compiled pipeline of the processor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::execution::CpuExecution;
use super::pool::Pool;
use crate::codegen::cranelift::Code;
use crate::device::run::{Execution, Kernel, Run};
use crate::error::Result;
use crate::program::Pipeline;

/// Machine code, and what it was compiled from.
#[derive(Debug)]
pub(super) struct CpuKernel {
    pub(super) pipeline: Pipeline,
    pub(super) code: Code,
    pool: Pool,
    time: Duration,
}

impl CpuKernel {
    pub(super) fn compile(pipeline: &Pipeline, pool: Pool) -> Result<Self> {
        let began = Instant::now();
        let code = Code::compile(pipeline)?;
        Ok(Self { pipeline: pipeline.clone(), code, pool, time: began.elapsed() })
    }
}

impl Kernel for CpuKernel {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn text(&self) -> String {
        // Written anew when somebody asks: a text for every kernel would cost more than a tenth of compiling it.
        Code::text(&self.pipeline).unwrap_or_else(|error| error.to_string())
    }

    fn compile_time(&self) -> Duration {
        self.time
    }

    fn start(self: Arc<Self>, run: Run) -> Result<Box<dyn Execution>> {
        let pool = self.pool.clone();
        Ok(Box::new(CpuExecution::start(self, pool, run)?))
    }
}
