//! Running a chain's stages on one device.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, SchemaRef, UInt32Type};
use datafusion::physical_expr::expressions::{Column as DataFusionColumn, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::cache::ResidentColumn;
use warpwise_gpu::column::{CHUNK_ROWS, Chunk, Column, Decode, Output};
use warpwise_gpu::program::Sink;
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::prune::may_match;
use warpwise_gpu::{Cancel, Device, Error, First, Result, Run};

use super::branches::together;
use super::build::built;
use super::devices::Devices;
use super::inputs::{Segments, of_facts};
use super::report::{BuildReport, Report, StageReport};
use super::shared::{Claim, Sharing};
use super::stream::{Streamed, is_too_much, survey};
use super::union::united;
use crate::function::average::Mean;
use crate::offload::Refusal;
use crate::offload::built::Builds;
use crate::offload::formula::{Formula, Quantity};
use crate::offload::lower::{Knowledge, Leaves, Lowered, Made, Present, lower};
use crate::offload::plan::{Branch, Chain, End, Join, Stage, Step, Union};
use crate::offload::subquery::have_run;
use crate::offload::value::{InputColumn, Kind};

/// Chunks that are given to a device at once.
const AT_ONCE: usize = 256;

/// The part of the memory for columns that what is shared may take, as a divisor.
const SHARED: u64 = 8;

/// Rows that a join may leave without being counted first.
const UNCOUNTED: u64 = 1 << 24;

fn refused(refusal: Refusal) -> Error {
    Error::Unsupported(refusal.to_string())
}

/// What a stage left.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its columns.
    pub output: Output,
    /// What they mean.
    pub leaves: Leaves,
    /// Which values they say whether they are there, where that is all they say.
    pub present: Option<Present>,
}

/// Where a stage's rows come from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The table.
    Table,
    /// What a stage left, under the names of a schema.
    Stage(&'a Held, &'a SchemaRef),
}

/// A run of a chain.
pub struct Running<'a> {
    chain: &'a Chain,
    pub(super) devices: &'a Devices,
    pub(super) device: &'a Arc<dyn Device>,
    pub(super) cancel: &'a Cancel,
    pub(super) sharing: &'a Sharing,
    pub(super) segments: Segments,
    /// What is known of the table's columns; and whether that was all there is to know.
    inputs: Vec<InputColumn>,
    complete: bool,
    resident: HashMap<usize, ResidentColumn>,
    pub(super) report: &'a mut Report,
    /// The build sides that have run.
    pub(super) builds: Builds,
    /// What the stage of the chain that runs now has taken.
    taken: StageReport,
}

/// What a run left, which becomes batches as they are wanted.
pub struct Rows {
    held: Held,
    schema: SchemaRef,
    /// The first batch: whether columns can be read shows at once.
    first: RecordBatch,
}

/// Rows of a batch: a multiple of 64.
const BATCH: usize = 1 << 16;

impl Rows {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.held.output.rows
    }

    /// How many batches they become, at least one.
    pub fn batches(&self) -> usize {
        self.count().div_ceil(BATCH).max(1)
    }

    /// One of the batches.
    pub fn batch(&self, at: usize) -> Result<RecordBatch> {
        if at == 0 { Ok(self.first.clone()) } else { decode(&self.held.part(at * BATCH, BATCH), &self.schema) }
    }
}

impl Held {
    /// Some rows, from a multiple of 64 on.
    fn part(&self, from: usize, rows: usize) -> Self {
        let rows = rows.min(self.output.rows.saturating_sub(from));
        let columns = self.output.columns.iter().map(|column| alone(slice(column, from, rows))).collect();
        Self { output: Output { rows, columns }, leaves: self.leaves.clone(), present: self.present.clone() }
    }
}

