//! FilterExec: a step, and the columns that it lets go.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use warpwise_gpu::program::ExprId;

use super::compare::Range;
use super::plan::{Chain, Step};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};

/// The chain with this filter behind it.
pub fn filter(filter: &FilterExec, mut chain: Chain) -> Result<Chain, Refusal> {
    if filter.fetch().is_some() {
        return Err(Refusal::new(format!("filter {}", filter.predicate()), "a filter with a limit streams from DataFusion"));
    }
    let stage = chain.open();
    stage.steps.push(Step::Filter(Arc::clone(filter.predicate())));
    if let Some(columns) = filter.projection().as_ref() {
        let picked: Vec<_> = columns.iter().map(|at| Arc::clone(&stage.output.fields()[*at])).collect();
        stage.output = Arc::new(Schema::new(picked));
        stage.steps.push(Step::Pick(columns.to_vec(), Arc::clone(&stage.output)));
    }
    chain.note("Filter", filter.predicate().to_string());
    Ok(chain)
}

impl Lowering<'_> {
    /// The tests of a condition, in an order in which one after the other may drop a row. Ranges come first, two about one
    /// node as one: they cannot fail.
    pub fn conditions(&mut self, predicate: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Vec<ExprId>, Refusal> {
        let mut ranges: Vec<(ExprId, Range)> = Vec::new();
        let mut others = Vec::new();
        for conjunct in split_conjunction(predicate) {
            match self.as_range(conjunct, scope)? {
                // What may fail stays behind the tests that may guard it.
                Some((node, (low, high))) if self.b.can_fault(node) => others.push(self.b.in_range(node, low, high)),
                Some((node, (low, high))) => match ranges.iter_mut().find(|(known, _)| *known == node) {
                    Some((_, range)) => {
                        range.0 = range.0.max(low);
                        range.1 = match (range.1, high) {
                            (Some(a), Some(b)) => Some(a.min(b)),
                            (a, b) => a.or(b),
                        };
                    }
                    None => ranges.push((node, (low, high))),
                },
                None => others.push(self.boolean(conjunct, scope)?.node),
            }
        }
        let ranges = ranges.into_iter().map(|(node, (low, high))| self.b.in_range(node, low, high));
        Ok(ranges.collect::<Vec<_>>().into_iter().chain(others).collect())
    }
}
