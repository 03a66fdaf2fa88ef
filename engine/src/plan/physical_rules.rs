//! Our rules among DataFusion's rules for physical plans, and why they stand where they do.
//!
//! `Offload` comes just before `EnsureRequirements`. Join sides are chosen and limits of DISTINCT found by then; no
//! repartitioning is in the way yet; and `EnsureRequirements` gives the operators around a device what they require. It also
//! takes away sorts that nothing seems to require: [`KeptOrders`], between both, says which are.
//! `PatientJoins` comes last: nothing has to know of what it puts around joins.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::{Distribution, OrderingRequirements};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use crate::exec::devices::Devices;
use crate::exec::pieces::PatientJoins;
use crate::offload::Offload;

/// The rule before which ours stands.
const BEFORE: &str = "EnsureRequirements";

/// DataFusion's rules with ours among them; the devices are told those behind it.
pub fn physical_rules(devices: &Arc<Devices>) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.push(Arc::new(PatientJoins));
    let at = rules.iter().position(|rule| rule.name() == BEFORE).unwrap_or(rules.len());
    rules.insert(at, Arc::new(KeptOrders));
    devices.rules_behind.get_or_init(|| rules[at..].to_vec());
    rules.insert(at, Arc::new(Offload::new(Arc::clone(devices))));
    rules
}

/// A sort, or columns of one, with the order required; `None` where there is none.
fn kept(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        let order = OrderingRequirements::from(sort.expr().clone());
        let kept = OutputRequirementExec::new(Arc::clone(plan), Some(order), Distribution::SinglePartition, None);
        return Ok(Some(Arc::new(kept)));
    }
    match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => kept(projection.input())?.map(|kept| with_child(plan, kept)).transpose(),
        None => Ok(None),
    }
}

fn with_child(plan: &Arc<dyn ExecutionPlan>, child: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    Arc::clone(plan).replace_children(vec![child], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// An OFFSET without a LIMIT leaves out the first rows of an order, which its operator does not say.
#[derive(Debug)]
struct KeptOrders;

impl PhysicalOptimizerRule for KeptOrders {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let offset = node.downcast_ref::<GlobalLimitExec>().filter(|limit| limit.skip() > 0 && limit.fetch().is_none());
            match offset.map(|limit| kept(limit.input())).transpose()?.flatten() {
                Some(kept) => Ok(Transformed::yes(with_child(&node, kept)?)),
                None => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "kept_orders"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_before_which_ours_stands_exists() {
        assert!(PhysicalOptimizer::new().rules.iter().any(|rule| rule.name() == BEFORE));
    }
}
