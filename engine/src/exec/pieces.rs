//! Joins that let others run, and stop when they should.
//!
//! A join of DataFusion goes on as long as it has rows, and a batch of one side may meet all rows of the other: of six
//! million rows that is a minute, in which a query that was cancelled long ago holds a thread that all sessions need. So a
//! join gives its thread back every so many batches ([`CooperativeExec`]); and the nested loop join, which may compare for
//! long without a result, gets its batches in pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{Stream, StreamExt};

/// Pairs of rows that are compared at once at most: less than a tenth of a second.
const PAIRS: usize = 1 << 23;
/// Rows of a piece where nobody knows how many rows the other side has.
const UNKNOWN: usize = 64;

/// Cuts the batches of its input.
#[derive(Debug)]
pub struct PiecesExec {
    input: Arc<dyn ExecutionPlan>,
    rows: usize,
}

impl PiecesExec {
    /// Pieces of at most so many rows.
    pub fn new(input: Arc<dyn ExecutionPlan>, rows: usize) -> Self {
        Self { input, rows: rows.max(1) }
    }
}

impl DisplayAs for PiecesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PiecesExec: rows={}", self.rows)
    }
}

impl ExecutionPlan for PiecesExec {
    fn name(&self) -> &'static str {
        "PiecesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.rows)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        Ok(Box::pin(Pieces { schema: self.input.schema(), input, rows: self.rows, whole: None, gave: false }))
    }
}

struct Pieces {
    schema: SchemaRef,
    input: SendableRecordBatchStream,
    rows: usize,
    /// The rest of a batch.
    whole: Option<RecordBatch>,
    /// Whether a piece was given since others last could run.
    gave: bool,
}

impl Stream for Pieces {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) && self.whole.is_some() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let whole = match self.whole.take() {
            Some(whole) => whole,
            None => match self.input.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(batch))) => batch,
                other => return other,
            },
        };
        if whole.num_rows() <= self.rows {
            return Poll::Ready(Some(Ok(whole)));
        }
        let piece = whole.slice(0, self.rows);
        self.whole = Some(whole.slice(self.rows, whole.num_rows() - self.rows));
        self.gave = true;
        Poll::Ready(Some(Ok(piece)))
    }
}

impl RecordBatchStream for Pieces {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Makes joins let others run. It stands behind all other rules.
#[derive(Debug)]
pub struct PatientJoins;

/// A nested loop join whose input comes in pieces, where the other side is large.
fn in_pieces(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else { return Ok(node) };
    let known = StatisticsContext::new().compute(join.left().as_ref(), &StatisticsArgs::new());
    let left = known.ok().and_then(|known| known.num_rows.get_value().copied());
    let rows = left.map_or(UNKNOWN, |left| (PAIRS / left.max(1)).max(1));
    // DataFusion's batches are no larger than this anyway.
    if rows >= 8192 {
        return Ok(node);
    }
    let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
    let cut: Arc<dyn ExecutionPlan> = Arc::new(PiecesExec::new(right, rows));
    node.replace_children(vec![left, cut], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

impl PhysicalOptimizerRule for PatientJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if !matches!(node.name(), "NestedLoopJoinExec" | "CrossJoinExec" | "HashJoinExec" | "SortMergeJoinExec") {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(in_pieces(node)?)) as Arc<dyn ExecutionPlan>))
        })
        .data()
    }

    fn name(&self) -> &str {
        "patient_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
