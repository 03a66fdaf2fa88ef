//! GROUPING SETS, ROLLUP and CUBE: a chain for each set, over the groups of all keys where these can be folded again.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::PhysicalGroupBy;
use warpwise_gpu::program::BitOp;

use super::distinct::apart;
use super::plan::{Again, Aggregated, Branch, End, Stage, Take};

/// How groups of an aggregate become one.
fn again(aggregate: &Aggregated) -> Option<Again> {
    match aggregate.name.as_str() {
        _ if aggregate.distinct || aggregate.ordered => None,
        "count" | "sum" => Some(Again::Sum),
        "min" | "bool_and" => Some(Again::Least),
        "max" | "bool_or" => Some(Again::Greatest),
        "bit_and" => Some(Again::Bits(BitOp::And)),
        "bit_or" => Some(Again::Bits(BitOp::Or)),
        "bit_xor" => Some(Again::Bits(BitOp::Xor)),
        _ => None,
    }
}

/// The stages that group the rows of an open stage by several sets; the number of the set, as DataFusion makes it, stands
/// between keys and aggregates. `None` where that number has no device form.
pub fn stages(open: &Stage, by: &PhysicalGroupBy, aggregates: &[Aggregated], output: &SchemaRef) -> Option<Vec<Stage>> {
    let keys: Vec<Arc<dyn PhysicalExpr>> = by.expr().iter().map(|(key, _)| Arc::clone(key)).collect();
    if *output.field(keys.len()).data_type() == DataType::UInt64 {
        return None;
    }
    let folded: Option<Vec<Again>> = aggregates.iter().map(again).collect();
    let whole = by.groups().iter().any(|set| set.iter().all(|left_out| !left_out));
    let mut stages = Vec::new();
    let finest = match folded {
        // Where no set has all keys, grouping by all of them may be more work than the sets are.
        Some(folded) if whole && by.groups().len() > 1 => {
            let all: Vec<usize> = (0..keys.len()).collect();
            stages.push(group(open, &keys, &all, aggregates, output));
            Some(folded)
        }
        _ => None,
    };
    let mut branches = Vec::new();
    for (number, set) in by.groups().iter().enumerate() {
        let kept: Vec<usize> = (0..keys.len()).filter(|at| !set[*at]).collect();
        let earlier = by.groups()[..number].iter().filter(|other| *other == set).count();
        let id = set.iter().fold(0i64, |id, left_out| id << 1 | i64::from(*left_out)) | (earlier as i64) << keys.len();
        let own = match &finest {
            None => vec![group(open, &keys, &kept, aggregates, output)],
            Some(_) if kept.len() == keys.len() => vec![],
            Some(folded) => {
                let folded = folded.iter().enumerate().map(|(at, how)| (keys.len() + at, *how)).collect();
                let end = End::Merge { keys: kept.clone(), folded };
                let input = fields(output, &(0..keys.len()).collect::<Vec<_>>(), keys.len());
                vec![Stage { end, output: fields(output, &kept, keys.len()), ..Stage::over(input) }]
            }
        };
        let of_key = |at: usize| kept.iter().position(|kept| *kept == at).map_or(Take::Null, Take::Column);
        let of_aggregate = |(at, aggregate): (usize, &Aggregated)| {
            let at = kept.len() + at;
            if aggregate.name == "count" { Take::Count(at) } else { Take::Column(at) }
        };
        let columns = (0..keys.len())
            .map(of_key)
            .chain([Take::Number(id)])
            .chain(aggregates.iter().enumerate().map(of_aggregate))
            .collect();
        branches.push(Branch { stages: own, columns });
    }
    let input = stages.last().map_or_else(|| Arc::clone(&open.input), |finest| Arc::clone(&finest.output));
    stages.push(Stage {
        input,
        steps: Vec::new(),
        end: End::Branches(branches),
        picked: None,
        output: Arc::clone(output),
        instead: None,
    });
    Some(stages)
}

/// The fields of some of the keys, and of the aggregates behind the number.
fn fields(output: &SchemaRef, kept: &[usize], keys: usize) -> SchemaRef {
    let places = kept.iter().copied().chain(keys + 1..output.fields().len());
    Arc::new(Schema::new(places.map(|at| Arc::clone(&output.fields()[at])).collect::<Vec<_>>()))
}

/// The rows of an open stage grouped by one set.
fn group(open: &Stage, keys: &[Arc<dyn PhysicalExpr>], kept: &[usize], aggregates: &[Aggregated], output: &SchemaRef) -> Stage {
    let output = fields(output, kept, keys.len());
    let keys: Vec<_> = kept.iter().map(|at| Arc::clone(&keys[*at])).collect();
    let instead = apart(open, &keys, aggregates, &output);
    let end = End::Group { keys, aggregates: aggregates.to_vec(), partial: false };
    Stage { end, output, instead, ..open.clone() }
}
