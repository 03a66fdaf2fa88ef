//! `pg_cast(value, 'type')`: casts as PostgreSQL does them.
//!
//! Text goes through PostgreSQL's input functions, values become text through its output functions, floats round half to
//! even and numerics half away from zero when they become integers, and what does not fit is an error that
//! names the type. Casts that DataFusion inserts itself only widen, and stay its own.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, PrimitiveArray, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, FieldRef, Float64Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType, i256,
};
use arrow::util::display::FormatOptions;
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    simplify::{ExprSimplifyResult, SimplifyContext},
};

use super::average::exact;
use super::error::wrap;
use crate::error::{Condition, Error};
use crate::sql::dialect::CAST;
use crate::types::{Base, SqlType, text};

/// `pg_cast`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PgCast {
    signature: Signature,
}

impl PgCast {
    /// The function.
    pub fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl Default for PgCast {
    fn default() -> Self {
        Self::new()
    }
}

fn target(scalars: &[Option<&ScalarValue>]) -> Result<SqlType> {
    match scalars.get(1).copied().flatten() {
        Some(ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)) | ScalarValue::LargeUtf8(Some(name))) => {
            SqlType::parse(name)
                .ok_or_else(|| wrap(Error::new(Condition::UndefinedObject, format!("type \"{name}\" does not exist"))))
        }
        _ => Err(wrap(Error::internal("a cast to a type that is not a constant"))),
    }
}

fn literal_type(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)), _) => Some(name.clone()),
        _ => None,
    }
}

/// A numeric without precision takes what its source can hold.
fn numeric_without_modifier(source: &DataType, scalar: Option<&ScalarValue>) -> DataType {
    if let Some(exact) = exact(source) {
        return exact;
    }
    let literal = scalar.and_then(|s| s.try_as_str().flatten());
    match literal {
        Some(digits) => {
            let fraction = digits.trim().split_once('.').map_or("", |(_, f)| f);
            let scale = fraction.bytes().take_while(u8::is_ascii_digit).count().min(38);
            DataType::Decimal128(38, if digits.contains(['e', 'E']) { 15 } else { scale as i8 })
        }
        None => DataType::Decimal128(38, 15),
    }
}

impl ScalarUDFImpl for PgCast {
    fn name(&self) -> &str {
        CAST
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Err(wrap(Error::internal("pg_cast's type depends on its arguments")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let to = target(args.scalar_arguments)?;
        let source = args.arg_fields[0].data_type();
        castable(SqlType::of_field(&args.arg_fields[0]), to).map_err(wrap)?;
        let mut field = to.field("pg_cast", true);
        if to == SqlType::from(Base::Numeric) {
            field = field.with_data_type(numeric_without_modifier(source, args.scalar_arguments[0]));
            let literal = args.scalar_arguments[0].is_some_and(|s| s.try_as_str().flatten().is_some());
            if exact(source).is_some() || literal {
                // The source has a scale, and every digit of it is shown.
                field = field.with_metadata([(crate::types::TYPE_KEY.to_owned(), to.sql_name())].into());
            }
        }
        Ok(Arc::new(field.with_nullable(args.arg_fields[0].is_nullable())))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let name = args.get(1).and_then(literal_type).unwrap_or_default();
        Ok(format!("CAST({} AS {name})", args[0].schema_name()))
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let name = args.get(1).and_then(literal_type).unwrap_or_default();
        Ok(format!("CAST({} AS {name})", args[0]))
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = args.config_options.execution.time_zone.as_deref().and_then(|z| z.parse().ok()).unwrap_or(Tz::UTC);
        let to = SqlType::of_field(&args.return_field);
        let from = SqlType::of_field(&args.arg_fields[0]);
        let one = matches!(args.args[0], ColumnarValue::Scalar(_));
        let input = args.args[0].to_array(if one { 1 } else { args.number_rows })?;
        let trimmed = args.arg_fields[0].metadata().get(crate::types::QUOTIENT_KEY).is_some_and(|v| v == crate::types::TRIM);
        let mut result = cast(&input, from, to, args.return_type(), zone).map_err(wrap)?;
        if trimmed && from.base == Base::Numeric && to.base == Base::Text {
            let shown =
                |v: &str| if v.contains('.') { v.trim_end_matches('0').trim_end_matches('.').to_owned() } else { v.to_owned() };
            let texts = plain(&result, &DataType::Utf8).map_err(wrap)?;
            result = Arc::new(texts.as_string::<i32>().iter().map(|v| v.map(shown)).collect::<StringArray>());
        }
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)) } else { Ok(ColumnarValue::Array(result)) }
    }
}

