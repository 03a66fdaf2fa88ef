//! A query's way from tree to running plan.

use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use sqlparser::ast;
use warpwise_gpu::DeviceChoice;

use super::cache::{Key, PlanCache, QueryPlan, Ready, Sharing, Worth};
use super::context::Context;
use super::failure::translate;
use super::literals;
use super::parameter::{self, Slots};
use super::single_pass;
use crate::error::{Condition, Error, Result};
use crate::evaluate::Environment;
use crate::exec::devices;
use crate::offload::Refusal;
use crate::session::rows::Column;
use crate::session::transaction::Snapshot;
use crate::sql::{dialect, label};
use crate::types::{Base, SqlType};

/// What planning needs to know of a session.
#[derive(Debug, Clone)]
pub struct Planning {
    /// DataFusion's side of the session.
    pub state: Arc<SessionState>,
    /// The state's options for queries over one table: see [`single_pass`](super::single_pass).
    pub single_pass: Arc<ConfigOptions>,
    /// What the statement sees.
    pub snapshot: Snapshot,
    /// The database's name.
    pub database: String,
    /// Schemas in which bare names are looked up.
    pub search_path: Vec<String>,
    /// `Settings::fingerprint`.
    pub fingerprint: String,
    /// The plans of the process.
    pub cache: Arc<PlanCache>,
    /// The devices that plans run on.
    pub devices: Arc<devices::Devices>,
}

impl Planning {
    /// Plans a query, or finds it planned.
    ///
    /// `types` are the parameter types that the client gave; `demands` those that the statement around the query asks for.
    pub fn prepare(
        &self,
        text: &str,
        query: &ast::Query,
        types: &[Option<SqlType>],
        demands: &dialect::Demands,
    ) -> Result<Arc<QueryPlan>> {
        let key =
            Key { database: self.database.clone(), text: text.into(), types: types.to_vec(), settings: self.fingerprint.clone() };
        if let Some(plan) = self.cache.get(&key, &self.snapshot) {
            return Ok(plan);
        }
        let plan = Arc::new(self.make(query, types, demands)?);
        self.cache.put(key, Arc::clone(&plan));
        Ok(plan)
    }

    /// Whether queries may run on a device at all.
    pub fn uses_devices(&self) -> bool {
        let session = self.state.config_options().extensions.get::<devices::Session>();
        session.is_none_or(|session| session.device != DeviceChoice::Off)
    }

    /// Plans a query without its literals, or finds it planned; also gives their values, which go behind the client's.
    ///
    /// `None` where the query has nothing to share, or is better planned by itself.
    pub fn prepare_shared(
        &self,
        query: &ast::Query,
        types: &[Option<SqlType>],
        zone: chrono_tz::Tz,
        environment: &dyn Environment,
    ) -> Option<(Arc<QueryPlan>, Arc<[ScalarValue]>)> {
        let count = parameter_count(query).max(types.len());
        let lifted = literals::lift(query, types, count, environment)?;
        let key = Key {
            database: self.database.clone(),
            // No client's text begins so: a plan of one, with types inferred freely, must not stand for a shape.
            text: format!("\u{1}{}", lifted.shape).into(),
            types: lifted.types,
            settings: self.fingerprint.clone(),
        };
        let plan = match self.cache.get(&key, &self.snapshot) {
            Some(plan) => plan,
            None => {
                let mut made = match self.make(&lifted.query, &key.types, &dialect::Demands::new()) {
                    Ok(made) => made,
                    Err(error) => {
                        use Condition as C;
                        // It is not tried again, unless something is missing, which may come.
                        if !matches!(error.condition, C::UndefinedTable | C::UndefinedColumn | C::UndefinedFunction) {
                            self.cache.put(key, Arc::new(QueryPlan::useless(self.fingerprint.clone())));
                        }
                        return None;
                    }
                };
                let open = key.types.iter().zip(&made.parameters).skip(count).filter(|(given, _)| given.is_none());
                let sharing =
                    if open.into_iter().all(|(_, t)| literals::is_sure(*t)) { Sharing::Untried } else { Sharing::Useless };
                made.sharing = Worth::new(sharing);
                let made = Arc::new(made);
                self.cache.put(key, Arc::clone(&made));
                made
            }
        };
        if plan.sharing.get() == Sharing::Useless {
            return None;
        }
        let types = plan.parameters.get(count..)?;
        let values = types.iter().zip(lifted.values).map(|(ty, value)| match value {
            ScalarValue::Utf8(_) => bound_value(&value.to_array().ok()?, *ty, zone).ok(),
            value => Some(value),
        });
        Some((Arc::clone(&plan), values.collect::<Option<_>>()?))
    }

