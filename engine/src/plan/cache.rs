//! Plans that were made before: found again by text, parameter types, settings and the versions of the tables touched.
//!
//! A kept plan is checked out by one execution at a time, because operators keep state in it (a join's build side, a
//! scalar subquery's value). A plan whose operators push filters into its scans while running cannot be run twice at all:
//! of such a query the optimized logical plan is kept, and only the physical one made anew. No result is kept ever.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;

use super::parameter::Slots;
use crate::catalog::{Name, State};
use crate::session::rows::Column;
use crate::session::transaction::Snapshot;
use crate::types::SqlType;

/// How many texts are kept.
const CAPACITY: usize = 512;
/// How many copies of a physical plan are kept for one text.
const COPIES: usize = 8;
/// How often a text is planned again in hope that devices refuse less: loading goes on all the time on a busy server.
const RENEWALS: u32 = 8;

/// What a plan is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The database.
    pub database: String,
    /// The query's text.
    pub text: Arc<str>,
    /// Parameter types that the client gave.
    pub types: Vec<Option<SqlType>>,
    /// `Settings::fingerprint`.
    pub settings: String,
}

/// A physical plan that is free to run, and where its parameters go.
#[derive(Debug)]
pub struct Ready {
    /// The plan, its state reset before each run.
    pub physical: Arc<dyn ExecutionPlan>,
    /// Its parameters.
    pub slots: Arc<Slots>,
    /// Whether it may run again, with other values.
    pub reusable: bool,
    /// `Inputs::loads` at planning, where devices refused a part of it without knowing what lies in its columns.
    pub unseen: Option<u64>,
}

/// A query, planned.
#[derive(Debug)]
pub struct QueryPlan {
    /// Relations that it reads, with the versions that it was planned for.
    pub touched: BTreeMap<Name, u64>,
    /// `Settings::fingerprint` at planning.
    pub settings: String,
    /// As the SQL says.
    pub logical: LogicalPlan,
    /// Optimized, where nothing in it depends on the moment (`now()`).
    pub optimized: Mutex<Option<Arc<LogicalPlan>>>,
    /// Whether `optimized` and `ready` may be kept.
    pub stable: bool,
    /// The result's columns.
    pub columns: Arc<[Column]>,
    /// The parameters' types.
    pub parameters: Vec<SqlType>,
    /// Physical plans at rest.
    pub ready: Mutex<Vec<Ready>>,
    /// How often a plan at rest was made again because more became known of columns.
    pub renewed: AtomicU32,
    /// Whether it serves texts with other literals.
    pub sharing: Worth,
}

/// Whether a plan serves texts with other literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// It is of one text.
    Own,
    /// It is of a shape, and shows its worth when it first runs.
    Untried,
    /// It is of a shape, and runs on devices alone.
    Useful,
    /// It is of a shape whose texts are better planned by themselves.
    Useless,
}

/// A [`Sharing`] that is found out once.
#[derive(Debug)]
pub struct Worth(Mutex<Sharing>);

impl Worth {
    /// As known so far.
    pub fn new(sharing: Sharing) -> Self {
        Self(Mutex::new(sharing))
    }

    /// As known by now.
    pub fn get(&self) -> Sharing {
        *self.0.lock()
    }

    /// What was found out.
    pub fn set(&self, sharing: Sharing) {
        *self.0.lock() = sharing;
    }
}

impl QueryPlan {
    /// What stands for a shape that cannot be planned.
    pub fn useless(settings: String) -> Self {
        let schema = Arc::new(datafusion::common::DFSchema::empty());
        Self {
            touched: BTreeMap::new(),
            settings,
            logical: LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema }),
            optimized: Mutex::default(),
            stable: true,
            columns: [].into(),
            parameters: Vec::new(),
            ready: Mutex::default(),
            renewed: AtomicU32::new(0),
            sharing: Worth::new(Sharing::Useless),
        }
    }

    /// Whether every relation still is as it was.
    pub fn is_current(&self, snapshot: &Snapshot) -> bool {
        self.touched.iter().all(|(name, version)| {
            let state = if name.schema.starts_with("pg_temp") { &snapshot.temp } else { &snapshot.shared };
            state.relations.get(name).is_some_and(|r| r.version == *version)
        })
    }

    /// A physical plan at rest, where there is one. `loads` is `Inputs::loads` now: what devices refused before columns
    /// were loaded, they may take now.
    pub fn take_ready(&self, loads: u64) -> Option<Ready> {
        let ready = self.ready.lock().pop()?;
        let outdated = ready.unseen.is_some_and(|then| then != loads);
        if outdated && self.may_renew() { None } else { Some(ready) }
    }

    /// Whether it is to be planned once more in hope that devices refuse less; each answer counts.
    pub fn may_renew(&self) -> bool {
        self.renewed.fetch_add(1, Ordering::Relaxed) < RENEWALS
    }

    /// Gives a physical plan back after a run that went well.
    pub fn give_back(&self, ready: Ready) {
        let mut free = self.ready.lock();
        // What a device left to DataFusion keeps state of that run.
        if self.stable && ready.reusable && free.len() < COPIES && !crate::exec::device_exec::fell_back(&ready.physical) {
            free.push(ready);
        }
    }
}

