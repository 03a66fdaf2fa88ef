//! Running a case on a device, and random cases.

use std::fmt::Write;

use super::compare;
use super::{Case, Random, generate};
use crate::column::{Chunk, Output};
use crate::device::{Cancel, Device, Kernel, Run};
use crate::error::Result;
use crate::interpret::{Outcome, outcome, read_column, read_table};
use crate::program::statement::{LoopHead, loops};
use crate::program::{Expr, ExprId, Pipeline, Scalar, Sink, Statement, Type, text};
use std::sync::Arc;

/// Compiles and runs a case on a device.
pub fn run_on(device: &dyn Device, case: &Case) -> Result<Output> {
    run_kernel(device.compile(&case.pipeline)?, case, 0)
}

/// Runs a compiled case: all chunks pushed at once with `threads` 0, else one by one.
fn run_kernel(kernel: Arc<dyn Kernel>, case: &Case, threads: usize) -> Result<Output> {
    let rows = case.chunks.iter().map(|chunk| chunk.rows as u64).sum();
    let mut execution = kernel.start(Run { values: case.values.clone(), rows, cancel: Cancel::default(), threads })?;
    match threads {
        0 => execution.push(&case.chunks)?,
        _ => case.chunks.iter().try_for_each(|chunk| execution.push(std::slice::from_ref(chunk)))?,
    }
    execution.finish().map(|(output, _)| output)
}

/// Says how a device's answer differs from the interpreter's.
pub fn check_case(device: &dyn Device, case: &Case) -> std::result::Result<(), String> {
    let expected = outcome(&case.pipeline, &case.values, &case.chunks).map_err(|error| format!("the interpreter: {error}"))?;
    let kernel = match device.compile(&case.pipeline) {
        Err(crate::error::Error::Unsupported(_)) if case.pipeline.has_texts() => return Ok(()),
        compiled => compiled.map_err(|error| format!("compiling: {error:?}"))?,
    };
    for threads in [0, 1] {
        let got = run_kernel(Arc::clone(&kernel), case, threads);
        compare::check(&case.pipeline.sink, &expected, &got).map_err(|why| match threads {
            0 => why,
            _ => format!("on one thread, chunk by chunk: {why}"),
        })?;
    }
    Ok(())
}

/// What each node of a case gives by itself, for every row of the input. A node that nothing demands may break a promise
/// somewhere; it is left out.
pub fn outcomes_of_nodes(case: &Case) -> Vec<(ExprId, Outcome)> {
    let ids = (0..case.pipeline.exprs.len()).map(|at| ExprId(at as u32));
    ids.filter_map(|id| {
        let sink = Sink::Materialize { columns: vec![id] };
        // The loops stay where nothing runs them: what depends on their numbers is nothing by itself.
        let empty = |head: LoopHead| {
            let LoopHead { id, from, to, kind, condition } = head;
            Statement::Loop { id, from, to, kind, condition, then: vec![] }
        };
        let then = loops(&case.pipeline.body).into_iter().map(empty).collect();
        let mut pipeline = Pipeline { sink, ..case.pipeline.clone() };
        let condition = ExprId(pipeline.exprs.len() as u32);
        pipeline.exprs.push(Expr::Constant { ty: Type::Bool, value: Some(Scalar::Bool(false)) });
        pipeline.body = vec![Statement::If { condition, then }, Statement::Emit];
        Some((id, outcome(&pipeline, &case.values, &case.chunks).ok()?))
    })
    .collect()
}

/// Compares a device with the interpreter over random programs, the first of them made from `seed`, the next from `seed + 1`, …
///
/// # Panics
///
/// At the first difference, with the program, its input and both answers, made smaller where that is cheap. Where a
/// device brings the whole process down, `TRACE=1` prints each seed before it runs.
pub fn check_random(device: &dyn Device, seed: u64, count: u64) {
    let trace = std::env::var_os("TRACE").is_some();
    for seed in seed..seed + count {
        if trace {
            eprintln!("{}: seed {seed}", device.name());
        }
        if let Err(why) = check_seed(device, seed) {
            panic!("{why}");
        }
    }
}

/// Compares a device with the interpreter over the random program of a seed. The error has the program, its input and both
/// answers, made smaller where that is cheap.
pub fn check_seed(device: &dyn Device, seed: u64) -> std::result::Result<(), String> {
    let case = generate(&mut Random::new(seed));
    let printed = case.pipeline.to_string();
    match text::parse(&printed) {
        Ok(parsed) if parsed == case.pipeline => {}
        Ok(_) => return Err(format!("seed {seed}: the text does not parse back\n{printed}")),
        Err(error) => return Err(format!("seed {seed}: {error}\n{printed}")),
    }
    if check_case(device, &case).is_ok() {
        return Ok(());
    }
    let case = smaller(device, case);
    let why = check_case(device, &case).err().unwrap_or_else(|| "it differs now and then only".to_owned());
    Err(format!("{}, seed {seed}: {why}\n{}", device.name(), report(device, &case)))
}

