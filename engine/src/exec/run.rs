//! Running a chain's stages on one device.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, UInt32Type};
use warpwise_gpu::cache::ResidentColumn;
use warpwise_gpu::column::{CHUNK_ROWS, Chunk, Column, Decode, Output};
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::prune::may_match;
use warpwise_gpu::{Cancel, Device, Error, Result, Run};

use super::devices::Devices;
use super::inputs::{Segments, of_facts};
use super::report::{Report, StageReport};
use crate::offload::Refusal;
use crate::offload::lower::{Knowledge, Lowered, Made, lower};
use crate::offload::plan::Chain;
use crate::offload::value::{InputColumn, Kind};

/// Chunks that are given to a device at once.
const AT_ONCE: usize = 256;

fn refused(refusal: Refusal) -> Error {
    Error::Unsupported(refusal.to_string())
}

/// Runs a chain on a device, and says in `report` what that took.
pub fn run(
    chain: &Chain,
    devices: &Devices,
    device: &Arc<dyn Device>,
    cancel: &Cancel,
    schema: &SchemaRef,
    report: &mut Report,
) -> Result<RecordBatch> {
    cancel.check()?;
    let segments = devices.inputs.segments(&chain.table)?;
    let rows = segments.rows();
    let began = Instant::now();
    let (mut lowered, mut chunks) = first(chain, devices, &segments, rows, report)?;
    report.load = began.elapsed();
    let mut output = None;
    for (at, stage) in chain.stages.iter().enumerate() {
        if let Some(last) = output.take() {
            let inputs: Vec<InputColumn> = lowered.as_inputs(&chain.stages[at - 1]);
            let last: Output = last;
            let next = lower(stage, &inputs, last.rows as u64, Knowledge::Data).map_err(refused)?;
            chunks = over_output(&last, &lowered, &next)?;
            lowered = next;
        }
        cancel.check()?;
        let mut taken = StageReport::default();
        let (kernel, compiled) = devices.kernels.get_or_compile(device.as_ref(), &lowered.pipeline)?;
        taken.compiled = compiled;
        taken.compile = if compiled { kernel.compile_time() } else { Duration::ZERO };
        let all = chunks.len();
        chunks.retain(|chunk| may_match(&lowered.pipeline, &lowered.values, chunk));
        taken.skipped = all - chunks.len();
        let rows = chunks.iter().map(|chunk| chunk.rows as u64).sum();
        let values = lowered.values.clone();
        let mut execution = kernel.start(Run { values, rows, cancel: cancel.clone(), threads: devices.threads })?;
        for some in chunks.chunks(AT_ONCE) {
            execution.push(some)?;
        }
        let (left, counters) = execution.finish()?;
        taken.rows = left.rows as u64;
        taken.counters = counters;
        report.stages.push(taken);
        output = Some(left);
    }
    let output = output.ok_or_else(|| Error::Invalid("a chain without stages".to_owned()))?;
    decode(&output, &lowered, schema)
}

/// The first stage's program, and the chunks that it reads. Which columns it reads shows only when it is lowered, and how it
/// is lowered depends on how they are stored: so it is lowered with what is known, then again with what was loaded.
fn first(chain: &Chain, devices: &Devices, segments: &Segments, rows: u64, report: &mut Report) -> Result<(Lowered, Vec<Chunk>)> {
    let stage = chain.stages.first().ok_or_else(|| Error::Invalid("a chain without stages".to_owned()))?;
    let (mut inputs, complete) = devices.inputs.expected(chain, segments);
    let mut resident: HashMap<usize, ResidentColumn> = HashMap::new();
    let mut knowledge = if complete { Knowledge::Data } else { Knowledge::Types };
    // Whether the columns turned out to be as they were expected.
    let mut as_expected = complete;
    loop {
        let lowered = match lower(stage, &inputs, rows, knowledge) {
            Ok(lowered) => Some(lowered),
            Err(refusal) if refusal.by_data && knowledge == Knowledge::Types => None,
            Err(refusal) => return Err(refused(refusal)),
        };
        let mut missing = match &lowered {
            Some(lowered) => lowered.reads.clone(),
            // What decides is in any of them.
            None => (0..inputs.len()).filter(|at| inputs[*at].refused.is_none()).collect(),
        };
        missing.retain(|at| !resident.contains_key(at));
        if missing.is_empty()
            && knowledge == Knowledge::Data
            && let Some(lowered) = lowered
        {
            let chunks = of_segments(&lowered, &resident, segments);
            return Ok((lowered, chunks));
        }
        knowledge = Knowledge::Data;
        let columns: Vec<usize> = missing.iter().map(|at| chain.projection[*at]).collect();
        if columns.is_empty() {
            continue;
        }
        let found = devices.inputs.resident(&chain.table, segments, &columns)?;
        for ((at, column), found) in missing.into_iter().zip(columns).zip(found) {
            let now = of_facts(&chain.table, column, &found.facts);
            as_expected &= now.is_stored_as(&inputs[at]);
            inputs[at] = now;
            report.loaded += found.loaded;
            resident.insert(at, found);
        }
        if as_expected && let Some(lowered) = lowered {
            let chunks = of_segments(&lowered, &resident, segments);
            return Ok((lowered, chunks));
        }
    }
}

fn of_segments(lowered: &Lowered, resident: &HashMap<usize, ResidentColumn>, segments: &Segments) -> Vec<Chunk> {
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

/// What a stage left, as chunks for the next.
fn over_output(output: &Output, by: &Lowered, next: &Lowered) -> Result<Vec<Chunk>> {
    let mut columns = Vec::new();
    for at in &next.reads {
        match &by.made[*at] {
            Made::Column { at, .. } => columns.push(&output.columns[*at]),
            Made::Average { .. } => return Err(Error::Unsupported("a stage over an average".to_owned())),
        }
    }
    let mut chunks = Vec::new();
    let mut from = 0;
    while from < output.rows {
        let rows = (output.rows - from).min(CHUNK_ROWS);
        let columns = columns.iter().map(|column| Arc::new(slice(column, from, rows))).collect();
        chunks.push(Chunk { rows, columns });
        from += rows;
    }
    Ok(chunks)
}

/// Rows of a column; `from` is a multiple of [`CHUNK_ROWS`], so bits begin at a byte.
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

/// The output as Arrow's arrays.
fn decode(output: &Output, lowered: &Lowered, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut arrays = Vec::new();
    for (field, made) in schema.fields().iter().zip(&lowered.made) {
        let array = match made {
            Made::Column { at, kind } => array(&output.columns[*at], kind, field.data_type())?,
            Made::Average { sum, count } => {
                let sum = array(&output.columns[*sum], &Kind::Float, &DataType::Float64)?;
                let count = array(&output.columns[*count], &Kind::Integer, &DataType::Int64)?;
                average(&sum, &count)
            }
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

fn average(sum: &ArrayRef, count: &ArrayRef) -> ArrayRef {
    let (sums, counts) = (sum.as_primitive::<Float64Type>(), count.as_primitive::<Int64Type>());
    let each = sums.iter().zip(counts.values()).map(|(sum, count)| sum.filter(|_| *count > 0).map(|s| s / *count as f64));
    Arc::new(each.collect::<Float64Array>())
}