    fn make(&self, query: &ast::Query, types: &[Option<SqlType>], demands: &dialect::Demands) -> Result<QueryPlan> {
        let mut query = query.clone();
        let count = parameter_count(&query).max(types.len());
        let mut known: Vec<Option<SqlType>> = types.to_vec();
        known.resize(count, None);
        let found = dialect::rewrite(&mut query, &known)?;
        for (number, sql_type) in demands.iter().chain(&found) {
            if let Some(slot) = known.get_mut(number - 1) {
                slot.get_or_insert(*sql_type);
            }
        }
        let context = Context::new(&self.state, &self.snapshot, &self.database, &self.search_path);
        let mut logical = context.plan(&query, &known)?;
        if known.iter().any(Option::is_none) {
            // What stayed open takes the type that DataFusion inferred, or text.
            let inferred = logical.get_parameter_fields().map_err(translate)?;
            for (at, slot) in known.iter_mut().enumerate() {
                if slot.is_none() {
                    let field = inferred.get(&format!("${}", at + 1)).cloned().flatten();
                    *slot = Some(field.map_or(SqlType::from(Base::Text), |f| exact_type(&f)));
                }
            }
            logical = context.plan(&query, &known)?;
        }
        let columns: Arc<[Column]> = columns(&logical).into();
        let stable = !depends_on_moment(&logical);
        Ok(QueryPlan {
            touched: context.touched(),
            settings: self.fingerprint.clone(),
            logical,
            optimized: parking_lot::Mutex::default(),
            stable,
            columns,
            parameters: known.into_iter().flatten().collect(),
            ready: parking_lot::Mutex::default(),
            renewed: Default::default(),
            sharing: Worth::new(Sharing::Own),
        })
    }

    /// A physical plan of a query with its parameters bound.
    pub async fn instantiate(&self, plan: &QueryPlan, values: Vec<ScalarValue>) -> Result<Ready> {
        if let Some(ready) = plan.take_ready(self.devices.inputs.loads())
            && reads_same_files(&ready.physical)
        {
            ready.slots.bind(values);
            let physical = reset_plan_states(ready.physical).map_err(translate)?;
            return Ok(Ready { physical, reusable: true, ..ready });
        }
        self.instantiate_anew(plan, values).await
    }

    /// From now on planning notes what devices refuse.
    pub fn note_refusals(&mut self) -> Arc<parking_lot::Mutex<Vec<Refusal>>> {
        let told: Arc<parking_lot::Mutex<Vec<Refusal>>> = Arc::default();
        let options = Arc::make_mut(&mut self.state).config_mut().options_mut();
        let mut session = options.extensions.get::<devices::Session>().cloned().unwrap_or_default();
        session.refusals = Some(Arc::clone(&told));
        options.extensions.insert(session);
        told
    }

    /// The same without taking one that is at rest.
    pub async fn instantiate_anew(&self, plan: &QueryPlan, values: Vec<ScalarValue>) -> Result<Ready> {
        let kept = plan.optimized.lock().clone();
        let optimized = match kept {
            Some(optimized) => optimized,
            None => {
                let optimized = match single_pass::is_enough(&plan.logical) {
                    true => single_pass::optimize(&self.state, &self.single_pass, &plan.logical),
                    false => self.state.optimize(&plan.logical),
                };
                let optimized = Arc::new(optimized.map_err(translate)?);
                if plan.stable {
                    *plan.optimized.lock() = Some(Arc::clone(&optimized));
                }
                optimized
            }
        };
        let slots = Arc::new(Slots::default());
        slots.bind(values.clone());
        let inputs = &self.devices.inputs;
        let (loads, refusals) = (inputs.loads(), inputs.refusals_unseen());
        // Another session's refusal counts as well: that costs a plan, and no more.
        let unseen = || (inputs.refusals_unseen() != refusals).then_some(loads);
        if values.is_empty() {
            let physical = self.physical(&optimized).await?;
            let reusable = is_reusable(&physical);
            return Ok(Ready { physical, slots, reusable, unseen: unseen() });
        }
        let installed = parameter::install(LogicalPlan::clone(&optimized), &slots).map_err(translate)?;
        slots.set_planning(true);
        let physical = self.physical(&installed).await;
        slots.set_planning(false);
        match physical {
            Ok(physical) => {
                let reusable = is_reusable(&physical);
                Ok(Ready { physical, slots, reusable, unseen: unseen() })
            }
            // LIMIT and some functions want constants: plan for these values alone.
            Err(_) => {
                let bound = plan.logical.clone().with_param_values(values).map_err(translate)?;
                let optimized = self.state.optimize(&bound).map_err(translate)?;
                Ok(Ready { physical: self.physical(&optimized).await?, slots, reusable: false, unseen: None })
            }
        }
    }