fn is_text(base: Base) -> bool {
    matches!(base, Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Unknown | Base::Char | Base::Json | Base::Jsonb)
}

fn is_number(base: Base) -> bool {
    matches!(base, Base::Int2 | Base::Int4 | Base::Int8 | Base::Float4 | Base::Float8 | Base::Numeric | Base::Oid)
}

/// Whether PostgreSQL has such a cast: `42846` where not.
pub fn castable(from: SqlType, to: SqlType) -> Result<(), Error> {
    let refused = || {
        Err(Error::new(
            Condition::CannotCoerce,
            format!(
                "cannot cast type {} to {}",
                SqlType { typmod: -1, ..from }.sql_name(),
                SqlType { typmod: -1, ..to }.sql_name()
            ),
        ))
    };
    if (from.base == to.base && from.array == to.array) || (is_text(from.base) && !from.array) || (is_text(to.base) && !to.array)
    {
        return Ok(());
    }
    if from.array != to.array {
        return refused();
    }
    let day = |b: Base| matches!(b, Base::Date | Base::Timestamp | Base::Timestamptz);
    let fine = (is_number(from.base) && is_number(to.base))
        || (from.base == Base::Bool && to.base == Base::Int4)
        || (from.base == Base::Int4 && to.base == Base::Bool)
        || (day(from.base) && day(to.base))
        || (matches!(from.base, Base::Timestamp | Base::Timestamptz | Base::Interval) && to.base == Base::Time)
        || (from.base == Base::Time && to.base == Base::Interval);
    if fine { Ok(()) } else { refused() }
}

/// Whether a value of one type may be assigned to a column of another: narrower than what may be cast.
pub fn assignable(from: SqlType, to: SqlType) -> bool {
    castable(from, to).is_ok() && !matches!((from.base, to.base), (Base::Bool, Base::Int4) | (Base::Int4, Base::Bool))
}

