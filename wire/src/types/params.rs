//! Bind's parameters to arrays of one row.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt32Array, new_empty_array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat;
use arrow::datatypes::{Field, IntervalMonthDayNano};
use chrono_tz::Tz;
use warpwise_engine::error::{Condition, Error, Result};
use warpwise_engine::types::text::{parse_column, parse_decimal};
use warpwise_engine::types::{Base, SqlType};

use super::Format;
use super::binary::{EPOCH_DAYS, EPOCH_US};

/// The value of parameter `index` (from 0): an array of one row, of [`SqlType::arrow`] but for a numeric without a
/// modifier, which is a decimal of the scale that the value has. `None` is NULL.
pub fn decode(index: usize, sql_type: SqlType, format: Format, value: Option<&[u8]>, zone: &Tz) -> Result<ArrayRef> {
    let Some(value) = value else { return Ok(new_null_array(&sql_type.arrow(), 1)) };
    match format {
        Format::Text => from_text(sql_type, utf8(value)?, zone),
        Format::Binary => {
            let mut reader = Reader { bytes: value };
            let array = from_binary(sql_type, &mut reader, zone)?;
            if reader.bytes.is_empty() {
                Ok(array)
            } else {
                let message = format!("incorrect binary data format in bind parameter {}", index + 1);
                Err(Error::new(Condition::InvalidBinaryRepresentation, message))
            }
        }
    }
}

/// Text as PostgreSQL takes it: UTF-8 without NUL.
fn utf8(bytes: &[u8]) -> Result<&str> {
    let bad = match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => return Ok(text),
        Ok(_) => bytes.iter().position(|b| *b == 0).unwrap_or(0),
        Err(error) => error.valid_up_to(),
    };
    let length = match bytes[bad] {
        0xf0.. => 4,
        0xe0..=0xef => 3,
        0xc0..=0xdf => 2,
        _ => 1,
    };
    let shown: Vec<String> = bytes[bad..].iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    Err(Error::new(Condition::CharacterNotInRepertoire, message))
}

fn from_text(sql_type: SqlType, text: &str, zone: &Tz) -> Result<ArrayRef> {
    if sql_type.base == Base::Numeric && !sql_type.array && sql_type.typmod < 0 {
        return numeric_of_text(text);
    }
    parse_column(sql_type, &mut std::iter::once(Some(text)), zone).map_err(|fault| *fault.error)
}

/// A decimal of the scale that its text has.
fn numeric_of_text(text: &str) -> Result<ArrayRef> {
    let word = text.trim_ascii();
    let (mantissa, exponent) = match word.find(['e', 'E']) {
        Some(at) => (&word[..at], word[at + 1..].parse::<i64>().unwrap_or(i64::from(i32::MAX))),
        None => (word, 0),
    };
    let unsigned = mantissa.trim_start_matches(['+', '-']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if unsigned.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let names = ["nan", "inf", "infinity"];
        if names.iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
            return Err(Error::unsupported("numeric parameters cannot be NaN or infinite"));
        }
    }
    let scale = (fraction.len() as i64 - exponent).max(0);
    let digits = (whole.trim_start_matches('0').len() as i64 + exponent).max(0);
    decimal(text, digits, scale)
}

/// `text` as a decimal with `digits` digits before the point and `scale` after it.
fn decimal(text: &str, digits: i64, scale: i64) -> Result<ArrayRef> {
    let fault = |error: arrow::error::ArrowError| Error::internal(error.to_string());
    if digits + scale <= 38 {
        let value = parse_decimal(text, 38, scale as i8)?;
        let value = value.to_i128().ok_or_else(|| Error::internal("a decimal beyond its precision"))?;
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale as i8).map_err(fault)?;
        return Ok(Arc::new(array));
    }
    // What is malformed says so rather than that it is long.
    if digits + scale > 76 {
        parse_decimal(text, 76, 0)?;
        return Err(Error::unsupported("numeric parameters of more than 76 digits are not supported"));
    }
    let value = parse_decimal(text, 76, scale as i8)?;
    Ok(Arc::new(Decimal256Array::from(vec![value]).with_precision_and_scale(76, scale as i8).map_err(fault)?))
}

/// What of a message is not yet read.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        match self.bytes.split_at_checked(count) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(Error::new(Condition::ProtocolViolation, "insufficient data left in message")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }
}

fn bad_binary(message: impl Into<String>) -> Error {
    Error::new(Condition::InvalidBinaryRepresentation, message)
}

