//! Offload: which parts of a plan a device runs, and why not the others.
//!
//! [`Offload`] is a thin rule among DataFusion's, placed just before `EnsureRequirements`: there a plan is only scans,
//! filters, projections, joins, aggregates, sorts and limits, without repartitioning, and that rule then repairs
//! distribution around us. [`offload`] replaces each largest subtree that a device can run by one [`DeviceExec`]; what it
//! leaves, it leaves with a [`Refusal`].
//!
//! # Adding an operator
//!
//! A file of its name with a function from its DataFusion node and the chain below it to the chain with it, an arm in
//! [`chain`], and whatever it needs of [`lower`].

mod aggregate;
mod arithmetic;
pub mod branches;
pub mod built;
mod case;
mod cast;
mod compare;
mod displaced;
mod distinct;
pub mod expr;
mod extract;
mod filter;
pub mod foresee;
pub mod formula;
mod function;
mod grouping_sets;
mod join;
pub mod lower;
mod math;
mod mean;
mod merge;
mod moment;
pub mod numbered;
mod order;
pub mod partner_groups;
mod pattern;
pub mod plan;
mod probe;
mod project;
mod push;
mod refusal;
mod reorder;
pub mod same;
mod scan;
mod scope;
pub mod sort;
mod statistic;
pub mod subquery;
mod tabulate;
mod text;
mod text_table;
mod top_k;
pub mod union;
pub mod value;
pub mod words;
mod zone;

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use parking_lot::Mutex;

pub use refusal::Refusal;

use crate::exec::device_exec::{DeviceExec, device_nodes};
use crate::exec::devices::{Devices, Session};
use crate::exec::shared::Shared;
use crate::exec::table_scan::TableScanExec;
use foresee::foresee;
use lower::Knowledge;
use plan::{Chain, End, Join, Stage, Step};
use reorder::{Statistics, reordered};

/// The rule.
#[derive(Debug)]
pub struct Offload {
    devices: Arc<Devices>,
}

impl Offload {
    /// The rule for these devices.
    pub fn new(devices: Arc<Devices>) -> Self {
        Self { devices }
    }
}

impl PhysicalOptimizerRule for Offload {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let session = config.extensions.get::<Session>().cloned().unwrap_or_default();
        let rungs = self.devices.rungs(&session.device);
        let plan = if rungs.is_empty() {
            plan
        } else {
            let pass = Pass { devices: &self.devices, session: &session, refusals: Mutex::default() };
            let plan = pass.offload(plan)?;
            share(&plan);
            if let Some(told) = &session.refusals {
                told.lock().extend(pass.refusals.into_inner());
            }
            plan
        };
        unwrap_scans(plan)
    }

    fn name(&self) -> &'static str {
        "offload"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Tells the parts of a plan that devices run what of them stands in it more than once.
fn share(plan: &Arc<dyn ExecutionPlan>) {
    let nodes = device_nodes(plan);
    let nodes: Vec<&DeviceExec> = nodes.iter().filter_map(|node| node.downcast_ref::<DeviceExec>()).collect();
    let chains: Vec<&Chain> = nodes.iter().map(|node| node.chain()).collect();
    let shared = Shared::of(&chains);
    if !shared.is_empty() {
        let shared = Arc::new(shared);
        nodes.iter().for_each(|node| node.share(&shared));
    }
}

/// Puts DataFusion's own scans in the place of those that no device took.
fn unwrap_scans(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return Ok(Arc::clone(scan.inner()));
    }
    with_children(plan, unwrap_scans)
}

