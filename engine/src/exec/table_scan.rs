//! A scan that still knows which table it reads, so that the offload rule can take it.
//!
//! It stands for DataFusion's own scan, to which it hands everything on; the rule replaces each one, by a DeviceExec or by
//! the scan inside.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crate::catalog::Segment;
use crate::catalog::lineage::Lineage;

/// A table at one version, as far as a device must know it.
#[derive(Debug)]
pub struct ScannedTable {
    /// Its name, for people.
    pub name: String,
    /// Names its columns' dictionaries for good: two versions of one table, of which one has more rows, share it.
    pub owner: u64,
    /// What tells that nobody will ask for it again; none of a table that stays.
    pub lineage: Option<Lineage>,
    /// All its columns.
    pub schema: SchemaRef,
    /// Where its rows are.
    pub rows: TableRows,
}

impl ScannedTable {
    /// Whether the other is the same table with the same rows.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.owner == other.owner
            && match (&self.rows, &other.rows) {
                (TableRows::Memory(a), TableRows::Memory(b)) => Arc::ptr_eq(a, b),
                (TableRows::Parquet(a), TableRows::Parquet(b)) => a == b,
                (TableRows::Memory(_) | TableRows::Parquet(_) | TableRows::Elsewhere(_), _) => false,
            }
    }
}

/// Where a table's rows are.
#[derive(Debug)]
pub enum TableRows {
    /// In memory.
    Memory(Arc<Vec<Arc<Segment>>>),
    /// In Parquet files.
    Parquet(Vec<PathBuf>),
    /// Where no device looks; the sentence says why.
    Elsewhere(&'static str),
}

/// A scan of some columns of a table.
#[derive(Debug)]
pub struct TableScanExec {
    table: Arc<ScannedTable>,
    projection: Vec<usize>,
    limit: Option<usize>,
    inner: Arc<dyn ExecutionPlan>,
}

impl TableScanExec {
    /// Wraps DataFusion's scan of the same columns.
    pub fn new(
        table: Arc<ScannedTable>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        inner: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let projection = projection.cloned().unwrap_or_else(|| (0..table.schema.fields().len()).collect());
        Self { table, projection, limit, inner }
    }

    /// The table.
    pub fn table(&self) -> &Arc<ScannedTable> {
        &self.table
    }

    /// Which of its columns, in order.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// How many rows are enough.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// DataFusion's scan.
    pub fn inner(&self) -> &Arc<dyn ExecutionPlan> {
        &self.inner
    }
}

impl DisplayAs for TableScanExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt_as(t, f)
    }
}

impl ExecutionPlan for TableScanExec {
    fn name(&self) -> &'static str {
        "TableScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.inner.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.inner.statistics_from_inputs(inputs, args)
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let mut told = self.inner.handle_child_pushdown_result(phase, result, config)?;
        told.updated_node = told.updated_node.map(|inner| {
            let (table, projection, limit) = (Arc::clone(&self.table), self.projection.clone(), self.limit);
            Arc::new(Self { table, projection, limit, inner }) as Arc<dyn ExecutionPlan>
        });
        Ok(told)
    }
}
