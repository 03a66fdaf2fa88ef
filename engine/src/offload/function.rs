//! Functions that have a form of their own on devices.
//!
//! # Adding a function
//!
//! An arm in [`Lowering::call`] by the name that the function has in plans.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::program::{Arithmetic, Expr};

use super::expr::constant;
use super::math::Rounding;
use super::moment::zone_of;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value};
use crate::function::math::Operation;
use crate::function::moment::Operation as Moment;
use crate::function::{extract, span};

impl Lowering<'_> {
    /// A function call of the type that the plan says.
    pub fn call(
        &mut self,
        call: &ScalarFunctionExpr,
        data_type: &DataType,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let args = call.args();
        let binary = match call.fun().name() {
            "checked_add" => Some(Arithmetic::Add),
            "checked_subtract" => Some(Arithmetic::Subtract),
            "checked_multiply" => Some(Arithmetic::Multiply),
            "checked_divide" => Some(Arithmetic::Divide),
            "checked_modulo" => Some(Arithmetic::Remainder),
            _ => None,
        };
        match (call.fun().name(), args, binary) {
            (_, [left, right], Some(op)) => self.arithmetic(op, [left, right], data_type, whole, scope),
            ("mean", [sum, count], _) => self.mean([sum, count], data_type, whole, scope),
            ("checked_negate", [inner], _) => self.negate(inner, data_type, whole, scope),
            ("pg_cast", [inner, to, ..], _) => {
                let value = self.expr(inner, scope)?;
                let to = constant(to)?.and_then(|name| name.try_as_str().flatten().map(str::to_lowercase)).unwrap_or_default();
                let text = matches!(value.kind, Kind::Text(_) | Kind::Plain { .. });
                if text && !matches!(to.as_str(), "text" | "character varying") {
                    return Err(Refusal::new(whole, format!("the cast of text to {to} has no device form")));
                }
                match self.moment_cast(&value, data_type, zone_of(call), whole)? {
                    Some(moment) => Ok(moment),
                    None => self.cast(value, data_type, whole),
                }
            }
            (extract::NAME, _, _) => self.extract(call, false, whole, scope),
            (extract::FLOAT_NAME, _, _) => self.extract(call, true, whole, scope),
            (span::NAME, [inner], _) => self.span(inner, whole, scope),
            ("timestamp_difference", _, _) => Err(Refusal::new(whole, "an interval as a result has no device form")),
            ("abs", [inner], _) => self.absolute(inner, data_type, whole, scope),
            ("sign", [inner], _) => self.sign(inner, data_type, whole, scope),
            ("greatest" | "least", args, _) => self.extreme(call.fun().name() == "greatest", args, whole, scope),
            ("date_trunc", _, _) => self.moment(Moment::Truncate, call, whole, scope),
            ("date_bin", _, _) => self.moment(Moment::Bin, call, whole, scope),
            ("timezone", _, _) => self.moment(Moment::Zone, call, whole, scope),
            ("moment_add", _, _) => self.moment(Moment::Add, call, whole, scope),
            ("moment_subtract", _, _) => self.moment(Moment::Subtract, call, whole, scope),
            ("coalesce", [first, rest @ ..], _) => {
                let mut value = self.expr(first, scope)?;
                for other in rest {
                    let other = self.expr(other, scope)?;
                    let (a, b) = self.unified(value, other, whole)?;
                    value = Value { node: self.b.push(Expr::Coalesce(a.node, b.node)), kind: a.kind };
                }
                Ok(value)
            }
            ("nullif", [left, right], _) => {
                let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
                let (a, b) = self.unified(a, b, whole)?;
                Ok(Value { node: self.b.push(Expr::NullIf(a.node, b.node)), kind: a.kind })
            }
            (name, args, _) if Rounding::named(name).is_some() => {
                let how = Rounding::named(name).unwrap_or(Rounding::Nearest);
                self.rounded(how, args, data_type, whole, scope)
            }
            (name, args, _) if Operation::named(name).is_some() => {
                let operation = Operation::named(name).unwrap_or(Operation::Degrees);
                self.math(operation, args, data_type, whole, scope)
            }
            (name, _, _) => match self.text_call(name, args, whole, scope)? {
                Some(value) => Ok(value),
                None => Err(Refusal::new(whole, format!("function {name} has no device form"))),
            },
        }
    }
}