fn out_of_range(what: &str) -> Error {
    Error::new(Condition::DatetimeFieldOverflow, format!("{what} out of range"))
}

fn from_binary(sql_type: SqlType, reader: &mut Reader<'_>, zone: &Tz) -> Result<ArrayRef> {
    if sql_type.array {
        return array(SqlType { array: false, ..sql_type }, reader, zone);
    }
    Ok(match sql_type.base {
        Base::Bool => Arc::new(BooleanArray::from(vec![reader.array::<1>()? != [0]])),
        Base::Int2 => Arc::new(Int16Array::from(vec![reader.i16()?])),
        Base::Int4 => Arc::new(Int32Array::from(vec![reader.i32()?])),
        Base::Int8 => Arc::new(Int64Array::from(vec![reader.i64()?])),
        Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => {
            Arc::new(UInt32Array::from(vec![u32::from_be_bytes(reader.array()?)]))
        }
        Base::Float4 => Arc::new(Float32Array::from(vec![f32::from_be_bytes(reader.array()?)])),
        Base::Float8 => Arc::new(Float64Array::from(vec![f64::from_be_bytes(reader.array()?)])),
        Base::Date => {
            let days = match reader.i32()? {
                infinite @ (i32::MAX | i32::MIN) => infinite,
                days => days.checked_add(EPOCH_DAYS).ok_or_else(|| out_of_range("date"))?,
            };
            Arc::new(Date32Array::from(vec![days]))
        }
        Base::Time => {
            let us = reader.i64()?;
            if !(0..=86_400_000_000).contains(&us) {
                return Err(out_of_range("time"));
            }
            Arc::new(Time64MicrosecondArray::from(vec![us]))
        }
        Base::Timestamp | Base::Timestamptz => {
            let us = match reader.i64()? {
                infinite @ (i64::MAX | i64::MIN) => infinite,
                us => us.checked_add(EPOCH_US).ok_or_else(|| out_of_range("timestamp"))?,
            };
            let array = TimestampMicrosecondArray::from(vec![us]);
            if sql_type.base == Base::Timestamptz { Arc::new(array.with_timezone("UTC")) } else { Arc::new(array) }
        }
        Base::Interval => {
            let ns = reader.i64()?.checked_mul(1000).ok_or_else(|| out_of_range("interval"))?;
            let (days, months) = (reader.i32()?, reader.i32()?);
            Arc::new(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(months, days, ns)]))
        }
        Base::Numeric => numeric(sql_type, reader, zone)?,
        Base::Uuid => {
            let array = FixedSizeBinaryArray::try_from_iter(std::iter::once(reader.array::<16>()?));
            Arc::new(array.map_err(|error| Error::internal(error.to_string()))?)
        }
        Base::Bytea => Arc::new(BinaryArray::from_vec(vec![reader.rest()])),
        Base::Jsonb => {
            let [version] = reader.array::<1>()?;
            if version != 1 {
                return Err(Error::internal(format!("unsupported jsonb version number {version}")));
            }
            from_text(sql_type, utf8(reader.rest())?, zone)?
        }
        Base::Int2Vector => vector(SqlType::from(Base::Int2), reader, zone)?,
        Base::OidVector => vector(SqlType::from(Base::Oid), reader, zone)?,
        // The character 0 is the empty "char".
        Base::Char => match reader.array::<1>()? {
            [0] => Arc::new(StringArray::from(vec![""])),
            byte => Arc::new(StringArray::from(vec![utf8(&byte)?])),
        },
        Base::Tid => {
            let block = u32::from_be_bytes(reader.array()?);
            let row = u16::from_be_bytes(reader.array()?);
            Arc::new(StringArray::from(vec![format!("({block},{row})")]))
        }
        Base::Record | Base::AclItem | Base::NodeTree => {
            let name = sql_type.base.row().sql_name;
            return Err(Error::unsupported(format!("no binary input function available for type {name}")));
        }
        Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Json | Base::Unknown | Base::Void => {
            from_text(sql_type, utf8(reader.rest())?, zone)?
        }
    })
}