fn with_children(
    plan: Arc<dyn ExecutionPlan>,
    each: impl Fn(Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children: Vec<_> = plan.children().into_iter().cloned().collect();
    if children.is_empty() {
        return Ok(plan);
    }
    let changed = children.iter().map(|child| each(Arc::clone(child))).collect::<Result<Vec<_>>>()?;
    if children.iter().zip(&changed).all(|(a, b)| Arc::ptr_eq(a, b)) {
        return Ok(plan);
    }
    plan.replace_children(changed, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// Pairs of rows that are left to a client are not kept when they are more.
const FLOOD: u64 = 1 << 20;

/// One pass over one plan.
struct Pass<'a> {
    devices: &'a Arc<Devices>,
    session: &'a Session,
    refusals: Mutex<Vec<Refusal>>,
}

impl Pass<'_> {
    fn offload(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if plan.name() == "GlobalLimitExec" || plan.name() == "LocalLimitExec" {
            return with_children(plan, |child| self.under_limit(child));
        }
        match self.whole(&plan) {
            Ok(Some(exec)) => Ok(exec),
            Ok(None) => Ok(plan),
            Err(refusal) => {
                let mut refusals = self.refusals.lock();
                // What only passes rows on is nothing that a device could do.
                let passes = plan.is::<OutputRequirementExec>() || plan.is::<ScalarSubqueryExec>();
                if !passes && !refusals.contains(&refusal) {
                    refusals.push(refusal);
                }
                drop(refusals);
                with_children(plan, |child| self.offload(child))
            }
        }
    }

    /// What stands under a limit: rows that pass one by one stream from DataFusion. A device would read to the end, and raise
    /// errors of rows that nobody asked for.
    fn under_limit(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let below = match chain(&plan) {
            Ok(below) if below.streams() => below,
            Ok(_) | Err(_) => return self.offload(plan),
        };
        let what = format!("scan of {}", below.table.name);
        let refusal = Refusal::new(what, "rows under a LIMIT stream from DataFusion");
        if !self.refusals.lock().contains(&refusal) {
            self.refusals.lock().push(refusal);
        }
        if !below.has_joins() {
            return Ok(plan);
        }
        if plan.is::<UnionExec>() {
            return with_children(plan, |child| self.under_limit(child));
        }
        // Of a join the first side is read to the end in any case.
        let collects = Cell::new(plan.children().len() == 2);
        with_children(plan, |child| if collects.replace(false) { self.offload(child) } else { self.under_limit(child) })
    }

    /// One DeviceExec for a whole subtree; `None` where there is nothing to gain.
    fn whole(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>, Refusal> {
        if plan.downcast_ref::<TableScanExec>().is_some() || plan.children().is_empty() {
            return Ok(None);
        }
        let (chain, most) = match self.reordered(plan) {
            // Where the order stands in the way, the plan's own may do.
            Some(better) => self.taken(&better).or_else(|_| self.taken(plan))?,
            None => self.taken(plan)?,
        };
        if !chain.is_worth_it() {
            return Ok(None);
        }
        let fallback = unwrap_scans(Arc::clone(plan)).map_err(|error| Refusal::new(plan.name(), error.to_string()))?;
        Ok(Some(Arc::new(DeviceExec::new(chain, fallback, Arc::clone(self.devices), self.session.clone(), most))))
    }

    /// The chain of a subtree, and the most rows that it can leave.
    fn taken(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<(Chain, Option<usize>), Refusal> {
        let chain = chain(plan)?;
        if !chain.is_worth_it() {
            return Ok((chain, None));
        }
        if chain.stages.last().is_some_and(|last| matches!(last.end, End::Union(_))) {
            return Err(Refusal::new("a union", "its rows stream from DataFusion"));
        }
        self.is_no_flood(&chain)?;
        let most = self.lowered(&chain)?;
        Ok((chain, most))
    }

    /// The same plan with its joins in a better order; `None` where none is found.
    fn reordered(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
        let known = Statistics::new(&self.devices.inputs);
        let better = reordered(plan, &known).ok()?;
        if known.unseen.get() {
            // It shows when columns are loaded; the plan is made anew then.
            self.devices.inputs.note_refusal_unseen();
            return None;
        }
        (!Arc::ptr_eq(&better, plan)).then_some(better)
    }

    /// Refuses what leaves all pairs of many rows: they stream from DataFusion, and nobody keeps them.
    fn is_no_flood(&self, chain: &Chain) -> Result<(), Refusal> {
        let rows = |chain: &Chain| self.devices.inputs.segments(&chain.table).map_or(u64::MAX, |segments| segments.rows());
        let all_pairs = |join: &&Arc<Join>| join.kind.pairs() && join.on.is_empty() && join.filter.is_none();
        for stage in &chain.stages {
            if let End::Union(union) = &stage.end {
                union.others.iter().try_for_each(|(_, other)| self.is_no_flood(other))?;
            }
            if !matches!(stage.end, End::Keep | End::Union(_) | End::Sort { .. }) {
                continue;
            }
            let crossed: Vec<&Arc<Join>> = stage.joins().filter(all_pairs).collect();
            let pairs = crossed.iter().fold(rows(chain), |pairs, join| pairs.saturating_mul(rows(&join.build)));
            if !crossed.is_empty() && pairs > FLOOD {
                return Err(Refusal::new("all pairs of rows", format!("{pairs} of them stream from DataFusion")));
            }
        }
        Ok(())
    }

    /// Lowers a chain with what is known now, to learn whether a device refuses it; and the most rows that it can leave.
    fn lowered(&self, chain: &Chain) -> Result<Option<usize>, Refusal> {
        let mut knowledge = Knowledge::Data;
        match foresee(chain, &self.devices.inputs, &mut knowledge) {
            Ok(foreseen) => Ok(foreseen.and_then(|foreseen| foreseen.most)),
            Err(refusal) => {
                // A projection of groups is as well done by DataFusion: for it alone no plan is made anew, and no code.
                let projects = |stage: &Stage| stage.is_open() && stage.steps.iter().all(Step::is_projection);
                let little = chain.stages.len() > 1 && chain.stages.last().is_some_and(projects);
                if knowledge == Knowledge::Types && !little {
                    self.devices.inputs.note_refusal_unseen();
                }
                Err(refusal)
            }
        }
    }
}

/// The chain that a subtree is, if it is one.
fn chain(plan: &Arc<dyn ExecutionPlan>) -> Result<Chain, Refusal> {
    if let Some(node) = plan.downcast_ref::<TableScanExec>() {
        return scan::scan(node);
    }
    if let Some(node) = plan.downcast_ref::<FilterExec>() {
        return filter::filter(node, chain(node.input())?);
    }
    if let Some(node) = plan.downcast_ref::<ProjectionExec>() {
        return project::project(node, chain(node.input())?);
    }
    if let Some(node) = plan.downcast_ref::<AggregateExec>() {
        return aggregate::aggregate(node, chain(aggregate::input(node))?.unordered());
    }
    if let Some(node) = plan.downcast_ref::<HashJoinExec>() {
        return join::hash_join(node, chain(node.left())?.unordered(), chain(node.right())?.unordered());
    }
    if let Some(node) = plan.downcast_ref::<NestedLoopJoinExec>() {
        return join::nested_loop_join(node, chain(node.left())?.unordered(), chain(node.right())?.unordered());
    }
    if let Some(node) = plan.downcast_ref::<CrossJoinExec>() {
        return join::cross_join(node, chain(node.left())?.unordered(), chain(node.right())?.unordered());
    }
    if let Some(node) = plan.downcast_ref::<UnionExec>() {
        return union::union(node, node.inputs().iter().map(chain).collect::<Result<_, _>>()?);
    }
    if let Some(node) = plan.downcast_ref::<SortExec>() {
        return sort::sort(node, chain(node.input())?);
    }
    Err(Refusal::new(plan.name(), "this operator runs in DataFusion"))
}
