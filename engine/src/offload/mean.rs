//! Averages of integers and numerics, from sums and counts: what `plan::rules` makes of them.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_expr::PhysicalExpr;
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{Arithmetic, Expr, Fault, Type};

use super::arithmetic::scale;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value};

impl Lowering<'_> {
    /// A sum by a count, with the digits of the plan's type; NULL of nothing.
    pub fn mean(
        &mut self,
        [sum, count]: [&Arc<dyn PhysicalExpr>; 2],
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let (sum, count) = (self.expr(sum, scope)?, self.expr(count, scope)?);
        let kinds = matches!((&sum.kind, &count.kind), (Kind::Integer | Kind::Decimal { .. }, Kind::Integer));
        let digits = match data_type {
            DataType::Decimal128(_, digits) if kinds => u32::try_from(*digits).unwrap_or(0),
            _ => return Err(Refusal::new(whole, format!("an average of {} has no device form", sum.kind.name()))),
        };
        let far = self.b.bounds(sum.node).map(|(low, high)| low.unsigned_abs().max(high.unsigned_abs()));
        let more = digits.checked_sub(scale(&sum.kind)).filter(|more| {
            let greatest = power_of_ten(*more).zip(far).and_then(|(factor, far)| factor.unsigned_abs().checked_mul(far));
            // Room for a half of the divisor too.
            greatest.is_some_and(|greatest| greatest < 1 << 126)
        });
        let scaled = more.and_then(|more| self.b.scaled(sum.node, more, Type::I128, Fault::NumericRange));
        let Some(scaled) = scaled else {
            return Err(Refusal::new(whole, "an average of numbers that large runs in DataFusion"));
        };
        // Nothing is divided by no values: the sum is NULL then.
        let zero = self.b.constant(self.b.ty(count.node).ty, 0);
        let divisor = self.b.push(Expr::NullIf(count.node, zero));
        let node = self.b.integers(Arithmetic::RoundDivide, scaled, divisor, Type::I128, Fault::NumericRange);
        Ok(Value { node, kind: Kind::Decimal { scale: digits } })
    }
}
