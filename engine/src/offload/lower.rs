//! A stage as a row program, over columns whose form is known.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{Block, ExprId, Pipeline, Sink, Statement, Strategy, ValueType, Values, verify};

use super::plan::{End, Stage, Step};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope, Slot};
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
    /// What its output means: one for each column of the stage's output.
    pub made: Vec<Made>,
    /// The types of the output's columns.
    pub types: Vec<ValueType>,
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
    /// The quotient of two of them, of floats: NULL where nothing was counted.
    Average {
        /// The sum.
        sum: usize,
        /// The count.
        count: usize,
    },
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
}

impl Shape {
    /// A sink that leaves these columns as they are.
    pub fn keeping(sink: Sink, left: Vec<Left>) -> Self {
        let made = left.into_iter().enumerate().map(|(at, left)| Made::Column { at, kind: left.kind }).collect();
        Self { sink, made }
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

/// Lowers a stage over `inputs`, one for each column of the stage's input, which has at most `rows` rows.
pub fn lower(stage: &Stage, inputs: &[InputColumn], rows: u64, knowledge: Knowledge) -> Result<Lowered, Refusal> {
    let mut l = Lowering::new(inputs, knowledge);
    let mut scope = Scope::of_inputs(Arc::clone(&stage.input), &(0..inputs.len()).collect::<Vec<_>>());
    let mut conditions = Vec::new();
    for step in &stage.steps {
        match step {
            Step::Filter(predicate) => conditions.extend(l.conditions(predicate, &scope)?),
            Step::Project(exprs, schema) => {
                let slots = exprs.iter().map(|e| Slot::Computed(Arc::clone(e), Rc::clone(&scope))).collect();
                scope = Scope::new(Arc::clone(schema), slots);
            }
            Step::Pick(columns, schema) => scope = scope.projected(Arc::clone(schema), columns),
        }
    }
    let Shape { sink, made } = match &stage.end {
        End::Keep => {
            let kept = l.kept(&scope)?;
            let columns = kept.iter().map(|left| left.node).collect();
            Shape::keeping(Sink::Materialize { columns }, kept)
        }
        End::Group { keys, aggregates, partial } => {
            if *partial && aggregates.iter().any(|(a, _)| a.fun().name() == "avg" || a.is_distinct()) {
                return Err(Refusal::new("a partial aggregate", "its state of avg or DISTINCT has no device form"));
            }
            l.group(keys, aggregates, &scope, rows, knowledge)?
        }
        End::TopK { order, limit } => {
            let kept = l.kept(&scope)?;
            l.top_k(order, *limit, &scope, kept)?
        }
    };
    let mut body: Block = vec![Statement::Emit];
    for condition in conditions.into_iter().rev() {
        body = vec![Statement::If { condition, then: body }];
    }
    let used = std::mem::take(&mut l.used);
    let (mut pipeline, values, columns) = l.b.finish(body, sink);
    pipeline.place_stages();
    let types = verify::verify(&pipeline).map_err(|error| {
        tracing::error!("a program that does not verify: {error}\n{pipeline}");
        Refusal::new("the program", format!("it does not verify: {error}"))
    })?;
    let types = verify::output_types(&pipeline.sink, &types);
    let made = match &stage.picked {
        Some(picked) => picked.iter().map(|at| made[*at].clone()).collect(),
        None => made,
    };
    let reads = columns.into_iter().map(|column| used[column.0 as usize]).collect();
    Ok(Lowered { pipeline, values, reads, made, types })
}

impl Lowering<'_> {
    /// All columns of a scope.
    fn kept(&mut self, scope: &Rc<Scope>) -> Result<Vec<Left>, Refusal> {
        let each = (0..scope.schema.fields().len()).map(|at| {
            let value = self.column(at, scope)?;
            Ok(Left { node: value.node, kind: value.kind })
        });
        each.collect()
    }
}

impl Lowered {
    /// The most rows that it can leave, where its sink says so.
    pub fn most_rows(&self) -> Option<usize> {
        match &self.pipeline.sink {
            Sink::Group { strategy: Strategy::Single, .. } => Some(1),
            Sink::Group { keys, strategy: Strategy::Dense, .. } => {
                Some(keys.iter().filter_map(|key| key.domain).map(|domain| domain.size as usize + 1).product())
            }
            Sink::TopK { limit, .. } => usize::try_from(*limit).ok(),
            Sink::Group { strategy: Strategy::Hash, .. } | Sink::Materialize { .. } | Sink::Bitmap => None,
        }
    }

    /// The columns that the next stage reads: this one's output.
    pub fn as_inputs(&self, stage: &Stage) -> Vec<InputColumn> {
        let fields = stage.output.fields().iter();
        let input = |(field, made): (&Arc<arrow::datatypes::Field>, &Made)| {
            let (name, data_type) = (field.name().clone(), field.data_type().clone());
            match made {
                Made::Column { at, kind } => {
                    InputColumn { name, data_type, ty: self.types[*at], kind: kind.clone(), range: None, refused: None }
                }
                Made::Average { .. } => InputColumn {
                    refused: Some("what follows an average of floats runs in DataFusion".to_owned()),
                    ty: ValueType::nullable(warpwise_gpu::program::Type::F64),
                    kind: Kind::Float,
                    range: None,
                    name,
                    data_type,
                },
            }
        };
        fields.zip(&self.made).map(input).collect()
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
            InputColumn { name, data_type, ty: ValueType::nullable(ty), kind, range, refused: None }
        }
        None => InputColumn {
            refused: Some(format!("type {data_type} has no device form")),
            ty: ValueType::nullable(warpwise_gpu::program::Type::I32),
            kind: Kind::Integer,
            range: None,
            name,
            data_type,
        },
    }
}
