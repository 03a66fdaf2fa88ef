//! A stage as a row program, over columns whose form is known.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{
    AggregateOp, Block, Bounds, ExprId, LoopId, LoopKind, Pipeline, Sink, Statement, Strategy, Type, ValueType, Values, verify,
};

use super::built::Builds;
use super::formula::Formula;
use super::numbered::Numbered;
use super::order::{Tests, ordered};
use super::partner_groups::Taking;
use super::plan::{Aggregated, End, Join, Stage, Step};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope, Slot};
use super::sort::Sorting;
use super::value::{InputColumn, Kind};

/// A stage, lowered.
#[derive(Debug)]
pub struct Lowered {
    /// The program.
    pub pipeline: Pipeline,
    /// Its parameters for this run.
    pub values: Values,
    /// Which input columns it reads, in the order of the program's.
    pub reads: Vec<usize>,
    /// What it leaves.
    pub leaves: Leaves,
    /// Columns that the sink leaves as numbers, and that get their values back.
    pub numbered: Vec<Numbered>,
    /// How many rows one row becomes at most.
    pub fan_out: u64,
    /// What is taken from a join's partner when it has run.
    pub taking: Option<Taking>,
    /// How rows are sorted when all have run.
    pub sorting: Option<Sorting>,
    /// Which values it says whether they are there, where that is all that it leaves.
    pub present: Option<Present>,
}

/// Values of which each is there or not.
#[derive(Debug, Clone)]
pub struct Present {
    /// The least and the greatest.
    pub range: Bounds,
    /// How to read them.
    pub kind: Kind,
    /// The type that they are stored in.
    pub ty: Type,
}

/// What a stage leaves.
#[derive(Debug, Clone)]
pub struct Leaves {
    /// What its output means: one for each column of the stage's output.
    pub made: Vec<Made>,
    /// The types of the output's columns.
    pub types: Vec<ValueType>,
    /// What they lie in, as far as that is known.
    pub ranges: Vec<Option<Bounds>>,
}

/// What a column of a stage's output is.
#[derive(Debug, Clone)]
pub enum Made {
    /// A column that the sink leaves.
    Column {
        /// Which.
        at: usize,
        /// How to read it.
        kind: Kind,
    },
    /// What is computed from several of them.
    Computed(Formula),
}

/// A kept column.
#[derive(Debug)]
pub struct Left {
    /// Its node.
    pub node: ExprId,
    /// How to read it.
    pub kind: Kind,
}

/// A sink, and what it leaves.
#[derive(Debug)]
pub struct Shape {
    /// The sink.
    pub sink: Sink,
    /// A column each.
    pub made: Vec<Made>,
    /// Columns that the sink leaves as numbers of values.
    pub numbered: Vec<Numbered>,
    /// What is taken from a join's partner when the sink has run.
    pub taking: Option<Taking>,
    /// How the rows are sorted then.
    pub sorting: Option<Sorting>,
}

impl Shape {
    /// A sink that leaves these columns as they are.
    pub fn keeping(sink: Sink, left: Vec<Left>) -> Self {
        let made = left.into_iter().enumerate().map(|(at, left)| Made::Column { at, kind: left.kind }).collect();
        Self { sink, made, numbered: Vec::new(), taking: None, sorting: None }
    }
}

/// Whether all that data decides is known: how columns are stored and what lies in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// It is.
    Data,
    /// Only types are: what data may refuse is not refused, or refused [as theirs](Refusal::by_data).
    Types,
}

/// What stands around all that happens to a row from there on.
#[derive(Debug, Clone)]
pub enum Around {
    /// A test that it passes.
    If(ExprId),
    /// The tests of a join, which may be asked before those of others.
    Tests(Tests),
    /// The rows that it meets.
    Loop {
        /// The loop's number.
        id: LoopId,
        /// The first row.
        from: ExprId,
        /// Behind the last row.
        to: ExprId,
        /// How often it goes on.
        kind: LoopKind,
        /// Which rows count.
        condition: Option<ExprId>,
    },
}