/// Casts a column. `data_type` is the Arrow type that is wanted.
pub fn cast(input: &ArrayRef, from: SqlType, to: SqlType, data_type: &DataType, zone: Tz) -> Result<ArrayRef, Error> {
    if input.data_type() == &DataType::Null {
        return Ok(arrow::array::new_null_array(data_type, input.len()));
    }
    if to.array || (from.array && !is_text(to.base)) {
        return arrays(input, from, to, data_type, zone);
    }
    if is_text(to.base) {
        return limited(&to_text(input, from, zone)?, to, data_type);
    }
    if input.data_type().is_string() {
        return from_text(&plain(input, &DataType::Utf8)?, to, data_type, zone);
    }
    match to.base {
        Base::Int2 | Base::Int4 | Base::Int8 | Base::Oid => to_integer(input, to, data_type),
        Base::Numeric => to_numeric(input, to, data_type),
        Base::Float4 | Base::Float8 => to_float(input, to, data_type),
        Base::Timestamptz if from.base != Base::Timestamptz => {
            let local = plain(input, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let local = local.as_primitive::<TimestampMicrosecondType>();
            let moved: TimestampMicrosecondArray = local.iter().map(|v| v.map(|v| to_utc(v, zone))).collect();
            plain(&(Arc::new(moved.with_timezone("UTC")) as ArrayRef), data_type)
        }
        Base::Timestamp | Base::Date | Base::Time if from.base == Base::Timestamptz => {
            let utc = plain(input, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
            let utc = utc.as_primitive::<TimestampMicrosecondType>();
            let moved: TimestampMicrosecondArray = utc.iter().map(|v| v.map(|v| to_local(v, zone))).collect();
            plain(&(Arc::new(moved) as ArrayRef), data_type)
        }
        _ => plain(input, data_type),
    }
}

/// Microseconds of a wall clock in `zone` as microseconds of UTC.
pub fn to_utc(local: i64, zone: Tz) -> i64 {
    if zone == Tz::UTC { local } else { text::local_to_utc(local, &zone) }
}

/// Microseconds of UTC as microseconds of the wall clock in `zone`.
pub fn to_local(utc: i64, zone: Tz) -> i64 {
    if zone == Tz::UTC { utc } else { crate::evaluate::cast::to_local(utc, &zone) }
}

/// A conversion that Arrow does exactly as PostgreSQL, or fails.
fn plain(input: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, Error> {
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(input, data_type, &options).map_err(|e| Error::new(Condition::DataException, e.to_string()))
}

fn out_of_range(to: SqlType) -> Error {
    Error::out_of_range(to.base.row().sql_name)
}

fn integers<T: ArrowPrimitiveType>(values: impl Iterator<Item = Option<i128>>, to: SqlType) -> Result<PrimitiveArray<T>, Error>
where
    T::Native: TryFrom<i128>,
{
    values
        .map(|v| v.map(|v| T::Native::try_from(v).map_err(|_| out_of_range(to))).transpose())
        .collect::<Result<Vec<Option<T::Native>>, Error>>()
        .map(|values| values.into_iter().collect())
}

fn to_integer(input: &ArrayRef, to: SqlType, data_type: &DataType) -> Result<ArrayRef, Error> {
    let values: Vec<Option<i128>> = match input.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let floats = plain(input, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            let mut values = Vec::with_capacity(floats.len());
            for value in floats {
                values.push(match value {
                    Some(v) if !v.is_finite() || v.abs() > 1e19 => return Err(out_of_range(to)),
                    Some(v) => Some(v.round_ties_even() as i128),
                    None => None,
                });
            }
            values
        }
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => {
            return to_integer(&plain(input, &DataType::Decimal128(*p, *s))?, to, data_type);
        }
        DataType::Decimal128(_, scale) => {
            input.as_primitive::<Decimal128Type>().iter().map(|v| v.map(|v| whole(i256::from_i128(v), *scale))).collect()
        }
        DataType::Decimal256(_, scale) => {
            input.as_primitive::<Decimal256Type>().iter().map(|v| v.map(|v| whole(v, *scale))).collect()
        }
        DataType::Boolean => input.as_boolean().iter().map(|v| v.map(i128::from)).collect(),
        DataType::UInt64 => {
            let wide = plain(input, &DataType::Decimal128(20, 0))?;
            wide.as_primitive::<Decimal128Type>().iter().collect()
        }
        _ => {
            let wide = plain(input, &DataType::Int64)?;
            wide.as_primitive::<Int64Type>().iter().map(|v| v.map(i128::from)).collect()
        }
    };
    let values = values.into_iter();
    Ok(match data_type {
        DataType::Int16 => Arc::new(integers::<arrow::datatypes::Int16Type>(values, to)?),
        DataType::Int32 => Arc::new(integers::<arrow::datatypes::Int32Type>(values, to)?),
        DataType::UInt32 => Arc::new(integers::<arrow::datatypes::UInt32Type>(values, to)?),
        _ => Arc::new(integers::<Int64Type>(values, to)?),
    })
}

/// A scaled integer as a whole number, rounded half away from zero; saturates, so that a range check sees it.
fn whole(value: i256, scale: i8) -> i128 {
    let saturated = if value < i256::ZERO { i128::MIN } else { i128::MAX };
    super::arithmetic::divide(value, scale, i256::ONE, 0, 0).unwrap_or(saturated)
}

fn overflow(precision: u8, scale: i8) -> Error {
    let whole = i16::from(precision) - i16::from(scale);
    let bound = if whole == 0 { "1".to_owned() } else { format!("10^{whole}") };
    Error::new(Condition::NumericValueOutOfRange, "numeric field overflow")
        .detail(format!("A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."))
}

/// Decimals of the wanted scale; each value checked against the precision.
fn decimals(values: Vec<Option<i256>>, data_type: &DataType, limit: Option<(u8, i8)>) -> Result<ArrayRef, Error> {
    let (precision, scale, narrow) = match data_type {
        DataType::Decimal128(p, s) => (*p, *s, true),
        DataType::Decimal256(p, s) => (*p, *s, false),
        other => return Err(Error::internal(format!("numeric as {other}"))),
    };
    let (shown_precision, shown_scale) = limit.unwrap_or((precision, scale));
    let bound = i256::from_i128(10).wrapping_pow(u32::from(precision));
    if values.iter().flatten().any(|v| v.wrapping_abs() >= bound) {
        return Err(match limit {
            Some(_) => overflow(shown_precision, shown_scale),
            None => out_of_range(Base::Numeric.into()),
        });
    }
    let failed = |e: arrow::error::ArrowError| Error::internal(e.to_string());
    Ok(if narrow {
        let array: Decimal128Array = values.into_iter().map(|v| v.and_then(i256::to_i128)).collect();
        Arc::new(array.with_precision_and_scale(precision, scale).map_err(failed)?)
    } else {
        let array: Decimal256Array = values.into_iter().collect();
        Arc::new(array.with_precision_and_scale(precision, scale).map_err(failed)?)
    })
}

/// Moves the point of a scaled integer, rounding half away from zero.
fn rescale(value: i256, from: i8, to: i8) -> Option<i256> {
    let ten = i256::from_i128(10);
    if to >= from {
        return value.checked_mul(ten.checked_pow(u32::from((to - from) as u8))?);
    }
    let unit = ten.checked_pow(u32::from((from - to) as u8))?;
    let (quotient, remainder) = (value.checked_div(unit)?, value.checked_rem(unit)?);
    let away = if value < i256::ZERO { i256::MINUS_ONE } else { i256::ONE };
    let up = remainder.wrapping_abs().checked_mul(i256::from_i128(2))? >= unit;
    if up { quotient.checked_add(away) } else { Some(quotient) }
}

fn to_numeric(input: &ArrayRef, to: SqlType, data_type: &DataType) -> Result<ArrayRef, Error> {
    let scale = match data_type {
        DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => *s,
        other => return Err(Error::internal(format!("numeric as {other}"))),
    };
    let limit = to.precision_scale();
    let too_large = || limit.map_or_else(|| out_of_range(Base::Numeric.into()), |(p, s)| overflow(p, s));
    let values: Result<Vec<Option<i256>>, Error> = match input.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            // PostgreSQL takes as many digits as the type is sure of.
            let digits = if input.data_type() == &DataType::Float64 { 15 } else { 6 };
            let floats = plain(input, &DataType::Float64)?;
            floats
                .as_primitive::<Float64Type>()
                .iter()
                .map(|v| v.map(|v| float_digits(v, digits, scale).ok_or_else(too_large)).transpose())
                .collect()
        }
        DataType::Decimal128(_, from) => input
            .as_primitive::<Decimal128Type>()
            .iter()
            .map(|v| v.map(|v| rescale(i256::from_i128(v), *from, scale).ok_or_else(too_large)).transpose())
            .collect(),
        DataType::Decimal256(_, from) => input
            .as_primitive::<Decimal256Type>()
            .iter()
            .map(|v| v.map(|v| rescale(v, *from, scale).ok_or_else(too_large)).transpose())
            .collect(),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => {
            return to_numeric(&plain(input, &DataType::Decimal128(*p, *s))?, to, data_type);
        }
        _ => {
            let wide = plain(input, &DataType::Decimal128(38, 0))?;
            return to_numeric(&wide, to, data_type);
        }
    };
    decimals(values?, data_type, limit)
}

