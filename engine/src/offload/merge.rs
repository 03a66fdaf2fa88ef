//! Groups grouped again: by fewer keys, or because several chains left them.

use std::rc::Rc;

use arrow::datatypes::DataType;
use warpwise_gpu::program::{Aggregate, AggregateOp, Fault, Sink, Type};

use super::lower::{Made, Shape};
use super::plan::Again;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};

impl Lowering<'_> {
    /// The sink that folds groups of at most `rows` rows.
    pub fn merge(&mut self, keys: &[usize], folded: &[(usize, Again)], scope: &Rc<Scope>, rows: u64) -> Result<Shape, Refusal> {
        let mut values = Vec::new();
        for at in keys {
            values.push(self.column(*at, scope)?);
        }
        let grouping = self.grouping(&values, rows, folded.len());
        let mut made: Vec<Made> =
            values.into_iter().enumerate().map(|(at, value)| Made::Column { at, kind: value.kind }).collect();
        let mut aggregates = Vec::new();
        for (at, how) in folded {
            let value = self.column(*at, scope)?;
            let op = match how {
                Again::Sum => self.total(value.node, scope.schema.field(*at).data_type(), rows),
                Again::Least => AggregateOp::Min,
                Again::Greatest => AggregateOp::Max,
                Again::Bits(op) => AggregateOp::Bits(*op),
            };
            made.push(Made::Column { at: made.len(), kind: value.kind });
            aggregates.push(Aggregate { op, input: Some(value.node), filter: None });
        }
        let sink = Sink::Group { keys: grouping.keys, aggregates, strategy: grouping.strategy };
        Ok(Shape { sink, made, numbered: grouping.numbered, taking: None, sorting: None })
    }

    /// The sum of a column of sums or counts.
    fn total(&self, node: warpwise_gpu::program::ExprId, data_type: &DataType, rows: u64) -> AggregateOp {
        let ty = self.b.ty(node).ty;
        if ty.is_float() {
            return AggregateOp::Sum { ty: Type::F64, fault: None };
        }
        let far = self.b.bounds(node).map(|(low, high)| low.unsigned_abs().max(high.unsigned_abs()));
        let greatest = far.and_then(|far| far.checked_mul(u128::from(rows.max(1))));
        if ty == Type::I128 {
            let proved = greatest.is_some_and(|sum| sum <= i128::MAX as u128);
            return AggregateOp::Sum { ty, fault: (!proved).then_some(Fault::NumericRange) };
        }
        let proved = greatest.is_some_and(|sum| sum <= i64::MAX as u128);
        let fault = if matches!(data_type, DataType::Decimal128(..)) { Fault::NumericRange } else { Fault::BigintRange };
        AggregateOp::Sum { ty: Type::I64, fault: (!proved).then_some(fault) }
    }
}
