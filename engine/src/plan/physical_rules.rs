//! Our rules among DataFusion's rules for physical plans, and why they stand where they do.
//!
//! `Offload` comes just before `EnsureRequirements`. Join sides are chosen and limits of DISTINCT found by then; no
//! repartitioning is in the way yet; and `EnsureRequirements` gives the operators around a device what they require.
//! `PatientJoins` comes last: nothing has to know of what it puts around joins.

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

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
    devices.rules_behind.get_or_init(|| rules[at..].to_vec());
    rules.insert(at, Arc::new(Offload::new(Arc::clone(devices))));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_before_which_ours_stands_exists() {
        assert!(PhysicalOptimizer::new().rules.iter().any(|rule| rule.name() == BEFORE));
    }
}
