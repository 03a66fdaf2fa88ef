//! What a pipeline means: an interpreter, slow and obvious, that every device is compared with.
//!
//! Row by row, value by value: integers are 128 bits wide and floats 64 (an `f32` is rounded as one), NULL is `None`, a
//! group is found in a map. What the documentation of [`program`](crate::program) leaves open is settled here:
//!
//! - A strict node evaluates all of its operands, also where the first is NULL: the other's fault is raised.
//! - A sum raises its fault exactly where the whole sum does not fit, whatever passed on the way; a sum of 128 bits, once
//!   it has passed them.
//! - Of several faults the interpreter returns the first that it meets. A device may return any that any row raises, or that
//!   another operand of the same node raises: [`Outcome::faults`] has them all.
//! - The years that `add_months` stays in are astronomical, as PostgreSQL's own limits: -4713 is 4714 BC.
//! - Groups come in the order in which they were met, rows of top-k that are equal in the order in which they came.
//!
//! Where the host promised something of the data that does not hold (a node without a fault does not fit, a key lies outside
//! of its domain) the meaning is not defined, and the interpreter says so with [`Error::Invalid`].

mod arithmetic;
mod date;
mod device;
mod expr;
mod math;
mod sink;
mod string;
mod value;

use std::sync::Arc;

pub use device::Interpreter;
use expr::{Lookup, Row, Stop};
use sink::State;
pub(crate) use value::write;
pub use value::{Value, compare, read_column, read_table, write_column, write_column_over, zero};

use crate::column::{Chunk, Output};
use crate::error::{Error, Result};
use crate::program::verify::{loops_of_nodes, output_types, verify};
use crate::program::{Fault, LoopId, LoopKind, Pipeline, Scalar, Sink, Statement, ValueType, Values};

/// Runs a pipeline over chunks.
pub fn run(pipeline: &Pipeline, values: &Values, chunks: &[Chunk]) -> Result<Output> {
    let mut machine = Machine::new(Arc::new(pipeline.clone()), values)?;
    chunks.iter().try_for_each(|chunk| machine.push(chunk))?;
    machine.finish()?.output()
}

/// Everything that may come of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The types of the output's columns.
    pub types: Vec<ValueType>,
    /// The rows; of top-k all of them, in order, the limit not yet applied.
    pub rows: Vec<Vec<Value>>,
    /// Of top-k: how many rows, from the first on, are equal in the order, then how many are next, and so on.
    pub ties: Vec<usize>,
    /// Of top-k: how many rows are kept.
    pub limit: Option<u64>,
    /// Every fault that may be reported, the first met first. With one of them there is no output.
    pub faults: Vec<Fault>,
}

impl Outcome {
    /// What a run returns.
    pub fn output(&self) -> Result<Output> {
        if let Some(fault) = self.faults.first() {
            return Err(Error::Fault(*fault));
        }
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let rows = &self.rows[..self.rows.len().min(limit)];
        let column =
            |(at, ty): (usize, &ValueType)| write_column(*ty, &rows.iter().map(|row| row[at].clone()).collect::<Vec<_>>());
        Ok(Output { rows: rows.len(), columns: self.types.iter().enumerate().map(column).collect() })
    }
}

/// Runs a pipeline over chunks, and says everything that a device may answer.
pub fn outcome(pipeline: &Pipeline, values: &Values, chunks: &[Chunk]) -> Result<Outcome> {
    let mut machine = Machine::new(Arc::new(pipeline.clone()), values)?;
    chunks.iter().try_for_each(|chunk| machine.push(chunk))?;
    machine.finish()
}

/// A run under way.
struct Machine {
    pipeline: Arc<Pipeline>,
    types: Vec<ValueType>,
    scalars: Vec<Scalar>,
    tables: Vec<Vec<Value>>,
    indexes: Vec<Lookup>,
    /// For each loop, by its number, the nodes that depend on it.
    dependents: Vec<Vec<usize>>,
    state: State,
    faults: Vec<Fault>,
}

impl Machine {
    fn new(pipeline: Arc<Pipeline>, values: &Values) -> Result<Self> {
        let types = verify(&pipeline)?;
        values.check(&pipeline).map_err(Error::Invalid)?;
        let tables = values.tables.iter().map(|table| read_table(table)).collect();
        let indexes = values.indexes.iter().map(|index| expr::lookup_of(index)).collect();
        let of_nodes = loops_of_nodes(&pipeline);
        let loops = of_nodes.iter().flatten().map(|id| id.0 as usize + 1).max().unwrap_or(0);
        let of = |id: usize| (0..of_nodes.len()).filter(|at| of_nodes[*at].contains(&LoopId(id as u32))).collect();
        let dependents = (0..loops).map(of).collect();
        let state = State::new(&pipeline.sink, &values.scalars);
        Ok(Self { types, scalars: values.scalars.clone(), tables, indexes, dependents, state, faults: Vec::new(), pipeline })
    }