/// Runs a chain on a device, and says in `report` what that took.
pub fn run(
    chain: &Chain,
    devices: &Devices,
    device: &Arc<dyn Device>,
    (cancel, sharing): (&Cancel, &Sharing),
    schema: &SchemaRef,
    report: &mut Report,
) -> Result<Rows> {
    let held = held(chain, devices, device, (cancel, sharing), Builds::new(), report)?;
    let first = if held.output.rows > BATCH { decode(&held.part(0, BATCH), schema)? } else { decode(&held, schema)? };
    Ok(Rows { held, schema: Arc::clone(schema), first })
}

/// The same, as the last stage left it; some build sides may have run.
pub fn held(
    chain: &Chain,
    devices: &Devices,
    device: &Arc<dyn Device>,
    (cancel, sharing): (&Cancel, &Sharing),
    builds: Builds,
    report: &mut Report,
) -> Result<Held> {
    cancel.check()?;
    if !have_run(&chain.stages) {
        return Err(Error::Unsupported("a scalar subquery that has not run yet".to_owned()));
    }
    let all = devices.inputs.segments(&chain.table)?;
    report.segments = all.len();
    let every = chain.stages.first().is_some_and(|stage| matches!(stage.end, End::Passing));
    let segments = if every { all } else { devices.inputs.wanted(chain, all) };
    report.unwanted = report.segments - segments.len();
    let (inputs, complete) = devices.inputs.expected(chain, &segments);
    let (resident, taken) = (HashMap::new(), StageReport::default());
    // A build side that has run may be less than its chain says.
    let mut claim = if builds.is_empty() { sharing.claim(chain, cancel)? } else { None };
    let mut running =
        Running { chain, devices, device, cancel, sharing, segments, inputs, complete, resident, report, builds, taken };
    let mut held: Option<Held> = None;
    let shared = claim.as_ref().map_or(0, |claim| claim.stages);
    let mut from = 0;
    if let Some(known) = claim.as_mut().and_then(Claim::take) {
        let took = StageReport { rows: known.output.rows as u64, shared: true, ..StageReport::default() };
        running.report.stages.resize(shared, took);
        held = Some(picked(known, &chain.stages[shared - 1]));
        (from, claim) = (shared, None);
    }
    for (at, stage) in chain.stages.iter().enumerate().skip(from) {
        let source = match &held {
            Some(held) => Source::Stage(held, &chain.stages[at - 1].output),
            None => Source::Table,
        };
        held = Some(match claim.take_if(|_| at + 1 == shared) {
            Some(claim) => {
                // Others may want other columns of it, and all of its rows.
                let whole = running.stage(&Stage { picked: None, ..stage.clone() }, None, source)?;
                let bytes: usize = whole.output.columns.iter().map(Column::bytes).sum();
                if bytes as u64 <= devices.inputs.budget() / SHARED {
                    claim.keep(&whole);
                }
                picked(whole, stage)
            }
            None => running.stage(stage, chain.stages.get(at + 1), source)?,
        });
        running.report.stages.push(std::mem::take(&mut running.taken));
    }
    held.ok_or_else(without_stages)
}

/// What a stage left, with the columns alone that are wanted.
fn picked(mut held: Held, stage: &Stage) -> Held {
    held.leaves = held.leaves.picked(stage.picked.as_deref());
    held
}

fn without_stages() -> Error {
    Error::Invalid("a chain without stages".to_owned())
}