/// A float with that many significant digits as a scaled integer; `None` for what a numeric column cannot hold.
fn float_digits(value: f64, digits: usize, scale: i8) -> Option<i256> {
    if !value.is_finite() {
        return None;
    }
    let printed = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = printed.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let negative = mantissa.starts_with('-');
    let scaled: i256 = i256::from_i128(mantissa.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()?);
    let from = digits as i32 - 1 - exponent;
    let magnitude = if from < 0 {
        let grown = scaled.checked_mul(i256::from_i128(10).checked_pow(from.unsigned_abs())?)?;
        rescale(grown, 0, scale)?
    } else if from > 100 {
        i256::ZERO
    } else {
        rescale(scaled, from as i8, scale)?
    };
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

fn to_float(input: &ArrayRef, to: SqlType, data_type: &DataType) -> Result<ArrayRef, Error> {
    let doubles = plain(input, &DataType::Float64)?;
    if data_type == &DataType::Float64 {
        return Ok(doubles);
    }
    let doubles = doubles.as_primitive::<Float64Type>();
    if doubles.iter().flatten().any(|v| v.is_finite() && (v as f32).is_infinite()) {
        return Err(Error::new(Condition::NumericValueOutOfRange, "value out of range: overflow"));
    }
    if doubles.iter().flatten().any(|v| v != 0.0 && v as f32 == 0.0) {
        return Err(Error::new(Condition::NumericValueOutOfRange, "value out of range: underflow"));
    }
    debug_assert!(to.base == Base::Float4);
    Ok(Arc::new(doubles.iter().map(|v| v.map(|v| v as f32)).collect::<Float32Array>()))
}

fn parsed<'a, T>(values: &'a StringArray, parse: impl Fn(&'a str) -> Result<T, Error>) -> Result<Vec<Option<T>>, Error> {
    values.iter().map(|v| v.map(&parse).transpose()).collect()
}

/// Reads text as values of a type.
pub fn from_text(input: &ArrayRef, to: SqlType, data_type: &DataType, zone: Tz) -> Result<ArrayRef, Error> {
    let values = input.as_string::<i32>();
    Ok(match to.base {
        Base::Bool => Arc::new(BooleanArray::from(parsed(values, text::parse_bool)?)),
        Base::Int2 => Arc::new(Int16Array::from(parsed(values, text::parse_i16)?)),
        Base::Int4 => Arc::new(Int32Array::from(parsed(values, text::parse_i32)?)),
        Base::Int8 => Arc::new(Int64Array::from(parsed(values, text::parse_i64)?)),
        Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => {
            let parse = |v: &str| v.trim().parse::<u32>().map_err(|_| Error::invalid_text(to.base.row().sql_name, v));
            Arc::new(UInt32Array::from(parsed(values, parse)?))
        }
        Base::Float4 => Arc::new(Float32Array::from(parsed(values, text::parse_f32)?)),
        Base::Float8 => Arc::new(Float64Array::from(parsed(values, text::parse_f64)?)),
        Base::Numeric => {
            let (precision, scale) = match data_type {
                DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => (*p, *s),
                other => return Err(Error::internal(format!("numeric as {other}"))),
            };
            decimals(parsed(values, |v| text::parse_decimal(v, precision, scale))?, data_type, to.precision_scale())?
        }
        Base::Bytea => {
            let bytes = parsed(values, text::parse_bytea)?;
            Arc::new(bytes.iter().map(|v| v.as_deref()).collect::<BinaryArray>())
        }
        Base::Date => Arc::new(Date32Array::from(parsed(values, text::parse_date)?)),
        Base::Time => Arc::new(Time64MicrosecondArray::from(parsed(values, text::parse_time)?)),
        Base::Timestamp => Arc::new(TimestampMicrosecondArray::from(parsed(values, text::parse_timestamp)?)),
        Base::Timestamptz => {
            let instants = parsed(values, |v| text::parse_timestamptz(v, &zone))?;
            Arc::new(TimestampMicrosecondArray::from(instants).with_timezone("UTC"))
        }
        Base::Interval => {
            let parse = |v: &str| {
                let (months, days, micros) = text::parse_interval(v)?;
                let nanos = micros.checked_mul(1000).ok_or_else(|| {
                    Error::new(Condition::DatetimeFieldOverflow, format!("interval field value out of range: \"{v}\""))
                })?;
                Ok(IntervalMonthDayNano::new(months, days, nanos))
            };
            Arc::new(IntervalMonthDayNanoArray::from(parsed(values, parse)?))
        }
        Base::Uuid => {
            let uuids = parsed(values, text::parse_uuid)?;
            let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 16);
            Arc::new(array.map_err(|e| Error::internal(e.to_string()))?)
        }
        Base::Char
        | Base::Name
        | Base::Int2Vector
        | Base::Text
        | Base::Tid
        | Base::OidVector
        | Base::Json
        | Base::NodeTree
        | Base::Unknown
        | Base::AclItem
        | Base::Bpchar
        | Base::Varchar
        | Base::Record
        | Base::Void
        | Base::Jsonb => Arc::clone(input),
    })
}

