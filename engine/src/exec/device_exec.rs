//! The one node of a plan that runs on a device: a scan and the stages over it.
//!
//! A device that fails costs time, not the answer: the next rung of the ladder runs the same chain, and the last is
//! DataFusion with the subtree that the node stands for. An error that a row raised is the user's on every rung.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, OrderingRequirements, Partitioning, PhysicalExpr};
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, execute_stream};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use warpwise_gpu::{Cancel, Error as DeviceError};

use super::devices::{Devices, Session};
use super::report::Report;
use super::run::{Rows, run};
use super::shared::{Shared, Sharing};
use crate::error::Error;
use crate::function::error::wrap;
use crate::offload::plan::{Chain, Stage};

/// Rows that go on at once.
const BATCH: usize = 8192;
/// Batches that are made at a time.
const AHEAD: usize = 4;

/// A scan and the stages over it, on a device.
pub struct DeviceExec {
    chain: Arc<Chain>,
    /// The subtree that this stands for, as it was before DataFusion distributed it.
    fallback: Arc<dyn ExecutionPlan>,
    devices: Arc<Devices>,
    session: Session,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    report: Arc<Mutex<Option<Report>>>,
    /// At most so many rows, where that is few: DataFusion then spreads nothing over partitions.
    rows: Option<usize>,
    /// What other parts of the plan need too.
    shared: OnceLock<Arc<Shared>>,
}

impl DeviceExec {
    /// Stands for `fallback`.
    pub fn new(
        chain: Chain,
        fallback: Arc<dyn ExecutionPlan>,
        devices: Arc<Devices>,
        session: Session,
        rows: Option<usize>,
    ) -> Self {
        let order = chain.stages.last().map(Stage::order).unwrap_or_default();
        let equivalence = EquivalenceProperties::new_with_orderings(fallback.schema(), [order]);
        let partitioning = Partitioning::UnknownPartitioning(1);
        let properties = PlanProperties::new(equivalence, partitioning, EmissionType::Final, Boundedness::Bounded);
        Self {
            chain: Arc::new(chain),
            fallback,
            devices,
            session: Session { refusals: None, ..session },
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            report: Arc::default(),
            rows,
            shared: OnceLock::new(),
        }
    }

    /// What it runs.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The name of the device that it runs on first.
    pub fn device(&self) -> String {
        self.devices.rungs(&self.session.device).first().map_or_else(|| "off".to_owned(), |device| device.name())
    }

    /// What the last run took.
    pub fn report(&self) -> Option<Report> {
        self.report.lock().clone()
    }

    /// Says what other parts of the plan need too, once.
    pub fn share(&self, shared: &Arc<Shared>) {
        self.shared.get_or_init(|| Arc::clone(shared));
    }

    /// The devices.
    pub fn devices(&self) -> &Arc<Devices> {
        &self.devices
    }

    fn renewed(&self) -> Self {
        Self {
            chain: Arc::clone(&self.chain),
            fallback: Arc::clone(&self.fallback),
            devices: Arc::clone(&self.devices),
            session: self.session.clone(),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
            report: Arc::default(),
            rows: self.rows,
            shared: self.shared.clone(),
        }
    }

    /// The subtree, ready for DataFusion alone.
    fn distributed(&self, context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = Arc::clone(&self.fallback);
        if let Some(order) = self.properties.output_ordering() {
            // What stands above was planned for it.
            let order = Some(OrderingRequirements::from(order.clone()));
            plan = Arc::new(OutputRequirementExec::new(plan, order, Distribution::SinglePartition, None));
        }
        let options = context.session_config().options();
        for rule in self.devices.rules_behind.get().into_iter().flatten() {
            plan = rule.optimize(plan, options)?;
        }
        Ok(plan)
    }
}

impl fmt::Debug for DeviceExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceExec").field("chain", &self.chain.operators).finish_non_exhaustive()
    }
}

