//! `extract` and `date_part`.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{Arithmetic, DatePart, Expr, ExprId, Scalar, Type};

use super::expr::constant;
use super::moment::zone_of;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value, ticks_of_day};
use crate::evaluate::function::datetime::Zone;
use crate::function::extract::Part;

impl Lowering<'_> {
    /// A field of a date or a moment, as a numeric or, where `float`, in double precision.
    pub fn extract(
        &mut self,
        call: &ScalarFunctionExpr,
        float: bool,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let [field, from] = call.args() else { return Err(Refusal::new(whole, "extract takes two arguments")) };
        let name = constant(field)?.and_then(|f| f.try_as_str().flatten().map(str::to_lowercase));
        let refused =
            |of: &str| Refusal::new(whole, format!("extract({}) of {of} has no device form", name.clone().unwrap_or_default()));
        let part = name.as_deref().and_then(Part::named).ok_or_else(|| refused("this field"))?;
        if let Some(apart) = self.difference(from, scope)? {
            return self.of_difference(part, apart, float).ok_or_else(|| refused("interval"));
        }
        let value = self.expr(from, scope)?;
        if self.b.is_null_constant(value.node) {
            let (kind, ty) = Kind::of(call.return_type()).ok_or_else(|| refused("this type"))?;
            return Ok(Value { node: self.b.null(ty), kind });
        }
        self.finite(whole)?;
        let of_date = matches!(value.kind, Kind::Date);
        let zoned = match value.kind {
            Kind::Date => false,
            Kind::Timestamp { tick: TimeUnit::Microsecond, zoned, .. } => zoned,
            _ => return Err(refused(value.kind.name())),
        };
        let local = if zoned && part != Part::Epoch {
            self.shifted(&value, Zone::Named(zone_of(call)), true, whole)?
        } else {
            value.clone()
        };
        let found = match part {
            Part::Epoch => self.epoch(&value),
            Part::Hour | Part::Minute | Part::Second | Part::Milliseconds | Part::Microseconds => match (of_date, float) {
                // `date_part` takes a date as its midnight, `extract` knows no time of a date.
                (true, false) => return Err(refused("date")),
                // Nothing is left of a whole number, and NULL of NULL.
                (true, true) => {
                    let node = self.step(Arithmetic::FloorRemainder, value.node, 1);
                    Value { node, kind: Kind::Decimal { scale: 0 } }
                }
                (false, _) => self.time_part(part, &local),
            },
            Part::TimeZone | Part::TimeZoneHour | Part::TimeZoneMinute => return Err(refused(value.kind.name())),
            Part::Julian if !of_date => return Err(refused(value.kind.name())),
            Part::Century
            | Part::Day
            | Part::Decade
            | Part::DayOfWeek
            | Part::DayOfYear
            | Part::IsoDayOfWeek
            | Part::IsoYear
            | Part::Julian
            | Part::Millennium
            | Part::Month
            | Part::Quarter
            | Part::Week
            | Part::Year => {
                let days = self.days(&local).ok_or_else(|| refused(value.kind.name()))?;
                Value { node: self.day_part(part, days), kind: Kind::Decimal { scale: 0 } }
            }
        };
        Ok(if float { self.as_date_part(part, found) } else { found })
    }

    /// What depends on the day alone.
    fn day_part(&mut self, part: Part, days: ExprId) -> ExprId {
        let of = |part: Part| match part {
            Part::Quarter => DatePart::Quarter,
            Part::Month => DatePart::Month,
            Part::Day => DatePart::Day,
            Part::DayOfWeek => DatePart::DayOfWeek,
            Part::IsoDayOfWeek => DatePart::IsoDayOfWeek,
            Part::DayOfYear => DatePart::DayOfYear,
            Part::Week => DatePart::Week,
            Part::IsoYear => DatePart::IsoYear,
            Part::Century
            | Part::Decade
            | Part::Epoch
            | Part::Hour
            | Part::Julian
            | Part::Microseconds
            | Part::Millennium
            | Part::Milliseconds
            | Part::Minute
            | Part::Second
            | Part::TimeZone
            | Part::TimeZoneHour
            | Part::TimeZoneMinute
            | Part::Year => DatePart::Year,
        };
        match part {
            // The day 0 is 4714-11-24 BC.
            Part::Julian => self.step(Arithmetic::Add, days, 2_440_588),
            Part::Decade => {
                let year = self.astronomical_year(days);
                self.step(Arithmetic::FloorDivide, year, 10)
            }
            Part::Century => self.count_of_years(days, 100),
            Part::Millennium => self.count_of_years(days, 1000),
            Part::Day
            | Part::DayOfWeek
            | Part::DayOfYear
            | Part::Epoch
            | Part::Hour
            | Part::IsoDayOfWeek
            | Part::IsoYear
            | Part::Microseconds
            | Part::Milliseconds
            | Part::Minute
            | Part::Month
            | Part::Quarter
            | Part::Second
            | Part::TimeZone
            | Part::TimeZoneHour
            | Part::TimeZoneMinute
            | Part::Week
            | Part::Year => self.date_part(of(part), days),
        }
    }

    /// The century or the millennium of a day: the first begins with the year 1, the one before it is -1.
    fn count_of_years(&mut self, days: ExprId, span: i128) -> ExprId {
        let year = self.date_part(DatePart::Year, days);
        let later = self.step(Arithmetic::Add, year, span - 1);
        let later = self.step(Arithmetic::Divide, later, span);
        if self.b.bounds(year).is_some_and(|(low, _)| low > 0) {
            return later;
        }
        // Years before 1 are counted from -1 on.
        let earlier = self.step(Arithmetic::Subtract, year, span - 1);
        let earlier = self.step(Arithmetic::Divide, earlier, span);
        let zero = self.b.constant(Type::I32, 0);
        let condition = self.b.compare(warpwise_gpu::program::Comparison::Greater, year, zero);
        let (then, otherwise) = self.b.aligned(later, earlier);
        self.b.push(Expr::Select { condition, then, otherwise })
    }

    /// Seconds since 1970, with their fraction.
    fn epoch(&mut self, value: &Value) -> Value {
        match value.kind {
            Kind::Date => {
                let node = self.step(Arithmetic::Multiply, value.node, 86_400);
                Value { node, kind: Kind::Decimal { scale: 0 } }
            }
            _ => self.in_seconds(value),
        }
    }

    /// A moment's ticks as a number of seconds.
    fn in_seconds(&mut self, value: &Value) -> Value {
        let Kind::Timestamp { unit, tick, .. } = value.kind else { return value.clone() };
        let second = ticks_of_day(tick) / 86_400;
        if unit % second == 0 {
            let node = if unit == second { value.node } else { self.step(Arithmetic::Multiply, value.node, unit / second) };
            return Value { node, kind: Kind::Decimal { scale: 0 } };
        }
        // A unit that is a power of ten needs fewer digits behind the point.
        let scale = (0..=6).find(|scale| power_of_ten(*scale).is_some_and(|p| p * unit == second));
        match scale {
            Some(scale) => Value { node: value.node, kind: Kind::Decimal { scale } },
            None => Value { node: self.in_ticks(value).node, kind: Kind::Decimal { scale: 6 } },
        }
    }

    /// A field of the time of day.
    fn time_part(&mut self, part: Part, local: &Value) -> Value {
        let Kind::Timestamp { unit, tick, .. } = local.kind else { return local.clone() };
        let day = ticks_of_day(tick);
        let minute = day / 1440;
        // Within a day or a minute, in units that those have a whole number of.
        let within = |this: &mut Self, span: i128| {
            if unit % span == 0 {
                return (this.step(Arithmetic::FloorRemainder, local.node, 1), 1);
            }
            let (node, unit) = if span % unit == 0 { (local.node, unit) } else { (this.in_ticks(local).node, 1) };
            (this.step(Arithmetic::FloorRemainder, node, span / unit), unit)
        };
        let whole = |node: ExprId| Value { node, kind: Kind::Decimal { scale: 0 } };
        match part {
            Part::Hour | Part::Minute => {
                let (span, each, most) = if part == Part::Hour { (day, day / 24, 23) } else { (day / 24, minute, 59) };
                let (node, unit) = within(self, span);
                let node = if each % unit == 0 {
                    self.step(Arithmetic::FloorDivide, node, each / unit)
                } else {
                    let ticks = self.step(Arithmetic::Multiply, node, unit);
                    self.step(Arithmetic::FloorDivide, ticks, each)
                };
                self.b.narrow(node, (0, most));
                whole(node)
            }
            _ => {
                let (node, unit) = within(self, minute);
                let seconds = self.in_seconds(&Value { node, kind: Kind::Timestamp { unit, tick, zoned: false } });
                let Kind::Decimal { scale } = seconds.kind else { return seconds };
                let digits = match part {
                    Part::Milliseconds => 3,
                    Part::Microseconds => 6,
                    _ => 0,
                };
                if scale >= digits {
                    return Value { node: seconds.node, kind: Kind::Decimal { scale: scale - digits } };
                }
                let factor = power_of_ten(digits - scale).unwrap_or(1);
                whole(self.step(Arithmetic::Multiply, seconds.node, factor))
            }
        }
    }

    /// A field of an interval of days and time that is so many microseconds long.
    fn of_difference(&mut self, part: Part, apart: ExprId, float: bool) -> Option<Value> {
        let day = ticks_of_day(TimeUnit::Microsecond);
        let scaled = |node: ExprId, scale: u32| Value { node, kind: Kind::Decimal { scale } };
        let found = match part {
            Part::Epoch => scaled(apart, 6),
            Part::Day => scaled(self.step(Arithmetic::Divide, apart, day), 0),
            Part::Hour => {
                let time = self.step(Arithmetic::Remainder, apart, day);
                scaled(self.step(Arithmetic::Divide, time, day / 24), 0)
            }
            Part::Minute => {
                let time = self.step(Arithmetic::Remainder, apart, day / 24);
                scaled(self.step(Arithmetic::Divide, time, day / 1440), 0)
            }
            Part::Second | Part::Milliseconds | Part::Microseconds => {
                let time = self.step(Arithmetic::Remainder, apart, day / 1440);
                let scale = match part {
                    Part::Second => 6,
                    Part::Milliseconds => 3,
                    _ => 0,
                };
                scaled(time, scale)
            }
            Part::Century
            | Part::Decade
            | Part::DayOfWeek
            | Part::DayOfYear
            | Part::IsoDayOfWeek
            | Part::IsoYear
            | Part::Julian
            | Part::Millennium
            | Part::Month
            | Part::Quarter
            | Part::TimeZone
            | Part::TimeZoneHour
            | Part::TimeZoneMinute
            | Part::Week
            | Part::Year => return None,
        };
        Some(if float { self.as_date_part(part, found) } else { found })
    }

    /// The same in double precision, rounded where PostgreSQL rounds.
    fn as_date_part(&mut self, part: Part, found: Value) -> Value {
        let float = |this: &mut Self, node: ExprId| this.b.cast(node, Type::F64, None);
        let constant = |this: &mut Self, v: f64| this.b.push(Expr::Constant { ty: Type::F64, value: Some(Scalar::F64(v)) });
        let op = |this: &mut Self, op: Arithmetic, a: ExprId, b: ExprId| this.b.push(Expr::Arithmetic { op, a, b, fault: None });
        let Kind::Decimal { scale } = found.kind else { return found };
        let unit = power_of_ten(scale).unwrap_or(1);
        let node = match part {
            _ if scale == 0 => float(self, found.node),
            Part::Second | Part::Milliseconds => {
                // Whole seconds and the rest, each a float before they are added.
                let per_second = if part == Part::Second { unit } else { unit * 1000 };
                let seconds = self.step(Arithmetic::Divide, found.node, per_second);
                let rest = self.step(Arithmetic::Remainder, found.node, per_second);
                let (seconds, rest) = (float(self, seconds), float(self, rest));
                let divisor = constant(self, unit as f64);
                let rest = op(self, Arithmetic::Divide, rest, divisor);
                let seconds = match part {
                    Part::Milliseconds => {
                        let thousand = constant(self, 1000.0);
                        op(self, Arithmetic::Multiply, seconds, thousand)
                    }
                    _ => seconds,
                };
                op(self, Arithmetic::Add, seconds, rest)
            }
            _ => {
                let (value, divisor) = (float(self, found.node), constant(self, unit as f64));
                op(self, Arithmetic::Divide, value, divisor)
            }
        };
        Value { node, kind: Kind::Float }
    }

    /// The span of an interval, in microseconds: of the difference of two moments alone.
    pub fn span(
        &mut self,
        inner: &Arc<dyn PhysicalExpr>,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        match self.difference(inner, scope)? {
            Some(node) => Ok(Value { node, kind: Kind::Decimal { scale: 0 } }),
            None => {
                let of = inner.data_type(&scope.schema).unwrap_or(DataType::Null);
                Err(Refusal::new(whole, format!("values of type {of} have no device form")))
            }
        }
    }
}
