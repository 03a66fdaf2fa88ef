//! `extract(field from value)`: a numeric, as in PostgreSQL since 14.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use chrono::{Datelike, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::cast::to_local;
use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::SqlType;

/// The function's name inside plans.
pub const NAME: &str = "pg_extract";

/// `extract`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Extract {
    signature: Signature,
}

impl Extract {
    /// The function.
    pub fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl Default for Extract {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Century,
    Day,
    Decade,
    DayOfWeek,
    DayOfYear,
    Epoch,
    Hour,
    IsoDayOfWeek,
    IsoYear,
    Julian,
    Microseconds,
    Millennium,
    Milliseconds,
    Minute,
    Month,
    Quarter,
    Second,
    TimeZone,
    TimeZoneHour,
    TimeZoneMinute,
    Week,
    Year,
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "century" | "centuries" | "cent" | "c" => Self::Century,
            "day" | "days" | "d" => Self::Day,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "dow" => Self::DayOfWeek,
            "doy" => Self::DayOfYear,
            "epoch" => Self::Epoch,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "isodow" => Self::IsoDayOfWeek,
            "isoyear" => Self::IsoYear,
            "julian" => Self::Julian,
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Self::Microseconds,
            "millennium" | "millennia" | "mil" | "mils" => Self::Millennium,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Self::Milliseconds,
            "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "quarter" | "qtr" => Self::Quarter,
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "timezone" => Self::TimeZone,
            "timezone_hour" => Self::TimeZoneHour,
            "timezone_minute" => Self::TimeZoneMinute,
            "week" | "weeks" | "w" => Self::Week,
            "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
            _ => return None,
        })
    }

    /// Digits behind the point of the result.
    fn scale(self, of_date: bool) -> i8 {
        match self {
            Self::Epoch if of_date => 0,
            Self::Second | Self::Epoch => 6,
            Self::Milliseconds => 3,
            _ => 0,
        }
    }
}

fn part_of(scalar: Option<&ScalarValue>, of: &DataType) -> Result<(Part, String)> {
    let name = scalar.and_then(|s| s.try_as_str().flatten()).unwrap_or_default().to_lowercase();
    let of = SqlType::of_arrow(of).sql_name();
    Part::named(&name).map(|p| (p, name.clone())).ok_or_else(|| {
        wrap(Error::new(Condition::InvalidParameterValue, format!("unit \"{name}\" not recognized for type {of}")))
    })
}

const DAY: i64 = 86_400_000_000;
const POSTGRES_JULIAN: i64 = 2_440_588;

