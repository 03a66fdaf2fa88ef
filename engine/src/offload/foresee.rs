//! What is known of a chain before it runs: whether a device refuses it, and what it will leave.

use std::sync::Arc;

use warpwise_gpu::program::Pipeline;

use super::branches::lower_into;
use super::built::Builds;
use super::lower::{Knowledge, Leaves};
use super::plan::{Chain, End, Join, Stage, Union};
use super::refusal::Refusal;
use crate::exec::build::{columns_of, expected};
use crate::exec::inputs::Inputs;

/// What a chain will leave.
#[derive(Debug)]
pub struct Foreseen {
    /// Its columns.
    pub leaves: Leaves,
    /// At most so many rows, where that is known.
    pub most: Option<usize>,
    /// Its programs and those of its build sides, each with the name of the table at its begin, in the order in which they
    /// run.
    pub programs: Vec<(String, Pipeline)>,
}

/// Lowers a chain and its build sides with what is known now; `knowledge` becomes less where columns of a table are not loaded
/// yet. `None` where that decides: it shows when they are, and where a device then refuses, DataFusion runs the chain.
pub fn foresee(chain: &Chain, inputs: &Inputs, knowledge: &mut Knowledge) -> Result<Option<Foreseen>, Refusal> {
    let segments = inputs.look(chain)?;
    let (columns, complete) = inputs.expected(chain, &segments);
    if !complete {
        *knowledge = Knowledge::Types;
    }
    let mut builds = Builds::new();
    let mut programs = Vec::new();
    for join in joins(&chain.stages) {
        if builds.contains_key(&join.id) {
            continue;
        }
        let mut of_build = Knowledge::Data;
        let foreseen = foresee(&join.build, inputs, &mut of_build);
        if of_build == Knowledge::Types {
            *knowledge = Knowledge::Types;
        }
        let Some(foreseen) = foreseen? else { return Ok(None) };
        programs.extend(foreseen.programs);
        let built = expected(&join, &foreseen.leaves, of_build == Knowledge::Data);
        let built = built.map_err(|error| Refusal::new(format!("{} join", join.kind.name()), error.to_string()))?;
        builds.insert(join.id, Arc::new(built));
    }
    for union in unions(&chain.stages) {
        for (number, other) in &union.others {
            let mut of_other = Knowledge::Data;
            let foreseen = foresee(other, inputs, &mut of_other);
            if of_other == Knowledge::Types {
                *knowledge = Knowledge::Types;
            }
            let Some(foreseen) = foreseen? else { return Ok(None) };
            programs.extend(foreseen.programs);
            let columns = columns_of(&foreseen.leaves).map_err(|error| Refusal::new("a union", error.to_string()))?;
            builds.insert(*number, Arc::new(columns));
        }
    }
    let own = if complete { Knowledge::Data } else { Knowledge::Types };
    let mut lowered = Vec::new();
    match lower_into(&chain.stages, &columns, segments.rows(), own, &builds, &mut lowered) {
        Ok((Some(leaves), most)) => {
            programs.extend(lowered.into_iter().map(|program| (chain.table.name.clone(), program)));
            Ok(Some(Foreseen { leaves, most, programs }))
        }
        Ok((None, _)) => Err(Refusal::new(format!("scan of {}", chain.table.name), "there is nothing to do")),
        Err(refusal) if refusal.by_data && *knowledge == Knowledge::Types => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// The unions of some stages, those of their branches too.
fn unions(stages: &[Stage]) -> Vec<Arc<Union>> {
    let mut found = Vec::new();
    for stage in stages {
        found.extend(stage.instead.iter().flat_map(|stages| unions(stages)));
        match &stage.end {
            End::Union(union) => found.push(Arc::clone(union)),
            End::Branches(branches) => found.extend(branches.iter().flat_map(|branch| unions(&branch.stages))),
            _ => {}
        }
    }
    found
}

/// The joins of some stages, those of their branches too.
fn joins(stages: &[Stage]) -> Vec<Arc<Join>> {
    let mut found: Vec<Arc<Join>> = Vec::new();
    for stage in stages {
        found.extend(stage.joins().cloned());
        found.extend(stage.instead.iter().flat_map(|stages| joins(stages)));
        if let End::Branches(branches) = &stage.end {
            found.extend(branches.iter().flat_map(|branch| joins(&branch.stages)));
        }
    }
    found
}
