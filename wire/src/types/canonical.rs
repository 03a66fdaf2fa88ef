//! Arrow has many types for what PostgreSQL has one of: they are made one here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, IntervalDayTimeType,
    IntervalMonthDayNano, IntervalUnit, IntervalYearMonthType, TimeUnit, TimestampNanosecondType,
};
use warpwise_engine::error::{Error, Result};
use warpwise_engine::types::{Base, SqlType};

/// A cast that fails rather than put NULL for what does not fit.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options)
        .map_err(|error| Error::internal(format!("cannot send values of Arrow type {} as {to}: {error}", array.data_type())))
}

/// A span of so many nanoseconds a unit.
fn spans(array: &ArrayRef, unit: &TimeUnit) -> Result<ArrayRef> {
    let span = |value: i64, scale: i64| {
        let ns = value.checked_mul(scale).ok_or_else(|| Error::out_of_range("interval"))?;
        Ok::<_, Error>(IntervalMonthDayNano::new(0, 0, ns))
    };
    let spans: IntervalMonthDayNanoArray = match unit {
        TimeUnit::Second => array.as_primitive::<DurationSecondType>().try_unary(|v| span(v, 1_000_000_000)),
        TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().try_unary(|v| span(v, 1_000_000)),
        TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().try_unary(|v| span(v, 1000)),
        TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().try_unary(|v| span(v, 1)),
    }?;
    Ok(Arc::new(spans))
}

/// `character(n)` is kept without the blanks that fill it up; here they are added.
fn filled(array: &ArrayRef, length: usize) -> Result<ArrayRef> {
    let texts = cast(array, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    // A value of one byte for each character that is long enough stays as it is: flags of one letter, above all.
    if texts.iter().flatten().all(|text| text.len() >= length && text.is_ascii()) {
        return Ok(Arc::clone(array));
    }
    let filled: arrow::array::StringArray = texts.iter().map(|text| text.map(|text| format!("{text:<length$}"))).collect();
    Ok(Arc::new(filled))
}

/// The same values in one of the types that `text` and `binary` know: no dictionaries, runs or views of lists, times in
/// microseconds, spans as months, days and nanoseconds.
pub(super) fn of(array: &ArrayRef, sql_type: SqlType) -> Result<ArrayRef> {
    let timestamps = |zone: &Option<Arc<str>>| DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
    if sql_type.base == Base::Bpchar && sql_type.typmod > 4 && !sql_type.array && array.data_type().is_string() {
        return filled(array, (sql_type.typmod - 4) as usize);
    }
    Ok(match array.data_type() {
        DataType::Dictionary(_, value) => return of(&cast(array, value)?, sql_type),
        DataType::RunEndEncoded(_, value) => return of(&cast(array, value.data_type())?, sql_type),
        DataType::Float16 => cast(array, &DataType::Float32)?,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            cast(array, &DataType::Decimal128(*precision, *scale))?
        }
        DataType::Date32 => match (sql_type.base, sql_type.array) {
            (Base::Timestamp | Base::Timestamptz, false) => cast(array, &timestamps(&None))?,
            _ => Arc::clone(array),
        },
        DataType::Date64 => match (sql_type.base, sql_type.array) {
            (Base::Date, false) => cast(array, &DataType::Date32)?,
            _ => cast(array, &timestamps(&None))?,
        },
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => cast(array, &DataType::Time64(TimeUnit::Microsecond))?,
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            // Towards the past, as every clock rounds; a cast would round towards 1970.
            let us = array.as_primitive::<TimestampNanosecondType>().unary(|ns| ns.div_euclid(1000));
            let us: arrow::array::TimestampMicrosecondArray = us;
            return of(&(Arc::new(us.with_timezone_opt(zone.clone())) as ArrayRef), sql_type);
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => match (sql_type.base, sql_type.array) {
            (Base::Date, false) => cast(array, &DataType::Date32)?,
            _ => Arc::clone(array),
        },
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone) => {
            return of(&cast(array, &timestamps(zone))?, sql_type);
        }
        DataType::Duration(unit) => spans(array, unit)?,
        DataType::Interval(IntervalUnit::YearMonth) => {
            let spans: IntervalMonthDayNanoArray =
                array.as_primitive::<IntervalYearMonthType>().unary(|months| IntervalMonthDayNano::new(months, 0, 0));
            Arc::new(spans)
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let spans: IntervalMonthDayNanoArray = array
                .as_primitive::<IntervalDayTimeType>()
                .unary(|span| IntervalMonthDayNano::new(0, span.days, i64::from(span.milliseconds) * 1_000_000));
            Arc::new(spans)
        }
        DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => cast(array, &DataType::List(Arc::clone(field)))?,
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Time64(_)
        | DataType::Interval(IntervalUnit::MonthDayNano)
        | DataType::Binary
        | DataType::FixedSizeBinary(_)
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::List(_)
        | DataType::Struct(_)
        | DataType::Union(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Map(..) => Arc::clone(array),
    })
}