impl Running<'_> {
    fn stages(&mut self, stages: &[Stage], source: Source<'_>) -> Result<Held> {
        let mut held: Option<(Held, &SchemaRef)> = None;
        for (at, stage) in stages.iter().enumerate() {
            let next = stages.get(at + 1);
            let left = match &held {
                Some((held, schema)) => self.stage(stage, next, Source::Stage(held, schema))?,
                None => self.stage(stage, next, source)?,
            };
            held = Some((left, &stage.output));
        }
        match (held, source) {
            (Some((held, _)), _) => Ok(held),
            (None, Source::Stage(held, _)) => Ok(held.clone()),
            (None, Source::Table) => Err(without_stages()),
        }
    }

    /// Runs a stage; of what it leaves only what `next` wants is needed.
    pub(super) fn stage(&mut self, stage: &Stage, next: Option<&Stage>, source: Source<'_>) -> Result<Held> {
        self.cancel.check()?;
        if let End::Branches(branches) = &stage.end {
            let mut parts = Vec::new();
            for branch in branches {
                parts.push(self.stages(&branch.stages, source)?);
            }
            let parts: Vec<(&Held, &Branch)> = parts.iter().zip(branches).collect();
            let held = picked(together(&parts)?, stage);
            self.taken.rows = held.output.rows as u64;
            return Ok(held);
        }
        if let End::Union(union) = &stage.end {
            let own = match (stage.steps.as_slice(), source) {
                ([], Source::Stage(held, _)) => held.clone(),
                _ => self.stage(&stage.keeping(), None, source)?,
            };
            return self.union(stage, union, own);
        }
        if let Some(held) = self.in_parts(stage, next, source)? {
            return Ok(held);
        }
        for join in stage.joins() {
            self.build(join)?;
        }
        match (self.lowered(stage, next, source), &stage.instead) {
            (Err(Error::Unsupported(_)), Some(instead)) => Ok(picked(self.stages(instead, source)?, stage)),
            (held, _) => held,
        }
    }

    /// Rows with those of other chains below them.
    fn union(&mut self, stage: &Stage, union: &Union, own: Held) -> Result<Held> {
        let mut parts = vec![own];
        let mut reports = Vec::new();
        for (_, other) in &union.others {
            let mut report = Report::default();
            parts.push(held(other, self.devices, self.device, (self.cancel, self.sharing), Builds::new(), &mut report)?);
            reports.push(report);
        }
        let held = picked(united(&parts, self.devices.inputs.budget())?, stage);
        self.taken.rows = held.output.rows as u64;
        self.report.unions.insert(union.id, reports);
        Ok(held)
    }

    /// Runs the build side of a join, where it has not run yet.
    fn build(&mut self, join: &Join) -> Result<()> {
        if self.builds.contains_key(&join.id) {
            return Ok(());
        }
        if self.whole(join)? {
            return Ok(());
        }
        let mut report = Report::default();
        let held = held(&join.build, self.devices, self.device, (self.cancel, self.sharing), Builds::new(), &mut report)?;
        self.keep_build(join, &held, report)
    }

    /// Keeps a build side that has run.
    pub(super) fn keep_build(&mut self, join: &Join, held: &Held, report: Report) -> Result<()> {
        let began = Instant::now();
        let built = built(join, held, self.devices.threads, self.cancel)?;
        let found = BuildReport { rows: built.rows as u64, form: built.form(), marks: false, group: began.elapsed(), report };
        self.report.builds.insert(join.id, found);
        self.builds.insert(join.id, Arc::new(built));
        Ok(())
    }

    /// Runs a stage by a program of its own.
    fn lowered(&mut self, stage: &Stage, next: Option<&Stage>, source: Source<'_>) -> Result<Held> {
        let (lowered, mut chunks, streamed) = match source {
            Source::Table => {
                let began = Instant::now();
                let (lowered, read) = self.first(stage)?;
                self.report.load += began.elapsed();
                match read {
                    Read::Resident(chunks) => (lowered, chunks, None),
                    Read::Streamed(parts) => (lowered, Vec::new(), Some(parts)),
                }
            }
            Source::Stage(held, schema) => {
                let (inputs, places) = held.leaves.inputs(schema);
                let lowered = lower(stage, &inputs, held.output.rows as u64, Knowledge::Data, &self.builds).map_err(refused)?;
                let columns = lowered.reads.iter().map(|at| &held.output.columns[places[*at]]).collect::<Vec<_>>();
                let chunks = over_output(held.output.rows, &columns);
                (lowered, chunks, None)
            }
        };
        self.make_room(stage, source, &lowered)?;
        let (kernel, compiled) = self.devices.kernels.get_or_compile(self.device.as_ref(), &lowered.pipeline)?;
        let all = chunks.len();
        // What is told by row needs all of them.
        if lowered.pipeline.sink != Sink::Bitmap {
            chunks.retain(|chunk| may_match(&lowered.pipeline, &lowered.values, chunk));
        }
        let rows = match &streamed {
            Some(_) => self.segments.rows(),
            None => chunks.iter().map(|chunk| chunk.rows as u64).sum(),
        };
        let values = lowered.values.clone();
        let (cancel, threads) = (self.cancel.clone(), self.devices.threads);
        let compile = if compiled { kernel.compile_time() } else { Duration::ZERO };
        let mut execution = kernel.start(Run { values, rows, cancel, threads })?;
        if let Some(first) = next.and_then(|next| first_of(next, &lowered)) {
            execution.keep_first(first);
        }
        let skipped = all - chunks.len();
        for some in chunks.chunks(AT_ONCE) {
            execution.push(some)?;
        }
        let mut taken = StageReport { compile, compiled, skipped, ..StageReport::default() };
        if let Some(parts) = streamed {
            let report = (&mut *self.report, &mut taken);
            parts.push(self.chain, &self.devices.inputs, &lowered, execution.as_mut(), self.cancel, report)?;
        }
        let (mut output, counters) = execution.finish()?;
        for numbered in &lowered.numbered {
            output.columns[numbered.at] = numbered.spelled(&output.columns[numbered.at]);
        }
        let output = match &lowered.taking {
            Some(taking) => taking.taken(output, self.devices.threads, self.cancel)?,
            None => output,
        };
        let output = match &lowered.sorting {
            Some(sorting) => {
                let bytes: usize = output.columns.iter().map(Column::bytes).sum();
                if bytes as u64 > self.devices.inputs.budget() / 2 {
                    return Err(Error::Unsupported(
                        "rows to be sorted, which are more than there is memory for twice".to_owned(),
                    ));
                }
                let began = Instant::now();
                let sorted = sorting.sorted(&output, self.devices.threads, self.cancel)?;
                taken.sort = began.elapsed();
                sorted
            }
            None => output,
        };
        (taken.rows, taken.counters) = (output.rows as u64, counters);
        self.taken.add(taken);
        Ok(Held { output, leaves: lowered.leaves, present: lowered.present })
    }

    /// Looks whether there is room for what a join leaves, which may be much more than it reads, or for what is to be sorted: where
    /// there may not be, the same rows are counted first.
    fn make_room(&mut self, stage: &Stage, source: Source<'_>, lowered: &Lowered) -> Result<()> {
        let Sink::Materialize { .. } = lowered.pipeline.sink else { return Ok(()) };
        let rows = match source {
            Source::Table => self.segments.rows(),
            Source::Stage(held, _) => held.output.rows as u64,
        };
        let bits: u64 = lowered.leaves.types.iter().map(|ty| u64::from(ty.ty.bits()) + u64::from(ty.nullable)).sum();
        let most = self.devices.inputs.budget();
        let at_most = rows.saturating_mul(lowered.fan_out);
        let fits = lowered.sorting.is_none() || at_most.saturating_mul(2 * bits) / 8 <= most;
        if fits && (lowered.fan_out == 1 || at_most <= UNCOUNTED) {
            return Ok(());
        }
        let count = self.lowered(&stage.counting(), None, source)?;
        let bytes = count.output.columns.first().map_or(&[][..], |column| column.values.as_slice());
        let count = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // What is sorted is there twice.
        let times = 1 + u64::from(lowered.sorting.is_some());
        if count.saturating_mul(times * bits) / 8 > most {
            return Err(Error::Unsupported(format!("{count} rows to be kept, which are more than there is memory for")));
        }
        Ok(())
    }

    /// The program of a stage over the table, and the chunks that it reads. Which columns it reads shows only when it is lowered,
    /// and how it is lowered depends on how they are stored: so it is lowered with what is known, then again with what was
    /// loaded.
    fn first(&mut self, stage: &Stage) -> Result<(Lowered, Read)> {
        let (chain, rows) = (self.chain, self.segments.rows());
        let mut knowledge = if self.complete { Knowledge::Data } else { Knowledge::Types };
        // Whether the columns turned out to be as they were expected.
        let mut as_expected = self.complete;
        loop {
            let lowered = unless_data_decide(lower(stage, &self.inputs, rows, knowledge, &self.builds), knowledge)?;
            let reads = self.reads(lowered.as_ref());
            let missing: Vec<usize> = reads.iter().copied().filter(|at| !self.resident.contains_key(at)).collect();
            if missing.is_empty()
                && knowledge == Knowledge::Data
                && let Some(lowered) = lowered
            {
                let chunks = of_segments(&lowered, &self.resident, &self.segments);
                return Ok((lowered, Read::Resident(chunks)));
            }
            knowledge = Knowledge::Data;
            let columns: Vec<usize> = missing.iter().map(|at| chain.projection[*at]).collect();
            if columns.is_empty() {
                continue;
            }
            let read: Vec<_> = reads.iter().map(|at| (*at, &self.inputs[*at])).collect();
            if self.segments.len() > 1 && is_too_much(&self.devices.inputs, chain, &self.segments, &read) {
                self.resident.clear();
                return self.streamed(stage);
            }
            let found = self.devices.inputs.resident(&chain.table, &self.segments, &columns, self.cancel)?;
            for ((at, column), found) in missing.into_iter().zip(columns).zip(found) {
                let now = of_facts(&chain.table, column, &found.facts, self.devices.threads);
                as_expected &= now.is_stored_as(&self.inputs[at]);
                self.inputs[at] = now;
                self.report.loaded += found.loaded;
                self.resident.insert(at, found);
            }
            if as_expected && let Some(lowered) = lowered {
                let chunks = of_segments(&lowered, &self.resident, &self.segments);
                return Ok((lowered, Read::Resident(chunks)));
            }
        }
    }

    /// The columns that a program reads; where there is none yet, all that may decide what it will be.
    fn reads(&self, lowered: Option<&Lowered>) -> Vec<usize> {
        match lowered {
            Some(lowered) => lowered.reads.clone(),
            None => (0..self.inputs.len()).filter(|at| self.inputs[*at].refused.is_none()).collect(),
        }
    }

    /// The same where there is no room for all columns that are read.
    fn streamed(&mut self, stage: &Stage) -> Result<(Lowered, Read)> {
        let (chain, inputs) = (self.chain, &self.devices.inputs);
        let mut knowledge = Knowledge::Types;
        loop {
            let lowered =
                unless_data_decide(lower(stage, &self.inputs, self.segments.rows(), knowledge, &self.builds), knowledge)?;
            let reads = self.reads(lowered.as_ref());
            let known = |at: &usize| inputs.known(chain, &self.segments, *at);
            let unknown: Vec<usize> = reads.iter().copied().filter(|at| known(at).is_none()).collect();
            if unknown.is_empty()
                && knowledge == Knowledge::Data
                && let Some(lowered) = lowered
            {
                let reads = lowered.reads.iter().map(|at| (*at, self.inputs[*at].clone())).collect();
                let source = Streamed::new(inputs, chain, &self.segments, reads);
                return Ok((lowered, Read::Streamed(source)));
            }
            let columns: Vec<_> = unknown.iter().map(|at| (*at, &self.inputs[*at])).collect();
            if !columns.is_empty() {
                survey(chain, inputs, &self.segments, &columns, self.cancel, self.report)?;
            }
            let found: Vec<_> = reads.iter().filter_map(|at| Some((*at, known(at)?))).collect();
            for (at, column) in found {
                self.inputs[at] = column;
            }
            knowledge = Knowledge::Data;
        }
    }
}

