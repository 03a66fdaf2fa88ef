//! Arithmetic, negation, and bringing two values into one form.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use warpwise_gpu::program::{Arithmetic, Expr, ExprId, Fault, Scalar, Table, Type};

use super::expr::constant;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value, limit, ticks_of_day};
use super::words::Words;

/// Codes that are looked at whether they stay what they are.
const IDENTITY: usize = 1 << 12;

impl Lowering<'_> {
    /// `left op right` of the type that the plan says.
    pub fn arithmetic(
        &mut self,
        op: Arithmetic,
        [left, right]: [&Arc<dyn PhysicalExpr>; 2],
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let moved = match (op, constant(left)?, constant(right)?) {
            (Arithmetic::Add, Some(ScalarValue::IntervalMonthDayNano(interval)), None) => Some((right, interval, 1)),
            (Arithmetic::Add, None, Some(ScalarValue::IntervalMonthDayNano(interval))) => Some((left, interval, 1)),
            (Arithmetic::Subtract, None, Some(ScalarValue::IntervalMonthDayNano(interval))) => Some((left, interval, -1)),
            (_, _, _) => None,
        };
        if let Some((value, interval, sign)) = moved {
            let value = self.expr(value, scope)?;
            return match interval {
                None => self.null_of(data_type, whole),
                Some(interval) => self.moved(&value, interval, sign, data_type, whole),
            };
        }
        let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
        let (ty, fault) = limit(data_type);
        let node = match (&a.kind, &b.kind) {
            (Kind::Float, Kind::Float) => {
                let (a, b) = self.unified(a, b, whole)?;
                if matches!(op, Arithmetic::Remainder) {
                    return Err(Refusal::new(whole, "the remainder of floats has no device form"));
                }
                let fault = Some(Fault::FloatOverflow);
                let node = self.b.push(Expr::Arithmetic { op, a: a.node, b: b.node, fault });
                return Ok(Value { node, kind: Kind::Float });
            }
            (Kind::Integer, Kind::Integer) if !matches!(data_type, DataType::Decimal128(..)) => {
                self.b.integers(op, a.node, b.node, ty, fault)
            }
            (Kind::Integer | Kind::Decimal { .. }, Kind::Integer | Kind::Decimal { .. }) => {
                if op == Arithmetic::Divide {
                    return self.quotient(&a, &b, data_type, whole);
                }
                return self.decimal_arithmetic(op, &a, &b, whole);
            }
            (Kind::Date, Kind::Integer) if *data_type == DataType::Date32 => {
                self.b.integers(op, a.node, b.node, Type::I32, Fault::DateRange)
            }
            (Kind::Integer, Kind::Date) if *data_type == DataType::Date32 && op == Arithmetic::Add => {
                self.b.integers(op, a.node, b.node, Type::I32, Fault::DateRange)
            }
            (Kind::Date, Kind::Date) if op == Arithmetic::Subtract && matches!(data_type, DataType::Int32 | DataType::Int64) => {
                self.b.integers(op, a.node, b.node, ty, fault)
            }
            (x, y) => {
                return Err(Refusal::new(whole, format!("{} of {} and {} has no device form", op.name(), x.name(), y.name())));
            }
        };
        let (kind, _) = Kind::of(data_type).ok_or_else(|| Refusal::new(whole, format!("type {data_type} has no device form")))?;
        Ok(Value { node, kind })
    }

    fn null_of(&mut self, data_type: &DataType, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let (kind, ty) =
            Kind::of(data_type).ok_or_else(|| Refusal::new(whole, format!("type {data_type} has no device form")))?;
        Ok(Value { node: self.b.null(ty), kind })
    }

    /// A date moved by whole days: months first, then days, as PostgreSQL does it.
    fn moved(
        &mut self,
        value: &Value,
        interval: IntervalMonthDayNano,
        sign: i64,
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<Value, Refusal> {
        let refused = || Refusal::new(whole, format!("an interval beside {} has no device form here", value.kind.name()));
        let (kind, _) = Kind::of(data_type).ok_or_else(refused)?;
        let day = 86_400_000_000_000;
        let months = sign * i64::from(interval.months);
        let whole_days = interval.nanoseconds % day == 0;
        match (&value.kind, &kind) {
            (Kind::Date, Kind::Date) if whole_days => {
                let mut days = self.b.cast(value.node, Type::I32, None);
                if months != 0 {
                    let months = self.parameter_i32(months).ok_or_else(refused)?;
                    days = self.b.push(Expr::AddMonths { a: days, months });
                }
                let more = sign * (i64::from(interval.days) + interval.nanoseconds / day);
                let more = self.b.integer(more.into());
                let node = self.b.integers(Arithmetic::Add, days, more, Type::I32, Fault::DateRange);
                Ok(Value { node, kind })
            }
            (_, _) => Err(refused()),
        }
    }

    fn parameter_i32(&mut self, value: i64) -> Option<ExprId> {
        i32::try_from(value).ok().map(|value| self.b.parameter_node(Type::I32, Scalar::Int(value.into())))
    }

    fn decimal_arithmetic(
        &mut self,
        op: Arithmetic,
        a: &Value,
        b: &Value,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<Value, Refusal> {
        let (x, y) = (scale(&a.kind), scale(&b.kind));
        let (left, right, scale) = match op {
            Arithmetic::Multiply => (a.node, b.node, x + y),
            Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Remainder => {
                let common = x.max(y);
                (self.rescaled(a.node, common - x, whole)?, self.rescaled(b.node, common - y, whole)?, common)
            }
            Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::FloorRemainder | Arithmetic::RoundDivide => {
                return Err(Refusal::new(whole, "division of numeric has no device form"));
            }
        };
        let node = self.b.integers(op, left, right, Type::I128, Fault::NumericRange);
        Ok(Value { node, kind: Kind::Decimal { scale } })
    }

    /// A decimal with more digits behind the point.
    pub fn rescaled(&mut self, node: ExprId, digits: u32, whole: &Arc<dyn PhysicalExpr>) -> Result<ExprId, Refusal> {
        let scaled = self.b.scaled(node, digits, Type::I128, Fault::NumericRange);
        // Columns are stored without zeros that all their values end in.
        scaled.ok_or_else(|| Refusal::new(whole, "numeric with more than 38 digits has no device form").of_data())
    }

    /// `-a`.
    pub fn negate(
        &mut self,
        inner: &Arc<dyn PhysicalExpr>,
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let a = self.expr(inner, scope)?;
        match a.kind {
            Kind::Float => Ok(Value { node: self.b.push(Expr::Negate { a: a.node, fault: None }), kind: Kind::Float }),
            Kind::Integer | Kind::Decimal { .. } => {
                let zero = self.b.constant(Type::I32, 0);
                let (ty, fault) = limit(data_type);
                let node = self.b.integers(Arithmetic::Subtract, zero, a.node, ty, fault);
                Ok(Value { node, kind: a.kind })
            }
            _ => Err(Refusal::new(whole, format!("- of {} has no device form", a.kind.name()))),
        }
    }

    fn is_null(&self, value: &Value) -> bool {
        self.b.is_null_constant(value.node)
    }

    /// Two values in one form: of one type, one scale, one unit, one dictionary.
    pub fn unified(&mut self, a: Value, b: Value, whole: &Arc<dyn PhysicalExpr>) -> Result<(Value, Value), Refusal> {
        if self.is_null(&b) {
            let node = self.b.null(self.b.ty(a.node).ty);
            return Ok((a.clone(), Value { node, kind: a.kind }));
        }
        if self.is_null(&a) {
            let node = self.b.null(self.b.ty(b.node).ty);
            return Ok((Value { node, kind: b.kind.clone() }, b));
        }
        let (a, b) = match (&a.kind, &b.kind) {
            (Kind::Boolean, Kind::Boolean) => return Ok((a, b)),
            (Kind::Float, Kind::Float) => {
                let wide = self.b.ty(a.node).ty.max(self.b.ty(b.node).ty);
                let (x, y) = (self.b.cast(a.node, wide, None), self.b.cast(b.node, wide, None));
                return Ok((Value { node: x, kind: Kind::Float }, Value { node: y, kind: Kind::Float }));
            }
            (Kind::Text(x), Kind::Text(y)) => {
                if x.same(y) {
                    let (x, y) = (self.b.cast(a.node, Type::U32, None), self.b.cast(b.node, Type::U32, None));
                    return Ok((Value { node: x, kind: a.kind }, Value { node: y, kind: b.kind }));
                }
                let (words, of_a, of_b) = Words::merged(x, y);
                let (x, y) = (self.translate(a.node, &of_a), self.translate(b.node, &of_b));
                let kind = Kind::Text(words);
                return Ok((Value { node: x, kind: kind.clone() }, Value { node: y, kind }));
            }
            (Kind::Text(_) | Kind::Plain { .. }, Kind::Plain { .. }) | (Kind::Plain { .. }, Kind::Text(_)) => {
                let (x, y) = (self.spelled(&a, whole)?, self.spelled(&b, whole)?);
                let kind = Kind::Plain { ascii: a.kind.is_ascii() && b.kind.is_ascii() };
                return Ok((Value { node: x, kind: kind.clone() }, Value { node: y, kind }));
            }
            (Kind::Integer, Kind::Integer) | (Kind::Date, Kind::Date) => (a, b),
            (Kind::Integer | Kind::Decimal { .. }, Kind::Integer | Kind::Decimal { .. }) => {
                let (x, y) = (scale(&a.kind), scale(&b.kind));
                let common = x.max(y);
                let kind = Kind::Decimal { scale: common };
                let left = self.rescaled(a.node, common - x, whole)?;
                let right = self.rescaled(b.node, common - y, whole)?;
                (Value { node: left, kind: kind.clone() }, Value { node: right, kind })
            }
            (Kind::Timestamp { tick: x, zoned: p, .. }, Kind::Timestamp { tick: y, zoned: q, .. }) if x == y && p == q => {
                (self.in_ticks(&a), self.in_ticks(&b))
            }
            (x, y) => return Err(Refusal::new(whole, format!("{} beside {} has no device form", x.name(), y.name()))),
        };
        let (x, y) = self.b.aligned(a.node, b.node);
        Ok((Value { node: x, kind: a.kind }, Value { node: y, kind: b.kind }))
    }

    /// A timestamp counted in its type's own ticks.
    pub fn in_ticks(&mut self, value: &Value) -> Value {
        let Kind::Timestamp { unit, tick, zoned } = value.kind else { return value.clone() };
        if unit == 1 {
            return value.clone();
        }
        let factor = self.b.constant(if unit <= i32::MAX.into() { Type::I32 } else { Type::I64 }, unit);
        let node = self.b.integers(Arithmetic::Multiply, value.node, factor, Type::I64, Fault::TimestampRange);
        Value { node, kind: Kind::Timestamp { unit: 1, tick, zoned } }
    }

    /// Days since 1970-01-01 of a date or timestamp, as `I32`.
    pub fn days(&mut self, value: &Value) -> Option<ExprId> {
        match value.kind {
            Kind::Date => Some(self.b.cast(value.node, Type::I32, Some(Fault::DateRange))),
            Kind::Timestamp { unit, tick, zoned: false } => {
                let day = ticks_of_day(tick);
                let days = if day % unit == 0 {
                    let each = self.b.constant(Type::I64, day / unit);
                    self.b.integers(Arithmetic::FloorDivide, value.node, each, Type::I64, Fault::TimestampRange)
                } else {
                    let ticks = self.in_ticks(value);
                    let each = self.b.constant(Type::I64, day);
                    self.b.integers(Arithmetic::FloorDivide, ticks.node, each, Type::I64, Fault::TimestampRange)
                };
                Some(self.b.cast(days, Type::I32, Some(Fault::DateRange)))
            }
            _ => None,
        }
    }

    /// A code's rank in byte order.
    pub fn rank(&mut self, code: ExprId, words: &Words) -> ExprId {
        self.translate(code, words.ranks())
    }

    /// A code as another: `to[code]`.
    pub fn translate(&mut self, code: ExprId, to: &[u32]) -> ExprId {
        // Of many codes that stay what they are none is looked up.
        if to.len() > IDENTITY && to.iter().enumerate().all(|(at, code)| at as u32 == *code) {
            return self.b.cast(code, Type::U32, None);
        }
        let table = self.b.table(Table::words(to));
        self.b.push(Expr::Lookup { table, index: code })
    }
}

/// Digits behind the point of an integer or a decimal.
pub fn scale(kind: &Kind) -> u32 {
    match kind {
        Kind::Decimal { scale } => *scale,
        Kind::Boolean
        | Kind::Integer
        | Kind::Float
        | Kind::Date
        | Kind::Timestamp { .. }
        | Kind::Text(_)
        | Kind::Plain { .. } => 0,
    }
}
