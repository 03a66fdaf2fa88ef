//! Functions of numbers: those of floats, and rounding, which is exact for integers and decimals.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{Arithmetic, Bits, Comparison, Expr, ExprId, Fault, Math, Scalar, Type};

use super::arithmetic::scale;
use super::expr::constant;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value, limit};
use crate::function::math::{Operation, RADIANS_PER_DEGREE};

/// How a decimal loses digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, halves away from zero.
    Nearest,
    /// Towards zero.
    Truncated,
    /// Down.
    Floor,
    /// Up.
    Ceiling,
}

impl Rounding {
    /// The function of this name in plans.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "round" => Self::Nearest,
            "trunc" => Self::Truncated,
            "floor" => Self::Floor,
            "ceil" => Self::Ceiling,
            _ => return None,
        })
    }

    fn of_floats(self) -> Math {
        match self {
            Self::Nearest => Math::Round,
            Self::Truncated => Math::Trunc,
            Self::Floor => Math::Floor,
            Self::Ceiling => Math::Ceil,
        }
    }
}

impl Lowering<'_> {
    /// A number in double precision.
    fn float(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<ExprId, Refusal> {
        let value = self.expr(expr, scope)?;
        Ok(self.cast(value, &DataType::Float64, expr)?.node)
    }

    /// A function of floats.
    pub fn math(
        &mut self,
        operation: Operation,
        args: &[Arc<dyn PhysicalExpr>],
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        if *data_type != DataType::Float64 {
            return Err(Refusal::new(whole, "this function of numeric has no device form"));
        }
        let node = match (operation, args) {
            (Operation::One(op), [a]) => {
                let a = self.float(a, scope)?;
                Expr::Math { op, a }
            }
            (Operation::Two(op), [a, b]) => {
                let (a, b) = (self.float(a, scope)?, self.float(b, scope)?);
                Expr::MathPair { op, a, b }
            }
            (Operation::Degrees | Operation::Radians, [a]) => {
                let a = self.float(a, scope)?;
                let b = self.b.push(Expr::Constant { ty: Type::F64, value: Some(Scalar::F64(RADIANS_PER_DEGREE)) });
                let op = if operation == Operation::Degrees { Arithmetic::Divide } else { Arithmetic::Multiply };
                Expr::Arithmetic { op, a, b, fault: Some(Fault::FloatOverflow) }
            }
            (_, _) => return Err(Refusal::new(whole, "a call with this number of arguments has no device form")),
        };
        Ok(Value { node: self.b.push(node), kind: Kind::Float })
    }

    /// `round`, `trunc`, `floor` or `ceil`, to a number of digits where one is given.
    pub fn rounded(
        &mut self,
        how: Rounding,
        args: &[Arc<dyn PhysicalExpr>],
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let [first, digits @ ..] = args else { return Err(Refusal::new(whole, "a call without arguments")) };
        let value = self.expr(first, scope)?;
        if *data_type == DataType::Float64 {
            let float = self.cast(value.clone(), &DataType::Float64, whole)?;
            // A whole number stays what it is.
            if matches!(value.kind, Kind::Integer) {
                return Ok(float);
            }
            return Ok(Value { node: self.b.push(Expr::Math { op: how.of_floats(), a: float.node }), kind: Kind::Float });
        }
        if !matches!(value.kind, Kind::Integer | Kind::Decimal { .. }) || !matches!(data_type, DataType::Decimal128(..)) {
            return Err(Refusal::new(whole, format!("rounding of {} has no device form", value.kind.name())));
        }
        let kept = match digits {
            [] => 0,
            [digits] => {
                let known = constant(digits)?.and_then(|v| v.cast_to(&DataType::Int64).ok());
                match known {
                    Some(ScalarValue::Int64(Some(digits))) => digits,
                    _ => {
                        return Err(Refusal::new(
                            whole,
                            "rounding to a number of digits that is not constant has no device form",
                        ));
                    }
                }
            }
            _ => return Err(Refusal::new(whole, "a call with this number of arguments has no device form")),
        };
        let own = scale(&value.kind);
        let shown = match data_type {
            DataType::Decimal128(_, shown) => u32::try_from(*shown).unwrap_or(0),
            _ => own,
        };
        let dropped = i64::from(own) - kept.clamp(-76, 76);
        if dropped <= 0 {
            let node = if shown > own { self.rescaled(value.node, shown - own, whole)? } else { value.node };
            return Ok(Value { node, kind: Kind::Decimal { scale: shown.max(own) } });
        }
        let unit = u32::try_from(dropped).ok().and_then(power_of_ten);
        let unit = unit.ok_or_else(|| Refusal::new(whole, "rounding away more than 38 digits has no device form"))?;
        let mut node = self.whole_units(how, value.node, unit);
        let scale = u32::try_from(kept).unwrap_or(0).min(own);
        if kept < 0 {
            node = self.rescaled(node, kept.unsigned_abs() as u32, whole)?;
        }
        Ok(Value { node, kind: Kind::Decimal { scale } })
    }

    /// How many whole units a number has.
    fn whole_units(&mut self, how: Rounding, node: ExprId, unit: i128) -> ExprId {
        let ty = [Type::I32, Type::I64].into_iter().find(|ty| ty.range().is_some_and(|(_, most)| unit <= most));
        let unit = self.b.constant(ty.unwrap_or(Type::I128), unit);
        let mut step = |op: Arithmetic, a: ExprId, b: ExprId| self.b.integers(op, a, b, Type::I128, Fault::NumericRange);
        match how {
            Rounding::Nearest => step(Arithmetic::RoundDivide, node, unit),
            Rounding::Truncated => step(Arithmetic::Divide, node, unit),
            Rounding::Floor => step(Arithmetic::FloorDivide, node, unit),
            Rounding::Ceiling => {
                let zero = self.b.constant(Type::I32, 0);
                let mut step = |op: Arithmetic, a: ExprId, b: ExprId| self.b.integers(op, a, b, Type::I128, Fault::NumericRange);
                let opposite = step(Arithmetic::Subtract, zero, node);
                let down = step(Arithmetic::FloorDivide, opposite, unit);
                step(Arithmetic::Subtract, zero, down)
            }
        }
    }

    /// `abs`.
    pub fn absolute(
        &mut self,
        inner: &Arc<dyn PhysicalExpr>,
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let value = self.expr(inner, scope)?;
        match value.kind {
            Kind::Float => {
                let wide = self.b.cast(value.node, Type::F64, None);
                let node = self.b.push(Expr::Math { op: Math::Abs, a: wide });
                self.cast(Value { node, kind: Kind::Float }, data_type, whole)
            }
            Kind::Integer | Kind::Decimal { .. } => {
                let bounds = self.b.bounds(value.node).unwrap_or((i128::MIN, i128::MAX));
                if bounds.0 >= 0 {
                    return Ok(value);
                }
                let (limit, fault) = limit(data_type);
                let zero = self.b.constant(Type::I32, 0);
                let negative = self.b.in_range(value.node, None, Some(-1));
                let opposite = self.b.integers(Arithmetic::Subtract, zero, value.node, limit, fault);
                let (then, otherwise) = self.b.aligned(opposite, value.node);
                let node = self.b.push(Expr::Select { condition: negative, then, otherwise });
                self.b.narrow(node, (0, bounds.1.max(bounds.0.saturating_neg())));
                Ok(Value { node, kind: value.kind })
            }
            _ => Err(Refusal::new(whole, format!("abs of {} has no device form", value.kind.name()))),
        }
    }

    /// `sign`.
    pub fn sign(
        &mut self,
        inner: &Arc<dyn PhysicalExpr>,
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let value = self.expr(inner, scope)?;
        match value.kind {
            Kind::Float => {
                let wide = self.b.cast(value.node, Type::F64, None);
                Ok(Value { node: self.b.push(Expr::Math { op: Math::Sign, a: wide }), kind: Kind::Float })
            }
            Kind::Integer | Kind::Decimal { .. } => {
                let (negative, positive) =
                    (self.b.in_range(value.node, None, Some(-1)), self.b.in_range(value.node, Some(1), None));
                let [below, zero, above] = [-1, 0, 1].map(|v| self.b.constant(Type::I32, v));
                let otherwise = self.b.push(Expr::Select { condition: positive, then: above, otherwise: zero });
                let node = self.b.push(Expr::Select { condition: negative, then: below, otherwise });
                // A comparison with NULL is not true.
                let null = self.b.push(Expr::IsNull(value.node));
                let nothing = self.b.null(Type::I32);
                let node = if self.b.ty(value.node).nullable {
                    self.b.push(Expr::Select { condition: null, then: nothing, otherwise: node })
                } else {
                    node
                };
                self.b.narrow(node, (-1, 1));
                let sign = Value { node, kind: Kind::Decimal { scale: 0 } };
                if *data_type == DataType::Float64 { self.cast(sign, data_type, whole) } else { Ok(sign) }
            }
            _ => Err(Refusal::new(whole, format!("sign of {} has no device form", value.kind.name()))),
        }
    }

    /// `greatest`, or `least`: NULLs are passed over.
    pub fn extreme(
        &mut self,
        greatest: bool,
        args: &[Arc<dyn PhysicalExpr>],
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let [first, rest @ ..] = args else { return Err(Refusal::new(whole, "a call without arguments")) };
        let mut value = self.expr(first, scope)?;
        for other in rest {
            let other = self.expr(other, scope)?;
            let (a, b) = self.unified(value, other, whole)?;
            if matches!(a.kind, Kind::Text(_)) {
                return Err(Refusal::new(whole, "the greatest or least of texts has no device form"));
            }
            let op = if greatest { Comparison::GreaterOrEqual } else { Comparison::LessOrEqual };
            let mut condition = self.b.compare(op, a.node, b.node);
            if self.b.ty(b.node).nullable {
                let null = self.b.push(Expr::IsNull(b.node));
                condition = self.b.push(Expr::Or(null, condition));
            }
            let node = self.b.push(Expr::Select { condition, then: a.node, otherwise: b.node });
            value = Value { node, kind: a.kind };
        }
        Ok(value)
    }

    /// An operation on the bits of integers.
    pub fn bits(
        &mut self,
        op: Bits,
        [left, right]: [&Arc<dyn PhysicalExpr>; 2],
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
        let shifts = matches!(op, Bits::ShiftLeft | Bits::ShiftRight);
        let ty = match data_type {
            DataType::Int16 if !shifts => Type::I32,
            DataType::Int32 => Type::I32,
            DataType::Int64 if !shifts && [a.node, b.node].iter().all(|id| self.b.arithmetic_type(*id) == Type::I32) => Type::I32,
            DataType::Int64 => Type::I64,
            other => return Err(Refusal::new(whole, format!("{} of {other} has no device form", op.name()))),
        };
        if !matches!((&a.kind, &b.kind), (Kind::Integer, Kind::Integer)) {
            return Err(Refusal::new(whole, format!("{} of {} has no device form", op.name(), a.kind.name())));
        }
        let (a, b) = (self.b.cast(a.node, ty, Some(Fault::BigintRange)), self.b.cast(b.node, ty, Some(Fault::BigintRange)));
        Ok(Value { node: self.b.push(Expr::Bits { op, a, b }), kind: Kind::Integer })
    }

    /// A quotient of numerics, to the digits of the plan's type and rounded as it is without a device.
    pub fn quotient(
        &mut self,
        a: &Value,
        b: &Value,
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<Value, Refusal> {
        let DataType::Decimal128(_, digits) = *data_type else {
            return Err(Refusal::new(whole, format!("a quotient of type {data_type} has no device form")));
        };
        let (x, y) = (i64::from(scale(&a.kind)), i64::from(scale(&b.kind)));
        let shift = u32::try_from(i64::from(digits) - x + y).ok();
        let refused = || Refusal::new(whole, "nothing proves that the digits of the quotient fit 128 bits");
        let (shift, factor) = shift.and_then(|shift| Some((shift, power_of_ten(shift)?))).ok_or_else(refused)?;
        let fits = self.b.bounds(a.node).is_some_and(|(low, high)| {
            low.checked_mul(factor).is_some_and(|v| v > i128::MIN / 2)
                && high.checked_mul(factor).is_some_and(|v| v < i128::MAX / 2)
        });
        if self.certain && !fits {
            return Err(refused());
        }
        let dividend = self.rescaled(a.node, shift, whole)?;
        let node = self.b.integers(Arithmetic::RoundDivide, dividend, b.node, Type::I128, Fault::NumericRange);
        Ok(Value { node, kind: Kind::Decimal { scale: digits as u32 } })
    }
}