/// Whether nothing can fail in an expression: a column, a constant, or the quotient that an average ends with.
fn is_harmless(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mean = expr.downcast_ref::<ScalarFunctionExpr>().filter(|call| call.fun().inner().is::<Mean>());
    expr.is::<DataFusionColumn>() || expr.is::<Literal>() || mean.is_some_and(|call| call.args().iter().all(is_harmless))
}

/// Which of the groups that a program leaves the next stage keeps, where that is told by one of its aggregates as it is.
fn first_of(next: &Stage, lowered: &Lowered) -> Option<First> {
    let Sink::Group { keys, .. } = &lowered.pipeline.sink else { return None };
    let End::TopK { order, limit } = &next.end else { return None };
    let first = order.first()?;
    // What could fail would fail for groups that are left out, too.
    let projected = next.steps.iter().filter_map(|step| match step {
        Step::Project(exprs, _) => Some(exprs),
        Step::Filter(_) | Step::Pick(..) | Step::Join(_) => None,
    });
    if !order.iter().map(|by| &by.expr).chain(projected.flatten()).all(is_harmless) {
        return None;
    }
    let mut column = first.expr.downcast_ref::<DataFusionColumn>()?.index();
    // Through the columns as they are passed on; a filter would have others be the first.
    for step in next.steps.iter().rev() {
        column = match step {
            Step::Filter(_) | Step::Join(_) => return None,
            Step::Pick(columns, _) => *columns.get(column)?,
            Step::Project(exprs, _) => exprs.get(column)?.downcast_ref::<DataFusionColumn>()?.index(),
        };
    }
    match lowered.leaves.made.get(column)? {
        Made::Column { at, .. } => {
            let keys = lowered.taking.as_ref().map_or(keys.len(), |taking| taking.keys.len());
            let aggregate = at.checked_sub(keys)?;
            Some(First { aggregate, descending: first.options.descending, count: *limit })
        }
        Made::Computed(_) => None,
    }
}