/// Lowers a stage over `inputs`, one for each column of the stage's input, which has at most `rows` rows. The build sides of
/// its joins are among `builds`.
pub fn lower(
    stage: &Stage,
    inputs: &[InputColumn],
    rows: u64,
    knowledge: Knowledge,
    builds: &Builds,
) -> Result<Lowered, Refusal> {
    let mut l = Lowering::new(inputs);
    let of = |join: &Join| builds.get(&join.id).ok_or_else(|| Refusal::new("a join", "its build side has not run"));
    l.certain = knowledge == Knowledge::Data && stage.joins().all(|join| of(join).is_ok_and(|built| built.certain));
    let mut scope = Scope::of_inputs(Arc::clone(&stage.input), &(0..stage.input.fields().len()).collect::<Vec<_>>());
    let mut around = Vec::new();
    for step in &stage.steps {
        match step {
            Step::Filter(predicate) => around.extend(l.conditions(predicate, &scope)?.into_iter().map(Around::If)),
            Step::Join(join) => scope = l.join(join, of(join)?, &scope, &mut around)?,
            Step::Project(exprs, schema) => {
                let slots = exprs.iter().map(|e| Slot::Computed(Arc::clone(e), Rc::clone(&scope))).collect();
                scope = Scope::new(Arc::clone(schema), slots);
            }
            Step::Pick(columns, schema) => scope = scope.projected(Arc::clone(schema), columns),
        }
    }
    let fan_out = l.fan_out;
    let rows = rows.saturating_mul(fan_out);
    let mut present = None;
    let Shape { sink, made, numbered, taking, sorting } = match &stage.end {
        End::Keep => {
            let kept = l.kept(&scope)?;
            let columns = kept.iter().map(|left| left.node).collect();
            Shape::keeping(Sink::Materialize { columns }, kept)
        }
        End::Group { keys, aggregates, partial } => {
            // Of these alone the state is the value.
            let whole = |a: &Aggregated| !a.distinct && WHOLE.contains(&a.name.as_str());
            if *partial && let Some(other) = aggregates.iter().find(|a| !whole(a)) {
                return Err(Refusal::new(&other.shown, "its state between a partial and a final step has no device form"));
            }
            l.group(keys, aggregates, &scope, rows, knowledge)?
        }
        End::Passing => {
            let made = vec![Made::Column { at: 0, kind: Kind::Boolean }];
            Shape { sink: Sink::Bitmap, made, numbered: Vec::new(), taking: None, sorting: None }
        }
        End::Mark => l.mark()?,
        End::Present(column) => {
            let (shape, values) = l.present(*column, &scope)?;
            present = Some(values);
            shape
        }
        End::Merge { keys, folded } => l.merge(keys, folded, &scope, rows)?,
        End::Union(_) => return Err(Refusal::new("several chains", "they have no program of their own")),
        End::Branches(_) => return Err(Refusal::new("several chains", "they have no program of their own")),
        End::TopK { order, limit } => {
            let kept = l.kept(&scope)?;
            l.top_k(order, *limit, &scope, kept)?
        }
        End::Sort { order, most } => {
            let kept = l.kept(&scope)?;
            l.sort(order, *most, &scope, kept)?
        }
    };
    let mut body: Block = vec![Statement::Emit];
    for around in ordered(around).into_iter().rev() {
        body = match around {
            Around::If(condition) => vec![Statement::If { condition, then: body }],
            Around::Tests(tests) => tests.around(body),
            Around::Loop { id, from, to, kind, condition } => {
                vec![Statement::Loop { id, from, to, kind, condition, then: body }]
            }
        };
    }
    let used = std::mem::take(&mut l.used);
    let mut ranges = l.ranges(&sink, rows);
    let (mut pipeline, values, columns) = l.b.finish(body, sink);
    pipeline.place_stages();
    let types = verify::verify(&pipeline).map_err(|error| {
        tracing::error!("a program that does not verify: {error}\n{pipeline}");
        Refusal::new("the program", format!("it does not verify: {error}"))
    })?;
    let mut types = verify::output_types(&pipeline.sink, &types);
    for column in &numbered {
        types[column.at].ty = column.ty;
        ranges[column.at] = column.range();
    }
    let (types, ranges) = match &taking {
        Some(taking) => taking.described(&types, &ranges),
        None => (types, ranges),
    };
    let made = match &stage.picked {
        Some(picked) => picked.iter().map(|at| made[*at].clone()).collect(),
        None => made,
    };
    let reads = columns.into_iter().map(|column| used[column.0 as usize]).collect();
    Ok(Lowered { pipeline, values, reads, leaves: Leaves { made, types, ranges }, fan_out, numbered, taking, sorting, present })
}

impl Lowering<'_> {
    /// What the columns that a sink leaves of at most so many rows lie in.
    fn ranges(&self, sink: &Sink, rows: u64) -> Vec<Option<Bounds>> {
        let of = |id: &ExprId| self.b.bounds(*id);
        match sink {
            Sink::Materialize { columns } | Sink::TopK { columns, .. } => columns.iter().map(of).collect(),
            Sink::Bitmap | Sink::Mark { .. } => vec![None],
            Sink::Group { keys, aggregates, .. } => {
                let aggregates = aggregates.iter().map(|aggregate| match aggregate.op {
                    AggregateOp::Count | AggregateOp::CountDistinct(_) => Some((0, rows.into())),
                    AggregateOp::Min | AggregateOp::Max => aggregate.input.as_ref().and_then(of),
                    AggregateOp::Sum { ty: Type::I64 | Type::I128, .. } => {
                        aggregate.input.as_ref().and_then(of).and_then(|(low, high)| {
                            let rows = i128::from(rows);
                            Some((low.min(0).checked_mul(rows)?, high.max(0).checked_mul(rows)?))
                        })
                    }
                    AggregateOp::Sum { .. }
                    | AggregateOp::SumDistinct(_)
                    | AggregateOp::Bits(_)
                    | AggregateOp::Deviations { .. } => None,
                });
                keys.iter().map(|key| of(&key.expr)).chain(aggregates).collect()
            }
        }
    }

    /// All columns of a scope.
    fn kept(&mut self, scope: &Rc<Scope>) -> Result<Vec<Left>, Refusal> {
        let each = (0..scope.schema.fields().len()).map(|at| {
            let value = self.column(at, scope)?;
            Ok(Left { node: value.node, kind: value.kind })
        });
        each.collect()
    }
}

