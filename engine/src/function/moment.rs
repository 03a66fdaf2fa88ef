//! Dates and moments: `date_trunc`, `date_bin`, `timezone`, and what an interval added to a moment gives.
//!
//! A time zone is the session's unless the call names one. What a call asks beyond this (an interval cut, a field that is
//! no constant) the evaluator computes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Field, FieldRef, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::bridge::Bridged;
use super::error::wrap;
use crate::error::Error;
use crate::evaluate::cast::date_to_timestamp;
use crate::evaluate::datum::Interval;
use crate::evaluate::function::datetime::{self, Zone};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `date_trunc(field, moment [, zone])`
    Truncate,
    /// `date_bin(stride, moment, origin)`
    Bin,
    /// `timezone(zone, moment)`: `moment AT TIME ZONE zone`
    Zone,
    /// `moment + interval`
    Add,
    /// `moment - interval`
    Subtract,
}

impl Operation {
    /// The function's name in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncate => "date_trunc",
            Self::Bin => "date_bin",
            Self::Zone => "timezone",
            Self::Add => "moment_add",
            Self::Subtract => "moment_subtract",
        }
    }

    /// Which argument is the moment.
    fn moment(self) -> usize {
        match self {
            Self::Truncate | Self::Bin | Self::Zone => 1,
            Self::Add | Self::Subtract => 0,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Moment {
    operation: Operation,
    signature: Signature,
    evaluated: Bridged,
}

/// One operation as a function.
pub fn function(operation: Operation) -> Arc<ScalarUDF> {
    let signature = TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]);
    let signature = Signature::new(signature, Volatility::Immutable);
    Arc::new(ScalarUDF::from(Moment { operation, signature, evaluated: Bridged::new(operation.name()) }))
}

/// The functions of this file.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    use Operation::{Add, Bin, Subtract, Truncate, Zone};
    [Truncate, Bin, Zone, Add, Subtract].map(function).to_vec()
}

/// A moment's Arrow type, with a time zone or without.
pub fn timestamp(zoned: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zoned.then(|| "UTC".into()))
}

/// The session's time zone, as functions are told it.
pub fn session_zone(options: &datafusion::common::config::ConfigOptions) -> Tz {
    options.execution.time_zone.as_deref().and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC)
}

/// Whether a moment of this type has a time zone; a date is midnight of the session's. `None` of what is no moment.
fn zoned(data_type: &DataType) -> Option<bool> {
    match data_type {
        DataType::Timestamp(_, zone) => Some(zone.is_some()),
        DataType::Date32 => Some(true),
        _ => None,
    }
}

fn text(value: Option<&ScalarValue>) -> Option<&str> {
    value?.try_as_str().flatten()
}

/// A constant interval: one, or a text that says one.
pub fn constant_interval(value: &ScalarValue) -> Option<Result<Interval, Error>> {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(v)) => {
            Some(Ok(Interval { months: v.months, days: v.days, us: v.nanoseconds / 1000 }))
        }
        other => {
            let text = other.try_as_str().flatten()?;
            Some(crate::types::text::parse_interval(text).map(|(months, days, us)| Interval { months, days, us }))
        }
    }
}

impl Moment {
    /// Whether the calls with arguments of these types are computed here, and whether the result has a time zone.
    fn result(&self, fields: &[FieldRef], constants: &[Option<&ScalarValue>]) -> Option<bool> {
        let constant = |at: usize| constants.get(at).copied().flatten();
        let at = self.operation.moment();
        let zoned = zoned(fields.get(at)?.data_type())?;
        let date = fields[at].data_type() == &DataType::Date32;
        match (self.operation, fields.len()) {
            (Operation::Truncate, 2) => text(constant(0)).map(|_| zoned),
            (Operation::Truncate, 3) if zoned => text(constant(0)).and(text(constant(2))).map(|_| true),
            (Operation::Bin, 3) => {
                let origin = fields[2].data_type();
                let same = origin == fields[1].data_type() || (origin.is_string() && constant(2).is_some());
                constant(0).and_then(constant_interval).filter(|_| same).map(|_| zoned)
            }
            (Operation::Zone, 2) if !date => text(constant(0)).map(|_| !zoned),
            (Operation::Add | Operation::Subtract, 2) if matches!(fields[1].data_type(), DataType::Interval(_)) => {
                Some(zoned && !date)
            }
            (_, _) => None,
        }
    }