/// A program, or none where what lies in columns that nobody loaded decides.
fn unless_data_decide(lowered: std::result::Result<Lowered, Refusal>, knowledge: Knowledge) -> Result<Option<Lowered>> {
    match lowered {
        Ok(lowered) => Ok(Some(lowered)),
        Err(refusal) if refusal.by_data && knowledge == Knowledge::Types => Ok(None),
        Err(refusal) => Err(refused(refusal)),
    }
}

/// Where the rows of a stage over the table come from.
enum Read {
    /// Columns that are there.
    Resident(Vec<Chunk>),
    /// Columns that are loaded part by part.
    Streamed(Streamed),
}

/// The chunks of a program's columns.
pub fn of_segments(lowered: &Lowered, resident: &HashMap<usize, ResidentColumn>, segments: &Segments) -> Vec<Chunk> {
    let columns: Vec<&ResidentColumn> = lowered.reads.iter().filter_map(|at| resident.get(at)).collect();
    let Some(first) = columns.first() else {
        // Nothing is read: rows alone count.
        let mut chunks = Vec::new();
        for (_, rows) in &segments.names {
            let mut left = *rows;
            while left > 0 {
                let rows = left.min(CHUNK_ROWS);
                chunks.push(Chunk { rows, columns: Vec::new() });
                left -= rows;
            }
        }
        return chunks;
    };
    let chunk = |at: usize| Chunk {
        rows: first.chunks[at].rows,
        columns: columns.iter().map(|column| Arc::clone(&column.chunks[at])).collect(),
    };
    (0..first.chunks.len()).map(chunk).collect()
}

