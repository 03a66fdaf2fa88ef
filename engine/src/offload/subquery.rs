//! Values of scalar subqueries: DataFusion runs these before the plan that reads them, and so they are known when a chain runs,
//! not yet when it is planned.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;

use super::plan::Stage;

/// Whether an expression is the value of a subquery.
pub fn is_subquery(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.downcast_ref::<ScalarSubqueryExpr>().is_some()
}

/// The value of a subquery; `None` where it has not run.
fn value(expr: &Arc<dyn PhysicalExpr>) -> Option<ScalarValue> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).ok()?;
    match expr.evaluate(&batch).ok()? {
        ColumnarValue::Scalar(value) => Some(value),
        ColumnarValue::Array(_) => None,
    }
}

/// The expression with some value of its type in the place of each subquery that has not run: for planning alone, where only
/// the type is asked for.
pub fn with_stand_ins(expr: &Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    let replaced = Arc::clone(expr).transform(|inner| {
        if !is_subquery(&inner) || value(&inner).is_some() {
            return Ok(Transformed::no(inner));
        }
        let data_type = inner.data_type(&Schema::empty())?;
        let some = ScalarValue::new_one(&data_type).or_else(|_| ScalarValue::new_default(&data_type))?;
        Ok(Transformed::yes(Arc::new(Literal::new(some)) as Arc<dyn PhysicalExpr>))
    });
    replaced.map_or_else(|_| Arc::clone(expr), |replaced| replaced.data)
}

/// Whether every subquery that stages read has run.
pub fn have_run(stages: &[Stage]) -> bool {
    let mut all = true;
    for expr in stages.iter().flat_map(Stage::expressions) {
        let _ = expr.apply(|inner| {
            all &= !is_subquery(inner) || value(inner).is_some();
            Ok(if all { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        });
    }
    all
}
