//! Dates and moments: cut, binned, moved by an interval, shown by the clocks of a zone, and how far they are apart.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use chrono_tz::Tz;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::primitive::date::part_of;
use warpwise_gpu::program::{Arithmetic, Comparison, DatePart, Expr, ExprId, Fault, Scalar, Table, Type};

use super::expr::constant;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value, ticks_of_day};
use super::zone::{FIRST, LAST, Transitions};
use crate::evaluate::datum::Interval;
use crate::evaluate::function::datetime::{self, Cut, Zone};
use crate::function::moment::{Operation, constant_interval, session_zone};
use crate::types::SqlType;

/// The most days whose parts a table holds.
const DAYS: i128 = 1 << 15;

/// The zone that a call is told.
pub fn zone_of(call: &ScalarFunctionExpr) -> Tz {
    session_zone(call.config_options())
}

impl Lowering<'_> {
    /// Refuses where a column may hold an infinite date or moment, which no arithmetic is true of.
    pub fn finite(&self, whole: &Arc<dyn PhysicalExpr>) -> Result<(), Refusal> {
        let ends = |at: &usize| {
            let input = &self.inputs[*at];
            let range = match (&input.data_type, &input.kind) {
                (DataType::Date32, _) => Type::I32.range(),
                (DataType::Timestamp(..), Kind::Timestamp { unit: 1, .. }) => Type::I64.range(),
                (_, _) => None,
            };
            range.zip(input.range).is_some_and(|(all, found)| found.0 <= all.0 || all.1 <= found.1)
        };
        if self.used.iter().any(ends) {
            return Err(Refusal::new(whole, "a column holds infinity, which devices do not know as a date"));
        }
        Ok(())
    }

    /// A step of integers within the range of moments.
    pub(super) fn step(&mut self, op: Arithmetic, a: ExprId, b: i128) -> ExprId {
        let b = self.b.constant(if i32::try_from(b).is_ok() { Type::I32 } else { Type::I64 }, b);
        self.b.integers(op, a, b, Type::I64, Fault::TimestampRange)
    }

    /// A call of a function of moments.
    pub fn moment(
        &mut self,
        operation: Operation,
        call: &ScalarFunctionExpr,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let args = call.args();
        let refused = |why: &str| Refusal::new(whole, format!("{} {why}", operation.name()));
        let known = |at: usize| args.get(at).map_or(Ok(None), constant);
        let text = |at: usize| -> Result<Option<String>, Refusal> {
            Ok(known(at)?.and_then(|v| v.try_as_str().flatten().map(str::to_owned)))
        };
        let failed = |error: crate::error::Error| Refusal::new(whole, format!("it fails: {}", error.message));
        if !matches!(call.return_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) {
            return Err(refused("of this type has no device form"));
        }
        let session = zone_of(call);
        let at = match operation {
            Operation::Truncate | Operation::Bin | Operation::Zone => 1,
            Operation::Add | Operation::Subtract => 0,
        };
        let value = self.expr(&args[at], scope)?;
        if self.b.is_null_constant(value.node) {
            return self.nothing(call.return_type(), whole);
        }
        self.finite(whole)?;
        // What the chosen overload takes: a moment, or a local time; either by the session's clocks.
        let zoned = matches!(call.return_type(), DataType::Timestamp(_, Some(_)));
        let cuts = matches!(operation, Operation::Truncate | Operation::Bin);
        let value = match value.kind {
            Kind::Date if cuts => self.midnight(&value, zoned.then_some(Zone::Named(session)), whole)?,
            Kind::Timestamp { zoned: false, .. } if cuts && zoned => self.shifted(&value, Zone::Named(session), false, whole)?,
            Kind::Timestamp { zoned: true, .. } if cuts && !zoned => return Err(refused("of this type has no device form")),
            _ => value,
        };
        match operation {
            Operation::Truncate => {
                let field = text(0)?.ok_or_else(|| refused("by a field that is not constant has no device form"))?;
                let of = args[1].return_field(&scope.schema).map_err(|e| Refusal::new(whole, e.strip_backtrace()))?;
                let cut = Cut::named(&field, SqlType::of_field(&of)).map_err(failed)?;
                let zone = match args.get(2) {
                    None => Zone::Named(session),
                    Some(_) => {
                        let name = text(2)?.ok_or_else(|| refused("by a zone that is not constant has no device form"))?;
                        datetime::zone_named(&name).map_err(failed)?
                    }
                };
                self.truncated(&value, cut, zone, whole)
            }
            Operation::Bin => {
                let stride = known(0)?.ok_or_else(|| refused("by a stride that is not constant has no device form"))?;
                let Some(stride) = constant_interval(&stride) else { return self.nothing(call.return_type(), whole) };
                let width = stride.and_then(datetime::bin_width).map_err(failed)?;
                let origin = known(2)?.ok_or_else(|| refused("from an origin that is not constant has no device form"))?;
                let (from, to) = (SqlType::of_arrow(&origin.data_type()), SqlType::of_arrow(call.return_type()));
                let origin = origin.to_array().map_err(|e| Refusal::new(whole, e.strip_backtrace()))?;
                let origin = crate::function::cast::cast(&origin, from, to, call.return_type(), session).map_err(failed)?;
                let origin = match ScalarValue::try_from_array(&origin, 0) {
                    Ok(ScalarValue::TimestampMicrosecond(Some(at), _)) if at != i64::MAX && at != i64::MIN => i128::from(at),
                    Ok(_) | Err(_) => return Err(refused("from this origin has no device form")),
                };
                self.binned(&value, width.into(), origin).ok_or_else(|| refused("of this type has no device form"))
            }
            Operation::Zone => {
                let name = text(0)?.ok_or_else(|| refused("of a zone that is not constant has no device form"))?;
                let zone = datetime::zone_named(&name).map_err(failed)?;
                let zoned = matches!(value.kind, Kind::Timestamp { zoned: true, .. });
                self.shifted(&value, zone, zoned, whole)
            }
            Operation::Add | Operation::Subtract => {
                let by = known(1)?.ok_or_else(|| refused("of an interval that is not constant has no device form"))?;
                let Some(by) = constant_interval(&by) else { return self.nothing(call.return_type(), whole) };
                let sign = if operation == Operation::Subtract { -1 } else { 1 };
                self.later(&value, by.map_err(failed)?, sign, Zone::Named(session), whole)
            }
        }
    }

    fn nothing(&mut self, data_type: &DataType, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let (kind, ty) =
            Kind::of(data_type).ok_or_else(|| Refusal::new(whole, format!("type {data_type} has no device form")))?;
        Ok(Value { node: self.b.null(ty), kind })
    }

    /// A date as a moment: its midnight, by the clocks of a zone where there is one.
    pub fn midnight(&mut self, value: &Value, zone: Option<Zone>, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let tick = TimeUnit::Microsecond;
        let day = ticks_of_day(tick);
        let fits = self.b.bounds(value.node).is_some_and(|(low, high)| {
            let within = |days: i128| days.checked_mul(day).is_some_and(|v| i64::try_from(v).is_ok());
            within(low) && within(high)
        });
        let local = if fits {
            Value { node: value.node, kind: Kind::Timestamp { unit: day, tick, zoned: false } }
        } else {
            let node = self.step(Arithmetic::Multiply, value.node, day);
            Value { node, kind: Kind::Timestamp { unit: 1, tick, zoned: false } }
        };
        match zone {
            Some(zone) => self.shifted(&local, zone, false, whole),
            None => Ok(local),
        }
    }

    /// A moment as a zone's clocks show it, or, where it is `not` `to_local`, the moment at which they show it.
    pub fn shifted(
        &mut self,
        value: &Value,
        zone: Zone,
        to_local: bool,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<Value, Refusal> {
        let Kind::Timestamp { unit, tick, .. } = value.kind else {
            return Err(Refusal::new(whole, format!("{} has no time zone", value.kind.name())));
        };
        let second = ticks_of_day(tick) / 86_400;
        let table = match zone {
            Zone::Named(zone) => Transitions::of(zone),
            Zone::Offset(east) if east % 1_000_000 == 0 => Arc::new(Transitions::fixed(east / 1_000_000)),
            Zone::Offset(_) => return Err(Refusal::new(whole, "a zone's offset is no whole number of seconds")),
        };
        let kind = |unit: i128| Kind::Timestamp { unit, tick, zoned: !to_local };
        if table.offsets == [0] {
            return Ok(Value { node: value.node, kind: kind(unit) });
        }
        // In units of which a second has a whole number.
        let (node, unit) = if second % unit == 0 {
            (value.node, unit)
        } else if unit % second == 0 {
            (self.step(Arithmetic::Multiply, value.node, unit / second), second)
        } else {
            (self.in_ticks(value).node, 1)
        };
        let per = second / unit;
        let (low, high) = self.b.bounds(node).unwrap_or((i64::MIN.into(), i64::MAX.into()));
        let covered = i128::from(FIRST) * per <= low && high <= i128::from(LAST) * per;
        if self.certain && !covered && !table.moments.is_empty() {
            return Err(Refusal::new(whole, "nothing proves that the moments lie between the years 1800 and 2300"));
        }
        let changes = if to_local { &table.moments } else { &table.shown };
        let begin = changes.partition_point(|at| i128::from(*at) * per <= low);
        let end = changes.partition_point(|at| i128::from(*at) * per <= high).max(begin);
        let offsets: Vec<i128> = table.offsets[begin..=end].iter().map(|east| i128::from(*east) * per).collect();
        let op = if to_local { Arithmetic::Add } else { Arithmetic::Subtract };
        if let [east] = offsets.as_slice() {
            let east = self.b.integer(*east);
            let node = self.b.integers(op, node, east, Type::I64, Fault::TimestampRange);
            return Ok(Value { node, kind: kind(unit) });
        }
        let ty = if self.b.arithmetic_type(node) == Type::I32 { Type::I32 } else { Type::I64 };
        let within = self.b.cast(node, ty, Some(Fault::TimestampRange));
        let changes: Vec<Option<i128>> = changes[begin..end].iter().map(|at| Some(i128::from(*at) * per)).collect();
        let changes = self.b.table(Table::integers(ty, false, changes.into_iter()));
        let place = self.b.push(Expr::Place { a: within, table: changes });
        let bounds = offsets.iter().copied().fold((0, 0), |(low, high), v| (v.min(low), v.max(high)));
        let element = if i32::try_from(bounds.0).is_ok() && i32::try_from(bounds.1).is_ok() { Type::I32 } else { Type::I64 };
        let offsets = self.b.table(Table::integers(element, false, offsets.into_iter().map(Some)));
        let east = self.b.push(Expr::Lookup { table: offsets, index: place });
        self.b.narrow(east, bounds);
        let node = self.b.integers(op, node, east, Type::I64, Fault::TimestampRange);
        Ok(Value { node, kind: kind(unit) })
    }

    /// A part of a day, by table where few days are known to come up.
    pub fn date_part(&mut self, part: DatePart, days: ExprId) -> ExprId {
        let days = self.b.cast(days, Type::I32, Some(Fault::DateRange));
        let known = self.b.bounds(days).filter(|(low, high)| self.certain && high - low < DAYS);
        let Some((low, high)) = known.and_then(|(low, high)| Some((i32::try_from(low).ok()?, i32::try_from(high).ok()?))) else {
            return self.b.push(Expr::DatePart { part, a: days });
        };
        if let Some(made) = self.parts.get(&(part, days)) {
            return *made;
        }
        let parts: Vec<i128> = (low..=high).map(|day| part_of(part, day).into()).collect();
        let bounds = parts.iter().copied().fold((i128::MAX, i128::MIN), |(low, high), v| (v.min(low), v.max(high)));
        let table = Table::integers(Type::narrowest(bounds.0, bounds.1), false, parts.into_iter().map(Some));
        let table = self.b.table(table);
        let low = self.b.integer(low.into());
        let index = self.b.integers(Arithmetic::Subtract, days, low, Type::I64, Fault::BigintRange);
        let found = self.b.push(Expr::Lookup { table, index });
        self.b.narrow(found, bounds);
        let found = self.b.cast(found, Type::I32, None);
        self.parts.insert((part, days), found);
        found
    }

    fn truncated(&mut self, value: &Value, cut: Cut, zone: Zone, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let Kind::Timestamp { tick, zoned, .. } = value.kind else {
            return Err(Refusal::new(whole, format!("date_trunc of {} has no device form", value.kind.name())));
        };
        let refused = || Refusal::new(whole, "moments in other ticks than microseconds have no device form here");
        if tick != TimeUnit::Microsecond {
            return Err(refused());
        }
        if let Some(width) = cut.width() {
            let width = i128::from(width);
            let even = match zone {
                _ if !zoned => true,
                Zone::Named(zone) => Transitions::of(zone).offsets.iter().all(|east| i128::from(*east) * 1_000_000 % width == 0),
                Zone::Offset(east) => i128::from(east) % width == 0,
            };
            if even {
                return self.binned(value, width, 0).ok_or_else(refused);
            }
            // The offset of the moment stays, so that an hour that comes twice stays the one it is.
            let local = self.shifted(value, zone, true, whole)?;
            let (value, local) = (self.in_ticks(value), self.in_ticks(&local));
            let past = self.step(Arithmetic::FloorRemainder, local.node, width);
            let node = self.b.integers(Arithmetic::Subtract, value.node, past, Type::I64, Fault::TimestampRange);
            return Ok(Value { node, kind: value.kind });
        }
        let local = if zoned { self.shifted(value, zone, true, whole)? } else { value.clone() };
        let days = self.days(&local).ok_or_else(refused)?;
        let first = match cut {
            Cut::Week => {
                // 1970-01-01 was a Thursday.
                let since = self.step(Arithmetic::Add, days, 3);
                let past = self.step(Arithmetic::FloorRemainder, since, 7);
                self.b.integers(Arithmetic::Subtract, days, past, Type::I32, Fault::DateRange)
            }
            Cut::Month => self.date_part(DatePart::MonthStart, days),
            Cut::Quarter => self.date_part(DatePart::QuarterStart, days),
            Cut::Year => self.date_part(DatePart::YearStart, days),
            Cut::Decade => self.first_year(days, 10, 0),
            Cut::Century => self.first_year(days, 100, 1),
            Cut::Millennium => self.first_year(days, 1000, 1),
            Cut::Microseconds | Cut::Milliseconds | Cut::Second | Cut::Minute | Cut::Hour | Cut::Day => days,
        };
        self.midnight(&Value { node: first, kind: Kind::Date }, zoned.then_some(zone), whole)
    }

    /// The first day of so many years, the first of which ends as `rest` does.
    fn first_year(&mut self, days: ExprId, years: i128, rest: i128) -> ExprId {
        let start = self.date_part(DatePart::YearStart, days);
        let year = self.astronomical_year(days);
        let year = self.step(Arithmetic::Subtract, year, rest);
        let past = self.step(Arithmetic::FloorRemainder, year, years);
        let months = self.step(Arithmetic::Multiply, past, -12);
        let months = self.b.cast(months, Type::I32, Some(Fault::DateRange));
        let start = self.b.cast(start, Type::I32, None);
        self.b.push(Expr::AddMonths { a: start, months })
    }

    /// The year of a day, the one before 1 being 0.
    pub fn astronomical_year(&mut self, days: ExprId) -> ExprId {
        let year = self.date_part(DatePart::Year, days);
        if self.b.bounds(year).is_some_and(|(low, _)| low > 0) {
            return year;
        }
        let zero = self.b.constant(Type::I32, 0);
        let before = self.b.compare(Comparison::Less, year, zero);
        let next = self.step(Arithmetic::Add, year, 1);
        let (then, otherwise) = self.b.aligned(next, year);
        self.b.push(Expr::Select { condition: before, then, otherwise })
    }

    /// Where the bin of so many ticks, counted from `origin`, begins that a moment lies in.
    fn binned(&mut self, value: &Value, width: i128, origin: i128) -> Option<Value> {
        let Kind::Timestamp { unit, tick: TimeUnit::Microsecond, zoned } = value.kind else { return None };
        let tick = TimeUnit::Microsecond;
        if unit % width == 0 && origin % width == 0 {
            return Some(value.clone());
        }
        let (node, unit) =
            if width % unit == 0 && origin % unit == 0 { (value.node, unit) } else { (self.in_ticks(value).node, 1) };
        if origin % width == 0 {
            // Counted in bins: fewer digits, and no multiplication before somebody asks for the moment.
            let node = self.step(Arithmetic::FloorDivide, node, width / unit);
            return Some(Value { node, kind: Kind::Timestamp { unit: width, tick, zoned } });
        }
        let origin = self.b.integer(origin / unit);
        let since = self.b.integers(Arithmetic::Subtract, node, origin, Type::I64, Fault::TimestampRange);
        let past = self.step(Arithmetic::FloorRemainder, since, width / unit);
        let node = self.b.integers(Arithmetic::Subtract, node, past, Type::I64, Fault::TimestampRange);
        Some(Value { node, kind: Kind::Timestamp { unit, tick, zoned } })
    }

    /// A moment moved by an interval: months first, then days, both by the clocks, then the rest.
    pub fn later(
        &mut self,
        value: &Value,
        by: Interval,
        sign: i128,
        zone: Zone,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<Value, Refusal> {
        let Kind::Timestamp { tick: TimeUnit::Microsecond, zoned, .. } = value.kind else {
            return Err(Refusal::new(whole, format!("an interval beside {} has no device form here", value.kind.name())));
        };
        let by_clocks = by.months != 0 || by.days != 0;
        let mut at = if zoned && by_clocks { self.shifted(value, zone, true, whole)? } else { value.clone() };
        if by.months != 0 {
            at = self.months_later(&at, sign * i128::from(by.months), whole)?;
        }
        if zoned && by.months != 0 && by.days != 0 {
            // A time that the clocks skip moves before the days are counted.
            at = self.shifted(&at, zone, false, whole)?;
            at = self.shifted(&at, zone, true, whole)?;
        }
        if by.days != 0 {
            at = self.ticks_later(&at, sign * i128::from(by.days) * ticks_of_day(TimeUnit::Microsecond));
        }
        if zoned && by_clocks {
            at = self.shifted(&at, zone, false, whole)?;
        }
        Ok(if by.us == 0 { at } else { self.ticks_later(&at, sign * i128::from(by.us)) })
    }

    fn ticks_later(&mut self, value: &Value, ticks: i128) -> Value {
        let at = match value.kind {
            Kind::Timestamp { unit, .. } if ticks % unit == 0 => value.clone(),
            _ => self.in_ticks(value),
        };
        let unit = if let Kind::Timestamp { unit, .. } = at.kind { unit } else { 1 };
        let more = self.b.integer(ticks / unit);
        let node = self.b.integers(Arithmetic::Add, at.node, more, Type::I64, Fault::TimestampRange);
        Value { node, kind: at.kind }
    }

    fn months_later(&mut self, local: &Value, months: i128, whole: &Arc<dyn PhysicalExpr>) -> Result<Value, Refusal> {
        let refused = || Refusal::new(whole, "an interval of so many months has no device form");
        let days = self.days(local).ok_or_else(refused)?;
        let count = i32::try_from(months).map_err(|_| refused())?;
        let count = self.b.parameter_node(Type::I32, Scalar::Int(count.into()));
        let bounds = self.b.bounds(days);
        let moved = self.b.push(Expr::AddMonths { a: days, months: count });
        if let Some((low, high)) = bounds {
            // What the number is may change from run to run, and what follows from it is structure; its years do not often.
            let years = months.abs() / 12 + 1;
            self.b.narrow(moved, (low - years * 366, high + years * 366));
        }
        let Kind::Timestamp { unit, tick, zoned } = local.kind else { return Err(refused()) };
        let day = ticks_of_day(tick);
        if unit % day == 0 {
            return self.midnight(&Value { node: moved, kind: Kind::Date }, None, whole);
        }
        let (node, unit) = if day % unit == 0 { (local.node, unit) } else { (self.in_ticks(local).node, 1) };
        let time = self.step(Arithmetic::FloorRemainder, node, day / unit);
        let midnight = self.step(Arithmetic::Multiply, moved, day / unit);
        let node = self.b.integers(Arithmetic::Add, midnight, time, Type::I64, Fault::TimestampRange);
        Ok(Value { node, kind: Kind::Timestamp { unit, tick, zoned } })
    }

    /// How many microseconds lie between two moments of the call of that name; `None` of any other expression.
    pub fn difference(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Option<ExprId>, Refusal> {
        let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
        let (true, [a, b]) = (call.fun().name() == "timestamp_difference", call.args()) else { return Ok(None) };
        let (mut a, mut b) = (self.expr(a, scope)?, self.expr(b, scope)?);
        self.finite(expr)?;
        for value in [&mut a, &mut b] {
            if matches!(value.kind, Kind::Date) {
                *value = self.midnight(value, None, expr)?;
            }
        }
        let refused = || Refusal::new(expr, "the difference of these moments has no device form");
        let (Kind::Timestamp { unit: x, tick: of_a, zoned: p }, Kind::Timestamp { unit: y, tick: of_b, zoned: q }) =
            (&a.kind, &b.kind)
        else {
            return Err(refused());
        };
        if p != q || *of_a != TimeUnit::Microsecond || *of_b != TimeUnit::Microsecond {
            return Err(refused());
        }
        let (a, b, unit) = if x == y { (a.node, b.node, *x) } else { (self.in_ticks(&a).node, self.in_ticks(&b).node, 1) };
        let apart = self.b.integers(Arithmetic::Subtract, a, b, Type::I64, Fault::TimestampRange);
        Ok(Some(if unit == 1 { apart } else { self.step(Arithmetic::Multiply, apart, unit) }))
    }
}