/// Columns that a stage left, as chunks for the next.
fn over_output(all: usize, columns: &[&Column]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut from = 0;
    while from < all {
        let rows = (all - from).min(CHUNK_ROWS);
        let columns = columns.iter().map(|column| Arc::new(slice(column, from, rows))).collect();
        chunks.push(Chunk { rows, columns });
        from += rows;
    }
    chunks
}

/// Rows of a column; `from` is a multiple of 8, so bits begin at a byte.
fn slice(column: &Column, from: usize, rows: usize) -> Column {
    let bits = |buffer: &arrow::buffer::Buffer| buffer.slice_with_length(from / 8, rows.div_ceil(8));
    let validity = column.validity.as_ref().map(bits);
    if let Some(bytes) = &column.bytes {
        return Column::texts(rows, column.values.slice_with_length(from * 4, (rows + 1) * 4), bytes.clone(), validity);
    }
    let values = match column.ty.ty.bits() {
        1 => bits(&column.values),
        width => column.values.slice_with_length(from * width as usize / 8, rows * width as usize / 8),
    };
    let ty = warpwise_gpu::program::ValueType { ty: column.ty.ty, nullable: validity.is_some() };
    Column::new(ty, rows, values, validity)
}

/// A column without the texts of others: to make an array of texts all of them are looked at.
fn alone(column: Column) -> Column {
    let (begin, end) = column.text_span();
    let Some(bytes) = column.bytes else { return column };
    let offsets = column.values.typed_data::<i32>()[..=column.rows].iter().map(|at| at - begin as i32);
    let offsets = arrow::buffer::Buffer::from_vec(offsets.collect::<Vec<i32>>());
    Column::texts(column.rows, offsets, bytes.slice_with_length(begin, end - begin), column.validity)
}

