//! Bound parameters in a finished plan.
//!
//! DataFusion's physical planner refuses placeholders, and substituting literals means planning again for every
//! execution. So, behind the optimizer, each placeholder becomes a call of [`Parameter`]: a typed expression without
//! arguments that reads its value from the plan's [`Slots`] when it runs. A plan is used by one execution at a time, so
//! the slots are filled before each. DeviceExec finds the same expression and binds it as a kernel's parameter.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::new_empty_array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use parking_lot::RwLock;

use crate::error::{Condition, Error};
use crate::function::error::wrap;

/// The values that a plan's parameters have in the execution at hand.
#[derive(Debug, Default)]
pub struct Slots {
    values: RwLock<Vec<ScalarValue>>,
    /// Whether the plan is in the making.
    planning: AtomicBool,
}

impl Slots {
    /// Fills the slots; `$1` first.
    pub fn bind(&self, values: Vec<ScalarValue>) {
        *self.values.write() = values;
    }

    /// Says whether the plan is in the making. What DataFusion then computes of no rows it would keep for constant, such as the
    /// members of an IN list; other executions have other values.
    pub fn set_planning(&self, planning: bool) {
        self.planning.store(planning, Ordering::Relaxed);
    }
}

/// One parameter of a plan.
#[derive(Debug)]
pub struct Parameter {
    number: usize,
    field: FieldRef,
    slots: Arc<Slots>,
    signature: Signature,
}

impl Parameter {
    /// Which parameter this is, from 1.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && Arc::ptr_eq(&self.slots, &other.slots)
    }
}

impl Eq for Parameter {}

impl Hash for Parameter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl ScalarUDFImpl for Parameter {
    fn name(&self) -> &str {
        "parameter"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn display_name(&self, _args: &[Expr]) -> Result<String> {
        Ok(format!("${}", self.number))
    }

    fn schema_name(&self, _args: &[Expr]) -> Result<String> {
        Ok(format!("${}", self.number))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.number_rows == 0 && self.slots.planning.load(Ordering::Relaxed) {
            return Ok(ColumnarValue::Array(new_empty_array(self.field.data_type())));
        }
        let value = self.slots.values.read().get(self.number - 1).cloned();
        value
            .map(ColumnarValue::Scalar)
            .ok_or_else(|| wrap(Error::new(Condition::UndefinedParameter, format!("there is no parameter ${}", self.number))))
    }
}

/// The number of a placeholder.
pub fn number(placeholder: &Placeholder) -> Option<usize> {
    placeholder.id.strip_prefix('$')?.parse().ok()
}

/// Puts slots in the place of placeholders, in subqueries too.
pub fn install(plan: LogicalPlan, slots: &Arc<Slots>) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        plan.map_expressions(|expr| {
            let names = datafusion::logical_expr::expr_rewriter::NamePreserver::new_for_projection();
            let saved = names.save(&expr);
            let rewritten = expr.transform_up(|e| match e {
                Expr::Placeholder(Placeholder { id, field: Some(field) }) => {
                    let Some(number) = id.strip_prefix('$').and_then(|n| n.parse().ok()) else {
                        return Ok(Transformed::no(Expr::Placeholder(Placeholder { id, field: Some(field) })));
                    };
                    let field = Arc::new(Field::new("", field.data_type().clone(), true).with_metadata(field.metadata().clone()));
                    let parameter = Parameter {
                        number,
                        field,
                        slots: Arc::clone(slots),
                        signature: Signature::exact(vec![], Volatility::Stable),
                    };
                    let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(parameter)), vec![]);
                    Ok(Transformed::yes(Expr::ScalarFunction(call)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(rewritten.update_data(|e| saved.restore(e)))
        })
    })
    .map(|t| t.data)
}