    fn push(&mut self, chunk: &Chunk) -> Result<()> {
        let declared = &self.pipeline.columns;
        let fits = chunk.columns.len() == declared.len()
            && chunk.columns.iter().zip(declared).all(|(column, wanted)| {
                column.rows == chunk.rows
                    && column.ty.ty == wanted.ty
                    && (wanted.nullable || !column.ty.nullable)
                    && column.ty.nullable == column.validity.is_some()
                    && column.bytes.is_some() == (column.ty.ty == crate::program::Type::Text)
            });
        if !fits {
            return Err(Error::Invalid("the chunk's columns are not those that the pipeline declares".to_owned()));
        }
        let columns: Vec<Vec<Value>> = chunk.columns.iter().map(|column| read_column(column)).collect();
        for at in 0..chunk.rows {
            self.state.begin_row();
            let mut row = Row {
                pipeline: &self.pipeline,
                types: &self.types,
                scalars: &self.scalars,
                tables: &self.tables,
                indexes: &self.indexes,
                dependents: &self.dependents,
                currents: vec![None; self.dependents.len()],
                columns: &columns,
                at,
                memo: vec![None; self.pipeline.exprs.len()],
                raised: Vec::new(),
            };
            let end = block(&self.pipeline.body, &self.pipeline.sink, &mut self.state, &mut row);
            for fault in row.raised {
                note(&mut self.faults, fault);
            }
            match end {
                Ok(()) => {}
                // The next rows run all the same, so that every fault is known.
                Err(Stop::Fault(fault)) => note(&mut self.faults, fault),
                Err(Stop::Promise(what)) => return Err(broken(what)),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Outcome> {
        let left = self.state.finish(&self.pipeline.sink);
        let left = left.map_err(|stop| match stop {
            Stop::Fault(fault) => Error::Fault(fault),
            Stop::Promise(what) => broken(what),
        })?;
        let mut faults = self.faults;
        left.raised.into_iter().for_each(|fault| note(&mut faults, fault));
        let limit = match self.pipeline.sink {
            Sink::TopK { limit, .. } => Some(limit),
            Sink::Materialize { .. } | Sink::Bitmap | Sink::Mark { .. } | Sink::Group { .. } => None,
        };
        let types = output_types(&self.pipeline.sink, &self.types);
        Ok(Outcome { types, rows: left.rows, ties: left.ties, limit, faults })
    }
}

fn note(faults: &mut Vec<Fault>, fault: Fault) {
    if !faults.contains(&fault) {
        faults.push(fault);
    }
}

fn broken(what: &str) -> Error {
    Error::Invalid(format!("the host's promise does not hold: {what}"))
}

/// Runs the statements of a block for a row.
fn block(statements: &[Statement], sink: &Sink, state: &mut State, row: &mut Row<'_>) -> Result<(), Stop> {
    for statement in statements {
        match statement {
            Statement::If { condition, then } => {
                if row.is_true(*condition)? {
                    block(then, sink, state, row)?;
                }
            }
            Statement::Loop { id, from, to, kind, condition, then } => {
                let (from, to) = (row.value(*from), row.value(*to));
                let (from, to) = (from?, to?);
                let numbers = match (from, to) {
                    (Some(Scalar::Int(from)), Some(Scalar::Int(to))) => from..to,
                    (_, _) => 0..0,
                };
                let mut counted = false;
                for number in numbers {
                    row.turn(*id, Some(Scalar::Int(number)));
                    let counts = match condition {
                        Some(condition) => row.is_true(*condition)?,
                        None => true,
                    };
                    if !counts {
                        continue;
                    }
                    counted = true;
                    match kind {
                        LoopKind::Each | LoopKind::EachOrNone => block(then, sink, state, row)?,
                        LoopKind::Any => {
                            block(then, sink, state, row)?;
                            break;
                        }
                        LoopKind::None => break,
                    }
                }
                row.turn(*id, None);
                if !counted && matches!(kind, LoopKind::None | LoopKind::EachOrNone) {
                    block(then, sink, state, row)?;
                }
            }
            Statement::Stage => {}
            Statement::Emit => state.emit(sink, row)?,
        }
    }
    Ok(())
}