/// Prints values as text.
pub fn to_text(input: &ArrayRef, from: SqlType, zone: Tz) -> Result<ArrayRef, Error> {
    fn each(input: &ArrayRef, mut write: impl FnMut(&mut Vec<u8>, usize)) -> ArrayRef {
        let mut out = Vec::new();
        let values: StringArray = (0..input.len())
            .map(|row| {
                input.is_valid(row).then(|| {
                    out.clear();
                    write(&mut out, row);
                    String::from_utf8_lossy(&out).into_owned()
                })
            })
            .collect();
        Arc::new(values)
    }
    Ok(match input.data_type() {
        DataType::Boolean => {
            let values = input.as_boolean();
            each(input, |out, row| out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }))
        }
        DataType::Float32 => {
            let values = input.as_primitive::<arrow::datatypes::Float32Type>();
            each(input, |out, row| text::write_f32(out, values.value(row)))
        }
        DataType::Float64 => {
            let values = input.as_primitive::<Float64Type>();
            each(input, |out, row| text::write_f64(out, values.value(row)))
        }
        DataType::Decimal128(_, scale) => {
            let values = input.as_primitive::<Decimal128Type>();
            each(input, |out, row| text::write_decimal128(out, values.value(row), *scale))
        }
        DataType::Decimal256(_, scale) => {
            let values = input.as_primitive::<Decimal256Type>();
            each(input, |out, row| text::write_decimal256(out, values.value(row), *scale))
        }
        DataType::Date32 => {
            let values = input.as_primitive::<arrow::datatypes::Date32Type>();
            each(input, |out, row| text::write_date(out, values.value(row)))
        }
        DataType::Timestamp(_, None) | DataType::Date64 => {
            let values = plain(input, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let values = values.as_primitive::<TimestampMicrosecondType>();
            each(input, |out, row| text::write_timestamp(out, values.value(row)))
        }
        DataType::Timestamp(_, Some(_)) => {
            let values = plain(input, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
            let values = values.as_primitive::<TimestampMicrosecondType>();
            each(input, |out, row| text::write_timestamptz(out, values.value(row), &zone))
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let values = plain(input, &DataType::Time64(TimeUnit::Microsecond))?;
            let values = values.as_primitive::<arrow::datatypes::Time64MicrosecondType>();
            each(input, |out, row| text::write_time(out, values.value(row)))
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            let values = plain(input, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let values = values.as_primitive::<IntervalMonthDayNanoType>();
            each(input, |out, row| {
                let v = values.value(row);
                text::write_interval(out, v.months, v.days, v.nanoseconds / 1000);
            })
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let values = plain(input, &DataType::Binary)?;
            let values = values.as_binary::<i32>();
            each(input, |out, row| text::write_bytea(out, values.value(row)))
        }
        DataType::FixedSizeBinary(16) if from.base == Base::Uuid => {
            let values = input.as_fixed_size_binary();
            each(input, |out, row| {
                if let Ok(bytes) = values.value(row).try_into() {
                    text::write_uuid(out, bytes);
                }
            })
        }
        DataType::List(item) => {
            let lists = input.as_list::<i32>();
            let element = SqlType::of_field(item);
            let texts = to_text(lists.values(), element, zone)?;
            let texts = texts.as_string::<i32>();
            each(input, |out, row| {
                out.push(b'{');
                let (from, to) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
                for at in from..to {
                    if at > from {
                        out.push(b',');
                    }
                    if texts.is_null(at) {
                        out.extend_from_slice(b"NULL");
                    } else if element.base == Base::Bool {
                        // In an array a boolean is a letter.
                        out.extend_from_slice(&texts.value(at).as_bytes()[..1]);
                    } else {
                        text::write_array_element(out, texts.value(at).as_bytes());
                    }
                }
                out.push(b'}');
            })
        }
        DataType::FixedSizeBinary(_) => {
            let values = input.as_fixed_size_binary();
            each(input, |out, row| text::write_bytea(out, values.value(row)))
        }
        data_type if data_type.is_string() && from.base == Base::Bpchar => {
            let values = plain(input, &DataType::Utf8)?;
            let values = values.as_string::<i32>();
            each(input, |out, row| out.extend_from_slice(values.value(row).trim_end_matches(' ').as_bytes()))
        }
        _ => plain(input, &DataType::Utf8)?,
    })
}

/// Cuts (an explicit cast to `varchar(n)` and `char(n)` may) and pads.
fn limited(input: &ArrayRef, to: SqlType, data_type: &DataType) -> Result<ArrayRef, Error> {
    let bounded = to.typmod >= 4 && matches!(to.base, Base::Varchar | Base::Bpchar);
    let limit = match to.base {
        Base::Name => 63,
        Base::Char => 1,
        _ if bounded => (to.typmod - 4) as usize,
        _ => {
            if matches!(to.base, Base::Json | Base::Jsonb) {
                for value in input.as_string::<i32>().iter().flatten() {
                    if let Err(e) = serde_json::from_str::<serde_json::Value>(value) {
                        return Err(Error::new(
                            Condition::InvalidTextRepresentation,
                            format!("invalid input syntax for type {}", to.base.row().sql_name),
                        )
                        .detail(e.to_string()));
                    }
                }
            }
            return plain(input, data_type);
        }
    };
    let values = input.as_string::<i32>();
    let cut: StringArray = values
        .iter()
        .map(|v| {
            v.map(|v| {
                let mut out: String = v.chars().take(limit).collect();
                if to.base == Base::Bpchar {
                    // Kept without the blanks that fill it up: see `sql::insert`.
                    out.truncate(out.trim_end_matches(' ').len());
                }
                out
            })
        })
        .collect();
    Ok(Arc::new(cut))
}

fn arrays(input: &ArrayRef, from: SqlType, to: SqlType, data_type: &DataType, zone: Tz) -> Result<ArrayRef, Error> {
    if to.array && input.data_type().is_string() {
        let texts = plain(input, &DataType::Utf8)?;
        let parsed = text::parse_column(to, &mut texts.as_string::<i32>().iter(), &zone).map_err(|e| *e.error)?;
        return if parsed.data_type() == data_type { Ok(parsed) } else { plain(&parsed, data_type) };
    }
    if from.array && to.array {
        let DataType::List(item) = data_type else { return Err(Error::internal("an array that is no list")) };
        let list = plain(
            input,
            &DataType::List(Arc::new(arrow::datatypes::Field::new_list_field(
                match input.data_type() {
                    DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => f.data_type().clone(),
                    other => other.clone(),
                },
                true,
            ))),
        )?;
        let list = list.as_list::<i32>();
        let element = |t: SqlType| SqlType { array: false, ..t };
        let values = cast(list.values(), element(from), element(to), item.data_type(), zone)?;
        let result = arrow::array::ListArray::try_new(Arc::clone(item), list.offsets().clone(), values, list.nulls().cloned());
        return Ok(Arc::new(result.map_err(|e| Error::internal(e.to_string()))?));
    }
    Err(Error::unsupported(format!(
        "casts between {} and {} are not supported on tables' columns",
        from.sql_name(),
        to.sql_name()
    )))
}