/// A case that still differs, with fewer rows and a smaller sink.
fn smaller(device: &dyn Device, mut case: Case) -> Case {
    for _ in 0..60 {
        let differs = |candidate: &Case| check_case(device, candidate).is_err();
        let Some(found) = candidates(&case).into_iter().find(differs) else { break };
        case = found;
    }
    case
}

fn candidates(case: &Case) -> Vec<Case> {
    let with_chunks = |chunks: Vec<Chunk>| Case { chunks, ..case.clone() };
    let mut made: Vec<Case> = Vec::new();
    for at in 0..case.chunks.len() {
        let mut without = case.chunks.clone();
        let chunk = without.remove(at);
        made.push(with_chunks(without));
        let half = chunk.rows / 2;
        let parts = if half > 0 { vec![(0, half), (half, chunk.rows - half)] } else { Vec::new() };
        made.extend(parts.into_iter().map(|(from, rows)| {
            let mut chunks = case.chunks.clone();
            chunks[at] = part(&chunk, from, rows);
            with_chunks(chunks)
        }));
    }
    let sinks = match &case.pipeline.sink {
        Sink::Materialize { columns } if columns.len() > 1 => {
            without_one(columns).map(|columns| Sink::Materialize { columns }).collect()
        }
        Sink::TopK { order, columns, limit } if columns.len() > 1 => {
            without_one(columns).map(|columns| Sink::TopK { order: order.clone(), columns, limit: *limit }).collect()
        }
        Sink::Group { keys, aggregates, strategy } => without_one(aggregates)
            .map(|aggregates| Sink::Group { keys: keys.clone(), aggregates, strategy: *strategy })
            .collect(),
        Sink::Materialize { .. } | Sink::Bitmap | Sink::Mark { .. } | Sink::TopK { .. } => Vec::new(),
    };
    made.extend(sinks.into_iter().map(|sink| {
        let mut case = case.clone();
        case.pipeline.sink = sink;
        case
    }));
    made
}

/// The list without its first, without its second, …
fn without_one<T: Clone>(list: &[T]) -> impl Iterator<Item = Vec<T>> {
    (0..list.len()).map(|at| [&list[..at], &list[at + 1..]].concat())
}

fn part(chunk: &Chunk, from: usize, rows: usize) -> Chunk {
    let column = |column: &Arc<crate::column::Column>| {
        let values = read_column(column);
        Arc::new(crate::interpret::write_column(column.ty, &values[from..from + rows]))
    };
    Chunk { rows, columns: chunk.columns.iter().map(column).collect() }
}

/// The case as a row-program file has it, with both answers.
fn report(device: &dyn Device, case: &Case) -> String {
    /// The most rows of anything that are shown.
    const SHOWN: usize = 60;
    let mut out = case.pipeline.to_string();
    let list = |values: Vec<crate::interpret::Value>| {
        let more = if values.len() > SHOWN { " …" } else { "" };
        format!("{}{more}", compare::show(&values[..values.len().min(SHOWN)]))
    };
    out.push_str("#: case\n");
    for (at, value) in case.values.scalars.iter().enumerate() {
        let _ = writeln!(out, "#: parameter {at} {value}");
    }
    for (at, table) in case.values.tables.iter().enumerate() {
        let _ = writeln!(out, "#: table {at} {}", list(read_table(table)));
    }
    for (at, index) in case.values.indexes.iter().enumerate() {
        let keys = |keys: &Vec<Scalar>| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let rows: Vec<String> = super::data::index_rows(index).iter().map(keys).collect();
        let _ = writeln!(out, "#: index {at} {}", rows.join(" | "));
    }
    for chunk in &case.chunks {
        let _ = writeln!(out, "#: chunk {}", chunk.rows);
        for (at, column) in chunk.columns.iter().enumerate() {
            let nullable = if column.ty.nullable { "nullable " } else { "" };
            let _ = writeln!(out, "#:   column {at} {nullable}{}", list(read_column(column)));
        }
    }
    let rows = |rows: &[Vec<crate::interpret::Value>]| {
        rows.iter().take(SHOWN).fold(String::new(), |out, row| format!("{out}    {}\n", compare::show(row)))
    };
    match outcome(&case.pipeline, &case.values, &case.chunks) {
        Ok(found) if found.faults.is_empty() => {
            let _ = writeln!(out, "expected {} rows\n{}", found.rows.len(), rows(&found.rows));
        }
        Ok(found) => {
            let _ = writeln!(out, "expected a fault of {:?}", found.faults);
        }
        Err(error) => {
            let _ = writeln!(out, "expected {error}");
        }
    }
    match run_on(device, case).map(|output| compare::rows_of(&output)) {
        Ok(Ok(found)) => {
            let _ = writeln!(out, "got {} rows\n{}", found.len(), rows(&found));
        }
        Ok(Err(why)) => {
            let _ = writeln!(out, "got {why}");
        }
        Err(error) => {
            let _ = writeln!(out, "got {error:?}");
        }
    }
    out
}