impl DisplayAs for DeviceExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report.lock();
        let device = match report.as_ref() {
            Some(report) if report.device.is_empty() => "datafusion".to_owned(),
            Some(report) => report.device.clone(),
            None => self.device(),
        };
        write!(f, "DeviceExec: device={device}")?;
        for (failed, why) in report.iter().flat_map(|report| &report.failures) {
            write!(f, ", not {failed}: {why}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for DeviceExec {
    fn name(&self) -> &'static str {
        "DeviceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.renewed()))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema: SchemaRef = self.schema();
        let node = Arc::new(DeviceExec { metrics: self.metrics.clone(), report: Arc::clone(&self.report), ..self.renewed() });
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = stream::once(climb(node, context, metrics)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(rows) = self.rows {
            statistics.num_rows = Precision::Inexact(rows);
        }
        Ok(Arc::new(statistics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// The nodes of a plan that run on a device, in the plan's order.
pub fn device_nodes(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let mut found = Vec::new();
    let _ = plan.apply(|node| {
        if node.downcast_ref::<DeviceExec>().is_some() {
            found.push(Arc::clone(node));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Whether DataFusion ran any part of a plan that a device was to run.
pub fn fell_back(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let of_node = |node: &DeviceExec| node.report.lock().as_ref().is_some_and(|report| report.device.is_empty());
    plan.downcast_ref::<DeviceExec>().is_some_and(of_node) || plan.children().into_iter().any(fell_back)
}

/// Stops a run when the stream that waits for it goes away.
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Rows batch by batch; of many, some are made ahead on other threads.
fn batches(rows: Rows) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let rows = Arc::new(rows);
    let wide = stream::iter(0..rows.batches()).map(move |at| {
        let rows = Arc::clone(&rows);
        async move {
            let made = match at {
                0 => rows.batch(0),
                _ => match tokio::task::spawn_blocking(move || rows.batch(at)).await {
                    Ok(made) => made,
                    Err(panicked) => Err(DeviceError::Failed(format!("making rows panicked: {panicked}"))),
                },
            };
            made.map_err(|error| match error {
                DeviceError::Fault(fault) => wrap(Error::fault(fault)),
                other => DataFusionError::Execution(other.to_string()),
            })
        }
    });
    let narrow = |batch: RecordBatch| {
        let rows = batch.num_rows();
        stream::iter((0..rows.div_ceil(BATCH)).map(move |at| Ok(batch.slice(at * BATCH, BATCH.min(rows - at * BATCH)))))
    };
    wide.buffered(AHEAD).map_ok(narrow).try_flatten()
}

/// Runs the chain on the first device that does it, else in DataFusion.
async fn climb(node: Arc<DeviceExec>, context: Arc<TaskContext>, metrics: BaselineMetrics) -> Result<SendableRecordBatchStream> {
    let mut failures: Vec<(String, String)> = Vec::new();
    for device in node.devices.rungs(&node.session.device) {
        let name = device.name();
        let cancel = Cancel::default();
        let _stop = StopOnDrop(cancel.clone());
        let at_work = Arc::clone(&node);
        let timer = metrics.elapsed_compute().timer();
        let sharing = Sharing::new(node.shared.get_or_init(Arc::default), &context);
        let work = move || {
            let mut report = Report::default();
            let schema = at_work.schema();
            let outcome = run(&at_work.chain, &at_work.devices, &device, (&cancel, &sharing), &schema, &mut report);
            (outcome, report)
        };
        let joined = tokio::task::spawn_blocking(work).await;
        timer.done();
        let why = match joined {
            Ok((Ok(rows), mut report)) => {
                report.device = name;
                report.failures = failures;
                *node.report.lock() = Some(report);
                metrics.record_output(rows.count());
                return Ok(Box::pin(RecordBatchStreamAdapter::new(node.schema(), batches(rows))));
            }
            Ok((Err(DeviceError::Fault(fault)), _)) => return Err(wrap(Error::fault(fault))),
            Ok((Err(DeviceError::Cancelled), _)) => {
                return Err(DataFusionError::Execution("the query was cancelled".to_owned()));
            }
            Ok((Err(error), _)) => error.to_string(),
            Err(panicked) => {
                tracing::error!("a run on {name} panicked: {panicked}");
                "it failed inside".to_owned()
            }
        };
        tracing::info!("{name} did not run a part of a query: {why}");
        let unsupported = failures.iter().any(|(_, known)| *known == why);
        if !unsupported {
            failures.push((name, why));
        }
    }
    *node.report.lock() = Some(Report { failures, ..Report::default() });
    let plan = node.distributed(&context)?;
    let rows = execute_stream(plan, context)?;
    let counted = rows.inspect_ok(move |batch| metrics.record_output(batch.num_rows()));
    Ok(Box::pin(RecordBatchStreamAdapter::new(node.schema(), counted.boxed())))
}
