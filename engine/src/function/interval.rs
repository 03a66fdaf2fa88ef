//! Arithmetic that makes intervals, as PostgreSQL's: a difference of instants in days and time of day, and an interval times a number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::error::wrap;
use crate::error::{Condition, Error};

const DAY: i64 = 86_400_000_000;

fn out_of_range() -> Error {
    Error::new(Condition::DatetimeFieldOverflow, "interval out of range")
}

/// Runs a function of two columns, or of two constants once.
fn two(args: &ScalarFunctionArgs, compute: impl Fn(&ArrayRef, &ArrayRef) -> Result<ArrayRef, Error>) -> Result<ColumnarValue> {
    let one = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
    let rows = if one { 1 } else { args.number_rows };
    let result = compute(&args.args[0].to_array(rows)?, &args.args[1].to_array(rows)?).map_err(wrap)?;
    if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)) } else { Ok(ColumnarValue::Array(result)) }
}

/// `timestamp - timestamp`: days and what is left of one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Difference {
    signature: Signature,
}

impl Difference {
    /// The function.
    pub fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl Default for Difference {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for Difference {
    fn name(&self) -> &str {
        "timestamp_difference"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        two(&args, |a, b| {
            let micros = |array: &ArrayRef| {
                let zone = match array.data_type() {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone)).map_err(|e| Error::internal(e.to_string()))
            };
            let (a, b) = (micros(a)?, micros(b)?);
            let pairs = a.as_primitive::<TimestampMicrosecondType>().iter().zip(b.as_primitive::<TimestampMicrosecondType>());
            let values: Result<Vec<Option<IntervalMonthDayNano>>, Error> = pairs
                .map(|pair| match pair {
                    (Some(a), Some(b)) => {
                        let difference = a.checked_sub(b).ok_or_else(out_of_range)?;
                        let days = i32::try_from(difference / DAY).map_err(|_| out_of_range())?;
                        Ok(Some(IntervalMonthDayNano::new(0, days, difference % DAY * 1000)))
                    }
                    (_, _) => Ok(None),
                })
                .collect();
            Ok(Arc::new(IntervalMonthDayNanoArray::from(values?)))
        })
    }
}

/// `interval * number` and `interval / number` (PostgreSQL's `interval_mul` and `interval_div` in timestamp.c): fractions of months
/// become days of which a month has 30, and fractions of days become time.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Scale {
    divide: bool,
    signature: Signature,
}

impl Scale {
    /// By multiplication, or by division.
    pub fn new(divide: bool) -> Self {
        Self { divide, signature: Signature::any(2, Volatility::Immutable) }
    }
}

fn scale(value: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano, Error> {
    let whole = |v: f64| if v.is_finite() && v.abs() <= f64::from(i32::MAX) { Ok(v as i32) } else { Err(out_of_range()) };
    // Rounded to what a double is sure of, so that a tenth of something does not lose its last microsecond.
    let steady = |v: f64| (v * 1e6).round() / 1e6;
    let months = f64::from(value.months) * factor;
    let days = f64::from(value.days) * factor;
    let month_days = steady((months - months.trunc()) * 30.0);
    let mut rest = steady(days - days.trunc() + month_days - month_days.trunc());
    let mut day_count = days.trunc() + month_days.trunc();
    if rest.abs() >= 1.0 {
        day_count += rest.trunc();
        rest -= rest.trunc();
    }
    let micros = (value.nanoseconds / 1000) as f64 * factor + rest * DAY as f64;
    if !micros.is_finite() || micros.abs() > i64::MAX as f64 / 1000.0 {
        return Err(out_of_range());
    }
    Ok(IntervalMonthDayNano::new(whole(months.trunc())?, whole(day_count)?, micros.round_ties_even() as i64 * 1000))
}

impl ScalarUDFImpl for Scale {
    fn name(&self) -> &str {
        if self.divide { "interval_divide" } else { "interval_multiply" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        two(&args, |intervals, factors| {
            let internal = |e: arrow::error::ArrowError| Error::internal(e.to_string());
            let intervals = cast(intervals, &DataType::Interval(IntervalUnit::MonthDayNano)).map_err(internal)?;
            let factors = cast(factors, &DataType::Float64).map_err(internal)?;
            let pairs = intervals.as_primitive::<IntervalMonthDayNanoType>().iter().zip(factors.as_primitive::<Float64Type>());
            let values: Result<Vec<Option<IntervalMonthDayNano>>, Error> = pairs
                .map(|pair| match pair {
                    (Some(_), Some(factor)) if self.divide && factor == 0.0 => Err(Error::division_by_zero()),
                    (Some(value), Some(factor)) => scale(value, if self.divide { 1.0 / factor } else { factor }).map(Some),
                    (_, _) => Ok(None),
                })
                .collect();
            Ok(Arc::new(IntervalMonthDayNanoArray::from(values?)))
        })
    }
}
