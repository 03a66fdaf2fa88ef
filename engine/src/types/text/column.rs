//! A column of text to an Arrow array of [`SqlType::arrow`], with what a modifier adds: lengths, padding, digits.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, ListArray, PrimitiveArray,
    PrimitiveBuilder, StringBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use chrono_tz::Tz;

use super::{
    parse_array, parse_bool, parse_bytea, parse_date_in, parse_decimal, parse_f32, parse_f64, parse_i16, parse_i32, parse_i64,
    parse_interval, parse_oid, parse_time_in, parse_timestamp_in, parse_timestamptz, parse_uuid,
};
use crate::error::{Condition, Error, Result};
use crate::types::{Base, SqlType};

/// The texts of a column; `None` is NULL.
type Texts<'i, 'v> = &'i mut dyn Iterator<Item = Option<&'v str>>;

/// A value that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The row, from 0.
    pub row: usize,
    /// Why.
    pub error: Box<Error>,
}

impl RowError {
    fn new(row: usize, error: Error) -> Self {
        Self { row, error: Box::new(error) }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    texts: Texts<'_, '_>,
    mut parse: impl FnMut(&str) -> Result<T::Native>,
) -> Result<PrimitiveArray<T>, RowError> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(texts.size_hint().0);
    for (row, text) in texts.enumerate() {
        builder.append_option(text.map(&mut parse).transpose().map_err(|error| RowError::new(row, error))?);
    }
    Ok(builder.finish())
}

