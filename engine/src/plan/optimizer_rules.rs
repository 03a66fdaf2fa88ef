//! DataFusion's rules for logical plans, one of them held back where it would change a type.
//!
//! `SingleDistinctToGroupBy` takes a sum of sums for a sum. PostgreSQL's sum of integers is a bigint, and the sum of these a
//! numeric; so a query with such a sum beside its one DISTINCT keeps its plan.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer};
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::function::sum::Sum;

/// DataFusion's rules, ours in the place of the one that it holds back.
pub fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let ours = SingleDistinct { inner: SingleDistinctToGroupBy::new() };
    if let Some(theirs) = rules.iter_mut().find(|rule| rule.name() == ours.name()) {
        *theirs = Arc::new(ours);
    }
    rules
}

#[derive(Debug)]
struct SingleDistinct {
    inner: SingleDistinctToGroupBy,
}

/// Whether the plan sums numbers whose sum is of another type than the sum of such sums.
fn sums_change(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Aggregate(aggregate) = plan else { return false };
    let schema = aggregate.input.schema();
    aggregate.aggr_expr.iter().any(|expr| match expr {
        Expr::AggregateFunction(call) if call.func.inner().is::<Sum>() && !call.params.distinct => {
            match expr.get_type(schema).ok() {
                // A sum of sums that are numerics already is one.
                Some(DataType::Decimal128(precision, _)) => precision < 38,
                Some(DataType::Float64) => false,
                Some(_) | None => true,
            }
        }
        _ => false,
    })
}

impl OptimizerRule for SingleDistinct {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if sums_change(&plan) { Ok(Transformed::no(plan)) } else { self.inner.rewrite(plan, config) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_that_is_held_back_exists() {
        let name = SingleDistinctToGroupBy::new().name().to_owned();
        assert!(Optimizer::new().rules.iter().any(|rule| rule.name() == name));
    }
}