impl ScalarUDFImpl for Extract {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Err(wrap(Error::internal("extract's type depends on its arguments")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<arrow::datatypes::FieldRef> {
        let (part, _) = part_of(args.scalar_arguments[0], args.arg_fields[1].data_type())?;
        let of_date = args.arg_fields[1].data_type() == &DataType::Date32;
        let scale = part.scale(of_date);
        let precision = if scale == 0 { 18 } else { 24 };
        Ok(Arc::new(arrow::datatypes::Field::new(NAME, DataType::Decimal128(precision, scale), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(name) = &args.args[0] else {
            return Err(wrap(Error::internal("extract of a field that is not a constant")));
        };
        let (part, name) = part_of(Some(name), args.arg_fields[1].data_type())?;
        let zone = args.config_options.execution.time_zone.as_deref().and_then(|z| z.parse().ok()).unwrap_or(Tz::UTC);
        let one = matches!(args.args[1], ColumnarValue::Scalar(_));
        let input = args.args[1].to_array(if one { 1 } else { args.number_rows })?;
        let DataType::Decimal128(precision, scale) = *args.return_type() else {
            return Err(wrap(Error::internal("extract gives a numeric")));
        };
        let values = extract(&input, part, &name, zone).map_err(wrap)?;
        let array: ArrayRef = Arc::new(values.with_precision_and_scale(precision, scale)?);
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)) } else { Ok(ColumnarValue::Array(array)) }
    }
}

fn extract(input: &ArrayRef, part: Part, name: &str, zone: Tz) -> Result<Decimal128Array, Error> {
    let converted = |to: &DataType| cast(input, to).map_err(|e| Error::internal(e.to_string()));
    let unknown = || {
        let sql_type = SqlType::of_arrow(input.data_type()).sql_name();
        Error::new(Condition::FeatureNotSupported, format!("unit \"{name}\" not supported for type {sql_type}"))
    };
    match input.data_type() {
        DataType::Date32 => {
            if matches!(
                part,
                Part::Hour
                    | Part::Minute
                    | Part::Second
                    | Part::Milliseconds
                    | Part::Microseconds
                    | Part::TimeZone
                    | Part::TimeZoneHour
                    | Part::TimeZoneMinute
            ) {
                return Err(unknown());
            }
            let dates = input.as_primitive::<Date32Type>();
            if part == Part::Epoch {
                return Ok(dates.iter().map(|v| v.map(|v| i128::from(v) * 86_400)).collect());
            }
            dates.iter().map(|v| v.map(|v| calendar(part, i64::from(v) * DAY, 0).ok_or_else(unknown)).transpose()).collect()
        }
        DataType::Timestamp(_, None) | DataType::Date64 => {
            let stamps = converted(&DataType::Timestamp(TimeUnit::Microsecond, None))?;
            if matches!(part, Part::TimeZone | Part::TimeZoneHour | Part::TimeZoneMinute) {
                return Err(unknown());
            }
            let stamps = stamps.as_primitive::<TimestampMicrosecondType>();
            stamps.iter().map(|v| v.map(|v| calendar(part, v, 0).ok_or_else(unknown)).transpose()).collect()
        }
        DataType::Timestamp(_, Some(_)) => {
            let stamps = converted(&DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
            let stamps = stamps.as_primitive::<TimestampMicrosecondType>();
            let of = |v: i64| {
                if part == Part::Epoch { Some(i128::from(v)) } else { calendar(part, to_local(v, zone), offset(v, zone)) }
            };
            stamps.iter().map(|v| v.map(|v| of(v).ok_or_else(unknown)).transpose()).collect()
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let times = converted(&DataType::Time64(TimeUnit::Microsecond))?;
            let times = times.as_primitive::<Time64MicrosecondType>();
            times.iter().map(|v| v.map(|v| clock(part, v).ok_or_else(unknown)).transpose()).collect()
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            let intervals = converted(&DataType::Interval(IntervalUnit::MonthDayNano))?;
            let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
            let of = |v: arrow::datatypes::IntervalMonthDayNano| interval(part, v.months, v.days, v.nanoseconds / 1000);
            intervals.iter().map(|v| v.map(|v| of(v).ok_or_else(unknown)).transpose()).collect()
        }
        other => {
            let given = SqlType::of_arrow(other).sql_name();
            Err(Error::new(Condition::UndefinedFunction, format!("function pg_catalog.extract(unknown, {given}) does not exist"))
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."))
        }
    }
}

fn offset(utc: i64, zone: Tz) -> i32 {
    chrono::DateTime::from_timestamp_micros(utc)
        .map_or(0, |t| zone.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc())
}

/// Time of day, in microseconds.
fn clock(part: Part, micros: i64) -> Option<i128> {
    let value = match part {
        Part::Hour => micros / 3_600_000_000,
        Part::Minute => micros / 60_000_000 % 60,
        Part::Second | Part::Milliseconds | Part::Microseconds => micros % 60_000_000,
        Part::Epoch => micros,
        _ => return None,
    };
    Some(i128::from(value))
}

fn calendar(part: Part, micros: i64, offset: i32) -> Option<i128> {
    let time = micros.rem_euclid(DAY);
    if let Part::Hour | Part::Minute | Part::Second | Part::Milliseconds | Part::Microseconds = part {
        return clock(part, time);
    }
    let days = micros.div_euclid(DAY);
    let date = chrono::NaiveDate::from_num_days_from_ce_opt(i32::try_from(days.checked_add(719_163)?).ok()?)?;
    let year = i64::from(date.year());
    // There is no year 0: the year before 1 is -1.
    let shown = if year > 0 { year } else { year - 1 };
    let value = match part {
        Part::Century => {
            if year > 0 {
                (year + 99) / 100
            } else {
                -((99 - (year - 1)) / 100)
            }
        }
        Part::Millennium => {
            if year > 0 {
                (year + 999) / 1000
            } else {
                -((999 - (year - 1)) / 1000)
            }
        }
        Part::Decade => year.div_euclid(10),
        Part::Year => shown,
        Part::IsoYear => i64::from(date.iso_week().year()),
        Part::Quarter => i64::from(date.month0() / 3 + 1),
        Part::Month => i64::from(date.month()),
        Part::Week => i64::from(date.iso_week().week()),
        Part::Day => i64::from(date.day()),
        Part::DayOfYear => i64::from(date.ordinal()),
        Part::DayOfWeek => i64::from(date.weekday().num_days_from_sunday()),
        Part::IsoDayOfWeek => i64::from(date.weekday().number_from_monday()),
        Part::Julian => days + POSTGRES_JULIAN,
        Part::Epoch => micros,
        Part::TimeZone => i64::from(offset),
        Part::TimeZoneHour => i64::from(offset / 3600),
        Part::TimeZoneMinute => i64::from(offset / 60 % 60),
        Part::Hour | Part::Minute | Part::Second | Part::Milliseconds | Part::Microseconds => return None,
    };
    Some(i128::from(value))
}

fn interval(part: Part, months: i32, days: i32, micros: i64) -> Option<i128> {
    let (months, days) = (i64::from(months), i64::from(days));
    let value = match part {
        Part::Millennium => months / 12_000,
        Part::Century => months / 1200,
        Part::Decade => months / 120,
        Part::Year => months / 12,
        Part::Quarter => months % 12 / 3 + 1,
        Part::Month => months % 12,
        Part::Day => days,
        Part::Hour => micros / 3_600_000_000,
        Part::Minute => micros / 60_000_000 % 60,
        Part::Second | Part::Milliseconds | Part::Microseconds => micros % 60_000_000,
        // PostgreSQL counts 365.25 days to a year and 30 to a month.
        Part::Epoch => (months / 12) * 31_557_600_000_000 + (months % 12) * 30 * DAY + days * DAY + micros,
        _ => return None,
    };
    Some(i128::from(value))
}
