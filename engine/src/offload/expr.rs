//! DataFusion's expressions as nodes of a row program.
//!
//! # Adding an expression
//!
//! An expression's type gets an arm in [`Lowering::direct`], a function one in `function.rs`. What has no arm is refused with
//! its own text; what depends on one column with few values needs none ([`tabulate`](super::tabulate)).

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{ColumnarValue, Operator, Volatility};
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NegativeExpr, NotExpr,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::program::{Arithmetic, Bits, Expr, Scalar, Type};

use super::compare::comparison;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::subquery::{is_subquery, with_stand_ins};
use super::text::{NEW_TEXT, REGULAR};
use super::value::{Kind, Value};
use super::words::Words;
use crate::plan::parameter::Parameter;

/// Whether an expression reads any column.
pub fn reads_columns(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut reads = false;
    let _ = expr.apply(|e| {
        reads |= e.downcast_ref::<Column>().is_some();
        Ok(if reads { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    reads
}

/// The first volatile function in an expression.
fn volatile(expr: &Arc<dyn PhysicalExpr>) -> Option<String> {
    let mut found = None;
    let _ = expr.apply(|e| {
        if let Some(call) = e.downcast_ref::<ScalarFunctionExpr>()
            && call.fun().signature().volatility == Volatility::Volatile
        {
            found = Some(call.name().to_owned());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Whether an expression is a call of a bound parameter.
fn is_parameter(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| call.fun().inner().downcast_ref::<Parameter>().is_some())
}

/// The value of an expression without columns, computed now; `None` where it has columns.
pub fn constant(expr: &Arc<dyn PhysicalExpr>) -> Result<Option<ScalarValue>, Refusal> {
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return Ok(Some(literal.value().clone()));
    }
    if reads_columns(expr) {
        return Ok(None);
    }
    if let Some(name) = volatile(expr) {
        return Err(Refusal::new(expr, format!("function {name} is volatile")));
    }
    if !expr.children().is_empty() || is_parameter(expr) || is_subquery(expr) {
        let expr = &with_stand_ins(expr);
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options);
        let value = batch.map_err(Into::into).and_then(|batch| match expr.evaluate(&batch)? {
            ColumnarValue::Scalar(value) => Ok(value),
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
        });
        return value.map(Some).map_err(|error| Refusal::new(expr, format!("it fails: {}", error.strip_backtrace())));
    }
    Ok(None)
}

impl Lowering<'_> {
    /// Lowers an expression over the columns of a scope.
    pub fn expr(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Value, Refusal> {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return self.column(column.index(), scope);
        }
        if let Some(value) = constant(expr)? {
            return self
                .literal(&value)
                .ok_or_else(|| Refusal::new(expr, format!("values of type {} have no device form", value.data_type())));
        }
        if self.asks_words(expr, scope)
            && let Ok(value) = self.direct(expr, scope)
        {
            return Ok(value);
        }
        if let Some(tabulated) = self.of_one_text(expr, scope)? {
            return Ok(tabulated);
        }
        self.direct(expr, scope).or_else(|refusal| match self.of_few_values(expr, scope)? {
            Some(tabulated) => Ok(tabulated),
            None if self.may_have_few_values(expr, scope) => Err(refusal.of_data()),
            None => Err(refusal),
        })
    }

    /// A condition.
    pub fn boolean(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Value, Refusal> {
        let value = self.expr(expr, scope)?;
        match value.kind {
            Kind::Boolean => Ok(value),
            _ => Err(Refusal::new(expr, format!("it is {}, not boolean", value.kind.name()))),
        }
    }

    /// A value that is known now; `None` where its type has no device form.
    pub fn literal(&mut self, value: &ScalarValue) -> Option<Value> {
        if value.is_null() {
            let (kind, ty) = match value.data_type() {
                DataType::Null => (Kind::Integer, Type::I32),
                other => Kind::of(&other)?,
            };
            return Some(Value { node: self.b.null(ty), kind });
        }
        let mut exact = |value: i128, kind: Kind| Some(Value { node: self.b.integer(value), kind });
        match value {
            ScalarValue::Boolean(Some(v)) => Some(Value { node: self.b.boolean(*v), kind: Kind::Boolean }),
            ScalarValue::Int8(Some(v)) => exact((*v).into(), Kind::Integer),
            ScalarValue::Int16(Some(v)) => exact((*v).into(), Kind::Integer),
            ScalarValue::Int32(Some(v)) => exact((*v).into(), Kind::Integer),
            ScalarValue::Int64(Some(v)) => exact((*v).into(), Kind::Integer),
            ScalarValue::UInt8(Some(v)) => exact((*v).into(), Kind::Integer),
            ScalarValue::UInt16(Some(v)) => exact((*v).into(), Kind::Integer),
            ScalarValue::UInt32(Some(v)) => exact((*v).into(), Kind::Integer),
            ScalarValue::Date32(Some(v)) => exact((*v).into(), Kind::Date),
            ScalarValue::Decimal32(Some(v), _, s) => decimal((*v).into(), *s).and_then(|(v, kind)| exact(v, kind)),
            ScalarValue::Decimal64(Some(v), _, s) => decimal((*v).into(), *s).and_then(|(v, kind)| exact(v, kind)),
            ScalarValue::Decimal128(Some(v), _, s) => decimal(*v, *s).and_then(|(v, kind)| exact(v, kind)),
            ScalarValue::TimestampSecond(Some(v), _)
            | ScalarValue::TimestampMillisecond(Some(v), _)
            | ScalarValue::TimestampMicrosecond(Some(v), _)
            | ScalarValue::TimestampNanosecond(Some(v), _) => {
                let (kind, _) = Kind::of(&value.data_type())?;
                exact((*v).into(), kind)
            }
            ScalarValue::Float32(Some(v)) => {
                Some(Value { node: self.b.parameter_node(Type::F32, Scalar::F32(*v)), kind: Kind::Float })
            }
            ScalarValue::Float64(Some(v)) => {
                Some(Value { node: self.b.parameter_node(Type::F64, Scalar::F64(*v)), kind: Kind::Float })
            }
            other => {
                let text = other.try_as_str().flatten()?;
                Some(Value { node: self.b.constant(Type::U32, 0), kind: Kind::Text(Words::of(text)) })
            }
        }
    }

    /// An expression by its own arm, its operands lowered first.
    fn direct(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Value, Refusal> {
        let boolean = |node| Value { node, kind: Kind::Boolean };
        let data_type = expr.data_type(&scope.schema).map_err(|error| Refusal::new(expr, error.strip_backtrace()))?;
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            let (left, right) = (binary.left(), binary.right());
            return match binary.op() {
                Operator::And | Operator::Or => {
                    let (a, b) = (self.boolean(left, scope)?.node, self.boolean(right, scope)?.node);
                    let node = if *binary.op() == Operator::And { Expr::And(a, b) } else { Expr::Or(a, b) };
                    Ok(boolean(self.b.push(node)))
                }
                Operator::Plus => self.arithmetic(Arithmetic::Add, [left, right], &data_type, expr, scope),
                Operator::Minus => self.arithmetic(Arithmetic::Subtract, [left, right], &data_type, expr, scope),
                Operator::Multiply => self.arithmetic(Arithmetic::Multiply, [left, right], &data_type, expr, scope),
                Operator::Modulo => self.arithmetic(Arithmetic::Remainder, [left, right], &data_type, expr, scope),
                Operator::BitwiseAnd => self.bits(Bits::And, [left, right], &data_type, expr, scope),
                Operator::BitwiseOr => self.bits(Bits::Or, [left, right], &data_type, expr, scope),
                Operator::BitwiseXor => self.bits(Bits::Xor, [left, right], &data_type, expr, scope),
                Operator::BitwiseShiftLeft => self.bits(Bits::ShiftLeft, [left, right], &data_type, expr, scope),
                Operator::BitwiseShiftRight => self.bits(Bits::ShiftRight, [left, right], &data_type, expr, scope),
                Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => {
                    let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
                    let (a, b) = self.unified(a, b, expr)?;
                    let distinct = self.b.push(Expr::IsDistinct(a.node, b.node));
                    let same = *binary.op() == Operator::IsNotDistinctFrom;
                    Ok(boolean(if same { self.b.not(distinct) } else { distinct }))
                }
                Operator::LikeMatch => self.like(left, right, (false, false), expr, scope),
                Operator::ILikeMatch => self.like(left, right, (false, true), expr, scope),
                Operator::NotLikeMatch => self.like(left, right, (true, false), expr, scope),
                Operator::NotILikeMatch => self.like(left, right, (true, true), expr, scope),
                Operator::StringConcat => Err(Refusal::new(expr, NEW_TEXT)),
                Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch => {
                    Err(Refusal::new(expr, REGULAR))
                }
                op => match comparison(*op) {
                    Some(op) => self.compare(op, left, right, expr, scope).map(boolean),
                    None => Err(Refusal::new(expr, format!("operator {op} has no device form"))),
                },
            };
        }
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            let a = self.boolean(not.arg(), scope)?;
            return Ok(boolean(self.b.not(a.node)));
        }
        if let Some(test) = expr.downcast_ref::<IsNullExpr>() {
            let a = self.expr(test.arg(), scope)?;
            return Ok(boolean(self.b.push(Expr::IsNull(a.node))));
        }
        if let Some(test) = expr.downcast_ref::<IsNotNullExpr>() {
            let a = self.expr(test.arg(), scope)?;
            let null = self.b.push(Expr::IsNull(a.node));
            return Ok(boolean(self.b.not(null)));
        }
        if let Some(list) = expr.downcast_ref::<InListExpr>() {
            return self.in_list(list, expr, scope).map(boolean);
        }
        if let Some(case) = expr.downcast_ref::<CaseExpr>() {
            return self.case(case, expr, scope);
        }
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            let value = self.expr(cast.expr(), scope)?;
            return self.cast(value, &data_type, expr);
        }
        if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
            return self.negate(negative.arg(), &data_type, expr, scope);
        }
        if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
            return self.call(call, &data_type, expr, scope);
        }
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            return self.like(like.expr(), like.pattern(), (like.negated(), like.case_insensitive()), expr, scope);
        }
        Err(Refusal::new(expr, "this kind of expression has no device form"))
    }
}

/// A decimal literal, as few digits as it needs: 0 and 1 are shapes, whatever their scale.
fn decimal(value: i128, scale: i8) -> Option<(i128, Kind)> {
    let scale = u32::try_from(scale).ok()?;
    let one = warpwise_gpu::program::builder::power_of_ten(scale)?;
    Some(match value {
        0 => (0, Kind::Decimal { scale: 0 }),
        value if value == one => (1, Kind::Decimal { scale: 0 }),
        value => (value, Kind::Decimal { scale }),
    })
}
