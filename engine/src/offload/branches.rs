//! What several chains leave together, and whether all stages of a chain can be lowered.

use warpwise_gpu::program::{Bounds, Pipeline, Type, ValueType};

use super::built::Builds;
use super::lower::{Knowledge, Leaves, Made, lower};
use super::plan::{Branch, End, Stage, Take};
use super::refusal::Refusal;
use super::union::{aligned, foreseen};
use super::value::{InputColumn, Kind};

/// Lowers stages one after the other as far as it can be told now: what the last leaves, and at most how many rows.
pub fn lower_all(
    stages: &[Stage],
    inputs: &[InputColumn],
    rows: u64,
    knowledge: Knowledge,
    builds: &Builds,
) -> Result<(Option<Leaves>, Option<usize>), Refusal> {
    lower_into(stages, inputs, rows, knowledge, builds, &mut Vec::new())
}

/// The same; notes the programs in the order in which they run.
pub fn lower_into(
    stages: &[Stage],
    inputs: &[InputColumn],
    rows: u64,
    knowledge: Knowledge,
    builds: &Builds,
    programs: &mut Vec<Pipeline>,
) -> Result<(Option<Leaves>, Option<usize>), Refusal> {
    let (mut left, mut most): (Option<Leaves>, Option<usize>) = (None, None);
    let (mut inputs, mut knowledge) = (inputs.to_vec(), knowledge);
    for stage in stages {
        let (leaves, rows) = lower_stage(stage, &inputs, rows, knowledge, builds, programs)?;
        // Of what a stage leaves no more is known when it has run.
        knowledge = Knowledge::Data;
        most = rows.or(most);
        inputs = leaves.inputs(&stage.output).0;
        left = Some(leaves);
    }
    Ok((left, most))
}

fn lower_stage(
    stage: &Stage,
    inputs: &[InputColumn],
    rows: u64,
    knowledge: Knowledge,
    builds: &Builds,
    programs: &mut Vec<Pipeline>,
) -> Result<(Leaves, Option<usize>), Refusal> {
    if let End::Branches(branches) = &stage.end {
        let mut parts = Vec::new();
        let mut most = Some(0usize);
        for branch in branches {
            let (leaves, rows) = match lower_into(&branch.stages, inputs, rows, knowledge, builds, programs)? {
                (Some(leaves), rows) => (leaves, rows),
                (None, _) => (as_they_are(inputs), None),
            };
            most = most.zip(rows).and_then(|(most, rows)| most.checked_add(rows));
            parts.push((leaves, branch));
        }
        let parts: Vec<(&Leaves, &Branch)> = parts.iter().map(|(leaves, branch)| (leaves, *branch)).collect();
        return Ok((described(&parts)?.picked(stage.picked.as_deref()), most));
    }
    if let End::Union(union) = &stage.end {
        let (own, most) = match stage.steps.as_slice() {
            [] => (as_they_are(inputs), None),
            _ => lower_stage(&stage.keeping(), inputs, rows, knowledge, builds, programs)?,
        };
        let others = union.others.iter().map(|(number, _)| match builds.get(number) {
            Some(other) => Ok(foreseen(other)),
            None => Err(Refusal::new("a union", "one of its inputs has not run")),
        });
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<&Leaves> = std::iter::once(&own).chain(&others).collect();
        return Ok((aligned(&parts)?.leaves().picked(stage.picked.as_deref()), most.filter(|_| others.is_empty())));
    }
    match (lower(stage, inputs, rows, knowledge, builds), &stage.instead) {
        (Ok(lowered), _) => {
            let most = lowered.most_rows();
            programs.push(lowered.pipeline);
            Ok((lowered.leaves, most))
        }
        (Err(refusal), Some(instead)) => match lower_into(instead, inputs, rows, knowledge, builds, programs)? {
            (Some(leaves), most) => Ok((leaves.picked(stage.picked.as_deref()), most)),
            (None, _) => Err(refusal),
        },
        (Err(refusal), None) => Err(refusal),
    }
}

/// Inputs as what a stage left.
fn as_they_are(inputs: &[InputColumn]) -> Leaves {
    let made = inputs.iter().enumerate().map(|(at, input)| match &input.formula {
        None => Made::Column { at, kind: input.kind.clone() },
        Some(formula) => Made::Computed(formula.clone()),
    });
    Leaves {
        made: made.collect(),
        types: inputs.iter().map(|input| input.ty).collect(),
        ranges: inputs.iter().map(|input| input.range).collect(),
    }
}

/// What the columns are in which all parts leave their rows.
pub fn described(parts: &[(&Leaves, &Branch)]) -> Result<Leaves, Refusal> {
    let columns = parts.first().map_or(0, |(_, branch)| branch.columns.len());
    let mut all = Leaves { made: Vec::new(), types: Vec::new(), ranges: Vec::new() };
    for at in 0..columns {
        let mut found: Option<(Kind, ValueType)> = None;
        let mut nullable = false;
        let mut range: Option<Option<Bounds>> = None;
        for (leaves, branch) in parts {
            let (kind, ty, bounds) = match branch.columns[at] {
                Take::Null => {
                    nullable = true;
                    continue;
                }
                Take::Number(number) => (Kind::Integer, ValueType::of(Type::I64), Some((number.into(), number.into()))),
                Take::Column(from) | Take::Count(from) => match &leaves.made[from] {
                    Made::Column { at, kind } => (kind.clone(), leaves.types[*at], leaves.ranges[*at]),
                    Made::Computed(formula) => (formula.what.kind(), formula.what.ty(), formula.what.range()),
                },
            };
            nullable |= ty.nullable && !matches!(branch.columns[at], Take::Count(_));
            range = Some(match range {
                None => bounds,
                Some(known) => known.zip(bounds).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1))),
            });
            found = Some(match found {
                None => (kind, ty),
                Some((known, wide)) => {
                    if !same(&known, &kind) {
                        return Err(Refusal::new("several chains", format!("{} beside {}", known.name(), kind.name())));
                    }
                    let wider = if wide.ty.bits() >= ty.ty.bits() { wide } else { ty };
                    (both(known, &kind), wider)
                }
            });
        }
        let (kind, ty) = found.unwrap_or((Kind::Integer, ValueType::nullable(Type::I32)));
        all.made.push(Made::Column { at, kind });
        all.types.push(ValueType { ty: ty.ty, nullable });
        // With NULL beside it, a range is still that of what is not NULL.
        all.ranges.push(range.flatten());
    }
    Ok(all)
}

/// What values of two kinds that are the same are together.
fn both(a: Kind, b: &Kind) -> Kind {
    match a {
        Kind::Plain { ascii } => Kind::Plain { ascii: ascii && b.is_ascii() },
        other => other,
    }
}

/// Whether numbers of both kinds mean the same.
fn same(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::Text(a), Kind::Text(b)) => a.same(b),
        (Kind::Decimal { scale: a }, Kind::Decimal { scale: b }) => a == b,
        (Kind::Timestamp { unit: a, .. }, Kind::Timestamp { unit: b, .. }) => a == b,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
