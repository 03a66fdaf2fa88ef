//! `extract(field from value)`, a numeric as in PostgreSQL since 14, and `date_part(field, value)`, the same as a float.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{
    DataType, Date32Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::bridge::Bridged;
use super::cast::to_local;
use super::error::wrap;
use super::moment::session_zone;
use crate::error::{Condition, Error};
use crate::evaluate::cast::date_to_timestamp;
use crate::evaluate::function::datetime::Fields;
use crate::types::SqlType;

/// The name of `extract` inside plans.
pub const NAME: &str = "pg_extract";
/// The name of `date_part`, which gives double precision.
pub const FLOAT_NAME: &str = "date_part";

/// `extract`, or `date_part`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Extract {
    float: bool,
    signature: Signature,
    evaluated: Bridged,
}

impl Extract {
    /// The function that gives numerics, or, where `float`, the one that gives double precision.
    pub fn new(float: bool) -> Self {
        let evaluated = Bridged::new(if float { "date_part" } else { "extract" });
        Self { float, signature: Signature::any(2, Volatility::Immutable), evaluated }
    }

    /// Whether the evaluator computes it: a field that is no constant, a moment's days with their fraction, a text.
    fn is_evaluated(&self, field: Option<&ScalarValue>, of: &DataType) -> bool {
        let name = field.and_then(|f| f.try_as_str().flatten()).map(str::to_lowercase);
        let julian = name.as_deref().is_some_and(|name| Part::named(name) == Some(Part::Julian));
        name.is_none() || of.is_string() || (julian && matches!(of, DataType::Timestamp(..)))
    }
}

/// A field of a date, a moment, a time or an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Hundreds of years, from 1.
    Century,
    /// The day of the month, or an interval's days.
    Day,
    /// Tens of years.
    Decade,
    /// Sunday is 0.
    DayOfWeek,
    /// From 1.
    DayOfYear,
    /// Seconds since 1970, or in all.
    Epoch,
    /// 0 to 23.
    Hour,
    /// Monday is 1.
    IsoDayOfWeek,
    /// The year of ISO 8601's week.
    IsoYear,
    /// Days since 4714-11-24 BC.
    Julian,
    /// Of the minute.
    Microseconds,
    /// Thousands of years, from 1.
    Millennium,
    /// Of the minute.
    Milliseconds,
    /// 0 to 59.
    Minute,
    /// 1 to 12.
    Month,
    /// 1 to 4.
    Quarter,
    /// With its fraction.
    Second,
    /// Seconds east of UTC.
    TimeZone,
    /// Hours of that.
    TimeZoneHour,
    /// Minutes of the rest.
    TimeZoneMinute,
    /// ISO 8601's.
    Week,
    /// The one before 1 is -1.
    Year,
}