    async fn physical(&self, optimized: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        self.state.query_planner().create_physical_plan(optimized, self.state.as_ref()).await.map_err(translate)
    }
}

fn exact_type(field: &arrow::datatypes::FieldRef) -> SqlType {
    let sql_type = SqlType::of_field(field);
    match field.data_type() {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => SqlType::numeric(*p, *s),
        _ => sql_type,
    }
}

/// Whether a finished physical plan can run again: nothing in it pushes filters to scans while it runs, and it does not recurse.
/// Devices take no filters of others, so what has nothing but them below it pushes none.
pub fn is_reusable(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut reusable = true;
    let walked = plan.apply(|node| {
        let pushes = !node.dynamic_expressions_produced().is_empty() && !literals::runs_on_devices(node);
        if pushes || node.name() == "RecursiveQueryExec" {
            reusable = false;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    reusable && walked.is_ok()
}

/// Whether the files that a finished physical plan reads are those that it was made for.
fn reads_same_files(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut same = true;
    let walked = plan.apply(|node| {
        let source = node.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
        if let Some(config) = source.and_then(|source| source.downcast_ref::<FileScanConfig>()) {
            same = config.file_groups.iter().flat_map(|group| group.files()).all(|file| is_unchanged(&file.object_meta));
        }
        Ok(if same { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    same && walked.is_ok()
}

fn is_unchanged(known: &object_store::ObjectMeta) -> bool {
    let found = std::fs::metadata(format!("/{}", known.location));
    found.is_ok_and(|now| {
        now.len() == known.size && now.modified().is_ok_and(|at| DateTime::<Utc>::from(at) == known.last_modified)
    })
}

/// One stream of all partitions' rows needs no more than this many tasks.
pub fn partitions(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.output_partitioning().partition_count()
}

/// The highest parameter number in a query.
pub fn parameter_count<T: ast::Visit>(tree: &T) -> usize {
    struct Highest(usize);
    impl ast::Visitor for Highest {
        type Break = ();
        fn pre_visit_value(&mut self, value: &ast::ValueWithSpan) -> std::ops::ControlFlow<()> {
            if let ast::Value::Placeholder(name) = &value.value
                && let Some(number) = name.strip_prefix('$').and_then(|n| n.parse::<u16>().ok())
            {
                self.0 = self.0.max(usize::from(number));
            }
            std::ops::ControlFlow::Continue(())
        }
    }
    let mut highest = Highest(0);
    let _ = tree.visit(&mut highest);
    highest.0
}

fn columns(plan: &LogicalPlan) -> Vec<Column> {
    plan.schema()
        .fields()
        .iter()
        .map(|field| {
            let sql_type = match plan_type(field) {
                t if t.base == Base::Unknown => Base::Text.into(),
                t => t,
            };
            Column::new(label::visible(field.name()), sql_type)
        })
        .collect()
}

fn plan_type(field: &arrow::datatypes::FieldRef) -> SqlType {
    SqlType::of_field(field)
}

/// Whether anything in a plan answers differently from one moment to the next: it must not be folded and kept.
fn depends_on_moment(plan: &LogicalPlan) -> bool {
    let mut depends = false;
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::ScalarFunction(f) = e
                    && f.func.signature().volatility != Volatility::Immutable
                {
                    depends = true;
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    depends
}

/// Brings a bound value (one row) into the type of its parameter.
pub fn bound_value(value: &arrow::array::ArrayRef, to: SqlType, zone: chrono_tz::Tz) -> Result<ScalarValue> {
    let from = SqlType::of_arrow(value.data_type());
    let data_type = to.arrow();
    let cast = if value.data_type() == &data_type {
        Arc::clone(value)
    } else {
        crate::function::cast::cast(value, from, to, &data_type, zone)?
    };
    ScalarValue::try_from_array(&cast, 0).map_err(|e| Error::new(Condition::InvalidParameterValue, e.to_string()))
}