fn strings(texts: Texts<'_, '_>, mut check: impl FnMut(&str) -> Result<Option<String>>) -> Result<ArrayRef, RowError> {
    let mut builder = StringBuilder::with_capacity(texts.size_hint().0, 0);
    for (row, text) in texts.enumerate() {
        match text {
            None => builder.append_null(),
            Some(text) => match check(text).map_err(|error| RowError::new(row, error))? {
                None => builder.append_value(text),
                Some(changed) => builder.append_value(changed),
            },
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// `text` fitted to `varchar(limit)` or `character(limit)`; `None` where it already does.
fn fit(text: &str, limit: usize, base: Base) -> Result<Option<String>> {
    // A text of no more bytes than characters allowed needs no counting.
    let count = if text.len() <= limit && base == Base::Varchar { 0 } else { text.chars().count() };
    if count > limit {
        let cut = text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at);
        if text[cut..].bytes().any(|b| b != b' ') {
            let sql_name = base.row().sql_name;
            let message = format!("value too long for type {sql_name}({limit})");
            return Err(Error::new(Condition::StringDataRightTruncation, message));
        }
        return Ok(Some(text[..cut].to_owned()));
    }
    Ok((base == Base::Bpchar && count < limit).then(|| format!("{text}{}", " ".repeat(limit - count))))
}

/// Microseconds rounded to `digits` digits of a second, halves away from zero.
fn round_us(us: i64, digits: i32) -> i64 {
    if !(0..6).contains(&digits) || us == i64::MAX || us == i64::MIN {
        return us;
    }
    let unit = 10i64.pow(6 - digits as u32);
    let half = if us < 0 { -unit / 2 } else { unit / 2 };
    us.checked_add(half).map_or(us, |us| us / unit * unit)
}

fn interval(text: &str) -> Result<IntervalMonthDayNano> {
    let (months, days, us) = parse_interval(text)?;
    let out_of_range = || Error::new(Condition::DatetimeFieldOverflow, "interval out of range");
    Ok(IntervalMonthDayNano::new(months, days, us.checked_mul(1000).ok_or_else(out_of_range)?))
}

fn decimals(sql_type: SqlType, texts: Texts<'_, '_>) -> Result<ArrayRef, RowError> {
    let narrow = |text: &str, precision, scale| {
        parse_decimal(text, precision, scale)?.to_i128().ok_or_else(|| Error::internal("a decimal beyond its precision"))
    };
    let fault = |error: arrow::error::ArrowError| RowError::new(0, Error::internal(error.to_string()));
    match sql_type.arrow() {
        DataType::Decimal128(precision, scale) => {
            let array = primitive::<Decimal128Type>(texts, |text| narrow(text, precision, scale))?;
            Ok(Arc::new(array.with_precision_and_scale(precision, scale).map_err(fault)?))
        }
        DataType::Decimal256(precision, scale) => {
            let array = primitive::<Decimal256Type>(texts, |text| parse_decimal(text, precision, scale))?;
            Ok(Arc::new(array.with_precision_and_scale(precision, scale).map_err(fault)?))
        }
        other => Err(RowError::new(0, Error::internal(format!("numeric values in an array of {other}")))),
    }
}

fn lists(sql_type: SqlType, texts: Texts<'_, '_>, zone: &Tz) -> Result<ArrayRef, RowError> {
    let element_type = SqlType { array: false, ..sql_type };
    let mut elements = Vec::new();
    let mut ends = vec![0usize];
    let mut valid = Vec::new();
    for (row, text) in texts.enumerate() {
        if let Some(text) = text {
            elements.append(&mut parse_array(text).map_err(|error| RowError::new(row, error))?);
        }
        valid.push(text.is_some());
        ends.push(elements.len());
    }
    let values = parse_column(element_type, &mut elements.iter().map(Option::as_deref), zone)
        .map_err(|fault| RowError { row: ends.partition_point(|end| *end <= fault.row) - 1, ..fault })?;
    let offsets = OffsetBuffer::from_lengths(ends.windows(2).map(|pair| pair[1] - pair[0]));
    let field = Arc::new(Field::new_list_field(element_type.arrow(), true));
    let list = ListArray::try_new(field, offsets, values, Some(NullBuffer::from(valid)));
    Ok(Arc::new(list.map_err(|error| RowError::new(0, Error::internal(error.to_string())))?))
}

/// Reads every text as a value of `sql_type`; instants without a zone, and words such as `today`, are of `zone`.
pub fn parse_column(sql_type: SqlType, texts: &mut dyn Iterator<Item = Option<&str>>, zone: &Tz) -> Result<ArrayRef, RowError> {
    if sql_type.array {
        return lists(sql_type, texts, zone);
    }
    let digits = sql_type.typmod;
    Ok(match sql_type.base {
        Base::Bool => {
            let mut builder = BooleanBuilder::with_capacity(texts.size_hint().0);
            for (row, text) in texts.enumerate() {
                builder.append_option(text.map(parse_bool).transpose().map_err(|error| RowError::new(row, error))?);
            }
            Arc::new(builder.finish())
        }
        Base::Bytea => {
            let mut builder = BinaryBuilder::with_capacity(texts.size_hint().0, 0);
            for (row, text) in texts.enumerate() {
                builder.append_option(text.map(parse_bytea).transpose().map_err(|error| RowError::new(row, error))?);
            }
            Arc::new(builder.finish())
        }
        Base::Int2 => Arc::new(primitive::<Int16Type>(texts, parse_i16)?),
        Base::Int4 => Arc::new(primitive::<Int32Type>(texts, parse_i32)?),
        Base::Int8 => Arc::new(primitive::<Int64Type>(texts, parse_i64)?),
        Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => {
            Arc::new(primitive::<UInt32Type>(texts, parse_oid)?)
        }
        Base::Float4 => Arc::new(primitive::<Float32Type>(texts, parse_f32)?),
        Base::Float8 => Arc::new(primitive::<Float64Type>(texts, parse_f64)?),
        Base::Date => Arc::new(primitive::<Date32Type>(texts, |text| parse_date_in(text, zone))?),
        Base::Time => {
            Arc::new(primitive::<Time64MicrosecondType>(texts, |text| Ok(round_us(parse_time_in(text, zone)?, digits)))?)
        }
        Base::Timestamp => {
            Arc::new(primitive::<TimestampMicrosecondType>(texts, |text| Ok(round_us(parse_timestamp_in(text, zone)?, digits)))?)
        }
        Base::Timestamptz => {
            let array =
                primitive::<TimestampMicrosecondType>(texts, |text| Ok(round_us(parse_timestamptz(text, zone)?, digits)))?;
            Arc::new(array.with_timezone("UTC"))
        }
        Base::Interval => Arc::new(primitive::<IntervalMonthDayNanoType>(texts, interval)?),
        Base::Numeric => decimals(sql_type, texts)?,
        Base::Uuid => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(texts.size_hint().0, 16);
            for (row, text) in texts.enumerate() {
                match text {
                    None => builder.append_null(),
                    Some(text) => {
                        let value = parse_uuid(text).map_err(|error| RowError::new(row, error))?;
                        builder.append_value(value).map_err(|error| RowError::new(row, Error::internal(error.to_string())))?;
                    }
                }
            }
            Arc::new(builder.finish())
        }
        Base::Varchar | Base::Bpchar if sql_type.typmod >= 4 => {
            let limit = (sql_type.typmod - 4) as usize;
            strings(texts, |text| fit(text, limit, sql_type.base))?
        }
        // A name holds 63 bytes, a "char" one; what is longer is cut without a word.
        Base::Name | Base::Char => {
            let limit = if sql_type.base == Base::Name { 63 } else { 1 };
            strings(texts, |text| {
                let cut = text.floor_char_boundary(limit.max(text.chars().next().map_or(0, char::len_utf8)));
                Ok((cut < text.len()).then(|| text[..cut].to_owned()))
            })?
        }
        Base::Json | Base::Jsonb => strings(texts, |text| match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => Ok(None),
            Err(error) => {
                let sql_name = sql_type.base.row().sql_name;
                let message = format!("invalid input syntax for type {sql_name}");
                Err(Error::new(Condition::InvalidTextRepresentation, message).detail(error.to_string()))
            }
        })?,
        Base::Text
        | Base::Varchar
        | Base::Bpchar
        | Base::Int2Vector
        | Base::OidVector
        | Base::Tid
        | Base::NodeTree
        | Base::Unknown
        | Base::AclItem
        | Base::Record
        | Base::Void => strings(texts, |_| Ok(None))?,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    fn parse(sql_type: SqlType, texts: &[Option<&str>]) -> Result<ArrayRef, RowError> {
        parse_column(sql_type, &mut texts.iter().copied(), &Tz::UTC)
    }

    #[test]
    fn every_type_gives_its_arrow_type() {
        for row in crate::types::TYPES {
            for sql_type in [SqlType::from(row.base), SqlType::array(row.base)] {
                let array = parse(sql_type, &[None, None]).unwrap();
                assert_eq!(array.data_type(), &sql_type.arrow(), "{}", sql_type.sql_name());
                assert_eq!(array.null_count(), 2);
            }
        }
        for sql_type in [SqlType::numeric(15, 2), SqlType::numeric(60, 2)] {
            assert_eq!(parse(sql_type, &[Some("1.5")]).unwrap().data_type(), &sql_type.arrow());
        }
    }

    #[test]
    fn modifiers() {
        let array = parse(SqlType::varchar(3), &[Some("abc"), Some("abc  "), Some("äöü"), None]).unwrap();
        let texts: Vec<_> = array.as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("abc"), Some("abc"), Some("äöü"), None]);
        let RowError { row, error } = parse(SqlType::varchar(3), &[Some(""), Some("abcd")]).unwrap_err();
        assert_eq!((row, error.message.as_str()), (1, "value too long for type character varying(3)"));
        let array = parse(SqlType::from(Base::Bpchar).with_typmod(7), &[Some("ä")]).unwrap();
        assert_eq!(array.as_string::<i32>().value(0), "ä  ");
        let array = parse(SqlType::from(Base::Time).with_typmod(1), &[Some("00:00:00.25")]).unwrap();
        assert_eq!(array.as_primitive::<Time64MicrosecondType>().value(0), 300_000);
        let array = parse(SqlType::from(Base::Name), &[Some(&"ä".repeat(40))]).unwrap();
        assert_eq!(array.as_string::<i32>().value(0).len(), 62);
    }

    #[test]
    fn arrays_name_the_row() {
        let array = parse(SqlType::array(Base::Int4), &[Some("{1,NULL}"), None, Some("{}"), Some("{3}")]).unwrap();
        let list = array.as_list::<i32>();
        assert_eq!((list.value_length(0), list.value_length(2), list.value_length(3)), (2, 0, 1));
        let RowError { row, error } =
            parse(SqlType::array(Base::Int4), &[None, Some("{1}"), Some("{}"), Some("{2,x}")]).unwrap_err();
        assert_eq!((row, error.message.as_str()), (3, "invalid input syntax for type integer: \"x\""));
    }
}
