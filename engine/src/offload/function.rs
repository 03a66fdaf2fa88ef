//! Functions that have a form of their own on devices.
//!
//! # Adding a function
//!
//! An arm in [`Lowering::call`] by the name that the function has in plans.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::program::{Arithmetic, DatePart, Expr, ExprId, Fault, Type};

use super::expr::constant;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value, ticks_of_day};

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
            ("checked_negate", [inner], _) => self.negate(inner, data_type, whole, scope),
            ("pg_cast", [inner, to, ..], _) => {
                let value = self.expr(inner, scope)?;
                let to = constant(to)?.and_then(|name| name.try_as_str().flatten().map(str::to_lowercase)).unwrap_or_default();
                if matches!(value.kind, Kind::Text(_) | Kind::Plain) && !matches!(to.as_str(), "text" | "character varying") {
                    return Err(Refusal::new(whole, format!("the cast of text to {to} has no device form")));
                }
                self.cast(value, data_type, whole)
            }
            ("pg_extract", [field, from], _) => {
                let value = self.expr(from, scope)?;
                let field = constant(field)?.and_then(|f| f.try_as_str().flatten().map(str::to_lowercase)).unwrap_or_default();
                self.extract(&field, &value, whole)
            }
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
            (name, _, _) => match self.text_call(name, args, whole, scope)? {
                Some(value) => Ok(value),
                None => Err(Refusal::new(whole, format!("function {name} has no device form"))),
            },
        }
    }

    /// A part of a date or of a timestamp without time zone.
    fn extract(&mut self, field: &str, value: &Value, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let part = match field {
            "year" => DatePart::Year,
            "quarter" => DatePart::Quarter,
            "month" => DatePart::Month,
            "day" => DatePart::Day,
            "dow" => DatePart::DayOfWeek,
            "isodow" => DatePart::IsoDayOfWeek,
            "doy" => DatePart::DayOfYear,
            "week" => DatePart::Week,
            "isoyear" => DatePart::IsoYear,
            "hour" | "minute" if matches!(value.kind, Kind::Timestamp { zoned: false, .. }) => {
                let node = self.time_part(field, value);
                return Ok(Value { node, kind: Kind::Decimal { scale: 0 } });
            }
            _ => return Err(Refusal::new(whole, format!("extract({field}) of {} has no device form", value.kind.name()))),
        };
        let days = self
            .days(value)
            .ok_or_else(|| Refusal::new(whole, format!("extract of {} with time zone has no device form", value.kind.name())))?;
        let node = self.b.push(Expr::DatePart { part, a: days });
        Ok(Value { node, kind: Kind::Decimal { scale: 0 } })
    }

    /// The hour or the minute of a timestamp.
    fn time_part(&mut self, field: &str, value: &Value) -> ExprId {
        let ticks = self.in_ticks(value);
        let Kind::Timestamp { tick, .. } = ticks.kind else { return ticks.node };
        let hour = ticks_of_day(tick) / 24;
        let (whole, part) = if field == "hour" { (hour * 24, hour) } else { (hour, hour / 60) };
        let mut step = |op: Arithmetic, a: ExprId, b: i128| {
            let b = self.b.constant(Type::I64, b);
            self.b.integers(op, a, b, Type::I64, Fault::TimestampRange)
        };
        let within = step(Arithmetic::FloorRemainder, ticks.node, whole);
        let part = step(Arithmetic::FloorDivide, within, part);
        self.b.narrow(part, (0, 59));
        part
    }
}
