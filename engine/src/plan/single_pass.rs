//! Optimizing a query over one table once.
//!
//! DataFusion runs its rules until a plan stays as it is, three times at most: what one rule made may be another's work,
//! mostly where joins and subqueries are. In a chain over one table one pass settles it, and half of the planning of a short
//! query is saved.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::Result;
use datafusion::common::alias::AliasGenerator;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::OptimizerConfig;

/// The options of a state with one pass in the place of several.
pub fn options(state: &SessionState) -> Arc<ConfigOptions> {
    let mut options = ConfigOptions::clone(state.config_options());
    options.optimizer.max_passes = 1;
    Arc::new(options)
}

/// Whether a plan is a chain over one table.
pub fn is_enough(plan: &LogicalPlan) -> bool {
    let mut chain = true;
    let _ = plan.apply_with_subqueries(|node| {
        chain &= matches!(
            node,
            LogicalPlan::TableScan(_)
                | LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::SubqueryAlias(_)
        );
        if chain && let Ok(found) = has_subquery(node) {
            chain &= !found;
        }
        Ok(if chain { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    chain
}

fn has_subquery(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        expr.apply(|e| {
            use datafusion::logical_expr::Expr as E;
            found |= matches!(e, E::ScalarSubquery(_) | E::Exists(_) | E::InSubquery(_));
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

struct Once<'a> {
    state: &'a SessionState,
    options: &'a Arc<ConfigOptions>,
}

impl OptimizerConfig for Once<'_> {
    fn query_execution_start_time(&self) -> Option<DateTime<Utc>> {
        self.state.query_execution_start_time()
    }

    fn alias_generator(&self) -> &Arc<AliasGenerator> {
        self.state.alias_generator()
    }

    fn options(&self) -> Arc<ConfigOptions> {
        Arc::clone(self.options)
    }

    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        Some(self.state)
    }
}

/// Analyzes and optimizes a plan, in one pass.
pub fn optimize(state: &SessionState, options: &Arc<ConfigOptions>, plan: &LogicalPlan) -> Result<LogicalPlan> {
    let analyzed = state.analyzer().execute_and_check(plan.clone(), options, |_, _| {})?;
    state.optimizer().optimize(analyzed, &Once { state, options }, |_, _| {})
}