/// What was left as Arrow's arrays.
fn decode(held: &Held, schema: &SchemaRef) -> Result<RecordBatch> {
    let output = &held.output;
    let mut arrays = Vec::new();
    for (field, made) in schema.fields().iter().zip(&held.leaves.made) {
        let array = match made {
            Made::Column { at, kind } => array(&output.columns[*at], kind, field.data_type())?,
            Made::Computed(formula) => match exact(output, formula)? {
                Some(column) => array(&column, &formula.what.kind(), field.data_type())?,
                None => computed(output, formula)?,
            },
        };
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(output.rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .map_err(|error| Error::Invalid(format!("the result does not fit its schema: {error}")))
}

fn array(column: &Column, kind: &Kind, data_type: &DataType) -> Result<ArrayRef> {
    let invalid = |error: arrow::error::ArrowError| Error::Invalid(error.to_string());
    let multiplier = match (kind, data_type) {
        (Kind::Text(words), _) => {
            let codes = Decode::plain(DataType::UInt32).array(column)?;
            let strings = take(words.values(), codes.as_primitive::<UInt32Type>(), None).map_err(invalid)?;
            return if strings.data_type() == data_type { Ok(strings) } else { cast(&strings, data_type).map_err(invalid) };
        }
        (Kind::Decimal { scale }, DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s)) => {
            let digits = u32::try_from(*s).ok().and_then(|wanted| wanted.checked_sub(*scale)).and_then(power_of_ten);
            digits.ok_or_else(|| Error::Unsupported(format!("a result of scale {scale} as {data_type}")))?
        }
        (Kind::Timestamp { unit, .. }, _) => *unit,
        (Kind::Float, _) if column.ty.ty == warpwise_gpu::program::Type::F64 && *data_type == DataType::Float32 => {
            let wide = Decode::plain(DataType::Float64).array(column)?;
            return cast(&wide, data_type).map_err(invalid);
        }
        (Kind::Integer, DataType::Decimal128(_, s)) => power_of_ten(u32::try_from(*s).unwrap_or(0)).unwrap_or(1),
        (_, _) => 1,
    };
    Decode { logical: data_type.clone(), multiplier, words: None }.array(column)
}

/// The column of a formula of integers or decimals; `None` where it is one of floats.
pub fn exact(output: &Output, formula: &Formula) -> Result<Option<Column>> {
    match (formula.what, formula.of.as_slice()) {
        (Quantity::Displaced(by), [others, counts]) => by.column(&output.columns[*others], &output.columns[*counts]).map(Some),
        (_, _) => Ok(None),
    }
}

/// The values of a formula of floats.
pub fn computed(output: &Output, formula: &Formula) -> Result<ArrayRef> {
    let of = formula.of.iter().map(|at| {
        let column = &output.columns[*at];
        let data_type = if column.ty.ty.is_float() { DataType::Float64 } else { DataType::Int64 };
        Decode::plain(data_type).array(column)
    });
    Ok(formula.what.values(&of.collect::<Result<Vec<_>>>()?))
}