    fn compute(&self, args: &ScalarFunctionArgs, rows: usize, result: bool) -> Result<TimestampMicrosecondArray, Error> {
        let session = session_zone(&args.config_options);
        let constant = |at: usize| match args.args.get(at) {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            Some(ColumnarValue::Array(_)) | None => None,
        };
        let internal = |e: datafusion::error::DataFusionError| Error::internal(e.to_string());
        let column = |at: usize| args.args[at].to_array(rows).map_err(internal);
        let at = self.operation.moment();
        let is_zoned = matches!(args.arg_fields[at].data_type(), DataType::Timestamp(_, Some(_)));
        let moments = micros(&column(at)?, session, result)?;
        let each = |f: &dyn Fn(i64) -> Result<i64, Error>| {
            moments.iter().map(|v| v.map(f).transpose()).collect::<Result<TimestampMicrosecondArray, Error>>()
        };
        match self.operation {
            Operation::Truncate => {
                let field = text(constant(0)).unwrap_or_default();
                let zone = match text(constant(2)) {
                    Some(name) => datetime::zone_named(name)?,
                    None => Zone::Named(session),
                };
                let zone = result.then_some(zone);
                let cut = datetime::Cut::named(field, crate::types::SqlType::of_field(&args.arg_fields[1]))?;
                each(&|v| Ok(cut.of(v, zone)))
            }
            Operation::Bin => {
                let stride = constant(0).and_then(constant_interval);
                let stride = stride.unwrap_or_else(|| Err(Error::internal("a stride that is no constant")))?;
                let width = datetime::bin_width(stride)?;
                let origins = column(2)?;
                let origins = if origins.data_type().is_string() {
                    let to = crate::types::SqlType::of_arrow(&timestamp(result));
                    super::cast::cast(&origins, crate::types::Base::Text.into(), to, &timestamp(result), session)?
                } else {
                    origins
                };
                let origins = micros(&origins, session, result)?;
                let pairs = moments.iter().zip(origins.iter());
                pairs
                    .map(|(at, origin)| at.zip(origin).map(|(at, origin)| datetime::bin(at, origin, width)).transpose())
                    .collect()
            }
            Operation::Zone => {
                let zone = datetime::zone_named(text(constant(0)).unwrap_or_default())?;
                each(&|v| Ok(if is_zoned { zone.local(v) } else { zone.utc(v) }))
            }
            Operation::Add | Operation::Subtract => {
                let zone = is_zoned.then_some(session);
                let intervals = cast(&column(1)?, &DataType::Interval(IntervalUnit::MonthDayNano));
                let intervals = intervals.map_err(|e| Error::internal(e.to_string()))?;
                let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
                let subtract = self.operation == Operation::Subtract;
                let moved = |at: i64, v: arrow::datatypes::IntervalMonthDayNano| {
                    let by = Interval { months: v.months, days: v.days, us: v.nanoseconds / 1000 };
                    datetime::moved(at, if subtract { datetime::negate(by)? } else { by }, zone.as_ref())
                };
                let pairs = moments.iter().zip(intervals.iter());
                pairs.map(|(at, by)| at.zip(by).map(|(at, by)| moved(at, by)).transpose()).collect()
            }
        }
    }
}

/// Moments in microseconds; days as their midnights, in the session's zone where the result has one.
fn micros(column: &ArrayRef, session: Tz, zoned: bool) -> Result<TimestampMicrosecondArray, Error> {
    let internal = |e: arrow::error::ArrowError| Error::internal(e.to_string());
    match column.data_type() {
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            let midnight = |day: i32| {
                let local = date_to_timestamp(day)?;
                Ok(if zoned { crate::types::text::local_to_utc(local, &session) } else { local })
            };
            days.iter().map(|day| day.map(midnight).transpose()).collect()
        }
        DataType::Timestamp(_, zone) => {
            let column = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone())).map_err(internal)?;
            let plain = cast(&column, &DataType::Int64).map_err(internal)?;
            let plain = cast(&plain, &timestamp(false)).map_err(internal)?;
            Ok(plain.as_primitive::<TimestampMicrosecondType>().clone())
        }
        other => Err(Error::internal(format!("a moment of type {other}"))),
    }
}

impl ScalarUDFImpl for Moment {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Err(wrap(Error::internal(format!("{}'s type depends on its arguments", self.name()))))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match self.result(args.arg_fields, args.scalar_arguments) {
            Some(zoned) => Ok(Arc::new(Field::new(self.name(), timestamp(zoned), true))),
            None => self.evaluated.return_field_from_args(args),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Timestamp(_, zone) = args.return_type() else { return self.evaluated.invoke_with_args(args) };
        let constants: Vec<Option<&ScalarValue>> = args
            .args
            .iter()
            .map(|a| match a {
                ColumnarValue::Scalar(value) => Some(value),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let zoned = zone.is_some();
        if self.result(&args.arg_fields, &constants) != Some(zoned) {
            return self.evaluated.invoke_with_args(args);
        }
        let one = constants.iter().all(Option::is_some);
        let rows = if one { 1 } else { args.number_rows };
        let result = self.compute(&args, rows, zoned).map_err(wrap)?;
        let result: ArrayRef = Arc::new(if zoned { result.with_timezone("UTC") } else { result });
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)) } else { Ok(ColumnarValue::Array(result)) }
    }
}