/// The plans of a process.
#[derive(Debug, Default)]
pub struct PlanCache {
    plans: Mutex<HashMap<Key, (u64, Arc<QueryPlan>)>>,
    clock: std::sync::atomic::AtomicU64,
}

impl PlanCache {
    /// A plan for that key that fits the snapshot.
    pub fn get(&self, key: &Key, snapshot: &Snapshot) -> Option<Arc<QueryPlan>> {
        let now = self.clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut plans = self.plans.lock();
        let (used, plan) = plans.get_mut(key)?;
        if plan.is_current(snapshot) {
            *used = now;
            Some(Arc::clone(plan))
        } else {
            None
        }
    }

    /// Lets go of the plans of a database that read one of some relations: they hold what the relation was.
    pub fn forget(&self, database: &str, names: &[&Name]) {
        let gone: Vec<_> = {
            let mut plans = self.plans.lock();
            let reads = |plan: &QueryPlan| names.iter().any(|name| plan.touched.contains_key(*name));
            plans.extract_if(|key, (_, plan)| key.database == database && reads(plan)).collect()
        };
        drop(gone);
    }

    /// Lets go of the plans of a database that read a relation which is not there: one that was made and dropped before
    /// anybody else saw it.
    pub fn forget_absent(&self, database: &str, newest: &State) {
        let gone: Vec<_> = {
            let mut plans = self.plans.lock();
            let absent = |name: &Name| !name.schema.starts_with("pg_temp") && !newest.relations.contains_key(name);
            plans.extract_if(|key, (_, plan)| key.database == database && plan.touched.keys().any(absent)).collect()
        };
        drop(gone);
    }

    /// Keeps a plan; the one unused longest goes.
    pub fn put(&self, key: Key, plan: Arc<QueryPlan>) {
        // A text of a megabyte is data, not a query that comes again.
        if key.text.len() > 64 * 1024 {
            return;
        }
        let now = self.clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut plans = self.plans.lock();
        if plans.len() >= CAPACITY && !plans.contains_key(&key) {
            let oldest = plans.iter().min_by_key(|(_, (used, _))| *used).map(|(k, _)| k.clone());
            if let Some(oldest) = oldest {
                plans.remove(&oldest);
            }
        }
        plans.insert(key, (now, plan));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Schema;
    use datafusion::common::DFSchema;
    use datafusion::logical_expr::EmptyRelation;
    use datafusion::physical_plan::empty::EmptyExec;

    fn planned() -> QueryPlan {
        let nothing = EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) };
        QueryPlan {
            touched: BTreeMap::new(),
            settings: String::new(),
            logical: LogicalPlan::EmptyRelation(nothing),
            optimized: Mutex::default(),
            stable: true,
            columns: [].into(),
            parameters: Vec::new(),
            ready: Mutex::default(),
            renewed: AtomicU32::new(0),
            sharing: Worth::new(Sharing::Own),
        }
    }

    fn ready(unseen: Option<u64>) -> Ready {
        let physical = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
        Ready { physical, slots: Arc::default(), reusable: true, unseen }
    }

    #[test]
    fn what_was_refused_before_columns_were_loaded_is_planned_again_and_not_for_ever() {
        let plan = planned();
        plan.give_back(ready(None));
        assert!(plan.take_ready(7).is_some(), "nothing was refused for want of knowledge");
        for loads in 1..=u64::from(RENEWALS) {
            plan.give_back(ready(Some(loads)));
            assert!(plan.take_ready(loads).is_some(), "nothing was loaded since");
            plan.give_back(ready(Some(loads)));
            assert!(plan.take_ready(loads + 1).is_none());
        }
        plan.give_back(ready(Some(0)));
        assert!(plan.take_ready(99).is_some());
    }
}
