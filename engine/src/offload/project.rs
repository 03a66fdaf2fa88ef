//! ProjectionExec: other columns, none of which is computed before something asks for it.

use std::sync::Arc;

use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use super::plan::{Chain, Step};
use super::refusal::Refusal;

/// The chain with this projection behind it.
pub fn project(project: &ProjectionExec, mut chain: Chain) -> Result<Chain, Refusal> {
    let schema = project.schema();
    let exprs: Vec<_> = project.expr().iter().map(|e| Arc::clone(&e.expr)).collect();
    let detail = exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let bare: Option<Vec<usize>> = exprs.iter().map(|e| e.downcast_ref::<Column>().map(Column::index)).collect();
    if let Some(bare) = bare
        && let Some(last) = chain.stages.last_mut().filter(|last| !last.is_open())
    {
        // Columns alone, of what a sink leaves: no pass over the rows is needed.
        last.picked = Some(match &last.picked {
            Some(picked) => bare.iter().map(|at| picked[*at]).collect(),
            None => bare,
        });
        last.output = schema;
        chain.note("Project", detail);
        return Ok(chain);
    }
    let stage = chain.open();
    stage.output = Arc::clone(&schema);
    stage.steps.push(Step::Project(exprs, schema));
    chain.note("Project", detail);
    Ok(chain)
}
