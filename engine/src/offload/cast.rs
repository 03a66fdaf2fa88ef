//! Casts, as PostgreSQL rounds and checks them.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::physical_expr::PhysicalExpr;
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{Arithmetic, Expr, Fault, Scalar, Type};

use super::arithmetic::scale;
use super::refusal::Refusal;
use super::scope::Lowering;
use super::value::{Kind, Value, limit, ticks_of_day};
use crate::evaluate::function::datetime::Zone;

impl Lowering<'_> {
    /// A value as another SQL type.
    pub fn cast(&mut self, value: Value, to: &DataType, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let (kind, ty) = Kind::of(to).ok_or_else(|| Refusal::new(whole, format!("type {to} has no device form")))?;
        if self.b.is_null_constant(value.node) {
            return Ok(Value { node: self.b.null(ty), kind });
        }
        let (limit, fault) = limit(to);
        let refused = |from: &Kind| Err(Refusal::new(whole, format!("the cast of {} to {to} has no device form", from.name())));
        let node = match (&value.kind, &kind) {
            (Kind::Boolean, Kind::Boolean) | (Kind::Date, Kind::Date) | (Kind::Text(_) | Kind::Plain { .. }, Kind::Text(_)) => {
                return Ok(value);
            }
            (Kind::Boolean, Kind::Integer) => self.b.cast(value.node, ty, None),
            (Kind::Integer, Kind::Boolean) => {
                let zero = self.b.constant(Type::I32, 0);
                let (a, b) = self.b.aligned(value.node, zero);
                let zero = self.b.compare(warpwise_gpu::program::Comparison::Equal, a, b);
                self.b.not(zero)
            }
            (Kind::Integer, Kind::Integer) => self.within(value.node, limit, fault),
            (Kind::Integer | Kind::Decimal { .. }, Kind::Float) => {
                let digits = scale(&value.kind);
                let float = self.b.cast(value.node, Type::F64, None);
                let node = match digits {
                    0 => float,
                    digits => {
                        let divisor = Some(Scalar::F64(10f64.powi(digits as i32)));
                        let divisor = self.b.push(Expr::Constant { ty: Type::F64, value: divisor });
                        self.b.push(Expr::Arithmetic { op: Arithmetic::Divide, a: float, b: divisor, fault: None })
                    }
                };
                self.b.cast(node, ty, Some(Fault::FloatOverflow))
            }
            (Kind::Integer | Kind::Decimal { .. }, Kind::Decimal { .. }) => return self.decimal(&value, to, whole),
            (Kind::Decimal { scale }, Kind::Integer) => {
                let whole_number = self.without_digits(value.node, *scale, whole)?;
                self.within(whole_number, limit, fault)
            }
            (Kind::Float, Kind::Float) => self.b.cast(value.node, ty, Some(Fault::FloatOverflow)),
            (Kind::Float, Kind::Integer) => {
                let wide = self.b.push(Expr::Cast { to: limit.max(Type::I32), a: value.node, fault: Some(fault) });
                self.within(wide, limit, fault)
            }
            (Kind::Date, Kind::Timestamp { tick: TimeUnit::Microsecond, zoned: false, .. }) => {
                return self.midnight(&value, None, whole);
            }
            (Kind::Date, Kind::Timestamp { tick, zoned: false, .. }) => {
                let day = self.b.constant(Type::I64, ticks_of_day(*tick));
                self.b.integers(Arithmetic::Multiply, value.node, day, Type::I64, Fault::TimestampRange)
            }
            (Kind::Timestamp { zoned: false, .. }, Kind::Date) => match self.days(&value) {
                Some(days) => days,
                None => return refused(&value.kind),
            },
            (Kind::Timestamp { tick: x, zoned: p, .. }, Kind::Timestamp { tick: y, zoned: q, .. }) if x == y && p == q => {
                return Ok(value);
            }
            (from, _) => return refused(from),
        };
        Ok(Value { node, kind })
    }

    /// A cast between dates and moments by the clocks of the session's zone; `None` of any other.
    pub fn moment_cast(
        &mut self,
        value: &Value,
        to: &DataType,
        zone: chrono_tz::Tz,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<Option<Value>, Refusal> {
        let zone = Zone::Named(zone);
        let (from, to) = match (&value.kind, Kind::of(to)) {
            _ if self.b.is_null_constant(value.node) => return Ok(None),
            (from @ (Kind::Date | Kind::Timestamp { tick: TimeUnit::Microsecond, .. }), Some((to, _))) => (from, to),
            (_, _) => return Ok(None),
        };
        Ok(Some(match (from, to) {
            (Kind::Date, Kind::Timestamp { tick: TimeUnit::Microsecond, zoned, .. }) => {
                self.finite(whole)?;
                self.midnight(value, zoned.then_some(zone), whole)?
            }
            (Kind::Timestamp { zoned: true, .. }, Kind::Timestamp { tick: TimeUnit::Microsecond, zoned: false, .. }) => {
                self.finite(whole)?;
                self.shifted(value, zone, true, whole)?
            }
            (Kind::Timestamp { zoned: false, .. }, Kind::Timestamp { tick: TimeUnit::Microsecond, zoned: true, .. }) => {
                self.finite(whole)?;
                self.shifted(value, zone, false, whole)?
            }
            (Kind::Timestamp { zoned, .. }, Kind::Date) => {
                self.finite(whole)?;
                let local = if *zoned { self.shifted(value, zone, true, whole)? } else { value.clone() };
                match self.days(&local) {
                    Some(node) => Value { node, kind: Kind::Date },
                    None => return Ok(None),
                }
            }
            (_, _) => return Ok(None),
        }))
    }

    /// An integer that must lie in a type's range.
    fn within(&mut self, node: warpwise_gpu::program::ExprId, limit: Type, fault: Fault) -> warpwise_gpu::program::ExprId {
        let fits = self.b.bounds(node).zip(limit.range()).is_some_and(|(b, all)| all.0 <= b.0 && b.1 <= all.1);
        if fits { node } else { self.b.cast(node, limit, Some(fault)) }
    }

    /// A decimal rounded to `digits` fewer digits behind the point, halves away from zero.
    fn without_digits(
        &mut self,
        node: warpwise_gpu::program::ExprId,
        digits: u32,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<warpwise_gpu::program::ExprId, Refusal> {
        if digits == 0 {
            return Ok(node);
        }
        let divisor =
            power_of_ten(digits).ok_or_else(|| Refusal::new(whole, "numeric with more than 38 digits has no device form"))?;
        let ty = if divisor <= i32::MAX.into() {
            Type::I32
        } else if divisor <= i64::MAX.into() {
            Type::I64
        } else {
            Type::I128
        };
        let divisor = self.b.constant(ty, divisor);
        Ok(self.b.integers(Arithmetic::RoundDivide, node, divisor, Type::I128, Fault::NumericRange))
    }

    fn decimal(&mut self, value: &Value, to: &DataType, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let (DataType::Decimal32(precision, wanted)
        | DataType::Decimal64(precision, wanted)
        | DataType::Decimal128(precision, wanted)) = *to
        else {
            return Err(Refusal::new(whole, format!("type {to} has no device form")));
        };
        let (own, wanted) = (scale(&value.kind), wanted.max(0) as u32);
        let (node, scale) =
            if own > wanted { (self.without_digits(value.node, own - wanted, whole)?, wanted) } else { (value.node, own) };
        // What is stored with fewer digits behind the point has fewer in all.
        let digits = u32::from(precision) + scale - wanted.min(u32::from(precision) + scale);
        let greatest = power_of_ten(digits).map_or(i128::MAX, |p| p - 1);
        let fits = self.b.bounds(node).is_some_and(|(low, high)| -greatest <= low && high <= greatest);
        if !fits && precision < 38 {
            return Err(Refusal::new(whole, format!("nothing proves that the values fit {to}")).of_data());
        }
        Ok(Value { node, kind: Kind::Decimal { scale } })
    }
}