/// Aggregates whose state is their value.
const WHOLE: [&str; 7] = ["count", "sum", "min", "max", "bit_and", "bit_or", "bit_xor"];

impl Lowered {
    /// The most rows that it can leave, where its sink says so.
    pub fn most_rows(&self) -> Option<usize> {
        match &self.pipeline.sink {
            Sink::Group { strategy: Strategy::Single, .. } => Some(1),
            Sink::Group { keys, strategy: Strategy::Dense, .. } => {
                Some(keys.iter().filter_map(|key| key.domain).map(|domain| domain.size as usize + 1).product())
            }
            Sink::TopK { limit, .. } => usize::try_from(*limit).ok(),
            Sink::Group { strategy: Strategy::Hash, .. } | Sink::Materialize { .. } | Sink::Bitmap | Sink::Mark { .. } => None,
        }
    }
}

impl Leaves {
    /// The columns that a next stage reads, with the number of the output's column that each is. Behind those of the schema
    /// stand those that others are computed from.
    pub fn inputs(&self, schema: &SchemaRef) -> (Vec<InputColumn>, Vec<usize>) {
        let stored = |name: String, data_type: DataType, at: usize, kind: Kind| {
            let (ty, range) = (self.types[at], self.ranges[at]);
            InputColumn { name, data_type, ty, kind, range, present: None, refused: None, formula: None }
        };
        let (mut inputs, mut places, mut formulas) = (Vec::new(), Vec::new(), Vec::new());
        for (field, made) in schema.fields().iter().zip(&self.made) {
            let (name, data_type) = (field.name().clone(), field.data_type().clone());
            match made {
                Made::Column { at, kind } => {
                    inputs.push(stored(name, data_type, *at, kind.clone()));
                    places.push(*at);
                }
                Made::Computed(formula) => {
                    formulas.push((inputs.len(), formula));
                    inputs.push(InputColumn {
                        ty: formula.what.ty(),
                        kind: formula.what.kind(),
                        range: None,
                        present: None,
                        refused: None,
                        formula: None,
                        name,
                        data_type,
                    });
                    places.push(usize::MAX);
                }
            }
        }
        let first = inputs.len();
        for (computed, formula) in formulas {
            let mut of = Vec::new();
            for at in &formula.of {
                // Several may be computed from one column.
                let known = places[first..].iter().position(|place| place == at);
                of.push(known.map_or(inputs.len(), |known| first + known));
                if known.is_none() {
                    let kind = if self.types[*at].ty.is_float() { Kind::Float } else { Kind::Integer };
                    inputs.push(stored(format!("part {at}"), DataType::Null, *at, kind));
                    places.push(*at);
                }
            }
            inputs[computed].formula = Some(Formula { what: formula.what, of });
        }
        (inputs, places)
    }

    /// With some of its columns alone.
    pub fn picked(mut self, picked: Option<&[usize]>) -> Self {
        if let Some(picked) = picked {
            self.made = picked.iter().map(|at| self.made[*at].clone()).collect();
        }
        self
    }
}

/// A column of which only the SQL type is known.
pub fn of_type(name: &str, data_type: &DataType) -> InputColumn {
    let (name, data_type) = (name.to_owned(), data_type.clone());
    match Kind::of(&data_type) {
        Some((kind, ty)) => {
            let range = match data_type {
                DataType::Decimal32(p, _) | DataType::Decimal64(p, _) | DataType::Decimal128(p, _) => {
                    power_of_ten(p.into()).map(|beyond| (1 - beyond, beyond - 1))
                }
                _ => None,
            };
            InputColumn { name, data_type, ty: ValueType::nullable(ty), kind, range, present: None, refused: None, formula: None }
        }
        None => InputColumn {
            refused: Some(format!("type {data_type} has no device form")),
            ty: ValueType::nullable(Type::I32),
            kind: Kind::Integer,
            range: None,
            present: None,
            formula: None,
            name,
            data_type,
        },
    }
}
