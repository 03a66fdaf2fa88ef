//! Aggregates over distinct values of any number: grouped by the keys and the value first, then by the keys alone.
//!
//! Several arguments take a chain each over the same rows, and the aggregates without DISTINCT one more. What the chains leave
//! has the same keys, and is grouped by them once more, each column having a value from one chain alone.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CaseExpr, Column};

use super::plan::{Again, Aggregated, Branch, End, Stage, Take};

/// An argument of which distinct values are wanted, and for which aggregates.
struct Distinct {
    argument: Arc<dyn PhysicalExpr>,
    wanted: Vec<usize>,
}

/// The stages that group the rows of an open stage without a set of values in any group; `None` where nothing is distinct, or
/// not of one argument.
pub fn apart(open: &Stage, keys: &[Arc<dyn PhysicalExpr>], aggregates: &[Aggregated], output: &SchemaRef) -> Option<Vec<Stage>> {
    let mut distinct: Vec<Distinct> = Vec::new();
    let mut plain = Vec::new();
    for (at, aggregate) in aggregates.iter().enumerate() {
        if !aggregate.distinct {
            plain.push(at);
            continue;
        }
        let [argument] = aggregate.arguments.as_slice() else { return None };
        let argument = match &aggregate.filter {
            None => Arc::clone(argument),
            // What is passed over is NULL, of which there is no value.
            Some(filter) => Arc::new(CaseExpr::try_new(None, vec![(Arc::clone(filter), Arc::clone(argument))], None).ok()?),
        };
        match distinct.iter_mut().find(|known| known.argument.eq(&argument)) {
            Some(known) => known.wanted.push(at),
            None => distinct.push(Distinct { argument, wanted: vec![at] }),
        }
    }
    if distinct.is_empty() {
        return None;
    }
    let count = keys.len();
    let mut chains = Vec::new();
    for Distinct { argument, wanted } in distinct {
        let stages = of_values(open, keys, &argument, &wanted, aggregates, output)?;
        chains.push((stages, wanted));
    }
    if !plain.is_empty() {
        let stage = Stage {
            end: End::Group {
                keys: keys.to_vec(),
                aggregates: plain.iter().map(|at| aggregates[*at].clone()).collect(),
                partial: false,
            },
            output: fields(output, count, &plain),
            ..open.clone()
        };
        chains.push((vec![stage], plain));
    }
    if chains.len() == 1 {
        return chains.pop().map(|(stages, _)| stages);
    }
    let branches = chains.into_iter().map(|(stages, wanted)| {
        let keys = (0..count).map(Take::Column);
        let own = |at: usize| wanted.iter().position(|own| *own == at).map_or(Take::Null, |own| Take::Column(count + own));
        Branch { stages, columns: keys.chain((0..aggregates.len()).map(own)).collect() }
    });
    let branches = Stage {
        input: Arc::clone(&open.input),
        steps: Vec::new(),
        end: End::Branches(branches.collect()),
        picked: None,
        output: Arc::clone(output),
        instead: None,
    };
    let folded = (0..aggregates.len()).map(|at| (count + at, Again::Greatest)).collect();
    let merge = Stage { end: End::Merge { keys: (0..count).collect(), folded }, ..Stage::over(Arc::clone(output)) };
    Some(vec![branches, merge])
}

/// The keys' fields, and those of some aggregates.
fn fields(output: &SchemaRef, keys: usize, aggregates: &[usize]) -> SchemaRef {
    let places = (0..keys).chain(aggregates.iter().map(|at| keys + at));
    Arc::new(Schema::new(places.map(|at| Arc::clone(&output.fields()[at])).collect::<Vec<_>>()))
}

/// Groups by keys and value, then by the keys.
fn of_values(
    open: &Stage,
    keys: &[Arc<dyn PhysicalExpr>],
    argument: &Arc<dyn PhysicalExpr>,
    wanted: &[usize],
    aggregates: &[Aggregated],
    output: &SchemaRef,
) -> Option<Vec<Stage>> {
    let value = Field::new("value", argument.data_type(&open.output).ok()?, true);
    let inner = output.fields()[..keys.len()].iter().cloned().chain([Arc::new(value)]);
    let inner: SchemaRef = Arc::new(Schema::new(inner.collect::<Vec<_>>()));
    let all = keys.iter().cloned().chain([Arc::clone(argument)]).collect();
    let values = Stage {
        end: End::Group { keys: all, aggregates: Vec::new(), partial: false },
        output: Arc::clone(&inner),
        ..open.clone()
    };
    let column = |at: usize| Arc::new(Column::new(inner.field(at).name(), at)) as Arc<dyn PhysicalExpr>;
    let aggregates = wanted.iter().map(|at| Aggregated {
        arguments: vec![column(keys.len())],
        distinct: false,
        filter: None,
        ..aggregates[*at].clone()
    });
    let end = End::Group { keys: (0..keys.len()).map(column).collect(), aggregates: aggregates.collect(), partial: false };
    let groups = Stage { end, output: fields(output, keys.len(), wanted), ..Stage::over(inner) };
    Some(vec![values, groups])
}