/// A numeric: its digits as text, read by whoever reads text.
fn numeric(sql_type: SqlType, reader: &mut Reader<'_>, zone: &Tz) -> Result<ArrayRef> {
    let count = u16::from_be_bytes(reader.array()?);
    let weight = i64::from(reader.i16()?);
    let sign = u16::from_be_bytes(reader.array()?);
    let scale = u16::from_be_bytes(reader.array()?);
    let negative = match sign {
        0 => false,
        0x4000 => true,
        0xc000 | 0xd000 | 0xf000 => {
            return Err(Error::unsupported("numeric parameters cannot be NaN or infinite"));
        }
        _ => return Err(bad_binary("invalid sign in external \"numeric\" value")),
    };
    if scale > 0x3fff {
        return Err(bad_binary("invalid scale in external \"numeric\" value"));
    }
    let mut digits = Vec::with_capacity(usize::from(count).min(64));
    for _ in 0..count {
        let digit = reader.i16()?;
        if !(0..10_000).contains(&digit) {
            return Err(bad_binary("invalid digit in external \"numeric\" value"));
        }
        digits.push(digit);
    }
    // A value this large or long is beyond any decimal here; nothing is built for it.
    if weight > 20 && digits.iter().any(|digit| *digit != 0) {
        return Err(Error::unsupported("numeric parameters of more than 76 digits are not supported"));
    }
    let group = |at: i64| usize::try_from(weight - at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut text = String::from(if negative { "-" } else { "" });
    text.push('0');
    for at in (0..=weight.clamp(-1, 20)).rev() {
        text.push_str(&format!("{:04}", group(at)));
    }
    // PostgreSQL cuts what stands beyond the scale.
    let mut fraction = String::new();
    let mut at = -1;
    while fraction.len() < usize::from(scale).min(400) {
        fraction.push_str(&format!("{:04}", group(at)));
        at -= 1;
    }
    fraction.truncate(usize::from(scale));
    text.push('.');
    text.push_str(&fraction);
    from_text(sql_type, &text, zone)
}

/// The elements of a one-dimensional array.
fn elements(element: SqlType, reader: &mut Reader<'_>, zone: &Tz) -> Result<Vec<ArrayRef>> {
    let dimensions = reader.i32()?;
    let _has_nulls = reader.i32()?;
    let oid = u32::from_be_bytes(reader.array()?);
    if oid != element.oid() {
        let given = SqlType::of_oid(oid).map_or_else(|| "???".to_owned(), SqlType::sql_name);
        let message = format!(
            "binary data has array element type {oid} ({given}) instead of expected {} ({})",
            element.oid(),
            element.sql_name()
        );
        return Err(Error::new(Condition::DatatypeMismatch, message));
    }
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = reader.i32()?;
            let _lower_bound = reader.i32()?;
            count
        }
        2.. => return Err(Error::unsupported("multidimensional arrays are not supported")),
        _ => return Err(bad_binary(format!("invalid number of dimensions: {dimensions}"))),
    };
    let count = usize::try_from(count).map_err(|_| bad_binary("invalid array size"))?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(match reader.i32()? {
            -1 => new_null_array(&element.arrow(), 1),
            length => {
                let length = usize::try_from(length)
                    .map_err(|_| Error::new(Condition::ProtocolViolation, "insufficient data left in message"))?;
                let mut value = Reader { bytes: reader.take(length)? };
                let array = from_binary(element, &mut value, zone)?;
                if !value.bytes.is_empty() {
                    return Err(bad_binary("improper binary format in array element"));
                }
                array
            }
        });
    }
    Ok(values)
}

fn array(element: SqlType, reader: &mut Reader<'_>, zone: &Tz) -> Result<ArrayRef> {
    let fault = |error: arrow::error::ArrowError| Error::internal(error.to_string());
    let mut values = elements(element, reader, zone)?;
    let data_type = element.arrow();
    for value in &mut values {
        // Numerics without a modifier have each their own scale.
        if *value.data_type() != data_type {
            *value = super::canonical::cast(value, &data_type)?;
        }
    }
    let parts: Vec<_> = values.iter().map(AsRef::as_ref).collect();
    let joined = if parts.is_empty() { new_empty_array(&data_type) } else { concat(&parts).map_err(fault)? };
    let field = Arc::new(Field::new_list_field(data_type, true));
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths([joined.len()]), joined, None).map_err(fault)?;
    Ok(Arc::new(list))
}

/// `int2vector` and `oidvector`, which are kept as their text: numbers between spaces.
fn vector(element: SqlType, reader: &mut Reader<'_>, zone: &Tz) -> Result<ArrayRef> {
    let mut text = String::new();
    for value in elements(element, reader, zone)? {
        let number = super::canonical::cast(&value, &arrow::datatypes::DataType::Utf8)?;
        let number = arrow::array::AsArray::as_string::<i32>(&number);
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(if arrow::array::Array::is_null(number, 0) { "" } else { number.value(0) });
    }
    Ok(Arc::new(StringArray::from(vec![text])))
}