impl Part {
    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
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
        if self.float { FLOAT_NAME } else { NAME }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Err(wrap(Error::internal("extract's type depends on its arguments")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<arrow::datatypes::FieldRef> {
        if self.is_evaluated(args.scalar_arguments[0], args.arg_fields[1].data_type()) {
            return self.evaluated.return_field_from_args(args);
        }
        let (part, _) = part_of(args.scalar_arguments[0], args.arg_fields[1].data_type())?;
        if self.float {
            return Ok(Arc::new(arrow::datatypes::Field::new(FLOAT_NAME, DataType::Float64, true)));
        }
        let of_date = args.arg_fields[1].data_type() == &DataType::Date32;
        let scale = part.scale(of_date);
        let precision = if scale == 0 { 18 } else { 24 };
        Ok(Arc::new(arrow::datatypes::Field::new(NAME, DataType::Decimal128(precision, scale), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let name = match &args.args[0] {
            ColumnarValue::Scalar(name) => Some(name),
            ColumnarValue::Array(_) => None,
        };
        if self.is_evaluated(name, args.arg_fields[1].data_type()) {
            return self.evaluated.invoke_with_args(args);
        }
        let (part, name) = part_of(name, args.arg_fields[1].data_type())?;
        let zone = session_zone(&args.config_options);
        let one = matches!(args.args[1], ColumnarValue::Scalar(_));
        let mut input = args.args[1].to_array(if one { 1 } else { args.number_rows })?;
        if self.float && input.data_type() == &DataType::Date32 {
            // `date_part` takes a date as its midnight.
            input = cast(&infinite_dates(&input)?, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        }
        let infinite = infinities(&input);
        if !infinite.is_empty() {
            let finite: BooleanArray = infinite.iter().map(|sign| Some(*sign != 0.0)).collect();
            input = nullif(&input, &finite)?;
        }
        let values = extract(&input, part, &name, zone).map_err(wrap)?;
        let grows = infinite.iter().any(|sign| *sign != 0.0) && part.grows();
        let array: ArrayRef = match *args.return_type() {
            DataType::Decimal128(..) if grows => return Err(wrap(Error::out_of_range("numeric"))),
            DataType::Decimal128(precision, scale) => Arc::new(values.with_precision_and_scale(precision, scale)?),
            _ => {
                let sign = |row: usize| infinite.get(row).copied().filter(|sign| *sign != 0.0 && part.grows());
                let float = |(row, v): (usize, Option<i128>)| {
                    sign(row).map(|sign| sign * f64::INFINITY).or_else(|| v.map(|v| part.float(v)))
                };
                Arc::new(values.iter().enumerate().map(float).collect::<Float64Array>())
            }
        };
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)) } else { Ok(ColumnarValue::Array(array)) }
    }
}

/// Of every row whether it is infinite: 1, -1, or 0 where not; nothing where none is.
fn infinities(input: &ArrayRef) -> Vec<f64> {
    let sign = |least: bool, greatest: bool| f64::from(i8::from(greatest) - i8::from(least));
    let signs: Vec<f64> = match input.data_type() {
        DataType::Date32 => {
            input.as_primitive::<Date32Type>().values().iter().map(|v| sign(*v == i32::MIN, *v == i32::MAX)).collect()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => input
            .as_primitive::<TimestampMicrosecondType>()
            .values()
            .iter()
            .map(|v| sign(*v == i64::MIN, *v == i64::MAX))
            .collect(),
        _ => Vec::new(),
    };
    if signs.iter().any(|sign| *sign != 0.0) { signs } else { Vec::new() }
}

/// Dates whose infinities became those of moments, as numbers of microseconds.
fn infinite_dates(input: &ArrayRef) -> Result<ArrayRef> {
    let midnight = |day: i32| date_to_timestamp(day).map_err(wrap);
    let moments = input.as_primitive::<Date32Type>().try_unary::<_, TimestampMicrosecondType, _>(midnight)?;
    Ok(Arc::new(moments))
}

impl Part {
    /// Whether it grows with time, so that an infinite moment has an infinite one; else it has none.
    fn grows(self) -> bool {
        matches!(self, Self::Century | Self::Decade | Self::Epoch | Self::IsoYear | Self::Julian | Self::Millennium | Self::Year)
    }

    /// Its value as PostgreSQL's `date_part` computes it, of the scaled integer.
    fn float(self, value: i128) -> f64 {
        let (whole, rest) = ((value / 1_000_000) as f64, (value % 1_000_000) as f64);
        match self {
            Self::Second => whole + rest / 1_000_000.0,
            Self::Milliseconds => whole * 1000.0 + rest / 1000.0,
            Self::Epoch => value as f64 / 1_000_000.0,
            _ => value as f64,
        }
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
    crate::types::text::offset_at(utc, &zone)
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
    let fields = Fields::of(micros);
    let (year, days) = (fields.year, micros.div_euclid(DAY));
    // There is no year 0: the year before 1 is -1.
    let shown = |year: i64| if year > 0 { year } else { year - 1 };
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
        Part::Year => shown(year),
        Part::IsoYear => shown(fields.iso_week().0),
        Part::Quarter => (fields.month - 1) / 3 + 1,
        Part::Month => fields.month,
        Part::Week => fields.iso_week().1,
        Part::Day => fields.day,
        Part::DayOfYear => fields.day_of_year(),
        Part::DayOfWeek => fields.weekday(),
        Part::IsoDayOfWeek => (fields.weekday() + 6) % 7 + 1,
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
